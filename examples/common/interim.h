/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * interim.h - writes to the server beside the library, until it has writes of its own: what is cached
 * of the file is dropped before and after.
 */
#ifndef FSC_EXAMPLES_INTERIM_H
#define FSC_EXAMPLES_INTERIM_H

#include <semaphore.h>

#include "cached.h"

struct interim_io {
	struct netfs_io io;
	sem_t sem;
	int64_t ret;
};

static inline void interim_done(struct netfs_io *io, int64_t ret)
{
	struct interim_io *ii = (struct interim_io *)io;

	ii->ret = ret;
	sem_post(&ii->sem);
}

static inline int64_t interim_write_wait(struct fsc_write *w)
{
	struct cached_file *cf = w->netfs;
	size_t done = 0;
	int64_t ret = 0;

	fsc_cookie_invalidate(w->cookie, NULL, NULL);
	while (done < w->len) {
		struct interim_io ii = {
			.io = { .file = cf->file, .pos = w->pos + done,
				.buf = (char *)(uintptr_t)w->buf + done, .len = w->len - done,
				.done = interim_done },
		};

		sem_init(&ii.sem, 0, 0);
		cf->file->node->fs->ops->write(&ii.io);
		while (sem_wait(&ii.sem))
			;
		sem_destroy(&ii.sem);
		ret = ii.ret;
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	fsc_cookie_invalidate(w->cookie, NULL, NULL);
	return done ? (int64_t)done : ret;
}

#define fsc_write_wait interim_write_wait
#define fsc_cookie_prove(cookie) ((void)(cookie))
#define fsc_cookie_resize_begin(cookie, size)                                                      \
	((void)(size), fsc_cookie_invalidate(cookie, NULL, NULL))
#define fsc_cookie_resize_end(cookie, err)                                                         \
	((void)(err), fsc_cookie_invalidate(cookie, NULL, NULL))

#endif
