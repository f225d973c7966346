/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie.c - the client's handle on one remote file: references, uses, invalidation.
 *
 * What must block (opening, closing and replacing the object) is only noted here, under the
 * cookie's spinlock, and done by fsc_cookie_settle() in cookie_work.c. So every call here but the
 * _wait ones may come from a completion.
 */
#include "cookie.h"

/* One bit per state that may follow. */
static const uint8_t moves[FSC_COOKIE_STATES] = {
	[FSC_COOKIE_IDLE] = 1u << FSC_COOKIE_LOOKING_UP | 1u << FSC_COOKIE_ACTIVE |
			    1u << FSC_COOKIE_CLOSING,
	[FSC_COOKIE_LOOKING_UP] = 1u << FSC_COOKIE_ACTIVE | 1u << FSC_COOKIE_FAILED |
				  1u << FSC_COOKIE_CLOSING,
	[FSC_COOKIE_ACTIVE] = 1u << FSC_COOKIE_IDLE | 1u << FSC_COOKIE_CLOSING,
	[FSC_COOKIE_FAILED] = 1u << FSC_COOKIE_LOOKING_UP | 1u << FSC_COOKIE_ACTIVE |
			      1u << FSC_COOKIE_CLOSING,
	[FSC_COOKIE_CLOSING] = 1u << FSC_COOKIE_CLOSED,
};

bool fsc_cookie_may_move(enum fsc_cookie_state from, enum fsc_cookie_state to)
{
	return moves[from] >> to & 1;
}

void fsc_cookie_move(struct fsc_cookie *cookie, enum fsc_cookie_state to)
{
	fsc_spin_assert_held(&cookie->lock);
	FSC_ASSERT(fsc_cookie_may_move(cookie->state, to));
	cookie->state = to;
}

void fsc_cookie_get(struct fsc_cookie *cookie)
{
	fsc_ref_get(&cookie->mem);
}

void fsc_cookie_put(struct fsc_cookie *cookie)
{
	struct fsc_cookies *table = cookie->table;

	if (!fsc_ref_put(&cookie->mem))
		return;
	fsc_cookie_free(cookie);
	fsc_cookies_gone(table);
}

void fsc_cookie_kick(struct fsc_cookie *cookie)
{
	fsc_cookie_get(cookie);
	if (!fsc_work_queue(cookie->wq, &cookie->work, 0))
		fsc_cookie_put(cookie); /* it is queued already, with a reference */
}

void fsc_cookie_pin(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	cookie->pins++;
	fsc_spin_unlock(&cookie->lock, irq);
}

void fsc_cookie_unpin(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	FSC_ASSERT(cookie->pins > 0);
	/* Under the lock: after it a closing cookie may be freed at any moment. */
	if (--cookie->pins == 0 && (cookie->users == 0 || cookie->park)) {
		fsc_cookie_kick(cookie);
		fsc_waitq_wake_all(&cookie->changed);
	}
	fsc_spin_unlock(&cookie->lock, irq);
}

struct fsc_gen *fsc_cookie_usable_gen(struct fsc_cookie *cookie)
{
	fsc_spin_assert_held(&cookie->lock);
	if (cookie->state != FSC_COOKIE_ACTIVE || !cookie->uses || cookie->uncached ||
	    cookie->version != cookie->clean)
		return NULL;
	cookie->referenced = true;
	return fsc_object_gen(cookie->obj);
}

struct fsc_gen *fsc_cookie_gen(struct fsc_cookie *cookie, uint64_t size)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	/*
	 * A client that believes in another size than the coherency data came with reads past us:
	 * the granule with the object's end would be padded at the wrong place.
	 */
	struct fsc_gen *gen = cookie->size == size ? fsc_cookie_usable_gen(cookie) : NULL;

	fsc_spin_unlock(&cookie->lock, irq);
	return gen;
}

struct fsc_gen *fsc_cookie_gen_now(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_gen *gen = fsc_cookie_usable_gen(cookie);

	fsc_spin_unlock(&cookie->lock, irq);
	return gen;
}

/* --- Nothing is believed any more ------------------------------------------------------------- */

/* Nothing that begins after this sees the old object; the rest of it is work. */
static void expire(struct fsc_cookie *cookie)
{
	fsc_spin_assert_held(&cookie->lock);
	cookie->version++;
	cookie->proven = false;
	cookie->dirty = false;
	if (cookie->obj)
		fsc_object_expire(cookie->obj);
	fsc_cookie_kick(cookie);
}

void fsc_cookie_give_up(struct fsc_cookie *cookie)
{
	fsc_spin_assert_held(&cookie->lock);
	if (!cookie->uncached) {
		cookie->uncached = true;
		expire(cookie);
	}
}

/* --- Acquire and relinquish ------------------------------------------------------------------ */

uint64_t fsc_clock_ms(void)
{
	return fsc_now_ms();
}

