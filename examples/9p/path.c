// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * path.c - paths on the server: cut into names, put together, shown to people.
 */
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define PATH_LONGEST 65536 /* a tree without end is to end somewhere */

static int check_name(struct p9_blob name)
{
	if (name.len == 2 && !memcmp(name.data, "..", 2))
		return -EINVAL;
	return name.len > P9_NAME_MAX ? -ENAMETOOLONG : 0;
}

static bool is_dot(struct p9_blob name)
{
	return name.len == 1 && !memcmp(name.data, ".", 1);
}

int path_split(const char *path, struct path_names *out)
{
	struct p9_blob name;
	int err;

	out->count = 0;
	out->names = calloc(strlen(path) / 2 + 1, sizeof(*out->names));
	if (!out->names)
		return -ENOMEM;
	for (; *path; path += name.len + (path[name.len] == '/')) {
		name = (struct p9_blob){ path, strcspn(path, "/") };
		if (!name.len || is_dot(name))
			continue;
		err = check_name(name);
		if (err) {
			path_free(out);
			return err;
		}
		out->names[out->count++] = name;
	}
	return 0;
}

void path_free(struct path_names *names)
{
	free(names->names);
	names->names = NULL;
}

int path_join(const char *dir, struct p9_blob name, char **out)
{
	size_t len = strlen(dir);
	const char *slash = len && dir[len - 1] == '/' ? "" : "/";

	if (len + name.len > PATH_LONGEST)
		return -ENAMETOOLONG;
	if (asprintf(out, "%s%s%.*s", dir, slash, (int)name.len, (const char *)name.data) < 0)
		return -ENOMEM;
	return 0;
}

/* One character that isn't to be shown, byte by byte. */
static void put_escaped(FILE *f, const unsigned char *bytes, size_t n)
{
	static const char special[] = "\a\b\f\n\r\t\v\\", letter[] = "abfnrtv\\";
	const char *at;

	for (size_t i = 0; i < n; i++) {
		at = bytes[i] ? strchr(special, bytes[i]) : NULL;
		if (at)
			fprintf(f, "\\%c", letter[at - special]);
		else
			fprintf(f, "\\%03o", bytes[i]);
	}
}

char *path_quote(const void *bytes, size_t len)
{
	const char *at = bytes;
	mbstate_t state = { 0 };
	char *text = NULL;
	size_t size, n;
	wchar_t wc;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (; len; at += n, len -= n) {
		bool show;

		n = mbrtowc(&wc, at, len, &state);
		show = n && n <= len && iswprint((wint_t)wc) && wc != L'\\';
		if (n > len || !n) { /* no character, or an incomplete one */
			memset(&state, 0, sizeof(state));
			n = 1;
		}
		if (show)
			fwrite(at, 1, n, f);
		else
			put_escaped(f, (const unsigned char *)at, n);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
