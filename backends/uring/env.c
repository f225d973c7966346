/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* env.c - env.h for userspace: memory, locks, waiting, clock, random numbers and the log. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <fscache/env.h>
#include <fscache/uring.h>

/* --- Memory ---------------------------------------------------------------------------------- */

void *fsc_zalloc(size_t size)
{
	return calloc(1, size);
}

void *fsc_zalloc_nowait(size_t size)
{
	return calloc(1, size);
}

void fsc_free(void *ptr)
{
	free(ptr);
}

void fsc_buf_zero(const struct fsc_buf *buf)
{
	FSC_ASSERT(buf->kind == FSC_BUF_MEM);
	if (buf->len)
		memset((char *)buf->mem + buf->off, 0, buf->len);
}

void fsc_buf_read(const struct fsc_buf *buf, void *dst)
{
	FSC_ASSERT(buf->kind == FSC_BUF_MEM);
	if (buf->len)
		memcpy(dst, (const char *)buf->mem + buf->off, buf->len);
}

void fsc_buf_write(const struct fsc_buf *buf, const void *src)
{
	FSC_ASSERT(buf->kind == FSC_BUF_MEM);
	if (buf->len)
		memcpy((char *)buf->mem + buf->off, src, buf->len);
}

/* --- Locks ----------------------------------------------------------------------------------- */

/*
 * The owner is what makes assert_held possible and finds a lock taken twice, which would otherwise
 * only hang. It is read without the lock; but that it equals ourselves can only come from us.
 */
#ifdef NDEBUG
static void own(pthread_t *owner)
{
	(void)owner;
}

static void disown(pthread_t *owner)
{
	(void)owner;
}

static void check_owner(const pthread_t *owner, bool expected)
{
	(void)owner;
	(void)expected;
}
#else
static void own(pthread_t *owner)
{
	__atomic_store_n(owner, pthread_self(), __ATOMIC_RELAXED);
}

static void disown(pthread_t *owner)
{
	__atomic_store_n(owner, (pthread_t)0, __ATOMIC_RELAXED);
}

static void check_owner(const pthread_t *owner, bool expected)
{
	bool mine = __atomic_load_n(owner, __ATOMIC_RELAXED) == pthread_self();

	FSC_ASSERT(mine == expected);
}
#endif

