// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conf_names.c - conformance: directories, names, and one owner.
 */
#include "conf_int.h"

static void root_and_directories_open(struct conf *c)
{
	struct fsc_dir *dir = NULL, *again = NULL;
	struct fsc_stat self, named;

	CHECK_EQ(c, c->ops->dir_open(c->be, NULL, NULL, false, &dir), 0);
	conf_keep_dir(c, dir);
	CHECK(c, conf_exists(c, dir, CONF_ROOT));
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "a", false, &again), -ENOENT);
	CHECK(c, !conf_exists(c, c->dir, "a"));
	dir = conf_dir(c, c->dir, "a");
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "a", true, &again), 0);
	c->ops->dir_close(again);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "a", false, &again), 0);
	CHECK_EQ(c, c->ops->dir_self(again, &self), 0);
	c->ops->dir_close(again);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "a", &named), 0);
	CHECK_EQ(c, self.type, FSC_FILE_DIR);
	CHECK_EQ(c, self.uid, c->be->uid);
	CHECK_EQ(c, self.ino, named.ino);
	CHECK_EQ(c, self.btime_s, named.btime_s);
	CHECK_EQ(c, self.btime_ns, named.btime_ns);
	CHECK_EQ(c, c->ops->sync_dir(c->dir), 0);
}

static void names_of_two_components_lead_below(struct conf *c)
{
	struct fsc_dir *a, *ab = NULL, *ab2 = NULL;
	struct fsc_stat self, self2;
	struct fsc_file *file;

	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "a/b", true, &ab), -ENOENT);
	a = conf_dir(c, c->dir, "a");
	ab = conf_dir(c, c->dir, "a/b");
	if (!a || !ab)
		return;
	CHECK_EQ(c, c->ops->dir_open(c->be, a, "b", false, &ab2), 0);
	CHECK_EQ(c, c->ops->dir_self(ab, &self), 0);
	CHECK_EQ(c, c->ops->dir_self(ab2, &self2), 0);
	CHECK_EQ(c, self.ino, self2.ino);
	c->ops->dir_close(ab2);
	/* What was opened below outlives the handle above. */
	conf_dir_close(c, a);
	file = conf_file(c, ab, "f", 0);
	CHECK(c, conf_exists(c, c->dir, "a/b"));
	CHECK(c, !conf_exists(c, c->dir, "a/f"));
	CHECK(c, !conf_exists(c, c->dir, "x/f"));
	CHECK_EQ(c, c->ops->rename(ab, "f", c->dir, "a/f"), 0);
	CHECK(c, conf_exists(c, c->dir, "a/f"));
	conf_close(c, conf_open(c, c->dir, "a/f"));
	CHECK_EQ(c, c->ops->unlink(c->dir, "a/f", file), 0);
	CHECK_EQ(c, c->ops->remove_dir(c->dir, "a/b"), 0);
	CHECK(c, !conf_exists(c, c->dir, "a/b"));
}

static void any_byte_and_length_will_do_for_a_name(struct conf *c)
{
	static const char *const short_names[] = { "x", "I9p,host", "D\xc3\xa4\xff\x80", "a\nb",
						   "@3f", " ", "...", "-rf" };
	struct fsc_file *file;
	char name[257];

	for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++) {
		file = conf_file(c, c->dir, short_names[i], 0);
		CHECK(c, conf_exists(c, c->dir, short_names[i]));
		conf_close(c, file);
	}
	memset(name, 'n', 256);
	name[256] = '\0';
	file = conf_tmpfile(c, 0);
	if (!file)
		return;
	CHECK(c, c->ops->commit(file, c->dir, name) < 0);
	name[255] = '\0';
	CHECK_EQ(c, c->ops->commit(file, c->dir, name), 0);
	CHECK(c, conf_exists(c, c->dir, name));
}

