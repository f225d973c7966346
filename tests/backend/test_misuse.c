/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * test_misuse.c - what a client may get wrong: mistakes that would crash or hang later end the
 * program with a line that names them, and arguments that mean nothing are refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fscache/fscache.h>

#include "uring_room.h"

#define SIZE 8192

static const struct fsc_blob none;

struct client {
	struct fsc_backend *be;
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	struct fsc_cookie *cookie;
};

static int try_volume(struct client *c, struct fsc_blob key, struct fsc_blob coherency,
		      uint32_t flags)
{
	struct fsc_volume *vol;

	return fsc_volume_acquire(c->cache, key, coherency, flags, &vol);
}

static void open_client(struct client *c, const char *path)
{
	const struct fsc_cookie_params params = { .key = { "file", 4 }, .size = SIZE };

	assert_int_equal(fsc_uring_open(path, NULL, &c->be), 0);
	assert_int_equal(fsc_cache_open(c->be, NULL, &c->cache), 0);
	assert_int_equal(
		fsc_volume_acquire(c->cache, (struct fsc_blob){ "vol", 3 }, none, 0, &c->vol), 0);
	assert_int_equal(fsc_cookie_acquire(c->vol, &params, &c->cookie), 0);
	fsc_cookie_use_wait(c->cookie, true);
}

static void close_client(struct client *c)
{
	fsc_cookie_unuse(c->cookie);
	fsc_cookie_relinquish(c->cookie, false);
	fsc_volume_relinquish(c->vol, false);
	fsc_cache_close(c->cache);
}

/* --- Mistakes that end the program ------------------------------------------------------------ */

static void in_child(struct room *r, void (*fn)(struct client *c), int to)
{
	struct client c;

	dup2(to, STDERR_FILENO);
	alarm(60); /* what hangs has named nothing */
	open_client(&c, r->path);
	fn(&c);
	_exit(0);
}

/* @fn ends the program with a line that has @text in it. */
static void names_itself(struct room *r, void (*fn)(struct client *c), const char *text)
{
	char said[4096];
	size_t len = 0;
	ssize_t n;
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	child = fork();
	if (child == 0)
		in_child(r, fn, fds[1]);
	assert_true(child > 0);
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* (A sanitizer may turn the signal into an exit.) */
	if (!strstr(said, "fscache: bug: ") || !strstr(said, text) ||
	    (WIFEXITED(status) && !WEXITSTATUS(status)))
		fail_msg("not \"%s\", status %#x, but: %s", text, (unsigned int)status, said);
}

static const struct fsc_netfs_ops no_ops;

static char buf[SIZE] __attribute__((aligned(4096)));

static struct fsc_read a_read(struct client *c, const struct fsc_netfs_ops *ops)
{
	return (struct fsc_read){
		.cookie = c->cookie, .ops = ops, .file_size = SIZE, .buf = buf, .len = SIZE,
	};
}

static struct fsc_write a_write(struct client *c, const struct fsc_netfs_ops *ops)
{
	return (struct fsc_write){
		.cookie = c->cookie, .ops = ops, .file_size = SIZE, .buf = buf, .len = SIZE,
	};
}

static void gives_up_a_volume_in_use(struct client *c)
{
	fsc_volume_relinquish(c->vol, false);
}

static void closes_a_cache_with_a_volume(struct client *c)
{
	fsc_cache_close(c->cache);
}

static void closes_the_backend_of_a_cache(struct client *c)
{
	fsc_uring_close(c->be);
}

static void gives_back_twice(struct client *c)
{
	fsc_cookie_unuse(c->cookie);
	fsc_cookie_unuse(c->cookie);
}

static void reads_without_a_table(struct client *c)
{
	struct fsc_read read = a_read(c, NULL);

	fsc_read_wait(&read);
}

static void reads_without_an_end(struct client *c)
{
	struct fsc_read read = a_read(c, &no_ops);

	fsc_read_start(&read);
}

static void misses_without_a_server(struct client *c)
{
	struct fsc_read read = a_read(c, &no_ops);

	fsc_read_wait(&read);
}

static void misses_uncached_without_a_server(struct client *c)
{
	struct fsc_read read = a_read(c, &no_ops);

	read.cookie = NULL;
	fsc_read_wait(&read);
}

static void writes_without_a_table(struct client *c)
{
	struct fsc_write write = a_write(c, NULL);

	fsc_write_wait(&write);
}

static void writes_without_an_end(struct client *c)
{
	struct fsc_write write = a_write(c, &no_ops);

	fsc_write_start(&write);
}

