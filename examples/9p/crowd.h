/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * crowd.h - every file of a few trees, by several threads, with a progress bar on a terminal.
 */
#ifndef FSC9P_CROWD_H
#define FSC9P_CROWD_H

#include "stream.h"

struct crowd;

/* What is done. 0, or -errno, which is said; -ECANCELED: it was said already. Either goes on with
 * the rest, and counts as failed. */
struct crowd_job {
	/* With each file, on any of the threads. @named: on the command line; else it may be of
	 * any kind but a directory or symbolic link. @st is the thread's own. */
	int (*file)(void *arg, struct crowd *crowd, struct stream *st, const char *path, bool named);
	/* With each directory, on the main thread, before anything in it. May be NULL. */
	int (*dir)(void *arg, const char *path);
	void *arg;
};

/* 0 or EXIT_FAILED. Symbolic links are not followed. */
int crowd_run(struct session *s, char **paths, size_t count, const struct crowd_job *doing);
/* A file of so many bytes was begun: for the bar [any thread]. */
void crowd_count(struct crowd *crowd, uint64_t bytes);

#endif
