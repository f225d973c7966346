/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * test_uring.c - what only the io_uring backend has: the directory it is opened on, what may lie
 * in wait there, and a forked child.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "uring_room.h"

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

/* --- The directory --------------------------------------------------------------------------- */

static void test_what_is_no_directory_of_ours_is_refused(void **state)
{
	struct room *r = *state;
	struct fsc_backend *be;
	int fd;

	assert_int_equal(fsc_uring_open(room_path(r, "missing"), NULL, &be), -ENOENT);
	fd = open(room_path(r, "file"), O_CREAT | O_RDWR, 0600);
	close(fd);
	assert_int_equal(fsc_uring_open(room_path(r, "file"), NULL, &be), -ENOTDIR);
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

	/* But only once it is known to be one that is going to be a cache. */
	chmod(r->path, 0775);
	room_open(r, NULL);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0775);
	assert_int_equal(r->be->ops->lock(r->be), 0);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(r->be->uid, geteuid());
	room_close(r);
}

static void test_opening_leaves_nothing_behind(void **state)
{
	struct fsc_uring_params no_tmpfile = { .no_tmpfile = true };
	struct room *r = *state;
	int before = open_entries("/proc/self/fd");

	room_open(r, NULL);
	room_close(r);
	room_open(r, &no_tmpfile);
	room_close(r);
	assert_int_equal(rmdir(r->path), 0);
	assert_int_equal(open_entries("/proc/self/fd"), before);
}

static void test_a_second_owner_is_told_so(void **state)
{
	struct room *r = *state;
	struct fsc_backend *second;

	room_open(r, NULL);
	assert_int_equal(fsc_uring_open(r->path, NULL, &second), 0);
	assert_int_equal(r->be->ops->lock(r->be), 0);
	assert_int_equal(second->ops->lock(second), -EBUSY);
	room_close(r);
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
	room_open(r, NULL);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(r->be->max_files, 16);
	assert_true(r->be->xattr_max >= 256);
	assert_true(r->be->io_align && r->be->io_align <= FSC_GRANULE_SIZE);
	assert_true(r->be->mem_align && r->be->mem_align <= FSC_GRANULE_SIZE);
	assert_int_equal(r->be->io_align & (r->be->io_align - 1), 0);
	assert_int_equal(r->be->mem_align & (r->be->mem_align - 1), 0);
	room_close(r);
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
	room_open(r, NULL);
	file = room_file(r, "Dfile", 0);
	max = r->be->xattr_max;
	assert_int_equal(r->be->ops->xattr_set(file, "user.fscache", value, max), 0);
	assert_true(r->be->ops->xattr_set(file, "user.fscache", value, max + 1) < 0 ||
		    r->be->kind == FSC_FS_STRICT);
	assert_int_equal(r->be->ops->xattr_set(file, "user.fscache", value, max), 0);
	assert_int_equal(r->be->ops->xattr_get(file, "user.fscache", value, 65537), max);
	assert_int_equal(r->be->ops->xattr_get(file, "user.fscache", value, 0), -ERANGE);
	r->be->ops->file_close(file);
	room_close(r);
	free(value);
}

/* --- Traps ----------------------------------------------------------------------------------- */

static void lay_traps(const struct room *r)
{
	assert_int_equal(mkfifo(room_path(r, "fifo"), 0600), 0);
	assert_int_equal(mkdir(room_path(r, "dir"), 0700), 0);
	assert_int_equal(close(creat(room_path(r, "dir/inner"), 0600)), 0);
	assert_int_equal(close(creat(room_path(r, "plain"), 0600)), 0);
	assert_int_equal(symlink("plain", room_path(r, "link")), 0);
	assert_int_equal(symlink("dir", room_path(r, "dirlink")), 0);
	assert_int_equal(symlink("/proc/version", room_path(r, "away")), 0);
	assert_int_equal(mknod(room_path(r, "socket"), S_IFSOCK | 0600, 0), 0);
}

static void open_traps(struct room *r)
{
	static const char *const names[] = { "fifo", "dir", "link", "away", "socket",
					     "dirlink/inner", "plain/inner", "../x", ".", "..",
					     "", "dir/..", "dir/", "/proc/version" };
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
	assert_int_equal(access(room_path(r, "dir/new"), F_OK), -1);
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
	assert_int_equal(access(room_path(r, "dir/inner"), F_OK), 0);
	ops->file_close(file);
}

