/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* stdarg.h - the kernel's. */
#include <linux/stdarg.h>
