/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * probe.c - look at the filesystem under the cache, and try on a tmpfile what it can do.
 *
 * Nothing is left behind: this happens before the directory is ours by its lock.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "internal.h"

#ifndef STATX_DIOALIGN
#error "the kernel's headers must be of Linux 6.1 or newer"
#endif

/* Linux 6.8 */
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

/* --- Texts of /proc -------------------------------------------------------------------------- */

/* The whole of a file that says 0 of its size; NULL: no. Freed by the caller. */
static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 4096, used = 0;
	char *text = fd < 0 ? NULL : malloc(size);
	ssize_t n = text ? 1 : -1;

	while (n > 0) {
		if (size - used < 2) {
			char *bigger = realloc(text, size *= 2);

			n = bigger ? 1 : -1;
			text = bigger ? bigger : text;
		}
		if (n > 0)
			n = read(fd, text + used, size - used - 1);
		used += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[used] = 0;
	return text;
}

/* "sda1", as /proc/fs/ext4 and sysfs call it. */
static bool disk_name(dev_t dev, char *name, size_t size)
{
	char path[64], target[512];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (strlen(base) >= size)
		return false;
	strcpy(name, base);
	return true;
}

static int has_inner_journal(const char *disk)
{
	char path[320];

	if (access("/proc/fs/ext4", F_OK) || access("/proc/fs/jbd2", F_OK))
		return -1; /* another /proc than we know */
	snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8", disk);
	return access(path, F_OK) == 0;
}

/* --- Facts ----------------------------------------------------------------------------------- */

/* Facts and the memory that they point into. */
struct seen {
	struct fsc_fs_facts facts;
	char type[32];
	char super_options[1024];
	char *ext4_options;
};

/* Without a /proc there is still the magic number. */
static const char *type_by_magic(uint64_t magic)
{
	switch (magic) {
	case EXT4_SUPER_MAGIC:
		return "ext4";
	case XFS_SUPER_MAGIC:
		return "xfs";
	case BTRFS_SUPER_MAGIC:
		return "btrfs";
	case TMPFS_MAGIC:
		return "tmpfs";
	case FUSE_SUPER_MAGIC:
		return "fuse";
	case NFS_SUPER_MAGIC:
		return "nfs";
	default:
		return "";
	}
}

static void look_at_mount(struct seen *s, int root)
{
	char *mountinfo = read_text("/proc/self/mountinfo");
	struct statfs fs;
	struct statx x;

	if (mountinfo && !statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) &&
	    x.stx_mask & STATX_MNT_ID &&
	    fsc_fs_find_mount(mountinfo, x.stx_mnt_id, s->type, sizeof(s->type), s->super_options,
			      sizeof(s->super_options)))
		s->facts.super_options = s->super_options;
	free(mountinfo);
	if (fstatfs(root, &fs))
		return;
	s->facts.block_size = (uint32_t)fs.f_bsize;
	if (!*s->type)
		strcpy(s->type, type_by_magic((uint64_t)fs.f_type));
}

static void look_at_ext4(struct seen *s, int root)
{
	struct stat st;
	char disk[256];
	char path[320];

	s->facts.jbd2_inner = -1;
	if (strcmp(s->type, "ext4") || fstat(root, &st) ||
	    !disk_name(st.st_dev, disk, sizeof(disk)))
		return;
	snprintf(path, sizeof(path), "/proc/fs/ext4/%s/options", disk);
	s->ext4_options = read_text(path);
	s->facts.ext4_options = s->ext4_options;
	s->facts.jbd2_inner = has_inner_journal(disk);
}

/* A full disk must not keep a cache from being opened: it's by opening that it makes room. */
static bool disk_is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int try_block(int fd, void *block)
{
	ssize_t n = pwrite(fd, block, FSC_UR_ALIGN, 0);

	if (n >= 0)
		n = pread(fd, block, FSC_UR_ALIGN, 0);
	return n < 0 ? -errno : n == (ssize_t)FSC_UR_ALIGN ? 0 : -EIO;
}

/* O_DIRECT may be refused when opening (tmpfs once) or only when writing. */
static void try_direct(struct fsc_fs_facts *f, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	void *block = aligned_alloc(FSC_UR_ALIGN, FSC_UR_ALIGN);
	int err;

	if (block && flags >= 0 && !fcntl(fd, F_SETFL, flags | O_DIRECT)) {
		memset(block, 0, FSC_UR_ALIGN);
		err = try_block(fd, block);
		f->too_full |= disk_is_full(err);
		f->direct_works = !err || disk_is_full(err);
		fcntl(fd, F_SETFL, flags);
	}
	free(block);
}

/* One byte is enough to go inline on an ext4 that has the feature. */
static void look_at_flags(struct fsc_fs_facts *f, int fd)
{
	unsigned int flags = 0;

	if (pwrite(fd, "", 1, 0) != 1)
		f->too_full |= disk_is_full(-errno);
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags))
		f->inode_flags = flags;
}

