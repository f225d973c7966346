/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fetch.c - read a range from the server, by as many server reads as it takes.
 *
 * A fetch has slots: each carries one server read at a time and, when that has ended, takes the
 * rest of its piece (a short answer) or the next piece of the range. So several reads run at once,
 * in about the order of the file, and neither a client that reads a byte at a time nor a server
 * that answers short needs more memory.
 */
#include "read.h"

struct slot {
	struct fsc_subreq sub;
	struct fsc_fetch *fetch;
	size_t at, to;      /* its piece: what is still to be read of it */
	struct fsc_ref turn; /* who comes second, the submitter or the answer, goes on */
	uint64_t priv[];
};

static size_t slot_stride(const struct fsc_netfs_ops *ops)
{
	return sizeof(struct slot) + (size_t)fsc_round_up(ops->subreq_size, 16);
}

size_t fsc_fetch_piece(struct fsc_read *read)
{
	size_t max = read->ops->read_max ? read->ops->read_max(read) : SIZE_MAX;

	return max ? max : 1;
}

uint32_t fsc_fetch_slots(size_t len, size_t piece, uint32_t max)
{
	size_t nr = len / piece + (len % piece != 0);

	return nr < max ? (uint32_t)nr : max;
}

size_t fsc_fetch_slot_bytes(const struct fsc_netfs_ops *ops, uint32_t nr)
{
	return nr * slot_stride(ops);
}

static void count(struct fsc_fetch *fetch, enum fsc_stat_id id, int64_t n)
{
	if (fetch->cookie)
		fsc_stat_add(fetch->cookie->cache, id, n);
}

static void slot_ended(struct fsc_fetch *fetch)
{
	if (fsc_ref_put(&fetch->left))
		fetch->done(fetch);
}

/* What the slot is to read now: the rest of its piece, the next one, or nothing. */
static bool slot_next(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	bool more = slot->at < slot->to;

	if (more && (fetch->error || slot->at >= fetch->good)) {
		/* Given up; and what lies behind isn't part of a whole any more. */
		fetch->good = fsc_min64(fetch->good, slot->at);
		more = false;
	} else if (!more && fetch->next < fetch->limit) {
		slot->at = fetch->next;
		slot->to = slot->at + (size_t)fsc_min64(fetch->piece, fetch->len - slot->at);
		fetch->next = slot->to;
		more = true;
	}
	fsc_spin_unlock(&fetch->lock, irq);
	return more;
}

static void slot_fill(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;
	size_t priv = fetch->ops->subreq_size;

	slot->sub.cookie = fetch->cookie;
	slot->sub.netfs = fetch->netfs;
	slot->sub.pos = fetch->pos + slot->at;
	slot->sub.buf = fetch->buf + slot->at;
	slot->sub.len = slot->to - slot->at;
	slot->sub.priv = priv ? slot->priv : NULL;
	memset(slot->priv, 0, priv);
}

/* A loop, not a recursion: a client may answer inside issue_read as often as it likes. */
static void slot_run(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;

	do {
		if (!slot_next(slot)) {
			slot_ended(fetch);
			return;
		}
		slot_fill(slot);
		fsc_ref_init(&slot->turn);
		fsc_ref_get(&slot->turn);
		count(fetch, FSC_STAT_SERVER_READS, 1);
		fetch->ops->issue_read(&slot->sub);
	} while (fsc_ref_put(&slot->turn));
}

static void slot_answered(struct slot *slot, int64_t ret)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);

	if (ret > 0) {
		slot->at += (size_t)ret;
	} else {
		/* An error, or the file's end: nothing from here on. The error that counts is the
		 * first in the file, so that it doesn't depend on which answer came first. */
		if (ret < 0 && (!fetch->error || slot->at < fetch->error_at)) {
			fetch->error = (int)ret;
			fetch->error_at = slot->at;
		}
		fetch->good = fsc_min64(fetch->good, slot->at);
		fetch->limit = fsc_min64(fetch->limit, slot->at);
		slot->to = slot->at;
	}
	fsc_spin_unlock(&fetch->lock, irq);
}

void fsc_subreq_done(struct fsc_subreq *sreq, int64_t bytes_or_error)
{
	struct slot *slot = fsc_container_of(sreq, struct slot, sub);

	/* No answer to what we asked. */
	if (bytes_or_error > 0 && (uint64_t)bytes_or_error > sreq->len)
		bytes_or_error = -EIO;
	if (bytes_or_error > 0)
		count(slot->fetch, FSC_STAT_SERVER_READ_BYTES, bytes_or_error);
	slot_answered(slot, bytes_or_error);
	if (fsc_ref_put(&slot->turn))
		slot_run(slot);
}

void fsc_fetch_start(struct fsc_fetch *fetch, void *slots, uint32_t nr)
{
	size_t stride = slot_stride(fetch->ops);

	fsc_spin_init(&fetch->lock, "fetch");
	fetch->good = fetch->len;
	fetch->limit = fetch->len;
	fetch->next = 0;
	fetch->error = 0;
	fsc_ref_init(&fetch->left); /* ours, so that it doesn't end while we begin */
	for (uint32_t i = 0; i < nr; i++) {
		struct slot *slot = (struct slot *)((uint8_t *)slots + i * stride);

		slot->fetch = fetch;
		fsc_ref_get(&fetch->left);
		slot_run(slot);
	}
	slot_ended(fetch);
}

void fsc_fetch_fini(struct fsc_fetch *fetch)
{
	fsc_spin_destroy(&fetch->lock);
}
