// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* remote.c - see faults.h: files on the server, and reads of them whose every byte is checked. */
#include <stdlib.h>
#include <string.h>

#include "faults.h"

#define FILL 0xa5
#define PAGE 4096u

/* --- Contents --------------------------------------------------------------------------------- */

static void stamp_bytes(const struct remote *f, uint32_t stamp, uint64_t pos, uint8_t *out,
			size_t len)
{
	uint64_t seed = ((uint64_t)f->id << 32 | stamp) * 0x9e3779b97f4a7c15ull, word;

	for (size_t n; len; len -= n, out += n, pos += n) {
		n = 8 - pos % 8 < len ? 8 - pos % 8 : len;
		if (f->holes && (pos / K) % 2) {
			memset(out, 0, n);
			continue;
		}
		/* Never zero. One multiplication a word: most of the time goes here. */
		word = (seed + pos / 8) * 0xbf58476d1ce4e5b9ull;
		word = (word ^ word >> 29) | 0x0101010101010101ull;
		word >>= pos % 8 * 8;
		if (n == 8)
			memcpy(out, &word, 8);
		else
			memcpy(out, &word, n);
	}
}

void remote_bytes(const struct remote *f, uint32_t version, uint64_t pos, void *buf, size_t len)
{
	const struct version *v = &f->v[version];

	stamp_bytes(f, v->stamp, pos, buf, len);
	for (uint32_t i = 0; i < v->nr_patches; i++) {
		const struct patch *p = &v->patch[i];
		uint64_t start = p->start > pos ? p->start : pos;
		uint64_t end = p->end < pos + len ? p->end : pos + len;

		if (start < end)
			stamp_bytes(f, p->stamp, start, (uint8_t *)buf + (start - pos),
				    (size_t)(end - start));
	}
}

void remote_next_bytes(const struct remote *f, uint64_t pos, void *buf, size_t len)
{
	stamp_bytes(f, (f->nr + 1) * 100, pos, buf, len);
}

struct remote *remote_add(struct room *r, uint64_t size)
{
	struct remote *f = r->file;

	while (f->id)
		f++;
	if (f == r->file + REMOTES_MAX - 1)
		abort();
	f->room = r;
	f->id = (uint32_t)(f - r->file) + 1;
	f->nr = 1;
	f->v[0] = (struct version){ .size = size, .coh = 1, .stamp = 1 };
	return f;
}

struct version *remote_now(struct remote *f)
{
	return &f->v[f->nr - 1];
}

static struct version *new_version(struct remote *f)
{
	struct version *v;

	CHECK(f->nr < VERSIONS_MAX);
	v = &f->v[f->nr];
	*v = f->v[f->nr - 1];
	f->nr++;
	v->coh++;
	return v;
}

void remote_change(struct remote *f, uint64_t size, bool same_coherency)
{
	struct version *v = new_version(f);

	v->coh -= same_coherency;
	v->stamp = f->nr * 100;
	v->nr_patches = 0;
	v->size = size;
}

void remote_patch(struct remote *f, uint64_t pos, uint64_t len)
{
	struct version *v = new_version(f);

	CHECK(v->nr_patches < PATCHES_MAX);
	v->patch[v->nr_patches++] = (struct patch){ pos, pos + len, f->nr * 100 };
	if (v->size < pos + len)
		v->size = pos + len;
}

void remote_resize(struct remote *f, uint64_t size)
{
	struct version *v = new_version(f);

	/* What is new are zeroes, which no stamp makes: so all of it is other bytes. */
	v->size = size;
}

struct fsc_cookie_params remote_params(const struct remote *f, uint32_t version,
				       uint8_t key[FSC_KEY_MAX], uint8_t coh[FSC_COHERENCY_MAX])
{
	struct fsc_cookie_params p = {
		.key = { key, f->key_len ? f->key_len : 8 },
		.coherency = { coh, f->coh_len ? f->coh_len : 8 },
		.size = f->v[version].size,
	};

	memset(key, 'k', FSC_KEY_MAX);
	memset(coh, 'c', FSC_COHERENCY_MAX);
	if (f->text_key) {
		key[0] = (uint8_t)('a' + f->id);
		key[1] = 'Z';
		key[2] = '9';
	} else {
		memcpy(key, &f->id, sizeof(f->id));
	}
	memcpy(coh, &f->v[version].coh, sizeof(f->v[version].coh));
	return p;
}

