// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cookies.c - threads that read through cookies, several reads at a time each, and change files on
 * the server while others read them.
 *
 * Each byte that is delivered is looked at: it is of a version that the cache had been told of when
 * the read began, or of a later one.
 */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define IN_FLIGHT 8
#define SPAN (256u << 10) /* what is read at a time, at most */

struct request {
	struct fsc_read read;
	struct file *file;
	uint32_t oldest;
	sem_t *slots;
};

struct actor {
	uint64_t chance;
	sem_t slots;
};

/* --- Reading --------------------------------------------------------------------------------- */

static size_t read_max(struct fsc_read *read)
{
	(void)read;
	return 64u << 10;
}

static void check(const struct request *req, int64_t ret)
{
	const struct fsc_read *read = &req->read;
	uint32_t newest = __atomic_load_n(&req->file->version, __ATOMIC_ACQUIRE);
	uint64_t left = read->file_size - read->pos, at;
	int64_t want = (int64_t)(left < read->len ? left : read->len);

	/* The other version may be shorter. */
	if (ret > want || ret < 0 || (ret < want && newest == req->oldest))
		run_failed("file %u, %zu at %llu: %lld instead of %lld", req->file->id, read->len,
			   (unsigned long long)read->pos, (long long)ret, (long long)want);
	else if (!world_matches(req->file->id, req->oldest, newest, read->pos, read->buf,
				(size_t)ret, &at))
		run_failed("file %u, read at %llu: byte %llu is of no version %u to %u",
			   req->file->id, (unsigned long long)read->pos, (unsigned long long)at,
			   req->oldest, newest);
}

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct request *req = (struct request *)(void *)read;
	sem_t *slots = req->slots;

	if (run.planted == PLANTED_NONE)
		check(req, ret);
	__atomic_fetch_add(&run.reads, 1, __ATOMIC_RELAXED);
	if (read->cookie) {
		fsc_cookie_unuse(read->cookie);
		fsc_cookie_relinquish(read->cookie, false);
	}
	free(read->buf);
	free(req);
	sem_post(slots);
}

static const struct fsc_netfs_ops ops = {
	.subreq_size = sizeof(struct late),
	.read_max = read_max,
	.issue_read = server_issue_read,
	.read_done = read_done,
};

/* The file as it is now, in use; NULL: uncached. file->lock. */
static struct fsc_cookie *get(struct file *file)
{
	struct world_label label;
	struct fsc_cookie *cookie;
	char key[16];
	struct fsc_cookie_params params = run_params(file->id, file->version, key, &label);

	if (fsc_cookie_acquire(run_volume(file->id), &params, &cookie))
		return NULL;
	return cookie;
}

static void start_read(struct actor *a, struct file *file, uint64_t pos, size_t len)
{
	struct request *req = calloc(1, sizeof(*req));
	struct fsc_read *read = &req->read;

	while (sem_wait(&a->slots))
		;
	pthread_mutex_lock(&file->lock);
	read->cookie = get(file);
	read->file_size = world_size(file->id, file->version);
	req->oldest = file->told;
	pthread_mutex_unlock(&file->lock);
	fsc_cookie_use(read->cookie, false);
	if (pos >= read->file_size)
		pos = 0;
	/* Mostly as the library likes it, in whole granules. */
	read->pos = world_below(&a->chance, 4) ? pos - pos % GRANULE : pos;
	read->len = read->pos % GRANULE ? len : (len + GRANULE - 1) / GRANULE * GRANULE;
	read->buf = run_memory(read->len);
	read->ops = &ops;
	read->netfs = file;
	req->file = file;
	req->slots = &a->slots;
	fsc_read_start(read);
}

static void read_all(struct actor *a, struct file *file)
{
	uint64_t size = world_size(file->id, __atomic_load_n(&file->version, __ATOMIC_ACQUIRE));

	for (uint64_t pos = 0; pos < size && run_goes_on(); pos += SPAN)
		start_read(a, file, pos, SPAN);
}

static void read_somewhere(struct actor *a, struct file *file)
{
	uint64_t size = world_size(file->id, __atomic_load_n(&file->version, __ATOMIC_ACQUIRE));

	start_read(a, file, world_below(&a->chance, size), 1 + world_below(&a->chance, SPAN));
}

/* A granule here and there: makes a map that takes room. */
static void read_scattered(struct actor *a, struct file *file)
{
	uint64_t size = world_size(file->id, __atomic_load_n(&file->version, __ATOMIC_ACQUIRE));

	for (int i = 0; i < 64 && run_goes_on(); i++)
		start_read(a, file, world_below(&a->chance, size) / GRANULE * GRANULE,
			   (size_t)GRANULE);
}

static void read_much(struct actor *a, struct file *file)
{
	uint64_t size = world_size(file->id, __atomic_load_n(&file->version, __ATOMIC_ACQUIRE));

	if (size >= WORLD_BIG && world_below(&a->chance, 8))
		read_scattered(a, file);
	else
		read_all(a, file);
}

