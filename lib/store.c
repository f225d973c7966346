// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * store.c - writing granules into a generation: the list of stores in flight, and what a completion
 * may mark.
 *
 * What keeps this right: a store has its granules' bits clear, its memory for them pinned and its
 * place in the list before it is submitted; nothing else stores over a range in the list; whoever
 * changes data (change.c, invalidation) voids what it overlaps; and a completion marks its own
 * generation's map, only if it wrote all of it and wasn't voided.
 */
#include "bits.h"
#include "core.h"

/* --- The list ------------------------------------------------------------------------------ */

void fsc_gen_range_add(struct fsc_gen *gen, struct fsc_range *range)
{
	fsc_spin_assert_held(&gen->lock);
	range->next = gen->ranges;
	gen->ranges = range;
}

void fsc_gen_range_del(struct fsc_gen *gen, struct fsc_range *range)
{
	struct fsc_range **p = &gen->ranges;

	fsc_spin_assert_held(&gen->lock);
	while (*p && *p != range)
		p = &(*p)->next;
	FSC_ASSERT(*p);
	if (*p)
		*p = range->next;
	if (!gen->ranges && gen->closing)
		fsc_waitq_wake_all(&gen->drained);
}

bool fsc_gen_void(struct fsc_gen *gen, uint64_t start, uint64_t end)
{
	struct fsc_range *r;
	bool any = false;

	fsc_spin_assert_held(&gen->lock);
	for (r = gen->ranges; r; r = r->next) {
		if (r->start < end && start < r->end) {
			r->voided = true;
			any = true;
		}
	}
	return any;
}

/* The end of a range in the list that holds @granule, or 0. */
static uint64_t busy_until(const struct fsc_gen *gen, uint64_t granule)
{
	const struct fsc_range *r;

	for (r = gen->ranges; r; r = r->next)
		if (r->start <= granule && granule < r->end)
			return r->end;
	return 0;
}

/* Where before @end the first range behind @start begins, or @end. */
static uint64_t free_until(const struct fsc_gen *gen, uint64_t start, uint64_t end)
{
	const struct fsc_range *r;

	for (r = gen->ranges; r; r = r->next)
		if (r->start > start && r->start < end)
			end = r->start;
	return end;
}

/* --- Before ---------------------------------------------------------------------------------- */

/* The first run in [*start, *end) that is absent and not being stored. */
static int first_run(struct fsc_gen *gen, uint64_t *start, uint64_t *end)
{
	uint64_t at = *start, run, busy;
	int err = -ENODATA;

	while (at < *end) {
		busy = busy_until(gen, at);
		if (busy) {
			err = -EBUSY;
			at = busy;
		} else if (fsc_map_run(&gen->map, at, *end, &run)) {
			at = run;
		} else {
			*start = at;
			*end = free_until(gen, at, run);
			return 0;
		}
	}
	return err;
}

static int claim(struct fsc_gio *gio, bool local, struct fsc_map_pool *pool,
		 struct fsc_map_need *need)
{
	struct fsc_gen *gen = gio->gen;
	uint64_t start = gio->pos >> FSC_GRANULE_SHIFT;
	uint64_t end = (gio->pos + gio->buf.len) >> FSC_GRANULE_SHIFT;
	int err;

	if (!gen->is_current || gen->change != gio->change)
		return -ESTALE;
	/* The server may have been read before it had what is being written. */
	if (!local && gen->writes)
		return -ESTALE;
	end = fsc_min64(end, gen->map.size);
	if (start >= end)
		return -ENOBUFS;
	err = first_run(gen, &start, &end);
	if (err)
		return err;
	if (!fsc_map_pin(&gen->map, start, end, pool, need))
		return -EAGAIN;
	gio->range.start = start;
	gio->range.end = end;
	gio->range.voided = false;
	gio->range.local = local;
	fsc_gen_range_add(gen, &gio->range);
	return 0;
}

static void trim(struct fsc_gio *gio)
{
	uint64_t start = gio->range.start << FSC_GRANULE_SHIFT;

	gio->buf.off += (size_t)(start - gio->pos);
	gio->buf.len = (size_t)((gio->range.end - gio->range.start) << FSC_GRANULE_SHIFT);
	gio->pos = start;
}

static void unclaim(struct fsc_gio *gio, bool store_failed)
{
	struct fsc_gen *gen = gio->gen;
	struct fsc_map_pool pool = { 0 };
	unsigned long irq = fsc_spin_lock(&gen->lock);

	fsc_gen_range_del(gen, &gio->range);
	fsc_map_unpin(&gen->map, gio->range.start, gio->range.end, &pool);
	if (store_failed) {
		gen->pristine = false;
		gen->miscounted = true; /* a part may have been written */
	}
	fsc_spin_unlock(&gen->lock, irq);
	fsc_pool_free(gen->cache, &pool);
}

