// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * workload.c - a client of the cache that goes on until it is killed, and one that looks afterwards
 * whether anything is wrong. See world.h and run.h.
 *
 *   fsc-crash run JOURNAL CACHE [OPTION...]      until killed, or for --seconds
 *   fsc-crash verify JOURNAL CACHE [OPTION...]
 *
 * 0: nothing was wrong. 1: something was. 2: couldn't try.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define READERS 3

struct run run = { .pace_us = 2000 };

static struct world_spec made_for = { .files = 72, .max_size = 2u << 20, .seed = 1 };
static struct verify_opts verify_opts;
static double seconds;
static const char *limits;

/* --- What the threads share ------------------------------------------------------------------- */

bool run_goes_on(void)
{
	return !__atomic_load_n(&run.stop, __ATOMIC_RELAXED);
}

bool run_may_change(uint32_t file)
{
	return world_mix(world.seed ^ file) % 4 && world_mix(run.seed ^ file) % 3;
}

void run_failed(const char *fmt, ...)
{
	va_list args;

	if (__atomic_fetch_add(&run.failures, 1, __ATOMIC_RELAXED) >= 10)
		return;
	va_start(args, fmt);
	printf("WRONG: ");
	vprintf(fmt, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
}

struct fsc_cookie_params run_params(uint32_t file, uint32_t version, char key[16],
				    struct world_label *label)
{
	world_label(file, version, label);
	return (struct fsc_cookie_params){
		.key = world_key(file, key),
		.coherency = { label, sizeof(*label) },
		.size = world_size(file, version),
	};
}

struct fsc_volume *run_volume(uint32_t file)
{
	return run.volumes[world_kind(file)];
}

void *run_memory(size_t len)
{
	void *mem = aligned_alloc(GRANULE, (len + GRANULE - 1) / GRANULE * GRANULE);

	if (!mem)
		abort();
	return mem;
}

/* --- The cache -------------------------------------------------------------------------------- */

static int open_once(bool other_boot)
{
	struct fsc_backend *be;
	int err = fsc_uring_open(run.dir, NULL, &be);

	if (err)
		return err;
	if (run.planted)
		planted_wrap(be, run.planted);
	if (run.xattr_max && be->xattr_max > run.xattr_max)
		be->xattr_max = run.xattr_max;
	/* As if the machine had been started anew. */
	if (other_boot)
		be->boot_id[0] ^= 0xff;
	err = fsc_cache_open(be, &run.params, &run.cache);
	if (err)
		fsc_uring_close(be);
	return err;
}

static bool open_volumes(void)
{
	static const enum world_kind kinds[] = { WORLD_STRONG, WORLD_WEAK };
	struct fsc_blob none = { NULL, 0 };

	for (int i = 0; i < 2; i++) {
		const char *name = world_volume(kinds[i]);
		struct fsc_blob key = { name, strlen(name) };
		uint32_t flags = kinds[i] == WORLD_WEAK ? FSC_VOLUME_STRICT_REMOVAL : 0;

		if (fsc_volume_acquire(run.cache, key, none, flags, &run.volumes[kinds[i]]))
			return false;
	}
	run.volumes[WORLD_WRITTEN] = run.volumes[WORLD_STRONG];
	return true;
}

bool run_open(bool other_boot)
{
	int err, tries = 500;

	while ((err = open_once(other_boot)) == -EBUSY && --tries)
		usleep(10000);
	if (err || !open_volumes())
		fprintf(stderr, "%s: %s\n", run.dir, err ? strerror(-err) : "no volumes");
	return !err && run.volumes[WORLD_WEAK];
}

void run_close(void)
{
	fsc_volume_relinquish(run.volumes[WORLD_STRONG], false);
	fsc_volume_relinquish(run.volumes[WORLD_WEAK], false);
	fsc_cache_close(run.cache);
}

/* --- A run ------------------------------------------------------------------------------------ */

static void make_files(void)
{
	struct journal_file *history = calloc(world.files, sizeof(*history));

	run.files = calloc(world.files, sizeof(*run.files));
	journal_state(UINT64_MAX, history);
	for (uint32_t i = 0; i < world.files; i++) {
		struct file *f = &run.files[i];

		f->id = i;
		f->version = history[i].begun;
		f->told = world_kind(i) == WORLD_WEAK ? history[i].done : f->version;
		pthread_mutex_init(&f->lock, NULL);
		f->logged = history[i].complete;
		if (run.cull)
			journal_add(JOURNAL_FLUX, i, f->version);
	}
	free(history);
}

static void start(pthread_t *thread, void *(*fn)(void *), uintptr_t number)
{
	if (pthread_create(thread, NULL, fn, (void *)number))
		abort();
}

static void wait_for_the_end(void)
{
	struct fsc_stats stats;

	printf("started %" PRIu64 "\n", world_now_ns());
	fflush(stdout);
	if (!seconds)
		for (;;)
			pause();
	usleep((useconds_t)(seconds * 1e6));
	__atomic_store_n(&run.stop, true, __ATOMIC_RELAXED);
	fsc_cache_stats(run.cache, &stats);
	printf("online=%d reads=%" PRIu64 " cache=%" PRIu64 " stored=%" PRIu64 " server=%" PRIu64
	       " culled=%" PRIu64 " no_space=%" PRIu64 " errors=%" PRIu64 " saves=%" PRIu64 "\n",
	       fsc_cache_online(run.cache), __atomic_load_n(&run.reads, __ATOMIC_RELAXED),
	       stats.cache_read_bytes, stats.cache_write_bytes, stats.server_read_bytes,
	       stats.objects_culled, stats.no_space, stats.cache_errors, stats.saves);
	fflush(stdout);
}

static int do_run(void)
{
	pthread_t threads[READERS + WRITERS];

	if (!run_open(false))
		return 2;
	planted_arm();
	make_files();
	server_start();
	for (uintptr_t i = 0; i < READERS; i++)
		start(&threads[i], cookies_main, i);
	for (uintptr_t i = 0; i < WRITERS; i++)
		start(&threads[READERS + i], writer_main, i);
	wait_for_the_end();
	for (int i = 0; i < READERS + WRITERS; i++)
		pthread_join(threads[i], NULL);
	cookies_let_go();
	run_close();
	late_stop();
	printf("failures=%" PRIu64 "\n", run.failures);
	return run.failures != 0;
}

/* --- Options ---------------------------------------------------------------------------------- */

static const struct option options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "files", required_argument, NULL, 'f' }, /* of a new journal */
	{ "max-size", required_argument, NULL, 'm' }, /* likewise */
	/* run */
	{ "seconds", required_argument, NULL, 't' },
	{ "planted", required_argument, NULL, 'p' }, /* see planted.c */
	{ "pace", required_argument, NULL, 'w' }, /* microseconds between two actions */
	{ "hold", no_argument, NULL, 'h' },
	{ "cull", no_argument, NULL, 'c' },
	{ "save-ms", required_argument, NULL, 'a' },
	{ "xattr-max", required_argument, NULL, 'x' }, /* longer maps go to slots */
	{ "max-bytes", required_argument, NULL, 'b' },
	{ "limits", required_argument, NULL, 'l' }, /* run,cull,stop in percent */
	/* verify */
	{ "cut", required_argument, NULL, 'u' }, /* a power cut at that time */
	{ "gone", required_argument, NULL, 'g' }, /* nothing was removed after that */
	{ "other-boot", no_argument, NULL, 'o' },
	{ "empty", no_argument, NULL, 'e' }, /* nothing may be served */
	{ "account", no_argument, NULL, 'n' },
	{ "compact", no_argument, NULL, 'j' },
	{ 0 },
};

