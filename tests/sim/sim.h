/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * sim.h - run the library on a simulated platform: one thread, a virtual clock, and one seed that
 * decides everything that chance decides elsewhere.
 *
 * Tasks are coroutines. At each scheduling point (lock, unlock, wait, wake, allocation that may
 * sleep, atomic flag, start of a work item, backend op, I/O completion) the seed decides who goes
 * on. The clock stands still while anything can run; then it moves to the next time limit, delay
 * or completion. Completions, and what else runs "in interrupt context", may be interrupted by
 * other tasks as if on another processor, but whatever sleeps there ends the run; likewise under
 * a spinlock.
 *
 * What ends a run before its time is described on stderr, with the tasks, what they wait for and
 * the log: a deadlock, a leak, the wrong context, FSC_ASSERT. The same seed repeats it.
 *
 * Everything is called in a task, except what says otherwise.
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include <fscache/env.h>

typedef void (*sim_fn)(void *arg);

enum sim_end {
	SIM_OK,
	SIM_DEADLOCK, /* nothing can run, no time limit is pending; or locks are taken in such an
		       * order that it could come to that */
	SIM_LEAK,     /* every task ended, and allocations or handles are left */
	SIM_CONTEXT,  /* something that may sleep, in interrupt context or under a spinlock */
	SIM_BUG,      /* FSC_ASSERT, or a lock, reference, queue or transfer misused */
	SIM_ENDLESS,  /* more scheduling points than the limit */
	SIM_KILLED,   /* sim_kill() */
};

/* A zeroed struct is fine. */
struct sim_opts {
	uint32_t switch_one_in; /* change over at one point in so many; default: the seed decides */
	uint32_t jump_one_in;   /* at one point in so many the next time limit fires although others
				 * can run, as if they were slow; default never */
	uint64_t max_points;    /* default 100 million */
	uint64_t fail_alloc;    /* the so many-th allocation gives NULL, counted from 1; 0: none */
	bool fail_after;        /* and all that follow */
	bool any_lock_order;    /* don't look at the order in which locks are taken */
	bool quiet;             /* the end is expected: don't describe it on stderr */
};

/* Run @main as the first task, until every task has ended. Any other end aborts. Not in a task. */
void sim_run(uint64_t seed, sim_fn main, void *arg);
/* The same, and returns how it ended. What was left is freed, tasks dropped where they stand. */
enum sim_end sim_try(uint64_t seed, const struct sim_opts *opts, sim_fn main, void *arg);
/* Of the last run, until the next begins: the first line of how it ended, a fingerprint of all
 * decisions, how many points and allocations it had. Anywhere. */
const char *sim_end_text(void);
uint64_t sim_trace(void);
uint64_t sim_points(void);
uint64_t sim_allocs(void);

/* End the run as a killed process would: no task runs on, the storage stays. */
void sim_kill(void);
/* End the run with a message, for checks of the platform's users. */
void sim_fail(enum sim_end end, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

typedef unsigned int sim_task_id; /* never 0 */

sim_task_id sim_spawn(sim_fn fn, void *arg);
/* As an interrupt, which runs after @delay_us, or sooner, or now: whenever the seed says. */
void sim_irq(sim_fn fn, void *arg, uint64_t delay_us);
void sim_join(sim_task_id id); /* returns when that task has ended */
sim_task_id sim_self(void);
void sim_yield(void); /* certainly let somebody else run, if there is anyone */
void sim_point(void); /* a scheduling point; nothing outside of a run */
void sim_sleep_us(uint64_t us);
void sim_sleep_ms(uint64_t ms);
uint64_t sim_now_us(void);
/* Sleep until nothing but sleepers is left: all that was queued without a delay has run. */
void sim_settle(void);

/* May what runs now sleep? Ends the run if not; @what is said. */
void sim_may_sleep(const char *what);
/* Run @fn as interrupt context would, here and now. */
void sim_in_irq(sim_fn fn, void *arg);
bool sim_is_irq(void);

/* Below @n, from the run's own sequence, apart from what decides who runs. */
uint32_t sim_random(uint32_t n);
bool sim_chance(uint32_t one_in); /* 0: never */

/* Allocations alive, and their bytes: all that the library and the backend took. */
size_t sim_live_allocs(void);
size_t sim_live_bytes(void);
void sim_print_allocs(FILE *to);
/* The so many-th allocation from now on gives NULL, and with @after all that follow; 0: none. */
void sim_fail_alloc(uint64_t nth, bool after);

/* The last lines that fsc_log() got. Lines up to @level also go to stderr at once (default
 * none, or the number in the environment's FSC_SIM_LOG). Anywhere. */
void sim_log_level(int level);
void sim_print_log(FILE *to);
unsigned int sim_log_count(const char *part); /* lines since the run began that contain @part */

#endif
