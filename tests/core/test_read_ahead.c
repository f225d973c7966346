// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_ahead.c - prefetches, and what is read ahead of whom: how far, of what, with how much
 * memory, and that nobody waits for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 100

/* --- Prefetches ------------------------------------------------------------------------------- */

static int64_t prefetch(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos, size_t len,
			bool wait)
{
	struct netfs_read *req = netfs_read_new(file, cookie, pos, len, 0);
	int64_t ret;

	netfs_read_prefetch(req);
	netfs_read_run(req, wait);
	netfs_read_check(req);
	ret = req->ret;
	netfs_read_free(req);
	return ret;
}

static void prefetch_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(3000000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;

	w->params.max_keep_bytes = sim_chance(2) ? 0 : 300 * KIB; /* it waits for room, then */
	world_open(w);
	w->net.read_max = 5000 + sim_random(300000);
	w->net.short_one_in = sim_random(5);
	cookie = acquire_used(w, file);
	if (sim_chance(2)) {
		netfs_read_all(file, cookie, sim_random((uint32_t)size), 100000, 0, false);
		world_quiet();
	}
	CHECK_EQ(prefetch(file, cookie, 0, (size_t)size, sim_chance(2)), size);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	CHECK_EQ(w->net.bytes, size);
	CHECK_EQ(world_stats(w).cache_read_bytes, 0);
	CHECK_EQ(world_stats(w).not_kept_bytes, 0);
	CHECK_EQ(prefetch(file, cookie, 5, (size_t)size, sim_chance(2)), size > 5 ? size - 5 : 0);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	CHECK_EQ(w->net.bytes, size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_prefetch_leaves_the_file_in_the_cache(void **state)
{
	(void)state;
	each_seed(SEEDS, prefetch_scenario);
}

static void no_cache_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 * MIB);
	struct fsc_cookie *cookie;

	CHECK_EQ(prefetch(file, NULL, 0, 1 * MIB, sim_chance(2)), 0);
	w->params.max_keep_bytes = 1; /* nothing fits in it */
	world_open(w);
	cookie = acquire(w, file);
	CHECK_EQ(prefetch(file, cookie, 0, 1 * MIB, sim_chance(2)), 0); /* not in use */
	fsc_cookie_use_wait(cookie, false);
	CHECK_EQ(prefetch(file, cookie, 0, 1 * MIB, sim_chance(2)), 0);
	CHECK_EQ(w->net.reads, 0);
	drop_used(cookie);
	netfs_file_free(file);
}

static void without_a_cache_nothing_is_fetched(void **state)
{
	(void)state;
	each_seed(20, no_cache_scenario);
}

static void prefetch_error_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 * MIB);
	struct fsc_cookie *cookie;

	world_open(w);
	w->net.error_one_in = 1;
	cookie = acquire_used(w, file);
	CHECK_EQ(prefetch(file, cookie, 0, 1 * MIB, sim_chance(2)), -EIO);
	w->net.error_one_in = 0;
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), 1 * MIB);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_prefetch_gets_the_servers_error(void **state)
{
	(void)state;
	each_seed(20, prefetch_error_scenario);
}

/* --- Readahead -------------------------------------------------------------------------------- */

static int64_t pattern_read(struct netfs_file *file, struct fsc_cookie *cookie,
			    struct fsc_pattern *pattern, uint64_t pos, size_t len, bool wait)
{
	struct netfs_read *req = netfs_read_new(file, cookie, pos, len, 0);
	int64_t ret;

	req->read.pattern = pattern;
	if (sim_chance(4))
		netfs_read_lend(req);
	netfs_read_run(req, wait);
	netfs_read_check(req);
	ret = req->ret;
	netfs_read_free(req);
	return ret;
}

