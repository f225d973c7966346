// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_map.c - content maps, encoded as runs and as bitmaps: read, written again, and loaded into a
 * generation's map and taken from there.
 *
 * Input: a byte of flags, eight or (flag 2) two bytes of granules, the map. Flag 1: a bitmap.
 */
#include <stdlib.h>

#include "core.h"
#include "fuzz.h"
#include "reader.h"

/* More would only take longer. */
#define LOAD_MAX (1ull << 22)

struct runs {
	struct fsc_map_reader *reader; /* what is to agree */
	struct fsc_map_writer *writer;
	uint64_t at, present;
};

static void expect_run(void *arg, uint64_t start, uint64_t end)
{
	struct runs *r = arg;
	uint64_t got_start, got_end;

	FUZZ_CHECK(fsc_map_reader_next(r->reader, &got_start, &got_end) == 1);
	FUZZ_CHECK(got_start == start && got_end == end);
	fsc_map_writer_add(r->writer, false, start - r->at);
	fsc_map_writer_add(r->writer, true, (end - start) / 2);
	fsc_map_writer_add(r->writer, true, end - start - (end - start) / 2);
	r->at = end;
	r->present += end - start;
}

/* Whatever comes before the mistake may be shown, and nothing beyond the end. */
static void expect_refusal(struct fsc_map_reader *reader)
{
	uint64_t at = 0, start, end;
	int n;

	while ((n = fsc_map_reader_next(reader, &start, &end)) > 0) {
		FUZZ_CHECK(start >= at && end > start && end <= reader->granules);
		at = end;
	}
	FUZZ_CHECK(n == -EBADMSG);
}

/* One encoding for each meaning: written again, it is the same. */
static uint64_t check_good(struct fsc_map_reader *reader)
{
	size_t len = reader->map.len;
	uint8_t *buf = malloc(len ? len : 1);
	struct fsc_map_writer writer;
	struct runs r = { .reader = reader, .writer = &writer };
	uint64_t start, end;

	fsc_map_writer_init(&writer, reader->kind, buf, len, 0);
	reader_map(reader->kind, reader->map.data, len, reader->granules, expect_run, &r);
	FUZZ_CHECK(!fsc_map_reader_next(reader, &start, &end));
	if (reader->kind == FSC_MAP_BITMAP)
		fsc_map_writer_add(&writer, false, reader->granules - r.at);
	FUZZ_CHECK(fsc_map_writer_end(&writer) == len);
	FUZZ_CHECK(!len || !memcmp(buf, reader->map.data, len));
	free(buf);
	return r.present;
}

/* --- In a generation ------------------------------------------------------------------------- */

struct loaded {
	struct fsc_cache cache;
	struct fsc_gen gen;
};

static struct loaded *loaded_new(uint64_t granules)
{
	struct loaded *l = calloc(1, sizeof(*l));

	l->cache.params.max_map_bytes = 64 << 20;
	l->gen.cache = &l->cache;
	fsc_spin_init(&l->gen.lock, "generation");
	fsc_map_init(&l->gen.map, granules);
	return l;
}

static void loaded_free(struct loaded *l)
{
	struct fsc_map_pool pool = { 0 };

	fsc_map_reset(&l->gen.map, &pool);
	fsc_pool_free(&l->cache, &pool);
	FUZZ_CHECK(!fsc_count_read(&l->cache.map_bytes));
	fsc_spin_destroy(&l->gen.lock);
	free(l);
}

struct present {
	const struct fsc_map *map;
	uint64_t at;
};

static void expect_present(void *arg, uint64_t start, uint64_t end)
{
	struct present *p = arg;
	uint64_t run;

	if (start > p->at)
		FUZZ_CHECK(!fsc_map_run(p->map, p->at, start, &run) && run == start);
	FUZZ_CHECK(fsc_map_run(p->map, start, end, &run) && run == end);
	p->at = end;
}

static void check_loaded(const struct fsc_map *map, enum fsc_map_kind kind, struct fsc_blob code,
			 uint64_t present)
{
	struct present p = { .map = map };
	uint64_t run;

	FUZZ_CHECK(map->nr_set == present);
	FUZZ_CHECK(reader_map(kind, code.data, code.len, map->size, expect_present, &p));
	if (p.at < map->size)
		FUZZ_CHECK(!fsc_map_run(map, p.at, map->size, &run) && run == map->size);
}

/* What is taken from the map says the same again. */
static void check_taken(struct fsc_gen *gen, uint64_t present)
{
	uint64_t granules = gen->map.size;
	struct fsc_snapshot snap;
	struct loaded *again;

	FUZZ_CHECK(!fsc_snapshot_take(gen, granules << FSC_GRANULE_SHIFT, 1 << 20, &snap));
	FUZZ_CHECK(snap.present == present);
	FUZZ_CHECK(snap.complete == (present == granules));
	if (snap.mem) {
		again = loaded_new(granules);
		FUZZ_CHECK(!fsc_snapshot_load(&again->gen, snap.kind,
					      (struct fsc_blob){ snap.mem, snap.len }));
		check_loaded(&gen->map, snap.kind, (struct fsc_blob){ snap.mem, snap.len },
			     present);
		FUZZ_CHECK(again->gen.map.nr_set == present);
		loaded_free(again);
	}
	fsc_free(snap.mem);
}

static void check_load(enum fsc_map_kind kind, struct fsc_blob code, uint64_t granules, bool good,
		       uint64_t present)
{
	struct loaded *l = loaded_new(granules);
	int err = fsc_snapshot_load(&l->gen, kind, code);

	FUZZ_CHECK(err == (good ? 0 : -EUCLEAN));
	if (good) {
		check_loaded(&l->gen.map, kind, code, present);
		check_taken(&l->gen, present);
	}
	loaded_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned int flags = (unsigned int)take(&in, 1);
	enum fsc_map_kind kind = flags & 1 ? FSC_MAP_BITMAP : FSC_MAP_RUNS;
	uint64_t granules = take(&in, flags & 2 ? 2 : 8), present = 0;
	struct fsc_map_reader reader;
	struct fsc_blob code;
	uint8_t *map;
	bool good;

	map = take_copy(&in, 1 << 16, &code.len);
	code.data = map;
	good = reader_map(kind, map, code.len, granules, NULL, NULL);
	fsc_map_reader_init(&reader, kind, code, granules);
	if (good)
		present = check_good(&reader);
	else
		expect_refusal(&reader);
	if (granules <= LOAD_MAX)
		check_load(kind, code, granules, good, present);
	free(map);
	return 0;
}
