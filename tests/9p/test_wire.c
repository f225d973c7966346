// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_wire.c - 9P2000.L messages against bytes typed by hand.
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

/* ---- requests ---- */

static void requests_have_the_bytes_of_the_protocol(void **state)
{
	const struct p9_blob names[2] = { BLOB("a"), BLOB("b\n\xff") };
	uint8_t b[256];

	(void)state;
	enc_expect(b, p9_enc_tversion(b, sizeof(b), 65536, BLOB("9P2000.L")),
		   BYTES(21, 0, 0, 0, 100, 0xff, 0xff, 0, 0, 1, 0, 8, 0, '9', 'P', '2', '0', '0',
			 '0', '.', 'L'));
	enc_expect(b, p9_enc_tattach(b, sizeof(b), 1, P9_NOFID, BLOB("me"), BLOB("/x"), 1000),
		   BYTES(27, 0, 0, 0, 104, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 2, 0,
			 'm', 'e', 2, 0, '/', 'x', 0xe8, 3, 0, 0));
	enc_expect(b, p9_enc_twalk(b, sizeof(b), 1, 2, names, 2),
		   BYTES(25, 0, 0, 0, 110, 0xff, 0xff, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0, 'a', 3,
			 0, 'b', '\n', 0xff));
	enc_expect(b, p9_enc_twalk(b, sizeof(b), 1, 2, NULL, 0),
		   BYTES(17, 0, 0, 0, 110, 0xff, 0xff, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0));
	enc_expect(b, p9_enc_tgetattr(b, sizeof(b), 0x01020304, P9_ATTR_ALL),
		   BYTES(19, 0, 0, 0, 24, 0xff, 0xff, 4, 3, 2, 1, 0xff, 0x3f, 0, 0, 0, 0, 0, 0));
	enc_expect(b, p9_enc_tlopen(b, sizeof(b), 5, 0x10000),
		   BYTES(15, 0, 0, 0, 12, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 1, 0));
	enc_expect(b, p9_enc_tread(b, sizeof(b), 5, 0x0807060504030201, 0xffe8),
		   BYTES(23, 0, 0, 0, 116, 0xff, 0xff, 5, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0xe8,
			 0xff, 0, 0));
	enc_expect(b, p9_enc_treaddir(b, sizeof(b), 5, 7, 512),
		   BYTES(23, 0, 0, 0, 40, 0xff, 0xff, 5, 0, 0, 0, U64(7), 0, 2, 0, 0));
	enc_expect(b, p9_enc_treadlink(b, sizeof(b), 5),
		   BYTES(11, 0, 0, 0, 22, 0xff, 0xff, 5, 0, 0, 0));
	enc_expect(b, p9_enc_tstatfs(b, sizeof(b), 5),
		   BYTES(11, 0, 0, 0, 8, 0xff, 0xff, 5, 0, 0, 0));
	enc_expect(b, p9_enc_tclunk(b, sizeof(b), 5),
		   BYTES(11, 0, 0, 0, 120, 0xff, 0xff, 5, 0, 0, 0));
	enc_expect(b, p9_enc_tflush(b, sizeof(b), 0x0102),
		   BYTES(9, 0, 0, 0, 108, 0xff, 0xff, 2, 1));
	p9_msg_set_tag(b, 0x1234);
	enc_expect(b, 9, BYTES(9, 0, 0, 0, 108, 0x34, 0x12, 2, 1));
}

static void requests_that_do_not_fit_are_refused(void **state)
{
	const struct p9_blob name = BLOB("abc");

	(void)state;
	for (size_t cap = 0; cap < 22; cap++) {
		uint8_t *b = malloc(cap ? cap : 1);

		assert_int_equal(p9_enc_twalk(b, cap, 1, 2, &name, 1), -EMSGSIZE);
		free(b);
	}
}

