// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_saver.c - when objects are saved, how durably, and what a kill leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 100

static void store_every(struct fsc_object *obj, const struct netfs_file *f, uint64_t from,
			uint64_t to, uint64_t step)
{
	for (uint64_t g = from; g < to; g += step)
		store(obj, f, g * K, K);
}

/* A bitmap of 300 bytes, or runs of 2 bytes each, where 212 fit. */
static void open_for_slots(struct world *w, struct netfs_file *f, struct fsc_object **obj)
{
	simstore_set_xattr_max(w->store, 256);
	f->size = f->real_size = 2400 * K - 100;
	world_open(w);
	*obj = obj_open(w, f);
}

/* --- The saver ------------------------------------------------------------------------------- */

static void open_many(struct world *w, struct netfs_file *f, struct fsc_object **obj, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		f[i] = (struct netfs_file)REMOTE(100 + i, 5 * K);
		obj[i] = obj_open(w, &f[i]);
	}
}

static void close_many(struct fsc_object **obj, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		obj_close(obj[i]);
}

static void saver(struct world *w)
{
	struct netfs_file f[10];
	struct fsc_object *obj[10];
	uint32_t n = 1 + sim_random(10), i;
	size_t syncs;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	w->params.save_ms = sim_chance(2) ? 0 : 200 + sim_random(3000);
	world_open(w);
	open_many(w, f, obj, n);
	for (i = 0; i < n; i++)
		store_all(obj[i], &f[i]);
	simstore_log_clear(w->store);
	sim_sleep_ms((w->params.save_ms ? w->params.save_ms : 1000) + 500);
	CHECK_EQ(world_stats(w).saves, n);
	CHECK_EQ(world_stats(w).objects_created, n);
	for (i = 0; i < n; i++)
		CHECK_EQ(disk(w, &f[i])->present, 5);
	syncs = simstore_log_count(w->store, SIMOP_SYNC, 0);
	if (w->backend.kind == FSC_FS_ORDERED)
		CHECK_EQ(syncs, 1);
	else if (w->backend.kind == FSC_FS_VOLATILE)
		CHECK_EQ(syncs, 0);
	else
		for (i = 0; i < n; i++)
			CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC, disk(w, &f[i])->ino), 2);
	/* Nothing to do: nothing is done. */
	simstore_log_clear(w->store);
	sim_sleep_ms(20000);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_COUNT, 0), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC, 0), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_XATTR_SET, 0), 0);
	close_many(obj, n);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_XATTR_SET, 0), 0);
}

static void what_is_unsaved_is_saved_after_a_while_with_few_syncs(void **state)
{
	(void)state;
	each_seed(SEEDS, saver);
}

static void sync_after_last(struct world *w)
{
	struct netfs_file f[10];
	struct fsc_object *obj[10];
	uint32_t n = 2 + sim_random(9);
	int xattr = -1, commit = -1, sync, i;

	world_open(w);
	open_many(w, f, obj, n);
	for (i = 0; i < (int)n; i++)
		store_all(obj[i], &f[i]);
	if (sim_chance(2))
		obj_close(obj[0]); /* saved apart from the others, and made durable with them */
	else
		CHECK_EQ(fsc_object_commit(obj[0], NULL), 0);
	sim_sleep_ms(1500);
	for (i = -1; (i = log_find(w, SIMOP_XATTR_SET, 0, i + 1)) >= 0;)
		xattr = i;
	for (i = -1; (i = log_find(w, SIMOP_COMMIT, 0, i + 1)) >= 0;)
		commit = i;
	sync = log_find(w, SIMOP_SYNC, 0, xattr > commit ? xattr : commit);
	CHECK(sync > 0);
	CHECK(log_find(w, SIMOP_SYNC, 0, sync + 1) < 0);
	for (i = 1; i < (int)n; i++)
		obj_close(obj[i]);
	if (world_stats(w).objects_open)
		obj_close(obj[0]);
}

static void one_sync_after_the_last_value_and_name(void **state)
{
	(void)state;
	each_seed(SEEDS, sync_after_last);
}

static void relabelled(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5 * K);
	struct fsc_object *obj;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	sim_sleep_ms(3000);
	simstore_log_clear(w->store);
	CHECK_EQ(obj_commit(obj, &f), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_XATTR_SET, 0), 1);
	sim_sleep_ms(1500);
	CHECK_EQ(log_find(w, SIMOP_SYNC, 0, log_find(w, SIMOP_XATTR_SET, 0, 0)) > 0,
		 w->backend.kind != FSC_FS_VOLATILE);
	obj_close(obj);
}

static void what_was_saved_outside_of_its_turn_is_synced_soon(void **state)
{
	(void)state;
	each_seed(30, relabelled);
}

