// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * disk.c - a disk that remembers what was done to it: one file in a FUSE filesystem, for a loop
 * device with a filesystem on it.
 *
 *   fsc-disk serve IMAGE LOG FOLDER      serves IMAGE as FOLDER/disk, until that is unmounted
 *   fsc-disk info LOG
 *   fsc-disk cut LOG BASE OUT SEED FROM TO
 *
 * A cut makes OUT what the power's failing at a moment between FROM and TO may leave of the disk
 * that was BASE when the log began: all that was written before the last flush, and of what came
 * later nothing, all, or any part. It prints the moment, which the seed decides.
 *
 * One request at a time: so a flush covers what was answered before it, and nothing else.
 */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "disklog.h"

#define DISK_INO 2

static struct {
	int image, log;
	uint64_t size;
} disk;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int write_all(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Before it is done and answered: so that what anybody does because of the answer is later. */
static void note(uint64_t pos, const void *buf, size_t len)
{
	struct disklog_record rec = {
		.magic = DISKLOG_MAGIC,
		.ns = now_ns(),
		.pos = pos,
		.len = (uint32_t)len,
		.flush = !buf,
	};

	if (write_all(disk.log, &rec, sizeof(rec)) || (len && write_all(disk.log, buf, len))) {
		perror("the disk's log");
		exit(2);
	}
}

static void stat_of(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){
		.st_ino = ino,
		.st_mode = ino == DISK_INO ? S_IFREG | 0600 : S_IFDIR | 0700,
		.st_nlink = ino == DISK_INO ? 1 : 2,
		.st_size = ino == DISK_INO ? (off_t)disk.size : 0,
		.st_blksize = 4096,
	};
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.ino = DISK_INO,
		.attr_timeout = 3600,
		.entry_timeout = 3600,
	};

	if (parent != FUSE_ROOT_ID || strcmp(name, "disk")) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	stat_of(DISK_INO, &e.attr);
	fuse_reply_entry(req, &e);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	stat_of(ino, &st);
	fuse_reply_attr(req, &st, 3600);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != DISK_INO) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	ssize_t n = buf ? pread(disk.image, buf, size, off) : -1;

	(void)ino;
	(void)fi;
	if (n < 0)
		fuse_reply_err(req, EIO);
	else
		fuse_reply_buf(req, buf, (size_t)n);
	free(buf);
}

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	note((uint64_t)off, buf, size);
	if (pwrite(disk.image, buf, size, off) != (ssize_t)size)
		fuse_reply_err(req, EIO);
	else
		fuse_reply_write(req, size);
}

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	(void)datasync;
	(void)fi;
	note(0, NULL, 0);
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.fsync = do_fsync,
};

static int serve(char *program, const char *image, const char *log, const char *folder)
{
	char *argv[] = { program, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *session;
	struct stat st;
	int ret = 2;

	disk.image = open(image, O_RDWR | O_CLOEXEC);
	disk.log = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (disk.image < 0 || disk.log < 0 || fstat(disk.image, &st)) {
		perror(image);
		return 2;
	}
	disk.size = (uint64_t)st.st_size;
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (session && !fuse_session_mount(session, folder)) {
		ret = fuse_session_loop(session) ? 2 : 0;
		fuse_session_unmount(session);
	}
	if (session)
		fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return ret;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(argv[0], argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "info"))
		return disklog_info(argv[2]);
	if (argc == 8 && !strcmp(argv[1], "cut"))
		return disklog_cut(argv[2], argv[3], argv[4], strtoull(argv[5], NULL, 0),
				   strtoull(argv[6], NULL, 0), strtoull(argv[7], NULL, 0));
	fprintf(stderr, "usage: see the beginning of tests/crash/disk.c\n");
	return 2;
}
