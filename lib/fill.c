// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fill.c - what the granules at the ends of a write lack: from the cache, else from the server.
 *
 * While the write has its turn nothing else changes those granules, and with proof nobody else
 * does. It isn't a read of the read helper's, which would store the granule just when the write
 * wants to.
 */
#include "write.h"

#include "bits.h"

struct fill {
	struct fsc_write_state *ws;
	struct fsc_gen *gen;
	uint64_t pos;    /* of the granule */
	size_t len;      /* that the file has of it */
	uint8_t *mem;
	struct fsc_sleeper sleeper;
	struct fsc_gio gio;
	struct fsc_fetch fetch;
	int64_t ret;
};

static void cache_done(struct fsc_gio *gio, int64_t ret)
{
	struct fill *fill = fsc_container_of(gio, struct fill, gio);

	fill->ret = ret;
	fsc_sleeper_wake(&fill->sleeper);
}

static bool from_cache(struct fill *fill)
{
	uint64_t run;

	if (!fsc_gen_run(fill->gen, fill->pos, fill->pos + fill->len, &run))
		return false;
	fill->gio.gen = fill->gen;
	fill->gio.pos = fill->pos;
	fill->gio.buf.mem = fill->mem;
	fill->gio.buf.len = FSC_GRANULE_SIZE;
	fill->gio.flags = FSC_IO_MAY_BLOCK;
	fill->gio.done = cache_done;
	fsc_gen_read(&fill->gio);
	fsc_sleeper_sleep(&fill->sleeper);
	return fill->ret >= (int64_t)fill->len;
}

static void server_done(struct fsc_fetch *fetch)
{
	fsc_sleeper_wake(&fsc_container_of(fetch, struct fill, fetch)->sleeper);
}

/* The client is asked as for any read of its own. */
static size_t piece_of(struct fill *fill)
{
	struct fsc_write *write = fill->ws->write;
	struct fsc_read *read = fsc_zalloc(sizeof(*read));
	size_t piece = 0;

	if (!read)
		return 0;
	read->cookie = write->cookie;
	read->ops = write->ops;
	read->netfs = write->netfs;
	read->pos = fill->pos;
	read->file_size = fill->pos + fill->len;
	read->len = fill->len;
	piece = fsc_read_piece(read);
	fsc_free(read);
	return piece;
}

static bool from_server(struct fill *fill)
{
	struct fsc_write *write = fill->ws->write;
	struct fsc_fetch *fetch = &fill->fetch;
	void *slot;
	bool whole;

	fetch->ops = write->ops;
	fetch->cookie = fill->ws->cookie;
	fetch->netfs = write->netfs;
	fetch->pos = fill->pos;
	fetch->mem = (struct fsc_vec){ .buf = fill->mem };
	fetch->len = fill->len;
	fetch->piece = piece_of(fill);
	fetch->done = server_done;
	slot = fetch->piece ? fsc_zalloc(fsc_fetch_slot_bytes(write->ops, 1)) : NULL;
	if (!slot)
		return false;
	fsc_fetch_init(fetch);
	fsc_fetch_start(fetch, slot, 1);
	fsc_sleeper_sleep(&fill->sleeper);
	whole = fetch->good == fetch->len;
	fsc_fetch_fini(fetch);
	fsc_free(slot);
	return whole;
}

/* The granule at @pos, to @mem, with zeroes beyond the file's end. */
static bool granule(struct fsc_write_state *ws, struct fsc_gen *gen, uint64_t size, uint64_t pos,
		    uint8_t *mem)
{
	uint64_t left = pos < size ? size - pos : 0;
	struct fill *fill;
	bool ok;

	memset(mem, 0, FSC_GRANULE_SIZE);
	if (!left)
		return true;
	fill = fsc_zalloc(sizeof(*fill));
	if (!fill)
		return false;
	fill->ws = ws;
	fill->gen = gen;
	fill->pos = pos;
	fill->len = (size_t)fsc_min64(left, FSC_GRANULE_SIZE);
	fill->mem = mem;
	fsc_sleeper_init(&fill->sleeper);
	ok = from_cache(fill) || from_server(fill);
	fsc_sleeper_fini(&fill->sleeper);
	/* What a read of the cache leaves there means nothing. */
	memset(mem + fill->len, 0, FSC_GRANULE_SIZE - fill->len);
	fsc_free(fill);
	return ok;
}

static void fill_piece(struct fsc_piece *piece, struct fsc_gen *gen, uint64_t size)
{
	uint64_t base = fsc_round_down(piece->start, FSC_GRANULE_SIZE);
	uint64_t last = fsc_round_down(piece->end, FSC_GRANULE_SIZE);
	uint8_t *mem = piece->buf.mem;
	/* Nothing that the file has lies behind the write. */
	bool ends = piece->end >= size;
	bool one = piece->head && base == last;

	if (!piece->ws->write->ops->issue_read && size > base)
		piece->head = false;
	if (piece->head)
		piece->has_head = granule(piece->ws, gen, size, base, mem);
	if (!piece->tail)
		return;
	if (one && piece->head)
		piece->has_tail = piece->has_head;
	else if (ends)
		piece->has_tail = true;
	else if (piece->ws->write->ops->issue_read)
		piece->has_tail = granule(piece->ws, gen, size, last, mem + (last - base));
	if (ends)
		memset(mem + (piece->end - base), 0,
		       (size_t)(last + FSC_GRANULE_SIZE - piece->end));
}

/* Bytes of the write into the buffer. */
static void copy(struct fsc_piece *piece)
{
	uint64_t from = piece->start - piece->ws->write->pos, left = piece->end - piece->start;
	uint8_t *to = (uint8_t *)piece->buf.mem + (piece->start & (FSC_GRANULE_SIZE - 1));

	while (left) {
		size_t n = (size_t)left;
		const uint8_t *src = fsc_vec_at(&piece->ws->mem, from, &n);

		memcpy(to, src, n);
		to += n;
		from += n;
		left -= n;
	}
}

void fsc_pieces_fill(struct fsc_write_state *ws, struct fsc_gen *gen, uint64_t size)
{
	if (ws->filled)
		return;
	fsc_gen_get(gen);
	ws->filled = gen;
	for (uint32_t i = 0; i < ws->nr; i++) {
		if (!ws->pieces[i].buf.mem)
			continue;
		fill_piece(&ws->pieces[i], gen, size);
		copy(&ws->pieces[i]);
	}
}
