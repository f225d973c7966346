// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * wire.c - 9P2000.L messages to bytes and back.
 *
 * Two cursors with a sticky error, and one short function per message on top. A
 * message's encoder and parser list its fields in the order of the protocol, so that
 * each can be read beside the specification.
 */
#include "wire.h"

#include <errno.h>
#include <string.h>

/* ---- writing ---- */

static uint8_t *enc_room(struct p9_enc *e, size_t n)
{
	uint8_t *at;

	if (e->error)
		return NULL;
	if (n > e->cap - e->len) {
		e->error = -EMSGSIZE;
		return NULL;
	}
	at = e->buf + e->len;
	e->len += n;
	return at;
}

static void put_le(uint8_t *at, uint64_t v, size_t n)
{
	for (size_t i = 0; at && i < n; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

void p9_enc_u8(struct p9_enc *e, uint8_t v)
{
	put_le(enc_room(e, 1), v, 1);
}

void p9_enc_u16(struct p9_enc *e, uint16_t v)
{
	put_le(enc_room(e, 2), v, 2);
}

void p9_enc_u32(struct p9_enc *e, uint32_t v)
{
	put_le(enc_room(e, 4), v, 4);
}

void p9_enc_u64(struct p9_enc *e, uint64_t v)
{
	put_le(enc_room(e, 8), v, 8);
}

void p9_enc_string(struct p9_enc *e, struct p9_blob s)
{
	uint8_t *at;

	if (s.len > P9_STRING_MAX) {
		if (!e->error)
			e->error = -EINVAL;
		return;
	}
	p9_enc_u16(e, (uint16_t)s.len);
	at = enc_room(e, s.len);
	if (at && s.len)
		memcpy(at, s.data, s.len);
}

void p9_enc_begin(struct p9_enc *e, void *buf, size_t cap, uint8_t type)
{
	*e = (struct p9_enc){ .buf = buf, .cap = cap };
	p9_enc_u32(e, 0);
	p9_enc_u8(e, type);
	p9_enc_u16(e, P9_NOTAG);
}

int p9_enc_end(struct p9_enc *e)
{
	if (e->error)
		return e->error;
	if (e->len > INT32_MAX)
		return -EMSGSIZE;
	put_le(e->buf, e->len, 4);
	return (int)e->len;
}

/* ---- reading ---- */

static const uint8_t *dec_take(struct p9_dec *d, size_t n)
{
	const uint8_t *at;

	if (d->bad || n > d->len - d->pos) {
		d->bad = true;
		return NULL;
	}
	at = d->buf + d->pos;
	d->pos += n;
	return at;
}

static uint64_t dec_le(struct p9_dec *d, size_t n)
{
	const uint8_t *at = dec_take(d, n);
	uint64_t v = 0;

	for (size_t i = 0; at && i < n; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

void p9_dec_init(struct p9_dec *d, const void *buf, size_t len)
{
	*d = (struct p9_dec){ .buf = buf, .len = len };
}

uint8_t p9_dec_u8(struct p9_dec *d)
{
	return (uint8_t)dec_le(d, 1);
}

uint16_t p9_dec_u16(struct p9_dec *d)
{
	return (uint16_t)dec_le(d, 2);
}

uint32_t p9_dec_u32(struct p9_dec *d)
{
	return (uint32_t)dec_le(d, 4);
}

uint64_t p9_dec_u64(struct p9_dec *d)
{
	return dec_le(d, 8);
}

struct p9_blob p9_dec_string(struct p9_dec *d)
{
	size_t len = p9_dec_u16(d);
	const uint8_t *at = dec_take(d, len);

	return (struct p9_blob){ .data = at, .len = at ? len : 0 };
}

struct p9_qid p9_dec_qid(struct p9_dec *d)
{
	struct p9_qid qid;

	qid.type = p9_dec_u8(d);
	qid.version = p9_dec_u32(d);
	qid.path = p9_dec_u64(d);
	return qid;
}

void p9_dec_begin(struct p9_dec *d, const void *msg, size_t len, uint8_t type)
{
	p9_dec_init(d, msg, len);
	if (p9_dec_u32(d) != len)
		d->bad = true;
	if (p9_dec_u8(d) != type)
		d->bad = true;
	p9_dec_u16(d);
}

int p9_dec_end(const struct p9_dec *d)
{
	return d->bad || d->pos != d->len ? -EBADMSG : 0;
}

/* ---- small things ---- */

void p9_msg_set_tag(void *msg, uint16_t tag)
{
	put_le((uint8_t *)msg + 5, tag, 2);
}

const char *p9_type_name(uint8_t type)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {
		{ P9_RLERROR, "Rlerror" }, { P9_RERROR, "Rerror" },
		{ P9_TSTATFS, "Tstatfs" }, { P9_RSTATFS, "Rstatfs" },
		{ P9_TLOPEN, "Tlopen" }, { P9_RLOPEN, "Rlopen" },
		{ P9_TREADLINK, "Treadlink" }, { P9_RREADLINK, "Rreadlink" },
		{ P9_TGETATTR, "Tgetattr" }, { P9_RGETATTR, "Rgetattr" },
		{ P9_TREADDIR, "Treaddir" }, { P9_RREADDIR, "Rreaddir" },
		{ P9_TVERSION, "Tversion" }, { P9_RVERSION, "Rversion" },
		{ P9_TATTACH, "Tattach" }, { P9_RATTACH, "Rattach" },
		{ P9_TFLUSH, "Tflush" }, { P9_RFLUSH, "Rflush" },
		{ P9_TWALK, "Twalk" }, { P9_RWALK, "Rwalk" },
		{ P9_TREAD, "Tread" }, { P9_RREAD, "Rread" },
		{ P9_TCLUNK, "Tclunk" }, { P9_RCLUNK, "Rclunk" },
		{ P9_TLCREATE, "Tlcreate" }, { P9_RLCREATE, "Rlcreate" },
		{ P9_TSYMLINK, "Tsymlink" }, { P9_RSYMLINK, "Rsymlink" },
		{ P9_TMKNOD, "Tmknod" }, { P9_RMKNOD, "Rmknod" },
		{ P9_TRENAME, "Trename" }, { P9_RRENAME, "Rrename" },
		{ P9_TSETATTR, "Tsetattr" }, { P9_RSETATTR, "Rsetattr" },
		{ P9_TXATTRWALK, "Txattrwalk" }, { P9_RXATTRWALK, "Rxattrwalk" },
		{ P9_TXATTRCREATE, "Txattrcreate" }, { P9_RXATTRCREATE, "Rxattrcreate" },
		{ P9_TFSYNC, "Tfsync" }, { P9_RFSYNC, "Rfsync" },
		{ P9_TLOCK, "Tlock" }, { P9_RLOCK, "Rlock" },
		{ P9_TGETLOCK, "Tgetlock" }, { P9_RGETLOCK, "Rgetlock" },
		{ P9_TLINK, "Tlink" }, { P9_RLINK, "Rlink" },
		{ P9_TMKDIR, "Tmkdir" }, { P9_RMKDIR, "Rmkdir" },
		{ P9_TRENAMEAT, "Trenameat" }, { P9_RRENAMEAT, "Rrenameat" },
		{ P9_TUNLINKAT, "Tunlinkat" }, { P9_RUNLINKAT, "Runlinkat" },
		{ P9_TWRITE, "Twrite" }, { P9_RWRITE, "Rwrite" },
		{ P9_TREMOVE, "Tremove" }, { P9_RREMOVE, "Rremove" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return "message";
}

int p9_name_check(struct p9_blob name)
{
	if (name.len > P9_NAME_MAX)
		return -ENAMETOOLONG;
	return name.len && !memchr(name.data, '/', name.len) &&
	       !memchr(name.data, '\0', name.len) ? 0 : -EINVAL;
}

unsigned int p9_walk_fit(const struct p9_blob *names, size_t count, uint32_t msize)
{
	size_t size = P9_HEADER + 4 + 4 + 2;
	unsigned int n = 0;

	while (n < count && n < P9_WALK_MAX && size + 2 + names[n].len <= msize)
		size += 2 + names[n++].len;
	return n;
}

/* ---- requests ---- */

int p9_enc_tversion(void *buf, size_t cap, uint32_t msize, struct p9_blob version)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TVERSION);
	p9_enc_u32(&e, msize);
	p9_enc_string(&e, version);
	return p9_enc_end(&e);
}

int p9_enc_tattach(void *buf, size_t cap, uint32_t fid, uint32_t afid, struct p9_blob uname,
		   struct p9_blob aname, uint32_t n_uname)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TATTACH);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, afid);
	p9_enc_string(&e, uname);
	p9_enc_string(&e, aname);
	p9_enc_u32(&e, n_uname);
	return p9_enc_end(&e);
}

