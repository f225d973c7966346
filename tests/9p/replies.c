// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * replies.c - what is to hold of the parser of every 9P reply.
 */
#include "replies.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, bytes, len);
	return copy;
}

void replies_cut_short(const struct reply *replies, size_t nr)
{
	for (const struct reply *r = replies; r < replies + nr; r++) {
		assert_int_equal(r->decode(r->bytes, r->len), 0);
		for (size_t len = 0; len < r->len; len++) {
			uint8_t *cut = exact_copy(r->bytes, len);

			if (r->decode(cut, len) != -EBADMSG)
				fail_msg("%s cut to %zu bytes is accepted", r->name, len);
			/* And with a size that agrees, so that only the fields are short. */
			if (len >= 4 && !r->part) {
				cut[0] = (uint8_t)len;
				if (r->decode(cut, len) != -EBADMSG)
					fail_msg("%s made %zu bytes is accepted", r->name, len);
			}
			free(cut);
		}
	}
}

void replies_with_a_byte_more(const struct reply *replies, size_t nr)
{
	for (const struct reply *r = replies; r < replies + nr; r++) {
		uint8_t longer[256] = { 0 };

		if (!r->all_of_it)
			continue;
		memcpy(longer, r->bytes, r->len);
		if (!r->part)
			longer[0]++;
		if (r->decode(longer, r->len + 1) != -EBADMSG)
			fail_msg("%s with a byte more is accepted", r->name);
	}
}

void replies_of_another_size(const struct reply *replies, size_t nr)
{
	for (const struct reply *r = replies; r < replies + nr; r++) {
		uint8_t copy[256];

		if (r->part)
			continue;
		memcpy(copy, r->bytes, r->len);
		copy[0]++;
		assert_int_equal(r->decode(copy, r->len), -EBADMSG);
		memcpy(copy, r->bytes, r->len);
		copy[3]++;
		assert_int_equal(r->decode(copy, r->len), -EBADMSG);
	}
}

void replies_with_a_byte_changed(const struct reply *replies, size_t nr)
{
	for (const struct reply *r = replies; r < replies + nr; r++) {
		for (size_t i = 0; i < r->len; i++) {
			for (int v = 0; v < 256; v++) {
				uint8_t *copy = exact_copy(r->bytes, r->len);

				copy[i] = (uint8_t)v;
				r->decode(copy, r->len);
				free(copy);
			}
		}
	}
}

void replies_of_another_type(const struct reply *replies, size_t nr)
{
	for (const struct reply *r = replies; r < replies + nr; r++) {
		uint8_t copy[256];

		if (r->part)
			continue;
		memcpy(copy, r->bytes, r->len);
		copy[4] ^= 1;
		assert_int_equal(r->decode(copy, r->len), -EBADMSG);
	}
}

void enc_expect(const uint8_t *got, int len, const uint8_t *want, size_t want_len)
{
	assert_int_equal(len, (int)want_len);
	assert_memory_equal(got, want, want_len);
}

void qid_expect(struct p9_qid q)
{
	assert_int_equal(q.type, P9_QID_DIR);
	assert_int_equal(q.version, 0x04030201);
	assert_int_equal(q.path, 0x8877665544332211);
}
