/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * client.h - a 9P2000.L client on one connection, with many requests in flight.
 *
 * Threads   Every function but p9_connect() and p9_disconnect() may be called from
 *           several threads at once. One thread of the client's own receives; it
 *           blocks all signals and calls the done callbacks.
 * Context   [blocks] waits for the server, at most the time-out plus the wait for a
 *           tag; from a done callback it returns -EDEADLK at once, since the thread it
 *           would wait for is the one it is on. [any] waits for a short lock only and
 *           may be called from a done callback.
 * Errors    0, or a count, or -errno. Three kinds:
 *             - what the server answered, as it answered it (-ENOENT, -EACCES, ...);
 *             - misuse that never left this machine: -EBADF (no such fid), -EINVAL,
 *               -ENAMETOOLONG and -EMSGSIZE (doesn't fit a message), -EMFILE (no fid
 *               left), -ENOMEM, -EDEADLK;
 *             - the connection is dead. Then every outstanding and every later request
 *               fails with the same error: -EPROTO (a well-formed reply that makes no
 *               sense), -EBADMSG (malformed bytes), -ETIMEDOUT, -ECONNRESET (end of
 *               stream), -ENOTCONN (p9_disconnect()), or the socket's own. p9_error()
 *               and p9_error_text() tell it from the first kind. There is no way back
 *               but a new connection.
 * Lifetime  A fid belongs to who got it, until p9_clunk() or p9_disconnect().
 */
#ifndef P9_CLIENT_H
#define P9_CLIENT_H

#include <sys/queue.h>

#include "wire.h"

struct p9_client;

/* Zero in a number means its default. */
struct p9_options {
	const char *server;  /* "tcp:HOST:PORT" (IPv6 in brackets) or "unix:PATH" */
	uint32_t msize;      /* bytes, 256 to 64 MiB; default 65536; the server may lower it */
	uint32_t timeout_ms; /* for connecting, and from getting a tag to the reply; 60,000 */
	uint32_t max_tags;   /* requests in flight, 1 to 16384; default 64 */
	uint32_t max_fids;   /* 1 to 2^24; default 4096 */
};

/* Connect and agree on msize and version [blocks]. On failure a line saying what went
 * wrong is in @errbuf (@errlen bytes, may be 0). -EINVAL: options; -EPROTONOSUPPORT: the
 * server doesn't speak 9P2000.L; -EPROTO: it wants msize above ours or below 256. */
int p9_connect(const struct p9_options *opt, struct p9_client **out, char *errbuf,
	       size_t errlen);

/* End it and free @c [blocks until the receiver thread has ended]. Reads still
 * outstanding get their done, with -ENOTCONN, before this returns. No other call may be
 * running or begin. Fids need not be clunked. Not from a done callback. NULL is fine. */
void p9_disconnect(struct p9_client *c);

/* [any] Give the connection up: it is dead from here on, with -ECANCELED for every request.
 * For a program that is told to end while something of it waits for the server. */
void p9_abort(struct p9_client *c);

/* [any] How long the answer to what is sent from now on may take; @timeout_ms as in the options.
 * To lengthen it: what was sent before is found overdue no sooner than it would have been. */
void p9_set_timeout(struct p9_client *c, uint32_t timeout_ms);

/* [any] 0 while the connection lives; else the error all requests get. */
int p9_error(struct p9_client *c);
/* [any] Why it died, for people; NULL while it lives. Valid until p9_disconnect(). */
const char *p9_error_text(struct p9_client *c);
/* [any] Bytes, as agreed with the server. */
uint32_t p9_msize(const struct p9_client *c);

/* Totals since p9_connect(). */
struct p9_counters {
	uint64_t server_read_bytes; /* payload of Rread received, of cut-off ones too */
	uint64_t server_reads;      /* Tread answered with at least one byte */
	uint64_t server_write_bytes; /* what the server took of Twrite */
	uint64_t server_writes;      /* Twrite of which it took something */
	uint64_t bytes_sent;        /* everything written to the socket */
	uint64_t bytes_received;    /* everything read from it */
};

/* [any] Each number is right by itself; together they are not one moment's. */
void p9_counters(struct p9_client *c, struct p9_counters *out);

/* ---- fids; all of it [blocks] ---- */

/* @uname and @aname are borrowed strings of any bytes, together under 8 KiB. */
int p9_attach(struct p9_client *c, struct p9_blob uname, uint32_t n_uname, struct p9_blob aname,
	      uint32_t *fid);
/* A new fid for what lies @count names below @fid; 0 names: another fid for the same.
 * @fid must not have been opened. Names are any bytes but '/' and NUL, 1 to 255 of them
 * (else -EINVAL); "." and ".." mean to the server what it likes. Many names go in
 * several messages. When a name on the way isn't there: -ENOENT or the server's own
 * error, and no fid. */
int p9_walk(struct p9_client *c, uint32_t fid, const struct p9_blob *names, size_t count,
	    uint32_t *newfid);
