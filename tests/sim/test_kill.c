// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_kill.c - kills at each op, with and without a power cut, what is in flight then, inode
 * numbers that are used again, and what no model covers.
 */
#include "cut.h"

/* --- Kills ------------------------------------------------------------------------ */

static void leave_in_flight(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;
	struct transfer t;
	void *mem = fsc_io_alloc(2 * K);

	open_world(w);
	file = make_file(w, "f", 2 * K);
	write_ok(w, file, 0, 1);
	assert_int_equal(w->ops->sync_fs(w->be), 0);
	memset(mem, 2, 2 * K);
	transfer_init(&t, file, 0, mem, 2 * K);
	w->ops->write(&t.io);
	w->number = simstore_log_count(w->st, SIMOP_WRITE_DONE, 0) - 1;
	sim_kill();
}

static void transfers_in_flight_land_in_sectors_but_in_no_new_block(void **state)
{
	struct world *w = *state;
	unsigned int kinds = 0, alone = 0;

	for (uint64_t seed = 1; seed <= CUTS; seed++) {
		new_store(w, NULL);
		simstore_track(w->st, FSC_FS_ORDERED);
		assert_int_equal(sim_try(seed, NULL, leave_in_flight, w), SIM_KILLED);
		if (w->number)
			continue;
		alone |= bytes_in(w->st, "f", K);
		simstore_power_cut(w->st, seed, NULL);
		kinds |= 1u << bytes_in(w->st, "f", 0);
		assert_true(simstore_is_hole(w->st, "f", K));
		assert_int_equal(bytes_in(w->st, "f", K), 1);
	}
	assert_int_equal(kinds, 1 << 2 | 1 << 4 | 1 << 6);
	assert_int_equal(alone, 1 | 4); /* the process being killed, it may arrive */
}

static void mark_it(void *arg)
{
	struct world *w = arg;

	open_world(w);
	set_xattr(w, open_file(w, "f"), 8);
	sim_kill();
}

static void one_more(void *arg)
{
	struct world *w = arg;

	open_world(w);
	make_file(w, "h", 0);
	sim_kill();
}

static void process_killed_loses_nothing_until_the_power_is_cut(void **state)
{
	struct world *w = *state;
	unsigned int kinds[2] = { 0 };

	for (uint64_t seed = 1; seed <= CUTS; seed++) {
		struct simstore_loss loss;

		new_store(w, NULL);
		sim_run(seed, two_files, w);
		simstore_track(w->st, seed % 2 ? FSC_FS_STRICT : FSC_FS_ORDERED);
		sim_try(seed, NULL, one_more, w);
		assert_true(simstore_ino(w->st, "h"));
		sim_try(seed, NULL, mark_it, w);
		assert_int_equal(xattr_of(w->st, "f"), 8);
		simstore_power_cut(w->st, seed, &loss);
		assert_int_equal(loss.unsynced, 3);
		kinds[seed % 2] |= 1u << (xattr_of(w->st, "f") + (simstore_ino(w->st, "h") != 0));
	}
	assert_int_equal(kinds[0], 1 << 4 | 1 << 5 | 1 << 9);
	assert_int_equal(kinds[1], 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9);
}

static void some_ops(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);                                  /* 1 */
	file = make_file(w, "f", K);                    /* 2, 3 */
	write_ok(w, file, 0, 1);                        /* 4, 5 */
	set_xattr(w, file, 9);                          /* 6 */
	w->ops->file_close(file);                       /* 7 */
	close_world(w);                                 /* 8 */
}

static void lock_and_close(void *arg)
{
	struct world *w = arg;

	open_world(w);
	assert_int_equal(w->ops->lock(w->be), 0);
	close_world(w);
}

static void kill_comes_before_or_after_the_op_named(void **state)
{
	struct world *w = *state;

	for (uint64_t nth = 0; nth <= 9; nth++) {
		for (int after = 0; after < 2; after++) {
			uint64_t done = after ? nth : nth - 1;
			enum sim_end end;

			new_store(w, NULL);
			simstore_kill_at(w->st, nth, after);
			end = sim_try(nth, NULL, some_ops, w);
			assert_int_equal(end, nth && nth < 9 ? SIM_KILLED : SIM_OK);
			assert_int_equal(simstore_ops(w->st), nth && nth < 9 ? nth : 8);
			if (end != SIM_KILLED)
				continue;
			assert_int_equal(simstore_ino(w->st, "f") != 0, done >= 3);
			assert_int_equal(xattr_of(w->st, "f") == 9, done >= 6);
			if (done >= 5)
				assert_int_equal(bytes_in(w->st, "f", 0), 2);
			if (done == 3)
				assert_true(simstore_is_hole(w->st, "f", 0));
			sim_run(1, lock_and_close, w);
		}
	}
}

/* --- Inode numbers ---------------------------------------------------------------- */

