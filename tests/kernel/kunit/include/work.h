/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * work.h - in the place of userspace's: so many items may block at once in the kernel, at least.
 */
#include <fscache/env.h>

#define FSC_WORKQ_THREADS 8
#define FSC_WORKQ_HAS_MORE_THREADS
