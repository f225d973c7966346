/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * netfs.h - what the commands and the mount know of a protocol: a table of calls on files.
 *
 * Everything in this folder is written once on top of it; examples/9p and examples/nfs fill it in.
 *
 * Nouns     A netfs is one export of one server, connected. A node is a file of it, by the
 *           protocol's handle (a walked fid, an NFS file handle). A file is a node that was opened.
 * Threads   Every call may be made from several threads at once, but for connect and disconnect.
 * Context   [blocks] waits for the server, but not for ever: a server that doesn't answer within
 *           the time-out, or a connection that can't be had again, is an error. [any] doesn't wait,
 *           and may be made from a done callback. From a done callback nothing else may.
 * Errors    0 or a count, else -errno: the server's own, or -EIO, -ETIMEDOUT, -ENOTCONN, -ECONN*
 *           for a connection that is gone. -EOPNOTSUPP: not in this protocol, or this server can't.
 *           -ESTALE: the node's file is gone from the server, or its name leads to another one.
 * Lifetime  Nodes are counted: what returns one gives a reference. Files belong to who opened them.
 * Reconnect With netfs_params.reconnect a call on a dead connection tries to connect again (once
 *           for all that wait for it), and nodes and files find their way by themselves. Without,
 *           a dead connection stays dead.
 */
#ifndef FSC_EXAMPLES_NETFS_H
#define FSC_EXAMPLES_NETFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define NETFS_KEY_MAX 128
#define NETFS_LABEL_MAX 16
#define NETFS_NAME_MAX 255

struct netfs_ops;
struct netfs_dir_entry;

struct netfs_params {
	bool reconnect;
	uint32_t timeout_ms; /* of one request; 0: the protocol's default */
};

/* The protocol embeds these two first in its own. */
struct netfs {
	const struct netfs_ops *ops;
};

struct netfs_node {
	struct netfs *fs;
	atomic_uint refs; /* 1 when made */
};

struct netfs_file {
	struct netfs_node *node; /* a reference */
};

/* What the server says of a file. */
struct netfs_attr {
	/* As stat(2): st_ino is the server's file id, st_dev 0, times with nanoseconds. */
	struct stat st;
	/* All that coherency data are made of is there, and the server vouches for it. */
	bool vouched;
	/* The server's change counter, which is different after each change, whatever clocks do
	 * (NFSv4). Else times and size have to do. */
	bool has_change;
	uint64_t change;
	uint64_t versions[2]; /* what else tells versions apart (9P qid.version, data_version) */
	/* Which file it is: unique in the export for the life of the file. */
	uint8_t key_len;
	uint8_t key[NETFS_KEY_MAX];
	/* Coherency data as somebody else has them who is to find in the cache what we put there, and
	 * the other way round; 0: ours, made of all of the above. They may be no finer than seconds. */
	uint8_t label_len;
	uint8_t label[NETFS_LABEL_MAX];
	uint64_t arrived_ms; /* fsc_clock_ms() when the reply had arrived */
};

/* One read or write of an opened file. Embedded in the caller's own and left alone, with its buffer,
 * until @done, which may free it. */
struct netfs_io {
	struct netfs_file *file;
	uint64_t pos; /* bytes */
	void *buf;    /* of a write: not changed */
	size_t len;   /* bytes; what the protocol can't carry at once is cut */
	bool more;    /* of a read: it may be kept back until push */
	/* Called once [any], on a thread of the protocol's or inside the starting call: bytes, fewer
	 * than @len at the end of the file or when the server likes, of a read 0 at the end; or
	 * -errno; -ECANCELED after a cancel. Quick, and no call that [blocks]. */
	void (*done)(struct netfs_io *io, int64_t bytes_or_error);
	uint64_t priv[48]; /* the protocol's */
};

