// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_client.c - the 9P client against servers that misbehave: each reply that makes no
 * sense ends the connection with a reason, and everything else goes on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "evil.h"

/* ---- connecting ---- */

static void script_decent(struct server *s)
{
	while (server_next(s))
		server_decent(s);
}

static int connect_error(void (*script)(struct server *), uint32_t msize, char *text, size_t len)
{
	struct p9_options opt;
	struct p9_client *c;
	struct fixture f;
	int err;

	server_start(&f.s, script, msize);
	opt = fixture_options(&f);
	err = p9_connect(&opt, &c, text, len);
	if (!err)
		p9_disconnect(c);
	server_stop(&f.s);
	return err;
}

static void script_unknown_version(struct server *s)
{
	server_next(s);
	server_reply(s, P9_RVERSION, P9_NOTAG, "\0\0\x01\0\x07\0unknown", 13);
}

static void script_version_error(struct server *s)
{
	server_next(s);
	server_reply(s, P9_RERROR, P9_NOTAG, "\x5f\0\0\0", 4);
}

static void script_version_garbage(struct server *s)
{
	server_next(s);
	server_send(s, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	server_next(s);
}

static void script_version_tag(struct server *s)
{
	server_next(s);
	server_reply(s, P9_RVERSION, 0, "\0\0\x01\0\x08\0" "9P2000.L", 14);
}

static void script_hang_up(struct server *s)
{
	server_next(s);
}

static void script_silent(struct server *s)
{
	while (server_next(s))
		;
}

static void a_server_that_cannot_be_talked_to_is_refused(void **state)
{
	char text[128];

	(void)state;
	assert_int_equal(connect_error(script_decent, 0, text, sizeof(text)), 0);
	assert_int_equal(connect_error(script_decent, 256, text, sizeof(text)), 0);
	assert_int_equal(connect_error(script_decent, 255, text, sizeof(text)), -EPROTO);
	assert_non_null(strstr(text, "msize 255"));
	assert_int_equal(connect_error(script_decent, 65537, text, sizeof(text)), -EPROTO);
	assert_int_equal(connect_error(script_unknown_version, 0, text, sizeof(text)),
			 -EPROTONOSUPPORT);
	assert_int_equal(connect_error(script_version_error, 0, text, sizeof(text)),
			 -EPROTONOSUPPORT);
	assert_int_equal(connect_error(script_version_garbage, 0, text, sizeof(text)), -EBADMSG);
	assert_int_equal(connect_error(script_version_tag, 0, text, sizeof(text)), -EPROTO);
	assert_int_equal(connect_error(script_hang_up, 0, text, sizeof(text)), -ECONNRESET);
	assert_int_equal(connect_error(script_silent, 0, text, sizeof(text)), -ETIMEDOUT);
}

static void addresses_that_lead_nowhere_are_errors(void **state)
{
	static const struct {
		const char *server;
		int error;
	} cases[] = {
		{ "unix:/nonexistent/socket", -ENOENT },
		{ "tcp:localhost", -EINVAL },
		{ "tcp::564", -EINVAL },
		{ "udp:localhost:564", -EINVAL },
		{ NULL, -EINVAL },
		{ "tcp:127.0.0.1:1", -ECONNREFUSED },
	};
	struct p9_options opt = { 0 };
	struct p9_client *c;
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		opt.server = cases[i].server;
		text[0] = '\0';
		assert_int_equal(p9_connect(&opt, &c, text, sizeof(text)), cases[i].error);
		assert_true(text[0]);
		assert_int_equal(p9_connect(&opt, &c, NULL, 0), cases[i].error);
	}
	opt = (struct p9_options){ .server = "unix:/x", .msize = 255 };
	assert_int_equal(p9_connect(&opt, &c, text, sizeof(text)), -EINVAL);
}

/* ---- replies that make no sense: to a Tgetattr, or to a Tread ---- */

struct evil {
	const char *what;
	uint8_t request; /* P9_TGETATTR or P9_TREAD, of tag 0 */
	const char *bytes;
	size_t len;
	bool close; /* hang up after them */
	int error;
	const char *reason;
};

#define RAW(s) (s), sizeof(s) - 1

