// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * world.c - a play from its first epoch to its last: what each begins with, who runs in it, how it
 * ends and what becomes of the disk then.
 */
#include <stdarg.h>
#include <stdio.h>

#include "world.h"

static struct play the_play;
static struct world the_world;

void play_fail(struct play *p, struct file *f, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->wrong = f;
	if (!sim_self()) { /* at rest, between two runs */
		snprintf(p->world->text, sizeof(p->world->text), "file %u: %s", f ? f->id : 0,
			 text);
		p->world->failed = true;
		return;
	}
	sim_fail(SIM_BUG, "file %u: %s", f ? f->id : 0, text);
}

/* --- An epoch -------------------------------------------------------------------------------- */

static void open_backend(struct play *p, struct sim_backend_opts *opts,
			 struct fsc_cache_params *params)
{
	static const uint32_t save[] = { 1, 20, 200, 1000 };
	struct world *w = p->world;
	uint32_t declared = w->model + sim_random(5) / 3;

	*opts = (struct sim_backend_opts){
		.kind = w->model,
		.ids_known = sim_random(8) != 0,
		.mount_id = w->mount,
		.io_align = sim_chance(2) ? 512 : 4096,
		.max_files = sim_chance(4) ? 2 + sim_random(6) : 0,
		.short_one_in = w->faults_left || sim_chance(6) ? 3 + sim_random(20) : 0,
		.latency_us = 200 + sim_random(4000),
	};
	if (w->model == FSC_FS_VOLATILE) {
		opts->forgets = w->forgets;
		opts->never_clean = !w->forgets && sim_chance(6);
	}
	/* What is short goes on in the middle of the memory. */
	opts->mem_align = opts->io_align == 4096 && sim_chance(2) ? 4096 : 512;
	opts->boot_id[0] = (uint8_t)w->boot;
	opts->boot_id[1] = (uint8_t)(w->boot >> 8);
	*params = (struct fsc_cache_params){
		.save_ms = save[sim_random(4)],
		.max_errors = sim_chance(3) ? 0 : 1000,
	};
	declared = declared > FSC_FS_VOLATILE ? FSC_FS_VOLATILE : declared;
	if (sim_chance(2))
		opts->kind = (enum fsc_fs_kind)declared;
	else
		params->at_least = (enum fsc_fs_kind)declared;
	if (w->plan->profile->flags & PROFILE_SMALL) {
		params->max_bytes = sim_chance(2) ? (10 + sim_random(100)) * PLAY_GRANULE : 0;
		params->max_map_bytes = sim_chance(3) ? 200 + sim_random(2000) : 0;
		params->max_keep_bytes = sim_chance(3) ? 4096 + sim_random(100000) : 0;
	}
}

static void open_cache(struct play *p)
{
	struct fsc_cache_params params;
	struct sim_backend_opts opts;
	struct fsc_backend *be;
	int err;

	open_backend(p, &opts, &params);
	be = simbackend_open(p->store, &opts);
	p->be = be;
	err = fsc_cache_open(be, &params, &p->cache);
	p->world->opened = !err;
	play_note(p, NULL, "process %u opens the cache: %s, taken for %s: %d", p->process,
		  model_name(p->world->model),
		  model_name(opts.kind > params.at_least ? opts.kind : params.at_least), err);
	if (err) {
		p->cache = NULL;
		be->ops->close(be);
		if (err == -ENOTEMPTY && p->world->torn)
			p->world->remove = true;
		else if (!p->faulty && !p->no_memory && !p->world->limited)
			play_fail(p, NULL, "open: the cache can't be opened: %d", err);
	}
}

void world_acquire_volume(struct play *p, uint32_t nr)
{
	struct volume *v = &p->volumes[nr];
	struct fsc_blob key = { v->key, v->key_len };
	struct fsc_blob coherency = { &v->coherency, sizeof(v->coherency) };
	int err = fsc_volume_acquire(p->cache, key, coherency, p->volume_flags, &v->vol);

	play_note(p, NULL, "volume %u acquired: %d", nr, err);
	if (err)
		v->vol = NULL;
}

