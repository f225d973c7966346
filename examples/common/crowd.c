// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * crowd.c - every file of a few trees, by several threads.
 *
 * The main thread walks the trees and puts files into a queue, from which a few threads take them.
 * It runs far ahead, so that for most of the time it is known how many files there are. What may be
 * a directory, and is still to be walked, stands in a list, not on the stack: a tree may be as deep
 * as it likes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>

#include "crowd.h"
#include "interrupt.h"
#include "path.h"
#include "say.h"
#include "tree.h"

#define WORKERS 8
#define QUEUE_MOST 100000 /* files */
#define SHOW_MS 100

struct job {
	STAILQ_ENTRY(job) link;
	bool named; /* on the command line */
	char path[];
};

STAILQ_HEAD(job_list, job);

struct crowd {
	struct session *s;
	const struct crowd_job *doing;
	struct job_list walks;     /* of the main thread: what may be a directory */
	struct remote_place place; /* its too */
	uint64_t begun_ms, shown_ms;
	bool show;

	pthread_mutex_t lock; /* covers the rest */
	pthread_cond_t more, less; /* of the queue; less also when a file is done */
	struct job_list files;
	size_t queued;
	bool no_more, failed;
	unsigned int working;
	uint64_t found, done, bytes;
};

static struct job *job_new(const char *path, bool named)
{
	struct job *job = malloc(sizeof(*job) + strlen(path) + 1);

	if (job) {
		job->named = named;
		strcpy(job->path, path);
	}
	return job;
}

static void jobs_free(struct job_list *jobs)
{
	struct job *job;

	while ((job = STAILQ_FIRST(jobs))) {
		STAILQ_REMOVE_HEAD(jobs, link);
		free(job);
	}
}

static void fail(struct crowd *w, const char *path, int err)
{
	session_say(w->s, path, err);
	pthread_mutex_lock(&w->lock);
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
}

static bool given_up(struct crowd *w)
{
	return interrupted() || w->s->fs->ops->error(w->s->fs, NULL);
}

/* --- How far we are --------------------------------------------------------------------------- */

static const char *human(double bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	int unit = 0;

	while (bytes >= 1024 && unit < 4) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return buf;
}

/* With the lock. */
static void draw(struct crowd *w, uint64_t now_ms)
{
	char numbers[128], bar[96], line[256], amount[32], rate[32];
	double seconds = (double)(now_ms - w->begun_ms + 1) / 1000;
	int width, filled;

	snprintf(numbers, sizeof(numbers), " %llu/%llu%s files  %s  %s/s",
		 (unsigned long long)w->done, (unsigned long long)w->found, w->no_more ? "" : "+",
		 human((double)w->bytes, amount, sizeof(amount)),
		 human((double)w->bytes / seconds, rate, sizeof(rate)));
	width = progress_width() - (int)strlen(numbers) - 3;
	width = width < 0 ? 0 : width > 60 ? 60 : width;
	filled = w->found ? (int)(w->done * (uint64_t)width / w->found) : 0;
	memset(bar, '.', sizeof(bar));
	memset(bar, '#', (size_t)filled);
	snprintf(line, sizeof(line), "[%.*s]%s", width, bar, numbers);
	progress_show(line);
}

/* On the main thread, as often as it likes. */
static void show(struct crowd *w, bool last)
{
	uint64_t now_ms = fsc_clock_ms();

	if (!w->show || (!last && now_ms - w->shown_ms < SHOW_MS))
		return;
	w->shown_ms = now_ms;
	pthread_mutex_lock(&w->lock);
	draw(w, now_ms);
	pthread_mutex_unlock(&w->lock);
	if (last)
		progress_show(NULL);
}

/* Until something is done, or it is time to show how much; with the lock, which is let go of. */
static void wait_a_little(struct crowd *w)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += SHOW_MS * 1000000l;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&w->less, &w->lock, &t);
	pthread_mutex_unlock(&w->lock);
	show(w, false);
	pthread_mutex_lock(&w->lock);
}

/* --- Files ------------------------------------------------------------------------------------ */

void crowd_count(struct crowd *w, uint64_t bytes)
{
	pthread_mutex_lock(&w->lock);
	w->bytes += bytes;
	pthread_mutex_unlock(&w->lock);
}

static void do_file(struct crowd *w, const struct crowd_worker *worker, const struct job *job)
{
	int err = w->doing->file(w->doing->arg, worker, job->path, job->named);

	pthread_mutex_lock(&w->lock);
	w->done++;
	w->failed |= err == -ECANCELED;
	pthread_cond_signal(&w->less);
	pthread_mutex_unlock(&w->lock);
	if (err && err != -ECANCELED)
		fail(w, job->path, err);
}

