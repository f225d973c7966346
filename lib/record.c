// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * record.c - the bytes of the xattr value, of map slots and of the super block (docs/format.md).
 *
 * What is decoded comes from a disk that anyone may have written to: every length is checked before
 * it is used, and everything that no encoder makes is refused, so that there is one encoding for
 * each meaning.
 */
#include "bits.h"
#include "bytes.h"
#include "hash.h"
#include "record.h"

#define FLAG_BITS 0x7f
#define MAP_BITS 3
#define VALUE_MAX 65536 /* the longest xattr value that Linux takes */
#define MAP_MAX 65535   /* its length is 16 bits */
#define SIZE_MAX_BYTES 0x7fffffffffffffffull

/* crc32c of @len bytes with the four at @at taken as zero. */
static uint32_t crc_without(const uint8_t *p, size_t len, size_t at)
{
	static const uint8_t zero[4];
	uint32_t crc = fsc_crc32c(0, p, at);

	crc = fsc_crc32c(crc, zero, sizeof(zero));
	return fsc_crc32c(crc, p + at + 4, len - at - 4);
}

/* --- The xattr value ------------------------------------------------------------------------- */

enum {
	REC_MAGIC = 0,
	REC_VERSION = 2,
	REC_FLAGS = 3,
	REC_CRC = 4,
	REC_SIZE = 8,
	REC_COHERENCY_LEN = 16,
	REC_KEY_LEN = 17,
	REC_MAP_LEN = 18,
	REC_DIGEST = FSC_RECORD_HEADER,
	REC_REST = FSC_RECORD_FIXED,
};

size_t fsc_record_coherency(struct fsc_blob coherency, uint8_t out[FSC_COHERENCY_INLINE],
			    bool *hashed)
{
	struct fsc_hash hash;

	*hashed = coherency.len > FSC_COHERENCY_INLINE;
	if (!*hashed) {
		if (coherency.len)
			memcpy(out, coherency.data, coherency.len);
		return coherency.len;
	}
	fsc_hash_init(&hash);
	fsc_hash_update(&hash, coherency.data, coherency.len);
	fsc_hash_final(&hash, out);
	return FSC_DIGEST_SIZE;
}

/* Whether these fields may stand together: asked before encoding and after decoding. */
static bool is_consistent(const struct fsc_record *rec)
{
	if (rec->coherency.len > FSC_COHERENCY_INLINE || rec->size > SIZE_MAX_BYTES)
		return false;
	if (rec->coherency_hashed && rec->coherency.len != FSC_DIGEST_SIZE)
		return false;
	if (rec->has_key != (rec->key.len > 0) || rec->key.len > FSC_KEY_MAX)
		return false;
	if ((rec->map_kind == FSC_MAP_NONE) != (rec->map.len == 0) || rec->map.len > MAP_MAX)
		return false;
	if (rec->map_kind == FSC_MAP_SLOT && rec->map.len != FSC_SLOT_REF_SIZE)
		return false;
	if (rec->complete && rec->map.len)
		return false;
	if (rec->volume && (rec->size || rec->map.len || rec->complete || rec->modifying))
		return false;
	return true;
}

size_t fsc_record_overhead(const struct fsc_record *rec)
{
	return FSC_RECORD_FIXED + rec->coherency.len + (rec->has_key ? rec->key.len : 0);
}

static uint8_t flags_of(const struct fsc_record *rec)
{
	uint32_t flags = (uint32_t)rec->map_kind << FSC_RECORD_MAP_SHIFT;

	if (rec->complete)
		flags |= FSC_RECORD_COMPLETE;
	if (rec->modifying)
		flags |= FSC_RECORD_MODIFYING;
	if (rec->coherency_hashed)
		flags |= FSC_RECORD_COHERENCY_HASHED;
	if (rec->has_key)
		flags |= FSC_RECORD_HAS_KEY;
	if (rec->volume)
		flags |= FSC_RECORD_VOLUME;
	return (uint8_t)flags;
}

static uint8_t *append(uint8_t *p, struct fsc_blob blob)
{
	if (blob.len)
		memmove(p, blob.data, blob.len);
	return p + blob.len;
}

