/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * download.c - server reads whose bytes are to be kept: into an aligned buffer of ours, one
 * download for all who miss on the same range at the same time.
 *
 * The buffer is private, because a store needs memory that stays as it is until the bytes are on
 * disk, and the client's buffer is the client's again at read_done. What a request wants is copied
 * to it; storing comes after and delays nobody.
 *
 * Until it is stored the bytes are had from the buffer, so that there is no moment at which a range
 * that was downloaded is neither in a download nor present, and would be fetched again.
 *
 * Whoever reads with FSC_READ_LEND is given the buffer itself, with a reference: from the moment
 * at which it is all there nobody writes to it any more.
 *
 * A download is shared only within one generation whose change counter stands as it did when the
 * request that began it was started: else a read could get bytes older than a change it was told
 * of.
 */
#include "read.h"

void fsc_download_put(struct fsc_download *d)
{
	struct fsc_cookie *cookie = d->cookie;

	if (!fsc_ref_put(&d->ref))
		return;
	fsc_iobuf_put(cookie->side, &d->buf);
	fsc_gen_put(d->gen);
	fsc_fetch_fini(&d->fetch);
	fsc_free(d);
	fsc_cookie_unpin(cookie); /* last: the cache may be closed from here on */
}

uint64_t fsc_download_have(const struct fsc_download *d)
{
	return d->fetch.good == d->fetch.len ? d->end : d->start + d->fetch.good;
}

void fsc_download_unlist(struct fsc_download *d)
{
	unsigned long irq = fsc_spin_lock(&d->cookie->lock);

	fsc_list_del(&d->node);
	fsc_spin_unlock(&d->cookie->lock, irq);
}

/* --- When the bytes are there ----------------------------------------------------------------- */

/* What @part wanted of it: a follower that got an error nobody sent it comes again on its own. */
static void serve(struct fsc_download *d, struct fsc_part *part)
{
	uint64_t have = fsc_download_have(d);
	uint64_t end = fsc_min64(part->want_end, have);

	if (have < part->want_end && !part->leader) {
		part->again = true;
		part->ret = 0;
	} else if (have < part->want_end && d->fetch.error) {
		part->ret = d->fetch.error;
	} else if (end <= part->want_start) {
		part->ret = 0;
	} else {
		part->ret = (int64_t)(end - part->want_start);
		if (part->rs->lend) {
			fsc_ref_get(&d->ref);
			part->from = d;
		}
		fsc_part_deliver(part, (uint8_t *)d->buf.mem + (part->want_start - d->start));
	}
	fsc_part_ended(part);
}

static void serve_all(struct fsc_download *d, struct fsc_list *waiters)
{
	struct fsc_list *node;

	while ((node = fsc_list_pop(waiters)))
		serve(d, fsc_container_of(node, struct fsc_part, waiter));
}

/* The rest of the buffer, before anybody is given it: zeroes that weren't asked for, and what pads
 * the last granule. */
static void fill_up(struct fsc_download *d)
{
	memset((uint8_t *)d->buf.mem + d->fetch.len, 0,
	       (size_t)fsc_round_up(d->end - d->start, FSC_GRANULE_SIZE) - d->fetch.len);
}

static void fetched(struct fsc_fetch *fetch)
{
	struct fsc_download *d = fsc_container_of(fetch, struct fsc_download, fetch);
	struct fsc_list waiters, *node;
	unsigned long irq;

	fsc_list_init(&waiters);
	fill_up(d);
	if (d->prefetch)
		fsc_stat_add(d->cookie->cache, FSC_STAT_PREFETCHED_BYTES, (int64_t)fetch->good);
	irq = fsc_spin_lock(&d->cookie->lock);
	d->ready = !fetch->error && fetch->good == fetch->len;
	if (!d->ready)
		fsc_list_del(&d->node); /* from here nobody joins */
	while ((node = fsc_list_pop(&d->waiters)))
		fsc_list_add_tail(&waiters, node);
	fsc_spin_unlock(&d->cookie->lock, irq);

	/* Shorter than the coherency data promised: they are not this file's. Before anyone is
	 * told. */
	if (!fetch->error && fetch->good < fetch->len)
		fsc_cookie_discard(d->cookie, d->gen);
	serve_all(d, &waiters);
	fsc_keep_start(d);
}

/* --- Join or begin ---------------------------------------------------------------------------- */

enum found { NONE, PRESENT, JOINED, READY, INSERTED, IN_THE_WAY, CANCELLED };

