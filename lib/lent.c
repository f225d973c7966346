/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * lent.c - the result of FSC_READ_LEND: the parts of a request stay, each with what holds its bytes
 * (the buffer of a download, or one of the pool), until their reader has given them back.
 *
 * Nobody writes to these buffers any more: a download stores from its own while it is lent.
 */
#include "read.h"

/* Their order is almost always the one in which they come. */
void fsc_lent_add(struct fsc_read_state *rs, struct fsc_part *part)
{
	struct fsc_part **at = rs->held_tail;

	if (rs->held && rs->held_last > part->want_start) {
		for (at = &rs->held; *at && (*at)->want_start < part->want_start;)
			at = &(*at)->next;
	}
	part->next = *at;
	*at = part;
	if (!part->next) {
		rs->held_tail = &part->next;
		rs->held_last = part->want_start;
	}
}

void fsc_lent_drop(struct fsc_read_state *rs, uint64_t from, uint64_t to)
{
	struct fsc_part **at = &rs->held, *part;

	while ((part = *at)) {
		if (part->want_start >= from && part->want_start < to) {
			*at = part->next;
			fsc_part_free(part);
		} else {
			rs->held_last = part->want_start;
			at = &part->next;
		}
	}
	rs->held_tail = at;
}

static uint32_t count(const struct fsc_read_state *rs)
{
	const struct fsc_part *part;
	uint32_t nr = 0;

	for (part = rs->held; part; part = part->next)
		nr++;
	return nr;
}

int fsc_lent_finish(struct fsc_read_state *rs)
{
	struct fsc_part *part;
	uint32_t nr, i = 0;

	fsc_lent_drop(rs, rs->short_at, UINT64_MAX);
	nr = count(rs);
	rs->lent = rs->own_lent;
	if (nr > FSC_LENT_OWN)
		rs->lent = fsc_zalloc_nowait(nr * sizeof(*rs->lent));
	if (!rs->lent)
		return -ENOMEM;
	for (part = rs->held; part; part = part->next, i++) {
		rs->lent[i].base = part->bytes;
		rs->lent[i].len = (size_t)(fsc_min64(part->want_end, rs->short_at) -
					   part->want_start);
	}
	rs->read->lent = rs->lent;
	rs->read->nr_lent = nr;
	return 0;
}
