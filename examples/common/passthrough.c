// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * passthrough.c - files that the kernel reads by itself.
 *
 * libfuse 3.14 knows nothing of it. What passes between it and the kernel is seen here: the reply
 * to INIT, in which passthrough is asked for if the kernel has offered it, and the replies to
 * opens, in which the number of the backing file is put. The numbers that the kernel's header may
 * lack are below; they are its interface, and don't change.
 */
#include "passthrough.h"

#include <errno.h>
#include <fcntl.h>
#include <fscache/uring.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "passthrough_abi.h"
#include "stats.h"

/* Reads ahead, and so the largest requests. The kernel takes it if the device's own limit is as
 * high, see mount.c. */
#define MAX_READAHEAD (1u << 20)

/* Of less than this the kernel keeps the pages anyway, and to hand a file over costs more than to
 * read it. */
#define SMALLEST 65536

/* The file behind an inode: of all its opens that are served so. Covered by inode.lock. */
struct backing {
	int32_t id;
	unsigned int opens;
	struct fsc_loan loan;
};

struct passthrough {
	int fd;
	atomic_bool init_done;
	atomic_bool on;
	/* Only of use until the INIT is done. */
	uint64_t init_unique;
	bool offered;
};

/* What the next reply of this thread, one to an open, gets. */
static _Thread_local struct {
	bool set;
	int32_t id;
} reply;

/* --- Between libfuse and the kernel ----------------------------------------------------------- */

/* Nothing else is asked before INIT was answered. */
static void see_init(struct passthrough *pt, const void *buf, size_t len)
{
	const struct fuse_in_header *head = buf;
	const struct fuse_init_in *in = (const void *)(head + 1);

	if (len < sizeof(*head) + sizeof(*in) || head->opcode != FUSE_INIT)
		return;
	pt->init_unique = head->unique;
	pt->offered = in->flags & FUSE_INIT_EXT && in->flags2 & ABI_PASSTHROUGH2;
}

static ssize_t from_kernel(int fd, void *buf, size_t len, void *userdata)
{
	struct mount *m = userdata;
	ssize_t n = read(fd, buf, len);

	if (n > 0 && !atomic_load_explicit(&m->passthrough->init_done, memory_order_acquire))
		see_init(m->passthrough, buf, (size_t)n);
	return n;
}

static void patch_init(struct mount *m, void *data, size_t len)
{
	struct passthrough *pt = m->passthrough;
	struct abi_init_out *out = data;

	if (len < sizeof(*out))
		return;
	out->max_readahead = MAX_READAHEAD;
	if (!pt->offered || !m->opt.passthrough)
		return;
	out->flags |= FUSE_INIT_EXT;
	out->flags2 |= ABI_PASSTHROUGH2;
	out->max_stack_depth = 1;
	atomic_store(&pt->on, true);
}

/* Of a create the entry comes first. */
static void patch_open(void *data, size_t len)
{
	struct abi_open_out *out;

	if (len < sizeof(*out))
		return;
	out = (void *)((char *)data + len - sizeof(*out));
	out->open_flags |= ABI_FOPEN_PASSTHROUGH;
	out->backing_id = reply.id;
}

static void patch(struct mount *m, struct iovec *iov, int count)
{
	const struct fuse_out_header *head = iov[0].iov_base;
	struct passthrough *pt = m->passthrough;

	if (count < 2 || head->error)
		return;
	if (reply.set) {
		patch_open(iov[1].iov_base, iov[1].iov_len);
	} else if (!atomic_load_explicit(&pt->init_done, memory_order_acquire) &&
		   head->unique == pt->init_unique) {
		patch_init(m, iov[1].iov_base, iov[1].iov_len);
		atomic_store_explicit(&pt->init_done, true, memory_order_release);
	}
}

static ssize_t to_kernel(int fd, struct iovec *iov, int count, void *userdata)
{
	struct mount *m = userdata;

	if (reply.set || !atomic_load_explicit(&m->passthrough->init_done, memory_order_acquire))
		patch(m, iov, count);
	reply.set = false;
	return writev(fd, iov, count);
}

