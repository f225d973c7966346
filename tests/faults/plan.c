// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* plan.c - see faults.h: which allocation, op or transfer fails in this run, and how. */
#include <string.h>

#include "faults.h"

static struct room *current; /* whose backend's transfers come here */

/* Do those after the n-th fail as well? */
static bool lasting(enum fault_mode mode)
{
	return mode != FAULT_ONE && mode != FAULT_SHORT && mode != FAULT_NOTHING;
}

/* One more of what is counted: does it fail? */
static bool due(struct plan *p)
{
	if (!p->armed || (p->mode == FAULT_UNTIL_CALM && p->calmed))
		return false;
	p->seen++;
	if (p->seen < p->nth || (p->seen > p->nth && !lasting(p->mode)))
		return false;
	p->injected++;
	return true;
}

static int names_fault(struct plan *p, enum simstore_op op)
{
	if (op == SIMOP_UNLINK)
		return due(p) ? -EIO : 0;
	return op == SIMOP_RENAME && p->injected ? -EIO : 0;
}

static int xattr_fault(struct plan *p, enum simstore_op op)
{
	if (op == SIMOP_XATTR_SET)
		return due(p) ? -ENOSPC : 0;
	if (!p->injected)
		return 0;
	if (op == SIMOP_UNLINK && p->mode >= FAULT_XATTR_UNLINK)
		return -EIO;
	return op == SIMOP_RENAME && p->mode >= FAULT_XATTR_RENAME ? -EIO : 0;
}

static int op_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	struct room *r = arg;
	struct plan *p = &r->plan;

	(void)ino;
	(void)name;
	if (!p->armed || p->kind != KIND_OP || p->mode >= FAULT_SHORT)
		return 0;
	if (p->mode == FAULT_NAMES)
		return names_fault(p, op);
	if (p->mode >= FAULT_XATTR)
		return xattr_fault(p, op);
	return due(p) ? p->err : 0;
}

/* --- Short transfers -------------------------------------------------------------------------- */

static void short_done(struct fsc_io *io, int64_t ret)
{
	io->done = (void (*)(struct fsc_io *, int64_t))io->backend.ptr[0];
	io->buf.len = (size_t)io->backend.u64[1];
	io->done(io, ret);
}

/* True: it was short of everything, and has ended. */
static bool shorten(struct fsc_io *io)
{
	struct plan *p = &current->plan;
	size_t half = io->buf.len / 2 & ~(size_t)(K - 1);

	if (p->kind != KIND_OP || p->mode < FAULT_SHORT || !due(p))
		return false;
	if (p->mode == FAULT_NOTHING) {
		io->done(io, 0);
		return true;
	}
	if (!half) {
		p->injected--;
		return false; /* one block is whole or not at all */
	}
	io->backend.ptr[0] = (void *)io->done;
	io->backend.u64[1] = io->buf.len;
	io->buf.len = half;
	io->done = short_done;
	return false;
}

static void plan_read(struct fsc_io *io)
{
	if (!shorten(io))
		current->real_ops->read(io);
}

static void plan_write(struct fsc_io *io)
{
	if (!shorten(io))
		current->real_ops->write(io);
}

struct fsc_backend *plan_backend(struct room *r)
{
	struct fsc_backend *be = simbackend_open(r->store, &r->backend);

	current = r;
	r->real_ops = be->ops;
	r->ops = *be->ops;
	r->ops.read = plan_read;
	r->ops.write = plan_write;
	be->ops = &r->ops;
	return be;
}

/* --- From when to when ------------------------------------------------------------------------ */

void plan_begin(struct room *r)
{
	struct plan *p = &r->plan;

	CHECK(!p->armed);
	p->armed = true;
	if (!p->nth)
		return;
	if (p->kind == KIND_ALLOC) {
		p->seen = sim_allocs();
		sim_fail_alloc(p->nth, p->mode != FAULT_ONE);
	} else if (p->kind == KIND_OP) {
		simstore_set_fault(r->store, op_fault, r);
	} else {
		simstore_kill_at(r->store, p->nth, p->after);
	}
}

static void count_allocs(struct plan *p)
{
	uint64_t made = sim_allocs() - p->seen;

	if (made >= p->nth)
		p->injected = p->mode == FAULT_ONE ? 1 : made - p->nth + 1;
	sim_fail_alloc(0, false);
}

void calm(struct room *r)
{
	struct plan *p = &r->plan;

	if (!p->armed || p->calmed)
		return;
	p->calmed = true;
	if (p->nth && p->kind == KIND_ALLOC && p->mode == FAULT_UNTIL_CALM)
		count_allocs(p);
}

void plan_end(struct room *r)
{
	struct plan *p = &r->plan;

	CHECK(p->armed);
	p->armed = false;
	if (!p->nth)
		return;
	if (p->kind == KIND_ALLOC) {
		if (p->mode != FAULT_UNTIL_CALM || !p->calmed)
			count_allocs(p);
	} else if (p->kind == KIND_OP) {
		simstore_set_fault(r->store, NULL, NULL);
	} else {
		simstore_kill_at(r->store, 0, false);
	}
}
