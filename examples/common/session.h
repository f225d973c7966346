/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * session.h - what all commands work with: a server, and perhaps a cache.
 */
#ifndef FSC_EXAMPLES_SESSION_H
#define FSC_EXAMPLES_SESSION_H

#include <fscache/fscache.h>

#include "netfs.h"
#include "options.h"
#include "program.h"

/* Constant while a command runs. */
struct session {
	const struct options *opt;
	const struct program *program;
	struct netfs *fs;
	struct netfs_node *root;      /* what was connected to */
	struct netfs_attr root_attr;  /* as of then */
	struct fsc_backend *backend;  /* the three are NULL together: uncached, and so is all that */
	struct fsc_cache *cache;      /* is asked of them */
	struct fsc_volume *volume;
};

/* Connect [blocks]. 0, or it was said why not. */
int session_begin(struct session *s, const struct program *program, const struct options *opt);
/* All nodes and files were given back [blocks]. */
void session_end(struct session *s);
/* Say that @path couldn't be served because of @err. Of a dead connection it is said only once. */
void session_say(struct session *s, const char *path, int err);

/* store.c: open the cache, or say once why there is none [blocks]. Before any file is opened. */
void store_open(struct session *s);
/* Every file is closed. What was kept is saved when it returns [blocks]. */
void store_close(struct session *s);

/* The commands. An exit status; what went wrong was said. */
int cmd_ls(struct session *s);
int cmd_stat(struct session *s);
int cmd_cat(struct session *s);
int cmd_get(struct session *s);
int cmd_warm(struct session *s);
int cmd_mount(struct session *s);

#endif
