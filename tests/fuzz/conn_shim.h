/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * conn_shim.h - put before the client's sources where they are compiled for fuzzing: the server,
 * the socket and the receiver's thread are then those of conn_shim.c, in one real thread and with
 * all that happens decided by the input.
 */
#ifndef TESTS_FUZZ_CONN_SHIM_H
#define TESTS_FUZZ_CONN_SHIM_H

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/types.h>

int shim_socket(int domain, int type, int protocol);
int shim_connect(int fd, const struct sockaddr *sa, socklen_t len);
int shim_shutdown(int fd, int how);
ssize_t shim_send(int fd, const void *buf, size_t len, int flags);
ssize_t shim_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t shim_recv(int fd, void *buf, size_t len, int flags);
ssize_t shim_recvmsg(int fd, struct msghdr *mh, int flags);
int shim_poll(struct pollfd *fds, nfds_t nfds, int timeout);
int shim_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			void *arg);
int shim_pthread_join(pthread_t thread, void **ret);
pthread_t shim_pthread_self(void);
int shim_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int shim_pthread_cond_signal(pthread_cond_t *cond);

#ifdef CONN_SHIM
#define socket shim_socket
#define connect shim_connect
#define shutdown shim_shutdown
#define send shim_send
#define sendmsg shim_sendmsg
#define recv shim_recv
#define recvmsg shim_recvmsg
#define poll shim_poll
#define pthread_create shim_pthread_create
#define pthread_join shim_pthread_join
#define pthread_self shim_pthread_self
#define pthread_cond_wait shim_pthread_cond_wait
#define pthread_cond_signal shim_pthread_cond_signal
/* What would go past the shim: the client would be tried on a dead connection, and nobody notice. */
#pragma GCC poison recvfrom recvmmsg readv sendto sendmmsg
#else /* for the target */

#include "fuzz.h"

/* What the server says is taken from @in, a piece after each request, and more when the client
 * waits; at its end the server hangs up. */
void shim_begin(struct input *in, unsigned int flags);
void shim_end(void);
/* Let the receiver go on, until somebody was answered or it has ended. */
void shim_receive(void);
/* Somebody was answered without being signalled. */
void shim_answered(void);

/* The next message that the server said, of @type and with the last request's tag, behind @after
 * (NULL: the first); NULL: there is none. */
const uint8_t *shim_reply(uint8_t type, const uint8_t *after, size_t *len);
/* The same with any tag. */
const uint8_t *shim_any_reply(uint8_t type, const uint8_t *after, size_t *len);

#endif
#endif
