/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* vec.h - a client's memory: one buffer, or pieces of one in order. Pure. */
#ifndef FSC_VEC_H
#define FSC_VEC_H

#include <fscache/fscache.h>

/* Offsets count from its first byte; none is used beyond what the client said it has room for. */
struct fsc_vec {
	uint8_t *buf; /* NULL: @iov */
	const struct fsc_iovec *iov;
	uint32_t nr;
};

/* The address of byte @off, and in *@len (in: what is wanted) how much follows without a gap: at
 * least 1. NULL: the pieces end before @off, and *@len is 0. */
uint8_t *fsc_vec_at(const struct fsc_vec *vec, uint64_t off, size_t *len);
/* All of it without a gap, or NULL. */
uint8_t *fsc_vec_whole(const struct fsc_vec *vec, uint64_t off, size_t len);
void fsc_vec_put(const struct fsc_vec *vec, uint64_t off, const void *src, size_t len);
void fsc_vec_zero(const struct fsc_vec *vec, uint64_t off, size_t len);
/* Do the pieces add up to at least @len bytes? */
bool fsc_vec_holds(const struct fsc_vec *vec, size_t len);

#endif
