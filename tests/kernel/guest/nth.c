// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nth - the Nth thing that may be made to fail (see inject.sh) fails while this process does something.
 *
 *	nth N load MODULE [PARAMETERS]	what insmod does
 *	nth N bind FOLDER		what cachefilesd says to the device; and unbind, if that worked
 *	nth N same FILE OTHER		both have the same bytes
 *
 * Says "failed WHERE" or "did", and then "in vain" if there was no Nth thing. The status is 0 for all of
 * these, 1 if something is wrong that no missing memory excuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *nth;
static int nth_fd;

static void begin(void)
{
	if (write(nth_fd, nth, strlen(nth)) < 0) {
		perror("nth: fail-nth");
		exit(2);
	}
}

/* What is left to count down: nothing after the failure, so 0. */
static void end(const char *what)
{
	char left[32] = "";
	int error = errno;

	if (pread(nth_fd, left, sizeof(left) - 1, 0) < 0 || pwrite(nth_fd, "0", 1, 0) < 0) {
		perror("nth: fail-nth");
		exit(2);
	}
	if (what)
		printf("failed %s: %s", what, strerror(error));
	else
		printf("did");
	puts(atoi(left) ? " in vain" : "");
}

static void load(const char *file, const char *parameters)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	long failed;

	begin();
	failed = syscall(SYS_finit_module, fd, parameters, 0);
	end(failed ? "loading" : NULL);
	close(fd);
}

static int say(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static void bind(const char *folder)
{
	const char *failed = NULL;
	char dir[256];
	int fd;

	snprintf(dir, sizeof(dir), "dir %s", folder);
	begin();
	fd = open("/dev/cachefiles", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		failed = "open";
	else if (say(fd, dir))
		failed = "dir";
	else if (say(fd, "tag guest"))
		failed = "tag";
	else if (say(fd, "bind"))
		failed = "bind";
	else if (say(fd, "unbind"))
		failed = "unbind";
	end(failed);
	if (fd >= 0)
		close(fd);
}

static void same(const char *file, const char *other)
{
	static char one[1 << 16], two[1 << 16];
	const char *failed = NULL;
	int a, b, wrong = 0;
	ssize_t n, m;

	begin();
	a = open(file, O_RDONLY | O_CLOEXEC);
	b = open(other, O_RDONLY | O_CLOEXEC);
	if (a < 0 || b < 0)
		failed = "open";
	while (!failed) {
		n = read(a, one, sizeof(one));
		m = read(b, two, sizeof(two));
		if (n < 0 || m < 0)
			failed = "read";
		else if (n != m || memcmp(one, two, n))
			wrong = 1;
		if (wrong || n <= 0)
			break;
	}
	end(failed);
	if (wrong)
		puts("wrong bytes");
	/* the cache's memory is not the client's */
	if (wrong || failed)
		exit(1);
}

int main(int argc, char **argv)
{
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (argc < 4 || nth_fd < 0) {
		fprintf(stderr, "usage: nth N load|bind|same ... of a kernel that can fail\n");
		return 2;
	}
	nth = argv[1];
	setvbuf(stdout, NULL, _IOFBF, 4096);
	if (!strcmp(argv[2], "load"))
		load(argv[3], argc > 4 ? argv[4] : "");
	else if (!strcmp(argv[2], "bind"))
		bind(argv[3]);
	else if (!strcmp(argv[2], "same") && argc > 4)
		same(argv[3], argv[4]);
	else
		return 2;
	return 0;
}
