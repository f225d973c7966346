// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nfs.c - what both versions have alike: handles, attributes, open files, transfers, connecting.
 */
#include "nfs.h"

#include <errno.h>
#include <fcntl.h>
#include <fscache/fscache.h>
#include <nfsc/libnfs-raw-nfs4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/resolve.h"
#include "dir.h"
#include "mountd.h"
#include "v3.h"
#include "v4.h"
#include "zdr.h"

/* --- What the server says --------------------------------------------------------------------- */

/* Up to 71 they are BSD's numbers; those that Linux has too, and the rest. */
int64_t nfsc_errno(uint32_t status)
{
	static const struct {
		uint32_t status;
		int err;
	} others[] = {
		{ NFS4ERR_NAMETOOLONG, ENAMETOOLONG },
		{ NFS4ERR_NOTEMPTY, ENOTEMPTY },
		{ NFS4ERR_DQUOT, EDQUOT },
		{ NFS4ERR_STALE, ESTALE },
		{ 71, EREMOTE },
		{ NFS4ERR_BADHANDLE, ESTALE },
		{ NFS4ERR_BAD_COOKIE, EBADE },
		{ NFS4ERR_NOTSUPP, EOPNOTSUPP },
		{ NFS4ERR_TOOSMALL, EINVAL },
		{ NFS4ERR_BADTYPE, EINVAL },
		{ NFS4ERR_DENIED, EAGAIN },
		{ NFS4ERR_LOCKED, EAGAIN },
		{ NFS4ERR_SHARE_DENIED, EACCES },
		{ NFS4ERR_WRONGSEC, EPERM },
		{ NFS4ERR_FHEXPIRED, ESTALE },
		{ NFS4ERR_MINOR_VERS_MISMATCH, EPROTONOSUPPORT },
		{ NFS4ERR_SYMLINK, ELOOP },
		{ NFS4ERR_ATTRNOTSUPP, EOPNOTSUPP },
		{ NFS4ERR_BADOWNER, EINVAL },
		{ NFS4ERR_BADCHAR, EILSEQ },
		{ NFS4ERR_BADNAME, EINVAL },
		{ NFS4ERR_OPENMODE, EACCES },
		{ NFS4ERR_FILE_OPEN, EBUSY },
		{ NFS4ERR_OP_ILLEGAL, EOPNOTSUPP },
	};

	if (status == NFS4ERR_DELAY || status == NFS4ERR_GRACE)
		return NFS_LATER;
	if (status <= NFS4ERR_MLINK)
		return -(int64_t)status;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].status == status)
			return -others[i].err;
	}
	return -EIO;
}

bool nfsc_fh_set(struct nfsc_fh *fh, const void *data, size_t len, size_t max)
{
	if (!data || !len || len > max || len > sizeof(fh->data))
		return false;
	fh->len = (uint32_t)len;
	memcpy(fh->data, data, len);
	return true;
}

/* The handle is the key: servers put a generation into it, so it is never another file's. */
void nfsc_attr_end(struct netfs_attr *attr, const struct nfsc_fh *fh)
{
	attr->key_len = (uint8_t)fh->len;
	memcpy(attr->key, fh->data, fh->len);
	attr->arrived_ms = fsc_clock_ms();
}

/* --- Nodes and files -------------------------------------------------------------------------- */

struct nfsc_node *nfsc_node_new(struct netfs *fs, const struct nfsc_fh *fh)
{
	struct nfsc_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->node.fs = fs;
	atomic_init(&node->node.refs, 1);
	node->fh = *fh;
	return node;
}

void nfsc_node_free(struct netfs_node *node)
{
	free(nfsc_node_of(node));
}

int nfsc_root(struct netfs *fs, struct netfs_node **out, struct netfs_attr *attr)
{
	struct netfs_node *root = &nfsc_of(fs)->root->node;
	int err = fs->ops->getattr(root, NULL, attr);

	if (!err)
		*out = netfs_node_get(root);
	return err;
}

int nfsc_file_new(struct netfs_node *node, int flags, struct netfs_file **out)
{
	struct nfsc_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->flags = flags;
	if (flags & O_DIRECTORY)
		file->dir = nfsc_dir_new();
	file->open = nfsc_open_get(node);
	if (!file->open || ((flags & O_DIRECTORY) && !file->dir)) {
		if (file->open)
			nfsc_open_put(nfsc_of(node->fs), file->open);
		nfsc_dir_free(file->dir);
		free(file);
		return -ENOMEM;
	}
	file->file.node = netfs_node_get(node);
	*out = &file->file;
	return 0;
}

