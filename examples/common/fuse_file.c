// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_file.c - open, create, flush, fsync and release of regular files.
 *
 * An open asks the server what the file is (unless it is to be believed for a while), and whether
 * we may have it so. The second question has been answered if it was asked under the same
 * attributes before: who may do what doesn't change without them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "open_file.h"
#include "passthrough.h"

/* --- The server's file ------------------------------------------------------------------------ */

static void issue_read(struct fsc_subreq *sreq)
{
	struct open_file *f = sreq->netfs;

	if (server_file(f))
		cached_issue_read(sreq);
	else
		fsc_subreq_done(sreq, NOT_OPENED);
}

static void push(void *netfs)
{
	if (server_file(netfs))
		cached_push(netfs);
}

/* What was refused above has nothing to cancel. */
static void cancel_read(struct fsc_subreq *sreq)
{
	struct cached_subreq *cs = sreq->priv;

	if (cs->ops)
		cached_cancel_read(sreq);
}

static size_t read_max(struct fsc_read *read)
{
	struct open_file *f = read->netfs;

	return server_file(f) ? cached_read_max(read) : FSC_GRANULE_SIZE;
}

const struct fsc_netfs_ops mount_netfs_ops = {
	.subreq_size = sizeof(struct cached_subreq),
	.read_max = read_max,
	.issue_read = issue_read,
	.push = push,
	.cancel_read = cancel_read,
	.write_max = cached_write_max,
	.issue_write = cached_issue_write,
	.hold = cached_hold,
	.release = cached_release,
};

static void set_server_file(struct open_file *f, struct netfs_file *file)
{
	f->cf.file = file;
	atomic_store_explicit(&f->opened, true, memory_order_release);
}

/* What of the flags of an open() the server is told. Appending is done here: what the kernel writes
 * back of a mapping comes through the same file, and has its place. */
static int server_flags(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC);
}

/* Who keeps what is written wants to read what surrounds it, if we may. */
static int open_filling(struct mount *m, struct open_file *f, struct netfs_node *node, int flags,
			struct netfs_file **file)
{
	bool wants = m->opt.sole_writer && f->use.cookie && (flags & O_ACCMODE) != O_RDONLY;
	int err = -EACCES;

	if (wants)
		err = m->ops->open(node, (flags & ~O_ACCMODE) | O_RDWR, file);
	f->fills = !err;
	if (err == -EACCES || err == -EPERM)
		err = m->ops->open(node, flags, file);
	return err;
}

static int open_on_server(struct mount *m, struct open_file *f, int flags)
{
	struct netfs_node *node = inode_node(f->in);
	struct netfs_file *file;
	int err = open_filling(m, f, node, flags, &file);

	netfs_node_put(node);
	if (!err)
		set_server_file(f, file);
	return err;
}

int file_on_server(struct mount *m, struct open_file *f)
{
	int err = 0;

	if (server_file(f))
		return 0;
	pthread_mutex_lock(&f->lock);
	if (!server_file(f))
		err = open_on_server(m, f, f->flags & O_ACCMODE);
	pthread_mutex_unlock(&f->lock);
	return err;
}

void files_hold(struct mount *m, struct inode *in)
{
	struct open_file *f;
	int err;

	do {
		pthread_mutex_lock(&in->lock);
		for (f = in->files; f && (server_file(f) || f->backing); f = f->next)
			;
		if (f)
			atomic_fetch_add(&f->refs, 1);
		pthread_mutex_unlock(&in->lock);
		err = f ? file_on_server(m, f) : 0;
		if (f)
			file_put(m, f);
	} while (f && !err);
}

/* --- An open, from its beginning to its end --------------------------------------------------- */

static struct open_file *file_new(struct inode *in, int flags)
{
	struct open_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	cached_file_init(&f->cf, NULL);
	pthread_mutex_init(&f->lock, NULL);
	atomic_init(&f->refs, 1);
	f->in = in;
	f->flags = flags;
	return f;
}

