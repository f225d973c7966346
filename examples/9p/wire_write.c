// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * wire_write.c - the messages that change something, extended attributes and locks.
 */
#include "wire.h"

#include <errno.h>

/* A name that is to be made or to go away: the only ones that servers take without a walk. */
static void enc_name(struct p9_enc *e, struct p9_blob name)
{
	if (!e->error)
		e->error = p9_name_check(name);
	p9_enc_string(e, name);
}

/* ---- requests ---- */

int p9_enc_twrite(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count)
{
	uint64_t size = (uint64_t)P9_TWRITE_SIZE + count;
	struct p9_enc e;
	int n;

	p9_enc_begin(&e, buf, cap, P9_TWRITE);
	p9_enc_u32(&e, fid);
	p9_enc_u64(&e, offset);
	p9_enc_u32(&e, count);
	n = p9_enc_end(&e);
	if (size > INT32_MAX)
		return -EMSGSIZE;
	for (int i = 0; n > 0 && i < 4; i++)
		((uint8_t *)buf)[i] = (uint8_t)(size >> (8 * i));
	return n;
}

int p9_enc_tlcreate(void *buf, size_t cap, uint32_t fid, struct p9_blob name, uint32_t flags,
		    uint32_t mode, uint32_t gid)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TLCREATE);
	p9_enc_u32(&e, fid);
	enc_name(&e, name);
	p9_enc_u32(&e, flags);
	p9_enc_u32(&e, mode);
	p9_enc_u32(&e, gid);
	return p9_enc_end(&e);
}

int p9_enc_tsymlink(void *buf, size_t cap, uint32_t dfid, struct p9_blob name,
		    struct p9_blob target, uint32_t gid)
{
	struct p9_enc e;

	if (!target.len)
		return -EINVAL;
	p9_enc_begin(&e, buf, cap, P9_TSYMLINK);
	p9_enc_u32(&e, dfid);
	enc_name(&e, name);
	p9_enc_string(&e, target);
	p9_enc_u32(&e, gid);
	return p9_enc_end(&e);
}

int p9_enc_tmknod(void *buf, size_t cap, uint32_t dfid, struct p9_blob name, uint32_t mode,
		  uint32_t major, uint32_t minor, uint32_t gid)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TMKNOD);
	p9_enc_u32(&e, dfid);
	enc_name(&e, name);
	p9_enc_u32(&e, mode);
	p9_enc_u32(&e, major);
	p9_enc_u32(&e, minor);
	p9_enc_u32(&e, gid);
	return p9_enc_end(&e);
}

int p9_enc_tmkdir(void *buf, size_t cap, uint32_t dfid, struct p9_blob name, uint32_t mode,
		  uint32_t gid)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TMKDIR);
	p9_enc_u32(&e, dfid);
	enc_name(&e, name);
	p9_enc_u32(&e, mode);
	p9_enc_u32(&e, gid);
	return p9_enc_end(&e);
}

int p9_enc_tlink(void *buf, size_t cap, uint32_t dfid, uint32_t fid, struct p9_blob name)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TLINK);
	p9_enc_u32(&e, dfid);
	p9_enc_u32(&e, fid);
	enc_name(&e, name);
	return p9_enc_end(&e);
}

int p9_enc_trename(void *buf, size_t cap, uint32_t fid, uint32_t dfid, struct p9_blob name)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TRENAME);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, dfid);
	enc_name(&e, name);
	return p9_enc_end(&e);
}

int p9_enc_trenameat(void *buf, size_t cap, uint32_t olddirfid, struct p9_blob oldname,
		     uint32_t newdirfid, struct p9_blob newname)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TRENAMEAT);
	p9_enc_u32(&e, olddirfid);
	enc_name(&e, oldname);
	p9_enc_u32(&e, newdirfid);
	enc_name(&e, newname);
	return p9_enc_end(&e);
}

int p9_enc_tunlinkat(void *buf, size_t cap, uint32_t dirfid, struct p9_blob name, uint32_t flags)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TUNLINKAT);
	p9_enc_u32(&e, dirfid);
	enc_name(&e, name);
	p9_enc_u32(&e, flags);
	return p9_enc_end(&e);
}

