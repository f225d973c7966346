// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_change.c - punches and resizes, and what becomes of any change when the disk refuses it.
 * What is stored must never say more than what is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

/* --- When the stored value can't be changed -------------------------------------------------- */

enum change { WRITE, WRITE_KEEP, CLEAR, SHRINK, GROW, CHANGES };

static void change(struct fsc_object *obj, struct netfs_file *f, enum change what)
{
	switch (what) {
	case WRITE:
	case WRITE_KEEP:
		f->version++;
		CHECK_EQ(local_write(obj, f, 3 * K, 2 * K, what == WRITE_KEEP), -ENOBUFS);
		break;
	case CLEAR:
		obj_clear(obj, 3 * K, 2 * K);
		break;
	default:
		f->size = what == SHRINK ? 10 * K : 30 * K;
		CHECK_EQ(fsc_object_resize(obj, f->size), -ENOBUFS);
		break;
	}
}

static void no_setxattr(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(CHANGES);
	int error = sim_chance(2) ? -ENOSPC : -EIO;
	bool buried = sim_chance(2);
	struct fsc_object *obj;
	uint64_t ino;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	simstore_fail(w->store, SIMOP_XATTR_SET, 0, UINT32_MAX, error);
	if (buried)
		simstore_fail(w->store, SIMOP_UNLINK, 0, 1, -EIO);
	simstore_log_clear(w->store);
	if (what == GROW && sim_chance(2))
		obj_clear(obj, 19 * K, K);
	change(obj, &f, what);
	CHECK(!disk(w, &old)->exists);
	CHECK(fsc_cache_online(w->cache));
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_PUNCH, ino), 0);
	if (w->backend.kind == FSC_FS_STRICT)
		CHECK(simstore_log_count(w->store, SIMOP_SYNC_DIR, 0) > 0);
	CHECK(!fsc_object_gen(obj));
	/* Others go on. */
	simstore_fail(w->store, SIMOP_XATTR_SET, 0, 0, 0);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(store_all(obj, &f), f.size);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
}

static void a_value_that_cannot_be_changed_costs_the_name(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, no_setxattr);
}

static void nothing_works(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	enum change what = (enum change)sim_random(CHANGES);
	struct fsc_object *obj;
	uint64_t ino;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	simstore_fail(w->store, SIMOP_XATTR_SET, 0, UINT32_MAX, -ENOSPC);
	simstore_fail(w->store, SIMOP_UNLINK, 0, UINT32_MAX, -EIO);
	simstore_fail(w->store, SIMOP_RENAME, 0, UINT32_MAX, -EIO);
	simstore_log_clear(w->store);
	change(obj, &f, what);
	CHECK(!fsc_cache_online(w->cache));
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_PUNCH, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_RESIZE, ino), 0);
	obj_close(obj);
	simstore_fail(w->store, SIMOP_COUNT, 0, 0, 0);
	for (int op = 0; op < SIMOP_COUNT; op++)
		simstore_fail(w->store, (enum simstore_op)op, 0, 0, 0);
}

static void if_the_name_stays_too_the_cache_is_withdrawn(void **state)
{
	(void)state;
	each_seed(SEEDS, nothing_works);
}

static void given_up(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(CHANGES);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);

	/* A pin from before: the object itself gives none any more. */
	if (sim_chance(2)) {
		fsc_object_expire(obj);
	} else {
		simstore_fail(w->store, SIMOP_READ, 0, 1, -EIO);
		CHECK_EQ(read_check(obj, &f, 0, K), -EIO);
	}
	if (what == CLEAR) {
		fsc_gen_clear(gen, 0, K);
	} else {
		struct xfer *x = xfer_new(gen, 0, K);

		CHECK_EQ(fsc_gen_write_prepare(&x->gio, what == WRITE_KEEP), -ENOBUFS);
		fsc_gen_write_answered(gen);
		xfer_free(x);
	}
	CHECK(!disk(w, &old)->exists);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void what_was_given_up_loses_its_name_with_the_first_change(void **state)
{
	(void)state;
	each_seed(SEEDS, given_up);
}

