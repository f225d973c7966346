// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ls.c - the commands that show what the server says: ls and stat.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "remote.h"
#include "say.h"
#include "tree.h"

#define TARGET_MAX 65535

/* Names are bytes; but those that go to a terminal shall not steer it. */
static void put_name(const void *name, size_t len)
{
	char *quoted = isatty(STDOUT_FILENO) ? path_quote(name, len) : NULL;

	if (quoted)
		fputs(quoted, stdout);
	else
		fwrite(name, 1, len, stdout);
	free(quoted);
}

/* The target of the link @fid, after @before. */
static int put_target(struct session *s, uint32_t fid, const char *before)
{
	char *target = malloc(TARGET_MAX);
	int64_t n = target ? p9_readlink(s->client, fid, target, TARGET_MAX) : -ENOMEM;

	if (n >= 0) {
		fputs(before, stdout);
		put_name(target, (size_t)n);
	}
	free(target);
	return n < 0 ? (int)n : 0;
}

/* --- ls --------------------------------------------------------------------------------------- */

struct name {
	size_t len;
	char *bytes;
};

struct listing {
	struct name *names;
	size_t nr, room;
};

static int remember(void *arg, const struct p9_dirent *entry)
{
	struct listing *l = arg;
	struct name *more;
	char *bytes;

	if (l->nr == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		more = reallocarray(l->names, l->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->names = more;
	}
	bytes = malloc(entry->name.len);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, entry->name.data, entry->name.len);
	l->names[l->nr++] = (struct name){ entry->name.len, bytes };
	return 0;
}

static void forget(struct listing *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->names[i].bytes);
	free(l->names);
}

static int by_bytes(const void *a, const void *b)
{
	const struct name *na = a, *nb = b;
	size_t len = na->len < nb->len ? na->len : nb->len;
	int order = memcmp(na->bytes, nb->bytes, len);

	return order ? order : (na->len > nb->len) - (na->len < nb->len);
}

static char type_letter(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFBLK:
		return 'b';
	case S_IFCHR:
		return 'c';
	default:
		return '?';
	}
}

/* As ls -l has it: what stands in for x where a bit of its own is set. */
static void put_mode(uint32_t mode)
{
	static const char special[] = "sst";
	char text[] = "?rwxrwxrwx";

	text[0] = type_letter(mode);
	for (int i = 0; i < 9; i++) {
		if (!(mode & (0400u >> i)))
			text[i + 1] = '-';
	}
	for (int i = 0; i < 3; i++) {
		char *x = &text[3 + 3 * i];

		if (mode & (04000u >> i))
			*x = *x == 'x' ? special[i] : (char)(special[i] - 'a' + 'A');
	}
	fputs(text, stdout);
}

