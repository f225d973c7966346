// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * io - what a guest's shell is too slow for, above all on an emulated CPU.
 *
 *	io fill FILE SIZE SEED		a new file of bytes that follow from SEED, no two blocks alike
 *	io put FILE OFFSET SIZE SEED	the same, over a part of a file that is there
 *	io many DIR COUNT SIZE SEED	COUNT new files, DIR/0 and so on
 *	io read FILE...			reads each from end to end
 *	io sum FILE...			a hash, the size and the name of each
 *	io readmany DIR COUNT		the same for DIR/0 and so on
 *	io rand FILE COUNT SEED		COUNT reads of 4 KiB, anywhere
 *	io cut FILE SIZE...		truncate(2), by name, to one size after the other
 *	io same A B COUNT SEED		COUNT reads anywhere, of any length, of both: fails if they differ
 *	io hold FILE...			opens each, says "held", and has them open until it is killed
 *	io apart			btrfs forgets the disks that are not mounted: it takes one with the
 *					same UUID for the same disk
 *	io say TEXT			TEXT, without an end of line, in one write to standard output
 *
 * What reads says how fast that was, as "NUMBER UNIT".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

static uint64_t buffer[CHUNK / 8], other[CHUNK / 8];

static void fail(const char *what)
{
	fprintf(stderr, "io: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static uint64_t chance(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(path);
	return fd;
}

static void put(const char *path, int flags, off_t offset, uint64_t size, uint64_t seed)
{
	uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
	int fd = open_file(path, O_WRONLY | flags);

	while (size > 0) {
		size_t length = size < CHUNK ? size : CHUNK;

		for (size_t i = 0; i < (length + 7) / 8; i++)
			buffer[i] = chance(&state);
		if (pwrite(fd, buffer, length, offset) != (ssize_t)length)
			fail(path);
		offset += (off_t)length;
		size -= length;
	}
	if (close(fd) != 0)
		fail(path);
}

static uint64_t read_all(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	uint64_t size = 0;
	ssize_t got;

	while ((got = read(fd, buffer, CHUNK)) > 0)
		size += (uint64_t)got;
	if (got < 0)
		fail(path);
	close(fd);
	return size;
}

static void sum(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	uint64_t hash = 0xcbf29ce484222325ull, size = 0;
	ssize_t got;

	while ((got = read(fd, buffer, CHUNK)) > 0) {
		// what is left of a last word is not of this file
		memset((char *)buffer + got, 0, -(size_t)got % 8);
		for (ssize_t i = 0; i < (got + 7) / 8; i++) {
			hash = (hash ^ buffer[i]) * 0x100000001b3ull;
			hash ^= hash >> 29;
		}
		size += (uint64_t)got;
	}
	if (got < 0)
		fail(path);
	close(fd);
	printf("%016llx %llu %s\n", (unsigned long long)hash, (unsigned long long)size, path);
}

static void read_files(char **paths, int count)
{
	double start = seconds(), size = 0;

	for (int i = 0; i < count; i++)
		size += (double)read_all(paths[i]);
	printf("%.1f MB/s\n", size / 1e6 / (seconds() - start));
}

static void each_of_many(const char *dir, uint64_t count, int64_t size, uint64_t seed)
{
	double start = seconds();
	char path[4096];

	for (uint64_t i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%llu", dir, (unsigned long long)i);
		if (size >= 0)
			put(path, O_CREAT | O_TRUNC, 0, (uint64_t)size, seed + i);
		else
			read_all(path);
	}
	printf("%.0f files/s\n", (double)count / (seconds() - start));
}

static void read_anywhere(const char *path, uint64_t count, uint64_t seed)
{
	uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
	int fd = open_file(path, O_RDONLY);
	double start = seconds();
	struct stat st;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	if (fstat(fd, &st) != 0 || st.st_size < 4096)
		fail(path);
	for (uint64_t i = 0; i < count; i++) {
		off_t at = (off_t)(chance(&state) % ((uint64_t)st.st_size / 4096)) * 4096;

		if (pread(fd, buffer, 4096, at) != 4096)
			fail(path);
	}
	printf("%.0f reads/s\n", (double)count / (seconds() - start));
}

static void compare(char **paths, uint64_t count, uint64_t seed)
{
	uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
	int fd[2] = { open_file(paths[0], O_RDONLY), open_file(paths[1], O_RDONLY) };
	struct stat st;

	if (fstat(fd[0], &st) != 0)
		fail(paths[0]);
	for (uint64_t i = 0; i < count; i++) {
		off_t at = (off_t)(chance(&state) % ((uint64_t)st.st_size + 1));
		size_t length = 1 + chance(&state) % (chance(&state) % 4 ? 8192 : CHUNK);
		ssize_t got = pread(fd[0], buffer, length, at);

		if (got < 0)
			fail(paths[0]);
		if (pread(fd[1], other, length, at) != got || memcmp(buffer, other, (size_t)got)) {
			printf("%s and %s differ at %lld, %zu bytes\n", paths[0], paths[1],
			       (long long)at, length);
			exit(1);
		}
	}
}

static void cut(const char *path, char **sizes, int count)
{
	for (int i = 0; i < count; i++)
		if (truncate(path, (off_t)number(sizes[i])) != 0)
			fail(path);
}

static void hold(char **paths, int count)
{
	for (int i = 0; i < count; i++)
		open_file(paths[i], O_RDONLY);
	puts("held");
	fflush(stdout);
	pause();
}

static void apart(void)
{
	struct btrfs_ioctl_vol_args all = { 0 };
	int fd = open_file("/dev/btrfs-control", O_RDWR);

	if (ioctl(fd, BTRFS_IOC_FORGET_DEV, &all) != 0)
		fail("/dev/btrfs-control");
	close(fd);
}

// (a shell's printf doesn't say with what error a write failed)
static void say(const char *text)
{
	ssize_t done = write(STDOUT_FILENO, text, strlen(text));

	if (done < 0)
		fail(text);
	if ((size_t)done != strlen(text)) {
		fprintf(stderr, "io: %zd bytes of %zu\n", done, strlen(text));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (argc == 2 && !strcmp(argv[1], "apart")) {
		apart();
		return 0;
	}
	if (!strcmp(what, "cut") && argc > 3)
		cut(argv[2], argv + 3, argc - 3);
	else if (!strcmp(what, "fill") && argc == 5)
		put(argv[2], O_CREAT | O_TRUNC, 0, number(argv[3]), number(argv[4]));
	else if (!strcmp(what, "put") && argc == 6)
		put(argv[2], 0, (off_t)number(argv[3]), number(argv[4]), number(argv[5]));
	else if (!strcmp(what, "many") && argc == 6)
		each_of_many(argv[2], number(argv[3]), (int64_t)number(argv[4]), number(argv[5]));
	else if (!strcmp(what, "read"))
		read_files(argv + 2, argc - 2);
	else if (!strcmp(what, "sum"))
		for (int i = 2; i < argc; i++)
			sum(argv[i]);
	else if (!strcmp(what, "say") && argc == 3)
		say(argv[2]);
	else if (!strcmp(what, "readmany") && argc == 4)
		each_of_many(argv[2], number(argv[3]), -1, 0);
	else if (!strcmp(what, "rand") && argc == 5)
		read_anywhere(argv[2], number(argv[3]), number(argv[4]));
	else if (!strcmp(what, "same") && argc == 6)
		compare(argv + 2, number(argv[4]), number(argv[5]));
	else if (!strcmp(what, "hold"))
		hold(argv + 2, argc - 2);
	else
		return 2;
	return 0;
}
