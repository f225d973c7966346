// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cookie.c - fscache's cookies: an object of the core's behind each that is in use.
 *
 * None of the netfses in the kernel can prove to us that nobody else changed a file that it wrote
 * to (I10). So the first local change that we hear of throws away what is stored, and the object
 * stays uncached until nobody has the file open for writing and all that was written is on the
 * server: the inode says so. Who reads page by page shows us one only where something is stored;
 * there every use of the cookie must have ended that was there at the last sign of a change. On what
 * we hear:
 *   - Writes through the page cache are told to us, and nothing else is, where the netfs library
 *     has its own bypassing of it (there an invalidation comes with each). Elsewhere a file that is
 *     open for writing may be changed past us, and is uncached from the open.
 *   - Of writes while the cookie isn't ours (looked up, unbound) we hear nothing at all. But who
 *     opens to write sets FSCACHE_COOKIE_LOCAL_WRITE, and what is stored of a file that has it when
 *     it is looked up is not believed.
 *   - Of a truncation by name NFS tells us nothing, and 9P only while its cookie is in use, or not
 *     at all: the inode's ctime does, which is remembered while nobody uses the file, as its cookie
 *     may still have the old label when it is used again.
 *
 * 9P knows a file by one label for as long as it has the inode, whatever it writes. What is read
 * after such a change must not be found under that label by others: the server may have a file of
 * that label again, with what was in it before. It is stored under a random one, and thrown away
 * when the cookie has been idle for a while.
 */
#include <linux/jiffies.h>
#include <linux/pagemap.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "module.h"
#include "trace.h"

static struct fsc_blob label_of(struct fscache_cookie *cookie)
{
	return (struct fsc_blob){ fscache_get_aux(cookie), cookie->aux_len };
}

static void note_label(struct fsc_kobject *ko)
{
	struct fsc_blob label = label_of(ko->cookie);

	ko->label_len = label.len;
	memcpy(ko->label, label.data, label.len);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static bool has_label(struct fsc_kobject *ko, struct fsc_blob label)
{
	return ko->label_len == label.len && !memcmp(ko->label, label.data, label.len);
}

/* Nothing is stored any more, and what is read from now on bears the label of now. */
static void start_anew(struct fsc_kobject *ko)
{
	struct fsc_blob label = { ko->label, 0 };
	u8 nobodys[16];

	lockdep_assert_held(&ko->lock);
	fsc_promises_drop(ko);
	ko->nameless = ko->kv->strict && has_label(ko, label_of(ko->cookie));
	/* A copy: the netfs may be changing the original. One that is torn fits no later one. */
	note_label(ko);
	label.len = ko->label_len;
	if (ko->nameless) {
		get_random_bytes(nobodys, sizeof(nobodys));
		label = (struct fsc_blob){ nobodys, sizeof(nobodys) };
	}
	fsc_object_invalidate(ko->obj, label, READ_ONCE(ko->cookie->object_size));
	if (ko->local)
		fsc_object_expire(ko->obj);
}

/* In this order: who sees that the file isn't open for writing sees what became of it when it was;
 * and whoever opens it before the time is taken has ended when a later end of all uses is seen. */
void fsc_kobject_modified(struct fsc_kobject *ko)
{
	if (!ko->obj)
		return;
	mutex_lock(&ko->lock);
	if (!ko->local) {
		WRITE_ONCE(ko->local, true);
		start_anew(ko);
		trace_libfscache_modified(ko->cookie);
	}
	if (FSC_OPEN_TO_WRITE_IS_KNOWN)
		clear_bit_unlock(FSCACHE_COOKIE_LOCAL_WRITE, &ko->cookie->flags);
	smp_mb__after_atomic();
	WRITE_ONCE(ko->local_at, jiffies);
	mutex_unlock(&ko->lock);
}

/*
 * May @inode be changed by us, or does the server lack something of that? Pages that were read and
 * are to be kept look dirty as well: they go by and by. In the order in which a change goes on, and
 * each step is seen to be over only together with what it left.
 */
static bool is_modified(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;

	if (inode_is_open_for_write(inode))
		return true;
	/* Pairs with the full barrier in fput(): whoever wrote through the file, or had it mapped,
	 * dirtied pages before he dropped his reference, and i_writecount falls after the last. */
	smp_rmb();
	if (mapping_tagged(mapping, PAGECACHE_TAG_DIRTY))
		return true;
	/* A page is tagged as being written back before the tag of its dirt goes, in one word, under
	 * the xarray's lock: so this is but to have the two read in this order. */
	smp_rmb();
	return mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK);
}

static s64 ctime_of(const struct inode *inode)
{
	struct timespec64 ctime = inode_get_ctime(inode);

	return timespec64_to_ns(&ctime) & LONG_MAX; /* as an xarray keeps it */
}

