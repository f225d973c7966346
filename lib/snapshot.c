// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * snapshot.c - a generation's map as the bytes that are stored, and back.
 *
 * The map is walked run by run, letting go of the spinlock in between. Bits that are set meanwhile
 * may be in or not: their data are written already. None is cleared meanwhile: whoever clears holds
 * the save mutex, which the caller holds.
 */
#include "bits.h"
#include "core.h"

static bool next_run(struct fsc_gen *gen, uint64_t at, uint64_t end, uint64_t *run)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	uint64_t limit = gen->map.size < end ? gen->map.size : end;
	bool present = false;

	if (at < limit)
		present = fsc_map_run(&gen->map, at, limit, run);
	else
		*run = end; /* beyond the map of one that is to grow: absent */
	fsc_spin_unlock(&gen->lock, irq);
	return present;
}

static uint64_t number_bytes(uint64_t v)
{
	uint64_t n = 1;

	while (v >>= 7)
		n++;
	return n;
}

/* Which runs are long enough: those of @min_run, and of half of that as long as there is room. */
struct choice {
	uint64_t min_run;
	uint64_t spare; /* bytes */
	uint64_t end;   /* of the last one taken */
};

static bool take_run(struct choice *c, uint64_t start, uint64_t end)
{
	uint64_t cost = number_bytes(start - c->end) + number_bytes(end - start);

	if (end - start < c->min_run) {
		if (end - start < c->min_run / 2 || cost > c->spare)
			return false;
		c->spare -= cost;
	}
	c->end = end;
	return true;
}

/* Both lengths are found in one walk; then what is chosen is written in another. */
static uint64_t walk(struct fsc_gen *gen, uint64_t granules, struct choice c,
		     struct fsc_map_writer *runs, struct fsc_map_writer *bitmap)
{
	uint64_t at = 0, run, present = 0;
	bool is;

	while (at < granules) {
		is = next_run(gen, at, granules, &run) && take_run(&c, at, run);
		if (is)
			present += run - at;
		if (runs)
			fsc_map_writer_add(runs, is, run - at);
		if (bitmap)
			fsc_map_writer_add(bitmap, is, run - at);
		at = run;
	}
	return present;
}

static int encode(struct fsc_gen *gen, uint64_t granules, size_t room, struct choice c,
		  struct fsc_snapshot *snap)
{
	struct fsc_map_writer w;
	size_t need;

	snap->mem = fsc_zalloc(room ? room : 1);
	if (!snap->mem)
		return -ENOMEM;
	fsc_map_writer_init(&w, snap->kind, snap->mem, room, 0);
	if (snap->kind == FSC_MAP_RUNS)
		snap->present = walk(gen, granules, c, &w, NULL);
	else
		snap->present = walk(gen, granules, c, NULL, &w);
	need = fsc_map_writer_end(&w);
	snap->len = need;
	if (!need)
		snap->kind = FSC_MAP_NONE;
	if (need <= room)
		return 0;
	fsc_free(snap->mem);
	snap->mem = NULL;
	return -ERANGE;
}

static bool trivial(struct fsc_gen *gen, uint64_t size, struct fsc_snapshot *snap)
{
	uint64_t granules = fsc_granules(size);
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool full = fsc_map_full(&gen->map) && gen->map.size == granules;
	bool empty = !gen->map.nr_set;

	fsc_spin_unlock(&gen->lock, irq);
	memset(snap, 0, sizeof(*snap));
	snap->kind = FSC_MAP_NONE;
	snap->complete = full;
	snap->present = full ? granules : 0;
	return full || empty;
}

int fsc_snapshot_take(struct fsc_gen *gen, uint64_t size, size_t room, struct fsc_snapshot *snap)
{
	struct fsc_map_writer runs, bitmap;
	struct choice all = { 0 };
	uint64_t granules = fsc_granules(size);
	size_t runs_len, bitmap_len, limit;
	int err, tries = 4;

	if (trivial(gen, size, snap))
		return 0;
	do {
		fsc_map_writer_init(&runs, FSC_MAP_RUNS, NULL, 0, 0);
		fsc_map_writer_init(&bitmap, FSC_MAP_BITMAP, NULL, 0, 0);
		walk(gen, granules, all, &runs, &bitmap);
		runs_len = fsc_map_writer_end(&runs);
		bitmap_len = fsc_map_writer_end(&bitmap);
		snap->kind = runs_len <= bitmap_len ? FSC_MAP_RUNS : FSC_MAP_BITMAP;
		snap->len = runs_len <= bitmap_len ? runs_len : bitmap_len;
		if (snap->len > room)
			return -ERANGE;
		/* Some slack: bits set between the walks may make more runs. But never more than
		 * the bitmap takes, which is what a slot has room for. */
		limit = fsc_min64(fsc_min64(room, bitmap_len), snap->len + 64);
		err = encode(gen, granules, limit, all, snap);
	} while (err == -ERANGE && --tries);
	return err;
}

static size_t measure(struct fsc_gen *gen, uint64_t granules, struct choice c)
{
	struct fsc_map_writer w;

	fsc_map_writer_init(&w, FSC_MAP_RUNS, NULL, 0, 0);
	walk(gen, granules, c, &w, NULL);
	return fsc_map_writer_end(&w);
}

int fsc_snapshot_take_part(struct fsc_gen *gen, uint64_t size, size_t room,
			   struct fsc_snapshot *snap)
{
	uint64_t granules = fsc_granules(size);
	struct choice c = { 0 };
	size_t len;
	int err = -ERANGE;

	if (trivial(gen, size, snap))
		return 0;
	for (c.min_run = 1; err == -ERANGE && c.min_run < (1ull << 52); c.min_run *= 2) {
		c.spare = 0;
		len = measure(gen, granules, c);
		if (len > room)
			continue;
		c.spare = room - len;
		snap->kind = FSC_MAP_RUNS;
		/* Too long again if bits were set meanwhile: then only longer ones. */
		err = encode(gen, granules, room, c, snap);
	}
	return err;
}

/* Nobody else knows this generation yet: no lock. */
static int clear_gap(struct fsc_gen *gen, uint64_t start, uint64_t end, struct fsc_map_pool *pool)
{
	struct fsc_map_need need;
	int err;

	if (start == end)
		return 0;
	fsc_map_clear_need(&gen->map, &need);
	need.leaves -= fsc_min64(need.leaves, pool->nr_leaves);
	need.nodes -= fsc_min64(need.nodes, pool->nr_nodes);
	err = fsc_pool_fill(gen->cache, pool, &need);
	if (!err)
		fsc_map_clear(&gen->map, start, end, pool);
	return err;
}

int fsc_snapshot_load(struct fsc_gen *gen, enum fsc_map_kind kind, struct fsc_blob map)
{
	struct fsc_map_pool pool = { 0 };
	struct fsc_map_reader r;
	uint64_t start, end, at = 0;
	int n, err = 0;

	/* What is absent is cleared from a map of all, as that takes the same time for a gap, and
	 * for a run, of any length: a few bytes may speak of a file of exabytes. */
	fsc_map_set_full(&gen->map, &pool);
	fsc_map_reader_init(&r, kind, map, gen->map.size);
	while (!err && (n = fsc_map_reader_next(&r, &start, &end)) > 0) {
		err = clear_gap(gen, at, start, &pool);
		at = end;
	}
	if (!err && n < 0)
		err = -EUCLEAN;
	if (!err)
		err = clear_gap(gen, at, gen->map.size, &pool);
	fsc_pool_free(gen->cache, &pool);
	return err;
}
