// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_more.c - reads into memory in pieces, of files that end in known zeroes, of clients that
 * know more than their cookie says, and of servers that want to be asked again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

#define SEEDS 200

/* --- In pieces -------------------------------------------------------------------------------- */

static int64_t split_read(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos,
			  size_t len, size_t max)
{
	struct netfs_read *req = netfs_read_new(file, cookie, pos, len, 0);
	int64_t ret;

	netfs_read_split(req, max);
	netfs_read_run(req, sim_chance(2));
	netfs_read_check(req);
	ret = req->ret;
	netfs_read_free(req);
	return ret;
}

static void pieces_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie = NULL;

	w->backend.short_one_in = sim_random(10);
	w->params.max_keep_bytes = sim_chance(3) ? 1 : 0; /* all straight from the server */
	if (!sim_chance(4)) {
		world_open(w);
		cookie = acquire_used(w, file);
	}
	w->net.read_max = 2000 + sim_random(100000);
	w->net.short_one_in = sim_random(4);
	for (int i = 0; i < 10; i++) {
		uint64_t pos = sim_chance(3) ? 0 : sim_random((uint32_t)size + 50);
		size_t len = sim_random(sim_chance(2) ? 10000 : 900000);
		size_t max = sim_chance(2) ? 5000 : 300000;
		uint64_t want = pos < size ? (len < size - pos ? len : size - pos) : 0;

		CHECK_EQ(split_read(file, cookie, pos, len, max), want);
		if (sim_chance(3))
			world_quiet();
	}
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void pieces_get_the_servers_bytes(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, pieces_scenario);
}

static void too_few_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 * MIB);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	world_open(w);
	cookie = sim_chance(2) ? acquire_used(w, file) : NULL;
	req = netfs_read_new(file, cookie, 0, 500000, 0);
	netfs_read_split(req, 50000);
	req->read.nr_iov--;
	netfs_read_run(req, sim_chance(2));
	CHECK_EQ(req->ret, -EINVAL);
	CHECK_EQ(w->net.reads, 0);
	req->read.nr_iov++;
	netfs_read_run(req, sim_chance(2));
	netfs_read_check(req);
	CHECK_EQ(req->ret, 500000);
	netfs_read_free(req);
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void pieces_that_dont_add_up_are_refused(void **state)
{
	(void)state;
	each_seed(20, too_few_scenario);
}

static void pages_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 1 * MIB);
	struct fsc_cookie *cookie;
	uint64_t reads;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, true), 1 * MIB);
	world_quiet();
	reads = world_stats(w).cache_reads;
	/* Not a transfer for each small piece. */
	CHECK_EQ(split_read(file, cookie, 0, 1 * MIB, GRANULE), 1 * MIB);
	CHECK(world_stats(w).cache_reads - reads <= 8);
	/* And without a cache not a server read for each. */
	reads = w->net.reads;
	CHECK_EQ(split_read(file, NULL, 0, 1 * MIB, GRANULE), 1 * MIB);
	CHECK_EQ(w->net.reads - reads, 1);
	drop_used(cookie);
	netfs_file_free(file);
}

static void small_pieces_share_a_transfer(void **state)
{
	(void)state;
	each_seed(50, pages_scenario);
}

/* --- Zeroes ----------------------------------------------------------------------------------- */

static void zeroes_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(900000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie = NULL;

	w->backend.short_one_in = sim_random(10);
	w->params.max_keep_bytes = sim_chance(4) ? 1 : 0;
	file->zero_from = sim_chance(5) ? 0 : sim_random((uint32_t)size);
	if (!sim_chance(4)) {
		world_open(w);
		cookie = acquire_used(w, file);
	}
	w->net.read_max = 2000 + sim_random(100000); /* netfs.c: no zero is asked for */
	for (int i = 0; i < 12; i++) {
		uint64_t pos = sim_chance(3) ? 0 : sim_random((uint32_t)size);
		size_t len = 1 + sim_random(sim_chance(2) ? 10000 : 900000);
		struct netfs_read *req = netfs_read_new(file, cookie, pos, len, sim_random(2) * 9);
		uint32_t what = sim_random(4);

		if (what == 0)
			netfs_read_lend(req);
		else if (what == 1)
			netfs_read_split(req, 100000);
		netfs_read_run(req, sim_chance(2));
		netfs_read_check(req);
		CHECK_EQ(req->ret, len < size - pos ? len : size - pos);
		netfs_read_free(req);
		if (sim_chance(3))
			world_quiet();
	}
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void known_zeroes_are_not_asked_for(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, zeroes_scenario);
}

