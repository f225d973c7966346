/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * reader.h - a second reader of the on-disk format, made from docs/format.md and sharing nothing
 * with the library's: what the two don't agree on is a mistake in one of them, or in that page.
 */
#ifndef TESTS_FUZZ_READER_H
#define TESTS_FUZZ_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t reader_crc(const void *bytes, size_t len); /* crc32c */

enum reader_verdict {
	READER_GOOD,
	READER_DAMAGED,
	READER_NOT_FOR_US, /* another version, or a feature that isn't known */
	READER_NOT_OURS,   /* no cache at all */
};

/* A record's fields; the pointers lead into the value. */
struct reader_record {
	bool complete, modifying, hashed, has_key, volume;
	unsigned int map_kind;
	uint64_t size;
	const uint8_t *digest, *coherency, *key, *map;
	size_t coherency_len, key_len, map_len;
};

enum { READER_NONE, READER_RUNS, READER_BITMAP, READER_SLOT };

enum reader_verdict reader_record(const uint8_t *value, size_t len, struct reader_record *out);

struct reader_slot {
	unsigned int kind;
	uint64_t pos;
	uint32_t len, crc;
};

/* Of the 20 bytes of a reference. */
bool reader_slot_ref(const uint8_t ref[20], struct reader_slot *out);
/* Are the @len bytes at @slot what the reference speaks of? */
bool reader_slot_matches(const struct reader_slot *ref, const uint8_t *slot, size_t len);

/* The runs of an encoded map, one after the other into @fn; false: it is no map of so many
 * granules, and what was said of it means nothing. */
typedef void (*reader_run_fn)(void *arg, uint64_t start, uint64_t end);
bool reader_map(unsigned int kind, const uint8_t *map, size_t len, uint64_t granules,
		reader_run_fn fn, void *arg);

enum reader_verdict reader_super(const uint8_t *block, size_t len);

/* May a file below a fan-out folder be an object by its name? And a folder a fan-out folder? */
bool reader_object_name(const char *name);
bool reader_fanout_name(const char *name);

#endif
