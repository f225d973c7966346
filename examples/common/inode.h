/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * inode.h - the files that the kernel knows by a node id.
 *
 * A node id is the address of a struct inode. It comes with a generation number that no other inode
 * of this mount had or will have, so an address that is used again is never taken for the file
 * before. The kernel counts what it was told of (lookups) and says when it forgets; while it has a
 * file open, or a request under way, it doesn't.
 *
 * Two files of the server are the same if their keys are (netfs_attr.key); one whose name was
 * removed is taken out of the table, as the server may give its key to the next.
 */
#ifndef FSC_EXAMPLES_INODE_H
#define FSC_EXAMPLES_INODE_H

#include <pthread.h>

#include "local_locks.h"
#include "netfs.h"

struct content;
struct inode;

struct inodes {
	pthread_mutex_t lock; /* covers all of it */
	struct inode **by_key, **by_name; /* chains; both have as many */
	struct inode *detached;
	size_t slots, count;
	uint64_t last_id;
	struct inode *root;
	void (*end)(void *arg, struct inode *in); /* called for each that goes; never changed */
	void *arg;
};

struct inode {
	/* inodes.lock */
	struct inode *next_key, *next_name;
	uint64_t lookups;
	bool in_table;
	char *name;         /* the last one that led here, or NULL */
	uint64_t parent_id; /* in the directory with this id */

	/* Never changed, as is key. */
	uint64_t id; /* the generation number */
	uint32_t hash;
	mode_t type; /* S_IFMT */
	uint8_t key_len;

	pthread_mutex_t lock; /* covers the rest */
	struct netfs_node *node;
	struct netfs_attr attr; /* as last heard */
	uint64_t attr_ms;       /* fsc_clock_ms() when that arrived; 0: not to be believed */
	bool news;              /* it is not what the kernel was told */
	/* Changes by this client, under way and of all time: attributes that were fetched meanwhile
	 * may be older. */
	unsigned int changing;
	uint64_t changes;
	bool gone;    /* its last name was removed by us */
	bool no_caps; /* it has no security.capability, as far as its writer knows */
	bool readable; /* the server has let us open it when it had this ctime */
	struct timespec readable_ctim;
	struct local_locks locks;
	struct open_file *files; /* all that are open */
	struct content *content; /* of a regular file that was ever opened */

	uint8_t key[];
};

int inodes_init(struct inodes *t, struct netfs_node *root, const struct netfs_attr *attr,
		void (*end)(void *arg, struct inode *in), void *arg);
/* All of them, also those that the kernel didn't forget. */
void inodes_fini(struct inodes *t);

/* The inode of what was found under @name in @dir, with one more lookup. Takes @node over, also if
 * there is no memory, which is NULL. */
struct inode *inode_found(struct inodes *t, struct inode *dir, const char *name,
			  struct netfs_node *node, const struct netfs_attr *attr);
/* The kernel forgets @n lookups. The last: it is freed. */
void inode_forget(struct inodes *t, struct inode *in, uint64_t n);
/* What is believed to be @name in @dir, with one more lookup that the caller gives back; or NULL.
 */
struct inode *inode_named(struct inodes *t, struct inode *dir, const char *name);
/* That name leads here no more. */
void inode_unname(struct inodes *t, struct inode *in, struct inode *dir, const char *name);
void inode_rename(struct inodes *t, struct inode *in, struct inode *dir, const char *name);
/* No look-up leads to it any more, only who has it. */
void inode_detach(struct inodes *t, struct inode *in);

/* A reference on the node by which the server knows it now. */
struct netfs_node *inode_node(struct inode *in);

/* --- Attributes, with inode.lock not held ----------------------------------------------------- */

/* Bracket what this client changes. The second with what the first returned, and what the file is
 * then, if it was told (else NULL). */
uint64_t inode_change_begin(struct inode *in);
void inode_change_end(struct inode *in, uint64_t mark, const struct netfs_attr *attr);
/* A mark to take before attributes are asked for, and their arrival. False: something of ours was
 * changed meanwhile, so they say nothing for sure. */
uint64_t inode_attr_mark(struct inode *in);
bool inode_attr_arrived(struct inode *in, uint64_t mark, const struct netfs_attr *attr);
void inode_attr_doubt(struct inode *in);
/* The kernel is being told this. */
void inode_attr_told(struct inode *in, const struct netfs_attr *attr);

#endif
