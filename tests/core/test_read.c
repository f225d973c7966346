// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read.c - read requests on the simulated platform: whatever is cached, late, short, wrong or
 * missing, the bytes are those that the server has, each miss is fetched once, and nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GRANULE 4096ull
#define CHUNK (256 * KIB)
#define SEEDS 200

static uint64_t rounded(uint64_t size)
{
	return (size + GRANULE - 1) / GRANULE * GRANULE;
}

/* A read of the whole file into a buffer with room for its last granule. */
static int64_t read_whole(struct netfs_file *file, struct fsc_cookie *cookie, bool wait)
{
	return netfs_read_all(file, cookie, 0, (size_t)rounded(file->size), 0, wait);
}

/* --- Cold, warm, sizes --------------------------------------------------------------------------- */

static void check_cold_then_warm(struct world *w, uint64_t size, bool wait)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie = acquire_used(w, file);
	struct fsc_stats stats;

	CHECK_EQ(read_whole(file, cookie, wait), size);
	CHECK_EQ(w->net.bytes, size);
	world_quiet(); /* until it is stored */
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	CHECK_EQ(read_whole(file, cookie, wait), size);
	CHECK_EQ(w->net.bytes, size);
	stats = world_stats(w);
	CHECK_EQ(stats.server_read_bytes, size);
	CHECK_EQ(stats.server_reads, w->net.reads);
	CHECK_EQ(stats.cache_read_bytes, size);
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

/* --- Ranges, alignment ----------------------------------------------------------------------------- */

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

/* --- Joining ---------------------------------------------------------------------------------------- */

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

/* --- The server's faults ------------------------------------------------------------------------------ */

static void early_end_scenario(struct world *w)
{
	uint64_t size = 10000 + sim_random(600000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	uint64_t bytes;

	world_open(w);
	cookie = acquire_used(w, file);
	if (sim_chance(2)) { /* something is there, before the end */
		netfs_read_all(file, cookie, 0, 4096, 0, false);
		world_quiet();
	}
	w->net.read_max = 3000 + sim_random(100000);
	file->real_size = sim_random((uint32_t)size - 4096) / 2;
	if (file->real_size < 4096)
		file->real_size = 4096;
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), file->real_size);
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), 0);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), 0);
	bytes = w->net.bytes;
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), file->real_size);
	CHECK_EQ(w->net.bytes - bytes, file->real_size);
	drop_used(cookie);
	/* Nor is anything of it there in another session. */
	file->real_size = size;
	bytes = w->net.bytes;
	world_reopen(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, false), size);
	CHECK_EQ(w->net.bytes - bytes, size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_file_that_ends_early_is_read_short_and_not_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, early_end_scenario);
}

static void server_error_scenario(struct world *w)
{
	uint64_t size = 900 * KIB;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	int64_t ret;

	world_open(w);
	w->net.read_max = 4096 + sim_random(100000);
	w->net.error_one_in = 2 + sim_random(30);
	w->net.error = -EACCES;
	cookie = acquire_used(w, file);
	for (int i = 0; i < 4; i++) {
		uint64_t errors = w->net.errors;

		ret = read_whole(file, cookie, sim_chance(2));
		CHECK(ret == (w->net.errors != errors ? -EACCES : (int64_t)size));
		world_quiet();
	}
	w->net.error_one_in = 0;
	CHECK_EQ(read_whole(file, cookie, false), size);
	/* What came well was kept although its request failed. */
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	CHECK(w->net.bytes <= 4 * size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_server_error_ends_the_read_and_what_came_well_is_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, server_error_scenario);
}

static void kept_prefix_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 900 * KIB);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(netfs_read_all(file, cookie, 0, 300 * KIB, 0, true), 300 * KIB);
	world_quiet();
	w->net.hold = true;
	req = netfs_read_new(file, cookie, 300 * KIB, 600 * KIB, 0);
	netfs_read_start(req);
	world_quiet();
	w->net.hold = false;
	netfs_release(&w->net, -EIO);
	netfs_read_join(req);
	CHECK_EQ(req->ret, -EIO);
	netfs_read_free(req);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 900 * KIB), 300 * KIB);
	CHECK_EQ(read_whole(file, cookie, false), 900 * KIB);
	drop_used(cookie);
	netfs_file_free(file);
}

