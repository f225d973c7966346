// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_name.c - names, and the paths that they make.
 *
 * A place is a name in another place, and there is one of each: whatever nodes were found there,
 * some of them of one directory, all know when it is renamed. A node has a place for each name that
 * it was found or given by; a place that was removed is gone for good, and what is given that name
 * next has another.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 65536 }; /* names in one path; a circle of places would be a mistake of ours */

struct nine_place {
	struct nine_place *next;   /* in its slot */
	struct nine_place *parent; /* a reference; NULL: the root */
	unsigned int refs;
	unsigned int moved; /* nine.moves when it was last renamed */
	bool gone;
	char *name;
};

struct nine_name {
	struct nine_name *next;
	struct nine_place *place; /* a reference */
};

/* ---- places; all with the lock held ---- */

static struct nine_place **slot_of(struct nine *fs, const struct nine_place *parent,
				   const char *name)
{
	uint32_t hash = (uint32_t)((uintptr_t)parent >> 5) * 0x9e3779b1u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x01000193u;
	return &fs->places[(hash ^ hash >> 15) % NINE_PLACE_SLOTS];
}

static struct nine_place *place_find(struct nine *fs, const struct nine_place *parent,
				     const char *name)
{
	struct nine_place *p = *slot_of(fs, parent, name);

	while (p && (p->parent != parent || strcmp(p->name, name)))
		p = p->next;
	return p;
}

static void place_link(struct nine *fs, struct nine_place *p)
{
	struct nine_place **slot = slot_of(fs, p->parent, p->name);

	p->next = *slot;
	*slot = p;
}

