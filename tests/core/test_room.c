// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_room.c - making room when it is asked for: not twice, not more than the limits want, not when
 * the end is near; what is lacking when all is in use; and counts that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 50
#define MANY 40

static struct netfs_file files[400];

static void make(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		files[i] = (struct netfs_file)REMOTE(1000 + i, 3 * K);
		fill(w, &files[i]);
	}
	sim_sleep_ms(1500);
}

static uint32_t count(struct world *w, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += simstore_ino(w->store, obj_path(&files[i])) != 0;
	return sum;
}

static void limit(struct world *w, uint64_t bytes)
{
	struct fsc_cache_params limits = { .max_bytes = bytes };

	CHECK_EQ(fsc_cache_set_limits(w->cache, &limits), 0);
}

static void make_room_task(void *arg)
{
	uint64_t bytes, nr;

	CHECK(!fsc_cache_make_room(((struct world *)arg)->cache, &bytes, &nr));
	CHECK_EQ(bytes, 0);
	CHECK_EQ(nr, 0);
}

/* --- How much goes --------------------------------------------------------------------------- */

static void at_once(struct world *w)
{
	sim_task_id task[2];
	int i;

	world_open(w);
	make(w, MANY);
	limit(w, 100 * K); /* of 120: it begins in the background */
	for (i = 0; i < 2; i++)
		task[i] = sim_spawn(make_room_task, w);
	for (i = 0; i < 2; i++)
		sim_join(task[i]);
	sim_sleep_ms(5000);
	CHECK_EQ(count(w, MANY), 29);
	CHECK_EQ(world_stats(w).bytes_used, 87 * K);
}

static void several_who_make_room_make_it_once(void **state)
{
	(void)state;
	each_seed(SEEDS, at_once);
}

static void others_give_back(struct world *w)
{
	struct netfs_file *f = &files[MANY];
	struct fsc_object *obj;
	uint32_t left;

	world_open(w);
	make(w, MANY);
	*f = (struct netfs_file)REMOTE(7000, 60 * K);
	fill(w, f);
	obj = obj_open(w, f);
	limit(w, 150 * K); /* of 180 */
	sim_sleep_us(sim_random(30000));
	fsc_object_close(obj, NULL, true);
	/* But for one that was chosen before. */
	left = count(w, MANY);
	sim_sleep_ms(5000);
	CHECK(!simstore_ino(w->store, obj_path(f)));
	CHECK(count(w, MANY) + 1 >= left);
}

static void what_others_give_back_counts_as_well(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, others_give_back);
}

static void not_yet(struct world *w)
{
	uint64_t bytes, nr;

	world_open(w);
	make(w, 31);
	limit(w, 100 * K); /* 93: between run and cull */
	sim_sleep_ms(5000);
	CHECK_EQ(count(w, 31), 31);
	limit(w, 97 * K); /* 95 % are 92.2 */
	sim_sleep_ms(5000);
	CHECK_EQ(world_stats(w).bytes_used, 87 * K);
	/* Who can't store asks for all of it. */
	limit(w, 94 * K);
	sim_sleep_ms(5000);
	CHECK_EQ(world_stats(w).bytes_used, 87 * K);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(world_stats(w).bytes_used, 84 * K);
}

static void new_limits_cull_below_cull_and_no_earlier(void **state)
{
	(void)state;
	each_seed(10, not_yet);
}

static void no_limits(struct world *w)
{
	world_open(w);
	make(w, 5);
	CHECK_EQ(fsc_cache_set_limits(NULL, NULL), -ENOBUFS);
	limit(w, 15 * K);
	CHECK_EQ(fsc_cache_set_limits(w->cache, NULL), 0);
	sim_sleep_ms(5000);
	fill(w, &(struct netfs_file)REMOTE(7, 30 * K));
	CHECK_EQ(world_stats(w).bytes_used >= 39 * K, true);
	CHECK_EQ(world_stats(w).no_space, 0);
}

static void without_new_limits_the_defaults_hold(void **state)
{
	(void)state;
	each_seed(10, no_limits);
}

/* --- Free space that shows late -------------------------------------------------------------- */

