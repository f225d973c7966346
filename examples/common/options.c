// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * options.c - the command line: options, then a command, which has options of its own.
 *
 * argp does the work twice: once up to the command, once for what comes after it, so that
 * "fsc9p cat --help" tells of cat only; the general options are taken there too, but hidden. The
 * protocol's options are an argp child.
 */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
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
#define TIMEOUT_MOST_S 86400
#define HIDDEN_MOST 16 /* options that a program, or all of them, may have */

enum key {
	/* Far from those of the protocol. */
	KEY_CACHE = 0x1000, KEY_CACHE_SIZE, KEY_NO_CACHE, KEY_STATS, KEY_CLOCK_SLACK, KEY_TIMEOUT,
	KEY_OFFSET, 	KEY_LENGTH,
};

static mode_t mask;

mode_t options_umask(void)
{
	return mask;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* As it could be given. */
static const char *number_text(char *text, size_t size, uint64_t n, const char *suffixes)
{
	const char *suffix = NULL;

	while (n && n % 1024 == 0 && *suffixes) {
		n /= 1024;
		suffix = suffixes++;
	}
	snprintf(text, size, "%" PRIu64 "%.1s", n, suffix ? suffix : "");
	return text;
}

static void refuse_number(const struct argp_state *state, const char *what, const char *arg,
			  uint64_t min, uint64_t max, const char *suffixes)
{
	char least[24], most[24];

	argp_error(state, "%s: '%s' is not a number from %s to %s", what, arg,
		   number_text(least, sizeof(least), min, suffixes),
		   number_text(most, sizeof(most), max, suffixes));
}

uint64_t options_number(const struct argp_state *state, const char *what, const char *arg,
			uint64_t min, uint64_t max, const char *suffixes)
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
	if (*arg < '0' || *arg > '9' || *end || errno || n > max >> shift || n << shift < min)
		refuse_number(state, what, arg, min, max, suffixes);
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

/* --- On either side of the command ------------------------------------------------------------ */

static const struct argp_option options[] = {
	{ "cache", KEY_CACHE, "DIR", 0,
	  "Directory of the cache, made if needed (default: ${XDG_CACHE_HOME:-~/.cache}/ and this "
	  "program's name)", 2 },
	{ "cache-size", KEY_CACHE_SIZE, "BYTES[K|M|G|T]", 0,
	  "The most disk space it may occupy (default: 10G, or half of what was free when it was "
	  "made)", 2 },
	{ "no-cache", KEY_NO_CACHE, NULL, 0, "Read everything from the server, keep nothing", 2 },
	{ "clock-slack", KEY_CLOCK_SLACK, "SECONDS", 0,
	  "How far the server's clock may be off from ours (default 10). Of a file changed less than "
	  "this long ago, what is read in the first 20 ms is not kept", 2 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "How long the server may take to answer before its connection is given up (default: 60, of "
	  "NFS 20). Who waits for it on a mount can't be killed meanwhile", 2 },
	{ "stats", KEY_STATS, "FILE", 0, "Write counters to FILE at the end, as JSON", 3 },
	{ "verbose", 'v', NULL, 0, "Log what the cache does, not only what goes wrong with it", 3 },
	{ 0 },
};

static error_t parse_shared(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case KEY_CACHE:
		if (!*arg)
			argp_error(state, "--cache: no name");
		o->cache = arg;
		return 0;
	case KEY_CACHE_SIZE:
		o->cache_size = options_number(state, "--cache-size", arg, 1, INT64_MAX, "KMGT");
		return 0;
	case KEY_NO_CACHE:
		o->no_cache = true;
		return 0;
	case KEY_CLOCK_SLACK:
		o->clock_slack_s = (uint32_t)options_number(state, "--clock-slack", arg, 0,
							    UINT32_MAX, "");
		return 0;
	case KEY_TIMEOUT:
		o->timeout_s = (uint32_t)options_number(state, "--timeout", arg, 1,
							TIMEOUT_MOST_S, "");
		return 0;
	case KEY_STATS:
		o->stats = arg;
		stats_file(arg);
		return 0;
	case 'v':
		o->verbose = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- After the command ------------------------------------------------------------------------ */

static const struct argp_option ls_options[] = {
	{ NULL, 'l', NULL, 0, "Type and mode, links, owner, size, time of change, target", 0 },
	{ 0 },
};

static const struct argp_option get_options[] = {
	{ "recursive", 'r', NULL, 0,
	  "Copy a directory and everything below it except symbolic links", 0 },
	{ 0 },
};

static const struct argp_option cat_options[] = {
	{ "offset", KEY_OFFSET, "N[K|M|G|T]", 0, "Begin at this byte", 0 },
	{ "length", KEY_LENGTH, "N[K|M|G|T]", 0, "Write at most this many bytes", 0 },
	{ 0 },
};

#define MOUNT_OPTION(name, doc) { name, 0, NULL, OPTION_DOC | OPTION_NO_USAGE, doc, 2 }

static const struct argp_option mount_options[] = {
	{ NULL, 'f', NULL, 0, "Stay in the foreground", 1 },
	{ NULL, 'o', "OPTION[,...]", 0, "Mount options", 1 },
	{ NULL, 0, NULL, 0, "Mount options:", 2 },
	MOUNT_OPTION("actimeo=SECONDS",
		     "Believe names and attributes for this long, when a file is opened too (default: 1 "
		     "second for stat and look-ups; every open asks the server)"),
	MOUNT_OPTION("sole_writer",
		     "Nobody else changes files that are written to here: what is written is cached"),
	MOUNT_OPTION("ro", "Read-only"),
	MOUNT_OPTION("allow_other", "Let other users in; implies default_permissions"),
	MOUNT_OPTION("default_permissions", "The kernel checks permissions by mode and owner"),
	MOUNT_OPTION("nopassthrough", "The kernel never reads cached files by itself"),
	MOUNT_OPTION("max_threads=N", "Serve at most this many requests at once (default 64)"),
	MOUNT_OPTION("nosuid, noexec, noatime, fsname=NAME, ...", "As of mount(8) and FUSE"),
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
	case ARGP_KEY_INIT:
		state->child_inputs[0] = o;
		return 0;
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
		o->offset = options_number(state, "--offset", arg, 0, INT64_MAX, "KMGT");
		return 0;
	case KEY_LENGTH:
		o->length = options_number(state, "--length", arg, 0, INT64_MAX, "KMGT");
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

/* What may stand before the command may also stand after it, but --help has it in one place. */
static void hide(const struct argp *from, struct argp *to, struct argp_option *hidden)
{
	size_t i;

	for (i = 0; i < HIDDEN_MOST - 1 && (from->options[i].name || from->options[i].key);
	     i++) {
		hidden[i] = from->options[i];
		hidden[i].flags |= OPTION_HIDDEN;
	}
	hidden[i] = (struct argp_option){ 0 };
	*to = (struct argp){ .options = hidden, .parser = from->parser };
}

static void parse_rest(struct options *o, const struct program *program, int argc, char **argv)
{
	const struct argp shared = { .options = options, .parser = parse_shared };
	const struct command_info *info = info_of(o);
	struct argp_option hidden[2][HIDDEN_MOST];
	struct argp also[2];
	const struct argp_child children[] = { { &also[0], 0, NULL, 0 }, { &also[1], 0, NULL, 0 },
					       { 0 } };
	static char full[64]; /* what its messages begin with */
	char doc[512];
	const struct argp argp = {
		.options = info->options,
		.parser = parse_command,
		.args_doc = info->args,
		.doc = doc,
		.children = children,
	};

	hide(&shared, &also[0], hidden[0]);
	hide(program->options->argp, &also[1], hidden[1]);
	snprintf(doc, sizeof(doc), "%s\vThe options that %s --help lists may stand here as well.",
		 info->doc, program->name);
	snprintf(full, sizeof(full), "%s %s", program->name, info->name);
	argv[0] = full;
	argp_parse(&argp, argc, argv, 0, NULL, o);
}

/* --- Before the command ----------------------------------------------------------------------- */

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
	switch (key) {
	case ARGP_KEY_ARG:
		take_command(state, state->input, arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command");
		return 0;
	default:
		return parse_shared(key, arg, state);
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
		 "%s\vOptions may also follow the command, which has some of its own: see `%s COMMAND "
		 "--help'. PATH starts at the root of the export. Exit status: 0 if everything was "
		 "delivered, 2 for a mistake on the command line, 128+N after signal N, otherwise 1.",
		 program->doc, program->name);
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
	parse_rest(o, program, (int)o->nr_paths, o->paths);
	missing = program->check();
	if (missing) {
		fprintf(stderr, "%s: %s\n", program->name, missing);
		argp_help(&argp, stderr, ARGP_HELP_SEE, argv[0]);
		exit(EXIT_USAGE);
	}
}
