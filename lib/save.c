// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * save.c - storing what a generation knows: snapshot, data, slot, xattr, name, in the order that a
 * crash at any point leaves something true.
 *
 *	snapshot of the map   bits set later are simply not in it
 *	data                  synced, where the filesystem wouldn't keep the order by itself: on an
 *	                      ordered one what went over old blocks
 *	map slot              only when the map doesn't fit the xattr
 *	xattr                 the authority: header, coherency data and map in one value
 *	name                  the first time
 *	truncate              a complete file has the object's size
 */
#include "bits.h"
#include "core.h"
#include "key.h"

struct save {
	struct fsc_gen *gen;
	uint64_t size;
	uint32_t flags;
	size_t room; /* for the map in the value */
	struct fsc_snapshot snap;
	struct fsc_record rec;
	uint8_t ref_bytes[FSC_SLOT_REF_SIZE];
	struct fsc_slot_ref ref;
	bool in_slot;
	bool part; /* the map declares less than is present */
	bool lost; /* the data couldn't be synced */
	bool stored;
};

static bool too_large(int err)
{
	return err == -ENOSPC || err == -E2BIG || err == -ERANGE || err == -EDQUOT;
}

static int fill_record(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	struct fsc_object *obj = gen->obj;
	struct fsc_record *rec = &s->rec;
	struct fsc_stat st;
	unsigned long irq;
	int err;

	err = gen->cache->be->ops->stat(gen->file, &st);
	if (err)
		return err;
	fsc_key_digest((struct fsc_blob){ obj->vol->key, obj->vol->key_len },
		       (struct fsc_blob){ obj->key, obj->key_len },
		       st.ino, st.btime_s, st.btime_ns, rec->digest);
	irq = fsc_spin_lock(&gen->lock);
	rec->modifying = gen->modified;
	fsc_spin_unlock(&gen->lock, irq);
	rec->size = s->size;
	rec->coherency_hashed = obj->label.hashed;
	rec->coherency = (struct fsc_blob){ obj->label.data, obj->label.len };
	rec->has_key = obj->key_hashed;
	if (obj->key_hashed)
		rec->key = (struct fsc_blob){ obj->key, obj->key_len };
	s->room = 0; /* a long key may leave nothing for the map */
	if (gen->cache->be->xattr_max > fsc_record_overhead(rec))
		s->room = gen->cache->be->xattr_max - fsc_record_overhead(rec);
	if (s->room > UINT16_MAX)
		s->room = UINT16_MAX;
	return 0;
}

/* --- Slots ------------------------------------------------------------------------------------ */

static int write_slot(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	size_t len = fsc_round_up(FSC_SLOT_HEADER + s->snap.len, FSC_GRANULE_SIZE);
	unsigned long irq;
	uint8_t *mem;
	int err;

	mem = fsc_io_alloc(len);
	if (!mem)
		return -ENOMEM;
	fsc_slot_header(&s->ref, mem);
	memcpy(mem + FSC_SLOT_HEADER, s->snap.mem, s->snap.len);
	memset(mem + FSC_SLOT_HEADER + s->snap.len, 0, len - FSC_SLOT_HEADER - s->snap.len);
	err = fsc_cache_transfer(gen->cache, gen->file, true, s->ref.pos, mem, len);
	fsc_io_free(mem, len);
	irq = fsc_spin_lock(&gen->lock);
	gen->miscounted = true;
	if (!err)
		gen->file_size = fsc_max64(gen->file_size, s->ref.pos + len);
	fsc_spin_unlock(&gen->lock, irq);
	return err;
}

/* The slot that the stored value doesn't point to; where the last value but one did: which is why
 * the last must be durable before that is overwritten. */
