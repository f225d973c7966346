// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* world.c - see world.h. */
#include "world.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* A written file's versions are reckoned from the last that was all new. */
#define NEW_EVERY 6u

struct world_spec world;

uint64_t world_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t world_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return world_mix(*state);
}

uint64_t world_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t key_of(uint32_t file, uint32_t version, uint32_t what)
{
	return world_mix(world.seed ^ world_mix((uint64_t)file << 32 | version) ^
			 (uint64_t)what << 56);
}

enum world_kind world_kind(uint32_t file)
{
	return file % 6 == 4 ? WORLD_WEAK : file % 6 == 5 ? WORLD_WRITTEN : WORLD_STRONG;
}

bool world_is_new(uint32_t version)
{
	return version % NEW_EVERY == 1;
}

/* --- Sizes ----------------------------------------------------------------------------------- */

static uint64_t new_size(uint32_t file, uint32_t version)
{
	uint64_t chance = key_of(file, version, 1);
	unsigned int powers = 1;
	uint64_t size;

	while (powers < 40 && (1ull << powers) < world.max_size)
		powers++;
	size = 1 + world_below(&chance, 1ull << (1 + world_below(&chance, powers)));
	if (world.max_size >= WORLD_BIG && file % 5 == 0)
		size = world.max_size - world_below(&chance, world.max_size / 4);
	if (!world_below(&chance, 8))
		size = (size + GRANULE - 1) / GRANULE * GRANULE;
	return size < world.max_size ? size : world.max_size;
}

static uint64_t resized(uint32_t file, uint32_t version, uint64_t size)
{
	uint64_t chance = key_of(file, version, 2);

	if (world_below(&chance, 3))
		return size;
	size = 1 + world_below(&chance, size + size / 2 + 1);
	return size < world.max_size ? size : world.max_size;
}

static uint32_t last_new(uint32_t version)
{
	return version - (version - 1) % NEW_EVERY;
}

uint64_t world_size(uint32_t file, uint32_t version)
{
	uint64_t size;
	uint32_t v;

	switch (world_kind(file)) {
	case WORLD_WEAK:
		return new_size(file, 1);
	case WORLD_STRONG:
		return new_size(file, version / 2);
	default:
		v = last_new(version);
		size = new_size(file, v);
		while (v < version)
			size = resized(file, ++v, size);
		return size;
	}
}

/* --- Bytes ----------------------------------------------------------------------------------- */

static uint64_t word_at(uint64_t key, uint64_t pos)
{
	uint64_t word = (key + pos) * 0x9e3779b97f4a7c15u;

	/* One granule in so many is all zeroes, which the library treats differently. */
	if (world_mix(key ^ pos / GRANULE) % 16 == 0)
		return 0;
	return word ^ word >> 29;
}

static void fill(uint8_t *buf, uint64_t key, uint64_t pos, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		uint64_t start = (pos + at) & ~7ull, skip = pos + at - start;
		uint64_t word = word_at(key, start);

		n = 8 - skip < len - at ? (size_t)(8 - skip) : len - at;
		memcpy(buf + at, (uint8_t *)&word + skip, n);
		at += n;
	}
}

/* The part of @start to @end that is in the window. */
static void fill_part(uint8_t *buf, uint64_t pos, size_t len, uint64_t key, uint64_t start,
		      uint64_t end)
{
	if (start < pos)
		start = pos;
	if (end > pos + len)
		end = pos + len;
	if (start < end)
		fill(buf + (start - pos), key, start, (size_t)(end - start));
}

static void zero_from(uint8_t *buf, uint64_t pos, size_t len, uint64_t start)
{
	if (start <= pos)
		memset(buf, 0, len);
	else if (start < pos + len)
		memset(buf + (start - pos), 0, (size_t)(pos + len - start));
}

