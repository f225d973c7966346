// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_kernel.c - keys and coherency data as Linux's own 9p client has them, so that a cache which
 * one of the two has filled serves the other.
 *
 *	volume     "9p,SOURCE,TAG", each slash a semicolon; SOURCE is what is mounted, TAG the mount's
 *	           cachetag or else its aname; no coherency data
 *	key        qid.path, 8 bytes, little endian
 *	coherency  qid.version, 4 bytes, little endian
 *
 * The version is all that tells two versions of a file apart which have the same size, so without
 * one nothing is cached: Linux 6.12 doesn't either then. What QEMU's server would say can be worked
 * out from what another one says of the same files, since no other client than a guest reaches it.
 */
#include "nine.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files of the root that are looked at for a version. */
#define LOOK_AT_MOST 64

/* --- Files ------------------------------------------------------------------------------------ */

/* QEMU's path is the inode number; with multidevs=remap and a bit behind it, which of several
 * filesystems the first, the root's, has. */
static struct p9_qid qid_of(const struct nine_options *opt, const struct p9_attr *a)
{
	struct p9_qid qid = a->qid;

	if (opt->qids == NINE_QIDS_SERVER)
		return qid;
	qid.version = (uint32_t)a->mtime.sec ^ (uint32_t)(a->size << 8);
	if (opt->qids == NINE_QIDS_QEMU_REMAP)
		qid.path = qid.path << 1 | 1;
	return qid;
}

void nine_label_like_kernel(const struct nine *fs, const struct p9_attr *a, struct netfs_attr *out)
{
	struct p9_qid qid = qid_of(&fs->opt, a);
	uint64_t path = htole64(qid.path);
	uint32_t version = htole32(qid.version);

	out->key_len = sizeof(path);
	memcpy(out->key, &path, sizeof(path));
	out->label_len = sizeof(version);
	memcpy(out->label, &version, sizeof(version));
	if (!qid.version)
		out->vouched = false;
}

char *nine_volume_like_kernel(const char *source, const char *tag)
{
	char *key;

	if (asprintf(&key, "9p,%s,%s", source, tag) < 0)
		return NULL;
	for (char *p = key; *p; p++)
		if (*p == '/')
			*p = ';';
	return key;
}

/* --- Has the server versions? ----------------------------------------------------------------- */

struct look {
	char *names[LOOK_AT_MOST];
	size_t nr;
};

static int note_name(void *arg, const struct netfs_dirent *entry)
{
	struct look *look = arg;
	char *name;

	if (look->nr == LOOK_AT_MOST)
		return 1;
	name = strdup(entry->name);
	if (!name)
		return -ENOMEM;
	look->names[look->nr++] = name;
	return 0;
}

static int read_names(struct netfs_node *root, struct look *look)
{
	struct netfs_file *dir;
	int err = nine_open(root, O_RDONLY | O_DIRECTORY, &dir);

	if (err)
		return err;
	err = nine_readdir(dir, 0, false, note_name, look);
	nine_close(dir);
	return err;
}

static bool has_version(struct netfs_node *root, const char *name)
{
	struct netfs_node *node;
	struct netfs_attr attr;

	if (nine_lookup(root, name, &node, &attr))
		return false;
	netfs_node_put(node);
	return attr.versions[0] != 0;
}

/* A counter may well be 0 for what never changed, but hardly for a whole directory. */
static bool any_has_version(struct netfs_node *root)
{
	struct look look = { .nr = 0 };
	bool found = false;

	read_names(root, &look);
	for (size_t i = 0; i < look.nr; i++) {
		found = found || has_version(root, look.names[i]);
		free(look.names[i]);
	}
	return found;
}

int nine_check_versions(struct netfs *fs, char *why, size_t why_size)
{
	struct netfs_node *root;
	struct netfs_attr attr;
	bool found;
	int err;

	if (nine_of(fs)->opt.qids != NINE_QIDS_SERVER)
		return 0;
	err = fs->ops->root(fs, &root, &attr);
	if (err) {
		snprintf(why, why_size, "%s", strerror(-err));
		return err;
	}
	found = attr.versions[0] || any_has_version(root);
	netfs_node_put(root);
	if (found)
		return 0;
	snprintf(why, why_size, "the server gives its files no versions (qid.version is 0), by which "
		 "Linux's 9p would see that they have changed: --like-kernel can't be used with it");
	return -EOPNOTSUPP;
}