static void writes_without_a_server(struct client *c)
{
	struct fsc_write write = a_write(c, &no_ops);

	fsc_write_wait(&write);
}

static void test_mistakes_name_themselves(void **state)
{
	static const struct {
		void (*fn)(struct client *c);
		const char *text;
	} cases[] = {
		{ gives_up_a_volume_in_use, "cookies_still_held" },
		{ closes_a_cache_with_a_volume, "volumes" },
		{ closes_the_backend_of_a_cache, "cache_is_open" },
		{ gives_back_twice, "uses > 0" },
		{ reads_without_a_table, "read->ops" },
		{ reads_without_an_end, "read_done" },
		{ misses_without_a_server, "issue_read" },
		{ misses_uncached_without_a_server, "issue_read" },
		{ writes_without_a_table, "write->ops" },
		{ writes_without_an_end, "write_done" },
		{ writes_without_a_server, "issue_write" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		names_itself(*state, cases[i].fn, cases[i].text);
}

/* --- What is refused -------------------------------------------------------------------------- */

static void test_null_is_refused_where_it_means_nothing(void **state)
{
	const struct fsc_blob lengthy = { NULL, 5 };
	struct fsc_cookie_params params = { .key = lengthy, .size = SIZE };
	struct fsc_cookie *cookie;
	struct fsc_cache *cache;
	struct room *r = *state;
	struct client c;

	fsc_uring_close(NULL);
	assert_int_equal(fsc_uring_fd(NULL), -EINVAL);
	assert_int_equal(fsc_uring_dispatch(NULL, false), -EINVAL);
	assert_int_equal(fsc_cache_open(NULL, NULL, &cache), -EINVAL);
	open_client(&c, r->path);
	assert_int_equal(try_volume(&c, lengthy, none, 0), -EINVAL);
	assert_int_equal(try_volume(&c, (struct fsc_blob){ "v", 1 }, lengthy, 0), -EINVAL);
	assert_int_equal(fsc_cookie_acquire(c.vol, &params, &cookie), -EINVAL);
	params.key = (struct fsc_blob){ "k", 1 };
	params.coherency = lengthy;
	assert_int_equal(fsc_cookie_acquire(c.vol, &params, &cookie), -EINVAL);
	assert_int_equal(fsc_cookie_acquire(c.vol, NULL, &cookie), -EINVAL);
	close_client(&c);
}

static void test_what_nobody_knows_is_refused(void **state)
{
	static const struct fsc_uring_params bad[] = {
		{ .drive = (enum fsc_uring_drive)2 }, { .drive = (enum fsc_uring_drive)9 },
		{ .depth = 4 }, { .depth = 100 }, { .depth = 8192 }, { .depth = 1u << 30 },
		{ .depth = 100, .no_uring = true },
	};
	static const uint32_t bad_flags[] = { 4, 0x80, 1u << 31, FSC_READ_LEND | 4,
					      FSC_READ_LEND | FSC_READ_PREFETCH };
	const struct fsc_cache_params params = { .at_least = (enum fsc_fs_kind)3 };
	struct room *r = *state;
	struct fsc_cache *cache;
	struct fsc_write write;
	struct fsc_read read;
	struct client c;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fsc_uring_open(r->path, &bad[i], &c.be), -EINVAL);
	assert_int_equal(fsc_uring_open(NULL, NULL, &c.be), -EINVAL);
	assert_int_equal(fsc_uring_open(r->path, NULL, &c.be), 0);
	assert_int_equal(fsc_cache_open(c.be, &params, &cache), -EINVAL);
	fsc_uring_close(c.be);

	open_client(&c, r->path);
	assert_int_equal(try_volume(&c, (struct fsc_blob){ "v", 1 }, none, 0x80), -EINVAL);
	for (i = 0; i < sizeof(bad_flags) / sizeof(bad_flags[0]); i++) {
		read = a_read(&c, &no_ops);
		read.flags = bad_flags[i];
		assert_int_equal(fsc_read_wait(&read), -EINVAL);
		write = a_write(&c, &no_ops);
		write.flags = bad_flags[i] | 2;
		assert_int_equal(fsc_write_wait(&write), -EINVAL);
	}
	close_client(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ROOM_TEST(test_mistakes_name_themselves),
		ROOM_TEST(test_null_is_refused_where_it_means_nothing),
		ROOM_TEST(test_what_nobody_knows_is_refused),
	};

	if (!room_can_be_had())
		return 77;
	return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
