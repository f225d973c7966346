// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * server.c - a 9P2000.L server to read from, whose files have versions as those of QEMU's server:
 * for tests that need qids which mean something, of a server that both user space and a kernel can
 * connect to. Other servers that can be had by a socket say 0.
 *
 *   p9-server --listen ADDRESS --export FOLDER [--versions mtime|none] [--report FILE]
 *
 * ADDRESS is unix:PATH or tcp:IPV4-ADDRESS:PORT. FILE has the number of Treads that were answered
 * with data, from the start on, and is always right. Nothing can be changed through it.
 *
 * qid.path is the inode number, qid.version the time of modification in seconds, exclusive-or the
 * size times 256; with "none" it is 0.
 *
 * One thread for each connection, which does one thing at a time: a Tflush finds nothing to flush.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire.h"

enum { FIDS_MOST = 1 << 16, MSIZE_MOST = 1 << 20 };

struct fid {
	char *path; /* NULL: not in use */
	int fd;     /* -1: not open */
	DIR *dir;
};

struct connection {
	int sock;
	uint32_t msize;
	struct fid fids[FIDS_MOST];
	uint8_t request[MSIZE_MOST], reply[MSIZE_MOST];
	/* Of the request under way. */
	struct p9_dec in;
	struct p9_enc out;
};

static const char *export_folder;
static bool has_versions = true;
static int report = -1;

static struct {
	pthread_mutex_t lock;
	unsigned long long treads;
} counts = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void write_report(void)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n", counts.treads);

	if (report >= 0 && pwrite(report, text, (size_t)n, 0) != n)
		perror("p9-server: --report");
}

/* Before the answer goes out: who has it finds it counted. */
static void count_tread(void)
{
	pthread_mutex_lock(&counts.lock);
	counts.treads++;
	write_report();
	pthread_mutex_unlock(&counts.lock);
}

/* --- Pieces of messages ----------------------------------------------------------------------- */

static struct p9_qid qid_of(const struct stat *st)
{
	return (struct p9_qid){
		.type = S_ISDIR(st->st_mode) ? P9_QID_DIR : S_ISLNK(st->st_mode) ? P9_QID_SYMLINK : 0,
		.version = has_versions ? (uint32_t)st->st_mtime ^ (uint32_t)(st->st_size << 8) : 0,
		.path = st->st_ino,
	};
}

static void put_qid(struct p9_enc *e, const struct stat *st)
{
	struct p9_qid qid = qid_of(st);

	p9_enc_u8(e, qid.type);
	p9_enc_u32(e, qid.version);
	p9_enc_u64(e, qid.path);
}

static void put_time(struct p9_enc *e, struct timespec t)
{
	p9_enc_u64(e, (uint64_t)t.tv_sec);
	p9_enc_u64(e, (uint64_t)t.tv_nsec);
}

static struct fid *fid_of(struct connection *c, uint32_t number)
{
	return number < FIDS_MOST && c->fids[number].path ? &c->fids[number] : NULL;
}

static void fid_end(struct fid *f)
{
	if (f->dir)
		closedir(f->dir);
	else if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	*f = (struct fid){ .fd = -1 };
}

/* Takes @path over. */
static int fid_begin(struct connection *c, uint32_t number, char *path)
{
	if (!path || number >= FIDS_MOST) {
		free(path);
		return path ? EMFILE : ENOMEM;
	}
	fid_end(&c->fids[number]);
	c->fids[number].path = path;
	return 0;
}

/* --- What is asked for: each takes c->in, fills c->out, and returns 0 or an errno ------------- */

static int do_version(struct connection *c)
{
	uint32_t msize = p9_dec_u32(&c->in);

	c->msize = msize < MSIZE_MOST ? msize : MSIZE_MOST;
	if (c->msize < P9_MSIZE_MIN)
		return EINVAL;
	p9_enc_u32(&c->out, c->msize);
	p9_enc_string(&c->out, (struct p9_blob){ P9_VERSION, strlen(P9_VERSION) });
	return 0;
}

