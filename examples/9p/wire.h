/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * wire.h - 9P2000.L messages to bytes and back.
 *
 * Pure: no I/O, no allocation, no state. Everything here may be called from any
 * thread, and every parser may be given any bytes whatever: it returns 0, or
 * -EBADMSG, and never reads outside @len.
 *
 * A message is size[4] type[1] tag[2] and a body, all little endian; size counts
 * itself. Strings are len[2] and that many bytes, any bytes, no NUL at the end.
 *
 * Requests are written by p9_enc_t*(): whole messages into @buf of @cap bytes; they
 * return the message's length, -EMSGSIZE when it doesn't fit, -EINVAL for arguments
 * the protocol cannot carry. The tag is P9_NOTAG until p9_msg_set_tag().
 *
 * Replies are read by p9_dec_r*(): @msg is one whole message of @len bytes, header
 * included. Its size field has to say @len, its type has to be the one expected, and
 * nothing may be left over. Blobs they return point into @msg.
 */
#ifndef P9_WIRE_H
#define P9_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P9_VERSION "9P2000.L"
#define P9_NOTAG 0xffffu
#define P9_NOFID 0xffffffffu

enum p9_type {
	P9_RLERROR = 7,
	P9_TSTATFS = 8, P9_RSTATFS,
	P9_TLOPEN = 12, P9_RLOPEN,
	P9_TLCREATE = 14, P9_RLCREATE,
	P9_TSYMLINK = 16, P9_RSYMLINK,
	P9_TMKNOD = 18, P9_RMKNOD,
	P9_TRENAME = 20, P9_RRENAME,
	P9_TREADLINK = 22, P9_RREADLINK,
	P9_TGETATTR = 24, P9_RGETATTR,
	P9_TSETATTR = 26, P9_RSETATTR,
	P9_TXATTRWALK = 30, P9_RXATTRWALK,
	P9_TXATTRCREATE = 32, P9_RXATTRCREATE,
	P9_TREADDIR = 40, P9_RREADDIR,
	P9_TFSYNC = 50, P9_RFSYNC,
	P9_TLOCK = 52, P9_RLOCK,
	P9_TGETLOCK = 54, P9_RGETLOCK,
	P9_TLINK = 70, P9_RLINK,
	P9_TMKDIR = 72, P9_RMKDIR,
	P9_TRENAMEAT = 74, P9_RRENAMEAT,
	P9_TUNLINKAT = 76, P9_RUNLINKAT,
	P9_TVERSION = 100, P9_RVERSION,
	P9_TATTACH = 104, P9_RATTACH,
	P9_RERROR = 107, /* not in 9P2000.L, but nfs-ganesha's errors come as this */
	P9_TFLUSH = 108, P9_RFLUSH,
	P9_TWALK = 110, P9_RWALK,
	P9_TREAD = 116, P9_RREAD,
	P9_TWRITE = 118, P9_RWRITE,
	P9_TCLUNK = 120, P9_RCLUNK,
	P9_TREMOVE = 122, P9_RREMOVE,
};

enum {
	P9_HEADER = 7,       /* bytes of size, type, tag */
	P9_DATA_HEADER = 11, /* bytes before the payload of Rread and Rreaddir */
	P9_IO_HEADER = 24,   /* what servers subtract from msize for the most data in a message */
	P9_MSIZE_MIN = 256,
	P9_MSIZE_MAX = 64 << 20, /* the most that this client asks for */
	P9_WALK_MAX = 16,    /* names in one Twalk */
	P9_NAME_MAX = 255,   /* bytes in a name */
	P9_STRING_MAX = 65535,
	P9_QID_SIZE = 13,
	P9_TFLUSH_SIZE = 9,
	P9_TREAD_SIZE = 23,
	P9_TCLUNK_SIZE = 11,
	P9_TWRITE_SIZE = 23, /* without the payload */
	P9_RWRITE_SIZE = 11,
	P9_RWALK_MAX = P9_HEADER + 2 + P9_WALK_MAX * P9_QID_SIZE,
};

/* Borrowed bytes. */
struct p9_blob {
	const void *data;
	size_t len;
};

