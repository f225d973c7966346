// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * reads_how.c - the ways in which a client at cookie level may read: into memory in pieces, lent,
 * into the cache alone, with readahead, of a file that ends in zeroes, cancelled, with a doubt
 * about what is cached.
 *
 * What is lent is held for a while, and must be the same when it is given back.
 */
#include "reader.h"
#include "world.h"

static bool chance(const struct play *p, uint32_t of_helper, uint32_t of_mixed)
{
	uint32_t flags = p->world->plan->profile->flags;

	return sim_chance(flags & PROFILE_HELPER ? of_helper : flags & PROFILE_READS ? of_mixed : 0);
}

/* --- Beforehand ------------------------------------------------------------------------------- */

/* The same memory in pieces. */
static void split(struct request *r)
{
	uint8_t *at = r->read.buf;
	size_t left = r->read.len;
	uint32_t nr = 0;

	while (left) {
		size_t n = 1 + sim_random((uint32_t)left);

		if (sim_chance(2) && n > PAGE)
			n -= n % PAGE;
		n = nr == IOVECS - 1 ? left : n;
		r->iov[nr++] = (struct fsc_iovec){ at, n };
		at += n;
		left -= n;
	}
	r->read.buf = NULL;
	r->read.iov = r->iov;
	r->read.nr_iov = nr;
}

/* So many bytes at the end of the file, as it is now, are zeroes, and the client knows it. */
static uint64_t zero_tail(const struct file *f)
{
	static uint8_t bytes[16 * PLAY_GRANULE];
	uint64_t size = file_size(f, f->version);
	uint64_t n = size < sizeof(bytes) ? size : sizeof(bytes), zeroes = 0;

	file_bytes(f, f->version, size - n, bytes, (size_t)n);
	while (zeroes < n && !bytes[n - 1 - zeroes])
		zeroes++;
	return zeroes;
}

void how_prepare(struct request *r, struct handle *h)
{
	struct play *p = r->client->play;

	r->cancelled = false;
	r->read.pattern = chance(p, 2, 8) ? &h->pattern : NULL;
	if (chance(p, 3, 12))
		r->read.flags = FSC_READ_LEND;
	else if (chance(p, 8, 30))
		r->read.flags = FSC_READ_PREFETCH;
	else if (chance(p, 3, 10))
		split(r);
	if (r->read.flags)
		r->read.buf = NULL;
	if (chance(p, 3, 10) && h->cookie && h->attr.version == h->file->version &&
	    r->read.file_size == h->attr.size && !h->file->nr_pending)
		r->read.zero_tail = zero_tail(h->file);
}

/* --- An end before its end -------------------------------------------------------------------- */

static void cancel(void *arg)
{
	struct request *r = arg;

	if (!r->busy || r->cancels != r->started)
		return; /* of one before this */
	r->cancelled = true;
	r->cancelling++;
	fsc_read_cancel(&r->read);
	r->cancelling--;
}

void how_start(struct request *r)
{
	r->started++;
	if (!chance(r->client->play, 8, 20))
		return;
	r->cancels = r->started;
	sim_irq(cancel, r, sim_random(3000));
}

/* On its way to the client; one that was cancelled has been answered. */
static struct sent {
	struct fsc_subreq *sreq;
	uint32_t process; /* whose it is: 0 or of a process that was killed: free */
	uint32_t *back;   /* what the subrequest knows of it */
} sents[256];

static void send_now(void *arg)
{
	struct sent *s = arg;
	struct fsc_subreq *sreq = s->sreq;

	if (sreq)
		*s->back = 0;
	s->process = 0;
	if (sreq)
		reads_answer(sreq, 0);
}

bool how_send(struct play *p, struct fsc_subreq *sreq, uint32_t *back)
{
	for (uint32_t i = 0; i < sizeof(sents) / sizeof(sents[0]); i++) {
		if (sents[i].process == p->process)
			continue;
		sents[i] = (struct sent){ sreq, p->process, back };
		*back = i + 1;
		sim_irq(send_now, &sents[i], sim_random((uint32_t)p->server_latency_us + 1));
		return true;
	}
	return false;
}

void how_cancel_read(struct fsc_subreq *sreq, uint32_t *back)
{
	if (!*back || sim_chance(4))
		return; /* answered already; or a client that can't */
	sents[*back - 1].sreq = NULL;
	*back = 0;
	reads_answer(sreq, -ECANCELED);
}

/* --- Afterwards ------------------------------------------------------------------------------- */

static void look_at_lent(struct request *r, int64_t ret, bool again)
{
	struct play *p = r->client->play;
	size_t at = 0;

	for (uint32_t i = 0; i < r->read.nr_lent; i++) {
		const struct fsc_iovec *v = &r->read.lent[i];

		if (!v->len || at + v->len > (size_t)ret)
			play_fail(p, r->look.file, "lent: pieces of more than the result");
		if (again && memcmp(r->mem + at, v->base, v->len))
			play_fail(p, r->look.file, "lent: a buffer has changed while it was lent");
		memcpy(r->mem + at, v->base, v->len);
		at += v->len;
	}
	if (at != (size_t)ret)
		play_fail(p, r->look.file, "lent: pieces of less than the result");
}

const uint8_t *how_result(struct request *r, int64_t ret)
{
	struct play *p = r->client->play;

	if (ret > 0 && ((r->read.flags & FSC_READ_LEND) != 0) != (r->read.lent != NULL))
		play_fail(p, r->look.file, "lent: or not, as it wasn't asked for");
	if (ret > 0 && r->read.lent) {
		look_at_lent(r, ret, false);
		r->lent = ret;
		return r->mem;
	}
	return r->buf;
}

void how_give_back(struct request *r)
{
	while (r->cancelling) /* it is still being named */
		sim_sleep_us(10);
	if (!r->lent)
		return;
	look_at_lent(r, r->lent, true);
	r->lent = 0;
	fsc_read_return(&r->read);
}

/* What the client knows by other means. A doubt without a cause does no harm. */
bool how_is_still_valid(struct fsc_read *read)
{
	struct file *f = read->netfs;

	return !chance(f->play, 8, 30);
}
