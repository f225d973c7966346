// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * link.c - a backing file gets its name: after its xattr, so that a name never leads to a file that
 * doesn't say what it is.
 */
#include "core.h"

static int make_fanout(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	struct fsc_dir *dir;
	char fanout[4];
	int err;

	memcpy(fanout, obj->path, 3);
	fanout[3] = '\0';
	err = cache->be->ops->dir_open(cache->be, obj->vol->dir, fanout, true, &dir);
	if (!err)
		cache->be->ops->dir_close(dir);
	else if (err == -EUCLEAN)
		err = fsc_bury(cache, obj->vol->dir, fanout);
	return err;
}

/* What stands under the name is not ours: an outdated object that was left, or somebody else's. */
static int clear_name(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	int err;

	err = cache->be->ops->unlink(obj->vol->dir, obj->path, NULL);
	if (err == -EUCLEAN)
		err = fsc_bury(cache, obj->vol->dir, obj->path);
	if (!err)
		fsc_space_unknown(cache);
	return err == -ENOENT ? 0 : err;
}

static int link_once(struct fsc_gen *gen)
{
	struct fsc_object *obj = gen->obj;
	int err;

	err = gen->cache->be->ops->commit(gen->file, obj->vol->dir, obj->path);
	if (err == -ENOENT || err == -EUCLEAN)
		err = make_fanout(obj) ? err : -EAGAIN;
	else if (err == -EEXIST)
		err = clear_name(obj) ? err : -EAGAIN;
	return err;
}

int fsc_gen_link(struct fsc_gen *gen)
{
	struct fsc_object *obj = gen->obj;
	int err = -EAGAIN, tries;

	fsc_mutex_assert_held(&gen->save_mutex);
	fsc_mutex_lock(&obj->name_mutex);
	/* The daemon of the stock cache removes empty fan-out folders at any moment: so more than
	 * one try. Once no longer current, never: whoever replaced it removes the name, then. */
	for (tries = 0; err == -EAGAIN && tries < 8; tries++)
		err = fsc_load_acquire(&gen->is_current) ? link_once(gen) : -ESTALE;
	if (!err)
		gen->linked = true;
	fsc_mutex_unlock(&obj->name_mutex);
	if (!err)
		fsc_stat_add(gen->cache, FSC_STAT_OBJECTS_CREATED, 1);
	return err;
}
