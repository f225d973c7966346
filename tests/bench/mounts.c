// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mounts.c - fsc-mount-bench: reading through mounted filesystems, in turn, in slices; the CPU time
 * of the reader and of each mount's daemon together.
 *
 * The daemons' time is what clock_gettime() says of their processes, in nanoseconds: the ticks of
 * /proc/PID/stat are too coarse for a slice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define CONTENDERS_MAX 8
#define UNIT (1u << 20) /* of sequential reading */
#define PAGE 4096u
#define SMALL_BYTES 16384

enum before { NOTHING, FORGET, DROP };

static enum before before;
static unsigned int small_files;
static void *unit;

/* One mount, or a plain file or folder. */
struct place {
	const char *name, *path;
	clockid_t daemon;
	bool has_daemon;
	uint64_t pos, seed; /* where the last slice ended */
	double lat[METER_LATENCIES];
	struct meter meter;
	uint64_t daemon_ns;
};

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: fsc-mount-bench [--pairs N] [--slice SECONDS] [--before nothing|forget|drop]\n"
		"       CASE NAME=PATH[,PID] NAME=PATH[,PID] ...\n"
		"CASE: seq, rand, mmap, mmap-rand: of the file PATH, or PATH/large\n"
		"      small: of the files PATH/small/0, 1, ...\n"
		"PID is the mount's daemon, whose CPU time is added. The first is compared with the\n"
		"second, which is also the control. Before each slice: forget, the file's pages in\n"
		"the kernel are dropped, below the mount nothing is; drop, all caches of the\n"
		"machine are.\n");
}

/* --- One slice -------------------------------------------------------------------------------- */

static uint64_t daemon_ns(const struct place *p)
{
	struct timespec ts;

	if (!p->has_daemon)
		return 0;
	if (clock_gettime(p->daemon, &ts))
		bench_die(p->name, errno);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		bench_die("drop_caches", errno);
	close(fd);
}

static int open_file(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		bench_die(path, errno);
	*size = (uint64_t)st.st_size;
	return fd;
}

static int open_large(const struct place *p, uint64_t *size)
{
	char path[4096];
	struct stat st;

	if (!stat(p->path, &st) && S_ISDIR(st.st_mode))
		snprintf(path, sizeof(path), "%s/large", p->path);
	else
		snprintf(path, sizeof(path), "%s", p->path);
	return open_file(path, size);
}

static void slice_begin(struct place *p, double seconds)
{
	p->daemon_ns = daemon_ns(p);
	meter_begin(&p->meter, seconds, p->lat);
}

static void slice_end(struct place *p, struct slice *out)
{
	double ops = p->meter.ops ? (double)p->meter.ops : 1;

	meter_end(&p->meter, out);
	out->cpu_ns += (double)(daemon_ns(p) - p->daemon_ns) / ops;
}

static uint64_t next_random(struct place *p)
{
	p->seed ^= p->seed << 13;
	p->seed ^= p->seed >> 7;
	p->seed ^= p->seed << 17;
	return p->seed;
}

