// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tamper.c - the hands of room.h that change the directory.
 *
 * What they leave alone: bytes of granules that are declared present. That those are right is what
 * a valid record says, and nothing else could tell.
 */
#include "bits.h"
#include "record.h"
#include "room.h"

#define VALUE_MAX 4096

static struct room_object *take_object(struct room *room, struct input *in)
{
	return &room->objects[take(in, 1) % ROOM_OBJECTS];
}

static const char *take_path(struct room *room, struct input *in)
{
	static const char *const names[] = { "super", "lock",  "cache", "graves", "tmp",
					     ROOM_VOLUME, "cache/Iother", "elsewhere" };
	static char fanout[2][640];
	static int turn;
	unsigned int n = (unsigned int)take(in, 1) % (8 + 2 * ROOM_OBJECTS);

	if (n < 8)
		return names[n];
	n -= 8;
	if (n < ROOM_OBJECTS)
		return room->objects[n].path;
	turn = !turn;
	snprintf(fanout[turn], sizeof(fanout[turn]), "%s", room->objects[n - ROOM_OBJECTS].path);
	*strrchr(fanout[turn], '/') = '\0';
	return fanout[turn];
}

/* --- Values ---------------------------------------------------------------------------------- */

/* Whose value: mostly an object's, or the volume's. */
static const char *take_value(struct room *room, struct input *in, uint8_t value[VALUE_MAX],
			      size_t *len)
{
	unsigned int n = (unsigned int)take(in, 1) % (ROOM_OBJECTS + 1);
	const char *path = n < ROOM_OBJECTS ? room->objects[n].path : ROOM_VOLUME;
	int got = simstore_xattr_get(room->world.store, path, FSC_XATTR_NAME, value, VALUE_MAX);

	*len = got > 0 ? (size_t)got : 0;
	return path;
}

static void put_value(struct room *room, const char *path, const uint8_t *value, size_t len)
{
	simstore_xattr_set(room->world.store, path, FSC_XATTR_NAME, value, len);
}

static void flip_value(struct room *room, struct input *in)
{
	uint8_t value[VALUE_MAX];
	size_t len, at;
	const char *path = take_value(room, in, value, &len);

	at = (size_t)take(in, 1);
	if (at < len) {
		value[at] ^= (uint8_t)take(in, 1);
		put_value(room, path, value, len);
	}
}

static void set_field(struct room *room, struct input *in)
{
	static const uint8_t fields[][2] = { { 2, 1 }, { 3, 1 }, { 8, 8 }, { 16, 1 }, { 17, 1 },
					     { 18, 2 } };
	const uint8_t *field = fields[take(in, 1) % 6];
	uint8_t value[VALUE_MAX];
	size_t len;
	const char *path = take_value(room, in, value, &len);

	if (len >= 36) {
		put_le(value + field[0], take(in, field[1]), field[1]);
		put_value(room, path, value, len);
	}
}

/* Other bytes from a place on, longer or shorter. */
static void replace_value(struct room *room, struct input *in)
{
	uint8_t value[VALUE_MAX];
	size_t len, at, n;
	const char *path = take_value(room, in, value, &len);

	at = (size_t)take(in, 1);
	n = (size_t)take(in, 1) % 64;
	if (at > len)
		return;
	for (size_t i = 0; i < n; i++)
		value[at + i] = (uint8_t)take(in, 1);
	put_value(room, path, value, at + n);
}

static void copy_value(struct room *room, struct input *in)
{
	uint8_t value[VALUE_MAX];
	size_t len;

	take_value(room, in, value, &len);
	put_value(room, take_object(room, in)->path, value, len);
}

static void remove_value(struct room *room, struct input *in)
{
	simstore_xattr_set(room->world.store, take_path(room, in), FSC_XATTR_NAME, NULL, 0);
}

static void fix_value(struct room *room, struct input *in)
{
	uint8_t value[VALUE_MAX];
	size_t len;
	const char *path = take_value(room, in, value, &len);

	fix_record(value, len);
	put_value(room, path, value, len);
	room->fixed = true;
}

/* As if it had been written for this very file. */
static void fix_digest(struct room *room, struct input *in)
{
	struct room_object *obj = take_object(room, in), now = *obj;
	uint8_t value[VALUE_MAX];
	struct fsc_stat stat;
	int len = simstore_xattr_get(room->world.store, obj->path, FSC_XATTR_NAME, value,
				     sizeof(value));

	if (len < 36 || simstore_stat(room->world.store, obj->path, &stat))
		return;
	now.ino = stat.ino;
	now.btime_s = stat.btime_s;
	now.btime_ns = stat.btime_ns;
	room_digest(&now, value + 20);
	fix_record(value, (size_t)len);
	put_value(room, obj->path, value, (size_t)len);
	room->fixed = true;
}

