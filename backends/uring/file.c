/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* file.c - the file operations of backend.h that are not transfers. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* How far an access time may be from the clock before touch writes it. */
#define ATIME_SLACK_S 60

/* O_NONBLOCK: not even a fifo or a lease holds up an open. */
#define OPEN_FLAGS (O_RDWR | O_NONBLOCK)

static struct fsc_file *new_file(struct fsc_ur *u, int fd, int *err)
{
	struct fsc_file *file = calloc(1, sizeof(*file));
	struct stat st;

	*err = !file ? -ENOMEM : fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EUCLEAN;
	if (*err) {
		free(file);
		close(fd);
		return NULL;
	}
	file->u = u;
	file->fd = fd;
	file->ino = st.st_ino;
	file->dev = st.st_dev;
	file->atime_s = st.st_atim.tv_sec;
	return file;
}

/* The kernel refuses O_DIRECT on a fifo before anyone sees that it is one. */
static int why_invalid(struct fsc_dir *dir, const char *name)
{
	struct fsc_stat st;
	int err = fsc_ur_dir_stat(dir, name, &st);

	return err ? err : st.type == FSC_FILE_REGULAR ? -EINVAL : -EUCLEAN;
}

int fsc_ur_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out)
{
	int err, fd;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	fd = fsc_ur_open_at(dir, name, OPEN_FLAGS | dir->u->direct, 0);
	if (fd < 0)
		return fd == -EINVAL ? why_invalid(dir, name) : fd;
	*out = new_file(dir->u, fd, &err);
	return err;
}

/* --- Files without a name -------------------------------------------------------------------- */

/* In ROOT/tmp, where O_TMPFILE is missing: sweeping that is what makes them go after a crash. */
static int open_named(struct fsc_ur *u, char *name, size_t size)
{
	struct fsc_dir tmp = { .u = u };
	int fd = -EEXIST;
	int tries;

	tmp.fd = fsc_ur_open_at(&u->root, "tmp", O_PATH | O_DIRECTORY, 0);
	if (tmp.fd == -ENOENT) {
		if (mkdirat(u->root.fd, "tmp", 0700) && errno != EEXIST)
			return -errno;
		tmp.fd = fsc_ur_open_at(&u->root, "tmp", O_PATH | O_DIRECTORY, 0);
	}
	if (tmp.fd < 0)
		return tmp.fd;
	for (tries = 0; fd == -EEXIST && tries < 8; tries++) {
		snprintf(name, size, "f%016llx", (unsigned long long)fsc_random64());
		fd = fsc_ur_open_at(&tmp, name, OPEN_FLAGS | O_CREAT | O_EXCL | u->direct, 0600);
	}
	close(tmp.fd);
	if (fd < 0)
		*name = 0;
	return fd;
}

static void unlink_tmp_name(struct fsc_ur *u, const char *name)
{
	int tmp = fsc_ur_open_at(&u->root, "tmp", O_PATH | O_DIRECTORY, 0);

	if (tmp < 0)
		return;
	unlinkat(tmp, name, 0);
	close(tmp);
}

int fsc_ur_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out)
{
	struct fsc_ur *u = dir->u;
	char name[24] = "";
	int err, fd;

	if (!fsc_ur_ours(u))
		return -EINVAL;
	if (u->tmpfiles) {
		fd = openat(dir->fd, ".", O_TMPFILE | O_CLOEXEC | OPEN_FLAGS | u->direct, 0600);
		fd = fd < 0 ? -errno : fd;
	} else {
		fd = open_named(u, name, sizeof(name));
	}
	if (fd < 0)
		return fd;
	err = size && ftruncate(fd, (off_t)size) ? -errno : 0;
	if (err)
		close(fd);
	else
		*out = new_file(u, fd, &err);
	if (err && *name)
		unlink_tmp_name(u, name);
	else if (!err)
		memcpy((*out)->tmp_name, name, sizeof(name));
	return err;
}

/*
 * Linking by descriptor is for CAP_DAC_READ_SEARCH only before Linux 6.10, and is refused with
 * -ENOENT, as if the directory were missing. The way by /proc is for all, where there is a /proc.
 */
