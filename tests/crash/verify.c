// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * verify.c - after a crash: everything that the cache holds, read through the library, against what
 * the server had under the coherency data that are presented.
 *
 * Each file is presented once: mostly as the version that its object claims to be, since that is
 * where something can be wrong, sometimes as the newest, or as one that is neither. Half of the
 * files are read through cookies, with the misses filled in, the others, and all big ones, through
 * objects.
 *
 * What may be there, for a label of version L where N was the newest at the crash:
 *   strong    L's bytes; of N > L as well, as long as the cache hadn't been told (a client never
 *             presents L again then)
 *   written   L's bytes
 *   weak      those of the last version whose older ones the cache had said to be gone, or newer
 * And where removals are in order, by kill or on a strict filesystem: no object of a strong file
 * older than what the cache had said to be gone.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "key.h"
#include "record.h"
#include "run.h"

#define SPAN (256u << 10)
#define SETTLED_NS 2000000000u /* what was complete for so long should have survived */

static struct {
	uint64_t wrong, cache_bytes, server_bytes, objects, marked, slots, expected, served, old;
} totals;

static struct journal_file *history;

struct checked {
	uint32_t file;
	uint32_t version;        /* that is presented */
	uint32_t oldest, newest; /* whose bytes may be there */
	uint64_t size;
	uint64_t from_server;
	bool holds_all;
};

static void wrong(const struct checked *c, uint64_t at, const char *through)
{
	static const char *const kinds[] = { "strong", "weak", "written" };

	if (totals.wrong++ < 10)
		printf("WRONG: file %u (%s), presented as version %u: byte %" PRIu64 " of %" PRIu64
		       " through %s is not of %u to %u\n", c->file, kinds[world_kind(c->file)],
		       c->version, at, c->size, through, c->oldest, c->newest);
}

/* --- What there is to be presented ------------------------------------------------------------ */

/* The version that an object on the disk claims to be; 0: none, or marked. */
static uint32_t stored_version(uint32_t file, uint64_t *size)
{
	char key[16], object[FSC_OBJECT_PATH_SIZE], path[4096];
	static uint8_t value[65536];
	struct fsc_record rec;
	ssize_t len;
	bool hashed;

	fsc_key_cook_object(world_key(file, key), object, &hashed);
	snprintf(path, sizeof(path), "%s/cache/I%s/%s", run.dir,
		 world_volume(world_kind(file)), object);
	len = getxattr(path, FSC_XATTR_NAME, value, sizeof(value));
	if (len < 0 || fsc_record_decode(&rec, value, (size_t)len))
		return 0;
	totals.objects++;
	totals.marked += rec.modifying;
	totals.slots += rec.map_kind == FSC_MAP_SLOT;
	*size = rec.size;
	return rec.modifying ? 0 : world_version_of(file, rec.coherency.data, rec.coherency.len);
}

static bool is_settled(const struct journal_file *h, uint64_t until_ns)
{
	return h->complete && h->complete == h->begun &&
	       h->complete_ns + SETTLED_NS < until_ns;
}

static void present(struct checked *c, const struct verify_opts *opts, uint64_t *chance)
{
	const struct journal_file *h = &history[c->file];
	bool weak = world_kind(c->file) == WORLD_WEAK, in_order;
	uint64_t size = 0;
	uint32_t stored = stored_version(c->file, &size);

	c->version = h->begun;
	if (stored && !weak && !is_settled(h, opts->until_ns)) {
		if (world_below(chance, 4))
			c->version = stored;
		else if (!world_below(chance, 3))
			c->version = stored + 1;
	}
	c->size = world_size(c->file, c->version);
	c->oldest = weak ? h->done : c->version;
	c->newest = world_kind(c->file) == WORLD_WRITTEN || h->begun < c->version ? c->version :
										    h->begun;
	in_order = !opts->cut || fsc_cache_kind(run.cache) == FSC_FS_STRICT;
	if (stored && world_kind(c->file) == WORLD_STRONG && in_order && stored < h->done) {
		totals.old++;
		printf("WRONG: file %u: version %u is there, %u had taken its place\n", c->file,
		       stored, h->done);
	}
}

/* --- Through a cookie ------------------------------------------------------------------------- */

