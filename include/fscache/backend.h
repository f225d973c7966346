/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * backend.h - what a storage backend implements: a table of operations, all required.
 *
 * Context  [waits] may block; never called from a completion. [any] never blocks, and may be
 *          called from a completion, in interrupt context too.
 * Threads  Ops may overlap, on one file too. file_close and dir_close run alone and last for
 *          their handle; close runs when every handle is closed and every transfer done.
 * Locks    The core may hold mutexes across a [waits] op, never a spinlock across any op.
 * Errors   0 or a count, else a negative errno. The core tells these apart:
 *            -ENOENT    no such name
 *            -ENODATA   no such xattr
 *            -ERANGE    the xattr's value is longer than the buffer
 *            -EEXIST    the name is taken
 *            -ESTALE    the name leads to another file now
 *            -EUCLEAN   the name leads to something that is not a regular file (or directory)
 *            -ENOTEMPTY the directory is not empty
 *            -ENOSPC, -EDQUOT, -E2BIG  no room; stop storing
 *            -ENOMEM, -EMFILE, -ENFILE this once
 *          Anything else counts as a failure of the storage, as -EIO does: it costs the object,
 *          and a number of them in a row withdraws the cache.
 * Names    NUL-terminated, relative to a directory handle, of one or two components
 *          ("I9p,host" or "@3f/Dkey"). No component is a symbolic link: an op that meets one, or
 *          would leave the directory, gives -EUCLEAN and does nothing.
 * Lifetime A handle that an op hands out is closed once, by its close op. @parent may be closed
 *          before what was opened below it.
 */
#ifndef FSCACHE_BACKEND_H
#define FSCACHE_BACKEND_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fsc_dir;  /* the backend's; opaque to the core */
struct fsc_file; /* likewise */
struct fsc_backend_ops;

/*
 * First member of the backend's own struct; filled before the cache is opened on it and constant
 * from then on.
 */
struct fsc_backend {
	const struct fsc_backend_ops *ops;

	/* Of transfers: @pos and length are multiples of io_align, the address of mem_align.
	 * Powers of two; mem_align <= io_align <= FSC_GRANULE_SIZE. */
	uint32_t io_align;
	uint32_t mem_align;

	uint32_t xattr_max; /* the longest value that xattr_set was seen to take, at least 256 */
	uint32_t max_files; /* how many backing files should be open at once at most; 0: any */
	uint32_t uid;       /* whose every file and directory must be */

	/*
	 * What survives a crash (docs/design.md, "Crash consistency").
	 *   ordered   a change of metadata that survives implies all that came before it, and the
	 *             data of every direct write into new blocks that had completed before it
	 *   strict    what wasn't synced may be lost or torn, in any order; names lead to
	 *             their files
	 *   volatile  after a crash nothing can be believed
	 */
	enum fsc_fs_kind kind;
	bool forgets;      /* nothing at all outlives a crash (tmpfs): volatile needs no open flag */
	bool never_clean;  /* volatile: not even a clean close can be believed (FUSE, network) */
	bool ids_known;    /* boot_id and mount_id mean something */
	uint8_t boot_id[16];
	uint64_t mount_id; /* unique for this boot */
};

/* The transfer may be made in the caller's thread, which has nothing else to do: it may block. */
#define FSC_IO_MAY_BLOCK 1u

/*
 * One transfer. The core's, and left alone with the memory under @buf until @done: called exactly
 * once, on any thread, in interrupt context too, or before the op returns.
 */
struct fsc_io {
	struct fsc_file *file;
	uint64_t pos; /* bytes */
	struct fsc_buf buf;
	uint32_t flags; /* FSC_IO_* */
	/* Bytes transferred, short also where the file ends, or a negative errno. It may free @io.
	 */
	void (*done)(struct fsc_io *io, int64_t bytes_or_error);
	/* For the backend, from the op to @done: a transfer needs no memory of its own. */
	union {
		void *ptr[16];
		uint64_t u64[16];
	} backend;
};

struct fsc_space {
	uint64_t blocks, blocks_free; /* of block_size; free to us, without root's reserve */
	uint64_t files, files_free;   /* inodes; both 0 where the filesystem doesn't count them */
	uint32_t block_size;          /* bytes */
};

enum fsc_file_type { FSC_FILE_REGULAR, FSC_FILE_DIR, FSC_FILE_OTHER };

struct fsc_stat {
	uint64_t ino;
	uint64_t btime_s;  /* time of birth; both 0 where there is none. Never changes. */
	uint32_t btime_ns;
	uint32_t nlink;
	uint32_t uid;
	enum fsc_file_type type;
	uint64_t size;     /* bytes */
	uint64_t bytes;    /* allocated, in bytes */
	uint64_t atime_s;  /* wall clock */
	uint32_t atime_ns;
};

