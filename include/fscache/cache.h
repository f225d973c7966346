/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cache.h - caches and volumes: what both entrances (fscache.h and object.h) begin with.
 *
 * A cache is one directory, owned by one process; it holds volumes, one per export of a server.
 *
 * Context  Every call here [waits]: it may block on the cache's filesystem. None may be made from
 *          a callback of the library.
 * Threads  Every call is thread-safe, except that close and relinquish come last.
 * Errors   0, else a negative errno.
 * Mistakes What could only crash or hang later ends the program at once, with a line on stderr that
 *          says what was expected ("fscache: bug: ..."): giving back what wasn't taken, what is
 *          still in use, or too often; an ops table without what is needed.
 */
#ifndef FSCACHE_CACHE_H
#define FSCACHE_CACHE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero in any field means the default; a zeroed struct is fine. */
struct fsc_cache_params {
	/*
	 * Percent free of the filesystem's blocks (b) and files (f). Culling starts below cull and
	 * ends above run; below stop nothing is stored. 0 <= stop < cull < run < 100 is demanded of
	 * each three (-EINVAL); three zeroes are the defaults 7, 5, 1.
	 */
	uint8_t brun, bcull, bstop;
	uint8_t frun, fcull, fstop;
	uint64_t max_bytes;      /* budget for what the cache's files occupy; default: none */
	uint64_t max_map_bytes;  /* memory for content maps; default 64 MiB */
	uint64_t max_keep_bytes; /* memory for downloads being stored; default 32 MiB */
	uint32_t save_ms;        /* an unsaved object is saved after this long; default 1000 */
	uint32_t max_errors;     /* failures of the storage in a row that withdraw it; default 16 */
	/* What the backend found out, or this if it is safer. 0: the former. */
	enum fsc_fs_kind at_least;
};

/*
 * Counters since the cache was opened. Bytes are bytes of file data, as asked for by the client:
 * padding to granules isn't counted, except in *_write_bytes.
 */
struct fsc_stats {
	uint64_t server_reads;        /* reads that the client's issue_read was asked for */
	uint64_t server_read_bytes;   /* bytes that they returned */
	uint64_t cache_reads;         /* reads of backing files that succeeded */
	uint64_t cache_read_bytes;    /* bytes that they returned to the client */
	uint64_t cache_writes;        /* stores that ended well */
	uint64_t cache_write_bytes;   /* bytes that they stored, zeroes left as holes included */
	uint64_t joined_reads;        /* misses that joined a download already under way */
	uint64_t stale_reads;         /* cache reads given up because the range changed meanwhile */
	uint64_t not_kept_bytes;      /* downloaded with an object there, and not stored */
	uint64_t prefetched_bytes;    /* downloaded by prefetches and readahead, kept or not */
	uint64_t objects_created;     /* objects that got their name on disk */
	uint64_t objects_found;       /* look-ups that found a usable object */
	uint64_t objects_missed;      /* look-ups that found nothing */
	uint64_t objects_invalidated; /* invalidate calls */
	uint64_t objects_discarded;   /* found and not believed: stale, damaged, marked, foreign */
	uint64_t objects_retired;     /* discarded because the client asked for it */
	uint64_t objects_culled;
	uint64_t objects_busy;        /* acquires refused: key in use with other coherency data */
	uint64_t saves;               /* xattr values stored */
	uint64_t cache_errors;        /* operations of the storage that failed, -ENOENT and kin apart */
	uint64_t no_space;            /* of these: no room, or limits */
	uint64_t no_memory;           /* of these: no memory */
	uint64_t bytes_used;          /* now: what the cache's files occupy, as far as known */
	uint64_t objects_open;        /* now */
	uint64_t map_bytes;           /* now: memory of content maps */
};

/*
 * Bring the cache in the backend's directory online. Takes over @be on success only: it is then
 * closed by fsc_cache_close(). An empty directory becomes a cache.
 *   -EBUSY      another process owns the directory
 *   -ENOTEMPTY  the directory holds something and is no cache; nothing was changed
 *   -EPROTONOSUPPORT  a cache of a format or with features we don't know; nothing was changed
 *   -EINVAL     @params, or @be is NULL
 *   -ENOMEM, or what the storage said
 */
