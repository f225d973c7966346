// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_record.c - what the decoders refuse, and that what was encoded comes back. The bytes that
 * they accept are typed out in test_format.c.
 *
 * A damaged value has a wrong crc, which would hide every other check: so the tests that look for
 * those put the right crc on it after damaging it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bytes.h"
#include "record.h"

static const uint8_t coherency[] = "0123456789abcdef0123456789ab";
static const uint8_t runs[] = { 1, 2 };

static struct fsc_record object_record(void)
{
	return (struct fsc_record){
		.size = 20000, .coherency = { coherency, 28 }, .map_kind = FSC_MAP_RUNS,
		.map = { runs, 2 }, .digest = "digest",
	};
}

static void put_crc(uint8_t *value, size_t len)
{
	fsc_put32(value + 4, 0);
	fsc_put32(value + 4, fsc_crc32c(0, value, len));
}

/* What decoding says to @rec with byte @at made @byte; @at is no byte of the crc. */
static int decode_changed(const struct fsc_record *rec, size_t at, uint8_t byte)
{
	uint8_t value[1024];
	struct fsc_record out;
	int len = fsc_record_encode(rec, value, sizeof(value));

	assert_true(len > 0);
	value[at] = byte;
	put_crc(value, (size_t)len);
	return fsc_record_decode(&out, value, (size_t)len);
}

static void assert_blob_equal(struct fsc_blob a, struct fsc_blob b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void check_round_trip(const struct fsc_record *in)
{
	size_t want = fsc_record_overhead(in) + in->map.len;
	uint8_t *value = malloc(want);
	struct fsc_record out;

	assert_int_equal(fsc_record_encode(in, value, want), want);
	assert_int_equal(fsc_record_encode(in, value, want - 1), -ERANGE);
	assert_int_equal(fsc_record_decode(&out, value, want), 0);
	assert_int_equal(out.volume, in->volume);
	assert_int_equal(out.complete, in->complete);
	assert_int_equal(out.modifying, in->modifying);
	assert_int_equal(out.coherency_hashed, in->coherency_hashed);
	assert_int_equal(out.has_key, in->has_key);
	assert_int_equal(out.size, in->size);
	assert_int_equal(out.map_kind, in->map_kind);
	assert_memory_equal(out.digest, in->digest, FSC_DIGEST_SIZE);
	assert_blob_equal(out.coherency, in->coherency);
	assert_blob_equal(out.key, in->key);
	assert_blob_equal(out.map, in->map);
	free(value);
}

static void records_come_back_as_they_were(void **state)
{
	static const uint8_t key[255] = "a key", map[60000] = { 1, 1 };
	struct fsc_record rec = object_record();

	(void)state;
	check_round_trip(&rec);
	rec.modifying = true;
	rec.size = INT64_MAX;
	check_round_trip(&rec);
	rec.map_kind = FSC_MAP_BITMAP;
	rec.map = (struct fsc_blob){ map, sizeof(map) };
	rec.has_key = true;
	rec.key = (struct fsc_blob){ key, sizeof(key) };
	check_round_trip(&rec);
	rec.map_kind = FSC_MAP_NONE;
	rec.map.len = 0;
	rec.complete = true;
	rec.coherency_hashed = true;
	rec.coherency.len = 16;
	check_round_trip(&rec);
	rec = (struct fsc_record){ .volume = true };
	check_round_trip(&rec);
	rec.has_key = true;
	rec.key = (struct fsc_blob){ key, 1 };
	check_round_trip(&rec);
}

static void the_longest_value_is_64_kib(void **state)
{
	static uint8_t map[65536], value[70000];
	struct fsc_record rec = object_record(), out;

	(void)state;
	rec.map_kind = FSC_MAP_BITMAP;
	rec.map = (struct fsc_blob){ map, 65536 - 36 - 28 };
	assert_int_equal(fsc_record_encode(&rec, value, sizeof(value)), 65536);
	assert_int_equal(fsc_record_decode(&out, value, 65536), 0);
	rec.map.len++;
	assert_int_equal(fsc_record_encode(&rec, value, sizeof(value)), -ERANGE);
	rec.map.len = 65536;
	assert_int_equal(fsc_record_encode(&rec, value, sizeof(value)), -ERANGE);
}

static void encoder_leaves_out_what_means_nothing(void **state)
{
	uint8_t value[256];
	struct fsc_record rec = object_record(), out;

	(void)state;
	rec.key = (struct fsc_blob){ "unused", 6 };
	rec.map.len = 0;
	assert_int_equal(fsc_record_encode(&rec, value, sizeof(value)), 36 + 28);
	assert_int_equal(fsc_record_decode(&out, value, 36 + 28), 0);
	assert_int_equal(out.key.len, 0);
	assert_int_equal(out.map_kind, FSC_MAP_NONE);
}

static void complete_objects_take_at_most_64_bytes(void **state)
{
	uint8_t out[FSC_COHERENCY_INLINE], data[FSC_COHERENCY_MAX] = { 0 };
	struct fsc_record rec = { .complete = true };
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(data); len++) {
		rec.coherency.len = fsc_record_coherency((struct fsc_blob){ data, len }, out,
							 &rec.coherency_hashed);
		assert_true(fsc_record_overhead(&rec) <= 64);
	}
}

