// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_helper.c - scenarios: reads that are lent, that only fill the cache, that are read ahead of,
 * that are cancelled. */
#include "scenarios.h"

#define KEEP (64u << 10)

static void one_file(struct room *r)
{
	remote_add(r, 9 * K + 100);
}

static void large_file(struct room *r)
{
	remote_add(r, 90 * K + 100);
	r->params.max_keep_bytes = 4 * KEEP;
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

/* --- Lent ------------------------------------------------------------------------------------- */

static struct req *lend(struct room *r, struct fsc_cookie *cookie, uint64_t pos, size_t len)
{
	return req_start_how(r, &r->file[0], cookie, pos, len, FSC_READ_LEND, NULL);
}

static void lent(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[3];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	req[0] = lend(r, cookie, 100, 12 * K);
	req_join(req[0]);
	req[1] = lend(r, cookie, 0, 4 * K); /* from the buffer, or the file */
	req_join(req[1]);
	room_quiet(r); /* stored while lent */
	req_free(req[0]);
	req[2] = lend(r, cookie, 0, 10 * K);
	req_join(req[2]);
	req_free(req[1]);
	calm(r);
	req_free(req[2]);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* Two are given the buffer of one download; the file changes while they have it. */
static void lent_twice(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[3];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	r->server.hold = true;
	req[0] = lend(r, cookie, 0, 8 * K);
	req[1] = lend(r, cookie, 3 * K, 4 * K);
	req[2] = req_start(r, f, cookie, 2 * K, 4 * K);
	sim_sleep_ms(20);
	server_release(r);
	for (int i = 0; i < 3; i++)
		req_join(req[i]);
	remote_change(f, 7 * K, false);
	cookie_invalidate(r, cookie, f);
	read_some(r, f, cookie, 0, 8 * K);
	calm(r);
	for (int i = 0; i < 3; i++)
		req_free(req[i]);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* --- Into the cache --------------------------------------------------------------------------- */

static void prefetched(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[2];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	req[0] = req_start_how(r, f, cookie, 0, 91 * K, FSC_READ_PREFETCH, NULL);
	req[1] = req_start_how(r, f, cookie, 40 * K, 30 * K, FSC_READ_PREFETCH, NULL);
	req_end(req[0]);
	req_end(req[1]);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* Each waits until the one before it is stored. */
static void few_buffers(struct room *r)
{
	remote_add(r, 90 * K);
	r->params.max_keep_bytes = KEEP;
	r->server.read_max = 7 * K;
}

static void several_files(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	for (uint64_t at = 0; at < 90; at += 16)
		req_end(req_start_how(r, f, cookie, at * K, 16 * K, FSC_READ_PREFETCH, NULL));
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

static void ahead(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_pattern pattern = { { 0 } };
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	for (uint64_t at = 0; at < 48; at += 8)
		req_end(req_start_how(r, f, cookie, at * K, 8 * K, 0, &pattern));
	remote_change(f, 80 * K, false);
	cookie_invalidate(r, cookie, f);
	for (uint64_t at = 48; at < 80; at += 16)
		req_end(req_start_how(r, f, cookie, at * K, 16 * K, FSC_READ_LEND, &pattern));
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie); /* with some of it under way, perhaps */
	room_close(r);
}

/* --- Cancelled -------------------------------------------------------------------------------- */

static void cancelled(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req[5];

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	fsc_cookie_use(cookie, false);
	req[0] = req_start(r, f, cookie, 70 * K, 2 * K); /* while it is being looked up */
	req_cancel(req[0]);
	r->server.hold = true;
	req[1] = req_start(r, f, cookie, 0, 60 * K);
	req[2] = lend(r, cookie, 10 * K, 3 * K);
	req[3] = req_start_how(r, f, cookie, 0, 90 * K, FSC_READ_PREFETCH, NULL);
	req[4] = req_start(r, f, NULL, 5, 3 * K);
	sim_sleep_ms(20);
	for (int i = 1; i < 5; i++) {
		req_cancel(req[i]);
		sim_sleep_us(sim_random(300));
	}
	server_release(r);
	for (int i = 0; i < 5; i++)
		req_end(req[i]);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

const struct scenario scen_helper[] = {
	{ "helper-lent", one_file, NULL, lent, 0 },
	{ "helper-lent-partly", one_file, prepare_partly, lent, 0 },
	{ "helper-lent-twice", one_file, prepare_partly, lent_twice, 0 },
	{ "helper-prefetch", large_file, prepare_partly, prefetched, 0 },
	{ "helper-prefetch-waits", few_buffers, NULL, several_files, SCEN_ONE_MODEL },
	{ "helper-ahead", large_file, NULL, ahead, 0 },
	{ "helper-cancelled", large_file, NULL, cancelled, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
