// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * backend.c - backend.h on a store: opening and closing, and the ops on what is open. Those on
 * names are in names.c, transfers in io.c.
 */
#include <stdlib.h>

#include "store_int.h"

static struct sim_backend *to_sim(struct fsc_backend *be)
{
	return (struct sim_backend *)be;
}

void op_begin(struct sim_backend *sb, enum simstore_op op)
{
	sim_may_sleep(simstore_op_name(op));
	sb->busy++;
	store_op_begins(sb->st);
	sim_point();
	if (sim_chance(8))
		sim_sleep_us(1 + sim_random(300));
}

int op_end(struct sim_backend *sb, enum simstore_op op, uint64_t ino, const char *name, int result)
{
	return op_end_at(sb, op, ino, name, 0, 0, result);
}

int op_end_at(struct sim_backend *sb, enum simstore_op op, uint64_t ino, const char *name,
	      uint64_t pos, uint64_t len, int result)
{
	store_record(sb->st, op, ino, name, pos, len, result);
	store_op_ends(sb->st);
	sim_point();
	if (sim_chance(8))
		sim_sleep_us(1 + sim_random(300));
	sb->busy--;
	return result;
}

/* --- The backend ------------------------------------------------------------------ */

static void sim_close(struct fsc_backend *be)
{
	struct sim_backend *sb = to_sim(be);
	struct simstore *st = sb->st;

	op_begin(sb, SIMOP_CLOSE);
	op_end(sb, SIMOP_CLOSE, 0, NULL, 0);
	if (sb->handles || sb->busy)
		sim_fail(SIM_BUG, "a backend is closed with %zu handles open and %u ops running",
			 sb->handles, sb->busy);
	if (st->locked_by == sb)
		st->locked_by = NULL;
	sim_del_hook(&sb->hook);
	fsc_free(sb);
}

static int sim_lock(struct fsc_backend *be)
{
	struct sim_backend *sb = to_sim(be);
	int err;

	op_begin(sb, SIMOP_LOCK);
	err = store_fault(sb->st, SIMOP_LOCK, 0, NULL);
	if (!err && sb->st->locked_by)
		err = -EBUSY;
	if (!err)
		sb->st->locked_by = sb;
	return op_end(sb, SIMOP_LOCK, 0, NULL, err);
}

static int sim_space(struct fsc_backend *be, struct fsc_space *out)
{
	struct sim_backend *sb = to_sim(be);
	struct simstore *st = sb->st;
	uint64_t blocks = st->used_blocks + st->unseen_blocks;
	uint64_t files = st->live_nodes + st->unseen_files;
	int err;

	op_begin(sb, SIMOP_SPACE);
	err = store_fault(st, SIMOP_SPACE, 0, NULL);
	if (!err)
		*out = (struct fsc_space){
			.blocks = st->max_blocks,
			.blocks_free = st->max_blocks > blocks ? st->max_blocks - blocks : 0,
			.files = st->max_files,
			.files_free = st->max_files > files ? st->max_files - files : 0,
			.block_size = BLOCK_SIZE,
		};
	return op_end(sb, SIMOP_SPACE, 0, NULL, err);
}

static int sim_sync_fs(struct fsc_backend *be)
{
	struct sim_backend *sb = to_sim(be);
	uint64_t since = track_now(sb->st);
	int err;

	op_begin(sb, SIMOP_SYNC_FS);
	err = store_fault(sb->st, SIMOP_SYNC_FS, 0, NULL);
	if (!err) {
		track_sync(sb->st, SYNC_FS, 0, since);
		sb->st->unseen_blocks = sb->st->unseen_files = 0;
	}
	return op_end(sb, SIMOP_SYNC_FS, 0, NULL, err);
}

/* --- xattrs, of files and directories --------------------------------------------- */

static int get_xattr(const struct node *n, const char *name, void *buf, size_t size)
{
	const struct node_xattr *x = node_xattr(n, name);

	if (!x)
		return -ENODATA;
	if (x->len > size)
		return -ERANGE;
	if (x->len) /* @buf may be NULL to ask for the length of nothing */
		memcpy(buf, x->value, x->len);
	return (int)x->len;
}

static int set_xattr(struct simstore *st, const struct node *n, const char *name, const void *buf,
		     size_t size)
{
	if (size > 65536)
		return -E2BIG;
	if (size > st->xattr_max)
		return -ENOSPC; /* as ext4 says it */
	store_apply(st, &(struct effect){ .kind = EFFECT_XATTR, .ino = n->ino, .name = name,
					  .data = buf, .len = size });
	return 0;
}

