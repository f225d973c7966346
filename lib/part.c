/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * part.c - one part of a request: a read of the backing file, a download, or a server read that
 * nobody else wants. Its bytes go into the client's memory, or, lent, stay where they came to.
 *
 * What fails in the cache is read from the server instead, directly: whatever was the matter,
 * nothing of this request's sample of the generation is to be kept there.
 */
#include "read.h"

/* A server read through memory of ours, for a client's in pieces, is at most so long without a pool
 * to take it from. */
#define PLAIN_MAX (1u << 20)

struct fsc_direct {
	struct fsc_part *part;
	struct fsc_list node; /* in rs->directs; rs->lock */
	bool told;            /* to end; rs->lock */
	struct fsc_fetch fetch;
};

static uint64_t offset(const struct fsc_part *part, uint64_t pos)
{
	return pos - part->rs->read->pos;
}

static uint64_t want(const struct fsc_part *part)
{
	return part->want_end - part->want_start;
}

void fsc_part_deliver(struct fsc_part *part, uint8_t *src)
{
	struct fsc_read_state *rs = part->rs;

	if (rs->lend)
		part->bytes = src;
	else if (!rs->prefetch)
		fsc_vec_put(&rs->mem, offset(part, part->want_start), src, (size_t)part->ret);
}

void fsc_part_release(struct fsc_part *part)
{
	struct fsc_cookie *cookie = part->rs->cookie;

	if (part->from)
		fsc_download_put(part->from);
	if (cookie)
		fsc_iobuf_put(cookie->side, &part->bounce);
	fsc_free(part->plain);
	part->from = NULL;
	part->plain = NULL;
}

/* --- Where it is cut -------------------------------------------------------------------------- */

/* Does the address that @pos is read to suit the backend? */
static bool aligned(const struct fsc_part *part, uint64_t pos)
{
	size_t len = 1;
	uint8_t *at = fsc_vec_at(&part->rs->mem, offset(part, pos), &len);

	return len && ((uintptr_t)at & part->rs->cookie->mem_mask) == 0;
}

static uint64_t padded(const struct fsc_part *part)
{
	return fsc_round_up(part->end - part->start, FSC_GRANULE_SIZE);
}

/* So many bytes of whole granules, from its start on, may be read straight to where they belong.
 * Also at the file's end whole granules are read: then there must be room for what lies beyond. */
static uint64_t straight(const struct fsc_part *part)
{
	const struct fsc_read_state *rs = part->rs;
	uint64_t off = offset(part, part->start);
	size_t len;

	if (rs->lend || rs->prefetch || part->want_start != part->start ||
	    !aligned(part, part->start))
		return 0;
	len = (size_t)fsc_min64(padded(part), rs->read->len - off);
	fsc_vec_at(&rs->mem, off, &len);
	return fsc_round_down(len, FSC_GRANULE_SIZE);
}

static bool goes_direct(const struct fsc_part *part)
{
	return part->want_end == part->end && straight(part) >= padded(part);
}

bool fsc_part_bounces(const struct fsc_part *part)
{
	return part->kind == FSC_PART_CACHE && !part->rs->lend && !part->rs->prefetch &&
	       !goes_direct(part);
}

static void cut(struct fsc_part *part, uint64_t end)
{
	part->end = fsc_min64(part->end, end);
	part->want_end = fsc_min64(part->want_end, part->end);
}

/* Leave to another part what would force this one through a buffer of ours, and at most a buffer's
 * length to one that has to. */
static void cut_cached(struct fsc_part *part)
{
	uint64_t second = part->start + FSC_GRANULE_SIZE;
	uint64_t whole = fsc_round_down(part->want_end, FSC_GRANULE_SIZE);
	uint64_t n = straight(part);

	if (goes_direct(part))
		return;
	whole = whole > part->start ? fsc_min64(n, whole - part->start) : 0;
	if (part->want_start > part->start && second < part->want_end && aligned(part, second))
		cut(part, second);
	else if (whole && (!part->rs->mem.iov || whole >= FSC_PIECE_MIN))
		cut(part, part->start + whole);
	if (!goes_direct(part))
		cut(part, part->start + FSC_CHUNK);
}

