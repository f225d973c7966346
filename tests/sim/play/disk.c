// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * disk.c - a look at what is at rest: each granule that a stored record declares, and that the next
 * process would believe, must be bytes that the server had under that record's coherency data, or
 * later (a label may be older than what it labels, never newer).
 */
#include <stdlib.h>

#include "bits.h"
#include "key.h"
#include "map.h"
#include "play_int.h"
#include "record.h"

struct found {
	struct play *p;
	struct file *f;
	const char *path;
	struct fsc_record rec;
	uint32_t least;
	uint8_t value[65536];
};

const char *disk_path(const struct play *p, const struct file *f)
{
	static char path[600];
	char object[FSC_OBJECT_PATH_SIZE], volume[FSC_NAME_MAX + 1];
	const struct volume *v = &p->volumes[f->volume];
	bool hashed;

	fsc_key_cook_volume((struct fsc_blob){ v->key, v->key_len }, volume, &hashed);
	fsc_key_cook_object((struct fsc_blob){ f->key, f->key_len }, object, &hashed);
	snprintf(path, sizeof(path), "cache/%s/%s", volume, object);
	return path;
}

/* The latest version that had these coherency data; 0: none ever had. */
static uint32_t labelled(struct play *p, const struct file *f, const struct fsc_record *rec)
{
	uint8_t form[FSC_COHERENCY_INLINE];
	struct attr attr;
	uint32_t v;
	size_t len;
	bool hashed;

	for (v = f->version; v; v--) {
		server_attr(p, f, v, &attr);
		len = fsc_record_coherency((struct fsc_blob){ attr.coherency, attr.coherency_len },
					   form, &hashed);
		if (hashed == rec->coherency_hashed && len == rec->coherency.len &&
		    !memcmp(form, rec->coherency.data, len) && attr.size == rec->size)
			break;
	}
	return v;
}

static void check_run(struct found *d, uint64_t start, uint64_t end)
{
	static uint8_t data[16 * PLAY_GRANULE];
	uint64_t pos = start * PLAY_GRANULE, stop = fsc_min64(end * PLAY_GRANULE, d->rec.size);

	for (; pos < stop; pos += sizeof(data)) {
		size_t len = (size_t)fsc_min64(sizeof(data), stop - pos), at;
		int64_t n = simstore_read(d->p->store, d->path, pos, data, len);

		if (n != (int64_t)len) {
			/* Cut off at the end: found out when it is looked up, or read. */
			return;
		}
		d->p->stats.checked += (len + PLAY_GRANULE - 1) / PLAY_GRANULE;
		at = oracle_wrong(d->p, d->f, NULL, d->least, pos, data, len);
		if (at < len)
			play_fail(d->p, d->f,
				  "disk: what is declared present at %llu is %s; versions %u to %u are allowed",
				  (unsigned long long)(pos + at),
				  oracle_looks_like(d->p, d->f, pos + at, data + at, len - at),
				  d->least, d->f->version);
	}
}

static void check_runs(struct found *d, enum fsc_map_kind kind, struct fsc_blob map)
{
	struct fsc_map_reader r;
	uint64_t start, end;

	fsc_map_reader_init(&r, kind, map, fsc_granules(d->rec.size));
	while (fsc_map_reader_next(&r, &start, &end) > 0)
		check_run(d, start, end);
}

static void check_slot(struct found *d)
{
	struct fsc_slot_ref ref;
	static uint8_t slot[1 << 20];
	size_t len;

	if (fsc_slot_ref_decode(&ref, d->rec.map) || ref.len > sizeof(slot) - FSC_SLOT_HEADER)
		return;
	len = FSC_SLOT_HEADER + ref.len;
	if (simstore_read(d->p->store, d->path, ref.pos, slot, len) != (int64_t)len ||
	    fsc_slot_check(&ref, slot, len))
		return; /* no map */
	check_runs(d, ref.kind, (struct fsc_blob){ slot + FSC_SLOT_HEADER, ref.len });
}

static bool is_its_own(const struct found *d, const struct fsc_stat *st)
{
	const struct volume *v = &d->p->volumes[d->f->volume];
	uint8_t digest[FSC_DIGEST_SIZE];

	fsc_key_digest((struct fsc_blob){ v->key, v->key_len },
		       (struct fsc_blob){ d->f->key, d->f->key_len }, st->ino, st->btime_s,
		       st->btime_ns, digest);
	return !memcmp(digest, d->rec.digest, sizeof(digest));
}

