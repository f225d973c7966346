// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fskind.c - judge what a filesystem promises across a crash (docs/design.md, "Crash consistency").
 *
 * Each reason why a filesystem is not *ordered* was the cause of wrong bytes in a power cut, or
 * can't be excluded to be one. What can't be determined counts as the worse. Both backends look
 * with their own means and judge by this.
 */
#include <linux/fs.h>
#include <linux/stat.h>

#include <fscache/env.h>

#include "fskind.h"

#define MAX_ALIGN FSC_GRANULE_SIZE
#define ALIGN_UNKNOWN 4096u

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

/* Of FS_IOC_GETFLAGS, with the names that ext4 has for them. */
#define INLINE_DATA 0x10000000u

/* --- Texts ----------------------------------------------------------------------------------- */

/* Is there an option @name, with or without "=...", in a list separated by @by? */
static bool has_option(const char *list, const char *name, char by)
{
	size_t len = strlen(name);
	const char *p = list;

	while (p) {
		if (!strncmp(p, name, len) &&
		    (p[len] == 0 || p[len] == by || p[len] == '=' || name[len - 1] == '='))
			return true;
		p = strchr(p, by);
		p = p ? p + 1 : NULL;
	}
	return false;
}

/* --- Judging --------------------------------------------------------------------------------- */

static void give(struct fsc_fs_verdict *v, enum fsc_fs_kind kind, const char *why)
{
	v->kind = kind;
	v->why = why;
}

/* What holds for ext4 and XFS alike: direct writes have to be direct. NULL: nothing against it. */
static const char *against_direct(const struct fsc_fs_facts *f)
{
	if (!f->probed)
		return "no file could be made to try";
	if (f->too_full)
		return "the disk is too full to try";
	if (!f->direct_works)
		return "direct I/O is refused";
	if (!f->align_known)
		return "the kernel doesn't say whether direct I/O is direct";
	if (!f->offset_align)
		return "direct I/O goes through the page cache here";
	if (f->offset_align > MAX_ALIGN || f->memory_align > MAX_ALIGN)
		return "direct I/O needs more than 4 KiB";
	if (f->attributes & STATX_ATTR_ENCRYPTED)
		return "encrypted folder";
	if (f->attributes & STATX_ATTR_VERITY)
		return "fs-verity";
	if (f->attributes & STATX_ATTR_DAX)
		return "DAX";
	return NULL;
}

static const char *against_ext4_order(const struct fsc_fs_facts *f)
{
	const char *o = f->ext4_options;

	if (!o)
		return "its options can't be read";
	if (f->jbd2_inner != 1)
		return "its journal is on another device";
	if (has_option(o, "nobarrier", '\n') || has_option(o, "barrier=0", '\n'))
		return "barriers are off";
	if (has_option(o, "journal_async_commit", '\n'))
		return "journal_async_commit";
	if (has_option(o, "data=journal", '\n') || f->inode_flags & FS_JOURNAL_DATA_FL)
		return "data=journal";
	if (f->inode_flags & INLINE_DATA)
		return "inline_data";
	if (f->probed && !(f->inode_flags & FS_EXTENT_FL))
		return "files without extents";
	return against_direct(f);
}

/* A journal shows in jbd2's folder, or in the options that only a journal has. */
static void judge_ext4(const struct fsc_fs_facts *f, struct fsc_fs_verdict *v)
{
	bool has_journal = f->jbd2_inner == 1 ||
			   (f->ext4_options && has_option(f->ext4_options, "data=", '\n'));
	const char *why;

	if (!has_journal) {
		give(v, FSC_FS_VOLATILE,
		     f->ext4_options ? "it has no journal" : "can't tell whether it has a journal");
		return;
	}
	v->barriers_off = f->ext4_options && (has_option(f->ext4_options, "nobarrier", '\n') ||
					      has_option(f->ext4_options, "barrier=0", '\n'));
	why = against_ext4_order(f);
	give(v, why ? FSC_FS_STRICT : FSC_FS_ORDERED, why ? why : "it has a journal");
}

