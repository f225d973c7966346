/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* shrink.h - what is said of a play that went wrong. */
#ifndef SHRINK_H
#define SHRINK_H

#include "plan.h"

/* @text: what was wrong. Leave out steps as long as it goes wrong in the same way (if @smaller),
 * and print the command, the history (@all: of all files) and what was wrong to stderr. */
void shrink(const struct plan *plan, const bool *without, const char *text, bool smaller,
	    bool all);

#endif
