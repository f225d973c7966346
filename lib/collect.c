/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * collect.c - a round of a request: cut what is left of it into parts, start them side by side, and
 * see what came of them.
 *
 * A request goes in rounds of at most FSC_PARTS_MAX parts. Nobody looks at a part before all parts
 * of its round have ended: then whoever ended the last one, or the starter if all ended while it
 * was starting them, holds the request alone and needs no lock.
 */
#include "read.h"
#include "slice.h"

static struct fsc_part *part_new(struct fsc_read_state *rs)
{
	struct fsc_part *part = &rs->own;

	if (rs->own_used) {
		part = rs->can_wait ? fsc_zalloc(sizeof(*part)) : fsc_zalloc_nowait(sizeof(*part));
		if (!part)
			return NULL;
	} else {
		memset(part, 0, sizeof(*part));
		rs->own_used = true;
	}
	part->rs = rs;
	fsc_list_init(&part->waiter);
	return part;
}

void fsc_part_free(struct fsc_part *part)
{
	fsc_part_release(part);
	if (part == &part->rs->own)
		part->rs->own_used = false;
	else
		fsc_free(part);
}

static void part_append(struct fsc_read_state *rs, struct fsc_part *part)
{
	part->next = NULL;
	*rs->tail = part;
	rs->tail = &part->next;
}

static struct fsc_part *parts_take(struct fsc_read_state *rs)
{
	struct fsc_part *parts = rs->parts;

	rs->parts = NULL;
	rs->tail = &rs->parts;
	return parts;
}

/* --- A round ---------------------------------------------------------------------------------- */

static bool gen_run(void *arg, uint64_t pos, uint64_t end, uint64_t *run_end)
{
	return fsc_gen_run(arg, pos, end, run_end);
}

static void slice(struct fsc_read_state *rs, struct fsc_part *part)
{
	struct fsc_slice_in in = {
		.pos = rs->next,
		.end = rs->end,
		.file_size = rs->read->file_size,
		/* Uncached, the same server read fills them in. */
		.zero_from = rs->cached ? rs->zero_from : rs->read->file_size,
		.cached = rs->cached,
		.max_cache = FSC_CACHE_READ_MAX,
		.max_server = rs->cached ? rs->cookie->side->chunk : UINT64_MAX,
		.present = gen_run,
		.arg = rs->gen,
	};
	struct fsc_slice out;

	fsc_slice_next(&in, &out);
	part->start = out.start;
	part->end = out.end;
	part->want_start = out.want_start;
	part->want_end = out.want_end;
	if (out.source == FSC_FROM_CACHE)
		part->kind = FSC_PART_CACHE;
	else if (out.source == FSC_ZERO_FILL)
		part->kind = FSC_PART_ZERO;
	else
		part->kind = rs->cached ? FSC_PART_DOWNLOAD : FSC_PART_DIRECT;
}

static bool start(struct fsc_read_state *rs, struct fsc_part *part)
{
	fsc_ref_get(&rs->left);
	if (fsc_part_start(part))
		return true;
	fsc_ref_put(&rs->left);
	rs->must_wait = true;
	return false;
}

/* False: no more in this round. */
static bool start_next(struct fsc_read_state *rs)
{
	struct fsc_part *part = part_new(rs);

	if (!part) {
		/* Those that are under way give their memory back, or somebody else does. */
		rs->must_wait = true;
		if (rs->can_wait && !rs->parts)
			rs->error = -ENOMEM;
		return false;
	}
	slice(rs, part);
	fsc_part_cut(part);
	/* A thread that waits reads the backing file itself, while the server is busy with the
	 * rest. */
	part->later = rs->sleeper && part->kind == FSC_PART_CACHE && !rs->prefetch;
	if (!part->later && !start(rs, part)) {
		fsc_part_free(part);
		return false;
	}
	rs->next = part->want_end;
	part_append(rs, part);
	return !fsc_part_bounces(part) || ++rs->bounces < FSC_BOUNCES_MAX;
}

