// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * evil.c - a 9P server that a test scripts byte by byte, and reads that are waited for.
 */
#include "evil.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the server's side ---- */

void server_send(struct server *s, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	ssize_t n;

	while (len) {
		n = send(s->sock, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* the client has hung up, as it may */
		p += n;
		len -= (size_t)n;
	}
}

/* Receive the next request. Its type, or 0 at the end. */
int server_next(struct server *s)
{
	if (recv(s->sock, s->msg, P9_HEADER, MSG_WAITALL) != P9_HEADER ||
	    p9_dec_header(s->msg, P9_HEADER, &s->h) || s->h.size > sizeof(s->msg))
		return 0;
	if (s->h.size > P9_HEADER &&
	    recv(s->sock, s->msg + P9_HEADER, s->h.size - P9_HEADER, MSG_WAITALL) !=
		    (ssize_t)(s->h.size - P9_HEADER))
		return 0;
	return s->h.type;
}

uint32_t msg_u32(const struct server *s, size_t at)
{
	struct p9_dec d;

	p9_dec_init(&d, s->msg + at, 4);
	return p9_dec_u32(&d);
}

/* A reply of @type and @tag with @len bytes of @body and an honest size. */
void server_reply(struct server *s, uint8_t type, uint16_t tag, const void *body, size_t len)
{
	uint8_t *msg = malloc(P9_HEADER + len);
	struct p9_enc e;

	p9_enc_begin(&e, msg, P9_HEADER + len, type);
	for (size_t i = 0; i < len; i++)
		p9_enc_u8(&e, ((const uint8_t *)body)[i]);
	p9_enc_end(&e);
	p9_msg_set_tag(msg, tag);
	server_send(s, msg, P9_HEADER + len);
	free(msg);
}

/* Byte @pos of file number @fid. */
uint8_t content(uint32_t fid, uint64_t pos)
{
	return (uint8_t)(fid * 31 + pos * 7 + (pos >> 8));
}

/* Rread for a Tread of @tag, @fid, @offset, with @count bytes. */
void server_data(struct server *s, uint16_t tag, uint32_t fid, uint64_t offset,
			uint32_t count)
{
	uint8_t *body = malloc(4 + count);

	for (int i = 0; i < 4; i++)
		body[i] = (uint8_t)(count >> (8 * i));
	for (uint32_t i = 0; i < count; i++)
		body[4 + i] = content(fid, offset + i);
	server_reply(s, P9_RREAD, tag, body, 4 + count);
	free(body);
}

/* Answer the request in s->msg as a decent server with one endless file would. */
void server_decent(struct server *s)
{
	uint8_t qid_and[17] = { 0 }, msize_and[14] = { 0 }, walk[2 + 16 * 13] = { 0 };
	uint8_t attr[153] = { 1 };
	uint32_t msize;

	switch (s->h.type) {
	case P9_TVERSION:
		msize = s->msize ? s->msize : msg_u32(s, 7);
		for (int i = 0; i < 4; i++)
			msize_and[i] = (uint8_t)(msize >> (8 * i));
		memcpy(msize_and + 4, "\x08\0" "9P2000.L", 10);
		server_reply(s, P9_RVERSION, s->h.tag, msize_and, 14);
		break;
	case P9_TCLUNK:
		s->clunks++;
		server_reply(s, P9_RCLUNK, s->h.tag, NULL, 0);
		break;
	case P9_TATTACH:
		server_reply(s, P9_RATTACH, s->h.tag, qid_and, 13);
		break;
	case P9_TWALK:
		walk[0] = s->msg[15];
		server_reply(s, P9_RWALK, s->h.tag, walk, 2 + 13u * walk[0]);
		break;
	case P9_TLOPEN:
		server_reply(s, P9_RLOPEN, s->h.tag, qid_and, 17);
		break;
	case P9_TGETATTR:
		server_reply(s, P9_RGETATTR, s->h.tag, attr, 153);
		break;
	case P9_TREAD:
		server_data(s, s->h.tag, msg_u32(s, 7), msg_u32(s, 11), msg_u32(s, 19));
		break;
	default:
		server_reply(s, (uint8_t)(s->h.type + 1), s->h.tag, NULL, 0);
	}
}

/* Be decent until a request of @type comes, and leave that to the script. */
bool server_until(struct server *s, int type)
{
	int t;

	while ((t = server_next(s)) && t != type)
		server_decent(s);
	return t != 0;
}

static void *server_thread(void *arg)
{
	struct server *s = arg;

	s->sock = accept(s->listener, NULL, NULL);
	if (s->sock >= 0) {
		s->script(s);
		close(s->sock);
	}
	return NULL;
}

void server_start(struct server *s, void (*script)(struct server *), uint32_t msize)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(s, 0, sizeof(*s));
	s->script = script;
	s->msize = msize;
	sem_init(&s->go, 0, 0);
	strcpy(s->dir, "/tmp/p9-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->address, sizeof(s->address), "unix:%s/sock", s->dir);
	strcpy(sa.sun_path, s->address + 5);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(s->listener, (struct sockaddr *)&sa, sizeof(sa)), errno);
	assert_return_code(listen(s->listener, 1), errno);
	assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	unlink(s->address + 5);
	rmdir(s->dir);
	sem_destroy(&s->go);
}

