// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_names.c - names: looking them up, forgetting, making, moving and removing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "open_file.h"

static struct netfs_owner owner_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct netfs_owner){ ctx->uid, ctx->gid };
}

/* --- Look-ups --------------------------------------------------------------------------------- */

/* That there is no such name is believed for as long as that there is one, but only if asked for.
 */
static void reply_missing(fuse_req_t req)
{
	struct mount *m = mount_of(req);
	struct fuse_entry_param e = { .entry_timeout = m->entry_timeout };

	if (m->opt.actimeo > 0)
		fuse_reply_entry(req, &e);
	else
		reply_err(req, -ENOENT);
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct netfs_node *node, *dir_node = inode_node(dir);
	struct netfs_attr attr;
	struct inode *known = inode_named(&m->inodes, dir, name);
	uint64_t mark = known ? inode_attr_mark(known) : 0;
	int err = m->ops->lookup(dir_node, name, &node, &attr);

	netfs_node_put(dir_node);
	/* What has the name is, as a rule, what had it before. */
	if (!err && known && known->key_len == attr.key_len &&
	    !memcmp(known->key, attr.key, attr.key_len) && inode_attr_arrived(known, mark, &attr))
		content_seen(m, known, &attr);
	if (known)
		inode_forget(&m->inodes, known, 1);
	if (err == -ENOENT)
		reply_missing(req);
	else if (err)
		reply_err(req, check_stale(m, dir, err));
	else
		reply_entry(req, dir, name, node, &attr);
}

static void do_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	struct mount *m = mount_of(req);

	inode_forget(&m->inodes, inode_of(m, ino), n);
	fuse_reply_none(req);
}

static void do_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct mount *m = mount_of(req);

	for (size_t i = 0; i < count; i++)
		inode_forget(&m->inodes, inode_of(m, forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

/* --- New names -------------------------------------------------------------------------------- */

static void reply_made(fuse_req_t req, struct inode *dir, const char *name, int err,
		       struct netfs_node *node, const struct netfs_attr *attr)
{
	inode_attr_doubt(dir);
	if (err)
		reply_err(req, check_stale(mount_of(req), dir, err));
	else
		reply_entry(req, dir, name, node, attr);
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct netfs_owner owner = owner_of(req);
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct netfs_node *node, *dir_node = inode_node(dir);
	struct netfs_attr attr;
	int err = m->ops->mkdir(dir_node, name, mode, &owner, &node, &attr);

	netfs_node_put(dir_node);
	reply_made(req, dir, name, err, node, &attr);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	const struct netfs_owner owner = owner_of(req);
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct netfs_node *node, *dir_node = inode_node(dir);
	struct netfs_attr attr;
	int err = m->ops->mknod(dir_node, name, mode, rdev, &owner, &node, &attr);

	netfs_node_put(dir_node);
	reply_made(req, dir, name, err, node, &attr);
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	const struct netfs_owner owner = owner_of(req);
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct netfs_node *node, *dir_node = inode_node(dir);
	struct netfs_attr attr;
	int err = m->ops->symlink(dir_node, name, target, &owner, &node, &attr);

	netfs_node_put(dir_node);
	reply_made(req, dir, name, err, node, &attr);
}

static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent), *in = inode_of(m, ino);
	struct netfs_node *dir_node = inode_node(dir), *node = inode_node(in);
	uint64_t mark = inode_change_begin(in);
	struct netfs_attr attr;
	int err = m->ops->link(node, dir_node, name, &attr);

	inode_change_end(in, mark, err ? NULL : &attr);
	netfs_node_put(dir_node);
	/* The node goes on as that of the new name. */
	if (err)
		netfs_node_put(node);
	reply_made(req, dir, name, err, node, &attr);
}

/* --- Names that go ---------------------------------------------------------------------------- */

/* What had the name, or is believed to: held until name_gone(). */
static struct inode *name_going(struct mount *m, struct inode *dir, const char *name,
				struct netfs_node **node)
{
	struct inode *in = inode_named(&m->inodes, dir, name);

