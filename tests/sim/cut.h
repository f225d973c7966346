/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cut.h - for tests of crashes: the same scenario and a power cut after it with many seeds, and how
 * often each outcome came.
 */
#ifndef SIM_CUT_H
#define SIM_CUT_H

#include "world.h"

#define CUTS 200
#define OUTCOMES 16

static unsigned int seen[OUTCOMES];

/* Looks at the store after the cut, and says which of the outcomes it is. */
typedef unsigned int (*outcome_fn)(struct world *w);

static inline void new_store(struct world *w, const struct simstore_opts *opts)
{
	simstore_destroy(w->st);
	w->st = simstore_create(opts);
}

/* @before is durable. @fn ends with sim_kill(), or well. */
static inline void cut_once(struct world *w, uint64_t seed, enum fsc_fs_kind model, sim_fn before,
			    sim_fn fn)
{
	enum sim_end end;

	new_store(w, NULL);
	if (before)
		sim_run(seed, before, w);
	simstore_track(w->st, model);
	end = sim_try(seed, NULL, fn, w);
	assert_true(end == SIM_OK || end == SIM_KILLED);
	simstore_power_cut(w->st, seed, NULL);
}

static inline void each_cut(struct world *w, enum fsc_fs_kind model, sim_fn before, sim_fn fn,
			    outcome_fn outcome)
{
	memset(seen, 0, sizeof(seen));
	for (uint64_t seed = 1; seed <= CUTS; seed++) {
		cut_once(w, seed, model, before, fn);
		seen[outcome(w)]++;
	}
}

/* Which bytes a block consists of, in sectors: bits of their values; bit 0 for zeroes. */
static inline unsigned int bytes_in(struct simstore *st, const char *path, uint64_t pos)
{
	uint8_t mem[K] = { 0 };
	unsigned int bits = 0;

	assert_true(simstore_read(st, path, pos, mem, K) >= 0);
	for (int i = 0; i < K; i++) {
		assert_in_range(mem[i], 0, 31);
		assert_int_equal(mem[i], mem[i - i % 512]);
		bits |= 1u << mem[i];
	}
	return bits;
}

static inline int xattr_of(struct simstore *st, const char *path)
{
	uint8_t value;

	return simstore_xattr_get(st, path, "user.x", &value, 1) == 1 ? value : 0;
}

static inline void set_xattr(struct world *w, struct fsc_file *file, uint8_t value)
{
	assert_int_equal(w->ops->xattr_set(file, "user.x", &value, 1), 0);
}

static inline void write_ok(struct world *w, struct fsc_file *file, uint64_t pos, int byte)
{
	assert_int_equal(write_byte(w, file, pos, byte), K);
}

static inline struct fsc_file *open_file(struct world *w, const char *name)
{
	struct fsc_file *file;

	assert_int_equal(w->ops->file_open(w->root, name, &file), 0);
	return file;
}

/* Their bytes are 1 and 2, their xattrs 4 and 5. */
static inline void two_files(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 2; i++) {
		uint8_t value = (uint8_t)(4 + i), mem[K];

		memset(mem, 1 + i, K);
		simstore_mkfile(w->st, i ? "g" : "f");
		simstore_write(w->st, i ? "g" : "f", 0, mem, K);
		simstore_xattr_set(w->st, i ? "g" : "f", "user.x", &value, 1);
	}
}

/* --- What a store holds, in one number -------------------------------------------- */

struct digest {
	struct simstore *st;
	uint64_t hash, blocks, files;
	bool with_data;
};

static inline void mix(struct digest *d, uint64_t v)
{
	d->hash = (d->hash ^ v) * 0x9e3779b97f4a7c15ull;
	d->hash ^= d->hash >> 31;
}

/* In no order, as the listing has none. */
static inline int digest_name(void *arg, const char *path, const struct fsc_stat *stat)
{
	struct digest *all = arg, d = { .hash = stat->ino };
	uint8_t mem[K] = { 0 };

	for (const char *p = path; *p; p++)
		mix(&d, (uint8_t)*p);
	mix(&d, stat->btime_s * 1000000000 + stat->btime_ns);
	mix(&d, stat->size);
	mix(&d, stat->nlink);
	mix(&d, (uint64_t)xattr_of(all->st, path));
	for (uint64_t pos = 0; stat->type == FSC_FILE_REGULAR && pos < stat->size; pos += K) {
		mix(&d, simstore_is_hole(all->st, path, pos));
		simstore_read(all->st, path, pos, mem, K);
		for (int i = 0; all->with_data && i < K; i += 512)
			mix(&d, mem[i]);
	}
	all->hash += d.hash;
	assert_true(stat->bytes / K <= (stat->size + K - 1) / K);
	all->blocks += stat->bytes / K;
	all->files++;
	return 0;
}

static inline struct digest digest(struct simstore *st, bool with_data)
{
	struct digest d = { .st = st, .with_data = with_data, .files = 1 };

	simstore_walk(st, digest_name, &d);
	return d;
}

/* What holds for every disk, whatever came before. */
static inline void check_sound(struct simstore *st)
{
	struct digest d = digest(st, false);
	uint64_t blocks, files;

	simstore_used(st, &blocks, &files);
	assert_int_equal(d.blocks, blocks);
	assert_int_equal(d.files, files);
	assert_int_equal(simstore_open_handles(st), 0);
}

#endif
