/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* work.h - what the backend knows of work queues beyond env.h. */
#ifndef FSC_URING_WORK_H
#define FSC_URING_WORK_H

#include <fscache/env.h>

#define FSC_WORKQ_THREADS 8

/* As fsc_workq_create(), with @threads (1 to FSC_WORKQ_THREADS) at most. */
struct fsc_workq *fsc_workq_create_limited(const char *name, unsigned int threads);

/* A thread with a small stack and all signals blocked: they are the client's business. 0 or a
 * negative errno. */
int fsc_thread_start(pthread_t *out, const char *name, void *(*fn)(void *arg), void *arg);

#endif
