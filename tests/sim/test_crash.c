// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_crash.c - power cuts, one rule of store.h a test: what a model forbids never survives, what
 * it allows comes back with some seeds.
 */
#include "cut.h"

/* --- Files and data --------------------------------------------------------------- */

static void fill_new_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, "f", 2 * K);
	write_ok(w, file, K, 1);
	set_xattr(w, file, 9);
	sim_kill();
}

enum { GONE, EMPTY, ONLY_DATA, ONLY_XATTR, BOTH, TORN };

static unsigned int what_is_left(struct world *w)
{
	unsigned int bits;
	struct fsc_stat st;

	if (simstore_stat(w->st, "f", &st))
		return GONE;
	assert_true(simstore_is_hole(w->st, "f", 0));
	bits = bytes_in(w->st, "f", K);
	assert_true(bits == 1 || bits == 2 || bits == 3);
	if (bits == 3)
		return TORN;
	if (xattr_of(w->st, "f"))
		return bits == 2 ? BOTH : ONLY_XATTR;
	return bits == 2 ? ONLY_DATA : EMPTY;
}

static void ordered_keeps_all_up_to_a_moment(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, NULL, fill_new_file, what_is_left);
	assert_true(seen[GONE] && seen[EMPTY] && seen[ONLY_DATA] && seen[BOTH]);
	assert_int_equal(seen[ONLY_XATTR] + seen[TORN], 0);
}

static void strict_keeps_each_by_itself(void **state)
{
	each_cut(*state, FSC_FS_STRICT, NULL, fill_new_file, what_is_left);
	assert_true(seen[GONE] && seen[EMPTY] && seen[ONLY_DATA] && seen[BOTH]);
	assert_true(seen[ONLY_XATTR] && seen[TORN]);
}

static void make_old_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, "f", 2 * K);
	write_ok(w, file, K, 1);
	set_xattr(w, file, 9);
	w->ops->file_close(file);
	close_world(w);
}

static void overwrite_and_mark(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	if (w->number)
		set_xattr(w, file, 8);
	write_ok(w, file, K, 2);
	if (!w->number)
		set_xattr(w, file, 8);
	sim_kill();
}

/* Old, new or mixed data, and from 3 on with the new mark. */
static unsigned int old_or_new(struct world *w)
{
	unsigned int bits = bytes_in(w->st, "f", K), mark = (unsigned int)xattr_of(w->st, "f");

	assert_int_equal(bits & ~6u, 0);
	assert_true(mark == 8 || mark == 9);
	return bits / 2 - 1 + (mark == 8 ? 3 : 0);
}

static void overwriting_in_place_is_in_no_order_with_metadata(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 4; i++) {
		w->number = i & 1;
		each_cut(w, i & 2 ? FSC_FS_STRICT : FSC_FS_ORDERED, make_old_file,
			 overwrite_and_mark, old_or_new);
		for (unsigned int j = 0; j < 6; j++)
			assert_true(seen[j]);
	}
}

static void refill_block(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	write_ok(w, file, K, 2);
	assert_int_equal(w->ops->punch(file, K, K), 0);
	write_ok(w, file, K, 3);
	write_ok(w, file, K, 4);
	sim_kill();
}

static unsigned int which_block(struct world *w)
{
	unsigned int bits = bytes_in(w->st, "f", K);

	/* What was meant for the block that was punched must not show up in the later one. */
	if (simstore_is_hole(w->st, "f", K)) {
		assert_int_equal(bits, 1);
		return 0;
	}
	if (bits & 6) {
		assert_int_equal(bits & ~6u, 0);
		return bits / 2;
	}
	assert_int_equal(bits & ~24u, 0);
	return 3 + bits / 8;
}

static void ordered_knows_a_block_from_a_later_one_in_its_place(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, make_old_file, refill_block, which_block);
	for (unsigned int i = 0; i < 7; i++)
		assert_true(seen[i]);
}

static void shrink_and_grow(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	write_ok(w, file, K, 2);
	assert_int_equal(w->ops->resize(file, K + 512), 0);
	assert_int_equal(w->ops->resize(file, 2 * K), 0);
	sim_kill();
}

