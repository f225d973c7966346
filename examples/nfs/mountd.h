/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* mountd.h - ask an NFSv3 server's mount daemon for the handle of an export's root. */
#ifndef NFS_MOUNTD_H
#define NFS_MOUNTD_H

#include "nfs.h"

/* [blocks] @port 0: ask the server's rpcbind where its mount daemon is. On an error a line for
 * people is in @why. */
int nfsc_mountd_root(const char *address, uint16_t port, const char *export, uint32_t timeout_ms,
		     struct nfsc_fh *out, char *why, size_t why_size);

#endif
