// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer_io.c - the writer's reads, from the cache and else from the server, and what it keeps of
 * downloads.
 */
#include "writer.h"

/* --- Reads ------------------------------------------------------------------------------------ */

static struct fsc_gen *gen_to_read(struct op *op)
{
	struct slot *sl = op->slot;

	/* An old pin may be read as well; if that gives anything it must be good. */
	if (op->step->flags & STEP_STALE && op->step->arg & 1 && sl->old)
		return slot_old(sl);
	return slot_gen(op_writer(op), sl);
}

/* The object ends where the library was told last, or a moment ago; the server's file perhaps
 * elsewhere. What it says is then as good as what was asked for. */
static uint64_t said_size(struct op *op, uint64_t before, uint64_t pos, uint64_t len, uint64_t n)
{
	uint64_t now = slot_size(op_writer(op), op->slot);

	if (pos + len == pos + n)
		return UINT64_MAX;
	return pos + n == before || pos + n == now ? pos + n : UINT64_MAX;
}

static bool read_cache(struct op *op, struct fsc_gen *gen, uint64_t size, uint64_t pos,
		       uint64_t *len)
{
	struct play *p = op->client->play;
	struct piece *piece;
	uint64_t run_end;
	int64_t ret;

	/* The answer is a hint: sometimes it isn't heeded. */
	if (!fsc_gen_run(gen, pos, pos + *len, &run_end) && op->step->arg >> 8 & 7)
		return false;
	if (run_end < pos + *len && op->step->arg >> 11 & 1)
		op->look.len = *len = run_end - pos;
	piece = op_piece(op, gen, pos, 0, *len);
	op_run(op, fsc_gen_read, piece);
	op_wait(op);
	ret = piece->ret;
	if (ret >= 0)
		look_end(p, &op->look, op->mem, ret,
			 said_size(op, size, pos, *len, (uint64_t)ret));
	else
		play_note(p, op->slot->file, "no read of %llu..%llu: %lld", (unsigned long long)pos,
			  (unsigned long long)(pos + *len), (long long)ret);
	return ret >= 0;
}

static void read_server(struct op *op, uint64_t pos, uint64_t len)
{
	struct play *p = op->client->play;
	struct file *f = op->slot->file;
	int64_t n = server_read(p, f, pos, op->mem, len);
	uint64_t size = file_size(f, f->version), end = pos + len < size ? pos + len : size;

	/* Errors, and what isn't all, is what the server means to test others with. */
	if (n < 0 || pos + (uint64_t)n != end)
		look_cancel(p, &op->look);
	else
		look_end(p, &op->look, op->mem, n, UINT64_MAX);
}

/* --- Keeping ---------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *mem, size_t len)
{
	while (len && !mem[len - 1])
		len--;
	return !len;
}

static void store_piece(struct op *op, struct piece *piece)
{
	const struct fsc_buf *buf = &piece->gio.buf;

	if (sim_chance(20))
		fsc_gen_store_cancel(&piece->gio);
	else if (is_zero(op->mem + buf->off, buf->len) && !sim_chance(4))
		op_run(op, fsc_gen_store_zero, piece);
	else
		op_run(op, fsc_gen_store, piece);
}

/* What was downloaded, in as many pieces as it takes; all as of one sample. */
static void keep(struct op *op, struct fsc_gen *gen, uint64_t change, uint64_t pos, uint64_t end)
{
	uint64_t at = pos, start = pos;
	struct piece *piece;
	int err = 0;

	while (at < end && !err && op->nr_pieces < PIECES) {
		piece = op_piece(op, gen, at, at - start, end - at);
		piece->gio.change = change;
		err = fsc_gen_store_prepare(&piece->gio);
		if (err)
			break;
		at = piece->gio.pos + piece->gio.buf.len;
		store_piece(op, piece);
	}
	play_note(op->client->play, op->slot->file, "kept of %llu..%llu up to %llu: %d",
		  (unsigned long long)pos, (unsigned long long)end, (unsigned long long)at, err);
	op_wait(op);
}

/* The last granule of the object is padded with zeroes; a server read that ends before the size
 * that was promised keeps nothing. */
