/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * nine.h - 9P as one of the protocols of examples/common: what its files share.
 *
 *	nine.c         the table, the root, figures
 *	nine_link.c    the connection, and the next one after it died
 *	nine_fid.c     counted fids
 *	nine_name.c    the names of nodes, and paths
 *	nine_node.c    files by name: fids that are walked to again when they are lost
 *	nine_stat.c    what is asked of nodes
 *	nine_file.c    open files and directories
 *	nine_io.c      reads and writes
 *	nine_change.c  what changes names and attributes
 *	nine_create.c  what makes something new
 *	nine_xattr.c   extended attributes
 *	nine_lock.c    locks
 *	nine_kernel.c  keys and coherency data as Linux's own client has them
 *
 * A link is one connection; when it is dead and reconnecting is wanted, another takes its place,
 * and fids of the old one are worth nothing. So a node knows by which names it was found, and a
 * file how it was opened; whoever needs a fid asks for it, and gets the one that is there or has a
 * new one walked to (and opened). What a name leads to by then has to have the same qid.path:
 * otherwise it is another file, and the error -ESTALE.
 *
 * Fids are counted, as a request may be on its way with one that another thread is just replacing.
 * With its last reference a fid is clunked, without waiting.
 *
 * Locks, outermost first: nine_entries.lock, nine_file.reopening, nine.moving, nine_node.lock (all
 * held while the server is asked), then nine_file.lock, nine.kept_lock (which only tries nodes'
 * locks), nine.names, nine.lock, nine.io_lock, each of which is held shortly.
 */
#ifndef FSC9P_NINE_H
#define FSC9P_NINE_H

#include <pthread.h>
#include <sys/queue.h>

#include "circle.h"
#include "client.h"
#include "netfs.h"

struct nine_link {
	LIST_ENTRY(nine_link) link; /* in nine.links */
	struct p9_client *client;
	uint32_t root;
	atomic_uint refs; /* fids, and calls under way */
	/* What this server is known not to do. */
	atomic_bool no_renameat, no_unlinkat;
};

enum { NINE_PLACE_SLOTS = 1 << 14 };

struct nine_fid {
	struct nine_link *link; /* a reference */
	uint32_t fid;
	atomic_uint walked; /* nine.moves when its names were last known to be right */
	atomic_uint refs;
	struct p9_clunk clunk;
};

struct nine_name;
struct nine_place;

struct nine_node {
	struct netfs_node node;
	bool is_root;
	uint64_t qid_path;
	atomic_uint mode, gid; /* as last seen; the type doesn't change */
	atomic_bool nameless;  /* is known to have lost its last name */
	struct nine_name *names; /* nine.names covers it */
	TAILQ_ENTRY(nine_node) kept; /* in nine.kept, if is_kept: has a fid, or had one */
	bool is_kept;
	atomic_bool used; /* since it was last looked at there */
	pthread_mutex_t lock;
	struct nine_fid *fid; /* a reference; NULL: is to be walked to */
};

/* What of a directory was received and not yet passed on. */
struct nine_entries {
	pthread_mutex_t lock;
	uint8_t *buf; /* NULL until the first call */
	size_t len, at;
	uint64_t next; /* the position of what is at @at */
	struct circle circle;
};

struct nine_file {
	struct netfs_file file;
	uint32_t flags; /* P9_O_*, for opening it again */
	atomic_bool locked; /* holds locks, which die with the connection */
	/* The server took writes that it wasn't told to make safe; and then it may have died. */
	atomic_bool unsynced, lost_writes;
	atomic_uint io_max; /* bytes of one read or write */
	pthread_mutex_t reopening; /* held while opening */
	pthread_mutex_t lock;      /* covers fid, and is held shortly */
	struct nine_fid *fid; /* a reference; opened */
	struct nine_entries entries;
};

