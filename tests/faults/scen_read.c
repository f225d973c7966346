// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_read.c - scenarios: cookies that come and go, and reads of every kind. */
#include <string.h>

#include "format.h"
#include "scenarios.h"

static void one_file(struct room *r)
{
	remote_add(r, 9 * K + 100);
}

static void cold(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	fsc_cookie_use(cookie, false);
	read_some(r, f, cookie, 0, 3 * K);
	room_quiet(r);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

static void warm(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, 0, 10 * K);
	calm(r);
	read_all(r, f, cookie);
	fsc_cookie_present(cookie, 0, 10 * K);
	cookie_drop(cookie);
	room_close(r);
}

static void prepare_partly(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, 2 * K, K);
	read_some(r, f, cookie, 5 * K, 2 * K);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

/* Buffers that don't suit the backend, and ranges that begin and end anywhere. */
static void odd(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	read_odd(r, f, cookie, 2 * K + 100, 2 * K, 100);
	read_odd(r, f, cookie, 5 * K, 700, 3);
	read_some(r, f, cookie, 4 * K + 1, 4 * K);
	calm(r);
	read_odd(r, f, cookie, 0, 12 * K, 17);
	read_odd(r, f, cookie, 5 * K, 2 * K, 9);
	read_odd(r, f, cookie, 2 * K + 512, 8 * K, 512);
	read_odd(r, f, cookie, 20 * K, K, 0);
	cookie_drop(cookie);
	room_close(r);
}

