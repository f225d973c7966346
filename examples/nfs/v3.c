// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v3.c - NFSv3: the table of calls, and those that change nothing.
 */
#include "v3.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dir.h"

#define BLOCK 4096

/* --- Calls ------------------------------------------------------------------------------------ */

static int call_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct nfsc3_call *call = (struct nfsc3_call *)(void *)req;

	return call->proc(rpc, cb, call->args, priv);
}

/* Every answer begins with its status. */
static int64_t call_reply(struct nfsc_req *req, void *res)
{
	struct nfsc3_call *call = (struct nfsc3_call *)(void *)req;
	nfsstat3 status = *(const nfsstat3 *)res;

	if (status != NFS3_OK)
		return nfsc_errno(status);
	return call->take ? call->take(call, res) : 0;
}

int64_t nfsc3_call(struct netfs *fs, struct nfsc3_call *call)
{
	call->req.send = call_send;
	call->req.reply = call_reply;
	return nfsc_call(nfsc_of(fs)->loop, &call->req);
}

int nfsc3_call_node(struct netfs *fs, struct nfsc3_call *call, struct netfs_node **out,
		    struct netfs_attr *attr)
{
	int64_t err = nfsc3_call(fs, call);
	struct nfsc_node *node;

	if (err < 0)
		return (int)err;
	if (!call->fh.len)
		return -EPROTO;
	node = nfsc_node_new(fs, &call->fh);
	if (!node)
		return -ENOMEM;
	*attr = call->attr;
	if (!call->has_attr)
		err = nfsc3_getattr(&node->node, NULL, attr);
	if (err < 0)
		netfs_node_put(&node->node);
	else
		*out = &node->node;
	return (int)err;
}

/* --- What comes in them ----------------------------------------------------------------------- */

static mode_t type_bits(ftype3 type)
{
	static const mode_t bits[] = { 0,	S_IFREG, S_IFDIR,  S_IFBLK,
				       S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO };

	return (unsigned int)type < sizeof(bits) / sizeof(bits[0]) ? bits[type] : 0;
}

static struct timespec time_of(const nfstime3 *t)
{
	return (struct timespec){ .tv_sec = (time_t)t->seconds, .tv_nsec = t->nseconds };
}

static bool take_fattr(const fattr3 *from, const struct nfsc_fh *fh, struct netfs_attr *to)
{
	mode_t type = type_bits(from->type);

	memset(to, 0, sizeof(*to));
	if (!type || from->size > INT64_MAX || from->atime.nseconds >= 1000000000 ||
	    from->mtime.nseconds >= 1000000000 || from->ctime.nseconds >= 1000000000)
		return false;
	to->st = (struct stat){
		.st_ino = from->fileid,
		.st_mode = type | (from->mode & 07777),
		.st_nlink = from->nlink,
		.st_uid = from->uid,
		.st_gid = from->gid,
		.st_rdev = makedev(from->rdev.specdata1, from->rdev.specdata2),
		.st_size = (off_t)from->size,
		.st_blksize = BLOCK,
		.st_blocks = (blkcnt_t)(from->used / 512),
		.st_atim = time_of(&from->atime),
		.st_mtim = time_of(&from->mtime),
		.st_ctim = time_of(&from->ctime),
	};
	to->vouched = true;
	nfsc_attr_end(to, fh);
	return true;
}

bool nfsc3_take_attr(const post_op_attr *from, const struct nfsc_fh *fh, struct netfs_attr *to)
{
	return from->attributes_follow && take_fattr(&from->post_op_attr_u.attributes, fh, to);
}

bool nfsc3_take_fh(const nfs_fh3 *from, struct nfsc_fh *to)
{
	return nfsc_fh_set(to, from->data.data_val, from->data.data_len, NFS3_FHSIZE);
}

/* --- Nodes ------------------------------------------------------------------------------------ */

NFS3_PROC(getattr, GETATTR3args)
NFS3_PROC(lookup, LOOKUP3args)
NFS3_PROC(readlink, READLINK3args)
NFS3_PROC(access, ACCESS3args)
NFS3_PROC(fsstat, FSSTAT3args)
NFS3_PROC(fsinfo, FSINFO3args)
NFS3_PROC(pathconf, PATHCONF3args)

