// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * turn.c - the line that the changes of a cookie's file stand in, and whether they are kept.
 *
 * With proof the generation that is current is prepared; in all other cases nothing is sent before
 * what is stored under the key is gone, and the cookie stays uncached as long as the use lasts. So
 * no change is ever unknown to what is stored: also not where there was no object to be had.
 */
#include "turn.h"

#include "read.h"

static struct fsc_change *change_of(struct fsc_list *node)
{
	return fsc_container_of(node, struct fsc_change, node);
}

static void resume(struct fsc_change *change)
{
	fsc_spin_assert_held(&change->cookie->lock);
	if (change->sleeper)
		fsc_sleeper_wake(change->sleeper);
	else
		fsc_work_queue(change->cookie->wq, change->work, 0);
}

/* --- The line --------------------------------------------------------------------------------- */

static bool moves_end(const struct fsc_change *change)
{
	const struct fsc_cookie *cookie = change->cookie;

	if (change->kind != FSC_CHANGE_WRITE)
		return change->kind == FSC_CHANGE_RESIZE;
	/* Where no object has to be grown any two writes may go together. */
	return cookie->proven && !cookie->uncached && change->end > cookie->size;
}

/* What it would keep for itself now. */
static void claim(struct fsc_change *change)
{
	change->from = change->start;
	change->to = change->end;
	if (change->granules) {
		change->from = fsc_round_down(change->from, FSC_GRANULE_SIZE);
		change->to = fsc_round_up(change->to, FSC_GRANULE_SIZE);
	}
	if (!moves_end(change))
		return;
	/* The granule with the old end, or the new one, is cleared too. */
	change->from = fsc_min64(change->from, fsc_min64(change->end, change->cookie->size));
	change->from = fsc_round_down(change->from, FSC_GRANULE_SIZE);
	change->to = UINT64_MAX;
}

static bool overlap(const struct fsc_change *a, const struct fsc_change *b)
{
	return a->from < b->to && b->from < a->to;
}

/* Those before it go first, and those that have their turn already. */
static bool may_start(struct fsc_change *change)
{
	struct fsc_list *node, *head = &change->cookie->changes;
	bool before = true;

	claim(change);
	fsc_list_for_each(node, head) {
		struct fsc_change *other = change_of(node);

		if (other == change) {
			before = false;
			continue;
		}
		if (!other->has_turn && before)
			claim(other);
		if ((other->has_turn || before) && overlap(change, other))
			return false;
	}
	return true;
}

static void start(struct fsc_change *change)
{
	change->has_turn = true;
	change->old_size = change->cookie->size;
}

/* A client whose file is longer than any that ours is, was or is about to be means another one. */
static bool fits(const struct fsc_cookie *cookie, uint64_t file_size)
{
	uint64_t most = cookie->size;
	struct fsc_list *node;

	fsc_list_for_each(node, &cookie->changes) {
		const struct fsc_change *change = change_of(node);

		most = fsc_max64(most, change->old_size);
		if (change->kind != FSC_CHANGE_PUNCH)
			most = fsc_max64(most, change->end);
	}
	return file_size <= most;
}

bool fsc_change_enter(struct fsc_change *change, uint64_t file_size)
{
	struct fsc_cookie *cookie = change->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool go;

	change->fits = fits(cookie, file_size);
	fsc_list_add_tail(&cookie->changes, &change->node);
	go = may_start(change);
	if (go)
		start(change);
	fsc_spin_unlock(&cookie->lock, irq);
	return go;
}

void fsc_change_leave(struct fsc_change *change)
{
	struct fsc_cookie *cookie = change->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_list *node;

	fsc_list_del(&change->node);
	fsc_list_for_each(node, &cookie->changes) {
		struct fsc_change *next = change_of(node);

		if (next->has_turn || !may_start(next))
			continue;
		start(next);
		resume(next);
	}
	fsc_spin_unlock(&cookie->lock, irq);
}

/* --- What it finds ---------------------------------------------------------------------------- */

static bool is_bare(const struct fsc_cookie *cookie)
{
	return cookie->uncached && !fsc_cookie_is_pending(cookie);
}

bool fsc_change_is_bare(struct fsc_change *change)
{
	struct fsc_cookie *cookie = change->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool bare = is_bare(cookie);

	fsc_spin_unlock(&cookie->lock, irq);
	return bare;
}

