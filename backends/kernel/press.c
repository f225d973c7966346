// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * press.c - room that only files in use could give back.
 *
 * The core culls what isn't open. When that isn't enough and something couldn't be stored, what
 * nobody uses but fscache still has open is withdrawn, and then what is in use, those first of
 * which most is stored, until what was refused can be stored and culling needn't begin. What is
 * stored of them goes. A file in use is uncached from then on until it is opened again: to begin
 * anew at once would only fill the disk again.
 *
 * Each is withdrawn by a worker of fscache's when no operation is under way on its cookie. So what
 * was chosen to give enough is waited for before more are chosen.
 */
#include "module.h"
#include "trace.h"

/* A filesystem may take some time to count as free what was freed. */
#define FREED_MS 200

/* An operation may wait for its server: so long for those that were chosen. */
#define PATIENCE_MS 10000

/* At a time: each is looked for among all. */
#define MOST 64

struct choice {
	struct fsc_kobject *ko; /* NULL: none yet */
	bool idle;
	u64 stored;
};

static void consider(struct choice *best, struct fsc_kobject *ko)
{
	struct choice c = { .ko = ko, .idle = !atomic_read(&ko->cookie->n_active) };

	c.stored = ko->given_up ? 0 : fsc_object_stored(ko->obj);
	if (!c.stored)
		return;
	if (!best->ko || (c.idle == best->idle ? c.stored > best->stored : c.idle))
		*best = c;
}

/* With a reference; NULL: none is left. *@stored: what it gives back. */
static struct fscache_cookie *choose(struct fsc_kcache *kc, u64 *stored)
{
	struct fscache_cookie *cookie = NULL;
	struct choice best = { 0 };
	struct fsc_kobject *ko;

	spin_lock(&kc->lock);
	list_for_each_entry(ko, &kc->objects, node)
		consider(&best, ko);
	if (best.ko) {
		best.ko->given_up = true;
		kc->nr_given_up++;
		cookie = best.ko->cookie;
		fscache_get_cookie(cookie, fscache_cookie_get_attach_object);
	}
	spin_unlock(&kc->lock);
	*stored = best.stored;
	return cookie;
}

static bool give_up_one(struct fsc_kcache *kc, u64 *bytes, u64 *files)
{
	struct fscache_cookie *cookie;
	u64 stored;

	cookie = choose(kc, &stored);
	if (!cookie)
		return false;
	trace_libfscache_press(cookie);
	fscache_count_culled();
	fscache_withdraw_cookie(cookie);
	fscache_put_cookie(cookie, fscache_cookie_put_object);
	*bytes -= min(*bytes, stored);
	*files -= min_t(u64, *files, 1);
	return true;
}

static void press(struct work_struct *work)
{
	struct fsc_kcache *kc = container_of(work, struct fsc_kcache, press.work);
	unsigned int n = 0;
	u64 bytes, files;

	if (!fsc_cache_make_room(kc->cache, &bytes, &files))
		return;
	/* Till all are chosen none is the last to come back. */
	spin_lock(&kc->lock);
	kc->nr_given_up++;
	spin_unlock(&kc->lock);
	while ((bytes || files) && n < MOST && give_up_one(kc, &bytes, &files))
		n++;
	/* Not sooner, though more be refused meanwhile: that waits for the same. */
	if (n)
		mod_delayed_work(system_unbound_wq, &kc->press, msecs_to_jiffies(PATIENCE_MS));
	fsc_kpress_given(kc);
}

void fsc_kpress_given(struct fsc_kcache *kc)
{
	bool last;

	spin_lock(&kc->lock);
	last = !--kc->nr_given_up;
	spin_unlock(&kc->lock);
	/* (Not pending: nothing was chosen.) */
	if (last && delayed_work_pending(&kc->press))
		mod_delayed_work(system_unbound_wq, &kc->press, msecs_to_jiffies(FREED_MS));
}

void fsc_kpress_init(struct fsc_kcache *kc)
{
	INIT_DELAYED_WORK(&kc->press, press);
}

void fsc_kpress(struct fsc_kcache *kc)
{
	queue_delayed_work(system_unbound_wq, &kc->press, 0);
}

void fsc_kpress_exit(struct fsc_kcache *kc)
{
	cancel_delayed_work_sync(&kc->press);
}
