// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * proxy.c - counts what goes over the wire between 9P clients and a server.
 *
 *   counting-proxy --listen ADDRESS --connect ADDRESS --report FILE
 *                  [--kill-after-bytes N] [--delay-ms N]
 *
 * ADDRESS is unix:PATH or tcp:HOST:PORT; port 0 lets the kernel choose. One line
 * "listening ADDRESS" on stdout says that it is ready, and where.
 *
 * Bytes are forwarded as they come, in both directions, and the message boundaries
 * followed on the side, with no code shared with the client: what this counts can be
 * held against what the client says of itself. Totals go to FILE as one JSON object, at
 * SIGUSR1, at SIGTERM and at the end of each connection, by rename, so that a reader
 * sees a whole report or the one before.
 *
 * --kill-after-bytes cuts each connection, on both sides, when N bytes of Rread payload
 * have gone to the client, be it in the middle of a message. --delay-ms holds back what
 * the server sends by that much, without limiting how much is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

enum {
	CHUNK = 65536,
	QUEUE_MOST = 64 << 20, /* bytes held for one direction before we stop reading */
	CONNECTIONS_MOST = 128,
	HEAD = 5, /* size and type */
	RREAD_HEAD = 11,
	TREAD = 116,
	RREAD = 117,
};

/* Bytes on their way, due at @due_ms. */
struct chunk {
	TAILQ_ENTRY(chunk) link;
	uint64_t due_ms;
	size_t len, sent;
	uint8_t bytes[];
};

/* One direction of one connection. */
struct flow {
	int from, to;
	bool ended; /* no more comes from @from */
	size_t queued;
	TAILQ_HEAD(, chunk) chunks;
	/* where in the stream of messages we are */
	uint8_t head[HEAD];
	uint32_t at, size; /* bytes of this message seen, and in all */
	uint64_t *total;
};

struct connection {
	bool used;
	int client, server;
	struct flow up, down;
	uint64_t payload; /* Rread bytes let through */
};

static struct {
	uint64_t connections, bytes_to_server, bytes_to_client, messages, treads, rreads,
		rread_bytes, cut, malformed;
} totals;

static struct {
	const char *listen, *connect, *report;
	uint64_t kill_after, delay_ms;
} opt = { .kill_after = UINT64_MAX };

static struct connection connections[CONNECTIONS_MOST];

static void die(const char *what)
{
	fprintf(stderr, "counting-proxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void report(void)
{
	struct json_object *o = json_object_new_object();
	char tmp[4096];

	json_object_object_add(o, "connections", json_object_new_uint64(totals.connections));
	json_object_object_add(o, "bytes_to_server",
			       json_object_new_uint64(totals.bytes_to_server));
	json_object_object_add(o, "bytes_to_client",
			       json_object_new_uint64(totals.bytes_to_client));
	json_object_object_add(o, "messages", json_object_new_uint64(totals.messages));
	json_object_object_add(o, "treads", json_object_new_uint64(totals.treads));
	json_object_object_add(o, "rreads", json_object_new_uint64(totals.rreads));
	json_object_object_add(o, "rread_bytes", json_object_new_uint64(totals.rread_bytes));
	json_object_object_add(o, "cut", json_object_new_uint64(totals.cut));
	json_object_object_add(o, "malformed", json_object_new_uint64(totals.malformed));
	snprintf(tmp, sizeof(tmp), "%s.new", opt.report);
	if (json_object_to_file(tmp, o) || rename(tmp, opt.report))
		die(opt.report);
	json_object_put(o);
}

/* ---- addresses ---- */

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

static void parse_tcp(const char *where, struct address *out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	const char *colon = strrchr(where, ':');
	char host[256];
	int err;

	snprintf(host, sizeof(host), "%.*s", colon ? (int)(colon - where) : 0, where);
	err = getaddrinfo(host, colon ? colon + 1 : "", &hints, &ai);
	if (err) {
		fprintf(stderr, "counting-proxy: %s: %s\n", where, gai_strerror(err));
		exit(2);
	}
	memcpy(&out->sa, ai->ai_addr, ai->ai_addrlen);
	out->len = ai->ai_addrlen;
	freeaddrinfo(ai);
}

static void parse_address(const char *text, struct address *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;

	memset(out, 0, sizeof(*out));
	if (!strncmp(text, "unix:", 5) && strlen(text + 5) < sizeof(un->sun_path)) {
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, text + 5);
		out->len = sizeof(*un);
	} else if (!strncmp(text, "tcp:", 4)) {
		parse_tcp(text + 4, out);
	} else {
		fprintf(stderr, "counting-proxy: %s: no address\n", text);
		exit(2);
	}
}

static int open_listener(void)
{
	struct address a;
	char host[64], port[16];
	int fd, on = 1;

	parse_address(opt.listen, &a);
	fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a.sa, a.len) || listen(fd, 16))
		die(opt.listen);
	if (a.sa.ss_family == AF_UNIX) {
		printf("listening %s\n", opt.listen);
	} else {
		getsockname(fd, (struct sockaddr *)&a.sa, &a.len);
		getnameinfo((struct sockaddr *)&a.sa, a.len, host, sizeof(host), port,
			    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
		printf("listening tcp:%s:%s\n", host, port);
	}
	fflush(stdout);
	return fd;
}

