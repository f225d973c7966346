// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * loop.c - see faults.h: one scenario, again and again, each time with the next allocation or op
 * failing, or the process killed there, until a run meets no fault.
 *
 * Every run begins with a copy of one disk, and with the same seed: what differs is the fault.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenarios.h"

#define SEED 1

const char *const kind_names[KINDS] = { "alloc", "op", "crash" };
const char *const model_names[3] = { "ordered", "strict", "volatile" };

/* One sort of fault, of which the n-th is the variable. */
struct sort {
	const char *name;
	enum kind kind;
	enum fault_mode mode;
	int err;
	bool after;
	uint64_t cut; /* of a crash: 0: the process is killed; else the seed of the power cut */
};

/*
 * Single faults with each of the five errors. Lasting ones with those that the library tells apart
 * (a fault, no room, and neither): EDQUOT is treated as ENOSPC, ENOMEM lasts in "alloc".
 * A cut after an op leaves the same choice as one before the next: so they take turns.
 */
static const struct sort sorts[] = {
	{ "alloc-one", KIND_ALLOC, FAULT_ONE, 0, false, 0 },
	{ "alloc-later", KIND_ALLOC, FAULT_LATER, 0, false, 0 },
	{ "alloc-until-calm", KIND_ALLOC, FAULT_UNTIL_CALM, 0, false, 0 },
	{ "op-one-eio", KIND_OP, FAULT_ONE, -EIO, false, 0 },
	{ "op-one-enospc", KIND_OP, FAULT_ONE, -ENOSPC, false, 0 },
	{ "op-one-edquot", KIND_OP, FAULT_ONE, -EDQUOT, false, 0 },
	{ "op-one-enomem", KIND_OP, FAULT_ONE, -ENOMEM, false, 0 },
	{ "op-one-eintr", KIND_OP, FAULT_ONE, -EINTR, false, 0 },
	{ "op-later-eio", KIND_OP, FAULT_LATER, -EIO, false, 0 },
	{ "op-later-enospc", KIND_OP, FAULT_LATER, -ENOSPC, false, 0 },
	{ "op-later-eintr", KIND_OP, FAULT_LATER, -EINTR, false, 0 },
	{ "op-until-calm-eio", KIND_OP, FAULT_UNTIL_CALM, -EIO, false, 0 },
	{ "op-until-calm-enospc", KIND_OP, FAULT_UNTIL_CALM, -ENOSPC, false, 0 },
	{ "op-xattr", KIND_OP, FAULT_XATTR, -ENOSPC, false, 0 },
	{ "op-xattr-unlink", KIND_OP, FAULT_XATTR_UNLINK, -ENOSPC, false, 0 },
	{ "op-xattr-unlink-rename", KIND_OP, FAULT_XATTR_RENAME, -ENOSPC, false, 0 },
	{ "op-names", KIND_OP, FAULT_NAMES, -EIO, false, 0 },
	{ "op-short", KIND_OP, FAULT_SHORT, 0, false, 0 },
	{ "op-short-later", KIND_OP, FAULT_SHORT_LATER, 0, false, 0 },
	{ "op-nothing", KIND_OP, FAULT_NOTHING, 0, false, 0 },
	{ "kill-before", KIND_CRASH, FAULT_ONE, 0, false, 0 },
	{ "kill-after", KIND_CRASH, FAULT_ONE, 0, true, 0 },
	{ "cut-1-before", KIND_CRASH, FAULT_ONE, 0, false, 1 },
	{ "cut-2-after", KIND_CRASH, FAULT_ONE, 0, true, 2 },
	{ "cut-3-before", KIND_CRASH, FAULT_ONE, 0, false, 3 },
	{ "cut-4-after", KIND_CRASH, FAULT_ONE, 0, true, 4 },
};

struct loop {
	const struct scenario *s;
	const struct which *which;
	struct totals *t;
	enum fsc_fs_kind model;
	struct room base; /* as each run begins */
};

/* --- What is said when it fails --------------------------------------------------------------- */

/* The command that shows the run under way again. */
static char again[256];

static void set_again(const struct loop *l, const struct sort *sort, uint64_t nth)
{
	snprintf(again, sizeof(again),
		 "again: fsc-faults --scenario %s --model %s --sort %s --at %llu\n", l->s->name,
		 model_names[l->model], sort->name, (unsigned long long)nth);
}

static void print_again(void)
{
	if (write(STDERR_FILENO, again, strlen(again)) < 0)
		_exit(2);
}

static void on_signal(int nr)
{
	print_again();
	signal(nr, SIG_DFL);
	raise(nr);
}

/* A sanitizer's, where there is one: it has more to say of a signal. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

void loop_catch_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT };
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(print_again);
		return;
	}
	sigaltstack(&alt, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

/* --- The disk that all begin with ------------------------------------------------------------- */

static void adopt(struct room *r)
{
	for (struct remote *f = r->file; f->id; f++)
		f->room = r;
}

static void prepare_main(void *arg)
{
	struct room *r = arg;

	r->scenario->prepare(r);
}

static bool make_base(struct loop *l)
{
	struct sim_opts opts = { .quiet = false };
	struct room *r = &l->base;
	enum sim_end end = SIM_OK;

	memset(r, 0, sizeof(*r));
	r->scenario = l->s;
	r->store = simstore_create(NULL);
	r->backend.kind = l->model;
	l->s->setup(r);
	if (l->s->prepare)
		end = sim_try(SEED, &opts, prepare_main, r);
	room_drop(r);
	r->cache = NULL;
	r->vol = NULL;
	return end == SIM_OK || end == SIM_KILLED;
}

/* --- A run ------------------------------------------------------------------------------------ */