static void begin_epoch(struct play *p)
{
	struct world *w = p->world;

	p->process++;
	p->cache = NULL;
	p->faulty = w->fault.mask != 0;
	p->no_memory = false;
	oracle_process(p);
	fsc_waitq_init(&w->moved);
	simstore_set_fault(p->store, world_fault, p);
	for (uint32_t i = 0; i < p->nr_files; i++)
		p->files[i].by_writer = plan_writes(w->plan, 0) &&
					(w->shares >> i & 1 ||
					 w->plan->profile->flags & PROFILE_OVERWRITES);
	for (uint32_t i = 0; i < p->nr_clients; i++) {
		p->clients[i].at = 0;
		p->clients[i].left = 0;
		if (p->clients[i].writes)
			writer_start(p, &p->clients[i], p->writer_mem[i]);
		else
			reader_start(p, &p->clients[i]);
	}
	w->self = (struct client){ .play = p, .nr = WORLD };
	w->leavings = 0;
	for (uint32_t v = 0; v < p->nr_volumes; v++) {
		p->volumes[v].vol = NULL;
		p->volumes[v].users = 0;
		p->volumes[v].leaving = false;
	}
	w->withdrawn = false;
}

static void killer(void *arg)
{
	struct world *w = arg;

	sim_sleep_us(w->end->pos);
	for (uint64_t n = w->end->len % 100; n; n--)
		sim_yield();
	sim_kill();
}

static void arm(struct play *p)
{
	struct world *w = p->world;

	if (w->ending == END_KILL_OP)
		simstore_kill_at(p->store, w->end->pos, w->end->flags & END_AFTER);
	else if (w->ending == END_KILL_TIME)
		sim_spawn(killer, w);
}

static void close_all(struct play *p)
{
	struct world *w = p->world;

	for (uint32_t v = 0; v < p->nr_volumes; v++) {
		fsc_volume_relinquish(p->volumes[v].vol, false);
		p->volumes[v].vol = NULL;
	}
	for (uint32_t i = 0; i < p->nr_clients; i++)
		if (!p->clients[i].writes)
			reader_end(p, &p->clients[i]);
	if (p->cache && sim_chance(2)) {
		sim_sleep_ms(50);
		sim_settle();
	}
	fsc_cache_close(p->cache);
	p->cache = NULL;
	fsc_waitq_destroy(&w->moved);
}

static void epoch_task(void *arg)
{
	struct play *p = arg;
	struct world *w = p->world;

	begin_epoch(p);
	arm(p);
	open_cache(p);
	for (uint32_t v = 0; v < p->nr_volumes; v++)
		world_acquire_volume(p, v);
	for (uint32_t i = 0; i < p->nr_clients; i++)
		p->clients[i].task = sim_spawn(world_client, &p->clients[i]);
	world_take_steps(&w->self);
	for (uint32_t i = 0; i < p->nr_clients; i++)
		sim_join(p->clients[i].task);
	if (w->ending == END_KILL_LAST) {
		if (w->end->len % 3 == 0)
			sim_sleep_ms(1500);
		sim_kill();
	}
	close_all(p);
	if (w->ending != END_CLOSE)
		sim_kill(); /* it came too late */
	play_note(p, NULL, "process %u has closed the cache", p->process);
}

/* --- Between two epochs ------------------------------------------------------------------------ */

static void reboot(struct play *p, const struct step *end)
{
	struct world *w = p->world;

	if (end->flags & END_RESTART) {
		w->boot++;
		w->mount++;
	}
	if (end->flags & END_MOVE) {
		w->model = (enum fsc_fs_kind)(end->arg % 3);
		w->forgets = false;
		w->mount++;
		simstore_track(p->store, w->model);
		play_note(p, NULL, "the folder is on a %s filesystem now", model_name(w->model));
	} else if (end->flags & END_RESTART && !(end->flags & END_CUT)) {
		simstore_track(p->store, w->model); /* an orderly restart loses nothing */
	}
	if (!(end->flags & END_CLEAN_RUN))
		w->fault.mask = 0;
	if (w->copied && end->flags & END_RESTART) {
		simstore_destroy(p->store);
		p->store = w->copy;
		w->copy = NULL;
		simstore_track(p->store, w->model);
		play_note(p, NULL, "the copy is used from now on");
	}
	w->copied = false;
	simstore_destroy(w->copy);
	w->copy = NULL;
	/* The clock goes on. */
	p->base_us = p->now_us + (end->arg >> 8 & 3 ? (end->arg >> 16) % 200000 :
						      (end->arg >> 16) % 100000000);
	w->shares = (uint32_t)(end->arg >> 40);
}

