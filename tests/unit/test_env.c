/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * test_env.c - what env.h promises of a platform: checksums, memory, references, locks, waiting.
 * With threads. (In the kernel too: what is userspace's alone is in test_uring_env.c.)
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fscache/env.h>

#define THREADS 4

static void run_threads(void *(*fn)(void *arg), void *arg)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, arg), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* --- Checksums ------------------------------------------------------------------------------- */

static void test_crc32c_gives_the_published_values(void **state)
{
	uint8_t zeroes[32] = { 0 };
	uint8_t rising[32];
	int i;

	(void)state;
	for (i = 0; i < 32; i++)
		rising[i] = (uint8_t)i;
	assert_int_equal(fsc_crc32c(0, "", 0), 0);
	assert_int_equal(fsc_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(fsc_crc32c(0, zeroes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
	assert_int_equal(fsc_crc32c(0, rising, 32), 0x46dd794e);
}

static void test_crc32c_is_the_same_in_pieces(void **state)
{
	static const char text[] = "the quick brown fox jumps over the lazy dog";
	uint32_t whole = fsc_crc32c(0, text, sizeof(text));
	size_t cut;

	(void)state;
	for (cut = 0; cut <= sizeof(text); cut++)
		assert_int_equal(fsc_crc32c(fsc_crc32c(0, text, cut), text + cut,
					    sizeof(text) - cut),
				 whole);
}

/* --- Memory ---------------------------------------------------------------------------------- */

static void test_io_memory_is_aligned_to_granules(void **state)
{
	static const size_t sizes[] = { 1, 512, 4096, 4097, 1 << 20 };
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		void *p = fsc_io_alloc(sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % FSC_GRANULE_SIZE, 0);
		memset(p, 0xff, sizes[i]);
		fsc_io_free(p, sizes[i]);
	}
	fsc_io_free(NULL, 4096);
	fsc_free(NULL);
}

/* Those of this size share pages: no two are to overlap, in whatever order they come and go. */
static void test_long_transfer_memory_is_nobody_elses(void **state)
{
	enum { NR = 9, ROUNDS = 200, LONG = 1 << 20 };
	uint8_t *mem[NR] = { NULL };

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		int at = (i * i + (i >> 3)) % NR;

		if (mem[at]) {
			assert_int_equal(mem[at][0], at);
			assert_int_equal(mem[at][LONG - 1], at);
			fsc_io_free(mem[at], LONG);
			mem[at] = NULL;
			continue;
		}
		mem[at] = fsc_io_alloc(LONG);
		assert_non_null(mem[at]);
		memset(mem[at], at, LONG);
	}
	for (int at = 0; at < NR; at++) {
		assert_true(!mem[at] || (mem[at][0] == at && mem[at][LONG - 1] == at));
		if (mem[at])
			fsc_io_free(mem[at], LONG);
	}
}

static void test_buffer_windows_touch_only_themselves(void **state)
{
	char mem[] = "abcdefgh";
	struct fsc_buf buf = { .mem = mem, .off = 2, .len = 3, .kind = FSC_BUF_MEM };
	char out[4] = "";

	(void)state;
	fsc_buf_read(&buf, out);
	assert_string_equal(out, "cde");
	fsc_buf_write(&buf, "XYZ");
	assert_string_equal(mem, "abXYZfgh");
	fsc_buf_zero(&buf);
	assert_memory_equal(mem, "ab\0\0\0fgh", 8);
}

/* --- References and counts ------------------------------------------------------------------- */

struct shared {
	struct fsc_ref ref;
	struct fsc_count puts_that_were_last, sum;
	struct fsc_mutex mutex;
	struct fsc_spin spin;
	uint64_t under_mutex, under_spin;
};

static void *get_and_put(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < 20000; i++) {
		if (i % 2)
			fsc_ref_get(&s->ref);
		else if (!fsc_ref_get_unless_zero(&s->ref))
			abort();
		fsc_count_add(&s->sum, i % 2 ? 3 : -1);
		if (fsc_ref_put(&s->ref))
			fsc_count_add(&s->puts_that_were_last, 1);
	}
	return NULL;
}

static void test_a_reference_is_last_once(void **state)
{
	struct shared s = { 0 };

	(void)state;
	fsc_ref_init(&s.ref);
	run_threads(get_and_put, &s);
	assert_int_equal(fsc_count_read(&s.puts_that_were_last), 0);
	assert_int_equal(fsc_count_read(&s.sum), THREADS * 20000);
	assert_true(fsc_ref_put(&s.ref));
	assert_false(fsc_ref_get_unless_zero(&s.ref));
	fsc_count_set(&s.sum, -5);
	assert_int_equal(fsc_count_read(&s.sum), -5);
}

