/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * test_uring_io.c - transfers of the io_uring backend: many at once, from many threads, and its two
 * ways of being driven, each with io_uring and without.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fscache/env.h>

#include "uring_room.h"

#define GRANULES 64u

struct transfer {
	struct fsc_io io;
	struct crowd *crowd;
	uint8_t *mem;
	int64_t expected;
	unsigned int left; /* how often it starts itself again */
};

struct crowd {
	const struct fsc_backend_ops *ops;
	struct fsc_waitq event;
	struct fsc_mutex lock;
	uint32_t wrong;   /* atomic */
	uint32_t running; /* under lock */
	pthread_t driver;
	bool on_driver;   /* completions must be on @driver */
};

static void read_done(struct fsc_io *io, int64_t res)
{
	struct transfer *t = (struct transfer *)((char *)io - offsetof(struct transfer, io));
	struct crowd *c = t->crowd;

	if (res != t->expected || (res > 0 && t->mem[0] != (uint8_t)(io->pos / FSC_GRANULE_SIZE)))
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
	if (c->on_driver && !pthread_equal(pthread_self(), c->driver))
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
	if (t->left--) {
		c->ops->read(io);
		return;
	}
	fsc_mutex_lock(&c->lock);
	c->running--;
	fsc_waitq_wake_all(&c->event);
	fsc_mutex_unlock(&c->lock);
}

static bool crowd_is_gone(void *arg)
{
	struct crowd *c = arg;
	bool gone;

	fsc_mutex_lock(&c->lock);
	gone = !c->running;
	fsc_mutex_unlock(&c->lock);
	return gone;
}

static void crowd_init(struct crowd *c, const struct fsc_backend_ops *ops)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	fsc_waitq_init(&c->event);
	fsc_mutex_init(&c->lock, "crowd");
}

static void crowd_end(struct crowd *c)
{
	assert_int_equal(c->wrong, 0);
	fsc_waitq_destroy(&c->event);
	fsc_mutex_destroy(&c->lock);
}

static void start_transfer(struct crowd *c, struct transfer *t, struct fsc_file *file,
			   unsigned int granule, unsigned int again)
{
	t->crowd = c;
	t->expected = granule < GRANULES ? FSC_GRANULE_SIZE : 0;
	t->left = again;
	t->io = (struct fsc_io){
		.file = file,
		.pos = (uint64_t)granule * FSC_GRANULE_SIZE,
		.buf = { .mem = t->mem, .len = FSC_GRANULE_SIZE, .kind = FSC_BUF_MEM },
		.done = read_done,
	};
	fsc_mutex_lock(&c->lock);
	c->running++;
	fsc_mutex_unlock(&c->lock);
	c->ops->read(&t->io);
}

/* Each granule of it is full of its number. */
static struct fsc_file *make_numbered_file(struct room *r)
{
	struct fsc_file *file = room_file(r, "Dnumbers", GRANULES * FSC_GRANULE_SIZE);
	uint8_t *mem = fsc_io_alloc(FSC_GRANULE_SIZE);
	int fd = open(room_path(r, "Dnumbers"), O_RDWR);
	unsigned int i;

	assert_non_null(mem);
	for (i = 0; i < GRANULES; i++) {
		memset(mem, (int)i, FSC_GRANULE_SIZE);
		assert_int_equal(pwrite(fd, mem, FSC_GRANULE_SIZE, (off_t)i * FSC_GRANULE_SIZE),
				 FSC_GRANULE_SIZE);
	}
	assert_int_equal(fsync(fd), 0);
	close(fd);
	fsc_io_free(mem, FSC_GRANULE_SIZE);
	return file;
}

static struct transfer *make_transfers(unsigned int n)
{
	struct transfer *t = calloc(n, sizeof(*t));
	unsigned int i;

	assert_non_null(t);
	for (i = 0; i < n; i++) {
		t[i].mem = fsc_io_alloc(FSC_GRANULE_SIZE);
		assert_non_null(t[i].mem);
	}
	return t;
}

static void free_transfers(struct transfer *t, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		fsc_io_free(t[i].mem, FSC_GRANULE_SIZE);
	free(t);
}

/* More than ring, queue and completions hold, from several threads and from completions. */
#define PER_THREAD 500u

struct starter {
	struct crowd *crowd;
	struct fsc_file *file;
	struct transfer *transfers;
};

static void *start_many(void *arg)
{
	struct starter *s = arg;
	unsigned int i;

	for (i = 0; i < PER_THREAD; i++)
		start_transfer(s->crowd, &s->transfers[i], s->file, i % (GRANULES + 4), i % 3);
	return NULL;
}

