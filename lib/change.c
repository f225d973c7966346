// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * change.c - what alters data that may be present: local writes, punches, resizes, and the end of a
 * modifying use.
 *
 * All go the same way. In one hold of the spinlock the bits are cleared, the change is counted and
 * the stores that overlap are voided (I2); then what is stored is made to say no more than that
 * (I4, I9); only then are data touched. The save mutex is held from the first to the last, so no
 * older snapshot is stored over the clear.
 */
#include "bits.h"
#include "core.h"

struct change {
	struct fsc_gen *gen;
	uint64_t start, end; /* granules */
	struct fsc_map_pool pool;
	struct fsc_range hold; /* keeps stores out while data go */
};

static void change_begin(struct change *c, struct fsc_gen *gen, uint64_t start, uint64_t end)
{
	memset(c, 0, sizeof(*c));
	c->gen = gen;
	c->start = start;
	c->end = end;
	fsc_mutex_lock(&gen->save_mutex);
	/* Without memory a clear gives up more than it needs to. */
	fsc_pool_fill_clear(gen, &c->pool);
}

static void change_end(struct change *c)
{
	fsc_mutex_unlock(&c->gen->save_mutex);
	fsc_pool_free(c->gen->cache, &c->pool);
}

/* The one hold of the lock. False: no longer current, nothing is to be done. */
static bool forget(struct change *c, bool local, bool hold)
{
	struct fsc_gen *gen = c->gen;
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool was_current = gen->is_current;
	uint64_t end = fsc_min64(c->end, gen->map.size);

	gen->change++;
	fsc_gen_void(gen, c->start, c->end);
	if (c->start < end)
		fsc_map_clear(&gen->map, c->start, end, &c->pool);
	gen->pristine = false;
	gen->miscounted = true;
	gen->unsaved = true;
	if (local) {
		gen->modified = true;
		gen->writes++;
	}
	if (hold) {
		c->hold.start = c->start;
		c->hold.end = c->end;
		c->hold.voided = true;
		fsc_gen_range_add(gen, &c->hold);
	}
	fsc_spin_unlock(&gen->lock, irq);
	return was_current;
}

static void release(struct change *c)
{
	unsigned long irq = fsc_spin_lock(&c->gen->lock);

	fsc_gen_range_del(c->gen, &c->hold);
	fsc_spin_unlock(&c->gen->lock, irq);
}

/* --- Local writes ---------------------------------------------------------------------------- */

/* From here on a crash leaves an object that is discarded at look-up: durably so before anything
 * that a durable value may declare is overwritten (I7). */
static int store_mark(struct fsc_gen *gen)
{
	int err = 0;

	if (!gen->stored_bits)
		err = fsc_gen_bury_past(gen);
	if (err || !gen->stored)
		return err;
	if (!gen->stored_mark)
		err = fsc_gen_save(gen, gen->size, FSC_SAVE_ALWAYS | FSC_SAVE_NO_SLOT, NULL);
	if (!err && !gen->stored_mark)
		err = -ENOBUFS;
	/* Also where the mark was stored before, by somebody who overwrites nothing. */
	if (!err && gen->stored_bits)
		err = fsc_gen_save_sync(gen);
	return err;
}

/* @gen is lent and stays as it is. The write is counted here all the same, for its answer. */
static void write_supersedes(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->writes++;
	fsc_spin_unlock(&gen->lock, irq);
	fsc_gen_supersede(gen, gen->size);
}

static void trim_to_whole(struct fsc_gio *gio)
{
	uint64_t start = fsc_round_up(gio->pos, FSC_GRANULE_SIZE);
	uint64_t end = fsc_round_down(gio->pos + gio->buf.len, FSC_GRANULE_SIZE);

	if (end < start)
		end = start;
	gio->buf.off += (size_t)(start - gio->pos);
	gio->buf.len = (size_t)(end - start);
	gio->pos = start;
}

int fsc_gen_write_prepare(struct fsc_gio *gio, bool keep)
{
	struct fsc_gen *gen = gio->gen;
	struct change c;
	int err = -ENOBUFS;

	change_begin(&c, gen, gio->pos >> FSC_GRANULE_SHIFT,
		     fsc_granules(gio->pos + gio->buf.len));
	if (fsc_gen_is_lent(gen)) {
		write_supersedes(gen);
		change_end(&c);
		return -ENOBUFS;
	}
	if (!forget(&c, true, false) || !fsc_cache_is_online(gen->cache))
		keep = false;
	if (keep)
		err = store_mark(gen);
	/* Without the mark the stored value itself must not declare what was cleared. */
	if (!keep || err)
		fsc_gen_undeclare(gen, gen->size);
	gio->change = fsc_gen_change(gen);
	change_end(&c);
	if (!keep || err)
		return -ENOBUFS;
	trim_to_whole(gio);
	if (!gio->buf.len)
		return -ENOBUFS;
	return fsc_gen_store_begin(gio, true) ? -ENOBUFS : 0;
}

