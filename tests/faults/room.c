// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* room.c - see faults.h: a cache with one volume, cookies in it, memory that a kill gives back. */
#include <stdlib.h>
#include <string.h>

#include "faults.h"

void check_eq(int64_t a, int64_t b, const char *file, int line, const char *text)
{
	if (a != b)
		sim_fail(SIM_BUG, "%s:%d: %s: %lld and %lld", file, line, text, (long long)a,
			 (long long)b);
}

/* --- Memory ----------------------------------------------------------------------------------- */

struct owned {
	struct owned *next;
	void *mem;
};

void *room_alloc(struct room *r, size_t size, size_t align)
{
	struct owned *o = malloc(sizeof(*o));

	size = (size + align - 1) / align * align;
	if (!o || !(o->mem = aligned_alloc(align, size)))
		abort();
	memset(o->mem, 0, size);
	o->next = r->owned;
	r->owned = o;
	return o->mem;
}

void room_free(struct room *r, void *mem)
{
	struct owned **link = &r->owned, *o;

	while ((*link)->mem != mem)
		link = &(*link)->next;
	o = *link;
	*link = o->next;
	free(o->mem);
	free(o);
}

void room_drop(struct room *r)
{
	while (r->owned)
		room_free(r, r->owned->mem);
}

/* --- Cache and volume ------------------------------------------------------------------------- */

void arm(struct room *r)
{
	plan_begin(r);
}

int room_volume(struct room *r)
{
	struct fsc_blob key = { "9p,server,export", 16 };

	return fsc_volume_acquire(r->cache, key, r->vol_coherency, r->vol_flags, &r->vol);
}

int room_cache(struct room *r)
{
	struct fsc_backend *be = plan_backend(r);
	int err;

	CHECK(!r->cache && !r->vol);
	err = fsc_cache_open(be, &r->params, &r->cache);
	if (!err)
		return 0;
	be->ops->close(be);
	r->cache = NULL;
	return err;
}

int room_open(struct room *r)
{
	int err = room_cache(r);

	if (!err)
		room_volume(r);
	return err;
}

void room_close(struct room *r)
{
	fsc_volume_relinquish(r->vol, false);
	fsc_cache_close(r->cache);
	r->vol = NULL;
	r->cache = NULL;
}

void room_quiet(struct room *r)
{
	(void)r;
	/* Far longer than any latency, shorter than the saver's second; it costs nothing. */
	sim_sleep_ms(50);
	sim_settle();
}

struct fsc_stats room_stats(struct room *r)
{
	struct fsc_stats stats;

	fsc_cache_stats(r->cache, &stats);
	return stats;
}

/* --- Cookies ---------------------------------------------------------------------------------- */

struct fsc_cookie *cookie_get(struct room *r, struct remote *f)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	uint32_t version = f->nr - 1;
	struct fsc_cookie_params params = remote_params(f, version, key, coh);
	struct fsc_cookie *cookie;

	if (fsc_cookie_acquire(r->vol, &params, &cookie))
		cookie = NULL;
	if (f->told < version && f->v[f->told].coh != f->v[version].coh)
		f->told = version;
	return cookie;
}

struct fsc_cookie *cookie_used(struct room *r, struct remote *f)
{
	struct fsc_cookie *cookie = cookie_get(r, f);

	fsc_cookie_use_wait(cookie, false);
	return cookie;
}

void cookie_drop(struct fsc_cookie *cookie)
{
	fsc_cookie_unuse(cookie);
	fsc_cookie_relinquish_wait(cookie, false);
}

struct done {
	struct fsc_event ev;
	bool over;
};

static void is_done(struct fsc_event *ev)
{
	struct done *done = (struct done *)ev;

	CHECK(!done->over);
	done->over = true;
}

void cookie_invalidate(struct room *r, struct fsc_cookie *cookie, struct remote *f)
{
	struct done *done = room_alloc(r, sizeof(*done), 16);
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	uint32_t version = f->nr - 1;
	struct fsc_cookie_params params = remote_params(f, version, key, coh);

	done->ev.fn = is_done;
	fsc_cookie_invalidate(cookie, &params, &done->ev);
	if (cookie)
		f->told = version;
	while (!done->over)
		sim_sleep_us(100);
	/* Where even that could not be written down there is nothing that holds. */
	if (cookie && !sim_log_count("can't be written down"))
		f->gone = version;
	room_free(r, done);
}

void fetch(struct room *r, struct remote *f)
{
	struct fsc_cookie *cookie = cookie_used(r, f);

	read_all(r, f, cookie);
	room_quiet(r);
	cookie_drop(cookie);
}
