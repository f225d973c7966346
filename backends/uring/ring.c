/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ring.c - transfers through io_uring.
 *
 * One thread drives the ring: ours, or the one that dispatches. What it starts itself goes straight
 * into the submission queue; what others start goes through the inbox. A round of the driver is one
 * system call: it submits what has gathered, and waits if there is nothing else to do. A read of an
 * eventfd stands in the ring all the time, so that a write to it ends such a wait; others write
 * there only when the driver said that it sleeps.
 *
 * Nothing is ever refused for lack of room: what doesn't fit the queue waits in the backlog.
 */
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"
#include "work.h"

#define DEFAULT_DEPTH 128u

/* Since 6.1; older headers lack them. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1u << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1u << 13)
#endif

struct fsc_ur_ring {
	/* Of all threads. */
	struct fsc_ur_inbox inbox;
	uint32_t asleep; /* atomic; 1: who puts something in the inbox writes to wake_fd */
	uint32_t driven; /* atomic; 1: @driver is known */
	uint32_t polled; /* atomic; 1: somebody has asked for the descriptor */
	uint32_t stop;   /* atomic */
	bool loop;
	int wake_fd, cq_fd, poll_fd;
	pthread_t driver;

	/* The driver's. */
	struct io_uring ring;
	struct fsc_io *backlog, *backlog_last;
	unsigned int in_flight, most_in_flight;
	bool dispatching, wake_armed, nudged, watched;
	uint64_t wake_count; /* where the read of wake_fd goes */

	/* How the thread of ours got on at its start. */
	struct fsc_waitq started;
	uint32_t start_state; /* atomic: 0, 1 runs, 2 failed */
};

/* --- Waking ---------------------------------------------------------------------------------- */

static void write_wake_fd(struct fsc_ur_ring *r)
{
	uint64_t one = 1;

	/* It fails only when the count is at its limit, and then it is readable. */
	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void wake_driver(struct fsc_ur_ring *r)
{
	if (__atomic_exchange_n(&r->asleep, 0, __ATOMIC_ACQ_REL))
		write_wake_fd(r);
}

/* True: whatever is put in the inbox from here on wakes us. False: there is something already. */
static bool fall_asleep(struct fsc_ur_ring *r)
{
	__atomic_exchange_n(&r->asleep, 1, __ATOMIC_ACQ_REL);
	return fsc_ur_inbox_empty(&r->inbox) && !fsc_load_acquire(&r->stop);
}

static void wake_up(struct fsc_ur_ring *r)
{
	__atomic_exchange_n(&r->asleep, 0, __ATOMIC_ACQ_REL);
}

static void arm_wake(struct fsc_ur_ring *r)
{
	struct io_uring_sqe *sqe;

	if (r->wake_armed)
		return;
	sqe = io_uring_get_sqe(&r->ring);
	if (!sqe)
		return;
	io_uring_prep_read(sqe, r->wake_fd, &r->wake_count, sizeof(r->wake_count), 0);
	io_uring_sqe_set_data(sqe, NULL);
	r->wake_armed = true;
}

/* --- Submitting ------------------------------------------------------------------------------ */

static void prepare(struct fsc_ur_ring *r, struct fsc_io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	size_t len = io->buf.len < FSC_UR_MAX_TRANSFER ? io->buf.len : FSC_UR_MAX_TRANSFER;
	struct fsc_ur_io *x = fsc_ur_io(io);

	io_uring_prep_rw(x->write ? IORING_OP_WRITE : IORING_OP_READ, sqe, io->file->fd,
			 (char *)io->buf.mem + io->buf.off, (unsigned int)len, io->pos);
	if (x->tries) /* it was refused: let the kernel use a thread */
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(sqe, io);
	r->in_flight++;
}

/* One entry is kept for the wake. */
static bool has_room(struct fsc_ur_ring *r)
{
	return r->in_flight < r->most_in_flight && io_uring_sq_space_left(&r->ring) > 1;
}

static void start_here(struct fsc_ur_ring *r, struct fsc_io *io)
{
	if (!r->backlog && has_room(r)) {
		prepare(r, io);
		return;
	}
	fsc_ur_io(io)->next = NULL;
	if (r->backlog)
		fsc_ur_io(r->backlog_last)->next = io;
	else
		r->backlog = io;
	r->backlog_last = io;
}

static void start_waiting(struct fsc_ur_ring *r)
{
	struct fsc_io *io, *next;

	while (r->backlog && has_room(r)) {
		io = r->backlog;
		r->backlog = fsc_ur_io(io)->next;
		prepare(r, io);
	}
	for (io = fsc_ur_inbox_take(&r->inbox); io; io = next) {
		next = fsc_ur_io(io)->next;
		start_here(r, io);
	}
}

/* A polling client may go back to its poll without a dispatch: the descriptor has to be readable
 * then, as there is something to submit. */
static void nudge_poller(struct fsc_ur_ring *r)
{
	if (!r->loop || r->dispatching || r->nudged || !fsc_load_acquire(&r->polled))
		return;
	r->nudged = true;
	write_wake_fd(r);
}

void fsc_ur_ring_start(struct fsc_ur_ring *r, struct fsc_io *io)
{
	if (fsc_load_acquire(&r->driven) && pthread_equal(r->driver, pthread_self())) {
		start_here(r, io);
		nudge_poller(r);
	} else if (fsc_ur_inbox_put(&r->inbox, io)) {
		wake_driver(r);
	}
}

/* --- Reaping --------------------------------------------------------------------------------- */

/* True if a transfer has ended. */
static bool complete(struct fsc_ur_ring *r, struct fsc_io *io, int res)
{
	if (!io) {
		r->wake_armed = false;
		return false;
	}
	r->in_flight--;
	if (res == -EAGAIN || res == -EINTR) {
		if (fsc_ur_retry(io)) {
			start_here(r, io);
			return false;
		}
		res = -ENOMEM;
	}
	io->done(io, res);
	return true;
}

/* What done() starts only fills the submission queue, so a pass ends. */
static int reap(struct fsc_ur_ring *r)
{
	struct io_uring_cqe *cqes[32];
	unsigned int n, i;
	int ran = 0;

	while ((n = io_uring_peek_batch_cqe(&r->ring, cqes, 32))) {
		for (i = 0; i < n; i++)
			ran += complete(r, io_uring_cqe_get_data(cqes[i]), cqes[i]->res);
		io_uring_cq_advance(&r->ring, n);
	}
	return ran;
}

/* The one system call of a round. */
static void enter(struct fsc_ur_ring *r, bool wait)
{
	int ret;

	if (wait)
		ret = io_uring_submit_and_wait(&r->ring, 1);
	else
		ret = io_uring_submit_and_get_events(&r->ring);
	/* Interrupted, or no memory, or completions not taken yet: what is left goes next time. */
	FSC_ASSERT(ret >= 0 || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY || ret == -ENOMEM);
}

static int take_round(struct fsc_ur_ring *r, bool wait)
{
	bool sleeps;

	arm_wake(r);
	start_waiting(r);
	/* Without a wake in the ring nobody could end the sleep. */
	sleeps = wait && r->wake_armed && fall_asleep(r);
	enter(r, sleeps);
	wake_up(r);
	return reap(r);
}

/* The calling thread is the one that the ring belongs to from here on. liburing 2.3 declares a
 * function for this and forgets to export it. */
static int enable(struct io_uring *ring)
{
	return (int)syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS,
			    NULL, 0) < 0 ? -errno : 0;
}

