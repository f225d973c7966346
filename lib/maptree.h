/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * maptree.h - the tree inside a content map: what map.c and mappin.c share and nobody else sees.
 *
 * What always holds between calls:
 *   - No bit at or beyond the size is set. So a leaf with 512 bits and a node of 64 FULL children
 *     lie below the size, and FULL never covers what a growing file is going to add.
 *   - A leaf without pins is neither empty nor full, and a node has neither 64 EMPTY nor 64 FULL
 *     children: such are collapsed into the marker by the call that made them so.
 *   - nr_set == size says that all is present. Without pins there is no tree then: the root is
 *     FULL, which for this one case also stands for a last leaf that the size cuts through.
 *   - The tree may end before the size (depth says where): what is behind it is absent. Only
 *     pinning makes the tree deeper, because only pinning may ask for memory and be refused.
 */
#ifndef FSC_MAPTREE_H
#define FSC_MAPTREE_H

#include "bits.h"
#include "map.h"

#define FSC_MAP_EMPTY NULL
#define FSC_MAP_FULL ((void *)1)

#define FSC_MAP_LEAF_WORDS (FSC_MAP_LEAF_GRANULES / 64)
#define FSC_MAP_FANOUT (1u << FSC_MAP_FANOUT_SHIFT)
#define FSC_MAP_MAX_GRANULES \
	(1ull << (FSC_MAP_LEAF_SHIFT + FSC_MAP_FANOUT_SHIFT * FSC_MAP_MAX_DEPTH))

struct fsc_map_leaf {
	uint64_t bits[FSC_MAP_LEAF_WORDS];
	uint32_t nr_set;
	uint32_t pins;
};

struct fsc_map_node {
	void *child[FSC_MAP_FANOUT];
};

static inline void *fsc_map_child(const struct fsc_map_node *node, uint64_t i)
{
	return node->child[i];
}

/* Granules [start, end), counted from the beginning of the subtree that is looked at. */
struct fsc_map_span {
	uint64_t start, end;
};

static inline bool fsc_map_is_marker(const void *p)
{
	return p == FSC_MAP_EMPTY || p == FSC_MAP_FULL;
}

/* Granules below a pointer at @level: a leaf is level 0, a child of the root level depth - 1. */
static inline unsigned int fsc_map_level_shift(uint32_t level)
{
	return FSC_MAP_LEAF_SHIFT + FSC_MAP_FANOUT_SHIFT * level;
}

static inline uint64_t fsc_map_level_size(uint32_t level)
{
	return 1ull << fsc_map_level_shift(level);
}

/* The least depth of a tree that holds @granules. */
static inline uint32_t fsc_map_depth_for(uint64_t granules)
{
	uint32_t depth = 0;

	while (fsc_map_level_size(depth) < granules && depth < FSC_MAP_MAX_DEPTH)
		depth++;
	return depth;
}

/* What of @s lies below child @i, counted from that child's beginning. */
static inline struct fsc_map_span fsc_map_child_span(struct fsc_map_span s, uint32_t level,
						     uint64_t i)
{
	uint64_t base = i << fsc_map_level_shift(level - 1);
	struct fsc_map_span sub;

	sub.start = fsc_max64(s.start, base) - base;
	sub.end = fsc_min64(s.end - base, fsc_map_level_size(level - 1));
	return sub;
}

static inline uint64_t fsc_map_first_child(struct fsc_map_span s, uint32_t level)
{
	return s.start >> fsc_map_level_shift(level - 1);
}

static inline uint64_t fsc_map_last_child(struct fsc_map_span s, uint32_t level)
{
	return (s.end - 1) >> fsc_map_level_shift(level - 1);
}

/* A leaf or node out of the pool, all of it as @marker says, or NULL. */
struct fsc_map_leaf *fsc_map_take_leaf(struct fsc_map *map, struct fsc_map_pool *pool,
				       void *marker);
struct fsc_map_node *fsc_map_take_node(struct fsc_map *map, struct fsc_map_pool *pool,
				       void *marker);

/* What should stand for a leaf or node that has changed: itself, or the marker and it goes back. */
void *fsc_map_settle_leaf(struct fsc_map *map, struct fsc_map_leaf *leaf,
			  struct fsc_map_pool *pool);
void *fsc_map_settle_node(struct fsc_map *map, struct fsc_map_node *node,
			  struct fsc_map_pool *pool);
/* After a change: a tree that only says "all" or "nothing" shrinks to that. */
void fsc_map_settle(struct fsc_map *map, struct fsc_map_pool *pool);

/* Before a map that is all present without a tree becomes one that isn't: make the tree. */
void fsc_map_unfold(struct fsc_map *map, struct fsc_map_pool *pool);

#endif
