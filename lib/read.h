/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * read.h - the rooms that a read goes through.
 *
 *	read.c      the calls; the short way: one aligned cache read, no memory of its own
 *	request.c   the long way: a request's life, its rounds, and an end before its end
 *	collect.c   cut it into parts, start them side by side, and what their results mean
 *	part.c      one part: from the cache, from a download, or straight from the server
 *	download.c  server reads into a buffer of ours, shared by all who want the bytes
 *	fetch.c     one range from the server, by as many reads as it takes
 *	keep.c      store what was downloaded
 *	lent.c      results in buffers of ours, until their reader gives them back
 *	ahead.c     how a file is being read, and what is downloaded before it is asked for
 *
 * Everything that ends anywhere ("[any]") sleeps and allocates nowhere: what must is put off to the
 * request's work item, or to the thread that waits for the request. A request is worked on by one
 * thread at a time: who started a round, or who ended its last part.
 */
#ifndef FSC_READ_H
#define FSC_READ_H

#include <fscache/fscache.h>
#include <fscache/object.h>

#include "cookie.h"
#include "fetch.h"
#include "vec.h"

/* Parts of one request that are worked on at once; server reads of one download, of one part. */
#define FSC_PARTS_MAX 32
/* Of these, cache reads through a buffer of ours that isn't lent: a limit on memory. */
#define FSC_BOUNCES_MAX 8
#define FSC_DOWNLOAD_SLOTS 64
#define FSC_DIRECT_SLOTS 32
/* The longest read of a backing file at once. */
#define FSC_CACHE_READ_MAX (8u << 20)
/* Pieces of a client's memory from this size on are worth a transfer each. */
#define FSC_PIECE_MIN (64u << 10)

/* A thread that sleeps until somebody else is done. */
struct fsc_sleeper {
	struct fsc_spin lock;
	struct fsc_waitq q;
	bool woken;
};

/* --- read.c ----------------------------------------------------------------------------------- */

/*
 * What is in struct fsc_read. The door is held by the library while the read is under way, and by
 * who cancels it: whoever leaves last ends it, so that nobody is called about a read that is gone.
 */
struct fsc_read_priv {
	struct fsc_ref door;
	uint32_t cancelled; /* atomic, as is the next */
	uint32_t is_long;   /* it has a state */
	bool is_ahead;      /* ours: nobody is told */
	bool distrust;      /* the cache is not to be used for it */
	int64_t ret;
	struct fsc_sleeper *sleeper; /* fsc_read_wait(): woken instead of read_done */

	/* The short way. */
	struct fsc_gio gio;
	size_t want;
	struct fsc_ref turn; /* who comes second, the completion or the thread that waits */
};

static inline struct fsc_read_priv *fsc_read_priv(struct fsc_read *read)
{
	return (struct fsc_read_priv *)(void *)read->priv.opaque;
}

static inline bool fsc_read_cancelled(struct fsc_read *read)
{
	return fsc_load_acquire(&fsc_read_priv(read)->cancelled) != 0;
}

void fsc_read_finish(struct fsc_read *read, int64_t ret); /* [any] it ends, now or soon */
void fsc_sleeper_init(struct fsc_sleeper *s);
void fsc_sleeper_fini(struct fsc_sleeper *s);
void fsc_sleeper_wake(struct fsc_sleeper *s);  /* [any]; touches nothing of it after */
void fsc_sleeper_sleep(struct fsc_sleeper *s); /* [waits]; ready for the next sleep after */

/* --- Parts and requests ----------------------------------------------------------------------- */

enum fsc_part_kind {
	FSC_PART_CACHE,    /* from the backing file */
	FSC_PART_DOWNLOAD, /* from the server, to be kept */
	FSC_PART_DIRECT,   /* from the server, for this request only */
	FSC_PART_ZERO,     /* known to be zeroes */
};

struct fsc_download;

