// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * check.c - what must be true when the faults are over: on the disk, and for a client that opens
 * it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "key.h"
#include "map.h"
#include "record.h"

/* --- What records declare --------------------------------------------------------------------- */

static const char *path_of(const struct remote *f)
{
	static char path[FSC_OBJECT_PATH_SIZE + 64];
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	char object[FSC_OBJECT_PATH_SIZE];
	bool hashed;

	fsc_key_cook_object(remote_params(f, 0, key, coh).key, object, &hashed);
	snprintf(path, sizeof(path), "cache/I9p,server,export/%s", object);
	return path;
}

static bool has_label(const struct remote *f, uint32_t version, const struct fsc_record *rec)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX], label[FSC_COHERENCY_INLINE];
	struct fsc_cookie_params p = remote_params(f, version, key, coh);
	bool hashed;
	size_t len = fsc_record_coherency(p.coherency, label, &hashed);

	return rec->coherency_hashed == hashed && rec->coherency.len == len &&
	       !memcmp(rec->coherency.data, label, len) && rec->size == f->v[version].size;
}

struct look {
	struct room *room;
	struct remote *f;
	struct fsc_record rec;
	uint8_t value[65536];
};

/* Right for one of the versions that a client could present this label and size for. */
static void check_granule(struct look *l, uint64_t granule)
{
	uint64_t pos = granule * K, left = l->rec.size - pos;
	size_t len = left < K ? (size_t)left : K;
	uint8_t have[K], want[K];
	bool any = false;

	CHECK_EQ(simstore_read(l->room->store, path_of(l->f), pos, have, len), len);
	for (uint32_t v = 0; v < l->f->nr; v++) {
		if (!has_label(l->f, v, &l->rec))
			continue;
		any = true;
		remote_bytes(l->f, v, pos, want, len);
		if (!memcmp(have, want, len))
			return;
	}
	if (any)
		sim_fail(SIM_BUG, "file %u: the disk declares granule %llu, with other bytes there",
			 l->f->id, (unsigned long long)granule);
}

/* Both ends of what is long: those are of the size that counts. */
static void check_run(struct look *l, uint64_t start, uint64_t end)
{
	for (uint64_t g = start; g < end; g++) {
		if (g - start >= 70 && end - g > 70)
			g = end - 70;
		check_granule(l, g);
	}
}

static void check_runs(struct look *l, enum fsc_map_kind kind, struct fsc_blob map)
{
	struct fsc_map_reader r;
	uint64_t start, end;
	int n;

	fsc_map_reader_init(&r, kind, map, (l->rec.size + K - 1) / K);
	while ((n = fsc_map_reader_next(&r, &start, &end)) > 0)
		check_run(l, start, end);
	CHECK_EQ(n, 0);
}

/* A slot that a crash tore is no map: nothing is declared. */
static void check_slot(struct look *l)
{
	struct fsc_slot_ref ref;
	uint8_t *slot;
	size_t len;

	CHECK_EQ(fsc_slot_ref_decode(&ref, l->rec.map), 0);
	CHECK(ref.pos >= l->rec.size);
	len = FSC_SLOT_HEADER + ref.len;
	slot = calloc(1, len);
	if (simstore_read(l->room->store, path_of(l->f), ref.pos, slot, len) == (int64_t)len &&
	    !fsc_slot_check(&ref, slot, len))
		check_runs(l, ref.kind, (struct fsc_blob){ slot + FSC_SLOT_HEADER, ref.len });
	free(slot);
}

static bool is_ours(const struct look *l, const struct fsc_stat *st)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX], digest[FSC_DIGEST_SIZE];
	struct fsc_cookie_params p = remote_params(l->f, 0, key, coh);

	fsc_key_digest((struct fsc_blob){ "9p,server,export", 16 }, p.key, st->ino, st->btime_s,
		       st->btime_ns, digest);
	return !memcmp(digest, l->rec.digest, sizeof(digest));
}

static void check_file(struct look *l)
{
	const char *path = path_of(l->f);
	struct fsc_stat st;
	int len;

	if (simstore_stat(l->room->store, path, &st) || st.type != FSC_FILE_REGULAR)
		return;
	len = simstore_xattr_get(l->room->store, path, FSC_XATTR_NAME, l->value, sizeof(l->value));
	if (len <= 0 || fsc_record_decode(&l->rec, l->value, (size_t)len) || !is_ours(l, &st))
		return; /* nobody believes it */
	if (l->rec.modifying)
		return;
	if (l->rec.complete && st.size >= l->rec.size)
		check_run(l, 0, (l->rec.size + K - 1) / K);
	else if (l->rec.map_kind == FSC_MAP_SLOT)
		check_slot(l);
	else if (l->rec.map_kind != FSC_MAP_NONE)
		check_runs(l, l->rec.map_kind, l->rec.map);
}

