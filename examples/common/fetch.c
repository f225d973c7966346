// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fetch.c - the commands that deliver a file's bytes: cat and get.
 *
 * Both look at the file once more when all is read. If it was changed meanwhile, what was read may
 * be of two versions: get then begins again, cat can only say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crowd.h"
#include "interrupt.h"
#include "say.h"

#define GET_TRIES 5

/* Where the bytes go. */
struct output {
	int fd;
	bool in_place; /* pwrite, else write */
	int err;
};

static ssize_t write_some(const struct output *out, const char *at, size_t len, uint64_t pos)
{
	struct pollfd p = { .fd = out->fd, .events = POLLOUT };
	ssize_t n;

	if (out->in_place)
		n = pwrite(out->fd, at, len, (off_t)pos);
	else
		n = write(out->fd, at, len);
	if (n < 0 && errno == EAGAIN) { /* somebody has made our stdout non-blocking */
		poll(&p, 1, -1);
		return 0;
	}
	return n < 0 && errno == EINTR ? 0 : n;
}

static int write_out(void *arg, const void *buf, size_t len, uint64_t pos)
{
	struct output *out = arg;
	const char *at = buf;
	ssize_t n;

	for (; len; at += n, pos += (uint64_t)n, len -= (size_t)n) {
		if (interrupted())
			return -EINTR;
		n = write_some(out, at, len, pos);
		if (n < 0) {
			out->err = -errno;
			return out->err;
		}
	}
	return 0;
}

static int open_file(struct session *s, struct remote_place *place, const char *path,
		     struct remote *r)
{
	int err = remote_open(s, place, path, r);

	if (err == REMOTE_OTHER && S_ISLNK(r->attr.st.st_mode))
		say(path, "is a symbolic link, which is not followed");
	else if (err == REMOTE_OTHER)
		say(path, "is %s, not a regular file", remote_kind(&r->attr));
	else if (err)
		session_say(s, path, err);
	return err;
}

enum fetched { FETCHED, CHANGED, FAILED };

/* Read from @pos to @end into @out, with everything said but CHANGED and out->err. */
static enum fetched fetch(struct stream *st, struct remote *r, const char *path, uint64_t pos,
			  uint64_t end, struct output *out)
{
	enum stream_end how = STREAM_ERROR;
	int err = -ENOMEM;

	if (st)
		how = stream_run(st, r, pos, end, write_out, out, &err);
	if (how == STREAM_SHORT)
		return CHANGED;
	if (how == STREAM_ALL) {
		err = remote_changed(r);
		if (err >= 0)
			return err ? CHANGED : FETCHED;
	}
	if (how != STREAM_STOPPED)
		session_say(r->s, path, err);
	return FAILED;
}

/* --- cat -------------------------------------------------------------------------------------- */

int cmd_cat(struct session *s)
{
	const struct options *o = s->opt;
	const char *path = o->paths[0];
	struct output out = { .fd = STDOUT_FILENO };
	struct stream *st = stream_new();
	enum fetched result;
	uint64_t size, pos, end;
	struct remote r;

	if (open_file(s, NULL, path, &r)) {
		stream_free(st);
		return EXIT_FAILED;
	}
	size = remote_size(&r);
	pos = o->offset < size ? o->offset : size;
	end = o->length < size - pos ? pos + o->length : size;
	result = fetch(st, &r, path, pos, end, &out);
	stream_free(st);
	remote_close(&r, result == CHANGED);
	if (result == CHANGED)
		say(path, "was changed while it was read: what was written may be of two versions");
	if (out.err && out.err != -EPIPE) /* who closes a pipe knows */
		say(path, "writing to the standard output: %s", strerror(-out.err));
	return result == FETCHED && !out.err ? 0 : EXIT_FAILED;
}

/* --- get -------------------------------------------------------------------------------------- */

/* A temporary name in the directory that @local is in. */
static char *temporary_name(const struct session *s, const char *local)
{
	char *copy = strdup(local), *name = NULL;

	if (!copy || asprintf(&name, "%s/.%s-XXXXXX", dirname(copy), s->program->name) < 0)
		name = NULL;
	free(copy);
	return name;
}

