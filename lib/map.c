// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * map.c - the content map: a radix tree of bits that knows "empty" and "full" as pointer values.
 */
#include "maptree.h"

/* --- Blocks ----------------------------------------------------------------------------------- */

size_t fsc_map_leaf_size(void)
{
	return sizeof(struct fsc_map_leaf);
}

size_t fsc_map_node_size(void)
{
	return sizeof(struct fsc_map_node);
}

void fsc_map_pool_add_leaf(struct fsc_map_pool *pool, void *mem)
{
	*(void **)mem = pool->leaves;
	pool->leaves = mem;
	pool->nr_leaves++;
}

void fsc_map_pool_add_node(struct fsc_map_pool *pool, void *mem)
{
	*(void **)mem = pool->nodes;
	pool->nodes = mem;
	pool->nr_nodes++;
}

static void *pop(void **list, uint32_t *nr)
{
	void *mem = *list;

	if (mem) {
		*list = *(void **)mem;
		(*nr)--;
	}
	return mem;
}

void *fsc_map_pool_take(struct fsc_map_pool *pool, size_t *size)
{
	void *mem = pop(&pool->leaves, &pool->nr_leaves);

	*size = sizeof(struct fsc_map_leaf);
	if (mem)
		return mem;
	*size = sizeof(struct fsc_map_node);
	return pop(&pool->nodes, &pool->nr_nodes);
}

/* Blocks that were given back come out of the pool as they were used: all of them is set here. */
struct fsc_map_leaf *fsc_map_take_leaf(struct fsc_map *map, struct fsc_map_pool *pool,
				       void *marker)
{
	struct fsc_map_leaf *leaf = pop(&pool->leaves, &pool->nr_leaves);

	if (!leaf)
		return NULL;
	memset(leaf->bits, marker == FSC_MAP_FULL ? 0xff : 0, sizeof(leaf->bits));
	leaf->nr_set = marker == FSC_MAP_FULL ? FSC_MAP_LEAF_GRANULES : 0;
	leaf->pins = 0;
	map->leaves++;
	return leaf;
}

struct fsc_map_node *fsc_map_take_node(struct fsc_map *map, struct fsc_map_pool *pool,
				       void *marker)
{
	struct fsc_map_node *node = pop(&pool->nodes, &pool->nr_nodes);
	uint32_t i;

	if (!node)
		return NULL;
	for (i = 0; i < FSC_MAP_FANOUT; i++)
		node->child[i] = marker;
	map->nodes++;
	return node;
}

void *fsc_map_settle_leaf(struct fsc_map *map, struct fsc_map_leaf *leaf,
			  struct fsc_map_pool *pool)
{
	if (leaf->pins || (leaf->nr_set && leaf->nr_set != FSC_MAP_LEAF_GRANULES))
		return leaf;
	map->leaves--;
	/* The pool's link lies over the bits: look at the count. */
	fsc_map_pool_add_leaf(pool, leaf);
	return leaf->nr_set ? FSC_MAP_FULL : FSC_MAP_EMPTY;
}

void *fsc_map_settle_node(struct fsc_map *map, struct fsc_map_node *node,
			  struct fsc_map_pool *pool)
{
	void *first = node->child[0];
	uint32_t i;

	if (!fsc_map_is_marker(first))
		return node;
	for (i = 1; i < FSC_MAP_FANOUT; i++)
		if (node->child[i] != first)
			return node;
	map->nodes--;
	fsc_map_pool_add_node(pool, node);
	return first;
}

/* --- The whole map -------------------------------------------------------------------------- */

void fsc_map_init(struct fsc_map *map, uint64_t size)
{
	memset(map, 0, sizeof(*map));
	FSC_ASSERT(size <= FSC_MAP_MAX_GRANULES);
	map->size = fsc_min64(size, FSC_MAP_MAX_GRANULES);
	map->root = FSC_MAP_EMPTY;
}

static void free_tree(struct fsc_map *map, void *p, uint32_t level, struct fsc_map_pool *pool)
{
	struct fsc_map_node *node = p;
	uint32_t i;

	if (fsc_map_is_marker(p))
		return;
	if (level == 0) {
		map->leaves--;
		fsc_map_pool_add_leaf(pool, p);
		return;
	}
	for (i = 0; i < FSC_MAP_FANOUT; i++)
		free_tree(map, node->child[i], level - 1, pool);
	map->nodes--;
	fsc_map_pool_add_node(pool, node);
}

static void drop_tree(struct fsc_map *map, struct fsc_map_pool *pool, void *marker)
{
	free_tree(map, map->root, map->depth, pool);
	map->root = marker;
	map->depth = 0;
}

void fsc_map_reset(struct fsc_map *map, struct fsc_map_pool *pool)
{
	FSC_ASSERT(!map->pins);
	drop_tree(map, pool, FSC_MAP_EMPTY);
	map->nr_set = 0;
	map->pins = 0;
}

void fsc_map_set_full(struct fsc_map *map, struct fsc_map_pool *pool)
{
	fsc_map_reset(map, pool);
	map->nr_set = map->size;
	map->root = map->size ? FSC_MAP_FULL : FSC_MAP_EMPTY;
}