static struct job *next_file(struct crowd *w)
{
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while (!(job = STAILQ_FIRST(&w->files)) && !w->no_more)
		pthread_cond_wait(&w->more, &w->lock);
	if (job) {
		STAILQ_REMOVE_HEAD(&w->files, link);
		w->queued--;
		pthread_cond_signal(&w->less);
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *arg)
{
	struct remote_place place = { 0 };
	struct crowd *w = arg;
	struct crowd_worker worker = { .crowd = w, .stream = stream_new(), .place = &place };
	struct job *job;

	while ((job = next_file(w))) {
		if (!worker.stream)
			fail(w, job->path, -ENOMEM);
		else if (!given_up(w))
			do_file(w, &worker, job);
		free(job);
	}
	stream_free(worker.stream);
	remote_leave(&place);
	pthread_mutex_lock(&w->lock);
	w->working--;
	pthread_cond_signal(&w->less);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- Trees ------------------------------------------------------------------------------------ */

static void put_file(struct crowd *w, struct job *job)
{
	pthread_mutex_lock(&w->lock);
	while (w->queued >= QUEUE_MOST && !given_up(w))
		wait_a_little(w);
	STAILQ_INSERT_TAIL(&w->files, job, link);
	w->queued++;
	w->found++;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	show(w, false);
}

struct folder {
	struct crowd *w;
	const char *path;
	struct job_list walks;
};

static int put_entry(void *arg, const struct netfs_dirent *entry)
{
	struct folder *f = arg;
	struct job *job = NULL;
	char *path;
	int err;

	if (entry->type == DT_LNK)
		return 0;
	err = path_join(f->path, entry->name, &path);
	if (!err) {
		job = job_new(path, false);
		free(path);
		err = job ? 0 : -ENOMEM;
	}
	if (err)
		fail(f->w, f->path, err);
	else if (entry->type == DT_DIR || entry->type == DT_UNKNOWN)
		STAILQ_INSERT_TAIL(&f->walks, job, link);
	else
		put_file(f->w, job);
	return given_up(f->w) ? -EINTR : 0;
}

static void walk_dir(struct crowd *w, const char *path, struct netfs_node *dir)
{
	struct folder f = { .w = w, .path = path, .walks = STAILQ_HEAD_INITIALIZER(f.walks) };
	int err = w->doing->dir ? w->doing->dir(w->doing->arg, path) : 0;

	if (!err)
		err = tree_list(w->s, dir, true, put_entry, &f);
	if (err == -ECANCELED) {
		pthread_mutex_lock(&w->lock);
		w->failed = true;
		pthread_mutex_unlock(&w->lock);
	} else if (err && !interrupted()) {
		fail(w, path, err);
	}
	/* Before those that were there: depth first keeps the list short. */
	STAILQ_CONCAT(&f.walks, &w->walks);
	w->walks = f.walks;
	if (STAILQ_EMPTY(&w->walks))
		STAILQ_INIT(&w->walks);
}

/* A directory's files are put into the queue, and so is what is none; @job is done with. */
static void walk(struct crowd *w, struct job *job)
{
	struct netfs_node *node;
	struct netfs_attr attr;
	int err = remote_walk(w->s, &w->place, job->path, &node, &attr);

	if (err) {
		fail(w, job->path, err);
	} else if (S_ISDIR(attr.st.st_mode)) {
		walk_dir(w, job->path, node);
	} else if (job->named || !S_ISLNK(attr.st.st_mode)) {
		put_file(w, job);
		job = NULL;
	}
	if (!err)
		netfs_node_put(node);
	free(job);
}

static void walk_path(struct crowd *w, const char *path)
{
	struct job *job = job_new(path, true);

	if (!job) {
		fail(w, path, -ENOMEM);
		return;
	}
	STAILQ_INSERT_HEAD(&w->walks, job, link);
	while (!given_up(w) && (job = STAILQ_FIRST(&w->walks))) {
		STAILQ_REMOVE_HEAD(&w->walks, link);
		walk(w, job);
	}
}

/* ---------------------------------------------------------------------------------------------- */

static void crowd_init(struct crowd *w, struct session *s, const struct crowd_job *doing)
{
	pthread_condattr_t attr;

	*w = (struct crowd){
		.s = s,
		.doing = doing,
		.show = progress_wanted(),
		.begun_ms = fsc_clock_ms(),
	};
	STAILQ_INIT(&w->walks);
	STAILQ_INIT(&w->files);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->less, &attr);
	pthread_condattr_destroy(&attr);
}

static void crowd_fini(struct crowd *w)
{
	remote_leave(&w->place);
	jobs_free(&w->walks);
	jobs_free(&w->files);
	pthread_cond_destroy(&w->less);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
}

/* No more files will come: wait until those that did are done. */
static void finish(struct crowd *w)
{
	pthread_mutex_lock(&w->lock);
	w->no_more = true;
	pthread_cond_broadcast(&w->more);
	while (w->working)
		wait_a_little(w);
	pthread_mutex_unlock(&w->lock);
}

static bool walk_all(struct crowd *w, char **paths, size_t count, pthread_t threads[WORKERS])
{
	unsigned int nr;

	for (nr = 0; nr < WORKERS; nr++) {
		pthread_mutex_lock(&w->lock);
		w->working++;
		pthread_mutex_unlock(&w->lock);
		if (pthread_create(&threads[nr], NULL, work, w))
			break;
	}
	if (nr < WORKERS) {
		pthread_mutex_lock(&w->lock);
		w->working--;
		pthread_mutex_unlock(&w->lock);
	}
	for (size_t i = 0; nr && i < count && !given_up(w); i++)
		walk_path(w, paths[i]);
	finish(w);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	return nr > 0;
}

int crowd_run(struct session *s, char **paths, size_t count, const struct crowd_job *doing)
{
	pthread_t threads[WORKERS];
	struct crowd w;
	bool ok;

	crowd_init(&w, s, doing);
	ok = walk_all(&w, paths, count, threads);
	show(&w, true);
	if (!ok)
		say(paths[0], "no thread can be started");
	ok = ok && !w.failed && !given_up(&w);
	crowd_fini(&w);
	return ok ? 0 : EXIT_FAILED;
}
