// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * op.c - an operation of a netfs on the cache: its beginning and end, and its questions about where
 * bytes are to be had.
 *
 * What an operation pins is the generation that was current when it first wanted one, and it uses
 * that to its end. None to be had is no error: the netfs then goes to the server, but we are still
 * told of what it writes.
 */
#include <linux/pagemap.h>
#include <linux/pagevec.h>

#include "module.h"
#include "trace.h"

/* Transfers of this size at most: so that large ones are marked, and kept, in parts. */
#define WRITE_MAX (4u << 20)

#ifdef FSC_NETFS_ISSUES_WRITES

/* Is any dirty page one that wasn't only read? */
static bool has_local_pages(struct address_space *mapping)
{
	struct folio_batch batch;
	pgoff_t at = 0;
	unsigned int i;
	bool found = false;

	folio_batch_init(&batch);
	while (!found && filemap_get_folios_tag(mapping, &at, ULONG_MAX, PAGECACHE_TAG_DIRTY,
						&batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			found |= folio_get_private(batch.folios[i]) != NETFS_FOLIO_COPY_TO_CACHE;
		folio_batch_release(&batch);
		cond_resched();
	}
	return found;
}

/* Operations that begin without saying that they write are requests of the netfs library. */
static bool will_upload(struct netfs_cache_resources *cres)
{
	struct netfs_io_request *rreq =
		container_of(cres, struct netfs_io_request, cache_resources);

	return rreq->origin == NETFS_WRITETHROUGH ||
	       (rreq->origin == NETFS_WRITEBACK && has_local_pages(rreq->mapping));
}

#else

static bool will_upload(struct netfs_cache_resources *cres)
{
	return false;
}

#endif

/*
 * Where a file may change and its label not, what is stored must be gone for good before the server
 * has the change, or a power cut brings it back. Of writes we are told when the first of them may
 * have been sent; so what they are to be is looked up where they begin.
 */
static void foresee(struct fsc_kobject *ko, struct netfs_cache_resources *cres)
{
	/* (also if that is known: it may be known before it is gone) */
	if (ko->kv->strict && will_upload(cres))
		fsc_kobject_modified(ko);
}

bool fsc_kop_begin(struct netfs_cache_resources *cres, enum fscache_want_state want)
{
	struct fsc_kobject *ko = fsc_kop_object(cres);

	if (!ko || !ko->obj)
		return false;
	/* Only local changes begin so: a write that has been made on the server, or a resize. */
	if (want == FSCACHE_WANT_WRITE && !cres->ops) {
		fsc_kobject_modified(ko);
		cres->ops = &fsc_klocal_ops;
		return true;
	}
	if (!cres->ops) {
		fsc_kobject_refresh(ko);
		foresee(ko, cres);
	}
	cres->ops = &fsc_knetfs_ops;
	cres->cache_priv2 = fsc_object_gen(ko->obj);
	return true;
}

/* After the last line here the object may go at any moment. */
void fsc_kop_end(struct netfs_cache_resources *cres)
{
	struct fscache_cookie *cookie = fscache_cres_cookie(cres);

	fsc_gen_put(cres->cache_priv2);
	cres->cache_priv2 = NULL;
	fscache_end_cookie_access(cookie, fscache_access_io_end);
}

struct fsc_gen *fsc_kop_gen(struct netfs_cache_resources *cres, enum fscache_want_state want)
{
	if (!cres->cache_priv2 && !fscache_wait_for_operation(cres, want))
		return NULL;
	return cres->cache_priv2;
}

/* --- Where are the bytes? --------------------------------------------------------------------- */

bool fsc_kop_is_current(struct fsc_gen *gen)
{
	return fsc_gen_unchanged(gen, fsc_gen_change(gen));
}

/* The generation, if it can say anything about a file of @i_size. */
static struct fsc_gen *gen_for(struct netfs_cache_resources *cres, u64 i_size)
{
	struct fsc_gen *gen = fsc_kop_gen(cres, FSCACHE_WANT_READ);

	/* The granule with the object's end holds nothing of a file that goes on there. */
	if (!gen || fsc_kop_is_stale(cres) || !fsc_kop_is_current(gen) ||
	    fsc_object_size(fsc_kop_object(cres)->obj) != i_size)
		return NULL;
	return gen;
}

/* The first multiple of @unit from @from on where all of a unit is present, or @end. */
static u64 next_present(struct fsc_gen *gen, u64 from, u64 end, u64 unit)
{
	u64 at, run_end;

	for (at = round_up(from, unit); at < end; at += unit)
		if (fsc_gen_run(gen, at, end, &run_end) && run_end >= min(at + unit, end))
			return at;
	return end;
}

/*
 * From where are the first of the *@len bytes at @start to be read, and how many of them? *@len is
 * only made smaller, to end at a multiple of @unit, a power of two and whole granules. *@keep: what
 * the server sends is to be given to us.
 */
static enum netfs_io_source source_of(struct netfs_cache_resources *cres, u64 start, size_t *len,
				      u64 i_size, u64 unit, bool *keep)
{
	u64 end = min(start + *len, round_up(i_size, FSC_GRANULE_SIZE)), run_end;
	struct fsc_gen *gen;
	bool present;

	*keep = false;
	if (start >= i_size)
		return NETFS_FILL_WITH_ZEROES;
	gen = gen_for(cres, i_size);
	if (!gen || !IS_ALIGNED(start, FSC_GRANULE_SIZE))
		return NETFS_DOWNLOAD_FROM_SERVER;
	present = fsc_gen_run(gen, start, end, &run_end);
	/* A part of a granule at the end is the server's. */
	if (present && run_end - start < FSC_GRANULE_SIZE)
		return NETFS_DOWNLOAD_FROM_SERVER;
	if (present)
		run_end = round_down(run_end, run_end < end ? unit : FSC_GRANULE_SIZE);
	if (present && run_end <= start) {
		present = false;
		run_end = start + 1;
	}
	if (!present)
		run_end = next_present(gen, run_end, end, unit);
	/* Where the file ends the netfs cuts a server read itself. */
	if (present || run_end < end)
		*len = run_end - start;
	if (present)
		return NETFS_READ_FROM_CACHE;
	*keep = fsc_promise(fsc_kop_object(cres), start, min_t(u64, start + *len, end));
	return NETFS_DOWNLOAD_FROM_SERVER;
}

/*
 * The newer library gives us whole pages of the page cache, and takes from the last slice of each
 * whether to: what a server read brought of one that ends with zeroes, or with what we have, would
 * never be kept. What we have of it is known, and written no second time.
 */
static bool follows_a_miss(struct netfs_cache_resources *cres, u64 start, u64 request)
{
	struct fsc_gen *gen = cres->cache_priv2;
	u64 end;

	return FSC_PAGES_ARE_KEPT_WHOLE && gen && start > request && fsc_kop_is_current(gen) &&
	       !fsc_gen_run(gen, round_down(start - 1, FSC_GRANULE_SIZE), start, &end);
}

/* The folios of a request are within it, and each begins at a multiple of its size. */
static u64 largest_folio(const struct netfs_io_request *rreq)
{
	if (!fsc_slices_must_hold_folios(rreq->mapping))
		return PAGE_SIZE;
	return clamp_t(u64, rounddown_pow_of_two(rreq->len | 1), PAGE_SIZE, FSC_LARGEST_FOLIO);
}

/*
 * Nor may what comes from the server be cut within a folio. Who leaves that to the library (NFS, its
 * rsize) sends what its server takes, however long a slice is, and reads all of each folio that it
 * touches: twice, if two do. Who asks for less each time (cifs, Ceph) has its reasons.
 */
static void let_slices_hold_folios(struct netfs_io_request *rreq)
{
	if (fsc_slices_must_hold_folios(rreq->mapping))
		fsc_slices_may_have(rreq, rreq->len);
}

static enum netfs_io_source prepare_read(struct netfs_io_subrequest *subreq, fsc_kpos_t i_size)
{
	struct netfs_cache_resources *cres = &subreq->rreq->cache_resources;
	size_t len = subreq->len;
	enum netfs_io_source source;
	bool keep;

	fsc_kobject_settle(fsc_kop_object(cres), subreq->rreq->inode);
	let_slices_hold_folios(subreq->rreq);
	source = source_of(cres, subreq->start, &len, i_size, largest_folio(subreq->rreq), &keep);
	if (source != NETFS_DOWNLOAD_FROM_SERVER)
		keep = follows_a_miss(cres, subreq->start, subreq->rreq->start);
	subreq->len = len;
	if (keep)
		__set_bit(NETFS_SREQ_COPY_TO_CACHE, &subreq->flags);
	trace_libfscache_prepare_read(fscache_cres_cookie(cres), subreq->start, len, source, keep);
	return source;
}

/* The part of [start, start + len) that is present first, by whole units of @granularity. */
static int query_occupancy(struct netfs_cache_resources *cres, loff_t start, size_t len,
			   size_t granularity, loff_t *data_start, size_t *data_len)
{
	struct fsc_gen *gen = fsc_kop_gen(cres, FSCACHE_WANT_READ);
	u64 unit = max_t(u64, granularity, FSC_GRANULE_SIZE);
	u64 at = start, end = start + len, run_end, from, to;

	*data_start = -1;
	*data_len = 0;
	if (!gen || fsc_kop_is_stale(cres))
		return -ENOBUFS;
	for (; at < end; at = run_end) {
		if (!fsc_gen_run(gen, at, end, &run_end)) {
			fsc_promise(fsc_kop_object(cres), at, run_end);
			continue;
		}
		from = roundup(at, unit);
		to = rounddown(run_end, unit);
		if (from < to) {
			*data_start = from;
			*data_len = to - from;
			return 0;
		}
	}
	return -ENODATA;
}

/* A granule is kept whole or not at all. */
static void expand_readahead(struct netfs_cache_resources *cres, fsc_kpos_t *start, fsc_klen_t *len,
			     fsc_kpos_t i_size)
{
	u64 end = round_up((u64)*start + *len, FSC_GRANULE_SIZE);

	*start = round_down((u64)*start, FSC_GRANULE_SIZE);
	*len = end - *start;
}

/* --- Versions of the netfs library ------------------------------------------------------------ */

#ifdef FSC_NETFS_ISSUES_WRITES

/* Is all of it data that a server read brought? @iter is a copy. */
static bool is_server_data(const struct iov_iter *iter, size_t len)
{
	const struct folio_queue *queue = iter->folioq;
	unsigned int slot = iter->folioq_slot;
	size_t skip = iter->iov_offset, size;

	if (!iov_iter_is_folioq(iter))
		return false;
	while (len) {
		if (slot >= folioq_nr_slots(queue)) {
			queue = queue->next;
			slot = 0;
		}
		if (!queue || !folioq_folio(queue, slot) ||
		    folio_get_private(folioq_folio(queue, slot)) != NETFS_FOLIO_COPY_TO_CACHE)
			return false;
		size = folioq_folio_size(queue, slot++);
		len -= min(len, size - min(size, skip));
		skip -= min(size, skip);
	}
	return true;
}

/* What can't be told from a local write is one. */
static bool is_local(struct netfs_io_subrequest *subreq)
{
	switch (subreq->rreq->origin) {
	case NETFS_PGPRIV2_COPY_TO_CACHE:
		return false;
	case NETFS_WRITEBACK:
		return !is_server_data(&subreq->io_iter, subreq->len);
	default:
		return true;
	}
}

static void issue_write(struct netfs_io_subrequest *subreq)
{
	struct netfs_cache_resources *cres = &subreq->rreq->cache_resources;
	struct iov_iter iter = subreq->io_iter;
	size_t left = subreq->len - subreq->transferred;

	if (is_local(subreq)) {
		fsc_kobject_modified(fsc_kop_object(cres));
		netfs_write_subrequest_terminated(subreq, left, false);
		return;
	}
	fsc_kkeep_len(cres, subreq->start + subreq->transferred, &iter, left,
		      netfs_write_subrequest_terminated, subreq);
}

static void prepare_write_subreq(struct netfs_io_subrequest *subreq)
{
	subreq->rreq->io_streams[subreq->stream_nr].sreq_max_len = WRITE_MAX;
}

/* Only fscache_write_to_cache() comes here, and that has other operations. */
static int prepare_write(struct netfs_cache_resources *cres, loff_t *start, size_t *len,
			 size_t upper_len, loff_t i_size, bool no_space_allocated_yet)
{
	return fsc_kprepare_keep(cres, start, len);
}

static enum netfs_io_source prepare_ondemand_read(struct netfs_cache_resources *cres, loff_t start,
						  size_t *len, loff_t i_size, unsigned long *flags,
						  ino_t ino)
{
	bool keep;
	enum netfs_io_source source = source_of(cres, start, len, i_size, FSC_GRANULE_SIZE, &keep);

	if (keep)
		__set_bit(NETFS_SREQ_COPY_TO_CACHE, flags);
	return source;
}

#else

static int prepare_write(struct netfs_cache_resources *cres, loff_t *start, size_t *len,
			 loff_t i_size, bool no_space_allocated_yet)
{
	return fsc_kprepare_keep(cres, start, len);
}

#endif

const struct netfs_cache_ops fsc_knetfs_ops = {
	.end_operation = fsc_kop_end,
	.read = fsc_kread,
	.write = fsc_kkeep,
	.expand_readahead = expand_readahead,
	.prepare_read = prepare_read,
	.prepare_write = prepare_write,
	.query_occupancy = query_occupancy,
#ifdef FSC_NETFS_ISSUES_WRITES
	.issue_write = issue_write,
	.prepare_write_subreq = prepare_write_subreq,
	.prepare_ondemand_read = prepare_ondemand_read,
#endif
};
