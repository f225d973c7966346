// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * client_write.c - the calls that change something, extended attributes and locks.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>

enum {
	NAMED_SIZE = 640,    /* a message with two names and some numbers */
	XATTR_NAME_MAX = 255,
	LOCK_SIZE = 640,     /* a message about a lock */
	CLIENT_ID_MAX = 512,
};

/* Of which nothing but the type is to be known. */
static int call_empty(struct p9_client *c, uint32_t fid, uint8_t *msg, int len, uint8_t reply_type)
{
	uint8_t reply[P9_HEADER];
	int64_t n = p9_call(c, fid, msg, len, reply, sizeof(reply));

	if (n < 0)
		return (int)n;
	return p9_dec_rempty(reply, (size_t)n, reply_type) ? p9_bad_reply(c, reply_type) : 0;
}

static int call_qid(struct p9_client *c, uint32_t fid, uint8_t *msg, int len, uint8_t reply_type,
		    struct p9_qid *qid)
{
	uint8_t reply[P9_HEADER + P9_QID_SIZE];
	int64_t n = p9_call(c, fid, msg, len, reply, sizeof(reply));

	if (n < 0)
		return (int)n;
	return p9_dec_rqid(reply, (size_t)n, reply_type, qid) ? p9_bad_reply(c, reply_type) : 0;
}

/* ---- what makes something new ---- */

int p9_lcreate(struct p9_client *c, uint32_t fid, struct p9_blob name, uint32_t flags,
	       uint32_t mode, uint32_t gid, struct p9_qid *qid)
{
	uint8_t msg[NAMED_SIZE], reply[P9_HEADER + P9_QID_SIZE + 4];
	int64_t n = p9_call(c, fid, msg,
			    p9_enc_tlcreate(msg, sizeof(msg), fid, name, flags, mode, gid), reply,
			    sizeof(reply));
	uint32_t iounit;

	if (n < 0)
		return (int)n;
	if (p9_dec_rlcreate(reply, (size_t)n, qid, &iounit))
		return p9_bad_reply(c, P9_RLCREATE);
	p9_fid_opened(c, fid, iounit);
	return 0;
}

int p9_symlink(struct p9_client *c, uint32_t dfid, struct p9_blob name, struct p9_blob target,
	       uint32_t gid, struct p9_qid *qid)
{
	size_t cap = NAMED_SIZE + target.len;
	uint8_t *msg = malloc(cap);
	int err;

	if (!msg)
		return -ENOMEM;
	err = call_qid(c, dfid, msg, p9_enc_tsymlink(msg, cap, dfid, name, target, gid),
		       P9_RSYMLINK, qid);
	free(msg);
	return err;
}

int p9_mknod(struct p9_client *c, uint32_t dfid, struct p9_blob name, uint32_t mode,
	     uint32_t major, uint32_t minor, uint32_t gid, struct p9_qid *qid)
{
	uint8_t msg[NAMED_SIZE];

	return call_qid(c, dfid, msg,
			p9_enc_tmknod(msg, sizeof(msg), dfid, name, mode, major, minor, gid),
			P9_RMKNOD, qid);
}

int p9_mkdir(struct p9_client *c, uint32_t dfid, struct p9_blob name, uint32_t mode, uint32_t gid,
	     struct p9_qid *qid)
{
	uint8_t msg[NAMED_SIZE];

	return call_qid(c, dfid, msg, p9_enc_tmkdir(msg, sizeof(msg), dfid, name, mode, gid),
			P9_RMKDIR, qid);
}

int p9_link(struct p9_client *c, uint32_t dfid, uint32_t fid, struct p9_blob name)
{
	uint8_t msg[NAMED_SIZE];

	return call_empty(c, dfid, msg, p9_enc_tlink(msg, sizeof(msg), dfid, fid, name), P9_RLINK);
}

/* ---- what moves or removes names ---- */

int p9_rename(struct p9_client *c, uint32_t fid, uint32_t dfid, struct p9_blob name)
{
	uint8_t msg[NAMED_SIZE];

	return call_empty(c, fid, msg, p9_enc_trename(msg, sizeof(msg), fid, dfid, name),
			  P9_RRENAME);
}

int p9_renameat(struct p9_client *c, uint32_t olddirfid, struct p9_blob oldname,
		uint32_t newdirfid, struct p9_blob newname)
{
	uint8_t msg[NAMED_SIZE];

	return call_empty(c, olddirfid, msg,
			  p9_enc_trenameat(msg, sizeof(msg), olddirfid, oldname, newdirfid,
					   newname),
			  P9_RRENAMEAT);
}