static int do_attach(struct connection *c)
{
	uint32_t fid = p9_dec_u32(&c->in);
	struct p9_blob aname;
	struct stat st;

	p9_dec_u32(&c->in);    /* afid */
	p9_dec_string(&c->in); /* uname */
	aname = p9_dec_string(&c->in);
	if (aname.len && (aname.len != strlen(export_folder) ||
			  memcmp(aname.data, export_folder, aname.len)))
		return ENOENT;
	if (stat(export_folder, &st))
		return errno;
	put_qid(&c->out, &st);
	return fid_begin(c, fid, strdup(export_folder));
}

static char *below(const char *path, struct p9_blob name)
{
	char *whole;

	if (!name.len || memchr(name.data, '/', name.len) ||
	    (name.len <= 2 && !memcmp(name.data, "..", name.len)))
		return NULL;
	if (asprintf(&whole, "%s/%.*s", path, (int)name.len, (const char *)name.data) < 0)
		return NULL;
	return whole;
}

/* As far as it goes: a part of the way leaves no new fid, none of it is an error. */
static int do_walk(struct connection *c)
{
	struct fid *from = fid_of(c, p9_dec_u32(&c->in));
	uint32_t to = p9_dec_u32(&c->in);
	unsigned int nr = p9_dec_u16(&c->in), i;
	char *path = from ? strdup(from->path) : NULL;
	struct stat st[P9_WALK_MAX];

	if (!path || nr > P9_WALK_MAX) {
		free(path);
		return EBADF;
	}
	for (i = 0; i < nr; i++) {
		char *next = below(path, p9_dec_string(&c->in));

		free(path);
		path = next;
		if (!path || lstat(path, &st[i]))
			break;
	}
	if (i < nr)
		free(path);
	if (nr && !i)
		return ENOENT;
	p9_enc_u16(&c->out, (uint16_t)i);
	for (unsigned int k = 0; k < i; k++)
		put_qid(&c->out, &st[k]);
	return i < nr ? 0 : fid_begin(c, to, path);
}

static int do_getattr(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	struct p9_enc *e = &c->out;
	struct stat st;

	if (!f)
		return EBADF;
	if (lstat(f->path, &st))
		return errno;
	p9_enc_u64(e, P9_ATTR_BASIC);
	put_qid(e, &st);
	p9_enc_u32(e, st.st_mode);
	p9_enc_u32(e, st.st_uid);
	p9_enc_u32(e, st.st_gid);
	p9_enc_u64(e, st.st_nlink);
	p9_enc_u64(e, st.st_rdev);
	p9_enc_u64(e, (uint64_t)st.st_size);
	p9_enc_u64(e, (uint64_t)st.st_blksize);
	p9_enc_u64(e, (uint64_t)st.st_blocks);
	put_time(e, st.st_atim);
	put_time(e, st.st_mtim);
	put_time(e, st.st_ctim);
	put_time(e, (struct timespec){ 0 }); /* birth */
	p9_enc_u64(e, 0);                    /* generation */
	p9_enc_u64(e, 0);                    /* data version */
	return 0;
}

