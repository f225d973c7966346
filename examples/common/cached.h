/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cached.h - how a netfs uses the library: what its cookies are named and labelled with, and its
 * server reads and writes on behalf of the library. Nothing else of a client is about the cache.
 */
#ifndef FSC_EXAMPLES_CACHED_H
#define FSC_EXAMPLES_CACHED_H

#include <pthread.h>

#include "session.h"

/* --- Which file, which version ---------------------------------------------------------------- */

#define CACHED_DIGEST_SIZE NETFS_LABEL_MAX

struct cached_label {
	struct fsc_cookie_params params; /* its blobs are the two below: don't copy the struct */
	uint8_t coherency[NETFS_LABEL_MAX];
	uint8_t key[NETFS_KEY_MAX];
};

/* Make of @attr what the library is to be told [any]. False: the server doesn't vouch for it, or
 * what it says makes no sense, and the file goes uncached. */
bool cached_label(const struct session *s, const struct netfs_attr *attr, struct cached_label *out);
/* Do both say the same of a file, as far as it can be told [any]? */
bool cached_same(const struct netfs_attr *a, const struct netfs_attr *b);
/* What is asked for before this moment isn't kept [any]; see fsc_cookie_params.keep_after_ms. */
uint64_t cached_keep_after(const struct session *s, const struct netfs_attr *attr);
/* A cookie for the regular file that @attr tells of [any]; NULL: uncached. */
struct fsc_cookie *cached_acquire(const struct session *s, const struct netfs_attr *attr);

/* --- Server reads and writes ------------------------------------------------------------------ */

/* An open file that the library reads, or writes, through: what fsc_read.netfs and fsc_write.netfs
 * point to. */
struct cached_file {
	struct netfs_file *file;

	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t idle;
	unsigned int under_way; /* requests that use the file, and plans for some */
};

void cached_file_init(struct cached_file *cf, struct netfs_file *file);
/* Wait until the server has answered all [blocks]: a download may outlive the read that it was
 * begun for, and the file may be closed only after it. No read or write is started any more. */
void cached_file_fini(struct cached_file *cf);

/* Private, but its size is subreq_size. */
struct cached_subreq {
	struct netfs_io io;
	const struct netfs_ops *ops;
	struct fsc_subreq *sreq;
};

size_t cached_read_max(struct fsc_read *read);
size_t cached_write_max(struct fsc_write *write);
void cached_issue_read(struct fsc_subreq *sreq);
void cached_push(void *netfs);
void cached_issue_write(struct fsc_subreq *sreq);
void cached_cancel_read(struct fsc_subreq *sreq);
void cached_hold(void *netfs);
void cached_release(void *netfs);

/* The members of struct fsc_netfs_ops that are the same for all who read and write through a struct
 * cached_file; read_done, write_done and is_still_valid are theirs. */
#define CACHED_NETFS_OPS                                                                           \
	.subreq_size = sizeof(struct cached_subreq), .read_max = cached_read_max,                  \
	.issue_read = cached_issue_read, .push = cached_push,                                      \
	.cancel_read = cached_cancel_read,                                                         \
	.write_max = cached_write_max, .issue_write = cached_issue_write,                          \
	.hold = cached_hold, .release = cached_release

#endif
