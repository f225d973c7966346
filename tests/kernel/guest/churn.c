// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * churn - keeps a cache busy: files of its own are read, some are changed again and again, through the
 * mount and on the server.
 *
 *	churn setup SERVED NAME SEED KIND
 *	churn run SERVED NAME SEED KIND MOUNT MARKS STEPS
 *	churn below SERVED NAME SEED KIND
 *	churn mark MARKS TEXT
 *
 * The files are NAME.0 and so on, in the server's folder SERVED; "below" changes some while nothing
 * is mounted. KIND says what the netfs notices of a change by another machine, or while there was no cache:
 *
 *	every	each change; they are made on the server, too
 *	time	those of the size or the second of mtime: each change gets a second of its own
 *	none	nothing
 *
 * With time and none all depends on it that what this machine changes itself is forgotten for ever. So there
 * it also makes changes which nothing else tells of, and each is marked in what the disk logs, by a
 * write to the last 4 KiB of the device MARKS, past its filesystem: "there NAME.N" as soon as the
 * server has it, "told NAME.N" when fsync has returned.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STABLE 6
#define CHANGING 5
#define LARGEST (256u << 10)
#define MARK_SIZE 4096

static unsigned char bytes[LARGEST];
static char mark_bytes[MARK_SIZE] __attribute__((aligned(MARK_SIZE)));
static const char *mount, *served, *name, *kind;
static uint64_t state;
static int marks = -1;
static off_t mark_at;
/* Seconds that no clock has come to, each used once (a name's are apart from another's). */
static time_t tick = 2000000000;

static unsigned int chance(unsigned int limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 20) % limit;
}

static void fail(const char *what, const char *path)
{
	printf("churn: %s: %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static const char *path_of(const char *folder, unsigned int number)
{
	static char path[2][512];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[0]), "%s/%s.%u", folder, name, number);
	return path[which];
}

static int open_it(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("open", path);
	return fd;
}

static unsigned int random_size(void)
{
	return 1 + chance(chance(2) ? 20000 : LARGEST - 1);
}

static void put(int fd, const char *path, unsigned int at, unsigned int length)
{
	for (unsigned int i = 0; i < length; i++)
		bytes[i] = (unsigned char)chance(256);
	if (pwrite(fd, bytes, length, at) != (ssize_t)length)
		fail("write", path);
}

static void fill(const char *path, int flags)
{
	int fd = open_it(path, O_RDWR | O_CREAT | flags);

	put(fd, path, 0, random_size());
	close(fd);
}

/* --- Times and marks -------------------------------------------------------------------------- */

static void set_mtime(const char *path, struct timespec mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };

	if (utimensat(AT_FDCWD, path, times, 0) != 0)
		fail("utimensat", path);
}

static void next_tick(const char *path)
{
	if (!strcmp(kind, "time"))
		set_mtime(path, (struct timespec){ .tv_sec = ++tick });
}

/* Past what the disk's filesystem uses, in one write that nothing flushes. */
static void mark(const char *what, unsigned int number)
{
	memset(mark_bytes, 0, sizeof(mark_bytes));
	snprintf(mark_bytes, sizeof(mark_bytes), "%s %s.%u\n", what, name, number);
	if (pwrite(marks, mark_bytes, MARK_SIZE, mark_at) != MARK_SIZE)
		fail("mark", "the device");
}

