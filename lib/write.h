/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * write.h - the rooms that a write goes through.
 *
 *	turn.c     its place among the changes of its cookie, and whether it is kept
 *	pieces.c   the pieces that it is kept in, and their memory
 *	fill.c     what the granules at its ends lack
 *	fetch.c    to the server, in as many requests as it takes
 *	write.c    the calls, and all of that in order
 *
 * What blocks is done by a work item, or by the thread that waits for the write; and only where
 * there is something to be kept, or to be removed before the first write may be sent.
 */
#ifndef FSC_WRITE_H
#define FSC_WRITE_H

#include <fscache/fscache.h>
#include <fscache/object.h>

#include "read.h"
#include "side.h"
#include "turn.h"

/* The most pieces of a write; what is longer, in memory that the backend doesn't take, isn't kept
 * from there on. */
#define FSC_WRITE_PIECES 10u
/* Server writes of one write that run at once. */
#define FSC_WRITE_SLOTS 32

/* Bytes that are prepared, and stored, at once. */
struct fsc_piece {
	struct fsc_write_state *ws;
	uint64_t start, end; /* bytes, of the write's */
	bool head, tail;     /* the granule there is to be stored whole, with what it had */
	bool has_head, has_tail; /* which is in the buffer now */
	bool keep;           /* there is something to store, and memory to store it from */
	bool ready;
	struct fsc_iobuf buf; /* from the granule of @start on; none: the client's memory */
	struct fsc_gio gio;
};

struct fsc_write_state {
	struct fsc_write *write;
	struct fsc_cookie *cookie; /* pinned; NULL: only to the server */
	struct fsc_change change;
	struct fsc_vec mem;
	uint64_t end;
	struct fsc_gen *gen;    /* prepared; NULL: none */
	struct fsc_gen *filled; /* the one that the granules at the ends were filled from */
	struct fsc_sleeper *sleeper; /* set: fsc_write_wait()'s thread runs it */
	struct fsc_work work;
	struct fsc_ref left;    /* what is under way: the server write, stores */
	struct fsc_fetch fetch;
	uint32_t nr_slots;
	uint32_t nr, max;       /* pieces: cut, and there is room for */
	struct fsc_piece pieces[];
};

/* pieces.c */
uint32_t fsc_pieces_max(const struct fsc_write *write); /* how many it may take [any] */
/* Cut them and get their memory, with the file as long as it is going to be [waits]; once. */
void fsc_pieces_cut(struct fsc_write_state *ws, uint64_t size);
void fsc_pieces_prepare(struct fsc_write_state *ws); /* on ws->gen [waits] */
void fsc_pieces_drop(struct fsc_write_state *ws);    /* [any] nothing was sent: not on that one */
void fsc_pieces_answered(struct fsc_write_state *ws); /* [any] the end of them */

/* fill.c */
/* Put what the edges of the pieces lack into their buffers, where they have any: before anything of
 * it is prepared, with the file of @size bytes still [waits]. */
void fsc_pieces_fill(struct fsc_write_state *ws, struct fsc_gen *gen, uint64_t size);

#endif