struct nine_io;
TAILQ_HEAD(nine_io_list, nine_io);
LIST_HEAD(nine_link_list, nine_link);
TAILQ_HEAD(nine_node_list, nine_node);

/* Whose qids files go by in the cache, with like_kernel. */
enum nine_qids {
	NINE_QIDS_SERVER,
	NINE_QIDS_QEMU,       /* what QEMU's server would say, from the server's other attributes */
	NINE_QIDS_QEMU_REMAP, /* and that with multidevs=remap */
};

struct nine_options {
	const char *server, *aname, *uname; /* they outlive the netfs */
	uint32_t n_uname;
	uint32_t msize; /* 0: the default */
	bool like_kernel;
	enum nine_qids qids;
};

struct nine {
	struct netfs fs;
	struct nine_options opt;
	bool reconnect;
	uint32_t timeout_ms;
	uint64_t root_path; /* qid.path of the root */

	_Atomic(struct nine_link *) link; /* the current one; changed with the lock held */
	atomic_bool aborted;
	atomic_uint moves; /* names changed by us */

	/* Held while the server renames a directory, and until the names are right; or while that
	 * must not be. Recursive. */
	pthread_mutex_t moving;
	pthread_mutex_t names; /* covers all places, and nine_node.names */
	struct nine_place *places[NINE_PLACE_SLOTS];

	pthread_mutex_t kept_lock; /* covers what follows, and nine_node.is_kept */
	struct nine_node_list kept;
	unsigned int nr_kept;

	pthread_mutex_t lock; /* covers what follows */
	pthread_cond_t connected;
	struct nine_link_list links; /* the current one, and old ones that may be in use */
	bool connecting;
	uint64_t attempts, reconnects;
	int failed; /* what the last attempt ended with */
	uint64_t next_ms, backoff_ms;
	struct netfs_counters gone; /* of links that are no more */

	pthread_mutex_t io_lock; /* nine_io.state, and what follows */
	pthread_cond_t io_waits;
	struct nine_io_list io_queue; /* to be started when there is a connection */
	bool io_ends;
	bool io_runs;
	pthread_t io_thread;
};

static inline struct nine *nine_of(struct netfs *fs)
{
	return (struct nine *)fs;
}

static inline struct nine_node *node_of(struct netfs_node *node)
{
	return (struct nine_node *)node;
}

static inline struct nine *nine_of_node(const struct nine_node *n)
{
	return nine_of(n->node.fs);
}

static inline struct nine_file *file_of(struct netfs_file *file)
{
	return (struct nine_file *)file;
}

static inline struct p9_client *client_of(const struct nine_fid *fid)
{
	return fid->link->client;
}

/* ---- nine.c ---- */

/* Connect and attach [blocks]; 0, or -errno with a line for people in @why. */
int nine_connect(const struct nine_options *opt, const struct netfs_params *params,
		 struct netfs **out, char *why, size_t why_size);

extern const struct netfs_ops nine_ops;

/* What was learnt of @n by p9_getattr(), and just now. -ESTALE: it is another file's. */
int nine_take_attr(struct nine_node *n, const struct p9_attr *a, struct netfs_attr *out);

/* ---- nine_kernel.c ---- */

/* Key and coherency data, of what was converted else. Not vouched for if there is no version. */
void nine_label_like_kernel(const struct nine *fs, const struct p9_attr *a,
			    struct netfs_attr *out);
/* The key of a volume, in memory of the caller's; NULL: none left. */
char *nine_volume_like_kernel(const char *source, const char *tag);
/* 0, or -errno with a line for people in @why: the server has no versions [blocks]. */
int nine_check_versions(struct netfs *fs, char *why, size_t why_size);

/* ---- nine_link.c ---- */

/* The current connection, with a reference, made anew if it has to and may be [blocks]. */
int nine_link_get(struct nine *fs, struct nine_link **out);
void nine_link_put(struct nine_link *link); /* [any] */
/* Is there any point in asking this one? */
bool nine_link_usable(struct nine *fs, struct nine_link *link);
/* The first one. */
int nine_link_begin(struct nine *fs, char *why, size_t why_size);
void nine_link_end(struct nine *fs);

