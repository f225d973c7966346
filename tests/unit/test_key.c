// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_key.c - names on disk and the digest. Expected: what Python's base64 and hashlib say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "key.h"

static struct fsc_blob blob(const void *data, size_t len)
{
	return (struct fsc_blob){ data, len };
}

static struct fsc_blob text(const char *s)
{
	return blob(s, strlen(s));
}

static void check_object(struct fsc_blob key, const char *want, bool want_hashed)
{
	char path[FSC_OBJECT_PATH_SIZE];
	bool hashed = !want_hashed;
	size_t len = fsc_key_cook_object(key, path, &hashed);

	assert_string_equal(path, want);
	assert_true(fsc_key_is_object_path(path));
	assert_int_equal(len, strlen(want));
	assert_int_equal(hashed, want_hashed);
}

static void check_volume(struct fsc_blob key, const char *want, bool want_hashed)
{
	char name[FSC_NAME_MAX + 1];
	bool hashed = !want_hashed;
	size_t len = fsc_key_cook_volume(key, name, &hashed);

	assert_string_equal(name, want);
	assert_true(fsc_key_is_volume_name(name));
	assert_int_equal(len, strlen(want));
	assert_int_equal(hashed, want_hashed);
}

static void printable_keys_stand_as_they_are(void **state)
{
	(void)state;
	check_object(text("key-1"), "@d1/Skey-1", false);
	check_object(text("a"), "@30/Sa", false);
	check_volume(text("9p,127.0.0.1:564,export"), "I9p,127.0.0.1:564,export", false);
	check_volume(text("."), "I.", false);
	check_volume(text("!~"), "I!~", false);
}

static void other_keys_are_encoded(void **state)
{
	static const uint8_t qid[8] = { 0x07, 0x00, 0x2a };

	(void)state;
	check_object(blob(qid, 8), "@df/EBwAqAAAAAAA", false);
	check_object(text("a/b"), "@a3/EYS9i", false);
	check_object(blob("\0", 1), "@51/EAA", false);
	check_object(blob("\xfb\xff\xfe", 3), "@19/E-__-", false);
	check_volume(text("a b"), "JYSBi", false);
	check_volume(text("\x7f"), "Jfw", false);
}

static void long_keys_take_the_next_form_that_fits(void **state)
{
	char key[255], want[300];

	(void)state;
	/* 255 are one too many behind the letter, and too many to encode. */
	memset(key, 'x', sizeof(key));
	snprintf(want, sizeof(want), "@eb/S%.254s", key);
	check_object(blob(key, 254), want, false);
	check_object(blob(key, 255), "@24/T17197a7e98cec2e4f07b8adaf5bb76ae", true);
	check_volume(blob(key, 255), "J+17197a7e98cec2e4f07b8adaf5bb76ae", true);
	/* 190 bytes give 254 characters, 191 bytes 255. */
	memset(key, 1, sizeof(key));
	memcpy(want, "@ec/E", 5);
	memset(want + 5, 0, sizeof(want) - 5);
	while (strlen(want) < 5 + 252)
		strcat(want, "AQEB");
	strcat(want, "AQ");
	check_object(blob(key, 190), want, false);
	check_object(blob(key, 191), "@e9/Te9b333854ddd52dca02e9c013808e0fe", true);
	memset(key, 0xff, sizeof(key));
	check_object(blob(key, 200), "@ae/Td1fcb6ba1d91ec2e53e828a5fe4663f6", true);
	check_volume(blob(key, 200), "J+d1fcb6ba1d91ec2e53e828a5fe4663f6", true);
}

