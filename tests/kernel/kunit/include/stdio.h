/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* stdio.h - snprintf(), the kernel's. */
#include <linux/kernel.h>
