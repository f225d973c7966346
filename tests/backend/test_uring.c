/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * test_uring.c - what only the io_uring backend has: the directory it is opened on, what may lie
 * in wait there, its two ways of being driven, and a forked child.
 *
 * In a folder under $TMPDIR, whose filesystem must have user xattrs.
 */
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <fscache/backend.h>
#include <fscache/env.h>
#include <fscache/uring.h>

struct room {
	char path[2048];
	struct fsc_backend *be;
	struct fsc_dir *root;
};

/* --- Rooms ------------------------------------------------------------------------------------- */

static int make_room(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct room *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/fsc-test-uring.XXXXXX", tmp ? tmp : ".");
	*state = r;
	return mkdtemp(r->path) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_room(void **state)
{
	struct room *r = *state;

	nftw(r->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(r);
	return 0;
}

static void open_room(struct room *r, const struct fsc_uring_params *params)
{
	assert_int_equal(fsc_uring_open(r->path, params, &r->be), 0);
	assert_int_equal(r->be->ops->dir_open(r->be, NULL, NULL, false, &r->root), 0);
}

static void close_room(struct room *r)
{
	r->be->ops->dir_close(r->root);
	r->be->ops->close(r->be);
}

static const char *in_room(const struct room *r, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", r->path, name);
	return path;
}

static struct fsc_file *make_file(struct room *r, const char *name, uint64_t size)
{
	struct fsc_file *file;

	assert_int_equal(r->be->ops->tmpfile(r->root, size, &file), 0);
	assert_int_equal(r->be->ops->commit(file, r->root, name), 0);
	return file;
}

static int open_entries(const char *path)
{
	int n = 0;
	char name[64];
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		snprintf(name, sizeof(name), "%s/%d", path, fd);
		n += access(name, F_OK) == 0;
	}
	return n;
}

/* --- The directory -------------------------------------------------------------------------------- */

static void test_what_is_no_directory_of_ours_is_refused(void **state)
{
	struct room *r = *state;
	struct fsc_backend *be;
	int fd;

	assert_int_equal(fsc_uring_open(in_room(r, "missing"), NULL, &be), -ENOENT);
	fd = open(in_room(r, "file"), O_CREAT | O_RDWR, 0600);
	close(fd);
	assert_int_equal(fsc_uring_open(in_room(r, "file"), NULL, &be), -ENOTDIR);
	assert_true(fsc_uring_open("/proc", NULL, &be) < 0);
	chmod(r->path, 0777);
	assert_int_equal(fsc_uring_open(r->path, NULL, &be), -EPERM);
}

static void test_another_owner_is_refused(void **state)
{
	struct room *r = *state;
	struct fsc_backend *be;

	if (geteuid())
		skip();
	assert_int_equal(chown(r->path, 12345, 12345), 0);
	assert_int_equal(fsc_uring_open(r->path, NULL, &be), -EPERM);
}

static void test_the_directory_is_made_private(void **state)
{
	struct room *r = *state;
	struct stat st;

	chmod(r->path, 0775);
	open_room(r, NULL);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(r->be->uid, geteuid());
	close_room(r);
}

static void test_opening_leaves_nothing_behind(void **state)
{
	struct fsc_uring_params no_tmpfile = { .no_tmpfile = true };
	struct room *r = *state;
	int before = open_entries("/proc/self/fd");

	open_room(r, NULL);
	close_room(r);
	open_room(r, &no_tmpfile);
	close_room(r);
	assert_int_equal(rmdir(r->path), 0);
	assert_int_equal(open_entries("/proc/self/fd"), before);
}

static void test_a_second_owner_is_told_so(void **state)
{
	struct room *r = *state;
	struct fsc_backend *second;

	open_room(r, NULL);
	assert_int_equal(fsc_uring_open(r->path, NULL, &second), 0);
	assert_int_equal(r->be->ops->lock(r->be), 0);
	assert_int_equal(second->ops->lock(second), -EBUSY);
	close_room(r);
	assert_int_equal(second->ops->lock(second), 0);
	fsc_uring_close(second);
}

static void test_limits_and_alignments_are_sane(void **state)
{
	struct rlimit limit = { .rlim_cur = 64 }, before;
	struct room *r = *state;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	open_room(r, NULL);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(r->be->max_files, 16);
	assert_true(r->be->xattr_max >= 256);
	assert_true(r->be->io_align && r->be->io_align <= FSC_GRANULE_SIZE);
	assert_true(r->be->mem_align && r->be->mem_align <= FSC_GRANULE_SIZE);
	assert_int_equal(r->be->io_align & (r->be->io_align - 1), 0);
	assert_int_equal(r->be->mem_align & (r->be->mem_align - 1), 0);
	close_room(r);
}

/* Found by a bisection, so: exactly this long and not a byte longer. (What btrfs takes depends on
 * what lies beside it; there it is the least.) */
static void test_the_longest_xattr_is_exact(void **state)
{
	struct room *r = *state;
	char *value = calloc(1, 65537);
	struct fsc_file *file;
	uint32_t max;

	assert_non_null(value);
	open_room(r, NULL);
	file = make_file(r, "Dfile", 0);
	max = r->be->xattr_max;
	assert_int_equal(r->be->ops->xattr_set(file, "user.fscache", value, max), 0);
	assert_true(r->be->ops->xattr_set(file, "user.fscache", value, max + 1) < 0 ||
		    r->be->kind == FSC_FS_STRICT);
	assert_int_equal(r->be->ops->xattr_set(file, "user.fscache", value, max), 0);
	assert_int_equal(r->be->ops->xattr_get(file, "user.fscache", value, 65537), max);
	assert_int_equal(r->be->ops->xattr_get(file, "user.fscache", value, 0), -ERANGE);
	r->be->ops->file_close(file);
	close_room(r);
	free(value);
}

/* --- Traps ------------------------------------------------------------------------------------------ */

static void lay_traps(const struct room *r)
{
	assert_int_equal(mkfifo(in_room(r, "fifo"), 0600), 0);
	assert_int_equal(mkdir(in_room(r, "dir"), 0700), 0);
	assert_int_equal(close(creat(in_room(r, "dir/inner"), 0600)), 0);
	assert_int_equal(close(creat(in_room(r, "plain"), 0600)), 0);
	assert_int_equal(symlink("plain", in_room(r, "link")), 0);
	assert_int_equal(symlink("dir", in_room(r, "dirlink")), 0);
	assert_int_equal(symlink("/etc/passwd", in_room(r, "away")), 0);
	assert_int_equal(mknod(in_room(r, "socket"), S_IFSOCK | 0600, 0), 0);
}

static void open_traps(struct room *r)
{
	static const char *const names[] = { "fifo", "dir", "link", "away", "socket",
					     "dirlink/inner", "plain/inner", "../x", ".", "..",
					     "", "dir/..", "dir/", "/etc/passwd" };
	const struct fsc_backend_ops *ops = r->be->ops;
	struct fsc_file *file;
	struct fsc_dir *dir;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ops->file_open(r->root, names[i], &file) != -EUCLEAN)
			fail_msg("file_open of \"%s\"", names[i]);
	assert_int_equal(ops->dir_open(r->be, r->root, "dirlink", true, &dir), -EUCLEAN);
	assert_int_equal(ops->dir_open(r->be, r->root, "plain", true, &dir), -EUCLEAN);
	assert_int_equal(ops->dir_open(r->be, r->root, "fifo", true, &dir), -EUCLEAN);
	assert_int_equal(ops->dir_open(r->be, r->root, "dirlink/new", true, &dir), -EUCLEAN);
	assert_int_equal(ops->dir_open(r->be, r->root, "..", false, &dir), -EUCLEAN);
	assert_int_equal(access(in_room(r, "dir/new"), F_OK), -1);
}