static void withdrawn(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t ino = disk(w, &f)->ino;
	struct xfer *x = xfer_new(gen, 0, K);

	fsc_cache_withdraw(w->cache);
	simstore_log_clear(w->store);
	CHECK_EQ(fsc_gen_write_prepare(&x->gio, true), -ENOBUFS);
	fsc_gen_write_answered(gen);
	fsc_gen_clear(gen, 3 * K, K);
	fsc_object_resize(obj, 5 * K);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_PUNCH, ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_RESIZE, ino), 0);
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
	CHECK(!disk(w, &f)->exists); /* it is outdated, and a later open would believe it */
}

static void a_withdrawn_cache_changes_no_data_but_removes_what_is_outdated(void **state)
{
	(void)state;
	each_seed(20, withdrawn);
}

/* --- Punch ----------------------------------------------------------------------------------- */

static void clear_order(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	uint64_t pos = sim_random(20 * 4096), len = 1 + sim_random((uint32_t)(f.size - pos));
	uint64_t first = pos / K, last = (pos + len - 1) / K, g, ino, used;
	struct fsc_object *obj;
	int xattr, sync, punch;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	used = world_stats(w).bytes_used;
	simstore_log_clear(w->store);
	if (sim_chance(5))
		len = UINT64_MAX - (sim_chance(2) ? 0 : pos);
	if (len > f.size)
		last = 19;
	CHECK_EQ(obj_clear(obj, pos, len), 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	punch = log_find(w, SIMOP_PUNCH, ino, 0);
	CHECK(xattr >= 0 && punch > xattr);
	if (w->backend.kind == FSC_FS_STRICT) {
		sync = log_find(w, SIMOP_SYNC, ino, xattr);
		CHECK(sync > xattr && sync < punch);
	}
	for (g = 0; g < 20; g++) {
		bool in = g >= first && g <= last;

		CHECK_EQ(present(obj, g * K), !in);
		CHECK_EQ(disk_declares(disk(w, &f), w, &f, g), !in);
		CHECK_EQ(simstore_is_hole(w->store, obj_path(&f), g * K), in);
	}
	CHECK_EQ(used - world_stats(w).bytes_used, (last - first + 1) * K);
	CHECK_EQ(check_present(obj, &f), 20 - (last - first + 1));
	CHECK_EQ(store_all(obj, &f), (last - first + 1) * K);
	obj_close(obj);
	CHECK(disk(w, &f)->rec.complete);
}

static void a_punch_comes_after_the_value_that_allows_it(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, clear_order);
}

static void clear_beyond(struct world *w)
{
	struct netfs_file f = REMOTE(7, 2400 * K - 100);
	struct fsc_object *obj;

	/* With slots behind the end, which are none of the object's bytes. */
	simstore_set_xattr_max(w->store, 256);
	world_open(w);
	obj = obj_open(w, &f);
	for (uint64_t g = 0; g < 480; g += 4)
		store(obj, &f, g * K, K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	CHECK(disk(w, &f)->in_slot);
	CHECK_EQ(obj_clear(obj, 2400 * K, 10 * K), 0);
	CHECK_EQ(obj_clear(obj, 3000 * K, UINT64_MAX), 0);
	CHECK_EQ(obj_clear(obj, 2399 * K, 10 * K), 0);
	CHECK_EQ(obj_clear(obj, 0, 0), 0);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 120);
	obj_close(obj);
}

static void a_punch_beyond_the_end_spares_the_slots(void **state)
{
	(void)state;
	each_seed(10, clear_beyond);
}

/* --- Resize ---------------------------------------------------------------------------------- */

/* Bytes of the file as the server has it after @resizes: what was cut off reads as zeroes, and
 * those are other bytes than the pattern's; so only what was never cut may be present. */
