// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * work.c - env.h's work queues.
 *
 * A worker is a task that exists while there is something to do, at most WORKERS of them a queue.
 * Which of the items that are due it takes is the seed's choice. What an item is doing is kept with
 * the worker, not in the item, which its own function may free.
 */
#include <stdlib.h>

#include "sim_int.h"

#define WORKERS 4
#define WORK_MAGIC 0x776f726bu

struct fsc_workq {
	struct fsc_workq *next; /* in sim.workqs */
	const char *name;
	struct fsc_work *items;
	unsigned int workers;
	bool ending; /* delays no longer count */
};

void sim_work_init(struct fsc_work *w, void (*fn)(struct fsc_work *w), const char *name)
{
	*w = (struct fsc_work){ .magic = WORK_MAGIC, .fn = fn, .name = name };
}

struct fsc_workq *fsc_workq_create(const char *name)
{
	struct fsc_workq *q = fsc_zalloc(sizeof(*q));
	struct sim *s = sim_here();

	if (!q)
		return NULL;
	if (!s)
		sim_fail(SIM_BUG, "a work queue");
	q->name = name;
	q->next = s->workqs;
	s->workqs = q;
	return q;
}

/* The worker that runs @w, or has run it and not come back yet. */
static struct sim_task *worker_of(struct sim *s, const struct fsc_workq *q,
				  const struct fsc_work *w)
{
	struct sim_task *t = s->tasks;

	while (t && !(t->work == w && t->workq == q))
		t = t->next;
	return t;
}

void sim_work_freed(struct sim *s, const void *ptr, size_t size)
{
	uintptr_t start = (uintptr_t)ptr;

	/* What lies there next is another item. To be taken for this one would only make it wait,
	 * but where it lies differs from run to run. */
	for (struct sim_task *t = s->tasks; t; t = t->next)
		if ((uintptr_t)t->work >= start && (uintptr_t)t->work < start + size)
			t->work = NULL;
}

/* An item may run if it is due and doesn't run already. */
static bool may_run(struct sim *s, const struct fsc_workq *q, const struct fsc_work *w)
{
	return (q->ending || w->due_us <= s->now_us) && !worker_of(s, q, w);
}

static struct fsc_work *take_item(struct sim *s, struct fsc_workq *q)
{
	struct fsc_work **link, *w;
	size_t n = 0, i;

	for (w = q->items; w; w = w->next)
		n += may_run(s, q, w);
	if (!n)
		return NULL;
	i = sim_next_random(&s->rnd_sched) % n;
	sim_note(s, i);
	for (link = &q->items; (w = *link); link = &w->next)
		if (may_run(s, q, w) && i-- == 0)
			break;
	*link = w->next;
	w->queue = NULL;
	w->next = NULL;
	return w;
}

static void worker(void *arg)
{
	struct fsc_workq *q = arg;
	struct sim_task *t = sim_task();
	struct sim *s = sim_here();
	struct fsc_work *w;

	t->workq = q;
	while ((w = take_item(s, q))) {
		t->work = w;
		t->work_name = w->name;
		t->work_fn = w->fn;
		sim_point();
		t->work_fn(w);
		sim_order_none_held("the end of a work item");
		t->work = NULL;
		sim_wake(q);
		sim_point();
	}
	q->workers--;
	sim_wake(q);
}

static void start_workers(struct sim *s, struct fsc_workq *q)
{
	unsigned int n = 0;

	for (const struct fsc_work *w = q->items; w; w = w->next)
		n += may_run(s, q, w);
	/* One a startable item: a worker that finds none left just ends. */
	while (n-- && q->workers < WORKERS) {
		q->workers++;
		sim_make_ready(s, sim_task_new(s, worker, q));
	}
}

static void queue_item(struct sim *s, struct fsc_workq *q, struct fsc_work *w, uint64_t due_us)
{
	w->due_us = due_us;
	w->queue = q;
	w->next = q->items;
	q->items = w;
	start_workers(s, q);
}

bool fsc_work_queue(struct fsc_workq *q, struct fsc_work *w, uint32_t delay_ms)
{
	struct sim *s = sim_here();
	uint64_t due_us;

	if (!s || w->magic != WORK_MAGIC)
		sim_fail(SIM_BUG, "a work item that wasn't initialised");
	if (w->queue && w->queue != q)
		sim_fail(SIM_BUG, "work item %s is on another queue", w->name);
	sim_point();
	if (w->cancelling)
		return false;
	due_us = s->now_us + delay_ms * 1000ull;
	if (!w->queue) {
		queue_item(s, q, w, due_us);
		sim_point();
		return true;
	}
	if (due_us < w->due_us) {
		w->due_us = due_us;
		start_workers(s, q);
	}
	sim_point();
	return false;
}

bool fsc_work_cancel_sync(struct fsc_workq *q, struct fsc_work *w)
{
	struct sim *s = sim_here();
	bool was_queued = false;

	sim_may_sleep("fsc_work_cancel_sync");
	if (sim_task()->work == w)
		sim_fail(SIM_DEADLOCK, "work item %s cancels itself", w->name);
	sim_point();
	w->cancelling++;
	for (;;) {
		if (w->queue) {
			struct fsc_work **link = &q->items;

			while (*link != w)
				link = &(*link)->next;
			*link = w->next;
			w->queue = NULL;
			w->next = NULL;
			was_queued = true;
		}
		if (!worker_of(s, q, w))
			break;
		sim_block("the end of work item", q, w->name, SIM_NEVER);
	}
	w->cancelling--;
	sim_point();
	return was_queued;
}

void fsc_workq_destroy(struct fsc_workq *q)
{
	struct sim *s = sim_here();
	struct fsc_workq **link = &s->workqs;

	sim_may_sleep("fsc_workq_destroy");
	if (sim_task()->workq == q)
		sim_fail(SIM_DEADLOCK, "work queue %s is destroyed by its own item", q->name);
	q->ending = true;
	start_workers(s, q);
	while (q->items || q->workers) {
		sim_block("the end of work queue", q, q->name, SIM_NEVER);
		start_workers(s, q);
	}
	while (*link != q)
		link = &(*link)->next;
	*link = q->next;
	fsc_free(q);
}

uint64_t sim_work_next_due(struct sim *s)
{
	uint64_t next = SIM_NEVER;

	for (struct fsc_workq *q = s->workqs; q; q = q->next)
		for (struct fsc_work *w = q->items; w; w = w->next)
			if (w->due_us < next && w->due_us > s->now_us)
				next = w->due_us;
	return next;
}

void sim_work_due(struct sim *s)
{
	for (struct fsc_workq *q = s->workqs; q; q = q->next)
		start_workers(s, q);
}

void sim_work_drop(struct sim *s)
{
	/* Their memory goes with all other that the run took. */
	s->workqs = NULL;
}

void sim_print_work(struct sim *s, FILE *to)
{
	for (struct fsc_workq *q = s->workqs; q; q = q->next)
		for (struct fsc_work *w = q->items; w; w = w->next)
			fprintf(to, "  work item %s is queued, due at %llu us\n", w->name,
				(unsigned long long)w->due_us);
}