static void names_and_strings_the_protocol_cannot_carry_are_refused(void **state)
{
	static uint8_t big[P9_STRING_MAX + 1], b[2 * P9_STRING_MAX];
	struct p9_blob names[17];

	(void)state;
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 17; i++)
		names[i] = BLOB("n");
	assert_int_equal(p9_enc_twalk(b, sizeof(b), 1, 2, names, 17), -EINVAL);
	assert_true(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16) > 0);
	names[3] = (struct p9_blob){ big, 256 };
	assert_int_equal(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16), -ENAMETOOLONG);
	names[3].len = 255;
	assert_true(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16) > 0);
	names[3] = BLOB("");
	assert_int_equal(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16), -EINVAL);
	names[3] = BLOB("a/b");
	assert_int_equal(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16), -EINVAL);
	names[3] = BLOB("a\0b");
	assert_int_equal(p9_enc_twalk(b, sizeof(b), 1, 2, names, 16), -EINVAL);
	assert_int_equal(p9_enc_tversion(b, sizeof(b), 1, (struct p9_blob){ big, sizeof(big) }),
			 -EINVAL);
	assert_true(p9_enc_tversion(b, sizeof(b), 1, (struct p9_blob){ big, P9_STRING_MAX }) > 0);
}

static void as_many_names_are_walked_as_fit(void **state)
{
	struct p9_blob names[20];
	uint8_t b[300];
	unsigned int n;

	(void)state;
	for (int i = 0; i < 20; i++)
		names[i] = BLOB("sixteen-bytes-xx");
	assert_int_equal(p9_walk_fit(names, 20, 65536), 16);
	assert_int_equal(p9_walk_fit(names, 3, 65536), 3);
	assert_int_equal(p9_walk_fit(names, 20, 17), 0);
	n = p9_walk_fit(names, 20, 256);
	assert_in_range(p9_enc_twalk(b, sizeof(b), 1, 2, names, n), 256 - 17, 256);
}

/* ---- replies ---- */

static int dec_header(const void *msg, size_t len)
{
	struct p9_header h;

	return p9_dec_header(msg, len, &h);
}

static int dec_error(const void *msg, size_t len)
{
	int error;

	return p9_dec_error(msg, len, &error);
}

static int dec_version(const void *msg, size_t len)
{
	struct p9_blob v;
	uint32_t msize;

	return p9_dec_rversion(msg, len, &msize, &v);
}

static int dec_attach(const void *msg, size_t len)
{
	struct p9_qid q;

	return p9_dec_rattach(msg, len, &q);
}

static int dec_walk(const void *msg, size_t len)
{
	struct p9_qid q[P9_WALK_MAX];
	unsigned int n;

	return p9_dec_rwalk(msg, len, q, &n);
}

static int dec_getattr(const void *msg, size_t len)
{
	struct p9_attr a;

	return p9_dec_rgetattr(msg, len, &a);
}

static int dec_lopen(const void *msg, size_t len)
{
	struct p9_qid q;
	uint32_t iounit;

	return p9_dec_rlopen(msg, len, &q, &iounit);
}

static int dec_readlink(const void *msg, size_t len)
{
	struct p9_blob target;

	return p9_dec_rreadlink(msg, len, &target);
}

static int dec_statfs(const void *msg, size_t len)
{
	struct p9_statfs s;

	return p9_dec_rstatfs(msg, len, &s);
}

static int dec_clunk(const void *msg, size_t len)
{
	return p9_dec_rempty(msg, len, P9_RCLUNK);
}

static int dec_flush(const void *msg, size_t len)
{
	return p9_dec_rempty(msg, len, P9_RFLUSH);
}

static int dec_read_header(const void *msg, size_t len)
{
	uint32_t count;

	return p9_dec_rdata_header(msg, len, P9_RREAD, &count);
}

static int dec_readdir(const void *payload, size_t len)
{
	struct p9_dirent e;
	struct p9_dec d;
	int r, n = 0;

	p9_dec_init(&d, payload, len);
	while ((r = p9_dec_dirent(&d, &e)) > 0)
		n++;
	/* The test's payload has two entries, and one is what is left of it at one length. */
	return r ? r : n == 2 ? 0 : -EBADMSG;
}

