// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cull.c - making room: the least recently used objects go, whole, unless they are open.
 *
 * One walk over the names finds the oldest few hundred by access time, which look-up keeps to
 * within a minute; they are unlinked oldest first until there is room again.
 */
#include "bits.h"
#include "core.h"

#define BATCH 256

struct victim {
	uint64_t atime_s;
	uint32_t atime_ns;
	uint64_t bytes;
	char *volume; /* both in one allocation */
	char *path;
};

struct cull {
	struct fsc_walk walk;
	struct fsc_cache *cache;
	uint32_t nr;
	uint32_t newest; /* of a full batch: whom an older one replaces */
	struct victim victims[BATCH];
};

static bool older(const struct victim *a, const struct victim *b)
{
	if (a->atime_s != b->atime_s)
		return a->atime_s < b->atime_s;
	return a->atime_ns < b->atime_ns;
}

static void find_newest(struct cull *c)
{
	uint32_t i;

	c->newest = 0;
	for (i = 1; i < c->nr; i++)
		if (older(&c->victims[c->newest], &c->victims[i]))
			c->newest = i;
}

static bool fill_victim(struct victim *v, const char *volume, const char *path)
{
	size_t vlen = strlen(volume) + 1, plen = strlen(path) + 1;

	v->volume = fsc_zalloc(vlen + plen);
	if (!v->volume)
		return false;
	v->path = v->volume + vlen;
	memcpy(v->volume, volume, vlen);
	memcpy(v->path, path, plen);
	return true;
}

static struct fsc_volume *open_volume(struct fsc_cache *cache, const char *name)
{
	struct fsc_list *p;

	fsc_list_for_each(p, &cache->volumes) {
		struct fsc_volume *vol = fsc_container_of(p, struct fsc_volume, in_cache);

		if (strlen(vol->name) == strlen(name) && !memcmp(vol->name, name, strlen(name)))
			return vol;
	}
	return NULL;
}

static bool is_open(struct fsc_cache *cache, const char *volume, const char *path)
{
	struct fsc_volume *vol;
	bool open = false;

	fsc_mutex_lock(&cache->volumes_mutex);
	vol = open_volume(cache, volume);
	if (vol) {
		fsc_mutex_lock(&vol->table_mutex);
		open = *fsc_volume_find(vol, path);
		fsc_mutex_unlock(&vol->table_mutex);
	}
	fsc_mutex_unlock(&cache->volumes_mutex);
	return open;
}

static bool consider(struct fsc_walk *walk, const char *volume, const char *path,
		     const struct fsc_stat *st)
{
	struct cull *c = fsc_container_of(walk, struct cull, walk);
	struct victim v = { .atime_s = st->atime_s, .atime_ns = st->atime_ns, .bytes = st->bytes };

	if (st->type != FSC_FILE_REGULAR)
		return true;
	if (c->nr == BATCH && !older(&v, &c->victims[c->newest]))
		return true;
	/* Asked again before it is removed; but a batch of those in use would be of no use. */
	if (is_open(c->cache, volume, path))
		return true;
	if (!fill_victim(&v, volume, path))
		return true;
	if (c->nr < BATCH) {
		c->victims[c->nr++] = v;
	} else {
		fsc_free(c->victims[c->newest].volume);
		c->victims[c->newest] = v;
	}
	if (c->nr == BATCH)
		find_newest(c);
	return true;
}

static void sort(struct cull *c)
{
	struct victim v;
	uint32_t i, j;

	for (i = 1; i < c->nr; i++) {
		v = c->victims[i];
		for (j = i; j > 0 && older(&v, &c->victims[j - 1]); j--)
			c->victims[j] = c->victims[j - 1];
		c->victims[j] = v;
	}
}

/* Under the table's mutex from looking to unlinking: an open enters the table first. What it
 * occupies is asked for again, as it may have been open, and grown, since it was chosen. */
static int remove_unless_open(struct fsc_volume *vol, struct victim *v)
{
	const struct fsc_backend_ops *ops = vol->cache->be->ops;
	struct fsc_stat st;
	int err = -EBUSY;

	fsc_space_removing(vol->cache);
	fsc_mutex_lock(&vol->table_mutex);
	if (!*fsc_volume_find(vol, v->path))
		err = ops->dir_stat(vol->dir, v->path, &st);
	if (!err)
		err = ops->unlink(vol->dir, v->path, NULL);
	fsc_mutex_unlock(&vol->table_mutex);
	if (!err)
		v->bytes = st.bytes;
	return err;
}