/* It has another ctime than when we looked last. */
static void note_ctime(struct fsc_kobject *ko, s64 ctime)
{
	if (ko->ctime && !ko->local)
		start_anew(ko);
	WRITE_ONCE(ko->ctime, ctime);
}

void fsc_kobject_settle(struct fsc_kobject *ko, struct inode *inode)
{
	s64 ctime = ctime_of(inode);

	if (READ_ONCE(ko->ctime) == ctime && (!READ_ONCE(ko->local) || is_modified(inode)))
		return;
	mutex_lock(&ko->lock);
	if (ko->ctime != ctime)
		note_ctime(ko, ctime);
	if (ko->local && !is_modified(inode)) {
		WRITE_ONCE(ko->local, false);
		start_anew(ko);
	}
	mutex_unlock(&ko->lock);
}

/* Is anything of it stored? False also where nothing can be. */
static bool has_data(struct fsc_kobject *ko)
{
	struct fsc_gen *gen = fsc_object_gen(ko->obj);
	u64 size = fsc_object_size(ko->obj), run_end;
	bool any = false;

	if (gen && size)
		any = fsc_gen_run(gen, 0, size, &run_end) || run_end < size;
	fsc_gen_put(gen);
	return any;
}

/* Has every use that was there at the last sign of a local change ended? */
static bool uses_ended(struct fsc_kobject *ko)
{
	return time_after(READ_ONCE(ko->cookie->unused_at), READ_ONCE(ko->local_at));
}

/*
 * The netfs says another size without an invalidation: it grew or cut the file itself. Another
 * label is no reason to forget what was read under the older one; but if there is nothing, what
 * comes now had better be found again.
 */
static bool is_outdated(struct fsc_kobject *ko)
{
	if (ko->local)
		return uses_ended(ko);
	if (READ_ONCE(ko->cookie->object_size) != fsc_object_size(ko->obj))
		return true;
	return !has_label(ko, label_of(ko->cookie)) && !has_data(ko);
}

void fsc_kobject_refresh(struct fsc_kobject *ko)
{
	if (FSC_OPEN_TO_WRITE_IS_KNOWN &&
	    test_bit(FSCACHE_COOKIE_LOCAL_WRITE, &ko->cookie->flags))
		fsc_kobject_modified(ko);
	if (!is_outdated(ko))
		return;
	mutex_lock(&ko->lock);
	if (is_outdated(ko)) {
		WRITE_ONCE(ko->local, false);
		start_anew(ko);
	}
	mutex_unlock(&ko->lock);
}

/* It may come late, or never; and where what reads bring is kept by writeback, for reads too. */
void fsc_kobject_prepare_to_write(struct fscache_cookie *cookie)
{
	if (FSC_OPEN_TO_WRITE_IS_KNOWN)
		fsc_kobject_modified(cookie->cache_priv);
}

/* fscache lets nothing begin on the cookie until it is told that this is over. */
bool fsc_kobject_invalidate(struct fscache_cookie *cookie)
{
	struct fsc_kobject *ko = cookie->cache_priv;

	mutex_lock(&ko->lock);
	start_anew(ko);
	mutex_unlock(&ko->lock);
	trace_libfscache_invalidate(cookie);
	fscache_resume_after_invalidation(cookie);
	return true;
}

/* --- Look-up ---------------------------------------------------------------------------------- */

static fsc_may_fail struct fsc_kobject *fsc_kobject_new(struct fsc_kvolume *kv,
							struct fscache_cookie *cookie)
{
	struct fsc_kobject *ko = kzalloc(sizeof(*ko), GFP_KERNEL);

	if (!ko)
		return NULL;
	ko->kv = kv;
	ko->cookie = cookie;
	mutex_init(&ko->lock);
	fsc_promises_init(ko);
	note_label(ko);
	return ko;
}
ALLOW_ERROR_INJECTION(fsc_kobject_new, NULL);

/* From here on it is fscache's, which gives it back by a withdrawal, also if it can't be opened. */
static void attach(struct fsc_kobject *ko)
{
	struct fsc_kcache *kc = ko->kv->kc;

	fscache_get_cookie(ko->cookie, fscache_cookie_get_attach_object);
	fscache_count_object(kc->cookie);
	spin_lock(&kc->lock);
	list_add_tail(&ko->node, &kc->objects);
	ko->cookie->cache_priv = ko;
	spin_unlock(&kc->lock);
}