/* ---- the client's side ---- */

struct p9_options fixture_options(const struct fixture *f)
{
	return (struct p9_options){ .server = f->s.address, .timeout_ms = TIMEOUT_MS };
}

void fixture_begin_with(struct fixture *f, void (*script)(struct server *), uint32_t max_tags,
		       uint32_t timeout_ms)
{
	struct p9_options opt;

	server_start(&f->s, script, 0);
	opt = fixture_options(f);
	opt.max_tags = max_tags;
	opt.timeout_ms = timeout_ms;
	assert_int_equal(p9_connect(&opt, &f->c, f->text, sizeof(f->text)), 0);
	assert_int_equal(p9_attach(f->c, NO_NAME, 0, NO_NAME, &f->root), 0);
}

void fixture_begin(struct fixture *f, void (*script)(struct server *))
{
	fixture_begin_with(f, script, 0, TIMEOUT_MS);
}

void fixture_end(struct fixture *f)
{
	p9_disconnect(f->c);
	server_stop(&f->s);
}

void expect_dead(struct fixture *f, int error, const char *reason)
{
	struct p9_attr a;

	assert_int_equal(p9_error(f->c), error);
	assert_non_null(p9_error_text(f->c));
	if (!strstr(p9_error_text(f->c), reason))
		fail_msg("'%s' lacks '%s'", p9_error_text(f->c), reason);
	/* and so for whatever comes later */
	assert_int_equal(p9_getattr(f->c, f->root, &a), error);
}

static void waited_done(struct p9_read *r, int64_t result)
{
	struct waited *w = (struct waited *)((char *)r - offsetof(struct waited, r));

	w->times++;
	w->result = result;
	sem_post(&w->done);
}

static void start(struct fixture *f, struct waited *w, uint64_t offset, uint32_t len, bool more)
{
	memset(w, 0, sizeof(*w));
	sem_init(&w->done, 0, 0);
	w->r = (struct p9_read){ .fid = f->root, .offset = offset, .buf = w->buf, .len = len,
				 .more = more, .done = waited_done };
	p9_read_start(f->c, &w->r);
}

void waited_start(struct fixture *f, struct waited *w, uint64_t offset, uint32_t len)
{
	start(f, w, offset, len, false);
}

void waited_keep_back(struct fixture *f, struct waited *w, uint64_t offset, uint32_t len)
{
	start(f, w, offset, len, true);
}

int64_t waited_end(struct waited *w)
{
	while (sem_wait(&w->done))
		;
	return w->result;
}

void expect_content(const struct waited *w, uint32_t fid, uint64_t offset)
{
	for (int64_t i = 0; i < w->result; i++)
		assert_int_equal(w->buf[i], content(fid, offset + (uint64_t)i));
}
