/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * loop_int.h - what the files of the loop share: loop.c the thread and its queues, link.c the
 * connection.
 */
#ifndef NFS_LOOP_INT_H
#define NFS_LOOP_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "loop.h"

enum req_state { REQ_IDLE, REQ_POSTED, REQ_WAITING, REQ_SENT };
enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP, LINK_DEAD };

/* What libnfs is given: it outlives the request that it stands for. */
struct nfsc_slot {
	struct nfsc_loop *loop;
	struct nfsc_req *req; /* NULL: cancelled, or free */
	TAILQ_ENTRY(nfsc_slot) link;
};

TAILQ_HEAD(nfsc_reqs, nfsc_req);

struct nfsc_loop {
	struct nfsc_loop_params params;
	pthread_t thread;
	int wake_fd;

	pthread_mutex_t lock; /* for this part */
	pthread_cond_t changed;
	struct nfsc_reqs posted;
	bool sleeping; /* in poll: whoever posts wakes it */
	bool cancels;  /* some request in flight has its cancelled set */
	bool stop;
	bool tried; /* the first attempt to connect is over */
	struct fsc_backend *wanted, *driven;
	int error;
	char text[256]; /* of @error */
	struct netfs_counters counters;

	atomic_bool aborted;

	/* Who asks, as it was at the beginning; the protocol has room for 16 more groups. */
	uint32_t uid, gid, groups[16], group_count;

	/* The loop's thread only. */
	enum link_state state;
	struct rpc_context *rpc;
	struct nfsc_reqs waiting, lost;
	TAILQ_HEAD(, nfsc_slot) free_slots;
	struct nfsc_slot slots[NFS_IN_FLIGHT];
	uint32_t in_flight;
	uint64_t link_since_ms, retry_ms, scanned_ms;
	bool null_failed, link_ready;
	uint64_t sent_before, received_before; /* on connections that are gone */
};

uint64_t nfsc_now_ms(void);
void nfsc_req_end(struct nfsc_loop *loop, struct nfsc_req *req, int64_t result);
void nfsc_loop_fail_all(struct nfsc_loop *loop, int err);

/* --- link.c, all on the loop's thread --------------------------------------------------------- */
/* Is there a connection, or one on the way? Begins to connect if it is time for it. */
void nfsc_link_try(struct nfsc_loop *loop);
/* Give up the connection. What was sent on it waits for another one, or ends. */
void nfsc_link_lost(struct nfsc_loop *loop, int err, const char *text);
void nfsc_link_service(struct nfsc_loop *loop, int revents);
void nfsc_link_send(struct nfsc_loop *loop);
void nfsc_link_close(struct nfsc_loop *loop);
void nfsc_link_count(struct nfsc_loop *loop);

#endif
