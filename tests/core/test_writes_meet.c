// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_writes_meet.c - writes that meet each other, reads, invalidations and servers that don't
 * answer; and those that nothing proves to be the only ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "writes.h"

#define SEEDS 200

/* --- Without proof ---------------------------------------------------------------------------- */

static struct world *the_world;
static bool arrived_clean;

static void look_at_disk(struct sea *sea, const struct fsc_subreq *sreq)
{
	(void)sreq;
	if (sea_on_disk(the_world, sea)->exists)
		sim_fail(SIM_BUG, "a write was sent while an object is stored");
	arrived_clean = true;
}

static void gone_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie *cookie;

	the_world = w;
	arrived_clean = false;
	world_open(w);
	fill_cache(w, sea);
	cookie = sea_acquire(w, sea);
	/* Looked up or not yet. */
	if (sim_chance(2))
		fsc_cookie_use_wait(cookie, true);
	else
		fsc_cookie_use(cookie, sim_chance(2));
	if (sim_chance(4))
		fsc_cache_withdraw(w->cache);
	sea->arrived = look_at_disk;
	CHECK_EQ(sea_write(sea, cookie, 100, 3 * K, any_flags()), 3 * K);
	CHECK(arrived_clean);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	sea_check_all(sea, cookie);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	CHECK_EQ(sea_write(sea, cookie, 0, 3 * K, any_flags()), 3 * K);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_check_all(sea, cookie);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	fsc_cookie_unuse(cookie);
	if (fsc_cache_online(w->cache)) {
		CHECK(fsc_cookie_use_wait(cookie, false));
		sea_check_all(sea, cookie);
		world_quiet();
		sea_check_cached(sea, cookie);
		fsc_cookie_unuse(cookie);
	}
	fsc_cookie_relinquish_wait(cookie, false);
	sea_free(sea);
}

static void without_proof_the_object_goes_before_anything_is_sent(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, gone_scenario);
}

/* Proof comes too late, ends with its use, or with an invalidation. */
static void proof_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie_params now;
	struct fsc_cookie *cookie;

	world_open(w);
	fill_cache(w, sea);
	cookie = sea_acquire(w, sea);
	fsc_cookie_prove(cookie); /* not in use */
	fsc_cookie_use_wait(cookie, true);
	switch (sim_random(4)) {
	case 0:
		break;
	case 1: /* the use ends */
		fsc_cookie_prove(cookie);
		fsc_cookie_unuse(cookie);
		fsc_cookie_use_wait(cookie, true);
		break;
	case 2: /* it was the first write's */
		CHECK_EQ(sea_write(sea, cookie, 0, K, 0), K);
		fsc_cookie_prove(cookie);
		break;
	default:
		fsc_cookie_prove(cookie);
		sea_change(sea, 0, 3 * K, 20 * K);
		now = sea_params(sea);
		fsc_cookie_invalidate(cookie, sim_chance(2) ? &now : NULL, NULL);
		fsc_cookie_prove(cookie);
		break;
	}
	CHECK_EQ(sea_write(sea, cookie, 0, 4 * K, any_flags()), 4 * K);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	sea_check_all(sea, cookie);
	world_quiet();
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	CHECK(!sea_on_disk(w, sea)->exists);
	sea_drop(cookie);
	sea_free(sea);
}

static void proof_is_of_one_use(void **state)
{
	(void)state;
	each_seed(SEEDS, proof_scenario);
}

/* What was never said the meaning of goes with the use. */
static void unsaid_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie *cookie;

	world_open(w);
	fill_cache(w, sea);
	cookie = sea_proven(w, sea);
	CHECK_EQ(sea_write(sea, cookie, 0, 4 * K, 0), 4 * K);
	sea_check_cached(sea, cookie);
	if (sim_chance(2)) {
		fsc_cookie_unuse(cookie);
		fsc_cookie_use_wait(cookie, false);
		CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	}
	sea_drop(cookie);
	CHECK(!sea_on_disk(w, sea)->exists);
	sea_free(sea);
}

static void what_is_never_told_of_goes_with_the_use(void **state)
{
	(void)state;
	each_seed(SEEDS, unsaid_scenario);
}

/* --- Under way -------------------------------------------------------------------------------- */

