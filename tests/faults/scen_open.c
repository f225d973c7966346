// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_open.c - scenarios: caches and volumes come and go, in whatever state their folder is. */
#include <string.h>

#include "scenarios.h"

static void two_files(struct room *r)
{
	remote_add(r, 5 * K + 100);
	remote_add(r, 3 * K);
}

void prepare_all(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	for (struct remote *f = r->file; f->id; f++)
		fetch(r, f);
	room_close(r);
}

static void open_read_close(struct room *r)
{
	arm(r);
	room_open(r);
	fetch(r, &r->file[0]);
	calm(r);
	fetch(r, &r->file[1]);
	room_close(r);
}

static void second_owner(struct room *r)
{
	struct fsc_backend *be = simbackend_open(r->store, &r->backend);
	struct fsc_cache *other;
	int err = fsc_cache_open(be, NULL, &other);

	CHECK(err);
	CHECK(err == -EBUSY || r->plan.injected || r->plan.kind == KIND_ALLOC || !r->cache);
	be->ops->close(be);
}

static void open_twice(struct room *r)
{
	struct fsc_volume *vol;
	struct fsc_cache_params params = r->params;

	arm(r);
	r->params.bcull = 90;
	CHECK(room_open(r));
	r->params = params;
	room_open(r);
	if (r->cache)
		second_owner(r);
	if (r->vol)
		CHECK(fsc_volume_acquire(r->cache, (struct fsc_blob){ "9p,server,export", 16 },
					 r->vol_coherency, 0, &vol));
	calm(r);
	fetch(r, &r->file[0]);
	room_close(r);
}

static void damage(struct room *r)
{
	uint8_t byte = 0x5a;

	prepare_all(r);
	CHECK_EQ(simstore_write(r->store, "super", 20, &byte, 1), 0);
}

static void plant(struct room *r)
{
	CHECK_EQ(simstore_mkfile(r->store, "precious"), 0);
	CHECK_EQ(simstore_write(r->store, "precious", 0, "x", 1), 0);
}

static void plant_super(struct room *r)
{
	CHECK_EQ(simstore_mkfile(r->store, "super"), 0);
	CHECK_EQ(simstore_write(r->store, "super", 0, "my superb file", 14), 0);
}

static void plant_super_dir(struct room *r)
{
	CHECK_EQ(simstore_mkdir(r->store, "super"), 0);
}

static void refused(struct room *r)
{
	struct fsc_stat st;

	arm(r);
	CHECK(room_open(r));
	fetch(r, &r->file[0]);
	room_close(r);
	CHECK(simstore_stat(r->store, "cache", &st) == -ENOENT);
	CHECK(simstore_stat(r->store, "lock", &st) == -ENOENT);
}

/* What a killed process left, on a machine that stayed up: also things half removed. */
static void killed(struct room *r)
{
	prepare_all(r);
	simstore_mkdir(r->store, "graves/x");
	simstore_copy_tree(r->store, "cache", "graves/x/y");
	simstore_mkdir(r->store, "tmp/t");
	simstore_mkfile(r->store, "tmp/t/u");
	CHECK_EQ(room_open(r), 0);
	sim_kill();
}

/* Deeper than anything of ours, and a folder that isn't. */
static void deep(struct room *r)
{
	char path[80] = "graves";

	prepare_all(r);
	for (int i = 0; i < 9; i++) {
		strcat(path, "/x");
		simstore_mkdir(r->store, path);
	}
}

static void owned_by_other(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_chown(r->store, "graves", 1), 0);
}

static void open_in_vain(struct room *r)
{
	arm(r);
	CHECK(room_open(r));
	fetch(r, &r->file[0]);
	room_close(r);
}

/* All that takes "not cached" for an answer. */
static void nothing_there(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_stats stats;
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params params = remote_params(f, 0, key, coh);
	struct fsc_cookie *cookie;

	arm(r);
	CHECK_EQ(room_volume(r), 0);
	CHECK(!r->vol && !fsc_cache_online(NULL));
	CHECK_EQ(fsc_cache_kind(NULL), FSC_FS_VOLATILE);
	CHECK_EQ(fsc_cache_sync(NULL), 0);
	CHECK_EQ(fsc_cache_cull(NULL, 0, NULL), -ENOBUFS);
	fsc_cache_withdraw(NULL);
	fsc_cache_stats(NULL, &stats);
	CHECK_EQ(fsc_cookie_acquire(NULL, &params, &cookie), 0);
	CHECK(!cookie && !fsc_cookie_use_wait(NULL, true));
	fsc_cookie_use(NULL, false);
	fsc_cookie_unuse(NULL);
	fsc_cookie_relinquish(NULL, true);
	CHECK_EQ(fsc_cookie_present(NULL, 0, 1), 0);
	CHECK(!obj_open(r, f) && !fsc_object_gen(NULL));
	cookie_invalidate(r, NULL, f);
	read_all(r, f, NULL);
	read_some(r, f, NULL, 9 * K, K);
}

static void counted(struct room *r)
{
	two_files(r);
	r->params.max_bytes = 1000 * K;
	r->backend.ids_known = true;
}

