/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * types.h - the few types that every header of the library shares.
 *
 * The only header that asks which world it is compiled in.
 */
#ifndef FSCACHE_TYPES_H
#define FSCACHE_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The unit of presence: a granule is wholly in the cache or not at all. */
#define FSC_GRANULE_SHIFT 12
#define FSC_GRANULE_SIZE (1u << FSC_GRANULE_SHIFT)

/* Keys of volumes and cookies are 1 to this many bytes; coherency data 0 to this many. */
#define FSC_KEY_MAX 255
#define FSC_COHERENCY_MAX 255

/* Borrowed bytes: the callee copies what it wants to keep before it returns. */
struct fsc_blob {
	const void *data;
	size_t len;
};

enum fsc_buf_kind {
	FSC_BUF_MEM,   /* @mem is the address of contiguous memory */
	FSC_BUF_ITER,  /* @mem is the backend's own kind of buffer (kernel: a struct iov_iter) */
};

/*
 * A window on a buffer: @len bytes from byte @off of what @mem stands for. The core moves
 * @off and @len and never looks behind @mem; env.h's fsc_buf_*() and the backend do.
 */
struct fsc_buf {
	void *mem;
	size_t off;
	size_t len;
	enum fsc_buf_kind kind;
};

/* What a failed or withdrawn cache leaves behind, in order of safety (see backend.h). */
enum fsc_fs_kind {
	FSC_FS_ORDERED,
	FSC_FS_STRICT,
	FSC_FS_VOLATILE,
};

struct fsc_cache;
struct fsc_volume;
struct fsc_backend;

#ifdef __cplusplus
}
#endif
#endif
