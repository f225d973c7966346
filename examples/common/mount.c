// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * mount.c - the command mount: the server's files in a folder, until that is unmounted.
 *
 * The kernel keeps pages and names; this program keeps files, through the library. Writes go to the
 * server at once, so there is nothing to lose at the end but what a mapping has not yet written
 * back.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "fuse_lock.h"
#include "fuse_loop.h"
#include "interrupt.h"
#include "open_file.h"
#include "passthrough.h"
#include "say.h"

#define DEFAULT_TIMEOUT 1.0 /* seconds */
#define READAHEAD_KB 1024
/* For what is to be written back, and the server to take it, after a signal. */
#define END_PATIENCE_MS 20000

/* --- The session ------------------------------------------------------------------------------ */

static void want(struct fuse_conn_info *conn, unsigned int flag, bool wanted)
{
	if (wanted)
		conn->want |= flag & conn->capable;
	else
		conn->want &= ~flag;
}

/*
 * Splicing is left off: it is for data that lie in a pipe or in pages, and ours lie in memory of a
 * thread's own, from which one writev() is all there is to do. Nor does the kernel collect writes
 * (FUSE_CAP_WRITEBACK_CACHE): they are the server's at once, and their errors the writer's. That
 * modes lose their setuid bits is the kernel's task, as servers that run as root don't do it.
 */
static void do_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;

	want(conn, FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO, true);
	want(conn, FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ATOMIC_O_TRUNC, true);
	want(conn, FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO, true);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, m->opt.actimeo > 0);
	want(conn, FUSE_CAP_POSIX_LOCKS, m->ops->lock && m->ops->getlock);
	/* Who is the only writer needs not be told by new times that his pages are old. */
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, !m->opt.sole_writer);
	want(conn, FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE, false);
	want(conn, FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_FLOCK_LOCKS,
	     false);
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static struct fuse_session *make_session(struct mount *m)
{
	struct fuse_lowlevel_ops ops = { .init = do_init };

	fuse_attr_ops(&ops, m->ops);
	fuse_names_ops(&ops, m->ops);
	fuse_dir_ops(&ops, m->ops);
	fuse_file_ops(&ops, m->ops);
	fuse_data_ops(&ops, m->ops);
	fuse_lock_ops(&ops, m->ops);
	return fuse_session_new(&m->opt.rest, &ops, sizeof(ops), m);
}

/* The kernel reads ahead no more than the device's limit, which for FUSE is 128 KiB and can be
 * changed by root only. Nothing is asked of the filesystem here: nobody answers yet. */
static void raise_readahead(const char *mnt)
{
	char path[64];
	struct statx stx;
	int fd;

	if (statx(AT_FDCWD, mnt, AT_STATX_DONT_SYNC, STATX_TYPE, &stx))
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", stx.stx_dev_major,
		 stx.stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Refused: as it was. */
	if (dprintf(fd, "%d", READAHEAD_KB) < 0)
		errno = 0;
	close(fd);
}

/* --- The end ---------------------------------------------------------------------------------- */

/*
 * What asks something of the mount is another process: a thread of this one would hang for ever if
 * the process was killed meanwhile, as the kernel ends a mount with its last descriptor, and that
 * wouldn't go before the thread.
 */
static int run_program(const char *program, const char *option, const char *mnt)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)option,
			 (char *)(uintptr_t)mnt, NULL };
	posix_spawn_file_actions_t quiet;
	int err, status = -1;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, program, &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? -EIO : 0;
}

/* At a signal, while requests are still served. What mappings have changed is written back, as
 * after this there is nobody to take it. */
static void on_signal(void *arg)
{
	struct mount *m = arg;
	const char *mnt = m->s->opt->local;

	run_program("sync", "-f", mnt);
	/* If it is in use it is left as a mount without anybody behind it, and taken away from its
	 * place. Else all files are closed; but the kernel needs not end the session, as another
	 * mount namespace may have a copy. */
	run_program("fusermount3", "-u", mnt);
	fuse_session_exit(m->se);
}