static bool same_state(const struct fsc_download *d, const struct fsc_read_state *rs)
{
	return d->gen == rs->gen && d->change == rs->change;
}

/* Cut @part at @end; one that is started a second time has no other to do its rest. */
static bool cut(struct fsc_part *part, uint64_t end)
{
	if (part->second && end < part->want_end)
		return false;
	part->end = fsc_min64(part->end, end);
	part->want_end = fsc_min64(part->want_end, end);
	return true;
}

static enum found join(struct fsc_part *part, struct fsc_download *d)
{
	if (!cut(part, d->end))
		return IN_THE_WAY;
	fsc_ref_get(&d->ref);
	if (d->ready)
		return READY;
	fsc_list_add_tail(&d->waiters, &part->waiter);
	return JOINED;
}

static void insert(struct fsc_part *part, struct fsc_download *d)
{
	d->start = part->start;
	d->end = part->end;
	fsc_list_add_tail(&d->waiters, &part->waiter);
	fsc_list_add_tail(&d->cookie->downloads, &d->node);
}

/* The download that has @part's first byte, or NULL and where the next one begins, at most *@end.
 */
static struct fsc_download *find(struct fsc_part *part, uint64_t *end)
{
	struct fsc_cookie *cookie = part->rs->cookie;
	struct fsc_list *node;

	fsc_spin_assert_held(&cookie->lock);
	fsc_list_for_each(node, &cookie->downloads) {
		struct fsc_download *d = fsc_container_of(node, struct fsc_download, node);

		if (!same_state(d, part->rs) || d->end <= part->want_start || d->start >= *end)
			continue;
		if (d->start <= part->want_start)
			return d;
		*end = d->start;
	}
	return NULL;
}

/*
 * In one hold of the lock: wait for a download that has @part's first byte, or else put *@d (may be
 * NULL) in the list, up to where the next one begins. What was stored left the list after it was
 * marked present, so that what isn't in the list may be now. READY: *@d is replaced by the one
 * found, with a reference.
 */
static enum found join_or_insert(struct fsc_part *part, struct fsc_download **d)
{
	struct fsc_cookie *cookie = part->rs->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	uint64_t end = part->end, run_end;
	struct fsc_download *other = find(part, &end);
	enum found ret;

