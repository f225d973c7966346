// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conf_planted.c - conformance: what somebody else may have put into the directory, as far as the
 * runner can make it.
 */
#include "conf_int.h"

static bool plant(struct conf *c, enum fsc_conformance_plant what, const char *path,
		  const char *target)
{
	return c->hooks->plant && CHECK_EQ(c, c->hooks->plant(c->arg, what, path, target), 0);
}

static void symlinks_are_not_followed(struct conf *c)
{
	struct fsc_file *file = conf_file(c, c->dir, "target", 0), *got = NULL;
	struct fsc_dir *dir = NULL;
	struct fsc_stat st;

	if (!plant(c, FSC_PLANT_SYMLINK, CONF_ROOT "/link", "target"))
		return;
	CHECK_EQ(c, c->ops->file_open(c->dir, "link", &got), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "link", false, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "link", true, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "link", &st), 0);
	CHECK_EQ(c, st.type, FSC_FILE_OTHER);
	CHECK(c, st.ino != conf_ino(c, c->dir, "target"));
	CHECK_EQ(c, c->ops->unlink(c->dir, "link", file), -ESTALE);
	CHECK_EQ(c, c->ops->commit(conf_tmpfile(c, 0), c->dir, "link"), -EEXIST);
	/* What is in the way can be removed; what it leads to stays. */
	CHECK_EQ(c, c->ops->unlink(c->dir, "link", NULL), 0);
	CHECK(c, !conf_exists(c, c->dir, "link"));
	CHECK(c, conf_exists(c, c->dir, "target"));
}

static void symlinked_directories_are_not_entered(struct conf *c)
{
	struct fsc_file *file, *got = NULL, *tmp = conf_tmpfile(c, 0);
	struct fsc_dir *real = conf_dir(c, c->dir, "real"), *dir = NULL;
	struct fsc_stat st;

	file = conf_file(c, real, "f", 0);
	conf_close(c, conf_file(c, c->dir, "g", 0));
	if (!file || !tmp || !plant(c, FSC_PLANT_SYMLINK, CONF_ROOT "/link", "real"))
		return;
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "link", false, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "link", true, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, "link/d", true, &dir), -EUCLEAN);
	CHECK_EQ(c, c->ops->file_open(c->dir, "link/f", &got), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "link/f", &st), -EUCLEAN);
	CHECK_EQ(c, c->ops->unlink(c->dir, "link/f", NULL), -EUCLEAN);
	CHECK_EQ(c, c->ops->unlink(c->dir, "link/f", file), -EUCLEAN);
	CHECK_EQ(c, c->ops->remove_dir(c->dir, "link/f"), -EUCLEAN);
	CHECK_EQ(c, c->ops->commit(tmp, c->dir, "link/t"), -EUCLEAN);
	CHECK_EQ(c, c->ops->rename(c->dir, "link/f", c->dir, "f"), -EUCLEAN);
	CHECK_EQ(c, c->ops->rename(c->dir, "g", c->dir, "link/g"), -EUCLEAN);
	CHECK(c, conf_exists(c, real, "f"));
	CHECK(c, !conf_exists(c, real, "d"));
	CHECK(c, !conf_exists(c, real, "t"));
	CHECK(c, conf_exists(c, c->dir, "g"));
}

static void fifo_is_refused_without_waiting(struct conf *c)
{
	struct fsc_file *got = NULL;
	struct fsc_stat st;

	if (!plant(c, FSC_PLANT_FIFO, CONF_ROOT "/fifo", NULL))
		return;
	CHECK_EQ(c, c->ops->file_open(c->dir, "fifo", &got), -EUCLEAN);
	CHECK_EQ(c, c->ops->dir_stat(c->dir, "fifo", &st), 0);
	CHECK_EQ(c, st.type, FSC_FILE_OTHER);
	CHECK_EQ(c, c->ops->unlink(c->dir, "fifo", NULL), 0);
}

static void second_link_is_counted(struct conf *c)
{
	struct fsc_file *file = conf_file(c, c->dir, "f", 0);
	struct fsc_stat st;

	if (!file || !plant(c, FSC_PLANT_HARDLINK, CONF_ROOT "/g", "f"))
		return;
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.nlink, 2);
	CHECK_EQ(c, conf_ino(c, c->dir, "g"), st.ino);
	CHECK_EQ(c, c->ops->unlink(c->dir, "g", file), 0);
	CHECK_EQ(c, c->ops->stat(file, &st), 0);
	CHECK_EQ(c, st.nlink, 1);
}

const struct conf_test conf_planted_tests[] = {
	{ "symlinks_are_not_followed", symlinks_are_not_followed },
	{ "symlinked_directories_are_not_entered", symlinked_directories_are_not_entered },
	{ "fifo_is_refused_without_waiting", fifo_is_refused_without_waiting },
	{ "second_link_is_counted", second_link_is_counted },
	{ NULL, NULL },
};
