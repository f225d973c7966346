/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * store_int.h - inodes, and effects: the only way in which a store changes.
 *
 * An effect says all that is needed to do it again on another store, so that crashes can be played:
 * an older copy of the store and those effects that the filesystem's model lets survive.
 */
#ifndef SIM_STORE_INT_H
#define SIM_STORE_INT_H

#include "sim_int.h"
#include "store.h"

#define BLOCK_SIZE 4096u
#define FIRST_INO 16u
#define ROOT_INO FIRST_INO
#define NAME_LEN_MAX 255u

enum node_type { NODE_FILE, NODE_DIR, NODE_SYMLINK, NODE_FIFO };

struct node_entry {
	uint64_t cookie; /* its place in the listing, never given to another name */
	uint64_t ino;
	char *name;
};

struct node_xattr {
	struct node_xattr *next;
	char *name;
	void *value;
	size_t len;
};

/* What a block holds. Shared by stores and by effects that are remembered: whoever writes to one
 * that others have too takes a copy first. */
struct node_page {
	uint8_t data[BLOCK_SIZE];
	unsigned int refs;
};

struct node_block {
	struct node_block *next;
	uint64_t index;
	uint64_t id; /* not given to what is filled later in the same place */
	bool fresh;  /* durable.c: the first write to it hasn't ended */
	struct node_page *page;
};

struct node {
	uint64_t ino;
	enum node_type type;
	uint32_t nlink, uid;
	bool was_named; /* can't be linked again once its names are gone */
	uint64_t btime_ns, atime_s;
	uint64_t size;
	struct node_xattr *xattrs;

	struct node_entry *entries; /* of a directory, by cookie */
	size_t nentries;

	struct node_block **blocks; /* of a file: a hash, nbuckets a power of two */
	size_t nbuckets, nblocks;

	unsigned int handles;  /* open; without them and a name the inode goes */
	uint64_t resizes;      /* a write in flight doesn't extend what was truncated meanwhile */
};

struct flight; /* io.c: a transfer that hasn't ended */
struct tracking; /* durable.c */

struct op_fault {
	uint64_t skip, count;
	int err;
};

struct simstore {
	struct node **nodes; /* by inode number less FIRST_INO; NULL: free */
	size_t nnodes;
	uint64_t live_nodes, used_blocks;
	uint64_t max_blocks, max_files;
	bool late_free;        /* what is freed is said to be free only after a sync_fs */
	uint64_t unseen_blocks, unseen_files; /* of which */
	uint32_t xattr_max, uid;
	uint64_t run_nr, base_us, last_us; /* the wall clock */
	uint64_t rnd_cookie;
	uint64_t last_block; /* ids */
	uint64_t *freed;     /* inode numbers to be used again */
	size_t nfreed, freed_size;
	bool reuse_inos, no_log;

	struct tracking *track; /* NULL: nothing is remembered */
	uint64_t ops, kill_in;  /* the op at which the run is killed: 0 never, 1 the next */
	bool kill_after;
	uint64_t kill_run;      /* of which task in which run the op's end is awaited */
	sim_task_id kill_task;

	const void *locked_by; /* a backend */
	struct flight *flights;

	struct simstore_record *log;
	size_t nlog, log_size;
	simstore_fault_fn fault;
	void *fault_arg;
	struct op_fault faults[SIMOP_COUNT + 1];
};

enum effect_kind {
	EFFECT_CREATE, /* @ino of @type and @size; named @name in @dir, or nothing if @dir is 0 */
	EFFECT_LINK,   /* @ino gets a name */
	EFFECT_UNLINK,
	EFFECT_RENAME, /* to @new_name in @new_dir */
	EFFECT_XATTR,  /* @name of @ino is the @len bytes at @data; removed if that is NULL */
	EFFECT_SIZE,
	EFFECT_DATA,   /* @len bytes at @pos, in one block */
	EFFECT_PUNCH,
	EFFECT_ATIME,
	EFFECT_OWNER,
};

struct effect {
	enum effect_kind kind;
	uint64_t ino;
	uint64_t dir, new_dir;
	const char *name, *new_name;
	enum node_type type;
	uint64_t size, pos, len, time;
	const void *data;
	struct node_page *page; /* instead of @data: the block's, which the range lies in */
};

