// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_mapcode.c - the encoded forms of content maps: what is written, read, and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "map.h"

/* Read all of it: how many runs there are, or the error. */
static int read_all(enum fsc_map_kind kind, const void *map, size_t len, uint64_t granules,
		    uint64_t runs[][2], size_t max)
{
	struct fsc_map_reader r;
	uint64_t start, end;
	size_t n = 0;
	int ret;

	fsc_map_reader_init(&r, kind, (struct fsc_blob){ map, len }, granules);
	while ((ret = fsc_map_reader_next(&r, &start, &end)) == 1) {
		assert_true(start < end && end <= granules);
		assert_true(n == 0 || start > runs[n - 1][1]);
		assert_true(n < max);
		runs[n][0] = start;
		runs[n++][1] = end;
	}
	if (ret)
		assert_int_equal(fsc_map_reader_next(&r, &start, &end), ret);
	return ret ? ret : (int)n;
}

/* The bytes lie at the end of their own memory, so that a sanitizer sees a read behind them. */
static int judge(enum fsc_map_kind kind, const char *bytes, size_t len, uint64_t granules)
{
	uint64_t runs[64][2];
	uint8_t *exact = malloc(len ? len : 1);
	int ret;

	memcpy(exact, bytes, len);
	ret = read_all(kind, exact, len, granules, runs, 64);
	free(exact);
	return ret;
}

#define RUNS(bytes, granules) judge(FSC_MAP_RUNS, bytes, sizeof(bytes) - 1, granules)
#define BITMAP(bytes, granules) judge(FSC_MAP_BITMAP, bytes, sizeof(bytes) - 1, granules)

static void runs_are_read(void **state)
{
	uint64_t runs[4][2];

	(void)state;
	assert_int_equal(read_all(FSC_MAP_RUNS, "\0\1\2\xac\2", 5, 1000, runs, 4), 2);
	assert_int_equal(runs[0][0], 0);
	assert_int_equal(runs[0][1], 1);
	assert_int_equal(runs[1][0], 3);
	assert_int_equal(runs[1][1], 303);
	assert_int_equal(RUNS("", 0), 0);
	assert_int_equal(RUNS("", 1000), 0);
	assert_int_equal(RUNS("\0\1", 1), 1);
	assert_int_equal(RUNS("\1\1\1\1", 4), 2);
}

static void the_largest_numbers_are_read(void **state)
{
	const char *longest = "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1";
	uint64_t runs[4][2];

	(void)state;
	assert_int_equal(read_all(FSC_MAP_RUNS, longest, 11, UINT64_MAX, runs, 4), 1);
	assert_int_equal(runs[0][1], UINT64_MAX);
	/* One bit more than 64, and an eleventh byte. */
	assert_int_equal(RUNS("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\3", UINT64_MAX), -EBADMSG);
	assert_int_equal(RUNS("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\1", UINT64_MAX),
			 -EBADMSG);
	/* Sums that would wrap around. */
	assert_int_equal(RUNS("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", UINT64_MAX), -EBADMSG);
	assert_int_equal(RUNS("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2", 1000), -EBADMSG);
}

static void runs_that_are_none_are_refused(void **state)
{
	(void)state;
	/* beyond the end */
	assert_int_equal(RUNS("\0\2", 1), -EBADMSG);
	assert_int_equal(RUNS("\5\1", 5), -EBADMSG);
	assert_int_equal(RUNS("\1\1\1\1", 3), -EBADMSG);
	assert_int_equal(RUNS("\0\1", 0), -EBADMSG);
	/* an empty run, and a gap of nothing behind the first */
	assert_int_equal(RUNS("\1\0", 9), -EBADMSG);
	assert_int_equal(RUNS("\0\0", 9), -EBADMSG);
	assert_int_equal(RUNS("\1\1\0\1", 9), -EBADMSG);
	/* bytes left over: a gap without a run, a number cut off */
	assert_int_equal(RUNS("\1", 9), -EBADMSG);
	assert_int_equal(RUNS("\1\1\1", 9), -EBADMSG);
	assert_int_equal(RUNS("\1\x81", 900), -EBADMSG);
	assert_int_equal(RUNS("\x81", 900), -EBADMSG);
	/* not the shortest form */
	assert_int_equal(RUNS("\x81\0\1", 900), -EBADMSG);
	assert_int_equal(RUNS("\1\x80\0", 900), -EBADMSG);
	assert_int_equal(RUNS("\0\x81\x80\0", 900), -EBADMSG);
}

