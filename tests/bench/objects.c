// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * objects.c - what one small object costs, against the plain system calls that a home-made cache
 * would make; what filling costs; and what asking about presence costs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fscache/fscache.h>
#include <fscache/object.h>

#include "bench.h"

#define OBJECT_BYTES 16384
#define KEYS 2000 /* opened over and over; created ones are removed again in between */
#define FILL_BYTES (64ull << 20)
#define FILL_CHUNK (256u << 10)

struct objects {
	struct bench_env *env;
	uint64_t next;
	void *buf;
	uint8_t value[64];
	struct fsc_read read;
	struct meter meter;
};

static void done_nothing(struct fsc_gio *gio, int64_t ret)
{
	if (ret < 0)
		bench_die("store", (int)ret);
	(void)gio;
}

static struct fsc_blob key_of(uint64_t *key)
{
	return (struct fsc_blob){ key, sizeof(*key) };
}

static const struct fsc_blob coherency = { "16 bytes of it..", 16 };

/* --- Creating --------------------------------------------------------------------------------- */

static void create_one(struct objects *o, uint64_t key)
{
	struct fsc_gio gio = { .pos = 0, .flags = FSC_IO_MAY_BLOCK, .done = done_nothing };
	struct fsc_object *obj;
	int err;

	err = fsc_object_open(o->env->vol, key_of(&key), coherency, OBJECT_BYTES, &obj);
	if (err)
		bench_die("fsc_object_open", err);
	gio.gen = fsc_object_gen(obj);
	gio.buf.mem = o->buf;
	gio.buf.len = OBJECT_BYTES;
	fsc_gen_sample(&gio);
	err = fsc_gen_store_prepare(&gio);
	if (err)
		bench_die("fsc_gen_store_prepare", err);
	fsc_gen_store(&gio);
	fsc_gen_put(gio.gen);
	fsc_object_close(obj, NULL, false);
}

static void run_lib_create(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	uint64_t first = o->next;

	meter_begin(&o->meter, seconds, NULL);
	do {
		create_one(o, 1000000 + o->next++);
		o->meter.ops++;
	} while (meter_on(&o->meter));
	meter_end(&o->meter, out);
	/* Not measured: remove them, so that the folders stay as small as the raw ones. */
	for (; first < o->next; first++) {
		uint64_t key = 1000000 + first;
		struct fsc_object *obj;

		if (!fsc_object_open(o->env->vol, key_of(&key), coherency, OBJECT_BYTES, &obj))
			fsc_object_close(obj, NULL, true);
	}
}

static void raw_path(struct objects *o, uint64_t n, char *path, size_t room)
{
	snprintf(path, room, "%s/%02x/%llu", o->env->raw_dir, (unsigned int)(n & 255),
		 (unsigned long long)n);
}

static void raw_create(struct objects *o, uint64_t n)
{
	char path[8192];
	int fd;

	raw_path(o, n, path, sizeof(path));
	fd = open(path, O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, o->buf, OBJECT_BYTES, 0) != OBJECT_BYTES ||
	    fsetxattr(fd, "user.fscache", o->value, 52, 0))
		bench_die(path, errno);
	close(fd);
}

static void run_raw_create(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	uint64_t first = o->next;
	char path[8192];

	meter_begin(&o->meter, seconds, NULL);
	do {
		raw_create(o, 1000000 + o->next++);
		o->meter.ops++;
	} while (meter_on(&o->meter));
	meter_end(&o->meter, out);
	for (; first < o->next; first++) {
		raw_path(o, 1000000 + first, path, sizeof(path));
		unlink(path);
	}
}

/* --- Opening warm ----------------------------------------------------------------------------- */

static void never_issue(struct fsc_subreq *sreq)
{
	fsc_subreq_done(sreq, -EIO);
}

static const struct fsc_netfs_ops warm_ops = { .issue_read = never_issue };

