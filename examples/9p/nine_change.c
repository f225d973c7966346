// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_change.c - what changes attributes and names.
 *
 * Changing attributes can be done twice; nothing else here is repeated when the connection dies
 * under it. A file that loses its last name while it is open is not renamed aside: an open fid goes
 * on to read and write with the servers known (diod, ganesha, the kernel of the server keeping the
 * file), until the connection is lost, and with it the file. Its attributes are another matter:
 * diod 1.0 asks by name, and answers -ENOENT.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAIR_TRIES = 4 };

static struct p9_blob blob(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

/* ---- attributes ---- */

static struct p9_time time_of(struct timespec t)
{
	return (struct p9_time){ .sec = t.tv_sec, .nsec = (uint32_t)t.tv_nsec };
}

static void set_of(unsigned int which, const struct stat *st, struct p9_setattr *set)
{
	static const struct {
		unsigned int netfs, wire;
	} bits[] = {
		{ NETFS_SET_MODE, P9_SET_MODE },
		{ NETFS_SET_UID, P9_SET_UID },
		{ NETFS_SET_GID, P9_SET_GID },
		{ NETFS_SET_SIZE, P9_SET_SIZE },
		{ NETFS_SET_ATIME, P9_SET_ATIME | P9_SET_ATIME_SET },
		{ NETFS_SET_MTIME, P9_SET_MTIME | P9_SET_MTIME_SET },
		{ NETFS_SET_ATIME_NOW, P9_SET_ATIME },
		{ NETFS_SET_MTIME_NOW, P9_SET_MTIME },
	};

	*set = (struct p9_setattr){
		.mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.atime = time_of(st->st_atim), .mtime = time_of(st->st_mtim),
	};
	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (which & bits[i].netfs)
			set->valid |= bits[i].wire;
}

static int set_by_name(struct nine_node *n, const struct p9_setattr *set)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_attempt(n, &fid, &tries);
		if (err)
			return err;
		err = p9_setattr(client_of(fid), fid->fid, set);
	} while (nine_again(n, fid, err, NINE_REPEAT | NINE_MUST_EXIST, &tries));
	return err == -ENOENT ? -ESTALE : err;
}

static int set_by_file(struct nine_file *f, const struct p9_setattr *set)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_file_fid(f, &fid);
		if (err)
			return err;
		err = nine_check_nameless(node_of(f->file.node), fid);
		if (!err)
			err = p9_setattr(client_of(fid), fid->fid, set);
	} while (nine_file_again(f, fid, err, &tries));
	return err == -ENOENT ? -ESTALE : err;
}

/* By an open file what its opening gave the right to: its length. */
int nine_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		 const struct stat *st, struct netfs_attr *attr)
{
	struct nine_file *f = file ? file_of(file) : NULL;
	bool writes = f && f->flags & (P9_O_WRONLY | P9_O_RDWR);
	struct p9_setattr set;
	int err = -ESTALE;

	set_of(which, st, &set);
	if (writes && which & NETFS_SET_SIZE)
		err = set_by_file(f, &set);
	if (err == -ESTALE)
		err = set_by_name(node_of(node), &set);
	if (err == -ESTALE && f)
		err = set_by_file(f, &set);
	if (!err && attr)
		err = nine_getattr(node, file, attr);
	return err;
}

/* ---- names ---- */

static bool unsupported(int err)
{
	return err == -EOPNOTSUPP || err == -ENOSYS;
}

/* Walk to @name again, for a call that goes by fid: to what has it now. */
static int walk_name(struct nine_fid *dir, const char *name, uint32_t *fid, struct p9_qid *qid)
{
	const struct p9_blob names = blob(name);

	return p9_walk_qid(client_of(dir), dir->fid, &names, 1, fid, qid);
}

static int remove_by_fid(struct nine_fid *dir, const char *name, bool folder)
{
	struct p9_qid qid;
	uint32_t fid;
	int err = walk_name(dir, name, &fid, &qid);

	if (err)
		return err;
	/* This message takes either. */
	if (folder != !!(qid.type & P9_QID_DIR)) {
		p9_clunk(client_of(dir), fid);
		return folder ? -ENOTDIR : -EISDIR;
	}
	return p9_remove(client_of(dir), fid);
}

static int remove_name(struct nine_fid *dir, const char *name, bool folder)
{
	struct nine_link *link = dir->link;
	int err;

	if (!atomic_load(&link->no_unlinkat)) {
		err = p9_unlinkat(client_of(dir), dir->fid, blob(name),
				  folder ? P9_AT_REMOVEDIR : 0);
		if (!unsupported(err))
			return err;
	}
	err = remove_by_fid(dir, name, folder);
	if (!err)
		atomic_store(&link->no_unlinkat, true);
	return err;
}

/* nfs-ganesha's Tunlinkat takes either, whatever its flags say. */
static int check_type(const struct nine_node *node, bool folder)
{
	if (folder == !!S_ISDIR(atomic_load(&node->mode)))
		return 0;
	return folder ? -ENOTDIR : -EISDIR;
}

static int remove_in(struct nine_node *dir, const char *name, bool folder)
{
	struct nine_tries tries = { 0 };
	struct nine_fid *fid;
	int err;

	do {
		err = nine_attempt(dir, &fid, &tries);
		if (err)
			return err;
		err = remove_name(fid, name, folder);
	} while (nine_again(dir, fid, err, NINE_ONCE, &tries));
	return err;
}

