/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * pool.c - transfers where io_uring is refused: a few threads that make them one by one.
 *
 * Driven by the client's loop, what has ended goes back through an inbox, and an eventfd says so.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "internal.h"
#include "work.h"

#define THREADS 4

struct fsc_ur_pool {
	struct fsc_workq *q;
	bool loop;
	int event_fd;
	struct fsc_ur_inbox ended;
	uint32_t driven; /* atomic: 0, 1 a thread is about to be, 2 @driver is known */
	pthread_t driver;
	bool dispatching;
};

/* While a transfer is on its way back, its result is where its work was. */
static int64_t *result(struct fsc_io *io)
{
	return (int64_t *)(void *)&fsc_ur_io(io)->work;
}

static void give_back(struct fsc_ur_pool *p, struct fsc_io *io, int64_t res)
{
	uint64_t one = 1;

	if (!p->loop) {
		io->done(io, res);
		return;
	}
	*result(io) = res;
	if (fsc_ur_inbox_put(&p->ended, io) && write(p->event_fd, &one, sizeof(one)) < 0)
		return; /* at its limit: readable anyway */
}

static void run(struct fsc_work *w)
{
	struct fsc_ur_io *x = (struct fsc_ur_io *)((char *)w - offsetof(struct fsc_ur_io, work));
	struct fsc_io *io = (struct fsc_io *)((char *)x - offsetof(struct fsc_io, backend));

	give_back(io->file->u->pool, io, fsc_ur_transfer(io));
}

void fsc_ur_pool_start(struct fsc_ur_pool *p, struct fsc_io *io)
{
	struct fsc_work *w = &fsc_ur_io(io)->work;

	fsc_work_init(w, run);
	fsc_work_queue(p->q, w, 0);
}

int fsc_ur_pool_fd(struct fsc_ur_pool *p)
{
	return p->loop ? p->event_fd : -EINVAL;
}

static bool is_driver(struct fsc_ur_pool *p)
{
	uint32_t nobody = 0;

	if (__atomic_compare_exchange_n(&p->driven, &nobody, 1, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE)) {
		p->driver = pthread_self();
		fsc_store_release(&p->driven, 2);
		return true;
	}
	return nobody == 2 && pthread_equal(p->driver, pthread_self());
}

static void wait_for_event(struct fsc_ur_pool *p)
{
	struct pollfd fd = { .fd = p->event_fd, .events = POLLIN };

	poll(&fd, 1, -1);
}

static int run_ended(struct fsc_ur_pool *p)
{
	struct fsc_io *io, *next;
	uint64_t count;
	int ran = 0;

	/* Before taking: who puts something in afterwards finds the inbox empty, and writes. */
	if (read(p->event_fd, &count, sizeof(count)) < 0)
		return 0;
	for (io = fsc_ur_inbox_take(&p->ended); io; io = next) {
		next = fsc_ur_io(io)->next;
		io->done(io, *result(io));
		ran++;
	}
	return ran;
}

int fsc_ur_pool_dispatch(struct fsc_ur_pool *p, bool wait)
{
	int ran;

	if (!p->loop || !is_driver(p) || p->dispatching)
		return -EINVAL;
	p->dispatching = true;
	ran = run_ended(p);
	while (wait && !ran) {
		wait_for_event(p);
		ran = run_ended(p);
	}
	p->dispatching = false;
	return ran;
}

struct fsc_ur_pool *fsc_ur_pool_open(const struct fsc_uring_params *params)
{
	struct fsc_ur_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->loop = params->drive == FSC_URING_LOOP;
	p->event_fd = p->loop ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	p->q = fsc_workq_create_limited("fsc-io", THREADS);
	if (p->q && (!p->loop || p->event_fd >= 0))
		return p;
	fsc_ur_pool_close(p);
	return NULL;
}

void fsc_ur_pool_close(struct fsc_ur_pool *p)
{
	if (p->q)
		fsc_workq_destroy(p->q);
	fsc_ur_pool_abandon(p);
}

/* In a forked child the queue has no threads to end. */
void fsc_ur_pool_abandon(struct fsc_ur_pool *p)
{
	if (p->event_fd >= 0)
		close(p->event_fd);
	free(p);
}
