/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * core.h - the structs behind cache.h and object.h, and what the rooms of lib/ call of each other.
 *
 * Lock order, outermost first; what is on one line is never held together:
 *	cache.cull_mutex
 *	cache.volumes_mutex
 *	volume.table_mutex
 *	cache.saver_mutex
 *	generation.save_mutex
 *	object.name_mutex
 *	cache.super_mutex
 *	any one spinlock: object.lock, generation.lock, cache.dirty_lock, cache.space_lock,
 *	volume.lock
 * cookie.h has those of the userspace rooms: cookie.lock may be held around one of these spinlocks.
 */
#ifndef FSC_CORE_H
#define FSC_CORE_H

#include <fscache/object.h>

#include "key.h"
#include "list.h"
#include "map.h"
#include "record.h"
#include "space.h"

/* In the order of struct fsc_stats: stats.c copies one to the other. */
enum fsc_stat_id {
	FSC_STAT_SERVER_READS,
	FSC_STAT_SERVER_READ_BYTES,
	FSC_STAT_CACHE_READS,
	FSC_STAT_CACHE_READ_BYTES,
	FSC_STAT_CACHE_WRITES,
	FSC_STAT_CACHE_WRITE_BYTES,
	FSC_STAT_JOINED_READS,
	FSC_STAT_STALE_READS,
	FSC_STAT_NOT_KEPT_BYTES,
	FSC_STAT_PREFETCHED_BYTES,
	FSC_STAT_OBJECTS_CREATED,
	FSC_STAT_OBJECTS_FOUND,
	FSC_STAT_OBJECTS_MISSED,
	FSC_STAT_OBJECTS_INVALIDATED,
	FSC_STAT_OBJECTS_DISCARDED,
	FSC_STAT_OBJECTS_RETIRED,
	FSC_STAT_OBJECTS_CULLED,
	FSC_STAT_OBJECTS_BUSY,
	FSC_STAT_SAVES,
	FSC_STAT_CACHE_ERRORS,
	FSC_STAT_NO_SPACE,
	FSC_STAT_NO_MEMORY,
	FSC_STAT_NR,
};

struct fsc_cache {
	struct fsc_backend *be;
	struct fsc_cache_params params; /* defaults filled in */
	enum fsc_fs_kind kind;
	bool syncs;             /* anything is worth a sync: neither volatile nor forgotten */
	struct fsc_workq *wq;
	struct fsc_dir *root, *cache_dir, *graveyard, *tmp;
	struct fsc_mutex super_mutex; /* innermost of the mutexes */
	struct fsc_super super; /* as stored last */
	uint32_t withdrawn;     /* set once; fsc_load_acquire() */
	uint32_t tainted;       /* likewise: what is stored must not be believed again */

	struct fsc_mutex volumes_mutex; /* the list, and names below cache/ */
	struct fsc_list volumes;

	struct fsc_mutex saver_mutex; /* one pass at a time */
	struct fsc_work saver;
	struct fsc_spin dirty_lock;   /* covers the rest of this group */
	struct fsc_list dirty;        /* generations, each with a reference */
	struct fsc_gen *last_saved;   /* whose sync commits the log for all saved since the last */
	uint32_t nr_sync_pending;

	struct fsc_spin space_lock; /* covers the rest of this group */
	struct fsc_space_limits limits;
	struct fsc_space space;     /* as of space_ms */
	uint64_t space_ms;
	uint64_t stored;            /* bytes, ever */
	uint64_t space_stored;      /* of which @space may know */
	bool space_known;
	bool freed;                 /* something was removed; free space may not say so yet, */
	bool frees_late;            /* as it was seen not to before a sync, */
	bool frees_promptly;        /* or seen to */
	uint64_t refused;           /* the most that didn't fit since somebody asked what is lacking */
	uint64_t used;              /* bytes in the cache's files */
	bool used_known;            /* counted since the last unclean stop */
	bool used_moved;            /* since the open: a count that ends later isn't exact */
	bool stored_first;          /* the next count comes after much was stored */
	uint32_t scans_failed;      /* in a row; scan_work's */
	bool scan_due;              /* to be counted, after the graveyard was emptied; bury_work's */
	struct fsc_mutex cull_mutex; /* one at a time: two would each make room for all */
	struct fsc_work cull_work;
	struct fsc_work scan_work;
	struct fsc_work bury_work;
	uint32_t closing;

