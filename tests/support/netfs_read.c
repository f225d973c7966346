/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * netfs_read.c - a client's requests, and the look at what they brought: see netfs.h.
 *
 * When a byte is wrong the check looks which version (or a zero, or the pattern that buffers are
 * filled with) it could be from, as that is what one wants to know first.
 */
#include "netfs.h"

#include <stdlib.h>

#define FILL 0xa5
#define PAGE 4096

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
	req->read.ops = file->net->more ? &netfs_more_ops : &netfs_ops;
	req->read.netfs = file;
	req->read.pos = pos;
	req->read.file_size = file->size;
	if (file->zero_from < file->size)
		req->read.zero_tail = file->size - file->zero_from;
	req->buf = req->mem + req->guard;
	req->read.buf = req->buf;
	req->read.len = len;
	return req;
}

/* Each piece has a guard of its own: it is the caller's block of memory that it ends. */
void netfs_read_split(struct netfs_read *req, size_t max)
{
	size_t left = req->read.len;
	uint32_t nr = 0;

	req->iov = calloc(left + 1, sizeof(*req->iov));
	while (left) {
		size_t n = 1 + sim_random((uint32_t)(max < left ? max : left));

		if (sim_chance(2) && left >= PAGE && max >= PAGE)
			n = (n + PAGE - 1) / PAGE * PAGE;
		n = n < left ? n : left;
		req->iov[nr].base = aligned_alloc(PAGE, (n + 2 * PAGE) / PAGE * PAGE);
		memset(req->iov[nr].base, FILL, (n + 2 * PAGE) / PAGE * PAGE);
		/* Aligned, or at the end of its page. */
		if (n % PAGE && sim_chance(2))
			req->iov[nr].base = (uint8_t *)req->iov[nr].base + PAGE - n % PAGE;
		req->iov[nr++].len = n;
		left -= n;
	}
	req->read.buf = NULL;
	req->read.iov = req->iov;
	req->read.nr_iov = nr;
}

void netfs_read_lend(struct netfs_read *req)
{
	req->read.buf = NULL;
	req->read.flags |= FSC_READ_LEND;
}

void netfs_read_prefetch(struct netfs_read *req)
{
	req->read.buf = NULL;
	req->read.flags |= FSC_READ_PREFETCH;
}

void netfs_read_done(struct fsc_read *read, int64_t ret)
{
	struct netfs_read *req = (struct netfs_read *)(void *)((char *)read -
							       offsetof(struct netfs_read, read));

	if (req->over)
		sim_fail(SIM_BUG, "read_done was called twice");
	req->ret = ret;
	req->over = true;
	req->file->users--;
}

static void start_anywhere(void *arg)
{
	fsc_read_start(arg);
}

void netfs_read_start(struct netfs_read *req)
{
	req->over = false;
	req->file->users++;
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
		req->file->users++;
		req->ret = fsc_read_wait(&req->read);
		req->file->users--;
		req->over = true;
	} else {
		netfs_read_start(req);
		netfs_read_join(req);
	}
}

/* --- Looking at the bytes --------------------------------------------------------------------- */

/* Copy what came in pieces to where the rest looks at it; or, @again, compare. */
static void gather(struct netfs_read *req, bool again)
{
	const struct fsc_iovec *v = req->read.lent ? req->read.lent : req->read.iov;
	uint32_t nr = req->read.lent ? req->read.nr_lent : req->read.nr_iov;
	size_t at = 0;

	for (uint32_t i = 0; i < nr && at < (size_t)req->ret; i++) {
		size_t n = v[i].len < (size_t)req->ret - at ? v[i].len : (size_t)req->ret - at;

		if (req->read.lent && n != v[i].len)
			sim_fail(SIM_BUG, "lent more than the result");
		if (again && memcmp(req->buf + at, v[i].base, n))
			sim_fail(SIM_BUG, "file %u: what was lent has changed", req->file->id);
		memcpy(req->buf + at, v[i].base, n);
		at += n;
	}
	if (at != (size_t)req->ret)
		sim_fail(SIM_BUG, "%zu bytes lent of %lld", at, (long long)req->ret);
	req->gathered = true;
}

/* Nothing before or behind a piece was written to. */
static void check_pieces(struct netfs_read *req)
{
	for (uint32_t i = 0; i < req->read.nr_iov; i++) {
		struct fsc_iovec *v = &req->iov[i];
		uint8_t *page = (uint8_t *)((uintptr_t)v->base / PAGE * PAGE), *p;
		uint8_t *end = page + (v->len + 2 * PAGE) / PAGE * PAGE;

		for (p = page; p < end; p++)
			if (*p != FILL && (p < (uint8_t *)v->base || p >= (uint8_t *)v->base + v->len))
				sim_fail(SIM_BUG, "piece %u: written to outside of it", i);
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

	netfs_bytes(req->file, version, req->read.pos, bytes, (size_t)req->ret);
	same = memcmp(bytes, req->buf, (size_t)req->ret) == 0;
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
		       req->buf[at + (uint64_t)n] ==
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
	const uint8_t *buf = req->buf;
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
	if (req->read.flags & FSC_READ_PREFETCH)
		return;
	if (req->ret > 0 && !req->read.buf)
		gather(req, false);
	if (req->read.iov)
		check_pieces(req);
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
	if (req->over && req->read.lent) {
		if (req->gathered)
			gather(req, true);
		fsc_read_return(&req->read);
	}
	for (uint32_t i = 0; i < req->read.nr_iov; i++)
		free((void *)((uintptr_t)req->iov[i].base / PAGE * PAGE));
	free(req->iov);
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
