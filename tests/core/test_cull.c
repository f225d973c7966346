// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_cull.c - making room: who goes, who stays, when it begins and ends, and what is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 50
#define MANY 40

static struct netfs_file files[1600];

static void make(struct world *w, uint32_t first, uint32_t n, uint64_t size)
{
	struct fsc_object *obj;

	for (uint32_t i = first; i < first + n; i++) {
		files[i] = (struct netfs_file)REMOTE(1000 + i, size);
		obj = obj_open(w, &files[i]);
		CHECK_EQ(store_all(obj, &files[i]), fsc_round_up(size, K));
		obj_close(obj);
	}
	sim_sleep_ms(1500);
}

static bool exists(struct world *w, uint32_t i)
{
	return simstore_ino(w->store, obj_path(&files[i])) != 0;
}

static uint32_t count(struct world *w, uint32_t first, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = first; i < first + n; i++)
		sum += exists(w, i);
	return sum;
}

/* Of all files the access times, in an order that @order gets: order[0] is the oldest. */
static void shuffle_ages(struct world *w, uint32_t *order, uint32_t n)
{
	uint32_t i, j, tmp;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		j = sim_random(i);
		tmp = order[j];
		order[j] = order[i - 1];
		order[i - 1] = tmp;
	}
	for (i = 0; i < n; i++)
		simstore_set_atime(w->store, obj_path(&files[order[i]]), 1000 + i);
}

/* --- On demand ------------------------------------------------------------------------------- */

static void oldest_first(struct world *w)
{
	uint32_t order[MANY], i, want = 1 + sim_random(MANY);
	uint64_t removed, used;

	world_open(w);
	make(w, 0, MANY, 3 * K);
	shuffle_ages(w, order, MANY);
	used = world_stats(w).bytes_used;
	CHECK_EQ(used, MANY * 3 * K);
	CHECK_EQ(fsc_cache_cull(w->cache, want * 3 * K - sim_random(3 * 4096), &removed), 0);
	CHECK_EQ(removed, want);
	for (i = 0; i < MANY; i++)
		CHECK_EQ(exists(w, order[i]), i >= want);
	CHECK_EQ(world_stats(w).objects_culled, want);
	CHECK_EQ(world_stats(w).bytes_used, used - want * 3 * K);
	CHECK_EQ(fsc_cache_cull(w->cache, 0, &removed), 0);
	CHECK_EQ(removed, 0);
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, NULL), 0);
	CHECK_EQ(count(w, 0, MANY), 0);
	CHECK_EQ(world_stats(w).bytes_used, 0);
}

static void the_least_recently_used_go_first_and_no_more_than_asked_for(void **state)
{
	(void)state;
	each_seed(SEEDS, oldest_first);
}

/* Of so many that it takes a batch, a larger one, and a part of one yet larger. */
static void oldest_of_many(struct world *w)
{
	static uint32_t order[1600];
	uint32_t i, want = 1000 + sim_random(500);
	uint64_t removed;

	world_open(w);
	make(w, 0, 1600, K);
	shuffle_ages(w, order, 1600);
	simstore_log_clear(w->store);
	CHECK_EQ(fsc_cache_cull(w->cache, want * K, &removed), 0);
	CHECK_EQ(removed, want);
	for (i = 0; i < 1600; i++)
		CHECK_EQ(exists(w, order[i]), i >= want);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_DIR_STAT, 0),
		 want + 1600 + (1600 - 256) + (want > 1280 ? 1600 - 1280 : 0));
}

static void not_all_are_looked_at_for_each_few(void **state)
{
	(void)state;
	each_seed(3, oldest_of_many);
}

static void looked_up(struct world *w)
{
	struct fsc_object *obj;
	uint64_t removed;
	uint32_t order[MANY], lucky = sim_random(MANY);

	world_open(w);
	make(w, 0, MANY, 3 * K);
	shuffle_ages(w, order, MANY);
	obj = obj_open(w, &files[lucky]);
	obj_close(obj);
	CHECK_EQ(fsc_cache_cull(w->cache, (MANY - 1) * 3 * K, &removed), 0);
	CHECK_EQ(removed, MANY - 1);
	CHECK(exists(w, lucky));
}

static void a_look_up_makes_an_object_young(void **state)
{
	(void)state;
	each_seed(20, looked_up);
}

