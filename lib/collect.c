/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * collect.c - a read request, the long way: cut it into parts, start them side by side, and see
 * what came of them.
 *
 * A request goes in rounds of at most FSC_PARTS_MAX parts. Nobody looks at a part before all parts
 * of its round have ended: then whoever ended the last one, or the starter if all ended while it
 * was starting them, holds the request alone and needs no lock. Next rounds are started by a work
 * item (or by the thread that waits), never by a completion: so completions don't nest, however
 * many come while a round is being started, and what allocates runs where it may sleep.
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

static void part_free(struct fsc_part *part)
{
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
		.cached = rs->cached,
		.max_cache = FSC_CACHE_READ_MAX,
		.max_server = rs->cached ? FSC_CHUNK : UINT64_MAX,
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

	if (!part)
		return false; /* those that are under way give their memory back */
	slice(rs, part);
	if (part->kind == FSC_PART_CACHE)
		fsc_part_cut(part);
	/* A thread that waits reads the backing file itself, while the server is busy with the
	 * rest. */
	part->later = rs->sleeper && part->kind == FSC_PART_CACHE;
	if (!part->later && !start(rs, part)) {
		part_free(part);
		return false;
	}
	rs->next = part->want_end;
	part_append(rs, part);
	return !fsc_part_bounces(part) || ++rs->bounces < FSC_BOUNCES_MAX;
}

static void start_round(struct fsc_read_state *rs)
{
	struct fsc_part *part;
	uint32_t nr = 0;

	rs->must_wait = false;
	rs->bounces = 0;
	for (part = rs->parts; part; part = part->next, nr++) {
		if (!start(rs, part))
			part->again = true;
	}
	while (nr++ < FSC_PARTS_MAX && rs->next < rs->end && start_next(rs))
		;
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
	return true;
}

/* True: the request is over. Parts stand in the order of the file, but for those that come again,
 * so the first error is that of the lowest position. */
static bool collect(struct fsc_read_state *rs)
{
	struct fsc_part *part, *next;

	for (part = parts_take(rs); part; part = next) {
		next = part->next;
		if (part_result(rs, part))
			part_free(part);
		else
			part_append(rs, part);
	}
	for (part = parts_take(rs); part; part = next) {
		next = part->next;
		if (rs->error || part->want_start >= rs->short_at)
			part_free(part);
		else
			part_append(rs, part);
	}
	return rs->error || (!rs->parts && rs->next >= fsc_min64(rs->end, rs->short_at));
}

/* --- The request ------------------------------------------------------------------------------ */

static void request_work(struct fsc_work *work);

size_t fsc_read_piece(struct fsc_read *read)
{
	size_t max = read->ops->read_max ? read->ops->read_max(read) : SIZE_MAX;

	return max ? max : 1;
}

static struct fsc_read_state *request_new(struct fsc_read *read, bool can_wait)
{
	struct fsc_read_state *rs;

	rs = can_wait ? fsc_zalloc(sizeof(*rs)) : fsc_zalloc_nowait(sizeof(*rs));
	if (!rs)
		return NULL;
	rs->read = read;
	rs->cookie = read->cookie;
	rs->end = fsc_read_end(read);
	rs->next = read->pos;
	rs->short_at = rs->end;
	rs->can_wait = can_wait;
	rs->tail = &rs->parts;
	rs->piece = fsc_read_piece(read);
	rs->looker.resume = &rs->work;
	fsc_list_init(&rs->looker.node);
	fsc_work_init(&rs->work, request_work);
	if (rs->cookie)
		fsc_cookie_pin(rs->cookie);
	return rs;
}

/* Before anything is asked of the server: what is downloaded is as new as this, or newer. */
static void sample(struct fsc_read_state *rs)
{
	rs->sampled = true;
	if (rs->cookie)
		rs->gen = fsc_cookie_gen(rs->cookie, rs->read->file_size);
	if (rs->gen)
		rs->change = fsc_gen_change(rs->gen);
	rs->cached = rs->gen != NULL;
}

static int64_t request_free(struct fsc_read_state *rs)
{
	int64_t ret = rs->error ? rs->error : (int64_t)(rs->short_at - rs->read->pos);
	struct fsc_cookie *cookie = rs->cookie;

	fsc_gen_put(rs->gen);
	fsc_free(rs);
	if (cookie)
		fsc_cookie_unpin(cookie);
	return ret;
}

static void request_end(struct fsc_read_state *rs)
{
	struct fsc_read *read = rs->read;

	read->ops->read_done(read, request_free(rs));
}

/* Until parts are under way that somebody else ends, or the request is over. */
static void request_run(struct fsc_read_state *rs)
{
	do {
		fsc_ref_init(&rs->left); /* ours: no part is the last while we start them */
		start_round(rs);
		if (!fsc_ref_put(&rs->left))
			return;
		if (collect(rs)) {
			request_end(rs);
			return;
		}
	} while (rs->can_wait || !rs->must_wait);
	fsc_work_queue(rs->cookie->wq, &rs->work, 0);
}

static void request_work(struct fsc_work *work)
{
	struct fsc_read_state *rs = fsc_container_of(work, struct fsc_read_state, work);

	rs->can_wait = true;
	if (!rs->sampled)
		sample(rs);
	request_run(rs);
}

void fsc_part_ended(struct fsc_part *part)
{
	struct fsc_read_state *rs = part->rs;

	if (!fsc_ref_put(&rs->left))
		return;
	if (rs->sleeper)
		fsc_sleeper_wake(rs->sleeper);
	else if (collect(rs))
		request_end(rs);
	else
		fsc_work_queue(rs->cookie->wq, &rs->work, 0);
}

void fsc_request_start(struct fsc_read *read)
{
	struct fsc_read_state *rs = request_new(read, false);

	if (!rs) {
		read->ops->read_done(read, -ENOMEM);
		return;
	}
	if (rs->cookie && fsc_cookie_look(rs->cookie, &rs->looker))
		return;
	sample(rs);
	request_run(rs);
}

int64_t fsc_request_wait(struct fsc_read *read)
{
	struct fsc_read_state *rs = request_new(read, true);
	struct fsc_sleeper sleeper;

	if (!rs)
		return -ENOMEM;
	if (rs->cookie)
		fsc_cookie_look_wait(rs->cookie);
	sample(rs);
	fsc_sleeper_init(&sleeper);
	rs->sleeper = &sleeper;
	do {
		fsc_ref_init(&rs->left);
		start_round(rs);
		if (!fsc_ref_put(&rs->left))
			fsc_sleeper_sleep(&sleeper);
	} while (!collect(rs));
	fsc_sleeper_fini(&sleeper);
	return request_free(rs);
}