int fsc_record_encode(const struct fsc_record *in, void *buf, size_t size)
{
	struct fsc_record rec = *in;
	uint8_t *p = buf;
	size_t len;

	/* Callers may leave the key at hand though the name holds it, and find nothing to map. */
	if (!rec.has_key)
		rec.key.len = 0;
	if (!rec.map.len)
		rec.map_kind = FSC_MAP_NONE;
	len = fsc_record_overhead(&rec) + rec.map.len;
	if (len > size || len > VALUE_MAX || rec.map.len > MAP_MAX)
		return -ERANGE;
	FSC_ASSERT(is_consistent(&rec));
	fsc_put16(p + REC_MAGIC, FSC_RECORD_MAGIC);
	p[REC_VERSION] = FSC_FORMAT_VERSION;
	p[REC_FLAGS] = flags_of(&rec);
	fsc_put64(p + REC_SIZE, rec.size);
	p[REC_COHERENCY_LEN] = (uint8_t)rec.coherency.len;
	p[REC_KEY_LEN] = (uint8_t)rec.key.len;
	fsc_put16(p + REC_MAP_LEN, (uint16_t)rec.map.len);
	memcpy(p + REC_DIGEST, rec.digest, FSC_DIGEST_SIZE);
	append(append(append(p + REC_REST, rec.coherency), rec.key), rec.map);
	fsc_put32(p + REC_CRC, crc_without(p, len, REC_CRC));
	return (int)len;
}

static void decode_flags(struct fsc_record *rec, uint8_t flags)
{
	rec->complete = flags & FSC_RECORD_COMPLETE;
	rec->modifying = flags & FSC_RECORD_MODIFYING;
	rec->coherency_hashed = flags & FSC_RECORD_COHERENCY_HASHED;
	rec->has_key = flags & FSC_RECORD_HAS_KEY;
	rec->volume = flags & FSC_RECORD_VOLUME;
	rec->map_kind = (enum fsc_map_kind)(flags >> FSC_RECORD_MAP_SHIFT & MAP_BITS);
}

int fsc_record_decode(struct fsc_record *rec, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	memset(rec, 0, sizeof(*rec));
	if (len < FSC_RECORD_FIXED || len > VALUE_MAX)
		return -EBADMSG;
	if (fsc_get16(p + REC_MAGIC) != FSC_RECORD_MAGIC)
		return -EBADMSG;
	if (fsc_get32(p + REC_CRC) != crc_without(p, len, REC_CRC))
		return -EBADMSG;
	if (p[REC_VERSION] != FSC_FORMAT_VERSION)
		return -EPROTONOSUPPORT;
	if (p[REC_FLAGS] & ~FLAG_BITS)
		return -EBADMSG;
	decode_flags(rec, p[REC_FLAGS]);
	rec->size = fsc_get64(p + REC_SIZE);
	memcpy(rec->digest, p + REC_DIGEST, FSC_DIGEST_SIZE);
	rec->coherency.len = p[REC_COHERENCY_LEN];
	rec->key.len = p[REC_KEY_LEN];
	rec->map.len = fsc_get16(p + REC_MAP_LEN);
	if (len != FSC_RECORD_FIXED + rec->coherency.len + rec->key.len + rec->map.len)
		return -EBADMSG;
	rec->coherency.data = p + REC_REST;
	rec->key.data = p + REC_REST + rec->coherency.len;
	rec->map.data = p + len - rec->map.len;
	return is_consistent(rec) ? 0 : -EBADMSG;
}

/* --- Map slots ------------------------------------------------------------------------------- */

enum {
	REF_SLOT = 0,
	REF_KIND = 1,
	REF_ZERO = 2,
	REF_POS = 4,
	REF_LEN = 12,
	REF_CRC = 16,
};

enum {
	SLOT_MAGIC = 0,
	SLOT_LEN = 8,
	SLOT_CRC = 12,
};

void fsc_slot_ref_encode(const struct fsc_slot_ref *ref, uint8_t out[FSC_SLOT_REF_SIZE])
{
	out[REF_SLOT] = ref->slot;
	out[REF_KIND] = (uint8_t)ref->kind;
	fsc_put16(out + REF_ZERO, 0);
	fsc_put64(out + REF_POS, ref->pos);
	fsc_put32(out + REF_LEN, ref->len);
	fsc_put32(out + REF_CRC, ref->crc);
}

int fsc_slot_ref_decode(struct fsc_slot_ref *ref, struct fsc_blob map)
{
	const uint8_t *p = map.data;

	memset(ref, 0, sizeof(*ref));
	if (map.len != FSC_SLOT_REF_SIZE || p[REF_SLOT] > 1 || fsc_get16(p + REF_ZERO))
		return -EBADMSG;
	if (p[REF_KIND] != FSC_MAP_RUNS && p[REF_KIND] != FSC_MAP_BITMAP)
		return -EBADMSG;
	ref->slot = p[REF_SLOT];
	ref->kind = (enum fsc_map_kind)p[REF_KIND];
	ref->pos = fsc_get64(p + REF_POS);
	ref->len = fsc_get32(p + REF_LEN);
	ref->crc = fsc_get32(p + REF_CRC);
	if (ref->pos & (FSC_GRANULE_SIZE - 1) || !ref->len)
		return -EBADMSG;
	if (ref->pos > SIZE_MAX_BYTES - FSC_SLOT_HEADER - ref->len)
		return -EBADMSG;
	return 0;
}

