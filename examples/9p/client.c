// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * client.c - the calls: each one message, its reply, and what they mean for fids.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ATTACH_SIZE = 8192, /* longest Tattach */
	DIRENT_LONGEST = P9_QID_SIZE + 8 + 1 + 2 + P9_NAME_MAX,
};

struct call {
	struct p9_req req;
	struct p9_client *c;
	pthread_cond_t cond;
	bool ended;
	int64_t result;
};

/* The caller may return, and its stack go, as soon as it gets the lock: so signal with
 * the lock held. */
static void call_complete(struct p9_req *req, int64_t result)
{
	struct call *call = (struct call *)((char *)req - offsetof(struct call, req));
	pthread_mutex_t *lock = &call->c->lock;

	pthread_mutex_lock(lock);
	call->result = result;
	call->ended = true;
	pthread_cond_signal(&call->cond);
	pthread_mutex_unlock(lock);
}

bool p9_on_receiver(struct p9_client *c)
{
	return pthread_equal(pthread_self(), c->thread);
}

bool p9_fid_ok(struct p9_client *c, uint32_t fid)
{
	return fid < c->fids_seen && c->fids[fid].used;
}

int64_t p9_call(struct p9_client *c, uint32_t fid, uint8_t *msg, int len, void *reply,
			size_t reply_cap)
{
	struct call call = { .c = c, .cond = PTHREAD_COND_INITIALIZER };
	int err;

	if (len < 0)
		return len;
	if ((uint32_t)len > c->msize)
		return -EMSGSIZE;
	if (p9_on_receiver(c))
		return -EDEADLK;
	call.req = (struct p9_req){
		.msg = msg, .reply = reply, .reply_cap = (uint32_t)reply_cap,
		.out.len = (uint32_t)len, .complete = call_complete,
	};
	pthread_mutex_lock(&c->lock);
	err = fid == P9_NOFID || p9_fid_ok(c, fid) ? p9_submit(c, &call.req, false) : -EBADF;
	while (!err && !call.ended)
		pthread_cond_wait(&call.cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&call.cond);
	return err ? err : call.result;
}

int p9_fid_alloc(struct p9_client *c, uint32_t *out)
{
	int64_t fid;

	pthread_mutex_lock(&c->lock);
	fid = c->fid_free;
	if (fid != NO_FREE_FID)
		c->fid_free = c->fids[fid].next_free;
	else if (c->fids_seen < c->max_fids)
		fid = c->fids_seen++;
	if (fid != NO_FREE_FID)
		c->fids[fid] = (struct fid){ .used = true };
	pthread_mutex_unlock(&c->lock);
	*out = (uint32_t)fid;
	return fid == NO_FREE_FID ? -EMFILE : 0;
}

void p9_fid_release(struct p9_client *c, uint32_t fid)
{
	pthread_mutex_lock(&c->lock);
	if (p9_fid_ok(c, fid)) {
		c->fids[fid] = (struct fid){ .next_free = c->fid_free };
		c->fid_free = fid;
	}
	pthread_mutex_unlock(&c->lock);
}

void p9_fid_opened(struct p9_client *c, uint32_t fid, uint32_t iounit)
{
	pthread_mutex_lock(&c->lock);
	if (p9_fid_ok(c, fid))
		c->fids[fid].iounit = iounit;
	pthread_mutex_unlock(&c->lock);
}

int p9_attach(struct p9_client *c, struct p9_blob uname, uint32_t n_uname, struct p9_blob aname,
	      uint32_t *fid)
{
	uint8_t msg[ATTACH_SIZE], reply[P9_HEADER + P9_QID_SIZE];
	struct p9_qid qid;
	uint32_t newfid;
	int64_t n;

	n = p9_fid_alloc(c, &newfid);
	if (n)
		return (int)n;
	n = p9_call(c, P9_NOFID, msg,
		     p9_enc_tattach(msg, sizeof(msg), newfid, P9_NOFID, uname, aname, n_uname),
		     reply, sizeof(reply));
	if (n >= 0)
		n = p9_dec_rattach(reply, (size_t)n, &qid) ? p9_bad_reply(c, P9_RATTACH) : 0;
	if (n)
		p9_fid_release(c, newfid);
	else
		*fid = newfid;
	return (int)n;
}

static int walk_some(struct p9_client *c, uint32_t fid, uint32_t newfid,
		     const struct p9_blob *names, unsigned int n, struct p9_qid *last)
{
	uint8_t msg[P9_HEADER + 10 + P9_WALK_MAX * (2 + P9_NAME_MAX)], reply[P9_RWALK_MAX];
	struct p9_qid qids[P9_WALK_MAX];
	unsigned int walked;
	int64_t len;

	len = p9_call(c, fid, msg, p9_enc_twalk(msg, sizeof(msg), fid, newfid, names, n), reply,
		       sizeof(reply));
	if (len < 0)
		return (int)len;
	if (p9_dec_rwalk(reply, (size_t)len, qids, &walked))
		return p9_bad_reply(c, P9_RWALK);
	if (walked > n)
		return p9_fail(c, -EPROTO, "Rwalk of %u names in answer to %u", walked, n);
	if (last && walked)
		*last = qids[walked - 1];
	return walked < n ? -ENOENT : 0;
}