struct p9_header {
	uint32_t size;
	uint8_t type;
	uint16_t tag;
};

enum { P9_QID_DIR = 0x80, P9_QID_SYMLINK = 0x02 };

struct p9_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct p9_time {
	int64_t sec;
	uint32_t nsec; /* below 1,000,000,000 */
};

/* Bits of Tgetattr's request mask and of p9_attr.valid. */
#define P9_ATTR_MODE 0x1u
#define P9_ATTR_NLINK 0x2u
#define P9_ATTR_UID 0x4u
#define P9_ATTR_GID 0x8u
#define P9_ATTR_RDEV 0x10u
#define P9_ATTR_ATIME 0x20u
#define P9_ATTR_MTIME 0x40u
#define P9_ATTR_CTIME 0x80u
#define P9_ATTR_INO 0x100u
#define P9_ATTR_SIZE 0x200u
#define P9_ATTR_BLOCKS 0x400u
#define P9_ATTR_BASIC 0x7ffu
#define P9_ATTR_BTIME 0x800u
#define P9_ATTR_GEN 0x1000u
#define P9_ATTR_DATA_VERSION 0x2000u
#define P9_ATTR_ALL 0x3fffu

struct p9_attr {
	uint64_t valid; /* P9_ATTR_*: what the server vouches for */
	struct p9_qid qid;
	uint32_t mode, uid, gid;
	uint64_t nlink, rdev;
	uint64_t size; /* at most INT64_MAX */
	uint64_t blksize, blocks;
	struct p9_time atime, mtime, ctime, btime; /* zero where not valid */
	uint64_t gen, data_version;
};

struct p9_statfs {
	uint32_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree, fsid;
	uint32_t namelen;
};

struct p9_dirent {
	struct p9_qid qid;
	uint64_t offset; /* give it to the next Treaddir to go on after this entry */
	uint8_t type;    /* DT_* */
	struct p9_blob name;
};

/* Flags of Tlopen and Tlcreate, which are open(2)'s as they are on x86. */
#define P9_O_WRONLY 01u
#define P9_O_RDWR 02u
#define P9_O_CREAT 0100u
#define P9_O_EXCL 0200u
#define P9_O_TRUNC 01000u
#define P9_O_APPEND 02000u
#define P9_O_DIRECTORY 0200000u

/* Of Tunlinkat. */
#define P9_AT_REMOVEDIR 0x200u

/* Bits of p9_setattr.valid. A time without its _SET bit is set to the server's now. */
#define P9_SET_MODE 0x1u
#define P9_SET_UID 0x2u
#define P9_SET_GID 0x4u
#define P9_SET_SIZE 0x8u
#define P9_SET_ATIME 0x10u
#define P9_SET_MTIME 0x20u
#define P9_SET_CTIME 0x40u
#define P9_SET_ATIME_SET 0x80u
#define P9_SET_MTIME_SET 0x100u

struct p9_setattr {
	uint32_t valid; /* P9_SET_*: the rest isn't looked at */
	uint32_t mode, uid, gid;
	uint64_t size;
	struct p9_time atime, mtime;
};

enum { P9_LOCK_RDLCK, P9_LOCK_WRLCK, P9_LOCK_UNLCK };
enum { P9_LOCK_SUCCESS, P9_LOCK_BLOCKED, P9_LOCK_ERROR, P9_LOCK_GRACE }; /* what Rlock says */

struct p9_lock {
	uint8_t type;           /* P9_LOCK_*LCK */
	uint64_t start, length; /* length 0: to the end */
	uint32_t proc_id;
	struct p9_blob client_id;
};

/*
 * The two cursors all of it is made of. An error sticks: later calls do nothing (and
 * return zeroes), so it is tested once, at the end.
 */
struct p9_enc {
	uint8_t *buf;
	size_t cap, len;
	int error; /* 0, -EMSGSIZE, -EINVAL */
};

struct p9_dec {
	const uint8_t *buf;
	size_t len, pos;
	bool bad;
};

