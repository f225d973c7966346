// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_invalidate.c - the file changed on the server: from then on nobody is given what was before,
 * whatever is in flight, and whatever fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bits.h"
#include "fixture.h"

#define SEEDS 100

static void change_and_invalidate(struct fsc_object *obj, struct netfs_file *f, uint64_t size)
{
	netfs_file_change(f, size);
	obj_invalidate(obj, f);
}

static void plain(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	uint64_t old;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	if (sim_chance(2))
		CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	old = disk(w, &f)->ino;
	change_and_invalidate(obj, &f, sim_chance(2) ? 20 * K : 5 * K + 1);
	CHECK(!disk(w, &f)->exists);
	CHECK_EQ(fsc_object_size(obj), f.size);
	CHECK_EQ(check_present(obj, &f), 0);
	CHECK_EQ(read_check(obj, &f, 0, K), -ENODATA);
	CHECK_EQ(store_all(obj, &f), fsc_round_up(f.size, K));
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
	CHECK(disk(w, &f)->rec.complete);
	CHECK(disk(w, &f)->ino != old);
	CHECK_EQ(world_stats(w).objects_invalidated, 1);
	sim_sleep_ms(2000);
	CHECK_EQ(simstore_nlink(w->store, old), 0);
	world_reopen(w);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), fsc_granules(f.size));
	obj_close(obj);
}

static void after_it_the_object_is_empty_and_can_be_filled_anew(void **state)
{
	(void)state;
	each_seed(SEEDS, plain);
}

/* --- What is in flight ----------------------------------------------------------------------- */

static void in_flight(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f;
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *put, *get, *late;

	world_open(w);
	obj = obj_open(w, &f);
	store(obj, &f, 10 * K, 10 * K);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	gen = fsc_object_gen(obj);
	put = xfer_new(gen, 0, 5 * K);
	xfer_fill(put, &f);
	CHECK_EQ(xfer_prepare(put), 0);
	get = xfer_new(gen, 10 * K, 10 * K);
	put->gio.flags = get->gio.flags = 0;
	xfer_store(put);
	xfer_read(get);
	change_and_invalidate(obj, &f, 20 * K);
	CHECK(!disk(w, &f)->exists);
	late = xfer_new(gen, 10 * K, K);
	xfer_read(late);
	CHECK_EQ(xfer_wait(late), -ESTALE);
	xfer_free(late);
	/* The new one is another file: nothing of the old stands in its way. */
	CHECK_EQ(store(obj, &f, 0, 5 * K), 5 * K);
	xfer_wait(put);
	xfer_wait(get);
	CHECK(put->ret == -ESTALE || put->ret == 5 * (int64_t)K);
	CHECK(get->ret == -ESTALE || get->ret == 10 * (int64_t)K);
	xfer_check(get, &old);
	CHECK_EQ(check_present(obj, &f), 5);
	CHECK(!present(obj, 10 * K));
	xfer_free(put);
	xfer_free(get);
	fsc_gen_put(gen);
	obj_close(obj);
	CHECK_EQ(disk(w, &f)->present, 5);
}

static void a_completion_marks_its_own_generation_only(void **state)
{
	(void)state;
	each_seed(3 * SEEDS, in_flight);
}

static uint32_t not_waited;

static void slow(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *put;

	w->backend.latency_us = 100000000;
	w->backend.inline_one_in = 1000000;
	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	put = xfer_new(gen, 0, 20 * K);
	xfer_fill(put, &f);
	put->gio.flags = 0;
	CHECK_EQ(xfer_prepare(put), 0);
	xfer_store(put);
	change_and_invalidate(obj, &f, 20 * K);
	not_waited += !put->over;
	xfer_wait(put);
	xfer_free(put);
	fsc_gen_put(gen);
	obj_close(obj);
	obj = obj_open(w, &f);
	CHECK_EQ(check_present(obj, &f), 0);
	obj_close(obj);
}

