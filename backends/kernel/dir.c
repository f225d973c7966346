// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* dir.c - the directory operations of backend.h. */
#include <linux/namei.h>

#include "internal.h"

/* Names of some hundred objects. */
#define ENTRIES_BYTES (16u * 1024)

static struct file *open_dentry(struct fsc_kb *kb, struct dentry *dentry)
{
	const struct path path = { .mnt = kb->root.mnt, .dentry = dentry };

	if (!d_can_lookup(dentry))
		return ERR_PTR(-EUCLEAN);
	return dentry_open(&path, O_RDONLY | O_DIRECTORY, kb->cred);
}

static struct file *open_existing(struct fsc_dir *parent, const char *name)
{
	struct dentry *dentry = fsc_kb_lookup(parent, name);
	struct file *file;

	if (IS_ERR(dentry))
		return ERR_CAST(dentry);
	file = open_dentry(parent->kb, dentry);
	dput(dentry);
	return file;
}

static int make_dir(struct fsc_dir *parent, const char *name)
{
	struct fsc_kb_change ch;
	int err = fsc_kb_change_begin(parent, name, &ch);

	if (err)
		return err;
	if (d_is_negative(ch.dentry))
		err = vfs_mkdir(FSC_IDMAP, d_inode(ch.dir), ch.dentry, 0700);
	fsc_kb_change_end(&ch);
	return err;
}

/* The name is looked up again after making it: a filesystem may have left the dentry behind. */
static struct file *open_dir(struct fsc_kb *kb, struct fsc_dir *parent, const char *name,
			     bool create)
{
	struct file *file;
	int err;

	if (!name)
		return open_dentry(kb, parent->file->f_path.dentry);
	file = open_existing(parent, name);
	if (!create || file != ERR_PTR(-ENOENT))
		return file;
	err = make_dir(parent, name);
	return err ? ERR_PTR(err) : open_existing(parent, name);
}

int fsc_kb_dir_open(struct fsc_backend *be, struct fsc_dir *parent, const char *name, bool create,
		    struct fsc_dir **out)
{
	struct fsc_kb *kb = fsc_kb_of(be);
	struct fsc_dir *dir = kzalloc(sizeof(*dir), GFP_NOFS);
	struct fsc_kb_scope scope;

	if (!dir)
		return -ENOMEM;
	scope = fsc_kb_enter(kb);
	dir->kb = kb;
	dir->file = open_dir(kb, parent ? parent : &kb->root_dir, name, create);
	fsc_kb_leave(scope);
	if (IS_ERR(dir->file)) {
		int err = PTR_ERR(dir->file);

		kfree(dir);
		return err;
	}
	*out = dir;
	return 0;
}
ALLOW_ERROR_INJECTION(fsc_kb_dir_open, ERRNO);

void fsc_kb_dir_close(struct fsc_dir *dir)
{
	fsc_kb_put_file(dir->kb, dir->file);
	kvfree(dir->entries);
	kfree(dir);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct entry {
	uint64_t after; /* where the next one is */
	uint32_t size;  /* of this struct with its name, a multiple of 8 */
	uint32_t len;
	char name[];
};

struct filler {
	struct dir_context ctx;
	struct fsc_dir *dir;
	struct entry *last; /* NULL: none yet */
	bool any;           /* the filesystem had something to say, if only "." */
};

/* Called by the filesystem for each entry, with the directory's lock held; false: enough. */
static bool take_entry(struct dir_context *ctx, const char *name, int len, loff_t pos, u64 ino,
		       unsigned int type)
{
	struct filler *f = container_of(ctx, struct filler, ctx);
	struct fsc_dir *dir = f->dir;
	size_t size = ALIGN(sizeof(struct entry) + (size_t)len, 8);
	struct entry *e;

	f->any = true;
	if (f->last)
		f->last->after = (uint64_t)pos;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return true;
	if (size > ENTRIES_BYTES - dir->used)
		return false;
	e = (struct entry *)(dir->entries + dir->used);
	e->size = (uint32_t)size;
	e->len = (uint32_t)len;
	memcpy(e->name, name, (size_t)len);
	dir->used += size;
	f->last = e;
	return true;
}

/* More than 0 if there is something to go on with. */
static int fill(struct fsc_dir *dir)
{
	struct filler f = { .ctx.actor = take_entry, .dir = dir };
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	int err;

	dir->used = 0;
	dir->next = 0;
	do {
		f.any = false;
		err = iterate_dir(dir->file, &f.ctx);
	} while (!err && f.any && !dir->used);
	fsc_kb_leave(scope);
	if (f.last)
		f.last->after = (uint64_t)f.ctx.pos;
	return dir->used ? 1 : err;
}

/*
 * Going on from @pos is free where the last call ended. Elsewhere the filesystem is asked to seek,
 * which is only as good as its idea of a position.
 */
static int seek_to(struct fsc_dir *dir, uint64_t pos)
{
	loff_t at;

	if (pos && pos == dir->pos && dir->entries)
		return 0;
	if (!dir->entries)
		dir->entries = kvmalloc(ENTRIES_BYTES, GFP_NOFS);
	if (!dir->entries)
		return -ENOMEM;
	at = vfs_llseek(dir->file, (loff_t)pos, SEEK_SET);
	if (at < 0)
		return (int)at;
	dir->pos = pos;
	dir->used = 0;
	dir->next = 0;
	return 0;
}

int fsc_kb_dir_next(struct fsc_dir *dir, uint64_t *pos, char *name, size_t size)
{
	const struct entry *e;
	int ret = seek_to(dir, *pos);

	if (ret)
		return ret;
	if (dir->next == dir->used) {
		ret = fill(dir);
		if (ret <= 0)
			return ret;
	}
	e = (const struct entry *)(dir->entries + dir->next);
	dir->next += e->size;
	dir->pos = e->after;
	*pos = e->after;
	if (e->len >= size)
		return -ENAMETOOLONG;
	memcpy(name, e->name, e->len);
	name[e->len] = 0;
	return 1;
}
ALLOW_ERROR_INJECTION(fsc_kb_dir_next, ERRNO);

/* --- Names ------------------------------------------------------------------------------------ */

int fsc_kb_dir_stat(struct fsc_dir *dir, const char *name, struct fsc_stat *out)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	struct dentry *dentry = fsc_kb_lookup(dir, name);
	int err = PTR_ERR_OR_ZERO(dentry);

	if (!err) {
		err = fsc_kb_getattr(dir->kb, dentry, out);
		dput(dentry);
	}
	fsc_kb_leave(scope);
	return err;
}