static void open_marks(const char *device)
{
	marks = open_it(device, O_RDWR | O_DIRECT);
	mark_at = lseek(marks, 0, SEEK_END) - MARK_SIZE;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void read_some(unsigned int number)
{
	const char *path = path_of(mount, number);
	int fd = open_it(path, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);

	for (unsigned int reads = chance(3); reads > 0; reads--)
		if (pread(fd, bytes, 1 + chance(9000), chance((unsigned int)size + 1)) < 0)
			fail("read", path);
	if (chance(2) && pread(fd, bytes, LARGEST, 0) < 0)
		fail("read", path);
	if (chance(2))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void change(const char *path)
{
	int fd = open_it(path, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);

	if (!chance(4) || size >= (off_t)LARGEST - 40000) {
		if (ftruncate(fd, random_size()) != 0)
			fail("truncate", path);
	} else {
		put(fd, path, chance((unsigned int)size + 1), 1 + chance(chance(2) ? 9000 : 40000));
	}
	close(fd);
}

static void change_here(unsigned int number)
{
	change(path_of(mount, number));
	next_tick(path_of(mount, number));
}

/*
 * What was read of it is in the cache before: kafs of 6.12 waits for itself for ever if it hears of
 * a change while it has pages that are still to be written there.
 */
static void change_there(unsigned int number)
{
	int fd = open_it(path_of(mount, number), O_RDONLY);

	if (fsync(fd) != 0)
		fail("fsync", path_of(mount, number));
	close(fd);
	change(path_of(served, number));
}

static void replace(unsigned int number)
{
	const char *path = path_of(mount, number);

	if (unlink(path) != 0)
		fail("unlink", path);
	fill(path, O_EXCL);
	next_tick(path);
}

/* Waits until the server has another first byte than @old. */
static void mark_when_there(unsigned int number, unsigned char old)
{
	unsigned char now = old;
	int fd = open_it(path_of(served, number), O_RDONLY);

	while (now == old && pread(fd, &now, 1, 0) == 1)
		usleep(200);
	mark("there", number);
	exit(0);
}

static void look(unsigned int number, struct stat *st, unsigned char *first)
{
	int fd = open_it(path_of(served, number), O_RDONLY);

	if (fstat(fd, st) != 0 || pread(fd, first, 1, 0) != 1)
		fail("look at", path_of(served, number));
	close(fd);
}

/*
 * Same size, same times: only this machine can know. What it has of the file had better be stored
 * before, and gone for good by the time that the server has the change.
 */
static void change_unseen(unsigned int number)
{
	const char *path = path_of(mount, number);
	int fd = open_it(path, chance(2) ? O_RDWR : O_WRONLY), status;
	unsigned char first;
	struct stat st;
	pid_t watcher;

	look(number, &st, &first);
	watcher = fork();
	if (watcher == 0)
		mark_when_there(number, first);
	first ^= 0x55;
	if (pwrite(fd, &first, 1, 0) != 1 || fsync(fd) != 0)
		fail("change", path);
	mark("told", number);
	put(fd, path, 1, (unsigned int)st.st_size - 1);
	if (fsync(fd) != 0 || close(fd) != 0)
		fail("fsync", path);
	if (waitpid(watcher, &status, 0) != watcher || status)
		fail("watch", path);
	set_mtime(path, st.st_mtim);
}

static void change_one(void)
{
	unsigned int number = STABLE + chance(CHANGING);
	bool told = !strcmp(kind, "every");

	if (!strcmp(kind, "none") || (!told && chance(2)))
		change_unseen(number);
	else if (!chance(6))
		replace(number);
	else if (told && !chance(3))
		change_there(number);
	else
		change_here(number);
}

/* Slow enough that most is stored before it changes. */
static void run(long steps)
{
	for (; steps > 0; steps--) {
		if (chance(100) < 4)
			change_one();
		else
			read_some(chance(STABLE + CHANGING));
		usleep(chance(50000));
	}
}

/* A run's numbers and ticks are its own. */
static void seed(const char *text)
{
	uint64_t number = strtoull(text, NULL, 0);

	tick += (time_t)(number % 1000) * 4096;
	for (const char *at = name; *at; at++)
		number = number * 31 + (unsigned char)*at;
	state = number * 0x9E3779B97F4A7C15ull + 1;
}

/* While nothing is mounted, so that it is noticed whatever the netfs asks the server for. */
static void change_below(void)
{
	for (int i = 0; i < 2; i++) {
		unsigned int number = STABLE + chance(CHANGING);

		change(path_of(served, number));
		next_tick(path_of(served, number));
	}
}

static void set_up(void)
{
	for (unsigned int i = 0; i < STABLE + CHANGING; i++)
		fill(path_of(served, i), 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (!strcmp(what, "mark") && argc == 4) {
		open_marks(argv[2]);
		name = argv[3];
		mark("mark", 0);
		return 0;
	}
	if (argc < 6)
		return 2;
	served = argv[2];
	name = argv[3];
	seed(argv[4]);
	kind = argv[5];
	if (!strcmp(what, "setup")) {
		set_up();
	} else if (!strcmp(what, "below")) {
		change_below();
	} else if (!strcmp(what, "run") && argc == 9) {
		mount = argv[6];
		open_marks(argv[7]);
		run(strtol(argv[8], NULL, 0));
	} else {
		return 2;
	}
	return 0;
}