static void spares_open(struct world *w)
{
	uint32_t order[MANY], i, open = 1 + sim_random(MANY - 1);
	struct fsc_object *obj[MANY];
	uint64_t removed;

	world_open(w);
	make(w, 0, MANY, 3 * K);
	for (i = 0; i < open; i++)
		obj[i] = obj_open(w, &files[i]);
	shuffle_ages(w, order, MANY);
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK_EQ(removed, MANY - open);
	CHECK_EQ(count(w, 0, open), open);
	for (i = 0; i < open; i++) {
		CHECK_EQ(check_present(obj[i], &files[i]), 3);
		obj_close(obj[i]);
	}
	/* Also those of a volume that nobody has open. */
	fsc_volume_relinquish(w->vol, false);
	w->vol = NULL;
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK_EQ(removed, open);
}

static void what_is_open_is_spared(void **state)
{
	(void)state;
	each_seed(SEEDS, spares_open);
}

/* Split "cache/VOLUME/@xx/NAME" as fsc_cache_cull_object() wants it. */
static const char *split(const char *path, char *volume, size_t size)
{
	const char *name = strchr(path, '/') + 1, *rest = strchr(name, '/') + 1;

	snprintf(volume, size, "%.*s", (int)(rest - 1 - name), name);
	return rest;
}

static void one_by_name(struct world *w)
{
	bool relinquished = sim_chance(2);
	struct fsc_object *obj;
	char whole[300], volume[256];
	const char *path;

	world_open(w);
	make(w, 0, 2, 3 * K);
	snprintf(whole, sizeof(whole), "%s", obj_path(&files[0]));
	path = split(whole, volume, sizeof(volume));
	obj = obj_open(w, &files[0]);
	CHECK(fsc_cache_object_is_open(w->cache, volume, path));
	CHECK_EQ(fsc_cache_cull_object(w->cache, volume, path), -EBUSY);
	CHECK(exists(w, 0));
	obj_close(obj);
	if (relinquished) {
		fsc_volume_relinquish(w->vol, false);
		w->vol = NULL;
	}
	CHECK(!fsc_cache_object_is_open(w->cache, volume, path));
	CHECK_EQ(fsc_cache_cull_object(w->cache, volume, path), 0);
	CHECK(!exists(w, 0));
	CHECK(exists(w, 1));
	CHECK_EQ(world_stats(w).objects_culled, 1);
	CHECK_EQ(fsc_cache_cull_object(w->cache, volume, path), -ENOENT);
	CHECK_EQ(world_stats(w).bytes_used, 3 * K);
}

static void one_goes_by_its_name_unless_it_is_open(void **state)
{
	(void)state;
	each_seed(SEEDS, one_by_name);
}

/* The storage's answer to those would be a failure each, and a number of them withdraws it. */
static void bad_names(struct world *w)
{
	static const char *const bad[][2] = {
		{ "../..", "x" }, { "", "" }, { ".", "@3f/Sa" }, { "Ivol", "../super" },
		{ "Ivol", "@3f/.." }, { "Ivol", NULL }, { NULL, "@3f/Sa" }, { "@3f", "@3f/Sa" },
	};
	char whole[300], volume[256];
	const char *path;
	int i;

	world_open(w);
	make(w, 0, 1, 3 * K);
	snprintf(whole, sizeof(whole), "%s", obj_path(&files[0]));
	path = split(whole, volume, sizeof(volume));
	for (i = 0; i < 64; i++) {
		const char *const *b = bad[i % 8];

		CHECK_EQ(fsc_cache_cull_object(w->cache, b[0], b[1]), -EINVAL);
		CHECK(!fsc_cache_object_is_open(w->cache, b[0], b[1]));
		CHECK_EQ(fsc_cache_cull_object(w->cache, volume, b[0]), -EINVAL);
	}
	/* Nor is what others have put there. */
	simstore_symlink(w->store, "cache/Ilink");
	for (i = 0; i < 64; i++)
		CHECK_EQ(fsc_cache_cull_object(w->cache, "Ilink", path), -EUCLEAN);
	CHECK(fsc_cache_online(w->cache));
	CHECK_EQ(world_stats(w).cache_errors, 0);
	CHECK(exists(w, 0));
	CHECK_EQ(fsc_cache_cull_object(w->cache, volume, path), 0);
}