/* Nothing is opened on the server, so ask for the permission: what is warm is read without it. */
int nfsc_open(struct netfs_node *node, int flags, struct netfs_file **out)
{
	const struct netfs_ops *ops = node->fs->ops;
	int how = flags & O_ACCMODE;
	struct stat empty = { 0 };
	int err;

	err = ops->access(node, how == O_RDONLY ? R_OK : how == O_WRONLY ? W_OK : R_OK | W_OK);
	if (!err && (flags & O_TRUNC))
		err = ops->setattr(node, NULL, NETFS_SET_SIZE, &empty, NULL);
	return err ? err : nfsc_file_new(node, flags, out);
}

int nfsc_close(struct netfs_file *file)
{
	struct nfsc_file *f = nfsc_file_of(file);

	nfsc_open_put(nfsc_of(file->node->fs), f->open);
	nfsc_dir_free(f->dir);
	netfs_node_put(file->node);
	free(f);
	return 0;
}

/* Every write is on the server's disk when it is answered (FILE_SYNC): what the server may lose
 * when it restarts would have to be kept here to be written again, and this client keeps nothing.
 */
int nfsc_fsync(struct netfs_file *file, bool data_only)
{
	(void)file, (void)data_only;
	return 0;
}

/* --- Transfers -------------------------------------------------------------------------------- */

size_t nfsc_read_max(struct netfs_file *file)
{
	return nfsc_of(file->node->fs)->read_max;
}

size_t nfsc_write_max(struct netfs_file *file)
{
	return nfsc_of(file->node->fs)->write_max;
}

static struct nfsc_transfer *transfer_of(struct netfs_io *io)
{
	return (struct nfsc_transfer *)(void *)io->priv;
}

static void transfer_done(struct nfsc_req *req, int64_t result)
{
	struct netfs_io *io = ((struct nfsc_transfer *)(void *)req)->io;

	io->done(io, result);
}

void nfsc_transfer(struct netfs_io *io, bool write,
		   int (*send)(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb,
			       void *priv),
		   int64_t (*reply)(struct nfsc_req *req, void *res))
{
	struct nfs *nfs = nfsc_of(io->file->node->fs);
	struct nfsc_transfer *t = transfer_of(io);
	size_t max = write ? nfs->write_max : nfs->read_max;

	if (io->pos > INT64_MAX || io->len > INT64_MAX - io->pos) {
		io->done(io, -EINVAL);
		return;
	}
	if (!io->len) {
		io->done(io, 0);
		return;
	}
	if (io->len > max)
		io->len = max;
	memset(t, 0, sizeof(*t));
	t->io = io;
	/* At the same place with the same bytes: twice is as good as once. */
	t->req.again = true;
	t->req.bytes = write ? io->len : 0;
	t->req.send = send;
	t->req.reply = reply;
	t->req.done = transfer_done;
	nfsc_req_start(nfs->loop, &t->req);
}

int64_t nfsc_took_read(struct nfsc_transfer *t, const char *data, size_t len, bool eof)
{
	struct nfs *nfs = nfsc_of(t->io->file->node->fs);

	if (len > t->io->len || (len && !data) || (!len && !eof))
		return -EPROTO;
	memcpy(t->io->buf, data, len);
	if (len) {
		atomic_fetch_add_explicit(&nfs->server_read_bytes, len, memory_order_relaxed);
		atomic_fetch_add_explicit(&nfs->server_reads, 1, memory_order_relaxed);
	}
	return (int64_t)len;
}

int64_t nfsc_took_write(struct nfsc_transfer *t, size_t len)
{
	struct nfs *nfs = nfsc_of(t->io->file->node->fs);

	if (!len || len > t->io->len)
		return -EPROTO;
	atomic_fetch_add_explicit(&nfs->server_write_bytes, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&nfs->server_writes, 1, memory_order_relaxed);
	return (int64_t)len;
}

void nfsc_cancel(struct netfs_io *io)
{
	nfsc_req_cancel(nfsc_of(io->file->node->fs)->loop, &transfer_of(io)->req);
}

/* --- The connection --------------------------------------------------------------------------- */

void nfsc_abort(struct netfs *fs)
{
	nfsc_loop_abort(nfsc_of(fs)->loop);
}

int nfsc_error(struct netfs *fs, const char **text)
{
	return nfsc_loop_error(nfsc_of(fs)->loop, text);
}

void nfsc_drive(struct netfs *fs, struct fsc_backend *be)
{
	nfsc_loop_drive(nfsc_of(fs)->loop, be);
}