/* Whoever misses on what is being downloaded waits for that. */
static void joined(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[4];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	r->server.hold = true;
	req[0] = req_start(r, f, cookie, 2 * K, 3 * K);
	req[1] = req_start(r, f, cookie, 0, 4 * K);
	req[2] = req_start(r, f, cookie, 3 * K, 6 * K);
	req[3] = req_start(r, f, cookie, 3 * K + 7, 100);
	sim_sleep_ms(20);
	server_release(r);
	for (int i = 0; i < 4; i++)
		req_end(req[i]);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

static void pieces(struct room *r)
{
	one_file(r);
	r->server.read_max = 3000;
	r->server.short_every = 3;
}

static void failing_short(struct room *r)
{
	one_file(r);
	r->server.error_every = 5;
	r->server.short_every = 2;
	r->server.read_max = K + K / 2;
}

static void text_key(struct room *r)
{
	one_file(r);
	r->file[0].text_key = true;
}

/* More parts than go at once. */
static void long_file(struct room *r)
{
	remote_add(r, 80 * K + 5);
}

static void prepare_parts(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	for (uint64_t g = 1; g < 80; g += 2)
		read_some(r, f, cookie, g * K, K);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

static void many_parts(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	arm(r);
	read_some(r, f, cookie, 0, 82 * K);
	calm(r);
	read_odd(r, f, cookie, 100, 79 * K, 33);
	cookie_drop(cookie);
	room_close(r);
}

/* Looking it up takes longer than a read waits: there is a slot to be read. */
static void slow_slot(struct room *r)
{
	remote_add(r, 200 * K);
	tight_value(r, FSC_SLOT_REF_SIZE);
	r->backend.latency_us = 20000000;
}

static void failing_server(struct room *r)
{
	one_file(r);
	r->server.error_every = 3;
	r->server.read_max = 2 * K;
}

static void server_fails(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *a, *b;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	a = req_start(r, f, cookie, 0, 8 * K);
	b = req_start(r, f, cookie, 2 * K, 4 * K);
	req_end(a);
	req_end(b);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* It says one size and gives less: nothing of it is kept. */
static void shorter_than_said(struct room *r)
{
	one_file(r);
	r->file[0].real_size = 5 * K + 10;
}

/* Buffers for downloads are few. */
static void few_buffers(struct room *r)
{
	remote_add(r, 300 * K);
	r->params.max_keep_bytes = 64 << 10;
}

static void exhaust(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[3];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	r->server.hold = true;
	for (uint64_t i = 0; i < 3; i++)
		req[i] = req_start(r, f, cookie, 100 * i * K, 10 * K);
	sim_sleep_ms(20);
	server_release(r);
	for (int i = 0; i < 3; i++)
		req_end(req[i]);
	calm(r);
	read_some(r, f, cookie, 0, 100 * K);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

static void few_files(struct room *r)
{
	for (int i = 0; i < 4; i++)
		remote_add(r, 2 * K);
	r->backend.max_files = 2;
}

static void parked(struct room *r)
{
	struct fsc_cookie *cookie[4];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	for (int i = 0; i < 4; i++)
		cookie[i] = cookie_used(r, &r->file[i]);
	read_all(r, &r->file[0], cookie[0]);
	fsc_cookie_unuse(cookie[3]);
	read_all(r, &r->file[1], cookie[1]);
	calm(r);
	remote_change(&r->file[2], 3 * K, false);
	cookie_invalidate(r, cookie[2], &r->file[2]);
	for (int i = 0; i < 3; i++)
		cookie_drop(cookie[i]);
	fsc_cookie_relinquish_wait(cookie[3], false);
	room_close(r);
}

static void long_names(struct room *r)
{
	one_file(r);
	r->file[0].key_len = 250;
	r->file[0].coh_len = 60;
}

/* A key again, before what it named is closed. */
static void again(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *a, *b;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	a = cookie_used(r, f);
	read_some(r, f, a, 0, 2 * K);
	fsc_cookie_unuse(a);
	fsc_cookie_relinquish(a, false);
	a = cookie_get(r, f);
	b = cookie_get(r, f);
	fsc_cookie_use(a, false);
	read_some(r, f, a, 0, 3 * K);
	fsc_cookie_unuse(a);
	fsc_cookie_relinquish(b, false);
	fsc_cookie_relinquish(a, false);
	remote_change(f, 7 * K, false);
	calm(r);
	a = cookie_used(r, f); /* behind the old one, which is still being closed */
	read_all(r, f, a);
	remote_change(f, 5 * K, false);
	b = cookie_get(r, f);
	CHECK(!b || !a); /* it is in use as it was */
	fsc_cookie_relinquish_wait(b, false);
	cookie_invalidate(r, a, f);
	read_all(r, f, a);
	cookie_drop(a);
	room_close(r);
}

static void retire(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f); /* not in use: looked up only to be discarded */
	fsc_cookie_relinquish_wait(cookie, true);
	fetch(r, f);
	calm(r);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, 0, 2 * K);
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish(cookie, true);
	room_quiet(r);
	room_close(r);
}

static void acquire_many(struct room *r)
{
	struct fsc_cookie *cookie[140];
	uint8_t key = 0;
	struct fsc_cookie_params params = { .key = { &key, 1 }, .size = K };

	CHECK_EQ(room_open(r), 0);
	arm(r);
	params.key.len = 0;
	CHECK_EQ(fsc_cookie_acquire(r->vol, &params, &cookie[0]), -EINVAL);
	params.key.len = 1;
	for (int i = 0; i < 140; i++, key++)
		if (fsc_cookie_acquire(r->vol, &params, &cookie[i]))
			cookie[i] = NULL;
	calm(r);
	for (int i = 0; i < 140; i++)
		fsc_cookie_relinquish_wait(cookie[i], false);
	room_close(r);
}

/* The look-up takes longer than a read waits for it. */
static void slow_look_up(struct room *r)
{
	one_file(r);
	r->backend.latency_us = 4000000;
	r->params.at_least = FSC_FS_STRICT;
}

static void impatient(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *a, *b;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	fsc_cookie_use(cookie, false);
	a = req_start(r, f, cookie, 0, 3 * K);
	sim_sleep_us(300);
	b = req_start(r, f, cookie, 3 * K, 3 * K);
	req_end(a);
	req_end(b);
	calm(r);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

static void with_holes(struct room *r)
{
	one_file(r);
	r->file[0].holes = true;
}

/* Zeroes are left out only where nothing else may lie. */
static void holes(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, K, K);
	read_some(r, f, cookie, 3 * K, 3 * K);
	room_quiet(r);
	calm(r);
	read_some(r, f, cookie, 5 * K, K);
	read_some(r, f, cookie, 7 * K, K);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

static void synced(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, 0, 2 * K);
	room_quiet(r);
	fsc_cache_sync(r->cache);
	read_some(r, f, cookie, 4 * K, 2 * K);
	sim_sleep_ms(1500); /* the saver comes by */
	calm(r);
	read_all(r, f, cookie);
	sim_sleep_ms(1500);
	cookie_drop(cookie);
	room_close(r);
}

const struct scenario scen_read[] = {
	{ "read-cold", one_file, NULL, cold, 0 },
	{ "read-warm", one_file, prepare_all, warm, 0 },
	{ "read-partly-warm", one_file, prepare_partly, warm, 0 },
	{ "read-odd", one_file, prepare_partly, odd, 0 },
	{ "read-joined", one_file, prepare_partly, joined, 0 },
	{ "read-pieces", pieces, NULL, cold, 0 },
	{ "read-server-fails", failing_server, NULL, server_fails, 0 },
	{ "read-server-fails-short", failing_short, NULL, server_fails, 0 },
	{ "read-text-key", text_key, prepare_all, warm, 0 },
	{ "read-many-parts", long_file, prepare_parts, many_parts, 0 },
	{ "read-slow-slot", slow_slot, prepare_slot, impatient, 0 },
	{ "read-file-is-shorter", shorter_than_said, NULL, cold, 0 },
	{ "read-few-buffers", few_buffers, NULL, exhaust, 0 },
	{ "read-few-files", few_files, NULL, parked, 0 },
	{ "read-long-names", long_names, NULL, cold, 0 },
	{ "read-long-names-warm", long_names, prepare_all, warm, 0 },
	{ "read-slow-look-up", slow_look_up, prepare_all, impatient, 0 },
	{ "read-holes", with_holes, NULL, holes, 0 },
	{ "read-synced", one_file, NULL, synced, 0 },
	{ "cookie-again", one_file, NULL, again, 0 },
	{ "cookie-retired", one_file, prepare_all, retire, 0 },
	{ "cookie-many", one_file, NULL, acquire_many, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
