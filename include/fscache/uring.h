/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * uring.h - open the io_uring backend on a directory.
 *
 * Transfers go through io_uring, or, where that is refused, through pread and pwrite on a few
 * threads. Everything else is system calls in the caller's thread.
 */
#ifndef FSCACHE_URING_H
#define FSCACHE_URING_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fsc_file;

enum fsc_uring_drive {
	FSC_URING_THREAD, /* a thread of the library submits and reaps */
	FSC_URING_LOOP,   /* the client's event loop does, see below */
};

/* A zeroed struct is fine. */
struct fsc_uring_params {
	enum fsc_uring_drive drive;
	uint32_t depth;  /* entries of the ring, a power of two from 8 to 4096; default 128 */
	bool buffered;   /* go through the page cache; the kind is then at least strict */
	bool no_uring;   /* as if io_uring were refused */
	bool no_tmpfile; /* as if O_TMPFILE were refused */
};

/*
 * Open the cache directory @path [waits]. It exists, belongs to the caller and is not writable for
 * others (fsc_cache_open() makes it 0700, once it is known to be a cache or empty). Finds out what
 * kind of filesystem it is and says so, and why, in one log line. *@out is given to
 * fsc_cache_open(), or to fsc_uring_close() if that fails.
 *   -ENOTDIR, -EPERM (owner, or writable for others), -EOPNOTSUPP (no user xattrs, or a block size
 *   over 4 KiB), -EROFS, -EACCES, -ENOENT, -ENOMEM, -EINVAL
 */
int fsc_uring_open(const char *path, const struct fsc_uring_params *params,
		   struct fsc_backend **out);
/* [waits] Only while no cache is open on it: fsc_cache_close() closes both. NULL is fine. */
void fsc_uring_close(struct fsc_backend *be);

/*
 * FSC_URING_LOOP. The thread that first calls fsc_uring_dispatch() drives the ring: no other may.
 * Reads that it starts are submitted at its next dispatch, without a hand-over; those of other
 * threads are handed to it. The descriptor is readable when there is something to dispatch. A call
 * that [waits] must not be made by that thread where it would wait for reads that are still to be
 * dispatched (relinquishing their volume, say).
 */
int fsc_uring_fd(struct fsc_backend *be); /* [any]; -EINVAL: NULL, another mode, a forked child */
/* Submit what was started, run completions (and so callbacks), and return how many ran. Waits until
 * at least one did if @wait. 0 without @wait if there was nothing. -EINVAL: NULL, or the wrong
 * thread or mode. */
int fsc_uring_dispatch(struct fsc_backend *be, bool wait);

/* The descriptor of a backing file that was lent (fsc_cookie_lend(), fsc_gen_lend()), open for
 * reading and writing, not to be written to nor closed [any]; good until the return. It may be
 * O_DIRECT: hand it on to who takes that, or open /proc/self/fd/N anew, read-only. -EINVAL in a
 * forked child. */
int fsc_uring_file_fd(const struct fsc_file *file);

/* Where log lines go, for the whole process [waits]; NULL: to stderr, warnings and errors only.
 * @level as in syslog: 3 error, 4 warning, 6 info, 7 debug. @fn may be called on any thread. */
void fsc_set_log(void (*fn)(void *arg, int level, const char *line), void *arg);

#ifdef __cplusplus
}
#endif
#endif
