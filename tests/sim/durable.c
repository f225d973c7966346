// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * durable.c - what isn't durable yet.
 *
 * Beside a store that is tracked lies its base, the disk as it would come back if nothing survived
 * that wasn't synced, and the list of effects that lead from there to the store as it is. A sync
 * does some of them on the base and takes them off the list, so that each is copied once and done
 * twice, however many syncs there are. Pages are shared by all three.
 *
 * Under ordered the list is the journal. The first write to a block enters it when the transfer
 * ends: until then the block is fresh, and not in the list at all. Writes to other blocks are in
 * the list too, but marked as being in place.
 */
#include <stdlib.h>

#include "track.h"

/* --- The list --------------------------------------------------------------------- */

static char *put_bytes(char **to, const void *from, size_t len)
{
	char *at = *to;

	memcpy(at, from, len);
	*to += len;
	return at;
}

static struct kept *keep(struct simstore *st, const struct effect *e)
{
	struct tracking *t = st->track;
	size_t name = e->name ? strlen(e->name) + 1 : 0;
	size_t new_name = e->new_name ? strlen(e->new_name) + 1 : 0;
	size_t value = e->kind == EFFECT_XATTR && e->data ? e->len : 0;
	struct kept *k = malloc(sizeof(*k) + name + new_name + value + 1);
	char *room = (char *)(k + 1);

	if (!k)
		abort();
	*k = (struct kept){ .e = *e, .seq = ++t->seq };
	if (name)
		k->e.name = put_bytes(&room, e->name, name);
	if (new_name)
		k->e.new_name = put_bytes(&room, e->new_name, new_name);
	/* Of no bytes, it is still a value. */
	k->e.data = e->kind == EFFECT_XATTR && e->data ? put_bytes(&room, e->data, value) : NULL;
	*t->end = k;
	t->end = &k->next;
	t->n++;
	return k;
}

/* What is in the block now. */
static void keep_data(struct simstore *st, uint64_t ino, const struct node_block *b, uint64_t pos,
		      uint64_t len, bool in_place)
{
	struct effect e = { .kind = EFFECT_DATA, .ino = ino, .pos = pos, .len = len,
			    .page = node_page_get(b->page) };
	struct kept *k = keep(st, &e);

	k->block = b->id;
	k->in_place = in_place;
}

static struct kept *unlink_kept(struct tracking *t, struct kept **link)
{
	struct kept *k = *link;

	*link = k->next;
	if (!k->next)
		t->end = link;
	t->n--;
	return k;
}

static void drop(struct tracking *t, struct kept **link)
{
	struct kept *k = unlink_kept(t, link);

	node_page_put(k->e.page);
	free(k);
}

void durable_forget(struct tracking *t)
{
	while (t->first)
		drop(t, &t->first);
}

/* --- Doing it on the base --------------------------------------------------------- */

static void name_clear(struct simstore *base, uint64_t dir, const char *name, uint64_t stays)
{
	struct node *d = store_node(base, dir);
	struct node_entry *entry = d ? node_lookup(d, name, strlen(name)) : NULL;
	struct node *n;

	if (!entry)
		return;
	n = store_node(base, entry->ino);
	node_unlink(d, entry);
	if (!n)
		return;
	n->nlink--;
	if (n->ino != stays)
		store_release(base, n);
}

static void name_set(struct simstore *base, uint64_t dir, const char *name, struct node *n)
{
	name_clear(base, dir, name, n->ino);
	node_link(base, store_node(base, dir), name, n->ino);
	n->nlink++;
	n->was_named = true;
}

static bool do_name(struct simstore *base, const struct effect *e)
{
	struct node *n = store_node(base, e->ino);
	uint64_t dir = e->kind == EFFECT_RENAME ? e->new_dir : e->dir;

	if (!n || !store_node(base, dir))
		return false;
	if (e->kind != EFFECT_LINK)
		name_clear(base, e->dir, e->name, e->kind == EFFECT_RENAME ? e->ino : 0);
	if (e->kind == EFFECT_LINK)
		name_set(base, e->dir, e->name, n);
	else if (e->kind == EFFECT_RENAME)
		name_set(base, e->new_dir, e->new_name, n);
	return true;
}

