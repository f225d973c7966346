// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* backend.c - open and close the kernel's backend; its lock, space and sync; its table. */
#include <linux/file.h>
#include <linux/init_task.h>
#include <linux/sched/signal.h>
#include <linux/statfs.h>

#include "internal.h"

/* --- Helpers of the others -------------------------------------------------------------------- */

struct closing {
	struct work_struct work;
	struct file *file;
};

static void close_file(struct work_struct *work)
{
	struct closing *c = container_of(work, struct closing, work);

	__fput_sync(c->file);
	kfree(c);
}

/*
 * The last fput() of a kernel thread would be put off, and the cache's filesystem couldn't be
 * unmounted when the cache is closed. A task of a user's does it before it returns to its program:
 * too long a wait if there's a big file to be freed.
 */
void fsc_kb_put_file(struct fsc_kb *kb, struct file *file)
{
	unsigned int nofs = memalloc_nofs_save();
	struct closing *c = NULL;

	if (current->flags & PF_KTHREAD) {
		__fput_sync(file);
	} else {
		if (!file_inode(file)->i_nlink)
			c = kmalloc(sizeof(*c), GFP_KERNEL | __GFP_NOWARN);
		if (c) {
			c->file = file;
			INIT_WORK(&c->work, close_file);
			queue_work(kb->wq, &c->work);
		} else {
			fput(file);
		}
	}
	memalloc_nofs_restore(nofs);
}

struct errand {
	struct work_struct work;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static void run_errand(struct work_struct *work)
{
	struct errand *e = container_of(work, struct errand, work);

	e->ret = e->fn(e->arg);
}

int fsc_kb_unlimited(struct fsc_kb *kb, int (*fn)(void *arg), void *arg)
{
	struct errand e = { .fn = fn, .arg = arg };

	if (rlimit(RLIMIT_FSIZE) == RLIM_INFINITY)
		return fn(arg);
	INIT_WORK_ONSTACK(&e.work, run_errand);
	queue_work(kb->wq, &e.work);
	flush_work(&e.work);
	destroy_work_on_stack(&e.work);
	return e.ret;
}

/* --- Of the whole backend --------------------------------------------------------------------- */

static int make_lock_file(struct fsc_dir *root)
{
	struct fsc_kb_change ch;
	int err = fsc_kb_change_begin(root, "lock", &ch);

	if (err)
		return err;
	if (d_is_negative(ch.dentry))
		err = vfs_create(FSC_IDMAP, d_inode(ch.dir), ch.dentry, S_IFREG | 0600, true);
	fsc_kb_change_end(&ch);
	return err;
}

static struct file *open_lock_file(struct fsc_dir *root)
{
	struct path path = { .mnt = root->kb->root.mnt };
	struct file *file = ERR_PTR(-EUCLEAN);