/* The first part of each of these is fine: nothing but the way out is wrong. */
static void nothing_leads_out_of_the_directory(struct conf *c)
{
	static const char *const out[] = { "..", "../x", "/etc", "/" };
	struct fsc_dir *a = conf_dir(c, c->dir, "a"), *dir = NULL;
	struct fsc_file *named = conf_file(c, c->dir, "f", 0), *file = NULL;
	struct fsc_stat st;

	conf_close(c, conf_file(c, c->dir, "x", 0));
	if (!a || !named)
		return;
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		struct fsc_file *tmp = conf_tmpfile(c, 0);

		CHECK_EQ(c, c->ops->dir_open(c->be, a, out[i], false, &dir), -EUCLEAN);
		CHECK_EQ(c, c->ops->dir_open(c->be, a, out[i], true, &dir), -EUCLEAN);
		CHECK_EQ(c, c->ops->file_open(a, out[i], &file), -EUCLEAN);
		CHECK_EQ(c, c->ops->dir_stat(a, out[i], &st), -EUCLEAN);
		CHECK_EQ(c, c->ops->unlink(a, out[i], NULL), -EUCLEAN);
		CHECK_EQ(c, c->ops->remove_dir(a, out[i]), -EUCLEAN);
		CHECK_EQ(c, c->ops->rename(a, out[i], a, "new"), -EUCLEAN);
		CHECK_EQ(c, c->ops->rename(c->dir, "f", a, out[i]), -EUCLEAN);
		CHECK_EQ(c, c->ops->commit(tmp, a, out[i]), -EUCLEAN);
		conf_close(c, tmp);
	}
	CHECK(c, conf_exists(c, c->dir, "f"));
	CHECK(c, conf_exists(c, c->dir, "x"));
}

static void what_a_name_leads_to_must_fit_the_op(struct conf *c)
{
	struct fsc_dir *dir = NULL;
	struct fsc_file *file = NULL;

	conf_dir(c, c->dir, "dir");
	conf_close(c, conf_file(c, c->dir, "file", 0));
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "file", false, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "file", true, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->file_open(c->dir, "dir", &file), -EUCLEAN);
	CHECK_EQ(c, c->ops->file_open(c->dir, "none", &file), -ENOENT);
	CHECK_EQ(c, c->ops->file_open(c->dir, "none/x", &file), -ENOENT);
	CHECK_EQ(c, c->ops->file_open(c->dir, "dir/x", &file), -ENOENT);
	CHECK_EQ(c, c->ops->file_open(c->dir, "file/x", &file), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "file/x", true, &dir), -EUCLEAN);
	CHECK(c, c->ops->unlink(c->dir, "dir", NULL) < 0);
	CHECK(c, c->ops->remove_dir(c->dir, "file") < 0);
	CHECK(c, conf_exists(c, c->dir, "dir"));
	CHECK(c, conf_exists(c, c->dir, "file"));
}

static void rename_moves_and_never_replaces(struct conf *c)
{
	struct fsc_dir *a = conf_dir(c, c->dir, "a"), *b = conf_dir(c, c->dir, "b");
	struct fsc_file *f = conf_file(c, a, "f", 0), *g = conf_file(c, b, "g", 0);
	uint64_t ino_f, ino_g;

	if (!a || !b || !f || !g)
		return;
	ino_f = conf_ino(c, a, "f");
	ino_g = conf_ino(c, b, "g");
	CHECK_EQ(c, c->ops->rename(a, "f", b, "g"), -EEXIST);
	CHECK_EQ(c, c->ops->rename(a, "f", c->dir, "b"), -EEXIST);
	CHECK_EQ(c, c->ops->rename(c->dir, "a", c->dir, "b"), -EEXIST);
	CHECK_EQ(c, conf_ino(c, a, "f"), ino_f);
	CHECK_EQ(c, conf_ino(c, b, "g"), ino_g);
	CHECK_EQ(c, c->ops->rename(a, "none", b, "h"), -ENOENT);
	CHECK_EQ(c, c->ops->rename(a, "f", b, "none/h"), -ENOENT);
	CHECK_EQ(c, c->ops->rename(a, "f", b, "f"), 0);
	CHECK(c, !conf_exists(c, a, "f"));
	CHECK_EQ(c, conf_ino(c, b, "f"), ino_f);
	/* A directory with all that is in it; handles stay what they were. */
	CHECK_EQ(c, c->ops->rename(c->dir, "b", c->dir, "a/moved"), 0);
	CHECK_EQ(c, conf_ino(c, a, "moved"), conf_ino(c, c->dir, "a/moved"));
	CHECK_EQ(c, conf_ino(c, b, "f"), ino_f);
	conf_write_pattern(c, f, 0, FSC_GRANULE_SIZE, 1);
	CHECK(c, conf_reads_pattern(c, f, 0, FSC_GRANULE_SIZE, 1));
}

