/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * say.h - messages on stderr, and the line on a terminal that shows how far we are.
 *
 * All of it may be called from any thread.
 */
#ifndef FSC_EXAMPLES_SAY_H
#define FSC_EXAMPLES_SAY_H

#include <stdbool.h>

/* Whose messages they are; before there is any, and any thread. */
void say_as(const char *name);
/* From here on messages go to the system's log: nobody sees stderr any more. */
void say_to_log(void);

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
