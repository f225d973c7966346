// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_change.c - what changes data that may be present: local writes, punches, resizes. What is stored
 * must never say more than what is true, and nobody may be given what was true before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

static enum fsc_fs_kind any_kind(void)
{
	return (enum fsc_fs_kind)sim_random(3);
}

/* An object of @n granules, all present, saved and closed, or left as it is. */
static struct fsc_object *full_object(struct world *w, const struct netfs_file *f)
{
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, f);
	store_all(obj, f);
	if (sim_chance(2)) {
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	} else {
		obj_close(obj);
		obj = obj_open(w, f);
	}
	CHECK_EQ(disk(w, f)->present, fsc_granules(f->size));
	return obj;
}

/* --- Local writes -------------------------------------------------------------------------------- */

static void write_keep(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	const struct simstore_record *log;
	int xattr, sync, write;
	size_t n;
	uint64_t ino;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	netfs_file_change(&f, f.size);
	CHECK_EQ(local_write(obj, &f, 5 * K, 3 * K, true), 3 * K);
	log = simstore_log(w->store, &n);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	write = log_find(w, SIMOP_WRITE, ino, 0);
	CHECK(xattr >= 0 && write > xattr);
	if (w->backend.kind == FSC_FS_VOLATILE) {
		CHECK(sync < 0);
	} else {
		sync = log_find(w, SIMOP_SYNC, ino, xattr);
		CHECK(sync > xattr && sync < write && log[sync].len == 0);
	}
	CHECK(disk(w, &f)->rec.modifying);
	/* Once per use. */
	simstore_log_clear(w->store);
	CHECK_EQ(local_write(obj, &f, 0, 5 * K, true), 5 * K);
	CHECK_EQ(local_write(obj, &f, 8 * K, 12 * K, true), 12 * K);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC, ino), 0);
	sim_sleep_ms(2000);
	CHECK(disk(w, &f)->rec.modifying);
	CHECK_EQ(check_present(obj, &f), 20);

	/* The end of the use: data on the disk, then the mark off it. */
	simstore_log_clear(w->store);
	CHECK_EQ(obj_commit(obj, &f), 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, 0);
	CHECK(xattr >= 0);
	if (w->backend.kind != FSC_FS_VOLATILE)
		CHECK(sync >= 0 && sync < xattr);
	CHECK(disk(w, &f)->rec.complete);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 20);
	obj_close(obj);
}

static void a_kept_write_marks_durably_before_it_overwrites(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, write_keep);
}

static void keep_after_not_keep(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	int xattr, sync, write;
	uint64_t ino;

	w->backend.kind = (enum fsc_fs_kind)sim_random(2);
	obj = full_object(w, &f);
	ino = disk(w, &f)->ino;
	simstore_log_clear(w->store);
	/* The first stores nothing, and so may leave an older value to come back after a crash. */
	CHECK_EQ(local_write(obj, &f, 5 * K, 10, false), -ENOBUFS);
	if (sim_chance(2))
		CHECK_EQ(obj_clear(obj, 10 * K, K), 0);
	xattr = log_find(w, SIMOP_XATTR_SET, ino, 0);
	CHECK_EQ(local_write(obj, &f, 6 * K, 3 * K, true), 3 * K);
	write = log_find(w, SIMOP_WRITE, ino, 0);
	sync = log_find(w, SIMOP_SYNC, ino, xattr);
	CHECK(xattr >= 0 && write > 0 && sync > xattr && sync < write);
	obj_close(obj);
}

static void the_mark_is_durable_also_if_an_earlier_write_set_it(void **state)
{
	(void)state;
	each_seed(SEEDS, keep_after_not_keep);
}

static void never_saved(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;

	w->backend.kind = any_kind();
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	netfs_file_change(&f, f.size);
	simstore_log_clear(w->store);
	CHECK_EQ(local_write(obj, &f, 0, 20 * K, true), 20 * K);
	/* Nothing that could come back: no mark is needed yet. */
	CHECK_EQ(simstore_log_count(w->store, SIMOP_XATTR_SET, 0), 0);
	sim_sleep_ms(2000);
	CHECK(disk(w, &f)->rec.modifying);
	simstore_log_clear(w->store);
	obj_close_proven(obj, &f);
	CHECK(disk(w, &f)->rec.complete);
	if (w->backend.kind != FSC_FS_VOLATILE)
		CHECK(log_find(w, SIMOP_SYNC, 0, 0) < log_find(w, SIMOP_XATTR_SET, 0, 0));
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 20);
	obj_close(obj);
}

static void an_object_that_was_never_saved_is_marked_when_it_is(void **state)
{
	(void)state;
	each_seed(50, never_saved);
}

