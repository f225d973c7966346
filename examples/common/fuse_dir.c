// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_dir.c - listing directories.
 *
 * The server is asked for much at a time, and the kernel served from that: it asks for a page at a
 * time (or 32 KiB, if it is new), in the order of the positions that it was given. A request for
 * any other position asks the server anew. With attributes where the protocol has them beside the
 * names; otherwise a list of names only, and who wants attributes looks them up.
 *
 * "." and ".." come first. Their positions are such as no filesystem gives.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "open_file.h"

#define AFTER_DOT (INT64_MAX - 2)
#define AFTER_DOTS (INT64_MAX - 1) /* where the server's begin, at its 0 */

#define BATCH_ENTRIES 512
#define BATCH_BYTES 65536

struct entry {
	uint64_t pos, next; /* the kernel's positions */
	uint64_t ino;
	uint32_t name;      /* in names */
	unsigned char type;
	struct netfs_node *node; /* NULL: none came with it */
	struct netfs_attr *attr;
};

struct open_dir {
	struct open_dir *next, **prev; /* mount.dirs */
	pthread_mutex_t lock; /* covers the rest; the kernel doesn't hold back others' reads */
	struct netfs_file *file;
	struct entry entries[BATCH_ENTRIES];
	size_t count;
	uint64_t end_pos; /* after the last of them */
	bool full;        /* more would not have fitted */
	bool at_end;      /* there are no more */
	char names[BATCH_BYTES];
	size_t names_len;
};

static struct open_dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct open_dir *)(uintptr_t)fi->fh;
}

/* --- A batch ---------------------------------------------------------------------------------- */

static void drop_batch(struct open_dir *d)
{
	for (size_t i = 0; i < d->count; i++) {
		netfs_node_put(d->entries[i].node);
		free(d->entries[i].attr);
	}
	d->count = d->names_len = 0;
	d->full = d->at_end = false;
}

static void keep_plus(struct entry *e, const struct netfs_dirent *from)
{
	e->node = NULL;
	e->attr = NULL;
	if (!from->node || !from->attr)
		return;
	e->attr = malloc(sizeof(*e->attr));
	if (!e->attr)
		return;
	*e->attr = *from->attr;
	e->node = netfs_node_get(from->node);
}

static int take(void *arg, const struct netfs_dirent *from)
{
	struct open_dir *d = arg;
	size_t len = strlen(from->name) + 1;
	struct entry *e = &d->entries[d->count];

	if (d->names_len + len > BATCH_BYTES) {
		d->full = true;
		return -ENOSPC;
	}
	/* A position of ours, or the one before: nobody could go on from there. */
	if (from->next > INT64_MAX || from->next == AFTER_DOT || from->next == d->end_pos)
		return -EPROTO;
	*e = (struct entry){
		.pos = d->end_pos,
		.next = from->next,
		.ino = from->ino,
		.name = (uint32_t)d->names_len,
		.type = from->type,
	};
	memcpy(d->names + d->names_len, from->name, len);
	d->names_len += len;
	keep_plus(e, from);
	d->end_pos = from->next;
	d->count++;
	d->full = d->count == BATCH_ENTRIES;
	return d->full ? 1 : 0;
}

static int fill(struct mount *m, struct open_dir *d, uint64_t pos, bool plus)
{
	int err;

	drop_batch(d);
	d->end_pos = pos;
	err = m->ops->readdir(d->file, pos == AFTER_DOTS ? 0 : pos, plus, take, d);
	if (err < 0 && !d->count)
		return err;
	d->at_end = !err && !d->full;
	return 0;
}

/* The entry at @pos, asking the server if need be. 0: the end; or 1, or -errno. */
static int entry_at(struct mount *m, struct open_dir *d, uint64_t pos, bool plus, size_t *hint,
		    struct entry **out)
{
	int err;

	if (*hint < d->count && d->entries[*hint].pos == pos) {
		*out = &d->entries[(*hint)++];
		return 1;
	}
	for (size_t i = 0; i < d->count; i++) {
		if (d->entries[i].pos != pos)
			continue;
		*hint = i + 1;
		*out = &d->entries[i];
		return 1;
	}
	if (d->at_end && d->count && d->end_pos == pos)
		return 0;
	err = fill(m, d, pos, plus);
	if (err || !d->count)
		return err;
	*hint = 1;
	*out = &d->entries[0];
	return 1;
}

/* --- The kernel's buffer ---------------------------------------------------------------------- */

struct listing {
	fuse_req_t req;
	struct inode *dir;
	bool plus;
	char *buf;
	size_t size, len;
};

static size_t put(struct listing *l, const char *name, const struct fuse_entry_param *e,
		  uint64_t next)
{
	char *at = l->buf + l->len;
	size_t room = l->size - l->len, n;

	n = l->plus ? fuse_add_direntry_plus(l->req, at, room, name, e, (off_t)next)
		    : fuse_add_direntry(l->req, at, room, name, &e->attr, (off_t)next);
	if (n > room)
		return 0;
	l->len += n;
	return n;
}

/* Without a node id the kernel takes it for a name and no more. */
static bool put_plain(struct listing *l, const char *name, uint64_t ino, unsigned char type,
		      uint64_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = ino, .st_mode = DTTOIF(type) } };

	return put(l, name, &e, next);
}

/* What this client has ever changed may be more than the batch knows, and the kernel would believe
 * the batch. */
static bool is_ours(struct inode *in)
{
	bool yes;

	pthread_mutex_lock(&in->lock);
	yes = in->changes != 0;
	pthread_mutex_unlock(&in->lock);
	return yes;
}

