// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * tree.c - list a directory of the server.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "remote.h"

#define BUFFER 65536

/* Has an offset come twice? One of those seen is remembered, each time for twice as many steps as
 * before, so it is found out in a time in proportion to the circle. */
struct circle {
	uint64_t seen, steps, until;
};

static bool goes_round(struct circle *c, uint64_t offset)
{
	if (c->steps && offset == c->seen)
		return true;
	if (++c->steps > c->until) {
		c->until = 2 * c->steps;
		c->seen = offset;
	}
	return false;
}

static bool is_dots(struct p9_blob name)
{
	return name.len <= 2 && !memcmp(name.data, "..", name.len);
}

/* What is in @buf; *@offset becomes the last entry's. */
static int pass_on(const void *buf, size_t len, tree_entry fn, void *arg, uint64_t *offset)
{
	struct p9_dirent entry;
	struct p9_dec dec;
	int err;

	p9_dec_init(&dec, buf, len);
	while (p9_dec_dirent(&dec, &entry) > 0) {
		*offset = entry.offset;
		err = is_dots(entry.name) ? 0 : fn(arg, &entry);
		if (err)
			return err;
	}
	return 0;
}

static int list_fid(struct session *s, uint32_t fid, tree_entry fn, void *arg)
{
	struct circle circle = { 0 };
	uint64_t offset = 0;
	int64_t n = -ENOMEM;
	char *buf = malloc(BUFFER);

	while (buf && (n = p9_readdir(s->client, fid, offset, buf, BUFFER)) > 0) {
		n = pass_on(buf, (size_t)n, fn, arg, &offset);
		if (!n && goes_round(&circle, offset))
			n = -ELOOP;
		if (!n && interrupted())
			n = -EINTR;
		if (n)
			break;
	}
	free(buf);
	return (int)n;
}

int tree_list(struct session *s, const char *path, tree_entry fn, void *arg)
{
	uint32_t fid;
	int err = remote_walk(s, path, &fid);

	if (err)
		return err;
	err = p9_lopen(s->client, fid, 0, NULL);
	if (!err)
		err = list_fid(s, fid, fn, arg);
	p9_clunk(s->client, fid);
	return err;
}
