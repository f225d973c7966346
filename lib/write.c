// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * write.c - the calls that write: to the server, and, with proof, to the cache at the same time and
 * from the same memory.
 *
 * Whatever the cache does, the server's answer is the result. What the server didn't take, or may
 * have taken or not, is known to nobody: then the whole file is given up, as an answer that got
 * lost may be followed by the bytes.
 */
#include "write.h"

static void write_work(struct fsc_work *work);

static size_t write_piece(struct fsc_write *write)
{
	size_t max = write->ops->write_max ? write->ops->write_max(write) : SIZE_MAX;

	return max ? max : 1;
}

static void init_fetch(struct fsc_write_state *ws, size_t piece)
{
	struct fsc_write *write = ws->write;
	struct fsc_fetch *fetch = &ws->fetch;

	fetch->ops = write->ops;
	fetch->cookie = ws->cookie;
	fetch->netfs = write->netfs;
	fetch->write = true;
	fetch->pos = write->pos;
	fetch->mem = ws->mem;
	fetch->len = write->len;
	fetch->piece = piece;
	fsc_fetch_init(fetch);
}

static void init_change(struct fsc_write_state *ws)
{
	struct fsc_change *change = &ws->change;

	change->cookie = ws->cookie;
	change->kind = FSC_CHANGE_WRITE;
	change->start = ws->write->pos;
	change->end = ws->end;
	change->granules = (ws->write->flags & FSC_WRITE_FILL) != 0;
	change->work = &ws->work;
	fsc_list_init(&change->node);
}

static size_t state_size(uint32_t pieces)
{
	return fsc_round_up(sizeof(struct fsc_write_state) + pieces * sizeof(struct fsc_piece), 16);
}

static struct fsc_write_state *state_new(struct fsc_write *write, bool can_wait)
{
	size_t piece = write_piece(write), size;
	uint32_t slots = fsc_fetch_slots(write->len, piece, FSC_WRITE_SLOTS);
	uint32_t pieces = write->cookie ? fsc_pieces_max(write) : 0;
	struct fsc_write_state *ws;

	size = state_size(pieces) + fsc_fetch_slot_bytes(write->ops, slots);
	ws = can_wait ? fsc_zalloc(size) : fsc_zalloc_nowait(size);
	if (!ws)
		return NULL;
	ws->write = write;
	ws->cookie = write->cookie;
	ws->mem = (struct fsc_vec){ (uint8_t *)(uintptr_t)write->buf, write->iov, write->nr_iov };
	ws->end = write->pos + write->len;
	ws->nr_slots = slots;
	ws->max = pieces;
	fsc_work_init(&ws->work, write_work);
	init_fetch(ws, piece);
	if (ws->cookie) {
		fsc_cookie_pin(ws->cookie);
		init_change(ws);
	}
	return ws;
}

/* --- Before it is sent ------------------------------------------------------------------------ */

static uint64_t size_of(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	uint64_t size = cookie->size;

	fsc_spin_unlock(&cookie->lock, irq);
	return size;
}

/* What it takes to keep it in @gen, which was current a moment ago. */
static void prepare_gen(struct fsc_write_state *ws, struct fsc_gen *gen)
{
	uint64_t size = size_of(ws->cookie);

	fsc_pieces_drop(ws);
	fsc_pieces_cut(ws, fsc_max64(size, ws->end));
	fsc_pieces_fill(ws, gen, size);
	if (ws->end > size) {
		fsc_change_resize(&ws->change, ws->end); /* then it may be another */
		return;
	}
	fsc_gen_get(gen);
	ws->gen = gen;
	fsc_pieces_prepare(ws);
}

/* False: not yet, it is resumed. Else the generation that is current when the last prepare has
 * returned was prepared, or there is none and nothing is kept. */
static bool prepare(struct fsc_write_state *ws)
{
	enum fsc_admitted how;
	struct fsc_gen *gen;
	bool ready = false;

	while (!ready) {
		how = fsc_change_admit(&ws->change, &gen);
		if (how != FSC_ADMIT_KEPT) {
			fsc_pieces_drop(ws);
			return how == FSC_ADMIT_BARE;
		}
		ready = gen == ws->gen;
		if (!ready)
			prepare_gen(ws, gen);
		fsc_gen_put(gen);
	}
	return true;
}

/* --- After it --------------------------------------------------------------------------------- */

static int64_t result(const struct fsc_write_state *ws)
{
	if (ws->fetch.good)
		return (int64_t)ws->fetch.good;
	return ws->fetch.error ? ws->fetch.error : -EIO;
}