/* Only files are replaced: a device or a fifo is there for something else. */
static bool may_replace(const char *local)
{
	struct stat st;

	if (lstat(local, &st))
		return true;
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return true;
	say(local, S_ISDIR(st.st_mode) ? "is a directory" : "exists, and is no regular file");
	return false;
}

static enum fetched get_once(struct session *s, const struct crowd_worker *w, const char *path,
			     struct output *out)
{
	enum fetched result;
	struct remote r;

	if (open_file(s, w->place, path, &r))
		return FAILED;
	result = fetch(w->stream, &r, path, 0, remote_size(&r), out);
	remote_close(&r, result == CHANGED);
	return result;
}

/* All of @path into the empty file @fd. */
static int get_into(struct session *s, const struct crowd_worker *w, const char *path,
		    const char *local, int fd)
{
	struct output out = { .fd = fd, .in_place = true };
	enum fetched result = CHANGED;

	for (int i = 0; result == CHANGED && i < GET_TRIES && !interrupted(); i++) {
		if (ftruncate(fd, 0))
			out.err = -errno;
		else
			result = get_once(s, w, path, &out);
		if (out.err) {
			say(local, "%s", strerror(-out.err));
			return EXIT_FAILED;
		}
	}
	if (result == CHANGED && !interrupted())
		say(path, "was changed while it was read, each of %d times", GET_TRIES);
	return result == FETCHED ? 0 : EXIT_FAILED;
}

static int get_to(struct session *s, const struct crowd_worker *w, const char *path,
		  const char *local, char *tmp)
{
	int fd = mkostemp(tmp, O_CLOEXEC), status;

	if (fd < 0) {
		say(local, "%s", strerror(errno));
		return EXIT_FAILED;
	}
	status = get_into(s, w, path, local, fd);
	if (!status && fchmod(fd, 0666 & ~options_umask())) {
		say(local, "%s", strerror(errno));
		status = EXIT_FAILED;
	}
	if (close(fd) && !status) {
		say(local, "%s", strerror(errno));
		status = EXIT_FAILED;
	}
	if (!status && rename(tmp, local)) {
		say(local, "%s", strerror(errno));
		status = EXIT_FAILED;
	}
	if (status)
		unlink(tmp);
	return status;
}

static int get_file(struct session *s, const struct crowd_worker *w, const char *path,
		    const char *local)
{
	char *tmp;
	int status;

	if (!may_replace(local))
		return EXIT_FAILED;
	tmp = temporary_name(s, local);
	if (!tmp) {
		say(local, "%s", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	status = get_to(s, w, path, local, tmp);
	free(tmp);
	return status;
}

/* --- get -r ----------------------------------------------------------------------------------- */

/* Where below o->local what is at @path goes; the trees' common beginning is o->paths[0]. */
static char *local_name(const struct options *o, const char *path)
{
	const char *rest = path + strlen(o->paths[0]);
	char *name;

	while (*rest == '/')
		rest++;
	if (asprintf(&name, *rest ? "%s/%s" : "%s%s", o->local, rest) < 0)
		return NULL;
	return name;
}

static int make_dir(void *arg, const char *path)
{
	struct session *s = arg;
	char *local = local_name(s->opt, path);
	struct stat st;
	int err = 0;

	if (!local)
		return -ENOMEM;
	if (mkdir(local, 0777) && (errno != EEXIST || lstat(local, &st) || !S_ISDIR(st.st_mode))) {
		say(local, "%s", strerror(errno));
		err = -ECANCELED;
	}
	free(local);
	return err;
}

static int get_one(void *arg, const struct crowd_worker *w, const char *path, bool named)
{
	struct session *s = arg;
	char *local = local_name(s->opt, path);
	int status;

	(void)named;
	if (!local)
		return -ENOMEM;
	status = get_file(s, w, path, local);
	free(local);
	return status ? -ECANCELED : 0;
}

int cmd_get(struct session *s)
{
	const struct options *o = s->opt;
	struct crowd_job job = { .file = get_one, .dir = make_dir, .arg = s };
	struct crowd_worker alone;
	int status;

	if (o->recursive)
		return crowd_run(s, o->paths, 1, &job);
	alone = (struct crowd_worker){ .stream = stream_new() };
	status = get_file(s, &alone, o->paths[0], o->local);
	stream_free(alone.stream);
	return status;
}
