/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * journal.h - what has happened to the files, with the times, kept outside of the disk under test:
 * in a file that is mapped into memory, so that it survives kill -9 and an entry costs no system
 * call.
 *
 * Times are CLOCK_MONOTONIC's, as those of the disk's log are. An entry made before the moment of a
 * cut speaks of what had been on its way to the disk before: so it is true of the cut disk.
 */
#ifndef TESTS_CRASH_JOURNAL_H
#define TESTS_CRASH_JOURNAL_H

#include "world.h"

enum journal_what {
	JOURNAL_BEGIN = 1, /* version @version of @file is there from now on */
	JOURNAL_DONE,      /* the cache has said that all older ones are gone from the disk */
	JOURNAL_COMPLETE,  /* all of it is in the cache */
	JOURNAL_FLUX,      /* that may not be true any more */
};

/* Of one file, at some moment. */
struct journal_file {
	uint32_t begun, done; /* versions */
	uint32_t complete;    /* version, 0: isn't */
	uint64_t complete_ns; /* since when */
};

/* Open it, or make it for this world. Sets world. Ends the program if it can't be had. */
void journal_open(const char *path, const struct world_spec *made_for);
void journal_add(enum journal_what what, uint32_t file, uint32_t version); /* any thread */
/* Each file, as of that moment; world.files of them. */
void journal_state(uint64_t until_ns, struct journal_file *files);
uint64_t journal_last_ns(void); /* of the last entry */
/* Begin anew with this. */
void journal_replace(const struct journal_file *files);

#endif
