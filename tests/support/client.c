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

static void one_seed(uint64_t seed, void (*scenario)(struct world *w))
{
	struct run *run = calloc(1, sizeof(*run));

	run->scenario = scenario;
	run->world.store = simstore_create(NULL);
	sim_run(seed, run_main, run);
	simstore_destroy(run->world.store);
	free(run);
}

void each_seed(uint64_t seeds, void (*scenario)(struct world *w))
{
	const char *only = getenv("FSC_SEED");

	if (only) {
		one_seed(strtoull(only, NULL, 0), scenario);
		return;
	}
	for (uint64_t seed = 1; seed <= seeds; seed++)
		one_seed(seed, scenario);
}

void world_open(struct world *w)
{
	struct fsc_backend *be = simbackend_open(w->store, &w->backend);
	struct fsc_blob key = { "9p,server,export", 16 }, none = { NULL, 0 };

	CHECK_EQ(fsc_cache_open(be, &w->params, &w->cache), 0);
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
	struct fsc_cookie_params params = netfs_params(file, key, coherency);

	return fsc_cookie_acquire(w->vol, &params, out);
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
	struct fsc_cookie_params params = netfs_params(file, key, coherency);

	fsc_cookie_invalidate(cookie, &params, done);
}