/* ---- connections ---- */

static void flow_init(struct flow *f, int from, int to, uint64_t *total)
{
	*f = (struct flow){ .from = from, .to = to, .total = total };
	TAILQ_INIT(&f->chunks);
}

static void flow_free(struct flow *f)
{
	struct chunk *c;

	while ((c = TAILQ_FIRST(&f->chunks))) {
		TAILQ_REMOVE(&f->chunks, c, link);
		free(c);
	}
}

static void connection_end(struct connection *c)
{
	flow_free(&c->up);
	flow_free(&c->down);
	close(c->client);
	close(c->server);
	c->used = false;
	report();
}

static void nonblocking(int fd)
{
	int on = 1;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on unix sockets */
}

static void connection_begin(int listener)
{
	int client = accept(listener, NULL, NULL), server;
	struct connection *c = connections;
	struct address a;

	if (client < 0)
		return;
	while (c < connections + CONNECTIONS_MOST && c->used)
		c++;
	parse_address(opt.connect, &a);
	server = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c == connections + CONNECTIONS_MOST || server < 0 ||
	    connect(server, (struct sockaddr *)&a.sa, a.len)) {
		fprintf(stderr, "counting-proxy: %s: %s\n", opt.connect, strerror(errno));
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	nonblocking(client);
	nonblocking(server);
	*c = (struct connection){ .used = true, .client = client, .server = server };
	flow_init(&c->up, client, server, &totals.bytes_to_server);
	flow_init(&c->down, server, client, &totals.bytes_to_client);
	totals.connections++;
}

/* ---- following the messages ---- */

static void message_begins(struct flow *f, bool down)
{
	f->size = (uint32_t)f->head[0] | (uint32_t)f->head[1] << 8 | (uint32_t)f->head[2] << 16 |
		  (uint32_t)f->head[3] << 24;
	if (f->size < 7) { /* no telling where the next one begins */
		totals.malformed++;
		f->size = UINT32_MAX;
	}
	totals.messages++;
	totals.treads += !down && f->head[4] == TREAD;
	totals.rreads += down && f->head[4] == RREAD;
}

/* Count @len bytes of the stream; fewer are returned if the payload has to end there. */
static size_t follow(struct connection *c, struct flow *f, const uint8_t *p, size_t len)
{
	bool down = f == &c->down;
	size_t done = 0, n;

	while (done < len) {
		if (f->at < HEAD) {
			f->head[f->at++] = p[done++];
			if (f->at == HEAD)
				message_begins(f, down);
			continue;
		}
		n = f->size - f->at < len - done ? f->size - f->at : len - done;
		if (down && f->head[4] == RREAD) {
			if (f->at < RREAD_HEAD && n > RREAD_HEAD - f->at)
				n = RREAD_HEAD - f->at;
			if (f->at >= RREAD_HEAD) {
				if (n > opt.kill_after - c->payload)
					n = (size_t)(opt.kill_after - c->payload);
				if (!n)
					return done;
				c->payload += n;
				totals.rread_bytes += n;
			}
		}
		f->at += (uint32_t)n;
		done += n;
		if (f->at == f->size)
			f->at = f->size = 0;
	}
	return done;
}

static void flow_read(struct connection *c, struct flow *f)
{
	struct chunk *k;
	ssize_t n;

	if (f->ended) /* what comes after a cut is not for the other side */
		return;
	k = malloc(sizeof(*k) + CHUNK);
	if (!k)
		die("malloc");
	n = recv(f->from, k->bytes, CHUNK, 0);
	if (n <= 0) {
		free(k);
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			f->ended = true;
		return;
	}
	k->len = follow(c, f, k->bytes, (size_t)n);
	k->sent = 0;
	k->due_ms = f == &c->down ? now_ms() + opt.delay_ms : 0;
	if (k->len < (size_t)n) {
		f->ended = true;
		totals.cut++;
	}
	f->queued += k->len;
	TAILQ_INSERT_TAIL(&f->chunks, k, link);
}

