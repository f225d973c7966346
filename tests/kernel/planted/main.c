// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - makes one mistake when loaded, that which the parameter `kind` names. A kernel that is to
 * find ours has to find these (../planted.sh).
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static char *kind = "nothing";
module_param(kind, charp, 0444);

/* What the compiler would otherwise see through. */
static void *volatile kept;
static volatile int beyond = 64;

static void nothing(void)
{
}

static void use_after_free(void)
{
	kept = kmalloc(64, GFP_KERNEL);
	kfree(kept);
	READ_ONCE(*(char *)kept);
}

static void write_after_free(void)
{
	kept = kmalloc(64, GFP_KERNEL);
	kfree(kept);
	WRITE_ONCE(((char *)kept)[40], 1);
}

static void beyond_the_end(void)
{
	char *bytes = kmalloc(64, GFP_KERNEL);

	kept = bytes;
	((char *)kept)[beyond] = 1;
	kfree(kept);
}

static void beyond_pages(void)
{
	kept = vmalloc(PAGE_SIZE - 100);
	READ_ONCE(((char *)kept)[PAGE_SIZE - 100 + beyond]);
	vfree(kept);
}

static void leak(void)
{
	kept = kmalloc(100, GFP_KERNEL);
	kept = NULL;
}

static DEFINE_SPINLOCK(spinlock);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void sleep_in_atomic(void)
{
	spin_lock(&spinlock);
	mutex_lock(&first);
	mutex_unlock(&first);
	spin_unlock(&spinlock);
}

/* Allocating may sleep, though most often it doesn't. */
static void allocate_in_atomic(void)
{
	spin_lock(&spinlock);
	kfree(kmalloc(100, GFP_KERNEL));
	spin_unlock(&spinlock);
}

static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static DECLARE_COMPLETION(ticked);

static void tick(struct timer_list *unused)
{
	spin_lock(&spinlock);
	spin_unlock(&spinlock);
	complete(&ticked);
}

static DEFINE_TIMER(timer, tick);

/* The timer could interrupt whoever holds it. */
static void lock_in_interrupt(void)
{
	spin_lock(&spinlock);
	spin_unlock(&spinlock);
	mod_timer(&timer, jiffies + 1);
	wait_for_completion(&ticked);
	del_timer_sync(&timer);
}

static void do_nothing(struct work_struct *unused)
{
}

static void free_queued_work(void)
{
	struct delayed_work *work = kmalloc(sizeof(*work), GFP_KERNEL);

	INIT_DELAYED_WORK(work, do_nothing);
	schedule_delayed_work(work, HZ * 600);
	kfree(work);
}

static void remove_twice(void)
{
	static LIST_HEAD(list);
	static struct list_head node;

	list_add(&node, &list);
	list_del(&node);
	list_del(&node);
}

static void count_from_zero(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
}

static void dereference_unlocked(void)
{
	static int *pointer;

	kept = rcu_dereference(*(int __rcu **)&pointer);
}

static int wait_long(void *unused)
{
	unsigned long until = jiffies + 15 * HZ;

	while (time_before(jiffies, until))
		schedule_timeout_uninterruptible(until - jiffies);
	complete(&ticked);
	return 0;
}

static void hang(void)
{
	struct task_struct *task = kthread_run(wait_long, NULL, "planted");

	if (!IS_ERR(task))
		wait_for_completion(&ticked);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "nothing", nothing },
	{ "use-after-free", use_after_free },
	{ "write-after-free", write_after_free },
	{ "beyond-the-end", beyond_the_end },
	{ "beyond-pages", beyond_pages },
	{ "leak", leak },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "allocate-in-atomic", allocate_in_atomic },
	{ "lock-inversion", lock_inversion },
	{ "lock-in-interrupt", lock_in_interrupt },
	{ "free-queued-work", free_queued_work },
	{ "remove-twice", remove_twice },
	{ "count-from-zero", count_from_zero },
	{ "dereference-unlocked", dereference_unlocked },
	{ "hang", hang },
};

static int __init planted_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (strcmp(mistakes[i].name, kind))
			continue;
		mistakes[i].make();
		return 0;
	}
	return -EINVAL;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Mistakes for a debug kernel to find");
MODULE_LICENSE("Dual MIT/GPL");
