/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* hash.h - BLAKE2s (RFC 7693) with 16 bytes of output. Pure. */
#ifndef FSC_HASH_H
#define FSC_HASH_H

#include <fscache/env.h>

struct fsc_hash {
	uint32_t h[8];
	uint64_t total;
	uint8_t buf[64];
	uint32_t fill;
};

void fsc_hash_init(struct fsc_hash *hash);
void fsc_hash_update(struct fsc_hash *hash, const void *data, size_t len);
void fsc_hash_final(struct fsc_hash *hash, uint8_t out[16]);

#endif
