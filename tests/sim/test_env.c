// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_env.c - what env.h promises, on the simulated platform: waiting, work items, memory, and
 * what may be done in which context.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim.h"

#define NTASKS 5
#define SEEDS 40

static enum sim_end try_quiet(uint64_t seed, sim_fn fn, void *arg)
{
	return sim_try(seed, &(struct sim_opts){ .quiet = true }, fn, arg);
}

/* --- Waiting ---------------------------------------------------------------------- */

struct gate {
	struct fsc_waitq q;
	struct fsc_spin lock;
	bool open;
	unsigned int passed;
};

/* With scheduling points inside: between the test and the sleep a wake must not get lost. */
static bool gate_is_open(void *arg)
{
	struct gate *g = arg;
	unsigned long irq = fsc_spin_lock(&g->lock);
	bool open = g->open;

	fsc_spin_unlock(&g->lock, irq);
	return open;
}

static void gate_init(struct gate *g)
{
	*g = (struct gate){ .open = false };
	fsc_waitq_init(&g->q);
	fsc_spin_init(&g->lock, "gate");
}

static void gate_open(void *arg)
{
	struct gate *g = arg;
	unsigned long irq = fsc_spin_lock(&g->lock);

	g->open = true;
	fsc_waitq_wake_all(&g->q);
	fsc_spin_unlock(&g->lock, irq);
}

static void gate_pass(void *arg)
{
	struct gate *g = arg;

	fsc_waitq_wait(&g->q, gate_is_open, g);
	g->passed++;
}

static void gate_main(void *arg)
{
	struct gate *g = arg;

	gate_init(g);
	for (int i = 0; i < NTASKS; i++)
		sim_spawn(gate_pass, g);
	sim_irq(gate_open, g, 100);
}

static void no_wake_is_lost(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10 * SEEDS; seed++) {
		struct gate g;

		sim_run(seed, gate_main, &g);
		assert_int_equal(g.passed, NTASKS);
	}
}

static void gate_limit_main(void *arg)
{
	struct gate *g = arg;
	uint64_t began;

	gate_init(g);
	began = fsc_now_ms();
	assert_false(fsc_waitq_wait_ms(&g->q, gate_is_open, g, 50));
	assert_int_equal(fsc_now_ms() - began, 50);
	assert_false(fsc_waitq_wait_ms(&g->q, gate_is_open, g, 0));
	assert_int_equal(fsc_now_ms() - began, 50);
	sim_irq(gate_open, g, 20000);
	assert_true(fsc_waitq_wait_ms(&g->q, gate_is_open, g, 50));
	assert_in_range(fsc_now_ms() - began, 50, 70);
	assert_true(fsc_waitq_wait_ms(&g->q, gate_is_open, g, 0));
}

static void wait_ends_at_its_limit_or_when_woken(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct gate g;

		sim_run(seed, gate_limit_main, &g);
	}
}

static void wait_for_ever(void *arg)
{
	gate_init(arg);
	gate_pass(arg);
}

static void wait_for_ever_is_a_deadlock(void **state)
{
	struct gate g;

	(void)state;
	assert_int_equal(try_quiet(1, wait_for_ever, &g), SIM_DEADLOCK);
}

/* --- Work ------------------------------------------------------------------------- */

struct job {
	struct fsc_work work;
	struct fsc_workq *q;
	unsigned int ran, running, again;
	uint64_t ran_at_ms;
};

static struct job *job_of(struct fsc_work *w)
{
	return (struct job *)w;
}

static void job_fn(struct fsc_work *w)
{
	struct job *j = job_of(w);

	assert_int_equal(j->running, 0);
	j->running++;
	j->ran++;
	j->ran_at_ms = fsc_now_ms();
	if (j->again) {
		j->again--;
		fsc_work_queue(j->q, w, 0);
	}
	sim_sleep_ms(1);
	j->running--;
}

static void job_init(struct job *j, struct fsc_workq *q)
{
	*j = (struct job){ .q = q };
	fsc_work_init(&j->work, job_fn);
}

static void work_delay_main(void *arg)
{
	struct fsc_workq *q = fsc_workq_create("test");
	uint64_t began = fsc_now_ms();
	struct job j;

	(void)arg;
	job_init(&j, q);
	assert_true(fsc_work_queue(q, &j.work, 1000));
	assert_false(fsc_work_queue(q, &j.work, 2000)); /* later: nothing */
	sim_sleep_ms(10);
	assert_false(fsc_work_queue(q, &j.work, 100)); /* sooner: replaces */
	sim_sleep_ms(99);
	assert_int_equal(j.ran, 0);
	sim_sleep_ms(10);
	assert_int_equal(j.ran, 1);
	assert_int_equal(j.ran_at_ms - began, 110);
	sim_sleep_ms(3000);
	assert_int_equal(j.ran, 1);
	fsc_workq_destroy(q);
}

static void work_runs_after_its_delay_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, work_delay_main, NULL);
}

