/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * circle.h - does a server whose directory is listed go in circles?
 */
#ifndef FSC_EXAMPLES_CIRCLE_H
#define FSC_EXAMPLES_CIRCLE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed where a listing begins. */
struct circle {
	uint64_t seen, steps, until;
};

/* Has a position come twice? One of those seen is remembered, each time for twice as many steps as
 * before, so it is found out in a time in proportion to the circle. */
static inline bool circle_closes(struct circle *c, uint64_t pos)
{
	if (c->steps && pos == c->seen)
		return true;
	if (++c->steps > c->until) {
		c->until = 2 * c->steps;
		c->seen = pos;
	}
	return false;
}

#endif