static void issue_read(struct fsc_subreq *sreq)
{
	struct checked *c = sreq->netfs;
	uint64_t left = sreq->pos < c->size ? c->size - sreq->pos : 0;
	size_t len = left < sreq->len ? (size_t)left : sreq->len;

	__atomic_fetch_add(&c->from_server, len, __ATOMIC_RELAXED);
	world_bytes(c->file, c->version, sreq->pos, sreq->buf, len);
	fsc_subreq_done(sreq, (int64_t)len);
}

static const struct fsc_netfs_ops ops = { .issue_read = issue_read };

static void read_piece(struct checked *c, struct fsc_cookie *cookie, uint64_t pos, void *buf)
{
	struct fsc_read read = {
		.cookie = cookie,
		.ops = &ops,
		.netfs = c,
		.pos = pos,
		.file_size = c->size,
		.buf = buf,
		.len = SPAN,
	};
	uint64_t left = c->size - pos, at = pos;
	int64_t want = (int64_t)(left < SPAN ? left : SPAN);

	if (fsc_read_wait(&read) != want ||
	    !world_matches(c->file, c->oldest, c->newest, pos, buf, (size_t)want, &at))
		wrong(c, at, "the cookie");
}

static void through_cookie(struct checked *c)
{
	struct world_label label;
	struct fsc_cookie *cookie;
	char key[16];
	struct fsc_cookie_params params = run_params(c->file, c->version, key, &label);
	void *buf = run_memory(SPAN);

	if (fsc_cookie_acquire(run_volume(c->file), &params, &cookie)) {
		run_failed("file %u: no cookie", c->file);
		return;
	}
	fsc_cookie_use_wait(cookie, false);
	for (uint64_t pos = 0; pos < c->size; pos += SPAN)
		read_piece(c, cookie, pos, buf);
	c->holds_all = !c->from_server;
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish(cookie, false);
	totals.cache_bytes += c->size - c->from_server;
	totals.server_bytes += c->from_server;
	free(buf);
}

/* --- Through an object ------------------------------------------------------------------------ */

struct object_read {
	struct fsc_gio gio;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool is_over;
	int64_t ret;
};

static void object_read_done(struct fsc_gio *gio, int64_t ret)
{
	struct object_read *r = (struct object_read *)(void *)gio;

	pthread_mutex_lock(&r->lock);
	r->ret = ret;
	r->is_over = true;
	pthread_cond_signal(&r->over);
	pthread_mutex_unlock(&r->lock);
}

static int64_t read_object(struct fsc_gen *gen, uint64_t pos, void *buf, size_t len)
{
	struct object_read r = {
		.gio = {
			.gen = gen,
			.pos = pos,
			.buf = { buf, 0, (len + GRANULE - 1) / GRANULE * GRANULE, FSC_BUF_MEM },
			.done = object_read_done,
		},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.over = PTHREAD_COND_INITIALIZER,
	};

	fsc_gen_read(&r.gio);
	pthread_mutex_lock(&r.lock);
	while (!r.is_over)
		pthread_cond_wait(&r.over, &r.lock);
	pthread_mutex_unlock(&r.lock);
	return r.ret;
}

static void check_runs(struct checked *c, struct fsc_gen *gen)
{
	uint64_t pos = 0, end, at;
	void *buf = run_memory(SPAN);

	while (pos < c->size) {
		if (!fsc_gen_run(gen, pos, c->size, &end)) {
			totals.server_bytes += end - pos;
			pos = end;
			continue;
		}
		end = end - pos < SPAN ? end : pos + SPAN;
		at = pos;
		if (read_object(gen, pos, buf, (size_t)(end - pos)) != (int64_t)(end - pos) ||
		    !world_matches(c->file, c->oldest, c->newest, pos, buf, (size_t)(end - pos),
				   &at))
			wrong(c, at, "the object");
		totals.cache_bytes += end - pos;
		pos = end;
	}
	free(buf);
}

