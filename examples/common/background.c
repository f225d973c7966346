// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * background.c - go on as a daemon.
 */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "say.h"

static int ready_fd = -1; /* to who waits for us */

/* The child said that it is ready, or it is gone, having said why. */
static int wait_for(pid_t child, int fd)
{
	int status;
	char byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return EXIT_FAILED;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void background_begin(void)
{
	int fds[2];
	pid_t child;

	fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) || (child = fork()) < 0) {
		say("the background", "can't be gone to: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	if (child) {
		close(fds[1]);
		/* What is to be done at an exit is the child's to do. */
		_exit(wait_for(child, fds[0]));
	}
	close(fds[0]);
	ready_fd = fds[1];
}

static void let_go_of_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	say_to_log();
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

void background_ready(void)
{
	if (ready_fd < 0)
		return;
	let_go_of_terminal();
	/* If they are gone nobody is waiting; and the root is always there to be in. */
	if (chdir("/") || write(ready_fd, "", 1) < 0)
		say("/", "%s", strerror(errno));
	close(ready_fd);
	ready_fd = -1;
}
