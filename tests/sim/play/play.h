/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * play.h - fsc-sim: a server, several clients of one cache, crashes and faults, all made of one
 * seed, and an oracle that knows what may be read.
 *
 * Nouns    A play is all that comes of one seed. It has epochs: each is a run of the simulator
 *          (sim.h) on the same store, from opening the cache to closing it or to a kill. What each
 *          epoch does stands in a plan, made beforehand: a list of steps, each for one client (a
 *          task). So a step can be left out without changing the others.
 * Memory   The play outlives its runs, and a run may end anywhere: what a task holds is in the play
 *          (arrays) or the run's own (fsc_zalloc), never malloc()ed.
 */
#ifndef PLAY_H
#define PLAY_H

#include <fscache/fscache.h>
#include <fscache/object.h>

#include "sim.h"
#include "store.h"

#define PLAY_FILES 10u
#define PLAY_VOLUMES 2u
#define PLAY_CLIENTS 4u
#define PLAY_VERSIONS 64u  /* of a file; it isn't changed any more after that */
#define PLAY_PENDING 8u    /* local writes on their way to the server, of a file */
#define PLAY_ASKED 16u
#define PLAY_SECTOR 512ull
#define PLAY_GRANULE 4096ull
#define PLAY_READ_MAX (64u * 1024u)

struct play;
struct client;

/* --- The server (server.c) ------------------------------------------------------------------- */

/* What coherency data are made of. */
enum coherency {
	COH_COUNTER, /* the version: a true change counter */
	COH_TICK,    /* the time of the change in ticks: several versions may share one */
	COH_CONST,   /* always the same; the volume is STRICT_REMOVAL */
};

/* What a byte of a file is depends on file, stamp and offset. */
struct change {
	uint32_t stamp;      /* unique in the play */
	uint64_t start, end; /* what it changed, whole sectors; bytes */
	uint64_t size;       /* of the file, from then on */
	uint64_t tick;       /* of the server's clock */
	uint8_t zeroes;      /* its bytes: 1: all are 0; 2: every third granule's are */
	/* Of a local one: when it was answered, or the server refused it, by play.seq; 0: not yet.
	 * A new process forgets what was answered, unless it is lasting: then the cache was told of
	 * it, and what was there before may not come back after a crash either (I9). */
	uint32_t answered, voided;
	bool lasting;
};

struct file {
	struct play *play;
	uint32_t id;          /* index in play.files, and what its bytes and its key are made of */
	uint32_t volume;
	uint8_t key[200];
	size_t key_len;

	/* Version v, from 1, is what changes[0] to changes[v - 1] made of it, in that order. */
	struct change changes[PLAY_VERSIONS];
	uint32_t version;     /* the latest */
	/* Begun by a client and not yet made by the server: they may be seen in this process. */
	struct change pending[PLAY_PENDING];
	uint32_t nr_pending;
	uint32_t errors;      /* server reads that were answered with one */
	struct asked {
		uint64_t start, end;
	} asked[PLAY_ASKED];  /* server reads under way */
	uint32_t nr_asked;    /* perhaps more than are noted */

	bool large;           /* and sparse */
	bool by_writer;       /* in this epoch it is the writer's (writer.c), else the readers' */
	bool delegated;       /* a client has an exclusive right: nobody else changes it */
	struct client *right; /* the one, if it has it at cookie level */
	uint32_t changing;    /* writes through cookies on their way */
	bool alone;           /* one that bears no other beside it is, or waits for them */

	/* Nothing older may be read, whatever is presented: see oracle.c. */
	uint32_t floor;       /* of this process */
	uint32_t crash_floor; /* also after a crash */
};

/* What a client was told of a file. */
struct attr {
	uint32_t version;
	uint64_t size;
	uint8_t coherency[64];
	size_t coherency_len;
	uint64_t keep_after_ms;
};

uint64_t server_now_us(struct play *p);
/* Ask the server [waits]: *@attr is what was so at some moment meanwhile. False: no answer. */
bool server_getattr(struct play *p, struct file *f, struct attr *attr);
/* Without asking: of version @version. */
void server_attr(struct play *p, const struct file *f, uint32_t version, struct attr *attr);
/* For acquire, open and invalidate; points into @f and @attr. */
struct fsc_cookie_params attr_params(const struct file *f, const struct attr *attr);

uint64_t file_size(const struct file *f, uint32_t version);
/* Bytes of a version; zeroes beyond its size. */
void file_bytes(const struct file *f, uint32_t version, uint64_t pos, void *buf, size_t len);
/* What a server read answers now: bytes up to the file's end, or a negative errno. [waits] for the
 * answer; the bytes are those of one moment meanwhile. */
int64_t server_read(struct play *p, struct file *f, uint64_t pos, void *buf, size_t len);

/* A change on the server by somebody else. */
void server_change(struct play *p, struct file *f, uint64_t start, uint64_t end, uint64_t size,
		   uint8_t zeroes);

