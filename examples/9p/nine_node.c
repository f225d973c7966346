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
	DEPTH_MAX = 65536, /* names in one path; a circle of parents would be a mistake of ours */
	LOST_MAX = 2,      /* connections that may die under one call */
};

/* ---- fids ---- */

struct nine_fid *nine_fid_new(struct nine *fs, struct nine_link *link, uint32_t fid)
{
	struct nine_fid *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	f->link = link;
	f->fid = fid;
	atomic_init(&f->walked, atomic_load(&fs->moves));
	atomic_init(&f->refs, 1);
	return f;
}

struct nine_fid *nine_fid_get(struct nine_fid *fid)
{
	atomic_fetch_add_explicit(&fid->refs, 1, memory_order_relaxed);
	return fid;
}

static void fid_clunked(struct p9_clunk *clunk)
{
	struct nine_fid *f = (struct nine_fid *)((char *)clunk - offsetof(struct nine_fid, clunk));

	nine_link_put(f->link);
	free(f);
}

void nine_fid_put(struct nine_fid *fid)
{
	if (!fid || atomic_fetch_sub_explicit(&fid->refs, 1, memory_order_acq_rel) != 1)
		return;
	fid->clunk.fid = fid->fid;
	fid->clunk.done = fid_clunked;
	p9_clunk_start(client_of(fid), &fid->clunk);
}

/* Walk from fid @from of @link. On success *@out has a reference on @link of its own. */
static int walk(struct nine *fs, struct nine_link *link, uint32_t from,
		const struct p9_blob *names, size_t count, struct nine_fid **out,
		struct p9_qid *qid)
{
	uint32_t fid;
	int err = p9_walk_qid(link->client, from, names, count, &fid, qid);

	if (err)
		return err;
	*out = nine_fid_new(fs, link, fid);
	if (!*out) {
		p9_clunk(link->client, fid);
		return -ENOMEM;
	}
	atomic_fetch_add(&link->refs, 1);
	return 0;
}

int nine_fid_clone(struct nine *fs, struct nine_fid *fid, struct nine_fid **out)
{
	return walk(fs, fid->link, fid->fid, NULL, 0, out, NULL);
}

/* ---- names ---- */

static void names_free(struct nine_name *name)
{
	struct nine_name *next;

	for (; name; name = next) {
		next = name->next;
		netfs_node_put(&name->parent->node);
		free(name);
	}
}

struct nine_name *nine_name_new(struct nine_node *dir, const char *text)
{
	size_t len = strlen(text) + 1;
	struct nine_name *name = malloc(sizeof(*name) + len);

	if (!name)
		return NULL;
	name->next = NULL;
	name->parent = dir;
	memcpy(name->name, text, len);
	netfs_node_get(&dir->node);
	return name;
}

void nine_name_free(struct nine_name *name)
{
	name->next = NULL;
	names_free(name);
}

/* Two nodes may stand for one directory. */
static bool is_name(const struct nine_name *name, const struct nine_node *dir, const char *text)
{
	return (name->parent == dir || name->parent->qid_path == dir->qid_path) &&
	       !strcmp(name->name, text);
}

/* With the names' lock held: the place in @n's list of this name, or of its end. */
static struct nine_name **find_name(struct nine_node *n, const struct nine_node *dir,
				    const char *text)
{
	struct nine_name **at = &n->names;

	while (*at && !is_name(*at, dir, text))
		at = &(*at)->next;
	return at;
}

/* With the names' lock held: what was walked to by @n's names before isn't good any more. */
static void mark_moved(struct nine_node *n)
{
	atomic_store(&n->moved, atomic_fetch_add(&nine_of_node(n)->moves, 1) + 1);
}

void nine_name_add(struct nine_node *n, struct nine_name *name)
{
	struct nine_name **at;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = &n->names;
	while (*at)
		at = &(*at)->next;
	*at = name;
	/* It had none, and was known to some server only. */
	if (atomic_exchange(&n->nameless, false))
		mark_moved(n);
	pthread_mutex_unlock(&nine_of_node(n)->names);
}

