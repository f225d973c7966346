// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * world.c - see world.h.
 */
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *world_dir;
int world_version;
static pid_t server;

bool world_found(void)
{
	world_dir = getenv("NFS_DIR");
	if (!world_dir || !getenv("NFS_SERVER"))
		return false;
	world_version = atoi(getenv("NFS_VERSION"));
	return true;
}

static bool answers(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(getenv("NFS_PORT"))),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !connect(fd, (struct sockaddr *)&to, sizeof(to));

	close(fd);
	return yes;
}

void world_server_start(void)
{
	char command[1024];

	snprintf(command, sizeof(command), "exec %s", getenv("NFS_SERVER"));
	server = fork();
	if (!server) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	for (int i = 0; i < 600 && !answers(); i++) {
		assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
		usleep(100000);
	}
	assert_true(answers());
}

void world_server_kill(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

void world_server_freeze(bool freeze)
{
	kill(server, freeze ? SIGSTOP : SIGCONT);
	/* All its threads. */
	if (freeze)
		waitpid(server, NULL, WUNTRACED);
}

uint64_t world_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int world_connect(bool reconnect, uint32_t timeout_ms, struct netfs **out, char *why, size_t size)
{
	return world_connect_to(0, reconnect, timeout_ms, out, why, size);
}

int world_connect_to(uint16_t port, bool reconnect, uint32_t timeout_ms, struct netfs **out,
		     char *why, size_t size)
{
	struct nfsc_params params = {
		.host = "127.0.0.1",
		.port = port ? port : (uint16_t)atoi(getenv("NFS_PORT")),
		.export = getenv("NFS_EXPORT"),
		.version = world_version,
		.mount_port = (uint16_t)atoi(getenv("NFS_MOUNT_PORT")),
	};
	struct netfs_params common = { .reconnect = reconnect, .timeout_ms = timeout_ms };

	return nfsc_connect(&params, &common, out, why, size);
}

const char *world_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/export/%s", world_dir, name);
	return path;
}

void world_make_file(const char *name, const void *data, size_t len)
{
	int fd = open(world_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

void world_make_random(const char *name, size_t len)
{
	char *data = malloc(len);

	for (size_t got = 0; got < len;)
		got += (size_t)getrandom(data + got, len - got, 0);
	world_make_file(name, data, len);
	free(data);
}

/* --- Transfers -------------------------------------------------------------------------------- */

struct piece {
	struct netfs_io io;
	sem_t sem;
	int64_t result;
};

static void piece_done(struct netfs_io *io, int64_t result)
{
	struct piece *p = (struct piece *)io;

	p->result = result;
	sem_post(&p->sem);
}

static int64_t transfer(struct netfs_file *file, uint64_t pos, void *buf, size_t len, bool write)
{
	const struct netfs_ops *ops = file->node->fs->ops;
	struct piece p = {
		.io = { .file = file, .pos = pos, .buf = buf, .len = len, .done = piece_done },
	};

	sem_init(&p.sem, 0, 0);
	(write ? ops->write : ops->read)(&p.io);
	while (sem_wait(&p.sem))
		;
	return p.result;
}

int64_t world_read(struct netfs_file *file, uint64_t pos, void *buf, size_t len)
{
	return transfer(file, pos, buf, len, false);
}

int64_t world_write(struct netfs_file *file, uint64_t pos, const void *buf, size_t len)
{
	return transfer(file, pos, (void *)buf, len, true);
}

static int64_t transfer_all(struct netfs_file *file, uint64_t pos, char *buf, size_t len,
			    bool write)
{
	size_t done = 0;
	int64_t n;

	while (done < len) {
		n = transfer(file, pos + done, buf + done, len - done, write);
		if (n < 0)
			return n;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int64_t world_read_all(struct netfs_file *file, uint64_t pos, void *buf, size_t len)
{
	return transfer_all(file, pos, buf, len, false);
}

int64_t world_write_all(struct netfs_file *file, uint64_t pos, const void *buf, size_t len)
{
	return transfer_all(file, pos, (char *)buf, len, true);
}
