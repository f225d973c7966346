// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_map.c - the content map's promises, one by one, and at sizes that test_map_model.c's array
 * of bits can't have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "map.h"

#define LEAF ((uint64_t)FSC_MAP_LEAF_GRANULES)
#define TIB_GRANULES (1ull << 28) /* of 1 TiB */
#define MOST (1ull << 51)         /* of the largest file */

struct fixture {
	struct fsc_map map;
	struct fsc_map_pool pool;
};

static void drain(struct fsc_map_pool *pool)
{
	size_t size;
	void *mem;

	while ((mem = fsc_map_pool_take(pool, &size)))
		free(mem);
}

static void fill(struct fsc_map_pool *pool, uint32_t leaves, uint32_t nodes)
{
	while (pool->nr_leaves < leaves)
		fsc_map_pool_add_leaf(pool, calloc(1, fsc_map_leaf_size()));
	while (pool->nr_nodes < nodes)
		fsc_map_pool_add_node(pool, calloc(1, fsc_map_node_size()));
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fsc_map_reset(&f->map, &f->pool);
	drain(&f->pool);
	free(f);
	return 0;
}

static void pin(struct fixture *f, uint64_t start, uint64_t end)
{
	struct fsc_map_need need;

	while (!fsc_map_pin(&f->map, start, end, &f->pool, &need))
		fill(&f->pool, f->pool.nr_leaves + need.leaves, f->pool.nr_nodes + need.nodes);
}

/* As a store does it: pin, write, set, unpin. */
static void keep(struct fixture *f, uint64_t start, uint64_t end)
{
	pin(f, start, end);
	fsc_map_set(&f->map, start, end);
	fsc_map_unpin(&f->map, start, end, &f->pool);
}

static void check_run(const struct fixture *f, uint64_t start, uint64_t end, bool present,
		      uint64_t run_end)
{
	uint64_t got = 0;

	assert_int_equal(fsc_map_run(&f->map, start, end, &got), present);
	assert_int_equal(got, run_end);
}

static void a_new_map_is_empty_and_takes_no_memory(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, MOST);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
	assert_false(fsc_map_full(&f->map));
	check_run(f, 0, MOST, false, MOST);
	check_run(f, 17, MOST + 5, false, MOST + 5);
}

static void nothing_is_present_at_or_beyond_the_size(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, 1000);
	fsc_map_set_full(&f->map, &f->pool);
	check_run(f, 0, 2000, true, 1000);
	check_run(f, 999, 1000, true, 1000);
	check_run(f, 1000, 2000, false, 2000);
	assert_false(fsc_map_test(&f->map, 1000));
	assert_false(fsc_map_test(&f->map, UINT64_MAX));
	assert_false(fsc_map_test_range(&f->map, 999, 1001));
	fsc_map_resize(&f->map, 0, &f->pool);
	assert_true(fsc_map_full(&f->map));
	assert_false(fsc_map_test(&f->map, 0));
	check_run(f, 0, 1, false, 1);
}

static void a_whole_tebibyte_takes_no_memory(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, TIB_GRANULES + 3);
	fsc_map_set_full(&f->map, &f->pool);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
	assert_true(fsc_map_full(&f->map));
	assert_true(fsc_map_test_range(&f->map, 0, TIB_GRANULES + 3));
}

/* Filled from behind, in pieces as they come from a server; and complete only with the last. */
static void a_tebibyte_filled_piece_by_piece_takes_no_memory(void **state)
{
	struct fixture *f = *state;
	const uint64_t size = TIB_GRANULES + 3;
	uint64_t end = size, start;

	fsc_map_init(&f->map, size);
	for (; end; end = start) {
		assert_false(fsc_map_full(&f->map));
		start = end > 1000 ? end - 1000 : 0;
		keep(f, start, end);
		assert_true(fsc_map_bytes(&f->map) < 64 * 1024);
		while (f->pool.nr_leaves > 64 || f->pool.nr_nodes > 64)
			drain(&f->pool);
	}
	assert_true(fsc_map_full(&f->map));
	assert_int_equal(fsc_map_bytes(&f->map), 0);
}

static void one_hole_in_a_tebibyte_takes_little_memory(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, TIB_GRANULES);
	fsc_map_set_full(&f->map, &f->pool);
	fill(&f->pool, FSC_MAP_CLEAR_BLOCKS, FSC_MAP_CLEAR_BLOCKS);
	fsc_map_clear(&f->map, 123456789, 123456790, &f->pool);
	check_run(f, 0, TIB_GRANULES, true, 123456789);
	check_run(f, 123456789, TIB_GRANULES, false, 123456790);
	check_run(f, 123456790, TIB_GRANULES, true, TIB_GRANULES);
	assert_true(fsc_map_bytes(&f->map) < 3072);
	keep(f, 123456789, 123456790);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
}

