// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * seeds.c - the beginnings of the corpora: valid inputs of each kind, which fuzzing starts from.
 *
 *	fuzz-seeds FOLDER
 *
 * writes FOLDER/TARGET/NAME for all of them.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "bits.h"
#include "map.h"
#include "record.h"
#include "room.h"

static const char *folder;

struct seed {
	uint8_t bytes[8192];
	size_t len;
};

static void add(struct seed *s, const void *bytes, size_t len)
{
	if (len > sizeof(s->bytes) - s->len)
		abort();
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static void add_le(struct seed *s, uint64_t v, size_t bytes)
{
	uint8_t le[8];

	put_le(le, v, bytes);
	add(s, le, bytes);
}

/* Write it, and begin anew. */
static void done(struct seed *s, const char *target, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	f = fopen(path, "w");
	if (!f || fwrite(s->bytes, 1, s->len, f) != s->len || fclose(f)) {
		perror(path);
		exit(1);
	}
	s->len = 0;
}

static const char *numbered(const char *name, unsigned int n)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s-%u", name, n);
	return text;
}

/* --- What lies on disks ---------------------------------------------------------------------- */

static size_t value_of(struct room *room, const char *path, uint8_t value[4096])
{
	int len = simstore_xattr_get(room->world.store, path, FSC_XATTR_NAME, value, 4096);

	if (len < 0)
		abort();
	return (size_t)len;
}

static void slot_of(struct room *room, const struct room_object *obj, uint8_t slot[32])
{
	simstore_read(room->world.store, obj->path, obj->slot_pos, slot, 32);
}

static void seed_value(struct room *room, const char *path, unsigned int flags, const char *name)
{
	struct seed s = { .len = 0 };
	uint8_t value[4096];
	size_t len = value_of(room, path, value);

	add_le(&s, flags, 1);
	add(&s, value, len);
	done(&s, "record", name);
}

/* @flip: a bit of the map in it. */
static void seed_slot(struct room *room, const struct room_object *obj, unsigned int flags,
		      uint8_t flip, const char *name)
{
	struct seed s = { .len = 0 };
	uint8_t value[4096], slot[32];
	size_t len = value_of(room, obj->path, value);

	slot_of(room, obj, slot);
	slot[FSC_SLOT_HEADER] ^= flip;
	add_le(&s, flags, 1);
	add_le(&s, sizeof(slot), 1);
	add(&s, value, len);
	add(&s, slot, sizeof(slot));
	done(&s, "record", name);
}

static void seed_values(struct room *room)
{
	for (unsigned int i = 0; i < ROOM_OBJECTS; i++) {
		const struct room_object *obj = &room->objects[i];

		seed_value(room, obj->path, 1 | 8, numbered("value", i));
		if (obj->slot_pos) {
			seed_slot(room, obj, 1 | 2 | 4 | 16, 0, "slot-fixed");
			seed_slot(room, obj, 1 | 2, 0, "slot");
			seed_slot(room, obj, 1 | 2, 4, "slot-damaged");
		}
	}
	seed_value(room, ROOM_VOLUME, 1 | 8, "volume");
}

/* @set: more of the record's flags. */
static void seed_object(struct room *room, const struct room_object *obj, unsigned int flags,
			uint8_t set, const char *name)
{
	struct seed s = { .len = 0 };
	uint8_t value[4096], slot[32];
	struct fsc_stat stat;
	size_t len;

	simstore_stat(room->world.store, obj->path, &stat);
	len = value_of(room, obj->path, value);
	value[3] |= set;
	add_le(&s, flags, 1);
	add_le(&s, stat.size, 4);
	if (obj->slot_pos) {
		slot_of(room, obj, slot);
		add_le(&s, 32, 1);
		add(&s, slot, 32);
	}
	add(&s, value, len);
	done(&s, "object", name);
}

static void seed_objects(struct room *room)
{
	for (unsigned int i = 0; i < ROOM_OBJECTS; i++) {
		const struct room_object *obj = &room->objects[i];

		seed_object(room, obj, obj->slot_pos ? 31 : 15, 0, numbered("object", i));
		if (obj->slot_pos)
			seed_object(room, obj, 63, 0, "slot");
	}
	/* whatever it says, the server says what it did */
	seed_object(room, &room->objects[0], 3, 0, "alone");
	seed_object(room, &room->objects[1], 15, FSC_RECORD_MODIFYING, "modifying");
}

