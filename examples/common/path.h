/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * path.h - paths on the server.
 *
 * A path is bytes up to a NUL. It begins at the root of what was connected to, with or without '/'.
 */
#ifndef FSC_EXAMPLES_PATH_H
#define FSC_EXAMPLES_PATH_H

#include <stddef.h>

struct path_names {
	char **names; /* they are the caller's until path_free() */
	size_t count;
	size_t dir_len; /* bytes of the path before its last name */
	char *text;     /* private */
};

/* Its components, without those that are empty or ".".
 *   -EINVAL ".." is among them   -ENAMETOOLONG one is too long for a name   -ENOMEM */
int path_split(const char *path, struct path_names *out);
void path_free(struct path_names *names);

/* @dir and @name as one path, in memory of the caller's. -ENAMETOOLONG, where no server made by
 * people would go; -ENOMEM. */
int path_join(const char *dir, const char *name, char **out);

/* @len bytes as text for people, in memory of the caller's: what isn't printable here is escaped as
 * ls -b does. NULL if there is none left. */
char *path_quote(const void *bytes, size_t len);

#endif
