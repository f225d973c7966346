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

#include "netfs.h"

#define PATH_LONGEST 65536 /* a tree without end is to end somewhere */

static int check_name(const char *name)
{
	if (!strcmp(name, ".."))
		return -EINVAL;
	return strlen(name) > NETFS_NAME_MAX ? -ENAMETOOLONG : 0;
}

int path_split(const char *path, struct path_names *out)
{
	char *name, *rest;
	int err;

	*out = (struct path_names){
		.names = calloc(strlen(path) / 2 + 1, sizeof(*out->names)),
		.text = strdup(path),
	};
	err = out->names && out->text ? 0 : -ENOMEM;
	rest = out->text;
	while (!err && (name = strsep(&rest, "/"))) {
		if (!*name || !strcmp(name, "."))
			continue;
		err = check_name(name);
		out->names[out->count++] = name;
		out->dir_len = (size_t)(name - out->text);
	}
	if (err)
		path_free(out);
	return err;
}

void path_free(struct path_names *names)
{
	free(names->names);
	free(names->text);
	*names = (struct path_names){ 0 };
}

int path_join(const char *dir, const char *name, char **out)
{
	size_t len = strlen(dir);
	const char *slash = len && dir[len - 1] == '/' ? "" : "/";

	if (len + strlen(name) > PATH_LONGEST)
		return -ENAMETOOLONG;
	return asprintf(out, "%s%s%s", dir, slash, name) < 0 ? -ENOMEM : 0;
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