/* --- Locks ----------------------------------------------------------------------------------- */

static void *count_under_locks(void *arg)
{
	struct shared *s = arg;
	unsigned long irq;
	int i;

	for (i = 0; i < 20000; i++) {
		fsc_mutex_lock(&s->mutex);
		fsc_mutex_assert_held(&s->mutex);
		s->under_mutex++;
		irq = fsc_spin_lock(&s->spin);
		fsc_spin_assert_held(&s->spin);
		s->under_spin++;
		fsc_spin_unlock(&s->spin, irq);
		fsc_mutex_unlock(&s->mutex);
		irq = fsc_spin_lock(&s->spin);
		s->under_spin++;
		fsc_spin_unlock(&s->spin, irq);
	}
	return NULL;
}

static void test_locks_exclude(void **state)
{
	struct shared s = { 0 };

	(void)state;
	fsc_mutex_init(&s.mutex, "mutex");
	fsc_spin_init(&s.spin, "spin");
	run_threads(count_under_locks, &s);
	assert_int_equal(s.under_mutex, THREADS * 20000);
	assert_int_equal(s.under_spin, THREADS * 40000);
	fsc_spin_destroy(&s.spin);
	fsc_mutex_destroy(&s.mutex);
}

/* --- Waiting --------------------------------------------------------------------------------- */

/* A ball that goes to and fro: a wake that gets lost is a test that never ends. */
struct table {
	struct fsc_waitq q;
	uint32_t ball; /* atomic; even: ours */
};

static bool ball_is_odd(void *arg)
{
	return fsc_load_acquire(&((struct table *)arg)->ball) % 2;
}

static bool ball_is_even(void *arg)
{
	return !ball_is_odd(arg);
}

static void *return_the_ball(void *arg)
{
	struct table *t = arg;
	int i;

	for (i = 0; i < 10000; i++) {
		fsc_waitq_wait(&t->q, ball_is_odd, t);
		fsc_store_release(&t->ball, t->ball + 1);
		fsc_waitq_wake_all(&t->q);
	}
	return NULL;
}

static void test_no_wake_is_lost(void **state)
{
	struct table t = { .ball = 0 };
	pthread_t other;
	int i;

	(void)state;
	fsc_waitq_init(&t.q);
	assert_int_equal(pthread_create(&other, NULL, return_the_ball, &t), 0);
	for (i = 0; i < 10000; i++) {
		fsc_store_release(&t.ball, t.ball + 1);
		fsc_waitq_wake_all(&t.q);
		if (i % 2)
			fsc_waitq_wait(&t.q, ball_is_even, &t);
		else
			assert_true(fsc_waitq_wait_ms(&t.q, ball_is_even, &t, 3600000));
	}
	pthread_join(other, NULL);
	assert_int_equal(t.ball, 20000);
	fsc_waitq_destroy(&t.q);
}

static void test_waiting_ends_after_its_time(void **state)
{
	struct table t = { .ball = 0 };
	uint64_t start = fsc_now_ms();

	(void)state;
	fsc_waitq_init(&t.q);
	fsc_waitq_wake_all(&t.q); /* with nobody there; a later wait doesn't remember it */
	assert_false(fsc_waitq_wait_ms(&t.q, ball_is_odd, &t, 30));
	assert_true(fsc_now_ms() - start >= 29);
	assert_true(fsc_waitq_wait_ms(&t.q, ball_is_even, &t, 0));
	assert_false(fsc_waitq_wait_ms(&t.q, ball_is_odd, &t, 0));
	fsc_waitq_destroy(&t.q);
}

static void test_random_numbers_differ(void **state)
{
	(void)state;
	assert_true(fsc_random64() != fsc_random64());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c_gives_the_published_values),
		cmocka_unit_test(test_crc32c_is_the_same_in_pieces),
		cmocka_unit_test(test_io_memory_is_aligned_to_granules),
		cmocka_unit_test(test_long_transfer_memory_is_nobody_elses),
		cmocka_unit_test(test_buffer_windows_touch_only_themselves),
		cmocka_unit_test(test_a_reference_is_last_once),
		cmocka_unit_test(test_locks_exclude),
		cmocka_unit_test(test_no_wake_is_lost),
		cmocka_unit_test(test_waiting_ends_after_its_time),
		cmocka_unit_test(test_random_numbers_differ),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
