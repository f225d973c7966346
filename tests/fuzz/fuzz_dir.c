// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_dir.c - a valid cache directory, tampered with as the input says (tamper.c), opened and read
 * through.
 *
 * What the library serves of each object must be exactly what the second reader (reader.h) finds
 * declared, and right. The only wrong bytes that may come are those of granules which the input,
 * with checksum and digest made right, declared present without being asked to write their data
 * too: such a forgery can't be told from the truth by anyone. Then everything is read from the
 * server through the cache, and closed; what lies on the disk in the end must be right as well, and
 * the count of its bytes.
 *
 * Input: a byte of seed, one of flags, one whose bits say which objects are not looked at, then
 * changes. Flags, after what the kind of filesystem is made of: 4 ids are known, 8 the objects are
 * not looked at before the files are read, 16 all that can be is culled in the end.
 */
#include "bits.h"
#include "room.h"

#define CHANGES_MAX 32

struct scene {
	struct room *room;
	unsigned int flags, left_out;
	bool forged[ROOM_OBJECTS];
};

static void acquire_volume(struct room *room)
{
	struct fsc_blob key = { "9p,server,export", 16 }, coherency = { "v1", 2 };

	CHECK_EQ(fsc_volume_acquire(room->world.cache, key, coherency, 0, &room->world.vol), 0);
}

/* --- Objects, and files ---------------------------------------------------------------------- */

static bool is_left_out(const struct scene *s, int i)
{
	return s->left_out >> i & 1;
}

static void check_objects(struct scene *s, bool good)
{
	for (int i = 0; i < ROOM_OBJECTS; i++)
		if (!is_left_out(s, i))
			s->forged[i] = room_check_object(s->room, &s->room->objects[i], good);
}

static void read_files(struct scene *s)
{
	for (int i = 0; i < ROOM_OBJECTS - 1; i++) {
		struct netfs_file *file = &s->room->objects[i].file;
		struct fsc_cookie *cookie;

		if (s->forged[i] || is_left_out(s, i))
			continue;
		cookie = acquire_used(&s->room->world, file);
		CHECK_EQ(read_whole(file, cookie, sim_chance(2)), file->size);
		world_quiet();
		drop_used(cookie);
	}
}

/* --- Afterwards ------------------------------------------------------------------------------- */

static void check_right(struct room *room, const struct room_object *obj, uint64_t granule)
{
	uint64_t pos = granule * K, len = fsc_min64(K, obj->file.size - pos);
	uint8_t stored[K];

	CHECK_EQ(simstore_read(room->world.store, obj->path, pos, stored, len), len);
	if (obj->file.version == 1 && granule < ROOM_GRANULES) {
		CHECK(!memcmp(stored, room_bytes(obj, granule), len));
		return;
	}
	for (uint64_t i = 0; i < len; i++)
		CHECK_EQ(stored[i], netfs_byte(&obj->file, obj->file.version, pos + i));
}

/* What is declared now, by whomever, is right; and of a file that was read all of it is there. */
static void check_disk(struct scene *s)
{
	for (int i = 0; i < ROOM_OBJECTS - 1; i++) {
		const struct room_object *obj = &s->room->objects[i];
		struct room_belief b;

		if (s->forged[i] || is_left_out(s, i))
			continue;
		room_believe(s->room, obj, &b);
		/* with a forged count of bytes there may seem to be no room */
		if (s->flags & 16)
			CHECK_EQ(b.granules, 0);
		else if (s->room->uncounted)
			CHECK_EQ(b.granules, fsc_granules(obj->file.size));
		for (size_t r = 0; r < b.nr; r++)
			for (uint64_t g = b.runs[r].start; g < b.runs[r].end; g++)
				check_right(s->room, obj, g);
		room_belief_free(&b);
	}
}

static void scene_main(void *arg)
{
	struct scene *s = arg;
	struct room *room = s->room;
	struct world *w = &room->world;
	struct fsc_backend *be = simbackend_open(w->store, &w->backend);
	bool empty, good;
	int want = room_expect_open(room, &empty), err;

	room_account_begin(room);
	err = fsc_cache_open(be, &w->params, &w->cache);
	CHECK(want == 1 ? err < 0 : err == want);
	if (err) {
		be->ops->close(be);
		return;
	}
	/* Counted, and what is not to be believed on its way out */
	world_quiet();
	good = !empty && room_expect_volume(room);
	acquire_volume(room);
	/* who forged must be told apart before files are read */
	if (!(s->flags & 8) || room->fixed) {
		check_objects(s, good);
		room_account_middle(room);
	}
	read_files(s);
	room_account_middle(room);
	if (s->flags & 16) {
		CHECK_EQ(fsc_cache_cull(w->cache, UINT64_MAX, NULL), 0);
		room_account_middle(room);
	}
	world_close(w);
	room_account_end(room);
	check_disk(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint64_t seed = take(&in, 1);
	struct scene s = { .room = room_new(ROOM_OBJECTS) };
	struct sim_opts opts = { .any_lock_order = true, .switch_one_in = 32 };

	s.flags = (unsigned int)take(&in, 1);
	s.left_out = (unsigned int)take(&in, 1);
	s.room->world.backend.kind = s.flags % 3;
	s.room->world.backend.ids_known = s.flags & 4;
	for (int i = 0; in.left && i < CHANGES_MAX; i++)
		room_tamper(s.room, &in);
	if (sim_try(seed, &opts, scene_main, &s) != SIM_OK)
		abort();
	FUZZ_CHECK(!simstore_open_handles(s.room->world.store));
	room_free(s.room);
	return 0;
}