static void names_that_no_object_has_are_refused_and_no_failure(void **state)
{
	(void)state;
	each_seed(SEEDS, bad_names);
}

static void many_open(struct world *w)
{
	static struct fsc_object *obj[300];
	uint64_t removed;
	uint32_t i;

	world_open(w);
	make(w, 0, 320, K);
	for (i = 0; i < 300; i++) {
		obj[i] = obj_open(w, &files[i]);
		simstore_set_atime(w->store, obj_path(&files[i]), 5);
	}
	/* More than a batch of the oldest are in use: the others go nevertheless. */
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK_EQ(removed, 20);
	for (i = 0; i < 300; i++)
		obj_close(obj[i]);
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK_EQ(removed, 300);
}

static void any_number_of_open_ones_hides_no_other(void **state)
{
	(void)state;
	each_seed(2, many_open);
}

static void strangers(struct world *w)
{
	uint64_t removed;
	char path[1100];

	world_open(w);
	make(w, 0, 5, K);
	snprintf(path, sizeof(path), "%s/notours", fanout_path(&files[0]));
	simstore_mkfile(w->store, path);
	simstore_mkfile(w->store, "cache/I9p,server,export/file");
	snprintf(path, sizeof(path), "%s/Sfolder", fanout_path(&files[1]));
	simstore_mkdir(w->store, path);
	snprintf(path, sizeof(path), "%s/Slink", fanout_path(&files[1]));
	simstore_symlink(w->store, path);
	simstore_mkfile(w->store, "cache/stray");
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK_EQ(removed, 5);
	CHECK(simstore_ino(w->store, path));
	CHECK(simstore_ino(w->store, "cache/stray"));
	CHECK_EQ(world_stats(w).cache_errors, 0);
}

static void what_is_no_object_stays(void **state)
{
	(void)state;
	each_seed(10, strangers);
}

static void failing(struct world *w)
{
	uint64_t removed;

	world_open(w);
	make(w, 0, 5, K);
	simstore_fail(w->store, SIMOP_UNLINK, sim_random(5), 1, -EIO);
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), 0);
	CHECK(removed >= 4);
	CHECK_EQ(world_stats(w).cache_errors, 1);
	CHECK_EQ(world_stats(w).bytes_used, count(w, 0, 5) * K);
	fsc_cache_withdraw(w->cache);
	CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, &removed), -ENOBUFS);
}

static void one_that_cannot_be_removed_is_passed_over(void **state)
{
	(void)state;
	each_seed(20, failing);
}

static void race_task(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 30; i++) {
		struct netfs_file *f = &files[sim_random(8)];
		struct fsc_object *obj;

		if (obj_try(w, f, &obj))
			continue;
		check_present(obj, f);
		store_all(obj, f);
		CHECK_EQ(check_present(obj, f), 2);
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
		sim_sleep_us(sim_random(2000));
		CHECK(simstore_ino(w->store, obj_path(f))); /* nobody takes it away */
		obj_close(obj);
	}
}

static void race(struct world *w)
{
	sim_task_id task[4];
	int i;

	world_open(w);
	make(w, 0, 8, 2 * K);
	for (i = 0; i < 4; i++)
		task[i] = sim_spawn(race_task, w);
	for (i = 0; i < 10; i++) {
		CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, NULL), 0);
		sim_sleep_us(sim_random(3000));
	}
	for (i = 0; i < 4; i++)
		sim_join(task[i]);
	for (i = 0; i < 8; i++)
		CHECK(disk(w, &files[i])->present == (exists(w, (uint32_t)i) ? 2 : 0));
	sim_sleep_ms(2000);
	CHECK_EQ(world_stats(w).bytes_used, count(w, 0, 8) * 2 * K);
}

static void opening_and_culling_at_once_agree(void **state)
{
	(void)state;
	each_seed(100, race);
}

/* --- By itself ------------------------------------------------------------------------------- */

