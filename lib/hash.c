// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * hash.c - BLAKE2s-128 after RFC 7693: sequential, no key, 16 bytes of output.
 */
#include "bits.h"
#include "bytes.h"
#include "hash.h"

#define BLOCK 64
#define OUT 16
#define ROUNDS 10

static const uint32_t iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint8_t sigma[ROUNDS][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint32_t ror(uint32_t v, uint32_t n)
{
	return v >> n | v << (32 - n);
}

static void mix(uint32_t v[16], uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t x,
		uint32_t y)
{
	v[a] += v[b] + x;
	v[d] = ror(v[d] ^ v[a], 16);
	v[c] += v[d];
	v[b] = ror(v[b] ^ v[c], 12);
	v[a] += v[b] + y;
	v[d] = ror(v[d] ^ v[a], 8);
	v[c] += v[d];
	v[b] = ror(v[b] ^ v[c], 7);
}

static void compress(struct fsc_hash *hash, bool last)
{
	uint32_t v[16], m[16], i;

	for (i = 0; i < 16; i++)
		m[i] = fsc_get32(hash->buf + 4 * i);
	memcpy(v, hash->h, sizeof(hash->h));
	memcpy(v + 8, iv, sizeof(iv));
	v[12] ^= (uint32_t)hash->total;
	v[13] ^= (uint32_t)(hash->total >> 32);
	if (last)
		v[14] = ~v[14];
	for (i = 0; i < ROUNDS; i++) {
		const uint8_t *s = sigma[i];

		mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
		mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
		mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
		mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
		mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
		mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
		mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
		mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (i = 0; i < 8; i++)
		hash->h[i] ^= v[i] ^ v[i + 8];
}

void fsc_hash_init(struct fsc_hash *hash)
{
	memset(hash, 0, sizeof(*hash));
	memcpy(hash->h, iv, sizeof(iv));
	hash->h[0] ^= 0x01010000 | OUT; /* depth 1, fanout 1, no key, bytes of output */
}

void fsc_hash_update(struct fsc_hash *hash, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		size_t n;

		/* A full buffer waits for more: the last block is compressed differently. */
		if (hash->fill == BLOCK) {
			hash->total += BLOCK;
			compress(hash, false);
			hash->fill = 0;
		}
		n = (size_t)fsc_min64(len, BLOCK - hash->fill);
		memcpy(hash->buf + hash->fill, p, n);
		hash->fill += (uint32_t)n;
		p += n;
		len -= n;
	}
}

void fsc_hash_final(struct fsc_hash *hash, uint8_t out[16])
{
	uint32_t i;

	hash->total += hash->fill;
	memset(hash->buf + hash->fill, 0, BLOCK - hash->fill);
	compress(hash, true);
	for (i = 0; i < OUT / 4; i++)
		fsc_put32(out + 4 * i, hash->h[i]);
}
