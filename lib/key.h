/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * key.h - from binary keys to names on disk, and the digest. Pure.
 *
 * Cooked names: docs/format.md, "Names". What is cooked never holds '/' or NUL, is never empty,
 * "." or "..", and two keys never cook to one name.
 */
#ifndef FSC_KEY_H
#define FSC_KEY_H

#include "format.h"

#define FSC_NAME_MAX 255
/* "@xx/" + name + NUL */
#define FSC_OBJECT_PATH_SIZE (4 + FSC_NAME_MAX + 1)

/* The name of a volume's folder: 'I', 'J' or 'K' then text. NUL-terminated; its length. */
size_t fsc_key_cook_volume(struct fsc_blob key, char name[FSC_NAME_MAX + 1], bool *hashed);
/* "@xx/name" of an object in its volume's folder. NUL-terminated; its length. */
size_t fsc_key_cook_object(struct fsc_blob key, char path[FSC_OBJECT_PATH_SIZE], bool *hashed);

/* Of an object (or, with an empty @key, of a volume's folder): volume key, cookie key, and the
 * inode number and time of birth of the backing file. */
void fsc_key_digest(struct fsc_blob volume, struct fsc_blob key, uint64_t ino, uint64_t btime_s,
		    uint32_t btime_ns, uint8_t out[FSC_DIGEST_SIZE]);

/* What of a name below cache/ the culler may take for an object's, and for a fan-out folder's. */
bool fsc_key_is_object_name(const char *name);
bool fsc_key_is_fanout_name(const char *name);
/* What fsc_key_cook_volume() and fsc_key_cook_object() can have made. */
bool fsc_key_is_volume_name(const char *name);
bool fsc_key_is_object_path(const char *path);

#endif
