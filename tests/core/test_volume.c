// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_volume.c - an export's folder: found only if it is its own and of the same coherency data,
 * and thrown away whole otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"
#include "key.h"

#define SEEDS 50
#define FOLDER "cache/I9p,server,export"

static struct fsc_blob text(const char *s)
{
	return (struct fsc_blob){ s, strlen(s) };
}

static void reacquire(struct world *w, const char *coherency)
{
	fsc_volume_relinquish(w->vol, false);
	CHECK_EQ(
		fsc_volume_acquire(w->cache, text("9p,server,export"), text(coherency), 0, &w->vol),
		0);
}

static struct netfs_file file = REMOTE(7, 20 * K);

static int count_names(void *arg, const char *path, const struct fsc_stat *st)
{
	(void)st;
	*(int *)arg += strncmp(path, "graves/", 7) == 0;
	return 0;
}

static int in_graveyard(struct world *w)
{
	int n = 0;

	simstore_walk(w->store, count_names, &n);
	return n;
}

/* --- Handles --------------------------------------------------------------------------------- */

static void handles(struct world *w)
{
	static const char bytes[300];
	struct fsc_volume *vol;

	world_open(w);
	CHECK_EQ(fsc_volume_acquire(NULL, text("x"), text(""), 0, &vol), 0);
	CHECK(!vol);
	fsc_volume_relinquish(NULL, true);
	CHECK_EQ(fsc_volume_acquire(w->cache, (struct fsc_blob){bytes, 0}, text(""), 0, &vol),
		 -EINVAL);
	CHECK_EQ(fsc_volume_acquire(w->cache, (struct fsc_blob){ bytes, 256 }, text(""), 0, &vol),
		 -EINVAL);
	CHECK_EQ(fsc_volume_acquire(w->cache, text("x"), (struct fsc_blob){ bytes, 256 }, 0, &vol),
		 -EINVAL);
	CHECK_EQ(fsc_volume_acquire(w->cache, text("9p,server,export"), text("v2"), 0, &vol),
		 -EBUSY);
	CHECK(!vol);
	CHECK_EQ(world_stats(w).cache_errors, 0);
	fill(w, &file);
	CHECK_EQ(found(w, &file), 20);
}

static void a_key_is_held_once_and_bad_arguments_are_refused(void **state)
{
	(void)state;
	each_seed(10, handles);
}

static void two(struct world *w)
{
	struct fsc_volume *first, *second;
	uint8_t key[255];
	size_t len = 1 + sim_random(255);

	memset(key, 'k', sizeof(key));
	key[0] = (uint8_t)sim_random(256);
	world_open(w);
	first = w->vol;
	CHECK_EQ(fsc_volume_acquire(w->cache, (struct fsc_blob){key, len}, text(""), 0, &second),
		 0);
	fill(w, &file);
	w->vol = second;
	CHECK_EQ(found(w, &file), 0);
	file.version = 5;
	fill(w, &file);
	CHECK_EQ(found(w, &file), 20);
	w->vol = first;
	file.version = 1;
	CHECK_EQ(found(w, &file), 20);
	fsc_volume_relinquish(second, false);
	CHECK_EQ(fsc_volume_acquire(w->cache, (struct fsc_blob){key, len}, text(""), 0, &second),
		 0);
	w->vol = second;
	file.version = 5;
	CHECK_EQ(found(w, &file), 20);
	file.version = 1;
	fsc_volume_relinquish(second, true);
	w->vol = first;
	CHECK_EQ(found(w, &file), 20);
}

static void volumes_do_not_mix(void **state)
{
	(void)state;
	each_seed(SEEDS, two);
}

/* --- Coherency ------------------------------------------------------------------------------- */

static void coherency(struct world *w)
{
	static const char longer[] = "more than twenty-eight bytes of it, to be hashed";
	char changed[sizeof(longer)];

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	fill(w, &file);
	reacquire(w, "");
	CHECK_EQ(found(w, &file), 20);
	CHECK_EQ(world_stats(w).objects_discarded, 0);
	simstore_log_clear(w->store);
	reacquire(w, "v1");
	CHECK_EQ(world_stats(w).objects_discarded, 1);
	if (w->backend.kind == FSC_FS_STRICT)
		CHECK(log_find(w, SIMOP_SYNC_DIR, simstore_ino(w->store, "cache"), 0) >
		      log_find(w, SIMOP_RENAME, 0, 0));
	CHECK_EQ(found(w, &file), 0);
	fill(w, &file);
	reacquire(w, "v1");
	CHECK_EQ(found(w, &file), 20);
	reacquire(w, longer);
	CHECK_EQ(found(w, &file), 0);
	fill(w, &file);
	memcpy(changed, longer, sizeof(longer));
	changed[40] ^= 1;
	if (sim_chance(2)) {
		reacquire(w, longer);
		CHECK_EQ(found(w, &file), 20);
	} else {
		reacquire(w, changed);
		CHECK_EQ(found(w, &file), 0);
	}
	sim_sleep_ms(3000);
	CHECK_EQ(in_graveyard(w), 0);
}