static bool do_data(struct simstore *base, const struct kept *k)
{
	struct node *n = store_node(base, k->e.ino);
	struct node_block *b = node_block(n, k->e.pos / BLOCK_SIZE);

	if (k->in_place && (!b || b->id != k->block))
		return false;
	store_do(base, &k->e);
	node_block(n, k->e.pos / BLOCK_SIZE)->id = k->block;
	return true;
}

bool durable_do(struct simstore *base, const struct kept *k)
{
	if (k->e.kind == EFFECT_CREATE) {
		store_do(base, &k->e);
		return true;
	}
	if (is_name_effect(&k->e))
		return do_name(base, &k->e);
	/* It was removed, and used on by those who had it open. */
	if (!store_node(base, k->e.ino))
		return false;
	if (k->e.kind == EFFECT_DATA)
		return do_data(base, k);
	store_do(base, &k->e);
	return true;
}

/* --- Syncs ------------------------------------------------------------------------ */

uint64_t track_now(const struct simstore *st)
{
	return st->track ? st->track->seq : 0;
}

static bool is_covered(const struct effect *e, enum sync_what what, uint64_t ino)
{
	switch (what) {
	case SYNC_FS:
		return true;
	case SYNC_DIR:
		if (is_name_effect(e))
			return e->dir == ino || e->new_dir == ino;
		return e->ino == ino;
	default:
		if (e->ino != ino || e->kind == EFFECT_UNLINK || e->kind == EFFECT_RENAME)
			return false;
		return what == SYNC_FILE || (e->kind != EFFECT_XATTR && e->kind != EFFECT_LINK);
	}
}

static void forget_inode(struct tracking *t, uint64_t ino)
{
	struct kept **link = &t->first;

	while (*link) {
		if ((*link)->e.ino == ino)
			drop(t, link);
		else
			link = &(*link)->next;
	}
}

static void do_covered(struct tracking *t)
{
	struct kept **link = &t->first, *k;
	uint64_t gone[16];
	size_t ngone = 0;

	while ((k = *link)) {
		uint64_t ino = k->e.kind == EFFECT_UNLINK ? k->e.ino : 0;

		k->chain = false;
		if (!k->covered) {
			link = &k->next;
			continue;
		}
		durable_do(t->base, k);
		drop(t, link);
		if (ino && ngone < 16 && !store_node(t->base, ino))
			gone[ngone++] = ino;
	}
	/* They can't come back; their effects would only be in the way. */
	while (ngone)
		forget_inode(t, gone[--ngone]);
}

static void sync_prefix(struct tracking *t, uint64_t until)
{
	while (t->first && t->first->seq <= until) {
		durable_do(t->base, t->first);
		drop(t, &t->first);
	}
}

void track_sync(struct simstore *st, enum sync_what what, uint64_t ino, uint64_t since)
{
	struct tracking *t = st->track;
	bool names = false;
	uint64_t until;

	if (!t || !t->first)
		return;
	/* The moment: at the latest now. */
	until = since < t->seq ? since + sim_random((uint32_t)(t->seq - since) + 1) : t->seq;
	if (t->model == FSC_FS_ORDERED || what == SYNC_FS) {
		sync_prefix(t, until);
		return;
	}
	for (struct kept *k = t->first; k; k = k->next) {
		k->covered = k->seq <= until && is_covered(&k->e, what, ino);
		names |= k->covered && is_name_effect(&k->e);
	}
	if (names)
		durable_close(t, true);
	do_covered(t);
}

/* --- What happens ----------------------------------------------------------------- */

static void apply_data(struct simstore *st, const struct effect *e)
{
	const struct node *n = store_node(st, e->ino);
	struct node_block *b = node_block(n, e->pos / BLOCK_SIZE);
	bool fresh = !b || b->fresh;

	store_do(st, e);
	if (!b)
		b = node_block(n, e->pos / BLOCK_SIZE);
	if (st->track->model != FSC_FS_ORDERED)
		keep_data(st, e->ino, b, e->pos, e->len, false);
	else if (fresh)
		b->fresh = true;
	else
		keep_data(st, e->ino, b, e->pos, e->len, true);
}

