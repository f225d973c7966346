// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_cache.c - which directories become a cache, which are refused untouched, and what is given
 * back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 50

static struct netfs_file file = REMOTE(7, 20 * K);

/* What opening says, without leaving anything open. */
static int try_open(struct world *w)
{
	struct fsc_backend *be = simbackend_open(w->store, &w->backend);
	struct fsc_cache *cache = NULL;
	int err = fsc_cache_open(be, &w->params, &cache);

	if (err) {
		CHECK(!cache);
		be->ops->close(be);
	} else {
		fsc_cache_close(cache);
	}
	CHECK_EQ(simstore_open_handles(w->store), 0);
	return err;
}

/* A fingerprint of all names, inodes, sizes and of the super block. */
static int add_name(void *arg, const char *path, const struct fsc_stat *st)
{
	uint32_t *crc = arg;

	*crc = fsc_crc32c(*crc, path, strlen(path));
	*crc = fsc_crc32c(*crc, &st->ino, sizeof(st->ino));
	*crc = fsc_crc32c(*crc, &st->size, sizeof(st->size));
	return 0;
}

static uint32_t fingerprint(struct world *w)
{
	static uint8_t super[FSC_SUPER_BLOCK];
	uint32_t crc = 0;
	int64_t n = simstore_read(w->store, "super", 0, super, sizeof(super));

	simstore_walk(w->store, add_name, &crc);
	return n > 0 ? fsc_crc32c(crc, super, (size_t)n) : crc;
}

static void expect_refused(struct world *w, int error)
{
	uint32_t before = fingerprint(w);

	CHECK_EQ(try_open(w), error);
	CHECK_EQ(fingerprint(w), before);
}

/* --- Directories ----------------------------------------------------------------------------- */

static void fresh(struct world *w)
{
	uint64_t removed = 1;

	if (sim_chance(2))
		simstore_mkdir(w->store, "lost+found");
	if (sim_chance(2))
		simstore_mkfile(w->store, "lock");
	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	w->backend.ids_known = true;
	world_open(w);
	CHECK(fsc_cache_online(w->cache));
	CHECK_EQ(fsc_cache_kind(w->cache), w->backend.kind);
	CHECK_EQ(found(w, &file), 0);
	fill(w, &file);
	world_reopen(w);
	CHECK_EQ(found(w, &file), 20);
	CHECK(sim_live_allocs() > 0);
	world_close(w);
	CHECK_EQ(simstore_open_handles(w->store), 0);
	CHECK_EQ(sim_live_allocs(), 0);
	fsc_cache_close(NULL);
	CHECK(!fsc_cache_online(NULL));
	CHECK_EQ(fsc_cache_cull(NULL, 1, &removed), -ENOBUFS);
	CHECK_EQ(removed, 0);
	CHECK_EQ(fsc_cache_cull_object(NULL, "a", "b"), -ENOBUFS);
	CHECK(!fsc_cache_object_is_open(NULL, "a", "b"));
}

static void an_empty_directory_becomes_a_cache_and_stays_one(void **state)
{
	(void)state;
	each_seed(SEEDS, fresh);
}

/* Without its name our folders would be somebody else's to the next owner. */
static void named_first(struct world *w)
{
	uint64_t root = simstore_ino(w->store, "");
	struct fsc_backend *be;
	int sync, made;

	simstore_fail(w->store, SIMOP_SYNC_DIR, 0, 1, -EINTR);
	be = simbackend_open(w->store, &w->backend);
	CHECK(fsc_cache_open(be, &w->params, &w->cache) < 0);
	be->ops->close(be);
	CHECK(simstore_ino(w->store, "super") && !simstore_ino(w->store, "cache"));
	simstore_log_clear(w->store);
	world_open(w);
	sync = log_find(w, SIMOP_SYNC_DIR, root, 0);
	made = log_find(w, SIMOP_DIR_OPEN, simstore_ino(w->store, "graves"), 0);
	CHECK(sync >= 0 && made > sync);
}

static void the_super_block_has_its_name_for_good_before_there_are_folders(void **state)
{
	(void)state;
	each_seed(10, named_first);
}