/* Once its own downloads are under way: what is read ahead must not come before them. */
static void note(struct fsc_read_state *rs)
{
	if (rs->noted || rs->must_wait || !rs->read->pattern || rs->prefetch)
		return;
	rs->noted = true;
	if (rs->cached)
		fsc_ahead_note(rs->read, rs->gen, rs->missed);
}

void fsc_collect_start(struct fsc_read_state *rs)
{
	struct fsc_part *part;
	uint32_t nr = 0;

	rs->must_wait = false;
	rs->starved = false;
	rs->bounces = 0;
	for (part = rs->parts; part; part = part->next, nr++) {
		if (!start(rs, part))
			part->again = true;
	}
	while (nr++ < FSC_PARTS_MAX && rs->next < rs->end && !fsc_read_cancelled(rs->read) &&
	       start_next(rs))
		;
	note(rs);
	for (part = rs->parts; part; part = part->next) {
		if (part->later && !start(rs, part))
			part->again = true;
		part->later = false;
	}
}

/* --- Its result ------------------------------------------------------------------------------- */

/* True: the part is done with. */
static bool part_result(struct fsc_read_state *rs, struct fsc_part *part)
{
	int64_t want = (int64_t)(part->want_end - part->want_start);

	if (part->kind == FSC_PART_CACHE && !part->again && part->ret < want) {
		/* Whatever it was: the bytes are to be had from the server. */
		part->again = true;
		part->kind = FSC_PART_DIRECT;
		rs->cached = false;
	}
	if (part->again) {
		part->second = true;
		return false;
	}
	if (part->ret < 0 && !rs->error)
		rs->error = (int)part->ret;
	else if (part->ret >= 0 && part->ret < want)
		rs->short_at = fsc_min64(rs->short_at, part->want_start + (uint64_t)part->ret);
	if (part->kind == FSC_PART_CACHE && !rs->prefetch) {
		rs->cache_from = fsc_min64(rs->cache_from, part->want_start);
		rs->cache_to = fsc_max64(rs->cache_to, part->want_end);
	}
	return true;
}

static void part_over(struct fsc_read_state *rs, struct fsc_part *part)
{
	if (rs->lend && part->ret > 0)
		fsc_lent_add(rs, part);
	else
		fsc_part_free(part);
}

static bool is_trusted(struct fsc_read_state *rs)
{
	const struct fsc_netfs_ops *ops = rs->read->ops;

	return rs->cache_from >= rs->cache_to || !ops->is_still_valid ||
	       ops->is_still_valid(rs->read);
}

/* What the cache gave is not to be handed out: all between its first byte and its last again. */
static void read_again(struct fsc_read_state *rs)
{
	rs->cached = false;
	rs->next = rs->cache_from;
	rs->end = fsc_min64(rs->cache_to, rs->short_at);
	fsc_lent_drop(rs, rs->cache_from, rs->cache_to);
	rs->cache_to = 0;
}

static bool is_whole(const struct fsc_read_state *rs)
{
	return !rs->parts && rs->next >= fsc_min64(rs->end, rs->short_at);
}

/* Parts stand in the order of the file, but for those that come again, so the first error is that
 * of the lowest position. */
static void take_results(struct fsc_read_state *rs)
{
	struct fsc_part *part, *next;

	for (part = parts_take(rs); part; part = next) {
		next = part->next;
		if (part_result(rs, part))
			part_over(rs, part);
		else
			part_append(rs, part);
	}
}

/* Of the parts that come again, those for which there is no use any more. */
static void drop_parts(struct fsc_read_state *rs)
{
	struct fsc_part *part, *next;

	for (part = parts_take(rs); part; part = next) {
		next = part->next;
		if (rs->error || part->want_start >= rs->short_at)
			fsc_part_free(part);
		else
			part_append(rs, part);
	}
}

bool fsc_collect(struct fsc_read_state *rs)
{
	take_results(rs);
	drop_parts(rs);
	if (!rs->error && is_whole(rs) && !is_trusted(rs))
		read_again(rs);
	if (!rs->error && !is_whole(rs) && fsc_read_cancelled(rs->read)) {
		rs->error = -ECANCELED;
		drop_parts(rs);
	}
	return rs->error || is_whole(rs);
}
