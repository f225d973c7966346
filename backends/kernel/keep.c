// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * keep.c - storing what came from the server.
 *
 * The bytes are in pages that the netfs leaves unchanged until it is told; it is told success
 * whatever became of them, as they are on the server anyway, and all it would do with an error is
 * to try again or to throw away what is good.
 */
#include <linux/completion.h>
#include <linux/slab.h>

#include "module.h"
#include "trace.h"

struct fsc_kkeep;

/* One run of granules. */
struct part {
	struct fsc_gio gio;
	struct fsc_kkeep *keep;
	struct part *next;
};

struct fsc_kkeep {
	struct iov_iter iter;
	struct netfs_cache_resources *cres;
	netfs_io_terminated_t done; /* NULL: somebody sleeps on @waited */
	void *priv;
	loff_t pos;
	size_t len;      /* that it was called with */
	atomic_t left;   /* stores in flight, and one for who starts them */
	struct part *parts;
	struct part first;
	struct completion waited;
};

static fsc_may_fail struct fsc_kkeep *fsc_kkeep_new(void)
{
	return kzalloc(sizeof(struct fsc_kkeep), GFP_NOFS | __GFP_NOWARN);
}
ALLOW_ERROR_INJECTION(fsc_kkeep_new, NULL);

static void free_keep(struct fsc_kkeep *keep)
{
	struct part *part;

	while ((part = keep->parts)) {
		keep->parts = part->next;
		if (part != &keep->first)
			kfree(part);
	}
	kfree(keep);
}

/* The operation has the generation and the cookie pinned until the netfs was told. */
static void put_keep(struct fsc_kkeep *keep, bool async)
{
	netfs_io_terminated_t done = keep->done;
	void *priv = keep->priv;
	size_t len = keep->len;

	if (!atomic_dec_and_test(&keep->left))
		return;
	if (!done) {
		complete(&keep->waited);
		return;
	}
	free_keep(keep);
	done(priv, len, async);
}

static void part_done(struct fsc_gio *gio, int64_t ret)
{
	struct part *part = container_of(gio, struct part, gio);
	struct fsc_kkeep *keep = part->keep;
	struct fscache_cookie *cookie = fscache_cres_cookie(keep->cres);

	trace_libfscache_keep(cookie, gio->pos, gio->buf.len, ret);
	if (ret >= 0 && !test_bit(FSCACHE_COOKIE_HAVE_DATA, &cookie->flags))
		set_bit(FSCACHE_COOKIE_HAVE_DATA, &cookie->flags);
	put_keep(keep, true);
}

static struct part *new_part(struct fsc_kkeep *keep)
{
	struct part *part = keep->parts ? kzalloc(sizeof(*part), GFP_NOFS | __GFP_NOWARN) :
					  &keep->first;

	if (part)
		part->keep = keep;
	return part;
}

/* The first run in [*@pos, end) that may be stored is readied; *@pos is moved behind it. */
static int ready_part(struct fsc_kkeep *keep, struct fsc_gen *gen, u64 *pos, u64 end)
{
	struct part *part = new_part(keep);
	struct fsc_gio *gio;
	int err;

	if (!part)
		return -ENOMEM;
	gio = &part->gio;
	memset(gio, 0, sizeof(*gio));
	gio->gen = gen;
	gio->pos = *pos;
	gio->buf.mem = &keep->iter;
	gio->buf.off = *pos - keep->pos;
	gio->buf.len = end - *pos;
	gio->buf.kind = FSC_BUF_ITER;
	gio->flags = keep->done ? 0 : FSC_IO_MAY_BLOCK;
	gio->done = part_done;
	fsc_gen_sample(gio); /* that it wasn't changed since the read: the promise says so */
	err = fsc_gen_store_prepare(gio);
	if (err) {
		trace_libfscache_keep(fscache_cres_cookie(keep->cres), *pos, end - *pos, err);
		if (part != &keep->first)
			kfree(part);
		return err;
	}
	part->next = keep->parts;
	keep->parts = part;
	*pos = gio->pos + gio->buf.len;
	return 0;
}

static void ready_promised(struct fsc_kkeep *keep, struct fsc_gen *gen, u64 end)
{
	struct fsc_kobject *ko = fsc_kop_object(keep->cres);
	u64 pos = keep->pos, run_end;
	int err;

	for (; fsc_promise_take(ko, &pos, end, &run_end); pos = run_end) {
		do
			err = ready_part(keep, gen, &pos, run_end);
		while (!err && pos < run_end);
		if (err == -ENOSPC) {
			fscache_count_no_write_space();
			fsc_kpress(ko->kv->kc);
		}
	}
}

static void submit(struct fsc_kkeep *keep)
{
	struct part *part = keep->parts, *next;

	/* The last to end frees them all: not before ours is put. */
	for (; part; part = next) {
		next = part->next;
		atomic_inc(&keep->left);
		fscache_count_write();
		fsc_gen_store(&part->gio);
	}
}

static int keep_gen(struct fsc_gen *gen, struct fsc_kkeep *keep, u64 end)
{
	bool sync = !keep->done;

	ready_promised(keep, gen, end);
	submit(keep);
	put_keep(keep, false);
	if (sync) {
		wait_for_completion(&keep->waited);
		free_keep(keep);
	}
	return 0;
}

/* The whole granules of it. @iter begins at @pos. */
static int keep_range(struct fsc_gen *gen, struct netfs_cache_resources *cres, loff_t pos,
		      struct iov_iter *iter, size_t len, netfs_io_terminated_t done, void *priv)
{
	u64 start = round_up((u64)pos, FSC_GRANULE_SIZE);
	u64 end = round_down((u64)pos + iov_iter_count(iter), FSC_GRANULE_SIZE);
	struct fsc_kkeep *keep;

	if (start >= end)
		return -ENOBUFS;
	keep = fsc_kkeep_new();
	if (!keep)
		return -ENOMEM;
	keep->iter = *iter;
	iov_iter_advance(&keep->iter, start - pos);
	keep->cres = cres;
	keep->done = done;
	keep->priv = priv;
	keep->pos = start;
	keep->len = len;
	atomic_set(&keep->left, 1);
	init_completion(&keep->waited);
	return keep_gen(gen, keep, end);
}

static int keep_or_drop(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
			size_t len, netfs_io_terminated_t done, void *priv)
{
	struct fsc_gen *gen = fsc_kop_gen(cres, FSCACHE_WANT_WRITE);
	int ret = -ENOBUFS;

	if (gen && !fsc_kop_is_stale(cres))
		ret = keep_range(gen, cres, pos, iter, len, done, priv);
	if (ret < 0 && done)
		done(priv, len, false);
	return ret;
}

int fsc_kkeep(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
	      netfs_io_terminated_t done, void *priv)
{
	return keep_or_drop(cres, pos, iter, iov_iter_count(iter), done, priv);
}

int fsc_kkeep_len(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter, size_t len,
		  netfs_io_terminated_t done, void *priv)
{
	/* Where the file ends its last page goes on, with zeroes. */
	iter->count = round_up((u64)pos + len, FSC_GRANULE_SIZE) - pos;
	return keep_or_drop(cres, pos, iter, len, done, priv);
}

int fsc_kprepare_keep(struct netfs_cache_resources *cres, loff_t *start, size_t *len)
{
	u64 end = round_up((u64)*start + *len, FSC_GRANULE_SIZE);

	if (!fsc_kop_gen(cres, FSCACHE_WANT_WRITE) || fsc_kop_is_stale(cres))
		return -ENOBUFS;
	*start = round_down((u64)*start, FSC_GRANULE_SIZE);
	*len = end - *start;
	return 0;
}