/* An open that the kernel didn't get to release. */
static void close_files(struct mount *m, struct inode *in)
{
	struct open_file *f;

	while ((f = in->files))
		file_end(m, f);
}

static void inode_gone(void *arg, struct inode *in)
{
	close_files(arg, in);
	local_free(&in->locks);
	content_free(in->content);
}

/* --- The command ------------------------------------------------------------------------------ */

/* Is the one that is seen at @mnt of this program? Whoever mounts over that again has hardly meant
 * to, and would be left with two after the next unmount. Others are covered, as mount(8) does. */
static bool is_ours(const struct session *s, const char *mnt)
{
	FILE *list = setmntent("/proc/self/mounts", "re");
	char type[64], line[2 * PATH_MAX + 4096];
	struct mntent entry;
	bool ours = false;

	snprintf(type, sizeof(type), "fuse.%s", s->program->name);
	while (list && getmntent_r(list, &entry, line, sizeof(line))) {
		if (!strcmp(entry.mnt_dir, mnt))
			ours = !strcmp(entry.mnt_type, type);
	}
	if (list)
		endmntent(list);
	return ours;
}

static int check_mount_point(const struct session *s, const char *mnt)
{
	struct stat st;

	if (stat(mnt, &st)) {
		say(mnt, "%s%s", strerror(errno),
		    errno == ENOTCONN ? " (the program behind this mount is gone: fusermount3 -u)"
				      : "");
		return -EINVAL;
	}
	if (!S_ISDIR(st.st_mode)) {
		say(mnt, "is not a directory");
		return -ENOTDIR;
	}
	if (is_ours(s, mnt)) {
		say(mnt, "%s is mounted there already (fusermount3 -u unmounts it)",
		    s->program->name);
		return -EBUSY;
	}
	return 0;
}

/* libfuse has said why not. */
static int mount_and_serve(struct mount *m)
{
	const char *mnt = m->s->opt->local;
	int ret;

	if (fuse_session_mount(m->se, mnt))
		return -EIO;
	ret = passthrough_begin(m);
	if (!ret) {
		raise_readahead(mnt);
		interrupt_call(on_signal, m, END_PATIENCE_MS);
		background_ready();
		ret = fuse_loop(m);
		interrupt_call(NULL, NULL, 0);
	}
	fuse_session_unmount(m->se);
	passthrough_unmounted(m);
	return ret;
}

static int run(struct mount *m)
{
	int err = inodes_init(&m->inodes, m->s->root, &m->s->root_attr, inode_gone, m);

	if (err)
		return err;
	m->lock_waits = lock_waits_new();
	m->se = m->lock_waits ? make_session(m) : NULL;
	err = m->se ? mount_and_serve(m) : -EINVAL;
	if (m->lock_waits)
		lock_waits_stop(m->lock_waits);
	open_dirs_close(m);
	inodes_fini(&m->inodes);
	passthrough_end(m);
	if (m->se)
		fuse_session_destroy(m->se);
	return err;
}

int cmd_mount(struct session *s)
{
	struct mount m = { .s = s, .ops = s->fs->ops, .dirs_lock = PTHREAD_MUTEX_INITIALIZER };
	int err;

	if (check_mount_point(s, s->opt->local))
		return EXIT_FAILED;
	err = mount_options_parse(&m.opt, s, s->opt->mount_options);
	if (err) {
		mount_options_free(&m.opt);
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	m.attr_timeout = m.entry_timeout = m.opt.actimeo < 0 ? DEFAULT_TIMEOUT : m.opt.actimeo;
	err = run(&m);
	mount_options_free(&m.opt);
	if (err < 0)
		say(s->opt->local, "not mounted, or not any more: %s", strerror(-err));
	return err < 0 ? EXIT_FAILED : 0;
}
