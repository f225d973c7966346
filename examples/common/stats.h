/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * stats.h - what --stats writes: one JSON object, at whatever exit.
 *
 * Kept for the process, as exits are.
 */
#ifndef FSC_EXAMPLES_STATS_H
#define FSC_EXAMPLES_STATS_H

#include <fscache/cache.h>

#include "netfs.h"

/* Have @path written when the process exits. */
void stats_file(const char *path);
void stats_command(const char *name);
/* Where the counters are; NULL once before they go, when their last values are taken. */
void stats_netfs(struct netfs *fs);
void stats_cache(struct fsc_cache *cache);
/* Of a mount: one more open of a file that the kernel reads by itself [any thread]. */
void stats_passthrough_open(void);
/* Write the file now, once; for an exit by _exit(). 0 or -errno, and it was said why. */
int stats_write(int exit_status);

#endif