struct fsc_part {
	struct fsc_part *next;  /* in its request */
	struct fsc_list waiter; /* in the download it waits for; cookie.lock */
	struct fsc_read_state *rs;
	enum fsc_part_kind kind;
	bool leader; /* began the download */
	bool again;  /* to be started in the next round, for the second time or after a wait */
	bool second; /* was started before: it must do its whole range */
	bool later;  /* to be started when the others of its round were */
	/* As in struct fsc_slice. */
	uint64_t start, end, want_start, want_end;
	int64_t ret; /* bytes of what was wanted, or an error */
	struct fsc_iobuf bounce;
	/* With FSC_READ_LEND, where the bytes are: in the bounce, or here. */
	struct fsc_download *from; /* a reference */
	void *plain;               /* without a cache: memory to be freed */
	uint8_t *bytes;            /* the first of them */
	struct fsc_gio gio;
};

#define FSC_LENT_OWN 4

struct fsc_read_state {
	struct fsc_read *read;
	struct fsc_cookie *cookie; /* pinned; NULL: uncached */
	struct fsc_gen *gen; /* sampled before the first server read; NULL: uncached */
	struct fsc_vec mem;  /* where the bytes go, unless they are lent */
	uint64_t change;
	uint64_t end;       /* of what is to be read, not beyond the file's */
	uint64_t zero_from; /* zeroes from here on; else the file's size */
	uint64_t version; /* of the cookie when the read began, if zeroes are known */
	uint64_t next;      /* what lies before was given to parts */
	uint64_t short_at;  /* the server's file ends here; else the end */
	uint64_t cache_from, cache_to; /* what came from the cache lies between these */
	int error;          /* of the first part that failed */
	size_t piece;       /* the most bytes of one server read */
	bool lend, prefetch;
	bool ahead;     /* a prefetch of our own: only with memory to spare */
	bool sampled;
	bool cached;    /* false: the cache is of no use (any more) to this request */
	bool missed;    /* it began a download */
	bool noted;     /* in its pattern */
	bool can_wait;  /* we run where memory may be waited for */
	bool must_wait; /* and something has to be allocated there */
	bool starved;   /* a prefetch that waits for buffers */
	struct fsc_sleeper *sleeper; /* set: fsc_read_wait()'s thread runs it */
	struct fsc_looker looker;    /* for a look-up */
	struct fsc_looker hungry;    /* for buffers */
	struct fsc_work work;
	struct fsc_ref left; /* parts of this round under way */
	struct fsc_part *parts, **tail;
	uint32_t bounces; /* of this round */
	struct fsc_spin lock;    /* covers the next */
	struct fsc_list directs; /* server reads that nobody else wants */
	struct fsc_part *held, **held_tail; /* what is to be lent, in the order of the file */
	uint64_t held_last;      /* where the last of it begins */
	struct fsc_iovec *lent;
	struct fsc_iovec own_lent[FSC_LENT_OWN];
	bool own_used;
	struct fsc_part own; /* the first part needs no allocation */
};

/* request.c */
size_t fsc_read_piece(struct fsc_read *read); /* the most bytes of one server read */
/* The long way for @read, of which something is left to be read [any]. Ends in fsc_read_finish(). */
void fsc_request_start(struct fsc_read *read);
int64_t fsc_request_wait(struct fsc_read *read); /* [waits] and returns the result */
/* @part has its ret, or is to be started again [any]. It may be gone when this returns. */
void fsc_part_ended(struct fsc_part *part);
void fsc_request_cancel(struct fsc_read_state *rs); /* [any] the read's door held */
/* The request is over: all but what is lent is given back [any]. */
void fsc_request_free(struct fsc_read_state *rs);
void fsc_request_return(struct fsc_read_state *rs); /* [any] what was lent too */
/* Download [from, to) into the cache, as if @read had asked for it; memory permitting [any]. */
void fsc_request_ahead(struct fsc_read *read, uint64_t from, uint64_t to);

/* collect.c */
void fsc_collect_start(struct fsc_read_state *rs); /* start a round [any; waits if rs->can_wait] */
bool fsc_collect(struct fsc_read_state *rs); /* after it: true: the request is over [any] */
void fsc_part_free(struct fsc_part *part); /* with what it holds [any] */

