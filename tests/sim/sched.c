// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sched.c - who runs next, and what time it is.
 *
 * A task that blocks or ends picks its successor itself, on its own stack; the thread's own stack
 * waits in sim_try() until the run is over. Time limits are scanned for, not sorted: there are tens
 * of tasks, not thousands.
 */
#include <stdlib.h>

#include "sim_int.h"

/* --- Numbers ---------------------------------------------------------------------- */

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

/* --- Tasks ------------------------------------------------------------------------ */

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

void sim_task_free(struct sim_task *t)
{
	fiber_fini(&t->fiber);
	if (t->fiber.stack)
		fiber_stack_free(t->fiber.stack);
	free(t);
}

void sim_reap(struct sim *s)
{
	if (s->zombie)
		sim_task_free(s->zombie);
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
	struct sim *s = sim_of_run();
	struct sim_task *t, **link;

	fiber_arrived();
	sim_reap(s);
	t = s->current;
	t->fn(t->arg);
	sim_order_none_held("the end of a task");
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
		char *stack = fiber_stack_new();

		if (!stack)
			abort();
		fiber_init(&to->fiber, stack, task_entry);
	}
	s->current = to;
	to->state = TASK_RUNNING;
	fiber_switch(from ? &from->fiber : &s->host, &to->fiber, ended);
	sim_reap(s);
}

static struct sim_task *take_ready(struct sim *s)
{
	size_t i = s->nready > 1 ? sim_next_random(&s->rnd_sched) % s->nready : 0;
	struct sim_task *t = s->ready[i];

	s->ready[i] = s->ready[--s->nready];
	sim_note(s, t->id);
	return t;
}

void sim_start(struct sim *s)
{
	switch_to(s, take_ready(s), false);
	s->current = NULL;
}

/* --- Time ------------------------------------------------------------------------- */

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

/* --- What tests call -------------------------------------------------------------- */

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
	struct sim *s = sim_of_run();

	return s ? s->now_us : 0;
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