static void remove_and_make(void *arg)
{
	struct world *w = arg;
	struct fsc_file *old, *new;
	struct fsc_stat was, is;

	open_world(w);
	old = make_file(w, "f", 0);
	w->ops->stat(old, &was);
	assert_int_equal(w->ops->unlink(w->root, "f", old), 0);
	if (w->opts.max_files & 1)
		w->ops->file_close(old);
	if (w->opts.max_files & 2)
		w->ops->sync_fs(w->be);
	for (int i = 0; i < 4; i++) {
		new = make_file(w, NULL, 0);
		w->ops->stat(new, &is);
		assert_true(is.btime_s * 1000000000 + is.btime_ns >
				    was.btime_s * 1000000000 + was.btime_ns ||
			    is.ino != was.ino);
		w->number += is.ino == was.ino;
	}
	sim_kill();
}

static void numbers_are_used_again_when_nothing_has_them(void **state)
{
	struct world *w = *state;

	for (w->opts.max_files = 0; w->opts.max_files < 4; w->opts.max_files++) {
		w->number = 0;
		for (uint64_t seed = 1; seed <= 50; seed++) {
			new_store(w, &(struct simstore_opts){ .reuse_inos = true });
			simstore_track(w->st, FSC_FS_STRICT);
			sim_try(seed, NULL, remove_and_make, w);
		}
		/* Not while it is open, nor while it could come back. */
		if (w->opts.max_files == 3)
			assert_in_range(w->number, 20, 50);
		else
			assert_int_equal(w->number, 0);
	}
}

static unsigned int number_is(struct world *w)
{
	uint64_t gone = w->number;

	if (simstore_ino(w->st, "f"))
		return 0;
	simstore_mkfile(w->st, "g");
	assert_true(simstore_ino(w->st, "g") > gone);
	return 1;
}

static void make_one(void *arg)
{
	struct world *w = arg;

	open_world(w);
	make_file(w, "f", 0);
	w->number = simstore_ino(w->st, "f");
	sim_kill();
}

static void numbers_of_what_was_lost_are_not_used_unless_asked_for(void **state)
{
	each_cut(*state, FSC_FS_ORDERED, NULL, make_one, number_is);
	assert_true(seen[0] && seen[1]);
}

/* --- What is outside of the models ------------------------------------------------ */

static void touch_and_drop(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = open_file(w, "f");
	w->ops->touch(file);
	for (int i = 0; i < 5; i++) {
		file = make_file(w, NULL, K);
		write_ok(w, file, 0, 1);
		set_xattr(w, file, 7);
		w->ops->file_close(file);
	}
	sim_kill();
}

static void access_times_and_nameless_files_are_not_counted(void **state)
{
	struct world *w = *state;
	unsigned int kinds = 0;

	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct simstore_loss loss;
		struct fsc_stat st;

		new_store(w, NULL);
		two_files(w);
		simstore_set_atime(w->st, "f", 5);
		simstore_track(w->st, (enum fsc_fs_kind)(seed % 3));
		sim_try(seed, NULL, touch_and_drop, w);
		simstore_power_cut(w->st, seed, &loss);
		assert_int_equal(loss.unsynced, 0);
		simstore_stat(w->st, "f", &st);
		kinds |= 1u << (st.atime_s == 5);
	}
	assert_int_equal(kinds, 3);
}

static void mark_and_tamper(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;
	uint8_t value = 3;

	open_world(w);
	file = make_file(w, "h", K);
	write_ok(w, file, 0, 6);
	set_xattr(w, file, 8);
	assert_int_equal(simstore_xattr_set(w->st, "h", "user.x", &value, 1), 0);
	assert_int_equal(simstore_mkfile(w->st, "new"), 0);
	assert_int_equal(simstore_write(w->st, "new", K, "x", 1), 0);
	assert_int_equal(simstore_rename(w->st, "f", "old"), 0);
	assert_int_equal(simstore_remove(w->st, "g"), 0);
	sim_kill();
}

static unsigned int all_is_there(struct world *w)
{
	struct fsc_stat st;

	check_sound(w->st);
	simstore_stat(w->st, "new", &st);
	return st.size == K + 1 && st.bytes == K && xattr_of(w->st, "h") == 3 &&
	       bytes_in(w->st, "h", 0) == 1 << 6 && simstore_ino(w->st, "old") &&
	       !simstore_ino(w->st, "f") && !simstore_ino(w->st, "g");
}

static void tampering_is_durable_with_all_before_it(void **state)
{
	for (int i = 0; i < 3; i++) {
		each_cut(*state, (enum fsc_fs_kind)i, two_files, mark_and_tamper, all_is_there);
		assert_int_equal(seen[1], CUTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(transfers_in_flight_land_in_sectors_but_in_no_new_block),
		TEST(process_killed_loses_nothing_until_the_power_is_cut),
		TEST(kill_comes_before_or_after_the_op_named),
		TEST(numbers_are_used_again_when_nothing_has_them),
		TEST(numbers_of_what_was_lost_are_not_used_unless_asked_for),
		TEST(access_times_and_nameless_files_are_not_counted),
		TEST(tampering_is_durable_with_all_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
