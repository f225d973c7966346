/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie.h - what the userspace rooms know of a cookie.
 *
 * Three files. cookie.c: what the client calls, none of which touches the disk but the _wait calls.
 * cookie_table.c: which cookies a volume has. cookie_work.c: the blocking calls on a cookie's
 * object, one at a time, in a work item or in the thread of a _wait call.
 *
 * Lifetime  A cookie has users (the client's references) and pins (requests and stores that work on
 *           it). When both are 0 its object is closed, and only then does it leave the table. The
 *           memory has a count of its own, because work items and waiters outlive that.
 * Locks     cookie.op (mutex), then table.lock or side.lock, then cookie.lock, then one of the
 *           object level's spinlocks.
 */
#ifndef FSC_COOKIE_H
#define FSC_COOKIE_H

#include <fscache/fscache.h>

#include "bits.h"
#include "core.h"
#include "side.h"

enum fsc_cookie_state {
	FSC_COOKIE_IDLE,       /* no object; a use, or a read while in use, begins a look-up */
	FSC_COOKIE_LOOKING_UP, /* a look-up is wanted or running */
	FSC_COOKIE_ACTIVE,     /* has an object */
	FSC_COOKIE_FAILED,     /* no object is to be had: uncached until a next first use */
	FSC_COOKIE_CLOSING,    /* nobody's any more; its object is being closed */
	FSC_COOKIE_CLOSED,     /* out of the table */
	FSC_COOKIE_STATES,
};

/* A read that waits for a look-up to end (or for a buffer, see side.h). */
struct fsc_looker {
	struct fsc_list node;     /* cookie.lock (side.lock) */
	const uint32_t *stop;     /* not 0 (atomic): it doesn't begin to wait */
	uint64_t deadline_ms;
	struct fsc_work *resume;  /* queued once, when the wait is over */
};

struct fsc_cookies;

struct fsc_cookie {
	/* Never changed. */
	struct fsc_cookies *table;
	struct fsc_volume *vol;
	struct fsc_cache *cache;
	struct fsc_workq *wq;
	struct fsc_side *side;
	uint64_t mem_mask; /* of the addresses that the backend takes */
	uint32_t hash;

	struct fsc_ref mem;
	struct fsc_mutex op;    /* one blocking call on the object at a time */
	struct fsc_waitq changed; /* anything below that a _wait call waits for */
	struct fsc_work work;
	struct fsc_work deadline; /* of the first looker */

	/* table.lock */
	struct fsc_list in_table;
	struct fsc_cookie *before; /* has the same key and must be closed first */
	struct fsc_cookie *after;

	struct fsc_list in_lru; /* side.lock */

	struct fsc_spin lock; /* covers the rest */
	enum fsc_cookie_state state;
	uint32_t users, uses, pins;
	bool retire;     /* discard when closed */
	bool modifying;  /* one of the uses may write */
	bool proven;     /* and nobody else does, as long as this use lasts (I10) */
	bool dirty;      /* changed under that, and not said yet what the file is now */
	bool uncached;   /* until the last use ends, whatever the state */
	bool referenced; /* read since the look for somebody to park came by */
	bool park;       /* close the object, others need its file */
	bool stale;      /* what is stored must go before it is used */
	struct fsc_object *obj; /* changed only under op as well */
	uint64_t version; /* counts invalidations */
	uint64_t clean;   /* the last one whose old object is gone */
	struct fsc_event *events; /* of invalidations not yet done */
	uint64_t keep_after_ms;
	struct fsc_list lookers;
	struct fsc_list downloads;
	struct fsc_list changes; /* turn.c: in the order of their starts */
	uint64_t size;
	uint8_t coherency_len;
	uint8_t coherency[FSC_COHERENCY_MAX];

	uint8_t key_len; /* never changed */
	uint8_t key[];
};

