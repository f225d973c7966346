// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_nine_again.c - the netfs table of 9P when the connection dies: cut while the server lives
 * on, with the server, or hanging with it. What is under way then ends in time and with the right
 * bytes or an error, and what comes later finds its way.
 *
 *	test_nine_again diod|ganesha
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "nine_fixture.h"

enum { SIZE = 400000 };

static uint8_t wanted[SIZE];

static void make_file(const char *name)
{
	for (size_t i = 0; i < SIZE; i++)
		wanted[i] = (uint8_t)(i * 13 + (i >> 8) * 7);
	local_write(name, wanted, SIZE);
}

/* As if the network had: the server lives. */
static void cut(void)
{
	struct nine *fs = nine_of(t.fs);

	pthread_mutex_lock(&fs->lock);
	shutdown(atomic_load(&fs->link)->client->sock, SHUT_RDWR);
	pthread_mutex_unlock(&fs->lock);
}

/* So that what follows is known to be on another connection. */
static void cut_and_wait(void)
{
	const char *text;

	cut();
	while (!ops->error(t.fs, &text))
		sched_yield();
	assert_non_null(text);
}

static uint64_t reconnects(void)
{
	struct netfs_counters n;

	ops->counters(t.fs, &n);
	return n.reconnects;
}

static struct netfs_file *open_file(const char *name, int flags, struct netfs_node **n)
{
	struct netfs_attr attr;
	struct netfs_file *f;

	*n = look(t.root, name, &attr);
	assert_int_equal(ops->open(*n, flags, &f), 0);
	return f;
}

static void close_file(struct netfs_file *f, struct netfs_node *n)
{
	assert_int_equal(ops->close(f), 0);
	netfs_node_put(n);
}

static void expect_read(struct netfs_file *f, uint64_t pos)
{
	uint8_t got[1000];

	assert_int_equal(transfer_wait(f, pos, got, sizeof(got), false), sizeof(got));
	assert_memory_equal(got, wanted + pos, sizeof(got));
}

/* ---- the connection is cut ---- */

static void nodes_and_files_find_their_way(void **state)
{
	struct netfs_node *n, *dir, *sub, *made;
	struct netfs_file *f;
	struct netfs_attr attr;

	(void)state;
	make_file("file");
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	assert_int_equal(mkdir(local("dir/sub"), 0755), 0);
	f = open_file("file", O_RDWR, &n);
	dir = look(t.root, "dir", &attr);
	sub = look(dir, "sub", &attr);
	cut_and_wait();
	assert_int_equal(ops->getattr(sub, NULL, &attr), 0);
	assert_true(S_ISDIR(attr.st.st_mode));
	assert_int_equal(reconnects(), 1);
	assert_int_equal(ops->error(t.fs, NULL), 0);
	expect_read(f, 5000);
	cut_and_wait();
	expect_read(f, 100000);
	cut_and_wait();
	/* what must not be done twice is done once, and on the connection that is had then */
	assert_int_equal(ops->mkdir(sub, "new", 0755, NULL, &made, &attr), 0);
	netfs_node_put(made);
	cut_and_wait();
	assert_int_equal(ops->rename(sub, "new", NULL, dir, "newer", NULL, 0), 0);
	assert_int_equal(access(local("dir/newer"), F_OK), 0);
	assert_int_equal(reconnects(), 4);
	netfs_node_put(sub);
	netfs_node_put(dir);
	close_file(f, n);
}

static void what_is_in_flight_ends_well(void **state)
{
	enum { MANY = 100, EACH = 4000 };
	static struct transfer x[MANY];
	static uint8_t got[MANY][EACH];
	struct netfs_node *n, *m;
	struct netfs_file *f, *g;
	FILE *file;

	(void)state;
	make_file("file");
	local_write("copy", "", 0);
	f = open_file("file", O_RDONLY, &n);
	g = open_file("copy", O_RDWR, &m);
	for (int i = 0; i < MANY; i++) {
		transfer_start(&x[i], f, (uint64_t)i * EACH, got[i], EACH, false);
		if (i % 50 == 25)
			cut();
	}
	for (int i = 0; i < MANY; i++)
		assert_int_equal(transfer_end(&x[i]), EACH);
	assert_memory_equal(got, wanted, SIZE);
	for (int i = 0; i < MANY; i++) {
		transfer_start(&x[i], g, (uint64_t)i * EACH, wanted + i * EACH, EACH, true);
		if (i % 50 == 25)
			cut();
	}
	for (int i = 0; i < MANY; i++)
		assert_int_equal(transfer_end(&x[i]), EACH);
	file = fopen(local("copy"), "r");
	assert_int_equal(fread(got, 1, SIZE, file), SIZE);
	fclose(file);
	assert_memory_equal(got, wanted, SIZE);
	close_file(f, n);
	close_file(g, m);
}