/* The size that cuts through a leaf was all present; what is added behind it must not be. */
static void growth_of_a_full_map_adds_absent_granules(void **state)
{
	static const uint64_t sizes[] = { 1, 511, 512, 513, 1000, 32768, 32769, 100000,
					  TIB_GRANULES - 1, TIB_GRANULES, TIB_GRANULES + 1 };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t size = sizes[i];

		fsc_map_init(&f->map, size);
		fsc_map_set_full(&f->map, &f->pool);
		fill(&f->pool, FSC_MAP_CLEAR_BLOCKS, FSC_MAP_CLEAR_BLOCKS);
		fsc_map_resize(&f->map, size + 70000, &f->pool);
		check_run(f, 0, size + 70000, true, size);
		check_run(f, size, size + 70000, false, size + 70000);
		assert_int_equal(f->map.nr_set, size);
		fsc_map_resize(&f->map, size, &f->pool);
		assert_true(fsc_map_full(&f->map));
		assert_int_equal(fsc_map_bytes(&f->map), 0);
	}
}

static void shrinking_and_growing_again_brings_nothing_back(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, 5000);
	keep(f, 100, 5000);
	fill(&f->pool, FSC_MAP_CLEAR_BLOCKS, FSC_MAP_CLEAR_BLOCKS);
	fsc_map_resize(&f->map, 700, &f->pool);
	fsc_map_resize(&f->map, 5000, &f->pool);
	check_run(f, 100, 5000, true, 700);
	check_run(f, 700, 5000, false, 5000);
}

static void pinned_leaves_stay_until_unpinned(void **state)
{
	struct fixture *f = *state;
	size_t bytes;

	fsc_map_init(&f->map, 4 * LEAF);
	pin(f, LEAF, 2 * LEAF);
	bytes = fsc_map_bytes(&f->map);
	assert_true(bytes >= fsc_map_leaf_size());
	fsc_map_set(&f->map, LEAF, 2 * LEAF);
	fsc_map_clear(&f->map, 0, 4 * LEAF, &f->pool);
	assert_int_equal(fsc_map_bytes(&f->map), bytes);
	fsc_map_set(&f->map, LEAF, 2 * LEAF);
	check_run(f, LEAF, 4 * LEAF, true, 2 * LEAF);
	fsc_map_unpin(&f->map, LEAF, 2 * LEAF, &f->pool);
	assert_int_equal(f->map.leaves, 0);
	check_run(f, LEAF, 4 * LEAF, true, 2 * LEAF);
	/* Two pins of one leaf: it goes with the second. */
	pin(f, 3 * LEAF, 3 * LEAF + 1);
	pin(f, 3 * LEAF + 7, 4 * LEAF);
	fsc_map_unpin(&f->map, 3 * LEAF, 3 * LEAF + 1, &f->pool);
	assert_int_equal(f->map.leaves, 1);
	fsc_map_unpin(&f->map, 3 * LEAF + 7, 4 * LEAF, &f->pool);
	assert_int_equal(f->map.leaves, 0);
}

/* The bits of another store make the map whole while this one's leaf is still pinned. */
static void a_map_may_become_whole_under_a_pin(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, 700);
	pin(f, 600, 700);
	fsc_map_set(&f->map, 600, 700);
	keep(f, 0, 600);
	assert_true(fsc_map_full(&f->map));
	check_run(f, 0, 800, true, 700);
	fsc_map_resize(&f->map, 800, &f->pool);
	check_run(f, 0, 800, true, 700);
	check_run(f, 700, 800, false, 800);
	fsc_map_resize(&f->map, 700, &f->pool);
	fsc_map_unpin(&f->map, 600, 700, &f->pool);
	assert_true(fsc_map_full(&f->map));
	assert_int_equal(fsc_map_bytes(&f->map), 0);
}

static void a_pin_beyond_a_smaller_size_has_no_effect(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, 3000);
	pin(f, 900, 3000);
	fsc_map_resize(&f->map, 1000, &f->pool);
	fsc_map_set(&f->map, 900, 3000);
	assert_int_equal(f->map.nr_set, 100);
	fsc_map_unpin(&f->map, 900, 3000, &f->pool);
	fsc_map_resize(&f->map, 3000, &f->pool);
	check_run(f, 900, 3000, true, 1000);
	check_run(f, 1000, 3000, false, 3000);
}

static void a_refused_pin_changes_nothing_and_says_what_it_needs(void **state)
{
	struct fixture *f = *state;
	struct fsc_map_need need;

	fsc_map_init(&f->map, MOST);
	assert_false(fsc_map_pin(&f->map, 0, 1, &f->pool, &need));
	assert_int_equal(need.leaves, 1);
	assert_int_equal(need.nodes, 0);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
	keep(f, 0, 1);
	drain(&f->pool);
	/* Far off: six levels above the leaf that is there, as many but one above the new one. */
	assert_false(fsc_map_pin(&f->map, MOST - 1, MOST, &f->pool, &need));
	assert_int_equal(need.leaves, 1);
	assert_int_equal(need.nodes, 7 + 6);
	fill(&f->pool, need.leaves, need.nodes - 1);
	assert_false(fsc_map_pin(&f->map, MOST - 1, MOST, &f->pool, &need));
	assert_int_equal(need.leaves, 0);
	assert_int_equal(need.nodes, 1);
	assert_int_equal(f->map.leaves, 1);
	fill(&f->pool, 1, 13);
	assert_true(fsc_map_pin(&f->map, MOST - 1, MOST, &f->pool, &need));
	fsc_map_set(&f->map, MOST - 1, MOST);
	fsc_map_unpin(&f->map, MOST - 1, MOST, &f->pool);
	check_run(f, 1, MOST, false, MOST - 1);
	check_run(f, MOST - 1, MOST, true, MOST);
}

