// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * history.c - what happened, line by line, of a play that is shown because something was wrong.
 *
 * Lines are kept until it is known which file they have to be about.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "play_int.h"

#define LINES 20000u
#define WIDTH 200u
#define INODES 64u

struct line {
	int file;     /* -1: of all */
	uint64_t ino; /* an op on that inode; 0: none */
	char text[WIDTH];
};

static struct line *lines;
static uint32_t nr_lines;
static struct {
	uint64_t ino;
	uint32_t file;
} inodes[INODES]; /* that got a file's name */
static uint32_t nr_inodes;

void history_begin(void)
{
	if (!lines)
		lines = calloc(LINES, sizeof(*lines));
	nr_lines = 0;
	nr_inodes = 0;
}

static void add(struct play *p, int file, uint64_t ino, const char *fmt, va_list ap)
{
	struct line *l = &lines[nr_lines % LINES];
	int n;

	nr_lines++;
	l->file = file;
	l->ino = ino;
	n = snprintf(l->text, WIDTH, "%u/%8.3f ms: ", p->process, (double)sim_now_us() / 1000);
	vsnprintf(l->text + n, WIDTH - (size_t)n, fmt, ap);
}

void play_note(struct play *p, const struct file *f, const char *fmt, ...)
{
	va_list ap;

	if (!p->history)
		return;
	va_start(ap, fmt);
	add(p, f ? (int)f->id : -1, 0, fmt, ap);
	va_end(ap);
}

static void add_op(struct play *p, uint64_t ino, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(p, -2, ino, fmt, ap);
	va_end(ap);
}

static void note_inode(struct play *p, uint64_t ino, const char *name)
{
	for (uint32_t i = 0; name && i < p->nr_files; i++) {
		const char *path = disk_path(p, &p->files[i]);
		size_t len = strlen(name), all = strlen(path);

		if (len < all && !strcmp(path + all - len, name)) {
			inodes[nr_inodes % INODES].ino = ino;
			inodes[nr_inodes++ % INODES].file = i;
		}
	}
}

void history_op(struct play *p, enum simstore_op op, uint64_t ino, const char *name, int err)
{
	if (op == SIMOP_COMMIT || op == SIMOP_FILE_OPEN || op == SIMOP_UNLINK)
		note_inode(p, ino, name);
	if (op == SIMOP_READ || op == SIMOP_XATTR_GET || op == SIMOP_STAT || op == SIMOP_TOUCH)
		if (!err)
			return;
	if (err)
		add_op(p, ino, "  %s of inode %llu %s: fails with %d", simstore_op_name(op),
		       (unsigned long long)ino, name ? name : "", err);
	else
		add_op(p, ino, "  %s of inode %llu %s", simstore_op_name(op),
		       (unsigned long long)ino, name ? name : "");
}

static bool is_about(const struct line *l, const struct file *f)
{
	if (!f || l->file == -1)
		return true;
	if (l->file >= 0)
		return l->file == (int)f->id;
	for (uint32_t i = 0; i < nr_inodes && i < INODES; i++)
		if (inodes[i].ino == l->ino && inodes[i].file == f->id)
			return true;
	return false;
}

/* The last epoch's, with places and results: in the order in which they took effect. */
void history_log(struct play *p)
{
	size_t n, i;
	const struct simstore_record *log = simstore_log(p->store, &n);

	for (i = n > 400 ? n - 400 : 0; i < n; i++) {
		const struct simstore_record *r = &log[i];

		if (r->op == SIMOP_TOUCH || r->op == SIMOP_SPACE || r->op == SIMOP_FILE_CLOSE)
			continue;
		add_op(p, r->ino, "log: task %u: %s of inode %llu %s %llu + %llu: %lld", r->task,
		       simstore_op_name(r->op), (unsigned long long)r->ino, r->name,
		       (unsigned long long)r->pos, (unsigned long long)r->len,
		       (long long)r->result);
	}
}

void history_print(const struct file *f, FILE *to)
{
	uint32_t first = nr_lines > LINES ? nr_lines - LINES : 0;

	for (uint32_t i = first; i < nr_lines; i++)
		if (is_about(&lines[i % LINES], f))
			fprintf(to, "  %s\n", lines[i % LINES].text);
}
