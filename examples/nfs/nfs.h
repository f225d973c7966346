/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * nfs.h - NFS versions 3 and 4.0 as a struct netfs.
 *
 *	zdr.c     libnfs' decoding, with bounds       loop.c, link.c  the thread and its connection
 *	mountd.c  the root of a v3 export             nfs.c           what both versions have alike
 *	dir.c     open directories                    hide.c          open files without a name
 *	v3*.c     version 3                           v4*.c           version 4.0
 *	url.c, main.c  the command line
 *
 * A node is a file handle. What isn't there: extended attributes (neither version has them), locks
 * (v3's are another protocol, NLM; v4's need open state, which isn't kept: I/O goes by the
 * anonymous stateid).
 */
#ifndef NFS_H
#define NFS_H

#include "../common/netfs.h"
#include "loop.h"

#define NFS_FH_MAX 128
#define NFS_PORT 2049
#define NFS_TIMEOUT_MS 20000
/* libnfs takes no longer record than 1 MiB and 4 KiB. */
#define NFS_IO_MAX (1u << 20)

struct nfsc_fh {
	uint32_t len;
	char data[NFS_FH_MAX];
};

struct nfsc_params {
	const char *host;    /* a name or a numeric address, IPv6 without brackets */
	uint16_t port;	     /* 0: NFS_PORT */
	const char *export;  /* v3: a path of the server's; v4: below its pseudo root */
	int version;	     /* 3 or 4 */
	uint16_t mount_port; /* v3; 0: ask rpcbind */
};

/* Connect [blocks]. On an error a line for people is in @why. */
int nfsc_connect(const struct nfsc_params *params, const struct netfs_params *common,
		 struct netfs **out, char *why, size_t why_size);

/* --- For v3*.c and v4*.c ---------------------------------------------------------------------- */

struct nfsc_node {
	struct netfs_node node;
	struct nfsc_fh fh;
};

/* What was got of a directory in one reply. */
struct nfsc_entry {
	uint64_t ino, next;
	uint32_t name; /* where in names */
	unsigned char type;
	bool has_attr;
	struct nfsc_fh fh; /* len 0: not told */
	struct netfs_attr attr;
};

struct nfsc_batch {
	uint64_t start, end; /* positions: asked for, after the last entry */
	bool eof, no_memory;
	size_t count, room;
	struct nfsc_entry *entries;
	char *names;
	size_t names_len, names_room;
};

struct nfsc_file {
	struct netfs_file file;
	int flags;
	struct nfsc_dir *dir; /* NULL: a file */
	struct nfsc_open *open;
};

/* How data are read and written: the only calls of which many run at once. */
struct nfsc_transfer {
	struct nfsc_req req;
	struct netfs_io *io;
};

_Static_assert(sizeof(struct nfsc_transfer) <= sizeof(((struct netfs_io *)0)->priv), "room");

struct nfs {
	struct netfs fs;
	struct nfsc_loop *loop;
	struct nfsc_node *root;
	int version;
	struct netfs_params params;
	/* What the server tells of itself. */
	uint32_t read_max, write_max, dir_max;
	atomic_ullong server_read_bytes, server_reads, server_write_bytes, server_writes;
	struct nfsc4_state *v4;
	struct nfsc_opens *opens;
};

static inline struct nfs *nfsc_of(struct netfs *fs)
{
	return (struct nfs *)(void *)fs;
}

static inline struct nfsc_node *nfsc_node_of(struct netfs_node *node)
{
	return (struct nfsc_node *)(void *)node;
}

static inline struct nfsc_file *nfsc_file_of(struct netfs_file *file)
{
	return (struct nfsc_file *)(void *)file;
}

extern const struct netfs_ops nfsc3_ops, nfsc4_ops;

/* Bytes of the server's into a handle; false: they are none. */
bool nfsc_fh_set(struct nfsc_fh *fh, const void *data, size_t len, size_t max);
/* A new reference; NULL: no memory. */
struct nfsc_node *nfsc_node_new(struct netfs *fs, const struct nfsc_fh *fh);
/* Status of the protocol (both versions number alike where they can) to -errno or NFS_LATER. */
int64_t nfsc_errno(uint32_t status);
/* The rest of an attr whose st is filled in. */
void nfsc_attr_end(struct netfs_attr *attr, const struct nfsc_fh *fh);

/* Calls that are the same in both versions. */
int nfsc_root(struct netfs *fs, struct netfs_node **out, struct netfs_attr *attr);
void nfsc_disconnect(struct netfs *fs);
void nfsc_abort(struct netfs *fs);
int nfsc_error(struct netfs *fs, const char **text);
void nfsc_counters(struct netfs *fs, struct netfs_counters *out);
void nfsc_drive(struct netfs *fs, struct fsc_backend *be);
void nfsc_node_free(struct netfs_node *node);
size_t nfsc_read_max(struct netfs_file *file);
size_t nfsc_write_max(struct netfs_file *file);
void nfsc_cancel(struct netfs_io *io);
int nfsc_open(struct netfs_node *node, int flags, struct netfs_file **out);
int nfsc_file_new(struct netfs_node *node, int flags, struct netfs_file **out);
int nfsc_close(struct netfs_file *file);
int nfsc_unlink(struct netfs_node *dir, const char *name, struct netfs_node *node);
int nfsc_rename(struct netfs_node *dir, const char *name, struct netfs_node *node,
		struct netfs_node *to_dir, const char *to_name, struct netfs_node *over,
		unsigned int flags);

/* hide.c: which files are open. NULL: no memory. */
int nfsc_opens_new(struct nfs *nfs);
void nfsc_opens_free(struct nfsc_opens *opens); /* NULL is fine */
struct nfsc_open *nfsc_open_get(struct netfs_node *node);
void nfsc_open_put(struct nfs *nfs, struct nfsc_open *open); /* [blocks] */
int nfsc_fsync(struct netfs_file *file, bool data_only);
int nfsc_readdir(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg);

/* One request for a part of a directory, of the version's own: fills @batch (emptied before). */
int nfsc3_read_batch(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_batch *batch);
int nfsc4_read_batch(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_batch *batch);
/* In a reply: add an entry. NULL: it isn't one (".", a bad name), or no_memory is set. */
struct nfsc_entry *nfsc_batch_add(struct nfsc_batch *batch, const char *name, size_t len);

/* Start a transfer, with the version's functions. [any] */
void nfsc_transfer(struct netfs_io *io, bool write,
		   int (*send)(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb,
			       void *priv),
		   int64_t (*reply)(struct nfsc_req *req, void *res));
/* In its reply: take what came; what is taken of the write. */
int64_t nfsc_took_read(struct nfsc_transfer *t, const char *data, size_t len, bool eof);
int64_t nfsc_took_write(struct nfsc_transfer *t, size_t len);

#endif
