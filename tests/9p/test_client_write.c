// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_client_write.c - the 9P client's writes and other changes, against servers that behave and
 * others that don't.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "evil.h"

#define NAME ((struct p9_blob){ "name", 4 })

/* A write that tells when it is done. */
struct waited_write {
	struct p9_write w;
	sem_t done;
	int times;
	int64_t result;
};

static void waited_done(struct p9_write *w, int64_t result)
{
	struct waited_write *x = (struct waited_write *)w;

	x->times++;
	x->result = result;
	sem_post(&x->done);
}

static void write_start(struct fixture *f, struct waited_write *x, uint64_t offset,
			const void *buf, uint32_t len)
{
	memset(x, 0, sizeof(*x));
	sem_init(&x->done, 0, 0);
	x->w = (struct p9_write){ .fid = f->root, .offset = offset, .buf = buf, .len = len,
				  .done = waited_done };
	p9_write_start(f->c, &x->w);
}

static int64_t write_end(struct waited_write *x)
{
	while (sem_wait(&x->done))
		;
	return x->result;
}

/* ---- what arrives ---- */

enum { FILE_SIZE = 4 << 20, MSIZE = 8192 };

static uint8_t kept[FILE_SIZE];

static void keep(struct server *s)
{
	uint32_t offset = msg_u32(s, 11), count = msg_u32(s, 19);

	if (s->h.size != P9_TWRITE_SIZE + count || offset > FILE_SIZE || count > FILE_SIZE - offset)
		return;
	memcpy(kept + offset, s->msg + P9_TWRITE_SIZE, count);
	server_reply(s, P9_RWRITE, s->h.tag, s->msg + 19, 4);
}

static void script_keeps(struct server *s)
{
	while (server_until(s, P9_TWRITE))
		keep(s);
}

/* Takes nothing until the client has started all it has. */
static void script_keeps_later(struct server *s)
{
	server_until(s, P9_TATTACH);
	server_decent(s);
	while (sem_wait(&s->go))
		;
	script_keeps(s);
}

static void begin_small(struct fixture *f, void (*script)(struct server *), uint32_t max_tags)
{
	struct p9_options opt;

	server_start(&f->s, script, 0);
	opt = fixture_options(f);
	opt.msize = MSIZE;
	opt.timeout_ms = 20000;
	opt.max_tags = max_tags;
	assert_int_equal(p9_connect(&opt, &f->c, f->text, sizeof(f->text)), 0);
	assert_int_equal(p9_attach(f->c, NO_NAME, 0, NO_NAME, &f->root), 0);
}

static uint8_t *pattern(void)
{
	uint8_t *data = malloc(FILE_SIZE);

	for (size_t i = 0; i < FILE_SIZE; i++)
		data[i] = (uint8_t)(i * 5 + (i >> 9));
	return data;
}

static void payloads_arrive_whole(void **state)
{
	uint8_t *data = pattern();
	struct p9_counters n;
	struct fixture f;
	uint32_t at = 0;

	(void)state;
	memset(kept, 0, sizeof(kept));
	begin_small(&f, script_keeps, 0);
	assert_int_equal(p9_write_max(f.c, f.root), MSIZE - 24);
	assert_int_equal(p9_pwrite(f.c, f.root, 0, data, 0), 0);
	while (at < 300000)
		at += (uint32_t)p9_pwrite(f.c, f.root, at, data + at, 300000 - at);
	assert_memory_equal(kept, data, 300000);
	p9_counters(f.c, &n);
	assert_int_equal(n.server_write_bytes, 300000);
	assert_int_equal(n.server_writes, (300000 + MSIZE - 25) / (MSIZE - 24));
	fixture_end(&f);
	free(data);
}

/* More than any socket takes: the rest is sent from the middle of payloads. */
static void a_full_socket_loses_nothing(void **state)
{
	enum { EACH = 8000, MANY = FILE_SIZE / EACH };
	struct waited_write *x = calloc(MANY, sizeof(*x));
	uint8_t *data = pattern();
	struct fixture f;

	(void)state;
	memset(kept, 0, sizeof(kept));
	begin_small(&f, script_keeps_later, 1000);
	for (uint32_t i = 0; i < MANY; i++)
		write_start(&f, &x[i], i * EACH, data + i * EACH, EACH);
	sem_post(&f.s.go);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(write_end(&x[i]), EACH);
	assert_memory_equal(kept, data, MANY * EACH);
	fixture_end(&f);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(x[i].times, 1);
	free(data);
	free(x);
}

