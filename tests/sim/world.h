/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * world.h - for tests of the simulated backend: a store per test, a backend on it, transfers that
 * are waited for.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

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

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->st = simstore_create(NULL);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	simstore_destroy(w->st);
	free(w);
	return 0;
}

/* In a task. */
static inline void open_world(struct world *w)
{
	w->be = simbackend_open(w->st, &w->opts);
	w->ops = w->be->ops;
	assert_int_equal(w->ops->dir_open(w->be, NULL, NULL, false, &w->root), 0);
}

static inline void close_world(struct world *w)
{
	w->ops->dir_close(w->root);
	w->ops->close(w->be);
}

static inline struct fsc_file *make_file(struct world *w, const char *name, uint64_t size)
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

static inline void transfer_done(struct fsc_io *io, int64_t result)
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

static inline bool transfer_ended(void *arg)
{
	struct transfer *t = arg;
	unsigned long irq = fsc_spin_lock(&t->lock);
	bool ended = t->ended;

	fsc_spin_unlock(&t->lock, irq);
	return ended;
}

static inline void transfer_init(struct transfer *t, struct fsc_file *file, uint64_t pos, void *mem,
			  size_t len)
{
	*t = (struct transfer){ .io = { .file = file, .pos = pos, .done = transfer_done,
					.buf = { .mem = mem, .len = len } } };
	fsc_spin_init(&t->lock, "transfer");
	fsc_waitq_init(&t->q);
}

static inline int64_t transfer_wait(struct transfer *t)
{
	fsc_waitq_wait(&t->q, transfer_ended, t);
	return t->result;
}

static inline int64_t move(struct world *w, struct fsc_file *file, uint64_t pos, void *mem,
			   size_t len, bool write)
{
	struct transfer t;

	transfer_init(&t, file, pos, mem, len);
	if (write)
		w->ops->write(&t.io);
	else
		w->ops->read(&t.io);
	return transfer_wait(&t);
}

static inline int64_t write_byte(struct world *w, struct fsc_file *file, uint64_t pos, int byte)
{
	void *mem = fsc_io_alloc(K);
	int64_t ret;

	memset(mem, byte, K);
	ret = move(w, file, pos, mem, K, true);
	fsc_io_free(mem, K);
	return ret;
}

static inline void each_seed(struct world *w, sim_fn fn)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		sim_run(seed, fn, w);
		simstore_destroy(w->st);
		w->st = simstore_create(NULL);
	}
}

static inline enum sim_end try_quiet(struct world *w, sim_fn fn)
{
	return sim_try(1, &(struct sim_opts){ .quiet = true }, fn, w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
