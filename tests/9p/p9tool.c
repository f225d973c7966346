// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * p9tool.c - the 9P client library by hand, for test_servers.sh.
 *
 *   p9tool [--aname NAME] [--msize N] [--stats] SERVER COMMAND PATH
 *     names   the directory's entries, each ended by a NUL, unsorted, without . and ..
 *     cat     the file to stdout, with 16 reads in flight
 *     stat    mode (octal) uid gid nlink size mtime.ns of PATH
 *     link    where a symbolic link leads
 *     statfs  block size and name length
 *   p9tool port
 *     a port of 127.0.0.1 that was free just now
 *
 * With --stats the counters go to stderr, one NAME=VALUE a line. Status 1 and a line on
 * stderr for an error.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

enum { IN_FLIGHT = 16, NAMES_MOST = 1024, ENTRIES_MOST = 1000000 };

static struct p9_blob blob(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

static int walk_path(struct p9_client *c, uint32_t root, const char *path, uint32_t *fid)
{
	struct p9_blob names[NAMES_MOST];
	size_t n = 0, len;

	while (*path) {
		len = strcspn(path, "/");
		if (len && n == NAMES_MOST)
			return -ENAMETOOLONG;
		if (len)
			names[n++] = (struct p9_blob){ path, len };
		path += len + (path[len] == '/');
	}
	return p9_walk(c, root, names, n, fid);
}

static bool is_dot(struct p9_blob name)
{
	const char *s = name.data;

	return (name.len == 1 && s[0] == '.') || (name.len == 2 && s[0] == '.' && s[1] == '.');
}

static int cmd_names(struct p9_client *c, uint32_t fid)
{
	static uint8_t buf[65536];
	uint64_t offset = 0;
	struct p9_dirent e;
	struct p9_dec d;
	long seen = 0;
	int64_t n;

	n = p9_lopen(c, fid, O_RDONLY | O_DIRECTORY, NULL);
	while (!n && (n = p9_readdir(c, fid, offset, buf, sizeof(buf))) > 0) {
		p9_dec_init(&d, buf, (size_t)n);
		while (p9_dec_dirent(&d, &e) > 0) {
			offset = e.offset;
			if (++seen > ENTRIES_MOST)
				return -ELOOP;
			if (is_dot(e.name))
				continue;
			fwrite(e.name.data, 1, e.name.len, stdout);
			putchar('\0');
		}
		n = 0;
	}
	return (int)n;
}

/* One of the reads in flight. Slots are written out in turn, so the file comes in order. */
struct piece {
	struct p9_read r;
	sem_t done;
	int64_t result;
	uint8_t *buf;
};

static void piece_done(struct p9_read *r, int64_t result)
{
	struct piece *p = (struct piece *)((char *)r - offsetof(struct piece, r));

	p->result = result;
	sem_post(&p->done);
}

static void piece_start(struct p9_client *c, struct piece *p, uint32_t fid, uint64_t offset)
{
	p->r = (struct p9_read){ .fid = fid, .offset = offset, .buf = p->buf,
				 .len = p9_read_max(c, fid), .done = piece_done };
	p9_read_start(c, &p->r);
}

/* Wait for @p, read the rest if it is short, write it out. Bytes, 0 at the end. */
static int64_t piece_end(struct p9_client *c, struct piece *p)
{
	int64_t got, n;

	while (sem_wait(&p->done))
		;
	got = p->result;
	while (got > 0 && got < p->r.len) {
		n = p9_pread(c, p->r.fid, p->r.offset + (uint64_t)got, p->buf + got,
			     p->r.len - (size_t)got);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += n;
	}
	if (got > 0 && fwrite(p->buf, 1, (size_t)got, stdout) != (size_t)got)
		return -EIO;
	return got;
}

static int cmd_cat(struct p9_client *c, uint32_t fid)
{
	struct piece p[IN_FLIGHT] = { 0 };
	uint64_t next = 0;
	int64_t n;
	uint32_t unit;
	int i, err = p9_lopen(c, fid, O_RDONLY, NULL);

	if (err)
		return err;
	unit = p9_read_max(c, fid);
	for (i = 0; i < IN_FLIGHT; i++) {
		sem_init(&p[i].done, 0, 0);
		p[i].buf = malloc(unit);
		if (!p[i].buf)
			return -ENOMEM;
		piece_start(c, &p[i], fid, next);
		next += unit;
	}
	for (i = 0; (n = piece_end(c, &p[i])) > 0; i = (i + 1) % IN_FLIGHT) {
		piece_start(c, &p[i], fid, next);
		next += unit;
	}
	/* The one that ended it is done; the rest are still in flight, past the end. */
	for (int j = 1; j < IN_FLIGHT; j++)
		while (sem_wait(&p[(i + j) % IN_FLIGHT].done))
			;
	for (i = 0; i < IN_FLIGHT; i++)
		free(p[i].buf);
	return (int)n;
}

static int cmd_stat(struct p9_client *c, uint32_t fid)
{
	struct p9_attr a;
	int err = p9_getattr(c, fid, &a);

	if (!err)
		printf("%o %u %u %" PRIu64 " %" PRIu64 " %" PRId64 ".%09u\n", a.mode, a.uid, a.gid,
		       a.nlink, a.size, a.mtime.sec, a.mtime.nsec);
	return err;
}

static int cmd_link(struct p9_client *c, uint32_t fid)
{
	char buf[65536];
	int64_t n = p9_readlink(c, fid, buf, sizeof(buf));

	if (n >= 0)
		fwrite(buf, 1, (size_t)n, stdout);
	return n < 0 ? (int)n : 0;
}

static int cmd_statfs(struct p9_client *c, uint32_t fid)
{
	struct p9_statfs s;
	int err = p9_statfs(c, fid, &s);

	if (!err)
		printf("%u %u\n", s.bsize, s.namelen);
	return err;
}

static int cmd_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len))
		return 1;
	printf("%u\n", ntohs(sa.sin_port));
	close(fd);
	return 0;
}

