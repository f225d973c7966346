/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* v4.h - the calls of NFSv4.0: what the v4*.c share. */
#ifndef NFS_V4_H
#define NFS_V4_H

#include <nfsc/libnfs-raw-nfs4.h>

#include "nfs.h"

#define NFSC4_OPS_MAX 8

/* --- Attributes (v4_attr.c) ------------------------------------------------------------------- */

/* A set of attributes on its way: bit N%32 of word N/32 is number N. */
struct nfsc4_set {
	uint32_t mask[2];
	uint32_t len;
	char bytes[160];
};

/* What was told of a file, or of a filesystem. */
struct nfsc4_told {
	uint32_t mask[2]; /* which */
	struct netfs_attr attr;
	struct nfsc_fh fh;
	uint32_t error; /* FATTR4_RDATTR_ERROR */
	uint32_t lease_s, name_max;
	uint64_t read_max, write_max;
	uint64_t files_free, files_total, files_avail, space_free, space_total, space_avail;
};

/* What is asked for: of a file, of an entry of a directory, of a filesystem. */
extern uint32_t nfsc4_file_mask[2], nfsc4_entry_mask[2], nfsc4_fs_mask[2];

static inline bool nfsc4_has(const uint32_t mask[2], unsigned int number)
{
	return mask[number / 32] >> number % 32 & 1;
}

/* False: they are none, or others than were asked for. */
bool nfsc4_decode(const fattr4 *from, const uint32_t asked[2], struct nfsc4_told *out);
/* The same, as attributes of the file @fh; false too if no netfs_attr can be made of them. */
bool nfsc4_take_attr(const fattr4 *from, const struct nfsc_fh *fh, struct netfs_attr *to);
/* False: they don't fit the protocol. */
bool nfsc4_encode(unsigned int which, const struct stat *st, struct nfsc4_set *out);
fattr4 nfsc4_fattr(struct nfsc4_set *set);

/* --- Compounds (v4.c) ------------------------------------------------------------------------- */

/* A call. Zeroed, made by the functions below, kept until it was made. */
struct nfsc4_call {
	struct nfsc_req req; /* but for again and owner: v4.c's */
	nfs_argop4 ops[NFSC4_OPS_MAX];
	unsigned int count;
	/* In a reply that says that all went well: take what is in it. 0, a count or -errno. */
	int64_t (*take)(struct nfsc4_call *call, const COMPOUND4res *res);
	void *out;
	size_t size; /* of @out, if take wants to know */

	bool once;	 /* for "in a moment" the caller sees to it: -EAGAIN */
	nfsstat4 status; /* as the server said */
	/* What nfsc4_take_node() takes. */
	struct nfsc_fh fh;
	struct netfs_attr attr;
};

/* The next operation, zeroed. */
nfs_argop4 *nfsc4_op(struct nfsc4_call *call, nfs_opnum4 number);
void nfsc4_putfh(struct nfsc4_call *call, struct netfs_node *node);
void nfsc4_getattr_op(struct nfsc4_call *call, uint32_t mask[2]);
/* GETFH and GETATTR, and nfsc4_take_node() to take what they bring. */
void nfsc4_get_node(struct nfsc4_call *call);
int64_t nfsc4_take_node(struct nfsc4_call *call, const COMPOUND4res *res);
static inline utf8string nfsc4_name(const char *name, size_t len)
{
	return (utf8string){ .utf8string_len = (u_int)len, .utf8string_val = (char *)name };
}

/* The result of the last operation of this kind; NULL: there is none. */
const nfs_resop4 *nfsc4_result(const COMPOUND4res *res, nfs_opnum4 number);

int64_t nfsc4_call(struct netfs *fs, struct nfsc4_call *call); /* [blocks] as nfsc3_call() */
int nfsc4_call_node(struct netfs *fs, struct nfsc4_call *call, struct netfs_node **out,
		    struct netfs_attr *attr);

int nfsc4_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr);
/* [blocks] Walk from the server's root. On an error a line for people is in @why. */
int nfsc4_root(struct nfs *nfs, const char *export, struct nfsc_fh *out, char *why,
	       size_t why_size);
int nfsc4_limits(struct nfs *nfs);

/* --- The client of the server's book-keeping (v4_open.c) -------------------------------------- */

int nfsc4_state_new(struct nfs *nfs);
void nfsc4_state_free(struct nfsc4_state *state); /* NULL is fine */
int nfsc4_create_file(struct netfs_node *dir, const char *name, int flags, struct nfsc4_set *set,
		      const struct netfs_owner *owner, struct netfs_node **out,
		      struct netfs_attr *attr);

/* --- v4_change.c ------------------------------------------------------------------------------ */

int nfsc4_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		  const struct stat *st, struct netfs_attr *attr);
int nfsc4_mkdir(struct netfs_node *dir, const char *name, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nfsc4_mknod(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nfsc4_symlink(struct netfs_node *dir, const char *name, const char *target,
		  const struct netfs_owner *owner, struct netfs_node **out,
		  struct netfs_attr *attr);
int nfsc4_link(struct netfs_node *node, struct netfs_node *dir, const char *name,
	       struct netfs_attr *attr);
int nfsc4_remove(struct netfs_node *dir, const char *name);
int nfsc4_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node);
int nfsc4_rename(struct netfs_node *dir, const char *name, struct netfs_node *to_dir,
		 const char *to_name);
int nfsc4_create(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		 struct netfs_file **file);
void nfsc4_write(struct netfs_io *io);

#endif
