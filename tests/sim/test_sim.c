// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_sim.c - the simulated platform: one seed repeats a run, other seeds run otherwise, and the
 * deadlocks and misused locks that it is there to find are found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim.h"

#define NTASKS 5
#define SEEDS 40

static enum sim_end try_quiet(uint64_t seed, sim_fn fn, void *arg)
{
	return sim_try(seed, &(struct sim_opts){ .quiet = true }, fn, arg);
}

static void no_arg_nop(void *arg)
{
	(void)arg;
}

/* --- Tasks and seeds -------------------------------------------------------------- */

struct order {
	unsigned int n;
	uint8_t who[NTASKS * 10];
	struct fsc_mutex lock;
};

static void order_task(void *arg)
{
	struct order *o = arg;
	uint8_t me = (uint8_t)sim_self();

	for (int i = 0; i < 10; i++) {
		fsc_mutex_lock(&o->lock);
		o->who[o->n++] = me;
		fsc_mutex_unlock(&o->lock);
	}
}

static void order_main(void *arg)
{
	struct order *o = arg;
	sim_task_id ids[NTASKS];

	fsc_mutex_init(&o->lock, "order");
	for (int i = 0; i < NTASKS; i++)
		ids[i] = sim_spawn(order_task, o);
	for (int i = 0; i < NTASKS; i++)
		sim_join(ids[i]);
	fsc_mutex_destroy(&o->lock);
}

static void same_seed_runs_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct order a = { .n = 0 }, b = { .n = 0 };
		uint64_t trace, points;

		sim_run(seed, order_main, &a);
		trace = sim_trace();
		points = sim_points();
		sim_run(seed, order_main, &b);
		assert_memory_equal(a.who, b.who, sizeof(a.who));
		assert_int_equal(sim_trace(), trace);
		assert_int_equal(sim_points(), points);
	}
}

static void other_seeds_run_otherwise(void **state)
{
	struct order runs[SEEDS] = { { .n = 0 } };
	unsigned int distinct = 0;

	(void)state;
	for (unsigned int i = 0; i < SEEDS; i++) {
		unsigned int j = 0;

		sim_run(i, order_main, &runs[i]);
		assert_int_equal(runs[i].n, NTASKS * 10);
		while (j < i && memcmp(runs[j].who, runs[i].who, sizeof(runs[i].who)))
			j++;
		distinct += j == i;
	}
	assert_in_range(distinct, SEEDS - 2, SEEDS);
}

static void spawn_and_forget(void *arg)
{
	sim_spawn(order_task, arg);
	sim_spawn(order_task, arg);
}

static void spawn_and_forget_main(void *arg)
{
	struct order *o = arg;

	fsc_mutex_init(&o->lock, "order");
	spawn_and_forget(o);
}

static void run_lasts_until_every_task_ended(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct order o = { .n = 0 };

		sim_run(seed, spawn_and_forget_main, &o);
		assert_int_equal(o.n, 20);
	}
}

/* --- Locks ------------------------------------------------------------------------ */

struct counter {
	struct fsc_mutex mutex;
	struct fsc_spin spin;
	bool use_mutex, use_spin;
	unsigned int value;
};

static void count_task(void *arg)
{
	struct counter *c = arg;

	for (int i = 0; i < 10; i++) {
		unsigned long irq = 0;
		unsigned int was;

		if (c->use_mutex)
			fsc_mutex_lock(&c->mutex);
		if (c->use_spin)
			irq = fsc_spin_lock(&c->spin);
		was = c->value;
		sim_point();
		c->value = was + 1;
		if (c->use_spin)
			fsc_spin_unlock(&c->spin, irq);
		if (c->use_mutex)
			fsc_mutex_unlock(&c->mutex);
	}
}

static void count_main(void *arg)
{
	struct counter *c = arg;
	sim_task_id ids[NTASKS];

	fsc_mutex_init(&c->mutex, "count.mutex");
	fsc_spin_init(&c->spin, "count.spin");
	for (int i = 0; i < NTASKS; i++)
		ids[i] = sim_spawn(count_task, c);
	for (int i = 0; i < NTASKS; i++)
		sim_join(ids[i]);
	fsc_mutex_destroy(&c->mutex);
	fsc_spin_destroy(&c->spin);
}

static unsigned int count_with(uint64_t seed, bool mutex, bool spin)
{
	struct counter c = { .use_mutex = mutex, .use_spin = spin };

	sim_run(seed, count_main, &c);
	return c.value;
}

static void locks_exclude(void **state)
{
	unsigned int lost = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		assert_int_equal(count_with(seed, true, false), NTASKS * 10);
		assert_int_equal(count_with(seed, false, true), NTASKS * 10);
		assert_int_equal(count_with(seed, true, true), NTASKS * 10);
		lost += count_with(seed, false, false) < NTASKS * 10;
	}
	/* And without one the same tasks do get in each other's way. */
	assert_in_range(lost, SEEDS / 2, SEEDS);
}

