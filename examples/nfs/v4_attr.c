// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4_attr.c - NFSv4 attributes: a bitmap of numbers, and their values in that order in one blob,
 * which libnfs hands on as it came.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "v4.h"

#define BIT(number) (1u << (number) % 32)
#define FILE_0 (BIT(FATTR4_TYPE) | BIT(FATTR4_CHANGE) | BIT(FATTR4_SIZE) | BIT(FATTR4_FILEID))
#define FILE_1                                                                                   \
	(BIT(FATTR4_MODE) | BIT(FATTR4_NUMLINKS) | BIT(FATTR4_OWNER) | BIT(FATTR4_OWNER_GROUP) | \
	 BIT(FATTR4_RAWDEV) | BIT(FATTR4_SPACE_USED) | BIT(FATTR4_TIME_ACCESS) |                 \
	 BIT(FATTR4_TIME_METADATA) | BIT(FATTR4_TIME_MODIFY))
/* Without these there is nothing to tell versions of a file apart by. */
#define NEEDED_0 FILE_0
#define NEEDED_1 (BIT(FATTR4_MODE) | BIT(FATTR4_TIME_METADATA) | BIT(FATTR4_TIME_MODIFY))

/* (Not const only because libnfs' structs take no const.) */
uint32_t nfsc4_file_mask[2] = { FILE_0, FILE_1 };
uint32_t nfsc4_entry_mask[2] = { FILE_0 | BIT(FATTR4_RDATTR_ERROR) | BIT(FATTR4_FILEHANDLE),
				 FILE_1 };
uint32_t nfsc4_fs_mask[2] = {
	BIT(FATTR4_FILES_AVAIL) | BIT(FATTR4_FILES_FREE) | BIT(FATTR4_FILES_TOTAL) |
		BIT(FATTR4_MAXNAME) | BIT(FATTR4_MAXREAD) | BIT(FATTR4_MAXWRITE),
	BIT(FATTR4_SPACE_AVAIL) | BIT(FATTR4_SPACE_FREE) | BIT(FATTR4_SPACE_TOTAL),
};

/* --- Decoding --------------------------------------------------------------------------------- */

struct blob {
	const char *at;
	size_t left;
	bool bad;
};

/* Bytes and what pads them to four; NULL: there aren't so many. */
static const char *get(struct blob *b, size_t len)
{
	size_t padded = len + (-len & 3);
	const char *at = b->at;

	if (b->bad || len > b->left || padded > b->left) {
		b->bad = true;
		return NULL;
	}
	b->at += padded;
	b->left -= padded;
	return at;
}

static uint32_t get_u32(struct blob *b)
{
	const char *at = get(b, 4);
	uint32_t net = 0;

	if (at)
		memcpy(&net, at, 4);
	return ntohl(net);
}

static uint64_t get_u64(struct blob *b)
{
	uint64_t high = get_u32(b);

	return high << 32 | get_u32(b);
}

static struct timespec get_time(struct blob *b)
{
	struct timespec t = { .tv_sec = (time_t)get_u64(b) };

	t.tv_nsec = get_u32(b);
	b->bad |= t.tv_nsec >= 1000000000;
	return t;
}

/* A number, or a name at a domain. Names aren't looked up: that may wait for another server. */
static uint32_t get_owner(struct blob *b)
{
	uint32_t len = get_u32(b);
	const char *name = get(b, len);
	uint64_t id = 0;

	if (!name || !len)
		return 65534;
	if (len >= 5 && !memcmp(name, "root@", 5))
		return 0;
	for (uint32_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 65534;
		id = id * 10 + (uint64_t)(name[i] - '0');
		if (id > UINT32_MAX)
			return 65534;
	}
	return (uint32_t)id;
}

static mode_t get_type(struct blob *b)
{
	static const mode_t bits[] = { 0,	S_IFREG, S_IFDIR,  S_IFBLK,
				       S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO };
	uint32_t type = get_u32(b);

	if (!type || type >= sizeof(bits) / sizeof(bits[0])) {
		b->bad = true;
		return 0;
	}
	return bits[type];
}

