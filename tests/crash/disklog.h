/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * disklog.h - what a disk was asked to do, in the order in which it answered: writes and flushes,
 * with their times (CLOCK_MONOTONIC), and what a power cut at some moment leaves of them.
 */
#ifndef TESTS_CRASH_DISKLOG_H
#define TESTS_CRASH_DISKLOG_H

#include <stddef.h>
#include <stdint.h>

#define DISKLOG_MAGIC 0x676f6c6b73696400u

/* Followed by @len bytes; a flush has none. */
struct disklog_record {
	uint64_t magic;
	uint64_t ns;
	uint64_t pos;
	uint32_t len;
	uint32_t flush;
};

/* Print how many writes and flushes there are. 0, or 2. */
int disklog_info(const char *log);
/* See disk.c. 0, or 2. */
int disklog_cut(const char *log, const char *base, const char *out, uint64_t seed, uint64_t from_ns,
		uint64_t to_ns);

#endif
