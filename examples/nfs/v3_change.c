// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v3_change.c - NFSv3: what changes something.
 *
 * What may have been done though its answer was lost isn't sent twice, but for what comes to the
 * same (setattr, write).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "v3.h"

/* Of a symbolic link. */
#define TARGET_MAX 4095

NFS3_PROC(setattr, SETATTR3args)
NFS3_PROC(mkdir, MKDIR3args)
NFS3_PROC(mknod, MKNOD3args)
NFS3_PROC(symlink, SYMLINK3args)
NFS3_PROC(create, CREATE3args)
NFS3_PROC(link, LINK3args)
NFS3_PROC(remove, REMOVE3args)
NFS3_PROC(rmdir, RMDIR3args)
NFS3_PROC(rename, RENAME3args)

static diropargs3 place(struct netfs_node *dir, const char *name)
{
	return (diropargs3){ .dir = nfsc3_fh_of(dir), .name = (char *)name };
}

/* --- Attributes ------------------------------------------------------------------------------- */

static bool fits(const struct timespec *t)
{
	return t->tv_sec >= 0 && t->tv_sec <= UINT32_MAX && t->tv_nsec >= 0 &&
	       t->tv_nsec < 1000000000;
}

static nfstime3 time_of(const struct timespec *t)
{
	return (nfstime3){ .seconds = (u_int)t->tv_sec, .nseconds = (u_int)t->tv_nsec };
}

static void set_times(sattr3 *to, unsigned int which, const struct stat *st)
{
	if (which & NETFS_SET_ATIME_NOW) {
		to->atime.set_it = SET_TO_SERVER_TIME;
	} else if (which & NETFS_SET_ATIME) {
		to->atime.set_it = SET_TO_CLIENT_TIME;
		to->atime.set_atime_u.atime = time_of(&st->st_atim);
	}
	if (which & NETFS_SET_MTIME_NOW) {
		to->mtime.set_it = SET_TO_SERVER_TIME;
	} else if (which & NETFS_SET_MTIME) {
		to->mtime.set_it = SET_TO_CLIENT_TIME;
		to->mtime.set_mtime_u.mtime = time_of(&st->st_mtim);
	}
}

static sattr3 sattr_of(unsigned int which, const struct stat *st)
{
	sattr3 to = { 0 };

	to.mode.set_it = !!(which & NETFS_SET_MODE);
	to.mode.set_mode3_u.mode = st->st_mode & 07777;
	to.uid.set_it = !!(which & NETFS_SET_UID);
	to.uid.set_uid3_u.uid = st->st_uid;
	to.gid.set_it = !!(which & NETFS_SET_GID);
	to.gid.set_gid3_u.gid = st->st_gid;
	to.size.set_it = !!(which & NETFS_SET_SIZE);
	to.size.set_size3_u.size = (uint64_t)st->st_size;
	set_times(&to, which, st);
	return to;
}

static int64_t take_setattr(struct nfsc3_call *call, const void *res)
{
	const SETATTR3resok *ok = &((const SETATTR3res *)res)->SETATTR3res_u.resok;

	call->has_attr = nfsc3_take_attr(&ok->obj_wcc.after, call->out, &call->attr);
	return 0;
}

int nfsc3_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		  const struct stat *st, struct netfs_attr *attr)
{
	SETATTR3args args = { .object = nfsc3_fh_of(node), .new_attributes = sattr_of(which, st) };
	struct nfsc3_call call = {
		.req.again = true,
		.proc = nfsc3_setattr_proc,
		.args = &args,
		.take = take_setattr,
		.out = &nfsc_node_of(node)->fh,
	};
	int64_t err;

	if (((which & NETFS_SET_SIZE) && st->st_size < 0) ||
	    ((which & NETFS_SET_ATIME) && !fits(&st->st_atim)) ||
	    ((which & NETFS_SET_MTIME) && !fits(&st->st_mtim)))
		return -EINVAL;
	err = nfsc3_call(node->fs, &call);
	if (err || !attr)
		return (int)err;
	if (!call.has_attr)
		return nfsc3_getattr(node, file, attr);
	*attr = call.attr;
	return 0;
}

/* --- New names -------------------------------------------------------------------------------- */

