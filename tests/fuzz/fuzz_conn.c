// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fuzz_conn.c - the 9P client on a connection whose server says whatever the input has
 * (conn_shim.c).
 *
 * Whatever a call returns must be what a message of the server's said in answer to it; after the
 * first reply that makes no sense all ends with one error; nobody is answered twice, or never.
 *
 * Input: a byte of flags, one with the number of calls, one for each call, then what the server
 * says.
 */
#include "conn_shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"

#define CALLS_MAX 32
#define READS 3

struct run {
	struct p9_client *c;
	uint32_t fid, root;
};

/* Of the server, or of the connection, which is dead then? */
static void check_error(struct run *r, int64_t err)
{
	const uint8_t *m = NULL;
	size_t len;

	FUZZ_CHECK(err < 0 && err >= -4095);
	if (p9_error(r->c)) {
		FUZZ_CHECK(p9_error_text(r->c)[0]);
		return;
	}
	if (err == -EINVAL || err == -EBADF || err == -ENOENT || err == -EMFILE || err == -ERANGE)
		return;
	while ((m = shim_reply(P9_RLERROR, m, &len)))
		if ((int64_t)get_le(m + 7, 4) == -err || err == -EIO)
			return;
	FUZZ_CHECK(shim_reply(P9_RERROR, NULL, &len));
}

/* --- Calls ----------------------------------------------------------------------------------- */

static void call_walk(struct run *r, size_t count)
{
	struct p9_blob names[20];
	const uint8_t *m = NULL;
	bool found = false;
	uint32_t fid;
	size_t len;
	int err;

	for (size_t i = 0; i < count; i++)
		names[i] = (struct p9_blob){ "name", 4 };
	err = p9_walk(r->c, r->root, names, count, &fid);
	if (err) {
		check_error(r, err);
		return;
	}
	while (count <= P9_WALK_MAX && (m = shim_reply(P9_RWALK, m, &len)))
		found |= len == 9 + 13 * count && get_le(m + 7, 2) == count;
	FUZZ_CHECK(found || count > P9_WALK_MAX);
	if (r->fid != r->root)
		p9_clunk(r->c, r->fid);
	r->fid = fid;
}

static void call_getattr(struct run *r)
{
	const uint8_t *m = NULL;
	struct p9_attr attr;
	bool found = false;
	size_t len;
	int err = p9_getattr(r->c, r->fid, &attr);

	if (err) {
		check_error(r, err);
		return;
	}
	while ((m = shim_reply(P9_RGETATTR, m, &len)))
		found |= len == 160 && get_le(m + 7, 8) == attr.valid &&
			 get_le(m + 56, 8) == attr.size && get_le(m + 144, 8) == attr.gen;
	FUZZ_CHECK(found && attr.size <= INT64_MAX);
}

static void call_lopen(struct run *r)
{
	uint32_t iounit, most;
	struct p9_qid qid;
	const uint8_t *m;
	size_t len;
	int err = p9_lopen_qid(r->c, r->fid, 0, &iounit, &qid);

	if (err) {
		check_error(r, err);
		return;
	}
	m = shim_reply(P9_RLOPEN, NULL, &len);
	FUZZ_CHECK(m && len == 24);
	most = p9_read_max(r->c, r->fid);
	FUZZ_CHECK(most && most <= p9_msize(r->c) - P9_IO_HEADER);
	FUZZ_CHECK(!iounit || most <= iounit);
}

/* Bytes that a reply of @type brought, @skip of it before them. */
static void check_bytes(uint8_t type, size_t skip, const uint8_t *bytes, size_t n)
{
	const uint8_t *m = NULL;
	bool found = false;
	size_t len;

	while ((m = shim_reply(type, m, &len)))
		found |= len == skip + n && !memcmp(m + skip, bytes, n);
	FUZZ_CHECK(found);
}

static void call_pread(struct run *r, size_t want)
{
	uint8_t *buf = malloc(want);
	int64_t n = p9_pread(r->c, r->fid, 4096, buf, want);

	if (n < 0) {
		check_error(r, n);
	} else {
		FUZZ_CHECK((size_t)n <= want);
		check_bytes(P9_RREAD, P9_DATA_HEADER, buf, (size_t)n);
	}
	free(buf);
}

static void call_readdir(struct run *r, size_t want)
{
	uint8_t *buf = malloc(want);
	int64_t n = p9_readdir(r->c, r->fid, 0, buf, want);
	struct p9_dirent entry;
	struct p9_dec d;
	int more;

	if (n < 0) {
		check_error(r, n);
	} else {
		FUZZ_CHECK((size_t)n <= want);
		check_bytes(P9_RREADDIR, P9_DATA_HEADER, buf, (size_t)n);
		p9_dec_init(&d, buf, (size_t)n);
		while ((more = p9_dec_dirent(&d, &entry)) > 0)
			FUZZ_CHECK(!p9_name_check(entry.name));
		FUZZ_CHECK(!more);
	}
	free(buf);
}

