/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* url.h - nfs://HOST[:PORT]/EXPORT, taken apart. */
#ifndef NFS_URL_H
#define NFS_URL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct nfsc_url {
	char host[256];	     /* without the brackets of an IPv6 address */
	uint16_t port;	     /* NFS_PORT where none is named */
	char path[PATH_MAX]; /* from the '/' on, without any at its end but the first */
};

bool nfsc_url_parse(const char *text, struct nfsc_url *out); /* false: it is none */

#endif