static void resizes(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1 + sim_random(40 * 4096));
	uint64_t least = f.size, g;
	struct fsc_object *obj;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	for (int i = 0; i < 4; i++) {
		f.size = sim_chance(4) ? sim_random(20) * K : sim_random(60 * 4096);
		CHECK_EQ(fsc_object_resize(obj, f.size), 0);
		CHECK_EQ(fsc_object_size(obj), f.size);
		least = fsc_min64(least, f.size);
		/* The granule with an old or new end inside is absent, those before are there. */
		for (g = 0; g < fsc_granules(f.size); g++)
			CHECK_EQ(present(obj, g * K), (g + 1) * K <= least);
		CHECK_EQ(check_present(obj, &f), least / K);
		if (sim_chance(2))
			sim_sleep_ms(1500);
		if (sim_chance(2)) {
			obj_close(obj);
			obj = obj_open(w, &f);
			if (least / K)
				CHECK_EQ(check_present(obj, &f), least / K);
		}
	}
	store_all(obj, &f);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
	if (f.size && fsc_granules(f.size))
		CHECK(disk(w, &f)->rec.complete);
	CHECK_EQ(world_stats(w).objects_discarded, 0);
}

static void after_a_resize_only_what_was_never_cut_is_present(void **state)
{
	(void)state;
	each_seed(3 * SEEDS, resizes);
}

static void resize_big(struct world *w)
{
	struct netfs_file f = REMOTE(7, 3000 * K - sim_random(4096));
	uint64_t least = f.size;
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	for (int i = 0; i < 4; i++) {
		if (sim_chance(2))
			f.size += sim_random(2000 * 4096);
		else
			f.size -= sim_random((uint32_t)f.size / 2);
		CHECK_EQ(fsc_object_resize(obj, f.size), 0);
		least = fsc_min64(least, f.size);
		CHECK_EQ(check_present(obj, &f), least / K);
	}
	CHECK_EQ(obj_clear(obj, 700 * K, K), 0);
	CHECK_EQ(check_present(obj, &f), least / K - (least > 700 * K));
	obj_close(obj);
}

static void a_large_object_keeps_all_that_was_not_cut(void **state)
{
	(void)state;
	each_seed(20, resize_big);
}

