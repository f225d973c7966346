// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * hello.c - the smallest client: one "remote" file, read twice through a cache in a directory.
 *
 *	cc hello.c $(pkg-config --cflags --libs libfscache) && mkdir -p dir && ./a.out dir
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fscache/fscache.h>
#include <fscache/uring.h>

static char remote_file[1 << 20]; /* what a server would have */
static unsigned long long asked;  /* bytes that it was asked for */

/* Ask the server. A real client sends a request here, and calls fsc_subreq_done() at the reply. */
static void issue_read(struct fsc_subreq *sreq)
{
	memcpy(sreq->buf, remote_file + sreq->pos, sreq->len);
	asked += sreq->len;
	fsc_subreq_done(sreq, (int64_t)sreq->len);
}

static const struct fsc_netfs_ops ops = { .issue_read = issue_read };

/* Open the file, read all of it, close it. */
static int read_file(struct fsc_volume *volume, const char *version)
{
	static char buf[sizeof(remote_file)] __attribute__((aligned(4096)));
	struct fsc_cookie_params params = {
		.key = { "file 1", 6 },                   /* the server's name for it */
		.coherency = { version, strlen(version) }, /* differs when the file does */
		.size = sizeof(remote_file),
	};
	struct fsc_read read = {
		.ops = &ops, .file_size = params.size, .buf = buf, .len = sizeof(buf),
	};
	unsigned long long before = asked;
	int64_t n;

	if (fsc_cookie_acquire(volume, &params, &read.cookie))
		read.cookie = NULL; /* which means: uncached */
	fsc_cookie_use_wait(read.cookie, false);
	n = fsc_read_wait(&read);
	fsc_cookie_unuse(read.cookie);
	fsc_cookie_relinquish_wait(read.cookie, false);

	printf("read %lld bytes, %llu of them from the server\n", (long long)n, asked - before);
	return n == (int64_t)sizeof(buf) && !memcmp(buf, remote_file, sizeof(buf)) ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct fsc_uring_params uring = { 0 };
	const struct fsc_cache_params params = { 0 };
	struct fsc_backend *backend = NULL;
	struct fsc_cache *cache = NULL; /* stays NULL without a cache, which works as well */
	struct fsc_volume *volume = NULL;
	int err;

	memset(remote_file, 'x', sizeof(remote_file));
	err = fsc_uring_open(argc > 1 ? argv[1] : ".", &uring, &backend);
	if (!err)
		err = fsc_cache_open(backend, &params, &cache);
	if (err && backend)
		fsc_uring_close(backend);
	if (!err)
		err = fsc_volume_acquire(cache, (struct fsc_blob){ "server:/export", 14 },
					 (struct fsc_blob){ 0 }, 0, &volume);
	if (err)
		fprintf(stderr, "no cache: %s\n", strerror(-err));

	err = read_file(volume, "version 1") || read_file(volume, "version 1");
	fsc_volume_relinquish(volume, false);
	fsc_cache_close(cache);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