static void slot_rate(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;
	uint64_t saves, started = sim_now_us(), elapsed;

	w->backend.latency_us = 200000;
	w->params.save_ms = 50;
	open_for_slots(w, &f, &obj);
	store_every(obj, &f, 0, 480, 4);
	saves = world_stats(w).saves;
	started = sim_now_us();
	for (int i = 0; i < 100; i++) {
		store(obj, &f, (1000 + (uint64_t)i * 2) * K, K);
		sim_sleep_ms(10);
	}
	elapsed = (sim_now_us() - started) / 1000;
	saves = world_stats(w).saves - saves;
	/* Each takes up to 200 ms, about 100: then not again before a second is over. */
	CHECK(saves >= 1);
	CHECK(saves <= elapsed / 300 + 2);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 220);
}

static void objects_with_slots_are_saved_less_often(void **state)
{
	(void)state;
	each_seed(20, slot_rate);
}

static void failed_save(struct world *w)
{
	static const enum simstore_op ops[] = { SIMOP_XATTR_SET, SIMOP_COMMIT, SIMOP_STAT };
	struct netfs_file f = REMOTE(7, 20 * K);
	bool again = sim_chance(2);
	struct fsc_object *obj;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	obj = obj_open(w, &f);
	if (again) {
		store(obj, &f, 0, 5 * K);
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	}
	store_all(obj, &f);
	simstore_fail(w->store, ops[again ? 0 : sim_random(3)], 0, 1, -EIO);
	sim_sleep_ms(2500);
	CHECK_EQ(world_stats(w).cache_errors, 1);
	CHECK_EQ(disk(w, &f)->present, again ? 5 : 0);
	CHECK_EQ(check_present(obj, &f), 20);
	sim_sleep_ms(10000);
	CHECK_EQ(disk(w, &f)->present, 20);
	CHECK_EQ(world_stats(w).cache_errors, 1);
	obj_close(obj);
}

static void a_save_that_fails_leaves_what_was_and_is_made_up_for(void **state)
{
	(void)state;
	each_seed(50, failed_save);
}

static void sync_all(struct world *w)
{
	struct netfs_file f[6];
	struct fsc_object *obj[6];
	enum fsc_fs_kind kind = (enum fsc_fs_kind)sim_random(3);
	int i;

	w->backend.kind = kind;
	world_open(w);
	open_many(w, f, obj, 6);
	for (i = 0; i < 6; i++)
		store_all(obj[i], &f[i]);
	simstore_log_clear(w->store);
	CHECK_EQ(fsc_cache_sync(w->cache), 0);
	for (i = 0; i < 6; i++)
		CHECK_EQ(disk(w, &f[i])->present, 5);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC, 0),
		 kind == FSC_FS_ORDERED ? 1 : kind == FSC_FS_STRICT ? 12 : 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_FS, 0), kind == FSC_FS_VOLATILE);
	/* One fails: said, the others saved, and it is saved later. */
	for (i = 0; i < 6; i++) {
		obj_invalidate(obj[i], &f[i]);
		store_all(obj[i], &f[i]);
	}
	simstore_fail(w->store, SIMOP_XATTR_SET, sim_random(6), 1, -EIO);
	CHECK_EQ(fsc_cache_sync(w->cache), -EIO);
	for (i = 0; i < 6; i++)
		CHECK_EQ(disk(w, &f[i])->exists, disk(w, &f[i])->present == 5);
	CHECK_EQ(world_stats(w).objects_created, 11);
	sim_sleep_ms(12000);
	CHECK_EQ(world_stats(w).objects_created, 12);
	close_many(obj, 6);
}

static void cache_sync_saves_all_durably_and_tells_the_first_error(void **state)
{
	(void)state;
	each_seed(50, sync_all);
}

/* --- Kills ----------------------------------------------------------------------------------- */

static void killed_first(struct world *w)
{
	struct netfs_file f = REMOTE(7, 200 * K);
	struct fsc_object *obj;

	w->backend.ids_known = true;
	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, 50 * K);
	sim_sleep_ms(1600); /* saved by now */
	for (uint32_t i = sim_random(60); i; i--) {
		store(obj, &f, sim_random(200) * K, (1 + sim_random(20)) * K);
		sim_sleep_us(sim_random(100000));
	}
	sim_kill();
}

static void killed_second(struct world *w)
{
	struct netfs_file f = REMOTE(7, 200 * K);
	struct fsc_object *obj;

	disk(w, &f);
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(world_stats(w).objects_found, 1);
	CHECK(check_present(obj, &f) >= 50);
	store_all(obj, &f);
	CHECK_EQ(check_present(obj, &f), 200);
	obj_close(obj);
	world_close(w);
}

static void what_was_saved_outlives_a_kill(void **state)
{
	(void)state;
	each_seed_killed(2 * SEEDS, killed_first, killed_second);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_unsaved_is_saved_after_a_while_with_few_syncs),
		cmocka_unit_test(one_sync_after_the_last_value_and_name),
		cmocka_unit_test(what_was_saved_outside_of_its_turn_is_synced_soon),
		cmocka_unit_test(objects_with_slots_are_saved_less_often),
		cmocka_unit_test(a_save_that_fails_leaves_what_was_and_is_made_up_for),
		cmocka_unit_test(cache_sync_saves_all_durably_and_tells_the_first_error),
		cmocka_unit_test(what_was_saved_outlives_a_kill),
	};

	return RUN_TESTS(tests);
}
