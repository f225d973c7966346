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

int session_begin(struct session *s, const struct program *program, const struct options *opt)
{
	/* A mount outlives its server's restarts; a command says that it failed. */
	const struct netfs_params params = {
		.reconnect = opt->command == CMD_MOUNT,
		.timeout_ms = opt->timeout_s * 1000,
	};
	char why[512] = "";
	int err;

	*s = (struct session){ .program = program, .opt = opt };
	err = program->connect(&params, &s->fs, why, sizeof(why));
	if (err) {
		say(program->server_name(), "%s", why);
		return err;
	}
	stats_netfs(s->fs);
	interrupt_netfs(s->fs);
	err = s->fs->ops->root(s->fs, &s->root, &s->root_attr);
	if (err) {
		session_say(s, program->server_name(), err);
		session_end(s);
	}
	return err;
}

void session_end(struct session *s)
{
	netfs_node_put(s->root);
	interrupt_netfs(NULL);
	stats_netfs(NULL);
	s->fs->ops->disconnect(s->fs);
	s->fs = NULL;
}

void session_say(struct session *s, const char *path, int err)
{
	static atomic_bool said;
	const char *text;

	if (interrupted())
		return;
	if (!s->fs->ops->error(s->fs, &text))
		say(path, "%s", strerror(-err));
	else if (!atomic_exchange(&said, true))
		say(path, "the connection to %s is lost: %s", s->program->server_name(), text);
}
