// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* main.c - fsc-bench: what the cache costs above the system calls that it can't do without. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fscache/fscache.h>
#include <fscache/uring.h>

#include "bench.h"

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: fsc-bench [--dir DIR] [--pairs N] [--slice SECONDS] [--size MIB] [CASE ...]\n"
		"       fsc-bench [--dir DIR] --count-reads N\n"
		"CASE: reads fill objects presence (all). DIR is on the filesystem to be measured;\n"
		"a folder is made in it and removed. Ratios are to the contender named second;\n"
		"the control is that one again: a ratio means no more than its distance from 1.\n");
}

void env_open(struct bench_env *env, const char *dir)
{
	struct fsc_uring_params uring = { .drive = FSC_URING_LOOP };
	/* Measuring is not about how full the disk is; and every byte is to be kept. */
	struct fsc_cache_params params = {
		.brun = 3, .bcull = 2, .bstop = 1, .frun = 3, .fcull = 2, .fstop = 1,
		.max_map_bytes = 256 << 20, .max_keep_bytes = 64 << 20,
	};
	int err;

	env->dir = dir;
	snprintf(env->cache_dir, sizeof(env->cache_dir), "%s/cache", dir);
	snprintf(env->raw_dir, sizeof(env->raw_dir), "%s/raw", dir);
	if (mkdir(env->cache_dir, 0700) || mkdir(env->raw_dir, 0700))
		bench_die(dir, errno);
	err = fsc_uring_open(env->cache_dir, &uring, &env->be);
	if (err)
		bench_die("fsc_uring_open", err);
	err = fsc_cache_open(env->be, &params, &env->cache);
	if (!err)
		err = fsc_volume_acquire(env->cache, (struct fsc_blob){ "bench", 5 },
					 (struct fsc_blob){ NULL, 0 }, 0, &env->vol);
	if (err)
		bench_die("opening the cache", err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void env_close(struct bench_env *env)
{
	fsc_volume_relinquish(env->vol, false);
	fsc_cache_close(env->cache);
	nftw(env->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static off_t find_size;
static char *find_path;
static size_t find_room;

static int find_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || st->st_size != find_size)
		return 0;
	snprintf(find_path, find_room, "%s", path);
	return 1;
}

void env_find_file(struct bench_env *env, uint64_t size, char *path, size_t room)
{
	char top[8192];

	snprintf(top, sizeof(top), "%s/cache", env->cache_dir);
	find_size = (off_t)size;
	find_path = path;
	find_room = room;
	if (nftw(top, find_one, 16, FTW_PHYS) != 1)
		bench_die("the backing file was not found", ENOENT);
}

static bool wanted(int argc, char **argv, const char *name)
{
	int i;

	for (i = optind; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return optind >= argc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },   { "pairs", required_argument, NULL, 'p' },
		{ "slice", required_argument, NULL, 's' }, { "size", required_argument, NULL, 'm' },
		{ "count-reads", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
	};
	struct bench_opts opts = { .pairs = 100, .seconds = 0.1 };
	uint64_t file_bytes = 256ull << 20;
	unsigned int count = 0;
	const char *base = ".";
	char dir[4000];
	struct bench_env env;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd': base = optarg; break;
		case 'p': opts.pairs = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 's': opts.seconds = strtod(optarg, NULL); break;
		case 'm': file_bytes = strtoull(optarg, NULL, 10) << 20; break;
		case 'c': count = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (!opts.pairs || !file_bytes || !(opts.seconds > 0)) {
		usage(stderr);
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/fsc-bench-XXXXXX", base);
	if (!mkdtemp(dir))
		bench_die(dir, errno);
	env_open(&env, dir);
	if (count) {
		bench_count_reads(&env, 1000, count);
	} else {
		if (wanted(argc, argv, "presence"))
			bench_presence(&env);
		if (wanted(argc, argv, "reads"))
			bench_reads(&env, &opts, file_bytes);
		if (wanted(argc, argv, "fill"))
			bench_fill(&env, &opts);
		if (wanted(argc, argv, "objects"))
			bench_objects(&env, &opts);
	}
	env_close(&env);
	return 0;
}
