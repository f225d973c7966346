/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * stream.h - read a range of a file in order, with several reads in flight.
 */
#ifndef FSC_EXAMPLES_STREAM_H
#define FSC_EXAMPLES_STREAM_H

#include "remote.h"

#define STREAM_DEPTH 4
#define STREAM_CHUNK (1u << 20) /* bytes of one read at most */

struct stream;

/* Memory for it, to be used for one file after another by one thread; NULL: there is none. */
struct stream *stream_new(void);
void stream_free(struct stream *st);

/* Take @len bytes from @pos on. Not 0: stop. */
typedef int (*stream_sink)(void *arg, const void *buf, size_t len, uint64_t pos);

enum stream_end {
	STREAM_ALL,     /* the sink got everything */
	STREAM_STOPPED, /* it said so, or a signal did */
	/* The file is shorter than it was when it was opened; without a sink: not all was kept. */
	STREAM_SHORT,
	STREAM_ERROR,
};

/* Read from @pos to @end of @r [blocks]. @sink is NULL where the bytes are only to be cached; what
 * is there by now is skipped then. *@err is set with STREAM_ERROR. */
enum stream_end stream_run(struct stream *st, struct remote *r, uint64_t pos, uint64_t end,
			   stream_sink sink, void *arg, int *err);

#endif
