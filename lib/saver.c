// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * saver.c - once a second, while anything is unsaved: save it, and make it durable with as few
 * syncs as the filesystem allows.
 *
 * On an ordered filesystem one fsync of the file saved last commits the log for all of them. On a
 * strict one each is synced by itself, but here, not while somebody waits.
 */
#include "core.h"

/* So many files may be held open just to be synced later. */
#define MAX_SYNC_PENDING 16

static void queue_saver(struct fsc_cache *cache)
{
	if (!fsc_load_acquire(&cache->closing))
		fsc_work_queue(cache->wq, &cache->saver, cache->params.save_ms);
}

/* True if it is in the list now and wasn't. dirty_lock. */
static bool list_gen(struct fsc_gen *gen)
{
	if (!fsc_list_empty(&gen->in_dirty))
		return false;
	fsc_gen_get(gen);
	fsc_list_add_tail(&gen->cache->dirty, &gen->in_dirty);
	return true;
}

void fsc_gen_dirty(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);
	bool first = list_gen(gen);

	fsc_spin_unlock(&cache->dirty_lock, irq);
	if (first)
		queue_saver(cache);
}

static bool note_strict(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);
	bool noted = gen->sync_pending;

	if (!noted && cache->nr_sync_pending < MAX_SYNC_PENDING) {
		gen->sync_pending = true;
		cache->nr_sync_pending++;
		list_gen(gen);
		noted = true;
	}
	fsc_spin_unlock(&cache->dirty_lock, irq);
	return noted;
}

void fsc_saver_note(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	struct fsc_gen *before;
	unsigned long irq;

	if (!cache->syncs)
		return;
	if (cache->kind == FSC_FS_STRICT) {
		if (!note_strict(gen))
			cache->be->ops->sync(gen->file, false);
		queue_saver(cache);
		return;
	}
	fsc_gen_get(gen);
	irq = fsc_spin_lock(&cache->dirty_lock);
	before = cache->last_saved;
	cache->last_saved = gen;
	fsc_spin_unlock(&cache->dirty_lock, irq);
	fsc_gen_put_wait(before);
	if (!before)
		queue_saver(cache);
}

/* Saved, and to be saved no more: the list's reference would hold the file open for nothing. */
void fsc_saver_forget(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);
	bool listed = !fsc_list_empty(&gen->in_dirty) && !gen->sync_pending;

	if (listed)
		fsc_list_del(&gen->in_dirty);
	fsc_spin_unlock(&cache->dirty_lock, irq);
	if (listed)
		fsc_gen_put_wait(gen);
}

static void splice(struct fsc_cache *cache, struct fsc_list *to)
{
	struct fsc_list *node;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);

	while ((node = fsc_list_pop(&cache->dirty)))
		fsc_list_add_tail(to, node);
	fsc_spin_unlock(&cache->dirty_lock, irq);
}

/* Takes it out of the list before it is saved: what is stored from then on lists it anew. */
static struct fsc_gen *take(struct fsc_cache *cache, struct fsc_list *from, bool *sync)
{
	struct fsc_gen *gen = NULL;
	struct fsc_list *node;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);

	node = fsc_list_pop(from);
	if (node) {
		gen = fsc_container_of(node, struct fsc_gen, in_dirty);
		*sync = gen->sync_pending;
		if (gen->sync_pending)
			cache->nr_sync_pending--;
		gen->sync_pending = false;
	}
	fsc_spin_unlock(&cache->dirty_lock, irq);
	return gen;
}

/* Saved, or put off? */
static int save_one(struct fsc_gen *gen, bool all, bool *saved)
{
	uint64_t now = fsc_now_ms();
	bool later;
	int err = 0;

	fsc_mutex_lock(&gen->save_mutex);
	later = !all && gen->obj && gen->next_save_ms > now;
	if (!later)
		err = fsc_gen_save(gen, gen->size, 0, saved);
	later = gen->obj && (later || err) && fsc_load_acquire(&gen->is_current);
	fsc_mutex_unlock(&gen->save_mutex);
	if (later)
		fsc_gen_dirty(gen);
	return err;
}

static int sync_one(struct fsc_cache *cache, struct fsc_gen *gen)
{
	int err = cache->be->ops->sync(gen->file, false);

	if (err)
		fsc_cache_error(cache, err, "syncing an object");
	return err;
}

static struct fsc_gen *take_last(struct fsc_cache *cache)
{
	struct fsc_gen *gen;
	unsigned long irq = fsc_spin_lock(&cache->dirty_lock);

	gen = cache->last_saved;
	cache->last_saved = NULL;
	fsc_spin_unlock(&cache->dirty_lock, irq);
	return gen;
}

static int save_all(struct fsc_cache *cache, bool all, struct fsc_gen **last)
{
	struct fsc_list list;
	struct fsc_gen *gen;
	bool saved, sync;
	int err, first = 0;

	fsc_list_init(&list);
	splice(cache, &list);
	while ((gen = take(cache, &list, &sync))) {
		saved = false;
		err = save_one(gen, all, &saved);
		if ((saved || sync) && cache->syncs && cache->kind == FSC_FS_STRICT)
			err = err ? err : sync_one(cache, gen);
		if (err && !first)
			first = err;
		if (saved && cache->syncs && cache->kind == FSC_FS_ORDERED) {
			fsc_gen_put_wait(*last);
			*last = gen;
		} else {
			fsc_gen_put_wait(gen);
		}
	}
	return first;
}

int fsc_saver_pass(struct fsc_cache *cache, bool all)
{
	struct fsc_gen *last;
	int err, serr = 0;

	fsc_mutex_lock(&cache->saver_mutex);
	last = take_last(cache);
	err = save_all(cache, all, &last);
	if (last && fsc_cache_is_online(cache))
		serr = sync_one(cache, last);
	fsc_gen_put_wait(last);
	fsc_mutex_unlock(&cache->saver_mutex);
	return err ? err : serr;
}

void fsc_saver_work(struct fsc_work *work)
{
	fsc_saver_pass(fsc_container_of(work, struct fsc_cache, saver), false);
}
