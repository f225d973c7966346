// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_name.c - the names of nodes, and the paths that they make.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 65536 }; /* names in one path; a circle of parents would be a mistake of ours */

void nine_names_free(struct nine_name *name)
{
	struct nine_name *next;

	for (; name; name = next) {
		next = name->next;
		netfs_node_put(&name->parent->node);
		free(name);
	}
}

struct nine_name *nine_name_new(struct nine_node *dir, const char *text)
{
	size_t len = strlen(text) + 1;
	struct nine_name *name = malloc(sizeof(*name) + len);

	if (!name)
		return NULL;
	name->next = NULL;
	name->parent = dir;
	memcpy(name->name, text, len);
	netfs_node_get(&dir->node);
	return name;
}

void nine_name_free(struct nine_name *name)
{
	name->next = NULL;
	nine_names_free(name);
}

/* Two nodes may stand for one directory. */
static bool is_name(const struct nine_name *name, const struct nine_node *dir, const char *text)
{
	return (name->parent == dir || name->parent->qid_path == dir->qid_path) &&
	       !strcmp(name->name, text);
}

/* With the names' lock held: the place in @n's list of this name, or of its end. */
static struct nine_name **find_name(struct nine_node *n, const struct nine_node *dir,
				    const char *text)
{
	struct nine_name **at = &n->names;

	while (*at && !is_name(*at, dir, text))
		at = &(*at)->next;
	return at;
}

/* With the names' lock held: what was walked to by @n's names before isn't good any more. */
static void mark_moved(struct nine_node *n)
{
	atomic_store(&n->moved, atomic_fetch_add(&nine_of_node(n)->moves, 1) + 1);
}

void nine_name_add(struct nine_node *n, struct nine_name *name)
{
	struct nine_name **at;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = &n->names;
	while (*at)
		at = &(*at)->next;
	*at = name;
	/* It had none, and was known to some server only. */
	if (atomic_exchange(&n->nameless, false))
		mark_moved(n);
	pthread_mutex_unlock(&nine_of_node(n)->names);
}

void nine_name_drop(struct nine_node *n, struct nine_node *dir, const char *text)
{
	struct nine_name **at, *gone;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = find_name(n, dir, text);
	gone = *at;
	if (gone) {
		*at = gone->next;
		mark_moved(n);
		atomic_store(&n->nameless, !n->names);
	}
	pthread_mutex_unlock(&nine_of_node(n)->names);
	if (gone)
		nine_name_free(gone);
}

void nine_name_move(struct nine_node *n, struct nine_node *dir, const char *text,
		    struct nine_name *fresh)
{
	struct nine_name **at, *gone;

	pthread_mutex_lock(&nine_of_node(n)->names);
	at = find_name(n, dir, text);
	gone = *at;
	if (gone)
		*at = gone->next;
	fresh->next = n->names;
	n->names = fresh;
	atomic_store(&n->nameless, false);
	mark_moved(n);
	pthread_mutex_unlock(&nine_of_node(n)->names);
	if (gone)
		nine_name_free(gone);
}

/* With the names' lock held: how many names lead from the root to @n; -ESTALE: none do. */
static int depth_of(const struct nine_node *n)
{
	int depth = 0;

	for (; !n->is_root; n = n->names->parent)
		if (!n->names || ++depth > DEPTH_MAX)
			return -ESTALE;
	return depth;
}

void nine_path_end(struct nine_path *p)
{
	free(p->names);
	free(p->text);
}

/* With the names' lock held. */
static int path_copy(const struct nine_node *n, struct nine_path *p)
{
	int depth = depth_of(n);
	size_t at = 0;

	if (depth < 0)
		return depth;
	p->count = (size_t)depth;
	p->names = calloc(p->count + 1, sizeof(*p->names));
	p->text = malloc((p->count + 1) * NETFS_NAME_MAX);
	if (!p->names || !p->text)
		return -ENOMEM;
	for (size_t i = p->count; i-- > 0; n = n->names->parent) {
		const char *name = n->names->name;
		size_t len = strlen(name);

		memcpy(p->text + at, name, len);
		p->names[i] = (struct p9_blob){ p->text + at, len };
		at += len;
	}
	return 0;
}

int nine_path_of(const struct nine_node *n, struct nine_path *p)
{
	struct nine *fs = nine_of_node(n);
	int err;

	memset(p, 0, sizeof(*p));
	pthread_mutex_lock(&fs->names);
	err = path_copy(n, p);
	pthread_mutex_unlock(&fs->names);
	return err;
}

bool nine_moved_since(struct nine *fs, unsigned int moves)
{
	/* One that the server has done already may not be in the names yet. */
	pthread_mutex_lock(&fs->moving);
	pthread_mutex_unlock(&fs->moving);
	return moves != atomic_load(&fs->moves);
}

bool nine_was_moved(const struct nine_node *n, struct nine_fid *fid)
{
	struct nine *fs = nine_of_node(n);
	unsigned int moves = atomic_load_explicit(&fs->moves, memory_order_acquire);
	unsigned int walked = atomic_load_explicit(&fid->walked, memory_order_relaxed);
	bool moved = false;

	if (walked == moves)
		return false;
	pthread_mutex_lock(&fs->names);
	for (; !n->is_root && !moved; n = n->names->parent) {
		moved = (int)(atomic_load(&n->moved) - walked) > 0;
		if (!n->names)
			break;
	}
	pthread_mutex_unlock(&fs->names);
	if (!moved)
		atomic_store_explicit(&fid->walked, moves, memory_order_relaxed);
	return moved;
}
