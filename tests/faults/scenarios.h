/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* scenarios.h - the lists, and what several of them begin with. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "faults.h"

extern const struct scenario scen_open[], scen_read[], scen_helper[], scen_change[], scen_write[],
	scen_save[], scen_files[], scen_found[], scen_limits[];

void prepare_all(struct room *r); /* every file is stored, and the cache closed */
/* The value of the first file has room for @spare bytes of map, beside a long key. */
void tight_value(struct room *r, size_t spare);
/* Of the first file, 200 granules long, so much is stored that its map needs a slot then. */
void prepare_slot(struct room *r);

#endif
