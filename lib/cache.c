// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cache.c - a cache from open to close: its directories, its kind, and whether what an earlier
 * owner left can be believed.
 */
#include "bits.h"
#include "core.h"

#define DEFAULT_MAP_BYTES (64ull << 20)
#define DEFAULT_KEEP_BYTES (32ull << 20)
#define DEFAULT_SAVE_MS 1000
#define DEFAULT_MAX_ERRORS 16

struct transfer {
	struct fsc_io io;
	struct fsc_spin lock;
	struct fsc_waitq wait;
	bool done; /* lock */
	int64_t ret;
};

static void transfer_done(struct fsc_io *io, int64_t ret)
{
	struct transfer *t = fsc_container_of(io, struct transfer, io);
	unsigned long irq = fsc_spin_lock(&t->lock);

	t->ret = ret;
	t->done = true;
	/* Under the lock: the waiter takes it once more before its stack goes. */
	fsc_waitq_wake_all(&t->wait);
	fsc_spin_unlock(&t->lock, irq);
}

static bool transfer_is_done(void *arg)
{
	struct transfer *t = arg;
	unsigned long irq = fsc_spin_lock(&t->lock);
	bool done = t->done;

	fsc_spin_unlock(&t->lock, irq);
	return done;
}

static int64_t transfer_once(struct fsc_cache *cache, struct transfer *t, bool write)
{
	t->done = false;
	if (write)
		cache->be->ops->write(&t->io);
	else
		cache->be->ops->read(&t->io);
	fsc_waitq_wait(&t->wait, transfer_is_done, t);
	return t->ret;
}

int fsc_cache_transfer(struct fsc_cache *cache, struct fsc_file *file, bool write, uint64_t pos,
		       void *mem, size_t len)
{
	struct transfer t;
	int64_t n = 0;
	size_t at;

	memset(&t, 0, sizeof(t));
	fsc_spin_init(&t.lock, "transfer");
	fsc_waitq_init(&t.wait);
	t.io.file = file;
	t.io.flags = FSC_IO_MAY_BLOCK;
	t.io.done = transfer_done;
	t.io.buf.mem = mem;
	for (at = 0; at < len; at += (size_t)n) {
		t.io.pos = pos + at;
		t.io.buf.off = at;
		t.io.buf.len = len - at;
		n = transfer_once(cache, &t, write);
		/* What is short is asked for again, by whole units of direct I/O. */
		if (n > 0)
			n = (int64_t)fsc_round_down((uint64_t)n, cache->be->io_align);
		if (n <= 0)
			break;
	}
	fsc_waitq_destroy(&t.wait);
	fsc_spin_destroy(&t.lock);
	if (at >= len)
		return 0;
	return n < 0 ? (int)n : -EIO;
}

static int fill_params(struct fsc_cache *cache, const struct fsc_cache_params *params)
{
	struct fsc_cache_params *p = &cache->params;

	if (params)
		*p = *params;
	if (!p->max_map_bytes)
		p->max_map_bytes = DEFAULT_MAP_BYTES;
	if (!p->max_keep_bytes)
		p->max_keep_bytes = DEFAULT_KEEP_BYTES;
	if (!p->save_ms)
		p->save_ms = DEFAULT_SAVE_MS;
	if (!p->max_errors)
		p->max_errors = DEFAULT_MAX_ERRORS;
	if ((uint32_t)p->at_least > FSC_FS_VOLATILE)
		return -EINVAL;
	return fsc_space_limits_init(&cache->limits, p);
}

static void close_dirs(struct fsc_cache *cache)
{
	struct fsc_dir *dirs[] = { cache->tmp, cache->graveyard, cache->cache_dir, cache->root };
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (dirs[i])
			cache->be->ops->dir_close(dirs[i]);
}

/* One of ours: made if missing, refused if somebody else's. */
static int open_dir(struct fsc_cache *cache, const char *name, struct fsc_dir **out)
{
	struct fsc_stat st;
	int err;

	err = cache->be->ops->dir_open(cache->be, cache->root, name, false, out);
	if (err == -ENOENT) {
		/* The super block's name first, without which a crash might leave this one: the
		 * next owner would take it for somebody else's. */
		err = cache->be->forgets ? 0 : cache->be->ops->sync_dir(cache->root);
		if (!err)
			err = cache->be->ops->dir_open(cache->be, cache->root, name, true, out);
	}
	if (err)
		return err;
	err = cache->be->ops->dir_self(*out, &st);
	if (!err && st.uid != cache->be->uid)
		err = -EPERM;
	return err;
}

static int open_dirs(struct fsc_cache *cache)
{
	int err;

	err = open_dir(cache, "graves", &cache->graveyard);
	if (!err)
		err = open_dir(cache, "tmp", &cache->tmp);
	if (!err)
		err = open_dir(cache, "cache", &cache->cache_dir);
	return err;
}

