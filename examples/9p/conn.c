// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conn.c - requests out, replies in, on a connection that is there.
 *
 * The way of a request: queued in waitq until a slot is free; the slot's number is its
 * tag; then its bytes go to sendq, and out as far as the socket takes them. The socket
 * never blocks, since whoever sends may be the receiver thread (in a done callback), and
 * a receiver that waits for room to send would wait for ever on a server that waits for
 * us to receive. What doesn't fit now is sent by the receiver when there is room.
 *
 * Slot n has two tags: n for the request, max_tags + n for the Tflush that cancels it. So
 * a cancel never lacks a tag, and the slot is only free when both are done with, which
 * is what the protocol asks before a tag is used again.
 *
 * Only the receiver thread completes what was sent, so nobody else touches a buffer into
 * which a reply is being received. Whoever finds the connection broken records why in
 * fail(), once, and the receiver then ends everything outstanding and itself.
 *
 * Everything a server sends is checked against what was asked before a byte of it is
 * put anywhere.
 */
#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
	SEND_BATCH = 16, /* messages with payload in one sendmsg */
	STEPS_MOST = 64, /* of receiving, before it is looked whether something is overdue */
};

/* ---- death ---- */

int p9_fail_locked(struct p9_client *c, int error, const char *fmt, ...)
{
	va_list ap;

	if (!c->error) {
		c->error = error;
		va_start(ap, fmt);
		vsnprintf(c->error_text, sizeof(c->error_text), fmt, ap);
		va_end(ap);
		shutdown(c->sock, SHUT_RDWR);
	}
	return c->error;
}

int p9_bad_reply(struct p9_client *c, uint8_t type)
{
	return p9_fail(c, -EBADMSG, "malformed %s from the server", p9_type_name(type));
}

/* ---- sending; all with the lock held ---- */

/* Take @n sent bytes off the head of sendq. */
static void sendq_advance(struct p9_client *c, size_t n)
{
	struct p9_out *out;

	while (n && (out = TAILQ_FIRST(&c->sendq))) {
		size_t part = out->len - out->sent < n ? out->len - out->sent : n;

		out->sent += (uint32_t)part;
		n -= part;
		if (out->sent == out->len)
			TAILQ_REMOVE(&c->sendq, out, link);
	}
}

/* What is still to be sent of @out, as one or two pieces at @iov. How many. */
static size_t out_pieces(const struct p9_out *out, struct iovec *iov)
{
	size_t n = 0, skip = out->sent > out->head ? out->sent - out->head : 0;

	if (out->sent < out->head)
		iov[n++] = (struct iovec){ (void *)(out->msg + out->sent), out->head - out->sent };
	if (out->len > out->head)
		iov[n++] = (struct iovec){ (void *)(out->data + skip),
					   out->len - out->head - skip };
	return n;
}

