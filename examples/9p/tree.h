/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * tree.h - directories of the server.
 */
#ifndef FSC9P_TREE_H
#define FSC9P_TREE_H

#include "session.h"

/* Not 0: stop, and return that. */
typedef int (*tree_entry)(void *arg, const struct p9_dirent *entry);

/* Call @fn with each entry of the directory @path but "." and ".." [blocks]. 0, what @fn returned,
 * or -errno; -ELOOP for a server that goes in circles. */
int tree_list(struct session *s, const char *path, tree_entry fn, void *arg);

#endif
