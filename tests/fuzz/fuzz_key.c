// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_key.c - names made of keys, and names found in the cache's folders.
 *
 * Input: a byte of length, a key of at most so many bytes; the rest is another key, and a name that
 * somebody left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "key.h"
#include "reader.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The bytes of a base64url text: their number, or -1. */
static int decode_base64url(const char *text, uint8_t *out)
{
	unsigned int bits = 0, nr_bits = 0;
	const char *at;
	int n = 0;

	for (; *text; text++) {
		at = strchr(alphabet, *text);
		if (!at)
			return -1;
		bits = (bits << 6 | (unsigned int)(at - alphabet)) & 0xfff;
		nr_bits += 6;
		if (nr_bits >= 8) {
			nr_bits -= 8;
			out[n++] = (uint8_t)(bits >> nr_bits);
		}
	}
	return nr_bits < 6 && !(bits & ((1u << nr_bits) - 1)) ? n : -1;
}

static bool is_text(const uint8_t *key, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (key[i] < 0x21 || key[i] > 0x7e || key[i] == '/')
			return false;
	return len <= 254;
}

/* The name must lead back to the key, except where only a hash fits. */
static void check_name(const char *name, const char prefix[3], const uint8_t *key, size_t len,
		       bool hashed)
{
	uint8_t back[256];

	FUZZ_CHECK(strlen(name) <= 255);
	FUZZ_CHECK(hashed == (!is_text(key, len) && len > 190));
	if (is_text(key, len)) {
		FUZZ_CHECK(name[0] == prefix[0]);
		FUZZ_CHECK(strlen(name + 1) == len && !memcmp(name + 1, key, len));
	} else if (!hashed) {
		FUZZ_CHECK(name[0] == prefix[1]);
		FUZZ_CHECK(decode_base64url(name + 1, back) == (int)len);
		FUZZ_CHECK(!memcmp(back, key, len));
	} else {
		FUZZ_CHECK(name[0] == prefix[2]);
		FUZZ_CHECK(strlen(name) == (name[1] == '+' ? 34 : 33));
	}
}

static void check_object(const uint8_t *key, size_t len, char path[FSC_OBJECT_PATH_SIZE])
{
	struct fsc_blob blob = { key, len };
	char fanout[4];
	bool hashed;

	FUZZ_CHECK(fsc_key_cook_object(blob, path, &hashed) == strlen(path));
	snprintf(fanout, sizeof(fanout), "@%02x", reader_crc(key, len) & 0xff);
	FUZZ_CHECK(!strncmp(path, fanout, 3) && path[3] == '/');
	check_name(path + 4, "SET", key, len, hashed);
	FUZZ_CHECK(fsc_key_is_fanout_name(fanout) && fsc_key_is_object_name(path + 4));
}

static void check_volume(const uint8_t *key, size_t len)
{
	struct fsc_blob blob = { key, len };
	char name[FSC_NAME_MAX + 1];
	bool hashed;

	FUZZ_CHECK(fsc_key_cook_volume(blob, name, &hashed) == strlen(name));
	check_name(name, "IJJ", key, len, hashed);
}

static void check_found(const uint8_t *bytes, size_t len)
{
	char *name = malloc(len + 1);

	if (len)
		memcpy(name, bytes, len);
	name[len] = '\0';
	FUZZ_CHECK(fsc_key_is_object_name(name) == reader_object_name(name));
	FUZZ_CHECK(fsc_key_is_fanout_name(name) == reader_fanout_name(name));
	free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char first[FSC_OBJECT_PATH_SIZE], second[FSC_OBJECT_PATH_SIZE];
	size_t len, other_len;
	uint8_t *key = take_copy(&in, (size_t)take(&in, 1), &len), *other;

	check_found(in.at, in.left);
	other = take_copy(&in, FSC_KEY_MAX, &other_len);
	if (len) {
		check_volume(key, len);
		check_object(key, len, first);
	}
	if (len && other_len) {
		check_object(other, other_len, second);
		FUZZ_CHECK(!strcmp(first, second) ==
			   (len == other_len && !memcmp(key, other, len)));
	}
	free(key);
	free(other);
	return 0;
}
