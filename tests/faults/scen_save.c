// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_save.c - scenarios: maps of every form are stored, and objects get their names. */
#include <string.h>

#include "key.h"
#include "record.h"
#include "scenarios.h"

static void one_file(struct room *r)
{
	remote_add(r, 40 * K);
}

/* Every other granule: a bitmap is shorter than its runs. */
static void store_odd(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t from,
		      uint64_t to)
{
	for (uint64_t g = from; g < to; g += 2)
		obj_store(r, obj, f, g * K, K);
}

static void prepare_odd(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	store_odd(r, obj, f, 1, 40);
	obj_close(r, obj, f, false);
	room_close(r);
}

static void more(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	obj = obj_open(r, f);
	obj_read(r, obj, f, 3 * K, K);
	store_odd(r, obj, f, 0, 5);
	obj_commit(r, obj, f, false);
	obj_clear(obj, 7 * K, K);
	calm(r);
	obj_store(r, obj, f, 0, 40 * K);
	obj_close(r, obj, f, false);
	room_close(r);
}

void tight_value(struct room *r, size_t spare)
{
	struct remote *f = &r->file[0];
	struct fsc_record rec = { .coherency.len = 8, .has_key = true };

	f->key_len = 240;
	rec.key.len = f->key_len;
	simstore_set_xattr_max(r->store, (uint32_t)(fsc_record_overhead(&rec) + spare));
}

static void slots(struct room *r)
{
	remote_add(r, 200 * K);
	tight_value(r, FSC_SLOT_REF_SIZE);
}

void prepare_slot(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	for (uint64_t g = 1; g < 190; g += 12)
		obj_store(r, obj, f, g * K, 3 * K);
	obj_close(r, obj, f, false);
	room_close(r);
}

static void slot_again(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	obj = obj_open(r, f);
	obj_read(r, obj, f, 13 * K, K);
	obj_store(r, obj, f, 5 * K, K);
	obj_commit(r, obj, f, false);
	obj_store(r, obj, f, 17 * K, K);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_clear(obj, 13 * K, 2 * K);
	obj_commit(r, obj, f, false);
	obj_close(r, obj, f, false);
	room_close(r);
}

/* It grows over its slots. */
static void slot_grown(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	arm(r);
	obj_resize(r, obj, f, 210 * K + 3);
	obj_commit(r, obj, f, true);
	obj_store(r, obj, f, 199 * K, 5 * K);
	calm(r);
	obj_commit(r, obj, f, true);
	obj_resize(r, obj, f, 150 * K);
	obj_close(r, obj, f, true);
	room_close(r);
}

static void slot_written(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	arm(r);
	obj_write(r, obj, f, 14 * K, 2 * K, true);
	obj_commit(r, obj, f, true);
	calm(r);
	obj_write(r, obj, f, 3 * K, K, false);
	obj_close(r, obj, f, true);
	room_close(r);
}

/* All of it is there at last: the slots go. */
static void slot_complete(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	obj_store(r, obj, f, 10 * K, 189 * K);
	arm(r);
	obj_store(r, obj, f, 0, 200 * K);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_close(r, obj, f, false);
	obj = obj_open(r, f);
	obj_read(r, obj, f, 0, 200 * K);
	obj_close(r, obj, f, false);
	room_close(r);
}

/* No slot may be had: the longest runs are declared. */
static void parts_only(struct room *r)
{
	remote_add(r, 200 * K);
	tight_value(r, 15);
}

static void no_room(struct room *r)
{
	remote_add(r, 200 * K);
	tight_value(r, FSC_SLOT_REF_SIZE);
	r->params.max_map_bytes = 8000;
}

static void long_map(struct room *r)
{
	struct remote *f = remote_add(r, 40 * MIB);

	f->sparse = true;
	simstore_set_xattr_max(r->store, 256);
}

/* Longer than most values are. */
static void long_value(struct room *r)
{
	remote_add(r, 40 * MIB)->sparse = true;
}

static void prepare_long_value(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	for (uint64_t g = 1; g < 10000; g += 31)
		obj_store(r, obj, f, g * K, K);
	obj_close(r, obj, f, false);
	room_close(r);
}

static void prepare_long(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	for (uint64_t g = 1; g < 10000; g += 89)
		obj_store(r, obj, f, g * K, K);
	obj_close(r, obj, f, false);
	room_close(r);
}

