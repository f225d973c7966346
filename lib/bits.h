/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* bits.h, with bytes.h and list.h: small tools that neither world gives in a form both have. */
#ifndef FSC_BITS_H
#define FSC_BITS_H

#include <fscache/env.h>

static inline uint32_t fsc_popcount64(uint64_t v)
{
	/* By hand: the compiler's builtin may call into a library that the core must not need. */
	v -= (v >> 1) & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + ((v >> 2) & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (uint32_t)((v * 0x0101010101010101ull) >> 56);
}

/* The number of the lowest set bit; @v is not 0. */
static inline uint32_t fsc_ctz64(uint64_t v)
{
	return fsc_popcount64((v & -v) - 1);
}

static inline uint64_t fsc_round_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t fsc_round_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t fsc_min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t fsc_max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Granules of a file of @bytes, the last one perhaps in part. */
static inline uint64_t fsc_granules(uint64_t bytes)
{
	return (bytes >> FSC_GRANULE_SHIFT) + ((bytes & (FSC_GRANULE_SIZE - 1)) != 0);
}

#endif