static void budget(struct world *w)
{
	uint32_t i;

	w->params.max_bytes = 100 * K;
	world_open(w);
	make(w, 0, 30, 3 * K); /* 90 of 100 */
	for (i = 0; i < 30; i++)
		simstore_set_atime(w->store, obj_path(&files[i]), 1000 + i);
	sim_sleep_ms(1000);
	CHECK_EQ(count(w, 0, 30), 30);
	make(w, 30, 3, 3 * K); /* the last finds 96: it begins above 95 */
	sim_sleep_ms(1000);
	CHECK_EQ(world_stats(w).bytes_used, 87 * K); /* ends below 90 */
	CHECK_EQ(world_stats(w).objects_culled, 4);
	for (i = 0; i < 33; i++)
		CHECK_EQ(exists(w, i), i >= 4);
	CHECK_EQ(world_stats(w).no_space, 0);
}

static void above_the_budget_the_oldest_go_until_there_is_room(void **state)
{
	(void)state;
	each_seed(20, budget);
}

static void watermarks(struct world *w)
{
	bool by_files = sim_chance(2);
	uint64_t blocks, nfiles, free;
	uint32_t i;

	if (by_files)
		simstore_limit(w->store, 100000, 500);
	else
		simstore_limit(w->store, 1000, 100000);
	w->params.brun = w->params.frun = 30;
	w->params.bcull = w->params.fcull = 20;
	w->params.bstop = w->params.fstop = 10;
	world_open(w);
	for (i = 0; i < 380; i += 20) {
		make(w, i, 20, by_files ? 1 : 3 * K);
		sim_sleep_ms(1000);
		simstore_used(w->store, &blocks, &nfiles);
		free = by_files ? (500 - nfiles) / 5 : (1000 - blocks) / 10;
		CHECK(free >= 15);
		if (world_stats(w).objects_culled)
			break;
	}
	CHECK(world_stats(w).objects_culled > 0);
	CHECK(free >= 29 && free <= 33);
}

static void below_cull_it_begins_and_at_run_it_ends(void **state)
{
	(void)state;
	each_seed(10, watermarks);
}

static void limited_later(struct world *w)
{
	struct fsc_cache_params limits = { .max_bytes = 60 * K };
	struct fsc_cache_params bad = { .max_bytes = 1, .brun = 5, .bcull = 5 };

	world_open(w);
	make(w, 0, MANY, 3 * K);
	CHECK_EQ(fsc_cache_set_limits(w->cache, &bad), -EINVAL);
	sim_sleep_ms(5000);
	CHECK_EQ(count(w, 0, MANY), MANY);
	CHECK_EQ(fsc_cache_set_limits(w->cache, &limits), 0);
	sim_sleep_ms(5000);
	CHECK(world_stats(w).bytes_used < 54 * K);
	CHECK(count(w, 0, MANY) <= 18);
	CHECK(count(w, 0, MANY) >= 1);
}

static void limits_set_later_are_kept(void **state)
{
	(void)state;
	each_seed(10, limited_later);
}

static void nothing_to_cull(struct world *w)
{
	struct netfs_file f = REMOTE(7, 100 * K);
	struct fsc_object *obj;

	w->params.max_bytes = 50 * K;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(store(obj, &f, 0, 50 * K), 50 * K);
	CHECK_EQ(store(obj, &f, 50 * K, K), -ENOSPC);
	sim_sleep_ms(5000);
	CHECK_EQ(check_present(obj, &f), 50);
	obj_close(obj);
	CHECK_EQ(world_stats(w).objects_culled, 0);
}

static void with_all_in_use_it_gives_up_for_now(void **state)
{
	(void)state;
	each_seed(10, nothing_to_cull);
}

/* --- Counting over restarts ------------------------------------------------------------------ */

static void remembered(struct world *w)
{
	bool same_mount = sim_chance(2);

	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	make(w, 0, 10, 3 * K);
	CHECK_EQ(world_stats(w).bytes_used, 30 * K);
	world_close(w);
	simstore_log_clear(w->store);
	/* After another mount there may have been a crash between. */
	w->backend.mount_id += !same_mount;
	world_open(w);
	CHECK_EQ(world_stats(w).bytes_used, same_mount ? 30 * K : 0);
	sim_sleep_ms(1000);
	CHECK_EQ(world_stats(w).bytes_used, 30 * K);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_DIR_STAT, 0), same_mount ? 0 : 10);
	make(w, 10, 10, 3 * K);
	CHECK_EQ(world_stats(w).bytes_used, 60 * K);
}