/* --- Our own thread -------------------------------------------------------------------------- */

static void become_driver(struct fsc_ur_ring *r)
{
	r->driver = pthread_self();
	fsc_store_release(&r->driven, 1);
}

static bool all_done(struct fsc_ur_ring *r)
{
	return fsc_load_acquire(&r->stop) && !r->in_flight && !r->backlog &&
	       fsc_ur_inbox_empty(&r->inbox);
}

static void *service(void *arg)
{
	struct fsc_ur_ring *r = arg;
	int err = enable(&r->ring);

	if (!err) {
		io_uring_register_ring_fd(&r->ring); /* saves a look-up per call; may fail */
		become_driver(r);
	}
	fsc_store_release(&r->start_state, err ? 2 : 1);
	fsc_waitq_wake_all(&r->started);
	if (err)
		return NULL;
	while (!all_done(r))
		take_round(r, true);
	io_uring_queue_exit(&r->ring);
	return NULL;
}

static bool has_started(void *arg)
{
	return fsc_load_acquire(arg);
}

static int start_service(struct fsc_ur_ring *r)
{
	pthread_t thread;
	int err = fsc_thread_start(&thread, "fsc-uring", service, r);

	if (err)
		return err;
	fsc_waitq_wait(&r->started, has_started, &r->start_state);
	if (fsc_load_acquire(&r->start_state) == 1)
		return 0;
	pthread_join(thread, NULL);
	return -EPERM;
}

/* --- The client's loop ----------------------------------------------------------------------- */

/*
 * What the client polls is readable when one of two eventfds is: the one by which others wake us,
 * and one that the ring writes to when there are completions. Polling the ring's own descriptor is
 * no good: with deferred task work nobody is woken there, and without it the client's thread would
 * see -EINTR from calls that no signal came to.
 */
int fsc_ur_ring_fd(struct fsc_ur_ring *r)
{
	if (!r->loop)
		return -EINVAL;
	fsc_store_release(&r->polled, 1);
	if (fsc_load_acquire(&r->driven))
		write_wake_fd(r); /* for a dispatch that begins to watch */
	return r->poll_fd;
}

