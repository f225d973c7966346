/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* uring_room.c - see uring_room.h. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "uring_room.h"

int room_make(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct room *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/fsc-test-uring.XXXXXX", tmp ? tmp : ".");
	*state = r;
	return mkdtemp(r->path) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int room_remove(void **state)
{
	struct room *r = *state;

	nftw(r->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(r);
	return 0;
}

void room_open(struct room *r, const struct fsc_uring_params *params)
{
	assert_int_equal(fsc_uring_open(r->path, params, &r->be), 0);
	assert_int_equal(r->be->ops->dir_open(r->be, NULL, NULL, false, &r->root), 0);
}

void room_close(struct room *r)
{
	r->be->ops->dir_close(r->root);
	r->be->ops->close(r->be);
}

const char *room_path(const struct room *r, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", r->path, name);
	return path;
}

struct fsc_file *room_file(struct room *r, const char *name, uint64_t size)
{
	struct fsc_file *file;

	assert_int_equal(r->be->ops->tmpfile(r->root, size, &file), 0);
	assert_int_equal(r->be->ops->commit(file, r->root, name), 0);
	return file;
}

bool room_can_be_had(void)
{
	struct fsc_backend *be;
	void *room;
	int err;

	if (room_make(&room))
		return true; /* and the tests say why not */
	err = fsc_uring_open(((struct room *)room)->path, NULL, &be);
	if (!err)
		fsc_uring_close(be);
	room_remove(&room);
	return err != -EOPNOTSUPP;
}