int passthrough_begin(struct mount *m)
{
	const struct fuse_custom_io io = { .writev = to_kernel, .read = from_kernel };
	int err;

	m->passthrough = calloc(1, sizeof(*m->passthrough));
	if (!m->passthrough)
		return -ENOMEM;
	m->passthrough->fd = fuse_session_fd(m->se);
	err = fuse_session_custom_io(m->se, &io, m->passthrough->fd);
	if (err) {
		free(m->passthrough);
		m->passthrough = NULL;
	}
	return err;
}

void passthrough_unmounted(struct mount *m)
{
	if (m->passthrough)
		m->passthrough->fd = -1;
}

void passthrough_end(struct mount *m)
{
	free(m->passthrough);
	m->passthrough = NULL;
}

/* --- Opens ------------------------------------------------------------------------------------ */

static bool wants(const struct open_file *f)
{
	return !(f->flags & (O_TRUNC | O_APPEND)) && (f->flags & O_ACCMODE) == O_RDONLY;
}

/* Give the kernel the file. */
static int register_file(struct passthrough *pt, const struct fsc_loan *loan)
{
	struct abi_backing_map map = { .fd = fsc_uring_file_fd(loan->file) };
	int id = ioctl(pt->fd, ABI_BACKING_OPEN, &map);

	if (id > 0)
		return id;
	/* Not permitted, or the filesystem won't do: so it stays. */
	if (id < 0 && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOTTY || errno == ELOOP))
		atomic_store(&pt->on, false);
	return id < 0 ? -errno : -EIO;
}

static struct backing *make_backing(struct mount *m, struct content *c)
{
	struct backing *b = malloc(sizeof(*b));
	int id;

	if (!b)
		return NULL;
	if (fsc_cookie_lend(c->cookie, &b->loan)) {
		free(b);
		return NULL;
	}
	id = register_file(m->passthrough, &b->loan);
	if (id < 0) {
		fsc_loan_return(&b->loan);
		free(b);
		return NULL;
	}
	b->id = id;
	b->opens = 0;
	return b;
}

static bool is_current(const struct content *c)
{
	return c->known && !c->changed && fsc_loan_current(&c->backing->loan);
}

/* With inode.lock held, over what blocks on the cache's disk too: another open mustn't be served in
 * another way meanwhile. */
static int choose(struct mount *m, struct open_file *f)
{
	struct passthrough *pt = m->passthrough;
	struct content *c = f->in->content;

	if (c->backing && !(wants(f) && is_current(c)))
		return -ESTALE;
	if (!c->backing && pt && atomic_load(&pt->on) && wants(f) && c->cookie && c->known &&
	    !c->changed && !c->cached_opens && c->size >= SMALLEST)
		c->backing = make_backing(m, c);
	f->backing = c->backing;
	f->cached = !f->backing;
	if (f->backing) {
		f->backing->opens++;
		stats_passthrough_open();
	} else {
		c->cached_opens++;
	}
	return 0;
}

int passthrough_open(struct mount *m, struct open_file *f)
{
	int err;

	pthread_mutex_lock(&f->in->lock);
	err = choose(m, f);
	pthread_mutex_unlock(&f->in->lock);
	if (err)
		inode_detach(&m->inodes, f->in);
	return err;
}

void passthrough_reply(const struct open_file *f)
{
	reply.set = f->backing != NULL;
	reply.id = f->backing ? f->backing->id : 0;
}

void passthrough_close(struct mount *m, struct open_file *f)
{
	struct inode *in = f->in;
	struct backing *b = f->backing;
	uint32_t id;

	if (!b)
		return;
	pthread_mutex_lock(&in->lock);
	f->backing = NULL;
	if (--b->opens == 0) {
		in->content->backing = NULL;
		id = (uint32_t)b->id;
		if (m->passthrough->fd >= 0)
			ioctl(m->passthrough->fd, ABI_BACKING_CLOSE, &id);
		fsc_loan_return(&b->loan);
		free(b);
	}
	pthread_mutex_unlock(&in->lock);
}
