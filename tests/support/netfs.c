/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * netfs.c - see netfs.h.
 *
 * A byte is a hash of file, version and offset. The requests are in netfs_read.c.
 */
#include "netfs.h"

#include <stdlib.h>

/* On its way back. */
struct netfs_held {
	struct netfs_held *next;
	struct fsc_subreq *sreq; /* NULL: was cancelled, and answered */
};

/* What the client keeps with each server read. */
struct answer {
	struct fsc_subreq *sreq;
	uint32_t version; /* 0: as it is when the answer is sent */
	struct netfs_held *held; /* NULL: answered */
};

static uint64_t mix(uint64_t v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

/* The eight bytes from @pos on, a multiple of 8, the first one lowest. */
static uint64_t word_at(const struct netfs_file *file, uint32_t version, uint64_t pos)
{
	if (file->zeroes)
		return 0;
	return mix(((uint64_t)file->id << 32 | version) * 0x9e3779b97f4a7c15ull + pos / 8);
}

uint8_t netfs_byte(const struct netfs_file *file, uint32_t version, uint64_t pos)
{
	if (pos >= file->zero_from)
		return 0;
	return (uint8_t)(word_at(file, version, pos & ~7ull) >> (pos % 8 * 8));
}

void netfs_bytes(const struct netfs_file *file, uint32_t version, uint64_t pos, uint8_t *buf,
		 size_t len)
{
	uint64_t left = pos < file->zero_from ? file->zero_from - pos : 0;

	if (left < len) {
		memset(buf + left, 0, len - left);
		len = left;
	}
	while (len) {
		uint64_t word = word_at(file, version, pos & ~7ull) >> (pos % 8 * 8);
		size_t n = 8 - pos % 8 < len ? 8 - pos % 8 : len;

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)(word >> (i * 8));
		buf += n;
		pos += n;
		len -= n;
	}
}

void netfs_init(struct netfs *net)
{
	memset(net, 0, sizeof(*net));
	net->latency_us = 2000;
	net->inline_one_in = 5;
	net->error = -EIO;
	net->first_pos = UINT64_MAX;
}

struct netfs_file *netfs_file_new(struct netfs *net, uint32_t id, uint64_t size)
{
	struct netfs_file *file = calloc(1, sizeof(*file));

	file->net = net;
	file->id = id;
	file->version = 1;
	file->told = 1;
	file->size = size;
	file->real_size = size;
	file->zero_from = UINT64_MAX;
	return file;
}

void netfs_file_free(struct netfs_file *file)
{
	if (file->users)
		file->freed = true; /* an answer is on its way back from the library */
	else
		free(file);
}

void netfs_file_put(struct netfs_file *file)
{
	if (!--file->users && file->freed)
		free(file);
}

void netfs_file_change(struct netfs_file *file, uint64_t size)
{
	file->version++;
	file->size = size;
	file->real_size = size;
}

void netfs_file_told(struct netfs_file *file, uint32_t version)
{
	if (version > file->told)
		file->told = version;
}

struct fsc_cookie_params netfs_params(const struct netfs_file *file, uint8_t key[8],
				      uint8_t coherency[8])
{
	struct fsc_cookie_params params = {
		.key = { key, 8 },
		.coherency = { coherency, 8 },
		.size = file->size,
	};

	for (int i = 0; i < 8; i++) {
		key[i] = (uint8_t)((uint64_t)file->id >> (8 * i));
		coherency[i] = (uint8_t)((uint64_t)file->version >> (8 * i));
	}
	return params;
}

/* --- The client's ops ------------------------------------------------------------------------ */

static void answer(struct fsc_subreq *sreq, int error)
{
	struct netfs_file *file = sreq->netfs;
	struct netfs *net = file->net;
	struct answer *a = sreq->priv;
	uint32_t version = a->version ? a->version : file->version;
	uint64_t left = sreq->pos < file->real_size ? file->real_size - sreq->pos : 0;
	int64_t n = (int64_t)(left < sreq->len ? left : sreq->len);

	if (n > 1 && sim_chance(net->short_one_in))
		n = 1 + sim_random((uint32_t)n - 1);
	if (!error && sim_chance(net->error_one_in))
		error = net->error;
	if (!error)
		netfs_bytes(file, version, sreq->pos, sreq->buf, (size_t)n);
	net->reads++;
	net->bytes += error ? 0 : (uint64_t)n;
	net->errors += error != 0;
	net->in_flight--;
	a->held = NULL;
	fsc_subreq_done(sreq, error ? error : n);
	netfs_file_put(file);
}