static const uint8_t rlerror[] = { 11, 0, 0, 0, 7, 3, 0, 2, 0, 0, 0 };
static const uint8_t rerror[] = { 11, 0, 0, 0, 107, 3, 0, 13, 0, 0, 0 };
static const uint8_t rversion[] = { 21, 0, 0, 0, 101, 0xff, 0xff, 0, 0x20, 0, 0, 8, 0,
				    '9', 'P', '2', '0', '0', '0', '.', 'L' };
static const uint8_t rattach[] = { 20, 0, 0, 0, 105, 3, 0, QID_BYTES };
static const uint8_t rwalk[] = { 35, 0, 0, 0, 111, 3, 0, 2, 0, QID_BYTES, QID_BYTES };
static const uint8_t rwalk0[] = { 9, 0, 0, 0, 111, 3, 0, 0, 0 };
static const uint8_t rlopen[] = { 24, 0, 0, 0, 13, 3, 0, QID_BYTES, 0, 0x10, 0, 0 };
static const uint8_t rreadlink[] = { 12, 0, 0, 0, 23, 3, 0, 3, 0, 'a', '/', 0xfe };
static const uint8_t rclunk[] = { 7, 0, 0, 0, 121, 3, 0 };
static const uint8_t rflush[] = { 7, 0, 0, 0, 109, 3, 0 };
static const uint8_t rread_header[] = { 111, 0, 0, 0, 117, 3, 0, 100, 0, 0, 0 };
static const uint8_t rstatfs[] = { 67, 0, 0, 0, 9, 3, 0, 0x97, 0x19, 0x02, 0x01,
				   0, 0x10, 0, 0, U64(1), U64(2), U64(3), U64(4),
				   U64(5), U64(6), 0xff, 0, 0, 0 };
static const uint8_t rgetattr[] = {
	160, 0, 0, 0, 25, 3, 0,
	0xff, 0x3f, 0, 0, 0, 0, 0, 0, QID_BYTES,
	0xa4, 0x81, 0, 0, 0xe8, 3, 0, 0, 0xe9, 3, 0, 0,
	U64(2), U64(3), 0, 0, 0, 0, 1, 0, 0, 0, U64(5), U64(6),
	U64(10), 0xff, 0xc9, 0x9a, 0x3b, 0, 0, 0, 0, /* atime .999999999 */
	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, U64(11), /* mtime: two seconds before 1970 */
	U64(12), U64(13),
	U64(14), U64(15),
	U64(16), U64(17),
};
static const uint8_t rreaddir_payload[] = {
	QID_BYTES, U64(1), 4, 1, 0, '.',
	QID_BYTES, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 8, 3, 0, 'x', '\n', 0x80,
};

static const struct reply replies[] = {
	REPLY(dec_error, rlerror), REPLY(dec_error, rerror), REPLY(dec_version, rversion),
	REPLY(dec_attach, rattach), REPLY(dec_walk, rwalk), REPLY(dec_walk, rwalk0),
	REPLY(dec_lopen, rlopen), REPLY(dec_readlink, rreadlink), REPLY(dec_clunk, rclunk),
	REPLY(dec_flush, rflush), REPLY(dec_read_header, rread_header),
	REPLY(dec_statfs, rstatfs), REPLY(dec_getattr, rgetattr),
	PART(dec_readdir, rreaddir_payload, 1), PART(dec_header, rclunk, 0),
};

#define NR (sizeof(replies) / sizeof(replies[0]))

static void replies_cut_short_are_errors(void **state)
{
	(void)state;
	replies_cut_short(replies, NR);
}

static void replies_with_bytes_left_over_are_errors(void **state)
{
	(void)state;
	replies_with_a_byte_more(replies, NR);
}

static void replies_of_another_size_than_they_say_are_errors(void **state)
{
	(void)state;
	replies_of_another_size(replies, NR);
}

static void replies_with_any_byte_changed_are_harmless(void **state)
{
	(void)state;
	replies_with_a_byte_changed(replies, NR);
}

