// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_attr.c - attributes, extended ones too, and the replies that have them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "open_file.h"

/* --- Replies ---------------------------------------------------------------------------------- */

static bool is_connection(int err)
{
	switch (err) {
	case -ETIMEDOUT:
	case -ENOTCONN:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ECONNABORTED:
	case -EPIPE:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENETDOWN:
	case -ESHUTDOWN:
	case -ECANCELED:
	case -EPROTO:
	case -EBADMSG:
		return true;
	default:
		return false;
	}
}

void reply_err(fuse_req_t req, int err)
{
	fuse_reply_err(req, is_connection(err) ? EIO : -err);
}

/* The kernel takes its own word for who has what open; blocks are what du adds up. */
static void stat_of(const struct inode *in, const struct netfs_attr *attr, struct stat *st)
{
	*st = attr->st;
	st->st_mode = in->type | (st->st_mode & ~(mode_t)S_IFMT);
}

void reply_attr(fuse_req_t req, struct inode *in, const struct netfs_attr *attr)
{
	struct stat st;

	stat_of(in, attr, &st);
	inode_attr_told(in, attr);
	fuse_reply_attr(req, &st, mount_of(req)->attr_timeout);
}

/* The same of attributes that arrived a while ago, and are believed for the rest of their time. */
static void reply_believed(fuse_req_t req, struct inode *in, const struct netfs_attr *attr)
{
	struct mount *m = mount_of(req);
	double age = (double)(fsc_clock_ms() - attr->arrived_ms) / 1000;
	struct stat st;

	stat_of(in, attr, &st);
	inode_attr_told(in, attr);
	fuse_reply_attr(req, &st, age < m->attr_timeout ? m->attr_timeout - age : 0);
}

int make_entry(struct mount *m, struct inode *dir, const char *name, struct netfs_node *node,
	       const struct netfs_attr *attr, struct fuse_entry_param *e, struct inode **out)
{
	struct inode *in;

	if (!attr->key_len) {
		netfs_node_put(node);
		return -EPROTO;
	}
	in = inode_found(&m->inodes, dir, name, node, attr);
	if (!in)
		return -ENOMEM;
	*e = (struct fuse_entry_param){
		.ino = in == m->inodes.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)in,
		.generation = in->id,
		.attr_timeout = m->attr_timeout,
		.entry_timeout = m->entry_timeout,
	};
	stat_of(in, attr, &e->attr);
	*out = in;
	return 0;
}

void reply_entry(fuse_req_t req, struct inode *dir, const char *name, struct netfs_node *node,
		 const struct netfs_attr *attr)
{
	struct mount *m = mount_of(req);
	struct fuse_entry_param e;
	struct inode *in;
	int err = make_entry(m, dir, name, node, attr, &e, &in);

	if (err) {
		reply_err(req, err);
		return;
	}
	inode_attr_told(in, attr);
	if (fuse_reply_entry(req, &e) == -ENOENT)
		inode_forget(&m->inodes, in, 1);
}

int check_stale(struct mount *m, struct inode *in, int err)
{
	if (err != -ESTALE)
		return err;
	inode_attr_doubt(in);
	/* Its key may be another file's by now, and that isn't to be taken for it: the kernel tries
	 * once more only, and would find this inode again. */
	if (S_ISREG(in->type))
		inode_detach(&m->inodes, in);
	return err;
}

/* --- What a file is --------------------------------------------------------------------------- */

bool mount_believes(const struct mount *m, const struct inode *in)
{
	return m->opt.actimeo > 0 && in->attr_ms &&
	       (double)(fsc_clock_ms() - in->attr_ms) < m->opt.actimeo * 1000;
}

/* It has no name any more, and the server has forgotten it though we have it open. */
static int attr_of_gone(struct inode *in, struct netfs_attr *attr, int err)
{
	pthread_mutex_lock(&in->lock);
	if (in->gone && (err == -ENOENT || err == -ESTALE)) {
		*attr = in->attr;
		attr->st.st_nlink = 0;
		attr->vouched = false;
		err = 0;
	}
	pthread_mutex_unlock(&in->lock);
	return err;
}