static void long_coherency_data_are_stored_as_their_digest(void **state)
{
	/* BLAKE2s-128 of the bytes 0 to 99. */
	static const uint8_t want[16] = { 0x66, 0x6a, 0x86, 0x1d, 0x60, 0xa4, 0xc8, 0x6b,
					  0xf6, 0x84, 0xfe, 0x08, 0x9c, 0xfb, 0xa8, 0xcc };
	uint8_t data[100], out[FSC_COHERENCY_INLINE];
	bool hashed;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(fsc_record_coherency((struct fsc_blob){ data, 28 }, out, &hashed), 28);
	assert_false(hashed);
	assert_memory_equal(out, data, 28);
	assert_int_equal(fsc_record_coherency((struct fsc_blob){ data, 29 }, out, &hashed), 16);
	assert_true(hashed);
	assert_int_equal(fsc_record_coherency((struct fsc_blob){ data, 100 }, out, &hashed), 16);
	assert_true(hashed);
	assert_memory_equal(out, want, 16);
	assert_int_equal(fsc_record_coherency((struct fsc_blob){ NULL, 0 }, out, &hashed), 0);
	assert_false(hashed);
}

static void every_flipped_bit_is_noticed(void **state)
{
	uint8_t value[256];
	struct fsc_record rec = object_record(), out;
	int len = fsc_record_encode(&rec, value, sizeof(value)), bit;

	(void)state;
	for (bit = 0; bit < len * 8; bit++) {
		value[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(fsc_record_decode(&out, value, (size_t)len), -EBADMSG);
		value[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(fsc_record_decode(&out, value, (size_t)len), 0);
}

/* In memory of exactly that length, so that a sanitizer sees a read behind it. */
static void every_other_length_is_refused(void **state)
{
	uint8_t value[256] = { 0 };
	struct fsc_record rec = object_record(), out;
	size_t len = (size_t)fsc_record_encode(&rec, value, sizeof(value)), l;

	(void)state;
	for (l = 0; l < len + 40; l++) {
		uint8_t *exact = malloc(l ? l : 1);

		memcpy(exact, value, l);
		assert_int_equal(fsc_record_decode(&out, exact, l), l == len ? 0 : -EBADMSG);
		if (l >= 8)
			put_crc(exact, l);
		assert_int_equal(fsc_record_decode(&out, exact, l), l == len ? 0 : -EBADMSG);
		free(exact);
	}
}

static void unknown_version_is_told_apart_from_damage(void **state)
{
	struct fsc_record rec = object_record(), out;
	uint8_t value[256];
	int len = fsc_record_encode(&rec, value, sizeof(value));

	(void)state;
	assert_int_equal(decode_changed(&rec, 2, 2), -EPROTONOSUPPORT);
	assert_int_equal(decode_changed(&rec, 2, 0), -EPROTONOSUPPORT);
	assert_int_equal(decode_changed(&rec, 0, 'X'), -EBADMSG);
	value[2] = 2;
	assert_int_equal(fsc_record_decode(&out, value, (size_t)len), -EBADMSG);
}

static void contradictions_are_refused_though_the_crc_is_right(void **state)
{
	struct fsc_record rec = object_record();
	const uint8_t is_runs = FSC_MAP_RUNS << 5;

	(void)state;
	assert_int_equal(decode_changed(&rec, 3, is_runs), 0);
	assert_int_equal(decode_changed(&rec, 3, is_runs | FSC_RECORD_MODIFYING), 0);
	assert_int_equal(decode_changed(&rec, 3, is_runs | 0x80), -EBADMSG);
	/* complete, with a map; no kind, with a map; a slot reference of two bytes */
	assert_int_equal(decode_changed(&rec, 3, is_runs | FSC_RECORD_COMPLETE), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 3, 0), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 3, FSC_MAP_SLOT << 5), -EBADMSG);
	/* a key that isn't there; a digest of 28 bytes; a volume with size and map */
	assert_int_equal(decode_changed(&rec, 3, is_runs | FSC_RECORD_HAS_KEY), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 3, is_runs | FSC_RECORD_COHERENCY_HASHED), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 3, is_runs | FSC_RECORD_VOLUME), -EBADMSG);
	/* size over 2^63 - 1 */
	assert_int_equal(decode_changed(&rec, 15, 0x7f), 0);
	assert_int_equal(decode_changed(&rec, 15, 0x80), -EBADMSG);
	/* lengths that don't add up */
	assert_int_equal(decode_changed(&rec, 16, 27), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 17, 1), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 18, 3), -EBADMSG);
	assert_int_equal(decode_changed(&rec, 19, 1), -EBADMSG);
	/* a kind of map without one */
	rec.map.len = 0;
	assert_int_equal(decode_changed(&rec, 3, 0), 0);
	assert_int_equal(decode_changed(&rec, 3, FSC_RECORD_COMPLETE), 0);
	assert_int_equal(decode_changed(&rec, 3, is_runs), -EBADMSG);
}

