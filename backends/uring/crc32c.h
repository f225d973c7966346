/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* crc32c.h - the two ways of fsc_crc32c(), apart so that a test compares them. */
#ifndef FSC_URING_CRC32C_H
#define FSC_URING_CRC32C_H

#include <fscache/env.h>

uint32_t fsc_crc32c_by_table(uint32_t crc, const void *data, size_t len);
/* False, and nothing done, where the processor has no such instruction. */
bool fsc_crc32c_by_instruction(uint32_t *crc, const void *data, size_t len);

#endif
