// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer.c - a client below cookies: its files, its tasks, and the calls that open, invalidate,
 * commit and close. What it knows of the server it was told; what it proves it can prove.
 */
#include "writer.h"

size_t writer_size(void)
{
	return sizeof(struct writer);
}

struct writer *op_writer(const struct op *op)
{
	return op->client->play->writer_mem[op->client->nr];
}

void writer_wake(struct writer *w)
{
	fsc_waitq_wake_all(&w->moved);
}

/* --- Open ------------------------------------------------------------------------------------- */

static bool get_attr(struct writer *w, struct slot *sl, const struct step *s, struct attr *attr)
{
	struct file *f = sl->file;

	if (s->flags & STEP_STALE && sl->stale.version && !f->delegated) {
		*attr = sl->stale;
		return true;
	}
	if (!server_getattr(w->play, f, attr))
		return false;
	sl->stale = *attr;
	return true;
}

/* What the library is told, and is not to keep. */
static void tell(struct slot *sl, const struct attr *attr)
{
	struct play *p = sl->file->play;

	sl->base = attr->version;
	sl->told = p->coherency == COH_CONST ? 0 : attr->version;
}

static void note_tick(struct slot *sl, const struct attr *attr)
{
	if (attr->keep_after_ms > sl->keep_after_ms)
		sl->keep_after_ms = attr->keep_after_ms;
}

static bool try_open(struct writer *w, struct slot *sl, const struct step *s)
{
	struct fsc_cookie_params params;
	struct file *f = sl->file;
	struct attr attr;
	int err;

	sl->proof = s->flags & STEP_PROOF || s->arg >> 52 & 1;
	sl->gives_up = !sl->proof && s->arg & 1;
	sl->gave_up = false;
	/* An exclusive right, got before anything is asked for; or the server's counter. */
	f->delegated = sl->proof && (w->play->coherency != COH_COUNTER || s->arg & 2);
	if (!get_attr(w, sl, s, &attr))
		return false;
	params = attr_params(f, &attr);
	sl->keep_after_ms = attr.keep_after_ms;
	err = fsc_object_open(w->play->volumes[f->volume].vol, params.key, params.coherency,
			      params.size, &sl->obj);
	play_note(w->play, f, "object opened: %d, version %u%s%s", err, attr.version,
		  sl->proof ? ", with proof" : "", sl->gives_up ? ", to be given up" : "");
	if (err)
		sl->obj = NULL;
	if (err == -EBUSY)
		play_fail(w->play, f, "busy: nobody else has it open");
	if (!err)
		tell(sl, &attr);
	return !err;
}

static bool opened(void *arg)
{
	return !((struct slot *)arg)->opening;
}

static void open_op(struct op *op)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	struct volume *v = &w->play->volumes[sl->file->volume];

	while (sl->opening)
		fsc_waitq_wait(&w->moved, opened, sl);
	if (sl->obj || v->leaving || !v->vol)
		return;
	sl->opening = true;
	v->users++;
	if (!try_open(w, sl, op->step)) {
		sl->file->delegated = false;
		v->users--;
	}
	sl->opening = false;
	writer_wake(w);
}

/* --- The end of a modifying use --------------------------------------------------------------- */

/* The version that what is cached is of, for certain; 0: who knows. */
static uint32_t proven_version(const struct slot *sl)
{
	const struct file *f = sl->file;
	struct play *p = f->play;
	uint32_t version = sl->base;

	if (!sl->proof || (p->coherency != COH_COUNTER && !f->delegated))
		return 0;
	for (uint32_t v = sl->base + 1; v <= PLAY_VERSIONS; v++)
		if (sl->own >> (v - 1) & 1)
			version = v;
	for (uint32_t v = sl->base + 1; v <= version; v++)
		if (!(sl->own >> (v - 1) & 1))
			return 0;
	if (p->coherency == COH_TICK &&
	    f->changes[version - 1].tick >= server_now_us(p) / (p->tick_ms * 1000ull))
		return 0;
	/* Told older attributes meanwhile, it ends elsewhere. */
	return fsc_object_size(sl->obj) == file_size(f, version) ? version : 0;
}

