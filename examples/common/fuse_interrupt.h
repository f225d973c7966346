/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * fuse_interrupt.h - a process that is killed doesn't have to wait for the server.
 */
#ifndef FSC_EXAMPLES_FUSE_INTERRUPT_H
#define FSC_EXAMPLES_FUSE_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuse_session;
struct interrupts;

/* What one thread is serving, zeroed at first; all of it private. */
struct served {
	_Atomic uint64_t unique; /* the request, if it may be answered early; 0: none */
	_Atomic uint32_t tid;    /* of who made it */
	struct served *next;
};

/* NULL: no memory. */
struct interrupts *interrupts_new(struct fuse_session *se);
void interrupts_free(struct interrupts *it); /* [blocks] nobody serves any more; NULL is fine */
void interrupts_add(struct interrupts *it, struct served *s); /* until interrupts_free() */

/* Around the serving of @buf, which is a request as it came from the kernel. False: it isn't to be
 * served now, and nobody ends that. */
bool served_begin(struct interrupts *it, struct served *s, const void *buf, size_t len);
void served_end(struct interrupts *it, struct served *s);

#endif
