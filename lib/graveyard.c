// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * graveyard.c - what is to go but is too large to be removed at once: renamed here, which is quick
 * and whole, then taken apart in the background; and the same taking apart for ROOT/tmp. Not in
 * ROOT/graveyard: cachefilesd takes apart what it finds there, and ends if somebody else does, too. It
 * looks there only once the cache is open.
 */
#include "core.h"

/* Deeper than anything of ours; what is put here by others and deeper stays. */
#define MAX_DEPTH 6

void fsc_unique_name(char out[17])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t r = fsc_random64();
	int i;

	for (i = 0; i < 16; i++)
		out[i] = digits[(r >> (4 * i)) & 15];
	out[16] = '\0';
}

void fsc_bury_queue(struct fsc_cache *cache)
{
	if (!fsc_load_acquire(&cache->closing))
		fsc_work_queue(cache->wq, &cache->bury_work, 0);
}

int fsc_bury(struct fsc_cache *cache, struct fsc_dir *dir, const char *name)
{
	char grave[17];
	int err, tries = 4;

	do {
		fsc_unique_name(grave);
		err = cache->be->ops->rename(dir, name, cache->graveyard, grave);
	} while (err == -EEXIST && --tries);
	if (!err && cache->wq)
		fsc_bury_queue(cache);
	return err;
}

void fsc_bury_graveyard(struct fsc_cache *cache)
{
	const struct fsc_backend_ops *ops = cache->be->ops;
	char name[FSC_NAME_MAX + 1];
	struct fsc_dir *dir;
	uint64_t pos = 0;
	bool empty;

	if (ops->dir_open(cache->be, cache->root, "graveyard", false, &dir))
		return;
	empty = ops->dir_next(dir, &pos, name, sizeof(name)) == 0;
	ops->dir_close(dir);
	/* Whether it was counted nobody knows: all is counted anew. */
	if (!empty && !fsc_bury(cache, cache->root, "graveyard")) {
		fsc_space_give(cache, cache->used);
		fsc_space_unknown(cache);
	}
}

static int remove_tree(struct fsc_cache *cache, struct fsc_dir *parent, const char *name,
		       int depth);

/* One pass over @dir; how many names went, or -errno. */
static int remove_names(struct fsc_cache *cache, struct fsc_dir *dir, int depth)
{
	char *name = fsc_zalloc(FSC_NAME_MAX + 1);
	uint64_t pos = 0;
	int n, err, gone = 0;

	if (!name)
		return -ENOMEM;
	while ((n = cache->be->ops->dir_next(dir, &pos, name, FSC_NAME_MAX + 1)) != 0) {
		if (n == -ENAMETOOLONG)
			continue;
		if (n < 0) {
			gone = n;
			break;
		}
		if (fsc_load_acquire(&cache->closing))
			break;
		err = remove_tree(cache, dir, name, depth + 1);
		if (!err)
			gone++;
	}
	fsc_free(name);
	return gone;
}

static int remove_folder(struct fsc_cache *cache, struct fsc_dir *parent, const char *name,
			 int depth)
{
	struct fsc_dir *dir;
	int err, gone;

	if (depth > MAX_DEPTH)
		return -ENOTEMPTY;
	err = cache->be->ops->dir_open(cache->be, parent, name, false, &dir);
	if (err)
		return err;
	/* A pass may miss names, as removing moves them about: as long as something went, again. */
	do {
		gone = remove_names(cache, dir, depth);
		err = cache->be->ops->remove_dir(parent, name);
	} while (err == -ENOTEMPTY && gone > 0 && !fsc_load_acquire(&cache->closing));
	cache->be->ops->dir_close(dir);
	return err;
}

static int remove_tree(struct fsc_cache *cache, struct fsc_dir *parent, const char *name, int depth)
{
	struct fsc_stat st;
	bool counted;
	int err;

	err = cache->be->ops->dir_stat(parent, name, &st);
	if (err)
		return err;
	if (st.type == FSC_FILE_DIR)
		return remove_folder(cache, parent, name, depth);
	/* While the count is still to come these aren't in it: what others stored meanwhile is. */
	counted = !cache->scan_due;
	if (counted)
		fsc_space_removing(cache);
	err = cache->be->ops->unlink(parent, name, NULL);
	if (!err && st.nlink <= 1 && counted)
		fsc_space_freed(cache, st.bytes);
	return err;
}

int fsc_sweep(struct fsc_cache *cache, struct fsc_dir *dir)
{
	int gone;

	do {
		gone = remove_names(cache, dir, 0);
	} while (gone > 0);
	return gone == -ENOMEM ? gone : 0;
}

void fsc_bury_work(struct fsc_work *work)
{
	struct fsc_cache *cache = fsc_container_of(work, struct fsc_cache, bury_work);

	if (!fsc_load_acquire(&cache->closing))
		fsc_sweep(cache, cache->graveyard);
	/* Only a budget needs the count, and starting never waits for it. Not before here: what was
	 * just removed would be in it, or not, by chance. */
	if (cache->scan_due && !fsc_load_acquire(&cache->closing)) {
		cache->scan_due = false;
		fsc_work_queue(cache->wq, &cache->scan_work, 0);
	}
}
