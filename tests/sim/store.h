/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * store.h - a disk in memory, the backend that serves it (backend.h) and the hands that tamper with
 * it.
 *
 * A store outlives backends and runs: what one left, the next one finds. Everything but the backend
 * itself may be called in a task or outside of a run, and is no scheduling point.
 *
 * The backend is stricter than others: it ends the run (SIM_BUG, SIM_CONTEXT) when an op is called
 * in interrupt context or under a spinlock that may not be, a handle is closed while it is used, a
 * transfer isn't aligned, or its memory changes under a write. Data reach the store, or come from
 * it, block by block at the beginning or at the end of a transfer, as the seed says.
 */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <fscache/backend.h>

#include "sim.h"

struct simstore;

enum simstore_op {
	SIMOP_CLOSE,
	SIMOP_LOCK,
	SIMOP_SPACE,
	SIMOP_SYNC_FS,
	SIMOP_DIR_OPEN,
	SIMOP_DIR_NEXT,
	SIMOP_DIR_STAT,
	SIMOP_RENAME,
	SIMOP_REMOVE_DIR,
	SIMOP_SYNC_DIR,
	SIMOP_DIR_XATTR_GET,
	SIMOP_DIR_XATTR_SET,
	SIMOP_DIR_SELF,
	SIMOP_FILE_OPEN,
	SIMOP_FILE_CLOSE,
	SIMOP_TMPFILE,
	SIMOP_COMMIT,
	SIMOP_UNLINK,
	SIMOP_STAT,
	SIMOP_TOUCH,
	SIMOP_XATTR_GET,
	SIMOP_XATTR_SET,
	SIMOP_RESIZE,
	SIMOP_PUNCH,
	SIMOP_SYNC,      /* data_only is in len */
	SIMOP_READ,      /* begins */
	SIMOP_WRITE,
	SIMOP_READ_DONE, /* ends */
	SIMOP_WRITE_DONE,
	SIMOP_COUNT,     /* in faults: any op */
};

/* --- Stores ----------------------------------------------------------------------- */

/* Zero means the default. */
struct simstore_opts {
	uint32_t xattr_max; /* longest value; 4032 */
	uint64_t blocks;    /* of 4 KiB; 1 Mi */
	uint64_t files;     /* 64 Ki */
	uint32_t uid;       /* of all that is made; 0 */
	bool reuse_inos;    /* a new inode may get the number of one that is gone */
	bool no_log;        /* simstore_log() stays empty: quicker */
};

struct simstore *simstore_create(const struct simstore_opts *opts); /* NULL: the defaults */
void simstore_destroy(struct simstore *st);

/* --- The backend ------------------------------------------------------------------ */

/* Zero, or NULL for all, means the default. */
struct sim_backend_opts {
	enum fsc_fs_kind kind;
	bool forgets, never_clean, ids_known;
	uint8_t boot_id[16];
	uint64_t mount_id;
	uint32_t io_align, mem_align; /* 4096, 512 */
	uint32_t max_files;
	uint32_t short_one_in;  /* one transfer in so many is short; never */
	uint32_t inline_one_in; /* one in so many ends before its op returns; 4 */
	uint64_t latency_us;    /* of the others, at most; 3000 */
};

/* In a task. All that it and its handles take counts as allocations of the run. */
struct fsc_backend *simbackend_open(struct simstore *st, const struct sim_backend_opts *opts);

/* --- What was done ---------------------------------------------------------------- */

struct simstore_record {
	enum simstore_op op;
	sim_task_id task;
	uint64_t ino;    /* of the file or directory concerned, 0 if none was found */
	uint64_t pos, len;
	int64_t result;
	char name[80];   /* of the name or xattr, cut */
};

/* Since the store was made or the log cleared, in the order in which it took effect. */
const struct simstore_record *simstore_log(const struct simstore *st, size_t *n);
void simstore_log_clear(struct simstore *st);
/* Of @op, or any with SIMOP_COUNT; on @ino, or any with 0. */
size_t simstore_log_count(const struct simstore *st, enum simstore_op op, uint64_t ino);
const char *simstore_op_name(enum simstore_op op);
void simstore_print_log(const struct simstore *st, FILE *to);

/* --- Faults ----------------------------------------------------------------------- */

/* Asked before each op; a negative errno makes it fail (a write may have stored a part by then). */
typedef int (*simstore_fault_fn)(void *arg, enum simstore_op op, uint64_t ino, const char *name);
void simstore_set_fault(struct simstore *st, simstore_fault_fn fn, void *arg); /* NULL: none */
/* After @skip more of them, @count ops of that kind fail with @err. READ and WRITE are meant where
 * transfers should fail. */
void simstore_fail(struct simstore *st, enum simstore_op op, uint64_t skip, uint64_t count,
		   int err);
void simstore_limit(struct simstore *st, uint64_t blocks, uint64_t files); /* in all */
/* What is freed from now on is said to be free after a sync_fs only, as btrfs does. */
void simstore_free_late(struct simstore *st);
void simstore_used(const struct simstore *st, uint64_t *blocks, uint64_t *files);
void simstore_set_xattr_max(struct simstore *st, uint32_t max);