/* Only what the markers cover: here two leaves of a node, of which the others stay. */
static void clearing_without_memory_gives_up_whole_leaves(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, 64 * LEAF);
	keep(f, 0, 64 * LEAF - 1);
	drain(&f->pool);
	fsc_map_clear(&f->map, 3 * LEAF + 5, 4 * LEAF + 1, &f->pool);
	check_run(f, 0, 64 * LEAF, true, 3 * LEAF);
	check_run(f, 3 * LEAF, 64 * LEAF, false, 5 * LEAF);
	check_run(f, 5 * LEAF, 64 * LEAF, true, 64 * LEAF - 1);
	assert_int_equal(f->map.nr_set, 62 * LEAF - 1);
}

static void clearing_a_whole_map_without_memory_empties_it(void **state)
{
	struct fixture *f = *state;

	fsc_map_init(&f->map, TIB_GRANULES - 1);
	fsc_map_set_full(&f->map, &f->pool);
	fsc_map_clear(&f->map, 5, 6, &f->pool);
	check_run(f, 0, TIB_GRANULES, false, TIB_GRANULES);
	assert_int_equal(f->map.nr_set, 0);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
}

/* The worst case: both ends of the range and the map's own end far from each other. */
static void clearing_with_enough_blocks_is_exact_at_any_size(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	for (size = 3; size <= MOST; size = size * 3 + 1) {
		uint64_t start = size / 3, end = size - size / 3;
		struct fsc_map_need need;

		fsc_map_init(&f->map, size);
		fsc_map_set_full(&f->map, &f->pool);
		drain(&f->pool);
		fsc_map_clear_need(&f->map, &need);
		assert_true(need.leaves <= FSC_MAP_CLEAR_BLOCKS);
		assert_true(need.nodes <= FSC_MAP_CLEAR_BLOCKS);
		fill(&f->pool, need.leaves, need.nodes);
		fsc_map_clear(&f->map, start, end, &f->pool);
		check_run(f, 0, size, true, start);
		check_run(f, start, size, false, end);
		check_run(f, end, size + 1, true, size);
		assert_int_equal(f->map.nr_set, size - (end - start));
		fsc_map_reset(&f->map, &f->pool);
	}
}

static void ranges_of_nothing_are_fine(void **state)
{
	struct fixture *f = *state;
	struct fsc_map_need need;

	fsc_map_init(&f->map, 100);
	assert_true(fsc_map_test_range(&f->map, 5, 5));
	assert_false(fsc_map_test_any(&f->map, 5, 5));
	assert_true(fsc_map_pin(&f->map, 5, 5, &f->pool, &need));
	fsc_map_set(&f->map, 5, 5);
	fsc_map_unpin(&f->map, 5, 5, &f->pool);
	fsc_map_clear(&f->map, 5, 5, &f->pool);
	fsc_map_clear(&f->map, 100, 200, &f->pool);
	assert_int_equal(f->map.nr_set, 0);
	assert_int_equal(fsc_map_bytes(&f->map), 0);
}

static void the_pool_gives_back_what_it_got(void **state)
{
	struct fixture *f = *state;
	size_t size, leaves = 0, nodes = 0;
	void *mem;

	fill(&f->pool, 3, 2);
	while ((mem = fsc_map_pool_take(&f->pool, &size))) {
		leaves += size == fsc_map_leaf_size();
		nodes += size == fsc_map_node_size();
		free(mem);
	}
	assert_int_equal(leaves, 3);
	assert_int_equal(nodes, 2);
}

#define MAP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(a_new_map_is_empty_and_takes_no_memory),
		MAP_TEST(nothing_is_present_at_or_beyond_the_size),
		MAP_TEST(a_whole_tebibyte_takes_no_memory),
		MAP_TEST(a_tebibyte_filled_piece_by_piece_takes_no_memory),
		MAP_TEST(one_hole_in_a_tebibyte_takes_little_memory),
		MAP_TEST(growth_of_a_full_map_adds_absent_granules),
		MAP_TEST(shrinking_and_growing_again_brings_nothing_back),
		MAP_TEST(pinned_leaves_stay_until_unpinned),
		MAP_TEST(a_map_may_become_whole_under_a_pin),
		MAP_TEST(a_pin_beyond_a_smaller_size_has_no_effect),
		MAP_TEST(a_refused_pin_changes_nothing_and_says_what_it_needs),
		MAP_TEST(clearing_without_memory_gives_up_whole_leaves),
		MAP_TEST(clearing_a_whole_map_without_memory_empties_it),
		MAP_TEST(clearing_with_enough_blocks_is_exact_at_any_size),
		MAP_TEST(ranges_of_nothing_are_fine),
		MAP_TEST(the_pool_gives_back_what_it_got),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
