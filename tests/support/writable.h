/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * writable.h - a file on a fake server that clients write to: it has bytes, a size, and a label
 * that changes with each change.
 *
 * The server serves each request at one moment between question and answer, in any order; it fails
 * the run if two writes that overlap are with it at the same time.
 */
#ifndef TESTS_WRITABLE_H
#define TESTS_WRITABLE_H

#include <fscache/fscache.h>

#include "client.h"

#define SEA_MAX (1u << 20) /* bytes of a file */

struct sea_req;

struct sea {
	uint32_t id;
	uint64_t label;
	uint64_t size;
	uint8_t *data; /* zeroes behind @size */

	/* How it serves. */
	size_t read_max, write_max;  /* 0: any */
	uint64_t latency_us;
	uint32_t inline_one_in;
	uint32_t short_one_in;       /* writes of which it takes a part */
	uint32_t error_one_in;       /* writes that it refuses, or, one in two, only says so */
	uint32_t again_one_in;       /* -EAGAIN: ask again */
	int error;
	bool hold;                   /* writes wait for sea_release() */
	void (*arrived)(struct sea *sea, const struct fsc_subreq *sreq); /* a write; may be NULL */

	/* What it was asked. */
	uint64_t reads, read_bytes, writes, write_bytes, refused;
	struct sea_req *writing; /* with it just now */
	uint32_t nr_writing, max_writing;
};

struct sea *sea_new(uint32_t id, uint64_t size);
void sea_free(struct sea *sea);
/* Somebody else changes it: other bytes in this range; and the size. */
void sea_change(struct sea *sea, uint64_t pos, uint64_t len, uint64_t size);
void sea_resize(struct sea *sea, uint64_t size); /* what a client's truncate does */
void sea_zero(struct sea *sea, uint64_t pos, uint64_t len); /* and its punch */
uint32_t sea_release(struct sea *sea, int err); /* answer all held writes: with this error, or 0 */

/* Good until the next call. */
struct fsc_cookie_params sea_params(const struct sea *sea);
struct fsc_cookie *sea_acquire(struct world *w, const struct sea *sea);
void sea_drop(struct fsc_cookie *cookie);

/* --- Writes ----------------------------------------------------------------------------------- */

struct sea_write {
	struct fsc_write write;
	struct sea *sea;
	uint8_t *mem;
	struct fsc_iovec iov[3];
	bool over;
	int64_t ret;
};

/* Of random bytes, at any address, perhaps in pieces; @flags as fsc_write.flags. */
struct sea_write *sea_write_new(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos,
				size_t len, uint32_t flags);
void sea_write_start(struct sea_write *w); /* in this task, or as from an interrupt */
int64_t sea_write_join(struct sea_write *w); /* its result; and frees it */
/* One of the three ways, from start to end. */
int64_t sea_write(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		  uint32_t flags);

/* Read and compare with what the server has. Bytes read. */
int64_t sea_check(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, size_t len);
void sea_check_all(struct sea *sea, struct fsc_cookie *cookie);
/* Read without comparing. */
int64_t sea_read(struct sea *sea, struct fsc_cookie *cookie, uint64_t pos, void *buf, size_t len);

#endif
