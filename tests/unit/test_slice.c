// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_slice.c - how a read is cut into parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bits.h"
#include "slice.h"

#define K 4096ull

/* Granules of a small file: 'x' is present. */
static bool text_present(void *arg, uint64_t pos, uint64_t end, uint64_t *run_end)
{
	const char *map = arg;
	uint64_t g = pos / K, i;

	assert_int_equal(pos % K, 0);
	assert_true(pos < end);
	for (i = g; i * K < end && map[i] == map[g]; i++)
		;
	*run_end = fsc_min64(i * K, end);
	return map[g] == 'x';
}

static struct fsc_slice slice(const char *map, uint64_t file_size, uint64_t pos, uint64_t end)
{
	struct fsc_slice_in in = {
		.pos = pos, .end = end, .file_size = file_size, .zero_from = file_size, .cached = map, .max_cache = 16 * K,
		.max_server = 8 * K, .present = text_present, .arg = (void *)map,
	};
	struct fsc_slice out;

	fsc_slice_next(&in, &out);
	return out;
}

static void check(struct fsc_slice s, enum fsc_source source, uint64_t start, uint64_t end,
		  uint64_t want_start, uint64_t want_end)
{
	assert_int_equal(s.source, source);
	assert_int_equal(s.start, start);
	assert_int_equal(s.end, end);
	assert_int_equal(s.want_start, want_start);
	assert_int_equal(s.want_end, want_end);
}

static void uncached_reads_are_not_rounded(void **state)
{
	(void)state;
	check(slice(NULL, 100 * K, 5, 77), FSC_FROM_SERVER, 5, 77, 5, 77);
	check(slice(NULL, 100 * K, 5, 50 * K), FSC_FROM_SERVER, 5, 8 * K + 5, 5, 8 * K + 5);
	check(slice(NULL, 1000, 5, 7000), FSC_FROM_SERVER, 5, 1000, 5, 1000);
}

static void what_lies_beyond_the_file_is_zero(void **state)
{
	(void)state;
	check(slice(NULL, 1000, 1000, 7000), FSC_ZERO_FILL, 1000, 7000, 1000, 7000);
	check(slice("x", 1000, 5000, 7000), FSC_ZERO_FILL, 5000, 7000, 5000, 7000);
	check(slice("", 0, 0, UINT64_MAX), FSC_ZERO_FILL, 0, UINT64_MAX, 0, UINT64_MAX);
}

static void cuts_lie_where_presence_changes(void **state)
{
	const char *map = "xx..x.....";

	(void)state;
	check(slice(map, 10 * K, 0, 10 * K), FSC_FROM_CACHE, 0, 2 * K, 0, 2 * K);
	check(slice(map, 10 * K, 2 * K, 10 * K), FSC_FROM_SERVER, 2 * K, 4 * K, 2 * K, 4 * K);
	check(slice(map, 10 * K, 4 * K, 10 * K), FSC_FROM_CACHE, 4 * K, 5 * K, 4 * K, 5 * K);
}

static void slices_are_whole_granules(void **state)
{
	const char *map = "xx..";

	(void)state;
	check(slice(map, 4 * K, 1, 2), FSC_FROM_CACHE, 0, K, 1, 2);
	check(slice(map, 4 * K, K + 7, 3 * K + 9), FSC_FROM_CACHE, K, 2 * K, K + 7, 2 * K);
	check(slice(map, 4 * K, 2 * K + 7, 3 * K + 9), FSC_FROM_SERVER, 2 * K, 4 * K, 2 * K + 7,
	      3 * K + 9);
	check(slice(map, 4 * K, 2 * K + 7, 3 * K), FSC_FROM_SERVER, 2 * K, 3 * K, 2 * K + 7, 3 * K);
}

