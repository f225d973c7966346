/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* v3.h - the calls of NFSv3: what v3.c, v3_change.c and v3_dir.c share. */
#ifndef NFS_V3_H
#define NFS_V3_H

#include <nfsc/libnfs-raw-nfs.h>

#include "nfs.h"

/* A call. Zeroed, the first part filled in. */
struct nfsc3_call {
	struct nfsc_req req; /* but for again and owner: v3.c's */
	/* One of libnfs' calls, and its arguments. */
	int (*proc)(struct rpc_context *rpc, rpc_cb cb, void *args, void *priv);
	void *args;
	/* In a reply that says that it went well: take what is in it. 0, a count or -errno. */
	int64_t (*take)(struct nfsc3_call *call, const void *res);
	void *out;
	size_t size; /* of @out, if take wants to know */

	/* What most of them bring: len 0, false if not. */
	struct nfsc_fh fh;
	struct netfs_attr attr;
	bool has_attr;
};

/* For nfsc3_call.proc, of rpc_nfs3_NAME_async() with a struct TYPE: nfsc3_NAME_proc. */
#define NFS3_PROC(name, type)                                                                      \
	static int nfsc3_##name##_proc(struct rpc_context *rpc, rpc_cb cb, void *args, void *priv) \
	{                                                                                          \
		return rpc_nfs3_##name##_async(rpc, cb, (struct type *)args, priv);                \
	}

/* [blocks] What @take returned, or -errno. */
int64_t nfsc3_call(struct netfs *fs, struct nfsc3_call *call);
/* The same, with a new node of the handle that came, and its attributes (asked for if they didn't
 * come along). -EPROTO: there was no handle. */
int nfsc3_call_node(struct netfs *fs, struct nfsc3_call *call, struct netfs_node **out,
		    struct netfs_attr *attr);

/* A post-op attr; false: there are none, or they are none. */
bool nfsc3_take_attr(const post_op_attr *from, const struct nfsc_fh *fh, struct netfs_attr *to);
bool nfsc3_take_fh(const nfs_fh3 *from, struct nfsc_fh *to);

static inline nfs_fh3 nfsc3_fh_of(struct netfs_node *node)
{
	struct nfsc_fh *fh = &nfsc_node_of(node)->fh;

	return (nfs_fh3){ .data = { .data_len = fh->len, .data_val = fh->data } };
}

int nfsc3_limits(struct nfs *nfs);
int nfsc3_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr);

/* v3_change.c */
int nfsc3_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		  const struct stat *st, struct netfs_attr *attr);
int nfsc3_mkdir(struct netfs_node *dir, const char *name, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nfsc3_mknod(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nfsc3_symlink(struct netfs_node *dir, const char *name, const char *target,
		  const struct netfs_owner *owner, struct netfs_node **out,
		  struct netfs_attr *attr);
int nfsc3_link(struct netfs_node *node, struct netfs_node *dir, const char *name,
	       struct netfs_attr *attr);
int nfsc3_unlink(struct netfs_node *dir, const char *name);
int nfsc3_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node);
int nfsc3_rename(struct netfs_node *dir, const char *name, struct netfs_node *to_dir,
		 const char *to_name);
int nfsc3_create(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		 struct netfs_file **file);
void nfsc3_write(struct netfs_io *io);

#endif
