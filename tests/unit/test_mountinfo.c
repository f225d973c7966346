// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* test_mountinfo.c - texts such as the kernel writes of mounts, and of a boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mountinfo.h"

static const char mountinfo[] =
	"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
	"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard,errors=remount-ro\n"
	"127 27 7:1 / /mnt/a\\040-\\040b rw shared:9 master:1 - xfs /dev/loop1 rw,logdev=/dev/x\n"
	"128 27 0:50 / /s rw - tmpfs  rw,size=4k\n"
	"129 27 0:51 / /u rw - fuse.sshfs u@h:/x rw,user_id=0";

static void assert_mount(uint64_t id, const char *type, const char *options)
{
	char t[16], o[64];

	assert_true(fsc_fs_find_mount(mountinfo, id, t, sizeof(t), o, sizeof(o)));
	assert_string_equal(t, type);
	assert_string_equal(o, options);
}

static void test_a_mount_is_found_by_its_id(void **state)
{
	char t[4], o[4];

	(void)state;
	assert_mount(22, "proc", "rw");
	assert_mount(27, "ext4", "rw,discard,errors=remount-ro");
	assert_mount(127, "xfs", "rw,logdev=/dev/x");
	assert_mount(128, "tmpfs", "rw,size=4k"); /* a source without a name */
	assert_mount(129, "fuse.sshfs", "rw,user_id=0");
	assert_false(fsc_fs_find_mount(mountinfo, 7, t, sizeof(t), o, sizeof(o)));
	assert_false(fsc_fs_find_mount("", 7, t, sizeof(t), o, sizeof(o)));
	assert_false(fsc_fs_find_mount("7 1 0:1 / /x rw\n8 1 0:1 / /y rw - a b c\n", 7, t,
				       sizeof(t), o, sizeof(o)));
	assert_true(fsc_fs_find_mount(mountinfo, 129, t, sizeof(t), o, sizeof(o)));
	assert_string_equal(t, "fus");
	assert_string_equal(o, "rw,");
	assert_true(fsc_fs_find_mount("7 1 0:1 / /x rw - x", 7, t, sizeof(t), o, sizeof(o)));
	assert_string_equal(o, "");
}

static void test_a_boot_id_is_parsed(void **state)
{
	static const uint8_t expected[16] = { 0x53, 0xd3, 0x16, 0xa5, 0xac, 0x4b, 0x40, 0xde,
					      0xb7, 0x07, 0x6f, 0x33, 0x0d, 0x00, 0xff, 0x1a };
	uint8_t out[16];

	(void)state;
	assert_true(fsc_fs_parse_uuid("53d316a5-ac4b-40de-b707-6f330d00ff1a\n", out));
	assert_memory_equal(out, expected, 16);
	assert_true(fsc_fs_parse_uuid("53D316A5-AC4B-40DE-B707-6F330D00FF1A", out));
	assert_memory_equal(out, expected, 16);
	assert_false(fsc_fs_parse_uuid("", out));
	assert_false(fsc_fs_parse_uuid("53d316a5-ac4b-40de-b707-6f330d00ff1", out));
	assert_false(fsc_fs_parse_uuid("53d316a5-ac4b-40de-b707-6f330d00ff1a0", out));
	assert_false(fsc_fs_parse_uuid("53d316a5ac4b40deb7076f330d00ff1a", out));
	assert_false(fsc_fs_parse_uuid("g3d316a5-ac4b-40de-b707-6f330d00ff1a", out));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mount_is_found_by_its_id),
		cmocka_unit_test(test_a_boot_id_is_parsed),
	};

	return cmocka_run_group_tests_name("mountinfo", tests, NULL, NULL);
}