static void through_object(struct checked *c)
{
	struct world_label label;
	struct fsc_object *obj;
	struct fsc_gen *gen;
	char key[16];

	world_label(c->file, c->version, &label);
	if (fsc_object_open(run_volume(c->file), world_key(c->file, key),
			    (struct fsc_blob){ &label, sizeof(label) }, c->size, &obj)) {
		totals.server_bytes += c->size;
		return;
	}
	gen = fsc_object_gen(obj);
	if (gen) {
		c->holds_all = fsc_gen_complete(gen);
		check_runs(c, gen);
	}
	fsc_gen_put(gen);
	fsc_object_close(obj, NULL, false);
}

/* --- The whole -------------------------------------------------------------------------------- */

static uint64_t disk_usage(void)
{
	char command[4200];
	uint64_t bytes = 0;
	FILE *out;

	snprintf(command, sizeof(command),
		 "find '%s/cache' -type f -printf '%%b\\n' |"
		 "awk '{ s += $1 } END { print s * 512 }'",
		 run.dir);
	out = popen(command, "r");
	if (!out || fscanf(out, "%" SCNu64, &bytes) != 1)
		bytes = 0;
	if (out)
		pclose(out);
	return bytes;
}

/* What a scan counted, while nothing else goes on, is what is there. */
static void check_account(void)
{
	uint64_t real = disk_usage(), until = world_now_ns() + 5000000000u;
	struct fsc_stats stats;

	do {
		fsc_cache_stats(run.cache, &stats);
		if (stats.bytes_used == real)
			return;
		usleep(10000);
	} while (world_now_ns() < until);
	totals.wrong++;
	printf("WRONG: %" PRIu64 " bytes are used, the cache counts %" PRIu64 "\n", real,
	       stats.bytes_used);
}

static void check_file(uint32_t file, const struct verify_opts *opts, uint64_t *chance)
{
	struct checked c = { .file = file };
	struct journal_file *h = &history[file];
	bool expected = is_settled(h, opts->until_ns);

	present(&c, opts, chance);
	if (c.size < WORLD_BIG && world_below(chance, 2))
		through_cookie(&c);
	else
		through_object(&c);
	totals.expected += expected;
	totals.served += expected && c.holds_all;
	/* Goes on from what is there. */
	if (!c.holds_all || c.version != h->begun) {
		h->complete = 0;
	} else if (!h->complete) {
		h->complete = h->begun;
		h->complete_ns = opts->until_ns;
	}
}

static void report(void)
{
	static const char *const kinds[] = { "ordered", "strict", "volatile" };

	printf("wrong=%" PRIu64 " kind=%s objects=%" PRIu64 " marked=%" PRIu64 " slots=%" PRIu64
	       " cache=%" PRIu64 " server=%" PRIu64 " settled=%" PRIu64 " served=%" PRIu64 "\n",
	       totals.wrong + totals.old + run.failures, kinds[fsc_cache_kind(run.cache)],
	       totals.objects, totals.marked, totals.slots, totals.cache_bytes,
	       totals.server_bytes, totals.expected, totals.served);
}

static void forget_removals(uint64_t since_ns)
{
	struct journal_file *before = calloc(world.files, sizeof(*before));

	journal_state(since_ns, before);
	for (uint32_t i = 0; i < world.files; i++)
		history[i].done = before[i].done;
	free(before);
}

int verify(const struct verify_opts *opts)
{
	struct verify_opts o = *opts;
	uint64_t chance = run.seed ^ 0x7e;

	history = calloc(world.files, sizeof(*history));
	if (!o.until_ns || !o.cut)
		o.until_ns = journal_last_ns() + 1;
	journal_state(o.until_ns, history);
	if (o.gone_ns)
		forget_removals(o.gone_ns);
	/* Nothing is counted where there is no limit. */
	if (o.account)
		run.params.max_bytes = 1ull << 50;
	if (!run_open(o.other_boot))
		return 2;
	if (o.account)
		check_account();
	for (uint32_t file = 0; file < world.files; file++)
		check_file(file, &o, &chance);
	if (o.expect_empty && totals.cache_bytes) {
		printf("WRONG: %" PRIu64 " bytes came from a cache that should be empty\n",
		       totals.cache_bytes);
		totals.wrong++;
	}
	report();
	run_close();
	if (o.compact)
		journal_replace(history);
	free(history);
	return totals.wrong || totals.old || run.failures;
}
