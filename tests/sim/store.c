// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * store.c - the disk: its table of inodes, the effects that change it, its clock.
 */
#include <stdlib.h>

#include "store_int.h"

/* --- Inodes ----------------------------------------------------------------------- */

struct node *store_node(const struct simstore *st, uint64_t ino)
{
	return ino >= FIRST_INO && ino - FIRST_INO < st->nnodes ? st->nodes[ino - FIRST_INO] : NULL;
}

/* One that nothing could still be found under: its next file must be another. */
static uint64_t take_freed(struct simstore *st)
{
	size_t i = sim_random((uint32_t)st->nfreed);
	uint64_t ino = st->freed[i];

	if (store_node(st, ino) || track_knows(st, ino))
		return 0;
	st->freed[i] = st->freed[--st->nfreed];
	/* The clock may have stood still since that one was born. */
	st->base_us++;
	st->last_us++;
	return ino;
}

uint64_t store_new_ino(struct simstore *st)
{
	uint64_t ino = 0;

	if (st->reuse_inos && st->nfreed && sim_chance(2))
		ino = take_freed(st);
	return ino ? ino : FIRST_INO + st->nnodes;
}

static void ino_freed(struct simstore *st, uint64_t ino)
{
	if (!st->reuse_inos)
		return;
	if (st->nfreed == st->freed_size) {
		st->freed_size = st->freed_size ? st->freed_size * 2 : 16;
		st->freed = realloc(st->freed, st->freed_size * sizeof(*st->freed));
		if (!st->freed)
			abort();
	}
	st->freed[st->nfreed++] = ino;
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

void store_list_freed(struct simstore *st)
{
	st->nfreed = 0;
	for (size_t i = 0; i < st->nnodes; i++)
		if (!st->nodes[i])
			ino_freed(st, FIRST_INO + i);
}

void store_drop(struct simstore *st, struct node *n)
{
	st->nodes[n->ino - FIRST_INO] = NULL;
	st->live_nodes--;
	st->unseen_files += st->late_free;
	ino_freed(st, n->ino);
	node_free(st, n);
}

void store_release(struct simstore *st, struct node *n)
{
	if (n->nlink || n->handles)
		return;
	if (st->track)
		track_released(st, n);
	store_drop(st, n);
}

void store_free_nodes(struct simstore *st)
{
	for (size_t i = 0; i < st->nnodes; i++)
		if (st->nodes[i])
			node_free(st, st->nodes[i]);
	free(st->nodes);
	st->nodes = NULL;
	st->nnodes = 0;
	st->live_nodes = 0;
}

void store_copy_nodes(struct simstore *to, const struct simstore *from, bool unnamed)
{
	to->nodes = calloc(from->nnodes, sizeof(*to->nodes));
	if (!to->nodes)
		abort();
	to->nnodes = from->nnodes;
	for (size_t i = 0; i < from->nnodes; i++) {
		const struct node *n = from->nodes[i];

		if (!n || (!n->nlink && !unnamed))
			continue;
		to->nodes[i] = node_copy(to, n);
		to->live_nodes++;
	}
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

static void effect_data(struct simstore *st, struct node *n, const struct effect *e)
{
	if (e->page && e->len == BLOCK_SIZE)
		node_set_page(st, n, e->pos / BLOCK_SIZE, e->page);
	else if (e->page)
		node_data(st, n, e->pos, e->page->data + e->pos % BLOCK_SIZE, e->len);
	else
		node_data(st, n, e->pos, e->data, e->len);
}

void store_do(struct simstore *st, const struct effect *e)
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
		effect_data(st, n, e);
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

void store_apply(struct simstore *st, const struct effect *e)
{
	if (st->track)
		track_apply(st, e);
	else
		store_do(st, e);
}

void store_tamper(struct simstore *st, const struct effect *e)
{
	if (st->track)
		track_tamper(st, e);
	else
		store_do(st, e);
}

/* --- Stores ----------------------------------------------------------------------- */

void simstore_limit(struct simstore *st, uint64_t blocks, uint64_t files)
{
	st->max_blocks = blocks;
	st->max_files = files;
}

void simstore_free_late(struct simstore *st)
{
	st->late_free = true;
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
	st->reuse_inos = o.reuse_inos;
	st->no_log = o.no_log;
	st->last_us = 1700000000000000ull;
	st->rnd_cookie = 1;
	store_apply(st, &(struct effect){ .kind = EFFECT_CREATE, .ino = ROOT_INO, .type = NODE_DIR,
					  .time = store_now_us(st) });
	store_node(st, ROOT_INO)->nlink = 1;
	return st;
}

struct simstore *store_clone(const struct simstore *from, bool unnamed)
{
	struct simstore *st = calloc(1, sizeof(*st));

	if (!st)
		abort();
	st->max_blocks = from->max_blocks;
	st->max_files = from->max_files;
	st->xattr_max = from->xattr_max;
	st->uid = from->uid;
	st->run_nr = from->run_nr;
	st->base_us = from->base_us;
	st->last_us = from->last_us;
	st->rnd_cookie = from->rnd_cookie;
	store_copy_nodes(st, from, unnamed);
	st->last_block = from->last_block;
	return st;
}

struct simstore *simstore_clone(const struct simstore *from)
{
	struct simstore *st = store_clone(from, false);

	st->reuse_inos = from->reuse_inos;
	st->no_log = from->no_log;
	return st;
}

void simstore_destroy(struct simstore *st)
{
	if (!st)
		return;
	/* Ends a run that a failed check jumped out of, while what it uses is still there. */
	sim_here();
	track_free(st);
	store_free_nodes(st);
	free(st->freed);
	free(st->log);
	free(st);
}
