// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * writer.c - threads that write files locally, through objects: with the modifying mark, several
 * transfers at a time, and proof at the end that nobody else changed the file.
 *
 * Each has files of its own, so that what the cache holds under a label is that version, byte for
 * byte.
 */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define IN_FLIGHT 8
#define SPAN (128u << 10)

struct writer {
	uint64_t chance;
	uint32_t number;
	sem_t slots;
	struct fsc_object *objects[FILES_MAX]; /* open ones */
};

enum transfer_kind { KEEP, READ, WRITE };

struct transfer {
	struct fsc_gio gio;
	struct writer *w;
	enum transfer_kind kind;
	uint32_t file, version;
	uint8_t *mem;
	size_t len; /* of what is wanted */
};

static struct fsc_blob label_blob(uint32_t file, uint32_t version, struct world_label *label)
{
	world_label(file, version, label);
	return (struct fsc_blob){ label, sizeof(*label) };
}

/* --- Transfers ------------------------------------------------------------------------------- */

static void end(struct transfer *t)
{
	sem_t *slots = &t->w->slots;

	if (t->kind == WRITE)
		fsc_gen_write_answered(t->gio.gen);
	fsc_gen_put(t->gio.gen);
	free(t->mem);
	free(t);
	sem_post(slots);
}

static void check(const struct transfer *t, int64_t ret)
{
	uint64_t at;

	/* An error is the cache's affair: a client would ask the server. */
	if (ret < 0 || run.planted != PLANTED_NONE)
		return;
	if (!world_matches(t->file, t->version, t->version, t->gio.pos, t->mem,
			   (size_t)ret < t->len ? (size_t)ret : t->len, &at))
		run_failed("file %u, version %u: byte %llu read from the object is wrong", t->file,
			   t->version, (unsigned long long)at);
}

static void done(struct fsc_gio *gio, int64_t ret)
{
	struct transfer *t = (struct transfer *)(void *)gio;

	if (t->kind == READ)
		check(t, ret);
	__atomic_fetch_add(&run.reads, 1, __ATOMIC_RELAXED);
	end(t);
}

/* Of @len bytes from @pos on, in a buffer of whole granules around them with the version's bytes.
 * Takes over the pin on @gen. */
static struct transfer *new_transfer(struct writer *w, struct fsc_gen *gen, enum transfer_kind kind,
				     uint32_t file, uint32_t version, uint64_t pos, uint64_t len)
{
	struct transfer *t = calloc(1, sizeof(*t));
	uint64_t before = pos % GRANULE;
	size_t whole = (size_t)((before + len + GRANULE - 1) / GRANULE * GRANULE);

	while (sem_wait(&w->slots))
		;
	t->w = w;
	t->kind = kind;
	t->file = file;
	t->version = version;
	t->len = (size_t)len;
	t->mem = run_memory(whole);
	if (kind != READ)
		world_bytes(file, version, pos - before, t->mem, whole);
	t->gio.gen = gen;
	t->gio.pos = pos;
	t->gio.buf = (struct fsc_buf){ t->mem, (size_t)before, (size_t)len, FSC_BUF_MEM };
	/* Up to the end of the file: with the zeroes behind it. */
	if (pos + len == world_size(file, version) || kind != WRITE)
		t->gio.buf.len = whole - (size_t)before;
	t->gio.done = done;
	return t;
}

static void wait_for_all(struct writer *w)
{
	for (int i = 0; i < IN_FLIGHT; i++)
		while (sem_wait(&w->slots))
			;
	for (int i = 0; i < IN_FLIGHT; i++)
		sem_post(&w->slots);
}

static bool all_zero(const struct transfer *t)
{
	const uint8_t *mem = t->mem + t->gio.buf.off;

	return !mem[0] && !memcmp(mem, mem + 1, t->gio.buf.len - 1);
}

