// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_loan.c - cookies whose backing file is lent: the object stays open and the file as it was,
 * whatever the limits, the client's other calls and the cache's end do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#define SEEDS 200
#define SIZE (20 * K)

/* --- The reader outside ----------------------------------------------------------------------- */

struct pass {
	struct fsc_io io;
	bool over;
	int64_t ret;
};

static void pass_done(struct fsc_io *io, int64_t ret)
{
	struct pass *pass = (struct pass *)io;

	pass->ret = ret;
	pass->over = true;
}

/* All of it, of @version, and no byte more. */
static void check_file(struct world *w, const struct fsc_loan *loan, const struct netfs_file *f,
		       uint32_t version)
{
	uint8_t *mem = fsc_io_alloc(SIZE + K);
	struct pass pass = { .io = { .file = loan->file, .buf = { .mem = mem, .len = SIZE + K },
				     .done = pass_done } };

	w->be->ops->read(&pass.io);
	while (!pass.over)
		sim_sleep_us(50);
	CHECK_EQ(pass.ret, SIZE);
	for (uint64_t i = 0; i < SIZE; i++)
		CHECK(mem[i] == netfs_byte(f, version, i));
	fsc_io_free(mem, SIZE + K);
}

static struct fsc_cookie *filled(struct world *w, struct netfs_file *f)
{
	struct fsc_cookie *cookie = acquire_used(w, f);

	CHECK_EQ(read_whole(f, cookie, true), SIZE);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, SIZE), SIZE);
	return cookie;
}

/* --- What can be lent ------------------------------------------------------------------------- */

static int try_lend(struct fsc_cookie *cookie)
{
	struct fsc_loan loan;
	int err = fsc_cookie_lend(cookie, &loan);

	CHECK_EQ(fsc_loan_current(&loan), !err);
	fsc_loan_return(&loan);
	fsc_loan_return(&loan); /* zeroed by the first */
	CHECK(!fsc_loan_current(&loan));
	return err;
}

static void states_scenario(struct world *w)
{
	struct netfs_file *f = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;

	world_open(w);
	CHECK_EQ(try_lend(NULL), -ENOBUFS);
	cookie = acquire(w, f);
	CHECK_EQ(try_lend(cookie), -ENOBUFS); /* not in use */
	fsc_cookie_use(cookie, false);
	CHECK_EQ(try_lend(cookie), -ENODATA); /* the look-up is waited for */
	netfs_read_all(f, cookie, 0, K, 0, true);
	world_quiet();
	CHECK_EQ(try_lend(cookie), -ENODATA);
	read_whole(f, cookie, true);
	world_quiet();
	CHECK_EQ(try_lend(cookie), 0);
	fsc_cookie_unuse(cookie);
	CHECK_EQ(try_lend(cookie), -ENOBUFS);
	fsc_cookie_use(cookie, true);
	CHECK_EQ(try_lend(cookie), 0);
	invalidate(cookie, f, NULL);
	CHECK_EQ(try_lend(cookie), -ENOBUFS);
	fsc_cookie_unuse(cookie);
	CHECK(fsc_cookie_use_wait(cookie, false));
	read_whole(f, cookie, true);
	world_quiet();
	CHECK_EQ(try_lend(cookie), 0);
	fsc_cache_withdraw(w->cache);
	CHECK_EQ(try_lend(cookie), -ENOBUFS);
	drop_used(cookie);
	netfs_file_free(f);
}

static void what_is_in_use_and_whole_is_lent(void **state)
{
	(void)state;
	each_seed(SEEDS, states_scenario);
}

/* --- What may happen meanwhile ---------------------------------------------------------------- */

#define OTHERS 6

/* Far more files than may be open, all read: everything that can be parked is. */
static void crowd(struct world *w)
{
	struct netfs_file *f[OTHERS];
	struct fsc_cookie *cookie[OTHERS];

	for (uint32_t i = 0; i < OTHERS; i++) {
		f[i] = netfs_file_new(&w->net, 100 + i, 3 * K);
		cookie[i] = acquire_used(w, f[i]);
		CHECK_EQ(read_whole(f[i], cookie[i], true), 3 * K);
	}
	for (uint32_t i = 0; i < OTHERS; i++) {
		drop_used(cookie[i]);
		netfs_file_free(f[i]);
	}
}

static void crowd_scenario(struct world *w)
{
	struct netfs_file *f = netfs_file_new(&w->net, 7, SIZE);
	struct fsc_cookie *cookie;
	struct fsc_loan loan;
	bool used = sim_chance(2);
	uint64_t found;

	w->backend.max_files = 2;
	world_open(w);
	cookie = filled(w, f);
	CHECK_EQ(fsc_cookie_lend(cookie, &loan), 0);
	if (!used)
		fsc_cookie_unuse(cookie);
	crowd(w);
	CHECK(fsc_loan_current(&loan));
	CHECK_EQ(fsc_cache_sync(w->cache), 0);
	CHECK_EQ(fsc_cache_cull(w->cache, 1 << 30, NULL), 0);
	CHECK(disk_unchecked(w, f)->exists);
	check_file(w, &loan, f, f->version);
	fsc_loan_return(&loan);
	/* And then it is one of many, and still stored. */
	found = world_stats(w).objects_found;
	crowd(w);
	if (!used)
		fsc_cookie_use(cookie, false);
	CHECK_EQ(read_whole(f, cookie, true), SIZE);
	CHECK(world_stats(w).objects_found > found);
	drop_used(cookie);
	CHECK(disk_unchecked(w, f)->rec.complete);
	netfs_file_free(f);
}