/*
 * A change by a client of ours, in three parts. Begin, before the data change anywhere: the stamp
 * of the new bytes (0: the file takes no more). @start and @end are widened to whole sectors, and
 * so must be what the client writes: take them from server_pending(). Sent [waits]: the server
 * makes the change at some moment meanwhile, and it is a version; 0 if the server failed (nothing
 * changed). Refused, after that: the client's cache knows; reads that begin later don't see it.
 * Answered: the client's cache knows, so what this process reads from now on is no older.
 */
uint32_t server_write_begin(struct play *p, struct file *f, uint64_t start, uint64_t end,
			    uint64_t size, uint8_t zeroes);
const struct change *server_pending(const struct file *f, uint32_t stamp);
/* The bytes of one stamp, wherever it has any. */
void stamp_bytes(const struct file *f, const struct change *change, uint64_t pos, void *buf,
		 size_t len);
uint32_t server_write_sent(struct play *p, struct file *f, uint32_t stamp);
/* The server makes the change now, up to @end; without @all it stays pending, to be refused. */
uint32_t server_write_part(struct play *p, struct file *f, uint32_t stamp, uint64_t end, bool all);
void server_write_refused(struct play *p, struct file *f, uint32_t stamp);
void server_write_answered(struct play *p, struct file *f, uint32_t version);

/* --- The oracle (oracle.c) ------------------------------------------------------------------- */

/* A read that is being made. */
struct look {
	struct look *next;   /* of play.looks */
	struct file *file;
	uint64_t pos, len;
	uint32_t least;      /* the oldest version that may be seen */
	bool lent;           /* a passthrough reader: sees what was there when it was lent,
			      * which the caller puts into @least after look_begin() */
	uint32_t seq;        /* play.seq when it began */
	uint32_t events;     /* play.nr_events when it began */
	uint32_t errors;     /* answers with an error that the file's readers had got by then */
	bool active;
	bool beside;         /* it ran beside a fault, an invalidation or a punch */
	bool served;         /* the server was asked for some of it meanwhile */
	uint64_t began_us;
};

/* Before the read: what it may give from now on, if @told is the version that the client told the
 * library in a call (acquire, open, invalidate) that has returned; 0 if it told nothing. */
void look_begin(struct play *p, struct look *look, struct file *f, uint64_t pos, uint64_t len,
		uint32_t told);
/* After it: @n bytes came, into @buf; @file_size is what the client said that the file ends at.
 * Fails the run unless they and the length are allowed. A negative @n: no bytes, nothing to check;
 * whether that may be is the caller's to know. */
void look_end(struct play *p, struct look *look, const void *buf, int64_t n, uint64_t file_size);
/* The read gave nothing that counts (-ESTALE, -ENODATA at object level). */
void look_cancel(struct play *p, struct look *look);

/* An invalidation begins, has returned, and has finished (the old name is gone). What it returns is
 * for the two others. Each also counts as something that reads run beside. */
uint32_t oracle_invalidating(struct play *p, struct file *f);
void oracle_invalidated(struct play *p, struct file *f, uint32_t version);
void oracle_invalidate_done(struct play *p, struct file *f, uint32_t version);
/* A punch, resize, clear or local write begins or ends: reads run beside it. */
void oracle_event(struct play *p);
/* End the run: something is wrong with @f (may be NULL). The first word names the kind of wrong,
 * which stays the same while a failure is shrunk. */
