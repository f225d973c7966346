// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * reader.c - a client at cookie level: opens files and reads them (reads.c), asks the
 * server for attributes and invalidates when they have changed.
 *
 * What it knows of a file it was told before it began to read (I10). Clients may hold the same
 * cookie, as they would be threads of one netfs.
 */
#include "reader.h"

/* --- Handles --------------------------------------------------------------------------------- */

static struct handle *find_handle(struct client *c, const struct file *f)
{
	struct reader *rd = &readers[c->nr];

	for (uint32_t i = 0; i < HANDLES; i++)
		if (rd->handles[i].file == f)
			return &rd->handles[i];
	return NULL;
}

/* Of any client, with a cookie. */
static struct handle *find_held(struct play *p, const struct file *f)
{
	for (uint32_t i = 0; i < p->nr_clients; i++) {
		struct handle *h = p->clients[i].writes ? NULL : find_handle(&p->clients[i], f);

		if (h && h->cookie)
			return h;
	}
	return NULL;
}

/* The library has been told: whoever has the cookie reads a file of this size now. */
void reader_set_attr(struct play *p, struct fsc_cookie *cookie, const struct attr *attr)
{
	for (uint32_t i = 0; i < p->nr_clients; i++)
		for (uint32_t k = 0; k < HANDLES; k++)
			if (readers[i].handles[k].file && readers[i].handles[k].cookie == cookie)
				readers[i].handles[k].attr = *attr;
}

static void invalidate_done(struct fsc_event *ev)
{
	struct event *e = (struct event *)(void *)((char *)ev - offsetof(struct event, ev));

	if (!e->busy)
		play_fail(e->play, e->file, "event: an invalidation was finished twice");
	e->busy = false;
	play_note(e->play, e->file, "invalidation finished, nothing older than version %u",
		  e->version);
	oracle_invalidate_done(e->play, e->file, e->version);
}

static struct event *take_event(struct client *c, struct file *f)
{
	struct reader *rd = &readers[c->nr];

	for (uint32_t i = 0; i < EVENTS; i++) {
		struct event *e = &rd->events[i];

		if (e->busy)
			continue;
		*e = (struct event){ .ev.fn = invalidate_done, .play = c->play, .file = f,
				     .busy = true };
		return e;
	}
	return NULL;
}

/* A point each time, so that what never ends is found out. */
static void nap(void)
{
	sim_point();
	sim_sleep_us(100);
}

void reader_invalidate(struct client *c, struct handle *h, const struct attr *attr,
		       const struct step *s)
{
	struct play *p = c->play;
	struct file *f = h->file;
	struct fsc_cookie *cookie = h->cookie;
	struct fsc_cookie_params now;
	struct event *e;
	uint32_t version;

	if (!cookie)
		return;
	e = s->flags & STEP_KEEP || p->coherency == COH_CONST ? take_event(c, f) : NULL;
	play_note(p, f, "invalidate%s, told version %u%s", attr ? "" : " (unknown)",
		  attr ? attr->version : 0, e ? "" : ", no event");
	version = oracle_invalidating(p, f);
	if (e)
		e->version = version;
	if (attr)
		now = attr_params(f, attr);
	fsc_cookie_invalidate(cookie, attr ? &now : NULL, e ? &e->ev : NULL);
	oracle_invalidated(p, f, version);
	if (attr)
		reader_set_attr(p, cookie, attr);
	if (e && s->flags & STEP_WAIT)
		while (e->busy)
			nap();
}

static bool ask(struct client *c, struct file *f, const struct step *s, struct attr *attr)
{
	struct reader *rd = &readers[c->nr];

	if (s->flags & STEP_STALE && s->arg % 5 == 0 && rd->stale[f->id].version) {
		*attr = rd->stale[f->id];
		return true;
	}
	if (!server_getattr(c->play, f, attr))
		return false;
	rd->stale[f->id] = *attr;
	return true;
}

bool reader_is_same(const struct play *p, const struct attr *a, const struct attr *b)
{
	if (p->coherency == COH_CONST) /* such a netfs knows by other means */
		return a->version == b->version;
	return a->size == b->size && a->coherency_len == b->coherency_len &&
	       !memcmp(a->coherency, b->coherency, a->coherency_len);
}

