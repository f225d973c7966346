// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * export.c - see export.h.
 */
#include "export.h"

#include <stdio.h>
#include <sys/stat.h>

struct netfs *fs;
const struct netfs_ops *ops;
struct netfs_node *root;

struct netfs_node *find(const char *name, struct netfs_attr *attr)
{
	struct netfs_node *node = NULL;

	assert_int_equal(ops->lookup(root, name, &node, attr), 0);
	assert_non_null(node);
	return node;
}

void same_stat(const struct netfs_attr *attr, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(world_path(name), &st), 0);
	assert_true(attr->vouched);
	assert_int_equal(attr->st.st_ino, st.st_ino);
	assert_int_equal(attr->st.st_mode, st.st_mode);
	assert_int_equal(attr->st.st_nlink, st.st_nlink);
	assert_int_equal(attr->st.st_uid, st.st_uid);
	assert_int_equal(attr->st.st_gid, st.st_gid);
	assert_int_equal(attr->st.st_size, st.st_size);
	assert_int_equal(attr->st.st_rdev, st.st_rdev);
	assert_int_equal(attr->st.st_mtim.tv_sec, st.st_mtim.tv_sec);
	assert_int_equal(attr->st.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(attr->st.st_ctim.tv_sec, st.st_ctim.tv_sec);
	assert_int_equal(attr->st.st_ctim.tv_nsec, st.st_ctim.tv_nsec);
	assert_int_equal(attr->has_change, world_version == 4);
	assert_in_range(attr->key_len, 1, NETFS_KEY_MAX);
}

/* The server may have the attributes that it had a moment ago: look again. */
void same(struct netfs_node *node, const char *name)
{
	struct netfs_attr attr;

	assert_int_equal(ops->getattr(node, NULL, &attr), 0);
	same_stat(&attr, name);
}

struct netfs_file *opened(struct netfs_node *node, int flags)
{
	struct netfs_file *file = NULL;

	assert_int_equal(ops->open(node, flags, &file), 0);
	return file;
}

int export_begin(void **state)
{
	struct netfs_attr attr;
	char why[256] = "";

	(void)state;
	umask(0);
	world_server_start();
	if (world_connect(false, 0, &fs, why, sizeof(why))) {
		print_error("%s\n", why);
		return -1;
	}
	ops = fs->ops;
	return ops->root(fs, &root, &attr);
}

int export_end(void **state)
{
	(void)state;
	netfs_node_put(root);
	ops->disconnect(fs);
	world_server_kill();
	return 0;
}