static void only_empty_directories_are_removed(struct conf *c)
{
	struct fsc_dir *a = conf_dir(c, c->dir, "a"), *dir = NULL;
	struct fsc_file *f = conf_file(c, a, "f", 0);

	CHECK_EQ(c, c->ops->remove_dir(c->dir, "a"), -ENOTEMPTY);
	CHECK_EQ(c, c->ops->unlink(a, "f", f), 0);
	conf_dir_close(c, a);
	CHECK_EQ(c, c->ops->remove_dir(c->dir, "a"), 0);
	CHECK_EQ(c, c->ops->remove_dir(c->dir, "a"), -ENOENT);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "a", false, &dir), -ENOENT);
}

/* --- Listing ---------------------------------------------------------------------- */

#define NAMES 300
#define MADE 50 /* more, while it is read */

/* All but a few are short; some are as long as a name can be. */
static void make_name(char *name, unsigned int i)
{
	size_t len = i % 37 == 5 ? 255 : 4 + i % 20;

	memset(name, 'a' + (int)(i % 26), len);
	name[0] = (char)('0' + i / 100);
	name[1] = (char)('0' + i / 10 % 10);
	name[2] = (char)('0' + i % 10);
	name[len] = '\0';
}

static unsigned int number_of(const char *name)
{
	return (unsigned int)((name[0] - '0') * 100 + (name[1] - '0') * 10 + name[2] - '0');
}

static bool make_names(struct conf *c, struct fsc_dir *dir, unsigned int from, unsigned int to)
{
	char name[256];

	for (unsigned int i = from; i < to; i++) {
		struct fsc_file *file;

		make_name(name, i);
		file = conf_file(c, dir, name, 0);
		if (!file)
			return false;
		conf_close(c, file);
	}
	return true;
}

/* Every name from a pass over @dir, counted; names are checked to be whole. */
static void list(struct conf *c, struct fsc_dir *dir, uint8_t *seen)
{
	char name[256], want[256];
	uint64_t pos = 0;
	int ret;

	memset(seen, 0, NAMES + MADE);
	while ((ret = c->ops->dir_next(dir, &pos, name, sizeof(name))) == 1) {
		unsigned int i = number_of(name);

		if (!CHECK(c, i < NAMES + MADE))
			return;
		make_name(want, i);
		CHECK(c, strlen(name) == strlen(want) && !memcmp(name, want, strlen(want)));
		seen[i]++;
	}
	CHECK_EQ(c, ret, 0);
}

static void listing_shows_each_name_once(struct conf *c)
{
	uint8_t seen[NAMES + MADE];

	list(c, c->dir, seen);
	for (unsigned int i = 0; i < NAMES + MADE; i++)
		CHECK_EQ(c, seen[i], 0);
	if (!make_names(c, c->dir, 0, NAMES))
		return;
	for (int pass = 0; pass < 2; pass++) {
		list(c, c->dir, seen);
		for (unsigned int i = 0; i < NAMES; i++)
			CHECK_EQ(c, seen[i], 1);
	}
}

