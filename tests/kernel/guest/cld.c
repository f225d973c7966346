// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cld - answers the kernel's NFS server, which asks who may reclaim what: nobody.
 *
 * Without an answer, the server lets nobody open a file for ten seconds after it has started.
 * Usage: cld PIPE (nfsd/cld of rpc_pipefs), before the server is started, in the background.
 */
#include <fcntl.h>
#include <linux/nfsd/cld.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	union {
		struct cld_msg msg;
		char bytes[8192];
	} said;
	struct pollfd asked = { .events = POLLIN };
	ssize_t size;

	if (argc != 2)
		return 2;
	// the server makes it when it starts, and waits half a second for somebody to open it
	while ((asked.fd = open(argv[1], O_RDWR)) < 0)
		usleep(10000);
	while (poll(&asked, 1, -1) > 0) {
		size = read(asked.fd, &said, sizeof(said));
		if (size < (ssize_t)offsetof(struct cld_msg, cm_u))
			continue;
		said.msg.cm_status = 0;
		if (said.msg.cm_cmd == Cld_GetVersion)
			said.msg.cm_u.cm_version = 1;
		if (write(asked.fd, &said, (size_t)size) != size)
			return 1;
	}
	return 1;
}
