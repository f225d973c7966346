// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_inflight.c - many 9P requests at once: order, tags, full sockets, callbacks,
 * cancelling. Every read's done is called once, whatever happens.
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

static void script_decent(struct server *s)
{
	while (server_next(s))
		server_decent(s);
}

static void script_silent_reads(struct server *s)
{
	while (server_until(s, P9_TREAD))
		;
}

/* ---- many at once ---- */

enum { BATCH = 8 };

/* Collect a batch of reads, then answer it last first. */
static void script_backwards(struct server *s)
{
	struct {
		uint16_t tag;
		uint32_t fid, offset, count;
	} q[BATCH];
	int n = 0;

	while (server_until(s, P9_TREAD)) {
		q[n].tag = s->h.tag;
		q[n].fid = msg_u32(s, 7);
		q[n].offset = msg_u32(s, 11);
		q[n++].count = msg_u32(s, 19);
		for (; n == BATCH; n = 0)
			for (int i = BATCH - 1; i >= 0; i--)
				server_data(s, q[i].tag, q[i].fid, q[i].offset, q[i].count);
	}
}

static void replies_out_of_order_reach_their_requests(void **state)
{
	static struct waited w[4 * BATCH];
	struct p9_counters n;
	struct fixture f;

	(void)state;
	fixture_begin(&f, script_backwards);
	for (uint32_t i = 0; i < 4 * BATCH; i++)
		waited_start(&f, &w[i], i * 1000, 1000 + i);
	for (uint32_t i = 0; i < 4 * BATCH; i++) {
		assert_int_equal(waited_end(&w[i]), 1000 + i);
		expect_content(&w[i], f.root, i * 1000);
	}
	p9_counters(f.c, &n);
	assert_int_equal(n.server_reads, 4 * BATCH);
	assert_int_equal(n.server_read_bytes, 4 * BATCH * 1000 + 4 * BATCH * (4 * BATCH - 1) / 2);
	assert_int_equal(n.bytes_sent, 21 + 23 + 4 * BATCH * 23);
	assert_int_equal(n.bytes_received, 21 + 20 + 4 * BATCH * 11 + n.server_read_bytes);
	fixture_end(&f);
	for (int i = 0; i < 4 * BATCH; i++)
		assert_int_equal(w[i].times, 1);
}

static void more_reads_than_tags_queue_up(void **state)
{
	static struct waited w[1000];
	struct fixture f;

	(void)state;
	fixture_begin_with(&f, script_decent, 3, 60000);
	for (uint32_t i = 0; i < 1000; i++)
		waited_start(&f, &w[i], i, 100);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(waited_end(&w[i]), 100);
		expect_content(&w[i], f.root, i);
	}
	fixture_end(&f);
}

/* A server that reads nothing for a while, so that the socket fills and nobody may block;
 * then reads all before it answers anything, so that what didn't fit has to come without
 * a reply to prompt it. */
enum { FLOOD = 4000 };

static void script_late(struct server *s)
{
	static uint16_t tag[FLOOD];
	static uint32_t offset[FLOOD];

	server_until(s, P9_TGETATTR);
	server_decent(s);
	while (sem_wait(&s->go))
		;
	for (int i = 0; i < FLOOD; i++) {
		if (!server_until(s, P9_TREAD))
			return;
		tag[i] = s->h.tag;
		offset[i] = msg_u32(s, 11);
	}
	for (int i = 0; i < FLOOD; i++)
		server_data(s, tag[i], 0, offset[i], 10);
	script_decent(s);
}

static void a_full_socket_blocks_nobody(void **state)
{
	static struct waited w[FLOOD];
	struct fixture f;
	struct p9_attr a;

	(void)state;
	fixture_begin_with(&f, script_late, FLOOD, 20000);
	assert_int_equal(p9_getattr(f.c, f.root, &a), 0);
	for (uint32_t i = 0; i < FLOOD; i++)
		waited_start(&f, &w[i], i, 10);
	for (uint32_t i = 0; i < FLOOD; i++)
		assert_int_equal(sem_trywait(&w[i].done), -1);
	sem_post(&f.s.go);
	for (uint32_t i = 0; i < FLOOD; i++) {
		assert_int_equal(waited_end(&w[i]), 10);
		expect_content(&w[i], 0, i);
	}
	fixture_end(&f);
}

