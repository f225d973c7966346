// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer_change.c - local writes and changes of the size, as object.h asks for them.
 *
 * The generation that is current is prepared before the data change anywhere. One that comes in
 * its place later may hold downloads from before the change: it is prepared before the change
 * counts as answered. What overlaps is kept apart, since the server may take the two in any order;
 * what changes the size is kept apart from everything that changes anything.
 */
#include "writer.h"

struct change_plan {
	uint64_t old_size, size;
	uint32_t stamp;
	bool keep;
	bool resize_first;
	bool skip;        /* nothing is written to the cache though it could be */
	bool write_late;  /* to the cache only when the server has answered */
	bool slow;
	uint8_t zeroes;
};

/* --- Kept apart ------------------------------------------------------------------------------- */

static bool is_alone(const struct op *op)
{
	const struct writer *w = op_writer(op);

	for (uint32_t i = 0; i < OPS; i++) {
		const struct op *o = &w->ops[i];

		if (o != op && o->client && o->slot == op->slot && o->changing &&
		    o->from < op->to && op->from < o->to)
			return false;
	}
	return true;
}

static bool may_change(void *arg)
{
	return is_alone(arg);
}

/* From here to end_change(): no other on this range. */
static void begin_change(struct op *op, uint64_t from, uint64_t to)
{
	op->from = from - from % PLAY_SECTOR;
	op->to = to == UINT64_MAX ? to : (to + PLAY_SECTOR - 1) / PLAY_SECTOR * PLAY_SECTOR;
	while (!is_alone(op))
		fsc_waitq_wait(&op_writer(op)->moved, may_change, op);
	op->changing = true;
	op->slot->writing++;
}

static void end_change(struct op *op)
{
	op->changing = false;
	op->slot->writing--;
	oracle_event(op->client->play);
	writer_wake(op_writer(op));
}

/* --- Prepare ---------------------------------------------------------------------------------- */

static bool is_prepared(const struct op *op, const struct fsc_gen *gen)
{
	for (uint32_t i = 0; i < op->nr_pieces; i++)
		if (op->pieces[i].gio.gen == gen)
			return true;
	return false;
}

/* The bytes from op->lo on begin in memory where a granule does. */
static void prepare(struct op *op, struct fsc_gen *gen, const struct change_plan *plan)
{
	uint64_t off = op->lo % PLAY_GRANULE, len = op->hi - op->lo;
	bool keep = plan->keep && op->mem;
	struct piece *piece;
	int err;

	/* With the zeroes that follow, the last granule can be stored as well. The size is asked
	 * for after @gen was got, so it is that of @gen, or @gen isn't current any more. */
	if (keep && op->hi == plan->size && op->step->arg >> 20 & 3 &&
	    slot_size(op_writer(op), op->slot) == plan->size)
		len = op->mem_len - off;
	piece = op_piece(op, gen, op->lo, off, len);
	op->slot->prepares++;
	err = fsc_gen_write_prepare(&piece->gio, keep);
	piece->prepared = true;
	piece->ready = !err;
	if (gen != op->slot->old && !op->slot->closing)
		slot_pin(&op->slot->dirty, gen);
	play_note(op->client->play, op->slot->file, "prepared for stamp %u%s: %d", plan->stamp,
		  keep ? ", to be kept" : "", err);
	if (err && err != -ENOBUFS)
		play_fail(op->client->play, op->slot->file, "prepare: gave %d", err);
}

/* Until the generation that is current has been prepared; or so many have come one after the other
 * that the rest is left for later. False: there is none. */
static bool prepare_current(struct op *op, const struct change_plan *plan)
{
	struct fsc_gen *gen = NULL;
	bool known = false;

	while (!known && op->nr_pieces < PIECES && (gen = slot_gen(op_writer(op), op->slot))) {
		known = is_prepared(op, gen);
		if (!known)
			prepare(op, gen, plan);
		fsc_gen_put(gen);
	}
	return gen != NULL;
}

/* What has come in its place since then may hold what was downloaded before the change. False:
 * there is none. */
static bool prepare_late(struct op *op)
{
	struct fsc_gen *gen, *last = NULL;
	bool known = false;

	while (!known && (gen = slot_gen(op_writer(op), op->slot))) {
		struct fsc_gio gio = { .gen = gen, .pos = op->lo, .buf.len = op->hi - op->lo };

		known = gen == last || is_prepared(op, gen);
		if (!known) {
			if (fsc_gen_write_prepare(&gio, false) != -ENOBUFS)
				play_fail(op->client->play, op->slot->file, "prepare: to be kept");
			fsc_gen_write_answered(gen);
		}
		fsc_gen_put(last);
		last = gen;
	}
	fsc_gen_put(last);
	return known;
}