/* part.c */
/* One that was just sliced: cut its end off where that makes it cheaper. */
void fsc_part_cut(struct fsc_part *part);
bool fsc_part_bounces(const struct fsc_part *part); /* does it need a buffer of ours? */
/* Begin what part->kind says [any; waits if rs->can_wait]. May cut a download's end off, unless it
 * is one that is started again. False: it has to wait for memory, nothing was done. */
bool fsc_part_start(struct fsc_part *part);
/* @src has part->ret bytes of what it wanted: to where they are to go, or, if they are lent, noted
 * as where they stay. */
void fsc_part_deliver(struct fsc_part *part, uint8_t *src);
void fsc_part_release(struct fsc_part *part); /* what it holds of what is lent [any] */
void fsc_directs_cancel(struct fsc_read_state *rs); /* [any] */

/* Where a read ends: with its buffer, or with the file. */
static inline uint64_t fsc_read_end(const struct fsc_read *read)
{
	uint64_t left = read->pos < read->file_size ? read->file_size - read->pos : 0;

	return read->pos + fsc_min64(read->len, left);
}

/* Where zeroes begin that are known; the file's size if none are. */
static inline uint64_t fsc_read_zero_from(const struct fsc_read *read)
{
	return read->file_size - fsc_min64(read->zero_tail, read->file_size);
}

/* --- lent.c, ahead.c -------------------------------------------------------------------------- */

void fsc_lent_add(struct fsc_read_state *rs, struct fsc_part *part);
/* Those that begin in [from, to) are given back. */
void fsc_lent_drop(struct fsc_read_state *rs, uint64_t from, uint64_t to);
int fsc_lent_finish(struct fsc_read_state *rs); /* read->lent up to rs->short_at; 0 or -ENOMEM */

/* @read, of a file that is cached in @gen, is made: read ahead of it if its pattern says so [any].
 * @missed: not all of it was there. */
void fsc_ahead_note(struct fsc_read *read, struct fsc_gen *gen, bool missed);

/* --- download.c, keep.c ----------------------------------------------------------------------- */

struct fsc_download {
	struct fsc_cookie *cookie; /* pinned, until what is kept is stored */
	struct fsc_gen *gen;       /* pinned */
	uint64_t change;           /* of the generation, when the request was started */
	uint64_t start, end;       /* whole granules, but for the file's end */
	uint64_t sent_ms;          /* no server read of it was sent before */
	struct fsc_iobuf buf;
	struct fsc_ref ref;        /* one until it is stored; and who was lent the buffer */
	struct fsc_list node;      /* cookie.downloads, until it is stored; cookie.lock */
	struct fsc_list waiters;   /* parts; cookie.lock while in that list */
	bool ready;                /* all of it is in the buffer; cookie.lock */
	bool prefetch;             /* not for somebody's buffer */
	bool ahead;                /* not asked for: it goes on though nobody waits for it */
	struct fsc_fetch fetch;

	/* keep.c */
	uint64_t keep_end; /* what may be stored ends here */
	uint64_t keep_pos; /* what lies before was stored, or won't be */
	uint64_t not_kept; /* bytes */
	struct fsc_work work;
	struct fsc_gio gio;
};

/* Serve @part by a download, one under way or a new one [any; waits if rs->can_wait].
 *   0 begun (may have ended)   -EAGAIN only where memory may be waited for
 *   -EEXIST it is present now: read it from the cache
 *   -ENOBUFS, -ENOMEM, -ESTALE, -EBUSY can't be kept: read it directly */
int fsc_download_part(struct fsc_part *part);
/* The parts of @rs wait no longer for downloads, and those that nobody else wants end [any]. */
void fsc_downloads_leave(struct fsc_read_state *rs);
/* Where what has come of it ends, when it was fetched. */
uint64_t fsc_download_have(const struct fsc_download *d);
/* Nobody joins it any more; and the end of a reference [any]. */
void fsc_download_unlist(struct fsc_download *d);
void fsc_download_put(struct fsc_download *d);
/* Store what is to be kept of it, then put it [any]. */
void fsc_keep_start(struct fsc_download *d);

#endif
