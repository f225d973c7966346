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
 *          returns. Ops tables, and what a read's netfs points to, live until the volume was
 *          relinquished: a download may outlive the read that began it.
 * Fork     Open the cache after fork: in a forked child the io_uring backend answers -EINVAL.
 */
#ifndef FSCACHE_FSCACHE_H
#define FSCACHE_FSCACHE_H

#include "cache.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fsc_cookie;
struct fsc_read;
struct fsc_read_state;

/* "It is done": the client embeds it in its own struct. Called once [any]. */
struct fsc_event {
	void (*fn)(struct fsc_event *ev);
	struct fsc_event *next; /* the library's until @fn is called */
};

/* A read that the server must serve. The library's; alive until fsc_subreq_done(). */
struct fsc_subreq {
	struct fsc_cookie *cookie; /* NULL: an uncached read */
	void *netfs;               /* as given in fsc_read */
	uint64_t pos;              /* bytes */
	void *buf;                 /* @len bytes, the client's until fsc_subreq_done() */
	size_t len;
	void *priv;                /* ops->subreq_size bytes for the client, zeroed, or NULL */
};

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
	/* Called once [any]. @ret: bytes read, short only at the file's end, or a negative errno of
	 * the server's, or -ENOMEM if there is none for the request. The fsc_read is the client's
	 * again on entry, and may be freed or started. */
	void (*read_done)(struct fsc_read *read, int64_t ret);
};

/* --- Cookies -------------------------------------------------------------------------------- */

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
 *   -EINVAL lengths   -ENOMEM
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

/* --- Reading -------------------------------------------------------------------------------- */

/* The client embeds this in its request, fills the first part, zeroes the rest, once. */
struct fsc_read {
	struct fsc_cookie *cookie; /* NULL, or not in use: all from the server */
	const struct fsc_netfs_ops *ops;
	void *netfs;        /* the client's, handed on in each fsc_subreq */
	uint64_t pos;       /* bytes */
	/* Bytes; nothing is read beyond it. Other than the cookie's: all from the server. */
	uint64_t file_size;
	void *buf;
	size_t len;         /* bytes, at most 2^31 */

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

/* The end of a server read [any]. @bytes_or_error: bytes that are in sreq->buf, fewer than asked
 * for any reason, 0 only at the file's end; or a negative errno, -EINTR and -EAGAIN too: nothing
 * is retried. @sreq is gone. */
void fsc_subreq_done(struct fsc_subreq *sreq, int64_t bytes_or_error);

#ifdef __cplusplus
}
#endif
#endif
