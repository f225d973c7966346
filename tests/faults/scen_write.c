// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_write.c - scenarios at the level of objects: local writes, resizes and punches. */
#include <string.h>

#include "scenarios.h"

static void one_file(struct room *r)
{
	remote_add(r, 6 * K + 100);
}

/* Granules 1 to 4 are there, and durably said to be. */
static struct fsc_object *some_stored(struct room *r, struct remote *f)
{
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	CHECK_EQ(obj_store(r, obj, f, K, 4 * K), 4 * K);
	CHECK_EQ(fsc_cache_sync(r->cache), 0);
	return obj;
}

static void end(struct room *r, struct fsc_object *obj, struct remote *f, bool proven)
{
	obj_read(r, obj, f, K, 2 * K);
	obj_close(r, obj, f, proven);
	room_close(r);
}

/* Whole granules, parts of them, over what is there and over what isn't. */
static void kept(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_write(r, obj, f, 2 * K, K, true);
	obj_read(r, obj, f, 2 * K, K);
	obj_write(r, obj, f, 3 * K + 10, 2 * K, true);
	obj_commit(r, obj, f, true);
	calm(r);
	obj_write(r, obj, f, 0, K, true);
	obj_store(r, obj, f, 0, 7 * K);
	end(r, obj, f, true);
}

static void extending(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_write(r, obj, f, 5 * K, K + 100, true); /* up to the end */
	if (obj)
		fsc_object_resize(obj, 8 * K);
	obj_write(r, obj, f, 7 * K, K, true);
	calm(r);
	obj_commit(r, obj, f, true);
	obj_store(r, obj, f, 0, 8 * K);
	end(r, obj, f, true);
}

static void not_kept(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_write(r, obj, f, K, K, false);
	obj_commit(r, obj, f, true);
	obj_store(r, obj, f, 0, 2 * K);
	calm(r);
	obj_write(r, obj, f, 3 * K, 5, false);
	end(r, obj, f, true);
}

/* Nothing proves that nobody else wrote: it is discarded. */
static void unproven(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_write(r, obj, f, K, 2 * K, true);
	obj_commit(r, obj, f, false);
	calm(r);
	end(r, obj, f, false);
}

/* Marked and then complete, so that the mark is what stands between. */
static void whole(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	arm(r);
	obj_store(r, obj, f, 0, 7 * K);
	obj_commit(r, obj, f, false);
	obj_write(r, obj, f, 0, 6 * K + 100, true);
	obj_commit(r, obj, f, true);
	calm(r);
	obj_write(r, obj, f, 10, 20, true);
	obj_store(r, obj, f, 0, K);
	obj_commit(r, obj, f, true);
	end(r, obj, f, false);
}

/* --- Resizes and punches ---------------------------------------------------------------------- */

static void grown(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	obj_store(r, obj, f, 0, 7 * K);
	arm(r);
	obj_resize(r, obj, f, 9 * K + 5);
	obj_store(r, obj, f, 6 * K, 4 * K);
	obj_commit(r, obj, f, true);
	calm(r);
	obj_resize(r, obj, f, 11 * K);
	end(r, obj, f, true);
}

static void shrunk(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_resize(r, obj, f, 3 * K + 7);
	obj_commit(r, obj, f, true);
	obj_resize(r, obj, f, 6 * K);
	obj_store(r, obj, f, 2 * K, 3 * K);
	obj_commit(r, obj, f, true);
	calm(r);
	obj_resize(r, obj, f, 0);
	obj_resize(r, obj, f, 2 * K);
	end(r, obj, f, true);
}

static void cleared(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	obj_clear(obj, 2 * K, K);
	obj_read(r, obj, f, K, K);
	obj_commit(r, obj, f, false);
	obj_store(r, obj, f, 2 * K, K);
	calm(r);
	obj_clear(obj, 0, UINT64_MAX);
	obj_store(r, obj, f, 4 * K, 3 * K);
	end(r, obj, f, false);
}

static void object_invalidated(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	arm(r);
	remote_change(f, 5 * K, false);
	obj_invalidate(r, obj, f);
	obj_store(r, obj, f, 0, 3 * K);
	obj_commit(r, obj, f, false);
	calm(r);
	obj_write(r, obj, f, K, K, true);
	remote_change(f, 6 * K, false);
	obj_invalidate(r, obj, f);
	end(r, obj, f, false);
}

