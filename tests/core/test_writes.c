// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_writes.c - files that are written through their cookies: what the server took is what is
 * read from then on, from the cache too, and nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "writes.h"

#define SEEDS 200

/* --- With proof ------------------------------------------------------------------------------- */

static uint64_t some_pos(const struct sea *sea, uint64_t most)
{
	uint64_t pos = sim_random((uint32_t)(sea->size < most ? sea->size + 1 : most));

	return sim_chance(2) ? pos / K * K : pos;
}

static void any_resize(struct sea *sea, struct fsc_cookie *cookie)
{
	uint64_t size = sim_random(sim_chance(2) ? 100000 : (uint32_t)sea->size + 1);
	int err = sim_chance(6) ? -EIO : 0;

	fsc_cookie_resize_begin(cookie, size);
	if (!err || sim_chance(2))
		sea_resize(sea, size);
	if (sim_chance(2))
		sim_sleep_us(sim_random(3000));
	fsc_cookie_resize_end(cookie, err);
}

static void any_punch(struct sea *sea, struct fsc_cookie *cookie, bool look)
{
	uint64_t pos = sim_random((uint32_t)sea->size + 1), len = sim_random(20000);
	int err = sim_chance(6) ? -EIO : 0;

	len = len < sea->size - pos ? len : sea->size - pos;
	fsc_cookie_punch_begin(cookie, pos, len);
	sea_zero(sea, pos, len);
	if (look && sim_chance(2))
		sea_check_all(sea, cookie);
	fsc_cookie_punch_end(cookie, pos, len, err);
}

static void any_write(struct sea *sea, struct fsc_cookie *cookie, bool no_memory)
{
	uint64_t pos = some_pos(sea, 200000);
	size_t len = 1 + sim_random(sim_chance(8) ? 400000 : 3 * K);
	int64_t n;

	if (sim_chance(3))
		len = (len + K - 1) / K * K;
	if (sim_chance(4))
		pos += sim_random(2 * K); /* beyond the end, perhaps far */
	n = sea_write(sea, cookie, pos, len, any_flags());
	/* -EAGAIN too often is an error like others. */
	if (n != (int64_t)len)
		CHECK((no_memory && n == -ENOMEM) || (sea->error_one_in && n == sea->error) ||
		      (sea->again_one_in && n == -EAGAIN) ||
		      ((sea->error_one_in || sea->again_one_in) && n > 0 && n < (int64_t)len));
}

static void any_step(struct world *w, struct sea *sea, struct fsc_cookie *cookie)
{
	switch (sim_random(10)) {
	case 0:
		any_resize(sea, cookie);
		break;
	case 1:
		any_punch(sea, cookie, true);
		break;
	case 2:
		CHECK_EQ(sea_written(cookie, sea), 0);
		break;
	case 3:
		CHECK(fsc_cache_sync(w->cache) == 0 || sea->error_one_in);
		break;
	case 4:
	case 5:
		sea_check_all(sea, cookie);
		break;
	case 6:
		sea_check(sea, cookie, some_pos(sea, 1 << 20), 1 + sim_random(5 * K));
		break;
	default:
		any_write(sea, cookie, false);
		break;
	}
}

static void many_steps(struct world *w, bool prove, uint32_t errors)
{
	struct sea *sea = any_sea(sim_random(100000));
	struct fsc_cookie *cookie;

	world_open(w);
	sea->error_one_in = errors;
	for (int round = 0; round < 3; round++) {
		cookie = sea_acquire(w, sea);
		fsc_cookie_use_wait(cookie, true);
		if (prove)
			fsc_cookie_prove(cookie);
		for (uint32_t n = 1 + sim_random(12); n; n--)
			any_step(w, sea, cookie);
		sea_check_all(sea, cookie);
		if (sim_chance(3))
			CHECK_EQ(sea_written(cookie, sea), 0);
		sea_check_all(sea, cookie);
		sea_drop(cookie);
		if (sim_chance(2))
			world_reopen(w);
	}
	cookie = sea_acquire(w, sea);
	fsc_cookie_use_wait(cookie, false);
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_cached(sea, cookie);
	sea_drop(cookie);
	sea_free(sea);
}

static void proven_scenario(struct world *w)
{
	many_steps(w, true, 0);
}

static void unproven_scenario(struct world *w)
{
	many_steps(w, false, 0);
}

static void refused_scenario(struct world *w)
{
	many_steps(w, !sim_chance(4), 5);
}

static void what_the_sole_writer_wrote_is_read(void **state)
{
	(void)state;
	each_seed(3 * SEEDS, proven_scenario);
}

