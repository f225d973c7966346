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

enum key {
	KEY_SERVER = 0x900, KEY_ANAME, KEY_UNAME, KEY_MSIZE, KEY_VOLUME_DEV, KEY_LIKE_KERNEL,
	KEY_CACHETAG, KEY_QIDS,
};

static struct nine_options opt = { .aname = "" };
static const char *server; /* as it was given */
static const char *volume_dev;
static const char *like_kernel, *cachetag, *qids; /* NULL: not given */

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
	{ "like-kernel", KEY_LIKE_KERNEL, "SOURCE", 0,
	  "Share the cache with Linux's own 9p, and a kernel with libfscache.ko: SOURCE is what is "
	  "mounted there, as it stands first in /proc/mounts", 2 },
	{ "cachetag", KEY_CACHETAG, "TAG", 0,
	  "With --like-kernel: the mount's option cachetag, if it has one", 2 },
	{ "qids", KEY_QIDS, "WHOSE", 0,
	  "With --like-kernel: whose versions and numbers files have there: server, this one's "
	  "(default); or those that QEMU's server gives the same files: qemu, or with "
	  "multidevs=remap qemu-remap", 2 },
	{ 0 },
};

static void parse_qids(const char *arg, struct argp_state *state)
{
	static const char *const names[] = {
		[NINE_QIDS_SERVER] = "server",
		[NINE_QIDS_QEMU] = "qemu",
		[NINE_QIDS_QEMU_REMAP] = "qemu-remap",
	};

	qids = arg;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(arg, names[i])) {
			opt.qids = (enum nine_qids)i;
			return;
		}
	}
	argp_error(state, "--qids: '%s' is none of server, qemu, qemu-remap", arg);
}

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
	case KEY_LIKE_KERNEL:
		like_kernel = arg;
		opt.like_kernel = true;
		return 0;
	case KEY_CACHETAG:
		cachetag = arg;
		return 0;
	case KEY_QIDS:
		parse_qids(arg, state);
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

static const char *check_like_kernel(void)
{
	if (like_kernel && !*like_kernel)
		return "--like-kernel: no name";
	if (like_kernel && volume_dev)
		return "--like-kernel says what --volume-dev would";
	if (!like_kernel && (cachetag || qids))
		return "--cachetag and --qids are for --like-kernel";
	return NULL;
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
	return check_like_kernel();
}

/* --- What the program is asked for ----------------------------------------------------------- */

static int connect_nine(const struct netfs_params *params, struct netfs **out, char *why,
			size_t why_size)
{
	struct netfs *fs;
	int err = nine_connect(&opt, params, &fs, why, why_size);

	if (!err && like_kernel) {
		err = nine_check_versions(fs, why, why_size);
		if (err)
			fs->ops->disconnect(fs);
	}
	if (!err)
		*out = fs;
	return err;
}

/* "9p,<dev>,<aname>", after the manner of the kernel's 9p client. */
static char *own_volume_key(void)
{
	const char *dev = strchr(opt.server, ':') + 1;
	bool local = !strncmp(opt.server, "unix:", 5);
	char *real = local && !volume_dev ? realpath(dev, NULL) : NULL;
	char *key;

	if (volume_dev)
		dev = volume_dev;
	else if (real)
		dev = real;
	if (asprintf(&key, "9p,%s,%s", dev, opt.aname) < 0)
		key = NULL;
	free(real);
	return key;
}

static char *volume_key(struct netfs *fs)
{
	(void)fs;
	if (like_kernel)
		return nine_volume_like_kernel(like_kernel, cachetag ? cachetag : opt.aname);
	return own_volume_key();
}

static bool cache_is_shared(void)
{
	return like_kernel;
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
		.cache_is_shared = cache_is_shared,
	};

	return program_main(&program, argc, argv);
}