void fsc_map_settle(struct fsc_map *map, struct fsc_map_pool *pool)
{
	if (!map->pins && fsc_map_full(map))
		drop_tree(map, pool, map->size ? FSC_MAP_FULL : FSC_MAP_EMPTY);
	else if (map->root == FSC_MAP_EMPTY)
		map->depth = 0;
}

size_t fsc_map_bytes(const struct fsc_map *map)
{
	return map->leaves * sizeof(struct fsc_map_leaf) +
	       map->nodes * sizeof(struct fsc_map_node);
}

/* --- Looking -------------------------------------------------------------------------------- */

/* The first bit of @leaf at or after @from that isn't @value, or 512. */
static uint32_t leaf_run(const struct fsc_map_leaf *leaf, uint32_t from, bool value)
{
	uint64_t flip = value ? ~0ull : 0;
	uint32_t word = from / 64;
	uint64_t left = (leaf->bits[word] ^ flip) & (~0ull << (from % 64));

	while (!left) {
		if (++word == FSC_MAP_LEAF_WORDS)
			return FSC_MAP_LEAF_GRANULES;
		left = leaf->bits[word] ^ flip;
	}
	return word * 64 + fsc_ctz64(left);
}

static bool leaf_test(const struct fsc_map_leaf *leaf, uint64_t bit)
{
	return leaf->bits[bit / 64] >> (bit % 64) & 1;
}

/* The leaf or marker that @granule lies under; *@level: at which level. */
static void *lookup(const struct fsc_map *map, uint64_t granule, uint32_t *level)
{
	void *p = map->root;
	uint32_t l = map->depth;

	if (granule >> fsc_map_level_shift(l)) {
		*level = FSC_MAP_MAX_DEPTH;
		return FSC_MAP_EMPTY;
	}
	while (l && !fsc_map_is_marker(p)) {
		l--;
		p = fsc_map_child(p, granule >> fsc_map_level_shift(l) & (FSC_MAP_FANOUT - 1));
	}
	*level = l;
	return p;
}

/* As fsc_map_run() for one leaf or marker, without regard to an end. */
static bool run_here(const struct fsc_map *map, uint64_t granule, uint64_t *run_end)
{
	uint32_t level, bit = granule % FSC_MAP_LEAF_GRANULES;
	void *p = lookup(map, granule, &level);
	bool present;

	if (fsc_map_is_marker(p)) {
		*run_end = (granule | (fsc_map_level_size(level) - 1)) + 1;
		return p == FSC_MAP_FULL;
	}
	present = leaf_test(p, bit);
	*run_end = granule - bit + leaf_run(p, bit, present);
	return present;
}

bool fsc_map_run(const struct fsc_map *map, uint64_t start, uint64_t end, uint64_t *run_end)
{
	uint64_t limit = fsc_min64(end, map->size), pos;
	bool present;

	*run_end = end;
	if (start >= map->size || !map->nr_set)
		return false;
	if (fsc_map_full(map)) {
		*run_end = limit;
		return true;
	}
	present = run_here(map, start, &pos);
	while (pos < limit) {
		uint64_t next;

		if (run_here(map, pos, &next) != present) {
			*run_end = pos;
			return present;
		}
		pos = next;
	}
	/* What is absent up to the size is absent behind it, too. */
	if (present)
		*run_end = limit;
	return present;
}

bool fsc_map_test(const struct fsc_map *map, uint64_t granule)
{
	uint64_t run_end;

	return fsc_map_run(map, granule, granule + 1, &run_end);
}

bool fsc_map_test_range(const struct fsc_map *map, uint64_t start, uint64_t end)
{
	uint64_t run_end;

	if (start >= end)
		return true;
	return fsc_map_run(map, start, end, &run_end) && run_end == end;
}

bool fsc_map_test_any(const struct fsc_map *map, uint64_t start, uint64_t end)
{
	uint64_t run_end;

	if (start >= end)
		return false;
	return fsc_map_run(map, start, end, &run_end) || run_end < end;
}

/* --- Changing ------------------------------------------------------------------------------- */

/* The bits of @s that lie in @word of a leaf. */
static uint64_t word_mask(struct fsc_map_span s, uint32_t word)
{
	uint64_t from = fsc_max64(s.start, word * 64ull) - word * 64ull;
	uint64_t to = fsc_min64(s.end - word * 64ull, 64);

	return (~0ull << from) & (~0ull >> (64 - to));
}

static uint32_t leaf_set(struct fsc_map_leaf *leaf, struct fsc_map_span s)
{
	uint32_t word, added = 0;

	for (word = s.start / 64; word <= (s.end - 1) / 64; word++) {
		uint64_t mask = word_mask(s, word);

		added += fsc_popcount64(mask & ~leaf->bits[word]);
		leaf->bits[word] |= mask;
	}
	leaf->nr_set += added;
	return added;
}

static uint32_t leaf_clear(struct fsc_map_leaf *leaf, struct fsc_map_span s)
{
	uint32_t word, removed = 0;

	for (word = s.start / 64; word <= (s.end - 1) / 64; word++) {
		uint64_t mask = word_mask(s, word);

		removed += fsc_popcount64(mask & leaf->bits[word]);
		leaf->bits[word] &= ~mask;
	}
	leaf->nr_set -= removed;
	return removed;
}

