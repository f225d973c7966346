/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * work.c - work queues for userspace.
 *
 * Each worker sleeps on a condition of its own, so that a new item wakes one and no other. One of
 * the sleepers, the timer, wakes up when the first delay ends. An item is in the list of what is
 * ready, in the list of delays, or it is *again*: queued while it runs. Then only its worker's flag
 * says so, and it moves to a list when fn has returned. An item that runs and is not again is never
 * touched: fn may have freed it.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "work.h"

#define STACK_BYTES (256u * 1024)

enum where {
	NOWHERE, /* what fsc_work_init() makes it; also while it runs */
	READY,
	DELAYED,
	AGAIN,
	CANCELLED, /* until who waits for its end has seen it */
};

struct worker {
	struct fsc_workq *q;
	pthread_t thread;
	pthread_cond_t wake;
	struct worker *next_idle;
	struct fsc_work *current; /* only an address, unless @again */
	bool again;
	bool idle; /* in the queue's list of sleepers */
};

/* Doubly linked, ends in NULL. */
struct items {
	struct fsc_work *first, *last;
};

struct fsc_workq {
	pthread_mutex_t lock; /* covers all of this and every item of the queue */
	pthread_cond_t done;  /* an item has ended, and somebody waits for that */
	struct items ready;   /* first in, first out */
	struct items delayed; /* by due_ms */
	struct worker *idle;  /* sleepers; the latest first, its memory is still warm */
	struct worker *timer; /* the sleeper who sees to @delayed, or NULL */
	unsigned int nr_workers, max_workers, nr_running, nr_waiters;
	bool draining; /* delays count as over */
	bool ending;
	char name[16];
	struct worker workers[FSC_WORKQ_THREADS];
};

int fsc_thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	if (pthread_attr_init(&attr))
		return -ENOMEM;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(out, &attr, fn, arg);
	if (err == EINVAL) /* much thread-local storage in this program: too small a stack */
		err = pthread_create(out, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		pthread_setname_np(*out, name);
	return -err;
}

/* --- Lists ----------------------------------------------------------------------------------- */

static void insert_after(struct items *l, struct fsc_work *prev, struct fsc_work *w)
{
	struct fsc_work *next = prev ? prev->next : l->first;

	w->prev = prev;
	w->next = next;
	*(prev ? &prev->next : &l->first) = w;
	*(next ? &next->prev : &l->last) = w;
}

static void take_out(struct items *l, struct fsc_work *w)
{
	*(w->prev ? &w->prev->next : &l->first) = w->next;
	*(w->next ? &w->next->prev : &l->last) = w->prev;
	w->next = NULL;
	w->prev = NULL;
	w->where = NOWHERE;
}

static void put_ready(struct fsc_workq *q, struct fsc_work *w)
{
	insert_after(&q->ready, q->ready.last, w);
	w->where = READY;
}

/* From the end: most delays of a queue are alike, so a new one is the longest. */
static void put_delayed(struct fsc_workq *q, struct fsc_work *w)
{
	struct fsc_work *prev = q->delayed.last;

	while (prev && prev->due_ms > w->due_ms)
		prev = prev->prev;
	insert_after(&q->delayed, prev, w);
	w->where = DELAYED;
}

/* --- Waking ---------------------------------------------------------------------------------- */

static void add_idle(struct fsc_workq *q, struct worker *t)
{
	t->idle = true;
	t->next_idle = q->idle;
	q->idle = t;
}

static void wake(struct fsc_workq *q, struct worker *t)
{
	struct worker **link = &q->idle;

	while (*link != t)
		link = &(*link)->next_idle;
	*link = t->next_idle;
	t->idle = false;
	if (q->timer == t)
		q->timer = NULL;
	pthread_cond_signal(&t->wake);
}

static void *worker_main(void *arg);

/* A new worker; if the system has none to give, those that run will come to it. */
static bool start_worker(struct fsc_workq *q)
{
	struct worker *t = &q->workers[q->nr_workers];

	if (q->nr_workers == q->max_workers ||
	    fsc_thread_start(&t->thread, q->name, worker_main, t))
		return false;
	q->nr_workers++;
	return true;
}

