/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * replies.h - what is to hold of the parser of every 9P reply.
 *
 * Each reply is cut at each length, in a buffer of exactly that size, so that a sanitizer sees a
 * parser that looks one byte too far; and has each of its bytes changed, which may or may not be an
 * error but must be harmless.
 */
#ifndef TESTS_9P_REPLIES_H
#define TESTS_9P_REPLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define BLOB(s) ((struct p9_blob){ (s), sizeof(s) - 1 })
#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define QID_BYTES 0x80, 1, 2, 3, 4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88
#define U64(v) (v), 0, 0, 0, 0, 0, 0, 0

struct reply {
	const char *name;
	int (*decode)(const void *msg, size_t len); /* 0 for @bytes */
	const uint8_t *bytes;
	size_t len;
	bool part;      /* no whole message, so there is no size or type to be wrong */
	bool all_of_it; /* and yet more bytes are an error */
};

#define REPLY(decode, bytes) { #bytes, decode, bytes, sizeof(bytes), false, true }
#define PART(decode, bytes, all) { #bytes, decode, bytes, sizeof(bytes), true, all }

void replies_cut_short(const struct reply *replies, size_t nr);
void replies_with_a_byte_more(const struct reply *replies, size_t nr);
void replies_of_another_size(const struct reply *replies, size_t nr);
void replies_with_a_byte_changed(const struct reply *replies, size_t nr);
void replies_of_another_type(const struct reply *replies, size_t nr);

/* A request's bytes, and QID_BYTES. */
void enc_expect(const uint8_t *got, int len, const uint8_t *want, size_t want_len);
void qid_expect(struct p9_qid q);

#endif
