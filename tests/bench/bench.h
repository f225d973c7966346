/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * bench.h - comparing contenders in one process: short slices of each in turn, so that what else
 * the machine does falls on all of them alike, and ratios of neighbouring slices.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	double ops_per_s;
	double cpu_ns;    /* of the process, user and system, per operation */
	double median_ns; /* latency; 0 where it isn't measured */
};

struct contender {
	const char *name;
	/* Work for @seconds. */
	void (*run)(void *arg, double seconds, struct slice *out);
	void *arg;
};

struct bench_opts {
	unsigned int pairs;
	double seconds;
	bool json;
};

/*
 * contenders[0] is the library, [1] what it is measured against, the last one [1] once more: the
 * control. Prints medians, quartiles, and the ratio of each to [1] as the median of the ratios of
 * neighbouring slices.
 */
void bench_compare(const struct bench_opts *opts, const char *title, struct contender *contenders,
		   size_t count);

uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void); /* of the process, all threads */
double bench_median(double *values, size_t count); /* sorts them */
void bench_die(const char *what, int err) __attribute__((noreturn));

/* A slice in the making: begin, count operations, end. */
struct meter {
	uint64_t begin_ns, cpu_ns, end_ns, ops;
	double *lat;
	size_t nr_lat;
};

void meter_begin(struct meter *m, double seconds, double *lat_room);
bool meter_on(struct meter *m); /* looks at the clock */
void meter_lat(struct meter *m, uint64_t ns);
void meter_end(struct meter *m, struct slice *out);
#define METER_LATENCIES 65536

/* What the cases share: a cache in a folder of its own, and a plain folder beside it. */
struct bench_env {
	const char *dir;
	char cache_dir[4096], raw_dir[4096];
	struct fsc_backend *be;
	struct fsc_cache *cache;
	struct fsc_volume *vol;
};

void env_open(struct bench_env *env, const char *dir);
void env_close(struct bench_env *env);
/* The path of the one backing file of that size in the cache, found by walking it. */
void env_find_file(struct bench_env *env, uint64_t size, char *path, size_t room);

void bench_reads(struct bench_env *env, const struct bench_opts *opts, uint64_t file_bytes);
void bench_fill(struct bench_env *env, const struct bench_opts *opts);
void bench_objects(struct bench_env *env, const struct bench_opts *opts);
void bench_presence(struct bench_env *env);
/* For callgrind: so many warm 4 KiB reads; only what is below bench_counted_reads() is of
 * interest. */
void bench_count_reads(struct bench_env *env, unsigned int warm, unsigned int counted);

#endif
