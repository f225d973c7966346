/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * background.h - a command that goes on when the shell has its prompt back: a mount without -f.
 *
 * The process forks before it has any thread, connection or cache; who started it waits until the
 * child is ready or has ended, and ends with the same status.
 */
#ifndef FSC_EXAMPLES_BACKGROUND_H
#define FSC_EXAMPLES_BACKGROUND_H

/* program.c: returns in the child only, or, with something said, not at all. */
void background_begin(void);
/* All works [main thread]: let go of the terminal, the folder and whoever waits. From here on what
 * is said goes to the system's log. Nothing happens if background_begin() wasn't called. */
void background_ready(void);

#endif
