// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * local_locks.c - who of this machine holds which locks of a file.
 */
#include "local_locks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct local_owner {
	struct local_owner *next;
	uint64_t owner;
	uint32_t pid; /* for who asks what stands in its way */
	const void *through;
	int fd;
};

static struct local_owner *find(const struct local_locks *l, uint64_t owner)
{
	struct local_owner *o = l->owners;

	while (o && o->owner != owner)
		o = o->next;
	return o;
}

/* A new open file description of the file that stands for this one. */
static int open_own(struct local_locks *l)
{
	char path[32];
	int fd;

	if (!l->file) {
		fd = memfd_create("locks", MFD_CLOEXEC);
		if (fd < 0)
			return fd;
		l->file = fd + 1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->file - 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

static struct local_owner *add(struct local_locks *l, const struct netfs_lock *lock,
			       const void *through)
{
	struct local_owner *o = malloc(sizeof(*o));

	if (!o)
		return NULL;
	*o = (struct local_owner){
		.next = l->owners,
		.owner = lock->owner,
		.pid = lock->pid,
		.through = through,
		.fd = open_own(l),
	};
	if (o->fd < 0) {
		free(o);
		return NULL;
	}
	l->owners = o;
	return o;
}

static struct flock flock_of(const struct netfs_lock *lock)
{
	return (struct flock){
		.l_type = lock->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lock->start,
		.l_len = (off_t)lock->len,
	};
}

int local_lock(struct local_locks *l, const struct netfs_lock *lock, const void *through)
{
	struct local_owner *o = find(l, lock->owner);
	struct flock fl = flock_of(lock);

	if (!o && lock->type == F_UNLCK)
		return 0;
	if (!o)
		o = add(l, lock, through);
	if (!o)
		return -ENOLCK;
	if (fcntl(o->fd, F_OFD_SETLK, &fl))
		return errno == EACCES ? -EAGAIN : -errno;
	return 0;
}

/* Whose it is the kernel doesn't say: with one other owner it is that one's. */
static uint32_t other_pid(const struct local_locks *l, uint64_t owner)
{
	const struct local_owner *o = l->owners;

	while (o && o->owner == owner)
		o = o->next;
	return o ? o->pid : 0;
}

int local_getlock(struct local_locks *l, struct netfs_lock *lock)
{
	struct flock fl = flock_of(lock);
	struct local_owner *o = find(l, lock->owner);
	int fd = o ? o->fd : open_own(l), err;

	if (fd < 0)
		return -ENOLCK;
	err = fcntl(fd, F_OFD_GETLK, &fl) ? -errno : 0;
	if (!o)
		close(fd);
	if (err)
		return err;
	lock->type = fl.l_type;
	if (fl.l_type == F_UNLCK)
		return 0;
	lock->start = (uint64_t)fl.l_start;
	lock->len = (uint64_t)fl.l_len;
	lock->pid = other_pid(l, lock->owner);
	return 0;
}

bool local_holds(const struct local_locks *l, uint64_t owner)
{
	return find(l, owner) != NULL;
}

bool local_others(const struct local_locks *l, uint64_t owner, const void *through)
{
	for (const struct local_owner *o = l->owners; o; o = o->next) {
		if (o->owner != owner && o->through == through)
			return true;
	}
	return false;
}

void local_end(struct local_locks *l, uint64_t owner)
{
	struct local_owner **at = &l->owners, *o;

	while (*at && (*at)->owner != owner)
		at = &(*at)->next;
	o = *at;
	if (!o)
		return;
	*at = o->next;
	close(o->fd);
	free(o);
	if (!l->owners && l->file) {
		close(l->file - 1);
		l->file = 0;
	}
}

void local_free(struct local_locks *l)
{
	while (l->owners)
		local_end(l, l->owners->owner);
	if (l->file)
		close(l->file - 1);
	l->file = 0;
}
