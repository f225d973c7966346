// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* room.c - the valid directory of room.h. */
#include "room.h"

#include <stdio.h>

#include "bits.h"
#include "key.h"
#include "map.h"

#define VOLUME_KEY "9p,server,export"
#define GARBAGE 0x5a

static const struct {
	uint64_t size;
	uint32_t declared;
	enum fsc_map_kind kind;
} shapes[ROOM_OBJECTS] = {
	{ 5000, 0x3, FSC_MAP_NONE },        /* complete */
	{ 20000, 0x16, FSC_MAP_RUNS },      /* granules 1, 2 and 4 of 5 */
	{ 28672, 0x55, FSC_MAP_BITMAP },    /* every other one of 7 */
	{ 40000, 0x231, FSC_MAP_SLOT },     /* of 10, the last one cut through */
	{ 0, 0, FSC_MAP_NONE },
	{ 4097, 0x3, FSC_MAP_NONE },        /* complete, and its name is a hash */
};

static struct fsc_blob blob(const void *data, size_t len)
{
	return (struct fsc_blob){ data, len };
}

const uint8_t *room_bytes(const struct room_object *obj, uint64_t granule)
{
	static uint8_t all[ROOM_OBJECTS][ROOM_GRANULES][K];
	static bool made[ROOM_OBJECTS];
	size_t i = obj->file.id;

	for (size_t at = 0; !made[i] && at < sizeof(all[i]); at++)
		((uint8_t *)all[i])[at] = netfs_byte(&obj->file, 1, at);
	made[i] = true;
	return all[i][granule];
}

void room_digest(const struct room_object *obj, uint8_t out[16])
{
	fsc_key_digest(blob(VOLUME_KEY, 16), blob(obj->key, obj->key_len), obj->ino, obj->btime_s,
		       obj->btime_ns, out);
}

/* --- Making it ------------------------------------------------------------------------------- */

static void must(int err)
{
	if (err)
		abort();
}

static void make_super(struct simstore *st)
{
	struct fsc_super super = { .version = FSC_FORMAT_VERSION, .ids_known = true,
				   .used_bytes = UINT64_MAX };
	uint8_t block[FSC_SUPER_BLOCK] = { 0 };

	fsc_super_encode(&super, block);
	must(simstore_mkfile(st, "super"));
	must(simstore_write(st, "super", 0, block, sizeof(block)));
	must(simstore_mkfile(st, "lock"));
	must(simstore_mkdir(st, "graves"));
	must(simstore_mkdir(st, "tmp"));
	must(simstore_mkdir(st, "cache"));
}

static void store_record(struct simstore *st, const char *path, const struct fsc_record *rec)
{
	uint8_t value[1024];
	int len = fsc_record_encode(rec, value, sizeof(value));

	must(len < 0);
	must(simstore_xattr_set(st, path, FSC_XATTR_NAME, value, (size_t)len));
}

static void make_volume(struct simstore *st)
{
	struct fsc_record rec = { .volume = true, .has_key = true, .key = blob(VOLUME_KEY, 16),
				  .coherency = blob("v1", 2) };
	struct fsc_stat stat;

	must(simstore_mkdir(st, ROOM_VOLUME));
	must(simstore_stat(st, ROOM_VOLUME, &stat));
	fsc_key_digest(rec.key, blob(NULL, 0), stat.ino, stat.btime_s, stat.btime_ns, rec.digest);
	store_record(st, ROOM_VOLUME, &rec);
}

/* What is declared has the right bytes; of the rest every third granule has wrong ones. */
static void make_data(struct simstore *st, const struct room_object *obj, bool complete)
{
	uint8_t garbage[K];

	memset(garbage, GARBAGE, sizeof(garbage));
	for (uint64_t g = 0; g < fsc_granules(obj->file.size); g++) {
		if (obj->declared >> g & 1)
			must(simstore_write(st, obj->path, g * K, room_bytes(obj, g), K));
		else if (g % 3 == 0)
			must(simstore_write(st, obj->path, g * K, garbage, K));
	}
	if (complete)
		must(simstore_resize(st, obj->path, obj->file.size));
}

static size_t encode_map(const struct room_object *obj, enum fsc_map_kind kind, uint8_t buf[64])
{
	struct fsc_map_writer w;

	fsc_map_writer_init(&w, kind, buf, 64, 0);
	for (uint64_t g = 0; g < fsc_granules(obj->file.size); g++)
		fsc_map_writer_add(&w, obj->declared >> g & 1, 1);
	return fsc_map_writer_end(&w);
}

