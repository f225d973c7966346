// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuse_interrupt.c - a process that is killed doesn't have to wait for the server.
 *
 * The kernel tells us (FUSE_INTERRUPT) when who waits for a request gets a signal, any, and then
 * goes on waiting. Programs don't expect EINTR of files, so only who is being killed is answered:
 * the thread that serves them goes on to its end, and the kernel refuses its own answer (ENOENT),
 * which those who answer have to expect anyway. The kernel tells of the first signal only, so who
 * got one is looked at again and again, until answered.
 *
 * What changes something isn't answered early: the change might come after one that is made next.
 * And as the kernel believes an answered request to be over, it may release the file or forget the
 * inode that this is still busy with: such requests wait until all that was answered early is over.
 */
#include "fuse_interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <fscache/fscache.h>

#include "mount.h"

/* In served.unique: it was answered. The kernel counts by two from the beginning. */
#define ANSWERED (1ull << 63)

#define LOOK_MS 100
/* A request may have been read, and not be known yet as being served. */
#define UNKNOWN_MS 1000

struct interrupted {
	struct interrupted *next;
	uint64_t unique, since_ms;
};

/* A request that waits. */
struct later {
	STAILQ_ENTRY(later) link;
	size_t len;
	uint8_t buf[];
};

STAILQ_HEAD(later_list, later);

struct interrupts {
	struct fuse_session *se;
	/* Those that were answered and are still being served. Changed with the lock; what isn't 0
	 * when the kernel is answered isn't when it sends what comes of that. */
	atomic_uint answered;
	pthread_t thread;
	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t changed;
	bool running, stop;
	struct served *served;
	struct interrupted *list;
	struct later_list later;
};

/* --- Is it being killed? ---------------------------------------------------------------------- */

static bool has_kill(const char *line, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) &&
	       strtoull(line + len, NULL, 16) & 1ull << (SIGKILL - 1);
}

/* To each thread of a process that is ended by a signal SIGKILL is sent, unless the signal is one
 * that dumps core. */
static bool being_killed(uint32_t tid)
{
	char path[32], line[128]; /* (longer ones come in pieces) */
	bool killed = false;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	status = fopen(path, "re");
	if (!status)
		return false;
	while (!killed && fgets(line, sizeof(line), status))
		killed = has_kill(line, "SigPnd:") || has_kill(line, "ShdPnd:");
	fclose(status);
	return killed;
}

/* --- The watch, with the lock held ------------------------------------------------------------ */

/* Who is serving it; NULL: nobody. */
static struct served *who_serves(const struct interrupts *it, uint64_t unique)
{
	struct served *s = it->served;

	while (s && atomic_load(&s->unique) != unique)
		s = s->next;
	return s;
}

static void answer(struct interrupts *it, struct served *s, uint64_t unique)
{
	const struct fuse_out_header out = {
		.len = sizeof(out), .error = -EINTR, .unique = unique,
	};

	it->answered++;
	if (!atomic_compare_exchange_strong(&s->unique, &unique, unique | ANSWERED)) {
		it->answered--;
		return;
	}
	/* If the thread itself has answered it by now, the kernel says so, and nothing happens. */
	if (write(fuse_session_fd(it->se), &out, sizeof(out)) < 0)
		return;
}

/* True: there is nothing more to do. */
static bool look_at(struct interrupts *it, const struct interrupted *one)
{
	struct served *s = who_serves(it, one->unique);
	uint32_t tid;

	if (!s)
		return fsc_clock_ms() - one->since_ms > UNKNOWN_MS;
	tid = atomic_load(&s->tid);
	/* (0: from outside of our world) */
	if (!tid || !being_killed(tid))
		return false;
	answer(it, s, one->unique);
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

static bool may_be_answered(const struct fuse_in_header *head, size_t len)
{
	const struct fuse_open_in *in = (const void *)(head + 1);

	switch (head->opcode) {
	case FUSE_OPEN:
		return len >= sizeof(*head) + sizeof(*in) && !(in->flags & O_TRUNC);
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_READLINK:
	case FUSE_READ:
	case FUSE_STATFS:
	case FUSE_FSYNC:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_OPENDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_ACCESS:
	case FUSE_GETLK:
		return true;
	default:
		return false;
	}
}

/* Nobody waits for an answer to these. */
static bool ends_a_life(uint32_t opcode)
{
	return opcode == FUSE_RELEASE || opcode == FUSE_RELEASEDIR || opcode == FUSE_FORGET ||
	       opcode == FUSE_BATCH_FORGET;
}

/* False: it can be served now. Without memory we wait for that here. */
static bool put_off(struct interrupts *it, const void *buf, size_t len)
{
	struct later *later = malloc(sizeof(*later) + len);
	bool put;

	if (later) {
		later->len = len;
		memcpy(later->buf, buf, len);
	}
	pthread_mutex_lock(&it->lock);
	while (!later && it->answered)
		wait_a_little(it);
	put = later && it->answered;
	if (put)
		STAILQ_INSERT_TAIL(&it->later, later, link);
	pthread_mutex_unlock(&it->lock);
	if (!put)
		free(later);
	return put;
}

bool served_begin(struct interrupts *it, struct served *s, const void *buf, size_t len)
{
	const struct fuse_in_header *head = buf;
	const struct fuse_interrupt_in *in = (const void *)(head + 1);

	if (len < sizeof(*head))
		return true;
	if (head->opcode == FUSE_INTERRUPT && len >= sizeof(*head) + sizeof(*in))
		note(it, in->unique);
	if (ends_a_life(head->opcode) && it->answered && put_off(it, buf, len))
		return false;
	if (may_be_answered(head, len)) {
		/* Who reads this tid finds that the request before is over. */
		atomic_store_explicit(&s->tid, head->pid, memory_order_release);
		atomic_store_explicit(&s->unique, head->unique, memory_order_release);
	}
	return true;
}

static void serve_later(struct interrupts *it, struct later_list *list)
{
	struct later *later;

	while ((later = STAILQ_FIRST(list))) {
		const struct fuse_buf buf = { .mem = later->buf, .size = later->len };

		STAILQ_REMOVE_HEAD(list, link);
		fuse_session_process_buf(it->se, &buf);
		free(later);
	}
}

void served_end(struct interrupts *it, struct served *s)
{
	struct later_list list = STAILQ_HEAD_INITIALIZER(list);

	if (!(atomic_exchange(&s->unique, 0) & ANSWERED))
		return;
	pthread_mutex_lock(&it->lock);
	if (!--it->answered)
		STAILQ_CONCAT(&list, &it->later);
	pthread_mutex_unlock(&it->lock);
	serve_later(it, &list);
}

void interrupts_add(struct interrupts *it, struct served *s)
{
	pthread_mutex_lock(&it->lock);
	s->next = it->served;
	it->served = s;
	pthread_mutex_unlock(&it->lock);
}

struct interrupts *interrupts_new(struct fuse_session *se)
{
	struct interrupts *it = calloc(1, sizeof(*it));
	pthread_condattr_t attr;

	if (!it)
		return NULL;
	it->se = se;
	STAILQ_INIT(&it->later);
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
