// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* fixture.c - see fixture.h. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "bits.h"

void remote_bytes(const struct netfs_file *file, uint32_t version, uint64_t pos, void *buf,
		  size_t len)
{
	uint64_t seed = ((uint64_t)file->id << 32 | version) * 0x9e3779b97f4a7c15ull, word = 0;
	uint8_t *out = buf;
	size_t part;

	for (; len; len -= part, out += part, pos += part) {
		part = len < sizeof(word) ? len : sizeof(word);
		word = (seed + pos) * 0xbf58476d1ce4e5b9ull;
		word = file->zeroes ? 0 : (word ^ word >> 29) | 1;
		memcpy(out, &word, part);
	}
}

struct phase {
	struct world *world;
	void (*fn)(struct world *w);
};

static void phase_main(void *arg)
{
	struct phase *phase = arg;

	netfs_init(&phase->world->net);
	phase->fn(phase->world);
}

static void two_runs(uint64_t seed, void (*first)(struct world *w), void (*second)(struct world *w))
{
	struct sim_opts quiet = { .quiet = true };
	struct world *w = calloc(1, sizeof(*w));
	struct phase phase = { w, first };

	w->store = simstore_create(NULL);
	if (sim_try(seed, &quiet, phase_main, &phase) != SIM_KILLED) {
		fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, sim_end_text());
		abort();
	}
	w->cache = NULL;
	w->vol = NULL;
	phase.fn = second;
	sim_run(seed, phase_main, &phase);
	simstore_destroy(w->store);
	free(w);
}

void each_seed_killed(uint64_t seeds, void (*first)(struct world *w),
		      void (*second)(struct world *w))
{
	const char *only = getenv("FSC_SEED");

	if (only) {
		two_runs(strtoull(only, NULL, 0), first, second);
		return;
	}
	for (uint64_t seed = 1; seed <= seeds; seed++)
		two_runs(seed, first, second);
}

/* --- Objects --------------------------------------------------------------------------------- */

int obj_try(struct world *w, const struct netfs_file *file, struct fsc_object **out)
{
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params p = netfs_params(file, key, coherency);

	return fsc_object_open(w->vol, p.key, p.coherency, p.size, out);
}

struct fsc_object *obj_open(struct world *w, const struct netfs_file *file)
{
	struct fsc_object *obj;

	CHECK_EQ(obj_try(w, file, &obj), 0);
	return obj;
}

void obj_close(struct fsc_object *obj)
{
	fsc_object_close(obj, NULL, false);
}

int obj_clear(struct fsc_object *obj, uint64_t pos, uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	int err = gen ? fsc_gen_clear(gen, pos, len) : -ENOBUFS;

	fsc_gen_put(gen);
	return err;
}

void obj_invalidate(struct fsc_object *obj, const struct netfs_file *file)
{
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params p = netfs_params(file, key, coherency);

	fsc_object_invalidate(obj, p.coherency, p.size);
}

int obj_commit(struct fsc_object *obj, const struct netfs_file *file)
{
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params p = netfs_params(file, key, coherency);

	return fsc_object_commit(obj, &p.coherency);
}

void obj_close_proven(struct fsc_object *obj, const struct netfs_file *file)
{
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params p = netfs_params(file, key, coherency);

	fsc_object_close(obj, &p.coherency, false);
}

/* --- Transfers ------------------------------------------------------------------------------- */

static void xfer_done(struct fsc_gio *gio, int64_t ret)
{
	struct xfer *x = (struct xfer *)gio;
	unsigned long irq = fsc_spin_lock(&x->lock);

	CHECK(!x->over);
	x->ret = ret;
	x->over = true;
	fsc_waitq_wake_all(&x->wait);
	fsc_spin_unlock(&x->lock, irq);
}

static bool xfer_is_over(void *arg)
{
	struct xfer *x = arg;
	unsigned long irq = fsc_spin_lock(&x->lock);
	bool over = x->over;

	fsc_spin_unlock(&x->lock, irq);
	return over;
}

struct xfer *xfer_new(struct fsc_gen *gen, uint64_t pos, uint64_t len)
{
	struct xfer *x = fsc_zalloc(sizeof(*x)); /* the run's, so that a kill takes it too */

	CHECK(x && gen);
	fsc_gen_get(gen);
	x->gio.gen = gen;
	x->gio.pos = pos;
	x->mem_len = (size_t)fsc_round_up(len ? len : 1, K);
	x->mem = fsc_io_alloc(x->mem_len);
	CHECK(x->mem);
	memset(x->mem, 0, x->mem_len);
	x->gio.buf = (struct fsc_buf){ .mem = x->mem, .len = x->mem_len };
	x->gio.done = xfer_done;
	x->gio.flags = sim_chance(2) ? FSC_IO_MAY_BLOCK : 0;
	fsc_spin_init(&x->lock, "xfer");
	fsc_waitq_init(&x->wait);
	fsc_gen_sample(&x->gio);
	return x;
}

void xfer_fill(struct xfer *x, const struct netfs_file *file)
{
	uint64_t pos = x->gio.pos;
	size_t len = x->mem_len;

	memset(x->mem, 0, len);
	if (pos < file->size)
		remote_bytes(file, file->version, pos, x->mem, fsc_min64(len, file->size - pos));
}

int xfer_prepare(struct xfer *x)
{
	return fsc_gen_store_prepare(&x->gio);
}

void xfer_store(struct xfer *x)
{
	fsc_gen_store(&x->gio);
}

