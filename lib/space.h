/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* space.h - the six limits and the budget: may something be stored, must something go? Pure. */
#ifndef FSC_SPACE_H
#define FSC_SPACE_H

#include <fscache/backend.h>
#include <fscache/cache.h>
#include <fscache/env.h>

struct fsc_space_limits {
	uint8_t brun, bcull, bstop;
	uint8_t frun, fcull, fstop; /* percent free */
	uint64_t max_bytes;         /* 0: no budget */
};

enum fsc_space_verdict {
	FSC_SPACE_OK,   /* at or above run: culling, if it was on, ends */
	FSC_SPACE_LOW,  /* between: culling goes on if it was on */
	FSC_SPACE_CULL, /* below cull: store, and begin culling */
	FSC_SPACE_STOP, /* below stop, or over the budget: store nothing; culling is on */
};

/* Defaults filled in; 0 or -EINVAL. */
int fsc_space_limits_init(struct fsc_space_limits *limits, const struct fsc_cache_params *params);
/* With @used bytes in the cache and @more about to be stored. The budget's own marks: cull above
 * 95 % of it (until under 90 %), stop when @used + @more exceeds it. */
enum fsc_space_verdict fsc_space_check(const struct fsc_space_limits *limits,
				       const struct fsc_space *space, uint64_t used, uint64_t more);
/* Bytes and files to give back to get to run (and to 90 % of the budget). */
void fsc_space_goal(const struct fsc_space_limits *limits, const struct fsc_space *space,
		    uint64_t used, uint64_t *bytes, uint64_t *files);
/* The same to get to cull (and to 95 %), and so far that @more bytes fit the budget; not for what is
 * more than 90 % of that. */
void fsc_space_lack(const struct fsc_space_limits *limits, const struct fsc_space *space,
		    uint64_t used, uint64_t more, uint64_t *bytes, uint64_t *files);

#endif
