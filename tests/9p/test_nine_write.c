// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_nine_write.c - what changes something, through the netfs table of 9P and a real server; what
 * came of it is looked at in the exported folder.
 *
 *	test_nine_write diod|ganesha
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "nine_fixture.h"

static const struct netfs_owner somebody = { .uid = 1234, .gid = 2345 };

static struct stat local_stat(const char *name)
{
	struct stat st;

	if (lstat(local(name), &st))
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static void expect_same(const struct netfs_attr *attr, const char *name)
{
	struct stat st = local_stat(name);

	assert_int_equal(attr->st.st_ino, st.st_ino);
	assert_int_equal(attr->st.st_mode, st.st_mode);
	assert_int_equal(attr->st.st_uid, st.st_uid);
	assert_int_equal(attr->st.st_gid, st.st_gid);
	assert_int_equal(attr->st.st_size, st.st_size);
	assert_int_equal(attr->st.st_nlink, st.st_nlink);
	assert_int_equal(attr->st.st_mtim.tv_sec, st.st_mtim.tv_sec);
	assert_int_equal(attr->st.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	/* nfs-ganesha doesn't tell */
	if (!t.server.ganesha && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		assert_int_equal(attr->st.st_rdev, st.st_rdev);
}

/* A file of the session's user. */
static struct netfs_file *create(const char *name, int flags, struct netfs_node **n)
{
	struct netfs_attr attr;
	struct netfs_file *f;

	assert_int_equal(ops->create(t.root, name, flags, 0644, NULL, n, &attr, &f), 0);
	expect_same(&attr, name);
	return f;
}

/* ---- something new ---- */

static void new_things_belong_to_who_asks(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	assert_int_equal(ops->mkdir(t.root, "dir", 0751, &somebody, &n, &attr), 0);
	expect_same(&attr, "dir");
	assert_int_equal(attr.st.st_mode, S_IFDIR | 0751);
	assert_true(attr.st.st_uid == 1234 && attr.st.st_gid == 2345);
	netfs_node_put(n);
	assert_int_equal(ops->symlink(t.root, "link", "where/ever", &somebody, &n, &attr), 0);
	expect_same(&attr, "link");
	assert_true(S_ISLNK(attr.st.st_mode) && attr.st.st_uid == 1234 && attr.st.st_gid == 2345);
	netfs_node_put(n);
	assert_int_equal(ops->create(t.root, "file", O_RDWR | O_EXCL, 06755, &somebody, &n, &attr,
				     &f), 0);
	expect_same(&attr, "file");
	assert_int_equal(attr.st.st_mode, S_IFREG | 06755);
	assert_true(attr.st.st_uid == 1234 && attr.st.st_gid == 2345);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
	assert_int_equal(ops->mkdir(t.root, "dir", 0755, &somebody, &n, &attr), -EEXIST);
	assert_int_equal(ops->symlink(t.root, "dir", "x", &somebody, &n, &attr), -EEXIST);
	assert_int_equal(ops->create(t.root, "dir", O_RDWR | O_EXCL, 0644, &somebody, &n, &attr,
				     &f), -EEXIST);
	assert_int_equal(ops->create(t.root, "file", O_RDWR | O_EXCL, 0644, &somebody, &n, &attr,
				     &f), -EEXIST);
}

static void special_files_are_made(void **state)
{
	const struct {
		const char *name;
		mode_t mode;
		dev_t rdev;
	} files[] = {
		{ "fifo", S_IFIFO | 0600, 0 },
		{ "socket", S_IFSOCK | 0600, 0 },
		{ "regular", S_IFREG | 0600, 0 },
		{ "character", S_IFCHR | 0600, makedev(1, 3) },
		{ "block", S_IFBLK | 0600, makedev(259, 1000) },
	};
	struct netfs_attr attr;
	struct netfs_node *n;

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		int err = ops->mknod(t.root, files[i].name, files[i].mode, files[i].rdev, &somebody,
				     &n, &attr);

		/* nfs-ganesha makes no devices */
		if (t.server.ganesha && files[i].rdev && err == -EINVAL)
			continue;
		if (err)
			fail_msg("%s: %s", files[i].name, strerror(-err));
		expect_same(&attr, files[i].name);
		assert_int_equal(attr.st.st_mode, files[i].mode);
		if (files[i].rdev && !t.server.ganesha)
			assert_int_equal(attr.st.st_rdev, files[i].rdev);
		assert_int_equal(attr.st.st_uid, 1234);
		netfs_node_put(n);
	}
}

static void what_is_in_a_set_gid_folder_gets_its_group(void **state)
{
	struct netfs_node *dir, *n;
	struct netfs_attr attr;
	struct netfs_file *f;

	(void)state;
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	assert_int_equal(chown(local("dir"), 0, 777), 0);
	assert_int_equal(chmod(local("dir"), 02755), 0);
	dir = look(t.root, "dir", &attr);
	assert_int_equal(ops->create(dir, "file", O_RDWR, 0644, &somebody, &n, &attr, &f), 0);
	assert_true(attr.st.st_uid == 1234 && attr.st.st_gid == 777);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
	assert_int_equal(ops->mkdir(dir, "sub", 0755, &somebody, &n, &attr), 0);
	expect_same(&attr, "dir/sub");
	assert_true(attr.st.st_uid == 1234 && attr.st.st_gid == 777);
	assert_int_equal(attr.st.st_mode, S_IFDIR | 02755);
	netfs_node_put(n);
	netfs_node_put(dir);
}

static void what_is_there_is_opened_and_stays_its_owner_s(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	local_write("old", "content", 7);
	assert_int_equal(ops->create(t.root, "old", O_RDWR, 0600, &somebody, &n, &attr, &f), 0);
	assert_true(attr.st.st_uid == 0 && attr.st.st_size == 7);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
	assert_int_equal(ops->create(t.root, "old", O_RDWR | O_TRUNC, 0600, &somebody, &n, &attr,
				     &f), 0);
	assert_true(attr.st.st_uid == 0 && attr.st.st_size == 0);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
	/* nor is anything made or opened where a symbolic link leads */
	assert_int_equal(symlink("/nowhere/else", local("link")), 0);
	assert_int_equal(ops->create(t.root, "link", O_RDWR, 0600, &somebody, &n, &attr, &f),
			 -ESTALE);
}

/* ---- data ---- */

static void what_is_written_is_there(void **state)
{
	static uint8_t wanted[200000], got[200000];
	struct netfs_counters before, after;
	struct netfs_node *n;
	struct netfs_file *f = create("file", O_RDWR | O_EXCL, &n);
	size_t at = 0;
	FILE *file;

	(void)state;
	ops->counters(t.fs, &before);
	for (size_t i = 0; i < sizeof(wanted); i++)
		wanted[i] = (uint8_t)(i * 11 + (i >> 8));
	while (at < sizeof(wanted)) {
		int64_t ret = transfer_wait(f, at, wanted + at, sizeof(wanted) - at, true);

		assert_in_range(ret, 1, (int64_t)ops->write_max(f));
		at += (size_t)ret;
	}
	assert_int_equal(ops->fsync(f, true), 0);
	assert_int_equal(ops->fsync(f, false), 0);
	ops->counters(t.fs, &after);
	assert_int_equal(after.server_write_bytes - before.server_write_bytes, sizeof(wanted));
	assert_in_range(after.server_writes - before.server_writes, 1, 1000);
	file = fopen(local("file"), "r");
	assert_int_equal(fread(got, 1, sizeof(got), file), sizeof(got));
	fclose(file);
	assert_memory_equal(got, wanted, sizeof(got));
	memset(got, 0, sizeof(got));
	assert_int_equal(transfer_wait(f, 1000, got, 5000, false), 5000);
	assert_memory_equal(got, wanted + 1000, 5000);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
}

static void writes_in_flight_all_arrive(void **state)
{
	enum { WRITES = 300, EACH = 5000 };
	static struct transfer w[WRITES];
	static uint8_t data[WRITES][EACH], got[EACH];
	struct netfs_node *n;
	struct netfs_file *f = create("file", O_RDWR | O_EXCL, &n);
	int fd;

	(void)state;
	for (int i = 0; i < WRITES; i++) {
		memset(data[i], i + 1, EACH);
		transfer_start(&w[i], f, (uint64_t)i * EACH, data[i], EACH, true);
	}
	for (int i = 0; i < WRITES; i++)
		assert_int_equal(transfer_end(&w[i]), EACH);
	fd = open(local("file"), O_RDONLY);
	for (int i = 0; i < WRITES; i++) {
		assert_int_equal(read(fd, got, EACH), EACH);
		assert_memory_equal(got, data[i], EACH);
	}
	close(fd);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
}

static void appends_go_to_the_end(void **state)
{
	struct netfs_node *n;
	struct netfs_file *f = create("file", O_WRONLY | O_APPEND, &n);
	char got[16] = "";
	int fd;

	(void)state;
	assert_int_equal(transfer_wait(f, 0, (void *)"one", 3, true), 3);
	/* nfs-ganesha writes where it is told to */
	assert_int_equal(transfer_wait(f, t.server.ganesha ? 3 : 0, (void *)"two", 3, true), 3);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
	fd = open(local("file"), O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 6);
	assert_string_equal(got, "onetwo");
	close(fd);
}

/* ---- attributes ---- */

static void attributes_are_set(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct stat st = {
		.st_mode = S_IFREG | 04751, .st_uid = 5, .st_gid = 6, .st_size = 12345,
		.st_atim = { .tv_sec = 1000000001, .tv_nsec = 123456789 },
		.st_mtim = { .tv_sec = 1000000002, .tv_nsec = 987654321 },
	}, now;

	(void)state;
	local_write("file", "0123456789", 10);
	n = look(t.root, "file", &attr);
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_UID | NETFS_SET_GID, &st, &attr), 0);
	expect_same(&attr, "file");
	assert_true(attr.st.st_uid == 5 && attr.st.st_gid == 6);
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_MODE, &st, &attr), 0);
	assert_int_equal(attr.st.st_mode, st.st_mode);
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_SIZE, &st, NULL), 0);
	assert_int_equal(local_stat("file").st_size, 12345);
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_ATIME | NETFS_SET_MTIME, &st, &attr), 0);
	expect_same(&attr, "file");
	assert_int_equal(attr.st.st_mtim.tv_nsec, 987654321);
	assert_int_equal(attr.st.st_atim.tv_nsec, 123456789);
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_MTIME_NOW, &st, &attr), 0);
	now = local_stat("file");
	assert_true(now.st_mtim.tv_sec > 1000000002 && now.st_atim.tv_sec == 1000000001);
	netfs_node_put(n);
}

