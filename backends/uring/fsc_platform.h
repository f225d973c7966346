/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fsc_platform.h - the platform of env.h for Linux userspace: pthreads and the compiler's atomics.
 *
 * Inline is only what calls nothing: lib/'s objects must need env.h's own names and no others.
 */
#ifndef FSC_PLATFORM_H
#define FSC_PLATFORM_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* @owner is kept and looked at only without NDEBUG; the layout is the same either way. */
struct fsc_mutex {
	pthread_mutex_t lock;
	pthread_t owner;
};

/* A mutex that spins for a while: a real spinlock burns a whole time slice when its holder is
 * preempted, and there may be no more than two processors. */
struct fsc_spin {
	pthread_mutex_t lock;
	pthread_t owner;
};

struct fsc_ref {
	uint32_t count;
};

struct fsc_count {
	int64_t value;
};

struct fsc_waitq {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint32_t wakes;   /* under lock; changes with each wake */
	uint32_t waiters; /* atomic; 0: waking is one instruction */
};

/* All but @fn is work.c's, under its queue's lock. */
struct fsc_work {
	void (*fn)(struct fsc_work *work);
	struct fsc_work *next, *prev;
	uint64_t due_ms;
	uint32_t where;
};

void fsc_mutex_init(struct fsc_mutex *m, const char *name);
void fsc_mutex_destroy(struct fsc_mutex *m);
void fsc_spin_init(struct fsc_spin *s, const char *name);
void fsc_spin_destroy(struct fsc_spin *s);
void fsc_waitq_init(struct fsc_waitq *q);
void fsc_waitq_destroy(struct fsc_waitq *q);

static inline void fsc_work_init(struct fsc_work *w, void (*fn)(struct fsc_work *work))
{
	memset(w, 0, sizeof(*w));
	w->fn = fn;
}

void fsc_bug(const char *cond, const char *func);

static inline void fsc_ref_init(struct fsc_ref *r)
{
	__atomic_store_n(&r->count, 1, __ATOMIC_RELAXED);
}

static inline void fsc_ref_get(struct fsc_ref *r)
{
	if (__atomic_fetch_add(&r->count, 1, __ATOMIC_RELAXED) == 0)
		fsc_bug("reference taken on 0", __func__);
}

static inline bool fsc_ref_get_unless_zero(struct fsc_ref *r)
{
	uint32_t n = __atomic_load_n(&r->count, __ATOMIC_RELAXED);

	while (n)
		if (__atomic_compare_exchange_n(&r->count, &n, n + 1, true, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

static inline bool fsc_ref_put(struct fsc_ref *r)
{
	uint32_t before = __atomic_fetch_sub(&r->count, 1, __ATOMIC_ACQ_REL);

	if (before == 0)
		fsc_bug("reference dropped on 0", __func__);
	return before == 1;
}

static inline void fsc_count_add(struct fsc_count *c, int64_t n)
{
	__atomic_fetch_add(&c->value, n, __ATOMIC_RELAXED);
}

static inline int64_t fsc_count_read(const struct fsc_count *c)
{
	return __atomic_load_n(&c->value, __ATOMIC_RELAXED);
}

static inline void fsc_count_set(struct fsc_count *c, int64_t n)
{
	__atomic_store_n(&c->value, n, __ATOMIC_RELAXED);
}

static inline uint32_t fsc_load_acquire(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void fsc_store_release(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

#endif