static void write_pieces(struct op *op, const struct change_plan *plan)
{
	for (uint32_t i = 0; i < op->nr_pieces; i++) {
		struct piece *piece = &op->pieces[i];

		if (!piece->ready)
			continue;
		piece->ready = false;
		if (plan->skip)
			fsc_gen_store_cancel(&piece->gio);
		else
			op_run(op, fsc_gen_write, piece);
	}
}

/* --- Answered --------------------------------------------------------------------------------- */

static void answered(void *arg)
{
	fsc_gen_write_answered(arg);
}

static void answer_pieces(struct op *op)
{
	for (uint32_t i = 0; i < op->nr_pieces; i++) {
		if (op->step->flags & STEP_IRQ)
			sim_in_irq(answered, op->pieces[i].gio.gen);
		else
			answered(op->pieces[i].gio.gen);
	}
}

static void resize_object(struct op *op, uint64_t size)
{
	struct slot *sl = op->slot;
	int err = fsc_object_resize(sl->obj, size);

	play_note(op->client->play, sl->file, "object resized to %llu: %d",
		  (unsigned long long)size, err);
	if (err && err != -ENOBUFS)
		play_fail(op->client->play, sl->file, "resize: gave %d", err);
}

/* The server has refused it: the cache must not have it either. */
static void take_back(struct op *op, const struct change_plan *plan)
{
	struct writer *w = op_writer(op);

	/* What came later than these was never given it. */
	for (uint32_t i = 0; i < op->nr_pieces; i++)
		fsc_gen_clear(op->pieces[i].gio.gen, op->lo, op->hi - op->lo);
	if (plan->size != plan->old_size && plan->resize_first)
		resize_object(op, plan->old_size);
	server_write_refused(w->play, op->slot->file, plan->stamp);
}

/* A netfs without proof: what is stored goes at the first local write, and nothing more is kept. */
static void give_up_for_good(struct op *op)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	bool call = op->to != UINT64_MAX; /* change_size() is in one */

	if (call && !slot_call(w, sl))
		return;
	if (!sl->gave_up) {
		invalidate_slot(w, sl, NULL);
		give_up(w, sl);
		sl->gave_up = true;
	}
	if (call)
		slot_end_call(w, sl);
}

/* There is no generation to be prepared, as the cache was withdrawn or has no memory; but what is
 * stored may be found again, and coherency data that never change won't tell. */
static void give_up_unprepared(struct op *op)
{
	if (op_writer(op)->play->coherency == COH_CONST)
		give_up_for_good(op);
}

static void finish(struct op *op, const struct change_plan *plan, uint32_t version)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	bool told = false;

	if (op->hi > op->lo) {
		told = prepare_late(op);
		if (!told)
			give_up_unprepared(op);
	}
	if (!version)
		take_back(op, plan);
	else if (plan->size != plan->old_size && !plan->resize_first)
		resize_object(op, plan->size);
	answer_pieces(op);
	if (version) {
		sl->own |= 1ull << (version - 1);
		server_write_answered(w->play, sl->file, version);
		/* Its coherency data don't tell: so the cache has to. */
		sl->file->changes[version - 1].lasting = w->play->coherency == COH_CONST &&
							 (told || sl->gave_up);
		play_note(w->play, sl->file, "stamp %u answered: version %u", plan->stamp, version);
	}
}

/* --- A change, from begin to answer ----------------------------------------------------------- */

static void fill(struct op *op, const struct change *c)
{
	if (op->hi > op->lo && op_mem(op, op->hi - (op->lo - op->lo % PLAY_GRANULE)))
		stamp_bytes(op->slot->file, c, op->lo, op->mem + op->lo % PLAY_GRANULE,
			    op->hi - op->lo);
}

static void change(struct op *op, struct change_plan *plan, uint64_t start, uint64_t end)
{
	const struct step *s = op->step;
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	struct fsc_gen *old;
	struct change c;
	uint32_t version;

	plan->stamp = server_write_begin(w->play, sl->file, start, end, plan->size, plan->zeroes);
	if (!plan->stamp)
		return;
	c = *server_pending(sl->file, plan->stamp);
	op->lo = c.start;
	op->hi = c.end < plan->size ? c.end : plan->size;
	op->hi = op->hi > op->lo ? op->hi : op->lo;
	fill(op, &c);
	if (sl->gives_up && !sl->gave_up)
		give_up_for_good(op);
	if (plan->size != plan->old_size && plan->resize_first)
		resize_object(op, plan->size);
	if (op->hi > op->lo && sl->old && (s->arg >> 53 & 7) == 0) {
		/* It may not be current; that is found out next. */
		old = slot_old(sl);
		prepare(op, old, plan);
		fsc_gen_put(old);
	}
	if (op->hi > op->lo && !prepare_current(op, plan))
		give_up_unprepared(op);
	if (!plan->write_late)
		write_pieces(op, plan);
	/* The server may be far, and a crash come meanwhile. */
	if (plan->slow)
		sim_sleep_us(s->len >> 20 & 0x7fff);
	version = server_write_sent(w->play, sl->file, plan->stamp);
	plan->skip = plan->skip || !version;
	write_pieces(op, plan);
	finish(op, plan, version);
}

