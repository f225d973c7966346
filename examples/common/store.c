// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * store.c - the cache's directory: where it is, how big it may get, and that nothing depends on it.
 *
 * Whatever is wrong with it, the data still come from the server: so nothing here fails, it warns.
 */
#include <dirent.h>
#include <errno.h>
#include <fscache/uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "say.h"
#include "session.h"
#include "stats.h"

/* How long a mount waits for one that is ending. */
#define BUSY_PATIENCE_MS 10000
#define SIZE_MOST (10ull << 30)
/* Downloads wait in memory to be stored. What finds no room there isn't kept, so a disk that is
 * slower than the server for a moment shouldn't need more. */
#define KEEP_BYTES (128ull << 20)
/* The size that was chosen when the cache was made. Half of what is free *now* would shrink with
 * every byte that is cached. */
#define SIZE_XATTR "user.%s.size"

/* --- The library's log ------------------------------------------------------------------------ */

/* Why opening failed is one warning, ours: lines of the library are held back until it is clear
 * whether it did. */
static struct {
	pthread_mutex_t lock; /* covers what is held */
	char *dir;            /* NULL: HOME isn't known */
	bool verbose;
	FILE *hold;           /* NULL: nothing is held back */
	char *held;
	size_t held_size;
} tell = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void tell_line(bool warning, const char *line)
{
	size_t len = strlen(tell.dir);

	/* Some name the directory themselves. */
	if (!strncmp(line, tell.dir, len) && !strncmp(line + len, ": ", 2))
		line += len + 2;
	if (warning)
		warn_of(tell.dir, "%s", line);
	else
		say(tell.dir, "%s", line);
}

static void on_log(void *arg, int level, const char *line)
{
	(void)arg;
	if (level > (tell.verbose ? LOG_INFO : LOG_WARNING))
		return;
	pthread_mutex_lock(&tell.lock);
	if (tell.hold)
		fprintf(tell.hold, "%c%s\n", level <= LOG_WARNING ? 'w' : 'i', line);
	else
		tell_line(level <= LOG_WARNING, line);
	pthread_mutex_unlock(&tell.lock);
}

static void hold_log(void)
{
	tell.hold = open_memstream(&tell.held, &tell.held_size);
	fsc_set_log(on_log, NULL);
}

/* Say what was held back, if @say_it. */
static void release_log(bool say_it)
{
	char *line, *rest;

	pthread_mutex_lock(&tell.lock);
	if (tell.hold)
		fclose(tell.hold);
	tell.hold = NULL;
	rest = say_it ? tell.held : NULL;
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			tell_line(*line == 'w', line + 1);
	}
	free(tell.held);
	tell.held = NULL;
	pthread_mutex_unlock(&tell.lock);
}

/* --- The directory ---------------------------------------------------------------------------- */

static char *default_dir(const char *program)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char *dir = NULL;
	int n = -1;

	if (base && *base == '/') /* a relative one is to be ignored, says its specification */
		n = asprintf(&dir, "%s/%s", base, program);
	else if (home && *home)
		n = asprintf(&dir, "%s/.cache/%s", home, program);
	else
		errno = ENOENT;
	return n < 0 ? NULL : dir;
}

static int make_one(const char *dir, mode_t mode)
{
	struct stat st;

	if (!mkdir(dir, mode))
		return 0;
	if (errno == EEXIST)
		return !stat(dir, &st) && S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	return -errno;
}

/* With its parents; itself for nobody else. */
static int make_dir(const char *dir)
{
	char *copy = strdup(dir);
	int err = copy ? 0 : -ENOMEM;

	for (char *at = copy; !err && at && *at; at++) {
		if (*at != '/' || at == copy)
			continue;
		*at = '\0';
		err = make_one(copy, 0777);
		*at = '/';
	}
	free(copy);
	return err ? err : make_one(dir, 0700);
}

/* Opening makes a cache's directory 0700 whatever is in it. Before that can happen to /etc: is this
 * one that can't be a cache? */
static bool is_foreign(const char *dir)
{
	bool empty = true, super = false;
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (stat(dir, &st) || (st.st_mode & 07777) == 0700)
		return false;
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			empty = false;
		if (!strcmp(entry->d_name, "super"))
			super = true;
	}
	if (d)
		closedir(d);
	return !empty && !super;
}

/* --- The size --------------------------------------------------------------------------------- */

static uint64_t half_of_free(const char *dir)
{
	struct statvfs vfs;
	uint64_t half;

	if (statvfs(dir, &vfs))
		return SIZE_MOST;
	half = (uint64_t)vfs.f_bavail * vfs.f_frsize / 2;
	return half < SIZE_MOST ? half : SIZE_MOST;
}

