// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* writable.c - see writable.h. */
#include "writable.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* The client's part of a subrequest. */
struct sea_req {
	struct fsc_subreq *sreq;
	struct sea_req *next; /* of those that are with the server */
	bool held;
};

/* --- The file --------------------------------------------------------------------------------- */

static void random_bytes(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(1 + sim_random(255));
}

struct sea *sea_new(uint32_t id, uint64_t size)
{
	struct sea *sea = calloc(1, sizeof(*sea));

	sea->id = id;
	sea->label = 1;
	sea->size = size;
	sea->data = calloc(1, SEA_MAX);
	sea->latency_us = 2000;
	sea->inline_one_in = 5;
	sea->error = -EIO;
	random_bytes(sea->data, (size_t)size);
	return sea;
}

void sea_free(struct sea *sea)
{
	free(sea->data);
	free(sea);
}

void sea_resize(struct sea *sea, uint64_t size)
{
	CHECK(size <= SEA_MAX);
	if (size < sea->size)
		memset(sea->data + size, 0, (size_t)(sea->size - size));
	sea->size = size;
	sea->label++;
}

void sea_zero(struct sea *sea, uint64_t pos, uint64_t len)
{
	memset(sea->data + pos, 0, (size_t)len);
	sea->label++;
}

void sea_change(struct sea *sea, uint64_t pos, uint64_t len, uint64_t size)
{
	sea_resize(sea, size);
	random_bytes(sea->data + pos, (size_t)len);
}

struct fsc_cookie_params sea_params(const struct sea *sea)
{
	static uint64_t key, coherency;

	key = sea->id;
	coherency = sea->label;
	return (struct fsc_cookie_params){ .key = { &key, 8 }, .coherency = { &coherency, 8 },
					   .size = sea->size };
}

struct fsc_cookie *sea_acquire(struct world *w, const struct sea *sea)
{
	struct fsc_cookie_params params = sea_params(sea);
	struct fsc_cookie *cookie;

	CHECK_EQ(fsc_cookie_acquire(w->vol, &params, &cookie), 0);
	return cookie;
}

void sea_drop(struct fsc_cookie *cookie)
{
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish_wait(cookie, false);
}

/* --- Serving ---------------------------------------------------------------------------------- */

static void answer_read(void *arg)
{
	struct fsc_subreq *sreq = arg;
	struct sea *sea = sreq->netfs;
	uint64_t left = sreq->pos < sea->size ? sea->size - sreq->pos : 0;
	size_t n = left < sreq->len ? (size_t)left : sreq->len;

	if (sim_chance(sea->again_one_in)) {
		fsc_subreq_done(sreq, -EAGAIN);
		return;
	}
	memcpy(sreq->buf, sea->data + sreq->pos, n);
	sea->read_bytes += n;
	fsc_subreq_done(sreq, (int64_t)n);
}

static void serve(struct sea *sea, void (*answer)(void *arg), struct fsc_subreq *sreq)
{
	if (sim_chance(sea->inline_one_in))
		answer(sreq);
	else
		sim_irq(answer, sreq, sim_random((uint32_t)sea->latency_us + 1));
}

static void issue_read(struct fsc_subreq *sreq)
{
	struct sea *sea = sreq->netfs;

	CHECK(sreq->len && (!sea->read_max || sreq->len <= sea->read_max));
	sea->reads++;
	serve(sea, answer_read, sreq);
}

static size_t read_max(struct fsc_read *read)
{
	struct sea *sea = read->netfs;

	return sea->read_max ? sea->read_max : SIZE_MAX;
}

static void leave(struct sea *sea, struct sea_req *req)
{
	struct sea_req **link = &sea->writing;

	while (*link != req)
		link = &(*link)->next;
	*link = req->next;
	sea->nr_writing--;
}

static void take(struct sea *sea, const struct fsc_subreq *sreq, size_t n)
{
	CHECK(sreq->pos + n <= SEA_MAX);
	memcpy(sea->data + sreq->pos, sreq->buf, n);
	if (sreq->pos + n > sea->size)
		sea->size = sreq->pos + n;
	sea->label++;
}

static void answer_write_as(struct fsc_subreq *sreq, int err)
{
	struct sea *sea = sreq->netfs;
	size_t n = sreq->len;

	leave(sea, sreq->priv);
	if (!err && sim_chance(sea->again_one_in))
		err = -EAGAIN;
	if (!err && sim_chance(sea->error_one_in))
		err = sea->error;
	if (err) {
		sea->refused += err != -EAGAIN;
		/* It may have done it all the same. */
		if (err != -EAGAIN && sim_chance(2))
			take(sea, sreq, 1 + sim_random((uint32_t)n));
		fsc_subreq_done(sreq, err);
		return;
	}
	if (n > 1 && sim_chance(sea->short_one_in))
		n = 1 + sim_random((uint32_t)n - 1);
	take(sea, sreq, n);
	sea->write_bytes += n;
	fsc_subreq_done(sreq, (int64_t)n);
}

static void answer_write(void *arg)
{
	answer_write_as(arg, 0);
}