static void an_error_beats_bytes_and_keeps_nothing_of_itself(void **state)
{
	(void)state;
	each_seed(50, kept_prefix_scenario);
}

/* --- The cache's faults -------------------------------------------------------------------------------- */

static int random_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	(void)ino;
	(void)name;
	if (op == SIMOP_CLOSE || op == SIMOP_FILE_CLOSE)
		return 0;
	return sim_chance(*(uint32_t *)arg) ? -EIO : 0;
}

static void cache_faults_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(700000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	uint32_t one_in = 2 + sim_random(20);

	w->params.max_errors = 1 + sim_random(50);
	w->backend.short_one_in = sim_random(6);
	world_open(w);
	simstore_set_fault(w->store, random_fault, &one_in);
	for (int i = 0; i < 6; i++) {
		cookie = acquire(w, file);
		fsc_cookie_use(cookie, false);
		for (int j = 0; j < 3; j++) {
			CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
			if (sim_chance(2))
				world_quiet();
		}
		if (sim_chance(3)) {
			netfs_file_change(file, size);
			invalidate(cookie, file, NULL);
			CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
		}
		drop_used(cookie);
	}
	simstore_set_fault(w->store, NULL, NULL);
	netfs_file_free(file);
}

static void no_failure_of_the_cache_reaches_the_client(void **state)
{
	(void)state;
	each_seed(SEEDS, cache_faults_scenario);
}

static void failed_read_scenario(struct world *w)
{
	uint64_t size = 64 * KIB;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, false), size);
	world_quiet();
	simstore_fail(w->store, SIMOP_READ, 0, 1, -EIO);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	CHECK_EQ(w->net.bytes, 2 * size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_failed_cache_read_is_read_from_the_server(void **state)
{
	(void)state;
	each_seed(SEEDS, failed_read_scenario);
}

static void withdrawn_scenario(struct world *w)
{
	uint64_t size = 400 * KIB + 9;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req[4];

	world_open(w);
	cookie = acquire_used(w, file);
	if (sim_chance(2))
		read_whole(file, cookie, false);
	for (int i = 0; i < 4; i++) {
		req[i] = netfs_read_new(file, cookie, sim_random((uint32_t)size), 100000, 0);
		netfs_read_start(req[i]);
	}
	fsc_cache_withdraw(w->cache);
	for (int i = 0; i < 4; i++) {
		netfs_read_join(req[i]);
		CHECK(req[i]->ret >= 0);
		netfs_read_check(req[i]);
		netfs_read_free(req[i]);
	}
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), 0);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_withdrawn_cache_leaves_reads_working(void **state)
{
	(void)state;
	each_seed(SEEDS, withdrawn_scenario);
}

static void no_buffers_scenario(struct world *w)
{
	uint64_t size = 300 * KIB + 1;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;

	w->params.max_keep_bytes = 1; /* not even one buffer */
	world_open(w);
	w->net.read_max = 2000 + sim_random(100000);
	cookie = acquire_used(w, file);
	CHECK_EQ(netfs_read_all(file, cookie, 1001, 30000, 0, sim_chance(2)), 30000);
	CHECK_EQ(w->net.bytes, 30000); /* what was wanted, no more */
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), 0);
	CHECK_EQ(world_stats(w).not_kept_bytes, 30000 + size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void without_buffers_reads_go_straight_to_the_client(void **state)
{
	(void)state;
	each_seed(SEEDS, no_buffers_scenario);
}

static void few_buffers_scenario(struct world *w)
{
	uint64_t size = 2 * MIB;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req[4];
	uint64_t kept;

	w->params.max_keep_bytes = 512 * KIB;
	world_open(w);
	cookie = acquire_used(w, file);
	for (int i = 0; i < 4; i++) {
		req[i] = netfs_read_new(file, cookie, i * 512 * KIB, 512 * KIB, 0);
		netfs_read_start(req[i]);
	}
	for (int i = 0; i < 4; i++) {
		netfs_read_join(req[i]);
		CHECK_EQ(req[i]->ret, 512 * KIB);
		netfs_read_check(req[i]);
		netfs_read_free(req[i]);
	}
	world_quiet();
	CHECK_EQ(w->net.bytes, size);
	kept = fsc_cookie_present(cookie, 0, size);
	CHECK(kept >= 256 * KIB);
	CHECK_EQ(world_stats(w).not_kept_bytes, size - kept);
	drop_used(cookie);
	netfs_file_free(file);
}

static void with_few_buffers_what_finds_none_is_not_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, few_buffers_scenario);
}

