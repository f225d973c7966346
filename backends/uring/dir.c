/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* dir.c - the directory operations of backend.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

/* One getdents64() of a folder of some hundred objects. */
#define ENTRIES_BYTES (32u * 1024)

static int make_dir(const struct fsc_dir *parent, const char *name)
{
	struct fsc_ur_place p;
	int err = fsc_ur_place(parent, name, &p);

	if (err)
		return err;
	if (mkdirat(p.dir, p.last, 0700) && errno != EEXIST)
		err = -errno;
	fsc_ur_place_end(&p);
	return err;
}

static int open_dir(const struct fsc_dir *parent, const char *name, bool create)
{
	int flags = O_RDONLY | O_DIRECTORY;
	int fd, err;

	if (!name) {
		fd = openat(parent->fd, ".", flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = fsc_ur_open_at(parent, name, flags, 0);
	if (fd != -ENOENT || !create)
		return fd;
	err = make_dir(parent, name);
	return err ? err : fsc_ur_open_at(parent, name, flags, 0);
}

int fsc_ur_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		    struct fsc_dir **out)
{
	struct fsc_ur *u = fsc_ur_of(be);
	struct fsc_dir *dir;
	int fd;

	if (!fsc_ur_ours(u))
		return -EINVAL;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	fd = open_dir(parent ? parent : &u->root, name, create);
	if (fd < 0) {
		free(dir);
		return fd;
	}
	dir->u = u;
	dir->fd = fd;
	__atomic_fetch_add(&u->nr_dirs, 1, __ATOMIC_RELAXED);
	*out = dir;
	return 0;
}

void fsc_ur_dir_close(struct fsc_dir *dir)
{
	__atomic_fetch_sub(&dir->u->nr_dirs, 1, __ATOMIC_RELAXED);
	close(dir->fd);
	free(dir->entries);
	free(dir);
}

/* --- Reading --------------------------------------------------------------------------------- */

/*
 * Going on from @pos is free where the last call ended. Elsewhere the filesystem is asked to seek,
 * which is only as good as its idea of a position.
 */
static int seek_to(struct fsc_dir *dir, uint64_t pos)
{
	if (pos && pos == dir->pos && dir->entries)
		return 0;
	if (!dir->entries)
		dir->entries = malloc(ENTRIES_BYTES);
	if (!dir->entries)
		return -ENOMEM;
	if (lseek(dir->fd, (off_t)pos, SEEK_SET) < 0)
		return -errno;
	dir->pos = pos;
	dir->used = 0;
	dir->next = 0;
	return 0;
}

static const struct dirent64 *next_entry(struct fsc_dir *dir, int *err)
{
	const struct dirent64 *e;
	ssize_t n;

	*err = 0;
	if (dir->next == dir->used) {
		n = getdents64(dir->fd, dir->entries, ENTRIES_BYTES);
		if (n <= 0) {
			*err = n ? -errno : 0;
			return NULL;
		}
		dir->used = (size_t)n;
		dir->next = 0;
	}
	e = (const struct dirent64 *)(dir->entries + dir->next);
	dir->next += e->d_reclen;
	dir->pos = (uint64_t)e->d_off;
	return e;
}

int fsc_ur_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size)
{
	const struct dirent64 *e;
	size_t len;
	int err;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	err = seek_to(dir, *pos);
	if (err)
		return err;
	do {
		e = next_entry(dir, &err);
		if (!e)
			return err;
		*pos = dir->pos;
	} while (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."));
	len = strlen(e->d_name) + 1;
	if (len > size)
		return -ENAMETOOLONG;
	memcpy(name, e->d_name, len);
	return 1;
}

/* --- Names ----------------------------------------------------------------------------------- */

int fsc_ur_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out)
{
	struct fsc_ur_place p;
	struct statx x;
	int err;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	err = fsc_ur_place(dir, name, &p);
	if (err)
		return err;
	err = fsc_ur_statx(p.dir, p.last, &x);
	fsc_ur_place_end(&p);
	if (!err)
		fsc_ur_stat_from(&x, out);
	return err;
}

int fsc_ur_dir_self(struct fsc_dir *dir, struct fsc_stat *out)
{
	struct statx x;
	int err;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	err = fsc_ur_statx(dir->fd, "", &x);
	if (!err)
		fsc_ur_stat_from(&x, out);
	return err;
}

int fsc_ur_rename_at(int old_dir, const char *old_name, int new_dir, const char *new_name)
{
	struct statx x;
	int err;

	if (!renameat2(old_dir, old_name, new_dir, new_name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A filesystem without RENAME_NOREPLACE. Nobody else makes names here: we hold the lock. */
	err = fsc_ur_statx(new_dir, new_name, &x);
	if (err != -ENOENT)
		return err ? err : -EEXIST;
	return renameat(old_dir, old_name, new_dir, new_name) ? -errno : 0;
}

int fsc_ur_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
		  const char *new_name)
{
	struct fsc_ur_place from, to;
	int err;

	if (!fsc_ur_ours(old_dir->u))
		return -EINVAL;
	err = fsc_ur_place(old_dir, old_name, &from);
	if (err)
		return err;
	err = fsc_ur_place(new_dir, new_name, &to);
	if (!err) {
		err = fsc_ur_rename_at(from.dir, from.last, to.dir, to.last);
		fsc_ur_place_end(&to);
	}
	fsc_ur_place_end(&from);
	return err;
}

int fsc_ur_remove_dir(struct fsc_dir *dir, const char *name)
{
	struct fsc_ur_place p;
	int err;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	err = fsc_ur_place(dir, name, &p);
	if (err)
		return err;
	if (unlinkat(p.dir, p.last, AT_REMOVEDIR))
		err = errno == ENOTDIR ? -EUCLEAN : errno == EEXIST ? -ENOTEMPTY : -errno;
	fsc_ur_place_end(&p);
	return err;
}

int fsc_ur_sync_dir(struct fsc_dir *dir)
{
	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	return fsync(dir->fd) ? -errno : 0;
}