static void issue_write(struct fsc_subreq *sreq)
{
	struct sea *sea = sreq->netfs;
	struct sea_req *req = sreq->priv;

	CHECK(sreq->len && (!sea->write_max || sreq->len <= sea->write_max));
	CHECK(!req->sreq && !req->next);
	for (struct sea_req *o = sea->writing; o; o = o->next)
		if (o->sreq->pos < sreq->pos + sreq->len && sreq->pos < o->sreq->pos + o->sreq->len)
			sim_fail(SIM_BUG, "two writes of %llu are with the server",
				 (unsigned long long)sreq->pos);
	req->sreq = sreq;
	req->next = sea->writing;
	sea->writing = req;
	sea->writes++;
	if (++sea->nr_writing > sea->max_writing)
		sea->max_writing = sea->nr_writing;
	if (sea->arrived)
		sea->arrived(sea, sreq);
	req->held = sea->hold;
	if (!sea->hold)
		serve(sea, answer_write, sreq);
}

uint32_t sea_release(struct sea *sea, int err)
{
	uint32_t n = 0;

	for (struct sea_req *req = sea->writing; req;) {
		if (!req->held) {
			req = req->next;
			continue;
		}
		answer_write_as(req->sreq, err);
		n++;
		req = sea->writing; /* it may be another list now */
	}
	return n;
}

static size_t write_max(struct fsc_write *write)
{
	struct sea *sea = write->netfs;

	return sea->write_max ? sea->write_max : SIZE_MAX;
}

static void write_done(struct fsc_write *write, int64_t ret)
{
	struct sea_write *w = (struct sea_write *)(void *)write;

	CHECK(!w->over);
	w->ret = ret;
	w->over = true;
}

static const struct fsc_netfs_ops sea_ops = {
	.subreq_size = sizeof(struct sea_req),
	.read_max = read_max,
	.issue_read = issue_read,
	.write_max = write_max,
	.issue_write = issue_write,
	.write_done = write_done,
};

/* --- Writes ----------------------------------------------------------------------------------- */

static void in_pieces(struct sea_write *w, uint8_t *at, size_t len)
{
	size_t a = 1 + sim_random((uint32_t)len), b = sim_random((uint32_t)(len - a) + 1);

	/* Not one behind the other. */
	w->iov[0] = (struct fsc_iovec){ at + (len - a), a };
	w->iov[1] = (struct fsc_iovec){ at, b };
	w->iov[2] = (struct fsc_iovec){ at + b, len - a - b };
	w->write.buf = NULL;
	w->write.iov = w->iov;
	w->write.nr_iov = 3;
}

struct sea_write *sea_write_new(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos,
				size_t len, uint32_t flags)
{
	struct sea_write *w = calloc(1, sizeof(*w));
	size_t off = sim_chance(2) ? pos % PAGE : sim_random(PAGE);

	w->sea = sea;
	w->mem = aligned_alloc(PAGE, (off + len + PAGE) / PAGE * PAGE);
	random_bytes(w->mem + off, len);
	w->write.cookie = cookie;
	w->write.ops = &sea_ops;
	w->write.netfs = sea;
	w->write.pos = pos;
	w->write.file_size = sea->size;
	w->write.buf = w->mem + off;
	w->write.len = len;
	w->write.flags = flags;
	if (len && sim_chance(5))
		in_pieces(w, w->mem + off, len);
	return w;
}

static void start_anywhere(void *arg)
{
	fsc_write_start(arg);
}

void sea_write_start(struct sea_write *w)
{
	if (sim_chance(3))
		sim_in_irq(start_anywhere, &w->write);
	else
		fsc_write_start(&w->write);
}

int64_t sea_write_join(struct sea_write *w)
{
	int64_t ret;

	while (!w->over)
		sim_sleep_us(50);
	ret = w->ret;
	free(w->mem);
	free(w);
	return ret;
}

int64_t sea_write(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		  uint32_t flags)
{
	struct sea_write *w = sea_write_new(sea, cookie, pos, len, flags);

	if (sim_chance(2)) {
		w->ret = fsc_write_wait(&w->write);
		w->over = true;
	} else {
		sea_write_start(w);
	}
	return sea_write_join(w);
}

/* --- Reads ------------------------------------------------------------------------------------ */

int64_t sea_read(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, void *buf, size_t len)
{
	struct fsc_read read = { .cookie = cookie, .ops = &sea_ops, .netfs = sea, .pos = pos,
				 .file_size = sea->size, .buf = buf, .len = len };

	return fsc_read_wait(&read);
}

int64_t sea_check(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, size_t len)
{
	size_t off = sim_chance(2) ? pos % PAGE : sim_random(PAGE);
	uint8_t *mem = aligned_alloc(PAGE, (off + len + PAGE) / PAGE * PAGE);
	uint64_t left = pos < sea->size ? sea->size - pos : 0;
	int64_t n = sea_read(sea, cookie, pos, mem + off, len);

	CHECK_EQ(n, left < len ? left : len);
	for (int64_t i = 0; i < n; i++)
		if (mem[off + (size_t)i] != sea->data[pos + (uint64_t)i])
			sim_fail(SIM_BUG, "a read of %zu at %llu is wrong at %llu", len,
				 (unsigned long long)pos, (unsigned long long)(pos + (uint64_t)i));
	free(mem);
	return n;
}

void sea_check_all(struct sea *sea, struct fsc_cookie *cookie)
{
	sea_check(sea, cookie, 0, (size_t)rounded(sea->size) + PAGE);
}
