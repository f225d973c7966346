// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_faults.c - reads when the server or the cache fails, answers short, lies about a file's
 * size or has no room: the client gets the server's bytes or the server's error, and nothing wrong
 * is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 200

/* --- The server's faults ---------------------------------------------------------------------- */

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
	w->net.short_one_in = sim_random(4);
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
	CHECK_EQ(read_whole(file, cookie, false), size);
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

/* --- The cache's faults ----------------------------------------------------------------------- */

static void cache_faults_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(300000);
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

static void failed_store_scenario(struct world *w)
{
	uint64_t size = 64 * KIB + 1;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	simstore_fail(w->store, SIMOP_WRITE, 0, 1, -EIO);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), 0);
	CHECK_EQ(world_stats(w).not_kept_bytes, size);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_failed_store_is_counted_and_tells_nobody(void **state)
{
	(void)state;
	each_seed(50, failed_store_scenario);
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
	/* The buffers come back. */
	for (int i = 0; i < 8; i++) {
		CHECK_EQ(read_whole(file, cookie, sim_chance(2)), size);
		world_quiet();
	}
	CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void with_few_buffers_what_finds_none_is_not_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, few_buffers_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_ends_early_is_read_short_and_not_kept),
		cmocka_unit_test(a_server_error_ends_the_read_and_what_came_well_is_kept),
		cmocka_unit_test(an_error_beats_bytes_and_keeps_nothing_of_itself),
		cmocka_unit_test(no_failure_of_the_cache_reaches_the_client),
		cmocka_unit_test(a_failed_cache_read_is_read_from_the_server),
		cmocka_unit_test(a_failed_store_is_counted_and_tells_nobody),
		cmocka_unit_test(a_withdrawn_cache_leaves_reads_working),
		cmocka_unit_test(without_buffers_reads_go_straight_to_the_client),
		cmocka_unit_test(with_few_buffers_what_finds_none_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
