/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* io.c - transfers: in the caller's thread, or handed to the ring or the pool. */
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

/* The kernel may say -EAGAIN once for O_NONBLOCK; more is a lack of memory that lasts. */
#define MAX_TRIES 16

_Static_assert(sizeof(struct fsc_ur_io) <= sizeof(((struct fsc_io *)0)->backend), "io->backend");

bool fsc_ur_retry(struct fsc_io *io)
{
	struct fsc_ur_io *x = fsc_ur_io(io);
	int flags;

	if (x->tries++ == 0) {
		/* A filesystem that takes the flag of open seriously. */
		flags = fcntl(io->file->fd, F_GETFL);
		if (flags >= 0 && flags & O_NONBLOCK)
			fcntl(io->file->fd, F_SETFL, flags & ~O_NONBLOCK);
	}
	return x->tries < MAX_TRIES;
}

int64_t fsc_ur_transfer(struct fsc_io *io)
{
	size_t len = io->buf.len < FSC_UR_MAX_TRANSFER ? io->buf.len : FSC_UR_MAX_TRANSFER;
	char *mem = (char *)io->buf.mem + io->buf.off;
	ssize_t n;

	for (;;) {
		n = fsc_ur_io(io)->write ? pwrite(io->file->fd, mem, len, (off_t)io->pos)
					 : pread(io->file->fd, mem, len, (off_t)io->pos);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (!fsc_ur_retry(io))
			return -ENOMEM;
	}
}

static void start(struct fsc_io *io, bool write)
{
	struct fsc_ur *u = io->file->u;
	struct fsc_ur_io *x = fsc_ur_io(io);

	x->write = write;
	x->tries = 0;
	if (!fsc_ur_ours(u) || io->buf.kind != FSC_BUF_MEM)
		io->done(io, -EINVAL);
	else if (io->flags & FSC_IO_MAY_BLOCK)
		io->done(io, fsc_ur_transfer(io));
	else if (u->ring)
		fsc_ur_ring_start(u->ring, io);
	else
		fsc_ur_pool_start(u->pool, io);
}

void fsc_ur_read(struct fsc_io *io)
{
	start(io, false);
}

void fsc_ur_write(struct fsc_io *io)
{
	start(io, true);
}

/* --- Inbox ----------------------------------------------------------------------------------- */

bool fsc_ur_inbox_put(struct fsc_ur_inbox *in, struct fsc_io *io)
{
	struct fsc_io *before = __atomic_load_n(&in->last, __ATOMIC_RELAXED);

	do {
		fsc_ur_io(io)->next = before;
	} while (!__atomic_compare_exchange_n(&in->last, &before, io, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return !before; /* @io may be done and gone by now */
}

bool fsc_ur_inbox_empty(struct fsc_ur_inbox *in)
{
	return !__atomic_load_n(&in->last, __ATOMIC_ACQUIRE);
}

struct fsc_io *fsc_ur_inbox_take(struct fsc_ur_inbox *in)
{
	struct fsc_io *io = __atomic_exchange_n(&in->last, NULL, __ATOMIC_ACQ_REL);
	struct fsc_io *first = NULL;

	while (io) {
		struct fsc_io *before = fsc_ur_io(io)->next;

		fsc_ur_io(io)->next = first;
		first = io;
		io = before;
	}
	return first;
}
