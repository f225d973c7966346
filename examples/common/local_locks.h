/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * local_locks.h - who of this machine holds which locks of a file.
 *
 * To the server all of a mount is one client, and some servers make no difference between the
 * owners of a client, so that they are kept apart here. The kernel does the work: each owner has an
 * open file description of its own of an empty file that nobody else sees, and locks that.
 */
#ifndef FSC_EXAMPLES_LOCAL_LOCKS_H
#define FSC_EXAMPLES_LOCAL_LOCKS_H

#include <fcntl.h>
#include <stdbool.h>

#include "netfs.h"

struct local_owner;

/* Zeroed is fine; what uses it has a lock around each call. */
struct local_locks {
	int file; /* 1 more than the descriptor; 0: none yet */
	struct local_owner *owners;
};

/* @through: the open file that it comes through. 0, -EAGAIN (another owner has it), -ENOLCK. Of an
 * owner that holds nothing an unlock is 0 as well, see local_holds(). */
int local_lock(struct local_locks *l, const struct netfs_lock *lock, const void *through);
/* What stands in the way; type F_UNLCK if nothing does. */
int local_getlock(struct local_locks *l, struct netfs_lock *lock);
/* Has that owner locked anything and not given it all back? */
bool local_holds(const struct local_locks *l, uint64_t owner);
/* Has another than that one, through the same open file? */
bool local_others(const struct local_locks *l, uint64_t owner, const void *through);
/* All that it holds is given back. */
void local_end(struct local_locks *l, uint64_t owner);
void local_free(struct local_locks *l);

#endif
