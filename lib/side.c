/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * side.c - what the userspace rooms keep per cache: making and ending it, and the pool of buffers.
 *
 * Memory for transfers can only be had by who may sleep, but reads begin and end anywhere. So what
 * was allocated once stays here, up to the limit for downloads, and who finds nothing and may not
 * sleep comes again from a work item.
 */
#include "cookie.h"

/* Of the long ones the limit should have room for so many. */
#define CHUNKS_LEAST 16

static const size_t class_size[FSC_BUFFER_CLASSES] = { 16u << 10, 64u << 10, FSC_CHUNK,
							     FSC_CHUNK_MOST };

static void side_free(struct fsc_cache *cache)
{
	void **slot = fsc_cache_readside(cache);
	struct fsc_side *side = *slot;

	if (!side)
		return;
	*slot = NULL;
	/* Every volume is gone, and with it every request and store that could hold one. */
	FSC_ASSERT(side->lent == 0 && side->nr_open == 0);
	side->max_bytes = 0;
	fsc_iobuf_trim(side);
	fsc_spin_destroy(&side->lock);
	fsc_free(side);
}

struct fsc_side *fsc_side_of(struct fsc_cache *cache)
{
	void **slot = fsc_cache_readside(cache);
	struct fsc_side *side, *mine;
	unsigned long irq;

	mine = fsc_zalloc_nowait(sizeof(*mine));
	if (!mine)
		return NULL;
	mine->cache = cache;
	mine->max_files = fsc_cache_max_files(cache);
	mine->max_bytes = fsc_cache_max_keep_bytes(cache);
	mine->chunk = mine->max_bytes / FSC_CHUNK_MOST < CHUNKS_LEAST ? FSC_CHUNK : FSC_CHUNK_MOST;
	fsc_list_init(&mine->idle);
	fsc_list_init(&mine->busy);
	fsc_list_init(&mine->hungry);
	fsc_spin_init(&mine->lock, "side");

	/* Two volumes may get their first cookie at once. */
	irq = fsc_spin_lock(&cache->space_lock);
	side = *slot;
	if (!side) {
		side = *slot = mine;
		*fsc_cache_readside_free_fn(cache) = side_free;
	}
	fsc_spin_unlock(&cache->space_lock, irq);
	if (side != mine) {
		fsc_spin_destroy(&mine->lock);
		fsc_free(mine);
	}
	return side;
}

/* The smallest spare one that is large enough, or NULL. */
static void *take_spare(struct fsc_side *side, size_t size, size_t *got)
{
	for (int i = 0; i < FSC_BUFFER_CLASSES; i++) {
		void *mem = side->spare[i];

		if (class_size[i] < size || !mem)
			continue;
		side->spare[i] = *(void **)mem;
		side->spare_bytes -= class_size[i];
		*got = class_size[i];
		return mem;
	}
	return NULL;
}

static size_t size_for(size_t size)
{
	int i = 0;

	while (i < FSC_BUFFER_CLASSES - 1 && class_size[i] < size)
		i++;
	return class_size[i];
}

static int take(struct fsc_side *side, size_t size, enum fsc_iobuf_use use,
		struct fsc_iobuf *out)
{
	uint64_t max = use == FSC_USE_AHEAD ? side->max_bytes / 2 : side->max_bytes;
	unsigned long irq = fsc_spin_lock(&side->lock);
	int ret = 0;

	/* By the size asked for, not the spare one's: else large spares would use the limit up. */
	if (out->keep && side->kept_bytes + size_for(size) > max)
		ret = -ENOBUFS;
	else
		out->mem = take_spare(side, size, &out->size);
	if (!ret && !out->mem)
		ret = -EAGAIN;
	if (!ret) {
		side->lent++;
		side->kept_bytes += out->keep ? out->size : 0;
	}
	fsc_spin_unlock(&side->lock, irq);
	return ret;
}

int fsc_iobuf_get(struct fsc_side *side, size_t size, enum fsc_iobuf_use use, bool can_wait,
		  struct fsc_iobuf *out)
{
	unsigned long irq;
	int ret;

	FSC_ASSERT(size <= FSC_CHUNK_MOST);
	out->keep = use != FSC_USE_BOUNCE;
	out->mem = NULL;
	ret = take(side, size, use, out);
	if (ret != -EAGAIN || !can_wait)
		return ret;

	out->size = size_for(size);
	out->mem = fsc_io_alloc(out->size);
	if (!out->mem)
		return -ENOMEM;
	irq = fsc_spin_lock(&side->lock);
	side->lent++;
	side->kept_bytes += out->keep ? out->size : 0;
	fsc_spin_unlock(&side->lock, irq);
	return 0;
}

/* --- And back --------------------------------------------------------------------------------- */

static void not_kept_any_more(struct fsc_side *side, struct fsc_iobuf *buf)
{
	struct fsc_list *node;

	fsc_spin_assert_held(&side->lock);
	if (!buf->keep)
		return;
	buf->keep = false;
	side->kept_bytes -= buf->size;
	while ((node = fsc_list_pop(&side->hungry)))
		fsc_work_queue(fsc_cache_workq(side->cache),
			       fsc_container_of(node, struct fsc_looker, node)->resume, 0);
}

void fsc_iobuf_kept(struct fsc_side *side, struct fsc_iobuf *buf)
{
	unsigned long irq = fsc_spin_lock(&side->lock);

	not_kept_any_more(side, buf);
	fsc_spin_unlock(&side->lock, irq);
}

void fsc_iobuf_put(struct fsc_side *side, struct fsc_iobuf *buf)
{
	unsigned long irq;
	int i = 0;

	if (!buf->mem)
		return;
	while (class_size[i] != buf->size)
		i++;
	irq = fsc_spin_lock(&side->lock);
	*(void **)buf->mem = side->spare[i];
	side->spare[i] = buf->mem;
	side->spare_bytes += buf->size;
	not_kept_any_more(side, buf);
	side->lent--;
	fsc_spin_unlock(&side->lock, irq);
	buf->mem = NULL;
}

void fsc_iobuf_trim(struct fsc_side *side)
{
	for (;;) {
		unsigned long irq = fsc_spin_lock(&side->lock);
		void *mem = NULL;
		size_t size = 0;

		if (side->spare_bytes > side->max_bytes)
			mem = take_spare(side, 1, &size);
		fsc_spin_unlock(&side->lock, irq);
		if (!mem)
			return;
		fsc_io_free(mem, size);
	}
}

/* --- Waiting for some ------------------------------------------------------------------------- */

bool fsc_iobuf_may_come(const struct fsc_side *side, size_t size)
{
	return size_for(size) <= side->max_bytes;
}

bool fsc_iobuf_wait(struct fsc_side *side, struct fsc_looker *looker)
{
	unsigned long irq = fsc_spin_lock(&side->lock);
	bool wait = side->kept_bytes && side->kept_bytes + side->chunk > side->max_bytes &&
		    !fsc_load_acquire(looker->stop);

	if (wait)
		fsc_list_add_tail(&side->hungry, &looker->node);
	fsc_spin_unlock(&side->lock, irq);
	return wait;
}

void fsc_iobuf_unwait(struct fsc_side *side, struct fsc_looker *looker)
{
	unsigned long irq = fsc_spin_lock(&side->lock);

	if (!fsc_list_empty(&looker->node)) {
		fsc_list_del(&looker->node);
		fsc_work_queue(fsc_cache_workq(side->cache), looker->resume, 0);
	}
	fsc_spin_unlock(&side->lock, irq);
}
