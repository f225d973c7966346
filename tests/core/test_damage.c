// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_damage.c - objects that somebody tampered with: damaged, forged, copied, exchanged, and
 * things that were put in their place. None is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"
#include "map.h"

#define SEEDS 100

static uint64_t discarded(struct world *w)
{
	return world_stats(w).objects_discarded;
}

static struct fsc_blob of(const void *data, size_t len)
{
	return (struct fsc_blob){ data, len };
}

/* --- Damage ---------------------------------------------------------------------------------- */

/* Whatever is present afterwards must be right; the record was changed, so nothing may be. */
static void expect_nothing(struct world *w, const struct netfs_file *f)
{
	struct fsc_object *obj = obj_open(w, f);

	CHECK_EQ(check_present(obj, f), 0);
	obj_close(obj);
}

static void flip_all(struct world *w)
{
	struct netfs_file f = REMOTE(7, 40000);
	struct fsc_object *obj;
	uint8_t value[512];
	int len, at;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 4096, 8192);
	if (sim_chance(2))
		store_all(obj, &f);
	obj_close(obj);
	len = simstore_xattr_get(w->store, obj_path(&f), FSC_XATTR_NAME, value, sizeof(value));
	CHECK(len > 36);
	for (at = 0; at < len; at++) {
		uint8_t flip = (uint8_t)(sim_chance(2) ? 1u << sim_random(8) : 1 + sim_random(255));

		obj = obj_open(w, &f);
		store(obj, &f, 4096, 8192);
		obj_close(obj);
		len = simstore_xattr_get(w->store, obj_path(&f), FSC_XATTR_NAME, value,
					 sizeof(value));
		if (at >= len)
			break;
		simstore_corrupt_xattr(w->store, obj_path(&f), FSC_XATTR_NAME, (size_t)at, flip);
		expect_nothing(w, &f);
	}
	CHECK(discarded(w) > 36);
}

static void no_flipped_byte_of_the_record_is_believed(void **state)
{
	(void)state;
	each_seed(20, flip_all);
}

/* Valid records that mean something else: not only the crc stands between them and wrong bytes. */
static void forge(struct world *w, const struct netfs_file *f, unsigned int what)
{
	const struct on_disk *d = disk(w, f);
	static uint8_t value[4096];
	struct fsc_record rec = d->rec;
	uint8_t changed[64];
	int len;

	memcpy(changed, rec.coherency.data, rec.coherency.len);
	switch (what) {
	case 0:
		rec.digest[sim_random(16)] ^= 0x10;
		break;
	case 1:
		changed[0]++;
		rec.coherency.data = changed;
		break;
	case 2:
		rec.size++;
		break;
	case 3:
		rec.modifying = true;
		rec.complete = false;
		break;
	case 4:
		rec.has_key = true;
		rec.key = of("7", 1);
		break;
	case 5:
		rec.map_kind = FSC_MAP_NONE;
		rec.map = of(NULL, 0);
		rec.size = 0;
		rec.complete = rec.modifying = false;
		rec.volume = true;
		break;
	case 6: /* more than there is of the file */
		simstore_resize(w->store, obj_path(f), 4096);
		break;
	case 7:
		changed[8] = 0;
		rec.coherency = of(changed, 9);
		break;
	}
	len = fsc_record_encode(&rec, value, sizeof(value));
	CHECK(len > 0);
	if (what == 8) { /* another version, with a right crc */
		uint8_t whole[4];

		value[2] = 2;
		memset(value + 4, 0, 4);
		for (uint32_t i = 0, crc = fsc_crc32c(0, value, (size_t)len); i < 4; i++)
			whole[i] = (uint8_t)(crc >> (8 * i));
		memcpy(value + 4, whole, 4);
	}
	simstore_xattr_set(w->store, obj_path(f), FSC_XATTR_NAME, value, (size_t)len);
}

static void forged(struct world *w)
{
	struct netfs_file f = REMOTE(7, 40000);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	if (sim_chance(2))
		store_all(obj, &f);
	else
		store(obj, &f, 4096, 12288);
	obj_close(obj);
	forge(w, &f, sim_random(9));
	expect_nothing(w, &f);
	CHECK_EQ(discarded(w), 1);
}

static void a_record_that_does_not_match_is_discarded(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, forged);
}