static int do_lopen(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	uint32_t flags = p9_dec_u32(&c->in);
	struct stat st;

	if (!f || f->fd >= 0)
		return EBADF;
	if (flags & (P9_O_WRONLY | P9_O_RDWR | P9_O_TRUNC))
		return EROFS;
	f->fd = open(f->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		f->dir = fdopendir(f->fd);
	put_qid(&c->out, &st);
	p9_enc_u32(&c->out, 0); /* iounit: as msize allows */
	return 0;
}

/* Room for data after what precedes them. */
static uint32_t room_for(struct connection *c, uint32_t count)
{
	return count < c->msize - P9_IO_HEADER ? count : c->msize - P9_IO_HEADER;
}

static int do_read(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	uint64_t offset = p9_dec_u64(&c->in);
	uint32_t count = room_for(c, p9_dec_u32(&c->in));
	ssize_t n;

	if (!f || f->fd < 0 || f->dir)
		return EBADF;
	n = pread(f->fd, c->reply + P9_DATA_HEADER, count, (off_t)offset);
	if (n < 0)
		return errno;
	if (n)
		count_tread();
	p9_enc_u32(&c->out, (uint32_t)n);
	c->out.len += (size_t)n; /* they are in place */
	return 0;
}

static void put_entry(struct p9_enc *e, struct fid *f, const struct dirent *entry)
{
	struct stat st;

	/* What is just gone has still been there. */
	if (fstatat(f->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
		st = (struct stat){ .st_ino = entry->d_ino };
	put_qid(e, &st);
	p9_enc_u64(e, (uint64_t)entry->d_off);
	p9_enc_u8(e, entry->d_type);
	p9_enc_string(e, (struct p9_blob){ entry->d_name, strlen(entry->d_name) });
}

static int do_readdir(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	uint64_t offset = p9_dec_u64(&c->in);
	uint32_t count = room_for(c, p9_dec_u32(&c->in));
	size_t begin = c->out.len;
	struct dirent *entry;

	if (!f || !f->dir)
		return EBADF;
	p9_enc_u32(&c->out, 0);
	seekdir(f->dir, (long)offset);
	while ((entry = readdir(f->dir))) {
		if (c->out.len - begin - 4 + P9_QID_SIZE + 11 + strlen(entry->d_name) > count)
			break;
		put_entry(&c->out, f, entry);
	}
	count = htole32((uint32_t)(c->out.len - begin - 4));
	memcpy(c->reply + begin, &count, sizeof(count));
	return 0;
}

static int do_readlink(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	char target[PATH_MAX];
	ssize_t n = f ? readlink(f->path, target, sizeof(target)) : -1;

	if (n < 0)
		return f ? errno : EBADF;
	p9_enc_string(&c->out, (struct p9_blob){ target, (size_t)n });
	return 0;
}

static int do_statfs(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));
	struct statfs st;

	if (!f)
		return EBADF;
	if (statfs(f->path, &st))
		return errno;
	p9_enc_u32(&c->out, (uint32_t)st.f_type);
	p9_enc_u32(&c->out, (uint32_t)st.f_bsize);
	p9_enc_u64(&c->out, st.f_blocks);
	p9_enc_u64(&c->out, st.f_bfree);
	p9_enc_u64(&c->out, st.f_bavail);
	p9_enc_u64(&c->out, st.f_files);
	p9_enc_u64(&c->out, st.f_ffree);
	p9_enc_u64(&c->out, 1);
	p9_enc_u32(&c->out, (uint32_t)st.f_namelen);
	return 0;
}

static int do_clunk(struct connection *c)
{
	struct fid *f = fid_of(c, p9_dec_u32(&c->in));

	if (!f)
		return EBADF;
	fid_end(f);
	return 0;
}

static int do_flush(struct connection *c)
{
	(void)c;
	return 0;
}

/* --- Connections ------------------------------------------------------------------------------ */

static int (*const handlers[256])(struct connection *c) = {
	[P9_TVERSION] = do_version, [P9_TATTACH] = do_attach,     [P9_TWALK] = do_walk,
	[P9_TGETATTR] = do_getattr, [P9_TLOPEN] = do_lopen,       [P9_TREAD] = do_read,
	[P9_TREADDIR] = do_readdir, [P9_TREADLINK] = do_readlink, [P9_TSTATFS] = do_statfs,
	[P9_TCLUNK] = do_clunk,     [P9_TFLUSH] = do_flush,
};

static bool send_all(int sock, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(sock, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* The length of the reply to a request of @len bytes. */
static int answer(struct connection *c, const struct p9_header *h, size_t len)
{
	int err = EOPNOTSUPP;

	p9_dec_init(&c->in, c->request + P9_HEADER, len - P9_HEADER);
	p9_enc_begin(&c->out, c->reply, sizeof(c->reply), (uint8_t)(h->type + 1));
	if (handlers[h->type])
		err = handlers[h->type](c);
	if (!err && c->in.bad)
		err = EPROTO;
	if (err) {
		p9_enc_begin(&c->out, c->reply, sizeof(c->reply), P9_RLERROR);
		p9_enc_u32(&c->out, (uint32_t)err);
	}
	return p9_enc_end(&c->out);
}

/* One message, and its reply; false: there are no more. */
static bool serve_one(struct connection *c)
{
	struct p9_header h;
	uint16_t tag;
	int len;

	if (recv(c->sock, c->request, P9_HEADER, MSG_WAITALL) != P9_HEADER)
		return false;
	/* (Of the header the length is to be that of all of it, which isn't there yet.) */
	p9_dec_init(&c->in, c->request, P9_HEADER);
	h.size = p9_dec_u32(&c->in);
	h.type = p9_dec_u8(&c->in);
	h.tag = p9_dec_u16(&c->in);
	if (h.size < P9_HEADER || h.size > sizeof(c->request))
		return false;
	if (h.size > P9_HEADER && recv(c->sock, c->request + P9_HEADER, h.size - P9_HEADER,
				       MSG_WAITALL) != (ssize_t)(h.size - P9_HEADER))
		return false;
	len = answer(c, &h, h.size);
	if (len < 0)
		return false;
	tag = htole16(h.tag);
	memcpy(c->reply + 5, &tag, sizeof(tag));
	return send_all(c->sock, c->reply, (size_t)len);
}

static void *serve(void *arg)
{
	struct connection *c = arg;

	while (serve_one(c))
		;
	close(c->sock);
	for (size_t i = 0; i < FIDS_MOST; i++)
		if (c->fids[i].path)
			fid_end(&c->fids[i]);
	free(c);
	return NULL;
}

static void begin_connection(int sock)
{
	struct connection *c = calloc(1, sizeof(*c));
	pthread_t thread;
	int one = 1;

	if (!c) {
		close(sock);
		return;
	}
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->sock = sock;
	c->msize = P9_MSIZE_MIN;
	for (size_t i = 0; i < FIDS_MOST; i++)
		c->fids[i].fd = -1;
	if (pthread_create(&thread, NULL, serve, c)) {
		close(sock);
		free(c);
		return;
	}
	pthread_detach(thread);
}

/* --- The whole -------------------------------------------------------------------------------- */

static int listen_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(un.sun_path))
		return -1;
	strcpy(un.sun_path, path);
	unlink(path);
	return bind(sock, (struct sockaddr *)&un, sizeof(un)) || listen(sock, 16) ? -1 : sock;
}

static int listen_tcp(const char *where)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	const char *colon = strrchr(where, ':');
	char host[64] = "";

	if (!colon || (size_t)(colon - where) >= sizeof(host))
		return -1;
	memcpy(host, where, (size_t)(colon - where));
	in.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -1;
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(sock, (struct sockaddr *)&in, sizeof(in)) || listen(sock, 16) ? -1 : sock;
}

