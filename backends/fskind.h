/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fskind.h - what a filesystem promises across a crash, judged from what was seen of it.
 *
 * Apart from the looking, so that a test feeds it with texts.
 */
#ifndef FSC_FSKIND_H
#define FSC_FSKIND_H

#include <fscache/types.h>

/* Texts are NULL where they couldn't be read. */
struct fsc_fs_facts {
	const char *type;          /* "ext4"; "" if unknown */
	const char *super_options; /* of the filesystem, as mountinfo ends: "rw,noquota" */
	const char *ext4_options;  /* /proc/fs/ext4/DEV/options, one a line */
	int jbd2_inner;            /* a journal on the same device: 1, 0, or -1: can't tell */
	uint32_t block_size;       /* 0: unknown */

	/* Of a tmpfile in the root. */
	bool probed;            /* the rest is known */
	bool direct_works;      /* O_DIRECT was taken, and a write of 4 KiB unless too full */
	bool too_full;          /* some of this could not be tried */
	bool align_known;       /* the kernel says what direct I/O needs */
	uint32_t offset_align;  /* 0: not direct */
	uint32_t memory_align;
	uint64_t attributes;    /* statx's */
	uint32_t inode_flags;   /* FS_IOC_GETFLAGS, after one byte was written to it buffered */
	bool realtime;          /* XFS: its data goes to the realtime device */
};

struct fsc_fs_verdict {
	int err; /* -EOPNOTSUPP: can't be a cache */
	enum fsc_fs_kind kind;
	bool forgets, never_clean;
	bool direct;            /* direct I/O can be used, with these alignments */
	uint32_t io_align, mem_align;
	bool barriers_off;      /* nobody can promise anything */
	const char *why;        /* constant */
};

void fsc_fs_judge(const struct fsc_fs_facts *facts, bool buffered, struct fsc_fs_verdict *out);

#endif
