// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * plan.c - the list of steps, made of the seed alone before anything runs.
 *
 * Positions and lengths are random numbers here; what they come to is decided by the file's size
 * when the step is taken. So no step depends on those before it, and any may be left out.
 */
#include <inttypes.h>
#include <string.h>

#include "plan.h"

static const struct profile profiles[] = {
	{ "mixed", "everything, at times", PROFILE_FILES | PROFILE_READS, -1, 45 },
	{ "reads", "readers, changes on the server, crashes", 0, -1, 60 },
	{ "crashes", "short lives", PROFILE_CRASHES | PROFILE_FILES | PROFILE_READS, -1, 22 },
	{ "faults", "the storage fails often", PROFILE_FAULTY | PROFILE_FILES | PROFILE_READS, -1,
	  45 },
	{ "xattr", "only setting xattrs fails", PROFILE_XATTR | PROFILE_FAULTY | PROFILE_WRITER, -1,
	  40 },
	{ "small", "a small disk, budgets", PROFILE_SMALL | PROFILE_READS, -1, 45 },
	{ "slots", "maps too large for an xattr", PROFILE_SLOTS, -1, 45 },
	{ "ticks", "times as coherency data", 0, COH_TICK, 40 },
	{ "constant", "coherency data that never change", PROFILE_CRASHES, COH_CONST, 35 },
	{ "writer", "local writes at object level", PROFILE_WRITER | PROFILE_FILES, -1, 40 },
	{ "overwrites", "local writes over what is stored, and crashes",
	  PROFILE_WRITER | PROFILE_CRASHES | PROFILE_OVERWRITES, -1, 12 },
	{ "files", "files changed through cookies, and crashes",
	  PROFILE_CRASHES | PROFILE_FILES | PROFILE_CHANGES | PROFILE_READS, -1, 22 },
	{ "helper", "reads of all kinds", PROFILE_HELPER | PROFILE_FILES, -1, 50 },
};

#define NR_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* Weights. */
static const uint8_t reader_steps[STEP_KINDS] = {
	[STEP_OPEN] = 12, [STEP_READ] = 230, [STEP_INVALIDATE] = 24, [STEP_CHECK_ATTR] = 28,
	[STEP_MODIFY] = 8, [STEP_UNUSE] = 4, [STEP_USE] = 4, [STEP_CLOSE] = 12,
	[STEP_JOIN] = 8, [STEP_PAUSE] = 10, [STEP_C_WRITE] = 20, [STEP_C_RESIZE] = 3,
	[STEP_C_PUNCH] = 3, [STEP_C_WRITTEN] = 8, [STEP_C_LEND] = 4,
};

static const uint8_t writer_steps[STEP_KINDS] = {
	[STEP_W_OPEN] = 14, [STEP_W_WRITE] = 40, [STEP_W_RESIZE] = 8, [STEP_W_CLEAR] = 12,
	[STEP_W_STORE] = 30, [STEP_W_READ] = 60, [STEP_W_INVALIDATE] = 5, [STEP_W_COMMIT] = 12,
	[STEP_W_CLOSE] = 10, [STEP_W_LEND] = 10, [STEP_W_PASS] = 14, [STEP_PAUSE] = 6,
};

static const uint8_t world_steps[STEP_KINDS] = {
	[STEP_CHANGE] = 44, [STEP_SERVER_BAD] = 8, [STEP_SERVER_GOOD] = 8, [STEP_FAULT] = 14,
	[STEP_NO_FAULT] = 14, [STEP_FAIL_ALLOC] = 8, [STEP_SYNC] = 16, [STEP_CULL] = 10,
	[STEP_LIMIT] = 4, [STEP_WITHDRAW] = 1, [STEP_VOLUME] = 6, [STEP_COPY] = 5,
	[STEP_PAUSE] = 24,
};

static const char *const step_names[STEP_KINDS] = {
	"open", "read", "invalidate", "check attributes", "unuse", "use", "close", "modify", "join",
	"pause", "write", "resize file", "punch", "written", "lend file",
	"open to write", "local write", "resize", "clear", "store", "object read",
	"object invalidate", "commit", "object close", "lend", "passthrough read",
	"server change", "server bad", "server good", "fault", "no fault", "no memory", "sync",
	"cull", "disk size", "withdraw", "volume", "copy in use", "end",
};

uint64_t plan_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t below(uint64_t *rnd, uint32_t n)
{
	return (uint32_t)(plan_random(rnd) % n);
}

