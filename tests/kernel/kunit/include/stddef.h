/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* stddef.h - the kernel's. */
#include <linux/stddef.h>
