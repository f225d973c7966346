// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * account.c - may something be stored? The filesystem's free space, asked for now and then, less
 * what was stored since; and the bytes that the cache itself occupies, counted.
 */
#include "bits.h"
#include "core.h"

/* How long, and for how many bytes stored, an answer of the filesystem is good enough. Near the
 * limits it is asked again sooner, as others fill it too. */
#define SPACE_MS 1000
#define SPACE_BYTES (64ull << 20)
#define SPACE_NEAR_MS 100
#define SPACE_NEAR_BYTES (4ull << 20)

/* A count that failed is made again after 10 s, 20 s, ... 21 minutes. */
#define RESCAN_MS 10000u
#define RESCAN_DOUBLINGS 7

/* Bytes stored since the filesystem was asked. space_lock. */
static uint64_t stored_since(const struct fsc_cache *cache)
{
	return cache->stored - cache->space_stored;
}

/* space_lock. */
static struct fsc_space space_now(const struct fsc_cache *cache)
{
	struct fsc_space space = cache->space;
	uint64_t since = stored_since(cache) / (space.block_size ? space.block_size : 1);

	space.blocks_free -= fsc_min64(space.blocks_free, since);
	return space;
}

/* space_lock. */
static bool is_old(const struct fsc_cache *cache)
{
	struct fsc_space space;
	uint64_t age;
	bool near;

	if (!cache->space_known)
		return true;
	space = space_now(cache);
	near = fsc_space_check(&cache->limits, &space, 0, 0) != FSC_SPACE_OK;
	age = fsc_now_ms() - cache->space_ms;
	return age > (near ? SPACE_NEAR_MS : SPACE_MS) ||
	       stored_since(cache) > (near ? SPACE_NEAR_BYTES : SPACE_BYTES);
}

static void refresh(struct fsc_cache *cache)
{
	struct fsc_space space;
	unsigned long irq;
	uint64_t stored;
	int err;

	/* What is stored while it is asked may not be in the answer. */
	irq = fsc_spin_lock(&cache->space_lock);
	stored = cache->stored;
	fsc_spin_unlock(&cache->space_lock, irq);
	err = cache->be->ops->space(cache->be, &space);
	if (err) {
		fsc_cache_error(cache, err, "asking for free space");
		return;
	}
	irq = fsc_spin_lock(&cache->space_lock);
	cache->space = space;
	cache->space_ms = fsc_now_ms();
	cache->space_stored = stored;
	cache->space_known = true;
	fsc_spin_unlock(&cache->space_lock, irq);
}

