// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * test_decode.c - bytes that no honest server sends, and what people type.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-nfs4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "url.h"
#include "v4.h"
#include "world.h"
#include "zdr.h"

/* Messages end where their memory does, so that ASan sees a step too far. */
struct message {
	char *bytes;
	ZDR zdr;
};

static void begin(struct message *m, const uint32_t *words, size_t count)
{
	m->bytes = malloc(count * 4);
	for (size_t i = 0; i < count; i++) {
		uint32_t net = htonl(words[i]);

		memcpy(m->bytes + i * 4, &net, 4);
	}
	libnfs_zdrmem_create(&m->zdr, m->bytes, (uint32_t)count * 4, ZDR_DECODE);
}

static void end(struct message *m)
{
	libnfs_zdr_destroy(&m->zdr);
	free(m->bytes);
}

#define BEGIN(m, ...)                               \
	begin(m, (const uint32_t[]){ __VA_ARGS__ }, \
	      sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void test_ours(void **state)
{
	(void)state;
	assert_true(nfsc_zdr_ready());
}

static void test_lengths(void **state)
{
	static const uint32_t lengths[] = { 5, 8, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff };
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		nfs_fh3 fh = { 0 };
		mountres3 mount = { 0 };
		READ3res res = { 0 };
		char *string = NULL;

		BEGIN(&m, lengths[i], 0);
		assert_false(zdr_nfs_fh3(&m.zdr, &fh));
		end(&m);
		BEGIN(&m, lengths[i], 0);
		assert_false(libnfs_zdr_string(&m.zdr, &string, 1000));
		end(&m);
		BEGIN(&m, NFS3_OK, 0, 4, 1, lengths[i], 0);
		assert_false(zdr_READ3res(&m.zdr, &res));
		end(&m);
		BEGIN(&m, MNT3_OK, 4, 0x01020304, lengths[i], 0);
		assert_false(zdr_mountres3(&m.zdr, &mount));
		end(&m);
	}
}

static void test_in_order(void **state)
{
	READ3res res = { 0 };
	char *string = NULL;
	struct message m;

	(void)state;
	BEGIN(&m, NFS3_OK, 0, 5, 1, 5, 0x68656c6c, 0x6f000000);
	assert_true(zdr_READ3res(&m.zdr, &res));
	assert_int_equal(res.READ3res_u.resok.count, 5);
	assert_int_equal(res.READ3res_u.resok.data.data_len, 5);
	assert_memory_equal(res.READ3res_u.resok.data.data_val, "hello", 5);
	end(&m);
	/* A string has an end even where the message has none. */
	BEGIN(&m, 4, 0x68656c6c);
	assert_true(libnfs_zdr_string(&m.zdr, &string, 1000));
	assert_string_equal(string, "hell");
	end(&m);
}

/* What isn't there to be read, isn't read: every answer that is cut off anywhere. */
static void test_cut_off(void **state)
{
	static const uint32_t lookup[] = { NFS3_OK, 8, 1, 2, 1, 1, 0644, 1, 0, 0, 0, 5, 0, 8,
					   0,	    0, 0, 1, 0, 2, 3,	 4, 5, 6, 7, 8, 0 };
	size_t all = sizeof(lookup) / sizeof(lookup[0]);
	struct message m;

	(void)state;
	for (size_t count = 0; count <= all; count++) {
		LOOKUP3res res = { 0 };

		begin(&m, lookup, count);
		assert_int_equal(zdr_LOOKUP3res(&m.zdr, &res), count == all);
		end(&m);
	}
}

/* A million entries that aren't there, and a list longer than a message may be. */
static void test_lists(void **state)
{
	size_t count = 600000;
	uint32_t *words = calloc(count, sizeof(*words));
	READDIR3res res = { 0 };
	COMPOUND4res compound = { 0 };
	struct message m;

	(void)state;
	BEGIN(&m, NFS4_OK, 0, 0x10000000, OP_PUTFH, NFS4_OK);
	assert_false(zdr_COMPOUND4res(&m.zdr, &compound));
	end(&m);
	for (size_t i = 4; i + 6 < count; i += 6)
		words[i] = 1; /* one more: fileid, name of no bytes, cookie */
	begin(&m, words, count);
	assert_false(zdr_READDIR3res(&m.zdr, &res));
	end(&m);
	free(words);
}

