// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_cached.c - server reads and writes for the library, through a protocol that answers when the
 * test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "cached.h"

static struct {
	struct asked {
		struct netfs_io *io;
		char how; /* 'r' or 'w' */
	} asked[8]; /* is_asked was posted once for each */
	unsigned int nr;
	struct netfs_io *cancelled;
	sem_t is_asked, closing;
	atomic_bool answered;
} server;

static size_t a_read_max(struct netfs_file *file)
{
	(void)file;
	return 1000;
}

static size_t a_write_max(struct netfs_file *file)
{
	(void)file;
	return 100;
}

static void ask(struct netfs_io *io, char how)
{
	server.asked[server.nr++] = (struct asked){ io, how };
	sem_post(&server.is_asked);
}

static void ask_read(struct netfs_io *io)
{
	ask(io, 'r');
}

static void ask_write(struct netfs_io *io)
{
	ask(io, 'w');
}

static void cancel(struct netfs_io *io)
{
	server.cancelled = io;
	io->done(io, -ECANCELED); /* inside, as a protocol may that hasn't sent it yet */
}

static const struct netfs_ops netfs_ops = {
	.read_max = a_read_max,
	.write_max = a_write_max,
	.read = ask_read,
	.write = ask_write,
	.cancel = cancel,
};

static struct netfs fs = { .ops = &netfs_ops };
static struct netfs_node node = { .fs = &fs, .refs = 1 };
static struct netfs_file file = { .node = &node };

static void done(struct fsc_read *read, int64_t ret)
{
	*(int64_t *)read->buf = ret;
}

static const struct fsc_netfs_ops ops = { CACHED_NETFS_OPS, .read_done = done };

static int setup(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	sem_init(&server.is_asked, 0, 0);
	sem_init(&server.closing, 0, 0);
	return 0;
}

static void *answer_after_close_began(void *arg)
{
	(void)arg;
	sem_wait(&server.closing);
	atomic_store(&server.answered, true);
	server.asked[0].io->done(server.asked[0].io, 8);
	return NULL;
}

static void close_while_it_is_read(void)
{
	_Alignas(8) char buf[8];
	struct cached_file cf;
	struct fsc_read read = {
		.ops = &ops, .netfs = &cf, .pos = 16, .file_size = 100, .buf = buf, .len = 8,
	};
	pthread_t thread;

	cached_file_init(&cf, &file);
	fsc_read_start(&read);
	assert_int_equal(server.asked[0].how, 'r');
	assert_ptr_equal(server.asked[0].io->file, &file);
	assert_ptr_equal(server.asked[0].io->buf, buf);
	assert_int_equal(server.asked[0].io->pos, 16);
	assert_int_equal(server.asked[0].io->len, 8);
	pthread_create(&thread, NULL, answer_after_close_began, NULL);
	sem_post(&server.closing);
	cached_file_fini(&cf);
	assert_true(atomic_load(&server.answered));
	pthread_join(thread, NULL);
	assert_int_equal(*(int64_t *)(void *)buf, 8);
}

/* More than once, as the answer may be the quicker one. */
static void a_file_is_closed_when_all_is_answered(void **state)
{
	for (int i = 0; i < 50; i++) {
		setup(state);
		close_while_it_is_read();
	}
}

static void limits_are_those_of_the_protocol(void **state)
{
	struct cached_file cf;
	struct fsc_read read = { .netfs = &cf };
	struct fsc_write write = { .netfs = &cf };

	(void)state;
	cached_file_init(&cf, &file);
	assert_int_equal(cached_read_max(&read), 1000);
	assert_int_equal(cached_write_max(&write), 100);
	cached_file_fini(&cf);
}

static void a_read_that_is_cancelled_ends(void **state)
{
	_Alignas(8) char buf[8];
	struct cached_file cf;
	struct fsc_read read = {
		.ops = &ops, .netfs = &cf, .file_size = 100, .buf = buf, .len = 8,
	};

	(void)state;
	cached_file_init(&cf, &file);
	fsc_read_start(&read);
	fsc_read_cancel(&read);
	assert_ptr_equal(server.cancelled, server.asked[0].io);
	assert_int_equal(*(int64_t *)(void *)buf, -ECANCELED);
	cached_file_fini(&cf);
}

/* Each piece, the last one short: which is asked for again. */
static void *answer_writes(void *arg)
{
	uint64_t *sent = arg;

	for (unsigned int i = 0; i < 4; i++) {
		struct netfs_io *io;

		sem_wait(&server.is_asked);
		io = server.asked[i].io;
		if (server.asked[i].how == 'w' && io->file == &file)
			*sent += io->pos;
		io->done(io, i == 2 ? 20 : (int64_t)io->len);
	}
	return NULL;
}

static void a_write_goes_to_the_server(void **state)
{
	char buf[250] = { 0 };
	struct cached_file cf;
	struct fsc_write write = {
		.ops = &ops, .netfs = &cf, .pos = 1000, .file_size = 5000, .buf = buf, .len = 250,
	};
	pthread_t thread;
	uint64_t sent = 0;

	(void)state;
	cached_file_init(&cf, &file);
	pthread_create(&thread, NULL, answer_writes, &sent);
	assert_int_equal(fsc_write_wait(&write), 250);
	pthread_join(thread, NULL);
	/* In pieces of write_max, and the rest of one. */
	assert_int_equal(sent, 1000 + 1100 + 1200 + 1220);
	cached_file_fini(&cf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_file_is_closed_when_all_is_answered, setup),
		cmocka_unit_test_setup(limits_are_those_of_the_protocol, setup),
		cmocka_unit_test_setup(a_read_that_is_cancelled_ends, setup),
		cmocka_unit_test_setup(a_write_goes_to_the_server, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