static void change_through_traps(struct room *r)
{
	const struct fsc_backend_ops *ops = r->be->ops;
	struct fsc_file *file;

	assert_int_equal(ops->tmpfile(r->root, 0, &file), 0);
	assert_int_equal(ops->commit(file, r->root, "dirlink/named"), -EUCLEAN);
	assert_int_equal(ops->commit(file, r->root, "link"), -EEXIST);
	assert_int_equal(ops->unlink(r->root, "dirlink/inner", NULL), -EUCLEAN);
	assert_int_equal(ops->unlink(r->root, "link", file), -ESTALE);
	assert_int_equal(ops->unlink(r->root, "dir", NULL), -EUCLEAN);
	assert_int_equal(ops->rename(r->root, "dirlink/inner", r->root, "stolen"), -EUCLEAN);
	assert_int_equal(ops->rename(r->root, "plain", r->root, "dirlink/stolen"), -EUCLEAN);
	assert_int_equal(ops->rename(r->root, "plain", r->root, "link"), -EEXIST);
	assert_int_equal(ops->remove_dir(r->root, "dirlink"), -EUCLEAN);
	assert_int_equal(ops->remove_dir(r->root, "plain"), -EUCLEAN);
	assert_int_equal(access(in_room(r, "dir/inner"), F_OK), 0);
	ops->file_close(file);
}

