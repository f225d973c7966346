// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_store.c - keeping bytes of the server: what may be stored, what a completion marks. And
 * reads of what is present.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

/* --- What may be stored ---------------------------------------------------------------------- */

static void expect_run(struct xfer *x, uint64_t start, uint64_t end)
{
	CHECK_EQ(x->gio.pos, start);
	CHECK_EQ(x->gio.buf.len, end - start);
}

static void trimming(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K + 100);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *flying, *x;
	uint8_t *at;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	store(obj, &f, 0, 2 * K);
	flying = xfer_new(gen, 4 * K, 2 * K);
	xfer_fill(flying, &f);
	CHECK_EQ(xfer_prepare(flying), 0);

	x = xfer_new(gen, 0, 20 * K + 100); /* 0-2 present, 4-6 under way */
	at = x->mem;
	xfer_fill(x, &f);
	CHECK_EQ(xfer_prepare(x), 0);
	expect_run(x, 2 * K, 4 * K);
	CHECK((uint8_t *)x->gio.buf.mem + x->gio.buf.off == at + 2 * K);
	xfer_store(x);
	CHECK_EQ(xfer_wait(x), 2 * K);
	xfer_free(x);

	x = xfer_new(gen, 0, 2 * K);
	CHECK_EQ(xfer_prepare(x), -ENODATA);
	xfer_free(x);
	x = xfer_new(gen, 4 * K, 2 * K);
	CHECK_EQ(xfer_prepare(x), -EBUSY);
	xfer_free(x);
	x = xfer_new(gen, 2 * K, 18 * K);
	xfer_fill(x, &f);
	CHECK_EQ(xfer_prepare(x), 0);
	expect_run(x, 6 * K, 20 * K);
	fsc_gen_store_cancel(&x->gio);
	xfer_free(x);
	x = xfer_new(gen, 6 * K, 20 * K); /* far beyond the end */
	xfer_fill(x, &f);
	CHECK_EQ(xfer_prepare(x), 0);
	expect_run(x, 6 * K, 21 * K);
	xfer_store(x);
	CHECK_EQ(xfer_wait(x), 15 * K);
	xfer_free(x);
	x = xfer_new(gen, 21 * K, K);
	CHECK_EQ(xfer_prepare(x), -ENOBUFS);
	xfer_free(x);

	xfer_store(flying);
	CHECK_EQ(xfer_wait(flying), 2 * K);
	xfer_free(flying);
	CHECK(fsc_gen_complete(gen));
	fsc_gen_put(gen);
	CHECK_EQ(check_present(obj, &f), 21);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 21);
	CHECK_EQ(world_stats(w).cache_write_bytes, 21 * K);
}

static void prepare_trims_to_what_is_neither_present_nor_under_way(void **state)
{
	(void)state;
	each_seed(SEEDS, trimming);
}

static void many_at_once_task(void *arg)
{
	struct xfer *x = arg;

	if (xfer_prepare(x)) {
		x->over = true;
	} else {
		xfer_store(x);
		xfer_wait(x);
	}
}

static void many_at_once(struct world *w)
{
	struct netfs_file f = REMOTE(7, 64 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x[12];
	sim_task_id task[12];
	int i;

	w->backend.short_one_in = 3;
	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	for (i = 0; i < 12; i++) {
		x[i] = xfer_new(gen, sim_random(60) * K, (1 + sim_random(20)) * K);
		xfer_fill(x[i], &f);
		task[i] = sim_spawn(many_at_once_task, x[i]);
	}
	for (i = 0; i < 12; i++) {
		sim_join(task[i]);
		xfer_free(x[i]);
	}
	fsc_gen_put(gen);
	CHECK(check_present(obj, &f) > 0);
	obj_close(obj);
	CHECK(disk(w, &f)->present > 0);
}

static void overlapping_stores_of_many_threads_agree_with_the_map(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, many_at_once);
}

static void stale_sample(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 0, 4 * K);
	switch (sim_random(4)) {
	case 0:
		CHECK_EQ(obj_clear(obj, 10 * K, K), 0); /* counted also where nothing was */
		break;
	case 1:
		local_write(obj, &f, 10 * K, 10, false);
		break;
	case 2:
		fsc_object_expire(obj);
		break;
	default:
		fsc_object_expire(obj);
		fsc_gen_sample(&x->gio); /* of what is given up already */
		break;
	}
	CHECK_EQ(xfer_prepare(x), -ESTALE);
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
}

static void what_was_sampled_before_a_change_is_not_kept(void **state)
{
	(void)state;
	each_seed(50, stale_sample);
}

/* The server may be read before it has what is being written, and its answer be here before it has
 * answered the write. */
