/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * internal.h - what the files of the io_uring backend share.
 *
 *	backend.c  opening and closing the whole; space, sync, lock; the table of operations
 *	names.c    from a name to a descriptor or a place, without leaving the directory
 *	dir.c      directories: open, read, stat, rename, remove
 *	file.c     files: open, tmpfile, commit, unlink, size, sync
 *	xattr.c    xattrs
 *	io.c       transfers: in place, or handed to ring.c or pool.c
 *	probe.c    what the filesystem can do, tried on a tmpfile; ../fskind.c judges it
 *	mountinfo.c  texts of /proc
 *
 * A forked child shares files and ring with its parent but has none of its threads: every
 * operation begins with fsc_ur_ours() and refuses there.
 */
#ifndef FSC_URING_INTERNAL_H
#define FSC_URING_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <fscache/backend.h>
#include <fscache/env.h>
#include <fscache/uring.h>

#include "fskind.h"
#include "mountinfo.h"

/* Bytes of one transfer at most; the rest is a short transfer, which the core copes with. */
#define FSC_UR_MAX_TRANSFER (1u << 30)

/* Its alignment where no limit is known, which is what every disk in use takes. */
#define FSC_UR_ALIGN 4096u

struct fsc_ur_ring;
struct fsc_ur_pool;

struct fsc_dir {
	struct fsc_ur *u;
	int fd;
	/* dir_next's, one reader at a time. */
	char *entries;        /* NULL until first read */
	size_t used, next;    /* bytes in @entries, and where the next entry is */
	uint64_t pos;         /* where in the directory @next is */
};

struct fsc_file {
	struct fsc_ur *u;
	int fd;
	uint64_t ino, dev;
	int64_t atime_s;   /* atomic: what we know of it */
	char tmp_name[24]; /* its name in ROOT/tmp until commit; else empty */
};

/* Of a ring that a client asks for. */
#define FSC_UR_MIN_DEPTH 8u
#define FSC_UR_MAX_DEPTH 4096u

struct fsc_ur {
	struct fsc_backend be;
	struct fsc_dir root;
	int lock_fd;
	uint32_t nr_dirs;     /* handles of folders; a cache that is open has some (atomic) */
	uint64_t dev;
	const uint8_t *alive; /* a page of its own: 1, but 0 in a forked child */
	pid_t pid;            /* where the kernel can't do that, else 0 */
	int direct;           /* O_DIRECT or 0 */
	bool openat2;         /* the kernel has it and lets us */
	bool tmpfiles;        /* likewise O_TMPFILE */
	bool link_by_proc;    /* how a tmpfile gets its name, see fsc_ur_link() */
	struct fsc_ur_ring *ring; /* one of the two */
	struct fsc_ur_pool *pool;
};

static inline struct fsc_ur *fsc_ur_of(struct fsc_backend *be)
{
	return (struct fsc_ur *)be;
}

static inline bool fsc_ur_ours(const struct fsc_ur *u)
{
	return *(const volatile uint8_t *)u->alive && (!u->pid || u->pid == getpid());
}

/* --- names.c --------------------------------------------------------------------------------- */

/* Where a name is: a directory and one component in it. */
struct fsc_ur_place {
	int dir;
	const char *last;
	bool opened; /* @dir was opened for it */
};

int fsc_ur_place(const struct fsc_dir *dir, const char *name, struct fsc_ur_place *out);
void fsc_ur_place_end(struct fsc_ur_place *p);
/* Open without following anything; a descriptor or a negative errno as backend.h has them. */
int fsc_ur_open_at(const struct fsc_dir *dir, const char *name, int flags, mode_t mode);
int fsc_ur_statx(int dir, const char *name, struct statx *out);
void fsc_ur_stat_from(const struct statx *x, struct fsc_stat *out);
uint64_t fsc_ur_dev(const struct statx *x);
bool fsc_ur_has_openat2(int root);

/* --- dir.c, file.c, xattr.c, io.c: operations of backend.h ----------------------------------- */

int fsc_ur_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		    struct fsc_dir **out);
void fsc_ur_dir_close(struct fsc_dir *dir);
int fsc_ur_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size);
int fsc_ur_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out);
int fsc_ur_dir_self(struct fsc_dir *dir, struct fsc_stat *out);
int fsc_ur_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
		  const char *new_name);
