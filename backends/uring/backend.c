/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* backend.c - open and close the io_uring backend; its lock, space and sync; its table. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "internal.h"

/* --- Of the whole backend -------------------------------------------------------------------- */

static int lock_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EUCLEAN;
	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* It is going to be a cache, if it isn't one already: nobody else's business. */
static int close_to_others(struct fsc_ur *u)
{
	struct stat st;

	if (fstat(u->root.fd, &st))
		return -errno;
	if ((st.st_mode & 07777) != 0700 && fchmod(u->root.fd, 0700))
		return -errno;
	return 0;
}

static int op_lock(struct fsc_backend *be)
{
	struct fsc_ur *u = fsc_ur_of(be);
	int fd, err;

	if (!fsc_ur_ours(u))
		return -EINVAL;
	fd = fsc_ur_open_at(&u->root, "lock", O_RDWR | O_CREAT | O_NONBLOCK, 0600);
	if (fd < 0)
		return fd;
	err = lock_file(fd);
	if (!err)
		err = close_to_others(u);
	if (err)
		close(fd);
	else
		u->lock_fd = fd;
	return err;
}

static int op_space(struct fsc_backend *be, struct fsc_space *out)
{
	struct fsc_ur *u = fsc_ur_of(be);
	struct statvfs fs;

	if (!fsc_ur_ours(u))
		return -EINVAL;
	if (fstatvfs(u->root.fd, &fs))
		return -errno;
	*out = (struct fsc_space){
		.blocks = fs.f_blocks,
		.blocks_free = fs.f_bavail,
		.files = fs.f_files,
		.files_free = fs.f_files ? fs.f_favail : 0,
		.block_size = (uint32_t)fs.f_frsize,
	};
	return 0;
}

static int op_sync_fs(struct fsc_backend *be)
{
	struct fsc_ur *u = fsc_ur_of(be);

	if (!fsc_ur_ours(u))
		return -EINVAL;
	return syncfs(u->root.fd) ? -errno : 0;
}

static void close_transfers(struct fsc_ur *u)
{
	bool ours = fsc_ur_ours(u);

	if (u->ring && ours)
		fsc_ur_ring_close(u->ring);
	else if (u->ring)
		fsc_ur_ring_abandon(u->ring);
	if (u->pool && ours)
		fsc_ur_pool_close(u->pool);
	else if (u->pool)
		fsc_ur_pool_abandon(u->pool);
}

static void op_close(struct fsc_backend *be)
{
	struct fsc_ur *u = fsc_ur_of(be);

	if (u->alive) {
		close_transfers(u);
		munmap((void *)u->alive, (size_t)sysconf(_SC_PAGESIZE));
	}
	if (u->lock_fd >= 0)
		close(u->lock_fd);
	if (u->root.fd >= 0)
		close(u->root.fd);
	free(u);
}

static const struct fsc_backend_ops ops = {
	.name = "io_uring",
	.close = op_close,
	.lock = op_lock,
	.space = op_space,
	.sync_fs = op_sync_fs,
	.dir_open = fsc_ur_dir_open,
	.dir_close = fsc_ur_dir_close,
	.dir_next = fsc_ur_dir_next,
	.dir_stat = fsc_ur_dir_stat,
	.rename = fsc_ur_rename,
	.remove_dir = fsc_ur_remove_dir,
	.sync_dir = fsc_ur_sync_dir,
	.dir_xattr_get = fsc_ur_dir_xattr_get,
	.dir_xattr_set = fsc_ur_dir_xattr_set,
	.dir_self = fsc_ur_dir_self,
	.file_open = fsc_ur_file_open,
	.file_close = fsc_ur_file_close,
	.tmpfile = fsc_ur_tmpfile,
	.commit = fsc_ur_commit,
	.unlink = fsc_ur_unlink,
	.stat = fsc_ur_stat,
	.touch = fsc_ur_touch,
	.xattr_get = fsc_ur_xattr_get,
	.xattr_set = fsc_ur_xattr_set,
	.resize = fsc_ur_resize,
	.punch = fsc_ur_punch,
	.sync = fsc_ur_sync,
	.read = fsc_ur_read,
	.write = fsc_ur_write,
};

