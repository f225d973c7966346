/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* pthread.h - threads of the kernel, by the names that tests use. */
#ifndef FSC_KUNIT_PTHREAD_H
#define FSC_KUNIT_PTHREAD_H

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

struct fsc_kunit_thread {
	struct task_struct *task;
	struct completion done;
	void *(*fn)(void *arg);
	void *arg, *result;
};

typedef struct fsc_kunit_thread *pthread_t;

static inline int fsc_kunit_thread_run(void *arg)
{
	struct fsc_kunit_thread *t = arg;

	t->result = t->fn(t->arg);
	complete(&t->done);
	return 0;
}

static inline int pthread_create(pthread_t *out, const void *attributes,
				 void *(*fn)(void *arg), void *arg)
{
	struct fsc_kunit_thread *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return ENOMEM;
	init_completion(&t->done);
	t->fn = fn;
	t->arg = arg;
	t->task = kthread_create(fsc_kunit_thread_run, t, "fsc-test");
	if (IS_ERR(t->task)) {
		kfree(t);
		return EAGAIN;
	}
	get_task_struct(t->task);
	wake_up_process(t->task);
	*out = t;
	return 0;
}

/* Stopped only when it has run: a thread that is stopped before doesn't begin. */
static inline int pthread_join(pthread_t t, void **result)
{
	wait_for_completion(&t->done);
	kthread_stop(t->task);
	put_task_struct(t->task);
	if (result)
		*result = t->result;
	kfree(t);
	return 0;
}

#endif
