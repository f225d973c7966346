/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * room.h - a cache directory as valid as can be, in a simulated store, written by hand and not by
 * the library; what a reader of the format may believe of it once it was tampered with; and whether
 * the library serves exactly that.
 */
#ifndef TESTS_FUZZ_ROOM_H
#define TESTS_FUZZ_ROOM_H

#include "fixture.h"
#include "fuzz.h"
#include "reader.h"

#define ROOM_OBJECTS 6
#define ROOM_GRANULES 16 /* at most, of an object */
#define ROOM_VOLUME "cache/I9p,server,export"

struct room_object {
	struct netfs_file file;    /* as the server has it; all but the last can be cookies */
	uint8_t key[200], coherency[100];
	size_t key_len, coherency_len;
	char path[640];
	uint64_t ino;              /* of the file made for it, and its time of birth */
	uint64_t btime_s;
	uint32_t btime_ns;
	uint32_t declared;         /* bits: granules with the right bytes */
	uint64_t slot_pos;         /* 0: its map is in the value */
	bool cut;                  /* its file was made shorter */
};

struct room {
	struct world world;
	struct room_object objects[ROOM_OBJECTS];
	uint64_t super_ino;
	bool fixed;  /* a checksum or a digest was made right after a change */
	bool linked; /* files have two names: nobody can say whose their bytes are */
	bool uncounted;  /* the cache must count its bytes itself */
	uint64_t others; /* bytes of what is no object */
};

struct room *room_new(uint32_t objects); /* with the first few of them */
void room_free(struct room *room);

void room_digest(const struct room_object *obj, uint8_t out[16]);
/* The bytes of a granule of the first version. */
const uint8_t *room_bytes(const struct room_object *obj, uint64_t granule);

/* --- What may be believed --------------------------------------------------------------------- */

struct room_run {
	uint64_t start, end; /* granules */
};

struct room_belief {
	struct room_run *runs;
	size_t nr, size;
	uint64_t granules; /* declared, in all */
	bool complete;     /* by the record's flag: then the file is cut to the object's size */
};

/* 0 or what fsc_cache_open() is to say; 1 stands for any error. *@empty: nothing in it counts. */
int room_expect_open(struct room *room, bool *empty);
bool room_expect_volume(struct room *room); /* is what is stored of it to be found? */
/* Of an object by its name, as the disk is now. Its volume is good. */
void room_believe(struct room *room, const struct room_object *obj, struct room_belief *out);
void room_belief_free(struct room_belief *belief);

/* --- What is served; in a run ----------------------------------------------------------------- */

/* Open it: present must be what may be believed, no less and no more, and the bytes those of the
 * disk, which are the server's where nobody forged a declaration. True: somebody did. */
bool room_check_object(struct room *room, const struct room_object *obj, bool volume_good);
/* Before the cache is opened; while it is; afterwards: when the library says that it knows how many
 * bytes there are, and writes it down, so many there are. */
void room_account_begin(struct room *room);
void room_account_middle(struct room *room);
void room_account_end(struct room *room);

/* --- Tampering ------------------------------------------------------------------------------- */

/* One change, as the input says; those of data only where nothing is declared. */
void room_tamper(struct room *room, struct input *in);

#endif
