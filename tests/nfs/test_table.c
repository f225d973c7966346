// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_table.c - each call of the table against a real server, and what its filesystem has then.
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

#include "world.h"

static struct netfs *fs;
static const struct netfs_ops *ops;
static struct netfs_node *root;

static struct netfs_node *find(const char *name, struct netfs_attr *attr)
{
	struct netfs_node *node = NULL;

	assert_int_equal(ops->lookup(root, name, &node, attr), 0);
	assert_non_null(node);
	return node;
}

static void same_stat(const struct netfs_attr *attr, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(world_path(name), &st), 0);
	assert_true(attr->vouched);
	assert_int_equal(attr->st.st_ino, st.st_ino);
	assert_int_equal(attr->st.st_mode, st.st_mode);
	assert_int_equal(attr->st.st_nlink, st.st_nlink);
	assert_int_equal(attr->st.st_uid, st.st_uid);
	assert_int_equal(attr->st.st_gid, st.st_gid);
	assert_int_equal(attr->st.st_size, st.st_size);
	assert_int_equal(attr->st.st_rdev, st.st_rdev);
	assert_int_equal(attr->st.st_mtim.tv_sec, st.st_mtim.tv_sec);
	assert_int_equal(attr->st.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(attr->st.st_ctim.tv_sec, st.st_ctim.tv_sec);
	assert_int_equal(attr->st.st_ctim.tv_nsec, st.st_ctim.tv_nsec);
	assert_int_equal(attr->has_change, world_version == 4);
	assert_in_range(attr->key_len, 1, NETFS_KEY_MAX);
}

/* The server may have the attributes that it had a moment ago: look again. */
static void same(struct netfs_node *node, const char *name)
{
	struct netfs_attr attr;

	assert_int_equal(ops->getattr(node, NULL, &attr), 0);
	same_stat(&attr, name);
}

static struct netfs_file *opened(struct netfs_node *node, int flags)
{
	struct netfs_file *file = NULL;

	assert_int_equal(ops->open(node, flags, &file), 0);
	return file;
}

/* --- What changes nothing
 * --------------------------------------------------------------------------- */

static void test_attributes(void **state)
{
	struct netfs_attr attr, again;
	struct netfs_node *node, *missing;

	(void)state;
	world_make_file("plain", "hello", 5);
	assert_int_equal(chmod(world_path("plain"), 04751), 0);
	node = find("plain", &attr);
	same_stat(&attr, "plain");
	assert_int_equal(ops->getattr(node, NULL, &again), 0);
	assert_int_equal(again.key_len, attr.key_len);
	assert_memory_equal(again.key, attr.key, attr.key_len);
	assert_int_equal(ops->lookup(root, "missing", &missing, &attr), -ENOENT);
	assert_int_equal(ops->lookup(node, "below", &missing, &attr), -ENOTDIR);
	netfs_node_put(node);
	assert_int_equal(ops->getattr(root, NULL, &attr), 0);
	same_stat(&attr, "");
}

static void test_change_attribute(void **state)
{
	struct netfs_attr before, after;
	struct netfs_node *node;

	(void)state;
	world_make_file("changing", "1", 1);
	node = find("changing", &before);
	usleep(20000);
	world_make_file("changing", "2", 1);
	assert_int_equal(ops->getattr(node, NULL, &after), 0);
	assert_int_equal(before.key_len, after.key_len);
	if (after.has_change)
		assert_int_not_equal(before.change, after.change);
	else
		assert_true(before.st.st_mtim.tv_sec != after.st.st_mtim.tv_sec ||
			    before.st.st_mtim.tv_nsec != after.st.st_mtim.tv_nsec);
	netfs_node_put(node);
}

static void test_link_target(void **state)
{
	char target[PATH_MAX], exactly[PATH_MAX] = "";
	struct netfs_attr attr;
	struct netfs_node *node;

	(void)state;
	assert_int_equal(symlink("../some where/else", world_path("link")), 0);
	node = find("link", &attr);
	same_stat(&attr, "link");
	assert_int_equal(ops->readlink(node, target, sizeof(target)), 18);
	assert_memory_equal(target, "../some where/else", 18);
	assert_int_equal(ops->readlink(node, exactly, 18), 18);
	assert_int_equal(exactly[18], 0);
	assert_int_equal(ops->readlink(node, target, 17), -ERANGE);
	netfs_node_put(node);
	assert_true(ops->readlink(root, target, sizeof(target)) < 0);
}

static void test_names(void **state)
{
	char longest[NETFS_NAME_MAX + 1];
	const char *names[] = { longest, "new\nline", "sp ace", "-rf", "*", "h\303\244\303\266" };
	struct netfs_attr attr;

	(void)state;
	memset(longest, 'n', NETFS_NAME_MAX);
	longest[NETFS_NAME_MAX] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		world_make_file(names[i], names[i], strlen(names[i]));
		netfs_node_put(find(names[i], &attr));
		same_stat(&attr, names[i]);
	}
}

