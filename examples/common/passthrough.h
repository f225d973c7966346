/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * passthrough.h - files that the kernel reads by itself, from the cache's own file.
 *
 * Linux 6.9 and later, for who has CAP_SYS_ADMIN. What else a FUSE filesystem must know of it: all
 * opens of an inode that are served so have the same file behind them, and none beside them may be
 * served by pages that the kernel keeps; an open that doesn't fit would fail with EIO. So only what
 * is opened for reading, and is wholly cached and current, is served so; an open that doesn't fit
 * beside it gets -ESTALE, the inode is no longer found, and the look-up that the kernel then makes
 * gives the file a new one. What is open goes on with the old file, as after a rename over it.
 */
#ifndef FSC_EXAMPLES_PASSTHROUGH_H
#define FSC_EXAMPLES_PASSTHROUGH_H

#include "open_file.h"

/* After fuse_session_mount(): stand between libfuse and the kernel. Without it, or where
 * passthrough isn't to be had, everything works as ever. 0 or -errno. */
int passthrough_begin(struct mount *m);
/* The kernel has let go of all that it was given. */
void passthrough_unmounted(struct mount *m);
void passthrough_end(struct mount *m);

/* How the kernel is to serve @f, which was added to its inode: by itself (f->backing), or with
 * pages (f->cached). -ESTALE as above [blocks on the cache]. */
int passthrough_open(struct mount *m, struct open_file *f);
/* This thread's next reply is that to the open of @f. */
void passthrough_reply(const struct open_file *f);
/* The kernel has released @f. */
void passthrough_close(struct mount *m, struct open_file *f);

#endif
