// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cached.c - what a 9P client has to tell the library.
 *
 * The key is qid.path, as the kernel's 9p client has it. Coherency data: 9P has a version number in
 * the qid, and 9P2000.L one for the data, but real servers leave both at 0 through any number of
 * writes. So the times, to the nanosecond, and the size have to do as well; all of it goes into one
 * digest, since only equality matters and 16 bytes fit everywhere. A cryptographic hash, because
 * who may write files on the server mustn't be able to make two versions of one look the same.
 *
 * What that leaves undetected: a change within one tick of the server's clock, which is what
 * keep_after() is for; and somebody who sets the clock, or has a filesystem without a ctime.
 */
#include "cached.h"

#include <endian.h>
#include <errno.h>
#include <sha2.h>
#include <string.h>
#include <time.h>

/* How long the timestamps of a server may stand still: one tick of a kernel's clock is 10 ms at
 * most; where there are no nanoseconds, FAT's 2 s is the coarsest. */
#define TICK_MS 20
#define COARSE_TICK_MS 2000

#define DIGEST_SIZE 16
#define NEEDED (P9_ATTR_MTIME | P9_ATTR_CTIME | P9_ATTR_SIZE)

/* --- Which file, which version ---------------------------------------------------------------- */

static void coherency_of(const struct p9_attr *a, uint8_t digest[DIGEST_SIZE])
{
	/* The first word says what follows: another program's digests are never taken for ours. */
	const uint64_t words[] = {
		htole64(0x3170396373660001), htole64((uint64_t)a->mtime.sec),
		htole64(a->mtime.nsec),      htole64((uint64_t)a->ctime.sec),
		htole64(a->ctime.nsec),      htole64(a->size),
		htole64(a->qid.version),     htole64(a->data_version),
	};
	uint8_t full[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)words, sizeof(words));
	SHA256Final(full, &ctx);
	memcpy(digest, full, DIGEST_SIZE);
}

bool cached_same(const struct p9_attr *a, const struct p9_attr *b)
{
	uint8_t da[DIGEST_SIZE], db[DIGEST_SIZE];

	coherency_of(a, da);
	coherency_of(b, db);
	return a->qid.path == b->qid.path && !memcmp(da, db, DIGEST_SIZE);
}

/* A file that changed a moment ago may change again and keep its timestamps. So, unless its last
 * change is so long ago that our clock and the server's can't disagree on it, what is asked for
 * before a tick has passed since we saw them isn't kept. */
static uint64_t keep_after(const struct remote *r)
{
	const struct p9_time *c = &r->attr.ctime, *m = &r->attr.mtime;
	int64_t slack = r->s->opt->clock_slack_s;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (c->sec < now.tv_sec - slack ||
	    (c->sec == now.tv_sec - slack && c->nsec <= (uint32_t)now.tv_nsec))
		return 0;
	return r->attr_ms + (c->nsec || m->nsec ? TICK_MS : COARSE_TICK_MS);
}

void cached_open(struct remote *r)
{
	uint64_t key = htole64(r->attr.qid.path);
	uint8_t digest[DIGEST_SIZE];
	struct fsc_cookie_params params;

	r->cookie = NULL;
	/* What the server doesn't vouch for is no proof of anything. */
	if ((r->attr.valid & NEEDED) != NEEDED)
		return;
	coherency_of(&r->attr, digest);
	r->keep_after_ms = keep_after(r);
	params = (struct fsc_cookie_params){
		.key = { &key, sizeof(key) },
		.coherency = { digest, sizeof(digest) },
		.size = r->attr.size,
		.keep_after_ms = r->keep_after_ms,
	};
	/* Any failure means uncached. -EBUSY is the one to expect: qid.path has no device number,
	 * so another file with ours may be open. The library counts it. */
	if (fsc_cookie_acquire(r->s->volume, &params, &r->cookie))
		r->cookie = NULL;
	fsc_cookie_use_wait(r->cookie, false);
}

void cached_close(struct remote *r, bool discard)
{
	fsc_cookie_unuse(r->cookie);
	fsc_cookie_relinquish_wait(r->cookie, discard);
	r->cookie = NULL;
}

/* --- Server reads ----------------------------------------------------------------------------- */

size_t cached_read_max(struct fsc_read *read)
{
	struct remote *r = read->netfs;

	return p9_read_max(r->s->client, r->fid);
}

/* On the 9P client's receiver thread. The payload is in the right place already. */
static void read_done(struct p9_read *p9, int64_t bytes_or_error)
{
	struct cached_read *cr = (struct cached_read *)p9;
	struct remote *r = cr->sreq->netfs;

	fsc_subreq_done(cr->sreq, bytes_or_error);
	/* Last: from here on the file may be closed, and be gone with the lock let go of. */
	pthread_mutex_lock(&r->lock);
	if (--r->reading == 0)
		pthread_cond_signal(&r->idle);
	pthread_mutex_unlock(&r->lock);
}

void cached_issue_read(struct fsc_subreq *sreq)
{
	struct cached_read *cr = sreq->priv;
	struct remote *r = sreq->netfs;

	pthread_mutex_lock(&r->lock);
	r->reading++;
	pthread_mutex_unlock(&r->lock);
	cr->sreq = sreq;
	cr->p9 = (struct p9_read){
		.fid = r->fid,
		.offset = sreq->pos,
		.buf = sreq->buf,
		.len = sreq->len < UINT32_MAX ? (uint32_t)sreq->len : UINT32_MAX,
		.done = read_done,
	};
	p9_read_start(r->s->client, &cr->p9);
}
