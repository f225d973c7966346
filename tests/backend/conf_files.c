// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conf_files.c - conformance: files without and with a name, xattrs, size, holes.
 */
#include "conf_int.h"

#define G FSC_GRANULE_SIZE

static unsigned int count_names(struct conf *c)
{
	char name[256];
	uint64_t pos = 0;
	unsigned int n = 0;

	while (c->ops->dir_next(c->dir, &pos, name, sizeof(name)) == 1)
		n++;
	return n;
}

static void tmpfile_has_size_and_no_name(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 10 * G + 5);
	struct fsc_stat st;

	if (!file)
		return;
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.size, 10 * G + 5);
	CHECK_EQ(c, st.type, FSC_FILE_REGULAR);
	CHECK_EQ(c, st.uid, c->be->uid);
	CHECK(c, st.ino != 0);
	CHECK(c, conf_reads_zero(c, file, 0, 10 * G + 5));
	CHECK_EQ(c, count_names(c), 0);
	conf_write_pattern(c, file, 0, G, 1);
	CHECK(c, conf_reads_pattern(c, file, 0, G, 1));
	conf_close(c, file);
	CHECK_EQ(c, count_names(c), 0);
}

static void tmpfile_is_gone_after_close(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, G);

	conf_close(c, file);
	conf_tmpfile(c, G); /* and this one with the backend */
	if (conf_reopen(c))
		CHECK_EQ(c, count_names(c), 0);
}

static void commit_names_a_file_with_all_in_it(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 2 * G), *again;
	struct fsc_stat st, named;
	char value[4];

	conf_dir(c, c->dir, "sub");
	if (!file)
		return;
	conf_write_pattern(c, file, G, G, 7);
	CHECK_EQ(c, c->ops->xattr_set(file, CONF_XATTR, "abc", 3), 0);
	CHECK_EQ(c, c->ops->commit(file, c->dir, "none/f"), -ENOENT);
	CHECK_EQ(c, c->ops->commit(file, c->dir, "sub/f"), 0);
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.nlink, 1);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "sub/f", &named), 0);
	CHECK_EQ(c, named.ino, st.ino);
	CHECK_EQ(c, named.type, FSC_FILE_REGULAR);
	CHECK_EQ(c, named.size, 2 * G);
	again = conf_open(c, c->dir, "sub/f");
	if (!again)
		return;
	CHECK_EQ(c, c->ops->xattr_get(again, CONF_XATTR, value, sizeof(value)), 3);
	CHECK(c, conf_reads_zero(c, again, 0, G));
	CHECK(c, conf_reads_pattern(c, again, G, G, 7));
	/* Two handles, one file. */
	conf_write_pattern(c, file, 0, G, 8);
	CHECK(c, conf_reads_pattern(c, again, 0, G, 8));
}

static void commit_never_replaces(struct conf *c)
{
	struct fsc_file *first = conf_file(c, c->dir, "f", 0), *second = conf_tmpfile(c, G);
	uint64_t ino = conf_ino(c, c->dir, "f");
	struct fsc_stat st;

	conf_dir(c, c->dir, "d");
	if (!first || !second)
		return;
	CHECK_EQ(c, c->ops->commit(second, c->dir, "f"), -EEXIST);
	CHECK_EQ(c, c->ops->commit(second, c->dir, "d"), -EEXIST);
	CHECK_EQ(c, conf_ino(c, c->dir, "f"), ino);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", first), 0);
	CHECK_EQ(c, c->ops->commit(second, c->dir, "f"), 0);
	CHECK_EQ(c, c->ops->stat(second, &st), 0);
	CHECK_EQ(c, conf_ino(c, c->dir, "f"), st.ino);
	CHECK(c, st.ino != ino);
}

static void unlink_looks_what_the_name_leads_to(struct conf *c)
{
	struct fsc_file *f = conf_file(c, c->dir, "f", 0), *g = conf_file(c, c->dir, "g", 0);
	struct fsc_file *tmp = conf_tmpfile(c, 0), *again = NULL;

	if (!f || !g || !tmp)
		return;
	CHECK_EQ(c, c->ops->unlink(c->dir, "none", NULL), -ENOENT);
	CHECK_EQ(c, c->ops->unlink(c->dir, "none", f), -ENOENT);
	CHECK_EQ(c, c->ops->unlink(c->dir, "none/f", f), -ENOENT);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", g), -ESTALE);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", tmp), -ESTALE);
	CHECK(c, conf_exists(c, c->dir, "f"));
	again = conf_open(c, c->dir, "f");
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", again), 0); /* another handle of the same file */
	CHECK(c, !conf_exists(c, c->dir, "f"));
	CHECK_EQ(c, c->ops->rename(c->dir, "g", c->dir, "f"), 0);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", f), -ESTALE);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", NULL), 0);
	CHECK_EQ(c, count_names(c), 0);
}