/* Of every length, with every byte: a name of one component that the culler knows for its own. */
static void no_key_escapes_its_folder(void **state)
{
	uint8_t key[FSC_KEY_MAX];
	char path[FSC_OBJECT_PATH_SIZE], name[FSC_NAME_MAX + 1], fanout[4];
	uint32_t len, byte;
	bool hashed;

	(void)state;
	for (len = 1; len <= FSC_KEY_MAX; len++) {
		for (byte = 0; byte < 256; byte++) {
			memset(key, 'a', sizeof(key));
			key[len / 2] = (uint8_t)byte;
			fsc_key_cook_object(blob(key, len), path, &hashed);
			memcpy(fanout, path, 3);
			fanout[3] = 0;
			assert_int_equal(path[3], '/');
			assert_true(fsc_key_is_fanout_name(fanout));
			assert_true(fsc_key_is_object_name(path + 4));
			assert_null(strchr(path + 4, '/'));
			fsc_key_cook_volume(blob(key, len), name, &hashed);
			assert_true(strlen(name) <= FSC_NAME_MAX);
			assert_true(name[0] == 'I' || name[0] == 'J');
			assert_null(strchr(name, '/'));
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All keys of one and two bytes: text and encoded ones among them. */
static void two_keys_never_share_a_name(void **state)
{
	static char names[65536 + 256][16];
	char path[FSC_OBJECT_PATH_SIZE];
	const size_t n = sizeof(names) / sizeof(names[0]);
	bool hashed;
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		uint8_t key[2] = { (uint8_t)i, (uint8_t)(i >> 8) };

		assert_true(fsc_key_cook_object(blob(key, i < 65536 ? 2 : 1), path, &hashed) <
			    sizeof(names[0]));
		strcpy(names[i], path + 4);
	}
	qsort(names, n, sizeof(names[0]), by_text);
	for (i = 1; i < n; i++)
		assert_string_not_equal(names[i - 1], names[i]);
}

static void a_key_that_looks_like_another_form_keeps_its_own(void **state)
{
	(void)state;
	check_volume(text("+17197a7e98cec2e4f07b8adaf5bb76ae"),
		     "I+17197a7e98cec2e4f07b8adaf5bb76ae", false);
	check_object(text("EAA"), "@0b/SEAA", false);
}

static void culler_knows_only_our_names(void **state)
{
	static const char *const not_ours[] = {
		"", ".", "..", "S", "E", "T", "Sa b", "Sa/b", "S\x80", "Dkey", "key", "@3f",
		"EAAAA+", "EAAAAA=", "EA", "T17197a7e98cec2e4f07b8adaf5bb76a",
		"T17197A7e98cec2e4f07b8adaf5bb76ae", "T17197a7e98cec2e4f07b8adaf5bb76aeb",
	};
	static const char *const no_fanout[] = { "", "@", "@0", "@000",
						 "@0G", "@AB", "a00", "S00" };
	char name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		assert_false(fsc_key_is_object_name(not_ours[i]));
	for (i = 0; i < sizeof(no_fanout) / sizeof(no_fanout[0]); i++)
		assert_false(fsc_key_is_fanout_name(no_fanout[i]));
	memset(name, 'S', sizeof(name));
	name[256] = 0;
	assert_false(fsc_key_is_object_name(name));
	name[255] = 0;
	assert_true(fsc_key_is_object_name(name));
}

static void names_of_volumes_and_paths_of_objects_are_those_that_are_cooked(void **state)
{
	static const char *const no_volume[] = {
		"", ".", "..", "I", "J", "Ia/b", "Ia b", "../I", "Sa", "@3f", "JA", "JAAAA=", "J+",
		"J+17197a7e98cec2e4f07b8adaf5bb76a", "J+17197A7e98cec2e4f07b8adaf5bb76ae",
	};
	static const char *const no_path[] = {
		"", "@3f", "@3f/", "@3f/S", "@3fSa", "@3f/x", "../../x", "@3f/..", "@3f/Sa/b",
		"@3g/Sa", "@3f//Sa", "@3f/@3f/Sa", "Sa", "/@3f/Sa", "@\0f/Sa",
	};
	char name[FSC_NAME_MAX + 2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(no_volume) / sizeof(no_volume[0]); i++)
		assert_false(fsc_key_is_volume_name(no_volume[i]));
	for (i = 0; i < sizeof(no_path) / sizeof(no_path[0]); i++)
		assert_false(fsc_key_is_object_path(no_path[i]));
	memset(name, 'I', sizeof(name));
	name[FSC_NAME_MAX + 1] = 0;
	assert_false(fsc_key_is_volume_name(name));
	name[FSC_NAME_MAX] = 0;
	assert_true(fsc_key_is_volume_name(name));
}

static void digest_is_the_known_one(void **state)
{
	static const uint8_t most[16] = { 0x33, 0x87, 0x0f, 0x15, 0x7d, 0xf3, 0xee, 0x01,
					  0xf9, 0xb8, 0x41, 0xfa, 0xfb, 0x69, 0x77, 0xaa };
	static const uint8_t va_b[16] = { 0x7c, 0x74, 0x47, 0xd0, 0x38, 0x35, 0x4a, 0x06,
					  0x0b, 0x0a, 0xed, 0x1b, 0xda, 0x1a, 0x90, 0x1d };
	static const uint8_t v_ab[16] = { 0xc9, 0x9d, 0xd3, 0x8b, 0xde, 0x8e, 0xca, 0x6f,
					  0x1b, 0x79, 0xc4, 0x5c, 0xb9, 0x95, 0xe9, 0x06 };
	uint8_t out[16];

	(void)state;
	fsc_key_digest(text("v"), blob(NULL, 0), UINT64_MAX, 1ull << 63, UINT32_MAX, out);
	assert_memory_equal(out, most, 16);
	/* Where one key ends and the next begins matters. */
	fsc_key_digest(text("va"), text("b"), 1, 2, 3, out);
	assert_memory_equal(out, va_b, 16);
	fsc_key_digest(text("v"), text("ab"), 1, 2, 3, out);
	assert_memory_equal(out, v_ab, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printable_keys_stand_as_they_are),
		cmocka_unit_test(other_keys_are_encoded),
		cmocka_unit_test(long_keys_take_the_next_form_that_fits),
		cmocka_unit_test(no_key_escapes_its_folder),
		cmocka_unit_test(two_keys_never_share_a_name),
		cmocka_unit_test(a_key_that_looks_like_another_form_keeps_its_own),
		cmocka_unit_test(culler_knows_only_our_names),
		cmocka_unit_test(names_of_volumes_and_paths_of_objects_are_those_that_are_cooked),
		cmocka_unit_test(digest_is_the_known_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