/* Asked for as its owner, a new thing is the owner's, and the server sees to the rest (setgid
 * folders). Where that one isn't let in, perhaps by a group that the server isn't told of, we ask
 * in our own name and give it away in the same request. */
static int make_new(struct netfs_node *dir, struct nfsc3_call *call, sattr3 *sattr,
		    const struct netfs_owner *owner, struct netfs_node **out,
		    struct netfs_attr *attr)
{
	int err;

	call->req.owner = owner;
	err = nfsc3_call_node(dir->fs, call, out, attr);
	if (err != -EACCES || !owner || owner->uid == geteuid())
		return err;
	call->req.owner = NULL;
	sattr->uid.set_it = sattr->gid.set_it = 1;
	sattr->uid.set_uid3_u.uid = owner->uid;
	sattr->gid.set_gid3_u.gid = owner->gid;
	return nfsc3_call_node(dir->fs, call, out, attr);
}

/* Of a new thing the handle is optional too. */
static void take_new(struct nfsc3_call *call, const post_op_fh3 *fh, const post_op_attr *attr)
{
	if (!fh->handle_follows || !nfsc3_take_fh(&fh->post_op_fh3_u.handle, &call->fh))
		call->fh.len = 0;
	call->has_attr = call->fh.len && nfsc3_take_attr(attr, &call->fh, &call->attr);
}

#define TAKE_NEW(name, type)                                                          \
	static int64_t take_##name(struct nfsc3_call *call, const void *res)          \
	{                                                                             \
		const type##resok *ok = &((const type##res *)res)->type##res_u.resok; \
                                                                                      \
		take_new(call, &ok->obj, &ok->obj_attributes);                        \
		return 0;                                                             \
	}

TAKE_NEW(mkdir, MKDIR3)
TAKE_NEW(mknod, MKNOD3)
TAKE_NEW(symlink, SYMLINK3)
TAKE_NEW(create, CREATE3)

int nfsc3_mkdir(struct netfs_node *dir, const char *name, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct stat st = { .st_mode = mode };
	MKDIR3args args = { .where = place(dir, name),
			    .attributes = sattr_of(NETFS_SET_MODE, &st) };
	struct nfsc3_call call = { .proc = nfsc3_mkdir_proc, .args = &args, .take = take_mkdir };

	return make_new(dir, &call, &args.attributes, owner, out, attr);
}

static int create_file(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		       const struct netfs_owner *owner, struct netfs_node **out,
		       struct netfs_attr *attr)
{
	unsigned int which = NETFS_SET_MODE | (flags & O_TRUNC ? NETFS_SET_SIZE : 0);
	struct stat st = { .st_mode = mode };
	CREATE3args args = {
		.where = place(dir, name),
		.how = { .mode = flags & O_EXCL ? GUARDED : UNCHECKED,
			 .createhow3_u.obj_attributes = sattr_of(which, &st) },
	};
	struct nfsc3_call call = {
		.req.again = !(flags & O_EXCL),
		.proc = nfsc3_create_proc,
		.args = &args,
		.take = take_create,
	};

	return make_new(dir, &call, &args.how.createhow3_u.obj_attributes, owner, out, attr);
}

int nfsc3_create(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		 struct netfs_file **file)
{
	int err = create_file(dir, name, flags, mode, owner, out, attr);

	if (err)
		return err;
	err = nfsc_file_new(*out, flags & ~(O_CREAT | O_DIRECTORY), file);
	if (err)
		netfs_node_put(*out);
	return err;
}

static bool special_of(mode_t mode, dev_t rdev, const sattr3 *sattr, mknoddata3 *to)
{
	to->mknoddata3_u.chr_device.dev_attributes = *sattr;
	switch (mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		to->type = S_ISCHR(mode) ? NF3CHR : NF3BLK;
		to->mknoddata3_u.chr_device.spec.specdata1 = major(rdev);
		to->mknoddata3_u.chr_device.spec.specdata2 = minor(rdev);
		return true;
	case S_IFSOCK:
		to->type = NF3SOCK;
		return true;
	case S_IFIFO:
		to->type = NF3FIFO;
		return true;
	default:
		return false;
	}
}

