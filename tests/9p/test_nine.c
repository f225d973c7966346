// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_nine.c - 9P as a protocol of examples/common, against a real server: each call of the table,
 * and what comes of it is looked at in the exported folder.
 *
 *	test_nine diod|ganesha
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nine_fixture.h"

/* ---- names and attributes ---- */

static void what_is_there_is_found(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct stat st;

	(void)state;
	local_write("file", "hello", 5);
	assert_int_equal(mkdir(local("dir"), 0750), 0);
	assert_int_equal(stat(local("file"), &st), 0);
	n = look(t.root, "file", &attr);
	assert_int_equal(attr.st.st_size, 5);
	assert_int_equal(attr.st.st_ino, st.st_ino);
	assert_int_equal(attr.st.st_mode, st.st_mode);
	assert_int_equal(attr.st.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(attr.st.st_ctim.tv_sec, st.st_ctim.tv_sec);
	assert_true(attr.vouched && !attr.has_change);
	assert_int_equal(attr.key_len, 8);
	assert_true(attr.arrived_ms);
	netfs_node_put(n);
	n = look(t.root, "dir", &attr);
	assert_true(S_ISDIR(attr.st.st_mode));
	netfs_node_put(n);
	assert_int_equal(ops->lookup(t.root, "missing", &n, &attr), -ENOENT);
}

static void parents_go_with_their_last_child(void **state)
{
	struct netfs_node *n, *next;
	struct netfs_attr attr;

	(void)state;
	n = netfs_node_get(t.root);
	for (int i = 0; i < 40; i++) {
		char path[256] = "deep";

		for (int j = 0; j < i; j++)
			strcat(path, "/deep");
		assert_int_equal(mkdir(local(path), 0755), 0);
		next = look(n, "deep", &attr);
		netfs_node_put(n);
		n = next;
	}
	assert_int_equal(ops->getattr(n, NULL, &attr), 0);
	assert_true(S_ISDIR(attr.st.st_mode));
	netfs_node_put(n);
}

static void links_and_figures_are_read(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct statvfs st;
	char buf[64];

	(void)state;
	assert_int_equal(symlink("to/some where", local("link")), 0);
	n = look(t.root, "link", &attr);
	assert_true(S_ISLNK(attr.st.st_mode));
	assert_int_equal(ops->readlink(n, buf, sizeof(buf)), 13);
	assert_memory_equal(buf, "to/some where", 13);
	assert_int_equal(ops->readlink(n, buf, 12), -ERANGE);
	netfs_node_put(n);
	assert_int_equal(ops->statfs(t.root, &st), 0);
	assert_true(st.f_bsize && st.f_blocks && st.f_namemax >= 255);
}

/* More than servers have room for: those that were not used for long walk again. */
static void many_nodes_are_held(void **state)
{
	enum { MANY = 1500 };
	static struct netfs_node *n[MANY];
	static uint64_t ino[MANY];
	struct netfs_attr attr;
	char name[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		local_write(name, "", 0);
		n[i] = look(t.root, name, &attr);
		ino[i] = attr.st.st_ino;
	}
	for (int i = 0; i < MANY; i += 3) {
		assert_int_equal(ops->getattr(n[i], NULL, &attr), 0);
		assert_int_equal(attr.st.st_ino, ino[i]);
	}
	for (int i = 0; i < MANY; i++)
		netfs_node_put(n[i]);
}

/* ---- directories ---- */

struct listing {
	unsigned int count, most;
	uint64_t next;
	bool seen[300];
};

static int list_entry(void *arg, const struct netfs_dirent *e)
{
	struct listing *l = arg;
	unsigned int i;

	if (l->count == l->most)
		return -ENOSPC;
	assert_int_equal(sscanf(e->name, "entry-%u", &i), 1);
	assert_in_range(i, 0, 299);
	assert_false(l->seen[i]);
	assert_int_equal(e->type, DT_REG);
	l->seen[i] = true;
	l->next = e->next;
	l->count++;
	return 0;
}

static void directories_are_read_in_pieces(void **state)
{
	struct listing all = { .most = 300 }, some = { 0 };
	struct netfs_attr attr;
	struct netfs_node *dir;
	struct netfs_file *f;
	char path[64];

	(void)state;
	assert_int_equal(mkdir(local("many"), 0755), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "many/entry-%d", i);
		local_write(path, "", 0);
	}
	dir = look(t.root, "many", &attr);
	assert_int_equal(ops->open(dir, O_RDONLY | O_DIRECTORY, &f), 0);
	assert_int_equal(ops->readdir(f, 0, false, list_entry, &all), 0);
	assert_int_equal(all.count, 300);
	/* and no error at its end, however often */
	for (int i = 0; i < 5; i++)
		assert_int_equal(ops->readdir(f, all.next, false, list_entry, &all), 0);
	for (unsigned int before = 1; some.count != before; ) {
		before = some.count;
		some.most = before + 7;
		assert_int_equal(ops->readdir(f, some.next, false, list_entry, &some), 0);
	}
	assert_int_equal(some.count, 300);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(dir);
}

/* ---- data ---- */

static void files_are_read(void **state)
{
	static uint8_t wanted[300000], got[300000];
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wanted); i++)
		wanted[i] = (uint8_t)(i * 7 + (i >> 8));
	local_write("data", wanted, sizeof(wanted));
	n = look(t.root, "data", &attr);
	assert_int_equal(ops->open(n, O_RDONLY, &f), 0);
	assert_in_range(ops->read_max(f), 1024, 65536);
	while (at < sizeof(got)) {
		int64_t ret = transfer_wait(f, at, got + at, sizeof(got) - at, false);

		assert_in_range(ret, 1, (int64_t)ops->read_max(f));
		at += (size_t)ret;
	}
	assert_memory_equal(got, wanted, sizeof(got));
	assert_int_equal(transfer_wait(f, at, got, 10, false), 0);
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		nine_test(what_is_there_is_found),
		nine_test(parents_go_with_their_last_child),
		nine_test(many_nodes_are_held),
		nine_test(links_and_figures_are_read),
		nine_test(directories_are_read_in_pieces),
		nine_test(files_are_read),
	};

	return nine_main(argc, argv) ? 77 : cmocka_run_group_tests(tests, NULL, nine_end);
}
