// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_table.c - each call of the table that changes nothing, against a real server.
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

/* --- What changes nothing --------------------------------------------------------------------- */

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

/* --- Directories ------------------------------------------------------------------------------ */

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

/* --- What is allowed -------------------------------------------------------------------------- */

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
	};

	if (!world_found()) {
		puts("SKIP: to be run by in_world.sh");
		return 77;
	}
	return cmocka_run_group_tests(tests, export_begin, export_end);
}