/* What stands in an object's place must be possible to remove, itself and not where it leads. */
static void remove_traps(struct room *r)
{
	static const char *const names[] = { "fifo", "link", "away", "socket", "dirlink" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(r->be->ops->unlink(r->root, names[i], NULL), 0);
	assert_int_equal(access(in_room(r, "plain"), F_OK), 0);
	assert_int_equal(access(in_room(r, "dir/inner"), F_OK), 0);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void test_traps_are_never_followed(void **state)
{
	struct room *r = *state;
	struct fsc_stat st;

	open_room(r, NULL);
	lay_traps(r);
	open_traps(r);
	change_through_traps(r);
	assert_int_equal(r->be->ops->dir_stat(r->root, "link", &st), 0);
	assert_int_equal(st.type, FSC_FILE_OTHER);
	assert_int_equal(r->be->ops->dir_stat(r->root, "dirlink/inner", &st), -EUCLEAN);
	remove_traps(r);
	close_room(r);
}

static void test_a_link_in_place_of_the_lock_is_refused(void **state)
{
	struct room *r = *state;

	assert_int_equal(symlink("elsewhere", in_room(r, "lock")), 0);
	open_room(r, NULL);
	assert_int_equal(r->be->ops->lock(r->be), -EUCLEAN);
	assert_int_equal(access(in_room(r, "elsewhere"), F_OK), -1);
	close_room(r);
}

static int64_t atime_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_atim.tv_sec;
}

static void test_touch_writes_only_old_access_times(void **state)
{
	struct room *r = *state;
	struct timespec times[2] = { { .tv_sec = time(NULL) - 1000 }, { .tv_sec = 5 } };
	struct fsc_file *file;
	int64_t recent;

	open_room(r, NULL);
	r->be->ops->file_close(make_file(r, "Dfile", 0));
	assert_int_equal(utimensat(AT_FDCWD, in_room(r, "Dfile"), times, 0), 0);
	assert_int_equal(r->be->ops->file_open(r->root, "Dfile", &file), 0);
	r->be->ops->touch(file);
	assert_true(atime_of(in_room(r, "Dfile")) >= time(NULL) - 60);
	r->be->ops->file_close(file);

	recent = time(NULL) - 30;
	times[0].tv_sec = recent;
	assert_int_equal(utimensat(AT_FDCWD, in_room(r, "Dfile"), times, 0), 0);
	assert_int_equal(r->be->ops->file_open(r->root, "Dfile", &file), 0);
	r->be->ops->touch(file);
	assert_int_equal(atime_of(in_room(r, "Dfile")), recent);
	r->be->ops->file_close(file);
	close_room(r);
}

/* --- Many transfers ------------------------------------------------------------------------------------ */

#define GRANULES 64u

struct transfer {
	struct fsc_io io;
	struct crowd *crowd;
	uint8_t *mem;
	int64_t expected;
	unsigned int left; /* how often it starts itself again */
};

struct crowd {
	const struct fsc_backend_ops *ops;
	struct fsc_waitq event;
	struct fsc_mutex lock;
	uint32_t wrong;   /* atomic */
	uint32_t running; /* under lock */
	pthread_t driver;
	bool on_driver;   /* completions must be on @driver */
};

static void read_done(struct fsc_io *io, int64_t res)
{
	struct transfer *t = (struct transfer *)((char *)io - offsetof(struct transfer, io));
	struct crowd *c = t->crowd;

	if (res != t->expected || (res > 0 && t->mem[0] != (uint8_t)(io->pos / FSC_GRANULE_SIZE)))
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
	if (c->on_driver && !pthread_equal(pthread_self(), c->driver))
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
	if (t->left--) {
		c->ops->read(io);
		return;
	}
	fsc_mutex_lock(&c->lock);
	c->running--;
	fsc_waitq_wake_all(&c->event);
	fsc_mutex_unlock(&c->lock);
}

static bool crowd_is_gone(void *arg)
{
	struct crowd *c = arg;
	bool gone;

	fsc_mutex_lock(&c->lock);
	gone = !c->running;
	fsc_mutex_unlock(&c->lock);
	return gone;
}

static void crowd_init(struct crowd *c, const struct fsc_backend_ops *ops)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	fsc_waitq_init(&c->event);
	fsc_mutex_init(&c->lock, "crowd");
}