/* Closed, with an answer of the server still to come. */
static void reopened(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj = some_stored(r, f);

	obj_close(r, obj, f, false);
	arm(r);
	obj = obj_open(r, f);
	obj_write(r, obj, f, 2 * K, 2 * K, true);
	obj_close(r, obj, f, true);
	calm(r);
	obj = obj_open(r, f);
	obj_read(r, obj, f, 2 * K, 2 * K);
	obj_store(r, obj, f, 0, 7 * K);
	obj_close(r, obj, f, false);
	obj = obj_open(r, f);
	fsc_object_close(obj, NULL, true);
	room_close(r);
}

/* --- Lent ------------------------------------------------------------------------------------- */

/* Somebody outside reads its file, and would see what is changed there. */
static struct fsc_gen *lend(struct room *r, struct remote *f, struct fsc_object **obj)
{
	struct fsc_gen *gen;
	struct fsc_file *file;
	int err = -ENOBUFS;

	CHECK_EQ(room_open(r), 0);
	*obj = obj_open(r, f);
	CHECK_EQ(obj_store(r, *obj, f, 0, 7 * K), 7 * K);
	arm(r);
	gen = fsc_object_gen(*obj);
	if (gen)
		err = fsc_gen_lend(gen, &file);
	fsc_gen_put(gen);
	return err ? NULL : gen;
}

static void take_back(struct fsc_gen *gen)
{
	if (gen)
		fsc_gen_return(gen);
}

static void lent_written(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;
	struct fsc_gen *gen = lend(r, f, &obj);

	obj_write(r, obj, f, K, 2 * K, true);
	obj_commit(r, obj, f, true);
	obj_store(r, obj, f, 4 * K, K);
	calm(r);
	take_back(gen);
	end(r, obj, f, true);
}

static void lent_cleared(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;
	struct fsc_gen *gen = lend(r, f, &obj);

	obj_clear(obj, K, K);
	obj_store(r, obj, f, 0, 3 * K);
	take_back(gen);
	calm(r);
	end(r, obj, f, false);
}

static void lent_resized(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;
	struct fsc_gen *gen = lend(r, f, &obj);

	obj_resize(r, obj, f, 9 * K);
	obj_store(r, obj, f, 0, 3 * K);
	calm(r);
	take_back(gen);
	end(r, obj, f, true);
}

static void lent_closed(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;
	struct fsc_gen *gen = lend(r, f, &obj);

	obj_close(r, obj, f, false);
	calm(r);
	obj = obj_open(r, f);
	obj_store(r, obj, f, 0, K);
	take_back(gen);
	end(r, obj, f, false);
}

/* The same key twice, sizes that can't be. */
static void refused(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	CHECK_EQ(room_open(r), 0);
	arm(r);
	obj = obj_open(r, f);
	CHECK(!obj || !obj_open(r, f));
	CHECK_EQ(obj ? fsc_object_resize(obj, UINT64_MAX) : -EINVAL, -EINVAL);
	calm(r);
	obj_write(r, obj, f, K, K, true); /* nothing was stored before */
	end(r, obj, f, true);
}

const struct scenario scen_write[] = {
	{ "lent-written", one_file, NULL, lent_written, 0 },
	{ "lent-cleared", one_file, NULL, lent_cleared, 0 },
	{ "lent-resized", one_file, NULL, lent_resized, 0 },
	{ "lent-closed", one_file, NULL, lent_closed, 0 },
	{ "object-refused", one_file, NULL, refused, 0 },
	{ "write-kept", one_file, NULL, kept, 0 },
	{ "write-extending", one_file, NULL, extending, 0 },
	{ "write-not-kept", one_file, NULL, not_kept, 0 },
	{ "write-unproven", one_file, NULL, unproven, 0 },
	{ "write-whole", one_file, NULL, whole, 0 },
	{ "write-reopened", one_file, NULL, reopened, 0 },
	{ "object-grown", one_file, NULL, grown, 0 },
	{ "object-shrunk", one_file, NULL, shrunk, 0 },
	{ "object-cleared", one_file, NULL, cleared, 0 },
	{ "object-invalidated", one_file, NULL, object_invalidated, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
