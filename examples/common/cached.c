// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cached.c - what a netfs has to tell the library.
 *
 * Coherency data: a change counter of the server's, where there is one, and the size. Else the
 * times to the nanosecond, the size and what version numbers the protocol has; real servers of 9P
 * leave theirs at 0 through any number of writes. All of it goes into one digest, since only
 * equality matters and 16 bytes fit everywhere. A cryptographic hash, because who may write files
 * on the server mustn't be able to make two versions of one look the same.
 *
 * Where a cache is shared with somebody else, theirs are taken as they are (netfs_attr.label).
 *
 * What that leaves undetected without a change counter: a change within one tick of the server's
 * clock, which is what cached_keep_after() is for; and somebody who sets the clock, or has a filesystem
 * without a ctime.
 */
#include "cached.h"

#include <endian.h>
#include <sha2.h>
#include <string.h>
#include <time.h>

/* How long the timestamps of a server may stand still: one tick of a kernel's clock is 10 ms at
 * most; where there are no nanoseconds, FAT's 2 s is the coarsest. */
#define TICK_MS 20
#define COARSE_TICK_MS 2000

#define WORDS_MOST 8

/* --- Which file, which version ---------------------------------------------------------------- */

/* Little endian, after the first one, which says whose they are. How many there are tells the two
 * kinds apart. */
static size_t words_of(uint64_t magic, const struct netfs_attr *a, uint64_t words[WORDS_MOST])
{
	const uint64_t counted[] = { magic, a->change, (uint64_t)a->st.st_size };
	const uint64_t timed[WORDS_MOST] = {
		magic,
		(uint64_t)a->st.st_mtim.tv_sec, (uint64_t)a->st.st_mtim.tv_nsec,
		(uint64_t)a->st.st_ctim.tv_sec, (uint64_t)a->st.st_ctim.tv_nsec,
		(uint64_t)a->st.st_size,
		a->versions[0], a->versions[1],
	};
	const uint64_t *from = a->has_change ? counted : timed;
	size_t nr = a->has_change ? sizeof(counted) / sizeof(*counted) : WORDS_MOST;

	for (size_t i = 0; i < nr; i++)
		words[i] = htole64(from[i]);
	return nr;
}

static size_t digest_of(uint64_t magic, const struct netfs_attr *a, uint8_t out[CACHED_DIGEST_SIZE])
{
	uint64_t words[WORDS_MOST];
	size_t nr = words_of(magic, a, words);
	uint8_t full[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)words, nr * sizeof(*words));
	SHA256Final(full, &ctx);
	memcpy(out, full, CACHED_DIGEST_SIZE);
	return CACHED_DIGEST_SIZE;
}

/* Somebody else's, where the cache is shared. */
static size_t label_of(uint64_t magic, const struct netfs_attr *a, uint8_t out[NETFS_LABEL_MAX])
{
	if (!a->label_len)
		return digest_of(magic, a, out);
	memcpy(out, a->label, a->label_len);
	return a->label_len;
}

bool cached_same(const struct netfs_attr *a, const struct netfs_attr *b)
{
	uint64_t wa[WORDS_MOST], wb[WORDS_MOST];
	size_t nr = words_of(0, a, wa);

	return a->key_len == b->key_len && !memcmp(a->key, b->key, a->key_len) &&
	       words_of(0, b, wb) == nr && !memcmp(wa, wb, nr * sizeof(*wa));
}

/* Some servers (nfs-ganesha, Linux's on filesystems without a counter) give the ctime for a change
 * counter: which differs after a change only if the clock has ticked. */
static bool counts(const struct netfs_attr *a)
{
	uint64_t sec = (uint64_t)a->st.st_ctim.tv_sec, nsec = (uint64_t)a->st.st_ctim.tv_nsec;

	return a->has_change && a->change != sec * 1000000000 + nsec &&
	       a->change != (sec << 32) + nsec;
}

/* A file that changed a moment ago may change again and keep its timestamps. So, unless its last
 * change is so long ago that our clock and the server's can't disagree on it, what is asked for
 * before a tick has passed since we saw them isn't kept. */
uint64_t cached_keep_after(const struct session *s, const struct netfs_attr *a)
{
	const struct timespec *c = &a->st.st_ctim, *m = &a->st.st_mtim;
	int64_t slack_s = s->opt->clock_slack_s;
	struct timespec now;
	bool fine;

	/* (Somebody else's label isn't known to count.) */
	if (counts(a) && !a->label_len)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	if (c->tv_sec < now.tv_sec - slack_s ||
	    (c->tv_sec == now.tv_sec - slack_s && c->tv_nsec <= now.tv_nsec))
		return 0;
	fine = !a->label_len && (c->tv_nsec || m->tv_nsec);
	return a->arrived_ms + (fine ? TICK_MS : COARSE_TICK_MS);
}

