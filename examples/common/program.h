/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * program.h - what one program (fsc9p, fscnfs) tells the code that both share about itself.
 */
#ifndef FSC_EXAMPLES_PROGRAM_H
#define FSC_EXAMPLES_PROGRAM_H

#include <argp.h>

#include "netfs.h"

struct options;

struct program {
	const char *name;    /* "fsc9p": of its messages, of its default cache directory */
	const char *version; /* argp's --version line */
	const char *doc;     /* for --help: what it is for */
	/* The protocol's own options (server, export, ...), parsed as an argp child; its input is
	 * this program's own storage. */
	const struct argp_child *options;
	/* The word that coherency digests begin with: another program's are never taken for ours. */
	uint64_t digest_magic;

	/* Was enough said to connect? NULL, or what is missing, for a usage error. */
	const char *(*check)(void);
	/* Connect [blocks]. 0, or -errno with a line for people in @why. */
	int (*connect)(const struct netfs_params *params, struct netfs **out, char *why,
		       size_t why_size);
	/* The volume's key, which names server and export; at most FSC_KEY_MAX bytes. In memory of the
	 * caller's; NULL: no memory. */
	char *(*volume_key)(struct netfs *fs);
	const char *(*server_name)(void); /* for messages; constant after check() */
	/* Is the cache's directory somebody else's as well, so that it is not for us to limit its size
	 * unless we are told? NULL: never. */
	bool (*cache_is_shared)(void);
};

/* Each program's main() is this call. */
int program_main(const struct program *program, int argc, char **argv);

#endif