static int xattr_op(struct sim_backend *sb, enum simstore_op op, uint64_t ino, const char *name,
		    void *get, const void *set, size_t size)
{
	struct simstore *st = sb->st;
	int ret;

	op_begin(sb, op);
	ret = store_fault(st, op, ino, name);
	if (!ret)
		ret = set ? set_xattr(st, store_node(st, ino), name, set, size) :
			    get_xattr(store_node(st, ino), name, get, size);
	return op_end(sb, op, ino, name, ret);
}

static int sim_dir_xattr_get(struct fsc_dir *dir, const char *name, void *buf, size_t size)
{
	int ret;

	dir->busy++;
	ret = xattr_op(dir->sb, SIMOP_DIR_XATTR_GET, dir->ino, name, buf, NULL, size);
	dir->busy--;
	return ret;
}

static int sim_dir_xattr_set(struct fsc_dir *dir, const char *name, const void *buf, size_t size)
{
	int ret;

	dir->busy++;
	ret = xattr_op(dir->sb, SIMOP_DIR_XATTR_SET, dir->ino, name, NULL, buf, size);
	dir->busy--;
	return ret;
}

static int sim_xattr_get(struct fsc_file *file, const char *name, void *buf, size_t size)
{
	int ret;

	file->busy++;
	ret = xattr_op(file->sb, SIMOP_XATTR_GET, file->ino, name, buf, NULL, size);
	file->busy--;
	return ret;
}

static int sim_xattr_set(struct fsc_file *file, const char *name, const void *buf, size_t size)
{
	int ret;

	file->busy++;
	ret = xattr_op(file->sb, SIMOP_XATTR_SET, file->ino, name, NULL, buf, size);
	file->busy--;
	return ret;
}

/* --- Directories and files that are open ------------------------------------------ */

static int stat_op(struct sim_backend *sb, enum simstore_op op, uint64_t ino, struct fsc_stat *out)
{
	int err;

	op_begin(sb, op);
	err = store_fault(sb->st, op, ino, NULL);
	if (!err)
		store_stat(store_node(sb->st, ino), out);
	return op_end(sb, op, ino, NULL, err);
}

static int sim_dir_self(struct fsc_dir *dir, struct fsc_stat *out)
{
	int err;

	dir->busy++;
	err = stat_op(dir->sb, SIMOP_DIR_SELF, dir->ino, out);
	dir->busy--;
	return err;
}

static int sim_stat(struct fsc_file *file, struct fsc_stat *out)
{
	int err;

	file->busy++;
	err = stat_op(file->sb, SIMOP_STAT, file->ino, out);
	file->busy--;
	return err;
}

static int sim_sync_dir(struct fsc_dir *dir)
{
	uint64_t since = track_now(dir->sb->st);
	int err;

	dir->busy++;
	op_begin(dir->sb, SIMOP_SYNC_DIR);
	err = store_fault(dir->sb->st, SIMOP_SYNC_DIR, dir->ino, NULL);
	if (!err)
		track_sync(dir->sb->st, SYNC_DIR, dir->ino, since);
	err = op_end(dir->sb, SIMOP_SYNC_DIR, dir->ino, NULL, err);
	dir->busy--;
	return err;
}

static void sim_file_close(struct fsc_file *file)
{
	struct sim_backend *sb = file->sb;
	struct node *n = store_node(sb->st, file->ino);

	op_begin(sb, SIMOP_FILE_CLOSE);
	if (file->busy || file->flights)
		sim_fail(SIM_BUG, "file %llu is closed with %u ops and %u transfers running",
			 (unsigned long long)file->ino, file->busy, file->flights);
	op_end(sb, SIMOP_FILE_CLOSE, file->ino, NULL, 0);
	n->handles--;
	sb->handles--;
	store_release(sb->st, n);
	fsc_free(file);
}

static void sim_touch(struct fsc_file *file)
{
	struct simstore *st = file->sb->st;

	file->busy++;
	op_begin(file->sb, SIMOP_TOUCH);
	if (!store_fault(st, SIMOP_TOUCH, file->ino, NULL))
		store_apply(st, &(struct effect){ .kind = EFFECT_ATIME, .ino = file->ino,
						  .time = store_now_us(st) / 1000000 });
	op_end(file->sb, SIMOP_TOUCH, file->ino, NULL, 0);
	file->busy--;
}

static int sim_resize(struct fsc_file *file, uint64_t size)
{
	struct simstore *st = file->sb->st;
	int err;

	file->busy++;
	op_begin(file->sb, SIMOP_RESIZE);
	err = store_fault(st, SIMOP_RESIZE, file->ino, NULL);
	if (!err) {
		store_node(st, file->ino)->resizes++;
		store_apply(st, &(struct effect){ .kind = EFFECT_SIZE, .ino = file->ino,
						  .size = size });
	}
	err = op_end_at(file->sb, SIMOP_RESIZE, file->ino, NULL, 0, size, err);
	file->busy--;
	return err;
}