static void other_coherency_data_discard_the_volume_whole(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, coherency);
}

static void flipped(struct world *w)
{
	uint8_t value[256];
	int len, at;

	world_open(w);
	len = simstore_xattr_get(w->store, FOLDER, FSC_XATTR_NAME, value, sizeof(value));
	CHECK(len >= 36);
	for (at = 0; at < len; at++) {
		fill(w, &file);
		simstore_corrupt_xattr(w->store, FOLDER, FSC_XATTR_NAME, (size_t)at,
				       (uint8_t)(1u << sim_random(8)));
		reacquire(w, "");
		CHECK_EQ(found(w, &file), 0);
	}
	CHECK_EQ(world_stats(w).objects_discarded, len);
	simstore_xattr_set(w->store, FOLDER, FSC_XATTR_NAME, NULL, 0);
	reacquire(w, "");
	CHECK_EQ(found(w, &file), 0);
}

static void no_flipped_byte_of_the_record_is_believed(void **state)
{
	(void)state;
	each_seed(5, flipped);
}

static void strange(struct world *w)
{
	unsigned int what = sim_random(6);

	world_open(w);
	fill(w, &file);
	world_close(w);
	if (what < 5)
		simstore_rename(w->store, FOLDER, "was");
	switch (what) {
	case 0:
		simstore_symlink(w->store, FOLDER);
		break;
	case 1:
		simstore_fifo(w->store, FOLDER);
		break;
	case 2:
		simstore_mkfile(w->store, FOLDER);
		break;
	case 3:
		simstore_mkdir(w->store, FOLDER);
		break;
	case 4:
		simstore_copy_tree(w->store, "was", FOLDER);
		break;
	default:
		simstore_chown(w->store, FOLDER, 1000);
		break;
	}
	world_open(w);
	CHECK_EQ(world_stats(w).objects_discarded, 1);
	CHECK_EQ(found(w, &file), 0);
	fill(w, &file);
	CHECK_EQ(found(w, &file), 20);
	sim_sleep_ms(3000);
	CHECK_EQ(in_graveyard(w), 0);
}

static void what_is_not_the_folder_is_moved_away(void **state)
{
	(void)state;
	each_seed(SEEDS, strange);
}

/* --- The end --------------------------------------------------------------------------------- */

static void retired(struct world *w)
{
	world_open(w);
	fill(w, &file);
	fsc_volume_relinquish(w->vol, true);
	w->vol = NULL;
	CHECK(!simstore_ino(w->store, FOLDER));
	sim_sleep_ms(3000);
	CHECK_EQ(in_graveyard(w), 0);
	CHECK_EQ(world_stats(w).bytes_used, 0);
}

static void a_retired_volume_is_gone(void **state)
{
	(void)state;
	each_seed(10, retired);
}

/* A netfs that discards what it knows to be wrong must never see it again, whatever failed. */
static void retired_withdrawn(struct world *w)
{
	bool fails = sim_chance(2);

	world_open(w);
	fill(w, &file);
	fsc_cache_withdraw(w->cache);
	if (fails)
		simstore_fail(w->store, SIMOP_RENAME, 0, UINT64_MAX, -EIO);
	fsc_volume_relinquish(w->vol, true);
	w->vol = NULL;
	CHECK(fails || !simstore_ino(w->store, FOLDER));
	simstore_fail(w->store, SIMOP_RENAME, 0, 0, 0);
	world_reopen(w);
	CHECK_EQ(found(w, &file), 0);
}

static void what_was_retired_is_gone_though_the_cache_was_withdrawn(void **state)
{
	(void)state;
	each_seed(SEEDS, retired_withdrawn);
}

static void strict_removal(struct world *w)
{
	uint64_t ino;

	world_open(w);
	fsc_volume_relinquish(w->vol, false);
	ino = simstore_ino(w->store, "cache");
	for (uint32_t flags = 0; flags <= FSC_VOLUME_STRICT_REMOVAL; flags++) {
		CHECK_EQ(fsc_volume_acquire(w->cache, text("one"), text(""), flags, &w->vol), 0);
		simstore_log_clear(w->store);
		fsc_volume_relinquish(w->vol, true);
		CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_DIR, ino), flags);
	}
	w->vol = NULL;
}

static void strict_removal_makes_the_end_of_a_volume_durable(void **state)
{
	(void)state;
	each_seed(5, strict_removal);
}

struct pinned {
	struct xfer *x;
	bool put;
};

static void put_later(void *arg)
{
	struct pinned *p = arg;

	sim_sleep_ms(5000);
	p->put = true;
	xfer_free(p->x);
}

static void pinned(struct world *w)
{
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct pinned p = { NULL, false };
	sim_task_id task;

	world_open(w);
	obj = obj_open(w, &file);
	store_all(obj, &file);
	gen = fsc_object_gen(obj);
	p.x = xfer_new(gen, 0, 20 * K);
	fsc_gen_put(gen);
	task = sim_spawn(put_later, &p);
	if (sim_chance(2))
		obj_invalidate(obj, &file);
	fsc_object_close(obj, NULL, sim_chance(2));
	fsc_volume_relinquish(w->vol, sim_chance(2));
	w->vol = NULL;
	CHECK(p.put);
	sim_join(task);
}

