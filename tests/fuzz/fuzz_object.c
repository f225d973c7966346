// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_object.c - any bytes as the value of an object's file, any bytes as its map's slot, any
 * length of the file, looked up through fsc_object_open(): what is present must be exactly what the
 * second reader (reader.h) finds declared, and what is read must be what lies there.
 *
 * Input: a byte of flags, the file's length (three bytes, and one by how much they are shifted);
 * with HAS_SLOT a byte of length of the slot, whose bytes come first; then the value.
 */
#include "bits.h"
#include "room.h"

enum {
	FIX_CRC = 1,
	FIX_DIGEST = 2,
	SIZE_AGREES = 4,      /* the server's with the value's */
	COHERENCY_AGREES = 8, /* likewise */
	HAS_SLOT = 16,
	FIX_SLOT = 32,        /* its length and crc, also in the reference */
};

static void agree(struct room_object *obj, const uint8_t *value, size_t len, unsigned int flags)
{
	if (len < 36)
		return;
	if (flags & SIZE_AGREES)
		obj->file.size = get_le(value + 8, 8) & INT64_MAX;
	if (flags & COHERENCY_AGREES && value[16] <= 28 && len >= 36u + value[16]) {
		memcpy(obj->coherency, value + 36, value[16]);
		obj->coherency_len = value[16];
	}
}

/* To where the value says that it is. The file is as long as it needs, unless it is set to be
 * shorter afterwards. */
static void put_slot(struct simstore *st, const char *path, uint8_t *value, size_t len,
		     uint8_t *slot, size_t slot_len, bool fix)
{
	size_t at = len >= 36 ? 36u + value[16] + value[17] : len;
	uint64_t pos;

	if (at + 20 != len || !slot_len)
		return;
	if (fix && slot_len > 16) {
		memcpy(slot, "FCSLMFS", 8);
		put_le(slot + 8, slot_len - 16, 4);
		put_le(slot + 12, reader_crc(slot + 16, slot_len - 16), 4);
		memcpy(value + at + 12, slot + 8, 8);
	}
	pos = get_le(value + at + 4, 8);
	if (pos > INT64_MAX - K)
		return;
	simstore_write(st, path, pos, slot, slot_len);
	simstore_resize(st, path, fsc_round_up(pos + slot_len, K));
}

static void prepare(struct room *room, struct room_object *obj, struct input *in)
{
	unsigned int flags = (unsigned int)take(in, 1);
	struct simstore *st = room->world.store;
	uint64_t file_size = take(in, 3) << take(in, 1) % 40;
	uint8_t *slot, *value;
	size_t slot_len, len;

	slot = take_copy(in, flags & HAS_SLOT ? (size_t)take(in, 1) : 0, &slot_len);
	value = take_copy(in, 65536, &len);
	if (len >= 36 && flags & FIX_DIGEST)
		room_digest(obj, value + 20);
	put_slot(st, obj->path, value, len, slot, slot_len, flags & FIX_SLOT);
	if (!slot_len || file_size)
		simstore_resize(st, obj->path, file_size);
	if (flags & FIX_CRC)
		fix_record(value, len);
	agree(obj, value, len, flags);
	simstore_xattr_set(st, obj->path, FSC_XATTR_NAME, value, len);
	free(slot);
	free(value);
}

static void look_up(void *arg)
{
	struct fsc_blob key = { "9p,server,export", 16 }, coherency = { "v1", 2 };
	struct room *room = arg;
	struct world *w = &room->world;

	CHECK_EQ(fsc_cache_open(simbackend_open(w->store, &w->backend), &w->params, &w->cache), 0);
	CHECK_EQ(fsc_volume_acquire(w->cache, key, coherency, 0, &w->vol), 0);
	room_check_object(room, &room->objects[0], true);
	/* once more, as it is now */
	room_check_object(room, &room->objects[0], true);
	world_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sim_opts opts = { .any_lock_order = true, .switch_one_in = 32 };
	struct input in = { data, size };
	struct room *room = room_new(1);

	room->fixed = true;
	room->objects[0].declared = 0;
	prepare(room, &room->objects[0], &in);
	if (sim_try(1, &opts, look_up, room) != SIM_OK)
		abort();
	room_free(room);
	return 0;
}