static void kept_whole_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 100000);
	struct fsc_cookie *cookie;

	world_open(w);
	file->zero_from = 50001; /* within a granule */
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), 100000);
	world_quiet();
	CHECK_EQ(w->net.bytes, 50001);
	CHECK_EQ(fsc_cookie_present(cookie, 0, 53248), 53248);
	CHECK_EQ(read_whole(file, cookie, sim_chance(2)), 100000);
	CHECK_EQ(w->net.bytes, 50001);
	drop_used(cookie);
	netfs_file_free(file);
}

static void the_granule_in_which_they_begin_is_kept(void **state)
{
	(void)state;
	each_seed(50, kept_whole_scenario);
}

/* --- Is it still valid? ----------------------------------------------------------------------- */

static void distrust_scenario(struct world *w)
{
	uint64_t size = 1 + sim_random(900000), bytes;
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct fsc_cookie *cookie;
	struct netfs_read *req;

	w->backend.short_one_in = sim_random(10);
	world_open(w);
	w->net.more = true;
	w->net.read_max = 2000 + sim_random(100000);
	cookie = acquire_used(w, file);
	for (uint64_t pos = sim_random(2) * GRANULE; pos < size; pos += 5 * GRANULE) {
		netfs_read_all(file, cookie, pos, (size_t)(1 + sim_random(4)) * GRANULE, 0, true);
		if (sim_chance(10))
			break;
	}
	world_quiet();
	CHECK_EQ(w->net.asked, 0); /* nothing came from the cache */
	/* The client has seen that the file is another, and has not said so. */
	netfs_file_change(file, size);
	netfs_file_told(file, file->version);
	w->net.distrust_one_in = 1;
	bytes = w->net.bytes;
	for (int i = 0; i < 4; i++) {
		req = netfs_read_new(file, cookie, sim_random((uint32_t)size), (size_t)size,
				     sim_random(2) * 9);
		if (sim_chance(3))
			netfs_read_lend(req);
		else if (sim_chance(3))
			netfs_read_split(req, 100000);
		netfs_read_run(req, sim_chance(2));
		netfs_read_check(req);
		CHECK(req->ret > 0);
		netfs_read_free(req);
	}
	CHECK(w->net.bytes > bytes);
	invalidate(cookie, file, NULL);
	w->net.distrust_one_in = 0;
	CHECK_EQ(read_whole(file, cookie, true), size);
	drop_used(cookie);
	netfs_file_free(file);
}

static void what_the_client_doesnt_believe_comes_from_the_server(void **state)
{
	(void)state;
	each_seed(SEEDS * 2, distrust_scenario);
}

static void believed_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 300000);
	struct fsc_cookie *cookie;

	world_open(w);
	w->net.more = true;
	cookie = acquire_used(w, file);
	CHECK_EQ(read_whole(file, cookie, true), 300000);
	world_quiet();
	for (int i = 1; i < 5; i++) {
		CHECK_EQ(netfs_read_all(file, cookie, 0, 300000, sim_random(2), sim_chance(2)), 300000);
		CHECK_EQ(w->net.asked, i);
	}
	CHECK_EQ(w->net.bytes, 300000);
	drop_used(cookie);
	netfs_file_free(file);
}

static void it_is_asked_once_for_a_read(void **state)
{
	(void)state;
	each_seed(50, believed_scenario);
}

/* --- Ask again -------------------------------------------------------------------------------- */

static uint32_t times;

static void again_issue(struct fsc_subreq *sreq)
{
	struct netfs_file *file = sreq->netfs;

	/* So many times, for each byte. */
	if (file->net->issued++ % (times + 1) < times) {
		fsc_subreq_done(sreq, -EAGAIN);
		return;
	}
	netfs_bytes(file, file->version, sreq->pos, sreq->buf, 1);
	file->net->bytes++;
	fsc_subreq_done(sreq, 1);
}

static const struct fsc_netfs_ops again_ops = {
	.issue_read = again_issue,
	.read_done = netfs_read_done,
};

