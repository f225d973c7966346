// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * remote.c - open and close a file of the server.
 *
 * Each open asks the server what the file is now, and opens it there, though all of it may be
 * cached: the first finds changes, the second lets the server refuse who may not read it.
 */
#include "remote.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cached.h"

/* How often a name that is being given to other files is looked up. */
#define OPEN_TRIES 5

int remote_walk(struct session *s, const char *path, uint32_t *fid)
{
	struct path_names names;
	int err = path_split(path, &names);

	if (err)
		return err;
	err = p9_walk(s->client, s->root, names.names, names.count, fid);
	path_free(&names);
	return err;
}

const char *remote_kind(const struct p9_attr *attr)
{
	switch (attr->mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a fifo";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
		return "a block device";
	case S_IFCHR:
		return "a character device";
	default:
		return "a file of a kind unknown";
	}
}

/* In this order: bytes that are read later are never older than what the attributes say (I10). And
 * a fifo would block the server in its open, so that comes after a look at the type. 0, -errno,
 * REMOTE_OTHER, or -ESTALE: it was another file that was opened. */
static int open_once(struct session *s, const char *path, struct remote *r)
{
	struct p9_qid opened;
	int err = remote_walk(s, path, &r->fid);

	if (err)
		return err;
	err = p9_getattr(s->client, r->fid, &r->attr);
	r->attr_ms = fsc_clock_ms();
	if (!err && !S_ISREG(r->attr.mode))
		err = REMOTE_OTHER;
	if (!err)
		err = p9_lopen_qid(s->client, r->fid, 0, NULL, &opened);
	/* Servers that go by names, as diod does, open whatever has the name by then. */
	if (!err && opened.path != r->attr.qid.path)
		err = -ESTALE;
	if (err)
		p9_clunk(s->client, r->fid);
	return err;
}

int remote_open(struct session *s, const char *path, struct remote *r)
{
	int err = -ESTALE;

	memset(r, 0, sizeof(*r));
	r->s = s;
	for (int i = 0; err == -ESTALE && i < OPEN_TRIES; i++)
		err = open_once(s, path, r);
	if (err)
		return err;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->idle, NULL);
	/* There is nothing to cache of an empty file. */
	if (r->attr.size)
		cached_open(r);
	return 0;
}

void remote_close(struct remote *r, bool changed)
{
	/* A server read may outlive the read that it was begun for. */
	pthread_mutex_lock(&r->lock);
	while (r->reading)
		pthread_cond_wait(&r->idle, &r->lock);
	pthread_mutex_unlock(&r->lock);
	cached_close(r, changed);
	p9_clunk(r->s->client, r->fid);
	pthread_cond_destroy(&r->idle);
	pthread_mutex_destroy(&r->lock);
}

int remote_changed(struct remote *r)
{
	struct p9_attr now;
	int err = p9_getattr(r->s->client, r->fid, &now);

	/* Some servers know of no open file that has lost its name. */
	if (err == -ENOENT || err == -ESTALE)
		return 1;
	return err ? err : !cached_same(&r->attr, &now);
}