/* --- Attributes of version 4 ------------------------------------------------------------------ */

static fattr4 attrs(uint32_t mask[2], uint32_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		words[i] = htonl(words[i]);
	return (fattr4){
		.attrmask = { .bitmap4_len = 2, .bitmap4_val = mask },
		.attr_vals = { .attrlist4_len = (u_int)count * 4, .attrlist4_val = (char *)words },
	};
}

static void test_attributes(void **state)
{
	uint32_t mask[2] = { 1 << FATTR4_TYPE | 1 << FATTR4_SIZE, 1 << (FATTR4_OWNER - 32) };
	uint32_t words[] = { NF4REG, 1, 2, 5, 0x31323334, 0x35000000 };
	struct nfsc_fh fh = { .len = 1 };
	struct nfsc4_told told;
	struct netfs_attr attr;
	fattr4 from = attrs(mask, words, 6);

	(void)state;
	assert_true(nfsc4_decode(&from, nfsc4_file_mask, &told));
	assert_int_equal(told.attr.st.st_size, (1ull << 32) + 2);
	assert_int_equal(told.attr.st.st_uid, 12345);
	assert_false(told.attr.vouched);
	assert_true(nfsc4_take_attr(&from, &fh, &attr));
	for (u_int len = 0; len < 24; len++) {
		from.attr_vals.attrlist4_len = len;
		assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	}
	/* What wasn't asked for. */
	from.attr_vals.attrlist4_len = 24;
	mask[0] |= 1 << FATTR4_ACL;
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	mask[0] = 1 << FATTR4_SIZE;
	mask[1] = 0;
	assert_true(nfsc4_decode(&from, nfsc4_file_mask, &told));
	assert_false(nfsc4_take_attr(&from, &fh, &attr));
}

static void test_mad_attributes(void **state)
{
	uint32_t size_mask[2] = { 1 << FATTR4_SIZE, 0 }, type_mask[2] = { 1 << FATTR4_TYPE, 0 };
	uint32_t time_mask[2] = { 0, 1 << (FATTR4_TIME_MODIFY - 32) };
	uint32_t owner_mask[2] = { 0, 1 << (FATTR4_OWNER - 32) };
	uint32_t huge[] = { 0x80000000, 0 }, types[] = { 99 }, zero[] = { 0 };
	uint32_t nsec[] = { 0, 1, 1000000000 }, name[] = { 0xffffffff, 0, 0 };
	struct nfsc4_told told;
	fattr4 from;

	(void)state;
	from = attrs(size_mask, huge, 2);
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	from = attrs(type_mask, types, 1);
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	from = attrs(type_mask, zero, 1);
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	from = attrs(time_mask, nsec, 3);
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
	from = attrs(owner_mask, name, 3);
	assert_false(nfsc4_decode(&from, nfsc4_file_mask, &told));
}

/* --- URLs ------------------------------------------------------------------------------------- */

static void test_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"nfs:",
		"nfs://",
		"nfs://host",
		"nfs:///x",
		"http://h/x",
		"nfs://h:/x",
		"nfs://h:0/x",
		"nfs://h:65536/x",
		"nfs://h:1a/x",
		"nfs://[::1/x",
		"nfs://[]/x",
		"nfs://[::1]2049/x",
		"nfs://h:99999999999999999999/x",
	};
	struct nfsc_url url;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(nfsc_url_parse(bad[i], &url));
	assert_true(nfsc_url_parse("nfs://some.host/export/with space//", &url));
	assert_string_equal(url.host, "some.host");
	assert_int_equal(url.port, 2049);
	assert_string_equal(url.path, "/export/with space");
	assert_true(nfsc_url_parse("nfs://[::1]:65535/", &url));
	assert_string_equal(url.host, "::1");
	assert_int_equal(url.port, 65535);
	assert_string_equal(url.path, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ours),	       cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_in_order),       cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_lists),	       cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_mad_attributes), cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