struct fsc_backend_ops {
	const char *name;

	/* [waits] The last call: ends the lock, frees @be. */
	void (*close)(struct fsc_backend *be);
	/* [waits] One process owns the directory (byte 0 of ROOT/lock, an OFD lock, held until
	 * close), and only its user may enter it from now on. -EBUSY: another has it. Called once,
	 * before anything else is changed. */
	int (*lock)(struct fsc_backend *be);
	/* [waits] */
	int (*space)(struct fsc_backend *be, struct fsc_space *out);
	/* [waits] Everything done before this call on the whole filesystem is durable after it. */
	int (*sync_fs)(struct fsc_backend *be);

	/* Directories [waits]. @parent NULL: the cache's root itself, and @name is NULL. With
	 * @create a missing directory is made (0700; its parent is there); an existing one is
	 * fine. A handle follows its directory when that is renamed. */
	int (*dir_open)(struct fsc_backend *be, struct fsc_dir *parent, const char *name,
			bool create, struct fsc_dir **out);
	void (*dir_close)(struct fsc_dir *dir);
	/* The next name (one component, never "." or "..") after *@pos, which starts at 0 and is
	 * moved on: 1, or 0 at the end. What is made or removed meanwhile may be missed or shown;
	 * nothing is shown twice. -ENAMETOOLONG: doesn't fit @size, *@pos is past it. One reader
	 * at a time per handle. */
	int (*dir_next)(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size);
	/* Of a name, without opening or following it. */
	int (*dir_stat)(struct fsc_dir *dir, const char *name, struct fsc_stat *out);
	/* Move a name (file or directory) elsewhere in the same backend; -EEXIST if @new_name is
	 * taken (it is never replaced). */
	int (*rename)(struct fsc_dir *old_dir, const char *old_name,
		      struct fsc_dir *new_dir, const char *new_name);
	int (*remove_dir)(struct fsc_dir *dir, const char *name); /* empty ones only */
	/* The names in @dir are durable as they stand. */
	int (*sync_dir)(struct fsc_dir *dir);

	/* xattrs of a directory itself [waits], as xattr_get and xattr_set below, and its stat. */
	int (*dir_xattr_get)(struct fsc_dir *dir, const char *name, void *buf, size_t size);
	int (*dir_xattr_set)(struct fsc_dir *dir, const char *name, const void *buf, size_t size);
	int (*dir_self)(struct fsc_dir *dir, struct fsc_stat *out);

	/* Files [waits]. Opened for reading and writing. Never follows, creates or blocks. */
	int (*file_open)(struct fsc_dir *dir, const char *name, struct fsc_file **out);
	void (*file_close)(struct fsc_file *file);
	/* A file of @size without a name, gone after a crash; reads as zeroes. It may be on any
	 * place of the filesystem; @dir is where it will be named below. */
	int (*tmpfile)(struct fsc_dir *dir, uint64_t size, struct fsc_file **out);
	/* Name a tmpfile, with all that was done to it: a crash leaves the name leading to all of
	 * that (as far as @kind promises) or no name. -EEXIST if the name is taken, -ENOENT if its
	 * first component (the directory) is missing. */
	int (*commit)(struct fsc_file *file, struct fsc_dir *dir, const char *name);
	/* Remove a name that leads to no directory; with @file only if it still leads to @file,
	 * else -ESTALE. */
	int (*unlink)(struct fsc_dir *dir, const char *name, struct fsc_file *file);
	int (*stat)(struct fsc_file *file, struct fsc_stat *out);
	/* Bring the access time to within a minute of now; best effort. */
	void (*touch)(struct fsc_file *file);

	/* Contents [waits]. xattr_get: the length, or -ERANGE and nothing copied. xattr_set
	 * replaces the whole value or leaves the old one, in memory and after a crash. */
	int (*xattr_get)(struct fsc_file *file, const char *name, void *buf, size_t size);
	int (*xattr_set)(struct fsc_file *file, const char *name, const void *buf, size_t size);
	/* Set the file's size; what is new reads as zeroes. */
	int (*resize)(struct fsc_file *file, uint64_t size);
	/* Give back whole granules; they read as zeroes, the size stays. */
	int (*punch)(struct fsc_file *file, uint64_t pos, uint64_t len);
	/* Data, size and (without @data_only) xattrs and the link that commit made are durable. */
	int (*sync)(struct fsc_file *file, bool data_only);

	/* Data [any], or [waits] with FSC_IO_MAY_BLOCK. Nothing fails here: errors go to io->done.
	 * A read past the end of the file is short. A hole reads as zeroes. Short transfers are
	 * allowed (the core copes), but are multiples of io_align unless the file ends there. */
	void (*read)(struct fsc_io *io);
	void (*write)(struct fsc_io *io);
};

#ifdef __cplusplus
}
#endif
#endif
