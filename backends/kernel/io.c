// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * io.c - transfers: direct I/O by kiocb, straight between the disk and the caller's pages.
 *
 * Starting one may sleep (the filesystem finds its blocks), but the core may ask for one in a
 * completion: then a worker starts it. A completion is recognised by where it runs, or by a mark
 * that is on this processor while one runs: a filesystem ends a transfer wherever it likes, in the
 * middle of submitting another one too, or at once (holes), and a chain of those would be a chain
 * of calls.
 */
#include <linux/file.h>
#include <linux/ioprio.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "internal.h"

/* What a transfer keeps in io->backend. */
struct fsc_kb_io {
	union {
		struct kiocb iocb;
		struct work_struct work; /* until it is submitted */
	};
	struct bio_vec one;
	struct bio_vec *many; /* instead of @one, for memory in many places */
	bool write;
};

static_assert(sizeof(struct fsc_kb_io) <= sizeof(((struct fsc_io *)NULL)->backend));

static struct fsc_kb_io *own(struct fsc_io *io)
{
	return (struct fsc_kb_io *)&io->backend;
}

static struct fsc_io *io_of(struct fsc_kb_io *x)
{
	return (struct fsc_io *)((char *)x - offsetof(struct fsc_io, backend));
}

/* --- Buffers ---------------------------------------------------------------------------------- */

/* 6.1's direct I/O takes no kernel addresses, so they are all turned into pages. */
static int pages_of_vmalloc(struct fsc_kb_io *x, void *mem, size_t len, unsigned int *count)
{
	unsigned int n = DIV_ROUND_UP(offset_in_page(mem) + len, PAGE_SIZE);
	unsigned int i;

	x->many = kmalloc_array(n, sizeof(*x->many), GFP_NOFS | __GFP_NOWARN);
	if (!x->many)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		size_t part = min_t(size_t, len, PAGE_SIZE - offset_in_page(mem));

		x->many[i].bv_page = vmalloc_to_page(mem);
		x->many[i].bv_offset = offset_in_page(mem);
		x->many[i].bv_len = (unsigned int)part;
		mem += part;
		len -= part;
	}
	*count = n;
	return 0;
}

static int iter_of_mem(struct fsc_io *io, struct iov_iter *it, size_t len)
{
	struct fsc_kb_io *x = own(io);
	void *mem = io->buf.mem + io->buf.off;
	unsigned int count = 1;
	int err = 0;

	x->one.bv_len = (unsigned int)len;
	if (is_vmalloc_addr(mem)) {
		err = pages_of_vmalloc(x, mem, len, &count);
	} else {
		x->one.bv_page = virt_to_page(mem);
		x->one.bv_offset = offset_in_page(mem);
	}
	iov_iter_bvec(it, x->write ? ITER_SOURCE : ITER_DEST, x->many ? x->many : &x->one, count,
		      len);
	return err;
}

/* The iterator that is read or filled; a copy, as it is used up. */
static int make_iter(struct fsc_io *io, struct iov_iter *it)
{
	size_t len = min_t(size_t, io->buf.len, FSC_KB_MAX_TRANSFER);

	if (io->buf.kind == FSC_BUF_MEM)
		return iter_of_mem(io, it, len);
	*it = *(const struct iov_iter *)io->buf.mem;
	if (WARN_ON_ONCE(user_backed_iter(it) || it->count < io->buf.off + io->buf.len))
		return -EINVAL;
	it->data_source = own(io)->write;
	iov_iter_advance(it, io->buf.off);
	iov_iter_truncate(it, len);
	return 0;
}

/* --- Ends ------------------------------------------------------------------------------------- */

/* More than 0 while a completion runs on this processor. */
static DEFINE_PER_CPU(unsigned int, fsc_kb_completing);

/* A task stays on its processor, or its mark would be left on another. Whoever else gets the
 * processor meanwhile sees a mark that isn't his: his transfer is started by a worker. */
static void end(struct fsc_io *io, ssize_t ret)
{
	struct bio_vec *many = own(io)->many;
	bool task = in_task();

	if (task)
		migrate_disable();
	this_cpu_inc(fsc_kb_completing);
	io->done(io, ret); /* may free it */
	this_cpu_dec(fsc_kb_completing);
	if (task)
		migrate_enable();
	kfree(many);
}

static void completed(struct kiocb *iocb, long ret)
{
	struct fsc_kb_io *x = container_of(iocb, struct fsc_kb_io, iocb);

	if (x->write)
		fsc_write_ended_later(iocb);
	end(io_of(x), ret);
}