unsigned int world_writes(uint32_t file, uint32_t version,
			  struct world_write writes[WORLD_WRITES_MAX])
{
	uint64_t chance = key_of(file, version, 3), size = world_size(file, version);
	unsigned int nr = 1 + (unsigned int)world_below(&chance, WORLD_WRITES_MAX);

	for (unsigned int i = 0; i < nr; i++) {
		uint64_t pos = world_below(&chance, size), most;

		if (world_below(&chance, 2))
			pos -= pos % GRANULE;
		most = size - pos < 200000 ? size - pos : 200000;
		writes[i].pos = pos;
		writes[i].len = world_below(&chance, 3) ? 1 + world_below(&chance, most) : most;
	}
	return nr;
}

/* What local writes, one version after the other, have made of it. */
static void overwrite(uint32_t file, uint32_t version, uint64_t pos, uint8_t *buf, size_t len)
{
	struct world_write writes[WORLD_WRITES_MAX];
	unsigned int nr = world_writes(file, version, writes);

	zero_from(buf, pos, len, world_size(file, version));
	for (unsigned int i = 0; i < nr; i++)
		fill_part(buf, pos, len, key_of(file, version, 4 + i), writes[i].pos,
			  writes[i].pos + writes[i].len);
}

void world_bytes(uint32_t file, uint32_t version, uint64_t pos, void *buf, size_t len)
{
	bool written = world_kind(file) == WORLD_WRITTEN;
	uint32_t v = written ? last_new(version) : version;

	fill(buf, key_of(file, v, 0), pos, len);
	zero_from(buf, pos, len, world_size(file, v));
	while (v < version)
		overwrite(file, ++v, pos, buf, len);
}

static bool byte_matches(uint32_t file, uint32_t oldest, uint32_t newest, uint64_t pos,
			 uint8_t byte)
{
	uint8_t wanted;

	for (uint32_t v = newest; v >= oldest && v; v--) {
		world_bytes(file, v, pos, &wanted, 1);
		if (wanted == byte)
			return true;
	}
	return false;
}

static bool piece_matches(uint32_t file, uint32_t oldest, uint32_t newest, uint64_t pos,
			  const uint8_t *buf, size_t len, uint64_t *at)
{
	uint8_t wanted[GRANULE];

	for (uint32_t v = newest; v >= oldest && v; v--) {
		world_bytes(file, v, pos, wanted, len);
		if (!memcmp(wanted, buf, len))
			return true;
	}
	/* Answers that were cut short can have put two versions into one granule. */
	for (size_t i = 0; i < len; i++) {
		if (!byte_matches(file, oldest, newest, pos + i, buf[i])) {
			*at = pos + i;
			return false;
		}
	}
	return true;
}

bool world_matches(uint32_t file, uint32_t oldest, uint32_t newest, uint64_t pos, const void *buf,
		   size_t len, uint64_t *at)
{
	const uint8_t *bytes = buf;
	size_t n;

	for (; len; pos += n, bytes += n, len -= n) {
		n = (size_t)(GRANULE - pos % GRANULE);
		n = n < len ? n : len;
		if (!piece_matches(file, oldest, newest, pos, bytes, n, at))
			return false;
	}
	return true;
}

/* --- Names and labels ------------------------------------------------------------------------ */

void world_label(uint32_t file, uint32_t version, struct world_label *label)
{
	*label = (struct world_label){
		.file = file,
		.version = world_kind(file) == WORLD_WEAK ? 1 : version,
		.seed = world.seed,
	};
}

uint32_t world_version_of(uint32_t file, const void *bytes, size_t len)
{
	struct world_label label;

	if (len != sizeof(label))
		return 0;
	memcpy(&label, bytes, sizeof(label));
	return label.file == file && label.seed == world.seed ? label.version : 0;
}

struct fsc_blob world_key(uint32_t file, char key[16])
{
	int len = snprintf(key, 16, "file-%u", file);

	return (struct fsc_blob){ key, (size_t)len };
}

const char *world_volume(enum world_kind kind)
{
	return kind == WORLD_WEAK ? "weak" : "strong";
}