/* What stands in an object's place must be possible to remove, itself and not where it leads. */
static void remove_traps(struct room *r)
{
	static const char *const names[] = { "fifo", "link", "away", "socket", "dirlink" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(r->be->ops->unlink(r->root, names[i], NULL), 0);
	assert_int_equal(access(room_path(r, "plain"), F_OK), 0);
	assert_int_equal(access(room_path(r, "dir/inner"), F_OK), 0);
	assert_int_equal(access("/proc/version", F_OK), 0);
}

static void test_traps_are_never_followed(void **state)
{
	struct room *r = *state;
	struct fsc_stat st;

	room_open(r, NULL);
	lay_traps(r);
	open_traps(r);
	change_through_traps(r);
	assert_int_equal(r->be->ops->dir_stat(r->root, "link", &st), 0);
	assert_int_equal(st.type, FSC_FILE_OTHER);
	assert_int_equal(r->be->ops->dir_stat(r->root, "dirlink/inner", &st), -EUCLEAN);
	remove_traps(r);
	room_close(r);
}

static void test_a_link_in_place_of_the_lock_is_refused(void **state)
{
	struct room *r = *state;

	assert_int_equal(symlink("elsewhere", room_path(r, "lock")), 0);
	room_open(r, NULL);
	assert_int_equal(r->be->ops->lock(r->be), -EUCLEAN);
	assert_int_equal(access(room_path(r, "elsewhere"), F_OK), -1);
	room_close(r);
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

	room_open(r, NULL);
	r->be->ops->file_close(room_file(r, "Dfile", 0));
	assert_int_equal(utimensat(AT_FDCWD, room_path(r, "Dfile"), times, 0), 0);
	assert_int_equal(r->be->ops->file_open(r->root, "Dfile", &file), 0);
	r->be->ops->touch(file);
	assert_true(atime_of(room_path(r, "Dfile")) >= time(NULL) - 60);
	r->be->ops->file_close(file);

	recent = time(NULL) - 30;
	times[0].tv_sec = recent;
	assert_int_equal(utimensat(AT_FDCWD, room_path(r, "Dfile"), times, 0), 0);
	assert_int_equal(r->be->ops->file_open(r->root, "Dfile", &file), 0);
	r->be->ops->touch(file);
	assert_int_equal(atime_of(room_path(r, "Dfile")), recent);
	r->be->ops->file_close(file);
	room_close(r);
}

/* --- A forked child -------------------------------------------------------------------------- */

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
	if (fsc_uring_fd(r->be) != -EINVAL || fsc_uring_dispatch(r->be, true) != -EINVAL ||
	    fsc_uring_file_fd(file) != -EINVAL)
		return 5;
	ops->file_close(file);
	room_close(r);
	return 0;
}

/* What a reader outside does with the descriptor of a file that is lent. */
static void read_outside(struct room *r, struct fsc_file *file, const char *want)
{
	struct fsc_stat st;
	struct stat seen;
	char path[64], got[16];
	int fd = fsc_uring_file_fd(file), again;

	assert_true(fd >= 0);
	assert_int_equal(r->be->ops->stat(file, &st), 0);
	assert_int_equal(fstat(fd, &seen), 0);
	assert_int_equal(seen.st_ino, st.ino);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(pread(again, got, sizeof(got), 0), strlen(want));
	assert_memory_equal(got, want, strlen(want));
	close(again);
	assert_int_equal(fsc_uring_file_fd(file), fd);
}

static void test_a_lent_file_can_be_read_by_its_descriptor(void **state)
{
	struct fsc_uring_params buffered = { .buffered = true }, named = { .no_tmpfile = true };
	const struct fsc_uring_params *ways[] = { NULL, &buffered, &named };
	struct room *r = *state;
	struct fsc_file *file;
	char *mem = aligned_alloc(4096, 4096);

	memset(mem, 0, 4096);
	memcpy(mem, "some bytes", 10);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		room_open(r, ways[i]);
		assert_int_equal(r->be->ops->tmpfile(r->root, 0, &file), 0);
		assert_int_equal(pwrite(fsc_uring_file_fd(file), mem, 4096, 0), 4096);
		assert_int_equal(r->be->ops->resize(file, 10), 0);
		read_outside(r, file, "some bytes"); /* with no name */
		assert_int_equal(r->be->ops->commit(file, r->root, "Dfile"), 0);
		read_outside(r, file, "some bytes");
		assert_int_equal(r->be->ops->unlink(r->root, "Dfile", file), 0);
		read_outside(r, file, "some bytes"); /* nor now any more */
		r->be->ops->file_close(file);
		room_close(r);
	}
	free(mem);
}

static void fork_from(struct room *r, const struct fsc_uring_params *params)
{
	struct fsc_file *file;
	struct fsc_stat st;
	int status;
	pid_t child;

	room_open(r, params);
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
	room_close(r);
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
		ROOM_TEST(test_a_lent_file_can_be_read_by_its_descriptor),
		ROOM_TEST(test_a_forked_child_is_refused),
	};

	if (!room_can_be_had())
		return 77;
	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