static void what_was_not_made_safe_is_not_said_to_be(void **state)
{
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	local_write("file", "", 0);
	f = open_file("file", O_RDWR, &n);
	assert_int_equal(transfer_wait(f, 0, (void *)"bytes", 5, true), 5);
	assert_int_equal(ops->fsync(f, false), 0);
	cut_and_wait();
	assert_int_equal(ops->fsync(f, false), 0); /* nothing was left to lose */
	assert_int_equal(transfer_wait(f, 0, (void *)"bytes", 5, true), 5);
	cut_and_wait();
	assert_int_equal(ops->fsync(f, false), -EIO);
	assert_int_equal(ops->fsync(f, false), 0);
	close_file(f, n);
}

static int64_t local_size(const char *name)
{
	struct stat st;

	return stat(local(name), &st) ? -1 : st.st_size;
}

static void a_file_that_is_another_one_by_then_is_not_opened(void **state)
{
	struct netfs_node *n, *dir, *below;
	struct netfs_file *f;
	struct netfs_attr attr;
	uint8_t got[10];

	(void)state;
	make_file("file");
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	local_write("dir/below", "x", 1);
	f = open_file("file", O_RDONLY, &n);
	dir = look(t.root, "dir", &attr);
	below = look(dir, "below", &attr);
	local_write("other", "not the same", 12);
	assert_int_equal(rename(local("other"), local("file")), 0);
	assert_int_equal(rename(local("dir"), local("elsewhere")), 0);
	cut_and_wait();
	assert_int_equal(transfer_wait(f, 0, got, sizeof(got), false), -ESTALE);
	assert_int_equal(ops->getattr(n, NULL, &attr), -ESTALE);
	assert_int_equal(ops->getattr(n, f, &attr), -ESTALE);
	assert_int_equal(ops->getattr(below, NULL, &attr), -ESTALE);
	attr.st.st_size = 0;
	assert_int_equal(ops->setattr(n, NULL, NETFS_SET_SIZE, &attr.st, NULL), -ESTALE);
	assert_int_equal(local_size("file"), 12);
	netfs_node_put(below);
	netfs_node_put(dir);
	close_file(f, n);
}

/* Servers that go by names open what has the name, whatever the fid was of. */
static void nor_is_it_without_a_new_connection(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	if (t.server.ganesha)
		skip();
	make_file("file");
	n = look(t.root, "file", &attr);
	local_write("other", "not the same", 12);
	assert_int_equal(rename(local("other"), local("file")), 0);
	assert_int_equal(ops->open(n, O_RDONLY, &f), -ESTALE);
	assert_int_equal(reconnects(), 0);
	netfs_node_put(n);
}

static void lost_locks_are_noticed(void **state)
{
	struct netfs_lock lock = { .type = F_WRLCK, .pid = 1, .owner = 1 };
	struct netfs_node *n;
	struct netfs_file *f;
	uint8_t got[10];

	(void)state;
	if (t.server.ganesha)
		skip();
	make_file("file");
	f = open_file("file", O_RDWR, &n);
	assert_int_equal(ops->lock(f, &lock), 0);
	cut_and_wait();
	assert_int_equal(transfer_wait(f, 0, got, sizeof(got), false), -EIO);
	lock.type = F_UNLCK;
	assert_int_equal(ops->lock(f, &lock), -EIO);
	close_file(f, n);
	f = open_file("file", O_RDWR, &n);
	expect_read(f, 0);
	close_file(f, n);
}

struct entries {
	unsigned int count, cut_at;
	bool seen[2000];
};

static int entry(void *arg, const struct netfs_dirent *e)
{
	struct entries *all = arg;
	unsigned int i;

	assert_int_equal(sscanf(e->name, "%u", &i), 1);
	assert_false(all->seen[i]);
	all->seen[i] = true;
	if (++all->count == all->cut_at)
		cut_and_wait();
	return 0;
}

static void a_directory_goes_on_where_it_was(void **state)
{
	struct entries all = { .cut_at = 500 };
	struct netfs_node *dir;
	struct netfs_file *f;
	char name[200];

	(void)state;
	assert_int_equal(mkdir(local("many"), 0755), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "many/%d-%0100d", i, 0);
		local_write(name, "", 0);
	}
	f = open_file("many", O_RDONLY | O_DIRECTORY, &dir);
	assert_int_equal(ops->readdir(f, 0, false, entry, &all), 0);
	assert_int_equal(all.count, 2000);
	close_file(f, dir);
}

/* ---- the server is gone, or hangs ---- */

