// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * link.c - the connection of the loop: made, served, lost, made again.
 *
 * libnfs can reconnect by itself, but has no end to it and sends everything twice, so here each
 * connection is a context of its own. File handles outlive connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop_int.h"
#include "zdr.h"

#define RETRY_MS 250
#define LATER_MS 200
/* What may be in a request beside data: a path is the longest. */
#define REST_MAX 8192
/* --- Who asks --------------------------------------------------------------------------------- */

static struct AUTH *session_auth(struct nfsc_loop *loop)
{
	return libnfs_authunix_create("libfscache", loop->uid, loop->gid, loop->group_count,
				      loop->groups);
}

static int send_as(struct nfsc_loop *loop, struct nfsc_req *req, rpc_cb cb, struct nfsc_slot *slot)
{
	const struct netfs_owner *owner = req->owner;
	int err;

	nfsc_zdr_expect(REST_MAX + req->bytes);
	if (!owner || (owner->uid == loop->uid && owner->gid == loop->gid))
		return req->send(req, loop->rpc, cb, slot);
	rpc_set_auth(loop->rpc,
		     libnfs_authunix_create("libfscache", owner->uid, owner->gid, 0, NULL));
	err = req->send(req, loop->rpc, cb, slot);
	rpc_set_auth(loop->rpc, session_auth(loop));
	return err;
}

/* --- Sending and answers ---------------------------------------------------------------------- */

static void slot_free(struct nfsc_loop *loop, struct nfsc_slot *slot)
{
	slot->req = NULL;
	TAILQ_INSERT_HEAD(&loop->free_slots, slot, link);
	loop->in_flight--;
}

/* From within rpc_service(), or rpc_destroy_context(): nothing may be sent in here. */
static void answered(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct nfsc_slot *slot = priv;
	struct nfsc_loop *loop = slot->loop;
	struct nfsc_req *req = slot->req;
	int64_t result;

	(void)rpc;
	slot_free(loop, slot);
	if (req)
		req->slot = NULL;
	if (status != RPC_STATUS_SUCCESS || !data) {
		if (req)
			TAILQ_INSERT_TAIL(&loop->lost, req, link);
		return;
	}
	nfsc_zdr_answered();
	if (!req)
		return;
	result = req->reply(req, data);
	if (result != NFS_LATER) {
		nfsc_req_end(loop, req, result);
		return;
	}
	req->not_before_ms = nfsc_now_ms() + LATER_MS;
	TAILQ_INSERT_TAIL(&loop->waiting, req, link);
}

static bool send_one(struct nfsc_loop *loop, struct nfsc_req *req)
{
	struct nfsc_slot *slot = TAILQ_FIRST(&loop->free_slots);

	TAILQ_REMOVE(&loop->waiting, req, link);
	TAILQ_REMOVE(&loop->free_slots, slot, link);
	loop->in_flight++;
	slot->req = req;
	req->slot = slot;
	if (!send_as(loop, req, answered, slot))
		return true;
	/* It doesn't fit a message, or there is no memory. */
	slot_free(loop, slot);
	req->slot = NULL;
	nfsc_req_end(loop, req, -EIO);
	return false;
}

void nfsc_link_send(struct nfsc_loop *loop)
{
	struct nfsc_req *req, *next;
	bool sent = false;
	uint64_t now = 0;

	if (loop->state != LINK_UP)
		return;
	for (req = TAILQ_FIRST(&loop->waiting); req && loop->in_flight < NFS_IN_FLIGHT;
	     req = next) {
		next = TAILQ_NEXT(req, link);
		if (req->not_before_ms && !now)
			now = nfsc_now_ms();
		if (req->not_before_ms <= now)
			sent |= send_one(loop, req);
	}
	if (sent)
		nfsc_link_service(loop, POLLOUT);
}

/* --- Losing it -------------------------------------------------------------------------------- */

/* Of libnfs' words for an error, the errno in them. */
static int errno_in(const char *text)
{
	const char *at = text ? strrchr(text, '(') : NULL;
	int err;

	if (!at)
		at = text ? strstr(text, "errno:") : NULL;
	if (!at)
		return -ECONNRESET;
	err = atoi(at + strcspn(at, "0123456789"));
	return err > 0 && err < 4096 ? -err : -ECONNRESET;
}