int fsc_ur_link(int fd, bool by_proc, int dir, const char *name)
{
	char path[40];

	if (!by_proc)
		return linkat(fd, "", dir, name, AT_EMPTY_PATH) ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

void fsc_ur_file_close(struct fsc_file *file)
{
	if (*file->tmp_name && fsc_ur_ours(file->u))
		unlink_tmp_name(file->u, file->tmp_name);
	close(file->fd);
	free(file);
}

static int rename_tmp(struct fsc_file *file, int dir, const char *name)
{
	int tmp = fsc_ur_open_at(&file->u->root, "tmp", O_PATH | O_DIRECTORY, 0);
	int err;

	if (tmp < 0)
		return tmp == -ENOENT ? -EIO : tmp; /* -ENOENT would be about @dir */
	err = fsc_ur_rename_at(tmp, file->tmp_name, dir, name);
	close(tmp);
	if (!err)
		*file->tmp_name = 0;
	return err;
}

int fsc_ur_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name)
{
	struct fsc_ur_place p;
	int err;

	if (!fsc_ur_ours(file->u))
		return -EINVAL;
	err = fsc_ur_place(dir, name, &p);
	if (err)
		return err;
	if (*file->tmp_name)
		err = rename_tmp(file, p.dir, p.last);
	else
		err = fsc_ur_link(file->fd, file->u->link_by_proc, p.dir, p.last);
	fsc_ur_place_end(&p);
	return err;
}

/* --- Names that exist ------------------------------------------------------------------------ */

static int check_leads_to(const struct fsc_ur_place *p, const struct fsc_file *file)
{
	struct statx x;
	int err = fsc_ur_statx(p->dir, p->last, &x);

	if (err)
		return err;
	return x.stx_ino == file->ino && fsc_ur_dev(&x) == file->dev ? 0 : -ESTALE;
}

int fsc_ur_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file)
{
	struct fsc_ur_place p;
	int err;

	if (!fsc_ur_ours(dir->u))
		return -EINVAL;
	err = fsc_ur_place(dir, name, &p);
	if (err)
		return err;
	if (file)
		err = check_leads_to(&p, file);
	if (!err && unlinkat(p.dir, p.last, 0))
		err = errno == EISDIR ? -EUCLEAN : -errno;
	fsc_ur_place_end(&p);
	return err;
}

int fsc_ur_stat(struct fsc_file *file, struct fsc_stat *out)
{
	struct statx x;
	int err;

	if (!fsc_ur_ours(file->u))
		return -EINVAL;
	err = fsc_ur_statx(file->fd, "", &x);
	if (err)
		return err;
	fsc_ur_stat_from(&x, out);
	__atomic_store_n(&file->atime_s, (int64_t)x.stx_atime.tv_sec, __ATOMIC_RELAXED);
	return 0;
}

void fsc_ur_touch(struct fsc_file *file)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_OMIT } };
	int64_t known = __atomic_load_n(&file->atime_s, __ATOMIC_RELAXED);
	struct timespec now;

	if (!fsc_ur_ours(file->u))
		return;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec - known < ATIME_SLACK_S && known - now.tv_sec < ATIME_SLACK_S)
		return;
	if (!futimens(file->fd, times))
		__atomic_store_n(&file->atime_s, (int64_t)now.tv_sec, __ATOMIC_RELAXED);
}

/* --- Contents -------------------------------------------------------------------------------- */

int fsc_ur_resize(struct fsc_file *file, uint64_t size)
{
	if (!fsc_ur_ours(file->u))
		return -EINVAL;
	return ftruncate(file->fd, (off_t)size) ? -errno : 0;
}

/* Zeroes, where a filesystem can't make holes. */
static int write_zeroes(struct fsc_file *file, uint64_t pos, uint64_t len)
{
	static const char zeroes[16 * FSC_GRANULE_SIZE] __attribute__((aligned(FSC_UR_ALIGN)));
	struct stat st;

	if (fstat(file->fd, &st))
		return -errno;
	if (pos >= (uint64_t)st.st_size)
		return 0;
	if (len > (uint64_t)st.st_size - pos) /* the rest of a granule would make it longer */
		len = (uint64_t)st.st_size - pos;
	while (len) {
		size_t chunk = len < sizeof(zeroes) ? (size_t)len : sizeof(zeroes);
		ssize_t n = pwrite(file->fd, zeroes, chunk, (off_t)pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		pos += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int fsc_ur_punch(struct fsc_file *file, uint64_t pos, uint64_t len)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int err;

	if (!fsc_ur_ours(file->u))
		return -EINVAL;
	do {
		err = fallocate(file->fd, mode, (off_t)pos, (off_t)len) ? -errno : 0;
	} while (err == -EINTR);
	return err == -EOPNOTSUPP ? write_zeroes(file, pos, len) : err;
}

int fsc_ur_sync(struct fsc_file *file, bool data_only)
{
	if (!fsc_ur_ours(file->u))
		return -EINVAL;
	return (data_only ? fdatasync(file->fd) : fsync(file->fd)) ? -errno : 0;
}

int fsc_uring_file_fd(const struct fsc_file *file)
{
	return fsc_ur_ours(file->u) ? file->fd : -EINVAL;
}
