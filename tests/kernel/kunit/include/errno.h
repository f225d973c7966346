/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* errno.h - the kernel's. */
#include <linux/errno.h>
