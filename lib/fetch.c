/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fetch.c - read a range from the server, or write it there, by as many server reads or writes as
 * it takes.
 *
 * A fetch has slots: each carries one server read at a time and, when that has ended, takes the
 * rest of its piece (a short answer) or the next piece of the range. So several run at once, in
 * about the order of the file, and neither a client that reads a byte at a time nor a server that
 * answers short needs more memory.
 *
 * Who stops a fetch holds a slot's turn while the client is told: until then neither the answer nor
 * the next piece can take the subrequest away that the client is looking at.
 */
#include "bits.h"
#include "cookie.h"
#include "fetch.h"

/* How often -EAGAIN is believed for the same bytes. */
#define TRIES 3

struct slot {
	struct fsc_subreq sub;
	struct fsc_fetch *fetch;
	size_t at, to;       /* its piece: what is still to be read of it */
	uint32_t tries;      /* of what begins at @at */
	bool issued;         /* and neither answered nor told to end; fetch.lock, as the next */
	bool answered;
	struct fsc_ref turn; /* who comes second, the submitter or the answer, goes on */
	uint64_t priv[];
};

static size_t slot_stride(const struct fsc_netfs_ops *ops)
{
	return sizeof(struct slot) + (size_t)fsc_round_up(ops->subreq_size, 16);
}

static struct slot *slot_of(struct fsc_fetch *fetch, uint32_t i)
{
	return (struct slot *)(void *)(fetch->slots + i * slot_stride(fetch->ops));
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

/* Of server reads; who writes counts for himself. */
static void count(struct fsc_fetch *fetch, enum fsc_stat_id id, int64_t n)
{
	if (fetch->cookie && !fetch->write)
		fsc_stat_add(fetch->cookie->cache, id, n);
}

static void slot_ended(struct fsc_fetch *fetch)
{
	if (fsc_ref_put(&fetch->left))
		fetch->done(fetch);
}

/* Nothing from @at on is part of a whole any more. The error that counts is the first in the file,
 * so that it doesn't depend on which answer came first. */
static void give_up(struct fsc_fetch *fetch, size_t at, int error)
{
	fsc_spin_assert_held(&fetch->lock);
	if (error && (!fetch->error || at < fetch->error_at)) {
		fetch->error = error;
		fetch->error_at = at;
	}
	fetch->good = (size_t)fsc_min64(fetch->good, at);
	fetch->limit = (size_t)fsc_min64(fetch->limit, at);
}

/* What the slot is to read now: the rest of its piece, the next one, or nothing. */
static bool slot_next(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	bool more = slot->at < slot->to;

	if (more && (fetch->error || fetch->stopped || slot->at >= fetch->good)) {
		give_up(fetch, slot->at, fetch->stopped ? -ECANCELED : 0);
		more = false;
	} else if (!more && fetch->next < fetch->limit) {
		slot->at = fetch->next;
		slot->to = slot->at + (size_t)fsc_min64(fetch->piece, fetch->len - slot->at);
		slot->tries = 0;
		fetch->next = slot->to;
		more = true;
	}
	slot->answered = false;
	fsc_spin_unlock(&fetch->lock, irq);
	return more;
}

static void slot_fill(struct slot *slot, bool more)
{
	struct fsc_fetch *fetch = slot->fetch;
	size_t priv = fetch->ops->subreq_size;

	slot->sub.cookie = fetch->cookie;
	slot->sub.netfs = fetch->netfs;
	slot->sub.pos = fetch->pos + slot->at;
	slot->sub.len = slot->to - slot->at;
	slot->sub.buf = fsc_vec_at(&fetch->mem, fetch->mem_off + slot->at, &slot->sub.len);
	slot->sub.priv = priv ? slot->priv : NULL;
	slot->sub.more = more;
	memset(slot->priv, 0, priv);
}

/* Stopped while it was being sent: then who stopped it has left the telling to us. */
static void slot_issued(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	bool tell = false;

	if (!slot->answered) {
		slot->issued = !fetch->stopped;
		tell = fetch->stopped;
	}
	fsc_spin_unlock(&fetch->lock, irq);
	if (tell)
		fetch->ops->cancel_read(&slot->sub);
}

static bool pushes(const struct fsc_fetch *fetch)
{
	return fetch->ops->push && !fetch->write;
}

static bool cancels(const struct fsc_fetch *fetch)
{
	return fetch->ops->cancel_read && !fetch->write;
}

/* A loop, not a recursion: a client may answer inside issue_read as often as it likes. */
static void slot_run(struct slot *slot, bool more)
{
	struct fsc_fetch *fetch = slot->fetch;

	do {
		if (!slot_next(slot)) {
			slot_ended(fetch);
			return;
		}
		slot_fill(slot, more);
		fsc_ref_init(&slot->turn);
		fsc_ref_get(&slot->turn);
		count(fetch, FSC_STAT_SERVER_READS, 1);
		if (fetch->write)
			fetch->ops->issue_write(&slot->sub);
		else
			fetch->ops->issue_read(&slot->sub);
		if (cancels(fetch))
			slot_issued(slot);
	} while (fsc_ref_put(&slot->turn));
}

static void slot_answered(struct slot *slot, int64_t ret)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);

	slot->issued = false;
	slot->answered = true;
	if (ret > 0) {
		slot->at += (size_t)ret;
		slot->tries = 0;
		fetch->got += (size_t)ret;
	} else if (ret != -EAGAIN || ++slot->tries > TRIES) {
		/* Of a read that was told to end nothing says where the file ends. */
		give_up(fetch, slot->at, fetch->stopped ? -ECANCELED : (int)ret);
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
		slot_run(slot, false);
}

