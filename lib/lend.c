// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * lend.c - a backing file that somebody outside the library reads by itself (FUSE passthrough).
 *
 * Nobody asks the map for such a reader, nor tells it of a change: so while a generation is lent
 * its file is not touched any more. Whatever would alter it puts a new generation in its place.
 * Saving only sets the xattr of what is complete, and there is nothing absent to be stored.
 */
#include "core.h"

bool fsc_gen_is_lent(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool lent = gen->lent != 0;

	fsc_spin_unlock(&gen->lock, irq);
	return lent;
}

/* All of one version, and nobody at work on it. */
static bool is_whole(struct fsc_gen *gen)
{
	fsc_spin_assert_held(&gen->lock);
	return gen->file && fsc_map_full(&gen->map) && !gen->ranges && !gen->modified;
}

/* Stores of whole granules, and slots, had room: what is complete is cut when it is saved. */
static void fit(struct fsc_gen *gen, bool *stored)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool longer = is_whole(gen) && gen->file_size != gen->size;

	fsc_spin_unlock(&gen->lock, irq);
	if (longer)
		fsc_gen_save(gen, gen->size, FSC_SAVE_ALWAYS, stored);
}

static int take(struct fsc_gen *gen)
{
	unsigned long irq;
	int err = 0;

	if (!gen->obj || !fsc_cache_is_online(gen->cache))
		return -ENOBUFS;
	irq = fsc_spin_lock(&gen->lock);
	if (!gen->is_current)
		err = -ENOBUFS;
	else if (!is_whole(gen) || gen->file_size != gen->size)
		err = -ENODATA;
	else
		gen->lent++;
	fsc_spin_unlock(&gen->lock, irq);
	return err;
}

int fsc_gen_lend(struct fsc_gen *gen, struct fsc_file **out)
{
	bool stored = false;
	int err;

	/* Whoever saves or changes it has this too: it doesn't begin on a file that wasn't lent and
	 * end on one that is. */
	fsc_mutex_lock(&gen->save_mutex);
	fit(gen, &stored);
	err = take(gen);
	fsc_mutex_unlock(&gen->save_mutex);
	if (stored)
		fsc_saver_note(gen);
	if (!err)
		fsc_gen_get(gen);
	*out = err ? NULL : gen->file;
	return err;
}

void fsc_gen_return(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	FSC_ASSERT(gen->lent);
	if (gen->lent)
		gen->lent--;
	fsc_spin_unlock(&gen->lock, irq);
	fsc_gen_put(gen);
}

/* Not if the object was expired or resized meanwhile, or is being closed. */
static bool install(struct fsc_object *obj, struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&obj->lock);
	bool free = !obj->sealed && (!gen || gen->size == obj->next_size);

	if (free)
		obj->gen = gen;
	if (free && gen)
		obj->size = gen->size;
	fsc_spin_unlock(&obj->lock, irq);
	return free;
}

void fsc_gen_supersede(struct fsc_gen *gen, uint64_t size)
{
	bool was_current = fsc_load_acquire(&gen->is_current);
	struct fsc_object *obj = gen->obj;
	struct fsc_gen *next = NULL;

	fsc_mutex_assert_held(&gen->save_mutex);
	fsc_gen_expire(gen);
	if (!obj)
		return;
	if (!fsc_gen_drop(gen) && was_current)
		next = fsc_gen_new(obj, size);
	/* Before the next one is there to be closed: the object waits for nobody who isn't its
	 * generation, and is gone then. */
	gen->obj = NULL;
	fsc_gen_put_wait(install(obj, next) ? gen : next);
}
