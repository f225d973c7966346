// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cull.c - making room: the least recently used objects go, whole, unless they are open.
 *
 * One walk over the names finds the oldest by access time, which look-up keeps to within a minute;
 * they are unlinked oldest first until there is room again. A few hundred mostly do; where they
 * don't the next walk is for more, as each looks at all that there is.
 */
#include "bits.h"
#include "core.h"
#include "key.h"

#define BATCH 256
#define BATCH_MOST 4096 /* 160 KiB, and the names */

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
	uint32_t nr, most;
	struct victim victims[]; /* of a full batch the newest, whom an older one replaces, is first */
};

static bool older(const struct victim *a, const struct victim *b)
{
	if (a->atime_s != b->atime_s)
		return a->atime_s < b->atime_s;
	return a->atime_ns < b->atime_ns;
}

/* A heap of the first @nr, but for number @i. */
static void sift(struct cull *c, uint32_t i, uint32_t nr)
{
	struct victim v = c->victims[i];
	uint32_t child;

	while ((child = 2 * i + 1) < nr) {
		if (child + 1 < nr && older(&c->victims[child], &c->victims[child + 1]))
			child++;
		if (!older(&v, &c->victims[child]))
			break;
		c->victims[i] = c->victims[child];
		i = child;
	}
	c->victims[i] = v;
}

static void make_heap(struct cull *c)
{
	uint32_t i;

	for (i = c->nr / 2; i > 0; i--)
		sift(c, i - 1, c->nr);
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
	if (c->nr == c->most && !older(&v, &c->victims[0]))
		return true;
	/* Asked again before it is removed; but a batch of those in use would be of no use. */
	if (is_open(c->cache, volume, path))
		return true;
	if (!fill_victim(&v, volume, path))
		return true;
	if (c->nr == c->most) {
		fsc_free(c->victims[0].volume);
		c->victims[0] = v;
		sift(c, 0, c->nr);
	} else {
		c->victims[c->nr++] = v;
		if (c->nr == c->most)
			make_heap(c);
	}
	return true;
}

static void sort(struct cull *c)
{
	struct victim v;
	uint32_t n;

	make_heap(c);
	for (n = c->nr; n > 1; n--) {
		v = c->victims[0];
		c->victims[0] = c->victims[n - 1];
		c->victims[n - 1] = v;
		sift(c, 0, n - 1);
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

static int remove_from_closed(struct fsc_cache *cache, struct victim *v)
{
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_stat st;
	struct fsc_dir *dir;
	int err;

	err = ops->dir_open(cache->be, cache->cache_dir, v->volume, false, &dir);
	if (err)
		return err;
	fsc_space_removing(cache);
	err = ops->dir_stat(dir, v->path, &st);
	if (!err)
		err = ops->unlink(dir, v->path, NULL);
	ops->dir_close(dir);
	if (!err)
		v->bytes = st.bytes;
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
	if (err && err != -EBUSY && err != -ENOENT && err != -EUCLEAN)
		fsc_cache_error(cache, err, "culling an object");
	if (err)
		return err;
	fsc_space_freed(cache, v->bytes);
	fsc_stat_add(cache, FSC_STAT_OBJECTS_CULLED, 1);
	return 0;
}

/* Of other names the storage would say what counts as its failure, or remove what isn't ours. */
static bool is_object(const char *volume, const char *path)
{
	return volume && path && fsc_key_is_volume_name(volume) && fsc_key_is_object_path(path);
}

int fsc_cache_cull_object(struct fsc_cache *cache, const char *volume, const char *path)
{
	struct victim v = { .volume = (char *)(uintptr_t)volume, .path = (char *)(uintptr_t)path };

	if (!cache || !fsc_cache_is_online(cache))
		return -ENOBUFS;
	if (!is_object(volume, path))
		return -EINVAL;
	return remove_victim(cache, &v);
}

bool fsc_cache_object_is_open(struct fsc_cache *cache, const char *volume, const char *path)
{
	return cache && is_object(volume, path) && is_open(cache, volume, path);
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

static struct cull *new_cull(uint32_t most)
{
	struct cull *c = fsc_zalloc(sizeof(*c) + most * sizeof(c->victims[0]));

	if (!c && most > BATCH) {
		most = BATCH;
		c = fsc_zalloc(sizeof(*c) + most * sizeof(c->victims[0]));
	}
	if (c)
		c->most = most;
	return c;
}

/* How many went, of the oldest *@most, and the next time it is more; *@bytes and *@files are what is
 * still wanted. cull_mutex. */
static uint64_t cull_batch(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files,
			   bool by_limits, uint32_t *most)
{
	struct cull *c = new_cull(*most);
	uint64_t gone = 0;
	uint32_t i;

	if (!c)
		return 0;
	*most = *most < BATCH_MOST ? *most * 4 : *most;
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

/* That what was removed shows takes a sync where it doesn't by itself: nothing is to go for want of
 * one. @doubtful: as much was removed as was wanted, or all that there is. */
static bool is_wanted(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files, bool doubtful)
{
	if (!fsc_space_wanted(cache, bytes, files))
		return false;
	return !fsc_space_show_freed(cache, doubtful) || fsc_space_wanted(cache, bytes, files);
}

static void cull_by_limits(struct fsc_cache *cache)
{
	uint64_t bytes, files, gone;
	uint32_t most = BATCH;
	bool wanted;

	fsc_mutex_lock(&cache->cull_mutex);
	wanted = is_wanted(cache, &bytes, &files, false);
	while (wanted && goes_on(cache)) {
		gone = cull_batch(cache, &bytes, &files, true, &most);
		/* What has gone may not show yet: the next one is for the rest. */
		if (gone && (bytes || files))
			continue;
		if (!gone) {
			/* Before somebody in use is to go. */
			fsc_space_show_freed(cache, true);
			break;
		}
		wanted = is_wanted(cache, &bytes, &files, true);
	}
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
	uint32_t most = BATCH;

	if (removed)
		*removed = 0;
	if (!cache || !fsc_cache_is_online(cache))
		return -ENOBUFS;
	fsc_mutex_lock(&cache->cull_mutex);
	do {
		gone = cull_batch(cache, &bytes, &files, false, &most);
		all += gone;
	} while (bytes && gone);
	fsc_mutex_unlock(&cache->cull_mutex);
	if (removed)
		*removed = all;
	return 0;
}
