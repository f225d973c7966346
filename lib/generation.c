// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * generation.c - one backing file with its content map: its life, and reading from it.
 *
 * A generation lives as long as somebody pins it: its object while it is current, each transfer,
 * the saver. Reads are the hot path: two short holds of the generation's own lock and nothing
 * shared with other objects but relaxed counters.
 */
#include "bits.h"
#include "core.h"

static void free_gen(struct fsc_gen *gen)
{
	struct fsc_map_pool pool = { 0 };
	struct fsc_volume *vol = gen->vol;

	FSC_ASSERT(!gen->ranges);
	if (gen->file)
		gen->cache->be->ops->file_close(gen->file);
	/* A file without a name ended with its last descriptor, and so did what it occupied. */
	if (!gen->linked)
		fsc_space_freed(gen->cache, gen->charge);
	fsc_map_reset(&gen->map, &pool);
	fsc_pool_free(gen->cache, &pool);
	fsc_mutex_destroy(&gen->save_mutex);
	fsc_waitq_destroy(&gen->drained);
	fsc_spin_destroy(&gen->lock);
	fsc_free(gen);
	fsc_volume_live(vol, -1);
}

static void free_work(struct fsc_work *work)
{
	free_gen(fsc_container_of(work, struct fsc_gen, free_work));
}

struct fsc_gen *fsc_gen_new(struct fsc_object *obj, uint64_t size)
{
	struct fsc_gen *gen = fsc_zalloc(sizeof(*gen));

	if (!gen)
		return NULL;
	fsc_ref_init(&gen->ref);
	fsc_spin_init(&gen->lock, "generation");
	fsc_mutex_init(&gen->save_mutex, "save");
	fsc_waitq_init(&gen->drained);
	fsc_work_init(&gen->free_work, free_work);
	fsc_list_init(&gen->in_dirty);
	fsc_map_init(&gen->map, fsc_granules(size));
	gen->vol = obj->vol;
	gen->cache = obj->vol->cache;
	gen->obj = obj;
	gen->size = size;
	gen->pristine = true;
	gen->is_current = 1;
	fsc_volume_live(gen->vol, 1);
	return gen;
}

void fsc_gen_get(struct fsc_gen *gen)
{
	fsc_ref_get(&gen->ref);
}

/* Closing a file may block for long (its blocks go with it), so the last put from [any] context is
 * left to a thread. */
void fsc_gen_put(struct fsc_gen *gen)
{
	if (gen && fsc_ref_put(&gen->ref))
		fsc_work_queue(gen->cache->wq, &gen->free_work, 0);
}

void fsc_gen_put_wait(struct fsc_gen *gen)
{
	if (gen && fsc_ref_put(&gen->ref))
		free_gen(gen);
}

struct fsc_gen *fsc_object_gen(struct fsc_object *obj)
{
	struct fsc_gen *gen;
	unsigned long irq;

	if (!obj || !fsc_cache_is_online(obj->vol->cache))
		return NULL;
	irq = fsc_spin_lock(&obj->lock);
	gen = obj->gen;
	if (gen && fsc_load_acquire(&gen->is_current))
		fsc_gen_get(gen);
	else
		gen = NULL;
	fsc_spin_unlock(&obj->lock, irq);
	return gen;
}

void fsc_gen_expire(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	fsc_store_release(&gen->is_current, 0);
	gen->change++;
	fsc_gen_void(gen, 0, UINT64_MAX);
	fsc_spin_unlock(&gen->lock, irq);
}

void fsc_gen_detach(struct fsc_gen *gen)
{
	fsc_mutex_lock(&gen->save_mutex);
	gen->obj = NULL;
	fsc_mutex_unlock(&gen->save_mutex);
}

static bool gen_is_drained(void *arg)
{
	struct fsc_gen *gen = arg;
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool drained = !gen->ranges;

	fsc_spin_unlock(&gen->lock, irq);
	return drained;
}

void fsc_gen_drain(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->closing = true;
	fsc_spin_unlock(&gen->lock, irq);
	fsc_waitq_wait(&gen->drained, gen_is_drained, gen);
}

bool fsc_gen_unchanged(struct fsc_gen *gen, uint64_t change)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool same = gen->is_current && gen->change == change;

	fsc_spin_unlock(&gen->lock, irq);
	return same;
}

uint64_t fsc_gen_change(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	uint64_t change = gen->change;

	fsc_spin_unlock(&gen->lock, irq);
	return change;
}

bool fsc_gen_run(struct fsc_gen *gen, uint64_t pos, uint64_t end, uint64_t *run_end)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	uint64_t granule_end;
	bool present;

	present = fsc_map_run(&gen->map, pos >> FSC_GRANULE_SHIFT, fsc_granules(end), &granule_end);
	fsc_spin_unlock(&gen->lock, irq);
	*run_end = fsc_min64(end, granule_end << FSC_GRANULE_SHIFT);
	return present;
}

bool fsc_gen_complete(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool complete = fsc_map_full(&gen->map);

	fsc_spin_unlock(&gen->lock, irq);
	return complete;
}

/* --- The backing file ---------------------------------------------------------------------- */

static int make_file(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	uint64_t size = fsc_round_up(gen->size, FSC_GRANULE_SIZE);
	struct fsc_file *file;
	unsigned long irq;
	int err;

	/* Its whole size at once: a direct write that extends a file is synchronous on ext4. */
	err = cache->be->ops->tmpfile(gen->vol->dir, size, &file);
	if (err) {
		fsc_cache_error(cache, err, "making a backing file");
		return err;
	}
	irq = fsc_spin_lock(&gen->lock);
	gen->file = file;
	gen->file_size = size;
	fsc_spin_unlock(&gen->lock, irq);
	return 0;
}

