/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * late.h - a server's answers from threads of its own: some at once, in the thread that asks, the
 * others late and in any order. There is one such server in a program.
 */
#ifndef TESTS_LATE_H
#define TESTS_LATE_H

#include <stdbool.h>
#include <stdint.h>

#include <fscache/fscache.h>

/* What a client has in each subrequest (its subreq_size), for this server. */
struct late {
	struct late *next;
	struct fsc_subreq *sreq;
	bool write;
};

struct late_server {
	unsigned int threads, most_us; /* how many they are, and how late they may be */
	unsigned int seed;
	void (*answer)(struct fsc_subreq *sreq, bool write); /* calls fsc_subreq_done() */
};

/* @server is used until late_stop(). */
void late_start(const struct late_server *server);
/* What was asked is answered first. */
void late_stop(void);

void late_ask(struct fsc_subreq *sreq, bool write);
/* Answered with -ECANCELED, unless somebody has begun to answer it. */
void late_cancel(struct fsc_subreq *sreq);

/* 0 .. @below - 1, for answer() and whoever else plays here: of one sequence, from @seed on. */
unsigned int late_chance(unsigned int below);

#endif