static void bitmaps_are_read(void **state)
{
	uint64_t runs[4][2];

	(void)state;
	assert_int_equal(read_all(FSC_MAP_BITMAP, "\x06\xff\xff\x03\0", 5, 33, runs, 4), 2);
	assert_int_equal(runs[0][0], 1);
	assert_int_equal(runs[0][1], 3);
	assert_int_equal(runs[1][0], 8);
	assert_int_equal(runs[1][1], 26);
	assert_int_equal(BITMAP("", 0), 0);
	assert_int_equal(BITMAP("\0", 1), 0);
	assert_int_equal(BITMAP("\1", 1), 1);
	assert_int_equal(BITMAP("\xff", 8), 1);
	assert_int_equal(BITMAP("\x55", 8), 4);
}

static void bitmaps_that_are_none_are_refused(void **state)
{
	(void)state;
	/* bits after the end */
	assert_int_equal(BITMAP("\3", 1), -EBADMSG);
	assert_int_equal(BITMAP("\x80", 7), -EBADMSG);
	assert_int_equal(BITMAP("\x40", 7), 1);
	/* the wrong length */
	assert_int_equal(BITMAP("\0", 0), -EBADMSG);
	assert_int_equal(BITMAP("\0", 9), -EBADMSG);
	assert_int_equal(BITMAP("\0\0", 8), -EBADMSG);
	assert_int_equal(BITMAP("", 1), -EBADMSG);
	assert_int_equal(BITMAP("", UINT64_MAX), -EBADMSG);
}

static void other_kinds_are_refused(void **state)
{
	(void)state;
	assert_int_equal(judge(FSC_MAP_NONE, "", 0, 100), 0);
	assert_int_equal(judge(FSC_MAP_NONE, "\0\1", 2, 100), -EBADMSG);
	assert_int_equal(judge(FSC_MAP_SLOT, "\0\1", 2, 100), -EBADMSG);
	assert_int_equal(judge((enum fsc_map_kind)7, "\0\1", 2, 100), -EBADMSG);
}

/* Feed @granules of which 'x' is present, in pieces of @piece. */
static size_t write_text(enum fsc_map_kind kind, const char *text, size_t piece, uint64_t min_run,
			 uint8_t *out, size_t size)
{
	struct fsc_map_writer w;
	size_t i, n;

	fsc_map_writer_init(&w, kind, out, size, min_run);
	for (i = 0; text[i]; i += n) {
		for (n = 1; n < piece && text[i + n] == text[i]; n++)
			;
		fsc_map_writer_add(&w, text[i] == 'x', n);
	}
	return fsc_map_writer_end(&w);
}

static void check_written(enum fsc_map_kind kind, const char *text, uint64_t min_run,
			  const char *want, size_t len)
{
	uint8_t out[64];
	size_t piece, room;

	for (piece = 1; piece < 40; piece++) {
		assert_int_equal(write_text(kind, text, piece, min_run, out, sizeof(out)), len);
		assert_memory_equal(out, want, len);
	}
	/* With too little room it says how much it takes, and writes what fits, nothing behind it.
	 */
	for (room = 0; room < len; room++) {
		uint8_t *exact = malloc(room ? room : 1);

		assert_int_equal(write_text(kind, text, 3, min_run, exact, room), len);
		assert_memory_equal(exact, want, room);
		free(exact);
	}
}

static void runs_are_written(void **state)
{
	(void)state;
	check_written(FSC_MAP_RUNS, "", 0, "", 0);
	check_written(FSC_MAP_RUNS, "......", 0, "", 0);
	check_written(FSC_MAP_RUNS, "xx", 0, "\0\2", 2);
	check_written(FSC_MAP_RUNS, ".xx.x...", 0, "\1\2\1\1", 4);
	check_written(FSC_MAP_RUNS, "x.xxx", 1, "\0\1\1\3", 4);
}