static int listen_at(const char *address)
{
	if (!strncmp(address, "unix:", 5))
		return listen_unix(address + 5);
	return strncmp(address, "tcp:", 4) ? -1 : listen_tcp(address + 4);
}

static int parse(int argc, char **argv, const char **address)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "export", required_argument, NULL, 'e' },
		{ "versions", required_argument, NULL, 'v' },
		{ "report", required_argument, NULL, 'r' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'l')
			*address = optarg;
		else if (option == 'e')
			export_folder = optarg;
		else if (option == 'v')
			has_versions = strcmp(optarg, "none");
		else if (option == 'r')
			report = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		else
			return -1;
	}
	return optind == argc && *address && export_folder ? 0 : -1;
}

int main(int argc, char **argv)
{
	const char *address = NULL;
	int listener, sock;

	if (parse(argc, argv, &address)) {
		fprintf(stderr, "usage: p9-server --listen ADDRESS --export FOLDER "
				"[--versions mtime|none] [--report FILE]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	write_report();
	listener = listen_at(address);
	if (listener < 0) {
		fprintf(stderr, "p9-server: can't listen on %s\n", address);
		return 1;
	}
	for (;;) {
		sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock >= 0)
			begin_connection(sock);
		else if (errno != EINTR && errno != ECONNABORTED)
			return 1;
	}
}