static void giving_it_back_waits_for_the_last_pin(void **state)
{
	(void)state;
	each_seed(SEEDS, pinned);
}

static void buried(struct world *w)
{
	world_open(w);
	for (uint32_t i = 0; i < 30; i++) {
		file.id = 100 + i;
		fill(w, &file);
	}
	file.id = 7;
	reacquire(w, "other");
	sim_sleep_us(sim_random(10000));
	world_close(w); /* in the middle of emptying the graveyard */
	w->vol = NULL;
	world_open(w);
	sim_sleep_ms(5000);
	CHECK_EQ(in_graveyard(w), 0);
}

static void what_is_left_in_the_graveyard_goes_at_the_next_start(void **state)
{
	(void)state;
	each_seed(20, buried);
}

static void old_graves(struct world *w)
{
	bool any = sim_chance(2);

	w->backend.ids_known = sim_chance(2);
	w->params.max_bytes = 1000 * K;
	world_open(w);
	fill(w, &file);
	world_close(w);
	w->vol = NULL;
	simstore_mkdir(w->store, "graveyard");
	if (any) {
		simstore_copy_tree(w->store, "cache", "graveyard/x");
		simstore_mkfile(w->store, "graveyard/y");
	}
	world_open(w);
	sim_sleep_ms(5000);
	CHECK_EQ(in_graveyard(w), 0);
	/* The empty one is somebody else's, and may be watched. */
	CHECK_EQ(simstore_ino(w->store, "graveyard") != 0, !any);
	CHECK_EQ(world_stats(w).bytes_used, fsc_round_up(file.size, K));
	CHECK(found(w, &file) > 0);
}

static void what_is_in_an_old_graveyard_goes_as_well(void **state)
{
	(void)state;
	each_seed(20, old_graves);
}

static void swept(struct world *w)
{
	world_open(w);
	world_close(w);
	simstore_mkdir(w->store, "tmp/half");
	simstore_mkdir(w->store, "tmp/half/x");
	simstore_mkfile(w->store, "tmp/half/x/y");
	simstore_fifo(w->store, "tmp/fifo");
	simstore_symlink(w->store, "tmp/link");
	world_open(w);
	CHECK(!simstore_ino(w->store, "tmp/half"));
	CHECK(!simstore_ino(w->store, "tmp/fifo"));
	CHECK(!simstore_ino(w->store, "tmp/link"));
}

static void what_is_left_in_tmp_goes_at_the_start(void **state)
{
	(void)state;
	each_seed(10, swept);
}

static void folder_errors(struct world *w)
{
	static const enum simstore_op ops[] = { SIMOP_DIR_XATTR_SET, SIMOP_RENAME, SIMOP_DIR_OPEN,
						SIMOP_DIR_SELF, SIMOP_DIR_XATTR_GET };
	struct fsc_volume *vol = NULL;
	int err;

	world_open(w);
	simstore_fail(w->store, ops[sim_random(5)], 0, 1, sim_chance(2) ? -EIO : -ENOSPC);
	err = fsc_volume_acquire(w->cache, text("new"), text(""), 0, &vol);
	CHECK_EQ(!vol, err != 0);
	if (err)
		CHECK_EQ(world_stats(w).cache_errors, 1);
	fsc_volume_relinquish(vol, false);
	for (int op = 0; op < SIMOP_COUNT; op++)
		simstore_fail(w->store, (enum simstore_op)op, 0, 0, 0);
	CHECK_EQ(fsc_volume_acquire(w->cache, text("new"), text(""), 0, &vol), 0);
	fsc_volume_relinquish(vol, false);
}

static void an_error_costs_this_time_only(void **state)
{
	(void)state;
	each_seed(SEEDS, folder_errors);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_held_once_and_bad_arguments_are_refused),
		cmocka_unit_test(volumes_do_not_mix),
		cmocka_unit_test(other_coherency_data_discard_the_volume_whole),
		cmocka_unit_test(no_flipped_byte_of_the_record_is_believed),
		cmocka_unit_test(what_is_not_the_folder_is_moved_away),
		cmocka_unit_test(a_retired_volume_is_gone),
		cmocka_unit_test(what_was_retired_is_gone_though_the_cache_was_withdrawn),
		cmocka_unit_test(strict_removal_makes_the_end_of_a_volume_durable),
		cmocka_unit_test(giving_it_back_waits_for_the_last_pin),
		cmocka_unit_test(what_is_left_in_the_graveyard_goes_at_the_next_start),
		cmocka_unit_test(what_is_in_an_old_graveyard_goes_as_well),
		cmocka_unit_test(what_is_left_in_tmp_goes_at_the_start),
		cmocka_unit_test(an_error_costs_this_time_only),
	};

	return RUN_TESTS(tests);
}