static unsigned int tail_is(struct world *w)
{
	uint8_t mem[K];
	struct fsc_stat st;

	simstore_stat(w->st, "f", &st);
	simstore_read(w->st, "f", K, mem, sizeof(mem));
	if (st.size == K + 512)
		return 0;
	assert_int_equal(st.size, 2 * K);
	/* Cut off is all of it or nothing, however it was overwritten before. */
	for (int i = 1024; i < K; i++)
		assert_int_equal(!mem[i], !mem[512]);
	return mem[512] ? 1 : 2;
}

static void ordered_never_brings_back_what_was_cut_off(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, make_old_file, shrink_and_grow, tail_is);
	assert_true(seen[0] && seen[1] && seen[2]);
}

static void make_long_file(void *arg)
{
	struct world *w = arg;
	uint8_t mem[5 * K];

	memset(mem, 1, sizeof(mem));
	simstore_mkfile(w->st, "f");
	simstore_write(w->st, "f", 0, mem, sizeof(mem));
}

static void punch_and_cut(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	assert_int_equal(w->ops->punch(file, 0, 4 * K), 0);
	assert_int_equal(w->ops->resize(file, 4 * K), 0);
	sim_kill();
}

/* How many blocks the punch left, and 5 more if it is as long as before. */
static unsigned int blocks_left(struct world *w)
{
	unsigned int n = 0;
	struct fsc_stat st;

	for (uint64_t i = 0; i < 4; i++)
		n += !simstore_is_hole(w->st, "f", i * K);
	simstore_stat(w->st, "f", &st);
	return st.size == 4 * K ? n : 5 + n;
}

static void punch_may_be_torn_only_under_strict(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, make_long_file, punch_and_cut, blocks_left);
	assert_int_equal(seen[0] + seen[5] + seen[5 + 4], CUTS);
	assert_true(seen[0] && seen[5] && seen[5 + 4]);
	each_cut(*state, FSC_FS_STRICT, make_long_file, punch_and_cut, blocks_left);
	for (unsigned int i = 0; i < 10; i++)
		assert_true(seen[i]);
}

/* --- Syncs ------------------------------------------------------------------------ */

static struct syncs {
	bool data_only, fs, dir;
	bool later; /* something else after it */
} syncs;

static void do_sync(struct world *w, struct fsc_file *file)
{
	if (syncs.fs)
		assert_int_equal(w->ops->sync_fs(w->be), 0);
	else if (syncs.dir)
		assert_int_equal(w->ops->sync_dir(w->root), 0);
	else
		assert_int_equal(w->ops->sync(file, syncs.data_only), 0);
}

static void fill_and_sync(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, "f", 2 * K);
	write_ok(w, file, K, 1);
	set_xattr(w, file, 9);
	do_sync(w, file);
	if (syncs.later) {
		make_file(w, "g", 0);
		write_ok(w, file, 0, 2);
	}
	sim_kill();
}

static unsigned int left_below(struct world *w)
{
	if (simstore_ino(w->st, "f") && syncs.later) {
		uint8_t zero[K] = { 0 };

		simstore_write(w->st, "f", 0, zero, K); /* it is in no order with the rest */
		return xattr_of(w->st, "f") && bytes_in(w->st, "f", K) == 2 ? BOTH : EMPTY;
	}
	return what_is_left(w);
}

static void each_sync(struct world *w, enum fsc_fs_kind model, struct syncs s)
{
	syncs = s;
	each_cut(w, model, NULL, fill_and_sync, left_below);
}

static void ordered_makes_all_durable_with_any_sync(void **state)
{
	for (int i = 0; i < 8; i++) {
		each_sync(*state, FSC_FS_ORDERED,
			  (struct syncs){ .data_only = i & 1, .fs = i & 2, .dir = !(i & 3),
					  .later = i & 4 });
		assert_int_equal(seen[BOTH], CUTS);
	}
}

