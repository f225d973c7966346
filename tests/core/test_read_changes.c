// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_read_changes.c - reads of files that change, of cookies that are being looked up, and of all
 * that at once.
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

/* --- Changes ---------------------------------------------------------------------------------- */

static uint32_t events_told;

static void event_told(struct fsc_event *ev)
{
	(void)ev;
	events_told++;
}

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
	uint64_t size = 1 + sim_random(400000);
	struct netfs_file *file = netfs_file_new(&w->net, 7, size);
	struct reader r = { .file = file };
	sim_task_id readers[3];
	struct fsc_event events[6];

	world_open(w);
	w->net.short_one_in = sim_random(4);
	r.cookie = acquire_used(w, file);
	events_told = 0;
	for (int i = 0; i < 3; i++)
		readers[i] = sim_spawn(reader_main, &r);
	for (int i = 0; i < 6; i++) {
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
	CHECK_EQ(events_told, 6);
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

/* --- Look-ups --------------------------------------------------------------------------------- */

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

/* --- All at once ------------------------------------------------------------------------------ */

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
	each_seed(SEEDS, mix_scenario);
	each_seed_jumping(SEEDS, mix_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
