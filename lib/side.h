/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * side.h - what the userspace rooms keep per cache: which cookies have open objects, so that there
 * are never too many backing files open, and a pool of aligned buffers.
 */
#ifndef FSC_SIDE_H
#define FSC_SIDE_H

#include <fscache/fscache.h>

#include "core.h"

/* The longest piece that goes through a buffer of ours to the client's memory, or from it. */
#define FSC_CHUNK (256u << 10)
/* The longest that is downloaded, and so stored, or lent at once: what a store costs is little more
 * for a long one. */
#define FSC_CHUNK_MOST (1u << 20)
#define FSC_BUFFER_CLASSES 4

struct fsc_cookie;
struct fsc_looker;

struct fsc_side {
	struct fsc_cache *cache;
	uint32_t max_files; /* 0: any */
	uint64_t max_bytes;
	uint32_t chunk; /* FSC_CHUNK_MOST, or FSC_CHUNK where there is memory for few of those */

	struct fsc_spin lock; /* covers the rest */
	struct fsc_list idle, busy; /* cookies with an object: not in use, in use; oldest first */
	uint32_t nr_open;
	void *spare[FSC_BUFFER_CLASSES]; /* linked through their first word */
	uint64_t spare_bytes;
	uint64_t kept_bytes; /* in use for downloads that aren't stored yet */
	uint64_t lent;       /* buffers in use */
	struct fsc_list hungry; /* prefetches that wait for kept_bytes to sink */
};

struct fsc_side *fsc_side_of(struct fsc_cache *cache); /* [any] made at need; NULL: no memory */

/* openfiles.c */
/* A cookie got or lost its object (@change 1 or -1), or went in or out of use (0) [any]. */
void fsc_side_note(struct fsc_side *side, struct fsc_cookie *cookie, int change);
/* Close what was least recently used until one more may be opened [waits]; no cookie's op held. */
void fsc_side_make_room(struct fsc_side *side);

/* side.c */
struct fsc_iobuf {
	void *mem;   /* NULL: none */
	size_t size;
	bool keep;   /* counted against max_keep_bytes */
};

/*
 * What a buffer is for. Only what is to be kept has a limit: bounces are few in a request, and what
 * is lent is as much as the client asks for.
 */
enum fsc_iobuf_use {
	FSC_USE_BOUNCE,
	FSC_USE_KEEP,
	FSC_USE_AHEAD, /* KEEP of what nobody has asked for: half of the limit is not for it */
};

/*
 * A buffer of at least @size bytes, at most FSC_CHUNK_MOST, not zeroed.
 *   -EAGAIN  only to be had by who may wait
 *   -ENOBUFS not a BOUNCE, and the limit is reached     -ENOMEM
 */
int fsc_iobuf_get(struct fsc_side *side, size_t size, enum fsc_iobuf_use use, bool can_wait,
		  struct fsc_iobuf *out);
void fsc_iobuf_put(struct fsc_side *side, struct fsc_iobuf *buf); /* [any] */
/* It is stored, or won't be, and counts no longer [any]. */
void fsc_iobuf_kept(struct fsc_side *side, struct fsc_iobuf *buf);
void fsc_iobuf_trim(struct fsc_side *side); /* [waits] give back what is beyond the limit */
/* Can it be had at all, sooner or later? */
bool fsc_iobuf_may_come(const struct fsc_side *side, size_t size);
/* True: @looker->resume will be queued when buffers were kept; false: try now [any]. */
bool fsc_iobuf_wait(struct fsc_side *side, struct fsc_looker *looker);
void fsc_iobuf_unwait(struct fsc_side *side, struct fsc_looker *looker); /* [any] queued now */

#endif
