// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * space.c - from free blocks, free files and the budget to "may I store, must I cull?".
 */
#include "bits.h"
#include "space.h"

#define BUDGET_CULL 95 /* percent of the budget: culling begins above, */
#define BUDGET_RUN 90  /* and ends below */

/*
 * @percent of @v, *@exact false if that was rounded down. Exact for any @v, where v * percent would
 * overflow; and in digits of 16 bits, since a 64-bit division is a library call on 32-bit machines.
 */
static uint64_t percent_of(uint64_t v, uint32_t percent, bool *exact)
{
	uint64_t quotient = 0;
	uint32_t rest = 0;
	int shift;

	for (shift = 48; shift >= 0; shift -= 16) {
		uint32_t digit = rest << 16 | (uint32_t)(v >> shift & 0xffff);

		quotient |= (uint64_t)(digit / 100) << shift;
		rest = digit % 100;
	}
	*exact = rest * percent % 100 == 0;
	return quotient * percent + rest * percent / 100;
}

/* The least free number that is at least @percent of @total. */
static uint64_t threshold(uint64_t total, uint32_t percent)
{
	bool exact;
	uint64_t v = percent_of(total, percent, &exact);

	return exact ? v : v + 1;
}

static uint64_t mul_capped(uint64_t a, uint32_t b)
{
	uint64_t high = (a >> 32) * b, low = (a & 0xffffffff) * b;

	high += low >> 32;
	return high >> 32 ? ~0ull : high << 32 | (low & 0xffffffff);
}

static int init_three(uint8_t *run, uint8_t *cull, uint8_t *stop)
{
	if (!*run && !*cull && !*stop) {
		*run = 7;
		*cull = 5;
		*stop = 1;
	}
	return *stop < *cull && *cull < *run && *run < 100 ? 0 : -EINVAL;
}

int fsc_space_limits_init(struct fsc_space_limits *limits, const struct fsc_cache_params *params)
{
	int err;

	memset(limits, 0, sizeof(*limits));
	limits->brun = params->brun;
	limits->bcull = params->bcull;
	limits->bstop = params->bstop;
	limits->frun = params->frun;
	limits->fcull = params->fcull;
	limits->fstop = params->fstop;
	limits->max_bytes = params->max_bytes;
	err = init_three(&limits->brun, &limits->bcull, &limits->bstop);
	if (err)
		return err;
	return init_three(&limits->frun, &limits->fcull, &limits->fstop);
}

static enum fsc_space_verdict check_free(uint64_t total, uint64_t free, uint32_t run,
					 uint32_t cull, uint32_t stop)
{
	if (free < threshold(total, stop))
		return FSC_SPACE_STOP;
	if (free < threshold(total, cull))
		return FSC_SPACE_CULL;
	if (free < threshold(total, run))
		return FSC_SPACE_LOW;
	return FSC_SPACE_OK;
}

static enum fsc_space_verdict check_budget(uint64_t max, uint64_t used, uint64_t more)
{
	bool exact;

	if (!max)
		return FSC_SPACE_OK;
	if (used > max || more > max - used)
		return FSC_SPACE_STOP;
	if (used > percent_of(max, BUDGET_CULL, &exact))
		return FSC_SPACE_CULL;
	return used < threshold(max, BUDGET_RUN) ? FSC_SPACE_OK : FSC_SPACE_LOW;
}

static enum fsc_space_verdict worse(enum fsc_space_verdict a, enum fsc_space_verdict b)
{
	return a > b ? a : b;
}

enum fsc_space_verdict fsc_space_check(const struct fsc_space_limits *limits,
				       const struct fsc_space *space, uint64_t used, uint64_t more)
{
	enum fsc_space_verdict verdict = check_budget(limits->max_bytes, used, more);

	verdict = worse(verdict, check_free(space->blocks, space->blocks_free, limits->brun,
					    limits->bcull, limits->bstop));
	/* Some filesystems (btrfs) don't count files. */
	if (space->files)
		verdict = worse(verdict, check_free(space->files, space->files_free, limits->frun,
						    limits->fcull, limits->fstop));
	return verdict;
}

static uint64_t missing(uint64_t total, uint64_t free, uint32_t run)
{
	uint64_t want = threshold(total, run);

	return free < want ? want - free : 0;
}

static uint64_t missing_bytes(const struct fsc_space *space, uint32_t run)
{
	return mul_capped(missing(space->blocks, space->blocks_free, run), space->block_size);
}

static uint64_t missing_files(const struct fsc_space *space, uint32_t run)
{
	return space->files ? missing(space->files, space->files_free, run) : 0;
}

static uint64_t above(uint64_t used, uint64_t mark)
{
	return used > mark ? used - mark : 0;
}

void fsc_space_goal(const struct fsc_space_limits *limits, const struct fsc_space *space,
		    uint64_t used, uint64_t *bytes, uint64_t *files)
{
	uint64_t max = limits->max_bytes;

	*bytes = missing_bytes(space, limits->brun);
	*files = missing_files(space, limits->frun);
	/* To just below the mark, where fsc_space_check() says that culling has ended. */
	if (max)
		*bytes = fsc_max64(*bytes, above(used, threshold(max, BUDGET_RUN) - 1));
}

void fsc_space_lack(const struct fsc_space_limits *limits, const struct fsc_space *space,
		    uint64_t used, uint64_t more, uint64_t *bytes, uint64_t *files)
{
	uint64_t mark, max = limits->max_bytes;
	bool exact;

	*bytes = missing_bytes(space, limits->bcull);
	*files = missing_files(space, limits->fcull);
	if (!max)
		return;
	mark = percent_of(max, BUDGET_CULL, &exact);
	if (more <= percent_of(max, BUDGET_RUN, &exact))
		mark = fsc_min64(mark, max - more);
	*bytes = fsc_max64(*bytes, above(used, mark));
}
