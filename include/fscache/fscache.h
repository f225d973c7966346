/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fscache.h - what a network filesystem client in userspace calls.
 *
 * Nouns    A cache holds volumes (one per export; see cache.h), a volume holds cookies (one per
 *          remote file). What a cookie has on disk, its object, stays inside.
 * Errors   0 or a byte count, else a negative errno. A cache that is missing, full or failed is
 *          not an error: the data comes from the server.
 * NULL     A NULL volume or cookie means "not cached" and is valid everywhere.
 * Threads  Every call is thread-safe. [any] never blocks on a disk or a server and may be made
 *          from a callback; [waits] may block, and may not. Callbacks run with no lock of the
 *          library held, on threads of the backend, of the client, or inside the call.
 * Lifetime acquire gives one reference, relinquish takes it back. Relinquish cookies before their
 *          volume, volumes before the cache. Keys and coherency data are copied before a call
 *          returns. Ops tables live until the volume was relinquished, and so does what a read's
 *          netfs points to, as a download may outlive the read that began it; but see hold.
 * Fork     Open the cache after fork: in a forked child the io_uring backend answers -EINVAL.
 */
#ifndef FSCACHE_FSCACHE_H
#define FSCACHE_FSCACHE_H

#include "cache.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fsc_cookie;
struct fsc_gen;
struct fsc_file;
struct fsc_read;
struct fsc_read_state;
struct fsc_write;
struct fsc_write_state;

/* As the system's struct iovec, which may be given instead. */
struct fsc_iovec {
	void *base;
	size_t len; /* bytes */
};

/* "It is done": the client embeds it in its own struct. Called once [any]. */
struct fsc_event {
	void (*fn)(struct fsc_event *ev);
	struct fsc_event *next; /* the library's until @fn is called */
};

/* A read or write that the server must serve. The library's; alive until fsc_subreq_done(). */
struct fsc_subreq {
	struct fsc_cookie *cookie; /* NULL: an uncached transfer */
	void *netfs;               /* as given in fsc_read or fsc_write */
	uint64_t pos;              /* bytes */
	void *buf;                 /* @len bytes, the client's until fsc_subreq_done(); of a write:
				    * not to be changed */
	size_t len;
	void *priv;                /* ops->subreq_size bytes for the client, zeroed, or NULL */
	bool more;                 /* it may be kept back until ops->push() */
};

/* What isn't optional is demanded (see "Mistakes" in cache.h) where it is needed: issue_read by
 * what the cache lacks, read_done by fsc_read_start(), issue_write by any write, write_done by
 * fsc_write_start(). The _wait calls need neither done. */
struct fsc_netfs_ops {
	/* How many bytes of its own the client wants with each server read. */
	size_t subreq_size;
	/* Optional [any]: the most bytes one server read can carry, at least 1. */
	size_t (*read_max)(struct fsc_read *read);
	/*
	 * Start a server read [any]. Ends in exactly one fsc_subreq_done(), from any thread, or
	 * from in here. Several run at once for one fsc_read, and a download may outlive the
	 * fsc_read that it was begun for: use what is in @sreq only.
	 */
	void (*issue_read)(struct fsc_subreq *sreq);
	/*
	 * Optional [any]: of several server reads that are issued one after the other, those that
	 * have @more set need not be sent before this is called, by the same thread and soon: so
	 * they can be sent together. Without it @more is never set.
	 */
	void (*push)(void *netfs);
	/*
	 * Optional [any]: have an issued server read end soon, as nobody wants it any more. It still
	 * ends in its one fsc_subreq_done(), before or after this returns; @sreq stays valid
	 * until then or this has returned, whichever is later. An answer on its way may cross this
	 * call, also before it has begun.
	 */
	void (*cancel_read)(struct fsc_subreq *sreq);
	/*
	 * Optional [any]: asked when bytes came from the cache, before read_done: is the file still
	 * what its cookie says, as far as the client knows by now? False: they are not handed out
	 * but read from the server.
	 */
	bool (*is_still_valid)(struct fsc_read *read);
	/* Called once [any]. @ret: bytes read, short only at the file's end, or a negative errno of
	 * the server's, or -ENOMEM if there is none for the request, -EINVAL for pieces that are
	 * fewer bytes than asked for and for unknown flags, -ECANCELED. The fsc_read is the
	 * client's again on entry, and may be freed or started. */
	void (*read_done)(struct fsc_read *read, int64_t ret);