static void check_file(struct found *d)
{
	struct fsc_stat st;
	int len;

	d->path = disk_path(d->p, d->f);
	if (simstore_stat(d->p->store, d->path, &st) || st.type != FSC_FILE_REGULAR)
		return;
	len = simstore_xattr_get(d->p->store, d->path, FSC_XATTR_NAME, d->value, sizeof(d->value));
	if (len <= 0 || fsc_record_decode(&d->rec, d->value, (size_t)len) || d->rec.volume ||
	    d->rec.modifying || !is_its_own(d, &st))
		return;
	d->least = labelled(d->p, d->f, &d->rec);
	if (!d->least)
		return; /* nobody will present these any more */
	if (d->p->coherency == COH_CONST)
		d->least = d->f->crash_floor;
	if (d->rec.complete && st.size < d->rec.size)
		return;
	if (d->rec.complete)
		check_run(d, 0, fsc_granules(d->rec.size));
	else if (d->rec.map_kind == FSC_MAP_SLOT)
		check_slot(d);
	else
		check_runs(d, d->rec.map_kind, d->rec.map);
}

static int add_bytes(void *arg, const char *path, const struct fsc_stat *st)
{
	if (st->type == FSC_FILE_REGULAR &&
	    (!strncmp(path, "cache/", 6) || !strncmp(path, "graves/", 7)))
		*(uint64_t *)arg += st->bytes;
	return 0;
}

/* After a clean close: what the cache says that its files occupy, if it says so, they do. */
static void check_account(struct play *p)
{
	uint8_t block[FSC_SUPER_BLOCK];
	struct fsc_super super;
	uint64_t bytes = 0;

	if (simstore_read(p->store, "super", 0, block, sizeof(block)) < FSC_SUPER_SIZE ||
	    fsc_super_decode(&super, block, FSC_SUPER_SIZE) || super.open ||
	    super.used_bytes == UINT64_MAX)
		return;
	simstore_walk(p->store, add_bytes, &bytes);
	if (bytes != super.used_bytes)
		play_fail(p, NULL, "account: %llu bytes are said to be used, and %llu are",
			  (unsigned long long)super.used_bytes, (unsigned long long)bytes);
	p->stats.accounts++;
}

/* A cache left open on a filesystem that promises nothing is believed only as a whole. */
static bool is_emptied(struct play *p)
{
	uint8_t block[FSC_SUPER_BLOCK];
	struct fsc_super super;

	if (simstore_read(p->store, "super", 0, block, sizeof(block)) < FSC_SUPER_SIZE ||
	    fsc_super_decode(&super, block, FSC_SUPER_SIZE))
		return true;
	return super.open;
}

/* The folder's own coherency data: an older one is moved away whole. */
static bool is_volume_now(struct play *p, uint32_t nr)
{
	static uint8_t value[65536];
	const struct volume *v = &p->volumes[nr];
	char path[600];
	struct fsc_record rec;
	int len;

	for (uint32_t i = 0; i < p->nr_files; i++) {
		if (p->files[i].volume != nr)
			continue;
		snprintf(path, sizeof(path), "%s", disk_path(p, &p->files[i]));
		*strchr(path + 6, '/') = '\0';
		len = simstore_xattr_get(p->store, path, FSC_XATTR_NAME, value, sizeof(value));
		return len > 0 && !fsc_record_decode(&rec, value, (size_t)len) &&
		       rec.coherency.len == sizeof(v->coherency) &&
		       !memcmp(rec.coherency.data, &v->coherency, sizeof(v->coherency));
	}
	return false;
}

void disk_check(struct play *p, bool clean)
{
	static struct found d;

	if (clean)
		check_account(p);
	if (is_emptied(p))
		return;
	d.p = p;
	for (uint32_t v = 0; v < p->nr_volumes; v++) {
		if (!is_volume_now(p, v))
			continue;
		for (uint32_t i = 0; i < p->nr_files; i++) {
			if (p->files[i].volume != v)
				continue;
			d.f = &p->files[i];
			check_file(&d);
		}
	}
}