static void work_again_main(void *arg)
{
	struct fsc_workq *q = fsc_workq_create("test");
	struct job j;

	(void)arg;
	job_init(&j, q);
	j.again = 3;
	fsc_work_queue(q, &j.work, 0);
	/* Also from outside while it runs: job_fn checks that it is alone. */
	for (int i = 0; i < 5; i++) {
		sim_sleep_us(500);
		fsc_work_queue(q, &j.work, 0);
	}
	fsc_workq_destroy(q);
	assert_in_range(j.ran, 4, 9);
	assert_int_equal(j.running, 0);
}

static void running_work_queued_again_runs_after(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, work_again_main, NULL);
}

static void work_many_main(void *arg)
{
	struct fsc_workq *q = fsc_workq_create("test");
	struct job jobs[12];
	uint64_t began = fsc_now_ms();

	(void)arg;
	for (int i = 0; i < 12; i++) {
		job_init(&jobs[i], q);
		fsc_work_queue(q, &jobs[i].work, i < 10 ? 0 : 100000);
	}
	fsc_workq_destroy(q); /* runs what is queued, delays cut */
	for (int i = 0; i < 12; i++)
		assert_int_equal(jobs[i].ran, 1);
	/* Each sleeps a millisecond; one after the other would take twelve. */
	assert_in_range(fsc_now_ms() - began, 2, 6);
}

static void work_runs_several_at_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, work_many_main, NULL);
}

static void work_cancel_main(void *arg)
{
	unsigned int *ran_at_all = arg;
	struct fsc_workq *q = fsc_workq_create("test");
	struct job j, late;
	unsigned int ran;
	bool was_queued;

	job_init(&j, q);
	job_init(&late, q);
	assert_false(fsc_work_cancel_sync(q, &j.work));
	fsc_work_queue(q, &late.work, 5);
	assert_true(fsc_work_cancel_sync(q, &late.work));
	j.again = 1000;
	fsc_work_queue(q, &j.work, 0);
	sim_point();
	was_queued = fsc_work_cancel_sync(q, &j.work);
	assert_int_equal(j.running, 0);
	ran = j.ran;
	*ran_at_all += ran > 0;
	if (!ran)
		assert_true(was_queued);
	/* Nothing of it comes back. */
	sim_sleep_ms(20);
	assert_int_equal(j.ran, ran);
	assert_int_equal(late.ran, 0);
	fsc_workq_destroy(q);
}

static void cancelled_work_neither_waits_nor_runs(void **state)
{
	unsigned int ran = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, work_cancel_main, &ran);
	assert_in_range(ran, 1, SEEDS - 1); /* both cases were met */
}

static void free_itself(struct fsc_work *w)
{
	fsc_free(w);
	sim_yield();
}

static void work_free_main(void *arg)
{
	struct fsc_workq *q = fsc_workq_create("test");

	(void)arg;
	for (int i = 0; i < 20; i++) {
		struct fsc_work *w = fsc_zalloc(sizeof(*w));

		fsc_work_init(w, free_itself);
		fsc_work_queue(q, w, 0);
	}
	fsc_workq_destroy(q);
}

static void work_may_free_itself(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, work_free_main, NULL);
}

/* --- Memory ----------------------------------------------------------------------- */

static void leak_main(void *arg)
{
	fsc_free(fsc_zalloc(10));
	*(void **)arg = fsc_zalloc(77);
	assert_int_equal(sim_live_allocs(), 1);
	assert_int_equal(sim_live_bytes(), 77);
}

static void leak_is_found(void **state)
{
	void *ptr;

	(void)state;
	assert_int_equal(try_quiet(1, leak_main, &ptr), SIM_LEAK);
	assert_string_equal(sim_end_text(), "1 allocations of 77 bytes are left");
}

static void free_twice(void *arg)
{
	void *ptr = fsc_zalloc(10);

	(void)arg;
	fsc_free(ptr);
	fsc_free(ptr);
}

static void free_wrong_size(void *arg)
{
	(void)arg;
	fsc_io_free(fsc_io_alloc(4096), 8192);
}

static void free_of_what_is_not_there_is_found(void **state)
{
	(void)state;
	assert_int_equal(try_quiet(1, free_twice, NULL), SIM_BUG);
	assert_int_equal(try_quiet(1, free_wrong_size, NULL), SIM_BUG);
}

static void alloc_main(void *arg)
{
	unsigned int *failed = arg;

	for (unsigned int i = 0; i < 8; i++) {
		void *ptr = i % 2 ? fsc_zalloc(8) : fsc_zalloc_nowait(8);

		*failed |= (unsigned int)!ptr << i;
		fsc_free(ptr);
	}
}

static unsigned int allocs_failed(uint64_t nth, bool after)
{
	struct sim_opts opts = { .fail_alloc = nth, .fail_after = after };
	unsigned int failed = 0;

	assert_int_equal(sim_try(1, &opts, alloc_main, &failed), SIM_OK);
	return failed;
}

