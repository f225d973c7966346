// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4.c - NFSv4.0: compounds, the table of calls, and those that change nothing.
 *
 * Data are read and written by the anonymous stateid (RFC 7530, 9.1.4.3): the server checks
 * permissions and other clients' share reservations at each, and there is no open state that a
 * restart of either side could lose. Only creating a file takes an open, which is closed at once.
 */
#include "v4.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dir.h"

/* --- Compounds -------------------------------------------------------------------------------- */

nfs_argop4 *nfsc4_op(struct nfsc4_call *call, nfs_opnum4 number)
{
	nfs_argop4 *op = &call->ops[call->count++];

	memset(op, 0, sizeof(*op));
	op->argop = number;
	return op;
}

void nfsc4_putfh(struct nfsc4_call *call, struct netfs_node *node)
{
	nfs_argop4 *op = nfsc4_op(call, OP_PUTFH);
	struct nfsc_fh *fh = &nfsc_node_of(node)->fh;

	op->nfs_argop4_u.opputfh.object.nfs_fh4_len = fh->len;
	op->nfs_argop4_u.opputfh.object.nfs_fh4_val = fh->data;
}

void nfsc4_getattr_op(struct nfsc4_call *call, uint32_t mask[2])
{
	nfs_argop4 *op = nfsc4_op(call, OP_GETATTR);

	op->nfs_argop4_u.opgetattr.attr_request.bitmap4_len = 2;
	op->nfs_argop4_u.opgetattr.attr_request.bitmap4_val = mask;
}

void nfsc4_get_node(struct nfsc4_call *call)
{
	nfsc4_op(call, OP_GETFH);
	nfsc4_getattr_op(call, nfsc4_file_mask);
	call->take = nfsc4_take_node;
}

const nfs_resop4 *nfsc4_result(const COMPOUND4res *res, nfs_opnum4 number)
{
	for (u_int i = res->resarray.resarray_len; i-- > 0;) {
		if (res->resarray.resarray_val[i].resop == number)
			return &res->resarray.resarray_val[i];
	}
	return NULL;
}

int64_t nfsc4_take_node(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *fh = nfsc4_result(res, OP_GETFH);
	const nfs_resop4 *attr = nfsc4_result(res, OP_GETATTR);
	const nfs_fh4 *object;

	if (!fh || !attr)
		return -EPROTO;
	object = &fh->nfs_resop4_u.opgetfh.GETFH4res_u.resok4.object;
	if (!nfsc_fh_set(&call->fh, object->nfs_fh4_val, object->nfs_fh4_len, NFS4_FHSIZE) ||
	    !nfsc4_take_attr(&attr->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
			     &call->fh, &call->attr))
		return -EPROTO;
	return 0;
}

static int call_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct nfsc4_call *call = (struct nfsc4_call *)(void *)req;
	COMPOUND4args args = {
		.argarray = { .argarray_len = call->count, .argarray_val = call->ops },
	};

	return rpc_nfs4_compound_async(rpc, cb, &args, priv);
}

static int64_t call_reply(struct nfsc_req *req, void *data)
{
	struct nfsc4_call *call = (struct nfsc4_call *)(void *)req;
	const COMPOUND4res *res = data;
	int64_t result;

	call->status = res->status;
	if (res->status != NFS4_OK) {
		result = nfsc_errno(res->status);
		return result == NFS_LATER && call->once ? -EAGAIN : result;
	}
	/* Then each operation has a result, all of them good ones. */
	if (res->resarray.resarray_len != call->count)
		return -EPROTO;
	return call->take ? call->take(call, res) : 0;
}

int64_t nfsc4_call(struct netfs *fs, struct nfsc4_call *call)
{
	call->req.send = call_send;
	call->req.reply = call_reply;
	return nfsc_call(nfsc_of(fs)->loop, &call->req);
}

int nfsc4_call_node(struct netfs *fs, struct nfsc4_call *call, struct netfs_node **out,
		    struct netfs_attr *attr)
{
	int64_t err = nfsc4_call(fs, call);
	struct nfsc_node *node;

	if (err < 0)
		return (int)err;
	node = nfsc_node_new(fs, &call->fh);
	if (!node)
		return -ENOMEM;
	*attr = call->attr;
	*out = &node->node;
	return 0;
}

/* --- Nodes ------------------------------------------------------------------------------------ */

static int64_t take_getattr(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_GETATTR);

	if (!r || !nfsc4_take_attr(&r->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
				   call->out, &call->attr))
		return -EPROTO;
	return 0;
}

