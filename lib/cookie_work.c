/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie_work.c - the blocking half of a cookie: look its object up, replace it, close it.
 *
 * fsc_cookie_settle() looks what the notes in the cookie ask for and does it, one job after the
 * other, until they ask for nothing. The mutex cookie.op makes it the only one that touches the
 * object, so any number of threads may settle a cookie: whoever comes second finds nothing left to
 * do.
 */
#include "cookie.h"
#include "turn.h"

enum job { NOTHING, REPLACE, CLOSE, OPEN, PARK };

/* What the client said last, copied out of the lock. */
struct label {
	uint64_t size, version;
	uint8_t len;
	uint8_t data[FSC_COHERENCY_MAX];
};

static void label_of(struct fsc_cookie *cookie, struct label *label)
{
	fsc_spin_assert_held(&cookie->lock);
	label->size = cookie->size;
	label->version = cookie->version;
	label->len = cookie->coherency_len;
	memcpy(label->data, cookie->coherency, sizeof(label->data));
}

static enum job next_job(struct fsc_cookie *cookie)
{
	bool blocked = fsc_cookies_blocked(cookie);
	enum job job = NOTHING;
	unsigned long irq;

	if (blocked)
		return NOTHING;
	irq = fsc_spin_lock(&cookie->lock);
	if (cookie->state >= FSC_COOKIE_CLOSING)
		job = NOTHING;
	else if (cookie->version != cookie->clean)
		job = REPLACE;
	else if (!cookie->users && !cookie->pins)
		job = CLOSE;
	else if (cookie->state == FSC_COOKIE_LOOKING_UP)
		job = OPEN;
	else if (cookie->park && cookie->state == FSC_COOKIE_ACTIVE && !cookie->pins)
		job = PARK;
	if (job == CLOSE)
		fsc_cookie_move(cookie, FSC_COOKIE_CLOSING); /* from here no acquire revives it */
	fsc_spin_unlock(&cookie->lock, irq);
	return job;
}

static int open_object(struct fsc_cookie *cookie, const struct label *label,
		       struct fsc_object **out)
{
	struct fsc_blob key = { cookie->key, cookie->key_len };
	struct fsc_blob coherency = { label->data, label->len };

	fsc_mutex_assert_held(&cookie->op);
	*out = NULL;
	return fsc_object_open(cookie->vol, key, coherency, label->size, out);
}

static void replace_object(struct fsc_object *obj, const struct label *label)
{
	struct fsc_blob coherency = { label->data, label->len };

	fsc_object_invalidate(obj, coherency, label->size);
}

/* The look-up is over: no deadline any more, and whoever waited goes on. */
static void end_look(struct fsc_cookie *cookie)
{
	struct fsc_list *node;
	unsigned long irq;

	if (fsc_work_cancel_sync(cookie->wq, &cookie->deadline))
		fsc_cookie_put(cookie);
	irq = fsc_spin_lock(&cookie->lock);
	if (cookie->state != FSC_COOKIE_LOOKING_UP) {
		while ((node = fsc_list_pop(&cookie->lookers)))
			fsc_work_queue(cookie->wq,
				       fsc_container_of(node, struct fsc_looker, node)->resume, 0);
	} else if (!fsc_list_empty(&cookie->lookers)) {
		/* Parked and wanted again meanwhile: the cancelled deadline was theirs. */
		fsc_cookie_get(cookie);
		if (!fsc_work_queue(cookie->wq, &cookie->deadline, 0))
			fsc_cookie_put(cookie);
	}
	fsc_waitq_wake_all(&cookie->changed);
	fsc_spin_unlock(&cookie->lock, irq);
}

void fsc_cookie_deadline(struct fsc_work *work)
{
	struct fsc_cookie *cookie = fsc_container_of(work, struct fsc_cookie, deadline);
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	uint64_t now = fsc_now_ms();
	struct fsc_list *node;

	/* They stand in the order of their deadlines. */
	while (!fsc_list_empty(&cookie->lookers)) {
		struct fsc_looker *looker =
			fsc_container_of(cookie->lookers.next, struct fsc_looker, node);

		if (looker->deadline_ms > now) {
			fsc_cookie_get(cookie);
			if (!fsc_work_queue(cookie->wq, work, (uint32_t)(looker->deadline_ms - now)))
				fsc_cookie_put(cookie);
			break;
		}
		node = fsc_list_pop(&cookie->lookers);
		fsc_work_queue(cookie->wq, fsc_container_of(node, struct fsc_looker, node)->resume, 0);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	fsc_cookie_put(cookie);
}

/* The object is the cookie's from now on; NULL: there is none to be had. */
static void activate(struct fsc_cookie *cookie, struct fsc_object *obj, bool gained)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	cookie->obj = obj;
	if (obj && cookie->state != FSC_COOKIE_ACTIVE)
		fsc_cookie_move(cookie, FSC_COOKIE_ACTIVE);
	else if (!obj && cookie->state == FSC_COOKIE_LOOKING_UP)
		fsc_cookie_move(cookie, FSC_COOKIE_FAILED);
	/* Invalidated while it was being looked up. */
	if (obj && cookie->version != cookie->clean)
		fsc_object_expire(obj);
	fsc_spin_unlock(&cookie->lock, irq);
	if (gained)
		fsc_side_note(cookie->side, cookie, 1);
	end_look(cookie);
}