/* --- Answers ---------------------------------------------------------------------------------- */

struct answer {
	struct fsc_subreq *sreq;
	uint32_t version;
	bool later; /* the version that is there when it is sent */
	bool gone;  /* answered */
};

static void answer(struct fsc_subreq *sreq)
{
	struct remote *f = sreq->netfs;
	struct server *s = &f->room->server;
	struct answer *a = sreq->priv;
	uint32_t version = a->later ? f->nr - 1 : a->version;
	uint64_t size = f->real_size ? f->real_size : f->v[version].size;
	uint64_t left = sreq->pos < size ? size - sreq->pos : 0;
	int64_t n = (int64_t)(left < sreq->len ? left : sreq->len);

	a->gone = true;
	s->answers++;
	if (s->error_every && s->answers % s->error_every == 0) {
		s->errors++;
		fsc_subreq_done(sreq, -EREMOTEIO);
		return;
	}
	if (n > 1 && s->short_every && s->answers % s->short_every == 0)
		n /= 2;
	remote_bytes(f, version, sreq->pos, sreq->buf, (size_t)n);
	fsc_subreq_done(sreq, n);
}

static void answer_irq(void *arg)
{
	answer(arg);
}

void server_release(struct room *r)
{
	uint32_t nr = r->server.nr_held;

	r->server.hold = false;
	r->server.nr_held = 0;
	for (uint32_t i = 0; i < nr; i++)
		if (r->server.held[i])
			answer(r->server.held[i]);
}

static size_t read_max(struct fsc_read *read)
{
	struct remote *f = read->netfs;

	return f->room->server.read_max ? f->room->server.read_max : SIZE_MAX;
}

static void issue_read(struct fsc_subreq *sreq)
{
	struct remote *f = sreq->netfs;
	struct server *s = &f->room->server;
	struct answer *a = sreq->priv;

	CHECK(!a->sreq && sreq->len && (!s->read_max || sreq->len <= s->read_max));
	a->sreq = sreq;
	a->version = f->nr - 1;
	a->later = sim_chance(2);
	if (s->hold) {
		CHECK(s->nr_held < 64);
		s->held[s->nr_held++] = sreq;
	} else if (sim_chance(5)) {
		answer(sreq);
	} else {
		sim_irq(answer_irq, sreq, sim_random(2000) + 1);
	}
}

/* Of those that are held; the others are on their way. */
static void cancel_read(struct fsc_subreq *sreq)
{
	struct remote *f = sreq->netfs;
	struct server *s = &f->room->server;
	struct answer *a = sreq->priv;

	for (uint32_t i = 0; !a->gone && i < s->nr_held; i++) {
		if (s->held[i] != sreq)
			continue;
		s->held[i] = NULL;
		a->gone = true;
		fsc_subreq_done(sreq, -ECANCELED);
		return;
	}
}

/* --- Requests --------------------------------------------------------------------------------- */

struct req {
	struct fsc_read read;
	struct room *room;
	struct remote *f;
	uint32_t min; /* the oldest version that it may see */
	bool over, cancelled;
	int64_t ret;
	uint8_t *mem; /* with guards before and behind what is read into */
	size_t mem_len, guard;
};

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct req *req = (struct req *)(void *)((char *)read - offsetof(struct req, read));

	if (req->over)
		sim_fail(SIM_BUG, "read_done was called twice");
	req->ret = ret;
	req->over = true;
}

const struct fsc_netfs_ops remote_ops = {
	.subreq_size = sizeof(struct answer),
	.read_max = read_max,
	.issue_read = issue_read,
	.cancel_read = cancel_read,
	.read_done = read_done,
	.write_max = file_write_max,
	.issue_write = file_issue_write,
	.write_done = file_write_done,
};