/* The map of a file of nearly 8 EiB, all of it present but the end, takes eight bytes. */
static void giant(struct world *w)
{
	struct netfs_file f = REMOTE(7, INT64_MAX);
	struct fsc_map_writer map;
	struct fsc_record rec;
	uint8_t value[256], bytes[16];
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 0, K);
	obj_close(obj);
	fsc_map_writer_init(&map, FSC_MAP_RUNS, bytes, sizeof(bytes), 0);
	fsc_map_writer_add(&map, true, 5);
	fsc_map_writer_add(&map, false, 7);
	fsc_map_writer_add(&map, true, fsc_granules(f.size) - 100);
	rec = disk_unchecked(w, &f)->rec;
	rec.map = of(bytes, fsc_map_writer_end(&map));
	simstore_xattr_set(w->store, obj_path(&f), FSC_XATTR_NAME, value,
			   (size_t)fsc_record_encode(&rec, value, sizeof(value)));
	simstore_resize(w->store, obj_path(&f), f.size);

	obj = obj_open(w, &f);
	CHECK(present(obj, 4 * K) && !present(obj, 5 * K));
	CHECK(!present(obj, 11 * K) && present(obj, 12 * K) && present(obj, f.size / 2));
	CHECK(present(obj, f.size - 89 * K) && !present(obj, f.size - 87 * K));
	CHECK(world_stats(w).map_bytes < 64 * KIB);
	obj_close(obj);
}

static void a_map_is_loaded_in_no_time_however_large_the_file(void **state)
{
	(void)state;
	each_seed(20, giant);
}

static void no_record(struct world *w)
{
	struct netfs_file f = REMOTE(7, 40000);
	static uint8_t big[65536];
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	if (sim_chance(2))
		simstore_xattr_set(w->store, obj_path(&f), FSC_XATTR_NAME, NULL, 0);
	else
		simstore_xattr_set(w->store, obj_path(&f), FSC_XATTR_NAME, big,
				   1 + sim_random(sizeof(big)));
	expect_nothing(w, &f);
	CHECK_EQ(discarded(w), 1);
}

static void a_file_without_a_record_is_discarded(void **state)
{
	(void)state;
	each_seed(50, no_record);
}

static void too_long(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	/* As after a crash between the record and the truncate. */
	simstore_resize(w->store, obj_path(&f), 40000);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 2);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->size, 5000);
	simstore_resize(w->store, obj_path(&f), 4999);
	expect_nothing(w, &f);
}

static void a_complete_file_of_another_length_is_cut_or_discarded(void **state)
{
	(void)state;
	each_seed(20, too_long);
}

static void left_too_long(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);
	static const uint8_t slot[8 * K];

	world_open(w);
	fill(w, &f);
	simstore_write(w->store, obj_path(&f), 8192, slot, sizeof(slot));
	sim_kill();
}

static void counted_again(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);

	w->params.max_bytes = MIB;
	world_open(w);
	world_quiet();
	CHECK_EQ(world_stats(w).bytes_used, 10 * K);
	CHECK_EQ(found(w, &f), 2);
	CHECK_EQ(world_stats(w).bytes_used, 2 * K);
	world_close(w);
}

static void what_is_cut_off_is_counted_out(void **state)
{
	(void)state;
	each_seed_killed(20, left_too_long, counted_again);
}

static void eio_at_lookup(struct world *w)
{
	static const enum simstore_op ops[] = { SIMOP_XATTR_GET, SIMOP_STAT, SIMOP_FILE_OPEN };
	struct netfs_file f = REMOTE(7, 5000);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	simstore_fail(w->store, ops[sim_random(3)], 0, 1, -EIO);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 0);
	CHECK_EQ(world_stats(w).cache_errors, 1);
	CHECK(!simstore_ino(w->store, obj_path(&f)));
	CHECK_EQ(store_all(obj, &f), 8192);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 2);
	obj_close(obj);
}

static void an_error_at_look_up_costs_the_object_only(void **state)
{
	(void)state;
	each_seed(50, eio_at_lookup);
}

static void emfile_at_lookup(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	simstore_fail(w->store, SIMOP_FILE_OPEN, 0, 1, sim_chance(2) ? -EMFILE : -ENFILE);
	CHECK_EQ(obj_try(w, &f, &obj), -ENOBUFS);
	CHECK_EQ(world_stats(w).no_memory, 1);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 2);
	obj_close(obj);
}

static void too_many_files_costs_nothing_stored(void **state)
{
	(void)state;
	each_seed(20, emfile_at_lookup);
}

/* --- Things in an object's place ------------------------------------------------------------- */

static void put_there(struct world *w, const char *path, unsigned int what)
{
	char below[1100];

	switch (what) {
	case 0:
		CHECK_EQ(simstore_symlink(w->store, path), 0);
		break;
	case 1:
		CHECK_EQ(simstore_fifo(w->store, path), 0);
		break;
	case 2:
		CHECK_EQ(simstore_mkfile(w->store, path), 0);
		break;
	default:
		CHECK_EQ(simstore_mkdir(w->store, path), 0);
		snprintf(below, sizeof(below), "%s/x", path);
		CHECK_EQ(simstore_mkdir(w->store, below), 0);
		break;
	}
}