static void sequential_scenario(struct world *w)
{
	uint64_t size = 16 * MIB + 12345, pos;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	size_t len = sim_chance(2) ? 64 * KIB : 128 * KIB;
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;
	uint64_t most = 0;

	world_open(w);
	cookie = acquire_used(w, file);
	for (pos = 0; pos < size; pos += len) {
		uint64_t present;

		CHECK(pattern_read(file, cookie, &pattern, pos, len, sim_chance(2)) > 0);
		world_quiet();
		present = fsc_cookie_present(cookie, 0, size);
		CHECK(present >= (pos + len < size ? pos + len : size));
		if (pos == 0) /* it begins small */
			CHECK(present <= len + 256 * KIB);
		most = present > pos + len + most ? present - pos - len : most;
	}
	/* And grows, to a limit. */
	CHECK(most >= 2 * MIB && most <= 4 * MIB);
	CHECK_EQ(w->net.bytes, size);
	CHECK(world_stats(w).prefetched_bytes > size / 2);
	CHECK(w->net.last_end <= size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void ahead_of_a_sequential_reader_there_is_more_and_more(void **state)
{
	(void)state;
	each_seed(6, sequential_scenario);
}

static void random_scenario(struct world *w)
{
	uint64_t size = 64 * MIB;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;
	uint64_t asked = 0;

	world_open(w);
	cookie = acquire_used(w, file);
	for (uint64_t i = 1; i < 60; i++) {
		/* Far from each other, and never the same twice. */
		uint64_t pos = (i * 37 % 61) * MIB + sim_random(100) * GRANULE;

		CHECK_EQ(pattern_read(file, cookie, &pattern, pos, GRANULE, sim_chance(2)), GRANULE);
		asked += GRANULE;
	}
	world_quiet();
	CHECK_EQ(w->net.bytes, asked);
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), asked);
	CHECK_EQ(world_stats(w).prefetched_bytes, 0);
	drop_used(cookie);
	netfs_file_free(file);
}

static void who_jumps_about_gets_no_more_than_he_touches(void **state)
{
	(void)state;
	each_seed(SEEDS, random_scenario);
}

static void not_delayed_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 8 * MIB);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	w->net.hold = true;
	cookie = acquire_used(w, file);
	req = netfs_read_new(file, cookie, 0, GRANULE, 0);
	req->read.pattern = &pattern;
	netfs_read_start(req);
	world_quiet();
	CHECK_EQ(w->net.nr_held, 2);
	CHECK_EQ(w->net.first_asked, 0);
	CHECK_EQ(netfs_release_first(&w->net), 0); /* what is read ahead doesn't come */
	netfs_read_join(req);
	netfs_read_check(req);
	CHECK_EQ(req->ret, GRANULE);
	netfs_read_free(req);
	world_quiet();
	w->net.hold = false;
	netfs_release(&w->net, 0);
	drop_used(cookie);
	netfs_file_free(file);
}

static void the_reader_has_its_bytes_before_what_is_read_ahead(void **state)
{
	(void)state;
	each_seed(SEEDS, not_delayed_scenario);
}

