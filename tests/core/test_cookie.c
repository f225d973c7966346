// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_cookie.c - cookies on the simulated platform: one per key, looked up once, closed once, in
 * any order of the client's calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "cookie.h"

#define SEEDS 200
#define SIZE 50000

static int64_t read_it(struct netfs_file *file, struct fsc_cookie *cookie)
{
	return netfs_read_all(file, cookie, 0, SIZE + 4096, 0, sim_chance(2));
}

/* --- States ----------------------------------------------------------------------------------- */

static void states_move_only_as_the_table_says(void **state)
{
	static const char *const allowed[FSC_COOKIE_STATES] = {
		/* to: idle, looking up, active, failed, closing, closed */
		[FSC_COOKIE_IDLE] = ".xx.x.",
		[FSC_COOKIE_LOOKING_UP] = "..xxx.",
		[FSC_COOKIE_ACTIVE] = "x...x.",
		[FSC_COOKIE_FAILED] = ".xx.x.",
		[FSC_COOKIE_CLOSING] = ".....x",
		[FSC_COOKIE_CLOSED] = "......",
	};

	(void)state;
	for (int from = 0; from < FSC_COOKIE_STATES; from++)
		for (int to = 0; to < FSC_COOKIE_STATES; to++)
			assert_int_equal(fsc_cookie_may_move(from, to), allowed[from][to] == 'x');
}

/* --- Acquire ---------------------------------------------------------------------------------- */

static void keys_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *a, *b, *c;
	uint64_t busy;

	world_open(w);
	a = acquire(w, file);
	b = acquire(w, file);
	CHECK(a == b);
	busy = world_stats(w).objects_busy;
	netfs_file_change(file, SIZE);
	CHECK_EQ(try_acquire(w, file, &c), -EBUSY);
	CHECK(!c);
	file->version--;
	file->size++;
	CHECK_EQ(try_acquire(w, file, &c), -EBUSY);
	CHECK_EQ(world_stats(w).objects_busy - busy, 2);
	invalidate(a, file, NULL);
	c = acquire(w, file); /* it is the same file, and we said so */
	CHECK(a == c);
	fsc_cookie_relinquish(a, false);
	fsc_cookie_relinquish(b, false);
	fsc_cookie_relinquish(c, false);
	netfs_file_free(file);
}

static void one_key_has_one_cookie_and_one_coherency(void **state)
{
	(void)state;
	each_seed(SEEDS, keys_scenario);
}

static void bad_params_scenario(struct world *w)
{
	static const uint8_t long_key[300];
	struct fsc_cookie_params params = { .key = { long_key, 0 } };
	struct fsc_cookie *cookie;

	world_open(w);
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), -EINVAL);
	params.key.len = 256;
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), -EINVAL);
	params.key.len = 255;
	params.coherency.data = long_key;
	params.coherency.len = 256;
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), -EINVAL);
	params.coherency.len = 255;
	params.size = UINT64_MAX;
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), -EINVAL);
	CHECK(!cookie);
	params.size = 1;
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), 0);
	CHECK(fsc_cookie_use_wait(cookie, false));
	drop_used(cookie);
	params.coherency = (struct fsc_blob){ NULL, 0 };
	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), 0);
	CHECK(fsc_cookie_use_wait(cookie, false));
	drop_used(cookie);
	CHECK_EQ(fsc_cookie_acquire(NULL, &params, &cookie), 0);
	CHECK(!cookie);
}

static void lengths_are_checked(void **state)
{
	(void)state;
	each_seed(5, bad_params_scenario);
}

static uint32_t told;

static void tell(struct fsc_event *ev)
{
	(void)ev;
	told++;
}

static void null_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_event event = { .fn = tell };

	told = 0;
	fsc_cookie_use(NULL, true);
	CHECK(!fsc_cookie_use_wait(NULL, false));
	fsc_cookie_unuse(NULL);
	invalidate(NULL, file, &event);
	invalidate(NULL, file, NULL);
	CHECK_EQ(told, 1);
	CHECK_EQ(fsc_cookie_present(NULL, 0, SIZE), 0);
	CHECK_EQ(read_it(file, NULL), SIZE);
	fsc_cookie_relinquish(NULL, true);
	fsc_cookie_relinquish_wait(NULL, false);
	netfs_file_free(file);
}

static void null_is_a_cookie_too(void **state)
{
	(void)state;
	each_seed(5, null_scenario);
}

struct anywhere {
	struct world *w;
	struct netfs_file *file;
	struct fsc_event event;
};

