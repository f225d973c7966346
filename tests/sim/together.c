// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * together.c - which effects can't survive, or become durable, without which others, where each
 * survives by itself: a name leads to its inode, and what was only moved is never lost.
 */
#include <stdlib.h>

#include "track.h"

static bool touches(const struct effect *e, uint64_t dir, const char *name)
{
	if (e->dir == dir && !strcmp(e->name, name))
		return true;
	return e->kind == EFFECT_RENAME && e->new_dir == dir && !strcmp(e->new_name, name);
}

static bool same_name(const struct effect *a, const struct effect *b)
{
	return touches(b, a->dir, a->name) ||
	       (a->kind == EFFECT_RENAME && touches(b, a->new_dir, a->new_name));
}

/*
 * May @late survive (or be synced) only if @early does? Both are effects on names.
 *   - A name that was renamed away must not be overwritten where it still is.
 *   - A directory that goes takes along what is in it, so all must have been moved out.
 *   - Directories that change places could come to lie in each other.
 *   - What a sync does now must not be undone by what a later one does of before.
 */
static bool needs(const struct effect *late, const struct effect *early, bool for_sync)
{
	if ((for_sync || early->kind == EFFECT_RENAME) && same_name(late, early))
		return true;
	if (late->kind == EFFECT_UNLINK && late->type == NODE_DIR &&
	    (early->dir == late->ino ||
	     (early->kind == EFFECT_RENAME && early->new_dir == late->ino)))
		return true;
	return late->kind == EFFECT_RENAME && early->kind == EFFECT_RENAME &&
	       late->type == NODE_DIR && early->type == NODE_DIR;
}

/* What is moved into a directory must not be lost because that one is. */
static bool names_dir_of(const struct kept *late, const struct effect *early)
{
	uint64_t dir = late->e.kind == EFFECT_RENAME ? late->e.new_dir : late->e.dir;

	return (late->chain || late->e.kind == EFFECT_RENAME) && early->ino == dir &&
	       early->kind != EFFECT_UNLINK;
}

static struct kept **list_names(const struct tracking *t, size_t *n)
{
	struct kept **list = malloc((t->n + 1) * sizeof(*list));

	if (!list)
		abort();
	*n = 0;
	for (struct kept *k = t->first; k; k = k->next)
		if (is_name_effect(&k->e))
			list[(*n)++] = k;
	return list;
}

/* The inodes without which a name could not be. */
static void cover_inodes(struct tracking *t, const struct effect *e)
{
	for (struct kept *k = t->first; k; k = k->next)
		if (k->e.kind == EFFECT_CREATE &&
		    (k->e.ino == e->ino || k->e.ino == e->dir || k->e.ino == e->new_dir))
			k->covered = true;
}

void durable_close(struct tracking *t, bool for_sync)
{
	size_t n;
	struct kept **names = list_names(t, &n);

	while (n--) {
		struct kept *late = names[n];

		if (!late->covered)
			continue;
		cover_inodes(t, &late->e);
		for (size_t i = 0; i < n; i++) {
			if (names_dir_of(late, &names[i]->e))
				names[i]->covered = names[i]->chain = true;
			else if (needs(&late->e, &names[i]->e, for_sync))
				names[i]->covered = true;
		}
	}
	free(names);
}