static void joins_scenario(struct world *w)
{
	uint64_t size = 3 * MIB, pos;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;
	size_t len = 20000;

	w->backend.short_one_in = sim_random(10);
	world_open(w);
	cookie = acquire_used(w, file);
	/* Right behind what is under way; misaligned too. Nothing is fetched twice. */
	for (pos = 0; pos < size; pos += len)
		CHECK(pattern_read(file, cookie, &pattern, pos, len, sim_chance(2)) > 0);
	CHECK_EQ(w->net.bytes, size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_reader_joins_what_is_read_ahead_of_it(void **state)
{
	(void)state;
	each_seed(SEEDS / 2, joins_scenario);
}

static void little_memory_scenario(struct world *w)
{
	uint64_t size = 4 * MIB, pos;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;

	w->params.max_keep_bytes = 1 * MIB;
	world_open(w);
	cookie = acquire_used(w, file);
	for (pos = 0; pos < size; pos += 128 * KIB) {
		CHECK_EQ(pattern_read(file, cookie, &pattern, pos, 128 * KIB, true), 128 * KIB);
		/* Half of the limit is the reader's own. */
		CHECK(sim_live_bytes() < 2 * MIB);
		world_quiet();
	}
	CHECK_EQ(world_stats(w).not_kept_bytes, 0);
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void what_is_read_ahead_leaves_memory_for_the_reader(void **state)
{
	(void)state;
	each_seed(SEEDS / 2, little_memory_scenario);
}

static void warm_scenario(struct world *w)
{
	uint64_t size = 4 * MIB, allocs;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, true), size);
	world_quiet();
	allocs = sim_live_allocs();
	for (uint64_t pos = 0; pos < size; pos += 64 * KIB) {
		struct netfs_read *req = netfs_read_new(file, cookie, pos, 64 * KIB, 0);

		req->read.pattern = &pattern;
		netfs_read_start(req);
		/* Nothing was begun on the side. */
		CHECK(sim_live_allocs() <= allocs);
		netfs_read_join(req);
		netfs_read_check(req);
		netfs_read_free(req);
	}
	CHECK_EQ(w->net.bytes, size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void where_all_is_present_nothing_is_begun(void **state)
{
	(void)state;
	each_seed(SEEDS, warm_scenario);
}

static void changed_scenario(struct world *w)
{
	uint64_t size = 3 * MIB, pos;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;

	w->backend.short_one_in = sim_random(10);
	world_open(w);
	w->net.error_one_in = sim_chance(2) ? 0 : 20;
	cookie = acquire_used(w, file);
	for (pos = 0; pos < size; pos += 64 * KIB) {
		int64_t ret = pattern_read(file, cookie, &pattern, pos, 64 * KIB, sim_chance(2));

		CHECK(ret == 64 * KIB || ret == -EIO);
		if (sim_chance(6)) {
			netfs_file_change(file, size);
			invalidate(cookie, file, NULL);
		}
	}
	w->net.error_one_in = 0;
	world_quiet();
	CHECK_EQ(read_whole(file, cookie, true), size);
	drop_used(cookie); /* with readahead under way, perhaps */
	netfs_file_free(file);
}

static void what_is_read_ahead_is_never_older_than_an_invalidation(void **state)
{
	(void)state;
	each_seed(SEEDS, changed_scenario);
}

static void no_memory_scenario(struct world *w)
{
	uint64_t size = 1 * MIB, pos;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	for (pos = 0; pos < size; pos += 64 * KIB) {
		int64_t ret;

		sim_fail_alloc(1 + sim_random(10), sim_chance(4));
		ret = pattern_read(file, cookie, &pattern, pos, 64 * KIB, sim_chance(2));
		CHECK(ret == 64 * KIB || ret == -ENOMEM);
		sim_fail_alloc(0, false);
	}
	drop_used(cookie);
	netfs_file_free(file);
}

static void without_memory_nothing_is_read_ahead(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, no_memory_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_prefetch_leaves_the_file_in_the_cache),
		cmocka_unit_test(without_a_cache_nothing_is_fetched),
		cmocka_unit_test(a_prefetch_gets_the_servers_error),
		cmocka_unit_test(ahead_of_a_sequential_reader_there_is_more_and_more),
		cmocka_unit_test(who_jumps_about_gets_no_more_than_he_touches),
		cmocka_unit_test(the_reader_has_its_bytes_before_what_is_read_ahead),
		cmocka_unit_test(a_reader_joins_what_is_read_ahead_of_it),
		cmocka_unit_test(what_is_read_ahead_leaves_memory_for_the_reader),
		cmocka_unit_test(where_all_is_present_nothing_is_begun),
		cmocka_unit_test(what_is_read_ahead_is_never_older_than_an_invalidation),
		cmocka_unit_test(without_memory_nothing_is_read_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