int fsc_space_take(struct fsc_cache *cache, uint64_t bytes)
{
	enum fsc_space_verdict verdict = FSC_SPACE_STOP;
	struct fsc_space space;
	unsigned long irq;
	bool old;

	irq = fsc_spin_lock(&cache->space_lock);
	old = is_old(cache);
	fsc_spin_unlock(&cache->space_lock, irq);
	if (old)
		refresh(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	if (cache->space_known) {
		space = space_now(cache);
		verdict = fsc_space_check(&cache->limits, &space, cache->used, bytes);
	}
	if (verdict == FSC_SPACE_STOP) {
		cache->refused = fsc_max64(cache->refused, bytes);
	} else {
		cache->used += bytes;
		cache->used_moved = true;
		cache->stored += bytes;
	}
	fsc_spin_unlock(&cache->space_lock, irq);
	if (verdict >= FSC_SPACE_CULL)
		fsc_cull_queue(cache);
	return verdict == FSC_SPACE_STOP ? -ENOSPC : 0;
}

void fsc_space_give(struct fsc_cache *cache, uint64_t bytes)
{
	unsigned long irq = fsc_spin_lock(&cache->space_lock);

	cache->used -= fsc_min64(cache->used, bytes);
	cache->used_moved = cache->used_moved || bytes;
	fsc_spin_unlock(&cache->space_lock, irq);
}

void fsc_space_freed(struct fsc_cache *cache, uint64_t bytes)
{
	unsigned long irq;

	fsc_space_give(cache, bytes);
	irq = fsc_spin_lock(&cache->space_lock);
	cache->freed = cache->freed || bytes;
	fsc_spin_unlock(&cache->space_lock, irq);
}

void fsc_space_unknown(struct fsc_cache *cache)
{
	unsigned long irq = fsc_spin_lock(&cache->space_lock);

	cache->used_known = false;
	/* Nor will a count that is under way have seen it. */
	cache->used_moved = true;
	fsc_spin_unlock(&cache->space_lock, irq);
}

void fsc_space_removing(struct fsc_cache *cache)
{
	unsigned long irq = fsc_spin_lock(&cache->space_lock);

	if (!cache->used_known)
		cache->used_moved = true;
	fsc_spin_unlock(&cache->space_lock, irq);
}

static bool miscounted(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool due = gen->miscounted && gen->file && gen->linked;

	fsc_spin_unlock(&gen->lock, irq);
	return due;
}

/* save_mutex: a punch counts as well. */
static void recount_locked(struct fsc_gen *gen)
{
	struct fsc_cache *cache = gen->cache;
	struct fsc_stat st;
	uint64_t before;
	unsigned long irq;

	if (cache->be->ops->stat(gen->file, &st)) {
		fsc_space_unknown(cache);
		return;
	}
	irq = fsc_spin_lock(&gen->lock);
	before = gen->charge;
	gen->charge = st.bytes;
	fsc_spin_unlock(&gen->lock, irq);
	irq = fsc_spin_lock(&cache->space_lock);
	cache->used -= fsc_min64(cache->used, before);
	cache->used += st.bytes;
	cache->used_moved = true;
	fsc_spin_unlock(&cache->space_lock, irq);
}

void fsc_space_recount(struct fsc_gen *gen)
{
	if (!miscounted(gen))
		return;
	fsc_mutex_lock(&gen->save_mutex);
	recount_locked(gen);
	fsc_mutex_unlock(&gen->save_mutex);
}

bool fsc_space_wanted(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files)
{
	struct fsc_space space;
	unsigned long irq;

	refresh(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	space = cache->space;
	fsc_space_goal(&cache->limits, &space, cache->used, bytes, files);
	fsc_spin_unlock(&cache->space_lock, irq);
	return *bytes || *files;
}

/* Of free space, whatever the budget says. space_lock. */
static bool is_short(struct fsc_cache *cache)
{
	struct fsc_space_limits limits = cache->limits;
	uint64_t bytes, files;

	limits.max_bytes = 0;
	fsc_space_goal(&limits, &cache->space, 0, &bytes, &files);
	return bytes || files;
}

/* Did the sync show more, and so will the next one? (Others may have made room meanwhile, or have
 * synced before us: what was seen once is believed from then on, and what wasn't until it is.) */
static void learn(struct fsc_cache *cache, const struct fsc_space *before)
{
	unsigned long irq;

	refresh(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	if (cache->space.blocks_free > before->blocks_free ||
	    cache->space.files_free > before->files_free)
		cache->frees_late = true;
	else
		cache->frees_promptly = true;
	fsc_spin_unlock(&cache->space_lock, irq);
}

/* btrfs counts much of what was removed as free only when it has written that down, in 30 s. */
bool fsc_space_show_freed(struct fsc_cache *cache, bool doubtful)
{
	struct fsc_space before;
	unsigned long irq;
	bool due;
	int err;

	irq = fsc_spin_lock(&cache->space_lock);
	before = cache->space;
	due = cache->freed && is_short(cache) &&
	      (doubtful || cache->frees_late || !cache->frees_promptly);
	if (due)
		cache->freed = false;
	fsc_spin_unlock(&cache->space_lock, irq);
	if (!due)
		return false;
	err = cache->be->ops->sync_fs(cache->be);
	if (err)
		fsc_cache_error(cache, err, "syncing what was removed");
	else
		learn(cache, &before);
	return !err;
}

bool fsc_space_lacking(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files)
{
	struct fsc_space space;
	unsigned long irq;

	refresh(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	space = cache->space;
	fsc_space_lack(&cache->limits, &space, cache->used, cache->refused, bytes, files);
	cache->refused = 0;
	fsc_spin_unlock(&cache->space_lock, irq);
	return *bytes || *files;
}

/* Nothing is stored, but limits or what is known have changed. */
static void cull_if_low(struct fsc_cache *cache)
{
	enum fsc_space_verdict verdict;
	struct fsc_space space;
	unsigned long irq;

	refresh(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	space = cache->space;
	verdict = fsc_space_check(&cache->limits, &space, cache->used, 0);
	fsc_spin_unlock(&cache->space_lock, irq);
	if (verdict >= FSC_SPACE_CULL)
		fsc_cull_queue(cache);
}

/* Without a budget what is on the disk may not have been counted: it is then, and culling waits for
 * that. */
int fsc_cache_set_limits(struct fsc_cache *cache, const struct fsc_cache_params *params)
{
	static const struct fsc_cache_params defaults;
	struct fsc_space_limits limits;
	unsigned long irq;
	bool count;
	int err;

	if (!cache)
		return -ENOBUFS;
	err = fsc_space_limits_init(&limits, params ? params : &defaults);
	if (err)
		return err;
	irq = fsc_spin_lock(&cache->space_lock);
	count = limits.max_bytes && !cache->limits.max_bytes && !cache->used_known;
	cache->limits = limits;
	cache->stored_first = cache->stored_first || count;
	fsc_spin_unlock(&cache->space_lock, irq);
	if (count)
		fsc_work_queue(cache->wq, &cache->scan_work, 0);
	else
		cull_if_low(cache);
	return 0;
}

/* --- Counting -------------------------------------------------------------------------------- */

struct count_walk {
	struct fsc_walk walk;
	uint64_t bytes;
};

static bool count_one(struct fsc_walk *walk, const char *volume, const char *path,
		      const struct fsc_stat *st)
{
	(void)volume;
	(void)path;
	fsc_container_of(walk, struct count_walk, walk)->bytes += st->bytes;
	return true;
}

/* What is still waiting to be removed wasn't counted, and is given back when it goes. */
static bool no_graves(struct fsc_cache *cache)
{
	const struct fsc_backend_ops *ops = cache->be->ops;
	char name[FSC_NAME_MAX + 1];
	struct fsc_dir *dir;
	uint64_t pos = 0;
	bool none;

	/* A handle of our own: one reader at a time per handle. */
	if (ops->dir_open(cache->be, cache->root, "graves", false, &dir))
		return false;
	none = ops->dir_next(dir, &pos, name, sizeof(name)) == 0;
	ops->dir_close(dir);
	return none;
}

/* What couldn't be read wasn't counted, and no budget holds for it. The next one counts all anew,
 * what is stored by then as well. */
static void scan_again(struct fsc_cache *cache)
{
	unsigned long irq = fsc_spin_lock(&cache->space_lock);

	cache->stored_first = true;
	fsc_spin_unlock(&cache->space_lock, irq);
	if (fsc_load_acquire(&cache->closing))
		return;
	fsc_work_queue(cache->wq, &cache->scan_work, RESCAN_MS << cache->scans_failed);
	if (cache->scans_failed < RESCAN_DOUBLINGS)
		cache->scans_failed++;
}

/*
 * After an unclean stop: what is there, plus what was stored since we opened. What was stored
 * before the walk came by is counted twice, which errs on the side of the limit; then the next open
 * counts again. If that may be much, it gets its names first, and is counted by those.
 */
void fsc_scan_work(struct fsc_work *work)
{
	struct fsc_cache *cache = fsc_container_of(work, struct fsc_cache, scan_work);
	struct count_walk c = { .walk.fn = count_one };
	uint64_t twice = 0;
	unsigned long irq;
	bool none;

	irq = fsc_spin_lock(&cache->space_lock);
	/* Given back before it was counted: what is left may be too little. */
	cache->used_moved = cache->used_moved || cache->used;
	if (cache->stored_first)
		twice = cache->used;
	cache->stored_first = false;
	fsc_spin_unlock(&cache->space_lock, irq);
	if (twice)
		fsc_saver_pass(cache, true);
	if (!fsc_walk(cache, &c.walk)) {
		scan_again(cache);
		return;
	}
	none = no_graves(cache);
	irq = fsc_spin_lock(&cache->space_lock);
	cache->used += c.bytes;
	cache->used -= fsc_min64(cache->used, twice);
	cache->used_known = none && !cache->used_moved && !c.walk.missed;
	fsc_spin_unlock(&cache->space_lock, irq);
	if (c.walk.missed)
		scan_again(cache);
	else
		cache->scans_failed = 0;
	cull_if_low(cache);
}