static uint64_t free_blocks(struct world *w, uint64_t all)
{
	uint64_t blocks, nr;

	simstore_used(w->store, &blocks, &nr);
	return all - blocks;
}

static void percent(struct world *w, uint8_t run, uint8_t cull, uint8_t stop)
{
	struct fsc_cache_params limits = { .brun = run, .bcull = cull, .bstop = stop };

	CHECK_EQ(fsc_cache_set_limits(w->cache, &limits), 0);
}

static void shows_late(struct world *w)
{
	uint32_t n = sim_chance(2) ? MANY : 300; /* one batch, or two */
	uint64_t all = 5 * n, free;
	bool late = sim_chance(2);

	world_open(w);
	make(w, n);
	simstore_limit(w->store, all, 10000);
	if (late)
		simstore_free_late(w->store);
	simstore_log_clear(w->store);
	percent(w, 95, 90, 1);
	sim_sleep_ms(10000);
	free = free_blocks(w, all);
	CHECK(free >= all * 95 / 100 && free <= all * 95 / 100 + 3);
	/* Where it isn't needed nobody's data are synced. */
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_FS, 0), late);
	CHECK_EQ(world_stats(w).objects_culled + count(w, n), n);
}

static void what_is_free_later_is_not_made_room_for_again(void **state)
{
	(void)state;
	each_seed(10, shows_late);
}

static void given_up_late(struct world *w, struct fsc_object *obj_b, struct netfs_file *b,
			  uint64_t pos)
{
	struct netfs_file a = REMOTE(7, 100 * K), c = REMOTE(9, 3 * K);
	struct fsc_object *obj_a = obj_open(w, &a), *obj_c = obj_open(w, &c);
	uint64_t bytes, nr;

	store_all(obj_c, &c); /* (the second time it is there) */
	CHECK_EQ(store(obj_a, &a, 0, 99 * K), 99 * K);
	sim_sleep_ms(1500);
	CHECK_EQ(store(obj_a, &a, 99 * K, K), -ENOSPC);
	CHECK(fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK(bytes > 0 && bytes < 99 * K);
	sim_sleep_ms(200 * sim_random(2)); /* nothing looks for room any more, or something does */
	fsc_object_close(obj_a, NULL, true);
	sim_sleep_ms(200);
	obj_close(obj_c);
	/* That was enough, though it doesn't show: nothing else goes, not by itself either, */
	if (store(obj_b, b, pos + K, K) == -ENOSPC)
		sim_sleep_us(sim_random(2) * sim_random(20000));
	/* and not when it is asked for. */
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(store(obj_b, b, pos, K), K);
	CHECK_EQ(found(w, &c), 3);
	CHECK_EQ(world_stats(w).objects_culled, 0);
}

static void given_up_twice(struct world *w)
{
	struct netfs_file b = REMOTE(8, 90 * K);
	struct fsc_object *obj;

	world_open(w);
	percent(w, 30, 20, 10);
	simstore_limit(w->store, 200, 10000);
	simstore_free_late(w->store);
	obj = obj_open(w, &b);
	CHECK_EQ(store(obj, &b, 0, 78 * K), 78 * K);
	given_up_late(w, obj, &b, 78 * K);
	given_up_late(w, obj, &b, 80 * K);
	obj_close(obj);
}

static void what_was_given_up_counts_though_it_is_free_later(void **state)
{
	(void)state;
	each_seed(20, given_up_twice);
}

/* --- When the end is near -------------------------------------------------------------------- */

static void nearly_over(struct world *w)
{
	uint64_t bytes, nr;
	sim_task_id task;
	uint32_t left;

	world_open(w);
	make(w, MANY);
	limit(w, 10 * K);
	task = sim_spawn(make_room_task, w);
	while ((left = count(w, MANY)) > MANY - 5)
		sim_sleep_us(300);
	fsc_cache_close_soon(w->cache);
	sim_join(task);
	sim_sleep_ms(5000);
	CHECK(count(w, MANY) >= left - 1);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK(count(w, MANY) >= left - 1);
	/* Nothing else has ended. */
	fill(w, &files[MANY - 1]);
	CHECK_EQ(found(w, &files[MANY - 1]), 3);
}

static void near_the_end_it_ends_between_two(void **state)
{
	(void)state;
	fsc_cache_close_soon(NULL);
	each_seed(SEEDS, nearly_over);
}

/* --- What is in use -------------------------------------------------------------------------- */

static void all_in_use(struct world *w)
{
	struct netfs_file f = REMOTE(7, 200 * K);
	uint64_t bytes = 1, nr = 1;
	struct fsc_object *obj;

	CHECK(!fsc_cache_make_room(NULL, &bytes, &nr));
	CHECK_EQ(bytes + nr, 0);
	CHECK_EQ(fsc_object_stored(NULL), 0);
	w->params.max_bytes = 100 * K;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(fsc_object_stored(obj), 0);
	CHECK_EQ(store(obj, &f, 0, 92 * K), 92 * K);
	CHECK_EQ(fsc_object_stored(obj), 92 * K);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr)); /* nothing was refused */
	/* 20 don't fit, 91 are more than anybody is given up for. */
	CHECK_EQ(store(obj, &f, 92 * K, 20 * K), -ENOSPC);
	CHECK(fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(bytes, 12 * K);
	CHECK_EQ(nr, 0);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr)); /* that was told */
	CHECK_EQ(store(obj, &f, 92 * K, 91 * K), -ENOSPC);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(store(obj, &f, 92 * K, 7 * K), 7 * K);
	CHECK(fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(bytes, 4 * K); /* to 95 */
	fsc_object_expire(obj);
	CHECK_EQ(fsc_object_stored(obj), 0);
	obj_close(obj);
	CHECK(!fsc_cache_make_room(w->cache, &bytes, &nr));
	CHECK_EQ(world_stats(w).objects_culled, 0);
}