/* --- Opening --------------------------------------------------------------------------------- */

/* A page that the kernel empties in a child: asking for our process id costs a system call. */
static int mark_alive(struct fsc_ur *u)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *page = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (page == MAP_FAILED)
		return -ENOMEM;
	*page = 1;
	if (madvise(page, size, MADV_WIPEONFORK))
		u->pid = getpid();
	u->alive = page;
	return 0;
}

/* Whoever else could write here could already have laid traps. */
static int check_root(struct fsc_ur *u)
{
	struct stat st;

	if (fstat(u->root.fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & S_IWOTH)
		return -EPERM;
	u->dev = st.st_dev;
	u->be.uid = st.st_uid;
	return 0;
}

static uint32_t files_allowed(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	limit.rlim_cur /= 4;
	return limit.rlim_cur < 1 ? 1 : limit.rlim_cur > UINT32_MAX ? 0 : (uint32_t)limit.rlim_cur;
}

static int open_transfers(struct fsc_ur *u, const struct fsc_uring_params *params)
{
	char text[FSC_ERROR_TEXT_MAX];
	int err = -ENOSYS;

	if (!params->no_uring)
		u->ring = fsc_ur_ring_open(params, &err);
	if (u->ring)
		return 0;
	fsc_log(FSC_LOG_WARN, "io_uring is refused (%s): transfers go through a few threads",
		fsc_error_text(err, text));
	u->pool = fsc_ur_pool_open(params);
	return u->pool ? 0 : -ENOMEM;
}

static int open_root(struct fsc_ur *u, const char *path, const struct fsc_uring_params *params)
{
	int err;

	u->root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->root.fd < 0)
		return -errno;
	err = check_root(u);
	if (err)
		return err;
	u->openat2 = fsc_ur_has_openat2(u->root.fd);
	err = fsc_ur_probe(u, path, params);
	return err ? err : open_transfers(u, params);
}

static bool params_are_known(const struct fsc_uring_params *params)
{
	uint32_t depth = params->depth;

	if ((uint32_t)params->drive > FSC_URING_LOOP)
		return false;
	return !depth || (depth >= FSC_UR_MIN_DEPTH && depth <= FSC_UR_MAX_DEPTH &&
			  !(depth & (depth - 1)));
}

int fsc_uring_open(const char *path, const struct fsc_uring_params *params,
		   struct fsc_backend **out)
{
	static const struct fsc_uring_params defaults;
	struct fsc_ur *u;
	int err;

	if (!params)
		params = &defaults;
	if (!path || !params_are_known(params))
		return -EINVAL;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->be.ops = &ops;
	u->be.max_files = files_allowed();
	u->root.u = u;
	u->root.fd = -1;
	u->lock_fd = -1;
	err = mark_alive(u);
	if (!err)
		err = open_root(u, path, params);
	if (err)
		op_close(&u->be);
	else
		*out = &u->be;
	return err;
}

void fsc_uring_close(struct fsc_backend *be)
{
	bool cache_is_open;

	if (!be)
		return;
	cache_is_open = __atomic_load_n(&fsc_ur_of(be)->nr_dirs, __ATOMIC_RELAXED) != 0;
	FSC_ASSERT(!cache_is_open); /* fsc_cache_close() closes both */
	op_close(be);
}

/* --- Driven by the client's loop ------------------------------------------------------------- */

int fsc_uring_fd(struct fsc_backend *be)
{
	struct fsc_ur *u = fsc_ur_of(be);

	if (!be || !fsc_ur_ours(u))
		return -EINVAL;
	return u->ring ? fsc_ur_ring_fd(u->ring) : fsc_ur_pool_fd(u->pool);
}

int fsc_uring_dispatch(struct fsc_backend *be, bool wait)
{
	struct fsc_ur *u = fsc_ur_of(be);

	if (!be || !fsc_ur_ours(u))
		return -EINVAL;
	return u->ring ? fsc_ur_ring_dispatch(u->ring, wait) : fsc_ur_pool_dispatch(u->pool, wait);
}