static void put_long(const struct p9_attr *a)
{
	time_t sec = (time_t)a->mtime.sec;
	char when[64] = "?";
	struct tm tm;

	if (localtime_r(&sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	put_mode(a->mode);
	printf(" %3" PRIu64 " %5u %5u %12" PRIu64 " %s ", a->nlink, a->uid, a->gid, a->size, when);
}

/* A line on what @fid is. */
static int list_one(struct session *s, uint32_t fid, const void *name, size_t len)
{
	struct p9_attr attr;
	int err = p9_getattr(s->client, fid, &attr);

	if (err)
		return err;
	put_long(&attr);
	put_name(name, len);
	if (S_ISLNK(attr.mode))
		err = put_target(s, fid, " -> ");
	putchar('\n');
	return err;
}

static int list_path(struct session *s, const char *path, const void *name, size_t len)
{
	uint32_t fid;
	int err;

	if (!s->opt->long_format) {
		put_name(name, len);
		putchar('\n');
		return 0;
	}
	err = remote_walk(s, path, &fid);
	if (err)
		return err;
	err = list_one(s, fid, name, len);
	p9_clunk(s->client, fid);
	return err;
}

static int list_entry(struct session *s, const char *dir, const struct name *name)
{
	char *path;
	int err = path_join(dir, (struct p9_blob){ name->bytes, name->len }, &path);

	if (err) {
		session_say(s, dir, err);
		return EXIT_FAILED;
	}
	err = list_path(s, path, name->bytes, name->len);
	if (err)
		session_say(s, path, err);
	free(path);
	return err ? EXIT_FAILED : 0;
}

static int list_dir(struct session *s, const char *path)
{
	struct listing l = { 0 };
	int status = 0, err = tree_list(s, path, remember, &l);

	if (err) {
		session_say(s, path, err);
		status = EXIT_FAILED;
	}
	/* What did come is shown all the same. */
	if (l.nr)
		qsort(l.names, l.nr, sizeof(*l.names), by_bytes);
	for (size_t i = 0; i < l.nr && !interrupted() && !p9_error(s->client); i++) {
		if (list_entry(s, path, &l.names[i]))
			status = EXIT_FAILED;
	}
	forget(&l);
	return status;
}

/* The attributes of @path, and a fid for it that is the caller's on success. */
static int look(struct session *s, const char *path, uint32_t *fid, struct p9_attr *attr)
{
	int err = remote_walk(s, path, fid);

	if (err)
		return err;
	err = p9_getattr(s->client, *fid, attr);
	if (err)
		p9_clunk(s->client, *fid);
	return err;
}

int cmd_ls(struct session *s)
{
	const char *path = s->opt->paths[0];
	struct p9_attr attr;
	uint32_t fid;
	int err = look(s, path, &fid, &attr);

	if (!err) {
		p9_clunk(s->client, fid);
		if (S_ISDIR(attr.mode))
			return list_dir(s, path);
		err = list_path(s, path, path, strlen(path));
	}
	if (err)
		session_say(s, path, err);
	return err ? EXIT_FAILED : 0;
}

/* --- stat ------------------------------------------------------------------------------------- */

static void put_time(const char *name, const struct p9_attr *a, uint64_t bit,
		     const struct p9_time *t)
{
	if (a->valid & bit)
		printf("%s: %" PRId64 ".%09u\n", name, t->sec, t->nsec);
}

static void put_number(const char *name, const struct p9_attr *a, uint64_t bit, uint64_t n)
{
	if (a->valid & bit)
		printf("%s: %" PRIu64 "\n", name, n);
}

static void put_attr(const struct p9_attr *a)
{
	printf("type: %s\n", remote_kind(a) + (remote_kind(a)[1] == ' ' ? 2 : 0));
	printf("mode: %04o\n", a->mode & 07777);
	put_number("size", a, P9_ATTR_SIZE, a->size);
	put_number("nlink", a, P9_ATTR_NLINK, a->nlink);
	put_number("uid", a, P9_ATTR_UID, a->uid);
	put_number("gid", a, P9_ATTR_GID, a->gid);
	put_number("rdev", a, P9_ATTR_RDEV, a->rdev);
	put_number("blocks", a, P9_ATTR_BLOCKS, a->blocks);
	printf("blksize: %" PRIu64 "\n", a->blksize);
	put_time("atime", a, P9_ATTR_ATIME, &a->atime);
	put_time("mtime", a, P9_ATTR_MTIME, &a->mtime);
	put_time("ctime", a, P9_ATTR_CTIME, &a->ctime);
	put_time("btime", a, P9_ATTR_BTIME, &a->btime);
	put_number("gen", a, P9_ATTR_GEN, a->gen);
	put_number("data_version", a, P9_ATTR_DATA_VERSION, a->data_version);
	printf("qid.type: 0x%02x\n", a->qid.type);
	printf("qid.version: %u\n", a->qid.version);
	printf("qid.path: 0x%016" PRIx64 "\n", a->qid.path);
	printf("valid: 0x%" PRIx64 "\n", a->valid);
}

int cmd_stat(struct session *s)
{
	const char *path = s->opt->paths[0];
	struct p9_attr attr;
	uint32_t fid;
	int err = look(s, path, &fid, &attr);

	if (err) {
		session_say(s, path, err);
		return EXIT_FAILED;
	}
	fputs("path: ", stdout);
	put_name(path, strlen(path));
	putchar('\n');
	put_attr(&attr);
	if (S_ISLNK(attr.mode)) {
		err = put_target(s, fid, "target: ");
		putchar('\n');
	}
	p9_clunk(s->client, fid);
	if (err)
		session_say(s, path, err);
	return err ? EXIT_FAILED : 0;
}
