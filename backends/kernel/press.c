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
#include <linux/slab.h>

#include "module.h"
#include "trace.h"

/* A filesystem may take some time to count as free what was freed. */
#define FREED_MS 200

/* An operation may wait for its server: so long for those that were chosen. */
#define PATIENCE_MS 10000

#define MOST 64  /* given up at a time */
#define CHUNK 64 /* looked at without letting go of the lock: there may be 100,000 */

struct choice {
	struct fscache_cookie *cookie; /* with a reference */
	bool idle;
	u64 stored;
};

struct choices {
	struct choice best[MOST]; /* the first one first */
	struct choice some[CHUNK];
	unsigned int nr_best, nr_some;
};

static void put(struct choice *c)
{
	fscache_put_cookie(c->cookie, fscache_cookie_put_object);
}

static bool is_better(const struct choice *a, const struct choice *b)
{
	return a->idle == b->idle ? a->stored > b->stored : a->idle;
}

static void take(struct choices *all, struct fsc_kobject *ko)
{
	struct choice c = { .cookie = ko->cookie, .idle = !atomic_read(&ko->cookie->n_active) };

	c.stored = ko->given_up ? 0 : fsc_object_stored(ko->obj);
	if (!c.stored || (all->nr_best == MOST && !is_better(&c, &all->best[MOST - 1])))
		return;
	fscache_get_cookie(c.cookie, fscache_cookie_get_attach_object);
	all->some[all->nr_some++] = c;
}

/* Those that were looked at go to the end. False: one that was is the first. */
static bool take_some(struct fsc_kcache *kc, struct choices *all)
{
	struct fsc_kobject *ko;
	bool more = true;
	int i;

	all->nr_some = 0;
	spin_lock(&kc->lock);
	for (i = 0; more && i < CHUNK; i++) {
		ko = list_first_entry_or_null(&kc->objects, struct fsc_kobject, node);
		more = ko && ko->looked_at != kc->nr_presses;
		if (!more)
			break;
		ko->looked_at = kc->nr_presses;
		list_move_tail(&ko->node, &kc->objects);
		take(all, ko);
	}
	spin_unlock(&kc->lock);
	return more;
}

/* Without the lock: the last reference may go. */
static void rank(struct choices *all, struct choice *c)
{
	unsigned int i;

	if (all->nr_best == MOST) {
		if (!is_better(c, &all->best[MOST - 1])) {
			put(c);
			return;
		}
		put(&all->best[--all->nr_best]);
	}
	for (i = all->nr_best++; i > 0 && is_better(c, &all->best[i - 1]); i--)
		all->best[i] = all->best[i - 1];
	all->best[i] = *c;
}

static void choose(struct fsc_kcache *kc, struct choices *all)
{
	unsigned int i;
	bool more;

	kc->nr_presses++;
	do {
		more = take_some(kc, all);
		for (i = 0; i < all->nr_some; i++)
			rank(all, &all->some[i]);
		cond_resched();
	} while (more);
}

/* False: it was withdrawn meanwhile. */
static bool give_up(struct fsc_kcache *kc, struct fscache_cookie *cookie)
{
	struct fsc_kobject *ko;

	spin_lock(&kc->lock);
	ko = cookie->cache_priv;
	if (ko) {
		ko->given_up = true;
		kc->nr_given_up++;
	}
	spin_unlock(&kc->lock);
	if (!ko)
		return false;
	trace_libfscache_press(cookie);
	fscache_count_culled();
	fscache_withdraw_cookie(cookie);
	return true;
}

/* How many; those of the best that it takes. */
static unsigned int give_up_best(struct fsc_kcache *kc, u64 bytes, u64 files)
{
	struct choices *all = kzalloc(sizeof(*all), GFP_KERNEL);
	unsigned int i, n = 0;

	if (!all)
		return 0;
	choose(kc, all);
	for (i = 0; i < all->nr_best; i++) {
		if ((bytes || files) && give_up(kc, all->best[i].cookie)) {
			bytes -= min(bytes, all->best[i].stored);
			files -= min_t(u64, files, 1);
			n++;
		}
		put(&all->best[i]);
	}
	kfree(all);
	return n;
}

static void press(struct work_struct *work)
{
	struct fsc_kcache *kc = container_of(work, struct fsc_kcache, press.work);
	u64 bytes, files;

	if (!fsc_cache_make_room(kc->cache, &bytes, &files))
		return;
	/* Till all are chosen none is the last to come back. */
	spin_lock(&kc->lock);
	kc->nr_given_up++;
	spin_unlock(&kc->lock);
	/* Not sooner, though more be refused meanwhile: that waits for the same. */
	if (give_up_best(kc, bytes, files))
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
