/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * nine_fixture.h - the netfs table of 9P on a real server, and what tests of it need.
 */
#ifndef TESTS_9P_NINE_FIXTURE_H
#define TESTS_9P_NINE_FIXTURE_H

#include <dirent.h>
#include <semaphore.h>

#include "nine.h"
#include "realserver.h"

/* Of the running test. */
struct nine_fixture {
	struct realserver server;
	struct netfs *fs;
	struct netfs_node *root; /* an empty folder of the test's */
	char folder[32];         /* its name */
};

extern struct nine_fixture t;
extern const struct netfs_ops *const ops;

/* From argv the server's kind. 0, or it was said why there is none. */
int nine_main(int argc, char **argv);
int nine_end(void **state);
/* Each test has an empty folder, and a connection of its own that comes back. */
int nine_setup(void **state);
int nine_teardown(void **state);
/* Begin the test anew with another time-out. */
void nine_reconnect_with(uint32_t timeout_ms);
#define nine_test(fn) cmocka_unit_test_setup_teardown(fn, nine_setup, nine_teardown)

/* The path of @name in the test's folder, as the server's own filesystem has it. In one of a few
 * static buffers. */
const char *local(const char *name);
void local_write(const char *name, const void *data, size_t len);

/* Look up what must be there. */
struct netfs_node *look(struct netfs_node *dir, const char *name, struct netfs_attr *attr);

/* A transfer that tells when it is done, and how often. */
struct transfer {
	struct netfs_io io;
	sem_t done;
	int times;
	int64_t result;
};

void transfer_start(struct transfer *x, struct netfs_file *f, uint64_t pos, void *buf, size_t len,
		    bool writes);
int64_t transfer_end(struct transfer *x);
int64_t transfer_wait(struct netfs_file *f, uint64_t pos, void *buf, size_t len, bool writes);

#endif