/* ---- names ---- */

static void names_go_away(void **state)
{
	struct netfs_node *dir, *n;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	local_write("dir/file", "x", 1);
	dir = look(t.root, "dir", &attr);
	n = look(dir, "file", &attr);
	assert_int_equal(ops->unlink(t.root, "dir", dir), -EISDIR);
	assert_int_equal(ops->rmdir(dir, "file", n), -ENOTDIR);
	assert_int_equal(ops->rmdir(t.root, "dir", dir), -ENOTEMPTY);
	assert_int_equal(ops->unlink(dir, "missing", NULL), -ENOENT);
	assert_int_equal(ops->unlink(dir, "file", n), 0);
	assert_int_equal(access(local("dir/file"), F_OK), -1);
	/* gone is gone, and what comes there next is another file */
	assert_int_equal(ops->getattr(n, NULL, &attr), -ESTALE);
	local_write("dir/file", "other", 5);
	assert_int_equal(ops->getattr(n, NULL, &attr), -ESTALE);
	attr.st.st_size = 0;
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_SIZE, &attr.st, NULL), -ESTALE);
	assert_int_equal(local_stat("dir/file").st_size, 5);
	netfs_node_put(n);
	n = look(dir, "file", &attr);
	assert_int_equal(ops->unlink(dir, "file", n), 0);
	netfs_node_put(n);
	assert_int_equal(ops->rmdir(t.root, "dir", dir), 0);
	assert_int_equal(access(local("dir"), F_OK), -1);
	netfs_node_put(dir);
}

