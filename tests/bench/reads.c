// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * reads.c - warm reads through the library, and the same reads of the same backing file by bare
 * io_uring and bare pread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fscache/fscache.h>
#include <fscache/uring.h>

#include "bench.h"

#define MAX_DEPTH 32

struct reads;

struct lib_read {
	struct fsc_read read;
	struct reads *reads;
};

struct reads {
	struct bench_env *env;
	struct fsc_cookie *cookie;
	struct io_uring ring;
	int fd;
	uint64_t file_bytes;
	size_t len;
	unsigned int depth;
	bool random;
	uint64_t seed, next;
	void *bufs[MAX_DEPTH];
	struct lib_read lib[MAX_DEPTH];
	struct meter meter;
	unsigned int in_flight;
	bool stop;
	double lat[METER_LATENCIES];
};

static uint64_t next_pos(struct reads *r)
{
	uint64_t blocks = r->file_bytes / r->len;

	if (!r->random) {
		r->next = (r->next + 1) % blocks;
		return r->next * r->len;
	}
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return r->seed % blocks * r->len;
}

/* --- The library ----------------------------------------------------------------------------- */

static void issue_read(struct fsc_subreq *sreq)
{
	/* Reached only while the file is being filled: what the bytes are doesn't matter here. */
	memset(sreq->buf, (int)(sreq->pos >> 12) | 1, sreq->len);
	fsc_subreq_done(sreq, (int64_t)sreq->len);
}

static void lib_done(struct fsc_read *read, int64_t ret)
{
	struct lib_read *lib = (struct lib_read *)read;
	struct reads *r = lib->reads;

	if (ret != (int64_t)r->len)
		bench_die("read through the library", ret < 0 ? (int)ret : EIO);
	r->meter.ops++;
	if (r->stop || ((r->meter.ops & 15) == 0 && !meter_on(&r->meter))) {
		r->stop = true;
		r->in_flight--;
		return;
	}
	read->pos = next_pos(r);
	fsc_read_start(read);
}

static const struct fsc_netfs_ops netfs_ops = {
	.issue_read = issue_read,
	.read_done = lib_done,
};

static void init_lib_read(struct reads *r, unsigned int i)
{
	struct lib_read *lib = &r->lib[i];

	memset(lib, 0, sizeof(*lib));
	lib->reads = r;
	lib->read.cookie = r->cookie;
	lib->read.ops = &netfs_ops;
	lib->read.file_size = r->file_bytes;
	lib->read.buf = r->bufs[i];
	lib->read.len = r->len;
}

static void run_lib_loop(void *arg, double seconds, struct slice *out)
{
	struct reads *r = arg;
	unsigned int i;
	int n;

	r->stop = false;
	meter_begin(&r->meter, seconds, r->lat);
	for (i = 0; i < r->depth; i++) {
		init_lib_read(r, i);
		r->lib[i].read.pos = next_pos(r);
		r->in_flight++;
		fsc_read_start(&r->lib[i].read);
	}
	while (r->in_flight) {
		n = fsc_uring_dispatch(r->env->be, true);
		if (n < 0)
			bench_die("dispatch", n);
	}
	meter_end(&r->meter, out);
}

static void run_lib_wait(void *arg, double seconds, struct slice *out)
{
	struct reads *r = arg;
	uint64_t t0, t1;
	int64_t n;

	init_lib_read(r, 0);
	meter_begin(&r->meter, seconds, r->lat);
	t0 = bench_now_ns();
	do {
		r->lib[0].read.pos = next_pos(r);
		n = fsc_read_wait(&r->lib[0].read);
		if (n != (int64_t)r->len)
			bench_die("fsc_read_wait", n < 0 ? (int)n : EIO);
		t1 = bench_now_ns();
		meter_lat(&r->meter, t1 - t0);
		t0 = t1;
		r->meter.ops++;
	} while (t1 < r->meter.end_ns);
	meter_end(&r->meter, out);
}

