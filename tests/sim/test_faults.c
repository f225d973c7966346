// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_faults.c - the simulated backend fails when told to, keeps a log, and ends the run of who
 * misuses it.
 */
#include "world.h"

/* --- Faults ----------------------------------------------------------------------- */

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

/* --- Misuse ----------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ops_fail_when_told_to),
		TEST(function_decides_what_fails),
		TEST(log_tells_what_was_done_in_order),
		TEST(misuse_of_the_backend_is_found),
		TEST(ops_that_wait_are_refused_where_nothing_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
