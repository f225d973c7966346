// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_link.c - the connection, and the next one after it died.
 *
 * Whoever finds the connection dead tries once for all; others wait for how that ends. When it
 * fails, the error stands for a while, longer each time, in which nobody tries: so with a dead
 * server a call costs an error and not a time-out.
 *
 * Old connections are freed when another is made: a reference may be given back on the thread of
 * the connection itself, which can't wait for its own end.
 */
#include "nine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h" /* p9_now_ms() */

enum {
	CONNECT_MS = 3000,     /* for all of connecting, when it is not the first time */
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 5000,
	MAX_TAGS = 128,        /* a dozen big reads at once, and small requests beside them */
	MAX_FIDS = 1 << 20,
};

static struct p9_blob text(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

/* ---- one connection ---- */

static int attach(struct nine *fs, struct nine_link *l, char *why, size_t why_size)
{
	struct p9_attr attr;
	int err = p9_attach(l->client, text(fs->opt.uname), fs->opt.n_uname, text(fs->opt.aname),
			    &l->root);

	if (!err)
		err = p9_getattr(l->client, l->root, &attr);
	/* An export that isn't mounted on the server yet, say. */
	if (!err && !LIST_EMPTY(&fs->links) && attr.qid.path != fs->root_path)
		err = -ESTALE;
	if (err)
		snprintf(why, why_size, "attaching to '%s' as %s: %s%s", fs->opt.aname,
			 fs->opt.uname,
			 p9_error(l->client) ? p9_error_text(l->client) : strerror(-err),
			 *fs->opt.aname ? "" : " (--aname names the exported folder)");
	else
		fs->root_path = attr.qid.path;
	return err;
}

static int link_new(struct nine *fs, uint32_t connect_ms, struct nine_link **out, char *why,
		    size_t why_size)
{
	const struct p9_options p9 = {
		.server = fs->opt.server,
		.msize = fs->opt.msize,
		.timeout_ms = connect_ms,
		.max_tags = MAX_TAGS,
		.max_fids = MAX_FIDS,
	};
	struct nine_link *l = calloc(1, sizeof(*l));
	int err;

	if (!l) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	err = p9_connect(&p9, &l->client, why, why_size);
	if (!err) {
		err = attach(fs, l, why, why_size);
		if (err)
			p9_disconnect(l->client);
	}
	if (err) {
		free(l);
		return err;
	}
	p9_set_timeout(l->client, fs->timeout_ms);
	*out = l;
	return 0;
}

static void add_counters(struct netfs_counters *sum, struct p9_client *c)
{
	struct p9_counters n;

	p9_counters(c, &n);
	sum->server_read_bytes += n.server_read_bytes;
	sum->server_reads += n.server_reads;
	sum->server_write_bytes += n.server_write_bytes;
	sum->server_writes += n.server_writes;
	sum->bytes_sent += n.bytes_sent;
	sum->bytes_received += n.bytes_received;
}

/* Clunks that are still to be answered end here. */
static void link_free(struct nine *fs, struct nine_link *l)
{
	pthread_mutex_lock(&fs->lock);
	LIST_REMOVE(l, link);
	add_counters(&fs->gone, l->client);
	pthread_mutex_unlock(&fs->lock);
	p9_disconnect(l->client);
	free(l);
}

static struct nine_link *find_unused(struct nine *fs)
{
	struct nine_link *l;

	pthread_mutex_lock(&fs->lock);
	LIST_FOREACH(l, &fs->links, link)
		if (l != atomic_load(&fs->link) && !atomic_load(&l->refs))
			break;
	pthread_mutex_unlock(&fs->lock);
	return l;
}

/* ---- the current one ---- */

bool nine_link_usable(struct nine *fs, struct nine_link *link)
{
	if (link != atomic_load_explicit(&fs->link, memory_order_acquire))
		return false;
	return !fs->reconnect || !p9_error(link->client);
}

void nine_link_put(struct nine_link *link)
{
	atomic_fetch_sub(&link->refs, 1);
}

/* With the lock held. */
static void note_attempt(struct nine *fs, int err, struct nine_link *made)
{
	fs->attempts++;
	fs->connecting = false;
	fs->failed = err;
	if (err) {
		fs->backoff_ms = fs->backoff_ms ? 2 * fs->backoff_ms : BACKOFF_MIN_MS;
		if (fs->backoff_ms > BACKOFF_MAX_MS)
			fs->backoff_ms = BACKOFF_MAX_MS;
		fs->next_ms = p9_now_ms() + fs->backoff_ms;
	} else {
		fs->backoff_ms = 0;
		fs->reconnects++;
		LIST_INSERT_HEAD(&fs->links, made, link);
		atomic_store_explicit(&fs->link, made, memory_order_release);
		if (atomic_load(&fs->aborted))
			p9_abort(made->client);
	}
	pthread_cond_broadcast(&fs->connected);
}

/* With the lock held, which is let go of meanwhile. */
static int connect_again(struct nine *fs)
{
	uint32_t ms = fs->timeout_ms && fs->timeout_ms < CONNECT_MS ? fs->timeout_ms : CONNECT_MS;
	struct nine_link *made = NULL, *old;
	char why[256];
	int err;

	fs->connecting = true;
	pthread_mutex_unlock(&fs->lock);
	err = link_new(fs, ms, &made, why, sizeof(why));
	pthread_mutex_lock(&fs->lock);
	note_attempt(fs, err, made);
	pthread_mutex_unlock(&fs->lock);
	while (!err && (old = find_unused(fs)))
		link_free(fs, old);
	pthread_mutex_lock(&fs->lock);
	return err;
}

/* With the lock held: what is to be done about a dead connection? 0: look again. */
static int revive(struct nine *fs)
{
	uint64_t attempt = fs->attempts;

	if (fs->connecting) {
		while (fs->attempts == attempt)
			pthread_cond_wait(&fs->connected, &fs->lock);
		return fs->failed;
	}
	if (fs->backoff_ms && p9_now_ms() < fs->next_ms)
		return fs->failed;
	return connect_again(fs);
}

int nine_link_get(struct nine *fs, struct nine_link **out)
{
	struct nine_link *l;
	int err = 0;

	pthread_mutex_lock(&fs->lock);
	for (;;) {
		l = atomic_load(&fs->link);
		if (atomic_load(&fs->aborted))
			err = -ECANCELED;
		else if (!nine_link_usable(fs, l))
			err = revive(fs);
		else
			break;
		if (err)
			break;
	}
	if (!err) {
		atomic_fetch_add(&l->refs, 1);
		*out = l;
	}
	pthread_mutex_unlock(&fs->lock);
	return err;
}

int nine_link_begin(struct nine *fs, char *why, size_t why_size)
{
	struct nine_link *made;
	int err = link_new(fs, fs->timeout_ms, &made, why, why_size);

	if (err)
		return err;
	LIST_INSERT_HEAD(&fs->links, made, link);
	atomic_store(&fs->link, made);
	return 0;
}

void nine_link_end(struct nine *fs)
{
	struct nine_link *l = atomic_load(&fs->link);

	/* Not left to the end of the connection: some servers have died of fids left open. */
	if (l && !p9_error(l->client))
		p9_clunk(l->client, l->root);
	while ((l = LIST_FIRST(&fs->links)))
		link_free(fs, l);
}

/* ---- for the table ---- */

void nine_abort(struct netfs *netfs)
{
	struct nine *fs = nine_of(netfs);

	pthread_mutex_lock(&fs->lock);
	atomic_store(&fs->aborted, true);
	p9_abort(atomic_load(&fs->link)->client);
	pthread_mutex_unlock(&fs->lock);
}

int nine_error(struct netfs *netfs, const char **out)
{
	struct nine *fs = nine_of(netfs);
	struct p9_client *c;
	int err;

	pthread_mutex_lock(&fs->lock);
	c = atomic_load(&fs->link)->client;
	err = p9_error(c);
	if (err && out)
		*out = p9_error_text(c);
	pthread_mutex_unlock(&fs->lock);
	return err;
}

void nine_counters(struct netfs *netfs, struct netfs_counters *out)
{
	struct nine *fs = nine_of(netfs);
	struct nine_link *l;

	pthread_mutex_lock(&fs->lock);
	*out = fs->gone;
	LIST_FOREACH(l, &fs->links, link)
		add_counters(out, l->client);
	out->reconnects = fs->reconnects;
	pthread_mutex_unlock(&fs->lock);
}