static void it_waits_for_no_transfer(void **state)
{
	(void)state;
	not_waited = 0;
	each_seed(50, slow);
	/* The seed may let a transfer end at any moment, also here. */
	print_message("%u of 50 were still in flight\n", not_waited);
	assert_true(getenv("FSC_SEED") || not_waited > 10);
}

/* Old and new in many threads: what a read brings that began after invalidate returned is new. */
static struct many {
	struct world *w;
	struct netfs_file f;
	struct fsc_object *obj;
	uint32_t settled; /* the version that invalidate returned for last */
	uint64_t reads;
} m;

static void bytes_of_some_version(struct xfer *x, uint32_t least, uint32_t most)
{
	uint8_t want[K];
	uint32_t v;

	for (v = least; v <= most; v++) {
		remote_bytes(&m.f, v, x->gio.pos, want, K);
		if (!memcmp(want, x->mem, K))
			return;
	}
	sim_fail(SIM_BUG, "read what is of no version from %u to %u", least, most);
}

static void many_task(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		struct fsc_gen *gen = fsc_object_gen(m.obj);
		uint32_t least;
		struct xfer *x;

		if (!gen)
			continue;
		x = xfer_new(gen, sim_random(8) * K, K);
		if (sim_chance(2)) {
			/* As downloaded: sampled before the server was asked. */
			sim_sleep_us(sim_random(500));
			remote_bytes(&m.f, m.f.version, x->gio.pos, x->mem, K);
			sim_sleep_us(sim_random(500));
			if (!xfer_prepare(x)) {
				xfer_store(x);
				xfer_wait(x);
			}
		} else {
			least = m.settled;
			xfer_read(x);
			if (xfer_wait(x) > 0) {
				bytes_of_some_version(x, least, m.f.version);
				m.reads++;
			}
		}
		xfer_free(x);
		fsc_gen_put(gen);
		sim_sleep_us(sim_random(1000));
	}
}

static void start_many(struct world *w)
{
	memset(&m, 0, sizeof(m));
	m.w = w;
	m.f = (struct netfs_file)REMOTE(7, 8 * K);
	m.settled = 1;
	w->params.save_ms = 1 + sim_random(5);
	w->backend.ids_known = true;
	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	m.obj = obj_open(w, &m.f);
}

static void invalidate_some(void)
{
	for (int i = 0; i < 6; i++) {
		sim_sleep_us(sim_random(5000));
		/* The server may be ahead of what we know, so what is fetched in between is newer
		 * than its label: which is why it is invalidated then. */
		m.f.version++;
		if (sim_chance(2))
			sim_in_irq((sim_fn)fsc_object_expire, m.obj);
		obj_invalidate(m.obj, &m.f);
		m.settled = m.f.version;
	}
}

/* At every unlink of ours: were we killed now, who opens the object with what it is labelled with
 * must not find anything older. */
static int look_before_unlink(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	const struct on_disk *d;
	struct xfer x;
	uint8_t data[K];

	(void)ino;
	(void)name;
	if (op != SIMOP_UNLINK)
		return 0;
	d = disk_unchecked(arg, &m.f);
	x.mem = data;
	for (uint64_t g = 0; g < 8; g++) {
		if (!disk_declares(d, arg, &m.f, g))
			continue;
		x.gio.pos = g * K;
		CHECK_EQ(simstore_read(m.w->store, obj_path(&m.f), g * K, data, K), K);
		bytes_of_some_version(&x, disk_version(d), m.f.version);
	}
	return 0;
}

static void many(struct world *w)
{
	sim_task_id task[6];

	start_many(w);
	simstore_set_fault(w->store, look_before_unlink, w);
	for (int i = 0; i < 6; i++)
		task[i] = sim_spawn(many_task, NULL);
	invalidate_some();
	for (int i = 0; i < 6; i++)
		sim_join(task[i]);
	simstore_set_fault(w->store, NULL, NULL);
	check_present(m.obj, &m.f);
	obj_close(m.obj);
	disk(w, &m.f);
	m.obj = obj_open(w, &m.f);
	check_present(m.obj, &m.f);
	obj_close(m.obj);
}

