// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * local.c - see faults.h: what a client does that works with objects itself, as one in the kernel
 * does: stores, reads, local writes with the proof that nobody else writes, resizes.
 */
#include <stdlib.h>
#include <string.h>

#include "faults.h"

struct fsc_object *obj_open(struct room *r, struct remote *f)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params p = remote_params(f, f->nr - 1, key, coh);
	struct fsc_object *obj;

	f->told = f->nr - 1;
	return fsc_object_open(r->vol, p.key, p.coherency, p.size, &obj) ? NULL : obj;
}

void obj_close(struct room *r, struct fsc_object *obj, struct remote *f, bool proven)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params p = remote_params(f, f->nr - 1, key, coh);

	(void)r;
	fsc_object_close(obj, proven ? &p.coherency : NULL, false);
}

int obj_commit(struct room *r, struct fsc_object *obj, struct remote *f, bool proven)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params p = remote_params(f, f->nr - 1, key, coh);

	(void)r;
	return obj ? fsc_object_commit(obj, proven ? &p.coherency : NULL) : -ENOBUFS;
}

void obj_invalidate(struct room *r, struct fsc_object *obj, struct remote *f)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params p = remote_params(f, f->nr - 1, key, coh);

	(void)r;
	if (obj)
		fsc_object_invalidate(obj, p.coherency, p.size);
	f->told = f->nr - 1;
}

int obj_resize(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t size)
{
	int err = obj ? fsc_object_resize(obj, size) : -ENOBUFS;

	(void)r;
	remote_resize(f, size);
	f->told = f->nr - 1;
	return err;
}

int obj_clear(struct fsc_object *obj, uint64_t pos, uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	int err = gen ? fsc_gen_clear(gen, pos, len) : -ENOBUFS;

	fsc_gen_put(gen);
	return err;
}

uint64_t obj_present(struct fsc_object *obj, uint64_t size)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t pos, run, n = 0;

	for (pos = 0; gen && pos < size; pos = run)
		if (fsc_gen_run(gen, pos, size, &run))
			n += run - pos;
	fsc_gen_put(gen);
	return n;
}

/* --- Transfers -------------------------------------------------------------------------------- */

struct xfer {
	struct fsc_gio gio;
	struct room *room;
	bool over;
	int64_t ret;
	uint8_t *mem;
	size_t mem_len;
};

static void xfer_done(struct fsc_gio *gio, int64_t ret)
{
	struct xfer *x = (struct xfer *)gio;

	CHECK(!x->over);
	x->ret = ret;
	x->over = true;
}

/* Of the granules from @pos to @pos + @len, with its change counter sampled. */
static struct xfer *xfer_new(struct room *r, struct fsc_gen *gen, uint64_t pos, uint64_t len)
{
	struct xfer *x = room_alloc(r, sizeof(*x), 16);

	x->room = r;
	x->mem_len = (size_t)((len + K - 1) / K * K);
	x->mem = room_alloc(r, x->mem_len, K);
	x->gio.gen = gen;
	x->gio.pos = pos;
	x->gio.buf = (struct fsc_buf){ .mem = x->mem, .len = x->mem_len };
	x->gio.done = xfer_done;
	x->gio.flags = sim_chance(2) ? FSC_IO_MAY_BLOCK : 0;
	fsc_gen_sample(&x->gio);
	return x;
}

/* Bytes of the file as it is, zeroes behind its end. */
static void xfer_fill(struct xfer *x, const struct remote *f, uint64_t pos)
{
	uint64_t size = f->v[f->nr - 1].size, left = pos < size ? size - pos : 0;

	memset(x->mem, 0, x->mem_len);
	remote_bytes(f, f->nr - 1, pos, x->mem, left < x->mem_len ? (size_t)left : x->mem_len);
}

static int64_t xfer_wait(struct xfer *x)
{
	while (!x->over)
		sim_sleep_us(100);
	return x->ret;
}

static void xfer_free(struct xfer *x)
{
	room_free(x->room, x->mem);
	room_free(x->room, x);
}

static bool is_zero(const struct xfer *x)
{
	const uint8_t *mem = (const uint8_t *)x->gio.buf.mem + x->gio.buf.off;

	return !mem[0] && !memcmp(mem, mem + 1, x->gio.buf.len - 1);
}