/* --- Starts ----------------------------------------------------------------------------------- */

static fsc_may_fail ssize_t fsc_kb_transfer(struct kiocb *iocb, struct iov_iter *it)
{
	ssize_t ret;

	if (!(iocb->ki_flags & IOCB_WRITE))
		return vfs_iocb_iter_read(iocb->ki_filp, iocb, it);
	fsc_write_begins(iocb);
	ret = vfs_iocb_iter_write(iocb->ki_filp, iocb, it);
	if (ret != -EIOCBQUEUED)
		fsc_write_ended_at_once(iocb);
	return ret;
}
ALLOW_ERROR_INJECTION(fsc_kb_transfer, ERRNO);

/* Once -EIOCBQUEUED was returned, @io may be gone. */
static ssize_t submit(struct fsc_io *io)
{
	struct fsc_kb_io *x = own(io);
	struct iov_iter it;
	int err;

	x->many = NULL;
	err = make_iter(io, &it);
	if (err)
		return err;
	x->iocb = (struct kiocb){
		.ki_filp = io->file->file,
		.ki_pos = (loff_t)io->pos,
		.ki_flags = IOCB_DIRECT | (x->write ? IOCB_WRITE : 0),
		.ki_complete = io->flags & FSC_IO_MAY_BLOCK ? NULL : completed,
		.ki_ioprio = get_current_ioprio(),
	};
	return fsc_kb_transfer(&x->iocb, &it);
}

static bool interrupted(ssize_t ret)
{
	return ret == -EINTR || ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
	       ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK;
}

static void start_later(struct fsc_io *io);

/* May sleep. The file is held: the filesystem may still look at its inode when the transfer has
 * ended, and with it the core's interest in the file. */
static void start_here(struct fsc_io *io)
{
	struct file *file = get_file(io->file->file);
	struct fsc_kb_scope scope = fsc_kb_enter(io->file->kb);
	ssize_t ret = submit(io);

	if (current->flags & PF_KTHREAD)
		__fput_sync(file); /* else it would be put off, and unmounting refused meanwhile */
	else
		fput(file);
	fsc_kb_leave(scope);
	if (ret == -EIOCBQUEUED)
		return;
	if (interrupted(ret) && !(current->flags & PF_KTHREAD)) {
		/* Somebody is being killed: no reason to think ill of the file. */
		kfree(own(io)->many);
		start_later(io);
	} else {
		end(io, ret);
	}
}

/* What a debug kernel knows of the work ends here: there will be an iocb in its place. */
static void start_by_worker(struct work_struct *work)
{
	destroy_work_on_stack(work);
	start_here(io_of(container_of(work, struct fsc_kb_io, work)));
}

static void start_later(struct fsc_io *io)
{
	/* The core waits for some transfers, which are on its stack. */
	if (object_is_on_stack(io))
		INIT_WORK_ONSTACK(&own(io)->work, start_by_worker);
	else
		INIT_WORK(&own(io)->work, start_by_worker);
	queue_work(io->file->kb->wq, &own(io)->work);
}

/* A limit on file sizes (RLIMIT_FSIZE) is not about our files: the writer would be killed. */
static bool may_start_here(bool write)
{
	return in_task() && !irqs_disabled() && !this_cpu_read(fsc_kb_completing) &&
	       (!write || rlimit(RLIMIT_FSIZE) == RLIM_INFINITY);
}

static void start(struct fsc_io *io, bool write)
{
	own(io)->write = write;
	if (may_start_here(write))
		start_here(io);
	else
		start_later(io);
}

void fsc_kb_read(struct fsc_io *io)
{
	start(io, false);
}

void fsc_kb_write(struct fsc_io *io)
{
	start(io, true);
}

int fsc_kb_transfer_page(struct file *file, struct page *page, bool write)
{
	struct bio_vec bvec = { .bv_page = page, .bv_len = PAGE_SIZE };
	struct kiocb iocb = {
		.ki_filp = file,
		.ki_flags = IOCB_DIRECT | (write ? IOCB_WRITE : 0),
		.ki_ioprio = get_current_ioprio(),
	};
	struct iov_iter it;
	ssize_t ret;

	iov_iter_bvec(&it, write ? ITER_SOURCE : ITER_DEST, &bvec, 1, PAGE_SIZE);
	ret = fsc_kb_transfer(&iocb, &it);
	return ret < 0 ? (int)ret : ret == PAGE_SIZE ? 0 : -EIO;
}
