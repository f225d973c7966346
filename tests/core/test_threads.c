// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_threads.c - cookies and reads with real threads on the real backend: many clients on a few
 * files, with parking, invalidation and few buffers. Built with TSan it finds what the simulated
 * platform, which has one thread, can't.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <fscache/backend.h>
#include <fscache/fscache.h>
#include <fscache/uring.h>

#include "threads_server.h"

#define CLIENTS 6
#define ROUNDS 100

struct client {
	struct fsc_volume *vol;
	struct server_file *files;
	unsigned int seed;
	pthread_t thread;
};

static unsigned int below(struct client *c, unsigned int n)
{
	return (unsigned int)rand_r(&c->seed) % n;
}

static struct fsc_cookie *acquire(struct client *c, struct server_file *file)
{
	struct fsc_cookie_params params;
	struct fsc_cookie *cookie;
	uint32_t label;

	server_params(file, &params, &label);
	return fsc_cookie_acquire(c->vol, &params, &cookie) ? NULL : cookie;
}

static void change(struct server_file *file, struct fsc_cookie *cookie)
{
	struct fsc_cookie_params params;
	uint32_t label;

	/* One at a time: else the older of two labels could be the last one said. */
	pthread_mutex_lock(&file->change_lock);
	server_change(file);
	server_params(file, &params, &label);
	fsc_cookie_invalidate(cookie, &params, NULL);
	server_told(file);
	pthread_mutex_unlock(&file->change_lock);
}

static void one_round(struct client *c)
{
	struct server_file *file = &c->files[below(c, SERVER_FILES)];
	struct fsc_cookie *cookie = acquire(c, file);

	if (below(c, 2))
		fsc_cookie_use_wait(cookie, false);
	else
		fsc_cookie_use(cookie, false);
	for (unsigned int i = below(c, 5); i > 0; i--) {
		server_read(file, cookie, below(c, SERVER_FILE_SIZE), below(c, 300000),
			    below(c, 2) ? 0 : below(c, 4096), below(c, 2));
		fsc_cookie_present(cookie, 0, SERVER_FILE_SIZE);
		if (cookie && below(c, 12) == 0)
			change(file, cookie);
	}
	fsc_cookie_unuse(cookie);
	if (below(c, 2))
		fsc_cookie_relinquish(cookie, below(c, 20) == 0);
	else
		fsc_cookie_relinquish_wait(cookie, below(c, 20) == 0);
}

static void *client_main(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		one_round(arg);
	return NULL;
}

static struct fsc_backend *open_backend(const char *dir)
{
	struct fsc_uring_params uring = { 0 };
	struct fsc_backend *be = NULL;
	int ret = fsc_uring_open(dir, &uring, &be);

	if (ret)
		printf("%s: no cache can be there: %d\n", dir, ret);
	return ret ? NULL : be;
}

static void run_clients(struct fsc_volume *vol, struct server_file *files)
{
	struct client clients[CLIENTS];

	for (unsigned int i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){ .vol = vol, .files = files, .seed = i };
		assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]), 0);
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i].thread, NULL);
}

static void clients_on_threads_get_the_servers_bytes(void **state)
{
	struct fsc_cache_params params = { .max_keep_bytes = 1 << 20 };
	char dir[] = "/var/tmp/fsc-threads-XXXXXX", command[64];
	struct fsc_blob key = { "threads", 7 }, none = { NULL, 0 };
	struct server_file files[SERVER_FILES];
	struct fsc_backend *be;
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	struct fsc_stats stats;

	(void)state;
	assert_non_null(mkdtemp(dir));
	be = open_backend(dir);
	if (!be) {
		rmdir(dir);
		skip();
	}
	be->max_files = 3; /* of the server's five */
	server_start(files);
	assert_int_equal(fsc_cache_open(be, &params, &cache), 0);
	assert_int_equal(fsc_volume_acquire(cache, key, none, 0, &vol), 0);
	run_clients(vol, files);
	fsc_volume_relinquish(vol, false);
	fsc_cache_stats(cache, &stats);
	/* It was put to the test at all. */
	assert_true(stats.cache_reads && stats.cache_writes && stats.joined_reads);
	assert_true(stats.objects_found && stats.objects_invalidated);
	assert_int_equal(stats.objects_open, 0);
	assert_int_equal(stats.cache_errors, 0);
	fsc_cache_close(cache);
	server_stop(files);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_on_threads_get_the_servers_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