/* The machine stayed up and the filesystem mounted since the super block was stored: what was done
 * is all there, whether it was synced or not. */
static bool stayed_up(const struct fsc_cache *cache)
{
	const struct fsc_super *super = &cache->super;
	const struct fsc_backend *be = cache->be;

	return super->ids_known && be->ids_known && super->mount_id == be->mount_id &&
	       !memcmp(super->boot_id, be->boot_id, sizeof(be->boot_id));
}

static int empty_cache(struct fsc_cache *cache, const char *why)
{
	int err;

	fsc_log(FSC_LOG_WARN, "cache: emptied: %s", why);
	cache->be->ops->dir_close(cache->cache_dir);
	cache->cache_dir = NULL;
	err = fsc_bury(cache, cache->root, "cache");
	cache->super.used_bytes = UINT64_MAX;
	cache->super.objects = 0;
	if (!err)
		err = open_dir(cache, "cache", &cache->cache_dir);
	/* Before the super block says otherwise, which no log orders: it is written in place. */
	if (!err && !cache->be->forgets)
		err = cache->be->ops->sync_dir(cache->root);
	return err;
}

/* While it is open the count of bytes means nothing; and a volatile cache says that it is open. */
static int mark_open(struct fsc_cache *cache)
{
	struct fsc_super *super = &cache->super;
	int err = 0;

	/* It was killed and is believed. But nothing in it was ever synced, and when the mark is
	 * gone a crash no longer empties it. */
	if (super->open && cache->syncs)
		err = cache->be->ops->sync_fs(cache->be);
	if (err)
		return err;
	super->open = cache->kind == FSC_FS_VOLATILE && !cache->be->forgets;
	super->ids_known = cache->be->ids_known;
	super->mount_id = cache->be->mount_id;
	memcpy(super->boot_id, cache->be->boot_id, sizeof(super->boot_id));
	super->used_bytes = UINT64_MAX;
	err = fsc_super_store(cache);
	if (!err && super->open)
		err = cache->be->ops->sync_dir(cache->root);
	return err;
}

/* The count that a clean end left. The super block is written in place: a crash may leave it
 * without what it counts, or bring an older one back. */
static void take_count(struct fsc_cache *cache, bool fresh)
{
	cache->used_known = cache->super.used_bytes != UINT64_MAX &&
			    (fresh || stayed_up(cache) || cache->be->forgets);
	cache->used = cache->used_known ? cache->super.used_bytes : 0;
}

static int empty_if(struct fsc_cache *cache, const char *why)
{
	int err = why ? empty_cache(cache, why) : 0;

	if (why) {
		cache->used_known = false;
		cache->used = 0;
	}
	return err;
}

/*
 * Without a name of its own, the super would make the next owner refuse what else we made: so it is
 * there before anything but the lock. And it says that the cache is open before anything in it is
 * changed: a crash of a filesystem that promises nothing may spoil any file then. What is to be
 * emptied says so already, and must until it is.
 */
static int bring_up(struct fsc_cache *cache)
{
	const char *why = NULL;
	bool fresh, damaged;
	int err;

	err = fsc_super_load(cache, &fresh, &damaged);
	if (err)
		return err;
	if (damaged)
		why = "its super block is damaged";
	else if (cache->super.open && !stayed_up(cache))
		why = "not closed cleanly on a filesystem that promises nothing";
	take_count(cache, fresh);
	if (!why)
		err = mark_open(cache);
	if (!err)
		err = open_dirs(cache);
	if (!err)
		fsc_bury_graveyard(cache);
	if (!err)
		err = empty_if(cache, why);
	if (!err)
		err = fsc_sweep(cache, cache->tmp);
	cache->scan_due = !cache->used_known && cache->limits.max_bytes;
	return !err && why ? mark_open(cache) : err;
}

static void init_locks(struct fsc_cache *cache)
{
	fsc_mutex_init(&cache->cull_mutex, "cull");
	fsc_mutex_init(&cache->volumes_mutex, "volumes");
	fsc_mutex_init(&cache->saver_mutex, "saver");
	fsc_mutex_init(&cache->super_mutex, "super");
	fsc_spin_init(&cache->dirty_lock, "dirty");
	fsc_spin_init(&cache->space_lock, "space");
	fsc_list_init(&cache->volumes);
	fsc_list_init(&cache->dirty);
	fsc_work_init(&cache->saver, fsc_saver_work);
	fsc_work_init(&cache->cull_work, fsc_cull_work);
	fsc_work_init(&cache->scan_work, fsc_scan_work);
	fsc_work_init(&cache->bury_work, fsc_bury_work);
}

static void free_cache(struct fsc_cache *cache)
{
	fsc_spin_destroy(&cache->space_lock);
	fsc_spin_destroy(&cache->dirty_lock);
	fsc_mutex_destroy(&cache->super_mutex);
	fsc_mutex_destroy(&cache->saver_mutex);
	fsc_mutex_destroy(&cache->volumes_mutex);
	fsc_mutex_destroy(&cache->cull_mutex);
	fsc_free(cache);
}

