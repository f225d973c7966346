// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tree.c - list a directory of the server.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

#include "interrupt.h"

struct listing {
	netfs_dirent_fn fn;
	void *arg;
};

static int on_entry(void *arg, const struct netfs_dirent *entry)
{
	struct listing *l = arg;

	return interrupted() ? -EINTR : l->fn(l->arg, entry);
}

int tree_list(struct session *s, struct netfs_node *dir, bool plus, netfs_dirent_fn fn, void *arg)
{
	struct listing l = { .fn = fn, .arg = arg };
	struct netfs_file *file;
	int err = s->fs->ops->open(dir, O_RDONLY | O_DIRECTORY, &file);

	if (err)
		return err;
	err = s->fs->ops->readdir(file, 0, plus, on_entry, &l);
	s->fs->ops->close(file);
	return err;
}
