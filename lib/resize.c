// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * resize.c - changes that a client makes of a file in two calls around its own request: truncation,
 * extension, holes. And what it says of all its changes: that nobody else makes any, and what the
 * file is now.
 *
 * What is begun stands in the line of turn.c until its end. Without memory for that nothing is
 * kept any more, and then its end has nothing to do.
 */
#include "read.h"
#include "turn.h"

struct frame {
	struct fsc_change change;
	struct fsc_sleeper sleeper; /* while it begins */
	bool kept;
	struct fsc_gen *gen; /* of a punch: prepared */
};

static void frame_init(struct frame *frame, struct fsc_cookie *cookie, enum fsc_change_kind kind,
		       uint64_t start, uint64_t end)
{
	memset(frame, 0, sizeof(*frame));
	frame->change.cookie = cookie;
	frame->change.kind = kind;
	frame->change.start = start;
	frame->change.end = end;
	frame->change.sleeper = &frame->sleeper;
	fsc_sleeper_init(&frame->sleeper);
	fsc_list_init(&frame->change.node);
	fsc_cookie_pin(cookie);
}

static void frame_leave(struct frame *frame)
{
	struct fsc_cookie *cookie = frame->change.cookie;

	fsc_change_leave(&frame->change);
	fsc_sleeper_fini(&frame->sleeper);
	fsc_cookie_unpin(cookie);
}

static void wait_turn(struct frame *frame)
{
	if (!fsc_change_enter(&frame->change, 0))
		fsc_sleeper_sleep(&frame->sleeper);
}

/* The one that was begun, of this range if it is a punch, or NULL. */
static struct frame *find(struct fsc_cookie *cookie, enum fsc_change_kind kind, uint64_t start,
			  uint64_t end)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct frame *frame = NULL;
	struct fsc_list *node;

	fsc_list_for_each(node, &cookie->changes) {
		struct fsc_change *change = fsc_container_of(node, struct fsc_change, node);

		if (change->kind == kind && change->has_turn &&
		    (kind == FSC_CHANGE_RESIZE || (change->start == start && change->end == end)))
			frame = fsc_container_of(change, struct frame, change);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return frame;
}

/* The request can't be noted: so nothing is kept, and what is stored goes before it is sent. */
static void begin_bare(struct fsc_cookie *cookie)
{
	struct frame frame;
	struct fsc_gen *gen;
	unsigned long irq = fsc_spin_lock(&cookie->lock);

	fsc_cookie_give_up(cookie);
	fsc_spin_unlock(&cookie->lock, irq);
	frame_init(&frame, cookie, FSC_CHANGE_PUNCH, 0, 0);
	wait_turn(&frame);
	fsc_change_admit(&frame.change, &gen);
	frame_leave(&frame);
}

/* With the server's answer: nobody is told before what it means is so. */
static void end(struct frame *frame)
{
	struct fsc_cookie *cookie = frame->change.cookie;

	fsc_cookie_get(cookie);
	frame_leave(frame);
	fsc_free(frame);
	fsc_cookie_settle(cookie);
	fsc_cookie_put(cookie);
}

/* --- Resize ----------------------------------------------------------------------------------- */

/* What goes is forgotten before the server is asked; what comes, when it has answered. */
static void resize(struct frame *frame, bool grown)
{
	uint64_t size = frame->change.end;
	struct fsc_gen *gen;

	frame->kept = fsc_change_admit(&frame->change, &gen) == FSC_ADMIT_KEPT;
	if (!frame->kept)
		return;
	fsc_gen_put(gen);
	if (grown ? size > frame->change.old_size : size < frame->change.old_size)
		fsc_change_resize(&frame->change, size);
	/* It may have given up, and then that has to be done with before we go on. */
	frame->kept = fsc_change_admit(&frame->change, &gen) == FSC_ADMIT_KEPT;
	if (frame->kept)
		fsc_gen_put(gen);
}

void fsc_cookie_resize_begin(struct fsc_cookie *cookie, uint64_t size)
{
	struct frame *frame;

	if (!cookie)
		return;
	frame = fsc_zalloc(sizeof(*frame));
	if (!frame) {
		begin_bare(cookie);
		return;
	}
	frame_init(frame, cookie, FSC_CHANGE_RESIZE, size, size);
	wait_turn(frame);
	resize(frame, false);
}

void fsc_cookie_resize_end(struct fsc_cookie *cookie, int err)
{
	struct frame *frame = cookie ? find(cookie, FSC_CHANGE_RESIZE, 0, 0) : NULL;

	if (!frame)
		return;
	if (err)
		fsc_change_failed(&frame->change);
	else if (frame->kept)
		resize(frame, true);
	end(frame);
}

/* --- Punch ------------------------------------------------------------------------------------ */

static void drop_gen(struct frame *frame)
{
	if (!frame->gen)
		return;
	fsc_gen_write_answered(frame->gen);
	fsc_gen_put(frame->gen);
	frame->gen = NULL;
}