int fsc_cache_open(struct fsc_backend *be, const struct fsc_cache_params *params,
		   struct fsc_cache **out)
{
	struct fsc_cache *cache;
	bool fresh, damaged;
	int err;

	if (!be)
		return -EINVAL;
	cache = fsc_zalloc(sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	init_locks(cache);
	cache->be = be;
	cache->kind = be->kind;
	err = fill_params(cache, params);
	if (err)
		goto err_free;
	/* A look first: what is no cache isn't even locked, which leaves a file. */
	err = be->ops->dir_open(be, NULL, NULL, false, &cache->root);
	if (!err)
		err = fsc_super_load(cache, &fresh, &damaged);
	if (!err)
		err = be->ops->lock(be);
	if (err)
		goto err_dirs;
	if (cache->params.at_least > cache->kind)
		cache->kind = cache->params.at_least;
	cache->syncs = cache->kind != FSC_FS_VOLATILE && !be->forgets;
	err = bring_up(cache);
	if (err)
		goto err_dirs;
	cache->wq = fsc_workq_create("fscache");
	if (!cache->wq) {
		err = -ENOMEM;
		goto err_dirs;
	}
	fsc_bury_queue(cache);
	*out = cache;
	return 0;

err_dirs:
	close_dirs(cache);
err_free:
	free_cache(cache);
	return err;
}

/* What a clean end may claim: only after everything it is about is on the disk. */
static void mark_closed(struct fsc_cache *cache)
{
	struct fsc_super *super = &cache->super;

	if (fsc_load_acquire(&cache->tainted))
		return;
	if (cache->kind == FSC_FS_VOLATILE && !cache->be->forgets) {
		if (cache->be->never_clean || !fsc_cache_is_online(cache) ||
		    cache->be->ops->sync_fs(cache->be))
			return;
	}
	super->open = false;
	if (cache->used_known && fsc_cache_is_online(cache))
		super->used_bytes = cache->used;
	if (fsc_super_store(cache))
		fsc_log(FSC_LOG_WARN, "cache: could not be marked as closed");
}

void fsc_cache_close_soon(struct fsc_cache *cache)
{
	if (cache)
		fsc_store_release(&cache->closing, 1);
}

void fsc_cache_close(struct fsc_cache *cache)
{
	if (!cache)
		return;
	FSC_ASSERT(fsc_list_empty(&cache->volumes));
	if (cache->readside_free)
		cache->readside_free(cache);
	fsc_cache_close_soon(cache);
	fsc_work_cancel_sync(cache->wq, &cache->cull_work);
	fsc_work_cancel_sync(cache->wq, &cache->bury_work); /* which may queue a scan */
	fsc_work_cancel_sync(cache->wq, &cache->scan_work);
	fsc_work_cancel_sync(cache->wq, &cache->saver);
	fsc_saver_pass(cache, true);
	fsc_workq_destroy(cache->wq);
	mark_closed(cache);
	close_dirs(cache);
	cache->be->ops->close(cache->be);
	free_cache(cache);
}

void fsc_cache_withdraw(struct fsc_cache *cache)
{
	if (!cache || !fsc_cache_is_online(cache))
		return;
	fsc_store_release(&cache->withdrawn, 1);
	fsc_log(FSC_LOG_ERR, "cache: withdrawn; everything comes from the server from now on");
}

bool fsc_cache_online(struct fsc_cache *cache)
{
	return cache && fsc_cache_is_online(cache);
}

enum fsc_fs_kind fsc_cache_kind(struct fsc_cache *cache)
{
	return cache ? cache->kind : FSC_FS_VOLATILE;
}

int fsc_cache_sync(struct fsc_cache *cache)
{
	int err;

	if (!cache)
		return 0;
	if (!fsc_cache_is_online(cache))
		return -ENOBUFS;
	err = fsc_saver_pass(cache, true);
	if (!err && cache->kind == FSC_FS_VOLATILE && !cache->be->forgets)
		err = cache->be->ops->sync_fs(cache->be);
	return err;
}

struct fsc_workq *fsc_cache_workq(struct fsc_cache *cache)
{
	return cache->wq;
}

uint32_t fsc_cache_max_files(struct fsc_cache *cache)
{
	return cache->be->max_files;
}

uint64_t fsc_cache_max_keep_bytes(struct fsc_cache *cache)
{
	return cache->params.max_keep_bytes;
}

uint32_t fsc_cache_mem_align(struct fsc_cache *cache)
{
	return cache->be->mem_align;
}

void **fsc_cache_readside(struct fsc_cache *cache)
{
	return &cache->readside;
}

void (**fsc_cache_readside_free_fn(struct fsc_cache *cache))(struct fsc_cache *)
{
	return &cache->readside_free;
}
