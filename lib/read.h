/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * read.h - the rooms that a read goes through.
 *
 *	read.c      the calls; the short way: one aligned cache read, no memory of its own
 *	collect.c   the long way: rounds of parts, and what their results mean
 *	part.c      one part: from the cache, from a download, or straight from the server
 *	download.c  server reads into a buffer of ours, shared by all who want the bytes
 *	fetch.c     one range from the server, by as many reads as it takes
 *	keep.c      store what was downloaded
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

/* Parts of one request that are worked on at once; server reads of one download, of one part. */
#define FSC_PARTS_MAX 32
/* Of these, cache reads through a buffer of ours: a limit on memory. */
#define FSC_BOUNCES_MAX 8
#define FSC_DOWNLOAD_SLOTS 64
#define FSC_DIRECT_SLOTS 32
/* The longest read of a backing file at once. */
#define FSC_CACHE_READ_MAX (8u << 20)

size_t fsc_read_piece(struct fsc_read *read); /* the most bytes of one server read */

/* --- Parts and requests ----------------------------------------------------------------------- */

enum fsc_part_kind {
	FSC_PART_CACHE,    /* from the backing file */
	FSC_PART_DOWNLOAD, /* from the server, to be kept */
	FSC_PART_DIRECT,   /* from the server into the client's buffer */
};

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
	struct fsc_gio gio;
};

/* A thread that sleeps until somebody else is done. */
struct fsc_sleeper {
	struct fsc_spin lock;
	struct fsc_waitq q;
	bool woken;
};

struct fsc_read_state {
	struct fsc_read *read;
	struct fsc_cookie *cookie; /* pinned; NULL: uncached */
	struct fsc_gen *gen; /* sampled before the first server read; NULL: uncached */
	uint64_t change;
	uint64_t end;      /* of what is to be read, not beyond the file's */
	uint64_t next;     /* what lies before was given to parts */
	uint64_t short_at; /* the server's file ends here; else end */
	int error;         /* of the first part that failed */
	size_t piece;      /* the most bytes of one server read */
	bool sampled;
	bool cached;    /* false: the cache is of no use (any more) to this request */
	bool can_wait;  /* we run where memory may be waited for */
	bool must_wait; /* and something has to be allocated there */
	struct fsc_sleeper *sleeper; /* set: fsc_read_wait()'s thread runs it */
	struct fsc_looker looker;
	struct fsc_work work;
	struct fsc_ref left; /* parts of this round under way */
	struct fsc_part *parts, **tail;
	uint32_t bounces; /* of this round */
	bool own_used;
	struct fsc_part own; /* the first part needs no allocation */
};

/* read.c */
void fsc_sleeper_init(struct fsc_sleeper *s);
void fsc_sleeper_fini(struct fsc_sleeper *s);
void fsc_sleeper_wake(struct fsc_sleeper *s);  /* [any]; touches nothing of it after */
void fsc_sleeper_sleep(struct fsc_sleeper *s); /* [waits]; ready for the next sleep after */

/* collect.c */
/* The long way for @read, of which something is left to be read [any]. Ends in read_done. */
void fsc_request_start(struct fsc_read *read);
int64_t fsc_request_wait(struct fsc_read *read); /* [waits] and returns the result */
/* @part has its ret, or is to be started again [any]. It may be gone when this returns. */
void fsc_part_ended(struct fsc_part *part);

/* part.c */
/* One of kind FSC_PART_CACHE that was just sliced: cut its end off where that makes it cheaper. */
void fsc_part_cut(struct fsc_part *part);
bool fsc_part_bounces(const struct fsc_part *part); /* does it need a buffer of ours? */
/* Begin what part->kind says [any; waits if rs->can_wait]. May cut a download's end off, unless it
 * is one that is started again. False: it has to wait for memory, nothing was done. */
bool fsc_part_start(struct fsc_part *part);

/* Where a read ends: with its buffer, or with the file. */
static inline uint64_t fsc_read_end(const struct fsc_read *read)
{
	uint64_t left = read->pos < read->file_size ? read->file_size - read->pos : 0;

	return read->pos + fsc_min64(read->len, left);
}

static inline uint8_t *fsc_part_mem(const struct fsc_part *part, uint64_t pos)
{
	return (uint8_t *)part->rs->read->buf + (pos - part->rs->read->pos);
}

/* --- download.c, keep.c ----------------------------------------------------------------------- */

struct fsc_download {
	struct fsc_cookie *cookie; /* pinned, until what is kept is stored */
	struct fsc_gen *gen;       /* pinned */
	uint64_t change;           /* of the generation, when the request was started */
	uint64_t start, end;       /* whole granules, but for the file's end */
	uint64_t sent_ms;          /* no server read of it was sent before */
	struct fsc_iobuf buf;
	struct fsc_ref ref;
	struct fsc_list node;      /* cookie.downloads, until it is stored; cookie.lock */
	struct fsc_list waiters;   /* parts; cookie.lock while in that list */
	bool ready;                /* all of it is in the buffer; cookie.lock */
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
/* Nobody joins it any more; and the end of a reference [any]. */
void fsc_download_unlist(struct fsc_download *d);
void fsc_download_put(struct fsc_download *d);
/* Store what is to be kept of it, then put it [any]. */
void fsc_keep_start(struct fsc_download *d);

#endif
