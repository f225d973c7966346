// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * env.c - env.h's memory, buffers, clock, random numbers, CRC and log.
 *
 * Every allocation of a run is in a table, so that what is left at its end can be named, and freed
 * when the run was cut short. The table lies apart from the memory: a sanitizer sees the exact ends
 * of each piece.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "sim_int.h"

/* --- Memory ----------------------------------------------------------------------- */

static struct sim_alloc **bucket_of(struct sim *s, const void *ptr)
{
	return &s->allocs[((uintptr_t)ptr >> 4) * 2654435761u % SIM_ALLOC_BUCKETS];
}

static void *alloc_enter(void *ptr, size_t size, const void *site, bool io)
{
	struct sim *s = sim_here();
	struct sim_alloc *a, **bucket;

	if (!ptr)
		abort();
	if (!s)
		return ptr;
	a = malloc(sizeof(*a));
	if (!a)
		abort();
	bucket = bucket_of(s, ptr);
	*a = (struct sim_alloc){ .next = *bucket, .ptr = ptr, .size = size, .site = site, .io = io,
				 .nr = ++s->alloc_made };
	*bucket = a;
	s->live_allocs++;
	s->live_bytes += size;
	return ptr;
}

/* Is this the allocation that is to fail? */
static bool alloc_refused(void)
{
	struct sim *s = sim_here();

	if (!s)
		return false;
	s->alloc_nr++;
	if (!s->fail_alloc || s->alloc_nr < s->fail_alloc)
		return false;
	return s->alloc_nr == s->fail_alloc || s->fail_after;
}

void *sim_alloc_at(size_t size, const void *site)
{
	return alloc_enter(calloc(1, size ? size : 1), size, site, false);
}

void *fsc_zalloc(size_t size)
{
	sim_may_sleep("fsc_zalloc");
	sim_point();
	return alloc_refused() ? NULL : sim_alloc_at(size, __builtin_return_address(0));
}

void *fsc_zalloc_nowait(size_t size)
{
	return alloc_refused() ? NULL : sim_alloc_at(size, __builtin_return_address(0));
}

static void alloc_leave(void *ptr, bool io, size_t io_size)
{
	struct sim *s = sim_here();
	struct sim_alloc **link, *a;

	if (!s) {
		free(ptr);
		return;
	}
	for (link = bucket_of(s, ptr); (a = *link) && a->ptr != ptr; link = &a->next)
		;
	if (!a)
		sim_fail(SIM_BUG, "what is freed was not allocated, or is free already");
	if (a->io != io || (io && a->size != io_size))
		sim_fail(SIM_BUG, "allocation %llu is freed by the wrong call or size",
			 (unsigned long long)a->nr);
	*link = a->next;
	s->live_allocs--;
	s->live_bytes -= a->size;
	sim_work_freed(s, ptr, a->size);
	memset(ptr, 0xdd, a->size); /* whoever reads it on will see */
	free(a);
	free(ptr);
}

void fsc_free(void *ptr)
{
	if (ptr)
		alloc_leave(ptr, false, 0);
}

void *fsc_io_alloc(size_t size)
{
	void *ptr;

	sim_may_sleep("fsc_io_alloc");
	sim_point();
	if (alloc_refused())
		return NULL;
	ptr = aligned_alloc(FSC_GRANULE_SIZE,
			    (size + FSC_GRANULE_SIZE - 1) / FSC_GRANULE_SIZE * FSC_GRANULE_SIZE);
	if (ptr)
		memset(ptr, 0xa5, size);
	return alloc_enter(ptr, size, __builtin_return_address(0), true);
}

void fsc_io_free(void *ptr, size_t size)
{
	sim_may_sleep("fsc_io_free");
	if (ptr)
		alloc_leave(ptr, true, size);
}

size_t sim_live_allocs(void)
{
	struct sim *s = sim_of_run();

	return s ? s->live_allocs : 0;
}

size_t sim_live_bytes(void)
{
	struct sim *s = sim_of_run();

	return s ? s->live_bytes : 0;
}

void sim_fail_alloc(uint64_t nth, bool after)
{
	struct sim *s = sim_of_run();

	if (!s)
		sim_fail(SIM_BUG, "sim_fail_alloc");
	s->fail_alloc = nth ? s->alloc_nr + nth : 0;
	s->fail_after = after;
}

/* What addr2line wants: of code that is loaded anywhere, the offset from there. */
static unsigned long site_offset(const void *site)
{
	extern char __executable_start;
	uintptr_t base = (uintptr_t)&__executable_start;

	return (unsigned long)((uintptr_t)site - (base > UINT32_MAX ? base : 0));
}