static void call_readlink(struct run *r)
{
	uint8_t *buf = malloc(100);
	int64_t n = p9_readlink(r->c, r->fid, buf, 100);

	if (n < 0) {
		check_error(r, n);
	} else {
		FUZZ_CHECK(n <= 100);
		check_bytes(P9_RREADLINK, 9, buf, (size_t)n);
	}
	free(buf);
}

static void call_statfs(struct run *r)
{
	struct p9_statfs st;
	const uint8_t *m;
	size_t len;
	int err = p9_statfs(r->c, r->fid, &st);

	if (err) {
		check_error(r, err);
		return;
	}
	m = shim_reply(P9_RSTATFS, NULL, &len);
	FUZZ_CHECK(m && len == 67);
}

static const struct p9_blob a_name = { "name", 4 };

static void check_qid(const struct p9_qid *qid, uint8_t type)
{
	uint8_t bytes[P9_QID_SIZE] = { qid->type };

	put_le(bytes + 1, qid->version, 4);
	put_le(bytes + 5, qid->path, 8);
	check_bytes(type, P9_HEADER, bytes, sizeof(bytes));
}

static void call_mkdir(struct run *r)
{
	struct p9_qid qid;
	int err = p9_mkdir(r->c, r->fid, a_name, 0755, 0, &qid);

	if (err)
		check_error(r, err);
	else
		check_qid(&qid, P9_RMKDIR);
}

static void call_lcreate(struct run *r)
{
	struct p9_qid qid;
	uint32_t most;
	int err = p9_lcreate(r->c, r->fid, a_name, P9_O_RDWR, 0644, 0, &qid);

	if (err) {
		check_error(r, err);
		return;
	}
	FUZZ_CHECK(shim_reply(P9_RLCREATE, NULL, &(size_t){ 0 }));
	most = p9_write_max(r->c, r->fid);
	FUZZ_CHECK(most && most <= p9_msize(r->c) - P9_IO_HEADER);
}

static void call_pwrite(struct run *r, size_t want)
{
	uint8_t *buf = calloc(1, want), count[4];
	int64_t n = p9_pwrite(r->c, r->fid, 4096, buf, want);

	if (n < 0) {
		check_error(r, n);
	} else {
		FUZZ_CHECK((size_t)n <= want);
		put_le(count, (uint64_t)n, 4);
		check_bytes(P9_RWRITE, P9_HEADER, count, sizeof(count));
	}
	free(buf);
}

static void call_xattr(struct run *r, size_t want)
{
	uint8_t bytes[8], *buf;
	uint64_t size;
	uint32_t fid;
	int64_t n = p9_xattrwalk(r->c, r->fid, a_name, &fid, &size);

	if (n) {
		check_error(r, n);
		return;
	}
	FUZZ_CHECK(size <= INT64_MAX);
	put_le(bytes, size, 8);
	check_bytes(P9_RXATTRWALK, P9_HEADER, bytes, sizeof(bytes));
	buf = malloc(want);
	n = p9_pread(r->c, fid, 0, buf, want);
	FUZZ_CHECK(n <= (int64_t)want);
	free(buf);
	p9_clunk(r->c, fid);
}

static void call_lock(struct run *r, bool get)
{
	struct p9_lock lock = { .type = P9_LOCK_WRLCK, .client_id = a_name };
	uint8_t status = P9_LOCK_SUCCESS;
	int err = get ? p9_getlock(r->c, r->fid, &lock) : p9_lock(r->c, r->fid, &lock, &status);

	if (err)
		check_error(r, err);
	FUZZ_CHECK(err || (status <= P9_LOCK_GRACE && lock.type <= P9_LOCK_UNLCK));
}

static void call_empty(struct run *r, unsigned int which)
{
	const struct p9_setattr set = { .valid = P9_SET_SIZE };
	uint8_t type = 0;
	int err;

	switch (which % 4) {
	case 0:
		err = p9_setattr(r->c, r->fid, &set);
		type = P9_RSETATTR;
		break;
	case 1:
		err = p9_renameat(r->c, r->root, a_name, r->fid, a_name);
		type = P9_RRENAMEAT;
		break;
	case 2:
		err = p9_fsync(r->c, r->fid, false);
		type = P9_RFSYNC;
		break;
	default:
		if (r->fid == r->root)
			return;
		err = p9_remove(r->c, r->fid);
		type = P9_RREMOVE;
		r->fid = r->root;
		break;
	}
	if (err)
		check_error(r, err);
	else
		FUZZ_CHECK(shim_reply(type, NULL, &(size_t){ 0 }));
}

