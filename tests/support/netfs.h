/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * netfs.h - a network filesystem without a network: a server whose every byte tells by its value
 * which file, version and offset it is from, and a client's ops that read from it with seeded
 * latency, errors and short answers. In a task of a simulated run (sim.h).
 */
#ifndef TESTS_NETFS_H
#define TESTS_NETFS_H

#include <fscache/fscache.h>

#include "sim.h"

struct netfs;

/* On the server. Versions count up; each has its own bytes. */
struct netfs_file {
	struct netfs *net;
	uint32_t id;
	uint32_t version;
	uint32_t told;      /* the last one that the library knows of: what begins now sees no older */
	uint64_t size;      /* as the server says */
	uint64_t real_size; /* where its reads end */
	bool zeroes;        /* all bytes are 0, in every version */
	uint64_t zero_from; /* and those from here on, as every reader says; UINT64_MAX */
	uint32_t users;     /* reads, server reads, holds: at 0 a client would close it */
	bool freed;         /* when users is 0 */
};

struct netfs_held;

/* What may be set, at any time, and what was counted. */
struct netfs {
	size_t read_max;        /* 0: as much as is asked for */
	uint64_t latency_us;    /* of an answer, at most */
	uint32_t inline_one_in; /* one in so many comes before issue_read returns */
	uint32_t short_one_in;
	uint32_t error_one_in;
	int error;              /* the errno of those; -EIO */
	bool hold;              /* answers wait for netfs_release() */
	bool more;              /* reads come with the optional ops too, and these fail: */
	uint32_t distrust_one_in; /* is_still_valid says no */
	uint32_t deaf_one_in;     /* cancel_read does nothing */

	uint64_t reads, bytes, errors; /* answered; bytes that came with them */
	uint32_t in_flight, max_in_flight;
	uint64_t first_pos, last_end;  /* of what was asked for */
	uint64_t issued, first_asked;  /* server reads; where the first of them began */
	uint64_t cancels, asked; /* calls of the optional ops */
	struct netfs_held *held;
	uint32_t nr_held;
};

/* A client's request. */
struct netfs_read {
	struct fsc_read read;
	struct netfs_file *file;
	uint32_t min_version; /* the oldest that it may see */
	bool over;
	int64_t ret;
	uint8_t *mem; /* what is behind buf, with guards before and after it */
	size_t mem_len;
	size_t guard;
	uint8_t *buf; /* where the bytes are to be looked at: read.buf, or a copy */
	bool gathered;
	struct fsc_iovec *iov; /* of read.iov */
};

extern const struct fsc_netfs_ops netfs_ops, netfs_more_ops;
void netfs_read_done(struct fsc_read *read, int64_t ret);
void netfs_bytes(const struct netfs_file *file, uint32_t version, uint64_t pos, uint8_t *buf,
		 size_t len);

void netfs_init(struct netfs *net);
struct netfs_file *netfs_file_new(struct netfs *net, uint32_t id, uint64_t size);
void netfs_file_free(struct netfs_file *file); /* when nobody uses it */
void netfs_file_put(struct netfs_file *file);
/* Change the file: other bytes, perhaps another size. */
void netfs_file_change(struct netfs_file *file, uint64_t size);
uint8_t netfs_byte(const struct netfs_file *file, uint32_t version, uint64_t pos);
/* The library has returned from a call that was given version @version. */
void netfs_file_told(struct netfs_file *file, uint32_t version);
/* Cookie parameters as the server has them now. @key and @coherency: room for 8 bytes each. */
struct fsc_cookie_params netfs_params(const struct netfs_file *file, uint8_t key[8],
				      uint8_t coherency[8]);

/* Answer what is held, all of it; with @error if that is not 0. How many. */
uint32_t netfs_release(struct netfs *net, int error);
/* The one that was asked for first: its position. It must not have been cancelled. */
uint64_t netfs_release_first(struct netfs *net);

/* A request of @len bytes at @pos; its buffer has @misalign bytes before it to a page's border. */
struct netfs_read *netfs_read_new(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos,
				  size_t len, size_t misalign);
/* Before it is started: into memory in pieces of at most so many bytes; lent; into the cache. */
void netfs_read_split(struct netfs_read *req, size_t max);
void netfs_read_lend(struct netfs_read *req);
void netfs_read_prefetch(struct netfs_read *req);
void netfs_read_start(struct netfs_read *req);
void netfs_read_join(struct netfs_read *req); /* wait for read_done */
void netfs_read_run(struct netfs_read *req, bool wait); /* both, or fsc_read_wait() */
/* Are the result and each byte what the server had, in a version that may be seen? What is behind
 * the result must be as it was. Fails the test, and says what is wrong. What is lent is compared
 * once more when it is given back. */
void netfs_read_check(struct netfs_read *req);
void netfs_read_free(struct netfs_read *req); /* and give back what was lent */
/* All of it: read, check, free; the result. */
int64_t netfs_read_all(struct netfs_file *file, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		       size_t misalign, bool wait);

#endif