	*node = in ? inode_node(in) : NULL;
	if (in && S_ISREG(in->type))
		files_hold(m, in);
	return in;
}

/* The server may give its key to another file now, if that was its last name. */
static void lost_name(struct mount *m, struct inode *in, struct inode *dir, const char *name)
{
	bool last;

	pthread_mutex_lock(&in->lock);
	last = S_ISDIR(in->type) || in->attr.st.st_nlink <= 1;
	in->attr_ms = 0;
	in->changes++;
	if (last)
		in->gone = true;
	else
		in->attr.st.st_nlink--;
	pthread_mutex_unlock(&in->lock);
	if (last)
		inode_detach(&m->inodes, in);
	else
		inode_unname(&m->inodes, in, dir, name);
}

static void name_gone(struct mount *m, struct inode *in, struct netfs_node *node,
		      struct inode *dir, const char *name, int err)
{
	netfs_node_put(node);
	if (!in)
		return;
	if (!err)
		lost_name(m, in, dir, name);
	inode_forget(&m->inodes, in, 1);
}

/* Some file, which isn't known by that name, has changed with it. */
static void changed_unknown(struct mount *m)
{
	atomic_store(&m->unknown_ms, fsc_clock_ms());
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_dir)
{
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct netfs_node *node, *dir_node = inode_node(dir);
	struct inode *in = name_going(m, dir, name, &node);
	int err = is_dir ? m->ops->rmdir(dir_node, name, node)
			 : m->ops->unlink(dir_node, name, node);

	netfs_node_put(dir_node);
	name_gone(m, in, node, dir, name, err);
	if (!in)
		changed_unknown(m);
	inode_attr_doubt(dir);
	reply_err(req, check_stale(m, dir, err));
}

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, false);
}

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, true);
}

/* --- Names that move -------------------------------------------------------------------------- */

static void moved(struct mount *m, struct inode *in, struct inode *dir, const char *name)
{
	if (!in)
		return;
	inode_attr_doubt(in);
	inode_rename(&m->inodes, in, dir, name);
}

static void do_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned int flags)
{
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent), *to_dir = inode_of(m, new_parent);
	struct netfs_node *node, *over_node;
	struct inode *in = name_going(m, dir, name, &node);
	struct inode *over = name_going(m, to_dir, new_name, &over_node);
	struct netfs_node *dir_node = inode_node(dir), *to_node = inode_node(to_dir);
	bool exchange = flags & RENAME_EXCHANGE;
	/* Two names of one file: nothing happens. */
	bool same = in && in == over;
	int err = m->ops->rename(dir_node, name, node, to_node, new_name, over_node, flags);

	netfs_node_put(dir_node);
	netfs_node_put(to_node);
	name_gone(m, over, over_node, to_dir, new_name, exchange || same ? -EEXIST : err);
	if (!err && !same) {
		moved(m, in, to_dir, new_name);
		if (exchange && over)
			moved(m, over, dir, name);
	}
	name_gone(m, in, node, dir, name, -EEXIST);
	if (!in || !over)
		changed_unknown(m);
	inode_attr_doubt(dir);
	inode_attr_doubt(to_dir);
	reply_err(req, check_stale(m, dir, err));
}

void fuse_names_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	ops->lookup = do_lookup;
	ops->forget = do_forget;
	ops->forget_multi = do_forget_multi;
	if (netfs->mkdir)
		ops->mkdir = do_mkdir;
	if (netfs->mknod)
		ops->mknod = do_mknod;
	if (netfs->symlink)
		ops->symlink = do_symlink;
	if (netfs->link)
		ops->link = do_link;
	if (netfs->unlink)
		ops->unlink = do_unlink;
	if (netfs->rmdir)
		ops->rmdir = do_rmdir;
	if (netfs->rename)
		ops->rename = do_rename;
}