static void keep(struct writer *w, struct fsc_gen *gen, uint32_t file, uint64_t pos, uint64_t len)
{
	uint32_t version = run.files[file].version;
	struct transfer *t = new_transfer(w, gen, KEEP, file, version, pos, len);

	fsc_gen_sample(&t->gio);
	if (fsc_gen_store_prepare(&t->gio))
		end(t);
	else if (all_zero(t))
		fsc_gen_store_zero(&t->gio);
	else
		fsc_gen_store(&t->gio);
}

/* --- What is done to an object ---------------------------------------------------------------- */

static void fill_some(struct writer *w, struct fsc_object *obj, uint32_t file)
{
	uint64_t size = fsc_object_size(obj), pos = 0, end_at = size;
	struct fsc_gen *gen;

	if (world_below(&w->chance, 3)) {
		pos = world_below(&w->chance, size) / GRANULE * GRANULE;
		end_at = pos + 1 + world_below(&w->chance, size - pos);
	}
	for (; pos < end_at && run_goes_on(); pos += SPAN) {
		gen = fsc_object_gen(obj);
		if (!gen)
			return;
		keep(w, gen, file, pos, end_at - pos < SPAN ? end_at - pos : SPAN);
	}
}

static void fill_scattered(struct writer *w, struct fsc_object *obj, uint32_t file)
{
	uint64_t size = fsc_object_size(obj);
	struct fsc_gen *gen;

	for (int i = 0; i < 64 && run_goes_on(); i++) {
		gen = fsc_object_gen(obj);
		if (!gen)
			return;
		keep(w, gen, file, world_below(&w->chance, size) / GRANULE * GRANULE, GRANULE);
	}
}

static void read_some(struct writer *w, struct fsc_object *obj, uint32_t file)
{
	uint32_t version = run.files[file].version;
	uint64_t pos = 0, size = fsc_object_size(obj), run_end;
	struct fsc_gen *gen;

	while (pos < size && run_goes_on()) {
		gen = fsc_object_gen(obj);
		if (!gen)
			return;
		if (!fsc_gen_run(gen, pos, size, &run_end)) {
			fsc_gen_put(gen);
			pos = run_end;
			continue;
		}
		run_end = run_end - pos < SPAN ? run_end : pos + SPAN;
		fsc_gen_read(&new_transfer(w, gen, READ, file, version, pos, run_end - pos)->gio);
		pos = run_end;
	}
}

static void punch_some(struct writer *w, struct fsc_object *obj, uint32_t file)
{
	uint64_t size = fsc_object_size(obj), pos = world_below(&w->chance, size);
	struct fsc_gen *gen = fsc_object_gen(obj);

	if (!gen)
		return;
	run.files[file].logged = 0;
	journal_add(JOURNAL_FLUX, file, run.files[file].version);
	fsc_gen_clear(gen, pos, 1 + world_below(&w->chance, size - pos));
	fsc_gen_put(gen);
}

static void write_range(struct writer *w, struct fsc_object *obj, uint32_t file, uint32_t version,
			const struct world_write *write)
{
	struct fsc_gen *gen = fsc_object_gen(obj);
	struct transfer *t;

	if (!gen)
		return;
	t = new_transfer(w, gen, WRITE, file, version, write->pos, write->len);
	if (fsc_gen_write_prepare(&t->gio, world_below(&w->chance, 16) != 0))
		end(t);
	else
		fsc_gen_write(&t->gio);
}

/* Writes that overlap go one after the other, as a client would have them. */
static bool overlap(const struct world_write *writes, unsigned int i)
{
	for (unsigned int j = 0; j < i; j++)
		if (writes[j].pos / GRANULE <= (writes[i].pos + writes[i].len) / GRANULE &&
		    writes[i].pos / GRANULE <= (writes[j].pos + writes[j].len) / GRANULE)
			return true;
	return false;
}