	/* For clients that write: the most bytes of one server write, start one, and the end of an
	 * fsc_write, all of them as for reads. fsc_subreq_done() gets the bytes that the server
	 * has taken; 0: it takes no more. A server write never outlives its fsc_write. */
	size_t (*write_max)(struct fsc_write *write);
	void (*issue_write)(struct fsc_subreq *sreq);
	void (*write_done)(struct fsc_write *write, int64_t ret);

	/*
	 * Optional [any], for clients whose @netfs doesn't live until the volume is relinquished:
	 * the library will start server reads for it after the read that it came with has ended
	 * (readahead); called before that end, and answered by one release when that is over. What
	 * was issued and isn't answered needs @netfs beside that: the client counts those itself.
	 */
	void (*hold)(void *netfs);
	void (*release)(void *netfs);
};

/* --- Cookies ---------------------------------------------------------------------------------- */

struct fsc_cookie_params {
	struct fsc_blob key;       /* 1 to FSC_KEY_MAX bytes, unique in its volume */
	struct fsc_blob coherency; /* equal as long as the file is unchanged */
	uint64_t size;             /* of the file, bytes */
	/*
	 * What was sent to the server before this moment (of fsc_clock_ms()) is delivered but not
	 * kept. For files changed a moment ago, whose next change may leave the same timestamps:
	 * see "changes within one clock tick" in docs/design.md. 0: keep all.
	 */
	uint64_t keep_after_ms;
};

uint64_t fsc_clock_ms(void); /* [any] monotonic */

/*
 * Name a remote file [any]; allocates, touches no disk. A second acquire of a key with equal
 * coherency data and size gives another reference to the same cookie.
 *   -EBUSY  in use with other coherency data or size: go on uncached (NULL), or, if it is known to
 *           be the same file, changed: invalidate the cookie you hold
 *   -EINVAL lengths, or a length without data   -ENOMEM
 * The coherency data must have been obtained before the first server read that is started on the
 * cookie is sent (I10).
 */
int fsc_cookie_acquire(struct fsc_volume *vol, const struct fsc_cookie_params *params,
		       struct fsc_cookie **out);
/* Give the reference back [any]. Saving goes on in the background; @retire (with the last
 * reference) discards what is stored instead. */
void fsc_cookie_relinquish(struct fsc_cookie *cookie, bool retire);
/* The same in the caller's thread [waits]: done when it returns, with the last reference. */
void fsc_cookie_relinquish_wait(struct fsc_cookie *cookie, bool retire);

/*
 * Bracket an open file [any]. Uses are counted; a cookie in use is not culled. The first use starts
 * the look-up in the background; a read begun meanwhile waits for it, for a second at most.
 * @will_modify: the file will be written to: see docs/embedding.md for what a client without proof
 * of being the only writer does (it invalidates).
 */
void fsc_cookie_use(struct fsc_cookie *cookie, bool will_modify);
/* The same, with the look-up in the caller's thread [waits]. True: the cache can serve it. */
bool fsc_cookie_use_wait(struct fsc_cookie *cookie, bool will_modify);
void fsc_cookie_unuse(struct fsc_cookie *cookie);

/*
 * The file changed on the server, or is about to be changed by us [any]. A read begun earlier may
 * return old bytes, and stores nothing; a read begun later sees none of the old object. @done (may
 * be NULL) is called once when the old name is gone from the disk, and only then will no crash
 * bring it back. (If it can't be removed at all, the whole cache is emptied when it is next
 * opened; only a disk that takes no write any more, not even that note, keeps what it has: the log
 * says so.)
 * @now: the key is ignored; NULL, or lengths and sizes that acquire would refuse: what the file
 * is now isn't known, and it is uncached until its last use ends.
 */
void fsc_cookie_invalidate(struct fsc_cookie *cookie, const struct fsc_cookie_params *now,
			   struct fsc_event *done);

/* How many of the bytes from @pos to @end are present, as of now [any]; also while not in use 0. */
uint64_t fsc_cookie_present(struct fsc_cookie *cookie, uint64_t pos, uint64_t end);

/* --- Reading ---------------------------------------------------------------------------------- */

/*
 * How one open file is read: what expansion and readahead go by. The client embeds one in its open
 * file, zeroes it, and gives it with each read; threads may share it. It lives as long as those
 * reads.
 */
struct fsc_pattern {
	uint64_t opaque[8];
};

