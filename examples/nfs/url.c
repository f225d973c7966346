// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * url.c - see url.h. No %-escapes: the path is the server's, byte for byte.
 */
#include "url.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "nfs.h"

static bool parse_port(const char *text, size_t len, uint16_t *out)
{
	unsigned long number = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned long)(text[i] - '0');
	}
	*out = (uint16_t)number;
	return number && number <= UINT16_MAX;
}

bool nfsc_url_parse(const char *text, struct nfsc_url *out)
{
	const char *host, *end, *path;
	size_t len;

	if (strncmp(text, "nfs://", 6))
		return false;
	host = text + 6;
	path = strchr(host, '/');
	if (!path)
		return false;
	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || end > path)
			return false;
		len = (size_t)(end++ - host);
	} else {
		len = strcspn(host, ":/");
		end = host + len;
	}
	out->port = NFS_PORT;
	if (!len || len >= sizeof(out->host) || strlen(path) >= sizeof(out->path) ||
	    (end != path &&
	     (*end != ':' || !parse_port(end + 1, (size_t)(path - end - 1), &out->port))))
		return false;
	memcpy(out->host, host, len);
	out->host[len] = 0;
	strcpy(out->path, path);
	for (len = strlen(out->path); len > 1 && out->path[len - 1] == '/'; len--)
		out->path[len - 1] = 0;
	return true;
}