static void write_version(struct writer *w, struct fsc_object *obj, uint32_t file, uint32_t version)
{
	uint64_t size = world_size(file, version);
	struct world_write writes[WORLD_WRITES_MAX];
	unsigned int nr = world_writes(file, version, writes);

	if (size != fsc_object_size(obj))
		fsc_object_resize(obj, size);
	for (unsigned int i = 0; i < nr; i++) {
		if (overlap(writes, i))
			wait_for_all(w);
		write_range(w, obj, file, version, &writes[i]);
	}
	wait_for_all(w);
}

/* The next version: all new on the server, or made by us. */
static void next_version(struct writer *w, struct fsc_object **obj, uint32_t file)
{
	struct file *f = &run.files[file];
	uint32_t version = f->version + 1;
	struct world_label label;
	struct fsc_blob blob = label_blob(file, version, &label);

	wait_for_all(w);
	journal_add(JOURNAL_BEGIN, file, version);
	f->version = version;
	if (world_is_new(version)) {
		fsc_object_invalidate(*obj, blob, world_size(file, version));
		journal_add(JOURNAL_DONE, file, version);
		return;
	}
	write_version(w, *obj, file, version);
	if (world_below(&w->chance, 2) && !fsc_object_commit(*obj, &blob))
		return;
	fsc_object_close(*obj, &blob, false);
	*obj = NULL;
}

static void say_complete(struct fsc_object *obj, uint32_t file)
{
	struct file *f = &run.files[file];
	struct fsc_gen *gen = fsc_object_gen(obj);

	if (gen && f->logged != f->version && fsc_gen_complete(gen)) {
		f->logged = f->version;
		journal_add(JOURNAL_COMPLETE, file, f->version);
	}
	fsc_gen_put(gen);
}

/* --- The thread ------------------------------------------------------------------------------ */

static struct fsc_object *open_object(uint32_t file)
{
	uint32_t version = run.files[file].version;
	struct world_label label;
	struct fsc_object *obj;
	char key[16];

	if (fsc_object_open(run_volume(file), world_key(file, key),
			    label_blob(file, version, &label), world_size(file, version), &obj))
		return NULL;
	return obj;
}

static void act(struct writer *w, uint32_t file)
{
	struct fsc_object **obj = &w->objects[file];

	if (!*obj)
		*obj = open_object(file);
	if (!*obj)
		return;
	say_complete(*obj, file);
	switch (world_below(&w->chance, 12)) {
	case 0 ... 1:
		if (run_may_change(file))
			next_version(w, obj, file);
		break;
	case 2:
		wait_for_all(w);
		fsc_object_close(*obj, NULL, false);
		*obj = NULL;
		break;
	case 3:
		if (run_may_change(file))
			punch_some(w, *obj, file);
		break;
	case 4:
		fsc_object_commit(*obj, NULL);
		break;
	case 5 ... 7:
		read_some(w, *obj, file);
		break;
	default:
		if (fsc_object_size(*obj) >= WORLD_BIG && world_below(&w->chance, 8))
			fill_scattered(w, *obj, file);
		else
			fill_some(w, *obj, file);
	}
}

void *writer_main(void *number)
{
	static struct writer writers[WRITERS];
	struct writer *w = &writers[(uintptr_t)number];
	uint32_t file;

	w->chance = world_mix(run.seed + 1000 + (uintptr_t)number);
	sem_init(&w->slots, 0, IN_FLIGHT);
	while (world.files > 6 * WRITERS && run_goes_on()) {
		file = (uint32_t)world_below(&w->chance, world.files);
		if (world_kind(file) != WORLD_WRITTEN || file / 6 % WRITERS != (uintptr_t)number)
			continue;
		act(w, file);
		if (run.pace_us)
			usleep((useconds_t)world_below(&w->chance, run.pace_us));
	}
	wait_for_all(w);
	for (file = 0; file < world.files; file++)
		if (w->objects[file])
			fsc_object_close(w->objects[file], NULL, false);
	sem_destroy(&w->slots);
	return NULL;
}
