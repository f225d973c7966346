// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * changes.c - the other half of the client at cookie level: it writes, truncates and punches files
 * through their cookies, with an exclusive right as proof or without.
 *
 * The server makes a write at one moment, when it answers the first of its requests; it may refuse
 * it, take only the beginning of it, or take it and say that it hasn't.
 */
#include "reader.h"

static struct writing writings[PLAY_CLIENTS][WRITINGS];

/* What the client keeps with each server write. */
struct taking {
	struct fsc_subreq *sreq;
};

/* --- The file's changes, kept apart where the library leaves that to us ----------------------- */

static void nap(void)
{
	sim_point();
	sim_sleep_us(100);
}

static void begin_shared(struct file *f)
{
	while (f->alone)
		nap();
	f->changing++;
}

void changes_begin_alone(struct file *f)
{
	while (f->alone)
		nap();
	f->alone = true;
	while (f->changing)
		nap();
}

/* Whoever has the same cookie knows it, too. */
static void set_size(struct play *p, const struct file *f, struct fsc_cookie *cookie, uint64_t size,
		     bool shrinks)
{
	for (uint32_t i = 0; i < p->nr_clients; i++) {
		for (uint32_t k = 0; k < HANDLES; k++) {
			struct handle *h = &readers[i].handles[k];

			if (h->file == f && h->cookie == cookie &&
			    (shrinks || h->attr.size < size))
				h->attr.size = size;
		}
	}
}

/* --- The server's side ------------------------------------------------------------------------ */

static struct writing *find_writing(const struct fsc_subreq *sreq)
{
	const uint8_t *buf = sreq->buf;

	for (uint32_t i = 0; i < PLAY_CLIENTS; i++) {
		for (uint32_t k = 0; k < WRITINGS; k++) {
			struct writing *x = &writings[i][k];

			if (x->file == sreq->netfs && x->mem && buf >= x->mem &&
			    buf < x->mem + x->size)
				return x;
		}
	}
	play_fail(((struct file *)sreq->netfs)->play, sreq->netfs,
		  "subrequest: a write of memory that nobody gave");
	return NULL;
}

/* Once, before anything of it is answered. */
static void decide(struct play *p, struct writing *x)
{
	x->decided = true;
	x->upto = x->hi;
	if (p->server_bad && sim_chance(p->server_one_in)) {
		x->fails = true;
		x->upto = sim_chance(2) ? x->hi : x->lo;
	} else if (p->server_bad && sim_chance(p->server_short_one_in)) {
		x->upto = x->lo + sim_random((uint32_t)(x->hi - x->lo) + 1);
		x->upto -= x->upto % PLAY_SECTOR;
		x->upto = x->upto < x->lo ? x->lo : x->upto;
	}
	if (x->upto > x->lo)
		x->version = server_write_part(p, x->file, x->stamp, x->upto, x->upto == x->hi);
	else
		play_note(p, x->file, "the server refuses stamp %u", x->stamp);
}

static int64_t taken(struct writing *x, const struct fsc_subreq *sreq)
{
	struct play *p = x->file->play;
	uint64_t left = sreq->pos < x->upto ? x->upto - sreq->pos : 0;
	size_t n = left < sreq->len ? (size_t)left : sreq->len;

	if (x->fails || !n)
		return p->server_error;
	if (n > 1 && sim_chance(4))
		n = 1 + sim_random((uint32_t)n - 1);
	return (int64_t)n;
}

static void answer_write(void *arg)
{
	struct fsc_subreq *sreq = arg;
	struct writing *x = find_writing(sreq);

	if (sim_chance(30)) {
		fsc_subreq_done(sreq, -EAGAIN);
		return;
	}
	if (!x->decided)
		decide(x->file->play, x);
	fsc_subreq_done(sreq, taken(x, sreq));
}

void changes_issue_write(struct fsc_subreq *sreq)
{
	struct writing *x = find_writing(sreq);
	struct play *p = x->file->play;
	struct taking *t = sreq->priv;

	if (t->sreq)
		play_fail(p, x->file, "subrequest: the client's part isn't zero");
	if (!sreq->len || (p->rsize && sreq->len > p->rsize) || sreq->pos < x->lo ||
	    sreq->pos + sreq->len > x->hi ||
	    (uint8_t *)sreq->buf != x->mem + x->off + (sreq->pos - x->lo))
		play_fail(p, x->file, "subrequest: a write of %zu bytes at %llu", sreq->len,
			  (unsigned long long)sreq->pos);
	t->sreq = sreq;
	if (sim_chance(4))
		answer_write(sreq);
	else
		sim_irq(answer_write, sreq, sim_random((uint32_t)p->server_latency_us + 1));
}