static void write_no_keep(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	uint64_t pos = sim_random(20 * 4096), len = 1 + sim_random((uint32_t)(f.size - pos));
	uint64_t first = pos / K, last = (pos + len - 1) / K, g;
	struct fsc_object *obj;

	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	netfs_file_change(&f, f.size);
	CHECK_EQ(local_write(obj, &f, pos, len, false), -ENOBUFS);
	for (g = 0; g < 20; g++) {
		bool in = g >= first && g <= last;
		const struct on_disk *d = disk(w, &f);

		CHECK_EQ(present(obj, g * K), !in);
		CHECK_EQ(!d->rec.modifying && disk_declares(d, w, &f, g), false);
	}
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
}

static void a_write_that_is_not_kept_leaves_nothing_present(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, write_no_keep);
}

static void whole_granules(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K + 100);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x;

	f.version++;
	CHECK_EQ(local_write(obj, &f, 2 * K + 5, 3 * K, true), 2 * K);
	CHECK(!present(obj, 2 * K) && present(obj, 3 * K) && present(obj, 4 * K));
	CHECK(!present(obj, 5 * K) && present(obj, 6 * K));
	CHECK_EQ(read_check(obj, &f, 3 * K, 2 * K), 2 * K);
	CHECK_EQ(local_write(obj, &f, 10 * K + 5, 100, true), -ENOBUFS);
	CHECK(!present(obj, 10 * K));
	/* Up to the end of the file, its granule filled up with zeroes. */
	x = xfer_new(gen, 20 * K, K);
	xfer_fill(x, &f);
	CHECK_EQ(fsc_gen_write_prepare(&x->gio, true), 0);
	CHECK_EQ(x->gio.buf.len, K);
	fsc_gen_write(&x->gio);
	CHECK_EQ(xfer_wait(x), K);
	fsc_gen_write_answered(gen);
	xfer_free(x);
	CHECK_EQ(read_check(obj, &f, 20 * K, K), 100);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_write_keeps_whole_granules_only(void **state)
{
	(void)state;
	each_seed(50, whole_granules);
}

static void commit_busy(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x = xfer_new(gen, 0, K);
	bool unanswered = sim_chance(2);

	f.version++;
	xfer_fill(x, &f);
	CHECK_EQ(fsc_gen_write_prepare(&x->gio, true), 0);
	if (!unanswered)
		fsc_gen_write_answered(gen);
	CHECK_EQ(obj_commit(obj, &f), -EBUSY);
	fsc_gen_write(&x->gio);
	CHECK_EQ(xfer_wait(x), K);
	if (unanswered) {
		CHECK_EQ(obj_commit(obj, &f), -EBUSY);
		CHECK(disk(w, &f)->rec.modifying);
		if (sim_chance(2)) {
			/* Closed nevertheless: nothing of it may be found. */
			obj_close_proven(obj, &f);
			CHECK(!disk(w, &f)->exists);
			fsc_gen_write_answered(gen);
			fsc_gen_put(gen);
			xfer_free(x);
			return;
		}
		fsc_gen_write_answered(gen);
	}
	for (uint64_t g = 1; g < 20; g++)
		CHECK_EQ(local_write(obj, &f, g * K, K, true), K);
	CHECK_EQ(obj_commit(obj, &f), 0);
	fsc_gen_put(gen);
	xfer_free(x);
	obj_close(obj);
	CHECK(disk(w, &f)->rec.complete);
}

static void the_mark_stays_while_a_write_is_under_way(void **state)
{
	(void)state;
	each_seed(SEEDS, commit_busy);
}

static void no_proof(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj = full_object(w, &f);

	f.version++;
	local_write(obj, &f, 0, 20 * K, sim_chance(2));
	if (sim_chance(2))
		CHECK_EQ(fsc_object_commit(obj, NULL), 0); /* saves, with the mark */
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
}

static void without_proof_what_was_written_to_is_discarded(void **state)
{
	(void)state;
	each_seed(50, no_proof);
}

static void marked_first(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;

	w->backend.ids_known = true;
	w->backend.kind = any_kind();
	obj = full_object(w, &f);
	f.version++;
	CHECK_EQ(local_write(obj, &f, 0, 3 * K, true), 3 * K);
	sim_sleep_ms(sim_random(3000));
	sim_kill();
}

static void marked_second(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;

	CHECK(disk(w, &f)->rec.modifying);
	w->backend.ids_known = true;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(world_stats(w).objects_discarded, 1);
	CHECK_EQ(check_present(obj, &f), 0);
	obj_close(obj);
	world_close(w);
}

