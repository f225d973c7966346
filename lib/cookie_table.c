/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie_table.c - the cookies of a volume, by key.
 *
 * A key may have several cookies: one that is in use, or was last, and older ones, nobody's any
 * more, whose objects are still being closed. They stand in order of age, and each waits for the
 * one before it, because the object level refuses to open a key twice.
 */
#include "cookie.h"

#define BUCKETS_MIN 64u

struct fsc_cookies {
	struct fsc_cache *cache;
	struct fsc_side *side;
	struct fsc_spin lock;   /* covers the rest */
	struct fsc_waitq empty;
	struct fsc_list *buckets; /* a power of two of them */
	uint32_t nr_buckets;
	uint32_t nr;            /* cookies in the table */
	uint32_t nr_mem;        /* and whose memory there is */
};

static struct fsc_list *buckets_alloc(uint32_t nr)
{
	struct fsc_list *buckets = fsc_zalloc_nowait(nr * sizeof(*buckets));

	for (uint32_t i = 0; buckets && i < nr; i++)
		fsc_list_init(&buckets[i]);
	return buckets;
}

static struct fsc_cookies *table_new(struct fsc_volume *vol)
{
	struct fsc_cookies *table = fsc_zalloc_nowait(sizeof(*table));

	if (!table)
		return NULL;
	table->cache = fsc_volume_cache(vol);
	table->side = fsc_side_of(table->cache);
	table->nr_buckets = BUCKETS_MIN;
	table->buckets = buckets_alloc(table->nr_buckets);
	if (!table->side || !table->buckets) {
		fsc_free(table->buckets);
		fsc_free(table);
		return NULL;
	}
	fsc_spin_init(&table->lock, "cookies");
	fsc_waitq_init(&table->empty);
	return table;
}

static void table_free(struct fsc_cookies *table)
{
	fsc_waitq_destroy(&table->empty);
	fsc_spin_destroy(&table->lock);
	fsc_free(table->buckets);
	fsc_free(table);
}

static struct fsc_cookies *table_get(struct fsc_volume *vol, struct fsc_cookies *mine)
{
	unsigned long irq = fsc_spin_lock(&vol->lock);
	void **slot = fsc_volume_cookies(vol);

	if (!*slot && mine) {
		*slot = mine;
		*fsc_volume_cookies_free_fn(vol) = fsc_volume_cookies_free;
	}
	mine = *slot;
	fsc_spin_unlock(&vol->lock, irq);
	return mine;
}

struct fsc_cookies *fsc_cookies_of(struct fsc_volume *vol)
{
	struct fsc_cookies *table = table_get(vol, NULL), *mine;

	if (table)
		return table;
	mine = table_new(vol);
	if (!mine)
		return NULL;
	table = table_get(vol, mine);
	if (table != mine)
		table_free(mine);
	return table;
}

static bool is_empty(void *arg)
{
	struct fsc_cookies *table = arg;
	unsigned long irq = fsc_spin_lock(&table->lock);
	bool empty = table->nr_mem == 0;

	fsc_spin_unlock(&table->lock, irq);
	return empty;
}

static bool is_held(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	bool held = cookie->users != 0;

	fsc_spin_unlock(&cookie->lock, irq);
	return held;
}

/* Does the client still hold one? */
static bool any_held(struct fsc_cookies *table)
{
	unsigned long irq = fsc_spin_lock(&table->lock);
	struct fsc_list *node;
	bool held = false;

	for (uint32_t i = 0; i < table->nr_buckets && !held; i++)
		fsc_list_for_each(node, &table->buckets[i])
			held |= is_held(fsc_container_of(node, struct fsc_cookie, in_table));
	fsc_spin_unlock(&table->lock, irq);
	return held;
}

void fsc_volume_cookies_free(struct fsc_volume *vol)
{
	void **slot = fsc_volume_cookies(vol);
	struct fsc_cookies *table = *slot;
	bool cookies_still_held;
	unsigned long irq;

	if (!table)
		return;
	/* It would be waited for without end. */
	cookies_still_held = any_held(table);
	FSC_ASSERT(!cookies_still_held);
	fsc_waitq_wait(&table->empty, is_empty, table);
	/* Whoever freed the last one woke us under the lock: wait until it has let go. */
	irq = fsc_spin_lock(&table->lock);
	*slot = NULL;
	fsc_spin_unlock(&table->lock, irq);
	table_free(table);
}

/* --- Cookies as memory ------------------------------------------------------------------------ */

void fsc_cookie_label(struct fsc_cookie *cookie, const struct fsc_cookie_params *params)
{
	size_t len = fsc_min64(params->coherency.len, FSC_COHERENCY_MAX);

	FSC_ASSERT(len == params->coherency.len);
	if (len) /* else there may be no address either */
		memcpy(cookie->coherency, params->coherency.data, len);
	cookie->coherency_len = (uint8_t)len;
	cookie->size = params->size;
}

struct fsc_cookie *fsc_cookie_alloc(struct fsc_volume *vol, const struct fsc_cookie_params *params)
{
	struct fsc_cookie *cookie = fsc_zalloc_nowait(sizeof(*cookie) + params->key.len);

