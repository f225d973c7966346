// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * stream.c - several reads of one file in flight, their results taken in the order of the file.
 *
 * The slots form a ring: reads are started at one end and awaited at the other.
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

#include "interrupt.h"

struct slot {
	struct fsc_read read;
	struct stream *st;
	size_t want; /* bytes of the chunk */
	bool done;   /* st->lock */
	int64_t ret;
};

struct stream {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct remote *r;
	uint64_t next, end; /* what is still to be started */
	bool only_cache;
	bool missed; /* something couldn't be kept */
	unsigned int first, nr; /* slots in use */
	struct slot slots[STREAM_DEPTH];
};

static void on_read_done(struct fsc_read *read, int64_t ret)
{
	struct slot *slot = (struct slot *)read;
	struct stream *st = slot->st;

	pthread_mutex_lock(&st->lock);
	slot->ret = ret;
	slot->done = true;
	pthread_cond_signal(&st->ended);
	pthread_mutex_unlock(&st->lock);
}

static const struct fsc_netfs_ops ops = { CACHED_NETFS_OPS, .read_done = on_read_done };

struct stream *stream_new(void)
{
	struct stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->ended, NULL);
	for (int i = 0; i < STREAM_DEPTH; i++)
		st->slots[i].st = st;
	return st;
}

void stream_free(struct stream *st)
{
	if (!st)
		return;
	pthread_cond_destroy(&st->ended);
	pthread_mutex_destroy(&st->lock);
	free(st);
}

/* --- Starting --------------------------------------------------------------------------------- */

/* The next chunk, ending at a multiple of its size. 0: nothing is left. */
static size_t next_chunk(struct stream *st)
{
	while (st->next < st->end) {
		uint64_t stop = (st->next | (STREAM_CHUNK - 1)) + 1;
		size_t len = (size_t)((stop < st->end ? stop : st->end) - st->next);

		if (!st->only_cache ||
		    fsc_cookie_present(st->r->cookie, st->next, st->next + len) < len)
			return len;
		st->next += len;
	}
	return 0;
}

/* The slot of the next chunk, its read filled in. NULL: nothing is left. */
static struct slot *prepare(struct stream *st)
{
	struct slot *slot = &st->slots[(st->first + st->nr) % STREAM_DEPTH];
	size_t len = next_chunk(st);

	if (!len)
		return NULL;
	slot->done = false;
	slot->want = len;
	slot->read = (struct fsc_read){
		.cookie = st->r->cookie,
		.ops = &ops,
		.netfs = &st->r->file,
		.pos = st->next,
		.file_size = remote_size(st->r),
		.len = len,
		/* The bytes are passed on from where they came to. */
		.flags = st->only_cache ? FSC_READ_PREFETCH : FSC_READ_LEND,
	};
	st->next += len;
	return slot;
}

static void fill_ring(struct stream *st)
{
	struct slot *slot;

	while (st->nr < STREAM_DEPTH && !interrupted() && (slot = prepare(st))) {
		st->nr++;
		/* The only one: this thread can do the work itself, without being woken for it. */
		if (st->nr == 1 && st->next >= st->end) {
			slot->ret = fsc_read_wait(&slot->read);
			slot->done = true;
		} else {
			fsc_read_start(&slot->read);
		}
	}
}

/* --- Taking ----------------------------------------------------------------------------------- */

static struct slot *take_first(struct stream *st)
{
	struct slot *slot = &st->slots[st->first];

	pthread_mutex_lock(&st->lock);
	while (!slot->done)
		pthread_cond_wait(&st->ended, &st->lock);
	pthread_mutex_unlock(&st->lock);
	st->first = (st->first + 1) % STREAM_DEPTH;
	st->nr--;
	return slot;
}

static int pass_on(const struct fsc_read *read, stream_sink sink, void *arg)
{
	uint64_t pos = read->pos;
	int stop = 0;

	for (uint32_t i = 0; i < read->nr_lent && !stop; i++) {
		stop = sink(arg, read->lent[i].base, read->lent[i].len, pos);
		pos += read->lent[i].len;
	}
	return stop;
}

static void give_back(struct slot *slot)
{
	if (slot->ret > 0 && slot->read.flags & FSC_READ_LEND)
		fsc_read_return(&slot->read);
}

static enum stream_end deliver(struct slot *slot, stream_sink sink, void *arg, int *err)
{
	if (slot->ret < 0) {
		*err = (int)slot->ret;
		return STREAM_ERROR;
	}
	if (sink && slot->ret > 0 && pass_on(&slot->read, sink, arg))
		return STREAM_STOPPED;
	if ((size_t)slot->ret == slot->want)
		return STREAM_ALL;
	/* What isn't kept says nothing of what follows. */
	slot->st->missed = slot->st->only_cache;
	return slot->st->missed ? STREAM_ALL : STREAM_SHORT;
}

enum stream_end stream_run(struct stream *st, struct remote *r, uint64_t pos, uint64_t end,
			   stream_sink sink, void *arg, int *err)
{
	enum stream_end how = STREAM_ALL;
	struct slot *slot;

	st->r = r;
	st->next = pos;
	st->end = end;
	st->only_cache = !sink;
	st->missed = false;
	st->first = 0;
	st->nr = 0;
	for (;;) {
		if (how == STREAM_ALL)
			fill_ring(st);
		if (!st->nr)
			break;
		slot = take_first(st);
		/* After a failure the rest is only waited for. */
		if (how == STREAM_ALL)
			how = deliver(slot, sink, arg, err);
		give_back(slot);
	}
	if (how == STREAM_ALL && interrupted() && st->next < st->end)
		return STREAM_STOPPED;
	return how == STREAM_ALL && st->missed ? STREAM_SHORT : how;
}