/* ---- ends of writes ---- */

static void script_silent_writes(struct server *s)
{
	while (server_until(s, P9_TWRITE))
		;
}

static void writes_end_with_the_connection(void **state)
{
	static struct waited_write x[100];
	static const uint8_t data[100];
	struct fixture f;

	(void)state;
	fixture_begin_with(&f, script_silent_writes, 10, 60000);
	for (int i = 0; i < 100; i++)
		write_start(&f, &x[i], 0, data, sizeof(data));
	p9_write_cancel(f.c, &x[99].w); /* which waits for a tag */
	assert_int_equal(write_end(&x[99]), -ECANCELED);
	p9_abort(f.c);
	for (int i = 0; i < 99; i++)
		assert_int_equal(write_end(&x[i]), -ECANCELED);
	write_start(&f, &x[0], 0, data, sizeof(data));
	assert_int_equal(write_end(&x[0]), -ECANCELED);
	fixture_end(&f);
	for (int i = 0; i < 100; i++)
		assert_int_equal(x[i].times, 1);
}

/* Answers the Tflush, and never the write. */
static void script_flushes(struct server *s)
{
	while (server_until(s, P9_TWRITE))
		if (server_until(s, P9_TFLUSH))
			server_reply(s, P9_RFLUSH, s->h.tag, NULL, 0);
}

static void a_write_can_be_cancelled(void **state)
{
	static const uint8_t data[100];
	struct waited_write x;
	struct fixture f;

	(void)state;
	fixture_begin(&f, script_flushes);
	write_start(&f, &x, 0, data, sizeof(data));
	p9_write_cancel(f.c, &x.w);
	p9_write_cancel(f.c, &x.w);
	assert_int_equal(write_end(&x), -ECANCELED);
	assert_int_equal(x.times, 1);
	assert_int_equal(p9_error(f.c), 0);
	fixture_end(&f);
}

/* ---- replies that make no sense ---- */

struct call {
	const char *what;
	uint8_t request;
	int (*make)(struct fixture *f);
	const char *body; /* of the reply */
	size_t len;
	int error;
	const char *reason;
};

static int do_write(struct fixture *f)
{
	return (int)p9_pwrite(f->c, f->root, 0, "abcd", 4);
}

static int do_mkdir(struct fixture *f)
{
	struct p9_qid qid;

	return p9_mkdir(f->c, f->root, NAME, 0755, 0, &qid);
}

static int do_create(struct fixture *f)
{
	struct p9_qid qid;

	return p9_lcreate(f->c, f->root, NAME, 0, 0644, 0, &qid);
}

static int do_symlink(struct fixture *f)
{
	struct p9_qid qid;

	return p9_symlink(f->c, f->root, NAME, NAME, 0, &qid);
}

static int do_mknod(struct fixture *f)
{
	struct p9_qid qid;

	return p9_mknod(f->c, f->root, NAME, 0, 0, 0, 0, &qid);
}

static int do_link(struct fixture *f)
{
	return p9_link(f->c, f->root, f->root, NAME);
}

static int do_rename(struct fixture *f)
{
	return p9_rename(f->c, f->root, f->root, NAME);
}

static int do_renameat(struct fixture *f)
{
	return p9_renameat(f->c, f->root, NAME, f->root, NAME);
}

static int do_unlinkat(struct fixture *f)
{
	return p9_unlinkat(f->c, f->root, NAME, 0);
}

static int do_remove(struct fixture *f)
{
	return p9_remove(f->c, f->root);
}

static int do_setattr(struct fixture *f)
{
	const struct p9_setattr set = { 0 };

	return p9_setattr(f->c, f->root, &set);
}

static int do_fsync(struct fixture *f)
{
	return p9_fsync(f->c, f->root, false);
}

static int do_xattrwalk(struct fixture *f)
{
	uint32_t fid;
	uint64_t size;

	return p9_xattrwalk(f->c, f->root, NAME, &fid, &size);
}

static int do_xattrcreate(struct fixture *f)
{
	return p9_xattrcreate(f->c, f->root, NAME, 4, 0);
}

static int do_lock(struct fixture *f)
{
	const struct p9_lock lock = { .client_id = NAME };
	uint8_t status;

	return p9_lock(f->c, f->root, &lock, &status);
}

static int do_getlock(struct fixture *f)
{
	struct p9_lock lock = { .client_id = NAME };

	return p9_getlock(f->c, f->root, &lock);
}

