/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fixture.h - what tests of the object level begin with: remote files whose every byte tells which
 * file, version and offset it is from, transfers that are waited for, and a look at what is on the
 * disk.
 *
 * The cache, its volume and the loop over seeds are those of tests/support (client.h).
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <stdlib.h>

#include <fscache/object.h>

#include "client.h"
#include "record.h"

#define K 4096ull

/* A remote file. Its key is made of the id, its coherency data of the version. */
#define REMOTE(nr, bytes) { .id = (nr), .version = 1, .size = (bytes), .real_size = (bytes) }

/* Bytes of a version of it; @pos is a multiple of 8. (Those of netfs.h are made one by one.) */
void remote_bytes(const struct netfs_file *file, uint32_t version, uint64_t pos, void *buf,
		  size_t len);

void remote_compare(const struct netfs_file *file, uint32_t version, uint64_t pos,
		    const uint8_t *have, size_t len); /* ends the run if they differ */

/* Two runs on one disk: what @first left when it called sim_kill() is what @second finds. */
void each_seed_killed(uint64_t seeds, void (*first)(struct world *w),
		      void (*second)(struct world *w));

/* --- Objects --------------------------------------------------------------------------------- */

struct fsc_object *obj_open(struct world *w, const struct netfs_file *file);
int obj_try(struct world *w, const struct netfs_file *file, struct fsc_object **out);
void obj_close(struct fsc_object *obj); /* to be kept as it is */
int obj_clear(struct fsc_object *obj, uint64_t pos, uint64_t len);
void obj_invalidate(struct fsc_object *obj, const struct netfs_file *file);
/* With new coherency data for all of it, or proven by those of @file as it is now. */
int obj_commit(struct fsc_object *obj, const struct netfs_file *file);
void obj_close_proven(struct fsc_object *obj, const struct netfs_file *file);

/* --- Transfers ------------------------------------------------------------------------------- */

/* One transfer with its own memory and pin; io_ functions below return what object.h says. */
struct xfer {
	struct fsc_gio gio;
	struct fsc_spin lock;
	struct fsc_waitq wait;
	bool over;
	int64_t ret;
	uint8_t *mem;
	size_t mem_len;
};

/* @len is rounded up to granules. Its change counter is sampled. */
struct xfer *xfer_new(struct fsc_gen *gen, uint64_t pos, uint64_t len);
void xfer_fill(struct xfer *x, const struct netfs_file *file); /* zeroes beyond its size */
int xfer_prepare(struct xfer *x);
void xfer_store(struct xfer *x);
void xfer_read(struct xfer *x);
int64_t xfer_wait(struct xfer *x);
void xfer_check(const struct xfer *x, const struct netfs_file *file); /* what a read has brought */
void xfer_free(struct xfer *x);

/* All at once, on the current generation. Store: bytes stored, in as many steps as it takes, or why
 * nothing was. Read: every byte is compared with the file as it is. */
int64_t store(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos, uint64_t len);
int64_t store_all(struct fsc_object *obj, const struct netfs_file *file);
int64_t read_check(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos,
		   uint64_t len);
/* A local write from prepare to answer, without changing @file: what was stored, or why nothing. */
int64_t local_write(struct fsc_object *obj, const struct netfs_file *file, uint64_t pos,
		    uint64_t len, bool keep);

/* --- What is there --------------------------------------------------------------------------- */

bool present(struct fsc_object *obj, uint64_t pos);
/* Every granule that is present has the bytes of the file as it is; how many those are. */
uint64_t check_present(struct fsc_object *obj, const struct netfs_file *file);

/* --- Beginnings ------------------------------------------------------------------------------ */

enum fsc_fs_kind any_kind(void);
/* A world with the file all present and saved, perhaps by an earlier use. */
struct fsc_object *full_object(struct world *w, const struct netfs_file *f);
void fill(struct world *w, const struct netfs_file *file); /* open, store all, close */
uint64_t found(struct world *w, const struct netfs_file *file); /* open, check, close: granules */

/* --- On the disk ----------------------------------------------------------------------------- */

/* Paths on the disk, good until the next call. */
const char *obj_path(const struct netfs_file *file);
const char *fanout_path(const struct netfs_file *file);

struct on_disk {
	bool exists;
	int len;         /* of the value, or a negative errno */
	struct fsc_record rec; /* decoded; points into value */
	struct fsc_slot_ref slot;
	bool in_slot;
	uint64_t present; /* granules declared */
	uint64_t ino, size;
	uint8_t value[65536];
};

/* What is stored under the file's name, whose record must be valid. Whatever an unmarked record
 * declares must be the bytes of that version of @file which has its coherency data. */
const struct on_disk *disk(struct world *w, const struct netfs_file *file);
/* The same without a look at the bytes; and the version that its label speaks of. */
const struct on_disk *disk_unchecked(struct world *w, const struct netfs_file *file);
uint32_t disk_version(const struct on_disk *d);
bool disk_declares(const struct on_disk *d, struct world *w, const struct netfs_file *file,
		   uint64_t granule);

/* The index of the first @op on @ino (0: any) in the log, from @from on; -1: there is none. */
int log_find(struct world *w, enum simstore_op op, uint64_t ino, int from);

/* All tests, or those whose names match the pattern in the environment's FSC_TEST. */
#define RUN_TESTS(tests) \
	(cmocka_set_test_filter(getenv("FSC_TEST")), cmocka_run_group_tests(tests, NULL, NULL))

#endif