static int choose_slot(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	uint64_t granules = fsc_granules(s->size);
	uint64_t cap = fsc_round_up(FSC_SLOT_HEADER + fsc_map_bitmap_bytes(granules),
				    FSC_GRANULE_SIZE);

	s->ref.slot = gen->in_slot ? !gen->slot.slot : 0;
	s->ref.kind = s->snap.kind;
	s->ref.pos = fsc_round_up(s->size, FSC_GRANULE_SIZE) + s->ref.slot * cap;
	s->ref.len = (uint32_t)s->snap.len;
	s->ref.crc = fsc_crc32c(0, s->snap.mem, s->snap.len);
	return gen->stored && !gen->slot_synced ? fsc_gen_save_sync(gen) : 0;
}

static int take_into_slot(struct save *s)
{
	struct fsc_cache *cache = s->gen->cache;
	uint64_t max = fsc_min64(cache->params.max_map_bytes, UINT32_MAX);
	int err;

	/* With its header, rounded up, it must be what look-up is ready to read. */
	if ((s->flags & FSC_SAVE_NO_SLOT) || max < 2 * FSC_GRANULE_SIZE)
		return -ERANGE;
	max -= FSC_GRANULE_SIZE;
	err = fsc_snapshot_take(s->gen, s->size, max, &s->snap);
	if (err)
		return err;
	err = choose_slot(s);
	if (!err)
		err = write_slot(s);
	fsc_free(s->snap.mem);
	s->snap.mem = NULL;
	if (err) {
		fsc_cache_error(cache, err, "writing a map slot");
		return -ERANGE;
	}
	fsc_slot_ref_encode(&s->ref, s->ref_bytes);
	s->in_slot = true;
	return 0;
}

/* --- The value ------------------------------------------------------------------------------- */

static int take_map(struct save *s)
{
	struct fsc_record *rec = &s->rec;
	int err;

	s->in_slot = false;
	err = fsc_snapshot_take(s->gen, s->size, s->room, &s->snap);
	if (err == -ERANGE && s->room >= FSC_SLOT_REF_SIZE)
		err = take_into_slot(s);
	s->part = err == -ERANGE;
	if (s->part)
		err = fsc_snapshot_take_part(s->gen, s->size, s->room, &s->snap);
	if (err)
		return err;
	rec->complete = s->snap.complete && !rec->modifying;
	rec->map_kind = s->in_slot ? FSC_MAP_SLOT : s->snap.kind;
	rec->map.data = s->in_slot ? s->ref_bytes : s->snap.mem;
	rec->map.len = s->in_slot ? sizeof(s->ref_bytes) : s->snap.len;
	return 0;
}

static int set_value(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	size_t size = fsc_record_overhead(&s->rec) + s->rec.map.len;
	uint8_t *value = fsc_zalloc(size);
	int len, err;

	if (!value)
		return -ENOMEM;
	len = fsc_record_encode(&s->rec, value, size);
	FSC_ASSERT(len > 0);
	err = len < 0 ? len : gen->cache->be->ops->xattr_set(gen->file, FSC_XATTR_NAME, value,
							     (size_t)len);
	fsc_free(value);
	return err;
}

static bool take_overwrote(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool overwrote = gen->overwrote;

	gen->overwrote = false;
	fsc_spin_unlock(&gen->lock, irq);
	return overwrote;
}

/* After the snapshot: so all that it declares is under the sync. A filesystem says once that it has
 * lost something; the next sync may claim to be good. So this file is not to be declared any more. */
static int sync_data(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	bool needed = take_overwrote(gen);
	int err = 0;

	needed = needed || gen->cache->kind == FSC_FS_STRICT || (s->flags & FSC_SAVE_DATA);
	if (needed && gen->cache->syncs)
		err = gen->cache->be->ops->sync(gen->file, true);
	if (!err)
		return 0;
	s->lost = true;
	fsc_gen_expire(gen);
	return err;
}