static void the_limit_on_open_files_leaves_it_alone(void **state)
{
	(void)state;
	each_seed(SEEDS, crowd_scenario);
}

enum fate { INVALIDATED, CHANGED_UNKNOWN, WITHDRAWN, GIVEN_BACK, RETIRED, FATES };

static void meet(struct world *w, struct fsc_cookie *cookie, struct netfs_file *f, enum fate fate)
{
	switch (fate) {
	case INVALIDATED:
		netfs_file_change(f, SIZE);
		invalidate(cookie, f, NULL);
		break;
	case CHANGED_UNKNOWN:
		fsc_cookie_invalidate(cookie, NULL, NULL);
		break;
	case WITHDRAWN:
		fsc_cache_withdraw(w->cache);
		break;
	default:
		fsc_cookie_unuse(cookie);
		fsc_cookie_relinquish(cookie, fate == RETIRED);
		break;
	}
}

static void fate_scenario(struct world *w)
{
	struct netfs_file *f = netfs_file_new(&w->net, 7, SIZE);
	enum fate fate = (enum fate)sim_random(FATES);
	bool gone = fate == GIVEN_BACK || fate == RETIRED, late = sim_chance(2);
	uint32_t version = f->version;
	struct fsc_cookie *cookie;
	struct fsc_loan loan;

	world_open(w);
	cookie = filled(w, f);
	CHECK_EQ(fsc_cookie_lend(cookie, &loan), 0);
	CHECK(fsc_loan_current(&loan));
	meet(w, cookie, f, fate);
	CHECK_EQ(fsc_loan_current(&loan), gone);
	if (late)
		world_quiet();
	CHECK_EQ(fsc_loan_current(&loan), gone);
	if (!gone)
		CHECK_EQ(read_whole(f, cookie, true), SIZE);
	check_file(w, &loan, f, version);
	/* In whichever order, the volume can be given back then. */
	if (!gone && sim_chance(2)) {
		fsc_loan_return(&loan);
		drop_used(cookie);
	} else {
		if (!gone) {
			fsc_cookie_unuse(cookie);
			fsc_cookie_relinquish(cookie, false);
		}
		fsc_loan_return(&loan);
	}
	fsc_volume_relinquish(w->vol, false);
	w->vol = NULL;
	if (fate == GIVEN_BACK)
		CHECK(disk_unchecked(w, f)->rec.complete);
	if (fate == RETIRED)
		CHECK(!disk_unchecked(w, f)->exists);
	netfs_file_free(f);
}

static void it_stays_as_it_was_whatever_becomes_of_the_cookie(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, fate_scenario);
}

/* --- Together --------------------------------------------------------------------------------- */

static struct {
	struct fsc_cookie *cookie;
	struct netfs_file *f;
} shared;

static void lender(void *arg)
{
	struct world *w = arg;
	struct fsc_loan loan;

	for (int i = 0; i < 4; i++) {
		if (!fsc_cookie_lend(shared.cookie, &loan)) {
			for (uint32_t n = sim_random(10); n; n--)
				sim_point();
			check_file(w, &loan, shared.f, 1);
			fsc_loan_return(&loan);
		}
		sim_sleep_us(sim_random(500));
	}
}

static void together_scenario(struct world *w)
{
	sim_task_id a, b;

	w->backend.max_files = 2;
	shared.f = netfs_file_new(&w->net, 7, SIZE);
	world_open(w);
	shared.cookie = filled(w, shared.f);
	a = sim_spawn(lender, w);
	b = sim_spawn(lender, w);
	crowd(w);
	if (sim_chance(2)) {
		netfs_file_change(shared.f, SIZE);
		invalidate(shared.cookie, shared.f, NULL);
	}
	sim_join(a);
	sim_join(b);
	CHECK_EQ(read_whole(shared.f, shared.cookie, true), SIZE);
	drop_used(shared.cookie);
	netfs_file_free(shared.f);
}

static void loans_meet_parking_and_invalidation(void **state)
{
	(void)state;
	each_seed(SEEDS, together_scenario);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_use_and_whole_is_lent),
		cmocka_unit_test(the_limit_on_open_files_leaves_it_alone),
		cmocka_unit_test(it_stays_as_it_was_whatever_becomes_of_the_cookie),
		cmocka_unit_test(loans_meet_parking_and_invalidation),
	};

	return RUN_TESTS(tests);
}