/* The same; *@qid (may be NULL) is that of what the last name led to, untouched without names. */
int p9_walk_qid(struct p9_client *c, uint32_t fid, const struct p9_blob *names, size_t count,
		uint32_t *newfid, struct p9_qid *qid);
int p9_getattr(struct p9_client *c, uint32_t fid, struct p9_attr *out);
/* @flags as in Linux's open(2) on x86: O_RDONLY is 0. @iounit (may be NULL) as the
 * server said, often 0; p9_read_max() is what it amounts to. */
int p9_lopen(struct p9_client *c, uint32_t fid, uint32_t flags, uint32_t *iounit);
/* The same; *@qid (may be NULL) is that of what was opened, which is not what the last getattr
 * told of when the name was given to another file in between. */
int p9_lopen_qid(struct p9_client *c, uint32_t fid, uint32_t flags, uint32_t *iounit,
		 struct p9_qid *qid);
/* Entries of an opened directory from @offset on (0, then the last entry's offset) into
 * @buf, for p9_dec_init() and p9_dec_dirent(). Bytes, 0 at the end, or an error. All
 * entries are well-formed. -EINVAL for @size under 279, which the longest entry takes. A
 * server may go in circles: bound your loop. */
int64_t p9_readdir(struct p9_client *c, uint32_t fid, uint64_t offset, void *buf, size_t size);
/* The target's bytes into @buf (no NUL at the end), their number returned; -ERANGE if
 * there are more than @size. */
int64_t p9_readlink(struct p9_client *c, uint32_t fid, void *buf, size_t size);
int p9_statfs(struct p9_client *c, uint32_t fid, struct p9_statfs *out);
/* The fid is gone whatever the server answers; only misuse (no such fid, -EDEADLK) leaves
 * things as they are. No request on it may be outstanding. */
int p9_clunk(struct p9_client *c, uint32_t fid);
/* p9_read_start() and wait for it. */
int64_t p9_pread(struct p9_client *c, uint32_t fid, uint64_t offset, void *buf, size_t len);
/* p9_write_start() and wait for it. */
int64_t p9_pwrite(struct p9_client *c, uint32_t fid, uint64_t offset, const void *buf, size_t len);

/* ---- what changes something (client_write.c); all of it [blocks] ---- */

/* Names as of p9_walk(); "." and ".." are the server's to refuse. @mode and @flags are Linux's as
 * on x86. The new thing's qid is in *@qid. Whoever asks it is made for is who attached, and
 * @gid. */

/* Make a file in directory @fid and open it: @fid is then the file's. P9_O_EXCL: it must be new. */
int p9_lcreate(struct p9_client *c, uint32_t fid, struct p9_blob name, uint32_t flags,
	       uint32_t mode, uint32_t gid, struct p9_qid *qid);
int p9_symlink(struct p9_client *c, uint32_t dfid, struct p9_blob name, struct p9_blob target,
	       uint32_t gid, struct p9_qid *qid);
int p9_mknod(struct p9_client *c, uint32_t dfid, struct p9_blob name, uint32_t mode,
	     uint32_t major, uint32_t minor, uint32_t gid, struct p9_qid *qid);
int p9_mkdir(struct p9_client *c, uint32_t dfid, struct p9_blob name, uint32_t mode, uint32_t gid,
	     struct p9_qid *qid);
int p9_link(struct p9_client *c, uint32_t dfid, uint32_t fid, struct p9_blob name);

/* Give the file of @fid the @name in @dfid. Older servers have only this one, which moves whatever
 * @fid stands for there; others only p9_renameat(). */
int p9_rename(struct p9_client *c, uint32_t fid, uint32_t dfid, struct p9_blob name);
int p9_renameat(struct p9_client *c, uint32_t olddirfid, struct p9_blob oldname,
		uint32_t newdirfid, struct p9_blob newname);
/* @flags: P9_AT_REMOVEDIR for a directory, and only for one. */
int p9_unlinkat(struct p9_client *c, uint32_t dirfid, struct p9_blob name, uint32_t flags);
/* Remove what @fid stands for. The fid is gone, as after p9_clunk(), also when that fails. */
int p9_remove(struct p9_client *c, uint32_t fid);

int p9_setattr(struct p9_client *c, uint32_t fid, const struct p9_setattr *set);
/* @fid is opened for writing. */
int p9_fsync(struct p9_client *c, uint32_t fid, bool data_only);

/* A fid to read the value of @name from with p9_pread(), of @size bytes; no name: the list of all
 * names, each with a NUL after it. -ERANGE: too long a name. */
int p9_xattrwalk(struct p9_client *c, uint32_t fid, struct p9_blob name, uint32_t *newfid,
		 uint64_t *size);
/* @fid, which isn't open, becomes one that takes @size bytes by p9_pwrite(); p9_clunk() then sets
 * the value, and returns what came of it. Servers take size 0 for its removal. @flags as of
 * setxattr(2). */
int p9_xattrcreate(struct p9_client *c, uint32_t fid, struct p9_blob name, uint64_t size,
		   uint32_t flags);