static void set_limits(const char *text)
{
	struct fsc_cache_params *p = &run.params;
	unsigned int brun, bcull, bstop;

	if (sscanf(text, "%u,%u,%u", &brun, &bcull, &bstop) != 3)
		exit(2);
	p->brun = (uint8_t)brun;
	p->bcull = (uint8_t)bcull;
	p->bstop = (uint8_t)bstop;
}

static void set_planted(const char *text)
{
	run.planted = !strcmp(text, "early")  ? PLANTED_EARLY :
		      !strcmp(text, "nosync") ? PLANTED_NOSYNC :
		      !strcmp(text, "deaf")   ? PLANTED_DEAF :
						PLANTED_NONE;
	if (!run.planted)
		exit(2);
}

static void set_run_option(int opt)
{
	switch (opt) {
	case 't': seconds = strtod(optarg, NULL); break;
	case 'p': set_planted(optarg); break;
	case 'w': run.pace_us = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'h': run.hold = true; break;
	case 'c': run.cull = true; break;
	case 'a': run.params.save_ms = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'x': run.xattr_max = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'b': run.params.max_bytes = strtoull(optarg, NULL, 0); break;
	case 'l': limits = optarg; set_limits(optarg); break;
	default: exit(2);
	}
}

static void set_option(int opt)
{
	switch (opt) {
	case 's': run.seed = made_for.seed = strtoull(optarg, NULL, 0); break;
	case 'f': made_for.files = (uint32_t)strtoul(optarg, NULL, 0); break;
	case 'm': made_for.max_size = strtoull(optarg, NULL, 0); break;
	case 'u':
		verify_opts.cut = true;
		verify_opts.until_ns = strtoull(optarg, NULL, 0);
		break;
	case 'g': verify_opts.gone_ns = strtoull(optarg, NULL, 0); break;
	case 'o': verify_opts.other_boot = true; break;
	case 'e': verify_opts.expect_empty = true; break;
	case 'n': verify_opts.account = true; break;
	case 'j': verify_opts.compact = true; break;
	default: set_run_option(opt);
	}
}

int main(int argc, char **argv)
{
	bool is_run = argc > 1 && !strcmp(argv[1], "run");
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(opt);
	if (argc - optind != 3 || (!is_run && strcmp(argv[optind], "verify"))) {
		fprintf(stderr, "usage: %s run|verify JOURNAL CACHE [OPTION...]\n", argv[0]);
		return 2;
	}
	run.dir = argv[optind + 2];
	journal_open(argv[optind + 1], is_run ? &made_for : NULL);
	return is_run ? do_run() : verify(&verify_opts);
}
