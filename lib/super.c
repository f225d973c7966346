// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * super.c - ROOT/super: what kind of directory this is, and whether what is in it can be believed.
 *
 * What counts lies in one sector, so a write of it is whole or not at all.
 */
#include "core.h"

#define SUPER_NAME "super"

/* Names that may be in a directory that is to become a cache: our lock, what mkfs leaves, and our
 * place for temporary files where a tmpfile needs a name. */
static bool harmless(const char *name)
{
	static const char *const names[] = { "lock", "lost+found", "tmp" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(name) == strlen(names[i]) && !memcmp(name, names[i], strlen(name)))
			return true;
	return false;
}

static int check_empty(struct fsc_cache *cache)
{
	char name[FSC_NAME_MAX + 1];
	uint64_t pos = 0;
	int n;

	while ((n = cache->be->ops->dir_next(cache->root, &pos, name, sizeof(name))) > 0)
		if (!harmless(name))
			return -ENOTEMPTY;
	return n == -ENAMETOOLONG ? -ENOTEMPTY : n;
}

static int fresh_super(struct fsc_cache *cache)
{
	uint64_t r;
	int i;

	memset(&cache->super, 0, sizeof(cache->super));
	cache->super.version = FSC_FORMAT_VERSION;
	for (i = 0; i < 2; i++) {
		r = fsc_random64();
		memcpy(cache->super.uuid + 8 * i, &r, 8);
	}
	return 0;
}

static int read_super(struct fsc_cache *cache, struct fsc_file *file)
{
	struct fsc_stat st;
	void *block;
	int err;

	err = cache->be->ops->stat(file, &st);
	if (err)
		return err;
	/* Not as we made it: somebody else's, by all that can be told. */
	if (st.size != FSC_SUPER_BLOCK || st.nlink != 1 || st.uid != cache->be->uid)
		return -ENODATA;
	block = fsc_io_alloc(FSC_SUPER_BLOCK);
	if (!block)
		return -ENOMEM;
	err = fsc_cache_transfer(cache, file, false, 0, block, FSC_SUPER_BLOCK);
	if (!err)
		err = fsc_super_decode(&cache->super, block, FSC_SUPER_SIZE);
	fsc_io_free(block, FSC_SUPER_BLOCK);
	return err;
}

/*
 * 0 with cache->super filled. *@fresh: there was none, and nothing else; nothing is stored yet.
 * *@damaged: ours, but not to be read; it counts as left open. Else why this is no cache for us.
 */
int fsc_super_load(struct fsc_cache *cache, bool *fresh, bool *damaged)
{
	struct fsc_file *file;
	int err;

	*fresh = false;
	*damaged = false;
	err = cache->be->ops->file_open(cache->root, SUPER_NAME, &file);
	if (err == -ENOENT) {
		*fresh = true;
		err = check_empty(cache);
		return err ? err : fresh_super(cache);
	}
	if (err == -EUCLEAN)
		return -ENOTEMPTY; /* somebody else's directory, with something called super */
	if (err)
		return err;
	err = read_super(cache, file);
	cache->be->ops->file_close(file);
	if (err == -ENODATA)
		return -ENOTEMPTY;
	if (err == -EBADMSG) {
		*damaged = true;
		return fresh_super(cache);
	}
	return err;
}

static int write_super(struct fsc_cache *cache, struct fsc_file *file)
{
	uint8_t *block = fsc_io_alloc(FSC_SUPER_BLOCK);
	int err;

	if (!block)
		return -ENOMEM;
	memset(block, 0, FSC_SUPER_BLOCK);
	fsc_super_encode(&cache->super, block);
	err = fsc_cache_transfer(cache, file, true, 0, block, FSC_SUPER_BLOCK);
	fsc_io_free(block, FSC_SUPER_BLOCK);
	return err;
}

static int create_super(struct fsc_cache *cache)
{
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_file *file;
	int err;

	err = ops->tmpfile(cache->root, FSC_SUPER_BLOCK, &file);
	if (err)
		return err;
	err = write_super(cache, file);
	if (!err && !cache->be->forgets)
		err = ops->sync(file, false);
	if (!err)
		err = ops->commit(file, cache->root, SUPER_NAME);
	ops->file_close(file);
	return err;
}

static bool must_sync(const struct fsc_cache *cache)
{
	if (cache->be->forgets)
		return false;
	return cache->kind == FSC_FS_VOLATILE || fsc_load_acquire(&cache->tainted);
}

/* Store cache->super; durable when it returns where that matters to anyone. */
int fsc_super_store(struct fsc_cache *cache)
{
	const struct fsc_backend_ops *ops = cache->be->ops;
	struct fsc_file *file;
	int err;

	err = ops->file_open(cache->root, SUPER_NAME, &file);
	if (err == -ENOENT)
		return create_super(cache);
	if (err)
		return err;
	err = write_super(cache, file);
	if (!err && must_sync(cache))
		err = ops->sync(file, false);
	ops->file_close(file);
	return err;
}

/* As if it had been left open on another machine: the next open empties it, whatever kind of
 * filesystem it is on. */
void fsc_super_taint(struct fsc_cache *cache)
{
	fsc_mutex_lock(&cache->super_mutex);
	if (!fsc_load_acquire(&cache->tainted)) {
		fsc_store_release(&cache->tainted, 1);
		cache->super.open = true;
		cache->super.ids_known = false;
		if (fsc_super_store(cache))
			fsc_log(FSC_LOG_ERR, "cache: and that can't be written down: remove it");
	}
	fsc_mutex_unlock(&cache->super_mutex);
}
