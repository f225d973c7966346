// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_object.c - what is found under a key is what was stored there, or nothing: sizes, versions,
 * keys, and what outlives a close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

static uint64_t discarded(struct world *w)
{
	return world_stats(w).objects_discarded;
}

/* --- Sizes ----------------------------------------------------------------------------------- */

static void all_sizes(struct world *w)
{
	static const uint64_t sizes[] = { 0, 1, 4095, 4096, 4097, 70001, MIB + 1 };
	struct netfs_file f = REMOTE(7, sizes[sim_random(7)]);
	struct fsc_object *obj;
	const struct on_disk *d;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	w->backend.short_one_in = sim_random(4);
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(world_stats(w).objects_missed, 1);
	CHECK_EQ(store_all(obj, &f), fsc_round_up(f.size, K));
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
	d = disk(w, &f);
	if (f.size) {
		CHECK(d->exists && d->rec.complete);
		CHECK(d->len <= 64);
		CHECK_EQ(d->size, f.size);
		CHECK_EQ(d->rec.size, f.size);
	}

	world_reopen(w);
	obj = obj_open(w, &f);
	CHECK_EQ(world_stats(w).objects_found, f.size ? 1 : 0);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
	CHECK_EQ(discarded(w), 0);
}

static void what_was_stored_is_found_again_for_every_size(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, all_sizes);
}

static void giant(struct world *w)
{
	struct netfs_file f = REMOTE(7, 9 * 1024 * MIB + 5);
	uint64_t places[] = { 0, 3 * MIB, 4 * 1024 * MIB, 9 * 1024 * MIB - 8192, 9 * 1024 * MIB };
	struct fsc_object *obj;
	int i;

	world_open(w);
	obj = obj_open(w, &f);
	for (i = 0; i < 5; i++)
		CHECK_EQ(store(obj, &f, places[i], i == 4 ? 5 : 8192), i == 4 ? 4096 : 8192);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 9);
	CHECK(!disk(w, &f)->in_slot);
	world_reopen(w);
	obj = obj_open(w, &f);
	CHECK_EQ(world_stats(w).objects_found, 1);
	CHECK_EQ(check_present(obj, &f), 9);
	CHECK(world_stats(w).map_bytes < 64 * 1024);
	obj_close(obj);
}

static void a_sparse_object_of_nine_gib_costs_little(void **state)
{
	(void)state;
	each_seed(10, giant);
}

/* --- Labels and keys ------------------------------------------------------------------------- */

static struct fsc_blob of(const void *data, size_t len)
{
	return (struct fsc_blob){ data, len };
}

static int64_t fill_one(struct world *w, struct fsc_blob key, struct fsc_blob label)
{
	struct netfs_file f = REMOTE(9, 5000);
	struct fsc_object *obj;
	int64_t n;

	CHECK_EQ(fsc_object_open(w->vol, key, label, f.size, &obj), 0);
	n = store_all(obj, &f);
	obj_close(obj);
	return n;
}

static uint64_t find_one(struct world *w, struct fsc_blob key, struct fsc_blob label)
{
	struct netfs_file f = REMOTE(9, 5000);
	struct fsc_object *obj;
	uint64_t n;

	CHECK_EQ(fsc_object_open(w->vol, key, label, f.size, &obj), 0);
	n = check_present(obj, &f);
	obj_close(obj);
	return n;
}

static void long_ones(struct world *w)
{
	uint8_t key[255], label[255];
	size_t klen = 1 + sim_random(255), llen = sim_random(256);

	for (int i = 0; i < 255; i++) {
		key[i] = (uint8_t)sim_random(256);
		label[i] = (uint8_t)sim_random(256);
	}
	if (sim_chance(3))
		klen = 255;
	simstore_set_xattr_max(w->store, 256 + sim_random(200));
	world_open(w);
	CHECK_EQ(fill_one(w, of(key, klen), of(label, llen)), 8192);
	world_reopen(w);
	/* Only a value of a hashed key may be too long for a small limit. */
	if (klen <= 190)
		CHECK_EQ(find_one(w, of(key, klen), of(label, llen)), 2);
	else
		find_one(w, of(key, klen), of(label, llen));
	if (llen) {
		fill_one(w, of(key, klen), of(label, llen));
		label[llen - 1] ^= 1;
		CHECK_EQ(find_one(w, of(key, klen), of(label, llen)), 0);
		fill_one(w, of(key, klen), of(label, llen));
		CHECK_EQ(find_one(w, of(key, klen), of(label, llen - 1)), 0);
	}
}

static void keys_and_coherency_data_of_any_length_are_told_apart(void **state)
{
	(void)state;
	each_seed(SEEDS, long_ones);
}

