// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * promise.c - which bytes of the server may be kept.
 *
 * A netfs hands us what it read from the server in an operation of its own, on 6.12 seconds after
 * the read, and nothing in that says when the read was sent: it may have been before an
 * invalidation that is over by now. But each such read follows a miss that we reported. So a miss
 * is noted down, with the object's turn, which moves on with all that makes older bytes worthless;
 * and only what stands there with the turn of now is kept, once. A page stays in the page cache,
 * locked or marked, from the miss to the moment in which it is handed to us or dropped: no two
 * reads can be meant by one note.
 */
#include "module.h"

#define SHIFT FSC_GRANULE_SHIFT

void fsc_promises_init(struct fsc_kobject *ko)
{
	xa_init(&ko->promised);
}

void fsc_promises_drop(struct fsc_kobject *ko)
{
	WRITE_ONCE(ko->turn, ko->turn + 1);
	/* Who noted a miss before reads the turn after taking the xarray's lock, or we come
	 * after. */
	xa_destroy(&ko->promised);
}

static bool fits(u64 pos, u64 end)
{
	return pos < end && end >> SHIFT <= ULONG_MAX;
}

bool fsc_promise(struct fsc_kobject *ko, u64 pos, u64 end)
{
	unsigned long first = round_up(pos, FSC_GRANULE_SIZE) >> SHIFT;
	unsigned long last = (end >> SHIFT) - 1;
	XA_STATE(xas, &ko->promised, first);
	unsigned long at;
	void *note;

	if (!fits(round_up(pos, FSC_GRANULE_SIZE), round_down(end, FSC_GRANULE_SIZE)))
		return false;
	do {
		xas_lock(&xas);
		note = xa_mk_value(READ_ONCE(ko->turn));
		for (at = first; at <= last; at++) {
			xas_set(&xas, at);
			xas_store(&xas, note);
			if (xas_error(&xas))
				break;
		}
		xas_unlock(&xas);
		first = at; /* what has been noted stays */
	} while (xas_nomem(&xas, GFP_NOFS | __GFP_NOWARN));
	return !xas_error(&xas);
}
ALLOW_ERROR_INJECTION(fsc_promise, NULL);

/* The first in [first, last] that has @note, or last + 1. The xarray's lock. */
static unsigned long find(struct xa_state *xas, unsigned long last, const void *note)
{
	void *entry;

	xas_for_each(xas, entry, last)
		if (entry == note)
			return xas->xa_index;
	return last + 1;
}

/* As many as follow with @note, which they lose; where they end. */
static unsigned long take(struct xa_state *xas, unsigned long at, unsigned long last,
			  const void *note)
{
	for (; at <= last; at++) {
		xas_set(xas, at);
		if (xas_load(xas) != note)
			break;
		xas_store(xas, NULL);
	}
	return at;
}

bool fsc_promise_take(struct fsc_kobject *ko, u64 *pos, u64 end, u64 *run_end)
{
	unsigned long first = *pos >> SHIFT, last = (end >> SHIFT) - 1, stop = 0;
	XA_STATE(xas, &ko->promised, first);
	const void *note;

	if (!fits(*pos, end))
		return false;
	xas_lock(&xas);
	note = xa_mk_value(READ_ONCE(ko->turn));
	first = find(&xas, last, note);
	if (first <= last)
		stop = take(&xas, first, last, note);
	xas_unlock(&xas);
	if (first > last)
		return false;
	*pos = (u64)first << SHIFT;
	*run_end = (u64)stop << SHIFT;
	return true;
}