static void foreign(struct world *w)
{
	static const uint8_t junk[5000] = "somebody's";

	switch (sim_random(8)) {
	case 0:
		simstore_mkfile(w->store, "letter");
		break;
	case 1:
		simstore_mkdir(w->store, "cache");
		break;
	case 2:
		simstore_symlink(w->store, "super");
		break;
	case 3:
		simstore_fifo(w->store, "super");
		break;
	case 4:
		simstore_mkdir(w->store, "super");
		break;
	case 5: /* empty, short, or as long as ours; and a folder that must not be emptied */
		simstore_mkfile(w->store, "super");
		simstore_write(w->store, "super", 0, junk, sim_random(200));
		simstore_mkdir(w->store, "cache");
		simstore_mkfile(w->store, "cache/letter");
		break;
	case 6:
		simstore_mkfile(w->store, "super");
		simstore_write(w->store, "super", 0, junk, 4096);
		break;
	default:
		simstore_mkfile(w->store, "super");
		simstore_write(w->store, "super", 0, junk, 5000);
		break;
	}
	expect_refused(w, -ENOTEMPTY);
}

static void somebody_elses_directory_is_refused_untouched(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, foreign);
}

static void rewrite_super(struct world *w, const struct fsc_super *super)
{
	uint8_t raw[FSC_SUPER_SIZE];

	fsc_super_encode(super, raw);
	simstore_write(w->store, "super", 0, raw, sizeof(raw));
}

static struct fsc_super super_now(struct world *w)
{
	uint8_t raw[FSC_SUPER_SIZE];
	struct fsc_super super;

	CHECK_EQ(simstore_read(w->store, "super", 0, raw, sizeof(raw)), sizeof(raw));
	CHECK_EQ(fsc_super_decode(&super, raw, sizeof(raw)), 0);
	return super;
}

static void other_format(struct world *w)
{
	struct fsc_super super, changed;

	world_open(w);
	fill(w, &file);
	world_close(w);
	super = changed = super_now(w);
	changed.compat = 1u << sim_random(32);
	rewrite_super(w, &changed);
	world_open(w);
	CHECK_EQ(found(w, &file), 20);
	world_close(w);
	changed = super;
	switch (sim_random(3)) {
	case 0:
		changed.version = sim_chance(2) ? 0 : 2;
		break;
	case 1:
		changed.ro_compat = 1u << sim_random(32);
		break;
	default:
		changed.incompat = 1u << sim_random(32);
		break;
	}
	rewrite_super(w, &changed);
	expect_refused(w, -EPROTONOSUPPORT);
}

static void an_unknown_version_or_feature_is_refused_untouched(void **state)
{
	(void)state;
	each_seed(SEEDS, other_format);
}

static void damaged_super(struct world *w)
{
	uint8_t byte;
	uint64_t at = sim_random(FSC_SUPER_SIZE);

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	world_open(w);
	fill(w, &file);
	world_close(w);
	simstore_read(w->store, "super", at, &byte, 1);
	byte ^= (uint8_t)(1u << sim_random(8));
	simstore_write(w->store, "super", at, &byte, 1);
	if (at < 8) {
		expect_refused(w, -ENOTEMPTY);
		return;
	}
	simstore_log_clear(w->store);
	world_open(w);
	CHECK_EQ(found(w, &file), 0);
	/* The emptying is durable before the super block, in place, says that all is well. */
	CHECK(log_find(w, SIMOP_SYNC_DIR, simstore_ino(w->store, ""), 0) <
	      log_find(w, SIMOP_WRITE, simstore_ino(w->store, "super"), 0));
	CHECK(log_find(w, SIMOP_SYNC_DIR, simstore_ino(w->store, ""), 0) >= 0);
	fill(w, &file);
	world_reopen(w);
	CHECK_EQ(found(w, &file), 20);
}

static void with_a_damaged_super_block_nothing_is_believed(void **state)
{
	(void)state;
	each_seed(3 * SEEDS, damaged_super);
}

