// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * options.c - the command line: options, then a command, which has options of its own.
 *
 * argp does the work twice: once up to the command, once for what comes after it, so that
 * "fsc9p cat --help" tells of cat only.
 */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "stats.h"

#define DEFAULT_MSIZE 65536
#define DEFAULT_CLOCK_SLACK_S 10

enum key {
	KEY_CACHE = 256, KEY_CACHE_SIZE, KEY_NO_CACHE, KEY_MSIZE, KEY_STATS, KEY_CLOCK_SLACK,
	KEY_SERVER, KEY_ANAME, KEY_UNAME, KEY_VOLUME_DEV, KEY_OFFSET, KEY_LENGTH,
};

const char *argp_program_version = "fsc9p " FSC9P_VERSION;

static mode_t mask;

mode_t options_umask(void)
{
	return mask;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* Digits, and a suffix where @suffixes has one: each stands for 1024 times the one before. */
static uint64_t number(const struct argp_state *state, const char *what, const char *arg,
		       uint64_t max, const char *suffixes)
{
	unsigned long long n;
	const char *suffix;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (*end && end[1] == '\0' && (suffix = strchr(suffixes, *end))) {
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		end++;
	}
	if (*arg < '0' || *arg > '9' || *end || errno || n > max >> shift)
		argp_error(state, "%s: '%s' is not a number that will do", what, arg);
	return n << shift;
}

static const char *login_name(void)
{
	static char name[256];
	struct passwd *pw = getpwuid(getuid());

	if (pw && strlen(pw->pw_name) < sizeof(name))
		strcpy(name, pw->pw_name);
	else
		snprintf(name, sizeof(name), "%u", (unsigned int)getuid());
	return name;
}

/* --- After the command ------------------------------------------------------------------------ */

static const struct argp_option ls_options[] = {
	{ NULL, 'l', NULL, 0, "Type and mode, links, owner, size, time of change, target", 0 },
	{ 0 },
};

static const struct argp_option get_options[] = {
	{ "recursive", 'r', NULL, 0, "Copy a directory and all below it but symbolic links", 0 },
	{ 0 },
};

static const struct argp_option cat_options[] = {
	{ "offset", KEY_OFFSET, "N", 0, "Begin at this byte", 0 },
	{ "length", KEY_LENGTH, "N", 0, "Write at most so many bytes", 0 },
	{ 0 },
};

struct command_info {
	const char *name;
	enum command command;
	char *full; /* what its messages begin with; not written to */
	unsigned int min, max; /* arguments */
	const struct argp_option *options;
	const char *args, *doc;
};

static const struct command_info commands[] = {
	{ "ls", CMD_LS, (char *)"fsc9p ls", 1, 1, ls_options, "PATH",
	  "List a directory, or one file." },
	{ "stat", CMD_STAT, (char *)"fsc9p stat", 1, 1, NULL, "PATH",
	  "Show what the server says of a file." },
	{ "cat", CMD_CAT, (char *)"fsc9p cat", 1, 1, cat_options, "PATH",
	  "Write a file to the standard output." },
	{ "get", CMD_GET, (char *)"fsc9p get", 2, 2, get_options, "PATH LOCALFILE",
	  "Copy a file. LOCALFILE appears, or is replaced, when all of it was read." },
	{ "warm", CMD_WARM, (char *)"fsc9p warm", 1, UINT32_MAX, NULL, "PATH...",
	  "Read files and whole trees into the cache. Symbolic links are not followed." },
};

/* Here rather than when a file is opened: what can't end well shouldn't begin. */
static void check_paths(const struct argp_state *state, const struct options *o)
{
	struct path_names names;

	for (size_t i = 0; i < o->nr_paths; i++) {
		int err = path_split(o->paths[i], &names);

		if (err == -EINVAL)
			argp_error(state, "'%s': '..' is refused, PATH begins at --aname's root",
				   o->paths[i]);
		if (err)
			argp_error(state, "'%s': %s", o->paths[i], strerror(-err));
		path_free(&names);
	}
}

static void take_arguments(struct argp_state *state, struct options *o,
			   const struct command_info *info)
{
	unsigned int nr = (unsigned int)(state->argc - state->next);

	if (nr < info->min || nr > info->max)
		argp_error(state, "expected %s", info->args);
	o->paths = &state->argv[state->next];
	o->nr_paths = nr;
	if (o->command == CMD_GET) {
		o->local = o->paths[1];
		o->nr_paths = 1;
	}
	check_paths(state, o);
}

static const struct command_info *info_of(const struct options *o)
{
	const struct command_info *info = commands;

	while (info->command != o->command)
		info++;
	return info;
}

static error_t parse_command(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'l':
		o->long_format = true;
		return 0;
	case 'r':
		o->recursive = true;
		return 0;
	case KEY_OFFSET:
		o->offset = number(state, "--offset", arg, INT64_MAX, "KMGT");
		return 0;
	case KEY_LENGTH:
		o->length = number(state, "--length", arg, INT64_MAX, "KMGT");
		return 0;
	case ARGP_KEY_ARGS:
		take_arguments(state, o, info_of(o));
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "expected %s", info_of(o)->args);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void parse_rest(struct options *o, int argc, char **argv)
{
	const struct command_info *info = info_of(o);
	const struct argp argp = {
		.options = info->options,
		.parser = parse_command,
		.args_doc = info->args,
		.doc = info->doc,
	};

	argv[0] = info->full;
	argp_parse(&argp, argc, argv, 0, NULL, o);
}

/* --- Before the command ----------------------------------------------------------------------- */

static const struct argp_option options[] = {
	{ "server", KEY_SERVER, "ADDRESS", 0, "tcp:HOST:PORT or unix:PATH", 1 },
	{ "aname", KEY_ANAME, "NAME", 0, "What to attach to (default: '')", 1 },
	{ "uname", KEY_UNAME, "NAME", 0, "Who to attach as (default: the login name)", 1 },
	{ "msize", KEY_MSIZE, "N", 0, "Longest 9P message, bytes (default 65536)", 1 },
	{ "cache", KEY_CACHE, "DIR", 0,
	  "Where the cache is, or is made (default: ${XDG_CACHE_HOME:-~/.cache}/fsc9p)", 2 },
	{ "cache-size", KEY_CACHE_SIZE, "BYTES[K|M|G]", 0,
	  "The most that it may occupy (default: 10G, or half of what was free at first)", 2 },
	{ "no-cache", KEY_NO_CACHE, NULL, 0, "Read everything from the server, keep nothing", 2 },
	{ "clock-slack", KEY_CLOCK_SLACK, "SECONDS", 0,
	  "How far the server's clock may be from ours (default 10). Of a file changed less than "
	  "this ago, what is read in the first 20 ms is not kept", 2 },
	{ "volume-dev", KEY_VOLUME_DEV, "NAME", 0,
	  "Name the server so in the cache (default: HOST:PORT, or the socket's path)", 2 },
	{ "stats", KEY_STATS, "FILE", 0, "Write what was counted to FILE, as JSON", 3 },
	{ "verbose", 'v', NULL, 0, "Tell more about the cache", 3 },
	{ 0 },
};

static void take_command(struct argp_state *state, struct options *o, const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(name, commands[i].name))
			o->command = commands[i].command;
	}
	if (!o->command)
		argp_error(state, "unknown command '%s'", name);
	o->command_name = name;
	/* The rest is the command's. */
	o->paths = &state->argv[state->next - 1];
	o->nr_paths = (size_t)(state->argc - state->next) + 1;
	state->next = state->argc;
}