void nfsc_counters(struct netfs *fs, struct netfs_counters *out)
{
	struct nfs *nfs = nfsc_of(fs);

	memset(out, 0, sizeof(*out));
	nfsc_loop_counters(nfs->loop, out);
	out->server_read_bytes = atomic_load(&nfs->server_read_bytes);
	out->server_reads = atomic_load(&nfs->server_reads);
	out->server_write_bytes = atomic_load(&nfs->server_write_bytes);
	out->server_writes = atomic_load(&nfs->server_writes);
}

void nfsc_disconnect(struct netfs *fs)
{
	struct nfs *nfs = nfsc_of(fs);

	if (nfs->root)
		netfs_node_put(&nfs->root->node);
	if (nfs->loop)
		nfsc_loop_close(nfs->loop);
	nfsc4_state_free(nfs->v4);
	nfsc_opens_free(nfs->opens);
	free(nfs);
}

static int connect_one(struct nfs *nfs, struct nfsc_loop_params *loop, char *why, size_t why_size)
{
	char text[256];
	int err = nfsc_loop_open(loop, &nfs->loop, text, sizeof(text));

	if (err)
		snprintf(why, why_size, "the NFS service at %s, port %u: %s", loop->address,
			 loop->port, text);
	return err;
}

/* The first of the host's addresses that takes a connection, which it stays with: libnfs would look
 * the name up on each connection, and hold up the loop. */
static int connect_any(struct nfs *nfs, const struct nfsc_params *params,
		       struct nfsc_loop_params *loop, char *address, char *why, size_t why_size)
{
	struct addrinfo *found, *a;
	int err = resolve(params->host, NULL, loop->timeout_ms, &found);

	snprintf(why, why_size, "%s", err ? gai_strerror(err) : "the host has no address");
	if (err)
		return -EHOSTUNREACH;
	err = -EADDRNOTAVAIL;
	loop->address = address;
	for (a = found; a && err; a = a->ai_next) {
		if (!getnameinfo(a->ai_addr, a->ai_addrlen, address, NI_MAXHOST, NULL, 0,
				 NI_NUMERICHOST))
			err = connect_one(nfs, loop, why, why_size);
	}
	freeaddrinfo(found);
	return err;
}

static int find_root(struct nfs *nfs, const struct nfsc_params *params, const char *address,
		     char *why, size_t why_size)
{
	struct nfsc_fh fh;
	int err;

	if (nfs->version == 3)
		err = nfsc_mountd_root(address, params->mount_port, params->export,
				       nfs->params.timeout_ms, &fh, why, why_size);
	else
		err = nfsc4_root(nfs, params->export, &fh, why, why_size);
	if (err)
		return err;
	nfs->root = nfsc_node_new(&nfs->fs, &fh);
	if (nfs->root)
		err = nfs->version == 3 ? nfsc3_limits(nfs) : nfsc4_limits(nfs);
	if (!nfs->root || err)
		snprintf(why, why_size, "asking about '%s': %s", params->export,
			 strerror(nfs->root ? -err : ENOMEM));
	return nfs->root ? err : -ENOMEM;
}

int nfsc_connect(const struct nfsc_params *params, const struct netfs_params *common,
		 struct netfs **out, char *why, size_t why_size)
{
	struct nfsc_loop_params loop = {
		.port = params->port ? params->port : NFS_PORT,
		.version = params->version,
		.reconnect = common->reconnect,
		.timeout_ms = common->timeout_ms ? common->timeout_ms : NFS_TIMEOUT_MS,
	};
	struct nfs *nfs = calloc(1, sizeof(*nfs));
	char address[NI_MAXHOST];
	int err;

	snprintf(why, why_size, "out of memory");
	if (!nfs)
		return -ENOMEM;
	if (!nfsc_zdr_ready()) {
		snprintf(why, why_size, "this libnfs can't be given bounds");
		free(nfs);
		return -ELIBBAD;
	}
	nfs->fs.ops = params->version == 3 ? &nfsc3_ops : &nfsc4_ops;
	nfs->version = params->version;
	nfs->params = *common;
	nfs->params.timeout_ms = loop.timeout_ms;
	err = connect_any(nfs, params, &loop, address, why, why_size);
	if (!err)
		err = nfsc_opens_new(nfs);
	if (!err && params->version == 4)
		err = nfsc4_state_new(nfs);
	if (!err)
		err = find_root(nfs, params, address, why, why_size);
	if (err)
		nfsc_disconnect(&nfs->fs);
	else
		*out = &nfs->fs;
	return err;
}
