// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* xattr.c - extended attributes, and how long they may be. */
#include <linux/limits.h>
#include <linux/xattr.h>

#include "internal.h"

/* What the core is promised at least. */
#define LEAST 256u

/* With a size of 0 the filesystem gives the length and copies nothing. */
static int get(struct fsc_kb *kb, struct dentry *dentry, const char *name, void *buf, size_t size)
{
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	ssize_t n = vfs_getxattr(FSC_IDMAP, dentry, name, buf, size);

	fsc_kb_leave(scope);
	return n > 0 && (size_t)n > size ? -ERANGE : (int)n;
}

/* In a scope. The limit is one of the system call's that the filesystems rely on. */
static int set(struct fsc_kb *kb, struct dentry *dentry, const char *name, const void *buf,
	       size_t size)
{
	int err;

	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	err = mnt_want_write(kb->root.mnt);
	if (err)
		return err;
	err = vfs_setxattr(FSC_IDMAP, dentry, name, buf, size, 0);
	mnt_drop_write(kb->root.mnt);
	return err == -ERANGE ? -E2BIG : err; /* -ERANGE is about reading */
}

static int set_scoped(struct fsc_kb *kb, struct dentry *dentry, const char *name, const void *buf,
		      size_t size)
{
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	int err = set(kb, dentry, name, buf, size);

	fsc_kb_leave(scope);
	return err;
}

int fsc_kb_xattr_get(struct fsc_file *file, const char *name, void *buf, size_t size)
{
	return get(file->kb, file->file->f_path.dentry, name, buf, size);
}
ALLOW_ERROR_INJECTION(fsc_kb_xattr_get, ERRNO);

int fsc_kb_xattr_set(struct fsc_file *file, const char *name, const void *buf, size_t size)
{
	return set_scoped(file->kb, file->file->f_path.dentry, name, buf, size);
}
ALLOW_ERROR_INJECTION(fsc_kb_xattr_set, ERRNO);

int fsc_kb_dir_xattr_get(struct fsc_dir *dir, const char *name, void *buf, size_t size)
{
	return get(dir->kb, dir->file->f_path.dentry, name, buf, size);
}

int fsc_kb_dir_xattr_set(struct fsc_dir *dir, const char *name, const void *buf, size_t size)
{
	return set_scoped(dir->kb, dir->file->f_path.dentry, name, buf, size);
}

static bool too_long(int err)
{
	return err == -ENOSPC || err == -E2BIG || err == -EDQUOT;
}

/* The longest is between @fits, which was taken, and @fails, which wasn't. */
static int bisect(struct fsc_kb *kb, struct dentry *dentry, const char *value, uint32_t fits,
		  uint32_t fails)
{
	while (fails - fits > 1) {
		uint32_t middle = fits + (fails - fits) / 2;
		int err = set(kb, dentry, "user.fscache", value, middle);

		if (!err)
			fits = middle;
		else if (too_long(err))
			fails = middle;
		else
			return err;
	}
	return (int)fits;
}

static int try_lengths(struct fsc_kb *kb, struct dentry *dentry, const char *value)
{
	int err = set(kb, dentry, "user.fscache", value, LEAST);

	if (too_long(err))
		return LEAST; /* the disk is full: that says nothing about lengths */
	if (err)
		return err;
	err = set(kb, dentry, "user.fscache", value, XATTR_SIZE_MAX);
	if (too_long(err))
		return bisect(kb, dentry, value, LEAST, XATTR_SIZE_MAX);
	return err ? err : XATTR_SIZE_MAX;
}

int fsc_kb_xattr_max(struct fsc_kb *kb, struct dentry *dentry)
{
	char *value = kvzalloc(XATTR_SIZE_MAX, GFP_NOFS);
	int ret;

	if (!value)
		return -ENOMEM;
	ret = try_lengths(kb, dentry, value);
	kvfree(value);
	return ret;
}
