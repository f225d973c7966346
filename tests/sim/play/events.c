// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * events.c - the world's own steps: changes on the server, faults, what an administrator does.
 */
#include "world.h"

/* --- The server ------------------------------------------------------------------------------- */

static void change_once(struct play *p, struct file *f, const struct step *s, uint64_t r)
{
	uint64_t size = file_size(f, f->version), start = 0, end = UINT64_MAX;
	uint8_t zeroes = (r & 15) == 0 ? 1 : (r & 15) == 1 ? 2 : 0;

	if (r >> 4 & 3) { /* a part of it */
		start = size ? s->pos % size : 0;
		end = start + 1 + (r >> 8) % (3 * PLAY_GRANULE);
	}
	switch (r >> 32 & 7) {
	case 0:
		size = s->len % (size + 1);
		break;
	case 1:
		size += s->len % (4 * PLAY_GRANULE);
		break;
	case 2:
		size = size - size % PLAY_GRANULE;
		break;
	default:
		break;
	}
	if (!f->large && size > 64 * PLAY_GRANULE)
		size = 64 * PLAY_GRANULE;
	if (end > size)
		end = size > start ? size : start + 1;
	server_change(p, f, start, end, size, zeroes);
}

static void change_step(struct play *p, const struct step *s)
{
	struct file *f = &p->files[s->file];
	uint32_t times = s->flags & 3 ? 1 : 2;

	if (f->delegated && (s->arg >> 50 & 3 || !changes_recall(p, f)))
		return;
	for (uint32_t i = 0; i < times && !f->delegated; i++) {
		change_once(p, f, s, s->arg + i * 0x1111111111ull);
		if (s->flags & 4)
			sim_sleep_us(s->len % 8000);
	}
}

/* --- Faults ----------------------------------------------------------------------------------- */

#define BIT(op) (1ull << (op))
#define DATA_OPS (BIT(SIMOP_READ) | BIT(SIMOP_WRITE))
#define XATTR_OPS (BIT(SIMOP_XATTR_SET) | BIT(SIMOP_DIR_XATTR_SET))
#define SYNC_OPS (BIT(SIMOP_SYNC) | BIT(SIMOP_SYNC_DIR) | BIT(SIMOP_SYNC_FS))
#define NAME_OPS                                                                               \
	(BIT(SIMOP_COMMIT) | BIT(SIMOP_UNLINK) | BIT(SIMOP_RENAME) | BIT(SIMOP_REMOVE_DIR) |   \
	 BIT(SIMOP_DIR_OPEN) | BIT(SIMOP_FILE_OPEN) | BIT(SIMOP_TMPFILE))
#define SPACE_OPS                                                                              \
	(BIT(SIMOP_WRITE) | BIT(SIMOP_XATTR_SET) | BIT(SIMOP_COMMIT) | BIT(SIMOP_TMPFILE) |    \
	 BIT(SIMOP_RESIZE) | BIT(SIMOP_PUNCH))
#define NO_FAULT (BIT(SIMOP_CLOSE) | BIT(SIMOP_FILE_CLOSE))

int world_fault(void *arg, enum simstore_op op, uint64_t ino, const char *name)
{
	struct play *p = arg;
	struct world *w = p->world;

	if (op == SIMOP_PUNCH)
		oracle_event(p);
	if (!(w->fault.mask >> op & 1) || !w->fault.left || !sim_chance(w->fault.one_in)) {
		if (p->history)
			history_op(p, op, ino, name, 0);
		return 0;
	}
	w->fault.left--;
	p->stats.faults++;
	oracle_event(p);
	if (p->history)
		history_op(p, op, ino, name, w->fault.err);
	return w->fault.err;
}