#define RAW(s) (s), sizeof(s) - 1
#define QID "\0\1\2\3\4\1\2\3\4\5\6\7\x8"
#define WHAT(name, T, fn) name, T, fn

static const struct call calls[] = {
	{ WHAT("write", P9_TWRITE, do_write), RAW("\4\0\0\0"), 4, NULL },
	{ WHAT("short write", P9_TWRITE, do_write), RAW("\1\0\0\0"), 1, NULL },
	{ WHAT("more than was sent", P9_TWRITE, do_write), RAW("\5\0\0\0"), -EPROTO,
	  "Rwrite of 5 bytes where 4 were sent" },
	{ WHAT("much more", P9_TWRITE, do_write), RAW("\xff\xff\xff\xff"), -EPROTO, "were sent" },
	{ WHAT("Rwrite too short", P9_TWRITE, do_write), RAW("\4\0\0"), -EBADMSG,
	  "malformed Rwrite" },
	{ WHAT("Rwrite too long", P9_TWRITE, do_write), RAW("\4\0\0\0\0"), -EPROTO,
	  "11 were the most" },
	{ WHAT("mkdir", P9_TMKDIR, do_mkdir), RAW(QID), 0, NULL },
	{ WHAT("no qid", P9_TMKDIR, do_mkdir), RAW(""), -EBADMSG, "malformed Rmkdir" },
	{ WHAT("two qids", P9_TMKDIR, do_mkdir), RAW(QID QID), -EPROTO, "20 were the most" },
	{ WHAT("lcreate", P9_TLCREATE, do_create), RAW(QID "\0\0\0\0"), 0, NULL },
	{ WHAT("no iounit", P9_TLCREATE, do_create), RAW(QID), -EBADMSG, "malformed Rlcreate" },
	{ WHAT("symlink", P9_TSYMLINK, do_symlink), RAW(QID), 0, NULL },
	{ WHAT("half a qid", P9_TSYMLINK, do_symlink), RAW("\0\1\2"), -EBADMSG,
	  "malformed Rsymlink" },
	{ WHAT("mknod", P9_TMKNOD, do_mknod), RAW(QID), 0, NULL },
	{ WHAT("no mknod", P9_TMKNOD, do_mknod), RAW("\0"), -EBADMSG, "malformed Rmknod" },
	{ WHAT("link", P9_TLINK, do_link), RAW(""), 0, NULL },
	{ WHAT("a link's qid", P9_TLINK, do_link), RAW(QID), -EPROTO, "7 were the most" },
	{ WHAT("rename", P9_TRENAME, do_rename), RAW(""), 0, NULL },
	{ WHAT("a byte more", P9_TRENAME, do_rename), RAW("\0"), -EPROTO, "Rrename of 8" },
	{ WHAT("renameat", P9_TRENAMEAT, do_renameat), RAW(""), 0, NULL },
	{ WHAT("unlinkat", P9_TUNLINKAT, do_unlinkat), RAW(""), 0, NULL },
	{ WHAT("remove", P9_TREMOVE, do_remove), RAW(""), 0, NULL },
	{ WHAT("setattr", P9_TSETATTR, do_setattr), RAW(""), 0, NULL },
	{ WHAT("fsync", P9_TFSYNC, do_fsync), RAW(""), 0, NULL },
	{ WHAT("xattrwalk", P9_TXATTRWALK, do_xattrwalk), RAW("\4\0\0\0\0\0\0\0"), 0, NULL },
	{ WHAT("size below 0", P9_TXATTRWALK, do_xattrwalk), RAW("\4\0\0\0\0\0\0\x80"), -EBADMSG,
	  "malformed Rxattrwalk" },
	{ WHAT("xattrcreate", P9_TXATTRCREATE, do_xattrcreate), RAW(""), 0, NULL },
	{ WHAT("lock", P9_TLOCK, do_lock), RAW("\1"), 0, NULL },
	{ WHAT("what status", P9_TLOCK, do_lock), RAW("\4"), -EBADMSG, "malformed Rlock" },
	{ WHAT("getlock", P9_TGETLOCK, do_getlock),
	  RAW("\1\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\3\0you"), 0, NULL },
	{ WHAT("what lock", P9_TGETLOCK, do_getlock),
	  RAW("\3\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\3\0you"), -EBADMSG,
	  "malformed Rgetlock" },
	{ WHAT("name over the end", P9_TGETLOCK, do_getlock),
	  RAW("\1\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\4\0you"), -EBADMSG,
	  "malformed Rgetlock" },
};

static const struct call *call_now;

