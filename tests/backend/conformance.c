// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conformance.c - runs the suite, and what its tests have in common.
 */
#include "conf_int.h"

/* --- Checks ----------------------------------------------------------------------- */

static bool count_check(struct conf *c, bool holds)
{
	unsigned long irq = fsc_spin_lock(&c->lock);

	c->checks++;
	c->failed += !holds;
	fsc_spin_unlock(&c->lock, irq);
	return holds;
}

bool conf_check(struct conf *c, int line, const char *what, bool holds)
{
	if (!holds)
		fsc_log(FSC_LOG_ERR, "conformance: %s, line %d: expected %s", c->test, line, what);
	return count_check(c, holds);
}

bool conf_check_eq(struct conf *c, int line, const char *what, int64_t got, int64_t want)
{
	if (got != want)
		fsc_log(FSC_LOG_ERR, "conformance: %s, line %d: %s is %lld, expected %lld",
			c->test, line, what, (long long)got, (long long)want);
	return count_check(c, got == want);
}

/* --- Handles ---------------------------------------------------------------------- */

/* Put @to where @from is; all of it is done by several tasks. */
static bool replace(struct conf *c, void **slots, const void *from, void *to)
{
	unsigned long irq = fsc_spin_lock(&c->lock);
	unsigned int i = 0;

	while (i < CONF_HANDLES && slots[i] != from)
		i++;
	if (i < CONF_HANDLES)
		slots[i] = to;
	fsc_spin_unlock(&c->lock, irq);
	return i < CONF_HANDLES;
}

void conf_keep_file(struct conf *c, struct fsc_file *file)
{
	FSC_ASSERT(replace(c, c->files, NULL, file));
}

void conf_keep_dir(struct conf *c, struct fsc_dir *dir)
{
	FSC_ASSERT(replace(c, c->dirs, NULL, dir));
}

void conf_close(struct conf *c, struct fsc_file *file)
{
	if (!file)
		return;
	replace(c, c->files, file, NULL);
	c->ops->file_close(file);
}

void conf_dir_close(struct conf *c, struct fsc_dir *dir)
{
	if (!dir)
		return;
	replace(c, c->dirs, dir, NULL);
	c->ops->dir_close(dir);
}

static void close_all(struct conf *c)
{
	for (unsigned int i = 0; i < CONF_HANDLES; i++) {
		conf_close(c, c->files[i]);
		conf_dir_close(c, c->dirs[i]);
	}
}

struct fsc_dir *conf_dir(struct conf *c, struct fsc_dir *parent, const char *name)
{
	struct fsc_dir *dir = NULL;

	if (!CHECK_EQ(c, c->ops->dir_open(c->be, parent, name, true, &dir), 0))
		return NULL;
	conf_keep_dir(c, dir);
	return dir;
}

struct fsc_file *conf_open(struct conf *c, struct fsc_dir *dir, const char *name)
{
	struct fsc_file *file = NULL;

	if (!CHECK_EQ(c, c->ops->file_open(dir, name, &file), 0))
		return NULL;
	conf_keep_file(c, file);
	return file;
}

struct fsc_file *conf_tmpfile(struct conf *c, uint64_t size)
{
	struct fsc_file *file = NULL;

	if (!CHECK_EQ(c, c->ops->tmpfile(c->dir, size, &file), 0))
		return NULL;
	conf_keep_file(c, file);
	return file;
}

struct fsc_file *conf_file(struct conf *c, struct fsc_dir *dir, const char *name, uint64_t size)
{
	struct fsc_file *file = conf_tmpfile(c, size);

	if (file)
		CHECK_EQ(c, c->ops->commit(file, dir, name), 0);
	return file;
}

uint64_t conf_ino(struct conf *c, struct fsc_dir *dir, const char *name)
{
	struct fsc_stat st = { .ino = 0 };

	return c->ops->dir_stat(dir, name, &st) ? 0 : st.ino;
}

bool conf_exists(struct conf *c, struct fsc_dir *dir, const char *name)
{
	return conf_ino(c, dir, name) != 0;
}

