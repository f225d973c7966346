// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * object.c - the cache's side of one remote file: finding what is stored under its key, and letting
 * go of it. What is found is believed only if everything about it is right (I5).
 */
#include "bits.h"
#include "core.h"
#include "key.h"

void fsc_label_make(struct fsc_label *label, struct fsc_blob coherency)
{
	label->len = (uint8_t)fsc_record_coherency(coherency, label->data, &label->hashed);
}

static struct fsc_blob blob(const void *data, size_t len)
{
	return (struct fsc_blob){ data, len };
}

/* --- Look-up ---------------------------------------------------------------------------------- */

struct lookup {
	struct fsc_object *obj;
	struct fsc_file *file;
	struct fsc_stat st;
	struct fsc_record rec;
	uint8_t *value; /* what rec points into */
	size_t value_size;
};

static int read_value(struct lookup *lu)
{
	const struct fsc_backend *be = lu->obj->vol->cache->be;
	int n;

	/* Most values are of complete objects, and short. */
	lu->value_size = 512;
	for (;;) {
		lu->value = fsc_zalloc(lu->value_size);
		if (!lu->value)
			return -ENOMEM;
		n = be->ops->xattr_get(lu->file, FSC_XATTR_NAME, lu->value, lu->value_size);
		if (n != -ERANGE || lu->value_size >= 65536)
			break;
		fsc_free(lu->value);
		lu->value = NULL;
		lu->value_size = 65536;
	}
	if (n == -ENODATA || n == -ERANGE)
		return -EUCLEAN;
	if (n < 0)
		return n;
	return fsc_record_decode(&lu->rec, lu->value, (size_t)n) ? -EUCLEAN : 0;
}

/* Ours, of this key, and of the version that the netfs speaks of? The digest says at once whether
 * it is this file that was written for this key, not a copy and not another's. */
static bool record_matches(struct lookup *lu)
{
	const struct fsc_object *obj = lu->obj;
	const struct fsc_record *rec = &lu->rec;
	uint8_t digest[FSC_DIGEST_SIZE];

	fsc_key_digest(blob(obj->vol->key, obj->vol->key_len), blob(obj->key, obj->key_len),
		       lu->st.ino, lu->st.btime_s, lu->st.btime_ns, digest);
	if (rec->volume || memcmp(digest, rec->digest, sizeof(digest)))
		return false;
	if (rec->has_key != obj->key_hashed)
		return false;
	if (rec->has_key && (rec->key.len != obj->key_len ||
			     memcmp(rec->key.data, obj->key, obj->key_len)))
		return false;
	if (rec->modifying || rec->size != obj->size)
		return false;
	return rec->coherency_hashed == obj->label.hashed &&
	       rec->coherency.len == obj->label.len &&
	       !memcmp(rec->coherency.data, obj->label.data, obj->label.len);
}

static int check_found(struct lookup *lu)
{
	const struct fsc_backend *be = lu->obj->vol->cache->be;
	int err;

	err = be->ops->stat(lu->file, &lu->st);
	if (err)
		return err;
	if (lu->st.type != FSC_FILE_REGULAR || lu->st.nlink != 1 || lu->st.uid != be->uid)
		return -EUCLEAN;
	err = read_value(lu);
	if (err)
		return err;
	return record_matches(lu) ? 0 : -EUCLEAN;
}

static int load_slot(struct lookup *lu, struct fsc_gen *gen)
{
	struct fsc_slot_ref ref;
	size_t len;
	uint8_t *mem;
	int err;

	if (fsc_slot_ref_decode(&ref, lu->rec.map))
		return -EUCLEAN;
	len = fsc_round_up(FSC_SLOT_HEADER + (uint64_t)ref.len, FSC_GRANULE_SIZE);
	if (len > gen->cache->params.max_map_bytes || ref.pos > lu->st.size ||
	    ref.pos < gen->size || lu->st.size - ref.pos < len)
		return -EUCLEAN;
	mem = fsc_io_alloc(len);
	if (!mem)
		return -ENOMEM;
	err = fsc_cache_transfer(gen->cache, lu->file, false, ref.pos, mem, len);
	if (!err && fsc_slot_check(&ref, mem, len))
		err = -EUCLEAN;
	if (!err)
		err = fsc_snapshot_load(gen, ref.kind, blob(mem + FSC_SLOT_HEADER, ref.len));
	fsc_io_free(mem, len);
	gen->in_slot = true;
	gen->slot = ref;
	return err;
}

