// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_lent.c - reads into buffers that the library lends: the bytes, and that they stay as
 * they are; what is shared and what is counted; what becomes of them without a cache, with little
 * memory, and when the file changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 200

static struct netfs_read *lent_read(struct netfs_file *file, struct fsc_cookie *cookie,
				    uint64_t pos, size_t len, bool wait)
{
	struct netfs_read *req = netfs_read_new(file, cookie, pos, len, 0);

	netfs_read_lend(req);
	netfs_read_run(req, wait);
	netfs_read_check(req);
	return req;
}

/* --- Cold and warm ---------------------------------------------------------------------------- */

static void cold_warm_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	w->net.read_max = sim_chance(2) ? 0 : 1000 + sim_random(80000);
	w->net.short_one_in = sim_random(4);
	cookie = acquire_used(w, file);
	for (int i = 0; i < 3; i++) {
		req = lent_read(file, cookie, 0, (size_t)size + sim_random(5000), sim_chance(2));
		CHECK_EQ(req->ret, size);
		for (uint32_t n = 0; n < req->read.nr_lent; n++)
			CHECK_EQ((uintptr_t)req->read.lent[n].base % GRANULE, 0);
		if (sim_chance(2))
			world_quiet(); /* it is stored while it is lent */
		netfs_read_free(req);
		world_quiet();
		CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
		CHECK_EQ(w->net.bytes, size);
	}
	CHECK_EQ(world_stats(w).cache_read_bytes, 2 * size);
	CHECK_EQ(world_stats(w).not_kept_bytes, 0);
	drop_used(cookie);
	netfs_file_free(file);
}

static void what_is_lent_is_the_servers_and_is_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, cold_warm_scenario);
}

static void no_copy_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 256 * KIB);
	struct netfs_read *one, *two;
	struct fsc_cookie *cookie;

	world_open(w);
	w->net.hold = true;
	cookie = acquire_used(w, file);
	one = netfs_read_new(file, cookie, 0, 64 * KIB, 0);
	two = netfs_read_new(file, cookie, 3 * GRANULE + 5, 10000, 0);
	netfs_read_lend(one);
	netfs_read_lend(two);
	netfs_read_start(one);
	world_quiet();
	netfs_read_start(two);
	world_quiet();
	CHECK_EQ(netfs_release(&w->net, 0), 1);
	netfs_read_join(one);
	netfs_read_join(two);
	netfs_read_check(one);
	netfs_read_check(two);
	/* One buffer for both. */
	CHECK_EQ(one->read.nr_lent, 1);
	CHECK_EQ(two->read.nr_lent, 1);
	CHECK((uint8_t *)two->read.lent->base == (uint8_t *)one->read.lent->base + 3 * GRANULE + 5);
	CHECK_EQ(world_stats(w).joined_reads, 1);
	netfs_read_free(one);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 64 * KIB), 64 * KIB);
	netfs_read_free(two);
	drop_used(cookie);
	netfs_file_free(file);
}

static void readers_at_once_are_lent_one_buffer(void **state)
{
	(void)state;
	each_seed(SEEDS, no_copy_scenario);
}

static void random_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(1000000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct netfs_read *kept[8] = { NULL };
	struct fsc_cookie *cookie;

	w->backend.short_one_in = sim_random(10);
	w->params.max_keep_bytes = sim_chance(2) ? 256 * KIB : 0;
	world_open(w);
	w->net.read_max = 2000 + sim_random(100000);
	w->net.short_one_in = sim_random(4);
	cookie = acquire_used(w, file);
	for (int i = 0; i < 30; i++) {
		uint64_t pos = sim_random((uint32_t)size + 50);
		size_t len = sim_random(sim_chance(2) ? 10000 : 700000);
		int at = (int)sim_random(8);

		if (kept[at])
			netfs_read_free(kept[at]);
		kept[at] = lent_read(file, cookie, pos, len, sim_chance(2));
		CHECK(kept[at]->ret >= 0);
		CHECK(!kept[at]->read.lent == !kept[at]->ret);
	}
	for (int i = 0; i < 8; i++)
		if (kept[i])
			netfs_read_free(kept[i]);
	drop_used(cookie);
	netfs_file_free(file);
}

static void any_range_is_lent_and_stays_as_it_is(void **state)
{
	(void)state;
	each_seed(SEEDS, random_scenario);
}

/* --- Without a cache, without memory ---------------------------------------------------------- */

static void uncached_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(12000000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie = NULL;
	struct netfs_read *req;

	w->net.read_max = 20000 + sim_random(600000);
	if (sim_chance(2)) { /* one that isn't in use */
		world_open(w);
		cookie = acquire(w, file);
	}
	if (sim_chance(2))
		file->zero_from = sim_random((uint32_t)size);
	req = lent_read(file, cookie, sim_random(9000) % size, (size_t)size, sim_chance(2));
	CHECK(req->ret > 0);
	netfs_read_free(req);
	fsc_cookie_relinquish_wait(cookie, false);
	netfs_file_free(file);
}

static void without_a_cache_too(void **state)
{
	(void)state;
	each_seed(40, uncached_scenario);
}