/* What is marked as open is emptied before anything in it is believed. */
bool is_believed(struct room *r)
{
	uint8_t block[FSC_SUPER_SIZE];
	struct fsc_super super;

	if (simstore_read(r->store, "super", 0, block, sizeof(block)) != sizeof(block) ||
	    fsc_super_decode(&super, block, sizeof(block)))
		return false;
	return !super.open || (super.ids_known && r->backend.ids_known &&
			       super.mount_id == r->backend.mount_id &&
			       !memcmp(super.boot_id, r->backend.boot_id, sizeof(super.boot_id)));
}

void check_disk(struct room *r)
{
	struct look *l;

	if (!is_believed(r))
		return;
	l = calloc(1, sizeof(*l));
	l->room = r;
	for (struct remote *f = r->file; f->id; f++) {
		l->f = f;
		check_file(l);
	}
	free(l);
}

/* --- What a new client finds ------------------------------------------------------------------ */

static int add_bytes(void *arg, const char *path, const struct fsc_stat *st)
{
	if (!strncmp(path, "cache/", 6) && st->type == FSC_FILE_REGULAR)
		*(uint64_t *)arg += st->bytes;
	return 0;
}

static void check_accounts(struct room *r)
{
	uint64_t bytes = 0;

	simstore_walk(r->store, add_bytes, &bytes);
	CHECK_EQ(room_stats(r).bytes_used, bytes);
}

/* As one that just got these attributes. */
static void meet(struct remote *f)
{
	uint32_t last = f->nr - 1, v = last;

	while (v > 0 && f->v[v - 1].coh == f->v[last].coh)
		v--;
	if (v < f->gone)
		v = f->gone < last ? f->gone : last;
	f->told = v;
}

static void check_reads(struct room *r, struct remote *f)
{
	struct fsc_cookie *cookie = cookie_get(r, f);

	CHECK(cookie);
	CHECK(fsc_cookie_use_wait(cookie, false));
	meet(f);
	read_all(r, f, cookie);
	cookie_drop(cookie);
}

/* All of it is in the cache now, and the cache serves it. */
static void check_served(struct room *r, struct remote *f)
{
	struct fsc_cookie *cookie = cookie_used(r, f);
	uint64_t size = remote_now(f)->size, before;

	meet(f);
	CHECK(cookie);
	read_all(r, f, cookie);
	room_quiet(r);
	if (!f->sparse)
		CHECK_EQ(fsc_cookie_present(cookie, 0, size), size);
	before = room_stats(r).server_reads;
	read_all(r, f, cookie);
	CHECK_EQ(room_stats(r).server_reads, before);
	cookie_drop(cookie);
}

/* Room for all, whatever the scenario had. */
static void be_generous(struct room *r)
{
	struct fsc_cache_params params = { .max_bytes = 1024 * MIB };

	r->params = params;
	r->server = (struct server){ 0 };
	r->backend.max_files = 0;
	r->backend.latency_us = 0;
	simstore_limit(r->store, 1 << 20, 1 << 16);
}

static void check_refused(struct room *r)
{
	struct fsc_cookie *cookie;

	CHECK(room_open(r));
	for (struct remote *f = r->file; f->id; f++) {
		cookie = cookie_used(r, f);
		CHECK(!cookie);
		meet(f);
		read_all(r, f, cookie);
	}
}

void check_after(struct room *r)
{
	be_generous(r);
	check_disk(r);
	if (r->scenario->flags & SCEN_OPEN_FAILS) {
		check_refused(r);
		return;
	}
	/* Names and blocks were swapped: then this may be nobody's cache, by all that is known. */
	if (r->may_refuse && room_cache(r) == -ENOTEMPTY) {
		r->refused = true;
		check_refused(r);
		return;
	}
	if (!r->cache)
		CHECK_EQ(room_cache(r), 0);
	/* What is known of an earlier time, or counted now, while nothing else goes on. */
	room_quiet(r);
	check_accounts(r);
	CHECK_EQ(room_volume(r), 0);
	for (struct remote *f = r->file; f->id; f++)
		check_reads(r, f);
	room_quiet(r);
	for (struct remote *f = r->file; f->id; f++)
		if (!f->real_size)
			check_served(r, f);
	room_close(r);
	check_disk(r);
	CHECK_EQ(room_cache(r), 0);
	room_quiet(r);
	check_accounts(r);
	room_close(r);
}

/* --- To whom the server shows what it had before ---------------------------------------------- */

static bool may_roll_back(const struct remote *f)
{
	return f->nr > 1 && f->v[f->nr - 2].coh != f->v[f->nr - 1].coh;
}

bool has_rolled_back(const struct room *r)
{
	for (const struct remote *f = r->file; f->id; f++)
		if (may_roll_back(f))
			return true;
	return false;
}

void check_rolled_back(struct room *r)
{
	for (struct remote *f = r->file; f->id; f++)
		if (may_roll_back(f))
			f->nr--;
	check_after(r);
}