/* Large pieces of the client's memory get a server read each; small ones share a buffer of ours. */
static void cut_direct(struct fsc_part *part)
{
	size_t run = (size_t)want(part);

	if (!part->rs->mem.iov)
		return;
	fsc_vec_at(&part->rs->mem, offset(part, part->want_start), &run);
	if (run < want(part))
		cut(part, part->start + (run >= FSC_PIECE_MIN ? run : FSC_CHUNK));
}

void fsc_part_cut(struct fsc_part *part)
{
	/* Without a cookie one part must do it all, and its memory is none of the pool's. */
	if (!part->rs->cookie || part->rs->prefetch)
		return;
	if (part->rs->lend)
		cut(part, part->start + part->rs->cookie->side->chunk);
	else if (part->kind == FSC_PART_CACHE)
		cut_cached(part);
	else if (part->kind == FSC_PART_DIRECT)
		cut_direct(part);
}

/* --- From the backing file -------------------------------------------------------------------- */

static void cache_read_done(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_part *part = fsc_container_of(gio, struct fsc_part, gio);
	struct fsc_cookie *cookie = part->rs->cookie;
	bool good = ret >= (int64_t)(part->want_end - part->start);

	if (good) {
		part->ret = (int64_t)want(part);
		if (part->bounce.mem)
			fsc_part_deliver(part, (uint8_t *)part->bounce.mem +
						       (part->want_start - part->start));
		fsc_stat_add(cookie->cache, FSC_STAT_CACHE_READ_BYTES, part->ret);
	} else {
		part->ret = ret < 0 ? ret : -EIO;
	}
	if (!good || !part->rs->lend)
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

	if (rs->prefetch) {
		part->ret = (int64_t)want(part);
		fsc_part_ended(part);
		return 0;
	}
	part->bounce.mem = NULL;
	if (goes_direct(part)) {
		mem = fsc_vec_whole(&rs->mem, offset(part, part->start), (size_t)padded(part));
	} else {
		ret = fsc_iobuf_get(rs->cookie->side, (size_t)padded(part), FSC_USE_BOUNCE,
				    rs->can_wait, &part->bounce);
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

/* So much of it has to be asked for; what follows is zeroes. */
static size_t to_fetch(const struct fsc_part *part)
{
	uint64_t end = fsc_min64(part->want_end, part->rs->zero_from);

	return end > part->want_start ? (size_t)(end - part->want_start) : 0;
}

/* Memory of ours for what it wants: 0, -EAGAIN, -ENOMEM. */
static int own_memory(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;
	size_t size = (size_t)want(part);
	int ret;

	if (rs->cookie && size <= FSC_CHUNK_MOST) {
		ret = fsc_iobuf_get(rs->cookie->side, size, FSC_USE_BOUNCE, rs->can_wait,
				    &part->bounce);
		part->bytes = part->bounce.mem;
		return ret;
	}
	size += FSC_GRANULE_SIZE - 1;
	part->plain = rs->can_wait ? fsc_zalloc(size) : fsc_zalloc_nowait(size);
	if (!part->plain)
		return -ENOMEM;
	part->bytes = (uint8_t *)fsc_round_up((uintptr_t)part->plain, FSC_GRANULE_SIZE);
	return 0;
}

/* Where its bytes are to come to, in part->bytes; NULL: into the client's memory piece by piece. */
static int find_memory(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;
	size_t size = (size_t)want(part);
	int ret;

	part->bytes = NULL;
	if (!rs->lend) {
		part->bytes = fsc_vec_whole(&rs->mem, offset(part, part->want_start), size);
		if (part->bytes || size > PLAIN_MAX)
			return 0;
	}
	ret = own_memory(part);
	return ret == -ENOMEM && !rs->lend ? 0 : ret;
}

/* The first @good bytes are there; if that is all of what was asked for, the zeroes too. */
static void direct_result(struct fsc_part *part, size_t good)
{
	struct fsc_read_state *rs = part->rs;
	uint64_t off = offset(part, part->want_start);
	bool all = good == to_fetch(part);
	size_t zeroes = all ? (size_t)want(part) - good : 0;

	part->ret = (int64_t)(good + zeroes);
	if (part->bytes)
		memset(part->bytes + good, 0, zeroes);
	else
		fsc_vec_zero(&rs->mem, off + good, zeroes);
	if (part->bounce.mem || part->plain)
		fsc_part_deliver(part, part->bytes);
	if (!rs->lend)
		fsc_part_release(part);
}

static void direct_done(struct fsc_fetch *fetch)
{
	struct fsc_direct *direct = fsc_container_of(fetch, struct fsc_direct, fetch);
	struct fsc_part *part = direct->part;
	struct fsc_read_state *rs = part->rs;
	unsigned long irq = fsc_spin_lock(&rs->lock);

	fsc_list_del(&direct->node);
	fsc_spin_unlock(&rs->lock, irq);
	if (fetch->error)
		part->ret = fetch->error;
	else
		direct_result(part, fetch->good);
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

/* From here on a cancellation finds it. False: it has come before. */
static bool enlist(struct fsc_read_state *rs, struct fsc_direct *direct)
{
	unsigned long irq = fsc_spin_lock(&rs->lock);
	bool yes = !fsc_read_cancelled(rs->read);

	fsc_list_init(&direct->node);
	if (yes)
		fsc_list_add_tail(&rs->directs, &direct->node);
	fsc_spin_unlock(&rs->lock, irq);
	return yes;
}

/* 0: it is under way; else why not. */
static int fetch_direct(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;
	size_t len = to_fetch(part);
	uint32_t nr = fsc_fetch_slots(len, rs->piece, FSC_DIRECT_SLOTS);
	size_t size = sizeof(struct fsc_direct) + fsc_fetch_slot_bytes(rs->read->ops, nr);
	struct fsc_direct *direct = rs->can_wait ? fsc_zalloc(size) : fsc_zalloc_nowait(size);

	if (!direct)
		return -ENOMEM;
	direct->part = part;
	direct->fetch.ops = rs->read->ops;
	direct->fetch.cookie = rs->cookie;
	direct->fetch.netfs = rs->read->netfs;
	direct->fetch.pos = part->want_start;
	direct->fetch.len = len;
	direct->fetch.piece = rs->piece;
	direct->fetch.done = direct_done;
	if (part->bytes) {
		direct->fetch.mem.buf = part->bytes;
	} else {
		direct->fetch.mem = rs->mem;
		direct->fetch.mem_off = offset(part, part->want_start);
	}
	fsc_fetch_init(&direct->fetch);
	if (!enlist(rs, direct)) {
		fsc_fetch_fini(&direct->fetch);
		fsc_free(direct);
		return -ECANCELED;
	}
	fsc_fetch_start(&direct->fetch, direct + 1, nr);
	return 0;
}

/* True: it is under way; else it has its ret. */
static bool begin_direct(struct fsc_part *part, int ret)
{
	if (part->kind != FSC_PART_ZERO)
		part->kind = FSC_PART_DIRECT;
	if (!ret && to_fetch(part)) {
		ret = fetch_direct(part);
		if (!ret)
			return true;
	}
	if (ret) {
		fsc_part_release(part);
		part->ret = ret;
	} else {
		direct_result(part, 0);
	}
	return false;
}

/* 0 or -EAGAIN */
static int start_direct(struct fsc_part *part)
{
	int ret;

	if (part->rs->prefetch) {
		/* What isn't kept needn't be fetched. */
		part->ret = part->kind == FSC_PART_ZERO ? (int64_t)want(part) : 0;
		fsc_part_ended(part);
		return 0;
	}
	ret = find_memory(part);
	if (ret == -EAGAIN)
		return ret;
	if (!begin_direct(part, ret))
		fsc_part_ended(part);
	return 0;
}

void fsc_directs_cancel(struct fsc_read_state *rs)
{
	struct fsc_direct *found;

	do {
		unsigned long irq = fsc_spin_lock(&rs->lock);
		struct fsc_list *node;

		found = NULL;
		fsc_list_for_each(node, &rs->directs) {
			struct fsc_direct *d = fsc_container_of(node, struct fsc_direct, node);
			bool told = d->told;

			d->told = true;
			if (!told && fsc_fetch_stop(&d->fetch)) {
				found = d;
				break;
			}
		}
		fsc_spin_unlock(&rs->lock, irq);
		if (found)
			fsc_fetch_cancel(&found->fetch);
	} while (found);
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
	if (ret && ret != -EAGAIN && ret != -ECANCELED)
		ret = start_direct(part);
	if (ret == -ECANCELED) {
		part->ret = ret;
		fsc_part_ended(part);
	}
	return ret != -EAGAIN;
}
