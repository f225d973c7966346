// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * peer.c - another client of the same cache, that has no server: it stands for Linux's own 9p below
 * libfscache.ko, with the same keys and coherency data.
 *
 *   peer CACHE VOLUME FILE...
 *
 * Reads each FILE through the cache; what the cache lacks, from FILE itself. It prints the bytes
 * that were lacking, and fails if what came isn't what is in FILE.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fscache/fscache.h>
#include <fscache/uring.h>

static atomic_ullong lacking;

static void issue_read(struct fsc_subreq *sreq)
{
	int *fd = sreq->netfs;
	ssize_t n = pread(*fd, sreq->buf, sreq->len, (off_t)sreq->pos);

	lacking += n > 0 ? (unsigned long long)n : 0;
	fsc_subreq_done(sreq, n < 0 ? -EIO : n);
}

static const struct fsc_netfs_ops ops = { .issue_read = issue_read };

/* Through the cache, into @buf. */
static int64_t read_cached(struct fsc_volume *volume, int *fd, const struct stat *st, void *buf)
{
	uint32_t version = htole32((uint32_t)st->st_mtime ^ (uint32_t)(st->st_size << 8));
	uint64_t path = htole64(st->st_ino);
	const struct fsc_cookie_params params = {
		.key = { &path, sizeof(path) },
		.coherency = { &version, sizeof(version) },
		.size = (uint64_t)st->st_size,
	};
	struct fsc_read read = {
		.ops = &ops, .netfs = fd, .file_size = params.size, .buf = buf, .len = params.size,
	};
	int64_t n;

	if (fsc_cookie_acquire(volume, &params, &read.cookie))
		return -1;
	fsc_cookie_use_wait(read.cookie, false);
	n = fsc_read_wait(&read);
	fsc_cookie_unuse(read.cookie);
	fsc_cookie_relinquish_wait(read.cookie, false);
	return n;
}

static int compare(struct fsc_volume *volume, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC), err = -1;
	char *got, *wanted;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	size = (size_t)st.st_size;
	got = malloc(size + 1);
	wanted = malloc(size + 1);
	if (got && wanted && pread(fd, wanted, size, 0) == (ssize_t)size &&
	    read_cached(volume, &fd, &st, got) == (int64_t)size && !memcmp(got, wanted, size))
		err = 0;
	free(got);
	free(wanted);
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	const struct fsc_uring_params uring = { .drive = FSC_URING_THREAD };
	const struct fsc_cache_params params = { 0 };
	struct fsc_backend *backend;
	struct fsc_volume *volume;
	struct fsc_cache *cache;
	int err = 0;

	if (argc < 4 || fsc_uring_open(argv[1], &uring, &backend) ||
	    fsc_cache_open(backend, &params, &cache) ||
	    fsc_volume_acquire(cache, (struct fsc_blob){ argv[2], strlen(argv[2]) },
			       (struct fsc_blob){ 0 }, 0, &volume)) {
		fprintf(stderr, "peer: no cache\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (compare(volume, argv[i])) {
			fprintf(stderr, "peer: %s: not what was read\n", argv[i]);
			err = 1;
		}
	}
	fsc_volume_relinquish(volume, false);
	fsc_cache_close(cache);
	printf("%llu\n", (unsigned long long)lacking);
	return err;
}