/* --- Changes ------------------------------------------------------------------------------------------- */

static uint32_t events_told;

static void event_told(struct fsc_event *ev)
{
	(void)ev;
	events_told++;
}

struct reader {
	struct netfs_file *file;
	struct fsc_cookie *cookie;
	bool stop;
};

static void reader_main(void *arg)
{
	struct reader *r = arg;

	while (!r->stop) {
		struct netfs_read *req = netfs_read_new(r->file, r->cookie,
							sim_random((uint32_t)r->file->size),
							sim_random(300000), sim_random(2) * 100);

		netfs_read_run(req, sim_chance(2));
		CHECK(req->ret >= 0);
		netfs_read_check(req);
		netfs_read_free(req);
		sim_sleep_us(1 + sim_random(300)); /* time only passes when nobody can run */
	}
}

/* Versions of one size: a reader's file_size is as old as its start. */
static void changes_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct reader r = { .file = file };
	sim_task_id readers[3];
	struct fsc_event events[8];

	world_open(w);
	w->net.short_one_in = sim_random(4);
	r.cookie = acquire_used(w, file);
	events_told = 0;
	for (int i = 0; i < 3; i++)
		readers[i] = sim_spawn(reader_main, &r);
	for (int i = 0; i < 8; i++) {
		sim_sleep_us(sim_random(10000));
		netfs_file_change(file, size);
		events[i].fn = event_told;
		invalidate(r.cookie, file, &events[i]);
		/* From here no read may see what was before. Sometimes two in a row. */
	}
	r.stop = true;
	for (int i = 0; i < 3; i++)
		sim_join(readers[i]);
	world_quiet();
	CHECK_EQ(events_told, 8);
	CHECK_EQ(read_whole(file, r.cookie, false), size);
	drop_used(r.cookie);
	/* What was kept is of the last version. */
	world_reopen(w);
	r.cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, r.cookie, false), size);
	drop_used(r.cookie);
	netfs_file_free(file);
}

static void no_read_begun_after_invalidate_sees_old_bytes(void **state)
{
	(void)state;
	each_seed(SEEDS, changes_scenario);
}

static void keep_after_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 50000);
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params params;
	struct fsc_cookie *cookie;

	world_open(w);
	sim_sleep_ms(1000);
	params = netfs_params(file, key, coherency);
	params.keep_after_ms = fsc_clock_ms() + 100;
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), 0);
	fsc_cookie_use_wait(cookie, false);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), 50000);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 50000), 0);
	CHECK_EQ(world_stats(w).not_kept_bytes, 50000);
	sim_sleep_ms(100);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), 50000);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 50000), 50000);
	CHECK_EQ(w->net.bytes, 100000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void what_was_sent_too_early_is_delivered_but_not_kept(void **state)
{
	(void)state;
	each_seed(50, keep_after_scenario);
}

static void late_keep_after_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 50000);
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params params;
	struct fsc_cookie *cookie, *second;
	struct netfs_read *req;

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.hold = true;
	req = netfs_read_new(file, cookie, 0, 50000, 0);
	netfs_read_start(req);
	world_quiet();
	sim_sleep_ms(5);
	params = netfs_params(file, key, coherency);
	params.keep_after_ms = fsc_clock_ms();
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &second), 0);
	w->net.hold = false;
	netfs_release(&w->net, 0);
	netfs_read_join(req);
	CHECK_EQ(req->ret, 50000);
	netfs_read_free(req);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 50000), 0);
	fsc_cookie_relinquish(second, false);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_later_keep_after_counts_for_downloads_under_way(void **state)
{
	(void)state;
	each_seed(50, late_keep_after_scenario);
}