static void without_proof_too(void **state)
{
	(void)state;
	each_seed(SEEDS, unproven_scenario);
}

static void whatever_the_server_refuses(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, refused_scenario);
}

/* Nothing of the above would notice if all came from the server. */
static void cached_scenario(struct world *w)
{
	uint32_t flags = FSC_WRITE_FILL;
	struct sea *sea = any_sea(0);
	struct fsc_cookie *cookie;
	uint64_t pos = 0;
	size_t len;

	sea->again_one_in = 0;
	world_open(w);
	cookie = sea_proven(w, sea);
	while (pos < 300000) {
		len = 1 + sim_random(sim_chance(6) ? 100000 : 10000);
		CHECK_EQ(sea_write(sea, cookie, pos, len, flags), len);
		pos += len;
	}
	sea_check_cached(sea, cookie);
	/* In the middle, too; what the granules at its ends lack is had from the cache. */
	CHECK_EQ(sea_write(sea, cookie, 5 * K + 100, 3 * K, flags), 3 * K);
	CHECK_EQ(sea_write(sea, cookie, 11 * K + 1, 7, flags), 7);
	CHECK_EQ(sea_write(sea, cookie, 20 * K, 4 * K, 0), 4 * K);
	sea_check_cached(sea, cookie);
	CHECK_EQ(sea->reads, 0);
	CHECK_EQ(sea_written(cookie, sea), 0);
	CHECK(!sea_on_disk(w, sea)->rec.modifying);
	CHECK(sea_on_disk(w, sea)->rec.complete);
	CHECK_EQ(sea_write(sea, cookie, 0, K, 0), K);
	CHECK(sea_on_disk(w, sea)->rec.modifying);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_drop(cookie);
	world_reopen(w);
	cookie = sea_acquire(w, sea);
	CHECK(fsc_cookie_use_wait(cookie, false));
	sea_check_cached(sea, cookie);
	sea_drop(cookie);
	sea_free(sea);
}

static void it_is_kept_and_relabelled(void **state)
{
	(void)state;
	each_seed(SEEDS, cached_scenario);
}

static void fill_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K + 77);
	struct fsc_cookie *cookie;
	uint64_t reads;

	world_open(w);
	cookie = sea_proven(w, sea);
	/* Nothing is there: the two granules at the ends are fetched, no more. */
	CHECK_EQ(sea_write(sea, cookie, 3 * K + 5, 5 * K, FSC_WRITE_FILL), 5 * K);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 6 * K);
	if (!sea->read_max && !sea->again_one_in)
		CHECK_EQ(sea->reads, 2);
	reads = sea->reads;
	sea_check(sea, cookie, 3 * K, 6 * K);
	CHECK_EQ(sea->reads, reads);
	/* Without it only what is covered. */
	CHECK_EQ(sea_write(sea, cookie, 10 * K + 5, 5 * K, 0), 5 * K);
	CHECK_EQ(fsc_cookie_present(cookie, 10 * K, 16 * K), 4 * K);
	CHECK_EQ(sea->reads, reads);
	/* Up to the file's end that is whole; so is what is filled beyond it with zeroes. */
	CHECK_EQ(sea_write(sea, cookie, 20 * K, 77, 0), 77);
	CHECK_EQ(fsc_cookie_present(cookie, 20 * K, sea->size), 77);
	CHECK_EQ(sea_write(sea, cookie, 20 * K + 60, 30, FSC_WRITE_FILL), 30);
	CHECK_EQ(fsc_cookie_present(cookie, 20 * K, sea->size), 90);
	CHECK_EQ(sea_write(sea, cookie, 20 * K + 200, 10, FSC_WRITE_FILL), 10);
	CHECK_EQ(fsc_cookie_present(cookie, 20 * K, sea->size), 210);
	CHECK_EQ(sea->reads, reads);
	sea_check_all(sea, cookie);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_drop(cookie);
	sea_free(sea);
}

static void granules_at_the_ends_are_filled(void **state)
{
	(void)state;
	each_seed(SEEDS, fill_scenario);
}

/* --- What the client says --------------------------------------------------------------------- */