int p9_unlinkat(struct p9_client *c, uint32_t dirfid, struct p9_blob name, uint32_t flags)
{
	uint8_t msg[NAMED_SIZE];

	return call_empty(c, dirfid, msg, p9_enc_tunlinkat(msg, sizeof(msg), dirfid, name, flags),
			  P9_RUNLINKAT);
}

int p9_remove(struct p9_client *c, uint32_t fid)
{
	uint8_t msg[16];
	int err;

	if (!p9_read_max(c, fid))
		return -EBADF;
	if (p9_on_receiver(c))
		return -EDEADLK;
	err = call_empty(c, fid, msg, p9_enc_tremove(msg, sizeof(msg), fid), P9_RREMOVE);
	p9_fid_release(c, fid);
	return err;
}

/* ---- attributes, data ---- */

int p9_setattr(struct p9_client *c, uint32_t fid, const struct p9_setattr *set)
{
	uint8_t msg[80];

	return call_empty(c, fid, msg, p9_enc_tsetattr(msg, sizeof(msg), fid, set), P9_RSETATTR);
}

int p9_fsync(struct p9_client *c, uint32_t fid, bool data_only)
{
	uint8_t msg[16];

	return call_empty(c, fid, msg, p9_enc_tfsync(msg, sizeof(msg), fid, data_only), P9_RFSYNC);
}

/* ---- extended attributes ---- */

int p9_xattrwalk(struct p9_client *c, uint32_t fid, struct p9_blob name, uint32_t *newfid,
		 uint64_t *size)
{
	uint8_t msg[NAMED_SIZE], reply[P9_HEADER + 8];
	uint32_t to;
	int64_t n;

	if (name.len > XATTR_NAME_MAX)
		return -ERANGE;
	n = p9_fid_alloc(c, &to);
	if (n)
		return (int)n;
	n = fid == to ? -EBADF : p9_call(c, fid, msg,
					 p9_enc_txattrwalk(msg, sizeof(msg), fid, to, name), reply,
					 sizeof(reply));
	if (n >= 0)
		n = p9_dec_rxattrwalk(reply, (size_t)n, size) ? p9_bad_reply(c, P9_RXATTRWALK) : 0;
	if (n)
		p9_fid_release(c, to);
	else
		*newfid = to;
	return (int)n;
}

int p9_xattrcreate(struct p9_client *c, uint32_t fid, struct p9_blob name, uint64_t size,
		   uint32_t flags)
{
	uint8_t msg[NAMED_SIZE];

	if (!name.len || name.len > XATTR_NAME_MAX)
		return -ERANGE;
	return call_empty(c, fid, msg,
			  p9_enc_txattrcreate(msg, sizeof(msg), fid, name, size, flags),
			  P9_RXATTRCREATE);
}

/* ---- locks ---- */

int p9_lock(struct p9_client *c, uint32_t fid, const struct p9_lock *lock, uint8_t *status)
{
	uint8_t msg[LOCK_SIZE], reply[P9_HEADER + 1];
	int64_t n;

	if (lock->client_id.len > CLIENT_ID_MAX)
		return -EINVAL;
	n = p9_call(c, fid, msg, p9_enc_tlock(msg, sizeof(msg), fid, lock, 0), reply,
		    sizeof(reply));
	if (n < 0)
		return (int)n;
	return p9_dec_rlock(reply, (size_t)n, status) ? p9_bad_reply(c, P9_RLOCK) : 0;
}

int p9_getlock(struct p9_client *c, uint32_t fid, struct p9_lock *lock)
{
	/* Its client_id is somebody else's, and may be of any length. */
	size_t cap = P9_HEADER + 21 + 2 + P9_STRING_MAX;
	uint8_t msg[LOCK_SIZE], *reply;
	struct p9_lock found;
	int64_t n;

	if (lock->client_id.len > CLIENT_ID_MAX)
		return -EINVAL;
	reply = malloc(cap);
	if (!reply)
		return -ENOMEM;
	n = p9_call(c, fid, msg, p9_enc_tgetlock(msg, sizeof(msg), fid, lock), reply, cap);
	if (n >= 0)
		n = p9_dec_rgetlock(reply, (size_t)n, &found) ? p9_bad_reply(c, P9_RGETLOCK) : 0;
	if (!n) {
		found.client_id = (struct p9_blob){ NULL, 0 };
		*lock = found;
	}
	free(reply);
	return (int)n;
}