static ssize_t sendq_write(struct p9_client *c)
{
	struct iovec iov[2 * SEND_BATCH];
	struct msghdr mh = { .msg_iov = iov };
	struct p9_out *out;

	TAILQ_FOREACH(out, &c->sendq, link) {
		if (mh.msg_iovlen > 2 * SEND_BATCH - 2)
			break;
		mh.msg_iovlen += out_pieces(out, iov + mh.msg_iovlen);
	}
	return sendmsg(c->sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void p9_sendq_push(struct p9_client *c)
{
	ssize_t n;

	c->want_write = false;
	while (!c->error && !c->hung_up && !TAILQ_EMPTY(&c->sendq)) {
		n = sendq_write(c);
		if (n >= 0) {
			p9_count(&c->bytes_sent, (uint64_t)n);
			sendq_advance(c, (size_t)n);
		} else if (errno == EAGAIN) {
			c->want_write = true;
			eventfd_write(c->wake, 1);
			return;
		} else if (errno == EPIPE) {
			c->hung_up = true; /* the receiver will come to the end of it */
		} else if (errno != EINTR) {
			p9_fail_locked(c, -errno, "sending to the server: %m");
		}
	}
}

void p9_sendq_add(struct p9_client *c, struct p9_out *out, const uint8_t *msg, uint32_t len)
{
	*out = (struct p9_out){ .msg = msg, .head = len, .len = len };
	TAILQ_INSERT_TAIL(&c->sendq, out, link);
}

/* With its payload, if it has one. */
static void sendq_add_req(struct p9_client *c, struct p9_req *req)
{
	req->out.msg = req->msg;
	req->out.sent = 0;
	if (!req->out.data)
		req->out.head = req->out.len;
	TAILQ_INSERT_TAIL(&c->sendq, &req->out, link);
}

/* Give free slots to those that wait, and send. */
static void pump(struct p9_client *c)
{
	struct p9_req *req;
	struct slot *slot;

	while ((req = TAILQ_FIRST(&c->waitq)) && (slot = TAILQ_FIRST(&c->free))) {
		TAILQ_REMOVE(&c->waitq, req, link);
		TAILQ_REMOVE(&c->free, slot, link);
		req->state = P9_REQ_SENT;
		req->slot = (uint32_t)(slot - c->slots);
		slot->req = req;
		slot->type = req->msg[4];
		slot->flushing = false;
		slot->deadline_ms = p9_now_ms() + c->timeout_ms;
		TAILQ_INSERT_TAIL(&c->inflight, slot, link);
		p9_msg_set_tag(req->msg, (uint16_t)req->slot);
		sendq_add_req(c, req);
	}
	p9_sendq_push(c);
}

int p9_submit(struct p9_client *c, struct p9_req *req, bool more)
{
	if (c->error)
		return c->error;
	req->state = P9_REQ_WAITING;
	TAILQ_INSERT_TAIL(&c->waitq, req, link);
	if (!more)
		pump(c);
	return 0;
}

void p9_push(struct p9_client *c)
{
	pthread_mutex_lock(&c->lock);
	pump(c);
	pthread_mutex_unlock(&c->lock);
}

static void slot_free(struct p9_client *c, struct slot *slot)
{
	TAILQ_REMOVE(&c->inflight, slot, link);
	TAILQ_INSERT_HEAD(&c->free, slot, link);
}

/* ---- receiving; all on the receiver thread, without the lock ---- */

static void count_io(struct p9_client *c, const struct slot *slot, int64_t result)
{
	uint32_t count;

	if (slot->type == P9_TREAD && result > 0)
		p9_count(&c->server_reads, 1);
	if (slot->type != P9_TWRITE || result < 0)
		return;
	if (!p9_dec_rwrite(slot->req->reply, (size_t)result, &count) && count &&
	    count <= slot->req->out.len - slot->req->out.head) {
		p9_count(&c->server_writes, 1);
		p9_count(&c->server_write_bytes, count);
	}
}

/* The reply to the request in @slot has arrived. */
static void finish(struct p9_client *c, struct slot *slot, int64_t result)
{
	struct p9_req *req;

	count_io(c, slot, result);
	pthread_mutex_lock(&c->lock);
	req = slot->req;
	slot->req = NULL;
	req->state = P9_REQ_IDLE;
	if (!slot->flushing)
		slot_free(c, slot);
	pump(c);
	pthread_mutex_unlock(&c->lock);
	req->complete(req, result);
}

static int rx_flushed(struct p9_client *c, const struct p9_header *h)
{
	struct p9_req *req = NULL;
	struct slot *slot = NULL;
	uint32_t i = h->tag - c->max_tags;
	int err = 0;

	if (h->size != P9_HEADER)
		return p9_bad_reply(c, P9_RFLUSH);
	pthread_mutex_lock(&c->lock);
	if (h->tag >= c->max_tags && i < c->max_tags)
		slot = &c->slots[i];
	if (slot && slot->flushing && slot->flush.sent == slot->flush.len) {
		req = slot->req;
		slot->req = NULL;
		slot->flushing = false;
		if (req)
			req->state = P9_REQ_IDLE;
		slot_free(c, slot);
		pump(c);
	} else {
		err = p9_fail_locked(c, -EPROTO, "Rflush with tag %u, which nothing waits for",
				  h->tag);
	}
	pthread_mutex_unlock(&c->lock);
	if (req)
		req->complete(req, -ECANCELED);
	return err;
}

/* Whose reply is this? The slot's request is ours to complete from here on. */
static struct slot *rx_claim(struct p9_client *c, const struct p9_header *h)
{
	struct slot *slot = h->tag < c->max_tags ? &c->slots[h->tag] : NULL;
	bool error = h->type == P9_RLERROR || h->type == P9_RERROR;

	pthread_mutex_lock(&c->lock);
	/* An answer to what wasn't sent in full yet is no answer. */
	if (!slot || !slot->req || slot->req->out.sent != slot->req->out.len) {
		p9_fail_locked(c, -EPROTO, "%s (type %u) with tag %u, which nothing waits for",
			    p9_type_name(h->type), h->type, h->tag);
		slot = NULL;
	} else if (!error && h->type != slot->type + 1) {
		p9_fail_locked(c, -EPROTO, "%s (type %u) in answer to %s", p9_type_name(h->type),
			    h->type, p9_type_name(slot->type));
		slot = NULL;
	} else {
		slot->req->state = P9_REQ_RECEIVING;
	}
	pthread_mutex_unlock(&c->lock);
	return slot;
}

static void rx_consume(struct receiver *rx, uint32_t n)
{
	rx->have -= n;
	memmove(rx->head, rx->head + n, rx->have);
}

static int rx_error(struct p9_client *c, const struct p9_header *h, struct slot *slot)
{
	int error;

	/* Checked against the message's own size, so that one with text in it, as other
	 * dialects have it, isn't read as a number. */
	if (p9_dec_error(c->rx.head, h->size, &error))
		return p9_bad_reply(c, h->type);
	rx_consume(&c->rx, h->size);
	finish(c, slot, -error);
	return 0;
}

/* Receive the payload of Rread or Rreaddir where it is wanted, or all of another reply. */
static int rx_body(struct p9_client *c, const struct p9_header *h, struct slot *slot)
{
	bool data = h->type == P9_RREAD || h->type == P9_RREADDIR;
	struct receiver *rx = &c->rx;
	struct p9_req *req = slot->req;
	uint32_t n = h->size, taken = P9_HEADER;

	if (data) {
		taken = P9_DATA_HEADER;
		if (p9_dec_rdata_header(rx->head, P9_DATA_HEADER, h->type, &n))
			return p9_bad_reply(c, h->type);
	}
	if (n > req->reply_cap)
		return p9_fail(c, -EPROTO, "%s of %u bytes where %u were the most to expect",
			    p9_type_name(h->type), n, req->reply_cap);
	rx->slot = slot;
	rx->result = n;
	rx->at = req->reply;
	rx->left = n;
	if (!data) {
		memcpy(req->reply, rx->head, P9_HEADER);
		rx->at += P9_HEADER;
		rx->left -= P9_HEADER;
	}
	rx_consume(rx, taken);
	/* The head may hold the first bytes of what follows. */
	n = rx->have < rx->left ? rx->have : rx->left;
	if (n) {
		memcpy(rx->at, rx->head, n);
		rx->at += n;
		rx->left -= n;
		rx_consume(rx, n);
	}
	if (!rx->left)
		finish(c, slot, rx->result);
	return 0;
}

/* Act on the message whose first bytes are in the head. 1: more bytes are needed. */
static int rx_head(struct p9_client *c)
{
	struct receiver *rx = &c->rx;
	struct p9_header h;
	struct slot *slot;
	bool error, data;

	if (rx->have < P9_HEADER)
		return 1;
	if (p9_dec_header(rx->head, rx->have, &h))
		return p9_fail(c, -EBADMSG, "a message of %u bytes from the server", h.size);
	error = h.type == P9_RLERROR || h.type == P9_RERROR;
	data = h.type == P9_RREAD || h.type == P9_RREADDIR;
	if (h.size > c->msize)
		return p9_fail(c, -EPROTO, "%s of %u bytes, more than the agreed %u",
			    p9_type_name(h.type), h.size, c->msize);
	if ((error && h.size != P9_DATA_HEADER) || (data && h.size < P9_DATA_HEADER))
		return p9_bad_reply(c, h.type);
	if ((error || data) && rx->have < P9_DATA_HEADER)
		return 1;
	if (h.type == P9_RFLUSH) {
		rx_consume(rx, P9_HEADER);
		return rx_flushed(c, &h);
	}
	slot = rx_claim(c, &h);
	if (!slot)
		return -EPROTO;
	return error ? rx_error(c, &h, slot) : rx_body(c, &h, slot);
}

/* Receive once. 0, -EAGAIN when nothing is there, or another error, recorded. */
static int rx_step(struct p9_client *c)
{
	struct receiver *rx = &c->rx;
	bool body = rx->left > 0;
	/* What is wanted of this message, and the head of the next; of that nothing is there while
	 * a body is. */
	struct iovec iov[] = {
		{ rx->at, rx->left },
		{ rx->head + rx->have, sizeof(rx->head) - rx->have },
	};
	struct msghdr mh = { .msg_iov = iov + !body, .msg_iovlen = 1 + body };
	ssize_t n = recvmsg(c->sock, &mh, MSG_DONTWAIT);
	uint32_t part;
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0 && errno != ECONNRESET)
		return p9_fail(c, -errno, "receiving from the server: %m");
	if (n <= 0)
		return p9_fail(c, -ECONNRESET, "the server closed the connection%s",
			    body || rx->have ? " in the middle of a message" : "");
	p9_count(&c->bytes_received, (uint64_t)n);
	part = (uint32_t)n < rx->left ? (uint32_t)n : rx->left;
	if (body) {
		if (rx->slot->type == P9_TREAD)
			p9_count(&c->server_read_bytes, part);
		rx->at += part;
		rx->left -= part;
		if (rx->left)
			return 0;
		finish(c, rx->slot, rx->result);
	}
	rx->have += (uint32_t)n - part;
	while (!(r = rx_head(c)) && !rx->left)
		;
	return r < 0 ? r : 0;
}

/* Milliseconds until the oldest request is overdue, or -1 when the connection is dead.
 * With none in flight the answer is good for a whole time-out: what is sent meanwhile
 * isn't due before. */
static int64_t rx_patience(struct p9_client *c, bool *want_write)
{
	struct slot *oldest;
	int64_t left;

	pthread_mutex_lock(&c->lock);
	left = c->timeout_ms;
	oldest = TAILQ_FIRST(&c->inflight);
	if (oldest)
		left = (int64_t)(oldest->deadline_ms - p9_now_ms());
	if (left <= 0)
		p9_fail_locked(c, -ETIMEDOUT, "no answer to %s within %u ms",
			    p9_type_name(oldest->req ? oldest->type : P9_TFLUSH),
			    c->timeout_ms);
	*want_write = c->want_write;
	if (c->error)
		left = -1;
	pthread_mutex_unlock(&c->lock);
	return left;
}

static void rx_wait(struct p9_client *c, int64_t patience, bool want_write)
{
	struct pollfd p[2] = {
		{ .fd = c->sock, .events = (short)(POLLIN | (want_write ? POLLOUT : 0)) },
		{ .fd = c->wake, .events = POLLIN },
	};
	eventfd_t unused;

	if (poll(p, 2, patience < INT32_MAX ? (int)patience : INT32_MAX) <= 0)
		return;
	if (p[1].revents)
		eventfd_read(c->wake, &unused);
	if (p[0].revents & POLLOUT) {
		pthread_mutex_lock(&c->lock);
		p9_sendq_push(c);
		pthread_mutex_unlock(&c->lock);
	}
}

/* The connection is dead: end all that is outstanding. */
static void rx_drain(struct p9_client *c)
{
	struct req_list all = TAILQ_HEAD_INITIALIZER(all);
	struct p9_req *req;
	struct slot *slot;
	int error;

	pthread_mutex_lock(&c->lock);
	error = c->error;
	while ((slot = TAILQ_FIRST(&c->inflight))) {
		if (slot->req)
			TAILQ_INSERT_TAIL(&all, slot->req, link);
		slot->req = NULL;
		slot_free(c, slot);
	}
	TAILQ_CONCAT(&all, &c->waitq, link);
	TAILQ_INIT(&c->sendq);
	TAILQ_FOREACH(req, &all, link)
		req->state = P9_REQ_IDLE;
	pthread_mutex_unlock(&c->lock);
	while ((req = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, req, link);
		req->complete(req, error);
	}
}

void *p9_rx_thread(void *arg)
{
	struct p9_client *c = arg;
	unsigned int steps = 0;
	int64_t patience = 0;
	bool want_write;
	int r;

	while (patience >= 0) {
		r = rx_step(c);
		if (!r && ++steps < STEPS_MOST)
			continue;
		steps = 0;
		patience = rx_patience(c, &want_write);
		if (r == -EAGAIN && patience >= 0)
			rx_wait(c, patience, want_write);
	}
	rx_drain(c);
	return NULL;
}
