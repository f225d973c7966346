// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_file.c - open files and directories.
 *
 * An open fid is a fid of its own: of the node's another is made, and that is opened. After the
 * connection died the file is opened again as it was, but neither made nor cut to nothing once
 * more; a file that held locks is not, since whoever relies on them must hear that they are gone.
 */
#include "nine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { LOST_MAX = 2 };

uint32_t nine_open_flags(int flags)
{
	uint32_t f = 0;

	if ((flags & O_ACCMODE) == O_WRONLY)
		f = P9_O_WRONLY;
	else if ((flags & O_ACCMODE) == O_RDWR)
		f = P9_O_RDWR;
	f |= flags & O_CREAT ? P9_O_CREAT : 0;
	f |= flags & O_EXCL ? P9_O_EXCL : 0;
	f |= flags & O_TRUNC ? P9_O_TRUNC : 0;
	f |= flags & O_APPEND ? P9_O_APPEND : 0;
	f |= flags & O_DIRECTORY ? P9_O_DIRECTORY : 0;
	return f;
}

/* ---- opening ---- */

/* nfs-ganesha takes no notice of O_TRUNC. */
static int truncate_opened(struct nine_fid *fid)
{
	const struct p9_setattr set = { .valid = P9_SET_SIZE };
	struct p9_attr a;
	int err = p9_getattr(client_of(fid), fid->fid, &a);

	return err || !a.size ? err : p9_setattr(client_of(fid), fid->fid, &set);
}

/* Servers that go by names open whatever has the name by then. */
static int open_fid(struct nine_node *n, struct nine_fid *from, uint32_t flags,
		    struct nine_fid **out)
{
	struct nine_fid *fid;
	struct p9_qid opened;
	int err = nine_fid_clone(nine_of_node(n), from, &fid);

	if (err)
		return err;
	err = p9_lopen_qid(client_of(fid), fid->fid, flags, NULL, &opened);
	if (!err && opened.path != n->qid_path)
		err = -ESTALE;
	if (!err && flags & P9_O_TRUNC)
		err = truncate_opened(fid);
	if (err)
		nine_fid_put(fid);
	else
		*out = fid;
	return err;
}

static int open_node(struct nine_node *n, uint32_t flags, struct nine_fid **out)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *from;
	int err;

	do {
		err = nine_attempt(n, &from, &tries);
		if (err)
			return err;
		err = open_fid(n, from, flags, out);
	} while (nine_again(n, from, err, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	return err == -ENOENT ? -ESTALE : err;
}

struct nine_file *nine_file_new(struct nine_node *n, struct nine_fid *fid, int flags)
{
	struct nine_file *f = calloc(1, sizeof(*f));

	if (!f) {
		nine_fid_put(fid);
		return NULL;
	}
	netfs_node_get(&n->node);
	f->file.node = &n->node;
	f->flags = nine_open_flags(flags) & ~(P9_O_CREAT | P9_O_EXCL | P9_O_TRUNC);
	f->fid = fid;
	atomic_init(&f->io_max, p9_read_max(client_of(fid), fid->fid));
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_init(&f->reopening, NULL);
	pthread_mutex_init(&f->entries.lock, NULL);
	return f;
}

int nine_open(struct netfs_node *node, int flags, struct netfs_file **out)
{
	struct nine_node *n = node_of(node);
	struct nine_file *f;
	struct nine_fid *fid;
	int err = open_node(n, nine_open_flags(flags & ~(O_CREAT | O_EXCL)), &fid);

	if (err)
		return err;
	f = nine_file_new(n, fid, flags);
	if (!f)
		return -ENOMEM;
	*out = &f->file;
	return 0;
}

int nine_close(struct netfs_file *file)
{
	struct nine_file *f = file_of(file);

	nine_fid_put(f->fid);
	pthread_mutex_destroy(&f->lock);
	pthread_mutex_destroy(&f->reopening);
	pthread_mutex_destroy(&f->entries.lock);
	free(f->entries.buf);
	netfs_node_put(file->node);
	free(f);
	return 0;
}

/* The server that is asked after the connection was lost may have lost what the other one took. It
 * can't tell, so whoever wants to be sure is told that nobody knows. */
static int fsync_once(struct nine_file *f, struct nine_fid *fid, bool data_only)
{
	bool unsynced;
	int err;

	if (atomic_exchange(&f->lost_writes, false))
		return -EIO;
	unsynced = atomic_exchange(&f->unsynced, false);
	err = p9_fsync(client_of(fid), fid->fid, data_only);
	if (err && unsynced)
		atomic_store(&f->unsynced, true);
	return err;
}

int nine_fsync(struct netfs_file *file, bool data_only)
{
	struct nine_file *f = file_of(file);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_file_fid(f, &fid);
		if (err)
			return err;
		err = fsync_once(f, fid, data_only);
	} while (nine_file_again(f, fid, err, &tries));
	return err;
}

/* ---- its fid ---- */

