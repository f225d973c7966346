/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * interrupt.h - ending in good order at SIGINT, SIGTERM and SIGHUP.
 */
#ifndef FSC9P_INTERRUPT_H
#define FSC9P_INTERRUPT_H

#include "client.h"

/* Call first, on the main thread, while it is the only one: threads made later get no signals. */
void interrupt_init(void);
/* What to give up at a signal, so that nobody waits for the server; NULL before it goes. Until this
 * was called for the first time a signal ends the process at once. */
void interrupt_client(struct p9_client *client);
/* [any thread] 0, or the signal. System calls of the main thread end with EINTR once it is set. */
int interrupted(void);

#endif
