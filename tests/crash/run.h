/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * run.h - one run of the workload: the cache under test and those who use it at once.
 *
 * cookies.c   threads that read through cookies, and change files on the server
 * writer.c    threads that write locally, through objects
 * server.c    the server's threads
 * planted.c   mistakes put between core and backend
 * verify.c    everything that a cache holds, against the server
 */
#ifndef TESTS_CRASH_RUN_H
#define TESTS_CRASH_RUN_H

#include <pthread.h>

#include <fscache/fscache.h>
#include <fscache/object.h>
#include <fscache/uring.h>

#include "journal.h"
#include "late.h"
#include "world.h"

struct file {
	uint32_t id;
	uint32_t version; /* as the server has it; atomic */
	uint32_t told;    /* the oldest that a read begun now may see; atomic */
	pthread_mutex_t lock; /* covers the rest, and changes */
	struct fsc_cookie *held;
	uint32_t held_version; /* what the held cookie stands for */
	uint32_t logged;  /* the version that was said to be complete */
};

enum planted { PLANTED_NONE, PLANTED_EARLY, PLANTED_NOSYNC, PLANTED_DEAF };

struct run {
	/* Set before the start. */
	uint64_t seed;
	const char *dir;
	enum planted planted;
	bool hold;         /* keep files open, so that nothing can be culled */
	bool cull;         /* cull by hand now and then */
	uint32_t xattr_max; /* if not 0 */
	uint32_t pace_us;  /* between two actions of a thread, at most */
	struct fsc_cache_params params;

	struct fsc_cache *cache;
	struct fsc_volume *volumes[3]; /* by kind of file; two are the same */
	struct file *files;
	bool stop;         /* atomic */
	uint64_t reads, failures; /* atomic */
};

extern struct run run;

/* Cache and volumes; false: it said why. Waits for a lock that an ended process still has. */
bool run_open(bool other_boot);
void run_close(void);
bool run_goes_on(void);
/* Some files don't in this run, some never: so that there is something that stays. */
bool run_may_change(uint32_t file);
/* Something that must never be. */
void run_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What the cache is told of a file's version. */
struct fsc_cookie_params run_params(uint32_t file, uint32_t version, char key[16],
				    struct world_label *label);
struct fsc_volume *run_volume(uint32_t file);
/* Aligned, in whole granules. */
void *run_memory(size_t len);

void server_start(void); /* until late_stop() */
void server_issue_read(struct fsc_subreq *sreq); /* subreq_size: struct late; netfs: a struct file */

void *cookies_main(void *number);
void cookies_let_go(void); /* of what is held */
void *writer_main(void *number);
#define WRITERS 2

void planted_wrap(struct fsc_backend *be, enum planted planted);
void planted_arm(void); /* once the cache is open */

struct verify_opts {
	uint64_t until_ns;  /* the journal counts up to there */
	uint64_t gone_ns;   /* and, if not 0, as to what was removed up to there */
	bool cut;           /* a power cut, not a kill */
	bool other_boot;    /* and the machine was started again */
	bool expect_empty;
	bool account;       /* bytes_used must agree with the disk */
	bool compact;       /* go on from here with a short journal */
};

int verify(const struct verify_opts *opts);

#endif
