// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_hostile.c - a server whose answers are damaged on the way: a proxy changes words, cuts,
 * repeats, and splits them. Each call must still end in time, whatever it says. (A damaged byte of
 * a file is nothing that a client could notice.)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

#define PORT 20999
#define TIMEOUT_MS 200
#define LATE_MS 10000
#define ROUNDS 400
#define RECORD_MAX (2 << 20)

enum mode { HONEST, DAMAGED, ENDLESS };

static _Atomic enum mode mode;
static atomic_bool ending;

/* The proxy's and the client's, which are threads: each has a stream of its own. */
static uint64_t seed_given;
static _Thread_local uint64_t seed;

static uint32_t chance(uint32_t of)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % of;
}

/* --- The proxy -------------------------------------------------------------------------------- */

static bool put(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool get(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(fd, (char *)data + done, len - done, 0);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool put_fragment(int fd, const char *data, uint32_t len, bool last)
{
	uint32_t marker = htonl(len | (last ? 0x80000000 : 0));

	return put(fd, &marker, 4) && put(fd, data, len);
}

static void change_word(char *data, uint32_t len)
{
	static const uint32_t words[] = { 0,	      1,	  2,	      0xffffffff,
					  0x7fffffff, 0x80000000, 0x80000001, 0x10000000,
					  0xfffffffc, 70 };
	uint32_t pick = chance(14);
	uint32_t word = pick < 10 ? words[pick] : pick < 12 ? chance(70000) : chance(UINT32_MAX);

	if (len < 4)
		return;
	word = htonl(word);
	/* Mostly near the beginning, where the lengths are. */
	memcpy(data + 4 * chance((chance(4) && len > 400 ? 400 : len) / 4), &word, 4);
}

static bool put_damaged(int fd, char *data, uint32_t len)
{
	uint32_t part = chance(len + 1);

	switch (chance(12)) {
	case 0: /* cut */
		return put_fragment(fd, data, part, true);
	case 1: /* in two parts, which is allowed */
		return put_fragment(fd, data, part, false) &&
		       put_fragment(fd, data + part, len - part, true);
	case 2: /* twice */
		return put_fragment(fd, data, len, true) && put_fragment(fd, data, len, true);
	case 3: /* with more behind it */
		return put_fragment(fd, data, len, false) && put_fragment(fd, data, part, true);
	case 4:
		return chance(8) != 0 && put_fragment(fd, data, len, true);
	default:
		for (uint32_t n = 1 + chance(3); n; n--)
			change_word(data, len);
		return put_fragment(fd, data, len, true);
	}
}

/* Fragments, none of them the last, until nobody takes them any more. */
static bool put_endless(int fd, char *data)
{
	for (int i = 0; i < 1000; i++) {
		if (!put_fragment(fd, data, 1 << 20, false))
			return false;
	}
	return false;
}

static bool pass_record(int from, int to)
{
	static char data[RECORD_MAX];
	uint32_t marker;

	if (!get(from, &marker, 4))
		return false;
	marker = ntohl(marker) & 0x7fffffff;
	assert_in_range(marker, 0, RECORD_MAX);
	if (!get(from, data, marker))
		return false;
	if (mode == ENDLESS)
		return put_endless(to, data);
	if (mode == DAMAGED && chance(2))
		return put_damaged(to, data, marker);
	return put_fragment(to, data, marker, true);
}

static bool pass_bytes(int from, int to)
{
	char data[65536];
	ssize_t n = recv(from, data, sizeof(data), 0);

	return n > 0 && put(to, data, (size_t)n);
}

static void serve(int client)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(getenv("NFS_PORT"))),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
				 { .fd = server, .events = POLLIN } };
	bool goes_on = !connect(server, (struct sockaddr *)&to, sizeof(to));

	while (goes_on && !ending) {
		if (poll(fds, 2, 100) <= 0)
			continue;
		if (fds[0].revents)
			goes_on = pass_bytes(client, server);
		else
			goes_on = pass_record(server, client);
	}
	close(server);
	close(client);
}