static int load_map(struct lookup *lu, struct fsc_gen *gen)
{
	struct fsc_map_pool pool = { 0 };

	if (lu->rec.complete) {
		fsc_map_set_full(&gen->map, &pool);
		return 0;
	}
	if (lu->rec.map_kind == FSC_MAP_NONE)
		return 0;
	if (lu->rec.map_kind == FSC_MAP_SLOT)
		return load_slot(lu, gen);
	return fsc_snapshot_load(gen, lu->rec.map_kind, lu->rec.map);
}

/* The end of the last granule that is declared present, within the object. */
static uint64_t declared_end(struct fsc_gen *gen)
{
	uint64_t at = 0, run, end = 0;

	while (at < gen->map.size) {
		if (fsc_map_run(&gen->map, at, gen->map.size, &run))
			end = run;
		at = run;
	}
	return fsc_min64(end << FSC_GRANULE_SHIFT, gen->size);
}

/* A crash came between the record and the truncation. */
static int cut_file(struct lookup *lu, uint64_t size)
{
	struct fsc_cache *cache = lu->obj->vol->cache;
	uint64_t before = lu->st.bytes;
	int err;

	fsc_space_removing(cache);
	err = cache->be->ops->resize(lu->file, size);
	if (!err)
		err = cache->be->ops->stat(lu->file, &lu->st);
	if (!err && lu->st.bytes < before)
		fsc_space_freed(cache, before - lu->st.bytes);
	return err;
}

/* A map and a file that don't fit each other are none. */
static int fit_file(struct lookup *lu, struct fsc_gen *gen)
{
	int err;

	if (declared_end(gen) > lu->st.size)
		return -EUCLEAN;
	gen->file_size = lu->st.size;
	if (lu->rec.complete && lu->st.size > gen->size) {
		err = cut_file(lu, gen->size);
		if (err)
			return err;
		gen->file_size = gen->size;
	}
	return 0;
}

static struct fsc_gen *found_gen(struct lookup *lu, int *err)
{
	struct fsc_gen *gen = fsc_gen_new(lu->obj, lu->obj->size);

	if (!gen) {
		*err = -ENOMEM;
		return NULL;
	}
	gen->pristine = false;
	gen->linked = true;
	*err = load_map(lu, gen);
	if (!*err)
		*err = fit_file(lu, gen);
	if (*err) {
		fsc_gen_put_wait(gen);
		return NULL;
	}
	gen->file = lu->file;
	lu->file = NULL;
	gen->charge = lu->st.bytes;
	gen->stored = true;
	gen->value_bits = gen->map.nr_set != 0;
	/* Whoever stored it may have been killed before it was durable, after another that was. */
	gen->stored_bits = lu->obj->vol->cache->syncs || gen->value_bits;
	gen->unsettled = lu->obj->vol->cache->syncs;
	return gen;
}

static bool discarded(int err)
{
	return err == -EUCLEAN || err == -EBADMSG || err == -EPROTONOSUPPORT;
}

/* 0 and a generation with what was found, or -ENOENT, or why the storage won't say. */
static int look_up(struct fsc_object *obj, struct fsc_gen **out)
{
	struct fsc_cache *cache = obj->vol->cache;
	struct lookup *lu;
	int err;

	lu = fsc_zalloc(sizeof(*lu));
	if (!lu)
		return -ENOMEM;
	lu->obj = obj;
	err = cache->be->ops->file_open(obj->vol->dir, obj->path, &lu->file);
	if (!err)
		err = check_found(lu);
	if (!err)
		*out = found_gen(lu, &err);
	if (!err)
		cache->be->ops->touch((*out)->file);
	if (lu->file)
		cache->be->ops->file_close(lu->file);
	if (discarded(err) || err == -EIO) {
		fsc_space_freed(cache, lu->st.bytes);
		if (!lu->st.nlink)
			fsc_space_unknown(cache); /* it didn't even say how much it was */
	}
	fsc_free(lu->value);
	fsc_free(lu);
	return err;
}