bool cached_label(const struct session *s, const struct netfs_attr *a, struct cached_label *out)
{
	size_t len;

	/* What the server doesn't vouch for is no proof of anything. */
	if (!a->vouched || !a->key_len || a->key_len > NETFS_KEY_MAX || a->st.st_size < 0)
		return false;
	memcpy(out->key, a->key, a->key_len);
	len = label_of(s->program->digest_magic, a, out->coherency);
	out->params = (struct fsc_cookie_params){
		.key = { out->key, a->key_len },
		.coherency = { out->coherency, len },
		.size = (uint64_t)a->st.st_size,
		.keep_after_ms = cached_keep_after(s, a),
	};
	return true;
}

struct fsc_cookie *cached_acquire(const struct session *s, const struct netfs_attr *a)
{
	struct fsc_cookie *cookie;
	struct cached_label label;

	/* Any failure means uncached. -EBUSY is the one to expect: 9P's qid.path has no device
	 * number, so another file with ours may be open. The library counts it. */
	if (!cached_label(s, a, &label) || fsc_cookie_acquire(s->volume, &label.params, &cookie))
		return NULL;
	return cookie;
}

/* --- Server reads and writes ------------------------------------------------------------------ */

void cached_file_init(struct cached_file *cf, struct netfs_file *file)
{
	cf->file = file;
	cf->under_way = 0;
	pthread_mutex_init(&cf->lock, NULL);
	pthread_cond_init(&cf->idle, NULL);
}

void cached_file_fini(struct cached_file *cf)
{
	pthread_mutex_lock(&cf->lock);
	while (cf->under_way)
		pthread_cond_wait(&cf->idle, &cf->lock);
	pthread_mutex_unlock(&cf->lock);
	pthread_cond_destroy(&cf->idle);
	pthread_mutex_destroy(&cf->lock);
}

size_t cached_read_max(struct fsc_read *read)
{
	struct cached_file *cf = read->netfs;

	return cf->file->node->fs->ops->read_max(cf->file);
}

size_t cached_write_max(struct fsc_write *write)
{
	struct cached_file *cf = write->netfs;

	return cf->file->node->fs->ops->write_max(cf->file);
}

void cached_hold(void *netfs)
{
	struct cached_file *cf = netfs;

	pthread_mutex_lock(&cf->lock);
	cf->under_way++;
	pthread_mutex_unlock(&cf->lock);
}

/* From here on the file may be closed, and be gone with the lock let go of. */
void cached_release(void *netfs)
{
	struct cached_file *cf = netfs;

	pthread_mutex_lock(&cf->lock);
	if (--cf->under_way == 0)
		pthread_cond_signal(&cf->idle);
	pthread_mutex_unlock(&cf->lock);
}

/* On a thread of the protocol's. What was read is in the right place already. */
static void answered(struct netfs_io *io, int64_t bytes_or_error)
{
	struct cached_subreq *cs = (struct cached_subreq *)io;
	struct cached_file *cf = cs->sreq->netfs;

	fsc_subreq_done(cs->sreq, bytes_or_error);
	cached_release(cf);
}

static struct cached_subreq *begin(struct fsc_subreq *sreq)
{
	struct cached_subreq *cs = sreq->priv;
	struct cached_file *cf = sreq->netfs;

	cached_hold(cf);
	cs->sreq = sreq;
	cs->ops = cf->file->node->fs->ops;
	cs->io.file = cf->file;
	cs->io.pos = sreq->pos;
	cs->io.buf = sreq->buf;
	cs->io.len = sreq->len;
	cs->io.more = sreq->more && cs->ops->push;
	cs->io.done = answered;
	return cs;
}

void cached_issue_read(struct fsc_subreq *sreq)
{
	struct cached_subreq *cs = begin(sreq);

	cs->ops->read(&cs->io);
}

void cached_push(void *netfs)
{
	struct cached_file *cf = netfs;
	const struct netfs_ops *ops = cf->file->node->fs->ops;

	if (ops->push)
		ops->push(cf->file);
}

void cached_issue_write(struct fsc_subreq *sreq)
{
	struct cached_subreq *cs = begin(sreq);

	cs->ops->write(&cs->io);
}

/* By now the answer may have come, and the file be closed: nothing of it is touched here. */
void cached_cancel_read(struct fsc_subreq *sreq)
{
	struct cached_subreq *cs = sreq->priv;

	cs->ops->cancel(&cs->io);
}
