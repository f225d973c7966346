/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* test_fskind.c - what is promised of a filesystem, judged from texts such as the kernel writes. */
#include <errno.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/stat.h>

#include "fskind.h"

#define INLINE_DATA 0x10000000u

/* As Linux 6.1 writes it for a fresh ext4. */
#define EXT4_OPTIONS \
	"rw\nbsddf\nnogrpid\nblock_validity\ndioread_nolock\nnodiscard\ndelalloc\n" \
	"nowarn_on_error\njournal_checksum\nbarrier\nauto_da_alloc\nuser_xattr\nacl\n" \
	"noquota\nresuid=0\nresgid=0\nerrors=continue\ncommit=5\nmin_batch_time=0\n" \
	"max_batch_time=15000\nstripe=0\ndata=ordered\ninode_readahead_blks=32\n" \
	"init_itable=10\nmax_dir_size_kb=0\n"

static struct fsc_fs_facts facts_of(const char *type)
{
	return (struct fsc_fs_facts){
		.type = type,
		.super_options = "rw",
		.ext4_options = strcmp(type, "ext4") ? NULL : EXT4_OPTIONS,
		.jbd2_inner = strcmp(type, "ext4") ? -1 : 1,
		.block_size = 4096,
		.probed = true,
		.direct_works = true,
		.align_known = true,
		.offset_align = 512,
		.memory_align = 4,
		.inode_flags = FS_EXTENT_FL,
	};
}

static struct fsc_fs_verdict judge(const struct fsc_fs_facts *f)
{
	struct fsc_fs_verdict v;

	fsc_fs_judge(f, false, &v);
	assert_int_equal(v.err, 0);
	assert_non_null(v.why);
	return v;
}

static void assert_kind(const struct fsc_fs_facts *f, enum fsc_fs_kind kind, const char *why)
{
	struct fsc_fs_verdict v = judge(f);

	if (v.kind != kind || !strstr(v.why, why))
		fail_msg("kind %d, \"%s\" instead of %d, \"%s\"", v.kind, v.why, kind, why);
}

/* --- ext4 ------------------------------------------------------------------------------------ */

static void test_ext4_with_a_journal_is_ordered(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");
	struct fsc_fs_verdict v = judge(&f);

	(void)state;
	assert_int_equal(v.kind, FSC_FS_ORDERED);
	assert_true(v.direct);
	assert_int_equal(v.io_align, 512);
	assert_int_equal(v.mem_align, 4);
	assert_false(v.forgets || v.never_clean || v.barriers_off);
}