void xfer_read(struct xfer *x)
{
	fsc_gen_read(&x->gio);
}

int64_t xfer_wait(struct xfer *x)
{
	unsigned long irq;

	fsc_waitq_wait(&x->wait, xfer_is_over, x);
	irq = fsc_spin_lock(&x->lock);
	fsc_spin_unlock(&x->lock, irq);
	return x->ret;
}

void xfer_free(struct xfer *x)
{
	fsc_gen_put(x->gio.gen);
	fsc_waitq_destroy(&x->wait);
	fsc_spin_destroy(&x->lock);
	fsc_io_free(x->mem, x->mem_len);
	fsc_free(x);
}

/* The first run that may be stored from @pos on. *@next: what lies behind it. */
static int64_t store_once(struct fsc_gen *gen, const struct netfs_file *file, uint64_t pos,
			  uint64_t end, uint64_t *next)
{
	struct xfer *x = xfer_new(gen, pos, end - pos);
	int64_t ret;

	xfer_fill(x, file);
	ret = xfer_prepare(x);
	if (!ret) {
		*next = x->gio.pos + x->gio.buf.len;
		xfer_store(x);
		ret = xfer_wait(x);
	}
	xfer_free(x);
	return ret;
}

int64_t store(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos, uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t end = fsc_round_up(pos + len, K);
	int64_t ret = 0, sum = 0;

	if (!gen)
		return -ENOBUFS;
	while (pos < end && ret >= 0) {
		ret = store_once(gen, file, pos, end, &pos);
		if (ret > 0)
			sum += ret;
	}
	fsc_gen_put(gen);
	return sum ? sum : ret;
}

int64_t store_all(struct fsc_object *obj, const struct netfs_file *file)
{
	return file->size ? store(obj, file, 0, file->size) : 0;
}

void remote_compare(const struct netfs_file *file, uint32_t version, uint64_t pos,
		    const uint8_t *have, size_t len)
{
	uint8_t want[K];
	size_t part, i;

	for (; len; len -= part, have += part, pos += part) {
		part = len < K ? len : K;
		remote_bytes(file, version, pos, want, part);
		if (!memcmp(have, want, part))
			continue;
		for (i = 0; have[i] == want[i]; i++)
			;
		sim_fail(SIM_BUG, "byte %llu of file %u is %02x, not %02x as in version %u",
			 (unsigned long long)(pos + i), file->id, have[i], want[i], version);
	}
}

void xfer_check(const struct xfer *x, const struct netfs_file *file)
{
	if (x->ret > 0)
		remote_compare(file, file->version, x->gio.pos, x->mem, (size_t)x->ret);
}

int64_t read_check(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos,
		   uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x;
	int64_t ret;

	if (!gen)
		return -ENOBUFS;
	x = xfer_new(gen, pos, len);
	xfer_read(x);
	ret = xfer_wait(x);
	xfer_check(x, file);
	xfer_free(x);
	fsc_gen_put(gen);
	return ret;
}

int64_t local_write(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos,
		    uint64_t len, bool keep)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t start = fsc_round_down(pos, K);
	struct xfer *x;
	int64_t ret;

	if (!gen)
		return -ENOBUFS;
	x = xfer_new(gen, start, pos + len - start);
	xfer_fill(x, file);
	x->gio.pos = pos;
	x->gio.buf.off = (size_t)(pos - start);
	x->gio.buf.len = (size_t)len;
	ret = fsc_gen_write_prepare(&x->gio, keep);
	if (!ret) {
		fsc_gen_write(&x->gio);
		ret = xfer_wait(x);
	}
	fsc_gen_write_answered(gen);
	xfer_free(x);
	fsc_gen_put(gen);
	return ret;
}

/* --- What is there --------------------------------------------------------------------------- */

bool present(struct fsc_object *obj, uint64_t pos)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t run;
	bool is = gen && fsc_gen_run(gen, pos, pos + 1, &run);

	fsc_gen_put(gen);
	return is;
}

uint64_t check_present(struct fsc_object *obj, const struct netfs_file *file)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	uint64_t pos, run, n = 0;

	for (pos = 0; gen && pos < file->size; pos = run) {
		if (!fsc_gen_run(gen, pos, file->size, &run))
			continue;
		run = fsc_min64(run, pos + MIB);
		CHECK_EQ(read_check(obj, file, pos, run - pos), run - pos);
		n += fsc_granules(run - pos);
	}
	fsc_gen_put(gen);
	return n;
}

/* --- Beginnings ----------------------------------------------------------------------------- */

enum fsc_fs_kind any_kind(void)
{
	return (enum fsc_fs_kind)sim_random(3);
}

struct fsc_object *full_object(struct world *w, const struct netfs_file *f)
{
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, f);
	store_all(obj, f);
	if (sim_chance(2)) {
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	} else {
		obj_close(obj);
		obj = obj_open(w, f);
	}
	CHECK_EQ(disk(w, f)->present, fsc_granules(f->size));
	return obj;
}

void fill(struct world *w, const struct netfs_file *file)
{
	struct fsc_object *obj = obj_open(w, file);

	store_all(obj, file);
	CHECK_EQ(check_present(obj, file), fsc_granules(file->size));
	obj_close(obj);
}

uint64_t found(struct world *w, const struct netfs_file *file)
{
	struct fsc_object *obj = obj_open(w, file);
	uint64_t n = check_present(obj, file);

	obj_close(obj);
	return n;
}