/* The server's file of whoever has it open: for what has lost its name it may be the only way. */
static struct open_file *any_open(struct inode *in)
{
	struct open_file *f;

	pthread_mutex_lock(&in->lock);
	for (f = in->files; f && !server_file(f); f = f->next)
		;
	if (f)
		atomic_fetch_add(&f->refs, 1);
	pthread_mutex_unlock(&in->lock);
	return f;
}

int fetch_attr(struct mount *m, struct inode *in, struct open_file *file, struct netfs_attr *attr)
{
	struct open_file *any = server_file(file) ? NULL : any_open(in);
	struct netfs_node *node = inode_node(in);
	uint64_t mark = inode_attr_mark(in);
	int err = m->ops->getattr(node, server_file(any ? any : file), attr);

	netfs_node_put(node);
	if (any)
		file_put(m, any);
	if (err)
		return attr_of_gone(in, attr, err);
	if (inode_attr_arrived(in, mark, attr))
		content_seen(m, in, attr);
	return 0;
}

/*
 * The kernel also asks within the time that it was given: each read makes it doubt the atime, and
 * each name that comes or goes the directory. What this client changed isn't believed any more; but
 * of a file with several names only one is known here, so a name that was removed or moved may have
 * been one of it.
 */
static bool believed_attr(struct mount *m, struct inode *in, struct netfs_attr *attr)
{
	bool yes;

	pthread_mutex_lock(&in->lock);
	yes = mount_believes(m, in) &&
	      (in->attr.st.st_nlink == 1 || S_ISDIR(in->type) ||
	       in->attr_ms > atomic_load(&m->unknown_ms));
	if (yes)
		*attr = in->attr;
	pthread_mutex_unlock(&in->lock);
	return yes;
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct netfs_attr attr;
	int err;

	if (believed_attr(m, in, &attr)) {
		reply_believed(req, in, &attr);
		return;
	}
	err = fetch_attr(m, in, S_ISREG(in->type) ? file_of(fi) : NULL, &attr);
	if (err)
		reply_err(req, check_stale(m, in, err));
	else
		reply_attr(req, in, &attr);
}

/* --- Changing it ------------------------------------------------------------------------------ */

static unsigned int which_of(int to_set)
{
	static const struct {
		int fuse;
		unsigned int netfs;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, NETFS_SET_MODE },
		{ FUSE_SET_ATTR_UID, NETFS_SET_UID },
		{ FUSE_SET_ATTR_GID, NETFS_SET_GID },
		{ FUSE_SET_ATTR_SIZE, NETFS_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, NETFS_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, NETFS_SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, NETFS_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, NETFS_SET_MTIME_NOW },
	};
	unsigned int which = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		if (to_set & bits[i].fuse)
			which |= bits[i].netfs;
	}
	if (which & NETFS_SET_ATIME_NOW)
		which &= ~(unsigned int)NETFS_SET_ATIME;
	if (which & NETFS_SET_MTIME_NOW)
		which &= ~(unsigned int)NETFS_SET_MTIME;
	return which;
}

static int set_attr(struct mount *m, struct inode *in, unsigned int which, const struct stat *st,
		    struct open_file *f, struct netfs_attr *attr)
{
	bool resizes = which & NETFS_SET_SIZE && S_ISREG(in->type);
	struct netfs_node *node = inode_node(in);
	uint64_t mark = inode_change_begin(in);
	int err;

	if (resizes)
		content_resize_begin(m, in, (uint64_t)st->st_size);
	err = m->ops->setattr(node, server_file(f), which, st, attr);
	if (resizes)
		content_resize_end(m, in, (uint64_t)st->st_size, err);
	inode_change_end(in, mark, err ? NULL : attr);
	netfs_node_put(node);
	return err;
}

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		       struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct open_file *given = S_ISREG(in->type) ? file_of(fi) : NULL;
	struct open_file *any = server_file(given) ? NULL : any_open(in);
	struct open_file *f = any ? any : given;
	unsigned int which = which_of(to_set);
	struct netfs_attr attr;
	int err = 0;

	if (which)
		err = set_attr(m, in, which, st, f, &attr);
	else
		err = fetch_attr(m, in, f, &attr);
	if (any)
		file_put(m, any);
	if (err)
		reply_err(req, check_stale(m, in, err));
	else
		reply_attr(req, in, &attr);
}