static void strict_makes_durable_what_was_synced(void **state)
{
	struct world *w = *state;

	each_sync(w, FSC_FS_STRICT, (struct syncs){ .later = true });
	assert_int_equal(seen[BOTH], CUTS);
	each_sync(w, FSC_FS_STRICT, (struct syncs){ .fs = true, .later = true });
	assert_int_equal(seen[BOTH], CUTS);
	/* Data without the name or the xattr. */
	each_sync(w, FSC_FS_STRICT, (struct syncs){ .data_only = true });
	assert_true(seen[GONE] && seen[ONLY_DATA] && seen[BOTH]);
	assert_int_equal(seen[EMPTY] + seen[ONLY_XATTR] + seen[TORN], 0);
	/* The name without the rest. */
	each_sync(w, FSC_FS_STRICT, (struct syncs){ .dir = true });
	assert_true(seen[EMPTY] && seen[ONLY_DATA] && seen[ONLY_XATTR] && seen[BOTH]);
	assert_int_equal(seen[GONE], 0);
}

static void overwrite_and_sync(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	write_ok(w, file, K, 2);
	write_ok(w, file, K, 3);
	set_xattr(w, file, 8);
	set_xattr(w, file, 7);
	do_sync(w, file);
	w->ops->unlink(w->root, "f", file);
	sim_kill();
}

static unsigned int is_latest(struct world *w)
{
	if (!simstore_ino(w->st, "f"))
		return 0;
	return bytes_in(w->st, "f", K) == 8 && xattr_of(w->st, "f") == 7 ? 1 : 2;
}

static void what_was_synced_is_the_latest(void **state)
{
	static const enum fsc_fs_kind models[] = { FSC_FS_ORDERED, FSC_FS_STRICT };

	for (int i = 0; i < 4; i++) {
		syncs = (struct syncs){ .fs = i & 1 };
		each_cut(*state, models[i / 2], make_old_file, overwrite_and_sync, is_latest);
		assert_true(seen[0] && seen[1]);
		assert_int_equal(seen[2], 0);
	}
}

static void set_it(void *arg)
{
	set_xattr(((struct world *)arg), (struct fsc_file *)(uintptr_t)((struct world *)arg)->number,
		  8);
}

static void sync_beside_change(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;
	sim_task_id task;

	open_world(w);
	file = open_file(w, "f");
	w->number = (uintptr_t)file;
	task = sim_spawn(set_it, w);
	assert_int_equal(w->ops->sync(file, false), 0);
	sim_join(task);
	sim_kill();
}

static unsigned int mark_is_new(struct world *w)
{
	return xattr_of(w->st, "f") == 8;
}

static void sync_may_cover_what_happens_beside_it(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, make_old_file, sync_beside_change, mark_is_new);
	assert_true(seen[0] && seen[1]);
}

static void failed_sync(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	set_xattr(w, file, 8);
	simstore_fail(w->st, SIMOP_SYNC, 0, 1, -EIO);
	assert_int_equal(w->ops->sync(file, false), -EIO);
	sim_kill();
}

static void sync_that_fails_promises_nothing(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, make_old_file, failed_sync, mark_is_new);
	assert_true(seen[0] && seen[1]);
}

/* --- Names ------------------------------------------------------------------------ */

static void remove_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	assert_int_equal(w->ops->unlink(w->root, "f", file), 0);
	write_ok(w, file, 0, 5);
	w->ops->file_close(file);
	if (w->number)
		assert_int_equal(w->ops->sync_dir(w->root), 0);
	close_world(w);
}

static unsigned int is_whole(struct world *w)
{
	struct fsc_stat st;

	if (simstore_stat(w->st, "f", &st))
		return 0;
	assert_int_equal(st.nlink, 1);
	assert_int_equal(bytes_in(w->st, "f", K), 2);
	assert_int_equal(xattr_of(w->st, "f"), 9);
	return 1;
}

static void removal_may_be_undone_unless_synced(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		enum fsc_fs_kind model = i ? FSC_FS_STRICT : FSC_FS_ORDERED;

		w->number = 0;
		each_cut(w, model, make_old_file, remove_file, is_whole);
		assert_true(seen[0] && seen[1]);
		w->number = 1;
		each_cut(w, model, make_old_file, remove_file, is_whole);
		assert_int_equal(seen[0], CUTS);
	}
}

static void make_folder(void *arg)
{
	struct world *w = arg;

	simstore_mkdir(w->st, "a");
	simstore_mkfile(w->st, "a/f");
}