static void get_fh(struct blob *b, struct nfsc_fh *fh)
{
	uint32_t len = get_u32(b);
	const char *at = get(b, len);

	if (!nfsc_fh_set(fh, at, len, NFS4_FHSIZE))
		b->bad = true;
}

static void get_size(struct blob *b, struct stat *st)
{
	uint64_t size = get_u64(b);

	b->bad |= size > INT64_MAX;
	st->st_size = (off_t)size;
}

static void get_device(struct blob *b, struct stat *st)
{
	uint32_t major_number = get_u32(b);

	st->st_rdev = makedev(major_number, get_u32(b));
}

static void get_of_filesystem(struct blob *b, unsigned int number, struct nfsc4_told *to)
{
	switch (number) {
	case FATTR4_FILES_AVAIL:
		to->files_avail = get_u64(b);
		break;
	case FATTR4_FILES_FREE:
		to->files_free = get_u64(b);
		break;
	case FATTR4_FILES_TOTAL:
		to->files_total = get_u64(b);
		break;
	case FATTR4_MAXNAME:
		to->name_max = get_u32(b);
		break;
	case FATTR4_MAXREAD:
		to->read_max = get_u64(b);
		break;
	case FATTR4_MAXWRITE:
		to->write_max = get_u64(b);
		break;
	case FATTR4_SPACE_AVAIL:
		to->space_avail = get_u64(b);
		break;
	case FATTR4_SPACE_FREE:
		to->space_free = get_u64(b);
		break;
	case FATTR4_SPACE_TOTAL:
		to->space_total = get_u64(b);
		break;
	default:
		b->bad = true;
	}
}

static void get_of_inode(struct blob *b, unsigned int number, struct stat *st,
			 struct nfsc4_told *to)
{
	switch (number) {
	case FATTR4_OWNER:
		st->st_uid = get_owner(b);
		break;
	case FATTR4_OWNER_GROUP:
		st->st_gid = get_owner(b);
		break;
	case FATTR4_RAWDEV:
		get_device(b, st);
		break;
	case FATTR4_SPACE_USED:
		st->st_blocks = (blkcnt_t)(get_u64(b) / 512);
		break;
	case FATTR4_TIME_ACCESS:
		st->st_atim = get_time(b);
		break;
	case FATTR4_TIME_METADATA:
		st->st_ctim = get_time(b);
		break;
	case FATTR4_TIME_MODIFY:
		st->st_mtim = get_time(b);
		break;
	default:
		get_of_filesystem(b, number, to);
	}
}

static void get_one(struct blob *b, unsigned int number, struct nfsc4_told *to)
{
	struct stat *st = &to->attr.st;

	switch (number) {
	case FATTR4_TYPE:
		st->st_mode |= get_type(b);
		break;
	case FATTR4_CHANGE:
		to->attr.change = get_u64(b);
		to->attr.has_change = true;
		break;
	case FATTR4_SIZE:
		get_size(b, st);
		break;
	case FATTR4_RDATTR_ERROR:
		to->error = get_u32(b);
		break;
	case FATTR4_FILEHANDLE:
		get_fh(b, &to->fh);
		break;
	case FATTR4_FILEID:
		st->st_ino = get_u64(b);
		break;
	case FATTR4_MODE:
		st->st_mode |= get_u32(b) & 07777;
		break;
	case FATTR4_NUMLINKS:
		st->st_nlink = get_u32(b);
		break;
	default:
		get_of_inode(b, number, st, to);
	}
}

/* What wasn't asked for has a length that isn't known here, and hides all that follows. */
bool nfsc4_decode(const fattr4 *from, const uint32_t asked[2], struct nfsc4_told *out)
{
	struct blob b = { from->attr_vals.attrlist4_val, from->attr_vals.attrlist4_len, false };

	memset(out, 0, sizeof(*out));
	for (u_int i = 0; i < from->attrmask.bitmap4_len; i++) {
		if (from->attrmask.bitmap4_val[i] & ~(i < 2 ? asked[i] : 0))
			return false;
		if (i < 2)
			out->mask[i] = from->attrmask.bitmap4_val[i];
	}
	out->attr.st.st_blksize = 4096;
	for (unsigned int number = 0; number < 64; number++) {
		if (nfsc4_has(out->mask, number))
			get_one(&b, number, out);
	}
	out->attr.vouched =
		(out->mask[0] & NEEDED_0) == NEEDED_0 && (out->mask[1] & NEEDED_1) == NEEDED_1;
	return !b.bad;
}

