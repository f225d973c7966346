// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_io.c - reads and writes of open files, which nobody waits for here.
 *
 * They start and end without blocking while the connection lives. When it has died, or dies under
 * them, they go to a queue, whose thread waits for the next connection and for the file to be
 * opened again. A write that is sent a second time writes the same bytes to the same place; only
 * one that appends isn't sent again, as the server may have done it.
 */
#include "nine.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

enum { TRIES_MAX = 3 };

enum io_state { IO_IDLE, IO_FLIES, IO_QUEUED };

struct nine_io {
	TAILQ_ENTRY(nine_io) link;
	struct nine *fs;
	struct nine_fid *fid; /* a reference, while it flies */
	uint8_t state, tries;
	bool writes, cancelled;
	union {
		struct p9_read read;
		struct p9_write write;
	};
};

static_assert(sizeof(struct nine_io) <= sizeof(((struct netfs_io *)0)->priv), "netfs_io.priv");

static struct nine_io *nine_io_of(struct netfs_io *io)
{
	return (struct nine_io *)(void *)io->priv;
}

static struct netfs_io *netfs_io_of(struct nine_io *p)
{
	return (struct netfs_io *)(void *)((char *)p - offsetof(struct netfs_io, priv));
}

/* ---- the queue ---- */

static void wait_for_connection(struct netfs_io *io, int error)
{
	struct nine_io *p = nine_io_of(io);
	struct nine *fs = p->fs;
	bool queued = false;

	pthread_mutex_lock(&fs->io_lock);
	if (p->cancelled || atomic_load(&fs->aborted)) {
		error = -ECANCELED;
	} else if (fs->io_runs) {
		p->state = IO_QUEUED;
		TAILQ_INSERT_TAIL(&fs->io_queue, p, link);
		pthread_cond_signal(&fs->io_waits);
		queued = true;
	}
	pthread_mutex_unlock(&fs->io_lock);
	if (!queued)
		io->done(io, error);
}

/* ---- one transfer ---- */

/* Some size is always taken: what the protocol can't carry at once it cuts. */
static uint32_t len_of(const struct netfs_io *io)
{
	return io->len < UINT32_MAX ? (uint32_t)io->len : UINT32_MAX;
}

static bool may_repeat(const struct netfs_io *io, const struct nine_io *p)
{
	return !p->writes || !(file_of(io->file)->flags & P9_O_APPEND);
}

static void ended(struct nine_io *p, int64_t ret)
{
	struct netfs_io *io = netfs_io_of(p);
	struct nine *fs = p->fs;
	struct nine_fid *fid = p->fid;
	bool lost = ret < 0 && fs->reconnect && p9_error(client_of(fid));
	bool cancelled;

	if (p->writes && ret > 0)
		atomic_store_explicit(&file_of(io->file)->unsynced, true, memory_order_relaxed);
	pthread_mutex_lock(&fs->io_lock);
	p->fid = NULL;
	p->state = IO_IDLE;
	cancelled = p->cancelled;
	pthread_mutex_unlock(&fs->io_lock);
	nine_fid_put(fid);
	if (lost && !cancelled && may_repeat(io, p) && p->tries++ < TRIES_MAX)
		wait_for_connection(io, (int)ret);
	else
		io->done(io, ret < 0 && cancelled ? -ECANCELED : ret);
}

static void read_done(struct p9_read *r, int64_t ret)
{
	ended((struct nine_io *)((char *)r - offsetof(struct nine_io, read)), ret);
}

static void write_done(struct p9_write *w, int64_t ret)
{
	ended((struct nine_io *)((char *)w - offsetof(struct nine_io, write)), ret);
}

/* Takes over @fid. */
static void launch(struct netfs_io *io, struct nine_fid *fid)
{
	struct nine_io *p = nine_io_of(io);
	struct nine *fs = p->fs;

	pthread_mutex_lock(&fs->io_lock);
	if (p->writes)
		p->write = (struct p9_write){ .fid = fid->fid, .offset = io->pos, .buf = io->buf,
					      .len = len_of(io), .done = write_done };
	else
		p->read = (struct p9_read){ .fid = fid->fid, .offset = io->pos, .buf = io->buf,
					    .len = len_of(io), .more = io->more,
					    .done = read_done };
	p->fid = fid;
	p->state = IO_FLIES;
	pthread_mutex_unlock(&fs->io_lock);
	if (p->writes)
		p9_write_start(client_of(fid), &p->write);
	else
		p9_read_start(client_of(fid), &p->read);
}

