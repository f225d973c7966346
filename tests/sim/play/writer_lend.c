// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer_lend.c - readers outside the library, who have a backing file and ask nobody. What they
 * read is what was there when it was lent, as long as they have it.
 */
#include "writer.h"

/* --- Reading by oneself ----------------------------------------------------------------------- */

struct transfer {
	struct fsc_io io;
	struct writer *writer;
	bool ended;
	int64_t ret;
};

static void transfer_done(struct fsc_io *io, int64_t ret)
{
	struct transfer *t = (struct transfer *)(void *)io;

	t->ret = ret;
	t->ended = true;
	writer_wake(t->writer);
}

static bool has_ended(void *arg)
{
	return ((struct transfer *)arg)->ended;
}

static int64_t transfer(struct writer *w, struct fsc_file *file, uint64_t pos, uint8_t *mem,
			size_t len)
{
	struct fsc_backend *be = w->play->be;
	struct transfer t = {
		.io = { .file = file, .pos = pos, .buf = { .mem = mem, .len = len },
			.done = transfer_done },
		.writer = w,
	};

	be->ops->read(&t.io);
	if (!t.ended)
		fsc_waitq_wait(&w->moved, has_ended, &t);
	return t.ret;
}

/* --- What may be seen ------------------------------------------------------------------------- */

static uint64_t hash_of(const uint8_t *mem, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ mem[i]) * 0x100000001b3ull;
	return h;
}

/* Each granule is the same whenever it is read. */
static void check_same(struct play *p, struct loan *loan, uint64_t pos, const uint8_t *mem,
		       size_t len)
{
	for (size_t at = 0; at < len; at += PLAY_GRANULE) {
		uint64_t g = (pos + at) / PLAY_GRANULE, h;

		if (g >= LEND_GRANULES)
			return;
		h = hash_of(mem + at, len - at < PLAY_GRANULE ? len - at : PLAY_GRANULE);
		if (loan->seen[g] && loan->hash[g] != h)
			play_fail(p, loan->of, "lent: granule %llu of a lent file has changed: %s",
				  (unsigned long long)g,
				  oracle_looks_like(p, loan->of, pos + at, mem + at, len - at));
		loan->seen[g] = true;
		loan->hash[g] = h;
	}
}

static bool is_of(const struct file *f, const struct change *c, uint64_t pos, const uint8_t *mem,
		  size_t len)
{
	return !c->zeroes && c->start <= pos && pos < c->end && stamp_is(f, c, pos, mem, len);
}

/* And no sector is newer than the loan. */
static void check_newer(struct play *p, struct loan *loan, uint64_t pos, const uint8_t *mem,
			size_t len)
{
	const struct file *f = loan->of;

	for (size_t at = 0; at < len; at += PLAY_SECTOR) {
		size_t n = len - at < PLAY_SECTOR ? len - at : PLAY_SECTOR;

		for (uint32_t i = 0; i < f->version + f->nr_pending; i++) {
			const struct change *c = i < f->version ? &f->changes[i] :
								  &f->pending[i - f->version];

			if (c->stamp > loan->last_stamp && is_of(f, c, pos + at, mem + at, n))
				play_fail(p, loan->of,
					  "lent: it has stamp %u at %llu, newer than the loan",
					  c->stamp, (unsigned long long)(pos + at));
		}
	}
}

static bool read_loan(struct op *op, struct loan *loan, uint64_t pos, uint64_t len)
{
	struct writer *w = op_writer(op);
	uint64_t left = loan->size - pos, got = 0;
	int64_t n = 1;

	look_begin(w->play, &op->look, loan->of, pos, len, 0);
	op->look.lent = true;
	op->look.least = loan->least;
	left = left < len ? left : len;
	while (got < left) {
		n = transfer(w, loan->file, pos + got, op->mem + got, len - got);
		if (n <= 0)
			break;
		got += (uint64_t)n;
		if (got < left)
			got -= got % PLAY_GRANULE;
	}
	if (n < 0) { /* the disk: passthrough readers get that */
		look_cancel(w->play, &op->look);
		return false;
	}
	if (!n || got > left)
		play_fail(w->play, loan->of, "lent: a lent file of %llu bytes ends at %llu",
			  (unsigned long long)loan->size, (unsigned long long)(pos + got));
	check_same(w->play, loan, pos, op->mem, (size_t)got);
	check_newer(w->play, loan, pos, op->mem, (size_t)got);
	look_end(w->play, &op->look, op->mem, (int64_t)got, loan->size);
	return true;
}