/* --- Crashes ---------------------------------------------------------------------- */

/*
 * Remember from now on what isn't durable, as a filesystem of @model would have it; what the store
 * holds now is durable. May be called again: all is durable then, and the model another.
 *
 *   ordered   what changes metadata (names, xattrs, sizes, punches, and the writes that fill new
 *             blocks, when they end) survives up to some moment, all of it or none after it;
 *             overwriting in place survives or not by itself, in sectors of 512 bytes. A sync of
 *             anything makes durable all that had ended before.
 *   strict    each effect survives or not, or in part, by itself, but names lead to their own
 *             inodes, and what was only moved is in its old or its new place. A sync makes durable
 *             what backend.h says it covers, and one of a directory its own xattrs too.
 *   volatile  as strict, and names may lead to each other's inodes, and blocks be swapped or
 *             zeroed. What sync_fs covered stays, until something is made, named or allotted.
 *
 * A process that is killed loses nothing that had ended. Access times survive or not. What is
 * tampered with (below) is durable at once, with all that was done before it.
 */
void simstore_track(struct simstore *st, enum fsc_fs_kind model);

struct simstore_loss {
	uint64_t unsynced; /* effects that weren't durable */
	uint64_t lost;     /* of these, gone in whole or in part */
};

/* The power is cut. Outside of a run, after one that ended in sim_kill(): what was in flight then
 * lands in part. The disk is one that the model allows, as @seed chooses, and all on it is durable.
 * @out may be NULL. */
void simstore_power_cut(struct simstore *st, uint64_t seed, struct simstore_loss *out);

/* sim_kill() at the beginning of the @nth op from now on, or with @after when it has taken effect;
 * 0: don't. Each op counts, and each end of a transfer. */
void simstore_kill_at(struct simstore *st, uint64_t nth, bool after);
uint64_t simstore_ops(const struct simstore *st); /* since the store was made */

/* Another store with all that this one holds, the same inode numbers too; not tracked. */
struct simstore *simstore_clone(const struct simstore *st);
/* In a task: copy it all, file by file and block by block, into an empty store, while others go on
 * changing it: as rsync -aX would. New inodes. A file that vanishes meanwhile is left out. */
void simstore_copy_in_use(struct simstore *from, struct simstore *to);

/* --- Looking and tampering -------------------------------------------------------- */

/* Paths are from the root, "" is the root itself. 0 or a negative errno, unless said. */
uint64_t simstore_ino(struct simstore *st, const char *path); /* 0: there is none */
int simstore_stat(struct simstore *st, const char *path, struct fsc_stat *out);
/* Names that lead to it now; of an inode. 0 too when it is gone. */
uint32_t simstore_nlink(struct simstore *st, uint64_t ino);
size_t simstore_open_handles(const struct simstore *st);
int64_t simstore_read(struct simstore *st, const char *path, uint64_t pos, void *buf, size_t len);
int simstore_write(struct simstore *st, const char *path, uint64_t pos, const void *buf,
		   size_t len);
bool simstore_is_hole(struct simstore *st, const char *path, uint64_t pos); /* that 4 KiB block */
int simstore_resize(struct simstore *st, const char *path, uint64_t size);
int simstore_xattr_get(struct simstore *st, const char *path, const char *name, void *buf,
		       size_t size); /* the length */
int simstore_xattr_set(struct simstore *st, const char *path, const char *name, const void *buf,
		       size_t size); /* @buf NULL: removed */
/* Change one byte of a value: -ERANGE behind its end. */
int simstore_corrupt_xattr(struct simstore *st, const char *path, const char *name, size_t byte,
			   uint8_t xor_with);

int simstore_mkdir(struct simstore *st, const char *path);
int simstore_mkfile(struct simstore *st, const char *path);
int simstore_symlink(struct simstore *st, const char *path);
int simstore_fifo(struct simstore *st, const char *path);
int simstore_hardlink(struct simstore *st, const char *path, const char *new_path);
int simstore_rename(struct simstore *st, const char *path, const char *new_path);
int simstore_swap_names(struct simstore *st, const char *path, const char *other);
int simstore_remove(struct simstore *st, const char *path); /* with all below */
/* As cp -a: contents, xattrs and access times, but new inodes. */
int simstore_copy_tree(struct simstore *st, const char *path, const char *new_path);
int simstore_chown(struct simstore *st, const char *path, uint32_t uid);
int simstore_set_atime(struct simstore *st, const char *path, uint64_t seconds);

/* @fn for each name, deeper ones after what holds them; it changes nothing. Stops at the first that
 * isn't 0 and returns it. */
typedef int (*simstore_walk_fn)(void *arg, const char *path, const struct fsc_stat *stat);
int simstore_walk(struct simstore *st, simstore_walk_fn fn, void *arg);
void simstore_print(struct simstore *st, FILE *to); /* all names with their inodes */

#endif
