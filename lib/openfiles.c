/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * openfiles.c - never more open backing files than the backend wants: objects of cookies that are
 * not in use are closed first, then those that weren't read lately, which then are looked up again.
 *
 * A read only sets a flag in its cookie, so that reads share no lock: who looks for somebody to
 * park passes over those flagged, once, as if they had been put at the end of the list when read.
 */
#include "cookie.h"

void fsc_side_note(struct fsc_side *side, struct fsc_cookie *cookie, int change)
{
	unsigned long irq = fsc_spin_lock(&side->lock), irq2;
	struct fsc_list *where = NULL;

	side->nr_open += (uint32_t)change;
	/* As it is now: two threads that come here may come in the wrong order. */
	irq2 = fsc_spin_lock(&cookie->lock);
	if (cookie->obj)
		where = cookie->uses ? &side->busy : &side->idle;
	fsc_spin_unlock(&cookie->lock, irq2);
	fsc_list_del(&cookie->in_lru);
	if (where)
		fsc_list_add_tail(where, &cookie->in_lru);
	fsc_spin_unlock(&side->lock, irq);
}

/* May it be closed now? Then it is marked, and its memory held. */
static bool choose(struct fsc_cookie *cookie, bool last)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = cookie->state == FSC_COOKIE_ACTIVE && !cookie->pins && !cookie->referenced;

	/* That would cost what it has. */
	yes = yes && (last || !cookie->dirty);

	cookie->referenced = false;
	if (yes) {
		cookie->park = true;
		fsc_cookie_get(cookie);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

/* @passes over the list: in the first, what was read lately is spared. */
static struct fsc_cookie *choose_from(struct fsc_list *list, uint32_t passes)
{
	while (passes--) {
		struct fsc_list *node, *next, *last = list->prev;

		for (node = list->next; node != list; node = next) {
			struct fsc_cookie *cookie =
				fsc_container_of(node, struct fsc_cookie, in_lru);
			bool end = node == last;

			next = node->next;
			if (choose(cookie, !passes))
				return cookie;
			fsc_list_del(node);
			fsc_list_add_tail(list, node);
			if (end)
				break;
		}
	}
	return NULL;
}

static struct fsc_cookie *somebody(struct fsc_side *side)
{
	unsigned long irq = fsc_spin_lock(&side->lock);
	struct fsc_cookie *cookie = NULL;

	if (side->nr_open >= side->max_files)
		cookie = choose_from(&side->idle, 2);
	if (side->nr_open >= side->max_files && !cookie)
		cookie = choose_from(&side->busy, 2);
	fsc_spin_unlock(&side->lock, irq);
	return cookie;
}

void fsc_side_make_room(struct fsc_side *side)
{
	struct fsc_cookie *cookie;

	/* Bounded, as one whose op is held by somebody slow is parked later, by that one. */
	for (uint32_t i = 0; side->max_files && i < side->max_files; i++) {
		cookie = somebody(side);
		if (!cookie)
			return;
		fsc_cookie_settle_parked(cookie);
		fsc_cookie_put(cookie);
	}
}