/* --- Loans ------------------------------------------------------------------------------------ */

static void return_loan(struct writer *w, struct loan *loan)
{
	struct file *f = loan->of;
	struct fsc_gen *gen = loan->gen;

	play_note(w->play, f, "lent file returned");
	loan->gen = NULL;
	fsc_gen_return(gen);
	w->play->volumes[f->volume].users--;
	writer_wake(w);
}

void return_all(struct writer *w)
{
	for (uint32_t i = 0; i < LOANS; i++)
		if (w->loans[i].gen)
			return_loan(w, &w->loans[i]);
}

static struct loan *take_loan(struct op *op, struct fsc_gen *gen, uint32_t told)
{
	struct writer *w = op_writer(op);
	struct loan *loan = NULL;
	struct fsc_file *file;
	struct fsc_stat st;
	int err;

	err = fsc_gen_lend(gen, &file);
	play_note(w->play, op->slot->file, "lend: %d", err);
	if (err)
		return NULL;
	err = w->play->be->ops->stat(file, &st);
	for (uint32_t i = 0; i < LOANS && !err; i++)
		if (!w->loans[i].gen)
			loan = &w->loans[i];
	if (!loan) {
		fsc_gen_return(gen);
		return NULL;
	}
	*loan = (struct loan){ .gen = gen, .file = file, .of = op->slot->file, .size = st.size,
			       .least = told, .last_stamp = w->play->last_stamp };
	w->play->volumes[loan->of->volume].users++;
	return loan;
}

static void read_all(struct op *op, struct loan *loan)
{
	uint64_t pos, part;
	bool good = true;

	loan->reading++;
	for (pos = 0; good && pos < loan->size; pos += part) {
		part = (1 + sim_random(4)) * PLAY_GRANULE;
		part = part < op->mem_len ? part : op->mem_len;
		good = read_loan(op, loan, pos, part);
		if (sim_chance(4))
			sim_sleep_us(sim_random(3000));
	}
	loan->reading--;
	writer_wake(op_writer(op));
}

void lend_op(struct op *op)
{
	struct writer *w = op_writer(op);
	uint64_t size = slot_size(w, op->slot);
	struct loan *loan = NULL;
	struct fsc_gen *gen;
	uint32_t told;

	if (size == UINT64_MAX || size > LEND_GRANULES * PLAY_GRANULE)
		return;
	size = (size + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE;
	if (op->step->flags & (STEP_KEEP | STEP_WHOLE))
		store_range(op, 0, size);
	else
		op_mem(op, 4 * PLAY_GRANULE);
	told = op->slot->told;
	gen = slot_gen(w, op->slot);
	if (gen && op->mem)
		loan = take_loan(op, gen, told);
	fsc_gen_put(gen);
	if (loan)
		read_all(op, loan);
}

void pass_op(struct op *op)
{
	struct loan *loan = &op_writer(op)->loans[op->step->pos % LOANS];
	uint64_t pos;

	if (!loan->gen || !op_mem(op, 8 * PLAY_GRANULE) || !loan->gen)
		return;
	if (op->step->flags & STEP_WHOLE) {
		read_all(op, loan);
	} else {
		loan->reading++;
		pos = loan->size ? op->step->len % loan->size / PLAY_GRANULE * PLAY_GRANULE : 0;
		if (loan->size)
			read_loan(op, loan, pos, op->mem_len);
		loan->reading--;
	}
	if (op->step->flags & STEP_RETIRE && loan->gen && !loan->reading)
		return_loan(op_writer(op), loan);
}