/* Nearly all of files as large as files can be, and smaller ones: one run of granules. */
static void seed_large_objects(struct room *room)
{
	struct fsc_record rec = { .map_kind = FSC_MAP_RUNS,
				  .coherency = { room->objects[0].coherency, 8 } };
	struct seed s = { .len = 0 };
	uint8_t value[256], map[16];
	struct fsc_map_writer w;
	int len;

	for (unsigned int shift = 0; shift < 32; shift += 8) {
		rec.size = INT64_MAX >> shift;
		fsc_map_writer_init(&w, FSC_MAP_RUNS, map, sizeof(map), 0);
		fsc_map_writer_add(&w, true, (rec.size >> 12) - 5);
		rec.map = (struct fsc_blob){ map, fsc_map_writer_end(&w) };
		len = fsc_record_encode(&rec, value, sizeof(value));
		add_le(&s, 15, 1);
		add_le(&s, 0xffffff, 3);
		add_le(&s, 39 - shift, 1);
		add(&s, value, (size_t)len);
		done(&s, "object", numbered("large", shift));
	}
}

/* Each kind of change, and such as get past the checks: see tamper.c for the numbers. */
static void seed_dirs(void)
{
	static const struct {
		const char *name;
		unsigned int flags, len;
		uint8_t changes[16];
	} dirs[] = {
		{ "whole", 0, 0, { 0 } },
		{ "flip", 1, 3, { 0, 1, 60 } },
		{ "complete-forged", 0, 6, { 1, 1, 1, 1, 5, 1 } },
		{ "replaced-fixed", 0, 8, { 2, 1, 20, 2, 0, 0, 5, 1 } },
		{ "copied-value", 0, 4, { 3, 0, 0, 1 } },
		{ "digest", 0, 6, { 16, 8, 9, 6, 1, 0 } },
		{ "no-value", 0, 2, { 4, 9 } },
		{ "shorter", 0, 6, { 7, 9, 0, 0x10, 0, 0 } },
		{ "longer", 0, 6, { 7, 8, 0, 0, 1, 0 } },
		{ "garbage", 0, 4, { 8, 3, 20, 7 } },
		{ "slot", 0, 3, { 9, 17, 4 } },
		{ "slot-fixed", 0, 5, { 9, 16, 6, 10, 2 } },
		{ "super-open", 2, 4, { 11, 28, 1, 12 } },
		{ "super-damaged", 0, 3, { 11, 40, 1 } },
		{ "super-version", 0, 4, { 11, 8, 3, 12 } },
		{ "swapped", 0, 3, { 13, 8, 9 } },
		{ "moved", 0, 3, { 14, 5, 6 } },
		{ "removed", 0, 2, { 15, 5 } },
		{ "copied", 0, 3, { 16, 2, 2 } },
		{ "linked", 0, 3, { 17, 8, 7 } },
		{ "symlink", 0, 3, { 18, 14, 0 } },
		{ "folder", 0, 3, { 18, 8, 4 } },
		{ "culled", 16, 4, { 20, 9, 1, 8 } },
		{ "junk", 0, 7, { 19, 14, 2, 2, 'S', 'x', 'y' } },
		{ "given-away", 0, 3, { 20, 5, 1 } },
		{ "changed", 0, 5, { 21, 0, 1, 0, 0x30 } },
	};
	struct seed s = { .len = 0 };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		add_le(&s, i, 1);
		add_le(&s, dirs[i].flags, 2);
		add(&s, dirs[i].changes, dirs[i].len);
		done(&s, "dir", dirs[i].name);
	}
}

static void seed_supers(struct room *room)
{
	uint8_t block[FSC_SUPER_SIZE];
	struct seed s = { .len = 0 };

	simstore_read(room->world.store, "super", 0, block, sizeof(block));
	add_le(&s, 0, 1);
	add(&s, block, sizeof(block));
	done(&s, "super", "closed");
	block[28] |= 1;
	add_le(&s, 1, 1);
	add(&s, block, sizeof(block));
	done(&s, "super", "open");
}

static void seed_map(const char *name, unsigned int flags, uint64_t granules, const void *map,
		     size_t len)
{
	struct seed s = { .len = 0 };

	add_le(&s, flags, 1);
	add_le(&s, granules, flags & 2 ? 2 : 8);
	add(&s, map, len);
	done(&s, "map", name);
}

