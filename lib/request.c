/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * request.c - a read the long way: from its look-up, through rounds of parts (collect.c), to its
 * end, which may be asked for before.
 *
 * A request is worked on by one thread at a time: who started a round, or who ended its last part.
 * Next rounds are started by a work item (or by the thread that waits), never by a completion: so
 * completions don't nest, however many come while a round is being started, and what allocates
 * runs where it may sleep. Without a cookie there are no work items, and one round does it all.
 *
 * Who cancels is another thread. It sets the flag and then goes where the request may be waiting,
 * each place under that place's lock; whatever is begun later is begun under the same locks, and
 * sees the flag.
 */
#include "read.h"

static void request_work(struct fsc_work *work);

size_t fsc_read_piece(struct fsc_read *read)
{
	size_t max = read->ops->read_max ? read->ops->read_max(read) : SIZE_MAX;

	return max ? max : 1;
}

static void looker_init(struct fsc_read_state *rs, struct fsc_looker *looker)
{
	looker->resume = &rs->work;
	looker->stop = &fsc_read_priv(rs->read)->cancelled;
	fsc_list_init(&looker->node);
}

static void fill_in(struct fsc_read_state *rs, struct fsc_read *read)
{
	rs->read = read;
	rs->cookie = read->cookie;
	rs->prefetch = (read->flags & FSC_READ_PREFETCH) != 0;
	rs->lend = (read->flags & FSC_READ_LEND) && !rs->prefetch;
	rs->mem.buf = read->buf;
	rs->mem.iov = read->iov;
	rs->mem.nr = read->nr_iov;
	rs->end = fsc_read_end(read);
	rs->zero_from = fsc_read_zero_from(read);
	if (read->zero_tail && read->cookie)
		rs->version = fsc_cookie_version(read->cookie);
	rs->next = read->pos;
	rs->short_at = rs->end;
	rs->cache_from = rs->end;
}

/* From here on it may be cancelled. */
static void publish(struct fsc_read_state *rs)
{
	struct fsc_read_priv *p = fsc_read_priv(rs->read);

	rs->read->priv.state = rs;
	fsc_store_release(&p->is_long, 1);
	fsc_ref_get(&p->door); /* see fsc_read_cancel() */
	fsc_ref_put(&p->door);
}

static struct fsc_read_state *request_new(struct fsc_read *read, bool can_wait)
{
	struct fsc_read_state *rs;

	rs = can_wait ? fsc_zalloc(sizeof(*rs)) : fsc_zalloc_nowait(sizeof(*rs));
	if (!rs)
		return NULL;
	fill_in(rs, read);
	rs->can_wait = can_wait;
	rs->tail = &rs->parts;
	rs->held_tail = &rs->held;
	looker_init(rs, &rs->looker);
	looker_init(rs, &rs->hungry);
	fsc_work_init(&rs->work, request_work);
	fsc_spin_init(&rs->lock, "read");
	fsc_list_init(&rs->directs);
	if (rs->cookie)
		fsc_cookie_pin(rs->cookie);
	return rs;
}

/* Nothing asked for that we don't know, and enough given to put the bytes in? */
static bool is_valid(const struct fsc_read_state *rs)
{
	uint32_t flags = rs->read->flags;

	if (flags & ~(FSC_READ_LEND | FSC_READ_PREFETCH) ||
	    flags == (FSC_READ_LEND | FSC_READ_PREFETCH))
		return false;
	return rs->lend || rs->prefetch ||
	       fsc_vec_holds(&rs->mem, (size_t)(rs->end - rs->read->pos));
}

