// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* server.c - answers: at once or late, now and then cut short. */
#include "run.h"

static void answer(struct fsc_subreq *sreq, bool write)
{
	const struct file *file = sreq->netfs;
	uint32_t version = __atomic_load_n(&file->version, __ATOMIC_ACQUIRE);
	uint64_t size = world_size(file->id, version);
	uint64_t left = sreq->pos < size ? size - sreq->pos : 0;
	size_t len = left < sreq->len ? (size_t)left : sreq->len;

	(void)write;
	if (len > 1 && !late_chance(8))
		len = 1 + late_chance((unsigned int)len - 1);
	world_bytes(file->id, version, sreq->pos, sreq->buf, len);
	fsc_subreq_done(sreq, (int64_t)len);
}

void server_issue_read(struct fsc_subreq *sreq)
{
	late_ask(sreq, false);
}

void server_start(void)
{
	static struct late_server server = {.threads = 2, .most_us = 2000, .answer = answer};

	server.seed = (unsigned int)run.seed ^ 0x5e;
	late_start(&server);
}
