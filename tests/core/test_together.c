// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_together.c - changes, reads and stores at the same time: nobody may be given what was true
 * before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

/* --- Together -------------------------------------------------------------------------------- */

static void reader_task(void *arg)
{
	struct xfer *x = arg;

	xfer_read(x);
	xfer_wait(x);
}

enum change { WRITE, WRITE_KEEP, CLEAR, SHRINK, GROW, CHANGES };

/* A read overlaps a change of its range: it fails, or it was over before. */
static void read_meets(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(CHANGES + 1);
	struct fsc_object *obj = full_object(w, &f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x = xfer_new(gen, 0, 20 * K);
	bool before;
	sim_task_id task;

	task = sim_spawn(reader_task, x);
	sim_sleep_us(sim_random(3000));
	before = x->over;
	f.version++;
	switch (what) {
	case WRITE:
	case WRITE_KEEP:
		local_write(obj, &f, 3 * K, 2 * K, what == WRITE_KEEP);
		break;
	case CLEAR:
		CHECK_EQ(obj_clear(obj, 3 * K, 2 * K), 0);
		break;
	case SHRINK:
	case GROW:
		CHECK_EQ(fsc_object_resize(obj, what == SHRINK ? 10 * K : 30 * K), 0);
		break;
	default:
		obj_invalidate(obj, &f);
		break;
	}
	sim_join(task);
	if (before)
		CHECK_EQ(x->ret, 20 * K);
	/* Had it begun only after the change, it would have found less, or another generation. */
	CHECK(x->ret == 20 * (int64_t)K || x->ret == -ESTALE || x->ret == -ENODATA);
	xfer_check(x, &old);
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_read_that_meets_a_change_says_so(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, read_meets);
}

static bool has_landed(struct world *w, uint64_t pos, uint64_t len)
{
	const struct simstore_record *log;
	size_t n, i;

	log = simstore_log(w->store, &n);
	for (i = 0; i < n; i++)
		if (log[i].op == SIMOP_WRITE_DONE && log[i].pos == pos && log[i].len == len)
			return true;
	return false;
}

static void store_meets(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	enum change what = (enum change)sim_random(3);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x, *y;
	bool over;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 0, 10 * K);
	xfer_fill(x, &old);
	CHECK_EQ(xfer_prepare(x), 0);
	xfer_store(x);
	over = x->over;
	f.version++;
	if (what == CLEAR)
		CHECK_EQ(obj_clear(obj, 3 * K, 2 * K), 0);
	else
		local_write(obj, &f, 3 * K, 2 * K, what == WRITE_KEEP);
	/* Its write may still land: until it is over nothing else is stored there. */
	y = xfer_new(gen, 0, 10 * K);
	xfer_fill(y, &f);
	if (!xfer_prepare(y)) {
		CHECK(has_landed(w, 0, 10 * K));
		fsc_gen_store_cancel(&y->gio);
	}
	xfer_free(y);
	if (xfer_wait(x) == -ESTALE)
		CHECK(!over && !present(obj, 0) && !present(obj, 9 * K));
	if (what == WRITE_KEEP && present(obj, 3 * K))
		CHECK_EQ(read_check(obj, &f, 3 * K, 2 * K), 2 * K);
	else
		CHECK(!present(obj, 3 * K) && !present(obj, 4 * K));
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_voided_store_marks_nothing_and_blocks_its_range(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, store_meets);
}

/*
 * All at once, against a server that knows for each granule the version that was answered last, and
 * the last that was sent. A read must give something in between. And since the coherency data never
 * change here, the same holds for what is found after a kill.
 */
#define TORTURE_GRANULES 24

static struct torture {
	struct world *w;
	struct netfs_file f;
	struct fsc_object *obj;
	uint32_t acked[TORTURE_GRANULES], latest[TORTURE_GRANULES], applied[TORTURE_GRANULES];
	bool writing[TORTURE_GRANULES];
	uint32_t version;
	bool stop;
} t;

