// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * store.c - the disk: its table of inodes, the effects that change it, its clock, log and faults.
 */
#include <stdlib.h>

#include "store_int.h"

/* --- Inodes ----------------------------------------------------------------------- */

struct node *store_node(const struct simstore *st, uint64_t ino)
{
	return ino >= FIRST_INO && ino - FIRST_INO < st->nnodes ? st->nodes[ino - FIRST_INO] : NULL;
}

uint64_t store_new_ino(struct simstore *st)
{
	return FIRST_INO + st->nnodes;
}

uint64_t store_now_us(struct simstore *st)
{
	struct sim *s = sim_of_run();

	if (!s)
		return st->last_us;
	/* A new run's clock begins anew; the disk's goes on. */
	if (st->run_nr != s->nr) {
		st->run_nr = s->nr;
		st->base_us = st->last_us - SIM_START_US;
	}
	st->last_us = st->base_us + s->now_us;
	return st->last_us;
}

void store_release(struct simstore *st, struct node *n)
{
	if (n->nlink || n->handles)
		return;
	st->nodes[n->ino - FIRST_INO] = NULL;
	st->live_nodes--;
	node_free(st, n);
}

void store_stat(const struct node *n, struct fsc_stat *out)
{
	*out = (struct fsc_stat){
		.ino = n->ino,
		.btime_s = n->btime_ns / 1000000000,
		.btime_ns = (uint32_t)(n->btime_ns % 1000000000),
		.nlink = n->nlink,
		.uid = n->uid,
		.type = n->type == NODE_FILE ? FSC_FILE_REGULAR :
			n->type == NODE_DIR  ? FSC_FILE_DIR :
					       FSC_FILE_OTHER,
		.size = n->size,
		.bytes = n->nblocks * BLOCK_SIZE,
		.atime_s = n->atime_s,
	};
}

/* --- Effects ---------------------------------------------------------------------- */

static void effect_create(struct simstore *st, const struct effect *e)
{
	struct node *n = calloc(1, sizeof(*n));
	size_t at = e->ino - FIRST_INO;

	if (at >= st->nnodes) {
		st->nodes = realloc(st->nodes, (at + 1) * sizeof(*st->nodes));
		if (!st->nodes)
			abort();
		memset(&st->nodes[st->nnodes], 0, (at + 1 - st->nnodes) * sizeof(*st->nodes));
		st->nnodes = at + 1;
	}
	if (!n)
		abort();
	n->ino = e->ino;
	n->type = e->type;
	n->size = e->size;
	n->uid = st->uid;
	n->btime_ns = e->time * 1000;
	n->atime_s = e->time / 1000000;
	st->nodes[at] = n;
	st->live_nodes++;
	if (e->dir) {
		node_link(st, store_node(st, e->dir), e->name, e->ino);
		n->nlink = 1;
		n->was_named = true;
	}
}

static void effect_unlink(struct simstore *st, const struct effect *e)
{
	struct node *dir = store_node(st, e->dir);
	struct node_entry *entry = node_lookup(dir, e->name, strlen(e->name));
	struct node *n = store_node(st, entry->ino);

	node_unlink(dir, entry);
	n->nlink--;
	store_release(st, n);
}

static void effect_rename(struct simstore *st, const struct effect *e)
{
	struct node *dir = store_node(st, e->dir);
	struct node_entry *entry = node_lookup(dir, e->name, strlen(e->name));
	uint64_t ino = entry->ino;

	node_unlink(dir, entry);
	node_link(st, store_node(st, e->new_dir), e->new_name, ino);
}

void store_apply(struct simstore *st, const struct effect *e)
{
	struct node *n = store_node(st, e->ino);

	switch (e->kind) {
	case EFFECT_CREATE:
		effect_create(st, e);
		break;
	case EFFECT_LINK:
		node_link(st, store_node(st, e->dir), e->name, e->ino);
		n->nlink++;
		n->was_named = true;
		break;
	case EFFECT_UNLINK:
		effect_unlink(st, e);
		break;
	case EFFECT_RENAME:
		effect_rename(st, e);
		break;
	case EFFECT_XATTR:
		node_xattr_set(n, e->name, e->data, e->len);
		break;
	case EFFECT_SIZE:
		node_resize(st, n, e->size);
		break;
	case EFFECT_DATA:
		node_data(st, n, e->pos, e->data, e->len);
		break;
	case EFFECT_PUNCH:
		node_punch(st, n, e->pos, e->len);
		break;
	case EFFECT_ATIME:
		n->atime_s = e->time;
		break;
	case EFFECT_OWNER:
		n->uid = (uint32_t)e->size;
		break;
	}
}

/* --- Log and faults --------------------------------------------------------------- */