int fsc_kb_dir_self(struct fsc_dir *dir, struct fsc_stat *out)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	int err = fsc_kb_getattr(dir->kb, dir->file->f_path.dentry, out);

	fsc_kb_leave(scope);
	return err;
}

/* Both directories are locked, so what is seen of the names stays true. */
static int rename_locked(struct dentry *from, const char *old_name, struct dentry *to,
			 const char *new_name, struct dentry *trap)
{
	struct renamedata rd = { .old_dir = d_inode(from), .new_dir = d_inode(to) };
	int err;

	rd.old_dentry = lookup_one_len(old_name, from, (int)strlen(old_name));
	if (IS_ERR(rd.old_dentry))
		return PTR_ERR(rd.old_dentry);
	rd.new_dentry = lookup_one_len(new_name, to, (int)strlen(new_name));
	err = PTR_ERR_OR_ZERO(rd.new_dentry);
	if (err)
		goto put_old;
	if (d_is_negative(rd.old_dentry))
		err = -ENOENT;
	else if (d_is_positive(rd.new_dentry))
		err = -EEXIST;
	else if (rd.old_dentry == trap)
		err = -EINVAL; /* into itself */
	fsc_renamedata_idmap(&rd);
	if (!err)
		err = vfs_rename(&rd);
	dput(rd.new_dentry);
put_old:
	dput(rd.old_dentry);
	return err;
}

static int rename_between(struct fsc_kb *kb, struct dentry *from, const char *old_name,
			  struct dentry *to, const char *new_name)
{
	struct dentry *trap;
	int err = mnt_want_write(kb->root.mnt);

	if (err)
		return err;
	trap = lock_rename(from, to);
	if (IS_ERR(trap)) {
		err = PTR_ERR(trap);
	} else {
		err = rename_locked(from, old_name, to, new_name, trap);
		unlock_rename(from, to);
	}
	mnt_drop_write(kb->root.mnt);
	return err;
}

int fsc_kb_rename(struct fsc_dir *old_dir, const char *old_name, struct fsc_dir *new_dir,
		  const char *new_name)
{
	struct fsc_kb_scope scope = fsc_kb_enter(old_dir->kb);
	const char *old_last, *new_last;
	struct dentry *from, *to;
	int err;

	from = fsc_kb_parent(old_dir, old_name, &old_last);
	err = PTR_ERR_OR_ZERO(from);
	if (err)
		goto leave;
	to = fsc_kb_parent(new_dir, new_name, &new_last);
	err = PTR_ERR_OR_ZERO(to);
	if (!err) {
		err = rename_between(old_dir->kb, from, old_last, to, new_last);
		dput(to);
	}
	dput(from);
leave:
	fsc_kb_leave(scope);
	return err;
}
ALLOW_ERROR_INJECTION(fsc_kb_rename, ERRNO);

int fsc_kb_remove_dir(struct fsc_dir *dir, const char *name)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	struct fsc_kb_change ch;
	int err = fsc_kb_change_begin(dir, name, &ch);

	if (err)
		goto leave;
	if (d_is_negative(ch.dentry))
		err = -ENOENT;
	else if (!d_is_dir(ch.dentry))
		err = -EUCLEAN;
	else
		err = vfs_rmdir(FSC_IDMAP, d_inode(ch.dir), ch.dentry);
	fsc_kb_change_end(&ch);
leave:
	fsc_kb_leave(scope);
	return err == -EEXIST ? -ENOTEMPTY : err;
}

int fsc_kb_sync_dir(struct fsc_dir *dir)
{
	struct fsc_kb_scope scope = fsc_kb_enter(dir->kb);
	int err = vfs_fsync(dir->file, 0);

	fsc_kb_leave(scope);
	return err;
}
