/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* reader.h - what the two halves of the client at cookie level know of each other. */
#ifndef READER_H
#define READER_H

#include "play_int.h"

#define HANDLES 3u
#define REQUESTS 3u
#define EVENTS 6u
#define GUARD 64u
#define PAGE 4096u

/* An open file. */
struct handle {
	struct file *file; /* NULL: free */
	struct fsc_cookie *cookie;
	struct attr attr;  /* as last presented, by whichever client */
	uint32_t told;     /* the version that acquire was told; UINT32_MAX: it is uncached */
	uint32_t uses;
	uint32_t busy;     /* other clients are calling something on the cookie */
};

struct request {
	struct fsc_read read;
	struct look look;
	struct client *client;
	struct handle *handle;
	bool busy;
	bool filled; /* with DONE */
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

extern struct reader readers[PLAY_CLIENTS]; /* reads.c */

/* reads.c */
void reads_join(struct reader *rd); /* until none is in flight */
void reads_make(struct client *c, struct handle *h, const struct step *s);
/* What was read belongs to us since: nobody has written there. */
void reads_check_untouched(struct request *r);

#endif