void play_fail(struct play *p, struct file *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A line of the history of @f (NULL: of all), if one is written. */
void play_note(struct play *p, const struct file *f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- The plan (plan.c) ----------------------------------------------------------------------- */

enum step_kind {
	/* A reader's (reader.c). */
	STEP_OPEN,       /* acquire a cookie and use it */
	STEP_READ,       /* of one held, or one opened for it */
	STEP_INVALIDATE,
	STEP_CHECK_ATTR, /* ask the server, invalidate if it changed */
	STEP_UNUSE,
	STEP_USE,
	STEP_CLOSE,      /* unuse and relinquish */
	STEP_MODIFY,     /* a local write, as docs/embedding.md has it for clients without proof */
	STEP_JOIN,       /* wait for the reads in flight */
	STEP_PAUSE,
	STEP_C_WRITE,    /* through the cookie (changes.c); STEP_PROOF: with an exclusive right */
	STEP_C_RESIZE,
	STEP_C_PUNCH,
	STEP_C_WRITTEN,
	STEP_C_LEND,     /* and read what was lent */
	/* The writer's (writer.c): object level, on files with by_writer. */
	STEP_W_OPEN,     /* flags STEP_PROOF: with an exclusive right or a counter as proof */
	STEP_W_WRITE,    /* local: prepare, store, send, answered */
	STEP_W_RESIZE,
	STEP_W_CLEAR,    /* punch */
	STEP_W_STORE,    /* server read and store, by the three steps */
	STEP_W_READ,     /* fsc_gen_read, else the server */
	STEP_W_INVALIDATE,
	STEP_W_COMMIT,   /* without or with new coherency data */
	STEP_W_CLOSE,    /* proven or not, or retired */
	STEP_W_LEND,     /* lend a complete generation to a passthrough reader */
	STEP_W_PASS,     /* read there, by the backing file itself */
	/* The world's (world.c). */
	STEP_CHANGE,     /* on the server */
	STEP_SERVER_BAD, /* it fails or answers short for a while */
	STEP_SERVER_GOOD,
	STEP_FAULT,      /* the storage fails, for a while */
	STEP_NO_FAULT,
	STEP_FAIL_ALLOC,
	STEP_SYNC,
	STEP_CULL,
	STEP_LIMIT,      /* the disk is another size */
	STEP_WITHDRAW,
	STEP_VOLUME,     /* given back and acquired again, perhaps with other coherency data */
	STEP_COPY,       /* copy the folder while it is used */
	STEP_END,        /* of the epoch, one way or another (plan.h) */
	STEP_KINDS,
};

#define STEP_WAIT 1u     /* use the call that waits, or wait for the end */
#define STEP_IRQ 2u      /* call it as from an interrupt, where that may be */
#define STEP_WHOLE 4u    /* the whole file */
#define STEP_RETIRE 8u
/* Proof: with COH_TICK not even an exclusive right is one while the tick lasts in which the last
 * write was made (the next owner's change may get the same time). */
#define STEP_PROOF 16u
#define STEP_KEEP 32u    /* keep what is written; or ask for the end (done) */
#define STEP_ZERO 64u    /* zeroes */
#define STEP_STALE 128u  /* with attributes asked for some time ago */

struct step {
	uint16_t nr;     /* in the plan, from 1: what --without takes */
	uint8_t kind;    /* enum step_kind */
	uint8_t client;  /* whose */
	uint8_t file;    /* index in play.files */
	uint8_t flags;
	uint16_t one_in; /* of something that happens by chance */
	uint64_t pos;    /* bytes; below the file's size at the time if that is to matter */
	uint64_t len;
	uint64_t arg;    /* random: whatever else the step needs */
};

/* --- Clients ---------------------------------------------------------------------------------- */

struct reader; /* reader.c */
struct writer; /* writer.c */

struct client {
	struct play *play;
	uint8_t nr;
	bool writes;           /* a writer: its steps are those with STEP_W_ */
	sim_task_id task;
	const struct step *step; /* the one it is at */
	uint32_t at;           /* its number; UINT32_MAX: it has taken all */
	uint32_t left;         /* world.leavings when it last gave back what it held of a volume */
};

/*
 * writer.c; what it holds it keeps in writer_size() bytes at play.writer_mem of its number. One
 * call per step. Start: an epoch begins, forget all (the one before may have been killed at any point).
 * Stop: close what is held; the epoch ends, or a volume is to be given back, and then steps may
 * follow. A file that is open counts in its volume's users; nothing is opened while that is
 * leaving.
 */
size_t writer_size(void);
void writer_start(struct play *p, struct client *c, void *mem);
void writer_step(struct play *p, struct client *c, const struct step *s);
void writer_stop(struct play *p, struct client *c);

/* --- The play ---------------------------------------------------------------------------------- */

struct play_stats {
	uint64_t seeds, steps, epochs, kills, crashes, crashes_unsynced, faults;
	uint64_t reads, reads_beside, reads_cached;
	uint64_t checked; /* granules on the disk */
	uint64_t accounts; /* and what the cache says that it occupies */
};

struct volume {
	struct fsc_volume *vol; /* NULL while it isn't acquired, or if it can't be */
	uint8_t key[40];
	size_t key_len;
	uint64_t coherency;
	uint32_t users;         /* handles of clients: it is given back only without them */
	bool leaving;           /* it is being given back: open nothing more in it */
};

struct play {
	uint64_t seed;
	uint64_t base_us, now_us; /* the server's clock: when the process began, and last seen */
	enum coherency coherency;
	size_t coherency_len;   /* padded to this */
	bool server_bad;
	int server_error;       /* while it is bad: one in so many answers is this, ... */
	uint32_t server_one_in;
	uint32_t server_short_one_in; /* ... or short */
	uint64_t server_latency_us;
	size_t rsize;           /* the most that one server read carries; 0: any */
	uint32_t tick_ms;

	struct file files[PLAY_FILES];
	uint32_t nr_files;
	struct volume volumes[PLAY_VOLUMES];
	uint32_t nr_volumes;
	uint32_t volume_flags;  /* FSC_VOLUME_STRICT_REMOVAL */

	struct simstore *store;
	struct fsc_cache *cache;
	struct fsc_backend *be;  /* what @cache was given */
	struct client clients[PLAY_CLIENTS];
	uint32_t nr_clients;
	void *writer_mem[PLAY_CLIENTS];

	uint32_t process;       /* counts epochs, from 1 */
	bool faulty;            /* the storage may fail now, or did in this epoch */
	bool jumps;             /* time limits fire although others can run */
	bool no_memory;         /* an allocation may have failed in this epoch */
	uint32_t last_stamp;
	struct look *looks;     /* those being made */
	uint32_t nr_events;     /* faults, invalidations, punches so far */
	uint32_t seq;           /* counts what has an order: answers to local writes */
	uint32_t invalidating;  /* that are under way */
	struct play_stats stats;

	bool history;           /* play_note() writes */
	struct file *wrong;     /* the file that play_fail() was about */
	struct world *world;    /* world.c's */
};

#endif
