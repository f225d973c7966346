// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_copy.c - another store with the same in it: of one moment, or made while it is in use.
 */
#include "cut.h"

/* --- Copies ----------------------------------------------------------------------- */

static void clone_in_use(void *arg)
{
	struct world *w = arg;
	struct fsc_file *file = NULL;
	struct simstore *clone;

	open_world(w);
	file = make_file(w, NULL, K);
	write_ok(w, file, 0, 1);
	write_ok(w, open_file(w, "f"), 0, 3);
	clone = simstore_clone(w->st);
	check_sound(clone);
	assert_int_equal(bytes_in(clone, "f", 0), 8);
	simstore_destroy(clone);
	sim_kill();
}

static void clone_is_the_same_and_apart(void **state)
{
	struct world *w = *state;
	struct simstore *clone;
	uint64_t hash;

	sim_run(1, two_files, w);
	simstore_mkdir(w->st, "d");
	simstore_mkfile(w->st, "d/x");
	clone = simstore_clone(w->st);
	check_sound(clone);
	hash = digest(w->st, true).hash;
	assert_int_equal(digest(clone, true).hash, hash);
	simstore_write(w->st, "f", 5, "x", 1);
	simstore_remove(w->st, "d");
	assert_int_equal(digest(clone, true).hash, hash);
	simstore_mkfile(clone, "new");
	assert_int_equal(simstore_ino(w->st, "new"), 0);
	check_sound(clone);
	simstore_destroy(clone);
	assert_int_equal(sim_try(1, NULL, clone_in_use, w), SIM_KILLED);
}

struct copying {
	struct world w;
	struct simstore *to;
	bool over;
};

static void change_meanwhile(void *arg)
{
	struct copying *c = arg;
	struct fsc_file *file = open_file(&c->w, "f"), *other;

	sim_sleep_us(sim_random(10000));
	write_ok(&c->w, file, 0, 5);
	write_ok(&c->w, file, K, 5);
	set_xattr(&c->w, file, 6);
	sim_sleep_us(sim_random(2000));
	c->w.ops->unlink(c->w.root, "g", NULL);
	sim_sleep_us(sim_random(20000));
	other = make_file(&c->w, "g", 0);
	set_xattr(&c->w, other, 7);
	c->w.ops->file_close(other);
	c->w.ops->file_close(file);
}

static void copy_meanwhile(void *arg)
{
	struct copying *c = arg;
	sim_task_id task;

	open_world(&c->w);
	task = sim_spawn(change_meanwhile, c);
	simstore_copy_in_use(c->w.st, c->to);
	sim_join(task);
	close_world(&c->w);
}

static void copy_in_use_is_of_no_one_moment(void **state)
{
	struct copying c = { .w = *(struct world *)*state };
	unsigned int left_out = 0, mark_first = 0, data_first = 0, halves = 0, strange = 0;

	for (uint64_t seed = 1; seed <= CUTS; seed++) {
		unsigned int first, second;

		c.w.st = simstore_create(NULL);
		c.to = simstore_create(NULL);
		simstore_mkdir(c.w.st, "d");
		simstore_mkfile(c.w.st, "d/x");
		two_files(&c.w);
		simstore_write(c.w.st, "f", K, "", 1);
		simstore_resize(c.w.st, "f", 2 * K);
		sim_run(seed, copy_meanwhile, &c);
		check_sound(c.to);
		check_sound(c.w.st);
		assert_true(simstore_ino(c.to, "d/x"));
		first = bytes_in(c.to, "f", 0);
		second = bytes_in(c.to, "f", K);
		halves += (first == 2) != (second == 1);
		mark_first += first == 2 && xattr_of(c.to, "f") == 6;
		data_first += first == 32 && xattr_of(c.to, "f") == 4;
		left_out += !simstore_ino(c.to, "g");
		if (simstore_ino(c.to, "g"))
			strange += (bytes_in(c.to, "g", 0) == 4) != (xattr_of(c.to, "g") == 5);
		simstore_destroy(c.to);
		simstore_destroy(c.w.st);
	}
	assert_true(halves && mark_first && data_first && left_out && strange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clone_is_the_same_and_apart),
		TEST(copy_in_use_is_of_no_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