static void all_in_irq(void *arg)
{
	struct anywhere *a = arg;
	struct fsc_cookie *cookie = acquire(a->w, a->file);

	fsc_cookie_use(cookie, false);
	invalidate(cookie, a->file, &a->event);
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), 0);
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish(cookie, sim_chance(2));
}

static void anywhere_scenario(struct world *w)
{
	struct anywhere a = { .w = w, .event.fn = tell };

	a.file = netfs_file_new(&w->net, 7, SIZE);
	world_open(w);
	told = 0;
	sim_in_irq(all_in_irq, &a);
	world_quiet();
	CHECK_EQ(told, 1);
	netfs_file_free(a.file);
}

static void what_may_be_called_from_anywhere_never_sleeps(void **state)
{
	(void)state;
	each_seed(50, anywhere_scenario);
}

static void many_scenario(struct world *w)
{
	struct netfs_file *file[600];
	struct fsc_cookie *cookie[600];

	world_open(w);
	for (uint32_t i = 0; i < 600; i++) {
		file[i] = netfs_file_new(&w->net, i, SIZE);
		cookie[i] = acquire(w, file[i]);
	}
	for (uint32_t i = 0; i < 600; i++) {
		CHECK(acquire(w, file[i]) == cookie[i]);
		fsc_cookie_relinquish(cookie[i], false);
		fsc_cookie_relinquish(cookie[i], false);
		netfs_file_free(file[i]);
	}
}

static void the_table_grows_and_loses_none(void **state)
{
	(void)state;
	each_seed(3, many_scenario);
}

/* --- Relinquish and come back ----------------------------------------------------------------- */

static void come_back_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	uint64_t versions = 1;

	world_open(w);
	for (int i = 0; i < 6; i++) {
		struct fsc_cookie *cookie = acquire(w, file);

		/* The one before it may be closing, with stores still running. */
		if (sim_chance(2))
			CHECK(fsc_cookie_use_wait(cookie, false));
		else
			fsc_cookie_use(cookie, false);
		CHECK_EQ(read_it(file, cookie), SIZE);
		if (sim_chance(2))
			fsc_cookie_unuse(cookie);
		fsc_cookie_relinquish(cookie, false);
		if (sim_chance(2)) {
			netfs_file_change(file, SIZE);
			versions++;
		} else if (sim_chance(2)) {
			world_quiet();
		}
	}
	world_quiet();
	CHECK(w->net.bytes <= versions * SIZE);
	netfs_file_free(file);
}

static void a_key_given_back_can_be_had_again_at_once(void **state)
{
	(void)state;
	each_seed(SEEDS, come_back_scenario);
}

static void give_back_task(void *arg)
{
	fsc_cookie_relinquish_wait(arg, false);
}

static void revived_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie, *other;
	sim_task_id task;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_it(file, cookie), SIZE);
	/* It waits for the stores; before they have ended somebody wants the file again. */
	task = sim_spawn(give_back_task, cookie);
	sim_sleep_us(sim_random(2000));
	other = acquire(w, file);
	sim_join(task);
	fsc_cookie_use_wait(other, false);
	CHECK_EQ(read_it(file, other), SIZE);
	drop_used(other);
	netfs_file_free(file);
}

static void relinquish_wait_ends_when_somebody_has_it_again(void **state)
{
	(void)state;
	each_seed(SEEDS, revived_scenario);
}

static void kept_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_it(file, cookie), SIZE);
	/* Stores are still running: they are waited for, and what they stored is saved. */
	fsc_cookie_relinquish_wait(cookie, false);
	world_reopen(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), SIZE);
	drop_used(cookie);
	netfs_file_free(file);
}

static void relinquish_wait_has_saved_what_was_read(void **state)
{
	(void)state;
	each_seed(SEEDS, kept_scenario);
}

static void retire_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_it(file, cookie), SIZE);
	drop_used(cookie);
	/* Looked up or not. */
	cookie = acquire(w, file);
	if (sim_chance(2))
		CHECK(fsc_cookie_use_wait(cookie, false));
	if (sim_chance(2)) {
		fsc_cookie_relinquish_wait(cookie, true);
	} else {
		fsc_cookie_relinquish(cookie, true);
		if (sim_chance(2))
			world_quiet();
	}
	cookie = acquire_used(w, file);
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), 0);
	CHECK_EQ(world_stats(w).objects_retired, 1);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_retired_object_is_gone(void **state)
{
	(void)state;
	each_seed(SEEDS, retire_scenario);
}

/* --- Invalidate ------------------------------------------------------------------------------- */

