// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* writes.c - see writes.h. */
#include "writes.h"

struct fsc_cookie *sea_proven(struct world *w, struct sea *sea)
{
	struct fsc_cookie *cookie = sea_acquire(w, sea);

	fsc_cookie_use_wait(cookie, true);
	fsc_cookie_prove(cookie);
	return cookie;
}

int sea_written(struct fsc_cookie *cookie, const struct sea *sea)
{
	struct fsc_cookie_params now = sea_params(sea);

	return fsc_cookie_written(cookie, &now);
}

const struct on_disk *sea_on_disk(struct world *w, const struct sea *sea)
{
	struct netfs_file f = { .id = sea->id };

	return disk_unchecked(w, &f);
}

/* All of it is there, and right, without asking the server. */
void sea_check_cached(struct sea *sea, struct fsc_cookie *cookie)
{
	uint64_t reads = sea->reads;

	sea_check_all(sea, cookie);
	CHECK_EQ(sea->reads, reads);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), sea->size);
}

uint32_t any_flags(void)
{
	return sim_chance(2) ? FSC_WRITE_FILL : 0;
}

struct sea *any_sea(uint64_t size)
{
	struct sea *sea = sea_new(7, size);

	sea->write_max = sim_chance(2) ? 0 : 1 + sim_random(30000);
	sea->read_max = sim_chance(2) ? 0 : 3000 + sim_random(30000);
	sea->short_one_in = sim_chance(2) ? 0 : 3;
	sea->again_one_in = sim_chance(2) ? 0 : 20;
	return sea;
}

void fill_cache(struct world *w, struct sea *sea)
{
	struct fsc_cookie *cookie = sea_acquire(w, sea);

	CHECK(fsc_cookie_use_wait(cookie, false));
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_cached(sea, cookie);
	sea_drop(cookie);
	CHECK(sea_on_disk(w, sea)->exists);
}
