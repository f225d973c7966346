// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * copy.c - a copy of a store that is in use, made as rsync would: by path, one thing after another.
 */
#include "store_int.h"

struct copying {
	struct simstore *from, *to;
};

/* Others go on. */
static void take_time(void)
{
	sim_point();
	if (sim_chance(4))
		sim_sleep_us(1 + sim_random(sim_chance(4) ? 20000 : 1000));
}

static struct node *find_in(struct simstore *st, uint64_t dir, const char *name)
{
	const struct node *d = store_node(st, dir);
	const struct node_entry *e = d ? node_lookup(d, name, strlen(name)) : NULL;

	return e ? store_node(st, e->ino) : NULL;
}

/* One moment's. */
static void copy_xattrs(struct copying *c, const struct node *n, uint64_t to)
{
	for (const struct node_xattr *x = n->xattrs; x; x = x->next)
		store_tamper(c->to, &(struct effect){ .kind = EFFECT_XATTR, .ino = to,
						      .name = x->name, .data = x->value,
						      .len = x->len });
}

/* Those of whatever the name leads to by now. */
static void copy_xattrs_by_name(struct copying *c, uint64_t dir, const char *name, uint64_t to)
{
	const struct node *n;

	take_time();
	n = find_in(c->from, dir, name);
	if (n)
		copy_xattrs(c, n, to);
}

/* The file stays open meanwhile, so it is read to its end though its name may go. */
static void copy_data(struct copying *c, struct node *n, uint64_t to)
{
	uint64_t size = n->size;

	n->handles++;
	for (uint64_t i = 0; i * BLOCK_SIZE < size; i++) {
		const struct node_block *b;

		take_time();
		b = node_block(n, i);
		if (b)
			store_tamper(c->to, &(struct effect){ .kind = EFFECT_DATA, .ino = to,
							      .pos = i * BLOCK_SIZE,
							      .len = BLOCK_SIZE,
							      .page = b->page });
	}
	n->handles--;
	store_release(c->from, n);
	store_tamper(c->to, &(struct effect){ .kind = EFFECT_SIZE, .ino = to, .size = size });
}

static uint64_t make_copy(struct copying *c, enum node_type type, uint64_t dir, const char *name)
{
	uint64_t ino = store_new_ino(c->to);

	store_tamper(c->to, &(struct effect){ .kind = EFFECT_CREATE, .ino = ino, .type = type,
					      .dir = dir, .name = name,
					      .time = store_now_us(c->to) });
	return ino;
}

static void copy_dir(struct copying *c, uint64_t from, uint64_t to);

static void copy_name(struct copying *c, uint64_t dir, const char *name, uint64_t to_dir)
{
	bool xattrs_first = sim_chance(2);
	struct node *n = find_in(c->from, dir, name);
	uint64_t ino, to;

	if (!n || find_in(c->to, to_dir, name))
		return;
	ino = n->ino;
	to = make_copy(c, n->type, to_dir, name);
	if (n->type == NODE_DIR) {
		copy_xattrs_by_name(c, dir, name, to);
		copy_dir(c, ino, to);
		return;
	}
	if (xattrs_first)
		copy_xattrs_by_name(c, dir, name, to);
	take_time();
	n = find_in(c->from, dir, name);
	if (!n || n->type != NODE_FILE) { /* it was there a moment ago */
		if (store_node(c->to, to)->type == NODE_FILE)
			store_tamper(c->to, &(struct effect){ .kind = EFFECT_UNLINK, .ino = to,
							      .dir = to_dir, .name = name });
		return;
	}
	copy_data(c, n, to);
	if (!xattrs_first)
		copy_xattrs_by_name(c, dir, name, to);
}

/* All names of one moment, as a listing that is read at once. Memory of the run, which may be
 * killed meanwhile. */
static char **list(const struct node *dir, size_t *n)
{
	const void *here = __builtin_return_address(0);
	char **names = sim_alloc_at((dir->nentries + 1) * sizeof(*names), here);

	for (*n = 0; *n < dir->nentries; ++*n) {
		const char *name = dir->entries[*n].name;

		names[*n] = sim_alloc_at(strlen(name) + 1, here);
		strcpy(names[*n], name);
	}
	return names;
}

static void copy_dir(struct copying *c, uint64_t from, uint64_t to)
{
	const struct node *dir;
	char **names;
	size_t n;

	take_time();
	dir = store_node(c->from, from);
	if (!dir)
		return;
	names = list(dir, &n);
	for (size_t i = 0; i < n; i++) {
		take_time();
		copy_name(c, from, names[i], to);
		fsc_free(names[i]);
	}
	fsc_free(names);
}

/* A copy is younger than all that it is of, and so has no time of birth in common with it. */
static void set_clock(const struct simstore *from, struct simstore *to)
{
	uint64_t ahead = to->last_us > from->last_us ? 0 : from->last_us - to->last_us + 1;

	to->base_us += ahead;
	to->last_us += ahead;
}

void simstore_copy_in_use(struct simstore *from, struct simstore *to)
{
	struct copying c = { .from = from, .to = to };

	store_now_us(from);
	store_now_us(to);
	set_clock(from, to);
	copy_xattrs(&c, store_node(from, ROOT_INO), ROOT_INO);
	copy_dir(&c, ROOT_INO, ROOT_INO);
}
