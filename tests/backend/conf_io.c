// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conf_io.c - conformance: transfers.
 */
#include "conf_int.h"

#define G FSC_GRANULE_SIZE

static void what_was_written_is_read(struct conf *c)
{
	static const uint32_t flags[] = { 0, FSC_IO_MAY_BLOCK };
	static const size_t lengths[] = { G, 2 * G, 7 * G, 256 * 1024, 4 << 20 };

	for (size_t i = 0; i < 10; i++) {
		struct fsc_file *file = conf_tmpfile(c, 0);
		size_t len = lengths[i / 2];
		uint8_t *mem = fsc_io_alloc(len);

		if (file && CHECK(c, mem)) {
			conf_fill(mem, 3 * G, len, 1);
			CHECK_EQ(c, conf_move(c, file, 3 * G, mem, len, flags[i % 2], true), len);
			CHECK(c, conf_is_pattern(mem, 3 * G, len, 1)); /* it only reads there */
			memset(mem, 0, len);
			CHECK_EQ(c, conf_move(c, file, 3 * G, mem, len, flags[i % 2], false), len);
			CHECK(c, conf_is_pattern(mem, 3 * G, len, 1));
			CHECK(c, conf_reads_zero(c, file, 0, 3 * G)); /* the hole before it */
		}
		fsc_io_free(mem, len);
		conf_close(c, file);
	}
}

static void read_ends_with_the_file(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	uint8_t *mem = fsc_io_alloc(4 * G);

	if (file && CHECK(c, mem)) {
		conf_write_pattern(c, file, 0, 3 * G, 1);
		CHECK_EQ(c, c->ops->resize(file, 2 * G + 777), 0);
		CHECK_EQ(c, conf_move(c, file, 0, mem, 4 * G, 0, false), 2 * G + 777);
		CHECK(c, conf_is_pattern(mem, 0, 2 * G + 777, 1));
		CHECK_EQ(c, conf_move(c, file, 2 * G, mem, G, 0, false), 777);
		CHECK(c, conf_is_pattern(mem, 2 * G, 777, 1));
		CHECK_EQ(c, conf_move(c, file, 2 * G, mem, 2 * G, FSC_IO_MAY_BLOCK, false), 777);
		CHECK_EQ(c, conf_move(c, file, 3 * G, mem, G, 0, false), 0);
		CHECK_EQ(c, conf_move(c, file, 100 * G, mem, G, FSC_IO_MAY_BLOCK, false), 0);
		CHECK_EQ(c, c->ops->resize(file, 2 * G), 0);
		CHECK_EQ(c, conf_move(c, file, 0, mem, 4 * G, 0, false), 2 * G);
		CHECK_EQ(c, conf_move(c, file, 2 * G, mem, G, 0, false), 0);
	}
	fsc_io_free(mem, 4 * G);
}

static void write_beyond_the_end_extends(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 100);
	uint64_t far = 5ull << 30;
	struct fsc_stat st;

	if (!file)
		return;
	conf_write_pattern(c, file, 4 * G, G, 2);
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.size, 5 * G);
	CHECK(c, conf_reads_zero(c, file, 0, 4 * G));
	CHECK(c, conf_reads_pattern(c, file, 4 * G, G, 2));
	conf_write_pattern(c, file, far, G, 3);
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.size, far + G);
	CHECK(c, st.bytes < far);
	CHECK(c, conf_reads_zero(c, file, far - G, G));
	CHECK(c, conf_reads_pattern(c, file, far, G, 3));
}

/* The transfer keeps to the window: @off and @len of what @mem is. */
static void buffer_is_a_window(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	uint8_t *mem = fsc_io_alloc(4 * G);
	struct conf_io io = { .io = { .file = file, .pos = 0,
				      .buf = { .mem = mem, .off = G, .len = 2 * G } } };
	struct conf_wait w;

	if (file && CHECK(c, mem)) {
		conf_write_pattern(c, file, 0, 4 * G, 1);
		memset(mem, 0x11, 4 * G);
		conf_wait_init(&w);
		conf_start(c, &w, &io, false);
		conf_wait_all(&w);
		conf_wait_fini(&w);
		CHECK(c, io.result > 0 && io.result <= 2 * G);
		CHECK(c, conf_is_pattern(mem + G, 0, (size_t)io.result, 1));
		CHECK_EQ(c, mem[G - 1], 0x11);
		CHECK_EQ(c, mem[3 * G], 0x11);
	}
	fsc_io_free(mem, 4 * G);
}

