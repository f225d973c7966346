// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_lock.c - locks on ranges, which the server keeps.
 *
 * Nothing waits here for a lock: whoever wants to asks again. To the server a lock belongs to a
 * process of a client; there is no room for the owners of a mount, who are not processes, but in
 * the client's name.
 */
#include "nine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CLIENT_ID_SIZE = 128 };

static void client_id(char text[CLIENT_ID_SIZE], uint64_t owner)
{
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(text, CLIENT_ID_SIZE, "%s-%d-%llx", host, (int)getpid(),
		 (unsigned long long)owner);
}

static int lock_of(const struct netfs_lock *lock, const char *id, struct p9_lock *out)
{
	*out = (struct p9_lock){
		.start = lock->start, .length = lock->len, .proc_id = lock->pid,
		.client_id = { id, strlen(id) },
	};
	switch (lock->type) {
	case F_RDLCK:
		out->type = P9_LOCK_RDLCK;
		return 0;
	case F_WRLCK:
		out->type = P9_LOCK_WRLCK;
		return 0;
	case F_UNLCK:
		out->type = P9_LOCK_UNLCK;
		return 0;
	default:
		return -EINVAL;
	}
}

static int status_error(uint8_t status)
{
	switch (status) {
	case P9_LOCK_SUCCESS:
		return 0;
	case P9_LOCK_BLOCKED:
	case P9_LOCK_GRACE:
		return -EAGAIN;
	default:
		return -ENOLCK;
	}
}

/* Not repeated: with the connection go all locks of the file, so another is no help. */
int nine_lock(struct netfs_file *file, const struct netfs_lock *lock)
{
	bool all = !lock->start && !lock->len;
	struct nine_file *f = file_of(file);
	char id[CLIENT_ID_SIZE];
	struct p9_lock wanted;
	struct nine_fid *fid;
	uint8_t status;
	int err;

	client_id(id, lock->owner);
	err = lock_of(lock, id, &wanted);
	if (!err)
		err = nine_file_fid(f, &fid);
	if (err)
		return err;
	err = p9_lock(client_of(fid), fid->fid, &wanted, &status);
	nine_fid_put(fid);
	if (!err)
		err = status_error(status);
	if (!err && lock->type != F_UNLCK)
		atomic_store(&f->locked, true);
	else if (!err && all)
		atomic_store(&f->locked, false);
	return err;
}

int nine_getlock(struct netfs_file *file, struct netfs_lock *lock)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct nine_file *f = file_of(file);
	struct nine_tries tries = { 0 };
	char id[CLIENT_ID_SIZE];
	struct p9_lock asked, found;
	struct nine_fid *fid;
	int err;

	client_id(id, lock->owner);
	err = lock_of(lock, id, &asked);
	if (err)
		return err;
	do {
		err = nine_file_fid(f, &fid);
		if (err)
			return err;
		found = asked;
		err = p9_getlock(client_of(fid), fid->fid, &found);
	} while (nine_file_again(f, fid, err, &tries));
	if (err)
		return err;
	lock->type = types[found.type];
	lock->start = found.start;
	lock->len = found.length;
	lock->pid = found.proc_id;
	return 0;
}
