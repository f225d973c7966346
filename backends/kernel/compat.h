/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * compat.h - every difference between the kernels that the module is built for (6.1 to 6.12).
 *
 * compat.mk looks for names in the kernel's headers and defines FSC_HAVE_*: stable kernels change
 * their interfaces too, so LINUX_VERSION_CODE doesn't tell. It is asked only where the same names
 * mean something else.
 */
#ifndef FSC_KERNEL_COMPAT_H
#define FSC_KERNEL_COMPAT_H

#include <linux/error-injection.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/netfs.h>
#include <linux/pagemap.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/version.h>
#ifdef FSC_HAVE_FILELOCK_H
#include <linux/filelock.h>
#endif

/* --- Injected errors ------------------------------------------------------------------------- */

/*
 * What ALLOW_ERROR_INJECTION() names can be told to fail: by fail_function in kernels that have it
 * (FAIL_FUNCTION), by a kprobe that returns in its place in others. So all calls must lead there,
 * and those that the compiler might turn into something else are marked.
 */
#define fsc_may_fail noinline __noclone

/* --- Mounts whose owners are mapped: ours is not ---------------------------------------------- */

#ifdef FSC_HAVE_IDMAP
#define FSC_IDMAP (&nop_mnt_idmap)
#define fsc_renamedata_idmap(rd)                        \
	do {                                            \
		(rd)->old_mnt_idmap = FSC_IDMAP;        \
		(rd)->new_mnt_idmap = FSC_IDMAP;        \
	} while (0)
#else
#define FSC_IDMAP (&init_user_ns)
#define fsc_renamedata_idmap(rd)                        \
	do {                                            \
		(rd)->old_mnt_userns = FSC_IDMAP;       \
		(rd)->new_mnt_userns = FSC_IDMAP;       \
	} while (0)
#endif

/* --- Files ------------------------------------------------------------------------------------ */

static inline struct file *fsc_open_tmpfile(const struct path *dir, int flags,
					    const struct cred *cred)
{
#ifdef FSC_HAVE_KERNEL_TMPFILE_OPEN
	return kernel_tmpfile_open(FSC_IDMAP, dir, S_IFREG | 0600, flags, cred);
#else
	return vfs_tmpfile_open(FSC_IDMAP, dir, S_IFREG | 0600, flags, cred);
#endif
}

/* The lock that fcntl(F_OFD_SETLK) would set on byte 0. */
static inline void fsc_first_byte_lock(struct file_lock *lock, struct file *file)
{
#ifdef FSC_HAVE_FILE_LOCK_CORE
	lock->c.flc_flags = FL_POSIX | FL_OFDLCK;
	lock->c.flc_type = F_WRLCK;
	lock->c.flc_pid = -1;
	lock->c.flc_owner = file;
	lock->c.flc_file = file;
#else
	lock->fl_flags = FL_POSIX | FL_OFDLCK;
	lock->fl_type = F_WRLCK;
	lock->fl_pid = -1;
	lock->fl_owner = file;
	lock->fl_file = file;
#endif
	lock->fl_start = 0;
	lock->fl_end = 0;
}

/* --- Freezing --------------------------------------------------------------------------------- */

/*
 * Who keeps the filesystem from being frozen under a write. Since 6.8 vfs_iocb_iter_write() does,
 * and leaves to us only the end of what it started and didn't finish itself; before, all of it is
 * ours.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define fsc_write_begins(iocb) ((void)(iocb))
#define fsc_write_ended_at_once(iocb) ((void)(iocb))
#else
#define fsc_write_begins(iocb) kiocb_start_write(iocb)
#define fsc_write_ended_at_once(iocb) kiocb_end_write(iocb)
#endif
#define fsc_write_ended_later(iocb) kiocb_end_write(iocb)

/* --- Shrinkers -------------------------------------------------------------------------------- */

typedef unsigned long (*fsc_shrink_fn)(struct shrinker *shrinker, struct shrink_control *sc);