/* store.c */
void store_apply(struct simstore *st, const struct effect *e); /* what processes do */
void store_tamper(struct simstore *st, const struct effect *e); /* by another hand */
void store_do(struct simstore *st, const struct effect *e); /* without remembering it */
struct node *store_node(const struct simstore *st, uint64_t ino);
uint64_t store_new_ino(struct simstore *st);
uint64_t store_now_us(struct simstore *st); /* wall clock, never back */
void store_release(struct simstore *st, struct node *n); /* freed if nothing leads to it */
void store_drop(struct simstore *st, struct node *n);    /* freed */
void store_copy_nodes(struct simstore *to, const struct simstore *from, bool unnamed);
void store_free_nodes(struct simstore *st);
void store_list_freed(struct simstore *st); /* again, of all numbers that nothing has */
struct simstore *store_clone(const struct simstore *st, bool unnamed); /* without log or faults */
void store_stat(const struct node *n, struct fsc_stat *out);

/* oplog.c */
void store_op_begins(struct simstore *st); /* for simstore_kill_at() */
void store_op_ends(struct simstore *st);
int store_fault(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name);
void store_record(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name,
		  uint64_t pos, uint64_t len, int64_t result);

/* durable.c: what isn't durable. Where nothing is tracked, track_apply(), track_tamper() and
 * track_released() may not be called; the others do nothing. */
enum sync_what { SYNC_FS, SYNC_DIR, SYNC_FILE, SYNC_DATA };
uint64_t track_now(const struct simstore *st);
/* What happened before @since is covered, and some of what happened after. */
void track_sync(struct simstore *st, enum sync_what what, uint64_t ino, uint64_t since);
void track_apply(struct simstore *st, const struct effect *e);
void track_tamper(struct simstore *st, const struct effect *e);
void track_write_ends(struct simstore *st, uint64_t ino, uint64_t pos, uint64_t len);
void track_released(struct simstore *st, const struct node *n);
void track_killed(struct simstore *st);  /* what is in flight is dropped now */
void track_resumed(struct simstore *st); /* the machine stayed up */
bool track_knows(const struct simstore *st, uint64_t ino); /* something could bring it back */
void track_free(struct simstore *st);

/* node.c: one inode */
void node_free(struct simstore *st, struct node *n);
struct node_entry *node_lookup(const struct node *dir, const char *name, size_t len);
void node_link(struct simstore *st, struct node *dir, const char *name, uint64_t ino);
void node_unlink(struct node *dir, struct node_entry *e);
struct node_xattr *node_xattr(const struct node *n, const char *name);
void node_xattr_set(struct node *n, const char *name, const void *value, size_t len);
struct node_block *node_block(const struct node *n, uint64_t index);
void node_data(struct simstore *st, struct node *n, uint64_t pos, const void *data, size_t len);
void node_set_page(struct simstore *st, struct node *n, uint64_t index, struct node_page *page);
struct node_page *node_page_get(struct node_page *page);
void node_page_put(struct node_page *page);
uint8_t *node_block_own(struct node_block *b); /* to be changed */
struct node *node_copy(struct simstore *st, const struct node *from);
void node_punch(struct simstore *st, struct node *n, uint64_t pos, uint64_t len);
void node_resize(struct simstore *st, struct node *n, uint64_t size);
void node_read(const struct node *n, uint64_t pos, void *buf, size_t len);

/* backend.c */
struct sim_backend {
	struct fsc_backend be;
	struct simstore *st;
	struct sim_backend_opts opts;
	struct sim_hook hook;
	size_t handles;
	unsigned int busy; /* ops that run */
};

struct fsc_dir {
	struct sim_backend *sb;
	uint64_t ino;
	unsigned int busy;
	bool listing;
};

struct fsc_file {
	struct sim_backend *sb;
	uint64_t ino;
	unsigned int busy;
	unsigned int flights;
};

/* Each op waits a little before it takes effect and after, in between it is not interrupted. */
void op_begin(struct sim_backend *sb, enum simstore_op op);
int op_end(struct sim_backend *sb, enum simstore_op op, uint64_t ino, const char *name, int result);
int op_end_at(struct sim_backend *sb, enum simstore_op op, uint64_t ino, const char *name,
	      uint64_t pos, uint64_t len, int result);

/* names.c */
int store_resolve(struct simstore *st, uint64_t dir, const char *name, struct node **parent,
		  const char **last);
int sim_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		 struct fsc_dir **out);
void sim_dir_close(struct fsc_dir *dir);
int sim_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size);
int sim_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out);
int sim_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
	       const char *new_name);
int sim_remove_dir(struct fsc_dir *dir, const char *name);
int sim_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out);
int sim_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out);
int sim_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name);
int sim_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file);

/* io.c */
void sim_io_read(struct fsc_io *io);
void sim_io_write(struct fsc_io *io);
void store_drop_flights(struct simstore *st);

#endif
