/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * evil.h - a 9P server that a test scripts byte by byte, and reads that are waited for.
 *
 * A script is a function that runs in a thread, talks to one connection with the bytes it
 * likes, and returns, which closes the connection. The client runs in the test's own
 * thread. Failures of the client's side are cmocka's; a script that is disappointed just
 * returns, and the test sees the connection end.
 */
#ifndef TESTS_9P_EVIL_H
#define TESTS_9P_EVIL_H

#include <pthread.h>
#include <semaphore.h>

#include "client.h"

#define NO_NAME ((struct p9_blob){ "", 0 })

enum { TIMEOUT_MS = 200, HANG_S = 120 };

struct server {
	int listener, sock;
	char dir[64], address[128];
	pthread_t thread;
	void (*script)(struct server *s);
	uint32_t msize; /* what to agree to; 0: what the client asks */
	int clunks;     /* answered by server_decent() */
	sem_t go;       /* for a script that waits for the test */
	uint8_t msg[8192];
	struct p9_header h; /* of the message in msg */
};

/* Listen, and run @script for the first connection. @msize: see the struct. */
void server_start(struct server *s, void (*script)(struct server *), uint32_t msize);
void server_stop(struct server *s);

/* For scripts. */
void server_send(struct server *s, const void *bytes, size_t len);
/* Receive the next request into msg. Its type, or 0 at the end. */
int server_next(struct server *s);
uint32_t msg_u32(const struct server *s, size_t at);
/* A reply of @type and @tag with @len bytes of @body and an honest size. */
void server_reply(struct server *s, uint8_t type, uint16_t tag, const void *body, size_t len);
/* Rread of @count bytes of content(). */
void server_data(struct server *s, uint16_t tag, uint32_t fid, uint64_t offset, uint32_t count);
/* Answer the request in msg as a decent server would on which every file is endless. */
void server_decent(struct server *s);
/* Be decent until a request of @type comes, and leave that to the script. */
bool server_until(struct server *s, int type);

/* Byte @pos of what @fid is open on. */
uint8_t content(uint32_t fid, uint64_t pos);

struct fixture {
	struct server s;
	struct p9_client *c;
	uint32_t root;
	char text[256];
};

/* Options for a client of the server, with TIMEOUT_MS. */
struct p9_options fixture_options(const struct fixture *f);
/* A server with @script, a client, an attached root. */
void fixture_begin(struct fixture *f, void (*script)(struct server *));
void fixture_begin_with(struct fixture *f, void (*script)(struct server *), uint32_t max_tags,
			uint32_t timeout_ms);
void fixture_end(struct fixture *f);
/* The connection is dead of @error, for a @reason, and stays so. */
void expect_dead(struct fixture *f, int error, const char *reason);

/* A read that tells when it is done, and how often. */
struct waited {
	struct p9_read r;
	sem_t done;
	int times;
	int64_t result;
	uint8_t buf[4096];
};

void waited_start(struct fixture *f, struct waited *w, uint64_t offset, uint32_t len);
/* The same; it may wait for p9_push(). */
void waited_keep_back(struct fixture *f, struct waited *w, uint64_t offset, uint32_t len);
int64_t waited_end(struct waited *w);
void expect_content(const struct waited *w, uint32_t fid, uint64_t offset);

#endif