static void bad_arguments(struct world *w)
{
	static const char text[300];
	struct fsc_object *obj;

	world_open(w);
	CHECK_EQ(fsc_object_open(w->vol, of(text, 0), of(text, 0), 1, &obj), -EINVAL);
	CHECK_EQ(fsc_object_open(w->vol, of(text, 256), of(text, 0), 1, &obj), -EINVAL);
	CHECK_EQ(fsc_object_open(w->vol, of(text, 5), of(text, 256), 1, &obj), -EINVAL);
	CHECK_EQ(fsc_object_open(w->vol, of(text, 5), of(text, 0), 1ull << 63, &obj), -EINVAL);
	CHECK_EQ(fsc_object_open(NULL, of(text, 5), of(text, 0), 1, &obj), -ENOBUFS);
	CHECK(!obj);
}

static void wrong_lengths_are_refused(void **state)
{
	(void)state;
	each_seed(5, bad_arguments);
}

static void other_version(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20000);
	struct fsc_object *obj;

	w->backend.kind = (enum fsc_fs_kind)sim_random(2);
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	if (sim_chance(2))
		netfs_file_change(&f, 20000);
	else
		f.size = sim_chance(2) ? 20001 : 4096; /* another size alone is enough */
	obj = obj_open(w, &f);
	CHECK_EQ(discarded(w), 1);
	CHECK_EQ(check_present(obj, &f), 0);
	CHECK(!simstore_ino(w->store, obj_path(&f)));
	if (w->backend.kind == FSC_FS_STRICT)
		CHECK(simstore_log_count(w->store, SIMOP_SYNC_DIR,
					 simstore_ino(w->store, fanout_path(&f))) > 0);
	CHECK_EQ(store_all(obj, &f), fsc_round_up(f.size, K));
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
}

static void another_version_or_size_is_discarded(void **state)
{
	(void)state;
	each_seed(SEEDS, other_version);
}

static void busy_key(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20000);
	struct fsc_object *obj, *other;

	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(obj_try(w, &f, &other), -EBUSY);
	CHECK(!other);
	f.version = 2;
	CHECK_EQ(obj_try(w, &f, &other), -EBUSY);
	CHECK_EQ(world_stats(w).objects_open, 1);
	obj_close(obj);
	obj = obj_open(w, &f);
	obj_close(obj);
	CHECK_EQ(world_stats(w).objects_open, 0);
}

static void a_key_in_use_is_busy(void **state)
{
	(void)state;
	each_seed(20, busy_key);
}

static void retired(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20000);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	if (sim_chance(2)) {
		obj_close(obj);
		obj = obj_open(w, &f);
	}
	fsc_object_close(obj, NULL, true);
	CHECK_EQ(world_stats(w).objects_retired, 1);
	CHECK(!simstore_ino(w->store, obj_path(&f)));
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 0);
	obj_close(obj);
	sim_sleep_ms(2000); /* the saver may have held the file */
	CHECK_EQ(world_stats(w).bytes_used, 0);
}

static void a_retired_object_is_gone(void **state)
{
	(void)state;
	each_seed(SEEDS, retired);
}

/* --- Close ----------------------------------------------------------------------------------- */

/* Whoever opens the key next opens the same file: what runs on the closed object's pin must neither
 * store there nor take what it reads there for good. */
static void pinned_over_close(struct world *w)
{
	struct netfs_file f = REMOTE(7, 16 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *read, *late;
	int64_t n;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, 8 * K);
	gen = fsc_object_gen(obj);
	read = xfer_new(gen, 0, 8 * K);
	late = xfer_new(gen, 8 * K, 8 * K);
	xfer_fill(late, &f);
	xfer_read(read);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 8);
	CHECK(xfer_prepare(late) < 0);
	CHECK_EQ(obj_clear(obj, 0, 8 * K), 0);
	n = xfer_wait(read);
	/* Done before the close, or else not to be believed. */
	CHECK(n == 8 * (int64_t)K || n == -ESTALE);
	xfer_check(read, &f);
	xfer_free(read);
	xfer_free(late);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void what_outlives_its_object_reads_and_stores_nothing(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, pinned_over_close);
}

static void store_over_close_phase(struct world *w)
{
	struct netfs_file f = REMOTE(7, 16 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 4 * K, 8 * K);
	xfer_fill(x, &f);
	CHECK_EQ(xfer_prepare(x), 0);
	xfer_store(x);
	obj_close(obj);
	CHECK(x->over);
	CHECK_EQ(xfer_wait(x), 8 * K);
	xfer_free(x);
	fsc_gen_put(gen);
	CHECK_EQ(disk(w, &f)->present, 8);
}

static void closing_waits_for_stores_in_flight_and_saves_them(void **state)
{
	(void)state;
	each_seed(SEEDS, store_over_close_phase);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stored_is_found_again_for_every_size),
		cmocka_unit_test(a_sparse_object_of_nine_gib_costs_little),
		cmocka_unit_test(keys_and_coherency_data_of_any_length_are_told_apart),
		cmocka_unit_test(wrong_lengths_are_refused),
		cmocka_unit_test(another_version_or_size_is_discarded),
		cmocka_unit_test(a_key_in_use_is_busy),
		cmocka_unit_test(a_retired_object_is_gone),
		cmocka_unit_test(what_outlives_its_object_reads_and_stores_nothing),
		cmocka_unit_test(closing_waits_for_stores_in_flight_and_saves_them),
	};

	return RUN_TESTS(tests);
}
