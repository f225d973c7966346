// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * resolve.c - look a name up on a thread that can be left behind.
 *
 * Nothing takes getaddrinfo() back once it waits for a name server, so whoever has waited long
 * enough leaves it alone with what it writes to: the last of the two frees that.
 */
#include "resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct look_up {
	pthread_mutex_t lock; /* covers the next four */
	pthread_cond_t changed;
	bool ended, left;
	int err;
	struct addrinfo *found; /* NULL, or to be freed */
	char *host, *service;
};

static struct look_up *look_up_new(const char *host, const char *service)
{
	struct look_up *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;

	if (!l)
		return NULL;
	l->host = strdup(host);
	l->service = service ? strdup(service) : NULL;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

static void look_up_free(struct look_up *l)
{
	if (l->found)
		freeaddrinfo(l->found);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l->host);
	free(l->service);
	free(l);
}

static int ask(const char *host, const char *service, int flags, struct addrinfo **out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };

	return getaddrinfo(host, service, &hints, out);
}

static void *run(void *arg)
{
	struct addrinfo *found = NULL;
	struct look_up *l = arg;
	int err = ask(l->host, l->service, 0, &found);
	bool left;

	pthread_mutex_lock(&l->lock);
	l->err = err;
	l->found = err ? NULL : found;
	l->ended = true;
	left = l->left;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (left)
		look_up_free(l);
	return NULL;
}

/* Signals are for the threads of the program. */
static int start(struct look_up *l)
{
	pthread_t thread;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_detach(thread);
	return err;
}

static struct timespec in_ms(uint32_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

static int wait_for(struct look_up *l, uint32_t timeout_ms, struct addrinfo **out)
{
	struct timespec end = in_ms(timeout_ms);
	int err = EAI_AGAIN;
	bool ended;

	pthread_mutex_lock(&l->lock);
	while (!l->ended && !pthread_cond_timedwait(&l->changed, &l->lock, &end))
		;
	ended = l->ended;
	l->left = !ended;
	if (ended) {
		err = l->err;
		*out = l->found;
		l->found = NULL;
	}
	pthread_mutex_unlock(&l->lock);
	if (ended)
		look_up_free(l);
	return err;
}

int resolve(const char *host, const char *service, uint32_t timeout_ms, struct addrinfo **out)
{
	struct look_up *l;

	/* What is a number needs nobody to ask. */
	if (!ask(host, service, AI_NUMERICHOST | AI_NUMERICSERV, out))
		return 0;
	l = look_up_new(host, service);
	if (!l)
		return EAI_MEMORY;
	if (!l->host || (service && !l->service) || start(l)) {
		look_up_free(l);
		return EAI_MEMORY;
	}
	return wait_for(l, timeout_ms, out);
}