static void other_size_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 10000);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	/* The client believes in less than the cookie was acquired with. */
	file->size = 9000;
	CHECK_EQ(netfs_read_all(file, cookie, 0, 12288, 0, sim_chance(2)), 9000);
	world_quiet();
	file->size = 10000;
	CHECK_EQ(fsc_cookie_present(cookie, 0, 10000), 0);
	CHECK_EQ(netfs_read_all(file, cookie, 0, 12288, 0, sim_chance(2)), 10000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_read_with_another_file_size_goes_past_the_cache(void **state)
{
	(void)state;
	each_seed(50, other_size_scenario);
}

/* --- Look-ups ------------------------------------------------------------------------------------------- */

static void during_look_up_scenario(struct world *w)
{
	uint64_t size = 100000;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req[3];

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, true), size);
	drop_used(cookie);
	CHECK_EQ(w->net.bytes, size);
	cookie = acquire(w, file);
	fsc_cookie_use(cookie, false);
	for (int i = 0; i < 3; i++) {
		req[i] = netfs_read_new(file, cookie, 0, 100000, 0);
		if (i < 2)
			netfs_read_start(req[i]);
		else
			netfs_read_run(req[i], true);
	}
	for (int i = 0; i < 3; i++) {
		netfs_read_join(req[i]);
		netfs_read_check(req[i]);
		netfs_read_free(req[i]);
	}
	CHECK_EQ(w->net.bytes, size); /* all of them waited for it */
	drop_used(cookie);
	netfs_file_free(file);
}

static void reads_wait_for_a_look_up(void **state)
{
	(void)state;
	each_seed(SEEDS, during_look_up_scenario);
}

static int slow_open(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	(void)ino;
	(void)name;
	if (op == SIMOP_FILE_OPEN)
		sim_sleep_ms(*(uint32_t *)arg);
	return 0;
}

static void slow_look_up_scenario(struct world *w)
{
	uint32_t slow_ms = 3000;
	struct netfs_file *file = netfs_file_new(&w->net, 7, 100000);
	struct fsc_cookie *cookie;
	struct netfs_read *req;
	uint64_t begun, took;

	world_open(w);
	simstore_set_fault(w->store, slow_open, &slow_ms);
	cookie = acquire(w, file);
	fsc_cookie_use(cookie, false);
	begun = fsc_clock_ms();
	req = netfs_read_new(file, cookie, 0, 100000, 0);
	netfs_read_run(req, sim_chance(2));
	netfs_read_check(req);
	CHECK_EQ(req->ret, 100000);
	netfs_read_free(req);
	took = fsc_clock_ms() - begun;
	CHECK(took >= 1000 && took < 1200);
	drop_used(cookie);
	CHECK(fsc_clock_ms() - begun >= 3000);
	simstore_set_fault(w->store, NULL, NULL);
	netfs_file_free(file);
}

static void a_slow_look_up_delays_a_read_by_a_second_at_most(void **state)
{
	(void)state;
	each_seed(SEEDS, slow_look_up_scenario);
}

/* --- All at once ------------------------------------------------------------------------------------------ */

struct mix {
	struct world *w;
	struct netfs_file *file[3];
	bool stop;
};

