// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4_change.c - NFSv4.0: what changes something. See v3_change.c for what is sent twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "v4.h"

#define TARGET_MAX 4095

/* --- Attributes ------------------------------------------------------------------------------- */

static int64_t take_attr(struct nfsc4_call *call, const COMPOUND4res *res)
{
	const nfs_resop4 *r = nfsc4_result(res, OP_GETATTR);

	if (!r || !nfsc4_take_attr(&r->nfs_resop4_u.opgetattr.GETATTR4res_u.resok4.obj_attributes,
				   call->out, &call->attr))
		return -EPROTO;
	return 0;
}

int nfsc4_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		  const struct stat *st, struct netfs_attr *attr)
{
	struct nfsc4_call call = { .req.again = true,
				   .take = take_attr,
				   .out = &nfsc_node_of(node)->fh };
	struct nfsc4_set set;
	int64_t err;

	(void)file;
	if (!nfsc4_encode(which, st, &set))
		return -EINVAL;
	nfsc4_putfh(&call, node);
	nfsc4_op(&call, OP_SETATTR)->nfs_argop4_u.opsetattr.obj_attributes = nfsc4_fattr(&set);
	nfsc4_getattr_op(&call, nfsc4_file_mask);
	err = nfsc4_call(node->fs, &call);
	if (!err && attr)
		*attr = call.attr;
	return (int)err;
}

/* --- New names -------------------------------------------------------------------------------- */

static int create_op(struct netfs_node *dir, const char *name, const createtype4 *type,
		     struct nfsc4_set *set, const struct netfs_owner *owner,
		     struct netfs_node **out, struct netfs_attr *attr)
{
	struct nfsc4_call call = { .req.owner = owner };
	CREATE4args *args;

	nfsc4_putfh(&call, dir);
	args = &nfsc4_op(&call, OP_CREATE)->nfs_argop4_u.opcreate;
	args->objtype = *type;
	args->objname = nfsc4_name(name, strlen(name));
	args->createattrs = nfsc4_fattr(set);
	nfsc4_get_node(&call);
	return nfsc4_call_node(dir->fs, &call, out, attr);
}

/* What make_new() of v3_change.c says. @type NULL: a file. */
static int make_new(struct netfs_node *dir, const char *name, int flags, const createtype4 *type,
		    unsigned int which, const struct stat *given, const struct netfs_owner *owner,
		    struct netfs_node **out, struct netfs_attr *attr)
{
	struct stat st = *given;
	struct nfsc4_set set;
	int err = 0;

	for (int attempt = 0; attempt < 2; attempt++) {
		if (!nfsc4_encode(which, &st, &set))
			return -EINVAL;
		err = type ? create_op(dir, name, type, &set, owner, out, attr)
			   : nfsc4_create_file(dir, name, flags, &set, owner, out, attr);
		if (err != -EACCES || !owner || owner->uid == geteuid())
			break;
		st.st_uid = owner->uid;
		st.st_gid = owner->gid;
		which |= NETFS_SET_UID | NETFS_SET_GID;
		owner = NULL;
	}
	return err;
}

int nfsc4_mkdir(struct netfs_node *dir, const char *name, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	const createtype4 type = { .type = NF4DIR };
	struct stat st = { .st_mode = mode };

	return make_new(dir, name, 0, &type, NETFS_SET_MODE, &st, owner, out, attr);
}

int nfsc4_symlink(struct netfs_node *dir, const char *name, const char *target,
		  const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	createtype4 type = { .type = NF4LNK };
	struct stat st = { .st_mode = 0777 };

	if (strlen(target) > TARGET_MAX)
		return -ENAMETOOLONG;
	type.createtype4_u.linkdata = nfsc4_name(target, strlen(target));
	return make_new(dir, name, 0, &type, NETFS_SET_MODE, &st, owner, out, attr);
}

int nfsc4_mknod(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct stat st = { .st_mode = mode };
	createtype4 type = { 0 };

	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
		return make_new(dir, name, O_EXCL, NULL, NETFS_SET_MODE, &st, owner, out, attr);
	case S_IFCHR:
	case S_IFBLK:
		type.type = S_ISCHR(mode) ? NF4CHR : NF4BLK;
		type.createtype4_u.devdata.specdata1 = major(rdev);
		type.createtype4_u.devdata.specdata2 = minor(rdev);
		break;
	case S_IFSOCK:
		type.type = NF4SOCK;
		break;
	case S_IFIFO:
		type.type = NF4FIFO;
		break;
	default:
		return -EINVAL;
	}
	return make_new(dir, name, 0, &type, NETFS_SET_MODE, &st, owner, out, attr);
}