static void test_read(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 1000003, 5000000 };
	struct netfs_attr attr;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *got = malloc(sizes[i] + 1), *want = malloc(sizes[i] + 1);
		struct netfs_node *node;
		struct netfs_file *file;
		int fd;

		world_make_random("data", sizes[i]);
		node = find("data", &attr);
		file = opened(node, O_RDONLY);
		assert_int_equal(world_read_all(file, 0, got, sizes[i] + 1), sizes[i]);
		fd = open(world_path("data"), O_RDONLY);
		assert_int_equal(read(fd, want, sizes[i] + 1), sizes[i]);
		close(fd);
		assert_memory_equal(got, want, sizes[i]);
		/* Beyond the end there is nothing, which is no error. */
		assert_int_equal(world_read(file, sizes[i], got, 1), 0);
		assert_int_equal(world_read(file, 1ull << 40, got, 1), 0);
		assert_int_equal(world_read(file, UINT64_MAX - 1, got, 1), -EINVAL);
		assert_int_equal(ops->close(file), 0);
		netfs_node_put(node);
		free(got);
		free(want);
	}
	assert_true(ops->read_max && ops->write_max);
}

#define READS 256
#define READ_SIZE 65536

struct many {
	struct netfs_io io;
	int64_t result;
	char *buf;
};

static atomic_uint many_left;

static void many_done(struct netfs_io *io, int64_t result)
{
	((struct many *)io)->result = result;
	atomic_fetch_sub(&many_left, 1);
}

static void wait_for_many(void)
{
	for (int i = 0; i < 6000 && atomic_load(&many_left); i++)
		usleep(10000);
	assert_int_equal(atomic_load(&many_left), 0);
}

static void start_many(struct many *many, struct netfs_file *file)
{
	atomic_store(&many_left, READS);
	for (size_t i = 0; i < READS; i++) {
		many[i].buf = malloc(READ_SIZE);
		many[i].io = (struct netfs_io){ .file = file,
						.pos = i * READ_SIZE,
						.buf = many[i].buf,
						.len = READ_SIZE,
						.done = many_done };
		ops->read(&many[i].io);
	}
}

static void test_parallel(void **state)
{
	struct many *many = calloc(READS, sizeof(*many));
	char *want = malloc(READ_SIZE);
	struct netfs_attr attr;
	struct netfs_counters before, after;
	struct netfs_node *node;
	struct netfs_file *file;
	int fd;

	(void)state;
	world_make_random("parallel", READS * READ_SIZE);
	node = find("parallel", &attr);
	file = opened(node, O_RDONLY);
	ops->counters(fs, &before);
	start_many(many, file);
	wait_for_many();
	ops->counters(fs, &after);
	assert_int_equal(after.server_reads - before.server_reads, READS);
	assert_int_equal(after.server_read_bytes - before.server_read_bytes, READS * READ_SIZE);
	fd = open(world_path("parallel"), O_RDONLY);
	for (size_t i = 0; i < READS; i++) {
		assert_int_equal(many[i].result, READ_SIZE);
		assert_int_equal(pread(fd, want, READ_SIZE, (off_t)(i * READ_SIZE)), READ_SIZE);
		assert_memory_equal(many[i].buf, want, READ_SIZE);
		free(many[i].buf);
	}
	close(fd);
	ops->close(file);
	netfs_node_put(node);
	free(want);
	free(many);
}

/* Each ends once, with all of its bytes or none of them. */
static void test_cancel(void **state)
{
	struct many *many = calloc(READS, sizeof(*many));
	struct netfs_attr attr;
	struct netfs_node *node;
	struct netfs_file *file;
	unsigned int cancelled = 0;

	(void)state;
	world_make_random("parallel", READS * READ_SIZE);
	node = find("parallel", &attr);
	file = opened(node, O_RDONLY);
	start_many(many, file);
	/* Last started, last to be sent: those are still there to be cancelled. */
	for (size_t i = READS; i-- > READS / 2;)
		ops->cancel(&many[i].io);
	wait_for_many();
	for (size_t i = 0; i < READS; i++) {
		assert_true(many[i].result == READ_SIZE ||
			    (many[i].result == -ECANCELED && i >= READS / 2));
		cancelled += many[i].result == -ECANCELED;
		free(many[i].buf);
	}
	assert_true(cancelled > 0);
	ops->close(file);
	netfs_node_put(node);
	free(many);
}

/* --- Directories
 * ------------------------------------------------------------------------------------- */

#define ENTRIES 10000

struct listing {
	unsigned char seen[ENTRIES];
	unsigned int count, nodes, stop_after;
	uint64_t next;
	bool strange;
};

