// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * volume.c - fscache's volumes: one export each, and a volume of the core's under it.
 */
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait_bit.h>

#include "module.h"
#include "trace.h"

/* What a volume's key begins with up to the comma is its netfs. 9P's version of a file may be its
 * modification time in whole seconds: two changes within one look the same. */
static char *strict_removal = "9p";
module_param(strict_removal, charp, 0644);
MODULE_PARM_DESC(strict_removal,
		 "netfses, separated by commas, whose coherency data may stay the same when a file changes (9p)");

/* A version of 0 is none: of those that change nothing tells. Newer kernels leave that to the mount
 * (ignoreqv). */
static bool unversioned = FSC_MOUNTS_KNOW_VERSIONS;
module_param(unversioned, bool, 0644);
MODULE_PARM_DESC(unversioned,
		 "9P's files without a version are cached as the mount says; N: never (kernels before 6.4: N)");

static bool wants_versions(const char *key)
{
	return !READ_ONCE(unversioned) && strcspn(key, ",") == 2 && !memcmp(key, "9p", 2);
}

static bool is_strict(const char *key)
{
	size_t len = strcspn(key, ",");
	const char *at, *next;
	bool found = false;

	/* Its operations are not of the netfs library, as will_upload() takes them to be. */
	if (len == strlen("erofs") && !memcmp(key, "erofs", len))
		return false;
	kernel_param_lock(THIS_MODULE);
	for (at = strict_removal; !found && at && *at; at = next) {
		size_t n = strcspn(at, ",\n");

		found = n == len && !memcmp(at, key, len);
		next = at[n] ? at + n + 1 : at + n;
	}
	kernel_param_unlock(THIS_MODULE);
	return found;
}

/* kv->lock */
static int open_volume(struct fsc_kvolume *kv)
{
	struct fscache_volume *vcookie = kv->cookie;
	struct fsc_blob key = { vcookie->key + 1, vcookie->key[0] };
	struct fsc_blob coherency = { vcookie->coherency, vcookie->coherency_len };
	struct fsc_volume *vol;
	int err;

	kv->strict = is_strict(key.data);
	kv->wants_versions = wants_versions(key.data);
	err = fsc_volume_acquire(kv->kc->cache, key, coherency,
				 kv->strict ? FSC_VOLUME_STRICT_REMOVAL : 0, &vol);
	trace_libfscache_volume(vcookie, err);
	if (!err)
		smp_store_release(&kv->vol, vol); /* pairs with that in fsc_kvolume_open() */
	return err;
}

int fsc_kvolume_open(struct fsc_kvolume *kv)
{
	int err = 0;

	/* Pairs with open_volume(): all else is set before. */
	if (smp_load_acquire(&kv->vol))
		return 0;
	mutex_lock(&kv->lock);
	if (!kv->vol)
		err = open_volume(kv);
	mutex_unlock(&kv->lock);
	return err;
}

/*
 * If there is none of the core's to be had, look-ups ask again. There is one of ours in any case:
 * else fscache doesn't ask us to look up at all, and leaves a cookie that was invalidated meanwhile
 * with an access that nobody ends; such a cookie is freed while it is hashed.
 */
void fsc_kvolume_acquire(struct fscache_volume *vcookie)
{
	struct fsc_kcache *kc = vcookie->cache->cache_priv;
	struct fsc_kvolume *kv = kzalloc(sizeof(*kv), GFP_KERNEL | __GFP_NOFAIL);

	kv->kc = kc;
	kv->cookie = vcookie;
	mutex_init(&kv->lock);
	fsc_ctimes_init(kv);
	fsc_kvolume_open(kv);
	atomic_inc(&kc->nr_volumes);
	vcookie->cache_priv = kv;
	/* So that it doesn't wake anybody by falling to 0; fscache_withdraw_volume() takes it. */
	atomic_inc(&vcookie->n_accesses);
	spin_lock(&kc->lock);
	list_add_tail(&kv->node, &kc->volumes);
	spin_unlock(&kc->lock);
}

/* Off the list. Whoever unbinds waits for the end of it. */
static void let_go(struct fsc_kvolume *kv, bool retire)
{
	struct fsc_kcache *kc = kv->kc;

	kv->cookie->cache_priv = NULL;
	fsc_ctimes_destroy(kv);
	fsc_volume_relinquish(kv->vol, retire);
	mutex_destroy(&kv->lock);
	kfree(kv);
	/* What is waited on here is an address: it may be freed in between. */
	if (atomic_dec_and_test(&kc->nr_volumes))
		wake_up_var(&kc->nr_volumes);
}

void fsc_kvolume_free(struct fscache_volume *vcookie)
{
	struct fsc_kvolume *kv = vcookie->cache_priv;

	spin_lock(&kv->kc->lock);
	list_del_init(&kv->node);
	spin_unlock(&kv->kc->lock);
	let_go(kv, test_bit(FSCACHE_VOLUME_INVALIDATE, &vcookie->flags));
}

/* One that isn't being freed, with a reference; the lock is let go of when there is none to be had.
 * @busy: only such as look-ups may still be running in. */
static struct fscache_volume *next_volume(struct fsc_kcache *kc, bool busy, bool *again)
{
	struct fscache_volume *vcookie;
	struct fsc_kvolume *kv;

	*again = false;
	list_for_each_entry(kv, &kc->volumes, node) {
		if (busy && !atomic_read(&kv->cookie->n_accesses))
			continue;
		vcookie = fscache_try_get_volume(kv->cookie, fscache_volume_get_withdraw);
		if (vcookie)
			return vcookie;
		*again = true; /* it takes itself off the list */
	}
	return NULL;
}

void fsc_kvolumes_stop(struct fsc_kcache *kc)
{
	struct fscache_volume *vcookie;
	bool again;

	do {
		spin_lock(&kc->lock);
		vcookie = next_volume(kc, true, &again);
		spin_unlock(&kc->lock);
		if (vcookie) {
			fscache_withdraw_volume(vcookie);
			fscache_put_volume(vcookie, fscache_volume_put_withdraw);
		} else if (again) {
			cond_resched();
		}
	} while (vcookie || again);
}

void fsc_kvolumes_withdraw(struct fsc_kcache *kc)
{
	struct fscache_volume *vcookie;
	struct fsc_kvolume *kv;
	bool again;

	do {
		spin_lock(&kc->lock);
		vcookie = next_volume(kc, false, &again);
		kv = vcookie ? vcookie->cache_priv : NULL;
		if (kv)
			list_del_init(&kv->node);
		spin_unlock(&kc->lock);
		if (kv)
			let_go(kv, false);
		if (vcookie)
			fscache_put_volume(vcookie, fscache_volume_put_withdraw);
		else if (again)
			cond_resched();
	} while (vcookie || again);
	/* Those that are being freed took themselves off the list. */
	wait_var_event(&kc->nr_volumes, !atomic_read(&kc->nr_volumes));
}
