// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_interrupt.c - a process that is killed doesn't have to wait for the server.
 *
 * The kernel tells us (FUSE_INTERRUPT) when who waits for a request gets a signal, any, and then
 * goes on waiting. Programs don't expect EINTR of files, so only who is being killed is answered:
 * the thread that serves them goes on to its end, and the kernel refuses its own answer (ENOENT),
 * which those who answer have to expect anyway. The kernel tells of the first signal only, so who
 * got one is looked at again and again, until answered.
 */
#include "fuse_interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <fscache/fscache.h>

#define LOOK_MS 100
/* A request may have been read, and not be known yet as being served. */
#define UNKNOWN_MS 1000

struct interrupted {
	struct interrupted *next;
	uint64_t unique, since_ms;
};

struct interrupts {
	int fd;
	pthread_t thread;
	bool running, stop;
	pthread_mutex_t lock; /* covers all but fd, thread */
	pthread_cond_t changed;
	struct served *served;
	struct interrupted *list;
};

/* --- Is it being killed? ---------------------------------------------------------------------- */

static bool has_kill(const char *status, const char *line)
{
	const char *at = strstr(status, line);

	return at && strtoull(at + strlen(line), NULL, 16) & 1ull << (SIGKILL - 1);
}

/* Whatever signal ends a process, each of its threads is sent SIGKILL for that. */
static bool being_killed(uint32_t tid)
{
	char path[32], status[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, status, sizeof(status) - 1);
	close(fd);
	if (n < 0)
		return false;
	status[n] = 0;
	return has_kill(status, "\nSigPnd:") || has_kill(status, "\nShdPnd:");
}

/* --- The watch, with the lock held ------------------------------------------------------------ */

/* Who made the request; 0: nobody is serving it, or it comes from outside of our world. */
static bool who_waits(const struct interrupts *it, uint64_t unique, uint32_t *tid)
{
	for (const struct served *s = it->served; s; s = s->next) {
		if (atomic_load(&s->unique) != unique)
			continue;
		*tid = atomic_load(&s->tid);
		/* Else it has been answered meanwhile. */
		return atomic_load(&s->unique) == unique;
	}
	return false;
}

static void answer(const struct interrupts *it, uint64_t unique)
{
	const struct fuse_out_header out = {
		.len = sizeof(out), .error = -EINTR, .unique = unique,
	};

	/* If it has been answered, the kernel says so, and nothing else happens. */
	if (write(it->fd, &out, sizeof(out)) < 0)
		return;
}

/* True: there is nothing more to do. */
static bool look_at(const struct interrupts *it, const struct interrupted *one)
{
	uint32_t tid;

	if (!who_waits(it, one->unique, &tid))
		return fsc_clock_ms() - one->since_ms > UNKNOWN_MS;
	if (!tid || !being_killed(tid))
		return false;
	answer(it, one->unique);
	return true;
}

static void look_at_all(struct interrupts *it)
{
	struct interrupted **at = &it->list, *one;

	while ((one = *at)) {
		if (look_at(it, one)) {
			*at = one->next;
			free(one);
		} else {
			at = &one->next;
		}
	}
}

static void wait_a_little(struct interrupts *it)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOOK_MS * 1000000l;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&it->changed, &it->lock, &t);
}

static void *watch(void *arg)
{
	struct interrupts *it = arg;

	pthread_mutex_lock(&it->lock);
	while (!it->stop) {
		look_at_all(it);
		if (it->list)
			wait_a_little(it);
		else
			pthread_cond_wait(&it->changed, &it->lock);
	}
	pthread_mutex_unlock(&it->lock);
	return NULL;
}

/* --- Requests --------------------------------------------------------------------------------- */

/* Without memory, or a thread, they wait as long as the server makes them. */
static void note(struct interrupts *it, uint64_t unique)
{
	struct interrupted *one = malloc(sizeof(*one));

	if (!one)
		return;
	one->unique = unique;
	one->since_ms = fsc_clock_ms();
	pthread_mutex_lock(&it->lock);
	one->next = it->list;
	it->list = one;
	if (!it->running)
		it->running = !pthread_create(&it->thread, NULL, watch, it);
	pthread_cond_signal(&it->changed);
	pthread_mutex_unlock(&it->lock);
}

void served_begin(struct interrupts *it, struct served *s, const void *buf, size_t len)
{
	const struct fuse_in_header *head = buf;
	const struct fuse_interrupt_in *in = (const void *)(head + 1);

	if (len < sizeof(*head))
		return;
	if (head->opcode == FUSE_INTERRUPT) {
		if (len >= sizeof(*head) + sizeof(*in))
			note(it, in->unique);
		return;
	}
	/* Who reads this tid finds that the request before is over. */
	atomic_store_explicit(&s->tid, head->pid, memory_order_release);
	atomic_store_explicit(&s->unique, head->unique, memory_order_release);
}

void interrupts_add(struct interrupts *it, struct served *s)
{
	pthread_mutex_lock(&it->lock);
	s->next = it->served;
	it->served = s;
	pthread_mutex_unlock(&it->lock);
}

struct interrupts *interrupts_new(int fd)
{
	struct interrupts *it = calloc(1, sizeof(*it));
	pthread_condattr_t attr;

	if (!it)
		return NULL;
	it->fd = fd;
	pthread_mutex_init(&it->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&it->changed, &attr);
	pthread_condattr_destroy(&attr);
	return it;
}

void interrupts_free(struct interrupts *it)
{
	struct interrupted *one;

	if (!it)
		return;
	pthread_mutex_lock(&it->lock);
	it->stop = true;
	pthread_cond_signal(&it->changed);
	pthread_mutex_unlock(&it->lock);
	if (it->running)
		pthread_join(it->thread, NULL);
	while ((one = it->list)) {
		it->list = one->next;
		free(one);
	}
	pthread_cond_destroy(&it->changed);
	pthread_mutex_destroy(&it->lock);
	free(it);
}
