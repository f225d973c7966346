// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_wire_write.c - the 9P2000.L messages that change something, extended attributes and locks,
 * against bytes typed by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replies.h"

#define HEAD(size, type) (size), 0, 0, 0, (type), 0xff, 0xff
#define U32(v) (v), 0, 0, 0

/* ---- requests ---- */

static void new_things_have_the_bytes_of_the_protocol(void **state)
{
	uint8_t b[256];

	(void)state;
	enc_expect(b, p9_enc_tlcreate(b, sizeof(b), 5, BLOB("ab"), 0x8042, 0x1a4, 7),
		   BYTES(HEAD(27, 14), U32(5), 2, 0, 'a', 'b', 0x42, 0x80, 0, 0, 0xa4, 1, 0, 0,
			 U32(7)));
	enc_expect(b, p9_enc_tsymlink(b, sizeof(b), 5, BLOB("a"), BLOB("/x/y"), 7),
		   BYTES(HEAD(24, 16), U32(5), 1, 0, 'a', 4, 0, '/', 'x', '/', 'y', U32(7)));
	enc_expect(b, p9_enc_tmknod(b, sizeof(b), 5, BLOB("a"), 0x21b6, 1, 3, 7),
		   BYTES(HEAD(30, 18), U32(5), 1, 0, 'a', 0xb6, 0x21, 0, 0, U32(1), U32(3),
			 U32(7)));
	enc_expect(b, p9_enc_tmkdir(b, sizeof(b), 5, BLOB("a"), 0x1ed, 7),
		   BYTES(HEAD(22, 72), U32(5), 1, 0, 'a', 0xed, 1, 0, 0, U32(7)));
	enc_expect(b, p9_enc_tlink(b, sizeof(b), 5, 6, BLOB("a")),
		   BYTES(HEAD(18, 70), U32(5), U32(6), 1, 0, 'a'));
}

static void changes_have_the_bytes_of_the_protocol(void **state)
{
	const struct p9_setattr set = {
		.valid = 0x1ff, .mode = 0x81a4, .uid = 1, .gid = 2, .size = 3,
		.atime = { .sec = 4, .nsec = 5 }, .mtime = { .sec = -1, .nsec = 6 },
	};
	uint8_t b[256];

	(void)state;
	enc_expect(b, p9_enc_trename(b, sizeof(b), 5, 6, BLOB("a")),
		   BYTES(HEAD(18, 20), U32(5), U32(6), 1, 0, 'a'));
	enc_expect(b, p9_enc_trenameat(b, sizeof(b), 5, BLOB("a"), 6, BLOB("bc")),
		   BYTES(HEAD(22, 74), U32(5), 1, 0, 'a', U32(6), 2, 0, 'b', 'c'));
	enc_expect(b, p9_enc_tunlinkat(b, sizeof(b), 5, BLOB("a"), P9_AT_REMOVEDIR),
		   BYTES(HEAD(18, 76), U32(5), 1, 0, 'a', 0, 2, 0, 0));
	enc_expect(b, p9_enc_tremove(b, sizeof(b), 5), BYTES(HEAD(11, 122), U32(5)));
	enc_expect(b, p9_enc_tsetattr(b, sizeof(b), 5, &set),
		   BYTES(HEAD(67, 26), U32(5), 0xff, 1, 0, 0, 0xa4, 0x81, 0, 0, U32(1), U32(2),
			 U64(3), U64(4), U64(5), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			 U64(6)));
	enc_expect(b, p9_enc_tfsync(b, sizeof(b), 5, true), BYTES(HEAD(15, 50), U32(5), U32(1)));
	enc_expect(b, p9_enc_tfsync(b, sizeof(b), 5, false), BYTES(HEAD(15, 50), U32(5), U32(0)));
	/* The payload is not there yet, and counted. */
	enc_expect(b, p9_enc_twrite(b, sizeof(b), 5, 7, 0x10000),
		   BYTES(0x17, 0, 1, 0, 118, 0xff, 0xff, U32(5), U64(7), 0, 0, 1, 0));
	assert_int_equal(p9_enc_twrite(b, sizeof(b), 5, 7, UINT32_MAX), -EMSGSIZE);
	assert_int_equal(p9_enc_twrite(b, 22, 5, 7, 1), -EMSGSIZE);
}