int nfsc3_mknod(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	struct stat st = { .st_mode = mode };
	sattr3 sattr = sattr_of(NETFS_SET_MODE, &st);
	MKNOD3args args = { .where = place(dir, name) };
	struct nfsc3_call call = { .proc = nfsc3_mknod_proc, .args = &args, .take = take_mknod };

	if (S_ISREG(mode) || !(mode & S_IFMT))
		return create_file(dir, name, O_EXCL, mode, owner, out, attr);
	if (!special_of(mode, rdev, &sattr, &args.what))
		return -EINVAL;
	return make_new(dir, &call, &args.what.mknoddata3_u.chr_device.dev_attributes, owner, out,
			attr);
}

int nfsc3_symlink(struct netfs_node *dir, const char *name, const char *target,
		  const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr)
{
	SYMLINK3args args = { .where = place(dir, name), .symlink.symlink_data = (char *)target };
	struct nfsc3_call call = { .proc = nfsc3_symlink_proc,
				   .args = &args,
				   .take = take_symlink };

	if (strlen(target) > TARGET_MAX)
		return -ENAMETOOLONG;
	return make_new(dir, &call, &args.symlink.symlink_attributes, owner, out, attr);
}

static int64_t take_link(struct nfsc3_call *call, const void *res)
{
	const LINK3resok *ok = &((const LINK3res *)res)->LINK3res_u.resok;

	call->has_attr = nfsc3_take_attr(&ok->file_attributes, call->out, &call->attr);
	return 0;
}

int nfsc3_link(struct netfs_node *node, struct netfs_node *dir, const char *name,
	       struct netfs_attr *attr)
{
	LINK3args args = { .file = nfsc3_fh_of(node), .link = place(dir, name) };
	struct nfsc3_call call = {
		.proc = nfsc3_link_proc,
		.args = &args,
		.take = take_link,
		.out = &nfsc_node_of(node)->fh,
	};
	int64_t err = nfsc3_call(node->fs, &call);

	if (!err && !call.has_attr)
		return nfsc3_getattr(node, NULL, attr);
	if (!err)
		*attr = call.attr;
	return (int)err;
}

/* --- Names that go ---------------------------------------------------------------------------- */

int nfsc3_unlink(struct netfs_node *dir, const char *name)
{
	REMOVE3args args = { .object = place(dir, name) };
	struct nfsc3_call call = { .proc = nfsc3_remove_proc, .args = &args };

	return (int)nfsc3_call(dir->fs, &call);
}

int nfsc3_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node)
{
	RMDIR3args args = { .object = place(dir, name) };
	struct nfsc3_call call = { .proc = nfsc3_rmdir_proc, .args = &args };

	(void)node;
	return (int)nfsc3_call(dir->fs, &call);
}

int nfsc3_rename(struct netfs_node *dir, const char *name, struct netfs_node *to_dir,
		 const char *to_name)
{
	RENAME3args args = { .from = place(dir, name), .to = place(to_dir, to_name) };
	struct nfsc3_call call = { .proc = nfsc3_rename_proc, .args = &args };

	return (int)nfsc3_call(dir->fs, &call);
}

/* --- Data ------------------------------------------------------------------------------------- */

/* See nfsc_fsync(). */
static int write_send(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv)
{
	struct netfs_io *io = ((struct nfsc_transfer *)(void *)req)->io;
	WRITE3args args = {
		.file = nfsc3_fh_of(io->file->node),
		.offset = io->pos,
		.count = (count3)io->len,
		.stable = FILE_SYNC,
		.data = { .data_len = (u_int)io->len, .data_val = io->buf },
	};

	return rpc_nfs3_write_async(rpc, cb, &args, priv);
}

static int64_t write_reply(struct nfsc_req *req, void *res)
{
	const WRITE3res *r = res;

	if (r->status != NFS3_OK)
		return nfsc_errno(r->status);
	if (r->WRITE3res_u.resok.committed != FILE_SYNC)
		return -EPROTO;
	return nfsc_took_write((struct nfsc_transfer *)(void *)req, r->WRITE3res_u.resok.count);
}

void nfsc3_write(struct netfs_io *io)
{
	nfsc_transfer(io, true, write_send, write_reply);
}