static void run_crowd(struct room *r, const struct fsc_uring_params *params)
{
	struct transfer *transfers = make_transfers(3 * PER_THREAD);
	struct starter starters[3];
	pthread_t threads[3];
	struct fsc_file *file;
	struct crowd c;
	int i;

	room_open(r, params);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	for (i = 0; i < 3; i++) {
		starters[i] = (struct starter){ &c, file, transfers + i * (int)PER_THREAD };
		assert_int_equal(pthread_create(&threads[i], NULL, start_many, &starters[i]), 0);
	}
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	fsc_waitq_wait(&c.event, crowd_is_gone, &c);
	crowd_end(&c);
	r->be->ops->file_close(file);
	room_close(r);
	free_transfers(transfers, 3 * PER_THREAD);
}

static void test_more_transfers_than_the_ring_holds(void **state)
{
	struct fsc_uring_params small = { .depth = 8 };

	run_crowd(*state, &small);
}

static void test_many_transfers_without_io_uring(void **state)
{
	struct fsc_uring_params none = { .no_uring = true };

	run_crowd(*state, &none);
}

/*
 * One after the other, past the end, where there is no disk to wait for: each is started a moment
 * after the one before has ended, while the ring's thread is about to fall asleep.
 */
static void test_the_rings_thread_never_sleeps_on_work(void **state)
{
	struct room *r = *state;
	struct transfer *t = make_transfers(1);
	struct fsc_file *file;
	struct crowd c;
	volatile int delay;
	int i;

	room_open(r, NULL);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	for (i = 0; i < 20000; i++) {
		start_transfer(&c, t, file, GRANULES, 0);
		for (delay = 0; !crowd_is_gone(&c); delay++)
			if (delay > 1000) /* there may be only one processor */
				sched_yield();
		for (delay = i % 256; delay; delay--)
			;
	}
	crowd_end(&c);
	r->be->ops->file_close(file);
	room_close(r);
	free_transfers(t, 1);
}

static void test_a_transfer_that_may_block_is_done_at_once(void **state)
{
	struct room *r = *state;
	struct transfer *t = make_transfers(1);
	struct fsc_file *file;
	struct crowd c;

	room_open(r, NULL);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	t->crowd = &c;
	t->expected = FSC_GRANULE_SIZE;
	t->io = (struct fsc_io){
		.file = file,
		.pos = 7 * FSC_GRANULE_SIZE,
		.buf = { .mem = t->mem, .len = FSC_GRANULE_SIZE, .kind = FSC_BUF_MEM },
		.flags = FSC_IO_MAY_BLOCK,
		.done = read_done,
	};
	c.running = 1;
	r->be->ops->read(&t->io);
	assert_int_equal(c.running, 0);
	crowd_end(&c);
	r->be->ops->file_close(file);
	room_close(r);
	free_transfers(t, 1);
}

/* --- Driven by a loop ------------------------------------------------------------------------ */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void *dispatch_elsewhere(void *arg)
{
	return (void *)(intptr_t)fsc_uring_dispatch(arg, false);
}

/* It may be readable once too often, never for good. */
static bool falls_quiet(struct room *r, int fd)
{
	int i;

	for (i = 0; i < 3 && readable(fd, 0); i++)
		assert_int_equal(fsc_uring_dispatch(r->be, false), 0);
	return !readable(fd, 0);
}

/* Poll and dispatch as a client's loop does, until all of the crowd has ended. */
static int poll_and_dispatch(struct room *r, struct crowd *c, int fd)
{
	int ran = 0, n;

	while (!crowd_is_gone(c)) {
		assert_true(readable(fd, 60000));
		n = fsc_uring_dispatch(r->be, false);
		assert_true(n >= 0);
		ran += n;
	}
	return ran;
}

