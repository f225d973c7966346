// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_wire.c - the parsers of 9P replies, each with any bytes. What one accepts must, written
 * again from the fields, be the message.
 *
 * Input: a byte that chooses the parser, a byte of flags, the message. Flag 1: its size and type
 * are made right, as nothing gets past them otherwise.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire.h"

struct writing {
	struct p9_enc enc;
	uint8_t buf[1 << 17];
};

static void begin(struct writing *w, uint8_t type)
{
	p9_enc_begin(&w->enc, w->buf, sizeof(w->buf), type);
}

static void same(struct writing *w, const uint8_t *msg, size_t len)
{
	FUZZ_CHECK(p9_enc_end(&w->enc) == (int)len);
	p9_msg_set_tag(w->buf, (uint16_t)get_le(msg + 5, 2));
	FUZZ_CHECK(!memcmp(w->buf, msg, len));
}

static void write_qid(struct writing *w, struct p9_qid qid)
{
	p9_enc_u8(&w->enc, qid.type);
	p9_enc_u32(&w->enc, qid.version);
	p9_enc_u64(&w->enc, qid.path);
}

/* --- One per message ------------------------------------------------------------------------- */

static int try_error(struct writing *w, const uint8_t *msg, size_t len)
{
	int error, err = p9_dec_error(msg, len, &error);
	uint32_t code;

	FUZZ_CHECK(error >= 1 && error <= 4095);
	if (err)
		return err;
	code = (uint32_t)get_le(msg + 7, 4);
	FUZZ_CHECK((uint32_t)error == code || error == 5);
	begin(w, msg[4]);
	FUZZ_CHECK(msg[4] == P9_RLERROR || msg[4] == P9_RERROR);
	p9_enc_u32(&w->enc, code);
	return 0;
}

static int try_version(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_blob version;
	uint32_t msize;
	int err = p9_dec_rversion(msg, len, &msize, &version);

	if (err)
		return err;
	begin(w, P9_RVERSION);
	p9_enc_u32(&w->enc, msize);
	p9_enc_string(&w->enc, version);
	return 0;
}

static int try_attach(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_qid qid;
	int err = p9_dec_rattach(msg, len, &qid);

	begin(w, P9_RATTACH);
	write_qid(w, qid);
	return err;
}

static int try_walk(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_qid qids[P9_WALK_MAX];
	unsigned int count;
	int err = p9_dec_rwalk(msg, len, qids, &count);

	if (err)
		return err;
	FUZZ_CHECK(count <= P9_WALK_MAX);
	begin(w, P9_RWALK);
	p9_enc_u16(&w->enc, (uint16_t)count);
	for (unsigned int i = 0; i < count; i++)
		write_qid(w, qids[i]);
	return 0;
}

/* A time that isn't vouched for reads as zero, whatever it was. */
static void write_time(struct writing *w, const uint8_t *msg, struct p9_time time, bool valid)
{
	FUZZ_CHECK(time.nsec < 1000000000);
	FUZZ_CHECK(valid || (!time.sec && !time.nsec));
	p9_enc_u64(&w->enc, valid ? (uint64_t)time.sec : get_le(msg + w->enc.len, 8));
	p9_enc_u64(&w->enc, valid ? time.nsec : get_le(msg + w->enc.len, 8));
}

static int try_getattr(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_attr a;
	int err = p9_dec_rgetattr(msg, len, &a);

	if (err)
		return err;
	FUZZ_CHECK(a.size <= INT64_MAX);
	begin(w, P9_RGETATTR);
	p9_enc_u64(&w->enc, a.valid);
	write_qid(w, a.qid);
	p9_enc_u32(&w->enc, a.mode);
	p9_enc_u32(&w->enc, a.uid);
	p9_enc_u32(&w->enc, a.gid);
	p9_enc_u64(&w->enc, a.nlink);
	p9_enc_u64(&w->enc, a.rdev);
	p9_enc_u64(&w->enc, a.size);
	p9_enc_u64(&w->enc, a.blksize);
	p9_enc_u64(&w->enc, a.blocks);
	write_time(w, msg, a.atime, a.valid & P9_ATTR_ATIME);
	write_time(w, msg, a.mtime, a.valid & P9_ATTR_MTIME);
	write_time(w, msg, a.ctime, a.valid & P9_ATTR_CTIME);
	write_time(w, msg, a.btime, a.valid & P9_ATTR_BTIME);
	p9_enc_u64(&w->enc, a.gen);
	p9_enc_u64(&w->enc, a.data_version);
	return 0;
}

