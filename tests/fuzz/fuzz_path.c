// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_path.c - names that a server sends, put into paths and shown to people; and paths cut into
 * names again. Input: the name, or path.
 */
#include <errno.h>
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

static void check_split(const char *path)
{
	size_t total = 0, len = strlen(path);
	struct path_names names;
	struct p9_blob name;
	int err = path_split(path, &names);

	FUZZ_CHECK(!err || err == -EINVAL || err == -ENAMETOOLONG);
	if (err)
		return;
	for (size_t i = 0; i < names.count; i++) {
		name = names.names[i];
		FUZZ_CHECK(p9_name_ok(name));
		FUZZ_CHECK(strncmp(name.data, "..", name.len) || name.len != 2);
		FUZZ_CHECK((const char *)name.data >= path + total);
		total = (size_t)((const char *)name.data - path) + name.len;
		FUZZ_CHECK(total <= len);
	}
	path_free(&names);
}

/* A good name comes back as the path's last one. */
static void check_join(const uint8_t *bytes, size_t len)
{
	struct p9_blob name = { bytes, len };
	struct path_names names;
	char *path;

	if (!p9_name_ok(name) || path_join("a/b", name, &path))
		return;
	if (!path_split(path, &names)) {
		bool dot = len == 1 && *bytes == '.';

		FUZZ_CHECK(names.count == (dot ? 2 : 3));
		name = names.names[names.count - 1];
		FUZZ_CHECK(dot || (name.len == len && !memcmp(name.data, bytes, len)));
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
	check_join(bytes, len);
	free(path);
	free(bytes);
	return 0;
}