static void readers_that_begin_after_it_see_nothing_old(void **state)
{
	(void)state;
	each_seed(10 * SEEDS, many);
}

/* --- What a kill leaves ---------------------------------------------------------------------- */

static void killer(void *arg)
{
	(void)arg;
	sim_sleep_us(sim_random(40000));
	sim_kill();
}

static void many_killed(struct world *w)
{
	start_many(w);
	for (int i = 0; i < 6; i++)
		sim_spawn(many_task, NULL);
	sim_spawn(killer, NULL);
	invalidate_some();
	sim_sleep_us(sim_random(5000));
	sim_kill();
}

/* Whoever presents a version finds nothing older; and nothing at all under one that was invalidated
 * before the kill, though nothing was closed. */
static void many_after_kill(struct world *w)
{
	struct netfs_file f = m.f;
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x;

	w->backend.ids_known = true;
	f.version = 1 + sim_random(m.f.version);
	world_open(w);
	obj = obj_open(w, &f);
	gen = fsc_object_gen(obj);
	for (uint64_t g = 0; g < 8; g++) {
		x = xfer_new(gen, g * K, K);
		xfer_read(x);
		if (xfer_wait(x) > 0) {
			CHECK(f.version >= m.settled);
			bytes_of_some_version(x, f.version, m.f.version);
		}
		xfer_free(x);
	}
	fsc_gen_put(gen);
	obj_close(obj);
	world_close(w);
}

static void after_a_kill_nothing_outdated_is_found(void **state)
{
	(void)state;
	each_seed_killed(6 * SEEDS, many_killed, many_after_kill);
}

/* --- Durably --------------------------------------------------------------------------------- */

static void durable(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	bool asked = sim_chance(2), demanded;
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };
	struct fsc_object *obj;
	int unlink, sync;

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	demanded = w->backend.kind == FSC_FS_STRICT || (asked && w->backend.kind == FSC_FS_ORDERED);
	world_open(w);
	fsc_volume_relinquish(w->vol, false);
	CHECK_EQ(fsc_volume_acquire(w->cache, key, none, asked ? FSC_VOLUME_STRICT_REMOVAL : 0,
				    &w->vol), 0);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	simstore_log_clear(w->store);
	if (sim_chance(3)) {
		fsc_object_close(obj, NULL, true);
		obj = NULL;
	} else {
		change_and_invalidate(obj, &f, 20 * K);
	}
	unlink = log_find(w, SIMOP_UNLINK, 0, 0);
	sync = log_find(w, SIMOP_SYNC_DIR, simstore_ino(w->store, fanout_path(&f)), 0);
	CHECK(unlink >= 0);
	CHECK_EQ(sync > unlink, demanded);
	obj_close(obj);
}

static void a_removal_is_synced_where_that_is_asked_for(void **state)
{
	(void)state;
	each_seed(SEEDS, durable);
}

static bool believed(struct world *w)
{
	uint8_t raw[FSC_SUPER_SIZE];
	struct fsc_super super;

	CHECK_EQ(simstore_read(w->store, "super", 0, raw, sizeof(raw)), sizeof(raw));
	CHECK_EQ(fsc_super_decode(&super, raw, sizeof(raw)), 0);
	return !super.open;
}