static int take_and_set(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	int err;

	err = take_map(s);
	if (err)
		return err;
	/* Nothing to say, and nothing said before. */
	if (!s->snap.present && !gen->stored && !s->rec.modifying)
		return 0;
	err = sync_data(s);
	if (!err)
		err = set_value(s);
	if (err)
		return err;
	s->stored = true;
	gen->stored = true;
	/* Of a marked value nothing is believed, whatever it declares. */
	gen->value_bits = s->snap.present != 0 && !s->rec.modifying;
	gen->stored_bits = gen->stored_bits || gen->value_bits;
	gen->stored_mark = s->rec.modifying;
	gen->in_slot = s->in_slot;
	gen->slot = s->ref;
	gen->slot_synced = false;
	fsc_stat_add(gen->cache, FSC_STAT_SAVES, 1);
	return 0;
}

static int store_value(struct save *s)
{
	size_t len;
	int err;

	err = fill_record(s);
	if (err)
		return err;
	/* The limit that was probed is the filesystem's; a full one, or another xattr beside ours,
	 * may take less. Declaring less is always safe. */
	do {
		err = take_and_set(s);
		len = s->in_slot ? FSC_SLOT_REF_SIZE : s->snap.len;
		fsc_free(s->snap.mem);
		s->snap.mem = NULL;
		s->room = len / 2;
		s->flags |= FSC_SAVE_NO_SLOT;
	} while (too_large(err) && len && !s->lost);
	return err;
}

/* Complete: exactly the object's size, and no slots. The xattr said so first. */
static int fit_file(struct save *s)
{
	struct fsc_gen *gen = s->gen;
	unsigned long irq;
	int err;

	if (!s->rec.complete || gen->file_size == s->size)
		return 0;
	fsc_space_removing(gen->cache);
	err = gen->cache->be->ops->resize(gen->file, s->size);
	if (err)
		return err;
	irq = fsc_spin_lock(&gen->lock);
	gen->file_size = s->size;
	gen->miscounted = gen->miscounted || !gen->pristine; /* slots went */
	fsc_spin_unlock(&gen->lock, irq);
	return 0;
}

static bool begin(struct fsc_gen *gen, uint32_t flags)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool go = gen->is_current && gen->file && (gen->unsaved || (flags & FSC_SAVE_ALWAYS));

	if (go)
		gen->unsaved = false;
	fsc_spin_unlock(&gen->lock, irq);
	return go;
}

/* More is present than was declared: soon, or, where it was for lack of room, at the end. */
static void save_again(struct fsc_gen *gen, bool soon)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->unsaved = true;
	fsc_spin_unlock(&gen->lock, irq);
	if (soon)
		fsc_gen_dirty(gen);
}

static void failed(struct fsc_gen *gen, int err)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->unsaved = true;
	fsc_spin_unlock(&gen->lock, irq);
	gen->next_save_ms = fsc_now_ms() + 10ull * gen->cache->params.save_ms;
	fsc_cache_error(gen->cache, err, "saving an object");
}

int fsc_gen_save(struct fsc_gen *gen, uint64_t size, uint32_t flags, bool *stored)
{
	uint64_t started = fsc_now_ms();
	struct save *s;
	int err;

	fsc_mutex_assert_held(&gen->save_mutex);
	if (stored)
		*stored = false;
	if (!gen->obj || !fsc_cache_is_online(gen->cache) || !begin(gen, flags))
		return 0;
	s = fsc_zalloc(sizeof(*s));
	if (!s) {
		failed(gen, -ENOMEM);
		return -ENOMEM;
	}
	s->gen = gen;
	s->size = size;
	s->flags = flags;
	err = store_value(s);
	if (!err && gen->stored && !gen->linked)
		err = fsc_gen_link(gen);
	if (!err)
		err = fit_file(s);
	if (!err && stored)
		*stored = s->stored;
	/* Who had no time for a slot left that to the next save. A marked value says enough. */
	if (!err && s->part && !s->rec.modifying)
		save_again(gen, flags & FSC_SAVE_NO_SLOT);
	/* A long map is not written again and again: a tenth of the time at most. */
	if (!err && gen->in_slot)
		gen->next_save_ms = fsc_now_ms() + 10 * (fsc_now_ms() - started);
	fsc_free(s);
	if (err == -ESTALE)
		return 0; /* replaced meanwhile: nothing to be saved any more */
	if (err)
		failed(gen, err);
	else
		fsc_cache_worked(gen->cache);
	return err;
}

