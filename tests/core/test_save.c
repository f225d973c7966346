// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_save.c - what is stored of an object: in which form, and in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

static void store_every(struct fsc_object *obj, const struct netfs_file *f, uint64_t from,
			uint64_t to, uint64_t step)
{
	for (uint64_t g = from; g < to; g += step)
		store(obj, f, g * K, K);
}

/* --- Forms ----------------------------------------------------------------------------------- */

static void any_map(struct world *w)
{
	struct netfs_file f = REMOTE(7, (20 + sim_random(1500)) * K + sim_random(4096));
	uint64_t granules = fsc_granules(f.size), n;
	struct fsc_object *obj;
	const struct on_disk *d;

	simstore_set_xattr_max(w->store, 256 + sim_random(708));
	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	obj = obj_open(w, &f);
	for (uint32_t i = sim_random(200); i; i--)
		store(obj, &f, sim_random((uint32_t)granules) * K, (1 + sim_random(4)) * K);
	n = check_present(obj, &f);
	obj_close(obj);
	d = disk(w, &f);
	CHECK_EQ(d->present, n);
	if (n && !d->rec.complete)
		CHECK(d->rec.map_kind != FSC_MAP_NONE);
	world_reopen(w);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), n);
	obj_close(obj);
	CHECK_EQ(world_stats(w).objects_discarded, 0);
}

static void a_map_of_any_form_is_found_again(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, any_map);
}

static void forms(struct world *w)
{
	struct netfs_file f = REMOTE(7, 400 * K);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 10 * K, 20 * K);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->rec.map_kind, FSC_MAP_RUNS);
	obj = obj_open(w, &f);
	store_every(obj, &f, 0, 400, 3);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->rec.map_kind, FSC_MAP_BITMAP);
	CHECK_EQ(disk(w, &f)->rec.map.len, 50);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 148);
	CHECK_EQ(store_all(obj, &f), 252 * K);
	obj_close(obj);
	CHECK(disk(w, &f)->rec.complete);
	CHECK_EQ(disk(w, &f)->len, 44);
}

static void the_shorter_form_is_chosen(void **state)
{
	(void)state;
	each_seed(10, forms);
}

/* A bitmap of 300 bytes, or runs of 2 bytes each, where 212 fit. */
static void open_for_slots(struct world *w, struct netfs_file *f, struct fsc_object **obj)
{
	simstore_set_xattr_max(w->store, 256);
	f->size = f->real_size = 2400 * K - 100;
	world_open(w);
	*obj = obj_open(w, f);
}

static void slots(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	bool bitmap = sim_chance(2);
	uint64_t n = bitmap ? 200 : 120;
	struct fsc_object *obj;
	uint8_t slot;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	open_for_slots(w, &f, &obj);
	store_every(obj, &f, 0, 4 * n, 4);
	obj_close(obj);
	CHECK(disk(w, &f)->in_slot);
	CHECK_EQ(disk(w, &f)->slot.kind, bitmap ? FSC_MAP_BITMAP : FSC_MAP_RUNS);
	CHECK_EQ(disk(w, &f)->present, n);
	slot = disk(w, &f)->slot.slot;
	for (int i = 1; i < 5; i++) {
		if (sim_chance(2))
			world_reopen(w);
		obj = obj_open(w, &f);
		CHECK_EQ(check_present(obj, &f), n++);
		store(obj, &f, (1000 + (uint64_t)i) * K, K);
		obj_close(obj);
		CHECK(disk(w, &f)->in_slot);
		CHECK_EQ(disk(w, &f)->present, n);
		CHECK_EQ(disk(w, &f)->slot.slot, !slot);
		slot = !slot;
	}
	/* Complete: no slots any more. */
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	CHECK(disk(w, &f)->rec.complete);
	CHECK_EQ(disk(w, &f)->size, f.size);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 2400);
	obj_close(obj);
}

static void a_long_map_goes_into_slots_in_turn(void **state)
{
	(void)state;
	each_seed(10, slots);
}