/* Read into buffers that the library lends: no @buf, no @iov. What is missed is received, kept and
 * handed out in one place, without a copy. See fsc_read.lent. Until they are given back the cookie
 * isn't closed. */
#define FSC_READ_LEND 1u
/* Into the cache only: no @buf, no @iov. The result counts what was present or downloaded, up to the
 * first byte that can't be kept; what is stored of it may still be under way. */
#define FSC_READ_PREFETCH 2u

/* The client embeds this in its request, fills the first part, zeroes the rest, once. */
struct fsc_read {
	struct fsc_cookie *cookie; /* NULL, or not in use: all from the server */
	const struct fsc_netfs_ops *ops;
	void *netfs;        /* the client's, handed on in each fsc_subreq */
	uint64_t pos;       /* bytes */
	/* Bytes; nothing is read beyond it. Other than the cookie's: all from the server. */
	uint64_t file_size;
	/* So many bytes before @file_size are known to be zeroes on the server: they are filled in,
	 * not read (a file that its client has just extended, say). */
	uint64_t zero_tail;
	void *buf;          /* NULL: @iov */
	size_t len;         /* bytes, at most 2^31; with @iov what it adds up to */
	const struct fsc_iovec *iov;
	uint32_t nr_iov;
	uint32_t flags;     /* one of FSC_READ_*, or 0 */
	/* NULL: what is missed is rounded out to granules, and no more. Else it may be expanded, as
	 * far as it is worth it, beyond the read too. */
	struct fsc_pattern *pattern;

	/* The result of FSC_READ_LEND, with a return over 0: the bytes in order, read-only for the
	 * client, until fsc_read_return(). */
	const struct fsc_iovec *lent;
	uint32_t nr_lent;

	struct {
		struct fsc_read_state *state;
		uint64_t opaque[80];
	} priv;
};

/* Start a read [any]; @read and its buffer are the library's until read_done. */
void fsc_read_start(struct fsc_read *read);
/* Make a read [waits] and return what read_done would get (read_done is not called, and may be
 * NULL). Quickest for a thread that has nothing else to do. */
int64_t fsc_read_wait(struct fsc_read *read);
/* Give back what FSC_READ_LEND lent [any]: exactly once after each result over 0, before @read is
 * started again or freed. */
void fsc_read_return(struct fsc_read *read);
/* Have a read end soon that was started or is in fsc_read_wait() [any]. It ends once, as ever, with
 * -ECANCELED or what it would have got. Downloads that others wait for, or that are nearly there to
 * be kept, go on. @read must be neither freed nor started again before this has returned; if its
 * read_done came before or meanwhile, nothing else happens. */
void fsc_read_cancel(struct fsc_read *read);

/* The end of a server read or write [any]. @bytes_or_error: bytes that are in sreq->buf (that the
 * server has taken), fewer than asked for any reason, 0 only at the file's end; or a negative
 * errno. -EAGAIN: ask again, which is done three times for the same bytes. @sreq is gone. */
void fsc_subreq_done(struct fsc_subreq *sreq, int64_t bytes_or_error);

/* --- Writing ---------------------------------------------------------------------------------- */

/*
 * The cookie of a file that is written to is in use with @will_modify from before the first write
 * until after the last was answered. Without proof that nobody else changes the file (I10: a
 * delegation, a lease, a mount option that says so) the first change invalidates the object, and
 * it stays uncached until that use ends: the use of the cookie, by all who have it. With proof what
 * is written is kept too: under the modifying mark, so that a crash costs the object, until
 * fsc_cookie_written() says what the file is now; what that was never called for is dropped when
 * the use ends.
 *
 * Whenever it isn't known what the server did (an error, fewer bytes than asked for), the proof is
 * worth nothing any more: an answer that got lost may be followed by the bytes. What is stored
 * goes, and the file is uncached until the use ends, as without proof.
 */

/* The client has proof for all changes of this file, and what the library was last told of it (by
 * acquire, invalidate, written) is so since before the proof began [any]. Before the first change
 * in a modifying use: later it does nothing. Over with the end of that use, and with an
 * invalidation. */
void fsc_cookie_prove(struct fsc_cookie *cookie);

/* Fetch what the granules at both ends of a write lack, from the cache or the server, so that they
 * are kept whole; otherwise they are absent afterwards, but for the last one of a file that ends
 * with the write. Of use only with proof. ops->issue_read is needed; ops->read_max may be asked
 * with an fsc_read that isn't the client's. */
#define FSC_WRITE_FILL 1u

