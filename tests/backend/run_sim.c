// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * run_sim.c - the conformance suite on the simulated backend: for a number of seeds, with and
 * without short transfers.
 *
 *	run_sim [FIRST-SEED [LAST-SEED]]
 */
#include <stdlib.h>

#include "conformance.h"
#include "store.h"

struct runner {
	struct simstore *st;
	struct sim_backend_opts opts;
	int failed;
};

static struct fsc_backend *open_backend(void *arg)
{
	struct runner *r = arg;

	return simbackend_open(r->st, &r->opts);
}

static int plant(void *arg, enum fsc_conformance_plant what, const char *path, const char *target)
{
	struct runner *r = arg;
	char beside[256];

	switch (what) {
	case FSC_PLANT_SYMLINK:
		return simstore_symlink(r->st, path);
	case FSC_PLANT_FIFO:
		return simstore_fifo(r->st, path);
	case FSC_PLANT_HARDLINK:
		snprintf(beside, sizeof(beside), "%.*s/%s", (int)(strrchr(path, '/') - path), path,
			 target);
		return simstore_hardlink(r->st, beside, path);
	}
	return -EINVAL;
}

static void run(void *arg)
{
	static const struct fsc_conformance_hooks hooks = { .plant = plant };
	struct runner *r = arg;

	r->failed = fsc_conformance_run_with(&hooks, open_backend, r);
	if (simstore_open_handles(r->st))
		r->failed++;
}

static int run_seed(uint64_t seed)
{
	struct runner r = {
		.st = simstore_create(NULL),
		.opts = {
			.short_one_in = seed % 2 ? 5 : 0,
			.io_align = seed % 4 < 2 ? 512 : 4096,
		},
	};

	sim_run(seed, run, &r);
	simstore_destroy(r.st);
	if (r.failed)
		printf("seed %llu: %d checks failed\n", (unsigned long long)seed, r.failed);
	return r.failed;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? first : 12;
	int failed = 0;

	sim_log_level(FSC_LOG_ERR);
	for (uint64_t seed = first; seed <= last; seed++)
		failed += run_seed(seed);
	printf("seeds %llu to %llu: %d checks failed\n", (unsigned long long)first,
	       (unsigned long long)last, failed);
	return failed != 0;
}
