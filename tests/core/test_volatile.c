// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_volatile.c - the open flag, for filesystems after whose crash nothing can be believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 50

static struct netfs_file file = REMOTE(7, 20 * K);

static struct fsc_super super_now(struct world *w)
{
	uint8_t raw[FSC_SUPER_SIZE];
	struct fsc_super super;

	CHECK_EQ(simstore_read(w->store, "super", 0, raw, sizeof(raw)), sizeof(raw));
	CHECK_EQ(fsc_super_decode(&super, raw, sizeof(raw)), 0);
	return super;
}

/* --- Volatile filesystems -------------------------------------------------------------------- */

static struct {
	struct sim_backend_opts backend;
	struct fsc_cache_params params;
} left;

static void ids(struct sim_backend_opts *o, uint8_t boot, uint64_t mount)
{
	o->ids_known = true;
	memset(o->boot_id, boot, sizeof(o->boot_id));
	o->mount_id = mount;
}

static void volatile_first(struct world *w)
{
	w->backend.kind = FSC_FS_VOLATILE;
	ids(&w->backend, 1, 1);
	w->backend.ids_known = sim_chance(2);
	w->backend.never_clean = sim_chance(3);
	w->backend.forgets = sim_chance(4);
	left.backend = w->backend;
	simstore_log_clear(w->store);
	world_open(w);
	CHECK_EQ(super_now(w).open, !w->backend.forgets);
	if (!w->backend.forgets)
		CHECK(simstore_log_count(w->store, SIMOP_SYNC,
					 simstore_ino(w->store, "super")) > 0);
	fill(w, &file);
	sim_sleep_ms(2000);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC, simstore_ino(w->store, obj_path(&file))),
		 0);
	if (sim_chance(2)) {
		simstore_log_clear(w->store);
		world_close(w);
		w->vol = NULL;
		left.params.save_ms = 1; /* closed */
		CHECK_EQ(super_now(w).open, w->backend.never_clean && !w->backend.forgets);
		if (!w->backend.never_clean && !w->backend.forgets)
			CHECK(log_find(w, SIMOP_SYNC_FS, 0, 0) <
			      log_find(w, SIMOP_WRITE, simstore_ino(w->store, "super"), 0));
	} else {
		left.params.save_ms = 0;
	}
	sim_kill();
}

static void volatile_second(struct world *w)
{
	bool closed = left.params.save_ms, same_boot = sim_chance(2), same_mount = sim_chance(2);
	bool believe = (closed && !left.backend.never_clean) || left.backend.forgets;

	w->backend = left.backend;
	/* Whatever kind that open finds. */
	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	ids(&w->backend, same_boot ? 1 : 2, same_mount ? 1 : 2);
	if (sim_chance(4))
		w->backend.ids_known = false;
	if (left.backend.ids_known && w->backend.ids_known && same_boot && same_mount)
		believe = true;
	simstore_log_clear(w->store);
	world_open(w);
	/* Nothing in it was ever synced. Once the flag is gone, a crash must find it durable. */
	if (believe && !closed && !left.backend.forgets && w->backend.kind != FSC_FS_VOLATILE) {
		CHECK(log_find(w, SIMOP_SYNC_FS, 0, 0) >= 0);
		CHECK(log_find(w, SIMOP_SYNC_FS, 0, 0) <
		      log_find(w, SIMOP_WRITE, simstore_ino(w->store, "super"), 0));
	}
	CHECK_EQ(found(w, &file), believe ? 20 : 0);
	fill(w, &file);
	world_close(w);
	w->backend.never_clean = false;
	CHECK(w->backend.kind != FSC_FS_VOLATILE || !super_now(w).open || left.backend.never_clean);
}

static void an_open_flag_of_a_volatile_filesystem_empties_the_cache(void **state)
{
	(void)state;
	each_seed_killed(6 * SEEDS, volatile_first, volatile_second);
}

/* From the first change on a crash may spoil any file: it is to find the flag set. */
static void flag_first(struct world *w)
{
	size_t n, sync;
	const struct simstore_record *log;

	w->backend.kind = FSC_FS_VOLATILE;
	world_open(w);
	fill(w, &file);
	world_close(w);
	simstore_mkdir(w->store, "tmp/left");
	simstore_remove(w->store, "graves");
	simstore_log_clear(w->store);
	world_open(w);
	log = simstore_log(w->store, &n);
	for (sync = 0; sync < n && log[sync].op != SIMOP_SYNC; sync++) {
		CHECK(log[sync].op != SIMOP_UNLINK && log[sync].op != SIMOP_REMOVE_DIR);
		CHECK(log[sync].op != SIMOP_RENAME && strcmp(log[sync].name, "graves"));
	}
	CHECK(sync < n && log[sync].ino == simstore_ino(w->store, "super"));
	CHECK(simstore_ino(w->store, "graves") && !simstore_ino(w->store, "tmp/left"));
}

static void the_open_flag_is_durable_before_anything_is_changed(void **state)
{
	(void)state;
	each_seed(20, flag_first);
}

static void safer(struct world *w)
{
	enum fsc_fs_kind kind = (enum fsc_fs_kind)sim_random(3),
			 least = (enum fsc_fs_kind)sim_random(3);

	w->backend.kind = kind;
	w->params.at_least = least;
	world_open(w);
	CHECK_EQ(fsc_cache_kind(w->cache), kind > least ? kind : least);
	CHECK_EQ(super_now(w).open, fsc_cache_kind(w->cache) == FSC_FS_VOLATILE);
}

static void what_is_asked_for_counts_if_it_is_safer(void **state)
{
	(void)state;
	each_seed(30, safer);
}

static void failed_sync(struct world *w)
{
	w->backend.kind = FSC_FS_VOLATILE;
	world_open(w);
	fill(w, &file);
	simstore_fail(w->store, SIMOP_SYNC_FS, 0, 1, -EIO);
	world_close(w);
	CHECK(super_now(w).open);
	world_open(w);
	CHECK_EQ(found(w, &file), 0);
	fill(w, &file);
	fsc_cache_withdraw(w->cache);
	world_close(w);
	CHECK(super_now(w).open);
	CHECK_EQ(simstore_open_handles(w->store), 0);
}

static void what_could_not_be_synced_is_not_called_clean(void **state)
{
	(void)state;
	each_seed(10, failed_sync);
}

static void ordered_first(struct world *w)
{
	w->backend.kind = (enum fsc_fs_kind)sim_random(2);
	world_open(w);
	fill(w, &file);
	sim_kill();
}

static void ordered_second(struct world *w)
{
	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	ids(&w->backend, 9, 9);
	world_open(w);
	CHECK_EQ(found(w, &file), 20);
	world_close(w);
}

static void elsewhere_an_unclean_end_costs_nothing(void **state)
{
	(void)state;
	each_seed_killed(SEEDS, ordered_first, ordered_second);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_flag_of_a_volatile_filesystem_empties_the_cache),
		cmocka_unit_test(the_open_flag_is_durable_before_anything_is_changed),
		cmocka_unit_test(what_is_asked_for_counts_if_it_is_safer),
		cmocka_unit_test(what_could_not_be_synced_is_not_called_clean),
		cmocka_unit_test(elsewhere_an_unclean_end_costs_nothing),
	};

	return RUN_TESTS(tests);
}
