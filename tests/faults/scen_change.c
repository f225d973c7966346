// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_change.c - scenarios: the file changes on the server, at any moment. */
#include <string.h>

#include "scenarios.h"

static void one_file(struct room *r)
{
	remote_add(r, 6 * K + 100);
}

/* Known with the first half of the file. */
static struct fsc_cookie *half_known(struct room *r, struct remote *f)
{
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	read_some(r, f, cookie, 0, 3 * K);
	room_quiet(r);
	return cookie;
}

static void in_use(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie = half_known(r, f);

	CHECK_EQ(fsc_cache_sync(r->cache), 0);
	arm(r);
	remote_change(f, 7 * K, false);
	cookie_invalidate(r, cookie, f);
	read_all(r, f, cookie);
	room_quiet(r);
	calm(r);
	remote_change(f, 4 * K + 5, false);
	cookie_invalidate(r, cookie, f);
	read_some(r, f, cookie, 0, 2 * K);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

/* Reads are under way, and what they bring is being stored. */
static void while_reading(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie = half_known(r, f);
	struct req *req[3];

	arm(r);
	r->server.hold = true;
	req[0] = req_start(r, f, cookie, 0, 7 * K);
	req[1] = req_start(r, f, cookie, 5 * K, K);
	sim_sleep_ms(10);
	remote_change(f, 6 * K + 100, false);
	server_release(r);
	sim_sleep_us(300); /* being stored now */
	cookie_invalidate(r, cookie, f);
	req[2] = req_start(r, f, cookie, 0, 7 * K);
	for (int i = 0; i < 3; i++)
		req_end(req[i]);
	calm(r);
	room_quiet(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* Nobody uses it; or it was never looked up. */
static void idle(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	remote_change(f, 5 * K, false);
	cookie_invalidate(r, cookie, f);
	fsc_cookie_use_wait(cookie, false);
	read_all(r, f, cookie);
	fsc_cookie_unuse(cookie);
	calm(r);
	remote_change(f, 4 * K, false);
	cookie_invalidate(r, cookie, f);
	fsc_cookie_relinquish_wait(cookie, false);
	room_close(r);
}

/* While it is being looked up. */
static void looked_up(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;
	struct req *req;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	fsc_cookie_use(cookie, false);
	sim_sleep_us(50);
	remote_change(f, 5 * K, false);
	req = req_start(r, f, cookie, 0, 2 * K);
	cookie_invalidate(r, cookie, f);
	req_end(req);
	calm(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* A client that can't prove that it is the only writer. */
static void written_unproven(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie = half_known(r, f);

	arm(r);
	fsc_cookie_use(cookie, true);
	fsc_cookie_invalidate(cookie, NULL, NULL);
	read_all(r, f, cookie);
	remote_patch(f, 100, 2 * K);
	cookie_invalidate(r, cookie, f);
	read_all(r, f, cookie);
	fsc_cookie_unuse(cookie);
	calm(r);
	fsc_cookie_unuse(cookie);
	fsc_cookie_use(cookie, false);
	read_all(r, f, cookie);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

/* The server's versions look alike: what keeps the old one from coming back is its removal. */
static void alike(struct room *r)
{
	one_file(r);
	r->vol_flags = FSC_VOLUME_STRICT_REMOVAL;
}

static void unseen(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	arm(r);
	remote_change(f, 6 * K + 100, true);
	cookie_invalidate(r, cookie, f);
	read_some(r, f, cookie, 0, 3 * K);
	room_quiet(r);
	calm(r);
	fsc_cookie_unuse(cookie);
	remote_change(f, 6 * K + 100, true);
	cookie_invalidate(r, cookie, f);
	fsc_cookie_relinquish_wait(cookie, false);
	room_close(r);
}

/* The cache has no object for it, and none to be had. */
static void unseen_not_open(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_get(r, f);
	remote_change(f, 6 * K + 100, true);
	cookie_invalidate(r, cookie, f);
	calm(r);
	fsc_cookie_relinquish_wait(cookie, false);
	cookie = cookie_used(r, f);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

static void unseen_withdrawn(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	cookie = cookie_used(r, f);
	arm(r);
	fsc_cache_withdraw(r->cache);
	remote_change(f, 6 * K + 100, true);
	cookie_invalidate(r, cookie, f);
	calm(r);
	cookie_drop(cookie);
	room_close(r);
}

/* Stored under what the server no longer says. */
static void changed_while_closed(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	remote_change(f, 3 * K, false);
	cookie = cookie_used(r, f);
	read_all(r, f, cookie);
	calm(r);
	cookie_drop(cookie);
	room_close(r);
}

/* Changed a moment ago: what is read now may be of the next version too. */
static void recent(struct room *r)
{
	struct remote *f = &r->file[0];
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params params = remote_params(f, 0, key, coh);
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	params.keep_after_ms = fsc_clock_ms() + 20;
	if (fsc_cookie_acquire(r->vol, &params, &cookie))
		cookie = NULL;
	fsc_cookie_use_wait(cookie, false);
	read_some(r, f, cookie, 0, 3 * K);
	calm(r);
	sim_sleep_ms(30);
	read_all(r, f, cookie);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

const struct scenario scen_change[] = {
	{ "change-in-use", one_file, NULL, in_use, 0 },
	{ "change-while-reading", one_file, NULL, while_reading, 0 },
	{ "change-idle", one_file, prepare_all, idle, 0 },
	{ "change-looked-up", one_file, prepare_all, looked_up, 0 },
	{ "change-written-unproven", one_file, NULL, written_unproven, 0 },
	{ "change-unseen", alike, prepare_all, unseen, 0 },
	{ "change-unseen-not-open", alike, prepare_all, unseen_not_open, 0 },
	{ "change-unseen-withdrawn", alike, prepare_all, unseen_withdrawn, 0 },
	{ "change-while-closed", one_file, prepare_all, changed_while_closed, 0 },
	{ "change-recent", one_file, NULL, recent, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