int p9_enc_twalk(void *buf, size_t cap, uint32_t fid, uint32_t newfid,
		 const struct p9_blob *names, size_t count)
{
	struct p9_enc e;

	if (count > P9_WALK_MAX)
		return -EINVAL;
	p9_enc_begin(&e, buf, cap, P9_TWALK);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, newfid);
	p9_enc_u16(&e, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		if (p9_name_check(names[i]))
			return p9_name_check(names[i]);
		p9_enc_string(&e, names[i]);
	}
	return p9_enc_end(&e);
}

int p9_enc_tgetattr(void *buf, size_t cap, uint32_t fid, uint64_t mask)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TGETATTR);
	p9_enc_u32(&e, fid);
	p9_enc_u64(&e, mask);
	return p9_enc_end(&e);
}

int p9_enc_tlopen(void *buf, size_t cap, uint32_t fid, uint32_t flags)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TLOPEN);
	p9_enc_u32(&e, fid);
	p9_enc_u32(&e, flags);
	return p9_enc_end(&e);
}

static int enc_range(void *buf, size_t cap, uint8_t type, uint32_t fid, uint64_t offset,
		     uint32_t count)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, type);
	p9_enc_u32(&e, fid);
	p9_enc_u64(&e, offset);
	p9_enc_u32(&e, count);
	return p9_enc_end(&e);
}

