// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer_slot.c - what the writer's tasks need of a file that they share, and of a transfer: the
 * object while it is there, pins, calls that are kept apart, memory and waiting.
 */
#include "writer.h"

/* --- Using an object -------------------------------------------------------------------------- */

bool slot_touch(struct slot *sl)
{
	if (!sl->obj || sl->closing)
		return false;
	sl->touching++;
	return true;
}

void slot_untouch(struct writer *w, struct slot *sl)
{
	sl->touching--;
	writer_wake(w);
}

struct fsc_gen *slot_gen(struct writer *w, struct slot *sl)
{
	struct fsc_gen *gen;

	if (!slot_touch(sl))
		return NULL;
	gen = fsc_object_gen(sl->obj);
	slot_untouch(w, sl);
	return gen;
}

void slot_pin(struct fsc_gen **pin, struct fsc_gen *gen)
{
	struct fsc_gen *before = *pin;

	if (gen)
		fsc_gen_get(gen);
	*pin = gen;
	fsc_gen_put(before);
}

struct fsc_gen *slot_old(struct slot *sl)
{
	struct fsc_gen *old = sl->old;

	fsc_gen_get(old);
	return old;
}

uint64_t slot_size(struct writer *w, struct slot *sl)
{
	uint64_t size = UINT64_MAX;

	if (slot_touch(sl)) {
		size = fsc_object_size(sl->obj);
		slot_untouch(w, sl);
	}
	return size;
}

static bool no_call(void *arg)
{
	return !((struct slot *)arg)->in_call;
}

bool slot_call(struct writer *w, struct slot *sl)
{
	while (sl->in_call)
		fsc_waitq_wait(&w->moved, no_call, sl);
	if (!sl->obj)
		return false;
	sl->in_call = true;
	return true;
}

void slot_end_call(struct writer *w, struct slot *sl)
{
	sl->in_call = false;
	writer_wake(w);
}

/* --- Transfers -------------------------------------------------------------------------------- */

bool op_mem(struct op *op, size_t len)
{
	op->mem_len = (len + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE;
	op->mem = fsc_io_alloc(op->mem_len);
	if (op->mem)
		memset(op->mem, 0, op->mem_len);
	return op->mem;
}

void op_range(const struct op *op, uint64_t size, uint64_t *pos, uint64_t *len)
{
	const struct step *s = op->step;
	uint64_t granules = (size + PLAY_GRANULE - 1) / PLAY_GRANULE;

	*len = (1 + s->len % 8) * PLAY_GRANULE;
	*pos = granules ? s->pos % granules * PLAY_GRANULE : 0;
	if (op->slot->file->large && granules) /* far apart, but met again */
		*pos = (s->pos >> 32) % 97 * (granules / 97) * PLAY_GRANULE +
		       s->pos % 3 * PLAY_GRANULE;
	else if (s->flags & STEP_WHOLE) {
		*pos = 0;
		*len = granules * PLAY_GRANULE;
	}
	if (*pos + *len > granules * PLAY_GRANULE)
		*len = *pos < granules * PLAY_GRANULE ? granules * PLAY_GRANULE - *pos : 0;
}

static void piece_done(struct fsc_gio *gio, int64_t ret)
{
	struct piece *piece = (struct piece *)(void *)gio;
	struct writer *w = op_writer(piece->op);

	if (!piece->under_way)
		play_fail(w->play, piece->op->slot->file, "twice: a transfer ended twice");
	piece->ret = ret;
	piece->under_way = false;
	writer_wake(w);
}

struct piece *op_piece(struct op *op, struct fsc_gen *gen, uint64_t pos, size_t off, size_t len)
{
	struct piece *piece = &op->pieces[op->nr_pieces++];

	memset(piece, 0, sizeof(*piece));
	piece->op = op;
	fsc_gen_get(gen);
	piece->gio.gen = gen;
	piece->gio.pos = pos;
	piece->gio.buf = (struct fsc_buf){ .mem = op->mem, .off = off, .len = len };
	piece->gio.done = piece_done;
	if (!(op->step->flags & STEP_IRQ) && sim_chance(2))
		piece->gio.flags = FSC_IO_MAY_BLOCK;
	return piece;
}

struct call {
	void (*fn)(struct fsc_gio *gio);
	struct fsc_gio *gio;
};

static void make_call(void *arg)
{
	struct call *call = arg;

	call->fn(call->gio);
}

void op_run(struct op *op, void (*fn)(struct fsc_gio *gio), struct piece *piece)
{
	struct call call = { fn, &piece->gio };

	piece->under_way = true;
	if (op->step->flags & STEP_IRQ)
		sim_in_irq(make_call, &call);
	else
		make_call(&call);
}

static bool pieces_ended(void *arg)
{
	struct op *op = arg;

	for (uint32_t i = 0; i < op->nr_pieces; i++)
		if (op->pieces[i].under_way)
			return false;
	return true;
}

void op_wait(struct op *op)
{
	if (!pieces_ended(op))
		fsc_waitq_wait(&op_writer(op)->moved, pieces_ended, op);
	for (uint32_t i = 0; i < op->nr_pieces; i++)
		fsc_gen_put(op->pieces[i].gio.gen);
	op->nr_pieces = 0;
}
