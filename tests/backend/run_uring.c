/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * run_uring.c - the conformance suite on the io_uring backend, in each way that it can run.
 *
 *	run_uring [DIRECTORY [MODE...]]
 *
 * DIRECTORY chooses the filesystem; without it one is made under $TMPDIR. Each mode gets a fresh
 * folder in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fscache/backend.h>
#include <fscache/uring.h>

#include "conformance.h"

/* The exit status that says: can't be tested here. */
#define SKIPPED 77

struct mode {
	const char *name;
	struct fsc_uring_params params;
	bool seccomp; /* the kernel refuses, rather than the parameters */
};

static const struct mode modes[] = {
	{ .name = "direct" },
	{ .name = "small-ring", .params.depth = 8 },
	{ .name = "buffered", .params.buffered = true },
	{ .name = "no-uring", .params.no_uring = true },
	{ .name = "no-tmpfile", .params.no_tmpfile = true },
	{ .name = "loop", .params.drive = FSC_URING_LOOP },
	{ .name = "loop-no-uring", .params = { .drive = FSC_URING_LOOP, .no_uring = true } },
	{ .name = "seccomp", .seccomp = true },
};

#define NR_MODES (sizeof(modes) / sizeof(modes[0]))

/* What the suite opens and closes, one at a time or several. */
struct storage {
	char path[4096];
	const struct mode *mode;
	bool cannot_run;
};

/* --- A client's event loop ------------------------------------------------------------------- */

struct loop {
	struct fsc_backend_ops ops; /* with a close that ends the loop first */
	const struct fsc_backend_ops *real;
	struct fsc_backend *be;
	pthread_t thread;
	int stop_fd;
};

static void *drive(void *arg)
{
	struct loop *l = arg;
	struct pollfd fds[2] = {
		{ .fd = fsc_uring_fd(l->be), .events = POLLIN },
		{ .fd = l->stop_fd, .events = POLLIN },
	};

	while (!(fds[1].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && fsc_uring_dispatch(l->be, false) < 0)
			abort();
	}
	return NULL;
}

static void close_loop(struct fsc_backend *be)
{
	struct loop *l = (struct loop *)(void *)((char *)(uintptr_t)be->ops -
						 offsetof(struct loop, ops));

	eventfd_write(l->stop_fd, 1);
	pthread_join(l->thread, NULL);
	close(l->stop_fd);
	be->ops = l->real;
	be->ops->close(be);
	free(l);
}

static void start_loop(struct fsc_backend *be)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->be = be;
	l->real = be->ops;
	l->ops = *be->ops;
	l->ops.close = close_loop;
	be->ops = &l->ops;
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (l->stop_fd < 0 || pthread_create(&l->thread, NULL, drive, l))
		abort();
}

static struct fsc_backend *open_backend(void *arg)
{
	struct storage *s = arg;
	struct fsc_backend *be;
	int err = fsc_uring_open(s->path, &s->mode->params, &be);

	if (err) {
		printf("%s: open: error %d\n", s->mode->name, err);
		s->cannot_run = err == -EOPNOTSUPP; /* no user xattrs here */
		return NULL;
	}
	if (s->mode->params.drive == FSC_URING_LOOP)
		start_loop(be);
	return be;
}

static int plant(void *arg, enum fsc_conformance_plant what, const char *path, const char *target)
{
	struct storage *s = arg;
	char full[8192];
	char beside[8192];

	snprintf(full, sizeof(full), "%s/%s", s->path, path);
	snprintf(beside, sizeof(beside), "%.*s/%s", (int)(strrchr(full, '/') - full), full,
		 target ? target : "");
	switch (what) {
	case FSC_PLANT_SYMLINK:
		return symlink(target, full) ? -errno : 0;
	case FSC_PLANT_FIFO:
		return mkfifo(full, 0600) ? -errno : 0;
	case FSC_PLANT_HARDLINK:
		return link(beside, full) ? -errno : 0;
	}
	return -EINVAL;
}

static const struct fsc_conformance_hooks hooks = { .plant = plant };

/* --- Refused system calls -------------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(test, value, n) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, 0, n)
#define REFUSE(err) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (err))

/* As in a container with old software around it: io_uring and openat2 are forbidden, renameat2 is
 * unknown, and tmpfiles can be linked by way of /proc only. */
static int refuse_calls(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		SKIP_UNLESS(BPF_JEQ, SYS_io_uring_setup, 1),
		REFUSE(EPERM),
		SKIP_UNLESS(BPF_JEQ, SYS_openat2, 1),
		REFUSE(EPERM),
		SKIP_UNLESS(BPF_JEQ, SYS_renameat2, 1),
		REFUSE(ENOSYS),
		SKIP_UNLESS(BPF_JEQ, SYS_linkat, 3),
		LOAD(args[4]),
		SKIP_UNLESS(BPF_JSET, AT_EMPTY_PATH, 1),
		REFUSE(ENOENT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

/* --- All modes ------------------------------------------------------------------------------- */

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int run_suite(struct storage *s)
{
	struct fsc_backend *first = open_backend(s);
	int fds, threads, failed, i;

	if (!first)
		return s->cannot_run ? SKIPPED : 1;
	first->ops->close(first); /* a sanitizer may start a thread of its own with the first */
	fds = count_entries("/proc/self/fd");
	threads = count_entries("/proc/self/task");
	failed = fsc_conformance_run_with(&hooks, open_backend, s);

	if (count_entries("/proc/self/fd") != fds) {
		printf("%s: descriptors are left open\n", s->mode->name);
		failed++;
	}
	/* A thread that was joined may be seen there for a moment. */
	for (i = 0; i < 10000 && count_entries("/proc/self/task") > threads; i++)
		sched_yield();
	if (i == 10000) {
		printf("%s: threads are left\n", s->mode->name);
		failed++;
	}
	return failed != 0;
}

/* What a mode says of itself when it is opened first; all of the errors. */
static void print_line(void *arg, int level, const char *line)
{
	int *opened = arg;

	if (level > 3 && *opened)
		return;
	printf("  %s\n", line);
	*opened |= strstr(line, " I/O: ") != NULL;
}

/* In a child of its own: a filter is for life, and one crash doesn't hide the other modes. 0, 1 or
 * SKIPPED. */
static int run_mode(const char *base, const struct mode *mode)
{
	struct storage s = { .mode = mode };
	int failed, status, opened = 0;
	pid_t child;

	snprintf(s.path, sizeof(s.path), "%s/%s.XXXXXX", base, mode->name);
	if (!mkdtemp(s.path)) {
		printf("%s: %s\n", s.path, strerror(errno));
		return 1;
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		fsc_set_log(print_line, &opened);
		failed = mode->seccomp && refuse_calls() ? 1 : run_suite(&s);
		fflush(NULL);
		exit(failed);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	failed = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	printf("%s: %s\n", mode->name, !failed ? "ok" : failed == SKIPPED ? "skipped" : "FAILED");
	return failed;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc <= 2;
}

int main(int argc, char **argv)
{
	const char *tmp = argc > 1 ? argv[1] : getenv("TMPDIR");
	char base[2048];
	int failed = 0, skipped = 0;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(base, sizeof(base), "%s/fsc-uring.XXXXXX", tmp ? tmp : ".");
	if (!mkdtemp(base)) {
		perror(base);
		return 1;
	}
	for (i = 0; i < NR_MODES; i++) {
		int ret = wanted(modes[i].name, argc, argv) ? run_mode(base, &modes[i]) : 0;

		skipped += ret == SKIPPED;
		failed += ret && ret != SKIPPED;
	}
	nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return failed ? 1 : skipped ? SKIPPED : 0;
}
