// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sched.c - who runs next, and what time it is.
 *
 * A task that blocks or ends picks its successor itself, on its own stack; the thread's own stack
 * waits in sim_try() until the run is over. Time limits are scanned for, not sorted: there are tens
 * of tasks, not thousands.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "sim_int.h"

static struct sim *sim;

/* Of the last run. */
static char end_text[512];
static uint64_t last_trace, last_points, last_allocs;

static void run_drop(struct sim *s);

struct sim *sim_of_run(void)
{
	return sim;
}

/* --- Numbers ------------------------------------------------------------------------------- */

uint64_t sim_next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void sim_note(struct sim *s, uint64_t decision)
{
	s->trace = (s->trace ^ decision) * 0x100000001b3ull;
	s->trace ^= s->trace >> 29;
}

uint32_t sim_random(uint32_t n)
{
	struct sim *s = sim_here();

	return s && n ? (uint32_t)(sim_next_random(&s->rnd_io) % n) : 0;
}

bool sim_chance(uint32_t one_in)
{
	return one_in && sim_random(one_in) == 0;
}

/* --- Tasks --------------------------------------------------------------------------------- */

static struct sim_task outside = { .name = NULL };

struct sim *sim_here(void)
{
	if (!sim || !sim->current)
		return NULL;
	if (fiber_is_here(&sim->current->fiber))
		return sim;
	/* A test's failed check jumped out of its task, past us: the run is over. */
	fprintf(stderr, "sim: the run of seed %llu was left\n", (unsigned long long)sim->seed);
	run_drop(sim);
	return NULL;
}

struct sim_task *sim_task(void)
{
	struct sim *s = sim_here();

	return s ? s->current : &outside;
}

void sim_make_ready(struct sim *s, struct sim_task *t)
{
	if (s->nready == s->ready_size) {
		s->ready_size = s->ready_size ? s->ready_size * 2 : 64;
		s->ready = realloc(s->ready, s->ready_size * sizeof(*s->ready));
		if (!s->ready)
			abort();
	}
	t->state = TASK_READY;
	t->blocked_on = NULL;
	t->deadline_us = SIM_NEVER;
	t->deadline_point = SIM_NEVER;
	s->ready[s->nready++] = t;
}

struct sim_task *sim_task_new(struct sim *s, sim_fn fn, void *arg)
{
	struct sim_task *t = calloc(1, sizeof(*t));
	struct sim_task **end = &s->tasks;

	if (!t)
		abort();
	t->id = ++s->last_id;
	t->fn = fn;
	t->arg = arg;
	t->state = TASK_BLOCKED;
	t->deadline_us = SIM_NEVER;
	t->deadline_point = SIM_NEVER;
	while (*end)
		end = &(*end)->next;
	*end = t;
	return t;
}

static void task_free(struct sim *s, struct sim_task *t)
{
	fiber_fini(&t->fiber);
	if (t->fiber.stack) {
		s->stacks = realloc(s->stacks, (s->nstacks + 1) * sizeof(*s->stacks));
		if (!s->stacks)
			abort();
		s->stacks[s->nstacks++] = t->fiber.stack;
	}
	free(t);
}

static void reap(struct sim *s)
{
	if (s->zombie)
		task_free(s, s->zombie);
	s->zombie = NULL;
}

static void schedule(struct sim *s, bool ended);

/* What joiners block on: a task's number, since the task itself may be gone. */
static const void *join_point(sim_task_id id)
{
	return (const void *)(uintptr_t)id;
}

static void task_entry(void)
{
	struct sim *s = sim;
	struct sim_task *t, **link;

	fiber_arrived();
	reap(s);
	t = s->current;
	t->fn(t->arg);
	if (t->spins)
		sim_fail(SIM_BUG, "task %u ends holding spinlock %s", t->id, t->spin_name);
	for (link = &s->tasks; *link != t; link = &(*link)->next)
		;
	*link = t->next;
	sim_wake(join_point(t->id));
	s->zombie = t;
	schedule(s, true);
	abort();
}

static void switch_to(struct sim *s, struct sim_task *to, bool ended)
{
	struct sim_task *from = s->current;

	if (!to->fiber.stack) {
		char *stack = s->nstacks ? s->stacks[--s->nstacks] : fiber_stack_new();

		if (!stack)
			abort();
		fiber_init(&to->fiber, stack, task_entry);
	}
	s->current = to;
	to->state = TASK_RUNNING;
	fiber_switch(from ? &from->fiber : &s->host, &to->fiber, ended);
	reap(s);
}

