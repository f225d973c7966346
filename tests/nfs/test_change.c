// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_change.c - each call that changes something, and what the server's filesystem has then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "export.h"

/* --- Changes ---------------------------------------------------------------------------------- */

static void test_new_things(void **state)
{
	const struct netfs_owner owner = { 1234, 567 };
	struct netfs_node *node;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(chmod(world_path(""), 01777), 0);
	assert_int_equal(ops->mkdir(root, "dir", 0750, &owner, &node, &attr), 0);
	same_stat(&attr, "dir");
	assert_int_equal(attr.st.st_mode, S_IFDIR | 0750);
	assert_int_equal(attr.st.st_uid, 1234);
	assert_int_equal(attr.st.st_gid, 567);
	netfs_node_put(node);
	assert_int_equal(ops->mkdir(root, "dir", 0750, &owner, &node, &attr), -EEXIST);

	assert_int_equal(ops->symlink(root, "new-link", "to/some where", &owner, &node, &attr), 0);
	same_stat(&attr, "new-link");
	assert_int_equal(attr.st.st_uid, 1234);
	netfs_node_put(node);

	assert_int_equal(ops->mknod(root, "fifo", S_IFIFO | 0600, 0, &owner, &node, &attr), 0);
	same_stat(&attr, "fifo");
	netfs_node_put(node);
	assert_int_equal(
		ops->mknod(root, "device", S_IFCHR | 0600, makedev(1, 3), NULL, &node, &attr), 0);
	same_stat(&attr, "device");
	assert_int_equal(attr.st.st_rdev, makedev(1, 3));
	netfs_node_put(node);
	assert_int_equal(ops->mknod(root, "sock", S_IFSOCK | 0600, 0, NULL, &node, &attr), 0);
	same_stat(&attr, "sock");
	netfs_node_put(node);
	assert_int_equal(ops->mknod(root, "reg", S_IFREG | 0604, 0, NULL, &node, &attr), 0);
	same_stat(&attr, "reg");
	netfs_node_put(node);
	assert_int_equal(ops->mknod(root, "reg", S_IFREG | 0604, 0, NULL, &node, &attr), -EEXIST);
}

/* Into a folder that its user may enter by a group that the server isn't told of. */
static void test_owner_of_group(void **state)
{
	const struct netfs_owner owner = { 1234, 567 };
	struct netfs_node *dir, *node;
	struct netfs_file *file;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(mkdir(world_path("team"), 0770), 0);
	assert_int_equal(chown(world_path("team"), 0, 999), 0);
	dir = find("team", &attr);
	assert_int_equal(ops->create(dir, "f", O_RDWR, 0640, &owner, &node, &attr, &file), 0);
	same_stat(&attr, "team/f");
	assert_int_equal(attr.st.st_uid, 1234);
	assert_int_equal(attr.st.st_gid, 567);
	ops->close(file);
	netfs_node_put(node);
	netfs_node_put(dir);
}

static void test_create_and_write(void **state)
{
	static const size_t sizes[] = { 1, 100, 4096, 65536, 1000003, 3000000 };
	struct netfs_node *node;
	struct netfs_file *file;
	struct netfs_attr attr;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *data = malloc(sizes[i]), *got = malloc(sizes[i] + 1);
		time_t now = time(NULL);
		int fd;

		for (size_t j = 0; j < sizes[i]; j++)
			data[j] = (char)(j * 31 + i);
		assert_int_equal(ops->create(root, "written", O_RDWR | O_TRUNC, 0640, NULL, &node,
					     &attr, &file),
				 0);
		same_stat(&attr, "written");
		assert_int_equal(attr.st.st_size, 0);
		assert_in_range(attr.st.st_mtim.tv_sec, now - 5, now + 5);
		assert_int_equal(world_write_all(file, 0, data, sizes[i]), sizes[i]);
		assert_int_equal(ops->fsync(file, false), 0);
		fd = open(world_path("written"), O_RDONLY);
		assert_int_equal(read(fd, got, sizes[i] + 1), sizes[i]);
		close(fd);
		assert_memory_equal(data, got, sizes[i]);
		assert_int_equal(world_read_all(file, 0, got, sizes[i]), sizes[i]);
		assert_memory_equal(data, got, sizes[i]);
		ops->close(file);
		same(node, "written");
		netfs_node_put(node);
		free(data);
		free(got);
	}
	assert_int_equal(
		ops->create(root, "written", O_RDWR | O_EXCL, 0640, NULL, &node, &attr, &file),
		-EEXIST);
}

