/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* reader.h - what the two halves of the client at cookie level know of each other. */
#ifndef READER_H
#define READER_H

#include "play_int.h"

#define HANDLES 3u
#define REQUESTS 3u
#define EVENTS 6u
#define WRITINGS 3u
#define OPEN_MAX (80 * PLAY_GRANULE) /* no file grows beyond it by writes */
#define GUARD 64u
#define IOVECS 12u
#define PAGE 4096u

/* An open file. */
struct handle {
	struct file *file; /* NULL: free */
	struct fsc_cookie *cookie;
	struct attr attr;  /* as last presented, by whichever client */
	uint32_t told;     /* the version that acquire was told; UINT32_MAX: it is uncached */
	uint32_t uses;
	bool modifies;     /* one of them was said to */
	uint32_t busy;     /* other clients are calling something on the cookie */
	struct fsc_pattern pattern;
};

struct request {
	struct fsc_read read;
	struct look look;
	struct client *client;
	struct handle *handle;
	bool busy;
	bool filled; /* with DONE */
	uint8_t *buf; /* where the bytes are to be looked at */
	struct fsc_iovec iov[IOVECS];
	int64_t lent; /* bytes, not given back yet */
	bool cancelled;
	uint32_t cancelling; /* calls that have not returned */
	uint32_t started, cancels; /* counts; the one that is to be cancelled */
	size_t misalign;
	uint8_t mem[PAGE + GUARD + PLAY_READ_MAX + GUARD] __attribute__((aligned(PAGE)));
};

struct event {
	struct fsc_event ev;
	struct play *play;
	struct file *file;
	uint32_t version;
	bool busy;
};

struct reader {
	struct handle handles[HANDLES];
	struct request requests[REQUESTS];
	struct event events[EVENTS];
	struct attr stale[PLAY_FILES]; /* asked for some time ago */
	struct fsc_waitq ended;
};

/* A write on its way (changes.c). */
struct writing {
	struct fsc_write write;
	struct file *file;   /* NULL: free */
	uint32_t stamp;
	uint64_t lo, hi;     /* bytes */
	uint8_t *mem;
	size_t off, size, room; /* where they begin in there, what all of it is, and allocated */
	/* What the server makes of it. */
	bool decided, fails;
	uint64_t upto;
	uint32_t version;
};

extern struct reader readers[PLAY_CLIENTS]; /* reads.c */

/* reads_how.c */
void how_prepare(struct request *r, struct handle *h);
void how_start(struct request *r);
const uint8_t *how_result(struct request *r, int64_t ret); /* where its bytes are */
void how_give_back(struct request *r);
bool how_is_still_valid(struct fsc_read *read);
/* Answer it some time; *@back, the client's, is for cancelling. False: too many are under way. */
bool how_send(struct play *p, struct fsc_subreq *sreq, uint32_t *back);
void how_cancel_read(struct fsc_subreq *sreq, uint32_t *back);

/* reads.c */
void reads_answer(struct fsc_subreq *sreq, int error);
void reads_join(struct reader *rd); /* until none is in flight */
void reads_make(struct client *c, struct handle *h, const struct step *s);
/* What was read belongs to us since: nobody has written there. */
void reads_check_untouched(struct request *r);

/* reader.c */
extern const struct fsc_netfs_ops reader_ops; /* reads.c */
bool reader_is_same(const struct play *p, const struct attr *a, const struct attr *b);
void reader_set_attr(struct play *p, struct fsc_cookie *cookie, const struct attr *attr);
void reader_invalidate(struct client *c, struct handle *h, const struct attr *attr,
		       const struct step *s);

/* changes.c */
void changes_start(struct client *c);
void changes_begin_alone(struct file *f); /* no other through a cookie while ->alone */
void changes_step(struct client *c, struct handle *h, const struct step *s);
void changes_join(struct client *c); /* until none is on its way */
void changes_give_right_back(struct client *c, struct handle *h); /* if it has one */
void changes_issue_write(struct fsc_subreq *sreq);
size_t changes_write_max(struct fsc_write *write);
void changes_write_done(struct fsc_write *write, int64_t ret);

/* lends.c */
void changes_lend(struct client *c, struct handle *h);

#endif
