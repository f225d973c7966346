// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read.c - read requests on the simulated platform: cold and warm, any range into any buffer,
 * each byte fetched once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 200

struct reader {
	struct netfs_file *file;
	struct fsc_cookie *cookie;
	bool stop;
};

/* --- Cold, warm, sizes ------------------------------------------------------------------------ */

static void check_cold_then_warm(struct world *w, uint64_t size, bool wait)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie = acquire_used(w, file);
	struct fsc_stats stats;

	CHECK_EQ(read_whole(file, cookie, wait), size);
	CHECK_EQ(w->net.bytes, size);
	world_quiet(); /* until it is stored */
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	/* With and without room in the buffer for the rest of the last granule. */
	CHECK_EQ(read_whole(file, cookie, wait), size);
	CHECK_EQ(netfs_read_all(file, cookie, 0, (size_t)size, 0, wait), size);
	CHECK_EQ(w->net.bytes, size);
	stats = world_stats(w);
	CHECK_EQ(stats.server_read_bytes, size);
	CHECK_EQ(stats.server_reads, w->net.reads);
	CHECK_EQ(stats.cache_read_bytes, 2 * size);
	CHECK_EQ(stats.not_kept_bytes, 0);
	drop_used(cookie);

	world_reopen(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, wait), size);
	CHECK_EQ(w->net.bytes, size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void cold_then_warm(struct world *w)
{
	static const uint64_t sizes[] = { 0, 1, 4095, 4096, 4097, 70000, 256 * KIB, 600 * KIB + 5 };

	world_open(w);
	w->net.read_max = sim_chance(2) ? 0 : 1000 + sim_random(40000);
	check_cold_then_warm(w, sizes[sim_random(8)], sim_chance(2));
}

static void second_read_comes_from_the_cache_for_every_size(void **state)
{
	(void)state;
	each_seed(SEEDS, cold_then_warm);
}

static void uncached_scenario(struct world *w)
{
	uint64_t size = sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	uint64_t pos = sim_random((uint32_t)size + 100), len = sim_random(500000);
	uint64_t want = pos < size ? (len < size - pos ? len : size - pos) : 0;

	w->net.read_max = 3000 + sim_random(60000);
	w->net.short_one_in = sim_random(5);
	CHECK_EQ(netfs_read_all(file, NULL, pos, (size_t)len, sim_random(4096), sim_chance(2)), want);
	CHECK_EQ(w->net.bytes, want);
	CHECK(w->net.max_in_flight <= 32);
	netfs_file_free(file);
}

static void without_a_cookie_it_all_comes_from_the_server(void **state)
{
	(void)state;
	each_seed(SEEDS, uncached_scenario);
}

static void stop_asking_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 2 * MIB);
	bool fails = sim_chance(2);

	w->net.read_max = GRANULE;
	w->net.inline_one_in = 1;
	w->net.error_one_in = fails ? 1 : 0;
	file->real_size = fails ? 2 * MIB : 0;
	CHECK_EQ(netfs_read_all(file, NULL, 0, 2 * MIB, 0, sim_chance(2)), fails ? -EIO : 0);
	CHECK_EQ(w->net.reads, 1);
	netfs_file_free(file);
}

static void after_an_error_or_the_end_nothing_more_is_asked_for(void **state)
{
	(void)state;
	each_seed(20, stop_asking_scenario);
}

