/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * open_file.h - one open of a regular file by the kernel: what fi->fh is.
 *
 * The server hears of it when it has to: a file that was found in the cache is read without. What
 * the server must be asked for fails then with NOT_OPENED, for the reader to open it and try again,
 * since a server read is started where nothing may block.
 */
#ifndef FSC_EXAMPLES_OPEN_FILE_H
#define FSC_EXAMPLES_OPEN_FILE_H

#include "content.h"

#define NOT_OPENED (-EUNATCH)

struct open_file {
	struct cached_file cf; /* first: what the library's netfs pointer is taken for */
	struct open_file *next; /* inode.files */
	atomic_uint refs;       /* 1 of the kernel's */
	struct inode *in;
	int flags;              /* of the open() */
	struct content_use use;
	struct fsc_pattern pattern;
	atomic_bool alive;      /* the kernel has used it since the open */
	bool cached;            /* counts in content.cached_opens */
	struct backing *backing;
	bool fills;             /* what is kept of a write can be made whole: it may be read too */

	pthread_mutex_t lock;   /* one open at the server */
	atomic_bool opened;     /* cf.file is there, and stays */
};

static inline struct open_file *file_of(const struct fuse_file_info *fi)
{
	return fi ? (struct open_file *)(uintptr_t)fi->fh : NULL;
}

extern const struct fsc_netfs_ops mount_netfs_ops;

/* Open it on the server, unless it is [blocks]. 0 or -errno. */
int file_on_server(struct mount *m, struct open_file *f);
/* The server's file of @f, or NULL if it hasn't been opened there. */
static inline struct netfs_file *server_file(struct open_file *f)
{
	return f && atomic_load_explicit(&f->opened, memory_order_acquire) ? f->cf.file : NULL;
}

void file_put(struct mount *m, struct open_file *f);
/* fuse_lock.c: give back what @owner holds through @f [blocks]. */
void file_unlock(struct mount *m, struct open_file *f, uint64_t owner);
/* The kernel has it no more: the end of what it was opened for [blocks]. */
void file_end(struct mount *m, struct open_file *f);
/* The kernel has got so far that it uses it. */
void file_alive(struct open_file *f);
/* Every open of @in holds a file of the server's, so that it can lose its name there [blocks]. */
void files_hold(struct mount *m, struct inode *in);

#endif
