// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* late.c - see late.h. */
#include "late.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 8

static struct {
	const struct late_server *server;
	pthread_t threads[THREADS_MAX];
	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t more;
	struct late *first;
	bool stop;
	unsigned int seed;
} late = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

unsigned int late_chance(unsigned int below)
{
	unsigned int r;

	pthread_mutex_lock(&late.lock);
	r = (unsigned int)rand_r(&late.seed);
	pthread_mutex_unlock(&late.lock);
	return r % below;
}

static struct late *next_question(void)
{
	struct late *q;

	pthread_mutex_lock(&late.lock);
	while (!late.first && !late.stop)
		pthread_cond_wait(&late.more, &late.lock);
	q = late.first;
	if (q)
		late.first = q->next;
	pthread_mutex_unlock(&late.lock);
	return q;
}

static void *answer_main(void *arg)
{
	struct late *q;

	(void)arg;
	while ((q = next_question())) {
		if (!late_chance(4))
			usleep(late_chance(late.server->most_us));
		late.server->answer(q->sreq, q->write);
	}
	return NULL;
}

void late_ask(struct fsc_subreq *sreq, bool write)
{
	struct late *q = sreq->priv;

	if (!late_chance(5)) {
		late.server->answer(sreq, write);
		return;
	}
	q->sreq = sreq;
	q->write = write;
	pthread_mutex_lock(&late.lock);
	q->next = late.first;
	late.first = q;
	pthread_cond_signal(&late.more);
	pthread_mutex_unlock(&late.lock);
}

void late_cancel(struct fsc_subreq *sreq)
{
	struct late **at, *q = sreq->priv;

	pthread_mutex_lock(&late.lock);
	for (at = &late.first; *at && *at != q;)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
	else
		q = NULL;
	pthread_mutex_unlock(&late.lock);
	if (q)
		fsc_subreq_done(sreq, -ECANCELED);
}

void late_start(const struct late_server *server)
{
	late.server = server;
	late.seed = server->seed;
	late.stop = false;
	for (unsigned int i = 0; i < server->threads; i++) {
		if (i == THREADS_MAX || pthread_create(&late.threads[i], NULL, answer_main, NULL))
			abort();
	}
}

void late_stop(void)
{
	pthread_mutex_lock(&late.lock);
	late.stop = true;
	pthread_cond_broadcast(&late.more);
	pthread_mutex_unlock(&late.lock);
	for (unsigned int i = 0; i < late.server->threads; i++)
		pthread_join(late.threads[i], NULL);
}
