/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * netfs.c - see netfs.h.
 *
 * A byte is a hash of file, version and offset. When one is wrong the check looks which version
 * (or a zero, or the pattern that buffers are filled with) it could be from, as that is what one
 * wants to know first.
 */
#include "netfs.h"

#include <stdlib.h>

#define FILL 0xa5
#define PAGE 4096

struct netfs_held {
	struct netfs_held *next;
	struct fsc_subreq *sreq;
};

/* What the client keeps with each server read. */
struct answer {
	struct fsc_subreq *sreq;
	uint32_t version; /* 0: as it is when the answer is sent */
	struct netfs_held held;
};

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

/* The eight bytes from @pos on, a multiple of 8, the first one lowest. */
static uint64_t word_at(const struct netfs_file *file, uint32_t version, uint64_t pos)
{
	if (file->zeroes)
		return 0;
	return mix(((uint64_t)file->id << 32 | version) * 0x9e3779b97f4a7c15ull + pos / 8);
}

uint8_t netfs_byte(const struct netfs_file *file, uint32_t version, uint64_t pos)
{
	return (uint8_t)(word_at(file, version, pos & ~7ull) >> (pos % 8 * 8));
}

static void fill(const struct netfs_file *file, uint32_t version, uint64_t pos, uint8_t *buf,
		 size_t len)
{
	while (len) {
		uint64_t word = word_at(file, version, pos & ~7ull) >> (pos % 8 * 8);
		size_t n = 8 - pos % 8 < len ? 8 - pos % 8 : len;

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)(word >> (i * 8));
		buf += n;
		pos += n;
		len -= n;
	}
}

void netfs_init(struct netfs *net)
{
	memset(net, 0, sizeof(*net));
	net->latency_us = 2000;
	net->inline_one_in = 5;
	net->error = -EIO;
	net->first_pos = UINT64_MAX;
}

struct netfs_file *netfs_file_new(struct netfs *net, uint32_t id, uint64_t size)
{
	struct netfs_file *file = calloc(1, sizeof(*file));

	file->net = net;
	file->id = id;
	file->version = 1;
	file->told = 1;
	file->size = size;
	file->real_size = size;
	return file;
}

void netfs_file_free(struct netfs_file *file)
{
	free(file);
}

void netfs_file_change(struct netfs_file *file, uint64_t size)
{
	file->version++;
	file->size = size;
	file->real_size = size;
}

void netfs_file_told(struct netfs_file *file, uint32_t version)
{
	if (version > file->told)
		file->told = version;
}

struct fsc_cookie_params netfs_params(const struct netfs_file *file, uint8_t key[8],
				      uint8_t coherency[8])
{
	struct fsc_cookie_params params = {
		.key = { key, 8 },
		.coherency = { coherency, 8 },
		.size = file->size,
	};

	for (int i = 0; i < 8; i++) {
		key[i] = (uint8_t)((uint64_t)file->id >> (8 * i));
		coherency[i] = (uint8_t)((uint64_t)file->version >> (8 * i));
	}
	return params;
}

/* --- The client's ops ------------------------------------------------------------------------ */

static void answer(struct fsc_subreq *sreq, int error)
{
	struct netfs_file *file = sreq->netfs;
	struct netfs *net = file->net;
	struct answer *a = sreq->priv;
	uint32_t version = a->version ? a->version : file->version;
	uint64_t left = sreq->pos < file->real_size ? file->real_size - sreq->pos : 0;
	int64_t n = (int64_t)(left < sreq->len ? left : sreq->len);

	if (n > 1 && sim_chance(net->short_one_in))
		n = 1 + sim_random((uint32_t)n - 1);
	if (!error && sim_chance(net->error_one_in))
		error = net->error;
	if (!error)
		fill(file, version, sreq->pos, sreq->buf, (size_t)n);
	net->reads++;
	net->bytes += error ? 0 : (uint64_t)n;
	net->errors += error != 0;
	net->in_flight--;
	fsc_subreq_done(sreq, error ? error : n);
}

static void answer_irq(void *arg)
{
	answer(arg, 0);
}

static size_t read_max(struct fsc_read *read)
{
	struct netfs_file *file = read->netfs;

	return file->net->read_max ? file->net->read_max : SIZE_MAX;
}

static void count(struct netfs *net, const struct fsc_subreq *sreq)
{
	if (++net->in_flight > net->max_in_flight)
		net->max_in_flight = net->in_flight;
	if (sreq->pos < net->first_pos)
		net->first_pos = sreq->pos;
	if (sreq->pos + sreq->len > net->last_end)
		net->last_end = sreq->pos + sreq->len;
}

static void issue_read(struct fsc_subreq *sreq)
{
	struct netfs_file *file = sreq->netfs;
	struct netfs *net = file->net;
	struct answer *a = sreq->priv;

	if (a->sreq || a->version || a->held.sreq)
		sim_fail(SIM_BUG, "the client's part of a subrequest isn't zero");
	if (!sreq->len || (net->read_max && sreq->len > net->read_max))
		sim_fail(SIM_BUG, "a server read of %zu bytes", sreq->len);
	a->sreq = sreq;
	/* The server looks at the file at some moment between question and answer. */
	a->version = sim_chance(2) ? file->version : 0;
	count(net, sreq);
	if (net->hold) {
		a->held.sreq = sreq;
		a->held.next = net->held;
		net->held = &a->held;
		net->nr_held++;
	} else if (sim_chance(net->inline_one_in)) {
		answer(sreq, 0);
	} else {
		sim_irq(answer_irq, sreq, sim_random((uint32_t)net->latency_us + 1));
	}
}

