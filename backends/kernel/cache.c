// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cache.c - a cache from bind to unbind: the backend on its directory, the core on that, and
 * fscache told that there is one.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/security.h>
#include <linux/slab.h>

#include "backend.h"
#include "module.h"

static const struct fscache_cache_ops cache_ops = {
	.name = "libfscache",
	.acquire_volume = fsc_kvolume_acquire,
	.free_volume = fsc_kvolume_free,
	.lookup_cookie = fsc_kobject_lookup,
	.withdraw_cookie = fsc_kobject_withdraw,
	.invalidate_cookie = fsc_kobject_invalidate,
	.prepare_to_write = fsc_kobject_prepare_to_write,
	.begin_operation = fsc_kop_begin,
	.resize_cookie = fsc_kresize,
};

/* As the kernel acts for whoever binds, in the security context that was asked for. */
static int make_cred(const char *secctx, const struct path *root, struct cred **out)
{
	struct cred *cred = prepare_kernel_cred(current);
	u32 secid;
	int err = 0;

	if (!cred)
		return -ENOMEM;
	if (secctx)
		err = security_secctx_to_secid(secctx, strlen(secctx), &secid);
	if (!err && secctx)
		err = set_security_override(cred, secid);
	if (!err)
		err = set_create_files_as(cred, d_backing_inode(root->dentry));
	if (err == -EOPNOTSUPP && !secctx)
		err = 0; /* no security module to tell */
	if (err)
		put_cred(cred);
	else
		*out = cred;
	return err;
}

/* cachefilesd wants to watch it, and takes it apart; what the core buries is elsewhere. */
static void make_graveyard(struct fsc_backend *be)
{
	struct fsc_dir *dir;

	if (!be->ops->dir_open(be, NULL, "graveyard", true, &dir))
		be->ops->dir_close(dir);
}

/* A 32nd of what there is, as it can't be given back while the files are in use; and no more than
 * programs take. */
static u64 map_bytes(void)
{
	return min_t(u64, (u64)totalram_pages() << PAGE_SHIFT >> 5, 64u << 20);
}

static int open_core(struct fsc_kcache *kc, const struct fsc_kcache_args *args)
{
	struct fsc_cache_params params = args->params;
	struct fsc_backend *be;
	struct cred *cred;
	int err;

	err = make_cred(args->secctx, &kc->root, &cred);
	if (err)
		return err;
	params.max_map_bytes = map_bytes();
	err = fsc_kernel_backend_open(&kc->root, cred, &be);
	put_cred(cred);
	if (err)
		return err;
	err = fsc_cache_open(be, &params, &kc->cache);
	if (err)
		fsc_kernel_backend_close(be);
	else
		make_graveyard(be);
	return err;
}

static int bind(struct fsc_kcache *kc, const struct fsc_kcache_args *args)
{
	int err;

	/* First, as only one can have the name. */
	kc->cookie = fscache_acquire_cache(args->tag);
	if (IS_ERR(kc->cookie))
		return PTR_ERR(kc->cookie);
	err = kern_path(args->dir, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &kc->root);
	if (err)
		goto err_cookie;
	err = open_core(kc, args);
	if (err)
		goto err_root;
	err = fscache_add_cache(kc->cookie, &cache_ops, kc);
	if (err)
		goto err_core;
	return 0;

err_core:
	fsc_cache_close(kc->cache);
err_root:
	path_put(&kc->root);
err_cookie:
	fscache_relinquish_cache(kc->cookie);
	return err;
}

int fsc_kcache_bind(const struct fsc_kcache_args *args, struct fsc_kcache **out)
{
	struct fsc_kcache *kc = kzalloc(sizeof(*kc), GFP_KERNEL);
	int err;

	if (!kc)
		return -ENOMEM;
	spin_lock_init(&kc->lock);
	INIT_LIST_HEAD(&kc->volumes);
	INIT_LIST_HEAD(&kc->objects);
	fsc_kpress_init(kc);
	err = bind(kc, args);
	if (err) {
		kfree(kc);
		return err;
	}
	/* fscache pins nobody whose functions it calls. */
	__module_get(THIS_MODULE);
	fsc_ctimes_shrink(kc);
	fsc_kstats_set(kc);
	*out = kc;
	return 0;
}

/* The order matters: no new volumes, then no new objects, then those that there are, then
 * theirs. */
void fsc_kcache_unbind(struct fsc_kcache *kc)
{
	fsc_kstats_set(NULL);
	fsc_cache_close_soon(kc->cache);
	fscache_withdraw_cache(kc->cookie);
	fsc_kvolumes_stop(kc);
	fsc_kobjects_withdraw(kc);
	fsc_kpress_exit(kc);
	fsc_kvolumes_withdraw(kc);
	fsc_cache_close(kc->cache);
	fscache_relinquish_cache(kc->cookie);
	path_put(&kc->root);
	fsc_ctimes_shrink_no_more(kc);
	kfree(kc);
	module_put(THIS_MODULE);
}