	if (!cookie)
		return NULL;
	cookie->vol = vol;
	cookie->cache = fsc_volume_cache(vol);
	cookie->wq = fsc_cache_workq(cookie->cache);
	cookie->mem_mask = fsc_cache_mem_align(cookie->cache) - 1;
	cookie->hash = fsc_crc32c(0, params->key.data, params->key.len);
	fsc_ref_init(&cookie->mem);
	fsc_mutex_init(&cookie->op, "cookie.op");
	fsc_waitq_init(&cookie->changed);
	fsc_spin_init(&cookie->lock, "cookie");
	fsc_work_init(&cookie->work, fsc_cookie_work);
	fsc_work_init(&cookie->deadline, fsc_cookie_deadline);
	fsc_list_init(&cookie->in_table);
	fsc_list_init(&cookie->in_lru);
	fsc_list_init(&cookie->lookers);
	fsc_list_init(&cookie->downloads);
	fsc_list_init(&cookie->changes);
	cookie->users = 1;
	cookie->keep_after_ms = params->keep_after_ms;
	fsc_cookie_label(cookie, params);
	cookie->key_len = (uint8_t)params->key.len;
	memcpy(cookie->key, params->key.data, params->key.len);
	return cookie;
}

void fsc_cookie_free(struct fsc_cookie *cookie)
{
	fsc_spin_destroy(&cookie->lock);
	fsc_waitq_destroy(&cookie->changed);
	fsc_mutex_destroy(&cookie->op);
	fsc_free(cookie);
}

/* --- The table -------------------------------------------------------------------------------- */

static struct fsc_list *bucket_of(struct fsc_cookies *table, uint32_t hash)
{
	return &table->buckets[hash & (table->nr_buckets - 1)];
}

/* Twice as many buckets, in the old order; without memory the old ones do. */
static void grow(struct fsc_cookies *table)
{
	struct fsc_list *old = table->buckets, *node;
	uint32_t nr_old = table->nr_buckets;
	struct fsc_list *buckets = buckets_alloc(nr_old * 2);

	if (!buckets)
		return;
	table->buckets = buckets;
	table->nr_buckets = nr_old * 2;
	for (uint32_t i = 0; i < nr_old; i++) {
		while ((node = fsc_list_pop(&old[i]))) {
			struct fsc_cookie *cookie =
				fsc_container_of(node, struct fsc_cookie, in_table);

			fsc_list_add_tail(bucket_of(table, cookie->hash), node);
		}
	}
	fsc_free(old);
}

/* The youngest with the key of @like. */
static struct fsc_cookie *find(struct fsc_cookies *table, const struct fsc_cookie *like)
{
	struct fsc_cookie *found = NULL;
	struct fsc_list *node, *bucket = bucket_of(table, like->hash);

	fsc_list_for_each(node, bucket) {
		struct fsc_cookie *cookie = fsc_container_of(node, struct fsc_cookie, in_table);

		if (cookie->hash == like->hash && cookie->key_len == like->key_len &&
		    memcmp(cookie->key, like->key, like->key_len) == 0)
			found = cookie;
	}
	return found;
}

enum share { SHARED, BUSY, CLOSES };

/* May the client have @old instead of @cookie? */
static enum share share(struct fsc_cookie *old, const struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&old->lock);
	bool equal = old->size == cookie->size && old->coherency_len == cookie->coherency_len &&
		     memcmp(old->coherency, cookie->coherency, cookie->coherency_len) == 0;
	enum share ret = CLOSES;

	if (old->users)
		ret = equal ? SHARED : BUSY;
	else if (equal && !old->retire && old->state < FSC_COOKIE_CLOSING)
		ret = SHARED; /* given back a moment ago: still good */
	if (ret == SHARED) {
		/* Whoever waits for it to be closed need not any more. */
		if (!old->users++)
			fsc_waitq_wake_all(&old->changed);
		old->keep_after_ms = fsc_max64(old->keep_after_ms, cookie->keep_after_ms);
	}
	fsc_spin_unlock(&old->lock, irq);
	return ret;
}

static void insert(struct fsc_cookies *table, struct fsc_cookie *cookie, struct fsc_cookie *before)
{
	cookie->table = table;
	cookie->side = table->side;
	cookie->before = before;
	if (before)
		before->after = cookie;
	if (table->nr >= table->nr_buckets * 2)
		grow(table);
	fsc_list_add_tail(bucket_of(table, cookie->hash), &cookie->in_table);
	table->nr++;
	table->nr_mem++;
}

int fsc_cookies_add(struct fsc_cookies *table, struct fsc_cookie **cookie)
{
	unsigned long irq = fsc_spin_lock(&table->lock);
	struct fsc_cookie *mine = *cookie, *old = find(table, mine);
	enum share how = old ? share(old, mine) : CLOSES;

	if (how == CLOSES)
		insert(table, mine, old);
	fsc_spin_unlock(&table->lock, irq);
	if (how == CLOSES)
		return 0;
	fsc_cookie_free(mine);
	*cookie = old;
	return how == SHARED ? 0 : -EBUSY;
}

void fsc_cookies_remove(struct fsc_cookie *cookie)
{
	struct fsc_cookies *table = cookie->table;
	unsigned long irq = fsc_spin_lock(&table->lock);
	struct fsc_cookie *after = cookie->after;

	/* Not before the ones before it: it was blocked until they had gone. */
	FSC_ASSERT(!cookie->before);
	fsc_list_del(&cookie->in_table);
	table->nr--;
	if (after) {
		after->before = NULL;
		fsc_cookie_kick(after);
		fsc_waitq_wake_all(&after->changed);
	}
	fsc_spin_unlock(&table->lock, irq);
}

bool fsc_cookies_blocked(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->table->lock);
	bool blocked = cookie->before != NULL;

	fsc_spin_unlock(&cookie->table->lock, irq);
	return blocked;
}

void fsc_cookies_gone(struct fsc_cookies *table)
{
	unsigned long irq = fsc_spin_lock(&table->lock);

	if (--table->nr_mem == 0)
		fsc_waitq_wake_all(&table->empty);
	fsc_spin_unlock(&table->lock, irq);
}