/* Into a new folder, and something else into its place. */
static void move_folder(void *arg)
{
	struct world *w = arg;
	struct fsc_dir *dir;

	open_world(w);
	assert_int_equal(w->ops->dir_open(w->be, w->root, "new", true, &dir), 0);
	assert_int_equal(w->ops->rename(w->root, "a", dir, "b"), 0);
	w->ops->dir_close(dir);
	assert_int_equal(w->ops->dir_open(w->be, w->root, "a", true, &dir), 0);
	w->ops->dir_close(dir);
	if (w->number)
		assert_int_equal(w->ops->sync_dir(w->root), 0);
	sim_kill();
}

static unsigned int where_is_it(struct world *w)
{
	bool old = simstore_ino(w->st, "a/f"), new = simstore_ino(w->st, "new/b/f");

	assert_true(old != new);
	if (old)
		return 0;
	return simstore_ino(w->st, "a") ? 1 : 2;
}

static void directory_has_its_old_or_new_name(void **state)
{
	static const enum fsc_fs_kind models[] = { FSC_FS_ORDERED, FSC_FS_STRICT,
						   FSC_FS_VOLATILE };
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		w->number = 0;
		each_cut(w, models[i], make_folder, move_folder, where_is_it);
		assert_true(seen[0] && seen[1] && seen[2]);
		w->number = 1;
		each_cut(w, models[i], make_folder, move_folder, where_is_it);
		assert_int_equal(seen[1], CUTS);
	}
}

static void replace_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	assert_int_equal(w->ops->unlink(w->root, "f", file), 0);
	file = make_file(w, NULL, 2 * K);
	write_ok(w, file, K, 5);
	set_xattr(w, file, 6);
	if (w->number == 1)
		assert_int_equal(w->ops->sync(file, false), 0);
	assert_int_equal(w->ops->commit(file, w->root, "f"), 0);
	if (w->number == 2)
		assert_int_equal(w->ops->sync(file, false), 0);
	sim_kill();
}

/* The old file whole, none, the new one whole; the new one in part. */
static unsigned int which_file(struct world *w)
{
	unsigned int bits;

	if (!simstore_ino(w->st, "f"))
		return 1;
	bits = bytes_in(w->st, "f", K);
	if (bits == 2 && xattr_of(w->st, "f") == 9)
		return 0;
	assert_true(!(bits & ~33u) && xattr_of(w->st, "f") != 9);
	return bits == 32 && xattr_of(w->st, "f") == 6 ? 2 : 3;
}

static void name_leads_to_what_was_committed(void **state)
{
	struct world *w = *state;

	w->number = 0;
	each_cut(w, FSC_FS_ORDERED, make_old_file, replace_file, which_file);
	assert_true(seen[0] && seen[1] && seen[2]);
	assert_int_equal(seen[3], 0);
	each_cut(w, FSC_FS_STRICT, make_old_file, replace_file, which_file);
	assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
	w->number = 1;
	each_cut(w, FSC_FS_STRICT, make_old_file, replace_file, which_file);
	assert_true(seen[0] && seen[1] && seen[2]);
	assert_int_equal(seen[3], 0);
	w->number = 2;
	each_cut(w, FSC_FS_STRICT, make_old_file, replace_file, which_file);
	assert_int_equal(seen[2], CUTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ordered_keeps_all_up_to_a_moment),
		TEST(strict_keeps_each_by_itself),
		TEST(overwriting_in_place_is_in_no_order_with_metadata),
		TEST(ordered_knows_a_block_from_a_later_one_in_its_place),
		TEST(ordered_never_brings_back_what_was_cut_off),
		TEST(punch_may_be_torn_only_under_strict),
		TEST(ordered_makes_all_durable_with_any_sync),
		TEST(strict_makes_durable_what_was_synced),
		TEST(what_was_synced_is_the_latest),
		TEST(sync_may_cover_what_happens_beside_it),
		TEST(sync_that_fails_promises_nothing),
		TEST(removal_may_be_undone_unless_synced),
		TEST(directory_has_its_old_or_new_name),
		TEST(name_leads_to_what_was_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