static void the_last_granule_ends_with_the_file(void **state)
{
	(void)state;
	check(slice("..", K + 1, 0, 10 * K), FSC_FROM_SERVER, 0, K + 1, 0, K + 1);
	check(slice("..", K + 100, K + 10, K + 20), FSC_FROM_SERVER, K, K + 100, K + 10, K + 20);
	check(slice("xx", K + 1, K, 10 * K), FSC_FROM_CACHE, K, K + 1, K, K + 1);
}

static void each_source_has_its_largest_slice(void **state)
{
	const char *map = "xxxxxxxxxxxxxxxxxxxx....................";

	(void)state;
	check(slice(map, 40 * K, 5, 20 * K), FSC_FROM_CACHE, 0, 16 * K, 5, 16 * K);
	check(slice(map, 40 * K, 4 * K, 20 * K), FSC_FROM_CACHE, 4 * K, 20 * K, 4 * K, 20 * K);
	check(slice(map, 40 * K, 20 * K + 9, 40 * K), FSC_FROM_SERVER, 20 * K, 28 * K, 20 * K + 9,
	      28 * K);
}

static bool all_present(void *arg, uint64_t pos, uint64_t end, uint64_t *run_end)
{
	(void)pos;
	*run_end = end;
	return *(bool *)arg;
}

static void the_largest_file_is_read_to_its_end(void **state)
{
	const uint64_t size = INT64_MAX;
	bool present = true;
	struct fsc_slice_in in = {
		.pos = size - 5, .end = size, .file_size = size, .zero_from = size, .cached = true,
		.max_cache = 1ull << 20, .max_server = 1ull << 20, .present = all_present,
		.arg = &present,
	};
	struct fsc_slice out;

	(void)state;
	fsc_slice_next(&in, &out);
	check(out, FSC_FROM_CACHE, size - 4095, size, size - 5, size);
	in.end = UINT64_MAX;
	present = false;
	fsc_slice_next(&in, &out);
	check(out, FSC_FROM_SERVER, size - 4095, size, size - 5, size);
}

static void check_part(const char *map, uint64_t size, uint64_t at, uint64_t end,
		       struct fsc_slice s)
{
	assert_int_equal(s.want_start, at);
	assert_true(s.want_end > at && s.want_end <= end);
	assert_true(s.start <= at && s.want_end <= s.end);
	assert_true((s.source == FSC_ZERO_FILL) == (at >= size));
	if (s.source == FSC_ZERO_FILL)
		return;
	assert_int_equal(s.start % K, 0);
	assert_true(s.end % K == 0 || s.end == size);
	assert_true((s.source == FSC_FROM_CACHE) == (map[at / K] == 'x'));
}

static void read_all(const char *map, uint64_t size)
{
	uint64_t pos, end, at;

	for (pos = 0; pos < 6 * K; pos += 1023) {
		for (end = pos + 1; end < 7 * K; end += 1337) {
			for (at = pos; at < end;) {
				struct fsc_slice s = slice(map, size, at, end);

				check_part(map, size, at, end, s);
				at = s.want_end;
			}
		}
	}
}

/* Whatever the map, the slices of a read leave no gap between them, and each is what it says. */
static void slices_cover_the_read_once(void **state)
{
	static const uint64_t sizes[] = { 0, 1, K - 1, K, K + 1, 5 * K - 1, 5 * K, 6 * K };
	char map[7] = "";
	uint64_t bits, g;
	size_t i;

	(void)state;
	for (bits = 0; bits < 64; bits++) {
		for (g = 0; g < 6; g++)
			map[g] = bits >> g & 1 ? 'x' : '.';
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			read_all(map, sizes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uncached_reads_are_not_rounded),
		cmocka_unit_test(what_lies_beyond_the_file_is_zero),
		cmocka_unit_test(cuts_lie_where_presence_changes),
		cmocka_unit_test(slices_are_whole_granules),
		cmocka_unit_test(the_last_granule_ends_with_the_file),
		cmocka_unit_test(each_source_has_its_largest_slice),
		cmocka_unit_test(the_largest_file_is_read_to_its_end),
		cmocka_unit_test(slices_cover_the_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
