/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* v4.h - the calls of NFSv4.0. */
#ifndef NFS_V4_H
#define NFS_V4_H

#include "nfs.h"

struct nfsc4_state;

int nfsc4_state_new(struct nfs *nfs);
void nfsc4_state_free(struct nfsc4_state *state); /* NULL is fine */
/* [blocks] Walk from the server's root. On an error a line for people is in @why. */
int nfsc4_root(struct nfs *nfs, const char *export, struct nfsc_fh *out, char *why,
	       size_t why_size);
int nfsc4_limits(struct nfs *nfs);

#endif