/* Is there any object's name on the disk? */
static int is_object(void *arg, const char *path, const struct fsc_stat *stat)
{
	(void)arg;
	return stat->type == FSC_FILE_REGULAR && strncmp(path, "cache/", 6) == 0;
}

static struct simstore *store_looked_at;
static int names_when_told;

static void look_at_names(struct fsc_event *ev)
{
	(void)ev;
	told++;
	names_when_told += simstore_walk(store_looked_at, is_object, NULL);
}

static void not_in_use_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_event event = { .fn = look_at_names };
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_it(file, cookie), SIZE);
	drop_used(cookie);
	CHECK_EQ(simstore_walk(w->store, is_object, NULL), 1);
	cookie = acquire(w, file);
	told = 0;
	names_when_told = 0;
	store_looked_at = w->store;
	/* The client's coherency data may be as they were: it knows that it changed all the same.
	 */
	if (sim_chance(2))
		netfs_file_change(file, SIZE);
	/* Also where there is no opening it: a later process might. */
	if (sim_chance(3))
		simstore_fail(w->store, SIMOP_FILE_OPEN, 0, 1, -EMFILE);
	else if (sim_chance(3))
		fsc_cache_withdraw(w->cache);
	invalidate(cookie, file, &event);
	if (sim_chance(2)) {
		fsc_cookie_use_wait(cookie, false);
		CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), 0);
		fsc_cookie_unuse(cookie);
	}
	fsc_cookie_relinquish_wait(cookie, false);
	CHECK_EQ(told, 1);
	CHECK_EQ(names_when_told, 0);
	netfs_file_free(file);
}

static void invalidating_what_is_not_open_removes_it_before_it_says_so(void **state)
{
	(void)state;
	each_seed(SEEDS, not_in_use_scenario);
}

static void while_looking_up_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_event event[3];
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire_used(w, file);
	CHECK_EQ(read_it(file, cookie), SIZE);
	drop_used(cookie);
	told = 0;
	cookie = acquire(w, file);
	fsc_cookie_use(cookie, false);
	for (int i = 0; i < 3; i++) {
		sim_sleep_us(sim_random(500));
		netfs_file_change(file, SIZE);
		event[i].fn = tell;
		invalidate(cookie, file, &event[i]);
		CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), 0);
		if (sim_chance(2))
			CHECK_EQ(read_it(file, cookie), SIZE);
	}
	world_quiet();
	CHECK_EQ(told, 3);
	CHECK_EQ(read_it(file, cookie), SIZE);
	drop_used(cookie);
	netfs_file_free(file);
}

static void invalidating_during_the_look_up_makes_its_result_stale(void **state)
{
	(void)state;
	each_seed(SEEDS, while_looking_up_scenario);
}

static void modifying_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;

	world_open(w);
	cookie = acquire(w, file);
	fsc_cookie_use_wait(cookie, true);
	CHECK_EQ(read_it(file, cookie), SIZE);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), SIZE); /* nothing was written yet */
	invalidate(cookie, file, NULL); /* as it is about to be */
	netfs_file_change(file, SIZE);
	world_quiet();
	CHECK_EQ(read_it(file, cookie), SIZE);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), 0);
	fsc_cookie_unuse(cookie);
	invalidate(cookie, file, NULL);
	fsc_cookie_use_wait(cookie, false);
	CHECK_EQ(read_it(file, cookie), SIZE);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), SIZE);
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_file_being_written_stays_uncached_to_the_end_of_that_use(void **state)
{
	(void)state;
	each_seed(50, modifying_scenario);
}

/* --- Open files ------------------------------------------------------------------------------- */

#define FILES 6

static void parking_scenario(struct world *w)
{
	struct netfs_file *file[FILES];
	struct fsc_cookie *cookie[FILES];

	w->backend.max_files = 2;
	world_open(w);
	for (uint32_t i = 0; i < FILES; i++) {
		file[i] = netfs_file_new(&w->net, i + 1, SIZE);
		cookie[i] = acquire_used(w, file[i]);
		CHECK_EQ(read_it(file[i], cookie[i]), SIZE);
		world_quiet();
		CHECK(world_stats(w).objects_open <= 2);
	}
	CHECK_EQ(w->net.bytes, FILES * SIZE);
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t n = sim_random(FILES);

		CHECK_EQ(read_it(file[n], cookie[n]), SIZE);
		world_quiet();
		CHECK(world_stats(w).objects_open <= 2);
	}
	/* They were looked up again, and nothing was lost by it. */
	CHECK_EQ(w->net.bytes, FILES * SIZE);
	for (uint32_t i = 0; i < FILES; i++) {
		drop_used(cookie[i]);
		netfs_file_free(file[i]);
	}
}

