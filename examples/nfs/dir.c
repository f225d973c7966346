// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * dir.c - open directories. Who lists one takes a few entries at a time, the server gives hundreds:
 * what is left over of a reply is kept for the next call.
 */
#include "../common/circle.h"
#include "dir.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct nfsc_dir {
	pthread_mutex_t lock; /* over the calls too: they are one after the other */
	char verifier[8];
	struct nfsc_batch batch;
	bool filled;
};

struct nfsc_dir *nfsc_dir_new(void)
{
	struct nfsc_dir *dir = calloc(1, sizeof(*dir));

	if (dir)
		pthread_mutex_init(&dir->lock, NULL);
	return dir;
}

static void batch_clear(struct nfsc_batch *batch)
{
	free(batch->entries);
	free(batch->names);
	memset(batch, 0, sizeof(*batch));
}

void nfsc_dir_free(struct nfsc_dir *dir)
{
	if (!dir)
		return;
	batch_clear(&dir->batch);
	pthread_mutex_destroy(&dir->lock);
	free(dir);
}

char *nfsc_dir_verifier(struct nfsc_dir *dir)
{
	return dir->verifier;
}

/* --- Filling ---------------------------------------------------------------------------------- */

static bool grow(void **array, size_t *room, size_t needed, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *moved;

	if (needed <= *room)
		return true;
	while (more < needed)
		more *= 2;
	moved = realloc(*array, more * size);
	if (!moved)
		return false;
	*array = moved;
	*room = more;
	return true;
}

static bool is_name(const char *name, size_t len)
{
	return len && len <= NETFS_NAME_MAX && !memchr(name, '/', len) && !memchr(name, 0, len) &&
	       !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

struct nfsc_entry *nfsc_batch_add(struct nfsc_batch *batch, const char *name, size_t len)
{
	struct nfsc_entry *entry;

	if (!name || !is_name(name, len))
		return NULL;
	if (!grow((void **)&batch->entries, &batch->room, batch->count + 1, sizeof(*entry)) ||
	    !grow((void **)&batch->names, &batch->names_room, batch->names_len + len + 1, 1)) {
		batch->no_memory = true;
		return NULL;
	}
	entry = &batch->entries[batch->count++];
	memset(entry, 0, sizeof(*entry));
	entry->name = (uint32_t)batch->names_len;
	memcpy(batch->names + batch->names_len, name, len);
	batch->names[batch->names_len + len] = 0;
	batch->names_len += len + 1;
	return entry;
}

static int fill(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_dir *dir)
{
	int err;

	batch_clear(&dir->batch);
	dir->filled = false;
	if (!pos)
		memset(dir->verifier, 0, sizeof(dir->verifier));
	dir->batch.start = dir->batch.end = pos;
	err = nfsc_of(file->node->fs)->version == 3
		      ? nfsc3_read_batch(file, pos, plus, &dir->batch)
		      : nfsc4_read_batch(file, pos, plus, &dir->batch);
	if (!err && dir->batch.no_memory)
		err = -ENOMEM;
	/* Neither a step on nor the end: it would go on like this for ever. */
	if (!err && !dir->batch.eof && dir->batch.end == pos)
		err = -EPROTO;
	dir->filled = !err;
	return err;
}

/* --- Handing out ------------------------------------------------------------------------------ */

static int hand_out(struct netfs_file *file, const struct nfsc_entry *entry, netfs_dirent_fn fn,
		    void *arg)
{
	struct nfsc_dir *dir = nfsc_file_of(file)->dir;
	struct netfs_dirent out = {
		.name = dir->batch.names + entry->name,
		.ino = entry->ino,
		.next = entry->next,
		.type = entry->type,
	};
	struct nfsc_node *node = NULL;
	int stop;

	if (entry->has_attr && entry->fh.len)
		node = nfsc_node_new(file->node->fs, &entry->fh);
	if (node) {
		out.node = &node->node;
		out.attr = &entry->attr;
	}
	stop = fn(arg, &out);
	netfs_node_put(out.node);
	return stop;
}

/* The first entry after @pos in what is there; count: it isn't. */
static size_t find(const struct nfsc_batch *batch, uint64_t pos)
{
	size_t i;

	if (batch->start == pos)
		return 0;
	for (i = 0; i < batch->count; i++) {
		if (batch->entries[i].next == pos)
			return i + 1;
	}
	return SIZE_MAX;
}

/* All from @pos on. 1: stopped. */
static int list(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg)
{
	struct nfsc_dir *dir = nfsc_file_of(file)->dir;
	struct circle circle = { 0 };
	size_t i = pos && dir->filled ? find(&dir->batch, pos) : SIZE_MAX;
	int err;

	for (;;) {
		for (; i < dir->batch.count; i++) {
			err = hand_out(file, &dir->batch.entries[i], fn, arg);
			if (err)
				return err;
		}
		if (i != SIZE_MAX) {
			if (dir->batch.eof)
				return 0;
			pos = dir->batch.end;
			if (circle_closes(&circle, pos))
				return -ELOOP;
		}
		err = fill(file, pos, plus, dir);
		if (err)
			return err;
		i = 0;
	}
}

int nfsc_readdir(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg)
{
	struct nfsc_dir *dir = nfsc_file_of(file)->dir;
	int err;

	if (!dir)
		return -ENOTDIR;
	pthread_mutex_lock(&dir->lock);
	err = list(file, pos, plus, fn, arg);
	pthread_mutex_unlock(&dir->lock);
	return err > 0 || err == -ENOSPC ? 0 : err;
}
