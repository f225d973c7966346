// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC 0x6c6e726a63736600u
#define ENTRIES (4u << 20)

struct entry {
	uint64_t ns; /* 0: was being written when the end came */
	uint32_t file, version;
	uint32_t what;
	uint32_t reserved;
};

struct journal {
	uint64_t magic;
	uint64_t nr;
	struct world_spec world;
	struct entry entries[];
};

static struct journal *journal;

static void give_up(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	exit(2);
}

void journal_open(const char *path, const struct world_spec *made_for)
{
	size_t size = sizeof(*journal) + ENTRIES * sizeof(struct entry);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		give_up(path, strerror(errno));
	journal = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		give_up(path, strerror(errno));
	close(fd);
	if (!journal->magic && made_for) {
		journal->world = *made_for;
		journal->magic = MAGIC;
	}
	if (journal->magic != MAGIC || !journal->world.files || journal->world.files > FILES_MAX)
		give_up(path, "not a journal");
	world = journal->world;
}

void journal_add(enum journal_what what, uint32_t file, uint32_t version)
{
	uint64_t i = __atomic_fetch_add(&journal->nr, 1, __ATOMIC_ACQ_REL);
	struct entry *e = &journal->entries[i];

	if (i >= ENTRIES)
		give_up("the journal", "full");
	e->file = file;
	e->version = version;
	e->what = what;
	__atomic_store_n(&e->ns, world_now_ns(), __ATOMIC_RELEASE);
}

static void begun(struct journal_file *f, uint32_t version)
{
	if (version <= f->begun)
		return;
	f->begun = version;
	f->complete = 0;
}

static void apply(struct journal_file *f, const struct entry *e)
{
	switch (e->what) {
	case JOURNAL_BEGIN:
		begun(f, e->version);
		break;
	case JOURNAL_DONE:
		if (e->version > f->done)
			f->done = e->version;
		break;
	case JOURNAL_COMPLETE:
		if (e->version != f->begun || f->complete)
			break;
		f->complete = e->version;
		f->complete_ns = e->ns;
		break;
	case JOURNAL_FLUX:
		f->complete = 0;
		break;
	}
}

void journal_state(uint64_t until_ns, struct journal_file *files)
{
	for (uint32_t i = 0; i < world.files; i++)
		files[i] = (struct journal_file){ .begun = 1, .done = 1 };
	for (uint64_t i = 0; i < journal->nr && i < ENTRIES; i++) {
		const struct entry *e = &journal->entries[i];

		if (e->ns && e->ns < until_ns && e->file < world.files)
			apply(&files[e->file], e);
	}
}

uint64_t journal_last_ns(void)
{
	uint64_t last = 0;

	for (uint64_t i = 0; i < journal->nr && i < ENTRIES; i++)
		if (journal->entries[i].ns > last)
			last = journal->entries[i].ns;
	return last;
}

static void add_at(uint64_t ns, enum journal_what what, uint32_t file, uint32_t version)
{
	journal->entries[journal->nr++] = (struct entry){
		.ns = ns,
		.file = file,
		.version = version,
		.what = what,
	};
}

void journal_replace(const struct journal_file *files)
{
	journal->nr = 0;
	for (uint32_t i = 0; i < world.files; i++) {
		add_at(1, JOURNAL_BEGIN, i, files[i].begun);
		add_at(1, JOURNAL_DONE, i, files[i].done);
		if (files[i].complete)
			add_at(files[i].complete_ns, JOURNAL_COMPLETE, i, files[i].complete);
	}
}
