// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - fscnfs: the commands of examples/common and the mount, over NFS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfs.h"
#include "options.h"
#include "program.h"
#include "url.h"

enum key { KEY_SERVER = 0x900, KEY_VERSION, KEY_MOUNT_PORT };

static const char *server;
static struct nfsc_params opt = { .version = 3 };
static struct nfsc_url url;

static const struct argp_option options[] = {
	{ "server", KEY_SERVER, "URL", 0, "nfs://HOST[:PORT]/EXPORT", 1 },
	{ "nfs-version", KEY_VERSION, "3|4", 0, "Version of the protocol (default 3; 4 is 4.0)",
	  1 },
	{ "mount-port", KEY_MOUNT_PORT, "N", 0,
	  "Version 3: port of the mount daemon (default: ask rpcbind)", 1 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_SERVER:
		server = arg;
		return 0;
	case KEY_VERSION:
		opt.version = (int)options_number(state, "--nfs-version", arg, 3, 4, "");
		return 0;
	case KEY_MOUNT_PORT:
		opt.mount_port =
			(uint16_t)options_number(state, "--mount-port", arg, 1, UINT16_MAX, "");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *check(void)
{
	if (!server)
		return "no --server was given";
	if (!nfsc_url_parse(server, &url))
		return "--server: not nfs://HOST[:PORT]/EXPORT";
	opt.host = url.host;
	opt.port = url.port;
	opt.export = url.path;
	return NULL;
}

static int connect_nfs(const struct netfs_params *params, struct netfs **out, char *why,
		       size_t why_size)
{
	return nfsc_connect(&opt, params, out, why, why_size);
}

/* A handle of one version is none of the other's. */
static char *volume_key(struct netfs *fs)
{
	char *key;

	(void)fs;
	if (asprintf(&key, "nfs,%d,%s:%u,%s", opt.version, opt.host, opt.port, opt.export) < 0)
		key = NULL;
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
		.name = "fscnfs",
		.version = "fscnfs " FSCNFS_VERSION,
		.doc = "Read and write files of an NFS server, through a cache that persists.",
		.options = child,
		.digest_magic = 0x6373666e73660001,
		.check = check,
		.connect = connect_nfs,
		.volume_key = volume_key,
		.server_name = server_name,
	};

	return program_main(&program, argc, argv);
}
