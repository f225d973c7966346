// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * v4.c - NFSv4.0. Not there yet: connecting says so.
 */
#include "v4.h"

#include <errno.h>
#include <stdio.h>

const struct netfs_ops nfsc4_ops = { .name = "nfs" };

int nfsc4_state_new(struct nfs *nfs)
{
	(void)nfs;
	return 0;
}

void nfsc4_state_free(struct nfsc4_state *state)
{
	(void)state;
}

int nfsc4_root(struct nfs *nfs, const char *export, struct nfsc_fh *out, char *why, size_t why_size)
{
	(void)nfs, (void)export, (void)out;
	snprintf(why, why_size, "version 4 is not spoken yet");
	return -EPROTONOSUPPORT;
}

int nfsc4_limits(struct nfs *nfs)
{
	(void)nfs;
	return -EPROTONOSUPPORT;
}

int nfsc4_read_batch(struct netfs_file *file, uint64_t pos, bool plus, struct nfsc_batch *batch)
{
	(void)file, (void)pos, (void)plus, (void)batch;
	return -EPROTONOSUPPORT;
}
