// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_loop.c - the threads that take requests from the kernel and serve them.
 *
 * As libfuse's own loop, but for who waits: the kernel gives a request to the thread that has
 * waited longest, so that with many of them each request would wake another, with nothing of its
 * memory near. Here two wait at a time, whoever is done first; the rest sleep until both are busy.
 */
#include "fuse_loop.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#include "fuse_interrupt.h"

#define WAITING_MOST 2

struct loop;

struct worker {
	struct loop *loop;
	struct worker *next;  /* loop.all; never changed */
	struct worker *below; /* loop.asleep */
	pthread_t thread;
	sem_t wake;
	struct fuse_buf buf;
	struct served served;
};

struct loop {
	struct mount *m;
	struct interrupts *interrupts;
	sem_t end;
	pthread_mutex_t lock; /* covers the rest */
	struct worker *all;
	struct worker *asleep; /* the last one first: its memory is the nearest */
	unsigned int count, waiting;
	bool ending;
	int err;
};

static int start_worker(struct loop *l);

/* --- Who waits, with the lock held ------------------------------------------------------------ */

/* There is nobody left to take the next request. Without another thread it waits for us. */
static void call_another(struct loop *l)
{
	struct worker *w = l->asleep;

	if (l->waiting || l->ending)
		return;
	if (w) {
		l->asleep = w->below;
		l->waiting++;
		sem_post(&w->wake);
	} else if (l->count < l->m->opt.max_threads) {
		start_worker(l);
	}
}

/* --- A worker --------------------------------------------------------------------------------- */

static void end_loop(struct loop *l, int err)
{
	fuse_session_exit(l->m->se);
	pthread_mutex_lock(&l->lock);
	if (!l->err)
		l->err = err;
	pthread_mutex_unlock(&l->lock);
	sem_post(&l->end);
}

/* The only place where a worker may be cancelled. */
static int receive(struct worker *w)
{
	int n;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	n = fuse_session_receive_buf(w->loop->m->se, &w->buf);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return n;
}

/* After a request: wait for the next one, or sleep until somebody has to. */
static void take_turn(struct worker *w)
{
	struct loop *l = w->loop;
	bool sleeps;

	pthread_mutex_lock(&l->lock);
	sleeps = l->waiting >= WAITING_MOST;
	if (sleeps) {
		w->below = l->asleep;
		l->asleep = w;
	} else {
		l->waiting++;
	}
	pthread_mutex_unlock(&l->lock);
	if (!sleeps)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	while (sem_wait(&w->wake))
		;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct loop *l = w->loop;
	int n;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	while (!fuse_session_exited(l->m->se)) {
		n = receive(w);
		if (n == -EINTR)
			continue;
		if (n <= 0) {
			end_loop(l, n);
			break;
		}
		pthread_mutex_lock(&l->lock);
		l->waiting--;
		call_another(l);
		pthread_mutex_unlock(&l->lock);
		if (served_begin(l->interrupts, &w->served, w->buf.mem, (size_t)n)) {
			fuse_session_process_buf(l->m->se, &w->buf);
			served_end(l->interrupts, &w->served);
		}
		take_turn(w);
	}
	return NULL;
}

/* It begins by waiting for a request. */
static int start_worker(struct loop *l)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->loop = l;
	sem_init(&w->wake, 0, 0);
	if (pthread_create(&w->thread, NULL, work, w)) {
		sem_destroy(&w->wake);
		free(w);
		return -EAGAIN;
	}
	interrupts_add(l->interrupts, &w->served);
	w->next = l->all;
	l->all = w;
	l->count++;
	l->waiting++;
	return 0;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* What is being served is served to its end. */
static void stop_workers(struct loop *l)
{
	struct worker *w;

	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_mutex_unlock(&l->lock);
	for (w = l->all; w; w = w->next)
		pthread_cancel(w->thread);
	for (w = l->all; w; w = w->next)
		pthread_join(w->thread, NULL);
	interrupts_free(l->interrupts);
	while ((w = l->all)) {
		l->all = w->next;
		sem_destroy(&w->wake);
		free(w->buf.mem);
		free(w);
	}
}

int fuse_loop(struct mount *m)
{
	struct loop l = { .m = m, .lock = PTHREAD_MUTEX_INITIALIZER };
	int err;

	l.interrupts = interrupts_new(m->se);
	if (!l.interrupts)
		return -ENOMEM;
	sem_init(&l.end, 0, 0);
	pthread_mutex_lock(&l.lock);
	err = start_worker(&l);
	pthread_mutex_unlock(&l.lock);
	/* A signal of the main thread ends the wait too. */
	while (!err && !fuse_session_exited(m->se))
		sem_wait(&l.end);
	stop_workers(&l);
	sem_destroy(&l.end);
	return err ? err : l.err;
}