	if (fsc_read_cancelled(part->rs->read)) {
		ret = CANCELLED; /* who did it may have looked here before */
	} else if (other) {
		ret = join(part, other);
		if (ret == READY || ret == JOINED)
			*d = other;
	} else {
		ret = fsc_gen_run(part->rs->gen, part->start, end, &run_end) ? PRESENT :
		      *d						     ? INSERTED :
									       NONE;
		if (!cut(part, run_end))
			ret = IN_THE_WAY;
		else if (ret == INSERTED)
			insert(part, *d);
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return ret;
}

/* All but the range; *@slots: memory for its server reads. */
static int download_new(struct fsc_part *part, struct fsc_download **out, uint32_t *slots)
{
	struct fsc_read_state *rs = part->rs;
	size_t len = (size_t)(part->end - part->start);
	uint32_t nr = fsc_fetch_slots(len, rs->piece, FSC_DOWNLOAD_SLOTS);
	struct fsc_download *d;
	int ret;

	d = fsc_zalloc_nowait(sizeof(*d) + fsc_fetch_slot_bytes(rs->read->ops, nr));
	if (!d)
		return -ENOMEM;
	len = (size_t)fsc_round_up(len, FSC_GRANULE_SIZE);
	ret = fsc_iobuf_get(rs->cookie->side, len, rs->ahead ? FSC_USE_AHEAD : FSC_USE_KEEP,
			    rs->can_wait, &d->buf);
	if (ret) {
		fsc_free(d);
		/* Who wants it kept, and nothing else, has time. */
		rs->starved = ret == -ENOBUFS && rs->prefetch && !rs->ahead &&
			      fsc_iobuf_may_come(rs->cookie->side, len);
		return rs->starved ? -EAGAIN : ret;
	}
	d->prefetch = rs->prefetch;
	d->ahead = rs->ahead;
	d->cookie = rs->cookie;
	d->gen = rs->gen;
	d->change = rs->change;
	d->fetch.ops = rs->read->ops;
	d->fetch.cookie = rs->cookie;
	d->fetch.netfs = rs->read->netfs;
	d->fetch.piece = rs->piece;
	d->fetch.done = fetched;
	fsc_fetch_init(&d->fetch);
	fsc_ref_init(&d->ref);
	fsc_list_init(&d->node);
	fsc_list_init(&d->waiters);
	*out = d;
	*slots = nr;
	return 0;
}

/* It begins: @d is in the list, and so already somebody else's too. */
static void download_begin(struct fsc_part *part, struct fsc_download *d, uint32_t slots)
{
	fsc_gen_get(d->gen);
	fsc_cookie_pin(d->cookie);
	part->leader = true;
	part->rs->missed = true;
	d->sent_ms = fsc_now_ms();
	d->fetch.pos = d->start;
	d->fetch.mem.buf = d->buf.mem;
	d->fetch.len = (size_t)(fsc_min64(d->end, part->rs->zero_from) - d->start);
	fsc_fetch_start(&d->fetch, d + 1, slots);
}

/* Is it worth a buffer? Not what couldn't be kept anyway, because something changed since the
 * request was started, or because it is too early (see fsc_cookie_params.keep_after_ms). */
static bool keepable(struct fsc_read_state *rs)
{
	struct fsc_cookie *cookie = rs->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = !cookie->uncached && fsc_now_ms() >= cookie->keep_after_ms;

	fsc_spin_unlock(&cookie->lock, irq);
	return yes && fsc_gen_unchanged(rs->gen, rs->change);
}

static void discard_new(struct fsc_download *d)
{
	if (!d)
		return;
	fsc_iobuf_put(d->cookie->side, &d->buf);
	fsc_fetch_fini(&d->fetch);
	fsc_free(d);
}

int fsc_download_part(struct fsc_part *part)
{
	struct fsc_download *mine = NULL, *d = NULL;
	enum found found;
	uint32_t slots = 0;
	int ret;

	if (!keepable(part->rs))
		return -ESTALE;
	found = join_or_insert(part, &d);
	if (found == NONE) {
		ret = download_new(part, &mine, &slots);
		if (ret)
			return ret;
		d = mine;
		found = join_or_insert(part, &d);
	}
	if (found == INSERTED) {
		download_begin(part, d, slots);
		return 0;
	}
	discard_new(mine);
	if (found == PRESENT)
		return -EEXIST;
	if (found == IN_THE_WAY)
		return -EBUSY;
	if (found == CANCELLED)
		return -ECANCELED;
	/* A part that waits may have ended; but its request goes on only when our caller lets it.
	 */
	fsc_stat_add(part->rs->cookie->cache, FSC_STAT_JOINED_READS, 1);
	if (found == READY)
		serve(d, part);
	fsc_download_put(d);
	return 0;
}

/* --- Leave ------------------------------------------------------------------------------------ */

/* Is @d, which nobody waits for any more, to end? Not if most of it has come. */
static bool unwanted(struct fsc_download *d)
{
	return fsc_list_empty(&d->waiters) && !d->ahead &&
	       fsc_fetch_got(&d->fetch) < (d->end - d->start) / 2;
}

static struct fsc_part *waiter_of(struct fsc_download *d, const struct fsc_read_state *rs)
{
	struct fsc_list *node;

	fsc_list_for_each(node, &d->waiters) {
		struct fsc_part *part = fsc_container_of(node, struct fsc_part, waiter);

		if (part->rs == rs)
			return part;
	}
	return NULL;
}

/* One part of @rs out of a download, or NULL; *@dropped: that, with a reference, if it is to end. */
static struct fsc_part *leave(struct fsc_read_state *rs, struct fsc_download **dropped)
{
	struct fsc_cookie *cookie = rs->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	struct fsc_part *part = NULL;
	struct fsc_list *node;

	*dropped = NULL;
	fsc_list_for_each(node, &cookie->downloads) {
		struct fsc_download *d = fsc_container_of(node, struct fsc_download, node);

		part = waiter_of(d, rs);
		if (!part)
			continue;
		fsc_list_del(&part->waiter);
		if (unwanted(d)) {
			fsc_list_del(&d->node); /* nobody joins it */
			fsc_ref_get(&d->ref);
			*dropped = d;
		}
		break;
	}
	fsc_spin_unlock(&cookie->lock, irq);
	return part;
}

void fsc_downloads_leave(struct fsc_read_state *rs)
{
	struct fsc_download *d;
	struct fsc_part *part;

	while ((part = leave(rs, &d))) {
		if (d && fsc_fetch_stop(&d->fetch))
			fsc_fetch_cancel(&d->fetch);
		if (d)
			fsc_download_put(d);
		part->ret = -ECANCELED;
		fsc_part_ended(part);
	}
}
