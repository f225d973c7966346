// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * nine_fid.c - counted fids, and how many of them nodes may keep.
 *
 * Servers don't like many: nfs-ganesha has room for 1,024 on a connection, and diod looks for each
 * request's in lists that grow with them. So nodes keep the few hundred that were used last; the
 * others walk again. What was used since it was last looked at gets another round.
 */
#include "nine.h"

#include <errno.h>
#include <stdlib.h>

enum { KEPT_MAX = 512 };

static struct nine_fid *fid_new(struct nine_link *link, uint32_t fid, unsigned int moves)
{
	struct nine_fid *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	f->link = link;
	f->fid = fid;
	atomic_init(&f->walked, moves);
	atomic_init(&f->refs, 1);
	return f;
}

struct nine_fid *nine_fid_get(struct nine_fid *fid)
{
	atomic_fetch_add_explicit(&fid->refs, 1, memory_order_relaxed);
	return fid;
}

static void fid_clunked(struct p9_clunk *clunk)
{
	struct nine_fid *f = (struct nine_fid *)((char *)clunk - offsetof(struct nine_fid, clunk));

	nine_link_put(f->link);
	free(f);
}

void nine_fid_put(struct nine_fid *fid)
{
	if (!fid || atomic_fetch_sub_explicit(&fid->refs, 1, memory_order_acq_rel) != 1)
		return;
	fid->clunk.fid = fid->fid;
	fid->clunk.done = fid_clunked;
	p9_clunk_start(client_of(fid), &fid->clunk);
}

int nine_fid_walk(struct nine *fs, struct nine_link *link, uint32_t from,
		  const struct p9_blob *names, size_t count, struct nine_fid **out,
		  struct p9_qid *qid)
{
	/* Before it is known what was walked by: what is renamed meanwhile counts. */
	unsigned int moves = atomic_load(&fs->moves);
	uint32_t fid;
	int err = p9_walk_qid(link->client, from, names, count, &fid, qid);

	if (err) /* nfs-ganesha has no room for this number */
		return err == -ERANGE ? -EMFILE : err;
	*out = fid_new(link, fid, moves);
	if (!*out) {
		p9_clunk(link->client, fid);
		return -ENOMEM;
	}
	atomic_fetch_add(&link->refs, 1);
	return 0;
}

int nine_fid_clone(struct nine *fs, struct nine_fid *fid, struct nine_fid **out)
{
	return nine_fid_walk(fs, fid->link, fid->fid, NULL, 0, out, NULL);
}

/* ---- what nodes keep ---- */

/* With the lock for it held: can @n do without its fid, which is then *@fid's? Who has lost its
 * name can't, nor who is just being walked to. */
static bool give_up(struct nine_node *n, struct nine_fid **fid)
{
	bool needed;

	if (atomic_exchange_explicit(&n->used, false, memory_order_relaxed) ||
	    pthread_mutex_trylock(&n->lock))
		return false;
	needed = n->fid && nine_name_state(n, n->fid) == NINE_NAMELESS;
	if (!needed) {
		*fid = n->fid;
		n->fid = NULL;
	}
	pthread_mutex_unlock(&n->lock);
	return !needed;
}

/* One fid too many, or NULL. */
static struct nine_fid *pick(struct nine *fs)
{
	struct nine_fid *fid = NULL;
	struct nine_node *n;

	pthread_mutex_lock(&fs->kept_lock);
	for (unsigned int i = fs->nr_kept; i && !fid && fs->nr_kept > KEPT_MAX; i--) {
		n = TAILQ_FIRST(&fs->kept);
		TAILQ_REMOVE(&fs->kept, n, kept);
		n->is_kept = !give_up(n, &fid);
		if (n->is_kept)
			TAILQ_INSERT_TAIL(&fs->kept, n, kept);
		else
			fs->nr_kept--;
	}
	pthread_mutex_unlock(&fs->kept_lock);
	return fid;
}

void nine_fid_kept(struct nine_node *n)
{
	struct nine *fs = nine_of_node(n);
	struct nine_fid *fid;

	pthread_mutex_lock(&fs->kept_lock);
	if (!n->is_kept) {
		TAILQ_INSERT_TAIL(&fs->kept, n, kept);
		n->is_kept = true;
		fs->nr_kept++;
	}
	pthread_mutex_unlock(&fs->kept_lock);
	while ((fid = pick(fs)))
		nine_fid_put(fid);
}

void nine_fid_not_kept(struct nine_node *n)
{
	struct nine *fs = nine_of_node(n);

	pthread_mutex_lock(&fs->kept_lock);
	if (n->is_kept) {
		TAILQ_REMOVE(&fs->kept, n, kept);
		fs->nr_kept--;
	}
	pthread_mutex_unlock(&fs->kept_lock);
}