static void contradictions_of_keys_and_volumes_are_refused(void **state)
{
	struct fsc_record rec = { .volume = true, .has_key = true, .key = { "vol", 3 } };

	(void)state;
	assert_int_equal(decode_changed(&rec, 3, 0x18), 0);
	assert_int_equal(decode_changed(&rec, 3, 0x10), -EBADMSG); /* a key without the flag */
	assert_int_equal(decode_changed(&rec, 3, 0x19), -EBADMSG); /* complete */
	assert_int_equal(decode_changed(&rec, 3, 0x1a), -EBADMSG); /* modifying */
	assert_int_equal(decode_changed(&rec, 8, 1), -EBADMSG);    /* a size */
	assert_int_equal(decode_changed(&rec, 3, 0x08), 0);        /* an object's */
}

static void coherency_beyond_28_bytes_is_refused(void **state)
{
	uint8_t value[36 + 29] = "FC\1";
	struct fsc_record out;

	(void)state;
	value[16] = 28;
	put_crc(value, 36 + 28);
	assert_int_equal(fsc_record_decode(&out, value, 36 + 28), 0);
	value[16] = 29;
	put_crc(value, 36 + 29);
	assert_int_equal(fsc_record_decode(&out, value, 36 + 29), -EBADMSG);
}

static int decode_ref(size_t at, uint64_t v, size_t bytes)
{
	struct fsc_slot_ref ref = { 1, FSC_MAP_BITMAP, 8192, 100, 7 }, out;
	uint8_t value[FSC_SLOT_REF_SIZE];
	size_t i;

	fsc_slot_ref_encode(&ref, value);
	for (i = 0; i < bytes; i++)
		value[at + i] = (uint8_t)(v >> 8 * i);
	return fsc_slot_ref_decode(&out, (struct fsc_blob){ value, sizeof(value) });
}

static void slot_references_that_make_no_sense_are_refused(void **state)
{
	uint8_t value[FSC_SLOT_REF_SIZE + 1];
	struct fsc_slot_ref out;
	size_t len;

	(void)state;
	assert_int_equal(decode_ref(0, 0, 1), 0);
	assert_int_equal(decode_ref(0, 2, 1), -EBADMSG);
	assert_int_equal(decode_ref(1, FSC_MAP_RUNS, 1), 0);
	assert_int_equal(decode_ref(1, FSC_MAP_NONE, 1), -EBADMSG);
	assert_int_equal(decode_ref(1, FSC_MAP_SLOT, 1), -EBADMSG);
	assert_int_equal(decode_ref(1, 0xff, 1), -EBADMSG);
	assert_int_equal(decode_ref(2, 1, 1), -EBADMSG);
	assert_int_equal(decode_ref(3, 1, 1), -EBADMSG);
	assert_int_equal(decode_ref(4, 8191, 8), -EBADMSG);
	assert_int_equal(decode_ref(4, 0x7fffffffffffe000ull, 8), 0);
	assert_int_equal(decode_ref(4, 0x8000000000000000ull, 8), -EBADMSG);
	assert_int_equal(decode_ref(4, 0xfffffffffffff000ull, 8), -EBADMSG);
	assert_int_equal(decode_ref(12, 0, 4), -EBADMSG);
	for (len = 0; len <= sizeof(value); len++)
		if (len != FSC_SLOT_REF_SIZE)
			assert_int_equal(fsc_slot_ref_decode(&out, (struct fsc_blob){ value, len }),
					 -EBADMSG);
}

