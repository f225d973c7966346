/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* string.h - the kernel's. */
#include <linux/string.h>
