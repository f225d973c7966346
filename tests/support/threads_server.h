/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * threads_server.h - a server for tests with real threads: a few files of one size, whose bytes
 * tell their version; answers come from threads of its own, late and sometimes short, or at once.
 */
#ifndef TESTS_THREADS_SERVER_H
#define TESTS_THREADS_SERVER_H

#include <pthread.h>

#include <fscache/fscache.h>

#define SERVER_FILES 5
#define SERVER_FILE_SIZE 700001

struct server_file {
	uint32_t id;
	uint32_t version; /* changed under @lock */
	uint32_t told;    /* the last version that the cache was told of */
	pthread_mutex_t lock;
	pthread_mutex_t change_lock; /* the tests' */
	struct fsc_pattern pattern;  /* of all who read it */
};

void server_start(struct server_file files[SERVER_FILES]);
void server_stop(struct server_file files[SERVER_FILES]);

void server_change(struct server_file *file); /* its bytes, from now on */
void server_told(struct server_file *file);   /* reads that begin from now on see nothing older */
/* As the server has it now; @label: where the coherency data are. */
void server_params(struct server_file *file, struct fsc_cookie_params *params, uint32_t *label);

/* Read through the library, and check each byte; aborts with a message if one is wrong. */
void server_read(struct server_file *file, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		 size_t misalign, bool wait);

#endif