size_t changes_write_max(struct fsc_write *write)
{
	struct file *f = write->netfs;

	return f->play->rsize ? f->play->rsize : SIZE_MAX;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void answered(struct file *f, uint32_t version)
{
	struct play *p = f->play;

	server_write_answered(p, f, version);
	/* Its coherency data don't tell: so the cache has to. */
	f->changes[version - 1].lasting = p->coherency == COH_CONST;
}

static void check_result(struct writing *x, int64_t ret)
{
	struct play *p = x->file->play;
	int64_t len = (int64_t)(x->hi - x->lo);

	if (ret == len && x->version && !x->fails)
		return;
	if (ret == -ENOMEM && p->no_memory && !x->decided)
		return;
	if (ret == -EAGAIN ||
	    (x->decided && (x->fails || x->upto < x->hi) && ret == p->server_error))
		return;
	/* -EAGAIN too often after a part of it. */
	if (ret > 0 && ret < len && !x->fails && x->lo + (uint64_t)ret <= x->upto)
		return;
	play_fail(p, x->file, "error: a write of %lld at %llu gave %lld%s", (long long)len,
		  (unsigned long long)x->lo, (long long)ret, x->decided ? "" : ", never sent");
}

static void write_over(struct writing *x, int64_t ret)
{
	struct file *f = x->file;
	struct play *p = f->play;

	check_result(x, ret);
	play_note(p, f, "write of stamp %u: %lld", x->stamp, (long long)ret);
	if (ret > 0 && x->lo + (uint64_t)ret >= x->upto)
		answered(f, x->version);
	if (ret > 0)
		set_size(p, f, x->write.cookie, x->lo + (uint64_t)ret, false);
	if (server_pending(f, x->stamp))
		server_write_refused(p, f, x->stamp);
	oracle_event(p);
	x->file = NULL;
	f->changing--;
}

void changes_write_done(struct fsc_write *write, int64_t ret)
{
	write_over((struct writing *)(void *)write, ret);
}

/* Not where the answer comes, as that may be anywhere. */
static void free_mem(struct writing *x)
{
	fsc_io_free(x->mem, x->room);
	x->mem = NULL;
}

void changes_join(struct client *c)
{
	for (uint32_t k = 0; k < WRITINGS; k++) {
		while (writings[c->nr][k].file)
			nap();
		free_mem(&writings[c->nr][k]);
	}
}

void changes_start(struct client *c)
{
	memset(writings[c->nr], 0, sizeof(writings[c->nr]));
}

/* --- Rights ----------------------------------------------------------------------------------- */

static void use_to_modify(struct handle *h)
{
	if (h->modifies)
		return;
	h->modifies = true;
	h->uses++;
	fsc_cookie_use(h->cookie, true);
}

/* Without proof nothing is kept before a modifying use has ended. */
static void use_to_read(struct handle *h)
{
	for (; h->uses; h->uses--)
		fsc_cookie_unuse(h->cookie);
	h->modifies = false;
	h->uses++;
	fsc_cookie_use(h->cookie, false);
}

/* Nobody else changes it from here on: and what the library was told of it is so. */
static void take_right(struct client *c, struct handle *h, const struct step *s)
{
	struct play *p = c->play;
	struct file *f = h->file;
	struct attr attr;

	if (p->coherency == COH_TICK || f->delegated)
		return;
	f->delegated = true;
	f->right = c;
	if (!server_getattr(p, f, &attr)) {
		f->delegated = f->right != c && f->delegated;
		f->right = f->right != c ? f->right : NULL;
		return;
	}
	if (f->right != c) /* recalled already */
		return;
	/* What never changes says nothing about what is stored. */
	if (p->coherency == COH_CONST || !reader_is_same(p, &attr, &h->attr))
		reader_invalidate(c, h, &attr, s);
	play_note(p, f, "client %u has a right to it, as of version %u", c->nr, attr.version);
	use_to_modify(h);
	if (f->right == c)
		fsc_cookie_prove(h->cookie);
}

static bool used_by_others(struct client *c, struct handle *h)
{
	for (uint32_t i = 0; i < c->play->nr_clients; i++)
		for (uint32_t k = 0; k < HANDLES; k++) {
			struct handle *o = &readers[i].handles[k];

			if (o != h && o->file == h->file && o->cookie == h->cookie && o->uses)
				return true;
		}
	return false;
}

void changes_give_right_back(struct client *c, struct handle *h)
{
	struct file *f = h->file;
	const struct step s = { 0 };

	if (f->right != c)
		return;
	changes_begin_alone(f);
	if (f->right != c) {
		f->alone = false;
		return;
	}
	for (; h->uses; h->uses--)
		fsc_cookie_unuse(h->cookie);
	h->modifies = false;
	/* The use goes on: then it has to be told that the proof is over. */
	if (used_by_others(c, h))
		reader_invalidate(c, h, NULL, &s);
	play_note(c->play, f, "client %u gives its right back", c->nr);
	f->right = NULL;
	f->delegated = false;
	f->alone = false;
}

/* The server wants it back, as somebody else is going to change the file: who has it says so to the
 * library, and is left with a use that has no proof. False: nobody can be asked. */
bool changes_recall(struct play *p, struct file *f)
{
	const struct step s = { 0 };
	struct client *c = f->right;

	for (uint32_t k = 0; c && k < HANDLES; k++) {
		struct handle *h = &readers[c->nr].handles[k];

		if (h->file != f || !h->cookie)
			continue;
		play_note(p, f, "client %u's right is recalled", c->nr);
		f->right = NULL;
		h->busy++;
		reader_invalidate(c, h, NULL, &s);
		h->busy--;
		f->delegated = false;
		return true;
	}
	return false;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static struct writing *take_writing(struct client *c)
{
	for (;;) {
		for (uint32_t k = 0; k < WRITINGS; k++) {
			if (writings[c->nr][k].file)
				continue;
			free_mem(&writings[c->nr][k]);
			return &writings[c->nr][k];
		}
		nap();
	}
}

static void pick(const struct handle *h, const struct step *s, uint64_t *start, uint64_t *end)
{
	uint64_t size = h->attr.size, pos = size ? s->pos % size : 0;
	uint64_t len = 1 + s->len % ((s->arg & 3 ? 5 : 20) * PLAY_GRANULE);

	if (h->file->large && size) /* not always at new places */
		pos = (s->pos >> 32) % 97 * (size / 97);
	if (s->arg >> 2 & 1)
		pos = size; /* append */
	if (!(s->arg >> 4 & 3)) { /* where others write just now */
		pos = s->pos % (2 * PLAY_GRANULE);
		pos = pos < size ? pos : size;
		len = 1 + s->len % 3000;
	}
	if (s->flags & STEP_WHOLE) {
		pos -= pos % PLAY_GRANULE;
		len = (len + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE;
	}
	*start = pos;
	*end = pos + len;
	if (*end > size && (h->file->large || *end > OPEN_MAX || !(s->arg >> 3 & 1)))
		*end = size > pos ? size : pos;
}

static void start_write(void *arg)
{
	fsc_write_start(arg);
}

/* False: it takes no more, or there is no memory. */
static bool fill_writing(struct client *c, struct handle *h, const struct step *s,
			 struct writing *x, uint64_t start, uint64_t end)
{
	struct play *p = c->play;
	struct file *f = h->file;
	uint64_t size = file_size(f, f->version);
	const struct change *change;

	size = size > h->attr.size ? size : h->attr.size;
	size = size > end ? size : end;
	*x = (struct writing){ .stamp = server_write_begin(p, f, start, end, size,
							   s->flags & STEP_ZERO ? 1 : 0) };
	if (!x->stamp)
		return false;
	change = server_pending(f, x->stamp);
	x->lo = change->start;
	x->hi = change->end < size ? change->end : size;
	x->off = s->arg >> 8 & 1 ? x->lo % PAGE : s->arg >> 9 & 0x1ff;
	x->size = x->hi > x->lo ? (size_t)(x->hi - x->lo) + x->off : 0;
	/* Where it lies in a page decides what is copied: so not just anywhere. */
	x->room = (x->size + PAGE) / PAGE * PAGE;
	x->mem = x->size ? fsc_io_alloc(x->room) : NULL;
	if (!x->mem) {
		server_write_refused(p, f, x->stamp);
		return false;
	}
	/* It may have been moved while we waited for the memory. */
	stamp_bytes(f, server_pending(f, x->stamp), x->lo, x->mem + x->off,
		    (size_t)(x->hi - x->lo));
	x->file = f;
	return true;
}

static void write_step(struct client *c, struct handle *h, const struct step *s)
{
	struct file *f = h->file;
	struct writing *x = take_writing(c);
	uint64_t start, end;

	begin_shared(f);
	use_to_modify(h);
	pick(h, s, &start, &end);
	if (start >= end || !fill_writing(c, h, s, x, start, end)) {
		f->changing--;
		return;
	}
	x->write.cookie = h->cookie;
	x->write.ops = &reader_ops;
	x->write.netfs = f;
	x->write.pos = x->lo;
	x->write.file_size = h->attr.size;
	x->write.buf = x->mem + x->off;
	x->write.len = (size_t)(x->hi - x->lo);
	x->write.flags = s->flags & STEP_KEEP ? FSC_WRITE_FILL : 0;
	oracle_event(c->play);
	if (s->flags & STEP_WAIT)
		write_over(x, fsc_write_wait(&x->write));
	else if (s->flags & STEP_IRQ)
		sim_in_irq(start_write, &x->write);
	else
		fsc_write_start(&x->write);
}

/* Several at once, side by side in a granule or two. */
static void write_beside(struct client *c, struct handle *h, const struct step *s)
{
	struct step step = *s;

	step.arg &= ~(uint64_t)(1 << 2 | 3 << 4);
	step.flags &= (uint8_t)~(STEP_WAIT | STEP_WHOLE);
	step.len %= 900;
	for (uint32_t i = 0; i < 3; i++) {
		step.pos = s->len % PLAY_GRANULE + i * 2 * PLAY_SECTOR;
		write_step(c, h, &step);
	}
}

static void resize_step(struct client *c, struct handle *h, const struct step *s)
{
	struct play *p = c->play;
	struct file *f = h->file;
	uint32_t stamp, version;
	uint64_t old, size;

	changes_begin_alone(f);
	old = h->attr.size;
	use_to_modify(h);
	size = s->arg & 1 ? old + 1 + s->len % (4 * PLAY_GRANULE) : s->len % (old + 1);
	if (f->large)
		size = old - s->len % (4 * PLAY_GRANULE);
	stamp = size <= OPEN_MAX || f->large ? server_write_begin(p, f, 0, 0, size, 1) : 0;
	if (stamp) {
		oracle_event(p);
		fsc_cookie_resize_begin(h->cookie, size);
		version = server_write_sent(p, f, stamp);
		fsc_cookie_resize_end(h->cookie, version ? 0 : -EIO);
		play_note(p, f, "resized to %llu: version %u", (unsigned long long)size, version);
		if (version) {
			answered(f, version);
			set_size(p, f, h->cookie, size, true);
		} else {
			server_write_refused(p, f, stamp);
		}
		oracle_event(p);
	}
	f->alone = false;
}

static void punch_step(struct client *c, struct handle *h, const struct step *s)
{
	struct play *p = c->play;
	struct file *f = h->file;
	const struct change *change;
	uint64_t size, pos, end;
	uint32_t stamp, version;

	changes_begin_alone(f);
	use_to_modify(h);
	size = h->attr.size;
	pos = size ? s->pos % size : 0;
	end = pos + 1 + s->len % (5 * PLAY_GRANULE);
	end = end < size ? end : size;
	stamp = pos < end ? server_write_begin(p, f, pos, end, size, 1) : 0;
	if (stamp) {
		change = server_pending(f, stamp);
		pos = change->start;
		end = change->end < size ? change->end : size;
		oracle_event(p);
		fsc_cookie_punch_begin(h->cookie, pos, end - pos);
		version = server_write_sent(p, f, stamp);
		fsc_cookie_punch_end(h->cookie, pos, end - pos, version ? 0 : -EIO);
		if (version)
			answered(f, version);
		else
			server_write_refused(p, f, stamp);
		oracle_event(p);
	}
	f->alone = false;
}

/* What it is now, with the changes answered. */
static void written_step(struct client *c, struct handle *h)
{
	struct play *p = c->play;
	struct file *f = h->file;
	struct fsc_cookie_params now;
	uint32_t version;
	struct attr attr;
	int err;

	changes_begin_alone(f);
	if (server_getattr(p, f, &attr) && attr.version >= h->attr.version) {
		now = attr_params(f, &attr);
		version = oracle_invalidating(p, f);
		err = fsc_cookie_written(h->cookie, &now);
		play_note(p, f, "written, as of version %u: %d", attr.version, err);
		if (err)
			play_fail(p, f, "written: gave %d with nothing under way", err);
		oracle_invalidated(p, f, version);
		reader_set_attr(p, h->cookie, &attr);
	}
	f->alone = false;
}

void changes_step(struct client *c, struct handle *h, const struct step *s)
{
	if (!h->cookie)
		return;
	if (h->told == UINT32_MAX)
		return;
	if (s->flags & STEP_PROOF && s->kind != STEP_C_LEND && !h->modifies)
		take_right(c, h, s);
	switch (s->kind) {
	case STEP_C_WRITE:
		write_step(c, h, s);
		if (!(s->arg >> 12 & 3))
			write_beside(c, h, s);
		break;
	case STEP_C_RESIZE:
		resize_step(c, h, s);
		break;
	case STEP_C_PUNCH:
		punch_step(c, h, s);
		break;
	case STEP_C_WRITTEN:
		changes_join(c);
		written_step(c, h);
		if (s->arg >> 20 & 1)
			changes_give_right_back(c, h);
		if (s->arg >> 21 & 3 && h->file->right != c)
			use_to_read(h);
		break;
	default:
		if (h->uses)
			changes_lend(c, h);
		break;
	}
}