static struct req *req_new(struct room *r, struct remote *f, struct fsc_cookie *cookie,
			   uint64_t pos, size_t len, size_t misalign)
{
	struct req *req = room_alloc(r, sizeof(*req), 16);

	req->room = r;
	req->f = f;
	req->min = f->told;
	req->guard = PAGE + misalign;
	req->mem_len = (req->guard + len + 2 * PAGE) / PAGE * PAGE;
	req->mem = room_alloc(r, req->mem_len, PAGE);
	memset(req->mem, FILL, req->mem_len);
	req->read = (struct fsc_read){
		.cookie = cookie, .ops = &remote_ops, .netfs = f, .pos = pos,
		.file_size = remote_now(f)->size, .buf = req->mem + req->guard, .len = len,
	};
	return req;
}

static void start_anywhere(void *arg)
{
	fsc_read_start(arg);
}

struct req *req_start(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		      size_t len)
{
	return req_start_how(r, f, cookie, pos, len, 0, NULL);
}

struct req *req_start_how(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
			  size_t len, uint32_t flags, struct fsc_pattern *pattern)
{
	struct req *req = req_new(r, f, cookie, pos, len, 0);

	req->read.flags = flags;
	req->read.pattern = pattern;
	if (flags)
		req->read.buf = NULL;
	if (sim_chance(3))
		sim_in_irq(start_anywhere, &req->read);
	else
		fsc_read_start(&req->read);
	return req;
}

/* The length that is right with @version on the server. */
static int64_t length_at(const struct req *req, uint32_t version)
{
	uint64_t size = req->f->real_size ? req->f->real_size : req->f->v[version].size;
	uint64_t end = req->read.pos + req->read.len;

	if (size > req->read.file_size)
		size = req->read.file_size;
	if (end > size)
		end = size;
	return req->read.pos < end ? (int64_t)(end - req->read.pos) : 0;
}

static bool length_is_good(const struct req *req)
{
	for (uint32_t v = req->min; v < req->f->nr; v++)
		if (req->ret == length_at(req, v))
			return true;
	return false;
}

/* No memory for the request itself is the one thing of ours that a read may fail for. */
static bool may_fail(struct req *req)
{
	struct room *r = req->room;
	const struct plan *p = &r->plan;

	if (req->ret == -EREMOTEIO && r->server.errors)
		return true;
	if (req->ret == -ECANCELED)
		return req->cancelled;
	if (req->ret != -ENOMEM || p->kind != KIND_ALLOC || !p->nth || !p->armed)
		return false;
	return ++r->no_memory <= 1 || p->mode != FAULT_ONE;
}

/* Is it all of one version? Mostly; else @good gets the bytes that are of @version. */
static bool is_all_of(const struct req *req, uint32_t version, uint8_t *want, uint8_t *good)
{
	const uint8_t *have = req->mem + req->guard;
	size_t len = (size_t)req->ret;

	remote_bytes(req->f, version, req->read.pos, want, len);
	if (!memcmp(want, have, len))
		return true;
	for (size_t i = 0; i < len; i++)
		good[i] |= want[i] == have[i];
	return false;
}

static void compare(struct req *req)
{
	const uint8_t *have = req->mem + req->guard;
	size_t len = (size_t)req->ret, bad = 0;
	uint8_t *want = malloc(len + 1), *good = calloc(1, len + 1);
	bool all = false;

	for (uint32_t v = req->f->nr; !all && v-- > req->min; )
		all = is_all_of(req, v, want, good);
	while (!all && bad < len && good[bad])
		bad++;
	free(want);
	free(good);
	if (!all && bad < len)
		sim_fail(SIM_BUG,
			 "file %u, read of %zu at %llu: byte %llu is %02x%s, in none of %u..%u",
			 req->f->id, req->read.len, (unsigned long long)req->read.pos,
			 (unsigned long long)(req->read.pos + bad), have[bad],
			 have[bad] == FILL ? " (never written)" : have[bad] ? "" : " (zero)",
			 req->min, req->f->nr - 1);
}

