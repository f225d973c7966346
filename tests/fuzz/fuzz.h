/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuzz.h - what the fuzz targets share: a cursor over the input, checks that end the program with
 * what was expected, and the repair of checksums, without which hardly any input gets past them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input: zeroes when it is used up. */
struct input {
	const uint8_t *at;
	size_t left;
};

uint64_t take(struct input *in, size_t bytes); /* little endian, at most 8 */
/* At most @max bytes of what is left, in memory of their own and of exactly that size, so that
 * whoever reads beyond them is noticed. To be freed. */
uint8_t *take_copy(struct input *in, size_t max, size_t *len);

#define FUZZ_CHECK(cond) ((cond) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #cond))
__attribute__((noreturn)) void fuzz_failed(const char *file, int line, const char *what);

uint64_t get_le(const uint8_t *p, size_t bytes);
void put_le(uint8_t *p, uint64_t v, size_t bytes);

/* Put the right checksum into what is long enough to have one. */
void fix_record(uint8_t *value, size_t len);
void fix_super(uint8_t *block, size_t len);

#endif