/* Has it room for what it does? It has, unless the file became another one meanwhile. */
static bool in_its_place(const struct fsc_change *change)
{
	return change->fits && (!moves_end(change) || change->to == UINT64_MAX);
}

static enum fsc_admitted later(struct fsc_change *change, bool wait)
{
	change->waits = wait;
	return FSC_ADMIT_LATER;
}

/* @wait: it is resumed if the answer is FSC_ADMIT_LATER. */
static enum fsc_admitted look(struct fsc_change *change, bool wait, struct fsc_gen **gen)
{
	struct fsc_cookie *cookie = change->cookie;

	fsc_spin_assert_held(&cookie->lock);
	cookie->modifying = cookie->uses != 0; /* also if that wasn't said */
	if (!cookie->proven || !cookie->uses || !in_its_place(change))
		fsc_cookie_give_up(cookie);
	if (is_bare(cookie))
		return FSC_ADMIT_BARE;
	if (fsc_cookie_is_pending(cookie))
		return later(change, wait);
	if (cookie->state == FSC_COOKIE_IDLE) { /* parked */
		fsc_cookie_move(cookie, FSC_COOKIE_LOOKING_UP);
		fsc_cookie_kick(cookie);
		return later(change, wait);
	}
	*gen = fsc_cookie_usable_gen(cookie);
	if (*gen) {
		cookie->dirty = true;
		return FSC_ADMIT_KEPT;
	}
	/* There is none, but what is stored may come back. */
	fsc_cookie_give_up(cookie);
	return later(change, wait);
}

static enum fsc_admitted look_locked(struct fsc_change *change, bool wait, struct fsc_gen **gen)
{
	unsigned long irq = fsc_spin_lock(&change->cookie->lock);
	enum fsc_admitted ret = look(change, wait, gen);

	fsc_spin_unlock(&change->cookie->lock, irq);
	return ret;
}

enum fsc_admitted fsc_change_admit(struct fsc_change *change, struct fsc_gen **gen)
{
	enum fsc_admitted ret;

	*gen = NULL;
	while ((ret = look_locked(change, false, gen)) == FSC_ADMIT_LATER) {
		fsc_cookie_settle(change->cookie); /* here, if it can be done */
		ret = look_locked(change, true, gen);
		if (ret != FSC_ADMIT_LATER || !change->sleeper)
			break;
		fsc_sleeper_sleep(change->sleeper);
	}
	return ret;
}

void fsc_changes_resume(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_list *node;

	if (!fsc_cookie_is_pending(cookie)) {
		fsc_list_for_each(node, &cookie->changes) {
			struct fsc_change *change = change_of(node);

			if (change->waits)
				resume(change);
			change->waits = false;
		}
	}
	fsc_spin_unlock(&cookie->lock, irq);
}

/* --- The file's end, and the worst ------------------------------------------------------------ */

/* The object, if it may be changed; cookie.op keeps it there. */
static struct fsc_object *usable_object(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_gen *gen = fsc_cookie_usable_gen(cookie);
	struct fsc_object *obj = gen ? cookie->obj : NULL;

	fsc_spin_unlock(&cookie->lock, irq);
	fsc_gen_put(gen);
	return obj;
}

void fsc_change_resize(struct fsc_change *change, uint64_t size)
{
	struct fsc_cookie *cookie = change->cookie;
	struct fsc_object *obj;
	unsigned long irq;
	int err = -ENOBUFS;

	fsc_mutex_lock(&cookie->op);
	obj = usable_object(cookie);
	if (obj)
		err = fsc_object_resize(obj, size);
	irq = fsc_spin_lock(&cookie->lock);
	/* Not if it was invalidated meanwhile, and told another size. */
	if (err)
		fsc_cookie_give_up(cookie);
	else if (!cookie->uncached)
		cookie->size = size;
	fsc_spin_unlock(&cookie->lock, irq);
	fsc_mutex_unlock(&cookie->op);
}

void fsc_change_failed(struct fsc_change *change)
{
	struct fsc_cookie *cookie = change->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	if (!cookie->uncached && cookie->proven)
		cookie->size = change->old_size;
	fsc_cookie_give_up(cookie);
	fsc_spin_unlock(&cookie->lock, irq);
}
