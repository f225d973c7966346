// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* fuzz.c - see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

uint64_t take(struct input *in, size_t bytes)
{
	size_t n = bytes < in->left ? bytes : in->left;
	uint64_t v = get_le(in->at, n);

	in->at += n;
	in->left -= n;
	return v;
}

uint8_t *take_copy(struct input *in, size_t max, size_t *len)
{
	uint8_t *copy;

	*len = in->left < max ? in->left : max;
	copy = malloc(*len ? *len : 1);
	if (!copy)
		abort();
	if (*len)
		memcpy(copy, in->at, *len);
	in->at += *len;
	in->left -= *len;
	return copy;
}

void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

uint64_t get_le(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void put_le(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void fix(uint8_t *p, size_t len, size_t at)
{
	put_le(p + at, 0, 4);
	put_le(p + at, reader_crc(p, len), 4);
}

void fix_record(uint8_t *value, size_t len)
{
	if (len >= 36)
		fix(value, len, 4);
}

void fix_super(uint8_t *block, size_t len)
{
	if (len >= 128)
		fix(block, 128, 12);
}

/* Less to remember of each allocation: there are thousands in a run, and they are short. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16:malloc_context_size=4:max_malloc_fill_size=0";
}