static void flow_write(struct flow *f)
{
	struct chunk *k;
	ssize_t n;

	while ((k = TAILQ_FIRST(&f->chunks)) && k->due_ms <= now_ms()) {
		n = k->len ? send(f->to, k->bytes + k->sent, k->len - k->sent, MSG_NOSIGNAL) : 0;
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR) {
				flow_free(f);
				f->ended = true;
			}
			return;
		}
		k->sent += (size_t)n;
		f->queued -= (size_t)n;
		*f->total += (uint64_t)n;
		if (k->sent < k->len)
			return;
		TAILQ_REMOVE(&f->chunks, k, link);
		free(k);
	}
}

/* ---- the loop ---- */

static int timeout_of(const struct flow *f, int timeout)
{
	const struct chunk *k = TAILQ_FIRST(&f->chunks);
	uint64_t now = now_ms();

	if (!k || k->due_ms <= now)
		return timeout;
	return timeout < 0 || k->due_ms - now < (uint64_t)timeout ? (int)(k->due_ms - now) :
								     timeout;
}

static struct pollfd flow_poll(const struct flow *in, const struct flow *out)
{
	const struct chunk *k = TAILQ_FIRST(&out->chunks);
	struct pollfd p = { .fd = in->from };

	if (!in->ended && in->queued < QUEUE_MOST)
		p.events |= POLLIN;
	if (k && k->due_ms <= now_ms())
		p.events |= POLLOUT;
	if (!p.events)
		p.fd = -1; /* or a hung-up socket would make poll return at once, for ever */
	return p;
}

static void connection_serve(struct connection *c, short client, short server)
{
	if (client & (POLLIN | POLLHUP | POLLERR))
		flow_read(c, &c->up);
	if (server & (POLLIN | POLLHUP | POLLERR))
		flow_read(c, &c->down);
	flow_write(&c->up);
	flow_write(&c->down);
	/* Either end gone: pass on what it said last, then close both. */
	if ((c->up.ended && TAILQ_EMPTY(&c->up.chunks)) ||
	    (c->down.ended && TAILQ_EMPTY(&c->down.chunks)))
		connection_end(c);
}

static void serve(int listener, int signals)
{
	struct pollfd p[2 + 2 * CONNECTIONS_MOST];
	struct signalfd_siginfo si;
	int timeout;

	for (;;) {
		timeout = -1;
		p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = signals, .events = POLLIN };
		for (int i = 0; i < CONNECTIONS_MOST; i++) {
			struct connection *c = &connections[i];

			p[2 + 2 * i].fd = p[3 + 2 * i].fd = -1;
			if (!c->used)
				continue;
			p[2 + 2 * i] = flow_poll(&c->up, &c->down);
			p[3 + 2 * i] = flow_poll(&c->down, &c->up);
			timeout = timeout_of(&c->down, timeout);
		}
		if (poll(p, 2 + 2 * CONNECTIONS_MOST, timeout) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < CONNECTIONS_MOST; i++)
			if (connections[i].used)
				connection_serve(&connections[i],
						 p[2 + 2 * i].fd < 0 ? 0 : p[2 + 2 * i].revents,
						 p[3 + 2 * i].fd < 0 ? 0 : p[3 + 2 * i].revents);
		if (p[0].revents)
			connection_begin(listener);
		if (p[1].revents && read(signals, &si, sizeof(si)) == sizeof(si)) {
			report();
			if (si.ssi_signo == SIGTERM)
				return;
		}
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "connect", required_argument, NULL, 'c' },
		{ "report", required_argument, NULL, 'r' },
		{ "kill-after-bytes", required_argument, NULL, 'k' },
		{ "delay-ms", required_argument, NULL, 'd' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'l': opt.listen = optarg; break;
		case 'c': opt.connect = optarg; break;
		case 'r': opt.report = optarg; break;
		case 'k': opt.kill_after = strtoull(optarg, NULL, 10); break;
		case 'd': opt.delay_ms = strtoull(optarg, NULL, 10); break;
		default: exit(2);
		}
	}
	if (!opt.listen || !opt.connect || !opt.report || optind != argc) {
		fprintf(stderr, "usage: counting-proxy --listen ADDRESS --connect ADDRESS "
				"--report FILE [--kill-after-bytes N] [--delay-ms N]\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	int listener, signals;
	sigset_t set;

	parse_options(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		die("signalfd");
	listener = open_listener();
	serve(listener, signals);
	for (int i = 0; i < CONNECTIONS_MOST; i++)
		if (connections[i].used)
			connection_end(&connections[i]);
	if (!strncmp(opt.listen, "unix:", 5))
		unlink(opt.listen + 5);
	close(listener);
	close(signals);
	return 0;
}