/* --- Many at once ---------------------------------------------------------------------------- */

struct read {
	struct p9_read r;
	int done;
	int64_t ret;
};

static void read_done(struct p9_read *r, int64_t ret)
{
	struct read *read = (struct read *)r;

	read->done++;
	read->ret = ret;
	shim_answered();
}

static bool all_done(const struct read *reads)
{
	bool all = true;

	for (int i = 0; i < READS; i++) {
		FUZZ_CHECK(reads[i].done <= 1);
		all = all && reads[i].done;
	}
	return all;
}

/* Whose tag is whose isn't known here: one of the replies must have brought it. */
static void check_read(const struct read *read)
{
	const uint8_t *m = NULL;
	bool found = false;
	size_t len;

	FUZZ_CHECK(read->ret <= (int64_t)read->r.len);
	while (read->ret > 0 && (m = shim_any_reply(P9_RREAD, m, &len)))
		found |= len == (size_t)read->ret + P9_DATA_HEADER &&
			 !memcmp(m + P9_DATA_HEADER, read->r.buf, (size_t)read->ret);
	FUZZ_CHECK(found || read->ret <= 0);
}

static void many_reads(struct run *r, unsigned int cancel)
{
	struct read *reads = calloc(READS, sizeof(*reads));

	for (int i = 0; i < READS; i++) {
		reads[i].r = (struct p9_read){ .fid = r->fid, .offset = 100u * (unsigned int)i,
					       .buf = malloc(64), .len = 64, .done = read_done };
		p9_read_start(r->c, &reads[i].r);
	}
	for (int i = 0; i < READS; i++)
		if (cancel >> i & 1)
			p9_read_cancel(r->c, &reads[i].r);
	while (!all_done(reads))
		shim_receive();
	for (int i = 0; i < READS; i++) {
		FUZZ_CHECK(reads[i].ret != -ECANCELED || cancel >> i & 1 || p9_error(r->c));
		check_read(&reads[i]);
		free(reads[i].r.buf);
	}
	free(reads);
}

/* --- All of it ------------------------------------------------------------------------------- */

static void one_call(struct run *r, unsigned int which)
{
	static const size_t sizes[] = { 1, 100, 300, 4096 };
	size_t size = sizes[which / 16 % 4];

	switch (which % 16) {
	case 0:
		call_walk(r, which / 16);
		break;
	case 1:
		call_walk(r, 20);
		break;
	case 2:
		call_getattr(r);
		break;
	case 3:
		call_lopen(r);
		break;
	case 4:
		call_readdir(r, size);
		break;
	case 5:
		call_readlink(r);
		break;
	case 6:
		call_statfs(r);
		break;
	case 7:
		call_pread(r, size);
		break;
	case 8:
		many_reads(r, which / 16);
		break;
	case 10:
		call_mkdir(r);
		break;
	case 11:
		call_lcreate(r);
		break;
	case 12:
		call_pwrite(r, size);
		break;
	case 13:
		call_xattr(r, size);
		break;
	case 14:
		call_lock(r, which / 16 % 2);
		break;
	case 15:
		call_empty(r, which / 16);
		break;
	default:
		if (r->fid != r->root)
			p9_clunk(r->c, r->fid);
		r->fid = r->root;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct p9_options options = { .server = "unix:/server", .msize = 4096, .max_tags = 2,
				      .max_fids = 8 };
	struct input in = { data, size };
	struct run r = { .c = NULL };
	uint8_t calls[CALLS_MAX];
	size_t ncalls;
	char text[256];
	int err;

	shim_begin(&in, (unsigned int)take(&in, 1));
	ncalls = (size_t)take(&in, 1) % CALLS_MAX;
	for (size_t i = 0; i < ncalls; i++)
		calls[i] = (uint8_t)take(&in, 1);
	if (!p9_connect(&options, &r.c, text, sizeof(text))) {
		FUZZ_CHECK(p9_msize(r.c) >= 256 && p9_msize(r.c) <= 4096);
		err = p9_attach(r.c, (struct p9_blob){ "me", 2 }, 0, (struct p9_blob){ "", 0 },
				&r.root);
		r.fid = r.root;
		if (err)
			check_error(&r, err);
		for (size_t i = 0; !err && i < ncalls; i++)
			one_call(&r, calls[i]);
		p9_disconnect(r.c);
	}
	shim_end();
	return 0;
}