int fsc_ur_remove_dir(struct fsc_dir *dir, const char *name);
int fsc_ur_sync_dir(struct fsc_dir *dir);
/* Without replacing anything, also where the filesystem has no such rename. 0 or -errno. */
int fsc_ur_rename_at(int old_dir, const char *old_name, int new_dir, const char *new_name);

int fsc_ur_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out);
void fsc_ur_file_close(struct fsc_file *file);
int fsc_ur_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out);
int fsc_ur_link(int fd, bool by_proc, int dir, const char *name);
int fsc_ur_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name);
int fsc_ur_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file);
int fsc_ur_stat(struct fsc_file *file, struct fsc_stat *out);
void fsc_ur_touch(struct fsc_file *file);
int fsc_ur_resize(struct fsc_file *file, uint64_t size);
int fsc_ur_punch(struct fsc_file *file, uint64_t pos, uint64_t len);
int fsc_ur_sync(struct fsc_file *file, bool data_only);

int fsc_ur_xattr_get(struct fsc_file *file, const char *name, void *buf, size_t size);
int fsc_ur_xattr_set(struct fsc_file *file, const char *name, const void *buf, size_t size);
int fsc_ur_dir_xattr_get(struct fsc_dir *dir, const char *name, void *buf, size_t size);
int fsc_ur_dir_xattr_set(struct fsc_dir *dir, const char *name, const void *buf, size_t size);
/* The longest value that a file takes, found by trying; or -EOPNOTSUPP, -EIO, ... */
int fsc_ur_xattr_max(int fd);

void fsc_ur_read(struct fsc_io *io);
void fsc_ur_write(struct fsc_io *io);

/* --- io.c: for ring.c and pool.c ------------------------------------------------------------- */

/* What a transfer keeps in io->backend. */
struct fsc_ur_io {
	struct fsc_io *next;
	bool write;
	uint8_t tries;
	struct fsc_work work; /* pool.c */
};

static inline struct fsc_ur_io *fsc_ur_io(struct fsc_io *io)
{
	return (struct fsc_ur_io *)&io->backend;
}

/* The kernel said -EAGAIN or -EINTR: true to try again, false: it has said so too often. */
bool fsc_ur_retry(struct fsc_io *io);
/* In this thread; bytes or a negative errno. */
int64_t fsc_ur_transfer(struct fsc_io *io);

/* Transfers that any thread puts in and one thread takes out, all at once. */
struct fsc_ur_inbox {
	struct fsc_io *last; /* atomic; the latest, each pointing to the one before */
};

/* True if it was empty: then it's the caller who wakes the other side. */
bool fsc_ur_inbox_put(struct fsc_ur_inbox *in, struct fsc_io *io);
bool fsc_ur_inbox_empty(struct fsc_ur_inbox *in);
/* The first of them in the order of putting, linked by ->next; or NULL. */
struct fsc_io *fsc_ur_inbox_take(struct fsc_ur_inbox *in);

/* --- ring.c and pool.c ----------------------------------------------------------------------- */

/* NULL: io_uring is refused, @err says why. */
struct fsc_ur_ring *fsc_ur_ring_open(const struct fsc_uring_params *params, int *err);
void fsc_ur_ring_close(struct fsc_ur_ring *r);
void fsc_ur_ring_abandon(struct fsc_ur_ring *r); /* in a forked child */
void fsc_ur_ring_start(struct fsc_ur_ring *r, struct fsc_io *io); /* [any] */
int fsc_ur_ring_fd(struct fsc_ur_ring *r);
int fsc_ur_ring_dispatch(struct fsc_ur_ring *r, bool wait);

struct fsc_ur_pool *fsc_ur_pool_open(const struct fsc_uring_params *params);
void fsc_ur_pool_close(struct fsc_ur_pool *p);
void fsc_ur_pool_abandon(struct fsc_ur_pool *p);
void fsc_ur_pool_start(struct fsc_ur_pool *p, struct fsc_io *io); /* [any] */
int fsc_ur_pool_fd(struct fsc_ur_pool *p);
int fsc_ur_pool_dispatch(struct fsc_ur_pool *p, bool wait);

/* --- probe.c --------------------------------------------------------------------------------- */

/* Fills u->be, u->direct and u->tmpfiles, and says what it found. 0 or -errno. */
int fsc_ur_probe(struct fsc_ur *u, const char *path, const struct fsc_uring_params *params);

#endif