static void start(struct netfs_io *io, bool writes)
{
	struct nine_io *p = nine_io_of(io);
	struct nine_fid *fid;

	*p = (struct nine_io){ .fs = nine_of(io->file->node->fs), .writes = writes };
	fid = nine_file_fid_now(file_of(io->file));
	if (fid)
		launch(io, fid);
	else
		wait_for_connection(io, -ENOTCONN);
}

void nine_read(struct netfs_io *io)
{
	start(io, false);
}

/* Who has no connection for them any more has ended what was kept back on it. */
void nine_push(struct netfs_file *file)
{
	struct nine_fid *fid = nine_file_fid_now(file_of(file));

	if (fid)
		p9_push(client_of(fid));
	nine_fid_put(fid);
}

void nine_write(struct netfs_io *io)
{
	start(io, true);
}

void nine_cancel(struct netfs_io *io)
{
	struct nine_io *p = nine_io_of(io);
	struct nine *fs = p->fs; /* not the file's: that may have been closed */
	struct nine_fid *fid = NULL;
	bool queued, writes;

	pthread_mutex_lock(&fs->io_lock);
	p->cancelled = true;
	writes = p->writes;
	queued = p->state == IO_QUEUED;
	if (queued) {
		TAILQ_REMOVE(&fs->io_queue, p, link);
		p->state = IO_IDLE;
	} else if (p->state == IO_FLIES) {
		fid = nine_fid_get(p->fid);
	}
	pthread_mutex_unlock(&fs->io_lock);
	if (queued)
		io->done(io, -ECANCELED);
	if (fid && writes)
		p9_write_cancel(client_of(fid), &p->write);
	else if (fid)
		p9_read_cancel(client_of(fid), &p->read);
	nine_fid_put(fid);
}

size_t nine_read_max(struct netfs_file *file)
{
	return atomic_load_explicit(&file_of(file)->io_max, memory_order_relaxed);
}

size_t nine_write_max(struct netfs_file *file)
{
	return nine_read_max(file);
}

/* ---- the queue's thread ---- */

static struct netfs_io *queue_next(struct nine *fs)
{
	struct nine_io *p;

	pthread_mutex_lock(&fs->io_lock);
	while (!(p = TAILQ_FIRST(&fs->io_queue)) && !fs->io_ends)
		pthread_cond_wait(&fs->io_waits, &fs->io_lock);
	if (p) {
		TAILQ_REMOVE(&fs->io_queue, p, link);
		p->state = IO_IDLE;
	}
	pthread_mutex_unlock(&fs->io_lock);
	return p ? netfs_io_of(p) : NULL;
}

static bool is_cancelled(struct nine *fs, struct netfs_io *io)
{
	bool cancelled;

	pthread_mutex_lock(&fs->io_lock);
	cancelled = nine_io_of(io)->cancelled;
	pthread_mutex_unlock(&fs->io_lock);
	return cancelled;
}

static void *io_thread(void *arg)
{
	struct nine *fs = arg;
	struct nine_fid *fid;
	struct netfs_io *io;
	int err;

	while ((io = queue_next(fs))) {
		err = nine_file_fid(file_of(io->file), &fid);
		if (!err && is_cancelled(fs, io)) {
			nine_fid_put(fid);
			err = -ECANCELED;
		}
		if (err)
			io->done(io, err);
		else
			launch(io, fid);
	}
	return NULL;
}

/* Without reconnecting there is nothing to wait for. */
int nine_io_begin(struct nine *fs)
{
	sigset_t all, old;
	int err;

	if (!fs->reconnect)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&fs->io_thread, NULL, io_thread, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fs->io_runs = !err;
	return -err;
}

void nine_io_end(struct nine *fs)
{
	if (!fs->io_runs)
		return;
	pthread_mutex_lock(&fs->io_lock);
	fs->io_ends = true;
	pthread_cond_signal(&fs->io_waits);
	pthread_mutex_unlock(&fs->io_lock);
	pthread_join(fs->io_thread, NULL);
}
