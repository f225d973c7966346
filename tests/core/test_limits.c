// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_limits.c - stores that fail, limits on space and memory, and allocations that are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 100

/* --- Failures and limits --------------------------------------------------------------------- */

static void store_errors(struct world *w)
{
	static const int errors[] = { -ENOSPC, -EDQUOT, -ENOMEM, -EIO };
	static const enum simstore_op ops[] = { SIMOP_WRITE, SIMOP_TMPFILE };
	int err = errors[sim_random(4)];
	enum simstore_op op = ops[sim_random(2)];
	struct netfs_file f = REMOTE(7, 50 * K), g = REMOTE(8, 5 * K);
	struct fsc_object *obj, *other;
	struct fsc_stats s;

	world_open(w);
	obj = obj_open(w, &f);
	other = obj_open(w, &g);
	simstore_fail(w->store, op, 0, 1, err);
	CHECK_EQ(store(obj, &f, 8 * K, 8 * K), err);
	s = world_stats(w);
	CHECK_EQ(s.cache_errors, 1);
	CHECK_EQ(s.no_space, err == -ENOSPC || err == -EDQUOT);
	CHECK_EQ(s.no_memory, err == -ENOMEM);
	CHECK_EQ(s.bytes_used, 0);
	CHECK_EQ(check_present(obj, &f), 0);
	/* The others go on, and so does this one unless the disk itself failed. */
	CHECK_EQ(store_all(other, &g), 5 * K);
	if (err == -EIO && op == SIMOP_WRITE)
		CHECK_EQ(store_all(obj, &f), -ENOBUFS);
	else
		CHECK_EQ(store_all(obj, &f), 50 * K);
	obj_close(obj);
	obj_close(other);
	CHECK_EQ(disk(w, &g)->present, 5);
	CHECK(fsc_cache_online(w->cache));
}

static void a_store_that_fails_is_counted_and_marks_nothing(void **state)
{
	(void)state;
	each_seed(SEEDS, store_errors);
}

static void errors_in_row(struct world *w)
{
	struct netfs_file f = REMOTE(7, 50 * K);
	struct fsc_object *obj = NULL;
	struct fsc_volume *vol;
	uint32_t i;

	w->params.max_errors = 1 + sim_random(20);
	world_open(w);
	simstore_fail(w->store, SIMOP_TMPFILE, 0, UINT32_MAX, -EIO);
	obj = obj_open(w, &f);
	for (i = 0; i < w->params.max_errors; i++) {
		CHECK(fsc_cache_online(w->cache));
		CHECK_EQ(store(obj, &f, 0, K), -EIO);
	}
	CHECK(!fsc_cache_online(w->cache));
	CHECK(sim_log_count("withdrawn") == 1);
	CHECK_EQ(store(obj, &f, 0, K), -ENOBUFS);
	obj_close(obj);
	CHECK_EQ(obj_try(w, &f, &obj), -ENOBUFS);
	CHECK_EQ(fsc_volume_acquire(w->cache, (struct fsc_blob){ "x", 1 },
				    (struct fsc_blob){ NULL, 0 }, 0, &vol), -ENOBUFS);
	CHECK_EQ(fsc_cache_sync(w->cache), -ENOBUFS);
}

static void a_row_of_errors_withdraws_the_cache(void **state)
{
	(void)state;
	each_seed(30, errors_in_row);
}

static void errors_apart(struct world *w)
{
	struct netfs_file f = REMOTE(7, 50 * K);
	struct fsc_object *obj;

	w->params.max_errors = 2;
	world_open(w);
	obj = obj_open(w, &f);
	for (uint64_t i = 0; i < 20; i++) {
		/* Shortages never count, a fault only if nothing went well since the last. */
		simstore_fail(w->store, SIMOP_TMPFILE, 0, 1, i % 2 ? -ENOSPC : -EIO);
		store(obj, &f, 0, K);
		CHECK_EQ(store(obj, &f, 0, K), K);
		obj_invalidate(obj, &f);
	}
	CHECK(fsc_cache_online(w->cache));
	CHECK_EQ(world_stats(w).cache_errors, 20);
	obj_close(obj);
}

static void errors_apart_from_each_other_do_not(void **state)
{
	(void)state;
	each_seed(10, errors_apart);
}

static void budget(struct world *w)
{
	struct netfs_file f = REMOTE(7, 100 * K);
	struct fsc_object *obj;

	w->params.max_bytes = 50 * K;
	world_open(w);
	obj = obj_open(w, &f);
	CHECK_EQ(store(obj, &f, 0, 40 * K), 40 * K);
	CHECK_EQ(store(obj, &f, 40 * K, 11 * K), -ENOSPC);
	CHECK_EQ(store(obj, &f, 40 * K, 10 * K), 10 * K);
	CHECK_EQ(store(obj, &f, 50 * K, K), -ENOSPC);
	CHECK_EQ(world_stats(w).bytes_used, 50 * K);
	CHECK(world_stats(w).no_space >= 2);
	/* What is given back may be used again. */
	CHECK_EQ(obj_clear(obj, 0, 20 * K), 0);
	CHECK_EQ(world_stats(w).bytes_used, 30 * K);
	CHECK_EQ(store(obj, &f, 60 * K, 10 * K), 10 * K);
	CHECK_EQ(check_present(obj, &f), 40);
	obj_close(obj);
	CHECK(world_stats(w).bytes_used <= 50 * K);
}