static void least_alignment_is_enough(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	size_t unit = c->be->io_align, at = c->be->mem_align;
	uint8_t *mem = fsc_io_alloc(2 * G);

	if (file && CHECK(c, mem)) {
		conf_write_pattern(c, file, 0, 4 * G, 1);
		conf_fill(mem + at, 3 * unit, unit, 2);
		CHECK_EQ(c, conf_move(c, file, 3 * unit, mem + at, unit, 0, true), unit);
		memset(mem, 0, 2 * G);
		CHECK_EQ(c, conf_move(c, file, 3 * unit, mem + at, unit, 0, false), unit);
		CHECK(c, conf_is_pattern(mem + at, 3 * unit, unit, 2));
		CHECK_EQ(c, conf_move(c, file, 2 * unit, mem + at, unit, 0, false), unit);
		CHECK(c, conf_is_pattern(mem + at, 2 * unit, unit, 1));
		CHECK_EQ(c, conf_move(c, file, 4 * unit, mem + at, unit, 0, false),
			 4 * unit < 4 * G ? unit : 0);
	}
	fsc_io_free(mem, 2 * G);
}

/* --- Many at once ----------------------------------------------------------------- */

#define MANY 100

struct many {
	struct conf_wait wait;
	struct conf_io io[MANY];
	int64_t wrote[MANY]; /* they may have been short */
	uint8_t *mem;
};

static struct many *many_new(struct conf *c)
{
	struct many *m = fsc_zalloc(sizeof(*m));

	if (!CHECK(c, m))
		return NULL;
	conf_wait_init(&m->wait);
	m->mem = fsc_io_alloc(MANY * G);
	if (CHECK(c, m->mem))
		return m;
	fsc_free(m);
	return NULL;
}

static void many_free(struct many *m)
{
	conf_wait_fini(&m->wait);
	fsc_io_free(m->mem, MANY * G);
	fsc_free(m);
}

static void many_start(struct conf *c, struct many *m, unsigned int i, struct fsc_file *file,
		       uint64_t pos, bool write)
{
	m->io[i] = (struct conf_io){ .io = { .file = file, .pos = pos,
					     .buf = { .mem = m->mem, .off = i * G, .len = G } } };
	conf_start(c, &m->wait, &m->io[i], write);
}

static void many_end(struct conf *c, struct many *m)
{
	conf_wait_all(&m->wait);
	for (unsigned int i = 0; i < MANY; i++) {
		CHECK_EQ(c, m->io[i].times, 1);
		CHECK(c, m->io[i].result > 0 && m->io[i].result <= G);
	}
}

static uint64_t many_pos(unsigned int i)
{
	return (uint64_t)(i * 37 % MANY) * G;
}

static bool many_same(const struct many *m, unsigned int i, uint8_t seed)
{
	int64_t len = m->io[i].result < m->wrote[i] ? m->io[i].result : m->wrote[i];

	return conf_is_pattern(m->mem + i * G, many_pos(i), (size_t)len, seed);
}

static void many_transfers_end_once_each(struct conf *c)
{
	struct fsc_file *file[3] = { conf_tmpfile(c, 0), conf_tmpfile(c, MANY * G),
				     conf_tmpfile(c, G) };
	struct many *m = many_new(c);

	if (!m || !file[0] || !file[1] || !file[2])
		return;
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < MANY; i++) {
			conf_fill(m->mem + i * G, many_pos(i), G, (uint8_t)(round + i % 3));
			many_start(c, m, i, file[i % 3], many_pos(i), true);
		}
		many_end(c, m);
		for (unsigned int i = 0; i < MANY; i++)
			m->wrote[i] = m->io[i].result;
		memset(m->mem, 0, MANY * G);
		for (unsigned int i = 0; i < MANY; i++)
			many_start(c, m, i, file[i % 3], many_pos(i), false);
		many_end(c, m);
		for (unsigned int i = 0; i < MANY; i++)
			CHECK(c, many_same(m, i, (uint8_t)(round + i % 3)));
	}
	many_free(m);
}

/* Each byte is one of those that somebody wrote there. */
static bool is_mixture(const uint8_t *mem, uint64_t pos, size_t len, unsigned int seeds)
{
	for (size_t i = 0; i < len; i++) {
		unsigned int s = 0;

		while (s < seeds && !conf_is_pattern(mem + i, pos + i, 1, (uint8_t)s))
			s++;
		if (s == seeds)
			return false;
	}
	return true;
}

