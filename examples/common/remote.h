/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * remote.h - files of the server by their paths, open for reading.
 */
#ifndef FSC_EXAMPLES_REMOTE_H
#define FSC_EXAMPLES_REMOTE_H

#include "cached.h"

/* The directory that something was last looked up in: what lies beside it needs no walk from the
 * root. One thread's, zeroed at first. */
struct remote_place {
	char *dir;
	struct netfs_node *node; /* a reference; NULL: nowhere yet */
};

/* An open regular file. What the server said of it at the open is what it is served under. */
struct remote {
	struct session *s;
	struct netfs_node *node; /* a reference */
	struct netfs_attr attr;
	struct cached_file file;
	struct fsc_cookie *cookie; /* NULL: uncached */
};

static inline uint64_t remote_size(const struct remote *r)
{
	return (uint64_t)r->attr.st.st_size;
}

/* What is at @path [blocks]. 0, with a reference to it, or -errno. @place may be NULL. Symbolic links
 * are not followed. */
int remote_walk(struct session *s, struct remote_place *place, const char *path,
		struct netfs_node **node, struct netfs_attr *attr);
void remote_leave(struct remote_place *place);

/* Open @path [blocks]. Asks the server every time: what is there now, and whether we may. 0; -errno;
 * or REMOTE_OTHER, with @r->attr saying what it is, for what is no regular file. */
enum { REMOTE_OTHER = 1 };
int remote_open(struct session *s, struct remote_place *place, const char *path, struct remote *r);
/* The same in two steps, for who may find that all is cached and nothing is to be read. The second
 * only: -ESTALE, the name leads to another file by now: close it and begin again. */
int remote_find(struct session *s, struct remote_place *place, const char *path, struct remote *r);
int remote_open_found(struct remote *r);
/* @changed: the file isn't what it was when it was opened, so what is cached of it is of no use
 * [blocks until what was read is stored]. */
void remote_close(struct remote *r, bool changed);
/* Is the file still what it was when it was opened? [blocks] 0: yes, 1: no, or -errno. */
int remote_changed(struct remote *r);
/* Give it a cookie, or take it away, with what was downloaded stored when that returns [blocks on
 * the cache's disk]; remote_open() and remote_close() do. @discard: and is of no use any more. */
void remote_cache(struct remote *r);
void remote_uncache(struct remote *r, bool discard);
/* What kind of file that is, for people. */
const char *remote_kind(const struct netfs_attr *attr);

#endif
