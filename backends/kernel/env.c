// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * env.c - the platform in the kernel: what of env.h is more than a line in fsc_platform.h.
 */
#define pr_fmt(fmt) "libfscache: " fmt

#include <linux/crc32c.h>
#include <linux/error-injection.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include <fscache/env.h>

/* --- Memory ------------------------------------------------------------------------------- */

/* NOFS: the core also runs below a netfs that writes back pages to free memory. */
void *fsc_zalloc(size_t size)
{
	return kvzalloc(size, GFP_NOFS | __GFP_NOWARN);
}
ALLOW_ERROR_INJECTION(fsc_zalloc, NULL);

void *fsc_zalloc_nowait(size_t size)
{
	return kzalloc(size, GFP_NOWAIT | __GFP_NOWARN);
}
ALLOW_ERROR_INJECTION(fsc_zalloc_nowait, NULL);

static LLIST_HEAD(fsc_unmapped);

static void fsc_unmap(struct work_struct *work)
{
	struct llist_node *node = llist_del_all(&fsc_unmapped);
	struct llist_node *next;

	for (; node; node = next) {
		next = node->next;
		vfree(node);
	}
}

static DECLARE_WORK(fsc_unmap_work, fsc_unmap);

/* Under a spinlock too, where vfree() may not be called. */
void fsc_free(void *ptr)
{
	if (!is_vmalloc_addr(ptr))
		kfree(ptr);
	else if (llist_add(ptr, &fsc_unmapped))
		schedule_work(&fsc_unmap_work);
}

void *fsc_io_alloc(size_t size)
{
	void *ptr = alloc_pages_exact(size, GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN);

	return ptr ? ptr : __vmalloc(size, GFP_NOFS | __GFP_NOWARN);
}
ALLOW_ERROR_INJECTION(fsc_io_alloc, NULL);

void fsc_io_free(void *ptr, size_t size)
{
	if (is_vmalloc_addr(ptr))
		vfree(ptr);
	else if (ptr)
		free_pages_exact(ptr, size);
}

/* --- Buffers -------------------------------------------------------------------------------- */

static void *fsc_buf_mem(const struct fsc_buf *buf)
{
	return (char *)buf->mem + buf->off;
}

/* A copy, as using an iterator uses it up. @source: bytes are taken out of it, whatever the
 * transfer that it was made for does. */
static struct iov_iter fsc_buf_iter(const struct fsc_buf *buf, bool source)
{
	struct iov_iter it = *(const struct iov_iter *)buf->mem;

	it.data_source = source;
	iov_iter_advance(&it, buf->off);
	return it;
}

void fsc_buf_zero(const struct fsc_buf *buf)
{
	struct iov_iter it;

	if (buf->kind == FSC_BUF_MEM) {
		memset(fsc_buf_mem(buf), 0, buf->len);
		return;
	}
	it = fsc_buf_iter(buf, false);
	WARN_ON_ONCE(iov_iter_zero(buf->len, &it) != buf->len);
}

void fsc_buf_read(const struct fsc_buf *buf, void *dst)
{
	struct iov_iter it;

	if (buf->kind == FSC_BUF_MEM) {
		memcpy(dst, fsc_buf_mem(buf), buf->len);
		return;
	}
	it = fsc_buf_iter(buf, true);
	WARN_ON_ONCE(copy_from_iter(dst, buf->len, &it) != buf->len);
}

void fsc_buf_write(const struct fsc_buf *buf, const void *src)
{
	struct iov_iter it;

	if (buf->kind == FSC_BUF_MEM) {
		memcpy(fsc_buf_mem(buf), src, buf->len);
		return;
	}
	it = fsc_buf_iter(buf, false);
	WARN_ON_ONCE(copy_to_iter(src, buf->len, &it) != buf->len);
}

/* --- Waiting ------------------------------------------------------------------------------- */

void fsc_waitq_wait(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg)
{
	wait_event(q->head, cond(arg));
}

bool fsc_waitq_wait_ms(struct fsc_waitq *q, bool (*cond)(void *arg), void *arg,
		       uint32_t timeout_ms)
{
	return wait_event_timeout(q->head, cond(arg), msecs_to_jiffies(timeout_ms)) != 0;
}

/* --- Deferred work -------------------------------------------------------------------------- */