	struct fsc_count map_bytes;
	struct fsc_count objects_open;
	struct fsc_count errors_in_row;
	struct fsc_count stats[FSC_STAT_NR];

	void *readside; /* lib/read.c's; not in the kernel */
	void (*readside_free)(struct fsc_cache *cache);
};

#define FSC_VOLUME_BUCKETS 512

struct fsc_volume {
	struct fsc_cache *cache;
	struct fsc_list in_cache;
	uint32_t flags;
	struct fsc_dir *dir;
	struct fsc_mutex table_mutex; /* the table, and that what isn't in it may be culled */
	struct fsc_object *table[FSC_VOLUME_BUCKETS];
	struct fsc_spin lock;
	uint64_t live;                /* objects and generations; lock */
	struct fsc_waitq idle;        /* live became 0 */
	void *cookies;                /* lib/cookie.c's; not in the kernel */
	void (*cookies_free)(struct fsc_volume *vol);
	char name[FSC_NAME_MAX + 1];
	uint8_t key_len;
	uint8_t key[FSC_KEY_MAX];
};

/* Coherency data in the form that is stored. */
struct fsc_label {
	uint8_t len;
	bool hashed;
	uint8_t data[FSC_COHERENCY_INLINE];
};

struct fsc_object {
	struct fsc_volume *vol;
	struct fsc_object *next;  /* in its bucket; table_mutex */
	struct fsc_spin lock;
	struct fsc_gen *gen;      /* with a reference; lock; NULL: nothing there (no memory) */
	bool sealed;              /* no other comes in its place but by invalidation; lock */
	bool removal_synced;      /* what stood under its name before it was opened is gone for good */
	struct fsc_mutex name_mutex; /* the name on disk */
	struct fsc_label label;   /* save_mutex of the current generation */
	uint64_t size;            /* lock: as the netfs says it */
	uint64_t next_size;       /* lock: what a resize under way makes of it */
	bool key_hashed;
	uint8_t key_len;
	uint8_t key[FSC_KEY_MAX];
	char path[FSC_OBJECT_PATH_SIZE];
};

struct fsc_gen {
	struct fsc_ref ref;
	struct fsc_volume *vol;
	struct fsc_cache *cache;

	struct fsc_spin lock; /* covers this group */
	struct fsc_map map;
	uint64_t size;        /* bytes */
	uint64_t change;
	struct fsc_range *ranges; /* stores in flight */
	struct fsc_file *file;    /* made with the first store; set once, under save_mutex too */
	uint64_t file_size;       /* of it, at least; changed under save_mutex too */
	uint64_t charge;          /* bytes of cache.used that are this file's */
	bool miscounted;          /* and that may not be what it occupies */
	uint64_t writes;          /* local writes that the server hasn't answered */
	uint32_t is_current;      /* the object's; also read by fsc_load_acquire() */
	bool pristine;            /* no old blocks anywhere: zeroes may stay holes (I3) */
	bool overwrote;           /* bits were set over what may be old blocks; not synced yet */
	bool unsettled;           /* a crash could bring back a value that declares old blocks */
	bool unsaved;             /* the map differs from what is stored */
	bool modified;            /* by local writes, not yet proven to be ours alone */
	uint32_t lent;            /* readers of the file outside; grows only under save_mutex too */
	bool closing;             /* somebody waits for ranges to become empty */
	struct fsc_waitq drained;

