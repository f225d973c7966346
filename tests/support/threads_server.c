// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * threads_server.c - see threads_server.h.
 *
 * A file's bytes are its version's number, mixed with file and granule, in every byte of a granule:
 * so that reading costs the test little.
 */
#include "threads_server.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "late.h"

#define GRANULE 4096

static uint8_t byte_of(const struct server_file *file, uint32_t version, uint64_t pos)
{
	return (uint8_t)(version * 61 + file->id * 17 + pos / GRANULE * 29 + 1);
}

static uint32_t version_of(struct server_file *file)
{
	uint32_t version;

	pthread_mutex_lock(&file->lock);
	version = file->version;
	pthread_mutex_unlock(&file->lock);
	return version;
}

/* --- Answering -------------------------------------------------------------------------------- */

static void answer(struct fsc_subreq *sreq, bool write)
{
	struct server_file *file = sreq->netfs;
	uint64_t left = sreq->pos < SERVER_FILE_SIZE ? SERVER_FILE_SIZE - sreq->pos : 0;
	size_t len = left < sreq->len ? (size_t)left : sreq->len;
	uint32_t version = version_of(file);

	(void)write;
	if (len > 1 && !late_chance(6))
		len = 1 + late_chance((unsigned int)len - 1);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)sreq->buf)[i] = byte_of(file, version, sreq->pos + i);
	fsc_subreq_done(sreq, (int64_t)len);
}

static const struct late_server server = { .threads = 3, .most_us = 2000, .answer = answer };

static void issue_read(struct fsc_subreq *sreq)
{
	late_ask(sreq, false);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct request {
	struct fsc_read read;
	sem_t over;
	int64_t ret;
	bool cancelled;
	uint8_t *buf; /* where the bytes are to be looked at */
};

static size_t read_max(struct fsc_read *read)
{
	(void)read;
	return 30000;
}

static void read_done(struct fsc_read *read, int64_t ret)
{
	struct request *req = (struct request *)(void *)read;

	req->ret = ret;
	sem_post(&req->over);
}

static bool is_still_valid(struct fsc_read *read)
{
	(void)read;
	return late_chance(20) != 0; /* a doubt does no harm */
}

static const struct fsc_netfs_ops ops = {
	.subreq_size = sizeof(struct late),
	.read_max = read_max,
	.issue_read = issue_read,
	.cancel_read = late_cancel,
	.is_still_valid = is_still_valid,
	.read_done = read_done,
};

static void check(struct server_file *file, const struct request *req, uint32_t oldest)
{
	const struct fsc_read *read = &req->read;
	uint64_t left = read->pos < SERVER_FILE_SIZE ? SERVER_FILE_SIZE - read->pos : 0;
	int64_t want = (int64_t)(left < read->len ? left : read->len);
	uint32_t newest = version_of(file);

	if (req->ret == -ECANCELED && req->cancelled)
		return;
	if (req->ret != want) {
		fprintf(stderr, "file %u, %zu at %llu: %lld\n", file->id, read->len,
			(unsigned long long)read->pos, (long long)req->ret);
		abort();
	}
	for (int64_t i = 0; i < want; i++) {
		uint8_t byte = req->buf[i];
		uint32_t v = oldest;

		while (v <= newest && byte_of(file, v, read->pos + (uint64_t)i) != byte)
			v++;
		if (v > newest) {
			fprintf(stderr, "file %u, %zu at %llu: byte %lld is %02x, of no version %u..%u\n",
				file->id, read->len, (unsigned long long)read->pos, (long long)i, byte,
				oldest, newest);
			abort();
		}
	}
}

static void copy_lent(struct request *req)
{
	uint8_t *to = req->buf;

	for (uint32_t i = 0; i < req->read.nr_lent; i++) {
		memcpy(to, req->read.lent[i].base, req->read.lent[i].len);
		to += req->read.lent[i].len;
	}
	if (req->ret > 0 && to != req->buf + req->ret)
		abort();
}

/* Lent, or into two pieces, or as it is. */
static void choose(struct request *req, struct fsc_iovec iov[2])
{
	unsigned int how = late_chance(4);

	if (how == 0) {
		req->read.flags = FSC_READ_LEND;
		req->read.buf = NULL;
	} else if (how == 1 && req->read.len) {
		iov[0] = (struct fsc_iovec){ req->buf, 1 + late_chance((unsigned int)req->read.len) };
		iov[1] = (struct fsc_iovec){ req->buf + iov[0].len, req->read.len - iov[0].len };
		req->read.iov = iov;
		req->read.nr_iov = 2;
		req->read.buf = NULL;
	}
}

static void run(struct request *req, bool wait)
{
	if (wait) {
		req->ret = fsc_read_wait(&req->read);
		return;
	}
	sem_init(&req->over, 0, 0);
	fsc_read_start(&req->read);
	if (!late_chance(6)) {
		req->cancelled = true;
		if (late_chance(2))
			usleep(late_chance(500));
		fsc_read_cancel(&req->read); /* it may be over by now */
	}
	sem_wait(&req->over);
	sem_destroy(&req->over);
}

void server_read(struct server_file *file, struct fsc_cookie *cookie, uint64_t pos, size_t len,
		 size_t misalign, bool wait)
{
	struct request req = { .read = { .cookie = cookie, .ops = &ops, .netfs = file } };
	uint8_t *mem = aligned_alloc(GRANULE, (misalign + len + 2 * GRANULE) / GRANULE * GRANULE);
	struct fsc_iovec iov[2];
	uint32_t oldest;

	pthread_mutex_lock(&file->lock);
	oldest = file->told;
	pthread_mutex_unlock(&file->lock);
	req.read.pos = misalign ? pos : pos / GRANULE * GRANULE;
	req.read.len = misalign ? len : (len + GRANULE - 1) / GRANULE * GRANULE;
	req.read.file_size = SERVER_FILE_SIZE;
	req.buf = mem + misalign;
	req.read.buf = req.buf;
	if (late_chance(2))
		req.read.pattern = &file->pattern;
	choose(&req, iov);
	run(&req, wait);
	if (req.read.flags & FSC_READ_LEND)
		copy_lent(&req);
	if (req.read.lent)
		fsc_read_return(&req.read);
	check(file, &req, oldest);
	free(mem);
}

/* --- Files ------------------------------------------------------------------------------------ */

void server_change(struct server_file *file)
{
	pthread_mutex_lock(&file->lock);
	file->version++;
	pthread_mutex_unlock(&file->lock);
}

void server_told(struct server_file *file)
{
	pthread_mutex_lock(&file->lock);
	file->told = file->version;
	pthread_mutex_unlock(&file->lock);
}

void server_params(struct server_file *file, struct fsc_cookie_params *params, uint32_t *label)
{
	*label = version_of(file);
	*params = (struct fsc_cookie_params){
		.key = { &file->id, sizeof(file->id) },
		.coherency = { label, sizeof(*label) },
		.size = SERVER_FILE_SIZE,
	};
}

void server_start(struct server_file files[SERVER_FILES])
{
	memset(files, 0, SERVER_FILES * sizeof(*files));
	for (uint32_t i = 0; i < SERVER_FILES; i++) {
		files[i].id = i + 1;
		pthread_mutex_init(&files[i].lock, NULL);
		pthread_mutex_init(&files[i].change_lock, NULL);
	}
	late_start(&server);
}

void server_stop(struct server_file files[SERVER_FILES])
{
	late_stop();
	for (uint32_t i = 0; i < SERVER_FILES; i++) {
		pthread_mutex_destroy(&files[i].lock);
		pthread_mutex_destroy(&files[i].change_lock);
	}
}
