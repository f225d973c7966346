// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* main.c - fsc-sim: which seeds are played, in how many processes, and what they come to. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plan.h"
#include "play_int.h"
#include "shrink.h"

/* Below so many seeds the sums say nothing. */
#define SEEDS_TO_JUDGE 50u

struct job {
	struct options opts;
	uint64_t first, last;
	double until;        /* 0: by the seeds */
	uint32_t processes;
	bool without[PLAN_STEPS + 1];
	bool some_without;
	bool trace, keep_going, as_is, all;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- One seed ---------------------------------------------------------------------------------- */

static const struct plan *playing;

/* What ends the process itself, a sanitizer's finding or a bad pointer, also says which seed it
 * was. */
static void dying(int sig)
{
	char text[512];
	ssize_t ignored;

	plan_command(playing, NULL, text, sizeof(text) - 1);
	strcat(text, "\n");
	ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
	signal(sig, SIG_DFL);
	raise(sig);
}

static void watch_death(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = dying, .sa_flags = SA_ONSTACK };

	sigaltstack(&ss, NULL);
	sigaction(SIGABRT, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static bool play_seed(const struct job *job, uint64_t seed, struct play_stats *stats)
{
	static struct plan plan;
	char text[600];
	uint64_t trace;
	enum play_end end;

	plan_make(&plan, seed, &job->opts);
	playing = &plan;
	end = play_run(&plan, job->some_without ? job->without : NULL, false, stats, text,
		       sizeof(text), &trace);
	if (job->trace)
		printf("seed %" PRIu64 " %s %s trace %016" PRIx64 "\n", seed,
		       model_name(plan.model), plan.profile->name, trace);
	if (end == PLAY_OK)
		return true;
	fflush(stdout);
	shrink(&plan, job->some_without ? job->without : NULL, text, !job->as_is, job->all);
	return false;
}

static void add(struct play_stats *sum, const struct play_stats *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* Every n-th seed of the job, from the @nr-th on. */
static bool play_share(const struct job *job, uint32_t nr, struct play_stats *sum)
{
	struct play_stats stats;
	bool ok = true;

	watch_death();
	for (uint64_t seed = job->first + nr; job->until != 0 || seed <= job->last;
	     seed += job->processes) {
		if (job->until != 0 && now_s() > job->until)
			break;
		if (!play_seed(job, seed, &stats)) {
			ok = false;
			if (!job->keep_going)
				break;
		}
		add(sum, &stats);
	}
	return ok;
}

/* --- All of them -------------------------------------------------------------------------------- */

static bool play_apart(const struct job *job, uint32_t nr, int fd)
{
	struct play_stats sum = { 0 };
	bool ok = play_share(job, nr, &sum);

	return write(fd, &sum, sizeof(sum)) == sizeof(sum) && ok;
}

static bool play_processes(const struct job *job, struct play_stats *sum)
{
	pid_t pids[64];
	int fds[2], status;
	struct play_stats one;
	bool ok = true;

	if (pipe(fds))
		return false;
	for (uint32_t i = 0; i < job->processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(play_apart(job, i, fds[1]) ? 0 : 1);
		ok &= pids[i] > 0;
	}
	close(fds[1]);
	while (read(fds[0], &one, sizeof(one)) == sizeof(one))
		add(sum, &one);
	close(fds[0]);
	for (uint32_t i = 0; i < job->processes; i++)
		if (pids[i] > 0)
			ok &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	return ok;
}

static bool is_harmless(const struct play_stats *s)
{
	if (s->seeds < SEEDS_TO_JUDGE)
		return false;
	return !s->crashes || s->crashes_unsynced * 3 < s->crashes ||
	       s->reads_beside * 20 < s->reads || s->reads_cached * 10 < s->reads * 3;
}

static void print_sum(const struct play_stats *s, double seconds)
{
	printf("%.1f ms a seed; %" PRIu64 " epochs, %" PRIu64 " kills, %" PRIu64
	       " granules looked at on the disk, %" PRIu64 " accounts\n",
	       s->seeds ? seconds * 1000 / (double)s->seeds : 0, s->epochs, s->kills,
	       s->checked, s->accounts);
	printf("seeds %" PRIu64 ", steps %" PRIu64 ", crashes %" PRIu64
	       " (with unsynced effects %" PRIu64 "), faults %" PRIu64 ", reads %" PRIu64
	       " (beside a fault, invalidation or punch %" PRIu64 ", from the cache %" PRIu64
	       ")\n",
	       s->seeds, s->steps, s->crashes, s->crashes_unsynced, s->faults, s->reads,
	       s->reads_beside, s->reads_cached);
}

/* --- Options ----------------------------------------------------------------------------------- */

static void usage(void)
{
	fprintf(stderr,
		"fsc-sim --seeds A..B | --seed N | --minutes N\n"
		"        [--model ordered|strict|volatile] [--profile NAME] [--steps N] [-j N]\n"
		"        [--without 3,7,20-40] [--as-is] [--all] [--trace] [--keep-going]\n"
		"fsc-sim --list\n");
	exit(2);
}

static int parse_model(const char *name)
{
	for (int m = 0; m < 3; m++)
		if (!strcmp(name, model_name((enum fsc_fs_kind)m)))
			return m;
	usage();
	return -1;
}

static void parse_without(struct job *job, const char *text)
{
	char *end;

	job->some_without = true;
	while (*text) {
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (end == text)
			usage();
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to && from <= PLAN_STEPS; from++)
			job->without[from] = true;
		text = *end ? end + 1 : end;
	}
}

static void parse_seeds(struct job *job, const char *text)
{
	char *end;

	job->first = strtoull(text, &end, 0);
	job->last = job->first;
	if (!strncmp(end, "..", 2))
		job->last = strtoull(end + 2, &end, 0);
	if (*end || job->last < job->first)
		usage();
}

static void parse_minutes(struct job *job, const char *text)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	job->first = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	job->until = now_s() + atof(text) * 60;
	printf("seeds from %" PRIu64 " on\n", job->first);
}

static bool parse_flag(struct job *job, const char *name)
{
	if (!strcmp(name, "--trace"))
		job->trace = true;
	else if (!strcmp(name, "--keep-going"))
		job->keep_going = true;
	else if (!strcmp(name, "--as-is"))
		job->as_is = true;
	else if (!strcmp(name, "--all"))
		job->all = true;
	else
		return false;
	return true;
}

static void parse_value(struct job *job, const char *name, const char *value)
{
	if (!value)
		usage();
	if (!strcmp(name, "--seeds") || !strcmp(name, "--seed"))
		parse_seeds(job, value);
	else if (!strcmp(name, "--minutes"))
		parse_minutes(job, value);
	else if (!strcmp(name, "--model"))
		job->opts.model = parse_model(value);
	else if (!strcmp(name, "--profile"))
		job->opts.profile = profile_find(value);
	else if (!strcmp(name, "--steps"))
		job->opts.steps = (uint32_t)atoi(value);
	else if (!strcmp(name, "--without"))
		parse_without(job, value);
	else if (!strcmp(name, "-j"))
		job->processes = (uint32_t)atoi(value);
	else
		usage();
	if (!strcmp(name, "--profile") && !job->opts.profile)
		usage();
}

int main(int argc, char **argv)
{
	static struct job job = { .opts = { .model = -1, .steps = 300 }, .processes = 1 };
	struct play_stats sum = { 0 };
	double begin = now_s();
	bool ok;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		profile_list(stdout);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		if (parse_flag(&job, argv[i]))
			continue;
		parse_value(&job, argv[i], argv[i + 1]);
		i++;
	}
	if ((!job.last && job.until == 0) || !job.processes || job.processes > 64)
		usage();
	fflush(stdout);
	ok = job.processes == 1 ? play_share(&job, 0, &sum) : play_processes(&job, &sum);
	print_sum(&sum, now_s() - begin);
	if (is_harmless(&sum)) {
		printf("too harmless to count\n");
		ok = false;
	}
	return ok ? 0 : 1;
}