static void the_budget_stops_storing(void **state)
{
	(void)state;
	each_seed(20, budget);
}

static void full_disk(struct world *w)
{
	struct netfs_file f = REMOTE(7, 4000 * K);
	struct fsc_object *obj;
	uint64_t used, files, at = 0;
	int64_t n;

	simstore_limit(w->store, 1000, sim_chance(2) ? 100000 : 1000);
	w->params.brun = 40;
	w->params.bcull = 30;
	w->params.bstop = 20;
	world_open(w);
	obj = obj_open(w, &f);
	do {
		n = store(obj, &f, at, 10 * K);
		at += n > 0 ? (uint64_t)n : 0;
	} while (n > 0);
	CHECK_EQ(n, -ENOSPC);
	simstore_used(w->store, &used, &files);
	CHECK(used >= 790 && used <= 815); /* what is under way may cross the line */
	CHECK_EQ(check_present(obj, &f), at / K);
	obj_close(obj);
}

static void below_stop_nothing_is_stored(void **state)
{
	(void)state;
	each_seed(400, full_disk);
}

static void map_limit(struct world *w)
{
	struct netfs_file f = REMOTE(7, 1024 * MIB);
	struct fsc_object *obj;
	uint64_t n = 0, max = 3000 + sim_random(8000);

	w->params.max_map_bytes = max;
	world_open(w);
	obj = obj_open(w, &f);
	for (int i = 0; i < 200; i++)
		if (store(obj, &f, sim_random(262144) * K, K) == (int64_t)K)
			n++;
	CHECK(world_stats(w).map_bytes <= max);
	CHECK(world_stats(w).no_memory > 0);
	CHECK(n > 0);
	CHECK(check_present(obj, &f) <= n);
	obj_close(obj);
	sim_sleep_ms(2000); /* the saver may have held it */
	CHECK_EQ(world_stats(w).map_bytes, 0);
	CHECK_EQ(disk(w, &f)->present, n);
}

static void memory_for_maps_stays_within_its_limit(void **state)
{
	(void)state;
	each_seed(20, map_limit);
}

/* Every allocation of a small session fails once, alone and with all that follow. */
#define SESSION_STORES 4

struct session {
	struct simstore *store;
	struct fsc_gio gio[3][SESSION_STORES]; /* none is used twice: it may be in flight */
	_Alignas(4096) uint8_t mem[2 * K];
};

static void session_stored(struct fsc_gio *gio, int64_t ret)
{
	(void)ret;
	fsc_gen_put(gio->gen);
}

static void session_store(struct session *s, int which, struct fsc_object *obj)
{
	for (uint64_t i = 0; i < SESSION_STORES; i++) {
		struct fsc_gio *gio = &s->gio[which][i];

		memset(gio, 0, sizeof(*gio));
		gio->gen = fsc_object_gen(obj);
		if (!gio->gen)
			return;
		gio->pos = 512 * i * K;
		gio->buf = (struct fsc_buf){ .mem = s->mem, .len = sizeof(s->mem) };
		gio->done = session_stored;
		fsc_gen_sample(gio);
		if (fsc_gen_store_prepare(gio))
			fsc_gen_put(gio->gen);
		else
			fsc_gen_store(gio);
	}
}

static void session_object(struct session *s, struct fsc_volume *vol, bool change)
{
	struct netfs_file f = REMOTE(7, 2000 * K + 5);
	uint8_t key[8], coherency[8];
	struct fsc_cookie_params p = netfs_params(&f, key, coherency);
	struct fsc_object *obj;

	if (fsc_object_open(vol, p.key, p.coherency, p.size, &obj))
		return;
	session_store(s, change, obj);
	if (change) {
		obj_clear(obj, K, K);
		fsc_object_resize(obj, 1000 * K);
		obj_invalidate(obj, &f);
		session_store(s, 2, obj);
	}
	fsc_object_close(obj, NULL, false);
}

static void small_session(void *arg)
{
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };
	struct session *s = arg;
	struct fsc_backend *be = simbackend_open(s->store, NULL);
	struct fsc_cache *cache;
	struct fsc_volume *vol;

	if (fsc_cache_open(be, NULL, &cache)) {
		be->ops->close(be);
		return;
	}
	if (!fsc_volume_acquire(cache, key, none, 0, &vol)) {
		session_object(s, vol, false);
		session_object(s, vol, true);
		fsc_cache_cull(cache, K, NULL);
	}
	fsc_volume_relinquish(vol, false);
	fsc_cache_close(cache);
}

static uint64_t fail_each_allocation(bool after)
{
	static struct session s;
	uint64_t nth = 0;

	do {
		struct sim_opts opts = { .fail_alloc = ++nth, .fail_after = after };
		enum sim_end end;

		s.store = simstore_create(NULL);
		end = sim_try(nth, &opts, small_session, &s);
		simstore_destroy(s.store);
		assert_int_equal(end, SIM_OK);
	} while (sim_allocs() >= nth);
	return nth;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(fail_each_allocation(false) > 50);
	assert_true(fail_each_allocation(true) > 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_that_fails_is_counted_and_marks_nothing),
		cmocka_unit_test(a_row_of_errors_withdraws_the_cache),
		cmocka_unit_test(errors_apart_from_each_other_do_not),
		cmocka_unit_test(the_budget_stops_storing),
		cmocka_unit_test(below_stop_nothing_is_stored),
		cmocka_unit_test(memory_for_maps_stays_within_its_limit),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return RUN_TESTS(tests);
}
