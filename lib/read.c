/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * read.c - the calls that read, and the short way through them: a read of whole granules, all
 * present, into an aligned buffer is one transfer embedded in the client's struct fsc_read. It
 * takes no memory, no lock that other objects share, and its completion calls read_done.
 *
 * Everything else, and whatever goes wrong on the short way, takes the long one (request.c).
 *
 * A read ends when everybody has left its door: the library, and who is cancelling it. So a
 * cancellation may come at any time without a lock that reads would pay for.
 */
#include "read.h"

_Static_assert(sizeof(struct fsc_read_priv) <= sizeof(((struct fsc_read *)0)->priv.opaque),
	       "fsc_read.priv.opaque is too small");

/* --- Sleepers --------------------------------------------------------------------------------- */

void fsc_sleeper_init(struct fsc_sleeper *s)
{
	fsc_spin_init(&s->lock, "sleeper");
	fsc_waitq_init(&s->q);
	s->woken = false;
}

void fsc_sleeper_fini(struct fsc_sleeper *s)
{
	fsc_waitq_destroy(&s->q);
	fsc_spin_destroy(&s->lock);
}

void fsc_sleeper_wake(struct fsc_sleeper *s)
{
	unsigned long irq = fsc_spin_lock(&s->lock);

	s->woken = true;
	fsc_waitq_wake_all(&s->q);
	fsc_spin_unlock(&s->lock, irq);
}

static bool is_woken(void *arg)
{
	struct fsc_sleeper *s = arg;
	unsigned long irq = fsc_spin_lock(&s->lock);
	bool woken = s->woken;

	fsc_spin_unlock(&s->lock, irq);
	return woken;
}

void fsc_sleeper_sleep(struct fsc_sleeper *s)
{
	unsigned long irq;

	fsc_waitq_wait(&s->q, is_woken, s);
	/* Who woke us has let go of it when we get the lock. */
	irq = fsc_spin_lock(&s->lock);
	s->woken = false;
	fsc_spin_unlock(&s->lock, irq);
}

/* --- Begin and end ---------------------------------------------------------------------------- */

static void begin(struct fsc_read *read, struct fsc_sleeper *sleeper)
{
	struct fsc_read_priv *p = fsc_read_priv(read);

	p->cancelled = 0;
	p->is_long = 0;
	p->is_ahead = false;
	p->distrust = false;
	p->sleeper = sleeper;
	fsc_ref_init(&p->door);
}

/* Everybody has left. */
static void over(struct fsc_read *read)
{
	struct fsc_read_priv *p = fsc_read_priv(read);
	struct fsc_read_state *rs = p->is_long ? read->priv.state : NULL;
	bool is_ahead = p->is_ahead;

	if (rs)
		fsc_request_free(rs);
	if (is_ahead)
		return; /* it went with its state */
	if (p->sleeper)
		fsc_sleeper_wake(p->sleeper);
	else
		read->ops->read_done(read, p->ret);
}

void fsc_read_finish(struct fsc_read *read, int64_t ret)
{
	struct fsc_read_priv *p = fsc_read_priv(read);

	p->ret = ret;
	if (fsc_ref_put(&p->door))
		over(read);
}

/* In the thread that waits: when this returns nobody else knows of @read any more. */
static int64_t finish_wait(struct fsc_read *read, int64_t ret)
{
	struct fsc_read_priv *p = fsc_read_priv(read);

	if (!fsc_ref_put(&p->door))
		fsc_sleeper_sleep(p->sleeper);
	else if (p->is_long)
		fsc_request_free(read->priv.state);
	return ret;
}

void fsc_read_cancel(struct fsc_read *read)
{
	struct fsc_read_priv *p = fsc_read_priv(read);

	fsc_store_release(&p->cancelled, 1);
	if (!fsc_ref_get_unless_zero(&p->door))
		return; /* it is ending */
	/* Of this and the same in request.c one comes second, and sees what the other has set. */
	fsc_ref_get(&p->door);
	fsc_ref_put(&p->door);
	if (fsc_load_acquire(&p->is_long))
		fsc_request_cancel(read->priv.state);
	if (fsc_ref_put(&p->door))
		over(read);
}

void fsc_read_return(struct fsc_read *read)
{
	struct fsc_read_state *rs = read->priv.state;

	FSC_ASSERT(read->lent && rs && rs->read == read);
	read->lent = NULL;
	read->nr_lent = 0;
	read->priv.state = NULL;
	fsc_request_return(rs);
}