static void what_is_found_marked_is_discarded(void **state)
{
	(void)state;
	each_seed_killed(SEEDS, marked_first, marked_second);
}

/* --- When the stored value can't be changed --------------------------------------------------------- */

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
	CHECK_EQ(disk(w, &f)->present, 20);
}

static void a_withdrawn_cache_changes_nothing_on_disk(void **state)
{
	(void)state;
	each_seed(20, withdrawn);
}

/* --- Punch --------------------------------------------------------------------------------------- */

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

/* --- Resize -------------------------------------------------------------------------------------- */

/* Bytes of the file as the server has it after @resizes: what was cut off reads as zeroes, and those
 * are other bytes than the pattern's; so only what was never cut may be present. */
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
	CHECK_EQ(fsc_object_resize(obj, 1ull << 63), -EINVAL);
	CHECK_EQ(check_present(obj, &f), 7);
	obj_close(obj);
}

static void a_truncate_comes_after_the_value_that_allows_it(void **state)
{
	(void)state;
	each_seed(SEEDS, resize_order);
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

/* --- Together ------------------------------------------------------------------------------------ */

static void reader_task(void *arg)
{
	struct xfer *x = arg;

	xfer_read(x);
	xfer_wait(x);
}

/* A read overlaps a change of its range: it fails, or it was over before. */
static void read_meets(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(CHANGES + 1);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x = xfer_new(gen, 0, 20 * K);
	bool before;
	sim_task_id task;

	task = sim_spawn(reader_task, x);
	sim_sleep_us(sim_random(3000));
	before = x->over;
	f.version++;
	switch (what) {
	case WRITE:
	case WRITE_KEEP:
		local_write(obj, &f, 3 * K, 2 * K, what == WRITE_KEEP);
		break;
	case CLEAR:
		CHECK_EQ(obj_clear(obj, 3 * K, 2 * K), 0);
		break;
	case SHRINK:
	case GROW:
		CHECK_EQ(fsc_object_resize(obj, what == SHRINK ? 10 * K : 30 * K), 0);
		break;
	default:
		obj_invalidate(obj, &f);
		break;
	}
	sim_join(task);
	if (before)
		CHECK_EQ(x->ret, 20 * K);
	/* Had it begun only after the change, it would have found less, or another generation. */
	CHECK(x->ret == 20 * (int64_t)K || x->ret == -ESTALE || x->ret == -ENODATA);
	xfer_check(x, &old);
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_read_that_meets_a_change_says_so(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, read_meets);
}

static bool has_landed(struct world *w, uint64_t pos, uint64_t len)
{
	const struct simstore_record *log;
	size_t n, i;

	log = simstore_log(w->store, &n);
	for (i = 0; i < n; i++)
		if (log[i].op == SIMOP_WRITE_DONE && log[i].pos == pos && log[i].len == len)
			return true;
	return false;
}

static void store_meets(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(3);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x, *y;
	bool over;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 0, 10 * K);
	xfer_fill(x, &old);
	CHECK_EQ(xfer_prepare(x), 0);
	xfer_store(x);
	over = x->over;
	f.version++;
	if (what == CLEAR)
		CHECK_EQ(obj_clear(obj, 3 * K, 2 * K), 0);
	else
		local_write(obj, &f, 3 * K, 2 * K, what == WRITE_KEEP);
	/* Its write may still land: until it is over nothing else is stored there. */
	y = xfer_new(gen, 0, 10 * K);
	xfer_fill(y, &f);
	if (!xfer_prepare(y)) {
		CHECK(has_landed(w, 0, 10 * K));
		fsc_gen_store_cancel(&y->gio);
	}
	xfer_free(y);
	if (xfer_wait(x) == -ESTALE)
		CHECK(!over && !present(obj, 0) && !present(obj, 9 * K));
	if (what == WRITE_KEEP && present(obj, 3 * K))
		CHECK_EQ(read_check(obj, &f, 3 * K, 2 * K), 2 * K);
	else
		CHECK(!present(obj, 3 * K) && !present(obj, 4 * K));
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_voided_store_marks_nothing_and_blocks_its_range(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, store_meets);
}

/*
 * All at once, against a server that knows for each granule the version that was answered last, and the
 * last that was sent. A read must give something in between. And since the coherency data never change
 * here, the same holds for what is found after a kill.
 */
#define TORTURE_GRANULES 24

static struct torture {
	struct world *w;
	struct netfs_file f;
	struct fsc_object *obj;
	uint32_t acked[TORTURE_GRANULES], latest[TORTURE_GRANULES], applied[TORTURE_GRANULES];
	bool writing[TORTURE_GRANULES];
	uint32_t version;
	bool stop;
} t;