struct fsc_workq {
	struct workqueue_struct *wq;
	spinlock_t lock;
	struct list_head waiting; /* fsc_work.node: queued and not begun */
	bool ending;              /* delays are 0 from now on */
};

struct fsc_workq *fsc_workq_create(const char *name)
{
	struct fsc_workq *q = kzalloc(sizeof(*q), GFP_KERNEL);

	if (!q)
		return NULL;
	q->wq = alloc_workqueue("%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, name);
	if (!q->wq) {
		kfree(q);
		return NULL;
	}
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiting);
	return q;
}

/* Let everything that waits for its timer run now; false: nothing waits. */
static bool fsc_workq_hurry(struct fsc_workq *q)
{
	struct fsc_work *w;
	unsigned long irq;
	bool any;

	spin_lock_irqsave(&q->lock, irq);
	q->ending = true;
	any = !list_empty(&q->waiting);
	/* (What waits for its turn, or has just got it, would run twice.) */
	list_for_each_entry(w, &q->waiting, node)
		if (timer_pending(&w->dwork.timer))
			mod_delayed_work(q->wq, &w->dwork, 0);
	spin_unlock_irqrestore(&q->lock, irq);
	return any;
}

void fsc_workq_destroy(struct fsc_workq *q)
{
	/* An item that runs may queue itself or another: until none does. */
	while (fsc_workq_hurry(q))
		flush_workqueue(q->wq);
	destroy_workqueue(q->wq);
	kfree(q);
}

bool fsc_work_queue(struct fsc_workq *q, struct fsc_work *w, uint32_t delay_ms)
{
	unsigned long irq, delay = msecs_to_jiffies(delay_ms);
	bool queued;

	spin_lock_irqsave(&q->lock, irq);
	if (q->ending)
		delay = 0;
	w->q = q;
	queued = queue_delayed_work(q->wq, &w->dwork, delay);
	if (queued)
		list_move_tail(&w->node, &q->waiting);
	else if (timer_pending(&w->dwork.timer) &&
		 time_before(jiffies + delay, READ_ONCE(w->dwork.timer.expires)))
		mod_delayed_work(q->wq, &w->dwork, delay);
	spin_unlock_irqrestore(&q->lock, irq);
	return queued;
}

/* Off the list, unless it was queued again. */
static void fsc_work_begun(struct fsc_workq *q, struct fsc_work *w)
{
	unsigned long irq;

	spin_lock_irqsave(&q->lock, irq);
	if (!delayed_work_pending(&w->dwork))
		list_del_init(&w->node);
	spin_unlock_irqrestore(&q->lock, irq);
}

void fsc_work_run(struct work_struct *work)
{
	struct fsc_work *w = container_of(to_delayed_work(work), struct fsc_work, dwork);

	fsc_work_begun(w->q, w);
	w->fn(w); /* may free it */
}

bool fsc_work_cancel_sync(struct fsc_workq *q, struct fsc_work *w)
{
	bool queued = cancel_delayed_work_sync(&w->dwork);

	fsc_work_begun(q, w);
	return queued;
}

/* --- The rest ------------------------------------------------------------------------------ */

uint64_t fsc_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

uint64_t fsc_random64(void)
{
	return get_random_u64();
}

/* The kernel's function leaves both inversions to its caller. */
uint32_t fsc_crc32c(uint32_t crc, const void *data, size_t len)
{
	return ~crc32c(~crc, data, len);
}

void fsc_log(enum fsc_log_level level, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	switch (level) {
	case FSC_LOG_ERR:
		pr_err("%pV\n", &vaf);
		break;
	case FSC_LOG_WARN:
		pr_warn("%pV\n", &vaf);
		break;
	case FSC_LOG_INFO:
		pr_info("%pV\n", &vaf);
		break;
	case FSC_LOG_DEBUG:
		pr_debug("%pV\n", &vaf);
		break;
	}
	va_end(args);
}

const char *fsc_error_text(int err, char *buf)
{
	snprintf(buf, FSC_ERROR_TEXT_MAX, "%pe", ERR_PTR(err));
	return buf;
}

void fsc_bug(const char *cond, const char *func)
{
	WARN(1, "libfscache: %s: %s\n", func, cond);
}

/* Memory may still be waiting for fsc_unmap(). */
void fsc_env_exit(void)
{
	flush_work(&fsc_unmap_work);
}
