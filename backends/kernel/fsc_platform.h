/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fsc_platform.h - the types behind env.h in the kernel, and those of its calls that are one line.
 *
 * Locks are the kernel's own and every init call is a class of its own, so that lockdep sees the
 * order in which the core takes them.
 */
#ifndef FSC_PLATFORM_H
#define FSC_PLATFORM_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* <stdint.h>'s names for the kernel's limits. */
#ifndef UINT8_MAX
#define UINT8_MAX U8_MAX
#endif
#ifndef UINT16_MAX
#define UINT16_MAX U16_MAX
#endif
#ifndef UINT32_MAX
#define UINT32_MAX U32_MAX
#endif
#ifndef UINT64_MAX
#define UINT64_MAX U64_MAX
#endif
#ifndef INT32_MAX
#define INT32_MAX S32_MAX
#endif
#ifndef INT64_MAX
#define INT64_MAX S64_MAX
#endif

/* --- Locks ------------------------------------------------------------------------------- */

struct fsc_mutex {
	struct mutex lock;
};

#define fsc_mutex_init(m, name)                                              \
	do {                                                                 \
		static struct lock_class_key fsc_key;                        \
									     \
		mutex_init(&(m)->lock);                                      \
		lockdep_set_class_and_name(&(m)->lock, &fsc_key, name);      \
	} while (0)
#define fsc_mutex_destroy(m) mutex_destroy(&(m)->lock)

static inline void fsc_mutex_lock(struct fsc_mutex *m)
{
	mutex_lock(&m->lock);
}

static inline void fsc_mutex_unlock(struct fsc_mutex *m)
{
	mutex_unlock(&m->lock);
}

static inline void fsc_mutex_assert_held(struct fsc_mutex *m)
{
	lockdep_assert_held(&m->lock);
}

struct fsc_spin {
	spinlock_t lock;
};

#define fsc_spin_init(s, name)                                               \
	do {                                                                 \
		static struct lock_class_key fsc_key;                        \
									     \
		spin_lock_init(&(s)->lock);                                  \
		lockdep_set_class_and_name(&(s)->lock, &fsc_key, name);      \
	} while (0)
#define fsc_spin_destroy(s) ((void)(s))

static inline unsigned long fsc_spin_lock(struct fsc_spin *s)
{
	unsigned long irq;

	spin_lock_irqsave(&s->lock, irq);
	return irq;
}

static inline void fsc_spin_unlock(struct fsc_spin *s, unsigned long irq)
{
	spin_unlock_irqrestore(&s->lock, irq);
}

static inline void fsc_spin_assert_held(struct fsc_spin *s)
{
	lockdep_assert_held(&s->lock);
}

/* --- References and atomics --------------------------------------------------------------- */

struct fsc_ref {
	refcount_t refs;
};

static inline void fsc_ref_init(struct fsc_ref *r)
{
	refcount_set(&r->refs, 1);
}

static inline void fsc_ref_get(struct fsc_ref *r)
{
	refcount_inc(&r->refs);
}

static inline bool fsc_ref_get_unless_zero(struct fsc_ref *r)
{
	return refcount_inc_not_zero(&r->refs);
}

static inline bool fsc_ref_put(struct fsc_ref *r)
{
	return refcount_dec_and_test(&r->refs);
}

struct fsc_count {
	atomic64_t n;
};

static inline void fsc_count_add(struct fsc_count *c, int64_t n)
{
	atomic64_add(n, &c->n);
}

static inline int64_t fsc_count_read(const struct fsc_count *c)
{
	return atomic64_read(&c->n);
}

static inline void fsc_count_set(struct fsc_count *c, int64_t n)
{
	atomic64_set(&c->n, n);
}

static inline uint32_t fsc_load_acquire(const uint32_t *p)
{
	return smp_load_acquire(p); /* for fsc_store_release() */
}

static inline void fsc_store_release(uint32_t *p, uint32_t value)
{
	smp_store_release(p, value); /* for fsc_load_acquire() */
}

/* --- Waiting ------------------------------------------------------------------------------- */

struct fsc_waitq {
	wait_queue_head_t head;
};

#define fsc_waitq_init(q) init_waitqueue_head(&(q)->head)
#define fsc_waitq_destroy(q) ((void)(q))

static inline void fsc_waitq_wake_all(struct fsc_waitq *q)
{
	wake_up_all(&q->head);
}

/* --- Deferred work -------------------------------------------------------------------------- */

/* One delayed_work, and a place in its queue's list of what hasn't begun to run: the kernel would
 * forget, when a queue goes, what still waits for its timer. */
struct fsc_work {
	struct delayed_work dwork;
	struct list_head node; /* in fsc_workq.waiting, under its lock */
	struct fsc_workq *q;
	void (*fn)(struct fsc_work *w);
};

void fsc_work_run(struct work_struct *work); /* env.c's; for the macro below */

#define fsc_work_init(w, func)                                               \
	do {                                                                 \
		INIT_DELAYED_WORK(&(w)->dwork, fsc_work_run);                \
		INIT_LIST_HEAD(&(w)->node);                                  \
		(w)->q = NULL;                                               \
		(w)->fn = (func);                                            \
	} while (0)

void fsc_env_exit(void); /* the module is unloaded [waits] */

#endif
