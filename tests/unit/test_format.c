// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_format.c - the worked example of docs/format.md, byte for byte.
 *
 * All bytes here were typed in from that document, and its numbers were made by a program in
 * another language: so a change of the format, or of one of its hashes, can't go unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "key.h"
#include "map.h"
#include "record.h"

static const char volume_key[] = "9p,127.0.0.1:564,export";
static const uint8_t cookie_key[8] = { 0x07, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0x00 };

static const uint8_t digest[16] = {
	0x60, 0x12, 0x7a, 0x17, 0x0e, 0xfb, 0xc8, 0x14,
	0xdc, 0x83, 0xb8, 0xaa, 0x31, 0x83, 0x2a, 0x65,
};

static const uint8_t coherency[16] = {
	0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4,
	0xc1, 0xc2, 0xc3, 0xc4, 0xd1, 0xd2, 0xd3, 0xd4,
};

static const uint8_t with_runs[56] = {
	0x46, 0x43, 0x01, 0x20, 0x18, 0xb9, 0x3b, 0xfa,
	0x20, 0x4e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x04, 0x00, 0x60, 0x12, 0x7a, 0x17,
	0x0e, 0xfb, 0xc8, 0x14, 0xdc, 0x83, 0xb8, 0xaa,
	0x31, 0x83, 0x2a, 0x65, 0xa1, 0xa2, 0xa3, 0xa4,
	0xb1, 0xb2, 0xb3, 0xb4, 0xc1, 0xc2, 0xc3, 0xc4,
	0xd1, 0xd2, 0xd3, 0xd4, 0x01, 0x02, 0x01, 0x01,
};

static const uint8_t of_a_whole_file[52] = {
	0x46, 0x43, 0x01, 0x01, 0xce, 0x5c, 0x5c, 0x2d,
	0x20, 0x4e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x00, 0x00, 0x60, 0x12, 0x7a, 0x17,
	0x0e, 0xfb, 0xc8, 0x14, 0xdc, 0x83, 0xb8, 0xaa,
	0x31, 0x83, 0x2a, 0x65, 0xa1, 0xa2, 0xa3, 0xa4,
	0xb1, 0xb2, 0xb3, 0xb4, 0xc1, 0xc2, 0xc3, 0xc4,
	0xd1, 0xd2, 0xd3, 0xd4,
};

static const uint8_t with_slot[72] = {
	0x46, 0x43, 0x01, 0x60, 0x25, 0x5c, 0xaf, 0x5c,
	0x20, 0x4e, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x10, 0x00, 0x14, 0x00, 0x60, 0x12, 0x7a, 0x17,
	0x0e, 0xfb, 0xc8, 0x14, 0xdc, 0x83, 0xb8, 0xaa,
	0x31, 0x83, 0x2a, 0x65, 0xa1, 0xa2, 0xa3, 0xa4,
	0xb1, 0xb2, 0xb3, 0xb4, 0xc1, 0xc2, 0xc3, 0xc4,
	0xd1, 0xd2, 0xd3, 0xd4, 0x01, 0x01, 0x00, 0x00,
	0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x06, 0xa8, 0x84, 0x3b,
};

static const uint8_t slot[20] = {
	0x46, 0x43, 0x53, 0x4c, 0x4d, 0x46, 0x53, 0x00,
	0x04, 0x00, 0x00, 0x00, 0x06, 0xa8, 0x84, 0x3b,
	0x01, 0x02, 0x01, 0x01,
};

static const uint8_t volume_digest[16] = {
	0x14, 0x53, 0x51, 0xff, 0x0b, 0x3a, 0x32, 0x13,
	0xda, 0x4f, 0xcc, 0x26, 0x4f, 0x84, 0x0a, 0x26,
};

static const uint8_t volume[61] = {
	0x46, 0x43, 0x01, 0x18, 0xfa, 0xa1, 0x28, 0xd0,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x17, 0x00, 0x00, 0x14, 0x53, 0x51, 0xff,
	0x0b, 0x3a, 0x32, 0x13, 0xda, 0x4f, 0xcc, 0x26,
	0x4f, 0x84, 0x0a, 0x26, 0x76, 0x31, 0x39, 0x70,
	0x2c, 0x31, 0x32, 0x37, 0x2e, 0x30, 0x2e, 0x30,
	0x2e, 0x31, 0x3a, 0x35, 0x36, 0x34, 0x2c, 0x65,
	0x78, 0x70, 0x6f, 0x72, 0x74,
};

