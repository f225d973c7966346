/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * bytes.h - numbers in little endian at any address.
 *
 * (The masks are for sparse, which takes a cast that drops bits of a constant for a mistake.)
 */
#ifndef FSC_BYTES_H
#define FSC_BYTES_H

#include <fscache/env.h>

static inline void fsc_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v & 0xff);
	p[1] = (uint8_t)(v >> 8);
}

static inline void fsc_put32(uint8_t *p, uint32_t v)
{
	fsc_put16(p, (uint16_t)(v & 0xffff));
	fsc_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void fsc_put64(uint8_t *p, uint64_t v)
{
	fsc_put32(p, (uint32_t)(v & 0xffffffff));
	fsc_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t fsc_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t fsc_get32(const uint8_t *p)
{
	return fsc_get16(p) | (uint32_t)fsc_get16(p + 2) << 16;
}

static inline uint64_t fsc_get64(const uint8_t *p)
{
	return fsc_get32(p) | (uint64_t)fsc_get32(p + 4) << 32;
}

#endif
