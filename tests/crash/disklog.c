// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* disklog.c - see disklog.h. */
#include "disklog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096u
#define SECTOR 512u

struct log {
	const uint8_t *bytes;
	size_t len;
	const struct disklog_record **records;
	size_t nr;
};

static const void *data_of(const struct disklog_record *rec)
{
	return rec + 1;
}

static const uint8_t *map_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) || !st.st_size) {
		perror(path);
		return NULL;
	}
	*len = (size_t)st.st_size;
	bytes = mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return bytes == MAP_FAILED ? NULL : bytes;
}

/* The lengths of writes are multiples of a sector: so records are aligned. */
static bool log_open(struct log *log, const char *path)
{
	size_t at, most;

	*log = (struct log){ 0 };
	log->bytes = map_file(path, &log->len);
	if (!log->bytes)
		return false;
	most = log->len / sizeof(struct disklog_record);
	log->records = calloc(most + 1, sizeof(*log->records));
	for (at = 0; log->records && at + sizeof(struct disklog_record) <= log->len;) {
		const void *here = log->bytes + at;
		const struct disklog_record *rec = here;

		at += sizeof(*rec) + rec->len;
		if (rec->magic != DISKLOG_MAGIC || at > log->len)
			break; /* was being written */
		log->records[log->nr++] = rec;
	}
	return log->records;
}

int disklog_info(const char *path)
{
	size_t writes = 0, flushes = 0;
	uint64_t bytes = 0;
	struct log log;

	if (!log_open(&log, path))
		return 2;
	for (size_t i = 0; i < log.nr; i++) {
		flushes += log.records[i]->flush;
		writes += !log.records[i]->flush;
		bytes += log.records[i]->len;
	}
	printf("writes=%zu flushes=%zu bytes=%" PRIu64 "\n", writes, flushes, bytes);
	return 0;
}

/* --- Cuts ------------------------------------------------------------------------------------- */

enum remains { NOTHING, EVERYTHING, BLOCKS, SECTORS, NR_REMAINS };

static uint64_t chance(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static bool put(int out, const struct disklog_record *rec, size_t at, size_t len)
{
	const uint8_t *data = data_of(rec);

	return pwrite(out, data + at, len, (off_t)(rec->pos + at)) == (ssize_t)len;
}

static bool put_part(int out, const struct disklog_record *rec, size_t unit, uint64_t *state)
{
	for (size_t at = 0; at < rec->len; at += unit) {
		size_t len = rec->len - at < unit ? rec->len - at : unit;

		if (chance(state) & 1 && !put(out, rec, at, len))
			return false;
	}
	return true;
}

static bool put_remains(int out, const struct disklog_record *rec, enum remains remains,
			uint64_t *state)
{
	switch (remains) {
	case NOTHING:
		return true;
	case EVERYTHING:
		return put(out, rec, 0, rec->len);
	case BLOCKS:
		return put_part(out, rec, BLOCK, state);
	default:
		return put_part(out, rec, SECTOR, state);
	}
}

/* What is written after the moment isn't there; what was flushed before it is. */
static bool replay(const struct log *log, int out, size_t end, enum remains remains,
		   uint64_t *state)
{
	size_t flushed = end;

	while (flushed && !log->records[flushed - 1]->flush)
		flushed--;
	for (size_t i = 0; i < end; i++) {
		const struct disklog_record *rec = log->records[i];

		if (rec->flush)
			continue;
		if (!(i < flushed ? put(out, rec, 0, rec->len) :
				    put_remains(out, rec, remains, state)))
			return false;
	}
	return true;
}

static bool copy_sparse(const char *base, int out)
{
	int in = open(base, O_RDONLY | O_CLOEXEC);
	static uint8_t buf[1 << 20];
	off_t end = in < 0 ? -1 : lseek(in, 0, SEEK_END), pos = 0, hole;
	bool good = end > 0 && !ftruncate(out, 0) && !ftruncate(out, end);

	while (good && (pos = lseek(in, pos, SEEK_DATA)) >= 0) {
		hole = lseek(in, pos, SEEK_HOLE);
		while (good && pos < hole) {
			size_t len = hole - pos < (off_t)sizeof(buf) ? (size_t)(hole - pos) :
								       sizeof(buf);
			ssize_t n = pread(in, buf, len, pos);

			good = n > 0 && pwrite(out, buf, (size_t)n, pos) == n;
			pos += n;
		}
	}
	if (in >= 0)
		close(in);
	return good;
}

/* Any moment between two records: its place among them, from 1 on. Half of the time one after which
 * much is unflushed: just before a flush. */
static size_t choose(const struct log *log, uint64_t from_ns, uint64_t to_ns, uint64_t *state)
{
	size_t first = 0, last, at;

	while (first < log->nr && log->records[first]->ns < from_ns)
		first++;
	for (last = first; last + 1 < log->nr && log->records[last]->ns < to_ns;)
		last++;
	if (last <= first)
		return 0;
	at = first + 1 + (size_t)(chance(state) % (last - first));
	if (chance(state) & 1)
		while (at < last && !log->records[at]->flush)
			at++;
	return at;
}

int disklog_cut(const char *path, const char *base, const char *out_path, uint64_t seed,
		uint64_t from_ns, uint64_t to_ns)
{
	static const char *const names[] = { "nothing", "everything", "blocks", "sectors" };
	int out = open(out_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum remains remains;
	uint64_t state = seed;
	struct log log;
	size_t end;

	if (!log_open(&log, path) || out < 0 || !copy_sparse(base, out))
		return 2;
	end = choose(&log, from_ns, to_ns, &state);
	remains = (enum remains)(chance(&state) % NR_REMAINS);
	if (!end || !replay(&log, out, end, remains, &state)) {
		fprintf(stderr, "no cut could be made: %zu records, chosen %zu: %s\n", log.nr, end,
			strerror(errno));
		return 2;
	}
	/* Until the next record nothing changed on the disk. */
	printf("%" PRIu64 " %zu %s\n", log.records[end]->ns, end, names[remains]);
	return close(out) ? 2 : 0;
}
