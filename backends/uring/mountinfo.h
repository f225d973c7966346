/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * mountinfo.h - texts of /proc that the probe reads.
 *
 * Apart from the reading, so that a test feeds it with texts.
 */
#ifndef FSC_URING_MOUNTINFO_H
#define FSC_URING_MOUNTINFO_H

#include <fscache/types.h>

/*
 * Of /proc/self/mountinfo: the line of mount @id, its filesystem's type and its options copied out
 * (cut to the buffers' sizes). False: there is no such line.
 */
bool fsc_fs_find_mount(const char *mountinfo, uint64_t id, char *type, size_t type_size,
		       char *options, size_t options_size);

/* 36 characters with four hyphens into 16 bytes. */
bool fsc_fs_parse_uuid(const char *text, uint8_t out[16]);

#endif
