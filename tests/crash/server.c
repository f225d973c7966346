// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* server.c - answers: at once or late, from threads of its own, now and then cut short. */
#include <stdlib.h>
#include <unistd.h>

#include "run.h"

#define THREADS 2

static struct {
	pthread_t threads[THREADS];
	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t more;
	struct server_request *first;
	bool stop;
	uint64_t chance;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static uint64_t chance(uint64_t n)
{
	uint64_t r;

	pthread_mutex_lock(&server.lock);
	r = world_below(&server.chance, n);
	pthread_mutex_unlock(&server.lock);
	return r;
}

static void answer(struct fsc_subreq *sreq)
{
	const struct file *file = sreq->netfs;
	uint32_t version = __atomic_load_n(&file->version, __ATOMIC_ACQUIRE);
	uint64_t size = world_size(file->id, version);
	uint64_t left = sreq->pos < size ? size - sreq->pos : 0;
	size_t len = left < sreq->len ? (size_t)left : sreq->len;

	if (len > 1 && !chance(8))
		len = 1 + (size_t)chance(len - 1);
	world_bytes(file->id, version, sreq->pos, sreq->buf, len);
	fsc_subreq_done(sreq, (int64_t)len);
}

static struct server_request *next_request(void)
{
	struct server_request *r;

	pthread_mutex_lock(&server.lock);
	while (!server.first && !server.stop)
		pthread_cond_wait(&server.more, &server.lock);
	r = server.first;
	if (r)
		server.first = r->next;
	pthread_mutex_unlock(&server.lock);
	return r;
}

static void *answer_main(void *arg)
{
	struct server_request *r;

	(void)arg;
	while ((r = next_request())) {
		if (!chance(4))
			usleep((useconds_t)chance(2000));
		answer(r->sreq);
	}
	return NULL;
}

void server_issue_read(struct fsc_subreq *sreq)
{
	struct server_request *r = sreq->priv;

	if (!chance(4)) {
		answer(sreq);
		return;
	}
	r->sreq = sreq;
	pthread_mutex_lock(&server.lock);
	r->next = server.first;
	server.first = r;
	pthread_cond_signal(&server.more);
	pthread_mutex_unlock(&server.lock);
}

void server_start(void)
{
	server.chance = run.seed ^ 0x5e;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&server.threads[i], NULL, answer_main, NULL))
			abort();
}

void server_stop(void)
{
	pthread_mutex_lock(&server.lock);
	server.stop = true;
	pthread_cond_broadcast(&server.more);
	pthread_mutex_unlock(&server.lock);
	for (int i = 0; i < THREADS; i++)
		pthread_join(server.threads[i], NULL);
}
