// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_store.c - what the simulated backend does beyond backend.h (which the conformance suite holds
 * it to): it outlives processes, fails when told to, keeps a log, can be tampered with, and ends the
 * run of who misuses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store.h"

#define K 4096
#define SEEDS 40

struct world {
	struct simstore *st;
	struct fsc_backend *be;
	const struct fsc_backend_ops *ops;
	struct fsc_dir *root;
	struct sim_backend_opts opts;
	uint64_t number;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->st = simstore_create(NULL);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	simstore_destroy(w->st);
	free(w);
	return 0;
}

/* In a task. */
static void open_world(struct world *w)
{
	w->be = simbackend_open(w->st, &w->opts);
	w->ops = w->be->ops;
	assert_int_equal(w->ops->dir_open(w->be, NULL, NULL, false, &w->root), 0);
}

static void close_world(struct world *w)
{
	w->ops->dir_close(w->root);
	w->ops->close(w->be);
}

static struct fsc_file *make_file(struct world *w, const char *name, uint64_t size)
{
	struct fsc_file *file;

	assert_int_equal(w->ops->tmpfile(w->root, size, &file), 0);
	if (name)
		assert_int_equal(w->ops->commit(file, w->root, name), 0);
	return file;
}

struct transfer {
	struct fsc_io io; /* first */
	struct fsc_spin lock;
	struct fsc_waitq q;
	bool ended, in_irq;
	int64_t result;
};

static void transfer_done(struct fsc_io *io, int64_t result)
{
	struct transfer *t = (struct transfer *)io;
	unsigned long irq = fsc_spin_lock(&t->lock);

	assert_false(t->ended);
	t->ended = true;
	t->in_irq = sim_is_irq();
	t->result = result;
	fsc_waitq_wake_all(&t->q);
	fsc_spin_unlock(&t->lock, irq);
}

static bool transfer_ended(void *arg)
{
	struct transfer *t = arg;
	unsigned long irq = fsc_spin_lock(&t->lock);
	bool ended = t->ended;

	fsc_spin_unlock(&t->lock, irq);
	return ended;
}

static void transfer_init(struct transfer *t, struct fsc_file *file, uint64_t pos, void *mem,
			  size_t len)
{
	*t = (struct transfer){ .io = { .file = file, .pos = pos, .done = transfer_done,
					.buf = { .mem = mem, .len = len } } };
	fsc_spin_init(&t->lock, "transfer");
	fsc_waitq_init(&t->q);
}

static int64_t transfer_wait(struct transfer *t)
{
	fsc_waitq_wait(&t->q, transfer_ended, t);
	return t->result;
}

static int64_t move(struct world *w, struct fsc_file *file, uint64_t pos, void *mem, size_t len,
		    bool write)
{
	struct transfer t;

	transfer_init(&t, file, pos, mem, len);
	if (write)
		w->ops->write(&t.io);
	else
		w->ops->read(&t.io);
	return transfer_wait(&t);
}

static int64_t write_byte(struct world *w, struct fsc_file *file, uint64_t pos, int byte)
{
	void *mem = fsc_io_alloc(K);
	int64_t ret;

	memset(mem, byte, K);
	ret = move(w, file, pos, mem, K, true);
	fsc_io_free(mem, K);
	return ret;
}

static void each_seed(struct world *w, sim_fn fn)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		sim_run(seed, fn, w);
		simstore_destroy(w->st);
		w->st = simstore_create(NULL);
	}
}

static enum sim_end try_quiet(struct world *w, sim_fn fn)
{
	return sim_try(1, &(struct sim_opts){ .quiet = true }, fn, w);
}

/* --- What lasts ----------------------------------------------------------------------------------------- */

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

/* --- Transfers ------------------------------------------------------------------------------------------- */

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

/* --- Faults ---------------------------------------------------------------------------------------------- */