static uint64_t now_ms(void)
{
	return p9_now_ms();
}

/* Until it goes well again; each attempt is short. */
static void expect_recovery(struct netfs_node *n)
{
	uint64_t until = now_ms() + 30000;
	struct netfs_attr attr;

	while (ops->getattr(n, NULL, &attr))
		assert_true(now_ms() < until);
}

static void a_dead_server_costs_an_error_at_once(void **state)
{
	uint64_t begin;
	struct netfs_attr attr;
	struct netfs_node *n, *made;
	struct netfs_file *f;
	uint8_t got[10];

	(void)state;
	make_file("file");
	f = open_file("file", O_RDONLY, &n);
	realserver_kill(&t.server);
	begin = now_ms();
	for (int i = 0; i < 200; i++) {
		assert_true(ops->getattr(n, NULL, &attr) < 0);
		assert_true(ops->lookup(t.root, "file", &made, &attr) < 0);
		assert_true(ops->mkdir(t.root, "x", 0755, NULL, &made, &attr) < 0);
		assert_true(transfer_wait(f, 0, got, sizeof(got), false) < 0);
	}
	assert_in_range(now_ms() - begin, 0, 3000);
	assert_true(ops->error(t.fs, NULL) < 0);
	assert_null(realserver_start(&t.server));
	expect_recovery(n);
	expect_read(f, 3000);
	assert_true(reconnects() >= 1);
	close_file(f, n);
}

static void a_server_that_comes_back_at_once_is_found(void **state)
{
	enum { MANY = 50, EACH = 8000 };
	static struct transfer x[MANY];
	static uint8_t got[MANY][EACH];
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	make_file("file");
	f = open_file("file", O_RDONLY, &n);
	for (int i = 0; i < MANY; i++)
		transfer_start(&x[i], f, (uint64_t)i * EACH, got[i], EACH, false);
	realserver_kill(&t.server);
	assert_null(realserver_start(&t.server));
	/* each has its bytes or an error, and all of them end */
	for (int i = 0; i < MANY; i++) {
		int64_t ret = transfer_end(&x[i]);

		assert_true(ret == EACH || ret < 0);
		if (ret > 0)
			assert_memory_equal(got[i], wanted + i * EACH, EACH);
	}
	expect_recovery(n);
	expect_read(f, 0);
	close_file(f, n);
}

/* Not mounted yet there, say: nothing is to be looked for in what is below. */
static void another_export_is_not_taken_for_ours(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n, *m;
	char away[128];

	(void)state;
	snprintf(away, sizeof(away), "%s-away", t.server.export);
	make_file("file");
	n = look(t.root, "file", &attr);
	realserver_kill(&t.server);
	assert_int_equal(rename(t.server.export, away), 0);
	assert_int_equal(mkdir(t.server.export, 0755), 0);
	assert_null(realserver_start(&t.server));
	/* in between the attempts the error of the last one, which may still be the dead
	 * server's */
	for (int err = 0; err != -ESTALE; )
		assert_true((err = ops->lookup(t.root, "file", &m, &attr)) < 0);
	assert_true(ops->error(t.fs, NULL) < 0);
	realserver_kill(&t.server);
	assert_int_equal(rmdir(t.server.export), 0);
	assert_int_equal(rename(away, t.server.export), 0);
	assert_null(realserver_start(&t.server));
	expect_recovery(n);
	netfs_node_put(n);
}

static void a_server_that_hangs_costs_a_time_out(void **state)
{
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;
	uint64_t begin;
	uint8_t got[10];

	(void)state;
	make_file("file");
	nine_reconnect_with(500);
	f = open_file("file", O_RDONLY, &n);
	realserver_stop(&t.server);
	begin = now_ms();
	assert_true(ops->getattr(n, NULL, &attr) < 0);
	assert_true(transfer_wait(f, 0, got, sizeof(got), false) < 0);
	for (int i = 0; i < 100; i++)
		assert_true(ops->getattr(n, NULL, &attr) < 0);
	assert_in_range(now_ms() - begin, 400, 6000);
	realserver_continue(&t.server);
	expect_recovery(n);
	expect_read(f, 7000);
	close_file(f, n);
}

static void what_is_given_up_ends(void **state)
{
	enum { MANY = 20 };
	static struct transfer x[MANY];
	static uint8_t got[MANY][10];
	struct netfs_attr attr;
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	make_file("file");
	f = open_file("file", O_RDONLY, &n);
	realserver_stop(&t.server);
	for (int i = 0; i < MANY; i++)
		transfer_start(&x[i], f, 0, got[i], sizeof(got[i]), false);
	ops->cancel(&x[3].io);
	ops->abort(t.fs);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(transfer_end(&x[i]), -ECANCELED);
	assert_int_equal(ops->getattr(n, NULL, &attr), -ECANCELED);
	assert_int_equal(transfer_wait(f, 0, got[0], sizeof(got[0]), false), -ECANCELED);
	realserver_continue(&t.server);
	close_file(f, n);
}