static void commit_op(struct op *op)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	struct fsc_blob proven;
	struct attr attr;
	uint32_t version = 0, prepares;
	int err;

	if (!slot_call(w, sl))
		return;
	/* Beside local writes on their way, too: that is refused, or they aren't known yet. */
	if (op->step->flags & STEP_PROOF && (!sl->writing || op->step->arg >> 41 & 1))
		version = proven_version(sl);
	if (version) {
		server_attr(w->play, sl->file, version, &attr);
		proven = (struct fsc_blob){ attr.coherency, attr.coherency_len };
	}
	prepares = sl->prepares;
	err = fsc_object_commit(sl->obj, version ? &proven : NULL);
	play_note(w->play, sl->file, "commit, proven version %u: %d", version, err);
	/* Its label may be that even if it couldn't be saved. */
	if (version && err != -EBUSY && err != -ENOBUFS)
		sl->base = version;
	if (version && !err && w->play->coherency != COH_CONST)
		sl->told = version;
	/* A write that was begun meanwhile dirties it again. */
	if (version && !err && sl->prepares == prepares)
		slot_pin(&sl->dirty, NULL);
	slot_end_call(w, sl);
}

static bool unwritten(void *arg)
{
	return !((struct slot *)arg)->writing;
}

static bool untouched(void *arg)
{
	return !((struct slot *)arg)->touching;
}

/* While local writes are on their way an object can only be discarded: its generation may not be
 * the one that knows of them. */
static bool close_call(struct writer *w, struct slot *sl, bool retire)
{
	bool got = slot_call(w, sl);

	while (got && sl->writing && !retire) {
		slot_end_call(w, sl);
		fsc_waitq_wait(&w->moved, unwritten, sl);
		got = slot_call(w, sl);
	}
	return got;
}

static void close_slot(struct writer *w, struct slot *sl, bool proof, bool retire)
{
	struct play *p = w->play;
	struct fsc_blob proven;
	struct fsc_gen *gen;
	struct attr attr;
	uint32_t version;
	bool must_go;

	if (!close_call(w, sl, retire))
		return;
	sl->closing = true;
	while (sl->touching)
		fsc_waitq_wait(&w->moved, untouched, sl);
	gen = fsc_object_gen(sl->obj);
	must_go = gen && gen == sl->dirty;
	fsc_gen_put(gen);
	version = proof && !sl->writing ? proven_version(sl) : 0;
	if (version) {
		server_attr(p, sl->file, version, &attr);
		proven = (struct fsc_blob){ attr.coherency, attr.coherency_len };
	}
	play_note(p, sl->file, "object closed, proven version %u%s", version,
		  retire ? ", retired" : "");
	oracle_event(p);
	fsc_object_close(sl->obj, version ? &proven : NULL, retire);
	if (!version && must_go && !p->faulty && !p->no_memory &&
	    simstore_ino(p->store, disk_path(p, sl->file)))
		play_fail(p, sl->file, "kept: it was written to and closed without proof");
	slot_pin(&sl->dirty, NULL);
	sl->obj = NULL;
	sl->closing = false;
	sl->file->delegated = false;
	p->volumes[sl->file->volume].users--;
	slot_end_call(w, sl);
}

static void close_op(struct op *op)
{
	close_slot(op_writer(op), op->slot, op->step->flags & STEP_PROOF,
		   op->step->flags & STEP_RETIRE && op->step->arg & 1);
}

/* --- Invalidation ----------------------------------------------------------------------------- */

static void expire(void *arg)
{
	fsc_object_expire(arg);
}

/* Nothing older from now on: uncached, until it is invalidated or closed. */
void give_up(struct writer *w, struct slot *sl)
{
	uint32_t version;

	if (!slot_touch(sl))
		return;
	version = oracle_invalidating(w->play, sl->file);
	if (sim_chance(2))
		sim_in_irq(expire, sl->obj);
	else
		expire(sl->obj);
	oracle_invalidated(w->play, sl->file, version);
	play_note(w->play, sl->file, "object expired");
	slot_untouch(w, sl);
}

void invalidate_slot(struct writer *w, struct slot *sl, const struct attr *attr)
{
	struct fsc_cookie_params params;
	struct attr before;
	uint32_t version;

	if (!attr) {
		server_attr(w->play, sl->file, sl->base, &before);
		before.size = fsc_object_size(sl->obj);
		attr = &before;
	}
	params = attr_params(sl->file, attr);
	note_tick(sl, attr);
	version = oracle_invalidating(w->play, sl->file);
	fsc_object_invalidate(sl->obj, params.coherency, params.size);
	oracle_invalidated(w->play, sl->file, version);
	oracle_invalidate_done(w->play, sl->file, version);
	play_note(w->play, sl->file, "object invalidated, version %u", attr->version);
	tell(sl, attr);
}

