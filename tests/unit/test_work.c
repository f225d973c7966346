/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* test_work.c - what env.h promises of work queues. With threads; in the kernel too, whose stacks
 * are small. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "work.h"

/* Long enough never to pass in a test. */
#define HOUR_MS 3600000u

/* An item that counts its runs, and says when it is on two threads at once. */
struct job {
	struct fsc_work work;
	struct fsc_workq *q;
	struct fsc_waitq event;
	uint32_t runs;    /* atomic, all of these */
	uint32_t inside;
	uint32_t overlaps;
	uint32_t go_on;   /* it stays in its run until this is set, if @holds */
	bool holds;
};

static uint32_t add(uint32_t *p, int n)
{
	return __atomic_add_fetch(p, (uint32_t)n, __ATOMIC_ACQ_REL);
}

static bool may_go_on(void *arg)
{
	return fsc_load_acquire(&((struct job *)arg)->go_on);
}

static bool has_run(void *arg)
{
	return fsc_load_acquire(&((struct job *)arg)->runs);
}

static bool has_run_twice(void *arg)
{
	return fsc_load_acquire(&((struct job *)arg)->runs) >= 2;
}

static bool is_inside(void *arg)
{
	return fsc_load_acquire(&((struct job *)arg)->inside);
}

static void job_fn(struct fsc_work *w)
{
	struct job *j = (struct job *)((char *)w - offsetof(struct job, work));

	if (add(&j->inside, 1) != 1)
		add(&j->overlaps, 1);
	fsc_waitq_wake_all(&j->event);
	if (j->holds)
		fsc_waitq_wait(&j->event, may_go_on, j);
	add(&j->inside, -1);
	add(&j->runs, 1);
	fsc_waitq_wake_all(&j->event);
}

static void job_init(struct job *j, struct fsc_workq *q, bool holds)
{
	memset(j, 0, sizeof(*j));
	fsc_work_init(&j->work, job_fn);
	fsc_waitq_init(&j->event);
	j->q = q;
	j->holds = holds;
}

static void job_let_go(struct job *j)
{
	fsc_store_release(&j->go_on, 1);
	fsc_waitq_wake_all(&j->event);
}

static int setup(void **state)
{
	*state = fsc_workq_create("test");
	return *state ? 0 : -1;
}

/* Before a job's memory goes: it may still be in its last wake. */
static void job_end(struct job *j)
{
	fsc_work_cancel_sync(j->q, &j->work);
	fsc_waitq_destroy(&j->event);
}

static void test_an_item_runs_once_per_queueing(void **state)
{
	struct fsc_workq *q = *state;
	struct job j;

	job_init(&j, q, false);
	assert_true(fsc_work_queue(q, &j.work, 0));
	fsc_waitq_wait(&j.event, has_run, &j);
	assert_false(fsc_work_cancel_sync(q, &j.work));
	assert_int_equal(j.runs, 1);
	assert_true(fsc_work_queue(q, &j.work, 0));
	fsc_workq_destroy(q);
	assert_int_equal(j.runs, 2);
}

static void test_queueing_a_queued_item_does_nothing(void **state)
{
	struct fsc_workq *q = *state;
	struct job j;

	job_init(&j, q, false);
	assert_true(fsc_work_queue(q, &j.work, HOUR_MS));
	assert_false(fsc_work_queue(q, &j.work, HOUR_MS));
	assert_false(fsc_work_queue(q, &j.work, 2 * HOUR_MS));
	fsc_workq_destroy(q);
	assert_int_equal(j.runs, 1);
}

static void test_a_running_item_runs_again_and_never_twice_at_once(void **state)
{
	struct fsc_workq *q = *state;
	struct job j;

	job_init(&j, q, true);
	fsc_work_queue(q, &j.work, 0);
	fsc_waitq_wait(&j.event, is_inside, &j);
	assert_true(fsc_work_queue(q, &j.work, 0));
	assert_false(fsc_work_queue(q, &j.work, 0));
	job_let_go(&j);
	fsc_waitq_wait(&j.event, has_run_twice, &j);
	fsc_workq_destroy(q);
	assert_int_equal(j.runs, 2);
	assert_int_equal(j.overlaps, 0);
}

