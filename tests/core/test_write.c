// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_write.c - local writes: what is kept of them, the mark that says so on the disk, and what a
 * crash in the middle leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 100

/* --- Local writes ---------------------------------------------------------------------------- */

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

static struct race {
	struct fsc_object *obj;
	struct netfs_file proven;
	bool written; /* begun and answered */
	bool inside;  /* and it was while the commit ran */
	int err;
} race;

static void commit_task(void *arg)
{
	bool before = race.written;

	(void)arg;
	race.err = obj_commit(race.obj, &race.proven);
	race.inside = !before && race.written;
}

static void save_task(void *arg)
{
	(void)arg;
	fsc_object_commit(race.obj, NULL);
}

/* What is proven was proven before the commit began. */
static void commit_meets_write(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	sim_task_id saver, committer;

	race.obj = full_object(w, &f);
	race.written = false;
	f.version++;
	local_write(race.obj, &f, 0, 20 * K, true);
	race.proven = f;
	saver = sim_spawn(save_task, NULL); /* has the mutex for a while */
	sim_sleep_us(sim_random(500));
	committer = sim_spawn(commit_task, NULL);
	sim_sleep_us(sim_random(500));
	f.version++;
	local_write(race.obj, &f, 2 * K, 3 * K, true);
	race.written = true;
	sim_join(committer);
	sim_join(saver);
	if (race.inside)
		CHECK_EQ(race.err, -EBUSY);
	obj_close(race.obj);
	/* Not under the label of what it was before. */
	CHECK(!disk(w, &f)->exists);
}

static void a_write_that_comes_and_goes_during_a_commit_is_not_covered_by_it(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, commit_meets_write);
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

/* Coherency data that stay as they are don't tell after a crash that there was a write. */
static void silent(struct world *w)
{
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };
	bool culled = sim_chance(2), keep = sim_chance(2);
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	uint64_t ino;

	w->backend.kind = FSC_FS_ORDERED;
	world_open(w);
	fsc_volume_relinquish(w->vol, false);
	CHECK_EQ(fsc_volume_acquire(w->cache, key, none, FSC_VOLUME_STRICT_REMOVAL, &w->vol), 0);
	fill(w, &f);
	ino = disk(w, &f)->ino;
	if (culled)
		CHECK_EQ(fsc_cache_cull(w->cache, 1 << 20, NULL), 0);
	obj = obj_open(w, &f);
	simstore_log_clear(w->store);
	local_write(obj, &f, 3 * K, 2 * K, keep);
	if (culled)
		CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_DIR,
					    simstore_ino(w->store, fanout_path(&f))), 1);
	else
		CHECK(log_find(w, SIMOP_SYNC, ino, log_find(w, SIMOP_XATTR_SET, ino, 0)) > 0);
	obj_close(obj);
}

static void a_write_is_durable_where_coherency_data_do_not_tell_of_it(void **state)
{
	(void)state;
	each_seed(SEEDS, silent);
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
		cmocka_unit_test(
			a_write_that_comes_and_goes_during_a_commit_is_not_covered_by_it),
		cmocka_unit_test(without_proof_what_was_written_to_is_discarded),
		cmocka_unit_test(what_is_found_marked_is_discarded),
		cmocka_unit_test(a_write_is_durable_where_coherency_data_do_not_tell_of_it),
	};

	return RUN_TESTS(tests);
}
