// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * say.c - messages on stderr, and a line of progress that they don't get mixed up with.
 */
#include "say.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "path.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char shown[256]; /* lock; empty: none */

static void clear_line(void)
{
	if (shown[0])
		fputs("\r\033[K", stderr);
}

static void say_line(const char *kind, const char *path, const char *fmt, va_list ap)
{
	char *quoted = path_quote(path, strlen(path));

	pthread_mutex_lock(&lock);
	clear_line();
	fprintf(stderr, "fsc9p: %s%s: ", kind, quoted ? quoted : "?");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fputs(shown, stderr);
	fflush(stderr);
	pthread_mutex_unlock(&lock);
	free(quoted);
}

void say(const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("", path, fmt, ap);
	va_end(ap);
}

void warn_of(const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("warning: ", path, fmt, ap);
	va_end(ap);
}

bool progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

int progress_width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20 ? 80 : w.ws_col;
}

void progress_show(const char *line)
{
	if (!progress_wanted())
		return;
	pthread_mutex_lock(&lock);
	if (line) {
		clear_line();
		snprintf(shown, sizeof(shown), "%s", line);
		fputs(shown, stderr);
	} else if (shown[0]) {
		fputc('\n', stderr);
		shown[0] = '\0';
	}
	fflush(stderr);
	pthread_mutex_unlock(&lock);
}
