/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* xattr.c - extended attributes, and how long they may be. */
#include <stdlib.h>
#include <sys/xattr.h>

#include "internal.h"

/* What the core is promised at least, and the kernel's own limit. */
#define LEAST 256u
#define MOST 65536u

static int get(int fd, const char *name, void *buf, size_t size)
{
	ssize_t n = fgetxattr(fd, name, buf, size);

	if (n < 0)
		return -errno;
	/* With a size of 0 the kernel gives the length and copies nothing. */
	return (size_t)n > size ? -ERANGE : (int)n;
}

static int set(int fd, const char *name, const void *buf, size_t size)
{
	if (!fsetxattr(fd, name, buf, size, 0))
		return 0;
	return errno == ERANGE ? -E2BIG : -errno; /* -ERANGE is about reading */
}

int fsc_ur_xattr_get(struct fsc_file *file, const char *name, void *buf, size_t size)
{
	return fsc_ur_ours(file->u) ? get(file->fd, name, buf, size) : -EINVAL;
}

int fsc_ur_xattr_set(struct fsc_file *file, const char *name, const void *buf, size_t size)
{
	return fsc_ur_ours(file->u) ? set(file->fd, name, buf, size) : -EINVAL;
}

int fsc_ur_dir_xattr_get(struct fsc_dir *dir, const char *name, void *buf, size_t size)
{
	return fsc_ur_ours(dir->u) ? get(dir->fd, name, buf, size) : -EINVAL;
}

int fsc_ur_dir_xattr_set(struct fsc_dir *dir, const char *name, const void *buf, size_t size)
{
	return fsc_ur_ours(dir->u) ? set(dir->fd, name, buf, size) : -EINVAL;
}

static bool too_long(int err)
{
	return err == -ENOSPC || err == -E2BIG || err == -EDQUOT;
}

/* The longest is between @fits, which was taken, and @fails, which wasn't. */
static int bisect(int fd, const char *value, uint32_t fits, uint32_t fails)
{
	while (fails - fits > 1) {
		uint32_t middle = fits + (fails - fits) / 2;
		int err = set(fd, "user.fscache", value, middle);

		if (!err)
			fits = middle;
		else if (too_long(err))
			fails = middle;
		else
			return err;
	}
	return (int)fits;
}

int fsc_ur_xattr_max(int fd)
{
	char *value = calloc(1, MOST);
	int ret;

	if (!value)
		return -ENOMEM;
	ret = set(fd, "user.fscache", value, LEAST);
	if (too_long(ret)) {
		ret = (int)LEAST; /* the disk is full: that says nothing about lengths */
	} else if (!ret) {
		ret = set(fd, "user.fscache", value, MOST);
		ret = !ret ? (int)MOST : too_long(ret) ? bisect(fd, value, LEAST, MOST) : ret;
	}
	free(value);
	return ret;
}
