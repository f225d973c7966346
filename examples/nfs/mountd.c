// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mountd.c - the root of an NFSv3 export. Two questions at most, each on a connection of its own
 * and in the caller's thread: it is done once.
 */
#include "mountd.h"

#include <errno.h>
#include <netinet/in.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-portmap.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "loop_int.h"

struct question {
	int (*ask)(struct question *q, struct rpc_context *rpc);
	bool connected, answered;
	int err;
	const char *export;
	struct nfsc_fh *fh;
	uint32_t port;
};

static void port_told(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct question *q = priv;

	(void)rpc;
	q->answered = true;
	q->err = -EPROTO;
	if (status != RPC_STATUS_SUCCESS || !data)
		return;
	q->port = *(uint32_t *)data;
	q->err = q->port && q->port < 65536 ? 0 : -EPROTONOSUPPORT;
}

static int ask_port(struct question *q, struct rpc_context *rpc)
{
	return rpc_pmap2_getport_async(rpc, MOUNT_PROGRAM, MOUNT_V3, IPPROTO_TCP, port_told, q);
}

static void root_told(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct question *q = priv;
	const mountres3 *res = data;
	const fhandle3 *fh;

	(void)rpc;
	q->answered = true;
	q->err = -EPROTO;
	if (status != RPC_STATUS_SUCCESS || !res)
		return;
	if (res->fhs_status != MNT3_OK) {
		q->err = (int)nfsc_errno(res->fhs_status);
		return;
	}
	fh = &res->mountres3_u.mountinfo.fhandle;
	if (nfsc_fh_set(q->fh, fh->fhandle3_val, fh->fhandle3_len, FHSIZE3))
		q->err = 0;
}

static int ask_root(struct question *q, struct rpc_context *rpc)
{
	return rpc_mount3_mnt_async(rpc, root_told, (char *)q->export, q);
}

static void connected(struct rpc_context *rpc, int status, void *data, void *priv)
{
	struct question *q = priv;

	(void)data;
	q->connected = status == RPC_STATUS_SUCCESS;
	if (q->connected && !q->ask(q, rpc))
		return;
	q->answered = true;
	q->err = -ECONNREFUSED;
}

/* Why it can't be connected to: libnfs would take the reason, and tell none. 0: it can. */
static int socket_error(struct rpc_context *rpc)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(rpc_get_fd(rpc), SOL_SOCKET, SO_ERROR, &err, &len) ? 0 : -err;
}

static int wait_for_answer(struct rpc_context *rpc, struct question *q, uint32_t timeout_ms)
{
	uint64_t end = nfsc_now_ms() + timeout_ms, now;
	struct pollfd fd;
	int err;

	while (!q->answered) {
		now = nfsc_now_ms();
		if (now >= end)
			return -ETIMEDOUT;
		fd.fd = rpc_get_fd(rpc);
		fd.events = (short)rpc_which_events(rpc);
		if (poll(&fd, 1, (int)(end - now)) <= 0)
			continue;
		err = fd.revents & (POLLERR | POLLHUP) ? socket_error(rpc) : 0;
		if (err)
			return err;
		if (rpc_service(rpc, fd.revents) && !q->answered)
			return -ECONNRESET;
	}
	return q->err;
}

static int ask(const char *address, uint16_t port, struct question *q, uint32_t timeout_ms)
{
	struct rpc_context *rpc = rpc_init_context();
	int err = -ECONNREFUSED;

	if (!rpc)
		return -ENOMEM;
	if (!rpc_connect_async(rpc, address, port, connected, q))
		err = wait_for_answer(rpc, q, timeout_ms);
	rpc_destroy_context(rpc);
	return err;
}

/* A line for people on what @q came to. */
static void explain(const struct question *q, const char *service, const char *address,
		    uint16_t port, const char *wanted, int err, char *why, size_t why_size)
{
	if (!q->connected)
		snprintf(why, why_size, "%s at %s, port %u: %s", service, address, port,
			 strerror(-err));
	else
		snprintf(why, why_size, "%s at %s, port %u, %s: %s", service, address, port,
			 wanted, strerror(-err));
}

int nfsc_mountd_root(const char *address, uint16_t port, const char *export, uint32_t timeout_ms,
		     struct nfsc_fh *out, char *why, size_t why_size)
{
	struct question where = { .ask = ask_port };
	struct question root = { .ask = ask_root, .export = export, .fh = out };
	char wanted[256];
	int err;

	if (!port) {
		err = ask(address, PMAP_PORT, &where, timeout_ms);
		if (err) {
			explain(&where, "rpcbind", address, PMAP_PORT,
				"names no mount daemon for version 3", err, why, why_size);
			return err;
		}
		port = (uint16_t)where.port;
	}
	err = ask(address, port, &root, timeout_ms);
	if (err) {
		snprintf(wanted, sizeof(wanted), "refuses '%s'", export);
		explain(&root, "the mount daemon", address, port, wanted, err, why, why_size);
	}
	return err;
}