static void plan_change(struct op *op, struct change_plan *plan, uint64_t old_size, uint64_t size)
{
	const struct step *s = op->step;

	*plan = (struct change_plan){
		.old_size = old_size,
		.size = size,
		.keep = s->flags & STEP_KEEP,
		.resize_first = s->arg >> 30 & 1,
		.skip = (s->arg >> 31 & 7) == 0,
		.write_late = (s->arg >> 34 & 3) == 0,
		.slow = s->arg >> 36 & 1,
		.zeroes = s->flags & STEP_ZERO && s->arg & 1 ? 1 + (s->arg >> 1 & 1) : 0,
	};
}

static uint64_t largest(const struct slot *sl, uint64_t size)
{
	return sl->file->large ? size + 16 * PLAY_GRANULE : LEND_GRANULES * PLAY_GRANULE;
}

/* Alone: it ends elsewhere than before. */
static void change_size(struct op *op, uint64_t size, uint64_t start, uint64_t end)
{
	struct writer *w = op_writer(op);
	struct change_plan plan;
	struct slot *sl = op->slot;

	begin_change(op, 0, UINT64_MAX);
	if (slot_call(w, sl)) {
		plan_change(op, &plan, fsc_object_size(sl->obj), size);
		if (size > largest(sl, plan.old_size))
			plan.size = plan.old_size;
		change(op, &plan, start < plan.size ? start : plan.size,
		       end < plan.size ? end : plan.size);
		slot_end_call(w, sl);
	}
	end_change(op);
}

/* The server's file is shorter than the object, and grows with what is written. */
static bool grows(struct slot *sl, uint64_t size)
{
	return file_size(sl->file, sl->file->version) < size;
}

static void write_within(struct op *op, uint64_t pos, uint64_t end)
{
	struct change_plan plan;
	uint64_t size;
	bool all;

	begin_change(op, pos, end);
	/* It may have become shorter meanwhile. */
	size = slot_size(op_writer(op), op->slot);
	all = size != UINT64_MAX && grows(op->slot, size);
	plan_change(op, &plan, size, size);
	if (!all && size != UINT64_MAX && end <= size)
		change(op, &plan, pos, end);
	end_change(op);
	if (all)
		change_size(op, size, pos, end);
}

/* What is overwritten is the more worth a look when it is on the disk and said to be there. */
static void fill_and_save(struct op *op, uint64_t size)
{
	store_range(op, 0, size < PLAY_READ_MAX ? size : PLAY_READ_MAX);
	if (op->mem)
		fsc_io_free(op->mem, op->mem_len);
	op->mem = NULL;
	if (op->step->arg >> 47 & 1) {
		fsc_cache_sync(op->client->play->cache);
	} else if (slot_call(op_writer(op), op->slot)) {
		fsc_object_commit(op->slot->obj, NULL);
		slot_end_call(op_writer(op), op->slot);
	}
}

void write_op(struct op *op)
{
	uint64_t size = slot_size(op_writer(op), op->slot), pos, len;
	const struct step *s = op->step;

	if (size == UINT64_MAX)
		return;
	if (s->arg >> 45 & 1)
		fill_and_save(op, size);
	pos = size ? s->pos % size : 0;
	len = 1 + s->len % (5 * PLAY_GRANULE);
	if (s->flags & STEP_WHOLE) {
		pos -= pos % PLAY_GRANULE;
		len += PLAY_GRANULE - 1;
		len -= len % PLAY_GRANULE;
	}
	if (pos + len > size && (!size || s->arg >> 40 & 1))
		change_size(op, pos + len, pos, pos + len);
	else
		write_within(op, pos, pos + len < size ? pos + len : size);
}

void resize_op(struct op *op)
{
	uint64_t size = slot_size(op_writer(op), op->slot);
	const struct step *s = op->step;

	if (size == UINT64_MAX)
		return;
	if (s->arg & 1)
		change_size(op, size + 1 + s->len % (4 * PLAY_GRANULE), 0, 0);
	else
		change_size(op, s->len % (size + 1), 0, 0);
}
