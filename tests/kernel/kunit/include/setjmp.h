/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* setjmp.h - none is needed: KUnit ends a test by ending its thread. */