static void short_runs_are_left_out(void **state)
{
	(void)state;
	check_written(FSC_MAP_RUNS, "x..xxx.xx.x.xxxxx.x", 2, "\3\3\1\2\3\5", 6);
	check_written(FSC_MAP_RUNS, "x..xxx.xx.x.xxxxx.x", 3, "\3\3\6\5", 4);
	check_written(FSC_MAP_RUNS, "x..xxx.xx.x.xxxxx.x", 6, "", 0);
}

static void bitmaps_are_written(void **state)
{
	(void)state;
	check_written(FSC_MAP_BITMAP, "", 0, "", 0);
	check_written(FSC_MAP_BITMAP, ".", 0, "\0", 1);
	check_written(FSC_MAP_BITMAP, "..........", 0, "\0\0", 2);
	check_written(FSC_MAP_BITMAP, "x.x..x.xx", 0, "\xa5\1", 2);
	check_written(FSC_MAP_BITMAP, "...xxxxxxxxxxxxxxxxxxxxxxx.......", 0,
		      "\xf8\xff\xff\3\0", 5);
}

static void giant_runs_are_written(void **state)
{
	static const uint8_t want[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x04,
					0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x04 };
	struct fsc_map_writer w;
	uint8_t out[32];

	(void)state;
	fsc_map_writer_init(&w, FSC_MAP_RUNS, out, sizeof(out), 0);
	fsc_map_writer_add(&w, false, 1ull << 51);
	fsc_map_writer_add(&w, true, 1ull << 51);
	fsc_map_writer_add(&w, true, 1);
	assert_int_equal(fsc_map_writer_end(&w), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	fsc_map_writer_init(&w, FSC_MAP_BITMAP, NULL, 0, 0);
	fsc_map_writer_add(&w, true, (1ull << 51) + 1);
	assert_int_equal(fsc_map_writer_end(&w), (1ull << 48) + 1);
}

/* Any bytes at all: read without a wrong access; and what is accepted is the one form that the
 * writer gives to these runs. */
static void whatever_is_accepted_is_what_would_be_written(void **state)
{
	uint64_t runs[64][2], seed = 88172645463325252ull, round, accepted = 0;
	uint8_t bytes[12], again[64];

	(void)state;
	for (round = 0; round < 2000000; round++) {
		enum fsc_map_kind kind = round % 2 ? FSC_MAP_RUNS : FSC_MAP_BITMAP;
		struct fsc_map_writer w;
		uint64_t granules;
		size_t len, i;
		int n, k;

		for (i = 0; i < sizeof(bytes); i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[i] = (uint8_t)(seed >> 40) >> (seed >> 50 & 7);
		}
		granules = 1 + seed % (kind == FSC_MAP_RUNS ? 2000 : 96);
		len = kind == FSC_MAP_RUNS ? seed / 7 % 12 : (granules + 7) / 8;
		n = read_all(kind, bytes, len, granules, runs, 64);
		if (n < 0)
			continue;
		accepted++;
		fsc_map_writer_init(&w, kind, again, sizeof(again), 0);
		for (k = 0; k < n; k++) {
			fsc_map_writer_add(&w, false, runs[k][0] - w.next);
			fsc_map_writer_add(&w, true, runs[k][1] - runs[k][0]);
		}
		fsc_map_writer_add(&w, false, granules - w.next);
		assert_int_equal(fsc_map_writer_end(&w), len);
		assert_memory_equal(again, bytes, len);
	}
	assert_true(accepted > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_read),
		cmocka_unit_test(the_largest_numbers_are_read),
		cmocka_unit_test(runs_that_are_none_are_refused),
		cmocka_unit_test(bitmaps_are_read),
		cmocka_unit_test(bitmaps_that_are_none_are_refused),
		cmocka_unit_test(other_kinds_are_refused),
		cmocka_unit_test(runs_are_written),
		cmocka_unit_test(short_runs_are_left_out),
		cmocka_unit_test(bitmaps_are_written),
		cmocka_unit_test(giant_runs_are_written),
		cmocka_unit_test(whatever_is_accepted_is_what_would_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
