// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * options.c - the command line: options, then a command, which has options of its own.
 *
 * argp does the work twice: once up to the command, once for what comes after it, so that
 * "fsc9p cat --help" tells of cat only. The protocol's options are an argp child of the first.
 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "program.h"
#include "stats.h"

#define DEFAULT_CLOCK_SLACK_S 10

enum key {
	/* Far from those of the protocol. */
	KEY_CACHE = 0x1000, KEY_CACHE_SIZE, KEY_NO_CACHE, KEY_STATS, KEY_CLOCK_SLACK, KEY_OFFSET,
	KEY_LENGTH,
};

static mode_t mask;

mode_t options_umask(void)
{
	return mask;
}

/* --- Values ----------------------------------------------------------------------------------- */

uint64_t options_number(const struct argp_state *state, const char *what, const char *arg,
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

/* All that came with -o so far, @more being the last. */
static const char *all_of(const struct argp_state *state, const char *more)
{
	static char all[4096];
	size_t len = strlen(all);

	if (len + strlen(more) + 2 > sizeof(all))
		argp_error(state, "-o: too much");
	sprintf(all + len, "%s%s", len ? "," : "", more);
	return all;
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

static const struct argp_option mount_options[] = {
	{ NULL, 'f', NULL, 0, "Stay in the foreground", 0 },
	{ NULL, 'o', "OPTION[,...]", 0,
	  "actimeo=SECONDS: believe attributes and names for so long, also when a file is opened "
	  "(default: 1 for stat and look-ups; each open asks the server); allow_other; ro; "
	  "default_permissions; sole_writer: nobody else changes the export, so that what is written "
	  "stays in the cache; nopassthrough; max_threads=N; and mount(8)'s own", 0 },
	{ 0 },
};

struct command_info {
	const char *name;
	enum command command;
	unsigned int min, max; /* arguments */
	const struct argp_option *options;
	const char *args, *doc;
};

static const struct command_info commands[] = {
	{ "ls", CMD_LS, 1, 1, ls_options, "PATH",
	  "List a directory, or one file." },
	{ "stat", CMD_STAT, 1, 1, NULL, "PATH",
	  "Show what the server says of a file." },
	{ "cat", CMD_CAT, 1, 1, cat_options, "PATH",
	  "Write a file to the standard output." },
	{ "get", CMD_GET, 2, 2, get_options, "PATH LOCALFILE",
	  "Copy a file. LOCALFILE appears, or is replaced, when all of it was read." },
	{ "warm", CMD_WARM, 1, UINT32_MAX, NULL, "PATH...",
	  "Read files and whole trees into the cache. Symbolic links are not followed." },
	{ "mount", CMD_MOUNT, 1, 1, mount_options, "MNT",
	  "Mount the export, in the background, until it is unmounted or SIGTERM comes." },
};

/* Here rather than when a file is opened: what can't end well shouldn't begin. */
static void check_paths(const struct argp_state *state, const struct options *o)
{
	struct path_names names;

	for (size_t i = 0; i < o->nr_paths; i++) {
		int err = path_split(o->paths[i], &names);

		if (err == -EINVAL)
			argp_error(state, "'%s': '..' is refused, PATH begins at the export's root",
				   o->paths[i]);
		if (err)
			argp_error(state, "'%s': %s", o->paths[i], strerror(-err));
		path_free(&names);
	}
}

static void take_arguments(struct argp_state *state, struct options *o,
			   const struct command_info *info)
{
	static char local[PATH_MAX];
	unsigned int nr = (unsigned int)(state->argc - state->next);

	if (nr < info->min || nr > info->max)
		argp_error(state, "expected %s", info->args);
	o->paths = &state->argv[state->next];
	o->nr_paths = nr;
	if (o->command == CMD_GET || o->command == CMD_MOUNT) {
		o->local = o->paths[nr - 1];
		o->nr_paths--;
	}
	/* The background is in another folder. What isn't there is told of when it is needed. */
	if (o->command == CMD_MOUNT && realpath(o->local, local))
		o->local = local;
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
	case 'f':
		o->foreground = true;
		return 0;
	case 'o':
		o->mount_options = all_of(state, arg);
		return 0;
	case KEY_OFFSET:
		o->offset = options_number(state, "--offset", arg, INT64_MAX, "KMGT");
		return 0;
	case KEY_LENGTH:
		o->length = options_number(state, "--length", arg, INT64_MAX, "KMGT");
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

static void parse_rest(struct options *o, const char *program, int argc, char **argv)
{
	const struct command_info *info = info_of(o);
	const struct argp argp = {
		.options = info->options,
		.parser = parse_command,
		.args_doc = info->args,
		.doc = info->doc,
	};
	static char full[64]; /* what its messages begin with */

	snprintf(full, sizeof(full), "%s %s", program, info->name);
	argv[0] = full;
	argp_parse(&argp, argc, argv, 0, NULL, o);
}

/* --- Before the command ----------------------------------------------------------------------- */

static const struct argp_option options[] = {
	{ "cache", KEY_CACHE, "DIR", 0,
	  "Where the cache is, or is made (default: ${XDG_CACHE_HOME:-~/.cache}/ and this program's name)", 2 },
	{ "cache-size", KEY_CACHE_SIZE, "BYTES[K|M|G]", 0,
	  "The most that it may occupy (default: 10G, or half of what was free at first)", 2 },
	{ "no-cache", KEY_NO_CACHE, NULL, 0, "Read everything from the server, keep nothing", 2 },
	{ "clock-slack", KEY_CLOCK_SLACK, "SECONDS", 0,
	  "How far the server's clock may be from ours (default 10). Of a file changed less than "
	  "this ago, what is read in the first 20 ms is not kept", 2 },
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
	case KEY_CACHE:
		o->cache = arg;
		return 0;
	case KEY_CACHE_SIZE:
		o->cache_size = options_number(state, "--cache-size", arg, INT64_MAX, "KMGT");
		if (!o->cache_size)
			argp_error(state, "--cache-size: 0 is no size; there is --no-cache");
		return 0;
	case KEY_NO_CACHE:
		o->no_cache = true;
		return 0;
	case KEY_CLOCK_SLACK:
		o->clock_slack_s = (uint32_t)options_number(state, "--clock-slack", arg, UINT32_MAX, "");
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

static struct argp argp = {
	.options = options,
	.parser = parse_global,
	.args_doc = "ls [-l] PATH\nstat PATH\ncat [--offset N] [--length N] PATH\n"
		    "get [-r] PATH LOCALFILE\nwarm PATH...\nmount [-f] [-o OPTIONS] MNT",
};

/* What is the program's own about it. */
static void prepare(const struct program *program)
{
	static char doc[1024];

	snprintf(doc, sizeof(doc),
		 "%s\vPATH begins at the root of what the server exports. The exit status is 0 if all "
		 "was delivered, 2 for a mistake on the command line, 128 and its number after a "
		 "signal, and else 1.", program->doc);
	argp.doc = doc;
	argp.children = program->options;
	argp_program_version = program->version;
	argp_err_exit_status = EXIT_USAGE;
}

void options_parse(struct options *o, const struct program *program, int argc, char **argv)
{
	const char *missing;

	/* Now, as it can only be read by setting it, and other threads may make files later. */
	mask = umask(0);
	umask(mask);
	*o = (struct options){
		.clock_slack_s = DEFAULT_CLOCK_SLACK_S,
		.command_name = "none",
		.length = UINT64_MAX,
	};
	prepare(program);
	/* In order, as an option that comes after the command isn't ours. */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, o);
	stats_command(o->command_name);
	parse_rest(o, program->name, (int)o->nr_paths, o->paths);
	missing = program->check();
	if (missing) {
		fprintf(stderr, "%s: %s\n", program->name, missing);
		argp_help(&argp, stderr, ARGP_HELP_SEE, argv[0]);
		exit(EXIT_USAGE);
	}
}
