// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * program.c - a client of a network filesystem, from the first line to the exit status.
 *
 *	program.c    what each program's main() calls
 *	options.c    the command line           interrupt.c  signals
 *	background.c a mount without -f         store.c      the cache's directory
 *	session.c    the connection             cached.c     cookies: how the library is used
 *	remote.c     a file of the server       tree.c       a directory
 *	stream.c     many reads of it at once   crowd.c      many files of whole trees
 *	ls.c, fetch.c, warm.c                   the commands
 *	path.c, say.c, stats.c                  names, messages, --stats
 *	netfs.h, program.h                      what a protocol fills in
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "background.h"
#include "interrupt.h"
#include "say.h"
#include "session.h"

static bool reads_files(enum command command)
{
	return command != CMD_LS && command != CMD_STAT;
}

static int (*const commands[])(struct session *s) = {
	[CMD_LS] = cmd_ls,
	[CMD_STAT] = cmd_stat,
	[CMD_CAT] = cmd_cat,
	[CMD_GET] = cmd_get,
	[CMD_WARM] = cmd_warm,
	[CMD_MOUNT] = cmd_mount,
};

static int run(const struct program *program, const struct options *opt)
{
	struct session s;
	int status;

	if (session_begin(&s, program, opt))
		return EXIT_FAILED;
	if (!opt->no_cache && reads_files(opt->command))
		store_open(&s);
	status = commands[opt->command](&s);
	store_close(&s);
	session_end(&s);
	return status;
}

/* Output may have gone nowhere and nobody been told yet. */
static int finish_stdout(void)
{
	bool failed = ferror(stdout);

	if (fclose(stdout) && errno != EBADF)
		failed = true;
	if (failed && errno != EPIPE)
		say("the standard output", "%s", strerror(errno));
	return failed ? EXIT_FAILED : 0;
}

int program_main(const struct program *program, int argc, char **argv)
{
	struct options opt;
	int status;

	setlocale(LC_ALL, "");
	say_as(program->name);
	options_parse(&opt, program, argc, argv);
	if (opt.command == CMD_MOUNT && !opt.foreground)
		background_begin();
	interrupt_init();
	status = run(program, &opt);
	if (finish_stdout() && !status)
		status = EXIT_FAILED;
	return interrupted() ? 128 + interrupted() : status;
}
