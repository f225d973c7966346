/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fsc_platform.h - the types of env.h on the simulated platform (sim.h).
 *
 * There is one thread, so nothing here needs to be atomic: tasks change over at scheduling points
 * only, and never while a spinlock is held. The functions are ordinary ones, in env.c, locks.c and
 * work.c, because each of them is or may become such a point.
 */
#ifndef FSC_PLATFORM_H
#define FSC_PLATFORM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sim_task;
struct fsc_workq;

struct fsc_mutex {
	uint32_t magic; /* tells one that was initialised from garbage */
	const char *name;
	struct sim_task *owner;
};

struct fsc_spin {
	uint32_t magic;
	const char *name;
	struct sim_task *owner;
};

struct fsc_ref {
	int32_t count;
};

struct fsc_count {
	int64_t value;
};

struct fsc_waitq {
	uint32_t magic;
	const char *name;
};

struct fsc_work {
	uint32_t magic;
	const char *name;
	void (*fn)(struct fsc_work *w);
	/* While queued only: after fn was called the queue touches nothing of it. */
	struct fsc_workq *queue;
	struct fsc_work *next;
	uint64_t due_us;
	uint32_t cancelling;
};

void sim_mutex_init(struct fsc_mutex *m, const char *name);
void sim_mutex_destroy(struct fsc_mutex *m);
void sim_spin_init(struct fsc_spin *s, const char *name);
void sim_spin_destroy(struct fsc_spin *s);
void sim_waitq_init(struct fsc_waitq *q, const char *name);
void sim_waitq_destroy(struct fsc_waitq *q);
void sim_work_init(struct fsc_work *w, void (*fn)(struct fsc_work *w), const char *name);

#define fsc_mutex_init(m, name) sim_mutex_init(m, name)
#define fsc_mutex_destroy(m) sim_mutex_destroy(m)
#define fsc_spin_init(s, name) sim_spin_init(s, name)
#define fsc_spin_destroy(s) sim_spin_destroy(s)
#define fsc_waitq_init(q) sim_waitq_init(q, #q)
#define fsc_waitq_destroy(q) sim_waitq_destroy(q)
#define fsc_work_init(w, fn) sim_work_init(w, fn, #fn)

#endif
