// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - fsc9p: read files from a 9P2000.L server, through a cache that persists.
 *
 *	main.c       from the first line to the exit status
 *	options.c    the command line           interrupt.c  signals
 *	session.c    the connection             store.c      the cache's directory
 *	remote.c     a file of the server       cached.c     its cookie: how the library is used
 *	stream.c     many reads of it at once   tree.c       a directory
 *	crowd.c      many files of whole trees  ls.c, fetch.c, warm.c   the commands
 *	path.c, say.c, stats.c                  names, messages, --stats
 *	wire.c, conn.c, connect.c, client.c     the 9P client
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "say.h"
#include "session.h"

static bool reads_files(enum command command)
{
	return command == CMD_CAT || command == CMD_GET || command == CMD_WARM;
}

static int run_command(struct session *s)
{
	switch (s->opt->command) {
	case CMD_LS:
		return cmd_ls(s);
	case CMD_STAT:
		return cmd_stat(s);
	case CMD_CAT:
		return cmd_cat(s);
	case CMD_GET:
		return cmd_get(s);
	case CMD_WARM:
		return cmd_warm(s);
	default:
		return EXIT_USAGE;
	}
}

static int run(const struct options *opt)
{
	struct session s;
	int status;

	if (session_begin(&s, opt))
		return EXIT_FAILED;
	if (!opt->no_cache && reads_files(opt->command))
		store_open(&s);
	status = run_command(&s);
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

int main(int argc, char **argv)
{
	struct options opt;
	int status;

	setlocale(LC_ALL, "");
	interrupt_init();
	options_parse(&opt, argc, argv);
	status = run(&opt);
	if (finish_stdout() && !status)
		status = EXIT_FAILED;
	return interrupted() ? 128 + interrupted() : status;
}
