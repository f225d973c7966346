// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * connect.c - from an address to a connection with an agreed msize, and back to nothing.
 *
 * Until the receiver thread runs there is one thread, and p9_fail() is only the place for
 * the text that p9_connect() hands out.
 */
#include "conn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/resolve.h"

enum { DEFAULT_TIMEOUT_MS = 60000 };

static int wait_fd(struct p9_client *c, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = c->sock, .events = events };
	int64_t left;
	int n;

	do {
		left = (int64_t)(deadline_ms - p9_now_ms());
		n = left > 0 ? poll(&p, 1, left < INT32_MAX ? (int)left : INT32_MAX) : 0;
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	return p9_fail(c, n ? -errno : -ETIMEDOUT, "no answer while connecting");
}

/* Leaves the socket in c->sock. Returns 0 or -errno, and doesn't call it final. */
static int dial(struct p9_client *c, const struct sockaddr *sa, socklen_t len)
{
	uint64_t deadline_ms = p9_now_ms() + c->timeout_ms;
	struct pollfd p = { .events = POLLOUT };
	socklen_t size = sizeof(int);
	int err = 0, on = 1;

	c->sock = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->sock < 0)
		return -errno;
	if (connect(c->sock, sa, len)) {
		err = errno;
		if (err == EINPROGRESS || err == EINTR) {
			p.fd = c->sock;
			while (poll(&p, 1, (int)c->timeout_ms) < 0 && p9_now_ms() < deadline_ms)
				;
			err = ETIMEDOUT;
			if (p.revents)
				getsockopt(c->sock, SOL_SOCKET, SO_ERROR, &err, &size);
		}
	}
	if (err) {
		close(c->sock);
		c->sock = -1;
	} else if (sa->sa_family != AF_UNIX) {
		/* Requests are small and each is waited for: Nagle would hold them back. */
		setsockopt(c->sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return -err;
}

static int dial_unix(struct p9_client *c, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return p9_fail(c, -EINVAL, "the path is too long for a socket's");
	strcpy(sa.sun_path, path);
	err = dial(c, (struct sockaddr *)&sa, sizeof(sa));
	return err ? p9_fail(c, err, "%s", strerror(-err)) : 0;
}

/* @where is HOST:PORT, where HOST may be [IPv6]. */
static int dial_tcp(struct p9_client *c, const char *where)
{
	struct addrinfo *list, *ai;
	const char *colon = strrchr(where, ':');
	size_t len = colon ? (size_t)(colon - where) : 0;
	bool brackets = len > 2 && where[0] == '[' && where[len - 1] == ']';
	int err = -EADDRNOTAVAIL;
	char host[256];

	if (!len || len >= sizeof(host) || !colon[1])
		return p9_fail(c, -EINVAL, "not of the form tcp:HOST:PORT");
	snprintf(host, sizeof(host), "%.*s", (int)(brackets ? len - 2 : len), where + brackets);
	err = resolve(host, colon + 1, c->timeout_ms, &list);
	if (err)
		return p9_fail(c, -EHOSTUNREACH, "%s", gai_strerror(err));
	for (ai = list; ai; ai = ai->ai_next) {
		err = dial(c, ai->ai_addr, ai->ai_addrlen);
		if (!err)
			break;
	}
	freeaddrinfo(list);
	return err ? p9_fail(c, err, "%s", strerror(-err)) : 0;
}

/* Send or receive exactly @len bytes, before there is a receiver thread. */
static int transfer(struct p9_client *c, uint8_t *buf, size_t len, bool out,
		    uint64_t deadline_ms)
{
	ssize_t n;
	int err;

	while (len) {
		err = wait_fd(c, out ? POLLOUT : POLLIN, deadline_ms);
		if (err)
			return err;
		n = out ? send(c->sock, buf, len, MSG_NOSIGNAL) : recv(c->sock, buf, len, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return p9_fail(c, -errno, "while agreeing on a version: %m");
		if (n == 0)
			return p9_fail(c, -ECONNRESET, "the server closed the connection at once");
		if (n < 0)
			continue;
		p9_count(out ? &c->bytes_sent : &c->bytes_received, (uint64_t)n);
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static int version_check(struct p9_client *c, const uint8_t *msg, size_t len)
{
	struct p9_blob version;
	struct p9_header h;
	uint32_t msize;
	int error;

	p9_dec_header(msg, len, &h);
	if (!p9_dec_error(msg, len, &error))
		return p9_fail(c, -EPROTONOSUPPORT, "Tversion refused: %s", strerror(error));
	if (p9_dec_rversion(msg, len, &msize, &version))
		return p9_bad_reply(c, P9_RVERSION);
	if (h.tag != P9_NOTAG)
		return p9_fail(c, -EPROTO, "Rversion with tag %u", h.tag);
	if (version.len != strlen(P9_VERSION) || memcmp(version.data, P9_VERSION, version.len))
		return p9_fail(c, -EPROTONOSUPPORT, "the server doesn't speak " P9_VERSION);
	if (msize > c->msize || msize < P9_MSIZE_MIN)
		return p9_fail(c, -EPROTO, "the server answers msize %u to our %u", msize, c->msize);
	c->msize = msize;
	return 0;
}

static int handshake(struct p9_client *c)
{
	const struct p9_blob version = { P9_VERSION, strlen(P9_VERSION) };
	uint64_t deadline_ms = p9_now_ms() + c->timeout_ms;
	uint8_t msg[64]; /* either message is 21 bytes, or 20 for "unknown" */
	struct p9_header h;
	int err;

	err = transfer(c, msg, (size_t)p9_enc_tversion(msg, sizeof(msg), c->msize, version),
		       true, deadline_ms);
	if (!err)
		err = transfer(c, msg, P9_HEADER, false, deadline_ms);
	if (err)
		return err;
	if (p9_dec_header(msg, P9_HEADER, &h) || h.size > sizeof(msg))
		return p9_bad_reply(c, P9_RVERSION);
	err = transfer(c, msg + P9_HEADER, h.size - P9_HEADER, false, deadline_ms);
	return err ? err : version_check(c, msg, h.size);
}

static int client_init(struct p9_client *c, const struct p9_options *opt)
{
	c->sock = -1;
	c->wake = -1;
	c->fid_free = NO_FREE_FID;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->free);
	TAILQ_INIT(&c->inflight);
	TAILQ_INIT(&c->waitq);
	TAILQ_INIT(&c->sendq);
	c->msize = opt->msize ? opt->msize : 65536;
	c->timeout_ms = opt->timeout_ms ? opt->timeout_ms : DEFAULT_TIMEOUT_MS;
	c->max_tags = opt->max_tags ? opt->max_tags : 64;
	c->max_fids = opt->max_fids ? opt->max_fids : 4096;
	if (c->msize < P9_MSIZE_MIN || c->msize > P9_MSIZE_MAX || c->max_tags > 16384 ||
	    c->max_fids > 1 << 24 || c->timeout_ms > INT32_MAX)
		return p9_fail(c, -EINVAL, "msize, time-out, tags or fids out of range");
	c->slots = calloc(c->max_tags, sizeof(*c->slots));
	c->fids = calloc(c->max_fids, sizeof(*c->fids));
	if (!c->slots || !c->fids)
		return p9_fail(c, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < c->max_tags; i++)
		TAILQ_INSERT_TAIL(&c->free, &c->slots[i], link);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->wake < 0 ? p9_fail(c, -errno, "eventfd: %m") : 0;
}

static void client_free(struct p9_client *c)
{
	if (c->sock >= 0)
		close(c->sock);
	if (c->wake >= 0)
		close(c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c->slots);
	free(c->fids);
	free(c);
}

/* The program's signals are the program's: none is to be handled on our thread. */
static int start_thread(struct p9_client *c)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&c->thread, NULL, p9_rx_thread, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err ? p9_fail(c, -err, "cannot start a thread: %s", strerror(err)) : 0;
}

int p9_connect(const struct p9_options *opt, struct p9_client **out, char *errbuf, size_t errlen)
{
	const char *server = opt->server ? opt->server : "";
	struct p9_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		snprintf(errbuf, errlen, "out of memory");
		return -ENOMEM;
	}
	err = client_init(c, opt);
	if (err)
		goto err_free;
	if (!strncmp(server, "unix:", 5))
		err = dial_unix(c, server + 5);
	else if (!strncmp(server, "tcp:", 4))
		err = dial_tcp(c, server + 4);
	else
		err = p9_fail(c, -EINVAL, "'%s': neither tcp:HOST:PORT nor unix:PATH", server);
	if (!err)
		err = handshake(c);
	if (!err)
		err = start_thread(c);
	if (err)
		goto err_free;
	*out = c;
	return 0;

err_free:
	snprintf(errbuf, errlen, "%s", c->error_text);
	client_free(c);
	return err;
}

void p9_disconnect(struct p9_client *c)
{
	if (!c)
		return;
	p9_fail(c, -ENOTCONN, "disconnected");
	pthread_join(c->thread, NULL);
	client_free(c);
}

void p9_abort(struct p9_client *c)
{
	p9_fail(c, -ECANCELED, "given up");
}

void p9_set_timeout(struct p9_client *c, uint32_t timeout_ms)
{
	pthread_mutex_lock(&c->lock);
	c->timeout_ms = timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS;
	pthread_mutex_unlock(&c->lock);
}

int p9_error(struct p9_client *c)
{
	int error;

	pthread_mutex_lock(&c->lock);
	error = c->error;
	pthread_mutex_unlock(&c->lock);
	return error;
}

const char *p9_error_text(struct p9_client *c)
{
	return p9_error(c) ? c->error_text : NULL;
}

uint32_t p9_msize(const struct p9_client *c)
{
	return c->msize;
}

void p9_counters(struct p9_client *c, struct p9_counters *out)
{
	out->server_read_bytes = atomic_load(&c->server_read_bytes);
	out->server_reads = atomic_load(&c->server_reads);
	out->server_write_bytes = atomic_load(&c->server_write_bytes);
	out->server_writes = atomic_load(&c->server_writes);
	out->bytes_sent = atomic_load(&c->bytes_sent);
	out->bytes_received = atomic_load(&c->bytes_received);
}
