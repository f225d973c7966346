// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_data.c - reads and writes of file data.
 *
 * A read is made by the thread that took the request: what is cached is read into memory of that
 * thread without a hand-over or an allocation, and goes to the kernel from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "open_file.h"

/* The most that the kernel asks for: 256 pages. */
#define READ_MOST (1u << 20)

/* --- Reading ---------------------------------------------------------------------------------- */

/* A thread's own, so that no read has to look for memory. */
struct reader {
	uint8_t *buf;
	struct fsc_read read;
};

static pthread_key_t reader_key;
static pthread_once_t reader_once = PTHREAD_ONCE_INIT;

static void reader_free(void *arg)
{
	struct reader *r = arg;

	free(r->buf);
	free(r);
}

static void reader_init(void)
{
	pthread_key_create(&reader_key, reader_free);
}

static struct reader *reader_get(void)
{
	struct reader *r;

	pthread_once(&reader_once, reader_init);
	r = pthread_getspecific(reader_key);
	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (r && posix_memalign((void **)&r->buf, FSC_GRANULE_SIZE, READ_MOST)) {
		free(r);
		r = NULL;
	}
	if (r)
		pthread_setspecific(reader_key, r);
	return r;
}

/* @present: it is all in the cache, as far as can be told, and goes into the thread's memory. What
 * has to come from the server is received into memory of the library's, which keeps it without a
 * copy.
 */
static int64_t read_once(struct open_file *f, struct reader *r, uint64_t pos, size_t len,
			 uint64_t file_size, bool present)
{
	struct fsc_read *read = &r->read;

	read->cookie = f->use.cookie;
	read->ops = &mount_netfs_ops;
	read->netfs = f;
	read->pos = pos;
	read->len = len;
	read->file_size = file_size;
	read->buf = present ? r->buf : NULL;
	read->flags = present ? 0 : FSC_READ_LEND;
	read->pattern = &f->pattern;
	return fsc_read_wait(read);
}

static int64_t read_file(struct mount *m, struct open_file *f, struct reader *r, uint64_t pos,
			 size_t len)
{
	uint64_t size = content_read_size(m, f->in, pos, len);
	uint64_t end = pos + len < size ? pos + len : size;
	bool present = pos >= end || fsc_cookie_present(f->use.cookie, pos, end) == end - pos;
	int64_t n = NOT_OPENED;
	int err;

	if (server_file(f) || present)
		n = read_once(f, r, pos, len, size, present);
	if (n != NOT_OPENED)
		return n;
	/* Something isn't there, or beyond the end. */
	err = file_on_server(m, f);
	return err ? err : read_once(f, r, pos, len, size, present);
}

static void reply_data(fuse_req_t req, struct reader *r, size_t n)
{
	struct fsc_read *read = &r->read;

	if (read->buf || !n) {
		fuse_reply_buf(req, (const char *)r->buf, n);
		return;
	}
	fuse_reply_iov(req, (const struct iovec *)read->lent, (int)read->nr_lent);
	fsc_read_return(read);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct open_file *f = file_of(fi);
	struct reader *r = reader_get();
	int64_t n = -ENOMEM;

	(void)ino;
	file_alive(f);
	if (r)
		n = read_file(mount_of(req), f, r, (uint64_t)off,
			      size < READ_MOST ? size : READ_MOST);
	if (n < 0)
		reply_err(req, (int)n);
	else
		reply_data(req, r, (size_t)n);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static int64_t write_at(struct open_file *f, const void *buf, size_t len,
			uint64_t pos)
{
	uint64_t mark = inode_change_begin(f->in);
	struct fsc_write write = {
		.cookie = f->use.cookie,
		.ops = &mount_netfs_ops,
		.netfs = f,
		.pos = pos,
		.file_size = content_change(f->in),
		.buf = buf,
		.len = len,
		.flags = f->fills ? FSC_WRITE_FILL : 0,
	};
	int64_t n = fsc_write_wait(&write);

	if (n > 0)
		content_grew(f->in, pos + (uint64_t)n);
	inode_change_end(f->in, mark, NULL);
	return n;
}

/* Where the file ends by now; what the kernel believes may be outdated. */
static int append_pos(struct mount *m, struct open_file *f, uint64_t *pos)
{
	struct netfs_attr attr;
	int err;

	if (m->opt.sole_writer)
		return 0;
	err = fetch_attr(m, f->in, f, &attr);
	if (!err)
		*pos = (uint64_t)attr.st.st_size;
	return err;
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct open_file *f = file_of(fi);
	bool appends = f->flags & O_APPEND && !fi->writepage;
	uint64_t pos = (uint64_t)off;
	int64_t n = appends ? append_pos(m, f, &pos) : 0;

	if (!n)
		n = file_on_server(m, f);
	if (!n)
		n = write_at(f, buf, size, pos);
	if (n < 0)
		reply_err(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
	/* The kernel has put it where the file ended before: those pages are wrong. Only now, as it
	 * holds them until it is answered. */
	if (pos != (uint64_t)off && n > 0)
		fuse_lowlevel_notify_inval_inode(m->se, ino, 0, 0);
}

void fuse_data_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	ops->read = do_read;
	if (netfs->write)
		ops->write = do_write;
}