static void during_a_write(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *write, *x;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	write = xfer_new(gen, 4 * K, 4 * K);
	CHECK_EQ(fsc_gen_write_prepare(&write->gio, false), -ENOBUFS);
	x = xfer_new(gen, 4 * K, 4 * K);
	CHECK_EQ(xfer_prepare(x), -ESTALE);
	fsc_gen_write_answered(gen);
	CHECK_EQ(xfer_prepare(x), -ESTALE);
	xfer_free(x);
	x = xfer_new(gen, 4 * K, 4 * K);
	CHECK_EQ(xfer_prepare(x), 0);
	fsc_gen_store_cancel(&x->gio);
	xfer_free(x);
	xfer_free(write);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void what_is_read_while_a_local_write_is_under_way_is_not_kept(void **state)
{
	(void)state;
	each_seed(20, during_a_write);
}

static void cut_tail(struct world *w)
{
	struct netfs_file f = REMOTE(7, 2 * K + 100);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(store(obj, &f, 2 * K, 100), K);
	CHECK_EQ(read_check(obj, &f, 2 * K, K), 100);
	CHECK_EQ(read_check(obj, &f, 2 * K, 8 * K), 100);
	CHECK_EQ(read_check(obj, &f, K, 2 * K), -ENODATA);
	CHECK_EQ(read_check(obj, &f, 3 * K, K), -ENODATA);
	store_all(obj, &f);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(read_check(obj, &f, 0, 16 * K), 2 * K + 100);
	obj_close(obj);
}

static void the_last_granule_is_stored_and_read_up_to_the_end(void **state)
{
	(void)state;
	each_seed(20, cut_tail);
}

/* --- Zeroes ---------------------------------------------------------------------------------- */

static int64_t store_zero(struct fsc_object *obj, uint64_t pos, uint64_t len)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x = xfer_new(gen, pos, len);
	int64_t ret = xfer_prepare(x);

	if (!ret) {
		fsc_gen_store_zero(&x->gio);
		ret = xfer_wait(x);
	}
	xfer_free(x);
	fsc_gen_put(gen);
	return ret;
}

static void void_a_store(struct fsc_object *obj, const struct netfs_file *f, uint64_t pos)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct xfer *x = xfer_new(gen, pos, K);

	xfer_fill(x, f);
	CHECK_EQ(xfer_prepare(x), 0);
	xfer_store(x);
	fsc_gen_clear(gen, pos, K);
	xfer_wait(x);
	xfer_free(x);
	fsc_gen_put(gen);
}

static void zero_holes(struct world *w)
{
	struct netfs_file f = REMOTE(7, 32 * K), data = REMOTE(7, 32 * K);
	unsigned int spoil = sim_random(5);
	struct fsc_object *obj;
	uint64_t used;

	f.zeroes = true;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(store_zero(obj, 8 * K, 8 * K), 8 * K);
	CHECK_EQ(world_stats(w).bytes_used, 0);
	CHECK_EQ(world_stats(w).cache_write_bytes, 8 * K);
	used = 0;
	switch (spoil) {
	case 0:
		store(obj, &data, 0, K);
		obj_clear(obj, 0, K);
		break;
	case 1:
		void_a_store(obj, &data, 20 * K);
		break;
	case 2:
		simstore_fail(w->store, SIMOP_WRITE, 0, 1, -ENOSPC);
		CHECK_EQ(store(obj, &data, 20 * K, K), -ENOSPC);
		break;
	case 3:
		local_write(obj, &data, 20 * K, 10, false);
		break;
	default:
		obj_close(obj); /* made by an earlier use: nobody knows what lies in it */
		obj = obj_open(w, &f);
		break;
	}
	if (spoil != 3)
		used = world_stats(w).bytes_used;
	CHECK_EQ(store_zero(obj, 20 * K, 4 * K), 4 * K);
	CHECK(simstore_log_count(w->store, SIMOP_WRITE_DONE, 0) > 0);
	CHECK(world_stats(w).bytes_used >= used + 4 * K);
	CHECK_EQ(check_present(obj, &f), 12);
	if (spoil != 3) {
		obj_close(obj);
		CHECK(simstore_is_hole(w->store, obj_path(&f), 8 * K));
		CHECK(!simstore_is_hole(w->store, obj_path(&f), 20 * K));
		obj = obj_open(w, &f);
		CHECK_EQ(check_present(obj, &f), 12);
	}
	obj_close(obj);
}

static void zeroes_are_left_as_a_hole_only_where_nothing_else_can_lie(void **state)
{
	(void)state;
	each_seed(SEEDS, zero_holes);
}

static void voided_zero(struct world *w)
{
	struct netfs_file f = REMOTE(7, 32 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x;

	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 0, K);
	CHECK_EQ(xfer_prepare(x), 0);
	fsc_gen_clear(gen, 0, K);
	fsc_gen_store_zero(&x->gio);
	CHECK_EQ(xfer_wait(x), -ESTALE);
	CHECK_EQ(check_present(obj, &f), 0);
	xfer_free(x);
	fsc_gen_put(gen);
	obj_close(obj);
}

static void a_voided_store_of_zeroes_marks_nothing(void **state)
{
	(void)state;
	each_seed(20, voided_zero);
}

/* --- Reads ----------------------------------------------------------------------------------- */

