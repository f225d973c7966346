// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_map_model.c - the content map against a plain array of bytes, one per granule.
 *
 * Method: operations drawn from a fixed seed (pin, set, unpin, clear, resize, set all, reset, with
 * a pool that has enough, too little or nothing) are done to both. After each, what was touched is
 * compared; every so often the whole map is, together with the memory that its tree may have. A
 * clear without memory may give up more than it was asked to, never less: then the model follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bits.h"
#include "map.h"

#define MAX_PINS 12
#define MAX_GRANULES (3u << 15) /* three nodes of the second level: the tree gets three deep */

struct pinned {
	uint64_t start, end;
	bool voided; /* nothing may be set in it any more: the map was resized */
};

struct model {
	uint64_t seed;
	struct fsc_map map;
	struct fsc_map_pool pool;
	uint8_t *bits;
	uint64_t size, limit;
	struct pinned pins[MAX_PINS];
	uint32_t nr_pins;
	bool frugal; /* the pool may be too small */
};

static uint64_t draw(struct model *m, uint64_t below)
{
	m->seed ^= m->seed << 13;
	m->seed ^= m->seed >> 7;
	m->seed ^= m->seed << 17;
	return below ? (m->seed * 0x2545f4914f6cdd1dull >> 11) % below : 0;
}

/* --- Memory ----------------------------------------------------------------------------------- */

static void pool_drain(struct fsc_map_pool *pool)
{
	size_t size;
	void *mem;

	while ((mem = fsc_map_pool_take(pool, &size)))
		free(mem);
	assert_int_equal(pool->nr_leaves, 0);
	assert_int_equal(pool->nr_nodes, 0);
}

static void pool_fill(struct fsc_map_pool *pool, uint32_t leaves, uint32_t nodes)
{
	while (pool->nr_leaves < leaves)
		fsc_map_pool_add_leaf(pool, calloc(1, fsc_map_leaf_size()));
	while (pool->nr_nodes < nodes)
		fsc_map_pool_add_node(pool, calloc(1, fsc_map_node_size()));
}