static const uint8_t super[128] = {
	0x46, 0x4c, 0x53, 0x43, 0x41, 0x43, 0x48, 0x45,
	0x01, 0x00, 0x00, 0x00, 0x1d, 0x3d, 0x33, 0x1d,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
	0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
	0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f,
	0x1d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static struct fsc_blob volume_blob(void)
{
	return (struct fsc_blob){ volume_key, strlen(volume_key) };
}

/* Encoding what was decoded must give the same bytes again. */
static void decode(const uint8_t *value, size_t len, struct fsc_record *rec)
{
	uint8_t again[128];

	assert_int_equal(fsc_record_decode(rec, value, len), 0);
	assert_int_equal(fsc_record_encode(rec, again, sizeof(again)), len);
	assert_memory_equal(again, value, len);
}

static void check_object(const struct fsc_record *rec)
{
	assert_false(rec->volume || rec->modifying || rec->has_key || rec->coherency_hashed);
	assert_int_equal(rec->size, 20000);
	assert_memory_equal(rec->digest, digest, 16);
	assert_int_equal(rec->coherency.len, 16);
	assert_memory_equal(rec->coherency.data, coherency, 16);
}

/* Granules 1 and 2, and the last one, 4. */
static void check_map(struct fsc_blob map, enum fsc_map_kind kind)
{
	struct fsc_map_reader reader;
	uint64_t start, end;

	fsc_map_reader_init(&reader, kind, map, 5);
	assert_int_equal(fsc_map_reader_next(&reader, &start, &end), 1);
	assert_int_equal(start, 1);
	assert_int_equal(end, 3);
	assert_int_equal(fsc_map_reader_next(&reader, &start, &end), 1);
	assert_int_equal(start, 4);
	assert_int_equal(end, 5);
	assert_int_equal(fsc_map_reader_next(&reader, &start, &end), 0);
}

static void names_are_as_documented(void **state)
{
	char path[FSC_OBJECT_PATH_SIZE], name[FSC_NAME_MAX + 1];
	bool hashed;

	(void)state;
	fsc_key_cook_volume(volume_blob(), name, &hashed);
	assert_string_equal(name, "I9p,127.0.0.1:564,export");
	fsc_key_cook_object((struct fsc_blob){ cookie_key, 8 }, path, &hashed);
	assert_string_equal(path, "@df/EBwAqAAAAAAA");
}

static void digests_are_as_documented(void **state)
{
	uint8_t out[16];

	(void)state;
	fsc_key_digest(volume_blob(), (struct fsc_blob){ cookie_key, 8 }, 131, 1700000000,
		       123456789, out);
	assert_memory_equal(out, digest, 16);
	fsc_key_digest(volume_blob(), (struct fsc_blob){ NULL, 0 }, 77, 1700000000, 0, out);
	assert_memory_equal(out, volume_digest, 16);
}

static void object_with_runs_is_as_documented(void **state)
{
	struct fsc_record rec;

	(void)state;
	decode(with_runs, sizeof(with_runs), &rec);
	check_object(&rec);
	assert_false(rec.complete);
	assert_int_equal(rec.map_kind, FSC_MAP_RUNS);
	check_map(rec.map, FSC_MAP_RUNS);
	check_map((struct fsc_blob){ "\x16", 1 }, FSC_MAP_BITMAP);
}

static void complete_object_is_as_documented(void **state)
{
	struct fsc_record rec;

	(void)state;
	decode(of_a_whole_file, sizeof(of_a_whole_file), &rec);
	check_object(&rec);
	assert_true(rec.complete);
	assert_int_equal(rec.map_kind, FSC_MAP_NONE);
}

static void map_slot_is_as_documented(void **state)
{
	struct fsc_record rec;
	struct fsc_slot_ref ref;
	uint8_t out[FSC_SLOT_REF_SIZE];

	(void)state;
	decode(with_slot, sizeof(with_slot), &rec);
	check_object(&rec);
	assert_int_equal(rec.map_kind, FSC_MAP_SLOT);
	assert_int_equal(fsc_slot_ref_decode(&ref, rec.map), 0);
	assert_int_equal(ref.slot, 1);
	assert_int_equal(ref.pos, 24576);
	assert_int_equal(ref.len, 4);
	assert_int_equal(fsc_slot_check(&ref, slot, sizeof(slot)), 0);
	check_map((struct fsc_blob){ slot + FSC_SLOT_HEADER, ref.len }, ref.kind);
	fsc_slot_ref_encode(&ref, out);
	assert_memory_equal(out, rec.map.data, sizeof(out));
	fsc_slot_header(&ref, out);
	assert_memory_equal(out, slot, FSC_SLOT_HEADER);
}

static void volume_is_as_documented(void **state)
{
	struct fsc_record rec;

	(void)state;
	decode(volume, sizeof(volume), &rec);
	assert_true(rec.volume);
	assert_true(rec.has_key);
	assert_int_equal(rec.key.len, strlen(volume_key));
	assert_memory_equal(rec.key.data, volume_key, rec.key.len);
	assert_memory_equal(rec.digest, volume_digest, 16);
	assert_int_equal(rec.coherency.len, 2);
	assert_memory_equal(rec.coherency.data, "v1", 2);
}

static void super_is_as_documented(void **state)
{
	struct fsc_super out;
	uint8_t again[FSC_SUPER_SIZE];

	(void)state;
	assert_int_equal(fsc_super_decode(&out, super, sizeof(super)), 0);
	assert_int_equal(out.version, 1);
	assert_true(out.open && out.ids_known);
	assert_memory_equal(out.uuid, super + 32, 16);
	assert_memory_equal(out.boot_id, super + 48, 16);
	assert_int_equal(out.mount_id, 29);
	assert_int_equal(out.used_bytes, 1048576);
	assert_int_equal(out.objects, 12);
	fsc_super_encode(&out, again);
	assert_memory_equal(again, super, sizeof(super));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_as_documented),
		cmocka_unit_test(digests_are_as_documented),
		cmocka_unit_test(object_with_runs_is_as_documented),
		cmocka_unit_test(complete_object_is_as_documented),
		cmocka_unit_test(map_slot_is_as_documented),
		cmocka_unit_test(volume_is_as_documented),
		cmocka_unit_test(super_is_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
