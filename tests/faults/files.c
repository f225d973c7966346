// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * files.c - see faults.h: changes of files through their cookies, one at a time.
 *
 * The server makes a write when it gets the first request of it. From that moment on nothing may
 * come back that was there before, where coherency data don't tell of the change: not after a
 * crash either.
 */
#include <string.h>

#include "faults.h"

struct writing {
	struct fsc_write write;
	struct room *room;
	struct remote *f;
	uint64_t upto; /* so much of it is taken */
	bool over, arrived;
	int64_t ret;
};

/* The server has what is its newest version now. */
static void changed(struct remote *f, struct fsc_cookie *cookie)
{
	struct version *v = remote_now(f);

	if (!f->alike)
		return;
	v->coh--;
	/* Where even that could not be written down there is nothing that holds. */
	if (cookie && !sim_log_count("can't be written down"))
		f->gone = f->nr - 1;
}

/* --- The server ------------------------------------------------------------------------------- */

size_t file_write_max(struct fsc_write *write)
{
	struct remote *f = write->netfs;

	return f->room->server.write_max ? f->room->server.write_max : SIZE_MAX;
}

static void arrive(struct writing *w)
{
	const struct fsc_write *write = &w->write;
	struct server *s = &w->room->server;

	w->arrived = true;
	w->upto = write->pos + (s->writes == WRITES_TAKEN ? write->len :
				s->writes == WRITES_CUT	  ? write->len / 2 : 0);
	s->errors += s->writes != WRITES_TAKEN;
	if (w->upto == write->pos)
		return;
	remote_patch(w->f, write->pos, w->upto - write->pos);
	changed(w->f, write->cookie);
}

static void answer_write(void *arg)
{
	struct fsc_subreq *sreq = arg;
	struct writing *w = ((struct remote *)sreq->netfs)->writing;
	uint64_t left = sreq->pos < w->upto ? w->upto - sreq->pos : 0;

	fsc_subreq_done(sreq, !left ? -EREMOTEIO : (int64_t)(left < sreq->len ? left : sreq->len));
}

void file_issue_write(struct fsc_subreq *sreq)
{
	struct remote *f = sreq->netfs;

	CHECK(f->writing && sreq->len);
	if (!f->writing->arrived)
		arrive(f->writing);
	if (sim_chance(4))
		answer_write(sreq);
	else
		sim_irq(answer_write, sreq, sim_random(2000) + 1);
}

void file_write_done(struct fsc_write *write, int64_t ret)
{
	struct writing *w = (struct writing *)(void *)write;

	CHECK(!w->over);
	w->ret = ret;
	w->over = true;
}

/* --- The client ------------------------------------------------------------------------------- */

struct fsc_cookie *file_open(struct room *r, struct remote *f, bool proof)
{
	struct fsc_cookie *cookie = cookie_get(r, f);

	fsc_cookie_use_wait(cookie, true);
	if (proof)
		fsc_cookie_prove(cookie);
	return cookie;
}

static int64_t make(struct writing *w)
{
	if (sim_chance(2))
		return fsc_write_wait(&w->write);
	fsc_write_start(&w->write);
	while (!w->over)
		sim_sleep_us(100);
	return w->ret;
}

/* Only for want of memory is nothing sent. */
static void check_result(const struct writing *w, int64_t ret)
{
	const struct plan *p = &w->room->plan;

	if (!w->arrived)
		CHECK(ret == -ENOMEM && p->kind == KIND_ALLOC && p->nth && p->armed);
	else if (w->upto == w->write.pos)
		CHECK_EQ(ret, -EREMOTEIO);
	else
		CHECK_EQ(ret, w->upto - w->write.pos);
}

int64_t file_write(struct room *r, struct remote *f, struct fsc_cookie *cookie, uint64_t pos,
		   uint64_t len, uint32_t flags)
{
	struct writing *w = room_alloc(r, sizeof(*w), 16);
	uint8_t *mem = room_alloc(r, len + K, K);
	int64_t ret;

	remote_next_bytes(f, pos, mem + pos % K % 512, (size_t)len);
	w->room = r;
	w->f = f;
	w->write = (struct fsc_write){
		.cookie = cookie, .ops = &remote_ops, .netfs = f, .pos = pos,
		.file_size = remote_now(f)->size, .buf = mem + pos % K % 512, .len = (size_t)len,
		.flags = flags,
	};
	f->writing = w;
	ret = make(w);
	f->writing = NULL;
	check_result(w, ret);
	if (w->upto > pos)
		f->told = f->nr - 1;
	room_free(r, mem);
	room_free(r, w);
	return ret;
}

void file_resize(struct remote *f, struct fsc_cookie *cookie, uint64_t size)
{
	bool refused = f->room->server.writes == WRITES_REFUSED;

	fsc_cookie_resize_begin(cookie, size);
	if (!refused) {
		remote_resize(f, size);
		changed(f, cookie);
	}
	sim_sleep_us(100);
	fsc_cookie_resize_end(cookie, refused ? -EREMOTEIO : 0);
	f->told = f->nr - 1;
}

void file_punch(struct remote *f, struct fsc_cookie *cookie, uint64_t pos, uint64_t len)
{
	bool refused = f->room->server.writes == WRITES_REFUSED;

	fsc_cookie_punch_begin(cookie, pos, len);
	/* A reader that is beside it, and is answered before the server has made it. */
	read_some(f->room, f, cookie, pos / K * K, 2 * K);
	if (!refused) {
		remote_patch(f, pos, len);
		changed(f, cookie);
	}
	fsc_cookie_punch_end(cookie, pos, len, refused ? -EREMOTEIO : 0);
	f->told = f->nr - 1;
}

void file_written(struct remote *f, struct fsc_cookie *cookie)
{
	uint8_t key[FSC_KEY_MAX], coh[FSC_COHERENCY_MAX];
	struct fsc_cookie_params now = remote_params(f, f->nr - 1, key, coh);

	CHECK_EQ(fsc_cookie_written(cookie, &now), 0);
	f->told = f->nr - 1;
}