static void fault_step(struct play *p, const struct step *s)
{
	static const int errors[] = { -EIO, -EIO, -ENOSPC, -EDQUOT, -ENOMEM, -EINTR, -EROFS };
	static const uint64_t masks[] = { UINT64_MAX, DATA_OPS, XATTR_OPS, SYNC_OPS, NAME_OPS,
					  SPACE_OPS, BIT(SIMOP_UNLINK), BIT(SIMOP_WRITE) };
	struct world *w = p->world;

	w->fault.mask = masks[s->arg & 7] & ~NO_FAULT;
	if ((s->arg >> 3 & 7) == 0)
		w->fault.mask = BIT(s->len % SIMOP_READ_DONE) & ~NO_FAULT;
	w->fault.err = errors[(s->arg >> 8) % 7];
	if ((s->arg & 7) == 5)
		w->fault.err = s->arg >> 8 & 1 ? -ENOSPC : -EDQUOT;
	if (w->plan->profile->flags & PROFILE_XATTR) {
		w->fault.mask = XATTR_OPS;
		w->fault.err = errors[(s->arg >> 8) % 4];
	}
	w->fault.one_in = s->one_in;
	w->fault.left = s->arg >> 16 & 3 ? 1 + (s->arg >> 20) % 40 : UINT64_MAX;
	p->faulty = true;
	oracle_event(p);
}

static void no_fault_step(struct play *p)
{
	p->world->fault.mask = 0;
	sim_fail_alloc(0, false);
}

static void fail_alloc_step(struct play *p, const struct step *s)
{
	p->no_memory = true;
	p->stats.faults++;
	oracle_event(p);
	sim_fail_alloc(1 + s->len % 30, s->arg % 10 == 0);
}

/* --- The administrator ------------------------------------------------------------------------- */

static bool nobody_uses(void *arg)
{
	return ((struct volume *)arg)->users == 0;
}

static void volume_step(struct play *p, const struct step *s)
{
	uint32_t nr = (uint32_t)(s->arg >> 40) % p->nr_volumes;
	struct volume *v = &p->volumes[nr];
	bool retire = (s->arg & 7) == 0;

	p->world->leavings++;
	v->leaving = true;
	fsc_waitq_wake_all(&p->world->moved);
	while (!nobody_uses(v))
		fsc_waitq_wait(&p->world->moved, nobody_uses, v);
	play_note(p, NULL, "volume %u relinquished%s", nr, retire ? ", retired" : "");
	fsc_volume_relinquish(v->vol, retire);
	v->vol = NULL;
	if (s->arg >> 4 & 1) {
		v->coherency++;
		oracle_volume(p, nr);
		oracle_event(p);
	}
	world_acquire_volume(p, nr);
	v->leaving = false;
}

static void limit_step(struct play *p, const struct step *s)
{
	uint64_t blocks, files;

	simstore_used(p->store, &blocks, &files);
	p->world->limited = true;
	if (s->arg & 1)
		simstore_limit(p->store, blocks + s->len % 40, files + s->pos % 20);
	else
		simstore_limit(p->store, 1u << 20, 1u << 16);
}

static void copy_step(struct play *p)
{
	struct world *w = p->world;

	if (w->copy)
		return;
	w->copy = simstore_create(&w->store_opts);
	play_note(p, NULL, "the folder is being copied");
	simstore_copy_in_use(p->store, w->copy);
	w->copied = true;
}

void world_step(struct play *p, const struct step *s)
{
	switch (s->kind) {
	case STEP_CHANGE:
		change_step(p, s);
		break;
	case STEP_SERVER_BAD:
		p->server_bad = true;
		p->server_one_in = s->one_in + 1u;
		p->server_short_one_in = 1 + s->len % 8;
		break;
	case STEP_SERVER_GOOD:
		p->server_bad = false;
		break;
	case STEP_FAULT:
		fault_step(p, s);
		break;
	case STEP_NO_FAULT:
		no_fault_step(p);
		break;
	case STEP_FAIL_ALLOC:
		fail_alloc_step(p, s);
		break;
	case STEP_SYNC:
		fsc_cache_sync(p->cache);
		break;
	case STEP_CULL:
		if (p->cache)
			fsc_cache_cull(p->cache, s->len % (40 * PLAY_GRANULE), NULL);
		break;
	case STEP_LIMIT:
		limit_step(p, s);
		break;
	case STEP_WITHDRAW:
		fsc_cache_withdraw(p->cache);
		p->world->withdrawn = true;
		break;
	case STEP_VOLUME:
		volume_step(p, s);
		break;
	case STEP_COPY:
		copy_step(p);
		break;
	case STEP_PAUSE:
		sim_sleep_us(s->arg & 3 ? s->len % 20000 : s->len % 1300000);
		break;
	default:
		break;
	}
}