/* As nine_lookup(): where nothing was it is looked once more, if something was moved. */
static int remove_entry(struct nine_node *dir, const char *name, struct nine_node *node,
			bool folder)
{
	struct nine *fs = nine_of_node(dir);
	unsigned int moves = atomic_load(&fs->moves);
	int err = node ? check_type(node, folder) : 0;

	if (!err)
		err = remove_in(dir, name, folder);
	if (err == -ENOENT && nine_moved_since(fs, moves)) {
		pthread_mutex_lock(&fs->moving);
		err = remove_in(dir, name, folder);
		pthread_mutex_unlock(&fs->moving);
	}
	if (!err)
		nine_name_removed(dir, name);
	return err;
}

int nine_unlink(struct netfs_node *dir, const char *name, struct netfs_node *node)
{
	return remove_entry(node_of(dir), name, node ? node_of(node) : NULL, false);
}

int nine_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node)
{
	return remove_entry(node_of(dir), name, node ? node_of(node) : NULL, true);
}

/* The fids of two nodes on one connection. */
static int pair_of(struct nine_node *a, struct nine_node *b, struct nine_fid **fa,
		   struct nine_fid **fb)
{
	int err;

	for (int i = 0; i < PAIR_TRIES; i++) {
		err = nine_node_fid(a, fa);
		if (err)
			return err;
		err = nine_node_fid(b, fb);
		if (!err && (*fa)->link == (*fb)->link)
			return 0;
		nine_fid_put(*fa);
		if (err)
			return err;
		nine_fid_put(*fb);
	}
	return -EIO;
}

int nine_link_make(struct netfs_node *node, struct netfs_node *dir, const char *name,
		   struct netfs_attr *attr)
{
	struct nine_node *n = node_of(node), *d = node_of(dir);
	struct nine_fid *fid, *dfid;
	int err = pair_of(n, d, &fid, &dfid);

	if (err)
		return err;
	err = p9_link(client_of(dfid), dfid->fid, fid->fid, blob(name));
	nine_fid_put(fid);
	nine_fid_put(dfid);
	if (err)
		return err;
	nine_name_add(n, d, name); /* without memory it can be found by its others */
	return attr ? nine_getattr(node, NULL, attr) : 0;
}

/* What has the name now is what moves: -ESTALE if that isn't @node. */
static int rename_by_fid(struct nine_fid *dir, const char *name, const struct nine_node *node,
			 struct nine_fid *to_dir, const char *to_name)
{
	struct p9_qid qid;
	uint32_t fid;
	int err = walk_name(dir, name, &fid, &qid);

	if (err)
		return err;
	err = node && qid.path != node->qid_path
		      ? -ESTALE
		      : p9_rename(client_of(dir), fid, to_dir->fid, blob(to_name));
	p9_clunk(client_of(dir), fid);
	return err;
}

static int rename_name(struct nine_fid *dir, const char *name, const struct nine_node *node,
		       struct nine_fid *to_dir, const char *to_name)
{
	struct nine_link *link = dir->link;
	int err;

	if (!atomic_load(&link->no_renameat)) {
		err = p9_renameat(client_of(dir), dir->fid, blob(name), to_dir->fid, blob(to_name));
		if (!unsupported(err))
			return err;
	}
	err = rename_by_fid(dir, name, node, to_dir, to_name);
	if (!err)
		atomic_store(&link->no_renameat, true);
	return err;
}

/* @hold: no directory is renamed by others of us meanwhile, as what is below it can't tell for a
 * moment what it is called. Takes over @fresh, the new name for itself, if it succeeds; NULL: both
 * are names of one file, and then nothing happens. */
static int rename_once(struct nine_node *dir, const char *name, struct nine_node *n,
		       struct nine_node *to_dir, const char *to_name, char *fresh, bool hold)
{
	struct nine *fs = nine_of_node(dir);
	struct nine_fid *from, *to;
	int err = pair_of(dir, to_dir, &from, &to);

	if (err)
		return err;
	if (hold)
		pthread_mutex_lock(&fs->moving);
	err = rename_name(from, name, n, to, to_name);
	if (!err && fresh)
		nine_name_moved(dir, name, to_dir, fresh);
	if (hold)
		pthread_mutex_unlock(&fs->moving);
	nine_fid_put(from);
	nine_fid_put(to);
	return err;
}

/* The protocol has no flags: none of renameat2(2)'s could be done in one step. */
int nine_rename(struct netfs_node *dir, const char *name, struct netfs_node *node,
		struct netfs_node *to_dir, const char *to_name, struct netfs_node *over,
		unsigned int flags)
{
	struct nine_node *d = node_of(dir), *to_d = node_of(to_dir);
	struct nine_node *n = node ? node_of(node) : NULL;
	bool same = n && over && node_of(over)->qid_path == n->qid_path;
	bool folder = n && S_ISDIR(atomic_load(&n->mode));
	struct nine *fs = nine_of_node(d);
	unsigned int moves = atomic_load(&fs->moves);
	char *fresh = NULL;
	int err;

	if (flags)
		return -EINVAL;
	if (!same) {
		fresh = strdup(to_name);
		if (!fresh)
			return -ENOMEM;
	}
	err = rename_once(d, name, n, to_d, to_name, fresh, folder);
	if (err == -ENOENT && nine_moved_since(fs, moves)) {
		pthread_mutex_lock(&fs->moving);
		err = rename_once(d, name, n, to_d, to_name, fresh, true);
		pthread_mutex_unlock(&fs->moving);
	}
	if (err)
		free(fresh);
	return err;
}