static void own_names(struct world *w)
{
	static const char *const names[] = { "cache", "graves", "tmp" };
	const char *name = names[sim_random(3)];
	unsigned int what = sim_random(5);

	world_open(w);
	fill(w, &file);
	world_close(w);
	switch (what) {
	case 0:
		simstore_rename(w->store, name, "was");
		simstore_symlink(w->store, name);
		break;
	case 1:
		simstore_rename(w->store, name, "was");
		simstore_fifo(w->store, name);
		break;
	case 2:
		simstore_rename(w->store, name, "was");
		simstore_mkfile(w->store, name);
		break;
	case 3:
		simstore_chown(w->store, name, 1000);
		break;
	default:
		simstore_remove(w->store, name);
		CHECK_EQ(try_open(w), 0);
		return;
	}
	CHECK(try_open(w) < 0);
}

static void what_stands_in_the_place_of_our_folders_is_not_followed(void **state)
{
	(void)state;
	each_seed(SEEDS, own_names);
}

static void super_elsewhere(struct world *w)
{
	world_open(w);
	fill(w, &file);
	world_close(w);
	if (sim_chance(2))
		simstore_hardlink(w->store, "super", "cache/other");
	else
		simstore_chown(w->store, "super", 1000);
	expect_refused(w, -ENOTEMPTY);
}

static void a_super_block_of_another_owner_or_with_another_name_is_refused(void **state)
{
	(void)state;
	each_seed(10, super_elsewhere);
}

static void locked(struct world *w)
{
	uint32_t before;

	world_open(w);
	fill(w, &file);
	before = fingerprint(w);
	{
		struct fsc_backend *be = simbackend_open(w->store, &w->backend);
		struct fsc_cache *cache;

		CHECK_EQ(fsc_cache_open(be, NULL, &cache), -EBUSY);
		be->ops->close(be);
	}
	CHECK_EQ(fingerprint(w), before);
	CHECK_EQ(found(w, &file), 20);
	world_close(w);
	CHECK_EQ(try_open(w), 0);
}

static void one_owner_at_a_time(void **state)
{
	(void)state;
	each_seed(10, locked);
}

static void bad_params(struct world *w)
{
	w->params.bstop = 5;
	w->params.bcull = 5;
	w->params.brun = 7;
	CHECK_EQ(try_open(w), -EINVAL);
	w->params.bstop = 1;
	w->params.brun = 100;
	CHECK_EQ(try_open(w), -EINVAL);
	w->params.brun = 7;
	w->params.fcull = 5;
	CHECK_EQ(try_open(w), -EINVAL);
	CHECK_EQ(fingerprint(w), 0);
	memset(&w->params, 0, sizeof(w->params));
	CHECK_EQ(try_open(w), 0);
}

static void wrong_limits_are_refused(void **state)
{
	(void)state;
	each_seed(5, bad_params);
}

/* --- Withdrawn ------------------------------------------------------------------------------- */

static void withdraw(struct world *w)
{
	struct fsc_object *obj;
	struct fsc_gen *gen;
	struct xfer *x;

	world_open(w);
	fill(w, &file);
	obj = obj_open(w, &file);
	gen = fsc_object_gen(obj);
	x = xfer_new(gen, 0, 20 * K);
	xfer_read(x);
	fsc_cache_withdraw(w->cache);
	fsc_cache_withdraw(w->cache);
	CHECK_EQ(xfer_wait(x), 20 * K);
	CHECK(!fsc_cache_online(w->cache) && !fsc_object_gen(obj));
	/* Who changes something now finds no generation to tell: so a pin gives nothing either. */
	xfer_free(x);
	x = xfer_new(gen, 0, 20 * K);
	xfer_read(x);
	CHECK_EQ(xfer_wait(x), -ESTALE);
	CHECK_EQ(sim_log_count("withdrawn"), 1);
	simstore_log_clear(w->store);
	obj_invalidate(obj, &file);
	CHECK_EQ(fsc_object_commit(obj, NULL), -ENOBUFS);
	fsc_object_close(obj, NULL, sim_chance(2));
	/* The coherency data may be the same again: a later open must not find what is outdated. */
	CHECK(simstore_log_count(w->store, SIMOP_UNLINK, 0) >= 1);
	xfer_free(x);
	fsc_gen_put(gen);
	world_reopen(w);
	CHECK_EQ(found(w, &file), 0);
}