/* The first run that may be stored from @pos on. *@next: what lies behind it. */
static int64_t store_once(struct room *r, struct fsc_gen *gen, struct remote *f, uint64_t pos,
			  uint64_t end, uint64_t *next)
{
	struct xfer *x = xfer_new(r, gen, pos, end - pos);
	int64_t ret;

	xfer_fill(x, f, pos);
	ret = fsc_gen_store_prepare(&x->gio);
	if (!ret) {
		*next = x->gio.pos + x->gio.buf.len;
		if (is_zero(x))
			fsc_gen_store_zero(&x->gio);
		else
			fsc_gen_store(&x->gio);
		ret = xfer_wait(x);
	}
	xfer_free(x);
	return ret;
}

int64_t obj_store(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		  uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t end = (pos + len + K - 1) / K * K;
	int64_t ret = 0, sum = 0;

	if (!gen)
		return -ENOBUFS;
	while (pos < end && ret >= 0) {
		ret = store_once(r, gen, f, pos, end, &pos);
		if (ret > 0)
			sum += ret;
	}
	fsc_gen_put(gen);
	return sum ? sum : ret;
}

int64_t obj_read(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		 uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x;
	uint8_t *want;
	int64_t ret;

	if (!gen)
		return -ENOBUFS;
	x = xfer_new(r, gen, pos, len);
	fsc_gen_read(&x->gio);
	ret = xfer_wait(x);
	r->reads++;
	r->reads_under_fault += r->plan.armed && r->plan.injected;
	if (ret > 0) {
		want = malloc((size_t)ret);
		remote_bytes(f, f->nr - 1, pos, want, (size_t)ret);
		if (memcmp(want, x->mem, (size_t)ret))
			sim_fail(SIM_BUG, "file %u: an object's read of %lld at %llu: wrong bytes",
				 f->id, (long long)ret, (unsigned long long)pos);
		free(want);
	}
	xfer_free(x);
	fsc_gen_put(gen);
	return ret;
}

/* What lies beside the write isn't the client's to say: rubbish, but for zeroes behind the end. */
static void fill_written(struct xfer *x, const struct remote *f, uint64_t pos, uint64_t len)
{
	uint64_t start = pos / K * K, end = pos - start + len;

	xfer_fill(x, f, start);
	memset(x->mem, 0xee, (size_t)(pos - start));
	if (pos + len < f->v[f->nr - 1].size)
		memset(x->mem + end, 0xee, x->mem_len - (size_t)end);
}

static struct xfer *write_new(struct room *r, struct fsc_gen *gen, struct remote *f, uint64_t pos,
			      uint64_t len)
{
	uint64_t start = pos / K * K;
	struct xfer *x = xfer_new(r, gen, start, pos + len - start);

	x->gio.pos = pos;
	x->gio.buf.off = (size_t)(pos - start);
	x->gio.buf.len = (size_t)len;
	/* Whoever writes up to the end of the file has zeroes behind it. */
	if (pos + len >= remote_now(f)->size)
		x->gio.buf.len = (size_t)(x->mem_len - (pos - start));
	return x;
}

/* The current generation is prepared; where that puts another in its place (it was lent), that one
 * is as well. */
static int64_t write_prepare(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
			     uint64_t len, bool keep)
{
	struct fsc_gen *gen = fsc_object_gen(obj), *next;
	struct xfer *x;
	int64_t ret;

	if (!gen) {
		remote_patch(f, pos, len);
		return -ENOBUFS;
	}
	x = write_new(r, gen, f, pos, len);
	ret = fsc_gen_write_prepare(&x->gio, keep);
	next = fsc_object_gen(obj);
	fsc_gen_put(next);
	if (next && next != gen) {
		CHECK(ret == -ENOBUFS);
		ret = write_prepare(r, obj, f, pos, len, keep);
	} else {
		remote_patch(f, pos, len);
		if (!ret) {
			fill_written(x, f, pos, len);
			fsc_gen_write(&x->gio);
			ret = xfer_wait(x);
		}
	}
	fsc_gen_write_answered(gen);
	xfer_free(x);
	fsc_gen_put(gen);
	return ret;
}

int64_t obj_write(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		  uint64_t len, bool keep)
{
	int64_t ret = write_prepare(r, obj, f, pos, len, keep);

	f->told = f->nr - 1;
	return ret;
}