/* --- The short way ---------------------------------------------------------------------------- */

/* True: @p is ready to be read, with a pin on its generation. What a read fills in itself is left as
 * it is. */
static bool quick_prepare(struct fsc_read *read, struct fsc_read_priv *p)
{
	struct fsc_cookie *cookie = read->cookie;
	uint64_t want = fsc_read_end(read) - read->pos;
	uint64_t len = fsc_round_up(want, FSC_GRANULE_SIZE);
	struct fsc_gio *gio = &p->gio;

	if ((read->pos & (FSC_GRANULE_SIZE - 1)) || len > read->len || !read->buf ||
	    (read->flags | read->zero_tail) || ((uintptr_t)read->buf & cookie->mem_mask))
		return false;
	gio->gen = fsc_cookie_gen(cookie, read->file_size);
	if (!gio->gen)
		return false;
	gio->pos = read->pos;
	gio->buf.mem = read->buf;
	gio->buf.off = 0;
	gio->buf.len = (size_t)len;
	gio->buf.kind = FSC_BUF_MEM;
	p->want = (size_t)want;
	return true;
}

/* True: it was a good read. */
static bool quick_result(struct fsc_read *read, struct fsc_read_priv *p, int64_t ret)
{
	bool good = ret >= (int64_t)p->want;

	if (good && read->pattern)
		fsc_ahead_note(read, p->gio.gen, false);
	fsc_gen_put(p->gio.gen);
	if (!good)
		return false;
	if (read->ops->is_still_valid && !read->ops->is_still_valid(read)) {
		p->distrust = true;
		return false;
	}
	fsc_stat_add(read->cookie->cache, FSC_STAT_CACHE_READ_BYTES, (int64_t)p->want);
	return true;
}

static void quick_done(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_read_priv *p = fsc_container_of(gio, struct fsc_read_priv, gio);
	struct fsc_read *read = fsc_container_of(p, struct fsc_read, priv.opaque);

	if (!quick_result(read, p, ret)) {
		fsc_request_start(read);
		return;
	}
	ret = (int64_t)p->want;
	p->ret = ret;
	if (fsc_ref_put(&p->door))
		read->ops->read_done(read, ret);
}

void fsc_read_start(struct fsc_read *read)
{
	struct fsc_read_priv *p = fsc_read_priv(read);

	FSC_ASSERT(read->ops && read->ops->read_done);
	begin(read, NULL);
	if (read->len == 0 || read->pos >= read->file_size) {
		fsc_read_finish(read, 0);
	} else if (read->cookie && quick_prepare(read, p)) {
		p->gio.flags = 0;
		p->gio.done = quick_done;
		fsc_gen_read(&p->gio);
	} else {
		fsc_request_start(read);
	}
}

/* --- The same for a thread that waits --------------------------------------------------------- */

static void quick_wait_done(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_read_priv *p = fsc_container_of(gio, struct fsc_read_priv, gio);
	struct fsc_sleeper *sleeper = p->sleeper;

	p->ret = ret;
	if (fsc_ref_put(&p->turn))
		fsc_sleeper_wake(sleeper);
}

/* Most often the backend reads in this thread, and it is done when the call returns. */
static int64_t quick_wait(struct fsc_read_priv *p)
{
	fsc_ref_init(&p->turn);
	fsc_ref_get(&p->turn);
	p->gio.flags = FSC_IO_MAY_BLOCK;
	p->gio.done = quick_wait_done;
	fsc_gen_read(&p->gio);
	if (!fsc_ref_put(&p->turn))
		fsc_sleeper_sleep(p->sleeper);
	return p->ret;
}

int64_t fsc_read_wait(struct fsc_read *read)
{
	struct fsc_read_priv *p = fsc_read_priv(read);
	struct fsc_sleeper sleeper;
	int64_t ret;

	FSC_ASSERT(read->ops);
	if (read->len == 0 || read->pos >= read->file_size)
		return 0;
	fsc_sleeper_init(&sleeper);
	begin(read, &sleeper);
	if (read->cookie && quick_prepare(read, p) && quick_result(read, p, quick_wait(p)))
		ret = (int64_t)p->want;
	else
		ret = fsc_request_wait(read);
	ret = finish_wait(read, ret);
	fsc_sleeper_fini(&sleeper);
	return ret;
}
