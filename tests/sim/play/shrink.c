// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * shrink.c - from a failing play to a short one that fails in the same way: leave out half of the
 * steps, a quarter, ..., whatever can be spared, within a bounded number of tries.
 */
#include <string.h>

#include "play_int.h"
#include "shrink.h"

#define TRIES 400u

static bool out[PLAN_STEPS + 1], attempt[PLAN_STEPS + 1];
static uint32_t tries;

/* What was wrong, without what differs from try to try: the numbers. */
static void kind_of(const char *text, char *kind, size_t size)
{
	const char *colon = strncmp(text, "file ", 5) ? NULL : strchr(text, ':');
	size_t n = 0;

	if (colon) /* play_fail(): its first word */
		text = colon + 2;
	for (; *text && *text != (colon ? ':' : '\0') && n < size - 1 && n < 40; text++)
		if (*text < '0' || *text > '9')
			kind[n++] = *text;
	kind[n] = '\0';
}

static bool fails_alike(const struct plan *plan, const bool *without, const char *kind)
{
	struct play_stats stats;
	char text[600], now[64];
	uint64_t trace;

	tries++;
	if (play_run(plan, without, false, &stats, text, sizeof(text), &trace) == PLAY_OK)
		return false;
	kind_of(text, now, sizeof(now));
	return !strcmp(kind, now);
}

static uint32_t steps_left(const struct plan *plan)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= plan->nr; i++)
		n += !out[i];
	return n;
}

/* Try to leave out @n steps from the @from-th that is still there. */
static bool try_without(const struct plan *plan, const char *kind, uint32_t from, uint32_t n)
{
	uint32_t at = 0;

	memcpy(attempt, out, sizeof(out));
	for (uint32_t i = 1; i <= plan->nr; i++) {
		if (out[i])
			continue;
		if (at >= from && at < from + n)
			attempt[i] = true;
		at++;
	}
	if (!fails_alike(plan, attempt, kind))
		return false;
	memcpy(out, attempt, sizeof(out));
	return true;
}

/* From the end, because what comes after the failure is never needed. */
static void leave_out(const struct plan *plan, const char *kind)
{
	for (uint32_t n = plan->nr / 2; n && tries < TRIES; n /= 2) {
		uint32_t left = steps_left(plan);

		for (uint32_t to = left; to && tries < TRIES; to = to > n ? to - n : 0)
			try_without(plan, kind, to > n ? to - n : 0, to > n ? n : to);
	}
}

void shrink(const struct plan *plan, const bool *without, const char *text, bool smaller,
	    bool all)
{
	static char command[20000];
	struct play_stats stats;
	char kind[64], again[600];
	uint64_t trace;

	fprintf(stderr, "%s\n", text);
	plan_command(plan, without, command, sizeof(command));
	fprintf(stderr, "again: %s\n", command);
	memset(out, 0, sizeof(out));
	if (without)
		memcpy(out, without, sizeof(out));
	tries = 0;
	kind_of(text, kind, sizeof(kind));
	if (smaller)
		leave_out(plan, kind);
	plan_command(plan, out, command, sizeof(command));
	history_begin();
	if (play_run(plan, out, true, &stats, again, sizeof(again), &trace) == PLAY_OK)
		snprintf(again, sizeof(again), "it did not go wrong again");
	history_print(all ? NULL : play_wrong_file(), stderr);
	fprintf(stderr, "%s\nshorter (%u steps, after %u tries): %s --as-is\n\n", again,
		steps_left(plan), tries, command);
}