static void test_write_in_the_middle(void **state)
{
	char got[16] = "";
	struct netfs_attr attr;
	struct netfs_node *node;
	struct netfs_file *file;
	int fd;

	(void)state;
	world_make_file("middle", "0123456789", 10);
	node = find("middle", &attr);
	file = opened(node, O_WRONLY);
	assert_int_equal(world_write(file, 3, "abc", 3), 3);
	assert_int_equal(world_write(file, 12, "z", 1), 1);
	ops->close(file);
	fd = open(world_path("middle"), O_RDONLY);
	assert_int_equal(read(fd, got, sizeof(got)), 13);
	close(fd);
	assert_memory_equal(got, "012abc6789\0\0z", 13);
	file = opened(node, O_WRONLY | O_TRUNC);
	ops->close(file);
	assert_int_equal(ops->getattr(node, NULL, &attr), 0);
	assert_int_equal(attr.st.st_size, 0);
	netfs_node_put(node);
}

static void test_setattr(void **state)
{
	struct stat st = {
		.st_mode = 0711,
		.st_uid = 12,
		.st_gid = 34,
		.st_size = 3,
		.st_atim = { 1000000000, 123456789 },
		.st_mtim = { 1100000000, 987654321 },
	};
	struct netfs_attr attr;
	struct netfs_node *node;
	time_t now = time(NULL);

	(void)state;
	world_make_file("attrs", "hello", 5);
	node = find("attrs", &attr);
	assert_int_equal(ops->setattr(node, NULL, NETFS_SET_SIZE, &st, &attr), 0);
	assert_int_equal(attr.st.st_size, 3);
	assert_int_equal(ops->setattr(node, NULL, NETFS_SET_UID | NETFS_SET_GID, &st, NULL), 0);
	assert_int_equal(ops->setattr(node, NULL,
				      NETFS_SET_MODE | NETFS_SET_ATIME | NETFS_SET_MTIME, &st,
				      &attr),
			 0);
	same_stat(&attr, "attrs");
	assert_int_equal(attr.st.st_mode, S_IFREG | 0711);
	assert_int_equal(attr.st.st_uid, 12);
	assert_int_equal(attr.st.st_gid, 34);
	assert_int_equal(attr.st.st_atim.tv_sec, 1000000000);
	assert_int_equal(attr.st.st_atim.tv_nsec, 123456789);
	assert_int_equal(attr.st.st_mtim.tv_nsec, 987654321);
	assert_int_equal(
		ops->setattr(node, NULL, NETFS_SET_MTIME_NOW | NETFS_SET_ATIME_NOW, &st, &attr), 0);
	assert_in_range(attr.st.st_mtim.tv_sec, now - 5, now + 5);
	assert_in_range(attr.st.st_atim.tv_sec, now - 5, now + 5);
	st.st_size = -1;
	assert_int_equal(ops->setattr(node, NULL, NETFS_SET_SIZE, &st, &attr), -EINVAL);
	netfs_node_put(node);
}

