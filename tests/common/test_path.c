// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_path.c - paths on the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netfs.h"
#include "path.h"

static void paths_are_cut_into_names(void **state)
{
	static const struct {
		const char *path, *last;
		size_t count, dir_len;
	} cases[] = {
		{ "", NULL, 0, 0 },
		{ "/", NULL, 0, 0 },
		{ ".", NULL, 0, 0 },
		{ "//./", NULL, 0, 0 },
		{ "a", "a", 1, 0 },
		{ "/a", "a", 1, 1 },
		{ "a/b", "b", 2, 2 },
		{ "a//./b/", "b", 2, 5 },
		{ "a/...", "...", 2, 2 },
		{ "a/.b", ".b", 2, 2 },
	};
	struct path_names names;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(path_split(cases[i].path, &names), 0);
		assert_int_equal(names.count, cases[i].count);
		assert_int_equal(names.dir_len, cases[i].dir_len);
		if (names.count)
			assert_string_equal(names.names[names.count - 1], cases[i].last);
		path_free(&names);
	}
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	char longest[NETFS_NAME_MAX + 2];
	struct path_names names;

	(void)state;
	assert_int_equal(path_split("..", &names), -EINVAL);
	assert_int_equal(path_split("a/../b", &names), -EINVAL);
	memset(longest, 'n', sizeof(longest));
	longest[NETFS_NAME_MAX + 1] = '\0';
	assert_int_equal(path_split(longest, &names), -ENAMETOOLONG);
	longest[NETFS_NAME_MAX] = '\0';
	assert_int_equal(path_split(longest, &names), 0);
	path_free(&names);
}

static void a_name_is_put_below_a_folder(void **state)
{
	static const char *const cases[][3] = {
		{ "", "a", "/a" }, { "/", "a", "/a" }, { "x", "a", "x/a" }, { "x/", "a", "x/a" },
	};
	char *deep = malloc(70000), *path;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(path_join(cases[i][0], cases[i][1], &path), 0);
		assert_string_equal(path, cases[i][2]);
		free(path);
	}
	assert_non_null(deep);
	memset(deep, 'd', 70000);
	deep[69999] = '\0';
	assert_int_equal(path_join(deep, "a", &path), -ENAMETOOLONG);
	free(deep);
}

static void what_steers_a_terminal_is_not_shown(void **state)
{
	static const char *const cases[][2] = {
		{ "plain", "plain" }, { "a\033[2Jb", "a\\033[2Jb" }, { "new\nline", "new\\nline" },
		{ "back\\slash", "back\\\\slash" }, { "\377", "\\377" },
	};
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		text = path_quote(cases[i][0], strlen(cases[i][0]));
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cut_into_names),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(a_name_is_put_below_a_folder),
		cmocka_unit_test(what_steers_a_terminal_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