static void one_byte_reads_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 9000);
	struct fsc_cookie *cookie;

	world_open(w);
	w->net.read_max = 1;
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, true), 9000);
	CHECK_EQ(w->net.reads, 9000);
	CHECK(w->net.max_in_flight <= 64);
	world_quiet();
	CHECK_EQ(read_whole(file, cookie, true), 9000);
	CHECK_EQ(w->net.reads, 9000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_server_that_gives_one_byte_at_a_time_is_good_enough(void **state)
{
	(void)state;
	each_seed(5, one_byte_reads_scenario);
}

/* --- Ranges, alignment ------------------------------------------------------------------------ */

static void random_ranges_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(1200000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	uint64_t bytes;

	w->backend.short_one_in = sim_random(10);
	world_open(w);
	w->net.read_max = 2000 + sim_random(100000);
	w->net.short_one_in = sim_random(4);
	cookie = acquire_used(w, file);
	for (int i = 0; i < 15; i++) {
		uint64_t pos = sim_random((uint32_t)size + 50);
		uint64_t len = sim_random(sim_chance(2) ? 10000 : 700000);
		size_t misalign = sim_random(4096);

		if (sim_chance(2)) {
			pos = pos / GRANULE * GRANULE;
			len = rounded(len);
			misalign = 0;
		}
		CHECK(netfs_read_all(file, cookie, pos, (size_t)len, misalign, sim_chance(2)) >= 0);
		if (sim_chance(3))
			world_quiet();
	}
	CHECK(read_whole(file, cookie, false) == (int64_t)size);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	bytes = w->net.bytes;
	CHECK(bytes <= world_stats(w).server_read_bytes);
	CHECK(netfs_read_all(file, cookie, size / 3, (size_t)size, 1, false) >= 0);
	CHECK_EQ(w->net.bytes, bytes);
	drop_used(cookie);
	netfs_file_free(file);
}

static void any_range_into_any_buffer_gets_the_servers_bytes(void **state)
{
	(void)state;
	each_seed(SEEDS, random_ranges_scenario);
}

static void holes_scenario(struct world *w)
{
	uint64_t size = 800 * KIB;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	for (uint64_t pos = 0; pos < size; pos += 5 * GRANULE)
		CHECK_EQ(netfs_read_all(file, cookie, pos, 2 * GRANULE, 0, false), 2 * GRANULE);
	world_quiet();
	CHECK_EQ(w->net.bytes, 40 * 2 * GRANULE);
	/* More parts than go in one round; what is present isn't fetched again. */
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	CHECK_EQ(w->net.bytes, size);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void only_what_is_absent_is_fetched(void **state)
{
	(void)state;
	each_seed(SEEDS, holes_scenario);
}

static void edges_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 100000);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(netfs_read_all(file, cookie, 5000, 100, 3, sim_chance(2)), 100);
	CHECK_EQ(w->net.first_pos, 4096);
	CHECK_EQ(w->net.last_end, 8192);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 100000), 4096);
	CHECK_EQ(netfs_read_all(file, cookie, 99000, 5000, 3, sim_chance(2)), 1000);
	CHECK_EQ(w->net.last_end, 100000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_miss_is_rounded_to_granules_and_the_files_end(void **state)
{
	(void)state;
	each_seed(20, edges_scenario);
}

static void zero_file_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 300 * KIB + 1);
	struct fsc_cookie *cookie;
	size_t writes;

	world_open(w);
	file->zeroes = true;
	cookie = acquire_used(w, file);
	writes = simstore_log_count(w->store, SIMOP_WRITE, 0);
	CHECK_EQ(read_whole(file, cookie, false), file->size);
	world_quiet();
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, 0), writes);
	CHECK_EQ(fsc_cookie_present(cookie, 0, file->size), file->size);
	CHECK_EQ(read_whole(file, cookie, false), file->size);
	CHECK_EQ(w->net.bytes, file->size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void zeroes_are_kept_as_holes(void **state)
{
	(void)state;
	each_seed(50, zero_file_scenario);
}

/* --- Joining ---------------------------------------------------------------------------------- */

static void joined_scenario(struct world *w)
{
	uint64_t size = 700 * KIB + 77;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req[6];

	world_open(w);
	cookie = acquire_used(w, file);
	/* Buffers for all, so that it isn't their absence that is tested. */
	CHECK_EQ(netfs_read_all(file, cookie, 0, 1, 0, true), 1);
	w->net.hold = true;
	for (int i = 0; i < 6; i++) {
		req[i] = netfs_read_new(file, cookie, 8192 + sim_random(1000), 500000, 0);
		netfs_read_start(req[i]);
	}
	world_quiet();
	w->net.hold = false;
	netfs_release(&w->net, 0);
	for (int i = 0; i < 6; i++) {
		netfs_read_join(req[i]);
		netfs_read_check(req[i]);
		CHECK_EQ(req[i]->ret, 500000);
		netfs_read_free(req[i]);
	}
	CHECK(w->net.bytes <= 4096 + rounded(501000));
	CHECK(world_stats(w).joined_reads >= 5);
	world_quiet();
	CHECK(fsc_cookie_present(cookie, 0, size) >= 500000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void two_misses_on_one_range_are_one_download(void **state)
{
	(void)state;
	each_seed(SEEDS, joined_scenario);
}

static void many_reads_main(void *arg)
{
	struct reader *r = arg;

	for (int i = 0; i < 12; i++) {
		uint32_t size = (uint32_t)r->file->size;

		CHECK(netfs_read_all(r->file, r->cookie, sim_random(size), sim_random(size / 2),
				     sim_random(2) * 100, sim_chance(2)) >= 0);
		sim_sleep_us(sim_random(1000));
	}
}

static void once_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 + sim_random(400000));
	struct reader r = { .file = file };
	sim_task_id task[4];

	world_open(w);
	w->net.read_max = 1000 + sim_random(100000);
	w->net.short_one_in = sim_random(5);
	r.cookie = acquire_used(w, file);
	for (int i = 0; i < 4; i++)
		task[i] = sim_spawn(many_reads_main, &r);
	for (int i = 0; i < 4; i++)
		sim_join(task[i]);
	/* Not those that are being stored either, nor those stored since somebody looked. */
	CHECK(w->net.bytes <= file->size);
	drop_used(r.cookie);
	netfs_file_free(file);
}

static void no_byte_is_fetched_twice_by_reads_side_by_side(void **state)
{
	(void)state;
	each_seed(SEEDS, once_scenario);
	each_seed_jumping(SEEDS, once_scenario);
}

static void failing_leader_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 100 * KIB);
	struct fsc_cookie *cookie;
	struct netfs_read *req[3];

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.hold = true;
	for (int i = 0; i < 3; i++) {
		req[i] = netfs_read_new(file, cookie, 0, 50000, 0);
		netfs_read_start(req[i]);
		world_quiet();
	}
	CHECK_EQ(world_stats(w).joined_reads, 2);
	w->net.hold = false;
	netfs_release(&w->net, -ENETDOWN);
	for (int i = 0; i < 3; i++) {
		netfs_read_join(req[i]);
		netfs_read_check(req[i]);
		CHECK_EQ(req[i]->ret, i == 0 ? -ENETDOWN : 50000);
		netfs_read_free(req[i]);
	}
	world_quiet();
	CHECK(fsc_cookie_present(cookie, 0, 50000) == 50000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void the_leaders_error_is_the_leaders_only(void **state)
{
	(void)state;
	each_seed(SEEDS, failing_leader_scenario);
}

static void not_joined_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 100 * KIB);
	struct fsc_cookie *cookie;
	struct netfs_read *old, *new;

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.hold = true;
	old = netfs_read_new(file, cookie, 0, 50000, 0);
	netfs_read_start(old);
	world_quiet();
	netfs_file_change(file, 100 * KIB);
	invalidate(cookie, file, NULL);
	if (sim_chance(2))
		world_quiet();
	new = netfs_read_new(file, cookie, 0, 50000, 0);
	netfs_read_start(new);
	world_quiet();
	CHECK_EQ(world_stats(w).joined_reads, 0);
	w->net.hold = false;
	netfs_release(&w->net, 0);
	netfs_read_join(old);
	netfs_read_join(new);
	netfs_read_check(old);
	netfs_read_check(new);
	netfs_read_free(old);
	netfs_read_free(new);
	world_quiet();
	CHECK_EQ(read_whole(file, cookie, false), 100 * KIB);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_read_after_invalidate_joins_no_older_download(void **state)
{
	(void)state;
	each_seed(SEEDS, not_joined_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_read_comes_from_the_cache_for_every_size),
		cmocka_unit_test(without_a_cookie_it_all_comes_from_the_server),
		cmocka_unit_test(after_an_error_or_the_end_nothing_more_is_asked_for),
		cmocka_unit_test(a_server_that_gives_one_byte_at_a_time_is_good_enough),
		cmocka_unit_test(any_range_into_any_buffer_gets_the_servers_bytes),
		cmocka_unit_test(only_what_is_absent_is_fetched),
		cmocka_unit_test(a_miss_is_rounded_to_granules_and_the_files_end),
		cmocka_unit_test(zeroes_are_kept_as_holes),
		cmocka_unit_test(two_misses_on_one_range_are_one_download),
		cmocka_unit_test(no_byte_is_fetched_twice_by_reads_side_by_side),
		cmocka_unit_test(the_leaders_error_is_the_leaders_only),
		cmocka_unit_test(a_read_after_invalidate_joins_no_older_download),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
