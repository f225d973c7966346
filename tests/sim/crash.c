// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * crash.c - what a power cut leaves.
 *
 * Of the effects that weren't durable (durable.c) some are chosen, as the model allows and the seed
 * says, and done on the base; then the store is made to be as the base is. Each cut has its own
 * bias, for the interesting disks are those where of one kind of effect nearly all survived and of
 * another nearly nothing.
 */
#include <stdlib.h>

#include "track.h"

struct cut {
	struct simstore *st;
	struct tracking *t;
	uint64_t rnd;
	uint64_t lost;
	unsigned int names, xattrs, sizes, data; /* how many of 8 survive */
	bool torn;
};

static uint64_t below(struct cut *c, uint64_t n)
{
	return n ? sim_next_random(&c->rnd) % n : 0;
}

static unsigned int bias(struct cut *c)
{
	static const unsigned int of_8[] = { 0, 1, 4, 4, 7, 8 };

	return of_8[below(c, sizeof(of_8) / sizeof(of_8[0]))];
}

/* --- Data, in sectors ------------------------------------------------------------- */

static unsigned int some_sectors(struct cut *c, const struct kept *k)
{
	bool in_flight = k->seq > c->t->kill_seq;

	if ((c->torn || in_flight) && below(c, 2))
		return (unsigned int)below(c, ALL_SECTORS + 1);
	return below(c, 8) < c->data ? ALL_SECTORS : 0;
}

static bool do_sector(struct cut *c, const struct kept *k, uint64_t from, uint64_t to)
{
	struct kept part = *k;

	part.e.pos = from;
	part.e.len = to - from;
	return durable_do(c->t->base, &part);
}

static void do_data(struct cut *c, const struct kept *k, unsigned int sectors)
{
	uint64_t pos = k->e.pos, end = k->e.pos + k->e.len, next;
	bool all = true;

	if (sectors == ALL_SECTORS) {
		c->lost += !durable_do(c->t->base, k);
		return;
	}
	for (; pos < end; pos = next) {
		unsigned int i = (unsigned int)(pos % BLOCK_SIZE / SECTOR);
		uint64_t stop = pos - pos % SECTOR + SECTOR;

		next = stop < end ? stop : end;
		if (!(sectors >> i & 1) || !do_sector(c, k, pos, next))
			all = false;
	}
	c->lost += !all;
}

/* --- Ordered ---------------------------------------------------------------------- */

/* Up to which effect the journal got. Transfers that were cut off never entered it. */
static uint64_t journal_end(struct cut *c)
{
	uint64_t first = c->t->first->seq - 1, last = c->t->seq;

	if (c->t->kill_seq < last)
		last = c->t->kill_seq;
	if (last <= first)
		return first;
	switch (below(c, 4)) {
	case 0:
		return first;
	case 1:
		return last;
	default:
		return first + below(c, last - first + 1);
	}
}

static void cut_ordered(struct cut *c)
{
	uint64_t end = journal_end(c);

	for (const struct kept *k = c->t->first; k; k = k->next) {
		if (k->in_place)
			do_data(c, k, some_sectors(c, k));
		else if (k->seq > end || !durable_do(c->t->base, k))
			c->lost++;
	}
}

/* --- Strict ----------------------------------------------------------------------- */

static bool survives(struct cut *c, const struct effect *e)
{
	switch (e->kind) {
	case EFFECT_CREATE:
		return true; /* nobody can see it without a name */
	case EFFECT_XATTR:
	case EFFECT_OWNER:
		return below(c, 8) < c->xattrs;
	case EFFECT_SIZE:
	case EFFECT_PUNCH:
		return below(c, 8) < c->sizes;
	default:
		return below(c, 8) < c->names;
	}
}

/* Of a punch some blocks may be gone, and others not yet. */
static void tear_punch(struct cut *c, struct kept *k)
{
	uint64_t blocks = k->e.len / BLOCK_SIZE;
	uint64_t from = below(c, blocks), n = below(c, blocks - from) + 1;

	if (!c->torn || blocks < 2 || below(c, 2))
		return;
	k->e.pos += from * BLOCK_SIZE;
	k->e.len = n * BLOCK_SIZE;
	c->lost += n < blocks;
}

static void cut_strict(struct cut *c)
{
	for (struct kept *k = c->t->first; k; k = k->next)
		k->covered = k->e.kind != EFFECT_DATA && survives(c, &k->e);
	durable_close(c->t, false);
	for (struct kept *k = c->t->first; k; k = k->next) {
		if (k->e.kind == EFFECT_DATA) {
			do_data(c, k, some_sectors(c, k));
			continue;
		}
		if (k->covered && k->e.kind == EFFECT_PUNCH)
			tear_punch(c, k);
		if (!k->covered || !durable_do(c->t->base, k))
			c->lost++;
	}
}

/* --- Volatile --------------------------------------------------------------------- */

static bool is_file(const struct simstore *st, uint64_t ino)
{
	const struct node *n = store_node(st, ino);

	return n && n->type == NODE_FILE;
}

/* The @nth name of a file; NULL: there are fewer, and *@nth is less by those. */
static struct node_entry *file_name(struct simstore *st, uint64_t *nth)
{
	for (size_t i = 0; i < st->nnodes; i++) {
		const struct node *dir = st->nodes[i];

		for (size_t j = 0; dir && j < dir->nentries; j++)
			if (is_file(st, dir->entries[j].ino) && !(*nth)--)
				return &dir->entries[j];
	}
	return NULL;
}

