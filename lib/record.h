/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * record.h - encode, decode and check the xattr value, map slots and the super block. Pure.
 *
 * A decoder takes any bytes: 0, or -EBADMSG for what doesn't parse or has a wrong crc, or
 * -EPROTONOSUPPORT for a version or feature that we don't know. It never reads past what it is
 * given; what it returns points into it.
 */
#ifndef FSC_RECORD_H
#define FSC_RECORD_H

#include "format.h"

struct fsc_record {
	bool volume;     /* of a volume's folder, not of an object */
	bool complete;
	bool modifying;
	bool coherency_hashed;
	bool has_key;
	uint64_t size;   /* of the object, bytes; 0 for a volume */
	uint8_t digest[FSC_DIGEST_SIZE];
	struct fsc_blob coherency; /* as stored: the data, or their digest */
	struct fsc_blob key;       /* full key, when the name is a hash */
	enum fsc_map_kind map_kind;
	struct fsc_blob map;       /* runs, bitmap or slot reference, encoded */
};

/* Where a map slot is. */
struct fsc_slot_ref {
	uint8_t slot;          /* 0 or 1 */
	enum fsc_map_kind kind; /* of what is in it: runs or bitmap */
	uint64_t pos;          /* in the backing file, bytes; a multiple of FSC_GRANULE_SIZE */
	uint32_t len;          /* of the map, bytes */
	uint32_t crc;          /* crc32c of the map */
};

struct fsc_super {
	uint32_t version;
	uint32_t compat, ro_compat, incompat;
	uint8_t uuid[16];
	bool open;             /* in use, or not closed cleanly */
	bool ids_known;
	uint8_t boot_id[16];
	uint64_t mount_id;
	uint64_t used_bytes;   /* at a clean close; only a hint */
	uint64_t objects;      /* likewise */
};

/* Bring coherency data into the form that is stored: themselves or, when long, their digest.
 * @out has 28 bytes; the length. */
size_t fsc_record_coherency(struct fsc_blob coherency, uint8_t out[FSC_COHERENCY_INLINE],
			    bool *hashed);

/* Bytes of the value without map; and the whole value into @buf: its length, or -ERANGE. */
size_t fsc_record_overhead(const struct fsc_record *rec);
int fsc_record_encode(const struct fsc_record *rec, void *buf, size_t size);
int fsc_record_decode(struct fsc_record *rec, const void *buf, size_t len);

void fsc_slot_ref_encode(const struct fsc_slot_ref *ref, uint8_t out[FSC_SLOT_REF_SIZE]);
int fsc_slot_ref_decode(struct fsc_slot_ref *ref, struct fsc_blob map);
/* Header of a slot; and check one read back (header and map) against its reference. */
void fsc_slot_header(const struct fsc_slot_ref *ref, uint8_t out[FSC_SLOT_HEADER]);
int fsc_slot_check(const struct fsc_slot_ref *ref, const void *slot, size_t len);

void fsc_super_encode(const struct fsc_super *super, uint8_t out[FSC_SUPER_SIZE]);
/* -ENODATA: no super of ours at all (wrong magic); -EBADMSG: ours, but damaged. */
int fsc_super_decode(struct fsc_super *super, const void *buf, size_t len);

#endif