static void attributes_and_locks_have_the_bytes_of_the_protocol(void **state)
{
	const struct p9_lock lock = { .type = P9_LOCK_WRLCK, .start = 1, .length = 2, .proc_id = 3,
				      .client_id = BLOB("me") };
	uint8_t b[256];

	(void)state;
	enc_expect(b, p9_enc_txattrwalk(b, sizeof(b), 5, 6, BLOB("user.x")),
		   BYTES(HEAD(23, 30), U32(5), U32(6), 6, 0, 'u', 's', 'e', 'r', '.', 'x'));
	enc_expect(b, p9_enc_txattrwalk(b, sizeof(b), 5, 6, BLOB("")),
		   BYTES(HEAD(17, 30), U32(5), U32(6), 0, 0));
	enc_expect(b, p9_enc_txattrcreate(b, sizeof(b), 5, BLOB("u"), 9, 2),
		   BYTES(HEAD(26, 32), U32(5), 1, 0, 'u', U64(9), U32(2)));
	enc_expect(b, p9_enc_tlock(b, sizeof(b), 5, &lock, 1),
		   BYTES(HEAD(40, 52), U32(5), 1, U32(1), U64(1), U64(2), U32(3), 2, 0, 'm', 'e'));
	enc_expect(b, p9_enc_tgetlock(b, sizeof(b), 5, &lock),
		   BYTES(HEAD(36, 54), U32(5), 1, U64(1), U64(2), U32(3), 2, 0, 'm', 'e'));
}

/* What each of the requests with a name says to @name. */
static void expect_all(struct p9_blob name, int error)
{
	uint8_t b[1024];
	int got[] = {
		p9_enc_tlcreate(b, sizeof(b), 1, name, 0, 0, 0),
		p9_enc_tsymlink(b, sizeof(b), 1, name, BLOB("x"), 0),
		p9_enc_tmknod(b, sizeof(b), 1, name, 0, 0, 0, 0),
		p9_enc_tmkdir(b, sizeof(b), 1, name, 0, 0),
		p9_enc_tlink(b, sizeof(b), 1, 2, name),
		p9_enc_trename(b, sizeof(b), 1, 2, name),
		p9_enc_trenameat(b, sizeof(b), 1, name, 2, BLOB("x")),
		p9_enc_trenameat(b, sizeof(b), 1, BLOB("x"), 2, name),
		p9_enc_tunlinkat(b, sizeof(b), 1, name, 0),
	};

	for (size_t i = 0; i < sizeof(got) / sizeof(*got); i++) {
		if (error)
			assert_int_equal(got[i], error);
		else
			assert_true(got[i] > 0);
	}
}

static void names_that_are_none_are_refused(void **state)
{
	static char big[256];
	uint8_t b[64];

	(void)state;
	memset(big, 'x', sizeof(big));
	expect_all((struct p9_blob){ big, 255 }, 0);
	expect_all((struct p9_blob){ big, 256 }, -ENAMETOOLONG);
	expect_all(BLOB(""), -EINVAL);
	expect_all(BLOB("a/b"), -EINVAL);
	expect_all(BLOB("/"), -EINVAL);
	expect_all(BLOB("a\0b"), -EINVAL);
	assert_int_equal(p9_enc_tsymlink(b, sizeof(b), 1, BLOB("a"), BLOB(""), 0), -EINVAL);
	assert_int_equal(p9_enc_tsymlink(b, 20, 1, BLOB("a"), BLOB("b"), 0), -EMSGSIZE);
}

/* ---- replies ---- */

static int dec_mkdir(const void *msg, size_t len)
{
	struct p9_qid q;

	return p9_dec_rqid(msg, len, P9_RMKDIR, &q);
}

static int dec_lcreate(const void *msg, size_t len)
{
	struct p9_qid q;
	uint32_t iounit;

	return p9_dec_rlcreate(msg, len, &q, &iounit);
}

static int dec_write(const void *msg, size_t len)
{
	uint32_t count;

	return p9_dec_rwrite(msg, len, &count);
}

static int dec_xattrwalk(const void *msg, size_t len)
{
	uint64_t size;

	return p9_dec_rxattrwalk(msg, len, &size);
}

static int dec_lock(const void *msg, size_t len)
{
	uint8_t status;

	return p9_dec_rlock(msg, len, &status);
}