/* Whether the call that comes now must be exact. */
static bool pool_prepare(struct model *m)
{
	struct fsc_map_need need;

	pool_drain(&m->pool);
	if (m->frugal && draw(m, 2)) {
		pool_fill(&m->pool, (uint32_t)draw(m, 3), (uint32_t)draw(m, 3));
		return false;
	}
	fsc_map_clear_need(&m->map, &need);
	assert_true(need.leaves <= FSC_MAP_CLEAR_BLOCKS && need.nodes <= FSC_MAP_CLEAR_BLOCKS);
	pool_fill(&m->pool, need.leaves, need.nodes);
	return true;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static uint64_t model_run(const struct model *m, uint64_t start, uint64_t end)
{
	uint8_t first = start < m->size ? m->bits[start] : 0;
	uint64_t i;

	for (i = start + 1; i < end; i++)
		if ((i < m->size ? m->bits[i] : 0) != first)
			return i;
	return end;
}

static void compare_run(const struct model *m, uint64_t start, uint64_t end)
{
	bool want = start < m->size && m->bits[start];
	uint64_t run_end = 0, want_end = model_run(m, start, end);

	assert_int_equal(fsc_map_run(&m->map, start, end, &run_end), want);
	assert_int_equal(run_end, want_end);
	assert_int_equal(fsc_map_test(&m->map, start), want);
	assert_int_equal(fsc_map_test_range(&m->map, start, end), want && want_end == end);
	assert_int_equal(fsc_map_test_any(&m->map, start, end), want || want_end < end);
}

static bool leaf_is_pinned(const struct model *m, uint64_t leaf)
{
	uint64_t start = leaf * FSC_MAP_LEAF_GRANULES, end = start + FSC_MAP_LEAF_GRANULES;
	uint32_t i;

	for (i = 0; i < m->nr_pins; i++)
		if (m->pins[i].start < end && m->pins[i].end > start)
			return true;
	return false;
}

/* Leaves that the tree must have: pinned ones, and those that are neither empty nor full. */
static uint32_t model_leaves(const struct model *m)
{
	uint64_t leaf, i, count = 0;
	uint32_t leaves = 0;

	for (i = 0; i < m->size; i++)
		count += m->bits[i];
	if (count == m->size && !m->nr_pins)
		return 0;
	for (leaf = 0; leaf * FSC_MAP_LEAF_GRANULES < m->limit; leaf++) {
		uint64_t base = leaf * FSC_MAP_LEAF_GRANULES, set = 0;

		for (i = base; i < base + FSC_MAP_LEAF_GRANULES && i < m->size; i++)
			set += m->bits[i];
		if ((set && set < FSC_MAP_LEAF_GRANULES) || leaf_is_pinned(m, leaf))
			leaves++;
	}
	return leaves;
}

static void compare_all(const struct model *m)
{
	uint64_t pos, run_end, set = 0;

	assert_int_equal(m->map.size, m->size);
	for (pos = 0; pos < m->size; pos = run_end) {
		bool present = fsc_map_run(&m->map, pos, m->size, &run_end);
		uint64_t i;

		assert_true(run_end > pos);
		for (i = pos; i < run_end; i++)
			if (m->bits[i] != present)
				fail_msg("granule %llu", (unsigned long long)i);
		set += present ? run_end - pos : 0;
	}
	assert_int_equal(m->map.nr_set, set);
	assert_int_equal(m->map.leaves, model_leaves(m));
	assert_int_equal(fsc_map_bytes(&m->map), m->map.leaves * fsc_map_leaf_size() +
						  m->map.nodes * fsc_map_node_size());
	if (!m->map.leaves)
		assert_true(m->map.nodes <= 64);
}

/* After a call that may have given something up: only present may have become absent. */
static void follow(struct model *m, bool exact)
{
	uint64_t pos, run_end, i;

	for (pos = 0; pos < m->size; pos = run_end) {
		bool present = fsc_map_run(&m->map, pos, m->size, &run_end);

		for (i = pos; i < run_end; i++) {
			if (m->bits[i] == present)
				continue;
			assert_false(exact || present);
			m->bits[i] = 0;
		}
	}
}

/* --- Operations ------------------------------------------------------------------------------- */

/* A range that likes the borders of leaves and nodes, below @below. */
static void draw_range(struct model *m, uint64_t below, uint64_t *start, uint64_t *end)
{
	static const uint64_t steps[] = { 1, 1, 64, 512, 512, 32768 };
	uint64_t step = steps[draw(m, 6)], span = draw(m, 24) ? 1500 : below;

	*start = draw(m, below);
	if (draw(m, 2))
		*start -= *start % step;
	*end = *start + 1 + draw(m, span);
	if (draw(m, 2))
		*end += step - *end % step;
	*end = fsc_min64(*end, below);
}

static void do_pin(struct model *m)
{
	struct fsc_map_need need;
	struct pinned *p = &m->pins[m->nr_pins];
	uint64_t leaves = m->map.leaves;
	uint32_t tries = 0;

	if (!m->size || m->nr_pins == MAX_PINS)
		return;
	draw_range(m, m->size, &p->start, &p->end);
	if (m->bits[p->start])
		return;
	p->end = model_run(m, p->start, p->end);
	p->voided = false;
	pool_drain(&m->pool);
	while (!fsc_map_pin(&m->map, p->start, p->end, &m->pool, &need)) {
		assert_true(need.leaves || need.nodes);
		assert_int_equal(m->map.leaves, leaves);
		assert_true(++tries < 3);
		pool_fill(&m->pool, m->pool.nr_leaves + need.leaves,
			  m->pool.nr_nodes + need.nodes);
	}
	/* What was asked for was what was needed, not more. */
	assert_int_equal(m->pool.nr_leaves, 0);
	assert_int_equal(m->pool.nr_nodes, 0);
	m->nr_pins++;
}

static void do_set(struct model *m)
{
	struct pinned *p = &m->pins[draw(m, m->nr_pins)];
	uint64_t start, end, i;

	if (!m->nr_pins || p->voided)
		return;
	start = p->start + draw(m, p->end - p->start);
	end = draw(m, 2) ? p->end : start + 1;
	fsc_map_set(&m->map, start, end);
	for (i = start; i < end; i++)
		m->bits[i] = 1;
	compare_run(m, p->start, p->end);
}

static void do_unpin(struct model *m)
{
	uint64_t i = draw(m, m->nr_pins);
	struct pinned p = m->pins[i];

	if (!m->nr_pins)
		return;
	m->pins[i] = m->pins[--m->nr_pins];
	if (!p.voided && draw(m, 4)) {
		fsc_map_set(&m->map, p.start, p.end);
		memset(m->bits + p.start, 1, p.end - p.start);
	}
	pool_drain(&m->pool);
	fsc_map_unpin(&m->map, p.start, p.end, &m->pool);
	if (p.start < m->size)
		compare_run(m, p.start, p.end);
}

static void do_clear(struct model *m)
{
	bool exact = pool_prepare(m);
	uint64_t start, end;

	draw_range(m, m->limit, &start, &end);
	fsc_map_clear(&m->map, start, end, &m->pool);
	if (start < m->size)
		memset(m->bits + start, 0, fsc_min64(end, m->size) - start);
	follow(m, exact);
}

static void do_resize(struct model *m)
{
	bool exact = pool_prepare(m);
	uint64_t size = draw(m, 2) ? draw(m, m->limit + 1) : 512 * draw(m, m->limit / 512 + 1);
	uint32_t i;

	if (!draw(m, 4))
		size = fsc_min64(m->limit, m->size + draw(m, 3));
	fsc_map_resize(&m->map, size, &m->pool);
	if (size > m->size)
		memset(m->bits + m->size, 0, size - m->size);
	for (i = 0; i < m->nr_pins; i++)
		if (m->pins[i].end > size)
			m->pins[i].voided = true;
	m->size = size;
	follow(m, exact);
}

static void do_whole(struct model *m)
{
	bool full = draw(m, 3);

	while (m->nr_pins)
		do_unpin(m);
	pool_drain(&m->pool);
	if (full)
		fsc_map_set_full(&m->map, &m->pool);
	else
		fsc_map_reset(&m->map, &m->pool);
	memset(m->bits, full, m->size);
	assert_int_equal(fsc_map_bytes(&m->map), 0);
}

static void step(struct model *m)
{
	uint64_t what = draw(m, 1000), start, end;

	if (what < 300)
		do_pin(m);
	else if (what < 450)
		do_set(m);
	else if (what < 760)
		do_unpin(m);
	else if (what < 800)
		do_clear(m);
	else if (what < 810)
		do_resize(m);
	else if (what < 811)
		do_whole(m);
	else if (m->size) {
		draw_range(m, m->limit, &start, &end);
		compare_run(m, start, end);
	}
	assert_int_equal(fsc_map_full(&m->map), m->map.nr_set == m->size);
}

static void run_model(uint64_t seed, uint64_t limit, bool frugal, uint64_t steps)
{
	struct model m = { .seed = seed, .limit = limit, .frugal = frugal };
	uint64_t i;

	m.bits = calloc(1, limit);
	m.size = draw(&m, limit + 1);
	fsc_map_init(&m.map, m.size);
	for (i = 0; i < steps; i++) {
		step(&m);
		if (i % 1024 == 0)
			compare_all(&m);
	}
	while (m.nr_pins)
		do_unpin(&m);
	compare_all(&m);
	fsc_map_reset(&m.map, &m.pool);
	assert_int_equal(fsc_map_bytes(&m.map), 0);
	pool_drain(&m.pool);
	free(m.bits);
}

/* One leaf, leaves under one node, and a tree of three levels. */
static const struct {
	uint64_t limit, steps;
} sizes[] = {
	{ 40, 200000 }, { 512, 200000 }, { 1100, 200000 }, { 5000, 200000 },
	{ 32768, 40000 }, { 33000, 40000 }, { MAX_GRANULES, 10000 },
};

static void run_sizes(bool frugal)
{
	size_t i;
	uint64_t seed;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (seed = 1; seed <= 4; seed++)
			run_model(seed * 0x9e3779b97f4a7c15ull + i, sizes[i].limit, frugal,
				  sizes[i].steps);
}

static void map_agrees_with_an_array_of_bits(void **state)
{
	(void)state;
	run_sizes(false);
}

static void map_without_memory_only_gives_up(void **state)
{
	(void)state;
	run_sizes(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_agrees_with_an_array_of_bits),
		cmocka_unit_test(map_without_memory_only_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
