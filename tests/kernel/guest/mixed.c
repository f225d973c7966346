// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mixed - one of many that use mounts at once: it reads, writes, makes or changes files for a while,
 * checks each byte, and says what took longest.
 *
 *	mixed make DIR COUNT			files to be read: DIR/0 and so on, of 256 KiB to 2 MiB
 *	mixed read DIR COUNT SECONDS SEED	anywhere in them, by read() and mmap()
 *	mixed change DIR COUNT SECONDS SEED	each now and then as a whole, on the server: who opens
 *						it after that must see it
 *	mixed write FILE SECONDS SEED		and truncates, syncs and reads, a file of its own
 *	mixed names DIR SECONDS SEED		makes, renames, lists and removes small files
 *
 * A file's blocks say which file and which version they are of, and all else in them follows from
 * that; so a reader needs no copy. Which versions there are is in a file of this machine. A reader
 * wants the one that was finished when it opened the file; unless another one has been begun when it
 * has read: it may have met that one half way.
 *
 * The last line is "OPERATIONS ops, longest MS ms (WHAT at SECONDS)"; a wrong byte ends it with 1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define WORDS (BLOCK / 8)
#define MOST_FILES 1024
#define OWN_BLOCKS 256
#define CHUNK 64 /* blocks that are read or written at once */

struct versions {
	volatile uint32_t begun[MOST_FILES], done[MOST_FILES];
};

static uint64_t buffer[CHUNK * WORDS], expected[WORDS];
static uint64_t state;
static struct {
	uint64_t operations;
	double longest, when;
	const char *what;
} figures = { .what = "nothing" };

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t chance(uint64_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 16) % limit;
}

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	va_list list;

	printf("mixed: ");
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf(" (at %.1f)\n", now());
	exit(1);
}

__attribute__((noreturn)) static void failed(const char *what, const char *path)
{
	wrong("%s: %s: %s", what, path, strerror(errno));
}

static void took(const char *what, double since)
{
	double end = now();

	figures.operations++;
	if (end - since <= figures.longest)
		return;
	figures.longest = end - since;
	figures.when = end;
	figures.what = what;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static void fill_block(uint64_t *block, uint64_t file, uint64_t version, uint64_t number)
{
	uint64_t x = (file << 40 ^ version << 20 ^ number) * 0x9E3779B97F4A7C15ull + 1;

	block[0] = file;
	block[1] = version;
	block[2] = number;
	for (unsigned int i = 3; i < WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		block[i] = x;
	}
}

static void check_block(const uint64_t *block, uint64_t file, uint64_t version, uint64_t number,
			const char *path)
{
	fill_block(expected, file, version, number);
	for (unsigned int i = 0; i < WORDS; i++)
		if (block[i] != expected[i])
			wrong("%s: block %ju, byte %u: %016jx, wanted %016jx of version %ju", path,
			      (uintmax_t)number, i * 8, (uintmax_t)block[i],
			      (uintmax_t)expected[i], (uintmax_t)version);
}

static size_t blocks_of(uint64_t file)
{
	return 64 + file * 7919 % 449;
}

static struct versions *map_versions(const char *dir)
{
	struct versions *versions;
	char path[512];
	int fd;

	/* the folder's last component names it: the mount and the server show the same one */
	snprintf(path, sizeof(path), "/run/versions.%s", strrchr(dir, '/') + 1);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*versions)))
		failed("versions", path);
	versions = mmap(NULL, sizeof(*versions), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (versions == MAP_FAILED)
		failed("mmap", path);
	close(fd);
	return versions;
}

/* --- Files that are read ---------------------------------------------------------------------- */

static void write_version(const char *dir, uint64_t file, uint32_t version)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%ju", dir, (uintmax_t)file);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		failed("open", path);
	for (size_t at = 0; at < blocks_of(file); at++) {
		fill_block(buffer, file, version, at);
		if (pwrite(fd, buffer, BLOCK, (off_t)(at * BLOCK)) != BLOCK)
			failed("write", path);
	}
	/* A clock may tick too seldom to tell two changes apart. */
	if (futimens(fd, (struct timespec[]){ { .tv_sec = 2000000000 + version },
					      { .tv_sec = 2000000000 + version } }))
		failed("utimes", path);
	close(fd);
}