/* --- Bare ------------------------------------------------------------------------------------- */

static void bare_queue(struct reads *r, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	io_uring_prep_read(sqe, 0, r->bufs[i], (unsigned int)r->len, next_pos(r));
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, i);
}

static void run_bare_uring(void *arg, double seconds, struct slice *out)
{
	struct reads *r = arg;
	struct io_uring_cqe *cqe;
	unsigned int i, head, n, left = r->depth;
	bool stop = false;

	meter_begin(&r->meter, seconds, r->lat);
	for (i = 0; i < r->depth; i++)
		bare_queue(r, i);
	while (left) {
		n = 0;
		io_uring_submit_and_wait(&r->ring, 1);
		io_uring_for_each_cqe(&r->ring, head, cqe) {
			if (cqe->res != (int)r->len)
				bench_die("bare io_uring", cqe->res < 0 ? cqe->res : EIO);
			n++;
			r->meter.ops++;
			if (stop || ((r->meter.ops & 15) == 0 && !meter_on(&r->meter))) {
				stop = true;
				left--;
			} else {
				bare_queue(r, (unsigned int)cqe->user_data);
			}
		}
		io_uring_cq_advance(&r->ring, n);
	}
	meter_end(&r->meter, out);
}

static void run_bare_uring_one(void *arg, double seconds, struct slice *out)
{
	struct reads *r = arg;
	struct io_uring_cqe *cqe;
	uint64_t t0, t1;

	meter_begin(&r->meter, seconds, r->lat);
	t0 = bench_now_ns();
	do {
		bare_queue(r, 0);
		io_uring_submit_and_wait(&r->ring, 1);
		if (io_uring_peek_cqe(&r->ring, &cqe) || cqe->res != (int)r->len)
			bench_die("bare io_uring", EIO);
		io_uring_cqe_seen(&r->ring, cqe);
		t1 = bench_now_ns();
		meter_lat(&r->meter, t1 - t0);
		t0 = t1;
		r->meter.ops++;
	} while (t1 < r->meter.end_ns);
	meter_end(&r->meter, out);
}

static void run_bare_pread(void *arg, double seconds, struct slice *out)
{
	struct reads *r = arg;
	uint64_t t0, t1;

	meter_begin(&r->meter, seconds, r->lat);
	t0 = bench_now_ns();
	do {
		if (pread(r->fd, r->bufs[0], r->len, (off_t)next_pos(r)) != (ssize_t)r->len)
			bench_die("bare pread", errno);
		t1 = bench_now_ns();
		meter_lat(&r->meter, t1 - t0);
		t0 = t1;
		r->meter.ops++;
	} while (t1 < r->meter.end_ns);
	meter_end(&r->meter, out);
}

/* --- Cases ------------------------------------------------------------------------------------ */

static void fill(struct reads *r)
{
	struct fsc_cookie_params params = {
		.key = { "bench-reads", 11 },
		.coherency = { "v1", 2 },
		.size = r->file_bytes,
	};
	uint64_t pos;
	int err;

	err = fsc_cookie_acquire(r->env->vol, &params, &r->cookie);
	if (err)
		bench_die("cookie", err);
	if (!fsc_cookie_use_wait(r->cookie, false))
		bench_die("the cache doesn't serve the file", EIO);
	r->len = 1 << 20;
	init_lib_read(r, 0);
	/* Reading again what wasn't kept, as the pool for keeping has its limit. */
	while (fsc_cookie_present(r->cookie, 0, r->file_bytes) < r->file_bytes)
		for (pos = 0; pos < r->file_bytes; pos += r->len) {
			if (fsc_cookie_present(r->cookie, pos, pos + r->len) == r->len)
				continue;
			r->lib[0].read.pos = pos;
			if (fsc_read_wait(&r->lib[0].read) != (int64_t)r->len)
				bench_die("filling", EIO);
			fsc_uring_dispatch(r->env->be, false);
		}
}