static void some_range(uint64_t *start, uint64_t *n)
{
	*start = sim_random(TORTURE_GRANULES);
	*n = 1 + sim_random((uint32_t)fsc_min64(6, TORTURE_GRANULES - *start));
}

static void fill_versions(uint8_t *mem, uint64_t start, uint64_t n, const uint32_t *version)
{
	for (uint64_t g = start; g < start + n; g++)
		remote_bytes(&t.f, version[g], g * K, mem + (g - start) * K, K);
}

static void check_versions(const uint8_t *mem, uint64_t start, uint64_t n, const uint32_t *least)
{
	uint8_t want[K];
	uint64_t g;
	uint32_t v;

	for (g = start; g < start + n; g++) {
		for (v = least[g]; v <= t.latest[g]; v++) {
			remote_bytes(&t.f, v, g * K, want, K);
			if (!memcmp(mem + (g - start) * K, want, K))
				break;
		}
		if (v > t.latest[g])
			sim_fail(SIM_BUG, "granule %llu is of no version from %u to %u",
				 (unsigned long long)g, least[g], t.latest[g]);
	}
}

static void torture_read(struct fsc_gen *gen)
{
	uint32_t least[TORTURE_GRANULES];
	uint64_t start, n;
	struct xfer *x;

	some_range(&start, &n);
	memcpy(least, t.acked, sizeof(least));
	x = xfer_new(gen, start * K, n * K);
	xfer_read(x);
	if (xfer_wait(x) > 0)
		check_versions(x->mem, start, n, least);
	xfer_free(x);
}

static void torture_store(struct fsc_gen *gen)
{
	uint64_t start, n;
	struct xfer *x;

	some_range(&start, &n);
	x = xfer_new(gen, start * K, n * K);
	sim_sleep_us(sim_random(2000));
	fill_versions(x->mem, start, n, t.applied); /* the server read */
	sim_sleep_us(sim_random(2000));
	if (!xfer_prepare(x)) {
		xfer_store(x);
		xfer_wait(x);
	}
	xfer_free(x);
}

static void torture_write(struct fsc_gen *gen)
{
	uint64_t start, n, g;
	struct xfer *x;
	int err;

	some_range(&start, &n);
	for (g = start; g < start + n; g++)
		if (t.writing[g])
			return; /* whoever writes twice at a time has to order that himself */
	t.version++;
	for (g = start; g < start + n; g++) {
		t.writing[g] = true;
		t.latest[g] = t.version;
	}
	x = xfer_new(gen, start * K, n * K);
	fill_versions(x->mem, start, n, t.latest);
	err = fsc_gen_write_prepare(&x->gio, sim_chance(2));
	sim_sleep_us(sim_random(2000));
	for (g = start; g < start + n; g++)
		t.applied[g] = t.latest[g];
	if (!err) {
		fsc_gen_write(&x->gio);
		xfer_wait(x);
	}
	sim_sleep_us(sim_random(2000));
	fsc_gen_write_answered(gen);
	for (g = start; g < start + n; g++) {
		t.acked[g] = t.latest[g];
		t.writing[g] = false;
	}
	xfer_free(x);
}

static void torture_task(void *arg)
{
	struct fsc_gen *gen;

	(void)arg;
	for (int i = 0; i < 12 && !t.stop; i++) {
		gen = fsc_object_gen(t.obj);
		if (!gen)
			return;
		switch (sim_random(4)) {
		case 0:
			torture_write(gen);
			break;
		case 1:
			torture_store(gen);
			break;
		default:
			torture_read(gen);
			break;
		}
		fsc_gen_put(gen);
		sim_sleep_us(sim_random(1000));
	}
}

/* Calls on the object itself are kept apart. */
static void torture_owner(void *arg)
{
	uint64_t start, n;

	(void)arg;
	for (int i = 0; i < 10 && !t.stop; i++) {
		some_range(&start, &n);
		switch (sim_random(6)) {
		case 0:
			obj_clear(t.obj, start * K, n * K);
			break;
		case 1:
			obj_commit(t.obj, &t.f);
			break;
		case 2:
			fsc_object_commit(t.obj, NULL);
			break;
		case 3:
			simstore_fail(t.w->store, SIMOP_XATTR_SET, 0, 1, -ENOSPC);
			break;
		case 4:
			simstore_fail(t.w->store, SIMOP_SYNC, 0, 1, -EIO);
			break;
		default:
			sim_sleep_ms(sim_random(1000));
			break;
		}
		sim_sleep_us(sim_random(5000));
	}
}