/* An open file, as the slice is to find it. */
static int prepare(struct place *p, uint64_t *size)
{
	int fd;

	if (before == DROP)
		drop_caches();
	fd = open_large(p, size);
	if (before == FORGET && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		bench_die("fadvise", errno);
	return fd;
}

/* --- Cases ------------------------------------------------------------------------------------ */

static void read_full(int fd, const struct place *p, size_t len, uint64_t pos)
{
	if (pread(fd, unit, len, (off_t)pos) != (ssize_t)len)
		bench_die(p->path, errno ? errno : EIO);
}

/* The file is opened anew where it begins anew: what a reader does. */
static void run_seq(void *arg, double seconds, struct slice *out)
{
	struct place *p = arg;
	uint64_t size;
	int fd = prepare(p, &size);

	slice_begin(p, seconds);
	do {
		uint64_t began = bench_now_ns();

		if (p->pos + UNIT > size) {
			close(fd);
			fd = open_large(p, &size);
			if (before == FORGET)
				posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			p->pos = 0;
		}
		read_full(fd, p, UNIT, p->pos);
		p->pos += UNIT;
		p->meter.ops++;
		meter_lat(&p->meter, bench_now_ns() - began);
	} while (meter_on(&p->meter));
	slice_end(p, out);
	close(fd);
}

static void run_rand(void *arg, double seconds, struct slice *out)
{
	struct place *p = arg;
	uint64_t size;
	int fd = prepare(p, &size);

	slice_begin(p, seconds);
	do {
		uint64_t began = bench_now_ns();

		read_full(fd, p, PAGE, next_random(p) % (size / PAGE) * PAGE);
		meter_lat(&p->meter, bench_now_ns() - began);
		p->meter.ops++;
	} while (meter_on(&p->meter));
	slice_end(p, out);
	close(fd);
}

static const unsigned char *map_file(int fd, uint64_t size)
{
	const unsigned char *mem = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		bench_die("mmap", errno);
	return mem;
}

static volatile unsigned char sink;

static void run_mmap(void *arg, double seconds, struct slice *out)
{
	struct place *p = arg;
	const unsigned char *mem;
	uint64_t size;
	int fd = prepare(p, &size);

	slice_begin(p, seconds);
	mem = map_file(fd, size);
	do {
		uint64_t began = bench_now_ns(), at;

		if (p->pos + UNIT > size) {
			munmap((void *)mem, size);
			mem = map_file(fd, size);
			p->pos = 0;
		}
		for (at = 0; at < UNIT; at += PAGE)
			sink = mem[p->pos + at];
		p->pos += UNIT;
		p->meter.ops++;
		meter_lat(&p->meter, bench_now_ns() - began);
	} while (meter_on(&p->meter));
	munmap((void *)mem, size);
	slice_end(p, out);
	close(fd);
}

/* Each page at most about once: what is mapped already costs nothing. */
static void run_mmap_rand(void *arg, double seconds, struct slice *out)
{
	struct place *p = arg;
	const unsigned char *mem;
	uint64_t size;
	int fd = prepare(p, &size);

	slice_begin(p, seconds);
	mem = map_file(fd, size);
	if (madvise((void *)mem, size, MADV_RANDOM))
		bench_die("madvise", errno);
	do {
		uint64_t began = bench_now_ns();

		sink = mem[next_random(p) % (size / PAGE) * PAGE];
		meter_lat(&p->meter, bench_now_ns() - began);
		p->meter.ops++;
		if (p->meter.ops % (size / PAGE) == 0 && madvise((void *)mem, size, MADV_DONTNEED))
			bench_die("madvise", errno);
	} while (meter_on(&p->meter));
	munmap((void *)mem, size);
	slice_end(p, out);
	close(fd);
}

static void run_small(void *arg, double seconds, struct slice *out)
{
	struct place *p = arg;
	char path[4096];
	uint64_t size;
	int fd;

	if (before == DROP)
		drop_caches();
	slice_begin(p, seconds);
	do {
		uint64_t began = bench_now_ns();

		snprintf(path, sizeof(path), "%s/small/%u", p->path,
			 (unsigned int)(next_random(p) % small_files));
		fd = open_file(path, &size);
		if (size != SMALL_BYTES)
			bench_die(path, EINVAL);
		read_full(fd, p, SMALL_BYTES, 0);
		close(fd);
		meter_lat(&p->meter, bench_now_ns() - began);
		p->meter.ops++;
	} while (meter_on(&p->meter));
	slice_end(p, out);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void *arg, double seconds, struct slice *out);
} cases[] = {
	{ "seq", run_seq },   { "rand", run_rand },	    { "mmap", run_mmap },
	{ "small", run_small }, { "mmap-rand", run_mmap_rand },
};

/* NAME=PATH[,PID] */
static struct place *parse_place(char *word)
{
	struct place *p = calloc(1, sizeof(*p));
	char *path = strchr(word, '='), *pid;

	if (!p || !path) {
		usage(stderr);
		exit(2);
	}
	*path++ = '\0';
	pid = strrchr(path, ',');
	if (pid) {
		*pid++ = '\0';
		p->has_daemon = true;
		if (clock_getcpuclockid((pid_t)strtol(pid, NULL, 10), &p->daemon))
			bench_die(pid, ESRCH);
	}
	p->name = word;
	p->path = path;
	p->seed = 88172645463325252u;
	return p;
}

static void count_small(const struct place *p)
{
	char path[4096];

	do
		snprintf(path, sizeof(path), "%s/small/%u", p->path, small_files++);
	while (!access(path, F_OK));
	if (!--small_files)
		bench_die(path, ENOENT);
}

static enum before parse_before(const char *word)
{
	if (!strcmp(word, "forget"))
		return FORGET;
	if (!strcmp(word, "drop"))
		return DROP;
	if (strcmp(word, "nothing")) {
		usage(stderr);
		exit(2);
	}
	return NOTHING;
}

static void compare(const struct bench_opts *opts, const char *name, struct contender *con,
		    size_t count)
{
	static const char *const notes[] = { "", ", forgotten", ", dropped" };
	char title[64];
	size_t i, c;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, name))
			continue;
		for (c = 0; c < count; c++)
			con[c].run = cases[i].run;
		snprintf(title, sizeof(title), "%s%s", name, notes[before]);
		bench_compare(opts, title, con, count);
		return;
	}
	usage(stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pairs", required_argument, NULL, 'p' },
		{ "slice", required_argument, NULL, 's' },
		{ "before", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct bench_opts opts = { .pairs = 20, .seconds = 0.3 };
	struct contender con[CONTENDERS_MAX];
	size_t count = 0;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'p': opts.pairs = (unsigned int)strtoul(optarg, NULL, 10); break;
		case 's': opts.seconds = strtod(optarg, NULL); break;
		case 'b': before = parse_before(optarg); break;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (argc - optind < 3 || argc - optind > CONTENDERS_MAX || !opts.pairs ||
	    !(opts.seconds > 0)) {
		usage(stderr);
		return 2;
	}
	if (posix_memalign(&unit, PAGE, UNIT))
		bench_die("memory", ENOMEM);
	for (c = optind + 1; c < argc; c++) {
		struct place *p = parse_place(argv[c]);

		con[count++] = (struct contender){ .name = p->name, .arg = p };
	}
	con[count] = con[1];
	con[count++].name = "control";
	if (!strcmp(argv[optind], "small"))
		count_small(con[1].arg);
	compare(&opts, argv[optind], con, count);
	return 0;
}
