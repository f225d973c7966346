// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_cancel.c - reads that are told to end: wherever they are, once, and at nobody else's
 * cost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 300

static void cancel_anywhere(void *arg)
{
	struct netfs_read *req = arg;

	if (!req->over)
		fsc_read_cancel(&req->read);
}

static void cancel(struct netfs_read *req)
{
	if (sim_chance(2))
		sim_in_irq(cancel_anywhere, req);
	else
		cancel_anywhere(req);
}

static struct netfs_read *new_read(struct netfs_file *file, struct fsc_cookie *cookie)
{
	struct netfs_read *req = netfs_read_new(file, cookie, sim_random((uint32_t)file->size),
						1 + sim_random(700000), sim_random(2) * 100);
	uint32_t what = sim_random(5);

	if (what == 0)
		netfs_read_lend(req);
	else if (what == 1)
		netfs_read_prefetch(req);
	else if (what == 2)
		netfs_read_split(req, 1 + sim_random(100000));
	return req;
}

/* --- At any moment ---------------------------------------------------------------------------- */

static void wait_in_task(void *arg)
{
	netfs_read_run(arg, true);
}

static void anywhere_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 600 * KIB + 77);
	struct fsc_cookie *cookie;

	w->backend.short_one_in = sim_random(10);
	w->params.max_keep_bytes = sim_chance(3) ? 256 * KIB : 0;
	world_open(w);
	w->net.more = sim_chance(3) ? false : true;
	w->net.deaf_one_in = sim_random(4);
	w->net.read_max = 2000 + sim_random(200000);
	w->net.error_one_in = sim_chance(3) ? 10 : 0;
	cookie = sim_chance(8) ? NULL : acquire(w, file);
	fsc_cookie_use(cookie, false); /* perhaps still being looked up */
	for (int i = 0; i < 6; i++) {
		struct netfs_read *req = new_read(file, cookie);
		sim_task_id task = 0;

		if (sim_chance(2))
			task = sim_spawn(wait_in_task, req);
		else
			netfs_read_start(req);
		if (sim_chance(2))
			sim_sleep_us(sim_random(3000));
		if (!task || req->read.priv.state) /* started, for certain */
			cancel(req);
		if (sim_chance(3))
			cancel(req);
		if (task)
			sim_join(task);
		netfs_read_join(req);
		CHECK(req->ret >= 0 || req->ret == -ECANCELED || req->ret == -EIO);
		if (req->ret >= 0)
			netfs_read_check(req);
		netfs_read_free(req);
	}
	w->net.error_one_in = 0;
	world_quiet();
	CHECK_EQ(read_whole(file, cookie, false), file->size);
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void wherever_it_is_a_read_ends_once(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, anywhere_scenario);
}

/* --- What ends -------------------------------------------------------------------------------- */

static void server_reads_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 2 * MIB);
	struct fsc_cookie *cookie = NULL;
	struct netfs_read *req;

	if (sim_chance(3)) {
		world_open(w);
		cookie = acquire_used(w, file);
	}
	w->net.more = true;
	w->net.hold = true; /* the server never answers */
	w->net.read_max = 100 * KIB;
	req = netfs_read_new(file, cookie, 0, 2 * MIB, 0);
	netfs_read_start(req);
	world_quiet();
	CHECK(w->net.in_flight > 8);
	cancel(req);
	netfs_read_join(req);
	CHECK_EQ(req->ret, -ECANCELED);
	CHECK(w->net.cancels > 8);
	world_quiet();
	CHECK_EQ(w->net.in_flight, 0);
	netfs_read_free(req);
	netfs_release(&w->net, 0);
	w->net.hold = false;
	CHECK_EQ(read_whole(file, cookie, false), 2 * MIB);
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void its_server_reads_are_told_to_end(void **state)
{
	(void)state;
	each_seed(SEEDS, server_reads_scenario);
}

static void deaf_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 2 * MIB);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.more = sim_chance(2);
	w->net.deaf_one_in = 1;
	w->net.hold = true;
	w->net.read_max = 16 * KIB;
	req = netfs_read_new(file, cookie, 0, 256 * KIB, 0);
	netfs_read_start(req);
	world_quiet();
	cancel(req);
	/* Whoever waited for the download doesn't wait any more, and what was sent goes on. */
	netfs_read_join(req);
	CHECK_EQ(req->ret, -ECANCELED);
	CHECK_EQ(w->net.in_flight, 16);
	netfs_read_free(req);
	w->net.hold = false;
	netfs_release(&w->net, 0);
	world_quiet();
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_client_that_cant_end_a_read_is_not_waited_for(void **state)
{
	(void)state;
	each_seed(SEEDS, deaf_scenario);
}