int nfsc4_create(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		 struct netfs_file **file)
{
	unsigned int which = NETFS_SET_MODE | (flags & O_TRUNC ? NETFS_SET_SIZE : 0);
	struct stat st = { .st_mode = mode };
	int err = make_new(dir, name, flags, NULL, which, &st, owner, out, attr);

	if (err)
		return err;
	err = nfsc_file_new(*out, flags & ~(O_CREAT | O_DIRECTORY), file);
	if (err)
		netfs_node_put(*out);
	return err;
}

int nfsc4_link(struct netfs_node *node, struct netfs_node *dir, const char *name,
	       struct netfs_attr *attr)
{
	struct nfsc4_call call = { .take = take_attr, .out = &nfsc_node_of(node)->fh };
	int64_t err;

	nfsc4_putfh(&call, node);
	nfsc4_op(&call, OP_SAVEFH);
	nfsc4_putfh(&call, dir);
	nfsc4_op(&call, OP_LINK)->nfs_argop4_u.oplink.newname = nfsc4_name(name, strlen(name));
	nfsc4_op(&call, OP_RESTOREFH);
	nfsc4_getattr_op(&call, nfsc4_file_mask);
	err = nfsc4_call(node->fs, &call);
	if (!err)
		*attr = call.attr;
	return (int)err;
}

/* --- Names that go ---------------------------------------------------------------------------- */

int nfsc4_remove(struct netfs_node *dir, const char *name)
{
	struct nfsc4_call call = { 0 };

	nfsc4_putfh(&call, dir);
	nfsc4_op(&call, OP_REMOVE)->nfs_argop4_u.opremove.target = nfsc4_name(name, strlen(name));
	return (int)nfsc4_call(dir->fs, &call);
}

int nfsc4_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node)
{
	(void)node;
	return nfsc4_remove(dir, name);
}

int nfsc4_rename(struct netfs_node *dir, const char *name, struct netfs_node *to_dir,
		 const char *to_name)
{
	struct nfsc4_call call = { 0 };
	RENAME4args *args;

	nfsc4_putfh(&call, dir);
	nfsc4_op(&call, OP_SAVEFH);
	nfsc4_putfh(&call, to_dir);
	args = &nfsc4_op(&call, OP_RENAME)->nfs_argop4_u.oprename;
	args->oldname = nfsc4_name(name, strlen(name));
	args->newname = nfsc4_name(to_name, strlen(to_name));
	return (int)nfsc4_call(dir->fs, &call);
}

/* --- Data ------------------------------------------------------------------------------------- */

/* See nfsc_fsync(). */
static int write_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct netfs_io *io = ((struct nfsc_transfer *)(void *)req)->io;
	struct nfsc_fh *fh = &nfsc_node_of(io->file->node)->fh;
	nfs_argop4 ops[2] = { { .argop = OP_PUTFH }, { .argop = OP_WRITE } };
	COMPOUND4args args = { .argarray = { .argarray_len = 2, .argarray_val = ops } };
	WRITE4args *write = &ops[1].nfs_argop4_u.opwrite;

	ops[0].nfs_argop4_u.opputfh.object.nfs_fh4_len = fh->len;
	ops[0].nfs_argop4_u.opputfh.object.nfs_fh4_val = fh->data;
	write->offset = io->pos;
	write->stable = FILE_SYNC4;
	write->data.data_len = (u_int)io->len;
	write->data.data_val = io->buf;
	return rpc_nfs4_compound_async(rpc, cb, &args, priv);
}

static int64_t write_reply(struct nfsc_req *req, void *data)
{
	const COMPOUND4res *res = data;
	const nfs_resop4 *r = nfsc4_result(res, OP_WRITE);

	if (res->status != NFS4_OK)
		return nfsc_errno(res->status);
	if (!r || r->nfs_resop4_u.opwrite.WRITE4res_u.resok4.committed != FILE_SYNC4)
		return -EPROTO;
	return nfsc_took_write((struct nfsc_transfer *)(void *)req,
			       r->nfs_resop4_u.opwrite.WRITE4res_u.resok4.count);
}

void nfsc4_write(struct netfs_io *io)
{
	nfsc_transfer(io, true, write_send, write_reply);
}
