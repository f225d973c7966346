// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tree.c - list a directory of the server.
 */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

#include "interrupt.h"

/* Has a position come twice? One of those seen is remembered, each time for twice as many steps as
 * before, so it is found out in a time in proportion to the circle. */
struct circle {
	uint64_t seen, steps, until;
};

struct listing {
	netfs_dirent_fn fn;
	void *arg;
	struct circle circle;
};

static bool goes_round(struct circle *c, uint64_t pos)
{
	if (c->steps && pos == c->seen)
		return true;
	if (++c->steps > c->until) {
		c->until = 2 * c->steps;
		c->seen = pos;
	}
	return false;
}

static int on_entry(void *arg, const struct netfs_dirent *entry)
{
	struct listing *l = arg;

	if (interrupted())
		return -EINTR;
	if (goes_round(&l->circle, entry->next))
		return -ELOOP;
	return l->fn(l->arg, entry);
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