static void open_file_outlives_its_name(struct conf *c)
{
	struct fsc_file *file = conf_file(c, c->dir, "f", G);
	char value[8];
	struct fsc_stat st;

	if (!file)
		return;
	conf_write_pattern(c, file, 0, G, 3);
	CHECK_EQ(c, c->ops->unlink(c->dir, "f", file), 0);
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.size, G);
	CHECK(c, conf_reads_pattern(c, file, 0, G, 3));
	conf_write_pattern(c, file, G, G, 4);
	CHECK(c, conf_reads_pattern(c, file, G, G, 4));
	CHECK_EQ(c, c->ops->xattr_set(file, CONF_XATTR, "x", 1), 0);
	CHECK_EQ(c, c->ops->xattr_get(file, CONF_XATTR, value, sizeof(value)), 1);
	CHECK_EQ(c, c->ops->resize(file, 5), 0);
	CHECK_EQ(c, c->ops->sync(file, false), 0);
}

/* --- xattrs: the same for files and directories ----------------------------------- */

struct owner {
	struct fsc_file *file;
	struct fsc_dir *dir;
};

static int get(struct conf *c, struct owner o, const char *name, void *buf, size_t size)
{
	return o.file ? c->ops->xattr_get(o.file, name, buf, size) :
			c->ops->dir_xattr_get(o.dir, name, buf, size);
}

static int set(struct conf *c, struct owner o, const char *name, const void *buf, size_t size)
{
	return o.file ? c->ops->xattr_set(o.file, name, buf, size) :
			c->ops->dir_xattr_set(o.dir, name, buf, size);
}

static void short_values(struct conf *c, struct owner o)
{
	char buf[300], value[300];

	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, sizeof(buf)), -ENODATA);
	CHECK_EQ(c, set(c, o, CONF_XATTR, "first", 5), 0);
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, sizeof(buf)), 5);
	CHECK(c, !memcmp(buf, "first", 5));
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, 5), 5);
	memset(buf, 'z', sizeof(buf));
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, 4), -ERANGE);
	CHECK_EQ(c, buf[0], 'z');
	conf_fill(value, 0, 200, 1);
	CHECK_EQ(c, set(c, o, CONF_XATTR, value, 200), 0);
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, sizeof(buf)), 200);
	CHECK(c, conf_is_pattern(buf, 0, 200, 1));
	CHECK_EQ(c, set(c, o, CONF_XATTR, "s", 1), 0);
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, sizeof(buf)), 1);
	CHECK_EQ(c, get(c, o, "user.fscache-other", buf, sizeof(buf)), -ENODATA);
}

static void long_values(struct conf *c, struct owner o)
{
	uint8_t *value = fsc_zalloc(70000), *buf = fsc_zalloc(70000);
	uint32_t max = c->be->xattr_max;
	int err;

	if (!CHECK(c, value && buf && max <= 65536))
		return;
	conf_fill(value, 0, 70000, 2);
	CHECK_EQ(c, set(c, o, CONF_XATTR, value, max), 0);
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, 70000), max);
	CHECK(c, conf_is_pattern(buf, 0, max, 2));
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, max - 1), -ERANGE);
	CHECK_EQ(c, set(c, o, CONF_XATTR, "short", 5), 0);
	err = set(c, o, CONF_XATTR, value, 70000);
	CHECK(c, err == -ENOSPC || err == -E2BIG || err == -EDQUOT);
	CHECK_EQ(c, get(c, o, CONF_XATTR, buf, 70000), 5); /* the old one stays */
	CHECK(c, !memcmp(buf, "short", 5));
	fsc_free(value);
	fsc_free(buf);
}