static void objects_are_parked_when_too_many_are_open(void **state)
{
	(void)state;
	each_seed(SEEDS, parking_scenario);
}

static bool is_open(struct fsc_cookie *cookie)
{
	return cookie->obj != NULL;
}

static void idle_first_scenario(struct world *w)
{
	struct netfs_file *file[4];
	struct fsc_cookie *cookie[4];

	w->backend.max_files = 3;
	world_open(w);
	for (uint32_t i = 0; i < 4; i++)
		file[i] = netfs_file_new(&w->net, i + 1, SIZE);
	for (uint32_t i = 0; i < 3; i++)
		cookie[i] = acquire_used(w, file[i]);
	fsc_cookie_unuse(cookie[2]); /* the youngest, but nobody's */
	CHECK(is_open(cookie[2])); /* kept open for the next use */
	cookie[3] = acquire_used(w, file[3]);
	CHECK(is_open(cookie[0]) && is_open(cookie[1]) && !is_open(cookie[2]));
	/* Then the one that wasn't read lately. */
	CHECK_EQ(read_it(file[0], cookie[0]), SIZE);
	CHECK_EQ(read_it(file[3], cookie[3]), SIZE);
	world_quiet();
	CHECK(fsc_cookie_use_wait(cookie[2], false));
	CHECK(is_open(cookie[0]) && !is_open(cookie[1]) && is_open(cookie[3]));
	for (uint32_t i = 0; i < 4; i++) {
		drop_used(cookie[i]);
		netfs_file_free(file[i]);
	}
}

static void what_is_not_in_use_is_parked_first_then_what_was_not_read(void **state)
{
	(void)state;
	each_seed(50, idle_first_scenario);
}

/* --- Failures --------------------------------------------------------------------------------- */

static void failed_look_up_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;

	world_open(w);
	fsc_cache_withdraw(w->cache);
	cookie = acquire(w, file);
	CHECK(!fsc_cookie_use_wait(cookie, false));
	CHECK_EQ(read_it(file, cookie), SIZE);
	told = 0;
	{
		struct fsc_event event = { .fn = tell };

		invalidate(cookie, file, &event);
		world_quiet();
		CHECK_EQ(told, 1);
	}
	drop_used(cookie);
	netfs_file_free(file);
}

static void a_failed_look_up_leaves_a_cookie_that_works(void **state)
{
	(void)state;
	each_seed(50, failed_look_up_scenario);
}

static uint64_t nth_failed;

static void no_memory_scenario(struct world *w)
{
	struct netfs_file *file = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie = NULL;
	int64_t ret;

	world_open(w);
	sim_fail_alloc(nth_failed, sim_chance(3));
	if (try_acquire(w, file, &cookie))
		cookie = NULL;
	fsc_cookie_use(cookie, false);
	ret = read_it(file, cookie);
	CHECK(ret == SIZE || ret == -ENOMEM);
	world_quiet();
	ret = read_it(file, cookie);
	CHECK(ret == SIZE || ret == -ENOMEM);
	sim_fail_alloc(0, false);
	CHECK_EQ(read_it(file, cookie), SIZE);
	drop_used(cookie);
	netfs_file_free(file);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (nth_failed = 1; nth_failed < 60; nth_failed++)
		each_seed(6, no_memory_scenario);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_move_only_as_the_table_says),
		cmocka_unit_test(one_key_has_one_cookie_and_one_coherency),
		cmocka_unit_test(lengths_are_checked),
		cmocka_unit_test(null_is_a_cookie_too),
		cmocka_unit_test(what_may_be_called_from_anywhere_never_sleeps),
		cmocka_unit_test(the_table_grows_and_loses_none),
		cmocka_unit_test(a_key_given_back_can_be_had_again_at_once),
		cmocka_unit_test(relinquish_wait_ends_when_somebody_has_it_again),
		cmocka_unit_test(relinquish_wait_has_saved_what_was_read),
		cmocka_unit_test(a_retired_object_is_gone),
		cmocka_unit_test(invalidating_what_is_not_open_removes_it_before_it_says_so),
		cmocka_unit_test(invalidating_during_the_look_up_makes_its_result_stale),
		cmocka_unit_test(a_file_being_written_stays_uncached_to_the_end_of_that_use),
		cmocka_unit_test(objects_are_parked_when_too_many_are_open),
		cmocka_unit_test(what_is_not_in_use_is_parked_first_then_what_was_not_read),
		cmocka_unit_test(a_failed_look_up_leaves_a_cookie_that_works),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