/* The map into the file, a reference to it into @map. */
static size_t make_slot(struct simstore *st, struct room_object *obj, uint8_t map[64])
{
	struct fsc_slot_ref ref = { .kind = FSC_MAP_BITMAP, .slot = 1 };
	uint8_t slot[K] = { 0 };

	ref.len = (uint32_t)encode_map(obj, ref.kind, slot + FSC_SLOT_HEADER);
	ref.crc = fsc_crc32c(0, slot + FSC_SLOT_HEADER, ref.len);
	ref.pos = obj->slot_pos = (fsc_granules(obj->file.size) + 1) * K;
	fsc_slot_header(&ref, slot);
	must(simstore_write(st, obj->path, ref.pos, slot, sizeof(slot)));
	fsc_slot_ref_encode(&ref, map);
	return FSC_SLOT_REF_SIZE;
}

static void make_record(struct simstore *st, struct room_object *obj, enum fsc_map_kind kind,
			bool hashed)
{
	struct fsc_record rec = { .size = obj->file.size, .complete = kind == FSC_MAP_NONE,
				  .has_key = hashed, .key = blob(obj->key, obj->key_len) };
	uint8_t map[64], label[FSC_COHERENCY_INLINE];

	rec.coherency.len = fsc_record_coherency(blob(obj->coherency, obj->coherency_len), label,
						 &rec.coherency_hashed);
	rec.coherency.data = label;
	room_digest(obj, rec.digest);
	rec.map_kind = kind;
	rec.map.data = map;
	if (kind == FSC_MAP_SLOT)
		rec.map.len = make_slot(st, obj, map);
	else if (kind != FSC_MAP_NONE)
		rec.map.len = encode_map(obj, kind, map);
	store_record(st, obj->path, &rec);
}

static void name_object(struct room_object *obj, bool *hashed)
{
	char name[FSC_OBJECT_PATH_SIZE];

	netfs_params(&obj->file, obj->key, obj->coherency);
	obj->key_len = obj->coherency_len = 8;
	if (obj->file.id == ROOM_OBJECTS - 1) {
		obj->key_len = sizeof(obj->key);
		obj->coherency_len = sizeof(obj->coherency);
	}
	fsc_key_cook_object(blob(obj->key, obj->key_len), name, hashed);
	snprintf(obj->path, sizeof(obj->path), ROOM_VOLUME "/%s", name);
}

static void make_object(struct room *room, uint32_t i)
{
	struct simstore *st = room->world.store;
	struct room_object *obj = &room->objects[i];
	enum fsc_map_kind kind = shapes[i].kind;
	struct fsc_stat stat;
	char fanout[640];
	bool hashed;

	obj->file = (struct netfs_file){ .net = &room->world.net, .id = i, .version = 1, .told = 1,
					 .size = shapes[i].size, .real_size = shapes[i].size,
					 .zero_from = UINT64_MAX };
	obj->declared = shapes[i].declared;
	name_object(obj, &hashed);
	snprintf(fanout, sizeof(fanout), "%s", obj->path);
	*strrchr(fanout, '/') = '\0';
	if (!simstore_ino(st, fanout))
		must(simstore_mkdir(st, fanout));
	must(simstore_mkfile(st, obj->path));
	must(simstore_stat(st, obj->path, &stat));
	obj->ino = stat.ino;
	obj->btime_s = stat.btime_s;
	obj->btime_ns = stat.btime_ns;
	make_data(st, obj, kind == FSC_MAP_NONE);
	make_record(st, obj, kind, hashed);
}

struct room *room_new(uint32_t objects)
{
	struct room *room = calloc(1, sizeof(*room));

	if (!room)
		abort();
	netfs_init(&room->world.net);
	room->world.store = simstore_create(NULL);
	room->world.params.max_bytes = 1 << 30;
	make_super(room->world.store);
	room->super_ino = simstore_ino(room->world.store, "super");
	make_volume(room->world.store);
	for (uint32_t i = 0; i < objects; i++)
		make_object(room, i);
	return room;
}

void room_free(struct room *room)
{
	simstore_destroy(room->world.store);
	free(room);
}