/* Whoever is told that it is gone may not meet it again after a crash (I8). */
static void not_durable(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	bool in_other_way = sim_chance(2);
	struct fsc_object *obj;

	w->backend.kind = FSC_FS_STRICT;
	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	simstore_log_clear(w->store);
	simstore_fail(w->store, SIMOP_SYNC_DIR, 0, UINT64_MAX, -EIO);
	if (!in_other_way)
		simstore_fail(w->store, SIMOP_SYNC_FS, 0, UINT64_MAX, -EIO);
	change_and_invalidate(obj, &f, 20 * K);
	CHECK(log_find(w, SIMOP_SYNC_FS, 0, log_find(w, SIMOP_UNLINK, 0, 0)) >= 0);
	CHECK_EQ(fsc_cache_online(w->cache), in_other_way);
	CHECK_EQ(believed(w), in_other_way);
	simstore_fail(w->store, SIMOP_SYNC_DIR, 0, 0, 0);
	obj_close(obj);
	world_close(w);
	CHECK_EQ(believed(w), in_other_way);
	simstore_fail(w->store, SIMOP_SYNC_FS, 0, 0, 0);
}

static void a_removal_that_cannot_be_made_durable_costs_the_cache(void **state)
{
	(void)state;
	each_seed(SEEDS, not_durable);
}

/* What the culler removes nobody waits for. But then it isn't there to be removed any more. */
static void culled(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	uint64_t removed;

	w->backend.kind = FSC_FS_STRICT;
	world_open(w);
	fill(w, &f);
	CHECK_EQ(fsc_cache_cull(w->cache, 1 << 20, &removed), 0);
	CHECK_EQ(removed, 1);
	obj = obj_open(w, &f);
	simstore_log_clear(w->store);
	if (sim_chance(3)) {
		fsc_object_close(obj, NULL, true);
		obj = NULL;
	} else {
		change_and_invalidate(obj, &f, 20 * K);
	}
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_DIR,
				    simstore_ino(w->store, fanout_path(&f))), 1);
	/* Once is enough. */
	if (obj)
		change_and_invalidate(obj, &f, 20 * K);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_SYNC_DIR, 0), 1);
	obj_close(obj);
}

static void a_removal_by_the_culler_is_synced_when_it_matters(void **state)
{
	(void)state;
	each_seed(20, culled);
}

/* --- Failures -------------------------------------------------------------------------------- */

static void no_unlink(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K), old = f, other = REMOTE(8, 8 * K);
	bool rename = sim_chance(2);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &other);
	store_all(obj, &other);
	obj_close(obj);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	simstore_fail(w->store, SIMOP_UNLINK, 0, 1, -EIO);
	if (!rename)
		simstore_fail(w->store, SIMOP_RENAME, 0, 1, -EIO);
	change_and_invalidate(obj, &f, 20 * K);
	CHECK_EQ(fsc_cache_online(w->cache), rename);
	CHECK_EQ(disk(w, &old)->exists, !rename);
	CHECK_EQ(check_present(obj, &f), 0);
	CHECK_EQ(store_all(obj, &f), rename ? 20 * (int64_t)K : -ENOBUFS);
	obj_close(obj);
	/* What had to be left is believed by no later open, nor is anything beside it. */
	world_reopen(w);
	obj = obj_open(w, &other);
	CHECK_EQ(check_present(obj, &other), rename ? 8 : 0);
	obj_close(obj);
}

static void a_name_that_cannot_be_removed_is_moved_or_ends_the_cache(void **state)
{
	(void)state;
	each_seed(50, no_unlink);
}

static void no_memory(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	CHECK_EQ(fsc_object_commit(obj, NULL), 0);
	netfs_file_change(&f, 20 * K);
	sim_fail_alloc(1, true);
	obj_invalidate(obj, &f);
	sim_fail_alloc(0, false);
	CHECK(!disk(w, &f)->exists);
	CHECK(!fsc_object_gen(obj));
	CHECK_EQ(fsc_object_size(obj), f.size);
	CHECK_EQ(fsc_object_commit(obj, NULL), -ENOBUFS);
	CHECK_EQ(fsc_object_resize(obj, 5 * K), -ENOBUFS);
	fsc_object_expire(obj);
	if (sim_chance(2)) {
		change_and_invalidate(obj, &f, 20 * K);
		CHECK_EQ(store_all(obj, &f), 20 * K);
		CHECK_EQ(check_present(obj, &f), 20);
	}
	obj_close(obj);
}

