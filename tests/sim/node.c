// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * node.c - one inode in memory: its names, xattrs and blocks. Host memory throughout, since a store
 * outlives runs.
 */
#include <stdlib.h>

#include "store_int.h"

static void *must(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

/* --- Names ------------------------------------------------------------------------ */

struct node_entry *node_lookup(const struct node *dir, const char *name, size_t len)
{
	for (size_t i = 0; i < dir->nentries; i++)
		if (!strncmp(dir->entries[i].name, name, len) && !dir->entries[i].name[len])
			return &dir->entries[i];
	return NULL;
}

/* The place in the listing is a random number, as with the hashes of real directories: a new name
 * may come before or behind a reader. */
void node_link(struct simstore *st, struct node *dir, const char *name, uint64_t ino)
{
	uint64_t cookie = sim_next_random(&st->rnd_cookie) >> 2 | 1;
	size_t i = dir->nentries;

	dir->entries = must(realloc(dir->entries, (i + 1) * sizeof(*dir->entries)));
	while (i && dir->entries[i - 1].cookie > cookie)
		i--;
	memmove(&dir->entries[i + 1], &dir->entries[i],
		(dir->nentries - i) * sizeof(*dir->entries));
	dir->entries[i] = (struct node_entry){ .cookie = cookie, .ino = ino,
					       .name = must(strdup(name)) };
	dir->nentries++;
}

void node_unlink(struct node *dir, struct node_entry *e)
{
	size_t i = (size_t)(e - dir->entries);

	free(e->name);
	memmove(e, e + 1, (dir->nentries - i - 1) * sizeof(*e));
	dir->nentries--;
}

/* --- xattrs ----------------------------------------------------------------------- */

struct node_xattr *node_xattr(const struct node *n, const char *name)
{
	struct node_xattr *x = n->xattrs;

	while (x && strcmp(x->name, name))
		x = x->next;
	return x;
}

static void xattr_remove(struct node *n, const char *name)
{
	struct node_xattr **link = &n->xattrs, *x;

	while ((x = *link) && strcmp(x->name, name))
		link = &x->next;
	if (!x)
		return;
	*link = x->next;
	free(x->name);
	free(x->value);
	free(x);
}

void node_xattr_set(struct node *n, const char *name, const void *value, size_t len)
{
	struct node_xattr *x;

	xattr_remove(n, name);
	if (!value)
		return;
	x = must(calloc(1, sizeof(*x)));
	x->name = must(strdup(name));
	x->value = must(malloc(len ? len : 1));
	memcpy(x->value, value, len);
	x->len = len;
	x->next = n->xattrs;
	n->xattrs = x;
}

/* --- Blocks ----------------------------------------------------------------------- */

static size_t slot_of(const struct node *n, uint64_t index)
{
	return (index * 0x9e3779b97f4a7c15ull >> 32) & (n->nbuckets - 1);
}

struct node_block *node_block(const struct node *n, uint64_t index)
{
	struct node_block *b = n->nbuckets ? n->blocks[slot_of(n, index)] : NULL;

	while (b && b->index != index)
		b = b->next;
	return b;
}

static void grow_buckets(struct node *n)
{
	struct node_block **old = n->blocks;
	size_t nold = n->nbuckets;

	n->nbuckets = nold ? nold * 4 : 16;
	n->blocks = must(calloc(n->nbuckets, sizeof(*n->blocks)));
	for (size_t i = 0; i < nold; i++) {
		while (old[i]) {
			struct node_block *b = old[i];

			old[i] = b->next;
			b->next = n->blocks[slot_of(n, b->index)];
			n->blocks[slot_of(n, b->index)] = b;
		}
	}
	free(old);
}

struct node_page *node_page_get(struct node_page *page)
{
	page->refs++;
	return page;
}

void node_page_put(struct node_page *page)
{
	if (page && !--page->refs)
		free(page);
}

static struct node_page *page_new(void)
{
	struct node_page *page = must(malloc(sizeof(*page)));

	page->refs = 1;
	return page;
}

uint8_t *node_block_own(struct node_block *b)
{
	struct node_page *page = b->page;

	if (page->refs > 1) {
		b->page = page_new();
		memcpy(b->page->data, page->data, BLOCK_SIZE);
		node_page_put(page);
	}
	return b->page->data;
}

/* Without a page. */
static struct node_block *block_make(struct simstore *st, struct node *n, uint64_t index)
{
	struct node_block *b;

	if (n->nblocks >= n->nbuckets)
		grow_buckets(n);
	b = must(calloc(1, sizeof(*b)));
	b->index = index;
	b->id = ++st->last_block;
	b->next = n->blocks[slot_of(n, index)];
	n->blocks[slot_of(n, index)] = b;
	n->nblocks++;
	st->used_blocks++;
	return b;
}

static void block_drop(struct simstore *st, struct node *n, struct node_block **link)
{
	struct node_block *b = *link;

	*link = b->next;
	node_page_put(b->page);
	free(b);
	n->nblocks--;
	st->used_blocks--;
	st->unseen_blocks += st->late_free;
}

void node_set_page(struct simstore *st, struct node *n, uint64_t index, struct node_page *page)
{
	struct node_block *b = node_block(n, index);

	if (!b)
		b = block_make(st, n, index);
	node_page_get(page);
	node_page_put(b->page);
	b->page = page;
}

void node_data(struct simstore *st, struct node *n, uint64_t pos, const void *data, size_t len)
{
	struct node_block *b = node_block(n, pos / BLOCK_SIZE);

	if (!b)
		b = block_make(st, n, pos / BLOCK_SIZE);
	/* Nothing of the old page is needed, or there is none. */
	if (!b->page || (len == BLOCK_SIZE && b->page->refs > 1)) {
		node_page_put(b->page);
		b->page = page_new();
		if (len < BLOCK_SIZE)
			memset(b->page->data, 0, BLOCK_SIZE);
	}
	memcpy(node_block_own(b) + pos % BLOCK_SIZE, data, len);
}

/* Zeroes in blocks that lie partly in the range, holes for the others. */
void node_punch(struct simstore *st, struct node *n, uint64_t pos, uint64_t len)
{
	uint64_t limit = len < UINT64_MAX - pos ? pos + len : UINT64_MAX;

	for (size_t i = 0; i < n->nbuckets; i++) {
		struct node_block **link = &n->blocks[i], *b;

		while ((b = *link)) {
			uint64_t start = b->index * BLOCK_SIZE, end = start + BLOCK_SIZE;
			uint64_t from = start > pos ? start : pos;
			uint64_t to = end < limit ? end : limit;

			if (to <= from) {
				link = &b->next;
			} else if (from == start && to == end) {
				block_drop(st, n, link);
			} else {
				memset(node_block_own(b) + (from - start), 0, to - from);
				link = &b->next;
			}
		}
	}
}

void node_resize(struct simstore *st, struct node *n, uint64_t size)
{
	if (size < n->size)
		node_punch(st, n, size, UINT64_MAX - size);
	n->size = size;
}

/* Anything beyond the size is zero. */
void node_read(const struct node *n, uint64_t pos, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		const struct node_block *b = node_block(n, pos / BLOCK_SIZE);
		size_t off = pos % BLOCK_SIZE;
		size_t part = len < BLOCK_SIZE - off ? len : BLOCK_SIZE - off;

		if (b)
			memcpy(to, b->page->data + off, part);
		else
			memset(to, 0, part);
		to += part;
		pos += part;
		len -= part;
	}
}

