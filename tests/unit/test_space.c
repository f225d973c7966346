// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_space.c - the six limits and the budget, at their borders and at the ends of the numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "space.h"

static const struct fsc_space_limits plain = { 7, 5, 1, 7, 5, 1, 0 };

static enum fsc_space_verdict blocks(uint64_t total, uint64_t free)
{
	struct fsc_space space = { .blocks = total, .blocks_free = free, .block_size = 4096 };

	return fsc_space_check(&plain, &space, 0, 0);
}

static enum fsc_space_verdict files(uint64_t total, uint64_t free)
{
	struct fsc_space space = { .blocks = 100, .blocks_free = 100, .files = total,
				   .files_free = free, .block_size = 4096 };

	return fsc_space_check(&plain, &space, 0, 0);
}

static enum fsc_space_verdict budget(uint64_t max, uint64_t used, uint64_t more)
{
	struct fsc_space_limits limits = plain;
	struct fsc_space space = { .blocks = 100, .blocks_free = 100, .block_size = 4096 };

	limits.max_bytes = max;
	return fsc_space_check(&limits, &space, used, more);
}

static void defaults_are_filled_in(void **state)
{
	struct fsc_cache_params params = { .max_bytes = 12345 };
	struct fsc_space_limits limits;

	(void)state;
	assert_int_equal(fsc_space_limits_init(&limits, &params), 0);
	assert_int_equal(limits.brun, 7);
	assert_int_equal(limits.bcull, 5);
	assert_int_equal(limits.bstop, 1);
	assert_int_equal(limits.frun, 7);
	assert_int_equal(limits.fcull, 5);
	assert_int_equal(limits.fstop, 1);
	assert_int_equal(limits.max_bytes, 12345);
}

static int init_with(uint8_t run, uint8_t cull, uint8_t stop, bool of_files)
{
	struct fsc_cache_params params = { 0 };
	struct fsc_space_limits limits;

	if (of_files) {
		params.frun = run;
		params.fcull = cull;
		params.fstop = stop;
	} else {
		params.brun = run;
		params.bcull = cull;
		params.bstop = stop;
	}
	return fsc_space_limits_init(&limits, &params);
}

static void limits_out_of_order_are_refused(void **state)
{
	int of_files;

	(void)state;
	for (of_files = 0; of_files < 2; of_files++) {
		assert_int_equal(init_with(3, 2, 1, of_files), 0);
		assert_int_equal(init_with(99, 1, 0, of_files), 0);
		assert_int_equal(init_with(100, 1, 0, of_files), -EINVAL);
		assert_int_equal(init_with(7, 7, 1, of_files), -EINVAL);
		assert_int_equal(init_with(7, 5, 5, of_files), -EINVAL);
		assert_int_equal(init_with(5, 7, 1, of_files), -EINVAL);
		assert_int_equal(init_with(7, 0, 0, of_files), -EINVAL);
		assert_int_equal(init_with(0, 0, 1, of_files), -EINVAL);
		assert_int_equal(init_with(255, 254, 253, of_files), -EINVAL);
	}
}

static void each_limit_begins_exactly_at_its_percentage(void **state)
{
	(void)state;
	assert_int_equal(blocks(1000, 70), FSC_SPACE_OK);
	assert_int_equal(blocks(1000, 69), FSC_SPACE_LOW);
	assert_int_equal(blocks(1000, 50), FSC_SPACE_LOW);
	assert_int_equal(blocks(1000, 49), FSC_SPACE_CULL);
	assert_int_equal(blocks(1000, 10), FSC_SPACE_CULL);
	assert_int_equal(blocks(1000, 9), FSC_SPACE_STOP);
	/* 7 % of 1001 are 70.07: 70 are less than that. */
	assert_int_equal(blocks(1001, 70), FSC_SPACE_LOW);
	assert_int_equal(blocks(1001, 71), FSC_SPACE_OK);
	assert_int_equal(blocks(1001, 10), FSC_SPACE_STOP);
	assert_int_equal(blocks(1001, 11), FSC_SPACE_CULL);
	assert_int_equal(files(1000, 70), FSC_SPACE_OK);
	assert_int_equal(files(1000, 69), FSC_SPACE_LOW);
	assert_int_equal(files(1000, 49), FSC_SPACE_CULL);
	assert_int_equal(files(1000, 9), FSC_SPACE_STOP);
}

