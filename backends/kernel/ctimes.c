// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ctimes.c - which ctime a file had when it was used last: another one tells of a truncation by
 * name (see cookie.c) when it is used again.
 *
 * A file whose ctime isn't known any more loses what is stored of it if its inode is still in
 * memory. Nobody tells us when that goes, and with it what the ctime was kept for: so those of the
 * oldest cookies are forgotten when there are many, or when memory is wanted, which takes inodes as
 * well.
 */
#include "module.h"

/* In each volume. 9 bytes are what one takes where most of the files are remembered. */
#define MOST (1l << 18)

void fsc_ctimes_init(struct fsc_kvolume *kv)
{
	xa_init(&kv->ctimes);
	atomic_long_set(&kv->nr_ctimes, 0);
}

void fsc_ctimes_destroy(struct fsc_kvolume *kv)
{
	xa_destroy(&kv->ctimes);
}

/* At most @n, of those that were made first; how many were. */
static unsigned long forget(struct fsc_kvolume *kv, unsigned long n)
{
	unsigned long id, gone = 0;
	void *entry;

	if (!n)
		return 0;
	xa_for_each(&kv->ctimes, id, entry) {
		if (!xa_erase(&kv->ctimes, id))
			continue;
		atomic_long_dec(&kv->nr_ctimes);
		if (++gone == n)
			break;
	}
	return gone;
}

void fsc_ctime_remember(struct fsc_kobject *ko)
{
	struct fsc_kvolume *kv = ko->kv;

	if (!ko->ctime)
		return;
	/* (what was there, or an error) */
	if (atomic_long_inc_return(&kv->nr_ctimes) > MOST)
		forget(kv, 1);
	if (xa_store(&kv->ctimes, ko->cookie->debug_id, xa_mk_value(ko->ctime), GFP_KERNEL))
		atomic_long_dec(&kv->nr_ctimes);
}

bool fsc_ctime_recall(struct fsc_kobject *ko)
{
	void *entry = xa_erase(&ko->kv->ctimes, ko->cookie->debug_id);

	if (!entry)
		return !READ_ONCE(ko->cookie->unused_at);
	atomic_long_dec(&ko->kv->nr_ctimes);
	ko->ctime = xa_to_value(entry);
	return true;
}

/* --- When memory is wanted -------------------------------------------------------------------- */

unsigned long fsc_ctimes_count(struct fsc_kcache *kc)
{
	struct fsc_kvolume *kv;
	unsigned long n = 0;

	spin_lock(&kc->lock);
	list_for_each_entry(kv, &kc->volumes, node)
		n += atomic_long_read(&kv->nr_ctimes);
	spin_unlock(&kc->lock);
	return n;
}

static unsigned long count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return fsc_ctimes_count(fsc_shrinker_priv(shrinker));
}

static unsigned long scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct fsc_kcache *kc = fsc_shrinker_priv(shrinker);
	struct fsc_kvolume *kv;
	unsigned long n = 0;

	spin_lock(&kc->lock);
	list_for_each_entry(kv, &kc->volumes, node)
		n += forget(kv, sc->nr_to_scan - n);
	spin_unlock(&kc->lock);
	return n;
}

void fsc_ctimes_shrink(struct fsc_kcache *kc)
{
	kc->shrinker = fsc_shrinker_start(count, scan, kc);
}

void fsc_ctimes_shrink_no_more(struct fsc_kcache *kc)
{
	fsc_shrinker_end(kc->shrinker);
}
