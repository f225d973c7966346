// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_tree.c - trees of a server that doesn't say everything: a made-up netfs of three levels,
 * directories of ten entries, every leaf a file. And of one that goes in circles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "circle.h"
#include "crowd.h"
#include "remote.h"

enum { ENTRIES = 10, LEVELS = 3, FILES = 1000 };

static struct {
	unsigned char type; /* that entries are given; 0: the true one */

	atomic_uint nodes, lookups, files;
} server;

struct node {
	struct netfs_node node;
	int level;
};

static struct netfs fs;

static void set_attr(struct netfs_attr *attr, int level)
{
	*attr = (struct netfs_attr){
		.st.st_mode = level < LEVELS ? S_IFDIR | 0755 : S_IFREG | 0644,
	};
}

static struct netfs_node *node_new(int level)
{
	struct node *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->node.fs = &fs;
	n->node.refs = 1;
	n->level = level;
	atomic_fetch_add(&server.nodes, 1);
	return &n->node;
}

static void node_free(struct netfs_node *node)
{
	atomic_fetch_sub(&server.nodes, 1);
	free(node);
}

static int level_of(struct netfs_node *node)
{
	return ((struct node *)(void *)node)->level;
}

static int lookup(struct netfs_node *dir, const char *name, struct netfs_node **out,
		  struct netfs_attr *attr)
{
	if (strlen(name) != 1 || level_of(dir) == LEVELS)
		return -ENOENT;
	atomic_fetch_add(&server.lookups, 1);
	*out = node_new(level_of(dir) + 1);
	set_attr(attr, level_of(dir) + 1);
	return 0;
}

static int getattr(struct netfs_node *node, struct netfs_file *file, struct netfs_attr *attr)
{
	(void)file;
	set_attr(attr, level_of(node));
	return 0;
}

static int open_dir(struct netfs_node *node, int flags, struct netfs_file **out)
{
	(void)flags;
	*out = calloc(1, sizeof(**out));
	assert_non_null(*out);
	(*out)->node = netfs_node_get(node);
	return 0;
}

static int close_dir(struct netfs_file *file)
{
	netfs_node_put(file->node);
	free(file);
	return 0;
}

static int list(struct netfs_file *file, uint64_t pos, bool plus, netfs_dirent_fn fn, void *arg)
{
	unsigned char type = level_of(file->node) + 1 < LEVELS ? DT_DIR : DT_REG;
	char name[2] = "";
	int ret = 0;

	(void)plus;
	for (; !ret && pos < ENTRIES; pos++) {
		struct netfs_dirent e = { .name = name, .type = server.type, .next = pos + 1 };

		name[0] = (char)('0' + pos);
		if (server.type != DT_UNKNOWN)
			e.type = type;
		ret = fn(arg, &e);
	}
	return ret < 0 ? ret : 0;
}

static int error(struct netfs *netfs, const char **text)
{
	(void)netfs;
	(void)text;
	return 0;
}

static const struct netfs_ops ops = {
	.error = error, .node_free = node_free, .lookup = lookup, .getattr = getattr,
	.open = open_dir, .close = close_dir, .readdir = list,
};

static struct netfs fs = { .ops = &ops };
static const struct program program = { .name = "test" };
static const struct options options;
static struct session session = { .program = &program, .opt = &options, .fs = &fs };

static int setup(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.type = DT_REG; /* anything but unknown */
	session.root = node_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netfs_node_put(session.root);
	assert_int_equal(atomic_load(&server.nodes), 0);
	return 0;
}

static int count_file(void *arg, const struct crowd_worker *w, const char *path, bool named)
{
	struct netfs_node *node;
	struct netfs_attr attr;

	(void)arg;
	(void)named;
	if (remote_walk(&session, w->place, path, &node, &attr) || !S_ISREG(attr.st.st_mode))
		return -EIO;
	netfs_node_put(node);
	atomic_fetch_add(&server.files, 1);
	return 0;
}

static void every_file_of_a_tree(void **state)
{
	struct crowd_job job = { .file = count_file };
	char *paths[] = { (char *)"/" };

	(void)state;
	assert_int_equal(crowd_run(&session, paths, 1, &job), 0);
	assert_int_equal(atomic_load(&server.files), FILES);
}

static void a_tree_whose_kinds_are_not_told(void **state)
{
	struct crowd_job job = { .file = count_file };
	char *paths[] = { (char *)"/" };

	(void)state;
	server.type = DT_UNKNOWN;
	assert_int_equal(crowd_run(&session, paths, 1, &job), 0);
	assert_int_equal(atomic_load(&server.files), FILES);
}

/* Positions that come in a circle after some that don't. */
static void a_directory_without_end_is_noticed(void **state)
{
	(void)state;
	for (uint64_t before = 0; before < 20; before++) {
		for (uint64_t around = 1; around < 50; around++) {
			struct circle circle = { 0 };
			uint64_t steps = 0, pos = 0;

			while (!circle_closes(&circle, pos)) {
				assert_true(++steps < 8 * (before + around) + 8);
				pos = pos + 1 == before + around ? before : pos + 1;
			}
			assert_true(steps >= around);
		}
	}
}

static void a_long_directory_is_no_circle(void **state)
{
	struct circle circle = { 0 };

	(void)state;
	for (uint64_t pos = 0; pos < 100000; pos++)
		assert_false(circle_closes(&circle, pos * 7));
}

static void a_place_is_left_when_it_leads_nowhere(void **state)
{
	struct remote_place place = { 0 };
	struct netfs_node *node;
	struct netfs_attr attr;

	(void)state;
	assert_int_equal(remote_walk(&session, &place, "1/2/3", &node, &attr), 0);
	netfs_node_put(node);
	assert_int_equal(atomic_load(&server.lookups), 3);
	assert_int_equal(remote_walk(&session, &place, "1/2/4", &node, &attr), 0);
	netfs_node_put(node);
	assert_int_equal(atomic_load(&server.lookups), 4);
	/* As if somebody had put another directory in its place. */
	((struct node *)(void *)place.node)->level = LEVELS;
	assert_int_equal(remote_walk(&session, &place, "1/2/5", &node, &attr), 0);
	netfs_node_put(node);
	assert_int_equal(atomic_load(&server.lookups), 7);
	assert_int_equal(remote_walk(&session, &place, "1/2/none", &node, &attr), -ENOENT);
	remote_leave(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_file_of_a_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_whose_kinds_are_not_told, setup, teardown),
		cmocka_unit_test(a_directory_without_end_is_noticed),
		cmocka_unit_test(a_long_directory_is_no_circle),
		cmocka_unit_test_setup_teardown(a_place_is_left_when_it_leads_nowhere, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