static void *proxy(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd listening = { .fd = fd, .events = POLLIN };

	seed = ~seed_given;
	while (!ending) {
		if (poll(&listening, 1, 100) > 0)
			serve(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	}
	return NULL;
}

static int listen_for_clients(void)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

/* --- The client ------------------------------------------------------------------------------- */

static int nothing(void *arg, const struct netfs_dirent *entry)
{
	unsigned int *count = arg;

	return strlen(entry->name) > NETFS_NAME_MAX || ++*count == 5000;
}

static int list(struct netfs_node *root)
{
	struct netfs_file *file;
	unsigned int count = 0;
	int err = root->fs->ops->open(root, O_RDONLY | O_DIRECTORY, &file);

	if (err)
		return err;
	err = root->fs->ops->readdir(file, 0, true, nothing, &count);
	root->fs->ops->close(file);
	return err;
}

static int transfer(struct netfs_node *node, bool write)
{
	static char buf[100000];
	struct netfs_file *file;
	int64_t n;
	int err = node->fs->ops->open(node, write ? O_WRONLY : O_RDONLY, &file);

	if (err)
		return err;
	n = write ? world_write(file, 5, buf, 20000) : world_read(file, 0, buf, sizeof(buf));
	node->fs->ops->close(file);
	return n < 0 ? (int)n : 0;
}

static int make(struct netfs_node *root)
{
	const struct netfs_ops *ops = root->fs->ops;
	struct netfs_node *node;
	struct netfs_attr attr;
	struct netfs_file *file;
	int err = ops->create(root, "new", O_RDWR, 0600, NULL, &node, &attr, &file);

	if (!err) {
		ops->close(file);
		netfs_node_put(node);
		err = ops->unlink(root, "new", NULL);
	}
	return err;
}

static int look_up(struct netfs_node *root, const char *name)
{
	struct netfs_node *node;
	struct netfs_attr attr;
	int err = root->fs->ops->lookup(root, name, &node, &attr);

	if (!err)
		netfs_node_put(node);
	return err;
}

static int call_any(struct netfs_node *root, struct netfs_node *file, struct netfs_node *link)
{
	const struct netfs_ops *ops = root->fs->ops;
	struct stat st = { .st_mode = 0644 };
	struct netfs_attr attr;
	struct statvfs vfs;
	char target[4096];
	int err;

	switch (chance(10)) {
	case 0:
		return list(root);
	case 1:
		return transfer(file, false);
	case 2:
		return transfer(file, true);
	case 3:
		return make(root);
	case 4:
		return look_up(root, "file");
	case 5:
		err = ops->readlink(link, target, sizeof(target));
		return err < 0 ? err : 0;
	case 6:
		return ops->statfs(root, &vfs);
	case 7:
		return ops->setattr(file, NULL, NETFS_SET_MODE, &st, &attr);
	case 8:
		return ops->access(file, R_OK);
	default:
		return ops->getattr(file, NULL, &attr);
	}
}

static struct netfs_node *found(struct netfs_node *root, const char *name)
{
	struct netfs_node *node;
	struct netfs_attr attr;

	assert_int_equal(root->fs->ops->lookup(root, name, &node, &attr), 0);
	return node;
}

static struct netfs *through_proxy(struct netfs_node **root)
{
	struct netfs_attr attr;
	struct netfs *fs;
	char why[256];

	mode = HONEST;
	assert_int_equal(world_connect_to(PORT, true, TIMEOUT_MS, &fs, why, sizeof(why)), 0);
	assert_int_equal(fs->ops->root(fs, root, &attr), 0);
	return fs;
}

static void test_damaged(void **state)
{
	struct netfs_node *root, *file, *link;
	struct netfs *fs = through_proxy(&root);
	unsigned int good = 0, bad = 0;
	uint64_t begun;

	(void)state;
	file = found(root, "file");
	link = found(root, "link");
	for (int i = 0; i < ROUNDS; i++) {
		mode = DAMAGED;
		begun = world_ms();
		if (call_any(root, file, link) < 0)
			bad++;
		else
			good++;
		/* A few requests at most, each with its time-out. */
		assert_in_range(world_ms() - begun, 0, LATE_MS);
	}
	print_message("%u calls went well, %u failed\n", good, bad);
	assert_in_range(good, ROUNDS / 20, ROUNDS);
	assert_in_range(bad, ROUNDS / 20, ROUNDS);
	mode = HONEST;
	netfs_node_put(file);
	netfs_node_put(link);
	netfs_node_put(root);
	fs->ops->disconnect(fs);
}

static void test_endless(void **state)
{
	struct netfs_node *root;
	struct netfs *fs = through_proxy(&root);
	struct netfs_counters before, after;
	struct netfs_attr attr;

	(void)state;
	fs->ops->counters(fs, &before);
	mode = ENDLESS;
	assert_true(fs->ops->getattr(root, NULL, &attr) < 0);
	fs->ops->counters(fs, &after);
	/* It comes with each connection, and is taken so far and no further. */
	assert_in_range(after.bytes_received - before.bytes_received, 8 << 20, 256 << 20);
	mode = HONEST;
	netfs_node_put(root);
	fs->ops->disconnect(fs);
}

static int begin(void **state)
{
	static int fd;
	static pthread_t thread;

	world_server_start();
	world_make_random("file", 70000);
	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "entry-%d", i);
		world_make_file(name, "", 0);
	}
	assert_int_equal(symlink("somewhere", world_path("link")), 0);
	fd = listen_for_clients();
	seed_given = getenv("NFS_SEED") ? strtoull(getenv("NFS_SEED"), NULL, 0) : 1;
	print_message("NFS_SEED=%llu\n", (unsigned long long)seed_given);
	seed = seed_given;
	*state = &thread;
	return pthread_create(&thread, NULL, proxy, &fd);
}

static int finish(void **state)
{
	ending = true;
	pthread_join(*(pthread_t *)*state, NULL);
	world_server_kill();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_endless),
	};

	if (!world_found()) {
		puts("SKIP: to be run by in_world.sh");
		return 77;
	}
	return cmocka_run_group_tests(tests, begin, finish);
}