static int64_t take_getattr(struct nfsc3_call *call, const void *res)
{
	const GETATTR3res *r = res;

	call->has_attr = take_fattr(&r->GETATTR3res_u.resok.obj_attributes, call->out, &call->attr);
	return call->has_attr ? 0 : -EPROTO;
}

int nfsc3_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr)
{
	GETATTR3args args = { .object = nfsc3_fh_of(node) };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_getattr_proc,
		.args = &args,
		.take = take_getattr,
		.out = &nfsc_node_of(node)->fh,
	};
	int64_t err = nfsc3_call(node->fs, &call);

	(void)file;
	if (!err)
		*attr = call.attr;
	return (int)err;
}

static int64_t take_lookup(struct nfsc3_call *call, const void *res)
{
	const LOOKUP3resok *ok = &((const LOOKUP3res *)res)->LOOKUP3res_u.resok;

	if (!nfsc3_take_fh(&ok->object, &call->fh))
		return -EPROTO;
	call->has_attr = nfsc3_take_attr(&ok->obj_attributes, &call->fh, &call->attr);
	return 0;
}

static int lookup(struct netfs_node *dir, const char *name, struct netfs_node **out,
		  struct netfs_attr *attr)
{
	LOOKUP3args args = { .what = { .dir = nfsc3_fh_of(dir), .name = (char *)name } };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_lookup_proc,
		.args = &args,
		.take = take_lookup,
	};

	return nfsc3_call_node(dir->fs, &call, out, attr);
}

static int64_t take_readlink(struct nfsc3_call *call, const void *res)
{
	const char *target = ((const READLINK3res *)res)->READLINK3res_u.resok.data;
	size_t len = target ? strlen(target) : 0;

	if (!len)
		return -EPROTO;
	if (len > call->size)
		return -ERANGE;
	memcpy(call->out, target, len);
	return (int64_t)len;
}

static int readlink_of(struct netfs_node *node, char *buf, size_t size)
{
	READLINK3args args = { .symlink = nfsc3_fh_of(node) };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_readlink_proc,
		.args = &args,
		.take = take_readlink,
		.out = buf,
		.size = size < INT32_MAX ? size : INT32_MAX,
	};

	return (int)nfsc3_call(node->fs, &call);
}

static int64_t take_access(struct nfsc3_call *call, const void *res)
{
	(void)call;
	return ((const ACCESS3res *)res)->ACCESS3res_u.resok.access;
}

#define WRITES (ACCESS3_MODIFY | ACCESS3_EXTEND)
#define ENTERS (ACCESS3_LOOKUP | ACCESS3_EXECUTE)

static int access_of(struct netfs_node *node, int mask)
{
	ACCESS3args args = { .object = nfsc3_fh_of(node),
			     .access = ACCESS3_READ | WRITES | ENTERS | ACCESS3_DELETE };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_access_proc,
		.args = &args,
		.take = take_access,
	};
	int64_t granted = nfsc3_call(node->fs, &call);

	if (granted < 0)
		return (int)granted;
	/* Of the two ways to enter a node has one. */
	if (((mask & R_OK) && !(granted & ACCESS3_READ)) ||
	    ((mask & W_OK) && (granted & WRITES) != WRITES) ||
	    ((mask & X_OK) && !(granted & ENTERS)))
		return -EACCES;
	return 0;
}

static int64_t take_fsstat(struct nfsc3_call *call, const void *res)
{
	const FSSTAT3resok *ok = &((const FSSTAT3res *)res)->FSSTAT3res_u.resok;

	*(struct statvfs *)call->out = (struct statvfs){
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = ok->tbytes / BLOCK,
		.f_bfree = ok->fbytes / BLOCK,
		.f_bavail = ok->abytes / BLOCK,
		.f_files = ok->tfiles,
		.f_ffree = ok->ffiles,
		.f_favail = ok->afiles,
	};
	return 0;
}

