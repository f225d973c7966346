// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conn_shim.c - see conn_shim.h.
 *
 * A piece of what the server says is, in the input, a byte of flags, one or (LONG) two bytes of
 * length, and so many bytes.
 */
#include "conn_shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "fiber.h"

enum {
	FIX_SIZE = 1,  /* its first four bytes are made its length, */
	FIX_TAG = 2,   /* its tag is made that of the request, */
	FIX_TYPE = 4,  /* its type that of an answer to it, */
	FIX_COUNT = 8, /* the count of bytes that an Rread has is made right */
	LONG = 16,
	IN_BITS = 32,  /* it arrives a few bytes at a time */
	LATER = 64,    /* it is kept until the client waits for it */
};

enum {
	SEND_SHORT = 1, /* of the run: sendmsg takes a part, */
	SEND_AGAIN = 2, /* or nothing, at first */
};

#define SAID_MAX (1u << 17)

static struct {
	struct input *in;
	unsigned int flags;
	bool hung_up, shut;

	uint8_t said[SAID_MAX]; /* all that the server has said */
	size_t nsaid, received;
	size_t bits;            /* bytes that recv gives at a time; 0: all */

	uint8_t request[24];    /* the beginning of the one being sent, or last sent */
	size_t nrequest;        /* bytes of it so far */
	bool again;

	struct fiber host, rx;
	void *(*rx_fn)(void *arg);
	void *rx_arg;
	bool rx_runs, on_rx, answered;
} s;

/* --- What the server says -------------------------------------------------------------------- */

static void fix_piece(uint8_t *p, size_t len, unsigned int flags)
{
	if (len >= 4 && flags & FIX_SIZE)
		put_le(p, len, 4);
	if (len >= 7 && flags & FIX_TYPE)
		p[4] = (uint8_t)(s.request[4] + 1);
	if (len >= 7 && flags & FIX_TAG)
		memcpy(p + 5, s.request + 5, 2);
	if (len >= 11 && flags & FIX_COUNT)
		put_le(p + 7, len - 11, 4);
}

/* False: it is kept. At the end of the input the server hangs up. */
static bool say(bool now)
{
	unsigned int flags;
	size_t len;

	if (!s.in->left) {
		s.hung_up = true;
		return true;
	}
	if (!now && *s.in->at & LATER)
		return false;
	flags = (unsigned int)take(s.in, 1);
	len = (size_t)take(s.in, flags & LONG ? 2 : 1);
	if (len > s.in->left)
		len = s.in->left;
	if (len > SAID_MAX - s.nsaid)
		len = SAID_MAX - s.nsaid;
	memcpy(s.said + s.nsaid, s.in->at, len);
	s.in->at += len;
	s.in->left -= len;
	fix_piece(s.said + s.nsaid, len, flags);
	s.nsaid += len;
	s.bits = flags & IN_BITS ? 1 + len % 5 : 0;
	return true;
}

const uint8_t *shim_any_reply(uint8_t type, const uint8_t *after, size_t *len)
{
	size_t at = 0, size;

	for (; at + 7 <= s.nsaid; at += size) {
		size = (size_t)get_le(s.said + at, 4);
		if (size < 7 || size > s.nsaid - at)
			return NULL;
		if ((!after || s.said + at > after) && s.said[at + 4] == type) {
			*len = size;
			return s.said + at;
		}
	}
	return NULL;
}

const uint8_t *shim_reply(uint8_t type, const uint8_t *after, size_t *len)
{
	do {
		after = shim_any_reply(type, after, len);
	} while (after && memcmp(after + 5, s.request + 5, 2));
	return after;
}

/* --- The socket ------------------------------------------------------------------------------ */

int shim_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	return eventfd(0, EFD_CLOEXEC); /* something that can be closed */
}

int shim_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	(void)fd;
	(void)sa;
	(void)len;
	return 0;
}

int shim_shutdown(int fd, int how)
{
	(void)fd;
	(void)how;
	s.shut = true;
	return 0;
}

/* So much of a message has been sent. */
static void sent(const uint8_t *p, size_t len)
{
	size_t size;

	for (size_t i = 0; i < len; i++) {
		if (s.nrequest < sizeof(s.request))
			s.request[s.nrequest] = p[i];
		s.nrequest++;
		size = s.nrequest >= 4 ? (size_t)get_le(s.request, 4) : SIZE_MAX;
		FUZZ_CHECK(s.nrequest < 4 || size >= 7);
		if (s.nrequest == size) {
			s.nrequest = 0;
			say(false);
		}
	}
}

ssize_t shim_send(int fd, const void *buf, size_t len, int flags)
{
	(void)fd;
	(void)flags;
	sent(buf, len);
	return (ssize_t)len;
}

