/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * mount.h - what the files of the command mount share.
 *
 *	mount.c          the command: mount, serve, unmount    mount_options.c  -o
 *	inode.c          which node id is which file
 *	content.c        what of a file is cached
 *	fuse_loop.c      the threads that serve          fuse_interrupt.c  who is killed meanwhile
 *	fuse_attr.c, fuse_names.c, fuse_dir.c, fuse_file.c, fuse_data.c, fuse_lock.c
 *	                 the kernel's requests, by kind
 *	passthrough.c    files that the kernel reads by itself
 *
 * Each request of the kernel is served by the thread that took it, which makes blocking calls of
 * the netfs. The order of the locks: inodes.lock, inode.lock, and with none of them held are the
 * calls made that wait for the server.
 */
#ifndef FSC_EXAMPLES_MOUNT_H
#define FSC_EXAMPLES_MOUNT_H

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 14)

#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>

#include "cached.h"
#include "inode.h"
#include "session.h"

struct mount_options {
	/* Seconds that attributes and names are believed for, by opens too; less than 0: not given,
	 * so 1 s for those who look, and an open asks. */
	double actimeo;
	bool allow_other, read_only, default_permissions, sole_writer, passthrough;
	unsigned int max_threads;
	struct fuse_args rest; /* what libfuse is to see */
};

/* The value of -o, @text (may be NULL). 0, or it was said what is wrong. */
int mount_options_parse(struct mount_options *o, const struct session *s, const char *text);
void mount_options_free(struct mount_options *o);

struct passthrough;
struct lock_waits;
struct open_dir;

struct mount {
	struct session *s;
	const struct netfs_ops *ops;
	struct mount_options opt;
	double attr_timeout, entry_timeout; /* what the kernel is told, seconds */
	/* fsc_clock_ms() when last a name was removed or moved that led to no known file. */
	_Atomic uint64_t unknown_ms;
	struct fuse_session *se;
	struct inodes inodes;
	struct passthrough *passthrough; /* NULL: not to be had */
	struct lock_waits *lock_waits;
	pthread_mutex_t dirs_lock;
	struct open_dir *dirs; /* all that are open */
};

static inline struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline struct inode *inode_of(struct mount *m, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? m->inodes.root : (struct inode *)(uintptr_t)ino;
}

/* The attributes that @in has were asked of the server lately enough for an open. */
bool mount_believes(const struct mount *m, const struct inode *in);

/* --- Replies ---------------------------------------------------------------------------------- */

/* What the caller of a system call is told of @err, 0 or -errno: of a connection that is gone, and
 * of a server that doesn't answer, EIO. */
void reply_err(fuse_req_t req, int err);
/* Attributes as they come from the server, for the kernel. */
void reply_attr(fuse_req_t req, struct inode *in, const struct netfs_attr *attr);
/* Give @node, found under @name in @dir, and taken over, an inode and the kernel that. */
void reply_entry(fuse_req_t req, struct inode *dir, const char *name, struct netfs_node *node,
		 const struct netfs_attr *attr);
/* The same without the reply. -ENOMEM: @node was given back. */
int make_entry(struct mount *m, struct inode *dir, const char *name, struct netfs_node *node,
	       const struct netfs_attr *attr, struct fuse_entry_param *e, struct inode **out);
/* @err, or what the kernel is to hear instead when the inode turned out to lead to nothing: its
 * next look-up finds what is there now. */
int check_stale(struct mount *m, struct inode *in, int err);

/* What is @in now, as the server says [blocks]. @file may be NULL. */
struct open_file;
int fetch_attr(struct mount *m, struct inode *in, struct open_file *file, struct netfs_attr *attr);

/* Those that the kernel didn't get to release [blocks]. */
void open_dirs_close(struct mount *m);

/* --- The requests ----------------------------------------------------------------------------- */

/* Each file adds its own. */
void fuse_attr_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);
void fuse_names_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);
void fuse_dir_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);
void fuse_file_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);
void fuse_data_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);
void fuse_lock_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs);

#endif
