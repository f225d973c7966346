/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * passthrough_abi.h - the part of the kernel's FUSE interface that passthrough is made of (Linux
 * 6.9, FUSE 7.40), for headers that are older.
 */
#ifndef FSC_EXAMPLES_PASSTHROUGH_ABI_H
#define FSC_EXAMPLES_PASSTHROUGH_ABI_H

#include <linux/ioctl.h>
#include <stdint.h>

#define ABI_PASSTHROUGH2 (1u << (37 - 32)) /* in flags2 of INIT */
#define ABI_FOPEN_PASSTHROUGH (1u << 7)

struct abi_init_out {
	uint32_t major, minor, max_readahead, flags;
	uint16_t max_background, congestion_threshold;
	uint32_t max_write, time_gran;
	uint16_t max_pages, map_alignment;
	uint32_t flags2, max_stack_depth;
	uint32_t unused[6];
};

struct abi_open_out {
	uint64_t fh;
	uint32_t open_flags;
	int32_t backing_id;
};

struct abi_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define ABI_BACKING_OPEN _IOW(229, 1, struct abi_backing_map)
#define ABI_BACKING_CLOSE _IOW(229, 2, uint32_t)

_Static_assert(sizeof(struct abi_init_out) == 64, "as the kernel has it");
_Static_assert(sizeof(struct abi_open_out) == 16, "as the kernel has it");
_Static_assert(sizeof(struct abi_backing_map) == 16, "as the kernel has it");

#endif