static void crowd_end(struct crowd *c)
{
	assert_int_equal(c->wrong, 0);
	fsc_waitq_destroy(&c->event);
	fsc_mutex_destroy(&c->lock);
}

static void start_transfer(struct crowd *c, struct transfer *t, struct fsc_file *file,
			   unsigned int granule, unsigned int again)
{
	t->crowd = c;
	t->expected = granule < GRANULES ? FSC_GRANULE_SIZE : 0;
	t->left = again;
	t->io = (struct fsc_io){
		.file = file,
		.pos = (uint64_t)granule * FSC_GRANULE_SIZE,
		.buf = { .mem = t->mem, .len = FSC_GRANULE_SIZE, .kind = FSC_BUF_MEM },
		.done = read_done,
	};
	fsc_mutex_lock(&c->lock);
	c->running++;
	fsc_mutex_unlock(&c->lock);
	c->ops->read(&t->io);
}

/* Each granule of it is full of its number. */
static struct fsc_file *make_numbered_file(struct room *r)
{
	struct fsc_file *file = make_file(r, "Dnumbers", GRANULES * FSC_GRANULE_SIZE);
	uint8_t *mem = fsc_io_alloc(FSC_GRANULE_SIZE);
	int fd = open(in_room(r, "Dnumbers"), O_RDWR);
	unsigned int i;

	assert_non_null(mem);
	for (i = 0; i < GRANULES; i++) {
		memset(mem, (int)i, FSC_GRANULE_SIZE);
		assert_int_equal(pwrite(fd, mem, FSC_GRANULE_SIZE, (off_t)i * FSC_GRANULE_SIZE),
				 FSC_GRANULE_SIZE);
	}
	assert_int_equal(fsync(fd), 0);
	close(fd);
	fsc_io_free(mem, FSC_GRANULE_SIZE);
	return file;
}

static struct transfer *make_transfers(unsigned int n)
{
	struct transfer *t = calloc(n, sizeof(*t));
	unsigned int i;

	assert_non_null(t);
	for (i = 0; i < n; i++) {
		t[i].mem = fsc_io_alloc(FSC_GRANULE_SIZE);
		assert_non_null(t[i].mem);
	}
	return t;
}

static void free_transfers(struct transfer *t, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		fsc_io_free(t[i].mem, FSC_GRANULE_SIZE);
	free(t);
}

/* More than ring, queue and completions hold, from several threads and from completions. */
#define PER_THREAD 500u

struct starter {
	struct crowd *crowd;
	struct fsc_file *file;
	struct transfer *transfers;
};

static void *start_many(void *arg)
{
	struct starter *s = arg;
	unsigned int i;

	for (i = 0; i < PER_THREAD; i++)
		start_transfer(s->crowd, &s->transfers[i], s->file, i % (GRANULES + 4), i % 3);
	return NULL;
}

