/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * interrupt.h - ending in good order at SIGINT, SIGTERM and SIGHUP.
 */
#ifndef FSC_EXAMPLES_INTERRUPT_H
#define FSC_EXAMPLES_INTERRUPT_H

#include "netfs.h"

/* Call first, on the main thread, while it is the only one: threads made later get no signals. */
void interrupt_init(void);
/* What to give up at a signal, so that nobody waits for the server; NULL before it goes. Until this
 * was called for the first time a signal ends the process at once. */
void interrupt_netfs(struct netfs *fs);
/* [any thread] 0, or the signal. System calls of the main thread end with EINTR once it is set. */
int interrupted(void);
/* For what doesn't look at interrupted() often enough: at a signal @fn is called, on a thread that
 * does nothing else, and the server gets so long to answer what is still asked of it. If there was
 * a signal already it is called now. NULL: no more; @fn isn't running when this returns. */
void interrupt_call(void (*fn)(void *arg), void *arg, unsigned int patience_ms);

#endif