static void run_lib_open(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	struct fsc_cookie_params params = { .coherency = coherency, .size = OBJECT_BYTES };
	struct fsc_cookie *cookie;
	uint64_t key;

	meter_begin(&o->meter, seconds, NULL);
	do {
		key = o->next++ % KEYS;
		params.key = key_of(&key);
		if (fsc_cookie_acquire(o->env->vol, &params, &cookie) ||
		    !fsc_cookie_use_wait(cookie, false))
			bench_die("opening a cached object", EIO);
		memset(&o->read, 0, sizeof(o->read));
		o->read.cookie = cookie;
		o->read.ops = &warm_ops;
		o->read.file_size = OBJECT_BYTES;
		o->read.buf = o->buf;
		o->read.len = OBJECT_BYTES;
		if (fsc_read_wait(&o->read) != OBJECT_BYTES)
			bench_die("reading a cached object", EIO);
		fsc_cookie_unuse(cookie);
		fsc_cookie_relinquish_wait(cookie, false);
		o->meter.ops++;
	} while (meter_on(&o->meter));
	meter_end(&o->meter, out);
}

static void run_raw_open(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	uint8_t value[512];
	char path[8192];
	int fd;

	meter_begin(&o->meter, seconds, NULL);
	do {
		raw_path(o, o->next++ % KEYS, path, sizeof(path));
		fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd < 0 || fgetxattr(fd, "user.fscache", value, sizeof(value)) != 52 ||
		    pread(fd, o->buf, OBJECT_BYTES, 0) != OBJECT_BYTES)
			bench_die(path, errno);
		close(fd);
		o->meter.ops++;
	} while (meter_on(&o->meter));
	meter_end(&o->meter, out);
}

void bench_objects(struct bench_env *env, const struct bench_opts *opts)
{
	struct objects *o = calloc(1, sizeof(*o));
	struct contender create[] = {
		{ "library", run_lib_create, o }, { "plain calls", run_raw_create, o },
		{ "control", run_raw_create, o },
	};
	struct contender open_warm[] = {
		{ "library", run_lib_open, o }, { "plain calls", run_raw_open, o },
		{ "control", run_raw_open, o },
	};
	char path[8192];
	unsigned int i;

	o->env = env;
	if (posix_memalign(&o->buf, 4096, OBJECT_BYTES))
		bench_die("memory", ENOMEM);
	memset(o->buf, 'x', OBJECT_BYTES);
	memset(o->value, 'v', sizeof(o->value));
	for (i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "%s/%02x", env->raw_dir, i);
		mkdir(path, 0700);
	}
	for (i = 0; i < KEYS; i++) {
		create_one(o, i);
		raw_create(o, i);
	}
	bench_compare(opts, "create 16 KiB", create, 3);
	bench_compare(opts, "open+read 16 KiB", open_warm, 3);
	free(o->buf);
	free(o);
}

/* --- Filling ---------------------------------------------------------------------------------- */

static void give_at_once(struct fsc_subreq *sreq)
{
	/* The network's own cost is left out: the buffer stays as it is. */
	fsc_subreq_done(sreq, (int64_t)sreq->len);
}

static const struct fsc_netfs_ops fill_ops = { .issue_read = give_at_once };

static void run_lib_fill(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	uint64_t key = 7777777, pos = 0;
	struct fsc_cookie_params params = {
		.key = key_of(&key), .coherency = coherency, .size = FILL_BYTES,
	};
	struct fsc_cookie *cookie;

	if (fsc_cookie_acquire(o->env->vol, &params, &cookie) ||
	    !fsc_cookie_use_wait(cookie, false))
		bench_die("cookie", EIO);
	memset(&o->read, 0, sizeof(o->read));
	meter_begin(&o->meter, seconds, NULL);
	do {
		o->read.cookie = cookie;
		o->read.ops = &fill_ops;
		o->read.file_size = FILL_BYTES;
		o->read.buf = o->buf;
		o->read.len = FILL_CHUNK;
		o->read.pos = pos;
		if (fsc_read_wait(&o->read) != FILL_CHUNK)
			bench_die("filling", EIO);
		pos += FILL_CHUNK;
		o->meter.ops++;
	} while (meter_on(&o->meter) && pos < FILL_BYTES);
	/* With the stores that go on behind: closing waits for them. */
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish_wait(cookie, false);
	meter_end(&o->meter, out);
	if (fsc_cookie_acquire(o->env->vol, &params, &cookie))
		bench_die("cookie", EIO);
	fsc_cookie_use_wait(cookie, false);
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish_wait(cookie, true);
}