/* What the prepares of both kinds of store end in: gio->change is what it was sampled as. */
int fsc_gen_store_begin(struct fsc_gio *gio, bool local)
{
	struct fsc_gen *gen = gio->gen;
	struct fsc_map_pool pool = { 0 };
	struct fsc_map_need need;
	unsigned long irq;
	int err;

	do {
		irq = fsc_spin_lock(&gen->lock);
		err = claim(gio, local, &pool, &need);
		fsc_spin_unlock(&gen->lock, irq);
	} while (err == -EAGAIN && !(err = fsc_pool_fill(gen->cache, &pool, &need)));
	fsc_pool_free(gen->cache, &pool);
	if (err == -ENOMEM)
		fsc_cache_error(gen->cache, err, "memory for a content map");
	if (err)
		return err;
	trim(gio);
	err = fsc_space_take(gen->cache, gio->buf.len);
	if (err) {
		fsc_cache_error(gen->cache, err, "storing");
		unclaim(gio, false);
		return err;
	}
	err = fsc_gen_file(gen, &gio->io.file);
	if (err)
		fsc_gen_store_cancel(gio);
	return err;
}

void fsc_gen_sample(struct fsc_gio *gio)
{
	gio->change = fsc_gen_change(gio->gen);
}

int fsc_gen_store_prepare(struct fsc_gio *gio)
{
	FSC_ASSERT(!((gio->pos | gio->buf.len) & (FSC_GRANULE_SIZE - 1)));
	if (!fsc_cache_is_online(gio->gen->cache) || fsc_gen_settle(gio->gen))
		return -ENOBUFS;
	return fsc_gen_store_begin(gio, false);
}

/* --- Store and after ------------------------------------------------------------------------- */

void fsc_gen_store_cancel(struct fsc_gio *gio)
{
	fsc_space_give(gio->gen->cache, gio->buf.len);
	unclaim(gio, false);
}

/* True if the granules are marked. */
static bool mark(struct fsc_gio *gio, struct fsc_map_pool *pool, bool hole, uint64_t bytes)
{
	struct fsc_gen *gen = gio->gen;
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool good = !gio->range.voided && gen->is_current;

	if (good) {
		fsc_map_set(&gen->map, gio->range.start, gio->range.end);
		gen->unsaved = true;
		gen->overwrote = gen->overwrote || !gen->pristine;
	} else {
		/* Blocks lie there now that no bit tells of. */
		gen->pristine = false;
	}
	if (!hole)
		gen->charge += bytes;
	/* Perhaps there were blocks, and the filesystem may need some to find them. */
	gen->miscounted = gen->miscounted || !hole || !gen->pristine;
	fsc_gen_range_del(gen, &gio->range);
	fsc_map_unpin(&gen->map, gio->range.start, gio->range.end, pool);
	fsc_spin_unlock(&gen->lock, irq);
	return good;
}

static void stored(struct fsc_gio *gio, bool hole)
{
	struct fsc_gen *gen = gio->gen;
	struct fsc_map_pool pool = { 0 };
	uint64_t bytes = (gio->range.end - gio->range.start) << FSC_GRANULE_SHIFT;
	bool good = mark(gio, &pool, hole, bytes);

	fsc_pool_free(gen->cache, &pool);
	if (hole)
		fsc_space_give(gen->cache, bytes);
	if (good) {
		fsc_stat_add(gen->cache, FSC_STAT_CACHE_WRITES, 1);
		fsc_stat_add(gen->cache, FSC_STAT_CACHE_WRITE_BYTES, (int64_t)bytes);
		fsc_gen_dirty(gen);
	}
	fsc_cache_worked(gen->cache);
	gio->done(gio, good ? (int64_t)bytes : -ESTALE);
}

static void store_failed(struct fsc_gio *gio, int err)
{
	fsc_cache_error(gio->gen->cache, err, "writing a backing file");
	fsc_space_give(gio->gen->cache, gio->buf.len);
	unclaim(gio, true);
	if (fsc_is_fault(err))
		fsc_gen_expire(gio->gen);
	gio->done(gio, err);
}

/* The rest may have to go into a block that what came before has filled: that is overwriting, which
 * no filesystem keeps in order with what is set later. */
static void cut_short(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->pristine = false;
	fsc_spin_unlock(&gen->lock, irq);
}

static void store_done(struct fsc_io *io, int64_t ret)
{
	struct fsc_gio *gio = fsc_container_of(io, struct fsc_gio, io);
	size_t n;

	if (ret < 0) {
		store_failed(gio, (int)ret);
		return;
	}
	n = (size_t)fsc_round_down((uint64_t)ret, gio->gen->cache->be->io_align);
	if (n >= io->buf.len) {
		stored(gio, false);
		return;
	}
	if (!n) {
		store_failed(gio, -EIO);
		return;
	}
	cut_short(gio->gen);
	io->flags &= ~FSC_IO_MAY_BLOCK; /* this is a completion */
	io->pos += n;
	io->buf.off += n;
	io->buf.len -= n;
	gio->gen->cache->be->ops->write(io);
}

void fsc_gen_store(struct fsc_gio *gio)
{
	gio->io.pos = gio->pos;
	gio->io.buf = gio->buf;
	gio->io.flags = gio->flags;
	gio->io.done = store_done;
	gio->gen->cache->be->ops->write(&gio->io);
}

void fsc_gen_store_zero(struct fsc_gio *gio)
{
	struct fsc_gen *gen = gio->gen;
	unsigned long irq = fsc_spin_lock(&gen->lock);
	/* A voided store goes the same way: it marks nothing, and wrote nothing. */
	bool hole = gen->pristine;

	fsc_spin_unlock(&gen->lock, irq);
	if (hole)
		stored(gio, true);
	else
		fsc_gen_store(gio);
}
