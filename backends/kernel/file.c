// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* file.c - the file operations of backend.h that are not transfers. */
#include <linux/fs.h> /* falloc.h needs it */
#include <linux/falloc.h>
#include <linux/ktime.h>
#include <linux/timekeeping.h>

#include "internal.h"

/* How far an access time may be from the clock before touch writes it. */
#define ATIME_SLACK_S 60

/* Takes over @file, also if that fails. */
static int new_file(struct fsc_kb *kb, struct file *file, struct fsc_file **out)
{
	struct fsc_file *f;

	if (IS_ERR(file))
		return PTR_ERR(file);
	f = kmalloc(sizeof(*f), GFP_NOFS);
	if (!f) {
		fsc_kb_put_file(kb, file);
		return -ENOMEM;
	}
	f->kb = kb;
	f->file = file;
	*out = f;
	return 0;
}

static struct file *open_regular(struct fsc_dir *dir, const char *name)
{
	struct path path = { .mnt = dir->kb->root.mnt };
	struct file *file = ERR_PTR(-EUCLEAN);

	path.dentry = fsc_kb_lookup(dir, name);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	if (d_is_reg(path.dentry))
		file = dentry_open(&path, FSC_KB_OPEN | O_DIRECT, dir->kb->cred);
	dput(path.dentry);
	return file;
}

int fsc_kb_file_open(struct fsc_dir *dir, const char *name, struct fsc_file **out)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	struct file *file = open_regular(dir, name);

	fsc_kb_leave(scope);
	return new_file(dir->kb, file, out);
}
ALLOW_ERROR_INJECTION(fsc_kb_file_open, ERRNO);

void fsc_kb_file_close(struct fsc_file *file)
{
	fsc_kb_put_file(file->kb, file->file);
	kfree(file);
}

const struct inode *fsc_kernel_file_inode(const struct fsc_file *file)
{
	return file_inode(file->file);
}

/* --- Files without a name --------------------------------------------------------------------- */

int fsc_kb_tmpfile(struct fsc_dir *dir, uint64_t size, struct fsc_file **out)
{
	struct fsc_kb *kb = dir->kb;
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	struct file *file;
	int err = mnt_want_write(kb->root.mnt);

	if (!err) {
		file = fsc_open_tmpfile(&dir->file->f_path, FSC_KB_OPEN | O_DIRECT, kb->cred);
		mnt_drop_write(kb->root.mnt);
	} else {
		file = ERR_PTR(err);
	}
	fsc_kb_leave(scope);
	err = new_file(kb, file, out);
	if (err || !size)
		return err;
	err = fsc_kb_resize(*out, size);
	if (err)
		fsc_kb_file_close(*out);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_tmpfile, ERRNO);

int fsc_kb_commit(struct fsc_file *file, struct fsc_dir *dir, const char *name)
{
	struct fsc_kb_scope scope = fsc_kb_enter(file->kb);
	struct fsc_kb_change ch;
	int err = fsc_kb_change_begin(dir, name, &ch);

	if (err)
		goto leave;
	if (d_is_positive(ch.dentry))
		err = -EEXIST;
	else
		err = vfs_link(file->file->f_path.dentry, FSC_IDMAP, d_inode(ch.dir), ch.dentry,
			       NULL);
	fsc_kb_change_end(&ch);
leave:
	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_commit, ERRNO);

/* --- Names that exist ------------------------------------------------------------------------- */

static int unlink_locked(struct fsc_kb_change *ch, const struct fsc_file *file)
{
	if (d_is_negative(ch->dentry))
		return -ENOENT;
	if (d_is_dir(ch->dentry))
		return file ? -ESTALE : -EUCLEAN;
	if (file && d_inode(ch->dentry) != file_inode(file->file))
		return -ESTALE;
	return vfs_unlink(FSC_IDMAP, d_inode(ch->dir), ch->dentry, NULL);
}

/* The inode is held over it: what it occupies is given back after the directory was let go. */
int fsc_kb_unlink(struct fsc_dir *dir, const char *name, struct fsc_file *file)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	struct inode *victim = NULL;
	struct fsc_kb_change ch;
	int err = fsc_kb_change_begin(dir, name, &ch);

	if (err)
		goto leave;
	if (d_is_positive(ch.dentry)) {
		victim = d_inode(ch.dentry);
		ihold(victim);
	}
	err = unlink_locked(&ch, file);
	fsc_kb_change_end(&ch);
	iput(victim);
leave:
	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_unlink, ERRNO);

int fsc_kb_stat(struct fsc_file *file, struct fsc_stat *out)
{
	struct fsc_kb_scope scope = fsc_kb_enter(file->kb);
	int err = fsc_kb_getattr(file->kb, file->file->f_path.dentry, out);

	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_stat, ERRNO);

static void set_atime(struct fsc_file *file)
{
	struct iattr attr = { .ia_valid = ATTR_ATIME };
	struct dentry *dentry = file->file->f_path.dentry;

	if (mnt_want_write(file->kb->root.mnt))
		return;
	inode_lock(d_inode(dentry));
	notify_change(FSC_IDMAP, dentry, &attr, NULL);
	inode_unlock(d_inode(dentry));
	mnt_drop_write(file->kb->root.mnt);
}

/* Not touch_atime(): that is what mount options may forbid. */
void fsc_kb_touch(struct fsc_file *file)
{
	struct fsc_kb_scope scope = fsc_kb_enter(file->kb);
	time64_t now = ktime_get_real_seconds();
	struct kstat st;

	if (!vfs_getattr_nosec(&file->file->f_path, &st, STATX_ATIME, AT_STATX_SYNC_AS_STAT) &&
	    abs(now - st.atime.tv_sec) >= ATIME_SLACK_S)
		set_atime(file);
	fsc_kb_leave(scope);
}

/* --- Contents --------------------------------------------------------------------------------- */

struct resize {
	struct fsc_file *file;
	loff_t size;
};

static int do_resize(void *arg)
{
	struct resize *r = arg;
	struct fsc_kb_scope scope = fsc_kb_enter(r->file->kb);
	int err = (int)vfs_truncate(&r->file->file->f_path, r->size);

	fsc_kb_leave(scope);
	return err;
}

fsc_may_fail int fsc_kb_resize(struct fsc_file *file, uint64_t size)
{
	struct resize r = { .file = file, .size = (loff_t)size };

	return fsc_kb_unlimited(file->kb, do_resize, &r);
}
ALLOW_ERROR_INJECTION(fsc_kb_resize, ERRNO);

int fsc_kb_punch(struct fsc_file *file, uint64_t pos, uint64_t len)
{
	struct fsc_kb_scope scope = fsc_kb_enter(file->kb);
	int err = vfs_fallocate(file->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (loff_t)pos,
				(loff_t)len);

	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_punch, ERRNO);

int fsc_kb_sync(struct fsc_file *file, bool data_only)
{
	struct fsc_kb_scope scope = fsc_kb_enter(file->kb);
	int err = vfs_fsync(file->file, data_only);

	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_sync, ERRNO);
