// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * fskind.c - what a filesystem's superblock tells of what it promises across a crash.
 *
 * Mount options are asked for as /proc/mounts does. ext4 shows there only what differs from the
 * defaults in its superblock on the disk, so that is read too: its layout is fixed. What can't be
 * found out is left unknown, and judged as the worse.
 */
#include <linux/buffer_head.h>
#include <linux/magic.h>
#include <linux/seq_file.h>

#include "fskind.h"
#include "internal.h"

/* Where in ext4's superblock, little endian, which is 1024 bytes from the beginning. */
#define EXT4_SUPER_POS 1024u
#define EXT4_SUPER_SIZE 1024u
#define EXT4_MAGIC_AT 0x38
#define EXT4_COMPAT_AT 0x5c
#define EXT4_JOURNAL_INODE_AT 0xe0
#define EXT4_DEFAULTS_AT 0x100

#define EXT4_COMPAT_HAS_JOURNAL 0x4u
#define EXT4_DEFAULT_DATA_MODE 0x60u
#define EXT4_DEFAULT_DATA_JOURNAL 0x20u
#define EXT4_DEFAULT_NO_BARRIER 0x100u

/* --- Options ---------------------------------------------------------------------------------- */

/* Only of filesystems that ask nothing of the seq_file but its buffer. False: they didn't fit. */
static bool read_options(struct super_block *sb, char *text, size_t size)
{
	struct seq_file seq = { .buf = text, .size = size };

	if (!sb->s_op->show_options || sb->s_op->show_options(&seq, sb->s_root) ||
	    seq_has_overflowed(&seq) || seq.count >= size)
		return false;
	text[seq.count] = 0;
	return true;
}

static bool shown(const char *options, const char *name)
{
	size_t len = strlen(name);
	const char *p = options;

	for (; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, name, len) && (!p[len] || p[len] == ',' || name[len - 1] == '='))
			return true;
	}
	return false;
}

static bool append(char *text, size_t size, const char *option)
{
	return strlcat(text, option, size) < size;
}

/* --- ext4 ------------------------------------------------------------------------------------- */

struct on_disk {
	uint32_t compat, journal_inode, defaults;
};

static bool read_on_disk(struct super_block *sb, struct on_disk *out)
{
	sector_t block = EXT4_SUPER_POS / sb->s_blocksize;
	unsigned int off = EXT4_SUPER_POS % sb->s_blocksize;
	struct buffer_head *bh;
	const char *p;
	bool ok;

	if (off + EXT4_SUPER_SIZE > sb->s_blocksize)
		return false;
	bh = sb_bread(sb, block);
	if (!bh)
		return false;
	p = bh->b_data + off;
	ok = le16_to_cpup((const __le16 *)(p + EXT4_MAGIC_AT)) == EXT4_SUPER_MAGIC;
	out->compat = le32_to_cpup((const __le32 *)(p + EXT4_COMPAT_AT));
	out->journal_inode = le32_to_cpup((const __le32 *)(p + EXT4_JOURNAL_INODE_AT));
	out->defaults = le32_to_cpup((const __le32 *)(p + EXT4_DEFAULTS_AT));
	brelse(bh);
	return ok;
}

/* The options in force, one a line: what is shown, and the defaults that it is silent on. */
static bool all_in_force(char *text, size_t size, const struct on_disk *d)
{
	bool journal = d->compat & EXT4_COMPAT_HAS_JOURNAL;
	bool ok = true;

	if (journal && !shown(text, "data="))
		ok &= append(text, size,
			     (d->defaults & EXT4_DEFAULT_DATA_MODE) == EXT4_DEFAULT_DATA_JOURNAL
				     ? ",data=journal"
				     : ",data=ordered");
	if (d->defaults & EXT4_DEFAULT_NO_BARRIER && !shown(text, "barrier") &&
	    !shown(text, "barrier=1"))
		ok &= append(text, size, ",nobarrier");
	strreplace(text, ',', '\n');
	return ok;
}

static void look_at_ext4(struct super_block *sb, struct fsc_kb_texts *texts,
			 struct fsc_fs_facts *f)
{
	struct on_disk d;

	f->jbd2_inner = -1;
	if (!read_on_disk(sb, &d))
		return;
	f->jbd2_inner = d.compat & EXT4_COMPAT_HAS_JOURNAL && d.journal_inode;
	if (read_options(sb, texts->options, sizeof(texts->options)) &&
	    all_in_force(texts->options, sizeof(texts->options), &d))
		f->ext4_options = texts->options;
}

/* --- The whole -------------------------------------------------------------------------------- */

void fsc_kb_look_at_super(struct super_block *sb, struct fsc_kb_texts *texts,
			  struct fsc_fs_facts *f)
{
	f->type = sb->s_type->name;
	f->block_size = (uint32_t)sb->s_blocksize;
	if (!strcmp(f->type, "ext4"))
		look_at_ext4(sb, texts, f);
	else if (!strcmp(f->type, "xfs") &&
		 read_options(sb, texts->options, sizeof(texts->options)))
		f->super_options = texts->options;
}
