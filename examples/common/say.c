// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * say.c - messages on stderr, or in the system's log, and a line of progress that they don't get
 * mixed up with.
 */
#include "say.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <unistd.h>

#include "path.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char shown[256]; /* lock; empty: none */
static const char *program = "?";
static bool to_log; /* lock */

void say_as(const char *name)
{
	program = name;
}

void say_to_log(void)
{
	pthread_mutex_lock(&lock);
	to_log = true;
	openlog(program, LOG_PID, LOG_DAEMON);
	pthread_mutex_unlock(&lock);
}

static void clear_line(void)
{
	if (shown[0])
		fputs("\r\033[K", stderr);
}

/* With the lock. */
static void log_line(int level, const char *path, const char *fmt, va_list ap)
{
	char *line;

	if (vasprintf(&line, fmt, ap) < 0)
		return;
	syslog(level, "%s: %s", path, line);
	free(line);
}

/* With the lock. */
static void print_line(int level, const char *path, const char *fmt, va_list ap)
{
	clear_line();
	fprintf(stderr, "%s: %s%s: ", program, level == LOG_WARNING ? "warning: " : "", path);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fputs(shown, stderr);
	fflush(stderr);
}

static void say_line(int level, const char *path, const char *fmt, va_list ap)
{
	char *quoted = path_quote(path, strlen(path));
	const char *about = quoted ? quoted : "?";

	pthread_mutex_lock(&lock);
	if (to_log)
		log_line(level, about, fmt, ap);
	else
		print_line(level, about, fmt, ap);
	pthread_mutex_unlock(&lock);
	free(quoted);
}

void say(const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line(LOG_ERR, path, fmt, ap);
	va_end(ap);
}

void warn_of(const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line(LOG_WARNING, path, fmt, ap);
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