static void what_is_lacking_is_told_when_all_is_in_use(void **state)
{
	(void)state;
	each_seed(10, all_in_use);
}

/* --- Counts ---------------------------------------------------------------------------------- */

static void killed_with_some(struct world *w)
{
	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	make(w, 20);
	sim_kill();
}

/* Some of the names can't be read, at the first and perhaps at the second try. */
static void uncountable(struct world *w)
{
	uint64_t tries = 1 + sim_random(2);
	enum simstore_op op = sim_chance(2) ? SIMOP_DIR_STAT : SIMOP_DIR_NEXT;

	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	simstore_fail(w->store, op, op == SIMOP_DIR_NEXT ? 3 + sim_random(3) : sim_random(15), 3,
		      -EIO);
	world_open(w);
	if (tries == 2) {
		sim_sleep_ms(9000);
		simstore_fail(w->store, op, 2, 3, -EIO);
	}
	sim_sleep_ms(1000);
	CHECK(world_stats(w).bytes_used < 60 * K);
	files[20] = (struct netfs_file)REMOTE(5000, 3 * K);
	fill(w, &files[20]);
	sim_sleep_ms(40000);
	CHECK_EQ(world_stats(w).bytes_used, 63 * K);
	limit(w, 40 * K);
	sim_sleep_ms(5000);
	CHECK(count(w, 21) <= 12);
	CHECK_EQ(world_stats(w).bytes_used, count(w, 21) * 3 * K);
	world_close(w);
}

static void a_count_that_fails_is_made_again(void **state)
{
	(void)state;
	each_seed_killed(SEEDS, killed_with_some, uncountable);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_who_make_room_make_it_once),
		cmocka_unit_test(what_others_give_back_counts_as_well),
		cmocka_unit_test(new_limits_cull_below_cull_and_no_earlier),
		cmocka_unit_test(without_new_limits_the_defaults_hold),
		cmocka_unit_test(what_is_free_later_is_not_made_room_for_again),
		cmocka_unit_test(what_was_given_up_counts_though_it_is_free_later),
		cmocka_unit_test(near_the_end_it_ends_between_two),
		cmocka_unit_test(what_is_lacking_is_told_when_all_is_in_use),
		cmocka_unit_test(a_count_that_fails_is_made_again),
	};

	return RUN_TESTS(tests);
}
