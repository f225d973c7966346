/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * crowd.h - every file of a few trees, by several threads, with a progress bar on a terminal.
 */
#ifndef FSC_EXAMPLES_CROWD_H
#define FSC_EXAMPLES_CROWD_H

#include "stream.h"

struct crowd;

/* One of the threads: what it has of its own. */
struct crowd_worker {
	struct crowd *crowd;
	struct stream *stream;
	struct remote_place *place;
};

/* What is done. 0, or -errno, which is said; -ECANCELED: it was said already. Either goes on with
 * the rest, and counts as failed. */
struct crowd_job {
	/* With each file, on any of the threads. @named: on the command line; else it may be of
	 * any kind but a directory or symbolic link. */
	int (*file)(void *arg, const struct crowd_worker *w, const char *path, bool named);
	/* With each directory, on the main thread, before anything in it. May be NULL. */
	int (*dir)(void *arg, const char *path);
	void *arg;
};

/* 0 or EXIT_FAILED. Symbolic links are not followed. */
int crowd_run(struct session *s, char **paths, size_t count, const struct crowd_job *doing);
/* A file of so many bytes was begun: for the bar [any thread]. */
void crowd_count(struct crowd *crowd, uint64_t bytes);

#endif