static void run_crowd(struct room *r, const struct fsc_uring_params *params)
{
	struct transfer *transfers = make_transfers(3 * PER_THREAD);
	struct starter starters[3];
	pthread_t threads[3];
	struct fsc_file *file;
	struct crowd c;
	int i;

	open_room(r, params);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	for (i = 0; i < 3; i++) {
		starters[i] = (struct starter){ &c, file, transfers + (unsigned int)i * PER_THREAD };
		assert_int_equal(pthread_create(&threads[i], NULL, start_many, &starters[i]), 0);
	}
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	fsc_waitq_wait(&c.event, crowd_is_gone, &c);
	crowd_end(&c);
	r->be->ops->file_close(file);
	close_room(r);
	free_transfers(transfers, 3 * PER_THREAD);
}

static void test_more_transfers_than_the_ring_holds(void **state)
{
	struct fsc_uring_params small = { .depth = 8 };

	run_crowd(*state, &small);
}

static void test_many_transfers_without_io_uring(void **state)
{
	struct fsc_uring_params none = { .no_uring = true };

	run_crowd(*state, &none);
}

static void test_a_transfer_that_may_block_is_done_at_once(void **state)
{
	struct room *r = *state;
	struct transfer *t = make_transfers(1);
	struct fsc_file *file;
	struct crowd c;

	open_room(r, NULL);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	t->crowd = &c;
	t->expected = FSC_GRANULE_SIZE;
	t->io = (struct fsc_io){
		.file = file,
		.pos = 7 * FSC_GRANULE_SIZE,
		.buf = { .mem = t->mem, .len = FSC_GRANULE_SIZE, .kind = FSC_BUF_MEM },
		.flags = FSC_IO_MAY_BLOCK,
		.done = read_done,
	};
	c.running = 1;
	r->be->ops->read(&t->io);
	assert_int_equal(c.running, 0);
	crowd_end(&c);
	r->be->ops->file_close(file);
	close_room(r);
	free_transfers(t, 1);
}

/* --- Driven by a loop ------------------------------------------------------------------------------ */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void *dispatch_elsewhere(void *arg)
{
	return (void *)(intptr_t)fsc_uring_dispatch(arg, false);
}

/* It may be readable once too often, never for good. */
static bool falls_quiet(struct room *r, int fd)
{
	int i;

	for (i = 0; i < 3 && readable(fd, 0); i++)
		assert_int_equal(fsc_uring_dispatch(r->be, false), 0);
	return !readable(fd, 0);
}

/* Poll and dispatch as a client's loop does, until all of the crowd has ended. */
static int poll_and_dispatch(struct room *r, struct crowd *c, int fd)
{
	int ran = 0, n;

	while (!crowd_is_gone(c)) {
		assert_true(readable(fd, 60000));
		n = fsc_uring_dispatch(r->be, false);
		assert_true(n >= 0);
		ran += n;
	}
	return ran;
}

static void run_loop(struct room *r, bool no_uring)
{
	struct fsc_uring_params params = { .drive = FSC_URING_LOOP, .depth = 8 };
	struct transfer *t = make_transfers(200);
	struct fsc_file *file;
	pthread_t other;
	struct crowd c;
	void *ret;
	int fd, i;

	params.no_uring = no_uring;
	open_room(r, &params);
	file = make_numbered_file(r);
	crowd_init(&c, r->be->ops);
	c.driver = pthread_self();
	c.on_driver = true;
	fd = fsc_uring_fd(r->be);
	assert_true(fd >= 0);
	assert_false(readable(fd, 0));

	/* Before anybody drives. */
	start_transfer(&c, &t[0], file, 3, 0);
	assert_true(readable(fd, 60000));
	assert_int_equal(poll_and_dispatch(r, &c, fd), 1);
	assert_true(falls_quiet(r, fd));
	assert_int_equal(fsc_uring_dispatch(r->be, false), 0);

	assert_int_equal(pthread_create(&other, NULL, dispatch_elsewhere, r->be), 0);
	pthread_join(other, &ret);
	assert_int_equal((intptr_t)ret, -EINVAL);

	/* From the loop itself, more than fit; some go on from their completions. */
	for (i = 0; i < 200; i++)
		start_transfer(&c, &t[i], file, (unsigned int)i % GRANULES, i % 4);
	assert_int_equal(poll_and_dispatch(r, &c, fd), 200 + 50 * (1 + 2 + 3));
	assert_true(falls_quiet(r, fd));

	/* Waiting without a poll. */
	start_transfer(&c, &t[0], file, 9, 2);
	for (i = 0; i < 3;) {
		int ran = fsc_uring_dispatch(r->be, true);

		assert_true(ran > 0);
		i += ran;
	}
	assert_int_equal(i, 3);
	crowd_end(&c);
	r->be->ops->file_close(file);
	close_room(r);
	free_transfers(t, 200);
}