/* Answers a request that is still on the client's side of a full socket. */
static void script_clairvoyant(struct server *s)
{
	server_until(s, P9_TGETATTR);
	server_decent(s);
	while (sem_wait(&s->go))
		;
	server_data(s, FLOOD - 1, 0, 0, 10);
	while (sem_wait(&s->go))
		;
}

static void answers_to_what_was_not_sent_yet_end_the_connection(void **state)
{
	static struct waited w[FLOOD];
	struct fixture f;
	struct p9_attr a;

	(void)state;
	fixture_begin_with(&f, script_clairvoyant, FLOOD, 20000);
	assert_int_equal(p9_getattr(f.c, f.root, &a), 0);
	for (uint32_t i = 0; i < FLOOD; i++)
		waited_start(&f, &w[i], i, 10);
	sem_post(&f.s.go);
	for (uint32_t i = 0; i < FLOOD; i++)
		assert_int_equal(waited_end(&w[i]), -EPROTO);
	expect_dead(&f, -EPROTO, "which nothing waits for");
	sem_post(&f.s.go);
	fixture_end(&f);
}

enum { THREADS = 4, CALLS = 200 };

static void *caller(void *arg)
{
	struct p9_blob names[40];
	struct fixture *f = arg;
	struct p9_attr a;
	uint8_t buf[300];
	uint32_t fid;
	int bad = 0;

	for (int i = 0; i < 40; i++)
		names[i] = (struct p9_blob){ "name", 4 };
	for (int i = 0; i < CALLS; i++) {
		bad += p9_walk(f->c, f->root, names, 40, &fid) != 0;
		bad += p9_lopen(f->c, fid, 0, NULL) != 0;
		bad += p9_getattr(f->c, fid, &a) != 0;
		bad += p9_pread(f->c, fid, (uint64_t)i, buf, sizeof(buf)) != sizeof(buf);
		for (size_t j = 0; j < sizeof(buf); j++)
			bad += buf[j] != content(fid, (uint64_t)i + j);
		bad += p9_clunk(f->c, fid) != 0;
	}
	return (void *)(intptr_t)bad;
}

static void calls_from_several_threads_do_not_mix(void **state)
{
	pthread_t t[THREADS];
	struct fixture f;
	void *bad;

	(void)state;
	fixture_begin_with(&f, script_decent, 2, 60000); /* so that they also wait for tags */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, caller, &f), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &bad), 0);
		assert_null(bad);
	}
	fixture_end(&f);
}

/* ---- callbacks ---- */

struct chain {
	struct p9_read r;
	struct p9_client *c;
	sem_t done;
	int left;
	int64_t sum, from_callback;
	uint8_t buf[100];
};

static void chain_done(struct p9_read *r, int64_t result)
{
	struct chain *ch = (struct chain *)((char *)r - offsetof(struct chain, r));
	struct p9_attr a;

	ch->sum += result;
	ch->from_callback = p9_getattr(ch->c, r->fid, &a);
	r->offset += (uint64_t)result;
	if (--ch->left)
		p9_read_start(ch->c, r);
	else
		sem_post(&ch->done);
}

static void callbacks_may_start_reads_but_not_block(void **state)
{
	struct fixture f;
	struct chain ch;

	(void)state;
	fixture_begin(&f, script_decent);
	ch = (struct chain){ .c = f.c, .left = 500 };
	sem_init(&ch.done, 0, 0);
	ch.r = (struct p9_read){ .fid = f.root, .buf = ch.buf, .len = 100, .done = chain_done };
	p9_read_start(f.c, &ch.r);
	while (sem_wait(&ch.done))
		;
	assert_int_equal(ch.sum, 50000);
	assert_int_equal(ch.from_callback, -EDEADLK);
	fixture_end(&f);
}

