/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * options.h - what a program is told on its command line, but for how its server is reached: that is
 * the protocol's (program.h).
 */
#ifndef FSC_EXAMPLES_OPTIONS_H
#define FSC_EXAMPLES_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	EXIT_FAILED = 1, /* not all was delivered */
	EXIT_USAGE = 2,
};

enum command { CMD_NONE, CMD_LS, CMD_STAT, CMD_CAT, CMD_GET, CMD_WARM, CMD_MOUNT };

struct program;

struct options {
	const char *cache;    /* NULL: the default place */
	const char *stats;    /* NULL: none wanted */
	uint64_t cache_size;  /* bytes; 0: the default */
	uint32_t clock_slack_s;
	uint32_t timeout_s;   /* 0: the default */
	bool no_cache, verbose;

	enum command command;
	const char *command_name; /* "none" until it is known */
	bool long_format;         /* ls -l */
	bool recursive;           /* get -r */
	bool foreground;          /* mount -f */
	uint64_t offset, length;  /* cat */
	char **paths;             /* on the server; of a get the first argument only */
	size_t nr_paths;
	const char *local;        /* get: the copy; mount: the mount point */
	const char *mount_options; /* mount: all that came with -o, "a,b=c"; NULL: nothing */
};

/* Fill @o in, or say what is wrong and exit. What it points to is argv's or lives for ever. */
void options_parse(struct options *o, const struct program *program, int argc, char **argv);
/* [any thread] The process's, as it was when that was called. */
mode_t options_umask(void);

/* For parsers: @arg as a number from @min to @max, or a usage error that names @what and these.
 * @suffixes, as "KMG": each stands for 1024 times the one before. */
uint64_t options_number(const struct argp_state *state, const char *what, const char *arg,
			uint64_t min, uint64_t max, const char *suffixes);

#endif
