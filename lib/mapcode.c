// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mapcode.c - the two encoded forms of a content map, as they stand in the xattr or in a slot
 * (docs/format.md, "Content map"): runs of granules, or a bitmap.
 */
#include "bits.h"
#include "map.h"

#define LEB_MAX 10 /* bytes of a 64-bit number, 7 bits each */

/* --- Writing -------------------------------------------------------------------------------- */

void fsc_map_writer_init(struct fsc_map_writer *w, enum fsc_map_kind kind, void *buf, size_t size,
			 uint64_t min_run)
{
	memset(w, 0, sizeof(*w));
	w->buf = buf;
	w->size = size;
	w->kind = kind;
	w->min_run = min_run;
	if (kind == FSC_MAP_BITMAP && size)
		memset(buf, 0, size);
}

static void put_number(struct fsc_map_writer *w, uint64_t v)
{
	do {
		uint8_t byte = v & 0x7f;

		v >>= 7;
		if (w->len < w->size)
			w->buf[w->len] = v ? byte | 0x80 : byte;
		w->len++;
	} while (v);
}

/* The run that was being joined has ended: write it, or leave it out as absent. */
static void flush_run(struct fsc_map_writer *w)
{
	if (!w->run)
		return;
	if (w->run < w->min_run) {
		w->gap += w->run;
	} else {
		put_number(w, w->gap);
		put_number(w, w->run);
		w->gap = 0;
	}
	w->run = 0;
}

/* Set bits [start, end) as far as there is room. */
static void put_bits(struct fsc_map_writer *w, uint64_t start, uint64_t end)
{
	uint64_t first, last;

	if (start >= end || start / 8 >= w->size)
		return;
	end = fsc_min64(end, (uint64_t)w->size * 8);
	first = start / 8;
	last = (end - 1) / 8;
	if (first == last) {
		w->buf[first] |= (uint8_t)(0xffu << (start % 8) & 0xffu >> (7 - (end - 1) % 8));
		return;
	}
	w->buf[first] |= (uint8_t)(0xffu << (start % 8));
	w->buf[last] |= (uint8_t)(0xffu >> (7 - (end - 1) % 8));
	if (last > first + 1)
		memset(w->buf + first + 1, 0xff, last - first - 1);
}

void fsc_map_writer_add(struct fsc_map_writer *w, bool present, uint64_t count)
{
	if (w->kind == FSC_MAP_BITMAP) {
		if (present)
			put_bits(w, w->next, w->next + count);
	} else if (present) {
		w->run += count;
	} else if (count) {
		flush_run(w);
		w->gap += count;
	}
	w->next += count;
}

size_t fsc_map_writer_end(struct fsc_map_writer *w)
{
	if (w->kind == FSC_MAP_BITMAP)
		w->len = (size_t)fsc_min64(fsc_map_bitmap_bytes(w->next), (size_t)-1);
	else
		flush_run(w);
	return w->len;
}

/* --- Reading -------------------------------------------------------------------------------- */

void fsc_map_reader_init(struct fsc_map_reader *r, enum fsc_map_kind kind, struct fsc_blob map,
			 uint64_t granules)
{
	memset(r, 0, sizeof(*r));
	r->map = map;
	r->kind = kind;
	r->granules = granules;
}

/* Move *@at over one number. Every number has one form only: the shortest. */
static bool get_number(struct fsc_blob map, size_t *at, uint64_t *out)
{
	const uint8_t *bytes = map.data;
	uint32_t i;

	*out = 0;
	for (i = 0; i < LEB_MAX && *at < map.len; i++) {
		uint8_t byte = bytes[(*at)++];

		*out |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		if (i && !byte)
			return false;
		/* The tenth byte has room for the 64th bit only. */
		return i < LEB_MAX - 1 || byte == 1;
	}
	return false;
}

static int next_of_runs(struct fsc_map_reader *r, uint64_t *start, uint64_t *end)
{
	uint64_t left = r->granules - r->next, gap, run;
	size_t at = r->at;

	if (at == r->map.len)
		return 0;
	if (!get_number(r->map, &at, &gap) || !get_number(r->map, &at, &run))
		return -EBADMSG;
	if ((!gap && r->at) || !run || gap > left || run > left - gap)
		return -EBADMSG;
	*start = r->next + gap;
	*end = *start + run;
	r->next = *end;
	r->at = at;
	return 1;
}

/* The first bit at or after @from that is @value, or @end. */
static uint64_t find_bit(const uint8_t *bytes, uint64_t from, uint64_t end, bool value)
{
	uint8_t none = value ? 0 : 0xff;

	while (from < end) {
		uint8_t byte = bytes[from / 8];

		if (byte == none)
			from = fsc_round_down(from, 8) + 8;
		else if ((byte >> (from % 8) & 1) == value)
			return from;
		else
			from++;
	}
	return end;
}

static int next_of_bitmap(struct fsc_map_reader *r, uint64_t *start, uint64_t *end)
{
	const uint8_t *bytes = r->map.data;

	if (r->map.len != fsc_map_bitmap_bytes(r->granules))
		return -EBADMSG;
	if (r->granules % 8 && bytes[r->map.len - 1] >> (r->granules % 8))
		return -EBADMSG;
	*start = find_bit(bytes, r->next, r->granules, true);
	if (*start == r->granules)
		return 0;
	*end = find_bit(bytes, *start, r->granules, false);
	r->next = *end;
	return 1;
}

int fsc_map_reader_next(struct fsc_map_reader *r, uint64_t *start, uint64_t *end)
{
	switch (r->kind) {
	case FSC_MAP_RUNS:
		return next_of_runs(r, start, end);
	case FSC_MAP_BITMAP:
		return next_of_bitmap(r, start, end);
	case FSC_MAP_NONE:
		return r->map.len ? -EBADMSG : 0;
	default:
		return -EBADMSG;
	}
}