static void do_open(struct fsc_cookie *cookie)
{
	struct fsc_object *obj;
	struct label label;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool stale = cookie->stale;

	label_of(cookie, &label);
	fsc_spin_unlock(&cookie->lock, irq);
	if (open_object(cookie, &label, &obj) == 0 && stale) {
		replace_object(obj, &label);
		irq = fsc_spin_lock(&cookie->lock);
		cookie->stale = false;
		fsc_spin_unlock(&cookie->lock, irq);
	}
	activate(cookie, obj, obj != NULL);
}

/* Take the object out of the cookie, which then has none. */
static struct fsc_object *take_object(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_object *obj = cookie->obj;

	cookie->obj = NULL;
	cookie->park = false;
	if (cookie->state == FSC_COOKIE_ACTIVE)
		fsc_cookie_move(cookie, FSC_COOKIE_IDLE);
	fsc_spin_unlock(&cookie->lock, irq);
	return obj;
}

static void do_park(struct fsc_cookie *cookie)
{
	struct fsc_object *obj = take_object(cookie);

	fsc_object_close(obj, NULL, false);
	fsc_side_note(cookie->side, cookie, -1);
}

/* Without an object open, what may be stored under the key has to go as well, and now: a crash may
 * follow the moment in which the client is told that it is gone (I8). */
static void do_replace(struct fsc_cookie *cookie, struct fsc_event **done)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_object *obj = cookie->obj;
	struct fsc_event *events = cookie->events, *next;
	struct label label;
	bool had = obj != NULL, keep;

	cookie->events = NULL;
	label_of(cookie, &label);
	fsc_spin_unlock(&cookie->lock, irq);

	if (!had)
		open_object(cookie, &label, &obj);
	if (obj)
		replace_object(obj, &label);
	else
		fsc_object_forget(cookie->vol, (struct fsc_blob){ cookie->key, cookie->key_len });

	irq = fsc_spin_lock(&cookie->lock);
	cookie->clean = label.version;
	cookie->stale = !obj;
	keep = had || cookie->uses || cookie->state == FSC_COOKIE_LOOKING_UP;
	if (events && !*done)
		cookie->pins++; /* not closed before they were told */
	fsc_spin_unlock(&cookie->lock, irq);
	if (keep) {
		activate(cookie, obj, obj && !had);
	} else if (obj) {
		fsc_object_close(obj, NULL, false);
	}
	for (; events; events = next) {
		next = events->next;
		events->next = *done;
		*done = events;
	}
}

static void do_close(struct fsc_cookie *cookie)
{
	struct fsc_object *obj = take_object(cookie);
	struct label label;
	bool had = obj != NULL;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool retire = cookie->retire, discard = cookie->retire || cookie->stale;

	label_of(cookie, &label);
	fsc_spin_unlock(&cookie->lock, irq);
	/* Closed while it was to be looked up: the deadline would hold the memory for its second.
	 */
	if (fsc_work_cancel_sync(cookie->wq, &cookie->deadline))
		fsc_cookie_put(cookie);
	if (!had && discard)
		open_object(cookie, &label, &obj); /* only to discard what is stored */
	if (obj)
		fsc_object_close(obj, NULL, retire || (!had && discard));
	if (had)
		fsc_side_note(cookie->side, cookie, -1);

	fsc_cookies_remove(cookie);
	irq = fsc_spin_lock(&cookie->lock);
	fsc_cookie_move(cookie, FSC_COOKIE_CLOSED);
	fsc_waitq_wake_all(&cookie->changed);
	fsc_spin_unlock(&cookie->lock, irq);
	fsc_cookie_put(cookie); /* the one that it was made with; our caller has its own */
}

/* The jobs, and what @done has to be told after. */
static void do_jobs(struct fsc_cookie *cookie, struct fsc_event **done)
{
	enum job job;

	fsc_mutex_lock(&cookie->op);
	while ((job = next_job(cookie)) != NOTHING) {
		if (job == REPLACE)
			do_replace(cookie, done);
		else if (job == CLOSE)
			do_close(cookie);
		else if (job == OPEN)
			do_open(cookie);
		else
			do_park(cookie);
	}
	fsc_mutex_unlock(&cookie->op);
}

static void tell(struct fsc_event *done)
{
	struct fsc_event *next;

	for (; done; done = next) {
		next = done->next;
		done->fn(done);
	}
}

void fsc_cookie_settle_parked(struct fsc_cookie *cookie)
{
	struct fsc_event *done;

	while (done = NULL, do_jobs(cookie, &done), done) {
		tell(done);
		fsc_cookie_unpin(cookie);
	}
	fsc_changes_resume(cookie);
}

static bool wants_object(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = !cookie->obj && (cookie->state == FSC_COOKIE_LOOKING_UP ||
				    cookie->version != cookie->clean);

	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

void fsc_cookie_settle(struct fsc_cookie *cookie)
{
	/* Before op is taken: two that parked each other would wait for each other. */
	if (wants_object(cookie))
		fsc_side_make_room(cookie->side);
	fsc_cookie_settle_parked(cookie);
}

void fsc_cookie_work(struct fsc_work *work)
{
	struct fsc_cookie *cookie = fsc_container_of(work, struct fsc_cookie, work);

	fsc_cookie_settle(cookie);
	fsc_cookie_put(cookie);
}
