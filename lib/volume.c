// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * volume.c - one export of a server: its folder below cache/, whose xattr says whose it is and what
 * all its objects depend on, and the table of its open objects.
 */
#include "core.h"
#include "key.h"

void fsc_volume_live(struct fsc_volume *vol, int change)
{
	unsigned long irq = fsc_spin_lock(&vol->lock);

	vol->live += (uint64_t)change;
	/* Under the lock: whoever waits for idle takes it once more before the volume goes. */
	if (!vol->live)
		fsc_waitq_wake_all(&vol->idle);
	fsc_spin_unlock(&vol->lock, irq);
}

static bool volume_is_idle(void *arg)
{
	struct fsc_volume *vol = arg;
	unsigned long irq = fsc_spin_lock(&vol->lock);
	bool idle = !vol->live;

	fsc_spin_unlock(&vol->lock, irq);
	return idle;
}

static struct fsc_blob volume_key(struct fsc_volume *vol)
{
	return (struct fsc_blob){ vol->key, vol->key_len };
}

/* The slot of what is at @path, or where it would be put. */
struct fsc_object **fsc_volume_find(struct fsc_volume *vol, const char *path)
{
	size_t len = strlen(path);
	uint32_t bucket = fsc_crc32c(0, path, len) % FSC_VOLUME_BUCKETS;
	struct fsc_object **p;

	fsc_mutex_assert_held(&vol->table_mutex);
	for (p = &vol->table[bucket]; *p; p = &(*p)->next)
		if (strlen((*p)->path) == len && !memcmp((*p)->path, path, len))
			break;
	return p;
}

/* --- The folder ---------------------------------------------------------------------------- */

static int fill_record(struct fsc_volume *vol, struct fsc_dir *dir, const struct fsc_label *label,
		       struct fsc_record *rec)
{
	struct fsc_stat st;
	int err;

	memset(rec, 0, sizeof(*rec));
	err = vol->cache->be->ops->dir_self(dir, &st);
	if (err)
		return err;
	if (st.uid != vol->cache->be->uid)
		return -EUCLEAN;
	rec->volume = true;
	rec->coherency_hashed = label->hashed;
	rec->coherency = (struct fsc_blob){ label->data, label->len };
	rec->has_key = true; /* for people and tools: which volume is this? */
	rec->key = volume_key(vol);
	fsc_key_digest(volume_key(vol), (struct fsc_blob){ NULL, 0 }, st.ino, st.btime_s,
		       st.btime_ns, rec->digest);
	return 0;
}

/* Is the folder's value, byte for byte, what we would write into it? */
static int check_folder(struct fsc_volume *vol, struct fsc_dir *dir, const struct fsc_record *want)
{
	uint8_t *buf = fsc_zalloc(2 * (FSC_RECORD_FIXED + FSC_COHERENCY_INLINE + FSC_KEY_MAX));
	size_t half = FSC_RECORD_FIXED + FSC_COHERENCY_INLINE + FSC_KEY_MAX;
	struct fsc_record rec;
	int have, len, err = -EUCLEAN;

	if (!buf)
		return -ENOMEM;
	len = fsc_record_encode(want, buf, half);
	have = vol->cache->be->ops->dir_xattr_get(dir, FSC_XATTR_NAME, buf + half, half);
	if (have > 0 && have == len && !memcmp(buf, buf + half, (size_t)len) &&
	    !fsc_record_decode(&rec, buf + half, (size_t)have))
		err = 0;
	else if (have < 0 && have != -ENODATA && have != -ERANGE)
		err = have;
	fsc_free(buf);
	return err;
}

static int open_folder(struct fsc_volume *vol, const struct fsc_label *label)
{
	struct fsc_record want;
	struct fsc_dir *dir;
	int err;

	err = vol->cache->be->ops->dir_open(vol->cache->be, vol->cache->cache_dir, vol->name, false,
					    &dir);
	if (err)
		return err;
	err = fill_record(vol, dir, label, &want);
	if (!err)
		err = check_folder(vol, dir, &want);
	if (err)
		vol->cache->be->ops->dir_close(dir);
	else
		vol->dir = dir;
	return err;
}

static int store_folder_record(struct fsc_volume *vol, struct fsc_dir *dir,
			       const struct fsc_record *rec)
{
	size_t size = fsc_record_overhead(rec);
	uint8_t *buf = fsc_zalloc(size);
	int len, err;

	if (!buf)
		return -ENOMEM;
	len = fsc_record_encode(rec, buf, size);
	err = len;
	if (len >= 0)
		err = vol->cache->be->ops->dir_xattr_set(dir, FSC_XATTR_NAME, buf, (size_t)len);
	fsc_free(buf);
	return err;
}

/* Made in tmp and renamed: a folder below cache/ always says whose it is. */
static int make_folder(struct fsc_volume *vol, const struct fsc_label *label)
{
	struct fsc_cache *cache = vol->cache;
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_record rec;
	struct fsc_dir *dir;
	char name[17];
	int err;

	fsc_unique_name(name);
	err = ops->dir_open(cache->be, cache->tmp, name, true, &dir);
	if (err)
		return err;
	err = fill_record(vol, dir, label, &rec);
	if (!err)
		err = store_folder_record(vol, dir, &rec);
	if (!err && cache->kind == FSC_FS_STRICT)
		err = ops->sync_dir(dir);
	if (!err)
		err = ops->rename(cache->tmp, name, cache->cache_dir, vol->name);
	if (err) {
		ops->dir_close(dir);
		ops->remove_dir(cache->tmp, name);
		return err;
	}
	vol->dir = dir;
	return 0;
}