ssize_t shim_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	size_t total = 0;

	(void)fd;
	(void)flags;
	if (s.shut) {
		errno = EPIPE;
		return -1;
	}
	s.again = !s.again && s.flags & SEND_AGAIN;
	if (s.again) {
		errno = EAGAIN;
		return -1;
	}
	if (s.flags & SEND_SHORT && mh->msg_iov[0].iov_len > 5) {
		sent(mh->msg_iov[0].iov_base, 5);
		return 5;
	}
	for (size_t i = 0; i < mh->msg_iovlen; i++) {
		sent(mh->msg_iov[i].iov_base, mh->msg_iov[i].iov_len);
		total += mh->msg_iov[i].iov_len;
	}
	return (ssize_t)total;
}

ssize_t shim_recv(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	return shim_recvmsg(fd, &mh, flags);
}

static void give(const struct msghdr *mh, size_t n)
{
	for (size_t i = 0; i < mh->msg_iovlen && n; i++) {
		size_t part = mh->msg_iov[i].iov_len < n ? mh->msg_iov[i].iov_len : n;

		memcpy(mh->msg_iov[i].iov_base, s.said + s.received, part);
		s.received += part;
		n -= part;
	}
}

ssize_t shim_recvmsg(int fd, struct msghdr *mh, int flags)
{
	size_t n = s.nsaid - s.received, len = 0;

	(void)fd;
	(void)flags;
	for (size_t i = 0; i < mh->msg_iovlen; i++)
		len += mh->msg_iov[i].iov_len;
	FUZZ_CHECK(len);
	if (s.shut || (!n && s.hung_up))
		return 0;
	if (!n) {
		errno = EAGAIN;
		return -1;
	}
	if (n > len)
		n = len;
	if (s.bits && n > s.bits)
		n = s.bits;
	give(mh, n);
	return (ssize_t)n;
}

static bool readable(void)
{
	return s.received < s.nsaid || s.hung_up || s.shut;
}

/* --- The receiver's thread ------------------------------------------------------------------- */

static void leave_rx(bool ended)
{
	s.on_rx = false;
	fiber_switch(&s.rx, &s.host, ended);
	s.on_rx = true;
}

static void rx_entry(void)
{
	fiber_arrived();
	s.rx_fn(s.rx_arg);
	s.rx_runs = false;
	leave_rx(true);
	abort();
}

void shim_receive(void)
{
	FUZZ_CHECK(!s.on_rx);
	s.answered = false;
	if (s.rx_runs) {
		s.on_rx = true;
		fiber_switch(&s.host, &s.rx, false);
	}
}

void shim_answered(void)
{
	s.answered = true;
}

/* Whoever waits here has nothing else to do: the others' turn, and if nobody has anything to do the
 * server's, who has to say something then. */
int shim_poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	(void)timeout;
	for (nfds_t i = 0; i < nfds; i++)
		fds[i].revents = 0;
	if (s.on_rx && s.answered)
		leave_rx(false);
	if (fds[0].events & POLLOUT)
		fds[0].revents |= POLLOUT;
	if (!fds[0].revents && !readable())
		say(true);
	if (readable())
		fds[0].revents |= POLLIN;
	return fds[0].revents != 0;
}

int shim_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			void *arg)
{
	char *stack = fiber_stack_new();

	(void)attr;
	if (!stack)
		abort();
	memset(thread, 0x77, sizeof(*thread));
	s.rx_fn = fn;
	s.rx_arg = arg;
	fiber_init_host(&s.host);
	fiber_init(&s.rx, stack, rx_entry);
	s.rx_runs = true;
	return 0;
}

int shim_pthread_join(pthread_t thread, void **ret)
{
	(void)thread;
	(void)ret;
	while (s.rx_runs)
		shim_receive();
	fiber_stack_free(s.rx.stack);
	fiber_fini(&s.rx);
	s.rx.stack = NULL;
	return 0;
}

pthread_t shim_pthread_self(void)
{
	pthread_t self;

	memset(&self, s.on_rx ? 0x77 : 0x11, sizeof(self));
	return self;
}

int shim_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	(void)cond;
	FUZZ_CHECK(s.rx_runs);
	pthread_mutex_unlock(mutex);
	shim_receive();
	pthread_mutex_lock(mutex);
	return 0;
}

int shim_pthread_cond_signal(pthread_cond_t *cond)
{
	(void)cond;
	s.answered = true;
	return 0;
}

void shim_begin(struct input *in, unsigned int flags)
{
	s.in = in;
	s.hung_up = s.shut = s.again = s.rx_runs = s.on_rx = s.answered = false;
	s.nsaid = s.received = s.bits = s.nrequest = 0;
	s.flags = flags;
}

void shim_end(void)
{
	FUZZ_CHECK(!s.rx_runs && !s.rx.stack);
}
