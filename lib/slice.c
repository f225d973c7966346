// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * slice.c - cut a read into parts by where their bytes come from.
 *
 * What is cached is read and stored by whole granules, so a slice reaches beyond what was asked for
 * to the granules' borders, and at the file's end to that end.
 */
#include "bits.h"
#include "slice.h"

static void whole(struct fsc_slice *out, enum fsc_source source, uint64_t start, uint64_t end)
{
	out->source = source;
	out->start = start;
	out->end = end;
	out->want_start = start;
	out->want_end = end;
}

static void slice_cached(const struct fsc_slice_in *in, uint64_t end, struct fsc_slice *out)
{
	uint64_t start = fsc_round_down(in->pos, FSC_GRANULE_SIZE);
	uint64_t limit = fsc_min64(fsc_round_up(end, FSC_GRANULE_SIZE), in->file_size);
	uint64_t run_end, max;
	bool present;

	present = in->present(in->arg, start, limit, &run_end);
	max = present ? in->max_cache : in->max_server;
	out->source = present ? FSC_FROM_CACHE : FSC_FROM_SERVER;
	out->start = start;
	out->end = run_end - start > max ? start + max : run_end;
	out->want_start = in->pos;
	out->want_end = fsc_min64(end, out->end);
}

void fsc_slice_next(const struct fsc_slice_in *in, struct fsc_slice *out)
{
	uint64_t zero = in->zero_from;
	uint64_t end;

	if (in->pos >= zero) {
		whole(out, FSC_ZERO_FILL, in->pos, in->end);
		return;
	}
	/* A granule that is zeroes in part is kept whole. */
	if (in->cached)
		zero = fsc_min64(fsc_round_up(zero, FSC_GRANULE_SIZE), in->file_size);
	end = fsc_min64(in->end, zero);
	if (in->cached)
		slice_cached(in, end, out);
	else
		whole(out, FSC_FROM_SERVER, in->pos,
		      end - in->pos > in->max_server ? in->pos + in->max_server : end);
}