void nine_abort(struct netfs *fs);
int nine_error(struct netfs *fs, const char **text);
void nine_counters(struct netfs *fs, struct netfs_counters *out);

/* ---- nine_fid.c ---- */

struct nine_fid *nine_fid_get(struct nine_fid *fid);
void nine_fid_put(struct nine_fid *fid); /* [any] NULL is fine */
/* Walk from fid @from of @link, on which *@out has a reference of its own [blocks]. */
int nine_fid_walk(struct nine *fs, struct nine_link *link, uint32_t from,
		  const struct p9_blob *names, size_t count, struct nine_fid **out,
		  struct p9_qid *qid);
/* Another fid for the same file. */
int nine_fid_clone(struct nine *fs, struct nine_fid *fid, struct nine_fid **out);
/* @n has a fid now: others may have to give theirs up. Without its lock. */
void nine_fid_kept(struct nine_node *n);
void nine_fid_not_kept(struct nine_node *n); /* it is about to be freed */

/* ---- nine_name.c ---- */

/* @n was found or given a name: @text in @dir. 0 or -ENOMEM. */
int nine_name_add(struct nine_node *n, struct nine_node *dir, const char *text);
void nine_names_end(struct nine_node *n);
/* A name was removed, or became another in place of what had that: by us, and for all nodes that
 * were found there or below. Takes over @to_text. */
void nine_name_removed(struct nine_node *dir, const char *text);
void nine_name_moved(struct nine_node *dir, const char *text, struct nine_node *to_dir,
		     char *to_text);

enum nine_state {
	NINE_SAME,
	NINE_MOVED,   /* it, or a directory on the way, was renamed since @fid was walked to */
	NINE_NAMELESS /* it has lost its last name */
};

enum nine_state nine_name_state(struct nine_node *n, struct nine_fid *fid);

/* Has anything been renamed, or was it just being, since nine.moves was @moves? Waits for the end
 * of that [blocks]. Whoever was told then by a server that goes by names that something isn't there
 * asks again, so often: */
bool nine_moved_since(struct nine *fs, unsigned int moves);
enum { NINE_MOVES_MAX = 10 };

/* The names from the root to @n; -ESTALE: it has none. To be ended in any case. */
struct nine_path {
	struct p9_blob *names;
	char *text;
	size_t count;
};

int nine_path_of(const struct nine_node *n, struct nine_path *p);
void nine_path_end(struct nine_path *p);

/* ---- nine_node.c ---- */

/* A node found by @name in @dir; takes over @fid. NULL: no memory, and @fid was given back. */
struct nine_node *nine_node_new(struct nine *fs, struct nine_node *dir, const char *name,
				struct nine_fid *fid, uint64_t qid_path);
void nine_node_free(struct netfs_node *node);
/* Its fid, with a reference, walked to if need be [blocks]. */
int nine_node_fid(struct nine_node *n, struct nine_fid **out);

/*
 * Is @fid of @n still what @n is [blocks]? If that has lost its last name, then only with a server
 * that knows files by more than names: to one that doesn't the fid now means whatever is given that
 * name next, which may well have the same number, as those of removed files are given out again.
 * But it isn't without links. -ESTALE: it isn't.
 */
int nine_check_nameless(struct nine_node *n, struct nine_fid *fid);

/* How often one call was tried; zeroed before the first. */
struct nine_tries {
	unsigned int lost, stale;
	unsigned int moves; /* nine.moves when it was found stale */
	bool holds; /* nine.moving */
};

enum {
	NINE_ONCE = 0,      /* must not be done twice */
	NINE_REPEAT = 1,    /* can be done again when the connection died under it */
	NINE_MUST_EXIST = 2 /* -ENOENT means that the fid has lost its file, and not its answer */
};

