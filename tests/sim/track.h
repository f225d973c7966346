/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * track.h - between durable.c, which remembers what isn't durable, together.c, which knows what
 * can't survive alone, and crash.c, which decides what does.
 */
#ifndef SIM_TRACK_H
#define SIM_TRACK_H

#include "store_int.h"

#define SECTOR 512u
#define ALL_SECTORS 0xffu

/* An effect that isn't durable; its names and value follow it in memory. */
struct kept {
	struct kept *next;
	uint64_t seq;
	struct effect e;
	uint64_t block; /* data: the id of the block */
	bool in_place;  /* data under ordered: only into that block, and in no order with metadata */
	bool covered;   /* chosen */
	bool chain;     /* so are the names of the directories above it */
};

struct tracking {
	enum fsc_fs_kind model;
	struct simstore *base; /* what is durable */
	struct kept *first, **end;
	uint64_t n;        /* of the list */
	uint64_t seq;      /* of the last one */
	uint64_t kill_seq; /* of the last one before the run was killed; UINT64_MAX: it wasn't */
};

static inline bool is_name_effect(const struct effect *e)
{
	return e->kind == EFFECT_LINK || e->kind == EFFECT_UNLINK || e->kind == EFFECT_RENAME;
}

/* Do what survived on an older store, where what it was done to may be missing. False: in vain. */
bool durable_do(struct simstore *base, const struct kept *k);
void durable_forget(struct tracking *t); /* the whole list */

/* together.c. Choose too what the chosen ones can't survive without; if @for_sync, also what would
 * undo them when it is done later. */
void durable_close(struct tracking *t, bool for_sync);

#endif
