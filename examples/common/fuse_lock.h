/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse_lock.h - those who wait for a lock of the server's.
 */
#ifndef FSC_EXAMPLES_FUSE_LOCK_H
#define FSC_EXAMPLES_FUSE_LOCK_H

struct lock_waits;

struct lock_waits *lock_waits_new(void); /* NULL: no memory */
/* Who still waits gets EINTR [blocks]. After the last request was taken. */
void lock_waits_stop(struct lock_waits *lw);

#endif
