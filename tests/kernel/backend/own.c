// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * own.c - what only the kernel's backend has: a netfs's iterators, memory that isn't contiguous,
 * transfers that are asked for in a completion.
 */
#include <linux/bvec.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#ifdef FSC_HAVE_FOLIO_QUEUE
#include <linux/folio_queue.h>
#endif

#include <fscache/env.h>

#include "own.h"

#define G FSC_GRANULE_SIZE
#define PAGES 40u
#define LEN (PAGES * PAGE_SIZE)
#define INTO 26u /* pages: where a window begins, which ends behind the first folio queue */
#define LINKS 64u /* of a chain of transfers */

struct own {
	struct fsc_backend *be;
	struct fsc_file *file;
	struct page *pages[PAGES];
	int failed;
};

static bool check(struct own *o, const char *what, int64_t got, int64_t want)
{
	if (got == want)
		return true;
	fsc_log(FSC_LOG_ERR, "own: %s is %lld, expected %lld", what, (long long)got,
		(long long)want);
	o->failed++;
	return false;
}

/* --- One transfer ---------------------------------------------------------------------------------- */

struct one {
	struct fsc_io io; /* first */
	struct completion ended;
	int64_t result;
};

static void one_done(struct fsc_io *io, int64_t ret)
{
	struct one *one = (struct one *)io;

	one->result = ret;
	complete(&one->ended);
}

static int64_t transfer(struct own *o, uint64_t pos, struct fsc_buf buf, uint32_t flags, bool write)
{
	struct one *one = kzalloc(sizeof(*one), GFP_KERNEL);
	int64_t ret;

	if (!one)
		return -ENOMEM;
	init_completion(&one->ended);
	one->io = (struct fsc_io){
		.file = o->file, .pos = pos, .buf = buf, .flags = flags, .done = one_done,
	};
	if (write)
		o->be->ops->write(&one->io);
	else
		o->be->ops->read(&one->io);
	wait_for_completion(&one->ended);
	ret = one->result;
	kfree(one);
	return ret;
}

/* --- Iterators ---------------------------------------------------------------------------------------- */

static void fill_pages(struct own *o, uint8_t seed)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		memset(page_address(o->pages[i]), (int)(seed + i), PAGE_SIZE);
}

static bool page_is(struct own *o, unsigned int page, unsigned int value)
{
	return !memchr_inv(page_address(o->pages[page]), (int)value, PAGE_SIZE);
}

/* Write a window of what @source stands for, and read it back through @dest, at another place. A
 * wrong direction in an iterator doesn't matter. */
static void there_and_back(struct own *o, const char *kind, struct iov_iter *source,
			   struct iov_iter *dest)
{
	struct fsc_buf out = { source, 4 * PAGE_SIZE, 8 * PAGE_SIZE, FSC_BUF_ITER };
	struct fsc_buf in = { dest, INTO * PAGE_SIZE, 8 * PAGE_SIZE, FSC_BUF_ITER };
	const size_t count = dest->count;
	unsigned int i;

	fsc_log(FSC_LOG_INFO, "own: iterator %s", kind);
	fill_pages(o, 100);
	check(o, "written", transfer(o, 64 * G, out, 0, true), 8 * PAGE_SIZE);
	fill_pages(o, 1);
	check(o, "read", transfer(o, 64 * G, in, 0, false), 8 * PAGE_SIZE);
	for (i = 0; i < PAGES; i++)
		check(o, "page as expected",
		      page_is(o, i, i >= INTO && i < INTO + 8 ? 104 + i - INTO : 1 + i), true);
	/* Neither was used up. */
	check(o, "source's count", (int64_t)source->count, (int64_t)count);
	check(o, "destination's count", (int64_t)dest->count, (int64_t)count);
	check(o, "waited for", transfer(o, 64 * G, in, FSC_IO_MAY_BLOCK, false), 8 * PAGE_SIZE);
}

static void iter_bvec(struct own *o)
{
	struct bio_vec *vec = kcalloc(PAGES, sizeof(*vec), GFP_KERNEL);
	struct iov_iter it;
	unsigned int i;

	if (!check(o, "bvec", !!vec, true))
		return;
	for (i = 0; i < PAGES; i++)
		vec[i] = (struct bio_vec){ .bv_page = o->pages[i], .bv_len = PAGE_SIZE };
	iov_iter_bvec(&it, ITER_DEST, vec, PAGES, LEN);
	there_and_back(o, "bvec", &it, &it);
	kfree(vec);
}

/* As pages of a netfs's inode are handed over, from another place than the beginning. */
static void iter_xarray(struct own *o)
{
	struct xarray xa;
	struct iov_iter it;
	unsigned int i;

	xa_init(&xa);
	for (i = 0; i < PAGES; i++) {
		o->pages[i]->index = 7 + i;
		check(o, "xa_store", xa_err(xa_store(&xa, 7 + i, o->pages[i], GFP_KERNEL)), 0);
	}
	iov_iter_xarray(&it, ITER_SOURCE, &xa, (loff_t)7 * PAGE_SIZE, LEN);
	there_and_back(o, "xarray", &it, &it);
	xa_destroy(&xa);
}