void p9_enc_begin(struct p9_enc *e, void *buf, size_t cap, uint8_t type);
void p9_enc_u8(struct p9_enc *e, uint8_t v);
void p9_enc_u16(struct p9_enc *e, uint16_t v);
void p9_enc_u32(struct p9_enc *e, uint32_t v);
void p9_enc_u64(struct p9_enc *e, uint64_t v);
void p9_enc_string(struct p9_enc *e, struct p9_blob s);
/* Fill in the size. The message's length, or the error. */
int p9_enc_end(struct p9_enc *e);

void p9_dec_init(struct p9_dec *d, const void *buf, size_t len);
uint8_t p9_dec_u8(struct p9_dec *d);
uint16_t p9_dec_u16(struct p9_dec *d);
uint32_t p9_dec_u32(struct p9_dec *d);
uint64_t p9_dec_u64(struct p9_dec *d);
struct p9_blob p9_dec_string(struct p9_dec *d);
struct p9_qid p9_dec_qid(struct p9_dec *d);
/* Set @d to the body of a message that has to be of @type and exactly @len long. */
void p9_dec_begin(struct p9_dec *d, const void *msg, size_t len, uint8_t type);
/* 0, if all of it was well-formed and nothing is left over. */
int p9_dec_end(const struct p9_dec *d);

/* Write the tag into an encoded message. */
void p9_msg_set_tag(void *msg, uint16_t tag);
/* "Tread" for P9_TREAD; "message" for what isn't known. A string constant. */
const char *p9_type_name(uint8_t type);

/* Is @name what a directory entry may be called: 1 to 255 bytes, no '/', no NUL? */
/* 0, -ENAMETOOLONG, or -EINVAL of what is no name. */
int p9_name_check(struct p9_blob name);
/* How many of @names (at most P9_WALK_MAX) fit in one Twalk of @msize bytes? */
unsigned int p9_walk_fit(const struct p9_blob *names, size_t count, uint32_t msize);

int p9_enc_tversion(void *buf, size_t cap, uint32_t msize, struct p9_blob version);
int p9_enc_tattach(void *buf, size_t cap, uint32_t fid, uint32_t afid, struct p9_blob uname,
		   struct p9_blob aname, uint32_t n_uname);
/* -EINVAL for more than P9_WALK_MAX names; what p9_name_check() says. */
int p9_enc_twalk(void *buf, size_t cap, uint32_t fid, uint32_t newfid,
		 const struct p9_blob *names, size_t count);
int p9_enc_tgetattr(void *buf, size_t cap, uint32_t fid, uint64_t mask);
int p9_enc_tlopen(void *buf, size_t cap, uint32_t fid, uint32_t flags);
int p9_enc_tread(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count);
int p9_enc_treaddir(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count);
/* The message's size counts @count bytes of payload, which the caller sends after it. Returns
 * P9_TWRITE_SIZE. */
int p9_enc_twrite(void *buf, size_t cap, uint32_t fid, uint64_t offset, uint32_t count);
int p9_enc_treadlink(void *buf, size_t cap, uint32_t fid);
int p9_enc_tstatfs(void *buf, size_t cap, uint32_t fid);
int p9_enc_tclunk(void *buf, size_t cap, uint32_t fid);
int p9_enc_tflush(void *buf, size_t cap, uint16_t oldtag);
/* wire_write.c: what changes something. New names are checked by p9_name_check(). -EINVAL is also
 * a symlink's empty target. */
int p9_enc_tlcreate(void *buf, size_t cap, uint32_t fid, struct p9_blob name, uint32_t flags,
		    uint32_t mode, uint32_t gid);
int p9_enc_tsymlink(void *buf, size_t cap, uint32_t dfid, struct p9_blob name,
		    struct p9_blob target, uint32_t gid);
int p9_enc_tmknod(void *buf, size_t cap, uint32_t dfid, struct p9_blob name, uint32_t mode,
		  uint32_t major, uint32_t minor, uint32_t gid);
int p9_enc_tmkdir(void *buf, size_t cap, uint32_t dfid, struct p9_blob name, uint32_t mode,
		  uint32_t gid);
