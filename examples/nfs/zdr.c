// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * zdr.c - libnfs' coding of messages, with bounds.
 *
 * In libnfs 4.0 a length from the network that is negative as an int passes for a small one, an
 * array's size may overflow, fixed opaque data aren't checked at all, and no allocation is: a
 * server can make it read and write anywhere. It calls these functions by their exported names, so
 * those of the program are taken instead; the types are those of its public header. Decoded data
 * point into the message, or to memory that goes with it.
 *
 * rpc_allocate_pdu() is here too: it has room for 4 KiB, so no compound of version 4 with more than
 * that in it can be sent (rpc_nfs4_compound_async() fails). That is why libnfs 4.0 itself writes no
 * more than some hundred bytes over NFSv4. (And the files that it leaves then are dated 2106 or so
 * because it creates all files with EXCLUSIVE4, `flags | O_EXCL` being written for `&`: the server
 * keeps the verifier in the times, and nothing sets them afterwards.)
 */
#include "zdr.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <stdlib.h>
#include <string.h>

/* No message that was asked for is longer, whatever was gathered of fragments. */
#define MESSAGE_MAX (2u << 20)
/* Of all memory that decoding one takes. An entry of a directory becomes eight times as long. */
#define MEMORY_MAX (32u << 20)

/* Of messages and parts of them, between two answers. */
#define UNASKED_MAX (16u << 20)

struct zdr_mem {
	struct zdr_mem *next;
	size_t total; /* of this and all further */
	char bytes[] __attribute__((aligned(16)));
};

struct rpc_pdu;

/* Exported by libnfs, and not in its headers. */
void *zdr_malloc(ZDR *zdrs, uint32_t size);
int rpc_process_pdu(struct rpc_context *rpc, char *buf, int size);
struct rpc_pdu *rpc_allocate_pdu(struct rpc_context *rpc, int program, int version, int procedure,
				 rpc_cb cb, void *priv, zdrproc_t decode, int decode_size);
struct rpc_pdu *rpc_allocate_pdu2(struct rpc_context *rpc, int program, int version, int procedure,
				  rpc_cb cb, void *priv, zdrproc_t decode, int decode_size,
				  size_t alloc_hint);

/* --- Room to send ----------------------------------------------------------------------------- */

static _Thread_local size_t expected;

void nfsc_zdr_expect(size_t bytes)
{
	expected = bytes;
}

struct rpc_pdu *rpc_allocate_pdu(struct rpc_context *rpc, int program, int version, int procedure,
				 rpc_cb cb, void *priv, zdrproc_t decode, int decode_size)
{
	return rpc_allocate_pdu2(rpc, program, version, procedure, cb, priv, decode, decode_size,
				 expected);
}

/* --- No end of what comes --------------------------------------------------------------------- */

static _Thread_local size_t unasked;
static int (*real_process_pdu)(struct rpc_context *rpc, char *buf, int size);

void nfsc_zdr_answered(void)
{
	unasked = 0;
}

/* libnfs gathers fragments however many they are, and reads on as long as there is something to be
 * read, in one call of rpc_service(). */
int rpc_process_pdu(struct rpc_context *rpc, char *buf, int size)
{
	unasked += (size_t)size;
	return unasked <= UNASKED_MAX ? real_process_pdu(rpc, buf, size) : -1;
}

/* A length with its sign bit set, and nothing behind it. libnfs' own takes that. */
bool nfsc_zdr_ready(void)
{
	char message[8] = { (char)0xff, (char)0xff, (char)0xff, (char)0xff };
	nfs_fh3 fh = { 0 };
	ZDR zdr;

	*(void **)&real_process_pdu = dlsym(RTLD_NEXT, "rpc_process_pdu");
	if (!real_process_pdu)
		return false;
	libnfs_zdrmem_create(&zdr, message, sizeof(message), ZDR_DECODE);
	return !zdr_nfs_fh3(&zdr, &fh);
}

/* --- Memory ----------------------------------------------------------------------------------- */

void *zdr_malloc(ZDR *zdrs, uint32_t size)
{
	size_t before = zdrs->mem ? zdrs->mem->total : 0;
	struct zdr_mem *mem;

	if (size > MEMORY_MAX - before)
		return NULL;
	mem = malloc(sizeof(*mem) + size);
	if (!mem)
		return NULL;
	mem->next = zdrs->mem;
	mem->total = before + size;
	zdrs->mem = mem;
	return mem->bytes;
}

void libnfs_zdr_destroy(ZDR *zdrs)
{
	struct zdr_mem *mem;

	while ((mem = zdrs->mem)) {
		zdrs->mem = mem->next;
		free(mem);
	}
}

/* --- Coding ----------------------------------------------------------------------------------- */

