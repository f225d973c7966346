/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * turn.h - changes of one cookie's file, kept apart, and what each finds when its turn has come.
 *
 * The server may take two requests in any order: so what overlaps is sent one after the other, in
 * the order of the starts, and what moves the file's end has all from there on for itself.
 *
 *	fsc_change_enter()  at the end of the line
 *	fsc_change_admit()  when it has its turn, before anything is sent: see enum fsc_admitted
 *	fsc_change_leave()  the server has answered, and the generation was told
 *
 * Who waits gives a sleeper, who doesn't a work item, which is queued each time that it may go on.
 */
#ifndef FSC_TURN_H
#define FSC_TURN_H

#include "cookie.h"

struct fsc_sleeper;

enum fsc_change_kind {
	FSC_CHANGE_WRITE,  /* may grow the file */
	FSC_CHANGE_PUNCH,
	FSC_CHANGE_RESIZE, /* @end is what it is to be */
};

struct fsc_change {
	struct fsc_cookie *cookie; /* pinned */
	enum fsc_change_kind kind;
	uint64_t start, end;         /* bytes */
	bool granules;               /* keep others off the whole granules */
	struct fsc_sleeper *sleeper; /* or @work */
	struct fsc_work *work;

	/* Private; cookie.lock. */
	struct fsc_list node;  /* cookie.changes */
	uint64_t from, to;     /* kept for itself, once it has its turn */
	uint64_t old_size;     /* the file's, when it had got it */
	bool has_turn;
	bool waits;            /* for the object */
	bool fits;             /* its client and we mean the same file */
};

enum fsc_admitted {
	FSC_ADMIT_LATER, /* the object is being looked up or replaced: it is resumed after that */
	FSC_ADMIT_BARE,  /* nothing is kept, nothing stored speaks of the file as it was */
	FSC_ADMIT_KEPT,  /* with proof: there is a generation to be prepared */
};

/* @file_size: what its client says that the file is. True: it has its turn; else it is resumed, and
 * may be gone, when this returns [any]. */
bool fsc_change_enter(struct fsc_change *change, uint64_t file_size);
/* Whether it would be admitted bare just now [any]. */
bool fsc_change_is_bare(struct fsc_change *change);
/* Until it is known [waits]: with a sleeper never FSC_ADMIT_LATER. FSC_ADMIT_KEPT: *@gen, pinned,
 * is what is current. After it was prepared ask again. */
enum fsc_admitted fsc_change_admit(struct fsc_change *change, struct fsc_gen **gen);
/* Make the object end at @size, which it has for itself [waits]. If that can't be done the cookie
 * has given up. */
void fsc_change_resize(struct fsc_change *change, uint64_t size);
/* What the server did isn't known: with proof or without, nothing of the file is believed [any]. */
void fsc_change_failed(struct fsc_change *change);
void fsc_change_leave(struct fsc_change *change); /* [any] the next ones go on */

void fsc_changes_resume(struct fsc_cookie *cookie); /* [any] the object was settled */

#endif