static error_t parse_global(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_SERVER:
		o->server = arg;
		return 0;
	case KEY_ANAME:
		o->aname = arg;
		return 0;
	case KEY_UNAME:
		o->uname = arg;
		return 0;
	case KEY_MSIZE:
		o->msize = (uint32_t)number(state, "--msize", arg, 64 << 20, "KM");
		return 0;
	case KEY_CACHE:
		o->cache = arg;
		return 0;
	case KEY_CACHE_SIZE:
		o->cache_size = number(state, "--cache-size", arg, INT64_MAX, "KMGT");
		if (!o->cache_size)
			argp_error(state, "--cache-size: 0 is no size; there is --no-cache");
		return 0;
	case KEY_NO_CACHE:
		o->no_cache = true;
		return 0;
	case KEY_CLOCK_SLACK:
		o->clock_slack_s = (uint32_t)number(state, "--clock-slack", arg, UINT32_MAX, "");
		return 0;
	case KEY_VOLUME_DEV:
		o->volume_dev = arg;
		return 0;
	case KEY_STATS:
		o->stats = arg;
		stats_file(arg);
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		take_command(state, o, arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_global,
	.args_doc = "ls [-l] PATH\nstat PATH\ncat [--offset N] [--length N] PATH\n"
		    "get [-r] PATH LOCALFILE\nwarm PATH...",
	.doc = "Read files from a 9P2000.L server, through a cache that persists.\v"
	       "PATH begins at the root of what was attached to. The exit status is 0 if all was "
	       "delivered, 2 for a mistake on the command line, 128 and its number after a signal, "
	       "and else 1.",
};

void options_parse(struct options *o, int argc, char **argv)
{
	/* Now, as it can only be read by setting it, and other threads may make files later. */
	mask = umask(0);
	umask(mask);
	*o = (struct options){
		.aname = "",
		.msize = DEFAULT_MSIZE,
		.clock_slack_s = DEFAULT_CLOCK_SLACK_S,
		.n_uname = (uint32_t)getuid(),
		.command_name = "none",
		.length = UINT64_MAX,
	};
	argp_err_exit_status = EXIT_USAGE;
	/* In order, as an option that comes after the command isn't ours. */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, o);
	stats_command(o->command_name);
	parse_rest(o, (int)o->nr_paths, o->paths);
	if (!o->server) {
		fprintf(stderr, "%s: no --server was given\n", program_invocation_short_name);
		argp_help(&argp, stderr, ARGP_HELP_SEE, argv[0]);
		exit(EXIT_USAGE);
	}
	if (!o->uname)
		o->uname = login_name();
}