struct nine_fid *nine_file_fid_now(struct nine_file *f)
{
	struct nine *fs = nine_of(f->file.node->fs);
	struct nine_fid *fid = NULL;

	pthread_mutex_lock(&f->lock);
	if (nine_link_usable(fs, f->fid->link))
		fid = nine_fid_get(f->fid);
	pthread_mutex_unlock(&f->lock);
	return fid;
}

/* With the mutex for it held. */
static int reopen(struct nine_file *f, struct nine_fid **out)
{
	struct nine_fid *fresh, *old;
	int err;

	if (atomic_load(&f->locked))
		return -EIO;
	err = open_node(node_of(f->file.node), f->flags, &fresh);
	if (err)
		return err;
	atomic_store(&f->io_max, p9_read_max(client_of(fresh), fresh->fid));
	if (atomic_exchange(&f->unsynced, false))
		atomic_store(&f->lost_writes, true);
	pthread_mutex_lock(&f->lock);
	old = f->fid;
	f->fid = fresh;
	*out = nine_fid_get(fresh);
	pthread_mutex_unlock(&f->lock);
	nine_fid_put(old);
	return 0;
}

int nine_file_fid(struct nine_file *f, struct nine_fid **out)
{
	int err = 0;

	*out = nine_file_fid_now(f);
	if (*out)
		return 0;
	pthread_mutex_lock(&f->reopening);
	*out = nine_file_fid_now(f);
	if (!*out)
		err = reopen(f, out);
	pthread_mutex_unlock(&f->reopening);
	return err;
}

bool nine_file_again(struct nine_file *f, struct nine_fid *fid, int64_t ret,
		     struct nine_tries *tries)
{
	bool lost = ret < 0 && p9_error(client_of(fid));

	nine_fid_put(fid);
	return lost && nine_of(f->file.node->fs)->reconnect && tries->lost++ < LOST_MAX;
}

/* ---- directories ---- */

static bool is_dots(struct p9_blob name)
{
	return name.len <= 2 && !memcmp(name.data, "..", name.len);
}

/* Receive what comes from @pos on. Bytes, 0 at the end, or -errno. */
static int64_t receive(struct nine_file *f, uint64_t pos)
{
	struct nine_entries *e = &f->entries;
	struct nine_tries tries = { 0 };
	size_t size = atomic_load(&f->io_max);
	struct nine_fid *fid;
	int64_t ret;

	e->len = e->at = 0;
	if (!e->buf)
		e->buf = malloc(size);
	if (!e->buf)
		return -ENOMEM;
	do {
		ret = nine_file_fid(f, &fid);
		if (ret)
			return ret;
		ret = p9_readdir(client_of(fid), fid->fid, pos, e->buf, size);
	} while (nine_file_again(f, fid, ret, &tries));
	if (ret > 0) {
		e->len = (size_t)ret;
		e->next = pos;
	}
	return ret;
}

/* One of what was received. 0, 1: stop, it was taken; -errno: it was not, or is none. */
static int pass_on(struct nine_entries *e, netfs_dirent_fn fn, void *arg)
{
	struct netfs_dirent entry = { 0 };
	char name[NETFS_NAME_MAX + 1];
	struct p9_dirent raw;
	struct p9_dec dec;
	int ret = 0;

	p9_dec_init(&dec, e->buf, e->len);
	dec.pos = e->at;
	if (p9_dec_dirent(&dec, &raw) != 1)
		return -EBADMSG;
	if (!is_dots(raw.name)) {
		memcpy(name, raw.name.data, raw.name.len);
		name[raw.name.len] = '\0';
		entry.name = name;
		entry.ino = raw.qid.path;
		entry.next = raw.offset;
		entry.type = raw.type;
		ret = fn(arg, &entry);
	}
	if (ret < 0)
		return ret;
	e->at = dec.pos;
	e->next = raw.offset;
	return ret ? 1 : 0;
}

/* What one pass leaves over, as its reader had no more room, the next one begins with. */
static int read_entries(struct nine_file *f, uint64_t pos, netfs_dirent_fn fn, void *arg)
{
	struct nine_entries *e = &f->entries;
	int64_t ret = 0;

	if (!pos || pos != e->next) {
		e->len = e->at = 0;
		e->circle = (struct circle){ 0 };
	}
	e->next = pos;
	while (!ret) {
		if (e->at == e->len) {
			if (circle_closes(&e->circle, e->next))
				return -ELOOP;
			ret = receive(f, e->next);
			if (!ret) /* and asking again here is no circle */
				e->circle = (struct circle){ 0 };
			if (ret <= 0)
				return (int)ret;
		}
		ret = pass_on(e, fn, arg);
	}
	return ret == 1 || ret == -ENOSPC ? 0 : (int)ret;
}

int nine_readdir(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg)
{
	struct nine_file *f = file_of(file);
	int err;

	(void)plus;
	pthread_mutex_lock(&f->entries.lock);
	err = read_entries(f, pos, fn, arg);
	pthread_mutex_unlock(&f->entries.lock);
	return err;
}