void fsc_slot_header(const struct fsc_slot_ref *ref, uint8_t out[FSC_SLOT_HEADER])
{
	fsc_put64(out + SLOT_MAGIC, FSC_SLOT_MAGIC);
	fsc_put32(out + SLOT_LEN, ref->len);
	fsc_put32(out + SLOT_CRC, ref->crc);
}

int fsc_slot_check(const struct fsc_slot_ref *ref, const void *slot, size_t len)
{
	const uint8_t *p = slot;

	if (len < FSC_SLOT_HEADER || len - FSC_SLOT_HEADER < ref->len)
		return -EBADMSG;
	if (fsc_get64(p + SLOT_MAGIC) != FSC_SLOT_MAGIC || fsc_get32(p + SLOT_LEN) != ref->len)
		return -EBADMSG;
	if (fsc_get32(p + SLOT_CRC) != ref->crc)
		return -EBADMSG;
	return fsc_crc32c(0, p + FSC_SLOT_HEADER, ref->len) == ref->crc ? 0 : -EBADMSG;
}

/* --- The super block ------------------------------------------------------------------------- */

enum {
	SUP_MAGIC = 0,
	SUP_VERSION = 8,
	SUP_CRC = 12,
	SUP_COMPAT = 16,
	SUP_RO_COMPAT = 20,
	SUP_INCOMPAT = 24,
	SUP_FLAGS = 28,
	SUP_UUID = 32,
	SUP_BOOT_ID = 48,
	SUP_MOUNT_ID = 64,
	SUP_USED = 72,
	SUP_OBJECTS = 80,
};

#define SUPER_OPEN 1u
#define SUPER_IDS_KNOWN 2u

void fsc_super_encode(const struct fsc_super *super, uint8_t out[FSC_SUPER_SIZE])
{
	memset(out, 0, FSC_SUPER_SIZE);
	fsc_put64(out + SUP_MAGIC, FSC_SUPER_MAGIC);
	fsc_put32(out + SUP_VERSION, super->version);
	fsc_put32(out + SUP_COMPAT, super->compat);
	fsc_put32(out + SUP_RO_COMPAT, super->ro_compat);
	fsc_put32(out + SUP_INCOMPAT, super->incompat);
	fsc_put32(out + SUP_FLAGS, (super->open ? SUPER_OPEN : 0) |
				   (super->ids_known ? SUPER_IDS_KNOWN : 0));
	memcpy(out + SUP_UUID, super->uuid, sizeof(super->uuid));
	memcpy(out + SUP_BOOT_ID, super->boot_id, sizeof(super->boot_id));
	fsc_put64(out + SUP_MOUNT_ID, super->mount_id);
	fsc_put64(out + SUP_USED, super->used_bytes);
	fsc_put64(out + SUP_OBJECTS, super->objects);
	fsc_put32(out + SUP_CRC, crc_without(out, FSC_SUPER_SIZE, SUP_CRC));
}

int fsc_super_decode(struct fsc_super *super, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint32_t flags;

	memset(super, 0, sizeof(*super));
	if (len < 8 || fsc_get64(p + SUP_MAGIC) != FSC_SUPER_MAGIC)
		return -ENODATA;
	if (len < FSC_SUPER_SIZE)
		return -EBADMSG;
	if (fsc_get32(p + SUP_CRC) != crc_without(p, FSC_SUPER_SIZE, SUP_CRC))
		return -EBADMSG;
	super->version = fsc_get32(p + SUP_VERSION);
	super->compat = fsc_get32(p + SUP_COMPAT);
	super->ro_compat = fsc_get32(p + SUP_RO_COMPAT);
	super->incompat = fsc_get32(p + SUP_INCOMPAT);
	/* Whoever opens a cache writes to it: what only readers may ignore counts too. */
	if (super->version != FSC_FORMAT_VERSION || super->ro_compat || super->incompat)
		return -EPROTONOSUPPORT;
	flags = fsc_get32(p + SUP_FLAGS);
	if (flags & ~(SUPER_OPEN | SUPER_IDS_KNOWN))
		return -EBADMSG;
	super->open = flags & SUPER_OPEN;
	super->ids_known = flags & SUPER_IDS_KNOWN;
	memcpy(super->uuid, p + SUP_UUID, sizeof(super->uuid));
	memcpy(super->boot_id, p + SUP_BOOT_ID, sizeof(super->boot_id));
	super->mount_id = fsc_get64(p + SUP_MOUNT_ID);
	super->used_bytes = fsc_get64(p + SUP_USED);
	super->objects = fsc_get64(p + SUP_OBJECTS);
	return 0;
}