int fsc_cookie_acquire(struct fsc_volume *vol, const struct fsc_cookie_params *params,
		       struct fsc_cookie **out)
{
	struct fsc_cookies *table;
	struct fsc_cookie *cookie;
	int ret;

	*out = NULL;
	if (!fsc_cookie_params_ok(params) || !params->key.data || params->key.len == 0 ||
	    params->key.len > FSC_KEY_MAX)
		return -EINVAL;
	if (!vol)
		return 0;
	table = fsc_cookies_of(vol);
	if (!table)
		return -ENOMEM;
	cookie = fsc_cookie_alloc(vol, params);
	if (!cookie)
		return -ENOMEM;
	ret = fsc_cookies_add(table, &cookie);
	if (ret == -EBUSY)
		fsc_stat_add(fsc_volume_cache(vol), FSC_STAT_OBJECTS_BUSY, 1);
	if (!ret)
		*out = cookie;
	return ret;
}

/* The last use is over. What was changed and never told the meaning of isn't worth more than the
 * proof was. */
static void end_use(struct fsc_cookie *cookie)
{
	fsc_spin_assert_held(&cookie->lock);
	cookie->uses = 0;
	cookie->modifying = false;
	cookie->proven = false;
	if (cookie->dirty)
		expire(cookie);
}

/* True: it was the last reference, and the object is to be closed: by a work item if @kick. */
static bool give_back(struct fsc_cookie *cookie, bool retire, bool kick)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool last;

	FSC_ASSERT(cookie->users > 0);
	last = --cookie->users == 0;
	if (last) {
		cookie->retire = retire;
		end_use(cookie);
		if (kick)
			fsc_cookie_kick(cookie);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return last;
}

void fsc_cookie_relinquish(struct fsc_cookie *cookie, bool retire)
{
	if (cookie)
		give_back(cookie, retire, true);
}