static struct fsc_mutex one, two;

static void take_one_two(void *arg)
{
	(void)arg;
	fsc_mutex_lock(&one);
	fsc_mutex_lock(&two);
	fsc_mutex_unlock(&two);
	fsc_mutex_unlock(&one);
}

static void take_two_one(void *arg)
{
	(void)arg;
	fsc_mutex_lock(&two);
	fsc_mutex_lock(&one);
	fsc_mutex_unlock(&one);
	fsc_mutex_unlock(&two);
}

static void crossed_main(void *arg)
{
	(void)arg;
	fsc_mutex_init(&one, "one");
	fsc_mutex_init(&two, "two");
	sim_spawn(take_one_two, NULL);
	sim_spawn(take_two_one, NULL);
}

static void crossed_mutexes_deadlock_with_some_seed(void **state)
{
	unsigned int found = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_opts opts = { .quiet = true, .any_lock_order = true };
		enum sim_end end = sim_try(seed, &opts, crossed_main, NULL);

		assert_true(end == SIM_OK || end == SIM_DEADLOCK);
		found += end == SIM_DEADLOCK;
	}
	assert_in_range(found, 3, SEEDS - 3);
}

static void nested_spins(struct fsc_spin *outer, struct fsc_spin *inner)
{
	unsigned long irq_outer = fsc_spin_lock(outer);
	unsigned long irq_inner = fsc_spin_lock(inner);

	fsc_spin_unlock(inner, irq_inner);
	fsc_spin_unlock(outer, irq_outer);
}

static enum sim_end crossed_to_file(uint64_t seed, char *text, size_t size)
{
	struct sim_opts opts = { .any_lock_order = true };
	int was = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	enum sim_end end;
	size_t n;

	dup2(fileno(file), STDERR_FILENO);
	end = sim_try(seed, &opts, crossed_main, NULL);
	fflush(stderr);
	dup2(was, STDERR_FILENO);
	close(was);
	rewind(file);
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
	return end;
}

static void deadlock_is_described(void **state)
{
	char text[4096];
	uint64_t seed = 1;

	(void)state;
	while (crossed_to_file(seed, text, sizeof(text)) != SIM_DEADLOCK)
		assert_true(++seed < SEEDS);
	assert_non_null(strstr(text, "task 2: waits for mutex two, held by task 3\n"));
	assert_non_null(strstr(text, "task 3: waits for mutex one, held by task 2\n"));
}

/* One after the other in one task: no run can ever deadlock by it. */
static void crossed_spins_main(void *arg)
{
	struct fsc_spin a, b, c;

	fsc_spin_init(&a, "a");
	fsc_spin_init(&b, "b");
	fsc_spin_init(&c, "c");
	nested_spins(&a, &b);
	nested_spins(&b, &c);
	nested_spins(&a, &b);
	if (arg)
		nested_spins(&c, &a);
	nested_spins(&a, &c);
}

static void two_of_a_name_main(void *arg)
{
	struct fsc_spin a, b;

	(void)arg;
	fsc_spin_init(&a, "a");
	fsc_spin_init(&b, "a");
	nested_spins(&a, &b);
}

static void locks_in_crossed_order_are_found_in_any_run(void **state)
{
	assert_int_equal(try_quiet(1, crossed_main, NULL), SIM_DEADLOCK);
	assert_int_equal(try_quiet(1, crossed_spins_main, NULL), SIM_OK);
	assert_int_equal(try_quiet(1, crossed_spins_main, state), SIM_DEADLOCK);
	assert_string_equal(sim_end_text(), "a is taken under c, which was taken under it");
	assert_int_equal(try_quiet(1, two_of_a_name_main, NULL), SIM_DEADLOCK);
}

static void end_with_mutex(void *arg)
{
	(void)arg;
	fsc_mutex_init(&one, "one");
	fsc_mutex_lock(&one);
}

static void lock_twice(void *arg)
{
	(void)arg;
	fsc_mutex_init(&one, "one");
	fsc_mutex_lock(&one);
	fsc_mutex_lock(&one);
}

static void unlock_free(void *arg)
{
	(void)arg;
	fsc_mutex_init(&one, "one");
	fsc_mutex_unlock(&one);
}

static void lock_garbage(void *arg)
{
	struct fsc_mutex m;

	(void)arg;
	memset(&m, 0x5a, sizeof(m));
	fsc_mutex_lock(&m);
}

static void spin_twice(void *arg)
{
	struct fsc_spin s;

	(void)arg;
	fsc_spin_init(&s, "s");
	fsc_spin_lock(&s);
	fsc_spin_lock(&s);
}

