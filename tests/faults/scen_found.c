// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* scen_found.c - scenarios: what is found under a key isn't what was left there. */
#include <string.h>

#include "format.h"
#include "key.h"
#include "scenarios.h"

static const char *path_of(struct remote *f)
{
	static char path[FSC_OBJECT_PATH_SIZE + 40] = "cache/I9p,server,export/";
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	bool hashed;

	fsc_key_cook_object(remote_params(f, 0, key, coh).key,
			    path + strlen("cache/I9p,server,export/"), &hashed);
	return path;
}

static void one_file(struct room *r)
{
	remote_add(r, 5 * K + 10);
}

/* The count of bytes is of what was there before: it is counted anew. */
static void unclean(struct room *r)
{
	CHECK_EQ(room_open(r), 0);
	sim_kill();
}

static void found(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_cookie *cookie;

	r->backend.ids_known = true;
	CHECK_EQ(room_open(r), 0);
	arm(r);
	cookie = cookie_used(r, f);
	read_all(r, f, cookie);
	calm(r);
	room_quiet(r);
	cookie_drop(cookie);
	room_close(r);
}

static void believed(struct room *r)
{
	one_file(r);
	r->backend.ids_known = true; /* a volatile cache would be emptied */
}

static void with_slot(struct room *r)
{
	believed(r);
	r->file[0].v[0].size = 200 * K;
	tight_value(r, FSC_SLOT_REF_SIZE);
}

static void damaged(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_corrupt_xattr(r->store, path_of(&r->file[0]), "user.fscache", 12, 4), 0);
	unclean(r);
}

static void unlabelled(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_xattr_set(r->store, path_of(&r->file[0]), "user.fscache", NULL, 0), 0);
	unclean(r);
}

static void replaced_by(struct room *r, int (*make)(struct simstore *st, const char *path))
{
	prepare_all(r);
	CHECK_EQ(simstore_remove(r->store, path_of(&r->file[0])), 0);
	CHECK_EQ(make(r->store, path_of(&r->file[0])), 0);
	unclean(r);
}

static void now_a_link(struct room *r)
{
	replaced_by(r, simstore_symlink);
}

static void now_a_folder(struct room *r)
{
	replaced_by(r, simstore_mkdir);
}

static void copied(struct room *r)
{
	char path[FSC_OBJECT_PATH_SIZE + 40];

	prepare_all(r);
	strcpy(path, path_of(&r->file[0]));
	CHECK_EQ(simstore_copy_tree(r->store, path, "x"), 0);
	CHECK_EQ(simstore_remove(r->store, path), 0);
	CHECK_EQ(simstore_rename(r->store, "x", path), 0);
	unclean(r);
}

static void linked_twice(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_hardlink(r->store, path_of(&r->file[0]), "tmp/x"), 0);
}

static void owned_by_other(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_chown(r->store, path_of(&r->file[0]), 1), 0);
}

static void longer(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_write(r->store, path_of(&r->file[0]), 9 * K, "x", 1), 0);
	unclean(r);
}

static void shorter(struct room *r)
{
	prepare_all(r);
	CHECK_EQ(simstore_resize(r->store, path_of(&r->file[0]), 3 * K), 0);
	unclean(r);
}

static void slot_damaged(struct room *r)
{
	prepare_slot(r);
	CHECK_EQ(simstore_write(r->store, path_of(&r->file[0]), 200 * K + 20, "x", 1), 0);
}

static void slot_cut_off(struct room *r)
{
	prepare_slot(r);
	CHECK_EQ(simstore_resize(r->store, path_of(&r->file[0]), 200 * K), 0);
	unclean(r);
}

/* Marked: somebody wrote to it, and the end of that was never stored. */
static void marked(struct room *r)
{
	struct remote *f = &r->file[0];
	struct fsc_object *obj;

	prepare_all(r);
	CHECK_EQ(room_open(r), 0);
	obj = obj_open(r, f);
	obj_write(r, obj, f, K, K, true);
	sim_kill();
}

const struct scenario scen_found[] = {
	{ "found-damaged", believed, damaged, found, 0 },
	{ "found-unlabelled", believed, unlabelled, found, 0 },
	{ "found-link", believed, now_a_link, found, 0 },
	{ "found-folder", believed, now_a_folder, found, 0 },
	{ "found-copy", believed, copied, found, 0 },
	{ "found-linked-twice", believed, linked_twice, found, 0 },
	{ "found-foreign", believed, owned_by_other, found, 0 },
	{ "found-longer", believed, longer, found, 0 },
	{ "found-shorter", believed, shorter, found, 0 },
	{ "found-marked", believed, marked, found, 0 },
	{ "found-slot-damaged", with_slot, slot_damaged, found, 0 },
	{ "found-slot-cut-off", with_slot, slot_cut_off, found, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};