/* Somebody for one more item, or to become the timer. Rather not the timer itself; if it must be,
 * it finds a successor before it runs the item. */
static void call_worker(struct fsc_workq *q)
{
	struct worker *t = q->idle;

	if (t && t == q->timer && t->next_idle)
		t = t->next_idle;
	if (t)
		wake(q, t);
	else
		start_worker(q);
}

/* After the first of the delays became an earlier one. */
static void call_for_delay(struct fsc_workq *q)
{
	if (q->timer)
		wake(q, q->timer);
	else
		call_worker(q);
}

static void enqueue(struct fsc_workq *q, struct fsc_work *w, uint64_t now_ms)
{
	if (w->due_ms <= now_ms || q->draining) {
		put_ready(q, w);
		call_worker(q);
		return;
	}
	put_delayed(q, w);
	if (q->delayed.first == w)
		call_for_delay(q);
}

/* --- Workers --------------------------------------------------------------------------------- */

/* All whose delay is over. The caller takes one itself. */
static void end_delays(struct fsc_workq *q)
{
	bool first = !q->ready.first;
	struct fsc_work *w = q->delayed.first;
	uint64_t now_ms;

	if (!w)
		return;
	now_ms = fsc_now_ms();
	while (w && (w->due_ms <= now_ms || q->draining)) {
		take_out(&q->delayed, w);
		put_ready(q, w);
		if (!first)
			call_worker(q);
		first = false;
		w = q->delayed.first;
	}
}

/* No worker is called: this one goes on to look for itself, and sleeps as the timer if need be. */
static void requeue(struct fsc_workq *q, struct worker *t, struct fsc_work *w)
{
	t->again = false;
	if (w->due_ms <= fsc_now_ms() || q->draining) {
		put_ready(q, w);
		return;
	}
	put_delayed(q, w);
	if (q->delayed.first == w && q->timer)
		wake(q, q->timer);
}

static void run(struct fsc_workq *q, struct worker *t)
{
	struct fsc_work *w = q->ready.first;
	void (*fn)(struct fsc_work *work) = w->fn;

	take_out(&q->ready, w);
	t->current = w;
	q->nr_running++;
	if (!q->timer && q->delayed.first)
		call_worker(q); /* while we are away */
	pthread_mutex_unlock(&q->lock);
	fn(w);
	pthread_mutex_lock(&q->lock);
	q->nr_running--;
	t->current = NULL;
	if (t->again)
		requeue(q, t, w);
	if (q->nr_waiters)
		pthread_cond_broadcast(&q->done);
}

static void sleep_until_called(struct fsc_workq *q, struct worker *t)
{
	struct timespec end;
	uint64_t due_ms;

	add_idle(q, t);
	if (q->timer || !q->delayed.first) {
		while (t->idle)
			pthread_cond_wait(&t->wake, &q->lock);
		return;
	}
	q->timer = t;
	due_ms = q->delayed.first->due_ms;
	end.tv_sec = (time_t)(due_ms / 1000);
	end.tv_nsec = (long)(due_ms % 1000) * 1000000;
	while (t->idle)
		if (pthread_cond_timedwait(&t->wake, &q->lock, &end) && t->idle)
			wake(q, t);
}

