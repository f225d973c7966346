/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * tree.h - directories of the server.
 */
#ifndef FSC_EXAMPLES_TREE_H
#define FSC_EXAMPLES_TREE_H

#include "session.h"

/* Call @fn with each entry of the directory @dir [blocks]. @plus: attributes are wanted with the
 * entries, if they can be had in the same answer. 0, a negative return of @fn's, or -errno. */
int tree_list(struct session *s, struct netfs_node *dir, bool plus, netfs_dirent_fn fn, void *arg);

#endif