static int remove_from_closed(struct fsc_cache *cache, const struct victim *v)
{
	struct fsc_dir *dir;
	int err;

	err = cache->be->ops->dir_open(cache->be, cache->cache_dir, v->volume, false, &dir);
	if (err)
		return err;
	fsc_space_removing(cache);
	err = cache->be->ops->unlink(dir, v->path, NULL);
	cache->be->ops->dir_close(dir);
	return err;
}

static int remove_victim(struct fsc_cache *cache, struct victim *v)
{
	struct fsc_volume *vol;
	int err;

	fsc_mutex_lock(&cache->volumes_mutex);
	vol = open_volume(cache, v->volume);
	err = vol ? remove_unless_open(vol, v) : remove_from_closed(cache, v);
	fsc_mutex_unlock(&cache->volumes_mutex);
	if (err && err != -EBUSY && err != -ENOENT)
		fsc_cache_error(cache, err, "culling an object");
	if (err)
		return err;
	fsc_space_give(cache, v->bytes);
	fsc_stat_add(cache, FSC_STAT_OBJECTS_CULLED, 1);
	return 0;
}

/* What it occupies isn't known to us. */
int fsc_cache_cull_object(struct fsc_cache *cache, const char *volume, const char *path)
{
	struct victim v = { .volume = (char *)(uintptr_t)volume, .path = (char *)(uintptr_t)path };
	int err;

	if (!cache || !fsc_cache_is_online(cache))
		return -ENOBUFS;
	err = remove_victim(cache, &v);
	if (!err && !v.bytes)
		fsc_space_unknown(cache);
	return err;
}

bool fsc_cache_object_is_open(struct fsc_cache *cache, const char *volume, const char *path)
{
	return cache && is_open(cache, volume, path);
}

/* Others give back room, too: no more than is wanted now. (What was removed may not show yet.) */
static void look_again(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files)
{
	uint64_t bytes_now, files_now;

	fsc_space_wanted(cache, &bytes_now, &files_now);
	*bytes = fsc_min64(*bytes, bytes_now);
	*files = fsc_min64(*files, files_now);
}

static bool goes_on(struct fsc_cache *cache)
{
	return fsc_cache_is_online(cache) && !fsc_load_acquire(&cache->closing);
}

/* How many went, of the oldest batch; *@bytes and *@files are what is still wanted. cull_mutex. */
static uint64_t cull_batch(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files,
			   bool by_limits)
{
	struct cull *c = fsc_zalloc(sizeof(*c));
	uint64_t gone = 0;
	uint32_t i;

	if (!c)
		return 0;
	c->walk.fn = consider;
	c->cache = cache;
	fsc_walk(cache, &c->walk);
	sort(c);
	for (i = 0; i < c->nr; i++) {
		if ((*bytes || *files) && goes_on(cache) &&
		    !remove_victim(cache, &c->victims[i])) {
			*bytes -= fsc_min64(*bytes, c->victims[i].bytes);
			*files -= fsc_min64(*files, 1);
			gone++;
			if (by_limits)
				look_again(cache, bytes, files);
		}
		fsc_free(c->victims[i].volume);
	}
	fsc_free(c);
	return gone;
}

void fsc_cull_queue(struct fsc_cache *cache)
{
	if (!fsc_load_acquire(&cache->closing))
		fsc_work_queue(cache->wq, &cache->cull_work, 0);
}

static void cull_by_limits(struct fsc_cache *cache)
{
	uint64_t bytes, files;

	fsc_mutex_lock(&cache->cull_mutex);
	while (goes_on(cache) && fsc_space_wanted(cache, &bytes, &files))
		if (!cull_batch(cache, &bytes, &files, true))
			break;
	fsc_mutex_unlock(&cache->cull_mutex);
}

bool fsc_cache_make_room(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files)
{
	*bytes = *files = 0;
	if (!cache)
		return false;
	cull_by_limits(cache);
	return goes_on(cache) && fsc_space_lacking(cache, bytes, files);
}

void fsc_cull_work(struct fsc_work *work)
{
	cull_by_limits(fsc_container_of(work, struct fsc_cache, cull_work));
}

int fsc_cache_cull(struct fsc_cache *cache, uint64_t bytes, uint64_t *removed)
{
	uint64_t gone, all = 0, files = 0;

	if (removed)
		*removed = 0;
	if (!cache || !fsc_cache_is_online(cache))
		return -ENOBUFS;
	fsc_mutex_lock(&cache->cull_mutex);
	do {
		gone = cull_batch(cache, &bytes, &files, false);
		all += gone;
	} while (bytes && gone);
	fsc_mutex_unlock(&cache->cull_mutex);
	if (removed)
		*removed = all;
	return 0;
}