static void *worker_main(void *arg)
{
	struct worker *t = arg;
	struct fsc_workq *q = t->q;

	pthread_mutex_lock(&q->lock);
	while (t->idle) /* from the start */
		pthread_cond_wait(&t->wake, &q->lock);
	for (;;) {
		end_delays(q);
		if (q->ready.first)
			run(q, t);
		else if (q->ending)
			break;
		else
			sleep_until_called(q, t);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

/* --- The queue ------------------------------------------------------------------------------- */

static void init_conditions(struct fsc_workq *q)
{
	pthread_condattr_t attr;
	unsigned int i;

	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->done, &attr);
	for (i = 0; i < FSC_WORKQ_THREADS; i++)
		pthread_cond_init(&q->workers[i].wake, &attr);
	pthread_condattr_destroy(&attr);
}

static void free_queue(struct fsc_workq *q)
{
	unsigned int i;

	for (i = 0; i < FSC_WORKQ_THREADS; i++)
		pthread_cond_destroy(&q->workers[i].wake);
	pthread_cond_destroy(&q->done);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

struct fsc_workq *fsc_workq_create_limited(const char *name, unsigned int threads)
{
	struct fsc_workq *q = calloc(1, sizeof(*q));
	unsigned int i;
	bool ok;

	if (!q)
		return NULL;
	init_conditions(q);
	q->max_workers = threads;
	strncpy(q->name, name, sizeof(q->name) - 1);
	for (i = 0; i < FSC_WORKQ_THREADS; i++)
		q->workers[i].q = q;
	/* One from the start: whatever happens later, what is queued will run. */
	pthread_mutex_lock(&q->lock);
	ok = start_worker(q);
	if (ok)
		add_idle(q, &q->workers[0]);
	pthread_mutex_unlock(&q->lock);
	if (ok)
		return q;
	free_queue(q);
	return NULL;
}

struct fsc_workq *fsc_workq_create(const char *name)
{
	return fsc_workq_create_limited(name, FSC_WORKQ_THREADS);
}

void fsc_workq_destroy(struct fsc_workq *q)
{
	unsigned int i;

	pthread_mutex_lock(&q->lock);
	q->draining = true;
	if (q->delayed.first)
		call_for_delay(q);
	q->nr_waiters++;
	while (q->nr_running || q->ready.first || q->delayed.first)
		pthread_cond_wait(&q->done, &q->lock);
	q->ending = true;
	while (q->idle)
		wake(q, q->idle);
	pthread_mutex_unlock(&q->lock);
	for (i = 0; i < q->nr_workers; i++)
		pthread_join(q->workers[i].thread, NULL);
	free_queue(q);
}

static struct worker *worker_of(struct fsc_workq *q, const struct fsc_work *w)
{
	unsigned int i;

	for (i = 0; i < q->nr_workers; i++)
		if (q->workers[i].current == w)
			return &q->workers[i];
	return NULL;
}

static void hasten(struct fsc_workq *q, struct fsc_work *w, uint64_t due_ms, uint64_t now_ms)
{
	if (w->where == READY || w->due_ms <= due_ms)
		return;
	w->due_ms = due_ms;
	if (w->where == AGAIN)
		return;
	take_out(&q->delayed, w);
	enqueue(q, w, now_ms);
}

bool fsc_work_queue(struct fsc_workq *q, struct fsc_work *w, uint32_t delay_ms)
{
	uint64_t now_ms = fsc_now_ms();
	uint64_t due_ms = now_ms + delay_ms;
	struct worker *runs;
	bool fresh;

	pthread_mutex_lock(&q->lock);
	fresh = w->where == NOWHERE;
	if (w->where == CANCELLED) {
		fresh = false;
	} else if (!fresh) {
		hasten(q, w, due_ms, now_ms);
	} else {
		w->due_ms = due_ms;
		runs = worker_of(q, w);
		if (runs) {
			w->where = AGAIN;
			runs->again = true;
		} else {
			enqueue(q, w, now_ms);
		}
	}
	pthread_mutex_unlock(&q->lock);
	return fresh;
}

/* True if it was queued. */
static bool unqueue(struct fsc_workq *q, struct fsc_work *w)
{
	switch (w->where) {
	case READY:
		take_out(&q->ready, w);
		return true;
	case DELAYED:
		take_out(&q->delayed, w);
		return true;
	case AGAIN:
		worker_of(q, w)->again = false;
		w->where = NOWHERE;
		return true;
	default:
		return false;
	}
}

bool fsc_work_cancel_sync(struct fsc_workq *q, struct fsc_work *w)
{
	struct worker *runs;
	bool was_queued;

	pthread_mutex_lock(&q->lock);
	was_queued = unqueue(q, w);
	q->nr_waiters++;
	while ((runs = worker_of(q, w))) {
		FSC_ASSERT(!pthread_equal(runs->thread, pthread_self()));
		w->where = CANCELLED;
		pthread_cond_wait(&q->done, &q->lock);
		was_queued |= unqueue(q, w); /* another's cancel was over before */
	}
	if (w->where == CANCELLED)
		w->where = NOWHERE;
	q->nr_waiters--;
	pthread_mutex_unlock(&q->lock);
	return was_queued;
}