/* All has ended, and whoever is told reads what was written. */
static int64_t finish(struct fsc_write_state *ws)
{
	struct fsc_cookie *cookie = ws->cookie;
	int64_t ret = result(ws);

	if (cookie) {
		if (ws->fetch.good < ws->fetch.len)
			fsc_change_failed(&ws->change);
		fsc_pieces_answered(ws);
		fsc_change_leave(&ws->change);
	}
	fsc_fetch_fini(&ws->fetch);
	fsc_free(ws);
	if (cookie)
		fsc_cookie_unpin(cookie);
	return ret;
}

/* A store or the server write has ended. */
static void ended(struct fsc_write_state *ws)
{
	struct fsc_write *write = ws->write;

	if (!fsc_ref_put(&ws->left))
		return;
	if (ws->sleeper)
		fsc_sleeper_wake(ws->sleeper);
	else
		write->ops->write_done(write, finish(ws));
}

static void sent(struct fsc_fetch *fetch)
{
	ended(fsc_container_of(fetch, struct fsc_write_state, fetch));
}

static void stored(struct fsc_gio *gio, int64_t ret)
{
	(void)ret; /* then it is absent */
	ended(fsc_container_of(gio, struct fsc_piece, gio)->ws);
}

/* --- Under way -------------------------------------------------------------------------------- */

/* The server first, as it takes longer. */
static void begin(struct fsc_write_state *ws)
{
	void *slots = (uint8_t *)ws + state_size(ws->max);

	fsc_ref_init(&ws->left); /* ours */
	fsc_ref_get(&ws->left);
	ws->fetch.done = sent;
	fsc_fetch_start(&ws->fetch, slots, ws->nr_slots);
	for (uint32_t i = 0; i < ws->nr; i++) {
		struct fsc_piece *piece = &ws->pieces[i];

		if (!piece->ready)
			continue;
		piece->ready = false;
		piece->gio.done = stored;
		/* Whoever prepares has time. */
		piece->gio.flags = FSC_IO_MAY_BLOCK;
		fsc_ref_get(&ws->left);
		fsc_gen_write(&piece->gio);
	}
}

static void run(struct fsc_write_state *ws)
{
	begin(ws);
	ended(ws);
}

static void write_work(struct fsc_work *work)
{
	struct fsc_write_state *ws = fsc_container_of(work, struct fsc_write_state, work);

	if (prepare(ws))
		run(ws);
}

/* --- The calls -------------------------------------------------------------------------------- */

static int check(const struct fsc_write *write)
{
	struct fsc_vec mem = { (uint8_t *)(uintptr_t)write->buf, write->iov, write->nr_iov };

	if (write->flags & ~FSC_WRITE_FILL)
		return -EINVAL;
	if (write->len > (size_t)1 << 31 || write->pos > (uint64_t)INT64_MAX - write->len)
		return -EINVAL;
	return write->buf || fsc_vec_holds(&mem, write->len) ? 0 : -EINVAL;
}

void fsc_write_start(struct fsc_write *write)
{
	struct fsc_write_state *ws = NULL;
	int err = check(write);

	FSC_ASSERT(write->ops && write->ops->write_done);
	if (!err && write->len) {
		ws = state_new(write, false);
		err = ws ? 0 : -ENOMEM;
	}
	if (!ws) {
		write->ops->write_done(write, err);
		return;
	}
	if (ws->cookie && !fsc_change_enter(&ws->change, write->file_size))
		return;
	/* Nothing to do but to send it. */
	if (!ws->cookie || fsc_change_is_bare(&ws->change))
		run(ws);
	else
		fsc_work_queue(ws->cookie->wq, &ws->work, 0);
}

int64_t fsc_write_wait(struct fsc_write *write)
{
	struct fsc_write_state *ws;
	struct fsc_sleeper sleeper;
	int err = check(write);
	int64_t ret;

	FSC_ASSERT(write->ops);
	if (err || !write->len)
		return err;
	ws = state_new(write, true);
	if (!ws)
		return -ENOMEM;
	fsc_sleeper_init(&sleeper);
	ws->sleeper = &sleeper;
	ws->change.sleeper = &sleeper;
	if (ws->cookie) {
		if (!fsc_change_enter(&ws->change, write->file_size))
			fsc_sleeper_sleep(&sleeper);
		prepare(ws);
	}
	begin(ws);
	if (!fsc_ref_put(&ws->left))
		fsc_sleeper_sleep(&sleeper);
	ret = finish(ws);
	fsc_sleeper_fini(&sleeper);
	return ret;
}