static void damaged_slot(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;
	const struct on_disk *d;
	uint64_t at;
	uint8_t byte;

	open_for_slots(w, &f, &obj);
	store_every(obj, &f, 0, 480, 4);
	obj_close(obj);
	d = disk(w, &f);
	CHECK(d->in_slot);
	if (sim_chance(4)) {
		simstore_resize(w->store, obj_path(&f), d->slot.pos + sim_random(4095));
	} else {
		at = d->slot.pos + sim_random(FSC_SLOT_HEADER + d->slot.len);
		simstore_read(w->store, obj_path(&f), at, &byte, 1);
		byte ^= (uint8_t)(1u << sim_random(8));
		simstore_write(w->store, obj_path(&f), at, &byte, 1);
	}
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 0);
	CHECK_EQ(world_stats(w).objects_discarded, 1);
	store_every(obj, &f, 0, 480, 4);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 120);
}

static void a_damaged_slot_is_not_believed(void **state)
{
	(void)state;
	each_seed(SEEDS, damaged_slot);
}

/* A run of 64 and very many single ones. */
static void store_mixed(struct fsc_object *obj, const struct netfs_file *f)
{
	store(obj, f, 2000 * K, 64 * K);
	store_every(obj, f, 0, 600, 4);
}

static void expect_longest(struct world *w, const struct netfs_file *f, uint64_t singles)
{
	struct fsc_object *obj;
	const struct on_disk *d = disk(w, f);
	uint64_t n = d->present;

	CHECK(!d->in_slot && d->rec.map_kind == FSC_MAP_RUNS);
	CHECK(n >= 64 + singles && n < 64 + 150);
	for (uint64_t g = 2000; g < 2064; g++)
		CHECK(disk_declares(d, w, f, g));
	world_reopen(w);
	obj = obj_open(w, f);
	CHECK_EQ(check_present(obj, f), n);
	obj_close(obj);
}

static void no_slot(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;
	int error = sim_chance(2) ? -ENOSPC : -EIO;

	open_for_slots(w, &f, &obj);
	store_mixed(obj, &f);
	simstore_fail(w->store, SIMOP_WRITE, 0, UINT32_MAX, error);
	obj_close(obj);
	simstore_fail(w->store, SIMOP_WRITE, 0, 0, 0);
	CHECK(world_stats(w).cache_errors > 0);
	expect_longest(w, &f, 100); /* and as many more as there is room for */
}

static void without_a_slot_the_longest_runs_are_declared(void **state)
{
	(void)state;
	each_seed(20, no_slot);
}

static void less_than_probed(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;

	open_for_slots(w, &f, &obj);
	store_mixed(obj, &f);
	simstore_set_xattr_max(w->store, 50 + sim_random(13)); /* less than a slot's reference */
	obj_close(obj);
	CHECK_EQ(world_stats(w).cache_errors, 0);
	expect_longest(w, &f, 0);
}

static void a_value_that_is_too_long_is_tried_shorter(void **state)
{
	(void)state;
	each_seed(20, less_than_probed);
}

