/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * say.h - messages on stderr, and the line on a terminal that shows how far we are.
 *
 * All of it may be called from any thread.
 */
#ifndef FSC9P_SAY_H
#define FSC9P_SAY_H

#include <stdbool.h>

/* One line about @path, a local name or one of the server's; control characters are escaped. */
__attribute__((format(printf, 2, 3))) void say(const char *path, const char *fmt, ...);
/* The same for a warning: things go on. */
__attribute__((format(printf, 2, 3))) void warn_of(const char *path, const char *fmt, ...);

/* Show @line in place of the one shown before; what is said comes above it. NULL: end it. Nothing
 * happens when stderr is no terminal. */
void progress_show(const char *line);
bool progress_wanted(void);
int progress_width(void); /* columns */

#endif