int fsc_cache_open(struct fsc_backend *be, const struct fsc_cache_params *params,
		   struct fsc_cache **out);
/*
 * From now on the limits on space are those of @params: brun to max_bytes. The rest of it is not
 * looked at; NULL: the defaults. What is over them is culled in the background, as is what
 * a budget, set for the first time, turns out to be exceeded by when all that is there was counted.
 *   -EINVAL  @params, and nothing is changed     -ENOBUFS  @cache is NULL
 */
int fsc_cache_set_limits(struct fsc_cache *cache, const struct fsc_cache_params *params);
/* fsc_cache_close() is going to be called [any]: what goes on in the background, and calls of
 * fsc_cache_make_room(), end at the next object and aren't begun again. What is stored is saved when its
 * object is closed, and durable after fsc_cache_close(), but no longer once a second: it had better be
 * soon. NULL is fine. */
void fsc_cache_close_soon(struct fsc_cache *cache);
/* Waits for all I/O, saves, frees. Every volume was relinquished before. NULL is fine. */
void fsc_cache_close(struct fsc_cache *cache);
/* Stop using the storage now: what is open goes uncached, nothing more is stored or saved; only
 * names of what becomes outdated are still removed. Volumes and what is in them stay valid
 * handles. Cannot be undone but by closing and opening. NULL is fine. */
void fsc_cache_withdraw(struct fsc_cache *cache);
/* Save every object that has something unsaved; durable when it returns. The first error. */
int fsc_cache_sync(struct fsc_cache *cache);
/* Remove objects not in use until @bytes were given back or none is left; how many were
 * removed, in *@removed (may be NULL). Least recently used first. -ENOBUFS: the cache is NULL, or
 * was withdrawn. */
int fsc_cache_cull(struct fsc_cache *cache, uint64_t bytes, uint64_t *removed);
/*
 * For who was refused a store (-ENOSPC) and can have objects closed that are in use: cull what isn't
 * until the limits say "run". True: that was all there is, and it takes *@bytes (of the disk) and
 * *@files more until what was refused fits and the limits don't say "cull". Both are 0 otherwise.
 * False too if @cache is NULL, withdrawn or about to be closed. Waits for other culling under way.
 */
bool fsc_cache_make_room(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files);
/* Remove one object by the names of its volume's folder and, in that, of its fan-out folder and
 * file ("@3f/Skey"). -EBUSY: in use; -ENOENT; -ENOBUFS as above; -EINVAL: no such names are ever
 * given (docs/format.md, "Names"), or NULL; -EUCLEAN: a link, or a folder. What has no such name
 * isn't open. */
int fsc_cache_cull_object(struct fsc_cache *cache, const char *volume, const char *path);
bool fsc_cache_object_is_open(struct fsc_cache *cache, const char *volume, const char *path);
void fsc_cache_stats(struct fsc_cache *cache, struct fsc_stats *out); /* [any] */
bool fsc_cache_online(struct fsc_cache *cache);                       /* [any]; not withdrawn */
enum fsc_fs_kind fsc_cache_kind(struct fsc_cache *cache);             /* [any] the one in force */

/* Removals are made durable (synced) before an invalidation counts as finished, also on an ordered
 * filesystem: for a netfs whose coherency data don't change with every change on the server. */
#define FSC_VOLUME_STRICT_REMOVAL 1u

/*
 * Name an export. @key: 1 to FSC_KEY_MAX bytes; @coherency: what all its objects depend on, may be
 * empty; if what is stored differs the stored volume is discarded whole. NULL @cache: *@out
 * becomes NULL, which is valid everywhere and means "not cached".
 *   -EBUSY   @key is held already     -ENOBUFS  cache withdrawn
 *   -EINVAL  lengths, or a length without data; an unknown flag
 */
int fsc_volume_acquire(struct fsc_cache *cache, struct fsc_blob key, struct fsc_blob coherency,
		       uint32_t flags, struct fsc_volume **out);
/* Waits for the last I/O of what was in it. Its cookies and objects were given back before: a
 * cookie that is still held, which would be waited for without end, is a mistake (see above).
 * @retire: discard what is stored. NULL is fine. */
void fsc_volume_relinquish(struct fsc_volume *vol, bool retire);

#ifdef __cplusplus
}
#endif
#endif