static void begin_dispatch(struct fsc_ur_ring *r)
{
	uint64_t count;

	r->dispatching = true;
	r->nudged = false;
	wake_up(r);
	if (r->watched) {
		/* Before the completions are taken: those that come after make it readable. */
		if (read(r->cq_fd, &count, sizeof(count)) < 0)
			return; /* there were none */
	} else if (fsc_load_acquire(&r->polled)) {
		r->watched = !io_uring_register_eventfd(&r->ring, r->cq_fd);
	}
}

/* Leave the descriptor readable if there is something to dispatch. Here no completions are taken
 * out of the kernel's hands, so that it still tells of them. */
static void leave_readable(struct fsc_ur_ring *r)
{
	while (io_uring_sq_ready(&r->ring) || (r->backlog && has_room(r))) {
		arm_wake(r);
		start_waiting(r);
		if (io_uring_submit(&r->ring) <= 0)
			break;
	}
	if (!fall_asleep(r) || io_uring_sq_ready(&r->ring) || io_uring_cq_ready(&r->ring))
		wake_driver(r);
}

/* Who never polls comes back by itself, and needs no system call to be told to. */
static void end_dispatch(struct fsc_ur_ring *r)
{
	if (fsc_load_acquire(&r->polled))
		leave_readable(r);
	r->dispatching = false;
}

int fsc_ur_ring_dispatch(struct fsc_ur_ring *r, bool wait)
{
	int ran, err;

	if (!r->loop)
		return -EINVAL;
	if (!fsc_load_acquire(&r->driven)) {
		err = enable(&r->ring);
		if (err)
			return err;
		become_driver(r);
	}
	if (!pthread_equal(r->driver, pthread_self()) || r->dispatching)
		return -EINVAL;
	begin_dispatch(r);
	do {
		ran = take_round(r, wait);
	} while (wait && !ran);
	end_dispatch(r);
	return ran;
}

/* --- Opening and closing --------------------------------------------------------------------- */

static int setup(struct io_uring *ring, unsigned int depth)
{
	/* The best first. Disabled: the thread that enables it is the one that it belongs to. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN,
		0,
	};
	int err = -EINVAL;
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]) && err == -EINVAL; i++)
		err = io_uring_queue_init(depth, ring, flags[i] | IORING_SETUP_R_DISABLED |
						       IORING_SETUP_CLAMP);
	return err;
}

static int open_fds(struct fsc_ur_ring *r)
{
	struct epoll_event event = { .events = EPOLLIN };

	r->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (r->wake_fd < 0)
		return -errno;
	if (!r->loop)
		return 0;
	r->cq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->cq_fd < 0 || r->poll_fd < 0 ||
	    epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, r->wake_fd, &event) ||
	    epoll_ctl(r->poll_fd, EPOLL_CTL_ADD, r->cq_fd, &event))
		return -errno;
	return 0;
}

static void close_fds(struct fsc_ur_ring *r)
{
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	if (r->cq_fd >= 0)
		close(r->cq_fd);
	if (r->poll_fd >= 0)
		close(r->poll_fd);
}

static void free_ring(struct fsc_ur_ring *r)
{
	close_fds(r);
	fsc_waitq_destroy(&r->started);
	free(r);
}

struct fsc_ur_ring *fsc_ur_ring_open(const struct fsc_uring_params *params, int *err)
{
	struct fsc_ur_ring *r = calloc(1, sizeof(*r));

	*err = -ENOMEM;
	if (!r)
		return NULL;
	r->loop = params->drive == FSC_URING_LOOP;
	r->wake_fd = -1;
	r->cq_fd = -1;
	r->poll_fd = -1;
	r->asleep = 1; /* until somebody drives */
	fsc_waitq_init(&r->started);
	*err = setup(&r->ring, params->depth ? params->depth : DEFAULT_DEPTH);
	if (*err) {
		free_ring(r);
		return NULL;
	}
	r->most_in_flight = *r->ring.cq.kring_entries - 1;
	*err = open_fds(r);
	if (!*err && !r->loop)
		*err = start_service(r);
	if (!*err)
		return r;
	io_uring_queue_exit(&r->ring);
	free_ring(r);
	return NULL;
}

void fsc_ur_ring_close(struct fsc_ur_ring *r)
{
	fsc_store_release(&r->stop, 1);
	if (r->loop) {
		io_uring_queue_exit(&r->ring);
	} else {
		wake_driver(r);
		pthread_join(r->driver, NULL);
	}
	free_ring(r);
}

/* The thread is not here, and the ring is the parent's: only its descriptors are closed. */
void fsc_ur_ring_abandon(struct fsc_ur_ring *r)
{
	close(r->ring.ring_fd);
	close_fds(r);
	free(r);
}
