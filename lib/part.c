/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * part.c - one part of a request: a read of the backing file, a download, or a server read straight
 * into the client's buffer.
 *
 * What fails in the cache is read from the server instead, directly: whatever was the matter,
 * nothing of this request's sample of the generation is to be kept there.
 */
#include "read.h"

struct fsc_direct {
	struct fsc_part *part;
	struct fsc_fetch fetch;
};

/* --- From the backing file -------------------------------------------------------------------- */

/* Does the address that @pos is read to suit the backend? */
static bool aligned(const struct fsc_part *part, uint64_t pos)
{
	uint64_t addr = (uint64_t)(uintptr_t)part->rs->read->buf + (pos - part->rs->read->pos);

	return (addr & part->rs->cookie->mem_mask) == 0;
}

static uint64_t padded(const struct fsc_part *part)
{
	return fsc_round_up(part->end - part->start, FSC_GRANULE_SIZE);
}

/* May it be read straight into the client's buffer? Whole granules are read, also at the file's
 * end: then the buffer must have room for what lies beyond. */
static bool goes_direct(const struct fsc_part *part)
{
	const struct fsc_read *read = part->rs->read;

	return part->want_start == part->start && part->want_end == part->end &&
	       aligned(part, part->start) &&
	       part->start - read->pos + padded(part) <= read->len;
}

bool fsc_part_bounces(const struct fsc_part *part)
{
	return part->kind == FSC_PART_CACHE && !goes_direct(part);
}

static void cut(struct fsc_part *part, uint64_t end)
{
	part->end = end;
	part->want_end = fsc_min64(part->want_end, end);
}

/* Leave to another part what would force this one through a buffer of ours, and at most a buffer's
 * length to one that has to. */
void fsc_part_cut(struct fsc_part *part)
{
	uint64_t whole = fsc_round_down(part->want_end, FSC_GRANULE_SIZE);

	if (goes_direct(part))
		return;
	if (part->want_start > part->start && aligned(part, part->start + FSC_GRANULE_SIZE))
		cut(part, fsc_min64(part->end, part->start + FSC_GRANULE_SIZE));
	else if (whole > part->start && part->want_start == part->start &&
		 aligned(part, part->start))
		cut(part, whole);
	if (!goes_direct(part))
		cut(part, fsc_min64(part->end, part->start + FSC_CHUNK));
}

static void cache_read_done(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_part *part = fsc_container_of(gio, struct fsc_part, gio);
	struct fsc_cookie *cookie = part->rs->cookie;
	size_t want = (size_t)(part->want_end - part->want_start);

	if (ret < (int64_t)(part->want_end - part->start)) {
		part->ret = ret < 0 ? ret : -EIO;
	} else {
		if (part->bounce.mem)
			memcpy(fsc_part_mem(part, part->want_start),
			       (uint8_t *)part->bounce.mem + (part->want_start - part->start), want);
		part->ret = (int64_t)want;
		fsc_stat_add(cookie->cache, FSC_STAT_CACHE_READ_BYTES, part->ret);
	}
	fsc_iobuf_put(cookie->side, &part->bounce);
	fsc_part_ended(part);
}

/* 0 or -EAGAIN, -ENOMEM */
static int start_cache(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;
	struct fsc_gio *gio = &part->gio;
	void *mem;
	int ret;

	part->bounce.mem = NULL;
	if (goes_direct(part)) {
		mem = fsc_part_mem(part, part->start);
	} else {
		ret = fsc_iobuf_get(rs->cookie->side, (size_t)padded(part), false, rs->can_wait,
				    &part->bounce);
		if (ret)
			return ret;
		mem = part->bounce.mem;
	}
	memset(gio, 0, sizeof(*gio));
	gio->gen = rs->gen;
	gio->pos = part->start;
	gio->buf.mem = mem;
	gio->buf.len = (size_t)padded(part);
	gio->done = cache_read_done;
	/* In a thread that waits anyway, also because it may be the one that drives the backend:
	 * then nobody else would complete it. */
	gio->flags = rs->sleeper ? FSC_IO_MAY_BLOCK : 0;
	fsc_gen_read(gio);
	return 0;
}

/* --- Straight from the server ----------------------------------------------------------------- */

static void direct_done(struct fsc_fetch *fetch)
{
	struct fsc_direct *direct = fsc_container_of(fetch, struct fsc_direct, fetch);
	struct fsc_part *part = direct->part;
	struct fsc_read_state *rs = part->rs;

	part->ret = fetch->error ? fetch->error : (int64_t)fetch->good;
	if (rs->gen) {
		fsc_stat_add(rs->cookie->cache, FSC_STAT_NOT_KEPT_BYTES, (int64_t)fetch->good);
		/* As in a download: what the cache has isn't this file. */
		if (!fetch->error && fetch->good < fetch->len)
			fsc_cookie_discard(rs->cookie, rs->gen);
	}
	fsc_fetch_fini(fetch);
	fsc_free(direct);
	fsc_part_ended(part);
}

static void start_direct(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;
	size_t len = (size_t)(part->want_end - part->want_start);
	uint32_t nr = fsc_fetch_slots(len, rs->piece, FSC_DIRECT_SLOTS);
	size_t size = sizeof(struct fsc_direct) + fsc_fetch_slot_bytes(rs->read->ops, nr);
	struct fsc_direct *direct = rs->can_wait ? fsc_zalloc(size) : fsc_zalloc_nowait(size);

	if (!direct) {
		part->ret = -ENOMEM;
		fsc_part_ended(part);
		return;
	}
	part->kind = FSC_PART_DIRECT;
	direct->part = part;
	direct->fetch.ops = rs->read->ops;
	direct->fetch.cookie = rs->cookie;
	direct->fetch.netfs = rs->read->netfs;
	direct->fetch.pos = part->want_start;
	direct->fetch.mem.buf = fsc_part_mem(part, part->want_start);
	direct->fetch.len = len;
	direct->fetch.piece = rs->piece;
	direct->fetch.done = direct_done;
	fsc_fetch_init(&direct->fetch);
	fsc_fetch_start(&direct->fetch, direct + 1, nr);
}

/* ---------------------------------------------------------------------------------------------- */

bool fsc_part_start(struct fsc_part *part)
{
	int ret = -ENOBUFS;

	part->again = false;
	if (part->kind == FSC_PART_DOWNLOAD)
		ret = fsc_download_part(part);
	if (ret == -EEXIST)
		part->kind = FSC_PART_CACHE; /* somebody has stored it meanwhile; it fits a buffer */
	if (part->kind == FSC_PART_CACHE)
		ret = start_cache(part);
	if (ret == -EAGAIN)
		return false;
	if (ret)
		start_direct(part);
	return true;
}