static void labels_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie_params now;
	struct fsc_cookie *cookie;
	struct sea_write *x;

	world_open(w);
	fill_cache(w, sea);
	cookie = sea_proven(w, sea);
	CHECK_EQ(fsc_cookie_written(NULL, NULL), 0);
	sea->hold = true;
	x = sea_write_new(sea, cookie, 0, 3 * K, 0);
	sea_write_start(x);
	CHECK_EQ(sea_written(cookie, sea), -EBUSY);
	while (!x->over) {
		sea_release(sea, 0);
		sim_sleep_us(500);
	}
	CHECK_EQ(sea_write_join(x), 3 * K);
	sea->hold = false;
	CHECK(sea_on_disk(w, sea)->rec.modifying);
	CHECK_EQ(sea_written(cookie, sea), 0);
	CHECK(!sea_on_disk(w, sea)->rec.modifying);
	CHECK_EQ(*(const uint8_t *)sea_on_disk(w, sea)->rec.coherency.data, (uint8_t)sea->label);
	sea_check_cached(sea, cookie);
	/* It is the cookie's label too. */
	CHECK(sea_acquire(w, sea) == cookie);
	fsc_cookie_relinquish(cookie, false);
	/* Not the file that we know, or nothing that could be one. */
	now = sea_params(sea);
	if (sim_chance(2))
		now.size++;
	else
		now.coherency.len = 256;
	CHECK_EQ(fsc_cookie_written(cookie, &now), 0);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	CHECK(!sea_on_disk(w, sea)->exists);
	sea_check_all(sea, cookie);
	sea_drop(cookie);
	sea_free(sea);
}

static void what_the_file_is_now_is_believed_with_proof(void **state)
{
	(void)state;
	each_seed(SEEDS, labels_scenario);
}

static void bad_args_scenario(struct world *w)
{
	struct sea *sea = sea_new(7, 20 * K);
	struct fsc_cookie *cookie;
	struct sea_write *x;
	struct fsc_iovec iov = { NULL, 0 };

	world_open(w);
	cookie = sea_proven(w, sea);
	x = sea_write_new(sea, cookie, 0, K, 0);
	x->write.len = 0;
	CHECK_EQ(fsc_write_wait(&x->write), 0);
	x->write.len = K;
	x->write.pos = UINT64_MAX - 100;
	CHECK_EQ(fsc_write_wait(&x->write), -EINVAL);
	x->write.pos = 0;
	x->write.buf = NULL;
	x->write.iov = &iov;
	x->write.nr_iov = 1;
	sea_write_start(x);
	CHECK_EQ(sea_write_join(x), -EINVAL);
	CHECK_EQ(sea->writes, 0);
	/* Not cached. */
	CHECK_EQ(sea_write(sea, NULL, 5, 3 * K, FSC_WRITE_FILL), 3 * K);
	fsc_cookie_prove(NULL);
	fsc_cookie_resize_begin(NULL, 5);
	fsc_cookie_resize_end(NULL, 0);
	fsc_cookie_punch_begin(NULL, 5, 5);
	fsc_cookie_punch_end(NULL, 5, 5, 0);
	/* Ends that nobody began, and what is nothing. */
	fsc_cookie_resize_end(cookie, 0);
	fsc_cookie_punch_end(cookie, 0, 5, 0);
	fsc_cookie_punch_begin(cookie, 5, 0);
	fsc_cookie_punch_end(cookie, 5, 0, 0);
	fsc_cookie_punch_begin(cookie, UINT64_MAX - 3, 10);
	fsc_cookie_punch_end(cookie, UINT64_MAX - 3, 10, 0);
	fsc_cookie_resize_begin(cookie, UINT64_MAX);
	fsc_cookie_resize_end(cookie, -EFBIG);
	sea->label++;
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_check_all(sea, cookie);
	sea_drop(cookie);
	sea_free(sea);
}

static void bad_arguments_are_refused(void **state)
{
	(void)state;
	each_seed(20, bad_args_scenario);
}

/* --- Limits and faults ------------------------------------------------------------------------ */

/* More files than may be open at once, all of them being written: none is lost by that. */
static void limit_scenario(struct world *w)
{
	struct fsc_cookie *cookie[4];
	struct sea *sea[4];

	w->backend.max_files = 2;
	world_open(w);
	for (uint32_t i = 0; i < 4; i++) {
		sea[i] = sea_new(10 + i, 8 * K);
		cookie[i] = sea_proven(w, sea[i]);
	}
	for (int n = 0; n < 20; n++) {
		uint32_t i = sim_random(4);

		any_write(sea[i], cookie[i], false);
		sea_check_all(sea[i], cookie[i]);
	}
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_EQ(sea_written(cookie[i], sea[i]), 0);
		sea_check_all(sea[i], cookie[i]);
		sea_drop(cookie[i]);
		sea_free(sea[i]);
	}
}

static void the_limit_on_open_files_loses_no_byte(void **state)
{
	(void)state;
	each_seed(SEEDS, limit_scenario);
}

static uint32_t one_in;