static const struct evil evils[] = {
	{ "size below a header", P9_TGETATTR, RAW("\x06\0\0\0\x19\0\0"), false, -EBADMSG, "6 bytes" },
	{ "size zero", P9_TREAD, RAW("\0\0\0\0\x75\0\0"), false, -EBADMSG, "0 bytes" },
	{ "size over msize", P9_TREAD, RAW("\xff\xff\xff\x7f\x75\0\0\xf4\xff\xff\x7f"), false,
	  -EPROTO, "more than the agreed" },
	{ "short Rgetattr", P9_TGETATTR, RAW("\x0b\0\0\0\x19\0\0\0\0\0\0"), false, -EBADMSG,
	  "malformed Rgetattr" },
	{ "Rgetattr too long", P9_TGETATTR, RAW("\xa1\0\0\0\x19\0\0"), false, -EPROTO,
	  "160 were the most" },
	{ "unknown tag", P9_TGETATTR, RAW("\x07\0\0\0\x79\x07\0"), false, -EPROTO, "tag 7" },
	{ "tag out of range", P9_TGETATTR, RAW("\x07\0\0\0\x79\xff\xff"), false, -EPROTO,
	  "tag 65535" },
	{ "flush that wasn't asked", P9_TGETATTR, RAW("\x07\0\0\0\x6d\x40\0"), false, -EPROTO,
	  "Rflush with tag 64" },
	{ "flush with the request's tag", P9_TGETATTR, RAW("\x07\0\0\0\x6d\0\0"), false, -EPROTO,
	  "Rflush with tag 0" },
	{ "long Rflush", P9_TGETATTR, RAW("\x08\0\0\0\x6d\0\0\0"), false, -EBADMSG,
	  "malformed Rflush" },
	{ "wrong type", P9_TGETATTR, RAW("\x07\0\0\0\x79\0\0"), false, -EPROTO,
	  "Rclunk (type 121) in answer to Tgetattr" },
	{ "data for who asked none", P9_TGETATTR, RAW("\x0c\0\0\0\x75\0\0\x01\0\0\0x"), false,
	  -EPROTO, "Rread (type 117) in answer to Tgetattr" },
	{ "a request for a reply", P9_TREAD, RAW("\x0b\0\0\0\x74\0\0\0\0\0\0"), false, -EPROTO,
	  "in answer to Tread" },
	{ "empty error", P9_TGETATTR, RAW("\x07\0\0\0\x07\0\0"), false, -EBADMSG,
	  "malformed Rlerror" },
	{ "error with text", P9_TGETATTR, RAW("\x10\0\0\0\x6b\0\0\x07\0no such"), false,
	  -EBADMSG, "malformed Rerror" },
	{ "Rread without count", P9_TREAD, RAW("\x07\0\0\0\x75\0\0"), false, -EBADMSG,
	  "malformed Rread" },
	{ "count over size", P9_TREAD, RAW("\x0c\0\0\0\x75\0\0\x02\0\0\0x"), false, -EBADMSG,
	  "malformed Rread" },
	{ "count under size", P9_TREAD, RAW("\x0d\0\0\0\x75\0\0\x01\0\0\0xy"), false, -EBADMSG,
	  "malformed Rread" },
	{ "count that wraps", P9_TREAD, RAW("\x0b\0\0\0\x75\0\0\xff\xff\xff\xff"), false,
	  -EBADMSG, "malformed Rread" },
	{ "more than asked", P9_TREAD, RAW("\x10\0\0\0\x75\0\0\x05\0\0\0hello"), false, -EPROTO,
	  "5 bytes where 4 were the most" },
	{ "end in the header", P9_TREAD, RAW("\x0f\0\0\0"), true, -ECONNRESET, "in the middle" },
	{ "end in the count", P9_TREAD, RAW("\x0f\0\0\0\x75\0\0\x04"), true, -ECONNRESET,
	  "in the middle" },
	{ "end in the payload", P9_TREAD, RAW("\x0f\0\0\0\x75\0\0\x04\0\0\0he"), true,
	  -ECONNRESET, "in the middle" },
	{ "end in attributes", P9_TGETATTR, RAW("\xa0\0\0\0\x19\0\0xyz"), true, -ECONNRESET,
	  "in the middle" },
	{ "end between messages", P9_TREAD, RAW(""), true, -ECONNRESET, "closed the connection" },
	{ "silence", P9_TGETATTR, RAW(""), false, -ETIMEDOUT, "no answer to Tgetattr" },
	{ "silence after a header", P9_TREAD, RAW("\x0f\0\0\0\x75\0\0\x04\0\0\0h"), false,
	  -ETIMEDOUT, "no answer to Tread" },
};