static void judge_xfs(const struct fsc_fs_facts *f, struct fsc_fs_verdict *v)
{
	const char *o = f->super_options;
	const char *why;

	v->barriers_off = o && has_option(o, "nobarrier", ',');
	if (!o)
		why = "its options can't be read";
	else if (has_option(o, "logdev", ','))
		why = "its log is on another device";
	else if (has_option(o, "rtdev", ',') || f->realtime)
		why = "it has a realtime device";
	else if (v->barriers_off)
		why = "barriers are off";
	else
		why = against_direct(f);
	give(v, why ? FSC_FS_STRICT : FSC_FS_ORDERED, why ? why : "it has a log");
}

/* "fuse", "fuseblk", "fuse.sshfs": what is behind it may not be what a close left. */
static bool is_remote(const char *type)
{
	static const char *const names[] = {
		"fuse", "fuseblk", "virtiofs", "nfs",   "nfs4",   "cifs",   "smb3",	"9p",
		"ceph", "afs",	   "coda",     "gfs2",  "ocfs2",  "lustre", "glusterfs", "orangefs",
		"pvfs2", "beegfs", "gpfs",     "vboxsf", "vmhgfs", "prl_fs",
	};
	size_t i;

	if (!strncmp(type, "fuse.", 5))
		return true;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(type, names[i]))
			return true;
	return false;
}

static void judge_type(const struct fsc_fs_facts *f, struct fsc_fs_verdict *v)
{
	if (!strcmp(f->type, "ext4")) {
		judge_ext4(f, v);
	} else if (!strcmp(f->type, "xfs")) {
		judge_xfs(f, v);
	} else if (!strcmp(f->type, "btrfs")) {
		give(v, FSC_FS_STRICT, "it doesn't order data and metadata");
	} else if (!strcmp(f->type, "tmpfs") || !strcmp(f->type, "ramfs")) {
		give(v, FSC_FS_VOLATILE, "nothing on it outlives a crash");
		v->forgets = true;
	} else if (is_remote(f->type)) {
		give(v, FSC_FS_VOLATILE, "what it keeps is not in this machine's hands");
		v->never_clean = true;
	} else {
		give(v, FSC_FS_VOLATILE, "not a filesystem whose crashes were studied");
	}
}

static void judge_direct(const struct fsc_fs_facts *f, struct fsc_fs_verdict *v)
{
	bool stated = f->align_known && f->offset_align;

	v->io_align = stated ? f->offset_align : ALIGN_UNKNOWN;
	v->mem_align = stated && f->memory_align ? f->memory_align : ALIGN_UNKNOWN;
	/* A transfer that goes on where it was cut short does so in memory as well. */
	if (v->io_align < v->mem_align)
		v->io_align = v->mem_align;
	v->direct = f->probed && f->direct_works && v->io_align <= MAX_ALIGN &&
		    v->mem_align <= MAX_ALIGN;
}

/* Where blocks are a real thing: on a network they're a preferred size. */
static bool blocks_too_big(const struct fsc_fs_facts *f, const struct fsc_fs_verdict *v)
{
	return f->block_size > FSC_GRANULE_SIZE && !v->never_clean && !v->forgets;
}

void fsc_fs_judge(const struct fsc_fs_facts *facts, bool buffered, struct fsc_fs_verdict *out)
{
	memset(out, 0, sizeof(*out));
	judge_type(facts, out);
	judge_direct(facts, out);
	if (blocks_too_big(facts, out)) {
		out->err = -EOPNOTSUPP;
		out->why = "its blocks are over 4 KiB";
		return;
	}
	out->direct = out->direct && !buffered;
	if (!out->direct) {
		out->io_align = 1;
		out->mem_align = 1;
		if (out->kind == FSC_FS_ORDERED)
			give(out, FSC_FS_STRICT, "buffered, as asked for");
	}
}
