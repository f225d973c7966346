/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * content.h - what of a regular file is cached, by the library and by the kernel, and whether that
 * is still what the server has.
 *
 * Close-to-open: an open compares what the server says now with what it said when the cache began
 * to be filled (the base). As long as this client writes to the file there is nothing to compare
 * with, as its own changes can't be told from others', unless it was said to be the only writer.
 */
#ifndef FSC_EXAMPLES_CONTENT_H
#define FSC_EXAMPLES_CONTENT_H

#include "mount.h"

struct backing;

/* Covered by inode.lock. Made at the first open, and there until the inode goes. */
struct content {
	struct fsc_cookie *cookie; /* NULL: uncached; else never changed */
	struct netfs_attr base;
	bool known;            /* base and size say what the file is */
	bool changed;          /* by this client, since base was heard */
	bool pages;            /* the kernel's pages were read under base, all of them */
	uint64_t version;      /* counts bases */
	uint64_t settled_ms;   /* what is read earlier may be of other versions with these times */
	uint64_t size;
	unsigned int uses, writers;
	unsigned int cached_opens; /* the kernel keeps pages for them: no passthrough beside it */
	struct backing *backing;   /* passthrough.c: opens that the kernel serves by itself */
};

/* How an open found it. */
struct content_use {
	struct fsc_cookie *cookie;
	bool began, writes;
	bool keep_pages;  /* what the kernel has is still right */
	uint64_t version; /* of base */
};

/* @in is opened, with @attr of just now (or believed): begins a use. -ENOMEM. [blocks on the cache]
 */
int content_open(struct mount *m, struct inode *in, const struct netfs_attr *attr, bool writes,
		 struct content_use *use);
/* @file: the server's, or NULL if it was never opened there. [blocks] */
void content_close(struct mount *m, struct inode *in, const struct content_use *use,
		   struct netfs_file *file);
/* The first sign of life of an open that was told not to keep pages: they are gone by now. */
void content_pages_fresh(struct inode *in, const struct content_use *use);
/* The server said this of @in, with nothing of ours under way. */
void content_seen(struct mount *m, struct inode *in, const struct netfs_attr *attr);
/* The server has made stable what was written through @file. For the only writer this is when what
 * is cached gets its new label [blocks]. */
void content_stable(struct mount *m, struct inode *in, struct netfs_file *file);

/* The end of the file as a read that begins now must take it. */
uint64_t content_read_size(struct mount *m, struct inode *in, uint64_t pos, size_t len);
/* Before this client's first byte of a change goes out: the size as it is before. */
uint64_t content_change(struct inode *in);
/* Bracket a change of the size [blocks on the cache]. */
void content_resize_begin(struct mount *m, struct inode *in, uint64_t size);
void content_resize_end(struct mount *m, struct inode *in, uint64_t size, int err);
/* A write has put the end of the file there, or beyond. */
void content_grew(struct inode *in, uint64_t end);

/* The inode goes. */
void content_free(struct content *c);

#endif
