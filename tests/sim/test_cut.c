// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_cut.c - power cuts as a whole: random histories against what may be left of them.
 */
#include "cut.h"

/* --- Random histories, one op at a time ------------------------------------------- */

#define STEPS 60
#define NAMES 4

static struct history {
	uint64_t hash[STEPS + 1]; /* of the metadata, after each op */
	unsigned int n, synced;   /* hash[synced] is durable */
	uint8_t next_byte;
} history;

static const char *some_name(void)
{
	static const char *const names[NAMES] = { "a", "b", "d/a", "d/b" };

	return names[sim_random(NAMES)];
}

/* One effect on metadata at most, and each byte written once. */
static void random_op(struct world *w)
{
	const char *name = some_name(), *other = some_name();
	struct fsc_file *file;
	uint64_t pos = sim_random(4) * (uint64_t)K;
	struct fsc_stat st;
	bool sync = false;

	if (w->ops->file_open(w->root, name, &file)) {
		file = make_file(w, NULL, 4 * K);
		assert_int_equal(w->ops->commit(file, w->root, name), 0);
		w->ops->file_close(file);
		return;
	}
	w->ops->stat(file, &st);
	switch (sim_random(9)) {
	case 0:
	case 1:
	case 2:
		if (pos + K <= st.size) /* more would be two effects */
			write_ok(w, file, pos, history.next_byte++);
		break;
	case 3:
		set_xattr(w, file, (uint8_t)(1 + sim_random(100)));
		break;
	case 4:
		assert_int_equal(w->ops->punch(file, pos, K), 0);
		break;
	case 5:
		assert_int_equal(w->ops->resize(file, 1 + sim_random(4 * K)), 0);
		break;
	case 6:
		assert_int_equal(w->ops->unlink(w->root, name, file), 0);
		break;
	case 7:
		if (strcmp(name, other))
			w->ops->rename(w->root, name, w->root, other);
		break;
	default:
		sync = sim_chance(4);
		if (sync)
			assert_int_equal(w->ops->sync(file, sim_chance(2)), 0);
	}
	w->ops->file_close(file);
	if (sync)
		history.synced = history.n;
}

static void one_at_a_time(void *arg)
{
	struct world *w = arg;
	struct fsc_dir *dir;

	open_world(w);
	assert_int_equal(w->ops->dir_open(w->be, w->root, "d", true, &dir), 0);
	w->ops->dir_close(dir);
	assert_int_equal(w->ops->sync_fs(w->be), 0);
	history = (struct history){ .next_byte = 1 };
	history.hash[0] = digest(w->st, false).hash;
	while (history.n < w->number) {
		random_op(w);
		history.hash[++history.n] = digest(w->st, false).hash;
	}
	sim_kill();
}

static void ordered_leaves_the_metadata_of_one_moment(void **state)
{
	struct world *w = *state;
	unsigned int all = 0, none = 0, some = 0;

	for (uint64_t seed = 1; seed <= 4 * CUTS; seed++) {
		uint64_t left;
		unsigned int i;

		w->number = 1 + seed % STEPS;
		cut_once(w, seed, FSC_FS_ORDERED, NULL, one_at_a_time);
		check_sound(w->st);
		left = digest(w->st, false).hash;
		i = history.n;
		while (i > history.synced && history.hash[i] != left)
			i--;
		assert_int_equal(history.hash[i], left);
		if (history.n - history.synced > 4) {
			all += i == history.n;
			none += i == history.synced;
			some += i != history.n && i != history.synced;
		}
	}
	assert_true(all > CUTS / 4 && none > CUTS / 4 && some > CUTS / 4);
}

/* --- And many at once ------------------------------------------------------------- */

static void random_folder_op(struct world *w)
{
	static const char *const names[] = { "d", "e", "d/e", "e/d" };
	const char *name = names[sim_random(4)];
	struct fsc_dir *dir;

	switch (sim_random(4)) {
	case 0:
		if (!w->ops->dir_open(w->be, w->root, name, true, &dir)) {
			if (sim_chance(2))
				w->ops->sync_dir(dir);
			w->ops->dir_close(dir);
		}
		break;
	case 1:
		w->ops->remove_dir(w->root, name);
		break;
	case 2:
		w->ops->rename(w->root, name, w->root, names[sim_random(4)]);
		break;
	default:
		w->ops->sync_dir(w->root);
	}
}

static void random_file_op(struct world *w)
{
	struct fsc_file *file;
	void *mem;

	if (w->ops->file_open(w->root, some_name(), &file)) {
		assert_int_equal(w->ops->tmpfile(w->root, sim_random(4 * K), &file), 0);
		if (sim_chance(2))
			w->ops->commit(file, w->root, some_name());
	}
	mem = fsc_io_alloc(4 * K);
	memset(mem, 1, 4 * K);
	for (uint32_t n = sim_random(4); n; n--) {
		uint32_t pos = sim_random(4) * K;

		switch (sim_random(5)) {
		case 0:
			w->ops->punch(file, pos, K);
			break;
		case 1:
			w->ops->resize(file, sim_random(4 * K));
			break;
		case 2:
			w->ops->sync(file, sim_chance(2));
			break;
		default:
			move(w, file, pos, mem, 4 * K - pos, true);
		}
	}
	fsc_io_free(mem, 4 * K);
	if (sim_chance(3))
		w->ops->unlink(w->root, some_name(), file);
	w->ops->file_close(file);
}

