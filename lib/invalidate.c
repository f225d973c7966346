// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * invalidate.c - the file changed: a new generation takes the place of the old one.
 *
 * Nothing waits for I/O in flight: it runs to its end on the old generation, whose backing file
 * loses its name and lives as long as somebody pins it.
 */
#include "core.h"

void fsc_object_expire(struct fsc_object *obj)
{
	struct fsc_gen *gen;
	unsigned long irq = fsc_spin_lock(&obj->lock);

	obj->sealed = true;
	gen = obj->gen;
	if (gen)
		fsc_gen_get(gen);
	fsc_spin_unlock(&obj->lock, irq);
	if (!gen)
		return;
	fsc_gen_expire(gen);
	/* Not the last: the object's own reference goes only in calls that are kept apart. */
	fsc_gen_put(gen);
}

/* The old one's label is the object's: no saver may be between reading it and storing it. */
static void relabel(struct fsc_object *obj, struct fsc_gen *old, struct fsc_blob coherency,
		    uint64_t size)
{
	unsigned long irq;

	if (old)
		fsc_gen_detach(old);
	fsc_label_make(&obj->label, coherency);
	irq = fsc_spin_lock(&obj->lock);
	obj->size = size;
	obj->next_size = size;
	fsc_spin_unlock(&obj->lock, irq);
}

static void replace(struct fsc_object *obj, struct fsc_gen *gen)
{
	struct fsc_gen *old;
	unsigned long irq = fsc_spin_lock(&obj->lock);

	old = obj->gen;
	obj->gen = gen;
	obj->sealed = false;
	fsc_spin_unlock(&obj->lock, irq);
	fsc_gen_put(old);
}

void fsc_object_invalidate(struct fsc_object *obj, struct fsc_blob coherency, uint64_t size)
{
	struct fsc_cache *cache = obj->vol->cache;
	struct fsc_gen *old;
	bool gone = false;
	int err;

	fsc_object_expire(obj);
	old = obj->gen; /* sealed: no other comes in its place */
	fsc_stat_add(cache, FSC_STAT_OBJECTS_INVALIDATED, 1);
	relabel(obj, old, coherency, size);
	/* The old name goes before the new generation is there: so the name never leads to the new
	 * one's file here, and what is removed is always what is outdated. */
	fsc_mutex_lock(&obj->name_mutex);
	err = fsc_object_drop_name(obj, &gone);
	if (gone && (!old || !old->linked))
		fsc_space_unknown(cache);
	else if (gone)
		old->linked = false;
	fsc_mutex_unlock(&obj->name_mutex);
	if (!err) {
		err = fsc_object_sync_removal(obj, gone);
		if (err)
			fsc_cache_error(cache, err, "making a removal durable");
	}
	replace(obj, err ? NULL : fsc_gen_new(obj, size));
}
