/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * loop.h - one connection to an NFS server, driven by a thread of its own.
 *
 * libnfs may be used by one thread at a time, so that thread, the loop, makes all calls of it.
 * Others post requests, which the loop sends when fewer than NFS_IN_FLIGHT are under way. It drives
 * the cache's ring as well, if it is told to.
 *
 * Ends      Each request ends in exactly one done, within its time-out, whatever server and
 *           connection do. libnfs can't take a request back: what is cancelled or has lost its
 *           connection ends for its starter, and the answer, if one comes, finds nobody. That is
 *           possible because libnfs copies: what is written when it is sent, what is read out of
 *           its own buffer in the reply (once more than the protocol would need).
 * Reconnect With it, requests wait for the connection until their time-out, and those that may
 *           be sent twice survive the loss of one. Without it, a lost connection is lost.
 */
#ifndef NFS_LOOP_H
#define NFS_LOOP_H

#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "../common/netfs.h"

/* As many as the server has slots for, or waits with; each may bring 1 MiB. */
#define NFS_IN_FLIGHT 64

/* What a reply function returns for "ask again in a moment" (NFS3ERR_JUKEBOX, NFS4ERR_DELAY). */
#define NFS_LATER INT64_MIN

struct nfsc_loop;

/* A request. Zeroed, the first part filled in, left alone until @done. */
struct nfsc_req {
	/* Hand it to libnfs with @cb and @priv [loop's thread]. Not 0: it was not taken. */
	int (*send)(struct nfsc_req *req, struct rpc_context *rpc, rpc_cb cb, void *priv);
	/* The server answered [loop's thread]: what done gets, or NFS_LATER. @res is libnfs' struct
	 * for it, gone afterwards. */
	int64_t (*reply)(struct nfsc_req *req, void *res);
	void (*done)(struct nfsc_req *req, int64_t result); /* may free it */
	void *arg;					    /* done's */
	/* In whose name (NULL: the process'). Lives as long as the request. */
	const struct netfs_owner *owner;
	/* Asking twice does no harm: it may be sent again on another connection. */
	bool again;
	size_t bytes; /* of data in it */

	/* Private. */
	TAILQ_ENTRY(nfsc_req) link;
	uint64_t deadline_ms, not_before_ms;
	struct nfsc_slot *slot;
	bool cancelled;
	int state;
};

struct nfsc_loop_params {
	const char *address; /* numeric */
	uint16_t port;
	int version; /* 3 or 4 */
	bool reconnect;
	uint32_t timeout_ms;
};

/* Start the thread and connect [blocks]. On an error a line for people is in @why. */
int nfsc_loop_open(const struct nfsc_loop_params *params, struct nfsc_loop **out, char *why,
		   size_t why_size);
void nfsc_loop_close(struct nfsc_loop *loop); /* [blocks]; requests end with -ENOTCONN */

void nfsc_req_start(struct nfsc_loop *loop, struct nfsc_req *req);  /* [any] */
void nfsc_req_cancel(struct nfsc_loop *loop, struct nfsc_req *req); /* [any]; not after done */
/* Start it and wait; done is not used. -EDEADLK on the loop's thread. [blocks] */
int64_t nfsc_call(struct nfsc_loop *loop, struct nfsc_req *req);

/* As the calls of netfs.h. */
void nfsc_loop_abort(struct nfsc_loop *loop);
int nfsc_loop_error(struct nfsc_loop *loop, const char **text);
void nfsc_loop_drive(struct nfsc_loop *loop, struct fsc_backend *be);
void nfsc_loop_counters(struct nfsc_loop *loop, struct netfs_counters *out); /* of the socket */

#endif