static void xattrs_of_files(struct conf *c)
{
	struct owner o = { .file = conf_tmpfile(c, 0) };

	if (!o.file)
		return;
	short_values(c, o);
	long_values(c, o);
	CHECK_EQ(c, c->ops->commit(o.file, c->dir, "f"), 0);
	CHECK_EQ(c, set(c, o, CONF_XATTR, "named", 5), 0);
	CHECK_EQ(c, c->ops->sync(o.file, false), 0);
}

static void xattrs_of_directories(struct conf *c)
{
	struct owner o = { .dir = conf_dir(c, c->dir, "d") };

	if (!o.dir)
		return;
	short_values(c, o);
	CHECK_EQ(c, c->ops->rename(c->dir, "d", c->dir, "e"), 0);
	CHECK_EQ(c, set(c, o, CONF_XATTR, "moved", 5), 0);
}

/* --- Size and holes --------------------------------------------------------------- */

static uint64_t size_of(struct conf *c, struct fsc_file *file)
{
	struct fsc_stat st = { .size = 0 };

	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	return st.size;
}

static uint64_t bytes_of(struct conf *c, struct fsc_file *file)
{
	struct fsc_stat st = { .bytes = 0 };

	CHECK_EQ(c, c->ops->sync(file, false), 0); /* some only know then */
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	return st.bytes;
}

static void resize_cuts_and_adds_zeroes(struct conf *c)
{
	struct fsc_file *file = conf_file(c, c->dir, "f", 0);

	if (!file)
		return;
	conf_write_pattern(c, file, 0, 4 * G, 1);
	CHECK_EQ(c, size_of(c, file), 4 * G);
	CHECK_EQ(c, c->ops->resize(file, 2 * G + 100), 0);
	CHECK_EQ(c, size_of(c, file), 2 * G + 100);
	CHECK(c, conf_reads_pattern(c, file, 0, 2 * G + 100, 1));
	CHECK_EQ(c, c->ops->resize(file, 6 * G), 0);
	CHECK(c, conf_reads_pattern(c, file, 0, 2 * G + 100, 1));
	CHECK_EQ(c, c->ops->resize(file, 2 * G), 0);
	CHECK_EQ(c, c->ops->resize(file, 6 * G), 0);
	CHECK(c, conf_reads_pattern(c, file, 0, 2 * G, 1));
	CHECK(c, conf_reads_zero(c, file, 2 * G, 4 * G));
	CHECK_EQ(c, c->ops->resize(file, 0), 0);
	CHECK_EQ(c, size_of(c, file), 0);
	CHECK_EQ(c, c->ops->resize(file, G), 0);
	CHECK(c, conf_reads_zero(c, file, 0, G));
	CHECK_EQ(c, c->ops->resize(file, (1ull << 40) + 1), 0);
	CHECK_EQ(c, size_of(c, file), (1ull << 40) + 1);
}

/* The bytes between an end within a granule and the next size. */
static void tail_of_a_cut_granule_reads_as_zeroes(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	uint8_t *mem = fsc_io_alloc(G);

	if (file && CHECK(c, mem)) {
		conf_write_pattern(c, file, 0, G, 1);
		CHECK_EQ(c, c->ops->resize(file, 100), 0);
		CHECK_EQ(c, c->ops->resize(file, G), 0);
		CHECK_EQ(c, conf_move(c, file, 0, mem, G, 0, false), G);
		CHECK(c, conf_is_pattern(mem, 0, 100, 1));
		CHECK(c, conf_is_zero(mem + 100, G - 100));
	}
	fsc_io_free(mem, G);
}

static void punch_gives_back_and_keeps_the_size(struct conf *c)
{
	struct fsc_file *file = conf_file(c, c->dir, "f", 0);
	size_t mib = 1 << 20;
	uint64_t before;

	if (!file)
		return;
	conf_write_pattern(c, file, 0, mib, 5);
	before = bytes_of(c, file);
	CHECK(c, before >= mib);
	CHECK_EQ(c, c->ops->punch(file, G, mib - 2 * G), 0);
	CHECK_EQ(c, size_of(c, file), mib);
	CHECK(c, conf_reads_pattern(c, file, 0, G, 5));
	CHECK(c, conf_reads_zero(c, file, G, mib - 2 * G));
	CHECK(c, conf_reads_pattern(c, file, mib - G, G, 5));
	CHECK(c, bytes_of(c, file) <= before - mib / 2);
	/* What is given back can be filled again. */
	conf_write_pattern(c, file, 2 * G, G, 6);
	CHECK(c, conf_reads_zero(c, file, G, G));
	CHECK(c, conf_reads_pattern(c, file, 2 * G, G, 6));
}