static struct sim_task *take_ready(struct sim *s)
{
	size_t i = s->nready > 1 ? sim_next_random(&s->rnd_sched) % s->nready : 0;
	struct sim_task *t = s->ready[i];

	s->ready[i] = s->ready[--s->nready];
	sim_note(s, t->id);
	return t;
}

/* --- Time ----------------------------------------------------------------------------------- */

/* Who waits for a number of points; all of them if @all, when nothing else can run. */
static bool fire_points(struct sim *s, bool all)
{
	bool any = false;

	s->next_point = SIM_NEVER;
	for (struct sim_task *t = s->tasks; t; t = t->next) {
		if (t->deadline_point == SIM_NEVER)
			continue;
		if (all || t->deadline_point <= s->points) {
			sim_make_ready(s, t);
			any = true;
		} else if (t->deadline_point < s->next_point) {
			s->next_point = t->deadline_point;
		}
	}
	return any;
}

/* Move the clock to the next thing that waits for it. */
static bool fire_clock(struct sim *s)
{
	uint64_t next = sim_work_next_due(s);

	for (struct sim_task *t = s->tasks; t; t = t->next)
		if (t->deadline_us < next)
			next = t->deadline_us;
	if (next == SIM_NEVER)
		return false;
	if (next > s->now_us)
		s->now_us = next;
	for (struct sim_task *t = s->tasks; t; t = t->next)
		if (t->deadline_us <= s->now_us)
			sim_make_ready(s, t);
	sim_work_due(s);
	return true;
}

/* Let somebody else run. Returns when it is our turn again; never, if we ended. */
static void schedule(struct sim *s, bool ended)
{
	struct sim_task *t;

	if (!s->tasks) {
		fiber_switch(&s->current->fiber, &s->host, true);
		abort();
	}
	while (!s->nready)
		if (!fire_points(s, true) && !fire_clock(s))
			sim_fail(SIM_DEADLOCK, "nothing can run, and no time limit is pending");
	t = take_ready(s);
	if (t != s->current)
		switch_to(s, t, ended);
	else
		t->state = TASK_RUNNING;
}

void sim_point(void)
{
	struct sim *s = sim_here();

	if (!s || s->current->spins)
		return;
	if (++s->points > s->opts.max_points)
		sim_fail(SIM_ENDLESS, "more than %llu scheduling points",
			 (unsigned long long)s->opts.max_points);
	if (s->points >= s->next_point)
		fire_points(s, false);
	if (s->opts.jump_one_in && sim_next_random(&s->rnd_sched) % s->opts.jump_one_in == 0)
		fire_clock(s);
	if (!s->nready || sim_next_random(&s->rnd_sched) % s->opts.switch_one_in)
		return;
	sim_yield();
}

void sim_yield(void)
{
	struct sim *s = sim_here();
	struct sim_task *t, *me;

	if (!s || !s->nready)
		return;
	if (s->current->spins)
		sim_fail(SIM_CONTEXT, "a yield under spinlock %s", s->current->spin_name);
	me = s->current;
	t = take_ready(s);
	me->state = TASK_READY;
	s->ready[s->nready++] = me; /* there is room: one was taken */
	switch_to(s, t, false);
}

bool sim_block(const char *why, const void *on, const char *name, uint64_t deadline_us)
{
	struct sim *s = sim_here();
	struct sim_task *t;

	if (!s) {
		fprintf(stderr, "sim: a wait for %s outside of a run\n", why);
		abort();
	}
	t = s->current;
	t->state = TASK_BLOCKED;
	t->blocked_on = on;
	t->why = why;
	t->name = name;
	t->deadline_us = deadline_us;
	t->woken = false;
	schedule(s, false);
	t->why = NULL;
	return !t->woken;
}

void sim_wake(const void *on)
{
	struct sim *s = sim_here();

	for (struct sim_task *t = s ? s->tasks : NULL; t; t = t->next) {
		if (t->state == TASK_BLOCKED && t->blocked_on == on) {
			sim_make_ready(s, t);
			t->woken = true;
		}
	}
}

/* --- What tests call ---------------------------------------------------------------------------- */

static struct sim *here_or_die(const char *what)
{
	struct sim *s = sim_here();

	if (!s) {
		fprintf(stderr, "sim: %s outside of a run\n", what);
		abort();
	}
	return s;
}

sim_task_id sim_spawn(sim_fn fn, void *arg)
{
	struct sim *s = here_or_die("sim_spawn");
	struct sim_task *t = sim_task_new(s, fn, arg);
	sim_task_id id = t->id;

	sim_make_ready(s, t);
	sim_point();
	return id;
}

