/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * uring_room.h - a folder of its own for each test of the io_uring backend, and files in it.
 *
 * Under $TMPDIR, whose filesystem must have user xattrs.
 */
#ifndef FSC_TEST_URING_ROOM_H
#define FSC_TEST_URING_ROOM_H

/* What cmocka.h wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fscache/backend.h>
#include <fscache/uring.h>

struct room {
	char path[2048];
	struct fsc_backend *be;
	struct fsc_dir *root;
};

int room_make(void **state);
int room_remove(void **state);
/* False: this filesystem can't be a cache, so there is nothing to test. */
bool room_can_be_had(void);

void room_open(struct room *r, const struct fsc_uring_params *params);
void room_close(struct room *r);
/* The path of a name in it, until the next call. */
const char *room_path(const struct room *r, const char *name);
/* A file of @size with a name. */
struct fsc_file *room_file(struct room *r, const char *name, uint64_t size);

#define ROOM_TEST(fn) cmocka_unit_test_setup_teardown(fn, room_make, room_remove)

#endif
