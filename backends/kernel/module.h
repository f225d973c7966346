/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * module.h - the structs of the kernel module, and what its rooms call of each other.
 *
 *	main.c       load, unload
 *	control.c    the device that cachefilesd talks to
 *	cache.c      a cache from bind to unbind
 *	volume.c     fscache's volumes
 *	cookie.c     fscache's cookies: look-up, withdrawal, invalidation, local changes
 *	ctimes.c     the ctimes of files that nobody uses any more
 *	promise.c    which bytes of the server may be kept
 *	op.c         the beginning and end of an operation, and where its bytes are
 *	read.c       reading from the cache
 *	keep.c       storing what came from the server
 *	localwrite.c what a netfs writes to the server itself
 *	press.c      room that files in use have
 *	stats.c      /proc/fs/libfscache
 *
 * fscache keeps look-up, invalidation and withdrawal of one cookie apart, and withdraws only what
 * no operation is under way on. So an object is there as long as an operation is.
 *
 * Lock order: fsc_kvolume.lock, around the core's; fsc_kobject.lock, fsc_kcache.lock, each around the core's spinlocks, the former
 * around its mutexes, too; the xarray's own lock innermost.
 */
#ifndef FSC_KERNEL_MODULE_H
#define FSC_KERNEL_MODULE_H

#include <linux/fscache-cache.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <trace/events/fscache.h> /* the names of why things are done */

#include <fscache/env.h>
#include <fscache/object.h>

#include "compat.h"

struct cred;
struct seq_file;

/* A cache that is bound. */
struct fsc_kcache {
	struct fscache_cache *cookie; /* fscache's */
	struct fsc_cache *cache;      /* the core's */
	struct path root;             /* the directory that `dir` names */
	atomic_t nr_volumes;          /* of the core's that are ours */
	spinlock_t lock;              /* covers the lists */
	struct list_head volumes;
	struct list_head objects;
	struct delayed_work press;
	struct shrinker *shrinker; /* NULL: no memory for it */
	unsigned int nr_presses;
	unsigned int nr_given_up; /* objects that are, and aren't withdrawn yet; lock */
};

struct fsc_kvolume {
	struct list_head node;
	struct fsc_kcache *kc;
	struct fscache_volume *cookie;
	struct mutex lock;      /* around its opening */
	struct fsc_volume *vol; /* NULL: couldn't be opened yet */
	bool strict; /* a file may change and its coherency data not */
	bool wants_versions; /* coherency data of zeroes tell nothing */
	struct xarray ctimes; /* of cookies that nobody uses any more, by debug_id */
	atomic_long_t nr_ctimes;
};

struct fsc_kobject {
	struct list_head node;
	struct fsc_kvolume *kv;
	struct fscache_cookie *cookie;
	struct fsc_object *obj; /* NULL: couldn't be opened */
	bool given_up;          /* is being withdrawn for want of room; kcache.lock */
	unsigned int looked_at; /* by which press; likewise */

	/* Held around each change of the object that isn't a transfer; covers the rest. */
	struct mutex lock;
	bool local;             /* being written to by this machine: uncached until that has ended */
	unsigned long local_at; /* jiffies of the last sign of it */
	s64 ctime;              /* the inode's, in ns, when it was looked at last; 0: not yet */
	bool nameless;          /* stored under a label that no netfs ever says */
	u32 turn;               /* counts what makes promises void; read without the lock */
	u8 label_len;
	u8 label[FSC_COHERENCY_MAX]; /* the coherency data that the netfs said */
	struct xarray promised; /* by granule: the turn at which it was promised */
};

/* cache.c */
struct fsc_kcache_args {
	const char *dir, *tag, *secctx; /* secctx may be NULL */
	struct fsc_cache_params params;
};
int fsc_kcache_bind(const struct fsc_kcache_args *args, struct fsc_kcache **out); /* [waits] */
void fsc_kcache_unbind(struct fsc_kcache *kc);                                     /* [waits] */

/* volume.c */
void fsc_kvolume_acquire(struct fscache_volume *vcookie);
void fsc_kvolume_free(struct fscache_volume *vcookie);
int fsc_kvolume_open(struct fsc_kvolume *kv); /* if it isn't yet [waits] */
void fsc_kvolumes_stop(struct fsc_kcache *kc);     /* no look-up begins any more [waits] */
void fsc_kvolumes_withdraw(struct fsc_kcache *kc); /* [waits] */

