// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_threads_write.c - writes with real threads on the real backend: each file has a writer and
 * several readers, on one cookie. The writer puts a number into all bytes of some granules, higher
 * with each write: who reads after it was answered sees it, or a higher one.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <fscache/backend.h>
#include <fscache/fscache.h>
#include <fscache/uring.h>

#include "late.h"

#define FILES 3
#define READERS 3
#define GRANULE 4096u
#define GRANULES 40u
#define SIZE (GRANULES * GRANULE)
#define WRITES 150

struct file {
	uint32_t id;
	struct fsc_volume *vol;
	struct fsc_cookie *cookie;
	pthread_t writer, readers[READERS];
	atomic_bool stop;
	atomic_uchar answered[GRANULES];
	unsigned int seed;
	pthread_mutex_t lock; /* the server's; covers the rest */
	uint32_t label;
	uint8_t data[SIZE];
};

/* --- The server ------------------------------------------------------------------------------- */

static void answer(struct fsc_subreq *sreq, bool write)
{
	struct file *f = sreq->netfs;
	uint64_t left = sreq->pos < SIZE ? SIZE - sreq->pos : 0;
	size_t len = left < sreq->len ? (size_t)left : sreq->len;

	if (len > 1 && !late_chance(6))
		len = 1 + late_chance((unsigned int)len - 1);
	pthread_mutex_lock(&f->lock);
	if (write)
		memcpy(f->data + sreq->pos, sreq->buf, len);
	else
		memcpy(sreq->buf, f->data + sreq->pos, len);
	f->label += write;
	pthread_mutex_unlock(&f->lock);
	fsc_subreq_done(sreq, (int64_t)len);
}

static const struct late_server server = { .threads = 2, .most_us = 1000, .answer = answer };

static void issue_read(struct fsc_subreq *sreq)
{
	late_ask(sreq, false);
}

static void issue_write(struct fsc_subreq *sreq)
{
	late_ask(sreq, true);
}

static size_t write_max(struct fsc_write *write)
{
	(void)write;
	return 10000;
}

struct writing {
	struct fsc_write write;
	atomic_bool over;
	int64_t ret;
};

static void write_done(struct fsc_write *write, int64_t ret)
{
	struct writing *w = (struct writing *)(void *)write;

	w->ret = ret;
	atomic_store(&w->over, true);
}

static const struct fsc_netfs_ops ops = {
	.subreq_size = sizeof(struct late),
	.issue_read = issue_read,
	.write_max = write_max,
	.issue_write = issue_write,
	.write_done = write_done,
};

/* --- Clients ---------------------------------------------------------------------------------- */

static uint32_t params_of(struct file *f, struct fsc_cookie_params *params, uint32_t *label)
{
	pthread_mutex_lock(&f->lock);
	*label = f->label;
	pthread_mutex_unlock(&f->lock);
	*params = (struct fsc_cookie_params){ .key = { &f->id, sizeof(f->id) },
					      .coherency = { label, sizeof(*label) },
					      .size = SIZE };
	return *label;
}

static void write_once(struct file *f, uint8_t nr, uint32_t at, uint32_t n, uint32_t flags)
{
	struct writing *w = calloc(1, sizeof(*w));
	uint8_t *mem = aligned_alloc(GRANULE, (n + 1) * GRANULE);
	size_t off = nr % 3 ? 0 : nr;

	memset(mem, nr, (n + 1) * GRANULE);
	w->write = (struct fsc_write){ .cookie = f->cookie, .ops = &ops, .netfs = f,
				       .pos = at * GRANULE, .file_size = SIZE, .buf = mem + off,
				       .len = n * GRANULE, .flags = flags };
	if (nr % 2) {
		w->ret = fsc_write_wait(&w->write);
	} else {
		fsc_write_start(&w->write);
		while (!atomic_load(&w->over))
			usleep(20);
	}
	if (w->ret != (int64_t)(n * GRANULE)) {
		fprintf(stderr, "a write gave %lld\n", (long long)w->ret);
		abort();
	}
	for (uint32_t i = 0; i < n; i++)
		atomic_store(&f->answered[at + i], nr);
	free(mem);
	free(w);
}

static void written(struct file *f)
{
	struct fsc_cookie_params now;
	uint32_t label;

	params_of(f, &now, &label);
	if (fsc_cookie_written(f->cookie, &now)) {
		fprintf(stderr, "written: busy\n");
		abort();
	}
}

