/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * faults.h - the rooms of fsc-faults: scenarios, what they are made of, and the loops around them.
 *
 *	remote.c     files on the server, version by version, and reads of them through a cookie
 *	files.c      writes, and other changes, of files through a cookie
 *	local.c      stores, local writes and reads at the level of objects
 *	room.c       opening and closing, and when faults begin and end
 *	plan.c       which allocation or op fails, and how
 *	check.c      what must be true after the faults, on the disk and through a new cache
 *	scen_*.c     the scenarios (scenarios.h)
 *	loop.c       one scenario, again and again, until a run meets no fault
 *	main.c       the command line
 *
 * A scenario is a straight line that goes on whatever fails: every helper takes what isn't there
 * (no cache, no volume, no object) for "not cached". What is checked at once is the contract of
 * reads; the rest is checked when the faults are over.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <fscache/fscache.h>
#include <fscache/object.h>

#include "sim.h"
#include "store.h"

#define K 4096ull
#define MIB (1024 * 1024ull)

#define CHECK(cond) \
	((cond) ? (void)0 : sim_fail(SIM_BUG, "%s:%d: %s", __FILE__, __LINE__, #cond))
#define CHECK_EQ(a, b) check_eq((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
void check_eq(int64_t a, int64_t b, const char *file, int line, const char *text);

/* --- The server ------------------------------------------------------------------------------- */

#define VERSIONS_MAX 12
#define PATCHES_MAX 4
#define REMOTES_MAX 40

/* Bytes are a hash of file, stamp and offset; a patch is what a local write put over it. */
struct version {
	uint64_t size;
	uint32_t coh; /* the number that its coherency data are made of */
	uint32_t stamp;
	uint32_t nr_patches;
	struct patch {
		uint64_t start, end;
		uint32_t stamp;
	} patch[PATCHES_MAX];
};

struct remote {
	struct room *room;
	uint32_t id;      /* 0: none; the key is made of it */
	size_t key_len;   /* 0: 8 */
	size_t coh_len;   /* 0: 8 */
	bool holes;       /* granules with odd numbers are all zero, in every version */
	bool text_key;    /* made of letters and digits */
	bool sparse;      /* too large to be read whole: the checks look at its two ends */
	uint64_t real_size; /* not 0: its reads end here, whatever the size is said to be */
	bool alike;       /* what is written through a cookie doesn't change the coherency data */
	struct writing *writing; /* through a cookie, just now */
	uint32_t nr;      /* versions; the last is what the server has */
	uint32_t told;    /* index of the oldest that a read begun now may see */
	uint32_t gone;    /* what is older than this one was removed, for good */
	struct version v[VERSIONS_MAX];
};

struct server {
	size_t read_max;      /* 0: any */
	uint32_t short_every; /* each so many-th answer is half of what was asked for */
	uint32_t error_every;
	bool hold;            /* answers wait for server_release() */
	size_t write_max;     /* as read_max */
	enum { WRITES_TAKEN, WRITES_REFUSED, WRITES_CUT } writes; /* what becomes of them */
	uint64_t answers, errors;
	uint32_t nr_held;
	struct fsc_subreq *held[64];
};

struct remote *remote_add(struct room *r, uint64_t size);
struct version *remote_now(struct remote *f);
void remote_bytes(const struct remote *f, uint32_t version, uint64_t pos, void *buf, size_t len);
/* Other bytes, other coherency data (unless @same). */
void remote_change(struct remote *f, uint64_t size, bool same_coherency);
/* What a local write makes of it. */
void remote_patch(struct remote *f, uint64_t pos, uint64_t len);
void remote_resize(struct remote *f, uint64_t size);
/* What the next patch is going to have. */
void remote_next_bytes(const struct remote *f, uint64_t pos, void *buf, size_t len);
/* Parameters as of @version. */
struct fsc_cookie_params remote_params(const struct remote *f, uint32_t version,
				       uint8_t key[FSC_KEY_MAX], uint8_t coh[FSC_COHERENCY_MAX]);
void server_release(struct room *r);

/* --- The room --------------------------------------------------------------------------------- */

enum kind { KIND_ALLOC, KIND_OP, KIND_CRASH, KINDS };

/* How the ops fail. */
enum fault_mode {
	FAULT_ONE,          /* the n-th */
	FAULT_LATER,        /* it and all later ones */
	FAULT_UNTIL_CALM,   /* and all up to calm() */
	FAULT_XATTR,        /* setxattr from the n-th on; nothing else */
	FAULT_XATTR_UNLINK, /* and unlink from there */
	FAULT_XATTR_RENAME, /* and rename too */
	FAULT_NAMES,        /* unlink from the n-th on, and rename from there; nothing else */
	FAULT_SHORT,        /* the n-th transfer moves half of it */
	FAULT_SHORT_LATER,
	FAULT_NOTHING,      /* the n-th transfer ends with no bytes and no error */
	FAULT_MODES,
};

struct plan {
	enum kind kind;
	enum fault_mode mode;
	int err;
	uint64_t nth;       /* 0: none */
	bool after;         /* of a crash: not before the op but after it */
	uint64_t seen;      /* ops of the sort that is counted, since arm() */
	uint64_t injected;
	bool armed, calmed;
};

struct owned;

struct room {
	const struct scenario *scenario;
	struct simstore *store;
	struct sim_backend_opts backend;
	struct fsc_cache_params params;
	struct fsc_blob vol_coherency;
	uint32_t vol_flags;
	struct server server;
	struct remote file[REMOTES_MAX]; /* ids from 1 on, without gaps */

	/* Of a run. */
	struct fsc_cache *cache;
	struct fsc_volume *vol;
	const struct fsc_backend_ops *real_ops;
	struct fsc_backend_ops ops; /* ours, with transfers that are short */
	struct plan plan;
	uint64_t no_memory; /* reads that ended so */
	uint64_t reads, reads_under_fault;
	bool may_refuse, refused; /* the cache, by whoever opens it after a crash */
	struct owned *owned; /* memory of ours */
};

/* plan.c */
void plan_begin(struct room *r); /* from now on things may fail */
void plan_end(struct room *r);
struct fsc_backend *plan_backend(struct room *r);

/* room.c */
void *room_alloc(struct room *r, size_t size, size_t align); /* until the run is over; zeroed */
void room_free(struct room *r, void *mem);
void room_drop(struct room *r);
void arm(struct room *r);  /* the faults begin with what follows */
void calm(struct room *r); /* those that end, end here */
int room_open(struct room *r); /* why the cache isn't open; the volume may fail all the same */
int room_cache(struct room *r); /* these are its halves */
int room_volume(struct room *r);
void room_close(struct room *r); /* what was opened */
void room_quiet(struct room *r); /* until what goes on by itself has ended */
struct fsc_stats room_stats(struct room *r);

/* --- Cookies ---------------------------------------------------------------------------------- */

/* NULL is "not cached" in all of these. */
struct fsc_cookie *cookie_get(struct room *r, struct remote *f);
struct fsc_cookie *cookie_used(struct room *r, struct remote *f); /* looked up */
void cookie_drop(struct fsc_cookie *cookie); /* unuse and relinquish, in this thread */
/* Tell of the change that the server had; waits until the old name is gone. */
void cookie_invalidate(struct room *r, struct fsc_cookie *cookie, struct remote *f);

struct req;
struct req *req_start(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		      size_t len);
/* With FSC_READ_ flags, and a pattern (may be NULL). */
struct req *req_start_how(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
			  size_t len, uint32_t flags, struct fsc_pattern *pattern);
void req_join(struct req *req); /* waits, checks */
void req_free(struct req *req); /* what was lent is looked at once more, and given back */
void req_end(struct req *req); /* both */
void req_cancel(struct req *req); /* if it isn't over */
int64_t read_some(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		  size_t len);
/* The same with a buffer @misalign bytes behind a page's border. */
int64_t read_odd(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		 size_t len, size_t misalign);
int64_t read_all(struct room *r, struct remote *f, struct fsc_cookie *cookie);
/* Acquire, read all, give back; and wait until it is stored. */
void fetch(struct room *r, struct remote *f);

/* --- Files (files.c) -------------------------------------------------------------------------- */

/* In use to be modified; with proof. NULL: not cached. */
struct fsc_cookie *file_open(struct room *r, struct remote *f, bool proof);
/* A write from start to end, and what it says; a change in two calls around the server's. */
int64_t file_write(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		   uint64_t len, uint32_t flags);
void file_resize(struct remote *f, struct fsc_cookie *cookie, uint64_t size);
void file_punch(struct remote *f, struct fsc_cookie *cookie, uint64_t pos, uint64_t len);
void file_written(struct remote *f, struct fsc_cookie *cookie);
/* For the client's table of operations (remote.c). */
size_t file_write_max(struct fsc_write *write);
void file_issue_write(struct fsc_subreq *sreq);
void file_write_done(struct fsc_write *write, int64_t ret);
extern const struct fsc_netfs_ops remote_ops;

/* --- Objects ---------------------------------------------------------------------------------- */

struct fsc_object *obj_open(struct room *r, struct remote *f);
void obj_close(struct room *r, struct fsc_object *obj, struct remote *f, bool proven);
int obj_commit(struct room *r, struct fsc_object *obj, struct remote *f, bool proven);
void obj_invalidate(struct room *r, struct fsc_object *obj, struct remote *f);
int obj_resize(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t size);
int obj_clear(struct fsc_object *obj, uint64_t pos, uint64_t len);
int64_t obj_store(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		  uint64_t len);
int64_t obj_read(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		 uint64_t len);
/* We write to the file, on the server too: with the proof that nobody else does, if @keep. */
int64_t obj_write(struct room *r, struct fsc_object *obj, struct remote *f, uint64_t pos,
		  uint64_t len, bool keep);
uint64_t obj_present(struct fsc_object *obj, uint64_t size); /* bytes */

/* --- Scenarios -------------------------------------------------------------------------------- */

#define SCEN_OPEN_FAILS 1u /* the cache must not be opened, also without faults */
#define SCEN_NO_CRASH 2u   /* at its end the disk is not what a crash leaves */
#define SCEN_ONE_MODEL 4u  /* long, and the same in all */

struct scenario {
	const char *name;
	void (*setup)(struct room *r);   /* outside of a run: options and files */
	void (*prepare)(struct room *r); /* a run without faults; may be NULL */
	void (*run)(struct room *r);     /* calls arm() */
	uint32_t flags;
};

/* check.c */
bool is_believed(struct room *r); /* will what is on the disk be, by what its super says? */
void check_disk(struct room *r);  /* what records declare is right; in a run or not */
void check_after(struct room *r); /* in a run, without faults: reads, accounting, filling */
/* The same for a client to whom the server shows the version before the last. */
void check_rolled_back(struct room *r);
bool has_rolled_back(const struct room *r);

/* --- Loops ------------------------------------------------------------------------------------ */

struct which {
	const char *scenario; /* NULL: all */
	int kind;             /* -1: all */
	int64_t at;           /* -1: all */
	int model;            /* enum fsc_fs_kind, -1: all */
	const char *sort;     /* of fault; NULL: all */
	uint32_t part, parts; /* of the scenarios; 0: all */
	bool verbose;
	bool first;           /* failure ends it */
};

struct totals {
	uint64_t scenarios, runs, faults, crashes;
	uint64_t unsynced; /* crashes that met effects which weren't durable */
	uint64_t refused;  /* after which nobody could tell that there was a cache */
	uint64_t left_out; /* after which there was nothing to rely on */
	uint64_t reads, reads_under_fault;
};

extern const char *const kind_names[KINDS], *const model_names[3];

void loop_catch_signals(void); /* say which run it was that ended the program */
/* False: it failed, and the command that shows it again was printed. */
bool loop_scenario(const struct scenario *s, const struct which *which, struct totals *t);

#endif