static void fail_some(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file, *none;
	struct fsc_stat st;

	open_world(w);
	file = make_file(w, NULL, 0);
	simstore_fail(w->st, SIMOP_STAT, 2, 2, -EIO);
	for (int i = 0; i < 6; i++)
		assert_int_equal(w->ops->stat(file, &st), i == 2 || i == 3 ? -EIO : 0);
	simstore_fail(w->st, SIMOP_WRITE, 1, 1, -EIO);
	assert_int_equal(write_byte(w, file, 0, 1), K);
	assert_int_equal(write_byte(w, file, 0, 2), -EIO);
	assert_int_equal(write_byte(w, file, 0, 3), K);
	simstore_fail(w->st, SIMOP_COUNT, 1, 1, -ENOMEM);
	assert_int_equal(w->ops->sync(file, false), 0);
	assert_int_equal(w->ops->sync(file, false), -ENOMEM);
	assert_int_equal(w->ops->sync(file, false), 0);
	simstore_limit(w->st, 2, 2);
	assert_int_equal(write_byte(w, file, K, 1), K);
	assert_int_equal(write_byte(w, file, 2 * K, 1), -ENOSPC);
	assert_int_equal(write_byte(w, file, K, 1), K);
	assert_int_equal(w->ops->punch(file, 0, K), 0);
	assert_int_equal(write_byte(w, file, 2 * K, 1), K);
	assert_int_equal(w->ops->tmpfile(w->root, 0, &none), -ENOSPC);
	simstore_set_xattr_max(w->st, 10);
	assert_int_equal(w->ops->xattr_set(file, "user.x", "0123456789", 10), 0);
	assert_int_equal(w->ops->xattr_set(file, "user.x", "0123456789a", 11), -ENOSPC);
	w->ops->file_close(file);
	close_world(w);
}

static void ops_fail_when_told_to(void **state)
{
	each_seed(*state, fail_some);
}

static int no_sync_of_files(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	(void)arg;
	(void)name;
	return op == SIMOP_SYNC && ino ? -EROFS : 0;
}

static void fail_by_function(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	simstore_set_fault(w->st, no_sync_of_files, NULL);
	file = make_file(w, NULL, 0);
	assert_int_equal(w->ops->sync(file, true), -EROFS);
	simstore_set_fault(w->st, NULL, NULL);
	assert_int_equal(w->ops->sync(file, true), 0);
	w->ops->file_close(file);
	close_world(w);
}

static void function_decides_what_fails(void **state)
{
	each_seed(*state, fail_by_function);
}

static void log_ops(void *arg)
{
	struct world *w = arg;
	const struct simstore_record *r;
	struct fsc_file *file;
	uint64_t ino;
	size_t n;

	open_world(w);
	simstore_log_clear(w->st);
	file = make_file(w, "f", 0);
	ino = simstore_ino(w->st, "f");
	assert_int_equal(write_byte(w, file, K, 1), K);
	assert_int_equal(w->ops->xattr_set(file, "user.x", "abc", 3), 0);
	assert_int_equal(w->ops->punch(file, K, 2 * K), 0);
	assert_int_equal(w->ops->sync(file, true), 0);
	r = simstore_log(w->st, &n);
	assert_int_equal(n, 7);
	assert_int_equal(r[0].op, SIMOP_TMPFILE);
	assert_int_equal(r[1].op, SIMOP_COMMIT);
	assert_string_equal(r[1].name, "f");
	assert_int_equal(r[2].op, SIMOP_WRITE);
	assert_int_equal(r[3].op, SIMOP_WRITE_DONE);
	assert_int_equal(r[3].pos, K);
	assert_int_equal(r[3].result, K);
	assert_int_equal(r[4].op, SIMOP_XATTR_SET);
	assert_int_equal(r[5].op, SIMOP_PUNCH);
	assert_int_equal(r[5].len, 2 * K);
	assert_int_equal(r[6].op, SIMOP_SYNC);
	assert_int_equal(r[6].len, 1);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(r[i].ino, ino);
	assert_int_equal(simstore_log_count(w->st, SIMOP_XATTR_SET, ino), 1);
	assert_int_equal(simstore_log_count(w->st, SIMOP_XATTR_SET, ino + 1), 0);
	assert_int_equal(simstore_log_count(w->st, SIMOP_COUNT, 0), 7);
	w->ops->file_close(file);
	close_world(w);
}

static void log_tells_what_was_done_in_order(void **state)
{
	each_seed(*state, log_ops);
}

/* --- Misuse ----------------------------------------------------------------------------------------------- */

static struct transfer misused;

static void change_memory(void *arg)
{
	struct world *w = arg;
	uint8_t *mem = fsc_io_alloc(K);

	open_world(w);
	for (;;) {
		transfer_init(&misused, make_file(w, NULL, 0), 0, mem, K);
		w->ops->write(&misused.io);
		mem[17]++;
		transfer_wait(&misused);
	}
}

