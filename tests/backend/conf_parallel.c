// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * conf_parallel.c - conformance: ops that overlap, on one directory and on one file.
 */
#include "conf_int.h"

#define G FSC_GRANULE_SIZE
#define JOBS 8
#define ROUNDS 10

struct job {
	struct fsc_work work; /* first */
	struct conf *c;
	unsigned int nr;
	struct fsc_file *file; /* shared by all */
	unsigned int won;
};

/* Run @fn for JOBS jobs at once, as far as the platform has threads, and wait for all. */
static void run_jobs(struct conf *c, struct job *jobs, void (*fn)(struct fsc_work *w))
{
	struct fsc_workq *q = fsc_workq_create("conformance");

	if (!CHECK(c, q))
		return;
	for (unsigned int i = 0; i < JOBS; i++) {
		jobs[i].c = c;
		jobs[i].nr = i;
		fsc_work_init(&jobs[i].work, fn);
		fsc_work_queue(q, &jobs[i].work, 0);
	}
	fsc_workq_destroy(q);
}

static void job_name(char *name, unsigned int nr, unsigned int round)
{
	name[0] = (char)('a' + nr);
	name[1] = (char)('0' + round);
	name[2] = '\0';
}

/* One name's life, with a byte of its own in the contents and the xattr. */
static void live_once(struct conf *c, const char *name, uint8_t mark)
{
	struct fsc_file *file = NULL, *again = NULL;
	uint8_t value[2] = { 0, 0 };

	if (!CHECK_EQ(c, c->ops->tmpfile(c->dir, 0, &file), 0))
		return;
	conf_write_pattern(c, file, 0, 2 * G, mark);
	CHECK_EQ(c, c->ops->xattr_set(file, CONF_XATTR, &mark, 1), 0);
	CHECK_EQ(c, c->ops->commit(file, c->dir, name), 0);
	if (CHECK_EQ(c, c->ops->file_open(c->dir, name, &again), 0)) {
		CHECK_EQ(c, c->ops->xattr_get(again, CONF_XATTR, value, sizeof(value)), 1);
		CHECK_EQ(c, value[0], mark);
		CHECK(c, conf_reads_pattern(c, again, 0, 2 * G, mark));
		c->ops->file_close(again);
	}
	if (mark % 2)
		CHECK_EQ(c, c->ops->unlink(c->dir, name, file), 0);
	c->ops->file_close(file);
}

static void live_job(struct fsc_work *w)
{
	struct job *j = (struct job *)w;
	char name[4];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		job_name(name, j->nr, round);
		live_once(j->c, name, (uint8_t)(j->nr * ROUNDS + round));
	}
}

static void names_live_side_by_side(struct conf *c)
{
	struct job jobs[JOBS] = { { .c = c } };
	char name[256];
	uint64_t pos = 0;
	unsigned int n = 0;

	run_jobs(c, jobs, live_job);
	while (c->ops->dir_next(c->dir, &pos, name, sizeof(name)) == 1) {
		CHECK_EQ(c, ((unsigned int)(name[0] - 'a') * ROUNDS +
			     (unsigned int)(name[1] - '0')) % 2, 0);
		n++;
	}
	CHECK_EQ(c, n, JOBS * ROUNDS / 2);
}

static void race_job(struct fsc_work *w)
{
	struct job *j = (struct job *)w;
	struct conf *c = j->c;
	char name[4];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct fsc_file *file = NULL;
		int err;

		if (!CHECK_EQ(c, c->ops->tmpfile(c->dir, 0, &file), 0))
			return;
		job_name(name, 0, round);
		err = c->ops->commit(file, c->dir, name);
		CHECK(c, !err || err == -EEXIST);
		j->won += !err;
		c->ops->file_close(file);
	}
}

static void one_of_many_gets_a_name(struct conf *c)
{
	struct job jobs[JOBS] = { { .c = c } };
	unsigned int won = 0;

	run_jobs(c, jobs, race_job);
	for (unsigned int i = 0; i < JOBS; i++)
		won += jobs[i].won;
	CHECK_EQ(c, won, ROUNDS);
}