	struct fsc_mutex save_mutex; /* covers this group, and label and name of its object */
	struct fsc_object *obj;      /* NULL: closed or replaced; nothing is saved any more */
	bool linked;                 /* has its name; name_mutex too */
	bool stored;                 /* has an xattr value */
	bool value_bits;             /* which declares something present */
	bool stored_bits;            /* or one before it did, that a crash could bring back */
	bool stored_mark;            /* and is marked */
	bool in_slot;                /* and whose map is in @slot */
	bool slot_synced;            /* and is durable */
	struct fsc_slot_ref slot;
	uint64_t next_save_ms;

	struct fsc_list in_dirty;    /* cache.dirty_lock */
	bool sync_pending;           /* likewise: saved, to be synced by itself (strict) */
	struct fsc_work free_work;
};

/* stats.c */
bool fsc_is_fault(int err); /* of the storage: not for want of room, memory or time [any] */
static inline void fsc_stat_add(struct fsc_cache *cache, enum fsc_stat_id id, int64_t n)
{
	fsc_count_add(&cache->stats[id], n);
}
/* The storage failed in @what: count it, say so, withdraw the cache if it goes on [any]. */
void fsc_cache_error(struct fsc_cache *cache, int err, const char *what);
void fsc_cache_worked(struct fsc_cache *cache); /* [any] */

/* cache.c */
static inline bool fsc_cache_is_online(struct fsc_cache *cache)
{
	return !fsc_load_acquire(&cache->withdrawn);
}
/* One transfer of our own, whole [waits]; memory from fsc_io_alloc(). 0, or -errno. */
int fsc_cache_transfer(struct fsc_cache *cache, struct fsc_file *file, bool write, uint64_t pos,
		       void *mem, size_t len);
struct fsc_workq *fsc_cache_workq(struct fsc_cache *cache);
uint32_t fsc_cache_max_files(struct fsc_cache *cache);
uint64_t fsc_cache_max_keep_bytes(struct fsc_cache *cache);
uint32_t fsc_cache_mem_align(struct fsc_cache *cache);
void **fsc_cache_readside(struct fsc_cache *cache);
void (**fsc_cache_readside_free_fn(struct fsc_cache *cache))(struct fsc_cache *);

/* super.c */
int fsc_super_load(struct fsc_cache *cache, bool *fresh, bool *damaged);
int fsc_super_store(struct fsc_cache *cache);
/* Something outdated can't be removed: no later open may believe anything in here [waits]. */
void fsc_super_taint(struct fsc_cache *cache);

/* graveyard.c */
/* Move what @name in @dir leads to, file or directory, to the graveyard [waits]. */
int fsc_bury(struct fsc_cache *cache, struct fsc_dir *dir, const char *name);
/* What is in ROOT/graveyard, where an older version has buried it: nobody else may come for it. While
 * the cache is being opened [waits]. */
void fsc_bury_graveyard(struct fsc_cache *cache);
void fsc_bury_queue(struct fsc_cache *cache); /* empty the graveyard in the background */
void fsc_bury_work(struct fsc_work *work);
int fsc_sweep(struct fsc_cache *cache, struct fsc_dir *dir); /* empty a directory [waits] */
void fsc_unique_name(char out[17]);

/* volume.c */
struct fsc_cache *fsc_volume_cache(struct fsc_volume *vol);
void **fsc_volume_cookies(struct fsc_volume *vol);
void (**fsc_volume_cookies_free_fn(struct fsc_volume *vol))(struct fsc_volume *);
void fsc_volume_live(struct fsc_volume *vol, int change); /* [any]; last thing done to it */
struct fsc_object **fsc_volume_find(struct fsc_volume *vol, const char *path); /* table_mutex */

/* object.c */
void fsc_label_make(struct fsc_label *label, struct fsc_blob coherency);
/* What is stored under a key that is not open must go, without opening it [waits]. */
int fsc_object_forget(struct fsc_volume *vol, struct fsc_blob key);

