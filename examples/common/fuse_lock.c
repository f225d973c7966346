// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_lock.c - fcntl() locks, which are the server's, and among those of this machine ours.
 *
 * The server says at once whether it gives a lock. Who waits for one isn't left with a thread: a
 * thread of its own asks again for all of them, more and more rarely, until they get it or are
 * interrupted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "fuse_lock.h"
#include "open_file.h"

#define FIRST_WAIT_MS 10
#define LONGEST_WAIT_MS 500

struct waiter {
	struct waiter *next;
	fuse_req_t req;
	struct open_file *f;
	struct netfs_lock lock;
	uint64_t due_ms;
	unsigned int wait_ms;
};

struct lock_waits {
	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t changed;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	struct waiter *waiters;
	struct waiter *asking; /* the one that the server is being asked for */
};

static struct netfs_lock lock_of(const struct flock *from, uint64_t owner)
{
	return (struct netfs_lock){
		.type = from->l_type,
		.start = (uint64_t)from->l_start,
		.len = (uint64_t)from->l_len,
		.pid = (uint32_t)from->l_pid,
		.owner = owner,
	};
}

static int lock_here(struct open_file *f, const struct netfs_lock *lock)
{
	int err;

	pthread_mutex_lock(&f->in->lock);
	err = local_lock(&f->in->locks, lock, f);
	pthread_mutex_unlock(&f->in->lock);
	return err;
}

/* Does the server have to be told that @owner unlocks something? Not if there is nothing; and some
 * servers would take it from all who lock through the same file. */
static bool unlock_matters(struct open_file *f, uint64_t owner)
{
	bool yes;

	pthread_mutex_lock(&f->in->lock);
	yes = local_holds(&f->in->locks, owner) && !local_others(&f->in->locks, owner, f);
	pthread_mutex_unlock(&f->in->lock);
	return yes;
}

/* What the server refuses isn't held here either. (If it was held in another way before, that is
 * lost too: there is no telling.) */
static int ask_lock(struct mount *m, struct open_file *f, const struct netfs_lock *lock)
{
	struct netfs_lock undo = *lock;
	int err = lock_here(f, lock);

	if (err)
		return err;
	err = file_on_server(m, f);
	if (!err)
		err = m->ops->lock(f->cf.file, lock);
	if (err) {
		undo.type = F_UNLCK;
		lock_here(f, &undo);
	}
	return err;
}

static int ask(struct mount *m, struct open_file *f, const struct netfs_lock *lock)
{
	int err = 0;

	if (lock->type != F_UNLCK)
		return ask_lock(m, f, lock);
	if (server_file(f) && unlock_matters(f, lock->owner))
		err = m->ops->lock(f->cf.file, lock);
	lock_here(f, lock);
	return err;
}

void file_unlock(struct mount *m, struct open_file *f, uint64_t owner)
{
	const struct netfs_lock all = { .type = F_UNLCK, .owner = owner };
	struct inode *in = f->in;

	if (!m->ops->lock)
		return;
	if (server_file(f) && unlock_matters(f, owner))
		m->ops->lock(f->cf.file, &all);
	pthread_mutex_lock(&in->lock);
	local_end(&in->locks, owner);
	pthread_mutex_unlock(&in->lock);
}

/* --- Waiting ---------------------------------------------------------------------------------- */

static void waiter_end(struct mount *m, struct waiter *w, int err)
{
	reply_err(w->req, err);
	file_put(m, w->f);
	free(w);
}

/* Whose time has come, taken out of the list, or how long to wait for one. */
static struct waiter *take_due(struct lock_waits *lw, uint64_t *until_ms)
{
	uint64_t now = fsc_clock_ms();

	*until_ms = now + LONGEST_WAIT_MS;
	for (struct waiter **at = &lw->waiters; *at; at = &(*at)->next) {
		struct waiter *w = *at;

		if (lw->stop || w->due_ms <= now || fuse_req_interrupted(w->req)) {
			*at = w->next;
			return w;
		}
		if (w->due_ms < *until_ms)
			*until_ms = w->due_ms;
	}
	return NULL;
}

static void wait_until_ms(struct lock_waits *lw, uint64_t until_ms)
{
	const struct timespec at = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000,
	};

	if (lw->waiters)
		pthread_cond_timedwait(&lw->changed, &lw->lock, &at);
	else
		pthread_cond_wait(&lw->changed, &lw->lock);
}

static void ask_again(struct mount *m, struct lock_waits *lw, struct waiter *w)
{
	int err;

	if (lw->stop || fuse_req_interrupted(w->req))
		err = -EINTR;
	else
		err = ask(m, w->f, &w->lock);
	if (err != -EAGAIN) {
		waiter_end(m, w, err);
		return;
	}
	w->wait_ms = w->wait_ms * 2 < LONGEST_WAIT_MS ? w->wait_ms * 2 : LONGEST_WAIT_MS;
	w->due_ms = fsc_clock_ms() + w->wait_ms;
	pthread_mutex_lock(&lw->lock);
	w->next = lw->waiters;
	lw->waiters = w;
	pthread_mutex_unlock(&lw->lock);
}

