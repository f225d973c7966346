/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* world.h - what in_world.sh prepared: a server to start and kill, and a connection to it. */
#ifndef TESTS_NFS_WORLD_H
#define TESTS_NFS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "nfs.h"

extern const char *world_dir; /* export/ is in it */
extern int world_version;

bool world_found(void);	       /* false: not called by in_world.sh */
void world_server_start(void); /* and wait until it answers */
void world_server_kill(void);
void world_server_freeze(bool freeze); /* it keeps its connections, and answers nothing */
/* Whether there is one or not, through @port if not 0. */
int world_connect_to(uint16_t port, bool reconnect, uint32_t timeout_ms, struct netfs **out,
		     char *why, size_t size);
uint64_t world_ms(void);
int world_connect(bool reconnect, uint32_t timeout_ms, struct netfs **out, char *why, size_t size);
/* In the export, as the server's filesystem has it; of a buffer that the next call uses. */
const char *world_path(const char *name);
void world_make_file(const char *name, const void *data, size_t len);
void world_make_random(const char *name, size_t len);

/* Reads or writes one piece and waits. */
int64_t world_read(struct netfs_file *file, uint64_t pos, void *buf, size_t len);
int64_t world_write(struct netfs_file *file, uint64_t pos, const void *buf, size_t len);
/* All of it, in as many pieces as it takes. */
int64_t world_read_all(struct netfs_file *file, uint64_t pos, void *buf, size_t len);
int64_t world_write_all(struct netfs_file *file, uint64_t pos, const void *buf, size_t len);

#endif