int p9_enc_tlink(void *buf, size_t cap, uint32_t dfid, uint32_t fid, struct p9_blob name);
int p9_enc_trename(void *buf, size_t cap, uint32_t fid, uint32_t dfid, struct p9_blob name);
int p9_enc_trenameat(void *buf, size_t cap, uint32_t olddirfid, struct p9_blob oldname,
		     uint32_t newdirfid, struct p9_blob newname);
int p9_enc_tunlinkat(void *buf, size_t cap, uint32_t dirfid, struct p9_blob name, uint32_t flags);
int p9_enc_tremove(void *buf, size_t cap, uint32_t fid);
int p9_enc_tsetattr(void *buf, size_t cap, uint32_t fid, const struct p9_setattr *set);
int p9_enc_tfsync(void *buf, size_t cap, uint32_t fid, bool data_only);
/* @name empty: the list of names. */
int p9_enc_txattrwalk(void *buf, size_t cap, uint32_t fid, uint32_t newfid, struct p9_blob name);
int p9_enc_txattrcreate(void *buf, size_t cap, uint32_t fid, struct p9_blob name, uint64_t size,
			uint32_t flags);
int p9_enc_tlock(void *buf, size_t cap, uint32_t fid, const struct p9_lock *lock, uint32_t flags);
int p9_enc_tgetlock(void *buf, size_t cap, uint32_t fid, const struct p9_lock *lock);

/* The first P9_HEADER bytes of a message; @len may be more. -EBADMSG also for a size
 * below P9_HEADER. */
int p9_dec_header(const void *msg, size_t len, struct p9_header *out);
/* Rlerror, or type 107 with a number. *@error is a positive errno; one outside of
 * 1..4095 becomes EIO, so that no reply can make an error look like success. */
int p9_dec_error(const void *msg, size_t len, int *error);
int p9_dec_rversion(const void *msg, size_t len, uint32_t *msize, struct p9_blob *version);
int p9_dec_rattach(const void *msg, size_t len, struct p9_qid *qid);
/* @qids has room for P9_WALK_MAX. */
int p9_dec_rwalk(const void *msg, size_t len, struct p9_qid *qids, unsigned int *count);
/* -EBADMSG also for a size over INT64_MAX and for a valid time with too many ns. */
int p9_dec_rgetattr(const void *msg, size_t len, struct p9_attr *out);
int p9_dec_rlopen(const void *msg, size_t len, struct p9_qid *qid, uint32_t *iounit);
int p9_dec_rreadlink(const void *msg, size_t len, struct p9_blob *target);
int p9_dec_rstatfs(const void *msg, size_t len, struct p9_statfs *out);
/* Rsymlink, Rmknod and Rmkdir, which are a qid; @type says which. */
int p9_dec_rqid(const void *msg, size_t len, uint8_t type, struct p9_qid *qid);
int p9_dec_rlcreate(const void *msg, size_t len, struct p9_qid *qid, uint32_t *iounit);
int p9_dec_rwrite(const void *msg, size_t len, uint32_t *count);
/* -EBADMSG also for a size over INT64_MAX. */
int p9_dec_rxattrwalk(const void *msg, size_t len, uint64_t *size);
/* -EBADMSG also for a status that isn't one. */
int p9_dec_rlock(const void *msg, size_t len, uint8_t *status);
/* -EBADMSG also for a type that isn't one. client_id points into @msg. */
int p9_dec_rgetlock(const void *msg, size_t len, struct p9_lock *out);
/* Rclunk, Rflush and whatever else is a header and nothing more; @type says which. */
int p9_dec_rempty(const void *msg, size_t len, uint8_t type);
/* The first P9_DATA_HEADER bytes of Rread or Rreaddir (@type), the payload being
 * elsewhere. @len is P9_DATA_HEADER. *@count is how much payload follows, and fits the
 * message's size. */
int p9_dec_rdata_header(const void *msg, size_t len, uint8_t type, uint32_t *count);
/* The next entry in the payload of an Rreaddir: 1; 0 at the end; -EBADMSG, also for a
 * name that p9_name_check() refuses, since callers make paths of names. Start with
 * p9_dec_init() on the payload. */
int p9_dec_dirent(struct p9_dec *d, struct p9_dirent *out);

#endif
