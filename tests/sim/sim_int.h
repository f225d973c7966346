/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * sim_int.h - what the files of the simulated platform share: the one struct that holds a run, and
 * the scheduler as the locks, the work queues and the backend see it.
 */
#ifndef SIM_INT_H
#define SIM_INT_H

#include "fiber.h"
#include "sim.h"

#define SIM_NEVER UINT64_MAX
/* When runs begin: some time after zero, which code may take for "never". */
#define SIM_START_US 1000000u

#define SIM_CLASSES 64u
#define SIM_HELD_MAX 16u

enum sim_state {
	TASK_READY,
	TASK_RUNNING,
	TASK_BLOCKED,
};

struct sim_task {
	struct sim_task *next; /* in sim.tasks, oldest first */
	sim_task_id id;
	enum sim_state state;
	sim_fn fn;
	void *arg;
	struct fiber fiber; /* has a stack from the first run on */
	bool irq;

	unsigned int spins; /* held */
	const char *spin_name; /* the last taken */
	uint8_t held[SIM_HELD_MAX]; /* order.c: of which classes */
	unsigned int nheld;

	/* Blocked: on what, in words, and until when. */
	const void *blocked_on;
	const char *why, *name;
	uint64_t deadline_us;
	uint64_t deadline_point; /* or after so many scheduling points */

	bool woken; /* and not by the clock */

	/* Registered as a waiter: from before the condition is tested, so that no wake is lost. */
	const struct fsc_waitq *waitq;
	bool alerted;

	const struct fsc_work *work; /* being run; compared, never looked into */
	const char *work_name;
	void (*work_fn)(struct fsc_work *w);
	struct fsc_workq *workq;
};

struct sim_alloc {
	struct sim_alloc *next;
	void *ptr;
	size_t size;
	uint64_t nr;
	const void *site;
	bool io;
};

/* Called when a run ends otherwise than well, for what outlives it. */
struct sim_hook {
	struct sim_hook *next;
	void (*fn)(struct sim_hook *hook);
};

#define SIM_ALLOC_BUCKETS 1024

struct sim {
	uint64_t nr; /* of the runs of this process, from 1 */
	uint64_t seed;
	struct sim_opts opts;
	enum sim_end end;

	uint64_t rnd_sched, rnd_io, rnd_env;
	uint64_t now_us;
	uint64_t points, next_point;
	uint64_t trace;

	struct fiber host;
	struct sim_task *current;
	struct sim_task *tasks;
	struct sim_task **ready;
	size_t nready, ready_size;
	struct sim_task *zombie; /* ended, its stack to be freed by whoever runs next */
	sim_task_id last_id;

	struct fsc_workq *workqs;
	struct sim_hook *hooks;
	uint64_t order[SIM_CLASSES]; /* order.c: bits of the classes taken under each */

	struct sim_alloc *allocs[SIM_ALLOC_BUCKETS];
	size_t live_allocs, live_bytes;
	uint64_t alloc_made; /* all */
	uint64_t alloc_nr;   /* those that may be made to fail */
	uint64_t fail_alloc;
	bool fail_after;
};

/* run.c. The run, from wherever; and if we are in one of its tasks, else NULL. */
extern struct sim *sim_run_now;
struct sim *sim_left_or_none(void);

static inline struct sim *sim_of_run(void)
{
	return sim_run_now;
}

static inline struct sim *sim_here(void)
{
	struct sim *s = sim_run_now;

	if (s && s->current && fiber_is_here(&s->current->fiber))
		return s;
	return s ? sim_left_or_none() : NULL;
}

/* The task that runs, or a stand-in outside of a run. */
struct sim_task *sim_task(void);

/* sched.c */
uint64_t sim_next_random(uint64_t *state);
void sim_note(struct sim *s, uint64_t decision); /* into the trace */

struct sim_task *sim_task_new(struct sim *s, sim_fn fn, void *arg);
void sim_task_free(struct sim_task *t);
void sim_reap(struct sim *s); /* what has ended */
void sim_start(struct sim *s); /* the first task; returns when the run is over */
void sim_make_ready(struct sim *s, struct sim_task *t);
/* Sleep until sim_wake() on @on, or the time; true: the time. No scheduling point comes before. */
bool sim_block(const char *why, const void *on, const char *name, uint64_t deadline_us);
void sim_wake(const void *on);

/* run.c */
void sim_add_hook(struct sim_hook *hook);
void sim_del_hook(struct sim_hook *hook);

/* order.c; by the locks' names */
void sim_order_take(const char *name); /* before waiting for it */
void sim_order_release(const char *name);
void sim_order_none_held(const char *when);

/* work.c */
uint64_t sim_work_next_due(struct sim *s);
void sim_work_due(struct sim *s); /* start what is due */
void sim_work_drop(struct sim *s);
void sim_work_freed(struct sim *s, const void *ptr, size_t size); /* whose items may lie there */
void sim_print_work(struct sim *s, FILE *to);

/* env.c */
void *sim_alloc_at(size_t size, const void *site); /* zeroed; counted; never fails on purpose */
void sim_free_all(struct sim *s);
void sim_log_reset(void);

#endif
