// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_files.c - scenarios: files that are changed and lent through their cookies. */
#include "scenarios.h"

static void one_file(struct room *r)
{
	remote_add(r, 6 * K + 100);
}

/* The server's versions look alike; nothing but the cache knows of a change. */
static void alike(struct room *r)
{
	one_file(r);
	r->file[0].alike = true;
	r->vol_flags = FSC_VOLUME_STRICT_REMOVAL;
}

static void in_pieces(struct room *r)
{
	one_file(r);
	r->server.write_max = 3000;
}

static void end(struct room *r, struct remote *f, struct fsc_cookie *cookie)
{
	calm(r);
	read_all(r, f, cookie);
	room_quiet(r);
	read_all(r, f, cookie);
	cookie_drop(cookie);
	room_close(r);
}

/* Whole granules and parts of them, over what is stored and over what isn't. */
static void proven(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	file_write(r, f, cookie, 2 * K, 2 * K, 0);
	read_all(r, f, cookie);
	file_write(r, f, cookie, 4 * K + 10, K, FSC_WRITE_FILL);
	file_written(f, cookie);
	file_write(r, f, cookie, 5 * K, K + 100, 0); /* up to the end */
	file_written(f, cookie);
	end(r, f, cookie);
}

/* The file grows; and what it is now is never said. */
static void growing(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	file_write(r, f, cookie, 6 * K + 100, 3 * K, FSC_WRITE_FILL);
	read_all(r, f, cookie);
	file_written(f, cookie);
	file_write(r, f, cookie, 9 * K + 100, 2 * K, 0);
	read_all(r, f, cookie);
	fsc_cookie_unuse(cookie);
	fsc_cookie_use_wait(cookie, false);
	end(r, f, cookie);
}

static void resized(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	file_resize(f, cookie, 3 * K + 50);
	read_all(r, f, cookie);
	file_resize(f, cookie, 5 * K);
	read_all(r, f, cookie);
	file_punch(f, cookie, 100, 2 * K);
	read_all(r, f, cookie);
	file_written(f, cookie);
	end(r, f, cookie);
}

static void unproven(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, false);
	file_write(r, f, cookie, 2 * K + 5, 2 * K, 0);
	read_all(r, f, cookie);
	file_write(r, f, cookie, 0, K, 0);
	file_written(f, cookie);
	fsc_cookie_unuse(cookie);
	fsc_cookie_use_wait(cookie, false);
	end(r, f, cookie);
}

static void unproven_others(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, false);
	if (sim_chance(2))
		file_resize(f, cookie, 3 * K);
	else
		file_punch(f, cookie, K, 2 * K);
	read_all(r, f, cookie);
	file_written(f, cookie);
	end(r, f, cookie);
}

static void refused(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	file_write(r, f, cookie, 0, K, 0);
	r->server.writes = sim_chance(2) ? WRITES_REFUSED : WRITES_CUT;
	file_write(r, f, cookie, 2 * K, 3 * K, FSC_WRITE_FILL);
	read_all(r, f, cookie);
	r->server.writes = WRITES_TAKEN;
	file_write(r, f, cookie, 3 * K, K, 0);
	file_written(f, cookie);
	end(r, f, cookie);
}

static void refused_resize(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	r->server.writes = WRITES_REFUSED;
	if (sim_chance(2))
		file_resize(f, cookie, 3 * K);
	else
		file_punch(f, cookie, K, 2 * K);
	r->server.writes = WRITES_TAKEN;
	end(r, f, cookie);
}

/* The right is gone, and others write: what we write from then on is proof of nothing. */
static void recalled(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	file_write(r, f, cookie, 0, K, 0);
	cookie_invalidate(r, cookie, f);
	file_write(r, f, cookie, 2 * K, 2 * K, 0);
	remote_change(f, 6 * K + 100, false);
	file_written(f, cookie);
	read_all(r, f, cookie);
	fsc_cookie_unuse(cookie);
	fsc_cookie_use_wait(cookie, false);
	end(r, f, cookie);
}

/* --- Loans ------------------------------------------------------------------------------------ */

static void few_files(struct room *r)
{
	one_file(r);
	for (int i = 0; i < 3; i++)
		remote_add(r, 2 * K);
	r->backend.max_files = 2;
}

static void lent(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie, *others[3];
	struct fsc_loan loan;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = file_open(r, f, true);
	read_all(r, f, cookie);
	room_quiet(r);
	fsc_cookie_lend(cookie, &loan);
	for (int i = 0; i < 3; i++) {
		others[i] = cookie_used(r, &r->file[i + 1]);
		read_all(r, &r->file[i + 1], others[i]);
	}
	/* Unless something failed it is open still. */
	if (r->vol && r->plan.kind != KIND_ALLOC && !r->plan.injected)
		CHECK(fsc_loan_current(&loan));
	/* Without memory nothing is sent. */
	CHECK(file_write(r, f, cookie, 0, K, 0) < 0 || !fsc_loan_current(&loan));
	read_all(r, f, cookie);
	fsc_loan_return(&loan);
	for (int i = 0; i < 3; i++)
		cookie_drop(others[i]);
	file_written(f, cookie);
	end(r, f, cookie);
}

const struct scenario scen_files[] = {
	{ "file-proven", one_file, prepare_all, proven, 0 },
	{ "file-proven-alike", alike, prepare_all, proven, 0 },
	{ "file-proven-cold", in_pieces, NULL, proven, 0 },
	{ "file-growing", one_file, prepare_all, growing, 0 },
	{ "file-growing-alike", alike, prepare_all, growing, 0 },
	{ "file-resized", one_file, prepare_all, resized, 0 },
	{ "file-resized-alike", alike, prepare_all, resized, 0 },
	{ "file-unproven", one_file, prepare_all, unproven, 0 },
	{ "file-unproven-alike", alike, prepare_all, unproven, 0 },
	{ "file-unproven-others", alike, prepare_all, unproven_others, 0 },
	{ "file-refused", in_pieces, prepare_all, refused, 0 },
	{ "file-refused-alike", alike, prepare_all, refused, 0 },
	{ "file-refused-resize", alike, prepare_all, refused_resize, 0 },
	{ "file-recalled", one_file, prepare_all, recalled, 0 },
	{ "file-lent", few_files, prepare_all, lent, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
