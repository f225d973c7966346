// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - fsc9p: the commands of examples/common and the mount, over 9P2000.L.
 *
 *	nine*.c                                        files of the server, as all of it knows them
 *	client*.c, conn.c, connect.c, wire*.c          the 9P client
 */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nine.h"
#include "options.h"
#include "program.h"

enum key { KEY_SERVER = 0x900, KEY_ANAME, KEY_UNAME, KEY_MSIZE, KEY_VOLUME_DEV };

static struct nine_options opt = { .aname = "" };
static const char *server; /* as it was given */
static const char *volume_dev;

/* --- The command line ------------------------------------------------------------------------ */

static const struct argp_option options[] = {
	{ "server", KEY_SERVER, "ADDRESS", 0, "tcp:HOST:PORT or unix:PATH", 1 },
	{ "aname", KEY_ANAME, "NAME", 0,
	  "What to attach to: for most servers the exported folder (default: empty)", 1 },
	{ "uname", KEY_UNAME, "NAME", 0, "Who to attach as (default: the login name)", 1 },
	{ "msize", KEY_MSIZE, "N[K|M]", 0,
	  "Longest 9P message to agree on, bytes: 256 to 64M (default 64K)", 1 },
	{ "volume-dev", KEY_VOLUME_DEV, "NAME", 0,
	  "Name of the server in the cache's keys (default: HOST:PORT, or the socket's path)", 2 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_SERVER:
		server = arg;
		return 0;
	case KEY_ANAME:
		opt.aname = arg;
		return 0;
	case KEY_UNAME:
		opt.uname = arg;
		return 0;
	case KEY_MSIZE:
		opt.msize = (uint32_t)options_number(state, "--msize", arg, P9_MSIZE_MIN,
						     P9_MSIZE_MAX, "KM");
		return 0;
	case KEY_VOLUME_DEV:
		volume_dev = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *login_name(void)
{
	static char name[256];
	struct passwd *pw = getpwuid(getuid());

	if (pw && strlen(pw->pw_name) < sizeof(name))
		strcpy(name, pw->pw_name);
	else
		snprintf(name, sizeof(name), "%u", (unsigned int)getuid());
	return name;
}

/* A relative path leads elsewhere when a mount has gone to the background. */
static const char *absolute(const char *address)
{
	static char full[PATH_MAX + 8];
	char folder[PATH_MAX];

	if (strncmp(address, "unix:", 5) || address[5] == '/' || !getcwd(folder, sizeof(folder)) ||
	    snprintf(full, sizeof(full), "unix:%s/%s", folder, address + 5) >= (int)sizeof(full))
		return address;
	return full;
}

/* What follows "tcp:" ends with a port, by its number. */
static bool has_port(const char *where)
{
	const char *colon = strrchr(where, ':');
	size_t len = colon ? strspn(colon + 1, "0123456789") : 0;
	long port = len && len <= 5 && !colon[1 + len] ? atol(colon + 1) : 0;

	return colon > where && port >= 1 && port <= UINT16_MAX;
}

static const char *check(void)
{
	if (!server)
		return "no --server was given";
	if (strncmp(server, "unix:", 5) && strncmp(server, "tcp:", 4))
		return "--server: neither tcp:HOST:PORT nor unix:PATH";
	if (!strncmp(server, "tcp:", 4) && !has_port(server + 4))
		return "--server: not tcp:HOST:PORT with a port from 1 to 65535";
	opt.server = absolute(server);
	if (!opt.uname)
		opt.uname = login_name();
	opt.n_uname = (uint32_t)getuid();
	return NULL;
}

/* --- What the program is asked for ----------------------------------------------------------- */

static int connect_nine(const struct netfs_params *params, struct netfs **out, char *why,
			size_t why_size)
{
	return nine_connect(&opt, params, out, why, why_size);
}

/* "9p,<dev>,<aname>", as the kernel's 9p client names its volume. */
static char *volume_key(struct netfs *fs)
{
	const char *dev = strchr(opt.server, ':') + 1;
	bool local = !strncmp(opt.server, "unix:", 5);
	char *real = local && !volume_dev ? realpath(dev, NULL) : NULL;
	char *key;

	(void)fs;
	if (volume_dev)
		dev = volume_dev;
	else if (real)
		dev = real;
	if (asprintf(&key, "9p,%s,%s", dev, opt.aname) < 0)
		key = NULL;
	free(real);
	return key;
}

static const char *server_name(void)
{
	return server;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { .options = options, .parser = parse };
	static const struct argp_child child[] = { { &argp, 0, NULL, 0 }, { 0 } };
	static const struct program program = {
		.name = "fsc9p",
		.version = "fsc9p " FSC9P_VERSION,
		.doc = "Read and write files of a 9P2000.L server, through a cache that persists.",
		.options = child,
		.digest_magic = 0x3170396373660001,
		.check = check,
		.connect = connect_nine,
		.volume_key = volume_key,
		.server_name = server_name,
	};

	return program_main(&program, argc, argv);
}