static void torture_begin(struct world *w)
{
	memset(&t, 0, sizeof(t));
	t.w = w;
	t.f = (struct netfs_file)REMOTE(7, TORTURE_GRANULES * K);
	t.version = 1;
	for (int g = 0; g < TORTURE_GRANULES; g++)
		t.acked[g] = t.latest[g] = t.applied[g] = 1;
	w->backend.kind = any_kind();
	w->backend.ids_known = true;
	w->backend.short_one_in = sim_random(4);
	w->params.save_ms = 1 + sim_random(20);
	w->params.max_errors = 1000;
	world_open(w);
	t.obj = obj_open(w, &t.f);
	store(t.obj, &t.f, 0, sim_random(TORTURE_GRANULES) * K + 1);
	fsc_object_commit(t.obj, NULL);
}

static void torture_found(struct world *w)
{
	struct fsc_object *obj = obj_open(w, &t.f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x;

	for (uint64_t g = 0; g < TORTURE_GRANULES; g++) {
		x = xfer_new(gen, g * K, K);
		xfer_read(x);
		if (xfer_wait(x) > 0)
			check_versions(x->mem, g, 1, t.acked);
		xfer_free(x);
	}
	fsc_gen_put(gen);
	obj_close(obj);
}

static void torture(struct world *w)
{
	sim_task_id task[7];
	int i;

	torture_begin(w);
	for (i = 0; i < 7; i++)
		task[i] = sim_spawn(i ? torture_task : torture_owner, NULL);
	for (i = 0; i < 7; i++)
		sim_join(task[i]);
	if (sim_chance(2))
		obj_close_proven(t.obj, &t.f);
	else
		obj_close(t.obj);
	for (i = 0; i < SIMOP_COUNT; i++)
		simstore_fail(w->store, (enum simstore_op)i, 0, 0, 0);
	torture_found(w);
}

static void reads_writes_stores_and_punches_at_once_give_right_bytes(void **state)
{
	(void)state;
	each_seed(5 * SEEDS, torture);
}

static void torture_killed(struct world *w)
{
	torture_begin(w);
	for (int i = 0; i < 7; i++)
		sim_spawn(i ? torture_task : torture_owner, NULL);
	sim_sleep_us(sim_random(sim_chance(2) ? 10000 : 100000));
	sim_kill();
}

static void torture_after_kill(struct world *w)
{
	for (int i = 0; i < SIMOP_COUNT; i++)
		simstore_fail(w->store, (enum simstore_op)i, 0, 0, 0);
	w->backend.ids_known = true;
	world_open(w);
	torture_found(w);
	world_close(w);
}

static void what_a_kill_leaves_has_no_stale_bytes(void **state)
{
	(void)state;
	each_seed_killed(5 * SEEDS, torture_killed, torture_after_kill);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_write_marks_durably_before_it_overwrites),
		cmocka_unit_test(the_mark_is_durable_also_if_an_earlier_write_set_it),
		cmocka_unit_test(an_object_that_was_never_saved_is_marked_when_it_is),
		cmocka_unit_test(a_write_that_is_not_kept_leaves_nothing_present),
		cmocka_unit_test(a_write_keeps_whole_granules_only),
		cmocka_unit_test(the_mark_stays_while_a_write_is_under_way),
		cmocka_unit_test(without_proof_what_was_written_to_is_discarded),
		cmocka_unit_test(what_is_found_marked_is_discarded),
		cmocka_unit_test(a_value_that_cannot_be_changed_costs_the_name),
		cmocka_unit_test(if_the_name_stays_too_the_cache_is_withdrawn),
		cmocka_unit_test(what_was_given_up_loses_its_name_with_the_first_change),
		cmocka_unit_test(a_withdrawn_cache_changes_nothing_on_disk),
		cmocka_unit_test(a_punch_comes_after_the_value_that_allows_it),
		cmocka_unit_test(a_punch_beyond_the_end_spares_the_slots),
		cmocka_unit_test(after_a_resize_only_what_was_never_cut_is_present),
		cmocka_unit_test(a_large_object_keeps_all_that_was_not_cut),
		cmocka_unit_test(a_truncate_comes_after_the_value_that_allows_it),
		cmocka_unit_test(an_object_grows_over_its_slots),
		cmocka_unit_test(a_read_that_meets_a_change_says_so),
		cmocka_unit_test(a_voided_store_marks_nothing_and_blocks_its_range),
		cmocka_unit_test(reads_writes_stores_and_punches_at_once_give_right_bytes),
		cmocka_unit_test(what_a_kill_leaves_has_no_stale_bytes),
	};

	return RUN_TESTS(tests);
}
