// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine.c - 9P as a protocol of examples/common: the table, the root, what attributes mean.
 */
#include "nine.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fscache/fscache.h>

/* What the coherency data are made of. */
#define NEEDED (P9_ATTR_MTIME | P9_ATTR_CTIME | P9_ATTR_SIZE)

static struct timespec time_of(struct p9_time t)
{
	return (struct timespec){ .tv_sec = t.sec, .tv_nsec = t.nsec };
}

/*
 * The key is qid.path, as the kernel's 9p client has it. Versions: 9P has a number in the qid, and
 * 9P2000.L one for the data, but real servers leave both at 0 through any number of writes, and
 * some vouch for that; so there is no change counter.
 */
static void attr_convert(const struct nine *fs, const struct p9_attr *a, struct netfs_attr *out)
{
	uint64_t key = htole64(a->qid.path);

	memset(out, 0, sizeof(*out));
	out->arrived_ms = fsc_clock_ms();
	out->st.st_ino = a->qid.path;
	out->st.st_mode = a->mode;
	out->st.st_nlink = (nlink_t)a->nlink;
	out->st.st_uid = a->uid;
	out->st.st_gid = a->gid;
	out->st.st_rdev = a->rdev;
	out->st.st_size = (off_t)a->size;
	out->st.st_blksize = (blksize_t)a->blksize;
	out->st.st_blocks = (blkcnt_t)a->blocks;
	out->st.st_atim = time_of(a->atime);
	out->st.st_mtim = time_of(a->mtime);
	out->st.st_ctim = time_of(a->ctime);
	out->vouched = (a->valid & NEEDED) == NEEDED;
	out->versions[0] = a->qid.version;
	out->versions[1] = a->data_version;
	out->key_len = sizeof(key);
	memcpy(out->key, &key, sizeof(key));
	if (fs->opt.like_kernel)
		nine_label_like_kernel(fs, a, out);
}

int nine_take_attr(struct nine_node *n, const struct p9_attr *a, struct netfs_attr *out)
{
	if (a->qid.path != n->qid_path)
		return -ESTALE;
	atomic_store_explicit(&n->mode, a->mode, memory_order_relaxed);
	atomic_store_explicit(&n->gid, a->gid, memory_order_relaxed);
	if (out)
		attr_convert(nine_of_node(n), a, out);
	return 0;
}

/* A fid of its own, as any node has: the connection's is never given up. */
static int nine_root(struct netfs *netfs, struct netfs_node **out, struct netfs_attr *attr)
{
	struct nine *fs = nine_of(netfs);
	struct nine_node *n = nine_node_new(fs, NULL, NULL, NULL, fs->root_path);
	int err;

	if (!n)
		return -ENOMEM;
	err = nine_getattr(&n->node, NULL, attr);
	if (err)
		netfs_node_put(&n->node);
	else
		*out = &n->node;
	return err;
}

static void nine_destroy(struct nine *fs)
{
	pthread_cond_destroy(&fs->connected);
	pthread_cond_destroy(&fs->io_waits);
	pthread_mutex_destroy(&fs->moving);
	pthread_mutex_destroy(&fs->names);
	pthread_mutex_destroy(&fs->kept_lock);
	pthread_mutex_destroy(&fs->lock);
	pthread_mutex_destroy(&fs->io_lock);
	free(fs);
}

static void nine_disconnect(struct netfs *netfs)
{
	struct nine *fs = nine_of(netfs);

	nine_io_end(fs);
	nine_link_end(fs);
	nine_destroy(fs);
}

static struct nine *nine_new(const struct nine_options *opt, const struct netfs_params *params)
{
	struct nine *fs = calloc(1, sizeof(*fs));
	pthread_mutexattr_t attr;

	if (!fs)
		return NULL;
	fs->fs.ops = &nine_ops;
	fs->opt = *opt;
	fs->reconnect = params->reconnect;
	fs->timeout_ms = params->timeout_ms;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&fs->moving, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_mutex_init(&fs->names, NULL);
	pthread_mutex_init(&fs->kept_lock, NULL);
	pthread_mutex_init(&fs->lock, NULL);
	pthread_mutex_init(&fs->io_lock, NULL);
	pthread_cond_init(&fs->connected, NULL);
	pthread_cond_init(&fs->io_waits, NULL);
	LIST_INIT(&fs->links);
	TAILQ_INIT(&fs->io_queue);
	TAILQ_INIT(&fs->kept);
	return fs;
}

int nine_connect(const struct nine_options *opt, const struct netfs_params *params,
		 struct netfs **out, char *why, size_t why_size)
{
	struct nine *fs = nine_new(opt, params);
	int err;

	if (!fs) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	err = nine_link_begin(fs, why, why_size);
	if (!err) {
		err = nine_io_begin(fs);
		if (err) {
			snprintf(why, why_size, "cannot start a thread: %s", strerror(-err));
			nine_link_end(fs);
		}
	}
	if (err)
		nine_destroy(fs);
	else
		*out = &fs->fs;
	return err;
}

/* 9P has no question for access(2), and no READDIRPLUS. */
const struct netfs_ops nine_ops = {
	.name = "9p",
	.root = nine_root,
	.disconnect = nine_disconnect,
	.abort = nine_abort,
	.error = nine_error,
	.counters = nine_counters,

	.node_free = nine_node_free,
	.lookup = nine_lookup,
	.getattr = nine_getattr,
	.setattr = nine_setattr,
	.readlink = nine_readlink,
	.statfs = nine_statfs,
	.mkdir = nine_mkdir,
	.mknod = nine_mknod,
	.symlink = nine_symlink,
	.link = nine_link_make,
	.unlink = nine_unlink,
	.rmdir = nine_rmdir,
	.rename = nine_rename,
	.getxattr = nine_getxattr,
	.listxattr = nine_listxattr,
	.setxattr = nine_setxattr,
	.removexattr = nine_removexattr,

	.open = nine_open,
	.create = nine_create,
	.close = nine_close,
	.fsync = nine_fsync,
	.readdir = nine_readdir,
	.lock = nine_lock,
	.getlock = nine_getlock,

	.read_max = nine_read_max,
	.write_max = nine_write_max,
	.read = nine_read,
	.push = nine_push,
	.write = nine_write,
	.cancel = nine_cancel,
};