static void run_raw_fill(void *arg, double seconds, struct slice *out)
{
	struct objects *o = arg;
	uint64_t pos = 0;
	char *copy = (char *)o->buf + FILL_CHUNK;
	int fd = open(o->env->raw_dir, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, FILL_BYTES))
		bench_die("O_TMPFILE", errno);
	meter_begin(&o->meter, seconds, NULL);
	do {
		/* One copy, as keeping what was read costs any client that stores later. */
		memcpy(copy, o->buf, FILL_CHUNK);
		if (pwrite(fd, copy, FILL_CHUNK, (off_t)pos) != FILL_CHUNK)
			bench_die("pwrite", errno);
		pos += FILL_CHUNK;
		o->meter.ops++;
	} while (meter_on(&o->meter) && pos < FILL_BYTES);
	close(fd);
	meter_end(&o->meter, out);
}

void bench_fill(struct bench_env *env, const struct bench_opts *opts)
{
	struct objects *o = calloc(1, sizeof(*o));
	struct contender fill[] = {
		{ "library", run_lib_fill, o }, { "copy + pwrite", run_raw_fill, o },
		{ "control", run_raw_fill, o },
	};

	o->env = env;
	if (posix_memalign(&o->buf, 4096, 2 * FILL_CHUNK))
		bench_die("memory", ENOMEM);
	memset(o->buf, 'x', 2 * FILL_CHUNK);
	bench_compare(opts, "fill 256 KiB", fill, 3);
	free(o->buf);
	free(o);
}

/* --- Presence --------------------------------------------------------------------------------- */

static void store_range(struct fsc_gen *gen, void *buf, uint64_t pos, size_t len)
{
	struct fsc_gio gio = { .gen = gen, .pos = pos, .flags = FSC_IO_MAY_BLOCK,
			       .done = done_nothing };
	int err;

	gio.buf.mem = buf;
	gio.buf.len = len;
	fsc_gen_sample(&gio);
	err = fsc_gen_store_prepare(&gio);
	if (err)
		bench_die("fsc_gen_store_prepare", err);
	fsc_gen_store_zero(&gio);
}

static void time_presence(struct fsc_gen *gen, uint64_t size, const char *what,
			  struct bench_env *env, uint64_t map_before)
{
	struct fsc_stats stats;
	uint64_t t0, i, pos, end, x = 88172645463325252ull, hits = 0;
	const uint64_t rounds = 2000000;

	t0 = bench_now_ns();
	for (i = 0; i < rounds; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pos = x % (size >> 12) << 12;
		hits += fsc_gen_run(gen, pos, pos + 4096, &end);
	}
	t0 = bench_now_ns() - t0;
	fsc_cache_stats(env->cache, &stats);
	printf("presence check         %-34s %8.1f ns  (%.0f%% present, map %llu bytes)\n", what,
	       (double)t0 / (double)rounds, 100.0 * (double)hits / (double)rounds,
	       (unsigned long long)(stats.map_bytes - map_before));
}

/* A sparse object of @size whose granules are zeroes: holes, so that no disk is needed for them.
 * @every: each such chunk of a MiB is stored. */
static void presence_of(struct bench_env *env, uint64_t size, unsigned int every, size_t chunk,
			const char *what, void *buf)
{
	struct fsc_object *obj;
	struct fsc_stats before;
	struct fsc_gen *gen;
	uint64_t key = size ^ every, pos;
	int err;

	fsc_cache_stats(env->cache, &before);
	err = fsc_object_open(env->vol, key_of(&key), coherency, size, &obj);
	if (err)
		bench_die("fsc_object_open", err);
	gen = fsc_object_gen(obj);
	for (pos = 0; pos < size; pos += (uint64_t)chunk * every)
		store_range(gen, buf, pos, chunk);
	time_presence(gen, size, what, env, before.map_bytes);
	fsc_gen_put(gen);
	fsc_object_close(obj, NULL, true);
}

void bench_presence(struct bench_env *env)
{
	size_t room = 64 << 20;
	void *buf;

	if (posix_memalign(&buf, 4096, room))
		bench_die("memory", ENOMEM);
	memset(buf, 0, room);
	presence_of(env, 1 << 20, 1, 1 << 20, "1 MiB, whole", buf);
	presence_of(env, 1ull << 30, 2, 4096, "1 GiB, every other granule", buf);
	presence_of(env, 1ull << 30, 1, room, "1 GiB, whole", buf);
	presence_of(env, 64ull << 30, 512, 4096, "64 GiB, a granule in each 2 MiB", buf);
	presence_of(env, 1ull << 40, 1, room, "1 TiB, whole", buf);
	free(buf);
}
