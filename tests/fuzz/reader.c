// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* reader.c - see reader.h. Nothing of lib/ is used here. */
#include "reader.h"

#include <string.h>

#include "fuzz.h"

uint32_t reader_crc(const void *bytes, size_t len)
{
	static uint32_t table[256];
	const uint8_t *p = bytes;
	uint32_t crc = ~0u;

	for (uint32_t i = 1; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78u : table[i] >> 1;
	}
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(uint8_t)(crc ^ p[i])];
	return ~crc;
}

/* --- Records --------------------------------------------------------------------------------- */

static bool record_crc_is_right(const uint8_t *value, size_t len)
{
	uint8_t copy[65536];

	memcpy(copy, value, len);
	memset(copy + 4, 0, 4);
	return reader_crc(copy, len) == get_le(value + 4, 4);
}

static bool fields_go_together(const struct reader_record *r)
{
	bool good = r->size <= INT64_MAX && r->coherency_len <= 28;

	good = good && (!r->hashed || r->coherency_len == 16);
	good = good && r->has_key == (r->key_len != 0);
	good = good && (r->map_kind == READER_NONE) == (r->map_len == 0);
	good = good && (r->map_kind != READER_SLOT || r->map_len == 20);
	good = good && (!r->complete || !r->map_len);
	if (r->volume)
		good = good && !r->size && !r->map_len && !r->complete && !r->modifying;
	return good;
}

enum reader_verdict reader_record(const uint8_t *value, size_t len, struct reader_record *out)
{
	uint8_t flags;

	memset(out, 0, sizeof(*out));
	if (len < 36 || len > 65536 || memcmp(value, "FC", 2) || !record_crc_is_right(value, len))
		return READER_DAMAGED;
	if (value[2] != 1)
		return READER_NOT_FOR_US;
	flags = value[3];
	out->complete = flags & 1;
	out->modifying = flags & 2;
	out->hashed = flags & 4;
	out->has_key = flags & 8;
	out->volume = flags & 16;
	out->map_kind = flags >> 5 & 3;
	out->size = get_le(value + 8, 8);
	out->coherency_len = value[16];
	out->key_len = value[17];
	out->map_len = (size_t)get_le(value + 18, 2);
	out->digest = value + 20;
	if (flags & 128 || 36 + out->coherency_len + out->key_len + out->map_len != len)
		return READER_DAMAGED;
	out->coherency = value + 36;
	out->key = out->coherency + out->coherency_len;
	out->map = out->key + out->key_len;
	return fields_go_together(out) ? READER_GOOD : READER_DAMAGED;
}

/* --- Slots ----------------------------------------------------------------------------------- */

bool reader_slot_ref(const uint8_t ref[20], struct reader_slot *out)
{
	out->kind = ref[1];
	out->pos = get_le(ref + 4, 8);
	out->len = (uint32_t)get_le(ref + 12, 4);
	out->crc = (uint32_t)get_le(ref + 16, 4);
	if (ref[0] > 1 || ref[2] || ref[3] || !out->len || out->pos % 4096)
		return false;
	if (out->kind != READER_RUNS && out->kind != READER_BITMAP)
		return false;
	return out->pos <= INT64_MAX && out->len + 16ull <= INT64_MAX - out->pos;
}

bool reader_slot_matches(const struct reader_slot *ref, const uint8_t *slot, size_t len)
{
	if (len < 16 || len - 16 < ref->len)
		return false;
	return !memcmp(slot, "FCSLMFS", 8) && get_le(slot + 8, 4) == ref->len &&
	       get_le(slot + 12, 4) == ref->crc && reader_crc(slot + 16, ref->len) == ref->crc;
}

/* --- Maps ------------------------------------------------------------------------------------ */

/* Bytes of the number at @p, or 0 if there is none in its shortest form and below 2^64. */
static size_t number(const uint8_t *p, size_t len, uint64_t *out)
{
	size_t n = 0;

	*out = 0;
	while (n < len && n < 10 && p[n] & 0x80)
		n++;
	if (n == len || n == 10 || (n && !p[n]) || (n == 9 && p[n] != 1))
		return 0;
	for (size_t i = n + 1; i--;)
		*out = *out << 7 | (p[i] & 0x7f);
	return n + 1;
}

static bool runs(const uint8_t *map, size_t len, uint64_t granules, reader_run_fn fn, void *arg)
{
	uint64_t at = 0, v;
	bool present = false;
	size_t pos = 0, n;

	while (pos < len) {
		n = number(map + pos, len - pos, &v);
		if (!n || (!v && pos) || v > granules - at)
			return false;
		if (present && fn)
			fn(arg, at, at + v);
		at += v;
		pos += n;
		present = !present;
	}
	return !present;
}

static bool bitmap(const uint8_t *map, size_t len, uint64_t granules, reader_run_fn fn, void *arg)
{
	uint64_t g, end;

	if (len != granules / 8 + (granules % 8 != 0))
		return false;
	for (g = granules; g < 8 * (uint64_t)len; g++)
		if (map[g / 8] >> g % 8 & 1)
			return false;
	for (g = 0; g < granules; g = end + 1) {
		end = g;
		while (end < granules && map[end / 8] >> end % 8 & 1)
			end++;
		if (end > g && fn)
			fn(arg, g, end);
	}
	return true;
}

bool reader_map(unsigned int kind, const uint8_t *map, size_t len, uint64_t granules,
		reader_run_fn fn, void *arg)
{
	if (kind == READER_RUNS)
		return runs(map, len, granules, fn, arg);
	if (kind == READER_BITMAP)
		return bitmap(map, len, granules, fn, arg);
	return kind == READER_NONE && !len;
}

/* --- The super block ------------------------------------------------------------------------- */

enum reader_verdict reader_super(const uint8_t *block, size_t len)
{
	uint8_t copy[128];

	if (len < 8 || memcmp(block, "FLSCACHE", 8))
		return READER_NOT_OURS;
	if (len < 128)
		return READER_DAMAGED;
	memcpy(copy, block, 128);
	memset(copy + 12, 0, 4);
	if (reader_crc(copy, 128) != get_le(block + 12, 4))
		return READER_DAMAGED;
	if (get_le(block + 8, 4) != 1 || get_le(block + 20, 4) || get_le(block + 24, 4))
		return READER_NOT_FOR_US;
	return get_le(block + 28, 4) > 3 ? READER_DAMAGED : READER_GOOD;
}

/* --- Names ----------------------------------------------------------------------------------- */

static bool all_in(const char *s, const char *set)
{
	return strspn(s, set) == strlen(s);
}

#define HEX "0123456789abcdef"
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

bool reader_object_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 2 || len > 255)
		return false;
	if (name[0] == 'E')
		return all_in(name + 1, BASE64URL) && len % 4 != 2;
	if (name[0] == 'T')
		return all_in(name + 1, HEX) && len == 33;
	for (size_t i = 1; i < len; i++)
		if (name[i] < 0x21 || name[i] > 0x7e || name[i] == '/')
			return false;
	return name[0] == 'S';
}

bool reader_fanout_name(const char *name)
{
	return name[0] == '@' && strlen(name) == 3 && all_in(name + 1, HEX);
}
