/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* own.h - tests of what only the kernel's backend has. */
#ifndef FSC_TEST_OWN_H
#define FSC_TEST_OWN_H

#include <fscache/backend.h>

/* How many checks failed; each is said in the log. It leaves nothing in the storage. */
int fsc_own_run(struct fsc_backend *be);

#endif
