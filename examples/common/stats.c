// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * stats.c - what --stats writes.
 *
 * Written by a handler of exit, so that a mistake on the command line is no exit without it, and by
 * the signal thread when the program can't end in its own way. Under a temporary name first: who
 * waits for the file finds all of it or none.
 */
#include "stats.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "say.h"

static struct {
	pthread_mutex_t lock; /* covers all but the last */
	const char *path, *command;
	char at[PATH_MAX]; /* from the root: a mount in the background goes to another folder */
	struct netfs *fs;
	struct fsc_cache *cache;
	struct netfs_counters wire;
	struct fsc_stats counters;
	const char *kind; /* of the cache's filesystem; NULL: there was no cache */
	bool online;
	bool written;
	atomic_ullong passthrough_opens;
} stats = { .lock = PTHREAD_MUTEX_INITIALIZER, .command = "none" };

/* --- What is known ---------------------------------------------------------------------------- */

static void take_wire(void)
{
	if (stats.fs)
		stats.fs->ops->counters(stats.fs, &stats.wire);
}

static void take_counters(void)
{
	static const char *const kinds[] = {
		[FSC_FS_ORDERED] = "ordered",
		[FSC_FS_STRICT] = "strict",
		[FSC_FS_VOLATILE] = "volatile",
	};

	if (!stats.cache)
		return;
	fsc_cache_stats(stats.cache, &stats.counters);
	stats.online = fsc_cache_online(stats.cache);
	stats.kind = kinds[fsc_cache_kind(stats.cache)];
}

void stats_command(const char *name)
{
	pthread_mutex_lock(&stats.lock);
	stats.command = name;
	pthread_mutex_unlock(&stats.lock);
}

void stats_netfs(struct netfs *fs)
{
	pthread_mutex_lock(&stats.lock);
	take_wire();
	stats.fs = fs;
	pthread_mutex_unlock(&stats.lock);
}

void stats_cache(struct fsc_cache *cache)
{
	pthread_mutex_lock(&stats.lock);
	take_counters();
	stats.cache = cache;
	take_counters();
	pthread_mutex_unlock(&stats.lock);
}

void stats_passthrough_open(void)
{
	atomic_fetch_add_explicit(&stats.passthrough_opens, 1, memory_order_relaxed);
}

/* --- As JSON ---------------------------------------------------------------------------------- */

static void add(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}

static void add_counters(struct json_object *o, const struct fsc_stats *s)
{
	/* The netfs counts what came; the library what it asked for. They differ where a read
	 * was cut off. */
	add(o, "requested_server_reads", s->server_reads);
	add(o, "requested_server_read_bytes", s->server_read_bytes);
	add(o, "cache_reads", s->cache_reads);
	add(o, "cache_read_bytes", s->cache_read_bytes);
	add(o, "cache_writes", s->cache_writes);
	add(o, "cache_write_bytes", s->cache_write_bytes);
	add(o, "joined_reads", s->joined_reads);
	add(o, "stale_reads", s->stale_reads);
	add(o, "not_kept_bytes", s->not_kept_bytes);
	add(o, "prefetched_bytes", s->prefetched_bytes);
	add(o, "prefetched_bytes", s->prefetched_bytes);
	add(o, "objects_created", s->objects_created);
	add(o, "objects_found", s->objects_found);
	add(o, "objects_missed", s->objects_missed);
	add(o, "objects_invalidated", s->objects_invalidated);
	add(o, "objects_discarded", s->objects_discarded);
	add(o, "objects_retired", s->objects_retired);
	add(o, "objects_culled", s->objects_culled);
	add(o, "objects_busy", s->objects_busy);
	add(o, "saves", s->saves);
	add(o, "cache_errors", s->cache_errors);
	add(o, "no_space", s->no_space);
	add(o, "no_memory", s->no_memory);
	add(o, "bytes_used", s->bytes_used);
	add(o, "objects_open", s->objects_open);
	add(o, "map_bytes", s->map_bytes);
}

static struct json_object *to_json(int exit_status)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	json_object_object_add(o, "command", json_object_new_string(stats.command));
	json_object_object_add(o, "exit_status", json_object_new_int(exit_status));
	json_object_object_add(o, "online", json_object_new_boolean(stats.online));
	json_object_object_add(o, "cache_kind",
			       stats.kind ? json_object_new_string(stats.kind) : NULL);
	add(o, "server_reads", stats.wire.server_reads);
	add(o, "server_read_bytes", stats.wire.server_read_bytes);
	add(o, "server_writes", stats.wire.server_writes);
	add(o, "server_write_bytes", stats.wire.server_write_bytes);
	add(o, "reconnects", stats.wire.reconnects);
	add(o, "wire_bytes_sent", stats.wire.bytes_sent);
	add(o, "wire_bytes_received", stats.wire.bytes_received);
	add_counters(o, &stats.counters);
	add(o, "passthrough_opens", atomic_load(&stats.passthrough_opens));
	return o;
}

/* --- Into the file ---------------------------------------------------------------------------- */

static int write_to(const char *path, struct json_object *o)
{
	return json_object_to_file_ext(path, o, JSON_C_TO_STRING_PRETTY) ? -errno : 0;
}

/* As a file that anyone else made would be. */
static int write_file(const char *path, struct json_object *o)
{
	char *tmp;
	int err = 0, fd;

	if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(tmp, 0);
	if (fd < 0) {
		err = -errno;
		free(tmp);
		return err;
	}
	if (json_object_to_fd(fd, o, JSON_C_TO_STRING_PRETTY) || write(fd, "\n", 1) != 1 ||
	    fchmod(fd, 0666 & ~options_umask()))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
	free(tmp);
	return err;
}

/* With the lock. */
static int write_stats(int exit_status)
{
	struct json_object *o;
	struct stat st;
	int err;

	take_wire();
	take_counters();
	o = to_json(exit_status);
	if (!o)
		return -ENOMEM;
	/* What is no file, /dev/stdout for one, is not to be replaced by one. */
	if (!stat(stats.at, &st) && !S_ISREG(st.st_mode))
		err = write_to(stats.at, o);
	else
		err = write_file(stats.at, o);
	json_object_put(o);
	return err;
}

int stats_write(int exit_status)
{
	int err = 0;

	pthread_mutex_lock(&stats.lock);
	if (stats.path && !stats.written) {
		stats.written = true;
		err = write_stats(exit_status);
	}
	pthread_mutex_unlock(&stats.lock);
	if (err)
		say(stats.path, "statistics can't be written: %s", strerror(-err));
	return err;
}

static void at_exit(int status, void *arg)
{
	(void)arg;
	if (stats_write(status) && !status) {
		fflush(NULL);
		_exit(EXIT_FAILED);
	}
}

void stats_file(const char *path)
{
	char folder[PATH_MAX];
	bool first;

	pthread_mutex_lock(&stats.lock);
	first = !stats.path;
	stats.path = path;
	if (*path == '/' || !getcwd(folder, sizeof(folder)))
		snprintf(stats.at, sizeof(stats.at), "%s", path);
	else if (snprintf(stats.at, sizeof(stats.at), "%s/%s", folder, path) >= PATH_MAX)
		*stats.at = '\0'; /* which can't be written */
	pthread_mutex_unlock(&stats.lock);
	if (first)
		on_exit(at_exit, NULL);
}
