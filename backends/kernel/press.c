// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * press.c - room that only files in use could give back.
 *
 * The core culls what isn't open. When that isn't enough and something couldn't be stored, what
 * nobody uses but fscache still has open is withdrawn, and then what is in use, the largest first:
 * what is stored of it goes. A file in use is uncached from then on until it is opened again: to
 * begin anew at once would only fill the disk again. What is being written to has nothing stored.
 */
#include "module.h"
#include "trace.h"

/* As long as withdrawals may take; each is made by a worker of fscache's, when no operation is under
 * way on the cookie. */
#define AGAIN_MS 200

static bool is_better(const struct fsc_kobject *a, const struct fsc_kobject *b)
{
	bool idle_a = !atomic_read(&a->cookie->n_active);
	bool idle_b = !atomic_read(&b->cookie->n_active);

	if (idle_a != idle_b)
		return idle_a;
	return READ_ONCE(a->cookie->object_size) > READ_ONCE(b->cookie->object_size);
}

/* With a reference; NULL: none is left. */
static struct fscache_cookie *choose(struct fsc_kcache *kc)
{
	struct fsc_kobject *ko, *best = NULL;

	spin_lock(&kc->lock);
	list_for_each_entry(ko, &kc->objects, node)
		if (!ko->given_up && !READ_ONCE(ko->local) &&
		    (!best || is_better(ko, best)))
			best = ko;
	if (best) {
		best->given_up = true;
		fscache_get_cookie(best->cookie, fscache_cookie_get_attach_object);
	}
	spin_unlock(&kc->lock);
	return best ? best->cookie : NULL;
}

static void press(struct work_struct *work)
{
	struct fsc_kcache *kc = container_of(work, struct fsc_kcache, press.work);
	struct fscache_cookie *cookie;

	if (!fsc_cache_make_room(kc->cache))
		return;
	cookie = choose(kc);
	if (!cookie)
		return;
	trace_libfscache_press(cookie);
	fscache_count_culled();
	fscache_withdraw_cookie(cookie);
	fscache_put_cookie(cookie, fscache_cookie_put_object);
	queue_delayed_work(system_unbound_wq, &kc->press, msecs_to_jiffies(AGAIN_MS));
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
