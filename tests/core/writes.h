/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* writes.h - what tests of writes through cookies begin with, and look at. */
#ifndef TESTS_WRITES_H
#define TESTS_WRITES_H

#include "fixture.h"
#include "writable.h"

/* In use, with proof. */
struct fsc_cookie *sea_proven(struct world *w, struct sea *sea);
/* Say what it is now. */
int sea_written(struct fsc_cookie *cookie, const struct sea *sea);
const struct on_disk *sea_on_disk(struct world *w, const struct sea *sea);
/* All of it is there, and right, without asking the server. */
void sea_check_cached(struct sea *sea, struct fsc_cookie *cookie);
uint32_t any_flags(void);
struct sea *any_sea(uint64_t size); /* on a server of any kind */
void fill_cache(struct world *w, struct sea *sea); /* all of it is stored, and nobody has it */

#endif