int nfsc4_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr)
{
	struct nfsc4_call call = { .req.again = true,
				   .take = take_getattr,
				   .out = &nfsc_node_of(node)->fh };
	int64_t err;

	(void)file;
	nfsc4_putfh(&call, node);
	nfsc4_getattr_op(&call, nfsc4_file_mask);
	err = nfsc4_call(node->fs, &call);
	if (!err)
		*attr = call.attr;
	return (int)err;
}

static int lookup(struct netfs_node *dir, const char *name, struct netfs_node **out,
		  struct netfs_attr *attr)
{
	struct nfsc4_call call = { .req.again = true };
	nfs_argop4 *op;

	nfsc4_putfh(&call, dir);
	op = nfsc4_op(&call, OP_LOOKUP);
	op->nfs_argop4_u.oplookup.objname = nfsc4_name(name, strlen(name));
	nfsc4_get_node(&call);
	return nfsc4_call_node(dir->fs, &call, out, attr);
}

static int64_t take_readlink(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_READLINK);
	const linktext4 *link;

	if (!r)
		return -EPROTO;
	link = &r->nfs_resop4_u.opreadlink.READLINK4res_u.resok4.link;
	if (!link->utf8string_len || memchr(link->utf8string_val, 0, link->utf8string_len))
		return -EPROTO;
	if (link->utf8string_len > call->size)
		return -ERANGE;
	memcpy(call->out, link->utf8string_val, link->utf8string_len);
	return link->utf8string_len;
}

static int readlink_of(struct netfs_node *node, char *buf, size_t size)
{
	struct nfsc4_call call = { .req.again = true,
				   .take = take_readlink,
				   .out = buf,
				   .size = size < INT32_MAX ? size : INT32_MAX };

	nfsc4_putfh(&call, node);
	nfsc4_op(&call, OP_READLINK);
	return (int)nfsc4_call(node->fs, &call);
}

static int64_t take_access(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_ACCESS);

	(void)call;
	return r ? (int64_t)r->nfs_resop4_u.opaccess.ACCESS4res_u.resok4.access : -EPROTO;
}

#define WRITES (ACCESS4_MODIFY | ACCESS4_EXTEND)
#define ENTERS (ACCESS4_LOOKUP | ACCESS4_EXECUTE)

static int access_of(struct netfs_node *node, int mask)
{
	struct nfsc4_call call = { .req.again = true, .take = take_access };
	nfs_argop4 *op;
	int64_t granted;

	nfsc4_putfh(&call, node);
	op = nfsc4_op(&call, OP_ACCESS);
	op->nfs_argop4_u.opaccess.access = ACCESS4_READ | WRITES | ENTERS | ACCESS4_DELETE;
	granted = nfsc4_call(node->fs, &call);
	if (granted < 0)
		return (int)granted;
	/* Of the two ways to enter a node has one. */
	if (((mask & R_OK) && !(granted & ACCESS4_READ)) ||
	    ((mask & W_OK) && (granted & WRITES) != WRITES) ||
	    ((mask & X_OK) && !(granted & ENTERS)))
		return -EACCES;
	return 0;
}

static int64_t take_told(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_GETATTR);

	if (!r || !nfsc4_decode(&r->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
				nfsc4_fs_mask, call->out))
		return -EPROTO;
	return 0;
}

static int ask_filesystem(struct netfs_node *node, struct nfsc4_told *told)
{
	struct nfsc4_call call = { .req.again = true, .take = take_told, .out = told };

	nfsc4_putfh(&call, node);
	nfsc4_getattr_op(&call, nfsc4_fs_mask);
	return (int)nfsc4_call(node->fs, &call);
}

static int statfs_of(struct netfs_node *node, struct statvfs *out)
{
	struct nfsc4_told told;
	int err = ask_filesystem(node, &told);

	if (err)
		return err;
	*out = (struct statvfs){
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = told.space_total / 4096,
		.f_bfree = told.space_free / 4096,
		.f_bavail = told.space_avail / 4096,
		.f_files = told.files_total,
		.f_ffree = told.files_free,
		.f_favail = told.files_avail,
		.f_namemax = told.name_max && told.name_max < NETFS_NAME_MAX ? told.name_max
									     : NETFS_NAME_MAX,
	};
	return 0;
}

/* --- Open files ------------------------------------------------------------------------------- */

