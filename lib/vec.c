/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * vec.c - a client's memory: one buffer, or pieces of one in order.
 *
 * Looked up from the first piece on each time: what comes in many pieces is moved by large parts.
 */
#include "bits.h"
#include "vec.h"

uint8_t *fsc_vec_at(const struct fsc_vec *vec, uint64_t off, size_t *len)
{
	if (vec->buf)
		return vec->buf + off;
	for (uint32_t i = 0; i < vec->nr; i++) {
		const struct fsc_iovec *v = &vec->iov[i];

		if (off < v->len) {
			*len = (size_t)fsc_min64(*len, v->len - off);
			return (uint8_t *)v->base + off;
		}
		off -= v->len;
	}
	*len = 0;
	return NULL;
}

uint8_t *fsc_vec_whole(const struct fsc_vec *vec, uint64_t off, size_t len)
{
	size_t n = len;
	uint8_t *mem = fsc_vec_at(vec, off, &n);

	return n >= len ? mem : NULL;
}

void fsc_vec_put(const struct fsc_vec *vec, uint64_t off, const void *src, size_t len)
{
	const uint8_t *from = src;

	while (len) {
		size_t n = len;
		uint8_t *to = fsc_vec_at(vec, off, &n);

		if (!to)
			return;
		memcpy(to, from, n);
		from += n;
		off += n;
		len -= n;
	}
}

void fsc_vec_zero(const struct fsc_vec *vec, uint64_t off, size_t len)
{
	while (len) {
		size_t n = len;
		uint8_t *to = fsc_vec_at(vec, off, &n);

		if (!to)
			return;
		memset(to, 0, n);
		off += n;
		len -= n;
	}
}

bool fsc_vec_holds(const struct fsc_vec *vec, size_t len)
{
	if (vec->buf)
		return true;
	for (uint32_t i = 0; i < vec->nr && len; i++)
		len -= (size_t)fsc_min64(len, vec->iov[i].len);
	return len == 0;
}
