// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_store.c - what the simulated backend does beyond backend.h (which the conformance suite
 * holds it to): it outlives processes, mixes what overlaps, and can be tampered with.
 */
#include "world.h"

/* --- What lasts ------------------------------------------------------------------- */

static void leave_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, "f", 2 * K);
	assert_int_equal(write_byte(w, file, K, 7), K);
	assert_int_equal(w->ops->xattr_set(file, "user.x", "abc", 3), 0);
	w->ops->file_close(file);
	close_world(w);
}

static void find_file(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;
	uint8_t value[3];

	open_world(w);
	assert_int_equal(w->ops->file_open(w->root, "f", &file), 0);
	assert_int_equal(w->ops->xattr_get(file, "user.x", value, 3), 3);
	w->ops->file_close(file);
	close_world(w);
}

static void store_outlives_runs(void **state)
{
	struct world *w = *state;
	uint8_t bytes[3 * K];

	sim_run(1, leave_file, w);
	sim_run(2, find_file, w);
	assert_int_equal(simstore_read(w->st, "f", 0, bytes, sizeof(bytes)), 2 * K);
	assert_int_equal(bytes[K - 1], 0);
	assert_int_equal(bytes[K], 7);
	assert_true(simstore_is_hole(w->st, "f", 0));
	assert_false(simstore_is_hole(w->st, "f", K));
}

static void killed_while_writing(void *arg)
{
	struct world *w = arg;
	struct transfer t;
	struct fsc_file *file;
	void *mem = fsc_io_alloc(4 * K);

	open_world(w);
	assert_int_equal(w->ops->lock(w->be), 0);
	make_file(w, NULL, K);
	file = make_file(w, "f", 0);
	memset(mem, 9, 4 * K);
	transfer_init(&t, file, 0, mem, 4 * K);
	w->ops->write(&t.io);
	sim_kill();
}

static void lock_it(void *arg)
{
	struct world *w = arg;

	open_world(w);
	assert_int_equal(w->ops->lock(w->be), 0);
	close_world(w);
}

static void killed_process_leaves_names_and_no_handles(void **state)
{
	struct world *w = *state;
	unsigned int sizes = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t blocks, files;
		struct fsc_stat st;

		assert_int_equal(sim_try(seed, NULL, killed_while_writing, w), SIM_KILLED);
		assert_int_equal(simstore_open_handles(w->st), 0);
		simstore_used(w->st, &blocks, &files);
		assert_int_equal(files, 2); /* the root and f */
		assert_int_equal(simstore_stat(w->st, "f", &st), 0);
		assert_in_range(st.size, 0, 4 * K);
		sizes |= 1u << st.size / K;
		sim_run(seed, lock_it, w);
		assert_int_equal(simstore_remove(w->st, "f"), 0);
	}
	/* What was under way arrived, or didn't, or in part. */
	assert_true(sizes & 1 && sizes & 1 << 4 && sizes & 0xe);
}

static void make_and_remove(void *arg)
{
	struct world *w = arg;
	struct fsc_stat st, before = { .ino = 0 };

	open_world(w);
	for (int i = 0; i < 3; i++) {
		struct fsc_file *file = make_file(w, "f", 0);

		assert_int_equal(w->ops->stat(file, &st), 0);
		assert_true(st.ino > before.ino && st.ino > w->number);
		assert_true(st.btime_s > before.btime_s ||
			    (st.btime_s == before.btime_s && st.btime_ns >= before.btime_ns));
		assert_int_equal(w->ops->unlink(w->root, "f", file), 0);
		w->ops->file_close(file);
		before = st;
	}
	w->number = st.ino;
	close_world(w);
}

static void inode_numbers_are_not_used_again(void **state)
{
	for (uint64_t seed = 1; seed <= 3; seed++)
		sim_run(seed, make_and_remove, *state);
}

static uint64_t birth_us(struct simstore *st, const char *path)
{
	struct fsc_stat s;

	assert_int_equal(simstore_stat(st, path, &s), 0);
	return s.btime_s * 1000000 + s.btime_ns / 1000;
}

static void sleep_and_make(void *arg)
{
	struct world *w = arg;

	sim_sleep_ms(5000);
	simstore_mkfile(w->st, w->number ? "second" : "first");
	w->number++;
}