static void remove_one(struct conf *c, unsigned int i)
{
	char name[256];

	make_name(name, i);
	CHECK_EQ(c, c->ops->unlink(c->dir, name, NULL), 0);
}

/* As a culler does it: what was shown is removed at once. And others change what is there. */
static void listing_goes_on_while_names_come_and_go(struct conf *c)
{
	uint8_t seen[NAMES + MADE] = { 0 }, removed[NAMES + MADE] = { 0 };
	unsigned int n = 0, made = 0;
	uint64_t pos = 0;
	char name[256];

	if (!make_names(c, c->dir, 0, NAMES))
		return;
	while (c->ops->dir_next(c->dir, &pos, name, sizeof(name)) == 1) {
		unsigned int i = number_of(name), other = (i + 150) % NAMES;

		if (!CHECK(c, i < NAMES + MADE))
			return;
		seen[i]++;
		if (i % 2 && i < NAMES && !removed[i]) {
			remove_one(c, i);
			removed[i] = 1;
		}
		if (other % 4 == 1 && !removed[other]) {
			remove_one(c, other);
			removed[other] = 1;
		}
		if (n++ % 4 == 0 && made < MADE && make_names(c, c->dir, NAMES + made,
							       NAMES + made + 1))
			made++;
	}
	for (unsigned int i = 0; i < NAMES + MADE; i++) {
		CHECK(c, seen[i] <= 1);
		if (i < NAMES && !removed[i])
			CHECK_EQ(c, seen[i], 1);
	}
	list(c, c->dir, seen);
	for (unsigned int i = 0; i < NAMES + made; i++)
		CHECK_EQ(c, seen[i], !removed[i]);
}

static void listing_skips_what_does_not_fit(struct conf *c)
{
	uint8_t seen[100] = { 0 };
	unsigned int too_long = 0;
	uint64_t pos = 0;
	char name[64];
	int ret;

	if (!make_names(c, c->dir, 0, 100))
		return;
	while ((ret = c->ops->dir_next(c->dir, &pos, name, sizeof(name))) != 0) {
		if (ret == -ENAMETOOLONG)
			too_long++;
		else if (CHECK_EQ(c, ret, 1) && CHECK(c, number_of(name) < 100))
			seen[number_of(name)]++;
		else
			break;
	}
	CHECK_EQ(c, too_long, 3); /* 5, 42, 79 */
	for (unsigned int i = 0; i < 100; i++)
		CHECK_EQ(c, seen[i], i % 37 != 5);
}

static void two_handles_list_apart(struct conf *c)
{
	struct fsc_dir *a, *b = NULL;
	uint64_t pos_a = 0, pos_b = 0;
	unsigned int na = 0, nb = 0;
	char name[256];

	a = conf_dir(c, c->dir, "d");
	if (!a || !make_names(c, a, 0, 50))
		return;
	b = conf_dir(c, c->dir, "d");
	while (c->ops->dir_next(a, &pos_a, name, sizeof(name)) == 1) {
		na++;
		nb += c->ops->dir_next(b, &pos_b, name, sizeof(name)) == 1;
		nb += c->ops->dir_next(b, &pos_b, name, sizeof(name)) == 1;
	}
	CHECK_EQ(c, na, 50);
	CHECK_EQ(c, nb, 50);
}

/* --- The whole -------------------------------------------------------------------- */

static void one_backend_owns_the_storage(struct conf *c)
{
	struct fsc_backend *other;

	CHECK_EQ(c, c->ops->lock(c->be), 0);
	other = c->open_backend(c->arg);
	if (!CHECK(c, other))
		return;
	CHECK_EQ(c, other->ops->lock(other), -EBUSY);
	other->ops->close(other);
	/* Closing the one that had to stay out frees nothing. */
	other = c->open_backend(c->arg);
	if (!CHECK(c, other))
		return;
	CHECK_EQ(c, other->ops->lock(other), -EBUSY);
	other->ops->close(other);
	if (conf_reopen(c))
		CHECK_EQ(c, c->ops->lock(c->be), 0);
}

