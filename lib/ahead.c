/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ahead.c - how an open file is being read, and what is downloaded before it is asked for.
 *
 * A reader that goes on about where it stopped has a window ahead of it: what is missing there is
 * downloaded into the cache by a request of our own, which nobody waits for. The window begins
 * small and doubles each time the reader has used up half of it; a reader that jumps about has none,
 * and gets no byte more than the granules it touches. So a read that misses grows without waiting
 * for what it has grown by: its own bytes are parts of its own request, sent first.
 *
 * The numbers are hints. Threads that share a file change them without a lock, and the worst that
 * comes of it is a download too many, or one too few.
 */
#include "read.h"

#define WINDOW_MIN (128u << 10)
#define WINDOW_MAX (4u << 20)
/* How far from where it was expected a read may begin: those of several threads overtake each
 * other. In lengths of the read, and at most in bytes. */
#define NEAR_READS 4
#define NEAR_MAX (1u << 20)

struct pattern {
	struct fsc_count next;   /* where the reader is expected */
	struct fsc_count ahead;  /* what lies before was present, or is being downloaded */
	struct fsc_count window; /* bytes; 0: it jumps about */
};

_Static_assert(sizeof(struct pattern) <= sizeof(struct fsc_pattern), "fsc_pattern is too small");

static uint64_t get(const struct fsc_count *c)
{
	return (uint64_t)fsc_count_read(c);
}

static void set(struct fsc_count *c, uint64_t v)
{
	if (get(c) != v) /* threads share the line */
		fsc_count_set(c, (int64_t)v);
}

/* The first read of a file counts as expected if it is at the file's beginning. */
static bool expected(const struct pattern *p, uint64_t pos, uint64_t len)
{
	uint64_t next = get(&p->next), near = fsc_min64(len * NEAR_READS, NEAR_MAX);

	return next ? pos + near >= next && pos <= next + near : pos == 0;
}

/* Several windows have to fit in what readahead may have in memory. */
static uint64_t window_max(const struct fsc_read *read)
{
	return fsc_min64(WINDOW_MAX, fsc_max64(read->cookie->side->max_bytes / 8, WINDOW_MIN));
}

/* What is to be downloaded ahead of a reader that is at @end: from *@from on, up to what this
 * returns, if that is more. */
static uint64_t plan(struct pattern *p, const struct fsc_read *read, uint64_t end, uint64_t *from)
{
	uint64_t window = get(&p->window), ahead = get(&p->ahead);

	if (!window || ahead < end) {
		window = fsc_max64(window, WINDOW_MIN);
		ahead = end;
	}
	*from = ahead;
	if (ahead - end > window / 2)
		return ahead;
	set(&p->window, fsc_min64(window * 2, window_max(read)));
	return fsc_min64(end + window, fsc_read_zero_from(read));
}

void fsc_ahead_note(struct fsc_read *read, struct fsc_gen *gen, bool missed)
{
	struct pattern *p = (struct pattern *)(void *)read->pattern->opaque;
	uint64_t end = fsc_read_end(read), from, to, run_end;

	if (!expected(p, read->pos, end - read->pos)) {
		set(&p->next, end);
		set(&p->window, 0);
		return;
	}
	set(&p->next, end);
	/* Then what was read ahead has not come, or is gone again. */
	if (missed && get(&p->ahead) > end)
		set(&p->ahead, end);
	to = plan(p, read, end, &from);
	if (from >= to)
		return;
	/* Where all is there nothing needs to be started, and this is not soon asked again. */
	if (fsc_gen_run(gen, fsc_round_down(from, FSC_GRANULE_SIZE), read->file_size, &run_end))
		from = run_end;
	set(&p->ahead, fsc_max64(from, to));
	if (from < to)
		fsc_request_ahead(read, from, to);
}
