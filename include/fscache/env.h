/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * env.h - what the platform under the core provides.
 *
 * Chosen when building: the include path decides whose fsc_platform.h is found, so lib/ has no
 * #ifdef. That header defines the struct types named below and the errno constants (EIO, ...),
 * and may make any function a static inline. What it must make a macro is said. Beyond these,
 * lib/ calls only memcpy, memmove, memset, memcmp and strlen.
 *
 * Context  [waits] may sleep. [any] never sleeps and may be called under a spinlock and in
 *          interrupt context.
 */
#ifndef FSCACHE_ENV_H
#define FSCACHE_ENV_H

#include "types.h"
#include "fsc_platform.h"

/* --- Memory: zeroed, or NULL, and the caller copes ---------------------------------------- */

void *fsc_zalloc(size_t size);        /* [waits] */
void *fsc_zalloc_nowait(size_t size); /* [any] */
void fsc_free(void *ptr);             /* [any]; NULL is fine */

/* For transfers: aligned to FSC_GRANULE_SIZE, not zeroed; @size is the same in both calls. */
void *fsc_io_alloc(size_t size);             /* [waits] */
void fsc_io_free(void *ptr, size_t size);    /* [waits]; NULL is fine */

/* Our only touches on what a struct fsc_buf stands for [any]. The window is the whole of it. */
void fsc_buf_zero(const struct fsc_buf *buf);
void fsc_buf_read(const struct fsc_buf *buf, void *dst);        /* buf->len bytes out of it */
void fsc_buf_write(const struct fsc_buf *buf, const void *src); /* buf->len bytes into it */

/* --- Locks ------------------------------------------------------------------------------- */

/*
 * Not recursive. A mutex may be held when taking a spinlock, never the reverse; nothing sleeps
 * under a spinlock, and a completion may take one. Macros, so that each call is a lockdep class:
 *	fsc_mutex_init(struct fsc_mutex *m, const char *name)
 *	fsc_spin_init(struct fsc_spin *s, const char *name)
 * and their ends fsc_mutex_destroy(m), fsc_spin_destroy(s).
 */
void fsc_mutex_lock(struct fsc_mutex *m);   /* [waits] */
void fsc_mutex_unlock(struct fsc_mutex *m);
void fsc_mutex_assert_held(struct fsc_mutex *m);
unsigned long fsc_spin_lock(struct fsc_spin *s); /* [any]; saves interrupts in the kernel */
void fsc_spin_unlock(struct fsc_spin *s, unsigned long irq);
void fsc_spin_assert_held(struct fsc_spin *s);

/* --- References and atomics --------------------------------------------------------------- */

/* put is true once, for the last holder, with all that earlier holders did visible to it. get
 * on 0 is a bug. All [any]. */
void fsc_ref_init(struct fsc_ref *r); /* to 1 */
void fsc_ref_get(struct fsc_ref *r);
bool fsc_ref_get_unless_zero(struct fsc_ref *r);
bool fsc_ref_put(struct fsc_ref *r);

/* A 64-bit count that threads change together; relaxed: it orders nothing else. */
void fsc_count_add(struct fsc_count *c, int64_t n);
int64_t fsc_count_read(const struct fsc_count *c);
void fsc_count_set(struct fsc_count *c, int64_t n);

/* A flag or small state read without a lock: a load that sees a value also sees all that was
 * written before its store. */
uint32_t fsc_load_acquire(const uint32_t *p);
void fsc_store_release(uint32_t *p, uint32_t value);

/* --- Waiting ------------------------------------------------------------------------------- */

/*
 * Sleep until @cond(@arg); it is tested with none of the queue's locks held, before sleeping and
 * on each wake. A wake that follows a change of the condition is never lost: whoever changes it
 * calls wake after. fsc_waitq_init(struct fsc_waitq *q) and fsc_waitq_destroy(q) are macros.
 */
void fsc_waitq_wait(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg); /* [waits] */
/* With a time limit: what @cond said last. */
bool fsc_waitq_wait_ms(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg,
		       uint32_t timeout_ms); /* [waits] */
/* [any]. The waiter may free the queue as soon as its condition holds: so change the condition
 * and wake under a lock that the waiter takes once more before freeing. */
void fsc_waitq_wake_all(struct fsc_waitq *q);

/* --- Deferred work -------------------------------------------------------------------------- */

/*
 * A queue of work items with threads of its own. An item never runs on two threads at once.
 * Queueing a queued item does nothing (false), except that a shorter delay replaces a longer
 * one; queueing a running one runs it again after. Items may block without holding up others
 * (up to a number of threads), and may free what holds them: after fn was called the queue
 * doesn't touch the item unless it was queued again. fsc_work_init(struct fsc_work *w,
 * void (*fn)(struct fsc_work *w)) is a macro.
 */
struct fsc_workq *fsc_workq_create(const char *name); /* [waits]; NULL: no memory or threads */
void fsc_workq_destroy(struct fsc_workq *q);          /* [waits] runs what is queued, delays cut */
bool fsc_work_queue(struct fsc_workq *q, struct fsc_work *w, uint32_t delay_ms); /* [any] */
/* Not queued and not running when it returns [waits]; not from fn itself. True: was queued. Until
 * then it can't be queued again (false): a reference that goes with queueing is dropped once. */
bool fsc_work_cancel_sync(struct fsc_workq *q, struct fsc_work *w);

/* --- The rest -------------------------------------------------------------------------------- */

uint64_t fsc_now_ms(void);   /* [any] monotonic; virtual in tests/sim */
uint64_t fsc_random64(void); /* [any] seeded in tests/sim; unique enough for names, not secret */
/* CRC-32C (Castagnoli, reflected, init and final xor 0xffffffff): of @data after bytes whose
 * CRC was @crc; start with 0 [any]. */
uint32_t fsc_crc32c(uint32_t crc, const void *data, size_t len);

enum fsc_log_level { FSC_LOG_ERR, FSC_LOG_WARN, FSC_LOG_INFO, FSC_LOG_DEBUG };
void fsc_log(enum fsc_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* [any]; one line, no newline at its end */
#define FSC_ERROR_TEXT_MAX 64
/* What -errno @err is, for people, in @buf of FSC_ERROR_TEXT_MAX bytes, which is returned [any]. */
const char *fsc_error_text(int err, char *buf);

/* For our own mistakes, never for what a disk or server did. fsc_bug aborts, but in the kernel
 * warns and returns: code after it must still be memory-safe. */
#define FSC_ASSERT(cond) ((cond) ? (void)0 : fsc_bug(#cond, __func__))
void fsc_bug(const char *cond, const char *func);

#endif