static void what_is_renamed_is_found(void **state)
{
	struct netfs_node *a, *b, *sub, *file;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(mkdir(local("a"), 0755), 0);
	assert_int_equal(mkdir(local("b"), 0755), 0);
	assert_int_equal(mkdir(local("a/sub"), 0755), 0);
	local_write("a/sub/file", "x", 1);
	a = look(t.root, "a", &attr);
	b = look(t.root, "b", &attr);
	sub = look(a, "sub", &attr);
	file = look(sub, "file", &attr);
	assert_int_equal(ops->rename(sub, "file", file, sub, "other", NULL, 0), 0);
	assert_int_equal(ops->getattr(file, NULL, &attr), 0);
	expect_same(&attr, "a/sub/other");
	/* with what is below */
	assert_int_equal(ops->rename(a, "sub", sub, b, "moved", NULL, 0), 0);
	assert_int_equal(ops->getattr(sub, NULL, &attr), 0);
	expect_same(&attr, "b/moved");
	assert_int_equal(ops->getattr(file, NULL, &attr), 0);
	expect_same(&attr, "b/moved/other");
	/* and though something else has the old place */
	assert_int_equal(mkdir(local("a/sub"), 0755), 0);
	local_write("a/sub/other", "not this", 8);
	assert_int_equal(ops->rename(t.root, "b", b, t.root, "c", NULL, 0), 0);
	assert_int_equal(mkdir(local("b"), 0755), 0);
	assert_int_equal(mkdir(local("b/moved"), 0755), 0);
	local_write("b/moved/other", "nor this", 8);
	attr.st.st_mode = 0600;
	assert_int_equal(ops->setattr(file, NULL, NETFS_SET_MODE, &attr.st, &attr), 0);
	expect_same(&attr, "c/moved/other");
	netfs_node_put(file);
	file = look(sub, "other", &attr);
	expect_same(&attr, "c/moved/other");
	assert_int_equal(ops->unlink(sub, "other", file), 0);
	assert_int_equal(access(local("c/moved/other"), F_OK), -1);
	assert_int_equal(local_stat("a/sub/other").st_size, 8);
	assert_int_equal(ops->rename(t.root, "c", b, t.root, "d", NULL, RENAME_NOREPLACE), -EINVAL);
	netfs_node_put(file);
	netfs_node_put(sub);
	netfs_node_put(a);
	netfs_node_put(b);
}