static void clock_of_the_disk_never_goes_back(void **state)
{
	struct world *w = *state;

	sim_run(1, sleep_and_make, w);
	sim_run(1, sleep_and_make, w);
	assert_int_equal(birth_us(w->st, "second") - birth_us(w->st, "first"), 5000000);
}

/* --- Transfers -------------------------------------------------------------------- */

static void backend_runs_the_same_with_the_same_seed(void **state)
{
	struct world *w = *state;
	unsigned int distinct = 0;
	uint64_t last = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t traces[2];

		for (int i = 0; i < 2; i++) {
			sim_run(seed, leave_file, w);
			traces[i] = sim_trace();
			simstore_destroy(w->st);
			w->st = simstore_create(NULL);
		}
		assert_int_equal(traces[0], traces[1]);
		distinct += traces[0] != last;
		last = traces[0];
	}
	assert_in_range(distinct, SEEDS * 3 / 4, SEEDS);
}

struct kinds {
	struct world w;
	unsigned int at_once, later, partial;
};

static void note_kind(void *arg)
{
	struct kinds *k = arg;
	struct world *w = &k->w;
	void *mem;
	struct transfer t;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, NULL, 4 * K);
	mem = fsc_io_alloc(4 * K);
	for (int i = 0; i < 4; i++) {
		transfer_init(&t, file, 0, mem, 4 * K);
		t.io.flags = i % 2 ? FSC_IO_MAY_BLOCK : 0;
		w->ops->read(&t.io);
		*(t.ended ? &k->at_once : &k->later) += 1;
		transfer_wait(&t);
		assert_true(t.in_irq);
		assert_true(t.result > 0 && t.result % 512 == 0);
		k->partial += t.result < 4 * K;
	}
	fsc_io_free(mem, 4 * K);
	w->ops->file_close(file);
	close_world(w);
}

static void completions_come_at_once_or_later_in_interrupt_context(void **state)
{
	struct world *w = *state;
	struct kinds k = { .w = *w };

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, note_kind, &k);
	assert_in_range(k.at_once, SEEDS / 2, 3 * SEEDS);
	assert_in_range(k.later, SEEDS / 2, 3 * SEEDS);
	assert_int_equal(k.partial, 0);
	k.w.opts.short_one_in = 3;
	k.w.opts.io_align = 512;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, note_kind, &k);
	assert_in_range(k.partial, SEEDS / 2, 3 * SEEDS);
}

static void read_beside_write(void *arg)
{
	struct kinds *k = arg;
	struct world *w = &k->w;
	uint8_t *mem = fsc_io_alloc(16 * K), *got = mem + 8 * K;
	struct transfer wr, rd;
	struct fsc_file *file;
	unsigned int new_blocks = 0;

	open_world(w);
	file = make_file(w, NULL, 8 * K);
	memset(mem, 1, 8 * K);
	assert_int_equal(move(w, file, 0, mem, 8 * K, true), 8 * K);
	memset(mem, 2, 8 * K);
	transfer_init(&wr, file, 0, mem, 8 * K);
	transfer_init(&rd, file, 0, got, 8 * K);
	w->ops->write(&wr.io);
	w->ops->read(&rd.io);
	transfer_wait(&rd);
	transfer_wait(&wr);
	for (int i = 0; i < 8; i++) {
		assert_true(got[i * K] == 1 || got[i * K] == 2);
		new_blocks += got[i * K] == 2;
	}
	k->partial += new_blocks && new_blocks < 8;
	assert_int_equal(move(w, file, 0, got, 8 * K, false), 8 * K);
	assert_memory_equal(got, mem, 8 * K);
	fsc_io_free(mem, 16 * K);
	w->ops->file_close(file);
	close_world(w);
}

static void reader_may_see_a_part_of_a_write(void **state)
{
	struct world *w = *state;
	struct kinds k = { .w = *w };

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		sim_run(seed, read_beside_write, &k);
	assert_in_range(k.partial, SEEDS / 4, SEEDS);
}

static void cut_while_writing(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;
	struct transfer t;
	struct fsc_stat st;
	void *mem;

	open_world(w);
	file = make_file(w, NULL, 0);
	mem = fsc_io_alloc(4 * K);
	memset(mem, 1, 4 * K);
	transfer_init(&t, file, 0, mem, 4 * K);
	w->ops->write(&t.io);
	assert_int_equal(w->ops->resize(file, K), 0);
	assert_int_equal(transfer_wait(&t), 4 * K);
	assert_int_equal(w->ops->stat(file, &st), 0);
	assert_int_equal(st.size, K);
	assert_in_range(st.bytes, 0, K);
	fsc_io_free(mem, 4 * K);
	w->ops->file_close(file);
	close_world(w);
}