static void test_a_running_item_keeps_the_shorter_delay(void **state)
{
	struct fsc_workq *q = *state;
	struct job j;

	job_init(&j, q, true);
	fsc_work_queue(q, &j.work, 0);
	fsc_waitq_wait(&j.event, is_inside, &j);
	assert_true(fsc_work_queue(q, &j.work, HOUR_MS));
	assert_false(fsc_work_queue(q, &j.work, 1));
	job_let_go(&j);
	fsc_waitq_wait(&j.event, has_run_twice, &j);
	job_end(&j);
	fsc_workq_destroy(q);
}

static void test_a_shorter_delay_replaces_a_longer_one(void **state)
{
	struct fsc_workq *q = *state;
	struct job j, other;

	job_init(&j, q, false);
	job_init(&other, q, false);
	fsc_work_queue(q, &other.work, HOUR_MS);
	fsc_work_queue(q, &j.work, 2 * HOUR_MS);
	assert_false(fsc_work_queue(q, &j.work, 5));
	fsc_waitq_wait(&j.event, has_run, &j);
	assert_int_equal(other.runs, 0);
	assert_false(fsc_work_queue(q, &other.work, 0));
	fsc_waitq_wait(&other.event, has_run, &other);
	job_end(&j);
	job_end(&other);
	fsc_workq_destroy(q);
}

static void test_delays_end_in_their_order_and_not_early(void **state)
{
	struct fsc_workq *q = *state;
	uint64_t start = fsc_now_ms();
	struct job late, early;

	job_init(&late, q, false);
	job_init(&early, q, false);
	fsc_work_queue(q, &late.work, 60);
	fsc_work_queue(q, &early.work, 20);
	fsc_waitq_wait(&early.event, has_run, &early);
	assert_true(fsc_now_ms() - start >= 20);
	fsc_waitq_wait(&late.event, has_run, &late);
	assert_true(fsc_now_ms() - start >= 60);
	job_end(&late);
	job_end(&early);
	fsc_workq_destroy(q);
}

static void test_a_blocked_item_holds_up_no_other(void **state)
{
	struct fsc_workq *q = *state;
	struct job *blocked = calloc(FSC_WORKQ_THREADS - 1, sizeof(*blocked)), free_one, timed;
	int i;

	assert_non_null(blocked);
	for (i = 0; i < FSC_WORKQ_THREADS - 1; i++) {
		job_init(&blocked[i], q, true);
		fsc_work_queue(q, &blocked[i].work, 0);
	}
	job_init(&timed, q, false);
	fsc_work_queue(q, &timed.work, 5);
	job_init(&free_one, q, false);
	fsc_work_queue(q, &free_one.work, 0);
	fsc_waitq_wait(&free_one.event, has_run, &free_one);
	fsc_waitq_wait(&timed.event, has_run, &timed);
	for (i = 0; i < FSC_WORKQ_THREADS - 1; i++) {
		assert_int_equal(fsc_load_acquire(&blocked[i].runs), 0);
		job_let_go(&blocked[i]);
	}
	fsc_workq_destroy(q);
	for (i = 0; i < FSC_WORKQ_THREADS - 1; i++)
		assert_int_equal(blocked[i].runs, 1);
	free(blocked);
}

/* The one worker sleeps until the delay ends, and is then wanted for something else. */
static void test_a_delay_ends_though_its_watcher_is_busy(void **state)
{
	struct fsc_workq *q = *state;
	struct job first, timed, blocked;
	int i;

	job_init(&first, q, false);
	job_init(&timed, q, false);
	job_init(&blocked, q, true);
	fsc_work_queue(q, &first.work, 0);
	fsc_waitq_wait(&first.event, has_run, &first);
	for (i = 0; i < 100; i++) /* it may fall asleep now, but needn't */
		sched_yield();
	fsc_work_queue(q, &timed.work, 20);
	for (i = 0; i < 100; i++)
		sched_yield();
	fsc_work_queue(q, &blocked.work, 0);
	fsc_waitq_wait(&timed.event, has_run, &timed);
	job_let_go(&blocked);
	job_end(&first);
	fsc_workq_destroy(q);
	assert_int_equal(blocked.runs, 1);
}