static int try_lopen(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_qid qid;
	uint32_t iounit;
	int err = p9_dec_rlopen(msg, len, &qid, &iounit);

	begin(w, P9_RLOPEN);
	write_qid(w, qid);
	p9_enc_u32(&w->enc, iounit);
	return err;
}

static int try_readlink(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_blob target;
	int err = p9_dec_rreadlink(msg, len, &target);

	if (err)
		return err;
	begin(w, P9_RREADLINK);
	p9_enc_string(&w->enc, target);
	return 0;
}

static int try_statfs(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_statfs s;
	int err = p9_dec_rstatfs(msg, len, &s);

	begin(w, P9_RSTATFS);
	p9_enc_u32(&w->enc, s.type);
	p9_enc_u32(&w->enc, s.bsize);
	p9_enc_u64(&w->enc, s.blocks);
	p9_enc_u64(&w->enc, s.bfree);
	p9_enc_u64(&w->enc, s.bavail);
	p9_enc_u64(&w->enc, s.files);
	p9_enc_u64(&w->enc, s.ffree);
	p9_enc_u64(&w->enc, s.fsid);
	p9_enc_u32(&w->enc, s.namelen);
	return err;
}

static int try_clunk(struct writing *w, const uint8_t *msg, size_t len)
{
	begin(w, P9_RCLUNK);
	return p9_dec_rempty(msg, len, P9_RCLUNK);
}

/* Only the head of it: what follows is received elsewhere. */
static int try_data(struct writing *w, const uint8_t *msg, size_t len)
{
	size_t head = len < P9_DATA_HEADER ? len : P9_DATA_HEADER;
	uint8_t type = len > 4 && msg[4] == P9_RREADDIR ? P9_RREADDIR : P9_RREAD;
	uint32_t count;
	int err = p9_dec_rdata_header(msg, head, type, &count);

	FUZZ_CHECK(err || get_le(msg, 4) == (uint64_t)count + P9_DATA_HEADER);
	if (err || get_le(msg, 4) != len)
		return -EBADMSG;
	begin(w, type);
	p9_enc_u32(&w->enc, count);
	for (uint32_t i = 0; i < count; i++)
		p9_enc_u8(&w->enc, msg[P9_DATA_HEADER + i]);
	return 0;
}

static int try_dirents(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_dirent entry;
	struct p9_dec d;
	int more;

	if (len < P9_HEADER)
		return -EBADMSG;
	begin(w, msg[4]);
	p9_dec_init(&d, msg + P9_HEADER, len - P9_HEADER);
	while ((more = p9_dec_dirent(&d, &entry)) > 0) {
		FUZZ_CHECK(entry.name.len && entry.name.len <= 255);
		FUZZ_CHECK(!memchr(entry.name.data, '/', entry.name.len));
		FUZZ_CHECK(!memchr(entry.name.data, 0, entry.name.len));
		write_qid(w, entry.qid);
		p9_enc_u64(&w->enc, entry.offset);
		p9_enc_u8(&w->enc, entry.type);
		p9_enc_string(&w->enc, entry.name);
	}
	return more;
}

static int try_qid(struct writing *w, const uint8_t *msg, size_t len)
{
	uint8_t type = len > 4 && msg[4] == P9_RMKNOD ? P9_RMKNOD : P9_RMKDIR;
	struct p9_qid qid;
	int err = p9_dec_rqid(msg, len, type, &qid);

	begin(w, type);
	write_qid(w, qid);
	return err;
}