static void script_call(struct server *s)
{
	if (server_until(s, call_now->request))
		server_reply(s, (uint8_t)(call_now->request + 1), s->h.tag, call_now->body,
			     call_now->len);
	while (server_next(s))
		server_decent(s);
}

static void each_reply_is_taken_or_ends_the_connection(void **state)
{
	struct fixture f;
	int err;

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		call_now = &calls[i];
		fixture_begin(&f, script_call);
		err = call_now->make(&f);
		if (err != call_now->error)
			fail_msg("%s: %d", call_now->what, err);
		if (call_now->reason)
			expect_dead(&f, call_now->error, call_now->reason);
		else
			assert_int_equal(p9_error(f.c), 0);
		fixture_end(&f);
	}
}

static void script_refuses(struct server *s)
{
	while (server_until(s, call_now->request))
		server_reply(s, P9_RLERROR, s->h.tag, "\x1c\0\0\0", 4);
}

static void errors_are_passed_on(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		call_now = &calls[i];
		fixture_begin(&f, script_refuses);
		assert_int_equal(call_now->make(&f), -ENOSPC);
		assert_int_equal(p9_error(f.c), 0);
		fixture_end(&f);
	}
}

/* ---- misuse, and fids ---- */

static void script_decent(struct server *s)
{
	while (server_next(s))
		server_decent(s);
}

static void misuse_is_refused_without_asking_the_server(void **state)
{
	static char big[300];
	const struct p9_lock lock = { .client_id = { big, 600 } };
	uint64_t size;
	struct fixture f;
	uint8_t status;
	uint32_t fid;

	(void)state;
	memset(big, 'x', sizeof(big));
	fixture_begin(&f, script_decent);
	assert_int_equal(p9_pwrite(f.c, 99, 0, "x", 1), -EBADF);
	assert_int_equal(p9_fsync(f.c, 99, false), -EBADF);
	assert_int_equal(p9_remove(f.c, 99), -EBADF);
	assert_int_equal(p9_xattrwalk(f.c, 1, NAME, &fid, &size), -EBADF);
	assert_int_equal(p9_xattrwalk(f.c, f.root, (struct p9_blob){ big, 256 }, &fid, &size),
			 -ERANGE);
	assert_int_equal(p9_xattrcreate(f.c, f.root, NO_NAME, 1, 0), -ERANGE);
	assert_int_equal(p9_lock(f.c, f.root, &lock, &status), -EINVAL);
	assert_int_equal(p9_unlinkat(f.c, f.root, (struct p9_blob){ "a/b", 3 }, 0), -EINVAL);
	assert_int_equal(p9_error(f.c), 0);
	fixture_end(&f);
}

static sem_t clunked;

static void clunk_done(struct p9_clunk *clunk)
{
	(void)clunk;
	sem_post(&clunked);
}

static void clunks_that_nobody_waits_for_give_fids_back(void **state)
{
	struct p9_clunk clunk[2] = { { .done = clunk_done }, { .done = clunk_done } };
	struct p9_options opt;
	struct fixture f;

	(void)state;
	sem_init(&clunked, 0, 0);
	server_start(&f.s, script_decent, 0);
	opt = fixture_options(&f);
	opt.max_fids = 3;
	assert_int_equal(p9_connect(&opt, &f.c, f.text, sizeof(f.text)), 0);
	assert_int_equal(p9_attach(f.c, NO_NAME, 0, NO_NAME, &f.root), 0);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 2; i++)
			assert_int_equal(p9_walk(f.c, f.root, NULL, 0, &clunk[i].fid), 0);
		for (int i = 0; i < 2; i++)
			p9_clunk_start(f.c, &clunk[i]);
		for (int i = 0; i < 2; i++)
			while (sem_wait(&clunked))
				;
	}
	/* on a dead connection too, at once */
	p9_abort(f.c);
	clunk[0].fid = f.root;
	p9_clunk_start(f.c, &clunk[0]);
	while (sem_wait(&clunked))
		;
	fixture_end(&f);
	assert_int_equal(f.s.clunks, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_arrive_whole),
		cmocka_unit_test(a_full_socket_loses_nothing),
		cmocka_unit_test(writes_end_with_the_connection),
		cmocka_unit_test(a_write_can_be_cancelled),
		cmocka_unit_test(each_reply_is_taken_or_ends_the_connection),
		cmocka_unit_test(errors_are_passed_on),
		cmocka_unit_test(misuse_is_refused_without_asking_the_server),
		cmocka_unit_test(clunks_that_nobody_waits_for_give_fids_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
