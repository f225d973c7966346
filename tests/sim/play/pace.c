// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * pace.c - each client takes its steps of the plan in order, and none gets far ahead of the others:
 * so what is near in the plan happens at about the same time.
 */
#include "world.h"

/* No client gets further ahead of another than so many steps of the plan. */
#define WINDOW 10u

static bool must_leave(const struct play *p)
{
	for (uint32_t v = 0; v < p->nr_volumes; v++)
		if (p->volumes[v].leaving)
			return true;
	return false;
}

static void leave(struct play *p, struct client *c)
{
	for (uint32_t v = 0; v < p->nr_volumes; v++) {
		if (!p->volumes[v].leaving)
			continue;
		if (c->writes)
			writer_stop(p, c);
		else
			reader_leave(p, c, v);
	}
	if (c->left != p->world->leavings) {
		c->left = p->world->leavings;
		fsc_waitq_wake_all(&p->world->moved);
	}
}

static bool may_step(void *arg)
{
	struct client *c = arg;
	struct play *p = c->play;
	uint32_t least = UINT32_MAX;

	if (must_leave(p) && c->left != p->world->leavings && c != &p->world->self)
		return true;
	for (uint32_t i = 0; i < p->nr_clients; i++)
		if (p->clients[i].at < least)
			least = p->clients[i].at;
	if (p->world->self.at < least)
		least = p->world->self.at;
	return c->at <= least + WINDOW || least == UINT32_MAX;
}

static void keep_pace(struct client *c)
{
	struct play *p = c->play;

	for (;;) {
		if (!may_step(c))
			fsc_waitq_wait(&p->world->moved, may_step, c);
		if (c == &p->world->self || !must_leave(p) || c->left == p->world->leavings)
			return;
		leave(p, c);
	}
}

static void take_step(struct client *c, const struct step *s)
{
	struct play *p = c->play;
	char text[160];

	c->step = s;
	p->stats.steps++;
	if (p->history) {
		plan_print_step(s, text, sizeof(text));
		play_note(p, s->client == WORLD ? NULL : &p->files[s->file], "%s", text);
	}
	if (c == &p->world->self)
		world_step(p, s);
	else if (c->writes)
		writer_step(p, c, s);
	else
		reader_step(p, c, s);
}

void world_take_steps(struct client *c)
{
	struct world *w = c->play->world;

	for (uint32_t i = w->first; i < w->last; i++) {
		const struct step *s = &w->plan->steps[i];

		if (s->client != c->nr || s->kind == STEP_END || (w->without && w->without[i]))
			continue;
		c->at = i;
		fsc_waitq_wake_all(&w->moved);
		keep_pace(c);
		take_step(c, s);
	}
	c->at = UINT32_MAX;
	fsc_waitq_wake_all(&w->moved);
}

static bool may_end(void *arg)
{
	struct client *c = arg;
	struct world *w = c->play->world;

	return w->self.at == UINT32_MAX || (must_leave(c->play) && c->left != w->leavings);
}

/* Holding on to what is open, but for volumes that are to be given back. */
static void wait_for_end(struct client *c)
{
	struct world *w = c->play->world;

	while (w->self.at != UINT32_MAX) {
		if (!may_end(c))
			fsc_waitq_wait(&w->moved, may_end, c);
		if (must_leave(c->play))
			leave(c->play, c);
	}
}

void world_client(void *arg)
{
	struct client *c = arg;
	struct play *p = c->play;

	world_take_steps(c);
	if (p->world->ending == END_KILL_LAST) {
		wait_for_end(c);
		return; /* with all it has open */
	}
	if (c->writes)
		writer_stop(p, c);
	else
		reader_stop(p, c);
	c->left = UINT32_MAX;
	fsc_waitq_wake_all(&p->world->moved);
}