/* --- Changes --------------------------------------------------------------------------------- */

struct change {
	struct fsc_event ev;
	uint32_t file, version;
};

static void old_is_gone(struct fsc_event *ev)
{
	struct change *c = (struct change *)(void *)ev;

	journal_add(JOURNAL_DONE, c->file, c->version);
	free(c);
}

static void invalidate(struct file *file, struct fsc_cookie *cookie)
{
	struct change *c = calloc(1, sizeof(*c));
	struct world_label label;
	char key[16];
	struct fsc_cookie_params params = run_params(file->id, file->version, key, &label);

	*c = (struct change){ { .fn = old_is_gone }, file->id, file->version };
	fsc_cookie_invalidate(cookie, &params, &c->ev);
}

/* What holds an older version goes on with that, or is told. */
static void change(struct actor *a, struct file *file)
{
	struct fsc_cookie *cookie = NULL;
	uint32_t version;

	pthread_mutex_lock(&file->lock);
	if (world_kind(file->id) == WORLD_WEAK || world_below(&a->chance, 4))
		cookie = get(file);
	version = file->version + 1;
	if (cookie || world_kind(file->id) == WORLD_STRONG) {
		journal_add(JOURNAL_BEGIN, file->id, version);
		__atomic_store_n(&file->version, version, __ATOMIC_RELEASE);
		if (cookie) {
			invalidate(file, cookie);
			/* If one is held, this is the same. */
			file->held_version = version;
		}
		__atomic_store_n(&file->told, version, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&file->lock);
	fsc_cookie_relinquish(cookie, false);
}

/* Opened, or closed: what is closed is saved at once, the rest by and by. */
static void toggle(struct actor *a, struct file *file)
{
	struct fsc_cookie *cookie;
	bool wait = world_below(&a->chance, 2);

	pthread_mutex_lock(&file->lock);
	cookie = file->held;
	if (cookie && run.hold) {
		pthread_mutex_unlock(&file->lock);
		return;
	}
	file->held = cookie ? NULL : get(file);
	file->held_version = file->version;
	if (file->held && wait)
		fsc_cookie_use_wait(file->held, false);
	else if (file->held)
		fsc_cookie_use(file->held, false);
	pthread_mutex_unlock(&file->lock);
	if (!cookie)
		return;
	fsc_cookie_unuse(cookie);
	if (wait)
		fsc_cookie_relinquish_wait(cookie, false);
	else
		fsc_cookie_relinquish(cookie, false);
}

static void say_complete(struct file *file)
{
	uint64_t size;

	pthread_mutex_lock(&file->lock);
	size = world_size(file->id, file->version);
	if (file->held && file->logged != file->version && file->held_version == file->version &&
	    fsc_cookie_present(file->held, 0, size) == size) {
		file->logged = file->version;
		journal_add(JOURNAL_COMPLETE, file->id, file->version);
	}
	pthread_mutex_unlock(&file->lock);
}

void cookies_let_go(void)
{
	for (uint32_t i = 0; i < world.files; i++) {
		struct fsc_cookie *cookie = run.files[i].held;

		run.files[i].held = NULL;
		if (!cookie)
			continue;
		fsc_cookie_unuse(cookie);
		fsc_cookie_relinquish(cookie, false);
	}
}

/* --- Threads --------------------------------------------------------------------------------- */

static struct file *any_file(struct actor *a)
{
	struct file *file;

	do {
		file = &run.files[world_below(&a->chance, world.files)];
	} while (world_kind(file->id) == WORLD_WRITTEN);
	return file;
}

static void act(struct actor *a)
{
	struct file *file = any_file(a);

	say_complete(file);
	switch (world_below(&a->chance, 16)) {
	case 0:
		if (run_may_change(file->id))
			change(a, file);
		break;
	case 1 ... 4:
		toggle(a, file);
		break;
	case 5:
		if (run.cull && !world_below(&a->chance, 8))
			fsc_cache_cull(run.cache, 1u << 20, NULL);
		else if (!world_below(&a->chance, 16))
			fsc_cache_sync(run.cache);
		break;
	case 6 ... 9:
		read_much(a, file);
		break;
	default:
		read_somewhere(a, file);
	}
}

void *cookies_main(void *number)
{
	struct actor a = { .chance = world_mix(run.seed + (uintptr_t)number) };

	sem_init(&a.slots, 0, IN_FLIGHT);
	while (run_goes_on()) {
		act(&a);
		if (run.pace_us)
			usleep((useconds_t)world_below(&a.chance, run.pace_us));
	}
	for (int i = 0; i < IN_FLIGHT; i++)
		while (sem_wait(&a.slots))
			;
	sem_destroy(&a.slots);
	return NULL;
}
