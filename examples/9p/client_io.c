// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * client_io.c - requests that nobody waits for: reads, writes and clunks.
 */
#include "conn.h"

#include <errno.h>

#define outer(req, type) ((type *)((char *)(req) - offsetof(type, req)))

uint32_t p9_fid_most(struct p9_client *c, uint32_t fid)
{
	uint32_t most = c->msize - P9_IO_HEADER;

	if (!p9_fid_ok(c, fid))
		return 0;
	if (c->fids[fid].iounit && c->fids[fid].iounit < most)
		most = c->fids[fid].iounit;
	return most;
}

static uint32_t io_max(struct p9_client *c, uint32_t fid)
{
	uint32_t most;

	pthread_mutex_lock(&c->lock);
	most = p9_fid_most(c, fid);
	pthread_mutex_unlock(&c->lock);
	return most;
}

/* ---- reads ---- */

uint32_t p9_read_max(struct p9_client *c, uint32_t fid)
{
	return io_max(c, fid);
}

int64_t p9_pread(struct p9_client *c, uint32_t fid, uint64_t offset, void *buf, size_t len)
{
	uint32_t most = io_max(c, fid);
	uint8_t msg[P9_TREAD_SIZE];

	if (len < most)
		most = (uint32_t)len;
	return p9_call(c, fid, msg, p9_enc_tread(msg, sizeof(msg), fid, offset, most), buf, most);
}

static void read_complete(struct p9_req *req, int64_t result)
{
	struct p9_read *r = outer(req, struct p9_read);

	r->done(r, result);
}

void p9_read_start(struct p9_client *c, struct p9_read *r)
{
	int err = -EBADF;
	uint32_t most;

	/* All of it under the lock, which a cancel that comes at the same time takes too. */
	pthread_mutex_lock(&c->lock);
	most = p9_fid_most(c, r->fid);
	if (most) {
		if (r->len < most)
			most = r->len;
		p9_enc_tread(r->msg, sizeof(r->msg), r->fid, r->offset, most);
		r->req = (struct p9_req){
			.msg = r->msg, .reply = r->buf, .reply_cap = most,
			.out.len = P9_TREAD_SIZE, .complete = read_complete,
		};
		err = p9_submit(c, &r->req, r->more);
	}
	pthread_mutex_unlock(&c->lock);
	if (err)
		r->done(r, err);
}

/* Take @req back if it wasn't sent: true; else ask the server to forget it. */
static bool withdraw(struct p9_client *c, struct p9_req *req)
{
	struct slot *slot;
	uint32_t tag;

	if (req->state == P9_REQ_WAITING) {
		TAILQ_REMOVE(&c->waitq, req, link);
		req->state = P9_REQ_IDLE;
		return true;
	}
	if (req->state != P9_REQ_SENT || c->error || c->slots[req->slot].flushing)
		return false;
	slot = &c->slots[req->slot];
	slot->flushing = true;
	tag = req->slot + c->max_tags;
	p9_enc_tflush(slot->flush_msg, sizeof(slot->flush_msg), (uint16_t)req->slot);
	p9_msg_set_tag(slot->flush_msg, (uint16_t)tag);
	p9_sendq_add(c, &slot->flush, slot->flush_msg, P9_TFLUSH_SIZE);
	p9_sendq_push(c);
	return false;
}

static bool cancel(struct p9_client *c, struct p9_req *req)
{
	bool withdrawn;

	pthread_mutex_lock(&c->lock);
	withdrawn = withdraw(c, req);
	pthread_mutex_unlock(&c->lock);
	return withdrawn;
}

void p9_read_cancel(struct p9_client *c, struct p9_read *r)
{
	if (cancel(c, &r->req))
		r->done(r, -ECANCELED);
}

/* ---- writes ---- */

uint32_t p9_write_max(struct p9_client *c, uint32_t fid)
{
	return io_max(c, fid);
}

static int64_t write_result(struct p9_write *w, int64_t result)
{
	uint32_t count, asked = w->req.out.len - w->req.out.head;

	if (result < 0)
		return result;
	if (p9_dec_rwrite(w->reply, (size_t)result, &count))
		return p9_bad_reply(w->client, P9_RWRITE);
	if (count > asked)
		return p9_fail(w->client, -EPROTO, "Rwrite of %u bytes where %u were sent", count,
			       asked);
	return count;
}

static void write_complete(struct p9_req *req, int64_t result)
{
	struct p9_write *w = outer(req, struct p9_write);

	w->done(w, write_result(w, result));
}

void p9_write_start(struct p9_client *c, struct p9_write *w)
{
	int err = -EBADF;
	uint32_t most;

	pthread_mutex_lock(&c->lock);
	most = p9_fid_most(c, w->fid);
	w->client = c;
	if (most) {
		if (w->len < most)
			most = w->len;
		p9_enc_twrite(w->msg, sizeof(w->msg), w->fid, w->offset, most);
		w->req = (struct p9_req){
			.msg = w->msg, .reply = w->reply, .reply_cap = sizeof(w->reply),
			.out = { .head = P9_TWRITE_SIZE, .data = w->buf,
				 .len = P9_TWRITE_SIZE + most },
			.complete = write_complete,
		};
		err = p9_submit(c, &w->req, false);
	}
	pthread_mutex_unlock(&c->lock);
	if (err)
		w->done(w, err);
}

void p9_write_cancel(struct p9_client *c, struct p9_write *w)
{
	if (cancel(c, &w->req))
		w->done(w, -ECANCELED);
}

struct waited_write {
	struct p9_write w;
	struct p9_client *c;
	pthread_cond_t cond;
	bool ended;
	int64_t result;
};

static void waited_done(struct p9_write *w, int64_t result)
{
	struct waited_write *waited = (struct waited_write *)w;
	pthread_mutex_t *lock = &waited->c->lock;

	pthread_mutex_lock(lock);
	waited->result = result;
	waited->ended = true;
	pthread_cond_signal(&waited->cond);
	pthread_mutex_unlock(lock);
}

int64_t p9_pwrite(struct p9_client *c, uint32_t fid, uint64_t offset, const void *buf, size_t len)
{
	struct waited_write waited = {
		.w = { .fid = fid, .offset = offset, .buf = buf, .done = waited_done,
		       .len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX },
		.c = c, .cond = PTHREAD_COND_INITIALIZER,
	};

	if (p9_on_receiver(c))
		return -EDEADLK;
	p9_write_start(c, &waited.w);
	pthread_mutex_lock(&c->lock);
	while (!waited.ended)
		pthread_cond_wait(&waited.cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&waited.cond);
	return waited.result;
}

/* ---- clunks ---- */

static void clunk_complete(struct p9_req *req, int64_t result)
{
	struct p9_clunk *clunk = outer(req, struct p9_clunk);

	(void)result;
	p9_fid_release(clunk->client, clunk->fid);
	clunk->done(clunk);
}

void p9_clunk_start(struct p9_client *c, struct p9_clunk *clunk)
{
	int err;

	p9_enc_tclunk(clunk->msg, sizeof(clunk->msg), clunk->fid);
	clunk->client = c;
	clunk->req = (struct p9_req){
		.msg = clunk->msg, .reply = clunk->reply, .reply_cap = sizeof(clunk->reply),
		.out.len = P9_TCLUNK_SIZE, .complete = clunk_complete,
	};
	pthread_mutex_lock(&c->lock);
	err = p9_submit(c, &clunk->req, false);
	pthread_mutex_unlock(&c->lock);
	if (err)
		clunk_complete(&clunk->req, err);
}