static void remove_name(struct conf *c, struct fsc_dir *dir, const char *name)
{
	struct fsc_stat st = { .ino = 0 };
	struct fsc_dir *below = NULL;

	c->ops->dir_stat(dir, name, &st);
	if (st.type != FSC_FILE_DIR) {
		CHECK_EQ(c, c->ops->unlink(dir, name, NULL), 0);
		return;
	}
	if (!CHECK_EQ(c, c->ops->dir_open(c->be, dir, name, false, &below), 0))
		return;
	conf_empty(c, below);
	c->ops->dir_close(below);
	CHECK_EQ(c, c->ops->remove_dir(dir, name), 0);
}

void conf_empty(struct conf *c, struct fsc_dir *dir)
{
	uint64_t pos = 0;
	char *name = fsc_zalloc(256);

	if (!CHECK(c, name))
		return;
	while (c->ops->dir_next(dir, &pos, name, 256) == 1)
		remove_name(c, dir, name);
	fsc_free(name);
}

/* --- Transfers -------------------------------------------------------------------- */

void conf_wait_init(struct conf_wait *w)
{
	w->pending = 0;
	fsc_spin_init(&w->lock, "conf_wait");
	fsc_waitq_init(&w->q);
}

static bool none_pending(void *arg)
{
	struct conf_wait *w = arg;
	unsigned long irq = fsc_spin_lock(&w->lock);
	bool none = !w->pending;

	fsc_spin_unlock(&w->lock, irq);
	return none;
}

void conf_wait_all(struct conf_wait *w)
{
	fsc_waitq_wait(&w->q, none_pending, w);
}

void conf_wait_fini(struct conf_wait *w)
{
	fsc_waitq_destroy(&w->q);
	fsc_spin_destroy(&w->lock);
}

static void io_done(struct fsc_io *io, int64_t bytes_or_error)
{
	struct conf_io *ci = (struct conf_io *)io;
	struct conf_wait *w = ci->wait;
	unsigned long irq = fsc_spin_lock(&w->lock);

	ci->times++;
	ci->result = bytes_or_error;
	w->pending--;
	/* Under the lock: the waiter takes it before it frees @w. */
	if (!w->pending)
		fsc_waitq_wake_all(&w->q);
	fsc_spin_unlock(&w->lock, irq);
}

void conf_start(struct conf *c, struct conf_wait *w, struct conf_io *io, bool write)
{
	unsigned long irq = fsc_spin_lock(&w->lock);

	w->pending++;
	fsc_spin_unlock(&w->lock, irq);
	io->wait = w;
	io->io.done = io_done;
	if (write)
		c->ops->write(&io->io);
	else
		c->ops->read(&io->io);
}

static int64_t one_transfer(struct conf *c, struct conf_io *io, bool write)
{
	struct conf_wait w;

	conf_wait_init(&w);
	io->times = 0;
	conf_start(c, &w, io, write);
	conf_wait_all(&w);
	conf_wait_fini(&w);
	CHECK_EQ(c, io->times, 1);
	CHECK(c, io->result <= (int64_t)io->io.buf.len);
	return io->result;
}

int64_t conf_move(struct conf *c, struct fsc_file *file, uint64_t pos, void *mem, size_t len,
		  uint32_t flags, bool write)
{
	size_t moved = 0;

	while (moved < len) {
		struct conf_io io = {
			.io = { .file = file, .pos = pos + moved, .flags = flags,
				.buf = { .mem = mem, .off = moved, .len = len - moved } },
		};
		int64_t n = one_transfer(c, &io, write);

		if (n < 0)
			return n;
		moved += (size_t)n;
		/* The end of the file, or so it is said. */
		if (n % c->be->io_align || !n)
			break;
	}
	return (int64_t)moved;
}

static uint8_t pattern_byte(uint64_t pos, uint8_t seed)
{
	return (uint8_t)(pos * 31 + (pos >> 9) * 7 + (pos >> 20) * 3 + seed);
}

void conf_fill(void *mem, uint64_t pos, size_t len, uint8_t seed)
{
	uint8_t *p = mem;

	for (size_t i = 0; i < len; i++)
		p[i] = pattern_byte(pos + i, seed);
}

bool conf_is_pattern(const void *mem, uint64_t pos, size_t len, uint8_t seed)
{
	const uint8_t *p = mem;

	for (size_t i = 0; i < len; i++)
		if (p[i] != pattern_byte(pos + i, seed))
			return false;
	return true;
}