static void replies_of_another_type_are_errors(void **state)
{
	(void)state;
	replies_of_another_type(replies, NR);
}

static void small_replies_are_read(void **state)
{
	struct p9_qid q[P9_WALK_MAX];
	struct p9_header h;
	struct p9_blob s;
	unsigned int n;
	uint32_t v;
	int error;

	(void)state;
	assert_int_equal(p9_dec_header(rclunk, 7, &h), 0);
	assert_true(h.size == 7 && h.type == P9_RCLUNK && h.tag == 3);
	assert_int_equal(p9_dec_error(rlerror, 11, &error), 0);
	assert_int_equal(error, ENOENT);
	assert_int_equal(p9_dec_error(rerror, 11, &error), 0);
	assert_int_equal(error, EACCES);
	assert_int_equal(p9_dec_rversion(rversion, 21, &v, &s), 0);
	assert_int_equal(v, 8192);
	assert_int_equal(s.len, 8);
	assert_memory_equal(s.data, "9P2000.L", 8);
	assert_int_equal(p9_dec_rattach(rattach, 20, q), 0);
	qid_expect(q[0]);
	assert_int_equal(p9_dec_rwalk(rwalk, 35, q, &n), 0);
	assert_int_equal(n, 2);
	qid_expect(q[1]);
	assert_int_equal(p9_dec_rlopen(rlopen, 24, q, &v), 0);
	assert_int_equal(v, 4096);
	qid_expect(q[0]);
	assert_int_equal(p9_dec_rreadlink(rreadlink, 12, &s), 0);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.data, "a/\xfe", 3);
	assert_int_equal(p9_dec_rdata_header(rread_header, 11, P9_RREAD, &v), 0);
	assert_int_equal(v, 100);
}

static void attributes_are_read(void **state)
{
	uint8_t copy[sizeof(rgetattr)];
	struct p9_attr a;

	(void)state;
	assert_int_equal(sizeof(rgetattr), 160);
	assert_int_equal(p9_dec_rgetattr(rgetattr, 160, &a), 0);
	assert_int_equal(a.valid, P9_ATTR_ALL);
	qid_expect(a.qid);
	assert_int_equal(a.mode, 0100644);
	assert_true(a.uid == 1000 && a.gid == 1001 && a.nlink == 2 && a.rdev == 3);
	assert_int_equal(a.size, 0x100000000);
	assert_true(a.blksize == 5 && a.blocks == 6);
	assert_true(a.atime.sec == 10 && a.atime.nsec == 999999999);
	assert_true(a.mtime.sec == -2 && a.mtime.nsec == 11);
	assert_true(a.ctime.sec == 12 && a.ctime.nsec == 13);
	assert_true(a.btime.sec == 14 && a.btime.nsec == 15);
	assert_true(a.gen == 16 && a.data_version == 17);

	memcpy(copy, rgetattr, sizeof(copy));
	copy[63] = 0x80; /* size: its highest bit */
	assert_int_equal(p9_dec_rgetattr(copy, 160, &a), -EBADMSG);

	memcpy(copy, rgetattr, sizeof(copy));
	copy[91]++; /* atime: over a billion ns */
	assert_int_equal(p9_dec_rgetattr(copy, 160, &a), -EBADMSG);
	copy[7] &= (uint8_t)~P9_ATTR_ATIME; /* nobody vouches for it */
	assert_int_equal(p9_dec_rgetattr(copy, 160, &a), 0);
	assert_true(a.atime.sec == 0 && a.atime.nsec == 0);
}

static void filesystem_figures_are_read(void **state)
{
	struct p9_statfs s;

	(void)state;
	assert_int_equal(p9_dec_rstatfs(rstatfs, sizeof(rstatfs), &s), 0);
	assert_true(s.type == 0x01021997 && s.bsize == 4096 && s.blocks == 1 && s.bfree == 2);
	assert_true(s.bavail == 3 && s.files == 4 && s.ffree == 5 && s.fsid == 6);
	assert_int_equal(s.namelen, 255);
}

