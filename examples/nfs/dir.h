/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * dir.h - open directories: replies with many entries each, kept until they were all handed out.
 */
#ifndef NFS_DIR_H
#define NFS_DIR_H

#include "nfs.h"

/* Bytes of directory to ask for at once. */
#define NFS_DIR_MAX 65536

struct nfsc_dir *nfsc_dir_new(void);
void nfsc_dir_free(struct nfsc_dir *dir); /* NULL is fine */
/* The server's word for "these positions are of that listing". */
char *nfsc_dir_verifier(struct nfsc_dir *dir);

#endif