static const struct evil *evil_now;

static void script_evil(struct server *s)
{
	if (!server_until(s, evil_now->request))
		return;
	server_send(s, evil_now->bytes, evil_now->len);
	while (!evil_now->close && server_next(s))
		;
}

static void replies_that_make_no_sense_end_the_connection(void **state)
{
	struct p9_attr a;
	struct waited w;
	struct fixture f;
	int64_t r;

	(void)state;
	for (size_t i = 0; i < sizeof(evils) / sizeof(evils[0]); i++) {
		evil_now = &evils[i];
		fixture_begin(&f, script_evil);
		if (evil_now->request == P9_TREAD) {
			waited_start(&f, &w, 0, 4);
			r = waited_end(&w);
			assert_int_equal(w.times, 1);
		} else {
			r = p9_getattr(f.c, f.root, &a);
		}
		if (r != evil_now->error)
			fail_msg("%s: %d", evil_now->what, (int)r);
		expect_dead(&f, evil_now->error, evil_now->reason);
		fixture_end(&f);
	}
}

/* Partial and overlong walks, directories and links: right in form, wrong in substance. */
static void script_walks(struct server *s)
{
	uint8_t walk[2 + 16 * 13] = { 0 };

	for (int i = 0; server_until(s, P9_TWALK); i++) {
		walk[0] = i == 0 ? 0 : i == 1 ? 1 : i == 2 ? 16 : i == 3 ? 3 : 5;
		server_reply(s, P9_RWALK, s->h.tag, walk, 2 + 13u * walk[0]);
	}
}

static void partial_walks_are_enoent_and_leak_nothing(void **state)
{
	struct p9_blob names[20];
	struct fixture f;
	uint32_t fid;

	(void)state;
	for (int i = 0; i < 20; i++)
		names[i] = (struct p9_blob){ "n", 1 };
	fixture_begin(&f, script_walks);
	assert_int_equal(p9_walk(f.c, f.root, names, 2, &fid), -ENOENT);
	assert_int_equal(p9_walk(f.c, f.root, names, 2, &fid), -ENOENT);
	/* the second of two messages fails: the fid is there, and has to be clunked */
	assert_int_equal(p9_walk(f.c, f.root, names, 20, &fid), -ENOENT);
	assert_int_equal(p9_error(f.c), 0);
	assert_int_equal(p9_walk(f.c, f.root, names, 2, &fid), -EPROTO);
	expect_dead(&f, -EPROTO, "Rwalk of 5 names in answer to 2");
	fixture_end(&f);
	assert_int_equal(f.s.clunks, 1);
}

static void script_bad_entry(struct server *s)
{
	static const uint8_t body[4 + 25] = { 25, [4 + 21] = 1, 0, [4 + 23] = 1, 0 };

	if (server_until(s, P9_TREADDIR))
		server_reply(s, P9_RREADDIR, s->h.tag, body, sizeof(body));
	server_next(s);
}

static void malformed_directories_end_the_connection(void **state)
{
	struct fixture f;
	uint8_t buf[512];

	(void)state;
	fixture_begin(&f, script_bad_entry);
	assert_int_equal(p9_readdir(f.c, f.root, 0, buf, 278), -EINVAL);
	assert_int_equal(p9_readdir(f.c, f.root, 0, buf, sizeof(buf)), -EBADMSG);
	expect_dead(&f, -EBADMSG, "malformed Rreaddir");
	fixture_end(&f);
}

static void script_links(struct server *s)
{
	if (server_until(s, P9_TREADLINK))
		server_reply(s, P9_RREADLINK, s->h.tag, "\x05\0hello", 7);
	if (server_until(s, P9_TREADLINK))
		server_reply(s, P9_RREADLINK, s->h.tag, "\x05\0hello", 7);
	if (server_until(s, P9_TREADLINK))
		server_reply(s, P9_RREADLINK, s->h.tag, "\x06\0hello", 7);
	server_next(s);
}