static uint64_t bytes_sent(struct fixture *f)
{
	struct p9_counters n;

	p9_counters(f->c, &n);
	return n.bytes_sent;
}

static void what_is_kept_back_is_sent_together(void **state)
{
	static struct waited w[40];
	struct fixture f;
	uint64_t before;

	(void)state;
	fixture_begin(&f, script_decent);
	before = bytes_sent(&f);
	for (uint32_t i = 0; i < 40; i++)
		waited_keep_back(&f, &w[i], i, 100);
	assert_int_equal(bytes_sent(&f), before);
	p9_read_cancel(f.c, &w[39].r);
	assert_int_equal(waited_end(&w[39]), -ECANCELED);
	p9_push(f.c);
	for (uint32_t i = 0; i < 39; i++) {
		assert_int_equal(waited_end(&w[i]), 100);
		expect_content(&w[i], f.root, i);
	}
	assert_int_equal(bytes_sent(&f), before + 39 * 23);
	p9_push(f.c); /* there is nothing */

	/* Anything else that is sent takes it along. */
	waited_keep_back(&f, &w[0], 0, 100);
	waited_start(&f, &w[1], 0, 100);
	assert_int_equal(waited_end(&w[0]), 100);
	assert_int_equal(waited_end(&w[1]), 100);

	waited_keep_back(&f, &w[0], 0, 100);
	p9_disconnect(f.c);
	assert_int_equal(w[0].times, 1);
	assert_int_equal(w[0].result, -ENOTCONN);
	server_stop(&f.s);
}

static void disconnecting_completes_what_is_outstanding(void **state)
{
	static struct waited w[100];
	struct fixture f;

	(void)state;
	fixture_begin_with(&f, script_silent_reads, 5, 60000);
	for (int i = 0; i < 100; i++)
		waited_start(&f, &w[i], 0, 10);
	p9_disconnect(f.c);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(w[i].times, 1);
		assert_int_equal(w[i].result, -ENOTCONN);
	}
	server_stop(&f.s);
}

static void reads_are_cut_to_what_a_message_holds(void **state)
{
	struct p9_options opt;
	struct fixture f;
	struct waited w;

	(void)state;
	server_start(&f.s, script_decent, 256);
	opt = fixture_options(&f);
	assert_int_equal(p9_connect(&opt, &f.c, f.text, sizeof(f.text)), 0);
	assert_int_equal(p9_msize(f.c), 256);
	assert_int_equal(p9_attach(f.c, NO_NAME, 0, NO_NAME, &f.root), 0);
	assert_int_equal(p9_read_max(f.c, f.root), 232);
	waited_start(&f, &w, 5, 4096);
	assert_int_equal(waited_end(&w), 232);
	expect_content(&w, f.root, 5);
	fixture_end(&f);
}

static void script_iounit(struct server *s)
{
	static const uint8_t body[17] = { [13] = 100 };

	if (server_until(s, P9_TLOPEN))
		server_reply(s, P9_RLOPEN, s->h.tag, body, sizeof(body));
	script_decent(s);
}

static void reads_are_cut_to_the_iounit(void **state)
{
	struct fixture f;
	struct waited w;
	uint32_t unit;

	(void)state;
	fixture_begin(&f, script_iounit);
	assert_int_equal(p9_lopen(f.c, f.root, 0, &unit), 0);
	assert_int_equal(unit, 100);
	waited_start(&f, &w, 0, 4096);
	assert_int_equal(waited_end(&w), 100);
	fixture_end(&f);
}

/* ---- cancelling ---- */

/* First read: only the flush is answered. Second: the read, then the flush. Third: the
 * flush is never answered. */
static void script_flushes(struct server *s)
{
	uint16_t tag, seen = 0;

	for (int i = 0; i < 3; i++) {
		if (!server_until(s, P9_TREAD))
			return;
		tag = s->h.tag;
		if (i == 1)
			seen = tag;
		if (!server_until(s, P9_TFLUSH))
			return;
		if (s->msg[7] != tag)
			return; /* flushes something else: the test times out */
		if (i == 1) {
			uint16_t flush_tag = s->h.tag;

			server_data(s, tag, 0, 0, 10);
			/* the tag is answered, but not the flush: it may not be seen again */
			if (!server_until(s, P9_TGETATTR) || s->h.tag == seen)
				return;
			server_decent(s);
			server_reply(s, P9_RFLUSH, flush_tag, NULL, 0);
		} else if (i == 0) {
			server_decent(s);
		}
	}
	while (server_next(s))
		;
}