static void make(const char *dir, uint64_t count)
{
	struct versions *versions = map_versions(dir);

	mkdir(dir, 0755);
	for (uint64_t file = 0; file < count; file++) {
		versions->begun[file] = versions->done[file] = 1;
		write_version(dir, file, 1);
	}
}

static void change(const char *dir, uint64_t count)
{
	struct versions *versions = map_versions(dir);
	uint64_t file = chance(count);
	double start = now();

	versions->begun[file]++;
	write_version(dir, file, versions->begun[file]);
	versions->done[file] = versions->begun[file];
	took("change", start);
	munmap(versions, sizeof(*versions));
	usleep(200000);
}

static void check_read(const struct versions *versions, const uint64_t *block, uint64_t file,
		       uint32_t wanted, uint64_t number, const char *path)
{
	if (versions->begun[file] == wanted)
		check_block(block, file, wanted, number, path);
}

static void read_run(const struct versions *versions, int fd, uint64_t file, uint32_t wanted,
		     const char *path)
{
	size_t at = chance(blocks_of(file)), count = 1 + chance(chance(4) ? 4 : CHUNK);
	double start = now();
	ssize_t got;

	if (count > blocks_of(file) - at)
		count = blocks_of(file) - at;
	got = pread(fd, buffer, count * BLOCK, (off_t)(at * BLOCK));
	took("read", start);
	if (got != (ssize_t)(count * BLOCK))
		wrong("%s: read %zd of %zu at block %zu: %s", path, got, count * BLOCK, at,
		      got < 0 ? strerror(errno) : "short");
	for (size_t i = 0; i < count; i++)
		check_read(versions, buffer + i * WORDS, file, wanted, at + i, path);
}

static void read_mapped(const struct versions *versions, int fd, uint64_t file, uint32_t wanted,
			const char *path)
{
	size_t number = chance(blocks_of(file));
	uint64_t *map = mmap(NULL, blocks_of(file) * BLOCK, PROT_READ, MAP_SHARED, fd, 0);
	double start = now();

	if (map == MAP_FAILED)
		failed("mmap", path);
	/* (a copy: the page may change meanwhile, on the server) */
	memcpy(buffer, map + number * WORDS, BLOCK);
	took("page fault", start);
	check_read(versions, buffer, file, wanted, number, path);
	munmap(map, blocks_of(file) * BLOCK);
}

static void read_one(const char *dir, uint64_t count)
{
	static struct versions *versions;
	uint64_t file = chance(count);
	char path[512];
	uint32_t wanted;
	double start;
	int fd;

	if (!versions)
		versions = map_versions(dir);
	snprintf(path, sizeof(path), "%s/%ju", dir, (uintmax_t)file);
	wanted = versions->done[file];
	start = now();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	took("open", start);
	if (fd < 0)
		failed("open", path);
	for (uint64_t i = chance(8); i > 0; i--)
		read_run(versions, fd, file, wanted, path);
	if (!chance(4))
		read_mapped(versions, fd, file, wanted, path);
	start = now();
	close(fd);
	took("close", start);
}

/* --- A file that is written ------------------------------------------------------------------- */

static uint32_t own_version[OWN_BLOCKS]; /* 0: zeroes */
static size_t own_blocks;

static void write_run(int fd, const char *path)
{
	static uint32_t last;
	size_t at = chance(OWN_BLOCKS), count = 1 + chance(chance(4) ? 3 : CHUNK);
	double start;

	if (count > OWN_BLOCKS - at)
		count = OWN_BLOCKS - at;
	last++;
	for (size_t i = 0; i < count; i++) {
		fill_block(buffer + i * WORDS, 77, last, at + i);
		own_version[at + i] = last;
	}
	start = now();
	if (pwrite(fd, buffer, count * BLOCK, (off_t)(at * BLOCK)) != (ssize_t)(count * BLOCK))
		failed("write", path);
	took("write", start);
	if (at + count > own_blocks)
		own_blocks = at + count;
}

static void truncate_own(int fd, const char *path)
{
	size_t to = chance(OWN_BLOCKS + 1);
	double start = now();

	if (ftruncate(fd, (off_t)(to * BLOCK)))
		failed("truncate", path);
	took("truncate", start);
	for (size_t i = to; i < OWN_BLOCKS; i++)
		own_version[i] = 0;
	own_blocks = to;
}