static void some_range(uint64_t *start, uint64_t *n)
{
	*start = sim_random(TORTURE_GRANULES);
	*n = 1 + sim_random((uint32_t)fsc_min64(6, TORTURE_GRANULES - *start));
}

static void fill_versions(uint8_t *mem, uint64_t start, uint64_t n, const uint32_t *version)
{
	for (uint64_t g = start; g < start + n; g++)
		remote_bytes(&t.f, version[g], g * K, mem + (g - start) * K, K);
}

static void check_versions(const uint8_t *mem, uint64_t start, uint64_t n, const uint32_t *least)
{
	uint8_t want[K];
	uint64_t g;
	uint32_t v;

	for (g = start; g < start + n; g++) {
		for (v = least[g]; v <= t.latest[g]; v++) {
			remote_bytes(&t.f, v, g * K, want, K);
			if (!memcmp(mem + (g - start) * K, want, K))
				break;
		}
		if (v > t.latest[g])
			sim_fail(SIM_BUG, "granule %llu is of no version from %u to %u",
				 (unsigned long long)g, least[g], t.latest[g]);
	}
}

static void torture_read(struct fsc_gen *gen)
{
	uint32_t least[TORTURE_GRANULES];
	uint64_t start, n;
	struct xfer *x;

	some_range(&start, &n);
	memcpy(least, t.acked, sizeof(least));
	x = xfer_new(gen, start * K, n * K);
	xfer_read(x);
	if (xfer_wait(x) > 0)
		check_versions(x->mem, start, n, least);
	xfer_free(x);
}

static void torture_store(struct fsc_gen *gen)
{
	uint64_t start, n;
	struct xfer *x;

	some_range(&start, &n);
	x = xfer_new(gen, start * K, n * K);
	sim_sleep_us(sim_random(2000));
	fill_versions(x->mem, start, n, t.applied); /* the server read */
	sim_sleep_us(sim_random(2000));
	if (!xfer_prepare(x)) {
		xfer_store(x);
		xfer_wait(x);
	}
	xfer_free(x);
}

static void torture_write(struct fsc_gen *gen)
{
	uint64_t start, n, g;
	struct xfer *x;
	int err;

	some_range(&start, &n);
	for (g = start; g < start + n; g++)
		if (t.writing[g])
			return; /* whoever writes twice at a time has to order that himself */
	t.version++;
	for (g = start; g < start + n; g++) {
		t.writing[g] = true;
		t.latest[g] = t.version;
	}
	x = xfer_new(gen, start * K, n * K);
	fill_versions(x->mem, start, n, t.latest);
	err = fsc_gen_write_prepare(&x->gio, sim_chance(2));
	sim_sleep_us(sim_random(2000));
	for (g = start; g < start + n; g++)
		t.applied[g] = t.latest[g];
	if (!err) {
		fsc_gen_write(&x->gio);
		xfer_wait(x);
	}
	sim_sleep_us(sim_random(2000));
	fsc_gen_write_answered(gen);
	for (g = start; g < start + n; g++) {
		t.acked[g] = t.latest[g];
		t.writing[g] = false;
	}
	xfer_free(x);
}

static void torture_task(void *arg)
{
	struct fsc_gen *gen;

	(void)arg;
	for (int i = 0; i < 12 && !t.stop; i++) {
		gen = fsc_object_gen(t.obj);
		if (!gen)
			return;
		switch (sim_random(4)) {
		case 0:
			torture_write(gen);
			break;
		case 1:
			torture_store(gen);
			break;
		default:
			torture_read(gen);
			break;
		}
		fsc_gen_put(gen);
		sim_sleep_us(sim_random(1000));
	}
}

