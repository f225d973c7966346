// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* believe.c - the half of room.h that says what may be believed, by the page on the format. */
#include "bits.h"
#include "key.h"
#include "room.h"

/* --- The cache and the volume ----------------------------------------------------------------- */

static bool is_ours(struct room *room, const char *path, enum fsc_file_type type)
{
	struct fsc_stat stat;

	return !simstore_stat(room->world.store, path, &stat) && stat.type == type && !stat.uid;
}

static int open_folders(struct room *room)
{
	static const char *const names[] = { "cache", "graves", "tmp" };

	for (size_t i = 0; i < 3; i++)
		if (simstore_ino(room->world.store, names[i]) &&
		    !is_ours(room, names[i], FSC_FILE_DIR))
			return 1;
	return 0;
}

static bool ids_are_now(const struct sim_backend_opts *now, const uint8_t *block)
{
	return get_le(block + 28, 4) & 2 && now->ids_known &&
	       get_le(block + 64, 8) == now->mount_id && !memcmp(block + 48, now->boot_id, 16);
}

/* A folder that is to become a cache may have these names in it. */
static int is_in_the_way(void *arg, const char *path, const struct fsc_stat *stat)
{
	(void)arg;
	(void)stat;
	return strcmp(path, "lock") && strcmp(path, "lost+found") && strcmp(path, "tmp") &&
	       !strchr(path, '/');
}

int room_expect_open(struct room *room, bool *empty)
{
	struct simstore *st = room->world.store;
	uint8_t block[FSC_SUPER_BLOCK];
	struct fsc_stat stat;

	*empty = false;
	if (simstore_stat(st, "super", &stat))
		return simstore_walk(st, is_in_the_way, NULL) ? -ENOTEMPTY : open_folders(room);
	if (stat.type != FSC_FILE_REGULAR || stat.uid || stat.nlink != 1 ||
	    stat.size != sizeof(block))
		return -ENOTEMPTY;
	simstore_read(st, "super", 0, block, sizeof(block));
	switch (reader_super(block, sizeof(block))) {
	case READER_NOT_OURS:
		return -ENOTEMPTY;
	case READER_NOT_FOR_US:
		return -EPROTONOSUPPORT;
	case READER_DAMAGED:
		*empty = true;
		break;
	case READER_GOOD:
		*empty = get_le(block + 28, 4) & 1 && !ids_are_now(&room->world.backend, block);
		break;
	}
	return open_folders(room);
}

/* Its value has but one form: the same from the folder's own inode. */
bool room_expect_volume(struct room *room)
{
	static const char key[] = "9p,server,export";
	struct simstore *st = room->world.store;
	struct reader_record rec;
	uint8_t value[1024], digest[16];
	struct fsc_stat stat;
	int len = simstore_xattr_get(st, ROOM_VOLUME, FSC_XATTR_NAME, value, sizeof(value));

	if (!is_ours(room, ROOM_VOLUME, FSC_FILE_DIR) || len < 0 ||
	    reader_record(value, (size_t)len, &rec) != READER_GOOD)
		return false;
	simstore_stat(st, ROOM_VOLUME, &stat);
	fsc_key_digest((struct fsc_blob){ key, 16 }, (struct fsc_blob){ NULL, 0 }, stat.ino,
		       stat.btime_s, stat.btime_ns, digest);
	return rec.volume && !memcmp(rec.digest, digest, 16) && !rec.hashed && rec.key_len == 16 &&
	       !memcmp(rec.key, key, 16) && rec.coherency_len == 2 &&
	       !memcmp(rec.coherency, "v1", 2);
}

/* --- An object ------------------------------------------------------------------------------- */

static void add_run(void *arg, uint64_t start, uint64_t end)
{
	struct room_belief *b = arg;

	if (b->nr == b->size) {
		b->size = b->size ? 2 * b->size : 16;
		b->runs = realloc(b->runs, b->size * sizeof(*b->runs));
		if (!b->runs)
			abort();
	}
	b->runs[b->nr++] = (struct room_run){ start, end };
	b->granules += end - start;
}