static void new_store(struct play *p)
{
	simstore_destroy(p->store);
	p->store = simstore_create(&p->world->store_opts);
	simstore_track(p->store, p->world->model);
}

static void cut_power(struct play *p, const struct step *end)
{
	struct simstore_loss loss = { 0 };

	simstore_power_cut(p->store, end->len, &loss);
	if (p->world->forgets)
		new_store(p);
	p->world->torn |= p->world->model == FSC_FS_VOLATILE;
	p->stats.crashes++;
	p->stats.crashes_unsynced += loss.unsynced != 0;
	play_note(p, NULL, "the power is cut: %llu effects not yet durable, %llu of them lost",
		  (unsigned long long)loss.unsynced, (unsigned long long)loss.lost);
}

/* What the library says should be done by hand. */
static void heed_log(struct play *p)
{
	if (!sim_log_count("can't be written down") && !p->world->remove)
		return;
	p->world->remove = false;
	p->world->copied = false;
	p->world->torn = false;
	new_store(p);
	play_note(p, NULL, "the folder was removed, as the log says");
}

static bool run_epoch(struct play *p, const struct step *end, uint64_t *trace)
{
	struct world *w = p->world;
	struct sim_opts opts = { .max_points = 3000000, .quiet = !p->history };
	enum sim_end how;

	w->end = end;
	w->ending = end->one_in;
	opts.jump_one_in = end->arg >> 60 ? 0 : 40;
	p->jumps = opts.jump_one_in;
	w->opened = false;
	how = sim_try(p->seed * 1000 + p->process, &opts, epoch_task, p);
	p->stats.epochs++;
	*trace = (*trace ^ sim_trace()) * 0x100000001b3ull + sim_points();
	simstore_kill_at(p->store, 0, false);
	if (how == SIM_KILLED && w->ending != END_CLOSE) {
		p->stats.kills++;
		play_note(p, NULL, "process %u is killed", p->process);
	} else if (how != SIM_OK) {
		snprintf(w->text, sizeof(w->text), "%s", sim_end_text());
		return false;
	}
	heed_log(p);
	if (how == SIM_KILLED && end->flags & END_CUT)
		cut_power(p, end);
	disk_check(p, how == SIM_OK && w->opened);
	if (p->history && w->failed)
		history_log(p);
	simstore_log_clear(p->store);
	reboot(p, end);
	return !w->failed;
}

enum play_end play_run(const struct plan *plan, const bool *without, bool history,
		       struct play_stats *stats, char *text, size_t size, uint64_t *trace)
{
	static const struct step last = { .kind = STEP_END, .client = WORLD, .one_in = END_CLOSE };
	struct play *p = &the_play;
	struct world *w = &the_world;
	bool ok = true;

	world_set_up(p, w, plan, without);
	p->history = history;
	*trace = 0;
	w->shares = (uint32_t)(plan->setup >> 7);
	for (w->first = 1; ok && w->first <= plan->nr; w->first = w->last + 1) {
		w->last = w->first;
		while (w->last <= plan->nr && (plan->steps[w->last].kind != STEP_END ||
					       (without && without[w->last])))
			w->last++;
		ok = run_epoch(p, w->last <= plan->nr ? &plan->steps[w->last] : &last, trace);
	}
	if (!ok && history && !w->failed)
		history_log(p);
	p->stats.seeds = 1;
	*stats = p->stats;
	if (!ok)
		snprintf(text, size, "%s", w->text);
	simstore_destroy(p->store);
	simstore_destroy(w->copy);
	return ok ? PLAY_OK : PLAY_WRONG;
}

const struct file *play_wrong_file(void)
{
	return the_play.wrong;
}
