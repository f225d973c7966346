// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_fixture.c - the netfs table of 9P on a real server, and what tests of it need.
 */
#include "nine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct nine_fixture t;
const struct netfs_ops *const ops = &nine_ops;

int nine_main(int argc, char **argv)
{
	const char *why = argc == 2 ? realserver_begin(&t.server, argv[1]) : "which server?";

	if (why)
		printf("SKIP: %s: %s\n", argc == 2 ? argv[1] : argv[0], why);
	return why != NULL;
}

int nine_end(void **state)
{
	(void)state;
	realserver_end(&t.server);
	return 0;
}

static int connect_nine(uint32_t timeout_ms)
{
	const struct nine_options opt = { .server = t.server.address, .aname = t.server.export,
					  .uname = "root" };
	const struct netfs_params params = { .reconnect = true, .timeout_ms = timeout_ms };
	char why[256];
	int err = nine_connect(&opt, &params, &t.fs, why, sizeof(why));

	if (err)
		print_error("%s\n", why);
	return err;
}

static int connect_to_folder(uint32_t timeout_ms)
{
	struct netfs_attr attr;
	struct netfs_node *top;
	int err = connect_nine(timeout_ms);

	if (!err)
		err = ops->root(t.fs, &top, &attr);
	if (!err) {
		err = ops->lookup(top, t.folder, &t.root, &attr);
		netfs_node_put(top);
	}
	return err;
}

void nine_reconnect_with(uint32_t timeout_ms)
{
	netfs_node_put(t.root);
	ops->disconnect(t.fs);
	assert_int_equal(connect_to_folder(timeout_ms), 0);
}

/* In a folder of its own, as ganesha remembers what was removed behind its back. */
int nine_setup(void **state)
{
	static unsigned int nr;

	(void)state;
	realserver_continue(&t.server); /* a test that failed may have left it so */
	snprintf(t.folder, sizeof(t.folder), "test-%u", nr++);
	if (mkdir(local(""), 0755) || (!t.server.pid && realserver_start(&t.server)))
		return -1;
	return connect_to_folder(10000);
}

int nine_teardown(void **state)
{
	(void)state;
	netfs_node_put(t.root);
	ops->disconnect(t.fs);
	return 0;
}

const char *local(const char *name)
{
	static char paths[4][512];
	static unsigned int i;
	char *path = paths[i++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s/%s", t.server.export, t.folder, name);
	return path;
}

void local_write(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(local(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

struct netfs_node *look(struct netfs_node *dir, const char *name, struct netfs_attr *attr)
{
	struct netfs_node *n = NULL;

	assert_int_equal(ops->lookup(dir, name, &n, attr), 0);
	assert_non_null(n);
	return n;
}

static void transfer_done(struct netfs_io *io, int64_t result)
{
	struct transfer *x = (struct transfer *)io;

	x->times++;
	x->result = result;
	sem_post(&x->done);
}

void transfer_start(struct transfer *x, struct netfs_file *f, uint64_t pos, void *buf, size_t len,
		    bool writes)
{
	memset(x, 0, sizeof(*x));
	sem_init(&x->done, 0, 0);
	x->io = (struct netfs_io){ .file = f, .pos = pos, .buf = buf, .len = len,
				   .done = transfer_done };
	if (writes)
		ops->write(&x->io);
	else
		ops->read(&x->io);
}

int64_t transfer_end(struct transfer *x)
{
	while (sem_wait(&x->done))
		;
	assert_int_equal(x->times, 1);
	return x->result;
}

int64_t transfer_wait(struct netfs_file *f, uint64_t pos, void *buf, size_t len, bool writes)
{
	struct transfer x;

	transfer_start(&x, f, pos, buf, len, writes);
	return transfer_end(&x);
}