static void one_of_many(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 30; i++) {
		if (sim_chance(3))
			random_folder_op(w);
		else
			random_file_op(w);
		if (sim_chance(10))
			w->ops->sync_fs(w->be);
	}
}

static void many_at_once(void *arg)
{
	struct world *w = arg;
	sim_task_id tasks[3];

	w->opts.short_one_in = 5;
	open_world(w);
	simstore_fail(w->st, SIMOP_WRITE, 5, 3, -EIO);
	simstore_kill_at(w->st, 1 + sim_random(400), sim_chance(2));
	for (int i = 0; i < 3; i++)
		tasks[i] = sim_spawn(one_of_many, w);
	for (int i = 0; i < 3; i++)
		sim_join(tasks[i]);
	sim_kill();
}

static void sync_all(void *arg)
{
	struct world *w = arg;

	simstore_kill_at(w->st, 0, false);
	open_world(w);
	assert_int_equal(w->ops->sync_fs(w->be), 0);
	sim_kill();
}

/* What came through a kill is there for good once it is synced. */
static void check_synced(struct world *w, uint64_t seed)
{
	uint64_t hash = digest(w->st, true).hash;
	struct simstore_loss loss;

	assert_int_equal(sim_try(seed, NULL, sync_all, w), SIM_KILLED);
	simstore_power_cut(w->st, seed, &loss);
	assert_int_equal(loss.unsynced, 0);
	assert_int_equal(digest(w->st, true).hash, hash);
}

/* Runs, kills and cuts over and over on one disk. */
static uint64_t life_of_a_disk(struct world *w, uint64_t seed)
{
	uint64_t hash = 0;

	new_store(w, &(struct simstore_opts){ .reuse_inos = seed % 2, .blocks = 40 });
	simstore_track(w->st, (enum fsc_fs_kind)(seed % 3));
	for (uint64_t i = 0; i < 6; i++) {
		struct simstore_loss loss;

		assert_int_equal(sim_try(seed * 100 + i, NULL, many_at_once, w), SIM_KILLED);
		check_sound(w->st);
		if ((seed + i) % 3 == 1)
			check_synced(w, seed);
		if ((seed + i) % 3)
			continue;
		simstore_power_cut(w->st, seed, &loss);
		assert_true(loss.lost <= loss.unsynced);
		check_sound(w->st);
		hash = digest(w->st, true).hash;
		/* All is durable now. */
		simstore_power_cut(w->st, seed + 1, &loss);
		assert_int_equal(loss.unsynced, 0);
		assert_int_equal(digest(w->st, true).hash, hash);
	}
	return hash;
}

static void disk_is_sound_and_the_same_with_the_same_seed(void **state)
{
	unsigned int distinct = 0;
	uint64_t hash, last = 0;

	for (uint64_t seed = 1; seed <= CUTS / 2; seed++) {
		hash = life_of_a_disk(*state, seed);
		if (seed % 10 == 0)
			assert_int_equal(life_of_a_disk(*state, seed), hash);
		distinct += hash != last;
		last = hash;
	}
	assert_true(distinct > CUTS / 3);
}

/* --- Moving things about ---------------------------------------------------------- */

#define OLD 6

static uint64_t old_inos[OLD];

static void make_tree(void *arg)
{
	static const char *const paths[OLD] = { "0", "1", "2", "0/3", "1/4", "2/5" };
	struct world *w = arg;

	for (int i = 0; i < OLD; i++) {
		if (i < 4)
			simstore_mkdir(w->st, paths[i]);
		else
			simstore_mkfile(w->st, paths[i]);
		old_inos[i] = simstore_ino(w->st, paths[i]);
	}
}

static bool is_old(uint64_t ino)
{
	for (int i = 0; i < OLD; i++)
		if (old_inos[i] == ino)
			return true;
	return false;
}

