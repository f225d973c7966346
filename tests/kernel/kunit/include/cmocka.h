/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cmocka.h - as much of CMocka as tests/unit uses, on KUnit: so the same files are the kernel's
 * tests. suites.c runs them. A failed assertion ends its test, as CMocka's do.
 *
 * Each program's main() has a name of its own there (Kbuild's -Dmain=...), and only tells what its
 * tests are.
 */
#ifndef FSC_KUNIT_CMOCKA_H
#define FSC_KUNIT_CMOCKA_H

#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/types.h>

struct CMUnitTest {
	const char *name;
	void (*test_func)(void **state);
	int (*setup_func)(void **state);
	int (*teardown_func)(void **state);
};

#define cmocka_unit_test(f) { .name = #f, .test_func = f }
#define cmocka_unit_test_setup(f, setup) { .name = #f, .test_func = f, .setup_func = setup }
#define cmocka_unit_test_setup_teardown(f, setup, teardown) \
	{ .name = #f, .test_func = f, .setup_func = setup, .teardown_func = teardown }

int main(void);
int fsc_kunit_tests_are(const struct CMUnitTest *tests, size_t nr);

#define cmocka_run_group_tests(tests, setup, teardown) \
	fsc_kunit_tests_are(tests, ARRAY_SIZE(tests))
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
	fsc_kunit_tests_are(tests, ARRAY_SIZE(tests))

/* Long loops hold up nobody. */
static inline struct kunit *fsc_kunit_now(void)
{
	cond_resched();
	return current->kunit_test;
}

#define assert_true(c) KUNIT_ASSERT_TRUE(fsc_kunit_now(), !!(c))
#define assert_false(c) KUNIT_ASSERT_FALSE(fsc_kunit_now(), !!(c))
#define assert_int_equal(a, b) KUNIT_ASSERT_EQ(fsc_kunit_now(), (u64)(a), (u64)(b))
#define assert_int_not_equal(a, b) KUNIT_ASSERT_NE(fsc_kunit_now(), (u64)(a), (u64)(b))
#define assert_ptr_equal(a, b) \
	KUNIT_ASSERT_PTR_EQ(fsc_kunit_now(), (const void *)(a), (const void *)(b))
#define assert_null(p) assert_ptr_equal(p, NULL)
#define assert_non_null(p) \
	KUNIT_ASSERT_PTR_NE(fsc_kunit_now(), (const void *)(p), (const void *)NULL)
#define assert_string_equal(a, b) KUNIT_ASSERT_STREQ(fsc_kunit_now(), a, b)
#define assert_string_not_equal(a, b) KUNIT_ASSERT_STRNEQ(fsc_kunit_now(), a, b)
/* (KUNIT_ASSERT_MEMEQ takes no NULL, not even of length 0) */
#define assert_memory_equal(a, b, n) KUNIT_ASSERT_EQ(fsc_kunit_now(), memcmp(a, b, n), 0)
#ifdef KUNIT_FAIL_AND_ABORT
#define fail_msg(...) KUNIT_FAIL_AND_ABORT(fsc_kunit_now(), __VA_ARGS__)
#else
#define fail_msg(...) KUNIT_ASSERT_FAILURE(fsc_kunit_now(), __VA_ARGS__)
#endif
#define skip() kunit_skip(fsc_kunit_now(), "not here")

#endif