static void a_read_can_be_cancelled(void **state)
{
	enum { MANY = 300 }; /* more than there are tags */
	static struct transfer x[MANY];
	static uint8_t got[MANY][1000];
	struct netfs_node *n;
	struct netfs_file *f;

	(void)state;
	make_file("file");
	f = open_file("file", O_RDONLY, &n);
	realserver_stop(&t.server);
	for (int i = 0; i < MANY; i++)
		transfer_start(&x[i], f, 0, got[i], sizeof(got[i]), false);
	for (int i = 0; i < MANY; i++)
		if (i % 3)
			ops->cancel(&x[i].io);
	realserver_continue(&t.server);
	for (int i = 0; i < MANY; i++) {
		int64_t ret = transfer_end(&x[i]);

		assert_true(ret == 1000 || (i % 3 && ret == -ECANCELED));
		if (ret > 0)
			assert_memory_equal(got[i], wanted, 1000);
	}
	assert_int_equal(reconnects(), 0);
	close_file(f, n);
	ops->cancel(&x[0].io); /* too late, and no harm */
}

static void what_was_cancelled_is_not_begun_again(void **state)
{
	struct netfs_node *n;
	struct netfs_file *f;
	struct transfer x;
	uint8_t got[10];

	(void)state;
	make_file("file");
	f = open_file("file", O_RDONLY, &n);
	realserver_stop(&t.server);
	transfer_start(&x, f, 0, got, sizeof(got), false);
	ops->cancel(&x.io);
	cut();
	assert_int_equal(transfer_end(&x), -ECANCELED);
	realserver_continue(&t.server);
	expect_recovery(n);
	close_file(f, n);
}

/* ---- many threads, and connections that keep dying ---- */

enum { THREADS = 6, ROUNDS = 150, CUTS = 40 };

static atomic_uint unexpected, running;

static bool may_happen(int err)
{
	return err == -ECONNRESET || err == -ENOTCONN || err == -EPIPE || err == -ECONNREFUSED;
}

static void one_round(unsigned int *seed)
{
	uint64_t pos = (unsigned int)rand_r(seed) % (SIZE - 1000);
	struct netfs_node *n, *dir;
	struct netfs_attr attr;
	struct netfs_file *f;
	uint8_t got[1000];
	int64_t ret;
	int err = ops->lookup(t.root, "dir", &dir, &attr);

	if (err) {
		unexpected += !may_happen(err);
		return;
	}
	err = ops->lookup(dir, "file", &n, &attr);
	if (!err) {
		err = ops->open(n, O_RDONLY, &f);
		if (!err) {
			ret = transfer_wait(f, pos, got, sizeof(got), false);
			if (ret < 0)
				err = (int)ret;
			else
				unexpected += ret != 1000 || memcmp(got, wanted + pos, 1000);
			ops->close(f);
		}
		netfs_node_put(n);
	}
	netfs_node_put(dir);
	unexpected += err && !may_happen(err);
}

static void *many_rounds(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS; i++)
		one_round(&seed);
	running--;
	return NULL;
}

static void threads_survive_many_cuts(void **state)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(mkdir(local("dir"), 0755), 0);
	make_file("dir/file");
	unexpected = 0;
	running = THREADS;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, many_rounds, (void *)(i + 1));
	for (int i = 0; i < CUTS && running; i++) {
		cut();
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(unexpected, 0);
	assert_true(reconnects() > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		nine_test(nodes_and_files_find_their_way),
		nine_test(what_is_in_flight_ends_well),
		nine_test(what_was_not_made_safe_is_not_said_to_be),
		nine_test(a_file_that_is_another_one_by_then_is_not_opened),
		nine_test(nor_is_it_without_a_new_connection),
		nine_test(lost_locks_are_noticed),
		nine_test(a_directory_goes_on_where_it_was),
		nine_test(a_dead_server_costs_an_error_at_once),
		nine_test(a_server_that_comes_back_at_once_is_found),
		nine_test(another_export_is_not_taken_for_ours),
		nine_test(a_server_that_hangs_costs_a_time_out),
		nine_test(what_is_given_up_ends),
		nine_test(a_read_can_be_cancelled),
		nine_test(what_was_cancelled_is_not_begun_again),
		nine_test(threads_survive_many_cuts),
	};

	return nine_main(argc, argv) ? 77 : cmocka_run_group_tests(tests, NULL, nine_end);
}
