// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* disk.c - the half of fixture.h that looks at the store behind the cache's back. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "bits.h"
#include "key.h"
#include "map.h"

const char *obj_path(const struct netfs_file *file)
{
	static char path[1024];
	char object[FSC_OBJECT_PATH_SIZE];
	uint8_t key[8], coherency[8];
	bool hashed;

	fsc_key_cook_object(netfs_params(file, key, coherency).key, object, &hashed);
	snprintf(path, sizeof(path), "cache/I9p,server,export/%s", object);
	return path;
}

const char *fanout_path(const struct netfs_file *file)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s", obj_path(file));
	*strrchr(path, '/') = '\0';
	return path;
}

static const struct on_disk *decode(struct world *w, const struct netfs_file *file,
				    struct on_disk *d)
{
	const char *path = obj_path(file);
	struct fsc_stat st;

	memset(d, 0, sizeof(*d));
	d->exists = !simstore_stat(w->store, path, &st);
	if (!d->exists)
		return d;
	d->ino = st.ino;
	d->size = st.size;
	d->len = simstore_xattr_get(w->store, path, FSC_XATTR_NAME, d->value, sizeof(d->value));
	CHECK(d->len > 0);
	CHECK_EQ(fsc_record_decode(&d->rec, d->value, (size_t)d->len), 0);
	d->in_slot = d->rec.map_kind == FSC_MAP_SLOT;
	return d;
}

/* Into @bits, one byte per granule. */
static void mark_runs(enum fsc_map_kind kind, struct fsc_blob map, uint8_t *bits, uint64_t granules)
{
	struct fsc_map_reader r;
	uint64_t start, end;
	int n;

	fsc_map_reader_init(&r, kind, map, granules);
	while ((n = fsc_map_reader_next(&r, &start, &end)) > 0)
		memset(bits + start, 1, end - start);
	CHECK_EQ(n, 0);
}

static uint8_t *declared(struct world *w, const struct netfs_file *file, struct on_disk *d)
{
	uint64_t granules = fsc_granules(d->rec.size);
	uint8_t *bits = calloc(1, granules + 1), *slot;
	size_t len;

	if (d->rec.complete) {
		memset(bits, 1, granules);
	} else if (d->in_slot) {
		CHECK_EQ(fsc_slot_ref_decode(&d->slot, d->rec.map), 0);
		CHECK(d->slot.pos >= d->rec.size);
		len = FSC_SLOT_HEADER + d->slot.len;
		slot = calloc(1, len);
		CHECK_EQ(simstore_read(w->store, obj_path(file), d->slot.pos, slot, len), len);
		CHECK_EQ(fsc_slot_check(&d->slot, slot, len), 0);
		mark_runs(d->slot.kind, (struct fsc_blob){ slot + FSC_SLOT_HEADER, d->slot.len },
			  bits, granules);
		free(slot);
	} else {
		mark_runs(d->rec.map_kind, d->rec.map, bits, granules);
	}
	for (uint64_t g = 0; g < granules; g++)
		d->present += bits[g];
	return bits;
}

uint32_t disk_version(const struct on_disk *d)
{
	uint32_t version = 0;

	CHECK_EQ(d->rec.coherency.len, 8);
	memcpy(&version, d->rec.coherency.data, sizeof(version));
	return version;
}

static void check_granule(struct world *w, const struct netfs_file *file, const struct on_disk *d,
			  uint64_t granule)
{
	uint64_t pos = granule * K, len = fsc_min64(K, d->rec.size - pos);
	uint8_t data[K];

	CHECK_EQ(simstore_read(w->store, obj_path(file), pos, data, len), len);
	remote_compare(file, disk_version(d), pos, data, len);
}

const struct on_disk *disk(struct world *w, const struct netfs_file *file)
{
	static struct on_disk d;
	uint8_t *bits;

	decode(w, file, &d);
	if (!d.exists)
		return &d;
	bits = declared(w, file, &d);
	for (uint64_t g = 0; !d.rec.modifying && g < fsc_granules(d.rec.size); g++)
		if (bits[g])
			check_granule(w, file, &d, g);
	free(bits);
	return &d;
}

const struct on_disk *disk_unchecked(struct world *w, const struct netfs_file *file)
{
	static struct on_disk d;

	return decode(w, file, &d);
}

bool disk_declares(const struct on_disk *d, struct world *w, const struct netfs_file *file,
		   uint64_t granule)
{
	struct on_disk copy = *d;
	uint8_t *bits;
	bool is;

	if (!d->exists)
		return false;
	decode(w, file, &copy);
	bits = declared(w, file, &copy);
	is = granule < fsc_granules(copy.rec.size) && bits[granule];
	free(bits);
	return is;
}

int log_find(struct world *w, enum simstore_op op, uint64_t ino, int from)
{
	size_t n;
	const struct simstore_record *log = simstore_log(w->store, &n);

	for (size_t i = from < 0 ? n : (size_t)from; i < n; i++)
		if (log[i].op == op && (!ino || log[i].ino == ino))
			return (int)i;
	return -1;
}