void sim_irq(sim_fn fn, void *arg, uint64_t delay_us)
{
	struct sim *s = here_or_die("sim_irq");
	struct sim_task *t = sim_task_new(s, fn, arg);

	t->irq = true;
	t->why = "its time";
	switch (sim_random(3)) {
	case 0:
		sim_make_ready(s, t);
		break;
	case 1:
		t->deadline_point = s->points + 1 + sim_random(200);
		if (t->deadline_point < s->next_point)
			s->next_point = t->deadline_point;
		break;
	default:
		t->deadline_us = s->now_us + delay_us;
	}
}

static struct sim_task *task_find(struct sim *s, sim_task_id id)
{
	struct sim_task *t = s->tasks;

	while (t && t->id != id)
		t = t->next;
	return t;
}

void sim_join(sim_task_id id)
{
	struct sim *s = here_or_die("sim_join");

	sim_may_sleep("sim_join");
	sim_point();
	while (task_find(s, id))
		sim_block("task", join_point(id), NULL, SIM_NEVER);
}

sim_task_id sim_self(void)
{
	return sim_task()->id;
}

void sim_sleep_us(uint64_t us)
{
	struct sim *s = here_or_die("sim_sleep");

	sim_may_sleep("sim_sleep");
	sim_block("its time", NULL, NULL, s->now_us + us);
}

void sim_sleep_ms(uint64_t ms)
{
	sim_sleep_us(ms * 1000);
}

void sim_settle(void)
{
	sim_sleep_us(0);
}

uint64_t sim_now_us(void)
{
	return sim ? sim->now_us : 0;
}

void sim_may_sleep(const char *what)
{
	struct sim_task *t = sim_task();

	if (t->irq)
		sim_fail(SIM_CONTEXT, "%s in interrupt context", what);
	if (t->spins)
		sim_fail(SIM_CONTEXT, "%s under spinlock %s", what, t->spin_name);
}

void sim_in_irq(sim_fn fn, void *arg)
{
	struct sim_task *t = sim_task();
	bool was = t->irq;

	t->irq = true;
	fn(arg);
	t->irq = was;
}

bool sim_is_irq(void)
{
	return sim_task()->irq;
}

/* --- Beginning and end --------------------------------------------------------------------------- */

void sim_add_hook(struct sim_hook *hook)
{
	struct sim *s = here_or_die("a backend");

	hook->next = s->hooks;
	s->hooks = hook;
}

void sim_del_hook(struct sim_hook *hook)
{
	for (struct sim_hook **link = sim ? &sim->hooks : NULL; link && *link;
	     link = &(*link)->next) {
		if (*link == hook) {
			*link = hook->next;
			return;
		}
	}
}

static void print_task(const struct sim *s, const struct sim_task *t, FILE *to)
{
	fprintf(to, "  task %u%s: ", t->id, t->irq ? " (interrupt)" : "");
	if (t == s->current)
		fprintf(to, "runs");
	else if (t->state == TASK_READY)
		fprintf(to, "could run");
	else
		fprintf(to, "waits for %s %s", t->why ? t->why : "something",
			t->name ? t->name : "");
	if (t->state == TASK_BLOCKED && t->why && !strcmp(t->why, "mutex")) {
		const struct fsc_mutex *m = t->blocked_on;

		fprintf(to, ", held by task %u", m->owner ? m->owner->id : 0);
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
	reap(s);
	while ((t = s->tasks)) {
		s->tasks = t->next;
		task_free(s, t);
	}
	while (s->nstacks)
		fiber_stack_free(s->stacks[--s->nstacks]);
	sim_free_all(s);
	last_trace = s->trace;
	last_points = s->points;
	last_allocs = s->alloc_nr;
	sim = NULL;
	free(s->stacks);
	free(s->ready);
	free(s);
}

static struct sim *run_new(uint64_t seed, const struct sim_opts *opts)
{
	static const uint8_t one_in[] = { 1, 2, 2, 4, 8, 32 };
	static uint64_t runs;
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
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

	if (sim && sim_here()) {
		fprintf(stderr, "sim: a run within a run\n");
		abort();
	}
	end_text[0] = '\0';
	sim_log_reset();
	s = sim = run_new(seed, opts);
	fiber_init_host(&s->host);
	sim_make_ready(s, sim_task_new(s, fn, arg));
	switch_to(s, take_ready(s), false);
	s->current = NULL;
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
	return sim ? sim->trace : last_trace;
}

uint64_t sim_points(void)
{
	return sim ? sim->points : last_points;
}

uint64_t sim_allocs(void)
{
	return sim ? sim->alloc_nr : last_allocs;
}
