/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* export.h - one connection to the server's export, and looking at both of its sides. */
#ifndef TESTS_NFS_EXPORT_H
#define TESTS_NFS_EXPORT_H

#include "world.h"

extern struct netfs *fs;
extern const struct netfs_ops *ops;
extern struct netfs_node *root;

int export_begin(void **state); /* start the server and connect */
int export_end(void **state);

struct netfs_node *find(const char *name, struct netfs_attr *attr);
/* Is that what the server's filesystem has under this name? */
void same_stat(const struct netfs_attr *attr, const char *name);
void same(struct netfs_node *node, const char *name);
struct netfs_file *opened(struct netfs_node *node, int flags);

#endif
