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
#include "path.h"
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

/* The target of the link @node, after @before. */
static int put_target(struct session *s, struct netfs_node *node, const char *before)
{
	char *target = malloc(TARGET_MAX);
	int n = target ? s->fs->ops->readlink(node, target, TARGET_MAX) : -ENOMEM;

	if (n >= 0) {
		fputs(before, stdout);
		put_name(target, (size_t)n);
	}
	free(target);
	return n < 0 ? n : 0;
}

/* --- ls --------------------------------------------------------------------------------------- */

struct name {
	char *bytes;
	bool known; /* attr is */
	struct netfs_attr attr;
};

struct listing {
	bool long_format;
	struct name **names;
	size_t nr, room;
};

/* With what the server said of it along with its name, if that is wanted; but of a symbolic link
 * there is its target to ask for anyway. */
static struct name *name_new(const struct netfs_dirent *entry, bool with_attr)
{
	bool known = with_attr && entry->attr && !S_ISLNK(entry->attr->st.st_mode);
	size_t len = strlen(entry->name) + 1;
	size_t head = known ? sizeof(struct name) : offsetof(struct name, attr);
	struct name *name = malloc(head + len);

	if (!name)
		return NULL;
	name->known = known;
	if (known)
		name->attr = *entry->attr;
	name->bytes = (char *)name + head;
	memcpy(name->bytes, entry->name, len);
	return name;
}

static int remember(void *arg, const struct netfs_dirent *entry)
{
	struct listing *l = arg;
	struct name **more;

	if (l->nr == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		more = reallocarray(l->names, l->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->names = more;
	}
	l->names[l->nr] = name_new(entry, l->long_format);
	if (!l->names[l->nr])
		return -ENOMEM;
	l->nr++;
	return 0;
}

static void forget(struct listing *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->names[i]);
	free(l->names);
}

static int by_bytes(const void *a, const void *b)
{
	const struct name *const *na = a, *const *nb = b;

	return strcmp((*na)->bytes, (*nb)->bytes);
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

static void put_long(const struct netfs_attr *a)
{
	const struct stat *st = &a->st;
	char when[64] = "?";
	struct tm tm;

	if (localtime_r(&st->st_mtim.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	put_mode(st->st_mode);
	printf(" %3ju %5u %5u %12jd %s ", (uintmax_t)st->st_nlink, st->st_uid, st->st_gid,
	       (intmax_t)st->st_size, when);
}

/* A line on what @node (NULL: no symbolic link) is. */
static int put_entry(struct session *s, const char *name, struct netfs_node *node,
		     const struct netfs_attr *attr)
{
	int err = 0;

	if (s->opt->long_format)
		put_long(attr);
	put_name(name, strlen(name));
	if (s->opt->long_format && S_ISLNK(attr->st.st_mode))
		err = put_target(s, node, " -> ");
	putchar('\n');
	return err;
}

static int look_and_put(struct session *s, struct netfs_node *dir, const char *name)
{
	struct netfs_node *node;
	struct netfs_attr attr;
	int err = s->fs->ops->lookup(dir, name, &node, &attr);

	if (err)
		return err;
	err = put_entry(s, name, node, &attr);
	netfs_node_put(node);
	return err;
}

static int list_entry(struct session *s, const char *path, struct netfs_node *dir,
		      const struct name *name)
{
	char *full;
	int err;

	if (name->known || !s->opt->long_format)
		err = put_entry(s, name->bytes, NULL, name->known ? &name->attr : NULL);
	else
		err = look_and_put(s, dir, name->bytes);
	if (!err)
		return 0;
	if (path_join(path, name->bytes, &full))
		full = NULL;
	session_say(s, full ? full : path, err);
	free(full);
	return EXIT_FAILED;
}

static int list_dir(struct session *s, const char *path, struct netfs_node *dir)
{
	struct listing l = { .long_format = s->opt->long_format };
	int status = 0, err = tree_list(s, dir, l.long_format, remember, &l);

	if (err) {
		session_say(s, path, err);
		status = EXIT_FAILED;
	}
	/* What did come is shown all the same. */
	if (l.nr)
		qsort(l.names, l.nr, sizeof(*l.names), by_bytes);
	for (size_t i = 0; i < l.nr && !interrupted() && !s->fs->ops->error(s->fs, NULL); i++) {
		if (list_entry(s, path, dir, l.names[i]))
			status = EXIT_FAILED;
	}
	forget(&l);
	return status;
}

int cmd_ls(struct session *s)
{
	const char *path = s->opt->paths[0];
	struct netfs_node *node;
	struct netfs_attr attr;
	int err = remote_walk(s, NULL, path, &node, &attr), status = EXIT_FAILED;

	if (err) {
		session_say(s, path, err);
		return EXIT_FAILED;
	}
	if (S_ISDIR(attr.st.st_mode)) {
		status = list_dir(s, path, node);
	} else {
		err = put_entry(s, path, node, &attr);
		if (err)
			session_say(s, path, err);
		else
			status = 0;
	}
	netfs_node_put(node);
	return status;
}

/* --- stat ------------------------------------------------------------------------------------- */

static void put_time(const char *name, const struct timespec *t)
{
	printf("%s: %jd.%09ld\n", name, (intmax_t)t->tv_sec, t->tv_nsec);
}

static void put_number(const char *name, uint64_t n)
{
	printf("%s: %" PRIu64 "\n", name, n);
}

/* How versions of the file are told apart. */
static void put_versions(const struct netfs_attr *a)
{
	if (a->has_change)
		put_number("change", a->change);
	printf("versions: %" PRIu64 " %" PRIu64 "\n", a->versions[0], a->versions[1]);
	fputs("key: ", stdout);
	for (size_t i = 0; i < a->key_len; i++)
		printf("%02x", a->key[i]);
	printf("\nvouched for: %s\n", a->vouched ? "yes" : "no");
}

static void put_attr(const struct netfs_attr *a)
{
	const struct stat *st = &a->st;

	printf("type: %s\n", remote_kind(a) + (remote_kind(a)[1] == ' ' ? 2 : 0));
	printf("mode: %04o\n", st->st_mode & 07777);
	put_number("size", (uint64_t)st->st_size);
	put_number("nlink", st->st_nlink);
	put_number("uid", st->st_uid);
	put_number("gid", st->st_gid);
	put_number("rdev", st->st_rdev);
	put_number("blocks", (uint64_t)st->st_blocks);
	put_number("blksize", (uint64_t)st->st_blksize);
	put_number("ino", st->st_ino);
	put_time("atime", &st->st_atim);
	put_time("mtime", &st->st_mtim);
	put_time("ctime", &st->st_ctim);
	put_versions(a);
}

int cmd_stat(struct session *s)
{
	const char *path = s->opt->paths[0];
	struct netfs_node *node;
	struct netfs_attr attr;
	int err = remote_walk(s, NULL, path, &node, &attr);

	if (err) {
		session_say(s, path, err);
		return EXIT_FAILED;
	}
	fputs("path: ", stdout);
	put_name(path, strlen(path));
	putchar('\n');
	put_attr(&attr);
	if (S_ISLNK(attr.st.st_mode)) {
		err = put_target(s, node, "target: ");
		putchar('\n');
	}
	netfs_node_put(node);
	if (err)
		session_say(s, path, err);
	return err ? EXIT_FAILED : 0;
}