static void test_ext4_options_that_break_the_order_make_it_strict(void **state)
{
	static const struct {
		const char *options, *why;
	} cases[] = {
		{ "rw\nbarrier\ndata=journal\n", "data=journal" },
		{ "rw\nnobarrier\ndata=ordered\n", "barriers" },
		{ "rw\nbarrier=0\ndata=ordered\n", "barriers" },
		{ "rw\nbarrier\njournal_async_commit\ndata=ordered\n", "journal_async_commit" },
		{ "data=journal", "data=journal" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fsc_fs_facts f = facts_of("ext4");

		f.ext4_options = cases[i].options;
		assert_kind(&f, FSC_FS_STRICT, cases[i].why);
		assert_int_equal(judge(&f).barriers_off, strstr(cases[i].why, "barriers") != NULL);
	}
}

static void test_ext4_options_that_only_look_alike_change_nothing(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.ext4_options = "rw\nbarrier=1\nnojournal_async_commit\ndata=ordered\nxdata=journal\n";
	assert_kind(&f, FSC_FS_ORDERED, "journal");
	f.ext4_options = "rw\nbarrier\ndata=writeback\n";
	assert_kind(&f, FSC_FS_ORDERED, "journal");
}

static void test_ext4_without_a_journal_is_volatile(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.jbd2_inner = 0;
	f.ext4_options = "rw\nbarrier\ncommit=5\n";
	assert_kind(&f, FSC_FS_VOLATILE, "no journal");
	assert_false(judge(&f).forgets || judge(&f).never_clean);
}

static void test_ext4_of_unknown_journal_is_volatile(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.ext4_options = NULL;
	f.jbd2_inner = -1;
	assert_kind(&f, FSC_FS_VOLATILE, "can't tell");
	f.jbd2_inner = 0;
	assert_kind(&f, FSC_FS_VOLATILE, "can't tell");
}

static void test_ext4_with_what_cant_be_determined_is_strict(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.ext4_options = NULL; /* the journal is there, its options aren't */
	assert_kind(&f, FSC_FS_STRICT, "can't be read");
	f = facts_of("ext4");
	f.jbd2_inner = 0; /* data= says that there is one */
	assert_kind(&f, FSC_FS_STRICT, "another device");
	f.jbd2_inner = -1;
	assert_kind(&f, FSC_FS_STRICT, "another device");
}

static void test_ext4_inodes_tell_too(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.inode_flags = FS_EXTENT_FL | INLINE_DATA;
	assert_kind(&f, FSC_FS_STRICT, "inline_data");
	f.inode_flags = FS_EXTENT_FL | FS_JOURNAL_DATA_FL;
	assert_kind(&f, FSC_FS_STRICT, "data=journal");
	f.inode_flags = 0;
	assert_kind(&f, FSC_FS_STRICT, "extents");
}

/* --- Direct I/O ------------------------------------------------------------------------------ */

static void direct_matters_to(const char *type)
{
	struct fsc_fs_facts f = facts_of(type);

	assert_kind(&f, FSC_FS_ORDERED, "it has a");
	f.memory_align = 2048; /* what goes on where it was cut short keeps it */
	assert_int_equal(judge(&f).io_align, 2048);
	assert_int_equal(judge(&f).mem_align, 2048);
	f.memory_align = 4;
	f.offset_align = 0; /* fscrypt, chattr +j */
	assert_kind(&f, FSC_FS_STRICT, "page cache");
	assert_true(judge(&f).direct);
	assert_int_equal(judge(&f).io_align, 4096);
	f = facts_of(type);
	f.align_known = false;
	assert_kind(&f, FSC_FS_STRICT, "doesn't say");
	f = facts_of(type);
	f.attributes = STATX_ATTR_ENCRYPTED;
	assert_kind(&f, FSC_FS_STRICT, "encrypted");
	f.attributes = STATX_ATTR_VERITY;
	assert_kind(&f, FSC_FS_STRICT, "verity");
	f.attributes = STATX_ATTR_DAX;
	assert_kind(&f, FSC_FS_STRICT, "DAX");
	f.attributes = STATX_ATTR_NODUMP | STATX_ATTR_COMPRESSED;
	assert_kind(&f, FSC_FS_ORDERED, "it has a");
}

static void test_direct_writes_must_be_direct(void **state)
{
	(void)state;
	direct_matters_to("ext4");
	direct_matters_to("xfs");
}

static void test_without_direct_io_it_is_buffered_and_strict(void **state)
{
	struct fsc_fs_facts f = facts_of("xfs");
	struct fsc_fs_verdict v;

	(void)state;
	f.direct_works = false;
	v = judge(&f);
	assert_int_equal(v.kind, FSC_FS_STRICT);
	assert_false(v.direct);
	assert_int_equal(v.io_align, 1);
	assert_int_equal(v.mem_align, 1);
	f = facts_of("xfs");
	f.offset_align = 8192;
	v = judge(&f);
	assert_int_equal(v.kind, FSC_FS_STRICT);
	assert_false(v.direct);
	f = facts_of("xfs");
	f.probed = false; /* a full disk */
	v = judge(&f);
	assert_int_equal(v.kind, FSC_FS_STRICT);
	assert_false(v.direct);
}

static void test_what_a_full_disk_hides_is_strict(void **state)
{
	struct fsc_fs_facts f = facts_of("ext4");

	(void)state;
	f.too_full = true;
	assert_kind(&f, FSC_FS_STRICT, "too full");
	assert_true(judge(&f).direct);
}

static void test_buffered_is_at_least_strict(void **state)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "zfs", "tmpfs" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct fsc_fs_facts f = facts_of(types[i]);
		struct fsc_fs_verdict v;

		fsc_fs_judge(&f, true, &v);
		assert_int_equal(v.kind, i < 3 ? FSC_FS_STRICT : FSC_FS_VOLATILE);
		assert_false(v.direct);
		assert_int_equal(v.io_align, 1);
	}
}

