// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * inode.c - the table of inodes, by key and by name, and what is known of their attributes.
 *
 * A name is kept for one purpose: what unlink, rmdir and rename are told of a name only is handed
 * on to the netfs with the node that is believed to have it. An inode with several names is known
 * under the last one that was looked up.
 */
#include "inode.h"

#include <errno.h>
#include <fscache/fscache.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024

/* --- Hashes ----------------------------------------------------------------------------------- */

/* FNV-1a: what a server could do with collisions is be slow, which it can be anyway. */
static uint32_t hash_bytes(uint32_t hash, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		hash = (hash ^ *p++) * 16777619u;
	return hash;
}

static uint32_t hash_key(const uint8_t *key, size_t len)
{
	return hash_bytes(2166136261u, key, len);
}

static uint32_t hash_name(uint64_t parent_id, const char *name)
{
	return hash_bytes(hash_bytes(2166136261u, &parent_id, sizeof(parent_id)), name,
			  strlen(name));
}

static struct inode **key_slot(struct inodes *t, uint32_t hash)
{
	return &t->by_key[hash & (t->slots - 1)];
}

static struct inode **name_slot(struct inodes *t, uint64_t parent_id, const char *name)
{
	return &t->by_name[hash_name(parent_id, name) & (t->slots - 1)];
}

/* --- The two chains, with the table's lock held ----------------------------------------------- */

static void link_key(struct inodes *t, struct inode *in)
{
	struct inode **chain = in->in_table ? key_slot(t, in->hash) : &t->detached;

	in->next_key = *chain;
	*chain = in;
}

static void unlink_key(struct inodes *t, struct inode *in)
{
	struct inode **at = in->in_table ? key_slot(t, in->hash) : &t->detached;

	while (*at != in)
		at = &(*at)->next_key;
	*at = in->next_key;
}

static void detach(struct inodes *t, struct inode *in)
{
	unlink_key(t, in);
	in->in_table = false;
	link_key(t, in);
}

static void link_name(struct inodes *t, struct inode *in)
{
	struct inode **slot = name_slot(t, in->parent_id, in->name);

	in->next_name = *slot;
	*slot = in;
}

static void drop_name(struct inodes *t, struct inode *in)
{
	struct inode **at;

	if (!in->name)
		return;
	at = name_slot(t, in->parent_id, in->name);
	while (*at != in)
		at = &(*at)->next_name;
	*at = in->next_name;
	free(in->name);
	in->name = NULL;
}

static struct inode *find_name(struct inodes *t, uint64_t parent_id, const char *name)
{
	struct inode *in = *name_slot(t, parent_id, name);

	while (in && (in->parent_id != parent_id || strcmp(in->name, name) != 0))
		in = in->next_name;
	return in;
}

/* Without memory it has no name, and is then unlinked without a node. */
static void set_name(struct inodes *t, struct inode *in, struct inode *dir, const char *name)
{
	struct inode *old = find_name(t, dir->id, name);

	if (old == in)
		return;
	if (old)
		drop_name(t, old);
	drop_name(t, in);
	in->name = strdup(name);
	in->parent_id = dir->id;
	if (in->name)
		link_name(t, in);
}

/* If there is no memory the chains get longer. */
static void grow(struct inodes *t)
{
	size_t slots = t->slots * 2;
	struct inode **keys = calloc(slots, sizeof(*keys)), **names = calloc(slots, sizeof(*names));
	struct inodes bigger = { .by_key = keys, .by_name = names, .slots = slots };

	if (!keys || !names) {
		free(keys);
		free(names);
		return;
	}
	for (size_t i = 0; i < t->slots; i++) {
		struct inode *in, *next;

		for (in = t->by_key[i]; in; in = next) {
			next = in->next_key;
			link_key(&bigger, in);
		}
		for (in = t->by_name[i]; in; in = next) {
			next = in->next_name;
			link_name(&bigger, in);
		}
	}
	free(t->by_key);
	free(t->by_name);
	t->by_key = keys;
	t->by_name = names;
	t->slots = slots;
}