static void nothing_but_header(struct world *w)
{
	struct netfs_file f = REMOTE(7, 8 * K);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	for (uint64_t g = 0; g < 8; g += 2)
		store(obj, &f, g * K, K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	CHECK_EQ(disk(w, &f)->present, 4);
	/* Now no map at all fits: what is cleared must not stay declared for that. */
	CHECK_EQ(disk(w, &f)->rec.map.len, 1);
	simstore_set_xattr_max(w->store, 44);
	CHECK_EQ(obj_clear(obj, 0, K), 0);
	CHECK_EQ(disk(w, &f)->present, 0);
	CHECK(disk(w, &f)->exists);
	CHECK_EQ(check_present(obj, &f), 3);
	obj_close(obj);
}

static void a_value_without_any_map_is_tried_last(void **state)
{
	(void)state;
	each_seed(10, nothing_but_header);
}

static void slot_memory(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;

	/* Less memory for maps than a slot takes: it could not be read again. */
	w->params.max_map_bytes = 6000;
	open_for_slots(w, &f, &obj);
	store_mixed(obj, &f);
	obj_close(obj);
	expect_longest(w, &f, 100);
}

static void no_slot_is_written_that_could_not_be_read(void **state)
{
	(void)state;
	each_seed(10, slot_memory);
}

/* --- Order ----------------------------------------------------------------------------------- */

static void first_save_order(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	bool strict = sim_chance(2);
	struct fsc_object *obj;
	int write, sync, xattr, commit;
	size_t n;
	uint64_t ino;

	w->backend.kind = strict ? FSC_FS_STRICT : FSC_FS_ORDERED;
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	simstore_log_clear(w->store);
	store(obj, &f, 0, 0);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	ino = disk(w, &f)->ino;
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	commit = log_find(w, SIMOP_COMMIT, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	CHECK(xattr >= 0 && commit > xattr);
	if (strict)
		CHECK(sync >= 0 && sync < xattr && simstore_log(w->store, &n)[sync].len == 1);
	else
		CHECK(sync < 0);
	/* And again for what comes later. */
	obj_invalidate(obj, &f);
	simstore_log_clear(w->store);
	store(obj, &f, 0, 10 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	store(obj, &f, 10 * K, 10 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	write = log_find(w, SIMOP_WRITE_DONE, ino, 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK(write >= 0 && xattr > write);
	CHECK(log_find(w, SIMOP_COMMIT, ino, 0) < 0);
	if (strict) {
		sync = log_find(w, SIMOP_SYNC, ino, write);
		CHECK(sync > write && sync < xattr);
	}
	obj_close(obj);
}

static void data_then_value_then_name(void **state)
{
	(void)state;
	each_seed(SEEDS, first_save_order);
}

/* Old blocks may lie below what a found object is filled with, or one of which a store failed. What
 * goes over them is in no order with the log, so they are synced first, once. */
static void over_old_blocks(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	int write, sync, xattr;
	uint64_t ino;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, 10 * K);
	if (sim_chance(2)) {
		obj_close(obj);
		obj = obj_open(w, &f);
	} else {
		obj_clear(obj, 2 * K, K);
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	}
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	store(obj, &f, 10 * K, 2 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	write = log_find(w, SIMOP_WRITE_DONE, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, write);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK(write >= 0 && sync > write && xattr > sync);
	/* Nothing new lies there: no sync before the value. */
	simstore_log_clear(w->store);
	fsc_cache_sync(w->cache);
	CHECK_EQ(fsc_object_commit(obj, &(struct fsc_blob){ "later", 5 }), 0);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK(xattr >= 0);
	while (sync >= 0 && sync < xattr) {
		size_t n;

		CHECK(!simstore_log(w->store, &n)[sync].len); /* the saver's, not of data only */
		sync = log_find(w, SIMOP_SYNC, ino, sync + 1);
	}
	obj_close(obj);
}

/* A filesystem says once that it has lost something. */
static void lost_data(struct world *w)
{
	static const int errors[] = { -EIO, -ENOSPC, -EDQUOT, -EINTR };
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;

	w->backend.kind = FSC_FS_STRICT;
	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, 10 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	fsc_cache_sync(w->cache);
	store(obj, &f, 10 * K, 3 * K);
	simstore_fail(w->store, SIMOP_SYNC, 0, 1, errors[sim_random(4)]);
	CHECK(fsc_object_commit(obj, NULL) < 0);
	CHECK(store(obj, &f, 15 * K, K) < 0);
	fsc_cache_sync(w->cache);
	fsc_object_commit(obj, NULL);
	CHECK_EQ(disk(w, &f)->present, 10);
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
}

static void what_could_not_be_synced_is_never_declared(void **state)
{
	(void)state;
	each_seed(SEEDS, lost_data);
}

/* And before anything goes over blocks that a value declared which a crash might bring back, that
 * is made impossible: where a punch failed, or who knows what was stored last for good. */
static void after_what_is_durable(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	bool punched = sim_chance(2), found_again = sim_chance(2);
	struct fsc_object *obj;
	int write, sync;
	uint64_t ino;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, 10 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	fsc_cache_sync(w->cache);
	if (found_again) {
		obj_close(obj);
		obj = obj_open(w, &f);
	}
	simstore_fail(w->store, SIMOP_PUNCH, 0, punched ? 0 : 1, -EIO);
	obj_clear(obj, 2 * K, K);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	if (sim_chance(4)) {
		/* It can't be: then nothing is stored. */
		simstore_fail(w->store, SIMOP_SYNC, 0, 1, -EIO);
		CHECK_EQ(store(obj, &f, 2 * K, K) < 0, found_again || !punched);
		simstore_fail(w->store, SIMOP_SYNC, 0, 0, 0);
		simstore_log_clear(w->store);
	}
	store(obj, &f, 2 * K, K);
	write = log_find(w, SIMOP_WRITE, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	if (write >= 0)
		CHECK_EQ(sync >= 0 && sync < write, found_again || !punched);
	obj_close(obj);
}

static void nothing_goes_over_what_a_value_may_declare_that_a_crash_brings_back(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, after_what_is_durable);
}

static void what_went_over_old_blocks_is_synced_before_it_is_declared(void **state)
{
	(void)state;
	each_seed(SEEDS, over_old_blocks);
}

static void complete_then_cut(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K + 5);
	struct fsc_object *obj;
	uint64_t ino;
	int xattr;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	simstore_log_clear(w->store);
	obj_close(obj);
	ino = disk(w, &f)->ino;
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK(xattr >= 0 && log_find(w, SIMOP_RESIZE, ino, 0) > xattr);
	CHECK_EQ(disk(w, &f)->size, f.size);
}

static void a_complete_file_is_cut_after_the_value_says_so(void **state)
{
	(void)state;
	each_seed(20, complete_then_cut);
}

static void vanishing_fanout(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	uint32_t times = sim_random(12);
	struct fsc_object *obj;

	/* The daemon of the stock cache removes empty folders at any moment. */
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	simstore_fail(w->store, SIMOP_COMMIT, 0, times, -ENOENT);
	CHECK_EQ(fsc_object_commit(obj, NULL), times < 8 ? 0 : -EAGAIN);
	CHECK_EQ(disk(w, &f)->present, times < 8 ? 20 : 0);
	sim_sleep_ms(15000);
	CHECK_EQ(disk(w, &f)->present, 20);
	obj_close(obj);
	CHECK_EQ(world_stats(w).objects_created, 1);
}

static void a_folder_that_vanishes_is_made_again(void **state)
{
	(void)state;
	each_seed(20, vanishing_fanout);
}

static void slot_order(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1);
	struct fsc_object *obj;
	const struct simstore_record *log;
	int slot, sync, xattr;
	size_t n;
	uint64_t ino, end;

	open_for_slots(w, &f, &obj);
	end = fsc_round_up(f.size, K);
	store_every(obj, &f, 0, 480, 4);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	store(obj, &f, 2000 * K, K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	/* The value that points to the one slot is durable before the other is written. */
	log = simstore_log(w->store, &n);
	for (slot = 0; slot < (int)n; slot++)
		if (log[slot].op == SIMOP_WRITE && log[slot].pos >= end)
			break;
	CHECK(slot < (int)n);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	CHECK(sync >= 0 && sync < slot && log[sync].len == 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK(xattr > slot);
	obj_close(obj);
}

static void a_slot_is_written_after_the_other_is_durably_in_use(void **state)
{
	(void)state;
	each_seed(20, slot_order);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_of_any_form_is_found_again),
		cmocka_unit_test(the_shorter_form_is_chosen),
		cmocka_unit_test(a_long_map_goes_into_slots_in_turn),
		cmocka_unit_test(a_damaged_slot_is_not_believed),
		cmocka_unit_test(without_a_slot_the_longest_runs_are_declared),
		cmocka_unit_test(a_value_that_is_too_long_is_tried_shorter),
		cmocka_unit_test(a_value_without_any_map_is_tried_last),
		cmocka_unit_test(no_slot_is_written_that_could_not_be_read),
		cmocka_unit_test(data_then_value_then_name),
		cmocka_unit_test(what_went_over_old_blocks_is_synced_before_it_is_declared),
		cmocka_unit_test(what_could_not_be_synced_is_never_declared),
		cmocka_unit_test(
			nothing_goes_over_what_a_value_may_declare_that_a_crash_brings_back),
		cmocka_unit_test(a_complete_file_is_cut_after_the_value_says_so),
		cmocka_unit_test(a_folder_that_vanishes_is_made_again),
		cmocka_unit_test(a_slot_is_written_after_the_other_is_durably_in_use),
	};

	return RUN_TESTS(tests);
}