static int find_or_make(struct fsc_object *obj)
{
	struct fsc_cache *cache = obj->vol->cache;
	struct fsc_gen *gen = NULL;
	bool gone;
	int err;

	err = look_up(obj, &gen);
	if (!err) {
		fsc_stat_add(cache, FSC_STAT_OBJECTS_FOUND, 1);
	} else if (discarded(err) || err == -EIO) {
		/* EIO: reading it again won't help. It costs this object, and says so. */
		if (err == -EIO)
			fsc_cache_error(cache, err, "reading what is stored of an object");
		fsc_stat_add(cache, FSC_STAT_OBJECTS_DISCARDED, 1);
		err = fsc_object_drop_name(obj, &gone);
		if (!err)
			err = fsc_object_sync_removal(obj, gone);
	} else if (err == -ENOENT) {
		fsc_stat_add(cache, FSC_STAT_OBJECTS_MISSED, 1);
		err = 0;
	}
	if (err) {
		fsc_cache_error(cache, err, "looking an object up");
		return err == -ENOMEM ? err : -ENOBUFS;
	}
	if (!gen)
		gen = fsc_gen_new(obj, obj->size);
	obj->gen = gen;
	return gen ? 0 : -ENOMEM;
}

/* --- Open and close --------------------------------------------------------------------------- */

static struct fsc_object *new_object(struct fsc_volume *vol, struct fsc_blob key,
				     struct fsc_blob coherency, uint64_t size)
{
	struct fsc_object *obj = fsc_zalloc(sizeof(*obj));

	if (!obj)
		return NULL;
	obj->vol = vol;
	obj->size = size;
	obj->next_size = size;
	obj->key_len = (uint8_t)key.len;
	memcpy(obj->key, key.data, key.len);
	fsc_spin_init(&obj->lock, "object");
	fsc_mutex_init(&obj->name_mutex, "name");
	fsc_label_make(&obj->label, coherency);
	fsc_key_cook_object(key, obj->path, &obj->key_hashed);
	fsc_count_add(&vol->cache->objects_open, 1);
	fsc_volume_live(vol, 1);
	return obj;
}

static void free_object(struct fsc_object *obj)
{
	struct fsc_volume *vol = obj->vol;

	fsc_mutex_destroy(&obj->name_mutex);
	fsc_spin_destroy(&obj->lock);
	fsc_count_add(&vol->cache->objects_open, -1);
	fsc_free(obj);
	fsc_volume_live(vol, -1);
}

static int enter_table(struct fsc_object *obj)
{
	struct fsc_volume *vol = obj->vol;
	struct fsc_object **p;
	int err = -EBUSY;

	fsc_mutex_lock(&vol->table_mutex);
	p = fsc_volume_find(vol, obj->path);
	if (!*p) {
		*p = obj;
		err = 0;
	}
	fsc_mutex_unlock(&vol->table_mutex);
	return err;
}

static void leave_table(struct fsc_object *obj)
{
	struct fsc_volume *vol = obj->vol;
	struct fsc_object **p;

	fsc_mutex_lock(&vol->table_mutex);
	p = fsc_volume_find(vol, obj->path);
	FSC_ASSERT(*p == obj);
	if (*p == obj)
		*p = obj->next;
	fsc_mutex_unlock(&vol->table_mutex);
}

int fsc_object_open(struct fsc_volume *vol, struct fsc_blob key, struct fsc_blob coherency,
		    uint64_t size, struct fsc_object **out)
{
	struct fsc_object *obj;
	int err;

	*out = NULL;
	if (!key.len || key.len > FSC_KEY_MAX || coherency.len > FSC_COHERENCY_MAX ||
	    size > INT64_MAX)
		return -EINVAL;
	if (!vol || !fsc_cache_is_online(vol->cache))
		return -ENOBUFS;
	obj = new_object(vol, key, coherency, size);
	if (!obj)
		return -ENOMEM;
	/* In the table before the look-up: what is in it is not culled. */
	err = enter_table(obj);
	if (err) {
		free_object(obj);
		return err;
	}
	err = find_or_make(obj);
	if (err) {
		leave_table(obj);
		free_object(obj);
		return err;
	}
	*out = obj;
	return 0;
}

