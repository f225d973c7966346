// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * io.c - transfers.
 *
 * Each block of a transfer meets the store either when the transfer begins or when it ends, so
 * that what overlaps it may see any mixture. Between the two the memory of a read holds rubbish,
 * and the memory of a write must stay as it was. The size of the file grows when a write ends,
 * unless it was set in between: real filesystems let truncation wait for direct writes.
 */
#include <stdlib.h>

#include "store_int.h"

struct flight {
	struct flight *next; /* in simstore.flights */
	struct sim_backend *sb;
	struct fsc_io *io;
	struct fsc_file *file;
	uint64_t ino, pos;
	size_t io_len;   /* asked for */
	size_t len;      /* to be transferred */
	bool write;
	uint64_t coins;  /* which blocks are transferred at the beginning */
	uint64_t resizes, early_size;
	uint64_t hash; /* of the memory of a write */
	int err;
};

static uint8_t *buf_bytes(const struct fsc_io *io)
{
	if (io->buf.kind != FSC_BUF_MEM || !io->buf.mem)
		sim_fail(SIM_BUG, "a transfer without memory");
	return (uint8_t *)io->buf.mem + io->buf.off;
}

/* Quick; it only has to see that somebody wrote there. */
static uint64_t buf_hash(const struct fsc_io *io)
{
	const uint8_t *p = buf_bytes(io);
	uint64_t h[4] = { 0 }, word[4];

	for (size_t i = 0; i + sizeof(word) <= io->buf.len; i += sizeof(word)) {
		memcpy(word, p + i, sizeof(word));
		for (int j = 0; j < 4; j++)
			h[j] = (h[j] << 13 | h[j] >> 51) + word[j];
	}
	return h[0] + 3 * h[1] + 5 * h[2] + 7 * h[3];
}

static void check_transfer(const struct fsc_io *io, bool write)
{
	const struct fsc_backend *be = &io->file->sb->be;

	if (sim_task()->spins)
		sim_fail(SIM_CONTEXT, "a transfer under spinlock %s", sim_task()->spin_name);
	if (io->flags & FSC_IO_MAY_BLOCK)
		sim_may_sleep("a transfer that may block");
	if (io->pos % be->io_align || io->buf.len % be->io_align || !io->buf.len ||
	    (uintptr_t)buf_bytes(io) % be->mem_align)
		sim_fail(SIM_BUG, "a %s of %zu bytes at %llu, memory at ...%03x: not aligned",
			 write ? "write" : "read", io->buf.len, (unsigned long long)io->pos,
			 (unsigned int)((uintptr_t)buf_bytes(io) & 0xfff));
}

/* Bytes that will be moved: up to the end of the file, and perhaps not all. */
static size_t length_of(const struct fsc_io *io, const struct node *n, bool write)
{
	struct sim_backend *sb = io->file->sb;
	size_t len = io->buf.len;

	if (sim_chance(sb->opts.short_one_in) && len > sb->be.io_align)
		len = sb->be.io_align * (1 + sim_random((uint32_t)(len / sb->be.io_align) - 1));
	if (write)
		return len;
	if (io->pos >= n->size)
		return 0;
	return len < n->size - io->pos ? len : (size_t)(n->size - io->pos);
}

static struct flight *flight_new(struct fsc_io *io, bool write)
{
	struct flight *f = calloc(1, sizeof(*f));
	struct fsc_file *file = io->file;
	struct simstore *st = file->sb->st;
	struct node *n = store_node(st, file->ino);

	if (!f)
		abort();
	*f = (struct flight){ .next = st->flights, .sb = file->sb, .io = io, .file = file,
			      .ino = file->ino, .pos = io->pos, .write = write,
			      .io_len = io->buf.len,
			      .resizes = n->resizes, .early_size = n->size };
	f->len = length_of(io, n, write);
	f->coins = (uint64_t)sim_random(UINT32_MAX) << 32 | sim_random(UINT32_MAX);
	if (write)
		f->hash = buf_hash(io);
	else
		memset(buf_bytes(io), 0xcc, io->buf.len);
	st->flights = f;
	file->flights++;
	return f;
}

/* One block of a write; false: no room. */
static bool write_block(struct flight *f, struct node *n, uint64_t pos, size_t len)
{
	struct simstore *st = f->sb->st;

	if (!node_block(n, pos / BLOCK_SIZE) && st->used_blocks >= st->max_blocks)
		return false;
	store_apply(st, &(struct effect){ .kind = EFFECT_DATA, .ino = n->ino, .pos = pos,
					  .len = len, .data = buf_bytes(f->io) + (pos - f->pos) });
	return true;
}

