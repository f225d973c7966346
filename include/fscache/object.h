/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * object.h - the entrance below cookies: what a kernel cache backend calls, and what cookies and
 * the read helper are built on.
 *
 * Nouns    An object is the cache's side of one remote file. Its generation is one backing file
 *          with its content map. I/O pins the generation that it begins on and uses it to its end;
 *          invalidation puts a new generation in place and waits for nothing.
 * Context  [waits] may sleep and does its metadata in the caller's thread. [any] never sleeps,
 *          allocates nothing, drops no last reference: may be made from a completion, in
 *          interrupt context too.
 * Errors   0 or a count, else -errno. -ENOBUFS: not to be had from the cache, use the server.
 *          -ENODATA: not present. -ESTALE: changed meanwhile, use the server.
 * Threads  fsc_object_* calls that [wait] on one object are kept apart by the caller (the kernel's
 *          cookie does, and lib/cookie.c); all others may come together, on any thread.
 */
#ifndef FSCACHE_OBJECT_H
#define FSCACHE_OBJECT_H

#include "backend.h"
#include "cache.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fsc_object;
struct fsc_gen;

/*
 * Find or make what is stored under @key [waits]. What doesn't match (digest, coherency, size,
 * mark) is discarded and the object starts empty. @size in bytes.
 *   -EBUSY    @key is open as another object
 *   -ENOBUFS  can't be cached now: cache withdrawn, or what is in the way can't be removed
 *   -ENOMEM, -EINVAL (lengths, size over 2^63 - 1)
 */
int fsc_object_open(struct fsc_volume *vol, struct fsc_blob key, struct fsc_blob coherency,
		    uint64_t size, struct fsc_object **out);
/*
 * Save, link, let go [waits, also for stores in flight]; @retire discards instead. Reads may
 * still be running on pinned generations: they end in -ESTALE, as does what begins there later.
 * @proven (may be NULL): new coherency data after local writes, only with the proof that I10 asks
 * for; without it an object that was written to is discarded.
 */
void fsc_object_close(struct fsc_object *obj, const struct fsc_blob *proven, bool retire);
/* Save now [waits]. @proven as above, which ends the modifying use: no local write may be in
 * flight, nor come and go while this runs, else -EBUSY. Otherwise 0, or why it couldn't be saved.
 */
int fsc_object_commit(struct fsc_object *obj, const struct fsc_blob *proven);
/* Put a new, empty generation in place [waits]; never fails (the object may be uncached). When
 * it returns the old name is gone, durably where the volume or the filesystem asks for that. */
void fsc_object_invalidate(struct fsc_object *obj, struct fsc_blob coherency, uint64_t size);
/* The first half of it [any]: nothing that starts after this call sees old data. The object is
 * uncached until fsc_object_invalidate() or fsc_object_close(). */
void fsc_object_expire(struct fsc_object *obj);
/* A local truncate or extension [waits]. 0, or -ENOBUFS: the object is uncached now. */
int fsc_object_resize(struct fsc_object *obj, uint64_t size);
uint64_t fsc_object_size(struct fsc_object *obj); /* [any] */
/* Bytes of the disk that its file occupies, as far as known [any]. Of what is uncached, and of NULL:
 * 0. */
uint64_t fsc_object_stored(struct fsc_object *obj);

/* The current generation, pinned; NULL: uncached [any]. The last put leaves what may sleep to a
 * work item. */
struct fsc_gen *fsc_object_gen(struct fsc_object *obj);
void fsc_gen_get(struct fsc_gen *gen); /* [any] */
void fsc_gen_put(struct fsc_gen *gen); /* [any]; NULL is fine */
/* [any] Pinned, but is it still the object's, with the change counter at @change? */
bool fsc_gen_unchanged(struct fsc_gen *gen, uint64_t change);
uint64_t fsc_gen_change(struct fsc_gen *gen); /* [any] the counter now; see fsc_gio.change */

/* Is @pos present, and up to where at most @end is that answer the same [any]? Positions in bytes;
 * *@run_end is a multiple of the granule or @end. A hint: reads test again. */
bool fsc_gen_run(struct fsc_gen *gen, uint64_t pos, uint64_t end, uint64_t *run_end);
bool fsc_gen_complete(struct fsc_gen *gen); /* [any] every granule present */

/*
 * Lend the backing file to a reader outside the library, who asks nobody [waits]: FUSE passthrough.
 * The file holds the object whole, in one version, and is of exactly its size; it is saved first if
 * that takes cutting it.
 *   0         *@file is the backend's, good until the return. @gen is pinned for as long.
 *   -ENODATA  not all present, being changed, or changed by local writes not yet proven
 *   -ENOBUFS  no longer current
 * Until as many returns as loans nothing writes to, punches or resizes that file. A write_prepare,
 * clear or resize first puts a new, empty generation in the place of a lent one, as invalidation
 * does but with coherency data and size as they are: resize and clear then go on as usual;
 * write_prepare gives -ENOBUFS, and its caller prepares the current one as well. No memory for it:
 * uncached until fsc_object_invalidate(). An object that is closed while lent is discarded.
 */