/* --- Contents -------------------------------------------------------------------------------- */

/* What is cut off and put back as zeroes would be a change of data: what was cut stays so. */
static bool is_cut(struct room *room, const char *path, bool cut)
{
	uint64_t ino = simstore_ino(room->world.store, path);

	for (int i = 0; i < ROOM_OBJECTS; i++) {
		struct room_object *obj = &room->objects[i];

		if (obj->ino == ino && obj->cut)
			return true;
		if (obj->ino == ino)
			obj->cut = cut;
	}
	return false;
}

static void resize(struct room *room, struct input *in)
{
	const char *path = take_path(room, in);
	uint64_t size = take(in, 3) << take(in, 1) % 40;
	struct fsc_stat stat;

	if (!simstore_stat(room->world.store, path, &stat) && stat.type == FSC_FILE_REGULAR &&
	    !is_cut(room, path, size < stat.size))
		simstore_resize(room->world.store, path, size);
}

/* Is it under its name, and of its length? */
static bool is_writable(struct room *room, const struct room_object *obj)
{
	return simstore_ino(room->world.store, obj->path) == obj->ino && !obj->cut;
}

/* Where nothing is declared: absent granules, what is behind the end, the slot. */
static void write_data(struct room *room, struct input *in)
{
	struct room_object *obj = take_object(room, in);
	uint64_t granule = take(in, 1) % 64;
	uint8_t block[K];

	if (granule < ROOM_GRANULES && obj->declared >> granule & 1)
		return;
	if (!is_writable(room, obj))
		return;
	memset(block, (int)take(in, 1), sizeof(block));
	simstore_write(room->world.store, obj->path, granule * K, block, sizeof(block));
}

static void write_slot(struct room *room, struct input *in)
{
	struct room_object *obj = &room->objects[3];
	uint64_t at = take(in, 1) % 32;
	uint8_t byte;

	if (!is_writable(room, obj))
		return;
	simstore_read(room->world.store, obj->path, obj->slot_pos + at, &byte, 1);
	byte ^= (uint8_t)take(in, 1);
	simstore_write(room->world.store, obj->path, obj->slot_pos + at, &byte, 1);
}

/* Its checksum, in it and in the reference. */
static void fix_slot(struct room *room, struct input *in)
{
	struct simstore *st = room->world.store;
	struct room_object *obj = &room->objects[3];
	uint8_t value[VALUE_MAX], slot[K] = { 0 };
	struct reader_record rec;
	int len = simstore_xattr_get(st, obj->path, FSC_XATTR_NAME, value, sizeof(value));
	uint32_t n = (uint32_t)take(in, 1) % 16;
	uint8_t *ref;

	if (len < 36 || !is_writable(room, obj))
		return;
	simstore_read(st, obj->path, obj->slot_pos, slot, sizeof(slot));
	fix_record(value, (size_t)len);
	if (reader_record(value, (size_t)len, &rec) != READER_GOOD || rec.map_kind != READER_SLOT)
		return;
	ref = value + (rec.map - value);
	put_le(slot + 8, n, 4);
	put_le(slot + 12, reader_crc(slot + 16, n), 4);
	memcpy(ref + 12, slot + 8, 8);
	fix_record(value, (size_t)len);
	simstore_write(st, obj->path, obj->slot_pos, slot, sizeof(slot));
	put_value(room, obj->path, value, (size_t)len);
	room->fixed = true;
}

/* --- The super block ------------------------------------------------------------------------- */

/* Not what another's name was given to. */
static bool super_is_there(struct room *room)
{
	return simstore_ino(room->world.store, "super") == room->super_ino;
}

static void flip_super(struct room *room, struct input *in)
{
	uint64_t at = take(in, 1) % 128;
	uint8_t byte = 0;

	if (super_is_there(room) && simstore_read(room->world.store, "super", at, &byte, 1) == 1) {
		byte ^= (uint8_t)take(in, 1);
		simstore_write(room->world.store, "super", at, &byte, 1);
	}
}

static void fix_super_crc(struct room *room, struct input *in)
{
	uint8_t block[128];

	(void)in;
	if (super_is_there(room) &&
	    simstore_read(room->world.store, "super", 0, block, sizeof(block)) == sizeof(block)) {
		fix_super(block, sizeof(block));
		simstore_write(room->world.store, "super", 0, block, sizeof(block));
	}
}