/* In the order in which they were made, which is the same in each run of a seed. */
void sim_print_allocs(FILE *to)
{
	struct sim *s = sim_of_run();
	uint64_t last = 0;

	for (size_t n = 0; s && n < s->live_allocs && n < 50; n++) {
		const struct sim_alloc *first = NULL;

		for (size_t i = 0; i < SIM_ALLOC_BUCKETS; i++)
			for (const struct sim_alloc *a = s->allocs[i]; a; a = a->next)
				if (a->nr > last && (!first || a->nr < first->nr))
					first = a;
		if (!first)
			break;
		last = first->nr;
		fprintf(to, "  allocation %llu: %zu bytes, made at %#lx (addr2line -e PROGRAM)\n",
			(unsigned long long)first->nr, first->size, site_offset(first->site));
	}
}

void sim_free_all(struct sim *s)
{
	for (size_t i = 0; i < SIM_ALLOC_BUCKETS; i++) {
		while (s->allocs[i]) {
			struct sim_alloc *a = s->allocs[i];

			s->allocs[i] = a->next;
			free(a->ptr);
			free(a);
		}
	}
	s->live_allocs = 0;
	s->live_bytes = 0;
}

/* --- Buffers ---------------------------------------------------------------------- */

static uint8_t *buf_bytes(const struct fsc_buf *buf)
{
	if (buf->kind != FSC_BUF_MEM)
		sim_fail(SIM_BUG, "a buffer of a kind that the platform doesn't know");
	return (uint8_t *)buf->mem + buf->off;
}

void fsc_buf_zero(const struct fsc_buf *buf)
{
	memset(buf_bytes(buf), 0, buf->len);
}

void fsc_buf_read(const struct fsc_buf *buf, void *dst)
{
	memcpy(dst, buf_bytes(buf), buf->len);
}

void fsc_buf_write(const struct fsc_buf *buf, const void *src)
{
	memcpy(buf_bytes(buf), src, buf->len);
}

/* --- Clock, numbers, CRC ---------------------------------------------------------- */

uint64_t fsc_now_ms(void)
{
	return sim_now_us() / 1000;
}

uint64_t fsc_random64(void)
{
	struct sim *s = sim_here();
	static uint64_t outside;

	return sim_next_random(s ? &s->rnd_env : &outside);
}

static uint32_t crc_of_byte(uint32_t v)
{
	for (int bit = 0; bit < 8; bit++)
		v = (v >> 1) ^ (v & 1 ? 0x82f63b78u : 0);
	return v;
}

uint32_t fsc_crc32c(uint32_t crc, const void *data, size_t len)
{
	static uint32_t table[256];
	const uint8_t *p = data;

	for (uint32_t i = 0; !table[255] && i < 256; i++)
		table[i] = crc_of_byte(i);
	crc = ~crc;
	while (len--)
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* --- Log -------------------------------------------------------------------------- */

#define LOG_LINES 256
#define LOG_WIDTH 240

static char log_lines[LOG_LINES][LOG_WIDTH];
static unsigned int log_next;
static int log_level = -2; /* not asked for yet */

void sim_log_reset(void)
{
	log_next = 0;
}

void sim_log_level(int level)
{
	log_level = level;
}

static int level_to_show(void)
{
	const char *text = getenv("FSC_SIM_LOG");

	if (log_level == -2)
		log_level = text ? atoi(text) : -1;
	return log_level;
}

void fsc_log(enum fsc_log_level level, const char *fmt, ...)
{
	static const char mark[] = "EWID";
	char *line = log_lines[log_next++ % LOG_LINES];
	int n = snprintf(line, LOG_WIDTH, "%c %8llu us task %u: ", mark[level & 3],
			 (unsigned long long)sim_now_us(), sim_self());
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, (size_t)(LOG_WIDTH - n), fmt, ap);
	va_end(ap);
	if ((int)level <= level_to_show())
		fprintf(stderr, "%s\n", line);
}

void sim_print_log(FILE *to)
{
	unsigned int i = log_next > LOG_LINES ? log_next - LOG_LINES : 0;

	for (; i < log_next; i++)
		fprintf(to, "  log %s\n", log_lines[i % LOG_LINES]);
}

unsigned int sim_log_count(const char *part)
{
	unsigned int i = log_next > LOG_LINES ? log_next - LOG_LINES : 0, n = 0;

	for (; i < log_next; i++)
		n += strstr(log_lines[i % LOG_LINES], part) != NULL;
	return n;
}

const char *fsc_error_text(int err, char *buf)
{
	snprintf(buf, FSC_ERROR_TEXT_MAX, "error %d", -err);
	return buf;
}

void fsc_bug(const char *cond, const char *func)
{
	sim_fail(SIM_BUG, "FSC_ASSERT(%s) in %s", cond, func);
}