static void test_more_than_all_threads_blocked_run_later(void **state)
{
	struct fsc_workq *q = *state;
	struct job *blocked = calloc(FSC_WORKQ_THREADS, sizeof(*blocked)), later, timed;
	int i;

	assert_non_null(blocked);
	for (i = 0; i < FSC_WORKQ_THREADS; i++) {
		job_init(&blocked[i], q, true);
		fsc_work_queue(q, &blocked[i].work, 0);
	}
	for (i = 0; i < FSC_WORKQ_THREADS; i++)
		fsc_waitq_wait(&blocked[i].event, is_inside, &blocked[i]);
	job_init(&later, q, false);
	job_init(&timed, q, false);
	fsc_work_queue(q, &timed.work, 1);
	fsc_work_queue(q, &later.work, 0);
#ifndef FSC_WORKQ_HAS_MORE_THREADS
	assert_int_equal(fsc_load_acquire(&later.runs), 0);
#endif
	for (i = 0; i < FSC_WORKQ_THREADS; i++)
		job_let_go(&blocked[i]);
	fsc_waitq_wait(&later.event, has_run, &later);
	fsc_waitq_wait(&timed.event, has_run, &timed);
	fsc_workq_destroy(q);
	free(blocked);
}

static void test_destroy_runs_what_is_queued_with_delays_cut(void **state)
{
	struct fsc_workq *q = *state;
	struct job *jobs = calloc(40, sizeof(*jobs));
	int i;

	assert_non_null(jobs);
	for (i = 0; i < 40; i++) {
		job_init(&jobs[i], q, false);
		fsc_work_queue(q, &jobs[i].work, i % 2 ? HOUR_MS : 0);
	}
	fsc_workq_destroy(q);
	for (i = 0; i < 40; i++)
		assert_int_equal(jobs[i].runs, 1);
	free(jobs);
}

/* --- Cancelling ------------------------------------------------------------------------------ */

static void test_cancelling_takes_back_what_is_queued(void **state)
{
	struct fsc_workq *q = *state;
	struct job j;

	job_init(&j, q, false);
	assert_false(fsc_work_cancel_sync(q, &j.work));
	fsc_work_queue(q, &j.work, HOUR_MS);
	assert_true(fsc_work_cancel_sync(q, &j.work));
	assert_true(fsc_work_queue(q, &j.work, HOUR_MS));
	assert_true(fsc_work_cancel_sync(q, &j.work));
	fsc_workq_destroy(q);
	assert_int_equal(j.runs, 0);
}

static void *cancel(void *arg)
{
	struct job *j = arg;

	return fsc_work_cancel_sync(j->q, &j->work) ? j : NULL;
}

static void test_cancelling_waits_for_the_run_and_stops_the_next(void **state)
{
	struct fsc_workq *q = *state;
	pthread_t thread;
	void *was_queued;
	uint32_t queued;
	struct job j;

	job_init(&j, q, true);
	queued = fsc_work_queue(q, &j.work, 0);
	fsc_waitq_wait(&j.event, is_inside, &j);
	queued += fsc_work_queue(q, &j.work, HOUR_MS);
	assert_int_equal(pthread_create(&thread, NULL, cancel, &j), 0);
	/* While the other thread waits it can't be queued: whoever drops what goes with queueing
	 * when it is cancelled drops it once. */
	for (int i = 0; i < 2000; i++) {
		queued += fsc_work_queue(q, &j.work, HOUR_MS);
		sched_yield();
	}
	job_let_go(&j);
	pthread_join(thread, &was_queued);
	assert_ptr_equal(was_queued, &j);
	assert_int_equal(j.inside, 0);
	assert_int_equal(j.runs, 1);
	assert_int_equal(queued, 2);
	fsc_workq_destroy(q);
	assert_int_equal(j.runs, 1);
}

/* --- Items that free themselves, and all together -------------------------------------------- */

struct mortal {
	struct fsc_work work;
	struct fsc_count *freed;
};

static void free_self(struct fsc_work *w)
{
	struct mortal *m = (struct mortal *)((char *)w - offsetof(struct mortal, work));

	fsc_count_add(m->freed, 1);
	free(m);
}