static void end_with_spin(void *arg)
{
	struct fsc_spin *s = arg;

	fsc_spin_init(s, "s");
	fsc_spin_lock(s);
}

static void put_twice(void *arg)
{
	struct fsc_ref r;

	(void)arg;
	fsc_ref_init(&r);
	fsc_ref_put(&r);
	fsc_ref_put(&r);
}

static void misuse_of_locks_and_references_is_found(void **state)
{
	struct fsc_spin spin;

	(void)state;
	assert_int_equal(try_quiet(1, lock_twice, NULL), SIM_DEADLOCK);
	assert_string_equal(sim_end_text(), "mutex one is taken twice");
	assert_int_equal(try_quiet(1, unlock_free, NULL), SIM_BUG);
	assert_int_equal(try_quiet(1, lock_garbage, NULL), SIM_BUG);
	assert_int_equal(try_quiet(1, spin_twice, NULL), SIM_DEADLOCK);
	assert_int_equal(try_quiet(1, end_with_spin, &spin), SIM_BUG);
	assert_int_equal(try_quiet(1, end_with_mutex, NULL), SIM_BUG);
	assert_int_equal(try_quiet(1, put_twice, NULL), SIM_BUG);
}

static void references_count(void **state)
{
	struct fsc_ref r;

	(void)state;
	fsc_ref_init(&r);
	fsc_ref_get(&r);
	assert_true(fsc_ref_get_unless_zero(&r));
	assert_false(fsc_ref_put(&r));
	assert_false(fsc_ref_put(&r));
	assert_true(fsc_ref_put(&r));
	assert_false(fsc_ref_get_unless_zero(&r));
}

/* --- The clock -------------------------------------------------------------------- */

static void sleep_and_note(void *arg)
{
	uint64_t *at = arg;

	sim_sleep_ms(10);
	*at = sim_now_us();
}

static void clock_main(void *arg)
{
	uint64_t at[3], began = sim_now_us();

	(void)arg;
	for (int i = 0; i < 3; i++)
		sim_spawn(sleep_and_note, &at[i]);
	/* While something can run the clock stands still. */
	for (int i = 0; i < 100; i++)
		sim_yield();
	assert_int_equal(sim_now_us(), began);
	sim_sleep_ms(11);
	for (int i = 0; i < 3; i++)
		assert_int_equal(at[i], began + 10000);
	assert_int_equal(sim_now_us(), began + 11000);
}

static void clock_moves_only_when_nothing_runs(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, clock_main, NULL);
}

static void sleep_and_set(void *arg)
{
	sim_sleep_ms(1000);
	*(bool *)arg = true;
}

static void busy_main(void *arg)
{
	bool set = false;

	(void)arg;
	sim_spawn(sleep_and_set, &set);
	while (!set)
		sim_point();
}

static void time_limits_may_fire_early_on_demand(void **state)
{
	struct sim_opts opts = { .quiet = true, .max_points = 100000 };

	(void)state;
	assert_int_equal(sim_try(1, &opts, busy_main, NULL), SIM_ENDLESS);
	opts.jump_one_in = 100;
	assert_int_equal(sim_try(1, &opts, busy_main, NULL), SIM_OK);
}

static void spin_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		sim_point();
}

static void endless_run_is_stopped(void **state)
{
	struct sim_opts opts = { .quiet = true, .max_points = 10000 };

	(void)state;
	assert_int_equal(sim_try(1, &opts, spin_for_ever, NULL), SIM_ENDLESS);
}

/* --- The log ---------------------------------------------------------------------- */

static void log_main(void *arg)
{
	(void)arg;
	fsc_log(FSC_LOG_INFO, "hello %d", 42);
}

static void log_is_kept(void **state)
{
	(void)state;
	sim_run(1, log_main, NULL);
	assert_int_equal(sim_log_count("hello 42"), 1);
	sim_run(1, no_arg_nop, NULL);
	assert_int_equal(sim_log_count("hello 42"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_runs_the_same),
		cmocka_unit_test(other_seeds_run_otherwise),
		cmocka_unit_test(run_lasts_until_every_task_ended),
		cmocka_unit_test(locks_exclude),
		cmocka_unit_test(crossed_mutexes_deadlock_with_some_seed),
		cmocka_unit_test(deadlock_is_described),
		cmocka_unit_test(locks_in_crossed_order_are_found_in_any_run),
		cmocka_unit_test(misuse_of_locks_and_references_is_found),
		cmocka_unit_test(references_count),
		cmocka_unit_test(clock_moves_only_when_nothing_runs),
		cmocka_unit_test(time_limits_may_fire_early_on_demand),
		cmocka_unit_test(endless_run_is_stopped),
		cmocka_unit_test(log_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
