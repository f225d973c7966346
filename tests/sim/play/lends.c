// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * lends.c - the client at cookie level lends what is whole, and is the reader outside the library
 * too, who asks nobody.
 */
#include "reader.h"

static void nap(void)
{
	sim_point();
	sim_sleep_us(100);
}

struct pass {
	struct fsc_io io;
	bool over;
	int64_t ret;
};

static void pass_done(struct fsc_io *io, int64_t ret)
{
	struct pass *pass = (struct pass *)(void *)io;

	pass->ret = ret;
	pass->over = true;
}

/* All of it; false: the disk says no. */
static bool pass_read(struct client *c, const struct fsc_loan *loan, uint8_t *mem, uint64_t size)
{
	uint64_t room = (size + PLAY_GRANULE - 1) / PLAY_GRANULE * PLAY_GRANULE, got = 0;
	struct fsc_backend *be = c->play->be;
	struct pass pass;

	while (got < size) {
		pass = (struct pass){ .io = { .file = loan->file, .pos = got, .done = pass_done } };
		pass.io.buf.mem = mem + got;
		pass.io.buf.len = (size_t)(room - got);
		be->ops->read(&pass.io);
		while (!pass.over)
			nap();
		if (pass.ret <= 0)
			return false;
		got += (uint64_t)pass.ret;
		if (got < size)
			got -= got % PLAY_GRANULE;
	}
	return got == size;
}

/* Whatever happens meanwhile, it stays what it was when it was lent. */
static void read_loan(struct client *c, struct file *f, const struct fsc_loan *loan, uint64_t size,
		      uint32_t least)
{
	uint8_t *first = fsc_io_alloc(OPEN_MAX), *again = fsc_io_alloc(OPEN_MAX);
	struct play *p = c->play;
	struct look look;

	look_begin(p, &look, f, 0, size, 0);
	look.lent = true;
	look.least = least;
	if (first && again && pass_read(c, loan, first, size)) {
		look_end(p, &look, first, (int64_t)size, size);
		for (uint32_t n = sim_random(3); n; n--) {
			sim_sleep_us(sim_random(8000));
			if (pass_read(c, loan, again, size) && memcmp(first, again, size))
				play_fail(p, f, "lent: a lent file has changed");
		}
	} else {
		look_cancel(p, &look);
	}
	fsc_io_free(first, OPEN_MAX);
	fsc_io_free(again, OPEN_MAX);
}

void changes_lend(struct client *c, struct handle *h)
{
	struct play *p = c->play;
	struct file *f = h->file;
	/* Nothing older than what is known at this moment was there when it is lent. */
	uint32_t least = h->told > f->floor ? h->told : f->floor;
	uint32_t events = p->nr_events;
	bool quiet = !f->changing && !f->alone && !p->invalidating;
	struct fsc_loan loan;
	struct fsc_stat st;
	int err = fsc_cookie_lend(h->cookie, &loan);

	play_note(p, f, "lend: %d", err);
	if (err)
		return;
	if (!p->be->ops->stat(loan.file, &st) && st.size <= OPEN_MAX)
		read_loan(c, f, &loan, st.size, least);
	/* Nothing has happened that could have cost the object; so it must be open still. */
	if (!fsc_loan_current(&loan) && quiet && events == p->nr_events && !p->faulty &&
	    !p->no_memory && fsc_cache_online(p->cache))
		play_fail(p, f, "lent: the object of a lent file was closed");
	fsc_loan_return(&loan);
}