/* An inode and its name can be lost apart. */
static void keep_created(struct simstore *st, const struct effect *e)
{
	struct effect create = *e;
	struct effect link = { .kind = EFFECT_LINK, .ino = e->ino, .type = e->type, .dir = e->dir,
			       .name = e->name };

	create.dir = 0;
	create.name = NULL;
	keep(st, &create);
	if (e->dir)
		keep(st, &link);
}

void track_apply(struct simstore *st, const struct effect *e)
{
	struct effect with_type;

	if (e->kind == EFFECT_DATA) {
		apply_data(st, e);
		return;
	}
	if (e->kind == EFFECT_CREATE) {
		keep_created(st, e);
	} else if (e->kind != EFFECT_ATIME) {
		with_type = *e;
		with_type.type = store_node(st, e->ino)->type;
		keep(st, &with_type);
	}
	store_do(st, e);
}

void track_tamper(struct simstore *st, const struct effect *e)
{
	struct tracking *t = st->track;
	struct kept k = { .e = *e };

	sync_prefix(t, t->seq);
	if (e->kind == EFFECT_CREATE)
		store_do(t->base, e); /* before @e->name may go */
	else if (e->kind != EFFECT_DATA)
		durable_do(t->base, &k);
	store_do(st, e);
	if (e->kind == EFFECT_DATA) {
		k.block = node_block(store_node(st, e->ino), e->pos / BLOCK_SIZE)->id;
		durable_do(t->base, &k);
	}
}

/* The blocks that were holes are its own from now on. */
void track_write_ends(struct simstore *st, uint64_t ino, uint64_t pos, uint64_t len)
{
	const struct node *n = store_node(st, ino);

	if (!st->track || st->track->model != FSC_FS_ORDERED || !n)
		return;
	for (uint64_t i = pos / BLOCK_SIZE; i * BLOCK_SIZE < pos + len; i++) {
		struct node_block *b = node_block(n, i);

		if (!b || !b->fresh)
			continue;
		b->fresh = false;
		keep_data(st, ino, b, i * BLOCK_SIZE, BLOCK_SIZE, false);
	}
}

/* What never had a name can't come back, and nothing that was done to it matters. */
void track_released(struct simstore *st, const struct node *n)
{
	struct tracking *t = st->track;
	struct node *old = store_node(t->base, n->ino);

	if (n->was_named)
		return;
	forget_inode(t, n->ino);
	if (old)
		store_drop(t->base, old);
}

bool track_knows(const struct simstore *st, uint64_t ino)
{
	const struct tracking *t = st->track;

	if (!t)
		return false;
	if (store_node(t->base, ino))
		return true;
	for (const struct kept *k = t->first; k; k = k->next)
		if (k->e.ino == ino || k->e.dir == ino || k->e.new_dir == ino)
			return true;
	return false;
}

void track_killed(struct simstore *st)
{
	if (st->track && st->track->kill_seq == UINT64_MAX)
		st->track->kill_seq = st->track->seq;
}

void track_resumed(struct simstore *st)
{
	if (st->track)
		st->track->kill_seq = UINT64_MAX;
}

/* --- Beginning and end ------------------------------------------------------------ */

void track_free(struct simstore *st)
{
	struct tracking *t = st->track;

	if (!t)
		return;
	st->track = NULL;
	durable_forget(t);
	simstore_destroy(t->base);
	free(t);
}

static void none_is_fresh(struct simstore *st)
{
	for (size_t i = 0; i < st->nnodes; i++) {
		const struct node *n = st->nodes[i];

		for (size_t j = 0; n && j < n->nbuckets; j++)
			for (struct node_block *b = n->blocks[j]; b; b = b->next)
				b->fresh = false;
	}
}

void simstore_track(struct simstore *st, enum fsc_fs_kind model)
{
	struct tracking *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	track_free(st);
	none_is_fresh(st);
	t->model = model;
	t->end = &t->first;
	t->kill_seq = UINT64_MAX;
	t->base = store_clone(st, true);
	st->track = t;
}