static uint32_t weight_of(const struct profile *profile, const uint8_t *weights, uint32_t kind)
{
	uint32_t w = weights[kind];

	if (kind == STEP_FAULT || kind == STEP_FAIL_ALLOC)
		w *= profile->flags & PROFILE_FAULTY ? 3 : 1;
	if (kind >= STEP_C_WRITE && kind <= STEP_C_LEND && !(profile->flags & PROFILE_FILES))
		w = 0;
	if (profile->flags & PROFILE_CHANGES) {
		if (kind >= STEP_C_WRITE && kind <= STEP_C_LEND)
			w *= 5;
		else if (kind == STEP_INVALIDATE || kind == STEP_MODIFY || kind == STEP_CHANGE)
			w = (w + 3) / 4;
		else if (kind == STEP_READ) /* what was changed is worth a look */
			w *= 2;
	}
	if (profile->flags & PROFILE_SMALL && (kind == STEP_LIMIT || kind == STEP_CULL))
		w *= 4;
	if (profile->flags & PROFILE_OVERWRITES) {
		if (kind == STEP_W_WRITE || kind == STEP_SYNC)
			w *= 4;
		else if (kind == STEP_W_COMMIT)
			w *= 2;
		else if (kind == STEP_CHANGE || kind == STEP_VOLUME || kind == STEP_W_LEND)
			w = (w + 7) / 8;
	}
	if (profile->flags & PROFILE_SLOTS && /* maps must grow */
	    (kind == STEP_CHANGE || kind == STEP_INVALIDATE || kind == STEP_CHECK_ATTR))
		w = (w + 3) / 4;
	if (profile->flags & PROFILE_SLOTS && kind == STEP_COPY) /* of gigabytes of holes */
		w = 0;
	if (!strcmp(profile->name, "reads") &&
	    (kind == STEP_FAULT || kind == STEP_FAIL_ALLOC || kind == STEP_WITHDRAW ||
	     kind == STEP_LIMIT || kind == STEP_SERVER_BAD))
		w = 0;
	return w;
}

static uint8_t pick(uint64_t *rnd, const struct profile *profile, const uint8_t *weights)
{
	uint32_t sum = 0, at, kind;

	for (kind = 0; kind < STEP_KINDS; kind++)
		sum += weight_of(profile, weights, kind);
	at = below(rnd, sum);
	for (kind = 0; at >= weight_of(profile, weights, kind); kind++)
		at -= weight_of(profile, weights, kind);
	return (uint8_t)kind;
}

static uint32_t nr_writers(const struct plan *plan)
{
	if (plan->profile->flags & PROFILE_OVERWRITES)
		return plan->nr_clients;
	if (plan->profile->flags & PROFILE_WRITER)
		return plan->nr_clients > 2 ? 2 : 1;
	if (!strcmp(plan->profile->name, "mixed") || plan->profile->flags & PROFILE_FAULTY)
		return 1;
	return 0;
}

bool plan_writes(const struct plan *plan, uint32_t client)
{
	return client < nr_writers(plan);
}

static void make_end(const struct plan *plan, struct step *s, uint64_t *rnd)
{
	static const uint8_t ends[] = { END_CLOSE, END_CLOSE, END_KILL_OP, END_KILL_OP,
					END_KILL_TIME, END_KILL_LAST };
	uint32_t how = below(rnd, sizeof(ends));

	s->kind = STEP_END;
	s->client = WORLD;
	if (plan->profile->flags & PROFILE_CRASHES && how < 2)
		how += below(rnd, 4);
	s->one_in = ends[how];
	s->pos = below(rnd, s->one_in == END_KILL_OP ? 900 : 80000) + 1;
	if (plan->profile->flags & PROFILE_OVERWRITES)
		s->pos = s->pos / 6 + 1;
	s->len = plan_random(rnd);
	s->arg = plan_random(rnd);
	s->flags = 0;
	if (s->one_in != END_CLOSE && below(rnd, 4))
		s->flags |= END_CUT | END_RESTART;
	if (!below(rnd, 3))
		s->flags |= END_RESTART;
	if (!below(rnd, 8))
		s->flags |= END_MOVE | END_RESTART;
	if (below(rnd, 2))
		s->flags |= END_AFTER;
	if (below(rnd, plan->profile->flags & PROFILE_FAULTY ? 3 : 8))
		s->flags |= END_CLEAN_RUN;
}