/* The blocks whose turn it is at the beginning, or at the end. */
static void transfer(struct flight *f, bool begin)
{
	struct node *n = store_node(f->sb->st, f->ino);
	uint64_t pos = f->pos, next;

	for (; pos < f->pos + f->len; pos = next) {
		uint64_t end = f->pos + f->len, stop = pos - pos % BLOCK_SIZE + BLOCK_SIZE;
		bool early = f->coins >> (pos / BLOCK_SIZE % 64) & 1;

		next = stop < end ? stop : end;
		/* What extends the file has no place yet. */
		if (f->write && next > f->early_size)
			early = false;
		if (early != begin)
			continue;
		if (!f->write) {
			node_read(n, pos, buf_bytes(f->io) + (pos - f->pos), next - pos);
		} else if (n->resizes != f->resizes && next > n->size) {
			break; /* cut off meanwhile */
		} else if (!write_block(f, n, pos, next - pos)) {
			f->len = (size_t)(pos - f->pos);
			f->err = f->len ? 0 : -ENOSPC;
		}
	}
}

static void grow_file(const struct flight *f)
{
	struct node *n = store_node(f->sb->st, f->ino);
	uint64_t end = f->pos + f->len;

	if (end > n->size && n->resizes == f->resizes)
		store_apply(f->sb->st, &(struct effect){ .kind = EFFECT_SIZE, .ino = f->ino,
							 .size = end });
}

/* The whole range, for a part of it may have landed before an error. */
static void write_ends(const struct flight *f)
{
	if (f->write)
		track_write_ends(f->sb->st, f->ino, f->pos, f->io_len);
}

static void flight_free(struct flight *f)
{
	struct flight **link = &f->sb->st->flights;

	while (*link != f)
		link = &(*link)->next;
	*link = f->next;
	free(f);
}

/* In interrupt context. */
static void finish(void *arg)
{
	struct flight *f = arg;
	struct fsc_io *io = f->io;
	int64_t result;

	sim_point();
	store_op_begins(f->sb->st);
	if (f->write && f->hash != buf_hash(io))
		sim_fail(SIM_BUG, "the memory of a write at %llu changed while it ran",
			 (unsigned long long)f->pos);
	if (!f->err)
		transfer(f, false);
	write_ends(f);
	if (!f->err && f->write)
		grow_file(f);
	result = f->err ? f->err : (int64_t)f->len;
	store_record(f->sb->st, f->write ? SIMOP_WRITE_DONE : SIMOP_READ_DONE, f->ino, NULL,
		     f->pos, io->buf.len, result);
	store_op_ends(f->sb->st);
	f->file->flights--;
	flight_free(f);
	io->done(io, result);
	sim_point();
}

static void start(struct fsc_io *io, bool write)
{
	struct sim_backend *sb = io->file->sb;
	enum simstore_op op = write ? SIMOP_WRITE : SIMOP_READ;
	struct flight *f;

	check_transfer(io, write);
	sim_point();
	store_op_begins(sb->st);
	f = flight_new(io, write);
	store_record(sb->st, op, f->ino, NULL, f->pos, io->buf.len, 0);
	f->err = store_fault(sb->st, op, f->ino, NULL);
	/* A write that fails may have got anywhere. */
	if (!f->err || (write && sim_chance(2))) {
		int err = f->err;

		transfer(f, true);
		f->err = err ? err : f->err;
	}
	store_op_ends(sb->st);
	if (sim_chance(sb->opts.inline_one_in)) {
		sim_in_irq(finish, f);
	} else if ((io->flags & FSC_IO_MAY_BLOCK) && sim_chance(2)) {
		sim_sleep_us(1 + sim_random((uint32_t)sb->opts.latency_us));
		sim_in_irq(finish, f);
	} else {
		sim_irq(finish, f, 1 + sim_random((uint32_t)sb->opts.latency_us));
		sim_point();
	}
}

void sim_io_read(struct fsc_io *io)
{
	start(io, false);
}

void sim_io_write(struct fsc_io *io)
{
	start(io, true);
}

/* The process is gone; what it had under way may still reach the disk, or some of it. */
void store_drop_flights(struct simstore *st)
{
	struct sim *s = sim_of_run();
	bool killed = s && s->end == SIM_KILLED;

	track_killed(st);
	while (st->flights) {
		struct flight *f = st->flights;

		/* After any other end its memory may be gone as well. */
		if (killed && f->write && !f->err) {
			f->len -= f->len ? sim_next_random(&s->rnd_io) % f->len : 0;
			f->len -= f->len % f->sb->be.io_align;
			transfer(f, false);
			if (f->len)
				grow_file(f);
		}
		write_ends(f);
		flight_free(f);
	}
}