/* Whoever looks a directory up again has another node of it; what was found by the old one is found
 * by its new name all the same. */
static void all_nodes_of_a_directory_know_its_name(void **state)
{
	struct netfs_node *old, *fresh, *sub, *n, *file;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(mkdir(local("a"), 0755), 0);
	assert_int_equal(mkdir(local("a/sub"), 0755), 0);
	local_write("a/sub/file", "x", 1);
	old = look(t.root, "a", &attr);
	sub = look(old, "sub", &attr);
	file = look(sub, "file", &attr);
	fresh = look(t.root, "a", &attr);
	assert_int_equal(ops->rename(t.root, "a", fresh, t.root, "b", NULL, 0), 0);
	assert_int_equal(ops->getattr(old, NULL, &attr), 0);
	n = look(sub, "file", &attr);
	expect_same(&attr, "b/sub/file");
	assert_int_equal(ops->unlink(sub, "file", n), 0);
	assert_int_equal(ops->getattr(file, NULL, &attr), -ESTALE);
	netfs_node_put(n);
	netfs_node_put(file);
	netfs_node_put(sub);
	netfs_node_put(old);
	netfs_node_put(fresh);
}

static atomic_bool renaming;

static void *rename_to_and_fro(void *arg)
{
	struct netfs_node *dir = arg;
	intptr_t err = 0;

	for (int i = 0; i < 200 && !err; i++)
		err = ops->rename(t.root, i % 2 ? "b" : "a", dir, t.root, i % 2 ? "a" : "b", NULL,
				  0);
	renaming = false;
	return (void *)err;
}

/* Whatever the directory above is called just then. */
static void what_is_below_is_found_while_it_is_renamed(void **state)
{
	struct netfs_node *dir, *sub, *n;
	struct netfs_attr attr;
	struct netfs_file *f;
	pthread_t thread;
	void *err;
	char got[8];

	(void)state;
	assert_int_equal(mkdir(local("a"), 0755), 0);
	assert_int_equal(mkdir(local("a/sub"), 0755), 0);
	local_write("a/sub/file", "content", 7);
	dir = look(t.root, "a", &attr);
	sub = look(dir, "sub", &attr);
	renaming = true;
	pthread_create(&thread, NULL, rename_to_and_fro, dir);
	while (renaming) {
		n = look(sub, "file", &attr);
		assert_int_equal(ops->getattr(n, NULL, &attr), 0);
		assert_int_equal(ops->open(n, O_RDONLY, &f), 0);
		assert_int_equal(transfer_wait(f, 0, got, sizeof(got), false), 7);
		assert_int_equal(ops->close(f), 0);
		assert_int_equal(ops->rename(sub, "file", n, sub, "other", NULL, 0), 0);
		assert_int_equal(ops->rename(sub, "other", n, sub, "file", NULL, 0), 0);
		netfs_node_put(n);
	}
	pthread_join(thread, &err);
	assert_null(err);
	netfs_node_put(sub);
	netfs_node_put(dir);
}

