/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * realserver.h - a real 9P server for a test, which may kill it and start it again.
 */
#ifndef TESTS_9P_REALSERVER_H
#define TESTS_9P_REALSERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct realserver {
	bool ganesha;
	char dir[64];       /* all of it is below; removed at the end */
	char export[80];    /* the exported folder */
	char address[64];   /* for p9_connect() */
	unsigned int port;
	pid_t pid;
};

/* Start "diod" or "ganesha" on an empty folder. NULL, or why it can't be had here. */
const char *realserver_begin(struct realserver *s, const char *kind);
void realserver_end(struct realserver *s);
/* Without a word to anybody. */
void realserver_kill(struct realserver *s);
/* It hangs, and goes on. */
void realserver_stop(struct realserver *s);
void realserver_continue(struct realserver *s);
/* NULL, or why not; on the same port. */
const char *realserver_start(struct realserver *s);

#endif