static void run_main(void *arg)
{
	struct room *r = arg;

	r->scenario->run(r);
	CHECK(!r->cache && !r->vol);
	if (!r->plan.calmed)
		calm(r);
	plan_end(r);
	if (r->plan.kind != KIND_CRASH)
		check_after(r);
}

static void after_main(void *arg)
{
	check_after(arg);
}

static void rolled_back_main(void *arg)
{
	check_rolled_back(arg);
}

/* A client that starts anew on what is there. */
static enum sim_end run_anew(struct room *r, sim_fn fn)
{
	struct sim_opts opts = { .quiet = false };
	enum sim_end end;

	r->cache = NULL;
	r->vol = NULL;
	r->plan = (struct plan){ 0 };
	end = sim_try(SEED, &opts, fn, r);
	room_drop(r);
	return end;
}

/*
 * The model says that any change may mix everything up. But the first one is the flag that says so,
 * and the last one takes it away again: while that alone is under way, on a disk that is otherwise
 * all synced, there is nothing that anyone could rely on.
 */
static bool nothing_to_rely_on(struct loop *l, struct room *r, const struct simstore_loss *loss)
{
	bool none = l->model == FSC_FS_VOLATILE && loss->unsynced == 1 && is_believed(r);

	l->t->left_out += none;
	return none;
}

/* After a kill: what the disk has, for a client that sees the server as it is, and for one that
 * sees it as it was. */
static enum sim_end run_after_crash(struct loop *l, struct room *r, const struct sort *sort)
{
	struct simstore_loss loss = { 0 };
	struct simstore *copy = NULL;
	struct room *old;
	enum sim_end end;

	if (sort->cut) {
		simstore_power_cut(r->store, sort->cut, &loss);
		l->t->unsynced += loss.unsynced != 0;
		r->backend.boot_id[0]++;
		r->backend.mount_id++;
		if (nothing_to_rely_on(l, r, &loss))
			return SIM_OK;
	}
	r->may_refuse = sort->cut && l->model == FSC_FS_VOLATILE;
	if (has_rolled_back(r))
		copy = simstore_clone(r->store);
	old = calloc(1, sizeof(*old));
	*old = *r;
	old->owned = NULL;
	adopt(old);
	end = run_anew(r, after_main);
	if (end == SIM_OK && copy) {
		old->store = copy;
		end = run_anew(old, rolled_back_main);
	}
	l->t->reads += old->reads;
	l->t->refused += r->refused;
	free(old);
	simstore_destroy(copy);
	return end;
}

static enum sim_end run_once(struct loop *l, const struct sort *sort, uint64_t nth, bool *met)
{
	struct sim_opts opts = { .quiet = false };
	struct room *r = malloc(sizeof(*r));
	enum sim_end end;

	*r = l->base;
	adopt(r);
	r->store = simstore_clone(l->base.store);
	r->plan = (struct plan){ .kind = sort->kind, .mode = sort->mode, .err = sort->err,
				 .nth = nth, .after = sort->after };
	if (sort->cut)
		simstore_track(r->store, l->model);
	end = sim_try(SEED, &opts, run_main, r);
	room_drop(r);
	*met = end == SIM_KILLED || r->plan.injected;
	l->t->faults += r->plan.injected;
	l->t->runs++;
	if (end == SIM_KILLED) {
		l->t->crashes++;
		end = run_after_crash(l, r, sort);
	}
	if (end != SIM_OK && l->which->at >= 0)
		simstore_print_log(r->store, stderr);
	l->t->reads += r->reads;
	l->t->reads_under_fault += r->reads_under_fault;
	simstore_set_fault(r->store, NULL, NULL);
	simstore_destroy(r->store);
	free(r);
	return end;
}

static bool loop_sort(struct loop *l, const struct sort *sort)
{
	uint64_t nth = l->which->at >= 0 ? (uint64_t)l->which->at : 1;
	bool met;

	do {
		set_again(l, sort, nth);
		if (run_once(l, sort, nth, &met) != SIM_OK) {
			print_again();
			return false;
		}
		nth++;
	} while (met && l->which->at < 0);
	if (l->which->verbose)
		printf("%-24s %-8s %-24s %llu\n", l->s->name, model_names[l->model], sort->name,
		       (unsigned long long)nth - 2);
	return true;
}

static bool is_wanted(const struct loop *l, const struct sort *sort)
{
	if (l->which->sort)
		return !strcmp(l->which->sort, sort->name);
	if (l->which->kind >= 0 && l->which->kind != (int)sort->kind)
		return false;
	return sort->kind != KIND_CRASH || !(l->s->flags & SCEN_NO_CRASH);
}

static bool loop_model(struct loop *l)
{
	bool good = make_base(l);

	if (!good)
		fprintf(stderr, "%s: can't be prepared\n", l->s->name);
	for (size_t i = 0; good && i < sizeof(sorts) / sizeof(sorts[0]); i++)
		if (is_wanted(l, &sorts[i]))
			good = loop_sort(l, &sorts[i]);
	simstore_destroy(l->base.store);
	return good;
}

bool loop_scenario(const struct scenario *s, const struct which *which, struct totals *t)
{
	struct loop *l = calloc(1, sizeof(*l));
	bool good = true;

	*l = (struct loop){ .s = s, .which = which, .t = t };
	for (int model = FSC_FS_ORDERED; model <= FSC_FS_VOLATILE; model++) {
		l->model = (enum fsc_fs_kind)model;
		if (model != FSC_FS_ORDERED && (s->flags & SCEN_ONE_MODEL))
			break;
		if (which->model < 0 || which->model == model)
			good = (good || !which->first) && loop_model(l) && good;
	}
	t->scenarios++;
	free(l);
	return good;
}
