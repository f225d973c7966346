/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * read.c - the calls that read, and the short way through them: a read of whole granules, all
 * present, into an aligned buffer is one transfer embedded in the client's struct fsc_read. It
 * takes no memory, no lock that other objects share, and its completion calls read_done.
 *
 * Everything else, and whatever goes wrong on the short way, takes the long one (collect.c).
 */
#include "read.h"

struct quick {
	struct fsc_gio gio;
	struct fsc_read *read;
	size_t want;
	/* fsc_read_wait(): */
	struct fsc_sleeper *sleeper;
	struct fsc_ref turn; /* who comes second, the completion or the thread that waits */
	int64_t ret;
};

_Static_assert(sizeof(struct quick) <= sizeof(((struct fsc_read *)0)->priv.opaque),
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

/* --- The short way ---------------------------------------------------------------------------- */

static struct quick *quick_of(struct fsc_read *read)
{
	return (struct quick *)(void *)read->priv.opaque;
}

/* True: @q is ready to be read, with a pin on its generation. */
static bool quick_prepare(struct fsc_read *read, struct quick *q)
{
	struct fsc_cookie *cookie = read->cookie;
	uint64_t want = fsc_read_end(read) - read->pos;
	uint64_t len = fsc_round_up(want, FSC_GRANULE_SIZE);
	struct fsc_gio *gio = &q->gio;

	if ((read->pos & (FSC_GRANULE_SIZE - 1)) || len > read->len ||
	    ((uintptr_t)read->buf & cookie->mem_mask))
		return false;
	gio->gen = fsc_cookie_gen(cookie, read->file_size);
	if (!gio->gen)
		return false;
	gio->pos = read->pos;
	gio->buf.mem = read->buf;
	gio->buf.off = 0;
	gio->buf.len = (size_t)len;
	gio->buf.kind = FSC_BUF_MEM;
	gio->change = 0;
	memset(&gio->range, 0, sizeof(gio->range));
	q->read = read;
	q->want = (size_t)want;
	return true;
}

/* True: it was a good read. */
static bool quick_result(struct quick *q, int64_t ret)
{
	fsc_gen_put(q->gio.gen);
	if (ret < (int64_t)q->want)
		return false;
	fsc_stat_add(q->read->cookie->cache, FSC_STAT_CACHE_READ_BYTES, (int64_t)q->want);
	return true;
}

static void quick_done(struct fsc_gio *gio, int64_t ret)
{
	struct quick *q = fsc_container_of(gio, struct quick, gio);
	struct fsc_read *read = q->read;
	int64_t want = (int64_t)q->want;

	if (quick_result(q, ret))
		read->ops->read_done(read, want);
	else
		fsc_request_start(read);
}

void fsc_read_start(struct fsc_read *read)
{
	struct quick *q = quick_of(read);

	if (read->len == 0 || read->pos >= read->file_size) {
		read->ops->read_done(read, 0);
	} else if (read->cookie && quick_prepare(read, q)) {
		q->gio.flags = 0;
		q->gio.done = quick_done;
		fsc_gen_read(&q->gio);
	} else {
		fsc_request_start(read);
	}
}

/* --- The same for a thread that waits --------------------------------------------------------- */

static void quick_wait_done(struct fsc_gio *gio, int64_t ret)
{
	struct quick *q = fsc_container_of(gio, struct quick, gio);
	struct fsc_sleeper *sleeper = q->sleeper;

	q->ret = ret;
	if (fsc_ref_put(&q->turn))
		fsc_sleeper_wake(sleeper);
}

/* Most often the backend reads in this thread, and it is done when the call returns. */
static int64_t quick_wait(struct quick *q)
{
	struct fsc_sleeper sleeper;

	fsc_sleeper_init(&sleeper);
	q->sleeper = &sleeper;
	fsc_ref_init(&q->turn);
	fsc_ref_get(&q->turn);
	q->gio.flags = FSC_IO_MAY_BLOCK;
	q->gio.done = quick_wait_done;
	fsc_gen_read(&q->gio);
	if (!fsc_ref_put(&q->turn))
		fsc_sleeper_sleep(&sleeper);
	fsc_sleeper_fini(&sleeper);
	return q->ret;
}

int64_t fsc_read_wait(struct fsc_read *read)
{
	struct quick *q = quick_of(read);

	if (read->len == 0 || read->pos >= read->file_size)
		return 0;
	if (read->cookie && quick_prepare(read, q) && quick_result(q, quick_wait(q)))
		return (int64_t)q->want;
	return fsc_request_wait(read);
}