static bool read_slot(struct simstore *st, const struct room_object *obj, const uint8_t *bytes,
		      uint64_t granules, struct room_belief *out)
{
	struct fsc_stat stat;
	struct reader_slot ref;
	uint8_t *slot;
	uint64_t len;
	bool good;

	if (!reader_slot_ref(bytes, &ref) || ref.pos < obj->file.size)
		return false;
	simstore_stat(st, obj->path, &stat);
	len = (16ull + ref.len + 4095) / 4096 * 4096;
	if (len > 64 << 20 || ref.pos > stat.size || len > stat.size - ref.pos)
		return false;
	slot = malloc(len);
	simstore_read(st, obj->path, ref.pos, slot, len);
	good = reader_slot_matches(&ref, slot, len) &&
	       reader_map(ref.kind, slot + 16, ref.len, granules, add_run, out);
	free(slot);
	return good;
}

static bool read_map(struct simstore *st, const struct room_object *obj,
		     const struct reader_record *rec, struct room_belief *out)
{
	uint64_t granules = fsc_granules(rec->size);

	if (rec->complete) {
		if (granules)
			add_run(out, 0, granules);
		return true;
	}
	if (rec->map_kind == READER_SLOT)
		return read_slot(st, obj, rec->map, granules, out);
	return reader_map(rec->map_kind, rec->map, rec->map_len, granules, add_run, out);
}

/* Of this key, this file and this version? */
static bool fits(const struct room_object *obj, const struct fsc_stat *stat,
		 const struct reader_record *rec)
{
	struct room_object now = *obj;
	uint8_t digest[16], label[FSC_COHERENCY_INLINE];
	bool key_hashed = obj->key_len > 190, hashed;
	size_t len;

	now.ino = stat->ino;
	now.btime_s = stat->btime_s;
	now.btime_ns = stat->btime_ns;
	room_digest(&now, digest);
	if (rec->volume || rec->modifying || memcmp(rec->digest, digest, 16))
		return false;
	if (rec->has_key != key_hashed || rec->size != obj->file.size)
		return false;
	if (key_hashed && (rec->key_len != obj->key_len || memcmp(rec->key, obj->key, rec->key_len)))
		return false;
	len = fsc_record_coherency((struct fsc_blob){ obj->coherency, obj->coherency_len }, label,
				   &hashed);
	return rec->hashed == hashed && rec->coherency_len == len &&
	       !memcmp(rec->coherency, label, len);
}

static bool believe(struct simstore *st, const struct room_object *obj, struct room_belief *out)
{
	static uint8_t value[65536];
	struct reader_record rec;
	struct fsc_stat stat;
	uint64_t end = 0;
	int len;

	if (simstore_stat(st, obj->path, &stat) || stat.type != FSC_FILE_REGULAR ||
	    stat.nlink != 1 || stat.uid)
		return false;
	len = simstore_xattr_get(st, obj->path, FSC_XATTR_NAME, value, sizeof(value));
	if (len < 0 || reader_record(value, (size_t)len, &rec) != READER_GOOD)
		return false;
	if (!fits(obj, &stat, &rec) || !read_map(st, obj, &rec, out))
		return false;
	out->complete = rec.complete;
	if (out->nr)
		end = fsc_min64(out->runs[out->nr - 1].end * K, rec.size);
	return end <= stat.size;
}

void room_believe(struct room *room, const struct room_object *obj, struct room_belief *out)
{
	memset(out, 0, sizeof(*out));
	if (!believe(room->world.store, obj, out)) {
		out->nr = 0;
		out->granules = 0;
		out->complete = false;
	}
}

void room_belief_free(struct room_belief *belief)
{
	free(belief->runs);
}