static int dec_getlock(const void *msg, size_t len)
{
	struct p9_lock lock;

	return p9_dec_rgetlock(msg, len, &lock);
}

static const uint8_t rmkdir[] = { 20, 0, 0, 0, 73, 3, 0, QID_BYTES };
static const uint8_t rlcreate[] = { 24, 0, 0, 0, 15, 3, 0, QID_BYTES, 0, 0x10, 0, 0 };
static const uint8_t rwrite[] = { 11, 0, 0, 0, 119, 3, 0, 1, 2, 0, 0 };
static const uint8_t rxattrwalk[] = { 15, 0, 0, 0, 31, 3, 0, U64(9) };
static const uint8_t rlock[] = { 8, 0, 0, 0, 53, 3, 0, 3 };
static const uint8_t rgetlock[] = { 32, 0, 0, 0, 55, 3, 0, 2, U64(1), U64(2), U32(3), 2, 0, 'y',
				    0 };

static const struct reply replies[] = {
	REPLY(dec_mkdir, rmkdir), REPLY(dec_lcreate, rlcreate), REPLY(dec_write, rwrite),
	REPLY(dec_xattrwalk, rxattrwalk), REPLY(dec_lock, rlock), REPLY(dec_getlock, rgetlock),
};

#define NR (sizeof(replies) / sizeof(replies[0]))

static void replies_that_are_none_are_errors(void **state)
{
	(void)state;
	replies_cut_short(replies, NR);
	replies_with_a_byte_more(replies, NR);
	replies_of_another_size(replies, NR);
	replies_with_a_byte_changed(replies, NR);
	replies_of_another_type(replies, NR);
}

static void replies_are_read(void **state)
{
	struct p9_lock lock;
	struct p9_qid q;
	uint64_t size;
	uint8_t status;
	uint32_t v;

	(void)state;
	assert_int_equal(p9_dec_rqid(rmkdir, sizeof(rmkdir), P9_RMKDIR, &q), 0);
	qid_expect(q);
	assert_int_equal(p9_dec_rlcreate(rlcreate, sizeof(rlcreate), &q, &v), 0);
	qid_expect(q);
	assert_int_equal(v, 4096);
	assert_int_equal(p9_dec_rwrite(rwrite, sizeof(rwrite), &v), 0);
	assert_int_equal(v, 513);
	assert_int_equal(p9_dec_rxattrwalk(rxattrwalk, sizeof(rxattrwalk), &size), 0);
	assert_int_equal(size, 9);
	assert_int_equal(p9_dec_rlock(rlock, sizeof(rlock), &status), 0);
	assert_int_equal(status, P9_LOCK_GRACE);
	assert_int_equal(p9_dec_rgetlock(rgetlock, sizeof(rgetlock), &lock), 0);
	assert_true(lock.type == P9_LOCK_UNLCK && lock.start == 1 && lock.length == 2);
	assert_true(lock.proc_id == 3 && lock.client_id.len == 2);
	assert_memory_equal(lock.client_id.data, "y\0", 2);
}

static void numbers_at_the_edges_are_errors(void **state)
{
	uint8_t copy[64];
	struct p9_lock lock;
	uint64_t size;
	uint8_t status;

	(void)state;
	memcpy(copy, rlock, sizeof(rlock));
	copy[7] = 4;
	assert_int_equal(p9_dec_rlock(copy, sizeof(rlock), &status), -EBADMSG);
	memcpy(copy, rgetlock, sizeof(rgetlock));
	copy[7] = 3;
	assert_int_equal(p9_dec_rgetlock(copy, sizeof(rgetlock), &lock), -EBADMSG);
	memcpy(copy, rxattrwalk, sizeof(rxattrwalk));
	copy[14] = 0x80;
	assert_int_equal(p9_dec_rxattrwalk(copy, sizeof(rxattrwalk), &size), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_things_have_the_bytes_of_the_protocol),
		cmocka_unit_test(changes_have_the_bytes_of_the_protocol),
		cmocka_unit_test(attributes_and_locks_have_the_bytes_of_the_protocol),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(replies_that_are_none_are_errors),
		cmocka_unit_test(replies_are_read),
		cmocka_unit_test(numbers_at_the_edges_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
