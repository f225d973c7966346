// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * oplog.c - the ops of a store's backends: their log, faults, and kills at one of them.
 */
#include <stdlib.h>

#include "store_int.h"

/* --- Faults ----------------------------------------------------------------------- */

static const char *const op_names[] = {
	[SIMOP_CLOSE] = "close",
	[SIMOP_LOCK] = "lock",
	[SIMOP_SPACE] = "space",
	[SIMOP_SYNC_FS] = "sync_fs",
	[SIMOP_DIR_OPEN] = "dir_open",
	[SIMOP_DIR_NEXT] = "dir_next",
	[SIMOP_DIR_STAT] = "dir_stat",
	[SIMOP_RENAME] = "rename",
	[SIMOP_REMOVE_DIR] = "remove_dir",
	[SIMOP_SYNC_DIR] = "sync_dir",
	[SIMOP_DIR_XATTR_GET] = "dir_xattr_get",
	[SIMOP_DIR_XATTR_SET] = "dir_xattr_set",
	[SIMOP_DIR_SELF] = "dir_self",
	[SIMOP_FILE_OPEN] = "file_open",
	[SIMOP_FILE_CLOSE] = "file_close",
	[SIMOP_TMPFILE] = "tmpfile",
	[SIMOP_COMMIT] = "commit",
	[SIMOP_UNLINK] = "unlink",
	[SIMOP_STAT] = "stat",
	[SIMOP_TOUCH] = "touch",
	[SIMOP_XATTR_GET] = "xattr_get",
	[SIMOP_XATTR_SET] = "xattr_set",
	[SIMOP_RESIZE] = "resize",
	[SIMOP_PUNCH] = "punch",
	[SIMOP_SYNC] = "sync",
	[SIMOP_READ] = "read",
	[SIMOP_WRITE] = "write",
	[SIMOP_READ_DONE] = "read done",
	[SIMOP_WRITE_DONE] = "write done",
	[SIMOP_COUNT] = "any",
};

const char *simstore_op_name(enum simstore_op op)
{
	return op_names[op];
}

static int fault_due(struct op_fault *f)
{
	if (!f->count)
		return 0;
	if (f->skip) {
		f->skip--;
		return 0;
	}
	f->count--;
	return f->err;
}

int store_fault(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name)
{
	int err = fault_due(&st->faults[op]);
	int any = fault_due(&st->faults[SIMOP_COUNT]);

	if (!err)
		err = any;
	if (!err && st->fault)
		err = st->fault(st->fault_arg, op, ino, name);
	return err;
}

void simstore_set_fault(struct simstore *st, simstore_fault_fn fn, void *arg)
{
	st->fault = fn;
	st->fault_arg = arg;
}

void simstore_fail(struct simstore *st, enum simstore_op op, uint64_t skip, uint64_t count, int err)
{
	st->faults[op] = (struct op_fault){ .skip = skip, .count = count, .err = err };
}

void store_record(struct simstore *st, enum simstore_op op, uint64_t ino, const char *name,
		  uint64_t pos, uint64_t len, int64_t result)
{
	struct simstore_record *r;
	struct sim *s = sim_here();

	if (s)
		sim_note(s, ino * 64 + op);
	if (st->no_log)
		return;
	if (st->nlog == st->log_size) {
		st->log_size = st->log_size ? st->log_size * 2 : 256;
		st->log = realloc(st->log, st->log_size * sizeof(*st->log));
		if (!st->log)
			abort();
	}
	r = &st->log[st->nlog++];
	*r = (struct simstore_record){ .op = op, .task = sim_self(), .ino = ino, .pos = pos,
				       .len = len, .result = result };
	if (name)
		memcpy(r->name, name, strnlen(name, sizeof(r->name) - 1));
}

const struct simstore_record *simstore_log(const struct simstore *st, size_t *n)
{
	*n = st->nlog;
	return st->log;
}

void simstore_log_clear(struct simstore *st)
{
	st->nlog = 0;
}

size_t simstore_log_count(const struct simstore *st, enum simstore_op op, uint64_t ino)
{
	size_t n = 0;

	for (size_t i = 0; i < st->nlog; i++)
		n += (op == SIMOP_COUNT || st->log[i].op == op) && (!ino || st->log[i].ino == ino);
	return n;
}

void simstore_print_log(const struct simstore *st, FILE *to)
{
	for (size_t i = 0; i < st->nlog; i++) {
		const struct simstore_record *r = &st->log[i];

		fprintf(to, "%zu task %u: %s ino %llu pos %llu len %llu %s = %lld\n", i, r->task,
			op_names[r->op], (unsigned long long)r->ino, (unsigned long long)r->pos,
			(unsigned long long)r->len, r->name, (long long)r->result);
	}
}

/* --- Ops that are counted --------------------------------------------------------- */

void simstore_kill_at(struct simstore *st, uint64_t nth, bool after)
{
	st->kill_in = nth;
	st->kill_after = after;
	st->kill_task = 0;
}

uint64_t simstore_ops(const struct simstore *st)
{
	return st->ops;
}

void store_op_begins(struct simstore *st)
{
	st->ops++;
	if (!st->kill_in || --st->kill_in)
		return;
	if (!st->kill_after)
		sim_kill();
	st->kill_run = sim_of_run()->nr;
	st->kill_task = sim_self();
}

void store_op_ends(struct simstore *st)
{
	if (!st->kill_task || st->kill_task != sim_self() || st->kill_run != sim_of_run()->nr)
		return;
	st->kill_task = 0;
	sim_kill();
}