/* name.c */
/* The name must not lead to anything but the current generation any more [waits]: 0 if it doesn't,
 * with *@gone telling whether there was something. Withdraws the cache if it can't be done. */
int fsc_object_drop_name(struct fsc_object *obj, bool *gone);
/* Whatever was @gone, or was removed by others before, doesn't come back after a crash, where that
 * was asked for or can't be left to the order of things [waits]. */
int fsc_object_sync_removal(struct fsc_object *obj, bool gone);

/* generation.c */
struct fsc_gen *fsc_gen_new(struct fsc_object *obj, uint64_t size); /* not yet the object's */
void fsc_gen_put_wait(struct fsc_gen *gen); /* [waits] frees in the caller's thread */
void fsc_gen_expire(struct fsc_gen *gen);   /* [any] no longer current */
void fsc_gen_detach(struct fsc_gen *gen);   /* [waits] forgets its object */
void fsc_gen_drain(struct fsc_gen *gen);    /* [waits] until no store is in flight */
int fsc_gen_file(struct fsc_gen *gen, struct fsc_file **out); /* [waits] made if there is none */
int fsc_gen_file_locked(struct fsc_gen *gen); /* the same under save_mutex */

/* lend.c */
bool fsc_gen_is_lent(struct fsc_gen *gen); /* stays false while save_mutex is held [any] */
/* @gen, lent, is to change [waits]: a new, empty one of @size takes its place, as an invalidation
 * would put there, and @gen stays as it is for its readers. save_mutex; the caller pins @gen. */
void fsc_gen_supersede(struct fsc_gen *gen, uint64_t size);

/* store.c */
bool fsc_gen_void(struct fsc_gen *gen, uint64_t start, uint64_t end); /* lock; any there? */
void fsc_gen_range_add(struct fsc_gen *gen, struct fsc_range *range); /* lock */
void fsc_gen_range_del(struct fsc_gen *gen, struct fsc_range *range); /* lock */
int fsc_gen_store_begin(struct fsc_gio *gio, bool local); /* what both prepares end in */

/* mapmem.c: blocks for maps */
int fsc_pool_fill(struct fsc_cache *cache, struct fsc_map_pool *pool,
		  const struct fsc_map_need *need); /* [waits] 0 or -ENOMEM */
/* What any one clear or resize can need; tries [waits]; save_mutex. */
void fsc_pool_fill_clear(struct fsc_gen *gen, struct fsc_map_pool *pool);
void fsc_pool_free(struct fsc_cache *cache, struct fsc_map_pool *pool);       /* [any] */

/* save.c */
#define FSC_SAVE_ALWAYS 1u  /* also if nothing changed */
#define FSC_SAVE_NO_SLOT 2u /* declare what fits the xattr */
#define FSC_SAVE_DATA 4u    /* data first, on an ordered filesystem too */
/* Store the map as it is now [waits]; save_mutex held. With another size than the map's if @size is
 * not that (resize). 0, or why not; then what was stored before stands. *@stored (may be NULL): a
 * value was set; not so when nothing changed, or the generation is not to be saved any more. */
int fsc_gen_save(struct fsc_gen *gen, uint64_t size, uint32_t flags, bool *stored);
/* What is stored must not declare any more than memory does, or be unreachable [waits];
 * save_mutex. */
int fsc_gen_undeclare(struct fsc_gen *gen, uint64_t size);
/* Before a change, where coherency data don't tell of it: nothing that was under the name before
 * the object was opened comes back after a crash [waits]; save_mutex. */
int fsc_gen_bury_past(struct fsc_gen *gen);
int fsc_gen_save_sync(struct fsc_gen *gen); /* [waits] what was saved is durable; save_mutex */
/* Before anything goes over old blocks: no value comes back that declares them (I7) [waits]. */
int fsc_gen_settle(struct fsc_gen *gen);
bool fsc_gen_is_unsettled(struct fsc_gen *gen);                  /* [any] */
void fsc_gen_set_unsettled(struct fsc_gen *gen, bool unsettled); /* [any] save_mutex */
/* The last way to make what is stored unreachable: the name goes, the generation is over [waits].
 * It withdraws the cache if that fails too. save_mutex. */