static void remove_job(struct fsc_work *w)
{
	struct job *j = (struct job *)w;
	struct conf *c = j->c;
	char name[4];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		int err;

		job_name(name, 0, round);
		err = c->ops->unlink(c->dir, name, NULL);
		CHECK(c, !err || err == -ENOENT);
		j->won += !err;
	}
}

static void a_name_is_removed_once(struct conf *c)
{
	struct job jobs[JOBS] = { { .c = c } };
	unsigned int won = 0;
	char name[4];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		job_name(name, 0, round);
		conf_close(c, conf_file(c, c->dir, name, 0));
	}
	run_jobs(c, jobs, remove_job);
	for (unsigned int i = 0; i < JOBS; i++)
		won += jobs[i].won;
	CHECK_EQ(c, won, ROUNDS);
}

static void mkdir_job(struct fsc_work *w)
{
	struct job *j = (struct job *)w;
	struct conf *c = j->c;
	char name[4];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct fsc_dir *dir = NULL;

		job_name(name, 0, round);
		if (CHECK_EQ(c, c->ops->dir_open(c->be, c->dir, name, true, &dir), 0))
			c->ops->dir_close(dir);
	}
}

static void all_get_the_directory_that_one_made(struct conf *c)
{
	struct job jobs[JOBS] = { { .c = c } };

	run_jobs(c, jobs, mkdir_job);
}

/* Each in its part of one file, in its own thread, while xattrs and holes come and go. */
static void share_job(struct fsc_work *w)
{
	struct job *j = (struct job *)w;
	struct conf *c = j->c;
	uint64_t pos = (uint64_t)j->nr * 16 * G;
	uint8_t *mem = fsc_io_alloc(16 * G);
	uint32_t flags = j->nr % 2 ? FSC_IO_MAY_BLOCK : 0;
	struct fsc_stat st;

	if (!CHECK(c, mem))
		return;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		conf_fill(mem, pos, 16 * G, (uint8_t)round);
		CHECK_EQ(c, conf_move(c, j->file, pos, mem, 16 * G, flags, true), 16 * G);
		CHECK_EQ(c, c->ops->xattr_set(j->file, CONF_XATTR, mem, 100), 0);
		CHECK_EQ(c, c->ops->punch(j->file, pos + 4 * G, 4 * G), 0);
		CHECK_EQ(c, c->ops->stat(j->file, &st), 0);
		CHECK_EQ(c, conf_move(c, j->file, pos, mem, 16 * G, flags, false), 16 * G);
		CHECK(c, conf_is_pattern(mem, pos, 4 * G, (uint8_t)round));
		CHECK(c, conf_is_zero(mem + 4 * G, 4 * G));
		CHECK(c, conf_is_pattern(mem + 8 * G, pos + 8 * G, 8 * G, (uint8_t)round));
		if (round % 4 == 3)
			CHECK_EQ(c, c->ops->sync(j->file, round % 8 == 3), 0);
	}
	fsc_io_free(mem, 16 * G);
}

static void one_file_serves_many(struct conf *c)
{
	struct job jobs[JOBS] = { { .c = c } };
	struct fsc_file *file = conf_file(c, c->dir, "f", JOBS * 16 * G);

	if (!file)
		return;
	for (unsigned int i = 0; i < JOBS; i++)
		jobs[i].file = file;
	run_jobs(c, jobs, share_job);
}

const struct conf_test conf_parallel_tests[] = {
	{ "names_live_side_by_side", names_live_side_by_side },
	{ "one_of_many_gets_a_name", one_of_many_gets_a_name },
	{ "a_name_is_removed_once", a_name_is_removed_once },
	{ "all_get_the_directory_that_one_made", all_get_the_directory_that_one_made },
	{ "one_file_serves_many", one_file_serves_many },
	{ NULL, NULL },
};