	path.dentry = fsc_kb_lookup(root, "lock");
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	if (d_is_reg(path.dentry))
		file = dentry_open(&path, FSC_KB_OPEN, root->kb->cred);
	dput(path.dentry);
	return file;
}

static int lock_file(struct file *file)
{
	struct file_lock *lock = locks_alloc_lock();
	int err;

	if (!lock)
		return -ENOMEM;
	fsc_first_byte_lock(lock, file);
	err = vfs_lock_file(file, F_SETLK, lock, NULL);
	locks_free_lock(lock);
	return err == -EAGAIN || err == -EACCES ? -EBUSY : err;
}

/* It is going to be a cache, if it isn't one already: nobody else's business. */
static int close_to_others(struct fsc_kb *kb)
{
	struct inode *inode = d_inode(kb->root.dentry);
	struct iattr attr = { .ia_valid = ATTR_MODE };
	int err = 0;

	if ((inode->i_mode & 07777) == 0700)
		return 0;
	err = mnt_want_write(kb->root.mnt);
	if (err)
		return err;
	inode_lock(inode);
	attr.ia_mode = (inode->i_mode & S_IFMT) | 0700;
	err = notify_change(FSC_IDMAP, kb->root.dentry, &attr, NULL);
	inode_unlock(inode);
	mnt_drop_write(kb->root.mnt);
	return err;
}

static int lock_root(struct fsc_kb *kb)
{
	struct file *file;
	int err = make_lock_file(&kb->root_dir);

	if (err)
		return err;
	file = open_lock_file(&kb->root_dir);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = lock_file(file);
	if (!err)
		err = close_to_others(kb);
	if (err) {
		locks_remove_posix(file, file);
		fsc_kb_put_file(kb, file);
	} else {
		kb->lock = file;
	}
	return err;
}

static int op_lock(struct fsc_backend *be)
{
	struct fsc_kb *kb = fsc_kb_of(be);
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	int err = lock_root(kb);

	fsc_kb_leave(scope);
	return err;
}

static int fsc_kb_space(struct fsc_backend *be, struct fsc_space *out)
{
	struct fsc_kb *kb = fsc_kb_of(be);
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	struct kstatfs fs;
	int err = vfs_statfs(&kb->root, &fs);

	fsc_kb_leave(scope);
	if (err)
		return err;
	*out = (struct fsc_space){
		.blocks = fs.f_blocks,
		.blocks_free = fs.f_bavail,
		.files = fs.f_files,
		.files_free = fs.f_files ? fs.f_ffree : 0,
		.block_size = (uint32_t)fs.f_frsize,
	};
	return 0;
}
ALLOW_ERROR_INJECTION(fsc_kb_space, ERRNO);

static int op_sync_fs(struct fsc_backend *be)
{
	struct fsc_kb *kb = fsc_kb_of(be);
	struct super_block *sb = kb->root.mnt->mnt_sb;
	struct fsc_kb_scope scope = fsc_kb_enter(kb);
	int err;

	down_read(&sb->s_umount);
	err = sync_filesystem(sb);
	up_read(&sb->s_umount);
	fsc_kb_leave(scope);
	return err;
}

/* What is closed by now may still have to be let go by workers, and a completion's last
 * instructions may still run: the module may be unloaded when this returns. */
static void op_close(struct fsc_backend *be)
{
	struct fsc_kb *kb = fsc_kb_of(be);
	struct super_block *sb = kb->root.mnt->mnt_sb;

	if (kb->lock) {
		/* Its last reference may go only later. */
		locks_remove_posix(kb->lock, kb->lock);
		fsc_kb_put_file(kb, kb->lock);
	}
	if (kb->root_dir.file)
		fsc_kb_put_file(kb, kb->root_dir.file);
	if (kb->wq)
		destroy_workqueue(kb->wq);
	if (READ_ONCE(sb->s_dio_done_wq))
		flush_workqueue(sb->s_dio_done_wq);
	path_put(&kb->root);
	if (kb->cred)
		put_cred(kb->cred);
	kfree(kb);
}

static const struct fsc_backend_ops ops = {
	.name = "kernel",
	.close = op_close,
	.lock = op_lock,
	.space = fsc_kb_space,
	.sync_fs = op_sync_fs,
	.dir_open = fsc_kb_dir_open,
	.dir_close = fsc_kb_dir_close,
	.dir_next = fsc_kb_dir_next,
	.dir_stat = fsc_kb_dir_stat,
	.rename = fsc_kb_rename,
	.remove_dir = fsc_kb_remove_dir,
	.sync_dir = fsc_kb_sync_dir,
	.dir_xattr_get = fsc_kb_dir_xattr_get,
	.dir_xattr_set = fsc_kb_dir_xattr_set,
	.dir_self = fsc_kb_dir_self,
	.file_open = fsc_kb_file_open,
	.file_close = fsc_kb_file_close,
	.tmpfile = fsc_kb_tmpfile,
	.commit = fsc_kb_commit,
	.unlink = fsc_kb_unlink,
	.stat = fsc_kb_stat,
	.touch = fsc_kb_touch,
	.xattr_get = fsc_kb_xattr_get,
	.xattr_set = fsc_kb_xattr_set,
	.resize = fsc_kb_resize,
	.punch = fsc_kb_punch,
	.sync = fsc_kb_sync,
	.read = fsc_kb_read,
	.write = fsc_kb_write,
};

/* --- Opening ---------------------------------------------------------------------------------- */

/* Whoever else could write here could already have laid traps. */
static int check_root(const struct path *root)
{
	const struct inode *inode = d_inode(root->dentry);
	const struct super_block *sb = root->mnt->mnt_sb;

	if (!d_can_lookup(root->dentry))
		return -ENOTDIR;
	if (!uid_eq(inode->i_uid, GLOBAL_ROOT_UID) || inode->i_mode & S_IWOTH)
		return -EPERM;
	if (sb->s_user_ns != &init_user_ns || is_idmapped_mnt(root->mnt))
		return -EPERM;
	if (sb_rdonly(sb) || root->mnt->mnt_flags & MNT_READONLY)
		return -EROFS;
	if (!inode->i_op->tmpfile || !inode->i_op->mkdir || !inode->i_op->rename ||
	    !(inode->i_opflags & IOP_XATTR))
		return -EOPNOTSUPP;
	return 0;
}

static int open_root_dir(struct fsc_kb *kb)
{
	struct file *file = dentry_open(&kb->root, O_RDONLY | O_DIRECTORY, kb->cred);

	if (IS_ERR(file))
		return PTR_ERR(file);
	kb->root_dir.kb = kb;
	kb->root_dir.file = file;
	return 0;
}

static int open_root(struct fsc_kb *kb)
{
	struct fsc_kb_scope scope;
	int err = check_root(&kb->root);

	if (err)
		return err;
	kb->wq = alloc_workqueue("libfscache-io", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!kb->wq)
		return -ENOMEM;
	scope = fsc_kb_enter(kb);
	err = open_root_dir(kb);
	fsc_kb_leave(scope);
	return err ? err : fsc_kb_unlimited(kb, fsc_kb_probe, kb);
}

int fsc_kernel_backend_open(const struct path *root, const struct cred *cred,
			    struct fsc_backend **out)
{
	struct fsc_kb *kb = kzalloc(sizeof(*kb), GFP_KERNEL);
	int err;

	if (!kb)
		return -ENOMEM;
	kb->be.ops = &ops;
	kb->root = *root;
	path_get(&kb->root);
	kb->cred = cred ? get_cred(cred) : prepare_kernel_cred(&init_task);
	err = kb->cred ? open_root(kb) : -ENOMEM;
	if (err)
		op_close(&kb->be);
	else
		*out = &kb->be;
	return err;
}

void fsc_kernel_backend_close(struct fsc_backend *be)
{
	op_close(be);
}
