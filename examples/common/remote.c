// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * remote.c - find, open and close a file of the server.
 *
 * Each open asks the server what the file is now, and opens it there, though all of it may be
 * cached: the first finds changes, the second lets the server refuse who may not read it.
 */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

/* How often a name that is being given to other files is looked up. */
#define OPEN_TRIES 5

/* --- Finding ---------------------------------------------------------------------------------- */

/* What lies @count names below @dir. */
static int walk_names(struct netfs_node *dir, char **names, size_t count, struct netfs_node **out,
		      struct netfs_attr *attr)
{
	const struct netfs_ops *ops = dir->fs->ops;
	struct netfs_node *node = netfs_node_get(dir), *next = NULL;
	int err = count ? 0 : ops->getattr(node, NULL, attr);

	for (size_t i = 0; !err && i < count; i++) {
		err = ops->lookup(node, names[i], &next, attr);
		if (!err) {
			netfs_node_put(node);
			node = next;
		}
	}
	if (err)
		netfs_node_put(node);
	else
		*out = node;
	return err;
}

void remote_leave(struct remote_place *place)
{
	netfs_node_put(place->node);
	free(place->dir);
	*place = (struct remote_place){ 0 };
}

static bool is_in(const struct remote_place *place, const char *path, size_t dir_len)
{
	return place->node && strlen(place->dir) == dir_len && !memcmp(place->dir, path, dir_len);
}

/* Walk to the directory that @path's last name is in. */
static int go_there(struct session *s, struct remote_place *place, const char *path,
		    const struct path_names *names)
{
	struct netfs_attr attr;
	int err;

	remote_leave(place);
	place->dir = strndup(path, names->dir_len);
	if (!place->dir)
		return -ENOMEM;
	err = walk_names(s->root, names->names, names->count - 1, &place->node, &attr);
	if (err)
		remote_leave(place);
	return err;
}

static int walk_by_place(struct session *s, struct remote_place *place, const char *path,
			 const struct path_names *names, struct netfs_node **node,
			 struct netfs_attr *attr)
{
	char **last = &names->names[names->count - 1];
	int err = -ENOENT;

	if (is_in(place, path, names->dir_len))
		err = walk_names(place->node, last, 1, node, attr);
	/* The directory may have got another name since, and that one another directory. */
	if (err == -ENOENT || err == -ESTALE || err == -ENOTDIR) {
		err = go_there(s, place, path, names);
		if (!err)
			err = walk_names(place->node, last, 1, node, attr);
	}
	return err;
}

int remote_walk(struct session *s, struct remote_place *place, const char *path,
		struct netfs_node **node, struct netfs_attr *attr)
{
	struct path_names names;
	int err = path_split(path, &names);

	if (err)
		return err;
	if (place && names.count)
		err = walk_by_place(s, place, path, &names, node, attr);
	else
		err = walk_names(s->root, names.names, names.count, node, attr);
	path_free(&names);
	return err;
}

const char *remote_kind(const struct netfs_attr *attr)
{
	switch (attr->st.st_mode & S_IFMT) {
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

/* --- Opening ---------------------------------------------------------------------------------- */

/* In this order: bytes that are read later are never older than what the attributes say (I10). And
 * a fifo would block the server in its open, so that comes after a look at the type. */
int remote_find(struct session *s, struct remote_place *place, const char *path, struct remote *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->s = s;
	err = remote_walk(s, place, path, &r->node, &r->attr);
	if (err)
		return err;
	if (!S_ISREG(r->attr.st.st_mode)) {
		netfs_node_put(r->node);
		return REMOTE_OTHER;
	}
	cached_file_init(&r->file, NULL);
	remote_cache(r);
	return 0;
}

int remote_open_found(struct remote *r)
{
	return r->s->fs->ops->open(r->node, O_RDONLY, &r->file.file);
}

int remote_open(struct session *s, struct remote_place *place, const char *path, struct remote *r)
{
	int err = -ESTALE;

	for (int i = 0; err == -ESTALE && i < OPEN_TRIES; i++) {
		err = remote_find(s, place, path, r);
		if (err)
			continue;
		err = remote_open_found(r);
		if (err)
			remote_close(r, false);
	}
	return err;
}

void remote_close(struct remote *r, bool changed)
{
	struct netfs_file *file = r->file.file;

	cached_file_fini(&r->file);
	remote_uncache(r, changed);
	if (file)
		r->s->fs->ops->close(file);
	netfs_node_put(r->node);
}

void remote_cache(struct remote *r)
{
	/* There is nothing to cache of an empty file. */
	r->cookie = remote_size(r) ? cached_acquire(r->s, &r->attr) : NULL;
	fsc_cookie_use_wait(r->cookie, false);
}

void remote_uncache(struct remote *r, bool discard)
{
	fsc_cookie_unuse(r->cookie);
	fsc_cookie_relinquish_wait(r->cookie, discard);
	r->cookie = NULL;
}

int remote_changed(struct remote *r)
{
	struct netfs_attr now;
	int err = r->s->fs->ops->getattr(r->node, r->file.file, &now);

	/* Some servers know of no open file that has lost its name. */
	if (err == -ENOENT || err == -ESTALE)
		return 1;
	return err ? err : !cached_same(&r->attr, &now);
}