static int read_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct netfs_io *io = ((struct nfsc_transfer *)(void *)req)->io;
	struct nfsc_fh *fh = &nfsc_node_of(io->file->node)->fh;
	nfs_argop4 ops[2] = { { .argop = OP_PUTFH }, { .argop = OP_READ } };
	COMPOUND4args args = { .argarray = { .argarray_len = 2, .argarray_val = ops } };

	ops[0].nfs_argop4_u.opputfh.object.nfs_fh4_len = fh->len;
	ops[0].nfs_argop4_u.opputfh.object.nfs_fh4_val = fh->data;
	ops[1].nfs_argop4_u.opread.offset = io->pos;
	ops[1].nfs_argop4_u.opread.count = (count4)io->len;
	return rpc_nfs4_compound_async(rpc, cb, &args, priv);
}

static int64_t read_reply(struct nfsc_req *req, void *data)
{
	const COMPOUND4res *res = data;
	const nfs_resop4 *r = nfsc4_result(res, OP_READ);
	const READ4resok *ok;

	if (res->status != NFS4_OK)
		return nfsc_errno(res->status);
	if (!r)
		return -EPROTO;
	ok = &r->nfs_resop4_u.opread.READ4res_u.resok4;
	return nfsc_took_read((struct nfsc_transfer *)(void *)req, ok->data.data_val,
			      ok->data.data_len, ok->eof);
}

static void read_start(struct netfs_io *io)
{
	nfsc_transfer(io, false, read_send, read_reply);
}

/* --- At the beginning ------------------------------------------------------------------------- */

static int step(struct nfs *nfs, struct nfsc_fh *fh, const char *name, size_t len)
{
	struct nfsc4_call call = { .req.again = true };
	nfs_argop4 *op;
	int64_t err;

	if (name) {
		op = nfsc4_op(&call, OP_PUTFH);
		op->nfs_argop4_u.opputfh.object.nfs_fh4_len = fh->len;
		op->nfs_argop4_u.opputfh.object.nfs_fh4_val = fh->data;
		op = nfsc4_op(&call, OP_LOOKUP);
		op->nfs_argop4_u.oplookup.objname = nfsc4_name(name, len);
	} else {
		nfsc4_op(&call, OP_PUTROOTFH);
	}
	nfsc4_get_node(&call);
	err = nfsc4_call(&nfs->fs, &call);
	if (!err)
		*fh = call.fh;
	return (int)err;
}

int nfsc4_root(struct nfs *nfs, const char *export, struct nfsc_fh *out, char *why, size_t why_size)
{
	int err = step(nfs, out, NULL, 0);
	size_t len;

	while (!err && *export) {
		len = strcspn(export, "/");
		if (len)
			err = step(nfs, out, export, len);
		if (err)
			break;
		export += len + (export[len] == '/');
	}
	if (err)
		snprintf(why, why_size, "looking up '%s': %s", export, strerror(-err));
	return err;
}

static uint32_t limit(uint64_t said, uint32_t most)
{
	return said && said < most ? (uint32_t)said : most;
}

int nfsc4_limits(struct nfs *nfs)
{
	struct nfsc4_told told;
	int err = ask_filesystem(&nfs->root->node, &told);

	if (err)
		return err;
	nfs->read_max = limit(told.read_max, NFS_IO_MAX);
	nfs->write_max = limit(told.write_max, NFS_IO_MAX);
	nfs->dir_max = NFS_DIR_MAX;
	return 0;
}

const struct netfs_ops nfsc4_ops = {
	.name = "nfs",
	.root = nfsc_root,
	.disconnect = nfsc_disconnect,
	.abort = nfsc_abort,
	.error = nfsc_error,
	.counters = nfsc_counters,
	.drive = nfsc_drive,
	.node_free = nfsc_node_free,
	.lookup = lookup,
	.getattr = nfsc4_getattr,
	.setattr = nfsc4_setattr,
	.readlink = readlink_of,
	.access = access_of,
	.statfs = statfs_of,
	.mkdir = nfsc4_mkdir,
	.mknod = nfsc4_mknod,
	.symlink = nfsc4_symlink,
	.link = nfsc4_link,
	.unlink = nfsc_unlink,
	.rmdir = nfsc4_rmdir,
	.rename = nfsc_rename,
	.open = nfsc_open,
	.create = nfsc4_create,
	.close = nfsc_close,
	.fsync = nfsc_fsync,
	.readdir = nfsc_readdir,
	.read_max = nfsc_read_max,
	.write_max = nfsc_write_max,
	.read = read_start,
	.write = nfsc4_write,
	.cancel = nfsc_cancel,
};
