// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mappin.c - memory for bits before they are set: pinning and unpinning leaves of a content map.
 *
 * The only calls that may be refused for want of memory, so they count first and build after.
 */
#include "maptree.h"

/* Blocks at @level (0: leaves) that @s touches. */
static uint32_t blocks_at(struct fsc_map_span s, uint32_t level)
{
	unsigned int shift = fsc_map_level_shift(level);

	return (uint32_t)(((s.end - 1) >> shift) - (s.start >> shift) + 1);
}

static void need_sub(const void *p, uint32_t level, struct fsc_map_span s,
		     struct fsc_map_need *need)
{
	const struct fsc_map_node *node = p;
	uint64_t i;
	uint32_t l;

	if (fsc_map_is_marker(p)) {
		need->leaves += blocks_at(s, 0);
		for (l = 1; l <= level; l++)
			need->nodes += blocks_at(s, l);
	} else if (level) {
		for (i = fsc_map_first_child(s, level); i <= fsc_map_last_child(s, level); i++)
			need_sub(node->child[i], level - 1, fsc_map_child_span(s, level, i), need);
	}
}

/* What pinning @s takes, with a tree that has to become @depth deep. */
static void count_need(const struct fsc_map *map, struct fsc_map_span s, uint32_t depth,
		       struct fsc_map_need *need)
{
	struct fsc_map_span inside = s, outside = s;
	uint32_t l;

	need->leaves = 0;
	need->nodes = 0;
	if (map->root == FSC_MAP_EMPTY || depth == map->depth) {
		need_sub(map->root, depth, s, need);
		return;
	}
	inside.end = fsc_min64(s.end, fsc_map_level_size(map->depth));
	outside.start = fsc_max64(s.start, fsc_map_level_size(map->depth));
	if (inside.start < inside.end)
		need_sub(map->root, map->depth, inside, need);
	need_sub(FSC_MAP_EMPTY, depth, outside, need);
	/* The new levels above the root, unless just counted for being above @outside as well. */
	for (l = map->depth + 1; l <= depth; l++)
		if (outside.start >> fsc_map_level_shift(l))
			need->nodes++;
}

/* Put nodes above the root until the tree is @depth deep; the pool has enough. */
static void deepen(struct fsc_map *map, uint32_t depth, struct fsc_map_pool *pool)
{
	for (; map->depth < depth; map->depth++) {
		struct fsc_map_node *node;

		if (map->root == FSC_MAP_EMPTY)
			continue;
		node = fsc_map_take_node(map, pool, FSC_MAP_EMPTY);
		node->child[0] = map->root;
		map->root = node;
	}
}

static void *pin_sub(struct fsc_map *map, void *p, uint32_t level, struct fsc_map_span s,
		     struct fsc_map_pool *pool)
{
	struct fsc_map_node *node;
	uint64_t i;

	if (level == 0) {
		struct fsc_map_leaf *leaf = p;

		if (fsc_map_is_marker(p))
			leaf = fsc_map_take_leaf(map, pool, p);
		leaf->pins++;
		map->pins++;
		return leaf;
	}
	node = fsc_map_is_marker(p) ? fsc_map_take_node(map, pool, p) : p;
	for (i = fsc_map_first_child(s, level); i <= fsc_map_last_child(s, level); i++)
		node->child[i] = pin_sub(map, node->child[i], level - 1,
					 fsc_map_child_span(s, level, i), pool);
	return node;
}

bool fsc_map_pin(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool,
		 struct fsc_map_need *need)
{
	struct fsc_map_span s = { start, fsc_min64(end, FSC_MAP_MAX_GRANULES) };
	uint32_t depth;

	need->leaves = 0;
	need->nodes = 0;
	if (s.start >= s.end)
		return true;
	FSC_ASSERT(end <= map->size && !fsc_map_test_any(map, start, end));
	fsc_map_unfold(map, pool);
	depth = fsc_map_depth_for(fsc_max64(s.end, fsc_map_level_size(map->depth)));
	count_need(map, s, depth, need);
	if (need->leaves > pool->nr_leaves || need->nodes > pool->nr_nodes) {
		need->leaves -= (uint32_t)fsc_min64(need->leaves, pool->nr_leaves);
		need->nodes -= (uint32_t)fsc_min64(need->nodes, pool->nr_nodes);
		return false;
	}
	deepen(map, depth, pool);
	map->root = pin_sub(map, map->root, map->depth, s, pool);
	return true;
}

static void *unpin_sub(struct fsc_map *map, void *p, uint32_t level, struct fsc_map_span s,
		       struct fsc_map_pool *pool)
{
	struct fsc_map_node *node = p;
	uint64_t i;

	FSC_ASSERT(!fsc_map_is_marker(p));
	if (fsc_map_is_marker(p))
		return p;
	if (level == 0) {
		struct fsc_map_leaf *leaf = p;

		FSC_ASSERT(leaf->pins);
		leaf->pins--;
		map->pins--;
		return fsc_map_settle_leaf(map, leaf, pool);
	}
	for (i = fsc_map_first_child(s, level); i <= fsc_map_last_child(s, level); i++)
		node->child[i] = unpin_sub(map, node->child[i], level - 1,
					   fsc_map_child_span(s, level, i), pool);
	return fsc_map_settle_node(map, node, pool);
}

void fsc_map_unpin(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool)
{
	struct fsc_map_span s = { start, fsc_min64(end, fsc_map_level_size(map->depth)) };

	FSC_ASSERT(end <= fsc_map_level_size(map->depth) || start >= end);
	if (s.start >= s.end)
		return;
	map->root = unpin_sub(map, map->root, map->depth, s, pool);
	fsc_map_settle(map, pool);
}
