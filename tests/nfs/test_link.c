// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_link.c - servers that end, hang, come back, or were never there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define TIMEOUT_MS 3000
/* How much later an error may come than it should, on a busy machine. */
#define LATE_MS 4000
#define READS 256
#define READ_SIZE 16384

static struct netfs *fs;
static struct netfs_node *root;

static void connect_world(bool reconnect, uint32_t timeout_ms)
{
	struct netfs_attr attr;
	char why[256];

	assert_int_equal(world_connect(reconnect, timeout_ms, &fs, why, sizeof(why)), 0);
	assert_int_equal(fs->ops->root(fs, &root, &attr), 0);
}

static void disconnect_world(void)
{
	netfs_node_put(root);
	fs->ops->disconnect(fs);
}

/* --- Many reads ------------------------------------------------------------------------------- */

struct many {
	struct netfs_io io;
	int64_t result;
	char buf[READ_SIZE];
};

static struct many many[READS];
static atomic_uint left;

static void many_done(struct netfs_io *io, int64_t result)
{
	((struct many *)io)->result = result;
	atomic_fetch_sub(&left, 1);
}

static struct netfs_file *start_many(void)
{
	struct netfs_node *node;
	struct netfs_file *file;
	struct netfs_attr attr;

	world_make_random("many", READS * READ_SIZE);
	assert_int_equal(fs->ops->lookup(root, "many", &node, &attr), 0);
	assert_int_equal(fs->ops->open(node, O_RDONLY, &file), 0);
	netfs_node_put(node);
	atomic_store(&left, READS);
	for (size_t i = 0; i < READS; i++) {
		many[i].io = (struct netfs_io){ .file = file,
						.pos = i * READ_SIZE,
						.buf = many[i].buf,
						.len = READ_SIZE,
						.done = many_done };
		fs->ops->read(&many[i].io);
	}
	return file;
}

static void wait_for_many(void)
{
	for (int i = 0; i < 3000 && atomic_load(&left); i++)
		usleep(10000);
	assert_int_equal(atomic_load(&left), 0);
}