static void counted_run(struct room *r)
{
	arm(r);
	room_open(r);
	sim_sleep_ms(20);
	fetch(r, &r->file[0]);
	calm(r);
	room_quiet(r);
	room_close(r);
}

static void safer(struct room *r)
{
	two_files(r);
	r->params.at_least = FSC_FS_STRICT;
	r->backend.never_clean = true;
}

static void forgets(struct room *r)
{
	two_files(r);
	r->backend.kind = FSC_FS_VOLATILE;
	r->backend.forgets = true;
}

/* --- Volumes ---------------------------------------------------------------------------------- */

static const struct fsc_blob other_coherency = { "another", 7 };

static void volume_changed(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	fsc_volume_relinquish(r->vol, false);
	arm(r);
	r->vol_coherency = other_coherency;
	room_volume(r);
	fetch(r, &r->file[0]);
	calm(r);
	fsc_volume_relinquish(r->vol, false);
	room_volume(r);
	fetch(r, &r->file[1]);
	room_close(r);
}

static void volume_retired(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	fetch(r, &r->file[0]);
	arm(r);
	fsc_volume_relinquish(r->vol, true);
	room_volume(r);
	fetch(r, &r->file[0]);
	calm(r);
	fsc_volume_relinquish(r->vol, true);
	room_volume(r);
	room_close(r);
}

/* Its folder is there and isn't ours, or can't be read. */
static void spoil_folder(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_corrupt_xattr(r->store, "cache/I9p,server,export", "user.fscache", 9, 1),
		 0);
}

static void folder_is_a_file(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	room_close(r);
	CHECK_EQ(simstore_remove(r->store, "cache/I9p,server,export"), 0);
	CHECK_EQ(simstore_mkfile(r->store, "cache/I9p,server,export"), 0);
}

static void volume_acquired(struct room *r)
{
	struct fsc_blob none = { "", 0 }, key = { "other,volume", 12 };
	struct fsc_volume *vol;

	CHECK_EQ(room_open(r), 0);
	room_close(r);
	CHECK_EQ(room_open(r), 0);
	fsc_volume_relinquish(r->vol, false);
	r->vol = NULL;
	arm(r);
	CHECK_EQ(fsc_volume_acquire(r->cache, none, none, 0, &vol), -EINVAL);
	if (!fsc_volume_acquire(r->cache, key, (struct fsc_blob){ "v", 1 }, 0, &vol))
		fsc_volume_relinquish(vol, false);
	room_volume(r);
	calm(r);
	fetch(r, &r->file[0]);
	room_close(r);
}

static void spoiled_run(struct room *r)
{
	arm(r);
	room_open(r);
	calm(r);
	fetch(r, &r->file[0]);
	room_close(r);
}

static void withdrawn(struct room *r)
{
	struct fsc_cookie *a, *b;

	CHECK_EQ(room_open(r), 0);
	a = cookie_used(r, &r->file[0]);
	b = cookie_used(r, &r->file[1]);
	read_some(r, &r->file[0], a, 0, 2 * K);
	read_all(r, &r->file[1], b);
	arm(r);
	fsc_cache_withdraw(r->cache);
	read_all(r, &r->file[0], a);
	calm(r);
	remote_change(&r->file[1], 2 * K, false);
	cookie_invalidate(r, b, &r->file[1]);
	read_all(r, &r->file[1], b);
	CHECK_EQ(fsc_cache_sync(r->cache), -ENOBUFS);
	CHECK_EQ(fsc_cache_cull(r->cache, K, NULL), -ENOBUFS);
	cookie_drop(a);
	cookie_drop(b);
	fetch(r, &r->file[0]);
	room_close(r);
}

const struct scenario scen_open[] = {
	{ "open-fresh", two_files, NULL, open_read_close, 0 },
	{ "open-existing", two_files, prepare_all, open_read_close, 0 },
	{ "open-twice", two_files, prepare_all, open_twice, 0 },
	{ "open-damaged", two_files, damage, open_read_close, 0 },
	{ "open-foreign", two_files, plant, refused, SCEN_OPEN_FAILS },
	{ "open-foreign-super", two_files, plant_super, refused, SCEN_OPEN_FAILS },
	{ "open-super-is-folder", two_files, plant_super_dir, refused, SCEN_OPEN_FAILS },
	{ "open-killed", counted, killed, counted_run, 0 },
	{ "open-deep-graves", two_files, deep, open_read_close, 0 },
	{ "open-others-folder", two_files, owned_by_other, open_in_vain, SCEN_OPEN_FAILS },
	{ "open-nothing", two_files, NULL, nothing_there, 0 },
	{ "open-safer", safer, prepare_all, open_read_close, 0 },
	{ "open-forgets", forgets, prepare_all, open_read_close, SCEN_NO_CRASH },
	{ "volume-changed", two_files, prepare_all, volume_changed, 0 },
	{ "volume-retired", two_files, NULL, volume_retired, 0 },
	{ "volume-spoiled", two_files, spoil_folder, spoiled_run, 0 },
	{ "volume-is-a-file", two_files, folder_is_a_file, spoiled_run, 0 },
	{ "volume-acquired", two_files, NULL, volume_acquired, 0 },
	{ "withdrawn", two_files, NULL, withdrawn, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
