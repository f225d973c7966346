/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * session.h - what all commands work with: a server, and perhaps a cache.
 */
#ifndef FSC9P_SESSION_H
#define FSC9P_SESSION_H

#include <fscache/fscache.h>

#include "client.h"
#include "options.h"

struct session {
	const struct options *opt;
	struct p9_client *client;
	uint32_t root;            /* fid of what was attached to */
	bool attached;
	struct fsc_cache *cache;  /* NULL: uncached, and so is all that follows */
	struct fsc_volume *volume;
};

/* Connect and attach [blocks]. 0, or it was said why not. */
int session_begin(struct session *s, const struct options *opt);
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

#endif