static void uncounted_files_are_no_limit(void **state)
{
	(void)state;
	assert_int_equal(files(0, 0), FSC_SPACE_OK);
}

static void giant_filesystems_are_judged_exactly(void **state)
{
	/* 2^64 - 1 and its percentages, rounded up by hand. */
	const uint64_t run = 1291272085159668614, cull = 922337203685477581,
		       stop = 184467440737095517;

	(void)state;
	assert_int_equal(blocks(UINT64_MAX, run), FSC_SPACE_OK);
	assert_int_equal(blocks(UINT64_MAX, run - 1), FSC_SPACE_LOW);
	assert_int_equal(blocks(UINT64_MAX, cull), FSC_SPACE_LOW);
	assert_int_equal(blocks(UINT64_MAX, cull - 1), FSC_SPACE_CULL);
	assert_int_equal(blocks(UINT64_MAX, stop), FSC_SPACE_CULL);
	assert_int_equal(blocks(UINT64_MAX, stop - 1), FSC_SPACE_STOP);
	assert_int_equal(files(UINT64_MAX, run), FSC_SPACE_OK);
	assert_int_equal(files(UINT64_MAX, run - 1), FSC_SPACE_LOW);
}

static void budget_stops_what_would_exceed_it(void **state)
{
	(void)state;
	assert_int_equal(budget(1000, 0, 1000), FSC_SPACE_OK);
	assert_int_equal(budget(1000, 0, 1001), FSC_SPACE_STOP);
	assert_int_equal(budget(1000, 899, 101), FSC_SPACE_OK);
	assert_int_equal(budget(1000, 899, 102), FSC_SPACE_STOP);
	assert_int_equal(budget(1000, 900, 0), FSC_SPACE_LOW);
	assert_int_equal(budget(1000, 950, 0), FSC_SPACE_LOW);
	assert_int_equal(budget(1000, 951, 0), FSC_SPACE_CULL);
	assert_int_equal(budget(1000, 951, 49), FSC_SPACE_CULL);
	assert_int_equal(budget(1000, 951, 50), FSC_SPACE_STOP);
	assert_int_equal(budget(1000, 1001, 0), FSC_SPACE_STOP);
	/* Without a budget nothing is too much; and nothing wraps around. */
	assert_int_equal(budget(0, UINT64_MAX, UINT64_MAX), FSC_SPACE_OK);
	assert_int_equal(budget(1000, 1, UINT64_MAX), FSC_SPACE_STOP);
	assert_int_equal(budget(UINT64_MAX, UINT64_MAX, 0), FSC_SPACE_CULL);
	assert_int_equal(budget(UINT64_MAX, UINT64_MAX, 1), FSC_SPACE_STOP);
}

static void the_worst_of_the_three_counts(void **state)
{
	struct fsc_space_limits limits = plain;
	struct fsc_space space = { 1000, 500, 1000, 500, 4096 };

	(void)state;
	limits.max_bytes = 1000;
	assert_int_equal(fsc_space_check(&limits, &space, 0, 0), FSC_SPACE_OK);
	space.blocks_free = 60;
	assert_int_equal(fsc_space_check(&limits, &space, 0, 0), FSC_SPACE_LOW);
	space.files_free = 40;
	assert_int_equal(fsc_space_check(&limits, &space, 0, 0), FSC_SPACE_CULL);
	space.blocks_free = 0;
	assert_int_equal(fsc_space_check(&limits, &space, 0, 0), FSC_SPACE_STOP);
	space.blocks_free = space.files_free = 500;
	assert_int_equal(fsc_space_check(&limits, &space, 1000, 1), FSC_SPACE_STOP);
}