static void overlapping_transfers_mix_but_invent_nothing(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	struct many *m = many_new(c);

	if (!m || !file)
		return;
	conf_write_pattern(c, file, 0, 4 * G, 0);
	for (int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < MANY; i++) {
			uint64_t pos = i % 4 * G;

			conf_fill(m->mem + i * G, pos, G, (uint8_t)(i % 5));
			many_start(c, m, i, file, pos, i % 3 != 0);
		}
		many_end(c, m);
		for (unsigned int i = 0; i < MANY; i += 3)
			CHECK(c, is_mixture(m->mem + i * G, i % 4 * G, (size_t)m->io[i].result, 5));
	}
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(c, conf_move(c, file, i * G, m->mem + i * G, G, 0, false), G);
	CHECK(c, is_mixture(m->mem, 0, 4 * G, 5));
	many_free(m);
}

/* --- Completions ------------------------------------------------------------------ */

#define LINKS 200

struct chain {
	struct fsc_io io; /* first */
	const struct fsc_backend_ops *ops;
	struct conf_wait wait;
	unsigned int links;
	unsigned int failed;
};

static bool chain_ended(void *arg)
{
	struct chain *ch = arg;
	unsigned long irq = fsc_spin_lock(&ch->wait.lock);
	bool ended = ch->links == LINKS;

	fsc_spin_unlock(&ch->wait.lock, irq);
	return ended;
}

static void chain_done(struct fsc_io *io, int64_t bytes_or_error)
{
	struct chain *ch = (struct chain *)io;
	unsigned long irq = fsc_spin_lock(&ch->wait.lock);
	bool last;

	ch->failed += bytes_or_error <= 0;
	last = ++ch->links == LINKS;
	if (last)
		fsc_waitq_wake_all(&ch->wait.q);
	io->pos = ch->links * G;
	fsc_spin_unlock(&ch->wait.lock, irq);
	if (!last)
		ch->ops->read(io);
}

/* The end of one starts the next: a backend must stand calls from its own completions. */
static void completion_may_start_a_transfer(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, (LINKS + 1) * G);
	struct chain ch = { .ops = c->ops, .links = 0 };

	ch.io = (struct fsc_io){ .file = file, .done = chain_done,
				 .buf = { .mem = fsc_io_alloc(G), .len = G } };
	conf_wait_init(&ch.wait);
	if (file && CHECK(c, ch.io.buf.mem)) {
		c->ops->read(&ch.io);
		fsc_waitq_wait(&ch.wait.q, chain_ended, &ch);
		CHECK_EQ(c, ch.failed, 0);
	}
	conf_wait_fini(&ch.wait);
	fsc_io_free(ch.io.buf.mem, G);
}

struct freed {
	struct fsc_io io; /* first */
	struct conf_wait *wait;
};

static void free_done(struct fsc_io *io, int64_t bytes_or_error)
{
	struct conf_wait *w = ((struct freed *)io)->wait;
	unsigned long irq;

	(void)bytes_or_error;
	fsc_free(io);
	irq = fsc_spin_lock(&w->lock);
	if (!--w->pending)
		fsc_waitq_wake_all(&w->q);
	fsc_spin_unlock(&w->lock, irq);
}

static void completion_may_free_the_transfer(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 20 * G);
	uint8_t *mem = fsc_io_alloc(20 * G);
	struct conf_wait w;

	conf_wait_init(&w);
	w.pending = 20;
	for (unsigned int i = 0; i < 20; i++) {
		struct freed *f = fsc_zalloc(sizeof(*f));

		FSC_ASSERT(f && file && mem);
		f->wait = &w;
		f->io = (struct fsc_io){ .file = file, .pos = i * G, .done = free_done,
					 .flags = i % 4 == 3 ? FSC_IO_MAY_BLOCK : 0,
					 .buf = { .mem = mem, .off = i * G, .len = G } };
		if (i % 2)
			c->ops->read(&f->io);
		else
			c->ops->write(&f->io);
	}
	conf_wait_all(&w);
	conf_wait_fini(&w);
	fsc_io_free(mem, 20 * G);
}

const struct conf_test conf_io_tests[] = {
	{ "what_was_written_is_read", what_was_written_is_read },
	{ "read_ends_with_the_file", read_ends_with_the_file },
	{ "write_beyond_the_end_extends", write_beyond_the_end_extends },
	{ "buffer_is_a_window", buffer_is_a_window },
	{ "least_alignment_is_enough", least_alignment_is_enough },
	{ "many_transfers_end_once_each", many_transfers_end_once_each },
	{ "overlapping_transfers_mix_but_invent_nothing",
	  overlapping_transfers_mix_but_invent_nothing },
	{ "completion_may_start_a_transfer", completion_may_start_a_transfer },
	{ "completion_may_free_the_transfer", completion_may_free_the_transfer },
	{ NULL, NULL },
};
