// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - the conformance suite on the kernel's backend, as a module that is loaded to run it.
 *
 *	insmod fsc_backend_test.ko dir=FOLDER [kinds=1]
 *
 * Loading succeeds if all checks did. With kinds the folder's filesystem is only judged: the log
 * says how.
 */
#include <linux/module.h>
#include <linux/namei.h>

#include <fscache/env.h>

#include "backend.h"
#include "compat.h"
#include "conformance.h"
#include "own.h"

static char *dir;
module_param(dir, charp, 0);
MODULE_PARM_DESC(dir, "folder to run in");

static bool kinds;
module_param(kinds, bool, 0);
MODULE_PARM_DESC(kinds, "only judge the filesystem");

static struct fsc_backend *open_backend(void *arg)
{
	const struct path *root = arg;
	struct fsc_backend *be;
	int err = fsc_kernel_backend_open(root, NULL, &be);

	if (!err)
		return be;
	fsc_log(FSC_LOG_ERR, "%s: open: error %d", dir, err);
	return NULL;
}

/* --- What an enemy plants ------------------------------------------------------------------------ */

static int plant_at(struct dentry *parent, struct dentry *dentry, enum fsc_conformance_plant what,
		    const char *target)
{
	struct dentry *old;
	int err;

	if (what == FSC_PLANT_SYMLINK)
		return vfs_symlink(FSC_IDMAP, d_inode(parent), dentry, target);
	if (what == FSC_PLANT_FIFO)
		return vfs_mknod(FSC_IDMAP, d_inode(parent), dentry, S_IFIFO | 0600, 0);
	old = lookup_one_len(target, parent, (int)strlen(target));
	if (IS_ERR(old))
		return PTR_ERR(old);
	err = vfs_link(old, FSC_IDMAP, d_inode(parent), dentry, NULL);
	dput(old);
	return err;
}

static int plant(void *arg, enum fsc_conformance_plant what, const char *path, const char *target)
{
	char *full = kasprintf(GFP_KERNEL, "%s/%s", dir, path);
	struct dentry *dentry;
	struct path parent;
	int err;

	if (!full)
		return -ENOMEM;
	dentry = kern_path_create(AT_FDCWD, full, &parent, 0);
	err = PTR_ERR_OR_ZERO(dentry);
	if (!err) {
		err = plant_at(parent.dentry, dentry, what, target);
		done_path_create(&parent, dentry);
	}
	kfree(full);
	return err;
}

/* --- The module ------------------------------------------------------------------------------------ */

static int run(struct path *root)
{
	static const struct fsc_conformance_hooks hooks = { .plant = plant };
	struct fsc_backend *be = open_backend(root);
	int failed = !be;

	if (be && !kinds)
		failed = fsc_own_run(be);
	if (be)
		fsc_kernel_backend_close(be);
	if (be && !kinds)
		failed += fsc_conformance_run_with(&hooks, open_backend, root);
	return failed;
}

static int __init test_init(void)
{
	struct path root;
	int failed, err;

	if (!dir)
		return -EINVAL;
	err = kern_path(dir, LOOKUP_FOLLOW, &root);
	if (err)
		return err;
	failed = run(&root);
	path_put(&root);
	return failed ? -EIO : 0;
}

static void __exit test_exit(void)
{
	fsc_env_exit();
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Tests of libfscache's backend for the kernel");
MODULE_LICENSE("Dual MIT/GPL");