bool nfsc4_take_attr(const fattr4 *from, const struct nfsc_fh *fh, struct netfs_attr *to)
{
	struct nfsc4_told told;

	if (!nfsc4_decode(from, nfsc4_file_mask, &told) || !nfsc4_has(told.mask, FATTR4_TYPE) ||
	    !nfsc4_has(told.mask, FATTR4_SIZE))
		return false;
	*to = told.attr;
	nfsc_attr_end(to, fh);
	return true;
}

/* --- Encoding --------------------------------------------------------------------------------- */

static void put_u32(struct nfsc4_set *set, unsigned int number, uint32_t value)
{
	uint32_t net = htonl(value);

	set->mask[number / 32] |= BIT(number);
	memcpy(set->bytes + set->len, &net, 4);
	set->len += 4;
}

static void put_u64(struct nfsc4_set *set, unsigned int number, uint64_t value)
{
	put_u32(set, number, (uint32_t)(value >> 32));
	put_u32(set, number, (uint32_t)value);
}

static void put_owner(struct nfsc4_set *set, unsigned int number, uint32_t id)
{
	char digits[16] = "";
	int len = snprintf(digits, sizeof(digits), "%u", id);

	put_u32(set, number, (uint32_t)len);
	memcpy(set->bytes + set->len, digits, (size_t)(len + 3) & ~3u);
	set->len += (uint32_t)(len + 3) & ~3u;
}

static void put_time(struct nfsc4_set *set, unsigned int number, const struct timespec *t)
{
	put_u32(set, number, SET_TO_CLIENT_TIME4);
	put_u64(set, number, (uint64_t)t->tv_sec);
	put_u32(set, number, (uint32_t)t->tv_nsec);
}

static bool is_time(const struct timespec *t)
{
	return t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

/* In the order of their numbers. */
bool nfsc4_encode(unsigned int which, const struct stat *st, struct nfsc4_set *out)
{
	memset(out, 0, sizeof(*out));
	if (((which & NETFS_SET_SIZE) && st->st_size < 0) ||
	    ((which & NETFS_SET_ATIME) && !is_time(&st->st_atim)) ||
	    ((which & NETFS_SET_MTIME) && !is_time(&st->st_mtim)))
		return false;
	if (which & NETFS_SET_SIZE)
		put_u64(out, FATTR4_SIZE, (uint64_t)st->st_size);
	if (which & NETFS_SET_MODE)
		put_u32(out, FATTR4_MODE, st->st_mode & 07777);
	if (which & NETFS_SET_UID)
		put_owner(out, FATTR4_OWNER, st->st_uid);
	if (which & NETFS_SET_GID)
		put_owner(out, FATTR4_OWNER_GROUP, st->st_gid);
	if (which & NETFS_SET_ATIME_NOW)
		put_u32(out, FATTR4_TIME_ACCESS_SET, SET_TO_SERVER_TIME4);
	else if (which & NETFS_SET_ATIME)
		put_time(out, FATTR4_TIME_ACCESS_SET, &st->st_atim);
	if (which & NETFS_SET_MTIME_NOW)
		put_u32(out, FATTR4_TIME_MODIFY_SET, SET_TO_SERVER_TIME4);
	else if (which & NETFS_SET_MTIME)
		put_time(out, FATTR4_TIME_MODIFY_SET, &st->st_mtim);
	return true;
}

fattr4 nfsc4_fattr(struct nfsc4_set *set)
{
	return (fattr4){
		.attrmask = { .bitmap4_len = 2, .bitmap4_val = set->mask },
		.attr_vals = { .attrlist4_len = set->len, .attrlist4_val = set->bytes },
	};
}