void fsc_fetch_init(struct fsc_fetch *fetch)
{
	fsc_spin_init(&fetch->lock, "fetch");
}

void fsc_fetch_start(struct fsc_fetch *fetch, void *slots, uint32_t nr)
{
	unsigned long irq = fsc_spin_lock(&fetch->lock);

	fetch->slots = slots;
	fetch->nr = nr;
	fetch->good = fetch->len;
	fetch->limit = fetch->len;
	if (fetch->stopped)
		give_up(fetch, 0, -ECANCELED);
	if (fetch->write)
		FSC_ASSERT(fetch->ops->issue_write);
	else
		FSC_ASSERT(fetch->ops->issue_read);
	for (uint32_t i = 0; i < nr; i++)
		slot_of(fetch, i)->fetch = fetch;
	fsc_ref_init(&fetch->left); /* ours, so that it doesn't end while we begin */
	fsc_spin_unlock(&fetch->lock, irq);
	for (uint32_t i = 0; i < nr; i++) {
		fsc_ref_get(&fetch->left);
		slot_run(slot_of(fetch, i), i + 1 < nr && pushes(fetch));
	}
	/* Also where the last, which would have sent the rest, had nothing to issue any more. */
	if (nr > 1 && pushes(fetch))
		fetch->ops->push(fetch->netfs);
	slot_ended(fetch);
}

void fsc_fetch_fini(struct fsc_fetch *fetch)
{
	fsc_spin_destroy(&fetch->lock);
}

/* --- Stopping --------------------------------------------------------------------------------- */

bool fsc_fetch_stop(struct fsc_fetch *fetch)
{
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	bool held = fsc_ref_get_unless_zero(&fetch->left);

	if (held && !fetch->stopped && fetch->next < fetch->limit)
		give_up(fetch, fetch->next, -ECANCELED);
	fetch->stopped = true;
	fsc_spin_unlock(&fetch->lock, irq);
	return held;
}

/* True: it is under way, and doesn't end until its turn is put. */
static bool slot_hold(struct slot *slot)
{
	struct fsc_fetch *fetch = slot->fetch;
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	bool held = slot->issued;

	/* What is issued and not answered has the answer's turn. It is told once. */
	if (held)
		fsc_ref_get(&slot->turn);
	slot->issued = false;
	fsc_spin_unlock(&fetch->lock, irq);
	return held;
}

void fsc_fetch_cancel(struct fsc_fetch *fetch)
{
	for (uint32_t i = 0; cancels(fetch) && i < fetch->nr; i++) {
		struct slot *slot = slot_of(fetch, i);

		if (!slot_hold(slot))
			continue;
		fetch->ops->cancel_read(&slot->sub);
		if (fsc_ref_put(&slot->turn))
			slot_run(slot, false);
	}
	slot_ended(fetch);
}

size_t fsc_fetch_got(struct fsc_fetch *fetch)
{
	unsigned long irq = fsc_spin_lock(&fetch->lock);
	size_t got = fetch->got;

	fsc_spin_unlock(&fetch->lock, irq);
	return got;
}