static void remember(struct nfsc_loop *loop, int err, const char *text)
{
	pthread_mutex_lock(&loop->lock);
	loop->error = err;
	snprintf(loop->text, sizeof(loop->text), "%s", text);
	loop->tried = true;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

/* Its requests are in loop->lost then. */
void nfsc_link_close(struct nfsc_loop *loop)
{
	struct rpc_context *rpc = loop->rpc;

	if (!rpc)
		return;
	nfsc_link_count(loop);
	pthread_mutex_lock(&loop->lock);
	loop->sent_before = loop->counters.bytes_sent;
	loop->received_before = loop->counters.bytes_received;
	pthread_mutex_unlock(&loop->lock);
	loop->rpc = NULL;
	rpc_destroy_context(rpc);
}

static void settle_lost(struct nfsc_loop *loop, int err)
{
	bool may_wait = loop->state == LINK_DOWN;
	struct nfsc_reqs still = TAILQ_HEAD_INITIALIZER(still);
	uint64_t now = nfsc_now_ms();
	struct nfsc_req *req;

	while ((req = TAILQ_FIRST(&loop->lost))) {
		TAILQ_REMOVE(&loop->lost, req, link);
		if (may_wait && req->again && req->deadline_ms > now)
			TAILQ_INSERT_TAIL(&still, req, link);
		else
			nfsc_req_end(loop, req, err);
	}
	/* First come, first served. */
	TAILQ_CONCAT(&still, &loop->waiting, link);
	TAILQ_CONCAT(&loop->waiting, &still, link);
}

void nfsc_link_lost(struct nfsc_loop *loop, int err, const char *text)
{
	bool first = !loop->tried;
	char copy[256];

	/* It may be libnfs', and go with the connection. */
	snprintf(copy, sizeof(copy), "%s", text);
	nfsc_link_close(loop);
	/* At once after one that worked. */
	loop->retry_ms = loop->state == LINK_UP ? 0 : nfsc_now_ms() + RETRY_MS;
	if (loop->state != LINK_DEAD) {
		loop->state = loop->params.reconnect && !first ? LINK_DOWN : LINK_DEAD;
		remember(loop, err, copy);
	}
	settle_lost(loop, err);
}

/* --- Making it -------------------------------------------------------------------------------- */

static void null_answered(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct nfsc_loop *loop = priv;

	(void)rpc, (void)data;
	loop->link_ready = status == RPC_STATUS_SUCCESS;
	loop->null_failed = status != RPC_STATUS_SUCCESS;
}

/* A failure is what rpc_service() returns. */
static void connected(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct nfsc_loop *loop = priv;
	int fd = rpc_get_fd(rpc), one = 1;

	(void)data;
	if (status != RPC_STATUS_SUCCESS)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Does it speak the version? */
	if (rpc_null_async(rpc, NFS_PROGRAM, loop->params.version, null_answered, loop))
		loop->null_failed = true;
}

static void begin(struct nfsc_loop *loop)
{
	loop->state = LINK_CONNECTING;
	loop->link_since_ms = nfsc_now_ms();
	loop->link_ready = loop->null_failed = false;
	nfsc_zdr_answered();
	loop->rpc = rpc_init_context();
	if (!loop->rpc) {
		nfsc_link_lost(loop, -ENOMEM, "out of memory");
		return;
	}
	rpc_set_auth(loop->rpc, session_auth(loop));
	if (rpc_connect_async(loop->rpc, loop->params.address, loop->params.port, connected, loop))
		nfsc_link_lost(loop, errno_in(rpc_get_error(loop->rpc)),
			       "it can't be connected to");
	else
		fcntl(rpc_get_fd(loop->rpc), F_SETFD, FD_CLOEXEC);
}

static void ready(struct nfsc_loop *loop)
{
	loop->link_ready = false;
	loop->state = LINK_UP;
	pthread_mutex_lock(&loop->lock);
	loop->counters.reconnects += loop->tried;
	loop->tried = true;
	loop->error = 0;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

void nfsc_link_try(struct nfsc_loop *loop)
{
	uint64_t now;
	int err;

	if (loop->state == LINK_UP)
		return;
	now = nfsc_now_ms();
	if (loop->state == LINK_CONNECTING && now - loop->link_since_ms > loop->params.timeout_ms)
		nfsc_link_lost(loop, -ETIMEDOUT, "the server can't be reached");
	if (loop->state == LINK_DEAD) {
		err = nfsc_loop_error(loop, NULL);
		nfsc_loop_fail_all(loop, err ? err : -ENOTCONN);
	}
	if (loop->state == LINK_DOWN && now >= loop->retry_ms &&
	    (!loop->tried || !TAILQ_EMPTY(&loop->waiting)))
		begin(loop);
}

/* --- Serving it ------------------------------------------------------------------------------- */

void nfsc_link_count(struct nfsc_loop *loop)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (!loop->rpc || loop->state == LINK_CONNECTING ||
	    getsockopt(rpc_get_fd(loop->rpc), IPPROTO_TCP, TCP_INFO, &info, &len))
		return;
	pthread_mutex_lock(&loop->lock);
	loop->counters.bytes_sent =
		loop->sent_before + info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	loop->counters.bytes_received = loop->received_before + info.tcpi_bytes_received;
	pthread_mutex_unlock(&loop->lock);
}

/* The connection lives, and still a call had no answer: refused by the server's RPC layer, or the
 * answer can't be decoded. */
static void end_refused(struct nfsc_loop *loop)
{
	struct nfsc_req *req;

	while ((req = TAILQ_FIRST(&loop->lost))) {
		TAILQ_REMOVE(&loop->lost, req, link);
		nfsc_req_end(loop, req, -EPROTO);
	}
}

/* libnfs would take the reason, and tell another. */
static void broken(struct nfsc_loop *loop)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(rpc_get_fd(loop->rpc), SOL_SOCKET, SO_ERROR, &err, &len) || !err)
		err = ECONNRESET;
	nfsc_link_lost(loop, -err, strerror(err));
}

void nfsc_link_service(struct nfsc_loop *loop, int revents)
{
	const char *text;

	if (revents & (POLLERR | POLLHUP)) {
		broken(loop);
		return;
	}
	if (rpc_service(loop->rpc, revents)) {
		text = rpc_get_error(loop->rpc);
		nfsc_link_lost(loop, errno_in(text),
			       text ? text : "the server closed the connection");
		return;
	}
	end_refused(loop);
	if (loop->null_failed)
		nfsc_link_lost(loop, -EPROTONOSUPPORT,
			       "the server does not speak this version of NFS");
	else if (loop->link_ready)
		ready(loop);
	else if (!loop->in_flight)
		nfsc_link_count(loop);
}