static void links_are_read_whole_or_not_at_all(void **state)
{
	struct fixture f;
	char buf[5];

	(void)state;
	fixture_begin(&f, script_links);
	assert_int_equal(p9_readlink(f.c, f.root, buf, 5), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(p9_readlink(f.c, f.root, buf, 4), -ERANGE);
	assert_int_equal(p9_readlink(f.c, f.root, buf, 5), -EBADMSG);
	expect_dead(&f, -EBADMSG, "malformed Rreadlink");
	fixture_end(&f);
}

/* ---- errors from the server leave the connection alive ---- */

static void script_errors(struct server *s)
{
	for (int i = 0; server_until(s, P9_TGETATTR); i++) {
		if (i == 0)
			server_reply(s, P9_RLERROR, s->h.tag, "\x02\0\0\0", 4);
		else if (i == 1)
			server_reply(s, P9_RERROR, s->h.tag, "\x0d\0\0\0", 4);
		else if (i == 2)
			server_reply(s, P9_RLERROR, s->h.tag, "\0\0\0\0", 4);
		else
			server_decent(s);
	}
}

static void errors_of_both_types_are_passed_on(void **state)
{
	struct fixture f;
	struct p9_attr a;

	(void)state;
	fixture_begin(&f, script_errors);
	assert_int_equal(p9_getattr(f.c, f.root, &a), -ENOENT);
	assert_int_equal(p9_getattr(f.c, f.root, &a), -EACCES);
	assert_int_equal(p9_getattr(f.c, f.root, &a), -EIO);
	assert_int_equal(p9_getattr(f.c, f.root, &a), 0);
	assert_null(p9_error_text(f.c));
	fixture_end(&f);
}

static void misuse_is_refused_without_asking_the_server(void **state)
{
	struct p9_blob slash = { "a/b", 3 };
	uint8_t huge[9000] = { 0 };
	struct fixture f;
	struct p9_attr a;
	struct waited w;
	uint32_t fid;

	(void)state;
	fixture_begin(&f, script_decent);
	assert_int_equal(p9_getattr(f.c, 99, &a), -EBADF);
	assert_int_equal(p9_walk(f.c, 1, NULL, 0, &fid), -EBADF);
	assert_int_equal(p9_walk(f.c, f.root, &slash, 1, &fid), -EINVAL);
	assert_int_equal(p9_attach(f.c, (struct p9_blob){ huge, sizeof(huge) }, 0, NO_NAME, &fid),
			 -EMSGSIZE);
	assert_int_equal(p9_walk(f.c, f.root, NULL, 0, &fid), 0);
	assert_int_equal(p9_clunk(f.c, fid), 0);
	assert_int_equal(p9_clunk(f.c, fid), -EBADF);
	f.root = fid;
	waited_start(&f, &w, 0, 4);
	assert_int_equal(waited_end(&w), -EBADF);
	assert_int_equal(p9_read_max(f.c, fid), 0);
	assert_int_equal(p9_error(f.c), 0);
	fixture_end(&f);
}

static void fids_run_out_and_come_back(void **state)
{
	struct p9_options opt;
	struct fixture f;
	uint32_t fid[4];

	(void)state;
	server_start(&f.s, script_decent, 0);
	opt = fixture_options(&f);
	opt.max_fids = 3;
	assert_int_equal(p9_connect(&opt, &f.c, f.text, sizeof(f.text)), 0);
	for (int round = 0; round < 100; round++) {
		assert_int_equal(p9_attach(f.c, NO_NAME, 0, NO_NAME, &fid[0]), 0);
		assert_int_equal(p9_walk(f.c, fid[0], NULL, 0, &fid[1]), 0);
		assert_int_equal(p9_walk(f.c, fid[0], NULL, 0, &fid[2]), 0);
		assert_int_equal(p9_walk(f.c, fid[0], NULL, 0, &fid[3]), -EMFILE);
		for (int i = 0; i < 3; i++)
			assert_int_equal(p9_clunk(f.c, fid[(round + i) % 3]), 0);
	}
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_cannot_be_talked_to_is_refused),
		cmocka_unit_test(addresses_that_lead_nowhere_are_errors),
		cmocka_unit_test(replies_that_make_no_sense_end_the_connection),
		cmocka_unit_test(partial_walks_are_enoent_and_leak_nothing),
		cmocka_unit_test(malformed_directories_end_the_connection),
		cmocka_unit_test(links_are_read_whole_or_not_at_all),
		cmocka_unit_test(errors_of_both_types_are_passed_on),
		cmocka_unit_test(misuse_is_refused_without_asking_the_server),
		cmocka_unit_test(fids_run_out_and_come_back),
	};

	alarm(HANG_S); /* a client that hangs is killed */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