static int open_object(struct fsc_kobject *ko)
{
	struct fscache_cookie *cookie = ko->cookie;
	struct fsc_blob key = { fscache_get_key(cookie), cookie->key_len };
	struct fsc_blob label = { ko->label, ko->label_len };
	int err = fsc_kvolume_open(ko->kv);

	if (err)
		return err;
	if (ko->kv->wants_versions && !memchr_inv(ko->label, 0, ko->label_len))
		return -ENODATA;
	return fsc_object_open(ko->kv->vol, key, label, READ_ONCE(cookie->object_size), &ko->obj);
}

static bool may_have_changed(struct fsc_kobject *ko)
{
	bool known = fsc_ctime_recall(ko);

	return !known || test_bit(FSCACHE_COOKIE_LOCAL_WRITE, &ko->cookie->flags);
}

bool fsc_kobject_lookup(struct fscache_cookie *cookie)
{
	struct fsc_kobject *ko = fsc_kobject_new(cookie->volume->cache_priv, cookie);
	int err;

	if (!ko) {
		/* Else an invalidation that has come meanwhile would never end, nor the cookie go. */
		fscache_caching_failed(cookie);
		return false;
	}
	err = open_object(ko);
	if (!err && may_have_changed(ko))
		fsc_kobject_modified(ko);
	attach(ko);
	trace_libfscache_lookup(cookie, err);
	if (err) {
		/* Else what is attached would never be withdrawn. */
		fscache_caching_failed(cookie);
		return false;
	}
	if (has_data(ko)) {
		clear_bit(FSCACHE_COOKIE_NO_DATA_TO_READ, &cookie->flags);
		set_bit(FSCACHE_COOKIE_HAVE_DATA, &cookie->flags);
	}
	return true;
}

/* --- Withdrawal ------------------------------------------------------------------------------- */

/*
 * Is what is stored to go? Not to be found again is what has nobody's label; what was to give room;
 * a file whose label may stay the same when it is changed, while nobody tells us; and what was opened
 * for writing when we couldn't yet hear of it.
 */
static bool is_to_go(struct fsc_kobject *ko)
{
	struct fscache_cookie *cookie = ko->cookie;

	return ko->nameless || ko->given_up || test_bit(FSCACHE_COOKIE_RETIRED, &cookie->flags) ||
	       (ko->kv->strict && atomic_read(&cookie->n_active)) ||
	       (FSC_OPEN_TO_WRITE_IS_KNOWN && test_bit(FSCACHE_COOKIE_LOCAL_WRITE, &cookie->flags));
}

/* What is done to the file from now on we are not told; nor are we of who opens it to write while
 * fscache withdraws it for us. */
static void note_uses(struct fsc_kobject *ko)
{
	struct fscache_cookie *cookie = ko->cookie;

	if (atomic_read(&cookie->n_active) || ko->nameless ||
	    fscache_cookie_state(cookie) == FSCACHE_COOKIE_STATE_WITHDRAWING)
		set_bit(FSCACHE_COOKIE_LOCAL_WRITE, &cookie->flags);
	else
		clear_bit(FSCACHE_COOKIE_LOCAL_WRITE, &cookie->flags);
}

void fsc_kobject_withdraw(struct fscache_cookie *cookie)
{
	struct fsc_kobject *ko = cookie->cache_priv;
	struct fsc_kcache *kc = ko->kv->kc;
	bool retire;

	trace_libfscache_withdraw(cookie);
	spin_lock(&kc->lock);
	list_del_init(&ko->node);
	cookie->cache_priv = NULL;
	spin_unlock(&kc->lock);
	retire = is_to_go(ko);
	if (!retire)
		fsc_ctime_remember(ko);
	note_uses(ko);
	fsc_object_close(ko->obj, NULL, retire);
	if (ko->given_up)
		fsc_kpress_given(kc);
	xa_destroy(&ko->promised);
	mutex_destroy(&ko->lock);
	kfree(ko);
	fscache_put_cookie(cookie, fscache_cookie_put_object);
	/* The cache may be gone when this returns. */
	fscache_uncount_object(kc->cookie);
}

void fsc_kobjects_withdraw(struct fsc_kcache *kc)
{
	struct fsc_kobject *ko;

	spin_lock(&kc->lock);
	while ((ko = list_first_entry_or_null(&kc->objects, struct fsc_kobject, node))) {
		struct fscache_cookie *cookie = ko->cookie;

		list_del_init(&ko->node);
		/* Its own withdrawal, on another thread, would put the last reference. */
		fscache_get_cookie(cookie, fscache_cookie_get_attach_object);
		spin_unlock(&kc->lock);
		fscache_withdraw_cookie(cookie);
		fscache_put_cookie(cookie, fscache_cookie_put_object);
		spin_lock(&kc->lock);
	}
	spin_unlock(&kc->lock);
	fscache_wait_for_objects(kc->cookie);
}