/* The folder goes with all that is in it, durably where an object's name would (I8). */
static int bury_folder(struct fsc_volume *vol)
{
	struct fsc_cache *cache = vol->cache;
	int err = fsc_bury(cache, cache->cache_dir, vol->name);

	if (err || !cache->syncs)
		return err;
	if (cache->kind != FSC_FS_STRICT && !(vol->flags & FSC_VOLUME_STRICT_REMOVAL))
		return 0;
	return cache->be->ops->sync_dir(cache->cache_dir);
}

static int find_folder(struct fsc_volume *vol, const struct fsc_label *label)
{
	struct fsc_cache *cache = vol->cache;
	int err;

	err = open_folder(vol, label);
	if (err == -EUCLEAN) {
		err = bury_folder(vol);
		if (err && err != -ENOENT)
			return err;
		fsc_stat_add(cache, FSC_STAT_OBJECTS_DISCARDED, 1);
		err = -ENOENT;
	}
	if (err == -ENOENT)
		err = make_folder(vol, label);
	return err;
}

/* --- Acquire and relinquish ------------------------------------------------------------------- */

static bool volume_is_held(struct fsc_cache *cache, const struct fsc_volume *vol)
{
	struct fsc_list *p;

	fsc_list_for_each(p, &cache->volumes) {
		struct fsc_volume *v = fsc_container_of(p, struct fsc_volume, in_cache);

		if (v->key_len == vol->key_len && !memcmp(v->key, vol->key, vol->key_len))
			return true;
	}
	return false;
}

static void free_volume(struct fsc_volume *vol)
{
	if (vol->dir)
		vol->cache->be->ops->dir_close(vol->dir);
	fsc_waitq_destroy(&vol->idle);
	fsc_spin_destroy(&vol->lock);
	fsc_mutex_destroy(&vol->table_mutex);
	fsc_free(vol);
}

static struct fsc_volume *new_volume(struct fsc_cache *cache, struct fsc_blob key, uint32_t flags)
{
	struct fsc_volume *vol = fsc_zalloc(sizeof(*vol));

	if (!vol)
		return NULL;
	vol->cache = cache;
	vol->flags = flags;
	vol->key_len = (uint8_t)key.len;
	memcpy(vol->key, key.data, key.len);
	fsc_mutex_init(&vol->table_mutex, "table");
	fsc_spin_init(&vol->lock, "volume");
	fsc_waitq_init(&vol->idle);
	fsc_list_init(&vol->in_cache);
	return vol;
}

int fsc_volume_acquire(struct fsc_cache *cache, struct fsc_blob key, struct fsc_blob coherency,
		       uint32_t flags, struct fsc_volume **out)
{
	struct fsc_volume *vol;
	struct fsc_label label;
	bool hashed;
	int err;

	*out = NULL;
	if (!cache)
		return 0;
	if (!key.len || key.len > FSC_KEY_MAX || coherency.len > FSC_COHERENCY_MAX ||
	    !key.data || (coherency.len && !coherency.data) ||
	    (flags & ~FSC_VOLUME_STRICT_REMOVAL))
		return -EINVAL;
	if (!fsc_cache_is_online(cache))
		return -ENOBUFS;
	vol = new_volume(cache, key, flags);
	if (!vol)
		return -ENOMEM;
	fsc_label_make(&label, coherency);
	fsc_key_cook_volume(key, vol->name, &hashed);
	fsc_mutex_lock(&cache->volumes_mutex);
	if (volume_is_held(cache, vol))
		err = -EBUSY;
	else
		err = find_folder(vol, &label);
	if (!err) {
		fsc_list_add_tail(&cache->volumes, &vol->in_cache);
		*out = vol;
	}
	fsc_mutex_unlock(&cache->volumes_mutex);
	if (!err)
		return 0;
	free_volume(vol);
	if (err != -EBUSY)
		fsc_cache_error(cache, err, "making or reading a volume's folder");
	return err;
}

/* Also when the cache was withdrawn: a later one must not find what was to be discarded. */
static void retire_volume(struct fsc_volume *vol)
{
	struct fsc_cache *cache = vol->cache;
	int err = bury_folder(vol);

	if (!err || err == -ENOENT)
		return;
	fsc_cache_error(cache, err, "removing a volume");
	fsc_cache_withdraw(cache);
	fsc_super_taint(cache);
}

void fsc_volume_relinquish(struct fsc_volume *vol, bool retire)
{
	struct fsc_cache *cache;
	unsigned long irq;

	if (!vol)
		return;
	cache = vol->cache;
	if (vol->cookies_free)
		vol->cookies_free(vol);
	/* The saver holds references to what it has yet to save or to sync. */
	fsc_saver_pass(cache, true);
	fsc_waitq_wait(&vol->idle, volume_is_idle, vol);
	irq = fsc_spin_lock(&vol->lock);
	fsc_spin_unlock(&vol->lock, irq);

	fsc_mutex_lock(&cache->volumes_mutex);
	fsc_list_del(&vol->in_cache);
	if (retire)
		retire_volume(vol);
	fsc_mutex_unlock(&cache->volumes_mutex);
	free_volume(vol);
}

struct fsc_cache *fsc_volume_cache(struct fsc_volume *vol)
{
	return vol->cache;
}

void **fsc_volume_cookies(struct fsc_volume *vol)
{
	return &vol->cookies;
}

void (**fsc_volume_cookies_free_fn(struct fsc_volume *vol))(struct fsc_volume *)
{
	return &vol->cookies_free;
}
