/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* play_int.h - what the files of fsc-sim know of each other; writer.c needs play.h only. */
#ifndef PLAY_INT_H
#define PLAY_INT_H

#include <stdio.h>
#include <string.h>

#include "play.h"

/* server.c */
uint64_t stamp_seed(const struct file *f, const struct change *c);
bool stamp_is(const struct file *f, const struct change *change, uint64_t pos, const uint8_t *buf,
	      size_t len);
const struct change *stamp_at(const struct file *f, uint32_t version, uint64_t pos, uint64_t *end);
void server_asked(struct play *p, struct file *f, uint64_t pos, uint64_t len);
void server_answered(struct file *f, uint64_t pos, uint64_t len);
bool server_is_asked(const struct file *f, uint64_t pos, uint64_t len);
int64_t server_answer(struct play *p, struct file *f, uint32_t version, uint64_t pos, void *buf,
		      size_t len);

/* oracle.c */
void oracle_process(struct play *p); /* a new one begins: what the old one knew is forgotten */
void oracle_volume(struct play *p, uint32_t volume); /* acquired with other coherency data */
/* May these be bytes of versions from @least on, seen by @look (NULL: from outside, at rest)? Else
 * the first that may not, from @buf on; @len: they may. */
size_t oracle_wrong(struct play *p, const struct file *f, const struct look *look, uint32_t least,
		    uint64_t pos, const uint8_t *buf, size_t len);
/* What they look like, as text. */
const char *oracle_looks_like(struct play *p, const struct file *f, uint64_t pos,
			      const uint8_t *buf, size_t len);

/* reader.c */
void reader_start(struct play *p, struct client *c);
void reader_step(struct play *p, struct client *c, const struct step *s);
void reader_stop(struct play *p, struct client *c);
void reader_end(struct play *p, struct client *c); /* the cache is closed */
/* Give back what it holds of a volume that is to go. */
void reader_leave(struct play *p, struct client *c, uint32_t volume);

/* changes.c */
bool changes_recall(struct play *p, struct file *f);

/* world.c */
enum play_end { PLAY_OK, PLAY_WRONG };
struct plan;
/* All of a seed. @without: as many bools as there are steps, from 1; NULL: none is left out. What
 * was wrong, in *@text. The trace of all its epochs, in *@trace. */
enum play_end play_run(const struct plan *plan, const bool *without, bool history,
		       struct play_stats *stats, char *text, size_t size, uint64_t *trace);

/* The file that the last failure was about, or NULL. */
const struct file *play_wrong_file(void);

/* disk.c: what is at rest on the disk, behind the cache's back. */
void disk_check(struct play *p, bool clean);
/* The path of a file's object on the disk; good until the next call. */
const char *disk_path(const struct play *p, const struct file *f);

/* history.c: one line per thing that happened, of a play that is shown */
void history_begin(void);
/* An op of the backend, before it is made. */
void history_op(struct play *p, enum simstore_op op, uint64_t ino, const char *name, int err);
void history_log(struct play *p); /* what the store did in the last epoch */
/* The lines that are about @f (NULL: all). */
void history_print(const struct file *f, FILE *to);


#endif