/* Is it closed, or somebody else's again? */
static bool given_up(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = cookie->state == FSC_COOKIE_CLOSED || cookie->users;

	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

static bool may_settle(void *arg)
{
	struct fsc_cookie *cookie = arg;
	bool blocked = fsc_cookies_blocked(cookie);
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = cookie->state == FSC_COOKIE_CLOSED || cookie->users ||
		   (!cookie->pins && !blocked);

	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

void fsc_cookie_relinquish_wait(struct fsc_cookie *cookie, bool retire)
{
	if (!cookie)
		return;
	fsc_cookie_get(cookie);
	/* Without a work item: waking a thread to find nothing left to do costs more than the
	 * rest. */
	if (give_back(cookie, retire, false)) {
		while (fsc_cookie_settle(cookie), !given_up(cookie))
			fsc_waitq_wait(&cookie->changed, may_settle, cookie);
	}
	fsc_cookie_put(cookie);
}

/* --- Use ------------------------------------------------------------------------------------- */

/* True: a look-up is wanted. */
static bool begin_use(struct fsc_cookie *cookie, bool will_modify)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool first = cookie->uses++ == 0;
	bool look = cookie->state == FSC_COOKIE_IDLE ||
		    (first && cookie->state == FSC_COOKIE_FAILED);

	cookie->modifying |= will_modify;
	/* A change that is still under way isn't known to the generation. */
	if (first && fsc_list_empty(&cookie->changes))
		cookie->uncached = false;
	if (look)
		fsc_cookie_move(cookie, FSC_COOKIE_LOOKING_UP);
	/* An invalidation under way is the same to whoever waits: no object yet. */
	look = cookie->state == FSC_COOKIE_LOOKING_UP || cookie->version != cookie->clean;
	fsc_spin_unlock(&cookie->lock, irq);
	if (first)
		fsc_side_note(cookie->side, cookie, 0);
	return look;
}

void fsc_cookie_use(struct fsc_cookie *cookie, bool will_modify)
{
	if (cookie && begin_use(cookie, will_modify))
		fsc_cookie_kick(cookie);
}

/* Nothing is pending any more, or it may be done now. */
static bool looked_up(void *arg)
{
	struct fsc_cookie *cookie = arg;
	bool blocked = fsc_cookies_blocked(cookie);
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = cookie->state != FSC_COOKIE_LOOKING_UP || !blocked;

	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

static enum fsc_cookie_state state_of(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	enum fsc_cookie_state state = cookie->state;

	fsc_spin_unlock(&cookie->lock, irq);
	return state;
}

bool fsc_cookie_use_wait(struct fsc_cookie *cookie, bool will_modify)
{
	if (!cookie)
		return false;
	if (begin_use(cookie, will_modify)) {
		/* Blocked by an older cookie with the key, which closes on a thread of its own. */
		while (fsc_cookie_settle(cookie), state_of(cookie) == FSC_COOKIE_LOOKING_UP)
			fsc_waitq_wait(&cookie->changed, looked_up, cookie);
	}
	return state_of(cookie) == FSC_COOKIE_ACTIVE && fsc_cache_online(cookie->cache);
}

void fsc_cookie_unuse(struct fsc_cookie *cookie)
{
	unsigned long irq;
	bool last;

	if (!cookie)
		return;
	irq = fsc_spin_lock(&cookie->lock);
	FSC_ASSERT(cookie->uses > 0);
	last = --cookie->uses == 0;
	if (last)
		end_use(cookie);
	fsc_spin_unlock(&cookie->lock, irq);
	if (last)
		fsc_side_note(cookie->side, cookie, 0);
}

/* --- Invalidation ----------------------------------------------------------------------------- */

bool fsc_cookie_params_ok(const struct fsc_cookie_params *params)
{
	return params && params->coherency.len <= FSC_COHERENCY_MAX &&
	       (params->coherency.data || !params->coherency.len) && params->size <= INT64_MAX;
}

void fsc_cookie_invalidate(struct fsc_cookie *cookie, const struct fsc_cookie_params *now,
			   struct fsc_event *done)
{
	unsigned long irq;
	bool known;

	if (!cookie) {
		if (done)
			done->fn(done);
		return;
	}
	known = fsc_cookie_params_ok(now);
	irq = fsc_spin_lock(&cookie->lock);
	if (known) {
		fsc_cookie_label(cookie, now);
		cookie->keep_after_ms = fsc_max64(cookie->keep_after_ms, now->keep_after_ms);
	}
	/* The coming write is not proven to be the only one (I10): nothing is kept until it is
	 * over. Nor is anything that there is no telling the version of. */
	cookie->uncached = cookie->modifying || !fsc_list_empty(&cookie->changes) || !known;
	if (done) {
		done->next = cookie->events;
		cookie->events = done;
	}
	expire(cookie);
	fsc_spin_unlock(&cookie->lock, irq);
}

void fsc_cookie_discard(struct fsc_cookie *cookie, struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	if (cookie->obj && cookie->version == cookie->clean) {
		struct fsc_gen *current_gen = fsc_object_gen(cookie->obj);

		if (current_gen == gen) {
			/* What the client knows of the file isn't so: until it says more, keep
			 * off. */
			cookie->uncached = true;
			expire(cookie);
		}
		fsc_gen_put(current_gen);
	}
	fsc_spin_unlock(&cookie->lock, irq);
}

/* --- What reads ask --------------------------------------------------------------------------- */

/* How long a read waits for a look-up before it goes to the server. */
#define LOOK_MS 1000

static bool begin_look(struct fsc_cookie *cookie)
{
	fsc_spin_assert_held(&cookie->lock);
	if (!cookie->uses)
		return false;
	if (cookie->state == FSC_COOKIE_IDLE) {
		fsc_cookie_move(cookie, FSC_COOKIE_LOOKING_UP);
		fsc_cookie_kick(cookie);
	}
	return cookie->state == FSC_COOKIE_LOOKING_UP;
}

bool fsc_cookie_look(struct fsc_cookie *cookie, struct fsc_looker *looker)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool wait = begin_look(cookie) && !fsc_load_acquire(looker->stop);

	if (wait) {
		looker->deadline_ms = fsc_now_ms() + LOOK_MS;
		fsc_list_add_tail(&cookie->lookers, &looker->node);
		fsc_cookie_get(cookie);
		if (!fsc_work_queue(cookie->wq, &cookie->deadline, LOOK_MS))
			fsc_cookie_put(cookie);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return wait;
}

void fsc_cookie_look_stop(struct fsc_cookie *cookie, struct fsc_looker *looker)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	if (!fsc_list_empty(&looker->node)) {
		fsc_list_del(&looker->node);
		fsc_work_queue(cookie->wq, looker->resume, 0);
	}
	fsc_spin_unlock(&cookie->lock, irq);
}

static bool not_looking(void *arg)
{
	return state_of(arg) != FSC_COOKIE_LOOKING_UP;
}

void fsc_cookie_look_wait(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool idle = cookie->state == FSC_COOKIE_IDLE;
	bool wait = begin_look(cookie);

	fsc_spin_unlock(&cookie->lock, irq);
	if (wait && idle)
		fsc_cookie_settle(cookie); /* quicker than a hand-over */
	if (wait)
		fsc_waitq_wait_ms(&cookie->changed, not_looking, cookie, LOOK_MS);
}

uint64_t fsc_cookie_present(struct fsc_cookie *cookie, uint64_t pos, uint64_t end)
{
	uint64_t present = 0, run_end, size;
	struct fsc_gen *gen;
	unsigned long irq;

	if (!cookie)
		return 0;
	irq = fsc_spin_lock(&cookie->lock);
	size = cookie->size;
	fsc_spin_unlock(&cookie->lock, irq);
	gen = fsc_cookie_gen(cookie, size);
	if (!gen)
		return 0;
	for (end = fsc_min64(end, size); pos < end; pos = run_end) {
		if (fsc_gen_run(gen, pos, end, &run_end))
			present += run_end - pos;
	}
	fsc_gen_put(gen);
	return present;
}