static void directory_entries_are_read(void **state)
{
	struct p9_dirent e;
	struct p9_dec d;

	(void)state;
	p9_dec_init(&d, rreaddir_payload, sizeof(rreaddir_payload));
	assert_int_equal(p9_dec_dirent(&d, &e), 1);
	qid_expect(e.qid);
	assert_true(e.offset == 1 && e.type == 4 && e.name.len == 1);
	assert_int_equal(p9_dec_dirent(&d, &e), 1);
	assert_true(e.offset == INT64_MAX && e.type == 8 && e.name.len == 3);
	assert_memory_equal(e.name.data, "x\n\x80", 3);
	assert_int_equal(p9_dec_dirent(&d, &e), 0);
	assert_int_equal(p9_dec_dirent(&d, &e), 0);
}

static void entries_with_dangerous_names_are_errors(void **state)
{
	static const uint8_t bad[] = { '/', '\0' };
	uint8_t copy[sizeof(rreaddir_payload)];
	struct p9_dirent e;
	struct p9_dec d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad); i++) {
		memcpy(copy, rreaddir_payload, sizeof(copy));
		copy[24] = bad[i];
		p9_dec_init(&d, copy, sizeof(copy));
		assert_int_equal(p9_dec_dirent(&d, &e), -EBADMSG);
		assert_int_equal(p9_dec_dirent(&d, &e), -EBADMSG);
	}
	copy[22] = 0; /* an empty name */
	p9_dec_init(&d, copy, 24);
	assert_int_equal(p9_dec_dirent(&d, &e), -EBADMSG);
}

static void numbers_at_the_edges_are_errors(void **state)
{
	struct p9_qid q[P9_WALK_MAX];
	uint8_t walk[9 + 17 * 13] = { 9 + 17 * 13, 0, 0, 0, 111, 0, 0, 17, 0 };
	struct p9_header h;
	unsigned int n;
	uint32_t count;
	int error;

	(void)state;
	assert_int_equal(p9_dec_rwalk(walk, sizeof(walk), q, &n), -EBADMSG);
	assert_int_equal(p9_dec_header((const uint8_t[]){ 6, 0, 0, 0, 121, 0, 0 }, 7, &h),
			 -EBADMSG);
	/* 11 + count is size only if it is allowed to wrap */
	assert_int_equal(p9_dec_rdata_header((const uint8_t[]){ 10, 0, 0, 0, 117, 0, 0, 0xff,
								0xff, 0xff, 0xff },
					     11, P9_RREAD, &count),
			 -EBADMSG);
	assert_int_equal(p9_dec_error((const uint8_t[]){ 11, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0 }, 11,
				      &error),
			 0);
	assert_int_equal(error, EIO);
	assert_int_equal(p9_dec_error((const uint8_t[]){ 11, 0, 0, 0, 7, 0, 0, 0xfe, 0xff, 0xff,
							 0xff },
				      11, &error),
			 0);
	assert_int_equal(error, EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_the_bytes_of_the_protocol),
		cmocka_unit_test(requests_that_do_not_fit_are_refused),
		cmocka_unit_test(names_and_strings_the_protocol_cannot_carry_are_refused),
		cmocka_unit_test(as_many_names_are_walked_as_fit),
		cmocka_unit_test(replies_cut_short_are_errors),
		cmocka_unit_test(replies_with_bytes_left_over_are_errors),
		cmocka_unit_test(replies_of_another_size_than_they_say_are_errors),
		cmocka_unit_test(replies_with_any_byte_changed_are_harmless),
		cmocka_unit_test(replies_of_another_type_are_errors),
		cmocka_unit_test(small_replies_are_read),
		cmocka_unit_test(attributes_are_read),
		cmocka_unit_test(filesystem_figures_are_read),
		cmocka_unit_test(directory_entries_are_read),
		cmocka_unit_test(entries_with_dangerous_names_are_errors),
		cmocka_unit_test(numbers_at_the_edges_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