static struct node_block *any_block(struct simstore *st, uint64_t *nth)
{
	for (size_t i = 0; i < st->nnodes; i++) {
		const struct node *n = st->nodes[i];

		for (size_t j = 0; n && j < n->nbuckets; j++)
			for (struct node_block *b = n->blocks[j]; b; b = b->next)
				if (!(*nth)--)
					return b;
	}
	return NULL;
}

static void swap_names(struct cut *c)
{
	uint64_t count = UINT64_MAX, nth;
	struct node_entry *a, *b;
	uint64_t ino;

	file_name(c->t->base, &count);
	count = UINT64_MAX - count;
	if (count < 2)
		return;
	nth = below(c, count);
	a = file_name(c->t->base, &nth);
	nth = below(c, count);
	b = file_name(c->t->base, &nth);
	ino = a->ino;
	a->ino = b->ino;
	b->ino = ino;
}

static void swap_blocks(struct cut *c, bool zero)
{
	uint64_t count = UINT64_MAX, nth;
	struct node_block *a, *b;
	struct node_page *page;

	any_block(c->t->base, &count);
	count = UINT64_MAX - count;
	if (!count)
		return;
	nth = below(c, count);
	a = any_block(c->t->base, &nth);
	if (zero) {
		memset(node_block_own(a), 0, BLOCK_SIZE);
		return;
	}
	nth = below(c, count);
	b = any_block(c->t->base, &nth);
	page = a->page;
	a->page = b->page;
	b->page = page;
}

/* Where only blocks that were there already are written anew, nothing is allotted: there the disk
 * can't be mistaken about what is whose. (Without this not even the mark of an open cache would
 * help.) */
static bool allots(const struct cut *c)
{
	for (const struct kept *k = c->t->first; k; k = k->next) {
		const struct node *n = store_node(c->t->base, k->e.ino);
		const struct node_block *b;

		b = k->e.kind == EFFECT_DATA && n ? node_block(n, k->e.pos / BLOCK_SIZE) : NULL;
		if (!b || b->id != k->block)
			return true;
	}
	return false;
}

static void mix_up(struct cut *c)
{
	for (uint64_t n = below(c, 5); n; n--) {
		switch (below(c, 3)) {
		case 0:
			swap_names(c);
			break;
		case 1:
			swap_blocks(c, false);
			break;
		default:
			swap_blocks(c, true);
		}
	}
}

/* --- The disk as it comes back ---------------------------------------------------- */

static void count_names(struct simstore *st, struct node *dir)
{
	dir->nlink++;
	for (size_t i = 0; dir->nlink == 1 && i < dir->nentries; i++) {
		struct node *n = store_node(st, dir->entries[i].ino);

		if (n->type == NODE_DIR)
			count_names(st, n);
		else
			n->nlink++;
	}
}

/* Names of what is gone, which a sync of part of it may have left. */
static void drop_dangling(struct simstore *st, struct node *dir)
{
	for (size_t i = dir->nentries; i--;)
		if (!store_node(st, dir->entries[i].ino))
			node_unlink(dir, &dir->entries[i]);
}

/* As a repair at mounting does: what no name leads to is gone, and what lies beyond the end. */
static void tidy(struct cut *c, struct simstore *st)
{
	for (size_t i = 0; i < st->nnodes; i++) {
		if (!st->nodes[i])
			continue;
		st->nodes[i]->nlink = 0;
		drop_dangling(st, st->nodes[i]);
	}
	count_names(st, store_node(st, ROOT_INO));
	for (size_t i = 0; i < st->nnodes; i++) {
		struct node *n = st->nodes[i];
		const struct node *was = store_node(c->st, FIRST_INO + i);

		if (!n)
			continue;
		if (!n->nlink) {
			store_drop(st, n);
			continue;
		}
		node_punch(st, n, n->size, UINT64_MAX - n->size);
		/* Access times are written when there is time. */
		if (was && below(c, 2))
			n->atime_s = was->atime_s;
	}
}

static void become(struct simstore *st, struct simstore *base)
{
	size_t nnodes = st->nnodes;

	store_free_nodes(st);
	store_copy_nodes(st, base, false);
	st->locked_by = NULL;
	/* Unless they are used again on purpose, the numbers of what was lost are not. */
	if (nnodes > st->nnodes) {
		st->nodes = realloc(st->nodes, nnodes * sizeof(*st->nodes));
		if (!st->nodes)
			abort();
		memset(&st->nodes[st->nnodes], 0, (nnodes - st->nnodes) * sizeof(*st->nodes));
		st->nnodes = nnodes;
	}
	store_list_freed(st);
}

void simstore_power_cut(struct simstore *st, uint64_t seed, struct simstore_loss *out)
{
	struct cut c = { .st = st, .t = st->track, .rnd = seed };
	uint64_t unsynced;
	bool mixed;

	if (!c.t || sim_here()) {
		fprintf(stderr, "sim: a power cut in a run, or of a store that isn't tracked\n");
		abort();
	}
	unsynced = c.t->n;
	mixed = c.t->model == FSC_FS_VOLATILE && allots(&c);
	c.names = bias(&c);
	c.xattrs = bias(&c);
	c.sizes = bias(&c);
	c.data = bias(&c);
	c.torn = below(&c, 2);
	if (unsynced && c.t->model == FSC_FS_ORDERED)
		cut_ordered(&c);
	else if (unsynced)
		cut_strict(&c);
	if (mixed)
		mix_up(&c);
	tidy(&c, c.t->base);
	durable_forget(c.t);
	c.t->kill_seq = UINT64_MAX;
	become(st, c.t->base);
	if (out)
		*out = (struct simstore_loss){ .unsynced = unsynced, .lost = c.lost };
}