static void again_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 5000);
	struct fsc_cookie *cookie = NULL;
	struct netfs_read *req;

	times = sim_random(5);
	if (sim_chance(2)) {
		world_open(w);
		cookie = acquire_used(w, file);
	}
	req = netfs_read_new(file, cookie, 0, 5000, 0);
	req->read.ops = &again_ops;
	netfs_read_run(req, sim_chance(2));
	CHECK_EQ(req->ret, times <= 3 ? 5000 : -EAGAIN);
	CHECK_EQ(w->net.issued, times <= 3 ? 5000 * (times + 1) : 4);
	netfs_read_check(req);
	netfs_read_free(req);
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void a_server_that_says_again_is_asked_three_times_more(void **state)
{
	(void)state;
	each_seed(50, again_scenario);
}

/* --- Issued together -------------------------------------------------------------------------- */

#define HELD_MOST 64

/* Keeps back whatever it may, and the server says of the byte at fails_at that it can't be read. */
static struct fsc_subreq *held[HELD_MOST];
static uint32_t nr_held, pushes;
static bool held_over;
static uint64_t fails_at;

static void held_answer(struct fsc_subreq *sreq)
{
	struct netfs_file *file = sreq->netfs;
	bool fails = sreq->pos <= fails_at && fails_at < sreq->pos + sreq->len;

	if (!fails)
		netfs_bytes(file, file->version, sreq->pos, sreq->buf, sreq->len);
	fsc_subreq_done(sreq, fails ? -EIO : (int64_t)sreq->len);
}

static void held_issue(struct fsc_subreq *sreq)
{
	CHECK(nr_held < HELD_MOST);
	if (sreq->more && (sreq->pos > fails_at || fails_at >= sreq->pos + sreq->len))
		held[nr_held++] = sreq;
	else
		held_answer(sreq);
}

static void held_push(void *netfs)
{
	struct netfs_file *file = netfs;

	CHECK(file->net != NULL);
	pushes++;
	while (nr_held)
		held_answer(held[--nr_held]);
}

static size_t held_max(struct fsc_read *read)
{
	(void)read;
	return 20000;
}

static const struct fsc_netfs_ops held_ops = {
	.read_max = held_max,
	.issue_read = held_issue,
	.push = held_push,
	.read_done = netfs_read_done,
};

/* What is held and never pushed would be waited for for ever, with the saver going on. */
static void held_bound(void *arg)
{
	(void)arg;
	for (int i = 0; !held_over; i++) {
		CHECK(i < 120);
		sim_sleep_ms(500);
	}
}

static void held_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, 300000);
	size_t len = sim_chance(2) ? 20000 : 20001 + sim_random(280000);
	struct fsc_cookie *cookie = NULL;
	struct netfs_read *req;
	sim_task_id bound;

	pushes = 0;
	held_over = false;
	fails_at = sim_chance(2) ? UINT64_MAX : sim_random((uint32_t)len);
	if (sim_chance(2)) {
		world_open(w);
		cookie = acquire_used(w, file);
	}
	req = netfs_read_new(file, cookie, 0, len, 0);
	req->read.ops = &held_ops;
	bound = sim_spawn(held_bound, NULL);
	netfs_read_run(req, sim_chance(2));
	held_over = true;
	sim_join(bound);
	CHECK_EQ(req->ret, fails_at == UINT64_MAX ? (int64_t)len : -EIO);
	/* One read alone has nothing to be sent with; what a granule's rest adds is another. */
	if (len > 20000)
		CHECK_EQ(pushes, 1);
	else if (!cookie)
		CHECK_EQ(pushes, 0);
	CHECK_EQ(nr_held, 0);
	netfs_read_check(req);
	netfs_read_free(req);
	if (cookie)
		drop_used(cookie);
	netfs_file_free(file);
}

static void what_is_issued_together_is_pushed_once(void **state)
{
	(void)state;
	each_seed(SEEDS, held_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_get_the_servers_bytes),
		cmocka_unit_test(pieces_that_dont_add_up_are_refused),
		cmocka_unit_test(small_pieces_share_a_transfer),
		cmocka_unit_test(known_zeroes_are_not_asked_for),
		cmocka_unit_test(the_granule_in_which_they_begin_is_kept),
		cmocka_unit_test(what_the_client_doesnt_believe_comes_from_the_server),
		cmocka_unit_test(it_is_asked_once_for_a_read),
		cmocka_unit_test(a_server_that_says_again_is_asked_three_times_more),
		cmocka_unit_test(what_is_issued_together_is_pushed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