/* As for a write that isn't kept: until the end nothing that the server says of it is, either. */
static void prepare_punch(struct frame *frame, struct fsc_gen *gen)
{
	struct fsc_gio gio = { .gen = gen, .pos = frame->change.start };

	gio.buf.len = (size_t)(frame->change.end - frame->change.start);
	drop_gen(frame);
	fsc_gen_get(gen);
	frame->gen = gen;
	fsc_gen_write_prepare(&gio, false);
}

static void punch(struct frame *frame)
{
	struct fsc_gen *gen;
	bool ready = false;

	while (!ready && fsc_change_admit(&frame->change, &gen) == FSC_ADMIT_KEPT) {
		ready = frame->gen == gen;
		if (!ready)
			prepare_punch(frame, gen);
		fsc_gen_put(gen);
	}
	if (!ready)
		drop_gen(frame);
}

/* Where it ends; nothing lies beyond what a file can have. */
static uint64_t punch_end(uint64_t pos, uint64_t len)
{
	return pos > INT64_MAX ? pos : pos + fsc_min64(len, (uint64_t)INT64_MAX - pos);
}

void fsc_cookie_punch_begin(struct fsc_cookie *cookie, uint64_t pos, uint64_t len)
{
	uint64_t end = punch_end(pos, len);
	struct frame *frame;

	if (!cookie || end == pos)
		return;
	frame = fsc_zalloc(sizeof(*frame));
	if (!frame) {
		begin_bare(cookie);
		return;
	}
	frame_init(frame, cookie, FSC_CHANGE_PUNCH, pos, end);
	wait_turn(frame);
	punch(frame);
}

void fsc_cookie_punch_end(struct fsc_cookie *cookie, uint64_t pos, uint64_t len, int err)
{
	uint64_t to = punch_end(pos, len);
	struct frame *frame = cookie ? find(cookie, FSC_CHANGE_PUNCH, pos, to) : NULL;

	if (!frame)
		return;
	if (err)
		fsc_change_failed(&frame->change);
	else if (frame->gen)
		fsc_gen_clear(frame->gen, pos, to - pos); /* for the room */
	drop_gen(frame);
	end(frame);
}

/* --- What the client says of them ------------------------------------------------------------- */

void fsc_cookie_prove(struct fsc_cookie *cookie)
{
	unsigned long irq;

	if (!cookie)
		return;
	irq = fsc_spin_lock(&cookie->lock);
	/* Too late for one that is under way, or has cost what is stored. */
	if (cookie->uses && !cookie->uncached && fsc_list_empty(&cookie->changes))
		cookie->proven = true;
	fsc_spin_unlock(&cookie->lock, irq);
}

/* Where @now can be put in the place of what the object is labelled with. What is begun from here
 * on comes after it. -EBUSY: something is under way. cookie.op */
static int relabel_begin(struct fsc_cookie *cookie, const struct fsc_cookie_params *now,
			 struct fsc_object **obj)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool idle = fsc_list_empty(&cookie->changes);

	*obj = NULL;
	if (idle && cookie->proven && cookie->size == now->size) {
		struct fsc_gen *gen = fsc_cookie_usable_gen(cookie);

		*obj = gen ? cookie->obj : NULL;
		fsc_gen_put(gen);
	}
	if (*obj)
		cookie->dirty = false;
	fsc_spin_unlock(&cookie->lock, irq);
	return idle ? 0 : -EBUSY;
}

static int relabel_end(struct fsc_cookie *cookie, const struct fsc_cookie_params *now, int err)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_gen *gen = fsc_cookie_usable_gen(cookie);

	if (!gen) {
		err = -ENOBUFS; /* invalidated meanwhile, or the disk failed */
	} else if (err) {
		cookie->dirty = true;
	} else {
		fsc_cookie_label(cookie, now);
		cookie->keep_after_ms = fsc_max64(cookie->keep_after_ms, now->keep_after_ms);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	fsc_gen_put(gen);
	return err;
}

/* 0, -EBUSY, or it can't be done. */
static int relabel(struct fsc_cookie *cookie, const struct fsc_cookie_params *now)
{
	struct fsc_object *obj;
	int err;

	fsc_mutex_lock(&cookie->op);
	err = relabel_begin(cookie, now, &obj);
	if (!err && obj)
		err = relabel_end(cookie, now, fsc_object_commit(obj, &now->coherency));
	else if (!err)
		err = -ENOBUFS;
	fsc_mutex_unlock(&cookie->op);
	return err;
}

int fsc_cookie_written(struct fsc_cookie *cookie, const struct fsc_cookie_params *now)
{
	int err;

	if (!cookie)
		return 0;
	if (!fsc_cookie_params_ok(now)) {
		static const struct fsc_cookie_params nothing = { .size = UINT64_MAX };

		now = &nothing;
	}
	err = relabel(cookie, now);
	if (!err || err == -EBUSY)
		return err;
	fsc_cookie_invalidate(cookie, now, NULL);
	fsc_cookie_get(cookie);
	fsc_cookie_settle(cookie);
	fsc_cookie_put(cookie);
	return 0;
}