/* Which members of st setattr is to change. */
enum {
	NETFS_SET_MODE = 1 << 0,
	NETFS_SET_UID = 1 << 1,
	NETFS_SET_GID = 1 << 2,
	NETFS_SET_SIZE = 1 << 3,
	NETFS_SET_ATIME = 1 << 4,
	NETFS_SET_MTIME = 1 << 5,
	NETFS_SET_ATIME_NOW = 1 << 6, /* the server's clock */
	NETFS_SET_MTIME_NOW = 1 << 7,
};

/* Who asks for something new: it is to belong to them, as far as the server lets us. */
struct netfs_owner {
	uid_t uid;
	gid_t gid;
};

struct netfs_lock {
	short type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint64_t start, len; /* len 0: to the end */
	uint32_t pid;
	uint64_t owner;
};

/* One entry of a directory; not "." and "..". */
struct netfs_dirent {
	const char *name;  /* 1 to NETFS_NAME_MAX bytes, no '/' */
	uint64_t ino;
	uint64_t next;     /* the position after it */
	unsigned char type; /* DT_* */
	/* Where the protocol has them together (READDIRPLUS): else NULL. The receiver takes its own
	 * reference on @node if it wants one. */
	struct netfs_node *node;
	const struct netfs_attr *attr;
};

/* Not 0: stop after this one (1: it was taken; less: it was not, and is the error to return unless
 * -ENOSPC, which only means that there is no more room). */
typedef int (*netfs_dirent_fn)(void *arg, const struct netfs_dirent *entry);

struct netfs_counters {
	uint64_t server_read_bytes;  /* file data received, of cut-off reads too */
	uint64_t server_reads;       /* read replies with at least one byte */
	uint64_t server_write_bytes; /* file data the server took */
	uint64_t server_writes;
	uint64_t bytes_sent, bytes_received; /* on the sockets, where it is known */
	uint64_t reconnects;
};

struct fsc_backend;

/* Names are C strings of 1 to NETFS_NAME_MAX bytes, "." and ".." only where said. What is NULL the
 * protocol doesn't have. */
struct netfs_ops {
	const char *name; /* "9p", "nfs" */

	/* [blocks] The root of what was connected to. */
	int (*root)(struct netfs *fs, struct netfs_node **out, struct netfs_attr *attr);
	void (*disconnect)(struct netfs *fs); /* [blocks]; all nodes and files were given back */
	/* [any] Every request ends soon with -ECANCELED, and so do later ones. */
	void (*abort)(struct netfs *fs);
	/* [any] 0 while the connection lives, else why it doesn't; *@text (may be NULL) for people,
	 * valid until the connection is tried again. */
	int (*error)(struct netfs *fs, const char **text);
	void (*counters)(struct netfs *fs, struct netfs_counters *out); /* [any] */
	/* The protocol's event loop, if it has one, drives @be (opened with FSC_URING_LOOP) from now
	 * on; NULL: no more, and it returns only when no dispatch is running [blocks]. Protocols with
	 * threads of their own have no such call: open with FSC_URING_THREAD. */
	void (*drive)(struct netfs *fs, struct fsc_backend *be);