/* --- Inodes ----------------------------------------------------------------------------------- */

static struct inode *make(struct netfs_node *node, const struct netfs_attr *attr)
{
	struct inode *in = calloc(1, sizeof(*in) + attr->key_len);

	if (!in)
		return NULL;
	in->node = node;
	in->attr = *attr;
	in->attr_ms = attr->arrived_ms;
	in->in_table = true;
	in->type = attr->st.st_mode & S_IFMT;
	in->key_len = attr->key_len;
	memcpy(in->key, attr->key, attr->key_len);
	in->hash = hash_key(in->key, in->key_len);
	pthread_mutex_init(&in->lock, NULL);
	return in;
}

static void destroy(struct inodes *t, struct inode *in)
{
	t->end(t->arg, in);
	netfs_node_put(in->node);
	pthread_mutex_destroy(&in->lock);
	free(in);
}

int inodes_init(struct inodes *t, struct netfs_node *root, const struct netfs_attr *attr,
		void (*end)(void *arg, struct inode *in), void *arg)
{
	*t = (struct inodes){ .slots = FIRST_SLOTS, .end = end, .arg = arg };
	t->by_key = calloc(t->slots, sizeof(*t->by_key));
	t->by_name = calloc(t->slots, sizeof(*t->by_name));
	if (t->by_key && t->by_name)
		t->root = make(root, attr);
	if (!t->root) {
		free(t->by_key);
		free(t->by_name);
		return -ENOMEM;
	}
	netfs_node_get(root);
	pthread_mutex_init(&t->lock, NULL);
	t->root->lookups = 1; /* the kernel's from the beginning */
	t->root->id = ++t->last_id;
	link_key(t, t->root);
	return 0;
}

static void destroy_chain(struct inodes *t, struct inode *in)
{
	struct inode *next;

	for (; in; in = next) {
		next = in->next_key;
		free(in->name);
		destroy(t, in);
	}
}

void inodes_fini(struct inodes *t)
{
	for (size_t i = 0; i < t->slots; i++)
		destroy_chain(t, t->by_key[i]);
	destroy_chain(t, t->detached);
	free(t->by_key);
	free(t->by_name);
	pthread_mutex_destroy(&t->lock);
}

static struct inode *find_key(struct inodes *t, const struct netfs_attr *attr)
{
	struct inode *in = *key_slot(t, hash_key(attr->key, attr->key_len));

	while (in && (in->key_len != attr->key_len || memcmp(in->key, attr->key, in->key_len) != 0))
		in = in->next_key;
	return in;
}

/* The node that a look-up brought is the one that the server knows best. */
static void adopt(struct inode *in, struct netfs_node *node)
{
	struct netfs_node *old;

	pthread_mutex_lock(&in->lock);
	old = in->node;
	in->node = node;
	pthread_mutex_unlock(&in->lock);
	netfs_node_put(old);
}

struct inode *inode_found(struct inodes *t, struct inode *dir, const char *name,
			  struct netfs_node *node, const struct netfs_attr *attr)
{
	struct inode *in, *fresh = NULL;

	pthread_mutex_lock(&t->lock);
	in = find_key(t, attr);
	/* A file doesn't change its type: the server has given the key to another one. */
	if (in && in != t->root && in->type != (attr->st.st_mode & S_IFMT)) {
		detach(t, in);
		in = NULL;
	}
	if (!in) {
		in = fresh = make(node, attr);
		if (!in)
			goto out;
		in->id = ++t->last_id;
		if (++t->count > t->slots)
			grow(t);
		link_key(t, in);
	}
	in->lookups++;
	if (name && in != t->root)
		set_name(t, in, dir, name);
out:
	pthread_mutex_unlock(&t->lock);
	if (!in)
		netfs_node_put(node);
	else if (!fresh)
		adopt(in, node);
	return in;
}

void inode_forget(struct inodes *t, struct inode *in, uint64_t n)
{
	bool last;

	pthread_mutex_lock(&t->lock);
	in->lookups -= n < in->lookups ? n : in->lookups;
	last = !in->lookups && in != t->root;
	if (last) {
		unlink_key(t, in);
		drop_name(t, in);
		t->count--;
	}
	pthread_mutex_unlock(&t->lock);
	if (last)
		destroy(t, in);
}