static void open_bare(struct reads *r)
{
	char path[8192];
	int err;

	err = fsc_cache_sync(r->env->cache);
	if (err)
		bench_die("fsc_cache_sync", err);
	env_find_file(r->env, r->file_bytes, path, sizeof(path));
	r->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (r->fd < 0)
		bench_die(path, errno);
	err = io_uring_queue_init(128, &r->ring,
				  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (!err)
		err = io_uring_register_files(&r->ring, &r->fd, 1);
	if (err)
		bench_die("io_uring", err);
}

static void close_all(struct reads *r)
{
	unsigned int i;

	io_uring_queue_exit(&r->ring);
	close(r->fd);
	fsc_cookie_unuse(r->cookie);
	fsc_cookie_relinquish_wait(r->cookie, false);
	for (i = 0; i < MAX_DEPTH; i++)
		free(r->bufs[i]);
	free(r);
}

static struct reads *new_reads(struct bench_env *env, uint64_t file_bytes)
{
	struct reads *r = calloc(1, sizeof(*r));
	unsigned int i;

	r->env = env;
	r->file_bytes = file_bytes;
	r->seed = 88172645463325252ull;
	for (i = 0; i < MAX_DEPTH; i++)
		if (posix_memalign(&r->bufs[i], 4096, 1 << 20))
			bench_die("memory", ENOMEM);
	fsc_uring_dispatch(env->be, false); /* this thread drives the ring */
	fill(r);
	return r;
}

void bench_reads(struct bench_env *env, const struct bench_opts *opts, uint64_t file_bytes)
{
	struct reads *r = new_reads(env, file_bytes);
	struct contender wait_uring[] = {
		{ "library", run_lib_wait, r }, { "bare io_uring", run_bare_uring_one, r },
		{ "bare pread", run_bare_pread, r }, { "control", run_bare_uring_one, r },
	};
	struct contender loop[] = {
		{ "library", run_lib_loop, r }, { "bare io_uring", run_bare_uring, r },
		{ "control", run_bare_uring, r },
	};
	struct contender seq[] = {
		{ "library", run_lib_wait, r }, { "bare pread", run_bare_pread, r },
		{ "control", run_bare_pread, r },
	};

	open_bare(r);
	r->len = 4096;
	r->random = true;
	r->depth = 1;
	bench_compare(opts, "4 KiB random QD1", wait_uring, 4);
	r->depth = 32;
	bench_compare(opts, "4 KiB random QD32", loop, 3);
	r->len = 1 << 20;
	r->random = false;
	r->depth = 8;
	bench_compare(opts, "1 MiB seq QD8", loop, 3);
	bench_compare(opts, "1 MiB seq QD1", seq, 3);
	close_all(r);
}

/* --- For callgrind ---------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void some_reads(struct reads *r, unsigned int count)
{
	struct fsc_read *read = &r->lib[0].read;

	r->meter.ops = 0;
	while (r->meter.ops < count) {
		r->in_flight = 1;
		r->stop = true; /* one at a time: submission plus completion of each */
		read->pos = next_pos(r);
		fsc_read_start(read);
		while (r->in_flight)
			fsc_uring_dispatch(r->env->be, true);
	}
}

void bench_counted_reads(struct reads *r, unsigned int count);

/* A function of its own, for callgrind to count below. */
__attribute__((noinline)) void bench_counted_reads(struct reads *r, unsigned int count)
{
	some_reads(r, count);
}

void bench_count_reads(struct bench_env *env, unsigned int warm, unsigned int counted)
{
	struct reads *r = new_reads(env, 4 << 20);

	open_bare(r);
	r->len = 4096;
	r->random = true;
	init_lib_read(r, 0);
	some_reads(r, warm);
	bench_counted_reads(r, counted);
	close_all(r);
}
