/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* plan.h - all that a seed decides beforehand. */
#ifndef PLAN_H
#define PLAN_H

#include <stdio.h>

#include "play.h"

#define PLAN_STEPS 4000u
#define WORLD PLAY_CLIENTS /* the client number of the world's own steps */

enum ending {
	END_CLOSE,     /* cleanly */
	END_KILL_OP,   /* killed at some op of the backend: step.pos counts */
	END_KILL_TIME, /* killed at any scheduling point after about step.pos us */
	END_KILL_LAST, /* killed when all steps are done, with everything open */
};

/* Flags of STEP_END. */
#define END_CUT 1u     /* after the kill, the power is cut */
#define END_RESTART 2u /* the next process runs after another boot */
#define END_MOVE 4u    /* the folder is on a filesystem of another model from then on */
#define END_AFTER 8u   /* the op at which it is killed has taken effect */
#define END_CLEAN_RUN 16u /* in the epoch that follows the faults from before are over */

/* What a profile is special in. */
#define PROFILE_SLOTS 1u  /* xattrs take little, some files are large and sparse */
#define PROFILE_SMALL 2u  /* a small disk, and budgets */
#define PROFILE_XATTR 4u  /* what faults there are hit setxattr and removexattr alone */
#define PROFILE_FAULTY 8u
#define PROFILE_WRITER 16u
#define PROFILE_CRASHES 32u
#define PROFILE_OVERWRITES 64u /* writers alone, on what is stored, in short lives */
#define PROFILE_FILES 128u /* files are changed through cookies, too */
#define PROFILE_CHANGES 256u /* above all */

#define PROFILE_READS 512u  /* reads of all kinds, at times */
#define PROFILE_HELPER 1024u /* mostly */

struct profile {
	const char *name, *what;
	uint32_t flags;
	int coherency; /* enum coherency, -1: any */
	uint16_t epoch; /* steps, about */
};

struct options {
	int model;           /* enum fsc_fs_kind; -1: the seed decides */
	const struct profile *profile; /* NULL: likewise */
	uint32_t steps;
};

struct plan {
	uint64_t seed;
	enum fsc_fs_kind model;
	const struct profile *profile;
	uint64_t setup;    /* random: files, server, cache parameters */
	uint32_t nr_clients, nr_files;
	uint32_t nr;
	struct step steps[PLAN_STEPS + 1]; /* from 1 */
};

/* splitmix64; the plan's own, apart from the runs'. */
uint64_t plan_random(uint64_t *state);

void plan_make(struct plan *plan, uint64_t seed, const struct options *opts);
bool plan_writes(const struct plan *plan, uint32_t client); /* is it a writer (writer.c)? */
/* The command that plays it again. */
void plan_command(const struct plan *plan, const bool *without, char *buf, size_t size);
void plan_print_step(const struct step *s, char *buf, size_t size);

const struct profile *profile_find(const char *name);
void profile_list(FILE *to);
const char *model_name(enum fsc_fs_kind model);

#endif