/* The next one is likely to get the memory of one whose fn hasn't returned yet. */
static void test_an_item_may_free_itself(void **state)
{
	struct fsc_workq *q = *state;
	struct fsc_count freed = { 0 };
	int i;

	for (i = 0; i < 5000; i++) {
		struct mortal *m = malloc(sizeof(*m));

		assert_non_null(m);
		m->freed = &freed;
		fsc_work_init(&m->work, free_self);
		assert_true(fsc_work_queue(q, &m->work, i % 3 == 0));
	}
	fsc_workq_destroy(q);
	assert_int_equal(fsc_count_read(&freed), 5000);
}

struct storm {
	struct fsc_workq *q;
	struct job jobs[8];
	uint32_t nr_threads; /* atomic */
	bool cancels;        /* each thread has two items to itself, and cancels them too */
	struct fsc_count queued, cancelled;
};

static void *queue_and_cancel(void *arg)
{
	struct storm *s = arg;
	uint32_t me = add(&s->nr_threads, 1) - 1;
	uint32_t n = me * 77777;
	int i;

	for (i = 0; i < 3000; i++) {
		struct job *j = &s->jobs[s->cancels ? me * 2 + (n >> 16) % 2 : (n >> 16) % 8];

		n = n * 1664525 + 1013904223;
		if (s->cancels && (n >> 24) % 5 == 0)
			fsc_count_add(&s->cancelled, fsc_work_cancel_sync(s->q, &j->work));
		else
			fsc_count_add(&s->queued, fsc_work_queue(s->q, &j->work, (n >> 20) % 4));
	}
	return NULL;
}

static void run_storm(struct fsc_workq *q, bool cancels)
{
	struct storm *s = calloc(1, sizeof(*s));
	pthread_t threads[4];
	uint64_t runs = 0;
	int i;

	assert_non_null(s);
	s->q = q;
	s->cancels = cancels;
	for (i = 0; i < 8; i++)
		job_init(&s->jobs[i], s->q, false);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, queue_and_cancel, s), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	fsc_workq_destroy(s->q);
	for (i = 0; i < 8; i++) {
		runs += s->jobs[i].runs;
		assert_int_equal(s->jobs[i].overlaps, 0);
	}
	assert_true(runs > 0);
	assert_int_equal(runs + (uint64_t)fsc_count_read(&s->cancelled), fsc_count_read(&s->queued));
	free(s);
}

static void test_each_queueing_ends_in_a_run(void **state)
{
	run_storm(*state, false);
}

static void test_each_queueing_ends_in_a_run_or_a_cancel(void **state)
{
	run_storm(*state, true);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_item_runs_once_per_queueing, setup),
		cmocka_unit_test_setup(test_queueing_a_queued_item_does_nothing, setup),
		cmocka_unit_test_setup(test_a_running_item_runs_again_and_never_twice_at_once,
				       setup),
		cmocka_unit_test_setup(test_a_running_item_keeps_the_shorter_delay, setup),
		cmocka_unit_test_setup(test_a_shorter_delay_replaces_a_longer_one, setup),
		cmocka_unit_test_setup(test_delays_end_in_their_order_and_not_early, setup),
		cmocka_unit_test_setup(test_a_blocked_item_holds_up_no_other, setup),
		cmocka_unit_test_setup(test_a_delay_ends_though_its_watcher_is_busy, setup),
		cmocka_unit_test_setup(test_more_than_all_threads_blocked_run_later, setup),
		cmocka_unit_test_setup(test_destroy_runs_what_is_queued_with_delays_cut, setup),
		cmocka_unit_test_setup(test_cancelling_takes_back_what_is_queued, setup),
		cmocka_unit_test_setup(test_cancelling_waits_for_the_run_and_stops_the_next,
				       setup),
		cmocka_unit_test_setup(test_an_item_may_free_itself, setup),
		cmocka_unit_test_setup(test_each_queueing_ends_in_a_run, setup),
		cmocka_unit_test_setup(test_each_queueing_ends_in_a_run_or_a_cancel, setup),
	};

	return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