int p9_walk_qid(struct p9_client *c, uint32_t fid, const struct p9_blob *names, size_t count,
		uint32_t *newfid, struct p9_qid *qid)
{
	bool established = false;
	unsigned int n;
	uint32_t to;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = p9_name_check(names[i]);
	if (!err)
		err = p9_fid_alloc(c, &to);
	if (err)
		return err;
	do {
		n = p9_walk_fit(names, count, c->msize);
		if (fid == to && !established)
			err = -EBADF; /* a bad fid, and just now its number was given out */
		else if (count && !n)
			err = -ENAMETOOLONG;
		else
			err = walk_some(c, established ? to : fid, to, names, n, qid);
		if (err)
			break;
		established = true; /* the server knows it from here on */
		names += n;
		count -= n;
	} while (count);
	if (!err)
		*newfid = to;
	else if (established)
		p9_clunk(c, to);
	else
		p9_fid_release(c, to);
	return err;
}

int p9_walk(struct p9_client *c, uint32_t fid, const struct p9_blob *names, size_t count,
	    uint32_t *newfid)
{
	return p9_walk_qid(c, fid, names, count, newfid, NULL);
}

int p9_getattr(struct p9_client *c, uint32_t fid, struct p9_attr *out)
{
	uint8_t msg[32], reply[160];
	int64_t n = p9_call(c, fid, msg, p9_enc_tgetattr(msg, sizeof(msg), fid, P9_ATTR_ALL),
			     reply, sizeof(reply));

	if (n < 0)
		return (int)n;
	return p9_dec_rgetattr(reply, (size_t)n, out) ? p9_bad_reply(c, P9_RGETATTR) : 0;
}

int p9_lopen_qid(struct p9_client *c, uint32_t fid, uint32_t flags, uint32_t *iounit,
		 struct p9_qid *opened)
{
	uint8_t msg[32], reply[P9_HEADER + P9_QID_SIZE + 4];
	int64_t n = p9_call(c, fid, msg, p9_enc_tlopen(msg, sizeof(msg), fid, flags), reply,
			     sizeof(reply));
	struct p9_qid qid;
	uint32_t unit;

	if (n < 0)
		return (int)n;
	if (p9_dec_rlopen(reply, (size_t)n, &qid, &unit))
		return p9_bad_reply(c, P9_RLOPEN);
	p9_fid_opened(c, fid, unit);
	if (iounit)
		*iounit = unit;
	if (opened)
		*opened = qid;
	return 0;
}

int p9_lopen(struct p9_client *c, uint32_t fid, uint32_t flags, uint32_t *iounit)
{
	return p9_lopen_qid(c, fid, flags, iounit, NULL);
}

int64_t p9_readdir(struct p9_client *c, uint32_t fid, uint64_t offset, void *buf, size_t size)
{
	uint32_t most = c->msize - P9_IO_HEADER;
	struct p9_dirent entry;
	uint8_t msg[32];
	struct p9_dec d;
	int64_t n;
	int more;

	if (size < DIRENT_LONGEST)
		return -EINVAL;
	if (size < most)
		most = (uint32_t)size;
	n = p9_call(c, fid, msg, p9_enc_treaddir(msg, sizeof(msg), fid, offset, most), buf, most);
	if (n < 0)
		return n;
	p9_dec_init(&d, buf, (size_t)n);
	while ((more = p9_dec_dirent(&d, &entry)) > 0)
		;
	return more ? p9_bad_reply(c, P9_RREADDIR) : n;
}

int64_t p9_readlink(struct p9_client *c, uint32_t fid, void *buf, size_t size)
{
	size_t cap = P9_HEADER + 2 + P9_STRING_MAX;
	uint8_t msg[16], *reply = malloc(cap);
	struct p9_blob target;
	int64_t n;

	if (!reply)
		return -ENOMEM;
	n = p9_call(c, fid, msg, p9_enc_treadlink(msg, sizeof(msg), fid), reply, cap);
	if (n >= 0 && p9_dec_rreadlink(reply, (size_t)n, &target)) {
		n = p9_bad_reply(c, P9_RREADLINK);
	} else if (n >= 0) {
		n = target.len <= size ? (int64_t)target.len : -ERANGE;
		if (n > 0)
			memcpy(buf, target.data, target.len);
	}
	free(reply);
	return n;
}

int p9_statfs(struct p9_client *c, uint32_t fid, struct p9_statfs *out)
{
	uint8_t msg[16], reply[P9_HEADER + 60];
	int64_t n = p9_call(c, fid, msg, p9_enc_tstatfs(msg, sizeof(msg), fid), reply,
			     sizeof(reply));

	if (n < 0)
		return (int)n;
	return p9_dec_rstatfs(reply, (size_t)n, out) ? p9_bad_reply(c, P9_RSTATFS) : 0;
}

int p9_clunk(struct p9_client *c, uint32_t fid)
{
	uint8_t msg[P9_TCLUNK_SIZE], reply[P9_HEADER];
	int64_t n;

	/* Tested here, since a server may answer with these same two errors. */
	if (!p9_read_max(c, fid))
		return -EBADF;
	if (p9_on_receiver(c))
		return -EDEADLK;
	n = p9_call(c, fid, msg, p9_enc_tclunk(msg, sizeof(msg), fid), reply, sizeof(reply));
	p9_fid_release(c, fid);
	return n < 0 ? (int)n : 0;
}
