// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * play - reads, writes and changes a few files at random through a mount, and compares each byte
 * with what a model in memory says.
 *
 *	play MOUNT SERVED NAME STEPS SEED
 *
 * The files are MOUNT/NAME.0 and so on, nobody else's. SERVED is the server's folder, where files that
 * are not open are changed, too; "-" if the network filesystem would not notice. Most opens
 * are for reading: some network filesystems cache nothing else. A wrong byte ends it, with the last steps.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 4
#define LARGEST (768 << 10)
#define REMEMBERED 40

struct file {
	char path[512];
	char served[512];
	int fd;
	int writable;
	size_t size;
	unsigned char bytes[LARGEST];
};

static struct file files[FILES];
static unsigned char buffer[LARGEST];
static char history[REMEMBERED][128];
static unsigned int steps;
static uint64_t state;

static unsigned int chance(unsigned int limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 20) % limit;
}

__attribute__((format(printf, 1, 2))) static void did(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(history[steps++ % REMEMBERED], sizeof(history[0]), format, list);
	va_end(list);
}

__attribute__((noreturn)) static void wrong(struct file *file, const char *what, size_t at)
{
	printf("play: %s: %s at %zu (size %zu): %s\n", file->path, what, at, file->size,
	       strerror(errno));
	for (unsigned int i = steps > REMEMBERED ? steps - REMEMBERED : 0; i < steps; i++)
		printf("play: %u %s\n", i, history[i % REMEMBERED]);
	exit(1);
}

static void open_it(struct file *file, int writable)
{
	file->fd = open(file->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	file->writable = writable;
	did("open %s%s", file->path, writable ? " for writing" : "");
	if (file->fd < 0)
		wrong(file, "open", 0);
}

static void close_it(struct file *file)
{
	if (close(file->fd) != 0)
		wrong(file, "close", 0);
}

static void want_writable(struct file *file)
{
	if (file->writable)
		return;
	close_it(file);
	open_it(file, 1);
}

static void compare(struct file *file, const unsigned char *got, size_t at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (got[i] == file->bytes[at + i])
			continue;
		errno = 0;
		printf("play: got %02x, wanted %02x\n", got[i], file->bytes[at + i]);
		wrong(file, "wrong byte", at + i);
	}
}

static void read_some(struct file *file)
{
	size_t at = chance((unsigned int)file->size + 1);
	size_t length = 1 + chance(chance(3) ? 9000 : LARGEST - 1);
	size_t wanted = file->size - at < length ? file->size - at : length;
	ssize_t got;

	did("read %s %zu+%zu", file->path, at, length);
	got = pread(file->fd, buffer, length, (off_t)at);
	if (got != (ssize_t)wanted)
		wrong(file, "short read", at);
	compare(file, buffer, at, wanted);
}

static void read_mapped(struct file *file)
{
	unsigned char *map;

	if (!file->size)
		return;
	did("map %s", file->path);
	map = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd, 0);
	if (map == MAP_FAILED)
		wrong(file, "mmap", 0);
	compare(file, map, 0, file->size);
	munmap(map, file->size);
}

// what was never written is zero
static void model_write(struct file *file, size_t at, size_t length)
{
	if (at > file->size)
		memset(file->bytes + file->size, 0, at - file->size);
	for (size_t i = 0; i < length; i++)
		buffer[i] = (unsigned char)chance(256);
	memcpy(file->bytes + at, buffer, length);
	if (at + length > file->size)
		file->size = at + length;
}

static void model_size(struct file *file, size_t size)
{
	if (size > file->size)
		memset(file->bytes + file->size, 0, size - file->size);
	file->size = size;
}

static void write_to(struct file *file, int fd, const char *where)
{
	size_t at = chance(chance(4) ? (unsigned int)file->size + 1 : LARGEST - 1);
	size_t length = 1 + chance(chance(3) ? 9000 : 200000);

	if (length > LARGEST - at)
		length = LARGEST - at;
	did("write %s%s %zu+%zu", where, file->path, at, length);
	model_write(file, at, length);
	if (pwrite(fd, buffer, length, (off_t)at) != (ssize_t)length)
		wrong(file, "write", at);
}

static void resize(struct file *file, int fd, const char *where)
{
	size_t size = chance(LARGEST);

	did("size %s%s %zu", where, file->path, size);
	model_size(file, size);
	if (ftruncate(fd, (off_t)size) != 0)
		wrong(file, "truncate", size);
}

static void write_or_resize(struct file *file)
{
	want_writable(file);
	if (chance(4))
		write_to(file, file->fd, "");
	else
		resize(file, file->fd, "");
}

static void reopen(struct file *file)
{
	close_it(file);
	open_it(file, !chance(4));
}

static void forget(struct file *file)
{
	did("forget %s", file->path);
	if (fsync(file->fd) != 0 && file->writable)
		wrong(file, "fsync", 0);
	posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void create(struct file *file)
{
	did("create %s", file->path);
	file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file->fd < 0)
		wrong(file, "create", 0);
	file->writable = 1;
	file->size = 0;
	write_to(file, file->fd, "");
}

static void replace(struct file *file)
{
	close_it(file);
	did("unlink %s", file->path);
	if (unlink(file->path) != 0)
		wrong(file, "unlink", 0);
	create(file);
}

static void change_below(struct file *file)
{
	int fd;

	if (!file->served[0])
		return;
	close_it(file);
	fd = open(file->served, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		wrong(file, "open on the server", 0);
	if (chance(4))
		write_to(file, fd, "on the server ");
	else
		resize(file, fd, "on the server ");
	close(fd);
	open_it(file, 0);
}

static void step(struct file *file)
{
	unsigned int what = chance(100);

	if (what < 50)
		read_some(file);
	else if (what < 55)
		read_mapped(file);
	else if (what < 65)
		write_or_resize(file);
	else if (what < 82)
		reopen(file);
	else if (what < 92)
		forget(file);
	else if (what < 98)
		change_below(file);
	else
		replace(file);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	state = strtoull(argv[5], NULL, 0) * 0x9E3779B97F4A7C15ull + 1;
	for (int i = 0; i < FILES; i++) {
		snprintf(files[i].path, sizeof(files[i].path), "%s/%s.%d", argv[1], argv[3], i);
		if (argv[2][0] != '-')
			snprintf(files[i].served, sizeof(files[i].served), "%s/%s.%d", argv[2],
				 argv[3], i);
		unlink(files[i].path);
		create(&files[i]);
	}
	for (unsigned long i = strtoul(argv[4], NULL, 0); i > 0; i--)
		step(&files[chance(FILES)]);
	for (int i = 0; i < FILES; i++) {
		forget(&files[i]);
		read_mapped(&files[i]);
		close_it(&files[i]);
	}
	return 0;
}
