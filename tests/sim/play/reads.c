// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * reads.c - the reads of a client at cookie level: its ops, and requests of which several may be in
 * flight, each with a guarded buffer.
 */
#include "reader.h"

#define FILL 0xa5 /* before a read */
#define DONE 0x5a /* after it */

struct reader readers[PLAY_CLIENTS];

/* What the client keeps with each server read. */
struct answer {
	struct fsc_subreq *sreq;
	uint32_t version; /* 0: as it is when the answer is sent */
	uint32_t sent;    /* reads_how.c */
	struct answer *next;
};

/* Asked, and kept back until push() is called for their file; of one process. */
static struct answer *kept;
static uint32_t kept_in;

/* --- The client's ops ------------------------------------------------------------------------ */

void reads_answer(struct fsc_subreq *sreq, int error)
{
	struct file *f = sreq->netfs;
	struct answer *a = sreq->priv;
	int64_t n = error;

	if (!error)
		n = server_answer(f->play, f, a->version ? a->version : f->version, sreq->pos,
				  sreq->buf, sreq->len);
	server_answered(f, sreq->pos, sreq->len);
	fsc_subreq_done(sreq, n);
}

static void send(struct answer *a)
{
	struct file *f = a->sreq->netfs;

	if (sim_chance(3) || !how_send(f->play, a->sreq, &a->sent))
		reads_answer(a->sreq, 0);
}

static struct answer **first_kept(const struct play *p)
{
	if (kept_in != p->process)
		kept = NULL; /* they have gone with theirs */
	kept_in = p->process;
	return &kept;
}

static void push(void *netfs)
{
	const struct file *f = netfs;
	struct answer **at = first_kept(f->play), *a;

	while ((a = *at)) {
		if (a->sreq->netfs != netfs) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		send(a);
		at = first_kept(f->play); /* whoever was answered may have asked for more */
	}
}

static bool is_kept_no_more(struct answer *a, const struct play *p)
{
	for (struct answer **at = first_kept(p); *at; at = &(*at)->next) {
		if (*at != a)
			continue;
		*at = a->next;
		return true;
	}
	return false;
}

static void issue_read(struct fsc_subreq *sreq)
{
	struct file *f = sreq->netfs;
	struct play *p = f->play;
	struct answer *a = sreq->priv;

	if (a->sreq || a->version || a->sent)
		play_fail(p, f, "subrequest: the client's part isn't zero");
	if (!sreq->len || (p->rsize && sreq->len > p->rsize))
		play_fail(p, f, "subrequest: of %zu bytes", sreq->len);
	a->sreq = sreq;
	server_asked(p, f, sreq->pos, sreq->len);
	a->version = sim_chance(2) ? f->version : 0;
	if (sreq->more && sim_chance(2)) {
		a->next = *first_kept(p);
		kept = a;
		return;
	}
	send(a);
}

static void cancel_read(struct fsc_subreq *sreq)
{
	const struct file *f = sreq->netfs;
	struct answer *a = sreq->priv;

	if (is_kept_no_more(a, f->play))
		reads_answer(sreq, -ECANCELED);
	else
		how_cancel_read(sreq, &a->sent);
}

static size_t read_max(struct fsc_read *read)
{
	struct file *f = read->netfs;

	return f->play->rsize ? f->play->rsize : SIZE_MAX;
}

static void check_guard(struct request *r)
{
	const uint8_t *buf = r->buf, *end = buf + r->read.len;

	for (size_t i = 0; i < GUARD; i++) {
		if (end[i] != FILL)
			play_fail(r->client->play, r->look.file,
				  "guard: written to %zu bytes behind the end",
				  i);
		if (r->misalign > i && buf[-1 - (long)i] != FILL)
			play_fail(r->client->play, r->look.file,
				  "guard: written to before the buffer");
	}
}

static void check_result(struct request *r, int64_t ret)
{
	struct play *p = r->client->play;

	if (!r->busy)
		play_fail(p, r->look.file, "twice: a read was completed twice");
	check_guard(r);
	if (ret < 0 && r->look.errors == r->look.file->errors &&
	    !(ret == -ENOMEM && p->no_memory) && !(ret == -ECANCELED && r->cancelled))
		play_fail(p, r->look.file,
			  "error: a read of %zu at %llu gave %lld, and the server did not fail",
			  r->read.len, (unsigned long long)r->read.pos, (long long)ret);
	if (r->read.flags & FSC_READ_PREFETCH && ret > (int64_t)r->read.len)
		play_fail(p, r->look.file, "prefetch: of more than was asked for");
	if (r->read.flags & FSC_READ_PREFETCH)
		look_cancel(p, &r->look);
	else
		look_end(p, &r->look, how_result(r, ret), ret, r->read.file_size);
	/* From here on it is ours: who writes to it will be found out. */
	if (!r->lent) {
		memset(r->buf, DONE, r->read.len);
		r->filled = true;
	}
	r->busy = false;
}

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct request *r = (struct request *)(void *)((char *)read -
						       offsetof(struct request, read));

	check_result(r, ret);
	fsc_waitq_wake_all(&readers[r->client->nr].ended);
}