int fsc_gen_drop(struct fsc_gen *gen);
/* link.c: give the saved file its name [waits]; save_mutex. */
int fsc_gen_link(struct fsc_gen *gen);

/* saver.c */
void fsc_gen_dirty(struct fsc_gen *gen); /* [any] to be saved */
void fsc_saver_note(struct fsc_gen *gen);  /* [waits] saved outside a pass; synced with the next */
void fsc_saver_forget(struct fsc_gen *gen); /* [waits] detached: take it off the list */
void fsc_saver_work(struct fsc_work *work);
int fsc_saver_pass(struct fsc_cache *cache, bool all); /* [waits] */

/* snapshot.c: the map as bytes */
struct fsc_snapshot {
	enum fsc_map_kind kind; /* none, runs or bitmap */
	bool complete;
	uint64_t present;       /* granules that it declares */
	void *mem;              /* the encoded map, len bytes; fsc_free() */
	size_t len;
};
/* Of the map seen as one of @size bytes; at most @room bytes long, or -ERANGE (and then *@len is
 * what it would have taken). */
int fsc_snapshot_take(struct fsc_gen *gen, uint64_t size, size_t room, struct fsc_snapshot *snap);
/* The longest runs that fit. */
int fsc_snapshot_take_part(struct fsc_gen *gen, uint64_t size, size_t room,
			   struct fsc_snapshot *snap);
/* Set the bits of a fresh generation from an encoded map [waits]. */
int fsc_snapshot_load(struct fsc_gen *gen, enum fsc_map_kind kind, struct fsc_blob map);

/* account.c: the limits */
/* May @bytes be stored [waits]? Counts them in; -ENOSPC. */
int fsc_space_take(struct fsc_cache *cache, uint64_t bytes);
void fsc_space_give(struct fsc_cache *cache, uint64_t bytes);  /* [any] not stored */
void fsc_space_freed(struct fsc_cache *cache, uint64_t bytes); /* [any] removed */
/* Something went, or couldn't be counted: a clean end claims to know nothing, and the next open
 * counts anew [any]. */
void fsc_space_unknown(struct fsc_cache *cache);
/* [any] Before something on the disk becomes less that is given back afterwards: a count under way
 * may miss it, and what it doesn't have must not be taken off it. */
void fsc_space_removing(struct fsc_cache *cache);
/* No longer current, nothing in flight: what its file occupies, slots and what failed stores left
 * there too, as against what was counted for it [waits]. */
void fsc_space_recount(struct fsc_gen *gen);
/* How much must go until culling ends [waits]? False: nothing. */
bool fsc_space_wanted(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files);
/* Is that for want of free space though something was removed, and may that not show yet? Then it
 * does now, and is to be asked for again [waits]. @doubtful: it should have been enough. */
bool fsc_space_show_freed(struct fsc_cache *cache, bool doubtful);
/* And how much until what was refused last can be stored, and culling needn't begin [waits]? */
bool fsc_space_lacking(struct fsc_cache *cache, uint64_t *bytes, uint64_t *files);

/* walk.c */
struct fsc_walk {
	/* Of each object by name; false ends the walk. */
	bool (*fn)(struct fsc_walk *walk, const char *volume, const char *path,
		   const struct fsc_stat *st);
	bool missed; /* something could not be read */
};
/* Everything below cache/ [waits]. Ends early when the cache is closing: false then. */
bool fsc_walk(struct fsc_cache *cache, struct fsc_walk *walk);

/* cull.c */
void fsc_cull_work(struct fsc_work *work);
void fsc_scan_work(struct fsc_work *work);
void fsc_cull_queue(struct fsc_cache *cache); /* [any] */

#endif