static void long_again(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	obj = obj_open(r, f);
	obj_read(r, obj, f, 90 * K, K);
	obj_store(r, obj, f, 5000 * K, 600 * K);
	obj_commit(r, obj, f, false);
	obj_clear(obj, 5100 * K, 300 * K);
	calm(r);
	obj_store(r, obj, f, 5100 * K, K);
	obj_close(r, obj, f, false);
	room_close(r);
}

/* The filesystem takes less than was seen at first. */
static void value_shrinks(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	store_odd(r, obj, f, 0, 30);
	simstore_set_xattr_max(r->store, 47);
	arm(r);
	obj_commit(r, obj, f, false);
	obj_store(r, obj, f, 31 * K, 4 * K);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_write(r, obj, f, 3 * K, K, true);
	obj_commit(r, obj, f, true);
	obj_close(r, obj, f, true);
	room_close(r);
	simstore_set_xattr_max(r->store, 4032);
}

/* --- Names ------------------------------------------------------------------------------------ */

static const char *path_of(struct remote *f, bool fanout)
{
	static char path[FSC_OBJECT_PATH_SIZE + 40] = "cache/I9p,server,export/";
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	char *object = path + strlen("cache/I9p,server,export/");
	bool hashed;

	fsc_key_cook_object(remote_params(f, 0, key, coh).key, object, &hashed);
	if (fanout)
		*strchr(object, '/') = '\0';
	return path;
}

/* Something gets in the way before the object has its name. */
static struct fsc_object *unnamed(struct room *r, struct remote *f)
{
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	CHECK_EQ(obj_store(r, obj, f, 0, 4 * K), 4 * K);
	return obj;
}

static void name_it(struct room *r, struct fsc_object *obj, struct remote *f)
{
	arm(r);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_store(r, obj, f, 4 * K, K);
	obj_close(r, obj, f, false);
	room_close(r);
}

static void name_taken(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = unnamed(r, f);

	CHECK_EQ(simstore_mkdir(r->store, path_of(f, true)), 0);
	CHECK_EQ(simstore_mkfile(r->store, path_of(f, false)), 0);
	name_it(r, obj, f);
}

static void name_is_folder(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = unnamed(r, f);

	CHECK_EQ(simstore_mkdir(r->store, path_of(f, true)), 0);
	CHECK_EQ(simstore_mkdir(r->store, path_of(f, false)), 0);
	name_it(r, obj, f);
}

static void fanout_is_file(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = unnamed(r, f);

	CHECK_EQ(simstore_mkfile(r->store, path_of(f, true)), 0);
	name_it(r, obj, f);
}

/* More than the saver holds open only to sync them later. */
static void many(struct room *r)
{
	for (int i = 0; i < 19; i++)
		remote_add(r, K);
}

static void many_committed(struct room *r)
{
	struct fsc_object *obj[19];

	CHECK_EQ(room_open(r), 0);
	for (int i = 0; i < 19; i++) {
		if (i == 16)
			arm(r);
		obj[i] = obj_open(r, &r->file[i]);
		obj_store(r, obj[i], &r->file[i], 0, K);
		obj_commit(r, obj[i], &r->file[i], false);
	}
	sim_sleep_ms(1100);
	calm(r);
	for (int i = 0; i < 19; i++)
		obj_close(r, obj[i], &r->file[i], false);
	room_close(r);
}

const struct scenario scen_save[] = {
	{ "save-bitmap", one_file, prepare_odd, more, 0 },
	{ "save-slot", slots, prepare_slot, slot_again, 0 },
	{ "save-slot-grown", slots, prepare_slot, slot_grown, 0 },
	{ "save-slot-written", slots, prepare_slot, slot_written, 0 },
	{ "save-slot-complete", slots, prepare_slot, slot_complete, 0 },
	{ "save-part", parts_only, prepare_slot, slot_again, 0 },
	{ "save-no-slot", no_room, prepare_slot, slot_again, 0 },
	{ "save-long-map", long_map, prepare_long, long_again, 0 },
	{ "save-long-value", long_value, prepare_long_value, long_again, 0 },
	{ "save-value-shrinks", one_file, NULL, value_shrinks, SCEN_NO_CRASH },
	{ "save-many", many, NULL, many_committed, 0 },
	{ "name-taken", one_file, NULL, name_taken, 0 },
	{ "name-is-folder", one_file, NULL, name_is_folder, 0 },
	{ "name-fanout-is-file", one_file, NULL, fanout_is_file, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