void fsc_gen_write(struct fsc_gio *gio)
{
	fsc_gen_store(gio);
}

void fsc_gen_write_answered(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	FSC_ASSERT(gen->writes);
	gen->change++;
	if (gen->writes)
		gen->writes--;
	fsc_spin_unlock(&gen->lock, irq);
}

/* --- Punch ----------------------------------------------------------------------------------- */

static int punch(struct fsc_gen *gen, uint64_t start, uint64_t end)
{
	struct fsc_cache *cache = gen->cache;
	uint64_t pos = start << FSC_GRANULE_SHIFT;
	int err;

	end = fsc_min64(end, fsc_granules(gen->file_size));
	if (!gen->file || start >= end)
		return 0;
	fsc_space_removing(cache);
	err = cache->be->ops->punch(gen->file, pos, (end - start) << FSC_GRANULE_SHIFT);
	if (err)
		fsc_cache_error(cache, err, "punching a backing file");
	return err;
}

/* What the file occupies now, as against what was counted for it. */
static void recount(struct fsc_gen *gen)
{
	uint64_t before, after;
	struct fsc_stat st;
	unsigned long irq;

	if (!gen->file || gen->cache->be->ops->stat(gen->file, &st))
		return;
	irq = fsc_spin_lock(&gen->lock);
	before = gen->charge;
	after = fsc_min64(before, st.bytes);
	gen->charge = after;
	fsc_spin_unlock(&gen->lock, irq);
	fsc_space_freed(gen->cache, before - after);
}

int fsc_gen_clear(struct fsc_gen *gen, uint64_t pos, uint64_t len)
{
	struct change c;
	bool unsettled;
	int err;

	if (!len)
		return 0;
	len = fsc_min64(len, UINT64_MAX - pos);
	change_begin(&c, gen, pos >> FSC_GRANULE_SHIFT, fsc_granules(pos + len));
	if (fsc_gen_is_lent(gen)) {
		fsc_gen_supersede(gen, gen->size);
		change_end(&c);
		return 0;
	}
	forget(&c, false, true);
	unsettled = fsc_gen_is_unsettled(gen);
	err = fsc_gen_undeclare(gen, gen->size);
	/* Nothing is punched that the disk might still declare. */
	if (!err && fsc_load_acquire(&gen->is_current)) {
		err = punch(gen, c.start, fsc_min64(c.end, fsc_granules(gen->size)));
		/* No old blocks are left there. */
		if (!err && !unsettled)
			fsc_gen_set_unsettled(gen, false);
	}
	recount(gen);
	release(&c);
	change_end(&c);
	fsc_gen_dirty(gen);
	return err;
}

/* --- Resize ---------------------------------------------------------------------------------- */

/* The file, once what is stored speaks of the new size: without what lies beyond (old data, slots),
 * which must not turn up inside the object when it grows. */
static int resize_file(struct fsc_gen *gen, uint64_t old, uint64_t size)
{
	const struct fsc_backend_ops *ops = gen->cache->be->ops;
	uint64_t keep = fsc_round_down(fsc_min64(old, size), FSC_GRANULE_SIZE);
	unsigned long irq;
	int err = 0;

	if (!gen->file)
		return 0;
	fsc_space_removing(gen->cache);
	if (gen->file_size > keep)
		err = ops->resize(gen->file, keep);
	if (!err)
		err = ops->resize(gen->file, fsc_round_up(size, FSC_GRANULE_SIZE));
	if (err) {
		fsc_cache_error(gen->cache, err, "resizing a backing file");
		return err;
	}
	irq = fsc_spin_lock(&gen->lock);
	gen->file_size = fsc_round_up(size, FSC_GRANULE_SIZE);
	fsc_spin_unlock(&gen->lock, irq);
	return 0;
}

static void set_size(struct change *c, uint64_t size)
{
	struct fsc_gen *gen = c->gen;
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->size = size;
	fsc_map_resize(&gen->map, fsc_granules(size), &c->pool);
	gen->unsaved = true;
	fsc_spin_unlock(&gen->lock, irq);
}

/* Who sampled before the object had its size may have been told the old one. */
static void count_change(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->change++;
	fsc_spin_unlock(&gen->lock, irq);
}

static void set_object_size(struct fsc_object *obj, uint64_t size)
{
	unsigned long irq = fsc_spin_lock(&obj->lock);

	obj->size = size;
	fsc_spin_unlock(&obj->lock, irq);
}