static void test_move(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *node, *dir, *gone;

	(void)state;
	world_make_file("from", "1", 1);
	world_make_file("over", "2", 1);
	assert_int_equal(mkdir(world_path("into"), 0755), 0);
	node = find("from", &attr);
	dir = find("into", &attr);
	assert_int_equal(ops->link(node, dir, "second", &attr), 0);
	assert_int_equal(attr.st.st_nlink, 2);
	same_stat(&attr, "into/second");
	assert_int_equal(ops->link(node, dir, "second", &attr), -EEXIST);
	assert_int_equal(ops->rename(root, "from", node, root, "over", NULL, 0), 0);
	assert_int_equal(access(world_path("from"), F_OK), -1);
	same(node, "over");
	assert_int_equal(ops->rename(root, "over", node, dir, "third", NULL, 0), 0);
	assert_int_equal(access(world_path("into/third"), F_OK), 0);
	assert_int_equal(ops->rename(root, "x", NULL, dir, "y", NULL, 0), -ENOENT);
	assert_int_equal(ops->rename(dir, "third", node, root, "y", NULL, 1), -EINVAL);
	assert_int_equal(ops->rmdir(root, "into", dir), -ENOTEMPTY);
	assert_int_equal(ops->unlink(dir, "second", node), 0);
	assert_int_equal(ops->unlink(dir, "third", node), 0);
	assert_int_equal(ops->unlink(dir, "third", NULL), -ENOENT);
	assert_int_equal(ops->rmdir(root, "into", dir), 0);
	assert_int_equal(ops->lookup(root, "into", &gone, &attr), -ENOENT);
	assert_int_equal(ops->getattr(node, NULL, &attr), -ESTALE);
	netfs_node_put(node);
	netfs_node_put(dir);
}

static unsigned int names_in(const char *dir)
{
	DIR *d = opendir(world_path(dir));
	unsigned int count = 0;

	while (readdir(d))
		count++;
	closedir(d);
	return count - 2;
}

/* Removed, or replaced, while it is open: it is read until the last close, through nodes of any
 * age, and then it is gone. */
static void test_open_without_name(void **state)
{
	struct netfs_node *dir, *node, *again, *other;
	struct netfs_file *file, *second;
	struct netfs_attr attr;
	char byte = 0;

	(void)state;
	assert_int_equal(mkdir(world_path("open"), 0755), 0);
	world_make_file("open/a", "a", 1);
	world_make_file("open/b", "b", 1);
	dir = find("open", &attr);
	assert_int_equal(ops->lookup(dir, "a", &node, &attr), 0);
	assert_int_equal(ops->lookup(dir, "a", &again, &attr), 0);
	assert_int_equal(ops->lookup(dir, "b", &other, &attr), 0);
	file = opened(node, O_RDONLY);
	second = opened(again, O_RDONLY);
	assert_int_equal(ops->rename(dir, "b", other, dir, "a", again, 0), 0);
	assert_int_equal(world_read(file, 0, &byte, 1), 1);
	assert_int_equal(byte, 'a');
	assert_int_equal(names_in("open"), 2);
	/* It has lost its only name: one that is missing stays so. */
	assert_int_equal(ops->rename(dir, "x", NULL, dir, "a", other, 0), -ENOENT);
	ops->close(file);
	assert_int_equal(world_read(second, 0, &byte, 1), 1);
	ops->close(second);
	assert_int_equal(names_in("open"), 1);
	file = opened(other, O_RDONLY);
	assert_int_equal(ops->rename(dir, "x", NULL, dir, "a", other, 0), -ENOENT);
	assert_int_equal(access(world_path("open/a"), F_OK), 0);
	assert_int_equal(ops->unlink(dir, "a", other), 0);
	assert_int_equal(access(world_path("open/a"), F_OK), -1);
	assert_int_equal(world_read(file, 0, &byte, 1), 1);
	assert_int_equal(byte, 'b');
	ops->close(file);
	assert_int_equal(names_in("open"), 0);
	assert_int_equal(ops->rmdir(root, "open", dir), 0);
	netfs_node_put(dir);
	netfs_node_put(node);
	netfs_node_put(again);
	netfs_node_put(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_things),
		cmocka_unit_test(test_owner_of_group),
		cmocka_unit_test(test_create_and_write),
		cmocka_unit_test(test_write_in_the_middle),
		cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_open_without_name),
	};

	if (!world_found()) {
		puts("SKIP: to be run by in_world.sh");
		return 77;
	}
	return cmocka_run_group_tests(tests, export_begin, export_end);
}
