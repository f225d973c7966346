// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * localwrite.c - what a netfs writes to the server itself, and tells us of through
 * fscache_write_to_cache() and fscache_resize_cookie().
 *
 * Nothing of it is kept: nobody here can prove that no other machine changed the file as well
 * (I10). What was stored went when the operation began. The answer to a write is -ENOBUFS, the one
 * error that no netfs takes for a reason to invalidate.
 */
#include "module.h"

static int refuse_read(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
		       enum netfs_read_from_hole hole, netfs_io_terminated_t done, void *priv)
{
	if (done)
		done(priv, fsc_kread_result(-ENOBUFS, iov_iter_count(iter)), false);
	return -ENOBUFS;
}

static int refuse_write(struct netfs_cache_resources *cres, loff_t pos, struct iov_iter *iter,
			netfs_io_terminated_t done, void *priv)
{
	if (done)
		done(priv, -ENOBUFS, false);
	return -ENOBUFS;
}

static enum netfs_io_source refuse_prepare_read(struct netfs_io_subrequest *subreq,
						fsc_kpos_t i_size)
{
	return NETFS_DOWNLOAD_FROM_SERVER;
}

static int refuse_query(struct netfs_cache_resources *cres, loff_t start, size_t len,
			size_t granularity, loff_t *data_start, size_t *data_len)
{
	return -ENOBUFS;
}

#ifdef FSC_NETFS_ISSUES_WRITES

static int refuse_prepare_write(struct netfs_cache_resources *cres, loff_t *start, size_t *len,
				size_t upper_len, loff_t i_size, bool no_space_allocated_yet)
{
	return -ENOBUFS;
}

#else

static int refuse_prepare_write(struct netfs_cache_resources *cres, loff_t *start, size_t *len,
				loff_t i_size, bool no_space_allocated_yet)
{
	return -ENOBUFS;
}

#endif

void fsc_kresize(struct netfs_cache_resources *cres, loff_t size)
{
	struct fscache_cookie *cookie = fscache_cres_cookie(cres);

	spin_lock(&cookie->lock);
	cookie->object_size = size;
	spin_unlock(&cookie->lock);
}

const struct netfs_cache_ops fsc_klocal_ops = {
	.end_operation = fsc_kop_end,
	.read = refuse_read,
	.write = refuse_write,
	.prepare_read = refuse_prepare_read,
	.prepare_write = refuse_prepare_write,
	.query_occupancy = refuse_query,
};
