/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fetch.h - a range that is read from the server into memory, or written to it from there, by as
 * many server reads or writes as it takes.
 *
 *	fsc_fetch_init()    the first part of the struct is filled in
 *	fsc_fetch_start()   ends in one call of done
 *	fsc_fetch_stop()    any time between: nothing more is sent
 *	fsc_fetch_cancel()  and the client is asked to have what was sent end
 */
#ifndef FSC_FETCH_H
#define FSC_FETCH_H

#include <fscache/fscache.h>

#include "vec.h"

struct fsc_fetch {
	const struct fsc_netfs_ops *ops;
	struct fsc_cookie *cookie; /* NULL: uncached */
	void *netfs;
	bool write;
	uint64_t pos;
	struct fsc_vec mem; /* of a write it isn't changed */
	uint64_t mem_off;   /* of @pos in it */
	size_t len;
	size_t piece;       /* the most bytes of one server read */
	void (*done)(struct fsc_fetch *fetch); /* once [any]; may free it */

	/* The result: so many bytes from @pos on are there (the server has taken); short with no
	 * error: the file ends. */
	size_t good;
	int error;

	/* Private. */
	uint8_t *slots;
	uint32_t nr;
	struct fsc_ref left;  /* slots, and who holds it */
	struct fsc_spin lock; /* covers the rest, and good and error */
	size_t next;          /* where the next piece begins */
	size_t limit;         /* no piece begins here or later */
	size_t error_at;
	size_t got;           /* bytes answered, of all pieces */
	bool stopped;
};

/* Memory for the reads of a range, to be allocated together with the fetch. */
uint32_t fsc_fetch_slots(size_t len, size_t piece, uint32_t max);
size_t fsc_fetch_slot_bytes(const struct fsc_netfs_ops *ops, uint32_t nr);

void fsc_fetch_init(struct fsc_fetch *fetch); /* zeroed; its range may be set until it starts */
void fsc_fetch_start(struct fsc_fetch *fetch, void *slots, uint32_t nr); /* @slots zeroed [any] */
void fsc_fetch_fini(struct fsc_fetch *fetch);

/* True: it runs, doesn't end before the cancel that must follow. False: nothing was sent yet, or
 * all is over. [any], with locks held, @fetch still there. */
bool fsc_fetch_stop(struct fsc_fetch *fetch);
void fsc_fetch_cancel(struct fsc_fetch *fetch); /* [any] no locks held; it may be gone after */
size_t fsc_fetch_got(struct fsc_fetch *fetch);  /* bytes that came so far [any] */

#endif
