// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * suites.c - the core's unit tests (tests/unit) as KUnit suites, one a file.
 *
 * CMocka's list of tests is inside each file's main(), so KUnit doesn't see them when it is
 * compiled. A suite asks for the list when it begins, and runs one case, whose parameters are the
 * tests: each of them has a line of the result to itself.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include <cmocka.h>

/* Of the suite that runs now: KUnit runs one at a time. */
static struct {
	struct CMUnitTest *tests;
	size_t nr;
} now;

int fsc_kunit_tests_are(const struct CMUnitTest *tests, size_t nr)
{
	now.tests = kmemdup(tests, nr * sizeof(*tests), GFP_KERNEL);
	if (!now.tests)
		return -ENOMEM;
	now.nr = nr;
	return 0;
}

static void forget(struct kunit_suite *suite)
{
	kfree(now.tests);
	now.tests = NULL;
	now.nr = 0;
}

static const void *next_test(const void *prev, char *desc)
{
	const struct CMUnitTest *t = prev ? (const struct CMUnitTest *)prev + 1 : now.tests;

	if (!now.nr || t == now.tests + now.nr)
		return NULL;
	strscpy(desc, t->name, KUNIT_PARAM_DESC_SIZE);
	return t;
}

/* One test, with what it works on. */
struct run {
	const struct CMUnitTest *test;
	void *state;
};

static int set_up(struct kunit *test)
{
	const struct CMUnitTest *t = test->param_value;
	struct run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);

	test->priv = NULL;
	if (!run || (t->setup_func && t->setup_func(&run->state)))
		return -ENOMEM;
	run->test = t;
	test->priv = run;
	return 0;
}

static void tests(struct kunit *test)
{
	struct run *run = test->priv;

	run->test->test_func(&run->state);
}

/* After a failure too; but not after one of set_up(). */
static void tear_down(struct kunit *test)
{
	struct run *run = test->priv;

	if (run && run->test->teardown_func)
		run->test->teardown_func(&run->state);
}

#define SUITE(room)                                             \
	int fsc_test_##room(void);                              \
	static int room##_begin(struct kunit_suite *suite)      \
	{                                                       \
		return fsc_test_##room();                       \
	}                                                       \
	static struct kunit_case room##_cases[] = {             \
		KUNIT_CASE_PARAM(tests, next_test), {}          \
	};                                                      \
	static struct kunit_suite room##_suite = {              \
		.name = "libfscache_" #room,                    \
		.suite_init = room##_begin,                     \
		.suite_exit = forget,                           \
		.init = set_up,                                 \
		.exit = tear_down,                              \
		.test_cases = room##_cases,                     \
	}

SUITE(env);
SUITE(format);
SUITE(fskind);
SUITE(hash);
SUITE(key);
SUITE(map);
SUITE(map_model);
SUITE(mapcode);
SUITE(record);
SUITE(space);
SUITE(work);

kunit_test_suites(&env_suite, &format_suite, &fskind_suite, &hash_suite, &key_suite,
		  &map_suite, &map_model_suite, &mapcode_suite, &record_suite, &space_suite,
		  &work_suite);
