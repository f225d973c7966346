// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * name.c - an object's name on disk goes, whatever it leads to, for good: what is outdated must not
 * be found by a later look-up, after a crash either (I8).
 */
#include "core.h"
#include "record.h"

static void fanout_name(const struct fsc_object *obj, char out[4])
{
	memcpy(out, obj->path, 3);
	out[3] = '\0';
}

/* What the name leads to, or, if that is what isn't as it should be, the fan-out folder. */
static int bury_name(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	char fanout[4];
	int err;

	/* Its bytes are given back here, and when the graveyard is emptied. */
	fsc_space_unknown(cache);
	err = fsc_bury(cache, obj->vol->dir, obj->path);
	if (err != -EUCLEAN)
		return err;
	fanout_name(obj, fanout);
	return fsc_bury(cache, obj->vol->dir, fanout);
}

/* When nothing else can be done about a name: make it lead to nothing that is believed. */
static int disarm(struct fsc_object *obj, int err)
{
	struct fsc_cache *cache = obj->vol->cache;

	fsc_cache_error(cache, err, "removing an object's name");
	if (!bury_name(obj))
		return 0;
	fsc_log(FSC_LOG_ERR, "cache: an outdated object cannot be removed");
	fsc_cache_withdraw(cache);
	fsc_super_taint(cache);
	return err;
}

/* As if it were being modified, and nothing of it present. */
static void store_nothing(struct fsc_object *obj, struct fsc_file *file)
{
	const struct fsc_backend_ops *ops = obj->vol->cache->be->ops;
	struct fsc_record rec = {
		.modifying = true,
		.size = fsc_object_size(obj),
		.coherency_hashed = obj->label.hashed,
		.coherency = { obj->label.data, obj->label.len },
	};
	uint8_t value[FSC_RECORD_FIXED + FSC_COHERENCY_INLINE];
	int len = fsc_record_encode(&rec, value, sizeof(value));

	if (len > 0 && !ops->xattr_set(file, FSC_XATTR_NAME, value, (size_t)len))
		ops->sync(file, false);
}

/*
 * A removed name can come back after a crash though its folder was synced: btrfs (Linux 6.18) may
 * log a folder together with a name that was made and removed since the last commit. So what it
 * leads to is first made such that nobody believes it. What can't be done here is left to the
 * folder's sync.
 */
static void deface(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_file *file;
	struct fsc_stat st;

	if (!cache->syncs || cache->kind != FSC_FS_STRICT ||
	    ops->file_open(obj->vol->dir, obj->path, &file))
		return;
	/* Somebody else's file may be there by a link. */
	if (!ops->stat(file, &st) && st.nlink == 1 && st.uid == cache->be->uid)
		store_nothing(obj, file);
	ops->file_close(file);
}

int fsc_object_drop_name(struct fsc_object *obj, bool *gone)
{
	const struct fsc_backend_ops *ops = obj->vol->cache->be->ops;
	int err;

	deface(obj);
	fsc_space_removing(obj->vol->cache);
	err = ops->unlink(obj->vol->dir, obj->path, NULL);
	*gone = err == 0;
	if (err == -ENOENT)
		return 0;
	if (err == -EUCLEAN)
		err = bury_name(obj);
	if (err)
		err = disarm(obj, err);
	*gone = !err;
	return err;
}

static int sync_fanout(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_dir *dir;
	char fanout[4];
	int err;

	fanout_name(obj, fanout);
	err = ops->dir_open(cache->be, obj->vol->dir, fanout, false, &dir);
	if (err == -ENOENT)
		return ops->sync_dir(obj->vol->dir); /* it went as a whole */
	if (err)
		return err; /* no descriptor left, say */
	err = ops->sync_dir(dir);
	ops->dir_close(dir);
	return err;
}

/* The name's removal is durable when it returns, where that was asked for or can't be left to the
 * order of things. If that can't be had, whoever was told that it is gone must not meet it again
 * after a crash: then nothing in here is believed by a later open. */
int fsc_object_sync_removal(struct fsc_object *obj, bool gone)
{
	struct fsc_cache *cache = obj->vol->cache;
	int err;

	/* Nothing was there: but it may have been culled, and nobody waited for that. */
	if (!gone && obj->removal_synced)
		return 0;
	if (!cache->syncs)
		return 0;
	if (cache->kind != FSC_FS_STRICT && !(obj->vol->flags & FSC_VOLUME_STRICT_REMOVAL))
		return 0;
	err = sync_fanout(obj);
	if (err)
		err = cache->be->ops->sync_fs(cache->be); /* the long way */
	obj->removal_synced = !err;
	if (!err)
		return 0;
	fsc_log(FSC_LOG_ERR, "cache: removing an outdated object cannot be made durable");
	fsc_cache_withdraw(cache);
	fsc_super_taint(cache);
	return err;
}