static void mix_one(struct mix *m)
{
	struct netfs_file *file = m->file[sim_random(3)];
	struct fsc_cookie *cookie = NULL;

	if (try_acquire(m->w, file, &cookie))
		cookie = NULL; /* in use with older data */
	if (sim_chance(2))
		fsc_cookie_use_wait(cookie, false);
	else
		fsc_cookie_use(cookie, false);
	for (uint32_t i = sim_random(4); i > 0; i--) {
		struct netfs_read *req = netfs_read_new(file, cookie, sim_random(200000),
							sim_random(200000), sim_random(2) * 8);

		netfs_read_run(req, sim_chance(2));
		netfs_read_check(req);
		netfs_read_free(req);
		if (cookie && sim_chance(8)) {
			netfs_file_change(file, file->size);
			invalidate(cookie, file, NULL);
		}
	}
	fsc_cookie_unuse(cookie);
	if (sim_chance(2))
		fsc_cookie_relinquish(cookie, sim_chance(10));
	else
		fsc_cookie_relinquish_wait(cookie, sim_chance(10));
}

static void mix_main(void *arg)
{
	struct mix *m = arg;

	for (int i = 0; i < 10; i++)
		mix_one(m);
}

static void mix_scenario(struct world *w)
{
	struct mix m = { .w = w };
	sim_task_id task[4];
	uint32_t one_in = 20 + sim_random(100);

	w->backend.max_files = sim_chance(2) ? 2 : 0;
	w->params.max_keep_bytes = sim_chance(2) ? 600000 : 0;
	w->params.max_errors = 1000000;
	world_open(w);
	if (sim_chance(3))
		simstore_set_fault(w->store, random_fault, &one_in);
	w->net.short_one_in = sim_random(6);
	w->net.read_max = sim_chance(2) ? 0 : 1000 + sim_random(50000);
	for (uint32_t i = 0; i < 3; i++)
		m.file[i] = netfs_file_new(&w->net, i + 1, sim_random(300000));
	for (int i = 0; i < 4; i++)
		task[i] = sim_spawn(mix_main, &m);
	for (int i = 0; i < 4; i++)
		sim_join(task[i]);
	simstore_set_fault(w->store, NULL, NULL);
	world_close(w);
	for (int i = 0; i < 3; i++)
		netfs_file_free(m.file[i]);
}

static void clients_that_do_everything_at_once_never_get_a_wrong_byte(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, mix_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_read_comes_from_the_cache_for_every_size),
		cmocka_unit_test(without_a_cookie_it_all_comes_from_the_server),
		cmocka_unit_test(a_server_that_gives_one_byte_at_a_time_is_good_enough),
		cmocka_unit_test(any_range_into_any_buffer_gets_the_servers_bytes),
		cmocka_unit_test(only_what_is_absent_is_fetched),
		cmocka_unit_test(a_miss_is_rounded_to_granules_and_the_files_end),
		cmocka_unit_test(zeroes_are_kept_as_holes),
		cmocka_unit_test(two_misses_on_one_range_are_one_download),
		cmocka_unit_test(the_leaders_error_is_the_leaders_only),
		cmocka_unit_test(a_read_after_invalidate_joins_no_older_download),
		cmocka_unit_test(a_file_that_ends_early_is_read_short_and_not_kept),
		cmocka_unit_test(a_server_error_ends_the_read_and_what_came_well_is_kept),
		cmocka_unit_test(an_error_beats_bytes_and_keeps_nothing_of_itself),
		cmocka_unit_test(no_failure_of_the_cache_reaches_the_client),
		cmocka_unit_test(a_failed_cache_read_is_read_from_the_server),
		cmocka_unit_test(a_withdrawn_cache_leaves_reads_working),
		cmocka_unit_test(without_buffers_reads_go_straight_to_the_client),
		cmocka_unit_test(with_few_buffers_what_finds_none_is_not_kept),
		cmocka_unit_test(no_read_begun_after_invalidate_sees_old_bytes),
		cmocka_unit_test(what_was_sent_too_early_is_delivered_but_not_kept),
		cmocka_unit_test(a_later_keep_after_counts_for_downloads_under_way),
		cmocka_unit_test(a_read_with_another_file_size_goes_past_the_cache),
		cmocka_unit_test(reads_wait_for_a_look_up),
		cmocka_unit_test(a_slow_look_up_delays_a_read_by_a_second_at_most),
		cmocka_unit_test(clients_that_do_everything_at_once_never_get_a_wrong_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
