// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_path.c - names that a server sends, put into paths and shown to people; and paths cut into
 * names again. Input: the name, or path.
 */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "path.h"

/* Nothing that a terminal takes for a command may be left. */
static void check_quoted(const uint8_t *bytes, size_t len)
{
	char *text = path_quote(bytes, len);

	FUZZ_CHECK(text);
	for (const char *p = text; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' && *p != 127);
	FUZZ_CHECK(strlen(text) <= 4 * len);
	free(text);
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= NAME_MAX && !strchr(name, '/');
}

static void check_split(const char *path)
{
	struct path_names names;
	const char *at = path;
	int err = path_split(path, &names);

	FUZZ_CHECK(!err || err == -EINVAL || err == -ENAMETOOLONG);
	if (err)
		return;
	FUZZ_CHECK(names.dir_len <= strlen(path));
	/* One after the other they are in the path. */
	for (size_t i = 0; i < names.count; i++) {
		FUZZ_CHECK(is_name(names.names[i]));
		FUZZ_CHECK(strcmp(names.names[i], "..") && strcmp(names.names[i], "."));
		at = strstr(at, names.names[i]);
		FUZZ_CHECK(at);
		at += strlen(names.names[i]);
	}
	path_free(&names);
}

/* A good name comes back as the path's last one. */
static void check_join(const char *name)
{
	struct path_names names;
	char *path;

	if (!is_name(name) || path_join("a/b", name, &path))
		return;
	if (!path_split(path, &names)) {
		bool dot = !strcmp(name, ".");

		FUZZ_CHECK(names.count == (dot ? 2 : 3));
		FUZZ_CHECK(dot || !strcmp(names.names[2], name));
		path_free(&names);
	}
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *locale;
	struct input in = { data, size };
	uint8_t *bytes;
	char *path;
	size_t len;

	if (!locale)
		locale = setlocale(LC_CTYPE, "C.UTF-8");
	bytes = take_copy(&in, 4096, &len);
	path = malloc(len + 1); /* (strndup() reads on, says the sanitizer when it is strict) */
	if (!path)
		abort();
	memcpy(path, bytes, len);
	path[len] = '\0';
	check_quoted(bytes, len);
	check_split(path);
	check_join(path);
	free(path);
	free(bytes);
	return 0;
}