static void write_in_flight_does_not_undo_a_truncation(void **state)
{
	each_seed(*state, cut_while_writing);
}

/* --- Tampering -------------------------------------------------------------------- */

static int count_name(void *arg, const char *path, const struct fsc_stat *stat)
{
	(void)path;
	(void)stat;
	++*(int *)arg;
	return 0;
}

static void hands_on_the_disk(void **state)
{
	struct simstore *st = ((struct world *)*state)->st;
	uint64_t a, b;
	uint8_t buf[8];
	struct fsc_stat s, t;
	int n = 0;

	assert_int_equal(simstore_mkdir(st, "d"), 0);
	assert_int_equal(simstore_mkdir(st, "d"), -EEXIST);
	assert_int_equal(simstore_mkfile(st, "none/a"), -ENOENT);
	assert_int_equal(simstore_mkfile(st, "d/a"), 0);
	assert_int_equal(simstore_mkfile(st, "d/b"), 0);
	assert_int_equal(simstore_write(st, "d/a", 4094, "abcd", 4), 0);
	assert_int_equal(simstore_read(st, "d/a", 4094, buf, 8), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(simstore_xattr_set(st, "d/a", "user.x", "\x01\x02", 2), 0);
	assert_int_equal(simstore_corrupt_xattr(st, "d/a", "user.x", 1, 0x80), 0);
	assert_int_equal(simstore_corrupt_xattr(st, "d/a", "user.x", 2, 0x80), -ERANGE);
	assert_int_equal(simstore_corrupt_xattr(st, "d/b", "user.x", 0, 1), -ENODATA);
	a = simstore_ino(st, "d/a");
	b = simstore_ino(st, "d/b");
	assert_int_equal(simstore_swap_names(st, "d/a", "d/b"), 0);
	assert_int_equal(simstore_ino(st, "d/a"), b);
	assert_int_equal(simstore_ino(st, "d/b"), a);
	assert_int_equal(simstore_hardlink(st, "d/b", "link"), 0);
	assert_int_equal(simstore_nlink(st, a), 2);
	assert_int_equal(simstore_symlink(st, "d/s"), 0);
	assert_int_equal(simstore_chown(st, "d/b", 5), 0);
	assert_int_equal(simstore_set_atime(st, "d/b", 77), 0);
	assert_int_equal(simstore_copy_tree(st, "d", "d/inside"), -EINVAL);
	assert_int_equal(simstore_copy_tree(st, "d", "d2"), 0);
	assert_int_equal(simstore_stat(st, "d/b", &s), 0);
	assert_int_equal(simstore_stat(st, "d2/b", &t), 0);
	assert_true(s.ino != t.ino);
	assert_int_equal(s.uid, 5);
	assert_int_equal(t.size, 4098);
	assert_int_equal(t.atime_s, 77);
	assert_int_equal(simstore_xattr_get(st, "d2/b", "user.x", buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "\x01\x82", 2);
	assert_int_equal(simstore_walk(st, count_name, &n), 0);
	assert_int_equal(n, 9);
	assert_int_equal(simstore_remove(st, "d"), 0);
	assert_int_equal(simstore_nlink(st, a), 1);
	assert_int_equal(simstore_nlink(st, b), 0);
	assert_int_equal(simstore_ino(st, "d/a"), 0);
	assert_int_equal(simstore_rename(st, "link", "d2/b"), -EEXIST);
	assert_int_equal(simstore_rename(st, "link", "d2/c"), 0);
	assert_int_equal(simstore_resize(st, "d2/c", 1), 0);
	assert_int_equal(simstore_read(st, "d2/c", 0, buf, 8), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(store_outlives_runs),
		TEST(killed_process_leaves_names_and_no_handles),
		TEST(inode_numbers_are_not_used_again),
		TEST(clock_of_the_disk_never_goes_back),
		TEST(backend_runs_the_same_with_the_same_seed),
		TEST(completions_come_at_once_or_later_in_interrupt_context),
		TEST(reader_may_see_a_part_of_a_write),
		TEST(write_in_flight_does_not_undo_a_truncation),
		TEST(hands_on_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