static bool on_realtime(int fd)
{
	struct fsxattr fsx;

	return !ioctl(fd, FS_IOC_FSGETXATTR, &fsx) && fsx.fsx_xflags & FS_XFLAG_REALTIME;
}

static void look_at_file(struct fsc_fs_facts *f, int fd)
{
	struct statx x;

	f->probed = true;
	look_at_flags(f, fd);
	try_direct(f, fd);
	f->realtime = on_realtime(fd);
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN, &x))
		return;
	f->attributes = x.stx_attributes;
	f->align_known = x.stx_mask & STATX_DIOALIGN;
	f->offset_align = x.stx_dio_offset_align;
	f->memory_align = x.stx_dio_mem_align;
}

/* --- A file to try on ------------------------------------------------------------------------ */

static int open_unlinked(const struct fsc_ur *u)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "probe.%016llx", (unsigned long long)fsc_random64());
	fd = fsc_ur_open_at(&u->root, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		unlinkat(u->root.fd, name, 0);
	return fd;
}

/* A name that can't be given says which way is open to us: -EEXIST, or -ENOENT if it isn't. */
static bool can_link(struct fsc_ur *u, int fd)
{
	u->link_by_proc = fsc_ur_link(fd, false, u->root.fd, ".") != -EEXIST;
	return !u->link_by_proc || fsc_ur_link(fd, true, u->root.fd, ".") == -EEXIST;
}

static int open_probe_file(struct fsc_ur *u, bool no_tmpfile)
{
	int fd = -1;

	if (!no_tmpfile)
		fd = openat(u->root.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	u->tmpfiles = fd >= 0 && can_link(u, fd);
	if (u->tmpfiles)
		return fd;
	if (fd >= 0)
		close(fd);
	else if (!no_tmpfile && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	fsc_log(FSC_LOG_WARN, "O_TMPFILE is refused: new files have a name in tmp/ at first");
	return open_unlinked(u);
}

/* --- The whole ------------------------------------------------------------------------------- */

static void look_at_ids(struct fsc_ur *u)
{
	char *text = read_text("/proc/sys/kernel/random/boot_id");
	bool boot = text && fsc_fs_parse_uuid(text, u->be.boot_id);
	struct statx x;

	free(text);
	if (statx(u->root.fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &x) ||
	    !(x.stx_mask & STATX_MNT_ID_UNIQUE))
		return;
	u->be.mount_id = x.stx_mnt_id;
	u->be.ids_known = boot;
}

static const char *kind_name(enum fsc_fs_kind kind)
{
	return kind == FSC_FS_ORDERED  ? "ordered"
	       : kind == FSC_FS_STRICT ? "strict"
				       : "volatile";
}

static int apply(struct fsc_ur *u, const char *path, const struct seen *s,
		 const struct fsc_fs_verdict *v)
{
	if (v->err) {
		fsc_log(FSC_LOG_WARN, "%s (%s) can't be a cache: %s", path, s->type, v->why);
		return v->err;
	}
	fsc_log(FSC_LOG_INFO, "%s: %s on %s, %s I/O: %s", path, kind_name(v->kind),
		*s->type ? s->type : "an unknown filesystem", v->direct ? "direct" : "buffered",
		v->why);
	if (v->barriers_off)
		fsc_log(FSC_LOG_WARN,
			"%s: barriers are off; after a power cut the cache may hold wrong data",
			path);
	u->direct = v->direct ? O_DIRECT : 0;
	u->be.io_align = v->io_align;
	u->be.mem_align = v->mem_align;
	u->be.kind = v->kind;
	u->be.forgets = v->forgets;
	u->be.never_clean = v->never_clean;
	return 0;
}

/* What the tmpfile tells; the rest of @s is known. */
static int try_file(struct fsc_ur *u, struct seen *s, const struct fsc_uring_params *params)
{
	int fd = open_probe_file(u, params->no_tmpfile);
	int max;

	if (disk_is_full(fd)) {
		u->tmpfiles = !params->no_tmpfile;
		u->link_by_proc = true; /* works for everyone */
		u->be.xattr_max = 256;
		return 0;
	}
	if (fd < 0)
		return fd;
	look_at_file(&s->facts, fd);
	max = fsc_ur_xattr_max(fd);
	close(fd);
	if (max < 0)
		return max;
	u->be.xattr_max = (uint32_t)max;
	return 0;
}

int fsc_ur_probe(struct fsc_ur *u, const char *path, const struct fsc_uring_params *params)
{
	struct fsc_fs_verdict verdict;
	struct seen s = { 0 };
	int err;

	look_at_ids(u);
	look_at_mount(&s, u->root.fd);
	look_at_ext4(&s, u->root.fd);
	s.facts.type = s.type;
	err = try_file(u, &s, params);
	if (!err) {
		fsc_fs_judge(&s.facts, params->buffered, &verdict);
		err = apply(u, path, &s, &verdict);
	}
	free(s.ext4_options);
	return err;
}