static void place_unlink(struct nine *fs, struct nine_place *p)
{
	struct nine_place **at = slot_of(fs, p->parent, p->name);

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

/* Its parents go with it if it was the last below them. */
static void place_put(struct nine *fs, struct nine_place *p)
{
	struct nine_place *parent;

	for (; p && --p->refs == 0; p = parent) {
		parent = p->parent;
		if (!p->gone)
			place_unlink(fs, p);
		free(p->name);
		free(p);
	}
}

/* With a reference; NULL: no memory. */
static struct nine_place *place_get(struct nine *fs, struct nine_place *parent, const char *name)
{
	struct nine_place *p = place_find(fs, parent, name);

	if (p) {
		p->refs++;
		return p;
	}
	p = calloc(1, sizeof(*p));
	if (p)
		p->name = strdup(name);
	if (!p || !p->name) {
		free(p);
		return NULL;
	}
	p->refs = 1;
	p->parent = parent;
	p->moved = atomic_load(&fs->moves);
	if (parent)
		parent->refs++;
	place_link(fs, p);
	return p;
}

static void place_remove(struct nine *fs, struct nine_place *p)
{
	place_unlink(fs, p);
	p->gone = true;
	atomic_fetch_add(&fs->moves, 1);
}

/* The one to go by: NULL of the root, and gone if they all are. */
static struct nine_place *place_of(const struct nine_node *n)
{
	const struct nine_name *name = n->names;

	while (name && name->next && name->place->gone)
		name = name->next;
	return name ? name->place : NULL;
}

/* ---- the names of nodes ---- */

int nine_name_add(struct nine_node *n, struct nine_node *dir, const char *text)
{
	struct nine_name *name = calloc(1, sizeof(*name)), **at = &n->names;
	struct nine *fs = nine_of_node(n);

	if (!name)
		return -ENOMEM;
	pthread_mutex_lock(&fs->names);
	name->place = place_get(fs, place_of(dir), text);
	if (name->place) {
		while (*at)
			at = &(*at)->next;
		*at = name;
		atomic_store(&n->nameless, false);
	}
	pthread_mutex_unlock(&fs->names);
	if (name->place)
		return 0;
	free(name);
	return -ENOMEM;
}

void nine_names_end(struct nine_node *n)
{
	struct nine *fs = nine_of_node(n);
	struct nine_name *name, *next;

	pthread_mutex_lock(&fs->names);
	for (name = n->names; name; name = next) {
		next = name->next;
		place_put(fs, name->place);
		free(name);
	}
	pthread_mutex_unlock(&fs->names);
}

void nine_name_removed(struct nine_node *dir, const char *text)
{
	struct nine *fs = nine_of_node(dir);
	struct nine_place *p;

	pthread_mutex_lock(&fs->names);
	p = place_find(fs, place_of(dir), text);
	if (p)
		place_remove(fs, p);
	pthread_mutex_unlock(&fs->names);
}

/* With the lock held. */
static void place_move(struct nine *fs, struct nine_place *p, struct nine_place *to,
		       char *to_text)
{
	struct nine_place *from = p->parent;

	place_unlink(fs, p);
	if (to)
		to->refs++;
	p->parent = to;
	free(p->name);
	p->name = to_text;
	place_link(fs, p);
	p->moved = atomic_fetch_add(&fs->moves, 1) + 1;
	place_put(fs, from);
}

void nine_name_moved(struct nine_node *dir, const char *text, struct nine_node *to_dir,
		     char *to_text)
{
	struct nine *fs = nine_of_node(dir);
	struct nine_place *p, *over;

	pthread_mutex_lock(&fs->names);
	p = place_find(fs, place_of(dir), text);
	over = place_find(fs, place_of(to_dir), to_text);
	if (over && over != p)
		place_remove(fs, over);
	if (p && over != p)
		place_move(fs, p, place_of(to_dir), to_text);
	else
		free(to_text);
	pthread_mutex_unlock(&fs->names);
}

/* ---- paths ---- */

/* With the lock held: how many names lead from the root to @p; -ESTALE: none do. */
static int depth_of(const struct nine_place *p)
{
	int depth = 0;

	for (; p; p = p->parent)
		if (p->gone || ++depth > DEPTH_MAX)
			return -ESTALE;
	return depth;
}

void nine_path_end(struct nine_path *p)
{
	free(p->names);
	free(p->text);
}

/* With the lock held. */
static int path_copy(const struct nine_node *n, struct nine_path *p)
{
	const struct nine_place *place = place_of(n);
	int depth = depth_of(place);
	size_t at = 0;

	if (depth < 0)
		return depth;
	p->count = (size_t)depth;
	p->names = calloc(p->count + 1, sizeof(*p->names));
	p->text = malloc((p->count + 1) * NETFS_NAME_MAX);
	if (!p->names || !p->text)
		return -ENOMEM;
	for (size_t i = p->count; i-- > 0; place = place->parent) {
		size_t len = strlen(place->name);

		memcpy(p->text + at, place->name, len);
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

/* ---- what has become of them ---- */

bool nine_moved_since(struct nine *fs, unsigned int moves)
{
	/* One that the server has done already may not be in the names yet. */
	pthread_mutex_lock(&fs->moving);
	pthread_mutex_unlock(&fs->moving);
	return moves != atomic_load(&fs->moves);
}

/* With the lock held. */
static enum nine_state state_since(struct nine_node *n, unsigned int walked)
{
	const struct nine_place *p = place_of(n);

	if (p && p->gone) {
		atomic_store(&n->nameless, true);
		return NINE_NAMELESS;
	}
	for (; p; p = p->parent)
		if ((int)(p->moved - walked) > 0)
			return NINE_MOVED;
	return NINE_SAME;
}

enum nine_state nine_name_state(struct nine_node *n, struct nine_fid *fid)
{
	struct nine *fs = nine_of_node(n);
	unsigned int moves = atomic_load_explicit(&fs->moves, memory_order_acquire);
	unsigned int walked = atomic_load_explicit(&fid->walked, memory_order_relaxed);
	enum nine_state state;

	if (atomic_load_explicit(&n->nameless, memory_order_relaxed))
		return NINE_NAMELESS;
	if (walked == moves)
		return NINE_SAME;
	pthread_mutex_lock(&fs->names);
	state = state_since(n, walked);
	pthread_mutex_unlock(&fs->names);
	if (state == NINE_SAME)
		atomic_store_explicit(&fid->walked, moves, memory_order_relaxed);
	return state;
}