/* One that was complete has the object's own size, and stores of whole granules need room again. */
static int extend_file(struct fsc_gen *gen)
{
	uint64_t size = fsc_round_up(gen->size, FSC_GRANULE_SIZE);
	unsigned long irq;
	int err;

	if (gen->file_size >= size)
		return 0;
	err = gen->cache->be->ops->resize(gen->file, size);
	if (err) {
		fsc_cache_error(gen->cache, err, "extending a backing file");
		return err;
	}
	irq = fsc_spin_lock(&gen->lock);
	gen->file_size = size;
	fsc_spin_unlock(&gen->lock, irq);
	return 0;
}

int fsc_gen_file_locked(struct fsc_gen *gen)
{
	fsc_mutex_assert_held(&gen->save_mutex);
	return gen->file ? extend_file(gen) : make_file(gen);
}

int fsc_gen_file(struct fsc_gen *gen, struct fsc_file **out)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool ready = gen->file && gen->file_size >= fsc_round_up(gen->size, FSC_GRANULE_SIZE);
	int err = 0;

	fsc_spin_unlock(&gen->lock, irq);
	/* The save mutex is held across syncs: not taken when there is nothing to do. */
	if (!ready) {
		fsc_mutex_lock(&gen->save_mutex);
		err = fsc_gen_file_locked(gen);
		fsc_mutex_unlock(&gen->save_mutex);
	}
	*out = gen->file;
	return err;
}

/* --- Reading -------------------------------------------------------------------------------- */

/* For a read, the private range holds what the transfer is to bring, and has brought, in bytes. */
#define WANTED(gio) ((gio)->range.start)
#define BROUGHT(gio) ((gio)->range.end)

static void read_failed(struct fsc_gen *gen, int err)
{
	/* What can't be read, or isn't all there, says nothing good about the rest of the file. */
	if (fsc_is_fault(err))
		fsc_gen_expire(gen);
	fsc_cache_error(gen->cache, err, "reading a backing file");
}

static void read_end(struct fsc_gio *gio, int err)
{
	struct fsc_gen *gen = gio->gen;
	int64_t ret;

	if (err) {
		read_failed(gen, err);
		ret = err;
	} else if (!fsc_gen_unchanged(gen, gio->change)) {
		fsc_stat_add(gen->cache, FSC_STAT_STALE_READS, 1);
		ret = -ESTALE;
	} else {
		fsc_stat_add(gen->cache, FSC_STAT_CACHE_READS, 1);
		fsc_cache_worked(gen->cache);
		ret = (int64_t)WANTED(gio);
	}
	gio->done(gio, ret);
}

static void read_done(struct fsc_io *io, int64_t ret)
{
	struct fsc_gio *gio = fsc_container_of(io, struct fsc_gio, io);

	if (ret < 0) {
		read_end(gio, (int)ret);
		return;
	}
	BROUGHT(gio) += (uint64_t)ret;
	if (BROUGHT(gio) >= WANTED(gio)) {
		read_end(gio, 0);
		return;
	}
	/* Short: the rest is asked for, unless nothing came, which is where the file ends: and
	 * then it doesn't hold what its map declares, or was cut off meanwhile. */
	BROUGHT(gio) = fsc_round_down(BROUGHT(gio), gio->gen->cache->be->io_align);
	if (ret == 0 || BROUGHT(gio) == gio->io.pos - gio->pos) {
		read_end(gio, fsc_gen_unchanged(gio->gen, gio->change) ? -EIO : 0);
		return;
	}
	io->flags &= ~FSC_IO_MAY_BLOCK; /* this is a completion */
	io->pos = gio->pos + BROUGHT(gio);
	io->buf.off = gio->buf.off + BROUGHT(gio);
	io->buf.len = gio->buf.len - BROUGHT(gio);
	gio->gen->cache->be->ops->read(io);
}

void fsc_gen_read(struct fsc_gio *gio)
{
	struct fsc_gen *gen = gio->gen;
	bool online = fsc_cache_is_online(gen->cache);
	uint64_t end = gio->pos + gio->buf.len;
	unsigned long irq;
	int err = 0;

	FSC_ASSERT(!(gio->pos & (FSC_GRANULE_SIZE - 1)));
	irq = fsc_spin_lock(&gen->lock);
	/* Withdrawn: whoever changes something isn't given the generation any more, to say so. */
	if (!gen->is_current || !online)
		err = -ESTALE;
	else if (gio->pos >= gen->size ||
		 !fsc_map_test_range(&gen->map, gio->pos >> FSC_GRANULE_SHIFT,
				     fsc_granules(fsc_min64(end, gen->size))))
		err = -ENODATA;
	gio->change = gen->change;
	WANTED(gio) = gen->size > gio->pos ? fsc_min64(gio->buf.len, gen->size - gio->pos) : 0;
	fsc_spin_unlock(&gen->lock, irq);
	if (err) {
		gio->done(gio, err);
		return;
	}
	BROUGHT(gio) = 0;
	gio->io.file = gen->file;
	gio->io.pos = gio->pos;
	gio->io.buf = gio->buf;
	gio->io.flags = gio->flags;
	gio->io.done = read_done;
	gen->cache->be->ops->read(&gio->io);
}