static void in_place(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);
	bool fanout = sim_chance(2), before = sim_chance(2);
	unsigned int what = sim_random(fanout ? 3 : 4);
	const char *path = fanout ? fanout_path(&f) : obj_path(&f);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	if (before) {
		/* While it is open: it stands in the way of the link. */
		if (!fanout)
			CHECK_EQ(simstore_mkdir(w->store, fanout_path(&f)), 0);
		put_there(w, fanout ? fanout_path(&f) : obj_path(&f), what);
		CHECK_EQ(store_all(obj, &f), 8192);
		obj_close(obj);
	} else {
		CHECK_EQ(store_all(obj, &f), 8192);
		obj_close(obj);
		CHECK_EQ(simstore_remove(w->store, path), 0);
		put_there(w, path, what);
		obj = obj_open(w, &f);
		CHECK_EQ(discarded(w), 1);
		CHECK_EQ(check_present(obj, &f), 0);
		CHECK_EQ(store_all(obj, &f), 8192);
		obj_close(obj);
	}
	CHECK(fsc_cache_online(w->cache));
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 2);
	obj_close(obj);
	sim_settle();
}

static void what_stands_in_the_place_of_a_name_is_moved_away(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, in_place);
}

static void linked_elsewhere(struct world *w)
{
	struct netfs_file f = REMOTE(7, 5000);
	struct fsc_object *obj;
	uint64_t ino;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	ino = simstore_ino(w->store, obj_path(&f));
	simstore_hardlink(w->store, obj_path(&f), "elsewhere");
	expect_nothing(w, &f);
	CHECK_EQ(simstore_nlink(w->store, ino), 1);
	simstore_remove(w->store, "elsewhere");

	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	simstore_chown(w->store, obj_path(&f), 1000);
	expect_nothing(w, &f);
	CHECK_EQ(discarded(w), 2);
}

static void a_hard_link_or_another_owner_is_not_believed(void **state)
{
	(void)state;
	each_seed(20, linked_elsewhere);
}

static void exchanged(struct world *w)
{
	struct netfs_file a = REMOTE(7, 5000), b = REMOTE(8, 5000);
	char path[1024];
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &a);
	store_all(obj, &a);
	obj_close(obj);
	obj = obj_open(w, &b);
	store_all(obj, &b);
	obj_close(obj);
	snprintf(path, sizeof(path), "%s", obj_path(&a));
	CHECK_EQ(simstore_swap_names(w->store, path, obj_path(&b)), 0);
	expect_nothing(w, &a);
	expect_nothing(w, &b);
	CHECK_EQ(discarded(w), 2);
}

static void exchanged_names_are_noticed(void **state)
{
	(void)state;
	each_seed(20, exchanged);
}

static void copied(struct world *w)
{
	struct netfs_file a = REMOTE(7, 5000), b = REMOTE(8, 70000);
	struct fsc_object *obj;
	bool whole = sim_chance(2);

	world_open(w);
	obj = obj_open(w, &a);
	store_all(obj, &a);
	obj_close(obj);
	obj = obj_open(w, &b);
	store_all(obj, &b);
	obj_close(obj);
	world_close(w);
	if (whole) {
		CHECK_EQ(simstore_copy_tree(w->store, "cache", "copy"), 0);
		simstore_remove(w->store, "cache");
		simstore_rename(w->store, "copy", "cache");
	} else {
		/* One object only, within the original folder. */
		CHECK_EQ(simstore_copy_tree(w->store, obj_path(&a), "copy"), 0);
		simstore_remove(w->store, obj_path(&a));
		simstore_rename(w->store, "copy", obj_path(&a));
	}
	world_open(w);
	expect_nothing(w, &a);
	obj = obj_open(w, &b);
	CHECK_EQ(check_present(obj, &b), whole ? 0 : 18);
	obj_close(obj);
}

static void copies_are_refused(void **state)
{
	(void)state;
	each_seed(40, copied);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flipped_byte_of_the_record_is_believed),
		cmocka_unit_test(a_record_that_does_not_match_is_discarded),
		cmocka_unit_test(a_map_is_loaded_in_no_time_however_large_the_file),
		cmocka_unit_test(a_file_without_a_record_is_discarded),
		cmocka_unit_test(a_complete_file_of_another_length_is_cut_or_discarded),
		cmocka_unit_test(what_is_cut_off_is_counted_out),
		cmocka_unit_test(an_error_at_look_up_costs_the_object_only),
		cmocka_unit_test(too_many_files_costs_nothing_stored),
		cmocka_unit_test(what_stands_in_the_place_of_a_name_is_moved_away),
		cmocka_unit_test(a_hard_link_or_another_owner_is_not_believed),
		cmocka_unit_test(exchanged_names_are_noticed),
		cmocka_unit_test(copies_are_refused),
	};

	return RUN_TESTS(tests);
}
