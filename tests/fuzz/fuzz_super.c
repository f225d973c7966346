// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_super.c - the super block. Input: a byte, 1: the crc is made right; then the block.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "reader.h"
#include "record.h"

/* All that a reader doesn't ignore must come back. */
static void check_encoding(const struct fsc_super *super, const uint8_t *block)
{
	uint8_t out[FSC_SUPER_SIZE];
	struct fsc_super again;

	fsc_super_encode(super, out);
	FUZZ_CHECK(!memcmp(out, block, 12));
	FUZZ_CHECK(!memcmp(out + 16, block + 16, 88 - 16));
	FUZZ_CHECK(reader_super(out, sizeof(out)) == READER_GOOD);
	FUZZ_CHECK(!fsc_super_decode(&again, out, sizeof(out)));
	FUZZ_CHECK(!memcmp(&again, super, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	bool right = take(&in, 1) & 1;
	struct fsc_super super;
	uint8_t *block;
	int verdict;
	size_t len;

	block = take_copy(&in, FSC_SUPER_BLOCK, &len);
	if (right)
		fix_super(block, len);
	verdict = (int)reader_super(block, len);
	switch (fsc_super_decode(&super, block, len)) {
	case 0:
		FUZZ_CHECK(verdict == READER_GOOD);
		check_encoding(&super, block);
		break;
	case -EPROTONOSUPPORT:
		FUZZ_CHECK(verdict == READER_NOT_FOR_US);
		break;
	case -ENODATA:
		FUZZ_CHECK(verdict == READER_NOT_OURS);
		break;
	default:
		FUZZ_CHECK(verdict == READER_DAMAGED);
		break;
	}
	free(block);
	return 0;
}