static int listed(void *arg, const struct netfs_dirent *entry)
{
	struct listing *l = arg;
	unsigned int number;

	if (sscanf(entry->name, "entry-%u", &number) != 1 || number >= ENTRIES)
		l->strange = true;
	else
		l->strange |= l->seen[number]++ > 0;
	if (entry->node) {
		l->nodes++;
		l->strange |= entry->type != DT_REG || !S_ISREG(entry->attr->st.st_mode);
	}
	l->count++;
	l->next = entry->next;
	return l->stop_after && l->count % l->stop_after == 0;
}

static void make_big_directory(void)
{
	char name[64];

	if (mkdir(world_path("big"), 0755))
		return;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "big/entry-%u", i);
		world_make_file(name, "", 0);
	}
}

static void list_big(unsigned int stop_after)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct netfs_node *node;
	struct netfs_file *file;
	struct netfs_attr attr;
	unsigned int before;

	make_big_directory();
	node = find("big", &attr);
	file = opened(node, O_RDONLY | O_DIRECTORY);
	l->stop_after = stop_after;
	do {
		before = l->count;
		assert_int_equal(ops->readdir(file, l->next, true, listed, l), 0);
	} while (l->count > before && !l->strange);
	assert_false(l->strange);
	assert_int_equal(l->count, ENTRIES);
	for (unsigned int i = 0; i < ENTRIES; i++)
		assert_int_equal(l->seen[i], 1);
	assert_int_equal(l->nodes, ENTRIES);
	ops->close(file);
	netfs_node_put(node);
	free(l);
}

static void test_directory(void **state)
{
	(void)state;
	list_big(0);
	list_big(7);
}

static int first_only(void *arg, const struct netfs_dirent *entry)
{
	char *name = arg;

	snprintf(name, NETFS_NAME_MAX + 1, "%s", entry->name);
	return -EXDEV;
}

static void test_directory_again(void **state)
{
	char first[NETFS_NAME_MAX + 1], again[NETFS_NAME_MAX + 1];
	struct netfs_file *file;

	(void)state;
	file = opened(root, O_RDONLY | O_DIRECTORY);
	/* What the receiver says is what is returned, and 0 is the beginning anew. */
	assert_int_equal(ops->readdir(file, 0, false, first_only, first), -EXDEV);
	assert_int_equal(ops->readdir(file, 0, false, first_only, again), -EXDEV);
	assert_string_equal(first, again);
	ops->close(file);
}

/* --- What is allowed
 * ------------------------------------------------------------------------------------ */

static void test_statfs(void **state)
{
	struct statvfs got, want;

	(void)state;
	assert_int_equal(ops->statfs(root, &got), 0);
	assert_int_equal(statvfs(world_path(""), &want), 0);
	assert_int_equal(got.f_blocks * got.f_frsize / 4096, want.f_blocks * want.f_frsize / 4096);
	assert_int_equal(got.f_files, want.f_files);
	assert_int_equal(got.f_namemax, NETFS_NAME_MAX);
}

static void test_access(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *node;
	struct netfs_file *file;

	(void)state;
	world_make_file("closed", "x", 1);
	assert_int_equal(chmod(world_path("closed"), 0640), 0);
	node = find("closed", &attr);
	assert_int_equal(ops->access(node, R_OK | W_OK), 0);
	assert_int_equal(ops->access(node, X_OK), -EACCES);
	assert_int_equal(ops->access(root, R_OK | W_OK | X_OK), 0);
	netfs_node_put(node);
	/* Who else? The process itself, for a new connection. */
	assert_int_equal(setegid(65534), 0);
	assert_int_equal(seteuid(65534), 0);
	{
		struct netfs *theirs;
		struct netfs_node *their_root;
		char why[256];

		assert_int_equal(world_connect(false, 0, &theirs, why, sizeof(why)), 0);
		assert_int_equal(ops->root(theirs, &their_root, &attr), 0);
		assert_int_equal(ops->lookup(their_root, "closed", &node, &attr), 0);
		assert_int_equal(ops->access(node, R_OK), -EACCES);
		assert_int_equal(ops->open(node, O_RDONLY, &file), -EACCES);
		netfs_node_put(node);
		netfs_node_put(their_root);
		ops->disconnect(theirs);
	}
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
}

/* --- Changes
 * -----------------------------------------------------------------------------------------------
 */

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

static int begin(void **state)
{
	struct netfs_attr attr;
	char why[256] = "";

	(void)state;
	umask(0);
	world_server_start();
	if (world_connect(false, 0, &fs, why, sizeof(why))) {
		print_error("%s\n", why);
		return -1;
	}
	ops = fs->ops;
	return ops->root(fs, &root, &attr);
}

static int end(void **state)
{
	(void)state;
	netfs_node_put(root);
	ops->disconnect(fs);
	world_server_kill();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_change_attribute),
		cmocka_unit_test(test_link_target),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_parallel),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_directory_again),
		cmocka_unit_test(test_statfs),
		cmocka_unit_test(test_access),
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
	return cmocka_run_group_tests(tests, begin, end);
}
