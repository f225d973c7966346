// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_stat.c - what is asked of nodes: lookup, attributes, links, figures.
 */
#include "nine.h"

#include <errno.h>
#include <string.h>

static int lookup_once(struct nine_node *dir, struct nine_fid *from, const char *name,
		       struct nine_node **out, struct netfs_attr *attr)
{
	const struct p9_blob blob = { name, strlen(name) };
	struct nine *fs = nine_of_node(dir);
	struct nine_fid *fid;
	struct p9_attr a;
	struct p9_qid qid;
	int err = nine_fid_walk(fs, from->link, from->fid, &blob, 1, &fid, &qid);

	if (err)
		return err;
	err = p9_getattr(client_of(fid), fid->fid, &a);
	/* Given to another file in between: that is the one which was found. */
	if (err) {
		nine_fid_put(fid);
		return err;
	}
	*out = nine_node_new(fs, dir, name, fid, a.qid.path);
	return *out ? nine_take_attr(*out, &a, attr) : -ENOMEM;
}

static int lookup(struct nine_node *dir, const char *name, struct nine_node **found,
		  struct netfs_attr *attr)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_attempt(dir, &fid, &tries);
		if (err)
			return err;
		err = lookup_once(dir, fid, name, found, attr);
	} while (nine_again(dir, fid, err, NINE_REPEAT, &tries));
	return err;
}

/* What isn't there may be so because the directory was just being moved by us; the second time it
 * isn't. */
int nine_lookup(struct netfs_node *netfs_dir, const char *name, struct netfs_node **out,
		struct netfs_attr *attr)
{
	struct nine_node *dir = node_of(netfs_dir), *found = NULL;
	struct nine *fs = nine_of_node(dir);
	unsigned int moves = atomic_load(&fs->moves);
	int err = lookup(dir, name, &found, attr);

	if (err == -ENOENT && nine_moved_since(fs, moves)) {
		pthread_mutex_lock(&fs->moving);
		err = lookup(dir, name, &found, attr);
		pthread_mutex_unlock(&fs->moving);
	}
	if (!err)
		*out = &found->node;
	return err;
}

/* By @n's own fid. */
static int getattr_by_name(struct nine_node *n, struct netfs_attr *attr)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	struct p9_attr a;
	int err;

	do {
		err = nine_attempt(n, &fid, &tries);
		if (err)
			return err;
		err = p9_getattr(client_of(fid), fid->fid, &a);
		if (!err)
			err = nine_take_attr(n, &a, attr);
	} while (nine_again(n, fid, err, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	return err == -ENOENT ? -ESTALE : err;
}

static int getattr_of_file(struct nine_node *n, struct nine_file *f, struct netfs_attr *attr)
{
	struct nine_fid *fid = nine_file_fid_now(f);
	struct p9_attr a;
	int err;

	if (!fid)
		return -ESTALE;
	err = nine_check_nameless(n, fid);
	if (!err)
		err = p9_getattr(client_of(fid), fid->fid, &a);
	if (!err)
		err = nine_take_attr(n, &a, attr);
	nine_fid_put(fid);
	return err;
}

int nine_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr)
{
	struct nine_node *n = node_of(node);
	int err = getattr_by_name(n, attr);

	if (err == -ESTALE && file && !getattr_of_file(n, file_of(file), attr))
		err = 0;
	return err;
}

int nine_readlink(struct netfs_node *node, char *buf, size_t size)
{
	struct nine_node *n = node_of(node);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int64_t ret;

	do {
		ret = nine_attempt(n, &fid, &tries);
		if (ret)
			return (int)ret;
		ret = p9_readlink(client_of(fid), fid->fid, buf, size);
	} while (nine_again(n, fid, ret, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	return (int)ret;
}

int nine_statfs(struct netfs_node *node, struct statvfs *out)
{
	struct nine_node *n = node_of(node);
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	struct p9_statfs st;
	int err;

	do {
		err = nine_attempt(n, &fid, &tries);
		if (err)
			return err;
		err = p9_statfs(client_of(fid), fid->fid, &st);
	} while (nine_again(n, fid, err, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	if (err)
		return err;
	*out = (struct statvfs){
		.f_bsize = st.bsize, .f_frsize = st.bsize, .f_blocks = st.blocks,
		.f_bfree = st.bfree, .f_bavail = st.bavail, .f_files = st.files,
		.f_ffree = st.ffree, .f_favail = st.ffree, .f_fsid = (unsigned long)st.fsid,
		.f_namemax = st.namelen,
	};
	return 0;
}
