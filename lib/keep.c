/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * keep.c - store what was downloaded, after those who wanted it have it.
 *
 * In a work item, because finding room may block; one store at a time per download, for each run of
 * granules that may be stored. Nothing here can make a read fail: what can't be stored is counted.
 */
#include "read.h"

static bool all_zero(const uint8_t *mem, size_t len)
{
	return mem[0] == 0 && memcmp(mem, mem + 1, len - 1) == 0;
}

static uint64_t bytes_of(const struct fsc_download *d, uint64_t from, uint64_t to)
{
	to = fsc_min64(to, d->end); /* without the padding */
	return to > from ? to - from : 0;
}

static void keep_end(struct fsc_download *d)
{
	if (d->not_kept)
		fsc_stat_add(d->cookie->cache, FSC_STAT_NOT_KEPT_BYTES, (int64_t)d->not_kept);
	fsc_download_unlist(d);
	fsc_iobuf_kept(d->cookie->side, &d->buf); /* it may go on being lent for long */
	fsc_download_put(d);
}

static void stored(struct fsc_gio *gio, int64_t ret)
{
	struct fsc_download *d = fsc_container_of(gio, struct fsc_download, gio);

	if (ret < 0) {
		d->not_kept += bytes_of(d, gio->pos, d->keep_end);
		d->keep_pos = d->keep_end;
	}
	if (d->keep_pos < d->keep_end)
		fsc_work_queue(d->cookie->wq, &d->work, 0); /* the next prepare may sleep */
	else
		keep_end(d);
}

/* The next run that may be stored: 0, or an error when there is none. */
static int prepare(struct fsc_download *d)
{
	struct fsc_gio *gio = &d->gio;
	int ret;

	memset(gio, 0, sizeof(*gio));
	gio->gen = d->gen;
	gio->change = d->change;
	gio->pos = d->keep_pos;
	gio->buf.mem = d->buf.mem;
	gio->buf.off = (size_t)(d->keep_pos - d->start);
	gio->buf.len = (size_t)(d->keep_end - d->keep_pos);
	gio->done = stored;
	/* This thread has time, and the one that drives the backend may be waiting for us. */
	gio->flags = FSC_IO_MAY_BLOCK;
	ret = fsc_gen_store_prepare(gio);
	if (ret)
		return ret;
	d->keep_pos = gio->pos + gio->buf.len;
	return 0;
}

static void keep_work(struct fsc_work *work)
{
	struct fsc_download *d = fsc_container_of(work, struct fsc_download, work);
	int ret = prepare(d);
	uint8_t *mem;

	fsc_iobuf_trim(d->cookie->side); /* where it may be done */
	if (ret) {
		if (ret != -ENODATA) /* that is: present already */
			d->not_kept += bytes_of(d, d->keep_pos, d->keep_end);
		keep_end(d);
		return;
	}
	mem = (uint8_t *)d->gio.buf.mem + d->gio.buf.off;
	/* Either may have ended, and @d with it, when it returns. */
	if (all_zero(mem, d->gio.buf.len))
		fsc_gen_store_zero(&d->gio);
	else
		fsc_gen_store(&d->gio);
}

/* May it be kept at all? The store's prepare looks whether the generation is what it was. */
static bool wanted(struct fsc_download *d)
{
	struct fsc_cookie *cookie = d->cookie;
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool yes = !cookie->uncached && !cookie->retire && d->sent_ms >= cookie->keep_after_ms;

	fsc_spin_unlock(&cookie->lock, irq);
	return yes;
}

void fsc_keep_start(struct fsc_download *d)
{
	uint64_t good = fsc_download_have(d);

	d->keep_pos = d->start;
	if (good == d->end) {
		d->keep_end = fsc_round_up(d->end, FSC_GRANULE_SIZE);
	} else if (d->fetch.error) {
		d->keep_end = fsc_round_down(good, FSC_GRANULE_SIZE);
	} else {
		d->keep_end = d->start; /* the file is shorter than its coherency data say */
	}
	d->not_kept = good - fsc_min64(good, d->keep_end);
	if (d->keep_end > d->start && wanted(d)) {
		fsc_work_init(&d->work, keep_work);
		fsc_work_queue(d->cookie->wq, &d->work, 0);
		return;
	}
	d->not_kept = good - d->start;
	keep_end(d);
}