static void read_own(int fd, const char *path)
{
	size_t at = chance(OWN_BLOCKS), count = 1 + chance(CHUNK), there;
	double start = now();
	ssize_t got = pread(fd, buffer, count * BLOCK, (off_t)(at * BLOCK));

	took("read of what was written", start);
	there = at >= own_blocks ? 0 : own_blocks - at < count ? own_blocks - at : count;
	if (got != (ssize_t)(there * BLOCK))
		wrong("%s: read %zd of %zu at block %zu", path, got, there * BLOCK, at);
	for (size_t i = 0; i < there; i++) {
		if (own_version[at + i]) {
			check_block(buffer + i * WORDS, 77, own_version[at + i], at + i, path);
			continue;
		}
		for (unsigned int word = 0; word < WORDS; word++)
			if (buffer[i * WORDS + word])
				wrong("%s: block %zu is not zero", path, at + i);
	}
}

static void sync_own(int fd, const char *path)
{
	double start = now();

	if (fsync(fd))
		failed("fsync", path);
	took("fsync", start);
}

static void write_one(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	double start;

	if (fd < 0)
		failed("open", path);
	for (uint64_t i = chance(12); i > 0; i--) {
		switch (chance(8)) {
		case 0:
			truncate_own(fd, path);
			break;
		case 1:
			sync_own(fd, path);
			break;
		case 2:
		case 3:
		case 4:
			write_run(fd, path);
			break;
		default:
			read_own(fd, path);
		}
	}
	start = now();
	if (close(fd))
		failed("close", path);
	took("close of what was written", start);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		failed("open", path);
	read_own(fd, path);
	read_own(fd, path);
	close(fd);
}

/* --- Names ------------------------------------------------------------------------------------ */

static void make_name(const char *path, uint64_t number)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	fill_block(buffer, 5, 1, number);
	if (fd < 0 || write(fd, buffer, BLOCK) != BLOCK || close(fd))
		failed("make", path);
}

static void read_name(const char *path, uint64_t number)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, buffer, BLOCK) != BLOCK)
		failed("read", path);
	check_block(buffer, 5, 1, number, path);
	close(fd);
}

static unsigned int count_names(const char *dir)
{
	DIR *stream = opendir(dir);
	unsigned int count = 0;

	if (!stream)
		failed("list", dir);
	while (readdir(stream))
		count++;
	closedir(stream);
	return count;
}

static void names_one(const char *dir)
{
	char first[512], second[512];
	double start;

	mkdir(dir, 0755);
	for (unsigned int i = 0; i < 8; i++) {
		snprintf(first, sizeof(first), "%s/a%u", dir, i);
		snprintf(second, sizeof(second), "%s/b%u", dir, i);
		start = now();
		make_name(first, i);
		took("create", start);
		start = now();
		if (rename(first, second))
			failed("rename", first);
		took("rename", start);
		start = now();
		read_name(second, i);
		took("read of a new file", start);
	}
	start = now();
	if (count_names(dir) != 10)
		wrong("%s: there are %u names, wanted 10", dir, count_names(dir));
	took("list", start);
	for (unsigned int i = 0; i < 8; i++) {
		snprintf(second, sizeof(second), "%s/b%u", dir, i);
		start = now();
		if (unlink(second))
			failed("unlink", second);
		took("unlink", start);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *path = argc > 2 ? argv[2] : "";
	int counted = !strcmp(what, "read") || !strcmp(what, "change") || !strcmp(what, "make");
	uint64_t count = counted && argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	int rest = counted ? 4 : 3;
	double end;

	if (argc < rest || !count || count > MOST_FILES) {
		fprintf(stderr, "mixed: see mixed.c\n");
		return 2;
	}
	if (!strcmp(what, "make")) {
		make(path, count);
		return 0;
	}
	if (argc < rest + 2)
		return 2;
	end = now() + strtod(argv[rest], NULL);
	state = (strtoull(argv[rest + 1], NULL, 0) + 1) * 0x9E3779B97F4A7C15ull;
	while (now() < end) {
		if (!strcmp(what, "read"))
			read_one(path, count);
		else if (!strcmp(what, "change"))
			change(path, count);
		else if (!strcmp(what, "write"))
			write_one(path);
		else
			names_one(path);
	}
	printf("%ju ops, longest %.0f ms (%s at %.1f)\n", (uintmax_t)figures.operations,
	       figures.longest * 1000, figures.what, figures.when);
	return 0;
}
