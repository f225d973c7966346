// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * walk.c - every object in the cache by name, volume by volume and folder by folder: names and stat
 * only, nothing is opened.
 */
#include "core.h"
#include "key.h"

struct walker {
	struct fsc_cache *cache;
	struct fsc_walk *walk;
	struct fsc_stat st;
	char volume[FSC_NAME_MAX + 1];
	char fanout[FSC_NAME_MAX + 1];
	char name[FSC_NAME_MAX + 1];
	char path[FSC_OBJECT_PATH_SIZE];
};

/* What isn't there any more, or isn't ours, was not missed. */
static int note(struct walker *w, int err)
{
	if (err < 0 && err != -ENOENT && err != -EUCLEAN)
		w->walk->missed = true;
	return err;
}

/* The next name of a directory, too long ones left out: 1, 0 at the end or on failure. */
static bool next_name(struct walker *w, struct fsc_dir *dir, uint64_t *pos, char *name)
{
	int n;

	if (fsc_load_acquire(&w->cache->closing))
		return false;
	do {
		n = w->cache->be->ops->dir_next(dir, pos, name, FSC_NAME_MAX + 1);
	} while (n == -ENAMETOOLONG);
	note(w, n);
	return n > 0;
}

static bool walk_fanout(struct walker *w, struct fsc_dir *vol)
{
	const struct fsc_backend_ops *ops = w->cache->be->ops;
	struct fsc_dir *dir;
	uint64_t pos = 0;
	size_t len = strlen(w->fanout);
	bool go = true;

	if (note(w, ops->dir_open(w->cache->be, vol, w->fanout, false, &dir)))
		return true;
	memcpy(w->path, w->fanout, len);
	w->path[len] = '/';
	while (go && next_name(w, dir, &pos, w->name)) {
		if (!fsc_key_is_object_name(w->name) ||
		    note(w, ops->dir_stat(dir, w->name, &w->st)))
			continue;
		memcpy(w->path + len + 1, w->name, strlen(w->name) + 1);
		go = w->walk->fn(w->walk, w->volume, w->path, &w->st);
	}
	ops->dir_close(dir);
	return go;
}

static bool walk_volume(struct walker *w)
{
	const struct fsc_backend_ops *ops = w->cache->be->ops;
	struct fsc_dir *dir;
	uint64_t pos = 0;
	bool go = true;

	if (note(w, ops->dir_open(w->cache->be, w->cache->cache_dir, w->volume, false, &dir)))
		return true;
	while (go && next_name(w, dir, &pos, w->fanout))
		if (fsc_key_is_fanout_name(w->fanout))
			go = walk_fanout(w, dir);
	ops->dir_close(dir);
	return go;
}

bool fsc_walk(struct fsc_cache *cache, struct fsc_walk *walk)
{
	struct walker *w = fsc_zalloc(sizeof(*w));
	struct fsc_dir *dir;
	uint64_t pos = 0;
	bool go = true;

	if (!w)
		return false;
	w->cache = cache;
	w->walk = walk;
	/* A handle of our own: one reader at a time per handle. */
	if (cache->be->ops->dir_open(cache->be, cache->root, "cache", false, &dir)) {
		fsc_free(w);
		return false;
	}
	while (go && next_name(w, dir, &pos, w->volume))
		go = walk_volume(w);
	cache->be->ops->dir_close(dir);
	fsc_free(w);
	return !fsc_load_acquire(&cache->closing);
}