void fsc_map_set(struct fsc_map *map, uint64_t start, uint64_t end)
{
	uint64_t next;

	end = fsc_min64(end, map->size);
	for (; start < end; start = next) {
		uint64_t base = fsc_round_down(start, FSC_MAP_LEAF_GRANULES);
		struct fsc_map_span s;
		uint32_t level;
		void *p = lookup(map, start, &level);

		next = fsc_min64(end, base + FSC_MAP_LEAF_GRANULES);
		s.start = start - base;
		s.end = next - base;
		/* Whoever didn't pin has no claim on these bits: absent is always safe. */
		FSC_ASSERT(!fsc_map_is_marker(p));
		if (!fsc_map_is_marker(p))
			map->nr_set += leaf_set(p, s);
	}
}

static void *clear_leaf(struct fsc_map *map, void *p, struct fsc_map_span s,
			struct fsc_map_pool *pool)
{
	struct fsc_map_leaf *leaf = p;

	if (p == FSC_MAP_FULL)
		leaf = fsc_map_take_leaf(map, pool, p);
	if (!leaf) {
		map->nr_set -= FSC_MAP_LEAF_GRANULES;
		return FSC_MAP_EMPTY;
	}
	map->nr_set -= leaf_clear(leaf, s);
	return fsc_map_settle_leaf(map, leaf, pool);
}

/* What stands for subtree @p when @s of it has been cleared. */
static void *clear_sub(struct fsc_map *map, void *p, uint32_t level, struct fsc_map_span s,
		       struct fsc_map_pool *pool)
{
	struct fsc_map_node *node = p;
	uint64_t i;

	if (p == FSC_MAP_EMPTY)
		return FSC_MAP_EMPTY;
	if (p == FSC_MAP_FULL && s.start == 0 && s.end == fsc_map_level_size(level)) {
		map->nr_set -= fsc_map_level_size(level);
		return FSC_MAP_EMPTY;
	}
	if (level == 0)
		return clear_leaf(map, p, s, pool);
	if (p == FSC_MAP_FULL) {
		node = fsc_map_take_node(map, pool, FSC_MAP_FULL);
		if (!node) {
			map->nr_set -= fsc_map_level_size(level);
			return FSC_MAP_EMPTY;
		}
	}
	for (i = fsc_map_first_child(s, level); i <= fsc_map_last_child(s, level); i++)
		node->child[i] = clear_sub(map, node->child[i], level - 1,
					   fsc_map_child_span(s, level, i), pool);
	return fsc_map_settle_node(map, node, pool);
}

static void clear_tree(struct fsc_map *map, uint64_t start, uint64_t end,
		       struct fsc_map_pool *pool)
{
	struct fsc_map_span s = { start, fsc_min64(end, fsc_map_level_size(map->depth)) };

	if (s.start < s.end)
		map->root = clear_sub(map, map->root, map->depth, s, pool);
}

/*
 * Before a map that is all present without a tree becomes one that isn't: make the tree, of which
 * FULL may not reach beyond the size. For this moment the tree is wholly full.
 */
void fsc_map_unfold(struct fsc_map *map, struct fsc_map_pool *pool)
{
	if (map->root != FSC_MAP_FULL || !fsc_map_full(map))
		return;
	map->depth = fsc_map_depth_for(map->size);
	map->nr_set = fsc_map_level_size(map->depth);
	clear_tree(map, map->size, map->nr_set, pool);
}

void fsc_map_clear(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool)
{
	end = fsc_min64(end, map->size);
	if (start >= end)
		return;
	if (map->root == FSC_MAP_FULL && start == 0 && end == map->size) {
		/* Spares the blocks for a tree that would be empty. */
		map->root = FSC_MAP_EMPTY;
		map->nr_set = 0;
	}
	fsc_map_unfold(map, pool);
	clear_tree(map, start, end, pool);
	fsc_map_settle(map, pool);
}

void fsc_map_resize(struct fsc_map *map, uint64_t size, struct fsc_map_pool *pool)
{
	FSC_ASSERT(size <= FSC_MAP_MAX_GRANULES);
	size = fsc_min64(size, FSC_MAP_MAX_GRANULES);
	if (size > map->size) {
		fsc_map_unfold(map, pool);
	} else if (!map->pins && fsc_map_test_range(map, 0, size)) {
		/* What stays is all present: no path to the new end is needed. */
		drop_tree(map, pool, size ? FSC_MAP_FULL : FSC_MAP_EMPTY);
		map->nr_set = size;
	} else if (size < map->size) {
		clear_tree(map, size, map->size, pool);
	}
	map->size = size;
	fsc_map_settle(map, pool);
}

void fsc_map_clear_need(const struct fsc_map *map, struct fsc_map_need *need)
{
	/* The borders of what is cleared, and where the size cuts through an unfolded map. */
	need->leaves = 3;
	need->nodes = 3 * fsc_map_depth_for(fsc_max64(map->size, 1));
}
