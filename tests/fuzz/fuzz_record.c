// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_record.c - the value of an xattr, and map slots.
 *
 * Input: one byte of flags; with HAS_SLOT one more, and as many bytes at the end are a slot; the
 * rest is the value.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "reader.h"
#include "record.h"

enum {
	FIX_CRC = 1,
	HAS_SLOT = 2,
	FIX_SLOT = 4,        /* its crc and the one that the reference gives */
	FIX_MAP_LEN = 8,     /* so that the lengths add up */
	FIX_SLOT_LEN = 16,   /* is what the reference gives */
};

static bool same(struct fsc_blob a, const uint8_t *b, size_t len)
{
	return a.len == len && (!len || !memcmp(a.data, b, len));
}

static void check_fields(const struct fsc_record *rec, const struct reader_record *ref)
{
	FUZZ_CHECK(rec->complete == ref->complete);
	FUZZ_CHECK(rec->modifying == ref->modifying);
	FUZZ_CHECK(rec->coherency_hashed == ref->hashed);
	FUZZ_CHECK(rec->has_key == ref->has_key);
	FUZZ_CHECK(rec->volume == ref->volume);
	FUZZ_CHECK(rec->size == ref->size);
	FUZZ_CHECK((unsigned int)rec->map_kind == ref->map_kind);
	FUZZ_CHECK(!memcmp(rec->digest, ref->digest, sizeof(rec->digest)));
	FUZZ_CHECK(same(rec->coherency, ref->coherency, ref->coherency_len));
	FUZZ_CHECK(same(rec->key, ref->key, ref->key_len));
	FUZZ_CHECK(same(rec->map, ref->map, ref->map_len));
}

/* One encoding for each meaning: what was accepted is what would be written. */
static void check_encoding(const struct fsc_record *rec, const uint8_t *value, size_t len)
{
	uint8_t *buf = malloc(len);

	FUZZ_CHECK(fsc_record_encode(rec, buf, len - 1) == -ERANGE);
	FUZZ_CHECK(fsc_record_encode(rec, buf, len) == (int)len);
	FUZZ_CHECK(!memcmp(buf, value, len));
	FUZZ_CHECK(fsc_record_overhead(rec) == len - rec->map.len);
	free(buf);
}

static void fix_slot(uint8_t *slot, size_t len, uint8_t ref[FSC_SLOT_REF_SIZE], unsigned int flags)
{
	size_t covered = (size_t)get_le(ref + 12, 4);

	if (len < FSC_SLOT_HEADER)
		return;
	if (flags & FIX_SLOT_LEN)
		memcpy(slot + 8, ref + 12, 4);
	if (covered > len - FSC_SLOT_HEADER)
		covered = len - FSC_SLOT_HEADER;
	if (flags & FIX_SLOT) {
		put_le(slot + 12, reader_crc(slot + FSC_SLOT_HEADER, covered), 4);
		memcpy(ref + 16, slot + 12, 4);
	}
}

static void check_slot(const struct fsc_record *rec, struct input *in, unsigned int flags)
{
	uint8_t ref_bytes[FSC_SLOT_REF_SIZE], again[FSC_SLOT_REF_SIZE];
	struct reader_slot want;
	struct fsc_slot_ref ref;
	uint8_t *slot;
	size_t len;
	bool good;

	slot = take_copy(in, 1 << 16, &len);
	memcpy(ref_bytes, rec->map.data, sizeof(ref_bytes));
	fix_slot(slot, len, ref_bytes, flags);
	good = reader_slot_ref(ref_bytes, &want);
	FUZZ_CHECK(!fsc_slot_ref_decode(&ref, (struct fsc_blob){ ref_bytes, 20 }) == good);
	if (good) {
		fsc_slot_ref_encode(&ref, again);
		FUZZ_CHECK(!memcmp(ref_bytes, again, sizeof(again)));
		good = reader_slot_matches(&want, slot, len);
		FUZZ_CHECK(!fsc_slot_check(&ref, slot, len) == good);
	}
	if (good && rec->map_kind == FSC_MAP_SLOT) {
		fsc_slot_header(&ref, again);
		FUZZ_CHECK(!memcmp(again, slot, FSC_SLOT_HEADER));
	}
	free(slot);
}

static void fix_map_len(uint8_t *value, size_t len)
{
	size_t parts = len >= 36 ? 36u + value[16] + value[17] : len + 1;

	if (parts <= len && len - parts <= UINT16_MAX)
		put_le(value + 18, len - parts, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned int flags = (unsigned int)take(&in, 1);
	size_t len, slot_len = flags & HAS_SLOT ? (size_t)take(&in, 1) : 0;
	struct reader_record ref;
	struct fsc_record rec;
	uint8_t *value;
	int verdict;

	value = take_copy(&in, in.left < slot_len ? 0 : in.left - slot_len, &len);
	if (flags & FIX_MAP_LEN)
		fix_map_len(value, len);
	if (flags & FIX_CRC)
		fix_record(value, len);
	verdict = (int)reader_record(value, len, &ref);
	switch (fsc_record_decode(&rec, value, len)) {
	case 0:
		FUZZ_CHECK(verdict == READER_GOOD);
		check_fields(&rec, &ref);
		check_encoding(&rec, value, len);
		if (rec.map_kind == FSC_MAP_SLOT)
			check_slot(&rec, &in, flags);
		break;
	case -EPROTONOSUPPORT:
		FUZZ_CHECK(verdict == READER_NOT_FOR_US);
		break;
	default:
		FUZZ_CHECK(verdict == READER_DAMAGED);
		break;
	}
	free(value);
	return 0;
}