static const char *const op_names[] = {
	[SIMOP_CLOSE] = "close",
	[SIMOP_LOCK] = "lock",
	[SIMOP_SPACE] = "space",
	[SIMOP_SYNC_FS] = "sync_fs",
	[SIMOP_DIR_OPEN] = "dir_open",
	[SIMOP_DIR_NEXT] = "dir_next",
	[SIMOP_DIR_STAT] = "dir_stat",
	[SIMOP_RENAME] = "rename",
	[SIMOP_REMOVE_DIR] = "remove_dir",
	[SIMOP_SYNC_DIR] = "sync_dir",
	[SIMOP_DIR_XATTR_GET] = "dir_xattr_get",
	[SIMOP_DIR_XATTR_SET] = "dir_xattr_set",
	[SIMOP_DIR_SELF] = "dir_self",
	[SIMOP_FILE_OPEN] = "file_open",
	[SIMOP_FILE_CLOSE] = "file_close",
	[SIMOP_TMPFILE] = "tmpfile",
	[SIMOP_COMMIT] = "commit",
	[SIMOP_UNLINK] = "unlink",
	[SIMOP_STAT] = "stat",
	[SIMOP_TOUCH] = "touch",
	[SIMOP_XATTR_GET] = "xattr_get",
	[SIMOP_XATTR_SET] = "xattr_set",
	[SIMOP_RESIZE] = "resize",
	[SIMOP_PUNCH] = "punch",
	[SIMOP_SYNC] = "sync",
	[SIMOP_READ] = "read",
	[SIMOP_WRITE] = "write",
	[SIMOP_READ_DONE] = "read done",
	[SIMOP_WRITE_DONE] = "write done",
	[SIMOP_COUNT] = "any",
};

const char *simstore_op_name(enum simstore_op op)
{
	return op_names[op];
}

static int fault_due(struct op_fault *f)
{
	if (!f->count)
		return 0;
	if (f->skip) {
		f->skip--;
		return 0;
	}
	f->count--;
	return f->err;
}

int store_fault(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name)
{
	int err = fault_due(&st->faults[op]);
	int any = fault_due(&st->faults[SIMOP_COUNT]);

	if (!err)
		err = any;
	if (!err && st->fault)
		err = st->fault(st->fault_arg, op, ino, name);
	return err;
}

void simstore_set_fault(struct simstore *st, simstore_fault_fn fn, void *arg)
{
	st->fault = fn;
	st->fault_arg = arg;
}

void simstore_fail(struct simstore *st, enum simstore_op op, uint64_t skip, uint64_t count, int err)
{
	st->faults[op] = (struct op_fault){ .skip = skip, .count = count, .err = err };
}

void store_record(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name,
		  uint64_t pos, uint64_t len, int64_t result)
{
	struct simstore_record *r;
	struct sim *s = sim_here();

	if (st->nlog == st->log_size) {
		st->log_size = st->log_size ? st->log_size * 2 : 256;
		st->log = realloc(st->log, st->log_size * sizeof(*st->log));
		if (!st->log)
			abort();
	}
	r = &st->log[st->nlog++];
	*r = (struct simstore_record){ .op = op, .task = sim_self(), .ino = ino, .pos = pos,
				       .len = len, .result = result };
	if (name)
		snprintf(r->name, sizeof(r->name), "%s", name);
	if (s)
		sim_note(s, ino * 64 + op);
}

const struct simstore_record *simstore_log(const struct simstore *st, size_t *n)
{
	*n = st->nlog;
	return st->log;
}

void simstore_log_clear(struct simstore *st)
{
	st->nlog = 0;
}

size_t simstore_log_count(const struct simstore *st, enum simstore_op op, uint64_t ino)
{
	size_t n = 0;

	for (size_t i = 0; i < st->nlog; i++)
		n += (op == SIMOP_COUNT || st->log[i].op == op) && (!ino || st->log[i].ino == ino);
	return n;
}

void simstore_print_log(const struct simstore *st, FILE *to)
{
	for (size_t i = 0; i < st->nlog; i++) {
		const struct simstore_record *r = &st->log[i];

		fprintf(to, "%zu task %u: %s ino %llu pos %llu len %llu %s = %lld\n", i, r->task,
			op_names[r->op], (unsigned long long)r->ino, (unsigned long long)r->pos,
			(unsigned long long)r->len, r->name, (long long)r->result);
	}
}

/* --- Stores ----------------------------------------------------------------------- */

void simstore_limit(struct simstore *st, uint64_t blocks, uint64_t files)
{
	st->max_blocks = blocks;
	st->max_files = files;
}

void simstore_used(const struct simstore *st, uint64_t *blocks, uint64_t *files)
{
	*blocks = st->used_blocks;
	*files = st->live_nodes;
}

void simstore_set_xattr_max(struct simstore *st, uint32_t max)
{
	st->xattr_max = max;
}

size_t simstore_open_handles(const struct simstore *st)
{
	size_t n = 0;

	for (size_t i = 0; i < st->nnodes; i++)
		n += st->nodes[i] ? st->nodes[i]->handles : 0;
	return n;
}

struct simstore *simstore_create(const struct simstore_opts *opts)
{
	struct simstore *st = calloc(1, sizeof(*st));
	struct simstore_opts o = opts ? *opts : (struct simstore_opts){ 0 };

	if (!st)
		abort();
	st->xattr_max = o.xattr_max ? o.xattr_max : 4032;
	st->max_blocks = o.blocks ? o.blocks : 1 << 20;
	st->max_files = o.files ? o.files : 1 << 16;
	st->uid = o.uid;
	st->last_us = 1700000000000000ull;
	st->rnd_cookie = 1;
	store_apply(st, &(struct effect){ .kind = EFFECT_CREATE, .ino = ROOT_INO, .type = NODE_DIR,
					  .time = store_now_us(st) });
	store_node(st, ROOT_INO)->nlink = 1;
	return st;
}

void simstore_destroy(struct simstore *st)
{
	if (!st)
		return;
	/* Ends a run that a failed check jumped out of, while what it uses is still there. */
	sim_here();
	for (size_t i = 0; i < st->nnodes; i++)
		if (st->nodes[i])
			node_free(st, st->nodes[i]);
	free(st->nodes);
	free(st->log);
	free(st);
}