/* Embedded, filled in and zeroed as fsc_read. */
struct fsc_write {
	struct fsc_cookie *cookie; /* NULL: only the server is written to */
	const struct fsc_netfs_ops *ops;
	void *netfs;
	uint64_t pos;        /* bytes */
	/* Bytes, of the file before this write; that of a write under way, before or after it, will
	 * do. Longer than what the library knows of: then they don't mean the same file, and it is
	 * uncached until the use ends. */
	uint64_t file_size;
	/* NULL: @iov; unchanged until write_done. Kept without a copy if the bytes from the first
	 * granule's border on are aligned; else only the first 2 MiB or so are kept. */
	const void *buf;
	size_t len;          /* bytes, 1 to 2^31 */
	const struct fsc_iovec *iov;
	uint32_t nr_iov;
	uint32_t flags;      /* FSC_WRITE_* */

	struct {
		struct fsc_write_state *state;
		uint64_t opaque[8];
	} priv;
};

/*
 * Write to the server, and, with proof, to the cache at the same time [any]. Ends in one write_done
 * with the bytes from @pos on that the server took, or with a negative errno if it took none (-EIO
 * if it didn't say why). The cache never makes it fail; -EINVAL: @len, @pos, @flags, or @iov
 * is shorter; -ENOMEM: no memory for the request, nothing was sent. A read that begins after it
 * sees what was written. Writes of one cookie that overlap go to the server one after the other, in
 * the order of their starts; so do, with proof, those beyond the file's end, which grow the object.
 */
void fsc_write_start(struct fsc_write *write);
/* The same [waits]; no write_done. Quickest for a thread that has nothing else to do. */
int64_t fsc_write_wait(struct fsc_write *write);

/*
 * The same for what changes a file in another way, in two calls around the client's own request to
 * the server [waits]: begin before it is sent, end with its answer (0 or -errno, after which
 * nothing is believed of the file). Begin waits for changes of the range that are under way, which
 * must not need this thread; what is begun is ended, with the same range.
 */
void fsc_cookie_resize_begin(struct fsc_cookie *cookie, uint64_t size); /* truncate, extend */
void fsc_cookie_resize_end(struct fsc_cookie *cookie, int err);
void fsc_cookie_punch_begin(struct fsc_cookie *cookie, uint64_t pos, uint64_t len); /* zeroes */
void fsc_cookie_punch_end(struct fsc_cookie *cookie, uint64_t pos, uint64_t len, int err);

/*
 * What the file is now [waits]: after all changes were answered, and were made stable on the server
 * (I7). With proof, and if @now has the size that the changes made, the object is relabelled and
 * the mark cleared, and changes may follow under the same proof; else the same as
 * fsc_cookie_invalidate() with @now. To be called before the modifying use ends, so that the next
 * use finds the new label. Coherency data that a change by others may leave equal, as it comes in
 * the same tick of the server's clock, aren't to be given before that tick is over.
 *   0 or -EBUSY: a change is still under way, and nothing was done
 */
int fsc_cookie_written(struct fsc_cookie *cookie, const struct fsc_cookie_params *now);

/* --- Lending the backing file ----------------------------------------------------------------- */

/* A backing file on loan to a reader outside the library, as FUSE passthrough is. */
struct fsc_loan {
	struct fsc_cookie *cookie; /* private */
	struct fsc_gen *gen;       /* private: which version it is */
	struct fsc_file *file; /* fsc_uring_file_fd() has its descriptor */
};

/*
 * Lend the file behind a cookie in use [waits, for the look-up too], if all of it is present; see
 * fsc_gen_lend() in object.h for what that means. The use goes on until the return: till then the
 * object is neither closed nor culled, whatever the limit on open files, and a cookie that is given
 * back before holds up who acquires its key with other coherency data. Nothing else makes a loan
 * end: when the file is changed, invalidated or the cache withdrawn, its reader goes on reading
 * what was lent, and fsc_loan_current() says no.
 *   0    -ENODATA  not all present, or being changed     -ENOBUFS  not cached
 */
int fsc_cookie_lend(struct fsc_cookie *cookie, struct fsc_loan *out);
/* [any] Once for each loan; the descriptor is not to be used any more. @loan is zeroed; a zeroed
 * one is fine. */
void fsc_loan_return(struct fsc_loan *loan);
/* Is what was lent still what the cookie stands for [any]? */
bool fsc_loan_current(const struct fsc_loan *loan);

#ifdef __cplusplus
}
#endif
#endif
