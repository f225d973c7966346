// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * randread.c - random reads of one granule through the cache, many at a time, each compared with
 * the server's file.
 *
 *   randread --server ADDRESS --export FOLDER --cache DIR --dev NAME --file NAME
 *            [--seed N] [--reads N] [--depth N]
 *
 * The same seed reads the same granules in the same order, none twice, so that a second process
 * can ask for exactly what the first left. FOLDER is what the server exports and what is attached
 * to, NAME stands for the server in the cache, as fsc9p's --volume-dev does. One JSON object on
 * stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <fscache/fscache.h>
#include <fscache/uring.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nine.h"
#include "remote.h"

enum { DEPTH_MOST = 256 };

static struct {
	const char *server, *export, *cache, *dev, *file;
	uint64_t seed, reads, depth;
} opt = { .seed = 1, .reads = UINT64_MAX, .depth = 32 };

struct slot {
	struct fsc_read read;
	uint8_t *buf;
	bool busy;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct slot slots[DEPTH_MOST];
	uint64_t in_flight, wrong;
	int local; /* the server's file itself */
} state = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

static void die(const char *what, int err)
{
	fprintf(stderr, "randread: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* --- Which granules --------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state64)
{
	uint64_t x = *state64 += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint32_t *shuffled(uint64_t count)
{
	uint32_t *order = malloc(count * sizeof(*order));
	uint64_t random = opt.seed, i, j;

	if (!order)
		die("memory", -ENOMEM);
	for (i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (i = count - 1; i > 0; i--) {
		uint32_t t = order[i];

		j = next_random(&random) % (i + 1);
		order[i] = order[j];
		order[j] = t;
	}
	return order;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool is_right(const struct slot *slot, int64_t ret)
{
	uint8_t wanted[FSC_GRANULE_SIZE];
	ssize_t n = pread(state.local, wanted, sizeof(wanted), (off_t)slot->read.pos);

	return n >= 0 && n == ret && !memcmp(wanted, slot->buf, (size_t)n);
}

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct slot *slot = (struct slot *)read;
	bool right = is_right(slot, ret);

	pthread_mutex_lock(&state.lock);
	if (!right && state.wrong++ < 10)
		fprintf(stderr, "randread: at %" PRIu64 ": wrong, %" PRId64 "\n", read->pos, ret);
	slot->busy = false;
	state.in_flight--;
	pthread_cond_signal(&state.ended);
	pthread_mutex_unlock(&state.lock);
}

static const struct fsc_netfs_ops ops = { CACHED_NETFS_OPS, .read_done = read_done };

static struct slot *free_slot(void)
{
	struct slot *slot = state.slots;

	pthread_mutex_lock(&state.lock);
	while (state.in_flight >= opt.depth)
		pthread_cond_wait(&state.ended, &state.lock);
	while (slot->busy)
		slot++;
	slot->busy = true;
	state.in_flight++;
	pthread_mutex_unlock(&state.lock);
	return slot;
}

static uint64_t read_all(struct remote *r)
{
	uint64_t granules = (remote_size(r) + FSC_GRANULE_SIZE - 1) >> FSC_GRANULE_SHIFT;
	uint64_t count = opt.reads < granules ? opt.reads : granules;
	uint32_t *order = shuffled(granules);

	for (uint64_t i = 0; i < count; i++) {
		struct slot *slot = free_slot();

		slot->read = (struct fsc_read){
			.cookie = r->cookie,
			.ops = &ops,
			.netfs = &r->file,
			.pos = (uint64_t)order[i] << FSC_GRANULE_SHIFT,
			.file_size = remote_size(r),
			.buf = slot->buf,
			.len = FSC_GRANULE_SIZE,
		};
		fsc_read_start(&slot->read);
	}
	pthread_mutex_lock(&state.lock);
	while (state.in_flight)
		pthread_cond_wait(&state.ended, &state.lock);
	pthread_mutex_unlock(&state.lock);
	free(order);
	return count;
}

/* --- Server and cache ------------------------------------------------------------------------- */

static void connect_to_server(struct session *s)
{
	const struct nine_options nine = {
		.server = opt.server, .aname = opt.export, .uname = "root", .n_uname = getuid(),
	};
	const struct netfs_params params = { 0 };
	char why[256];
	int err = nine_connect(&nine, &params, &s->fs, why, sizeof(why));

	if (err)
		die(why, err);
	err = s->fs->ops->root(s->fs, &s->root, &s->root_attr);
	if (err)
		die("root", err);
}

static void open_cache(struct session *s)
{
	const struct fsc_uring_params uring = { 0 };
	const struct fsc_cache_params params = { 0 };
	char *key;
	int n = asprintf(&key, "9p,%s,%s", opt.dev, opt.export);
	int err = n < 0 ? -ENOMEM : fsc_uring_open(opt.cache, &uring, &s->backend);

	if (err)
		die(opt.cache, err);
	err = fsc_cache_open(s->backend, &params, &s->cache);
	if (!err)
		err = fsc_volume_acquire(s->cache, (struct fsc_blob){ key, (size_t)n },
					 (struct fsc_blob){ NULL, 0 }, FSC_VOLUME_STRICT_REMOVAL,
					 &s->volume);
	if (err)
		die("cache", err);
	free(key);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' },
		{ "export", required_argument, NULL, 'e' },
		{ "cache", required_argument, NULL, 'c' },
		{ "dev", required_argument, NULL, 'd' },
		{ "file", required_argument, NULL, 'f' },
		{ "seed", required_argument, NULL, 'r' },
		{ "reads", required_argument, NULL, 'n' },
		{ "depth", required_argument, NULL, 'q' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's': opt.server = optarg; break;
		case 'e': opt.export = optarg; break;
		case 'c': opt.cache = optarg; break;
		case 'd': opt.dev = optarg; break;
		case 'f': opt.file = optarg; break;
		case 'r': opt.seed = strtoull(optarg, NULL, 10); break;
		case 'n': opt.reads = strtoull(optarg, NULL, 10); break;
		case 'q': opt.depth = strtoull(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	if (!opt.server || !opt.export || !opt.cache || !opt.dev || !opt.file ||
	    opt.depth > DEPTH_MOST) {
		fprintf(stderr, "usage: randread --server ADDRESS --export FOLDER --cache DIR "
				"--dev NAME --file NAME [--seed N] [--reads N] [--depth N]\n");
		exit(2);
	}
}

static void report(const struct session *s, uint64_t reads)
{
	struct netfs_counters wire;
	struct fsc_stats st;

	s->fs->ops->counters(s->fs, &wire);
	fsc_cache_stats(s->cache, &st);
	printf("{ \"reads\": %" PRIu64 ", \"server_reads\": %" PRIu64
	       ", \"server_read_bytes\": %" PRIu64 ", \"cache_read_bytes\": %" PRIu64
	       ", \"not_kept_bytes\": %" PRIu64 ", \"cache_errors\": %" PRIu64
	       ", \"wrong\": %" PRIu64 " }\n",
	       reads, wire.server_reads, wire.server_read_bytes, st.cache_read_bytes,
	       st.not_kept_bytes, st.cache_errors, state.wrong);
}

int main(int argc, char **argv)
{
	struct options options = { .clock_slack_s = 2 };
	/* The same labels as fsc9p's. */
	const struct program program = { .digest_magic = 0x3170396373660001 };
	struct session s = { .opt = &options, .program = &program };
	struct remote r;
	char *path;
	uint64_t reads;
	int err;

	parse(argc, argv);
	if (asprintf(&path, "%s/%s", opt.export, opt.file) < 0)
		die("memory", -ENOMEM);
	state.local = open(path, O_RDONLY | O_CLOEXEC);
	if (state.local < 0)
		die(path, -errno);
	for (uint64_t i = 0; i < opt.depth; i++) {
		state.slots[i].buf = aligned_alloc(FSC_GRANULE_SIZE, FSC_GRANULE_SIZE);
		if (!state.slots[i].buf)
			die("memory", -ENOMEM);
	}
	connect_to_server(&s);
	open_cache(&s);
	err = remote_open(&s, NULL, opt.file, &r);
	if (err)
		die(opt.file, -EINVAL);
	reads = read_all(&r);
	remote_close(&r, false);
	for (uint64_t i = 0; i < opt.depth; i++)
		free(state.slots[i].buf);
	free(path);
	fsc_volume_relinquish(s.volume, false);
	report(&s, reads);
	fsc_cache_close(s.cache);
	netfs_node_put(s.root);
	s.fs->ops->disconnect(s.fs);
	return state.wrong != 0;
}