static uint64_t stored_size(const char *dir, const char *attr)
{
	char text[24];
	ssize_t n = getxattr(dir, attr, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

/* Only of what is a cache by now. */
static void store_size(const char *dir, const char *attr, uint64_t size)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)size);

	setxattr(dir, attr, text, (size_t)n, XATTR_CREATE);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static const char *reason(int err)
{
	switch (err) {
	case -EBUSY:
		return "another process, or the kernel, is using it (--cache names another one)";
	case -ENOTEMPTY:
		return "it holds something and is no cache, or one that is too damaged to be known; "
		       "nothing was changed in it";
	case -EPROTONOSUPPORT:
		return "it is a cache of a version that this program doesn't know";
	case -EPERM:
		return "it has to be this user's, and nobody else's to write to";
	case -EOPNOTSUPP:
		return "its filesystem has no user xattrs, or blocks over 4 KiB";
	case -ENAMETOOLONG:
		return "a name is too long for it";
	case -ENOBUFS:
		return "its storage fails";
	default:
		return strerror(-err);
	}
}

static int open_volume(struct session *s)
{
	char *key = s->program->volume_key(s->fs);
	size_t len = key ? strlen(key) : 0;
	int err = -ENAMETOOLONG;

	if (!key)
		return -ENOMEM;
	if (len <= FSC_KEY_MAX)
		err = fsc_volume_acquire(s->cache, (struct fsc_blob){ key, len },
					 (struct fsc_blob){ NULL, 0 }, FSC_VOLUME_STRICT_REMOVAL,
					 &s->volume);
	free(key);
	return err;
}

static int open_cache(struct session *s, const char *dir)
{
	struct fsc_uring_params uring = { .drive = FSC_URING_THREAD };
	struct fsc_cache_params params = { .max_keep_bytes = KEEP_BYTES };
	bool shared = s->program->cache_is_shared && s->program->cache_is_shared();
	uint64_t chosen;
	char attr[64];
	int err;

	snprintf(attr, sizeof(attr), SIZE_XATTR, s->program->name);
	chosen = stored_size(dir, attr);
	params.max_bytes = s->opt->cache_size;
	if (!params.max_bytes && !shared)
		params.max_bytes = chosen ? chosen : half_of_free(dir);
	if (s->fs->ops->drive)
		uring.drive = FSC_URING_LOOP;
	err = fsc_uring_open(dir, &uring, &s->backend);
	if (err)
		return err;
	err = fsc_cache_open(s->backend, &params, &s->cache);
	if (err) {
		fsc_uring_close(s->backend);
		return err;
	}
	if (!chosen && !s->opt->cache_size && !shared)
		store_size(dir, attr, params.max_bytes);
	return 0;
}

static int open_all(struct session *s)
{
	int err = tell.dir ? make_dir(tell.dir) : -ENOENT;

	if (!err && is_foreign(tell.dir))
		err = -ENOTEMPTY;
	if (!err)
		err = open_cache(s, tell.dir);
	if (err)
		return err;
	err = open_volume(s);
	if (err) {
		fsc_cache_close(s->cache);
		s->cache = NULL;
	}
	return err;
}

/* "umount; mount": the one before may still be saving, after its place was free again. A mount that
 * went on without a cache would do so for all its life. */
static bool try_again(const struct session *s, int err, uint64_t until_ms)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000 };

	if (err != -EBUSY || s->opt->command != CMD_MOUNT || interrupted() ||
	    fsc_clock_ms() >= until_ms)
		return false;
	release_log(false);
	nanosleep(&pause, NULL);
	hold_log();
	return true;
}

void store_open(struct session *s)
{
	uint64_t until_ms = fsc_clock_ms() + BUSY_PATIENCE_MS;
	int err;

	tell.dir = s->opt->cache ? strdup(s->opt->cache) : default_dir(s->program->name);
	tell.verbose = s->opt->verbose;
	hold_log();
	do
		err = open_all(s);
	while (try_again(s, err, until_ms));
	release_log(!err);
	if (err) {
		warn_of(tell.dir ? tell.dir : "~/.cache", "going on without a cache: %s",
			tell.dir ? reason(err) : "neither HOME nor XDG_CACHE_HOME says where it is");
		s->backend = NULL;
	}
	if (s->backend && s->fs->ops->drive)
		s->fs->ops->drive(s->fs, s->backend);
	stats_cache(s->cache);
}

void store_close(struct session *s)
{
	/* This waits for what the protocol's loop, if it has one, still has to complete. */
	fsc_volume_relinquish(s->volume, false);
	s->volume = NULL;
	if (s->cache)
		fsc_cache_sync(s->cache);
	stats_cache(NULL);
	if (s->backend && s->fs->ops->drive)
		s->fs->ops->drive(s->fs, NULL);
	fsc_cache_close(s->cache); /* and the backend */
	s->cache = NULL;
	s->backend = NULL;
	fsc_set_log(NULL, NULL);
	free(tell.dir);
	tell.dir = NULL;
}