static void file_free(struct open_file *f)
{
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void file_put(struct mount *m, struct open_file *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	cached_file_fini(&f->cf);
	if (f->use.began)
		content_close(m, f->in, &f->use, server_file(f));
	if (server_file(f))
		m->ops->close(f->cf.file);
	file_free(f);
}

/* From here on others see it. */
static void file_add(struct open_file *f)
{
	struct inode *in = f->in;

	pthread_mutex_lock(&in->lock);
	f->next = in->files;
	in->files = f;
	pthread_mutex_unlock(&in->lock);
}

void file_end(struct mount *m, struct open_file *f)
{
	struct inode *in = f->in;
	struct open_file **at;

	file_alive(f);
	pthread_mutex_lock(&in->lock);
	for (at = &in->files; *at && *at != f; at = &(*at)->next)
		;
	if (*at)
		*at = f->next;
	if (f->cached)
		in->content->cached_opens--;
	pthread_mutex_unlock(&in->lock);
	passthrough_close(m, f);
	file_put(m, f);
}

void file_alive(struct open_file *f)
{
	if (!atomic_load_explicit(&f->alive, memory_order_relaxed) &&
	    !atomic_exchange(&f->alive, true) && f->use.began && !f->use.keep_pages && f->cached)
		content_pages_fresh(f->in, &f->use);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Did the server let us read it as it is? */
static bool was_readable(struct inode *in, const struct netfs_attr *attr)
{
	bool yes;

	pthread_mutex_lock(&in->lock);
	yes = in->readable && attr->vouched && same_time(&in->readable_ctim, &attr->st.st_ctim);
	pthread_mutex_unlock(&in->lock);
	return yes;
}

static void note_readable(struct inode *in, const struct netfs_attr *attr)
{
	pthread_mutex_lock(&in->lock);
	in->readable = true;
	in->readable_ctim = attr->st.st_ctim;
	pthread_mutex_unlock(&in->lock);
}

/* With O_TRUNC: an open that is a change too. */
static int open_truncating(struct mount *m, struct open_file *f)
{
	uint64_t mark = inode_change_begin(f->in);
	int err;

	content_change(f->in);
	content_resize_begin(m, f->in, 0);
	err = open_on_server(m, f, server_flags(f->flags));
	content_resize_end(m, f->in, 0, err);
	inode_change_end(f->in, mark, NULL);
	return err;
}

/* Nothing of it has to be asked of the server. What isn't whole is opened there at once: a file
 * that is open the server keeps, whoever removes or replaces it, and gives its number to no other.
 */
static bool is_whole(struct open_file *f, const struct netfs_attr *attr)
{
	uint64_t size = (uint64_t)attr->st.st_size;

	return f->use.cookie && fsc_cookie_present(f->use.cookie, 0, size) == size;
}

static int open_as(struct mount *m, struct open_file *f, const struct netfs_attr *attr)
{
	bool writes = (f->flags & O_ACCMODE) != O_RDONLY || f->flags & O_TRUNC;
	int err = content_open(m, f->in, attr, writes, &f->use);

	if (err)
		return err;
	if (f->flags & O_TRUNC)
		return open_truncating(m, f);
	if (!writes && was_readable(f->in, attr) && is_whole(f, attr))
		return 0;
	err = file_on_server(m, f);
	if (!err && !writes)
		note_readable(f->in, attr);
	return err;
}

static int attr_for_open(struct mount *m, struct inode *in, struct netfs_attr *attr)
{
	bool believed, named;
	int err;

	pthread_mutex_lock(&in->lock);
	believed = mount_believes(m, in);
	if (believed)
		*attr = in->attr;
	named = in->attr.st.st_nlink && !in->gone;
	pthread_mutex_unlock(&in->lock);
	if (believed)
		return 0;
	err = fetch_attr(m, in, NULL, attr);
	/* Its names were removed on the server: this one leads to another file, or to none. */
	return !err && named && !attr->st.st_nlink ? -ESTALE : err;
}

/* What the kernel believes of it for a while yet, above all where it ends, is outdated: whoever
 * opens it is to find it as it is now. This touches attributes only, so it may come from within a
 * request. */
static void tell_news(struct mount *m, struct inode *in, fuse_ino_t ino)
{
	bool news;

	pthread_mutex_lock(&in->lock);
	news = in->news;
	pthread_mutex_unlock(&in->lock);
	if (news)
		fuse_lowlevel_notify_inval_inode(m->se, ino, -1, 0);
}

/* How the kernel is to treat it. */
static int choose_mode(struct mount *m, struct open_file *f, struct fuse_file_info *fi)
{
	int err = passthrough_open(m, f);

	if (err)
		return err;
	fi->fh = (uintptr_t)f;
	fi->keep_cache = f->cached && f->use.keep_pages;
	return 0;
}

static void reply_open(fuse_req_t req, struct open_file *f, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);

	passthrough_reply(f);
	/* Interrupted: there will be no release. */
	if (fuse_reply_open(req, fi) == -ENOENT)
		file_end(m, f);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct open_file *f = file_new(in, fi->flags);
	struct netfs_attr attr;
	int err = f ? attr_for_open(m, in, &attr) : -ENOMEM;

	if (!err)
		err = open_as(m, f, &attr);
	if (!err) {
		file_add(f);
		err = choose_mode(m, f, fi);
		if (!err) {
			tell_news(m, in, ino);
			reply_open(req, f, fi);
			return;
		}
		file_end(m, f);
	} else if (f) {
		file_put(m, f);
	}
	reply_err(req, check_stale(m, in, err));
}

static void reply_create(fuse_req_t req, struct open_file *f, const struct fuse_entry_param *e,
			 struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);

	passthrough_reply(f);
	if (fuse_reply_create(req, e, fi) == -ENOENT) {
		struct inode *in = f->in;

		file_end(m, f);
		inode_forget(&m->inodes, in, 1);
	}
}

