/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * remote.h - files of the server, open for reading.
 */
#ifndef FSC9P_REMOTE_H
#define FSC9P_REMOTE_H

#include <pthread.h>

#include "path.h"
#include "session.h"

/* An open regular file. What the server said of it at the open is what it is served under. */
struct remote {
	struct session *s;
	uint32_t fid;
	struct p9_attr attr;
	uint64_t attr_ms;    /* fsc_clock_ms() when that had arrived */
	struct fsc_cookie *cookie; /* NULL: uncached */
	uint64_t keep_after_ms;    /* what is asked for before this isn't kept */

	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t idle;
	unsigned int reading; /* server reads that use the fid */
};

/* A fid for @path that wasn't opened [blocks]. 0 or -errno. */
int remote_walk(struct session *s, const char *path, uint32_t *fid);

/* Open @path [blocks]. Asks the server every time: what is there now, and whether we may. Symbolic
 * links are not followed. 0; -errno; or REMOTE_OTHER, with @r->attr saying what it is, for what is
 * no regular file. */
enum { REMOTE_OTHER = 1 };
int remote_open(struct session *s, const char *path, struct remote *r);
/* @changed: the file isn't what it was when it was opened, so what is cached of it is of no use
 * [blocks until what was read is stored]. */
void remote_close(struct remote *r, bool changed);
/* Is the file still what it was when it was opened? [blocks] 0: yes, 1: no, or -errno. */
int remote_changed(struct remote *r);
/* What kind of file that is, for people. */
const char *remote_kind(const struct p9_attr *attr);

#endif