static void a_clean_close_remembers_what_is_used(void **state)
{
	(void)state;
	each_seed(20, remembered);
}

static void unclean_first(struct world *w)
{
	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	make(w, 0, 20, 3 * K);
	/* What is waiting to be removed is not counted, and so not given back either. */
	simstore_mkdir(w->store, "graves/x");
	simstore_copy_tree(w->store, "cache", "graves/x/y");
	sim_kill();
}

static void unclean_second(struct world *w)
{
	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	CHECK_EQ(world_stats(w).bytes_used, 0); /* starting waits for no walk */
	sim_sleep_ms(1000);
	CHECK_EQ(world_stats(w).bytes_used, 60 * K);
	make(w, 20, 1, 3 * K);
	CHECK_EQ(world_stats(w).bytes_used, 63 * K);
	world_close(w);
	w->params.max_bytes = 0;
	world_open(w);
	CHECK_EQ(world_stats(w).bytes_used, 63 * K);
	world_close(w);
}

static void after_an_unclean_stop_it_is_counted_anew(void **state)
{
	(void)state;
	each_seed_killed(10, unclean_first, unclean_second);
}

static void over_budget_second(struct world *w)
{
	w->params.max_bytes = 40 * K;
	w->backend.ids_known = true;
	world_open(w);
	sim_sleep_ms(5000);
	CHECK(world_stats(w).bytes_used < 36 * K);
	CHECK_EQ(world_stats(w).bytes_used, count(w, 0, 20) * 3 * K);
	world_close(w);
}

static void what_is_counted_to_be_over_the_budget_is_culled(void **state)
{
	(void)state;
	each_seed_killed(10, unclean_first, over_budget_second);
}

static void limited_second(struct world *w)
{
	struct fsc_cache_params limits = { .max_bytes = 100 * K };

	w->params.max_bytes = 0;
	w->backend.ids_known = true;
	world_open(w);
	make(w, 20, 12, 3 * K);
	CHECK_EQ(fsc_cache_set_limits(w->cache, &limits), 0);
	sim_sleep_ms(5000);
	/* 96 were there, and those that were stored just now aren't counted twice. */
	CHECK_EQ(count(w, 0, 32), 29);
	CHECK_EQ(world_stats(w).bytes_used, 29 * 3 * K);
	world_close(w);
}

static void a_budget_set_later_is_kept_by_what_is_there(void **state)
{
	(void)state;
	each_seed_killed(10, unclean_first, limited_second);
}

static void early_second(struct world *w)
{
	struct netfs_file f = REMOTE(5000, 3 * K);
	struct fsc_object *obj;

	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	/* While the graveyard is emptied, whose files were never counted. It has no name yet. */
	obj = obj_open(w, &f);
	sim_sleep_us(sim_random(1000));
	store_all(obj, &f);
	sim_sleep_ms(500);
	CHECK(world_stats(w).bytes_used >= 63 * K);
	obj_close(obj);
	world_close(w);
}

static void what_is_stored_before_the_count_is_not_lost_from_it(void **state)
{
	(void)state;
	each_seed_killed(SEEDS, unclean_first, early_second);
}

/* Its name is gone before the count, its bytes are given back after it. */
static void removed_second(struct world *w)
{
	struct fsc_object *obj;
	struct fsc_gen *gen;

	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	obj = obj_open(w, &files[3]);
	gen = fsc_object_gen(obj);
	obj_invalidate(obj, &files[3]);
	sim_sleep_ms(1000);
	fsc_gen_put(gen);
	obj_close(obj);
	sim_sleep_ms(1000);
	world_reopen(w);
	sim_sleep_ms(1000);
	CHECK_EQ(world_stats(w).bytes_used, 57 * K);
	world_close(w);
}

static void what_is_removed_before_the_count_is_not_taken_off_it(void **state)
{
	(void)state;
	each_seed_killed(SEEDS, unclean_first, removed_second);
}

static void cull_task(void *arg)
{
	fsc_cache_cull(((struct world *)arg)->cache, UINT64_MAX, NULL);
}

/* Few, so that the count is soon over. */
static void few_first(struct world *w)
{
	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	make(w, 0, 3, 3 * K);
	sim_kill();
}

static void cull_some_task(void *arg)
{
	fsc_cache_cull(((struct world *)arg)->cache, 6 * K, NULL);
}