static void check_many(void)
{
	static char want[READ_SIZE];
	int fd = open(world_path("many"), O_RDONLY);

	for (size_t i = 0; i < READS; i++) {
		assert_int_equal(many[i].result, READ_SIZE);
		assert_int_equal(pread(fd, want, READ_SIZE, (off_t)(i * READ_SIZE)), READ_SIZE);
		assert_memory_equal(many[i].buf, want, READ_SIZE);
	}
	close(fd);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_nobody(void **state)
{
	struct netfs *none;
	char why[256] = "";

	(void)state;
	assert_int_equal(world_connect_to(9, false, 0, &none, why, sizeof(why)), -ECONNREFUSED);
	assert_true(*why);
	world_server_start();
	setenv("NFS_EXPORT", "/not there", 1);
	assert_true(world_connect(false, 0, &none, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "not there"));
	setenv("NFS_EXPORT", world_version == 3 ? world_path("") : "/exp//", 1);
	world_version = 7 - world_version;
	assert_int_equal(world_connect(false, 0, &none, why, sizeof(why)), -EPROTONOSUPPORT);
	world_version = 7 - world_version;
	connect_world(false, 0);
	disconnect_world();
	world_server_kill();
}

/* Without reconnect it is over, at once and for good. */
static void test_killed(void **state)
{
	struct netfs_attr attr;
	struct netfs_file *file;
	const char *text = NULL;

	(void)state;
	world_server_start();
	connect_world(false, 0);
	assert_int_equal(fs->ops->error(fs, &text), 0);
	assert_null(text);
	file = start_many();
	world_server_kill();
	wait_for_many();
	for (size_t i = 0; i < READS; i++)
		assert_true(many[i].result == READ_SIZE || many[i].result < 0);
	assert_true(fs->ops->getattr(root, NULL, &attr) < 0);
	assert_true(fs->ops->error(fs, &text) < 0);
	assert_true(text && *text);
	world_server_start();
	assert_true(fs->ops->getattr(root, NULL, &attr) < 0);
	fs->ops->close(file);
	disconnect_world();
	world_server_kill();
}

/* With it, what waits doesn't notice; handles outlive the server. */
static void test_restarted(void **state)
{
	struct netfs_counters counters;
	struct netfs_attr attr;
	struct netfs_file *file;
	struct netfs_node *node;
	char byte = 'x';

	(void)state;
	world_server_start();
	connect_world(true, 60000);
	file = start_many();
	world_server_kill();
	world_server_start();
	wait_for_many();
	check_many();
	assert_int_equal(fs->ops->error(fs, NULL), 0);
	fs->ops->counters(fs, &counters);
	assert_true(counters.reconnects >= 1);
	assert_true(counters.bytes_sent && counters.bytes_received > READS * READ_SIZE);
	fs->ops->close(file);
	/* What was never sent isn't lost either, be it said once only. */
	world_server_kill();
	world_server_start();
	assert_int_equal(
		fs->ops->create(root, "after", O_RDWR | O_EXCL, 0600, NULL, &node, &attr, &file),
		0);
	assert_int_equal(world_write(file, 0, &byte, 1), 1);
	world_server_kill();
	world_server_start();
	assert_int_equal(world_read(file, 0, &byte, 1), 1);
	assert_int_equal(fs->ops->getattr(node, file, &attr), 0);
	assert_int_equal(attr.st.st_size, 1);
	fs->ops->close(file);
	netfs_node_put(node);
	assert_int_equal(fs->ops->create(root, "and again", O_RDWR | O_EXCL, 0600, NULL, &node,
					 &attr, &file),
			 0);
	fs->ops->close(file);
	netfs_node_put(node);
	disconnect_world();
	world_server_kill();
}

static void fails_in_time(int err, int other)
{
	uint64_t begun = world_ms();
	struct netfs_attr attr;
	int got = fs->ops->getattr(root, NULL, &attr);

	assert_true(got == err || got == other);
	assert_in_range(world_ms() - begun, TIMEOUT_MS - 100, TIMEOUT_MS + LATE_MS);
}

static void test_gone_for_long(void **state)
{
	struct netfs_attr attr;

	(void)state;
	world_server_start();
	connect_world(true, TIMEOUT_MS);
	world_server_kill();
	fails_in_time(-ECONNREFUSED, -ETIMEDOUT);
	fails_in_time(-ECONNREFUSED, -ETIMEDOUT);
	assert_true(fs->ops->error(fs, NULL) < 0);
	world_server_start();
	assert_int_equal(fs->ops->getattr(root, NULL, &attr), 0);
	assert_int_equal(fs->ops->error(fs, NULL), 0);
	disconnect_world();
	world_server_kill();
}

static void test_frozen(void **state)
{
	struct netfs_attr attr;

	(void)state;
	world_server_start();
	connect_world(true, TIMEOUT_MS);
	world_server_freeze(true);
	fails_in_time(-ETIMEDOUT, -ETIMEDOUT);
	world_server_freeze(false);
	assert_int_equal(fs->ops->getattr(root, NULL, &attr), 0);
	disconnect_world();
	world_server_kill();
}

static void *call_blocks(void *arg)
{
	struct netfs_attr attr;

	*(int *)arg = fs->ops->getattr(root, NULL, &attr);
	return NULL;
}

static void test_abort(void **state)
{
	struct netfs_attr attr;
	struct netfs_file *file;
	pthread_t thread;
	uint64_t begun;
	int result;

	(void)state;
	world_server_start();
	connect_world(true, 60000);
	file = start_many();
	wait_for_many();
	world_server_freeze(true);
	atomic_store(&left, READS);
	for (size_t i = 0; i < READS; i++)
		fs->ops->read(&many[i].io);
	pthread_create(&thread, NULL, call_blocks, &result);
	begun = world_ms();
	fs->ops->abort(fs);
	pthread_join(thread, NULL);
	wait_for_many();
	assert_in_range(world_ms() - begun, 0, LATE_MS);
	assert_int_equal(result, -ECANCELED);
	for (size_t i = 0; i < READS; i++)
		assert_int_equal(many[i].result, -ECANCELED);
	assert_int_equal(fs->ops->getattr(root, NULL, &attr), -ECANCELED);
	world_server_freeze(false);
	fs->ops->close(file);
	disconnect_world();
	world_server_kill();
}

/* What was sent ends too, before its answer, and nothing is written to its buffer later. */
static void test_cancel_sent(void **state)
{
	struct netfs_attr attr;
	struct netfs_file *file;

	(void)state;
	world_server_start();
	connect_world(true, 60000);
	file = start_many();
	wait_for_many();
	check_many();
	world_server_freeze(true);
	atomic_store(&left, READS);
	for (size_t i = 0; i < READS; i++) {
		memset(many[i].buf, 0x5a, READ_SIZE);
		fs->ops->read(&many[i].io);
	}
	/* So that some are on their way to the server. */
	usleep(200000);
	for (size_t i = 0; i < READS; i++)
		fs->ops->cancel(&many[i].io);
	wait_for_many();
	world_server_freeze(false);
	assert_int_equal(fs->ops->getattr(root, NULL, &attr), 0);
	for (size_t i = 0; i < READS; i++) {
		assert_int_equal(many[i].result, -ECANCELED);
		for (size_t j = 0; j < READ_SIZE; j++)
			assert_int_equal(many[i].buf[j], 0x5a);
	}
	fs->ops->close(file);
	disconnect_world();
	world_server_kill();
}

/* Requests whose starters are gone don't keep others from being sent for ever. */
static void test_cancelled_in_the_way(void **state)
{
	struct netfs_counters counters;
	struct netfs_attr attr;
	struct netfs_file *file;

	(void)state;
	world_server_start();
	connect_world(true, TIMEOUT_MS);
	file = start_many();
	wait_for_many();
	world_server_freeze(true);
	atomic_store(&left, READS);
	for (size_t i = 0; i < READS; i++)
		fs->ops->read(&many[i].io);
	usleep(200000);
	for (size_t i = 0; i < READS; i++)
		fs->ops->cancel(&many[i].io);
	wait_for_many();
	fails_in_time(-ETIMEDOUT, -ETIMEDOUT);
	world_server_freeze(false);
	assert_int_equal(fs->ops->getattr(root, NULL, &attr), 0);
	fs->ops->counters(fs, &counters);
	assert_int_equal(counters.reconnects, 1);
	fs->ops->close(file);
	disconnect_world();
	world_server_kill();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),	    cmocka_unit_test(test_killed),
		cmocka_unit_test(test_restarted),   cmocka_unit_test(test_gone_for_long),
		cmocka_unit_test(test_frozen),	    cmocka_unit_test(test_abort),
		cmocka_unit_test(test_cancel_sent), cmocka_unit_test(test_cancelled_in_the_way),
	};

	if (!world_found()) {
		puts("SKIP: to be run by in_world.sh");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