#ifdef FSC_HAVE_SHRINKER_ALLOC
/* NULL: no memory. */
static inline struct shrinker *fsc_shrinker_start(fsc_shrink_fn count, fsc_shrink_fn scan,
						  void *priv)
{
	struct shrinker *shrinker = shrinker_alloc(0, "libfscache");

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->private_data = priv;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void *fsc_shrinker_priv(struct shrinker *shrinker)
{
	return shrinker->private_data;
}

/* Waits for those that run; NULL is fine. */
static inline void fsc_shrinker_end(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
struct fsc_shrinker {
	struct shrinker shrinker;
	void *priv;
};

static inline struct shrinker *fsc_shrinker_start(fsc_shrink_fn count, fsc_shrink_fn scan,
						  void *priv)
{
	struct fsc_shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = DEFAULT_SEEKS;
	s->priv = priv;
	if (!register_shrinker(&s->shrinker, "libfscache"))
		return &s->shrinker;
	kfree(s);
	return NULL;
}

static inline void *fsc_shrinker_priv(struct shrinker *shrinker)
{
	return container_of(shrinker, struct fsc_shrinker, shrinker)->priv;
}

static inline void fsc_shrinker_end(struct shrinker *shrinker)
{
	if (!shrinker)
		return;
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct fsc_shrinker, shrinker));
}
#endif

/* --- 9P --------------------------------------------------------------------------------------- */

/* What has no version comes to the cache only where a mount option (ignoreqv) says so. */
#define FSC_MOUNTS_KNOW_VERSIONS (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0))

/* --- The netfs library ------------------------------------------------------------------------ */

#ifdef NETFS_FOLIO_COPY_TO_CACHE
/* It writes through streams of subrequests, one of them to the cache: what it read, and all that is
 * written through the page cache. Writes past that come with an invalidation. */
#define FSC_NETFS_ISSUES_WRITES
#define FSC_PAGES_ARE_KEPT_WHOLE true
#define FSC_OPEN_TO_WRITE_IS_KNOWN false /* FSCACHE_COOKIE_LOCAL_WRITE is set by reads too */
typedef unsigned long long fsc_kpos_t;
typedef unsigned long long fsc_klen_t;
#else
#define FSC_PAGES_ARE_KEPT_WHOLE false
#define FSC_OPEN_TO_WRITE_IS_KNOWN true
typedef loff_t fsc_kpos_t;
typedef size_t fsc_klen_t;
#define fscache_count_dio_misfit() ((void)0)
#endif

/*
 * Must a folio not be read in slices, as from the cache and from the server? In the newer
 * library a slice that ends gives its part of such a folio to a neighbour. With three of them that
 * part is lost if the first is being removed while the second gives to it, and the third stops with
 * BUG() ("Can't donate prior to front").
 */
#ifdef FSC_NETFS_ISSUES_WRITES
#define fsc_slices_must_hold_folios(mapping) mapping_large_folio_support(mapping)
#define FSC_LARGEST_FOLIO (PAGE_SIZE << MAX_PAGECACHE_ORDER)
static inline void fsc_slices_may_have(struct netfs_io_request *rreq, size_t len)
{
	if (!rreq->netfs_ops->prepare_read)
		rreq->io_streams[0].sreq_max_len = max(rreq->io_streams[0].sreq_max_len, len);
}
#else
#define fsc_slices_must_hold_folios(mapping) false
#define fsc_slices_may_have(rreq, len) ((void)0)
#define FSC_LARGEST_FOLIO PAGE_SIZE
#endif

/*
 * What a netfs is told of an asynchronous read that brought all of @len, with zeroes beyond the
 * file's end, or failed. The older library reads again from the server after an error, and takes
 * anything less than all for something else; the newer one passes errors on to the application, and
 * reads from the server what less than all lacks.
 */
static inline ssize_t fsc_kread_result(s64 ret, size_t len)
{
#ifdef FSC_NETFS_ISSUES_WRITES
	return ret < 0 ? 0 : len;
#else
	return ret < 0 ? ret : len;
#endif
}

#endif