static int try_lcreate(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_qid qid;
	uint32_t iounit;
	int err = p9_dec_rlcreate(msg, len, &qid, &iounit);

	begin(w, P9_RLCREATE);
	write_qid(w, qid);
	p9_enc_u32(&w->enc, iounit);
	return err;
}

static int try_write(struct writing *w, const uint8_t *msg, size_t len)
{
	uint32_t count;
	int err = p9_dec_rwrite(msg, len, &count);

	begin(w, P9_RWRITE);
	p9_enc_u32(&w->enc, count);
	return err;
}

static int try_xattrwalk(struct writing *w, const uint8_t *msg, size_t len)
{
	uint64_t size;
	int err = p9_dec_rxattrwalk(msg, len, &size);

	FUZZ_CHECK(err || size <= INT64_MAX);
	begin(w, P9_RXATTRWALK);
	p9_enc_u64(&w->enc, size);
	return err;
}

static int try_lock(struct writing *w, const uint8_t *msg, size_t len)
{
	uint8_t status;
	int err = p9_dec_rlock(msg, len, &status);

	FUZZ_CHECK(err || status <= P9_LOCK_GRACE);
	begin(w, P9_RLOCK);
	p9_enc_u8(&w->enc, status);
	return err;
}

static int try_getlock(struct writing *w, const uint8_t *msg, size_t len)
{
	struct p9_lock lock;
	int err = p9_dec_rgetlock(msg, len, &lock);

	if (err)
		return err;
	FUZZ_CHECK(lock.type <= P9_LOCK_UNLCK);
	begin(w, P9_RGETLOCK);
	p9_enc_u8(&w->enc, lock.type);
	p9_enc_u64(&w->enc, lock.start);
	p9_enc_u64(&w->enc, lock.length);
	p9_enc_u32(&w->enc, lock.proc_id);
	p9_enc_string(&w->enc, lock.client_id);
	return 0;
}

static const struct {
	uint8_t type;
	int (*try)(struct writing *w, const uint8_t *msg, size_t len);
} parsers[] = {
	{ P9_RLERROR, try_error },	 { P9_RVERSION, try_version }, { P9_RATTACH, try_attach },
	{ P9_RWALK, try_walk },		 { P9_RGETATTR, try_getattr }, { P9_RLOPEN, try_lopen },
	{ P9_RREADLINK, try_readlink },	 { P9_RSTATFS, try_statfs },   { P9_RCLUNK, try_clunk },
	{ P9_RREAD, try_data },		 { P9_RREADDIR, try_data },    { P9_RREADDIR, try_dirents },
	{ P9_RMKDIR, try_qid },		 { P9_RMKNOD, try_qid },       { P9_RLCREATE, try_lcreate },
	{ P9_RWRITE, try_write },	 { P9_RLOCK, try_lock },       { P9_RGETLOCK, try_getlock },
	{ P9_RXATTRWALK, try_xattrwalk },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t which = (size_t)take(&in, 1) % (sizeof(parsers) / sizeof(*parsers));
	bool right = take(&in, 1) & 1;
	static struct writing w;
	struct p9_header h;
	uint8_t *msg;
	size_t len;

	msg = take_copy(&in, 1 << 16, &len);
	if (right && len >= P9_HEADER) {
		put_le(msg, len, 4);
		msg[4] = parsers[which].type;
	}
	FUZZ_CHECK(!p9_dec_header(msg, len, &h) == (len >= P9_HEADER && get_le(msg, 4) >= 7));
	if (!parsers[which].try(&w, msg, len)) {
		/* Entries are looked at without what comes before them. */
		if (parsers[which].try == try_dirents)
			put_le(msg, len, 4);
		same(&w, msg, len);
	}
	free(msg);
	return 0;
}