static void test_a_loop_drives_the_ring(void **state)
{
	run_loop(*state, false);
}

static void test_a_loop_gets_completions_without_io_uring(void **state)
{
	run_loop(*state, true);
}

static void *start_from_afar(void *arg)
{
	struct starter *s = arg;
	unsigned int i;

	for (i = 0; i < PER_THREAD; i++) {
		start_transfer(s->crowd, &s->transfers[i], s->file, i % GRANULES, 0);
		if (i % 16 == 0) /* let the loop fall asleep in between */
			fsc_waitq_wait(&s->crowd->event, crowd_is_gone, s->crowd);
	}
	fsc_waitq_wait(&s->crowd->event, crowd_is_gone, s->crowd);
	return NULL;
}

static void other_threads_hand_over(struct room *r, bool polls, bool no_uring)
{
	struct fsc_uring_params params = { .drive = FSC_URING_LOOP, .no_uring = no_uring };
	struct transfer *t = make_transfers(PER_THREAD);
	struct starter s = { .transfers = t };
	unsigned int ran = 0;
	pthread_t other;
	struct crowd c;
	int n;

	open_room(r, &params);
	s.file = make_numbered_file(r);
	s.crowd = &c;
	crowd_init(&c, r->be->ops);
	c.driver = pthread_self();
	c.on_driver = true;
	assert_int_equal(fsc_uring_dispatch(r->be, false), 0);
	assert_int_equal(pthread_create(&other, NULL, start_from_afar, &s), 0);
	while (ran < PER_THREAD) {
		if (polls)
			assert_true(readable(fsc_uring_fd(r->be), 60000));
		n = fsc_uring_dispatch(r->be, !polls);
		assert_true(n >= !polls);
		ran += (unsigned int)n;
	}
	pthread_join(other, NULL);
	crowd_end(&c);
	r->be->ops->file_close(s.file);
	close_room(r);
	free_transfers(t, PER_THREAD);
}

static void test_other_threads_wake_a_loop_that_waits(void **state)
{
	other_threads_hand_over(*state, false, false);
}

static void test_other_threads_wake_a_loop_that_polls(void **state)
{
	other_threads_hand_over(*state, true, false);
}

static void test_a_loop_without_io_uring_waits(void **state)
{
	other_threads_hand_over(*state, false, true);
}

static void test_a_loop_without_io_uring_polls(void **state)
{
	other_threads_hand_over(*state, true, true);
}

static void test_a_threaded_backend_has_no_descriptor(void **state)
{
	struct room *r = *state;

	open_room(r, NULL);
	assert_int_equal(fsc_uring_fd(r->be), -EINVAL);
	assert_int_equal(fsc_uring_dispatch(r->be, false), -EINVAL);
	close_room(r);
}

/* --- A forked child ------------------------------------------------------------------------------------ */

static void keep_result(struct fsc_io *io, int64_t res)
{
	(void)io;
	if (res != -EINVAL)
		_exit(20);
}