static void nth_allocation_fails_alone_or_with_all_after(void **state)
{
	(void)state;
	assert_int_equal(allocs_failed(0, false), 0);
	assert_int_equal(sim_allocs(), 8);
	assert_int_equal(allocs_failed(1, false), 0x01);
	assert_int_equal(allocs_failed(4, false), 0x08);
	assert_int_equal(allocs_failed(4, true), 0xf8);
	assert_int_equal(allocs_failed(9, true), 0);
}

/* --- Contexts --------------------------------------------------------------------- */

static struct fsc_mutex one;

static void sleeps_by_mutex(void *arg)
{
	(void)arg;
	fsc_mutex_lock(&one);
}

static void sleeps_by_alloc(void *arg)
{
	(void)arg;
	fsc_zalloc(1);
}

static void sleeps_by_io_alloc(void *arg)
{
	(void)arg;
	fsc_io_alloc(4096);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void sleeps_by_wait(void *arg)
{
	struct gate g;

	(void)arg;
	gate_init(&g);
	fsc_waitq_wait(&g.q, always, NULL); /* it would not have to, this time */
}

static void in_irq_main(void *arg)
{
	fsc_mutex_init(&one, "one");
	sim_irq(*(sim_fn *)arg, NULL, 10);
}

static void in_irq_here_main(void *arg)
{
	fsc_mutex_init(&one, "one");
	sim_in_irq(*(sim_fn *)arg, NULL);
}

static void under_spin_main(void *arg)
{
	struct fsc_spin s;

	fsc_mutex_init(&one, "one");
	fsc_spin_init(&s, "s");
	fsc_spin_lock(&s);
	(*(sim_fn *)arg)(NULL);
}

static void nothing_sleeps_in_interrupts_or_under_spinlocks(void **state)
{
	sim_fn sleepers[] = { sleeps_by_mutex, sleeps_by_alloc, sleeps_by_io_alloc,
			      sleeps_by_wait };
	sim_fn mains[] = { in_irq_main, in_irq_here_main, under_spin_main };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t m = 0; m < 3; m++)
			assert_int_equal(try_quiet(i, mains[m], &sleepers[i]), SIM_CONTEXT);
}

static void allowed_in_irq(void *arg)
{
	struct job *j = arg;
	struct gate g;

	fsc_free(fsc_zalloc_nowait(10));
	gate_init(&g);
	gate_open(&g);
	fsc_work_queue(j->q, &j->work, 0);
	assert_true(sim_is_irq());
}

static void allowed_main(void *arg)
{
	struct fsc_workq *q = fsc_workq_create("test");
	struct job j;

	(void)arg;
	job_init(&j, q);
	sim_in_irq(allowed_in_irq, &j);
	assert_false(sim_is_irq());
	sim_irq(allowed_in_irq, &j, 100);
	sim_sleep_ms(10);
	assert_in_range(j.ran, 1, 2);
	fsc_workq_destroy(q);
}

static void interrupts_may_do_what_never_sleeps(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, allowed_main, NULL);
}

static void assert_main(void *arg)
{
	FSC_ASSERT(arg != NULL);
}

static void failed_assertion_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(try_quiet(1, assert_main, NULL), SIM_BUG);
	assert_string_equal(sim_end_text(), "FSC_ASSERT(arg != NULL) in assert_main");
	assert_int_equal(try_quiet(1, assert_main, state), SIM_OK);
}

static void crc_is_castagnoli(void **state)
{
	uint32_t part = fsc_crc32c(0, "1234", 4);

	(void)state;
	assert_int_equal(fsc_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(fsc_crc32c(part, "56789", 5), 0xe3069283);
	assert_int_equal(fsc_crc32c(0, "", 0), 0);
}

static void buffers_are_windows(void **state)
{
	char bytes[] = "abcdefgh";
	struct fsc_buf buf = { .mem = bytes, .off = 2, .len = 3, .kind = FSC_BUF_MEM };
	char out[4] = "";

	(void)state;
	fsc_buf_read(&buf, out);
	assert_string_equal(out, "cde");
	fsc_buf_write(&buf, "XYZ");
	assert_string_equal(bytes, "abXYZfgh");
	fsc_buf_zero(&buf);
	assert_memory_equal(bytes, "ab\0\0\0fgh", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wake_is_lost),
		cmocka_unit_test(wait_ends_at_its_limit_or_when_woken),
		cmocka_unit_test(wait_for_ever_is_a_deadlock),
		cmocka_unit_test(work_runs_after_its_delay_once),
		cmocka_unit_test(running_work_queued_again_runs_after),
		cmocka_unit_test(work_runs_several_at_once),
		cmocka_unit_test(cancelled_work_neither_waits_nor_runs),
		cmocka_unit_test(work_may_free_itself),
		cmocka_unit_test(leak_is_found),
		cmocka_unit_test(free_of_what_is_not_there_is_found),
		cmocka_unit_test(nth_allocation_fails_alone_or_with_all_after),
		cmocka_unit_test(nothing_sleeps_in_interrupts_or_under_spinlocks),
		cmocka_unit_test(interrupts_may_do_what_never_sleeps),
		cmocka_unit_test(failed_assertion_ends_the_run),
		cmocka_unit_test(crc_is_castagnoli),
		cmocka_unit_test(buffers_are_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
