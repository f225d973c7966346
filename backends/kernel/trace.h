/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * trace.h - tracepoints of the module: events/libfscache. Each names its cookie by the number that
 * fscache's own tracepoints and /proc/fs/fscache/cookies use.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM libfscache

#if !defined(FSC_KERNEL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FSC_KERNEL_TRACE_H

#include <linux/fscache.h>
#include <linux/tracepoint.h>

TRACE_EVENT(libfscache_volume,
	TP_PROTO(struct fscache_volume *volume, int error),
	TP_ARGS(volume, error),
	TP_STRUCT__entry(
		__field(unsigned int, volume)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->volume = volume->debug_id;
		__entry->error = error;
	),
	TP_printk("V=%08x err=%d", __entry->volume, __entry->error)
);

TRACE_EVENT(libfscache_lookup,
	TP_PROTO(struct fscache_cookie *cookie, int error),
	TP_ARGS(cookie, error),
	TP_STRUCT__entry(
		__field(unsigned int, cookie)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->cookie = cookie->debug_id;
		__entry->error = error;
	),
	TP_printk("c=%08x err=%d", __entry->cookie, __entry->error)
);

DECLARE_EVENT_CLASS(libfscache_object,
	TP_PROTO(struct fscache_cookie *cookie),
	TP_ARGS(cookie),
	TP_STRUCT__entry(
		__field(unsigned int, cookie)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->cookie = cookie->debug_id;
		__entry->size = cookie->object_size;
	),
	TP_printk("c=%08x size=%llu", __entry->cookie, __entry->size)
);

DEFINE_EVENT(libfscache_object, libfscache_withdraw,
	TP_PROTO(struct fscache_cookie *cookie), TP_ARGS(cookie));
DEFINE_EVENT(libfscache_object, libfscache_invalidate,
	TP_PROTO(struct fscache_cookie *cookie), TP_ARGS(cookie));
DEFINE_EVENT(libfscache_object, libfscache_modified,
	TP_PROTO(struct fscache_cookie *cookie), TP_ARGS(cookie));
DEFINE_EVENT(libfscache_object, libfscache_press,
	TP_PROTO(struct fscache_cookie *cookie), TP_ARGS(cookie));

TRACE_EVENT(libfscache_prepare_read,
	TP_PROTO(struct fscache_cookie *cookie, u64 pos, size_t len, int source, bool keep),
	TP_ARGS(cookie, pos, len, source, keep),
	TP_STRUCT__entry(
		__field(unsigned int, cookie)
		__field(u64, pos)
		__field(size_t, len)
		__field(int, source)
		__field(bool, keep)
	),
	TP_fast_assign(
		__entry->cookie = cookie->debug_id;
		__entry->pos = pos;
		__entry->len = len;
		__entry->source = source;
		__entry->keep = keep;
	),
	TP_printk("c=%08x pos=%llu len=%zu source=%d keep=%d", __entry->cookie, __entry->pos,
		  __entry->len, __entry->source, __entry->keep)
);

DECLARE_EVENT_CLASS(libfscache_transfer,
	TP_PROTO(struct fscache_cookie *cookie, u64 pos, size_t len, s64 ret),
	TP_ARGS(cookie, pos, len, ret),
	TP_STRUCT__entry(
		__field(unsigned int, cookie)
		__field(u64, pos)
		__field(size_t, len)
		__field(s64, ret)
	),
	TP_fast_assign(
		__entry->cookie = cookie->debug_id;
		__entry->pos = pos;
		__entry->len = len;
		__entry->ret = ret;
	),
	TP_printk("c=%08x pos=%llu len=%zu ret=%lld", __entry->cookie, __entry->pos, __entry->len,
		  __entry->ret)
);

DEFINE_EVENT(libfscache_transfer, libfscache_read,
	TP_PROTO(struct fscache_cookie *cookie, u64 pos, size_t len, s64 ret),
	TP_ARGS(cookie, pos, len, ret));
DEFINE_EVENT(libfscache_transfer, libfscache_keep,
	TP_PROTO(struct fscache_cookie *cookie, u64 pos, size_t len, s64 ret),
	TP_ARGS(cookie, pos, len, ret));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
