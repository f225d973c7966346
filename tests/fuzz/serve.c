// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* serve.c - the half of room.h that runs the library on the room's store. */
#include "bits.h"
#include "core.h"
#include "room.h"

/* As many runs of an object are read, of each its first granule. */
#define READ_RUNS 20

static struct fsc_object *open_object(struct room *room, const struct room_object *obj)
{
	struct fsc_object *out;

	CHECK_EQ(fsc_object_open(room->world.vol, (struct fsc_blob){ obj->key, obj->key_len },
				 (struct fsc_blob){ obj->coherency, obj->coherency_len },
				 obj->file.size, &out), 0);
	return out;
}

static void check_stretch(struct fsc_gen *gen, uint64_t size, uint64_t start, uint64_t end,
			  bool present)
{
	uint64_t stop = end > size / K ? size : end * K, run;

	if (start >= end)
		return;
	CHECK_EQ(fsc_gen_run(gen, start * K, stop, &run), present);
	CHECK_EQ(run, stop);
}

static void check_presence(struct fsc_gen *gen, uint64_t size, const struct room_belief *b)
{
	uint64_t at = 0;

	for (size_t i = 0; i < b->nr; i++) {
		check_stretch(gen, size, at, b->runs[i].start, false);
		check_stretch(gen, size, b->runs[i].start, b->runs[i].end, true);
		at = b->runs[i].end;
	}
	check_stretch(gen, size, at, fsc_granules(size), false);
	CHECK_EQ(fsc_gen_complete(gen), b->granules == fsc_granules(size));
}

static bool is_its_file(struct room *room, const struct room_object *obj)
{
	return simstore_ino(room->world.store, obj->path) == obj->ino;
}

/* True: nobody but a forger said that it is there. */
static bool read_granule(struct room *room, const struct room_object *obj, struct fsc_gen *gen,
			 uint64_t granule)
{
	uint64_t left = obj->file.size - granule * K, len = left < K ? left : K;
	struct xfer *x = xfer_new(gen, granule * K, K);
	bool declared = granule < ROOM_GRANULES && obj->declared >> granule & 1;
	uint8_t stored[K];

	xfer_read(x);
	CHECK_EQ(xfer_wait(x), len);
	CHECK_EQ(simstore_read(room->world.store, obj->path, granule * K, stored, len), len);
	CHECK(!memcmp(x->mem, stored, len));
	declared = declared && is_its_file(room, obj);
	if (declared)
		CHECK(!memcmp(x->mem, room_bytes(obj, granule), len));
	xfer_free(x);
	return !declared;
}

bool room_check_object(struct room *room, const struct room_object *obj, bool volume_good)
{
	struct room_belief belief = { 0 };
	struct fsc_object *open;
	struct fsc_stat stat;
	struct fsc_gen *gen;
	bool forged = false;

	if (volume_good)
		room_believe(room, obj, &belief);
	open = open_object(room, obj);
	gen = fsc_object_gen(open);
	CHECK(gen);
	check_presence(gen, obj->file.size, &belief);
	if (belief.complete && !simstore_stat(room->world.store, obj->path, &stat))
		CHECK_EQ(stat.size, obj->file.size);
	for (size_t i = 0; i < belief.nr && i < READ_RUNS; i++)
		for (uint64_t g = belief.runs[i].start;
		     g < belief.runs[i].end && g - belief.runs[i].start < 3; g++)
			forged |= read_granule(room, obj, gen, g);
	CHECK(!forged || room->fixed);
	fsc_gen_put(gen);
	fsc_object_close(open, NULL, false);
	room_belief_free(&belief);
	return forged;
}

/* --- Accounting ------------------------------------------------------------------------------ */

static const char *component(const char *path, int n, char out[256])
{
	for (; n && *path; n--)
		path += strcspn(path, "/") + (path[strcspn(path, "/")] == '/');
	snprintf(out, 256, "%.*s", (int)strcspn(path, "/"), path);
	return out;
}

/* cache/VOLUME/@xx/OBJECT */
static bool is_object(const char *path)
{
	char part[256];

	return !strncmp(path, "cache/", 6) && !component(path, 4, part)[0] &&
	       reader_fanout_name(component(path, 2, part)) &&
	       reader_object_name(component(path, 3, part));
}

struct bytes {
	uint64_t objects, others;
};

static int add_bytes(void *arg, const char *path, const struct fsc_stat *stat)
{
	struct bytes *b = arg;

	*(is_object(path) ? &b->objects : &b->others) += stat->bytes;
	return 0;
}

static struct bytes bytes_now(struct room *room)
{
	struct bytes b = { 0 };

	simstore_walk(room->world.store, add_bytes, &b);
	return b;
}

static uint64_t stored_count(struct room *room)
{
	uint8_t count[8] = { 0 };

	simstore_read(room->world.store, "super", 72, count, sizeof(count));
	return get_le(count, 8);
}

void room_account_begin(struct room *room)
{
	room->uncounted = stored_count(room) == UINT64_MAX;
	room->others = bytes_now(room).others;
}

/* Files with two names are counted twice, as long as they have both. And what others put into our
 * folders isn't counted, but is given back when it goes with the folder that it is in. */
static void check_count(struct room *room, uint64_t count)
{
	uint64_t bytes = bytes_now(room).objects;

	if (!room->uncounted || room->linked)
		return;
	if (room->others == FSC_SUPER_BLOCK)
		CHECK_EQ(count, bytes);
	else
		CHECK(count <= bytes && count + room->others >= bytes);
}

void room_account_middle(struct room *room)
{
	world_quiet(); /* what is buried is counted out when it goes */
	if (room->world.cache->used_known)
		check_count(room, world_stats(&room->world).bytes_used);
}

void room_account_end(struct room *room)
{
	uint64_t count = stored_count(room);

	if (count != UINT64_MAX)
		check_count(room, count);
}