static void *wait_for_locks(void *arg)
{
	struct mount *m = arg;
	struct lock_waits *lw = m->lock_waits;
	struct waiter *w;
	uint64_t until_ms;

	pthread_mutex_lock(&lw->lock);
	while (!lw->stop || lw->waiters) {
		w = take_due(lw, &until_ms);
		if (!w) {
			wait_until_ms(lw, until_ms);
			continue;
		}
		pthread_mutex_unlock(&lw->lock);
		ask_again(m, lw, w);
		pthread_mutex_lock(&lw->lock);
	}
	pthread_mutex_unlock(&lw->lock);
	return NULL;
}

/* The request was given up: look at once. */
static void interrupted_wait(fuse_req_t req, void *arg)
{
	struct lock_waits *lw = arg;

	(void)req;
	pthread_cond_signal(&lw->changed);
}

/* False: there is no memory, or no thread to be had. */
static bool wait_for(struct mount *m, fuse_req_t req, struct open_file *f,
		     const struct netfs_lock *lock)
{
	struct lock_waits *lw = m->lock_waits;
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return false;
	*w = (struct waiter){ .req = req, .f = f, .lock = *lock, .wait_ms = FIRST_WAIT_MS };
	w->due_ms = fsc_clock_ms() + w->wait_ms;
	atomic_fetch_add(&f->refs, 1);
	fuse_req_interrupt_func(req, interrupted_wait, lw);
	pthread_mutex_lock(&lw->lock);
	if (!lw->running)
		lw->running = !pthread_create(&lw->thread, NULL, wait_for_locks, m);
	if (!lw->running || lw->stop) {
		pthread_mutex_unlock(&lw->lock);
		atomic_fetch_sub(&f->refs, 1);
		free(w);
		return false;
	}
	w->next = lw->waiters;
	lw->waiters = w;
	pthread_cond_signal(&lw->changed);
	pthread_mutex_unlock(&lw->lock);
	return true;
}

struct lock_waits *lock_waits_new(void)
{
	struct lock_waits *lw = calloc(1, sizeof(*lw));
	pthread_condattr_t attr;

	if (!lw)
		return NULL;
	pthread_mutex_init(&lw->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lw->changed, &attr);
	pthread_condattr_destroy(&attr);
	return lw;
}

void lock_waits_stop(struct lock_waits *lw)
{
	bool running;

	pthread_mutex_lock(&lw->lock);
	lw->stop = true;
	running = lw->running;
	pthread_cond_signal(&lw->changed);
	pthread_mutex_unlock(&lw->lock);
	if (running)
		pthread_join(lw->thread, NULL);
	pthread_cond_destroy(&lw->changed);
	pthread_mutex_destroy(&lw->lock);
	free(lw);
}

/* --- Requests --------------------------------------------------------------------------------- */

static void do_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *fl)
{
	struct mount *m = mount_of(req);
	struct open_file *f = file_of(fi);
	struct netfs_lock lock = lock_of(fl, fi->lock_owner);
	short wanted = lock.type;
	int err;

	(void)ino;
	pthread_mutex_lock(&f->in->lock);
	err = local_getlock(&f->in->locks, &lock);
	pthread_mutex_unlock(&f->in->lock);
	if (!err && lock.type == F_UNLCK) {
		lock.type = wanted;
		err = file_on_server(m, f);
		if (!err)
			err = m->ops->getlock(f->cf.file, &lock);
	}
	if (err) {
		reply_err(req, err);
		return;
	}
	fl->l_type = lock.type;
	fl->l_whence = SEEK_SET;
	fl->l_start = (off_t)lock.start;
	fl->l_len = (off_t)lock.len;
	fl->l_pid = (pid_t)lock.pid;
	fuse_reply_lock(req, fl);
}

static void do_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *fl,
		     int sleep)
{
	struct mount *m = mount_of(req);
	struct open_file *f = file_of(fi);
	struct netfs_lock lock = lock_of(fl, fi->lock_owner);
	int err = ask(m, f, &lock);

	(void)ino;
	if (err == -EAGAIN && sleep && wait_for(m, req, f, &lock))
		return;
	/* To the kernel that means: keep them yourself, for this machine only. */
	reply_err(req, err == -EOPNOTSUPP ? -ENOSYS : err);
}

void fuse_lock_ops(struct fuse_lowlevel_ops *ops, const struct netfs_ops *netfs)
{
	if (!netfs->lock || !netfs->getlock)
		return;
	ops->getlk = do_getlk;
	ops->setlk = do_setlk;
}