static void check_guard(const uint8_t *mem, size_t len)
{
	if (len && (mem[0] != FILL || memcmp(mem, mem + 1, len - 1)))
		sim_fail(SIM_BUG, "a byte beside a read's buffer was written to");
}

/* Copy what was lent to where the rest looks at it; or, @again, compare. */
static void look_at_lent(struct req *req, bool again)
{
	uint8_t *to = req->mem + req->guard;
	size_t at = 0;

	for (uint32_t i = 0; i < req->read.nr_lent; i++) {
		const struct fsc_iovec *v = &req->read.lent[i];

		CHECK(at + v->len <= (size_t)req->ret);
		if (again && memcmp(to + at, v->base, v->len))
			sim_fail(SIM_BUG, "a buffer has changed while it was lent");
		memcpy(to + at, v->base, v->len);
		at += v->len;
	}
	CHECK_EQ(at, req->ret);
}

static void req_check(struct req *req)
{
	struct room *r = req->room;

	r->reads++;
	r->reads_under_fault += r->plan.armed && r->plan.injected;
	if (req->ret < 0) {
		if (!may_fail(req))
			sim_fail(SIM_BUG, "file %u, read of %zu at %llu failed with %lld",
				 req->f->id, req->read.len, (unsigned long long)req->read.pos,
				 (long long)req->ret);
		return;
	}
	if (req->read.flags & FSC_READ_PREFETCH) {
		CHECK(req->ret <= (int64_t)req->read.len);
		return;
	}
	if (req->read.flags & FSC_READ_LEND)
		look_at_lent(req, false);
	if (!length_is_good(req))
		sim_fail(SIM_BUG, "file %u, read of %zu at %llu gave %lld bytes, not %lld",
			 req->f->id, req->read.len, (unsigned long long)req->read.pos,
			 (long long)req->ret, (long long)length_at(req, req->f->nr - 1));
	compare(req);
	check_guard(req->mem, req->guard);
	check_guard(req->mem + req->guard + req->read.len,
		    req->mem_len - req->guard - req->read.len);
}

void req_free(struct req *req)
{
	if (req->read.lent) {
		look_at_lent(req, true);
		fsc_read_return(&req->read);
	}
	room_free(req->room, req->mem);
	room_free(req->room, req);
}

void req_join(struct req *req)
{
	while (!req->over)
		sim_sleep_us(100);
	req_check(req);
}

void req_end(struct req *req)
{
	req_join(req);
	req_free(req);
}

static void cancel_anywhere(void *arg)
{
	fsc_read_cancel(arg);
}

void req_cancel(struct req *req)
{
	if (req->over)
		return;
	req->cancelled = true;
	if (sim_chance(2))
		sim_in_irq(cancel_anywhere, &req->read);
	else
		fsc_read_cancel(&req->read);
}

int64_t read_odd(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		 size_t len, size_t misalign)
{
	struct req *req = req_new(r, f, cookie, pos, len, misalign);
	int64_t ret = fsc_read_wait(&req->read);

	req->ret = ret;
	req->over = true;
	req_check(req);
	req_free(req);
	return ret;
}

int64_t read_some(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		  size_t len)
{
	struct req *req = req_start(r, f, cookie, pos, len);
	int64_t ret;

	while (!req->over)
		sim_sleep_us(100);
	ret = req->ret;
	req_end(req);
	return ret;
}

int64_t read_all(struct room *r, struct remote *f, struct fsc_cookie *cookie)
{
	uint64_t size = remote_now(f)->size;

	if (f->sparse) {
		read_odd(r, f, cookie, size - size % K - 4 * K, 4 * K, 0);
		return read_odd(r, f, cookie, 0, 4 * K, 0);
	}
	return read_odd(r, f, cookie, 0, (size_t)((size + K - 1) / K * K), 0);
}