int p9_enc_tremove(void *buf, size_t cap, uint32_t fid)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TREMOVE);
	p9_enc_u32(&e, fid);
	return p9_enc_end(&e);
}

int p9_enc_tsetattr(void *buf, size_t cap, uint32_t fid, const struct p9_setattr *set)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TSETATTR);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, set->valid);
	p9_enc_u32(&e, set->mode);
	p9_enc_u32(&e, set->uid);
	p9_enc_u32(&e, set->gid);
	p9_enc_u64(&e, set->size);
	p9_enc_u64(&e, (uint64_t)set->atime.sec);
	p9_enc_u64(&e, set->atime.nsec);
	p9_enc_u64(&e, (uint64_t)set->mtime.sec);
	p9_enc_u64(&e, set->mtime.nsec);
	return p9_enc_end(&e);
}

int p9_enc_tfsync(void *buf, size_t cap, uint32_t fid, bool data_only)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TFSYNC);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, data_only);
	return p9_enc_end(&e);
}

int p9_enc_txattrwalk(void *buf, size_t cap, uint32_t fid, uint32_t newfid, struct p9_blob name)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TXATTRWALK);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, newfid);
	p9_enc_string(&e, name);
	return p9_enc_end(&e);
}

int p9_enc_txattrcreate(void *buf, size_t cap, uint32_t fid, struct p9_blob name, uint64_t size,
			uint32_t flags)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TXATTRCREATE);
	p9_enc_u32(&e, fid);
	p9_enc_string(&e, name);
	p9_enc_u64(&e, size);
	p9_enc_u32(&e, flags);
	return p9_enc_end(&e);
}

static void enc_lock(struct p9_enc *e, const struct p9_lock *lock)
{
	p9_enc_u64(e, lock->start);
	p9_enc_u64(e, lock->length);
	p9_enc_u32(e, lock->proc_id);
	p9_enc_string(e, lock->client_id);
}

int p9_enc_tlock(void *buf, size_t cap, uint32_t fid, const struct p9_lock *lock, uint32_t flags)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TLOCK);
	p9_enc_u32(&e, fid);
	p9_enc_u8(&e, lock->type);
	p9_enc_u32(&e, flags);
	enc_lock(&e, lock);
	return p9_enc_end(&e);
}

int p9_enc_tgetlock(void *buf, size_t cap, uint32_t fid, const struct p9_lock *lock)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TGETLOCK);
	p9_enc_u32(&e, fid);
	p9_enc_u8(&e, lock->type);
	enc_lock(&e, lock);
	return p9_enc_end(&e);
}

/* ---- replies ---- */

int p9_dec_rqid(const void *msg, size_t len, uint8_t type, struct p9_qid *qid)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, type);
	*qid = p9_dec_qid(&d);
	return p9_dec_end(&d);
}

int p9_dec_rlcreate(const void *msg, size_t len, struct p9_qid *qid, uint32_t *iounit)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RLCREATE);
	*qid = p9_dec_qid(&d);
	*iounit = p9_dec_u32(&d);
	return p9_dec_end(&d);
}

int p9_dec_rwrite(const void *msg, size_t len, uint32_t *count)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RWRITE);
	*count = p9_dec_u32(&d);
	return p9_dec_end(&d);
}

int p9_dec_rxattrwalk(const void *msg, size_t len, uint64_t *size)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RXATTRWALK);
	*size = p9_dec_u64(&d);
	return *size > INT64_MAX ? -EBADMSG : p9_dec_end(&d);
}

int p9_dec_rlock(const void *msg, size_t len, uint8_t *status)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RLOCK);
	*status = p9_dec_u8(&d);
	return *status > P9_LOCK_GRACE ? -EBADMSG : p9_dec_end(&d);
}

int p9_dec_rgetlock(const void *msg, size_t len, struct p9_lock *out)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RGETLOCK);
	out->type = p9_dec_u8(&d);
	out->start = p9_dec_u64(&d);
	out->length = p9_dec_u64(&d);
	out->proc_id = p9_dec_u32(&d);
	out->client_id = p9_dec_string(&d);
	return out->type > P9_LOCK_UNLCK ? -EBADMSG : p9_dec_end(&d);
}
