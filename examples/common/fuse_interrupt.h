/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse_interrupt.h - a process that is killed doesn't have to wait for the server.
 */
#ifndef FSC_EXAMPLES_FUSE_INTERRUPT_H
#define FSC_EXAMPLES_FUSE_INTERRUPT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct interrupts;

/* What one thread is serving, zeroed at first. */
struct served {
	_Atomic uint64_t unique; /* the request; 0: none */
	_Atomic uint32_t tid;    /* of who made it */
	struct served *next;     /* private */
};

/* @fd: /dev/fuse. NULL: no memory. */
struct interrupts *interrupts_new(int fd);
void interrupts_free(struct interrupts *it); /* [blocks] nobody serves any more; NULL is fine */
void interrupts_add(struct interrupts *it, struct served *s); /* until interrupts_free() */

/* Around the serving of @buf, which is a request as it came from the kernel; the lock-free way but
 * for FUSE_INTERRUPT. */
void served_begin(struct interrupts *it, struct served *s, const void *buf, size_t len);
static inline void served_end(struct served *s)
{
	atomic_store_explicit(&s->unique, 0, memory_order_relaxed);
}

#endif
