// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * read.c - reading from the cache.
 *
 * All that was asked for or nothing: what the netfs library is told of the rest differs between its
 * versions, and one of them serves what isn't there (compat.h). What is not to be had is the
 * server's, and a read that comes after it is noted as a promise (promise.c).
 */
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "module.h"
#include "trace.h"

struct fsc_kread {
	struct fsc_gio gio;
	struct iov_iter iter;
	struct netfs_cache_resources *cres;
	netfs_io_terminated_t done; /* NULL: somebody sleeps on @waited */
	void *priv;
	size_t len;
	s64 ret;
	struct completion waited;
};

/* Beyond the object's end the granule holds anything. */
static void zero_tail(struct fsc_kread *rd, s64 bytes)
{
	struct fsc_buf tail = rd->gio.buf;

	tail.off = bytes;
	tail.len = rd->len - bytes;
	if (tail.len)
		fsc_buf_zero(&tail);
}

/* In interrupt context, maybe. The generation and the cookie are pinned by the operation, which
 * doesn't end before its netfs was told; that comes last. */
static void read_done(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_kread *rd = container_of(gio, struct fsc_kread, gio);
	netfs_io_terminated_t done = rd->done;
	void *priv = rd->priv;

	if (ret >= 0 && fsc_kop_is_stale(rd->cres))
		ret = -ESTALE;
	trace_libfscache_read(fscache_cres_cookie(rd->cres), gio->pos, rd->len, ret);
	if (ret >= 0)
		zero_tail(rd, ret);
	if (!done) {
		rd->ret = ret;
		complete(&rd->waited);
		return;
	}
	ret = fsc_kread_result(ret, rd->len);
	kfree(rd);
	done(priv, ret, true);
}

static fsc_may_fail struct fsc_kread *fsc_kread_new(void)
{
	return kzalloc(sizeof(struct fsc_kread), GFP_NOFS | __GFP_NOWARN);
}
ALLOW_ERROR_INJECTION(fsc_kread_new, NULL);

static int read_gen(struct fsc_gen *gen, struct netfs_cache_resources *cres, loff_t pos,
		    struct iov_iter *iter, netfs_io_terminated_t done, void *priv)
{
	struct fsc_kread *rd = fsc_kread_new();
	s64 ret = 0;

	if (!rd)
		return -ENOMEM;
	rd->iter = *iter;
	rd->cres = cres;
	rd->done = done;
	rd->priv = priv;
	rd->len = iov_iter_count(iter);
	init_completion(&rd->waited);
	rd->gio.gen = gen;
	rd->gio.pos = pos;
	rd->gio.buf.mem = &rd->iter;
	rd->gio.buf.len = rd->len;
	rd->gio.buf.kind = FSC_BUF_ITER;
	rd->gio.flags = done ? 0 : FSC_IO_MAY_BLOCK;
	rd->gio.done = read_done;
	fscache_count_read();
	fsc_gen_read(&rd->gio);
	if (!done) {
		wait_for_completion(&rd->waited);
		ret = rd->ret;
		kfree(rd);
	}
	return ret < 0 ? ret : 0;
}

/* Who reads page by page and isn't told the file's size in between has it from the cookie. */
static bool fits(struct netfs_cache_resources *cres, loff_t pos, size_t len)
{
	u64 size = fsc_object_size(fsc_kop_object(cres)->obj);

	return IS_ALIGNED((u64)pos | len, FSC_GRANULE_SIZE) && len &&
	       READ_ONCE(fscache_cres_cookie(cres)->object_size) == size;
}

/* Who reads page by page asks nothing before; the page is locked, and so its file's. */
static void settle(struct netfs_cache_resources *cres, const struct iov_iter *iter)
{
	struct address_space *mapping;

	if (!iov_iter_is_bvec(iter))
		return;
	mapping = folio_mapping(page_folio(iter->bvec->bv_page));
	if (mapping)
		fsc_kobject_settle(fsc_kop_object(cres), mapping->host);
}

int fsc_kread(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
	      enum netfs_read_from_hole hole, netfs_io_terminated_t done, void *priv)
{
	struct fsc_gen *gen = fsc_kop_gen(cres, FSCACHE_WANT_READ);
	size_t len = iov_iter_count(iter);
	int ret = -ENOBUFS;

	if (gen && !done)
		settle(cres, iter);
	if (gen && fsc_kop_is_current(gen) && !fsc_kop_is_stale(cres) && fits(cres, pos, len))
		ret = read_gen(gen, cres, pos, iter, done, priv);
	if (!done) {
		if (ret < 0 && gen && !fsc_kop_is_stale(cres))
			fsc_promise(fsc_kop_object(cres), pos, pos + len);
		return ret;
	}
	/* Not begun: else it tells itself, and maybe has. */
	if (ret < 0)
		done(priv, fsc_kread_result(ret, len), false);
	return ret;
}