/* What was created is open already. @f is the file's if it ends well. */
static int create_on_server(fuse_req_t req, struct inode *dir, const char *name, mode_t mode,
			    int flags, struct fuse_entry_param *e, struct open_file **out)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const struct netfs_owner owner = { ctx->uid, ctx->gid };
	struct mount *m = mount_of(req);
	struct netfs_node *parent = inode_node(dir), *node;
	struct netfs_file *file;
	struct netfs_attr attr;
	struct inode *in;
	int err = m->ops->create(parent, name, server_flags(flags) | (flags & O_EXCL), mode, &owner,
				 &node, &attr, &file);

	netfs_node_put(parent);
	inode_attr_doubt(dir);
	if (err)
		return err;
	err = make_entry(m, dir, name, node, &attr, e, &in);
	if (err) {
		m->ops->close(file);
		return err;
	}
	*out = file_new(in, flags);
	if (*out) {
		set_server_file(*out, file);
		err = content_open(m, in, &attr, true, &(*out)->use);
	} else {
		m->ops->close(file);
		err = -ENOMEM;
	}
	if (!err)
		return 0;
	if (*out)
		file_put(m, *out);
	inode_forget(&m->inodes, in, 1);
	return err;
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *dir = inode_of(m, parent);
	struct fuse_entry_param e;
	struct open_file *f;
	int err = create_on_server(req, dir, name, mode, fi->flags, &e, &f);

	if (!err) {
		file_add(f);
		err = choose_mode(m, f, fi);
		if (!err) {
			reply_create(req, f, &e, fi);
			return;
		}
		file_end(m, f);
		inode_forget(&m->inodes, inode_of(m, e.ino), 1);
	}
	reply_err(req, check_stale(m, dir, err));
}

/* --- Flush, fsync, release -------------------------------------------------------------------- */

/* What was written is with the server already; what is left is its locks. */
static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_file *f = file_of(fi);

	(void)ino;
	file_alive(f);
	file_unlock(mount_of(req), f, fi->lock_owner);
	reply_err(req, 0);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct open_file *f = file_of(fi);
	struct netfs_file *file = server_file(f);
	int err = 0;

	(void)ino;
	if (file)
		err = m->ops->fsync(file, datasync);
	if (file && !err && f->use.writes)
		content_stable(m, f->in, file);
	reply_err(req, err);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	file_end(mount_of(req), file_of(fi));
	reply_err(req, 0);
}

void fuse_file_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	ops->open = do_open;
	if (netfs->create)
		ops->create = do_create;
	ops->flush = do_flush;
	if (netfs->fsync)
		ops->fsync = do_fsync;
	ops->release = do_release;
}