static void answer_irq(void *arg)
{
	struct netfs_held *held = arg;
	struct fsc_subreq *sreq = held->sreq;

	free(held);
	if (sreq)
		answer(sreq, 0);
}

static size_t read_max(struct fsc_read *read)
{
	struct netfs_file *file = read->netfs;

	return file->net->read_max ? file->net->read_max : SIZE_MAX;
}

static void count(struct netfs *net, const struct fsc_subreq *sreq)
{
	if (!net->issued++)
		net->first_asked = sreq->pos;
	if (++net->in_flight > net->max_in_flight)
		net->max_in_flight = net->in_flight;
	if (sreq->pos < net->first_pos)
		net->first_pos = sreq->pos;
	if (sreq->pos + sreq->len > net->last_end)
		net->last_end = sreq->pos + sreq->len;
}

static void issue_read(struct fsc_subreq *sreq)
{
	struct netfs_file *file = sreq->netfs;
	struct netfs *net = file->net;
	struct answer *a = sreq->priv;

	if (!file->users++)
		sim_fail(SIM_BUG, "a server read of a file that may be closed by now");
	if (a->sreq || a->version || a->held)
		sim_fail(SIM_BUG, "the client's part of a subrequest isn't zero");
	if (!sreq->len || (net->read_max && sreq->len > net->read_max))
		sim_fail(SIM_BUG, "a server read of %zu bytes", sreq->len);
	if (sreq->pos + sreq->len > file->zero_from)
		sim_fail(SIM_BUG, "a server read of known zeroes");
	a->sreq = sreq;
	/* The server looks at the file at some moment between question and answer. */
	a->version = sim_chance(2) ? file->version : 0;
	count(net, sreq);
	if (!net->hold && sim_chance(net->inline_one_in)) {
		answer(sreq, 0);
		return;
	}
	a->held = calloc(1, sizeof(*a->held));
	a->held->sreq = sreq;
	if (net->hold) {
		a->held->next = net->held;
		net->held = a->held;
		net->nr_held++;
	} else {
		sim_irq(answer_irq, a->held, sim_random((uint32_t)net->latency_us + 1));
	}
}

/* Mostly; some clients can't, and let it come. */
static void cancel_read(struct fsc_subreq *sreq)
{
	struct netfs_file *file = sreq->netfs;
	struct answer *a = sreq->priv;

	file->net->cancels++;
	if (!a->held || sim_chance(file->net->deaf_one_in))
		return;
	a->held->sreq = NULL;
	answer(sreq, -ECANCELED);
}

uint32_t netfs_release(struct netfs *net, int error)
{
	struct netfs_held *held = net->held, *next;
	uint32_t nr = net->nr_held;

	net->held = NULL;
	net->nr_held = 0;
	for (; held; held = next) {
		struct fsc_subreq *sreq = held->sreq;

		next = held->next;
		free(held);
		if (sreq)
			answer(sreq, error);
	}
	return nr;
}

uint64_t netfs_release_first(struct netfs *net)
{
	struct netfs_held **at = &net->held, *held;
	struct fsc_subreq *sreq;
	uint64_t pos;

	while ((*at)->next)
		at = &(*at)->next;
	held = *at;
	*at = NULL;
	net->nr_held--;
	sreq = held->sreq;
	free(held);
	pos = sreq->pos;
	answer(sreq, 0);
	return pos;
}

static bool is_still_valid(struct fsc_read *read)
{
	struct netfs_file *file = read->netfs;

	file->net->asked++;
	return !sim_chance(file->net->distrust_one_in);
}

static void hold(void *netfs)
{
	struct netfs_file *file = netfs;

	if (!file->users++)
		sim_fail(SIM_BUG, "a hold on a file that may be closed by now");
}

static void release(void *netfs)
{
	struct netfs_file *file = netfs;

	if (!file->users)
		sim_fail(SIM_BUG, "a release of a file that isn't held");
	netfs_file_put(file);
}

const struct fsc_netfs_ops netfs_ops = {
	.subreq_size = sizeof(struct answer),
	.read_max = read_max,
	.issue_read = issue_read,
	.read_done = netfs_read_done,
	.hold = hold,
	.release = release,
};

const struct fsc_netfs_ops netfs_more_ops = {
	.subreq_size = sizeof(struct answer),
	.read_max = read_max,
	.issue_read = issue_read,
	.cancel_read = cancel_read,
	.is_still_valid = is_still_valid,
	.read_done = netfs_read_done,
	.hold = hold,
	.release = release,
};
