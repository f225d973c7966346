// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_xattr.c - extended attributes.
 *
 * A value is read and written by a fid of its own; what is written counts when that fid is clunked.
 * Servers take one of no bytes for the removal, so a value of no bytes can't be set.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

enum { VALUE_MAX = 65536 }; /* XATTR_SIZE_MAX, and XATTR_LIST_MAX */

static struct p9_blob blob(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

/* All @size bytes, in as many reads as it takes; a server that has fewer has changed its mind. */
static int64_t read_value(struct p9_client *c, uint32_t fid, uint8_t *buf, uint64_t size)
{
	uint64_t at = 0;
	int64_t n;

	while (at < size) {
		n = p9_pread(c, fid, at, buf + at, size - at);
		if (n < 0)
			return n;
		if (!n)
			return -EIO;
		at += (uint64_t)n;
	}
	return (int64_t)at;
}

static int64_t get_once(struct nine_fid *from, const char *name, void *buf, size_t size)
{
	struct p9_client *c = client_of(from);
	uint64_t have;
	uint32_t fid;
	int64_t ret = p9_xattrwalk(c, from->fid, blob(name), &fid, &have);

	if (ret)
		return ret;
	if (have > VALUE_MAX)
		ret = -E2BIG;
	else if (!size)
		ret = (int64_t)have;
	else if (have > size)
		ret = -ERANGE;
	else
		ret = read_value(c, fid, buf, have);
	p9_clunk(c, fid);
	return ret;
}

static int64_t get(struct netfs_node *node, const char *name, void *buf, size_t size)
{
	struct nine_node *n = node_of(node);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int64_t ret;

	do {
		ret = nine_attempt(n, &fid, &tries);
		if (ret)
			return ret;
		ret = get_once(fid, name, buf, size);
	} while (nine_again(n, fid, ret, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	return ret;
}

int64_t nine_getxattr(struct netfs_node *node, const char *name, void *buf, size_t size)
{
	return *name ? get(node, name, buf, size) : -EINVAL;
}

/* Each name has to have its NUL, as whoever gets the list goes by that. */
int64_t nine_listxattr(struct netfs_node *node, void *buf, size_t size)
{
	int64_t n = get(node, "", buf, size);

	if (n > 0 && size && ((const char *)buf)[n - 1])
		return -EIO;
	return n;
}

static int write_value(struct p9_client *c, uint32_t fid, const uint8_t *buf, size_t size)
{
	size_t at = 0;
	int64_t n;

	while (at < size) {
		n = p9_pwrite(c, fid, at, buf + at, size - at);
		if (n <= 0)
			return n ? (int)n : -EIO;
		at += (size_t)n;
	}
	return 0;
}

static int set_once(struct nine_fid *from, const char *name, const void *buf, size_t size,
		    int flags)
{
	struct p9_client *c = client_of(from);
	uint32_t fid;
	int err = p9_walk(c, from->fid, NULL, 0, &fid), ended;

	if (err)
		return err;
	err = p9_xattrcreate(c, fid, blob(name), size, (uint32_t)flags);
	if (!err)
		err = write_value(c, fid, buf, size);
	ended = p9_clunk(c, fid);
	return err ? err : ended;
}

static int set(struct netfs_node *node, const char *name, const void *buf, size_t size, int flags)
{
	struct nine_node *n = node_of(node);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	/* What must be new, or there, is so only once. */
	int how = flags ? NINE_ONCE : NINE_REPEAT;
	int err;

	do {
		err = nine_attempt(n, &fid, &tries);
		if (err)
			return err;
		err = set_once(fid, name, buf, size, flags);
	} while (nine_again(n, fid, err, how | NINE_MUST_EXIST, &tries));
	return err;
}

int nine_setxattr(struct netfs_node *node, const char *name, const void *buf, size_t size,
		  int flags)
{
	if (!*name || flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (size > VALUE_MAX)
		return -E2BIG;
	return size ? set(node, name, buf, size, flags) : -EOPNOTSUPP;
}

int nine_removexattr(struct netfs_node *node, const char *name)
{
	return *name ? set(node, name, NULL, 0, XATTR_REPLACE) : -EINVAL;
}