void node_free(struct simstore *st, struct node *n)
{
	while (n->nentries)
		node_unlink(n, &n->entries[n->nentries - 1]);
	while (n->xattrs)
		xattr_remove(n, n->xattrs->name);
	for (size_t i = 0; i < n->nbuckets; i++)
		while (n->blocks[i])
			block_drop(st, n, &n->blocks[i]);
	free(n->entries);
	free(n->blocks);
	free(n);
}

static void copy_blocks(struct simstore *st, struct node *to, const struct node *from)
{
	for (size_t i = 0; i < from->nbuckets; i++) {
		for (const struct node_block *b = from->blocks[i]; b; b = b->next) {
			node_set_page(st, to, b->index, b->page);
			node_block(to, b->index)->id = b->id;
		}
	}
}

/* Into another store; open nowhere there. */
struct node *node_copy(struct simstore *st, const struct node *from)
{
	struct node *n = must(malloc(sizeof(*n)));

	*n = *from;
	n->handles = 0;
	n->xattrs = NULL;
	n->blocks = NULL;
	n->nbuckets = 0;
	n->nblocks = 0;
	n->entries = NULL;
	if (n->nentries)
		n->entries = must(malloc(n->nentries * sizeof(*n->entries)));
	for (size_t i = 0; i < n->nentries; i++) {
		n->entries[i] = from->entries[i];
		n->entries[i].name = must(strdup(from->entries[i].name));
	}
	for (const struct node_xattr *x = from->xattrs; x; x = x->next)
		node_xattr_set(n, x->name, x->value, x->len);
	copy_blocks(st, n, from);
	return n;
}