static int run(struct p9_client *c, const char *aname, const char *command, const char *path)
{
	static const struct {
		const char *name;
		int (*fn)(struct p9_client *c, uint32_t fid);
	} commands[] = {
		{ "names", cmd_names }, { "cat", cmd_cat }, { "stat", cmd_stat },
		{ "link", cmd_link }, { "statfs", cmd_statfs },
	};
	uint32_t root, fid;
	int err = p9_attach(c, blob("root"), getuid(), blob(aname), &root);

	if (err)
		return err;
	err = walk_path(c, root, path, &fid);
	if (!err) {
		err = -EINVAL;
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (!strcmp(commands[i].name, command))
				err = commands[i].fn(c, fid);
		p9_clunk(c, fid);
	}
	p9_clunk(c, root);
	return err;
}

static void print_counters(struct p9_client *c)
{
	struct p9_counters n;

	p9_counters(c, &n);
	fprintf(stderr,
		"server_reads=%" PRIu64 "\nserver_read_bytes=%" PRIu64 "\nbytes_sent=%" PRIu64
		"\nbytes_received=%" PRIu64 "\n",
		n.server_reads, n.server_read_bytes, n.bytes_sent, n.bytes_received);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "aname", required_argument, NULL, 'a' },
		{ "msize", required_argument, NULL, 'm' },
		{ "stats", no_argument, NULL, 's' },
		{ 0 },
	};
	struct p9_options po = { 0 };
	const char *aname = "";
	struct p9_client *c;
	bool stats = false;
	char text[256];
	int o, err;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'a')
			aname = optarg;
		else if (o == 'm')
			po.msize = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 's')
			stats = true;
		else
			return 2;
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "port"))
		return cmd_port();
	if (argc - optind != 3)
		return 2;
	po.server = argv[optind];
	err = p9_connect(&po, &c, text, sizeof(text));
	if (err) {
		fprintf(stderr, "p9tool: %s\n", text);
		return 1;
	}
	err = run(c, aname, argv[optind + 1], argv[optind + 2]);
	if (err)
		fprintf(stderr, "p9tool: %s: %s%s%s\n", argv[optind + 2], strerror(-err),
			p9_error(c) ? ": " : "", p9_error(c) ? p9_error_text(c) : "");
	if (stats)
		print_counters(c);
	p9_disconnect(c);
	if (fflush(stdout))
		err = -errno;
	return err ? 1 : 0;
}