static void seed_maps(void)
{
	seed_map("runs", 2, 5, "\1\2\1\1", 4);
	seed_map("bitmap", 3, 5, "\x16", 1);
	seed_map("all", 2, 0x4000, "\0\x80\x80\1", 4);
	seed_map("far", 0, UINT64_MAX,
		 "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 19);
}

/* --- Names and texts ------------------------------------------------------------------------- */

static void seed_text(const char *target, const char *name, const char *text)
{
	struct seed s = { .len = 0 };

	add(&s, text, strlen(text));
	done(&s, target, name);
}

static void seed_key(const char *name, size_t len, int byte, const char *found)
{
	struct seed s = { .len = 0 };

	add_le(&s, len, 1);
	for (size_t i = 0; i < len; i++)
		add_le(&s, (uint64_t)byte, 1);
	add(&s, found, strlen(found));
	done(&s, "key", name);
}

static void seed_texts(void)
{
	seed_key("text", 5, 'k', "Sname");
	seed_key("longest-text", 254, 'k', "EBwAqAAAAAAA");
	seed_key("longest-key", 255, 'k', "T00");
	seed_key("encoded", 190, 0xfb, "T00112233445566778899aabbccddeeff");
	seed_key("hashed", 191, 0xfb, "@df");
	seed_text("path", "path", "a/./b//c/../d");
	seed_text("path", "terminal", "\x1b[1m\r\b\t\\ \x7f\xff");
	seed_text("path", "foreign", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xc2\x85");
	seed_text("mount", "ext4",
		  "$\x01\x01\x01" "35 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		  "16843044 35 0:5 / /dev\\040x rw,nosuid shared:2 - tmpfs  rw,size=1k\n");
	seed_text("mount", "id", "    6f1c1e2a-0b1d-4c6e-8f9a-0123456789ab\n");
}

/* --- What a server says ---------------------------------------------------------------------- */

struct body {
	uint8_t bytes[256];
	size_t len;
};

/* Of all replies that calls wait for: some zeroes will do, but for lengths within. */
static struct body body_of(unsigned int call)
{
	static const size_t zeroes[] = { 2, 2 + 16 * 13, 153, 17, 4, 2, 60, 4, 4, 0,
					 13, 17, 4, 8, 1, 0 };
	static const char entry[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\x08\1\0n";
	struct body b = { .len = zeroes[call] };

	if (call == 1)
		b.bytes[0] = 16;
	if (call == 4) {
		memcpy(b.bytes + b.len, entry, sizeof(entry) - 1);
		b.len += sizeof(entry) - 1;
	}
	if (call == 5) {
		memcpy(b.bytes, "\6\0target", 8);
		b.len = 8;
	}
	if (call == 7 || call == 8) {
		memcpy(b.bytes + b.len, "what it reads", 13);
		b.len += 13;
	}
	return b;
}

/* A piece as conn_shim.c takes it, with size, type, tag and count made right there. */
static void add_piece(struct seed *s, const void *body, size_t len, unsigned int flags)
{
	static const uint8_t header[7];

	add_le(s, flags, 1);
	add_le(s, len + 7, flags & 16 ? 2 : 1);
	add(s, header, 7);
	add(s, body, len);
}

static void begin_conn(struct seed *s, const uint8_t *calls, size_t ncalls)
{
	static const uint8_t qid[13];

	add_le(s, 0, 1);
	add_le(s, ncalls, 1);
	add(s, calls, ncalls);
	add_piece(s, "\0\x10\0\0\x08\0009P2000.L", 14, 7);
	add_piece(s, qid, sizeof(qid), 7);
}

static void add_answer(struct seed *s, unsigned int call)
{
	bool data = call == 4 || call == 7 || call == 8;
	struct body b = body_of(call);

	for (int i = 0; i < (call == 8 ? 3 : 1); i++)
		add_piece(s, b.bytes, b.len, data ? 15 : 7);
	if (call == 1) { /* twenty names go in two messages */
		b.bytes[0] = 4;
		add_piece(s, b.bytes, 2 + 4 * 13, 7);
	}
}

static void seed_conns(void)
{
	static const uint8_t all[] = { 1, 2, 3, 0x34, 5, 6, 0x17, 8, 0x48, 9,
				       10, 14, 15, 0x1f, 0x2f, 11, 0x1c, 13 };
	struct seed s = { .len = 0 };
	uint8_t call;

	for (call = 0; call < 16; call++) {
		uint8_t with_room = call == 4 ? 0x34 : call == 7 ? 0x17 : call;

		begin_conn(&s, &with_room, 1);
		add_answer(&s, call);
		done(&s, "conn", numbered("call", call));
	}
	begin_conn(&s, all, sizeof(all));
	for (size_t i = 0; i < sizeof(all); i++)
		add_answer(&s, all[i] % 16 == 8 ? 8 : all[i] % 16);
	done(&s, "conn", "all");
}

/* A header as it is, and what must be refused because of it. */
static void add_odd_piece(struct seed *s, unsigned int flags, uint8_t type, uint16_t tag)
{
	add_le(s, flags, 1);
	add_le(s, 7, 1);
	add_le(s, 7, 4);
	add_le(s, type, 1);
	add_le(s, tag, 2);
}

static void seed_odd_conns(void)
{
	struct body qids = body_of(1), bytes = body_of(8);
	struct seed s = { .len = 0 };

	begin_conn(&s, (const uint8_t[]){ 0x10 }, 1);
	add_piece(&s, qids.bytes, qids.len, 7);
	done(&s, "conn", "walked-too-far");

	/* one of three reads is cancelled, and that is answered first */
	begin_conn(&s, (const uint8_t[]){ 0x18 }, 1);
	add_odd_piece(&s, 64 | 7, 0, 0);
	add_piece(&s, bytes.bytes, bytes.len, 15);
	done(&s, "conn", "flushed");

	/* none is cancelled */
	begin_conn(&s, (const uint8_t[]){ 0x08 }, 1);
	add_odd_piece(&s, 64, 109, 2);
	done(&s, "conn", "flushed-unasked");
}

static void seed_odd_wires(void)
{
	struct body attr = body_of(2);
	struct seed s = { .len = 0 };

	add_le(&s, 9, 2);
	add_le(&s, 10, 4);
	add_le(&s, 117, 3);
	add_le(&s, UINT32_MAX, 4);
	done(&s, "wire", "wraps");

	attr.bytes[0] = 0x20;
	put_le(attr.bytes + 81, 1000000000, 8);
	add_le(&s, 4 | 1 << 8, 2);
	add_le(&s, 0, 7);
	add(&s, attr.bytes, attr.len);
	done(&s, "wire", "no-time");
}

static void seed_wires(void)
{
	/* by the parsers' order in fuzz_wire.c: which call's answer it is, or a body */
	static const int calls[] = { -1, -2, -3, 1, 2, 3, 5, 6, 9, 7, 4, 4,
				      10, 10, 11, 12, 14, -4, 13 };
	struct seed s = { .len = 0 };

	for (unsigned int i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		struct body b = { .len = 4, .bytes = { 2 } };

		if (calls[i] >= 0)
			b = body_of((unsigned int)calls[i]);
		else if (calls[i] == -2)
			b = (struct body){ .len = 14, .bytes = "\0\x10\0\0\x08\0009P2000.L" };
		else if (calls[i] == -3)
			b = (struct body){ .len = 13 };
		else if (calls[i] == -4)
			b = (struct body){ .len = 26, .bytes = { [21] = 3, [23] = 'w' } };
		if (i == 9 || i == 10)
			put_le(b.bytes, b.len - 4, 4);
		add_le(&s, i | 1 << 8, 2);
		add_le(&s, 0, 7);
		add(&s, b.bytes + (i == 11 ? 4 : 0), b.len - (i == 11 ? 4 : 0));
		done(&s, "wire", numbered("reply", i));
	}
}

int main(int argc, char **argv)
{
	struct room *room;

	if (argc != 2) {
		fprintf(stderr, "usage: fuzz-seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	mkdir(folder, 0777);
	room = room_new(ROOM_OBJECTS);
	seed_values(room);
	seed_objects(room);
	seed_large_objects(room);
	seed_supers(room);
	seed_dirs();
	room_free(room);
	seed_maps();
	seed_texts();
	seed_conns();
	seed_odd_conns();
	seed_wires();
	seed_odd_wires();
	return 0;
}