/* Started one after the other, overlapping or not: the server gets them in that order where it
 * matters (writable.c looks), and then has what the last one wrote. */
static void overlap_scenario(struct world *w)
{
	struct sea *sea = any_sea(sim_random(60000));
	struct sea_write *writes[12];
	uint8_t *want = calloc(1, SEA_MAX);
	struct fsc_cookie *cookie;
	uint64_t size = sea->size;
	bool prove = !sim_chance(3);

	world_open(w);
	cookie = sea_acquire(w, sea);
	if (sim_chance(2))
		fsc_cookie_use_wait(cookie, true);
	else
		fsc_cookie_use(cookie, true);
	if (prove)
		fsc_cookie_prove(cookie);
	memcpy(want, sea->data, (size_t)size);
	for (int i = 0; i < 12; i++) {
		uint64_t pos = sim_random(60000);
		size_t len = 1 + sim_random(12000);
		struct sea_write *x = sea_write_new(sea, cookie, pos, len, any_flags());

		x->write.file_size = size;
		size = pos + len > size ? pos + len : size;
		for (uint32_t k = 0, at = 0; k < x->write.nr_iov; k++) {
			memcpy(want + pos + at, x->write.iov[k].base, x->write.iov[k].len);
			at += (uint32_t)x->write.iov[k].len;
		}
		if (x->write.buf)
			memcpy(want + pos, x->write.buf, len);
		writes[i] = x;
		sea_write_start(x);
		for (uint32_t n = sim_random(20); n; n--)
			sim_point();
	}
	for (int i = 0; i < 12; i++)
		CHECK(sea_write_join(writes[i]) > 0);
	CHECK_EQ(sea->size, size);
	CHECK(!memcmp(want, sea->data, (size_t)size));
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_all(sea, cookie);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_check_all(sea, cookie);
	CHECK_EQ(fsc_cookie_present(cookie, 0, size) != 0, prove);
	sea_drop(cookie);
	free(want);
	sea_free(sea);
}

static void overlapping_writes_go_in_the_order_of_their_starts(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, overlap_scenario);
}

/* Each write puts its number into all of a few granules. Whoever reads after a write was answered
 * sees its number there, or a later one's. */
#define GRANULES 6u

static struct {
	struct world *w;
	struct sea *sea;
	struct fsc_cookie *cookie;
	uint8_t answered[GRANULES];
	bool stop, failing;
} race;

static void race_writer(void *arg)
{
	uint8_t *mem = aligned_alloc(K, GRANULES * K);

	(void)arg;
	for (uint8_t nr = 1; nr <= 20; nr++) {
		uint32_t at = sim_random(GRANULES), n = 1 + sim_random(GRANULES - at);
		struct sea_write *x = sea_write_new(race.sea, race.cookie, at * K, n * K,
						    any_flags());

		memset(mem, nr, n * K);
		x->write.buf = mem;
		x->write.iov = NULL;
		sea_write_start(x);
		if (sea_write_join(x) == (int64_t)(n * K))
			memset(race.answered + at, nr, n);
		if (sim_chance(3))
			sim_sleep_us(sim_random(4000));
	}
	free(mem);
	race.stop = true;
}

static void race_reader(void *arg)
{
	uint8_t least[GRANULES], *mem = aligned_alloc(K, GRANULES * K);

	(void)arg;
	while (!race.stop) {
		memcpy(least, race.answered, GRANULES);
		CHECK_EQ(sea_read(race.sea, race.cookie, 0, mem, GRANULES * K), GRANULES * K);
		for (uint32_t i = 0; i < GRANULES * K; i++)
			if (mem[i] < least[i / K])
				sim_fail(SIM_BUG, "%u at %u, and %u was answered", mem[i], i,
					 least[i / K]);
		sim_sleep_us(sim_random(2000));
	}
	free(mem);
}

static void race_scenario(struct world *w)
{
	sim_task_id task[3];

	memset(&race, 0, sizeof(race));
	race.w = w;
	race.sea = sea_new(7, GRANULES * K);
	memset(race.sea->data, 0, GRANULES * K);
	race.sea->write_max = sim_chance(2) ? 0 : 3000 + sim_random(10000);
	world_open(w);
	race.cookie = sea_acquire(w, race.sea);
	fsc_cookie_use(race.cookie, true);
	if (!sim_chance(4))
		fsc_cookie_prove(race.cookie);
	task[0] = sim_spawn(race_writer, NULL);
	task[1] = sim_spawn(race_reader, NULL);
	task[2] = sim_spawn(race_reader, NULL);
	for (int i = 0; i < 3; i++)
		sim_join(task[i]);
	sea_check_all(race.sea, race.cookie);
	world_quiet();
	sea_check_all(race.sea, race.cookie);
	sea_drop(race.cookie);
	sea_free(race.sea);
}

