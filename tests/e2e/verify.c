// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * verify.c - reads a cache directory back, with nobody using it, and compares every granule that it
 * declares present with the server's file.
 *
 *   verify [--killed] [--like-kernel] CACHE EXPORT
 *
 * Goes by the format alone: each object's xattr is decoded, its digest recomputed, its map walked
 * (runs, bitmap, or the slot that it points to), and its data compared with the file below EXPORT
 * whose inode number is the key, if the coherency data are those of that file as it is now. An
 * object of another version is stale: it is counted, and nothing can be said of its data.
 *
 * Wrong are: a granule that differs; a name that leads to something that isn't believed; and a
 * complete object whose file hasn't its size (--killed: it may be longer, and objects may be marked
 * as being modified).
 *
 * With --like-kernel keys and coherency data are those of Linux's own 9p with QEMU's server.
 *
 * One JSON object on stdout, what is wrong on stderr. 0: all agree, 1: not, 2: couldn't look.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "coherency.h"
#include "key.h"
#include "map.h"
#include "record.h"

enum { PIECE = 1 << 20, VALUE_MAX = 65536 };

static struct {
	uint64_t objects, complete, stale, unbelieved, marked, slots, granules, mismatches, wrong;
	uint64_t present_bytes; /* of objects that aren't stale: file data, without padding */
} totals;

static bool killed, like_kernel;

struct object {
	const char *path; /* below the volume's folder */
	int fd;
	struct statx st;
	uint8_t value[VALUE_MAX];
	struct fsc_record rec;
	uint8_t volume_key[FSC_KEY_MAX], key[FSC_KEY_MAX];
	size_t volume_key_len, key_len;
};

/* --- The server's files, by inode number ----------------------------------------------------- */

struct served {
	uint64_t ino;
	char *path;
};

static void *served_tree;

static int by_ino(const void *a, const void *b)
{
	uint64_t x = ((const struct served *)a)->ino, y = ((const struct served *)b)->ino;

	return x < y ? -1 : x > y;
}

static int note_served(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct served *s;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	s = malloc(sizeof(*s));
	if (!s)
		return -1;
	s->ino = st->st_ino;
	s->path = strdup(path);
	if (!s->path || !tsearch(s, &served_tree, by_ino))
		return -1;
	return 0;
}

static const char *served_path(uint64_t ino)
{
	struct served wanted = { .ino = ino }, **found = tfind(&wanted, &served_tree, by_ino);

	return found ? (*found)->path : NULL;
}

/* --- Names back into keys -------------------------------------------------------------------- */

static int base64url_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static size_t from_base64url(const char *text, uint8_t *out, size_t size)
{
	uint32_t bits = 0, nr = 0;
	size_t len = 0;

	for (; *text; text++) {
		int v = base64url_value(*text);

		if (v < 0)
			return 0;
		bits = bits << 6 | (uint32_t)v;
		nr += 6;
		if (nr >= 8) {
			if (len == size)
				return 0;
			nr -= 8;
			out[len++] = (uint8_t)(bits >> nr);
		}
	}
	return len;
}

/* The key that a name stands for; 0 when only the value knows it. */
static size_t key_of_name(const char *name, char text, char encoded, uint8_t *out)
{
	size_t len = strlen(name) - 1;

	if (name[0] == text && len <= FSC_KEY_MAX) {
		memcpy(out, name + 1, len);
		return len;
	}
	if (name[0] == encoded && name[1] != '+')
		return from_base64url(name + 1, out, FSC_KEY_MAX);
	return 0;
}

/* --- What is wrong --------------------------------------------------------------------------- */

static void wrong(const struct object *o, const char *why)
{
	fprintf(stderr, "verify: %s: %s\n", o->path, why);
	totals.wrong++;
}

static void unbelieved(const struct object *o, const char *why)
{
	totals.unbelieved++;
	wrong(o, why);
}

/* --- Data ------------------------------------------------------------------------------------ */