struct inode *inode_named(struct inodes *t, struct inode *dir, const char *name)
{
	struct inode *in;

	pthread_mutex_lock(&t->lock);
	in = find_name(t, dir->id, name);
	if (in)
		in->lookups++;
	pthread_mutex_unlock(&t->lock);
	return in;
}

void inode_unname(struct inodes *t, struct inode *in, struct inode *dir, const char *name)
{
	pthread_mutex_lock(&t->lock);
	if (in->name && in->parent_id == dir->id && !strcmp(in->name, name))
		drop_name(t, in);
	pthread_mutex_unlock(&t->lock);
}

void inode_rename(struct inodes *t, struct inode *in, struct inode *dir, const char *name)
{
	pthread_mutex_lock(&t->lock);
	set_name(t, in, dir, name);
	pthread_mutex_unlock(&t->lock);
}

void inode_detach(struct inodes *t, struct inode *in)
{
	pthread_mutex_lock(&t->lock);
	if (in != t->root) {
		detach(t, in);
		drop_name(t, in);
	}
	pthread_mutex_unlock(&t->lock);
}

struct netfs_node *inode_node(struct inode *in)
{
	struct netfs_node *node;

	pthread_mutex_lock(&in->lock);
	node = netfs_node_get(in->node);
	pthread_mutex_unlock(&in->lock);
	return node;
}

/* --- Attributes ------------------------------------------------------------------------------- */

/* As far as the kernel believes it without asking. */
static bool same_attr(const struct netfs_attr *a, const struct netfs_attr *b)
{
	return a->st.st_size == b->st.st_size && a->st.st_ctim.tv_sec == b->st.st_ctim.tv_sec &&
	       a->st.st_ctim.tv_nsec == b->st.st_ctim.tv_nsec &&
	       a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
	       a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

static void keep_attr(struct inode *in, const struct netfs_attr *attr)
{
	if (!same_attr(&in->attr, attr))
		in->news = true;
	in->attr = *attr;
	in->attr_ms = attr->arrived_ms;
}

uint64_t inode_change_begin(struct inode *in)
{
	uint64_t mark;

	pthread_mutex_lock(&in->lock);
	in->changing++;
	mark = ++in->changes;
	in->attr_ms = 0;
	pthread_mutex_unlock(&in->lock);
	return mark;
}

void inode_change_end(struct inode *in, uint64_t mark, const struct netfs_attr *attr)
{
	pthread_mutex_lock(&in->lock);
	/* Not if another change overlapped, which these attributes may know or not. */
	if (--in->changing == 0 && in->changes == mark && attr)
		keep_attr(in, attr);
	in->changes++;
	pthread_mutex_unlock(&in->lock);
}

uint64_t inode_attr_mark(struct inode *in)
{
	uint64_t mark;

	pthread_mutex_lock(&in->lock);
	mark = in->changing ? UINT64_MAX : in->changes;
	pthread_mutex_unlock(&in->lock);
	return mark;
}

bool inode_attr_arrived(struct inode *in, uint64_t mark, const struct netfs_attr *attr)
{
	bool good;

	pthread_mutex_lock(&in->lock);
	good = mark == in->changes;
	if (good)
		keep_attr(in, attr);
	pthread_mutex_unlock(&in->lock);
	return good;
}

void inode_attr_doubt(struct inode *in)
{
	pthread_mutex_lock(&in->lock);
	in->attr_ms = 0;
	pthread_mutex_unlock(&in->lock);
}

void inode_attr_told(struct inode *in, const struct netfs_attr *attr)
{
	pthread_mutex_lock(&in->lock);
	in->news = !same_attr(&in->attr, attr);
	/* One of the two is outdated, and the kernel isn't to go back to that. */
	if (in->news)
		in->attr_ms = 0;
	pthread_mutex_unlock(&in->lock);
}
