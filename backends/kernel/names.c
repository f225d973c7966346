// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * names.c - from a name to a dentry, without leaving the directory or following a link.
 *
 * Looking up one component at a time follows neither links nor mounts; what is left to do is to say
 * no to what was found there.
 */
#include <linux/namei.h>

#include "internal.h"

/* "", "." and ".." are no names of ours. */
static bool proper(const char *component, size_t len)
{
	return len && !(component[0] == '.' && (len == 1 || (len == 2 && component[1] == '.')));
}

/* What was looked up, if it is something that we may look into. */
static struct dentry *checked(struct dentry *dentry)
{
	int err = 0;

	if (IS_ERR(dentry))
		return dentry;
	if (d_is_negative(dentry))
		err = -ENOENT;
	else if (d_mountpoint(dentry))
		err = -EUCLEAN;
	if (!err)
		return dentry;
	dput(dentry);
	return ERR_PTR(err);
}

static struct dentry *lookup(struct dentry *dir, const char *name, size_t len)
{
	if (!proper(name, len))
		return ERR_PTR(-EUCLEAN);
	return checked(lookup_one_len_unlocked(name, dir, (int)len));
}

struct dentry *fsc_kb_parent(const struct fsc_dir *dir, const char *name, const char **last)
{
	const char *slash = strchr(name, '/');
	struct dentry *first;

	*last = slash ? slash + 1 : name;
	if (!proper(*last, strlen(*last)) || strchr(*last, '/'))
		return ERR_PTR(-EUCLEAN);
	if (!slash)
		return dget(dir->file->f_path.dentry);
	first = lookup(dir->file->f_path.dentry, name, (size_t)(slash - name));
	if (IS_ERR(first) || d_can_lookup(first))
		return first;
	dput(first);
	return ERR_PTR(-EUCLEAN);
}

struct dentry *fsc_kb_lookup(const struct fsc_dir *dir, const char *name)
{
	struct dentry *parent, *dentry;
	const char *last;

	parent = fsc_kb_parent(dir, name, &last);
	if (IS_ERR(parent))
		return parent;
	dentry = lookup(parent, last, strlen(last));
	dput(parent);
	return dentry;
}

/* --- Changes ---------------------------------------------------------------------------------- */

int fsc_kb_change_begin(struct fsc_dir *dir, const char *name, struct fsc_kb_change *ch)
{
	const char *last;
	int err;

	ch->kb = dir->kb;
	ch->dir = fsc_kb_parent(dir, name, &last);
	if (IS_ERR(ch->dir))
		return PTR_ERR(ch->dir);
	err = mnt_want_write(ch->kb->root.mnt);
	if (err)
		goto put;
	inode_lock_nested(d_inode(ch->dir), I_MUTEX_PARENT);
	ch->dentry = lookup_one_len(last, ch->dir, (int)strlen(last));
	err = PTR_ERR_OR_ZERO(ch->dentry);
	if (!err)
		return 0;
	inode_unlock(d_inode(ch->dir));
	mnt_drop_write(ch->kb->root.mnt);
put:
	dput(ch->dir);
	return err;
}

void fsc_kb_change_end(struct fsc_kb_change *ch)
{
	inode_unlock(d_inode(ch->dir));
	dput(ch->dentry);
	dput(ch->dir);
	mnt_drop_write(ch->kb->root.mnt);
}

/* --- What is there ---------------------------------------------------------------------------- */

static enum fsc_file_type type_of(umode_t mode)
{
	return S_ISREG(mode) ? FSC_FILE_REGULAR : S_ISDIR(mode) ? FSC_FILE_DIR : FSC_FILE_OTHER;
}

int fsc_kb_getattr(struct fsc_kb *kb, struct dentry *dentry, struct fsc_stat *out)
{
	const struct path path = { .mnt = kb->root.mnt, .dentry = dentry };
	struct kstat st;
	bool born;
	int err;

	err = vfs_getattr_nosec(&path, &st, STATX_BASIC_STATS | STATX_BTIME, AT_STATX_SYNC_AS_STAT);
	if (err)
		return err;
	born = st.result_mask & STATX_BTIME;
	*out = (struct fsc_stat){
		.ino = st.ino,
		.btime_s = born ? (uint64_t)st.btime.tv_sec : 0,
		.btime_ns = born ? (uint32_t)st.btime.tv_nsec : 0,
		.nlink = st.nlink,
		.uid = from_kuid(&init_user_ns, st.uid),
		.type = type_of(st.mode),
		.size = (uint64_t)st.size,
		.bytes = st.blocks * 512,
		.atime_s = (uint64_t)st.atime.tv_sec,
		.atime_ns = (uint32_t)st.atime.tv_nsec,
	};
	return 0;
}