static void no_room_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 2 * MIB);
	struct netfs_read *req[4];
	struct fsc_cookie *cookie;
	size_t most;

	w->params.max_keep_bytes = 512 * KIB;
	world_open(w);
	cookie = acquire_used(w, file);
	for (int i = 0; i < 4; i++)
		req[i] = lent_read(file, cookie, (uint64_t)i * 512 * KIB, 512 * KIB, sim_chance(2));
	most = sim_live_bytes();
	CHECK(most < 2 * MIB + 1024 * KIB); /* what the client has asked for, and little more */
	world_quiet();
	/* What is only lent doesn't count as being kept: there is room for the next. */
	CHECK(fsc_cookie_present(cookie, 0, 2 * MIB) >= 512 * KIB);
	for (int i = 0; i < 4; i++)
		netfs_read_free(req[i]);
	for (int i = 0; i < 4; i++) {
		netfs_read_free(lent_read(file, cookie, (uint64_t)i * 512 * KIB, 512 * KIB, true));
		world_quiet();
	}
	CHECK_EQ(fsc_cookie_present(cookie, 0, 2 * MIB), 2 * MIB);
	drop_used(cookie);
	netfs_file_free(file);
}

static void what_cant_be_kept_is_lent_all_the_same(void **state)
{
	(void)state;
	each_seed(SEEDS, no_room_scenario);
}

static void kept_while_lent_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 * MIB);
	struct netfs_read *req[4];
	struct fsc_cookie *cookie;

	w->params.max_keep_bytes = 256 * KIB;
	world_open(w);
	cookie = acquire_used(w, file);
	/* One after the other, each stored before the next, none given back. */
	for (int i = 0; i < 4; i++) {
		req[i] = lent_read(file, cookie, (uint64_t)i * 256 * KIB, 256 * KIB, sim_chance(2));
		world_quiet();
	}
	CHECK_EQ(fsc_cookie_present(cookie, 0, 1 * MIB), 1 * MIB);
	for (int i = 0; i < 4; i++)
		netfs_read_free(req[i]);
	drop_used(cookie);
	netfs_file_free(file);
}

static void who_keeps_a_buffer_for_long_keeps_nobody_from_storing(void **state)
{
	(void)state;
	each_seed(SEEDS, kept_while_lent_scenario);
}

static void no_memory_scenario(struct world *w)
{
	uint64_t size = 300000 + sim_random(4000000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	cookie = acquire_used(w, file);
	if (sim_chance(2)) {
		netfs_read_all(file, cookie, 0, 200000, 0, false);
		world_quiet();
	}
	sim_fail_alloc(1 + sim_random(20), sim_chance(2));
	req = lent_read(file, cookie, sim_random(5000), (size_t)size, sim_chance(2));
	sim_fail_alloc(0, false);
	CHECK(req->ret == -ENOMEM || req->ret > 0);
	netfs_read_free(req);
	drop_used(cookie);
	netfs_file_free(file);
}

static void without_memory_it_fails_and_nothing_is_left(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, no_memory_scenario);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void changed_scenario(struct world *w)
{
	uint64_t size = 100000 + sim_random(600000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct netfs_read *req[6];
	struct fsc_cookie *cookie;

	w->backend.short_one_in = sim_random(10);
	world_open(w);
	cookie = acquire_used(w, file);
	if (sim_chance(2)) {
		CHECK_EQ(read_whole(file, cookie, false), size);
		world_quiet();
	}
	for (int i = 0; i < 6; i++) {
		req[i] = netfs_read_new(file, cookie, sim_random((uint32_t)size), 200000, 0);
		netfs_read_lend(req[i]);
		netfs_read_start(req[i]);
		if (sim_chance(2))
			sim_sleep_us(sim_random(1500));
		if (sim_chance(3)) {
			netfs_file_change(file, size);
			invalidate(cookie, file, NULL);
		}
	}
	for (int i = 0; i < 6; i++) {
		netfs_read_join(req[i]);
		netfs_read_check(req[i]);
		CHECK(req[i]->ret > 0);
	}
	world_quiet();
	for (int i = 0; i < 6; i++)
		netfs_read_free(req[i]);
	CHECK_EQ(read_whole(file, cookie, false), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void an_invalidation_lends_nothing_old_and_changes_nothing_lent(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, changed_scenario);
}

static void errors_scenario(struct world *w)
{
	uint64_t size = 100000 + sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	uint32_t one_in = 3;

	world_open(w);
	w->net.read_max = 20000;
	cookie = acquire_used(w, file);
	for (int i = 0; i < 6; i++) {
		struct netfs_read *req;

		w->net.error_one_in = sim_random(30);
		simstore_set_fault(w->store, sim_chance(2) ? random_fault : NULL, &one_in);
		req = lent_read(file, cookie, sim_random((uint32_t)size), 300000, sim_chance(2));
		CHECK(req->ret > 0 || (req->ret == -EIO && !req->read.lent));
		netfs_read_free(req);
		world_quiet();
	}
	simstore_set_fault(w->store, NULL, NULL);
	drop_used(cookie);
	netfs_file_free(file);
}

static void after_an_error_nothing_is_lent(void **state)
{
	(void)state;
	each_seed(SEEDS, errors_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lent_is_the_servers_and_is_kept),
		cmocka_unit_test(readers_at_once_are_lent_one_buffer),
		cmocka_unit_test(any_range_is_lent_and_stays_as_it_is),
		cmocka_unit_test(without_a_cache_too),
		cmocka_unit_test(what_cant_be_kept_is_lent_all_the_same),
		cmocka_unit_test(who_keeps_a_buffer_for_long_keeps_nobody_from_storing),
		cmocka_unit_test(without_memory_it_fails_and_nothing_is_left),
		cmocka_unit_test(an_invalidation_lends_nothing_old_and_changes_nothing_lent),
		cmocka_unit_test(after_an_error_nothing_is_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
