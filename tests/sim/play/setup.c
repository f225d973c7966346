// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* setup.c - what a play begins with: files, volumes, a server and a disk, as the seed has it. */
#include <stdlib.h>

#include "world.h"

static void *writer_mem[PLAY_CLIENTS];

static uint64_t some_size(uint64_t *rnd, bool large)
{
	uint64_t r = plan_random(rnd), granules;

	if (large)
		return (64ull << 20) + r % (4000ull << 20);
	switch (r >> 60) {
	case 0:
		return r % 512;
	case 1:
		return 1 + r % (PLAY_GRANULE - 1);
	case 2:
	case 3:
		granules = 17 + r % 48;
		break;
	default:
		granules = 1 + r % 16;
	}
	/* Whole granules, a few bytes more or less, or anything. */
	switch (r >> 50 & 3) {
	case 0:
		return granules * PLAY_GRANULE;
	case 1:
		return granules * PLAY_GRANULE - 1 - (r >> 20) % 600;
	default:
		return granules * PLAY_GRANULE - (r >> 20) % PLAY_GRANULE;
	}
}

static void make_file(struct play *p, uint32_t id, uint64_t *rnd)
{
	static const uint8_t lens[] = { 8, 8, 8, 13, 30, 80 };
	struct file *f = &p->files[id];
	uint64_t r = plan_random(rnd);

	f->play = p;
	f->id = id;
	f->volume = id % p->nr_volumes;
	f->key_len = lens[r % sizeof(lens)];
	/* A key too long for a name stands in the value, and leaves little room for the map. */
	if (p->world->plan->profile->flags & PROFILE_SLOTS && r >> 40 & 7)
		f->key_len = sizeof(f->key);
	memset(f->key, 'k', sizeof(f->key));
	f->key[0] = (uint8_t)(r >> 8 & 1 || f->key_len == sizeof(f->key) ? id : 'a' + id);
	f->key[f->key_len - 1] = (uint8_t)('0' + id);
	f->large = p->world->plan->profile->flags & PROFILE_SLOTS && (r >> 16) % 3 == 0;
	server_change(p, f, 0, 0, some_size(rnd, f->large), r >> 24 & 7 ? 0 : 2);
}

static void make_volumes(struct play *p, uint64_t *rnd)
{
	p->nr_volumes = plan_random(rnd) % 3 ? 1 : PLAY_VOLUMES;
	for (uint32_t v = 0; v < p->nr_volumes; v++) {
		struct volume *vol = &p->volumes[v];

		vol->key_len = plan_random(rnd) & 1 ? 16 : sizeof(vol->key);
		memset(vol->key, 'v', sizeof(vol->key));
		memcpy(vol->key, "9p,server,export", 16);
		vol->key[15] = (uint8_t)('0' + v);
		vol->coherency = 1;
	}
}

static void set_coherency(struct play *p, uint64_t *rnd)
{
	static const uint8_t lens[] = { 8, 8, 16, 40 };
	uint64_t r = plan_random(rnd);
	int fixed = p->world->plan->profile->coherency;

	p->coherency = r % 4 < 2 ? COH_COUNTER : r % 4 == 2 ? COH_TICK : COH_CONST;
	if (fixed >= 0)
		p->coherency = (enum coherency)fixed;
	p->coherency_len = lens[r >> 8 & 3];
	p->volume_flags = p->coherency == COH_CONST || (r >> 16 & 3) == 0 ?
				  FSC_VOLUME_STRICT_REMOVAL : 0;
	p->tick_ms = r >> 24 & 3 ? 10 : 1000;
}

static void set_server(struct play *p, uint64_t *rnd)
{
	static const uint32_t sizes[] = { 0, 0, 0, 4096, 5000, 16384, 65536 };
	uint64_t r = plan_random(rnd);

	p->rsize = sizes[r % 7];
	p->server_latency_us = 100 + (r >> 8) % 4000;
	p->server_error = r >> 32 & 1 ? -EIO : -ESTALE;
	p->base_us = 1000000000ull + r % 1000000;
}

static void make_store(struct play *p, uint64_t *rnd)
{
	static const uint32_t maxima[] = { 4032, 4032, 964, 16213 };
	struct world *w = p->world;
	uint64_t r = plan_random(rnd);

	w->store_opts = (struct simstore_opts){ .xattr_max = maxima[r & 3] };
	/* Beside a long key there is room for a slot's reference, and a few runs at most. */
	if (w->plan->profile->flags & PROFILE_SLOTS)
		w->store_opts.xattr_max = 256 + (r >> 8) % 16 +
					  (p->coherency_len > 28 ? 16 : (uint32_t)p->coherency_len);
	if (w->plan->profile->flags & PROFILE_SMALL) {
		w->limited = true;
		w->store_opts.blocks = 60 + (r >> 16) % 300;
		w->store_opts.files = 30 + (r >> 32) % 100;
	}
	w->store_opts.reuse_inos = r >> 60 & 1;
	p->store = simstore_create(&w->store_opts);
	w->model = w->plan->model;
	w->forgets = w->model == FSC_FS_VOLATILE && (r >> 56 & 7) == 0;
	simstore_track(p->store, w->model);
}

void world_set_up(struct play *p, struct world *w, const struct plan *plan, const bool *without)
{
	uint64_t rnd = plan->setup;

	memset(p, 0, sizeof(*p));
	memset(w, 0, sizeof(*w));
	w->plan = plan;
	w->without = without;
	p->world = w;
	p->seed = plan->seed;
	set_coherency(p, &rnd);
	set_server(p, &rnd);
	make_volumes(p, &rnd);
	make_store(p, &rnd);
	p->nr_files = plan->nr_files;
	for (uint32_t i = 0; i < p->nr_files; i++)
		make_file(p, i, &rnd);
	p->nr_clients = plan->nr_clients;
	for (uint32_t i = 0; i < p->nr_clients; i++) {
		p->clients[i].play = p;
		p->clients[i].nr = (uint8_t)i;
		p->clients[i].writes = plan_writes(plan, i);
		if (!writer_mem[i])
			writer_mem[i] = calloc(1, writer_size());
		p->writer_mem[i] = writer_mem[i];
	}
	w->boot = 1;
	w->mount = 1;
}