bool fsc_gen_is_unsettled(struct fsc_gen *gen)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);
	bool unsettled = gen->unsettled;

	fsc_spin_unlock(&gen->lock, irq);
	return unsettled;
}

void fsc_gen_set_unsettled(struct fsc_gen *gen, bool unsettled)
{
	unsigned long irq = fsc_spin_lock(&gen->lock);

	gen->unsettled = unsettled;
	fsc_spin_unlock(&gen->lock, irq);
}

int fsc_gen_save_sync(struct fsc_gen *gen)
{
	int err = 0;

	fsc_mutex_assert_held(&gen->save_mutex);
	if (gen->cache->syncs && gen->file)
		err = gen->cache->be->ops->sync(gen->file, false);
	if (err)
		return err;
	gen->slot_synced = true;
	gen->stored_bits = gen->value_bits;
	fsc_gen_set_unsettled(gen, false);
	return 0;
}

int fsc_gen_settle(struct fsc_gen *gen)
{
	int err = 0;

	if (!fsc_gen_is_unsettled(gen))
		return 0;
	fsc_mutex_lock(&gen->save_mutex);
	if (fsc_gen_is_unsettled(gen)) /* still */
		err = fsc_gen_save_sync(gen);
	fsc_mutex_unlock(&gen->save_mutex);
	if (err)
		fsc_cache_error(gen->cache, err, "syncing an object");
	return err;
}

/* The file can't be linked again, so this generation is over. */
int fsc_gen_drop(struct fsc_gen *gen)
{
	struct fsc_object *obj = gen->obj;
	bool gone;
	int err;

	fsc_gen_expire(gen);
	fsc_mutex_lock(&obj->name_mutex);
	err = fsc_object_drop_name(obj, &gone);
	if (gone && !gen->linked)
		fsc_space_unknown(gen->cache);
	if (!err) {
		gen->linked = false;
		gen->stored = false;
		gen->stored_bits = false;
	}
	fsc_mutex_unlock(&obj->name_mutex);
	if (!err)
		err = fsc_object_sync_removal(obj, gone);
	return err;
}

static bool changes_silently(const struct fsc_gen *gen)
{
	return gen->vol->flags & FSC_VOLUME_STRICT_REMOVAL;
}

int fsc_gen_bury_past(struct fsc_gen *gen)
{
	fsc_mutex_assert_held(&gen->save_mutex);
	return gen->obj && changes_silently(gen) ? fsc_object_sync_removal(gen->obj, false) : 0;
}

int fsc_gen_undeclare(struct fsc_gen *gen, uint64_t size)
{
	bool stored = gen->stored_mark;
	int err = 0;

	fsc_mutex_assert_held(&gen->save_mutex);
	if (!gen->obj || !gen->stored_bits)
		return fsc_gen_bury_past(gen);
	/* Nothing is saved any more, and a later open must not believe it. */
	if (!fsc_cache_is_online(gen->cache))
		return fsc_gen_drop(gen);
	if (!stored)
		err = fsc_gen_save(gen, size, FSC_SAVE_ALWAYS | FSC_SAVE_NO_SLOT, &stored);
	if (!err && stored && (gen->cache->kind == FSC_FS_STRICT || changes_silently(gen)))
		err = fsc_gen_save_sync(gen);
	else if (gen->cache->syncs)
		fsc_gen_set_unsettled(gen, true);
	/* What has been given up isn't saved any more, but may have its name still. */
	return err || !stored ? fsc_gen_drop(gen) : 0;
}