/* save_mutex; the file's size is not that of the map until the end. */
static int resize_gen(struct fsc_object *obj, struct change *c, uint64_t size)
{
	bool unsettled = fsc_gen_is_unsettled(c->gen);
	struct fsc_gen *gen = c->gen;
	uint64_t old = gen->size;
	int err;

	/* The granule with the old end or the new one holds zeroes, or data, that are wrong now. */
	c->start = fsc_min64(old, size) >> FSC_GRANULE_SHIFT;
	c->end = UINT64_MAX >> FSC_GRANULE_SHIFT;
	forget(c, false, true);
	/* Before the object's: who was told that gets as much from a read, or nothing. And that
	 * only now: downloads that were sampled before are not padded at the new end. */
	set_size(c, size);
	set_object_size(obj, size);
	err = fsc_gen_undeclare(gen, size);
	if (!err && fsc_load_acquire(&gen->is_current))
		err = resize_file(gen, old, size);
	if (!err && !unsettled) /* no old blocks are left there */
		fsc_gen_set_unsettled(gen, false);
	gen->in_slot = false;
	count_change(gen);
	release(c);
	if (err)
		fsc_gen_expire(gen);
	return err || !fsc_load_acquire(&gen->is_current) ? -ENOBUFS : 0;
}

/* -EAGAIN: it was lent, and another has taken its place. */
static int resize_current(struct fsc_object *obj, struct fsc_gen *gen, uint64_t size)
{
	struct change c;
	int err = -EAGAIN;

	change_begin(&c, gen, 0, 0);
	if (fsc_gen_is_lent(gen))
		fsc_gen_supersede(gen, size);
	else
		err = resize_gen(obj, &c, size);
	change_end(&c);
	if (err != -EAGAIN)
		fsc_gen_dirty(gen);
	return err;
}

int fsc_object_resize(struct fsc_object *obj, uint64_t size)
{
	int err = -EAGAIN;
	struct fsc_gen *gen;
	unsigned long irq;

	if (size > INT64_MAX)
		return -EINVAL;
	/* First, so that no generation of the old size takes the place of a lent one any more. */
	irq = fsc_spin_lock(&obj->lock);
	obj->next_size = size;
	fsc_spin_unlock(&obj->lock, irq);
	while (err == -EAGAIN) {
		gen = fsc_object_gen(obj);
		err = gen ? resize_current(obj, gen, size) : -ENOBUFS;
		fsc_gen_put(gen);
	}
	set_object_size(obj, size);
	return err;
}

/* --- The end of a modifying use -------------------------------------------------------------- */

/* The mark may go only when nothing that it stands for is under way any more, nor came and went
 * since the counter was at @change: what the caller has proven doesn't cover that. */
static int unmark(struct fsc_gen *gen, uint64_t change, bool *was)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool busy = gen->writes != 0 || gen->change != change;
	struct fsc_range *r;

	for (r = gen->ranges; r; r = r->next)
		busy = busy || r->local;
	*was = gen->modified;
	if (!busy)
		gen->modified = false;
	fsc_spin_unlock(&gen->lock, irq);
	return busy ? -EBUSY : 0;
}

static void remark(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->modified = true;
	fsc_spin_unlock(&gen->lock, irq);
}

/* save_mutex. *@stored: there is something new to be made durable. */
static int commit_locked(struct fsc_object *obj, struct fsc_gen *gen, const struct fsc_blob *proven,
			 uint64_t change, bool *stored)
{
	uint32_t flags = 0;
	bool was = false;
	int err;

	if (proven) {
		err = unmark(gen, change, &was);
		if (err)
			return err;
		fsc_label_make(&obj->label, *proven);
		/* Data that were overwritten in place are on the disk before the mark is off it. */
		flags = was ? FSC_SAVE_DATA : 0;
		if (gen->stored)
			flags |= FSC_SAVE_ALWAYS;
	}
	err = fsc_gen_save(gen, gen->size, flags, stored);
	if (err && was)
		remark(gen);
	return err;
}

/* False: another took the place of @gen meanwhile. */
static bool commit_gen(struct fsc_object *obj, struct fsc_gen *gen, const struct fsc_blob *proven,
		       int *err)
{
	uint64_t change = fsc_gen_change(gen);
	bool stored = false, still;

	fsc_mutex_lock(&gen->save_mutex);
	still = gen->obj != NULL;
	if (still)
		*err = commit_locked(obj, gen, proven, change, &stored);
	fsc_mutex_unlock(&gen->save_mutex);
	if (stored)
		fsc_saver_note(gen);
	return still;
}

int fsc_object_commit(struct fsc_object *obj, const struct fsc_blob *proven)
{
	int err = -ENOBUFS;
	bool done = false;
	struct fsc_gen *gen;

	while (!done && (gen = fsc_object_gen(obj))) {
		done = commit_gen(obj, gen, proven, &err);
		fsc_gen_put_wait(gen);
		if (!done && proven) /* a change did that */
			return -EBUSY;
	}
	return err;
}