/* Calls on the object itself are kept apart. */
static void torture_owner(void *arg)
{
	uint64_t start, n;

	(void)arg;
	for (int i = 0; i < 10 && !t.stop; i++) {
		some_range(&start, &n);
		switch (sim_random(6)) {
		case 0:
			obj_clear(t.obj, start * K, n * K);
			break;
		case 1:
			obj_commit(t.obj, &t.f);
			break;
		case 2:
			fsc_object_commit(t.obj, NULL);
			break;
		case 3:
			simstore_fail(t.w->store, SIMOP_XATTR_SET, 0, 1, -ENOSPC);
			break;
		case 4:
			simstore_fail(t.w->store, SIMOP_SYNC, 0, 1, -EIO);
			break;
		default:
			sim_sleep_ms(sim_random(1000));
			break;
		}
		sim_sleep_us(sim_random(5000));
	}
}

static void torture_begin(struct world *w)
{
	memset(&t, 0, sizeof(t));
	t.w = w;
	t.f = (struct netfs_file)REMOTE(7, TORTURE_GRANULES * K);
	t.version = 1;
	for (int g = 0; g < TORTURE_GRANULES; g++)
		t.acked[g] = t.latest[g] = t.applied[g] = 1;
	w->backend.kind = any_kind();
	w->backend.ids_known = true;
	w->backend.short_one_in = sim_random(4);
	w->backend.io_align = sim_chance(2) ? 512 : 4096; /* what a kill may tear */
	w->params.save_ms = 1 + sim_random(20);
	w->params.max_errors = 1000;
	world_open(w);
	t.obj = obj_open(w, &t.f);
	store(t.obj, &t.f, 0, sim_random(TORTURE_GRANULES) * K + 1);
	fsc_object_commit(t.obj, NULL);
}

static void torture_found(struct world *w)
{
	struct fsc_object *obj = obj_open(w, &t.f);
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x;

	for (uint64_t g = 0; g < TORTURE_GRANULES; g++) {
		x = xfer_new(gen, g * K, K);
		xfer_read(x);
		if (xfer_wait(x) > 0)
			check_versions(x->mem, g, 1, t.acked);
		xfer_free(x);
	}
	fsc_gen_put(gen);
	obj_close(obj);
}

static void torture(struct world *w)
{
	sim_task_id task[7];
	int i;

	torture_begin(w);
	for (i = 0; i < 7; i++)
		task[i] = sim_spawn(i ? torture_task : torture_owner, NULL);
	for (i = 0; i < 7; i++)
		sim_join(task[i]);
	if (sim_chance(2))
		obj_close_proven(t.obj, &t.f);
	else
		obj_close(t.obj);
	for (i = 0; i < SIMOP_COUNT; i++)
		simstore_fail(w->store, (enum simstore_op)i, 0, 0, 0);
	torture_found(w);
}

static void reads_writes_stores_and_punches_at_once_give_right_bytes(void **state)
{
	(void)state;
	each_seed(5 * SEEDS, torture);
}

static void torture_killed(struct world *w)
{
	torture_begin(w);
	for (int i = 0; i < 7; i++)
		sim_spawn(i ? torture_task : torture_owner, NULL);
	sim_sleep_us(sim_random(sim_chance(2) ? 10000 : 100000));
	sim_kill();
}

static void torture_after_kill(struct world *w)
{
	for (int i = 0; i < SIMOP_COUNT; i++)
		simstore_fail(w->store, (enum simstore_op)i, 0, 0, 0);
	w->backend.ids_known = true;
	world_open(w);
	torture_found(w);
	world_close(w);
}

static void what_a_kill_leaves_has_no_stale_bytes(void **state)
{
	(void)state;
	each_seed_killed(5 * SEEDS, torture_killed, torture_after_kill);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_that_meets_a_change_says_so),
		cmocka_unit_test(a_voided_store_marks_nothing_and_blocks_its_range),
		cmocka_unit_test(reads_writes_stores_and_punches_at_once_give_right_bytes),
		cmocka_unit_test(what_a_kill_leaves_has_no_stale_bytes),
	};

	return RUN_TESTS(tests);
}
