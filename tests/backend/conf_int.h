/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * conf_int.h - what the files of the conformance suite share: checks, handles that are closed at
 * the end of a test whatever happened, and transfers that can be waited for.
 */
#ifndef FSC_CONF_INT_H
#define FSC_CONF_INT_H

#include <fscache/env.h>

#include "conformance.h"

#define CONF_ROOT "conformance"
#define CONF_HANDLES 32
#define CONF_XATTR "user.fscache"

struct conf {
	const struct fsc_conformance_hooks *hooks;
	struct fsc_backend *(*open_backend)(void *arg);
	void *arg;
	struct fsc_backend *be;
	const struct fsc_backend_ops *ops;
	struct fsc_dir *dir; /* CONF_ROOT, empty when a test begins */
	const char *test;
	struct fsc_spin lock; /* of what follows: checks are made by several tasks */
	unsigned int checks, failed;
	void *files[CONF_HANDLES], *dirs[CONF_HANDLES]; /* open */
};

struct conf_test {
	const char *name;
	void (*fn)(struct conf *c);
};

extern const struct conf_test conf_name_tests[], conf_file_tests[], conf_io_tests[],
	conf_planted_tests[], conf_parallel_tests[]; /* the last has no name */

/* Both return whether it holds, so that a test can go on only if it makes sense. */
#define CHECK(c, cond) conf_check(c, __LINE__, #cond, !!(cond))
#define CHECK_EQ(c, got, want) conf_check_eq(c, __LINE__, #got, (int64_t)(got), (int64_t)(want))
bool conf_check(struct conf *c, int line, const char *what, bool holds);
bool conf_check_eq(struct conf *c, int line, const char *what, int64_t got, int64_t want);

/* Handles; NULL after a failed check. */
struct fsc_dir *conf_dir(struct conf *c, struct fsc_dir *parent, const char *name); /* made */
void conf_dir_close(struct conf *c, struct fsc_dir *dir);
struct fsc_file *conf_open(struct conf *c, struct fsc_dir *dir, const char *name);
struct fsc_file *conf_tmpfile(struct conf *c, uint64_t size);
/* A file of @size called @name. */
struct fsc_file *conf_file(struct conf *c, struct fsc_dir *dir, const char *name, uint64_t size);
void conf_close(struct conf *c, struct fsc_file *file);
/* For handles that a test got by itself: closed at its end, unless it does so. */
void conf_keep_file(struct conf *c, struct fsc_file *file);
void conf_keep_dir(struct conf *c, struct fsc_dir *dir);
/* Is there such a name? */
bool conf_exists(struct conf *c, struct fsc_dir *dir, const char *name);
uint64_t conf_ino(struct conf *c, struct fsc_dir *dir, const char *name); /* 0: none */
/* Close everything and open the backend anew; false: it can't be. c->dir is open again. */
bool conf_reopen(struct conf *c);
/* Remove all below @dir. */
void conf_empty(struct conf *c, struct fsc_dir *dir);

/* Transfers: a number of them that are waited for together. */
struct conf_wait {
	struct fsc_spin lock;
	struct fsc_waitq q;
	unsigned int pending;
};

struct conf_io {
	struct fsc_io io; /* first */
	struct conf_wait *wait;
	unsigned int times; /* @done was called */
	int64_t result;
};

void conf_wait_init(struct conf_wait *w);
void conf_wait_all(struct conf_wait *w);
void conf_wait_fini(struct conf_wait *w);
/* The caller has set io.file, pos, buf and flags. */
void conf_start(struct conf *c, struct conf_wait *w, struct conf_io *io, bool write);
/* All of it, in as many transfers as it takes, with @flags: bytes, or a negative errno. */
int64_t conf_move(struct conf *c, struct fsc_file *file, uint64_t pos, void *mem, size_t len,
		  uint32_t flags, bool write);
/* A pattern that tells positions and @seed apart. */
void conf_fill(void *mem, uint64_t pos, size_t len, uint8_t seed);
bool conf_is_pattern(const void *mem, uint64_t pos, size_t len, uint8_t seed);
bool conf_is_zero(const void *mem, size_t len);
/* The same on a file; positions are multiples of the granule. */
void conf_write_pattern(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len,
			uint8_t seed);
bool conf_reads_pattern(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len,
			uint8_t seed);
bool conf_reads_zero(struct conf *c, struct fsc_file *file, uint64_t pos, size_t len);

#endif
