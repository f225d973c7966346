// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_like_kernel.c - keys and coherency data as Linux's own 9p has them: the bytes are written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "nine.h"

static struct netfs_attr label(enum nine_qids qids, const struct p9_attr *a)
{
	static struct nine fs;
	struct netfs_attr out = { .vouched = true };

	fs.opt.qids = qids;
	nine_label_like_kernel(&fs, a, &out);
	return out;
}

static void assert_key(const struct netfs_attr *a, const char *bytes)
{
	assert_int_equal(a->key_len, 8);
	assert_memory_equal(a->key, bytes, 8);
}

static void assert_label(const struct netfs_attr *a, const char *bytes)
{
	assert_true(a->vouched);
	assert_int_equal(a->label_len, 4);
	assert_memory_equal(a->label, bytes, 4);
}

static const struct p9_attr attr = {
	.qid = { .version = 0xa1b2c3d4, .path = 0x0102030405060708 },
	.size = 0x123456789,
	.mtime = { .sec = 0x165432100, .nsec = 77 },
};

static void of_the_server_itself(void **state)
{
	struct netfs_attr a = label(NINE_QIDS_SERVER, &attr);

	(void)state;
	assert_key(&a, "\x08\x07\x06\x05\x04\x03\x02\x01");
	assert_label(&a, "\xd4\xc3\xb2\xa1");
}

/* 0x65432100 ^ 0x45678900 */
static void of_qemu(void **state)
{
	struct netfs_attr a = label(NINE_QIDS_QEMU, &attr);

	(void)state;
	assert_key(&a, "\x08\x07\x06\x05\x04\x03\x02\x01");
	assert_label(&a, "\x00\xa8\x24\x20");
}

static void of_qemu_that_remaps(void **state)
{
	struct netfs_attr a = label(NINE_QIDS_QEMU_REMAP, &attr);

	(void)state;
	assert_key(&a, "\x11\x0e\x0c\x0a\x08\x06\x04\x02");
	assert_label(&a, "\x00\xa8\x24\x20");
}

static void without_a_version(void **state)
{
	struct p9_attr none = attr, both = attr;

	(void)state;
	none.qid.version = 0;
	assert_false(label(NINE_QIDS_SERVER, &none).vouched);
	assert_true(label(NINE_QIDS_QEMU, &none).vouched);
	both.mtime.sec = 4096 << 8;
	both.size = 4096;
	assert_false(label(NINE_QIDS_QEMU, &both).vouched);
}

static void assert_volume(const char *source, const char *tag, const char *wanted)
{
	char *key = nine_volume_like_kernel(source, tag);

	assert_string_equal(key, wanted);
	free(key);
}

static void volumes(void **state)
{
	(void)state;
	assert_volume("10.0.0.2", "/srv/export", "9p,10.0.0.2,;srv;export");
	assert_volume("/run/9p.sock", "", "9p,;run;9p.sock,");
	assert_volume("share", "a,b", "9p,share,a,b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_server_itself),
		cmocka_unit_test(of_qemu),
		cmocka_unit_test(of_qemu_that_remaps),
		cmocka_unit_test(without_a_version),
		cmocka_unit_test(volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