/* Before anything is asked of the server: what is downloaded is as new as this, or newer. */
static void sample(struct fsc_read_state *rs)
{
	struct fsc_read *read = rs->read;

	rs->sampled = true;
	if (rs->cookie)
		rs->gen = fsc_cookie_gen(rs->cookie, read->file_size);
	if (rs->gen)
		rs->change = fsc_gen_change(rs->gen);
	/* The zeroes are known as of when the read began, which may have been before an
	 * invalidation: then they are for its reader alone, neither stored nor shared. */
	if (rs->gen && read->zero_tail && fsc_cookie_version(rs->cookie) != rs->version) {
		fsc_gen_put(rs->gen);
		rs->gen = NULL;
	}
	rs->cached = rs->gen && !fsc_read_priv(read)->distrust;
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void ahead_free(struct fsc_read *read)
{
	if (read->ops->release)
		read->ops->release(read->netfs);
	fsc_free(read);
}

void fsc_request_return(struct fsc_read_state *rs)
{
	struct fsc_cookie *cookie = rs->cookie;

	fsc_lent_drop(rs, 0, UINT64_MAX);
	if (rs->lent != rs->own_lent)
		fsc_free(rs->lent);
	fsc_gen_put(rs->gen);
	fsc_spin_destroy(&rs->lock);
	if (rs->ahead)
		ahead_free(rs->read);
	fsc_free(rs);
	if (cookie)
		fsc_cookie_unpin(cookie);
}

void fsc_request_free(struct fsc_read_state *rs)
{
	if (!rs->lent)
		fsc_request_return(rs);
}

static int64_t result(struct fsc_read_state *rs)
{
	int64_t ret = (int64_t)(rs->short_at - rs->read->pos);
	int err = rs->error;

	if (!err && rs->lend && ret)
		err = fsc_lent_finish(rs);
	return err ? err : ret;
}

static void request_end(struct fsc_read_state *rs)
{
	fsc_read_finish(rs->read, result(rs));
}

/* --- Rounds ----------------------------------------------------------------------------------- */

/* True: buffers are all in use, and rs->work is queued when some are given back. */
static bool waits_for_buffers(struct fsc_read_state *rs)
{
	return rs->starved && fsc_iobuf_wait(rs->cookie->side, &rs->hungry);
}

/* Until parts are under way that somebody else ends, or the request is over. */
static void request_run(struct fsc_read_state *rs)
{
	do {
		fsc_ref_init(&rs->left); /* ours: no part is the last while we start them */
		fsc_collect_start(rs);
		if (!fsc_ref_put(&rs->left))
			return;
		if (fsc_collect(rs)) {
			request_end(rs);
			return;
		}
		if (waits_for_buffers(rs))
			return;
	} while (rs->can_wait || !rs->must_wait);
	fsc_work_queue(rs->cookie->wq, &rs->work, 0);
}

static void request_work(struct fsc_work *work)
{
	struct fsc_read_state *rs = fsc_container_of(work, struct fsc_read_state, work);

	if (rs->sleeper) {
		fsc_sleeper_wake(rs->sleeper);
		return;
	}
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
	else if (fsc_collect(rs))
		request_end(rs);
	else
		fsc_work_queue(rs->cookie->wq, &rs->work, 0);
}

void fsc_request_start(struct fsc_read *read)
{
	struct fsc_read_state *rs = request_new(read, false);

	if (!rs) {
		fsc_read_finish(read, -ENOMEM);
		return;
	}
	publish(rs);
	if (!is_valid(rs)) {
		fsc_read_finish(read, -EINVAL);
		return;
	}
	rs->piece = fsc_read_piece(read);
	if (rs->cookie && fsc_cookie_look(rs->cookie, &rs->looker))
		return;
	sample(rs);
	request_run(rs);
}

int64_t fsc_request_wait(struct fsc_read *read)
{
	struct fsc_read_state *rs = request_new(read, true);

	if (!rs)
		return -ENOMEM;
	publish(rs);
	if (!is_valid(rs))
		return -EINVAL;
	rs->piece = fsc_read_piece(read);
	rs->sleeper = fsc_read_priv(read)->sleeper;
	if (rs->cookie)
		fsc_cookie_look_wait(rs->cookie);
	sample(rs);
	do {
		fsc_ref_init(&rs->left);
		fsc_collect_start(rs);
		if (!fsc_ref_put(&rs->left))
			fsc_sleeper_sleep(rs->sleeper);
		if (fsc_collect(rs))
			break;
		if (waits_for_buffers(rs))
			fsc_sleeper_sleep(rs->sleeper);
	} while (true);
	return result(rs);
}

void fsc_request_ahead(struct fsc_read *read, uint64_t from, uint64_t to)
{
	struct fsc_read *mine = fsc_zalloc_nowait(sizeof(*mine));
	struct fsc_read_state *rs;

	if (!mine)
		return;
	mine->cookie = read->cookie;
	mine->ops = read->ops;
	mine->netfs = read->netfs;
	mine->file_size = read->file_size;
	mine->zero_tail = read->zero_tail;
	mine->pos = from;
	mine->len = (size_t)(to - from);
	mine->flags = FSC_READ_PREFETCH;
	fsc_read_priv(mine)->is_ahead = true;
	fsc_ref_init(&fsc_read_priv(mine)->door);
	rs = request_new(mine, false);
	if (!rs) {
		fsc_free(mine);
		return;
	}
	if (mine->ops->hold)
		mine->ops->hold(mine->netfs);
	rs->ahead = true;
	if (mine->zero_tail && fsc_read_priv(read)->is_long)
		rs->version = read->priv.state->version; /* when that one began */
	rs->piece = fsc_read_piece(read); /* which knows the client's read, but not this one */
	publish(rs);
	fsc_work_queue(rs->cookie->wq, &rs->work, 0);
}

/* --- An end before its end -------------------------------------------------------------------- */

void fsc_request_cancel(struct fsc_read_state *rs)
{
	if (rs->cookie) {
		fsc_cookie_look_stop(rs->cookie, &rs->looker);
		fsc_iobuf_unwait(rs->cookie->side, &rs->hungry);
		fsc_downloads_leave(rs);
	}
	fsc_directs_cancel(rs);
}
