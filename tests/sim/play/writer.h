/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * writer.h - what the files of the writer know of each other.
 *
 * A writer is a netfs below cookies (object.h), of a kernel's kind: many tasks on one object. Each
 * of its files has one writer. Most steps become a task of their own, so that they meet.
 *
 * Nothing here is locked: tasks change over only in calls.
 */
#ifndef WRITER_H
#define WRITER_H

#include "play_int.h"

#define OPS 6u
#define LOANS 3u
#define PIECES 4u     /* gios of an op at once */
#define LEND_GRANULES 80u

struct op;

/* A file of the writer's. */
struct slot {
	struct file *file;      /* NULL: another's */
	struct fsc_object *obj;
	bool opening, closing;
	bool in_call;           /* fsc_object_ calls that wait, and what changes the size */
	uint32_t touching;      /* tasks that are using @obj just now */
	uint32_t writing;       /* local writes begun and not answered */
	uint32_t prepares;      /* calls of write_prepare, so far */
	uint32_t told;          /* the version that the library was told; 0: nothing */
	uint32_t base;          /* the version whose coherency data it has */
	uint64_t own;           /* bit v - 1: version v was the reply to a write of ours */
	uint64_t keep_after_ms; /* downloads sent before aren't kept: the rule of the tick */
	bool proof;             /* it asks for the end of a modifying use with proof, if it can */
	bool gives_up;          /* without proof: uncached from the first local write on (I10) */
	bool gave_up;
	struct fsc_gen *old;    /* a pin from some time ago */
	struct fsc_gen *dirty;  /* pinned: the one that was prepared last, and never proven since */
	struct attr stale;      /* attributes from some time ago; version 0: none */
};

/* A backing file lent to somebody who reads it by himself. */
struct loan {
	struct fsc_gen *gen; /* NULL: free */
	struct fsc_file *file;
	struct file *of;
	uint64_t size;
	uint32_t least;      /* the version that the object was told when it was lent */
	uint32_t last_stamp; /* what is newer than that was written after it was lent */
	uint32_t reading;
	bool seen[LEND_GRANULES];
	uint64_t hash[LEND_GRANULES]; /* of what was read there first */
};

struct piece {
	struct fsc_gio gio;
	struct op *op;
	bool prepared;  /* for a local write: to be answered */
	bool ready;     /* may be stored */
	bool under_way;
	int64_t ret;
};

/* A step on its way. */
struct op {
	struct client *client; /* NULL: free */
	struct slot *slot;
	const struct step *step;
	uint8_t *mem;
	size_t mem_len;
	uint64_t lo, hi;       /* of a local write: bytes */
	uint64_t from, to;     /* while @changing no other changes anything here */
	bool changing;
	struct look look;
	struct piece pieces[PIECES];
	uint32_t nr_pieces;
};

struct writer {
	struct play *play;
	struct client *client;
	struct fsc_waitq moved; /* anything that somebody may wait for */
	struct slot slots[PLAY_FILES];
	struct loan loans[LOANS];
	struct op ops[OPS];
	uint32_t running;
};

/* writer.c */
struct writer *op_writer(const struct op *op);
void writer_wake(struct writer *w);
bool slot_touch(struct slot *sl);          /* may its object be used? */
void slot_untouch(struct writer *w, struct slot *sl);
bool slot_call(struct writer *w, struct slot *sl); /* alone, with an object; else false [waits] */
void slot_end_call(struct writer *w, struct slot *sl);
struct fsc_gen *slot_gen(struct writer *w, struct slot *sl); /* pinned, or NULL */
struct fsc_gen *slot_old(struct slot *sl); /* one that was current some time ago, pinned */
void slot_pin(struct fsc_gen **pin, struct fsc_gen *gen);   /* @gen, or NULL, in its place */
uint64_t slot_size(struct writer *w, struct slot *sl); /* UINT64_MAX: no object */
bool op_mem(struct op *op, size_t len);    /* rounded up to granules, zeroed */
void op_range(const struct op *op, uint64_t size, uint64_t *pos, uint64_t *len); /* granules */
void op_wait(struct op *op);               /* for its pieces; gives back their pins */
void op_run(struct op *op, void (*fn)(struct fsc_gio *gio), struct piece *piece); /* perhaps as an
									       * interrupt */
struct piece *op_piece(struct op *op, struct fsc_gen *gen, uint64_t pos, size_t off, size_t len);
void give_up(struct writer *w, struct slot *sl);
/* In a call. @attr NULL: with what it has been told before. */
void invalidate_slot(struct writer *w, struct slot *sl, const struct attr *attr);

/* writer_io.c */
void read_op(struct op *op);
void store_op(struct op *op);
void store_range(struct op *op, uint64_t pos, uint64_t len); /* downloads it and keeps it */
void clear_op(struct op *op);

/* writer_change.c */
void write_op(struct op *op);
void resize_op(struct op *op);

/* writer_lend.c */
void lend_op(struct op *op);
void pass_op(struct op *op);
void return_all(struct writer *w);

#endif