static void a_slot_must_match_its_reference(void **state)
{
	static const char map[] = "a map of sixteen";
	struct fsc_slot_ref ref = { 0, FSC_MAP_RUNS, 8192, 16, 0 };
	uint8_t slot[FSC_SLOT_HEADER + 20] = { 0 };
	size_t i;

	(void)state;
	ref.crc = fsc_crc32c(0, map, 16);
	fsc_slot_header(&ref, slot);
	memcpy(slot + FSC_SLOT_HEADER, map, 16);
	assert_int_equal(fsc_slot_check(&ref, slot, 32), 0);
	/* What lies behind the map, up to the end of the block, is no part of it. */
	assert_int_equal(fsc_slot_check(&ref, slot, sizeof(slot)), 0);
	for (i = 0; i < 32; i++) {
		slot[i] ^= 1;
		assert_int_equal(fsc_slot_check(&ref, slot, 32), -EBADMSG);
		slot[i] ^= 1;
		assert_int_equal(fsc_slot_check(&ref, slot, i), -EBADMSG);
	}
	ref.len = 15;
	assert_int_equal(fsc_slot_check(&ref, slot, 32), -EBADMSG);
	ref.len = UINT32_MAX;
	assert_int_equal(fsc_slot_check(&ref, slot, 32), -EBADMSG);
}

static struct fsc_super some_super(void)
{
	return (struct fsc_super){
		.version = 1, .compat = 0x80000001, .uuid = "uuid", .boot_id = "boot", .open = true,
		.ids_known = true, .mount_id = UINT64_MAX, .used_bytes = 1ull << 40, .objects = 3,
	};
}

static void super_comes_back_as_it_was(void **state)
{
	struct fsc_super in = some_super(), out;
	uint8_t block[FSC_SUPER_SIZE];

	(void)state;
	fsc_super_encode(&in, block);
	assert_int_equal(fsc_super_decode(&out, block, sizeof(block)), 0);
	assert_int_equal(out.version, 1);
	assert_int_equal(out.compat, in.compat);
	assert_true(out.open && out.ids_known);
	assert_memory_equal(out.uuid, in.uuid, 16);
	assert_memory_equal(out.boot_id, in.boot_id, 16);
	assert_int_equal(out.mount_id, in.mount_id);
	assert_int_equal(out.used_bytes, in.used_bytes);
	assert_int_equal(out.objects, in.objects);
}

static int decode_super(uint32_t version, uint32_t ro_compat, uint32_t incompat)
{
	struct fsc_super super = some_super(), out;
	uint8_t block[FSC_SUPER_SIZE];

	super.version = version;
	super.ro_compat = ro_compat;
	super.incompat = incompat;
	fsc_super_encode(&super, block);
	return fsc_super_decode(&out, block, sizeof(block));
}

static void super_of_another_format_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(decode_super(1, 0, 0), 0);
	assert_int_equal(decode_super(0, 0, 0), -EPROTONOSUPPORT);
	assert_int_equal(decode_super(2, 0, 0), -EPROTONOSUPPORT);
	assert_int_equal(decode_super(1, 0, 0x80000000), -EPROTONOSUPPORT);
	assert_int_equal(decode_super(1, 1, 0), -EPROTONOSUPPORT);
}

static void damaged_super_is_told_apart_from_none(void **state)
{
	struct fsc_super super = some_super(), out;
	uint8_t block[FSC_SUPER_SIZE];
	size_t i;

	(void)state;
	fsc_super_encode(&super, block);
	for (i = 0; i < sizeof(block); i++) {
		block[i] ^= 0x10;
		assert_int_equal(fsc_super_decode(&out, block, sizeof(block)),
				 i < 8 ? -ENODATA : -EBADMSG);
		block[i] ^= 0x10;
		assert_int_equal(fsc_super_decode(&out, block, i), i < 8 ? -ENODATA : -EBADMSG);
	}
	/* A flag that version 1 doesn't have, under the right crc. */
	block[28] |= 4;
	fsc_put32(block + 12, 0);
	fsc_put32(block + 12, fsc_crc32c(0, block, sizeof(block)));
	assert_int_equal(fsc_super_decode(&out, block, sizeof(block)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_as_they_were),
		cmocka_unit_test(the_longest_value_is_64_kib),
		cmocka_unit_test(encoder_leaves_out_what_means_nothing),
		cmocka_unit_test(complete_objects_take_at_most_64_bytes),
		cmocka_unit_test(long_coherency_data_are_stored_as_their_digest),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(unknown_version_is_told_apart_from_damage),
		cmocka_unit_test(contradictions_are_refused_though_the_crc_is_right),
		cmocka_unit_test(contradictions_of_keys_and_volumes_are_refused),
		cmocka_unit_test(coherency_beyond_28_bytes_is_refused),
		cmocka_unit_test(slot_references_that_make_no_sense_are_refused),
		cmocka_unit_test(a_slot_must_match_its_reference),
		cmocka_unit_test(super_comes_back_as_it_was),
		cmocka_unit_test(super_of_another_format_is_told_apart),
		cmocka_unit_test(damaged_super_is_told_apart_from_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