#ifdef FSC_HAVE_FOLIO_QUEUE
static void iter_folioq(struct own *o)
{
	struct folio_queue *q = kcalloc(2, sizeof(*q), GFP_KERNEL);
	struct iov_iter it;
	unsigned int i;

	if (!check(o, "folio queue", !!q, true))
		return;
	folioq_init(&q[0], 0);
	folioq_init(&q[1], 0);
	q[0].next = &q[1];
	q[1].prev = &q[0];
	for (i = 0; i < PAGES; i++)
		folioq_append(&q[folioq_full(&q[0])], page_folio(o->pages[i]));
	iov_iter_folio_queue(&it, ITER_DEST, q, 0, 0, LEN);
	there_and_back(o, "folioq", &it, &it);
	kfree(q);
}
#endif

/* --- Memory --------------------------------------------------------------------------------------------- */

static void memory(struct own *o, const char *kind, uint8_t *mem, size_t len)
{
	struct fsc_buf buf = { mem, 0, len, FSC_BUF_MEM };
	size_t i;

	if (!check(o, kind, !!mem, true))
		return;
	for (i = 0; i < len; i++)
		mem[i] = (uint8_t)(i / 251);
	check(o, kind, transfer(o, 0, buf, 0, true), (int64_t)len);
	memset(mem, 0, len);
	check(o, kind, transfer(o, 0, buf, 0, false), (int64_t)len);
	for (i = 0; i < len && mem[i] == (uint8_t)(i / 251); i++)
		;
	check(o, kind, (int64_t)i, (int64_t)len);
}

static void memories(struct own *o)
{
	uint8_t *mem = vmalloc(33 * PAGE_SIZE);

	memory(o, "vmalloc", mem, 33 * PAGE_SIZE);
	/* A transfer that begins and ends inside a page. */
	if (mem && o->be->io_align < PAGE_SIZE)
		memory(o, "vmalloc, unaligned", mem + o->be->io_align, 2 * PAGE_SIZE);
	vfree(mem);
	mem = kmalloc(8 * PAGE_SIZE, GFP_KERNEL);
	memory(o, "kmalloc", mem, 8 * PAGE_SIZE);
	kfree(mem);
}

/* --- Chains ----------------------------------------------------------------------------------------------- */

/* Each completion asks for the next transfer, as the core does for the rest of a short one. */
struct chain {
	struct fsc_io io; /* first */
	struct own *o;
	struct completion ended;
	bool write;
	unsigned int left, atomic, wrong;
};

static void next_link(struct chain *c)
{
	c->io.pos = (uint64_t)(LINKS - c->left) * G;
	if (c->write)
		c->o->be->ops->write(&c->io);
	else
		c->o->be->ops->read(&c->io);
}

static void link_done(struct fsc_io *io, int64_t ret)
{
	struct chain *c = (struct chain *)io;

	c->wrong += ret != G;
	c->atomic += !in_task();
	if (--c->left)
		next_link(c);
	else
		complete(&c->ended);
}

static unsigned int run_chain(struct own *o, bool write)
{
	struct chain *c = kzalloc(sizeof(*c), GFP_KERNEL);
	unsigned int atomic;

	if (!check(o, "chain", !!c, true))
		return 0;
	init_completion(&c->ended);
	c->o = o;
	c->write = write;
	c->left = LINKS;
	c->io.file = o->file;
	c->io.buf = (struct fsc_buf){ page_address(o->pages[0]), 0, G, FSC_BUF_MEM };
	c->io.done = link_done;
	next_link(c);
	wait_for_completion(&c->ended);
	check(o, "wrong transfers of a chain", c->wrong, 0);
	atomic = c->atomic;
	kfree(c);
	return atomic;
}

static void chains(struct own *o)
{
	unsigned int write = run_chain(o, true), read = 0, tries = 0;

	/* A fast disk has often ended before the filesystem has looked. */
	while (!read && tries++ < 100)
		read = run_chain(o, false);
	fsc_log(FSC_LOG_INFO, "own: %u of %u reads and %u writes ended in interrupt context", read,
		LINKS, write);
	/* Else this has tried nothing. */
	check(o, "reads in interrupt context", read > 0, true);
}

/* --- The run ------------------------------------------------------------------------------------------------ */

static void run_tests(struct own *o)
{
	iter_bvec(o);
	iter_xarray(o);
#ifdef FSC_HAVE_FOLIO_QUEUE
	iter_folioq(o);
#endif
	memories(o);
	chains(o);
}

static void with_file(struct own *o)
{
	struct fsc_dir *root;

	if (!check(o, "dir_open", o->be->ops->dir_open(o->be, NULL, NULL, false, &root), 0))
		return;
	if (check(o, "tmpfile", o->be->ops->tmpfile(root, 256 * G, &o->file), 0)) {
		run_tests(o);
		o->be->ops->file_close(o->file);
	}
	o->be->ops->dir_close(root);
}

int fsc_own_run(struct fsc_backend *be)
{
	struct own o = { .be = be };
	bool all = true;
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		o.pages[i] = alloc_page(GFP_KERNEL);
		all &= !!o.pages[i];
	}
	if (check(&o, "pages", all, true))
		with_file(&o);
	for (i = 0; i < PAGES; i++)
		if (o.pages[i])
			__free_page(o.pages[i]);
	return o.failed;
}
