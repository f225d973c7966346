/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* zdr.h - what of libnfs 4.0 is replaced, by functions of the same names in zdr.c. */
#ifndef NFS_ZDR_H
#define NFS_ZDR_H

#include <stdbool.h>
#include <stddef.h>

/* Does libnfs call ours? It doesn't if it was linked to call its own whatever the program has. */
bool nfsc_zdr_is_ours(void);

/* The message that is put together next on this thread has so many bytes of data. 0: none. Without
 * this compounds are cut off at 4 KiB. */
void nfsc_zdr_expect(size_t bytes);

#endif