/* --- Names ----------------------------------------------------------------------------------- */

static void swap_names(struct room *room, struct input *in)
{
	struct simstore *st = room->world.store;
	const char *a = take_path(room, in), *b = take_path(room, in);

	if (simstore_ino(st, a) && simstore_ino(st, b) && strncmp(a, b, strlen(a)) &&
	    strncmp(b, a, strlen(b)))
		simstore_swap_names(st, a, b);
}

static void move(struct room *room, struct input *in)
{
	const char *a = take_path(room, in), *b = take_path(room, in);

	if (strncmp(a, b, strlen(a)))
		simstore_rename(room->world.store, a, b);
}

static void remove_name(struct room *room, struct input *in)
{
	simstore_remove(room->world.store, take_path(room, in));
}

/* The same, byte for byte, but another file. */
static void copy(struct room *room, struct input *in)
{
	const char *a = take_path(room, in), *b = take_path(room, in);
	struct simstore *st = room->world.store;

	if (!strncmp(a, b, strlen(a)) || !strncmp(b, a, strlen(b))) {
		if (strcmp(a, b) || simstore_copy_tree(st, a, "copy"))
			return;
		simstore_remove(st, b);
		simstore_rename(st, "copy", b);
	} else if (simstore_ino(st, a)) {
		simstore_remove(st, b);
		simstore_copy_tree(st, a, b);
	}
}

static void link_name(struct room *room, struct input *in)
{
	const char *a = take_path(room, in), *b = take_path(room, in);
	struct fsc_stat stat;

	if (!simstore_stat(room->world.store, a, &stat) && stat.type != FSC_FILE_DIR &&
	    !simstore_hardlink(room->world.store, a, b))
		room->linked = true;
}

static void make_thing(struct simstore *st, const char *path, unsigned int what)
{
	static uint8_t block[K];
	char below[1100];

	switch (what % 5) {
	case 0:
		simstore_symlink(st, path);
		break;
	case 1:
		simstore_fifo(st, path);
		break;
	case 2:
		if (!simstore_mkfile(st, path))
			simstore_write(st, path, 0, block, sizeof(block));
		break;
	default:
		if (simstore_mkdir(st, path) || what % 5 == 3)
			break;
		snprintf(below, sizeof(below), "%s/S%s", path, "below");
		if (!simstore_mkfile(st, below))
			simstore_write(st, below, 0, block, sizeof(block));
		break;
	}
}

static void put_thing(struct room *room, struct input *in)
{
	const char *path = take_path(room, in);

	simstore_remove(room->world.store, path);
	make_thing(room->world.store, path, (unsigned int)take(in, 1));
}

/* Something of any name in one of the folders. */
static void put_junk(struct room *room, struct input *in)
{
	const char *folder = take_path(room, in);
	unsigned int what = (unsigned int)take(in, 1);
	char path[1024], name[256];
	size_t len = 1 + (size_t)take(in, 1) % 255;
	struct fsc_stat stat;

	for (size_t i = 0; i < len; i++) {
		name[i] = (char)take(in, 1);
		/* what no filesystem has in a name */
		if (!name[i] || name[i] == '/')
			name[i] = 'x';
	}
	name[len] = '\0';
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!simstore_stat(room->world.store, folder, &stat) && stat.type == FSC_FILE_DIR)
		make_thing(room->world.store, path, what);
}

static void give_away(struct room *room, struct input *in)
{
	simstore_chown(room->world.store, take_path(room, in), (uint32_t)take(in, 1) % 2);
}

/* --- The server ------------------------------------------------------------------------------ */

static void change_file(struct room *room, struct input *in)
{
	struct room_object *obj = take_object(room, in);

	obj->file.version++;
	obj->file.told = obj->file.version;
	if (take(in, 1) % 2)
		obj->file.size = obj->file.real_size = take(in, 2);
	/* of the last one only these eight bytes count as well */
	put_le(obj->coherency, obj->file.version, 8);
}

void room_tamper(struct room *room, struct input *in)
{
	static void (*const hands[])(struct room *room, struct input *in) = {
		flip_value, set_field, replace_value, copy_value, remove_value, fix_value,
		fix_digest, resize, write_data, write_slot, fix_slot, flip_super, fix_super_crc,
		swap_names, move, remove_name, copy, link_name, put_thing, put_junk, give_away,
		change_file,
	};

	hands[take(in, 1) % (sizeof(hands) / sizeof(*hands))](room, in);
}
