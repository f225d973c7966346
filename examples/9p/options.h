/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * options.h - what fsc9p is told on its command line.
 */
#ifndef FSC9P_OPTIONS_H
#define FSC9P_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	EXIT_FAILED = 1, /* not all was delivered */
	EXIT_USAGE = 2,
};

enum command { CMD_NONE, CMD_LS, CMD_STAT, CMD_CAT, CMD_GET, CMD_WARM };

struct options {
	const char *server, *aname, *uname;
	const char *cache;      /* NULL: the default place */
	const char *volume_dev; /* NULL: what the server's address says */
	const char *stats;      /* NULL: none wanted */
	uint64_t cache_size;    /* bytes; 0: the default */
	uint32_t msize, n_uname;
	uint32_t clock_slack_s;
	bool no_cache, verbose;

	enum command command;
	const char *command_name; /* "none" until it is known */
	bool long_format;         /* ls -l */
	bool recursive;           /* get -r */
	uint64_t offset, length;  /* cat */
	char **paths;             /* of a get the first one only */
	size_t nr_paths;
	const char *local; /* get */
};

/* Fill @o in, or say what is wrong and exit. What it points to is argv's or lives for ever. */
void options_parse(struct options *o, int argc, char **argv);
/* [any thread] The process's, as it was when that was called. */
mode_t options_umask(void);

#endif
