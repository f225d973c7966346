/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse_loop.h - the threads that take requests from the kernel and serve them.
 */
#ifndef FSC_EXAMPLES_FUSE_LOOP_H
#define FSC_EXAMPLES_FUSE_LOOP_H

#include "mount.h"

/* Serve until the mount is gone or fuse_session_exit() was called and the main thread got a signal
 * [blocks, main thread]. 0 or -errno. */
int fuse_loop(struct mount *m);

#endif