static void discard(struct fsc_object *obj, struct fsc_gen *gen, bool retire)
{
	struct fsc_cache *cache = obj->vol->cache;
	bool gone = false;
	int err;

	/* Also when the cache was withdrawn: a later one must not find it. */
	err = fsc_object_drop_name(obj, &gone);
	if (gone && (!gen || !gen->linked))
		fsc_space_unknown(cache);
	else if (gone)
		gen->linked = false;
	if (!err)
		err = fsc_object_sync_removal(obj, gone);
	if (err)
		fsc_cache_error(cache, err, "discarding an object");
	if (retire)
		fsc_stat_add(cache, FSC_STAT_OBJECTS_RETIRED, 1);
}

/* True if it may stay on disk as it is stored now. */
static bool close_kept(struct fsc_object *obj, struct fsc_gen *gen, const struct fsc_blob *proven)
{
	char text[FSC_ERROR_TEXT_MAX];
	unsigned long irq;
	bool good;
	int err;

	/* What is being written is awaited: whoever opens this key next opens the same file. */
	fsc_gen_drain(gen);
	irq = fsc_spin_lock(&gen->lock);
	good = gen->is_current && (proven || !gen->modified);
	fsc_spin_unlock(&gen->lock, irq);
	if (!good)
		return false;
	err = fsc_object_commit(obj, proven);
	irq = fsc_spin_lock(&gen->lock);
	good = gen->is_current && !gen->modified;
	fsc_spin_unlock(&gen->lock, irq);
	/* An unsaved object declares less than it has, which is safe: it stays. */
	if (err && good)
		fsc_log(FSC_LOG_DEBUG, "cache: an object was closed unsaved: %s",
			fsc_error_text(err, text));
	return good;
}

/* Whoever opens the key next has the same file and may change it: who still pins this generation
 * must not store there any more, nor take what a read brings for good. False: it is lent, and whom
 * it is lent to would see the change. */
static bool fence(struct fsc_gen *gen)
{
	fsc_gen_expire(gen);
	fsc_gen_drain(gen);
	fsc_gen_detach(gen);
	return !fsc_gen_is_lent(gen);
}

/* From here on no other generation comes in the place of the one returned. */
static struct fsc_gen *seal(struct fsc_object *obj)
{
	struct fsc_gen *gen;
	unsigned long irq = fsc_spin_lock(&obj->lock);

	obj->sealed = true;
	gen = obj->gen;
	fsc_spin_unlock(&obj->lock, irq);
	return gen;
}

void fsc_object_close(struct fsc_object *obj, const struct fsc_blob *proven, bool retire)
{
	struct fsc_gen *gen;
	bool kept;

	if (!obj)
		return;
	gen = seal(obj);
	kept = !retire && gen && close_kept(obj, gen, proven) && fence(gen);
	if (!kept && gen) {
		fsc_gen_expire(gen);
		fsc_gen_detach(gen);
	}
	if (kept)
		fsc_space_recount(gen);
	else
		discard(obj, gen, retire);
	if (gen)
		fsc_saver_forget(gen);
	leave_table(obj);
	fsc_gen_put_wait(gen);
	free_object(obj);
}

int fsc_object_forget(struct fsc_volume *vol, struct fsc_blob key)
{
	struct fsc_object *obj = new_object(vol, key, (struct fsc_blob){ NULL, 0 }, 0);
	bool gone;
	int err;

	if (!obj) {
		/* No memory to find its name with. */
		fsc_cache_withdraw(vol->cache);
		fsc_super_taint(vol->cache);
		return -ENOMEM;
	}
	err = fsc_object_drop_name(obj, &gone);
	if (gone)
		fsc_space_unknown(vol->cache);
	if (!err)
		err = fsc_object_sync_removal(obj, gone);
	free_object(obj);
	return err;
}

uint64_t fsc_object_stored(struct fsc_object *obj)
{
	struct fsc_gen *gen = obj ? fsc_object_gen(obj) : NULL;
	uint64_t bytes = 0;
	unsigned long irq;

	if (gen) {
		irq = fsc_spin_lock(&gen->lock);
		bytes = gen->charge;
		fsc_spin_unlock(&gen->lock, irq);
		fsc_gen_put(gen);
	}
	return bytes;
}

uint64_t fsc_object_size(struct fsc_object *obj)
{
	unsigned long irq = fsc_spin_lock(&obj->lock);
	uint64_t size = obj->size;

	fsc_spin_unlock(&obj->lock, irq);
	return size;
}