static void what_is_renamed_over_is_gone(void **state)
{
	struct netfs_node *a, *b, *dir, *n;
	struct netfs_attr attr;

	(void)state;
	local_write("a", "from a", 6);
	local_write("b", "b", 1);
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	a = look(t.root, "a", &attr);
	b = look(t.root, "b", &attr);
	dir = look(t.root, "dir", &attr);
	assert_int_equal(ops->rename(t.root, "a", a, t.root, "dir", dir, 0), -EISDIR);
	assert_int_equal(ops->rename(t.root, "missing", NULL, t.root, "x", NULL, 0), -ENOENT);
	assert_int_equal(ops->rename(t.root, "a", a, t.root, "b", b, 0), 0);
	assert_int_equal(ops->getattr(a, NULL, &attr), 0);
	expect_same(&attr, "b");
	assert_int_equal(attr.st.st_size, 6);
	assert_int_equal(ops->getattr(b, NULL, &attr), -ESTALE);
	assert_int_equal(ops->lookup(t.root, "a", &n, &attr), -ENOENT);
	netfs_node_put(a);
	netfs_node_put(b);
	netfs_node_put(dir);
}

static void a_file_has_as_many_names_as_it_is_given(void **state)
{
	struct netfs_node *dir, *n;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	dir = look(t.root, "dir", &attr);
	local_write("first", "x", 1);
	n = look(t.root, "first", &attr);
	assert_int_equal(ops->link(n, dir, "second", &attr), 0);
	assert_int_equal(attr.st.st_nlink, 2);
	expect_same(&attr, "dir/second");
	assert_int_equal(ops->link(n, dir, "second", &attr), -EEXIST);
	assert_int_equal(ops->unlink(t.root, "first", n), 0);
	assert_int_equal(ops->getattr(n, NULL, &attr), 0);
	expect_same(&attr, "dir/second");
	assert_int_equal(ops->rename(dir, "second", n, t.root, "third", NULL, 0), 0);
	assert_int_equal(ops->getattr(n, NULL, &attr), 0);
	expect_same(&attr, "third");
	netfs_node_put(n);
	netfs_node_put(dir);
}

static void an_open_file_outlives_its_name(void **state)
{
	struct netfs_node *n;
	struct netfs_file *f = create("file", O_RDWR | O_EXCL, &n);
	struct netfs_attr attr;
	char got[8];
	int err;

	(void)state;
	assert_int_equal(transfer_wait(f, 0, (void *)"before", 6, true), 6);
	assert_int_equal(ops->unlink(t.root, "file", n), 0);
	assert_int_equal(access(local("file"), F_OK), -1);
	local_write("file", "another", 7);
	assert_int_equal(transfer_wait(f, 6, (void *)"!", 1, true), 1);
	assert_int_equal(transfer_wait(f, 0, got, 8, false), 7);
	assert_memory_equal(got, "before!", 7);
	err = ops->getattr(n, f, &attr);
	print_message("getattr of an open file without a name: %d\n", err);
	assert_true((!err && !attr.st.st_nlink) || err == -ESTALE);
	memset(&attr, 0, sizeof(attr));
	attr.st.st_size = 3;
	assert_int_equal(ops->setattr(n, f, NETFS_SET_SIZE, &attr.st, NULL), err);
	assert_int_equal(local_stat("file").st_size, 7);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
}

/* ---- extended attributes ---- */

