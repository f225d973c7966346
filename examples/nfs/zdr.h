/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* zdr.h - what of libnfs 4.0 is replaced, by functions of the same names in zdr.c. */
#ifndef NFS_ZDR_H
#define NFS_ZDR_H

#include <stdbool.h>
#include <stddef.h>

/* Before anything else of libnfs. False: it doesn't call ours, being linked to call its own
 * whatever the program has. */
bool nfsc_zdr_ready(void);

/* The message that is put together next on this thread has so many bytes of data. 0: none. Without
 * this compounds are cut off at 4 KiB. */
void nfsc_zdr_expect(size_t bytes);

/* Something that came on this thread was an answer to a question. Without any, a connection is
 * given up that goes on and on bringing something. */
void nfsc_zdr_answered(void);

#endif