/* cookie.c */
bool fsc_cookie_may_move(enum fsc_cookie_state from, enum fsc_cookie_state to);
void fsc_cookie_move(struct fsc_cookie *cookie, enum fsc_cookie_state to); /* lock */
/* Have what is to be done done by a work item [any]. */
void fsc_cookie_kick(struct fsc_cookie *cookie);
/* The memory. */
void fsc_cookie_get(struct fsc_cookie *cookie); /* [any] */
void fsc_cookie_put(struct fsc_cookie *cookie); /* [any] */
/* While pinned the object is not closed [any]. */
void fsc_cookie_pin(struct fsc_cookie *cookie);
void fsc_cookie_unpin(struct fsc_cookie *cookie);
/* The generation that a read of a file of @size bytes may use, pinned, or NULL [any]. */
struct fsc_gen *fsc_cookie_gen(struct fsc_cookie *cookie, uint64_t size);
struct fsc_gen *fsc_cookie_gen_now(struct fsc_cookie *cookie); /* the same, of any size [any] */
struct fsc_gen *fsc_cookie_usable_gen(struct fsc_cookie *cookie); /* the same; lock */
/* Is the object just being looked up or replaced? lock */
static inline bool fsc_cookie_is_pending(const struct fsc_cookie *cookie)
{
	return cookie->state == FSC_COOKIE_LOOKING_UP || cookie->version != cookie->clean;
}

/* Other than before: there was an invalidation in between [any]. */
static inline uint64_t fsc_cookie_version(struct fsc_cookie *cookie)
{
	unsigned long irq = fsc_spin_lock(&cookie->lock);
	uint64_t version = cookie->version;

	fsc_spin_unlock(&cookie->lock, irq);
	return version;
}
/* The first change without proof, or proof that is worth nothing any more: what is stored goes, and
 * nothing is kept until the last use ends. lock [any] */
void fsc_cookie_give_up(struct fsc_cookie *cookie);
/* Do they say what a file is? NULL is fine. */
bool fsc_cookie_params_ok(const struct fsc_cookie_params *params);
/* What is stored in @gen was found to be wrong: drop it, if it is still the current one [any]. */
void fsc_cookie_discard(struct fsc_cookie *cookie, struct fsc_gen *gen);
/* Is there a look-up to wait for? Begins one for a cookie that lost its object while in use. True:
 * @looker->resume will be queued when it ended or took too long [any]. */
bool fsc_cookie_look(struct fsc_cookie *cookie, struct fsc_looker *looker);
void fsc_cookie_look_stop(struct fsc_cookie *cookie, struct fsc_looker *looker); /* [any] */
/* The same for a thread that can wait, until that is over [waits]. */
void fsc_cookie_look_wait(struct fsc_cookie *cookie);

/* cookie_table.c */
struct fsc_cookie *fsc_cookie_alloc(struct fsc_volume *vol, const struct fsc_cookie_params *params);
void fsc_cookie_label(struct fsc_cookie *cookie, const struct fsc_cookie_params *params); /* lock */
void fsc_cookie_free(struct fsc_cookie *cookie); /* one that is in no table */
struct fsc_cookies *fsc_cookies_of(struct fsc_volume *vol); /* [any] made at need; NULL: no memory */
/* Into the table, or another reference to the one that has the key: 0 with *@cookie replaced by
 * that, or -EBUSY. What was given is freed if it isn't used. */
int fsc_cookies_add(struct fsc_cookies *table, struct fsc_cookie **cookie);
void fsc_cookies_remove(struct fsc_cookie *cookie); /* lets the one after it go on */
bool fsc_cookies_blocked(struct fsc_cookie *cookie);
void fsc_cookies_gone(struct fsc_cookies *table); /* memory of one was freed */
/* Ends with the volume [waits]: until every cookie is closed. */
void fsc_volume_cookies_free(struct fsc_volume *vol);

/* cookie_work.c */
/* Do what is to be done [waits], the cookie's memory held by the caller. The second without making
 * room for the object first. */
void fsc_cookie_settle(struct fsc_cookie *cookie);
void fsc_cookie_settle_parked(struct fsc_cookie *cookie);
void fsc_cookie_work(struct fsc_work *work);
void fsc_cookie_deadline(struct fsc_work *work);

#endif