static void run_loop(struct room *r, bool no_uring)
{
	struct fsc_uring_params params = { .drive = FSC_URING_LOOP, .depth = 8 };
	struct transfer *t = make_transfers(200);
	struct fsc_file *file;
	pthread_t other;
	struct crowd c;
	void *ret;
	int fd, i, round;

	params.no_uring = no_uring;
	room_open(r, &params);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	c.driver = pthread_self();
	c.on_driver = true;
	fd = fsc_uring_fd(r->be);
	assert_true(fd >= 0);
	assert_false(readable(fd, 0));

	/* Before anybody drives. */
	start_transfer(&c, &t[0], file, 3, 0);
	assert_true(readable(fd, 60000));
	assert_int_equal(poll_and_dispatch(r, &c, fd), 1);
	assert_true(falls_quiet(r, fd));
	assert_int_equal(fsc_uring_dispatch(r->be, false), 0);

	assert_int_equal(pthread_create(&other, NULL, dispatch_elsewhere, r->be), 0);
	pthread_join(other, &ret);
	assert_int_equal((intptr_t)ret, -EINVAL);

	/* From the loop itself, more than fit; some go on from their completions. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 200; i++)
			start_transfer(&c, &t[i], file, (unsigned int)i % GRANULES, i % 4);
		assert_int_equal(poll_and_dispatch(r, &c, fd), 200 + 50 * (1 + 2 + 3));
		assert_true(falls_quiet(r, fd));
	}

	/* Waiting without a poll. */
	start_transfer(&c, &t[0], file, 9, 2);
	for (i = 0; i < 3;) {
		int ran = fsc_uring_dispatch(r->be, true);

		assert_true(ran > 0);
		i += ran;
	}
	assert_int_equal(i, 3);
	crowd_end(&c);
	r->be->ops->file_close(file);
	room_close(r);
	free_transfers(t, 200);
}

static void test_a_loop_drives_the_ring(void **state)
{
	run_loop(*state, false);
}

static void test_a_loop_gets_completions_without_io_uring(void **state)
{
	run_loop(*state, true);
}

static void *start_from_afar(void *arg)
{
	struct starter *s = arg;
	unsigned int i;

	for (i = 0; i < PER_THREAD; i++) {
		start_transfer(s->crowd, &s->transfers[i], s->file, i % GRANULES, 0);
		if (i % 16 == 0) /* let the loop fall asleep in between */
			fsc_waitq_wait(&s->crowd->event, crowd_is_gone, s->crowd);
	}
	fsc_waitq_wait(&s->crowd->event, crowd_is_gone, s->crowd);
	return NULL;
}

static void other_threads_hand_over(struct room *r, bool polls, bool no_uring)
{
	struct fsc_uring_params params = { .drive = FSC_URING_LOOP, .no_uring = no_uring };
	struct transfer *t = make_transfers(PER_THREAD);
	struct starter s = { .transfers = t };
	unsigned int ran = 0;
	pthread_t other;
	struct crowd c;
	int n;

	room_open(r, &params);
	s.file = make_numbered_file(r);
	s.crowd = &c;
	crowd_init(&c, r->be->ops);
	c.driver = pthread_self();
	c.on_driver = true;
	assert_int_equal(fsc_uring_dispatch(r->be, false), 0);
	assert_int_equal(pthread_create(&other, NULL, start_from_afar, &s), 0);
	while (ran < PER_THREAD) {
		if (polls)
			assert_true(readable(fsc_uring_fd(r->be), 60000));
		n = fsc_uring_dispatch(r->be, !polls);
		assert_true(n >= !polls);
		ran += (unsigned int)n;
	}
	pthread_join(other, NULL);
	crowd_end(&c);
	r->be->ops->file_close(s.file);
	room_close(r);
	free_transfers(t, PER_THREAD);
}

static void test_other_threads_wake_a_loop_that_waits(void **state)
{
	other_threads_hand_over(*state, false, false);
}

static void test_other_threads_wake_a_loop_that_polls(void **state)
{
	other_threads_hand_over(*state, true, false);
}

static void test_a_loop_without_io_uring_waits(void **state)
{
	other_threads_hand_over(*state, false, true);
}

static void test_a_loop_without_io_uring_polls(void **state)
{
	other_threads_hand_over(*state, true, true);
}

static void test_a_threaded_backend_has_no_descriptor(void **state)
{
	struct room *r = *state;

	room_open(r, NULL);
	assert_int_equal(fsc_uring_fd(r->be), -EINVAL);
	assert_int_equal(fsc_uring_dispatch(r->be, false), -EINVAL);
	room_close(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ROOM_TEST(test_more_transfers_than_the_ring_holds),
		ROOM_TEST(test_many_transfers_without_io_uring),
		ROOM_TEST(test_the_rings_thread_never_sleeps_on_work),
		ROOM_TEST(test_a_transfer_that_may_block_is_done_at_once),
		ROOM_TEST(test_a_loop_drives_the_ring),
		ROOM_TEST(test_a_loop_gets_completions_without_io_uring),
		ROOM_TEST(test_other_threads_wake_a_loop_that_waits),
		ROOM_TEST(test_other_threads_wake_a_loop_that_polls),
		ROOM_TEST(test_a_loop_without_io_uring_waits),
		ROOM_TEST(test_a_loop_without_io_uring_polls),
		ROOM_TEST(test_a_threaded_backend_has_no_descriptor),
	};

	if (!room_can_be_had())
		return 77;
	return cmocka_run_group_tests_name("uring-io", tests, NULL, NULL);
}