static void acquire(struct client *c, struct handle *h, const struct step *s,
		    const struct attr *attr)
{
	struct play *p = c->play;
	struct file *f = h->file;
	struct fsc_cookie_params params = attr_params(f, attr);
	struct fsc_volume *vol = p->volumes[f->volume].vol;
	struct handle *other;
	int err;

	h->attr = *attr;
	err = fsc_cookie_acquire(vol, &params, &h->cookie);
	other = err == -EBUSY ? find_held(p, f) : NULL;
	if (other && f->delegated && s->arg >> 44 & 7) {
		/* Whoever has the right knows better than what the server said a moment ago. */
		h->attr = other->attr;
		params = attr_params(f, &h->attr);
		err = fsc_cookie_acquire(vol, &params, &h->cookie);
	} else if (other && attr->version >= other->attr.version) {
		other->busy++;
		reader_invalidate(c, other, attr, s);
		other->busy--;
		err = fsc_cookie_acquire(vol, &params, &h->cookie);
	}
	if (err)
		h->cookie = NULL;
	h->told = h->cookie ? p->coherency == COH_CONST ? 0 : h->attr.version : UINT32_MAX;
	play_note(p, f, "acquire by client %u, told version %u, size %llu: %d%s", c->nr,
		  attr->version, (unsigned long long)attr->size, err,
		  h->cookie ? "" : ", uncached");
}

static void use(struct handle *h, const struct step *s)
{
	bool modify = s->arg % 11 == 0;

	h->uses++;
	if (s->flags & STEP_WAIT)
		fsc_cookie_use_wait(h->cookie, modify);
	else
		fsc_cookie_use(h->cookie, modify);
}

static void close_handle(struct client *c, struct handle *h, bool wait, bool retire)
{
	struct play *p = c->play;
	struct file *f = h->file;

	reads_join(&readers[c->nr]);
	changes_join(c);
	changes_give_right_back(c, h);
	/* From here on no other client finds it; and another may be given the same address. */
	h->file = NULL;
	while (h->busy)
		nap();
	for (; h->uses; h->uses--)
		fsc_cookie_unuse(h->cookie);
	play_note(p, f, "relinquish by client %u%s", c->nr, retire ? ", retired" : "");
	if (retire)
		oracle_event(p);
	if (wait)
		fsc_cookie_relinquish_wait(h->cookie, retire);
	else
		fsc_cookie_relinquish(h->cookie, retire);
	h->cookie = NULL;
	p->volumes[f->volume].users--;
}

static struct handle *free_handle(struct client *c, const struct step *s)
{
	struct reader *rd = &readers[c->nr];
	struct handle *h;

	for (uint32_t i = 0; i < HANDLES; i++)
		if (!rd->handles[i].file)
			return &rd->handles[i];
	h = &rd->handles[s->arg >> 40 & 0xff % HANDLES];
	h = h < rd->handles + HANDLES ? h : rd->handles;
	close_handle(c, h, s->flags & STEP_WAIT, false);
	return h;
}

static struct handle *open_handle(struct client *c, struct file *f, const struct step *s)
{
	struct handle *h;
	struct attr attr;