int fsc_gen_lend(struct fsc_gen *gen, struct fsc_file **file);
void fsc_gen_return(struct fsc_gen *gen); /* [any] drops the loan's pin */

/* A granule range in a generation's list of stores in flight. Private. */
struct fsc_range {
	struct fsc_range *next;
	uint64_t start, end; /* granules */
	bool voided;
	bool local;
};

/*
 * One transfer. Embedded in the caller's request and left alone, with its buffer and a pin on
 * @gen, until @done: called once, on any thread, in interrupt context too, or before the
 * starting call returns. @done may free it. Fill the first part, zero the rest.
 */
struct fsc_gio {
	struct fsc_gen *gen;
	uint64_t pos; /* bytes; a multiple of the granule */
	struct fsc_buf buf; /* len: a multiple of the granule; aligned as the backend demands */
	uint32_t flags; /* FSC_IO_MAY_BLOCK: the caller has nothing else to do */
	void (*done)(struct fsc_gio *gio, int64_t bytes_or_error);

	/* The generation's change counter: for a store as fsc_gen_sample() saw it; a read samples
	 * for itself. */
	uint64_t change;

	struct fsc_io io;       /* private */
	struct fsc_range range; /* private */
};

/*
 * Read what is present [any; waits with FSC_IO_MAY_BLOCK]. All of it or an error:
 *   >= 0      bytes, min(buf.len, object's size - pos): what lies beyond the size is undefined
 *   -ENODATA  not wholly present (any more)
 *   -ESTALE   no longer current, or something changed while it ran: the bytes mean nothing
 *   other     the storage failed or was short; the generation is given up
 */
void fsc_gen_read(struct fsc_gio *gio);

/*
 * Keep bytes of the server, in three steps.
 * Sample before the server read is sent [any]; the object's size, up to which it is to reach, is
 * asked for after that.
 * Prepare when the bytes are there [waits]: finds room, memory for the bits, a place in the list;
 * trims @pos and @buf to the first run of granules that may be stored (call again, with another
 * gio, for what lies behind it).
 *   0         go on with store, store_zero or cancel, exactly one of them
 *   -ENODATA  nothing to do: all of it is present
 *   -ESTALE   changed since the sample, or a local write isn't answered yet
 *   -EBUSY    being stored by somebody else
 *   -ENOSPC   no room or limits           -ENOMEM, -ENOBUFS  not now
 * The last granule of the object is stored if @buf reaches past the object's size up to the
 * granule's end, with zeroes there.
 * Store [any; waits with FSC_IO_MAY_BLOCK]: the memory stays unchanged until @done, which gets
 * the bytes stored or an error. store_zero is for bytes that are all zero: it leaves a hole if it
 * may and otherwise writes @buf.
 */
void fsc_gen_sample(struct fsc_gio *gio);
int fsc_gen_store_prepare(struct fsc_gio *gio);
void fsc_gen_store(struct fsc_gio *gio);
void fsc_gen_store_zero(struct fsc_gio *gio);
void fsc_gen_store_cancel(struct fsc_gio *gio); /* [any] */

/*
 * A local write, of any @pos and length. Prepare [waits] is called before the data change anywhere,
 * also if nothing will be stored: it clears bits, counts the change, voids stores, makes the stored
 * value say so, and with @keep sets the mark (I7, I9).
 *   0         @pos and @buf are trimmed to the granules that it covers wholly: go on with
 *             fsc_gen_write() or fsc_gen_store_cancel()
 *   -ENOBUFS  nothing is to be stored (and nothing stale is left present): this is no error
 * A write that reaches the object's size may end there if @buf reaches, with zeroes, up to the
 * granule's end. Write [any] as store. Tell when the server has answered [any]: each prepare is
 * followed by one fsc_gen_write_answered(), whatever it returned; until then nothing of the
 * server's is kept. If the generation is no longer the object's when prepare returns, prepare the
 * current one as well; and if it isn't when the server has answered (an invalidation came between),
 * the one that is then, without @keep, before anybody is told. If there is none (the cache was
 * withdrawn, say) what is stored may still be found one day: fsc_object_invalidate(), where
 * coherency data don't change with each write. The caller keeps apart writes that
 * overlap, from prepare to answer: the server may take them in the other order.
 */
int fsc_gen_write_prepare(struct fsc_gio *gio, bool keep);
void fsc_gen_write(struct fsc_gio *gio);
void fsc_gen_write_answered(struct fsc_gen *gen);
/* Punch [waits]: absent from now on, space given back by whole granules. 0 or -errno; it is absent
 * in any case. */
int fsc_gen_clear(struct fsc_gen *gen, uint64_t pos, uint64_t len);

#ifdef __cplusplus
}
#endif
#endif