	/* --- Nodes, all [blocks] but free --- */
	void (*node_free)(struct netfs_node *node); /* [any] the last reference is gone */
	/* @attr is what the server said after finding it. Each look-up makes a node; of several of
	 * one file the one found last knows best by which name it is found again. */
	int (*lookup)(struct netfs_node *dir, const char *name, struct netfs_node **out,
		      struct netfs_attr *attr);
	/* @file (may be NULL): open on that node; for what has lost its name it may be the only
	 * way. -ESTALE though it is open: the server serves its data, but nothing else of it. */
	int (*getattr)(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr);
	/* @attr (may be NULL): what it is afterwards. */
	int (*setattr)(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		       const struct stat *st, struct netfs_attr *attr);
	int (*readlink)(struct netfs_node *node, char *buf, size_t size); /* bytes, no NUL */
	int (*access)(struct netfs_node *node, int mask); /* as access(2), for the session's user */
	int (*statfs)(struct netfs_node *node, struct statvfs *out);
	int (*mkdir)(struct netfs_node *dir, const char *name, mode_t mode,
		     const struct netfs_owner *owner, struct netfs_node **out,
		     struct netfs_attr *attr);
	int (*mknod)(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
		     const struct netfs_owner *owner, struct netfs_node **out,
		     struct netfs_attr *attr);
	int (*symlink)(struct netfs_node *dir, const char *name, const char *target,
		       const struct netfs_owner *owner, struct netfs_node **out,
		       struct netfs_attr *attr);
	int (*link)(struct netfs_node *node, struct netfs_node *dir, const char *name,
		    struct netfs_attr *attr);
	/* @node (may be NULL): what is believed to have that name; it may be open, and then goes on
	 * to be served to who has it open where the server can do that. */
	int (*unlink)(struct netfs_node *dir, const char *name, struct netfs_node *node);
	int (*rmdir)(struct netfs_node *dir, const char *name, struct netfs_node *node);
	/* @flags as renameat2(2); -EINVAL for those the protocol hasn't. @node is what moves, @over
	 * (may be NULL) what is believed to be replaced. */
	int (*rename)(struct netfs_node *dir, const char *name, struct netfs_node *node,
		      struct netfs_node *to_dir, const char *to_name, struct netfs_node *over,
		      unsigned int flags);
	/* bytes; @size 0: how many it would be. -ERANGE, -ENODATA. */
	int64_t (*getxattr)(struct netfs_node *node, const char *name, void *buf, size_t size);
	int64_t (*listxattr)(struct netfs_node *node, void *buf, size_t size);
	int (*setxattr)(struct netfs_node *node, const char *name, const void *buf, size_t size,
			int flags); /* XATTR_CREATE, XATTR_REPLACE */
	int (*removexattr)(struct netfs_node *node, const char *name);

	/* --- Open files, all [blocks] --- */
	/* @flags: O_RDONLY, O_WRONLY or O_RDWR, with O_TRUNC, O_APPEND; O_DIRECTORY. */
	int (*open)(struct netfs_node *node, int flags, struct netfs_file **out);
	/* @flags may have O_EXCL. */
	int (*create)(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		      const struct netfs_owner *owner, struct netfs_node **out,
		      struct netfs_attr *attr, struct netfs_file **file);
	/* No read or write of it is under way. What it says is for the record: the file is gone. */
	int (*close)(struct netfs_file *file);
	/* What was written is on the server's disk. @data_only as fdatasync. -EIO, once, if the
	 * connection was lost with writes of which this wasn't said: it may have been restarted. */
	int (*fsync)(struct netfs_file *file, bool data_only);
	/* From @pos on (0: the beginning, else an entry's next), until @fn says stop or the end.
	 * -ELOOP: the server goes in circles (circle.h). */
	int (*readdir)(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn,
		       void *arg);
	/* -EAGAIN: somebody else has it. */
	int (*lock)(struct netfs_file *file, const struct netfs_lock *lock);
	int (*getlock)(struct netfs_file *file, struct netfs_lock *lock); /* F_UNLCK: it is free */

	/* --- Transfers, all [any] --- */
	size_t (*read_max)(struct netfs_file *file); /* bytes of one, at least 1 */
	size_t (*write_max)(struct netfs_file *file);
	void (*read)(struct netfs_io *io);
	/* Optional: send what reads of @file were kept back. */
	void (*push)(struct netfs_file *file);
	void (*write)(struct netfs_io *io);
	/* It may come while done is being called, and after: @io is there until this has returned,
	 * but its file may be closed by then. Harmless if it is too late. */
	void (*cancel)(struct netfs_io *io);
};

static inline struct netfs_node *netfs_node_get(struct netfs_node *node)
{
	if (node)
		atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

/* [any] NULL is fine. */
static inline void netfs_node_put(struct netfs_node *node)
{
	if (node && atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) == 1)
		node->fs->ops->node_free(node);
}

#endif