/* The same for what is culled. */
static void culled_second(struct world *w)
{
	struct fsc_stat st;
	uint64_t bytes = 0;
	sim_task_id task;

	w->params.max_bytes = 1000 * K;
	w->backend.ids_known = true;
	world_open(w);
	sim_sleep_us(sim_random(600));
	task = sim_spawn(cull_some_task, w);
	sim_join(task);
	sim_sleep_ms(1000);
	world_reopen(w);
	sim_sleep_ms(1000);
	for (uint64_t i = 0; i < 3; i++) {
		if (!simstore_stat(w->store, obj_path(&files[i]), &st))
			bytes += st.bytes;
	}
	CHECK_EQ(bytes, 3 * K);
	CHECK_EQ(world_stats(w).bytes_used, bytes);
	world_close(w);
}

static void what_is_culled_during_the_count_is_not_taken_off_it(void **state)
{
	(void)state;
	each_seed_killed(20 * SEEDS, few_first, culled_second);
}

static void grown_meanwhile(struct world *w)
{
	struct netfs_file *f = &files[0];
	struct fsc_object *obj;
	struct fsc_stat st;
	sim_task_id task;

	*f = (struct netfs_file)REMOTE(1000, 20 * K);
	world_open(w);
	obj = obj_open(w, f);
	store(obj, f, 0, 4 * K);
	obj_close(obj);
	task = sim_spawn(cull_task, w);
	sim_sleep_us(sim_random(500));
	obj = obj_open(w, f);
	store(obj, f, 4 * K, 16 * K);
	obj_close(obj);
	sim_join(task);
	sim_sleep_ms(1500);
	st.bytes = 0;
	simstore_stat(w->store, obj_path(f), &st);
	CHECK_EQ(world_stats(w).bytes_used, st.bytes);
}

static void what_grew_since_it_was_chosen_is_given_back_whole(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, grown_meanwhile);
}

static void closing(struct world *w)
{
	w->params.max_bytes = 300 * K;
	world_open(w);
	make(w, 0, 95, 3 * K);
	files[300] = (struct netfs_file)REMOTE(5000, 3 * K);
	obj_close(obj_open(w, &files[300]));
	make(w, 95, 1, 3 * K);
	/* Whatever the culler is at. */
	sim_sleep_us(sim_random(2000));
}

static void closing_ends_a_walk(void **state)
{
	(void)state;
	each_seed(SEEDS, closing);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_recently_used_go_first_and_no_more_than_asked_for),
		cmocka_unit_test(not_all_are_looked_at_for_each_few),
		cmocka_unit_test(a_look_up_makes_an_object_young),
		cmocka_unit_test(one_goes_by_its_name_unless_it_is_open),
		cmocka_unit_test(names_that_no_object_has_are_refused_and_no_failure),
		cmocka_unit_test(what_is_open_is_spared),
		cmocka_unit_test(any_number_of_open_ones_hides_no_other),
		cmocka_unit_test(what_is_no_object_stays),
		cmocka_unit_test(one_that_cannot_be_removed_is_passed_over),
		cmocka_unit_test(opening_and_culling_at_once_agree),
		cmocka_unit_test(above_the_budget_the_oldest_go_until_there_is_room),
		cmocka_unit_test(below_cull_it_begins_and_at_run_it_ends),
		cmocka_unit_test(limits_set_later_are_kept),
		cmocka_unit_test(with_all_in_use_it_gives_up_for_now),
		cmocka_unit_test(a_clean_close_remembers_what_is_used),
		cmocka_unit_test(after_an_unclean_stop_it_is_counted_anew),
		cmocka_unit_test(what_is_counted_to_be_over_the_budget_is_culled),
		cmocka_unit_test(a_budget_set_later_is_kept_by_what_is_there),
		cmocka_unit_test(what_is_stored_before_the_count_is_not_lost_from_it),
		cmocka_unit_test(what_is_removed_before_the_count_is_not_taken_off_it),
		cmocka_unit_test(what_is_culled_during_the_count_is_not_taken_off_it),
		cmocka_unit_test(what_grew_since_it_was_chosen_is_given_back_whole),
		cmocka_unit_test(closing_ends_a_walk),
	};

	return RUN_TESTS(tests);
}
