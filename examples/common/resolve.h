/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * resolve.h - the addresses of a host, within a time: getaddrinfo() has no end of its own.
 */
#ifndef FSC_EXAMPLES_RESOLVE_H
#define FSC_EXAMPLES_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

/* As getaddrinfo() for stream sockets [blocks]; EAI_AGAIN also when @timeout_ms are over. @service
 * may be NULL. The caller calls freeaddrinfo(). */
int resolve(const char *host, const char *service, uint32_t timeout_ms, struct addrinfo **out);

#endif