/* Without waiting for who has it. *@status: P9_LOCK_SUCCESS etc. */
int p9_lock(struct p9_client *c, uint32_t fid, const struct p9_lock *lock, uint8_t *status);
/* What stands in the way of @lock comes in its place, type P9_LOCK_UNLCK if nothing does; its
 * client_id is lost. */
int p9_getlock(struct p9_client *c, uint32_t fid, struct p9_lock *lock);

/* ---- requests in flight ---- */

/* Private: bytes on their way out: @head of them at @msg, and what is more of @len at @data. */
struct p9_out {
	TAILQ_ENTRY(p9_out) link;
	const uint8_t *msg, *data;
	uint32_t head, len, sent;
};

enum p9_req_state { P9_REQ_IDLE, P9_REQ_WAITING, P9_REQ_SENT, P9_REQ_RECEIVING };

/* Private: a request. */
struct p9_req {
	TAILQ_ENTRY(p9_req) link;
	struct p9_out out;
	enum p9_req_state state;
	uint32_t slot;
	uint8_t *msg;
	uint8_t *reply; /* where the reply goes; for Rread and Rreaddir its payload only */
	uint32_t reply_cap;
	void (*complete)(struct p9_req *req, int64_t result);
};

/*
 * One read. Embedded in the caller's own struct and left alone, with the memory at @buf,
 * from p9_read_start() until @done, after which both are the caller's again: @done may
 * free them or start the same read anew.
 */
struct p9_read {
	uint32_t fid;    /* opened for reading */
	uint64_t offset; /* bytes */
	void *buf;       /* the payload is received straight into it */
	uint32_t len;    /* bytes; more than p9_read_max() is cut to that */
	bool more;       /* it may be kept back until something else is sent, or p9_push() */
	/*
	 * Called exactly once, with no lock held: bytes read (fewer than @len at the end of
	 * the file, and when the server likes; 0 is the end), or an error. -ECANCELED after
	 * p9_read_cancel(). On error @buf may have been written to. It runs on the receiver
	 * thread, which serves every request: be quick, don't block, [any] functions only.
	 * When the read fails at once it runs inside p9_read_start() instead, and when it
	 * is cancelled before it was sent, inside p9_read_cancel().
	 */
	void (*done)(struct p9_read *r, int64_t bytes_or_error);

	struct p9_req req; /* private; no need to initialize */
	uint8_t msg[P9_TREAD_SIZE];
};

/* [any] The most bytes one read of @fid brings: msize less 24, or the fid's iounit if
 * that is less and not 0. Constant once it is opened. 0 for a bad fid. */
uint32_t p9_read_max(struct p9_client *c, uint32_t fid);
/* [any] Send it, or queue it when all tags are taken or the socket is full. Nothing is
 * returned: failures go to done. A done that starts reads again after an error, for ever,
 * recurses for ever on a dead connection. */
void p9_read_start(struct p9_client *c, struct p9_read *r);
void p9_push(struct p9_client *c); /* [any] send what was kept back */
/* [any] Ask that @r end soon. Its done is still called exactly once, as ever, with the
 * bytes, an error or -ECANCELED. May come at any time and repeatedly while the memory of
 * @r is there and was once started; harmless after done. Until done is called @buf may
 * still be written to, even after this returned. */
void p9_read_cancel(struct p9_client *c, struct p9_read *r);

/* One write: p9_read in the other direction. The payload is sent from where it is. */
struct p9_write {
	uint32_t fid;    /* opened for writing */
	uint64_t offset; /* bytes; of no meaning where the fid was opened to append */
	const void *buf; /* not to be changed until @done */
	uint32_t len;    /* bytes; more than p9_write_max() is cut to that */
	/* As p9_read's: bytes that the server took, or an error. After -ECANCELED or the death of
	 * the connection nobody knows what was written. */
	void (*done)(struct p9_write *w, int64_t bytes_or_error);

	struct p9_client *client; /* private, as all that follows */
	struct p9_req req;
	uint8_t msg[P9_TWRITE_SIZE], reply[P9_RWRITE_SIZE];
};

uint32_t p9_write_max(struct p9_client *c, uint32_t fid);           /* [any] */
void p9_write_start(struct p9_client *c, struct p9_write *w);       /* [any] as p9_read_start() */
void p9_write_cancel(struct p9_client *c, struct p9_write *w);      /* [any] as p9_read_cancel() */

/* A clunk that nobody waits for, embedded as p9_read is. */
struct p9_clunk {
	uint32_t fid; /* no request on it is outstanding */
	/* Called exactly once: on the receiver thread, or inside p9_clunk_start() when the
	 * connection is dead. The fid is gone whatever the server answered. */
	void (*done)(struct p9_clunk *clunk);

	struct p9_client *client; /* private, as all that follows */
	struct p9_req req;
	uint8_t msg[P9_TCLUNK_SIZE], reply[P9_HEADER];
};

void p9_clunk_start(struct p9_client *c, struct p9_clunk *clunk); /* [any] */

#endif