/* --- Others ---------------------------------------------------------------------------------- */

static void test_xfs_options_that_break_the_order_make_it_strict(void **state)
{
	static const char *const options[] = {
		"rw,attr2,inode64,logdev=/dev/sdb1,noquota",
		"rw,attr2,rtdev=/dev/sdc",
		"rw,nobarrier",
	};
	struct fsc_fs_facts f = facts_of("xfs");
	size_t i;

	(void)state;
	f.super_options = "rw,attr2,inode64,logbufs=8,logbsize=32k,noquota";
	assert_kind(&f, FSC_FS_ORDERED, "log");
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		f.super_options = options[i];
		assert_kind(&f, FSC_FS_STRICT, "");
		assert_int_equal(judge(&f).barriers_off, i == 2);
	}
	f.super_options = NULL;
	assert_kind(&f, FSC_FS_STRICT, "can't be read");
	f = facts_of("xfs");
	f.realtime = true;
	assert_kind(&f, FSC_FS_STRICT, "realtime");
}

static void test_btrfs_is_always_strict(void **state)
{
	struct fsc_fs_facts f = facts_of("btrfs");

	(void)state;
	assert_kind(&f, FSC_FS_STRICT, "order");
	assert_true(judge(&f).direct);
}

static void test_tmpfs_forgets(void **state)
{
	struct fsc_fs_facts f = facts_of("tmpfs");

	(void)state;
	f.direct_works = false;
	assert_kind(&f, FSC_FS_VOLATILE, "outlives");
	assert_true(judge(&f).forgets);
	assert_false(judge(&f).never_clean);
}

static void test_what_is_elsewhere_is_never_clean(void **state)
{
	static const char *const remote[] = { "fuse", "fuse.sshfs", "fuseblk", "nfs", "nfs4",
					      "cifs", "9p", "ceph" };
	static const char *const local[] = { "overlay", "zfs", "ext3", "ext2", "fusex", "" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(remote) / sizeof(remote[0]); i++) {
		struct fsc_fs_facts f = facts_of(remote[i]);

		f.block_size = 1 << 20; /* a preferred size, no blocks */
		assert_kind(&f, FSC_FS_VOLATILE, "");
		assert_true(judge(&f).never_clean);
	}
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		struct fsc_fs_facts f = facts_of(local[i]);

		assert_kind(&f, FSC_FS_VOLATILE, "");
		assert_false(judge(&f).never_clean || judge(&f).forgets);
	}
}

static void test_blocks_over_a_granule_are_refused(void **state)
{
	struct fsc_fs_facts f = facts_of("xfs");
	struct fsc_fs_verdict v;

	(void)state;
	f.block_size = 16384;
	fsc_fs_judge(&f, false, &v);
	assert_int_equal(v.err, -EOPNOTSUPP);
	f.block_size = 1024;
	fsc_fs_judge(&f, false, &v);
	assert_int_equal(v.err, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ext4_with_a_journal_is_ordered),
		cmocka_unit_test(test_ext4_options_that_break_the_order_make_it_strict),
		cmocka_unit_test(test_ext4_options_that_only_look_alike_change_nothing),
		cmocka_unit_test(test_ext4_without_a_journal_is_volatile),
		cmocka_unit_test(test_ext4_of_unknown_journal_is_volatile),
		cmocka_unit_test(test_ext4_with_what_cant_be_determined_is_strict),
		cmocka_unit_test(test_ext4_inodes_tell_too),
		cmocka_unit_test(test_direct_writes_must_be_direct),
		cmocka_unit_test(test_without_direct_io_it_is_buffered_and_strict),
		cmocka_unit_test(test_what_a_full_disk_hides_is_strict),
		cmocka_unit_test(test_buffered_is_at_least_strict),
		cmocka_unit_test(test_xfs_options_that_break_the_order_make_it_strict),
		cmocka_unit_test(test_btrfs_is_always_strict),
		cmocka_unit_test(test_tmpfs_forgets),
		cmocka_unit_test(test_what_is_elsewhere_is_never_clean),
		cmocka_unit_test(test_blocks_over_a_granule_are_refused),
	};

	return cmocka_run_group_tests_name("fskind", tests, NULL, NULL);
}