int p9_enc_tread(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count)
{
	return enc_range(buf, cap, P9_TREAD, fid, offset, count);
}

int p9_enc_treaddir(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count)
{
	return enc_range(buf, cap, P9_TREADDIR, fid, offset, count);
}

static int enc_fid(void *buf, size_t cap, uint8_t type, uint32_t fid)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, type);
	p9_enc_u32(&e, fid);
	return p9_enc_end(&e);
}

int p9_enc_treadlink(void *buf, size_t cap, uint32_t fid)
{
	return enc_fid(buf, cap, P9_TREADLINK, fid);
}

int p9_enc_tstatfs(void *buf, size_t cap, uint32_t fid)
{
	return enc_fid(buf, cap, P9_TSTATFS, fid);
}

int p9_enc_tclunk(void *buf, size_t cap, uint32_t fid)
{
	return enc_fid(buf, cap, P9_TCLUNK, fid);
}

int p9_enc_tflush(void *buf, size_t cap, uint16_t oldtag)
{
	struct p9_enc e;

	p9_enc_begin(&e, buf, cap, P9_TFLUSH);
	p9_enc_u16(&e, oldtag);
	return p9_enc_end(&e);
}

/* ---- replies ---- */

int p9_dec_header(const void *msg, size_t len, struct p9_header *out)
{
	struct p9_dec d;

	p9_dec_init(&d, msg, len);
	out->size = p9_dec_u32(&d);
	out->type = p9_dec_u8(&d);
	out->tag = p9_dec_u16(&d);
	return d.bad || out->size < P9_HEADER ? -EBADMSG : 0;
}

int p9_dec_error(const void *msg, size_t len, int *error)
{
	struct p9_dec d;
	uint32_t code;

	if (len > 4 && ((const uint8_t *)msg)[4] == P9_RERROR)
		p9_dec_begin(&d, msg, len, P9_RERROR);
	else
		p9_dec_begin(&d, msg, len, P9_RLERROR);
	code = p9_dec_u32(&d);
	*error = code >= 1 && code <= 4095 ? (int)code : EIO;
	return p9_dec_end(&d);
}

int p9_dec_rversion(const void *msg, size_t len, uint32_t *msize, struct p9_blob *version)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RVERSION);
	*msize = p9_dec_u32(&d);
	*version = p9_dec_string(&d);
	return p9_dec_end(&d);
}

int p9_dec_rattach(const void *msg, size_t len, struct p9_qid *qid)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RATTACH);
	*qid = p9_dec_qid(&d);
	return p9_dec_end(&d);
}

