// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * locks.c - env.h's mutexes, spinlocks, references, flags and wait queues.
 *
 * A spinlock is never contended: no task changes over while one is held. The place where a real one
 * would spin is the scheduling point before it is taken.
 */
#include "sim_int.h"

#define MUTEX_MAGIC 0x6d757478u
#define SPIN_MAGIC 0x7370696eu
#define WAITQ_MAGIC 0x77616974u

static void check_magic(uint32_t got, uint32_t want, const char *what)
{
	if (got != want)
		sim_fail(SIM_BUG, "%s that wasn't initialised, or was destroyed", what);
}

/* --- Mutexes ---------------------------------------------------------------------- */

void sim_mutex_init(struct fsc_mutex *m, const char *name)
{
	*m = (struct fsc_mutex){ .magic = MUTEX_MAGIC, .name = name };
}

void sim_mutex_destroy(struct fsc_mutex *m)
{
	check_magic(m->magic, MUTEX_MAGIC, "a mutex");
	if (m->owner)
		sim_fail(SIM_BUG, "mutex %s is destroyed while held", m->name);
	m->magic = 0;
}

void fsc_mutex_lock(struct fsc_mutex *m)
{
	check_magic(m->magic, MUTEX_MAGIC, "a mutex");
	sim_may_sleep(m->name);
	sim_point();
	if (m->owner == sim_task())
		sim_fail(SIM_DEADLOCK, "mutex %s is taken twice", m->name);
	sim_order_take(m->name);
	while (m->owner)
		sim_block("mutex", m, m->name, SIM_NEVER);
	m->owner = sim_task();
}

void fsc_mutex_unlock(struct fsc_mutex *m)
{
	fsc_mutex_assert_held(m);
	m->owner = NULL;
	sim_order_release(m->name);
	sim_wake(m);
	sim_point();
}

void fsc_mutex_assert_held(struct fsc_mutex *m)
{
	check_magic(m->magic, MUTEX_MAGIC, "a mutex");
	if (m->owner != sim_task())
		sim_fail(SIM_BUG, "mutex %s should be held", m->name);
}

/* --- Spinlocks -------------------------------------------------------------------- */

void sim_spin_init(struct fsc_spin *s, const char *name)
{
	*s = (struct fsc_spin){ .magic = SPIN_MAGIC, .name = name };
}

void sim_spin_destroy(struct fsc_spin *s)
{
	check_magic(s->magic, SPIN_MAGIC, "a spinlock");
	if (s->owner)
		sim_fail(SIM_BUG, "spinlock %s is destroyed while held", s->name);
	s->magic = 0;
}

unsigned long fsc_spin_lock(struct fsc_spin *s)
{
	struct sim_task *t;

	check_magic(s->magic, SPIN_MAGIC, "a spinlock");
	sim_point();
	t = sim_task();
	if (s->owner)
		sim_fail(SIM_DEADLOCK, "spinlock %s is taken twice", s->name);
	sim_order_take(s->name);
	s->owner = t;
	t->spin_name = s->name;
	return t->spins++;
}

void fsc_spin_unlock(struct fsc_spin *s, unsigned long irq)
{
	struct sim_task *t = sim_task();

	fsc_spin_assert_held(s);
	s->owner = NULL;
	sim_order_release(s->name);
	t->spins--;
	/* Real ones restore what was saved: out of order they would let interrupts in too early. */
	if (irq != t->spins)
		sim_fail(SIM_BUG, "spinlock %s is not the last one that was taken", s->name);
	sim_point();
}

void fsc_spin_assert_held(struct fsc_spin *s)
{
	check_magic(s->magic, SPIN_MAGIC, "a spinlock");
	if (s->owner != sim_task())
		sim_fail(SIM_BUG, "spinlock %s should be held", s->name);
}

/* --- References, counts, flags ---------------------------------------------------- */

void fsc_ref_init(struct fsc_ref *r)
{
	r->count = 1;
}

void fsc_ref_get(struct fsc_ref *r)
{
	if (r->count <= 0)
		sim_fail(SIM_BUG, "a reference to what has none left (%d)", r->count);
	r->count++;
}

bool fsc_ref_get_unless_zero(struct fsc_ref *r)
{
	sim_point();
	if (r->count <= 0)
		return false;
	r->count++;
	return true;
}

bool fsc_ref_put(struct fsc_ref *r)
{
	sim_point();
	if (r->count <= 0)
		sim_fail(SIM_BUG, "a reference too many is put (%d)", r->count);
	return --r->count == 0;
}

void fsc_count_add(struct fsc_count *c, int64_t n)
{
	c->value += n;
}

int64_t fsc_count_read(const struct fsc_count *c)
{
	return c->value;
}

void fsc_count_set(struct fsc_count *c, int64_t n)
{
	c->value = n;
}

uint32_t fsc_load_acquire(const uint32_t *p)
{
	sim_point();
	return *p;
}

void fsc_store_release(uint32_t *p, uint32_t value)
{
	sim_point();
	*p = value;
}

/* --- Wait queues ------------------------------------------------------------------ */

void sim_waitq_init(struct fsc_waitq *q, const char *name)
{
	*q = (struct fsc_waitq){ .magic = WAITQ_MAGIC, .name = name };
}

void sim_waitq_destroy(struct fsc_waitq *q)
{
	check_magic(q->magic, WAITQ_MAGIC, "a wait queue");
	q->magic = 0;
}

static bool wait_until(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg, uint64_t deadline)
{
	const char *name = q->name;
	struct sim_task *t = sim_task();
	const struct fsc_waitq *outer = t->waitq;
	bool held;

	check_magic(q->magic, WAITQ_MAGIC, "a wait queue");
	sim_may_sleep(name);
	sim_point();
	for (;;) {
		t->waitq = q;
		t->alerted = false;
		held = cond(arg);
		/* Once it holds, @q may be gone. */
		if (held || sim_now_us() >= deadline)
			break;
		if (!t->alerted)
			sim_block("wait queue", q, name, deadline);
	}
	t->waitq = outer;
	return held;
}

void fsc_waitq_wait(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg)
{
	wait_until(q, cond, arg, SIM_NEVER);
}

bool fsc_waitq_wait_ms(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg,
		       uint32_t timeout_ms)
{
	return wait_until(q, cond, arg, sim_now_us() + timeout_ms * 1000ull);
}

void fsc_waitq_wake_all(struct fsc_waitq *q)
{
	struct sim *s;

	/* Here a waiter whose condition holds may run and free @q: that is the caller's mistake,
	 * and what follows lets the sanitizer or the magic see it. */
	sim_point();
	check_magic(q->magic, WAITQ_MAGIC, "a wait queue");
	s = sim_here();
	for (struct sim_task *t = s ? s->tasks : NULL; t; t = t->next)
		if (t->waitq == q)
			t->alerted = true;
	sim_wake(q);
	sim_point();
}