static void not_aligned(void *arg)
{
	struct world *w = arg;

	open_world(w);
	transfer_init(&misused, make_file(w, NULL, 0), 100, fsc_io_alloc(K), K);
	w->ops->read(&misused.io);
}

static void close_under_way(void *arg)
{
	struct world *w = arg;
	void *mem = fsc_io_alloc(K);

	open_world(w);
	for (;;) {
		struct fsc_file *file = make_file(w, NULL, K);

		transfer_init(&misused, file, 0, mem, K);
		w->ops->read(&misused.io);
		w->ops->file_close(file);
	}
}

static void close_with_handle(void *arg)
{
	struct world *w = arg;

	open_world(w);
	w->ops->close(w->be);
}

static void leak_handle(void *arg)
{
	struct world *w = arg;

	open_world(w);
}

static void commit_twice(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file;

	open_world(w);
	file = make_file(w, "f", 0);
	w->ops->commit(file, w->root, "g");
}

static void misuse_of_the_backend_is_found(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_quiet(w, change_memory), SIM_BUG);
	assert_int_equal(try_quiet(w, not_aligned), SIM_BUG);
	assert_int_equal(try_quiet(w, close_under_way), SIM_BUG);
	assert_int_equal(try_quiet(w, close_with_handle), SIM_BUG);
	assert_int_equal(try_quiet(w, leak_handle), SIM_LEAK);
	assert_int_equal(try_quiet(w, commit_twice), SIM_BUG);
	assert_int_equal(simstore_open_handles(w->st), 0);
}

static void stat_it(void *arg)
{
	struct world *w = arg;
	struct fsc_stat st;

	w->ops->dir_self(w->root, &st);
}

static void read_it(void *arg)
{
	struct world *w = arg;

	w->ops->read(&misused.io);
}

static void stat_in_irq(void *arg)
{
	open_world(arg);
	sim_in_irq(stat_it, arg);
}

static void stat_under_spin(void *arg)
{
	struct fsc_spin s;

	open_world(arg);
	fsc_spin_init(&s, "s");
	fsc_spin_lock(&s);
	stat_it(arg);
}

static void read_in_irq(struct world *w, uint32_t flags)
{
	open_world(w);
	transfer_init(&misused, make_file(w, "f", K), 0, fsc_io_alloc(K), K);
	misused.io.flags = flags;
	sim_in_irq(read_it, w);
	assert_int_equal(transfer_wait(&misused), K);
	fsc_io_free(misused.io.buf.mem, K);
	w->ops->file_close(misused.io.file);
	close_world(w);
}

static void read_in_irq_any(void *arg)
{
	read_in_irq(arg, 0);
}

static void read_in_irq_may_block(void *arg)
{
	read_in_irq(arg, FSC_IO_MAY_BLOCK);
}

static void read_under_spin(void *arg)
{
	struct world *w = arg;
	struct fsc_spin s;

	open_world(w);
	transfer_init(&misused, make_file(w, NULL, K), 0, fsc_io_alloc(K), K);
	fsc_spin_init(&s, "s");
	fsc_spin_lock(&s);
	w->ops->read(&misused.io);
}

static void ops_that_wait_are_refused_where_nothing_may(void **state)
{
	struct world *w = *state;

	assert_int_equal(try_quiet(w, stat_in_irq), SIM_CONTEXT);
	assert_int_equal(try_quiet(w, stat_under_spin), SIM_CONTEXT);
	assert_int_equal(try_quiet(w, read_under_spin), SIM_CONTEXT);
	assert_int_equal(try_quiet(w, read_in_irq_any), SIM_OK);
	assert_int_equal(simstore_remove(w->st, "f"), 0);
	assert_int_equal(try_quiet(w, read_in_irq_may_block), SIM_CONTEXT);
}

/* --- Tampering ---------------------------------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(store_outlives_runs),
		TEST(killed_process_leaves_names_and_no_handles),
		TEST(inode_numbers_are_not_used_again),
		TEST(clock_of_the_disk_never_goes_back),
		TEST(completions_come_at_once_or_later_in_interrupt_context),
		TEST(reader_may_see_a_part_of_a_write),
		TEST(write_in_flight_does_not_undo_a_truncation),
		TEST(ops_fail_when_told_to),
		TEST(function_decides_what_fails),
		TEST(log_tells_what_was_done_in_order),
		TEST(misuse_of_the_backend_is_found),
		TEST(ops_that_wait_are_refused_where_nothing_may),
		TEST(hands_on_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
