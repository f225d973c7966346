// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mapmem.c - memory for content maps: allocated and freed outside the generation's lock, within
 * the cache's limit.
 */
#include "core.h"

static bool within_limit(struct fsc_cache *cache, size_t more)
{
	return (uint64_t)fsc_count_read(&cache->map_bytes) + more <= cache->params.max_map_bytes;
}

static void *new_block(struct fsc_cache *cache, size_t size)
{
	void *mem = within_limit(cache, size) ? fsc_zalloc(size) : NULL;

	if (mem)
		fsc_count_add(&cache->map_bytes, (int64_t)size);
	return mem;
}

static bool add_leaf(struct fsc_cache *cache, struct fsc_map_pool *pool)
{
	void *mem = new_block(cache, fsc_map_leaf_size());

	if (mem)
		fsc_map_pool_add_leaf(pool, mem);
	return mem;
}

static bool add_node(struct fsc_cache *cache, struct fsc_map_pool *pool)
{
	void *mem = new_block(cache, fsc_map_node_size());

	if (mem)
		fsc_map_pool_add_node(pool, mem);
	return mem;
}

int fsc_pool_fill(struct fsc_cache *cache, struct fsc_map_pool *pool,
		  const struct fsc_map_need *need)
{
	uint32_t i;

	for (i = 0; i < need->leaves; i++)
		if (!add_leaf(cache, pool))
			return -ENOMEM;
	for (i = 0; i < need->nodes; i++)
		if (!add_node(cache, pool))
			return -ENOMEM;
	return 0;
}

/* Best effort: without them a clear gives up more than it was asked to, which is safe. */
void fsc_pool_fill_clear(struct fsc_gen *gen, struct fsc_map_pool *pool)
{
	struct fsc_map_need need;
	unsigned long irq;

	/* It depends on the map's size alone, which the mutex keeps. */
	fsc_mutex_assert_held(&gen->save_mutex);
	irq = fsc_spin_lock(&gen->lock);
	fsc_map_clear_need(&gen->map, &need);
	fsc_spin_unlock(&gen->lock, irq);
	fsc_pool_fill(gen->cache, pool, &need);
}

void fsc_pool_free(struct fsc_cache *cache, struct fsc_map_pool *pool)
{
	size_t size;
	void *mem;

	while ((mem = fsc_map_pool_take(pool, &size))) {
		fsc_count_add(&cache->map_bytes, -(int64_t)size);
		fsc_free(mem);
	}
}
