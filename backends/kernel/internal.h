/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * internal.h - what the files of the kernel's backend share.
 *
 *	backend.c  opening and closing the whole; space, sync, lock; the table of operations
 *	names.c    from a name to a dentry, without leaving the directory; changes of names
 *	dir.c      directories: open, read, stat, rename, remove
 *	file.c     files: open, tmpfile, commit, unlink, size, sync
 *	xattr.c    xattrs
 *	io.c       transfers
 *	probe.c    what the filesystem can do, tried on a tmpfile; ../fskind.c judges it
 *	fskind.c   what only its superblock tells
 *	compat.h   differences between kernels
 */
#ifndef FSC_KERNEL_INTERNAL_H
#define FSC_KERNEL_INTERNAL_H

#include <linux/bvec.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/workqueue.h>

#include <fscache/env.h>

#include "backend.h"
#include "compat.h"

/* O_LARGEFILE, or writes end at 2 GiB. */
#define FSC_KB_OPEN (O_RDWR | O_LARGEFILE)

/* Bytes of one transfer at most; the rest is a short transfer, which the core copes with. */
#define FSC_KB_MAX_TRANSFER (1u << 30)

struct fsc_dir {
	struct fsc_kb *kb;
	struct file *file;
	/* dir_next's, one reader at a time. */
	char *entries;         /* NULL until first read */
	size_t used, next;     /* bytes in @entries, and where the next entry is */
	uint64_t pos;          /* where in the directory @next is */
};

struct fsc_kb {
	struct fsc_backend be;
	struct path root;
	struct fsc_dir root_dir;
	const struct cred *cred;
	struct file *lock; /* byte 0 of ROOT/lock, once it's ours */
	/* Transfers that can't be started where they are asked for, and last closes. */
	struct workqueue_struct *wq;
};

struct fsc_file {
	struct fsc_kb *kb;
	struct file *file;
};

static inline struct fsc_kb *fsc_kb_of(struct fsc_backend *be)
{
	return container_of(be, struct fsc_kb, be);
}

/*
 * Around whatever asks the filesystem: with the backend's credentials, and without starting the
 * writeback of other filesystems to find memory: one of them may be waiting for us.
 *
 * lockdep is told nothing of what the filesystem locks. It knows locks by the kind of filesystem,
 * and would have ours below the netfs's server and above whoever maps files: writing comes before
 * folders come before mmap_lock (somebody lists a folder), and a netfs may call us under that
 * (a page fault; 9P's munmap). A circle is that only for who lists the cache's own folders.
 */
struct fsc_kb_scope {
	const struct cred *cred;
	unsigned int nofs;
};

static inline struct fsc_kb_scope fsc_kb_enter(struct fsc_kb *kb)
{
	lockdep_off();
	return (struct fsc_kb_scope){
		.cred = override_creds(kb->cred),
		.nofs = memalloc_nofs_save(),
	};
}

static inline void fsc_kb_leave(struct fsc_kb_scope s)
{
	memalloc_nofs_restore(s.nofs);
	revert_creds(s.cred);
	lockdep_on();
}

/* --- backend.c -------------------------------------------------------------------------------- */

/* Drop the last reference: by a worker if that may take long or if closing would be put off. */
void fsc_kb_put_file(struct fsc_kb *kb, struct file *file);
/* Run @fn as a kernel thread if the caller's limit on file sizes (RLIMIT_FSIZE) would refuse what
 * is done for the cache, and kill it. */
int fsc_kb_unlimited(struct fsc_kb *kb, int (*fn)(void *arg), void *arg);

/* --- names.c: all of it inside a scope -------------------------------------------------------- */

/* A name that is going to change: the directory is locked and the mount writable until the end. */
struct fsc_kb_change {
	struct fsc_kb *kb;
	struct dentry *dir;
	struct dentry *dentry; /* negative if there is no such name */
};

/* The dentry of @name, positive; a negative errno as backend.h has them. Not of a place where
 * something is mounted. */
struct dentry *fsc_kb_lookup(const struct fsc_dir *dir, const char *name);
/* Its directory, and in *@last its last component. */
struct dentry *fsc_kb_parent(const struct fsc_dir *dir, const char *name, const char **last);
int fsc_kb_change_begin(struct fsc_dir *dir, const char *name, struct fsc_kb_change *ch);
void fsc_kb_change_end(struct fsc_kb_change *ch);
int fsc_kb_getattr(struct fsc_kb *kb, struct dentry *dentry, struct fsc_stat *out);

/* --- dir.c, file.c, xattr.c, io.c: operations of backend.h ------------------------------------ */

int fsc_kb_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		    struct fsc_dir **out);
void fsc_kb_dir_close(struct fsc_dir *dir);
int fsc_kb_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size);
int fsc_kb_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out);
int fsc_kb_dir_self(struct fsc_dir *dir, struct fsc_stat *out);
int fsc_kb_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
		  const char *new_name);
int fsc_kb_remove_dir(struct fsc_dir *dir, const char *name);
int fsc_kb_sync_dir(struct fsc_dir *dir);

int fsc_kb_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out);
void fsc_kb_file_close(struct fsc_file *file);
int fsc_kb_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out);
int fsc_kb_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name);
int fsc_kb_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file);
int fsc_kb_stat(struct fsc_file *file, struct fsc_stat *out);
void fsc_kb_touch(struct fsc_file *file);
int fsc_kb_resize(struct fsc_file *file, uint64_t size);
int fsc_kb_punch(struct fsc_file *file, uint64_t pos, uint64_t len);
int fsc_kb_sync(struct fsc_file *file, bool data_only);

int fsc_kb_xattr_get(struct fsc_file *file, const char *name, void *buf, size_t size);
int fsc_kb_xattr_set(struct fsc_file *file, const char *name, const void *buf, size_t size);
int fsc_kb_dir_xattr_get(struct fsc_dir *dir, const char *name, void *buf, size_t size);
int fsc_kb_dir_xattr_set(struct fsc_dir *dir, const char *name, const void *buf, size_t size);
/* The longest value that a file takes, found by trying; or -EOPNOTSUPP, -EIO, ... In a scope. */
int fsc_kb_xattr_max(struct fsc_kb *kb, struct dentry *dentry);

void fsc_kb_read(struct fsc_io *io);
void fsc_kb_write(struct fsc_io *io);
/* One page, at once, in a scope: 0, -EIO if short, or a negative errno. */
int fsc_kb_transfer_page(struct file *file, struct page *page, bool write);

/* --- probe.c and fskind.c --------------------------------------------------------------------- */

struct fsc_fs_facts;

/* Fills kb->be and says what it found. 0 or -errno. @kb: a struct fsc_kb. */
int fsc_kb_probe(void *kb);

/* Texts that facts point into. */
struct fsc_kb_texts {
	char options[1024];
};

/* What the superblock tells: type, options, block size, journal. */
void fsc_kb_look_at_super(struct super_block *sb, struct fsc_kb_texts *texts,
			  struct fsc_fs_facts *facts);

#endif
