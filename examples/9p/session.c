// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * session.c - the connection to the server, and what is said when it breaks.
 */
#include "session.h"

#include <stdatomic.h>
#include <string.h>

#include "interrupt.h"
#include "say.h"
#include "stats.h"

/* Enough for a dozen big reads at once. */
#define MAX_TAGS 128

static struct p9_blob text(const char *s)
{
	return (struct p9_blob){ s, strlen(s) };
}

int session_begin(struct session *s, const struct options *opt)
{
	const struct p9_options p9 = {
		.server = opt->server,
		.msize = opt->msize,
		.max_tags = MAX_TAGS,
	};
	char why[256];
	int err;

	*s = (struct session){ .opt = opt };
	err = p9_connect(&p9, &s->client, why, sizeof(why));
	if (err) {
		say(opt->server, "%s", why);
		return err;
	}
	stats_client(s->client);
	interrupt_client(s->client);
	err = p9_attach(s->client, text(opt->uname), opt->n_uname, text(opt->aname), &s->root);
	if (err) {
		if (!interrupted())
			say(opt->server, "attaching to '%s' as %s: %s", opt->aname, opt->uname,
			    p9_error(s->client) ? p9_error_text(s->client) : strerror(-err));
		session_end(s);
		return err;
	}
	s->attached = true;
	return 0;
}

void session_end(struct session *s)
{
	if (s->attached && !p9_error(s->client))
		p9_clunk(s->client, s->root);
	interrupt_client(NULL);
	stats_client(NULL);
	p9_disconnect(s->client);
	s->client = NULL;
}

void session_say(struct session *s, const char *path, int err)
{
	static atomic_bool said;

	if (interrupted())
		return;
	if (!p9_error(s->client))
		say(path, "%s", strerror(-err));
	else if (!atomic_exchange(&said, true))
		say(path, "the connection to %s is lost: %s", s->opt->server,
		    p9_error_text(s->client));
}
