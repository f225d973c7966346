/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cached.h - a file of the server and its cookie: how a 9P client uses the library.
 */
#ifndef FSC9P_CACHED_H
#define FSC9P_CACHED_H

#include "remote.h"

/* Give @r, whose attributes were just fetched, a cookie; or none [blocks on the cache's disk]. */
void cached_open(struct remote *r);
/* What was downloaded is stored when this returns [blocks]. @discard: and is of no use any more. */
void cached_close(struct remote *r, bool discard);
/* Do both say the same of a file, as far as it can be told? */
bool cached_same(const struct p9_attr *a, const struct p9_attr *b);

/* For struct fsc_netfs_ops; fsc_read.netfs is the struct remote. The first is private, but its size
 * is subreq_size. */
struct cached_read {
	struct p9_read p9;
	struct fsc_subreq *sreq;
};

size_t cached_read_max(struct fsc_read *read);
void cached_issue_read(struct fsc_subreq *sreq);

#endif