static void make_step(const struct plan *plan, struct step *s, uint64_t *rnd)
{
	uint32_t client = below(rnd, plan->nr_clients * 2 + 1);
	uint32_t file = below(rnd, plan->nr_files * 2);

	if (client >= plan->nr_clients * 2 - 1 || !below(rnd, 6)) {
		s->client = WORLD;
		s->kind = pick(rnd, plan->profile, world_steps);
	} else {
		s->client = (uint8_t)(client % plan->nr_clients);
		s->kind = pick(rnd, plan->profile, plan_writes(plan, s->client) ? writer_steps :
										 reader_steps);
	}
	/* The first ones are more popular. */
	s->file = (uint8_t)(file % plan->nr_files / (file >= plan->nr_files ? 2 : 1));
	s->flags = (uint8_t)plan_random(rnd);
	/* What isn't kept, or not proven, comes often enough elsewhere. */
	if (plan->profile->flags & PROFILE_OVERWRITES && s->client != WORLD) {
		s->flags |= STEP_PROOF;
		s->flags |= s->kind == STEP_W_WRITE ? STEP_KEEP : 0;
	}
	if (plan->profile->flags & PROFILE_CHANGES && below(rnd, 2))
		s->flags |= STEP_PROOF;
	s->one_in = (uint16_t)(1 + below(rnd, below(rnd, 2) ? 4 : 30));
	s->pos = plan_random(rnd);
	s->len = plan_random(rnd);
	s->arg = plan_random(rnd);
}

void plan_make(struct plan *plan, uint64_t seed, const struct options *opts)
{
	uint64_t rnd = seed * 0x2545f4914f6cdd1dull + 1;
	uint32_t next_end, i;

	plan->seed = seed;
	plan->model = (enum fsc_fs_kind)below(&rnd, 3);
	plan->profile = &profiles[below(&rnd, NR_PROFILES)];
	if (opts->model >= 0)
		plan->model = (enum fsc_fs_kind)opts->model;
	if (opts->profile)
		plan->profile = opts->profile;
	plan->setup = plan_random(&rnd);
	plan->nr_clients = 2 + below(&rnd, PLAY_CLIENTS - 1);
	plan->nr_files = 2 + below(&rnd, below(&rnd, 4) ? 4 : PLAY_FILES - 1);
	if (plan->profile->flags & PROFILE_OVERWRITES)
		plan->nr_clients = plan->nr_files = 1 + plan->nr_files % 2;
	plan->nr = opts->steps < PLAN_STEPS ? opts->steps : PLAN_STEPS;
	next_end = 10 + below(&rnd, plan->profile->epoch * 2u);
	for (i = 1; i <= plan->nr; i++) {
		struct step *s = &plan->steps[i];

		memset(s, 0, sizeof(*s));
		s->nr = (uint16_t)i;
		if (i >= next_end) {
			make_end(plan, s, &rnd);
			next_end = i + 5 + below(&rnd, plan->profile->epoch * 2u);
		} else {
			make_step(plan, s, &rnd);
		}
	}
}

/* --- Names ------------------------------------------------------------------------------------ */

const struct profile *profile_find(const char *name)
{
	for (size_t i = 0; i < NR_PROFILES; i++)
		if (!strcmp(name, profiles[i].name))
			return &profiles[i];
	return NULL;
}

void profile_list(FILE *to)
{
	for (size_t i = 0; i < NR_PROFILES; i++)
		fprintf(to, "%-10s %s\n", profiles[i].name, profiles[i].what);
}

const char *model_name(enum fsc_fs_kind model)
{
	return model == FSC_FS_ORDERED ? "ordered" : model == FSC_FS_STRICT ? "strict" : "volatile";
}

void plan_command(const struct plan *plan, const bool *without, char *buf, size_t size)
{
	const char *sep = " --without ";
	size_t at;
	uint32_t i, j;

	at = (size_t)snprintf(buf, size,
			      "fsc-sim --seed %" PRIu64 " --model %s --profile %s --steps %u",
			      plan->seed, model_name(plan->model), plan->profile->name, plan->nr);
	for (i = 1; without && i <= plan->nr; i = j + 1) {
		j = i;
		if (!without[i])
			continue;
		while (j < plan->nr && without[j + 1])
			j++;
		if (at < size)
			at += (size_t)snprintf(buf + at, size - at, j > i ? "%s%u-%u" : "%s%u", sep,
					       i, j);
		sep = ",";
	}
}

void plan_print_step(const struct step *s, char *buf, size_t size)
{
	if (s->client == WORLD)
		snprintf(buf, size, "step %u: %s (flags %02x)", s->nr, step_names[s->kind],
			 s->flags);
	else
		snprintf(buf, size, "step %u: client %u, file %u: %s (flags %02x)", s->nr,
			 s->client, s->file, step_names[s->kind], s->flags);
}