static ssize_t read_all(int fd, uint8_t *buf, size_t len, uint64_t pos)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, buf + done, len - done, (off_t)(pos + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void compare_granules(const struct object *o, const uint8_t *ours, const uint8_t *theirs,
			     uint64_t pos, size_t len)
{
	size_t at, n;

	if (!memcmp(ours, theirs, len))
		return;
	for (at = 0; at < len; at += n) {
		n = len - at < FSC_GRANULE_SIZE ? len - at : FSC_GRANULE_SIZE;
		if (!memcmp(ours + at, theirs + at, n))
			continue;
		if (totals.mismatches++ < 10)
			fprintf(stderr, "verify: %s: bytes at %" PRIu64 " are not the server's\n",
				o->path, pos + at);
	}
}

static void compare_run(const struct object *o, int server, uint64_t start, uint64_t end)
{
	static uint8_t ours[PIECE], theirs[PIECE];
	uint64_t pos = start << FSC_GRANULE_SHIFT, last = end << FSC_GRANULE_SHIFT;
	size_t n;

	totals.granules += end - start;
	if (last > o->rec.size)
		last = o->rec.size;
	totals.present_bytes += last - pos;
	for (; pos < last; pos += n) {
		n = last - pos < PIECE ? (size_t)(last - pos) : PIECE;
		if (read_all(server, theirs, n, pos) != (ssize_t)n) {
			wrong(o, "the server's file could not be read");
			return;
		}
		if (read_all(o->fd, ours, n, pos) != (ssize_t)n) {
			wrong(o, "the backing file ends within what is declared present");
			return;
		}
		compare_granules(o, ours, theirs, pos, n);
	}
}

/* --- The map --------------------------------------------------------------------------------- */

static uint64_t granules_of(const struct object *o)
{
	return (o->rec.size + FSC_GRANULE_SIZE - 1) >> FSC_GRANULE_SHIFT;
}

static void walk_map(const struct object *o, int server, enum fsc_map_kind kind,
		     struct fsc_blob map)
{
	struct fsc_map_reader r;
	uint64_t start, end;
	int n;

	fsc_map_reader_init(&r, kind, map, granules_of(o));
	while ((n = fsc_map_reader_next(&r, &start, &end)) > 0)
		compare_run(o, server, start, end);
	if (n < 0)
		wrong(o, "the map can't be decoded");
}

static void walk_slot(const struct object *o, int server)
{
	struct fsc_slot_ref ref;
	uint8_t *slot;
	size_t len;

	if (fsc_slot_ref_decode(&ref, o->rec.map)) {
		wrong(o, "the reference to the slot can't be decoded");
		return;
	}
	if (ref.pos < o->rec.size)
		wrong(o, "the slot lies within the object");
	totals.slots++;
	len = FSC_SLOT_HEADER + (size_t)ref.len;
	slot = malloc(len);
	if (!slot)
		exit(2);
	if (read_all(o->fd, slot, len, ref.pos) != (ssize_t)len || fsc_slot_check(&ref, slot, len))
		wrong(o, "the slot does not match its reference");
	else
		walk_map(o, server, ref.kind,
			 (struct fsc_blob){ slot + FSC_SLOT_HEADER, ref.len });
	free(slot);
}

static void check_complete(const struct object *o, int server)
{
	totals.complete++;
	if (o->st.stx_size != o->rec.size && !(killed && o->st.stx_size > o->rec.size))
		wrong(o, "complete, but the file's size is not the object's");
	if (o->rec.size)
		compare_run(o, server, 0, granules_of(o));
}

/* --- One object ------------------------------------------------------------------------------ */

static bool is_current(const struct object *o, const struct stat *st)
{
	uint32_t version = htole32((uint32_t)st->st_mtime ^ (uint32_t)(st->st_size << 8));
	uint8_t wanted[COHERENCY_SIZE];
	size_t len = sizeof(wanted);

	coherency_of(st, wanted);
	if (like_kernel) {
		len = sizeof(version);
		memcpy(wanted, &version, len);
	}
	return (uint64_t)st->st_size == o->rec.size && o->rec.coherency.len == len &&
	       !o->rec.coherency_hashed && !memcmp(o->rec.coherency.data, wanted, len);
}

static void check_data(const struct object *o)
{
	const char *path = NULL;
	uint64_t ino = 0;
	struct stat st;
	int server, i;

	if (o->key_len == 8) {
		for (i = 7; i >= 0; i--)
			ino = ino << 8 | o->key[i];
		path = served_path(ino);
	}
	server = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (server < 0 || fstat(server, &st) || !is_current(o, &st)) {
		totals.stale++;
	} else if (o->rec.complete) {
		check_complete(o, server);
	} else if (o->rec.map_kind == FSC_MAP_SLOT) {
		walk_slot(o, server);
	} else {
		walk_map(o, server, o->rec.map_kind, o->rec.map);
	}
	if (server >= 0)
		close(server);
}

/* Left so by who was killed; the next look-up discards it. */
static const char being_modified[] = "marked as being modified";

static const char *not_believable(struct object *o)
{
	char cooked[FSC_OBJECT_PATH_SIZE];
	uint8_t digest[FSC_DIGEST_SIZE];
	ssize_t n;
	bool hashed;

	if (statx(o->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &o->st))
		return "statx";
	if (!S_ISREG(o->st.stx_mode) || o->st.stx_nlink != 1)
		return "not a file with one name";
	n = fgetxattr(o->fd, FSC_XATTR_NAME, o->value, sizeof(o->value));
	if (n < 0)
		return "no xattr";
	if (fsc_record_decode(&o->rec, o->value, (size_t)n))
		return "the xattr can't be decoded";
	if (o->rec.volume)
		return "marked as a volume";
	if (o->rec.modifying)
		return being_modified;
	if (!o->key_len && o->rec.has_key) {
		o->key_len = o->rec.key.len;
		memcpy(o->key, o->rec.key.data, o->key_len);
	}
	fsc_key_cook_object((struct fsc_blob){ o->key, o->key_len }, cooked, &hashed);
	if (strcmp(cooked, o->path))
		return "not the name of its key";
	fsc_key_digest((struct fsc_blob){ o->volume_key, o->volume_key_len },
		       (struct fsc_blob){ o->key, o->key_len }, o->st.stx_ino,
		       (uint64_t)o->st.stx_btime.tv_sec, o->st.stx_btime.tv_nsec, digest);
	if (memcmp(digest, o->rec.digest, sizeof(digest)))
		return "the digest is not this file's";
	return NULL;
}

static void check_object(struct object *o, int volume, const char *fanout, const char *name)
{
	char path[2 * FSC_NAME_MAX + 2];
	const char *why;

	snprintf(path, sizeof(path), "%s/%s", fanout, name);
	o->path = path;
	o->key_len = key_of_name(name, 'S', 'E', o->key);
	totals.objects++;
	o->fd = openat(volume, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (o->fd < 0) {
		unbelieved(o, strerror(errno));
		return;
	}
	why = not_believable(o);
	if (killed && why == being_modified)
		totals.marked++;
	else if (why)
		unbelieved(o, why);
	else
		check_data(o);
	close(o->fd);
}

/* --- Folders --------------------------------------------------------------------------------- */

/* Each entry but "." and "..", while @fn is called with it. */
static void each(int parent, const char *name,
		 void (*fn)(struct object *o, int dir, const char *name, const char *entry),
		 struct object *o, int pass)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		fprintf(stderr, "verify: %s: %s\n", name, strerror(errno));
		totals.wrong++;
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			fn(o, pass < 0 ? fd : pass, name, e->d_name);
	closedir(d);
}

static void check_fanout(struct object *o, int volume, const char *volume_name, const char *fanout)
{
	(void)volume_name;
	each(volume, fanout, check_object, o, volume);
}

/* A key too long for a name stands in the folder's own value. */
static size_t key_of_folder(int cache, const char *name, uint8_t *key)
{
	int fd = openat(cache, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	static uint8_t value[VALUE_MAX];
	struct fsc_record rec;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = fgetxattr(fd, FSC_XATTR_NAME, value, sizeof(value));
	close(fd);
	if (n < 0 || fsc_record_decode(&rec, value, (size_t)n) || !rec.has_key)
		return 0;
	memcpy(key, rec.key.data, rec.key.len);
	return rec.key.len;
}

static void check_volume(struct object *o, int cache, const char *cache_name, const char *name)
{
	(void)cache_name;
	o->volume_key_len = key_of_name(name, 'I', 'J', o->volume_key);
	if (!o->volume_key_len)
		o->volume_key_len = key_of_folder(cache, name, o->volume_key);
	each(cache, name, check_fanout, o, -1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "killed", no_argument, NULL, 'k' },
		{ "like-kernel", no_argument, NULL, 'l' },
		{ 0 },
	};
	static struct object o;
	int opt, root;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		killed |= opt == 'k';
		like_kernel |= opt == 'l';
		if (opt == '?')
			return 2;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: verify [--killed] [--like-kernel] CACHE EXPORT\n");
		return 2;
	}
	root = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || nftw(argv[optind + 1], note_served, 32, FTW_PHYS)) {
		fprintf(stderr, "verify: %s\n", strerror(errno));
		return 2;
	}
	each(root, "cache", check_volume, &o, -1);
	printf("{ \"objects\": %" PRIu64 ", \"complete\": %" PRIu64 ", \"stale\": %" PRIu64
	       ", \"unbelieved\": %" PRIu64 ", \"marked\": %" PRIu64 ", \"slots\": %" PRIu64
	       ", \"granules\": %" PRIu64 ", \"present_bytes\": %" PRIu64
	       ", \"mismatches\": %" PRIu64 ", \"wrong\": %" PRIu64 " }\n",
	       totals.objects, totals.complete, totals.stale, totals.unbelieved, totals.marked,
	       totals.slots, totals.granules, totals.present_bytes, totals.mismatches,
	       totals.wrong);
	return totals.mismatches || totals.wrong;
}