/* Two levels below some directory, which may be anywhere. */
static void random_move(struct world *w, struct fsc_dir **dirs)
{
	char name[4], other[4];
	struct fsc_stat st;
	struct fsc_dir *dir;
	struct fsc_file *file;

	snprintf(name, sizeof(name), sim_chance(2) ? "%u/%u" : "%u", sim_random(6), sim_random(6));
	snprintf(other, sizeof(other), sim_chance(2) ? "%u/%u" : "%u", sim_random(6),
		 sim_random(6));
	switch (sim_random(8)) {
	case 0:
		if (!w->ops->dir_open(w->be, dirs[sim_random(3)], name, true, &dir))
			w->ops->dir_close(dir);
		break;
	case 1:
		file = make_file(w, NULL, 0);
		w->ops->commit(file, dirs[sim_random(3)], name);
		if (sim_chance(2))
			w->ops->sync(file, false);
		w->ops->file_close(file);
		break;
	case 2:
		dir = dirs[sim_random(3)];
		if (!w->ops->dir_stat(dir, name, &st) && !is_old(st.ino)) {
			w->ops->unlink(dir, name, NULL);
			w->ops->remove_dir(dir, name);
		}
		break;
	case 3:
		w->ops->sync_dir(dirs[sim_random(3)]);
		break;
	default:
		w->ops->rename(dirs[sim_random(3)], name, dirs[sim_random(3)], other);
	}
}

static void move_about(void *arg)
{
	struct world *w = arg;
	struct fsc_dir *dirs[3];

	open_world(w);
	dirs[0] = w->root;
	w->ops->dir_open(w->be, w->root, "0", false, &dirs[1]);
	w->ops->dir_open(w->be, w->root, "1", false, &dirs[2]);
	for (int i = 0; i < 60; i++)
		random_move(w, dirs);
	sim_kill();
}

static int count_old(void *arg, const char *path, const struct fsc_stat *stat)
{
	(void)path;
	*(unsigned int *)arg += is_old(stat->ino);
	return 0;
}

static unsigned int old_are_there(struct world *w)
{
	unsigned int n = 0;

	check_sound(w->st);
	simstore_walk(w->st, count_old, &n);
	return n;
}

static void what_is_only_moved_is_never_lost(void **state)
{
	static const enum fsc_fs_kind models[] = { FSC_FS_ORDERED, FSC_FS_STRICT };

	for (int i = 0; i < 2; i++) {
		each_cut(*state, models[i], make_tree, move_about, old_are_there);
		assert_int_equal(seen[OLD], CUTS);
	}
}

/* Without the second step each would lie in the other. */
static void change_places(void *arg)
{
	struct world *w = arg;
	struct fsc_dir *dir;

	open_world(w);
	assert_int_equal(w->ops->dir_open(w->be, w->root, "0/3", false, &dir), 0);
	assert_int_equal(w->ops->rename(w->root, "0", w->root, "1/0"), 0);
	assert_int_equal(w->ops->rename(w->root, "1/0", w->root, "6"), 0);
	assert_int_equal(w->ops->rename(w->root, "1", dir, "1"), 0);
	sim_kill();
}

/* Without the second step it would go with the folder. */
static void pass_through_folder(void *arg)
{
	struct world *w = arg;
	struct fsc_dir *dir;

	open_world(w);
	assert_int_equal(w->ops->dir_open(w->be, w->root, "new", true, &dir), 0);
	assert_int_equal(w->ops->rename(w->root, "1/4", dir, "4"), 0);
	assert_int_equal(w->ops->rename(dir, "4", w->root, "4"), 0);
	assert_int_equal(w->ops->remove_dir(w->root, "new"), 0);
	sim_kill();
}

static void moves_that_need_each_other_survive_together(void **state)
{
	each_cut(*state, FSC_FS_STRICT, make_tree, change_places, old_are_there);
	assert_int_equal(seen[OLD], CUTS);
	each_cut(*state, FSC_FS_STRICT, make_tree, pass_through_folder, old_are_there);
	assert_int_equal(seen[OLD], CUTS);
}

/* --- Volatile --------------------------------------------------------------------- */

static void one_more(void *arg)
{
	struct world *w = arg;

	open_world(w);
	if (w->number == 1)
		make_file(w, "h", 0);
	if (w->number == 2)
		write_ok(w, open_file(w, "g"), 0, 2);
	sim_kill();
}

static unsigned int mixed_up(struct world *w)
{
	unsigned int bits = bytes_in(w->st, "f", 0);
	bool swapped = xattr_of(w->st, "f") != 4;

	if (bits == 1)
		return 1;
	if (!swapped)
		return bits == 4 ? 2 : 0;
	return bits == 2 ? 2 : 3;
}

static void volatile_mixes_up_names_and_blocks_when_something_was_allotted(void **state)
{
	struct world *w = *state;

	w->number = 1;
	each_cut(w, FSC_FS_VOLATILE, two_files, one_more, mixed_up);
	assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
	each_cut(w, FSC_FS_STRICT, two_files, one_more, mixed_up);
	assert_int_equal(seen[0], CUTS);
	for (w->number = 0; w->number < 3; w->number += 2) {
		/* Nothing, or only in place. */
		each_cut(w, FSC_FS_VOLATILE, two_files, one_more, mixed_up);
		assert_int_equal(seen[0], CUTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ordered_leaves_the_metadata_of_one_moment),
		TEST(disk_is_sound_and_the_same_with_the_same_seed),
		TEST(what_is_only_moved_is_never_lost),
		TEST(moves_that_need_each_other_survive_together),
		TEST(volatile_mixes_up_names_and_blocks_when_something_was_allotted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