	if (f->by_writer || c->play->volumes[f->volume].leaving)
		return NULL;
	if (!ask(c, f, s, &attr) || c->play->volumes[f->volume].leaving)
		return NULL;
	h = free_handle(c, s);
	if (c->play->volumes[f->volume].leaving)
		return NULL;
	*h = (struct handle){ .file = f, .told = UINT32_MAX };
	c->play->volumes[f->volume].users++;
	acquire(c, h, s, &attr);
	use(h, s);
	return h;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static void check_attr(struct client *c, struct handle *h, const struct step *s)
{
	struct attr attr;

	if (h->file->delegated && s->arg >> 44 & 7)
		return;
	if (!ask(c, h->file, s, &attr) || attr.version < h->attr.version)
		return;
	if (s->kind == STEP_INVALIDATE)
		reader_invalidate(c, h, s->arg >> 16 & 7 ? &attr : NULL, s);
	else if (!reader_is_same(c->play, &attr, &h->attr))
		reader_invalidate(c, h, &attr, s);
}

/* Nothing proves that nobody else writes: so it is uncached from before the write is sent until the
 * last use ends, and what is known of it afterwards is asked for. */
static void modify(struct client *c, struct handle *h, const struct step *s)
{
	struct play *p = c->play;
	struct file *f = h->file;
	uint64_t size = h->attr.size, start = size ? s->pos % size : 0;
	uint32_t stamp, version;
	struct attr attr;

	if (!h->cookie || f->delegated)
		return;
	changes_begin_alone(f);
	fsc_cookie_use(h->cookie, true);
	h->uses++;
	attr = h->attr;
	size = attr.size;
	reader_invalidate(c, h, s->arg & 1 ? &attr : NULL, s);
	stamp = server_write_begin(p, f, start, start + 1 + s->len % (3 * PLAY_GRANULE), size,
				   s->flags & STEP_ZERO ? 1 : 0);
	if (!stamp) {
		f->alone = false;
		return;
	}
	oracle_event(p);
	version = server_write_sent(p, f, stamp);
	if (version)
		server_write_answered(p, f, version);
	if (server_getattr(p, f, &attr))
		reader_invalidate(c, h, &attr, s);
	oracle_event(p);
	f->alone = false;
}

static void any_step(struct client *c, struct handle *h, const struct step *s)
{
	switch (s->kind) {
	case STEP_READ:
		reads_make(c, h, s);
		break;
	case STEP_INVALIDATE:
	case STEP_CHECK_ATTR:
		check_attr(c, h, s);
		break;
	case STEP_MODIFY:
		modify(c, h, s);
		break;
	case STEP_UNUSE:
		changes_join(c);
		if (h->uses) {
			fsc_cookie_unuse(h->cookie);
			h->uses--;
		}
		h->modifies = h->modifies && h->uses;
		break;
	case STEP_USE:
		use(h, s);
		break;
	case STEP_CLOSE:
		close_handle(c, h, s->flags & STEP_WAIT, s->flags & STEP_RETIRE && s->arg % 3 == 0);
		break;
	default:
		changes_step(c, h, s);
		break;
	}
}

void reader_step(struct play *p, struct client *c, const struct step *s)
{
	struct file *f = &p->files[s->file];
	struct handle *h = find_handle(c, f);

	if (s->kind == STEP_JOIN) {
		reads_join(&readers[c->nr]);
	} else if (s->kind == STEP_PAUSE) {
		sim_sleep_us(s->arg & 1 ? s->len % 3000 : s->len % 60000);
	} else if (s->kind == STEP_OPEN) {
		if (!h)
			open_handle(c, f, s);
	} else {
		if (!h && (s->kind == STEP_READ || s->kind >= STEP_C_WRITE))
			h = open_handle(c, f, s);
		if (h)
			any_step(c, h, s);
	}
}

void reader_leave(struct play *p, struct client *c, uint32_t volume)
{
	struct reader *rd = &readers[c->nr];

	(void)p;
	for (uint32_t i = 0; i < HANDLES; i++)
		if (rd->handles[i].file && rd->handles[i].file->volume == volume)
			close_handle(c, &rd->handles[i], i % 2, false);
}

void reader_start(struct play *p, struct client *c)
{
	struct reader *rd = &readers[c->nr];

	(void)p;
	memset(rd->handles, 0, sizeof(rd->handles));
	memset(rd->events, 0, sizeof(rd->events));
	memset(rd->stale, 0, sizeof(rd->stale));
	for (uint32_t i = 0; i < REQUESTS; i++) {
		rd->requests[i].busy = false;
		rd->requests[i].filled = false;
		rd->requests[i].lent = 0;
		rd->requests[i].cancelling = 0;
	}
	fsc_waitq_init(&rd->ended);
	changes_start(c);
}

void reader_stop(struct play *p, struct client *c)
{
	struct reader *rd = &readers[c->nr];

	reads_join(rd);
	changes_join(c);
	for (uint32_t i = 0; i < HANDLES; i++)
		if (rd->handles[i].file)
			close_handle(c, &rd->handles[i], i % 2, false);
	(void)p;
}

void reader_end(struct play *p, struct client *c)
{
	struct reader *rd = &readers[c->nr];

	for (uint32_t i = 0; i < REQUESTS; i++)
		reads_check_untouched(&rd->requests[i]);
	for (uint32_t i = 0; i < EVENTS; i++)
		if (rd->events[i].busy)
			play_fail(p, rd->events[i].file,
				  "event: an invalidation was never finished");
	/* The queue isn't destroyed: the last read_done may still be about to wake it. */
}