/* The next @len bytes, gone past with what pads them to four; NULL: there aren't so many. */
static char *next_bytes(ZDR *zdrs, uint32_t len)
{
	uint32_t size = (uint32_t)zdrs->size, pos = (uint32_t)zdrs->pos;
	uint32_t padded;

	if (zdrs->size < 0 || zdrs->pos < 0 || pos > size || len > size - pos ||
	    (zdrs->x_op == ZDR_DECODE && size > MESSAGE_MAX))
		return NULL;
	/* What pads the very last may be missing, as libnfs lets it. */
	padded = len + (-len & 3);
	if (padded > size - pos)
		padded = size - pos;
	if (zdrs->x_op == ZDR_ENCODE)
		memset(zdrs->buf + pos + len, 0, padded - len);
	zdrs->pos = (int)(pos + padded);
	return zdrs->buf + pos;
}

bool_t libnfs_zdr_u_int(ZDR *zdrs, uint32_t *u)
{
	char *at = next_bytes(zdrs, sizeof(*u));
	uint32_t net;

	if (!at)
		return FALSE;
	if (zdrs->x_op == ZDR_ENCODE) {
		net = htonl(*u);
		memcpy(at, &net, sizeof(net));
	} else {
		memcpy(&net, at, sizeof(net));
		*u = ntohl(net);
	}
	return TRUE;
}

bool_t libnfs_zdr_uint64_t(ZDR *zdrs, uint64_t *u)
{
	uint32_t high = (uint32_t)(*u >> 32), low = (uint32_t)*u;

	if (!libnfs_zdr_u_int(zdrs, &high) || !libnfs_zdr_u_int(zdrs, &low))
		return FALSE;
	*u = (uint64_t)high << 32 | low;
	return TRUE;
}

bool_t libnfs_zdr_opaque(ZDR *zdrs, char *objp, uint32_t size)
{
	char *at = next_bytes(zdrs, size);

	if (!at)
		return FALSE;
	if (zdrs->x_op == ZDR_ENCODE)
		memcpy(at, objp, size);
	else
		memcpy(objp, at, size);
	return TRUE;
}

/* Decoded into memory of the caller's only where that says how much it is: nowhere in what is
 * called here, so it isn't done. */
bool_t libnfs_zdr_bytes(ZDR *zdrs, char **bufp, uint32_t *size, uint32_t maxsize)
{
	char *at;

	(void)maxsize;
	if (!libnfs_zdr_u_int(zdrs, size))
		return FALSE;
	at = next_bytes(zdrs, *size);
	if (!at)
		return FALSE;
	if (zdrs->x_op == ZDR_DECODE)
		*bufp = at;
	else if (*size)
		memcpy(at, *bufp, *size);
	return TRUE;
}

bool_t libnfs_zdr_string(ZDR *zdrs, char **strp, uint32_t maxsize)
{
	uint32_t size = 0;
	char *at;

	(void)maxsize;
	if (zdrs->x_op == ZDR_ENCODE)
		size = (uint32_t)strlen(*strp);
	if (!libnfs_zdr_u_int(zdrs, &size))
		return FALSE;
	at = next_bytes(zdrs, size);
	if (!at)
		return FALSE;
	if (zdrs->x_op == ZDR_ENCODE) {
		memcpy(at, *strp, size);
		return TRUE;
	}
	*strp = zdr_malloc(zdrs, size + 1);
	if (!*strp)
		return FALSE;
	memcpy(*strp, at, size);
	(*strp)[size] = 0;
	return TRUE;
}

/* Lists are decoded by it, with a level of recursion for each entry: see MESSAGE_MAX, and the
 * loop's stack. */
bool_t libnfs_zdr_pointer(ZDR *zdrs, char **objp, uint32_t size, zdrproc_t proc)
{
	uint32_t there = *objp != NULL;

	if (!libnfs_zdr_u_int(zdrs, &there))
		return FALSE;
	if (!there) {
		*objp = NULL;
		return TRUE;
	}
	if (zdrs->x_op == ZDR_DECODE) {
		*objp = zdr_malloc(zdrs, size);
		if (!*objp)
			return FALSE;
		memset(*objp, 0, size);
	}
	return proc(zdrs, *objp);
}

bool_t libnfs_zdr_array(ZDR *zdrs, char **arrp, uint32_t *size, uint32_t maxsize, uint32_t elsize,
			zdrproc_t proc)
{
	(void)maxsize;
	if (!libnfs_zdr_u_int(zdrs, size))
		return FALSE;
	if (zdrs->x_op == ZDR_DECODE) {
		/* Nothing is shorter than four bytes in the message. */
		if (*size > (uint32_t)(zdrs->size - zdrs->pos) / 4 || *size > MEMORY_MAX / elsize)
			return FALSE;
		*arrp = zdr_malloc(zdrs, *size * elsize);
		if (!*arrp)
			return FALSE;
		memset(*arrp, 0, (size_t)*size * elsize);
	}
	for (uint32_t i = 0; i < *size; i++) {
		if (!proc(zdrs, *arrp + (size_t)i * elsize))
			return FALSE;
	}
	return TRUE;
}