const struct fsc_netfs_ops reader_ops = {
	.subreq_size = sizeof(struct answer),
	.read_max = read_max,
	.issue_read = issue_read,
	.push = push,
	.cancel_read = cancel_read,
	.is_still_valid = how_is_still_valid,
	.read_done = read_done,
	.write_max = changes_write_max,
	.issue_write = changes_issue_write,
	.write_done = changes_write_done,
};

/* --- Requests -------------------------------------------------------------------------------- */

static bool any_free(void *arg)
{
	struct reader *rd = arg;

	for (uint32_t i = 0; i < REQUESTS; i++)
		if (!rd->requests[i].busy)
			return true;
	return false;
}

static bool all_free(void *arg)
{
	struct reader *rd = arg;

	for (uint32_t i = 0; i < REQUESTS; i++)
		if (rd->requests[i].busy)
			return false;
	return true;
}

void reads_join(struct reader *rd)
{
	if (!all_free(rd))
		fsc_waitq_wait(&rd->ended, all_free, rd);
	for (uint32_t i = 0; i < REQUESTS; i++)
		how_give_back(&rd->requests[i]);
}

void reads_check_untouched(struct request *r)
{
	const uint8_t *buf = r->buf;

	/* All equal to the first one, and that is as it should be. */
	if (r->filled && (buf[0] != DONE || memcmp(buf, buf + 1, r->read.len - 1)))
		play_fail(r->client->play, r->look.file,
			  "touched: a buffer was written to after read_done");
	r->filled = false;
}

static struct request *take_request(struct client *c)
{
	struct reader *rd = &readers[c->nr];
	struct request *r = rd->requests;

	if (!any_free(rd))
		fsc_waitq_wait(&rd->ended, any_free, rd);
	while (r->busy)
		r++;
	how_give_back(r);
	reads_check_untouched(r);
	r->client = c;
	return r;
}

static uint64_t pick_len(const struct step *s, uint64_t left)
{
	uint64_t len;

	if (s->flags & STEP_WHOLE)
		len = left;
	else if (s->arg & 1)
		len = 1 + s->len % (4 * PLAY_GRANULE);
	else
		len = (1 + s->len % 5) * PLAY_GRANULE;
	if (!(s->arg >> 20 & 15))
		len += PLAY_GRANULE; /* beyond the end, perhaps */
	else
		len = len < left ? len : left;
	len = len ? len : 1;
	return len < PLAY_READ_MAX ? len : PLAY_READ_MAX;
}

static void pick_range(struct request *r, const struct file *f, const struct step *s, uint64_t size)
{
	uint64_t pos = s->flags & STEP_WHOLE || !size ? 0 : s->pos % (size + size / 32 + 1);

	if (f->large && size) /* far apart, but met again */
		pos = (s->pos >> 32) % 97 * (size / 97) + s->pos % 3 * PLAY_GRANULE;
	if (s->arg & 2)
		pos -= pos % PLAY_GRANULE;
	r->read.pos = pos;
	r->read.len = (size_t)pick_len(s, pos < size ? size - pos : 0);
	r->misalign = s->arg & 4 ? 0 : s->arg >> 8 & 0x1ff;
}

static void prepare(struct request *r, struct handle *h, const struct step *s)
{
	struct play *p = r->client->play;
	struct file *f = h->file;
	uint64_t size = h->attr.size;

	memset(&r->read, 0, sizeof(r->read));
	pick_range(r, f, s, size);
	r->handle = h;
	r->read.cookie = h->cookie;
	r->read.ops = &reader_ops;
	r->read.netfs = f;
	/* Sometimes a client believes in another size. */
	r->read.file_size = s->arg >> 30 & 31 ? size : file_size(f, f->version);
	r->read.buf = r->mem + PAGE + r->misalign - (r->misalign ? 0 : PAGE);
	if (!r->misalign)
		r->read.buf = r->mem;
	memset(r->misalign ? (uint8_t *)r->read.buf - GUARD : (uint8_t *)r->read.buf, FILL,
	       r->read.len + (r->misalign ? 2 * GUARD : GUARD));
	r->buf = r->read.buf;
	how_prepare(r, h);
	r->busy = true;
	look_begin(p, &r->look, f, r->read.pos, r->read.len,
		   h->told == UINT32_MAX ? f->version : h->told);
}

static void start_read(void *arg)
{
	fsc_read_start(arg);
}

static void read_once(struct client *c, struct handle *h, const struct step *s)
{
	struct request *r = take_request(c);

	prepare(r, h, s);
	how_start(r);
	if (s->flags & STEP_WAIT)
		check_result(r, fsc_read_wait(&r->read));
	else if (s->flags & STEP_IRQ)
		sim_in_irq(start_read, &r->read);
	else
		fsc_read_start(&r->read);
}

/* Once or, as what is read once is often read again, several times. */
void reads_make(struct client *c, struct handle *h, const struct step *s)
{
	static const uint8_t times[] = { 1, 2, 2, 2, 3, 3, 4, 5 };

	for (uint8_t n = times[s->arg >> 33 & 7]; n; n--) {
		read_once(c, h, s);
		if (s->arg >> 36 & 3)
			reads_join(&readers[c->nr]);
	}
}