static void faulty_scenario(struct world *w)
{
	struct sea *sea = any_sea(sim_random(60000));
	struct fsc_cookie *cookie;

	one_in = 2 + sim_random(30);
	w->backend.short_one_in = sim_chance(2) ? 0 : 4;
	w->params.max_errors = sim_chance(3) ? 0 : 1000;
	w->params.max_keep_bytes = sim_chance(4) ? 16384 : 0;
	world_open(w);
	cookie = sea_acquire(w, sea);
	fsc_cookie_use_wait(cookie, false);
	sea_check_all(sea, cookie);
	sea_drop(cookie);
	simstore_set_fault(w->store, random_fault, &one_in);
	for (int round = 0; round < 2; round++) {
		cookie = sea_acquire(w, sea);
		fsc_cookie_use_wait(cookie, true);
		if (!sim_chance(5))
			fsc_cookie_prove(cookie);
		for (uint32_t n = 1 + sim_random(10); n; n--) {
			bool fails = sim_chance(4);

			sim_fail_alloc(fails ? 1 + sim_random(20) : 0, false);
			if (sim_chance(3))
				any_resize(sea, cookie);
			else if (sim_chance(3))
				any_punch(sea, cookie, !fails);
			else
				any_write(sea, cookie, fails);
			sim_fail_alloc(0, false);
			sea_check_all(sea, cookie);
		}
		if (sim_chance(2))
			CHECK_EQ(sea_written(cookie, sea), 0);
		sea_check_all(sea, cookie);
		sea_drop(cookie);
	}
	simstore_set_fault(w->store, NULL, NULL);
	world_reopen(w);
	cookie = sea_acquire(w, sea);
	fsc_cookie_use_wait(cookie, false);
	sea_check_all(sea, cookie);
	sea_drop(cookie);
	sea_free(sea);
}

static void a_failing_disk_costs_no_byte(void **state)
{
	(void)state;
	each_seed(4 * SEEDS, faulty_scenario);
}

/* --- Loans ------------------------------------------------------------------------------------ */

static void lent_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie *cookie;
	struct fsc_loan loan;
	struct fsc_stat st;

	world_open(w);
	fill_cache(w, sea);
	cookie = sea_proven(w, sea);
	CHECK_EQ(fsc_cookie_lend(cookie, &loan), 0);
	CHECK_EQ(w->be->ops->stat(loan.file, &st), 0);
	simstore_log_clear(w->store);
	switch (sim_random(3)) {
	case 0:
		any_write(sea, cookie, false);
		break;
	case 1:
		fsc_cookie_resize_begin(cookie, 5 * K);
		sea_resize(sea, 5 * K);
		fsc_cookie_resize_end(cookie, 0);
		break;
	default:
		fsc_cookie_punch_begin(cookie, 5, 5 * K);
		sea_zero(sea, 5, 5 * K);
		fsc_cookie_punch_end(cookie, 5, 5 * K, 0);
		break;
	}
	CHECK(!fsc_loan_current(&loan));
	/* Its reader asks nobody. */
	CHECK_EQ(simstore_log_count(w->store, SIMOP_WRITE, st.ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_PUNCH, st.ino), 0);
	CHECK_EQ(simstore_log_count(w->store, SIMOP_RESIZE, st.ino), 0);
	sea_check_all(sea, cookie);
	world_quiet();
	/* And what took its place goes on being written and filled. */
	CHECK_EQ(sea_write(sea, cookie, 0, 2 * K, 0), 2 * K);
	world_quiet();
	CHECK(fsc_cookie_present(cookie, 0, 2 * K) > 0);
	sea_check_all(sea, cookie);
	fsc_loan_return(&loan);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_cached(sea, cookie);
	CHECK_EQ(fsc_cookie_lend(cookie, &loan), 0);
	fsc_loan_return(&loan);
	sea_drop(cookie);
	sea_free(sea);
}

static void what_is_lent_is_not_written_to(void **state)
{
	(void)state;
	each_seed(SEEDS, lent_scenario);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_kept_and_relabelled),
		cmocka_unit_test(granules_at_the_ends_are_filled),
		cmocka_unit_test(what_the_sole_writer_wrote_is_read),
		cmocka_unit_test(without_proof_too),
		cmocka_unit_test(whatever_the_server_refuses),
		cmocka_unit_test(what_the_file_is_now_is_believed_with_proof),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(the_limit_on_open_files_loses_no_byte),
		cmocka_unit_test(a_failing_disk_costs_no_byte),
		cmocka_unit_test(what_is_lent_is_not_written_to),
	};

	return RUN_TESTS(tests);
}
