/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * client.h - a cache on a simulated disk, one volume in it and a fake server, set up and taken
 * down: what tests of the upper rooms begin and end with. And the loop over seeds.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <fscache/fscache.h>

#include "netfs.h"
#include "store.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GRANULE 4096ull

struct world {
	struct sim_backend_opts backend;  /* set before world_open() */
	struct fsc_cache_params params;
	struct simstore *store;
	struct fsc_backend *be; /* the cache's */
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	struct netfs net;
};

/* Run @scenario with seeds 1 to @seeds, or FSC_SEED alone if that is in the environment; each ends
 * with nothing left, or the test has failed. */
void each_seed(uint64_t seeds, void (*scenario)(struct world *w));
/* The same, with time limits that fire while others could run: for what doesn't measure time. */
void each_seed_jumping(uint64_t seeds, void (*scenario)(struct world *w));

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

/* A read of the whole file, into a buffer with room for its last granule. */
int64_t read_whole(struct netfs_file *file, struct fsc_cookie *cookie, bool wait);
uint64_t rounded(uint64_t size); /* to whole granules */

/* For simstore_set_fault(): one op in so many, of which @arg is the address (uint32_t), gives
 * -EIO. */
int random_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name);

/* Invalidate with what the server says now. */
void invalidate(struct fsc_cookie *cookie, struct netfs_file *file, struct fsc_event *done);

#endif