void nine_name_drop(struct nine_node *n, struct nine_node *dir, const char *text)
{
	struct nine_name **at, *gone;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = find_name(n, dir, text);
	gone = *at;
	if (gone) {
		*at = gone->next;
		mark_moved(n);
		atomic_store(&n->nameless, !n->names);
	}
	pthread_mutex_unlock(&nine_of_node(n)->names);
	if (gone)
		nine_name_free(gone);
}

void nine_name_move(struct nine_node *n, struct nine_node *dir, const char *text,
		    struct nine_name *fresh)
{
	struct nine_name **at, *gone;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = find_name(n, dir, text);
	gone = *at;
	if (gone)
		*at = gone->next;
	fresh->next = n->names;
	n->names = fresh;
	atomic_store(&n->nameless, false);
	mark_moved(n);
	pthread_mutex_unlock(&nine_of_node(n)->names);
	if (gone)
		nine_name_free(gone);
}

/* With the names' lock held: how many names lead from the root to @n; -ESTALE: none do. */
static int depth_of(const struct nine_node *n)
{
	int depth = 0;

	for (; !n->is_root; n = n->names->parent)
		if (!n->names || ++depth > DEPTH_MAX)
			return -ESTALE;
	return depth;
}

struct path {
	struct p9_blob *names;
	char *text;
	size_t count;
};

static void path_end(struct path *p)
{
	free(p->names);
	free(p->text);
}

/* With the names' lock held. */
static int path_copy(const struct nine_node *n, struct path *p)
{
	int depth = depth_of(n);
	size_t at = 0;

	if (depth < 0)
		return depth;
	p->count = (size_t)depth;
	p->names = calloc(p->count + 1, sizeof(*p->names));
	p->text = malloc((p->count + 1) * NETFS_NAME_MAX);
	if (!p->names || !p->text)
		return -ENOMEM;
	for (size_t i = p->count; i-- > 0; n = n->names->parent) {
		const char *name = n->names->name;
		size_t len = strlen(name);

		memcpy(p->text + at, name, len);
		p->names[i] = (struct p9_blob){ p->text + at, len };
		at += len;
	}
	return 0;
}

static int path_of(struct nine *fs, const struct nine_node *n, struct path *p)
{
	int err;

	memset(p, 0, sizeof(*p));
	pthread_mutex_lock(&fs->names);
	err = path_copy(n, p);
	pthread_mutex_unlock(&fs->names);
	return err;
}

/* Was any directory on the way renamed since @fid was walked to? */
static bool was_moved(struct nine *fs, const struct nine_node *n, struct nine_fid *fid)
{
	unsigned int moves = atomic_load_explicit(&fs->moves, memory_order_acquire);
	unsigned int walked = atomic_load_explicit(&fid->walked, memory_order_relaxed);
	bool moved = false;

	if (walked == moves)
		return false;
	pthread_mutex_lock(&fs->names);
	for (; !n->is_root && !moved; n = n->names->parent) {
		moved = (int)(atomic_load(&n->moved) - walked) > 0;
		if (!n->names)
			break;
	}
	pthread_mutex_unlock(&fs->names);
	if (!moved)
		atomic_store_explicit(&fid->walked, moves, memory_order_relaxed);
	return moved;
}

/* ---- nodes ---- */

struct nine_node *nine_node_new(struct nine *fs, struct nine_node *dir, const char *name,
				struct nine_fid *fid, uint64_t qid_path)
{
	struct nine_node *n = calloc(1, sizeof(*n));

	if (n && dir)
		n->names = nine_name_new(dir, name);
	if (!n || (dir && !n->names)) {
		free(n);
		nine_fid_put(fid);
		return NULL;
	}
	n->node.fs = &fs->fs;
	atomic_init(&n->node.refs, 1);
	n->is_root = !dir;
	n->qid_path = qid_path;
	n->fid = fid;
	pthread_mutex_init(&n->lock, NULL);
	return n;
}

/* Its parents go with it if it was their last child: in a loop, as a path may be long. */
void nine_node_free(struct netfs_node *node)
{
	struct nine_name *names;
	struct nine_node *n;

	while (node) {
		n = node_of(node);
		names = n->names;
		node = NULL;
		nine_fid_put(n->fid);
		pthread_mutex_destroy(&n->lock);
		free(n);
		if (!names)
			break;
		names_free(names->next);
		if (atomic_fetch_sub_explicit(&names->parent->node.refs, 1,
					      memory_order_acq_rel) == 1)
			node = &names->parent->node;
		free(names);
	}
}