static void extended_attributes_are_kept(void **state)
{
	static char big[3000], got[4096];
	struct netfs_attr attr;
	struct netfs_node *n;
	int err;

	(void)state;
	local_write("file", "x", 1);
	n = look(t.root, "file", &attr);
	err = ops->setxattr(n, "user.one", "value", 5, XATTR_CREATE);
	if (err == -EOPNOTSUPP) {
		print_message("the server has no extended attributes\n");
		netfs_node_put(n);
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(getxattr(local("file"), "user.one", got, sizeof(got)), 5);
	assert_memory_equal(got, "value", 5);
	assert_int_equal(ops->setxattr(n, "user.one", "other", 5, XATTR_CREATE), -EEXIST);
	assert_int_equal(ops->setxattr(n, "user.two", "other", 5, XATTR_REPLACE), -ENODATA);
	memset(big, 'b', sizeof(big));
	assert_int_equal(ops->setxattr(n, "user.big", big, sizeof(big), 0), 0);
	assert_int_equal(ops->getxattr(n, "user.big", NULL, 0), sizeof(big));
	assert_int_equal(ops->getxattr(n, "user.big", got, 2999), -ERANGE);
	assert_int_equal(ops->getxattr(n, "user.big", got, sizeof(got)), sizeof(big));
	assert_memory_equal(got, big, sizeof(big));
	assert_int_equal(ops->listxattr(n, NULL, 0), 18);
	assert_int_equal(ops->listxattr(n, got, sizeof(got)), 18);
	assert_true(!memcmp(got, "user.one", 9) || !memcmp(got, "user.big", 9));
	assert_int_equal(ops->removexattr(n, "user.big"), 0);
	assert_int_equal(ops->getxattr(n, "user.big", got, sizeof(got)), -ENODATA);
	assert_int_equal(getxattr(local("file"), "user.big", got, sizeof(got)), -1);
	assert_int_equal(ops->setxattr(n, "user.empty", "", 0, 0), -EOPNOTSUPP);
	assert_int_equal(ops->removexattr(n, "user.none"), -ENODATA);
	netfs_node_put(n);
}

/* ---- locks ---- */

static void a_lock_keeps_others_out(void **state)
{
	struct netfs_lock all = { .type = F_WRLCK, .pid = 10, .owner = 1 };
	struct netfs_lock other = { .type = F_WRLCK, .pid = 11, .owner = 2 };
	struct netfs_node *n;
	struct netfs_file *f = create("file", O_RDWR | O_EXCL, &n), *g;
	int err;

	(void)state;
	assert_int_equal(ops->open(n, O_RDWR, &g), 0);
	err = ops->lock(f, &all);
	if (t.server.ganesha) {
		assert_int_equal(err, -EINVAL); /* it has none */
	} else {
		assert_int_equal(err, 0);
		assert_int_equal(ops->lock(g, &other), -EAGAIN);
		assert_int_equal(ops->getlock(g, &other), 0);
		assert_int_equal(other.type, F_WRLCK);
		other.type = F_WRLCK;
		all.type = F_UNLCK;
		assert_int_equal(ops->lock(f, &all), 0);
		assert_int_equal(ops->getlock(g, &other), 0);
		assert_int_equal(other.type, F_UNLCK);
		other.type = F_WRLCK;
		assert_int_equal(ops->lock(g, &other), 0);
	}
	assert_int_equal(ops->close(f), 0);
	assert_int_equal(ops->close(g), 0);
	netfs_node_put(n);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		nine_test(new_things_belong_to_who_asks),
		nine_test(special_files_are_made),
		nine_test(what_is_in_a_set_gid_folder_gets_its_group),
		nine_test(what_is_there_is_opened_and_stays_its_owner_s),
		nine_test(what_is_written_is_there),
		nine_test(writes_in_flight_all_arrive),
		nine_test(appends_go_to_the_end),
		nine_test(attributes_are_set),
		nine_test(names_go_away),
		nine_test(what_is_renamed_is_found),
		nine_test(all_nodes_of_a_directory_know_its_name),
		nine_test(what_is_below_is_found_while_it_is_renamed),
		nine_test(what_is_renamed_over_is_gone),
		nine_test(a_file_has_as_many_names_as_it_is_given),
		nine_test(an_open_file_outlives_its_name),
		nine_test(extended_attributes_are_kept),
		nine_test(a_lock_keeps_others_out),
	};

	return nine_main(argc, argv) ? 77 : cmocka_run_group_tests(tests, NULL, nine_end);
}
