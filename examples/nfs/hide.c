// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * hide.c - files that lose their name while they are open. For an NFS server a file without a name
 * is gone, and so is its handle. So what is open here gets another name, .nfs and a number that no
 * other client has, in the same folder, and is removed with its last close.
 *
 * A file that another client has open it loses. A folder with such a name in it isn't empty.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "nfs.h"
#include "v3.h"
#include "v4.h"

#define BUCKETS 256

struct hidden {
	struct netfs_node *dir; /* a reference */
	char name[40];
};

/* A file that is open, however many nodes there are of it. */
struct nfsc_open {
	LIST_ENTRY(nfsc_open) link;
	struct nfsc_fh fh;
	uint32_t opens;
	struct hidden *hidden;
};

LIST_HEAD(bucket, nfsc_open);

struct nfsc_opens {
	pthread_mutex_t lock;
	struct bucket buckets[BUCKETS];
	uint64_t id; /* of this client, in the names */
	atomic_uint hides;
};

static int remove_name(struct netfs_node *dir, const char *name)
{
	return nfsc_of(dir->fs)->version == 3 ? nfsc3_unlink(dir, name) : nfsc4_remove(dir, name);
}

static int move_name(struct netfs_node *dir, const char *name, struct netfs_node *to_dir,
		     const char *to_name)
{
	return nfsc_of(dir->fs)->version == 3 ? nfsc3_rename(dir, name, to_dir, to_name)
					      : nfsc4_rename(dir, name, to_dir, to_name);
}

static void forget(struct hidden *hidden)
{
	netfs_node_put(hidden->dir);
	free(hidden);
}

/* --- What is open ----------------------------------------------------------------------------- */

int nfsc_opens_new(struct nfs *nfs)
{
	struct nfsc_opens *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (getrandom(&o->id, sizeof(o->id), 0) != (ssize_t)sizeof(o->id)) {
		free(o);
		return -EIO;
	}
	pthread_mutex_init(&o->lock, NULL);
	nfs->opens = o;
	return 0;
}

void nfsc_opens_free(struct nfsc_opens *o)
{
	if (!o)
		return;
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static struct bucket *bucket_of(struct nfsc_opens *o, const struct nfsc_fh *fh)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < fh->len; i++)
		hash = (hash ^ (uint8_t)fh->data[i]) * 16777619u;
	return &o->buckets[hash % BUCKETS];
}

static bool same(const struct nfsc_fh *a, const struct nfsc_fh *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* With the lock held. */
static struct nfsc_open *find(struct nfsc_opens *o, const struct nfsc_fh *fh)
{
	struct nfsc_open *open;

	LIST_FOREACH(open, bucket_of(o, fh), link)
	{
		if (same(&open->fh, fh))
			return open;
	}
	return NULL;
}

struct nfsc_open *nfsc_open_get(struct netfs_node *node)
{
	struct nfsc_opens *o = nfsc_of(node->fs)->opens;
	const struct nfsc_fh *fh = &nfsc_node_of(node)->fh;
	struct nfsc_open *open;

	pthread_mutex_lock(&o->lock);
	open = find(o, fh);
	if (!open) {
		open = calloc(1, sizeof(*open));
		if (open) {
			open->fh = *fh;
			LIST_INSERT_HEAD(bucket_of(o, fh), open, link);
		}
	}
	if (open)
		open->opens++;
	pthread_mutex_unlock(&o->lock);
	return open;
}

void nfsc_open_put(struct nfs *nfs, struct nfsc_open *open)
{
	bool last;

	pthread_mutex_lock(&nfs->opens->lock);
	last = --open->opens == 0;
	if (last)
		LIST_REMOVE(open, link);
	pthread_mutex_unlock(&nfs->opens->lock);
	if (!last)
		return;
	/* If it fails there is a file more, which says by its name what it is. */
	if (open->hidden) {
		remove_name(open->hidden->dir, open->hidden->name);
		forget(open->hidden);
	}
	free(open);
}

/* --- What loses its name ---------------------------------------------------------------------- */

static bool is_open(struct netfs_node *node)
{
	struct nfsc_opens *o = nfsc_of(node->fs)->opens;
	struct nfsc_open *open;
	bool yes;

	pthread_mutex_lock(&o->lock);
	open = find(o, &nfsc_node_of(node)->fh);
	/* With a name already that nobody knows, it may lose this one. */
	yes = open && !open->hidden;
	pthread_mutex_unlock(&o->lock);
	return yes;
}

/* Leave @hidden to the last close, which may have been meanwhile. */
static void leave(struct netfs_node *node, struct hidden *hidden)
{
	struct nfsc_opens *o = nfsc_of(node->fs)->opens;
	struct nfsc_open *open;
	bool left;

	pthread_mutex_lock(&o->lock);
	open = find(o, &nfsc_node_of(node)->fh);
	left = open && !open->hidden;
	if (left)
		open->hidden = hidden;
	pthread_mutex_unlock(&o->lock);
	if (left)
		return;
	remove_name(hidden->dir, hidden->name);
	forget(hidden);
}

static int hide(struct netfs_node *dir, const char *name, struct hidden **out)
{
	struct nfsc_opens *o = nfsc_of(dir->fs)->opens;
	struct hidden *hidden = calloc(1, sizeof(*hidden));
	int err;

	if (!hidden)
		return -ENOMEM;
	hidden->dir = netfs_node_get(dir);
	snprintf(hidden->name, sizeof(hidden->name), ".nfs%016llx%08x", (unsigned long long)o->id,
		 atomic_fetch_add(&o->hides, 1));
	err = move_name(dir, name, dir, hidden->name);
	if (err)
		forget(hidden);
	else
		*out = hidden;
	return err;
}

int nfsc_unlink(struct netfs_node *dir, const char *name, struct netfs_node *node)
{
	struct hidden *hidden;
	int err;

	if (!node || !is_open(node))
		return remove_name(dir, name);
	err = hide(dir, name, &hidden);
	if (!err)
		leave(node, hidden);
	return err;
}

/* Two names of one file stay as they are, by POSIX. */
int nfsc_rename(struct netfs_node *dir, const char *name, struct netfs_node *node,
		struct netfs_node *to_dir, const char *to_name, struct netfs_node *over,
		unsigned int flags)
{
	struct hidden *hidden = NULL;
	int err = 0;

	if (flags)
		return -EINVAL;
	if (over && is_open(over) &&
	    !(node && same(&nfsc_node_of(node)->fh, &nfsc_node_of(over)->fh)))
		err = hide(to_dir, to_name, &hidden);
	if (err && err != -ENOENT)
		return err;
	err = move_name(dir, name, to_dir, to_name);
	if (hidden && !err) {
		leave(over, hidden);
	} else if (hidden) {
		move_name(to_dir, hidden->name, to_dir, to_name);
		forget(hidden);
	}
	return err;
}