bool conf_is_zero(const void *mem, size_t len)
{
	const uint8_t *p = mem;

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

void conf_write_pattern(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len,
			uint8_t seed)
{
	void *mem = fsc_io_alloc(len);

	if (!CHECK(c, mem))
		return;
	conf_fill(mem, pos, len, seed);
	CHECK_EQ(c, conf_move(c, file, pos, mem, len, 0, true), len);
	fsc_io_free(mem, len);
}

/* Read @len bytes, in whole granules, and look at them. */
static bool reads(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len, bool zero,
		  uint8_t seed)
{
	size_t whole = (len + FSC_GRANULE_SIZE - 1) / FSC_GRANULE_SIZE * FSC_GRANULE_SIZE;
	void *mem = fsc_io_alloc(whole);
	bool same;

	if (!CHECK(c, mem))
		return false;
	memset(mem, 0x77, whole);
	same = CHECK(c, conf_move(c, file, pos, mem, whole, 0, false) >= (int64_t)len);
	if (same)
		same = zero ? conf_is_zero(mem, len) : conf_is_pattern(mem, pos, len, seed);
	fsc_io_free(mem, whole);
	return same;
}

bool conf_reads_pattern(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len,
			uint8_t seed)
{
	return reads(c, file, pos, len, false, seed);
}

bool conf_reads_zero(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len)
{
	return reads(c, file, pos, len, true, 0);
}

/* --- The run ---------------------------------------------------------------------- */

static bool open_one(struct conf *c)
{
	c->be = c->open_backend(c->arg);
	if (!CHECK(c, c->be))
		return false;
	c->ops = c->be->ops;
	CHECK(c, c->be->io_align && c->be->io_align <= FSC_GRANULE_SIZE);
	CHECK_EQ(c, c->be->io_align & (c->be->io_align - 1), 0);
	CHECK(c, c->be->mem_align && c->be->mem_align <= c->be->io_align);
	CHECK_EQ(c, c->be->mem_align & (c->be->mem_align - 1), 0);
	CHECK(c, c->be->xattr_max >= 256);
	if (CHECK_EQ(c, c->ops->dir_open(c->be, NULL, CONF_ROOT, true, &c->dir), 0))
		return true;
	c->ops->close(c->be);
	return false;
}

static void close_one(struct conf *c)
{
	close_all(c);
	c->ops->dir_close(c->dir);
	c->ops->close(c->be);
}

bool conf_reopen(struct conf *c)
{
	close_one(c);
	c->be = NULL;
	return open_one(c);
}

static void run_test(struct conf *c, const struct conf_test *test)
{
	c->test = test->name;
	if (!open_one(c))
		return;
	conf_empty(c, c->dir); /* what a run that was cut short has left */
	test->fn(c);
	if (!c->be)
		return;
	close_all(c);
	conf_empty(c, c->dir);
	close_one(c);
}

static void remove_root(struct conf *c)
{
	struct fsc_dir *root;

	c->test = "remove_root";
	if (!open_one(c))
		return;
	if (CHECK_EQ(c, c->ops->dir_open(c->be, NULL, NULL, false, &root), 0)) {
		CHECK_EQ(c, c->ops->remove_dir(root, CONF_ROOT), 0);
		c->ops->dir_close(root);
	}
	close_one(c);
}

int fsc_conformance_run_with(const struct fsc_conformance_hooks *hooks,
			     struct fsc_backend *(*open_backend)(void *arg), void *arg)
{
	const struct conf_test *const rooms[] = { conf_name_tests, conf_file_tests, conf_io_tests,
						  conf_planted_tests, conf_parallel_tests };
	struct conf c = { .hooks = hooks, .open_backend = open_backend, .arg = arg };

	fsc_spin_init(&c.lock, "conf");
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
		for (const struct conf_test *t = rooms[i]; t->name; t++)
			run_test(&c, t);
	remove_root(&c);
	fsc_spin_destroy(&c.lock);
	fsc_log(FSC_LOG_INFO, "conformance: %u checks, %u failed", c.checks, c.failed);
	return (int)c.failed;
}

int fsc_conformance_run(struct fsc_backend *(*open_backend)(void *arg), void *arg)
{
	static const struct fsc_conformance_hooks none = { .plant = NULL };

	return fsc_conformance_run_with(&none, open_backend, arg);
}
