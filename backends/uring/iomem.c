/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iomem.c - memory for transfers.
 *
 * Direct I/O pins what it is given page by page, and tells the device of each run of pages that lie
 * side by side in memory. A long buffer of small pages is hundreds of faults when it is made, and
 * hundreds of both at each transfer. So long ones are halves of huge pages, as far as the system
 * has them to give.
 *
 * Where a sanitizer looks after memory, all of it is from the heap, which it knows.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <fscache/env.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define HALF_BYTES (HUGE_BYTES / 2)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_HALVES false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_HALVES false
#endif
#endif
#ifndef HAS_HALVES
#define HAS_HALVES true
#endif

struct half {
	struct half *next;
};

static pthread_mutex_t halves_lock = PTHREAD_MUTEX_INITIALIZER;
static struct half *halves; /* that are free, and whose other half isn't */

static bool is_half(size_t size)
{
	return HAS_HALVES && size > HALF_BYTES / 2 && size <= HALF_BYTES;
}

/* Two halves, or NULL. What is mapped beyond them, to have them where a huge page can lie, goes
 * back at once. */
static void *huge_map(void)
{
	uint8_t *mem = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (mem == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)mem & (HUGE_BYTES - 1);
	if (before)
		munmap(mem, before);
	munmap(mem + before + HUGE_BYTES, HUGE_BYTES - before);
	mem += before;
	madvise(mem, HUGE_BYTES, MADV_HUGEPAGE); /* refused: small pages do too */
	return mem;
}

static void *half_alloc(void)
{
	struct half *half, *other;

	pthread_mutex_lock(&halves_lock);
	half = halves;
	if (half)
		halves = half->next;
	pthread_mutex_unlock(&halves_lock);
	if (half)
		return half;
	half = huge_map();
	if (!half)
		return NULL;
	other = (struct half *)(void *)((char *)half + HALF_BYTES);
	pthread_mutex_lock(&halves_lock);
	other->next = halves;
	halves = other;
	pthread_mutex_unlock(&halves_lock);
	return half;
}

static void half_free(void *ptr)
{
	struct half *half = ptr, *other = (struct half *)((uintptr_t)ptr ^ HALF_BYTES), **at;
	bool both;

	pthread_mutex_lock(&halves_lock);
	for (at = &halves; *at && *at != other; at = &(*at)->next)
		;
	both = *at;
	if (both) {
		*at = other->next;
	} else {
		half->next = halves;
		halves = half;
	}
	pthread_mutex_unlock(&halves_lock);
	if (both)
		munmap(half < other ? half : other, HUGE_BYTES);
}

void *fsc_io_alloc(size_t size)
{
	size_t whole = (size + FSC_GRANULE_SIZE - 1) & ~(size_t)(FSC_GRANULE_SIZE - 1);

	if (whole < size)
		return NULL;
	if (is_half(size))
		return half_alloc();
	return aligned_alloc(FSC_GRANULE_SIZE, whole ? whole : FSC_GRANULE_SIZE);
}

void fsc_io_free(void *ptr, size_t size)
{
	if (ptr && is_half(size))
		half_free(ptr);
	else
		free(ptr);
}
