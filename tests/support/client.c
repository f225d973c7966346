/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* client.c - see client.h. */
#include "client.h"

#include <stdlib.h>

struct run {
	struct world world;
	void (*scenario)(struct world *w);
};

static void run_main(void *arg)
{
	struct run *run = arg;

	netfs_init(&run->world.net);
	run->scenario(&run->world);
	world_close(&run->world);
}

static void one_seed(uint64_t seed, uint32_t jump_one_in, void (*scenario)(struct world *w))
{
	struct run *run = calloc(1, sizeof(*run));
	struct sim_opts opts = { .jump_one_in = jump_one_in };

	run->scenario = scenario;
	run->world.store = simstore_create(NULL);
	if (sim_try(seed, &opts, run_main, run) != SIM_OK) {
		fprintf(stderr, "FSC_SEED=%llu shows it again\n", (unsigned long long)seed);
		abort();
	}
	simstore_destroy(run->world.store);
	free(run);
}

static void seeds_from(uint64_t seeds, uint32_t jump_one_in, void (*scenario)(struct world *w))
{
	const char *only = getenv("FSC_SEED");
	uint64_t first = only ? strtoull(only, NULL, 0) : 1;
	uint64_t last = only ? first : seeds;

	for (uint64_t seed = first; seed <= last; seed++)
		one_seed(seed, jump_one_in, scenario);
}

void each_seed(uint64_t seeds, void (*scenario)(struct world *w))
{
	seeds_from(seeds, 0, scenario);
}

void each_seed_jumping(uint64_t seeds, void (*scenario)(struct world *w))
{
	seeds_from(seeds, 30, scenario);
}

void world_open(struct world *w)
{
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };

	w->be = simbackend_open(w->store, &w->backend);
	CHECK_EQ(fsc_cache_open(w->be, &w->params, &w->cache), 0);
	CHECK_EQ(fsc_volume_acquire(w->cache, key, none, 0, &w->vol), 0);
}

void world_close(struct world *w)
{
	fsc_volume_relinquish(w->vol, false);
	fsc_cache_close(w->cache);
	w->vol = NULL;
	w->cache = NULL;
}

void world_reopen(struct world *w)
{
	world_close(w);
	world_open(w);
}

void world_quiet(void)
{
	/* Far longer than any transfer's latency; on a clock that costs nothing. */
	sim_sleep_ms(100);
	sim_settle();
}

struct fsc_stats world_stats(struct world *w)
{
	struct fsc_stats stats;

	fsc_cache_stats(w->cache, &stats);
	return stats;
}

void check_eq(int64_t a, int64_t b, const char *file, int line, const char *text)
{
	if (a != b)
		sim_fail(SIM_BUG, "%s:%d: %s: %lld and %lld", file, line, text, (long long)a,
			 (long long)b);
}

int try_acquire(struct world *w, struct netfs_file *file, struct fsc_cookie **out)
{
	uint8_t key[8], coherency[8];
	uint32_t version = file->version;
	struct fsc_cookie_params params = netfs_params(file, key, coherency);
	int ret = fsc_cookie_acquire(w->vol, &params, out);

	if (!ret)
		netfs_file_told(file, version);
	return ret;
}

struct fsc_cookie *acquire(struct world *w, struct netfs_file *file)
{
	struct fsc_cookie *cookie;

	CHECK_EQ(try_acquire(w, file, &cookie), 0);
	return cookie;
}

struct fsc_cookie *acquire_used(struct world *w, struct netfs_file *file)
{
	struct fsc_cookie *cookie = acquire(w, file);

	fsc_cookie_use_wait(cookie, false);
	return cookie;
}

void drop_used(struct fsc_cookie *cookie)
{
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish_wait(cookie, false);
}

void invalidate(struct fsc_cookie *cookie, struct netfs_file *file, struct fsc_event *done)
{
	uint8_t key[8], coherency[8];
	uint32_t version = file->version;
	struct fsc_cookie_params params = netfs_params(file, key, coherency);

	fsc_cookie_invalidate(cookie, &params, done);
	netfs_file_told(file, version);
}

uint64_t rounded(uint64_t size)
{
	return (size + GRANULE - 1) / GRANULE * GRANULE;
}

int64_t read_whole(struct netfs_file *file, struct fsc_cookie *cookie, bool wait)
{
	return netfs_read_all(file, cookie, 0, (size_t)rounded(file->size), 0, wait);
}

int random_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	(void)ino;
	(void)name;
	if (op == SIMOP_CLOSE || op == SIMOP_FILE_CLOSE)
		return 0;
	return sim_chance(*(uint32_t *)arg) ? -EIO : 0;
}