static void nothing_more_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 8 * MIB);
	struct netfs_read *req;
	uint64_t issued;

	w->net.hold = true;
	w->net.read_max = 16 * KIB;
	req = netfs_read_new(file, NULL, 0, 8 * MIB, 0);
	netfs_read_start(req);
	issued = w->net.issued;
	CHECK(issued < 100);
	cancel(req);
	w->net.hold = false;
	netfs_release(&w->net, 0); /* there was nobody to tell */
	netfs_read_join(req);
	CHECK_EQ(req->ret, -ECANCELED);
	CHECK_EQ(w->net.issued, issued);
	netfs_read_free(req);
	netfs_file_free(file);
}

static void nothing_more_is_sent(void **state)
{
	(void)state;
	each_seed(20, nothing_more_scenario);
}

/* --- What goes on ----------------------------------------------------------------------------- */

static void shared_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 256 * KIB);
	struct netfs_read *leader, *follower, *other;
	struct fsc_cookie *cookie;
	bool first = sim_chance(2);

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.more = true;
	w->net.hold = true;
	leader = netfs_read_new(file, cookie, 0, 256 * KIB, 0);
	follower = netfs_read_new(file, cookie, 5000, 100000, 3);
	netfs_read_start(leader);
	world_quiet();
	netfs_read_start(follower);
	world_quiet();
	other = first ? follower : leader;
	cancel(first ? leader : follower);
	netfs_read_join(first ? leader : follower);
	CHECK_EQ((first ? leader : follower)->ret, -ECANCELED);
	CHECK_EQ(w->net.cancels, 0);
	CHECK(!other->over);
	w->net.hold = false;
	CHECK_EQ(netfs_release(&w->net, 0), 1);
	netfs_read_join(other);
	netfs_read_check(other);
	CHECK(other->ret > 0);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, 256 * KIB), 256 * KIB);
	netfs_read_free(leader);
	netfs_read_free(follower);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_download_that_others_wait_for_goes_on(void **state)
{
	(void)state;
	each_seed(SEEDS, shared_scenario);
}

static void nearly_there_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 256 * KIB);
	uint32_t nr = sim_random(16);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	cookie = acquire_used(w, file);
	w->net.more = true;
	w->net.hold = true;
	w->net.read_max = 16 * KIB;
	req = netfs_read_new(file, cookie, 0, 256 * KIB, 0);
	netfs_read_start(req);
	world_quiet();
	for (uint32_t i = 0; i < nr; i++)
		netfs_release_first(&w->net);
	cancel(req);
	netfs_read_join(req);
	CHECK_EQ(req->ret, -ECANCELED);
	CHECK_EQ(w->net.cancels, nr >= 8 ? 0 : 16 - nr);
	w->net.hold = false;
	netfs_release(&w->net, 0);
	world_quiet();
	/* What had come is kept in any case. */
	CHECK_EQ(fsc_cookie_present(cookie, 0, 256 * KIB), nr >= 8 ? 256 * KIB : nr * 16 * KIB);
	netfs_read_free(req);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_download_that_is_nearly_there_is_kept(void **state)
{
	(void)state;
	each_seed(SEEDS, nearly_there_scenario);
}

/* --- While it waits --------------------------------------------------------------------------- */

static void hungry_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 2 * MIB);
	struct netfs_read *one, *two;
	struct fsc_cookie *cookie;
	sim_task_id task = 0;

	w->params.max_keep_bytes = 256 * KIB;
	world_open(w);
	cookie = acquire_used(w, file);
	w->net.hold = true;
	one = netfs_read_new(file, cookie, 0, 256 * KIB, 0);
	netfs_read_start(one);
	world_quiet();
	two = netfs_read_new(file, cookie, 1 * MIB, 1 * MIB, 0);
	netfs_read_prefetch(two);
	if (sim_chance(2))
		task = sim_spawn(wait_in_task, two);
	else
		netfs_read_start(two);
	world_quiet();
	CHECK(!two->over); /* waits for a buffer */
	CHECK_EQ(w->net.nr_held, 1);
	if (sim_chance(2)) {
		cancel(two);
		netfs_read_join(two);
		CHECK_EQ(two->ret, -ECANCELED);
	}
	w->net.hold = false;
	netfs_release(&w->net, 0);
	netfs_read_join(one);
	netfs_read_join(two);
	CHECK(two->ret == -ECANCELED || two->ret == 1 * MIB);
	if (task)
		sim_join(task);
	netfs_read_free(one);
	netfs_read_free(two);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_prefetch_that_waits_for_buffers_ends_too(void **state)
{
	(void)state;
	each_seed(SEEDS, hungry_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wherever_it_is_a_read_ends_once),
		cmocka_unit_test(its_server_reads_are_told_to_end),
		cmocka_unit_test(a_client_that_cant_end_a_read_is_not_waited_for),
		cmocka_unit_test(nothing_more_is_sent),
		cmocka_unit_test(a_download_that_others_wait_for_goes_on),
		cmocka_unit_test(a_download_that_is_nearly_there_is_kept),
		cmocka_unit_test(a_prefetch_that_waits_for_buffers_ends_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