static void cancelled_reads_are_done_once(void **state)
{
	struct fixture f;
	struct p9_attr a;
	struct waited w;

	(void)state;
	fixture_begin(&f, script_flushes);
	waited_start(&f, &w, 0, 10);
	p9_read_cancel(f.c, &w.r);
	p9_read_cancel(f.c, &w.r);
	assert_int_equal(waited_end(&w), -ECANCELED);
	p9_read_cancel(f.c, &w.r);
	assert_int_equal(w.times, 1);

	waited_start(&f, &w, 0, 10);
	p9_read_cancel(f.c, &w.r);
	assert_int_equal(waited_end(&w), 10);
	expect_content(&w, 0, 0);
	assert_int_equal(p9_getattr(f.c, f.root, &a), 0);

	waited_start(&f, &w, 0, 10);
	p9_read_cancel(f.c, &w.r);
	assert_int_equal(waited_end(&w), -ETIMEDOUT);
	assert_int_equal(w.times, 1);
	expect_dead(&f, -ETIMEDOUT, "no answer to Tread");
	fixture_end(&f);
}

static void queued_reads_are_cancelled_on_the_spot(void **state)
{
	struct waited first, second;
	struct p9_counters n;
	struct fixture f;

	(void)state;
	fixture_begin_with(&f, script_silent_reads, 1, 60000);
	waited_start(&f, &first, 0, 10);
	waited_start(&f, &second, 0, 10);
	p9_read_cancel(f.c, &second.r);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.result, -ECANCELED);
	p9_read_cancel(f.c, &first.r);
	assert_int_equal(waited_end(&first), -ECANCELED);
	p9_counters(f.c, &n);
	assert_int_equal(n.bytes_sent, 21 + 23 + 23 + 9);
	fixture_end(&f);
}

/* Cancel at random while a decent server answers: each is done once, either way. */
static void cancels_race_with_replies(void **state)
{
	static struct waited w[64];
	struct fixture f;
	int cancelled = 0;

	(void)state;
	fixture_begin_with(&f, script_decent, 7, 60000);
	for (int round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < 64; i++)
			waited_start(&f, &w[i], i, 50);
		for (uint32_t i = 0; i < 64; i += 1 + (uint32_t)round % 3)
			p9_read_cancel(f.c, &w[i].r);
		for (uint32_t i = 0; i < 64; i++) {
			waited_end(&w[i]);
			assert_int_equal(w[i].times, 1);
			if (w[i].result == -ECANCELED)
				cancelled++;
			else
				assert_int_equal(w[i].result, 50);
		}
	}
	assert_int_equal(p9_error(f.c), 0);
	print_message("%d of %d were cancelled\n", cancelled, 64 * 50);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_out_of_order_reach_their_requests),
		cmocka_unit_test(more_reads_than_tags_queue_up),
		cmocka_unit_test(a_full_socket_blocks_nobody),
		cmocka_unit_test(answers_to_what_was_not_sent_yet_end_the_connection),
		cmocka_unit_test(calls_from_several_threads_do_not_mix),
		cmocka_unit_test(callbacks_may_start_reads_but_not_block),
		cmocka_unit_test(what_is_kept_back_is_sent_together),
		cmocka_unit_test(disconnecting_completes_what_is_outstanding),
		cmocka_unit_test(reads_are_cut_to_what_a_message_holds),
		cmocka_unit_test(reads_are_cut_to_the_iounit),
		cmocka_unit_test(cancelled_reads_are_done_once),
		cmocka_unit_test(queued_reads_are_cancelled_on_the_spot),
		cmocka_unit_test(cancels_race_with_replies),
	};

	alarm(HANG_S); /* a client that hangs is killed */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