static bool put_entry(struct listing *l, struct open_dir *d, struct entry *entry)
{
	struct mount *m = mount_of(l->req);
	const char *name = d->names + entry->name;
	struct fuse_entry_param e;
	struct inode *in;
	bool fits;

	if (!l->plus || !entry->node || !entry->attr->key_len)
		return put_plain(l, name, entry->ino, entry->type, entry->next);
	if (make_entry(m, l->dir, name, netfs_node_get(entry->node), entry->attr, &e, &in))
		return put_plain(l, name, entry->ino, entry->type, entry->next);
	if (is_ours(in)) {
		inode_forget(&m->inodes, in, 1);
		return put_plain(l, name, entry->ino, entry->type, entry->next);
	}
	fits = put(l, name, &e, entry->next);
	if (fits)
		inode_attr_told(in, entry->attr);
	else
		inode_forget(&m->inodes, in, 1);
	return fits;
}

static uint64_t ino_of(struct inode *in)
{
	uint64_t ino;

	pthread_mutex_lock(&in->lock);
	ino = in->attr.st.st_ino;
	pthread_mutex_unlock(&in->lock);
	return ino;
}

/* The names that the server doesn't list. Where they came to an end. */
static uint64_t put_dots(struct listing *l, uint64_t pos)
{
	if (pos == 0 && put_plain(l, ".", ino_of(l->dir), DT_DIR, AFTER_DOT))
		pos = AFTER_DOT;
	if (pos == AFTER_DOT && put_plain(l, "..", ino_of(l->dir), DT_DIR, AFTER_DOTS))
		pos = AFTER_DOTS;
	return pos;
}

static int list(struct listing *l, struct open_dir *d, uint64_t pos)
{
	struct mount *m = mount_of(l->req);
	struct entry *entry;
	size_t hint = 0;
	int ret = 1;

	pos = put_dots(l, pos);
	if (pos == 0 || pos == AFTER_DOT)
		return 0;
	while ((ret = entry_at(m, d, pos, l->plus, &hint, &entry)) == 1) {
		if (!put_entry(l, d, entry))
			return 0;
		pos = entry->next;
	}
	/* What was found goes out; the error comes again with the next request. */
	return l->len ? 0 : ret;
}

/* Nobody got the listing (the process that wanted it was killed), nor the references in it. */
static void forget_listed(struct mount *m, const struct listing *l)
{
	const struct fuse_direntplus *e;

	for (size_t at = 0; l->plus && at < l->len; at += FUSE_DIRENTPLUS_SIZE(e)) {
		e = (const void *)(l->buf + at);
		if (e->entry_out.nodeid)
			inode_forget(&m->inodes, inode_of(m, e->entry_out.nodeid), 1);
	}
}

static void do_list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi, bool plus)
{
	struct mount *m = mount_of(req);
	struct open_dir *d = dir_of(fi);
	struct listing l = {
		.req = req,
		.dir = inode_of(m, ino),
		.plus = plus,
		.buf = malloc(size),
		.size = size,
	};
	int err = -ENOMEM;

	if (l.buf) {
		pthread_mutex_lock(&d->lock);
		/* From the beginning means: as it is now. */
		if (!off)
			drop_batch(d);
		err = list(&l, d, (uint64_t)off);
		pthread_mutex_unlock(&d->lock);
	}
	if (err)
		reply_err(req, check_stale(m, l.dir, err));
	else if (fuse_reply_buf(req, l.buf, l.len) == -ENOENT)
		forget_listed(m, &l);
	free(l.buf);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	do_list(req, ino, size, off, fi, false);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi)
{
	do_list(req, ino, size, off, fi, true);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void dir_free(struct mount *m, struct open_dir *d)
{
	pthread_mutex_lock(&m->dirs_lock);
	*d->prev = d->next;
	if (d->next)
		d->next->prev = d->prev;
	pthread_mutex_unlock(&m->dirs_lock);
	drop_batch(d);
	m->ops->close(d->file);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void dir_add(struct mount *m, struct open_dir *d)
{
	pthread_mutex_lock(&m->dirs_lock);
	d->next = m->dirs;
	d->prev = &m->dirs;
	if (d->next)
		d->next->prev = &d->next;
	m->dirs = d;
	pthread_mutex_unlock(&m->dirs_lock);
}

void open_dirs_close(struct mount *m)
{
	while (m->dirs)
		dir_free(m, m->dirs);
}

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct inode *in = inode_of(m, ino);
	struct netfs_node *node = inode_node(in);
	struct open_dir *d = malloc(sizeof(*d));
	int err = -ENOMEM;

	if (d) {
		d->count = d->names_len = 0;
		d->full = d->at_end = false;
		err = m->ops->open(node, O_RDONLY | O_DIRECTORY, &d->file);
	}
	netfs_node_put(node);
	if (err) {
		free(d);
		reply_err(req, check_stale(m, in, err));
		return;
	}
	pthread_mutex_init(&d->lock, NULL);
	dir_add(m, d);
	fi->fh = (uintptr_t)d;
	if (fuse_reply_open(req, fi) == -ENOENT)
		dir_free(m, d);
}

static void do_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	dir_free(mount_of(req), dir_of(fi));
	reply_err(req, 0);
}

void fuse_dir_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	(void)netfs;
	ops->opendir = do_opendir;
	ops->readdir = do_readdir;
	ops->readdirplus = do_readdirplus;
	ops->releasedir = do_releasedir;
}