/* Once, on the connection that there is. True: it died under it. */
static bool walk_once(struct nine_node *n, const struct path *path, struct nine_fid **out, int *err)
{
	struct p9_qid qid = { .path = n->qid_path };
	struct nine *fs = nine_of_node(n);
	struct nine_link *link;
	bool lost;

	*err = nine_link_get(fs, &link);
	if (*err)
		return false;
	*err = walk(fs, link, link->root, path->names, path->count, out, &qid);
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
	struct path path;
	int err = path_of(nine_of_node(n), n, &path);

	if (!err)
		while (walk_once(n, &path, out, &err) && lost++ < LOST_MAX)
			;
	path_end(&path);
	return err;
}

int nine_check_nameless(const struct nine_node *n, struct nine_fid *fid)
{
	struct p9_attr a;
	int err;

	if (!atomic_load_explicit(&n->nameless, memory_order_relaxed))
		return 0;
	err = p9_getattr(client_of(fid), fid->fid, &a);
	return err == -ENOENT || (!err && (a.qid.path != n->qid_path || a.nlink)) ? -ESTALE : err;
}

/* With the node's lock held; *@old is to be given back after it. */
static int find_fid(struct nine_node *n, struct nine_fid **old)
{
	struct nine *fs = nine_of_node(n);
	bool usable = n->fid && nine_link_usable(fs, n->fid->link);
	struct nine_fid *fresh;
	int err;

	if (atomic_load_explicit(&n->nameless, memory_order_relaxed))
		return usable ? nine_check_nameless(n, n->fid) : -ESTALE;
	if (usable && !was_moved(fs, n, n->fid))
		return 0;
	err = walk_again(n, &fresh);
	if (err) /* a server that knows files by more than names still has it by the old one */
		return usable ? 0 : err;
	*old = n->fid;
	n->fid = fresh;
	return 0;
}

int nine_node_fid(struct nine_node *n, struct nine_fid **out)
{
	struct nine_fid *old = NULL;
	int err;

	pthread_mutex_lock(&n->lock);
	err = find_fid(n, &old);
	if (!err)
		*out = nine_fid_get(n->fid);
	pthread_mutex_unlock(&n->lock);
	nine_fid_put(old);
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

bool nine_again(struct nine_node *n, struct nine_fid *fid, int64_t ret, int how,
		struct nine_tries *tries)
{
	struct nine *fs = nine_of_node(n);
	bool again = false;

	if (ret < 0 && p9_error(client_of(fid)))
		again = fs->reconnect && how & NINE_REPEAT && tries->lost++ < LOST_MAX;
	else if (ret == -ESTALE || (ret == -ENOENT && how & NINE_MUST_EXIST))
		again = !tries->stale++ && walk_stale(n, fid);
	nine_fid_put(fid);
	return again;
}

/* ---- calls on nodes ---- */

static int lookup_once(struct nine_node *dir, struct nine_fid *from, const char *name,
		       struct nine_node **out, struct netfs_attr *attr)
{
	const struct p9_blob blob = { name, strlen(name) };
	struct nine *fs = nine_of_node(dir);
	struct nine_fid *fid;
	struct p9_attr a;
	struct p9_qid qid;
	int err = walk(fs, from->link, from->fid, &blob, 1, &fid, &qid);

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

int nine_lookup(struct netfs_node *netfs_dir, const char *name, struct netfs_node **out,
		struct netfs_attr *attr)
{
	struct nine_node *dir = node_of(netfs_dir), *found = NULL;
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_node_fid(dir, &fid);
		if (err)
			return err;
		err = lookup_once(dir, fid, name, &found, attr);
	} while (nine_again(dir, fid, err, NINE_REPEAT, &tries));
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
		err = nine_node_fid(n, &fid);
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
		ret = nine_node_fid(n, &fid);
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
		err = nine_node_fid(n, &fid);
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
