// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * oracle.c - what a read may give.
 *
 * Sector by sector: the bytes of any version from the oldest that the reader may see to the latest
 * there is when it ends, and those of local writes on their way. The oldest is the latest of
 *   - what the client presented to the library (the attributes were asked for before);
 *   - what was on the server when an invalidation of the file was called that has returned: reads
 *     that begin later see nothing older, for whatever they get was downloaded later;
 *   - and, where coherency data don't change, what was there when an invalidation was called that
 *     has finished, for that outlasts a crash (I8);
 *   - in sectors that a client wrote itself in this process, that write once it was answered.
 */
#include <stdarg.h>
#include <stdio.h>

#include "play_int.h"

void oracle_process(struct play *p)
{
	p->looks = NULL;
	p->invalidating = 0;
	for (uint32_t i = 0; i < p->nr_files; i++) {
		struct file *f = &p->files[i];

		f->floor = f->crash_floor;
		f->nr_pending = 0;
		f->nr_asked = 0;
		f->delegated = false;
		f->right = NULL;
		f->changing = 0;
		f->alone = false;
		for (uint32_t v = 0; v < f->version; v++)
			if (!f->changes[v].lasting)
				f->changes[v].answered = 0;
	}
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void oracle_volume(struct play *p, uint32_t volume)
{
	for (uint32_t i = 0; i < p->nr_files; i++) {
		struct file *f = &p->files[i];

		if (f->volume == volume)
			f->crash_floor = f->floor = f->version;
	}
}

/* --- Invalidations ---------------------------------------------------------------------------- */

void oracle_event(struct play *p)
{
	p->nr_events++;
}

uint32_t oracle_invalidating(struct play *p, struct file *f)
{
	oracle_event(p);
	p->invalidating++;
	return f->version;
}

void oracle_invalidated(struct play *p, struct file *f, uint32_t version)
{
	p->invalidating--;
	oracle_event(p);
	f->floor = later(f->floor, version);
}

void oracle_invalidate_done(struct play *p, struct file *f, uint32_t version)
{
	if (p->coherency == COH_CONST)
		f->crash_floor = later(f->crash_floor, version);
}

/* --- Bytes ------------------------------------------------------------------------------------ */

/* Where the answer at @pos may change. */
static uint64_t segment_end(const struct file *f, uint64_t pos, uint64_t end)
{
	for (uint32_t i = 0; i < f->version + f->nr_pending; i++) {
		const struct change *c = i < f->version ? &f->changes[i] :
							  &f->pending[i - f->version];

		if (c->start > pos && c->start < end)
			end = c->start;
		if (c->end > pos && c->end < end)
			end = c->end;
	}
	return end;
}

static bool covers(const struct change *c, uint64_t pos)
{
	return c->start <= pos && pos < c->end;
}

/* One sector or several of the same history. */
static bool sector_ok(const struct file *f, const struct look *look, uint32_t least, uint64_t pos,
		      const uint8_t *buf, size_t len)
{
	for (uint32_t v = f->version; v; v--) {
		const struct change *c = &f->changes[v - 1];

		if (!covers(c, pos))
			continue;
		if (stamp_is(f, c, pos, buf, len))
			return true;
		/* Older ones can't be: of the oldest version allowed it is this. */
		if (v <= least || (look && !look->lent && c->answered && c->answered <= look->seq))
			break;
	}
	for (uint32_t i = 0; look && i < f->nr_pending; i++) {
		const struct change *c = &f->pending[i];

		if (covers(c, pos) && (!c->voided || look->seq < c->voided) &&
		    stamp_is(f, c, pos, buf, len))
			return true;
	}
	return false;
}

size_t oracle_wrong(struct play *p, const struct file *f, const struct look *look, uint32_t least,
		    uint64_t pos, const uint8_t *buf, size_t len)
{
	uint64_t end = pos + len, next, at, stop;

	(void)p;
	for (at = pos; at < end; at = next) {
		next = segment_end(f, at, end);
		/* Mostly all of it is of the same version; else each sector is asked about. */
		if (sector_ok(f, look, least, at, buf + (at - pos), (size_t)(next - at)))
			continue;
		for (; at < next; at = stop) {
			stop = at - at % PLAY_SECTOR + PLAY_SECTOR;
			stop = stop < next ? stop : next;
			if (sector_ok(f, look, least, at, buf + (at - pos), (size_t)(stop - at)))
				continue;
			/* Two answers may meet anywhere in it. */
			for (; at < stop; at++)
				if (!sector_ok(f, look, least, at, buf + (at - pos), 1))
					return (size_t)(at - pos);
		}
	}
	return len;
}

static bool all_are(const uint8_t *buf, size_t len, uint8_t byte)
{
	while (len && buf[len - 1] == byte)
		len--;
	return !len;
}

const char *oracle_looks_like(struct play *p, const struct file *f, uint64_t pos,
			      const uint8_t *buf, size_t len)
{
	static char text[200];
	size_t n = len < 16 ? len : 16;

	if (all_are(buf, n, 0))
		return "zeroes";
	for (uint32_t i = 0; i < p->nr_files; i++) {
		const struct file *g = &p->files[(f->id + i) % p->nr_files];

		for (uint32_t v = g->version; v; v--) {
			const struct change *c = &g->changes[v - 1];

			if (!stamp_is(g, c, pos, buf, n))
				continue;
			snprintf(text, sizeof(text), "stamp %u of file %u, made by its version %u",
				 c->stamp, g->id, v);
			return text;
		}
		for (uint32_t k = 0; k < g->nr_pending; k++) {
			if (!stamp_is(g, &g->pending[k], pos, buf, n))
				continue;
			snprintf(text, sizeof(text), "stamp %u of file %u, a local write%s",
				 g->pending[k].stamp, g->id,
				 g->pending[k].voided ? " that was refused" : "");
			return text;
		}
	}
	if (all_are(buf, n, 0xa5) || all_are(buf, n, 0x5a) || all_are(buf, n, 0xcc) ||
	    all_are(buf, n, 0xdd))
		return "memory that was never filled";
	snprintf(text, sizeof(text), "nothing (%02x %02x %02x %02x %02x %02x %02x %02x ...)",
		 buf[0], n > 1 ? buf[1] : 0, n > 2 ? buf[2] : 0, n > 3 ? buf[3] : 0,
		 n > 4 ? buf[4] : 0, n > 5 ? buf[5] : 0, n > 6 ? buf[6] : 0, n > 7 ? buf[7] : 0);
	return text;
}

/* --- Looks ------------------------------------------------------------------------------------ */

void look_begin(struct play *p, struct look *look, struct file *f, uint64_t pos, uint64_t len,
		uint32_t told)
{
	*look = (struct look){
		.next = p->looks,
		.file = f,
		.pos = pos,
		.len = len,
		.least = later(told, f->floor),
		.seq = p->seq,
		.events = p->nr_events,
		.errors = f->errors,
		.active = true,
		.beside = p->invalidating != 0,
		.served = server_is_asked(f, pos, len),
		.began_us = sim_now_us(),
	};
	p->looks = look;
}

void look_cancel(struct play *p, struct look *look)
{
	struct look **link = &p->looks;

	while (*link != look)
		link = &(*link)->next;
	*link = look->next;
	look->active = false;
}

static uint64_t clamp_len(const struct look *look, uint64_t size, uint64_t file_size)
{
	uint64_t end = look->pos + look->len;

	size = size < file_size ? size : file_size;
	end = end < size ? end : size;
	return look->pos < end ? end - look->pos : 0;
}

static bool length_ok(const struct look *look, uint64_t n, uint64_t told_size)
{
	const struct file *f = look->file;

	uint64_t least = UINT64_MAX, most = 0, size;

	/* In between, too: what came of a larger version and then ended with a smaller one. */
	for (uint32_t v = f->version; v && v >= look->least; v--) {
		size = clamp_len(look, file_size(f, v), told_size);
		least = size < least ? size : least;
		most = size > most ? size : most;
	}
	for (uint32_t i = 0; i < f->nr_pending; i++) {
		size = clamp_len(look, f->pending[i].size, told_size);
		least = size < least ? size : least;
		most = size > most ? size : most;
	}
	return least <= n && n <= most;
}

void look_end(struct play *p, struct look *look, const void *buf, int64_t n, uint64_t told_size)
{
	struct file *f = look->file;
	size_t at;

	p->stats.reads++;
	p->stats.reads_beside += look->beside || look->events != p->nr_events;
	p->stats.reads_cached += n > 0 && !look->served;
	play_note(p, f, "read %llu..%llu: %lld%s, least version %u", (unsigned long long)look->pos,
		  (unsigned long long)(look->pos + look->len), (long long)n,
		  look->served ? "" : " from the cache", look->least);
	/* On this clock a second passes only when nobody has anything to do. */
	if (!p->jumps && sim_now_us() - look->began_us > 800000)
		play_fail(p, f, "slow: a read took %llu us", (unsigned long long)(sim_now_us() -
										  look->began_us));
	if (n >= 0 && !length_ok(look, (uint64_t)n, told_size))
		play_fail(p, f,
			  "length: a read of %llu at %llu gave %lld; versions %u to %u, %llu bytes now, %llu said",
			  (unsigned long long)look->len, (unsigned long long)look->pos,
			  (long long)n, look->least, f->version,
			  (unsigned long long)file_size(f, f->version),
			  (unsigned long long)told_size);
	if (n > 0) {
		at = oracle_wrong(p, f, look, look->least, look->pos, buf, (size_t)n);
		if (at < (size_t)n)
			play_fail(p, f,
				  "bytes: a read of %llu at %llu gave at %llu %s; versions %u to %u are allowed",
				  (unsigned long long)look->len, (unsigned long long)look->pos,
				  (unsigned long long)(look->pos + at),
				  oracle_looks_like(p, f, look->pos + at,
						    (const uint8_t *)buf + at, (size_t)n - at),
				  look->least, f->version);
	}
	look_cancel(p, look);
}
