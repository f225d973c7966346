/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * names.c - from a name to a descriptor, without leaving the directory or following a link.
 *
 * Whoever can write in the cache directory may put a link or a fifo where an object was. openat2()
 * refuses on its own; without it each component is opened by itself.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define RESOLVE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)

static int call_openat2(int dir, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned int)flags,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

bool fsc_ur_has_openat2(int root)
{
	int fd = call_openat2(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* "", "." and ".." are no names of ours, and openat2() would take the first two. */
static bool proper(const char *component, size_t len)
{
	return len && !(component[0] == '.' && (len == 1 || (len == 2 && component[1] == '.')));
}

static bool proper_name(const char *name)
{
	const char *slash;

	while ((slash = strchr(name, '/'))) {
		if (!proper(name, (size_t)(slash - name)))
			return false;
		name = slash + 1;
	}
	return proper(name, strlen(name));
}

/* What the kernel says of a name that leads elsewhere than to what was asked for. */
static int open_error(int err)
{
	switch (err) {
	case ELOOP:   /* a symbolic link */
	case EXDEV:   /* outside, or another filesystem */
	case ENOTDIR:
	case EISDIR:
	case ENXIO:   /* a socket */
	case ENODEV:  /* a device node */
		return -EUCLEAN;
	default:
		return -err;
	}
}

static int check_dev(const struct fsc_ur *u, int fd)
{
	struct stat st;
	int err = fstat(fd, &st) ? -errno : (uint64_t)st.st_dev == u->dev ? 0 : -EUCLEAN;

	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Without openat2(). @name is of at most two components. */
static int open_stepwise(const struct fsc_dir *dir, const char *name, int flags, mode_t mode)
{
	const char *slash = strchr(name, '/');
	char first[256];
	int at = dir->fd;
	int err = 0;
	int fd;

	if (slash) {
		if ((size_t)(slash - name) >= sizeof(first))
			return -ENAMETOOLONG;
		memcpy(first, name, (size_t)(slash - name));
		first[slash - name] = 0;
		at = openat(dir->fd, first, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (at < 0)
			return open_error(errno);
	}
	fd = openat(at, slash ? slash + 1 : name, flags | O_NOFOLLOW, mode);
	if (fd < 0)
		err = open_error(errno);
	if (slash)
		close(at);
	return fd < 0 ? err : check_dev(dir->u, fd);
}

int fsc_ur_open_at(const struct fsc_dir *dir, const char *name, int flags, mode_t mode)
{
	int fd;

	flags |= O_CLOEXEC | O_NOFOLLOW;
	if (!proper_name(name))
		return -EUCLEAN;
	if (!dir->u->openat2)
		return open_stepwise(dir, name, flags, mode);
	fd = call_openat2(dir->fd, name, flags, mode);
	return fd < 0 ? open_error(errno) : fd;
}

/*
 * Without a descriptor left outdated names must still go. So the folder is looked at instead of
 * held: only our own user, whom ROOT is closed to all but, could put a link in its place in
 * between.
 */
static int place_unopened(const struct fsc_dir *dir, const char *parent, const char *name,
			  struct fsc_ur_place *out)
{
	struct statx x;
	int err = fsc_ur_statx(dir->fd, parent, &x);

	if (err)
		return err;
	if (!S_ISDIR(x.stx_mode) || fsc_ur_dev(&x) != dir->u->dev)
		return -EUCLEAN;
	out->dir = dir->fd;
	out->last = name;
	return 0;
}

/*
 * The calls that change names have no such flags, and follow links in all but the last component.
 */
int fsc_ur_place(const struct fsc_dir *dir, const char *name, struct fsc_ur_place *out)
{
	const char *slash = strrchr(name, '/');
	char parent[256];

	if (!proper_name(name))
		return -EUCLEAN;
	out->dir = dir->fd;
	out->last = name;
	out->opened = false;
	if (!slash)
		return 0;
	if ((size_t)(slash - name) >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, name, (size_t)(slash - name));
	parent[slash - name] = 0;
	out->dir = fsc_ur_open_at(dir, parent, O_PATH | O_DIRECTORY, 0);
	out->last = slash + 1;
	out->opened = out->dir >= 0;
	if (out->dir == -EMFILE || out->dir == -ENFILE)
		return place_unopened(dir, parent, name, out);
	return out->opened ? 0 : out->dir;
}

void fsc_ur_place_end(struct fsc_ur_place *p)
{
	if (p->opened)
		close(p->dir);
}

int fsc_ur_statx(int dir, const char *name, struct statx *out)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_SYNC_AS_STAT |
		    (*name ? 0 : AT_EMPTY_PATH);

	return statx(dir, name, flags, STATX_BASIC_STATS | STATX_BTIME, out) ? -errno : 0;
}

uint64_t fsc_ur_dev(const struct statx *x)
{
	return makedev(x->stx_dev_major, x->stx_dev_minor);
}

void fsc_ur_stat_from(const struct statx *x, struct fsc_stat *out)
{
	bool born = x->stx_mask & STATX_BTIME;

	*out = (struct fsc_stat){
		.ino = x->stx_ino,
		.btime_s = born ? (uint64_t)x->stx_btime.tv_sec : 0,
		.btime_ns = born ? x->stx_btime.tv_nsec : 0,
		.nlink = x->stx_nlink,
		.uid = x->stx_uid,
		.type = S_ISREG(x->stx_mode)   ? FSC_FILE_REGULAR
			: S_ISDIR(x->stx_mode) ? FSC_FILE_DIR
					       : FSC_FILE_OTHER,
		.size = x->stx_size,
		.bytes = x->stx_blocks * 512,
		.atime_s = (uint64_t)x->stx_atime.tv_sec,
		.atime_ns = x->stx_atime.tv_nsec,
	};
}
