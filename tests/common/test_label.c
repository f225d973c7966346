// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_label.c - what cookies are named and labelled with. A cache that is there by now is found again
 * only if these bytes never change: they are written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "cached.h"

static const struct program program = { .digest_magic = 0x3170396373660001 };
static struct options options = { .clock_slack_s = 10 };
static const struct session session = { .program = &program, .opt = &options };

static struct netfs_attr an_attr(void)
{
	return (struct netfs_attr){
		.st = {
			.st_size = 4097,
			.st_mtim = { 1700000000, 123456789 },
			.st_ctim = { 1700000001, 987654321 },
		},
		.vouched = true,
		.versions = { 7, 9 },
		.key_len = 8,
		.key = { 1, 2, 3, 4, 5, 6, 7, 8 },
		.arrived_ms = 5000,
	};
}

static void assert_coherency(const struct netfs_attr *attr, const char *hex)
{
	struct cached_label label;
	char got[2 * CACHED_DIGEST_SIZE + 1];

	assert_true(cached_label(&session, attr, &label));
	assert_int_equal(label.params.coherency.len, CACHED_DIGEST_SIZE);
	for (size_t i = 0; i < CACHED_DIGEST_SIZE; i++)
		sprintf(&got[2 * i], "%02x", ((const uint8_t *)label.params.coherency.data)[i]);
	assert_string_equal(got, hex);
}

static void digests_are_what_they_always_were(void **state)
{
	struct netfs_attr a = an_attr(), old = { .vouched = true, .key_len = 1 };

	(void)state;
	/* SHA-256, cut to 16 bytes, of eight little-endian words: magic, mtime, its nanoseconds,
	 * ctime, its nanoseconds, size, and the versions. */
	assert_coherency(&a, "b2f1947d75947eebcb1b893fe6195b00");
	old.st.st_mtim = (struct timespec){ -5, 1 };
	assert_coherency(&old, "3db264ae864d4828bddb58ceb966d1f1");
	/* Of three: magic, counter, size. */
	a.has_change = true;
	a.change = 42;
	assert_coherency(&a, "3fc3057e7df8db28c0c0aeab01688aec");
}

static void the_rest_of_a_label(void **state)
{
	struct netfs_attr a = an_attr();
	struct cached_label label;

	(void)state;
	assert_true(cached_label(&session, &a, &label));
	assert_int_equal(label.params.key.len, 8);
	assert_memory_equal(label.params.key.data, a.key, 8);
	assert_int_equal(label.params.size, 4097);
	assert_int_equal(label.params.keep_after_ms, 0);
}

static void what_is_not_vouched_for_has_no_label(void **state)
{
	struct netfs_attr a[4] = { an_attr(), an_attr(), an_attr(), an_attr() };
	struct cached_label label;

	(void)state;
	a[0].vouched = false;
	a[1].key_len = 0;
	a[2].key_len = NETFS_KEY_MAX + 1;
	a[3].st.st_size = -1;
	for (int i = 0; i < 4; i++)
		assert_false(cached_label(&session, &a[i], &label));
}

static void every_difference_counts(void **state)
{
	struct netfs_attr a = an_attr(), b[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		b[i] = a;
	b[0].st.st_mtim.tv_sec++;
	b[1].st.st_mtim.tv_nsec++;
	b[2].st.st_ctim.tv_sec++;
	b[3].st.st_ctim.tv_nsec++;
	b[4].st.st_size++;
	b[5].versions[0]++;
	b[6].versions[1]++;
	b[7].key[7]++;
	b[8].key_len--;
	b[9].has_change = true;
	for (int i = 0; i < 10; i++)
		assert_false(cached_same(&a, &b[i]));
	b[0] = a;
	b[0].st.st_atim.tv_sec++;
	b[0].st.st_mode = 0600;
	b[0].arrived_ms++;
	assert_true(cached_same(&a, &b[0]));
}

static void of_a_change_counter_nothing_else_counts(void **state)
{
	struct netfs_attr a = an_attr(), b;

	(void)state;
	a.has_change = true;
	a.change = 1;
	b = a;
	b.st.st_mtim.tv_sec++;
	assert_true(cached_same(&a, &b));
	b.change++;
	assert_false(cached_same(&a, &b));
}

/* Seconds that the last change is ago, by our clock; nanoseconds of both times. */
static uint64_t keep_after(int64_t ago_s, long ctime_ns, long mtime_ns, bool has_change)
{
	struct netfs_attr a = an_attr();

	a.st.st_ctim = (struct timespec){ time(NULL) - ago_s, ctime_ns };
	a.st.st_mtim.tv_nsec = mtime_ns;
	a.has_change = has_change;
	return cached_keep_after(&session, &a);
}

static void a_counter_that_is_a_time_counts_no_more_than_one(void **state)
{
	struct netfs_attr a = an_attr();
	uint64_t now = (uint64_t)time(NULL);

	(void)state;
	a.has_change = true;
	a.st.st_ctim = (struct timespec){ (time_t)now, 7 };
	a.change = now * 1000000000 + 7;
	assert_int_equal(cached_keep_after(&session, &a), 5020);
	a.change = (now << 32) + 7;
	assert_int_equal(cached_keep_after(&session, &a), 5020);
	a.change++;
	assert_int_equal(cached_keep_after(&session, &a), 0);
}

static void what_changed_a_moment_ago_is_kept_a_tick_later(void **state)
{
	(void)state;
	assert_int_equal(keep_after(12, 0, 0, false), 0);
	assert_int_equal(keep_after(5, 1, 0, false), 5020);
	assert_int_equal(keep_after(5, 0, 1, false), 5020);
	assert_int_equal(keep_after(5, 0, 0, false), 7000); /* a server without nanoseconds */
	assert_int_equal(keep_after(-3600, 1, 1, false), 5020); /* its clock is ahead */
	assert_int_equal(keep_after(5, 0, 0, true), 0);
}

/* Taken as it is, whatever else the server says; and maybe of whole seconds. */
static void somebody_elses_label(void **state)
{
	struct netfs_attr a = an_attr(), b;
	struct cached_label label;

	(void)state;
	a.label_len = 4;
	memcpy(a.label, "\1\2\3\4", 4);
	assert_true(cached_label(&session, &a, &label));
	assert_int_equal(label.params.coherency.len, 4);
	assert_memory_equal(label.params.coherency.data, "\1\2\3\4", 4);
	assert_int_equal(label.params.keep_after_ms, 0);
	b = a;
	b.st.st_ctim.tv_nsec++; /* in one process more can be told apart */
	assert_false(cached_same(&a, &b));
	a.st.st_ctim = (struct timespec){ time(NULL) - 5, 1 };
	assert_int_equal(cached_keep_after(&session, &a), 7000);
	a.has_change = true;
	assert_int_equal(cached_keep_after(&session, &a), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_what_they_always_were),
		cmocka_unit_test(the_rest_of_a_label),
		cmocka_unit_test(what_is_not_vouched_for_has_no_label),
		cmocka_unit_test(every_difference_counts),
		cmocka_unit_test(of_a_change_counter_nothing_else_counts),
		cmocka_unit_test(a_counter_that_is_a_time_counts_no_more_than_one),
		cmocka_unit_test(what_changed_a_moment_ago_is_kept_a_tick_later),
		cmocka_unit_test(somebody_elses_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