/* A use with proof or without; now and then the proof ends in the middle. */
static void use_again(struct file *f)
{
	fsc_cookie_unuse(f->cookie);
	fsc_cookie_use(f->cookie, true);
	if (rand_r(&f->seed) % 4)
		fsc_cookie_prove(f->cookie);
}

static void *writer_main(void *arg)
{
	struct file *f = arg;

	for (uint8_t nr = 1; nr <= WRITES; nr++) {
		uint32_t at = (uint32_t)rand_r(&f->seed) % GRANULES;
		uint32_t n = 1 + (uint32_t)rand_r(&f->seed) % (GRANULES - at);

		write_once(f, nr, at, n, nr % 5 ? 0 : FSC_WRITE_FILL);
		switch (rand_r(&f->seed) % 12) {
		case 0:
			written(f);
			break;
		case 1:
			written(f);
			use_again(f);
			break;
		case 2:
			fsc_cookie_invalidate(f->cookie, NULL, NULL);
			break;
		default:
			break;
		}
	}
	atomic_store(&f->stop, true);
	return NULL;
}

static void read_once(struct file *f, uint8_t *mem)
{
	struct fsc_read read = { .cookie = f->cookie, .ops = &ops, .netfs = f, .file_size = SIZE,
				 .buf = mem, .len = SIZE };
	uint8_t least[GRANULES];

	for (uint32_t i = 0; i < GRANULES; i++)
		least[i] = atomic_load(&f->answered[i]);
	if (fsc_read_wait(&read) != SIZE)
		abort();
	for (uint32_t i = 0; i < SIZE; i++) {
		if (mem[i] >= least[i / GRANULE])
			continue;
		fprintf(stderr, "%u at %u, and %u was answered\n", mem[i], i, least[i / GRANULE]);
		abort();
	}
}

static void *reader_main(void *arg)
{
	uint8_t *mem = aligned_alloc(GRANULE, SIZE);
	struct file *f = arg;

	while (!atomic_load(&f->stop))
		read_once(f, mem);
	free(mem);
	return NULL;
}

static void start_file(struct file *f, uint32_t id, struct fsc_volume *vol)
{
	struct fsc_cookie_params params;
	uint32_t label;

	memset(f, 0, sizeof(*f));
	f->id = id;
	f->seed = id;
	f->vol = vol;
	pthread_mutex_init(&f->lock, NULL);
	params_of(f, &params, &label);
	assert_int_equal(fsc_cookie_acquire(vol, &params, &f->cookie), 0);
	fsc_cookie_use(f->cookie, true);
	fsc_cookie_prove(f->cookie);
	assert_int_equal(pthread_create(&f->writer, NULL, writer_main, f), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&f->readers[i], NULL, reader_main, f), 0);
}

static void end_file(struct file *f)
{
	uint8_t *mem = aligned_alloc(GRANULE, SIZE);

	pthread_join(f->writer, NULL);
	for (int i = 0; i < READERS; i++)
		pthread_join(f->readers[i], NULL);
	use_again(f);
	for (int i = 0; i < 3; i++)
		read_once(f, mem);
	assert_memory_equal(mem, f->data, SIZE);
	fsc_cookie_unuse(f->cookie);
	fsc_cookie_relinquish(f->cookie, false);
	pthread_mutex_destroy(&f->lock);
	free(mem);
}

static void what_was_answered_is_read(void **state)
{
	static struct file files[FILES];
	char dir[] = "/var/tmp/fsc-threads-XXXXXX", command[64];
	struct fsc_blob key = { "threads", 7 }, none = { NULL, 0 };
	struct fsc_uring_params uring = { 0 };
	struct fsc_backend *be;
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	struct fsc_stats stats;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (fsc_uring_open(dir, &uring, &be)) {
		rmdir(dir);
		skip();
	}
	be->max_files = 2; /* of three */
	late_start(&server);
	assert_int_equal(fsc_cache_open(be, NULL, &cache), 0);
	assert_int_equal(fsc_volume_acquire(cache, key, none, 0, &vol), 0);
	for (uint32_t i = 0; i < FILES; i++)
		start_file(&files[i], i + 1, vol);
	for (int i = 0; i < FILES; i++)
		end_file(&files[i]);
	fsc_volume_relinquish(vol, false);
	fsc_cache_stats(cache, &stats);
	assert_true(stats.cache_reads && stats.cache_writes && stats.stale_reads);
	assert_int_equal(stats.objects_open, 0);
	assert_int_equal(stats.cache_errors, 0);
	fsc_cache_close(cache);
	late_stop();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_answered_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