static void short_reads(struct world *w)
{
	struct netfs_file f = REMOTE(7, 50 * K + 123);
	struct fsc_object *obj;
	uint64_t pos, len;

	w->backend.short_one_in = 2;
	w->backend.io_align = sim_chance(2) ? 512 : 4096;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(store_all(obj, &f), 51 * K);
	for (int i = 0; i < 10; i++) {
		pos = sim_random(51) * K;
		len = (1 + sim_random(60)) * K;
		CHECK_EQ(read_check(obj, &f, pos, len), fsc_min64(len, f.size - pos));
	}
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->size, f.size);
	/* The file now ends with the object, not with a granule. */
	obj = obj_open(w, &f);
	CHECK_EQ(read_check(obj, &f, 48 * K, 3 * K), 2 * K + 123);
	CHECK_EQ(check_present(obj, &f), 51);
	obj_close(obj);
	CHECK_EQ(world_stats(w).cache_errors, 0);
}

static void short_transfers_are_completed(void **state)
{
	(void)state;
	each_seed(SEEDS, short_reads);
}

static bool ended_within_a_block(const struct simstore_record *r)
{
	return r->op == SIMOP_WRITE_DONE && (r->pos + (uint64_t)r->result) % K &&
	       r->result < (int64_t)r->len;
}

/* What follows in that block overwrites it, which an ordered filesystem keeps in no order. */
static void short_writes(struct world *w)
{
	struct netfs_file f = REMOTE(7, 6 * K);
	const struct simstore_record *log;
	struct fsc_object *obj;
	bool within = false;
	uint64_t ino;
	size_t n, i;

	w->backend.kind = FSC_FS_ORDERED;
	w->backend.short_one_in = 2;
	w->backend.io_align = 512;
	world_open(w);
	simstore_log_clear(w->store);
	obj = obj_open(w, &f);
	CHECK_EQ(store_all(obj, &f), 6 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	ino = simstore_ino(w->store, obj_path(&f));
	log = simstore_log(w->store, &n);
	for (i = 0; i < n; i++)
		within |= log[i].ino == ino && ended_within_a_block(&log[i]);
	if (within) {
		CHECK(log_find(w, SIMOP_SYNC, ino, 0) >= 0);
		CHECK(log_find(w, SIMOP_SYNC, ino, 0) < log_find(w, SIMOP_XATTR_SET, ino, 0));
	}
	obj_close(obj);
}

static void a_block_written_in_two_parts_is_synced_before_it_is_declared(void **state)
{
	(void)state;
	each_seed(SEEDS, short_writes);
}

static void read_error(struct world *w)
{
	struct netfs_file f = REMOTE(7, 50 * K);
	struct fsc_object *obj;
	bool cut = sim_chance(2);

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	obj_close(obj);
	obj = obj_open(w, &f);
	if (cut)
		simstore_resize(w->store, obj_path(&f), 20 * K); /* by somebody else */
	else
		simstore_fail(w->store, SIMOP_READ, 0, 1, -EIO);
	CHECK_EQ(read_check(obj, &f, 0, 50 * K), -EIO);
	CHECK_EQ(world_stats(w).cache_errors, 1);
	CHECK(!fsc_object_gen(obj));
	CHECK_EQ(store_all(obj, &f), -ENOBUFS);
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
	CHECK(fsc_cache_online(w->cache));
	obj = obj_open(w, &f);
	CHECK_EQ(store_all(obj, &f), 50 * K);
	CHECK_EQ(check_present(obj, &f), 50);
	obj_close(obj);
}

static void a_read_that_fails_or_is_short_costs_the_object(void **state)
{
	(void)state;
	each_seed(50, read_error);
}

static void read_no_memory(struct world *w)
{
	struct netfs_file f = REMOTE(7, 50 * K);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	simstore_fail(w->store, SIMOP_READ, 0, 1, -ENOMEM);
	CHECK_EQ(read_check(obj, &f, 0, 50 * K), -ENOMEM);
	CHECK_EQ(check_present(obj, &f), 50);
	CHECK_EQ(world_stats(w).no_memory, 1);
	obj_close(obj);
}

static void a_read_without_memory_costs_nothing(void **state)
{
	(void)state;
	each_seed(10, read_no_memory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepare_trims_to_what_is_neither_present_nor_under_way),
		cmocka_unit_test(overlapping_stores_of_many_threads_agree_with_the_map),
		cmocka_unit_test(what_was_sampled_before_a_change_is_not_kept),
		cmocka_unit_test(what_is_read_while_a_local_write_is_under_way_is_not_kept),
		cmocka_unit_test(the_last_granule_is_stored_and_read_up_to_the_end),
		cmocka_unit_test(zeroes_are_left_as_a_hole_only_where_nothing_else_can_lie),
		cmocka_unit_test(a_voided_store_of_zeroes_marks_nothing),
		cmocka_unit_test(short_transfers_are_completed),
		cmocka_unit_test(a_block_written_in_two_parts_is_synced_before_it_is_declared),
		cmocka_unit_test(a_read_that_fails_or_is_short_costs_the_object),
		cmocka_unit_test(a_read_without_memory_costs_nothing),
	};

	return RUN_TESTS(tests);
}
