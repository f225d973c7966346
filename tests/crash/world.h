/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * world.h - what the server has: files whose every byte follows from file, version and offset, so
 * that each can be verified after any crash with nothing but the numbers at hand.
 *
 * Three kinds of file, by what the cache is told of them:
 *   strong   coherency data that change with every version; read through cookies
 *   weak     coherency data that never change, in a volume with strict removal: what keeps old
 *            bytes away is invalidation alone
 *   written  written locally, through objects, with proof. Every sixth version is all new, the
 *            others differ from the one before by a few writes and sometimes by size.
 */
#ifndef TESTS_CRASH_WORLD_H
#define TESTS_CRASH_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fscache/types.h>

#define GRANULE ((uint64_t)FSC_GRANULE_SIZE)
#define FILES_MAX 4096u
#define WORLD_BIG (4u << 20)

/* Kept in the journal: all that follows from it must be the same for who writes and who verifies.
 */
struct world_spec {
	uint64_t seed;
	uint64_t max_size; /* bytes; sizes are spread evenly over the powers of two up to it; of
			    * WORLD_BIG and more one in five is nearly that */
	uint32_t files;
	uint32_t reserved;
};

enum world_kind { WORLD_STRONG, WORLD_WEAK, WORLD_WRITTEN };

extern struct world_spec world;

enum world_kind world_kind(uint32_t file);
/* Versions count from 1 on. */
uint64_t world_size(uint32_t file, uint32_t version);
/* Bytes from @pos on; zeroes beyond the size. */
void world_bytes(uint32_t file, uint32_t version, uint64_t pos, void *buf, size_t len);
/* Is each byte that of one of these versions? Else where the first is that isn't, in *@at. */
bool world_matches(uint32_t file, uint32_t oldest, uint32_t newest, uint64_t pos, const void *buf,
		   size_t len, uint64_t *at);

/* How a written file's version differs from the one before. */
struct world_write {
	uint64_t pos, len;
};

#define WORLD_WRITES_MAX 5
bool world_is_new(uint32_t version); /* all of it differs */
unsigned int world_writes(uint32_t file, uint32_t version,
			  struct world_write writes[WORLD_WRITES_MAX]);

/* What the cache is told. */
struct world_label {
	uint32_t file, version;
	uint64_t seed;
};

void world_label(uint32_t file, uint32_t version, struct world_label *label);
/* The version whose label these bytes are, 0 if it is none; of a weak file 1. */
uint32_t world_version_of(uint32_t file, const void *label, size_t len);
struct fsc_blob world_key(uint32_t file, char key[16]);
const char *world_volume(enum world_kind kind);

/* Repeatable chance. */
uint64_t world_mix(uint64_t x);
uint64_t world_random(uint64_t *state);
static inline uint64_t world_below(uint64_t *state, uint64_t n)
{
	return world_random(state) % n;
}

uint64_t world_now_ns(void); /* CLOCK_MONOTONIC, as the disk's log has it */

#endif