static void space_is_counted(struct conf *c)
{
	struct fsc_space s;

	if (!CHECK_EQ(c, c->ops->space(c->be, &s), 0))
		return;
	CHECK(c, s.block_size >= 512);
	CHECK(c, s.blocks > 0);
	CHECK(c, s.blocks_free <= s.blocks);
	CHECK(c, s.files_free <= s.files);
	CHECK_EQ(c, c->ops->sync_fs(c->be), 0);
}

static void all_is_there_when_opened_again(struct conf *c)
{
	struct fsc_dir *a = conf_dir(c, c->dir, "a");
	struct fsc_file *f = conf_file(c, a, "f", 3 * FSC_GRANULE_SIZE);
	struct fsc_stat before, after;
	char value[8];

	if (!a || !f)
		return;
	conf_write_pattern(c, f, FSC_GRANULE_SIZE, FSC_GRANULE_SIZE, 9);
	CHECK_EQ(c, c->ops->xattr_set(f, CONF_XATTR, "value", 5), 0);
	CHECK_EQ(c, c->ops->dir_xattr_set(a, CONF_XATTR, "other", 5), 0);
	CHECK_EQ(c, c->ops->stat(f, &before), 0);
	if (!conf_reopen(c))
		return;
	a = conf_dir(c, c->dir, "a");
	f = conf_open(c, c->dir, "a/f");
	if (!a || !f)
		return;
	CHECK_EQ(c, c->ops->stat(f, &after), 0);
	CHECK_EQ(c, after.ino, before.ino);
	CHECK_EQ(c, after.btime_s, before.btime_s);
	CHECK_EQ(c, after.btime_ns, before.btime_ns);
	CHECK_EQ(c, after.size, before.size);
	CHECK_EQ(c, c->ops->xattr_get(f, CONF_XATTR, value, sizeof(value)), 5);
	CHECK(c, !memcmp(value, "value", 5));
	CHECK_EQ(c, c->ops->dir_xattr_get(a, CONF_XATTR, value, sizeof(value)), 5);
	CHECK(c, !memcmp(value, "other", 5));
	CHECK(c, conf_reads_zero(c, f, 0, FSC_GRANULE_SIZE));
	CHECK(c, conf_reads_pattern(c, f, FSC_GRANULE_SIZE, FSC_GRANULE_SIZE, 9));
	CHECK(c, conf_reads_zero(c, f, 2 * FSC_GRANULE_SIZE, FSC_GRANULE_SIZE));
}

const struct conf_test conf_name_tests[] = {
	{ "root_and_directories_open", root_and_directories_open },
	{ "names_of_two_components_lead_below", names_of_two_components_lead_below },
	{ "any_byte_and_length_will_do_for_a_name", any_byte_and_length_will_do_for_a_name },
	{ "nothing_leads_out_of_the_directory", nothing_leads_out_of_the_directory },
	{ "what_a_name_leads_to_must_fit_the_op", what_a_name_leads_to_must_fit_the_op },
	{ "rename_moves_and_never_replaces", rename_moves_and_never_replaces },
	{ "only_empty_directories_are_removed", only_empty_directories_are_removed },
	{ "listing_shows_each_name_once", listing_shows_each_name_once },
	{ "listing_goes_on_while_names_come_and_go", listing_goes_on_while_names_come_and_go },
	{ "listing_skips_what_does_not_fit", listing_skips_what_does_not_fit },
	{ "two_handles_list_apart", two_handles_list_apart },
	{ "one_backend_owns_the_storage", one_backend_owns_the_storage },
	{ "space_is_counted", space_is_counted },
	{ "all_is_there_when_opened_again", all_is_there_when_opened_again },
	{ NULL, NULL },
};
