// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * warm.c - the command that reads whole trees into the cache.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "crowd.h"
#include "interrupt.h"
#include "say.h"

/* What was read wasn't all kept, as the disk couldn't follow: read the rest again, so often. */
#define KEEP_TRIES 3

struct warm {
	struct session *s;
	atomic_bool no_room; /* for all of it */
};

/* Without a cookie there is nothing to be got from reading. */
static bool needs_reading(const struct remote *r)
{
	return r->cookie && fsc_cookie_present(r->cookie, 0, remote_size(r)) != remote_size(r);
}

/* Opened only if it is to be read: of a tree that is cached the server is asked for attributes. */
static int open_if_needed(struct session *s, struct remote_place *place, const char *path,
			  struct remote *r)
{
	int err = remote_find(s, place, path, r);

	if (err || !needs_reading(r))
		return err;
	err = remote_open_found(r);
	if (err)
		remote_close(r, false);
	return err == -ESTALE ? remote_open(s, place, path, r) : err;
}

/* What is asked for too soon after the attributes of a file that was just changed isn't kept (see
 * fsc_cookie_params.keep_after_ms): that is a matter of milliseconds, or of two seconds. */
static void wait_for_tick(struct session *s, const struct remote *r)
{
	uint64_t after = cached_keep_after(s, &r->attr), now = fsc_clock_ms();
	struct timespec left;

	if (now >= after)
		return;
	left.tv_sec = (time_t)((after - now) / 1000);
	left.tv_nsec = (long)((after - now) % 1000) * 1000000;
	nanosleep(&left, NULL);
}

/* Read what isn't there of @r. *@again: some of it found no memory to wait for the disk in, so it
 * may be kept next time; but not if there is no room on the disk. */
static int read_into_cache(struct warm *w, struct stream *st, struct remote *r, const char *path,
			   bool *again)
{
	struct fsc_stats before, after;
	struct session *s = w->s;
	enum stream_end how;
	int err = 0;

	*again = false;
	if (!needs_reading(r))
		return 0;
	wait_for_tick(s, r);
	fsc_cache_stats(s->cache, &before);
	how = stream_run(st, r, 0, remote_size(r), NULL, NULL, &err);
	if (how == STREAM_SHORT)
		err = remote_changed(r);
	if (err > 0) {
		say(path, "was changed while it was read");
		return -ECANCELED;
	}
	/* What has been started is stored when this returns. */
	remote_uncache(r, false);
	fsc_cache_stats(s->cache, &after);
	if (after.no_space != before.no_space)
		w->no_room = true;
	*again = !err &&
		 (how == STREAM_SHORT || after.not_kept_bytes != before.not_kept_bytes) &&
		 after.no_space == before.no_space && fsc_cache_online(s->cache);
	return err;
}

/* It would be delivered, to nobody. */
static int not_to_be_cached(const char *path, const struct remote *r)
{
	if (r->attr.vouched || !remote_size(r))
		return 0;
	say(path, "can't be cached: the server says nothing that tells its versions apart");
	return -ECANCELED;
}

static int warm_file(void *arg, const struct crowd_worker *worker, const char *path, bool named)
{
	struct warm *w = arg;
	bool again = true;
	struct remote r;
	int err = open_if_needed(w->s, worker->place, path, &r);

	if (err == REMOTE_OTHER && named) {
		say(path, "is %s, not a regular file", remote_kind(&r.attr));
		return -ECANCELED;
	}
	if (err)
		return err == REMOTE_OTHER ? 0 : err;
	crowd_count(worker->crowd, remote_size(&r));
	err = not_to_be_cached(path, &r);
	for (int i = 0; i < KEEP_TRIES && again && !err && !interrupted(); i++) {
		if (i)
			remote_cache(&r);
		err = read_into_cache(w, worker->stream, &r, path, &again);
	}
	remote_close(&r, err == -ECANCELED);
	return err;
}

int cmd_warm(struct session *s)
{
	struct warm w = { .s = s };
	struct crowd_job job = { .file = warm_file, .arg = &w };
	int status;

	if (!s->cache) {
		say(s->opt->paths[0], "not read: there is no cache to read it into");
		return EXIT_FAILED;
	}
	status = crowd_run(s, s->opt->paths, s->opt->nr_paths, &job);
	if (w.no_room)
		warn_of(s->opt->paths[0], "not all of it was kept: the cache, or its disk, is full");
	return status;
}