/* nine_node_fid() for a call that is tried again as long as nine_again() says so. */
int nine_attempt(struct nine_node *n, struct nine_fid **out, struct nine_tries *tries);
/* A call with @fid ended with @ret. Gives @fid back; true: make it again. [blocks] */
bool nine_again(struct nine_node *n, struct nine_fid *fid, int64_t ret, int how,
		struct nine_tries *tries);

/* ---- nine_stat.c ---- */

int nine_lookup(struct netfs_node *dir, const char *name, struct netfs_node **out,
		struct netfs_attr *attr);
int nine_getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr);
int nine_readlink(struct netfs_node *node, char *buf, size_t size);
int nine_statfs(struct netfs_node *node, struct statvfs *out);

/* ---- nine_file.c ---- */

/* A file of what was just opened; takes over @fid. */
struct nine_file *nine_file_new(struct nine_node *n, struct nine_fid *fid, int flags);
/* Its fid, with a reference, opened again if need be [blocks]. */
int nine_file_fid(struct nine_file *f, struct nine_fid **out);
/* The same if it needs no server [any]: NULL if it does. */
struct nine_fid *nine_file_fid_now(struct nine_file *f);
uint32_t nine_open_flags(int flags);
/* As nine_again(); what is called can be repeated. */
bool nine_file_again(struct nine_file *f, struct nine_fid *fid, int64_t ret,
		     struct nine_tries *tries);

int nine_open(struct netfs_node *node, int flags, struct netfs_file **out);
int nine_close(struct netfs_file *file);
int nine_fsync(struct netfs_file *file, bool data_only);
int nine_readdir(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg);

/* ---- nine_create.c ---- */

int nine_mkdir(struct netfs_node *dir, const char *name, mode_t mode,
	       const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nine_mknod(struct netfs_node *dir, const char *name, mode_t mode, dev_t rdev,
	       const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nine_symlink(struct netfs_node *dir, const char *name, const char *target,
		 const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr);
int nine_create(struct netfs_node *dir, const char *name, int flags, mode_t mode,
		const struct netfs_owner *owner, struct netfs_node **out, struct netfs_attr *attr,
		struct netfs_file **file);

/* ---- nine_change.c ---- */

int nine_setattr(struct netfs_node *node, struct netfs_file *file, unsigned int which,
		 const struct stat *st, struct netfs_attr *attr);
int nine_link_make(struct netfs_node *node, struct netfs_node *dir, const char *name,
		   struct netfs_attr *attr);
int nine_unlink(struct netfs_node *dir, const char *name, struct netfs_node *node);
int nine_rmdir(struct netfs_node *dir, const char *name, struct netfs_node *node);
int nine_rename(struct netfs_node *dir, const char *name, struct netfs_node *node,
		struct netfs_node *to_dir, const char *to_name, struct netfs_node *over,
		unsigned int flags);

/* ---- nine_xattr.c ---- */

int64_t nine_getxattr(struct netfs_node *node, const char *name, void *buf, size_t size);
int64_t nine_listxattr(struct netfs_node *node, void *buf, size_t size);
int nine_setxattr(struct netfs_node *node, const char *name, const void *buf, size_t size,
		  int flags);
int nine_removexattr(struct netfs_node *node, const char *name);

/* ---- nine_lock.c ---- */

int nine_lock(struct netfs_file *file, const struct netfs_lock *lock);
int nine_getlock(struct netfs_file *file, struct netfs_lock *lock);

/* ---- nine_io.c ---- */

int nine_io_begin(struct nine *fs);
void nine_io_end(struct nine *fs);

size_t nine_read_max(struct netfs_file *file);
size_t nine_write_max(struct netfs_file *file);
void nine_read(struct netfs_io *io);
void nine_push(struct netfs_file *file);
void nine_write(struct netfs_io *io);
void nine_cancel(struct netfs_io *io);

#endif
