/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * client.h - a cache on a simulated disk, one volume in it and a fake server, set up and taken down:
 * what tests of the upper rooms begin and end with. And the loop over seeds.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <fscache/fscache.h>

#include "netfs.h"
#include "store.h"

struct world {
	struct sim_backend_opts backend;  /* set before world_open() */
	struct fsc_cache_params params;
	struct simstore *store;
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	struct netfs net;
};

/* Run @scenario with seeds 1 to @seeds, or FSC_SEED alone if that is in the environment; each ends
 * with nothing left, or the test has failed. */
void each_seed(uint64_t seeds, void (*scenario)(struct world *w));

void world_open(struct world *w);
void world_close(struct world *w); /* what was opened; the disk stays until the scenario ends */
void world_reopen(struct world *w); /* close, and open on the same disk */
/* Until everything that goes on by itself has ended: stores, closing, look-ups. */
void world_quiet(void);
struct fsc_stats world_stats(struct world *w);

/* Fail the run with the line's number. */
#define CHECK(cond) \
	((cond) ? (void)0 : sim_fail(SIM_BUG, "%s:%d: %s", __FILE__, __LINE__, #cond))
#define CHECK_EQ(a, b) check_eq((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
void check_eq(int64_t a, int64_t b, const char *file, int line, const char *text);

/* A cookie for the file as it is now, which must be had. */
struct fsc_cookie *acquire(struct world *w, struct netfs_file *file);
int try_acquire(struct world *w, struct netfs_file *file, struct fsc_cookie **out);
/* The same, looked up. */
struct fsc_cookie *acquire_used(struct world *w, struct netfs_file *file);
void drop_used(struct fsc_cookie *cookie); /* unuse and relinquish_wait */

/* Invalidate with what the server says now. */
void invalidate(struct fsc_cookie *cookie, struct netfs_file *file, struct fsc_event *done);

#endif