static int64_t take_pathconf(struct nfsc3_call *call, const void *res)
{
	(void)call;
	return ((const PATHCONF3res *)res)->PATHCONF3res_u.resok.name_max;
}

static int statfs_of(struct netfs_node *node, struct statvfs *out)
{
	FSSTAT3args args = { .fsroot = nfsc3_fh_of(node) };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_fsstat_proc,
		.args = &args,
		.take = take_fsstat,
		.out = out,
	};
	PATHCONF3args path_args = { .object = nfsc3_fh_of(node) };
	struct nfsc3_call path = {
		.req.again = true,
		.proc = nfsc3_pathconf_proc,
		.args = &path_args,
		.take = take_pathconf,
	};
	int64_t err = nfsc3_call(node->fs, &call);

	if (err)
		return (int)err;
	err = nfsc3_call(node->fs, &path);
	out->f_namemax = err > 0 && err < NETFS_NAME_MAX ? (unsigned long)err : NETFS_NAME_MAX;
	return 0;
}

/* --- Open files ------------------------------------------------------------------------------- */

static int read_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct netfs_io *io = ((struct nfsc_transfer *)(void *)req)->io;
	READ3args args = {
		.file = nfsc3_fh_of(io->file->node),
		.offset = io->pos,
		.count = (count3)io->len,
	};

	return rpc_nfs3_read_async(rpc, cb, &args, priv);
}

static int64_t read_reply(struct nfsc_req *req, void *res)
{
	const READ3res *r = res;
	const READ3resok *ok = &r->READ3res_u.resok;

	if (r->status != NFS3_OK)
		return nfsc_errno(r->status);
	if (ok->count != ok->data.data_len)
		return -EPROTO;
	return nfsc_took_read((struct nfsc_transfer *)(void *)req, ok->data.data_val,
			      ok->data.data_len, ok->eof);
}

static void read_start(struct netfs_io *io)
{
	nfsc_transfer(io, false, read_send, read_reply);
}

/* --- At the beginning ------------------------------------------------------------------------- */

static uint32_t limit(uint32_t said, uint32_t most)
{
	return said && said < most ? said : most;
}

static int64_t take_fsinfo(struct nfsc3_call *call, const void *res)
{
	const FSINFO3resok *ok = &((const FSINFO3res *)res)->FSINFO3res_u.resok;
	struct nfs *nfs = call->out;

	nfs->read_max = limit(ok->rtmax, NFS_IO_MAX);
	nfs->write_max = limit(ok->wtmax, NFS_IO_MAX);
	nfs->dir_max = limit(ok->dtpref, NFS_DIR_MAX);
	return 0;
}

int nfsc3_limits(struct nfs *nfs)
{
	FSINFO3args args = { .fsroot = nfsc3_fh_of(&nfs->root->node) };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_fsinfo_proc,
		.args = &args,
		.take = take_fsinfo,
		.out = nfs,
	};

	return (int)nfsc3_call(&nfs->fs, &call);
}

const struct netfs_ops nfsc3_ops = {
	.name = "nfs",
	.root = nfsc_root,
	.disconnect = nfsc_disconnect,
	.abort = nfsc_abort,
	.error = nfsc_error,
	.counters = nfsc_counters,
	.drive = nfsc_drive,
	.node_free = nfsc_node_free,
	.lookup = lookup,
	.getattr = nfsc3_getattr,
	.setattr = nfsc3_setattr,
	.readlink = readlink_of,
	.access = access_of,
	.statfs = statfs_of,
	.mkdir = nfsc3_mkdir,
	.mknod = nfsc3_mknod,
	.symlink = nfsc3_symlink,
	.link = nfsc3_link,
	.unlink = nfsc_unlink,
	.rmdir = nfsc3_rmdir,
	.rename = nfsc_rename,
	.open = nfsc_open,
	.create = nfsc3_create,
	.close = nfsc_close,
	.fsync = nfsc_fsync,
	.readdir = nfsc_readdir,
	.read_max = nfsc_read_max,
	.write_max = nfsc_write_max,
	.read = read_start,
	.write = nfsc3_write,
	.cancel = nfsc_cancel,
};
