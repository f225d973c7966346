// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_node.c - files by name: fids that are walked to again when they are lost.
 *
 * Three things lose a fid: the connection's death; a server that knows files by their path only, as
 * diod does, when one of its directories is renamed; and somebody else's doing on the server. The
 * first two are known beforehand. The third shows as -ENOENT or -ESTALE from what must exist.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOST_MAX = 2,   /* connections that may die under one call */
	HOLD_AFTER = 2, /* times that renames may come in between */
};
struct nine_node *nine_node_new(struct nine *fs, struct nine_node *dir, const char *name,
				struct nine_fid *fid, uint64_t qid_path)
{
	struct nine_node *n = calloc(1, sizeof(*n));

	if (!n) {
		nine_fid_put(fid);
		return NULL;
	}
	n->node.fs = &fs->fs;
	atomic_init(&n->node.refs, 1);
	n->is_root = !dir;
	n->qid_path = qid_path;
	if (dir && nine_name_add(n, dir, name)) {
		free(n);
		nine_fid_put(fid);
		return NULL;
	}
	n->fid = fid;
	pthread_mutex_init(&n->lock, NULL);
	if (fid)
		nine_fid_kept(n);
	return n;
}

void nine_node_free(struct netfs_node *node)
{
	struct nine_node *n = node_of(node);

	nine_fid_not_kept(n);
	nine_fid_put(n->fid);
	nine_names_end(n);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* Once, on the connection that there is. True: it died under it. */
static bool walk_once(struct nine_node *n, const struct nine_path *path, struct nine_fid **out,
		      int *err)
{
	struct p9_qid qid = { .path = n->qid_path };
	struct nine *fs = nine_of_node(n);
	struct nine_link *link;
	bool lost;

	*err = nine_link_get(fs, &link);
	if (*err)
		return false;
	*err = nine_fid_walk(fs, link, link->root, path->names, path->count, out, &qid);
	lost = *err && p9_error(link->client);
	nine_link_put(link);
	if (!*err && qid.path != n->qid_path) {
		nine_fid_put(*out);
		*err = -ESTALE;
	}
	if (*err == -ENOENT || *err == -ENOTDIR)
		*err = -ESTALE;
	return lost && fs->reconnect;
}

/* From the root, by its names. */
static int walk_again(struct nine_node *n, struct nine_fid **out)
{
	unsigned int lost = 0;
	struct nine_path path;
	int err = nine_path_of(n, &path);

	if (!err)
		while (walk_once(n, &path, out, &err) && lost++ < LOST_MAX)
			;
	nine_path_end(&path);
	return err;
}

int nine_check_nameless(struct nine_node *n, struct nine_fid *fid)
{
	struct p9_attr a;
	int err;

	if (nine_name_state(n, fid) != NINE_NAMELESS)
		return 0;
	err = p9_getattr(client_of(fid), fid->fid, &a);
	return err == -ENOENT || (!err && (a.qid.path != n->qid_path || a.nlink)) ? -ESTALE : err;
}

/* With the node's lock held; *@old is to be given back after it. */
static int find_fid(struct nine_node *n, struct nine_fid **old)
{
	struct nine *fs = nine_of_node(n);
	bool usable = n->fid && nine_link_usable(fs, n->fid->link);
	enum nine_state state = usable ? nine_name_state(n, n->fid) : NINE_MOVED;
	struct nine_fid *fresh;
	int err;

	if (state == NINE_NAMELESS)
		return nine_check_nameless(n, n->fid);
	if (state == NINE_SAME)
		return 0;
	err = walk_again(n, &fresh);
	if (err) /* a server that knows files by more than names still has it by the old one */
		return usable ? 0 : err;
	*old = n->fid;
	n->fid = fresh;
	return 0;
}

static int node_fid(struct nine_node *n, struct nine_fid **out)
{
	struct nine_fid *old = NULL;
	bool had;
	int err;

	pthread_mutex_lock(&n->lock);
	had = n->fid;
	err = find_fid(n, &old);
	if (!err)
		*out = nine_fid_get(n->fid);
	pthread_mutex_unlock(&n->lock);
	nine_fid_put(old);
	if (!err && !had)
		nine_fid_kept(n);
	return err;
}

int nine_node_fid(struct nine_node *n, struct nine_fid **out)
{
	struct nine *fs = nine_of_node(n);
	unsigned int moves, tries = 0;
	int err;

	atomic_store_explicit(&n->used, true, memory_order_relaxed);
	do {
		moves = atomic_load(&fs->moves);
		err = node_fid(n, out);
	} while (err == -ESTALE && tries++ < NINE_MOVES_MAX && nine_moved_since(fs, moves));
	return err;
}

/* Have @n walk again; false: there is no name to go by, or that was @fid's own way. */
static bool walk_stale(struct nine_node *n, struct nine_fid *fid)
{
	struct nine_fid *fresh, *old = NULL;
	bool again = false;

	pthread_mutex_lock(&n->lock);
	if (n->fid != fid) {
		again = true;
	} else if (!n->is_root && !walk_again(n, &fresh)) {
		old = n->fid;
		n->fid = fresh;
		again = true;
	}
	pthread_mutex_unlock(&n->lock);
	nine_fid_put(old);
	return again;
}

/* Worth it once, and again each time that one of our own renames came in between. */
static bool found_again(struct nine_node *n, struct nine_fid *fid, struct nine_tries *tries)
{
	struct nine *fs = nine_of_node(n);
	bool moved = nine_moved_since(fs, tries->moves);

	tries->moves = atomic_load(&fs->moves);
	if (tries->stale > 1 && !moved)
		return false;
	return walk_stale(n, fid) || nine_moved_since(fs, tries->moves);
}

/* With a server that goes by names, and renames that follow each other quickly, it could go on so:
 * then there are none of ours until the call has ended. */
static void hold_renames(struct nine *fs, struct nine_tries *tries)
{
	if (tries->stale < HOLD_AFTER || tries->holds)
		return;
	pthread_mutex_lock(&fs->moving);
	tries->holds = true;
}

static void let_go(struct nine *fs, struct nine_tries *tries)
{
	if (tries->holds)
		pthread_mutex_unlock(&fs->moving);
	tries->holds = false;
}

int nine_attempt(struct nine_node *n, struct nine_fid **out, struct nine_tries *tries)
{
	int err;

	hold_renames(nine_of_node(n), tries);
	err = nine_node_fid(n, out);
	if (err)
		let_go(nine_of_node(n), tries);
	return err;
}

bool nine_again(struct nine_node *n, struct nine_fid *fid, int64_t ret, int how,
		struct nine_tries *tries)
{
	struct nine *fs = nine_of_node(n);
	bool again = false;

	if (ret < 0 && p9_error(client_of(fid)))
		again = fs->reconnect && how & NINE_REPEAT && tries->lost++ < LOST_MAX;
	else if (ret == -ESTALE || (ret == -ENOENT && how & NINE_MUST_EXIST))
		again = tries->stale++ < NINE_MOVES_MAX && found_again(n, fid, tries);
	nine_fid_put(fid);
	if (!again)
		let_go(fs, tries);
	return again;
}
