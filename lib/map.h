/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * map.h - the content map: which granules of an object are present. Pure: no locks (the caller
 * holds the generation's spinlock) and no allocation (the caller brings blocks).
 *
 * A radix tree: leaves are bitmaps of 512 granules (2 MiB of file) under nodes of 64 pointers.
 * EMPTY and FULL stand for a child at every level, and a map that is wholly present is one flag,
 * so a wholly cached file of any size costs no memory. FULL is only used for a child all of whose
 * granules are below the map's size: so a map may grow without its end becoming present.
 *
 * Blocks are what leaves and nodes are made of. A call that may need some takes a struct
 * fsc_map_pool; what becomes free goes back into it, for the caller to free outside the lock.
 */
#ifndef FSC_MAP_H
#define FSC_MAP_H

#include "format.h"

#define FSC_MAP_LEAF_SHIFT 9
#define FSC_MAP_LEAF_GRANULES (1u << FSC_MAP_LEAF_SHIFT)
#define FSC_MAP_FANOUT_SHIFT 6
#define FSC_MAP_MAX_DEPTH 8
/* As many blocks as one clear or resize can ask for, whatever it is given: the paths to both ends
 * of what is cleared and to the map's own end. */
#define FSC_MAP_CLEAR_BLOCKS (3 * FSC_MAP_MAX_DEPTH)

struct fsc_map_leaf; /* 64 bytes of bits, a count of bits and of pins */
struct fsc_map_node; /* 64 pointers */

/* Leaves and nodes set aside. Zeroed: empty. */
struct fsc_map_pool {
	void *leaves, *nodes; /* linked through their first word */
	uint32_t nr_leaves, nr_nodes;
};

/* What a call would need beyond what the pool has. */
struct fsc_map_need {
	uint32_t leaves, nodes;
};

size_t fsc_map_leaf_size(void); /* bytes of one leaf and of one node, as given to the pool */
size_t fsc_map_node_size(void);
void fsc_map_pool_add_leaf(struct fsc_map_pool *pool, void *mem); /* @mem zeroed */
void fsc_map_pool_add_node(struct fsc_map_pool *pool, void *mem);
/* One block out of the pool, to free it, or NULL; a leaf or a node, whichever is there. *@size: its
 * bytes. */
void *fsc_map_pool_take(struct fsc_map_pool *pool, size_t *size);

struct fsc_map {
	uint64_t size;   /* granules */
	uint64_t nr_set; /* present */
	void *root;      /* a leaf (depth 0), a node, EMPTY or FULL */
	uint32_t depth;  /* node levels above the leaves; what lies behind the tree is absent */
	uint32_t leaves, nodes; /* memory: blocks in the tree */
	uint64_t pins;   /* of all leaves together */
};

void fsc_map_init(struct fsc_map *map, uint64_t size);
/* Everything back into @pool; the map is empty, of its size. No leaf may be pinned. */
void fsc_map_reset(struct fsc_map *map, struct fsc_map_pool *pool);
static inline bool fsc_map_full(const struct fsc_map *map)
{
	return map->nr_set == map->size;
}
void fsc_map_set_full(struct fsc_map *map, struct fsc_map_pool *pool); /* all present; unpinned */
size_t fsc_map_bytes(const struct fsc_map *map); /* memory in the tree */

bool fsc_map_test(const struct fsc_map *map, uint64_t granule);
/* Is @start present, and up to where, at most @end, is that the same? O(depth) for what markers
 * cover. @start < @end; at or beyond the map's size nothing is present. */
bool fsc_map_run(const struct fsc_map *map, uint64_t start, uint64_t end, uint64_t *run_end);
/* All of [start, end) present? */
bool fsc_map_test_range(const struct fsc_map *map, uint64_t start, uint64_t end);
/* Any of [start, end) present? */
bool fsc_map_test_any(const struct fsc_map *map, uint64_t start, uint64_t end);

/*
 * Memory for the bits of [start, end), below the size and none of it present: its leaves are there
 * and pinned (counted; a pinned leaf is not collapsed, and its path stays) until fsc_map_unpin()
 * with the same range. False: the pool had too little, *@need says how much must be added (at
 * least), nothing has changed; then free the lock, add, and call again.
 */
bool fsc_map_pin(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool,
		 struct fsc_map_need *need);
void fsc_map_unpin(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool);
/* Set the bits of a pinned range; those set already stay. Never allocates. */
void fsc_map_set(struct fsc_map *map, uint64_t start, uint64_t end);
/*
 * Clear [start, end). Never fails and never needs the pool: without enough blocks in it, what a
 * FULL marker covers is given up whole (declaring less is safe); with FSC_MAP_CLEAR_BLOCKS leaves
 * and nodes each it clears exactly. Pinned leaves stay.
 */
void fsc_map_clear(struct fsc_map *map, uint64_t start, uint64_t end, struct fsc_map_pool *pool);
/* Blocks with which any one clear or resize of this map, as it is now, is exact; far fewer than
 * FSC_MAP_CLEAR_BLOCKS for all but giant files. */
void fsc_map_clear_need(const struct fsc_map *map, struct fsc_map_need *need);
/* Another size. Growing adds absent granules; shrinking clears what is beyond. Blocks as for clear.
 * Leaves pinned beyond a smaller size stay pinned until their unpin, without effect. */
void fsc_map_resize(struct fsc_map *map, uint64_t size, struct fsc_map_pool *pool);

/*
 * The encoded forms. A writer is fed runs in order, from granule 0; it writes as long as there is
 * room and counts on without it. A run may be fed in pieces.
 */
struct fsc_map_writer {
	uint8_t *buf;
	size_t size;     /* of buf; may be 0: only measure */
	enum fsc_map_kind kind; /* runs or bitmap */
	uint64_t min_run;       /* runs: shorter ones are left out; 0 or 1: none are */
	size_t len;      /* bytes needed so far, written if <= size */
	uint64_t next;   /* granule that comes next */
	uint64_t gap;    /* runs: absent granules not yet written, */
	uint64_t run;    /* and present ones after them: what is fed in pieces is joined */
};

void fsc_map_writer_init(struct fsc_map_writer *w, enum fsc_map_kind kind, void *buf, size_t size,
			 uint64_t min_run);
/* The next @count granules are present, or are not. */
void fsc_map_writer_add(struct fsc_map_writer *w, bool present, uint64_t count);
/* The end: bytes needed; the value is good if that is at most @size. */
size_t fsc_map_writer_end(struct fsc_map_writer *w);
/* Bytes that a bitmap of so many granules takes. */
static inline uint64_t fsc_map_bitmap_bytes(uint64_t granules)
{
	return granules / 8 + (granules % 8 != 0);
}

/*
 * The other way: 1 and the next present run of an encoded map; 0 at its end; -EBADMSG for what is
 * no map of @granules granules (a run beyond the end, an empty run, a number too long, bits after
 * the end, bytes left over, the wrong length). Runs are checked as they are read: none may be
 * believed before all have been.
 */
struct fsc_map_reader {
	struct fsc_blob map;
	enum fsc_map_kind kind;
	uint64_t granules;
	size_t at;
	uint64_t next;
};

void fsc_map_reader_init(struct fsc_map_reader *r, enum fsc_map_kind kind, struct fsc_blob map,
			 uint64_t granules);
int fsc_map_reader_next(struct fsc_map_reader *r, uint64_t *start, uint64_t *end);

#endif