static void invalidate_op(struct op *op)
{
	struct writer *w = op_writer(op);
	struct slot *sl = op->slot;
	struct attr attr;

	if (op->step->arg % 4 == 0)
		give_up(w, sl);
	if (op->step->arg % 8 == 0 || !get_attr(w, sl, op->step, &attr) || !slot_call(w, sl))
		return;
	if (!sl->gave_up)
		invalidate_slot(w, sl, &attr);
	slot_end_call(w, sl);
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void keep_pin(struct writer *w, struct slot *sl)
{
	struct fsc_gen *gen = slot_gen(w, sl);

	if (gen)
		slot_pin(&sl->old, gen);
	fsc_gen_put(gen);
}

static void run_op(void *arg)
{
	static void (*const fns[STEP_KINDS])(struct op *op) = {
		[STEP_W_OPEN] = read_op, [STEP_W_WRITE] = write_op, [STEP_W_RESIZE] = resize_op,
		[STEP_W_CLEAR] = clear_op, [STEP_W_STORE] = store_op, [STEP_W_READ] = read_op,
		[STEP_W_INVALIDATE] = invalidate_op, [STEP_W_COMMIT] = commit_op,
		[STEP_W_CLOSE] = close_op, [STEP_W_LEND] = lend_op, [STEP_W_PASS] = pass_op,
	};
	struct op *op = arg;
	struct writer *w = op_writer(op);

	if (op->step->kind != STEP_W_CLOSE)
		open_op(op);
	fns[op->step->kind](op);
	op_wait(op);
	fsc_io_free(op->mem, op->mem_len);
	if (op->step->arg >> 50 & 1)
		keep_pin(w, op->slot);
	op->client = NULL;
	w->running--;
	writer_wake(w);
}

static bool op_is_free(void *arg)
{
	return ((struct writer *)arg)->running < OPS;
}

static bool ops_ended(void *arg)
{
	return !((struct writer *)arg)->running;
}

/* One of ours: that of the step, if it is. */
static struct slot *find_slot(struct writer *w, const struct step *s)
{
	for (uint32_t i = 0; i < PLAY_FILES; i++) {
		struct slot *sl = &w->slots[(s->file + i) % PLAY_FILES];

		if (sl->file)
			return sl;
	}
	return NULL;
}

static struct op *take_op(struct writer *w)
{
	struct op *op = w->ops;

	while (w->running == OPS)
		fsc_waitq_wait(&w->moved, op_is_free, w);
	while (op->client)
		op++;
	memset(op, 0, sizeof(*op));
	op->client = w->client;
	w->running++;
	return op;
}

void writer_step(struct play *p, struct client *c, const struct step *s)
{
	struct writer *w = p->writer_mem[c->nr];
	struct slot *sl = find_slot(w, s);
	struct op *op;

	if (s->kind == STEP_PAUSE)
		sim_sleep_us(s->arg & 3 ? s->len % 10000 : s->len % 1200000);
	if (!sl || s->kind < STEP_W_OPEN || s->kind > STEP_W_PASS)
		return;
	op = take_op(w);
	op->slot = sl;
	op->step = s;
	if (s->flags & STEP_WAIT && s->arg >> 51 & 1)
		run_op(op);
	else
		sim_spawn(run_op, op);
}

static uint32_t nr_writers(const struct play *p, const struct client *c, uint32_t *mine)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->nr_clients; i++) {
		if (&p->clients[i] == c)
			*mine = n;
		n += p->clients[i].writes;
	}
	return n;
}

void writer_start(struct play *p, struct client *c, void *mem)
{
	struct writer *w = mem;
	uint32_t mine = 0, n = nr_writers(p, c, &mine);

	memset(w, 0, sizeof(*w));
	p->writer_mem[c->nr] = w;
	w->play = p;
	w->client = c;
	fsc_waitq_init(&w->moved);
	for (uint32_t i = 0; i < p->nr_files; i++)
		if (p->files[i].by_writer && i % n == mine)
			w->slots[i].file = &p->files[i];
}

void writer_stop(struct play *p, struct client *c)
{
	struct writer *w = p->writer_mem[c->nr];
	bool loans_first = sim_chance(2);

	if (!ops_ended(w))
		fsc_waitq_wait(&w->moved, ops_ended, w);
	if (loans_first)
		return_all(w);
	for (uint32_t i = 0; i < PLAY_FILES; i++) {
		struct slot *sl = &w->slots[i];

		if (!sl->file)
			continue;
		close_slot(w, sl, !sim_chance(4), false);
		slot_pin(&sl->old, NULL);
		slot_pin(&sl->dirty, NULL); /* of a write that outlasted its object */
	}
	return_all(w);
}