/* cookie.c */
bool fsc_kobject_lookup(struct fscache_cookie *cookie);
void fsc_kobject_withdraw(struct fscache_cookie *cookie);
bool fsc_kobject_invalidate(struct fscache_cookie *cookie);
void fsc_kobject_prepare_to_write(struct fscache_cookie *cookie);
void fsc_kobjects_withdraw(struct fsc_kcache *kc); /* [waits] */
/* The netfs changes the file itself [waits]: what is stored is gone when this returns. */
void fsc_kobject_modified(struct fsc_kobject *ko);
/* If that has ended, as @inode tells, what is read from now on is kept again [waits]. */
void fsc_kobject_settle(struct fsc_kobject *ko, struct inode *inode);
/* Does what the object says still fit what the netfs says? If not, start anew [waits]. */
void fsc_kobject_refresh(struct fsc_kobject *ko);

/* ctimes.c */
void fsc_ctimes_init(struct fsc_kvolume *kv);
void fsc_ctimes_destroy(struct fsc_kvolume *kv);
void fsc_ctime_remember(struct fsc_kobject *ko);
/* Puts it into ko->ctime. False: it was in use before, and what its file's ctime was then isn't
 * known. */
bool fsc_ctime_recall(struct fsc_kobject *ko);
unsigned long fsc_ctimes_count(struct fsc_kcache *kc);
void fsc_ctimes_shrink(struct fsc_kcache *kc); /* give back memory when that is wanted */
void fsc_ctimes_shrink_no_more(struct fsc_kcache *kc);

/* promise.c */
void fsc_promises_init(struct fsc_kobject *ko);
void fsc_promises_drop(struct fsc_kobject *ko); /* all void from now on; the object's lock */
/*
 * A miss was reported on these bytes: what a server read that is sent after this brings may be
 * kept. False: no memory. Granules that lie partly in the range are not promised.
 */
bool fsc_promise(struct fsc_kobject *ko, u64 pos, u64 end);
/* The first run of granules in [*@pos, @end) that were promised and are still; takes them off the
 * list. False: none. */
bool fsc_promise_take(struct fsc_kobject *ko, u64 *pos, u64 end, u64 *run_end);

/* op.c */
extern const struct netfs_cache_ops fsc_knetfs_ops;
bool fsc_kop_begin(struct netfs_cache_resources *cres, enum fscache_want_state want);
void fsc_kop_end(struct netfs_cache_resources *cres);
/* The generation that the operation has pinned, or pins now [waits]; NULL: uncached. */
struct fsc_gen *fsc_kop_gen(struct netfs_cache_resources *cres, enum fscache_want_state want);
static inline struct fsc_kobject *fsc_kop_object(struct netfs_cache_resources *cres)
{
	return fscache_cres_cookie(cres)->cache_priv;
}
/* Nothing has been begun anew since it was pinned. */
bool fsc_kop_is_current(struct fsc_gen *gen);
/* Invalidated since the operation began? Its worker may not have come to us yet. */
static inline bool fsc_kop_is_stale(struct netfs_cache_resources *cres)
{
	return READ_ONCE(fscache_cres_cookie(cres)->inval_counter) != cres->inval_counter;
}

/* read.c */
int fsc_kread(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
	      enum netfs_read_from_hole hole, netfs_io_terminated_t done, void *priv);

/* keep.c */
int fsc_kprepare_keep(struct netfs_cache_resources *cres, loff_t *start, size_t *len);
int fsc_kkeep(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
	      netfs_io_terminated_t done, void *priv);
/* The same of @len bytes, which needn't be whole granules: @iter goes on to the end of the page. */
int fsc_kkeep_len(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter, size_t len,
		  netfs_io_terminated_t done, void *priv);

/* localwrite.c */
extern const struct netfs_cache_ops fsc_klocal_ops;
void fsc_kresize(struct netfs_cache_resources *cres, loff_t size);

/* press.c */
void fsc_kpress_init(struct fsc_kcache *kc);
void fsc_kpress(struct fsc_kcache *kc); /* something couldn't be stored for want of room [any] */
/* What was given up is gone, or nearly so [any]. The cache is held. */
void fsc_kpress_given(struct fsc_kcache *kc);
void fsc_kpress_exit(struct fsc_kcache *kc); /* [waits]; nothing is stored any more */

/* stats.c */
int fsc_kstats_init(void);
void fsc_kstats_exit(void);
void fsc_kstats_set(struct fsc_kcache *kc); /* of whom; NULL: nobody. Waits for readers. */

/* control.c */
int fsc_kcontrol_init(void);
void fsc_kcontrol_exit(void);

#endif