static void download(struct op *op, struct fsc_gen *gen, uint64_t pos, uint64_t len)
{
	struct play *p = op->client->play;
	struct fsc_gio sample = { .gen = gen };
	uint64_t sent, until;
	int64_t n;

	fsc_gen_sample(&sample);
	/* Only now: a resize counts the change after it was told the size. */
	until = slot_size(op_writer(op), op->slot);
	until = until < pos + len ? until : pos + len;
	sent = fsc_clock_ms();
	n = server_read(p, op->slot->file, pos, op->mem, len);
	if (n < 0 || pos + (uint64_t)n < until || until <= pos || sent < op->slot->keep_after_ms)
		return;
	memset(op->mem + (until - pos), 0, op->mem_len - (until - pos));
	until = (until + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE;
	keep(op, gen, sample.change, pos, until);
}

void store_range(struct op *op, uint64_t pos, uint64_t len)
{
	uint64_t end = (pos + len + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE, part;
	struct fsc_gen *gen;

	if (!len || (!op->mem && !op_mem(op, len < PLAY_READ_MAX ? len : PLAY_READ_MAX)))
		return;
	for (; pos < end; pos += part) {
		part = end - pos < op->mem_len ? end - pos : op->mem_len;
		gen = slot_gen(op_writer(op), op->slot);
		if (!gen)
			return;
		download(op, gen, pos, part);
		fsc_gen_put(gen);
	}
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* False: there is no object, or not so much. */
static bool read_once(struct op *op, bool *cached)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	uint64_t pos, len, size = slot_size(w, sl);
	struct fsc_gen *gen;

	if (size == UINT64_MAX)
		return false;
	op_range(op, size, &pos, &len);
	len = len < PLAY_READ_MAX ? len : PLAY_READ_MAX;
	if (!len || len > op->mem_len)
		return false;
	look_begin(w->play, &op->look, sl->file, pos, len, sl->told);
	gen = gen_to_read(op);
	*cached = gen && read_cache(op, gen, size, pos, &len);
	fsc_gen_put(gen);
	if (!*cached)
		read_server(op, pos, len);
	return true;
}

/* What was missed is mostly kept; and it is read again, beside whatever others do. */
void read_op(struct op *op)
{
	uint32_t times = 1 + (op->step->arg >> 14 & 7);
	uint64_t pos, len, size;
	bool cached = true;

	if (!op_mem(op, PLAY_READ_MAX) || !read_once(op, &cached))
		return;
	size = slot_size(op_writer(op), op->slot);
	if (!cached && size != UINT64_MAX && op->step->arg >> 12 & 3) {
		op_range(op, size, &pos, &len);
		store_range(op, pos, len);
	}
	while (--times && read_once(op, &cached) && cached)
		if (sim_chance(2))
			sim_sleep_us(sim_random(2000));
}

void store_op(struct op *op)
{
	uint64_t pos, len, size = slot_size(op_writer(op), op->slot);

	if (size == UINT64_MAX)
		return;
	op_range(op, size, &pos, &len);
	store_range(op, pos, len);
}

void clear_op(struct op *op)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	struct fsc_gen *gen = slot_gen(w, sl);
	const struct step *s = op->step;
	uint64_t pos, len;
	int err;

	if (s->flags & STEP_STALE && sl->old) {
		struct fsc_gen *old = slot_old(sl);

		fsc_gen_clear(old, s->pos % (1ull << 18), PLAY_GRANULE);
		fsc_gen_put(old);
	}
	if (!gen)
		return;
	op_range(op, 1ull << 18, &pos, &len);
	if (s->flags & STEP_KEEP) {
		pos += s->arg % PLAY_GRANULE;
		len = 1 + s->len % (3 * PLAY_GRANULE);
	}
	oracle_event(w->play);
	err = fsc_gen_clear(gen, pos, len);
	play_note(w->play, sl->file, "cleared %llu..%llu: %d", (unsigned long long)pos,
		  (unsigned long long)(pos + len), err);
	oracle_event(w->play);
	fsc_gen_put(gen);
}