uint32_t netfs_release(struct netfs *net, int error)
{
	struct netfs_held *held = net->held, *next;
	uint32_t nr = net->nr_held;

	net->held = NULL;
	net->nr_held = 0;
	for (; held; held = next) {
		next = held->next;
		answer(held->sreq, error);
	}
	return nr;
}

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct netfs_read *req = (struct netfs_read *)(void *)((char *)read -
							       offsetof(struct netfs_read, read));

	if (req->over)
		sim_fail(SIM_BUG, "read_done was called twice");
	req->ret = ret;
	req->over = true;
}

static const struct fsc_netfs_ops netfs_ops = {
	.subreq_size = sizeof(struct answer),
	.read_max = read_max,
	.issue_read = issue_read,
	.read_done = read_done,
};

/* --- Requests -------------------------------------------------------------------------------- */

struct netfs_read *netfs_read_new(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos,
				  size_t len, size_t misalign)
{
	struct netfs_read *req = calloc(1, sizeof(*req));

	req->guard = PAGE + misalign;
	req->mem_len = (req->guard + len + 2 * PAGE) / PAGE * PAGE;
	req->mem = aligned_alloc(PAGE, req->mem_len);
	memset(req->mem, FILL, req->mem_len);
	req->file = file;
	req->min_version = file->told;
	req->read.cookie = cookie;
	req->read.ops = &netfs_ops;
	req->read.netfs = file;
	req->read.pos = pos;
	req->read.file_size = file->size;
	req->read.buf = req->mem + req->guard;
	req->read.len = len;
	return req;
}

static void start_anywhere(void *arg)
{
	fsc_read_start(arg);
}

void netfs_read_start(struct netfs_read *req)
{
	req->over = false;
	if (sim_chance(3))
		sim_in_irq(start_anywhere, &req->read);
	else
		fsc_read_start(&req->read);
}

void netfs_read_join(struct netfs_read *req)
{
	while (!req->over)
		sim_sleep_us(50);
}

void netfs_read_run(struct netfs_read *req, bool wait)
{
	if (wait) {
		req->ret = fsc_read_wait(&req->read);
		req->over = true;
	} else {
		netfs_read_start(req);
		netfs_read_join(req);
	}
}

static bool may_be(struct netfs_read *req, uint64_t pos, uint8_t byte)
{
	for (uint32_t v = req->min_version; v <= req->file->version; v++)
		if (netfs_byte(req->file, v, pos) == byte)
			return true;
	return false;
}

/* Mostly it is all of one version, and that is found more quickly than byte by byte. */
static bool is_all_of(struct netfs_read *req, uint32_t version)
{
	uint8_t *bytes = malloc((size_t)req->ret + 1);
	bool same;

	fill(req->file, version, req->read.pos, bytes, (size_t)req->ret);
	same = memcmp(bytes, req->read.buf, (size_t)req->ret) == 0;
	free(bytes);
	return same;
}

static void wrong(struct netfs_read *req, uint64_t at, uint8_t byte)
{
	uint64_t pos = req->read.pos + at;
	uint32_t v = 1;

	/* A single byte fits a version by chance in one of 256 cases: eight in a row don't. */
	for (; v < req->file->version; v++) {
		int n = 0;

		while (n < 8 && at + (uint64_t)n < req->read.len &&
		       ((uint8_t *)req->read.buf)[at + (uint64_t)n] ==
			       netfs_byte(req->file, v, pos + (uint64_t)n))
			n++;
		if (n == 8)
			break;
	}
	sim_fail(SIM_BUG,
		 "file %u, read of %zu at %llu = %lld: byte %llu is %02x%s, looks like version %u of %u..%u",
		 req->file->id, req->read.len, (unsigned long long)req->read.pos,
		 (long long)req->ret, (unsigned long long)pos, byte,
		 byte == FILL ? " (never written)" : byte ? "" : " (zero)", v, req->min_version,
		 req->file->version);
}

void netfs_read_check(struct netfs_read *req)
{
	const uint8_t *buf = req->read.buf;
	uint64_t pos = req->read.pos, end = pos + req->read.len;
	uint64_t size = req->read.file_size < req->file->real_size ? req->read.file_size :
								    req->file->real_size;
	int64_t want;
	bool same;

	if (end > size)
		end = size;
	want = pos < end ? (int64_t)(end - pos) : 0;
	if (req->ret < 0)
		return; /* the caller knows whether that may be */
	if (req->ret != want && req->min_version == req->file->version)
		sim_fail(SIM_BUG, "file %u, read of %zu at %llu = %lld, not %lld", req->file->id,
			 req->read.len, (unsigned long long)pos, (long long)req->ret, (long long)want);
	same = is_all_of(req, req->file->version) || is_all_of(req, req->min_version);
	for (int64_t i = 0; !same && i < req->ret; i++)
		if (!may_be(req, pos + (uint64_t)i, buf[i]))
			wrong(req, (uint64_t)i, buf[i]);
	for (size_t i = 0; i < req->guard; i++)
		if (req->mem[i] != FILL)
			sim_fail(SIM_BUG, "%zu bytes before the buffer: written to", req->guard - i);
	for (size_t i = req->guard + req->read.len; i < req->mem_len; i++)
		if (req->mem[i] != FILL)
			sim_fail(SIM_BUG, "%zu bytes behind the buffer: written to",
				 i - req->guard - req->read.len);
}

void netfs_read_free(struct netfs_read *req)
{
	free(req->mem);
	free(req);
}

int64_t netfs_read_all(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		       size_t misalign, bool wait)
{
	struct netfs_read *req = netfs_read_new(file, cookie, pos, len, misalign);
	int64_t ret;

	netfs_read_run(req, wait);
	netfs_read_check(req);
	ret = req->ret;
	netfs_read_free(req);
	return ret;
}