static void without_memory_the_object_is_uncached_until_the_next(void **state)
{
	(void)state;
	each_seed(30, no_memory);
}

static void expired(struct world *w)
{
	struct netfs_file f = REMOTE(7, 20 * K);
	struct fsc_object *obj;
	struct fsc_gen *gen;
	uint64_t change;

	world_open(w);
	obj = obj_open(w, &f);
	store_all(obj, &f);
	gen = fsc_object_gen(obj);
	change = fsc_gen_change(gen);
	CHECK(fsc_gen_unchanged(gen, change));
	sim_in_irq((sim_fn)fsc_object_expire, obj);
	CHECK(!fsc_gen_unchanged(gen, change) && !fsc_gen_unchanged(gen, fsc_gen_change(gen)));
	CHECK(!fsc_object_gen(obj));
	fsc_gen_put(gen);
	if (sim_chance(2))
		change_and_invalidate(obj, &f, 20 * K);
	else
		sim_sleep_ms(2000); /* nothing of it is saved any more */
	CHECK(!disk(w, &f)->exists);
	obj_close(obj);
	CHECK(!disk(w, &f)->exists);
}

static void an_expired_object_serves_and_saves_nothing(void **state)
{
	(void)state;
	each_seed(SEEDS, expired);
}

/* --- Names that come back --------------------------------------------------------------------- */

static bool synced_since_marked(struct world *w, uint64_t ino)
{
	int at = -1, set = -1;

	while ((at = log_find(w, SIMOP_XATTR_SET, ino, at + 1)) >= 0)
		set = at;
	return set >= 0 && log_find(w, SIMOP_SYNC, ino, set) >= 0;
}

/* A folder's sync isn't enough there: what the name leads to is such that nobody believes it. */
static int is_marked_before_unlink(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	const struct on_disk *d;

	(void)ino;
	(void)name;
	if (op != SIMOP_UNLINK)
		return 0;
	d = disk_unchecked(arg, &m.f);
	CHECK(d->exists && d->rec.modifying && !d->present);
	CHECK(synced_since_marked(arg, d->ino));
	m.reads++;
	return 0;
}

static void comes_back(struct world *w)
{
	memset(&m, 0, sizeof(m));
	m.f = (struct netfs_file)REMOTE(7, 8 * K);
	w->backend.kind = FSC_FS_STRICT;
	m.obj = full_object(w, &m.f);
	simstore_set_fault(w->store, is_marked_before_unlink, w);
	if (sim_chance(2)) {
		change_and_invalidate(m.obj, &m.f, 8 * K);
		obj_close(m.obj);
	} else {
		fsc_object_close(m.obj, NULL, true);
	}
	simstore_set_fault(w->store, NULL, NULL);
	CHECK_EQ(m.reads, 1);
}

static void on_a_strict_filesystem_what_loses_its_name_is_marked_first(void **state)
{
	(void)state;
	each_seed(SEEDS, comes_back);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_it_the_object_is_empty_and_can_be_filled_anew),
		cmocka_unit_test(a_completion_marks_its_own_generation_only),
		cmocka_unit_test(it_waits_for_no_transfer),
		cmocka_unit_test(readers_that_begin_after_it_see_nothing_old),
		cmocka_unit_test(after_a_kill_nothing_outdated_is_found),
		cmocka_unit_test(a_removal_is_synced_where_that_is_asked_for),
		cmocka_unit_test(a_removal_that_cannot_be_made_durable_costs_the_cache),
		cmocka_unit_test(a_removal_by_the_culler_is_synced_when_it_matters),
		cmocka_unit_test(on_a_strict_filesystem_what_loses_its_name_is_marked_first),
		cmocka_unit_test(a_name_that_cannot_be_removed_is_moved_or_ends_the_cache),
		cmocka_unit_test(without_memory_the_object_is_uncached_until_the_next),
		cmocka_unit_test(an_expired_object_serves_and_saves_nothing),
	};

	return RUN_TESTS(tests);
}
