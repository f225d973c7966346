// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_limits.c - scenarios: there isn't room for everything. */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

static void five_files(struct room *r)
{
	for (int i = 0; i < 5; i++)
		remote_add(r, 4 * K);
}

static void budget(struct room *r)
{
	five_files(r);
	r->params.max_bytes = 14 * K;
}

/* Each in its own time: the oldest goes. */
static void fill_some(struct room *r, int from, int to)
{
	for (int i = from; i < to; i++) {
		fetch(r, &r->file[i]);
		sim_sleep_ms(70);
	}
}

static void prepare_three(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	fill_some(r, 0, 3);
	room_close(r);
}

static void over_budget(struct room *r)
{
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, &r->file[0]); /* in use, so it stays */
	arm(r);
	fill_some(r, 3, 4);
	calm(r);
	fill_some(r, 4, 5);
	read_all(r, &r->file[0], cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* The disk is nearly full, of others' files too. */
static void nearly_full(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	simstore_limit(r->store, 24, 1000);
	r->params.bstop = 10;
	arm(r);
	fill_some(r, 0, 3);
	calm(r);
	fill_some(r, 3, 5);
	room_close(r);
}

static void watermarks(struct room *r)
{
	five_files(r);
	r->params.brun = 50;
	r->params.bcull = 40;
	r->params.bstop = 20;
}

static void no_files(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	simstore_limit(r->store, 1000, 16);
	arm(r);
	fill_some(r, 0, 3);
	calm(r);
	fill_some(r, 3, 4);
	room_close(r);
}

static void file_marks(struct room *r)
{
	five_files(r);
	r->params.frun = 30;
	r->params.fcull = 20;
	r->params.fstop = 5;
}

static void full(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	fill_some(r, 0, 1);
	simstore_limit(r->store, 8, 1000);
	arm(r);
	fill_some(r, 1, 3);
	calm(r);
	simstore_limit(r->store, 1000, 1000);
	fill_some(r, 3, 5);
	room_close(r);
}

/* On demand, what is in a volume that is open and in one that isn't. */
static void culled(struct room *r)
{
	uint64_t removed;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	fsc_cache_cull(r->cache, 5 * K, &removed);
	fetch(r, &r->file[0]);
	calm(r);
	fsc_volume_relinquish(r->vol, false);
	r->vol = NULL;
	fsc_cache_cull(r->cache, UINT64_MAX, NULL);
	room_close(r);
}

/* More than one batch, with a name that no object has beside them. */
static void crowd(struct room *r)
{
	remote_add(r, K);
}

static void prepare_crowd(struct room *r)
{
	char path[80];

	prepare_all(r);
	simstore_mkdir(r->store, "cache/I9p,server,export/@zz");
	for (int i = 0; i < 330; i++) {
		snprintf(path, sizeof(path), "cache/I9p,server,export/@%02x", i % 3);
		if (i < 3)
			simstore_mkdir(r->store, path);
		snprintf(path, sizeof(path), "cache/I9p,server,export/@%02x/%sx%d", i % 3,
			 i % 10 ? "S" : "D", i);
		simstore_mkfile(r->store, path);
		if (i == 7)
			CHECK_EQ(simstore_write(r->store, path, 0, "x", 1), 0);
		simstore_set_atime(r->store, path, (uint64_t)(1000 + i * 7 % 299));
	}
	/* It is to be counted anew. */
	CHECK_EQ(room_open(r), 0);
	sim_kill();
}

static void crowd_culled(struct room *r)
{
	uint64_t removed = 0;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	fsc_cache_cull(r->cache, K, &removed);
	calm(r);
	room_close(r);
}

/* Little memory for maps. */
static void few_blocks(struct room *r)
{
	struct remote *f = remote_add(r, 40 * MIB);

	f->sparse = true;
	r->params.max_map_bytes = 3000;
}

static void map_memory(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	arm(r);
	for (uint64_t g = 1; g < 10000; g += 1001)
		obj_store(r, obj, f, g * K, K);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_clear(obj, 1000 * K, 5000 * K);
	obj_close(r, obj, f, false);
	obj = obj_open(r, f);
	obj_close(r, obj, f, false);
	room_close(r);
}

/* So many faults in a row withdraw it. */
static void impatient(struct room *r)
{
	five_files(r);
	r->params.max_errors = 1;
}

static void first_fault(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	arm(r);
	fill_some(r, 3, 4);
	calm(r);
	fill_some(r, 0, 1);
	room_close(r);
}

const struct scenario scen_limits[] = {
	{ "limit-budget", budget, prepare_three, over_budget, 0 },
	{ "limit-blocks", watermarks, NULL, nearly_full, 0 },
	{ "limit-files", file_marks, NULL, no_files, 0 },
	{ "limit-disk-full", five_files, NULL, full, 0 },
	{ "limit-culled", five_files, prepare_all, culled, 0 },
	{ "limit-crowd", crowd, prepare_crowd, crowd_culled, SCEN_ONE_MODEL },
	{ "limit-map-memory", few_blocks, NULL, map_memory, 0 },
	{ "limit-errors", impatient, prepare_three, first_fault, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
