/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * format.h - the numbers of the on-disk format. docs/format.md is its specification; everything
 * is little endian.
 */
#ifndef FSC_FORMAT_H
#define FSC_FORMAT_H

#include <fscache/env.h>

#define FSC_FORMAT_VERSION 1

/* The one xattr, of objects and of volumes' folders. */
#define FSC_XATTR_NAME "user.fscache"
#define FSC_RECORD_MAGIC 0x4346 /* "FC" */
#define FSC_RECORD_HEADER 20
#define FSC_DIGEST_SIZE 16
#define FSC_RECORD_FIXED (FSC_RECORD_HEADER + FSC_DIGEST_SIZE)
/* Coherency data longer than this are stored as their digest: 64 bytes in all when complete. */
#define FSC_COHERENCY_INLINE 28

#define FSC_RECORD_COMPLETE 0x01
#define FSC_RECORD_MODIFYING 0x02
#define FSC_RECORD_COHERENCY_HASHED 0x04
#define FSC_RECORD_HAS_KEY 0x08
#define FSC_RECORD_VOLUME 0x10
#define FSC_RECORD_MAP_SHIFT 5 /* two bits: enum fsc_map_kind */

enum fsc_map_kind {
	FSC_MAP_NONE,   /* complete, or nothing present */
	FSC_MAP_RUNS,
	FSC_MAP_BITMAP,
	FSC_MAP_SLOT,
};

/* A map slot in the backing file. */
#define FSC_SLOT_MAGIC 0x0053464d4c534346ull /* "FCSLMFS" */
#define FSC_SLOT_HEADER 16                   /* magic 8, length 4, crc32c of the map 4 */
/* In the xattr: slot 1, kind 1, 0 2, place 8, length 4, crc 4. */
#define FSC_SLOT_REF_SIZE 20

/* ROOT/super: one block of which the first FSC_SUPER_SIZE bytes count. */
#define FSC_SUPER_MAGIC 0x4548434143534c46ull /* "FLSCACHE" */
#define FSC_SUPER_SIZE 128
#define FSC_SUPER_BLOCK 4096

#endif