static void resize_order(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	uint64_t ino;
	int xattr, sync, resize;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	f.size = 7 * K + 3;
	CHECK_EQ(fsc_object_resize(obj, f.size), 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	resize = log_find(w, SIMOP_RESIZE, ino, 0);
	CHECK(xattr >= 0 && resize > xattr);
	if (w->backend.kind == FSC_FS_STRICT) {
		sync = log_find(w, SIMOP_SYNC, ino, xattr);
		CHECK(sync > xattr && sync < resize);
	}
	CHECK_EQ(disk(w, &f)->rec.size, f.size);
	CHECK_EQ(disk(w, &f)->present, 7);
	/* The old value, which a crash may bring back, declares what is in the last block. */
	CHECK(simstore_is_hole(w->store, obj_path(&f), 7 * K));
	CHECK_EQ(fsc_object_resize(obj, 1ull << 63), -EINVAL);
	CHECK_EQ(check_present(obj, &f), 7);
	obj_close(obj);
}

static void a_truncate_comes_after_the_value_that_allows_it(void **state)
{
	(void)state;
	each_seed(SEEDS, resize_order);
}

/* Downloads are padded at the end that the object had when they were sampled. */
static struct {
	struct netfs_file f;
	struct fsc_object *obj;
	uint64_t size;
} resizing;

static void resize_task(void *arg)
{
	(void)arg;
	CHECK_EQ(fsc_object_resize(resizing.obj, resizing.size), 0);
}

static void store_and_read(void)
{
	struct fsc_gen *gen = fsc_object_gen(resizing.obj);
	struct netfs_file said = resizing.f;
	struct xfer *x = xfer_new(gen, 0, 8 * K);

	said.size = fsc_object_size(resizing.obj);
	xfer_fill(x, &said);
	if (!xfer_prepare(x)) {
		xfer_store(x);
		xfer_wait(x);
	}
	xfer_free(x);
	x = xfer_new(gen, 0, 8 * K);
	xfer_read(x);
	xfer_wait(x);
	xfer_check(x, &resizing.f);
	xfer_free(x);
	fsc_gen_put(gen);
}

static void resize_meets(struct world *w)
{
	bool grow = sim_chance(2);
	sim_task_id task;

	w->backend.kind = any_kind();
	world_open(w);
	/* The server has had the longer one all the time. */
	resizing.f = (struct netfs_file)REMOTE(7, grow ? 7 * K + 300 : 30 * K);
	resizing.size = grow ? 30 * K : 7 * K + 300;
	resizing.obj = obj_open(w, &resizing.f);
	if (sim_chance(2))
		store(resizing.obj, &resizing.f, 2 * K, K);
	if (sim_chance(2))
		fsc_object_commit(resizing.obj, NULL);
	resizing.f.size = 30 * K;
	task = sim_spawn(resize_task, NULL);
	for (int i = 0; i < 3; i++)
		store_and_read();
	sim_join(task);
	store_and_read();
	resizing.f.size = resizing.size;
	check_present(resizing.obj, &resizing.f);
	obj_close(resizing.obj);
}

static void what_is_stored_while_the_size_changes_ends_at_the_right_place(void **state)
{
	(void)state;
	each_seed(10 * SEEDS, resize_meets);
}

/* Who was told the new size doesn't take the old end for the file's. */
static void read_as_told(void)
{
	struct fsc_gen *gen = fsc_object_gen(resizing.obj);
	uint64_t size = fsc_object_size(resizing.obj);
	struct xfer *x = xfer_new(gen, 0, size);

	xfer_read(x);
	if (xfer_wait(x) >= 0)
		CHECK_EQ(x->ret, size);
	xfer_free(x);
	fsc_gen_put(gen);
}

static void grows_under_reads(struct world *w)
{
	sim_task_id task;

	world_open(w);
	resizing.f = (struct netfs_file)REMOTE(7, 7 * K);
	resizing.size = 30 * K;
	resizing.obj = obj_open(w, &resizing.f);
	store_all(resizing.obj, &resizing.f);
	if (sim_chance(2))
		fsc_object_commit(resizing.obj, NULL);
	task = sim_spawn(resize_task, NULL);
	for (int i = 0; i < 4; i++)
		read_as_told();
	sim_join(task);
	obj_close(resizing.obj);
}

static void what_is_read_while_the_size_changes_ends_at_the_size_told(void **state)
{
	(void)state;
	each_seed(10 * SEEDS, grows_under_reads);
}

static void grow_over_slots(struct world *w)
{
	struct netfs_file f = REMOTE(7, 2400 * K - 100);
	struct fsc_object *obj;

	simstore_set_xattr_max(w->store, 256);
	w->backend.kind = any_kind();
	world_open(w);
	obj = obj_open(w, &f);
	for (uint64_t g = 0; g < 480; g += 4)
		store(obj, &f, g * K, K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	CHECK(disk(w, &f)->in_slot);
	f.size = 2410 * K;
	CHECK_EQ(fsc_object_resize(obj, f.size), 0);
	/* Where the slots were there must be nothing of them. */
	for (uint64_t g = 2400; g < 2410; g++)
		CHECK(simstore_is_hole(w->store, obj_path(&f), g * K));
	store(obj, &f, 2399 * K, 11 * K);
	CHECK_EQ(check_present(obj, &f), 131);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 131);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 131);
	obj_close(obj);
}

static void an_object_grows_over_its_slots(void **state)
{
	(void)state;
	each_seed(10, grow_over_slots);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_that_cannot_be_changed_costs_the_name),
		cmocka_unit_test(if_the_name_stays_too_the_cache_is_withdrawn),
		cmocka_unit_test(what_was_given_up_loses_its_name_with_the_first_change),
		cmocka_unit_test(a_withdrawn_cache_changes_no_data_but_removes_what_is_outdated),
		cmocka_unit_test(a_punch_comes_after_the_value_that_allows_it),
		cmocka_unit_test(a_punch_beyond_the_end_spares_the_slots),
		cmocka_unit_test(after_a_resize_only_what_was_never_cut_is_present),
		cmocka_unit_test(a_large_object_keeps_all_that_was_not_cut),
		cmocka_unit_test(a_truncate_comes_after_the_value_that_allows_it),
		cmocka_unit_test(what_is_stored_while_the_size_changes_ends_at_the_right_place),
		cmocka_unit_test(what_is_read_while_the_size_changes_ends_at_the_size_told),
		cmocka_unit_test(an_object_grows_over_its_slots),
	};

	return RUN_TESTS(tests);
}
