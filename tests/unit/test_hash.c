// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_hash.c - BLAKE2s-128 against values that Python's hashlib gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "hash.h"

/* Of the first @len bytes of 0, 1, 2, ... 255, 0, ... */
static const struct {
	size_t len;
	uint8_t digest[16];
} vectors[] = {
	/* none, less than a block, one block, one more, many */
	{ 0, { 0x64, 0x55, 0x0d, 0x6f, 0xfe, 0x2c, 0x0a, 0x01,
	       0xa1, 0x4a, 0xba, 0x1e, 0xad, 0xe0, 0x20, 0x0c } },
	{ 63, { 0x40, 0x06, 0x43, 0x0a, 0x2d, 0x31, 0x37, 0x51,
		0xa9, 0xec, 0xe2, 0x4f, 0xcc, 0xb5, 0x2d, 0xe5 } },
	{ 64, { 0xdc, 0x66, 0xca, 0x8f, 0x03, 0x86, 0x58, 0x01,
		0xb0, 0xff, 0xe0, 0x6e, 0xd8, 0xa1, 0xa9, 0x0e } },
	{ 65, { 0x39, 0x9d, 0x3e, 0x92, 0xcc, 0xfc, 0xed, 0xcd,
		0xde, 0x9b, 0xf4, 0xc2, 0xbe, 0x14, 0xcf, 0x8c } },
	{ 300, { 0xda, 0x5b, 0x56, 0x43, 0x76, 0x55, 0x71, 0x51,
		 0x0b, 0xcc, 0x51, 0xe5, 0xf1, 0xf8, 0xc9, 0xe2 } },
};

#define NR_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void counting_bytes(uint8_t *out, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		out[i] = (uint8_t)i;
}

static void digest_is_the_known_one(void **state)
{
	static const uint8_t abc[16] = { 0xaa, 0x49, 0x38, 0x11, 0x9b, 0x1d, 0xc7, 0xb8,
					 0x7c, 0xba, 0xd0, 0xff, 0xd2, 0x00, 0xd0, 0xae };
	uint8_t data[300], out[16];
	struct fsc_hash hash;
	size_t i;

	(void)state;
	counting_bytes(data, sizeof(data));
	for (i = 0; i < NR_VECTORS; i++) {
		fsc_hash_init(&hash);
		fsc_hash_update(&hash, data, vectors[i].len);
		fsc_hash_final(&hash, out);
		assert_memory_equal(out, vectors[i].digest, 16);
	}
	fsc_hash_init(&hash);
	fsc_hash_update(&hash, "abc", 3);
	fsc_hash_final(&hash, out);
	assert_memory_equal(out, abc, 16);
}

static void pieces_give_the_same_digest(void **state)
{
	uint8_t data[300], out[16];
	struct fsc_hash hash;
	size_t step, at, i;

	(void)state;
	counting_bytes(data, sizeof(data));
	for (i = 0; i < NR_VECTORS; i++) {
		size_t len = vectors[i].len;

		for (step = 1; step <= 130; step++) {
			fsc_hash_init(&hash);
			for (at = 0; at < len; at += step)
				fsc_hash_update(&hash, data + at,
						len - at < step ? len - at : step);
			fsc_hash_final(&hash, out);
			assert_memory_equal(out, vectors[i].digest, 16);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_the_known_one),
		cmocka_unit_test(pieces_give_the_same_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