/* What the goal says is enough, and a byte or file less isn't. */
static void goal_leads_exactly_to_the_end_of_culling(void **state)
{
	static const uint64_t maxima[] = { 1, 9, 10, 999, 1000, 1001, UINT64_MAX };
	struct fsc_space_limits limits = plain;
	struct fsc_space space = { 1001, 8, 1001, 30, 4096 };
	uint64_t bytes, nr_files;
	size_t i;

	(void)state;
	fsc_space_goal(&limits, &space, 0, &bytes, &nr_files);
	assert_int_equal(bytes, (71 - 8) * 4096);
	assert_int_equal(nr_files, 71 - 30);
	space.files = space.files_free = 0;
	fsc_space_goal(&limits, &space, 0, &bytes, &nr_files);
	assert_int_equal(nr_files, 0);
	space.blocks_free = 1001;
	for (i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		limits.max_bytes = maxima[i];
		fsc_space_goal(&limits, &space, maxima[i], &bytes, &nr_files);
		assert_true(bytes > 0 && bytes <= maxima[i]);
		assert_int_equal(fsc_space_check(&limits, &space, maxima[i] - bytes, 0),
				 FSC_SPACE_OK);
		assert_int_not_equal(fsc_space_check(&limits, &space, maxima[i] - bytes + 1, 0),
				     FSC_SPACE_OK);
	}
	/* The larger of the two wants of bytes. */
	limits.max_bytes = 1000;
	space.blocks_free = 70;
	fsc_space_goal(&limits, &space, 1000, &bytes, &nr_files);
	assert_int_equal(bytes, 4096);
	limits.max_bytes = 100000;
	fsc_space_goal(&limits, &space, 100000, &bytes, &nr_files);
	assert_int_equal(bytes, 10001);
}

/* Likewise, to where it needn't begin. */
static void lack_leads_exactly_to_where_culling_begins(void **state)
{
	static const uint64_t maxima[] = { 1, 9, 10, 999, 1000, 1001, UINT64_MAX };
	struct fsc_space_limits limits = plain;
	struct fsc_space space = { 1001, 8, 1001, 30, 4096 };
	uint64_t bytes, nr_files;
	size_t i;

	(void)state;
	fsc_space_lack(&limits, &space, 0, 0, &bytes, &nr_files);
	assert_int_equal(bytes, (51 - 8) * 4096);
	assert_int_equal(nr_files, 51 - 30);
	space.files = space.files_free = 0;
	space.blocks_free = 60; /* low, but not yet too low */
	fsc_space_lack(&limits, &space, UINT64_MAX, UINT64_MAX, &bytes, &nr_files);
	assert_int_equal(bytes, 0);
	assert_int_equal(nr_files, 0);
	for (i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		limits.max_bytes = maxima[i];
		fsc_space_lack(&limits, &space, maxima[i], 0, &bytes, &nr_files);
		assert_true(bytes > 0 && bytes <= maxima[i]);
		assert_int_equal(fsc_space_check(&limits, &space, maxima[i] - bytes, 0),
				 FSC_SPACE_LOW);
		assert_int_equal(fsc_space_check(&limits, &space, maxima[i] - bytes + 1, 0),
				 FSC_SPACE_CULL);
	}
	/* What is to fit, unless nearly nothing else would. */
	limits.max_bytes = 1000;
	fsc_space_lack(&limits, &space, 940, 100, &bytes, &nr_files);
	assert_int_equal(bytes, 40);
	fsc_space_lack(&limits, &space, 940, 900, &bytes, &nr_files);
	assert_int_equal(bytes, 840);
	fsc_space_lack(&limits, &space, 940, 901, &bytes, &nr_files);
	assert_int_equal(bytes, 0);
	fsc_space_lack(&limits, &space, 1200, 901, &bytes, &nr_files);
	assert_int_equal(bytes, 250);
}

static void goal_of_giants_does_not_wrap(void **state)
{
	struct fsc_space space = { UINT64_MAX, 0, UINT64_MAX, 0, 65536 };
	uint64_t bytes, nr_files;

	(void)state;
	fsc_space_goal(&plain, &space, 0, &bytes, &nr_files);
	assert_int_equal(bytes, UINT64_MAX);
	assert_int_equal(nr_files, 1291272085159668614);
	/* 7 % of 2^50 blocks of 4 KiB are no power of anything but fit. */
	space.blocks = 1ull << 50;
	space.block_size = 4096;
	fsc_space_goal(&plain, &space, 0, &bytes, &nr_files);
	assert_int_equal(bytes, 78812993478984 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(limits_out_of_order_are_refused),
		cmocka_unit_test(each_limit_begins_exactly_at_its_percentage),
		cmocka_unit_test(uncounted_files_are_no_limit),
		cmocka_unit_test(giant_filesystems_are_judged_exactly),
		cmocka_unit_test(budget_stops_what_would_exceed_it),
		cmocka_unit_test(the_worst_of_the_three_counts),
		cmocka_unit_test(goal_leads_exactly_to_the_end_of_culling),
		cmocka_unit_test(lack_leads_exactly_to_where_culling_begins),
		cmocka_unit_test(goal_of_giants_does_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