static int sim_punch(struct fsc_file *file, uint64_t pos, uint64_t len)
{
	struct simstore *st = file->sb->st;
	int err;

	if (pos % FSC_GRANULE_SIZE || len % FSC_GRANULE_SIZE || !len)
		sim_fail(SIM_BUG, "a punch of %llu bytes at %llu", (unsigned long long)len,
			 (unsigned long long)pos);
	file->busy++;
	op_begin(file->sb, SIMOP_PUNCH);
	err = store_fault(st, SIMOP_PUNCH, file->ino, NULL);
	if (!err)
		store_apply(st, &(struct effect){ .kind = EFFECT_PUNCH, .ino = file->ino,
						  .pos = pos, .len = len });
	err = op_end_at(file->sb, SIMOP_PUNCH, file->ino, NULL, pos, len, err);
	file->busy--;
	return err;
}

static int sim_sync(struct fsc_file *file, bool data_only)
{
	uint64_t since = track_now(file->sb->st);
	int err;

	file->busy++;
	op_begin(file->sb, SIMOP_SYNC);
	err = store_fault(file->sb->st, SIMOP_SYNC, file->ino, NULL);
	if (!err)
		track_sync(file->sb->st, data_only ? SYNC_DATA : SYNC_FILE, file->ino, since);
	err = op_end_at(file->sb, SIMOP_SYNC, file->ino, NULL, 0, data_only, err);
	file->busy--;
	return err;
}

/* --- The table -------------------------------------------------------------------- */

static const struct fsc_backend_ops sim_ops = {
	.name = "sim",
	.close = sim_close,
	.lock = sim_lock,
	.space = sim_space,
	.sync_fs = sim_sync_fs,
	.dir_open = sim_dir_open,
	.dir_close = sim_dir_close,
	.dir_next = sim_dir_next,
	.dir_stat = sim_dir_stat,
	.rename = sim_rename,
	.remove_dir = sim_remove_dir,
	.sync_dir = sim_sync_dir,
	.dir_xattr_get = sim_dir_xattr_get,
	.dir_xattr_set = sim_dir_xattr_set,
	.dir_self = sim_dir_self,
	.file_open = sim_file_open,
	.file_close = sim_file_close,
	.tmpfile = sim_tmpfile,
	.commit = sim_commit,
	.unlink = sim_unlink,
	.stat = sim_stat,
	.touch = sim_touch,
	.xattr_get = sim_xattr_get,
	.xattr_set = sim_xattr_set,
	.resize = sim_resize,
	.punch = sim_punch,
	.sync = sim_sync,
	.read = sim_io_read,
	.write = sim_io_write,
};

/* A run ended while the backend was open: its process is gone. */
static void dropped(struct sim_hook *hook)
{
	struct sim_backend *sb = (struct sim_backend *)((char *)hook -
							offsetof(struct sim_backend, hook));
	struct simstore *st = sb->st;

	store_drop_flights(st);
	st->locked_by = NULL;
	for (size_t i = 0; i < st->nnodes; i++) {
		struct node *n = st->nodes[i];

		if (!n)
			continue;
		n->handles = 0;
		store_release(st, n);
	}
}

struct fsc_backend *simbackend_open(struct simstore *st, const struct sim_backend_opts *opts)
{
	struct sim_backend *sb = sim_alloc_at(sizeof(*sb), __builtin_return_address(0));
	struct sim_backend_opts *o = &sb->opts;

	if (opts)
		*o = *opts;
	o->io_align = o->io_align ? o->io_align : 4096;
	o->mem_align = o->mem_align ? o->mem_align : 512;
	o->inline_one_in = o->inline_one_in ? o->inline_one_in : 4;
	o->latency_us = o->latency_us ? o->latency_us : 3000;
	sb->st = st;
	sb->hook.fn = dropped;
	sim_add_hook(&sb->hook);
	track_resumed(st);
	sb->be = (struct fsc_backend){
		.ops = &sim_ops,
		.io_align = o->io_align,
		.mem_align = o->mem_align,
		.xattr_max = st->xattr_max,
		.max_files = o->max_files,
		.uid = st->uid,
		.kind = o->kind,
		.forgets = o->forgets,
		.never_clean = o->never_clean,
		.ids_known = o->ids_known,
		.mount_id = o->mount_id,
	};
	memcpy(sb->be.boot_id, o->boot_id, sizeof(o->boot_id));
	return &sb->be;
}
