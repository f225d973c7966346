// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * probe.c - look at the filesystem under the cache, and try on a tmpfile what it can do.
 *
 * Nothing is left behind: this happens before the directory is ours by its lock.
 */
#include <linux/fs.h> /* falloc.h needs it */
#include <linux/falloc.h>
#include <linux/fileattr.h>

#include "fskind.h"
#include "internal.h"

struct seen {
	struct fsc_fs_facts facts;
	struct fsc_kb_texts texts;
	uint32_t xattr_max;
};

/* A full disk must not keep a cache from being opened: it's by opening that it makes room. */
static bool disk_is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static int try_direct(struct fsc_fs_facts *f, struct file *file)
{
	struct page *page;
	int err;

	if (!(file->f_mode & FMODE_CAN_ODIRECT))
		return 0;
	page = alloc_page(GFP_NOFS | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	err = fsc_kb_transfer_page(file, page, true);
	if (!err)
		err = fsc_kb_transfer_page(file, page, false);
	f->too_full |= disk_is_full(err);
	f->direct_works = !err || disk_is_full(err);
	__free_page(page);
	return 0;
}

/* One byte is enough to go inline on an ext4 that has the feature. */
static void look_at_flags(struct fsc_fs_facts *f, struct file *file)
{
	struct fileattr fa = { 0 };
	loff_t pos = 0;

	if (disk_is_full((int)kernel_write(file, "", 1, &pos)))
		f->too_full = true;
	if (vfs_fileattr_get(file->f_path.dentry, &fa))
		return;
	f->inode_flags = fa.flags;
	f->realtime = fa.fsx_valid && fa.fsx_xflags & FS_XFLAG_REALTIME;
}

static void look_at_alignment(struct fsc_fs_facts *f, struct file *file)
{
	struct kstat st;

	if (vfs_getattr_nosec(&file->f_path, &st, STATX_BASIC_STATS | STATX_DIOALIGN,
			      AT_STATX_SYNC_AS_STAT))
		return;
	f->attributes = st.attributes;
	f->align_known = st.result_mask & STATX_DIOALIGN;
	f->offset_align = st.dio_offset_align;
	f->memory_align = st.dio_mem_align;
}

/* Without it no range can be forgotten. */
static int try_punch(struct file *file)
{
	int err = vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				FSC_GRANULE_SIZE);

	return disk_is_full(err) ? 0 : err;
}

static int look_at_file(struct fsc_kb *kb, struct seen *s, struct file *file)
{
	int err, max;

	s->facts.probed = true;
	look_at_flags(&s->facts, file);
	err = try_direct(&s->facts, file);
	if (!err)
		err = try_punch(file);
	if (err)
		return err;
	look_at_alignment(&s->facts, file);
	max = fsc_kb_xattr_max(kb, file->f_path.dentry);
	if (max < 0)
		return max;
	s->xattr_max = (uint32_t)max;
	return 0;
}

static int try_file(struct fsc_kb *kb, struct seen *s)
{
	int err = mnt_want_write(kb->root.mnt);
	struct file *file;

	if (err)
		return err;
	file = fsc_open_tmpfile(&kb->root, FSC_KB_OPEN, kb->cred);
	mnt_drop_write(kb->root.mnt);
	s->xattr_max = 256;
	if (IS_ERR(file))
		return disk_is_full((int)PTR_ERR(file)) ? 0 : (int)PTR_ERR(file);
	err = look_at_file(kb, s, file);
	fsc_kb_put_file(kb, file);
	return err;
}

/* --- The whole -------------------------------------------------------------------------------- */

static const char *kind_name(enum fsc_fs_kind kind)
{
	return kind == FSC_FS_ORDERED  ? "ordered"
	       : kind == FSC_FS_STRICT ? "strict"
				       : "volatile";
}

static int refuse(struct fsc_kb *kb, int err, const char *why)
{
	fsc_log(FSC_LOG_WARN, "%pd2 (%s) can't be a cache: %s (%pe)", kb->root.dentry,
		kb->root.mnt->mnt_sb->s_type->name, why, ERR_PTR(err));
	return err;
}

/* On a disk too full to try, direct I/O is taken to work: it is what opening files asks for. */
static int apply(struct fsc_kb *kb, const struct seen *s, const struct fsc_fs_verdict *v)
{
	const char *type = kb->root.mnt->mnt_sb->s_type->name;

	if (v->err)
		return refuse(kb, v->err, v->why);
	if (s->facts.probed && !v->direct)
		return refuse(kb, -EOPNOTSUPP, "no direct I/O");
	fsc_log(FSC_LOG_INFO, "%pd2: %s on %s: %s", kb->root.dentry, kind_name(v->kind), type,
		v->why);
	if (v->barriers_off)
		fsc_log(FSC_LOG_WARN,
			"%pd2: barriers are off; after a power cut the cache may hold wrong data",
			kb->root.dentry);
	kb->be.io_align = s->facts.probed ? v->io_align : FSC_GRANULE_SIZE;
	kb->be.mem_align = s->facts.probed ? v->mem_align : FSC_GRANULE_SIZE;
	kb->be.xattr_max = s->xattr_max;
	kb->be.kind = v->kind;
	kb->be.forgets = v->forgets;
	kb->be.never_clean = v->never_clean;
	return 0;
}

static int look_and_judge(struct fsc_kb *kb, struct seen *s)
{
	struct fsc_fs_verdict verdict;
	int err;

	fsc_kb_look_at_super(kb->root.mnt->mnt_sb, &s->texts, &s->facts);
	err = try_file(kb, s);
	if (err == -EOPNOTSUPP)
		refuse(kb, err, "no O_TMPFILE, hole punching or user xattrs");
	if (!err) {
		fsc_fs_judge(&s->facts, false, &verdict);
		err = apply(kb, s, &verdict);
	}
	return err;
}

int fsc_kb_probe(void *arg)
{
	struct fsc_kb *kb = arg;
	struct seen *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct fsc_kb_scope scope;
	int err;

	if (!s)
		return -ENOMEM;
	scope = fsc_kb_enter(kb);
	err = look_and_judge(kb, s);
	fsc_kb_leave(scope);
	kfree(s);
	return err;
}
