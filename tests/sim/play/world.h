/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* world.h - what the two halves of the world know of each other: world.c and events.c. */
#ifndef WORLD_H
#define WORLD_H

#include "plan.h"
#include "play_int.h"

struct world {
	const struct plan *plan;
	const bool *without;
	uint32_t first, last; /* of the epoch's steps; last is the end's */
	const struct step *end;
	uint32_t ending;      /* enum ending */

	enum fsc_fs_kind model; /* what the store's filesystem is */
	bool forgets;           /* and loses all when the power is cut */
	struct simstore_opts store_opts;
	bool limited;         /* the disk may be full */
	struct simstore *copy;
	bool copied;          /* all of it, in this epoch */
	uint32_t boot, mount;
	bool torn;            /* by a power cut, names may be swapped: it may be no cache now */
	bool remove;          /* as an administrator would what can't be opened */
	uint32_t shares;      /* which files are the writer's, a bit each */

	struct client self;
	struct fsc_waitq moved; /* somebody began a step, or left a volume */
	uint32_t leavings;    /* volumes given back in this epoch */
	bool withdrawn;
	bool opened;         /* the cache, in this epoch */

	struct {
		uint64_t mask;    /* of enum simstore_op */
		int err;
		uint32_t one_in;
		uint64_t left;    /* so many more */
	} fault;
	bool faults_left;

	bool failed; /* between two runs */
	char text[600];
};

/* events.c: the world's steps */
void world_step(struct play *p, const struct step *s);
int world_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name);

/* setup.c */
void world_set_up(struct play *p, struct world *w, const struct plan *plan, const bool *without);

/* pace.c */
void world_take_steps(struct client *c);
void world_client(void *arg); /* a client's task; @arg: the client */

/* world.c */
void world_acquire_volume(struct play *p, uint32_t nr);

#endif
