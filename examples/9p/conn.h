/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * conn.h - what the client's files share, and nobody else sees.
 */
#ifndef P9_CONN_H
#define P9_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "client.h"

enum { NO_FREE_FID = -1 };

struct slot {
	TAILQ_ENTRY(slot) link; /* in free or inflight */
	struct p9_req *req;     /* NULL when answered, and only the Rflush is missing */
	struct p9_out flush;
	uint8_t flush_msg[P9_TFLUSH_SIZE];
	uint8_t type; /* of the request */
	bool flushing;
	uint64_t deadline_ms;
};

struct fid {
	bool used;
	uint32_t iounit;
	int64_t next_free;
};

/* Where the receiver is in the stream; touched by no other thread. */
struct receiver {
	uint8_t head[P9_DATA_HEADER];
	uint32_t have;     /* bytes in head */
	struct slot *slot; /* whose reply arrives at @at, @left bytes of it still to come */
	uint8_t *at;
	uint32_t left;
	uint32_t result;
};

TAILQ_HEAD(req_list, p9_req);
TAILQ_HEAD(out_list, p9_out);
TAILQ_HEAD(slot_list, slot);

struct p9_client {
	int sock;
	int wake; /* eventfd: look again whether there is something to send */
	uint32_t msize, max_tags, max_fids;
	pthread_t thread;
	struct receiver rx;
	_Atomic uint64_t server_read_bytes, server_reads, server_write_bytes, server_writes;
	_Atomic uint64_t bytes_sent, bytes_received;

	pthread_mutex_t lock; /* covers all below; not held in callbacks */
	uint32_t timeout_ms;
	int error;            /* why the connection is dead; set once */
	char error_text[256];
	bool want_write; /* the socket is full, and the receiver waits for room */
	bool hung_up;    /* the server takes no more; what it said before is still to be read */
	struct slot *slots;
	struct slot_list free, inflight; /* inflight: oldest deadline first */
	struct req_list waitq;
	struct out_list sendq;
	struct fid *fids;
	uint32_t fids_seen; /* fids from here on were never used */
	int64_t fid_free;   /* head of the list of returned ones */
};

static inline uint64_t p9_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void p9_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Record the first reason why the connection is dead and wake the receiver; with the lock
 * held. Returns the error all will get. */
__attribute__((format(printf, 3, 4)))
int p9_fail_locked(struct p9_client *c, int error, const char *fmt, ...);

/* The same, without the lock. */
#define p9_fail(c, ...)                                     \
	({                                               \
		int error_;                              \
		pthread_mutex_lock(&(c)->lock);          \
		error_ = p9_fail_locked((c), __VA_ARGS__);  \
		pthread_mutex_unlock(&(c)->lock);        \
		error_;                                  \
	})

int p9_bad_reply(struct p9_client *c, uint8_t type);

/* With the lock held. */
void p9_sendq_add(struct p9_client *c, struct p9_out *out, const uint8_t *msg, uint32_t len);
void p9_sendq_push(struct p9_client *c);
/* 0, and @req will be completed; or the error of a dead connection, and it won't. @more: it may
 * wait for the next one, or p9_push(). */
int p9_submit(struct p9_client *c, struct p9_req *req, bool more);

/* ---- client.c ---- */

/* With the lock held: is it one that was given out? */
bool p9_fid_ok(struct p9_client *c, uint32_t fid);
int p9_fid_alloc(struct p9_client *c, uint32_t *out);
void p9_fid_release(struct p9_client *c, uint32_t fid);
void p9_fid_opened(struct p9_client *c, uint32_t fid, uint32_t iounit);
/* Is this the thread that receives, and so can't wait for replies? */
bool p9_on_receiver(struct p9_client *c);
/* With the lock held: the most bytes that a message can carry to or from @fid; 0 for a bad one. */
uint32_t p9_fid_most(struct p9_client *c, uint32_t fid);

/* Send @msg of @len bytes (or return @len, if that is an error) and wait. The reply goes
 * to @reply: of Rread and Rreaddir the payload, of the rest the message. Its length. */
int64_t p9_call(struct p9_client *c, uint32_t fid, uint8_t *msg, int len, void *reply,
		size_t reply_cap);

/* The receiver thread; ends when the connection is dead. */
void *p9_rx_thread(void *arg);

#endif
