// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * loan.c - lend the backing file behind a cookie, to a reader outside the library.
 *
 * lend.c keeps the file as it is. What is left for here is that the object stays open: the loan is
 * a pin on its cookie, so it isn't parked when too many backing files are open (closing what is
 * lent would discard it), nor closed when the cookie is given back.
 */
#include "cookie.h"

int fsc_cookie_lend(struct fsc_cookie *cookie, struct fsc_loan *out)
{
	struct fsc_gen *gen;
	int err = -ENOBUFS;

	memset(out, 0, sizeof(*out));
	if (!cookie)
		return -ENOBUFS;
	fsc_cookie_pin(cookie);
	fsc_cookie_look_wait(cookie);
	gen = fsc_cookie_gen_now(cookie);
	if (gen)
		err = fsc_gen_lend(gen, &out->file);
	if (!err) {
		out->cookie = cookie;
		out->gen = gen;
	}
	fsc_gen_put(gen);
	if (err)
		fsc_cookie_unpin(cookie);
	return err;
}

void fsc_loan_return(struct fsc_loan *loan)
{
	struct fsc_cookie *cookie = loan->cookie;

	if (!cookie)
		return;
	fsc_gen_return(loan->gen);
	memset(loan, 0, sizeof(*loan));
	fsc_cookie_unpin(cookie); /* last: the volume may be given back from here on */
}

bool fsc_loan_current(const struct fsc_loan *loan)
{
	struct fsc_gen *gen = loan->gen;

	/* Withdrawn: what changes then is no longer told to the generation. */
	return gen && fsc_load_acquire(&gen->is_current) && fsc_cache_is_online(gen->cache);
}
