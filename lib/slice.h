/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* slice.h - cut a read into parts by where their bytes come from. Pure. */
#ifndef FSC_SLICE_H
#define FSC_SLICE_H

#include <fscache/env.h>

enum fsc_source {
	FSC_FROM_CACHE,
	FSC_FROM_SERVER,
	FSC_ZERO_FILL, /* beyond the end of the file, or known to be zeroes */
};

struct fsc_slice {
	enum fsc_source source;
	/* What is to be read: whole granules, except that the last one ends with the file; for
	 * ZERO_FILL and when nothing is cached just the range asked for. */
	uint64_t start, end;
	/* What of it was asked for; start <= want_start < want_end <= end. */
	uint64_t want_start, want_end;
};

/* Is @pos present, and up to where, at most @end, is that the same? As fsc_gen_run(). */
typedef bool (*fsc_present_fn)(void *arg, uint64_t pos, uint64_t end, uint64_t *run_end);

struct fsc_slice_in {
	uint64_t pos, end;  /* what is still to be read, bytes; pos < end */
	uint64_t file_size;
	uint64_t zero_from; /* zeroes from here on: the file's size, or less */
	bool cached;        /* false: no map, everything below the size from the server, unrounded */
	uint64_t max_cache, max_server; /* the most bytes of one slice, multiples of the granule;
					 * (max_server any number when not cached) */
	fsc_present_fn present;
	void *arg;
};

void fsc_slice_next(const struct fsc_slice_in *in, struct fsc_slice *out);

#endif
