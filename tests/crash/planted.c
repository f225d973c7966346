// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * planted.c - mistakes between core and backend, so that it can be shown that they would be found.
 *
 *   early    a write is said to be done long before it is: so what declares the data present is
 *            stored before the data
 *   nosync   syncing does nothing
 *   deaf     a write that failed is taken for done
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define LATE_NS 300000000u

struct delayed {
	struct fsc_io io;
	struct delayed *next;
	uint64_t due_ns;
	void *mem;
};

/* What the cache itself needs to begin is left in peace. */
static bool armed;
static const struct fsc_backend_ops *real;
static struct fsc_backend_ops ops;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct delayed *pending; /* oldest first */
static struct delayed *writing;

static void written(struct fsc_io *io, int64_t ret)
{
	struct delayed *l = (struct delayed *)(void *)io, **at;

	(void)ret;
	pthread_mutex_lock(&lock);
	for (at = &writing; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	free(l->mem);
	free(l);
}

static void *late_main(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct delayed *l = pending;

		if (!l || l->due_ns > world_now_ns()) {
			pthread_mutex_unlock(&lock);
			usleep(1000);
			pthread_mutex_lock(&lock);
			continue;
		}
		pending = l->next;
		l->next = writing;
		writing = l;
		pthread_mutex_unlock(&lock);
		real->write(&l->io);
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

static void write_early(struct fsc_io *io)
{
	struct delayed *l, **at;

	if (!__atomic_load_n(&armed, __ATOMIC_RELAXED)) {
		real->write(io);
		return;
	}
	l = calloc(1, sizeof(*l));
	l->mem = run_memory(io->buf.len);
	memcpy(l->mem, (uint8_t *)io->buf.mem + io->buf.off, io->buf.len);
	l->io = (struct fsc_io){
		.file = io->file,
		.pos = io->pos,
		.buf = { l->mem, 0, io->buf.len, FSC_BUF_MEM },
		.done = written,
	};
	l->due_ns = world_now_ns() + LATE_NS;
	pthread_mutex_lock(&lock);
	for (at = &pending; *at; at = &(*at)->next)
		;
	*at = l;
	pthread_mutex_unlock(&lock);
	io->done(io, (int64_t)l->io.buf.len);
}

static bool is_in(const struct delayed *l, const struct fsc_file *file)
{
	while (l && l->io.file != file)
		l = l->next;
	return l;
}

static void close_when_written(struct fsc_file *file)
{
	pthread_mutex_lock(&lock);
	while (is_in(pending, file) || is_in(writing, file))
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	real->file_close(file);
}

struct deaf {
	struct fsc_io io;
	struct fsc_io *from;
};

static void not_heard(struct fsc_io *io, int64_t ret)
{
	struct deaf *d = (struct deaf *)(void *)io;
	struct fsc_io *from = d->from;

	free(d);
	from->done(from, ret < 0 ? (int64_t)from->buf.len : ret);
}

static void write_deaf(struct fsc_io *io)
{
	struct deaf *d = calloc(1, sizeof(*d));

	d->io = *io;
	d->io.done = not_heard;
	d->from = io;
	real->write(&d->io);
}

static int no_sync(struct fsc_file *file, bool data_only)
{
	return __atomic_load_n(&armed, __ATOMIC_RELAXED) ? 0 : real->sync(file, data_only);
}

void planted_arm(void)
{
	__atomic_store_n(&armed, true, __ATOMIC_RELAXED);
}

void planted_wrap(struct fsc_backend *be, enum planted planted)
{
	pthread_t thread;

	real = be->ops;
	ops = *real;
	if (planted == PLANTED_NOSYNC)
		ops.sync = no_sync;
	if (planted == PLANTED_DEAF)
		ops.write = write_deaf;
	if (planted == PLANTED_EARLY) {
		ops.write = write_early;
		ops.file_close = close_when_written;
		if (pthread_create(&thread, NULL, late_main, NULL))
			abort();
	}
	be->ops = &ops;
}