void fsc_mutex_init(struct fsc_mutex *m, const char *name)
{
	(void)name;
	memset(m, 0, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
}

void fsc_mutex_destroy(struct fsc_mutex *m)
{
	pthread_mutex_destroy(&m->lock);
}

void fsc_mutex_lock(struct fsc_mutex *m)
{
	check_owner(&m->owner, false);
	pthread_mutex_lock(&m->lock);
	own(&m->owner);
}

void fsc_mutex_unlock(struct fsc_mutex *m)
{
	check_owner(&m->owner, true);
	disown(&m->owner);
	pthread_mutex_unlock(&m->lock);
}

void fsc_mutex_assert_held(struct fsc_mutex *m)
{
	check_owner(&m->owner, true);
}

void fsc_spin_init(struct fsc_spin *s, const char *name)
{
	pthread_mutexattr_t attr;

	(void)name;
	memset(s, 0, sizeof(*s));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&s->lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

void fsc_spin_destroy(struct fsc_spin *s)
{
	pthread_mutex_destroy(&s->lock);
}

unsigned long fsc_spin_lock(struct fsc_spin *s)
{
	check_owner(&s->owner, false);
	pthread_mutex_lock(&s->lock);
	own(&s->owner);
	return 0;
}

void fsc_spin_unlock(struct fsc_spin *s, unsigned long irq)
{
	(void)irq;
	check_owner(&s->owner, true);
	disown(&s->owner);
	pthread_mutex_unlock(&s->lock);
}

void fsc_spin_assert_held(struct fsc_spin *s)
{
	check_owner(&s->owner, true);
}

/* --- Waiting --------------------------------------------------------------------------------- */

void fsc_waitq_init(struct fsc_waitq *q)
{
	pthread_condattr_t attr;

	memset(q, 0, sizeof(*q));
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->cond, &attr);
	pthread_condattr_destroy(&attr);
}

void fsc_waitq_destroy(struct fsc_waitq *q)
{
	pthread_cond_destroy(&q->cond);
	pthread_mutex_destroy(&q->lock);
}

/* Sleep until a wake after @seen was read; false: @end came first. */
static bool sleep_past(struct fsc_waitq *q, uint32_t seen, const struct timespec *end)
{
	int err = 0;

	pthread_mutex_lock(&q->lock);
	while (q->wakes == seen && !err)
		err = end ? pthread_cond_timedwait(&q->cond, &q->lock, end)
			  : pthread_cond_wait(&q->cond, &q->lock);
	pthread_mutex_unlock(&q->lock);
	return !err;
}

static uint32_t wakes_so_far(struct fsc_waitq *q)
{
	uint32_t seen;

	pthread_mutex_lock(&q->lock);
	seen = q->wakes;
	pthread_mutex_unlock(&q->lock);
	return seen;
}

/*
 * A waiter counts itself and then tests; a waker changes the condition and then looks at the count.
 * Both use a read-modify-write of the count: whichever comes second sees what the first did.
 */
static bool wait_until(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg,
		       const struct timespec *end)
{
	bool in_time = true;
	bool met;

	if (cond(arg))
		return true;
	__atomic_fetch_add(&q->waiters, 1, __ATOMIC_ACQ_REL);
	for (;;) {
		uint32_t seen = wakes_so_far(q);

		met = cond(arg);
		if (met || !in_time)
			break;
		in_time = sleep_past(q, seen, end);
	}
	__atomic_fetch_sub(&q->waiters, 1, __ATOMIC_ACQ_REL);
	return met;
}

void fsc_waitq_wait(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg)
{
	wait_until(q, cond, arg, NULL);
}

bool fsc_waitq_wait_ms(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg,
		       uint32_t timeout_ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	return wait_until(q, cond, arg, &end);
}

void fsc_waitq_wake_all(struct fsc_waitq *q)
{
	if (!__atomic_fetch_add(&q->waiters, 0, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_lock(&q->lock);
	q->wakes++;
	pthread_cond_broadcast(&q->cond);
	pthread_mutex_unlock(&q->lock);
}

/* --- Clock and random numbers ---------------------------------------------------------------- */

uint64_t fsc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t fsc_random64(void)
{
	struct timespec now;
	uint64_t n;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) == (ssize_t)sizeof(n))
		return n;
	/* A kernel that has just started. Unique enough: thread, process, and the nanosecond. */
	clock_gettime(CLOCK_REALTIME, &now);
	n = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	n ^= (uint64_t)(uintptr_t)&n << 20 ^ (uint64_t)getpid() << 44;
	return n * 0x9e3779b97f4a7c15u;
}

/* --- Log ------------------------------------------------------------------------------------- */

/* The only state that belongs to the process: a log is wanted before there is any cache. Held for
 * reading while the sink runs, so that fsc_set_log() returns when the old one is out of use. */
static struct {
	pthread_rwlock_t lock;
	void (*fn)(void *arg, int level, const char *line);
	void *arg;
} sink = { .lock = PTHREAD_RWLOCK_INITIALIZER };

void fsc_set_log(void (*fn)(void *arg, int level, const char *line), void *arg)
{
	pthread_rwlock_wrlock(&sink.lock);
	sink.fn = fn;
	sink.arg = arg;
	pthread_rwlock_unlock(&sink.lock);
}

static int syslog_level(enum fsc_log_level level)
{
	switch (level) {
	case FSC_LOG_ERR:
		return 3;
	case FSC_LOG_WARN:
		return 4;
	case FSC_LOG_INFO:
		return 6;
	default:
		return 7;
	}
}

/* File names come from a server: a newline in one must not begin a line of its own. */
static void make_printable(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			*line = '?';
}

void fsc_log(enum fsc_log_level level, const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	make_printable(line);

	pthread_rwlock_rdlock(&sink.lock);
	if (sink.fn)
		sink.fn(sink.arg, syslog_level(level), line);
	else if (level <= FSC_LOG_WARN)
		fprintf(stderr, "fscache: %s\n", line);
	pthread_rwlock_unlock(&sink.lock);
}

const char *fsc_error_text(int err, char *buf)
{
	/* (Of glibc since 2.32, and of musl, safe with threads; and whole until this thread's next.) */
	snprintf(buf, FSC_ERROR_TEXT_MAX, "%s", strerror(-err));
	return buf;
}

void fsc_bug(const char *cond, const char *func)
{
	fprintf(stderr, "fscache: bug: %s: %s\n", func, cond);
	abort();
}