static void punch_reaches_over_the_end(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);

	if (!file)
		return;
	conf_write_pattern(c, file, 0, 2 * G, 5);
	CHECK_EQ(c, c->ops->resize(file, G + 10), 0);
	CHECK_EQ(c, c->ops->punch(file, G, G), 0);
	CHECK_EQ(c, size_of(c, file), G + 10);
	CHECK(c, conf_reads_pattern(c, file, 0, G, 5));
	CHECK(c, conf_reads_zero(c, file, G, 10));
	CHECK_EQ(c, c->ops->punch(file, 100 * G, G), 0);
	CHECK_EQ(c, size_of(c, file), G + 10);
	CHECK_EQ(c, c->ops->punch(file, 0, 2 * G), 0);
	CHECK(c, conf_reads_zero(c, file, 0, G + 10));
}

/* --- Stat ------------------------------------------------------------------------- */

static void birth_and_number_never_change(struct conf *c)
{
	struct fsc_file *file = conf_tmpfile(c, 0);
	struct fsc_stat st, now;

	if (!file)
		return;
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, c->ops->commit(file, c->dir, "f"), 0);
	conf_write_pattern(c, file, 0, 3 * G, 5);
	CHECK_EQ(c, c->ops->xattr_set(file, CONF_XATTR, "x", 1), 0);
	CHECK_EQ(c, c->ops->resize(file, G), 0);
	CHECK_EQ(c, c->ops->rename(c->dir, "f", c->dir, "g"), 0);
	CHECK_EQ(c, c->ops->sync(file, true), 0);
	CHECK_EQ(c, c->ops->sync(file, false), 0);
	CHECK_EQ(c, c->ops->stat(file, &now), 0);
	CHECK_EQ(c, now.ino, st.ino);
	CHECK_EQ(c, now.btime_s, st.btime_s);
	CHECK_EQ(c, now.btime_ns, st.btime_ns);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "g", &now), 0);
	CHECK_EQ(c, now.ino, st.ino);
	CHECK_EQ(c, now.btime_s, st.btime_s);
	CHECK_EQ(c, now.btime_ns, st.btime_ns);
	CHECK_EQ(c, now.size, G);
}

/* No clock of the platform says what a wall clock says; a new file's access time does. */
static void touch_brings_the_access_time_near(struct conf *c)
{
	struct fsc_file *old = conf_file(c, c->dir, "f", 0), *fresh;
	struct fsc_stat st, now;

	if (!old)
		return;
	c->ops->touch(old);
	fresh = conf_tmpfile(c, 0);
	if (!fresh)
		return;
	CHECK_EQ(c, c->ops->stat(old, &st), 0);
	CHECK_EQ(c, c->ops->stat(fresh, &now), 0);
	CHECK(c, st.atime_s + 60 >= now.atime_s);
	CHECK(c, st.atime_s <= now.atime_s + 60);
}

const struct conf_test conf_file_tests[] = {
	{ "tmpfile_has_size_and_no_name", tmpfile_has_size_and_no_name },
	{ "tmpfile_is_gone_after_close", tmpfile_is_gone_after_close },
	{ "commit_names_a_file_with_all_in_it", commit_names_a_file_with_all_in_it },
	{ "commit_never_replaces", commit_never_replaces },
	{ "unlink_looks_what_the_name_leads_to", unlink_looks_what_the_name_leads_to },
	{ "open_file_outlives_its_name", open_file_outlives_its_name },
	{ "xattrs_of_files", xattrs_of_files },
	{ "xattrs_of_directories", xattrs_of_directories },
	{ "resize_cuts_and_adds_zeroes", resize_cuts_and_adds_zeroes },
	{ "tail_of_a_cut_granule_reads_as_zeroes", tail_of_a_cut_granule_reads_as_zeroes },
	{ "punch_gives_back_and_keeps_the_size", punch_gives_back_and_keeps_the_size },
	{ "punch_reaches_over_the_end", punch_reaches_over_the_end },
	{ "birth_and_number_never_change", birth_and_number_never_change },
	{ "touch_brings_the_access_time_near", touch_brings_the_access_time_near },
	{ NULL, NULL },
};
