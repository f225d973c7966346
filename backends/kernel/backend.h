/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * backend.h - open the kernel's backend on a directory: operations on files through the VFS,
 * transfers by kiocb, direct and asynchronous.
 *
 * Buffers      Of kind FSC_BUF_ITER: @mem is a struct iov_iter *, of any type that the kernel's
 *              direct I/O takes (bvec, xarray, folioq), @off counts from where that iterator
 *              stands and @off + @len is at most its count. It is copied and never advanced, nor
 *              does its direction matter; it stays, with what it stands for, until @done. Of kind
 *              FSC_BUF_MEM: kernel memory, vmalloc()ed too, but no stack.
 *                struct fsc_gio gio = { .buf = { .mem = iter, .len = n, .kind = FSC_BUF_ITER } };
 * Completions  In interrupt context (most reads), on a work queue of the filesystem (most writes),
 *              or before the op returns. Another transfer may be asked for in one: a worker starts
 *              it.
 * FSC_IO_MAY_BLOCK  The transfer ends before the op returns, except where it had to be given to a
 *              worker; then @done comes later, as without the flag.
 * Callers      Each operation that waits runs with the backend's credentials and without __GFP_FS,
 *              so none of that is the caller's business; below a netfs's writeback too.
 */
#ifndef FSC_KERNEL_BACKEND_H
#define FSC_KERNEL_BACKEND_H

#include <linux/cred.h>
#include <linux/path.h>

#include <fscache/backend.h>

/*
 * Open the cache directory @root [waits]: it exists, belongs to uid 0 and is not writable for
 * others (fsc_cache_open() makes it 0700, once it is known to be a cache or empty). Its mount is
 * pinned until the close. @cred: what everything is done as, a reference is taken; NULL: as the
 * kernel itself. Finds out what kind of filesystem it is and says so, and why, in one log line.
 * *@out is given to fsc_cache_open(), or to fsc_kernel_backend_close() if that fails.
 *   -ENOTDIR, -EPERM (owner, writable for others, or an idmapped mount), -EROFS, -ENOMEM,
 *   -EOPNOTSUPP (no direct I/O, O_TMPFILE, hole punching or user xattrs; a block size over 4 KiB)
 */
int fsc_kernel_backend_open(const struct path *root, const struct cred *cred,
			    struct fsc_backend **out);
/* [waits]; only while no cache was opened on it. */
void fsc_kernel_backend_close(struct fsc_backend *be);

/* The inode behind a file or directory that the core handed out [any]: to be compared, good while
 * the handle is. */
const struct inode *fsc_kernel_file_inode(const struct fsc_file *file);

#endif