static void after_withdrawing_nothing_is_served_and_all_is_given_back(void **state)
{
	(void)state;
	each_seed(SEEDS, withdraw);
}

/* --- Whatever fails -------------------------------------------------------------------------- */

static void one_session(struct world *w)
{
	struct netfs_file f = file;
	struct fsc_object *obj;

	if (obj_try(w, &f, &obj))
		return;
	read_check(obj, &f, 0, 20 * K); /* right, if it can be had */
	store(obj, &f, 0, 10 * K);
	fsc_object_commit(obj, NULL);
	store_all(obj, &f);
	f.version++;
	local_write(obj, &f, 2 * K, 2 * K, sim_chance(2));
	obj_clear(obj, 2 * K, 4 * K);
	obj_invalidate(obj, &f);
	store_all(obj, &f);
	read_check(obj, &f, 0, 20 * K);
	obj_close(obj);
}

static void fault_session(struct world *w, uint64_t nth, int err, bool after)
{
	struct fsc_backend *be = simbackend_open(w->store, &w->backend);
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };

	simstore_fail(w->store, SIMOP_COUNT, nth, after ? UINT32_MAX : 1, err);
	if (fsc_cache_open(be, &w->params, &w->cache)) {
		be->ops->close(be);
		w->cache = NULL;
		return;
	}
	if (!fsc_volume_acquire(w->cache, key, none, 0, &w->vol)) {
		one_session(w);
		fsc_cache_sync(w->cache);
		fsc_cache_cull(w->cache, K, NULL);
	}
	fsc_volume_relinquish(w->vol, false);
	fsc_cache_close(w->cache);
	w->vol = NULL;
	w->cache = NULL;
}

static void faults(struct world *w)
{
	static const int errors[] = { -EIO, -ENOSPC, -ENOMEM };
	int err = errors[sim_random(3)];
	bool after = sim_chance(2);

	w->backend.kind = (enum fsc_fs_kind)sim_random(3);
	w->params.max_errors = 1 + sim_random(20);
	for (uint64_t nth = 0; nth < 150; nth += 1 + sim_random(4)) {
		fault_session(w, nth, err, after);
		simstore_fail(w->store, SIMOP_COUNT, 0, 0, 0);
		CHECK_EQ(simstore_open_handles(w->store), 0);
		/* Everything works again, and all that is found is right. */
		file.version = 2;
		world_open(w);
		found(w, &file);
		fill(w, &file);
		CHECK_EQ(found(w, &file), 20);
		world_close(w);
		w->vol = NULL;
		w->cache = NULL;
		file.version = 1;
		if (sim_chance(4))
			simstore_remove(w->store, "super"), simstore_remove(w->store, "cache"),
				simstore_remove(w->store, "graves"),
				simstore_remove(w->store, "tmp");
	}
}

static void any_operation_may_fail_at_any_time(void **state)
{
	(void)state;
	each_seed(SEEDS, faults);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_directory_becomes_a_cache_and_stays_one),
		cmocka_unit_test(the_super_block_has_its_name_for_good_before_there_are_folders),
		cmocka_unit_test(somebody_elses_directory_is_refused_untouched),
		cmocka_unit_test(an_unknown_version_or_feature_is_refused_untouched),
		cmocka_unit_test(with_a_damaged_super_block_nothing_is_believed),
		cmocka_unit_test(what_stands_in_the_place_of_our_folders_is_not_followed),
		cmocka_unit_test(a_super_block_of_another_owner_or_with_another_name_is_refused),
		cmocka_unit_test(one_owner_at_a_time),
		cmocka_unit_test(wrong_limits_are_refused),
		cmocka_unit_test(after_withdrawing_nothing_is_served_and_all_is_given_back),
		cmocka_unit_test(any_operation_may_fail_at_any_time),
	};

	return RUN_TESTS(tests);
}