static void a_read_after_the_answer_sees_it(void **state)
{
	(void)state;
	each_seed(3 * SEEDS, race_scenario);
}

/* An answer that says nothing: the server has it or not, or gets it later. */
static void unknown_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie *cookie;
	struct sea_write *x;
	bool grows = sim_chance(2);

	world_open(w);
	fill_cache(w, sea);
	cookie = sea_proven(w, sea);
	sea->hold = true;
	x = sea_write_new(sea, cookie, 16 * K, (grows ? 6 : 3) * K, any_flags());
	sea_write_start(x);
	world_quiet();
	CHECK(sea->nr_writing);
	/* Stored already, and perhaps read; that is nobody's promise yet. */
	while (sea_release(sea, -ETIMEDOUT))
		sim_settle();
	CHECK_EQ(sea_write_join(x), -ETIMEDOUT);
	CHECK_EQ(fsc_cookie_present(cookie, 0, 20 * K), 0);
	sea_check_all(sea, cookie);
	/* And there it comes. */
	memset(sea->data + 17 * K, 0x77, K);
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_all(sea, cookie);
	CHECK(!sea_on_disk(w, sea)->exists);
	sea->label++;
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_drop(cookie);
	fill_cache(w, sea);
	sea_free(sea);
}

static void an_answer_that_got_lost_is_no_answer(void **state)
{
	(void)state;
	each_seed(SEEDS, unknown_scenario);
}

/* The file changes under a write that is on its way. */
static void between_scenario(struct world *w)
{
	struct sea *sea = any_sea(20 * K);
	struct fsc_cookie_params now;
	struct fsc_cookie *cookie;
	struct sea_write *x;

	sea->short_one_in = 0;
	world_open(w);
	fill_cache(w, sea);
	cookie = sea_acquire(w, sea);
	fsc_cookie_use(cookie, true);
	fsc_cookie_prove(cookie);
	sea->hold = true;
	x = sea_write_new(sea, cookie, 2 * K, 6 * K, any_flags());
	sea_write_start(x);
	if (sim_chance(2))
		world_quiet();
	for (uint32_t n = sim_random(200); n; n--)
		sim_point();
	CHECK_EQ(sea_written(cookie, sea), -EBUSY);
	sea_change(sea, 0, 20 * K, 20 * K);
	now = sea_params(sea);
	fsc_cookie_invalidate(cookie, sim_chance(2) ? &now : NULL, NULL);
	/* Begun after it, and never kept. */
	sea_check_all(sea, cookie);
	while (!x->over) {
		sea_release(sea, 0);
		sim_sleep_us(500);
	}
	CHECK_EQ(sea_write_join(x), 6 * K);
	sea->hold = false;
	sea_check_all(sea, cookie);
	world_quiet();
	sea_check_all(sea, cookie);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	CHECK_EQ(sea_write(sea, cookie, 9 * K, K, 0), K);
	CHECK_EQ(fsc_cookie_present(cookie, 0, sea->size), 0);
	CHECK_EQ(sea_written(cookie, sea), 0);
	sea_drop(cookie);
	fill_cache(w, sea);
	sea_free(sea);
}

static void an_invalidation_comes_between(void **state)
{
	(void)state;
	each_seed(2 * SEEDS, between_scenario);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_proof_the_object_goes_before_anything_is_sent),
		cmocka_unit_test(proof_is_of_one_use),
		cmocka_unit_test(what_is_never_told_of_goes_with_the_use),
		cmocka_unit_test(overlapping_writes_go_in_the_order_of_their_starts),
		cmocka_unit_test(a_read_after_the_answer_sees_it),
		cmocka_unit_test(an_answer_that_got_lost_is_no_answer),
		cmocka_unit_test(an_invalidation_comes_between),
	};

	return RUN_TESTS(tests);
}
