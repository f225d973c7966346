// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_synced.c - random histories of a few files, with syncs: for each block and xattr it is known
 * which values may come back, the one at the last sync that covers it and those that came after.
 */
#include "cut.h"

#define FILES 3
#define BLOCKS 3
#define STEPS 60

static const char *const names[FILES] = { "a", "b", "c" };

static struct {
	enum fsc_fs_kind model;
	unsigned int step;
	/* Bits of the numbers of the steps that set them; bit 0: as it was in the beginning. */
	uint64_t data[FILES][BLOCKS], xattr[FILES];
	uint64_t data_now[FILES][BLOCKS], xattr_now[FILES];
} is;

static void synced(unsigned int file, bool data_only)
{
	for (unsigned int i = 0; i < BLOCKS; i++)
		is.data[file][i] = is.data_now[file][i];
	if (!data_only)
		is.xattr[file] = is.xattr_now[file];
}

static void sync_one(struct world *w, unsigned int i, struct fsc_file *file)
{
	bool data_only = sim_chance(2), all = is.model == FSC_FS_ORDERED || sim_chance(4);

	if (all && sim_chance(2))
		assert_int_equal(w->ops->sync_fs(w->be), 0);
	else if (is.model == FSC_FS_ORDERED || !all)
		assert_int_equal(w->ops->sync(file, data_only), 0);
	else
		return;
	for (unsigned int j = 0; all && j < FILES; j++)
		synced(j, false);
	synced(i, data_only);
}

static void one_step(struct world *w, struct fsc_file **files)
{
	unsigned int i = sim_random(FILES), block = sim_random(BLOCKS);
	uint8_t value = (uint8_t)++is.step;

	switch (sim_random(8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		write_ok(w, files[i], block * (uint64_t)K, value);
		is.data[i][block] |= is.data_now[i][block] = 1ull << value;
		break;
	case 4:
		assert_int_equal(w->ops->punch(files[i], block * (uint64_t)K, K), 0);
		is.data[i][block] |= is.data_now[i][block] = 1;
		break;
	case 5:
	case 6:
		set_xattr(w, files[i], value);
		is.xattr[i] |= is.xattr_now[i] = 1ull << value;
		break;
	default:
		sync_one(w, i, files[i]);
	}
}

static void steps(void *arg)
{
	struct world *w = arg;
	struct fsc_file *files[FILES];

	open_world(w);
	for (int i = 0; i < FILES; i++) {
		files[i] = make_file(w, names[i], BLOCKS * K);
		assert_int_equal(w->ops->sync(files[i], false), 0);
	}
	assert_int_equal(w->ops->sync_fs(w->be), 0);
	is.step = 0;
	for (unsigned int i = 0; i < FILES; i++) {
		for (unsigned int j = 0; j < BLOCKS; j++)
			is.data[i][j] = is.data_now[i][j] = 1;
		is.xattr[i] = is.xattr_now[i] = 1;
	}
	while (is.step < w->number)
		one_step(w, files);
	sim_kill();
}

/* How many of the blocks and xattrs came back as an older one than the last; for those that may. */
static void check(struct simstore *st, unsigned int *older, unsigned int *torn, unsigned int *last)
{
	uint8_t mem[BLOCKS * K];

	for (unsigned int i = 0; i < FILES; i++) {
		uint64_t mark = 1ull << xattr_of(st, names[i]);

		assert_true(mark & is.xattr[i]);
		*older += mark != is.xattr_now[i];
		assert_int_equal(simstore_read(st, names[i], 0, mem, sizeof(mem)), sizeof(mem));
		for (unsigned int j = 0; j < BLOCKS; j++) {
			uint64_t bits = 0;

			for (unsigned int at = 0; at < K; at++)
				bits |= 1ull << mem[j * K + at];
			assert_int_equal(bits & ~is.data[i][j], 0);
			*torn += (bits & (bits - 1)) != 0;
			*last += bits == is.data_now[i][j] && bits != is.data[i][j];
			*older += !(bits & is.data_now[i][j]);
		}
	}
}

static void nothing_older_than_what_was_synced_comes_back(void **state)
{
	struct world *w = *state;

	for (is.model = FSC_FS_ORDERED; is.model <= FSC_FS_STRICT; is.model++) {
		unsigned int older = 0, torn = 0, last = 0;

		for (uint64_t seed = 1; seed <= 2 * CUTS; seed++) {
			w->number = 1 + seed % STEPS;
			cut_once(w, seed, is.model, NULL, steps);
			check_sound(w->st);
			check(w->st, &older, &torn, &last);
		}
		assert_true(older > CUTS && torn > CUTS / 4 && last > CUTS / 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_older_than_what_was_synced_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
