// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - fsc-faults: every allocation and every op of a list of scenarios fails once, alone and
 * with what follows, and the process is killed and the power cut there. Exhaustive, no chance.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scenarios.h"

static const struct scenario *const lists[] = {
	scen_open, scen_read, scen_helper, scen_change, scen_write, scen_save, scen_files,
	scen_found, scen_limits,
};

static int usage(void)
{
	fprintf(stderr, "usage: fsc-faults [--list] [--scenario NAME] [--kind alloc|op|crash]\n"
			"       [--model ordered|strict|volatile] [--sort NAME] [--at N]\n"
			"       [--part I/N] [--first] [--verbose]\n"
			"--first: stop at the first failure\n");
	return 2;
}

static int index_of(const char *name, const char *const *names, int nr)
{
	for (int i = 0; i < nr; i++)
		if (!strcmp(name, names[i]))
			return i;
	exit(usage());
}

static bool is_flag(const char *opt, struct which *w, bool *list)
{
	bool *flag = !strcmp(opt, "--list") ? list :
		     !strcmp(opt, "--verbose") ? &w->verbose :
		     !strcmp(opt, "--first") ? &w->first : NULL;

	if (flag)
		*flag = true;
	return flag;
}

static void parse(int argc, char **argv, struct which *w, bool *list)
{
	for (int i = 1; i < argc; i++) {
		const char *opt = argv[i];
		const char *arg = i + 1 < argc ? argv[i + 1] : NULL;

		if (is_flag(opt, w, list))
			continue;
		if (!arg)
			exit(usage());
		i++;
		if (!strcmp(opt, "--scenario"))
			w->scenario = arg;
		else if (!strcmp(opt, "--kind"))
			w->kind = index_of(arg, kind_names, KINDS);
		else if (!strcmp(opt, "--model"))
			w->model = index_of(arg, model_names, 3);
		else if (!strcmp(opt, "--sort"))
			w->sort = arg;
		else if (!strcmp(opt, "--at"))
			w->at = strtoll(arg, NULL, 0);
		else if (strcmp(opt, "--part") || sscanf(arg, "%u/%u", &w->part, &w->parts) != 2)
			exit(usage());
	}
}

static bool is_wanted(const struct scenario *s, const struct which *w, uint32_t nr)
{
	if (w->scenario)
		return !strcmp(w->scenario, s->name);
	return !w->parts || nr % w->parts == w->part % w->parts;
}

static int run(const struct which *w, bool list)
{
	struct totals t = { 0 };
	const struct scenario *s;
	bool good = true;
	uint32_t nr = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (s = lists[i]; s->name; s++, nr++) {
			if (list)
				puts(s->name);
			else if (is_wanted(s, w, nr) && (good || !w->first))
				good = loop_scenario(s, w, &t) && good;
		}
	}
	if (list)
		return 0;
	good = good && t.scenarios;
	printf("%s: %llu scenarios, %llu runs, %llu faults injected, %llu crashes "
	       "(%llu met unsynced effects, %llu caches refused, %llu left out), "
	       "%llu reads checked (%llu under a fault), %.1f s of CPU\n",
	       good ? "good" : "FAILED", (unsigned long long)t.scenarios,
	       (unsigned long long)t.runs, (unsigned long long)t.faults,
	       (unsigned long long)t.crashes, (unsigned long long)t.unsynced,
	       (unsigned long long)t.refused, (unsigned long long)t.left_out,
	       (unsigned long long)t.reads, (unsigned long long)t.reads_under_fault,
	       (double)clock() / CLOCKS_PER_SEC);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct which w = { .kind = -1, .at = -1, .model = -1 };
	bool list = false;

	parse(argc, argv, &w, &list);
	loop_catch_signals();
	return run(&w, list);
}