/* --- Others ----------------------------------------------------------------------------------- */

static void do_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct netfs_node *node = inode_node(inode_of(m, ino));
	char target[PATH_MAX];
	int n = m->ops->readlink(node, target, sizeof(target) - 1);

	netfs_node_put(node);
	if (n < 0) {
		reply_err(req, n);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct netfs_node *node = inode_node(inode_of(m, ino));
	struct statvfs vfs = { 0 };
	int err = m->ops->statfs(node, &vfs);

	netfs_node_put(node);
	if (err)
		reply_err(req, err);
	else
		fuse_reply_statfs(req, &vfs);
}

static void do_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct mount *m = mount_of(req);
	struct netfs_node *node = inode_node(inode_of(m, ino));
	int err = m->ops->access(node, mask);

	netfs_node_put(node);
	/* A protocol that doesn't know says so when the file is opened. */
	reply_err(req, err == -EOPNOTSUPP ? 0 : err);
}

/* --- Extended attributes ---------------------------------------------------------------------- */

static void reply_xattr(fuse_req_t req, int64_t n, const void *buf, size_t size)
{
	if (n < 0)
		reply_err(req, (int)n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* The kernel asks for it before every write; while somebody writes it isn't asked of the server
 * more than once. */
static bool is_caps(const char *name)
{
	return !strcmp(name, "security.capability");
}

static bool known_capless(struct inode *in)
{
	bool yes;

	pthread_mutex_lock(&in->lock);
	yes = in->no_caps && in->content && in->content->writers;
	pthread_mutex_unlock(&in->lock);
	return yes;
}

static void note_caps(struct inode *in, bool none)
{
	pthread_mutex_lock(&in->lock);
	in->no_caps = none;
	pthread_mutex_unlock(&in->lock);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct netfs_node *node;
	void *buf;
	int64_t n;

	if (is_caps(name) && known_capless(in)) {
		reply_err(req, -ENODATA);
		return;
	}
	buf = size ? malloc(size) : NULL;
	node = inode_node(in);
	n = size && !buf ? -ENOMEM : m->ops->getxattr(node, name, buf, size);
	netfs_node_put(node);
	if (is_caps(name))
		note_caps(in, n == -ENODATA || n == -EOPNOTSUPP);
	reply_xattr(req, n, buf, size);
	free(buf);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_of(req);
	struct netfs_node *node = inode_node(inode_of(m, ino));
	void *buf = size ? malloc(size) : NULL;
	int64_t n = size && !buf ? -ENOMEM : m->ops->listxattr(node, buf, size);

	netfs_node_put(node);
	reply_xattr(req, n, buf, size);
	free(buf);
}

/* The ctime changes with it. */
static void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct netfs_node *node = inode_node(in);
	uint64_t mark = inode_change_begin(in);
	int err = m->ops->setxattr(node, name, value, size, flags);

	inode_change_end(in, mark, NULL);
	note_caps(in, false);
	netfs_node_put(node);
	reply_err(req, err);
}

static void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct netfs_node *node = inode_node(in);
	uint64_t mark = inode_change_begin(in);
	int err = m->ops->removexattr(node, name);

	inode_change_end(in, mark, NULL);
	netfs_node_put(node);
	reply_err(req, err);
}

void fuse_attr_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	ops->getattr = do_getattr;
	if (netfs->setattr)
		ops->setattr = do_setattr;
	if (netfs->readlink)
		ops->readlink = do_readlink;
	if (netfs->statfs)
		ops->statfs = do_statfs;
	if (netfs->access)
		ops->access = do_access;
	if (netfs->getxattr)
		ops->getxattr = do_getxattr;
	if (netfs->listxattr)
		ops->listxattr = do_listxattr;
	if (netfs->setxattr)
		ops->setxattr = do_setxattr;
	if (netfs->removexattr)
		ops->removexattr = do_removexattr;
}
