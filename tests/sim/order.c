// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * order.c - the order in which locks are taken, as the kernel's lockdep looks at it: two locks
 * taken in both orders, or two of one name at once, can deadlock, though this run got away with
 * it.
 *
 * Locks of one name are one class. Spinlocks need this most, for in a run they are never contended.
 */
#include "sim_int.h"

static const char *class_names[SIM_CLASSES];

static unsigned int class_found(const char *name)
{
	unsigned int i = 0;

	while (i < SIM_CLASSES && class_names[i] && strcmp(class_names[i], name))
		i++;
	if (i == SIM_CLASSES)
		sim_fail(SIM_BUG, "more than %u names of locks", SIM_CLASSES);
	if (!class_names[i])
		class_names[i] = strdup(name);
	return i;
}

/* The numbers are the same for all runs of a process, and decide nothing. Names are never freed, so
 * that one pointer means one name. */
static unsigned int class_of(const char *name)
{
	static struct {
		const char *name;
		unsigned int class;
	} known[1024];
	unsigned int slot = (uint32_t)((uintptr_t)name * 2654435761u) >> 22;

	if (known[slot].name != name) {
		known[slot].name = name;
		known[slot].class = class_found(name);
	}
	return known[slot].class;
}

/* Can @to be reached from @from over what was seen? */
static bool leads_to(const struct sim *s, unsigned int from, unsigned int to, uint64_t *seen)
{
	if (s->order[from] >> to & 1)
		return true;
	*seen |= 1ull << from;
	for (unsigned int i = 0; i < SIM_CLASSES; i++)
		if ((s->order[from] >> i & 1) && !(*seen >> i & 1) && leads_to(s, i, to, seen))
			return true;
	return false;
}

void sim_order_take(const char *name)
{
	struct sim *s = sim_here();
	struct sim_task *t = s ? s->current : NULL;
	unsigned int class;

	if (!s || s->opts.any_lock_order)
		return;
	class = class_of(name);
	for (unsigned int i = 0; i < t->nheld; i++) {
		unsigned int above = t->held[i];
		uint64_t seen = 0;

		if (above == class)
			sim_fail(SIM_DEADLOCK, "two locks called %s are held at once", name);
		if (s->order[above] >> class & 1)
			continue;
		if (leads_to(s, class, above, &seen))
			sim_fail(SIM_DEADLOCK, "%s is taken under %s, which was taken under it",
				 name, class_names[above]);
		s->order[above] |= 1ull << class;
	}
	if (t->nheld == SIM_HELD_MAX)
		sim_fail(SIM_BUG, "more than %u locks are held at once", SIM_HELD_MAX);
	t->held[t->nheld++] = (uint8_t)class;
}

void sim_order_release(const char *name)
{
	struct sim *s = sim_here();
	struct sim_task *t = s ? s->current : NULL;
	unsigned int class, i;

	if (!s || s->opts.any_lock_order)
		return;
	i = t->nheld;
	class = class_of(name);
	while (i && t->held[i - 1] != class)
		i--;
	if (!i)
		return;
	memmove(&t->held[i - 1], &t->held[i], t->nheld - i);
	t->nheld--;
}

void sim_order_none_held(const char *when)
{
	struct sim_task *t = sim_task();

	if (t->spins)
		sim_fail(SIM_BUG, "spinlock %s is still held at %s", t->spin_name, when);
	if (t->nheld)
		sim_fail(SIM_BUG, "%s is still held at %s",
			 class_names[t->held[t->nheld - 1]], when);
}
