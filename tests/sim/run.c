// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * run.c - a run from its beginning to its end, whichever that is, and what is said of it.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>

#include "sim_int.h"

struct sim *sim_run_now;

/* Of the last run. */
static char end_text[512];
static uint64_t last_trace, last_points, last_allocs;

static void run_drop(struct sim *s);

struct sim *sim_left_or_none(void)
{
	if (!sim_run_now->current)
		return NULL;
	/* A test's failed check jumped out of its task, past us: the run is over. */
	fprintf(stderr, "sim: the run of seed %llu was left\n",
		(unsigned long long)sim_run_now->seed);
	run_drop(sim_run_now);
	return NULL;
}

struct sim_task *sim_task(void)
{
	static struct sim_task outside;
	struct sim *s = sim_here();

	return s ? s->current : &outside;
}

void sim_add_hook(struct sim_hook *hook)
{
	struct sim *s = sim_here();

	if (!s)
		sim_fail(SIM_BUG, "a backend needs a run");
	hook->next = s->hooks;
	s->hooks = hook;
}

void sim_del_hook(struct sim_hook *hook)
{
	struct sim_hook **link = sim_run_now ? &sim_run_now->hooks : NULL;

	for (; link && *link; link = &(*link)->next) {
		if (*link == hook) {
			*link = hook->next;
			return;
		}
	}
}

/* --- What is said ----------------------------------------------------------------- */

static void print_task(const struct sim *s, const struct sim_task *t, FILE *to)
{
	fprintf(to, "  task %u%s", t->id, t->irq ? " (interrupt)" : "");
	if (t->work)
		fprintf(to, " (%s)", t->work_name);
	fprintf(to, ": ");
	if (t->state == TASK_RUNNING)
		fprintf(to, "runs");
	else if (t->state == TASK_READY)
		fprintf(to, "could run");
	else
		fprintf(to, "waits for %s %s", t->why ? t->why : "something",
			t->name ? t->name : "");
	if (t->state == TASK_BLOCKED && t->why && !strcmp(t->why, "mutex")) {
		const struct fsc_mutex *m = t->blocked_on;
		const struct sim_task *owner = s->tasks;

		while (owner && owner != m->owner)
			owner = owner->next;
		fprintf(to, ", held by task %u", owner ? owner->id : 0);
	}
	if (t->state == TASK_BLOCKED && t->why && !strcmp(t->why, "task"))
		fprintf(to, "%u", (unsigned int)(uintptr_t)t->blocked_on);
	if (t->state == TASK_BLOCKED && t->deadline_us != SIM_NEVER)
		fprintf(to, " until %llu us", (unsigned long long)t->deadline_us);
	fprintf(to, "\n");
}

static void describe(struct sim *s, FILE *to)
{
	fprintf(to, "sim: seed %llu, %llu us, %llu points: %s\n", (unsigned long long)s->seed,
		(unsigned long long)s->now_us, (unsigned long long)s->points, end_text);
	for (const struct sim_task *t = s->tasks; t; t = t->next)
		print_task(s, t, to);
	sim_print_work(s, to);
	if (s->end == SIM_LEAK)
		sim_print_allocs(to);
	sim_print_log(to);
	fflush(to);
}

static void conclude(struct sim *s, enum sim_end end)
{
	s->end = end;
	if (!s->opts.quiet && end != SIM_KILLED)
		describe(s, stderr);
}

void sim_fail(enum sim_end end, const char *fmt, ...)
{
	struct sim *s = sim_here();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(end_text, sizeof(end_text), fmt, ap);
	va_end(ap);
	if (!s) {
		fprintf(stderr, "sim, outside of a run: %s\n", end_text);
		abort();
	}
	conclude(s, end);
	fiber_switch(&s->current->fiber, &s->host, true);
	abort();
}

void sim_kill(void)
{
	sim_fail(SIM_KILLED, "killed");
}

static void check_leak(struct sim *s)
{
	if (s->end != SIM_OK || !s->live_allocs)
		return;
	snprintf(end_text, sizeof(end_text), "%zu allocations of %zu bytes are left",
		 s->live_allocs, s->live_bytes);
	conclude(s, SIM_LEAK);
}

/* --- Beginning and end ------------------------------------------------------------ */

/* Whatever is left of a run, from the thread's own stack. */
static void run_drop(struct sim *s)
{
	struct sim_task *t;

	s->current = NULL;
	while (s->hooks) {
		struct sim_hook *hook = s->hooks;

		s->hooks = hook->next;
		hook->fn(hook);
	}
	sim_work_drop(s);
	sim_reap(s);
	while ((t = s->tasks)) {
		s->tasks = t->next;
		sim_task_free(t);
	}
	sim_free_all(s);
	last_trace = s->trace;
	last_points = s->points;
	last_allocs = s->alloc_nr;
	sim_run_now = NULL;
	free(s->ready);
	free(s);
}

/* Each run takes about as much memory as the last one gave back: giving it to the system in between
 * costs up to a third of the time. */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

static struct sim *run_new(uint64_t seed, const struct sim_opts *opts)
{
	static const uint8_t one_in[] = { 1, 2, 2, 4, 8, 32 };
	static uint64_t runs;
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	if (!runs)
		keep_memory();
	s->nr = ++runs;
	s->seed = seed;
	if (opts)
		s->opts = *opts;
	s->rnd_sched = seed;
	s->rnd_io = sim_next_random(&s->rnd_sched);
	s->rnd_env = sim_next_random(&s->rnd_sched);
	if (!s->opts.switch_one_in)
		s->opts.switch_one_in = one_in[sim_next_random(&s->rnd_sched) % sizeof(one_in)];
	if (!s->opts.max_points)
		s->opts.max_points = 100000000;
	s->fail_alloc = s->opts.fail_alloc;
	s->fail_after = s->opts.fail_after;
	s->next_point = SIM_NEVER;
	s->now_us = SIM_START_US;
	return s;
}

enum sim_end sim_try(uint64_t seed, const struct sim_opts *opts, sim_fn fn, void *arg)
{
	enum sim_end end;
	struct sim *s;

	if (sim_here()) {
		fprintf(stderr, "sim: a run within a run\n");
		abort();
	}
	end_text[0] = '\0';
	sim_log_reset();
	s = sim_run_now = run_new(seed, opts);
	fiber_init_host(&s->host);
	sim_make_ready(s, sim_task_new(s, fn, arg));
	sim_start(s);
	check_leak(s);
	end = s->end;
	run_drop(s);
	return end;
}

void sim_run(uint64_t seed, sim_fn fn, void *arg)
{
	if (sim_try(seed, NULL, fn, arg) != SIM_OK) {
		fprintf(stderr, "sim: the run of seed %llu ended: %s\n", (unsigned long long)seed,
			end_text);
		abort();
	}
}

const char *sim_end_text(void)
{
	return end_text;
}

uint64_t sim_trace(void)
{
	return sim_run_now ? sim_run_now->trace : last_trace;
}

uint64_t sim_points(void)
{
	return sim_run_now ? sim_run_now->points : last_points;
}

uint64_t sim_allocs(void)
{
	return sim_run_now ? sim_run_now->alloc_nr : last_allocs;
}