int p9_dec_rwalk(const void *msg, size_t len, struct p9_qid *qids, unsigned int *count)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RWALK);
	*count = p9_dec_u16(&d);
	if (*count > P9_WALK_MAX)
		return -EBADMSG;
	for (unsigned int i = 0; i < *count; i++)
		qids[i] = p9_dec_qid(&d);
	return p9_dec_end(&d);
}

/* A time the server doesn't vouch for may hold anything, and reads as zero. */
static struct p9_time dec_time(struct p9_dec *d, bool valid)
{
	uint64_t sec = p9_dec_u64(d);
	uint64_t nsec = p9_dec_u64(d);

	if (!valid)
		return (struct p9_time){ 0 };
	if (nsec >= 1000000000)
		d->bad = true;
	return (struct p9_time){ .sec = (int64_t)sec, .nsec = (uint32_t)nsec };
}

int p9_dec_rgetattr(const void *msg, size_t len, struct p9_attr *out)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RGETATTR);
	out->valid = p9_dec_u64(&d);
	out->qid = p9_dec_qid(&d);
	out->mode = p9_dec_u32(&d);
	out->uid = p9_dec_u32(&d);
	out->gid = p9_dec_u32(&d);
	out->nlink = p9_dec_u64(&d);
	out->rdev = p9_dec_u64(&d);
	out->size = p9_dec_u64(&d);
	out->blksize = p9_dec_u64(&d);
	out->blocks = p9_dec_u64(&d);
	out->atime = dec_time(&d, out->valid & P9_ATTR_ATIME);
	out->mtime = dec_time(&d, out->valid & P9_ATTR_MTIME);
	out->ctime = dec_time(&d, out->valid & P9_ATTR_CTIME);
	out->btime = dec_time(&d, out->valid & P9_ATTR_BTIME);
	out->gen = p9_dec_u64(&d);
	out->data_version = p9_dec_u64(&d);
	if (out->size > INT64_MAX)
		return -EBADMSG;
	return p9_dec_end(&d);
}

int p9_dec_rlopen(const void *msg, size_t len, struct p9_qid *qid, uint32_t *iounit)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RLOPEN);
	*qid = p9_dec_qid(&d);
	*iounit = p9_dec_u32(&d);
	return p9_dec_end(&d);
}

int p9_dec_rreadlink(const void *msg, size_t len, struct p9_blob *target)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RREADLINK);
	*target = p9_dec_string(&d);
	return p9_dec_end(&d);
}

int p9_dec_rstatfs(const void *msg, size_t len, struct p9_statfs *out)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, P9_RSTATFS);
	out->type = p9_dec_u32(&d);
	out->bsize = p9_dec_u32(&d);
	out->blocks = p9_dec_u64(&d);
	out->bfree = p9_dec_u64(&d);
	out->bavail = p9_dec_u64(&d);
	out->files = p9_dec_u64(&d);
	out->ffree = p9_dec_u64(&d);
	out->fsid = p9_dec_u64(&d);
	out->namelen = p9_dec_u32(&d);
	return p9_dec_end(&d);
}

int p9_dec_rempty(const void *msg, size_t len, uint8_t type)
{
	struct p9_dec d;

	p9_dec_begin(&d, msg, len, type);
	return p9_dec_end(&d);
}

int p9_dec_rdata_header(const void *msg, size_t len, uint8_t type, uint32_t *count)
{
	struct p9_header h;
	struct p9_dec d;

	*count = 0;
	if (p9_dec_header(msg, len, &h) || h.type != type)
		return -EBADMSG;
	p9_dec_init(&d, msg, len);
	dec_take(&d, P9_HEADER);
	*count = p9_dec_u32(&d);
	/* The sum is made in 64 bits: a count of 2^32-1 must not wrap to a small size. */
	if (p9_dec_end(&d) || h.size != (uint64_t)P9_DATA_HEADER + *count)
		return -EBADMSG;
	return 0;
}

int p9_dec_dirent(struct p9_dec *d, struct p9_dirent *out)
{
	if (!d->bad && d->pos == d->len)
		return 0;
	out->qid = p9_dec_qid(d);
	out->offset = p9_dec_u64(d);
	out->type = p9_dec_u8(d);
	out->name = p9_dec_string(d);
	if (!d->bad && p9_name_check(out->name))
		d->bad = true;
	return d->bad ? -EBADMSG : 1;
}