/* The number of the first check that fails, or 0. */
static int misuse(struct room *r, struct fsc_file *file)
{
	const struct fsc_backend_ops *ops = r->be->ops;
	char mem[16] = "";
	struct fsc_io io = {
		.file = file,
		.buf = { .mem = mem, .len = 16, .kind = FSC_BUF_MEM },
		.done = keep_result,
	};
	struct fsc_space space;
	struct fsc_file *other;
	struct fsc_stat st;
	struct fsc_dir *dir;
	uint64_t pos = 0;

	ops->read(&io);
	ops->write(&io);
	io.flags = FSC_IO_MAY_BLOCK;
	ops->read(&io);
	if (ops->lock(r->be) != -EINVAL || ops->space(r->be, &space) != -EINVAL ||
	    ops->sync_fs(r->be) != -EINVAL)
		return 1;
	if (ops->dir_open(r->be, NULL, NULL, false, &dir) != -EINVAL ||
	    ops->dir_next(r->root, &pos, mem, 16) != -EINVAL ||
	    ops->dir_stat(r->root, "x", &st) != -EINVAL || ops->sync_dir(r->root) != -EINVAL)
		return 2;
	if (ops->file_open(r->root, "x", &other) != -EINVAL ||
	    ops->tmpfile(r->root, 0, &other) != -EINVAL || ops->sync(file, false) != -EINVAL)
		return 3;
	if (ops->xattr_get(file, "user.x", mem, 16) != -EINVAL || ops->stat(file, &st) != -EINVAL)
		return 4;
	if (fsc_uring_fd(r->be) != -EINVAL || fsc_uring_dispatch(r->be, true) != -EINVAL)
		return 5;
	ops->file_close(file);
	close_room(r);
	return 0;
}

static void fork_from(struct room *r, const struct fsc_uring_params *params)
{
	struct fsc_file *file;
	struct fsc_stat st;
	int status;
	pid_t child;

	open_room(r, params);
	assert_int_equal(r->be->ops->tmpfile(r->root, 100, &file), 0);
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(misuse(r, file));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* What the child closed is still whole here. */
	assert_int_equal(r->be->ops->commit(file, r->root, "Dkept"), 0);
	assert_int_equal(r->be->ops->stat(file, &st), 0);
	assert_int_equal(st.size, 100);
	assert_int_equal(r->be->ops->unlink(r->root, "Dkept", file), 0);
	r->be->ops->file_close(file);
	close_room(r);
}

static void test_a_forked_child_is_refused(void **state)
{
	struct fsc_uring_params none = { .no_uring = true };
	struct fsc_uring_params loop = { .drive = FSC_URING_LOOP };
	struct fsc_uring_params named = { .no_tmpfile = true };

	fork_from(*state, NULL);
	fork_from(*state, &none);
	fork_from(*state, &loop);
	fork_from(*state, &named);
}

#define ROOM_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_room, remove_room)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ROOM_TEST(test_what_is_no_directory_of_ours_is_refused),
		ROOM_TEST(test_another_owner_is_refused),
		ROOM_TEST(test_the_directory_is_made_private),
		ROOM_TEST(test_opening_leaves_nothing_behind),
		ROOM_TEST(test_a_second_owner_is_told_so),
		ROOM_TEST(test_limits_and_alignments_are_sane),
		ROOM_TEST(test_the_longest_xattr_is_exact),
		ROOM_TEST(test_traps_are_never_followed),
		ROOM_TEST(test_a_link_in_place_of_the_lock_is_refused),
		ROOM_TEST(test_touch_writes_only_old_access_times),
		ROOM_TEST(test_more_transfers_than_the_ring_holds),
		ROOM_TEST(test_many_transfers_without_io_uring),
		ROOM_TEST(test_a_transfer_that_may_block_is_done_at_once),
		ROOM_TEST(test_a_loop_drives_the_ring),
		ROOM_TEST(test_a_loop_gets_completions_without_io_uring),
		ROOM_TEST(test_other_threads_wake_a_loop_that_waits),
		ROOM_TEST(test_other_threads_wake_a_loop_that_polls),
		ROOM_TEST(test_a_loop_without_io_uring_waits),
		ROOM_TEST(test_a_loop_without_io_uring_polls),
		ROOM_TEST(test_a_threaded_backend_has_no_descriptor),
		ROOM_TEST(test_a_forked_child_is_refused),
	};

	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
