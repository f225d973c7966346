// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pieces.c - a write as pieces that can be stored: whole granules, from memory that the backend
 * takes.
 *
 * Mostly that is one piece: the client's memory as it is, or, where that isn't aligned or the write
 * ends within a granule, a copy. A long write is copied only where it must be. What isn't kept, for
 * want of memory or because it covers no granule, is prepared all the same, so that nothing stale
 * stays present.
 */
#include "write.h"

#include "bits.h"

static uint64_t down(uint64_t pos)
{
	return fsc_round_down(pos, FSC_GRANULE_SIZE);
}

static uint64_t up(uint64_t pos)
{
	return fsc_round_up(pos, FSC_GRANULE_SIZE);
}

uint32_t fsc_pieces_max(const struct fsc_write *write)
{
	uint64_t chunks = (write->len >> 18) + 4; /* of FSC_CHUNK, with both ends */

	_Static_assert(FSC_CHUNK == 1u << 18, "");
	return (uint32_t)fsc_min64(chunks, FSC_WRITE_PIECES);
}

/* --- Cutting ---------------------------------------------------------------------------------- */

/* The client's memory, if the granules between can be stored from there. */
static uint8_t *own_mem(const struct fsc_write_state *ws, uint64_t start, uint64_t end)
{
	uint64_t from = up(start), to = down(end);
	uint8_t *mem = NULL;

	if (from < to)
		mem = fsc_vec_whole(&ws->mem, from - ws->write->pos, (size_t)(to - from));
	return mem && !((uintptr_t)mem & ws->cookie->mem_mask) ? mem : NULL;
}

static void get_buffer(struct fsc_piece *piece)
{
	size_t len = (size_t)(up(piece->end) - down(piece->start));

	piece->keep = !fsc_iobuf_get(piece->ws->cookie->side, len, FSC_USE_KEEP, true, &piece->buf);
}

/* A piece up to @end; @own: from the client's memory. The last there is room for takes the rest. */
static uint64_t cut(struct fsc_write_state *ws, uint64_t start, uint64_t end, bool own)
{
	struct fsc_piece *piece = &ws->pieces[ws->nr++];

	piece->ws = ws;
	piece->start = start;
	piece->end = ws->nr < ws->max ? end : ws->end;
	if (own)
		piece->keep = own_mem(ws, start, piece->end) != NULL;
	else if (up(piece->end) - down(start) <= FSC_CHUNK)
		get_buffer(piece);
	return piece->end;
}

static bool covers_any(uint64_t start, uint64_t end)
{
	return up(start) < down(end);
}

static void cut_all(struct fsc_write_state *ws, bool head, bool tail)
{
	uint64_t at = ws->write->pos, end = ws->end;
	bool own = own_mem(ws, at, end) != NULL;

	if (!head && !tail && (own || !covers_any(at, end))) {
		cut(ws, at, end, true);
		return;
	}
	if (up(end) - down(at) <= FSC_CHUNK) {
		cut(ws, at, end, false);
		return;
	}
	if (head && own)
		at = cut(ws, at, up(at), false);
	if (own)
		at = cut(ws, at, tail ? down(end) : end, true);
	while (at < end)
		at = cut(ws, at, fsc_min64(down(at) + FSC_CHUNK, end), false);
}

void fsc_pieces_cut(struct fsc_write_state *ws, uint64_t size)
{
	bool fill = (ws->write->flags & FSC_WRITE_FILL) != 0;
	bool head = fill && (ws->write->pos & (FSC_GRANULE_SIZE - 1));
	/* With zeroes that follow, the file's last granule is whole too. */
	bool tail = (ws->end & (FSC_GRANULE_SIZE - 1)) && (fill || ws->end == size);

	if (ws->nr)
		return;
	cut_all(ws, head, tail);
	ws->pieces[0].head = head;
	ws->pieces[ws->nr - 1].tail = tail;
}

/* --- On a generation -------------------------------------------------------------------------- */

/* Up to where it can be stored, with what was filled in. */
static void set_range(struct fsc_piece *piece)
{
	bool filled = piece->ws->filled == piece->ws->gen;
	uint64_t start = filled && piece->has_head ? down(piece->start) : piece->start;
	uint64_t end = filled && piece->has_tail ? up(piece->end) : piece->end;
	struct fsc_gio *gio = &piece->gio;

	memset(gio, 0, sizeof(*gio));
	gio->gen = piece->ws->gen;
	gio->pos = start;
	gio->buf.len = (size_t)(end - start);
	if (piece->buf.mem) {
		gio->buf.mem = piece->buf.mem;
		gio->buf.off = (size_t)(start - down(piece->start));
	} else if (piece->keep) {
		/* From the first byte on, though only what is aligned is used. */
		gio->buf.mem = own_mem(piece->ws, piece->start, piece->end) -
			       (up(piece->start) - piece->start);
	}
}

void fsc_pieces_prepare(struct fsc_write_state *ws)
{
	for (uint32_t i = 0; i < ws->nr; i++) {
		struct fsc_piece *piece = &ws->pieces[i];

		set_range(piece);
		piece->ready = !fsc_gen_write_prepare(&piece->gio, piece->keep);
	}
}

static void answered(struct fsc_write_state *ws)
{
	for (uint32_t i = 0; i < ws->nr; i++)
		fsc_gen_write_answered(ws->gen);
	fsc_gen_put(ws->gen);
	ws->gen = NULL;
}

void fsc_pieces_drop(struct fsc_write_state *ws)
{
	if (!ws->gen)
		return;
	for (uint32_t i = 0; i < ws->nr; i++) {
		struct fsc_piece *piece = &ws->pieces[i];

		if (piece->ready)
			fsc_gen_store_cancel(&piece->gio);
		piece->ready = false;
	}
	answered(ws);
}

void fsc_pieces_answered(struct fsc_write_state *ws)
{
	if (ws->gen)
		answered(ws);
	fsc_gen_put(ws->filled);
	for (uint32_t i = 0; i < ws->nr; i++)
		fsc_iobuf_put(ws->cookie->side, &ws->pieces[i].buf);
}
